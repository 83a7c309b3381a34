//! Which expectations an imported history is held against.

use checker::Weight;

use super::*;

/// What keeps an imported history from being held against any expectation.
#[track_caller]
fn open(change: impl FnOnce(&mut Analysis), reasons: &[&str]) {
    let mut of = sound();
    of.completeness.imported = Some("kafkatest".to_owned());
    change(&mut of);
    for expectation in Expectation::ALL {
        let found = expect(&of, expectation);
        let verdict = match reasons {
            [] => Verdict::Held,
            _ => Verdict::Inconclusive,
        };
        assert_eq!(found.verdict, verdict, "{expectation}: {:?}", found.reasons);
        if !reasons.is_empty() {
            assert_eq!(found.reasons, reasons, "{expectation}");
        }
    }
}

#[test]
fn an_expectation_rests_on_a_whole_history_in_which_something_was_read() {
    open(|_| (), &[]);
    open(
        |of| of.completeness.lacking.push("lines".to_owned()),
        &["the history lacks something: lines"],
    );
    open(
        |of| of.completeness.aborted = Some("no disk".to_owned()),
        &["the recording was given up: no disk"],
    );
    open(|of| of.completeness.completed = false, &[]);
    open(
        |of| {
            of.completeness.imported = None;
            of.completeness.completed = false;
        },
        &["the history ends before the run was completed"],
    );
    open(|of| of.completeness.imported = None, &[]);
    open(
        |of| of.completeness.unread.push("t-0".to_owned()),
        &["not read to the end: t-0"],
    );
    open(
        |of| of.completeness.strays = 1,
        &["1 reads or commits of members that the history does not introduce"],
    );
    open(
        |of| {
            of.coverage.expired = 1;
            of.coverage.compacted = 2;
            of.coverage.damaged = 4;
        },
        &["retention, compaction or damage hides what became of 7 acknowledged records"],
    );
    open(
        |of| of.coverage.isolation[0].unordered = 1,
        &["1 readings came too far ahead of their sending to be held against it"],
    );
    let nothing_acknowledged = |of: &mut Analysis| {
        of.counts.acknowledged = 0;
        of.counts.changes = 0;
    };
    open(nothing_acknowledged, &["nothing was acknowledged"]);
    open(|of| of.counts.acknowledged = 0, &[]);
    open(|of| of.counts.changes = 0, &[]);
    let nothing_read = |of: &mut Analysis| {
        of.coverage.groups.clear();
        of.counts.stored = 0;
        of.counts.change_events = 0;
    };
    open(nothing_read, &["nothing was read"]);
    for read in [
        |of: &mut Analysis| of.counts.stored = 1,
        |of: &mut Analysis| of.counts.change_events = 1,
        |of: &mut Analysis| of.coverage.groups.push(group("g")),
    ] {
        open(
            |of| {
                nothing_read(of);
                read(of);
            },
            &[],
        );
    }
}

#[test]
fn expectations_have_the_names_that_the_command_line_takes() {
    let names = Expectation::ALL.map(|it| it.to_string());
    assert_eq!(
        names,
        ["default", "at-least-once", "exactly-once", "strict"]
    );
}

fn reported(expectation: Expectation, tool: Option<&str>) -> Vec<&'static str> {
    let all = Anomaly::ALL.iter().copied();
    all.filter(|anomaly| expectation.weigh(*anomaly, tool) == Weight::Reported)
        .map(Anomaly::name)
        .collect()
}

#[test]
fn each_expectation_allows_no_more_than_it_says() {
    assert_eq!(reported(Expectation::Default, None), ["reprocessed"]);
    assert_eq!(
        reported(Expectation::Default, Some("jepsen")),
        [
            "failed-write-visible",
            "reprocessed",
            "torn-transaction",
            "G0",
            "int-send-skip"
        ]
    );
    assert_eq!(
        reported(Expectation::AtLeastOnce, None),
        [
            "duplicate",
            "nonmonotonic-send",
            "nonmonotonic-poll",
            "reprocessed",
            "commit-regression",
            "zombie-processing",
            "G0",
            "int-nonmonotonic-poll",
            "int-send-skip",
            "int-nonmonotonic-send",
            "row-duplicate",
            "effect-duplicate",
            "effect-order",
        ]
    );
    assert_eq!(
        reported(Expectation::ExactlyOnce, None),
        ["G0", "int-send-skip"]
    );
    assert!(reported(Expectation::Strict, Some("jepsen")).is_empty());
}

#[test]
fn only_what_proves_nothing_leaves_an_expectation_open() {
    for expectation in Expectation::ALL {
        let all = Anomaly::ALL.iter().copied();
        let open: Vec<Anomaly> = all
            .filter(|anomaly| expectation.weigh(*anomaly, None) == Weight::Doubts)
            .collect();
        assert_eq!(open, [Anomaly::Unseen], "{expectation}");
    }
}
