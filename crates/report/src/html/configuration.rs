//! The configurations in force, folded: each in full once, those that are like an earlier
//! one by what differs.

use maud::{Markup, html};
use model::scenario::Config;

use crate::run::Run;

/// Of a configuration that differs in more entries from each earlier one, all are shown.
const DIFFERENCES_MAX: usize = 60;

pub(super) fn in_force(run: &Run<'_>) -> Markup {
    let mut full: Vec<(&str, &Config)> = Vec::new();
    let shown = run.configurations.iter().map(|(owner, config)| {
        let near = full
            .iter()
            .map(|(of, other)| (*of, differences(other, config)))
            .min_by_key(|(_, differ)| differ.len())
            .filter(|(_, differ)| differ.len() <= DIFFERENCES_MAX.min(config.len() / 2));
        if near.is_none() {
            full.push((owner, config));
        }
        (owner.as_str(), config, near)
    });
    let shown: Vec<_> = shown.collect();
    html! {
        section aria-labelledby="in-force" {
            h2 #in-force { "Configuration in force" }
            @if shown.is_empty() {
                p { "Brokers and clients reported none." }
            } @else {
                p { "As brokers and clients reported it themselves." }
                details {
                    summary { (shown.len()) " configurations" }
                    @for (owner, config, near) in shown {
                        details {
                            summary { (owner) }
                            @match near {
                                Some((of, differ)) if differ.is_empty() => p { "As " (of) "." },
                                Some((of, differ)) => {
                                    p { "As " (of) ", but:" }
                                    (lines(differ.into_iter()))
                                },
                                None => (lines(config.iter().map(|(key, value)| {
                                    (key.as_str(), Some(value.as_str()))
                                }))),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Hundreds of entries: as a table they would be half of the page.
fn lines<'a>(entries: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Markup {
    let lines = entries.map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => format!("{key} is not reported"),
    });
    let lines: Vec<String> = lines.collect();
    html! { pre.config { (lines.join("\n")) } }
}

/// The entries of one that the other has not, and keys that only the other has.
fn differences<'a>(other: &'a Config, one: &'a Config) -> Vec<(&'a str, Option<&'a str>)> {
    let own = one
        .iter()
        .filter(|(key, value)| other.get(*key) != Some(value));
    let own = own.map(|(key, value)| (key.as_str(), Some(value.as_str())));
    let lacking = other.keys().filter(|key| one.get(*key).is_none());
    own.chain(lacking.map(|key| (key.as_str(), None))).collect()
}
