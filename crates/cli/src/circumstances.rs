//! When, where and by which command a run is carried out, for its plan.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use model::plan::{Circumstances, RunPlan};

use crate::args::{JOBS_DEFAULT, RunArgs};
use crate::machine::this_machine;

/// Writes into a plan, whose versions are known by now, how it is carried out.
pub(crate) fn note(plan: &mut RunPlan, args: &RunArgs, now: SystemTime) {
    plan.circumstances = Some(Circumstances {
        started_at: DateTime::<Utc>::from(now).to_rfc3339_opts(SecondsFormat::Secs, true),
        duration_ms: None,
        command: command(plan, args),
        machine: this_machine(),
    });
}

/// The command that repeats the run, however defaults change.
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
    let clients = &args.clients;
    for (flag, client) in [
        ("--client", &clients.client),
        ("--producer-client", &clients.producer_client),
        ("--consumer-client", &clients.consumer_client),
    ] {
        if let Some(client) = client {
            add(flag, client.to_string());
        }
    }
    if let Some(file) = &args.compose {
        add("--compose", file.display().to_string());
    }
    if !args.bootstrap.is_empty() {
        let all: Vec<String> = args.bootstrap.iter().map(ToString::to_string).collect();
        add("--bootstrap", all.join(","));
    }
    for (option, value) in args.cluster.typed() {
        add(option, value);
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
pub(crate) fn typed(name: &str) -> String {
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
            told(
                &plan,
                &[
                    "delivery",
                    "--client",
                    "command:python3 s.py",
                    "--consumer-client",
                    "java"
                ]
            ),
            "ackproof run delivery --seed 7 --client 'command:python3 s.py' --consumer-client java"
        );
        assert_eq!(
            told(&plan, &["delivery", "--bootstrap", "a:1,b:2"]),
            "ackproof run delivery --seed 7 --bootstrap 'a:1,b:2'"
        );
    }

    #[test]
    fn a_name_is_no_option() {
        assert_eq!(typed("-x.toml"), "./-x.toml");
    }
}
