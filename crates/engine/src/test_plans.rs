//! Plans of embedded scenarios, for tests.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;

use model::ids::RunId;
use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::{embedded, parse};

pub(crate) fn run_plan(name: &str) -> RunPlan {
    let scenario = parse(name, embedded(name).unwrap()).unwrap();
    RunPlan::new(RunId::new(7), 1, BTreeMap::new(), &[scenario], 1)
}

pub(crate) fn scenario_plan(name: &str) -> ScenarioPlan {
    run_plan(name).scenarios.remove(0)
}
