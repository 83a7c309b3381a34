//! `ackproof list`: what can be run.

use std::fmt::Write as _;

use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::Scenario;
use serde_json::{Value, json};

use crate::args::{DataFormat, ListArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::selection::{embedded_scenarios, suites};
use crate::style::STRONG;

pub(crate) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let scenarios = embedded_scenarios().map_err(|error| Failure::usage(&error))?;
    if args.format == DataFormat::Json {
        let all: Vec<Value> = scenarios.iter().map(described).collect();
        print_raw(&format!("{:#}\n", Value::from(all)))?;
        return Ok(Exit::Held);
    }
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

/// The facts by which scenarios are chosen.
fn described(scenario: &Scenario) -> Value {
    let faults = scenario.faults.iter().map(|fault| fault.kind.name());
    let claims = scenario.guarantees.iter();
    let claims = claims.map(|it| json!({"claim": it.claim, "level": it.level}));
    let plan = ScenarioPlan::new(scenario.clone(), 0, RunId::new(0), 1);
    json!({
        "name": scenario.name,
        "suite": scenario.suite,
        "title": scenario.title,
        "brokers": scenario.topology.brokers,
        "capture": scenario.capture.is_some(),
        "faults": faults.collect::<Vec<_>>(),
        "guarantees": claims.collect::<Vec<_>>(),
        "at_least_ms": plan.schedule_ms(),
    })
}
