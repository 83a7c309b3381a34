//! Mutants of what groups make of the records that they process: something is
//! made twice of one, and nothing of another. Knows nothing of how that is
//! noticed.

use model::anomaly::Anomaly;
use model::event::Body;

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::traces::derived::Origin;

impl Planner<'_> {
    /// A record that was made of one was made of another too, of which
    /// something was made already.
    pub(super) fn derived_twice(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let used = &self.used_records;
        let free = || {
            let once = survey.derived.once();
            once.filter(|(_, record, _)| !used.contains(record))
        };
        let ((group, from, offset), first, placed) = free().next()?;
        let same = |(of, ..): &Origin| *of == group;
        let (_, second, _) = free().find(|(origin, record, _)| same(origin) && *record != first)?;
        self.used_records.extend([first, second]);
        let body = Body::Derived {
            record: second,
            group,
            from,
            offset,
        };
        let at = placed.event.at;
        Some(Mutation {
            anomaly: Anomaly::Duplicate,
            what: format!(
                "{second} made of {}@{offset} by {}, as {first} was",
                survey.names.partition(from),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::Duplicate, 1)],
            edits: vec![(placed.at, Edit::after(at, [body]))],
        })
    }

    /// Nothing was made of a record that its group committed past.
    pub(super) fn nothing_derived(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        // Where records are missing already, this one may be among them.
        let whole = [
            Anomaly::GroupGap,
            Anomaly::GroupIncomplete,
            Anomaly::LostWrite,
        ];
        if !whole.iter().all(|anomaly| survey.found_none(*anomaly)) {
            return None;
        }
        let used = &self.used_records;
        let commits = &self.used_commits;
        let position = |of: Origin| survey.by_position.get(&(of.1, of.2));
        let mut once = survey.derived.once();
        let ((group, from, offset), record, placed) = once.find(|(of, record, _)| {
            let passed = survey.commits.get(&(of.0, of.1));
            !used.contains(record)
                && !survey.excusable.limited.contains(&of.0)
                && !commits.contains(&(of.0, of.1))
                // Its reading may be a target.
                && position(*of).is_none_or(|at| !used.contains(&survey.records[*at].target.record))
                && passed.is_some_and(|passed| passed.highest > Some(of.2))
        })?;
        let read = position((group, from, offset));
        let read = read.map(|at| survey.records[*at].target.record);
        self.used_records.extend(read.into_iter().chain([record]));
        self.used_commits.insert((group, from));
        Some(Mutation {
            anomaly: Anomaly::GroupGap,
            what: format!(
                "nothing made of {}@{offset} by {}",
                survey.names.partition(from),
                survey.names.group(group)
            ),
            effects: vec![(Anomaly::GroupGap, 1)],
            edits: vec![(placed.at, Edit::Drop)],
        })
    }
}
