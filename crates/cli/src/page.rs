//! Prose for a terminal: headings, paragraphs broken into lines, lists. Knows
//! nothing of what is said.

use std::fmt::Write as _;

use rustix::termios::{isatty, tcgetwinsize};

use crate::style::{FAINT, STRONG};

/// Lines are broken before this column where there is room for it, and where
/// nobody knows how much room there is.
const COLUMNS_MAX: usize = 92;
/// Narrower than this nothing can be read any more.
const COLUMNS_MIN: usize = 40;

/// A text that grows paragraph by paragraph.
pub(crate) struct Page {
    text: String,
    columns: usize,
}

impl Page {
    /// A page that fits standard output.
    pub(crate) fn for_output() -> Self {
        let stdout = std::io::stdout();
        let columns = isatty(&stdout)
            .then(|| tcgetwinsize(&stdout).ok())
            .flatten()
            .map_or(COLUMNS_MAX, |size| usize::from(size.ws_col));
        Self::of_columns(columns)
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
