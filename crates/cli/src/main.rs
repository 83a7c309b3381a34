//! The `ackproof` binary: arguments to settings, progress, exit codes.
fn main() {}
