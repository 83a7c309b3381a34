//! Calibration: plants anomalies in a run's own history and demands that the
//! checker finds exactly what was planted. Knows nothing of how the checker
//! looks for them.
//!
//! The survey, a second reading, learns at which places of the history the
//! events of a few unblemished records and rows stand. A mutation is a handful
//! of edits at such places, so that planting is streaming: no history is ever
//! held in memory. Mutations on different targets share one reading; those
//! that find no target left go into the next.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::event::{Body, Event};
use model::ids::Micros;
use model::verdict::Calibration;

use crate::analysis::Analysis;

/// Something planted in a history.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    pub(super) anomaly: Anomaly,
    /// What was done, and to what.
    pub(super) what: String,
    /// How many instances of what it adds, side effects included.
    pub(super) effects: Vec<(Anomaly, u64)>,
    pub(super) edits: Vec<(u64, Edit)>,
}

/// What happens to the event at a place.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Drop,
    Replace(Body),
    /// These come right before it.
    Before(Vec<Event>),
    /// These come right after it.
    After(Vec<Event>),
}

impl Edit {
    /// These come right before it, all at one moment.
    pub(super) fn before(at: Micros, bodies: impl IntoIterator<Item = Body>) -> Self {
        Self::Before(all_at(at, bodies))
    }

    /// These come right after it, all at one moment.
    pub(super) fn after(at: Micros, bodies: impl IntoIterator<Item = Body>) -> Self {
        Self::After(all_at(at, bodies))
    }
}

fn all_at(at: Micros, bodies: impl IntoIterator<Item = Body>) -> Vec<Event> {
    let bodies = bodies.into_iter();
    bodies.map(|body| Event { at, body }).collect()
}

/// Everything that is planted, in as few readings as the targets allow.
#[derive(Clone, Debug)]
pub(crate) struct Mutants {
    pub(super) passes: Vec<MutantPass>,
    pub(super) baseline: BTreeMap<Anomaly, u64>,
}

/// What is planted in one reading of the history.
#[derive(Clone, Debug)]
pub(crate) struct MutantPass {
    mutations: Vec<Mutation>,
    edits: BTreeMap<u64, Vec<Edit>>,
    place: u64,
}

impl Mutation {
    /// Both at once, as one; or the one that there is.
    pub(super) fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(mut one), Some(other)) => {
                one.what = format!("{}, and {}", one.what, other.what);
                one.effects.extend(other.effects);
                one.edits.extend(other.edits);
                Some(one)
            }
            (one, other) => one.or(other),
        }
    }
}

impl Mutants {
    /// The readings that are needed, each to be fed the whole history.
    pub(crate) fn passes(&self) -> &[MutantPass] {
        &self.passes
    }

    /// Whether the checker found, in a mutated history, exactly what it had
    /// found in the original and what was planted.
    pub(crate) fn compare(&self, pass: &MutantPass, mutated: &Analysis) -> Vec<Calibration> {
        pass.mutations
            .iter()
            .map(|mutation| {
                let planted: u64 = pass
                    .mutations
                    .iter()
                    .flat_map(|other| &other.effects)
                    .filter(|(anomaly, _)| *anomaly == mutation.anomaly)
                    .map(|(_, count)| count)
                    .sum();
                let before = self.baseline.get(&mutation.anomaly).copied().unwrap_or(0);
                Calibration {
                    anomaly: mutation.anomaly,
                    mutation: mutation.what.clone(),
                    found: mutated.count(mutation.anomaly) == before + planted,
                }
            })
            .collect()
    }
}

impl MutantPass {
    pub(super) fn new(mutations: Vec<Mutation>) -> Self {
        let mut edits: BTreeMap<u64, Vec<Edit>> = BTreeMap::new();
        for (at, edit) in mutations.iter().flat_map(|mutation| &mutation.edits) {
            edits.entry(*at).or_default().push(edit.clone());
        }
        let changes = |edits: &[Edit]| {
            let changes = edits.iter();
            changes
                .filter(|it| matches!(it, Edit::Drop | Edit::Replace(_)))
                .count()
        };
        assert!(
            edits.values().all(|edits| changes(edits) <= 1),
            "two mutants change the same event"
        );
        Self {
            mutations,
            edits,
            place: 0,
        }
    }

    /// Feeds the next event of the original history, mutated where something
    /// is planted.
    pub(crate) fn feed(&mut self, event: Event, mut tell: impl FnMut(Event)) {
        let edits = self.edits.get(&self.place);
        self.place += 1;
        let Some(edits) = edits else {
            return tell(event);
        };
        let before = edits.iter().filter_map(|edit| match edit {
            Edit::Before(events) => Some(events),
            _ => None,
        });
        before.flatten().cloned().for_each(&mut tell);
        let at = event.at;
        let mut itself = Some(event);
        for edit in edits {
            match edit {
                Edit::Drop => itself = None,
                Edit::Replace(body) => {
                    let body = body.clone();
                    itself = Some(Event { at, body });
                }
                Edit::Before(_) | Edit::After(_) => {}
            }
        }
        itself.into_iter().for_each(&mut tell);
        let after = edits.iter().filter_map(|edit| match edit {
            Edit::After(events) => Some(events),
            _ => None,
        });
        after.flatten().cloned().for_each(&mut tell);
    }
}
