use super::*;

fn at(partition: i32) -> Partition {
    let topic = "t".to_owned();
    Partition { topic, partition }
}

#[test]
fn only_a_refusal_of_what_was_sent_is_one_of_the_last_attempt() {
    let cases = [
        (Code::MSG_SIZE_TOO_LARGE, Refusal::OfLastAttempt),
        (Code::INVALID_RECORD, Refusal::OfLastAttempt),
        (Code::INVALID_TIMESTAMP, Refusal::OfLastAttempt),
        (Code::POLICY_VIOLATION, Refusal::OfLastAttempt),
        // Another record of its batch was invalid.
        (Code::LOCAL_INVALID_DIFFERENT_RECORD, Refusal::Unsent),
        (Code::LOCAL_MSG_TIMED_OUT, Refusal::Unsent),
        (Code::REQUEST_TIMED_OUT, Refusal::Unsent),
        (Code::LOCAL_TIMED_OUT, Refusal::Unsent),
        (Code::LOCAL_TRANSPORT, Refusal::Unsent),
        (Code::NETWORK_EXCEPTION, Refusal::Unsent),
        (Code::NOT_ENOUGH_REPLICAS, Refusal::Unsent),
        (Code::NOT_ENOUGH_REPLICAS_AFTER_APPEND, Refusal::Unsent),
        (Code::NOT_LEADER_FOR_PARTITION, Refusal::Unsent),
        (Code::KAFKA_STORAGE_ERROR, Refusal::Unsent),
        (Code::LOCAL_PURGE_QUEUE, Refusal::Unsent),
        (Code::LOCAL_PURGE_INFLIGHT, Refusal::Unsent),
        (Code::LOCAL_FATAL, Refusal::Unsent),
        (Code::OUT_OF_ORDER_SEQUENCE_NUMBER, Refusal::Unsent),
        (Code::LOCAL_UNKNOWN_TOPIC, Refusal::Unsent),
        (Code::TOPIC_AUTHORIZATION_FAILED, Refusal::Unsent),
        (Code::UNKNOWN, Refusal::Unsent),
        // Of a version that is newer than this program.
        (Code(12_345), Refusal::Unsent),
    ];
    for (code, expected) in cases {
        assert_eq!(refusal(code, Persistence::No), expected, "{code:?}");
    }
}

#[test]
fn what_the_client_calls_possible_was_sent_and_is_no_refusal() {
    for persistence in [Persistence::Possible, Persistence::Yes] {
        for code in [Code::MSG_SIZE_TOO_LARGE, Code::LOCAL_MSG_TIMED_OUT] {
            assert_eq!(refusal(code, persistence), Refusal::Other, "{code:?}");
        }
    }
}

fn refused() -> ClientError {
    ClientError {
        name: "MSG_SIZE_TOO_LARGE".to_owned(),
        message: "Broker: Message size too large".to_owned(),
        class: ErrorClass::Other,
    }
}

/// What is certain when so many records of a partition were handed over and
/// put into requests, and one was refused.
fn certain(handed_over: u64, in_requests: u64, beside: Option<Refusal>) -> Vec<u64> {
    let mut attempts = Attempts::default();
    assert!(attempts.is_idle());
    attempts.undelivered(at(0), 3, Refusal::OfLastAttempt, &refused());
    if let Some(beside) = beside {
        attempts.undelivered(at(0), 4, beside, &refused());
    }
    for _ in 1 + u64::from(beside.is_some())..handed_over {
        attempts.delivered(at(0));
    }
    attempts.count(&statistics([(0, in_requests), (1, 100)]));
    assert!(!attempts.is_idle());
    attempts.certain().into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_refusal_is_certain_where_each_record_was_sent_once() {
    assert_eq!(certain(10, 10, None), [3]);
    assert!(certain(10, 11, None).is_empty());
    assert!(certain(10, 9, None).is_empty());
    assert_eq!(certain(10, 10, Some(Refusal::Other)), [3]);
    // One may have been sent twice, and another not at all.
    assert!(certain(10, 10, Some(Refusal::Unsent)).is_empty());
    assert_eq!(certain(10, 10, Some(Refusal::OfLastAttempt)), [3, 4]);
}

#[test]
fn partitions_of_two_topics_are_counted_apart() {
    let mut attempts = Attempts::default();
    attempts.undelivered(at(0), 1, Refusal::OfLastAttempt, &refused());
    let other = Partition {
        topic: "u".to_owned(),
        partition: 0,
    };
    attempts.delivered(other);
    attempts.count(&statistics([(0, 1), (1, 0)]));
    let certain = attempts.certain();
    assert_eq!(certain, [(1, refused())]);
}

#[test]
fn without_a_last_count_nothing_is_certain() {
    let mut attempts = Attempts::default();
    attempts.undelivered(at(0), 0, Refusal::OfLastAttempt, &refused());
    attempts.count(&statistics([(0, 1), (1, 0)]));
    attempts.give_up();
    assert!(attempts.certain().is_empty());
}

fn statistics(partitions: [(i32, u64); 2]) -> Statistics {
    let partitions = partitions.map(|(at, txmsgs)| format!("\"{at}\": {{\"txmsgs\": {txmsgs}}}"));
    let json = format!(
        "{{\"topics\": {{\"t\": {{\"partitions\": {{{}}}}}}}}}",
        partitions.join(", ")
    );
    Statistics::read(&json).unwrap()
}

/// What is told of offsets that the client names in one partition.
fn told(persistence: Persistence, named: &[i64]) -> Vec<Option<i64>> {
    let mut offsets = Offsets::default();
    let given = |offset: &i64| offsets.given(persistence, at(0), *offset);
    named.iter().map(given).collect()
}

#[test]
fn an_offset_is_what_a_broker_gave() {
    let all = told(Persistence::Yes, &[0, 1, 2]);
    assert_eq!(all, [Some(0), Some(1), Some(2)]);
    // As a success is reported that was only concluded.
    assert_eq!(told(Persistence::Yes, &[-1001, 0]), [None, Some(0)]);
    assert_eq!(told(Persistence::Yes, &[-1, 7]), [None, Some(7)]);
}

#[test]
fn an_offset_that_is_counted_on_from_none_is_none() {
    let batch = told(Persistence::Yes, &[-1, 0, 1, 5, 6]);
    assert_eq!(batch, [None, None, None, Some(5), Some(6)]);
}

#[test]
fn without_an_answer_no_broker_gave_one() {
    assert_eq!(told(Persistence::Possible, &[-1001, 0, 17]), [None; 3]);
}

#[test]
fn offsets_of_one_partition_say_nothing_of_another() {
    let mut offsets = Offsets::default();
    assert_eq!(offsets.given(Persistence::Yes, at(0), -1), None);
    assert_eq!(offsets.given(Persistence::Yes, at(1), 0), Some(0));
}
