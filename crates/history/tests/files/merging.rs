//! Histories of one run from many files.

use std::fs;
use std::path::{Path, PathBuf};

use history::{Completion, Contradiction, MergeError, Merged, Recorder, Tail, merge};
use model::event::{Body, Event, Outcome};
use model::ids::{
    MemberIx, Micros, Offset, PartitionRef, ProducerIx, RecordId, RunId, Sequence, TopicIx,
};
use tempfile::TempDir;

use super::{read, samples};

struct Files {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Files {
    fn new(histories: &[&[(u64, Body)]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = histories
            .iter()
            .enumerate()
            .map(|(n, history)| {
                let path = folder.path().join(format!("h{n}"));
                let mut recorder = Recorder::create(&path).unwrap();
                for (at, body) in *history {
                    let at = Micros::new(*at);
                    let body = body.clone();
                    recorder.record(&Event { at, body }).unwrap();
                    recorder.flush().unwrap();
                }
                path
            })
            .collect();
        Self { folder, files }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("merged")
    }

    fn merge(&self) -> Result<Merged, MergeError> {
        merge(&self.files, &self.out())
    }

    /// What the merged history holds.
    fn merged(&self) -> Vec<(u64, Body)> {
        let merged = self.merge().unwrap();
        let (events, tail) = read(&self.out()).unwrap();
        assert_eq!(tail, Some(Tail::Whole));
        assert_eq!(merged.events, events.len() as u64);
        events
            .into_iter()
            .map(|event| (event.at.get(), event.body))
            .collect()
    }

    fn refusal(&self) -> String {
        let error = self.merge().unwrap_err();
        assert!(!self.out().exists());
        assert_eq!(
            fs::read_dir(self.folder.path()).unwrap().count(),
            self.files.len()
        );
        let place = self.folder.path().display().to_string();
        error.to_string().replace(&place, "")
    }
}

fn topic(topic: u16, name: &str) -> Body {
    Body::TopicDeclared {
        topic: TopicIx::new(topic),
        name: name.to_owned(),
        partitions: 1,
    }
}

fn run(run: u64) -> Body {
    Body::RunDeclared {
        run: RunId::new(run),
    }
}

fn record(producer: u32, sequence: u64) -> RecordId {
    RecordId {
        producer: ProducerIx::new(producer),
        sequence: Sequence::new(sequence),
    }
}

fn sent(producer: u32, sequence: u64) -> Body {
    Body::SendInvoked {
        record: record(producer, sequence),
        to: PartitionRef::default(),
    }
}

fn acknowledged(producer: u32, sequence: u64) -> Body {
    Body::SendCompleted {
        record: record(producer, sequence),
        outcome: Outcome::Acknowledged {
            at: PartitionRef::default(),
            offset: Offset::new(0),
        },
    }
}

fn read_whole() -> Body {
    Body::PartitionRead {
        partition: PartitionRef::default(),
    }
}

fn lacking(of: &Path, why: &str) -> Body {
    Body::Incomplete {
        description: format!("the history {} {why}", of.display()),
    }
}

#[test]
fn events_come_by_time_and_each_file_in_its_own_order() {
    let files = Files::new(&[
        &[
            (1, sent(0, 0)),
            (9, sent(0, 1)),
            (5, sent(0, 2)),
            (12, Body::Completed),
        ],
        &[
            (2, sent(1, 0)),
            (6, sent(1, 1)),
            (9, sent(1, 2)),
            (10, Body::Completed),
        ],
    ]);
    assert_eq!(
        files.merged(),
        [
            (1, sent(0, 0)),
            (2, sent(1, 0)),
            (6, sent(1, 1)),
            (9, sent(0, 1)),
            (5, sent(0, 2)),
            (9, sent(1, 2)),
            (12, Body::Completed),
        ]
    );
}

#[test]
fn what_all_declare_alike_is_kept_once_and_before_its_use() {
    let files = Files::new(&[
        &[(7, topic(0, "t")), (8, sent(0, 0)), (9, Body::Completed)],
        &[
            (1, topic(0, "t")),
            (2, sent(1, 0)),
            (3, topic(1, "u")),
            (4, Body::Completed),
        ],
    ]);
    assert_eq!(
        files.merged(),
        [
            (1, topic(0, "t")),
            (2, sent(1, 0)),
            (3, topic(1, "u")),
            (8, sent(0, 0)),
            (9, Body::Completed),
        ]
    );
}

#[test]
fn no_truth_comes_before_all_traffic_whatever_the_clocks_say() {
    let files = Files::new(&[
        &[
            (1, sent(0, 0)),
            (2, Body::TrafficEnded),
            (3, read_whole()),
            (4, Body::Completed),
        ],
        &[
            (100, sent(1, 0)),
            (101, acknowledged(1, 0)),
            (102, Body::TrafficEnded),
            (103, Body::Completed),
        ],
    ]);
    assert_eq!(
        files.merged(),
        [
            (1, sent(0, 0)),
            (100, sent(1, 0)),
            (101, acknowledged(1, 0)),
            (102, Body::TrafficEnded),
            (3, read_whole()),
            (103, Body::Completed),
        ]
    );
}

#[test]
fn traffic_that_did_not_end_in_one_file_did_not_end() {
    let files = Files::new(&[
        &[
            (1, Body::TrafficEnded),
            (2, read_whole()),
            (3, Body::Completed),
        ],
        &[(1, sent(1, 0)), (9, Body::Completed)],
    ]);
    assert_eq!(
        files.merged(),
        [(1, sent(1, 0)), (2, read_whole()), (9, Body::Completed)]
    );
}

#[test]
fn one_file_that_is_cut_off_or_not_completed_makes_all_incomplete() {
    let whole: &[(u64, Body)] = &[(1, sent(0, 0)), (2, Body::Completed)];
    let aborted = Body::Aborted {
        reason: "interrupted".to_owned(),
    };
    let files = Files::new(&[
        whole,
        &[(1, sent(1, 0)), (2, aborted.clone())],
        &[(1, sent(2, 0)), (2, Body::Completed)],
    ]);
    let cut_off = &files.files[2];
    let length = fs::metadata(cut_off).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(cut_off).unwrap();
    file.set_len(length - 1).unwrap();
    let events = files.merged();
    // A frame with one event of two bytes, which LZ4 makes three of.
    let byte = length - 23;
    assert_eq!(
        events[4..],
        [
            (2, lacking(&files.files[1], "was not completed")),
            (2, lacking(cut_off, &format!("was cut off at byte {byte}"))),
        ]
    );
    assert_eq!(events[3], (2, aborted));
    fs::remove_file(files.out()).unwrap();
    let merged = files.merge().unwrap();
    assert_eq!(merged.completion(), Completion::Incomplete);
    let ends: Vec<(Tail, Completion)> = merged
        .inputs
        .iter()
        .map(|input| (input.tail, input.completion))
        .collect();
    assert_eq!(
        ends,
        [
            (Tail::Whole, Completion::Complete),
            (Tail::Whole, Completion::Incomplete),
            (Tail::CutOff { at: byte }, Completion::Incomplete),
        ]
    );
}

#[test]
fn a_history_of_no_files_is_not_complete() {
    assert_eq!(Files::new(&[]).merged(), []);
}

#[test]
fn bytes_behind_a_completed_file_make_it_incomplete() {
    let files = Files::new(&[&[(1, Body::Completed)], &[(1, Body::Completed)]]);
    let mut bytes = fs::read(&files.files[0]).unwrap();
    bytes.push(0);
    fs::write(&files.files[0], bytes).unwrap();
    let merged = files.merge().unwrap();
    assert_eq!(merged.completion(), Completion::Incomplete);
}

#[test]
fn files_of_different_runs_are_refused() {
    let files = Files::new(&[&[(1, topic(0, "t"))], &[(1, topic(0, "u"))]]);
    assert_eq!(
        files.refusal(),
        "/h0 and /h1 are not of one run: topic 0 is `t` with 1 partitions in the one, \
         and topic 0 is `u` with 1 partitions in the other"
    );
    let files = Files::new(&[&[(1, topic(0, "t"))], &[(1, topic(1, "t"))]]);
    assert!(files.refusal().contains("topic 1 is `t`"));
}

/// Two runs of one scenario declare everything else alike, and may be told by
/// sources that do not overlap.
#[test]
fn files_that_only_their_runs_tell_apart_are_refused() {
    let of_run = |id, producer| [(1, run(id)), (2, topic(0, "t")), (3, sent(producer, 0))];
    let files = Files::new(&[&of_run(0xa, 0), &of_run(0xb, 1)]);
    assert_eq!(
        files.refusal(),
        "/h0 and /h1 are not of one run: the run is 000000000000000a in the one, and the run is \
         000000000000000b in the other"
    );
    let files = Files::new(&[&of_run(0xa, 0), &of_run(0xa, 1)]);
    let kept = [
        (1, run(0xa)),
        (2, topic(0, "t")),
        (3, sent(0, 0)),
        (3, sent(1, 0)),
    ];
    assert_eq!(files.merged()[..4], kept);
}

/// Each body is told in two files; the second event makes the point, where
/// one does not.
#[test]
fn what_has_one_source_is_refused_in_two_files() {
    let bodies = samples::every_body();
    let mut shared = Vec::new();
    for body in bodies {
        let files = Files::new(&[&[(1, body.clone())], &[(2, body.clone())]]);
        match files.merge() {
            Err(MergeError::Contradiction(Contradiction::Shared { .. })) => {
                shared.push(body.kind());
            }
            Err(MergeError::Contradiction(Contradiction::Imported { .. })) | Ok(_) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(
        shared.join(" "),
        "send-invoked send-completed producer-counted member-started member-ended assigned \
         revoked processed committed pinned stored-batch stored partition-read group-offset \
         group-waited change-invoked tx-completed change-event table-row table-read \
         capture-waited fault-triggered fault-injected fault-healed fault-evidence \
         transaction-begun transaction-joined offset-sent transaction-ending \
         transaction-completed repositioned replica-pinned replica-stored replica-read derived \
         member-named capture-began connector-seen slot-seen wal-reached fault-aftermath \
         fault-not-healed wait-began client-erred throttled \
         read-rolled-back order-forgotten sends-without-outcome"
    );
}

#[test]
fn a_refusal_says_what_is_in_both_files() {
    let files = Files::new(&[
        &[(1, sent(3, 0))],
        &[(1, sent(2, 0)), (2, acknowledged(3, 0))],
    ]);
    assert_eq!(
        files.refusal(),
        "/h0 and /h1 both tell of producer 3, which must be in only one of them"
    );
    let ended = |member| Body::MemberEnded {
        member: MemberIx::new(member),
        how: model::event::Ending::Killed,
    };
    let files = Files::new(&[&[(1, ended(0))], &[(1, ended(1)), (2, ended(0))]]);
    assert!(
        files
            .refusal()
            .contains("the member that histories number 0")
    );
    let imported = Body::Imported {
        tool: "kafkatest".to_owned(),
    };
    let files = Files::new(&[&[(1, imported)]]);
    assert!(files.refusal().contains("imported from kafkatest"));
}

#[test]
fn a_damaged_file_is_refused_and_nothing_is_left_behind() {
    let files = Files::new(&[&[(1, sent(0, 0)), (2, sent(0, 1))], &[(1, sent(1, 0))]]);
    let mut bytes = fs::read(&files.files[0]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&files.files[0], bytes).unwrap();
    assert!(files.refusal().starts_with("/h0 is damaged at byte"));
}

#[test]
fn a_merged_history_is_not_written_over_another_file() {
    let files = Files::new(&[&[(1, Body::Completed)]]);
    fs::write(files.out(), "mine").unwrap();
    let error = files.merge().unwrap_err();
    assert!(matches!(error, MergeError::Exists { .. }), "{error}");
    assert_eq!(fs::read_to_string(files.out()).unwrap(), "mine");
}

#[test]
fn merged_histories_merge_again() {
    let files = Files::new(&[
        &[
            (1, topic(0, "t")),
            (2, sent(0, 0)),
            (3, Body::TrafficEnded),
            (4, Body::Completed),
        ],
        &[
            (1, topic(0, "t")),
            (2, sent(1, 0)),
            (3, Body::TrafficEnded),
            (4, Body::Completed),
        ],
        &[
            (1, topic(0, "t")),
            (2, sent(2, 0)),
            (3, Body::TrafficEnded),
            (4, Body::Completed),
        ],
    ]);
    let at_once = files.merged();
    let two = files.folder.path().join("two");
    let three = files.folder.path().join("three");
    merge(&files.files[..2], &two).unwrap();
    merge(&[two, files.files[2].clone()], &three).unwrap();
    assert_eq!(fs::read(files.out()).unwrap(), fs::read(three).unwrap());
    assert_eq!(at_once.len(), 6);
}
