//! `ackproof list`: what can be run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::ids::RunId;
use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::Scenario;
use serde_json::{Value, json};

use crate::args::{DataFormat, ListArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::selection::{embedded_scenarios, suites};
use crate::style::{FAINT, STRONG};

pub(crate) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let scenarios = embedded_scenarios().map_err(|error| Failure::usage(&error))?;
    let whole = RunPlan::new(RunId::new(0), 0, BTreeMap::new(), &scenarios, 1);
    let plan = whole.with_clients(&args.clients.chosen(), engine::check);
    let why_not = |name: &str| {
        let mut skipped = plan.skipped.iter();
        let skipped = skipped.find(|it| it.scenario == name);
        skipped.map(|it| it.reasons.join("; it "))
    };
    if args.format == DataFormat::Json {
        let all = scenarios.iter().map(|scenario| {
            let mut planned = plan.scenarios.iter().map(|it| &it.scenario);
            let planned = planned.find(|it| it.name == scenario.name);
            described(
                planned.unwrap_or(scenario),
                why_not(&scenario.name).as_deref(),
            )
        });
        let all: Vec<Value> = all.collect();
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
            let about = scenario.about_client.as_ref().map(|why| {
                let clients = scenario.clients().into_iter().map(ToString::to_string);
                format!(
                    "is about {} ({why})",
                    clients.collect::<Vec<_>>().join(", ")
                )
            });
            let cannot =
                why_not(&scenario.name).map(|why| format!("not with these clients: it {why}"));
            if let Some(note) = cannot.or(about) {
                let _ = writeln!(out, "  {:name_chars$}  {FAINT}{note}{FAINT:#}", "");
            }
        }
    }
    print(&out)?;
    Ok(Exit::Held)
}

/// The facts by which scenarios are chosen.
fn described(scenario: &Scenario, why_not: Option<&str>) -> Value {
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
        "clients": scenario.clients(),
        "about_client": scenario.about_client,
        "not_with_these_clients": why_not,
    })
}
