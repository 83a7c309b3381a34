//! Shows findings on this machine: runs their scenarios with `ackproof run`, and attaches
//! the verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use audit::product::{Product, Software};
use audit::report::Demonstration;
use audit::rules::Severity;
use audit::{AuditFinding, AuditReport};
use model::verdict::{RunVerdict, ScenarioVerdict};
use subject::process::DIE_WITH_PARENT;
use tokio::process::Command;

use crate::args::AuditArgs;
use crate::commands::run::SignalError;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::provision::this_program;

/// A demonstration that gave no verdict.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot start the demonstration")]
    NotStarted(#[source] std::io::Error),
    #[error("the demonstration gave no verdict (exit code {0})")]
    NoVerdict(i32),
}

/// Runs the scenarios of findings that count: errors and warnings. Each with the client
/// that was audited, where it can be run and the scenario leaves it open.
pub(super) async fn demonstrate(report: &mut AuditReport, args: &AuditArgs) -> Result<(), Failure> {
    let mut wanted: BTreeMap<Option<String>, BTreeSet<&'static str>> = BTreeMap::new();
    for finding in report.open().filter(|it| it.severity > Severity::Note) {
        let scenarios = wanted.entry(client_of(finding)).or_default();
        scenarios.extend(finding.shown_by);
    }
    wanted.retain(|_, scenarios| !scenarios.is_empty());
    if wanted.is_empty() {
        note("nothing that counts has a demonstration\n");
        return Ok(());
    }
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&SignalError(error)))?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(format!("audit-{}", std::process::id())));
    for (number, (client, scenarios)) in (1..).zip(&wanted) {
        let number: usize = number;
        let dir = out.join(number.to_string());
        let words: Vec<&str> = scenarios.iter().copied().collect();
        let with = client
            .as_deref()
            .map_or_else(String::new, |it| format!(" --client {it}"));
        note(&format!(
            "ackproof run {}{with} --out {}\n",
            words.join(" "),
            dir.display()
        ));
        let verdict = tokio::select! {
            verdict = run(&words, client.as_deref(), &dir) => verdict?,
            () = interrupt.happened() => return Err(Failure::interrupted()),
        };
        let mut findings = report.findings.iter_mut();
        attach(&mut findings, client.as_ref(), &verdict, &dir);
    }
    Ok(())
}

fn attach(
    findings: &mut dyn Iterator<Item = &mut AuditFinding>,
    client: Option<&String>,
    verdict: &RunVerdict,
    dir: &Path,
) {
    for finding in findings.filter(|it| client_of(it).as_ref() == client) {
        let shown = verdict
            .scenarios
            .iter()
            .filter(|it| finding.shown_by.contains(&it.name.as_str()));
        let shown: Vec<(String, Demonstration)> = shown
            .map(|scenario| {
                let demonstration = Demonstration {
                    verdict: scenario.verdict.to_string(),
                    as_expected: scenario.as_expected,
                    summary: summary(scenario),
                    client: client.cloned(),
                    run: dir.display().to_string(),
                };
                (scenario.name.clone(), demonstration)
            })
            .collect();
        finding.demonstrated.extend(shown);
    }
}

/// What a scenario found, in a line.
fn summary(of: &ScenarioVerdict) -> String {
    if let Some(doubt) = of.doubts.first() {
        return doubt.clone();
    }
    let violated = of
        .guarantees
        .iter()
        .find(|it| it.verdict == model::verdict::Verdict::Violated);
    let first = violated.or_else(|| of.guarantees.first());
    let mut words = first.map_or_else(
        || "no guarantee".to_owned(),
        |it| format!("{}: {}", it.claim, it.reason),
    );
    // Where nothing was violated, what became of what was broken is what it shows.
    if violated.is_none() {
        let aftermath = of.faults.iter().flat_map(|fault| &fault.aftermath);
        for it in aftermath.filter(|it| !it.detail.is_empty()) {
            words = format!("{words}; {}: {}", it.observation, it.detail);
        }
    }
    words
}

/// The client as `ackproof run --client` takes it, where it can be run: both libraries in
/// every version that the scenarios support.
fn client_of(finding: &AuditFinding) -> Option<String> {
    let Software { product, version } = finding.client.as_ref()?;
    let version = version.as_ref().filter(|it| it.is_exact())?;
    match product {
        Product::Java if version.is_from("2.8.0") => Some(format!("java:{version}")),
        Product::Librdkafka if version.is_from("1.4.0") => Some(format!("librdkafka:{version}")),
        _ => None,
    }
}

/// `ackproof run`, as a process of its own: standard output is the verdict's, and standard
/// error stays the user's.
async fn run(scenarios: &[&str], client: Option<&str>, dir: &Path) -> Result<RunVerdict, Failure> {
    let program = this_program()?;
    // It ends with this process, however that ends; both are started from the main thread.
    let mut arguments: Vec<OsString> = vec![
        DIE_WITH_PARENT.into(),
        std::process::id().to_string().into(),
        program.clone().into(),
        "run".into(),
    ];
    arguments.extend(scenarios.iter().map(OsString::from));
    arguments.extend(["--format".into(), "json".into(), "--out".into(), dir.into()]);
    let started = |with: Option<&str>| {
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(client) = with {
            command.args(["--client", client]);
        }
        command.spawn()
    };
    let not_started = |error| Failure::environment(&RunError::NotStarted(error));
    let mut with = client;
    loop {
        let output = started(with)
            .map_err(not_started)?
            .wait_with_output()
            .await
            .map_err(not_started)?;
        let code = output.status.code().unwrap_or(-1);
        // A scenario that is about its own client refuses another.
        if code == i32::from(Exit::Usage.code()) && with.is_some() {
            with = None;
            continue;
        }
        let verdict = serde_json::from_slice(&output.stdout);
        return verdict.map_err(|_| Failure::environment(&RunError::NoVerdict(code)));
    }
}
