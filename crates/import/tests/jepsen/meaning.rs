//! What each operation means, a case for each.

use import::jepsen::{JepsenNote, JepsenSettings};
use model::event::{Body, Event, Isolation};

use crate::notation::{check, check_whole, history, line, read, run, shown, told_twice};

#[test]
fn an_empty_input_tells_nothing() {
    for empty in ["", " \n\n", "; nothing\n", "[]", "[ #_{:process 1} ]"] {
        let (events, summary) = read(empty);
        assert!(events.is_empty(), "{empty}");
        assert_eq!(summary.operations, 0);
    }
}

#[test]
fn declarations_come_first_and_the_topic_grows_with_its_keys() {
    let (events, summary) = read(&history(
        "0 invoke send [[:send 11 1]]
         0 ok send [[:send 11 [0 1]]]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {11 [[0 1]], :x [[0 9]]}]]",
    ));
    let lines: Vec<String> = events.iter().map(|event| line(&event.body)).collect();
    assert_eq!(
        lines,
        [
            "imported from jepsen",
            "topic jepsen of 0",
            "group jepsen",
            "m0 started",
            "read-committed",
            "p0/t0 begun",
            "topic jepsen of 1",
            "p0/0 sent to 0",
            "p0/t0 ending: Commit",
            "p0/0 acknowledged 0@0",
            "p0/t0 Committed",
            "p0/t1 begun",
            "p0/t1 joined by m0",
            "p0/t1 ending: Commit",
            "m0 read 0@0 p0/0",
            "topic jepsen of 2",
            "m0 read 1@0 foreign",
            "p0/t1 Committed",
        ]
    );
    assert_eq!(summary.keys, ["11", ":x"]);
    assert_eq!(summary.operations, 4);
}

#[test]
fn events_have_the_time_of_their_operation() {
    let (events, _) = read(
        "{:process 0 :type :invoke :f :send :value [[:send 1 1]] :time 1999}
         {:process 0 :type :ok :f :send :value [[:send 1 [0 1]]] :time 5000000}",
    );
    let last = events.last().unwrap();
    assert_eq!(last.at.get(), 5000);
    let sent = |body: &Body| matches!(body, Body::SendInvoked { .. });
    let sent = events.iter().find(|event| sent(&event.body)).unwrap();
    assert_eq!(sent.at.get(), 1);
}

#[test]
fn an_operation_without_a_time_is_right_after_the_one_before() {
    let (events, summary) = read(
        "{:process 0 :type :invoke :f :send :value [[:send 1 1]] :time 3000}
         {:process 0 :type :ok :f :send :value [[:send 1 [0 1]]]}",
    );
    assert_eq!(events.last().unwrap().at.get(), 5);
    assert_eq!(summary.notes, [JepsenNote::Timeless { operations: 1 }]);
}

#[test]
fn a_send_is_told_with_its_outcome() {
    check(
        "0 invoke send [[:send 1 10]]
         1 invoke send [[:send 1 11]]
         0 ok send [[:send 1 [0 10]]]
         1 fail send [[:send 1 11]]
         0 invoke send [[:send 1 12]]
         0 info send [[:send 1 12]]",
        "m0 started
         p0/0 sent to 0
         m1 started
         p1/0 sent to 0
         p0/0 acknowledged 0@0
         p1/0 failed: no reason is given
         p0/1 sent to 0
         p0/1 unknown: no reason is given",
    );
}

#[test]
fn the_error_is_the_reason() {
    check(
        "0 invoke send [[:send 1 10]]
         0 fail send [[:send 1 10]], :error [:disconnect \"a\"]",
        "m0 started
         p0/0 sent to 0
         p0/0 failed: [:disconnect \"a\"]",
    );
}

#[test]
fn an_info_with_an_offset_was_acknowledged_in_a_transaction_of_unknown_outcome() {
    check_whole(
        "0 invoke send [[:send 1 10]]
         0 info send [[:send 1 [4 10]]]",
        "m0 started
         read-committed
         p0/t0 begun
         p0/0 sent to 0
         p0/t0 ending: Commit
         p0/0 acknowledged 0@4
         p0/t0 unknown: no reason is given",
    );
}

#[test]
fn a_transaction_is_told_whole() {
    check_whole(
        "0 invoke txn [[:send 1 10] [:poll] [:send 2 11]]
         0 ok txn [[:send 1 [0 10]] [:poll {}] [:send 2 [7 11]]]",
        "m0 started
         read-committed
         p0/t0 begun
         p0/t0 joined by m0
         p0/0 sent to 0
         p0/1 sent to 1
         p0/t0 ending: Commit
         p0/0 acknowledged 0@0
         p0/1 acknowledged 1@7
         p0/t0 Committed",
    );
}

#[test]
fn operations_keep_their_order_however_coarse_their_times_are() {
    let lines = history("0 invoke txn [[:send 1 10]]\n1 ok poll [[:poll {1 [[0 10]]}]]");
    let (events, _) = read(&lines.replace(":time 1000000", ":time 1"));
    let at = |wanted: fn(&Body) -> bool| {
        let found = events.iter().find(|event| wanted(&event.body));
        found.unwrap().at
    };
    let sent = at(|body| matches!(body, Body::SendInvoked { .. }));
    let asked = at(|body| matches!(body, Body::TransactionEnding { .. }));
    let read = at(|body| matches!(body, Body::Processed { .. }));
    assert!(sent < asked && asked < read, "{sent} {asked} {read}");
}

#[test]
fn a_transaction_reads_before_it_asks_for_its_commit() {
    let (events, _) = read(&history(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [0 10]]]
         0 invoke txn [[:poll] [:send 1 11] [:poll]]
         0 ok txn [[:poll {1 [[0 10]]}] [:send 1 [1 11]] [:poll {1 [[1 11]]}]]",
    ));
    let at = |offset: i64| {
        let read = |event: &&Event| matches!(&event.body, Body::Processed { offset: at, .. } if at.get() == offset);
        events.iter().find(read).unwrap().at.get()
    };
    let asked = |event: &&Event| matches!(event.body, Body::TransactionEnding { .. });
    let asked = events.iter().rfind(asked).unwrap().at.get();
    assert_eq!((at(1), asked, at(0)), (2000, 2001, 3000));
}

#[test]
fn the_commit_is_asked_for_when_the_transaction_is_invoked() {
    let (events, _) = read(&history(
        "0 invoke poll [[:poll]]
         1 invoke txn [[:send 1 10]]
         0 ok poll [[:poll {1 [[0 10]]}]]
         1 ok txn [[:send 1 [0 10]]]",
    ));
    let asked = |body: &Body| matches!(body, Body::TransactionEnding { .. });
    let asked = events.iter().rposition(|event| asked(&event.body)).unwrap();
    let read = |body: &Body| matches!(body, Body::Processed { .. });
    let read = events.iter().position(|event| read(&event.body)).unwrap();
    assert!(asked < read);
    assert_eq!(events[asked].at.get(), 1001);
}

#[test]
fn a_failed_transaction_has_written_nothing_and_an_unknown_one_may_have() {
    check_whole(
        "0 invoke txn [[:send 1 10] [:send 1 11]]
         0 fail txn [[:send 1 [5 10]] [:send 1 11]]
         1 invoke send [[:send 1 20] [:send 1 21]]
         1 info send [[:send 1 [8 20]] [:send 1 21]]",
        "m0 started
         read-committed
         p0/t0 begun
         p0/0 sent to 0
         p0/1 sent to 0
         p0/t0 ending: Commit
         p0/0 failed: no reason is given
         p0/1 failed: no reason is given
         p0/t0 Aborted
         m1 started
         p1/t0 begun
         p1/0 sent to 0
         p1/1 sent to 0
         p1/t0 ending: Commit
         p1/0 acknowledged 0@8
         p1/1 unknown: no reason is given
         p1/t0 unknown: no reason is given",
    );
}

#[test]
fn completions_without_a_value_keep_what_was_invoked() {
    check_whole(
        "0 invoke txn [[:send 1 10] [:poll]]
         0 info txn nil",
        "m0 started
         read-committed
         p0/t0 begun
         p0/t0 joined by m0
         p0/0 sent to 0
         p0/t0 ending: Commit
         p0/0 unknown: no reason is given
         p0/t0 unknown: no reason is given",
    );
}

#[test]
fn every_operation_is_a_transaction() {
    check_whole(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [0 10]]]
         0 invoke poll [[:poll] [:poll]]
         0 ok poll [[:poll {1 [[0 10]]}] [:poll {}]]
         0 invoke send [[:send 1 11]]
         0 fail send [[:send 1 11]]",
        "m0 started
         read-committed
         p0/t0 begun
         p0/0 sent to 0
         p0/t0 ending: Commit
         p0/0 acknowledged 0@0
         p0/t0 Committed
         p0/t1 begun
         p0/t1 joined by m0
         p0/t1 ending: Commit
         m0 read 0@0 p0/0
         p0/t1 Committed
         p0/t2 begun
         p0/1 sent to 0
         p0/t2 ending: Commit
         p0/1 failed: no reason is given
         p0/t2 Aborted",
    );
}

#[test]
fn the_isolation_can_be_given() {
    let transaction = history("0 invoke txn [[:send 1 10]]");
    let settings = JepsenSettings {
        isolation: Some(Isolation::ReadUncommitted),
    };
    let (events, _) = run(transaction.as_bytes(), settings);
    let lines: Vec<String> = events.iter().map(|event| line(&event.body)).collect();
    assert_eq!(lines[3], "read-uncommitted");
    assert!(!lines.contains(&"read-committed".to_owned()));
}

#[test]
fn polls_are_told_in_their_order() {
    check_whole(
        "0 invoke poll [[:poll] [:poll]]
         0 ok poll [[:poll {1 [[3 30] [1 10]]}] [:poll {1 [[4 40]], 2 ([0 nil])}]]",
        "m0 started
         p0/t0 begun
         p0/t0 joined by m0
         p0/t0 ending: Commit
         m0 read 0@3 foreign
         m0 read 0@1 foreign
         m0 read 0@4 foreign
         m0 read 1@0 foreign
         p0/t0 Committed",
    );
}

#[test]
fn a_record_is_who_sent_its_value_to_that_key() {
    check(
        "0 invoke send [[:send :x \"a\"]]
         1 invoke send [[:send :y \"a\"]]
         2 invoke poll [[:poll]]
         2 ok poll [[:poll {:y [[0 \"a\"]], :x [[0 \"a\"] [1 a] [2 :a]]}]]",
        "m0 started
         p0/0 sent to 0
         m1 started
         p1/0 sent to 1
         m2 started
         m2 read 1@0 p1/0
         m2 read 0@0 p0/0
         m2 read 0@1 foreign
         m2 read 0@2 foreign
         p0/0 unknown: it never completed
         p1/0 unknown: it never completed",
    );
}

#[test]
fn what_failed_is_read_again() {
    check(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[0 10] [2 12]]}]]
         0 invoke poll [[:poll]]
         0 fail poll [[:poll {1 [[3 13] [5 15]], 2 [[0 20]]}]]
         0 invoke poll [[:poll]]
         0 info poll [[:poll {1 [[3 13]]}]]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[3 13]]}]]
         0 invoke poll [[:poll]]
         0 fail poll [[:poll {1 [[4 14]]}]]",
        "m0 started
         m0 read 0@0 foreign
         m0 read 0@2 foreign
         m0 saw 0@3 foreign
         m0 saw 0@5 foreign
         m0 saw 1@0 foreign
         m0 next 0@3
         m0 next 1@anywhere
         m0 saw 0@3 foreign
         m0 next 0@3
         m0 read 0@3 foreign
         m0 saw 0@4 foreign
         m0 next 0@4",
    );
}

#[test]
fn an_assignment_keeps_the_positions_of_what_it_names() {
    check(
        "0 invoke assign [1 2]
         0 ok assign [1 2]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]], 2 [[0 20]]}]]
         0 invoke assign [2 3]
         0 ok assign (2 3 2)
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {2 [[0 20]]}]]",
        "m0 started
         m0 assigned 0 1
         m0 read 0@5 foreign
         m0 read 1@0 foreign
         m0 next 0@anywhere
         m0 assigned 1 2
         m0 next 1@1
         m0 read 1@0 foreign",
    );
}

#[test]
fn an_assignment_from_the_beginning_keeps_none() {
    check(
        "0 invoke assign [1]
         0 ok assign [1]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]]}]]
         0 invoke assign [1], :seek-to-beginning? true
         0 ok assign [1], :seek-to-beginning? true
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[0 10]]}]]",
        "m0 started
         m0 assigned 0
         m0 read 0@5 foreign
         m0 next 0@anywhere
         m0 assigned 0
         m0 read 0@0 foreign",
    );
}

#[test]
fn an_assignment_that_failed_changes_nothing_and_one_that_may_have_happened_has() {
    check(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]], 2 [[0 20]]}]]
         0 invoke assign [3]
         0 fail assign [3]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[6 16]]}]]
         0 invoke assign [1]
         0 info assign [1]",
        "m0 started
         m0 read 0@5 foreign
         m0 read 1@0 foreign
         m0 read 0@6 foreign
         m0 next 1@anywhere",
    );
}

#[test]
fn subscribed_consumers_keep_positions_without_rebalance_events() {
    check(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]], 2 [[0 20]]}]]
         0 invoke subscribe [1]
         0 ok subscribe [1]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[6 16] [7 17]]}]]
         0 invoke subscribe [1]
         0 info subscribe [1]",
        "m0 started
         m0 read 0@5 foreign
         m0 read 1@0 foreign
         m0 next 1@anywhere
         rebalances untold
         m0 read 0@6 foreign
         m0 read 0@7 foreign",
    );
}

#[test]
fn the_order_of_sending_begins_anew_where_others_are_asked_for() {
    check(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [5 10]]]
         0 invoke send [[:send 2 20]]
         0 ok send [[:send 2 [5 20]]]
         0 invoke assign [1]
         0 ok assign [1]
         0 invoke assign [2]
         0 fail assign [2]",
        "m0 started
         p0/0 sent to 0
         p0/0 acknowledged 0@5
         p0/1 sent to 1
         p0/1 acknowledged 1@5
         p0 begins anew in 1
         m0 assigned 0",
    );
}

#[test]
fn what_was_polled_before_it_was_sent_was_sent_before() {
    let lines = |events: &[Event]| {
        let lines = events.iter().map(|event| line(&event.body));
        lines.collect::<Vec<_>>()
    };
    let (events, times) = told_twice(&history(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[0 10] [1 99]]}]]
         1 invoke send [[:send 1 10] [:send 2 20]]
         1 info send [[:send 1 10] [:send 2 [0 20]]]",
    ));
    assert_eq!(times, 2);
    let told = lines(&events);
    let sent = told.iter().position(|it| it == "p1/0 sent to 0").unwrap();
    let read = told.iter().position(|it| it == "m0 read 0@0 p1/0").unwrap();
    assert!(sent < read, "{told:?}");
    assert!(told.contains(&"m0 read 0@1 foreign".to_owned()), "{told:?}");
    let once = |what: &str| told.iter().filter(|it| it.as_str() == what).count() == 1;
    for what in [
        "p1/0 sent to 0",
        "p1/1 sent to 1",
        "p1/t0 begun",
        "p1/1 acknowledged 1@0",
    ] {
        assert!(once(what), "{what}: {told:?}");
    }
}

#[test]
fn a_subscription_that_failed_changes_nothing() {
    check(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]]}]]
         0 invoke subscribe [1]
         0 fail subscribe [1]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[6 16]]}]]",
        "m0 started
         m0 read 0@5 foreign
         m0 read 0@6 foreign",
    );
}

#[test]
fn where_nothing_counted_as_read_there_is_nothing_to_forget() {
    check(
        "0 invoke poll [[:poll]]
         0 fail poll [[:poll {1 [[5 15]]}]]
         0 invoke subscribe [1]
         0 ok subscribe [1]",
        "m0 started
         m0 saw 0@5 foreign
         m0 next 0@anywhere
         rebalances untold",
    );
}

#[test]
fn a_rebalance_may_also_stand_before_the_first_poll() {
    check(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[5 15]]}]]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[9 19]]}]], :rebalance-log [{:keys [1]}]",
        "m0 started
         m0 read 0@5 foreign
         rebalances untold
         m0 read 0@9 foreign",
    );
}

#[test]
fn a_key_that_was_rebalanced_may_jump_within_an_operation() {
    check_whole(
        "0 invoke subscribe [1 2]
         0 ok subscribe [1 2]
         0 invoke txn [[:poll] [:poll]]
         0 ok txn [[:poll {1 [[5 15] [6 16]], 2 [[0 20]]}] [:poll {1 [[2 12]], 2 [[1 21]]}]], \
              :rebalance-log ({:type :assigned, :keys [1]} {:keys nil})",
        "m0 started
         rebalances untold
         p0/t0 begun
         p0/t0 joined by m0
         p0/t0 ending: Commit
         m0 read 0@5 foreign
         m0 next 0@anywhere
         m0 read 0@6 foreign
         m0 read 1@0 foreign
         m0 next 0@anywhere
         m0 read 0@2 foreign
         m0 read 1@1 foreign
         p0/t0 Committed",
    );
}

#[test]
fn after_a_crash_the_number_is_another_process() {
    check(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [0 10]]]
         0 invoke crash
         0 info crash
         0 invoke send [[:send 1 11]]
         0 ok send [[:send 1 [1 11]]]
         5 invoke crash
         5 info crash",
        "m0 started
         p0/0 sent to 0
         p0/0 acknowledged 0@0
         m0 Killed
         m1 started
         p1/0 sent to 0
         p1/0 acknowledged 0@1",
    );
}

#[test]
fn what_a_crash_left_open_is_unknown() {
    check(
        "0 invoke send [[:send 1 10]]
         0 info crash",
        "m0 started
         p0/0 sent to 0
         p0/0 unknown: it never completed
         m0 Killed",
    );
}

#[test]
fn open_operations_end_in_the_order_of_their_processes() {
    let sends = (0..20).map(|process| format!("{process} invoke send [[:send 1 {process}]]"));
    let lines: Vec<String> = sends.collect();
    let shown = shown(&read(&history(&lines.join("\n"))).0);
    let ends: Vec<&str> = shown.lines().skip(40).collect();
    let expected: Vec<String> = (0..20)
        .map(|process| format!("p{process}/0 unknown: it never completed"))
        .collect();
    assert_eq!(ends, expected);
}

#[test]
fn what_never_completed_is_unknown() {
    let (events, summary) = read(&history(
        "0 invoke send [[:send 1 10]]
         1 invoke txn [[:send 1 20]]
         0 invoke poll [[:poll]]",
    ));
    assert_eq!(
        shown(&events),
        "m0 started\n\
         p0/0 sent to 0\n\
         m1 started\n\
         p1/0 sent to 0\n\
         p0/0 unknown: it never completed\n\
         p1/0 unknown: it never completed"
    );
    let unknown = |event: &&Event| matches!(&event.body, Body::TransactionCompleted { .. });
    assert_eq!(events.iter().filter(unknown).count(), 3);
    assert_eq!(summary.notes, [JepsenNote::Uncompleted { operations: 3 }]);
}

#[test]
fn a_completion_without_an_invocation_is_invoked_as_it_completes() {
    let (events, summary) = read(&history("0 ok send [[:send 1 [0 10]]]"));
    assert_eq!(
        shown(&events),
        "m0 started\np0/0 sent to 0\np0/0 acknowledged 0@0"
    );
    assert_eq!(summary.notes, [JepsenNote::Uninvoked { operations: 1 }]);
}

#[test]
fn the_value_of_the_completion_counts() {
    let (events, summary) = read(&history(
        "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [0 :a]]]
         0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[0 :a]]}]]",
    ));
    assert!(shown(&events).ends_with("m0 read 0@0 p0/0"));
    assert_eq!(summary.notes, [JepsenNote::Renamed { sends: 1 }]);
}

#[test]
fn what_is_ok_without_an_offset_was_acknowledged_somewhere() {
    let sends = "0 invoke send [[:send 1 10]]
         0 ok send [[:send 1 [nil 10]]]
         0 invoke send [[:send 1 11]]
         0 ok send [[:send 1 11]]
         0 invoke send [[:send 1 12]]
         0 ok send [[:send 1 [-1 12]]]
         0 invoke poll [[:poll]]\n";
    let polled = |reads: &str| history(&format!("{sends} 0 ok poll [[:poll {{1 [{reads}]}}]]"));

    let (events, summary) = read(&polled("[0 10] [1 11]"));
    let said = "acknowledged without an offset, and never read: 1";
    assert!(shown(&events).contains("p0/1 acknowledged 0@-1"));
    assert!(!shown(&events).contains("lacking"));
    assert_eq!(summary.notes[0].to_string(), said);
    assert_eq!(summary.notes, [JepsenNote::Unlocated { sends: 1 }]);

    let (events, summary) = read(&polled("[0 10] [1 11] [2 12]"));
    assert!(!shown(&events).contains("lacking"));
    assert!(summary.notes.is_empty());
}

#[test]
fn a_read_without_an_offset_proves_nothing_lost() {
    let (events, summary) = read(&history(
        "0 invoke poll [[:poll]]
         0 ok poll [[:poll {1 [[nil 10]]}]]",
    ));
    assert_eq!(
        shown(&events),
        "m0 started\nlacking: reads without an offset: 1"
    );
    assert_eq!(summary.notes, [JepsenNote::Unplaced { reads: 1 }]);
}

#[test]
fn other_operations_and_fields_are_skipped_and_counted() {
    let (events, summary) = read(
        "{:process :nemesis, :type :info, :f :kill, :value {1 :killed}, :time 1}
         {:process :nemesis, :type :info, :f :kill, :time 2}
         {:process 3, :type :invoke, :f :debug-topic-partitions, :value [1], :time 3}
         {:process 3, :type :ok, :f :debug-topic-partitions, :value {:node \"n1\"}, :time 4}
         {:process 3, :type :invoke, :f :poll, :value [[:poll]], :poll-ms 1000, :time 5}
         {:process :nemesis, :type :info, :f nil, :time 6}",
    );
    assert_eq!(shown(&events), "m0 started");
    assert_eq!(summary.operations, 6);
    let counts = |counts: &std::collections::BTreeMap<String, u64>| format!("{counts:?}");
    assert_eq!(
        counts(&summary.skipped_operations),
        r#"{":debug-topic-partitions": 2, ":kill": 2, "nil": 1}"#
    );
    assert_eq!(counts(&summary.skipped_fields), r#"{":poll-ms": 1}"#);
}
