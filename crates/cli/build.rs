//! Says which commit this is, where it is built in the repository it belongs to.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=ACKPROOF_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    // Who builds from an archive may say it.
    if std::env::var_os("ACKPROOF_COMMIT").is_some() {
        return;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&ours).args(args).output();
        let output = output.ok().filter(|output| output.status.success())?;
        let said = String::from_utf8(output.stdout).ok()?;
        Some(said.trim().to_owned())
    };
    // An archive unpacked inside another repository is not of a commit there.
    let top = git(&["rev-parse", "--show-toplevel"]);
    let is_ours = top.is_some_and(|top| {
        let same = |path: &Path| path.canonicalize().ok();
        same(Path::new(&top)).is_some_and(|top| Some(top) == same(&ours))
    });
    if !is_ours {
        return;
    }
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            let path = ours.join(path);
            if path.exists() {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo:rustc-env=ACKPROOF_COMMIT={commit}");
    }
}
