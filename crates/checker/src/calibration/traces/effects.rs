//! Where effects of an application stand in a history.

use std::collections::BTreeMap;

use model::event::{AppDeclared, Body, Content, EffectSeen, Event};
use model::ids::{Offset, PartitionRef, ProducerIx, RecordId, Sequence};
use model::plan::key_turn;

use crate::analysis::Analysis;
use crate::calibration::traces::Placed;
use crate::effects::EffectCoverage;

/// Effects that the survey watches, beside those of its targets, at most.
const WATCHED_MAX: usize = 64;

/// The effects of one record.
pub(crate) struct EffectTrace {
    pub(crate) times: u32,
    pub(crate) seen: EffectSeen,
    pub(crate) placed: Placed,
}

/// Where effects stand, and how far the application's group committed.
pub(crate) struct EffectTraces {
    pub(crate) of: EffectCoverage,
    pub(crate) app: Option<AppDeclared>,
    pub(crate) effects: BTreeMap<RecordId, EffectTrace>,
    committed: BTreeMap<PartitionRef, Offset>,
    keys: BTreeMap<ProducerIx, u64>,
    /// The last of each key that is watched.
    last: BTreeMap<(ProducerIx, Sequence), RecordId>,
    pub(crate) neighbours: Vec<(RecordId, RecordId)>,
}

impl EffectTraces {
    pub(crate) fn new(analysis: &Analysis) -> Self {
        Self {
            of: analysis.coverage.effects.clone(),
            app: None,
            effects: BTreeMap::new(),
            committed: BTreeMap::new(),
            keys: BTreeMap::new(),
            last: BTreeMap::new(),
            neighbours: Vec::new(),
        }
    }

    /// Takes in the next event.
    pub(crate) fn observe(
        &mut self,
        placed: &impl Fn() -> Placed,
        event: &Event,
        is_target: impl Fn(RecordId) -> bool,
    ) {
        match &event.body {
            Body::AppDeclared(app) => self.app = Some(app.clone()),
            Body::KeysDeclared { producer, keys } => {
                self.keys.insert(*producer, *keys);
            }
            Body::AppCommitted(committed) => {
                if let Some(next) = committed.next {
                    self.committed.insert(committed.partition, next);
                }
            }
            Body::EffectSeen(seen) => {
                let Content::Ours(record) = seen.content else {
                    return;
                };
                if let Some(trace) = self.effects.get_mut(&record) {
                    trace.times += 1;
                    return;
                }
                let before = self.of_key(record, *seen);
                if self.effects.len() >= WATCHED_MAX && !is_target(record) {
                    return;
                }
                self.neighbours
                    .extend(before.map(|before| (before, record)));
                let trace = EffectTrace {
                    times: 1,
                    seen: *seen,
                    placed: placed(),
                };
                self.effects.insert(record, trace);
            }
            _ => {}
        }
    }

    /// The effect before this one of its key, which is the last of it now.
    fn of_key(&mut self, record: RecordId, seen: EffectSeen) -> Option<RecordId> {
        let keys = self.keys.get(&record.producer)?;
        seen.at?;
        let key = (record.producer, key_turn(record.sequence, Some(*keys)));
        self.last.insert(key, record)
    }

    /// Whether the application's group committed past a place of its topic.
    pub(crate) fn is_passed(&self, partition: PartitionRef, offset: Offset) -> bool {
        self.app
            .as_ref()
            .is_some_and(|app| app.topic == partition.topic)
            && self
                .committed
                .get(&partition)
                .is_some_and(|next| *next > offset)
    }

    /// Whether an effect that is taken out would be missed.
    pub(crate) fn is_whole(&self) -> bool {
        self.of.unrecognised == 0 && self.of.read.is_some_and(|read| read.settled)
    }

    /// The only effect of a record.
    pub(crate) fn only(&self, record: RecordId) -> Option<&EffectTrace> {
        self.effects.get(&record).filter(|trace| trace.times == 1)
    }
}
