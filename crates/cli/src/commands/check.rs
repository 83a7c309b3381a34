//! `ackproof check`: the verdict again, from the recorded files only. Changes
//! nothing in the run directory.

use std::fmt::Write as _;

use checker::Examples;
use report::verdict_json;

use crate::args::{CheckArgs, Format};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::judgement::judge_run;
use crate::lines;
use crate::output::{print, print_raw};
use crate::run_dir::RunDir;

pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let dir = RunDir::open(&args.run_dir);
    let plan = dir.plan().map_err(|error| {
        Failure::usage(&error).hint("name a directory that `ackproof run` has written")
    })?;
    let asked = args.examples.map(usize::from);
    let examples = asked.map_or_else(Examples::default, Examples::at_most);
    let verdict = judge_run(&dir, &plan, examples).map_err(|error| {
        Failure::usage(&error).hint(
            "the file is not as it was recorded: check a copy of the directory, if there is one",
        )
    })?;
    match args.format {
        Format::Json => {
            print_raw(&verdict_json(&verdict).map_err(|error| Failure::environment(&error))?)?;
        }
        Format::Human => {
            let mut text = lines::header(&plan);
            let name_chars = lines::name_chars(&plan);
            let proofs = asked.unwrap_or(lines::PROOFS_SHOWN);
            for (planned, judged) in plan.scenarios.iter().zip(&verdict.scenarios) {
                text.push_str(&lines::scenario(planned, judged, name_chars, proofs));
            }
            let _ = writeln!(text, "  {}", lines::summary(&verdict));
            print(&text)?;
        }
    }
    Ok(Exit::from(verdict.verdict))
}
