//! From files that another tool recorded to a verdict. Reads the files as
//! often as the checker asks for; changes nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use checker::{
    Analysis, Checker, Examples, Explainer, Pass, Sends, Weight, expect_sends, guarded,
    unacknowledged,
};
use import::{jepsen, kafkatest};
use model::anomaly::Anomaly;
use model::event::Event;
use model::scenario::words::counted;
use model::verdict::{Counts, Finding, GroupMeasurements, Verdict};

use crate::kept_events::KeptEvents;
use crate::settings::Expected;

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
        /// What is known of it before it is told.
        foresight: jepsen::Foresight,
    },
}

/// Why files cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Kafkatest(#[from] kafkatest::KafkatestError),
    #[error(transparent)]
    Jepsen(#[from] jepsen::JepsenError),
    #[error("cannot read {path}", path = path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read the events that were kept in the directory for temporary files")]
    Kept(#[from] history::Damage),
}

/// The verdict on a recording, and what it rests on.
pub(crate) struct JudgedImport {
    pub(crate) verdict: Verdict,
    /// What was found, and what each finding makes of the verdict.
    pub(crate) findings: Vec<(Finding, Weight)>,
    /// Why it cannot tell; empty where it can.
    pub(crate) doubts: Vec<String>,
    /// Which sends were not acknowledged, where that was demanded.
    pub(crate) refused: Option<String>,
    /// What a reader of the verdict should know.
    pub(crate) notes: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) groups: Vec<GroupMeasurements>,
}

/// What a reader of the verdict should know.
#[derive(Clone)]
struct Notes {
    all: Vec<String>,
    /// Producers that did not end by themselves.
    unfinished: u64,
}

/// Whether the events told are the history's.
enum Round {
    /// They are, with what a reader of the verdict should know.
    Whole(Notes),
    /// They are void: they have to be told anew.
    Void,
}

/// Checks a recording, and holds it against what is expected of it. Where an
/// invariant of ours does not hold, it is INCONCLUSIVE and says which.
pub(crate) fn judge(
    recorded: Recorded,
    expected: Expected,
    examples: Examples,
) -> Result<JudgedImport, ImportError> {
    unless_broken(|| judge_all(recorded, expected, examples))
}

fn unless_broken(
    judge: impl FnOnce() -> Result<JudgedImport, ImportError>,
) -> Result<JudgedImport, ImportError> {
    guarded(judge).unwrap_or_else(|broken| {
        let doubt = format!("the checker has a defect, so that it cannot tell: {broken}");
        Ok(JudgedImport {
            verdict: Verdict::Inconclusive,
            findings: Vec::new(),
            doubts: vec![doubt],
            refused: None,
            notes: Vec::new(),
            counts: Counts::default(),
            groups: Vec::new(),
        })
    })
}

fn judge_all(
    mut recorded: Recorded,
    expected: Expected,
    examples: Examples,
) -> Result<JudgedImport, ImportError> {
    // Which reading the events are kept in.
    let mut keep = Keep::Second;
    let (mut analysis, notes, mut readings) = loop {
        let mut readings = Readings::of(&mut recorded, keep);
        let Some((analysis, notes)) = check(&mut readings)? else {
            continue;
        };
        // Two records at one offset may be of two logs, one after the other.
        if analysis.count(Anomaly::InconsistentOffsets) > 0
            && readings.recorded.split_log_lives()?
        {
            keep = Keep::First;
            continue;
        }
        break (analysis, notes, readings);
    };
    let mut explainer = Explainer::new(&analysis, examples);
    if !explainer.is_idle() {
        readings.read(|event| explainer.observe(event))?;
        explainer.finish(&mut analysis);
    }
    let Expected { expectation, sends } = expected;
    let mut judged = expect_sends(&analysis, expectation, sends);
    if sends == Sends::AllAcknowledged && notes.unfinished > 0 {
        if judged.verdict == Verdict::Held {
            judged.reasons.clear();
        }
        judged.verdict = judged.verdict.max(Verdict::Inconclusive);
        if judged.verdict == Verdict::Inconclusive {
            judged.reasons.push(format!(
                "{} did not end by themselves: their last records may not have been acknowledged",
                counted(notes.unfinished, "producer")
            ));
        }
    }
    let weighed = analysis.findings.iter().map(|finding| {
        let weight = expectation.weigh_in(finding.anomaly, &analysis);
        (finding.clone(), weight)
    });
    let refused = unacknowledged(&analysis);
    Ok(JudgedImport {
        verdict: judged.verdict,
        findings: weighed.collect(),
        doubts: match judged.verdict {
            Verdict::Inconclusive => judged.reasons,
            // A violation is one whatever else the recording lacks.
            Verdict::Held | Verdict::Violated => analysis.completeness.lacking,
        },
        refused: match (judged.verdict, sends) {
            (Verdict::Violated, Sends::AllAcknowledged) => refused,
            _ => None,
        },
        notes: notes.all,
        counts: analysis.counts,
        groups: analysis.measurements.groups,
    })
}

/// Checks a recording, in as many readings as that takes; none when what was
/// told turned out to be void.
fn check(readings: &mut Readings<'_>) -> Result<Option<(Analysis, Notes)>, ImportError> {
    let mut checker = Checker::new().unmeasured();
    loop {
        let Round::Whole(notes) = readings.read(|event| checker.observe(event))? else {
            return Ok(None);
        };
        match checker.end_pass() {
            Pass::Done(analysis) => return Ok(Some((*analysis, notes))),
            Pass::Repeat(next) => checker = *next,
        }
    }
}

/// In which reading of the files the events are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// The recording is known to be none of a healthy system.
    First,
    /// A healthy one needs no second.
    Second,
}

/// The readings of a recording: of its files until its events are kept, then of those.
struct Readings<'r> {
    recorded: &'r mut Recorded,
    keep: Keep,
    kept: Option<(KeptEvents, Notes)>,
}

impl<'r> Readings<'r> {
    fn of(recorded: &'r mut Recorded, keep: Keep) -> Self {
        Self {
            recorded,
            keep,
            kept: None,
        }
    }

    /// Shows every event, in the same order each time.
    fn read(&mut self, mut sink: impl FnMut(&Event)) -> Result<Round, ImportError> {
        if let Some((kept, notes)) = &self.kept {
            kept.show(sink)?;
            return Ok(Round::Whole(notes.clone()));
        }
        if std::mem::replace(&mut self.keep, Keep::First) == Keep::Second {
            return self.recorded.convert(sink);
        }
        let mut keep = KeptEvents::new();
        let round = self.recorded.convert(|event| {
            keep.keep(event);
            sink(event);
        })?;
        if let Round::Whole(notes) = &round
            && keep.complete()
        {
            self.kept = Some((keep, notes.clone()));
        }
        Ok(round)
    }
}

impl Recorded {
    /// Whether the files, told anew, tell apart what stood at offsets that were
    /// given a second time.
    fn split_log_lives(&mut self) -> Result<bool, ImportError> {
        match self {
            Self::Kafkatest(recording) => Ok(recording.split_log_lives()?),
            Self::Jepsen { .. } => Ok(false),
        }
    }

    fn convert(&mut self, mut sink: impl FnMut(&Event)) -> Result<Round, ImportError> {
        match self {
            Self::Kafkatest(recording) => Ok(match recording.convert(sink)? {
                kafkatest::Conversion::Complete(summary) => Round::Whole(kafkatest_notes(&summary)),
                kafkatest::Conversion::Repeat(()) => Round::Void,
            }),
            Self::Jepsen {
                name,
                path,
                foresight,
            } => {
                let file = File::open(&*path).map_err(|source| ImportError::Io {
                    path: name.clone(),
                    source,
                })?;
                let told = jepsen::convert(
                    BufReader::with_capacity(CHUNK_BYTES, file),
                    &name.display().to_string(),
                    jepsen::JepsenSettings::default(),
                    foresight,
                    &mut |event| sink(&event),
                )?;
                Ok(match told {
                    jepsen::Conversion::Complete(summary) => Round::Whole(jepsen_notes(&summary)),
                    jepsen::Conversion::Repeat(more) => {
                        *foresight = more;
                        Round::Void
                    }
                })
            }
        }
    }
}

fn kafkatest_notes(summary: &kafkatest::KafkatestSummary) -> Notes {
    let mut notes = vec![format!(
        "{} of producers, {} of consumers, {}",
        counted(summary.producer_files, "file"),
        summary.consumer_files,
        counted(summary.lines, "line")
    )];
    notes.extend(summary.notes.iter().map(ToString::to_string));
    if summary.notices > 0 {
        let lines = counted(summary.notices, "line");
        notes.push(format!("{lines} of other programs: skipped"));
    }
    for (name, count) in &summary.unknown_events {
        notes.push(format!("{} `{name}`: skipped", counted(*count, "event")));
    }
    if summary.unknown_fields > 0 {
        let fields = counted(summary.unknown_fields, "field");
        notes.push(format!("{fields} of unknown names: skipped"));
    }
    let unfinished = |note: &&kafkatest::KafkatestNote| {
        matches!(note, kafkatest::KafkatestNote::Unfinished { .. })
    };
    Notes {
        unfinished: summary.notes.iter().filter(unfinished).count() as u64,
        all: notes,
    }
}

fn jepsen_notes(summary: &jepsen::JepsenSummary) -> Notes {
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
    Notes {
        all: notes,
        unfinished: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_invariant_makes_an_import_inconclusive_with_its_text() {
        let judged = unless_broken(|| panic!("3 of 2 records")).unwrap();
        assert_eq!(judged.verdict, Verdict::Inconclusive);
        let doubt = "the checker has a defect, so that it cannot tell: 3 of 2 records";
        assert_eq!(judged.doubts, [doubt]);
    }
}
