//! What a scenario rests on while it lasts: its parts are alive, and it comes
//! forward. Whichever stage it is in, a part that is gone or a stage without a
//! step forward ends it. Knows nothing of what the parts are for.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::ids::FaultIx;
use model::plan::ScenarioPlan;
use model::scenario::{Config, Trigger, words};
use stack::logtail::LogTail;
use stack::process::{Child, Exit, Trouble};
use stack::service::Service;
use tokio::time::Instant;

use crate::error::EngineError;
use crate::ledger::{Ledger, Tally};
use crate::progress::Stage;
use crate::transforms::closing_limit;
use crate::wait::{beat, before_moment};

/// How often parts and steps are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long a part may take to be seen gone after something failed for it.
const BLAME_LIMIT: Duration = Duration::from_secs(3);
/// How much is told of what a part said last.
const WORDS_CHARS_MAX: usize = 300;
/// How long clients have for a record where nobody says: 5 minutes in
/// librdkafka.
const DELIVERY_TIMEOUT_MS: u64 = 300_000;

/// The processes that a scenario rests on. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    watched: Arc<Mutex<Vec<Look>>>,
}

/// What became of a part, by a look at it; an error where it is no part any
/// more.
type Look = Box<dyn Fn() -> Result<Option<EngineError>, NoPart> + Send>;

/// It is no part any more: its owner has let it go.
struct NoPart;

/// A part that is gone, or stands still, by nobody's intent.
#[derive(Debug)]
pub struct Gone {
    name: String,
    trouble: Trouble,
    tail: LogTail,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            trouble,
            tail,
        } = self;
        write!(f, "{name} {trouble}, and no fault did that; ")?;
        match tail.last_words() {
            Some(words) => {
                let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
                write!(f, "it said last: {words}")?;
            }
            None => f.write_str("it said nothing")?,
        }
        match tail.path() {
            Some(log) => write!(f, " (its log: {})", log.display()),
            None => Ok(()),
        }
    }
}

impl Parts {
    /// A process of the stack: `service` gives it, for as long as there is the
    /// one it belongs to.
    pub(crate) fn add_service<O: Send + Sync + 'static>(
        &self,
        owner: &Arc<O>,
        service: fn(&O) -> &Service,
    ) {
        let owner: Weak<O> = Arc::downgrade(owner);
        self.add(Box::new(move || {
            let owner = owner.upgrade().ok_or(NoPart)?;
            let service = service(&owner);
            let gone = service.trouble().map(|trouble| {
                EngineError::Gone(Gone {
                    name: service.name().to_owned(),
                    trouble,
                    tail: LogTail::of(service.log_file()),
                })
            });
            Ok(gone)
        }));
    }

    /// A subject. One that ends well has said why: who waits for it knows.
    pub(crate) fn add_subject(&self, who: &str, child: &Arc<Child>) {
        let (who, child) = (who.to_owned(), Arc::downgrade(child));
        self.add(Box::new(move || {
            let child = child.upgrade().ok_or(NoPart)?;
            Ok(match child.trouble() {
                None | Some(Trouble::Ended(Exit::Code(0))) => None,
                Some(trouble) => Some(subject_gone(&who, trouble, child.log())),
            })
        }));
    }

    fn add(&self, look: Look) {
        self.watched().push(look);
    }

    /// The first part that is gone.
    fn gone(&self) -> Option<EngineError> {
        let mut found = None;
        self.watched().retain(|look| match look() {
            Ok(gone) => {
                if found.is_none() {
                    found = gone;
                }
                true
            }
            Err(NoPart) => false,
        });
        found
    }

    /// Returns when a part is gone.
    pub(crate) async fn first_gone(&self) -> EngineError {
        let mut looks = beat(LOOK_INTERVAL);
        loop {
            looks.tick().await;
            if let Some(gone) = self.gone() {
                return gone;
            }
        }
    }

    /// Of something that failed, the cause: the part that is gone, where one
    /// is.
    pub(crate) async fn blame(&self, error: EngineError) -> EngineError {
        if !error.may_be_a_part() {
            return error;
        }
        let moment = Instant::now() + BLAME_LIMIT;
        let gone = before_moment(moment, self.first_gone()).await;
        gone.unwrap_or(error)
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Look>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subject that is gone: it gave up and said why, or somebody ended it.
pub(crate) fn subject_gone(who: &str, trouble: Trouble, log: &Path) -> EngineError {
    match trouble {
        Trouble::Ended(exit @ Exit::Code(_)) => EngineError::SubjectEnded {
            who: who.to_owned(),
            exit,
            log: log.to_owned(),
        },
        trouble => EngineError::Gone(Gone {
            name: who.to_owned(),
            trouble,
            tail: LogTail::of(log),
        }),
    }
}

/// How long a stage may go without a step forward: longer than any wait in it
/// may take.
pub(crate) fn patience(stage: Stage, plan: &ScenarioPlan, outstanding: bool) -> Duration {
    let scenario = &plan.scenario;
    let ms = Duration::from_millis;
    let drain = ms(scenario.drain_timeout_ms);
    let base = stage.patience();
    match stage {
        Stage::Starting | Stage::ReadingTruth | Stage::Stopping | Stage::CleaningUp => base,
        Stage::Preparing => {
            let rows: u64 = scenario.writes.iter().map(|write| write.rows).sum();
            base + ms(rows)
        }
        Stage::Traffic => {
            let delivery = if outstanding {
                scenario.producers.iter().map(delivery_of).max()
            } else {
                None
            };
            base + planned(plan) + drain + ms(delivery.unwrap_or(0))
        }
        Stage::Draining => {
            let rounds = u32::try_from(scenario.transforms.len()).unwrap_or(u32::MAX);
            let closing = closing_limit(scenario);
            base + planned(plan) + drain + (drain + closing).saturating_mul(rounds)
        }
    }
}

fn delivery_of(producer: &model::scenario::Producer) -> u64 {
    let set = |config: &Config, key: &str| config.get(key).and_then(|ms| ms.parse::<u64>().ok());
    ["delivery.timeout.ms", "librdkafka.message.timeout.ms"]
        .iter()
        .find_map(|key| set(&producer.config, key))
        .unwrap_or(DELIVERY_TIMEOUT_MS)
}

/// The longest time in which nothing need happen by the plan itself.
pub(crate) fn planned(plan: &ScenarioPlan) -> Duration {
    let faults = &plan.scenario.faults;
    let elapsed = |trigger: &Trigger| match trigger {
        Trigger::ElapsedMs(ms) => *ms,
        _ => 0,
    };
    let of_faults = faults.iter().zip(&plan.fault_delays_ms);
    let of_faults = of_faults.map(|(fault, delay_ms)| {
        let times = [
            elapsed(&fault.after),
            *delay_ms,
            fault.pause_ms,
            fault.kind.parameters().limit_ms().unwrap_or(0),
        ];
        times.iter().fold(0u64, |sum, ms| sum.saturating_add(*ms))
    });
    let of_writes = plan.scenario.writes.iter();
    let of_writes = of_writes.filter_map(|write| write.after.as_ref().map(elapsed));
    Duration::from_millis(of_faults.chain(of_writes).max().unwrap_or(0))
}

/// Returns when a stage has gone for too long without a step forward: what it
/// waited for, and how far it was.
pub(crate) async fn stalled(plan: &ScenarioPlan, ledger: &Ledger) -> EngineError {
    let mut looks = beat(LOOK_INTERVAL);
    let mut last = None;
    loop {
        let now = Instant::now();
        let tally = ledger.tally();
        let (steps, since) = last.unwrap_or((tally.steps, now));
        if tally.steps == steps {
            let patience = patience(tally.stage, plan, tally.outstanding() > 0);
            if now.duration_since(since) >= patience {
                return EngineError::Stalled {
                    limit_s: patience.as_secs(),
                    so_far: far(plan, ledger, &tally),
                };
            }
            last = Some((steps, since));
        } else {
            last = Some((tally.steps, now));
        }
        looks.tick().await;
    }
}

/// How far a stage is, and what it waits for: one line.
pub(crate) fn far(plan: &ScenarioPlan, ledger: &Ledger, tally: &Tally) -> String {
    let parts = parts(plan, ledger, tally);
    match parts.as_slice() {
        [] => tally.stage.name().to_owned(),
        parts => format!("{}: {}", tally.stage.name(), parts.join(", ")),
    }
}

fn parts(plan: &ScenarioPlan, ledger: &Ledger, tally: &Tally) -> Vec<String> {
    let mut parts = Vec::new();
    let scenario = &plan.scenario;
    if matches!(tally.stage, Stage::Traffic | Stage::Draining) {
        if scenario.records() > 0 {
            let (acknowledged, all) = (tally.acknowledged, scenario.records());
            parts.push(format!("{acknowledged} of {all} records acknowledged"));
        }
        if scenario.capture.is_some() {
            let (out, written) = (tally.captured, tally.committed_changes);
            parts.push(format!("{out} change events of {written} changes"));
        }
        for group in plan.groups() {
            let processed = tally.processed.get(&group.ix).unwrap_or(&0);
            parts.push(format!("{processed} processed by {}", group.name));
        }
    }
    if tally.stage == Stage::ReadingTruth {
        parts.push(format!("{} records read back", tally.read_back));
    }
    let waiting = waiting(plan, ledger, tally);
    if !waiting.is_empty() {
        parts.push(format!("waiting for {}", waiting.join("; ")));
    }
    parts
}

/// What a scenario waits for, with the triggers of faults that are to come and
/// how far these are.
pub(crate) fn waiting(plan: &ScenarioPlan, ledger: &Ledger, tally: &Tally) -> Vec<String> {
    let mut waiting = ledger.waits().now();
    if matches!(tally.stage, Stage::Traffic | Stage::Draining) {
        let faults = plan.scenario.faults.iter().zip(0u16..);
        let open = faults.filter(|(_, ix)| !tally.triggered.contains(&FaultIx::new(*ix)));
        waiting.extend(open.map(|(fault, _)| {
            let trigger = trigger_so_far(&fault.after, plan, tally);
            format!("{trigger} ({})", fault.kind.name())
        }));
    }
    waiting
}

/// `captured = 1000, 42 so far`.
pub(crate) fn trigger_so_far(trigger: &Trigger, plan: &ScenarioPlan, tally: &Tally) -> String {
    match trigger {
        Trigger::Acknowledged(count) => {
            format!("acknowledged = {count}, {} so far", tally.acknowledged)
        }
        Trigger::Processed { group, percent } => {
            let known = plan.group_ix(group);
            let processed = known.and_then(|group| tally.processed.get(&group));
            format!(
                "processed = {percent} % by {group}, {} of {} records so far",
                processed.unwrap_or(&0),
                plan.scenario.to_read(group)
            )
        }
        Trigger::Captured(count) => format!("captured = {count}, {} so far", tally.captured),
        Trigger::ElapsedMs(_)
        | Trigger::Injected(_)
        | Trigger::Healed(_)
        | Trigger::InSync { .. } => words::trigger(trigger).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use model::ids::RunId;
    use model::plan::RunPlan;
    use model::scenario::{EMBEDDED, embedded, parse};
    use stack::process::ChildSpec;

    use super::*;
    use crate::wait::{Limit, Wait};

    fn plan(name: &str) -> ScenarioPlan {
        let scenario = parse(name, embedded(name).unwrap()).unwrap();
        let plan = RunPlan::new(RunId::new(7), 1, BTreeMap::new(), &[scenario], 1);
        plan.scenarios[0].clone()
    }

    /// A stage is only given up when whatever it waits for has been given up.
    #[test]
    fn a_stage_has_more_patience_than_any_wait_in_it() {
        let longest = Wait::ALL.iter().filter_map(|wait| match wait.limit() {
            Limit::Fixed(limit) => Some(limit),
            Limit::Planned(_) => None,
        });
        let longest = longest.max().unwrap();
        for (name, _) in EMBEDDED {
            let plan = plan(name);
            let drain = Duration::from_millis(plan.scenario.drain_timeout_ms);
            for stage in [Stage::Traffic, Stage::Draining] {
                let patience = patience(stage, &plan, false);
                assert!(patience > longest + planned(&plan), "{name}");
                assert!(patience > drain + planned(&plan), "{name}");
            }
            let outstanding = patience(Stage::Traffic, &plan, true);
            let delivery = plan.scenario.producers.iter().map(delivery_of).max();
            let delivery = Duration::from_millis(delivery.unwrap_or(0));
            assert!(outstanding > delivery + planned(&plan), "{name}");
        }
        assert!(Stage::Starting.patience() > Wait::Ready.fixed());
        assert!(Stage::ReadingTruth.patience() > Wait::Replicas.fixed());
    }

    #[tokio::test]
    async fn a_part_that_somebody_ends_is_named_and_one_that_ends_here_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let sleeper = |name: &str| {
            let spec = ChildSpec::new("sh", dir.path().join(name));
            let spec = spec.args(["-c", "echo tired; sleep 60 & wait"]);
            Arc::new(spec.spawn().unwrap())
        };
        let parts = Parts::default();
        let (ours, theirs) = (sleeper("ours"), sleeper("theirs"));
        parts.add_subject("producer 0", &ours);
        parts.add_subject("billing member 1", &theirs);
        ours.kill().await;
        assert!(parts.gone().is_none(), "it was ended here");
        let pid = theirs.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap()
                .success()
        );
        let moment = Instant::now() + Duration::from_secs(30);
        let gone = before_moment(moment, parts.first_gone()).await;
        let gone = gone.unwrap().to_string();
        assert!(
            gone.starts_with("billing member 1 ended (signal 9), and no fault did that; "),
            "{gone}"
        );
        drop((ours, theirs));
        assert!(parts.gone().is_none(), "they are no parts any more");
    }

    #[test]
    fn how_far_a_trigger_is_goes_with_it() {
        let plan = plan("debezium-offset-recovery");
        let tally = Tally {
            captured: 42,
            ..Tally::default()
        };
        let told = trigger_so_far(&Trigger::Captured(1000), &plan, &tally);
        assert_eq!(told, "captured = 1000, 42 so far");
    }
}
