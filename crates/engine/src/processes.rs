//! The processes that a scenario rests on while it lasts: one that ends without being
//! asked to ends the scenario. Knows nothing of what the processes are for.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use stack::logtail::LogTail;
use stack::process::{Child, Exit, Trouble};
use stack::service::Service;
use tokio::time::Instant;

use crate::error::EngineError;
use crate::lost_process::LostProcess;
use crate::wait::{beat, before_moment};

/// How often the processes are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// How long a process may take to be seen gone after something failed for it.
const BLAME_LIMIT: Duration = Duration::from_secs(3);

/// The processes that a scenario rests on. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Processes {
    watched: Arc<Mutex<Vec<Check>>>,
}

/// What became of a process; an error once its owner has let it go.
type Check = Box<dyn Fn() -> Result<Option<EngineError>, Released> + Send>;

/// Its owner has let the process go.
struct Released;

impl Processes {
    /// A process of the stack: `service` gives it, for as long as there is the
    /// one it belongs to.
    pub(crate) fn add_service<O: Send + Sync + 'static>(
        &self,
        owner: &Arc<O>,
        service: fn(&O) -> &Service,
    ) {
        let owner: Weak<O> = Arc::downgrade(owner);
        self.add(Box::new(move || {
            let owner = owner.upgrade().ok_or(Released)?;
            let service = service(&owner);
            let gone = service.trouble().map(|trouble| {
                EngineError::ProcessLost(LostProcess {
                    name: service.name().to_owned(),
                    trouble,
                    tail: LogTail::of(service.log_file()),
                })
            });
            Ok(gone)
        }));
    }

    /// A subject. One that ends well has said why: who waits for it knows.
    pub(crate) fn add_subject(&self, name: &str, child: &Arc<Child>) {
        let (name, child) = (name.to_owned(), Arc::downgrade(child));
        self.add(Box::new(move || {
            let child = child.upgrade().ok_or(Released)?;
            Ok(match child.trouble() {
                None | Some(Trouble::Ended(Exit::Code(0))) => None,
                Some(trouble) => Some(subject_lost(&name, trouble, child.log())),
            })
        }));
    }

    fn add(&self, check: Check) {
        self.watched().push(check);
    }

    /// The first process that is gone.
    fn gone(&self) -> Option<EngineError> {
        let mut found = None;
        self.watched().retain(|check| match check() {
            Ok(gone) => {
                if found.is_none() {
                    found = gone;
                }
                true
            }
            Err(Released) => false,
        });
        found
    }

    /// Returns when a process is gone.
    pub(crate) async fn first_lost(&self) -> EngineError {
        let mut ticks = beat(CHECK_INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(gone) = self.gone() {
                return gone;
            }
        }
    }

    /// The cause of an error: the process that is gone, where one is.
    pub(crate) async fn cause_of(&self, error: EngineError) -> EngineError {
        if !error.may_be_a_process() {
            return error;
        }
        let moment = Instant::now() + BLAME_LIMIT;
        let gone = before_moment(moment, self.first_lost()).await;
        gone.unwrap_or(error)
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Check>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subject that is gone: it gave up and said why, or it was ended.
pub(crate) fn subject_lost(name: &str, trouble: Trouble, log: &Path) -> EngineError {
    match trouble {
        Trouble::Ended(exit @ Exit::Code(_)) => EngineError::SubjectEnded {
            subject: name.to_owned(),
            exit,
            log: log.to_owned(),
        },
        trouble => EngineError::ProcessLost(LostProcess {
            name: name.to_owned(),
            trouble,
            tail: LogTail::of(log),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use stack::process::ChildSpec;

    use super::*;

    #[tokio::test]
    async fn a_process_that_ends_unasked_is_named_and_one_that_is_ended_here_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let sleeper = |name: &str| {
            let spec = ChildSpec::new("sh", dir.path().join(name));
            let spec = spec.args(["-c", "echo tired; sleep 60 & wait"]);
            Arc::new(spec.spawn().unwrap())
        };
        let processes = Processes::default();
        let (ours, theirs) = (sleeper("ours"), sleeper("theirs"));
        processes.add_subject("producer 0", &ours);
        processes.add_subject("billing member 1", &theirs);
        ours.kill().await;
        assert!(processes.gone().is_none(), "it was ended here");
        let pid = theirs.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap()
                .success()
        );
        let moment = Instant::now() + Duration::from_secs(30);
        let gone = before_moment(moment, processes.first_lost()).await;
        let gone = gone.unwrap().to_string();
        assert!(
            gone.starts_with("billing member 1 ended (signal 9), and no fault did that; "),
            "{gone}"
        );
        drop((ours, theirs));
        assert!(processes.gone().is_none(), "their owners have let them go");
    }
}
