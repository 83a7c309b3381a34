//! `ackproof explain`: a scenario's plan before anything happens, or what an
//! anomaly or a claim means.

use std::fmt::Write as _;

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::{EMBEDDED, nearest};

use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::explanation::{Seed, explain as explain_plan};
use crate::failure::Failure;
use crate::output::print;
use crate::selection::select_scenario;
use crate::style::STRONG;

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
    let text = if let Some(scenario) = scenario {
        let seed = args.seed.map_or(Seed::Open, Seed::Given);
        let plan = ScenarioPlan::new(scenario, args.seed.unwrap_or(0), RunId::new(0), 1);
        explain_plan(&plan, seed)
    } else {
        let anomaly = Anomaly::ALL.iter().find(|it| it.name() == name);
        let claim = Claim::ALL.iter().find(|it| it.name() == name);
        // One name is both: `commit-order`.
        let text: String = anomaly
            .map(|it| about_anomaly(*it))
            .into_iter()
            .chain(claim.map(|it| about_claim(*it)))
            .collect();
        if text.is_empty() {
            return Err(Failure::usage(&unknown(name)));
        }
        text
    };
    print(&text)?;
    Ok(Exit::Held)
}

fn about_anomaly(anomaly: Anomaly) -> String {
    let mut out = format!(
        "{STRONG}{anomaly}{STRONG:#} (anomaly)\n  {}\n",
        anomaly.meaning()
    );
    let against: Vec<&str> = Claim::ALL
        .iter()
        .filter(|claim| claim.contradicted_by().contains(&anomaly))
        .map(|claim| claim.name())
        .collect();
    let _ = writeln!(out, "  It contradicts: {}.", against.join(", "));
    out
}

fn about_claim(claim: Claim) -> String {
    let mut out = format!(
        "{STRONG}{claim}{STRONG:#} (claim)\n  It says that {}.\n",
        claim.meaning()
    );
    let against: Vec<&str> = claim.contradicted_by().iter().map(|it| it.name()).collect();
    let _ = if against.is_empty() {
        writeln!(out, "  It is judged by a measurement.")
    } else {
        writeln!(out, "  It is contradicted by: {}.", against.join(", "))
    };
    out
}

fn unknown(name: &str) -> Unknown {
    let known = EMBEDDED
        .iter()
        .map(|(name, _)| *name)
        .chain(Anomaly::ALL.iter().map(|it| it.name()))
        .chain(Claim::ALL.iter().map(|it| it.name()));
    Unknown {
        name: name.to_owned(),
        suggestion: nearest(name, known).map_or_else(
            || ": see `ackproof list`".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        ),
    }
}
