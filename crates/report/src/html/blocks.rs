//! The blocks of `report.md` as HTML. Knows nothing of what they say.

use maud::{Markup, html};

use super::{command, links};
use crate::document::{Block, Document, Span, Table, Text};

pub(super) fn render(document: &Document) -> Markup {
    html! {
        @for block in document.blocks() {
            @match block {
                Block::Heading(level, text) => (heading(*level, text)),
                Block::Paragraph(text) => p { (inline(text)) },
                Block::List(items) => ul {
                    @for item in items {
                        li {
                            (inline(&item.text))
                            @if !item.points.is_empty() {
                                ul { @for point in &item.points { li { (inline(point)) } } }
                            }
                        }
                    }
                },
                Block::Table(rows) => (table(rows)),
                Block::Commands(lines) => (command(&lines.join("\n"))),
            }
        }
    }
}

fn heading(level: u8, text: &Text) -> Markup {
    match level {
        1 | 2 => html! { h2 id=(anchor(text)) { (inline(text)) } },
        3 => html! { h3 { (inline(text)) } },
        _ => html! { h4 { (inline(text)) } },
    }
}

fn table(rows: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Table" {
            table {
                thead { tr { @for cell in rows.head() { th scope="col" { (inline(cell)) } } } }
                tbody {
                    @for row in rows.rows() {
                        tr { @for cell in row { td { (inline(cell)) } } }
                    }
                }
            }
        }
    }
}

/// Text with its styles. Names of KIPs are links.
pub(super) fn inline(text: &Text) -> Markup {
    html! {
        @for span in text.spans() {
            @match span {
                Span::Plain(words) => (links::linked(words)),
                Span::Code(of) => code { (of) },
                Span::Strong(words) => strong { (words) },
            }
        }
    }
}

/// What a heading is linked by.
pub(super) fn anchor(text: &Text) -> String {
    let words = text.spans().iter().map(|span| match span {
        Span::Plain(words) | Span::Code(words) | Span::Strong(words) => words.as_str(),
    });
    let words: String = words.collect();
    let kept = words.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '-',
    });
    kept.collect()
}
