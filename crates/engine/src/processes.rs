//! The processes that a scenario rests on while it lasts: one that is gone by
//! nobody's intent ends it. Knows nothing of what the processes are for.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use stack::logtail::LogTail;
use stack::process::{Child, Exit, Trouble};
use stack::service::Service;
use tokio::time::Instant;

use crate::error::EngineError;
use crate::gone::Gone;
use crate::wait::{beat, before_moment};

/// How often parts and steps are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How long a part may take to be seen gone after something failed for it.
const BLAME_LIMIT: Duration = Duration::from_secs(3);

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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use stack::process::ChildSpec;

    use super::*;

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
}
