//! A document as GitHub-flavoured Markdown. The only place that knows the
//! syntax, and so the only one that escapes: whatever stands in a name or an
//! error message comes out as that text.

use std::fmt::Write as _;

use crate::document::{Block, Document, Item, Span, Table, Text};
use crate::sources;

pub(crate) fn render(document: &Document) -> String {
    let mut out = blocks(document);
    out.push('\n');
    out
}

fn blocks(document: &Document) -> String {
    let blocks: Vec<String> = document.blocks().iter().map(block).collect();
    blocks.join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => {
            format!("{} {}", "#".repeat(usize::from(*level)), inline(text))
        }
        Block::Paragraph(text) => at_line_start(&inline(text)),
        Block::List(items) => items.iter().map(item).collect::<Vec<_>>().join("\n"),
        Block::Table(rows) => table(rows),
        Block::Commands(lines) => {
            let fence = "`".repeat(longest_backtick_run(&lines.join("\n")).max(2) + 1);
            format!("{fence}sh\n{}\n{fence}", lines.join("\n"))
        }
        // The empty lines make Markdown of what is between the tags.
        Block::Folded(title, inner) => format!(
            "<details>\n<summary>{}</summary>\n\n{}\n\n</details>",
            html_words(title),
            blocks(inner)
        ),
    }
}

fn item(item: &Item) -> String {
    let mut out = format!("- {}", at_line_start(&inline(&item.text)));
    for point in &item.points {
        let _ = write!(out, "\n  - {}", at_line_start(&inline(point)));
    }
    out
}

/// Cells are not padded: one that grows would change every line of the table.
fn table(table: &Table) -> String {
    let line = |cells: &[Text]| {
        let cells = cells.iter().map(cell);
        cells.fold(String::from("|"), |line, cell| format!("{line} {cell} |"))
    };
    let rule = table.head().iter().map(|_| " --- |").collect::<String>();
    let mut lines = vec![line(table.head()), format!("|{rule}")];
    lines.extend(table.rows().iter().map(|row| line(row)));
    lines.join("\n")
}

/// In a cell a pipe ends the cell even inside a code span, unless escaped;
/// outside of code [`plain`] has escaped it already.
fn cell(text: &Text) -> String {
    text.spans()
        .iter()
        .map(|part| match part {
            Span::Code(of) => code(of).replace('|', "\\|"),
            other => span(other),
        })
        .collect()
}

fn inline(text: &Text) -> String {
    text.spans().iter().map(span).collect()
}

fn span(span: &Span) -> String {
    match span {
        Span::Plain(words) => plain(words),
        Span::Strong(words) => format!("**{}**", plain(words.trim())),
        Span::Code(of) => code(of),
        Span::Link { words, to } => linked(words, to),
        Span::Source(name) => {
            let parts = sources::split(name).into_iter();
            let parts = parts.map(|(words, to)| match to {
                Some(to) => linked(words, &to),
                None => plain(words),
            });
            parts.collect()
        }
    }
}

/// An address of ours has no character that ends it.
fn linked(words: &str, to: &str) -> String {
    format!("[{}]({to})", plain(words))
}

/// Text as HTML without any style.
fn html_words(text: &Text) -> String {
    let words = text.spans().iter().map(Span::words).collect::<String>();
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes Markdown syntax; a line break becomes a space.
fn plain(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let mut previous = ' ';
    let mut rest = words.chars().peekable();
    while let Some(this) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match this {
            '\\' | '`' | '*' | '[' | ']' | '<' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(this);
            }
            // Inside a word it is only an underscore.
            '_' if previous.is_alphanumeric() && next.is_alphanumeric() => out.push(this),
            '_' => out.push_str("\\_"),
            '&' if next.is_alphanumeric() || next == '#' => out.push_str("&amp;"),
            this if this.is_whitespace() || this.is_control() => out.push(' '),
            this => out.push(this),
        }
        previous = this;
    }
    out
}

/// A code span whose fence is longer than any in the text.
fn code(of: &str) -> String {
    let text: String = of
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect();
    if text.trim().is_empty() {
        return String::from("(empty)");
    }
    let fence = "`".repeat(longest_backtick_run(&text) + 1);
    let padding = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{padding}{text}{padding}{fence}")
}

fn longest_backtick_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Escapes the start of a heading, a list or a quotation.
fn at_line_start(line: &str) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    if digits > 0 && (rest.starts_with(". ") || rest.starts_with(") ")) {
        return format!("{number}\\{rest}");
    }
    if line.starts_with(['#', '+', '-', '>', '=']) {
        return format!("\\{line}");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{code, strong, text};

    fn paragraph(text: Text) -> String {
        let mut document = Document::default();
        document.paragraph(text);
        render(&document)
    }

    #[test]
    fn data_cannot_become_syntax() {
        let cases = [
            (
                "a|b *c* [d](e) <f> `g`",
                "a\\|b \\*c\\* \\[d\\](e) \\<f> \\`g\\`\n",
            ),
            ("two\nlines\r\nhere", "two lines  here\n"),
            (
                "snake_case _not emphasis_",
                "snake_case \\_not emphasis\\_\n",
            ),
            ("# no heading", "\\# no heading\n"),
            ("1. no list", "1\\. no list\n"),
            ("3.5 s", "3.5 s\n"),
            ("a &lt; b & c", "a &amp;lt; b & c\n"),
        ];
        for (words, expected) in cases {
            assert_eq!(paragraph(text![words]), expected);
        }
        assert_eq!(paragraph(text![code("a`b")]), "``a`b``\n");
        assert_eq!(paragraph(text![strong("*")]), "**\\***\n");
    }

    #[test]
    fn a_pipe_in_a_cell_does_not_end_it() {
        let mut document = Document::default();
        let mut table = Table::new(["what"]);
        table.row([text![code("a|b"), " c|d"]]);
        document.table(table);
        assert_eq!(render(&document), "| what |\n| --- |\n| `a\\|b` c\\|d |\n");
    }

    #[test]
    fn what_is_folded_is_markdown_and_its_title_is_no_markup() {
        let mut inner = Document::default();
        inner.paragraph(text![strong("x")]);
        let mut document = Document::default();
        document.folded(text!["a <b> & ", code("c")], inner);
        document.folded("nothing", Document::default());
        assert_eq!(
            render(&document),
            "<details>\n<summary>a &lt;b> &amp; c</summary>\n\n**x**\n\n</details>\n"
        );
    }

    #[test]
    fn a_heading_is_linked_as_github_links_it() {
        let heading = text!["Scenario ", code("broker-restart_2"), ": it's (SC-003)"];
        assert_eq!(
            crate::document::anchor(&heading),
            "scenario-broker-restart_2-its-sc-003"
        );
        assert_eq!(
            paragraph(text![
                crate::document::link("broker-restart", "#scenario-broker-restart"),
                " ",
                crate::document::source("KIP-98; a book")
            ]),
            "[broker-restart](#scenario-broker-restart) [KIP-98](https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging); a book\n"
        );
    }
}
