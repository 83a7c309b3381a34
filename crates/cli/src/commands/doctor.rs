//! `ackproof doctor`: what is there, what is missing, what to do.

use std::fmt::Write as _;
use std::path::Path;

use stack::artefacts::{Parts, supported};
use stack::cache::Cache;
use stack::diagnose::{Health, diagnose};

use crate::args::VersionArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use crate::settings::artefacts;
use crate::style::{HELD, INCONCLUSIVE, VIOLATED};

pub(crate) async fn doctor(args: &VersionArgs) -> Result<Exit, Failure> {
    let cache = Cache::user().map_err(|error| Failure::environment(&error))?;
    let request = artefacts(args, Parts::KafkaAndCdc);
    supported(&request).map_err(|error| Failure::usage(&error))?;
    let diagnoses = diagnose(&cache, &request, Path::new(".")).await;
    let subject_chars = diagnoses
        .iter()
        .map(|diagnosis| diagnosis.subject.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for diagnosis in &diagnoses {
        let (style, word) = match diagnosis.health {
            Health::Good => (HELD, "ok"),
            Health::Degraded => (INCONCLUSIVE, "not yet"),
            Health::Bad => (VIOLATED, "missing"),
        };
        let _ = writeln!(
            out,
            "  {style}{word:7}{style:#}  {:subject_chars$}  {}",
            diagnosis.subject, diagnosis.found
        );
        if let Some(advice) = &diagnosis.advice {
            let _ = writeln!(out, "  {:7}  {:subject_chars$}  hint: {advice}", "", "");
        }
    }
    let worst = diagnoses.iter().map(|it| it.health).max();
    let _ = writeln!(
        out,
        "  {}",
        match worst {
            None | Some(Health::Good) => "Everything is there.",
            Some(Health::Degraded) =>
                "Ready, as far as this machine goes; the first run has something to fetch or make.",
            Some(Health::Bad) => "Required components are missing.",
        }
    );
    print(&out)?;
    Ok(match worst {
        Some(Health::Bad) => Exit::Environment,
        _ => Exit::Held,
    })
}
