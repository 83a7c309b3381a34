//! `ci/run.sh`, which the GitHub Action and the GitLab template run: exit codes and outputs.
//! Nothing is started.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(scenarios: &str, more: &[(&str, &str)], folder: &Path) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ci/run.sh");
    Command::new(script)
        .current_dir(folder)
        .env("ACKPROOF", env!("CARGO_BIN_EXE_ackproof"))
        .env("SCENARIOS", scenarios)
        .env("ARGS", "--dry-run")
        .env("GITHUB_OUTPUT", folder.join("output"))
        .env_remove("GITHUB_STEP_SUMMARY")
        .envs(more.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn its_exit_code_is_that_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let output = |more: &[(&str, &str)], scenarios| run(scenarios, more, folder.path());
    let planned = output(&[], "broker-kill consumer-kill");
    assert_eq!(planned.status.code(), Some(0), "{planned:?}");
    let told = fs::read_to_string(folder.path().join("output")).unwrap();
    assert_eq!(told, "exit-code=0\nout=ackproof-run\n");
    let misspelt = output(&[], "broker-kil");
    assert_eq!(misspelt.status.code(), Some(2), "{misspelt:?}");
    let absent = output(&[("ACKPROOF", "no-such-program")], "broker-kill");
    assert_eq!(absent.status.code(), Some(4), "{absent:?}");
}
