//! The operations found, written into the examples: in the order of time, with what
//! stands next to the offset in question and the offsets at which nothing stands.

use std::collections::{BTreeMap, HashMap};

use model::anomaly::Anomaly;
use model::ids::GroupIx;
use model::verdict::ExampleOperation;

use crate::analysis::Analysis;
use crate::finding::Watch;
use crate::proof::explain::Explainer;
use crate::proof::explain::around::Neighbours;
use crate::proof::explain::case::{Case, Operation, Reading};
use crate::proof::explain::words::{name, stands};

/// Groups whose readings around an offset are shown, at most.
const GROUPS_AROUND_MAX: usize = 2;

impl Explainer {
    /// Writes the operations into the examples of the analysis: in the order
    /// of time, and what stands in the logs and tables behind them. Says where
    /// the lost records were lost.
    pub fn finish(mut self, analysis: &mut Analysis) {
        let cases = std::mem::take(&mut self.cases);
        let mut explained: HashMap<Anomaly, Vec<Vec<ExampleOperation>>> = HashMap::new();
        for mut case in cases {
            self.add_surroundings(&mut case);
            self.add_absences(&mut case, analysis);
            case.operations.sort_by_key(Operation::order);
            let of = explained.entry(case.suspect.anomaly).or_default();
            of.push(case.operations.into_iter().map(|it| it.shown).collect());
        }
        let logs = self.names.logs();
        for finding in &mut analysis.findings {
            finding.examples.truncate(self.examples.0);
            let operations = explained.remove(&finding.anomaly).unwrap_or_default();
            for (example, operations) in finding.examples.iter_mut().zip(operations) {
                example.logs = logs_of(&operations, &logs);
                example.operations = operations;
            }
        }
        self.attribution.finish(&mut analysis.findings);
    }

    /// The records next to the offset in question, and their readers.
    fn add_surroundings(&self, case: &mut Case) {
        let Some((partition, offset)) = case.suspect.place() else {
            return;
        };
        let mut readings: Vec<Neighbours<Reading>> = self
            .read_around
            .range((partition, GroupIx::new(u16::MIN))..=(partition, GroupIx::new(u16::MAX)))
            .map(|(_, around)| around.of(offset))
            .filter(|sides| sides.iter().any(Option::is_some))
            .collect();
        readings.truncate(GROUPS_AROUND_MAX);
        let readings = readings.into_iter().flat_map(on_sides);
        for (side, (at, reading)) in readings {
            let partition = self.names.partition(partition);
            let operation = Operation {
                shown: ExampleOperation {
                    at_us: Some(reading.at.get()),
                    actor: self.names.member_of_group(reading.member),
                    operation: format!("processed {} at {partition}@{at}", name(&reading.content)),
                },
                place: None,
            };
            case.add(operation, side);
        }
        let log = self.log_around.get(partition);
        for (side, (at, content)) in log.into_iter().flat_map(|log| on_sides(log.of(offset))) {
            let operation = Operation {
                shown: ExampleOperation {
                    at_us: None,
                    actor: "observer".to_owned(),
                    operation: stands(&self.names, partition, at, &content),
                },
                place: Some((partition, at)),
            };
            case.add(operation, side);
        }
    }

    /// The offsets in question at which nothing stands.
    fn add_absences(&self, case: &mut Case, analysis: &Analysis) {
        for watch in case.suspect.watch.clone() {
            let Watch::Position(partition, offset) = watch else {
                continue;
            };
            let extent = analysis.extents.get(&partition);
            if extent.is_some_and(|extent| extent.read)
                && case.occupied.insert((partition, offset))
                && let Some((log_start, end)) = self.pinned.get(&partition)
            {
                let name = self.names.partition(partition);
                case.operations.push(Operation {
                    shown: ExampleOperation {
                        at_us: None,
                        actor: "observer".to_owned(),
                        operation: format!(
                            "nothing stands at {name}@{offset}; the log reaches from \
                             {log_start} up to, and without, {end}"
                        ),
                    },
                    place: Some((partition, offset)),
                });
            }
        }
    }
}

/// What there is on the two sides of an offset, with words for the sides.
fn on_sides<T>(sides: [Option<T>; 2]) -> impl Iterator<Item = (&'static str, T)> {
    let words = [", the nearest below", ", the nearest above"];
    let both = words.into_iter().zip(sides);
    both.filter_map(|(words, side)| Some((words, side?)))
}

/// The logs of those that operations are of, in that order.
fn logs_of(operations: &[ExampleOperation], logs: &BTreeMap<String, String>) -> Vec<String> {
    let mut of: Vec<String> = Vec::new();
    for log in operations.iter().filter_map(|it| logs.get(&it.actor)) {
        if !of.contains(log) {
            of.push(log.clone());
        }
    }
    of
}
