//! `ackproof matrix`: the same scenarios with several clients or versions. Each
//! column is a run as `ackproof run` carries it out; they share the places for
//! scenarios and the display.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use engine::Slots;
use futures_util::future::join_all;
use model::plan::SkippedScenario;
use model::scenario::client::ClientSpec;
use model::scenario::words::{counted, duration_ms};
use model::verdict::RunVerdict;
use report::{Matrix, MatrixRun, Upgrade};

use crate::args::{
    AlertWatchArgs, ClientArgs, Format, MatrixArgs, RunArgs, RunFormat, VersionArgs,
};
use crate::circumstances;
use crate::commands::run::{Column, Ready, Run, SignalError, claim_failure, make_all_ready};
use crate::display::Display;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::matrix_table::table;
use crate::output::{note, print, print_raw};
use crate::run_dir::RunDir;
use crate::settings::{RunSettings, default_out, seed_from};
use crate::step_summary;
use crate::text::columns_of;

/// What makes no matrix.
#[derive(Debug, thiserror::Error)]
#[error("a matrix has two columns at least, and this one has {0}")]
struct FewColumns(usize);

/// What distinguishes a column from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Distinction {
    client: Option<ClientSpec>,
    kafka: Option<String>,
}

impl Distinction {
    /// As people read it.
    fn name(&self) -> String {
        let client = self.client.as_ref().map(ToString::to_string);
        let kafka = self.kafka.as_ref().map(|kafka| format!("Kafka {kafka}"));
        let both: Vec<String> = client.into_iter().chain(kafka).collect();
        both.join(", ")
    }

    /// What `ackproof run` would be told for it.
    fn run_args(&self, args: &MatrixArgs, seed: u64) -> RunArgs {
        RunArgs {
            names: args.names.clone(),
            dry_run: false,
            out: None,
            seed: Some(seed),
            jobs: args.jobs,
            repeat: args.repeat,
            fail_fast: false,
            rerun_failed: None,
            format: match args.format {
                Format::Human => RunFormat::Human,
                Format::Json => RunFormat::Json,
            },
            bootstrap: args.bootstrap.clone(),
            compose: None,
            cluster: args.cluster.clone(),
            alerts: AlertWatchArgs::default(),
            clients: ClientArgs {
                client: self.client.clone(),
                ..ClientArgs::default()
            },
            versions: VersionArgs {
                kafka: self.kafka.clone(),
                ..VersionArgs::default()
            },
        }
    }
}

/// Every pair of a client and a version, the clients of one version beside each
/// other.
fn distinctions(args: &MatrixArgs) -> Result<Vec<Distinction>, FewColumns> {
    fn or_none<T: Clone>(all: &[T]) -> Vec<Option<T>> {
        match all {
            [] => vec![None],
            all => all.iter().cloned().map(Some).collect(),
        }
    }
    let (clients, versions) = (or_none(&args.clients), or_none(&args.kafka));
    let all: Vec<Distinction> = versions
        .iter()
        .flat_map(|kafka| {
            clients.iter().map(|client| Distinction {
                client: client.clone(),
                kafka: kafka.clone(),
            })
        })
        .collect();
    if all.len() < 2 {
        return Err(FewColumns(all.len()));
    }
    Ok(all)
}

/// A name for each column that is a folder's, and no other column's.
fn folders(names: &[String]) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let words = name.split(|c| !plain(c)).filter(|it| !it.is_empty());
        let folder = words.collect::<Vec<_>>().join("-");
        let folder = folder.trim_start_matches('.').to_owned();
        let mut numbered = (2u32..).map(|number| format!("{folder}-{number}"));
        let free = |it: &String| !taken.contains(it) && !it.is_empty();
        let own = Some(folder.clone()).filter(free);
        let own = own.or_else(|| numbered.find(free));
        taken.push(own.unwrap_or_default());
    }
    taken
}

pub(crate) async fn matrix(args: &MatrixArgs) -> Result<Exit, Failure> {
    let (began, now) = (Instant::now(), SystemTime::now());
    let distinctions = distinctions(args).map_err(|error| {
        Failure::usage(&error).hint("give --client or --kafka several times, each with one value")
    })?;
    let seed = args.seed.unwrap_or_else(|| seed_from(now));
    let names: Vec<String> = distinctions.iter().map(Distinction::name).collect();
    let mut settings = Vec::new();
    for distinction in &distinctions {
        let run_args = distinction.run_args(args, seed);
        settings.push((RunSettings::beside_others(&run_args, now)?, run_args));
    }
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&SignalError(error)))?;
    let out = args.out.clone().unwrap_or_else(|| default_out(now, seed));
    let dir = RunDir::claim(&out).map_err(|error| claim_failure(&error))?;
    let _hold = dir.hold().map_err(|error| claim_failure(&error))?;
    let made_ready = async {
        // Columns of one version have the same files.
        let mut known: BTreeMap<Option<String>, Ready> = BTreeMap::new();
        let mut all = Vec::new();
        for ((settings, _), of) in settings.iter_mut().zip(&distinctions) {
            let before = known.get(&of.kafka).cloned();
            let trains = before.is_none();
            let (ready, clients) = make_all_ready(settings, before).await?;
            known.insert(of.kafka.clone(), ready.clone());
            all.push((ready, clients, trains));
        }
        Ok(all)
    };
    let ready = tokio::select! {
        ready = made_ready => ready,
        () = interrupt.happened() => Err(Failure::interrupted()),
    };
    let ready = ready.inspect_err(|_| dir.abandon())?;
    let folders = folders(&names);
    note(&format!("{}\n", header(&names, seed, dir.path())));
    let plans = settings.iter().map(|(settings, _)| &settings.plan);
    let columns = names.iter().map(|it| Some(it.as_str())).zip(plans);
    let jobs = usize::from(args.jobs);
    let display = Arc::new(Mutex::new(Display::new(columns, jobs)));
    let mut first = 0;
    let mut slots = None;
    let (mut runs, mut holds) = (Vec::new(), Vec::new());
    let all = settings
        .into_iter()
        .zip(ready)
        .zip(names.iter().zip(&folders));
    for (((mut settings, run_args), (ready, clients, trains)), (name, folder)) in all {
        let of_column = RunDir::claim(&dir.path().join(folder));
        let of_column = of_column.map_err(|error| claim_failure(&error))?;
        holds.push(of_column.hold().map_err(|error| claim_failure(&error))?);
        if let Some(cluster) = &mut settings.plan.cluster {
            cluster.run_dir = of_column.path().canonicalize().ok();
        }
        circumstances::note(&mut settings.plan, &run_args, now);
        let slots = slots
            .get_or_insert_with(|| Slots::new(settings.jobs))
            .clone();
        let column = Column {
            name: name.clone(),
            first,
            trains,
        };
        first += settings.plan.scenarios.len();
        runs.push(Run {
            settings,
            dir: of_column,
            ready,
            clients,
            alerts: None,
            slots,
            display: Arc::clone(&display),
            column: Some(column),
        });
    }
    let ended = runs
        .into_iter()
        .map(|run| Box::pin(run.carry_out(began, interrupt.clone())));
    let ended: Vec<(RunVerdict, Exit)> = join_all(ended)
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let exits: Vec<Exit> = ended.iter().map(|(_, exit)| *exit).collect();
    let columns = ended.iter().zip(&names).zip(&folders);
    let columns: Vec<MatrixRun<'_>> = columns
        .map(|(((verdict, _), name), dir)| MatrixRun { name, dir, verdict })
        .collect();
    let matrix = Matrix::of(&columns);
    let json = matrix
        .json()
        .map_err(|error| Failure::environment(&error))?;
    let markdown = matrix.markdown();
    dir.write_matrix(&markdown, &json)
        .map_err(|error| Failure::environment(&error))?;
    step_summary::append(&markdown);
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let last = format!(
        "  {} · {} · table: {}\n",
        totals(&matrix),
        duration_ms(took_ms),
        dir.path().join("matrix.md").display()
    );
    match args.format {
        Format::Human => {
            let skipped = not_run(&ended, &names);
            print(&(table(&matrix, columns_of(std::io::stdout())) + &skipped + &last))?;
        }
        Format::Json => print_raw(&json)?,
    }
    Ok(exit(&exits, matrix.upgrade()))
}

/// Where a column did not go as planned, that wins.
fn exit(columns: &[Exit], upgrade: Option<Upgrade>) -> Exit {
    for exit in [Exit::Interrupted, Exit::Environment] {
        if columns.contains(&exit) {
            return exit;
        }
    }
    match upgrade {
        Some(Upgrade::Worse) => Exit::Violated,
        Some(Upgrade::NotKnown) => Exit::Inconclusive,
        Some(Upgrade::NoneWorse) | None => Exit::Held,
    }
}

fn header(names: &[String], seed: u64, dir: &Path) -> String {
    let columns = counted(names.len() as u64, "column");
    format!(
        "{columns}: {} · seed {seed} · {}",
        names.join(" · "),
        dir.display()
    )
}

/// How many guarantees differ; with two columns, how many of those that are
/// more than observed became what.
fn totals(matrix: &Matrix) -> String {
    let count = |of: fn(&report::MatrixRow) -> bool| matrix.rows.iter().filter(|it| of(it)).count();
    let guarantees = counted(matrix.rows.len() as u64, "guarantee");
    let differ = count(|it| it.differs);
    let mut parts = vec![format!("{guarantees}, {differ} with different verdicts")];
    for change in [
        report::Change::Worse,
        report::Change::NotConfirmed,
        report::Change::Unknown,
        report::Change::Better,
    ] {
        let counted = matrix.rows.iter().filter(|it| it.counts());
        let all = counted.filter(|it| it.change == Some(change));
        match all.count() {
            0 => {}
            some => parts.push(format!("{some} {}", change.words().to_lowercase())),
        }
    }
    parts.join(", ")
}

/// The scenarios that a column does not have, with the reasons.
fn not_run(ended: &[(RunVerdict, Exit)], names: &[String]) -> String {
    let each = ended
        .iter()
        .zip(names)
        .flat_map(|((verdict, _), name)| verdict.skipped.iter().map(move |it| (name, it)));
    let line = |(name, it): (&String, &SkippedScenario)| {
        format!(
            "  skipped: {} with {name}: it {}\n",
            it.scenario,
            it.reasons.join("; it ")
        )
    };
    each.map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a panic is how a test fails")]

    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn args(words: &[&str]) -> MatrixArgs {
        match Cli::parse_from(["ackproof", "matrix"].iter().chain(words)).command {
            Command::Matrix(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn there_is_a_column_for_each_pair_and_each_has_a_folder_of_its_own() {
        let of = |words: &[&str]| -> Vec<String> {
            let all = distinctions(&args(words)).unwrap();
            all.iter().map(Distinction::name).collect()
        };
        let (java, kafka) = (
            ["--client", "java:3.1.0"],
            ["--kafka", "3.9.0", "--kafka", "4.3.1"],
        );
        assert_eq!(of(&kafka), ["Kafka 3.9.0", "Kafka 4.3.1"]);
        let both = [&java[..], &["--client", "librdkafka"], &kafka].concat();
        let names = of(&both);
        assert_eq!(names[0], "java:3.1.0, Kafka 3.9.0");
        assert_eq!(names[3], "librdkafka, Kafka 4.3.1");
        assert_eq!(folders(&names)[0], "java-3.1.0-Kafka-3.9.0");
        let twice = of(&["--client", "librdkafka", "--client", "librdkafka"]);
        assert_eq!(folders(&twice), ["librdkafka", "librdkafka-2"]);
        let commands = ["command:../a b", "command:../a/b"].map(str::to_owned);
        assert_eq!(folders(&commands), ["command-..-a-b", "command-..-a-b-2"]);
        assert_eq!(distinctions(&args(&java)).unwrap_err().0, 1);
        assert_eq!(distinctions(&args(&[])).unwrap_err().0, 1);
    }

    #[test]
    fn what_did_not_go_as_planned_wins() {
        let held = [Exit::Held, Exit::Violated];
        assert_eq!(exit(&held, None), Exit::Held);
        assert_eq!(exit(&held, Some(Upgrade::NoneWorse)), Exit::Held);
        assert_eq!(exit(&held, Some(Upgrade::Worse)), Exit::Violated);
        assert_eq!(exit(&held, Some(Upgrade::NotKnown)), Exit::Inconclusive);
        let failed = [Exit::Environment, Exit::Held];
        assert_eq!(exit(&failed, Some(Upgrade::Worse)), Exit::Environment);
        let stopped = [Exit::Environment, Exit::Interrupted];
        assert_eq!(exit(&stopped, None), Exit::Interrupted);
    }
}
