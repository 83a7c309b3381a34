//! Reads one file: lines, other programs' output before the first event, a last line that a
//! crash cut off. Knows nothing of the events' meaning.

use std::fs::File;

use super::error::{KafkatestError, KafkatestFlaw};
use super::json::{self, ToolEvent};
use super::lines::{Ending, Line, Lines, Stop};
use super::quick::{self, Kind, Record};
use super::source::Source;
use super::summary::{KafkatestNote, KafkatestSummary};

/// The event of a line.
pub(super) enum LineEvent<'l> {
    /// A record at its place.
    Record(Record<'l>),
    /// Anything else.
    Other { at_ms: u64, said: &'l ToolEvent<'l> },
}

/// Why reading stops at an event.
pub(super) enum Halt {
    /// Everything needed is known.
    Enough,
    /// The files cannot be told apart without a survey of all of them.
    Anew,
    /// The event cannot be.
    Flaw(KafkatestFlaw),
}

impl From<KafkatestFlaw> for Halt {
    fn from(flaw: KafkatestFlaw) -> Self {
        Self::Flaw(flaw)
    }
}

/// Why a file was not read to its end.
pub(super) enum Halted {
    /// Everything needed is known.
    Enough,
    /// The files cannot be told apart without a survey of all of them.
    Anew,
    /// It cannot be read.
    Error(KafkatestError),
}

impl From<KafkatestError> for Halted {
    fn from(error: KafkatestError) -> Self {
        Self::Error(error)
    }
}

/// Reads a file, event by event.
pub(super) fn read(
    source: &Source,
    summary: &mut KafkatestSummary,
    mut each: impl FnMut(LineEvent<'_>) -> Result<(), Halt>,
) -> Result<(), Halted> {
    let failed = |error| KafkatestError::Io {
        path: source.name.clone(),
        source: error,
    };
    let malformed = |line, flaw| KafkatestError::Malformed {
        path: source.name.clone(),
        line,
        flaw,
    };
    let mut lines = Lines::new(File::open(&source.path).map_err(failed)?);
    loop {
        let line = lines.next().map_err(|stop| match stop {
            Stop::Io(error) => failed(error),
            Stop::TooLong(line) => malformed(line, KafkatestFlaw::TooLong),
        })?;
        let Some(line) = line else {
            return Ok(());
        };
        summary.lines += 1;
        let went = if let Some(record) = quick::read(line.bytes) {
            each(LineEvent::Record(record))
        } else {
            match line_kind(line) {
                LineKind::Blank => continue,
                LineKind::Notice => {
                    summary.notices += 1;
                    if json::holds_event(line.bytes) {
                        summary.torn_lines += 1;
                    }
                    continue;
                }
                LineKind::CutOff => {
                    summary.notes.push(KafkatestNote::CutOff {
                        path: source.name.clone(),
                        line: line.number,
                    });
                    continue;
                }
                LineKind::Event => event(line.bytes, summary, &mut each),
            }
        };
        went.map_err(|halt| match halt {
            Halt::Enough => Halted::Enough,
            Halt::Anew => Halted::Anew,
            Halt::Flaw(flaw) => Halted::Error(malformed(line.number, flaw)),
        })?;
    }
}

/// The kind of a line, by its place and its first byte.
enum LineKind {
    Blank,
    /// Another program's: a warning of the Java machine, a logger's line.
    Notice,
    /// The process that wrote it did not come to its end.
    CutOff,
    Event,
}

fn line_kind(line: Line<'_>) -> LineKind {
    let text = line.bytes.trim_ascii();
    match text.first() {
        None => LineKind::Blank,
        Some(b'{') if line.ending == Ending::EndOfFile && json::is_cut_off(text) => {
            LineKind::CutOff
        }
        Some(b'{') if !json::is_foreign(text) => LineKind::Event,
        Some(_) => LineKind::Notice,
    }
}

fn event(
    bytes: &[u8],
    summary: &mut KafkatestSummary,
    each: &mut impl FnMut(LineEvent<'_>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let line = json::read(bytes)?;
    summary.unknown_fields += line.unknown_fields;
    let Some(at_ms) = line.at_ms else {
        if let ToolEvent::Unknown(name) = &line.said {
            summary.skip_event(name);
        }
        return Ok(());
    };
    let (kind, placed) = match &line.said {
        ToolEvent::Sent(placed) => (Kind::Sent, placed),
        ToolEvent::Read(placed) => (Kind::Read, placed),
        said => return each(LineEvent::Other { at_ms, said }),
    };
    each(LineEvent::Record(Record {
        kind,
        at_ms,
        topic: placed.topic.as_bytes(),
        partition: placed.partition,
        offset: placed.offset,
        key: placed
            .key
            .as_ref()
            .map(|key| key.as_ref().map(|key| key.as_bytes())),
        value: placed.value.as_ref().map(|value| value.as_bytes()),
    }))
}
