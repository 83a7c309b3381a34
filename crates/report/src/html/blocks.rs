//! The blocks of `report.md` as HTML. Knows nothing of what they say.

use maud::{Markup, html};

use super::command;
use crate::document::{Block, Document, Span, Table, Text, anchor};
use crate::sources;

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
                Block::Folded(title, inner) => details {
                    summary { (inline(title)) }
                    (render(inner))
                },
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
                thead { tr { @for cell in rows.head() { th { (inline(cell)) } } } }
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
                Span::Plain(words) => (linked(sources::kips(words))),
                Span::Code(of) => code { (of) },
                Span::Strong(words) => strong { (words) },
                Span::Link { words, to } => (link(words, Some(to))),
                Span::Source(name) => (source(name)),
            }
        }
    }
}

/// A source as the catalogue names it.
pub(super) fn source(name: &str) -> Markup {
    linked(sources::split(name))
}

fn linked(parts: Vec<(&str, Option<String>)>) -> Markup {
    html! { @for (words, to) in parts { (link(words, to.as_deref())) } }
}

fn link(words: &str, to: Option<&str>) -> Markup {
    html! {
        @match to {
            Some(to) => a href=(to) { (words) },
            None => (words),
        }
    }
}
