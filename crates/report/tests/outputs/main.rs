//! Whole reports of plans of embedded scenarios and hand-made verdicts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod assumptions;
mod badge;
mod browser;
mod diff;
mod html;
mod made;
mod markdown;
mod matrix;
mod schema;
mod xml;
