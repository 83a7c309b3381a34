//! A counterexample as lanes: who did what, in order. Each operation is a point on the lane
//! of its client, joined to the lane of the server that it concerns.

use maud::{Markup, html};
use model::verdict::{Example, ExampleOperation};

use crate::units::moment_us;

/// Operations that are drawn, at most; the others stand in `verdict.json`.
const OPERATIONS_MAX: usize = 10;

const WIDTH: u64 = 960;
const LEFT: u64 = 190;
const RIGHT: u64 = 30;
const TOP: u64 = 14;
const LANE: u64 = 34;

const BROKERS: &str = "brokers (the log)";
const DATABASE: &str = "database";
const WRITER: &str = "writer";
const OBSERVER: &str = "observer";

/// `of_rows` says that the operations are about rows, which the observer reads in the
/// database and in the topics.
pub(super) fn figure(example: &Example, of_rows: bool) -> Markup {
    let operations = &example.operations;
    let shown = &operations[..operations.len().min(OPERATIONS_MAX)];
    let lanes = lanes(shown, of_rows);
    let height = TOP + LANE * lanes.len() as u64 + 24;
    let step = (WIDTH - LEFT - RIGHT) / shown.len().max(1) as u64;
    let y = |name: &str| {
        let at = lanes.iter().position(|lane| lane == name).unwrap_or(0);
        TOP + LANE / 2 + LANE * at as u64
    };
    let x = |number: u64| LEFT + step / 2 + step * (number - 1);
    let rails = lanes.iter();
    let rails = rails.map(|lane| format!("M{LEFT} {}H{}", y(lane), WIDTH - RIGHT));
    let rails: String = rails.collect();
    let numbered = || shown.iter().zip(1u64..);
    let messages = numbered().filter_map(|(operation, number)| {
        let server = server(&operation.actor, of_rows)?;
        Some(format!(
            "M{} {}V{}",
            x(number),
            y(&operation.actor),
            y(server)
        ))
    });
    let messages: String = messages.collect();
    html! {
        figure.lanes {
            div.scroll tabindex="0" role="group" aria-label="Operations on lanes" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                    aria-label="The operations that prove it, in order, as in the list below" {
                    path.lane d=(rails) {}
                    path.message d=(messages) {}
                    g.lane-names {
                        @for lane in &lanes {
                            text x=(LEFT - 12) y=(y(lane) + 4) { (shortened(lane)) }
                        }
                    }
                    @for (operation, number) in numbered() {
                        circle cx=(x(number)) cy=(y(&operation.actor)) r="11" {}
                        text.number x=(x(number)) y=(y(&operation.actor) + 4) { (number) }
                        text.tick x=(x(number)) y=(height - 6) { (moment(operation)) }
                    }
                }
            }
            figcaption {
                ol.operations {
                    @for operation in shown {
                        li {
                            span.moment { (moment(operation)) } " "
                            strong { (operation.actor) } " "
                            (operation.operation)
                        }
                    }
                }
                @if operations.len() > shown.len() {
                    p.note {
                        (operations.len() - shown.len()) " more in " code { "verdict.json" } "."
                    }
                }
            }
        }
    }
}

/// The log's contents have no moment.
fn moment(operation: &ExampleOperation) -> String {
    let at = operation.at_us.map(moment_us);
    at.unwrap_or_else(|| String::from("in the end"))
}

/// Producers, brokers, consumers, observer, and the database's side.
fn lanes(operations: &[ExampleOperation], of_rows: bool) -> Vec<String> {
    let actors = operations.iter().map(|operation| operation.actor.as_str());
    let servers = operations
        .iter()
        .filter_map(|operation| server(&operation.actor, of_rows));
    let mut names: Vec<(u8, String)> = Vec::new();
    for name in actors.chain(servers) {
        if !names.iter().any(|(_, known)| known == name) {
            names.push((rank(name), name.to_owned()));
        }
    }
    names.sort_by_key(|(rank, _)| *rank);
    names.into_iter().map(|(_, name)| name).collect()
}

fn rank(name: &str) -> u8 {
    match name {
        BROKERS => 1,
        OBSERVER => 3,
        WRITER => 4,
        DATABASE => 5,
        _ if is_producer(name) => 0,
        _ => 2,
    }
}

/// `p0`, `p1 (billing member 1)`.
fn is_producer(name: &str) -> bool {
    let number = name.strip_prefix('p').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit())
}

/// Whom an actor talks to; none where that can be either.
fn server(actor: &str, of_rows: bool) -> Option<&'static str> {
    match actor {
        WRITER => Some(DATABASE),
        OBSERVER if of_rows => None,
        BROKERS | DATABASE => None,
        _ => Some(BROKERS),
    }
}

fn shortened(name: &str) -> String {
    const CHARS_MAX: usize = 23;
    if name.chars().count() <= CHARS_MAX {
        return name.to_owned();
    }
    let kept: String = name.chars().take(CHARS_MAX - 1).collect();
    format!("{kept}…")
}
