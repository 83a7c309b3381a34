//! Ports that stay ours: a broker that restarts must get its own back, while
//! clients around it open connections from the ports the kernel hands out.
//!
//! So they are taken from outside the kernel's range for that, and each is
//! claimed for as long as the stack lives. Knows nothing of what listens.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use crate::linux::{PortClaim, ephemeral_ports};

/// Where stacks live. Below Linux's default range for clients, above most
/// services.
const RANGE: RangeInclusive<u16> = 20_000..=31_999;

/// Where they live when the kernel uses all of [`RANGE`] for clients.
const FALLBACK_RANGE: RangeInclusive<u16> = 1_024..=65_535;

/// No port is free.
#[derive(Debug, thiserror::Error)]
#[error("no free port in {}-{} on 127.0.0.1", RANGE.start(), RANGE.end())]
pub struct NoPort;

/// A port that was asked for is not free.
#[derive(Debug, thiserror::Error)]
#[error("port {port} of 127.0.0.1 is not free")]
pub struct TakenPort {
    /// Which.
    pub port: u16,
}

/// A port on the loopback interface that no other ackproof takes while this
/// lives.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _claim: PortClaim,
}

impl ReservedPort {
    /// Takes a free port.
    pub fn take() -> Result<Self, NoPort> {
        let ephemeral = ephemeral_ports();
        let is_ephemeral = |port: &u16| ephemeral.as_ref().is_some_and(|it| it.contains(port));
        take_from(RANGE.filter(|port| !is_ephemeral(port)))
            .or_else(|| take_from(FALLBACK_RANGE.filter(|port| !is_ephemeral(port))))
            .ok_or(NoPort)
    }

    /// Takes this port.
    pub fn at(port: u16) -> Result<Self, TakenPort> {
        let claim = PortClaim::take(port).ok_or(TakenPort { port })?;
        Ok(Self {
            port,
            _claim: claim,
        })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// Begins anywhere, so that stacks started at once rarely try the same ones.
fn take_from(ports: impl Iterator<Item = u16>) -> Option<ReservedPort> {
    let ports: Vec<u16> = ports.collect();
    let anywhere = RandomState::new().hash_one(std::process::id());
    let start = usize::try_from(anywhere % (ports.len().max(1) as u64)).ok()?;
    let (before, after) = ports.split_at(start);
    after.iter().chain(before).find_map(|&port| {
        Some(ReservedPort {
            port,
            _claim: PortClaim::take(port)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_asked_for_is_taken_once() {
        let free = ReservedPort::take().unwrap();
        let port = free.number();
        assert_eq!(ReservedPort::at(port).unwrap_err().port, port);
        drop(free);
        assert_eq!(ReservedPort::at(port).unwrap().number(), port);
    }

    #[test]
    fn reserved_ports_differ_and_are_not_the_kernels() {
        let ports: Vec<_> = (0..20).map(|_| ReservedPort::take().unwrap()).collect();
        let mut numbers: Vec<_> = ports.iter().map(ReservedPort::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
        let ephemeral = ephemeral_ports().unwrap();
        assert!(numbers.iter().all(|it| !ephemeral.contains(it)));
    }
}
