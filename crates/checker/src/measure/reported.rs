//! What clients reported of what went wrong, grouped: sends that were not
//! acknowledged, errors of groups' members, and how long brokers told clients
//! to wait. Knows nothing of what it means for any claim.

use std::collections::BTreeMap;

use model::event::{Body, ClientRef, ErrorCause, Event, Outcome};
use model::ids::{GroupIx, MemberIx, Micros, ProducerIx};
use model::verdict::{ErrorMeaning, ReportedError, Throttling};

use crate::names::Names;

/// Different errors of one producer or group that are kept apart, at most;
/// some clients put figures into their names.
const ERRORS_MAX: usize = 20;
/// The name for all others.
const OTHERS: &str = "others";

/// The client that reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Producer(ProducerIx),
    Group(GroupIx),
}

#[derive(Clone, Debug)]
struct Reported {
    reason: String,
    count: u64,
    first: Micros,
    last: Micros,
}

/// What all clients reported.
#[derive(Default)]
pub(crate) struct Reports {
    groups_of: BTreeMap<MemberIx, GroupIx>,
    errors: BTreeMap<Who, BTreeMap<(ErrorMeaning, String), Reported>>,
    throttled_ms: BTreeMap<Who, u64>,
}

impl Reports {
    /// Takes in the next event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::MemberStarted { member, group } => {
                self.groups_of.insert(*member, *group);
            }
            Body::SendCompleted { record, outcome } => {
                let who = Who::Producer(record.producer);
                let (means, error) = match outcome {
                    Outcome::Acknowledged { .. } => return,
                    Outcome::Failed { error } => (ErrorMeaning::Failed, error),
                    Outcome::Unknown { error } => (ErrorMeaning::Unknown, error),
                };
                self.add(event.at, who, means, error, "", 1);
            }
            Body::ClientErred {
                client,
                cause,
                error,
                reason,
                times,
            } => {
                let means = match cause {
                    ErrorCause::Unable => ErrorMeaning::Unable,
                    ErrorCause::NotAllowed => ErrorMeaning::NotAllowed,
                    ErrorCause::Pipeline => ErrorMeaning::Pipeline,
                };
                if let Some(who) = self.who(*client) {
                    self.add(event.at, who, means, error, reason, *times);
                }
            }
            Body::Throttled {
                client,
                throttle_ms,
            } => {
                if let Some(who) = self.who(*client) {
                    let total = self.throttled_ms.entry(who).or_default();
                    *total = total.saturating_add(*throttle_ms);
                }
            }
            _ => {}
        }
    }

    fn who(&self, client: ClientRef) -> Option<Who> {
        match client {
            ClientRef::Producer(producer) => Some(Who::Producer(producer)),
            ClientRef::Member(member) => self.groups_of.get(&member).copied().map(Who::Group),
        }
    }

    fn add(
        &mut self,
        at: Micros,
        who: Who,
        means: ErrorMeaning,
        error: &str,
        reason: &str,
        times: u64,
    ) {
        let of = self.errors.entry(who).or_default();
        let mut key = (means, error.to_owned());
        if of.len() >= ERRORS_MAX && !of.contains_key(&key) {
            OTHERS.clone_into(&mut key.1);
        }
        let reported = of.entry(key).or_insert_with(|| Reported {
            reason: reason.to_owned(),
            count: 0,
            first: at,
            last: at,
        });
        reported.count = reported.count.saturating_add(times);
        reported.first = reported.first.min(at);
        reported.last = reported.last.max(at);
    }

    /// The errors: producers first, of each the most frequent first.
    pub(crate) fn errors(&self, names: &Names) -> Vec<ReportedError> {
        let mut all = Vec::new();
        for (who, errors) in &self.errors {
            let errors = errors.iter().map(|((means, error), of)| ReportedError {
                client: who.name(names),
                meaning: *means,
                error: error.clone(),
                reason: of.reason.clone(),
                count: of.count,
                first_ms: of.first.as_millis(),
                last_ms: of.last.as_millis(),
            });
            let mut errors: Vec<ReportedError> = errors.collect();
            errors.sort_by_key(|error| std::cmp::Reverse(error.count));
            all.extend(errors);
        }
        all
    }

    /// The clients that were throttled, and how much.
    pub(crate) fn throttled(&self, names: &Names) -> Vec<Throttling> {
        let throttled = self.throttled_ms.iter();
        throttled
            .map(|(who, total_ms)| Throttling {
                client: who.name(names),
                total_ms: *total_ms,
            })
            .collect()
    }
}

impl Who {
    fn name(self, names: &Names) -> String {
        match self {
            Self::Producer(producer) => format!("p{producer}"),
            Self::Group(group) => names.group(group),
        }
    }
}
