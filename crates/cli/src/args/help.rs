//! What `--help` prints, for every command: a change of it is seen in review.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::Cli;

fn help(command: &mut Command, of: &str, all: &mut String) {
    let name = format!("{of}{}", command.get_name());
    writeln!(all, "==== {name}\n{}", command.render_long_help()).unwrap();
    let commands = command.get_subcommands_mut();
    for inner in commands.filter(|it| it.get_name() != "help" && !it.is_hide_set()) {
        help(inner, &format!("{name} "), all);
    }
}

#[test]
fn of_every_command() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut all = String::new();
    help(&mut command, "", &mut all);
    insta::assert_snapshot!(all);
}
