//! `ackproof bench`: benchmarks are scenarios that run one after the other through the run
//! loop; what their histories and the samples beside them say is judged by `bench`.

mod sampler;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use ::bench::benchmark::{self, Kind, PlannedRun, Scope, Start};
use ::bench::load::measure;
use ::bench::performance::{
    BenchmarkResult, Captured, Performance, RunResult, SCHEMA, checked_because, performance_json,
};
use ::bench::price::{PriceRow, table};
use ::bench::resources::Used;
use ::bench::{advice, claims, judge, performance_html, performance_markdown};
use checker::Examples;
use chrono::{DateTime, SecondsFormat, Utc};
use engine::{Brokers, Embedded, End, Settings, Slots};
use history::{ScenarioHistory, UnfitHistory};
use model::ids::{Micros, RunId};
use model::plan::{Circumstances, RunPlan, ScenarioPlan, Timing};
use model::scenario::client::ChosenClients;
use model::scenario::words::duration_ms;
use model::scenario::{WriteStart, nearest};
use model::verdict::{ScenarioVerdict, Verdict};
use stack::archive::Archives;
use stack::jvm::Compiler;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;

use self::sampler::{Sampler, conditions};
use crate::args::{BenchArgs, DataFormat};
use crate::commands::run::{
    Ready, SignalError, claim_failure, make_all_ready, output_failure, write_results,
};
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::interrupt::Interrupt;
use crate::judgement::{JudgementError, conclude, judge_scenario};
use crate::machine::this_machine;
use crate::output::{note, print, print_raw, write};
use crate::provision::this_program;
use crate::run_dir::{self, RunDir};
use crate::selection::{On, select};
use crate::settings::{RunSettings, default_out, seed_from};
use crate::style::of_verdict;
use crate::summary;

/// A benchmark with its runs, as they are planned.
struct Asked {
    kind: Kind,
    name: String,
    title: String,
    runs: Vec<PlannedRun>,
}

/// Why a name is no benchmark.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("there is no benchmark or scenario `{name}`; did you mean `{near}`?")]
    Unknown { name: String, near: String },
    #[error("a benchmark is not what it should be")]
    Malformed(#[from] model::scenario::ScenarioError),
    #[error("a measurement broke off")]
    BrokeOff(#[from] JoinError),
    #[error("a history cannot be judged")]
    Judgement(#[from] JudgementError),
    #[error("a history cannot be measured")]
    Unfit(#[from] UnfitHistory),
    #[error("cannot write the results as JSON")]
    Json(#[from] serde_json::Error),
}

/// What one run of a benchmark came to.
struct Done {
    result: RunResult,
    verdict: ScenarioVerdict,
    prices: Vec<PriceRow>,
}

pub(crate) async fn bench(args: &BenchArgs) -> Result<Exit, Failure> {
    let (began, now) = (Instant::now(), SystemTime::now());
    let scope = if args.full { Scope::Full } else { Scope::Quick };
    let asked = asked(&args.names, scope)?;
    let seed = args.seed.unwrap_or_else(|| seed_from(now));
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| default_out(now, seed));
    let scenarios: Vec<_> = asked
        .iter()
        .flat_map(|it| &it.runs)
        .map(|it| it.scenario.clone())
        .collect();
    let mut settings = RunSettings::of_scenarios(&scenarios, &args.versions, seed, out)?;
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&SignalError(error)))?;
    let dir = RunDir::claim(&settings.out).map_err(|error| claim_failure(&error))?;
    let _hold = dir.hold().map_err(|error| claim_failure(&error))?;
    let ready = tokio::select! {
        ready = make_all_ready(&mut settings, None) => ready,
        () = interrupt.happened() => Err(Failure::interrupted()),
    };
    let (ready, clients) = ready.inspect_err(|_| dir.abandon())?;
    settings.plan.circumstances = Some(Circumstances {
        started_at: DateTime::<Utc>::from(now).to_rfc3339_opts(SecondsFormat::Secs, true),
        duration_ms: None,
        command: command(args, &settings.plan, scope),
        machine: this_machine(),
    });
    let written = dir.write_plan(&settings.plan);
    written.map_err(|error| Failure::environment(&error))?;
    let says = args.format == DataFormat::Human;
    if says {
        print(&summary::header(&settings.plan))?;
    }
    let before = measured_conditions().await?;
    let mut runner = Runner {
        plan: settings.plan,
        dir,
        began,
        settings: Settings {
            out: settings.out,
            slots: Slots::new(NonZeroUsize::MIN),
            subject: this_program()?,
            clients,
            brokers: ready.brokers(),
            prometheus: None,
        },
        archives: archives(&ready),
        failed: false,
    };
    let (mut results, mut verdicts, mut prices) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = 0;
    for of in asked {
        let (mut runs, mut own_prices) = (Vec::new(), Vec::new());
        for run in &of.runs {
            note(&format!("  {}\n", run.scenario.name));
            let done = runner.run(next, run, interrupt.clone()).await;
            let done = done.map_err(|error| Failure::environment(&error))?;
            next += 1;
            runs.push(done.result);
            verdicts.push(done.verdict);
            own_prices.extend(done.prices);
        }
        let result = judge(of.kind, scope, &of.name, &of.title, runs, &own_prices);
        if says {
            say(&result)?;
        }
        results.push(result);
        prices.extend(own_prices);
    }
    let after = measured_conditions().await?;
    let Runner {
        mut plan,
        dir,
        failed,
        ..
    } = runner;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(circumstances) = &mut plan.circumstances {
        circumstances.duration_ms = Some(took_ms);
    }
    let verdict = conclude(&plan, verdicts);
    write_results(&dir, &plan, &verdict)?;
    let circumstances = plan.circumstances.unwrap_or_default();
    let worst = results.iter().map(|it| it.verdict).max();
    let performance = Performance {
        schema: SCHEMA.to_owned(),
        run: plan.run.to_string(),
        started_at: circumstances.started_at,
        command: circumstances.command,
        scope,
        versions: plan.versions,
        machine: circumstances.machine,
        before,
        after,
        verdict: worst.unwrap_or(Verdict::Inconclusive),
        claims: claims(&prices),
        advice: advice(&results, &prices),
        benchmarks: results,
        prices,
    };
    let json = performance_json(&performance)
        .map_err(|error| Failure::environment(&BenchError::Json(error)))?;
    let texts = run_dir::Performance {
        page: performance_html(&performance),
        report: performance_markdown(&performance),
        json,
    };
    let written = dir.write_performance(&texts);
    written.map_err(|error| Failure::environment(&error))?;
    if says {
        for claim in &performance.claims {
            let line = format!(
                "  {}: {}: {}\n",
                claim.sentence,
                claim.answer.words(),
                claim.reason
            );
            print(&line)?;
        }
        print(&format!(
            "  {} · {} · report: {}\n",
            performance.verdict,
            duration_ms(took_ms),
            dir.path().join("performance.html").display()
        ))?;
    } else {
        print_raw(&texts.json)?;
    }
    Ok(if interrupt.has_happened() {
        Exit::Interrupted
    } else if failed {
        Exit::Environment
    } else {
        Exit::from(performance.verdict)
    })
}

/// What the names stand for, in the order in which it runs.
fn asked(names: &[String], scope: Scope) -> Result<Vec<Asked>, Failure> {
    let of_kind = |kind: Kind| {
        let runs = benchmark::plan(kind, scope);
        let runs = runs.map_err(|error| Failure::environment(&BenchError::Malformed(error)))?;
        Ok(Asked {
            kind,
            name: kind.name().to_owned(),
            title: kind.title().to_owned(),
            runs,
        })
    };
    if names.is_empty() {
        return Kind::ALL.into_iter().map(of_kind).collect();
    }
    let mut all = Vec::new();
    for name in names {
        if let Some(kind) = Kind::of_name(name) {
            all.push(of_kind(kind)?);
            continue;
        }
        if let Some(near) = nearest(name, Kind::ALL.into_iter().map(Kind::name)) {
            let (name, near) = (name.clone(), near.to_owned());
            return Err(Failure::usage(&BenchError::Unknown { name, near }));
        }
        let clients = ChosenClients::default();
        let selected = select(std::slice::from_ref(name), On::OwnBrokers, &clients);
        let selected = selected.map_err(|error| {
            Failure::usage(&error).hint("`ackproof bench --help` lists the benchmarks")
        })?;
        for scenario in selected.scenarios {
            all.push(Asked {
                kind: Kind::Own,
                name: scenario.name.clone(),
                title: scenario.title.clone(),
                runs: vec![benchmark::own(scenario)],
            });
        }
    }
    Ok(all)
}

/// The command that repeats the run, however defaults change.
fn command(args: &BenchArgs, plan: &RunPlan, scope: Scope) -> Vec<String> {
    let mut command: Vec<String> = ["ackproof", "bench"].map(str::to_owned).into();
    command.extend(args.names.iter().cloned());
    command.push(format!("--{}", scope.name()));
    command.extend(["--seed".to_owned(), plan.seed.to_string()]);
    let named = [
        ("--kafka", args.versions.kafka.clone()),
        ("--debezium", args.versions.debezium.clone()),
        (
            "--kafka-home",
            args.versions
                .kafka_home
                .as_ref()
                .map(|it| it.display().to_string()),
        ),
    ];
    for (flag, value) in named {
        command.extend(value.into_iter().flat_map(|it| [flag.to_owned(), it]));
    }
    command
}

async fn measured_conditions() -> Result<::bench::resources::Conditions, Failure> {
    let measured = tokio::task::spawn_blocking(conditions).await;
    measured.map_err(|error| Failure::environment(&BenchError::BrokeOff(error)))
}

/// The start-up archives, where brokers are ours.
fn archives(ready: &Ready) -> Archives {
    match ready.brokers() {
        Brokers::Embedded(of) => of.archives,
        Brokers::Cluster(_) => Archives::default(),
    }
}

/// A benchmark's lines on the terminal.
fn say(of: &BenchmarkResult) -> Result<(), Failure> {
    let style = of_verdict(of.verdict);
    let mut lines = format!("  {style}{:12}{style:#}  {}\n", of.verdict, of.name);
    for criterion in &of.criteria {
        let _ = writeln!(
            lines,
            "    {:12}  {}: {}",
            criterion.verdict, criterion.sentence, criterion.reason
        );
    }
    for mark in &of.marks {
        let _ = writeln!(lines, "    note: {mark}");
    }
    for figure in &of.figures {
        let _ = writeln!(lines, "    {figure}");
    }
    write(&mut anstream::stdout(), &lines).map_err(output_failure)
}

/// Carries out one run after the other.
struct Runner {
    plan: RunPlan,
    dir: RunDir,
    began: Instant,
    settings: Settings,
    archives: Archives,
    /// Whether the environment failed.
    failed: bool,
}

impl Runner {
    /// Carries out the plan's scenario of this place, judges and measures it.
    async fn run(
        &mut self,
        at: usize,
        run: &PlannedRun,
        interrupt: Interrupt,
    ) -> Result<Done, BenchError> {
        let began_ms = self.elapsed_ms();
        let scenarios: Vec<ScenarioPlan> =
            self.plan.scenarios.get(at).cloned().into_iter().collect();
        let part = RunPlan {
            scenarios,
            ..self.plan.clone()
        };
        let mut settings = self.settings.clone();
        if let Brokers::Embedded(embedded) = &mut settings.brokers {
            let archives = match run.start {
                Start::Warm => self.archives.clone(),
                Start::Cold => Archives::default(),
            };
            **embedded = Embedded {
                archives,
                compiler: Compiler::Full,
                ..(**embedded).clone()
            };
        }
        let folder = self.dir.path().join(folder_of(&part));
        let topics: Vec<String> = run
            .scenario
            .topics
            .iter()
            .map(|it| it.name.clone())
            .collect();
        let sampler = Sampler::start(folder.join("data"), topics);
        let ends = carry_out(&part, &settings, interrupt).await;
        let seen = tokio::task::spawn_blocking(move || sampler.finish()).await?;
        for end in ends {
            if let End::Failed { error } = end {
                self.failed |= error.is_environment_failure();
                let secrets = run.scenario.secrets();
                let why = chain(&error);
                note(&format!(
                    "{} failed: {}\n",
                    run.scenario.name,
                    secrets.scrub(&why)
                ));
            }
        }
        let timing = Timing {
            start_ms: began_ms,
            duration_ms: self.elapsed_ms().saturating_sub(began_ms),
        };
        if let Some(planned) = self.plan.scenarios.get_mut(at) {
            planned.timing = Some(timing);
        }
        let (dir, run) = (self.dir.clone(), run.clone());
        tokio::task::spawn_blocking(move || {
            let planned = part.scenarios.into_iter().next();
            let planned = planned
                .unwrap_or_else(|| ScenarioPlan::new(run.scenario.clone(), 0, RunId::new(0), 1));
            finish(&dir, &planned, &run, &Used::of(&seen))
        })
        .await?
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn folder_of(part: &RunPlan) -> PathBuf {
    let first = part.scenarios.first();
    first.map(ScenarioPlan::folder).unwrap_or_default().into()
}

/// Carries out a plan of one scenario.
async fn carry_out(part: &RunPlan, settings: &Settings, mut interrupt: Interrupt) -> Vec<End> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(interrupt.has_happened());
    let ended = async {
        let ends = engine::run(part, settings, &tell, stopped).await;
        drop(tell);
        ends
    };
    let watched = async {
        let mut is_told = false;
        loop {
            tokio::select! {
                progress = told.recv() => if progress.is_none() { break },
                () = interrupt.happened(), if !is_told => {
                    is_told = true;
                    stop.send_replace(true);
                }
            }
        }
    };
    let (ends, ()) = tokio::join!(ended, watched);
    ends
}

/// Judges a run as `check` does, and measures it.
fn finish(
    dir: &RunDir,
    planned: &ScenarioPlan,
    run: &PlannedRun,
    used: &Used,
) -> Result<Done, BenchError> {
    let verdict = judge_scenario(dir, planned, Examples::default())?.verdict;
    let history = ScenarioHistory::find(dir.history(planned), planned.record_run_id);
    let measured = measure(planned, &run.sections, || history.prefetched_events())?;
    let rows: u64 = run.scenario.writes.iter().map(|it| it.rows).sum();
    let is_snapshot = run
        .scenario
        .writes
        .iter()
        .all(|it| it.start == WriteStart::BeforeCapture);
    let captured = Some(rows).filter(|rows| *rows > 0 && is_snapshot);
    let prices = run.price.as_ref();
    let prices = prices.map_or_else(Vec::new, |plan| table(plan, &measured.sections));
    let first = run.scenario.producers.first();
    let mut result = RunResult {
        scenario: planned.folder(),
        checked: verdict.verdict,
        checked_because: checked_because(&verdict),
        record_bytes: first.map_or(0, |it| it.record_bytes),
        compressible_percent: first.map_or(0, |it| it.compressible_percent),
        first_acknowledged_ms: measured.first_acknowledged.map(Micros::as_millis),
        first_processed_ms: measured.first_processed.map(Micros::as_millis),
        captured: captured.and_then(|rows| Captured::of(&measured, rows)),
        used: used.clone(),
        compression_hundredths: compression(run, verdict.counts.acknowledged, used),
        sections: measured.sections,
    };
    if !measured.traffic_ended && result.checked == Verdict::Held {
        // The checker says so itself; two of them cannot disagree.
        result.checked = Verdict::Inconclusive;
        "the traffic did not end in order".clone_into(&mut result.checked_because);
    }
    Ok(Done {
        result,
        verdict,
        prices,
    })
}

/// Bytes of values for each byte of the log, in hundredths, where all records are alike.
fn compression(run: &PlannedRun, acknowledged: u64, used: &Used) -> Option<u64> {
    let scenario = &run.scenario;
    let first = scenario.producers.first()?;
    let replicas = scenario.topics.first()?.replication_factor;
    let producers = scenario.producers.iter();
    let mut settings = producers.map(|it| it.config.get("compression.type"));
    let codec = first.config.get("compression.type");
    let is_one = scenario.transforms.is_empty()
        && settings.all(|it| it == codec)
        && scenario
            .topics
            .iter()
            .all(|it| it.replication_factor == replicas);
    if !is_one {
        return None;
    }
    let bytes = acknowledged
        .saturating_mul(u64::from(first.record_bytes))
        .saturating_mul(u64::from(replicas.unsigned_abs()));
    bytes
        .saturating_mul(100)
        .checked_div(used.segment_max_bytes)
}
