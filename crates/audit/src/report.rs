//! The result of an audit: findings, each with its place and its words, and what was
//! decided about them.

use std::collections::BTreeMap;

use secret::Secrets;
use serde::Serialize;

use crate::baseline::{Baseline, Entry};
use crate::component::{Component, Origin};
use crate::contract::{Clause, contract};
use crate::landscape::Landscape;
use crate::policy::{Policy, in_comments};
use crate::product::Software;
use crate::read::{InputFile, put_profiles_on_their_base};
use crate::rules::{self, Confidence, Hits, Severity};

/// What was decided about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum FindingState {
    /// Nothing: it counts.
    Open,
    /// The team lives with it, for this reason.
    Suppressed(String),
    /// It was there when the baseline was written.
    InBaseline,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// The rule's name.
    pub rule: &'static str,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The component.
    pub component: String,
    /// The file or address.
    pub file: String,
    /// The line of the setting, where it is set in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The key, with its way to it where it is set.
    pub key: String,
    /// What was read.
    pub says: String,
    /// What is wrong.
    pub title: &'static str,
    /// What can happen.
    pub consequence: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// Scenarios that show it.
    pub shown_by: &'static [&'static str],
    /// The client that a demonstration has to use.
    #[serde(skip)]
    pub client: Option<Software>,
    /// What was decided.
    #[serde(flatten)]
    pub state: FindingState,
    /// What the demonstration showed, by scenario.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub demonstrated: BTreeMap<String, Demonstration>,
}

/// A scenario that was run to show a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demonstration {
    /// `HELD`, `VIOLATED` or `INCONCLUSIVE`.
    pub verdict: String,
    /// Whether the scenario came out as it is there to show.
    pub as_expected: bool,
    /// What was seen, in a line.
    pub summary: String,
    /// The clients it ran with, where they were chosen or are what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The run's directory.
    pub run: String,
}

/// Everything that an audit says.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// What was read, in the order of reading.
    pub components: Vec<Audited>,
    /// What the configuration promises.
    pub contract: Vec<Clause>,
    /// What weakens that, the worst first.
    pub findings: Vec<AuditFinding>,
    /// Entries of the baseline whose findings are gone.
    pub stale: Vec<Entry>,
    /// Suppressions that suppress nothing.
    pub unused: Vec<String>,
    /// What was not known.
    pub notes: Vec<String>,
}

/// A component as the report names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Its label.
    pub component: String,
    /// Whose configuration it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The file or address.
    pub file: String,
    /// How many settings were read.
    pub settings: usize,
}

impl AuditReport {
    /// Findings that count.
    pub fn open(&self) -> impl Iterator<Item = &AuditFinding> {
        self.findings
            .iter()
            .filter(|it| it.state == FindingState::Open)
    }

    /// The worst severity that counts.
    pub fn worst(&self) -> Option<Severity> {
        self.open().map(|it| it.severity).max()
    }

    /// How many findings count, by severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.open().filter(|it| it.severity == severity).count()
    }
}

/// Audits components: the contract, and the findings of every rule.
pub fn audit(
    components: Vec<Component>,
    notes: Vec<String>,
    policy: &Policy,
    inputs: &[InputFile],
    baseline: Option<&Baseline>,
) -> AuditReport {
    let mut components = components;
    put_profiles_on_their_base(&mut components);
    let landscape = Landscape {
        components,
        promise: policy.promise.clone(),
    };
    let mut findings: Vec<AuditFinding> = rules::all()
        .flat_map(|rule| found_by(rule, &landscape))
        .collect();
    findings.sort_by(|a, b| {
        let place = |it: &AuditFinding| (it.file.clone(), it.line, it.rule, it.key.clone());
        b.severity
            .cmp(&a.severity)
            .then_with(|| place(a).cmp(&place(b)))
    });
    let mut findings = merged(findings);
    // What is secret is known by its key; a value may stand in another one too.
    let settings = landscape.components.iter().flat_map(|it| &it.settings);
    let secrets = Secrets::of(settings.map(|it| (it.key.as_str(), it.value.as_str())));
    for finding in &mut findings {
        finding.says = secrets.scrub(&secret::redacted(&finding.says)).into_owned();
    }
    let unused = suppress(&mut findings, policy, inputs);
    let stale = baseline.map_or_else(Vec::new, |it| it.apply(&mut findings));
    let components = landscape.components.iter().map(|it| Audited {
        component: it.label(),
        software: it.software.as_ref().map(ToString::to_string),
        file: it.file.clone(),
        settings: it
            .settings
            .iter()
            .filter(|it| !it.key.starts_with('@'))
            .count(),
    });
    let mut notes = notes;
    notes.dedup();
    AuditReport {
        components: components.collect(),
        contract: contract(&landscape),
        findings,
        stale,
        unused,
        notes,
    }
}

/// What is the same in several components of a file is one finding, which names the first:
/// also a line that several components share, whichever way leads to it.
fn merged(findings: Vec<AuditFinding>) -> Vec<AuditFinding> {
    let mut merged: Vec<(AuditFinding, usize)> = Vec::new();
    for finding in findings {
        let same = merged.iter_mut().find(|(it, _)| {
            it.rule == finding.rule
                && it.file == finding.file
                && it.line == finding.line
                && (it.line.is_some() || it.key == finding.key)
                && it.says == finding.says
        });
        match same {
            Some((_, count)) => *count += 1,
            None => merged.push((finding, 0)),
        }
    }
    let merged = merged.into_iter().map(|(mut finding, others)| {
        if others > 0 {
            finding.component = format!("{} and {others} more", finding.component);
        }
        finding
    });
    merged.collect()
}

fn found_by(rule: &'static rules::Rule, landscape: &Landscape) -> Vec<AuditFinding> {
    let mut hits = Hits::default();
    (rule.check)(landscape, &mut hits);
    let hits = hits.0.into_iter().map(|hit| {
        let line = match &hit.origin {
            Some(Origin::File { line, .. }) => Some(*line),
            Some(Origin::Live { .. }) | None => None,
        };
        let confidence = if hit.is_assumed {
            rule.confidence.min(Confidence::Likely)
        } else {
            rule.confidence
        };
        AuditFinding {
            rule: rule.id,
            severity: hit.severity.unwrap_or(rule.severity),
            confidence,
            component: hit.component,
            file: hit.file,
            line,
            key: hit.key,
            says: hit.says,
            title: rule.title,
            consequence: rule.consequence,
            fix: rule.fix,
            source: rule.source,
            shown_by: hit.shown_by.unwrap_or(rule.shown_by),
            client: hit.client,
            state: FindingState::Open,
            demonstrated: BTreeMap::new(),
        }
    });
    hits.collect()
}

/// Marks what the team decided to live with. Returns decisions that concern nothing.
fn suppress(findings: &mut [AuditFinding], policy: &Policy, inputs: &[InputFile]) -> Vec<String> {
    let mut unused = Vec::new();
    for decision in &policy.suppress {
        let concerns = |it: &AuditFinding| {
            it.rule.eq_ignore_ascii_case(&decision.rule)
                && decision
                    .file
                    .as_ref()
                    .is_none_or(|file| it.file == *file || it.file.ends_with(&format!("/{file}")))
                && decision
                    .key
                    .as_ref()
                    .is_none_or(|key| it.key == *key || it.key.ends_with(&format!(".{key}")))
        };
        let mut is_used = false;
        for finding in findings.iter_mut().filter(|it| concerns(it)) {
            finding.state = FindingState::Suppressed(decision.reason.clone());
            is_used = true;
        }
        if !is_used {
            unused.push(format!("`{}` in the policy", decision.rule));
        }
    }
    for input in inputs {
        for (line, rule, reason) in in_comments(&input.text) {
            let place = format!("{}:{line}", input.path);
            if rules::find(&rule).is_none() {
                unused.push(format!("`{rule}` at {place}, which is no rule"));
                continue;
            }
            if reason.is_empty() {
                unused.push(format!("`{rule}` at {place}, which gives no reason"));
                continue;
            }
            let near = |it: &AuditFinding| it.line.is_some_and(|at| at == line || at == line + 1);
            let concerns =
                |it: &&mut AuditFinding| it.rule == rule && it.file == input.path && near(it);
            let mut is_used = false;
            for finding in findings.iter_mut().filter(concerns) {
                finding.state = FindingState::Suppressed(reason.clone());
                is_used = true;
            }
            if !is_used {
                unused.push(format!("`{rule}` at {place}"));
            }
        }
    }
    unused
}
