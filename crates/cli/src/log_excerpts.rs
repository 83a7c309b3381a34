//! Lines of logs around the faults of a scenario: what a reader looks for first in a log, and
//! seldom finds at once. Knows nothing of what the lines say beyond their moment and level.

use std::fs;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime};
use model::verdict::FaultVerdict;
use report::LogExcerpt;

/// How long before a fault and after its end a line is still about it, in milliseconds.
const BEFORE_MS: i64 = 500;
const AFTER_MS: i64 = 2_000;
/// Lines of one log, and logs of a scenario, that are shown at most.
const LINES_MAX: usize = 8;
const LOGS_MAX: usize = 3;
const CHARS_MAX: usize = 180;
/// Zones differ by multiples of this.
const ZONE_MS: i64 = 15 * 60 * 1000;
/// A log of more bytes is not read: it would be no excerpt that a person looks at.
const BYTES_MAX: u64 = 32 << 20;

/// A moment of a plan, in milliseconds since 1970.
pub(crate) fn parse_utc_ms(rfc3339: &str) -> Option<i64> {
    let moment = DateTime::parse_from_rfc3339(rfc3339).ok()?;
    Some(moment.timestamp_millis())
}

/// The lines of the logs in a folder at the faults of a scenario, which began at that moment.
/// Logs whose lines have no moment are left out.
pub(crate) fn around(folder: &Path, began_ms: i64, faults: &[FaultVerdict]) -> Vec<LogExcerpt> {
    let windows: Vec<(i64, i64)> = faults.iter().filter_map(window).collect();
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    if windows.is_empty() {
        return Vec::new();
    }
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let excerpts = names.into_iter().filter_map(|name| {
        let path = folder.join(&name);
        let size = fs::metadata(&path).ok()?.len();
        let text = (size <= BYTES_MAX).then(|| fs::read(&path).ok())??;
        excerpt(name, &String::from_utf8_lossy(&text), began_ms, &windows)
    });
    excerpts.take(LOGS_MAX).collect()
}

/// In milliseconds since the scenario began.
fn window(fault: &FaultVerdict) -> Option<(i64, i64)> {
    let from = i64::try_from(fault.injected_ms?).ok()?;
    let to = fault
        .healed_ms
        .map_or(Some(from), |to| i64::try_from(to).ok())?;
    Some((from - BEFORE_MS, to + AFTER_MS))
}

/// Warnings and errors first, then what stands nearest to the beginning of a fault.
fn excerpt(file: String, text: &str, began_ms: i64, windows: &[(i64, i64)]) -> Option<LogExcerpt> {
    let mut zone_ms = None;
    let mut lines: Vec<(bool, i64, usize, &str)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(at_ms) = moment_ms(line) else {
            continue;
        };
        // The first line is written when the scenario begins, by the clock of some zone.
        let zone_ms = *zone_ms.get_or_insert_with(|| nearest_zone(at_ms - began_ms));
        let at_ms = at_ms - began_ms - zone_ms;
        let near = windows
            .iter()
            .filter(|(from, to)| (*from..=*to).contains(&at_ms));
        if let Some(distance) = near.map(|(from, _)| (at_ms - from - BEFORE_MS).abs()).min() {
            let is_info = !["WARN", "ERROR", "FATAL"]
                .iter()
                .any(|level| line.contains(level));
            lines.push((is_info, distance, number, line));
        }
    }
    let left_out = lines.len().saturating_sub(LINES_MAX) as u64;
    lines.sort_unstable();
    lines.truncate(LINES_MAX);
    lines.sort_unstable_by_key(|(_, _, number, _)| *number);
    let lines: Vec<String> = lines.into_iter().map(|(.., line)| cut(line)).collect();
    (!lines.is_empty()).then_some(LogExcerpt {
        file,
        lines,
        left_out,
    })
}

/// `[2026-11-30T04:17:40,633] …`, as Kafka and Connect write it.
fn moment_ms(line: &str) -> Option<i64> {
    let (moment, _) = line.strip_prefix('[')?.split_once(']')?;
    let moment = moment.replacen(' ', "T", 1);
    let moment = NaiveDateTime::parse_from_str(&moment, "%Y-%m-%dT%H:%M:%S,%3f").ok()?;
    Some(moment.and_utc().timestamp_millis())
}

const fn nearest_zone(difference_ms: i64) -> i64 {
    (difference_ms + ZONE_MS / 2).div_euclid(ZONE_MS) * ZONE_MS
}

fn cut(line: &str) -> String {
    if line.chars().count() <= CHARS_MAX {
        return line.to_owned();
    }
    let kept: String = line.chars().take(CHARS_MAX - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    const WINDOWS: [(i64, i64); 1] = [(2_500, 9_000)];

    fn began_ms() -> i64 {
        parse_utc_ms("2026-11-30T04:15:27Z").unwrap()
    }

    fn shown(text: &str) -> Option<LogExcerpt> {
        excerpt(String::from("broker-1.log"), text, began_ms(), &WINDOWS)
    }

    #[test]
    fn lines_around_a_fault_are_shown_in_the_clock_of_any_zone() {
        for hour in ["04", "06", "23"] {
            let text = format!(
                "not a line of its own\n\
                 [2026-11-30T{hour}:15:27,900] INFO starts\n\
                 [2026-11-30T{hour}:15:30,000] INFO at the fault\n\
                 [2026-11-30T{hour}:15:34,000] WARN while it lasts\n\
                 [2026-11-30T{hour}:15:40,000] INFO long after\n"
            );
            let lines = shown(&text).unwrap().lines;
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines[0].ends_with("at the fault") && lines[1].ends_with("while it lasts"));
        }
        assert_eq!(shown("FAIL: no moment\n"), None);
    }

    #[test]
    fn warnings_come_before_what_else_was_logged() {
        let line = |second, level: &str| format!("[2026-11-30T04:15:{second},000] {level} it\n");
        let mut text = line(27, "INFO");
        text.push_str(&line(30, "INFO").repeat(20));
        text.push_str(&line(35, "ERROR"));
        let excerpt = shown(&text).unwrap();
        assert_eq!(excerpt.lines.len(), LINES_MAX);
        assert!(excerpt.lines.last().unwrap().contains("ERROR"));
        assert_eq!(excerpt.left_out, 13);
        assert_eq!(cut(&"ä".repeat(500)).chars().count(), CHARS_MAX);
    }
}
