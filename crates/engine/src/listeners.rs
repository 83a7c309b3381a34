//! What listens at the user's addresses. Changes nothing there.

use std::fmt;

use futures_util::future::join_all;
use proxy::HostPort;
use wire::{ClientSecurity, Listener, probe};

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

/// What listens at each of these addresses, or where `security` says that it is.
pub async fn probe_addresses(
    bootstrap: &[HostPort],
    security: &ClientSecurity,
) -> Vec<ProbedAddress> {
    let looks = bootstrap.iter().map(|at| async move {
        let place = security.overrides().of_text(&at.to_string());
        let listener = probe(&place).await;
        let at = at.clone();
        ProbedAddress { at, listener }
    });
    join_all(looks).await
}
