//! The part of a world that writes rows and captures them.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, CaptureResult, ChangeContent, RowOp, SlotState, Snapshot, TxOutcome};
use model::ids::{ChangeId, Lsn, Offset, RowKey, TxId};

use super::{Maker, Source};
use crate::story::{TABLE, changes};

impl Maker {
    /// Rows written and captured; what is planted is planted on rows that are
    /// never deleted, one anomaly on each.
    pub(super) fn capture(&mut self) -> (Source, Source) {
        let (form, end) = (self.dice.below(2), self.dice.below(3));
        let mut writer = vec![self.event(Body::CaptureBegan {
            connector: "c".to_owned(),
            snapshot: Snapshot::Never,
            settings: Vec::new(),
        })];
        let mut told: BTreeMap<i64, Vec<Body>> = BTreeMap::new();
        let mut order = Vec::new();
        let mut table: BTreeMap<i64, ChangeId> = BTreeMap::new();
        let deletable = self.size.rows / 2;
        for at in 0..u64::try_from(self.size.rows).unwrap() * 4 {
            let key = i64::try_from(self.dice.below(usize::try_from(self.size.rows).unwrap()));
            let (change, key) = (ChangeId::new(at), key.unwrap());
            let op = match table.contains_key(&key) {
                false => RowOp::Insert,
                true if key < deletable && self.dice.percent(40) => RowOp::Delete,
                true => RowOp::Update,
            };
            let tx = TxId::new(at);
            writer.push(self.event(Body::ChangeInvoked {
                tx,
                change,
                table: TABLE,
                key: RowKey::new(key),
                op,
            }));
            let committed = self.dice.percent(90);
            let outcome = if committed {
                TxOutcome::Committed
            } else {
                TxOutcome::RolledBack
            };
            writer.push(self.event(Body::TxCompleted { tx, outcome }));
            if !committed {
                continue;
            }
            let content = if op == RowOp::Delete {
                table.remove(&key);
                ChangeContent::Absent
            } else {
                table.insert(key, change);
                ChangeContent::Ours(change)
            };
            order.push((key, told.entry(key).or_default().len()));
            let event = match form {
                // Flattened, with nothing but the row.
                0 if op != RowOp::Delete => change_event(key, RowOp::Untold, content, 0),
                _ => change_event(key, op, content, 1000 + at),
            };
            told.entry(key).or_default().push(event);
        }
        let reached = Lsn::new(1_000_000);
        writer.push(self.event(Body::WalReached { lsn: reached }));
        let mut rows: BTreeMap<i64, ChangeContent> = table
            .into_iter()
            .map(|(key, change)| (key, ChangeContent::Ours(change)))
            .collect();
        let mut planted: BTreeMap<(i64, usize), Vec<Body>> = BTreeMap::new();
        let mut keys: Vec<i64> = (deletable..self.size.rows)
            .filter(|key| told.contains_key(key))
            .collect();
        self.dice.shuffle(&mut keys);
        keys.truncate(self.size.planted);
        for key in keys {
            let events = &told[&key];
            let at = self.dice.below(events.len());
            let event = events[at].clone();
            match self.dice.below(5) {
                0 => {
                    planted.insert((key, at), vec![]);
                    self.add(Anomaly::RowMissing, 1);
                    self.add(Anomaly::StateDivergence, u64::from(at + 1 == events.len()));
                }
                1 => {
                    planted.insert((key, at), vec![event.clone(), event]);
                    self.add(Anomaly::RowDuplicate, 1);
                }
                2 => {
                    let foreign = change_event(key, RowOp::Update, ChangeContent::Foreign, 1);
                    planted.insert((key, at), vec![foreign, event]);
                    self.add(Anomaly::RowPhantom, 1);
                }
                3 if events.len() > 1 => {
                    planted.insert((key, 0), vec![events[1].clone()]);
                    planted.insert((key, 1), vec![events[0].clone()]);
                    self.add(Anomaly::CommitOrder, 1);
                    self.add(Anomaly::StateDivergence, u64::from(events.len() == 2));
                }
                _ => {
                    rows.insert(key, ChangeContent::Corrupt);
                    self.add(Anomaly::StateDivergence, 1);
                }
            }
        }
        let mut truth = Vec::new();
        for (key, at) in order {
            let original = vec![told[&key][at].clone()];
            truth.extend(planted.remove(&(key, at)).unwrap_or(original));
        }
        for (offset, event) in (0..).zip(&mut truth) {
            if let Body::ChangeEvent { offset: at, .. } = event {
                *at = Offset::new(offset);
            }
        }
        let behind = Offset::new(i64::try_from(truth.len()).unwrap());
        truth.insert(
            0,
            Body::SlotSeen {
                state: SlotState::Kept,
                confirmed: if end == 1 { reached } else { Lsn::new(0) },
            },
        );
        truth.insert(
            1,
            Body::Pinned {
                partition: changes(),
                log_start: Offset::new(0),
                end: behind,
            },
        );
        truth.push(Body::PartitionRead {
            partition: changes(),
        });
        let count = rows.len() as u64;
        truth.extend(rows.into_iter().map(|(key, content)| Body::TableRow {
            table: TABLE,
            key: RowKey::new(key),
            content,
        }));
        truth.push(Body::TableRead {
            table: TABLE,
            rows: count,
        });
        truth.push(Body::CaptureWaited {
            result: match end {
                0 => CaptureResult::CaughtUp,
                1 => CaptureResult::Confirmed,
                _ => CaptureResult::Failed,
            },
            limit_ms: 1000,
        });
        let truth = truth.into_iter().map(|body| self.event(body)).collect();
        (writer, truth)
    }
}

fn change_event(key: i64, op: RowOp, content: ChangeContent, lsn: u64) -> Body {
    Body::ChangeEvent {
        partition: changes(),
        offset: Offset::new(0),
        table: TABLE,
        key: RowKey::new(key),
        op,
        content,
        lsn: Lsn::new(lsn),
    }
}
