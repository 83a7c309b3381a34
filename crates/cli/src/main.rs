//! The `ackproof` binary: arguments to settings, progress, exit codes.

mod alert_watch;
mod args;
mod catalogue;
mod circumstances;
mod commands;
mod display;
mod events;
mod exit;
mod explanation;
mod failure;
mod import_summary;
mod imported;
mod interrupt;
mod judgement;
mod kept_events;
mod live;
mod log_excerpts;
mod machine;
mod matrix_table;
mod output;
mod provision;
mod recorded;
mod rerun;
mod run_dir;
#[cfg(test)]
mod sample;
mod secured;
mod selection;
mod settings;
mod stdin_copy;
mod step_summary;
mod style;
mod summary;
mod text;
mod version;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser as _};
use secret::Secrets;
use tokio::runtime::Builder;

use crate::args::{AlertsCommand, Cli, Command, HistoryCommand, StackCommand, SubjectCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::VIOLATED;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return tell(&meant(told)),
    };
    let exit = carry_out(&cli.command).unwrap_or_else(|failure| {
        output::note(&format!("{VIOLATED}error{VIOLATED:#}: {failure}\n"));
        failure.exit()
    });
    ExitCode::from(exit.code())
}

/// Help, the version, or what is wrong with the arguments: these may hold an
/// address with a password, and are quoted in an error.
fn tell(told: &clap::Error) -> ExitCode {
    let given: Vec<String> = std::env::args().collect();
    let infos = given.iter().filter_map(|argument| {
        let (info, _) = argument.rsplit_once('@')?;
        let info = info.split_once("://").map_or(info, |(_, info)| info);
        Some(("password", info))
    });
    let secrets = Secrets::of(infos);
    if told.exit_code() == 0 || secrets.is_empty() {
        // Without a terminal there is no place for a message.
        let _ = told.print();
    } else {
        output::note(&secrets.scrub(&told.render().ansi().to_string()));
    }
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(Exit::Usage.code()))
}

/// Names the command that was meant, where the parser finds none near enough.
fn meant(error: clap::Error) -> clap::Error {
    let mut told = error;
    let is_open = told.get(ContextKind::SuggestedSubcommand).is_none();
    if let Some(ContextValue::String(given)) = told.get(ContextKind::InvalidSubcommand)
        && is_open
    {
        let command = Cli::command();
        let names = command.get_subcommands().filter(|it| !it.is_hide_set());
        if let Some(near) = model::scenario::nearest(given, names.map(clap::Command::get_name)) {
            let near = ContextValue::Strings(vec![near.to_owned()]);
            told.insert(ContextKind::SuggestedSubcommand, near);
        }
    }
    told
}

fn carry_out(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => in_runtime(commands::run::run(args)),
        Command::Matrix(args) => in_runtime(commands::matrix::matrix(args)),
        Command::Bench(args) => in_runtime(commands::bench::bench(args)),
        Command::Cleanup(args) => in_runtime(commands::cleanup::cleanup(args)),
        Command::Init(args) => commands::init::init(args),
        Command::List(args) => commands::list::list(args),
        Command::Explain(args) => commands::explain::explain(args),
        Command::Check(args) => commands::check::check(args),
        Command::Diff(args) => commands::diff::diff(args),
        Command::Audit(args) => in_runtime(commands::audit::audit(args)),
        Command::History(HistoryCommand::Stats(args)) => commands::histories::stats(args),
        Command::History(HistoryCommand::Export(args)) => commands::histories::export(args),
        Command::History(HistoryCommand::Merge(args)) => commands::histories::merge(args),
        Command::Stack(StackCommand::Up(args)) => in_runtime(commands::local_stack::up(args)),
        Command::Stack(StackCommand::Down(args)) => in_runtime(commands::local_stack::down(args)),
        Command::Stack(StackCommand::Status(args)) => commands::local_stack::status(args),
        Command::Stack(StackCommand::Fetch(args)) => in_runtime(commands::local_stack::fetch(args)),
        Command::Lag(args) => in_runtime(commands::lag::lag(args)),
        Command::Alerts(AlertsCommand::Init(args)) => commands::alerts::init(args),
        Command::Proxy(args) => {
            let mut runtime = Builder::new_multi_thread();
            runtime.worker_threads(commands::fault_proxy::workers());
            within(&mut runtime, commands::fault_proxy::proxy(args))
        }
        Command::Doctor(args) => in_runtime(commands::doctor::doctor(args)),
        Command::Completions { shell } => commands::completions::completions(*shell),
        Command::Man { dir } => commands::man::man(dir),
        Command::Subject(SubjectCommand::Check(args)) => commands::subject_check::check(args),
        Command::Subject(SubjectCommand::Serve(args)) => commands::subject_check::serve(args),
        Command::DriveClient => commands::client::drive(),
        Command::DieWithParent { parent, command } => {
            commands::client::die_with_parent(*parent, command)
        }
    }
}

/// Carries out a command that waits for processes and the network.
fn in_runtime(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    within(&mut Builder::new_multi_thread(), command)
}

/// The same in a runtime like this.
fn within(
    runtime: &mut Builder,
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    /// The machine has no threads or file descriptors left.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot start the runtime")]
    struct RuntimeError(#[source] std::io::Error);

    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(&RuntimeError(error)))?;
    let exit = runtime.block_on(command);
    // A download that was interrupted is not waited for.
    runtime.shutdown_background();
    exit
}
