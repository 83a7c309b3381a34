//! The configurations in force, folded: each once with all its owners, those that are like an
//! earlier one by what differs.

use maud::{Markup, html};
use model::scenario::Config;
use model::scenario::words::counted;

use crate::run::Run;

/// Of a configuration that differs in more entries from each earlier one, all are shown.
const DIFFERENCES_MAX: usize = 60;
/// How often a reader has to look up another one for what does not differ.
const LOOK_UPS_MAX: u8 = 2;

type Entry<'a> = (&'a str, Option<&'a str>);

/// A configuration, and who has it.
struct Shown<'a> {
    owners: Vec<&'a str>,
    config: &'a Config,
    /// The first owner of the one that it is like, and what differs.
    near: Option<(&'a str, Vec<Entry<'a>>)>,
    look_ups: u8,
}

fn shown<'a>(run: &Run<'a>) -> Vec<Shown<'a>> {
    let mut all: Vec<Shown<'a>> = Vec::new();
    for (owner, config) in run.configurations {
        if let Some(same) = all.iter_mut().find(|it| it.config == config) {
            same.owners.push(owner);
            continue;
        }
        let others = all.iter().filter(|it| it.look_ups < LOOK_UPS_MAX);
        let near = others
            .map(|it| (it, differences(it.config, config)))
            .min_by_key(|(_, differ)| differ.len())
            .filter(|(_, differ)| differ.len() <= DIFFERENCES_MAX.min(config.len() / 2));
        let look_ups = near.as_ref().map_or(0, |(it, _)| it.look_ups + 1);
        let near = near.and_then(|(it, differ)| Some((*it.owners.first()?, differ)));
        all.push(Shown {
            owners: vec![owner],
            config,
            near,
            look_ups,
        });
    }
    all
}

pub(super) fn in_force(run: &Run<'_>) -> Markup {
    let shown = shown(run);
    html! {
        section aria-labelledby="in-force" {
            h2 #in-force { "Configuration in force" }
            @if shown.is_empty() {
                p { "Brokers and clients reported none." }
            } @else {
                p { "As brokers and clients reported it themselves." }
                details {
                    summary { (counted(run.configurations.len() as u64, "configuration")) }
                    @for one in &shown {
                        details {
                            summary { (one.owners.join(", ")) }
                            @match &one.near {
                                Some((of, differ)) => {
                                    p { "As " (of) ", but:" }
                                    (lines(differ.iter().copied()))
                                },
                                None => (lines(one.config.iter().map(|(key, value)| {
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
fn lines<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Markup {
    let lines = entries.map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => format!("{key} is not reported"),
    });
    let lines: Vec<String> = lines.collect();
    html! { pre.config { (lines.join("\n")) } }
}

/// The entries of one that the other has not, and keys that only the other has.
fn differences<'a>(other: &'a Config, one: &'a Config) -> Vec<Entry<'a>> {
    let own = one
        .iter()
        .filter(|(key, value)| other.get(*key) != Some(value));
    let own = own.map(|(key, value)| (key.as_str(), Some(value.as_str())));
    let lacking = other.keys().filter(|key| one.get(*key).is_none());
    own.chain(lacking.map(|key| (key.as_str(), None))).collect()
}
