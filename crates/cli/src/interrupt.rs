//! Ctrl-C. Knows nothing of what is interrupted.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;

/// Becomes true at the first SIGINT, SIGTERM, SIGHUP or SIGQUIT; at the second, this
/// process ends at once, and its children with it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    seen: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens from now on; needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::quit())?,
        ];
        let (tell, seen) = watch::channel(false);
        tokio::spawn(async move {
            any(&mut signals).await;
            // A receiver that no longer waits has ended in order.
            let _ = tell.send(true);
            any(&mut signals).await;
            std::process::exit(Exit::Interrupted.code().into());
        });
        Ok(Self { seen })
    }

    /// Returns when it has happened.
    pub(crate) async fn happened(&mut self) {
        if self.seen.wait_for(|seen| *seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it has happened.
    pub(crate) fn has_happened(&self) -> bool {
        *self.seen.borrow()
    }
}

async fn any(signals: &mut [Signal; 4]) {
    let [interrupt, terminate, hangup, quit] = signals;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = quit.recv() => {}
    }
}
