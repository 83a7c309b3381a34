//! What the tests of the command line share: the program itself, in a place
//! where it finds nothing of this machine's user, and a small run directory
//! made by hand.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use history::Recorder;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{
    Micros, Offset, PartitionIndex, PartitionRef, ProducerIx, RecordId, RunId, Sequence, TopicIx,
};
use model::plan::{RunPlan, ScenarioPlan};
use model::scenario::parse;
use tempfile::TempDir;

/// How many records the run by hand has.
pub(crate) const RECORDS: u64 = 60;

/// An empty place to run the program in.
pub(crate) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program, with an empty cache, an empty home, and no tools.
    pub(crate) fn ackproof(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ackproof"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path().join("home"))
            .env("PATH", self.path().join("no-tools"));
        command
    }

    /// What the program says and how it ends, without what differs from place
    /// to place.
    pub(crate) fn transcript(&self, args: &[&str]) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = self.ackproof(args).output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(self.path().to_str().unwrap(), "[place]")
        };
        let mut transcript = format!("exit code {}\n", status.code().unwrap());
        for (name, text) in [("stdout", text(stdout)), ("stderr", text(stderr))] {
            if !text.is_empty() {
                writeln!(transcript, "--- {name}").unwrap();
                transcript.push_str(&text);
            }
        }
        transcript
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a run of `by-hand`, whose history is the whole one after `edit`.
    pub(crate) fn run_dir(&self, edit: impl FnOnce(&mut Vec<Event>)) -> PathBuf {
        let dir = self.path().join("run");
        let plan = plan();
        let scenario = &plan.scenarios[0];
        let folder = dir.join(scenario.folder());
        fs::create_dir_all(&folder).unwrap();
        let text = serde_json::to_string_pretty(&plan).unwrap();
        fs::write(dir.join("plan.json"), text).unwrap();
        let mut events = whole_history(scenario);
        edit(&mut events);
        let mut recorder = Recorder::create(&folder.join(history::FILE_NAME)).unwrap();
        for event in &events {
            recorder.record(event).unwrap();
            // Small frames: a cut in the middle leaves some whole.
            recorder.flush().unwrap();
        }
        dir
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.path().join("run/by-hand").join(history::FILE_NAME)
    }
}

/// A scenario that needs no fault to be put to the test.
pub(crate) const SCENARIO: &str = r#"
name = "by-hand"
title = "Sixty records"

[[topic]]
name = "t"
partitions = 1
replication_factor = 1

[[producer]]
topic = "t"
records = 60
records_per_s = 1000
record_bytes = 200

[[guarantee]]
claim = "no-loss"

[[guarantee]]
claim = "no-phantom"

[[guarantee]]
claim = "intact"

[[guarantee]]
claim = "no-duplicates"
level = "observed"
"#;

fn plan() -> RunPlan {
    let scenario = parse("by-hand.toml", SCENARIO).unwrap();
    let versions = [("ackproof", "0.1.0"), ("kafka", "4.3.1"), ("java", "25")]
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into();
    RunPlan::new(RunId::new(0xabcd), 41, versions, &[scenario], 1)
}

pub(crate) fn record(sequence: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(0),
        sequence: Sequence::new(sequence),
    }
}

pub(crate) fn partition() -> PartitionRef {
    PartitionRef {
        topic: TopicIx::new(0),
        partition: PartitionIndex::new(0),
    }
}

/// Every record sent, acknowledged where it stands, and read back.
fn whole_history(plan: &ScenarioPlan) -> Vec<Event> {
    let topic = &plan.topics()[0];
    let offset = |sequence: u64| Offset::new(i64::try_from(sequence).unwrap());
    let mut bodies = vec![
        Body::RunDeclared {
            run: plan.record_run_id,
        },
        Body::TopicDeclared {
            topic: topic.ix,
            name: topic.name.clone(),
            partitions: topic.partitions,
        },
    ];
    for sequence in 0..RECORDS {
        bodies.push(Body::SendInvoked {
            record: record(sequence),
            to: partition(),
        });
        bodies.push(Body::SendCompleted {
            record: record(sequence),
            outcome: Outcome::Acknowledged {
                at: partition(),
                offset: offset(sequence),
            },
        });
    }
    bodies.push(Body::TrafficEnded);
    bodies.push(Body::Pinned {
        partition: partition(),
        log_start: Offset::new(0),
        end: offset(RECORDS),
    });
    bodies.extend((0..RECORDS).map(|sequence| Body::Stored {
        partition: partition(),
        offset: offset(sequence),
        content: Content::Ours(record(sequence)),
    }));
    bodies.push(Body::PartitionRead {
        partition: partition(),
    });
    bodies.push(Body::Completed);
    bodies
        .into_iter()
        .zip(0..)
        .map(|(body, tick)| Event {
            at: Micros::new(tick * 1000),
            body,
        })
        .collect()
}
