//! Prose for a terminal: headings, paragraphs broken into lines, lists. Knows
//! nothing of what is said.

use std::fmt::Write as _;
use std::os::fd::AsFd;

use rustix::termios::{isatty, tcgetwinsize};

use crate::style::{FAINT, STRONG};

/// Lines are broken before this column where there is room for it, and where
/// the room is unknown.
const COLUMNS_MAX: usize = 92;
/// Narrower than this nothing can be read any more.
const COLUMNS_MIN: usize = 40;

/// The width of a terminal; none where it is none.
pub(crate) fn columns_of(stream: impl AsFd) -> Option<usize> {
    let size = isatty(&stream)
        .then(|| tcgetwinsize(&stream).ok())
        .flatten()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Breaks lines that a terminal would break anywhere: first between what stands
/// in columns, then between words, and never between a number and its unit.
pub(crate) fn fit(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns.map(|columns| columns.max(COLUMNS_MIN)) else {
        return text.to_owned();
    };
    let mut out = String::new();
    for line in text.lines() {
        if chars(line) <= columns {
            let _ = writeln!(out, "{line}");
        } else {
            break_line(&mut out, line, columns);
        }
    }
    out
}

fn break_line(out: &mut String, line: &str, columns: usize) {
    let bare = line.trim_start();
    let own = line.len() - bare.len();
    let indent = " ".repeat((own + 4).min(columns / 2));
    let mut current = " ".repeat(own);
    let mut is_empty = true;
    for (gap, piece) in pieces(bare, columns) {
        if !is_empty && chars(&current) + gap + chars(&piece) > columns {
            let _ = writeln!(out, "{}", current.trim_end());
            indent.clone_into(&mut current);
        } else {
            current.push_str(&" ".repeat(gap));
        }
        current.push_str(&piece);
        is_empty = false;
    }
    let _ = writeln!(out, "{current}");
}

/// What is not broken, with the blanks before each.
fn pieces(line: &str, columns: usize) -> Vec<(usize, String)> {
    let mut pieces: Vec<(usize, String)> = Vec::new();
    let mut gap = 0;
    let mut column: Vec<(usize, String)> = Vec::new();
    let close = |column: &mut Vec<(usize, String)>, pieces: &mut Vec<(usize, String)>| {
        let words = column.iter().map(|(_, word)| chars(word) + 1);
        if words.sum::<usize>() > columns / 2 {
            pieces.append(column);
        } else if let Some((first, _)) = column.first() {
            let words: Vec<&str> = column.iter().map(|(_, word)| word.as_str()).collect();
            pieces.push((*first, words.join(" ")));
            column.clear();
        }
    };
    for word in line.split(' ') {
        if word.is_empty() {
            gap += 1;
            continue;
        }
        if gap > 1 {
            close(&mut column, &mut pieces);
        }
        match column.last_mut() {
            // `12.6 s`
            Some((_, before)) if gap <= 1 && is_unit(word) && ends_in_digit(before) => {
                before.push(' ');
                before.push_str(word);
            }
            _ => column.push((gap, word.to_owned())),
        }
        gap = 1;
    }
    close(&mut column, &mut pieces);
    pieces
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches([',', ';', '.', ':', ')']);
    ["s", "ms", "min", "KiB", "MiB", "GiB"].contains(&word)
}

fn ends_in_digit(word: &str) -> bool {
    word.chars().next_back().is_some_and(|c| c.is_ascii_digit())
}

/// Characters that are seen: colours take no room.
fn chars(text: &str) -> usize {
    anstream::adapter::strip_str(text)
        .map(|part| part.chars().count())
        .sum()
}

/// A text that grows paragraph by paragraph.
pub(crate) struct Page {
    text: String,
    columns: usize,
}

impl Page {
    /// A page that fits standard output.
    pub(crate) fn for_output() -> Self {
        Self::of_columns(columns_of(std::io::stdout()).unwrap_or(COLUMNS_MAX))
    }

    fn of_columns(columns: usize) -> Self {
        Self {
            text: String::new(),
            columns: columns.clamp(COLUMNS_MIN, COLUMNS_MAX),
        }
    }

    /// What has been written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// What the whole is about: a name, and what it is the name of.
    pub(crate) fn title(&mut self, name: &str, of: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "{STRONG}{name}{STRONG:#}{of}");
    }

    pub(crate) fn heading(&mut self, words: &str) {
        let _ = writeln!(self.text, "\n{STRONG}{words}{STRONG:#}");
    }

    /// A paragraph under a heading.
    pub(crate) fn item(&mut self, words: &str) {
        self.prose("  ", words);
    }

    /// An entry of a list under a heading.
    pub(crate) fn point(&mut self, words: &str) {
        self.prose_after("  - ", "    ", words);
    }

    /// Where the point before it is written.
    pub(crate) fn source(&mut self, words: &str) {
        let _ = writeln!(self.text, "    {FAINT}[{words}]{FAINT:#}");
    }

    pub(crate) fn prose(&mut self, indent: &str, words: &str) {
        self.prose_after(indent, indent, words);
    }

    /// Breaks words into lines; the first is indented otherwise than the rest.
    pub(crate) fn prose_after(&mut self, first: &str, rest: &str, words: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in words.split_whitespace() {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > self.columns {
                let _ = writeln!(self.text, "{line}");
                rest.clone_into(&mut line);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        let _ = writeln!(self.text, "{line}");
    }

    /// A line that stays as it is.
    pub(crate) fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_its_columns_and_not_before_a_unit() {
        let line =
            format!("  {STRONG}HELD{STRONG:#}  a-name  500 read  0 skipped  back 12.6 s later\n");
        let plain = |columns| {
            let fitting = fit(&line, columns);
            anstream::adapter::strip_str(&fitting).to_string()
        };
        assert_eq!(
            plain(Some(40)),
            "  HELD  a-name  500 read  0 skipped\n      back 12.6 s later\n"
        );
        let whole = "  HELD  a-name  500 read  0 skipped  back 12.6 s later\n";
        assert_eq!(plain(Some(60)), whole);
        assert_eq!(plain(None), whole);
        let reason =
            "    claim: a reason of many words that needs 5 s to be told to its very end\n";
        assert_eq!(
            fit(reason, Some(44)),
            "    claim: a reason of many words that needs\n        5 s to be told to its very end\n"
        );
    }

    #[test]
    fn words_are_broken_where_the_terminal_ends() {
        let mut page = Page::of_columns(40);
        page.point("a record was acknowledged, and is not where it was said to be");
        assert_eq!(
            page.into_text(),
            "  - a record was acknowledged, and is\n    not where it was said to be\n"
        );
        assert_eq!(Page::of_columns(10).columns, COLUMNS_MIN);
        assert_eq!(Page::of_columns(400).columns, COLUMNS_MAX);
    }
}
