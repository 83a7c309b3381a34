//! The commands that repeat a run, or a part of it.

use model::scenario::embedded;

use crate::run::{Run, Test};

/// Runs everything again with the same plan.
pub(super) fn command(run: &Run<'_>) -> String {
    let names: Vec<&str> = run.tests.iter().map(|test| test.name).collect();
    of(run, &names)
}

/// Runs one scenario again with the same plan.
pub(super) fn command_for(run: &Run<'_>, test: &Test<'_>) -> String {
    of(run, &[test.name])
}

/// Names that are not built in stand as the files that they have to be.
fn of(run: &Run<'_>, names: &[&str]) -> String {
    let mut words = vec![String::from("ackproof"), String::from("run")];
    words.extend(names.iter().map(|name| {
        if embedded(name).is_some() {
            (*name).to_owned()
        } else {
            quoted(&format!("./{name}.toml"))
        }
    }));
    if let Some(cluster) = &run.plan.cluster {
        words.push(format!(
            "--bootstrap {}",
            quoted(&cluster.bootstrap.join(","))
        ));
    }
    words.push(format!("--seed {}", run.plan.seed));
    let repeat = run
        .plan
        .scenarios
        .iter()
        .map(|planned| planned.repetition)
        .max()
        .unwrap_or(1);
    if repeat > 1 {
        words.push(format!("--repeat {repeat}"));
    }
    for part in ["kafka", "debezium"] {
        if let Some(version) = run.plan.versions.get(part) {
            words.push(format!("--{part} {}", quoted(version)));
        }
    }
    words.join(" ")
}

/// Quotes for a POSIX shell what is more than letters, digits and `._-/`.
fn quoted(word: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !word.is_empty() && word.chars().all(is_safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
