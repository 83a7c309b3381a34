//! Addresses to connect to in place of those that brokers advertise, as curl's `--resolve`
//! has them. Knows nothing of sockets, nor of who finds out.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A host and a port. The host is a name or an IP address, without brackets.
pub type Address = (String, u16);

/// Which address to connect to in place of which. Copies share it, and one that is changed
/// is changed for all: a container that starts again may have another address.
#[derive(Clone, Debug, Default)]
pub struct AddressOverrides(Arc<RwLock<BTreeMap<Address, Address>>>);

impl AddressOverrides {
    /// These, each as what is advertised and what to connect to.
    pub fn new(overrides: impl IntoIterator<Item = (Address, Address)>) -> Self {
        let overrides = overrides.into_iter();
        let map = overrides.map(|((host, port), to)| ((host.to_ascii_lowercase(), port), to));
        Self(Arc::new(RwLock::new(map.collect())))
    }

    /// Puts others in their place.
    pub fn replace(&self, by: &Self) {
        let map = by.pairs();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = map;
    }

    /// All of them.
    pub fn pairs(&self) -> BTreeMap<Address, Address> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.clone()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.is_empty()
    }

    /// What to connect to for this host and port: these themselves where nothing stands in
    /// their place.
    pub fn of(&self, host: &str, port: u16) -> Address {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = map.get(&(host.to_ascii_lowercase(), port));
        found.cloned().unwrap_or_else(|| (host.to_owned(), port))
    }

    /// The same of `HOST:PORT`, whose IPv6 address has brackets.
    pub fn of_text(&self, address: &str) -> String {
        let parts = address.rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = parts else {
            return address.to_owned();
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        text(&self.of(bare, port))
    }
}

/// `HOST:PORT`, with the brackets that an IPv6 address needs.
fn text((host, port): &Address) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides() -> AddressOverrides {
        let pair = |from: &str, to: &str| ((from.to_owned(), 9092), (to.to_owned(), 19092));
        AddressOverrides::new([pair("Kafka", "localhost"), pair("fd00::1", "::1")])
    }

    #[test]
    fn names_are_the_same_in_any_case_and_ports_are_not() {
        let overrides = overrides();
        assert_eq!(overrides.of_text("kafka:9092"), "localhost:19092");
        assert_eq!(overrides.of_text("KAFKA:9092"), "localhost:19092");
        assert_eq!(overrides.of_text("kafka:9093"), "kafka:9093");
        assert_eq!(overrides.of_text("[fd00::1]:9092"), "[::1]:19092");
        assert_eq!(overrides.of_text("other:9092"), "other:9092");
        assert_eq!(overrides.of_text("no address"), "no address");
    }

    #[test]
    fn copies_are_changed_together() {
        let overrides = overrides();
        let copy = overrides.clone();
        overrides.replace(&AddressOverrides::default());
        assert!(copy.is_empty());
        assert_eq!(copy.of("kafka", 9092), ("kafka".to_owned(), 9092));
    }
}
