//! From files that another tool recorded to a verdict. Reads the files as
//! often as the checker asks for; changes nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use checker::{Analysis, Checker, Examples, Expectation, Explainer, Turn, Weight, expect};
use import::{jepsen, kafkatest};
use model::event::Event;
use model::scenario::words::counted;
use model::verdict::{Counts, Finding, GroupMeasurements, Verdict};

/// Bytes of a history in EDN that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What another tool recorded.
pub(crate) enum Recorded {
    Kafkatest(Box<kafkatest::Recording>),
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
    pub(crate) findings: Vec<(Finding, Weight)>,
    /// Why it cannot tell; empty where it can.
    pub(crate) doubts: Vec<String>,
    /// What a reader of the verdict should know.
    pub(crate) notes: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) groups: Vec<GroupMeasurements>,
}

/// Whether the events told are the history's.
enum Round {
    /// They are, with what a reader of the verdict should know.
    Whole(Vec<String>),
    /// They are void: they have to be told anew.
    Void,
}

/// Checks a recording, and holds it against what is expected of it.
pub(crate) fn judge(
    mut recorded: Recorded,
    expectation: Expectation,
    examples: Examples,
) -> Result<Judged, ImportError> {
    let (mut analysis, notes) = loop {
        if let Some(checked) = check(&mut recorded)? {
            break checked;
        }
    };
    let mut explainer = Explainer::new(&analysis, examples);
    if !explainer.is_idle() {
        recorded.tell(|event| explainer.observe(event))?;
        explainer.finish(&mut analysis);
    }
    let judged = expect(&analysis, expectation);
    let tool = analysis.completeness.imported.as_deref();
    let weighed = analysis.findings.iter().map(|finding| {
        let weight = expectation.weigh(finding.anomaly, tool);
        (finding.clone(), weight)
    });
    Ok(Judged {
        verdict: judged.verdict,
        findings: weighed.collect(),
        doubts: match judged.verdict {
            Verdict::Inconclusive => judged.reasons,
            // A violation is one whatever else the recording lacks.
            Verdict::Held | Verdict::Violated => analysis.completeness.lacking,
        },
        notes,
        counts: analysis.counts,
        groups: analysis.measurements.groups,
    })
}

/// Checks a recording, in as many readings as that takes; none when what was
/// told turned out to be void.
fn check(recorded: &mut Recorded) -> Result<Option<(Analysis, Vec<String>)>, ImportError> {
    let mut checker = Checker::new().unmeasured();
    loop {
        let Round::Whole(notes) = recorded.tell(|event| checker.observe(event))? else {
            return Ok(None);
        };
        match checker.turn() {
            Turn::Settled(analysis) => return Ok(Some((*analysis, notes))),
            Turn::Again(next) => checker = *next,
        }
    }
}

impl Recorded {
    fn tell(&mut self, mut sink: impl FnMut(&Event)) -> Result<Round, ImportError> {
        match self {
            Self::Kafkatest(recording) => Ok(match recording.tell(sink)? {
                kafkatest::Told::Whole(summary) => Round::Whole(kafkatest_notes(&summary)),
                kafkatest::Told::Void => Round::Void,
            }),
            Self::Jepsen { name, path } => {
                let file = File::open(&*path).map_err(|source| ImportError::Io {
                    path: name.clone(),
                    source,
                })?;
                let summary = jepsen::import(
                    BufReader::with_capacity(CHUNK_BYTES, file),
                    &name.display().to_string(),
                    jepsen::Settings::default(),
                    &mut |event| sink(&event),
                )?;
                Ok(Round::Whole(jepsen_notes(&summary)))
            }
        }
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
