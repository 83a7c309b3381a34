//! What is planted in captured rows.

use model::anomaly::Anomaly;

use super::{plants, plants_none};

#[test]
fn no_event_is_missing_of_a_change_that_may_not_have_been_committed() {
    let updated = |insert: &str| {
        format!(
            "\
tx0 inserts rows/7 as c0
tx0 {insert}
tx1 updates rows/7 as c1
tx1 is committed
the capture catches up
rows-0 is read from 0: insert of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c1
"
        )
    };
    plants_none(&updated("may be committed"), Anomaly::RowMissing);
    let missing = "rows row 7: its first event dropped";
    plants(&updated("is committed"), Anomaly::RowMissing, missing);
}

/// A row with as many events, in the order of the changes, the first at a
/// place in the write-ahead log.
fn changed(row: &str, changes: &[&str], lsn: u64) -> String {
    let each = changes.iter().zip(lsn..).enumerate();
    let (made, told): (Vec<String>, Vec<String>) = each
        .map(|(at, (change, lsn))| {
            let op = if at == 0 { "insert" } else { "update" };
            (
                format!("tx0 {op}s rows/{row} as {change}\n"),
                format!("{op} of rows/{row} by {change} at lsn {lsn}"),
            )
        })
        .unzip();
    let made = made.concat();
    let last = changes.last().unwrap();
    format!(
        "\
{made}tx0 is committed
the capture catches up
rows-0 is read from 0: {}
rows holds {row} by {last}
",
        told.join(", ")
    )
}

#[test]
fn two_events_are_swapped_only_before_a_third_which_says_how_the_row_ends() {
    let order = |changes: &[&str], lsn: u64, what: &str| {
        let what = format!("rows row 7: {what}");
        plants(&changed("7", changes, lsn), Anomaly::CommitOrder, &what);
    };
    order(&["c0", "c1", "c2"], 1, "its first two events swapped");
    order(&["c0", "c1", "c2"], 5, "its first two events swapped");
    let moved = "its second event moved before its first in the log";
    order(&["c0", "c1"], 2, moved);
    // There is no place before the first.
    plants_none(&changed("7", &["c0", "c1"], 1), Anomaly::CommitOrder);
    plants_none(&changed("7", &["c0"], 5), Anomaly::CommitOrder);
}

#[test]
fn a_row_with_one_event_is_passed_over_for_one_with_two() {
    let text = "\
tx0 inserts rows/1 as c0
tx0 inserts rows/2 as c1
tx0 updates rows/2 as c2
tx0 is committed
the capture catches up
rows-0 is read from 0: insert of rows/1 by c0 at lsn 5, insert of rows/2 by c1 at lsn 6, update of rows/2 by c2 at lsn 7
rows holds 1 by c0, 2 by c2
";
    let moved = "rows row 2: its second event moved before its first in the log";
    plants(text, Anomaly::CommitOrder, moved);
}

#[test]
fn an_event_is_damaged_where_no_record_is_ours() {
    let damaged = "rows row 7: a damaged event before its first";
    plants(&changed("7", &["c0"], 5), Anomaly::Corrupt, damaged);
}

#[test]
fn nothing_is_missing_of_a_row_that_a_snapshot_found() {
    let first = |op: &str| {
        format!(
            "\
tx0 inserts rows/7 as c0
tx0 updates rows/7 as c1
tx0 is committed
the capture catches up
rows-0 is read from 0: {op} of rows/7 by c0, update of rows/7 by c1
rows holds 7 by c1
"
        )
    };
    plants_none(&first("snapshot"), Anomaly::RowMissing);
    let missing = "rows row 7: its first event dropped";
    plants(&first("insert"), Anomaly::RowMissing, missing);
}
