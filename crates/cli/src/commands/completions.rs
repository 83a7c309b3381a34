//! `ackproof completions`.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::EMBEDDED;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::print;
use crate::selection::{ALL, embedded_scenarios, suites};

pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let (mut script, mut after) = (Vec::new(), String::new());
    let names = Names::new()?;
    if shell == Shell::Fish {
        // Its script leaves out what can stand in places, and may be added to.
        for (command, names) in [("run", &names.run), ("explain", &names.explain)] {
            let names = names.join(" ");
            let _ = writeln!(
                after,
                "complete -c ackproof -n \"__fish_ackproof_using_subcommand {command}\" -a \"{names}\""
            );
        }
    }
    clap_complete::generate(shell, &mut names.command(), "ackproof", &mut script);
    script.extend(after.bytes());
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Held)
}

/// The names that can stand where scenarios are named; files are left to the
/// shell.
struct Names {
    run: Vec<&'static str>,
    explain: Vec<&'static str>,
}

impl Names {
    fn new() -> Result<Self, Failure> {
        let scenarios = embedded_scenarios().map_err(|error| Failure::usage(&error))?;
        // The parser wants names that live as long as the program, which ends now.
        let suites = suites(&scenarios).into_iter();
        let mut run: Vec<&'static str> = suites.map(|it| &*it.to_owned().leak()).collect();
        run.push(ALL);
        run.extend(EMBEDDED.iter().map(|(name, _)| *name));
        let mut explain = run.clone();
        explain.extend(Anomaly::ALL.iter().map(|it| it.name()));
        explain.extend(Claim::ALL.iter().map(|it| it.name()));
        explain.sort_unstable();
        explain.dedup();
        Ok(Self { run, explain })
    }

    /// The command line that knows them.
    fn command(&self) -> clap::Command {
        let with = |command: clap::Command, argument: &'static str, names: &[&'static str]| {
            let names = PossibleValuesParser::new(names.iter().copied());
            command.mut_arg(argument, |it| it.value_parser(names))
        };
        Cli::command()
            .mut_subcommand("run", |command| with(command, "names", &self.run))
            .mut_subcommand("explain", |command| with(command, "names", &self.explain))
    }
}
