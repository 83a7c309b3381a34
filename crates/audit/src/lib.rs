//! Reads configurations and says what they guarantee, and what weakens that.
//!
//! ```text
//! files, live cluster ──read──▶ components ──▶ landscape ──▶ contract
//!                               (settings with  (what is not      │
//!                                their origin)   set, resolved)   ├─▶ report ──▶ text, JSON,
//!                                                    └─rules──▶ findings         SARIF, JUnit, …
//! ```
//!
//! A [`component::Component`] is a producer, a broker, a topic, a connector; its
//! [`component::ReadSetting`]s know the line that they were read on. [`landscape`] resolves
//! what is not set from [`defaults`], which the artefacts themselves print. A rule
//! ([`rules`]) is a name, words, and a function over the landscape; it is silent where it
//! would have to guess. Knows nothing of sockets, processes and the terminal: a live
//! cluster is read elsewhere, into the same components.

pub mod baseline;
pub mod component;
pub mod contract;
pub mod defaults;
pub mod landscape;
pub mod output;
pub mod policy;
pub mod product;
pub mod read;
pub mod report;
pub mod rules;
pub mod version;

pub use report::{AuditFinding, AuditReport, FindingState, audit};
