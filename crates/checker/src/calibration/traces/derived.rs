//! Where something was made of records of which nothing else was.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::event::{Body, Event};
use model::ids::{GroupIx, Offset, PartitionRef, RecordId};

use crate::analysis::Analysis;
use crate::calibration::traces::Placed;
use crate::derived::Derivations;

/// Places of each partition that the survey watches, at most.
const PLACES_MAX: usize = 16;

pub(crate) type Origin = (GroupIx, PartitionRef, Offset);

/// What was made of one record.
#[derive(Default)]
struct DerivedTrace {
    times: u32,
    pub(crate) placed: Option<Placed>,
}

/// Where something was made of records of which nothing else was.
pub(crate) struct DerivedTraces {
    pub(crate) derived: Arc<Derivations>,
    origins: BTreeMap<Origin, DerivedTrace>,
}

impl DerivedTraces {
    pub(crate) fn new(analysis: &Analysis) -> Self {
        let derived = Arc::clone(&analysis.derived);
        let origins = derived.all().flat_map(|((group, from), outputs)| {
            let standing = outputs.standing_once().take(PLACES_MAX);
            standing
                .map(move |offset| ((group, from, Offset::new(offset)), DerivedTrace::default()))
        });
        Self {
            origins: origins.collect(),
            derived,
        }
    }

    /// Notes that something was made; the record, if it is not the only one
    /// that was made of that and stands.
    pub(crate) fn observe(
        &mut self,
        placed: &impl Fn() -> Placed,
        event: &Event,
    ) -> Option<RecordId> {
        let Body::Derived {
            record,
            group,
            from,
            offset,
        } = event.body
        else {
            return None;
        };
        if let Some(made) = self.origins.get_mut(&(group, from, offset)) {
            made.times += 1;
            made.placed = Some(placed());
        }
        let doubled = self.derived.is_doubled(group, from, offset);
        doubled.then_some(record)
    }

    pub(crate) fn once(&self) -> impl Iterator<Item = (Origin, RecordId, &Placed)> {
        self.origins.iter().filter_map(|(origin, made)| {
            let placed = made.placed.as_ref().filter(|_| made.times == 1)?;
            match placed.event.body {
                Body::Derived { record, .. } => Some((*origin, record, placed)),
                _ => None,
            }
        })
    }
}
