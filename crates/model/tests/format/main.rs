//! The format of scenario files, as the parser has it, the document tells it
//! and the JSON Schema describes it: three that must agree.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod document;
mod grammar;
mod pages;
mod schema;
