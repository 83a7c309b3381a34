//! Blocks of text, and their two forms: Markdown, and HTML. Knows nothing of what they say.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::chart::Chart;

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// The level is 1 for the title.
    Heading(u8, String),
    Paragraph(String),
    List(Vec<String>),
    Table(Vec<&'static str>, Vec<Vec<String>>),
    Commands(Vec<String>),
    /// Only on the page.
    Chart(Chart),
}

pub(crate) fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Heading(level, text) => {
                let _ = write!(
                    out,
                    "{} {}\n\n",
                    "#".repeat(usize::from(*level)),
                    plain(text)
                );
            }
            Block::Paragraph(text) => {
                let _ = write!(out, "{}\n\n", plain(text));
            }
            Block::List(items) if !items.is_empty() => {
                for item in items {
                    let _ = writeln!(out, "- {}", plain(item));
                }
                out.push('\n');
            }
            Block::Table(head, rows) if !rows.is_empty() => {
                let rule = head.iter().map(|_| " --- |").collect::<String>();
                let _ = writeln!(out, "| {} |\n|{rule}", head.join(" | "));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|it| cell(it)).collect();
                    let _ = writeln!(out, "| {} |", cells.join(" | "));
                }
                out.push('\n');
            }
            Block::Commands(lines) => {
                let _ = write!(out, "```sh\n{}\n```\n\n", lines.join("\n"));
            }
            Block::List(_) | Block::Table(..) | Block::Chart(_) => {}
        }
    }
    let length = out.trim_end().len();
    out.truncate(length);
    out.push('\n');
    out
}

/// Words in which no sign of Markdown takes effect but the backquote.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        match c {
            '`' => in_code = !in_code,
            '*' | '_' | '<' | '[' | ']' | '\\' if !in_code => out.push('\\'),
            '\n' => {
                out.push(' ');
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

pub(crate) fn page(blocks: &[Block]) -> Markup {
    html! {
        @for block in blocks {
            @match block {
                Block::Heading(1, text) => h1 { (inline(text)) },
                Block::Heading(2, text) => h2 { (inline(text)) },
                Block::Heading(_, text) => h3 { (inline(text)) },
                Block::Paragraph(text) => p { (inline(text)) },
                Block::List(items) => @if !items.is_empty() {
                    ul { @for item in items { li { (inline(item)) } } }
                },
                Block::Table(head, rows) => @if !rows.is_empty() {
                    div.scroll tabindex="0" role="group" aria-label="Table" {
                        table {
                            thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                            tbody {
                                @for row in rows {
                                    tr { @for cell in row { td { (inline(cell)) } } }
                                }
                            }
                        }
                    }
                },
                Block::Commands(lines) => pre { code { (lines.join("\n")) } },
                Block::Chart(chart) => (chart.draw()),
            }
        }
    }
}

/// Words with code between backquotes.
fn inline(text: &str) -> Markup {
    html! {
        @for (part, at) in text.split('`').zip(0u32..) {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_no_effect_in_either_form() {
        let blocks = [
            Block::Heading(2, "A <b> of `x*y`".to_owned()),
            Block::Table(
                vec!["a", "b"],
                vec![vec!["1|2".to_owned(), "_c_".to_owned()]],
            ),
            Block::List(Vec::new()),
        ];
        assert_eq!(
            markdown(&blocks),
            "## A \\<b> of `x*y`\n\n| a | b |\n| --- | --- |\n| 1\\|2 | \\_c\\_ |\n"
        );
        let page = page(&blocks).into_string();
        assert!(
            page.contains("<h2>A &lt;b&gt; of <code>x*y</code></h2>"),
            "{page}"
        );
        assert!(!page.contains("<ul>"));
    }
}
