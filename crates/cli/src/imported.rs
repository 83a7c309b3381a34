//! From files that another tool recorded to a verdict. Reads the files as
//! often as the checker asks for; changes nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use checker::{Analysis, Checker, Explainer};
use import::{jepsen, kafkatest};
use model::event::{Body, Event};
use model::verdict::{Counts, Finding, GroupMeasurements, Verdict};

use crate::expectation::Contract;
use crate::figures::counted;

/// Bytes of a history in EDN that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What another tool recorded.
pub(crate) enum Recorded {
    Kafkatest(kafkatest::Recording),
    Jepsen {
        /// What messages call it.
        name: PathBuf,
        /// Where its bytes are.
        path: PathBuf,
    },
}

/// Why files cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Kafkatest(#[from] kafkatest::Error),
    #[error(transparent)]
    Jepsen(#[from] jepsen::Error),
    #[error("cannot read {path}", path = path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The verdict on a recording, and what it rests on.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// What was found, and what each finding makes of the verdict.
    pub(crate) findings: Vec<(Finding, Verdict)>,
    /// Why it cannot tell; empty where it can.
    pub(crate) doubts: Vec<String>,
    /// What a reader of the verdict should know.
    pub(crate) notes: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) groups: Vec<GroupMeasurements>,
}

/// What one reading of the files came to, apart from events.
#[derive(Default)]
struct Reading {
    notes: Vec<String>,
    lacking: Vec<String>,
    /// Records that some member was given.
    read: u64,
}

/// Whether the events told are the history's.
enum Round {
    Whole(Reading),
    /// They are void: they have to be told anew.
    Void,
}

/// Checks a recording, and judges it by the contract.
pub(crate) fn judge(mut recorded: Recorded, contract: Contract) -> Result<Judged, ImportError> {
    let (mut analysis, reading) = loop {
        let mut checker = Checker::new();
        if let Round::Whole(reading) = recorded.tell(|event| checker.observe(&event))? {
            break (checker.finish(), reading);
        }
    };
    let mut explainer = Explainer::new(&analysis);
    if !explainer.is_idle() {
        recorded.tell(|event| explainer.observe(&event))?;
        explainer.finish(&mut analysis);
    }
    Ok(conclude(analysis, reading, contract))
}

fn conclude(analysis: Analysis, reading: Reading, contract: Contract) -> Judged {
    let mut doubts = reading.lacking;
    let counts = analysis.counts;
    if counts.acknowledged == 0 && reading.read == 0 {
        doubts.push("nothing was acknowledged, and nothing was read".to_owned());
    } else if analysis.coverage.settled_acks == 0 {
        let what = "of no acknowledged record could be told whether it is stored";
        doubts.push(what.to_owned());
    }
    let findings: Vec<(Finding, Verdict)> = analysis
        .findings
        .into_iter()
        .map(|finding| {
            let weight = contract.weigh(finding.anomaly);
            (finding, weight)
        })
        .collect();
    let doubt = if doubts.is_empty() {
        Verdict::Held
    } else {
        Verdict::Inconclusive
    };
    let found = findings.iter().map(|(_, weight)| *weight).max();
    Judged {
        verdict: found.unwrap_or(Verdict::Held).max(doubt),
        findings,
        doubts,
        notes: reading.notes,
        counts,
        groups: analysis.measurements.groups,
    }
}

impl Recorded {
    fn tell(&mut self, mut sink: impl FnMut(Event)) -> Result<Round, ImportError> {
        let mut reading = Reading::default();
        let mut overhear = |event: Event| {
            match &event.body {
                Body::Lacking { what } => reading.lacking.push(what.clone()),
                Body::Processed { .. } => reading.read += 1,
                _ => {}
            }
            sink(event);
        };
        match self {
            Self::Kafkatest(recording) => match recording.tell(&mut overhear)? {
                kafkatest::Told::Whole(summary) => reading.notes = kafkatest_notes(&summary),
                kafkatest::Told::Void => return Ok(Round::Void),
            },
            Self::Jepsen { name, path } => {
                let file = File::open(&*path).map_err(|source| ImportError::Io {
                    path: name.clone(),
                    source,
                })?;
                let summary = jepsen::import(
                    BufReader::with_capacity(CHUNK_BYTES, file),
                    &name.display().to_string(),
                    jepsen::Settings::default(),
                    &mut overhear,
                )?;
                reading.notes = jepsen_notes(&summary);
            }
        }
        Ok(Round::Whole(reading))
    }
}

fn kafkatest_notes(summary: &kafkatest::Summary) -> Vec<String> {
    let mut notes = vec![format!(
        "{} of producers, {} of consumers, {}",
        counted(summary.producer_files, "file"),
        summary.consumer_files,
        counted(summary.lines, "line")
    )];
    notes.extend(summary.notes.iter().map(ToString::to_string));
    if summary.notices > 0 {
        let lines = counted(summary.notices, "line");
        notes.push(format!(
            "{lines} of plain text before the first event: skipped"
        ));
    }
    for (name, count) in &summary.unknown_events {
        notes.push(format!("{} `{name}`: skipped", counted(*count, "event")));
    }
    if summary.unknown_fields > 0 {
        let fields = counted(summary.unknown_fields, "field");
        notes.push(format!("{fields} of unknown names: skipped"));
    }
    notes
}

fn jepsen_notes(summary: &jepsen::Summary) -> Vec<String> {
    let mut notes = vec![format!(
        "{}, {}",
        counted(summary.operations, "operation"),
        counted(summary.keys.len() as u64, "key")
    )];
    notes.extend(summary.notes.iter().map(ToString::to_string));
    for (name, count) in &summary.skipped_operations {
        notes.push(format!(
            "{} `{name}`: skipped",
            counted(*count, "operation")
        ));
    }
    for (name, count) in &summary.skipped_fields {
        notes.push(format!("{} `{name}`: skipped", counted(*count, "field")));
    }
    notes
}
