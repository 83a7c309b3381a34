//! What is written on one side of the pipe is read on the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use model::event::{CommitResult, Content};
use model::ids::{Micros, Offset, PartitionIndex, ProducerIx, RecordId, RunId, Sequence};
use model::pace::Pace;
use model::scenario::{Commit, Fence};
use model::template::RecordTemplate;
use proptest::prelude::*;
use subject::clock::Clock;
use subject::role::{
    ClientCommand, ClientEvent, ConsumerRole, LargeRecords, ProducerRole, Report, Role, TargetTopic,
};

fn config() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z.]{1,12}", any::<String>(), 0..4)
}

fn content() -> impl Strategy<Value = Content> {
    let record = (any::<u32>(), any::<u64>()).prop_map(|(producer, sequence)| RecordId {
        producer: ProducerIx::new(producer),
        sequence: Sequence::new(sequence),
    });
    prop_oneof![
        record.clone().prop_map(Content::Ours),
        record.prop_map(Content::Misplaced),
        Just(Content::Corrupt),
        Just(Content::Foreign),
    ]
}

fn happening() -> impl Strategy<Value = ClientEvent> {
    let sequence = any::<u64>().prop_map(Sequence::new);
    let partition = any::<i32>().prop_map(PartitionIndex::new);
    let partitions = prop::collection::vec(partition.clone(), 0..4);
    let offset = any::<i64>().prop_map(Offset::new);
    let result = prop_oneof![
        Just(CommitResult::Accepted),
        Just(CommitResult::Refused),
        Just(CommitResult::Unknown),
    ];
    prop_oneof![
        (any::<[String; 3]>(), config()).prop_map(|([client, version, key], config)| {
            ClientEvent::Ready {
                client,
                version,
                config,
                set: vec![key],
            }
        }),
        (sequence.clone(), partition.clone()).prop_map(|(sequence, partition)| ClientEvent::Sent {
            sequence,
            partition
        }),
        (
            sequence.clone(),
            partition.clone(),
            prop::option::of(offset.clone())
        )
            .prop_map(|(sequence, partition, offset)| ClientEvent::Acknowledged {
                sequence,
                partition,
                offset,
            }),
        (sequence.clone(), any::<String>())
            .prop_map(|(sequence, error)| ClientEvent::Failed { sequence, error }),
        (sequence, any::<String>())
            .prop_map(|(sequence, error)| ClientEvent::Unknown { sequence, error }),
        any::<u64>().prop_map(|retries| ClientEvent::Counted { retries }),
        partitions
            .clone()
            .prop_map(|partitions| ClientEvent::Assigned { partitions }),
        partitions.prop_map(|partitions| ClientEvent::Revoked { partitions }),
        (partition.clone(), offset.clone(), content()).prop_map(|(partition, offset, content)| {
            ClientEvent::Processed {
                partition,
                offset,
                content,
            }
        }),
        (partition, offset, result).prop_map(|(partition, offset, result)| {
            ClientEvent::Committed {
                partition,
                offset,
                result,
            }
        }),
        any::<String>().prop_map(|text| ClientEvent::Note { text }),
        Just(ClientEvent::Ended),
    ]
}

proptest! {
    #[test]
    fn a_report_is_one_line_and_comes_back_as_it_was(at: u64, what in happening()) {
        let report = Report { at: Micros::new(at), what };
        let line = serde_json::to_string(&report).unwrap();
        prop_assert!(!line.contains('\n'), "{line}");
        prop_assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
    }

    #[test]
    fn a_role_is_one_line_and_comes_back_as_it_was(
        run: u64, producer: u32, seed: u64, records: u64, rate: u32, name in any::<String>(),
        config in config(),
    ) {
        let clock = Clock::start();
        let producing = Role::Producer(ProducerRole {
            clock,
            client: ClientCommand::Command(vec![name.clone()]),
            bootstrap: name.clone(),
            run: RunId::new(run),
            producer: ProducerIx::new(producer),
            topics: vec![TargetTopic { name: name.clone(), partitions: 3 }],
            partition_seed: seed,
            records,
            pace: Pace { steps_per_s: vec![rate, 0], step_ms: seed, records_per_s: rate },
            begin_at: (rate > 0).then(|| Micros::new(seed)),
            record_bytes: rate,
            large: (rate > 0).then_some(LargeRecords { every: seed, bytes: rate }),
            compressible_percent: 50,
            is_silent: rate > 5,
            keys: Some(20),
            template: Some(RecordTemplate {
                value: name.clone(),
                key: None,
                headers: config.clone(),
                keys: vec![Some(seed)],
            }),
            config: config.clone(),
        });
        let consuming = Role::Consumer(ConsumerRole {
            clock,
            client: ClientCommand::Library("/lib".into()),
            bootstrap: name.clone(),
            run: RunId::new(run),
            group: name.clone(),
            topic: name,
            changes: None,
            records_per_s: rate,
            commit: Commit::Auto,
            commit_every_records: records,
            max_poll_records: seed,
            fence: Fence::Commit,
            config,
        });
        for role in [producing, consuming] {
            let line = serde_json::to_string(&role).unwrap();
            prop_assert!(!line.contains('\n'), "{line}");
            prop_assert_eq!(serde_json::from_str::<Role>(&line).unwrap(), role);
        }
    }
}

#[test]
fn a_report_reads_as_documented() {
    let report = Report {
        at: Micros::new(12),
        what: ClientEvent::Acknowledged {
            sequence: Sequence::new(3),
            partition: PartitionIndex::new(1),
            offset: Some(Offset::new(40)),
        },
    };
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        r#"{"at":12,"event":"acknowledged","sequence":3,"partition":1,"offset":40}"#
    );
}

#[test]
fn a_success_needs_no_offset() {
    let success = Report {
        at: Micros::new(12),
        what: ClientEvent::Acknowledged {
            sequence: Sequence::new(3),
            partition: PartitionIndex::new(1),
            offset: None,
        },
    };
    for line in [
        r#"{"at":12,"event":"acknowledged","sequence":3,"partition":1,"offset":null}"#,
        r#"{"at":12,"event":"acknowledged","sequence":3,"partition":1}"#,
    ] {
        assert_eq!(serde_json::from_str::<Report>(line).unwrap(), success);
    }
}
