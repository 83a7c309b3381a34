//! Whole runs on the real stack: faults that were not carried out must not
//! pass, and nothing may outlive ackproof, however it ends.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::event::Body;
use model::plan::RunPlan;
use rustix::process::Signal;
use serde_json::Value;

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

const PRODUCER: &str = r#"
[[topic]]
name = "t"
partitions = 2
replication_factor = 1

[[producer]]
topic = "t"
records = 200
records_per_s = 100
record_bytes = 200
config = { acks = "all" }

[[guarantee]]
claim = "no-loss"
"#;

/// A short scenario whose fault is announced and not carried out.
fn pretended(name: &str, more: &str) -> String {
    let head = format!("name = \"{name}\"\ntitle = \"Pretended\"\n");
    format!("{head}{more}")
}

fn run(scenario: &str, out: &Path) -> Command {
    let mut command = ackproof();
    command.args(["run", scenario, "--out"]).arg(out);
    command
}

fn read_verdict(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("verdict.json")).unwrap()).unwrap()
}

/// Every process below `root`, by their parents as the kernel names them.
fn descendants(root: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let after_name = stat.rsplit_once(") ")?.1;
            Some((pid, after_name.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        for (pid, parent) in &parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            found.remove(&root);
            return found;
        }
    }
}

/// Those that are there and have not ended.
fn alive(pids: &BTreeSet<u32>) -> Vec<u32> {
    let runs = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    pids.iter().copied().filter(runs).collect()
}

#[test]
fn a_fault_that_was_only_announced_makes_the_run_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = r#"
[[group]]
name = "g"
topic = "t"
records_per_s = 200
commit_every_records = 10
"#;
    let transform = r#"
[[topic]]
name = "u"
partitions = 2
replication_factor = 1

[[transform]]
name = "g"
from = "t"
to = "u"
records_per_s = 200
commit_every_records = 10
transactions = true
record_bytes = 200
"#;
    let capture = r#"
[capture]
connector = "c"
slot = "s"
publication = "p"
prefix = "x"

[[write]]
table = "users"
rows = 20
rows_per_s = 20

[[fault]]
kind = "connector-restart"
tasks = "left"
after = { captured = 3 }

[[guarantee]]
claim = "no-row-missing"
"#;
    let fault = |kind: &str, keys: &str| {
        format!(
            "[[fault]]\nkind = \"{kind}\"\nafter = {{ acknowledged = 50 }}\neffect = \"none\"\n{keys}\n{PRODUCER}"
        )
    };
    let proxied =
        |kind: &str, keys: &str| format!("[topology]\nlink = \"proxy\"\n{}", fault(kind, keys));
    let clustered = |kind: &str, keys: &str| {
        let text = fault(kind, keys).replace("replication_factor = 1", "replication_factor = 3");
        format!("[topology]\nbrokers = 3\nreplication_link = \"proxy\"\n{text}")
    };
    let one_request = "api = \"Produce\"\npick = { first = 1 }\nfor_ms = 600\n".to_owned();
    let scenarios = [
        (
            "stop",
            fault("broker-restart", "signal = \"term\"\ndown_ms = 300"),
        ),
        (
            "kill",
            fault("broker-restart", "signal = \"kill\"\ndown_ms = 300"),
        ),
        ("pause", fault("broker-pause", "for_ms = 600")),
        ("cut", proxied("network-cut", "for_ms = 600")),
        (
            "command",
            fault(
                "command",
                "title = \"it ends\"\ninject = \"exit 1\"\nevidence = \"echo\"\nfor_ms = 600",
            ),
        ),
        ("disk", fault("disk-loss", "topic = \"t\"")),
        ("power", fault("power-loss", "broker = \"all\"")),
        (
            "consumer",
            format!(
                "{}{consumer}",
                fault(
                    "consumer-restart",
                    "group = \"g\"\nsignal = \"kill\"\ndown_ms = 300"
                )
            ),
        ),
        (
            "zombie",
            format!(
                "{}{transform}",
                fault("consumer-zombie", "group = \"g\"\nfor_ms = 300")
            ),
        ),
        ("connector", capture.to_owned()),
        (
            "worker",
            capture
                .replace("connector-restart", "worker-restart")
                .replace(
                    "tasks = \"left\"",
                    "signal = \"kill\"\ndown_ms = 300\neffect = \"none\"",
                ),
        ),
        ("full", fault("disk-full", "topic = \"t\"\nfor_ms = 600")),
        ("answer", proxied("answer-lost", &one_request)),
        (
            "refused",
            proxied(
                "request-refused",
                &format!("{one_request}code = \"NOT_ENOUGH_REPLICAS\"\n"),
            ),
        ),
        (
            "late",
            proxied(
                "request-late",
                "api = \"Produce\"\npick = { first = 1 }\nlate_ms = 100\nfor_ms = 600\n",
            ),
        ),
        (
            "slow",
            proxied("slow-network", "latency_ms = 200\nfor_ms = 600"),
        ),
        (
            "lost",
            clustered("broker-loss", "broker = \"leader\"\ntopic = \"t\""),
        ),
        ("bounce", clustered("rolling-bounce", "")),
        (
            "link",
            clustered(
                "link-cut",
                "broker = \"leader\"\ntopic = \"t\"\nfor_ms = 600",
            ),
        ),
    ];
    let mut command = ackproof();
    command.arg("run");
    for (name, text) in &scenarios {
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, pretended(name, text)).unwrap();
        command.arg(file);
    }
    let out = folder.path().join("out");
    let ran = command
        .args(["--seed", "1", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(
        ran.status.code(),
        Some(3),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );

    let verdict = read_verdict(&out);
    for scenario in verdict["scenarios"].as_array().unwrap() {
        assert_eq!(scenario["verdict"], "INCONCLUSIVE", "{scenario:#}");
        assert_eq!(scenario["faults"][0]["landed"], false, "{scenario:#}");
        let doubt = scenario["doubts"][0].as_str().unwrap();
        assert!(doubt.contains("never took effect"), "{doubt}");
        assert_eq!(scenario["guarantees"][0]["verdict"], "INCONCLUSIVE");
    }
    assert_eq!(
        verdict["scenarios"].as_array().unwrap().len(),
        scenarios.len()
    );
}

#[test]
fn a_killed_ackproof_leaves_no_process_not_even_a_frozen_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = until_in_force(run("broker-pause", &folder.path().join("out")));
    let below = descendants(child.id());
    assert!(below.len() >= 2, "a broker and a producer: {below:?}");
    send(Signal::KILL, &child);
    child.wait().unwrap();
    let since = Instant::now();
    while !alive(&below).is_empty() && since.elapsed() < Duration::from_secs(2) {
        std::thread::yield_now();
    }
    assert_eq!(alive(&below), Vec::<u32>::new());
}

/// Three brokers behind proxies, of which one stands still most of the time.
const CLUSTER: &str = r#"
name = "cluster"
title = "Cluster"

[topology]
brokers = 3
link = "proxy"
replication_link = "proxy"

[[topic]]
name = "t"
partitions = 3
replication_factor = 3

[[producer]]
topic = "t"
records = 2000
records_per_s = 200
record_bytes = 200
config = { acks = "all" }

[[group]]
name = "g"
topic = "t"
records_per_s = 500
commit_every_records = 10

[[fault]]
kind = "broker-pause"
broker = "follower"
topic = "t"
after = { acknowledged = 10 }
for_ms = 3000
times = 3
pause_ms = 200

[[fault]]
kind = "link-cut"
broker = "leader"
topic = "t"
after = { acknowledged = 50 }
for_ms = 2000

[[guarantee]]
claim = "no-loss"
"#;

/// Every process whose command line names the folder.
fn naming(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder)
        })
        .collect()
}

#[test]
fn ackproof_killed_at_random_moments_of_a_cluster_leaves_no_process() {
    const KILLS: u64 = 10;
    const WITHIN_MS: u64 = 14_000;
    // Any moment is a good one; a failure names it.
    let drawn = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for kill in 0..KILLS {
        let share = drawn.rotate_left(u32::try_from(kill).unwrap() * 6) % (WITHIN_MS / KILLS);
        let after_ms = kill * (WITHIN_MS / KILLS) + share;
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("cluster.toml");
        fs::write(&scenario, CLUSTER).unwrap();
        let mut child = ackproof()
            .arg("run")
            .arg(&scenario)
            .args(["--seed", "1", "--out"])
            .arg(folder.path().join("out"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment itself is what is tested: nothing is waited for.
        std::thread::sleep(Duration::from_millis(after_ms));
        let below = descendants(child.id());
        send(Signal::KILL, &child);
        child.wait().unwrap();
        let since = Instant::now();
        let left = || [alive(&below), naming(folder.path())].concat();
        while !left().is_empty() && since.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
        }
        assert_eq!(left(), Vec::<u32>::new(), "killed after {after_ms} ms");
    }
}

#[test]
fn an_interrupted_run_leaves_no_process_and_still_checks() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = until_in_force(run("network-partition", &out));
    let below = descendants(child.id());
    send(Signal::INT, &child);
    assert_eq!(wait_for_end(&mut child).code(), Some(130));
    assert_eq!(alive(&below), Vec::<u32>::new());

    let scenario = &read_verdict(&out)["scenarios"][0];
    assert_eq!(scenario["verdict"], "INCONCLUSIVE", "{scenario:#}");
    assert!(scenario["counts"]["acknowledged"].as_u64().unwrap() >= 100);
    let checked = ackproof()
        .arg("check")
        .arg(&out)
        .args(["--format", "json"])
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(3));
    assert_eq!(checked.stdout, fs::read(out.join("verdict.json")).unwrap());
    says_whose_it_is(&out);
}

/// A recorded history begins with the run that its plan is of, by which
/// checking tells it from one that was copied in.
fn says_whose_it_is(out: &Path) {
    let plan: RunPlan = serde_json::from_slice(&fs::read(out.join("plan.json")).unwrap()).unwrap();
    let scenario = &plan.scenarios[0];
    let path = out.join(scenario.folder()).join(history::FILE_NAME);
    let first = history::Reader::open(&path).unwrap().next();
    let run = scenario.record_run_id;
    assert_eq!(first.unwrap().unwrap().body, Body::RunDeclared { run });
}

/// A run whose directory lies on a disk of its own, which fills up. Prints
/// the exit codes of the run and of checking what is left of it.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o size=512k none "$2" || exit 99
"$1" run "$3" --seed 1 --out "$2/out"
echo "run exits with $?"
"$1" check "$2/out"
echo "check exits with $?"
"#;

#[test]
fn a_disk_that_fills_up_ends_the_run_and_what_was_recorded_still_checks() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let scenario = folder.path().join("fills.toml");
    let many = PRODUCER
        .replace("records = 200", "records = 200000")
        .replace("records_per_s = 100", "records_per_s = 20000");
    fs::write(&scenario, pretended("fills", &many)).unwrap();
    // A mount of its own, which no other process sees, needs root or a user
    // namespace in which one is.
    let ran = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .args([ON_A_SMALL_DISK, "sh"])
        .args([
            env!("CARGO_BIN_EXE_ackproof").as_ref(),
            disk.as_path(),
            &scenario,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("run exits with 4"), "{said}{complained}");
    assert!(
        complained.contains("cannot write the history: No space left"),
        "{complained}"
    );
    assert!(said.contains("INCONCLUSIVE"), "{said}{complained}");
    assert!(said.contains("check exits with 3"), "{said}{complained}");
}

/// The commands in a report that run something.
fn commands_in(report: &str) -> Vec<&str> {
    let lines = report.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("ackproof run "))
        .collect()
}

#[test]
fn the_command_that_a_report_prints_repeats_the_run_and_says_when_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("it's odd");
    fs::create_dir(&place).unwrap();
    let text = pretended("mine", PRODUCER).replace("records = 200", "records = 20");
    // The file is not named as its scenario is.
    fs::write(place.join("my own & only.toml"), text).unwrap();
    let first = place.join("first");
    let status = run("my own & only.toml", &first)
        .args(["--seed", "7", "--jobs", "2"])
        .current_dir(&place)
        .status()
        .unwrap();
    assert!(status.success());

    let report = fs::read_to_string(first.join("report.md")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_ackproof")).parent().unwrap();
    let command = commands_in(&report)[0];
    assert!(command.contains("--seed 7 --jobs 2 --kafka "), "{command}");
    let again = Command::new("sh")
        .args([
            "-c",
            &format!("PATH={}:$PATH; {command} --out again", program.display()),
        ])
        .current_dir(&place)
        .status()
        .unwrap();
    assert!(again.success());
    let plan = |out: &Path| -> Value {
        let text = fs::read(out.join("plan.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let (one, other) = (plan(&first), plan(&place.join("again")));
    assert_eq!(one["seed"], other["seed"]);
    assert_eq!(one["versions"], other["versions"]);
    assert_eq!(
        one["scenarios"][0]["scenario"],
        other["scenarios"][0]["scenario"]
    );
    assert_eq!(
        one["circumstances"]["command"],
        other["circumstances"]["command"]
    );

    let verdict = read_verdict(&first);
    for key in ["started_at", "duration_ms", "command", "machine"] {
        assert!(!verdict[key].is_null(), "{key}");
        assert_eq!(verdict[key], one["circumstances"][key]);
    }
    assert!(verdict["scenarios"][0]["timing"]["duration_ms"].as_u64() > Some(0));
    let junit = fs::read_to_string(first.join("junit.xml")).unwrap();
    for tag in ["<testsuites name=\"ackproof\"", "<testsuite ", "<testcase "] {
        let line = junit.lines().find(|line| line.contains(tag)).unwrap();
        assert!(
            line.contains(" time=\"") && line.contains(" timestamp=\""),
            "{line}"
        );
    }
    let checked = ackproof()
        .arg("check")
        .arg(&first)
        .args(["--format", "json"])
        .output()
        .unwrap();
    assert_eq!(
        checked.stdout,
        fs::read(first.join("verdict.json")).unwrap()
    );
}

#[test]
fn a_run_is_told_as_it_happens_and_stops_at_the_first_failure() {
    let folder = tempfile::tempdir().unwrap();
    // The longer one comes first, and does not show what it is there to show.
    let wrong = "claim = \"no-loss\"\nlevel = \"expect-violated\"";
    let texts = [
        pretended("bad", PRODUCER).replace("claim = \"no-loss\"", wrong),
        pretended("later", PRODUCER).replace("records = 200", "records = 20"),
    ];
    for (name, text) in ["bad.toml", "later.toml"].iter().zip(&texts) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let out = folder.path().join("out");
    let output = run("bad.toml", &out)
        .args(["later.toml", "--jobs", "1", "--fail-fast"])
        .args(["--format", "json-lines"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let verdict = read_verdict(&out);
    let stopped: Vec<&Value> = verdict["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["stopped"])
        .collect();
    // The other may have begun while this one was judged.
    assert!(stopped[0].is_null() && !stopped[1].is_null(), "{stopped:?}");
    let events: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: BTreeSet<&str> = events
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    for kind in [
        "run-started",
        "stage",
        "counts",
        "finished",
        "verdict",
        "run-ended",
    ] {
        assert!(kinds.contains(kind), "{kind} in {kinds:?}");
    }
    assert_eq!(events[0]["event"], "run-started");
    assert_eq!(events.last().unwrap()["event"], "run-ended");
}

/// The same client twice: the same verdicts, so that nothing became worse.
#[test]
fn a_matrix_runs_its_columns_beside_each_other_and_compares_them() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("short.toml");
    fs::write(&scenario, pretended("short", PRODUCER)).unwrap();
    let out = folder.path().join("out");
    let mut command = ackproof();
    command.arg("matrix").arg(&scenario).arg("--out").arg(&out);
    command.args([
        "--client",
        "librdkafka",
        "--client",
        "librdkafka",
        "--seed",
        "7",
    ]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("0 with different verdicts"), "{said}");
    let matrix: Value =
        serde_json::from_slice(&fs::read(out.join("matrix.json")).unwrap()).unwrap();
    let row = &matrix["rows"][0];
    assert_eq!(row["claim"], "no-loss");
    assert_eq!(row["change"], "same");
    for (cell, column) in row["cells"].as_array().unwrap().iter().zip(["", "-2"]) {
        let dir = out.join(format!("librdkafka{column}"));
        assert_eq!(cell["verdict"], "HELD");
        assert_eq!(
            out.join(cell["evidence"].as_str().unwrap()),
            dir.join("short")
        );
        assert!(dir.join("short/history.ackproof").exists());
        let verdict = read_verdict(&dir);
        assert_eq!(verdict["seed"], 7);
        assert!(verdict["versions"]["librdkafka"].is_string(), "{verdict}");
    }
    assert!(out.join("matrix.md").exists());
}
