//! Benchmarks: their loads as scenarios, what their histories say of rates and latencies,
//! criteria, and the price of guarantees.
//!
//! Pure functions of data. This crate knows nothing of sockets, processes, clocks and files:
//! a benchmark is planned, carried out and judged as a scenario by others, and its samples
//! are taken by others. [`benchmark`] says what runs, [`load`] measures a history,
//! [`judge()`] rules on criteria, [`price`] makes the tables.

mod answers;
pub mod benchmark;
mod chart;
mod compare;
mod document;
mod judge;
pub mod load;
pub mod performance;
pub mod price;
mod render;
pub mod resources;
mod scenarios;
mod shape;
pub mod stats;
mod words;

pub use answers::{advice, claims};
pub use compare::PerformanceDiff;
pub use judge::judge;
pub use render::{performance_html, performance_markdown};
