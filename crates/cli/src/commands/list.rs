//! `ackproof list`: what can be run.

use std::fmt::Write as _;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use crate::selection::{embedded_scenarios, suites};
use crate::style::STRONG;

pub(crate) fn list() -> Result<Exit, Failure> {
    let scenarios = embedded_scenarios().map_err(|error| Failure::usage(&error))?;
    let name_chars = scenarios
        .iter()
        .map(|scenario| scenario.name.len())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for suite in suites(&scenarios) {
        let _ = writeln!(out, "{STRONG}{suite}{STRONG:#}");
        for scenario in scenarios.iter().filter(|it| it.suite == suite) {
            let _ = writeln!(out, "  {:name_chars$}  {}", scenario.name, scenario.title);
        }
    }
    print(&out)?;
    Ok(Exit::Held)
}
