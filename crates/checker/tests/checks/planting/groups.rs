//! What is planted in what groups read and commit.

use model::anomaly::Anomaly;

use super::{plants, plants_both, plants_none};

/// A record that stands behind a transaction that nobody closed.
fn behind_an_open_transaction(isolation: &str, rest: &str) -> String {
    format!(
        "\
g reads t with {isolation}
m0 of g starts with t-0
p0/t0 begins
p0/0 is sent to t-0
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@1
m0 processes p1/0 at t-0@1
{rest}
t-0 is read from 0: p0/0, p1/0
"
    )
}

#[test]
fn a_group_lacks_what_stands_before_an_open_transaction() {
    let text = "\
g reads t with read_committed
m0 of g starts with t-0
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@0
p0/t0 begins
p0/0 is sent to t-0
m0 processes p1/0 at t-0@0
m0 commits t-0@1
t-0 is read from 0: p1/0, p0/0
";
    let gap = "p1/0 at t-0@0 not processed by g";
    plants(text, Anomaly::GroupGap, gap);
}

#[test]
fn no_group_lacks_what_an_open_transaction_keeps_from_it() {
    let passed = |isolation: &str| behind_an_open_transaction(isolation, "m0 commits t-0@2");
    plants_none(&passed("read_committed"), Anomaly::GroupGap);
    let gap = "p1/0 at t-0@1 not processed by g";
    plants(&passed("read_uncommitted"), Anomaly::GroupGap, gap);

    let awaited = |isolation: &str| behind_an_open_transaction(isolation, "g is waited for");
    plants_none(&awaited("read_committed"), Anomaly::GroupIncomplete);
    let incomplete =
        "p1/0 at t-0@1, the last of its partition, neither processed nor committed by g";
    plants(
        &awaited("read_uncommitted"),
        Anomaly::GroupIncomplete,
        incomplete,
    );
}

#[test]
fn a_reading_that_is_taken_out_gives_no_other_name_to_a_skip() {
    // From 0 to 2 inside a transaction, from there to 3 outside.
    let skips = |first: &str| {
        format!(
            "\
g reads t
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@2
p0/3 is sent to t-0
p0/3 is acknowledged at t-0@3
p1/t0 begins
m0 reads for p1/t0
m0 processes p0/0 at t-0@0
{first}m0 processes p0/2 at t-0@2
p1/t0 is to commit
p1/t0 is committed
m0 processes p0/3 at t-0@3
m0 commits t-0@4
t-0 is read from 0: p0/0, p0/1, p0/2, p0/3
"
        )
    };
    let last = "p0/3 at t-0@3 not processed by g";
    plants(&skips(""), Anomaly::GroupGap, last);
    let first = "p0/0 at t-0@0 not processed by g";
    let whole = skips("m0 processes p0/1 at t-0@1\n");
    plants(&whole, Anomaly::GroupGap, first);
}

/// Records of `p0`, acknowledged and stored at these offsets, with nothing
/// between them, of which the group makes what `rest` says.
fn read(offsets: &[i64], rest: &str) -> String {
    let sent = offsets.iter().enumerate().map(|(at, offset)| {
        format!("p0/{at} is sent to t-0\np0/{at} is acknowledged at t-0@{offset}\n")
    });
    let last = offsets.last().copied().unwrap_or(-1);
    let stored = (0..=last).map(|at| match offsets.iter().position(|of| *of == at) {
        Some(record) => format!("p0/{record}"),
        None => "nothing".to_owned(),
    });
    let stored: Vec<String> = stored.collect();
    format!(
        "\
g reads t
m0 of g starts with t-0
{}{rest}t-0 is read from 0: {}
",
        sent.collect::<String>(),
        stored.join(", ")
    )
}

/// A member processes the records at these offsets.
fn polls(member: &str, offsets: &[i64], of: &[i64]) -> String {
    let each = offsets.iter().map(|offset| {
        let record = of.iter().position(|of| of == offset).unwrap();
        format!("{member} processes p0/{record} at t-0@{offset}\n")
    });
    each.collect()
}

/// A skip that the history has already, in another partition.
const SKIP: &str = "\
p1/0 is sent to t-1
p1/1 is sent to t-1
p1/2 is sent to t-1
m1 of g starts with t-1
m1 processes p1/0 at t-1@0
m1 processes p1/2 at t-1@2
";
const SKIPPED: &str = "t-1 is read from 0: p1/0, p1/1, p1/2\n";

#[test]
fn neighbours_change_places_where_nothing_more_is_skipped() {
    let swapped = |offsets: &[i64]| {
        let all = polls("m0", offsets, offsets);
        (read(offsets, &all), read(offsets, &(all + SKIP)) + SKIPPED)
    };
    let second = "p0/1 at t-0@1 processed after the next";
    let (alone, beside) = swapped(&[0, 1, 2, 3, 4]);
    for text in [&alone, &beside] {
        plants(text, Anomaly::PollSkip, second);
        plants(text, Anomaly::NonmonotonicPoll, second);
    }
    // Over a marker: to jump over it may be a skip already.
    let (alone, beside) = swapped(&[0, 2, 4]);
    let second = "p0/1 at t-0@2 processed after the next";
    plants(&alone, Anomaly::PollSkip, second);
    plants_none(&beside, Anomaly::PollSkip);
}

#[test]
fn what_was_read_twice_changes_no_places() {
    let offsets = [0, 1, 2, 3, 4];
    let again = polls("m0", &offsets, &offsets) + "m1 of g starts with t-0\n";
    let again = again + &polls("m1", &[2], &offsets);
    let fourth = "p0/3 at t-0@3 processed after the next";
    plants(&read(&offsets, &again), Anomaly::PollSkip, fourth);
}

#[test]
fn a_member_that_was_moved_has_nothing_before_what_it_reads_next() {
    let offsets = [0, 1, 2, 3];
    let moved = polls("m0", &[0], &offsets) + "m0 is moved to t-0@2\n";
    let moved = moved + &polls("m0", &[1, 2, 3], &offsets) + "m0 commits t-0@4\n";
    let text = read(&offsets, &moved);
    let third = "p0/2 at t-0@2 processed after the next";
    plants(&text, Anomaly::PollSkip, third);
    let unheard = text.replacen("p0/0 is acknowledged at t-0@0\n", "", 1);
    let third = "p0/2 at t-0@2 not processed by g";
    plants(&unheard, Anomaly::GroupGap, third);
}

#[test]
fn a_group_lacks_what_it_read_going_forward_and_committed_past() {
    let gap = |offsets: &[i64], rest: &str, expected: &str| {
        let expected = format!("{expected} not processed by g");
        plants(&read(offsets, rest), Anomaly::GroupGap, &expected);
    };
    let offsets = [0, 1, 2];
    let all = polls("m0", &offsets, &offsets);
    gap(
        &offsets,
        &(all.clone() + "m0 commits t-0@3\n"),
        "p0/0 at t-0@0",
    );
    gap(&offsets, &(all + "m0 commits t-0@1\n"), "p0/0 at t-0@0");
    // Over markers.
    let apart = [0, 2, 4];
    let all = polls("m0", &apart, &apart);
    gap(&apart, &(all + "m0 commits t-0@5\n"), "p0/0 at t-0@0");
    // Backwards.
    let back = polls("m0", &[1, 0], &offsets) + "m1 of g starts with t-0\n";
    let back = back + &polls("m1", &[2], &offsets) + "m1 commits t-0@3\n";
    gap(&offsets, &back, "p0/2 at t-0@2");
    // A commit that does not pass it.
    let none = polls("m0", &[0], &[0]) + "m0 commits t-0@0\n";
    plants_none(&read(&[0], &none), Anomaly::GroupGap);
}

/// The same, where nobody knows where the first record stands.
fn first_unheard(rest: &str) -> String {
    read(&[0, 1, 2], rest).replacen("p0/0 is acknowledged at t-0@0\n", "", 1)
}

#[test]
fn a_group_lacks_one_between_two_others() {
    let offsets = [0, 1, 2];
    let all = polls("m0", &offsets, &offsets) + "m0 commits t-0@3\n";
    let second = "p0/1 at t-0@1 not processed by g";
    plants(&first_unheard(&all), Anomaly::GroupGap, second);
    let beside = first_unheard(&(all + SKIP)) + SKIPPED;
    plants(&beside, Anomaly::GroupGap, second);
}

#[test]
fn a_reading_between_two_skips_of_a_kind_is_taken_out() {
    // Over a marker, where the history has a skip elsewhere.
    let offsets = [0, 2, 3];
    let all = polls("m0", &offsets, &offsets) + "m0 commits t-0@4\n" + SKIP;
    let text = read(&offsets, &all).replacen("p0/0 is acknowledged at t-0@0\n", "", 1);
    let second = "p0/1 at t-0@2 not processed by g";
    plants(&(text + SKIPPED), Anomaly::GroupGap, second);
}

#[test]
fn a_reading_at_the_edge_of_a_transaction_is_taken_out_between_neighbours() {
    let offsets = [0, 1, 2];
    let edge = "p2/t0 begins\nm0 reads for p2/t0\n".to_owned();
    let edge = edge + &polls("m0", &[0, 1], &offsets);
    let edge = edge + "p2/t0 is to commit\np2/t0 is committed\n";
    let edge = edge + &polls("m0", &[2], &offsets) + "m0 commits t-0@3\n" + SKIP;
    let text = first_unheard(&edge) + SKIPPED;
    let second = "p0/1 at t-0@1 not processed by g";
    plants(&text, Anomaly::GroupGap, second);
}

#[test]
fn what_is_skipped_at_the_edge_of_a_transaction_is_skipped_outside() {
    let offsets: Vec<i64> = (0..10).collect();
    let edge = "p2/t0 begins\nm0 reads for p2/t0\n".to_owned();
    let edge = edge + &polls("m0", &offsets[..5], &offsets);
    let edge = edge + "p2/t0 is to commit\np2/t0 is committed\n";
    let edge = edge + &polls("m0", &offsets[5..], &offsets) + "m0 commits t-0@10\n";
    let mut text = read(&offsets, &edge);
    for unheard in [0, 1, 2, 3, 5] {
        let acknowledged = format!("p0/{unheard} is acknowledged at t-0@{unheard}\n");
        text = text.replacen(&acknowledged, "", 1);
    }
    let skipped = "p0/6 at t-0@6 processed after the next";
    let gap = "p0/4 at t-0@4 not processed by g";
    let both = [(Anomaly::PollSkip, skipped), (Anomaly::GroupGap, gap)];
    plants_both(&text, both);
}

#[test]
fn a_position_goes_back_from_the_first_that_leaves_room() {
    let offsets = [0, 1];
    let all = polls("m0", &offsets, &offsets);
    let commits = "m0 commits t-0@0\nm0 commits t-0@1\nm0 commits t-0@2\n";
    let back = "g committed 0 of t-0 after 1";
    let text = read(&offsets, &(all.clone() + commits));
    plants(&text, Anomaly::CommitRegression, back);
    let start = read(&offsets, &(all + "m0 commits t-0@0\n"));
    plants_none(&start, Anomaly::CommitRegression);
}

#[test]
fn only_commits_behind_the_last_record_are_lowered_for_a_group_to_be_incomplete() {
    let offsets = [0, 1, 2];
    let last = "p0/2 at t-0@2, the last of its partition, neither processed nor committed by g";
    // Two records are missing already: were the commit raised, they would be
    // passed over.
    let jumped = "m0 commits t-0@0\n".to_owned() + &polls("m0", &[2], &offsets);
    let text = read(&offsets, &(jumped + "g is waited for\n"));
    plants(&text, Anomaly::GroupIncomplete, last);
    let all = polls("m0", &offsets, &offsets) + "m0 commits t-0@3\ng is waited for\n";
    let text = read(&offsets, &all);
    plants(&text, Anomaly::GroupIncomplete, last);
}

#[test]
fn a_regression_is_not_planted_where_lowered_commits_may_undo_one() {
    // The group went back in one partition, and can in others.
    let text = "\
g reads t
m0 of g starts with t-0, t-1, t-2
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p1/0 is sent to t-1
p1/0 is acknowledged at t-1@0
p2/0 is sent to t-2
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
m0 processes p1/0 at t-1@0
m0 processes p2/0 at t-2@0
m0 commits t-0@2
m0 commits t-2@1
m0 commits t-1@3
m0 commits t-1@2
g is waited for
t-0 is read from 0: p0/0, p0/1
t-1 is read from 0: p1/0
t-2 is read from 0: p2/0
";
    let last = "p1/0 at t-1@0, the last of its partition, neither processed nor committed by g";
    let back = "g committed 0 of t-0 after 2";
    let both = [
        (Anomaly::GroupIncomplete, last),
        (Anomaly::CommitRegression, back),
    ];
    plants_both(text, both);
}

/// A record that is read by another group, again and again.
fn read_often(times: usize, rest: &str) -> String {
    let often = "m9 processes p0/0 at t-0@0\n".repeat(times);
    let often = format!("h reads t\nm9 of h starts with t-0\n{often}");
    read(&[0, 1], &(often + rest))
}

#[test]
fn a_record_of_which_not_all_readings_are_known_is_left_alone() {
    let swapped = "p0/0 at t-0@0 and the next of its producer swapped";
    plants(&read_often(999, ""), Anomaly::NonmonotonicSend, swapped);
    plants_none(&read_often(1000, ""), Anomaly::NonmonotonicSend);

    let offsets = [0, 1];
    let once = polls("m0", &[0], &offsets) + "m0 commits t-0@1\n";
    let gap = "p0/0 at t-0@0 not processed by g";
    let first = |times| read_often(times, &once).replacen("p0/1 is acknowledged at t-0@1\n", "", 1);
    plants(&first(998), Anomaly::GroupGap, gap);
    plants_none(&first(999), Anomaly::GroupGap);
}

/// A member reads on after what it read for a transaction.
fn read_behind(end: &str) -> String {
    let offsets = [0, 1, 2, 3];
    let text = "p2/t0 begins\nm0 reads for p2/t0\n".to_owned() + &polls("m0", &[0], &offsets);
    let text = text + end + &polls("m0", &[1, 2, 3], &offsets);
    read(&offsets, &text)
}

#[test]
fn behind_an_aborted_transaction_a_member_starts_over() {
    let of = |at: i64| format!("p0/{at} at t-0@{at} processed after the next");
    let committed = read_behind("p2/t0 is to commit\np2/t0 is committed\n");
    plants(&committed, Anomaly::PollSkip, &of(1));
    let aborted = read_behind("p2/t0 is to abort\np2/t0 is aborted\n");
    plants(&aborted, Anomaly::PollSkip, &of(2));
}

#[test]
fn no_reading_changes_places_with_one_that_its_group_must_not_be_given() {
    // The third record is aborted, and was read.
    let text = "\
g reads t with read_committed
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
p1/t0 begins
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@2
p1/t0 is to abort
p1/t0 is aborted
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@4
p0/3 is sent to t-0
p0/3 is acknowledged at t-0@5
m0 processes p0/0 at t-0@0
m0 processes p0/1 at t-0@1
m0 processes p1/0 at t-0@2
m0 processes p0/2 at t-0@4
m0 processes p0/3 at t-0@5
t-0 is read from 0: p0/0, p0/1, p1/0, abort of p1, p0/2, p0/3
";
    let fifth = "p0/2 at t-0@4 processed after the next";
    plants(text, Anomaly::PollSkip, fifth);
}

/// A record is read after its commit was asked for, the one before it before
/// or after that.
fn asked(before: &str, after: &str) -> String {
    format!(
        "\
g reads t with read_committed
m0 of g starts with t-0
p0/0 is sent to t-0
p0/0 is acknowledged at t-0@0
p0/1 is sent to t-0
p0/1 is acknowledged at t-0@1
m0 processes p0/0 at t-0@0
p1/t0 begins
p1/0 is sent to t-0
p1/0 is acknowledged at t-0@2
{before}p1/t0 is to commit
p1/t0 is committed
{after}m0 processes p1/0 at t-0@2
p0/2 is sent to t-0
p0/2 is acknowledged at t-0@4
m0 processes p0/2 at t-0@4
t-0 is read from 0: p0/0, p0/1, p1/0, commit of p1, p0/2
"
    )
}

#[test]
fn no_reading_changes_places_with_one_that_would_come_too_early() {
    let read = "m0 processes p0/1 at t-0@1\n";
    let second = "p0/1 at t-0@1 processed after the next";
    plants(&asked("", read), Anomaly::PollSkip, second);
    let third = "p1/0 at t-0@2 processed after the next";
    plants(&asked(read, ""), Anomaly::PollSkip, third);
}

/// Enough of them for everything to be planted at once. A third is read by one
/// member, the others two by two.
#[test]
fn a_reading_without_a_neighbour_is_taken_out_and_nothing_is_skipped() {
    let offsets: Vec<i64> = (0..24).collect();
    let (by_one, others) = offsets.split_at(8);
    let others = (1..).zip(others.chunks(2)).map(|(member, two)| {
        let member = format!("m{member}");
        let polls = polls(&member, two, &offsets);
        format!("{member} of g starts with t-0\n{polls}")
    });
    let all = polls("m0", by_one, &offsets) + &others.collect::<String>();
    let text = read(&offsets, &(all + "m6 commits t-0@24\n"));
    let skipped = "p0/1 at t-0@1 processed after the next";
    let gap = "p0/7 at t-0@7 not processed by g";
    let both = [(Anomaly::PollSkip, skipped), (Anomaly::GroupGap, gap)];
    plants_both(&text, both);
}
