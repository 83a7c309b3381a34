//! What the claims about groups rest on.

use super::*;

#[test]
fn claims_about_groups_rest_on_each_group() {
    let of_second = |change: fn(&mut GroupCoverage)| {
        move |of: &mut Analysis| change(&mut of.coverage.groups[1])
    };
    let every = [
        Claim::NoGroupGap,
        Claim::GroupComplete,
        Claim::NothingReprocessed,
        Claim::ReprocessedWithinWindow,
        Claim::ReadsInOrder,
        Claim::NoCommitRegression,
    ];
    for claim in every {
        let absent = |of: &mut Analysis| of.coverage.groups[1].name = "x".to_owned();
        doubted(claim, absent, "the group h never came up");
    }
    let unsettled = of_second(|group| group.unsettled = 1);
    let why = "h processed 1 records in transactions of unknown outcome";
    for claim in [
        Claim::NoGroupGap,
        Claim::GroupComplete,
        Claim::NothingReprocessed,
        Claim::ReprocessedWithinWindow,
        Claim::GroupsIndependent,
    ] {
        doubted(claim, unsettled, why);
    }
    let unknown = of_second(|group| group.unknown = 1);
    let why = "h committed past 1 offsets below the log start that were neither acknowledged nor \
               processed";
    for claim in [Claim::NoGroupGap, Claim::GroupComplete] {
        doubted(claim, unknown, why);
    }

    doubted(
        Claim::NoGroupGap,
        of_second(|group| group.below_committed = 0),
        "h committed past no record",
    );
    held(
        Claim::NoGroupGap,
        |of| {
            for group in &mut of.coverage.groups {
                group.below_committed = 1;
                group.made = Some(1);
            }
        },
        "g processed all 1 records below its committed offset, and made something of each; h processed all \
         1 records below its committed offset, and made something of each",
    );

    let complete = Claim::GroupComplete;
    doubted(
        complete,
        of_second(|group| group.stored = 0),
        "there was nothing for h to read",
    );
    doubted(
        complete,
        of_second(|group| group.unstable = 1),
        "1 records stand behind a transaction that was never closed, where h does not get to",
    );
    doubted(
        complete,
        of_second(|group| group.behind = 1),
        "h did not process 1 of 8 records, and the run did not wait for it",
    );
    doubted(
        complete,
        of_second(|group| group.behind_expired = 1),
        "1 acknowledged records were deleted before h came to them",
    );
    doubted(
        complete,
        of_second(|group| {
            group.gaps = 2;
            group.gaps_expired = 1;
        }),
        "h committed past 2 of 9 records without processing them",
    );
    held(
        complete,
        |of| of.coverage.groups[1].stored = 1,
        "g processed all 8 records; h processed all 1 records",
    );

    doubted(
        Claim::NothingReprocessed,
        of_second(|group| group.processed = 0),
        "h processed nothing",
    );
    doubted(
        Claim::ReadsInOrder,
        of_second(|group| group.steps = 0),
        "h never read two records in a row",
    );
    doubted(
        Claim::NoCommitRegression,
        of_second(|group| group.commits = 1),
        "h committed 1 times",
    );
    held(
        Claim::NoCommitRegression,
        of_second(|group| group.commits = 2),
        "g committed 3 times, and never went back; h committed 2 times, and never went back",
    );
}

#[test]
fn a_window_is_as_wide_as_there_were_restarts() {
    let claim = Claim::ReprocessedWithinWindow;
    let again = |again: u64| {
        move |of: &mut Analysis| {
            of.coverage.groups.truncate(1);
            of.coverage.groups[0].name = "h".to_owned();
            of.coverage.groups[0].reprocessed = again;
            of.coverage.groups.insert(0, group("g"));
            of.coverage.groups[0].reprocessed = 0;
        }
    };
    let what = |again: u64| {
        format!("h processed {again} records again, 2 allowed: 1 restart, a commit every 2 records")
    };
    violated(claim, again(3), &what(3));
    held(
        claim,
        again(2),
        &format!(
            "g processed 0 records again, 2 allowed: 1 restart, a commit every 2 records; {}",
            what(2)
        ),
    );
    let never = "h was never interrupted while it was reading";
    doubted(
        claim,
        |of| {
            of.coverage.activity[1].restarts = 0;
            of.coverage.groups[1].reprocessed = 0;
        },
        never,
    );
    doubted(claim, |of| of.coverage.groups[1].processed = 0, never);
}

#[test]
fn groups_are_independent_while_all_of_them_read_what_was_being_sent() {
    let claim = Claim::GroupsIndependent;
    held(
        claim,
        |_| (),
        "g processed all 8 records; h processed all 8 records; all were reading at once for 60 ms \
         while records were sent",
    );
    doubted(
        claim,
        |of| {
            of.coverage.groups.remove(0);
        },
        "there are no two groups",
    );
    let never = "a group, or the sending, was never active";
    doubted(claim, |of| of.coverage.sending = None, never);
    doubted(claim, |of| of.coverage.activity[0].active = None, never);
    doubted(
        claim,
        |of| of.coverage.sending = Some((ms(0), ms(20))),
        "the groups did not read while the others and the producers were active",
    );
}

#[test]
fn recovery_is_in_time_up_to_its_limit() {
    let claim = Claim::RecoversWithin;
    let took =
        |took: u64| move |of: &mut Analysis| of.measurements.groups[0].recovery_ms = Some(took);
    held(
        claim,
        took(ALLOWED_MS),
        "g was back after 1000 ms, 1000 ms allowed",
    );
    violated(
        claim,
        took(ALLOWED_MS + 1),
        "g was back after 1001 ms, 1000 ms allowed",
    );
    let slow_capture = CaptureMeasurements {
        first_event_ms: Some(950),
        ..CaptureMeasurements::default()
    };
    held(
        claim,
        |of| of.measurements.capture = Some(slow_capture),
        "the capture was back after 950 ms, 1000 ms allowed",
    );
    doubted(
        claim,
        |of| of.measurements.groups.clear(),
        "nothing came back after a restart, or nothing was restarted",
    );
}
