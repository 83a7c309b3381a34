//! What is read of librdkafka's count of itself (its `STATISTICS.md`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::protocol::SubjectEvent;

/// What is read of it. What is missing counts nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Statistics {
    pub(super) brokers: BTreeMap<String, OfBroker>,
    pub(super) topics: BTreeMap<String, OfTopic>,
}

/// Of one broker.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OfBroker {
    throttle: Option<Window>,
}

/// Milliseconds that it told the client to wait, in the last interval.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Window {
    sum: i64,
}

/// Of one topic.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OfTopic {
    pub(super) partitions: BTreeMap<i32, OfPartition>,
}

/// Of one partition.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OfPartition {
    /// Records put into requests, each time counted.
    pub(super) txmsgs: u64,
}

impl Statistics {
    /// Reads it; none where it is no such count.
    pub(super) fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// How long brokers told the client to wait since it counted last.
    pub(super) fn throttled(&self) -> Option<SubjectEvent> {
        let windows = self.brokers.values();
        let windows = windows.filter_map(|broker| broker.throttle.as_ref());
        let throttle_ms: i64 = windows.map(|window| window.sum.max(0)).sum();
        (throttle_ms > 0).then(|| SubjectEvent::Throttled {
            throttle_ms: throttle_ms.unsigned_abs(),
        })
    }

    /// How many records were put into a request again, at least.
    ///
    /// librdkafka's `txretries` counts requests of other kinds: when a produce
    /// request fails, its records go back to their partition's queue and into a
    /// new request, which counts as a first one. `txmsgs` counts a record each
    /// time, so what exceeds the records handed over was sent again. Exact at
    /// the end, unless a record expired before it was ever sent.
    pub(super) fn resent(&self, handed_over: u64) -> u64 {
        let partitions = self.topics.values().flat_map(|it| it.partitions.values());
        let sent: u64 = partitions.map(|it| it.txmsgs).sum();
        sent.saturating_sub(handed_over)
    }

    /// Records of a partition that were put into requests.
    pub(super) fn in_requests(&self, topic: &str, partition: i32) -> u64 {
        let of_topic = self.topics.get(topic);
        let found = of_topic.and_then(|it| it.partitions.get(&partition));
        found.map_or(0, |it| it.txmsgs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: &str = r#"{
        "name": "rdkafka#producer-1", "brokers": {
            "127.0.0.1:1/bootstrap": {"nodeid": -1, "throttle": {"min": 0, "sum": 40, "cnt": 2}},
            "127.0.0.1:2/1": {"nodeid": 1, "throttle": {"sum": 2}}, "old": {}
        },
        "topics": {"t": {"topic": "t", "partitions": {
            "0": {"partition": 0, "txmsgs": 4}, "1": {"txmsgs": 3}, "-1": {"txmsgs": 0}
        }}}
    }"#;

    #[test]
    fn what_is_counted_is_read() {
        let statistics = Statistics::read(COUNT).unwrap();
        assert_eq!(statistics.resent(5), 2);
        assert_eq!(statistics.resent(9), 0);
        assert_eq!(statistics.in_requests("t", 0), 4);
        assert_eq!(statistics.in_requests("t", 7), 0);
        assert_eq!(statistics.in_requests("u", 0), 0);
        let throttled = statistics.throttled();
        assert_eq!(throttled, Some(SubjectEvent::Throttled { throttle_ms: 42 }));
    }

    #[test]
    fn what_says_nothing_counts_nothing() {
        let statistics = Statistics::read("{}").unwrap();
        assert_eq!((statistics.resent(0), statistics.throttled()), (0, None));
        assert!(Statistics::read("no JSON").is_none());
    }
}
