//! `report.html`: one file with everything in it, for people, and for `ackproof diff`.
//!
//! The first screen answers; each scenario has its pictures below, and everything that
//! `report.md` says is here too. Text is escaped by the templates (`maud`); nothing else
//! writes markup.

mod blocks;
mod chart;
mod configuration;
mod first_screen;
mod lanes;
mod latency;
mod logs;
mod matrix;
mod pipeline;
mod scenario;
mod strips;
mod timeline;
mod twins;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::course::Course;
use model::plan::RunPlan;
use model::scenario::Config;
use model::verdict::RunVerdict;
use serde::{Deserialize, Serialize};

use crate::document::{Block, Document, anchor};
use crate::page_data;
use crate::run::{Run, Word};
use crate::{names, section};

pub use chart::Scale;
pub use logs::LogExcerpt;

/// The style sheet of the page.
pub const STYLE: &str = include_str!("html/page.css");
/// Copies a command. The page is whole without it.
const SCRIPT: &str = include_str!("html/copy.js");

/// What was recorded of scenarios beside their verdicts, by their folders. What has none is
/// drawn without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The curves.
    pub courses: BTreeMap<String, Course>,
    /// What was logged around the faults.
    pub logs: BTreeMap<String, Vec<LogExcerpt>>,
}

/// `report.html`: the plan, the results with their pictures, and the data. Otherwise as [`markdown`](crate::markdown()). The same input gives the same bytes.
pub fn html(
    plan: &RunPlan,
    verdict: &RunVerdict,
    configurations: &BTreeMap<String, Config>,
    recorded: &Recorded,
) -> String {
    let bare: Option<Bare> = names::bare_of(plan, &(verdict, configurations, recorded));
    let given = (plan, verdict, configurations, recorded);
    let (plan, told, configurations, recorded) = bare.as_ref().map_or(given, |(plan, of)| {
        let (verdict, configurations, recorded) = of;
        (plan, verdict, configurations, recorded)
    });
    let data = page_data::json(plan, verdict);
    let run = Run::new(plan, told, configurations, &recorded.courses);
    without_end_tags(&page(&run, recorded, &data).into_string())
}

/// End tags that HTML implies (the standard's section "Optional tags"), and those of empty
/// elements of a drawing, are a twentieth of a page. Text cannot hold one: it is escaped.
fn without_end_tags(page: &str) -> String {
    const IMPLIED: [&str; 8] = [
        "</td>", "</th>", "</tr>", "</thead>", "</tbody>", "</li>", "</dt>", "</dd>",
    ];
    const EMPTY: [&str; 3] = ["></path>", "></rect>", "></circle>"];
    let page = IMPLIED
        .iter()
        .fold(page.to_owned(), |page, tag| page.replace(tag, ""));
    EMPTY.iter().fold(page, |page, tag| page.replace(tag, "/>"))
}

type Bare = (RunPlan, (RunVerdict, BTreeMap<String, Config>, Recorded));

fn page(run: &Run<'_>, recorded: &Recorded, data: &str) -> Markup {
    let rest = section::behind_the_scenarios(run);
    let title = format!("{} · Kafka delivery guarantees", run.verdict.verdict);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="ackproof";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the scenarios" }
                (first_screen::header(run))
                main #main tabindex="-1" {
                    (first_screen::cards(run))
                    (matrix::of_guarantees(run))
                    (twins::side_by_side(run))
                    (contents(&rest))
                    (scenario::sections(run, recorded))
                    (configuration::in_force(run))
                    div.prose { (blocks::render(&rest)) }
                }
                (first_screen::footer(run))
                // No character of it begins markup.
                script type=(page_data::TYPE) id=(page_data::ID) { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// Links to what follows the scenarios.
fn contents(rest: &Document) -> Markup {
    let headings = rest.blocks().iter().filter_map(|block| match block {
        Block::Heading(2, text) => Some(text),
        _ => None,
    });
    html! {
        nav.contents aria-label="Contents" {
            ul {
                li { a href="#in-force" { "Configuration in force" } }
                @for text in headings {
                    li { a href={ "#" (anchor(text)) } { (blocks::inline(text)) } }
                }
            }
        }
    }
}

/// The class that gives a verdict its colour.
const fn class_of(word: Word) -> &'static str {
    match word {
        Word::Held => "held",
        Word::ViolatedAsExpected => "expected",
        Word::Inconclusive => "inconclusive",
        Word::Violated => "violated",
    }
}

/// A command with a button that copies it.
fn command(line: &str) -> Markup {
    html! {
        div.command {
            pre { code { (line) } }
            button type="button" data-copy hidden { "Copy" }
        }
    }
}
