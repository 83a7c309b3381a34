//! What a history says of the log, event by event.

use super::*;

pub(super) fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    let imported = |event: &Event| matches!(event.body, Body::Imported { .. });
    let imported = events.iter().any(imported);
    for event in events {
        match &event.body {
            Body::SendInvoked { record, .. } => {
                said.sent.insert(*record);
            }
            Body::SendCompleted { record, outcome } => match outcome {
                Outcome::Acknowledged { at, offset } => {
                    said.told.insert(*record);
                    said.partitions.insert(*at);
                    said.acknowledged.insert(((*at, offset.get()), *record));
                    // Other tools may tell of nothing but outcomes.
                    if imported {
                        let told_only = said.sent.insert(*record);
                        if offset.get() != -1 {
                            for unplaced in &mut said.unplaced {
                                let told = ((*at, offset.get()), *record);
                                unplaced.after.push(told);
                            }
                        } else if told_only {
                            said.unplaced.push(Unplaced {
                                record: *record,
                                to: *at,
                                after: Vec::new(),
                            });
                        }
                    }
                }
                Outcome::Failed { .. } => {
                    said.told.insert(*record);
                    said.failed.insert(*record);
                }
                Outcome::Unknown { .. } => {
                    said.told.insert(*record);
                }
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
                if stored {
                    said.data.insert(place);
                } else {
                    said.reached.insert((*partition, offset.get() + 1));
                    said.given.insert(place);
                }
                match content {
                    Content::Ours(record) if stored => {
                        said.stored.insert((place, *record));
                    }
                    Content::Ours(record) => {
                        said.processed.insert((place, *record));
                    }
                    Content::Corrupt => {
                        said.corrupt.insert(place);
                        if stored || imported {
                            said.damaged.insert(place);
                        }
                    }
                    Content::Misplaced(_) | Content::Foreign => {
                        said.strange.insert(place);
                    }
                    Content::Change(_) | Content::Nameless => {}
                }
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                said.partitions.insert(*partition);
                let range = log_start.get()..end.get();
                said.pinned.insert(*partition, range);
                said.ends.push((*partition, end.get()));
            }
            Body::TailSeen { partition, end } => {
                said.reached.insert((*partition, end.get()));
            }
            Body::ReplicaPinned {
                partition,
                broker,
                log_start,
                end,
            } => {
                said.replica(*partition, *broker).pinned = Some(log_start.get()..end.get());
            }
            Body::ReplicaStored {
                partition,
                broker,
                offset,
                content,
            } => {
                let replica = said.replica(*partition, *broker);
                replica.holds.insert(offset.get(), *content);
            }
            Body::ReplicaRead { partition, broker } => {
                said.replica(*partition, *broker).read = true;
            }
            Body::ReadRolledBack {
                from,
                offset,
                content,
                ..
            } if imported => {
                let place = (*from, offset.get());
                said.partitions.insert(*from);
                match content {
                    Content::Ours(record) => {
                        said.glimpsed.insert((place, *record));
                    }
                    Content::Corrupt => {
                        said.corrupt.insert(place);
                    }
                    Content::Misplaced(_) | Content::Foreign => {
                        said.strange.insert(place);
                    }
                    Content::Change(_) | Content::Nameless => {}
                }
            }
            Body::Replaceable {
                partition,
                first,
                last,
            } => {
                let offsets = first.get()..=last.get();
                said.replaceable.extend(offsets.map(|at| (*partition, at)));
            }
            Body::OrderForgotten {
                producer,
                partition,
            } if imported => {
                let of = said.sent.iter().filter(|it| it.producer == *producer);
                if let Some(last) = of.map(|it| it.sequence.get()).max() {
                    let next = Sequence::new(last + 1);
                    said.forgotten.insert((*partition, *producer, next));
                }
            }
            Body::TopicCleanup { policy, .. } => said.cleanup = Some(*policy),
            Body::KeysDeclared { producer, keys } => {
                said.keys.insert(*producer, *keys);
            }
            Body::Imported { .. } => said.imported = true,
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
