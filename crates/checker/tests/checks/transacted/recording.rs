//! What the clients and the observer of a world of transactions record: its history.

use super::*;

impl Maker {
    pub(super) fn finish(mut self, readers: &[Reader; GROUPS]) -> World {
        let mut seen = Vec::new();
        for reader in readers {
            for log in 0..INPUTS {
                seen.push(Body::GroupOffset {
                    group: group_ix(reader.group),
                    partition: partition(log),
                    offset: Some(offset(reader.committed[log])),
                });
            }
        }
        self.plain_acknowledgements();
        if self.size.imported {
            let expected = imported::expect(&self, readers);
            return World {
                story: Story {
                    now_us: self.clock_us,
                    events: self.interleave(),
                },
                expected,
            };
        }
        self.spoil();
        self.say(7, Body::TrafficEnded);
        for log in 0..PARTITIONS {
            if self.plants() {
                self.seen_beyond.insert(log);
                let end = offset(self.logs[log].len() + 1);
                let partition = partition(log);
                self.say(7, Body::TailSeen { partition, end });
            }
            self.tell_log(log);
            self.tell_replicas(log);
        }
        for body in seen {
            self.say(7, body);
        }
        self.say(7, Body::Completed);
        let expected = self.expect(readers);
        World {
            story: Story {
                now_us: self.clock_us,
                events: self.interleave(),
            },
            expected,
        }
    }

    pub(super) fn plain_acknowledgements(&mut self) {
        for log in 0..INPUTS {
            for at in 0..self.logs[log].len() {
                let Cell { record, tx, .. } = self.logs[log][at];
                if let (Some(record), None) = (record, tx) {
                    let (at, offset) = (partition(log), offset(at));
                    let outcome = Outcome::Acknowledged { at, offset };
                    self.say(PLAIN as usize, Body::SendCompleted { record, outcome });
                }
            }
        }
    }

    pub(super) fn tell_log(&mut self, log: usize) {
        let at = partition(log);
        let pinned = Body::Pinned {
            partition: at,
            log_start: Offset::new(0),
            end: offset(self.logs[log].len()),
        };
        self.say(7, pinned);
        for (place, cell) in self.logs[log].clone().into_iter().enumerate() {
            let producer = |tx: usize| 100 + i64::from(self.txs[tx].reference.producer.get());
            let (producer_id, kind) = match (cell.tx, cell.marker) {
                (_, Some((tx, State::Committed))) => (producer(tx), BatchKind::CommitMarker),
                (_, Some((tx, _))) => (producer(tx), BatchKind::AbortMarker),
                (Some(tx), None) => (producer(tx), BatchKind::Transactional),
                (None, None) => (-1, BatchKind::Plain),
            };
            if cell.record.is_none() && cell.marker.is_none() {
                continue;
            }
            let batch = Body::StoredBatch {
                partition: at,
                base_offset: offset(place),
                last_offset: offset(place),
                producer_id,
                producer_epoch: 0,
                base_sequence: -1,
                kind,
            };
            self.say(7, batch);
            if let Some(record) = cell.record {
                let stored = Body::Stored {
                    partition: at,
                    offset: offset(place),
                    content: Content::Ours(record),
                };
                self.say(7, stored);
            }
        }
        self.say(7, Body::PartitionRead { partition: at });
    }

    pub(super) fn tell_replicas(&mut self, log: usize) {
        let at = partition(log);
        let mut diverged = BTreeSet::new();
        for broker in 1..=3 {
            let broker = BrokerId::new(broker);
            let pinned = Body::ReplicaPinned {
                partition: at,
                broker,
                log_start: Offset::new(0),
                end: offset(self.logs[log].len()),
            };
            self.say(7, pinned);
            for place in 0..self.logs[log].len() {
                let Some(record) = self.logs[log][place].record else {
                    continue;
                };
                let mut content = Content::Ours(record);
                if self.plants() {
                    diverged.insert(place);
                    content = Content::Ours(id(
                        50,
                        record.sequence.get() + u64::from(broker.get().unsigned_abs()),
                    ));
                }
                let stored = Body::ReplicaStored {
                    partition: at,
                    broker,
                    offset: offset(place),
                    content,
                };
                self.say(7, stored);
            }
            self.say(
                7,
                Body::ReplicaRead {
                    partition: at,
                    broker,
                },
            );
        }
        self.diverged += diverged.len() as u64;
    }

    /// Every source in its own order, otherwise at random.
    pub(super) fn interleave(&mut self) -> Vec<Event> {
        let at = Micros::new(0);
        let declared = std::iter::once(Body::TopicDeclared {
            topic: TOPIC,
            name: "t".to_owned(),
            partitions: i32::try_from(PARTITIONS).unwrap(),
        });
        let groups = (0..GROUPS).flat_map(|group| {
            let isolation = match group {
                UNCOMMITTED => Isolation::ReadUncommitted,
                _ => Isolation::ReadCommitted,
            };
            let group = group_ix(group);
            let name = format!("g{group}");
            let topics = vec![TOPIC];
            [
                Body::GroupDeclared {
                    group,
                    name,
                    topics,
                },
                Body::IsolationDeclared { group, isolation },
            ]
        });
        let tool = "another".to_owned();
        let imported = self.size.imported.then_some(Body::Imported { tool });
        let mut events: Vec<Event> = declared
            .chain(imported)
            .chain(groups)
            .map(|body| Event { at, body })
            .collect();
        let mut sources: Vec<_> = std::mem::take(&mut self.sources)
            .into_iter()
            .map(|source| source.into_iter().peekable())
            .collect();
        loop {
            sources.retain_mut(|source| source.peek().is_some());
            if sources.is_empty() {
                return events;
            }
            let source = self.dice.below(sources.len());
            events.extend(sources[source].next());
        }
    }

    // What is wrong, by the definitions.
}
