//! Mutants of what an application did: something twice, nothing of one, something of a record
//! that was never sent, and two in the wrong order. Knows nothing of how that is noticed.

use model::anomaly::Anomaly;
use model::event::{Body, Content, EffectSeen};
use model::ids::{RecordId, Sequence};

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::traces::effects::EffectTrace;

/// The number of a record that no producer sends.
const NEVER_SENT: u64 = 1 << 50;

impl Planner<'_> {
    /// Nothing was done of a record that was committed past.
    pub(super) fn effect_lost(&mut self) -> Option<Mutation> {
        let of = &self.survey.effects;
        if !of.is_whole() {
            return None;
        }
        let trace = self.record(|trace| {
            let target = trace.target;
            of.only(target.record).is_some() && of.is_passed(target.partition, target.offset)
        })?;
        let record = trace.target.record;
        let effect = of.only(record)?;
        Some(Mutation {
            anomaly: Anomaly::EffectLost,
            what: format!("nothing done of {record}"),
            effects: vec![(Anomaly::EffectLost, 1)],
            edits: vec![(effect.placed.at, Edit::Drop)],
        })
    }

    /// What was done of a record was done once more.
    pub(super) fn effect_duplicate(&mut self) -> Option<Mutation> {
        let (record, effect) = self.effect()?;
        let body = effect.placed.event.body.clone();
        let at = effect.placed.event.at;
        Some(Mutation {
            anomaly: Anomaly::EffectDuplicate,
            what: format!("what was done of {record} done once more"),
            effects: vec![(Anomaly::EffectDuplicate, 1)],
            edits: vec![(effect.placed.at, Edit::after(at, [body]))],
        })
    }

    /// Something was done of a record that was never sent.
    pub(super) fn effect_phantom(&mut self) -> Option<Mutation> {
        let (record, effect) = self.effect()?;
        let invented = RecordId {
            sequence: Sequence::new(NEVER_SENT),
            ..record
        };
        // Without a place it is in no order.
        let body = Body::EffectSeen(EffectSeen {
            content: Content::Ours(invented),
            at: None,
        });
        let at = effect.placed.event.at;
        Some(Mutation {
            anomaly: Anomaly::EffectPhantom,
            what: format!("something done of {invented}, which was never sent"),
            effects: vec![(Anomaly::EffectPhantom, 1)],
            edits: vec![(effect.placed.at, Edit::after(at, [body]))],
        })
    }

    /// What was done of two records of one key was done in the other order. Only by itself:
    /// other mutants may change the order in the log.
    pub(super) fn effect_order(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let of = &survey.effects;
        let whole = [Anomaly::EffectOrder, Anomaly::EffectDuplicate];
        let fit = self.planned == 0
            && of.of.disordered == 0
            && of.of.split_keys == 0
            && whole.iter().all(|anomaly| survey.found_none(*anomaly));
        let mut neighbours = of.neighbours.iter().filter(|_| fit);
        let (first, second) = neighbours.find(|(first, second)| {
            first.sequence < second.sequence
                && of.only(*first).is_some()
                && of.only(*second).is_some()
        })?;
        let swap = |at: &EffectTrace, content: RecordId| {
            let body = Body::EffectSeen(EffectSeen {
                content: Content::Ours(content),
                at: at.seen.at,
            });
            (at.placed.at, Edit::Replace(body))
        };
        let edits = vec![
            swap(of.only(*first)?, *second),
            swap(of.only(*second)?, *first),
        ];
        self.used_records.extend([*first, *second]);
        Some(Mutation {
            anomaly: Anomaly::EffectOrder,
            what: format!("what was done of {first} and {second} in the other order"),
            effects: vec![(Anomaly::EffectOrder, 1)],
            edits,
        })
    }

    /// The only effect of a record that no other mutant touches.
    fn effect(&mut self) -> Option<(RecordId, &EffectTrace)> {
        let survey = self.survey;
        let mut effects = survey.effects.effects.iter();
        let (record, effect) = effects
            .find(|(record, effect)| effect.times == 1 && !self.used_records.contains(*record))?;
        self.used_records.insert(*record);
        Some((*record, effect))
    }
}
