//! `ackproof explain`: a scenario's plan before anything happens, or what an
//! anomaly or a claim means.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::{EMBEDDED, near};

use crate::args::ExplainArgs;
use crate::catalogue;
use crate::exit::Exit;
use crate::explanation::{Seed, explain as explain_plan};
use crate::failure::Failure;
use crate::output::print;
use crate::page::Page;
use crate::selection::select_scenario;

/// The names that stand for a whole catalogue.
const ANOMALIES: &str = "anomalies";
const CLAIMS: &str = "claims";

/// Names that are suggested, at most.
const SUGGESTIONS_MAX: usize = 3;
/// Parts of names shorter than this are parts of too many.
const PART_CHARS_MIN: usize = 3;

/// A name that is nothing's.
#[derive(Debug, thiserror::Error)]
#[error("there is no scenario, anomaly or claim `{name}`{suggestion}")]
struct Unknown {
    name: String,
    suggestion: String,
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let name = args.name.as_str();
    let scenario = select_scenario(name).map_err(|error| Failure::usage(&error))?;
    let mut page = Page::for_output();
    if let Some(scenario) = scenario {
        let seed = args.seed.map_or(Seed::Open, Seed::Given);
        let plan = ScenarioPlan::new(scenario, args.seed.unwrap_or(0), RunId::new(0), 1);
        engine::check_configs(&plan).map_err(|error| Failure::usage(&error))?;
        explain_plan(&mut page, &plan, seed);
    } else if name == ANOMALIES {
        catalogue::anomalies(&mut page);
    } else if name == CLAIMS {
        catalogue::claims(&mut page);
    } else {
        // One name is both: `commit-order`.
        let anomaly = Anomaly::ALL.iter().find(|it| is_name(it.name(), name));
        let claim = Claim::ALL.iter().find(|it| is_name(it.name(), name));
        if anomaly.is_none() && claim.is_none() {
            return Err(Failure::usage(&unknown(name)));
        }
        if let Some(anomaly) = anomaly {
            catalogue::anomaly(&mut page, *anomaly);
        }
        if let Some(claim) = claim {
            catalogue::claim(&mut page, *claim);
        }
    }
    print(&page.into_text())?;
    Ok(Exit::Held)
}

/// Nobody should have to know how the G of G1a is written.
const fn is_name(known: &str, name: &str) -> bool {
    known.eq_ignore_ascii_case(name)
}

fn unknown(name: &str) -> Unknown {
    let known = || {
        EMBEDDED
            .iter()
            .map(|(name, _)| *name)
            .chain(Anomaly::ALL.iter().map(|it| it.name()))
            .chain(Claim::ALL.iter().map(|it| it.name()))
            .chain([ANOMALIES, CLAIMS])
    };
    let with_part = known().filter(|it| name.len() >= PART_CHARS_MIN && it.contains(name));
    let mut suggested: Vec<String> = Vec::new();
    for near in near(name, known()).into_iter().chain(with_part) {
        let near = format!("`{near}`");
        if suggested.len() < SUGGESTIONS_MAX && !suggested.contains(&near) {
            suggested.push(near);
        }
    }
    Unknown {
        name: name.to_owned(),
        suggestion: match suggested.as_slice() {
            [] => ": see `ackproof list` and `ackproof explain anomalies`".to_owned(),
            [near @ .., last] if !near.is_empty() => {
                format!("; did you mean {} or {last}?", near.join(", "))
            }
            [near, ..] => format!("; did you mean {near}?"),
        },
    }
}
