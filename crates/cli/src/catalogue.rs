//! The catalogue of anomalies, claims and rules of the audit as pages for people. Pure; says what
//! the definitions say, and nothing of its own.

use model::anomaly::{Anomaly, Fact};
use model::claim::Claim;

use crate::text::Page;

/// How the histories name things.
const READING: &str = "p0/1 is record 1 of producer p0, t-0@7 is offset 7 of partition t-0.";

/// Everything about one anomaly.
pub(crate) fn anomaly(page: &mut Page, anomaly: Anomaly) {
    let definition = anomaly.definition();
    page.title(anomaly.name(), " (anomaly)");
    page.item(definition.meaning);

    page.heading("What exactly");
    page.item(definition.definition);

    page.heading("Not to be confused with");
    for excluded in definition.excludes {
        page.point(excluded);
    }

    page.heading("A history that shows it");
    if definition.history.contains("p0/") {
        page.item(READING);
    }
    history(page, definition.history);
    for other in definition.found_too {
        page.item(&format!("({other} comes with it here.)"));
    }

    page.heading("A similar but correct history");
    history(page, definition.twin);

    page.heading("What permits it");
    facts(page, definition.permitted_by);

    page.heading("What prevents it");
    facts(page, definition.prevented_by);

    page.heading("Elsewhere");
    page.item(&match definition.jepsen {
        Some(name) => format!("Jepsen's Kafka workload calls it {name}."),
        None => "Jepsen's Kafka workload has no name for it.".to_owned(),
    });

    page.heading("What rests on it");
    let mut against = Claim::ALL
        .iter()
        .filter(|claim| claim.contradicted_by().contains(&anomaly))
        .peekable();
    if against.peek().is_none() {
        page.item("No claim: it is reported, and contradicts nothing.");
    }
    for claim in against {
        page.point(&format!("{claim}: {}", claim.meaning()));
    }
}

/// Everything about one claim.
pub(crate) fn claim(page: &mut Page, claim: Claim) {
    page.title(claim.name(), " (claim)");
    page.item(&format!("It says that {}.", claim.meaning()));
    page.heading("What contradicts it");
    if claim.contradicted_by().is_empty() {
        page.item("Checked against the measured time.");
    }
    for anomaly in claim.contradicted_by() {
        page.point(&format!("{anomaly}: {}", anomaly.meaning()));
    }
}

/// All anomalies, a sentence each.
pub(crate) fn anomalies(page: &mut Page) {
    let all = Anomaly::ALL.iter();
    listed(page, all.map(|it| (it.name(), it.meaning().to_owned())));
}

/// All claims, a sentence each.
pub(crate) fn claims(page: &mut Page) {
    let all = Claim::ALL.iter();
    listed(
        page,
        all.map(|it| (it.name(), format!("{}.", it.meaning()))),
    );
}

fn listed(page: &mut Page, all: impl Iterator<Item = (&'static str, String)> + Clone) {
    let name_chars = all.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = " ".repeat(name_chars + 2);
    for (name, words) in all {
        page.prose_after(&format!("{name:name_chars$}  "), &indent, &words);
    }
}

fn history(page: &mut Page, history: &str) {
    for line in history.lines() {
        page.prose_after("    ", "      ", line);
    }
}

fn facts(page: &mut Page, facts: &[Fact]) {
    for fact in facts {
        page.point(fact.what);
        page.source(fact.source);
    }
}

/// All rules of the audit, a sentence each.
pub(crate) fn rules(page: &mut Page) {
    let all = audit::rules::all();
    let words = |it: &audit::rules::Rule| format!("{}: {}.", it.severity.name(), it.title);
    listed(
        page,
        all.map(|it| (it.id, words(it)))
            .collect::<Vec<_>>()
            .into_iter(),
    );
}

/// Everything about one rule of the audit.
pub(crate) fn rule(page: &mut Page, rule: &audit::rules::Rule) {
    page.title(
        rule.id,
        &format!(" (rule of the audit, {})", rule.severity.name()),
    );
    page.item(&format!("It finds that {}.", rule.title));
    page.heading("What can happen");
    page.item(rule.consequence);
    page.heading("What to do");
    page.item(rule.fix);
    page.heading("How sure it is");
    page.item(match rule.confidence {
        audit::rules::Confidence::Certain => "It follows from what was read.",
        audit::rules::Confidence::Likely => "It rests on what is usual and was not read.",
        audit::rules::Confidence::Possible => "It depends on what the application does.",
    });
    page.heading("What shows it");
    if rule.shown_by.is_empty() {
        page.item("No scenario yet: it is arithmetic, or what the documentation says.");
    } else {
        page.item(&format!("ackproof run {}", rule.shown_by.join(" ")));
    }
    page.source(rule.source);
}
