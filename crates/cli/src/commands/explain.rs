//! `ackproof explain`: a scenario's plan before anything happens, or what an
//! anomaly, a claim or a rule of the audit means.

use model::anomaly::{Anomaly, Fact};
use model::claim::Claim;
use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::defaults::{ClientKind, unset};
use model::scenario::{EMBEDDED, near};
use serde_json::{Value, json};

use crate::args::{DataFormat, ExplainArgs};
use crate::catalogue;
use crate::exit::Exit;
use crate::explanation::{Seed, explain as explain_plan};
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::selection::{On, embedded_scenarios, is_selection, select, suites};
use crate::text::Page;

/// The names that stand for a whole catalogue.
const ANOMALIES: &str = "anomalies";
const CLAIMS: &str = "claims";
const RULES: &str = "rules";

/// Names that are suggested, at most.
const SUGGESTIONS_MAX: usize = 3;
/// Parts of names shorter than this are parts of too many.
const PART_CHARS_MIN: usize = 3;

/// A name that is nothing's.
#[derive(Debug, thiserror::Error)]
#[error("there is no scenario, suite, anomaly, claim or rule `{name}`{suggestion}")]
struct Unknown {
    name: String,
    suggestion: String,
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let clients = args.clients.chosen();
    let seed = args.seed.map_or(Seed::Open, Seed::Given);
    let mut page = Page::for_output();
    let mut explained = Vec::new();
    let (scenarios, others): (Vec<String>, Vec<String>) = args
        .names
        .iter()
        .cloned()
        .partition(|name| is_selection(name));
    let selection =
        select(&scenarios, On::OwnBrokers, &clients).map_err(|error| Failure::usage(&error))?;
    if let Some(name) = others.iter().find(|name| !is_explained(name)) {
        return Err(Failure::usage(&unknown(name)));
    }
    for scenario in selection.scenarios {
        let mut plan = ScenarioPlan::new(scenario, args.seed.unwrap_or(0), RunId::new(0), 1);
        plan.scenario.put_in_force(&clients);
        if args.format == DataFormat::Json {
            explained.push(plan_data(&plan));
        } else {
            explain_plan(&mut page, &plan, seed);
        }
    }
    for name in &others {
        if args.format == DataFormat::Json {
            explained.extend(catalogue_data(name));
            continue;
        }
        match name.as_str() {
            ANOMALIES => catalogue::anomalies(&mut page),
            CLAIMS => catalogue::claims(&mut page),
            RULES => catalogue::rules(&mut page),
            _ => {}
        }
        // One name is both: `commit-order`.
        if let Some(anomaly) = Anomaly::ALL.iter().find(|it| is_name(it.name(), name)) {
            catalogue::anomaly(&mut page, *anomaly);
        }
        if let Some(claim) = Claim::ALL.iter().find(|it| is_name(it.name(), name)) {
            catalogue::claim(&mut page, *claim);
        }
        if let Some(rule) = audit::rules::find(name) {
            catalogue::rule(&mut page, rule);
        }
    }
    if args.format == DataFormat::Json {
        return data(&explained);
    }
    print(&page.into_text())?;
    Ok(Exit::Held)
}

fn is_explained(name: &str) -> bool {
    name == ANOMALIES
        || name == CLAIMS
        || name == RULES
        || audit::rules::find(name).is_some()
        || Anomaly::ALL.iter().any(|it| is_name(it.name(), name))
        || Claim::ALL.iter().any(|it| is_name(it.name(), name))
}

fn data(explained: &[Value]) -> Result<Exit, Failure> {
    print_raw(&format!("{:#}\n", Value::from(explained)))?;
    Ok(Exit::Held)
}

/// A scenario's plan for other programs: what it is made of, and what follows
/// from that.
fn plan_data(plan: &ScenarioPlan) -> Value {
    let scenario = &plan.scenario;
    let groups = scenario.groups.iter();
    let clients = scenario
        .producers
        .iter()
        .zip(0..)
        .map(|(it, number): (_, u32)| {
            (
                format!("producer {number}"),
                ClientKind::Producer,
                &it.client,
                &it.config,
            )
        })
        .chain(groups.map(|it| {
            (
                format!("group {}", it.name),
                ClientKind::Consumer,
                &it.client,
                &it.config,
            )
        }))
        .chain(scenario.transforms.iter().flat_map(|it| {
            let who = |what: &str| format!("{what} of {}", it.name);
            [
                (
                    who("consumers"),
                    ClientKind::Consumer,
                    &it.client,
                    &it.config,
                ),
                (
                    who("producers"),
                    ClientKind::Producer,
                    &it.client,
                    &it.producer_config,
                ),
            ]
        }));
    let clients = clients.map(|(who, kind, client, config)| {
        let unset = unset(kind, client, config).map(|it| {
            json!({"key": it.key, "value": it.value, "java": it.java, "differs": it.differs()})
        });
        json!({
            "client": who,
            "library": client,
            "config": config,
            "defaults": unset.collect::<Vec<_>>(),
        })
    });
    json!({
        "kind": "scenario",
        "name": scenario.name,
        "scenario": scenario,
        "fault_delays_ms": plan.fault_delays_ms,
        "must_happen": scenario.occurrences().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "clients": clients.collect::<Vec<_>>(),
        "min_duration_ms": plan.schedule_ms(),
    })
}

/// What a name of the catalogue means, or all names of one.
fn catalogue_data(name: &str) -> Vec<Value> {
    let anomalies = Anomaly::ALL.iter();
    let anomalies = anomalies.filter(|it| name == ANOMALIES || is_name(it.name(), name));
    let facts = |facts: &[Fact]| -> Vec<Value> {
        let facts = facts.iter();
        facts
            .map(|it| json!({"fact": it.what, "source": it.source}))
            .collect()
    };
    let anomalies = anomalies.map(|anomaly| {
        let of = anomaly.definition();
        json!({
            "kind": "anomaly",
            "name": anomaly,
            "meaning": of.meaning,
            "definition": of.definition,
            "excludes": of.excludes,
            "history": of.history,
            "clean_history": of.twin,
            "permitted_by": facts(of.permitted_by),
            "prevented_by": facts(of.prevented_by),
            "jepsen": of.jepsen,
        })
    });
    let claims = Claim::ALL.iter();
    let claims = claims.filter(|it| name == CLAIMS || is_name(it.name(), name));
    let claims = claims.map(|claim| {
        json!({
            "kind": "claim",
            "name": claim,
            "meaning": claim.meaning(),
            "contradicted_by": claim.contradicted_by(),
        })
    });
    let rules = audit::rules::all().filter(|it| name == RULES || is_name(it.id, name));
    let rules = rules.map(|rule| {
        json!({
            "kind": "rule",
            "name": rule.id,
            "severity": rule.severity,
            "confidence": rule.confidence,
            "meaning": rule.title,
            "consequence": rule.consequence,
            "fix": rule.fix,
            "source": rule.source,
            "shown_by": rule.shown_by,
        })
    });
    anomalies.chain(claims).chain(rules).collect()
}

/// Names match in either case: `g1a` is `G1a`.
const fn is_name(known: &str, name: &str) -> bool {
    known.eq_ignore_ascii_case(name)
}

fn unknown(name: &str) -> Unknown {
    let scenarios = embedded_scenarios().unwrap_or_default();
    let known = || {
        EMBEDDED
            .iter()
            .map(|(name, _)| *name)
            .chain(suites(&scenarios))
            .chain(Anomaly::ALL.iter().map(|it| it.name()))
            .chain(Claim::ALL.iter().map(|it| it.name()))
            .chain(audit::rules::all().map(|it| it.id))
            .chain([ANOMALIES, CLAIMS, RULES])
    };
    let with_part = known().filter(|it| name.len() >= PART_CHARS_MIN && it.contains(name));
    let mut suggested: Vec<String> = Vec::new();
    let near = near(name, known()).into_iter();
    for near in near.filter(|_| !name.is_empty()).chain(with_part) {
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
