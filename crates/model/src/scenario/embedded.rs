//! The scenarios that come with the binary.

macro_rules! scenarios {
    ($($name:literal)* bugs: $($bug:literal)*) => {
        /// Name and text of each embedded scenario, in the order of running.
        pub const EMBEDDED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../scenarios/", $name, ".toml"))),)*
            $(($bug, include_str!(concat!("../../scenarios/bugs/", $bug, ".toml"))),)*
        ];
    };
}

scenarios! {
    "broker-restart"
    "broker-kill"
    "consumer-restart"
    "consumer-kill"
    "network-partition"
    "broker-pause"
    "debezium-offset-recovery"
    "debezium-restart-bulk"
    "pipeline-end-to-end"
    "multiple-consumers"
    "disk-loss"
    "nothing-broken"
    "recommended-leader-kill"
    "rolling-bounce"
    "controller-kill"
    "follower-link-loss"
    "acks-1-leader-kill"
    "acks-all-leader-kill"
    "min-isr-1-last-replica-lost"
    "min-isr-2-last-replica-lost"
    "unclean-election-on"
    "unclean-election-off"
    "power-loss-page-cache"
    "power-loss-flushed"
    "answer-lost-no-idempotence"
    "answer-lost-idempotence"
    "in-flight-5-no-idempotence"
    "in-flight-5-idempotence"
    "in-flight-1-no-idempotence"
    "auto-commit-slow-processing"
    "commit-before-processing"
    "commit-after-processing"
    "zombie-in-hand"
    "zombie-fenced"
    "offsets-expired-latest"
    "offsets-expired-earliest"
    "retention-overtakes-consumer"
    "retention-outlasts-consumer"
    "crash-dynamic-member"
    "crash-static-member"
    "outage-beyond-delivery-timeout"
    "outage-within-delivery-timeout"
    "buffer-full-in-outage"
    "buffer-outlasts-outage"
    "record-at-size-limit"
    "record-over-size-limit"
    "record-over-request-size"
    "exactly-once"
    "at-least-once"
    "read-uncommitted"
    "slot-advanced"
    "slot-kept"
    "slot-wal-unbounded"
    "slot-wal-bounded"
    "worker-kill"
    "alert-consumer-killed"
    "alert-consumer-stalled"
    "alert-group-gone"
    "alert-retention-overtakes"
    "alert-idle-topic"
    "alert-burst-caught-up"
bugs:
    "dbz-1554"
    "dbz-1554-fixed"
    "dbz-76"
    "dbz-76-fixed"
    "kafka-13598"
    "kafka-13598-fixed"
    "kafka-14034"
    "kafka-19479"
    "kafka-19479-fixed"
    "kip-890"
    "kip-890-fixed"
    "kip-890-librdkafka"
    "kip-966"
    "kip-966-fixed"
    "librdkafka-3020"
    "librdkafka-3020-fixed"
    "librdkafka-4438"
    "librdkafka-4438-fixed"
    "librdkafka-4736"
    "librdkafka-4736-fixed"
    "librdkafka-4953"
    "librdkafka-4953-in-flight-1"
    "librdkafka-sequences-reused"
    "librdkafka-sequences-reused-fixed"
}

/// The text of an embedded scenario.
pub fn embedded(name: &str) -> Option<&'static str> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
