//! What listens at the user's addresses. Changes nothing there.

use std::fmt;

use futures_util::future::join_all;
use proxy::HostPort;
use wire::{Listener, probe};

/// An address, and what listens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbedAddress {
    /// The address.
    pub at: HostPort,
    /// What listens there.
    pub listener: Listener,
}

impl fmt::Display for ProbedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, listener } = self;
        write!(f, "{at}: {listener}; {}", listener.remedy_with_config())
    }
}

/// What listens at each of these addresses.
pub async fn probe_addresses(bootstrap: &[HostPort]) -> Vec<ProbedAddress> {
    let looks = bootstrap.iter().map(|at| async move {
        let listener = probe(&at.to_string()).await;
        let at = at.clone();
        ProbedAddress { at, listener }
    });
    join_all(looks).await
}
