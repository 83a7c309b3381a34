//! How a call of a cluster is tried again, and until when.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::connection::ClientOptions;
use crate::error::WireError;

/// How a cluster is used.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// For each connection.
    pub client: ClientOptions,
    /// How long a call is tried again while its error is transient.
    pub retry_for: Duration,
    /// The pause before each further attempt.
    pub retry_pause: Duration,
}

impl Default for ClusterOptions {
    /// 30 s, every 100 ms.
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            retry_for: Duration::from_secs(30),
            retry_pause: Duration::from_millis(100),
        }
    }
}

/// Makes a call of a [`Cluster`], again while its error is transient (and the
/// condition holds) and the deadline has not passed. With `until decided`, also while
/// no controller decided on any item: then the last answer is given. A macro, because a
/// future that calls an async closure is not `Send` for every lifetime of its arguments.
macro_rules! retried {
    ($cluster:ident until decided, $attempt:expr) => {{
        let mut retry = Retry::new(&$cluster.options);
        loop {
            match async { $attempt }.await {
                Ok(outcomes) if all_undecided(&outcomes) => {
                    $cluster.forget_routes();
                    if matches!(retry.pause().await, Pause::Over) {
                        break Ok(outcomes);
                    }
                }
                Ok(outcomes) => {
                    $cluster.forget_routes();
                    break Ok(outcomes);
                }
                Err(error) => $cluster.retry_elsewhere(&mut retry, error).await?,
            }
        }
    }};
    ($cluster:ident, $attempt:expr) => {
        retried!($cluster while WireError::is_retriable, $attempt)
    };
    ($cluster:ident while $may_retry:expr, $attempt:expr) => {{
        let mut retry = Retry::new(&$cluster.options);
        loop {
            match async { $attempt }.await {
                Ok(answer) => break Ok(answer),
                Err(error) if $may_retry(&error) => {
                    $cluster.retry_elsewhere(&mut retry, error).await?;
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

pub(super) use retried;

pub(super) enum Pause {
    Taken,
    Over,
}

/// The attempts at one call.
pub(super) struct Retry {
    started: Instant,
    limit: Duration,
    pause: Duration,
    attempts: u32,
}

impl Retry {
    pub(super) fn new(options: &ClusterOptions) -> Self {
        Self {
            started: Instant::now(),
            limit: options.retry_for,
            pause: options.retry_pause,
            attempts: 0,
        }
    }

    /// Pauses before the next attempt, if there is to be one.
    pub(super) async fn pause(&mut self) -> Pause {
        self.attempts += 1;
        if self.started.elapsed().saturating_add(self.pause) > self.limit {
            return Pause::Over;
        }
        sleep(self.pause).await;
        Pause::Taken
    }

    /// As [`Self::pause`] after `error`; returns it when it will not pass.
    pub(super) async fn after(&mut self, error: WireError) -> Result<(), WireError> {
        if !error.is_retriable() {
            return Err(error);
        }
        match self.pause().await {
            Pause::Taken => Ok(()),
            Pause::Over => Err(WireError::Deadline {
                attempts: self.attempts,
                waited_ms: self.started.elapsed().as_millis(),
                source: Box::new(error),
            }),
        }
    }
}
