//! From names on the command line to scenarios that can be carried out. Knows
//! where scenarios come from (the binary, files, folders); nothing of what is
//! done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::client::ChosenClients;
use model::scenario::{
    EMBEDDED, Problem, Scenario, ScenarioError, embedded, locate, nearest, parse, parse_for_cluster,
};

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
    #[error("{0} has no scenario files: their names end in .toml")]
    Empty(String),
    #[error(transparent)]
    Malformed(#[from] ScenarioError),
    #[error("two different scenarios are named `{name}`: rename one of them")]
    Ambiguous { name: String },
    /// Each mistake once, for a user who named several things.
    #[error("{}", each(.0))]
    Several(Vec<SelectionError>),
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(
        || ": see `ackproof list`".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

fn each(errors: &[SelectionError]) -> String {
    let each: Vec<String> = errors.iter().map(|it| crate::failure::chain(it)).collect();
    each.join("\nerror: ")
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

/// What scenarios are to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Brokers of their own, as many as they say.
    OwnBrokers,
    /// A cluster of the user's, with as many as it has.
    Cluster,
}

/// What names select.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Each scenario once, in the order named.
    pub(crate) scenarios: Vec<Scenario>,
    /// Those that were named themselves, and not only by a suite.
    pub(crate) by_name: BTreeSet<String>,
    /// By scenario, the file that it was read from, as the user named it.
    pub(crate) files: BTreeMap<String, String>,
}

/// The scenarios that the names select, each of which can be carried out as
/// far as that can be known without a cluster: those of ours with their own
/// clients, and the user's with the chosen ones.
pub(crate) fn select(
    names: &[String],
    on: On,
    clients: &ChosenClients,
) -> Result<Selection, SelectionError> {
    let known = embedded_scenarios()?;
    let mut selection = Selection::default();
    let mut errors = Vec::new();
    for name in names {
        match find(name, &known, on, clients) {
            Ok(found) => {
                for one in found {
                    if let Err(error) = selection.add(one) {
                        errors.push(error);
                    }
                }
            }
            Err(SelectionError::Several(several)) => errors.extend(several),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(selection),
        1 => Err(errors.remove(0)),
        _ => Err(SelectionError::Several(errors)),
    }
}

/// A scenario, whether it was named itself, and its file if it has one.
struct Found {
    scenario: Scenario,
    is_named: bool,
    file: Option<String>,
}

impl Selection {
    fn add(&mut self, found: Found) -> Result<(), SelectionError> {
        let name = found.scenario.name.clone();
        match self.scenarios.iter().find(|other| other.name == name) {
            None => self.scenarios.push(found.scenario),
            Some(other) if *other == found.scenario => {}
            // Their evidence would lie in one folder.
            Some(_) => return Err(SelectionError::Ambiguous { name }),
        }
        if let Some(file) = found.file {
            self.files.insert(name.clone(), file);
        }
        if found.is_named {
            self.by_name.insert(name);
        }
        Ok(())
    }
}

/// Whether a name is a scenario's, a suite's, a file's or a folder's.
pub(crate) fn is_selection(name: &str) -> bool {
    is_place(name)
        || name == ALL
        || embedded_scenarios()
            .is_ok_and(|known| known.iter().any(|it| it.name == name || it.suite == name))
}

fn find(
    name: &str,
    known: &[Scenario],
    on: On,
    clients: &ChosenClients,
) -> Result<Vec<Found>, SelectionError> {
    if is_place(name) {
        return read_place(name, on, clients);
    }
    let found: Vec<Found> = known
        .iter()
        .filter(|scenario| name == ALL || scenario.suite == name || scenario.name == name)
        .map(|scenario| Found {
            is_named: scenario.name == name,
            scenario: scenario.clone(),
            file: None,
        })
        .collect();
    if found.is_empty() {
        let names = known.iter().map(|scenario| scenario.name.as_str());
        let candidates = names.chain(suites(known)).chain([ALL]);
        return Err(SelectionError::Unknown {
            name: name.to_owned(),
            suggestion: nearest(name, candidates).map(str::to_owned),
        });
    }
    for one in &found {
        let text = embedded(&one.scenario.name).unwrap_or_default();
        let own = ChosenClients::default();
        possible(&one.scenario, &own, &one.scenario.name, text)?;
    }
    Ok(found)
}

/// A name of ours has neither a slash nor this ending; a folder is told by
/// being there.
fn is_place(name: &str) -> bool {
    name.contains('/')
        || Path::new(name).extension().is_some_and(|it| it == "toml")
        || (embedded(name).is_none() && Path::new(name).is_dir())
}

/// The scenario in a file, or those in a folder's files.
fn read_place(place: &str, on: On, clients: &ChosenClients) -> Result<Vec<Found>, SelectionError> {
    if !Path::new(place).is_dir() {
        let scenario = read(place, on, clients)?;
        return Ok(vec![Found {
            scenario,
            is_named: true,
            file: Some(place.to_owned()),
        }]);
    }
    let unreadable = |source| SelectionError::Unreadable {
        file: place.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|it| it == "toml") && path.is_file() {
            files.push(path.display().to_string());
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(SelectionError::Empty(place.to_owned()));
    }
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        match read(&file, on, clients) {
            Ok(scenario) => found.push(Found {
                scenario,
                is_named: false,
                file: Some(file),
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(SelectionError::Several(errors))
    }
}

fn read(file: &str, on: On, clients: &ChosenClients) -> Result<Scenario, SelectionError> {
    let text = fs::read(file).and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not a text in UTF-8"))
    });
    let text = text.map_err(|source| SelectionError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let scenario = match on {
        On::OwnBrokers => parse(file, &text)?,
        On::Cluster => parse_for_cluster(file, &text)?,
    };
    // Its results would be taken for those of the other.
    if let Some(ours) = embedded(&scenario.name)
        && parse(&scenario.name, ours)? != scenario
    {
        let message = format!(
            "`{}` is the name of another scenario, which ackproof has itself: give this one a \
             name of its own",
            scenario.name
        );
        let problem = Problem::new(["name".into()], message);
        return Err(locate(file, &text, &problem).into());
    }
    possible(&scenario, clients, file, &text)?;
    Ok(scenario)
}

/// That nothing in a scenario is such that it could never be carried out.
fn possible(
    scenario: &Scenario,
    clients: &ChosenClients,
    file: &str,
    text: &str,
) -> Result<(), SelectionError> {
    let mut plan = ScenarioPlan::new(scenario.clone(), 0, RunId::new(0), 1);
    // With other clients than it is about it is not run.
    if scenario.misfits_clients(clients).is_empty() {
        plan.scenario.put_in_force(clients);
    }
    engine::check(&plan).map_err(|problem| locate(file, text, &problem).into())
}
