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
use model::scenario::Scenario;
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
use crate::selection::embedded_scenarios;

/// A demonstration that gave no verdict.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot start the demonstration")]
    NotStarted(#[source] std::io::Error),
    #[error("the demonstration gave no verdict (exit code {0})")]
    NoVerdict(i32),
}

/// Runs the scenarios of findings that count: errors and warnings. Each with the client
/// that was audited, where it can be run and the scenario leaves it open. Runs that give no
/// verdict are told, and the others go on; the first of them is the error.
pub(super) async fn demonstrate(report: &mut AuditReport, args: &AuditArgs) -> Result<(), Failure> {
    let known = embedded_scenarios().map_err(|error| Failure::environment(&error))?;
    let mut wanted: BTreeMap<Option<String>, BTreeSet<&'static str>> = BTreeMap::new();
    for finding in report.open().filter(|it| it.severity > Severity::Note) {
        for scenario in finding.shown_by {
            let with = client_in(&known, scenario, finding);
            wanted.entry(with).or_default().insert(scenario);
        }
    }
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
    let mut failed = None;
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
        let ran = tokio::select! {
            ran = run(&words, client.as_deref(), &dir) => ran,
            () = interrupt.happened() => return Err(Failure::interrupted()),
        };
        let ran = match ran {
            Ok(ran) => ran,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        for finding in &mut report.findings {
            let is_with = |name: &str| client_in(&known, name, finding) == *client;
            let shown = ran
                .verdict
                .scenarios
                .iter()
                .filter(|it| finding.shown_by.contains(&it.name.as_str()) && is_with(&it.name));
            let shown: Vec<(String, Demonstration)> = shown
                .map(|it| (it.name.clone(), demonstration(&known, &ran, it, &dir)))
                .collect();
            finding.demonstrated.extend(shown);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A run of demonstrations.
struct Ran {
    verdict: RunVerdict,
    /// The client that was put in the place of the scenarios' own.
    client: Option<String>,
}

fn demonstration(known: &[Scenario], ran: &Ran, of: &ScenarioVerdict, dir: &Path) -> Demonstration {
    Demonstration {
        verdict: of.verdict.to_string(),
        as_expected: of.as_expected,
        summary: summary(of),
        client: ran.client.clone().or_else(|| own_client(known, &of.name)),
        run: dir.display().to_string(),
    }
}

/// The client that a scenario shows a finding with in the place of its own: none where it is
/// about its own, or has none.
fn client_in(known: &[Scenario], name: &str, finding: &AuditFinding) -> Option<String> {
    let scenario = known.iter().find(|it| it.name == name)?;
    if scenario.about_client.is_some() || scenario.clients().is_empty() {
        return None;
    }
    client_of(finding)
}

/// The client that a scenario is about.
fn own_client(known: &[Scenario], name: &str) -> Option<String> {
    let scenario = known.iter().find(|it| it.name == name)?;
    scenario.about_client.as_ref()?;
    let clients: Vec<String> = scenario.clients().iter().map(ToString::to_string).collect();
    (!clients.is_empty()).then(|| clients.join(", "))
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
async fn run(scenarios: &[&str], client: Option<&str>, dir: &Path) -> Result<Ran, Failure> {
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
        // One of them cannot run with this client.
        if code == i32::from(Exit::Usage.code()) && with.is_some() {
            with = None;
            continue;
        }
        let verdict = serde_json::from_slice(&output.stdout)
            .map_err(|_| Failure::environment(&RunError::NoVerdict(code)))?;
        let client = with.map(str::to_owned);
        return Ok(Ran { verdict, client });
    }
}
