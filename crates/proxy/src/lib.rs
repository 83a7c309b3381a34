//! A TCP proxy before one broker that can cut the link and prove that it did.
//!
//! Healthy, it is byte-transparent. [`Proxy::cut`] makes it deliver nothing
//! either way until the [`Cut`] is healed. It knows nothing of Kafka's protocol,
//! of scenarios, or of why a link is cut.

mod link;
mod proxy;
mod relay;
mod tally;

pub use proxy::{CONNECTIONS_MAX, Cut, Proxy, ProxyError};
pub use tally::{CutReport, ProxyStats};
