//! What a connector, its slot and its configuration say of events that are not
//! there, and of events that cannot be read: each beside a twin.

use checker::judge;
use model::anomaly::Anomaly;
use model::claim::Claim;
use model::event::{
    BatchKind, Body, CaptureResult, CaptureSetting, ChangeContent, RowOp, SettingEffect, SlotState,
    Snapshot,
};
use model::ids::{ChangeId, Lsn, Offset};
use model::verdict::{ScenarioVerdict, Verdict};

use crate::story::{Story, capture_story, changes, found, required};

#[track_caller]
fn finds(story: &Story, expected: &[(Anomaly, u64)]) {
    assert_eq!(found(&story.check()), expected);
}

#[track_caller]
fn clean(story: &Story) {
    finds(story, &[]);
}

const fn of(change: u64) -> ChangeContent {
    ChangeContent::Ours(ChangeId::new(change))
}

const MISSING: [(Anomaly, u64); 2] = [(Anomaly::RowMissing, 1), (Anomaly::StateDivergence, 1)];

fn ruled(story: &Story, claim: Claim) -> ScenarioVerdict {
    judge(&required([claim]), "test", 1, &story.check(), Vec::new())
}

/// The verdict on a claim, and the words that its reason has.
#[track_caller]
fn is(story: &Story, claim: Claim, verdict: Verdict, words: &str) {
    let ruled = ruled(story, claim);
    let first = &ruled.guarantees[0];
    assert_eq!(first.verdict, verdict, "{}", first.reason);
    assert!(first.reason.contains(words), "{}", first.reason);
}

fn began(snapshot: Snapshot, settings: &[SettingEffect]) -> Body {
    let settings = settings.iter().map(|may| CaptureSetting {
        may: *may,
        what: "transforms.t".to_owned(),
    });
    Body::CaptureBegan {
        connector: "pg".to_owned(),
        snapshot,
        settings: settings.collect(),
    }
}

fn reached(lsn: u64) -> Body {
    Body::WalReached { lsn: Lsn::new(lsn) }
}

fn confirmed(lsn: u64) -> Body {
    Body::SlotSeen {
        state: SlotState::Kept,
        confirmed: Lsn::new(lsn),
    }
}

fn failed() -> Body {
    Body::ConnectorSeen {
        unit: "task 0".to_owned(),
        state: "FAILED".to_owned(),
        trace: "ConnectException: it broke\nCaused by: PSQLException: no slot".to_owned(),
    }
}

fn batch(kind: BatchKind, producer: i64) -> Body {
    Body::StoredBatch {
        partition: changes(),
        base_offset: Offset::new(0),
        last_offset: Offset::new(0),
        producer_id: producer,
        producer_epoch: 0,
        base_sequence: -1,
        kind,
    }
}

#[test]
fn a_change_that_its_slot_has_confirmed_is_missing_and_not_late() {
    let ends = |begun: Option<Body>, at: u64| {
        let begun = begun.into_iter().fold(capture_story(), Story::and);
        begun
            .committed(0, 7, RowOp::Insert)
            .and(reached(100))
            .committed(1, 8, RowOp::Insert)
            .row(7, of(0))
            .row(8, of(1))
            .and(confirmed(at))
            .waits(CaptureResult::TimedOut)
            .whole(0, 2)
    };
    for mode in [Snapshot::Never, Snapshot::First] {
        finds(&ends(Some(began(mode, &[])), 100), &MISSING);
        clean(&ends(Some(began(mode, &[])), 99));
    }
    // Rows may be read anew, and told of then.
    clean(&ends(Some(began(Snapshot::Repeated, &[])), 100));
    clean(&ends(None, 100));
    let late = ends(Some(began(Snapshot::Never, &[])), 99);
    let words = "late cannot be told from missing";
    is(&late, Claim::NoRowMissing, Verdict::Inconclusive, words);
}

#[test]
fn from_a_slot_that_is_gone_nothing_comes_once_the_time_is_up() {
    let ends = |state, result| {
        let slot = Body::SlotSeen {
            state,
            confirmed: Lsn::new(0),
        };
        capture_story()
            .and(began(Snapshot::Never, &[]))
            .committed(0, 7, RowOp::Insert)
            .row(7, of(0))
            .and(slot)
            .waits(result)
            .whole(0, 1)
    };
    for state in [SlotState::Absent, SlotState::Lost] {
        finds(&ends(state, CaptureResult::TimedOut), &MISSING);
        clean(&ends(state, CaptureResult::Confirmed));
    }
    clean(&ends(SlotState::Kept, CaptureResult::TimedOut));
}

#[test]
fn what_is_confirmed_while_topics_are_read_proves_nothing_of_them() {
    let story = capture_story()
        .and(began(Snapshot::Never, &[]))
        .committed(0, 7, RowOp::Insert)
        .and(reached(100))
        .row(7, of(0))
        .waits(CaptureResult::TimedOut)
        .whole(0, 1);
    clean(&story.and(confirmed(100)));
}

#[test]
fn no_slot_confirms_what_only_a_snapshot_can_find() {
    let ends = |story: Story| {
        story
            .row(7, of(0))
            .and(confirmed(100))
            .waits(CaptureResult::TimedOut)
            .whole(0, 1)
    };
    let written = || capture_story().committed(0, 7, RowOp::Insert);
    let before = written().and(began(Snapshot::First, &[])).and(reached(100));
    clean(&ends(before));
    let after = capture_story()
        .and(began(Snapshot::First, &[]))
        .committed(0, 7, RowOp::Insert)
        .and(reached(100));
    finds(&ends(after), &MISSING);
}

#[test]
fn after_a_failed_connector_nothing_comes_any_more() {
    let story = capture_story()
        .and(began(Snapshot::Never, &[]))
        .committed(0, 7, RowOp::Insert)
        .and(failed())
        .row(7, of(0));
    let dead = story.clone().waits(CaptureResult::Failed).whole(0, 1);
    finds(&dead, &MISSING);
    let words = "(no event at all of public.rows) (task 0 of connector pg FAILED: \
                 Caused by: PSQLException: no slot)";
    is(&dead, Claim::NoRowMissing, Verdict::Violated, words);
    let verdict = ruled(&dead, Claim::NoRowMissing);
    assert_eq!(verdict.failures.len(), 1);
    assert_eq!(verdict.failures[0].trace.len(), 2);
    assert_eq!(verdict.doubts, [""; 0]);
    // It may have been restarted since.
    clean(&story.waits(CaptureResult::TimedOut).whole(0, 1));
}

#[test]
fn what_may_stand_elsewhere_is_not_called_missing() {
    let ends = |settings: &[SettingEffect]| {
        capture_story()
            .and(began(Snapshot::Never, settings))
            .committed(0, 7, RowOp::Insert)
            .row(7, of(0))
            .captured(0, 1)
    };
    finds(&ends(&[SettingEffect::Drop]), &MISSING);
    let moved = ends(&[SettingEffect::Move]);
    clean(&moved);
    let words = "in topics that ackproof does not read: transforms.t";
    is(&moved, Claim::NoRowMissing, Verdict::Inconclusive, words);
    let words = "left out: transforms.t";
    let dropped = ends(&[SettingEffect::Drop]);
    is(&dropped, Claim::NoRowMissing, Verdict::Violated, words);
}

#[test]
fn an_event_of_another_form_is_neither_damaged_nor_missing() {
    let story = capture_story()
        .and(began(Snapshot::Never, &[SettingEffect::Reshape]))
        .committed(0, 7, RowOp::Insert)
        .committed(1, 8, RowOp::Insert)
        .event(0, 0, RowOp::Update, ChangeContent::Unreadable)
        .event(1, 8, RowOp::Insert, of(1))
        .row(7, of(0))
        .row(8, of(1))
        .captured(2, 2);
    clean(&story);
    for claim in [Claim::NoRowMissing, Claim::Intact, Claim::NoRowPhantom] {
        let verdict = ruled(&story, claim);
        assert_eq!(verdict.verdict, Verdict::Inconclusive, "{claim}");
        let doubt = "1 events of public.rows have a form that ackproof does not read: transforms.t";
        assert_eq!(verdict.doubts, [doubt]);
    }
}

#[test]
fn a_flattened_event_tells_of_its_change() {
    let story = capture_story()
        .and(began(Snapshot::Never, &[]))
        .committed(0, 7, RowOp::Insert)
        .committed(1, 7, RowOp::Update)
        .row(7, of(1));
    let told = |story: Story, offset, change| {
        story.event_at(offset, 7, RowOp::Untold, of(change), Lsn::new(0))
    };
    let both = told(told(story.clone(), 0, 0), 1, 1);
    clean(&both.clone().captured(2, 1));
    finds(
        &told(both, 2, 1).captured(3, 1),
        &[(Anomaly::RowDuplicate, 1)],
    );
    finds(
        &told(story, 0, 1).captured(1, 1),
        &[(Anomaly::RowMissing, 1)],
    );
}

#[test]
fn an_event_that_does_not_say_may_be_of_a_snapshot() {
    let ends = |mode, before: bool| {
        let begun = || began(mode, &[]);
        let story = capture_story();
        let story = if before { story } else { story.and(begun()) };
        let story = story
            .committed(0, 7, RowOp::Insert)
            .committed(1, 7, RowOp::Update);
        let story = if before { story.and(begun()) } else { story };
        story
            .row(7, of(1))
            .event_at(0, 7, RowOp::Untold, of(1), Lsn::new(0))
            .captured(1, 1)
    };
    let missing = [(Anomaly::RowMissing, 1)];
    clean(&ends(Snapshot::First, true));
    finds(&ends(Snapshot::First, false), &missing);
    finds(&ends(Snapshot::Never, false), &missing);
    let open = ends(Snapshot::Repeated, false);
    clean(&open);
    is(
        &open,
        Claim::NoRowMissing,
        Verdict::Inconclusive,
        "add.fields=op",
    );
}

#[test]
fn a_snapshot_that_a_scenario_is_about_has_to_find_rows() {
    let ends = |story: Story, op| story.event(0, 7, op, of(0)).row(7, of(0)).captured(1, 1);
    let written = |story: Story| story.committed(0, 7, RowOp::Insert);
    let begun = |story: Story, mode| story.and(began(mode, &[]));
    let found = ends(
        begun(written(capture_story()), Snapshot::First),
        RowOp::Snapshot,
    );
    is(&found, Claim::NoRowMissing, Verdict::Held, "1 committed");
    for mode in [Snapshot::First, Snapshot::Repeated] {
        let nothing = ends(written(begun(capture_story(), mode)), RowOp::Insert);
        let words = "the snapshot found no row";
        is(&nothing, Claim::NoRowMissing, Verdict::Inconclusive, words);
    }
    let none = ends(
        written(begun(capture_story(), Snapshot::Never)),
        RowOp::Insert,
    );
    is(&none, Claim::NoRowMissing, Verdict::Held, "1 committed");
}

#[test]
fn events_of_aborted_transactions_are_none_and_those_of_open_ones_are_late() {
    let story = capture_story()
        .and(began(Snapshot::Never, &[]))
        .committed(0, 7, RowOp::Insert)
        .row(7, of(0));
    let event = |story: Story, offset| story.event(offset, 7, RowOp::Insert, of(0));
    let begun = |story: Story| story.and(batch(BatchKind::Transactional, 5));
    let ends = |story: Story, kind| story.and(batch(kind, 5));
    let committed = ends(event(begun(story.clone()), 0), BatchKind::CommitMarker);
    clean(&committed.captured(2, 1));
    let aborted = ends(event(begun(story.clone()), 0), BatchKind::AbortMarker);
    finds(&aborted.clone().captured(2, 1), &MISSING);
    // Told again in another one, it is told once.
    let again = ends(event(begun(aborted), 2), BatchKind::CommitMarker);
    clean(&again.captured(4, 1));
    let open = event(begun(story), 0).captured(1, 1);
    clean(&open);
    is(
        &open,
        Claim::NoRowMissing,
        Verdict::Inconclusive,
        "still open",
    );
}

#[test]
fn a_replay_by_other_keys_says_nothing_of_rows() {
    let ends = |settings: &[SettingEffect]| {
        capture_story()
            .and(began(Snapshot::Never, settings))
            .committed(0, 7, RowOp::Insert)
            .event(0, 7, RowOp::Insert, of(0))
            .row(7, ChangeContent::Foreign)
            .captured(1, 1)
    };
    finds(&ends(&[]), &[(Anomaly::StateDivergence, 1)]);
    let rekeyed = ends(&[SettingEffect::Rekey]);
    clean(&rekeyed);
    is(
        &rekeyed,
        Claim::NoStateDivergence,
        Verdict::Inconclusive,
        "transforms.t",
    );
}
