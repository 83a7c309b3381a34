//! From names on the command line to scenarios. Knows where scenarios come
//! from (the binary, files); nothing of what is done with them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use model::scenario::{EMBEDDED, Scenario, ScenarioError, embedded, nearest, parse};

/// The name that stands for every embedded scenario.
pub(crate) const ALL: &str = "all";

/// Why a name selects nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("there is no suite or scenario `{name}`{}", did_you_mean(suggestion.as_deref()))]
    Unknown {
        name: String,
        suggestion: Option<String>,
    },
    #[error("cannot read the scenario file {file}")]
    Unreadable { file: String, source: io::Error },
    #[error(transparent)]
    Malformed(#[from] ScenarioError),
    #[error("two different scenarios are named `{name}`: rename one of them")]
    Ambiguous { name: String },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(
        || ": see `ackproof list`".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

/// Every embedded scenario, in the order of running.
pub(crate) fn embedded_scenarios() -> Result<Vec<Scenario>, SelectionError> {
    EMBEDDED
        .iter()
        .map(|(name, text)| Ok(parse(name, text)?))
        .collect()
}

/// The suites of the embedded scenarios, in the order of running.
pub(crate) fn suites(scenarios: &[Scenario]) -> Vec<&str> {
    let mut suites: Vec<&str> = Vec::new();
    for scenario in scenarios {
        if !suites.contains(&scenario.suite.as_str()) {
            suites.push(&scenario.suite);
        }
    }
    suites
}

/// What names select.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Each scenario once, in the order named.
    pub(crate) scenarios: Vec<Scenario>,
    /// Those that were named themselves, and not only by a suite.
    pub(crate) by_name: BTreeSet<String>,
}

/// The scenarios that the names select.
pub(crate) fn select(names: &[String]) -> Result<Selection, SelectionError> {
    let known = embedded_scenarios()?;
    let mut by_name = BTreeSet::new();
    let mut selected: Vec<Scenario> = Vec::new();
    for name in names {
        let is_one = is_file(name) || embedded(name).is_some();
        for scenario in select_one(name, &known)? {
            if is_one {
                by_name.insert(scenario.name.clone());
            }
            match selected.iter().find(|other| other.name == scenario.name) {
                None => selected.push(scenario),
                Some(other) if *other == scenario => {}
                // Their evidence would lie in one folder.
                Some(_) => {
                    return Err(SelectionError::Ambiguous {
                        name: scenario.name,
                    });
                }
            }
        }
    }
    Ok(Selection {
        scenarios: selected,
        by_name,
    })
}

/// The one scenario of that name, or in that file.
pub(crate) fn select_scenario(name: &str) -> Result<Option<Scenario>, SelectionError> {
    if is_file(name) {
        return read(name).map(Some);
    }
    embedded(name)
        .map(|text| parse(name, text).map_err(SelectionError::from))
        .transpose()
}

fn select_one(name: &str, known: &[Scenario]) -> Result<Vec<Scenario>, SelectionError> {
    if is_file(name) {
        return Ok(vec![read(name)?]);
    }
    let matches: Vec<Scenario> = known
        .iter()
        .filter(|scenario| name == ALL || scenario.suite == name || scenario.name == name)
        .cloned()
        .collect();
    if matches.is_empty() {
        let names = known.iter().map(|scenario| scenario.name.as_str());
        let candidates = names.chain(suites(known)).chain([ALL]);
        return Err(SelectionError::Unknown {
            name: name.to_owned(),
            suggestion: nearest(name, candidates).map(str::to_owned),
        });
    }
    Ok(matches)
}

/// A name of ours has neither a slash nor this ending.
fn is_file(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|it| it == "toml")
}

fn read(file: &str) -> Result<Scenario, SelectionError> {
    let text = fs::read_to_string(file).map_err(|source| SelectionError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    Ok(parse(file, &text)?)
}
