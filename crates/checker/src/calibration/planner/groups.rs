//! Mutants of what groups processed and committed.

use model::anomaly::Anomaly;
use model::event::{Body, Event};
use model::ids::Offset;

use crate::calibration::mutants::{Edit, Mutation};
use crate::calibration::planner::Planner;
use crate::calibration::survey::COMMITS_MAX;
use crate::calibration::traces::{Reading, RecordTrace, skip, step_back};
use crate::log::targets::Target;

impl Planner<'_> {
    /// Two records that a member processed one after the other change places:
    /// it skips the first, goes back to it, and skips the second on its way
    /// on. Both were read for one transaction, or for none, so that nothing else
    /// changes.
    pub(super) fn swapped_poll(&mut self, anomaly: Anomaly) -> Option<Mutation> {
        if self.thinned && !self.survey.nothing_skipped() {
            return None;
        }
        let by_position = &self.survey.by_position;
        let used = self.used_records.clone();
        let survey = self.survey;
        let nothing_skipped = survey.nothing_skipped();
        let second_of = move |trace: &RecordTrace, reading: &Reading| {
            let at = (trace.target.partition, reading.next?);
            let second = &survey.records[*by_position.get(&at)?];
            // A record that is skipped between the two already would be skipped
            // twice.
            let adjacent = at.1.get() - 1 == trace.target.offset.get();
            if at.1 <= trace.target.offset
                || !(adjacent || nothing_skipped)
                || survey.is_early(second.target.record, reading)
                || used.contains(&second.target.record)
            {
                return None;
            }
            let mut readings = second.readings.iter();
            let reading = readings.find(|other| {
                other.group == reading.group
                    && other.placed.at > reading.placed.at
                    && other.previous == Some(trace.target.offset)
                    && other.inside == reading.inside
            })?;
            let once = second
                .readings
                .iter()
                .filter(|other| other.group == reading.group)
                .count()
                == 1;
            let counts = survey.counts(second.target, reading);
            (once && counts).then_some((second.target, reading))
        };
        let effects = |first: &Reading, second: &Reading| {
            let mut effects = vec![
                (first.skip_before(), 1),
                (step_back(second.with_previous), 1),
            ];
            effects.extend(second.next.map(|_| (skip(second.with_next), 1)));
            effects
        };
        let (first, reading) = self.only_reading(|trace, reading| {
            let before = reading.previous;
            before.is_some_and(|before| before < trace.target.offset)
                && second_of(trace, reading).is_some_and(|(at, second)| {
                    second.next.is_none_or(|next| next > at.offset)
                        && effects(reading, second)
                            .iter()
                            .any(|(of, _)| *of == anomaly)
                })
        })?;
        let (second, other) = second_of(first, reading)?;
        self.skipped = true;
        let around = [reading.previous, Some(second.offset), other.next];
        self.use_neighbours(first.target.partition, &around);
        let edits = vec![
            (
                reading.placed.at,
                Edit::Replace(other.placed.event.body.clone()),
            ),
            (
                other.placed.at,
                Edit::Replace(reading.placed.event.body.clone()),
            ),
        ];
        Some(Mutation {
            anomaly,
            what: format!("{} processed after the next", self.name(first)),
            effects: effects(reading, other),
            edits,
        })
    }

    pub(super) fn group_gap(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let commits = &survey.commits;
        let (trace, reading) = self.only_reading(|trace, reading| {
            let Target {
                partition, offset, ..
            } = trace.target;
            let forward = reading.previous.is_none_or(|before| before < offset)
                && reading.next.is_none_or(|after| after > offset);
            let committed = commits.get(&(reading.group, partition));
            // Of a group that writes, what is not processed may not be all that
            // was not done; what it makes of nothing is planted elsewhere.
            survey.names.writes_to(reading.group).is_none()
                && forward
                && survey.is_within_reach(trace.target, reading.group)
                && survey.drops_no_skip(offset, reading)
                && committed.is_some_and(|committed| committed.highest > Some(offset))
        })?;
        // A commit that another mutation lowers might no longer pass it.
        self.used_commits
            .insert((reading.group, trace.target.partition));
        self.use_neighbours(trace.target.partition, &[reading.previous, reading.next]);
        let skips = reading.previous.is_some() && reading.next.is_some();
        let skipped = skip(reading.with_previous && reading.with_next);
        Some(Mutation {
            anomaly: Anomaly::GroupGap,
            what: format!(
                "{} not processed by {}",
                self.name(trace),
                self.survey.names.group(reading.group)
            ),
            effects: vec![(Anomaly::GroupGap, 1), (skipped, u64::from(skips))],
            edits: vec![(reading.placed.at, Edit::Drop)],
        })
    }

    pub(super) fn reprocessed(&mut self) -> Option<Mutation> {
        let (trace, reading) = self.only_reading(|_, _| true)?;
        let member = self.survey.names.unused_member();
        let group = reading.group;
        let again = [Body::MemberStarted { member, group }, reading.by(member)];
        let at = reading.placed.event.at;
        Some(Mutation {
            anomaly: Anomaly::Reprocessed,
            what: format!(
                "{} processed by {} a second time",
                self.name(trace),
                self.survey.names.group(group)
            ),
            effects: vec![(Anomaly::Reprocessed, 1)],
            edits: vec![(reading.placed.at, Edit::after(at, again))],
        })
    }

    /// The last record of a partition is not processed, and no commit passes
    /// it.
    pub(super) fn group_incomplete(&mut self) -> Option<Mutation> {
        let survey = self.survey;
        let used = self.used_commits.clone();
        let (trace, reading) = self.only_reading(|trace, reading| {
            let partition = trace.target.partition;
            let commits = survey.commits.get(&(reading.group, partition));
            survey.waited.contains(&reading.group)
                && !survey.excusable.late.contains(&reading.group)
                && survey.last.get(&partition) == Some(&trace.target.offset)
                && reading.next.is_none()
                && survey.is_within_reach(trace.target, reading.group)
                && survey.drops_no_skip(trace.target.offset, reading)
                && !used.contains(&(reading.group, partition))
                && !survey.transactions.commits(reading.group, partition)
                && commits.is_none_or(|commits| {
                    commits.behind_last.len() <= COMMITS_MAX
                        && commits.highest_behind_gone <= Some(trace.target.offset)
                })
        })?;
        let Target {
            partition, offset, ..
        } = trace.target;
        self.used_commits.insert((reading.group, partition));
        self.commits_lowered = true;
        // What another mutation skips on the way here would not be skipped.
        self.use_neighbours(partition, &[reading.previous]);
        let mut edits = vec![(reading.placed.at, Edit::Drop)];
        let commits = survey.commits.get(&(reading.group, partition));
        for placed in commits.iter().flat_map(|commits| &commits.behind_last) {
            let lowered = match placed.event.body {
                Body::Committed {
                    member,
                    partition,
                    result,
                    ..
                } => Body::Committed {
                    member,
                    partition,
                    offset,
                    result,
                },
                Body::GroupOffset {
                    group, partition, ..
                } => Body::GroupOffset {
                    group,
                    partition,
                    offset: Some(offset),
                },
                _ => continue,
            };
            edits.push((placed.at, Edit::Replace(lowered)));
        }
        Some(Mutation {
            anomaly: Anomaly::GroupIncomplete,
            what: format!(
                "{}, the last of its partition, neither processed nor committed by {}",
                self.name(trace),
                survey.names.group(reading.group)
            ),
            effects: vec![(Anomaly::GroupIncomplete, 1)],
            edits,
        })
    }

    /// A commit is followed by one of offset 0, and that by the commit again,
    /// so that what comes later is held against the same as before.
    pub(super) fn commit_regression(&mut self) -> Option<Mutation> {
        let had = self.survey.baseline.get(&Anomaly::CommitRegression);
        if self.commits_lowered && had.is_some_and(|had| *had > 0) {
            return None;
        }
        let (at, placed) = self
            .survey
            .commits
            .iter()
            .filter(|(at, _)| !self.used_commits.contains(*at))
            .find_map(|(at, trace)| Some((*at, trace.first.as_ref()?)))?;
        self.used_commits.insert(at);
        let Body::Committed {
            member,
            partition,
            offset,
            result,
        } = placed.event.body
        else {
            return None;
        };
        let back = [Offset::new(0), offset].map(|offset| Event {
            at: placed.event.at,
            body: Body::Committed {
                member,
                partition,
                offset,
                result,
            },
        });
        Some(Mutation {
            anomaly: Anomaly::CommitRegression,
            what: format!(
                "{} committed 0 of {} after {offset}",
                self.survey.names.group(at.0),
                self.survey.names.partition(partition)
            ),
            effects: vec![(Anomaly::CommitRegression, 1)],
            edits: vec![(placed.at, Edit::After(back.to_vec()))],
        })
    }
}
