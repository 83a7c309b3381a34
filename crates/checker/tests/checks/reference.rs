//! The log's anomalies by their definitions, slowly and obviously: every
//! record against every other.

use std::collections::{BTreeMap, BTreeSet};

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{PartitionRef, RecordId};

type Place = (PartitionRef, i64);

/// What a history says of the log, as lists.
#[derive(Default)]
struct Said {
    partitions: BTreeSet<PartitionRef>,
    pinned: BTreeMap<PartitionRef, i64>,
    read: BTreeSet<PartitionRef>,
    sent: BTreeSet<RecordId>,
    failed: BTreeSet<RecordId>,
    acknowledged: BTreeSet<(Place, RecordId)>,
    stored: BTreeSet<(Place, RecordId)>,
    processed: BTreeSet<(Place, RecordId)>,
    strange: BTreeSet<Place>,
    corrupt: BTreeSet<Place>,
    damaged: BTreeSet<Place>,
    traffic_ended: bool,
}

fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    for event in events {
        match &event.body {
            Body::SendInvoked { record, .. } => {
                said.sent.insert(*record);
            }
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { at, offset } => {
                    said.partitions.insert(*at);
                    said.acknowledged.insert(((*at, offset.get()), *record));
                }
                Outcome::Failed { .. } => {
                    said.failed.insert(*record);
                }
                Outcome::Unknown { .. } => {}
            },
            Body::Stored {
                partition,
                offset,
                content,
            }
            | Body::Processed {
                from: partition,
                offset,
                content,
                ..
            } => {
                let stored = matches!(event.body, Body::Stored { .. });
                let place = (*partition, offset.get());
                said.partitions.insert(*partition);
                match content {
                    Content::Ours(record) if stored => {
                        said.stored.insert((place, *record));
                    }
                    Content::Ours(record) => {
                        said.processed.insert((place, *record));
                    }
                    Content::Corrupt => {
                        said.corrupt.insert(place);
                        if stored {
                            said.damaged.insert(place);
                        }
                    }
                    Content::Misplaced(_) | Content::Foreign => {
                        said.strange.insert(place);
                    }
                }
            }
            Body::Pinned {
                partition,
                log_start,
                ..
            } => {
                said.partitions.insert(*partition);
                said.pinned.insert(*partition, log_start.get());
            }
            Body::PartitionRead { partition } => {
                said.partitions.insert(*partition);
                said.read.insert(*partition);
            }
            Body::TrafficEnded => said.traffic_ended = true,
            _ => {}
        }
    }
    said
}

/// Exactly the instances of the anomalies of the log.
pub(crate) fn count(events: &[Event], declared: &[PartitionRef]) -> BTreeMap<Anomaly, u64> {
    let said = listen(events);
    let whole = |partition: &PartitionRef| {
        said.read.contains(partition) && said.pinned.contains_key(partition)
    };
    let topic_whole = said.partitions.iter().chain(declared).all(whole);
    let stored_somewhere = |record: &RecordId| said.stored.iter().any(|(_, it)| it == record);
    let stands = |place: Place, record: RecordId| said.stored.contains(&(place, record));
    let mut counts = BTreeMap::new();

    let lost = said
        .acknowledged
        .iter()
        .filter(|((partition, offset), record)| {
            topic_whole
                && !stored_somewhere(record)
                && !said.damaged.contains(&(*partition, *offset))
                && *offset >= said.pinned[partition]
        });
    counts.insert(Anomaly::LostWrite, lost.count() as u64);

    let records: BTreeSet<RecordId> = said.stored.iter().map(|(_, record)| *record).collect();
    counts.insert(
        Anomaly::Duplicate,
        (said.stored.len() - records.len()) as u64,
    );

    let first_copies: Vec<(Place, RecordId)> = said
        .stored
        .iter()
        .filter(|(place, record)| {
            !said.stored.iter().any(|(earlier, same)| {
                same == record && earlier.0 == place.0 && earlier.1 < place.1
            })
        })
        .copied()
        .collect();
    let disordered = first_copies.iter().filter(|(place, record)| {
        first_copies.iter().any(|(before, other)| {
            before.0 == place.0
                && (before.1, other) < (place.1, record)
                && other.producer == record.producer
                && other.sequence > record.sequence
        })
    });
    counts.insert(Anomaly::NonmonotonicSend, disordered.count() as u64);

    let mut contradicted: BTreeSet<RecordId> = BTreeSet::new();
    for (place, record) in &said.acknowledged {
        let sharing: Vec<RecordId> = said
            .acknowledged
            .iter()
            .filter(|(other, _)| other == place)
            .map(|(_, record)| *record)
            .collect();
        let elsewhere = |record: &RecordId| {
            whole(&place.0) && stored_somewhere(record) && !stands(*place, *record)
        };
        let absent = !stands(*place, *record);
        let spared = sharing.iter().all(|record| !stands(*place, *record))
            && sharing.iter().find(|record| !elsewhere(record)) == Some(record);
        if elsewhere(record) || (sharing.len() > 1 && absent && !spared) {
            contradicted.insert(*record);
        }
    }
    for (place, record) in &said.stored {
        if said
            .stored
            .iter()
            .any(|(at, other)| at == place && other < record)
        {
            contradicted.insert(*record);
        }
    }
    for (place, record) in &said.processed {
        let occupied = said.stored.iter().any(|(at, _)| at == place);
        if occupied && !stands(*place, *record) {
            contradicted.insert(*record);
        }
    }
    counts.insert(Anomaly::InconsistentOffsets, contradicted.len() as u64);

    let mut phantoms = said.strange.clone();
    if said.traffic_ended {
        let seen = said.stored.iter().chain(&said.processed);
        phantoms.extend(
            seen.filter(|(_, record)| !said.sent.contains(record))
                .map(|(place, _)| *place),
        );
    }
    counts.insert(Anomaly::Phantom, phantoms.len() as u64);
    counts.insert(Anomaly::Corrupt, said.corrupt.len() as u64);

    let visible = said.failed.iter().filter(|record| {
        stored_somewhere(record) && !said.acknowledged.iter().any(|(_, it)| it == *record)
    });
    counts.insert(Anomaly::FailedWriteVisible, visible.count() as u64);
    counts.retain(|_, count| *count > 0);
    counts
}
