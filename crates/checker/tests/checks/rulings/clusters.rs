//! What the claims about brokers and transactions rest on.

use super::*;

#[test]
fn claims_about_brokers_rest_on_what_was_compared() {
    doubted(
        Claim::NoTruncation,
        |of| of.coverage.truncation.compared = 0,
        "no partition was known to have reached anywhere before it was pinned",
    );
    let agree = Claim::ReplicasAgree;
    let unread = |of: &mut Analysis| of.coverage.replicas.unread.push("t-0 on 1".to_owned());
    doubted(agree, unread, "replicas not read to the end: t-0 on 1");
    let alone = |of: &mut Analysis| of.coverage.replicas.alone.push("t-0".to_owned());
    doubted(agree, alone, "of these only one replica was read: t-0");
    doubted(
        agree,
        |of| of.coverage.replicas.compared = 0,
        "no record stands in two replicas that were read",
    );
}

#[test]
fn no_zombie_rests_on_partitions_that_changed_hands() {
    let hands = |outlived: u64, overtaken: u64| {
        move |of: &mut Analysis| {
            of.coverage.zombies.outlived = outlived;
            of.coverage.zombies.overtaken = overtaken;
        }
    };
    for (outlived, overtaken) in [(1, 0), (0, 1), (1, 1)] {
        held(
            Claim::NoZombie,
            hands(outlived, overtaken),
            &format!(
                "partitions were taken {outlived} times from a member that went on, and went \
                 over {overtaken} times to another before the former had been told; none was \
                 touched by its former member"
            ),
        );
    }
    doubted(
        Claim::NoZombie,
        hands(0, 0),
        "no partition was taken from a member that went on",
    );
}

#[test]
fn read_committed_rests_on_both_kinds_of_transactions() {
    let claim = Claim::ReadCommitted;
    let groups =
        |groups: Vec<IsolationCoverage>| move |of: &mut Analysis| of.coverage.isolation = groups;
    let what = |group: &str, committed: u64, passed: u64| {
        format!(
            "{group} was given {committed} records of committed transactions, and none of the \
             {passed} of aborted ones that it passed"
        )
    };
    held(claim, groups(vec![isolated("g", 1, 1)]), &what("g", 1, 1));
    doubted(claim, groups(vec![isolated("g", 0, 2)]), &what("g", 0, 2));
    doubted(claim, groups(vec![isolated("g", 3, 0)]), &what("g", 3, 0));
    doubted(
        claim,
        groups(vec![isolated("g", 3, 2), isolated("h", 0, 2)]),
        &what("h", 0, 2),
    );
    let plain = IsolationCoverage {
        is_plain: true,
        ..isolated("h", 0, 0)
    };
    held(
        claim,
        groups(vec![isolated("g", 3, 2), plain.clone()]),
        &what("g", 3, 2),
    );
    doubted(claim, groups(vec![plain]), &what("h", 0, 0));
    doubted(
        claim,
        groups(Vec::new()),
        "no group reads committed records only",
    );
    doubted(
        claim,
        |of| of.coverage.isolation[0].unordered = 1,
        "1 readings came too far ahead of their sending to be held against it",
    );
}

#[test]
fn claims_about_transactions_rest_on_what_could_have_gone_wrong() {
    doubted(
        Claim::TransactionsWhole,
        |of| of.coverage.transactions.committed_of_many = 0,
        "no transaction of two records or more was committed",
    );
    doubted(
        Claim::NoCycles,
        |of| of.coverage.cycles.reads = 0,
        "no transaction read what another had written",
    );
    let transactions = [
        Claim::ReadCommitted,
        Claim::TransactionsWhole,
        Claim::NoCycles,
    ];
    for claim in transactions {
        doubted(
            claim,
            |of| of.coverage.transactions.unknown = 1,
            "1 transactions of unknown outcome",
        );
        doubted(
            claim,
            |of| of.coverage.transactions.open = 1,
            "1 transactions not closed by a marker when it was pinned",
        );
        doubted(
            claim,
            |of| of.coverage.transactions.disowned = 1,
            "1 transactions confirmed as committed, and aborted in the log",
        );
    }
}
