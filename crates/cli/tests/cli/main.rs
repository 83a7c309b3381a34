//! Black-box tests of the program where no stack runs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod audit;
mod check;
mod ci;
mod clients;
mod cluster;
mod damage;
mod diff;
mod fixture;
mod histories;
mod import_scripts;
mod imports;
mod input;
mod jepsen;
mod mistakes;
mod results;
mod words;
