//! When, where and by which command a run is carried out, for its plan.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use model::plan::{Circumstances, RunPlan};

use crate::args::{JOBS_DEFAULT, RunArgs};
use crate::machine::this_machine;

/// Writes into a plan, whose versions are known by now, how it is carried out.
pub(crate) fn note(plan: &mut RunPlan, args: &RunArgs, now: SystemTime) {
    let files = files_of(&args.names);
    for scenario in &mut plan.scenarios {
        scenario.file = files.get(&scenario.scenario.name).cloned();
    }
    plan.circumstances = Some(Circumstances {
        began: DateTime::<Utc>::from(now).to_rfc3339_opts(SecondsFormat::Secs, true),
        took_ms: None,
        command: command(plan, args),
        machine: this_machine(),
    });
}

/// What repeats the run, however its defaults change.
fn command(plan: &RunPlan, args: &RunArgs) -> Vec<String> {
    let mut command = vec!["ackproof".to_owned(), "run".to_owned()];
    command.extend(args.names.iter().map(|name| typed(name)));
    let mut add = |flag: &str, value: String| {
        command.push(flag.to_owned());
        command.push(value);
    };
    add("--seed", plan.seed.to_string());
    if args.repeat > 1 {
        add("--repeat", args.repeat.to_string());
    }
    if args.jobs != JOBS_DEFAULT {
        add("--jobs", args.jobs.to_string());
    }
    if !args.bootstrap.is_empty() {
        let all: Vec<String> = args.bootstrap.iter().map(ToString::to_string).collect();
        add("--bootstrap", all.join(","));
    }
    match &args.versions.kafka_home {
        Some(home) => add("--kafka-home", home.display().to_string()),
        None => {
            if let Some(version) = version_of(plan, "kafka") {
                add("--kafka", version);
            }
        }
    }
    if let Some(version) = version_of(plan, "debezium") {
        add("--debezium", version);
    }
    if args.fail_fast {
        command.push("--fail-fast".to_owned());
    }
    command
}

/// A name that no shell and no parser takes for an option.
fn typed(name: &str) -> String {
    if name.starts_with('-') {
        format!("./{name}")
    } else {
        name.to_owned()
    }
}

/// The bare version: how far its files are known is no part of it.
fn version_of(plan: &RunPlan, part: &str) -> Option<String> {
    let version = plan.versions.get(part)?;
    Some(version.split(' ').next()?.to_owned())
}

/// By a scenario's name the file that it was read from, as the user named it.
fn files_of(names: &[String]) -> BTreeMap<String, String> {
    let mut files = Vec::new();
    for name in names {
        let path = Path::new(name);
        if path.is_file() {
            files.push(typed(name));
        } else if path.is_dir() {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            let scenarios = paths.filter(|it| it.extension().is_some_and(|it| it == "toml"));
            files.extend(scenarios.map(|it| typed(&it.display().to_string())));
        }
    }
    let by_name = files.into_iter().filter_map(|file| {
        let text = fs::read_to_string(&file).ok()?;
        let name = text.lines().find_map(name_in)?;
        Some((name, file))
    });
    by_name.collect()
}

/// The name that a line `name = "…"` gives to its scenario, if it is one.
fn name_in(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("name")?.trim_start();
    let value = value.strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let (name, _) = value.get(1..)?.split_once(quote)?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a panic is how a test fails")]

    use clap::Parser as _;
    use model::ids::RunId;
    use model::scenario::words::shell_words;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn the_command_repeats_what_was_found_and_not_only_what_was_said() {
        let versions = [
            ("kafka", "4.3.1"),
            ("debezium", "3.6.3.Final (unpinned)"),
            ("java", "25"),
        ];
        let versions = versions.map(|(part, version)| (part.to_owned(), version.to_owned()));
        let mut plan = RunPlan::new(RunId::new(1), 7, versions.into(), &[], 3);
        let args = |words: &[&str]| {
            let words = ["ackproof", "run"].iter().chain(words);
            match Cli::parse_from(words).command {
                Command::Run(args) => args,
                other => panic!("{other:?}"),
            }
        };
        let told = |plan: &RunPlan, words: &[&str]| shell_words(&command(plan, &args(words)));
        assert_eq!(
            told(&plan, &["it's.toml", "--repeat", "3", "--fail-fast"]),
            "ackproof run 'it'\\''s.toml' --seed 7 --repeat 3 --kafka 4.3.1 --debezium 3.6.3.Final \
             --fail-fast"
        );
        assert_eq!(
            told(
                &plan,
                &["delivery", "--kafka-home", "/opt/my kafka", "--jobs", "2"]
            ),
            "ackproof run delivery --seed 7 --jobs 2 --kafka-home '/opt/my kafka' --debezium \
             3.6.3.Final"
        );
        plan.versions.clear();
        assert_eq!(
            told(&plan, &["delivery", "--bootstrap", "a:1,b:2"]),
            "ackproof run delivery --seed 7 --bootstrap 'a:1,b:2'"
        );
    }

    #[test]
    fn a_file_says_its_scenarios_name() {
        assert_eq!(name_in("name = \"mine\" # it").as_deref(), Some("mine"));
        assert_eq!(name_in("  name='x y'").as_deref(), Some("x y"));
        assert_eq!(name_in("names = \"mine\""), None);
        assert_eq!(name_in("name = 5"), None);
        assert_eq!(typed("-x.toml"), "./-x.toml");
    }
}
