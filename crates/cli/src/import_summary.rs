//! The verdict on another tool's recording, for people and for machines. Pure;
//! every figure was computed from the recording.

use std::fmt::Write as _;

use checker::Weight;
use model::anomaly::Anomaly;
use model::verdict::{Example, Verdict};
use serde::Serialize;

use crate::imported::JudgedImport;
use crate::style;
use crate::summary;

/// The JSON that machines read.
#[derive(Serialize)]
struct Document<'j> {
    verdict: Verdict,
    findings: Vec<Found<'j>>,
    /// Which sends were not acknowledged, where that was demanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_acknowledged: Option<&'j str>,
    /// Why the verdict is not HELD where nothing was found.
    doubts: &'j [String],
    notes: &'j [String],
}

#[derive(Serialize)]
struct Found<'j> {
    anomaly: Anomaly,
    count: u64,
    examples: &'j [Example],
}

/// One document, with its line end.
pub(crate) fn json(judged: &JudgedImport) -> serde_json::Result<String> {
    let findings = judged.findings.iter();
    let document = Document {
        verdict: judged.verdict,
        findings: findings
            .map(|(finding, _)| Found {
                anomaly: finding.anomaly,
                count: finding.count,
                examples: &finding.examples,
            })
            .collect(),
        not_acknowledged: judged.refused.as_deref(),
        doubts: &judged.doubts,
        notes: &judged.notes,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The verdict, then what was found, then why it may not tell.
pub(crate) fn human(judged: &JudgedImport, proofs: usize) -> String {
    let style = style::of_verdict(judged.verdict);
    let mut out = format!(
        "{style}{}{style:#}  {}\n",
        judged.verdict,
        figures(judged).join("  ")
    );
    let anomaly_chars = judged
        .findings
        .iter()
        .map(|(finding, _)| finding.anomaly.name().len())
        .max()
        .unwrap_or(0);
    for (finding, weight) in &judged.findings {
        summary::finding(&mut out, finding, anomaly_chars, proofs);
        if *weight == Weight::Reported {
            let _ = writeln!(out, "        informational: it does not affect the verdict");
        }
    }
    if let Some(refused) = &judged.refused {
        let _ = writeln!(out, "    all-acknowledged: {refused}");
    }
    if judged.verdict != Verdict::Held {
        summary::doubts(&mut out, &judged.doubts);
    }
    for note in &judged.notes {
        let _ = writeln!(out, "    note: {note}");
    }
    out
}

fn figures(judged: &JudgedImport) -> Vec<String> {
    let counts = &judged.counts;
    let mut figures = vec![
        format!("{} sent", counts.sent),
        format!("{} acked", counts.acknowledged),
    ];
    if counts.unknown > 0 {
        figures.push(format!("{} unknown", counts.unknown));
    }
    if counts.failed > 0 {
        figures.push(format!("{} failed", counts.failed));
    }
    if counts.compacted > 0 {
        figures.push(format!("{} perhaps replaced", counts.compacted));
    }
    for group in &judged.groups {
        figures.push(format!("{}: {} read", group.group, group.distinct));
    }
    figures
}
