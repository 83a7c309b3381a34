//! `ackproof check` on histories that were cut off at any byte, or had any
//! byte flipped: the same verdict, none at all, or an error that names the
//! file; never another verdict.

use std::fs;
use std::path::PathBuf;
use std::thread;

use history::{Reader, Recorder};
use model::event::{Body, Content, Event};

use crate::fixture::{Bench, record};

const CHECK: [&str; 2] = ["check", "run"];

/// A small run in a few frames.
fn small_run(edit: impl FnOnce(&mut Vec<Event>)) -> Bench {
    let bench = Bench::new();
    bench.run_dir(edit);
    let events: Vec<Event> = Reader::open(&bench.history())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    fs::remove_file(bench.history()).unwrap();
    let mut recorder = Recorder::create(&bench.history()).unwrap();
    for frame in events.chunks(50) {
        for event in frame {
            recorder.record(event).unwrap();
        }
        recorder.flush().unwrap();
    }
    bench
}

fn healthy_run() -> Bench {
    small_run(|_| {})
}

fn run_with_a_loss() -> Bench {
    small_run(|events| {
        events.retain(|event| {
            !matches!(&event.body, Body::Stored { content: Content::Ours(of), .. }
                if *of == record(17))
        });
    })
}

/// Judges a run with each of the histories, on both cores, and gives how each
/// ended and what was said.
fn judge(make: fn() -> Bench, histories: &[Vec<u8>]) -> Vec<(Option<i32>, String)> {
    let half = histories.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> = histories
            .chunks(half)
            .map(|histories| {
                scope.spawn(move || {
                    let bench = make();
                    let judge = |history: &Vec<u8>| {
                        fs::write(bench.history(), history).unwrap();
                        let said = bench.ackproof(&CHECK).output().unwrap();
                        (said.status.code(), String::from_utf8(said.stderr).unwrap())
                    };
                    histories.iter().map(judge).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn bytes(bench: &Bench) -> (PathBuf, Vec<u8>) {
    let path = bench.history();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Where each frame begins.
fn frames(file: &[u8]) -> Vec<usize> {
    let mut at = 14;
    let mut frames = Vec::new();
    while at < file.len() {
        frames.push(at);
        let length: [u8; 4] = file[at..at + 4].try_into().unwrap();
        at += 20 + u32::from_le_bytes(length) as usize;
    }
    frames
}

#[test]
fn cut_anywhere_in_its_last_two_frames_a_history_cannot_tell() {
    for (make, verdict) in [(healthy_run as fn() -> Bench, 0), (run_with_a_loss, 1)] {
        let bench = make();
        let (_, whole) = bytes(&bench);
        let frames = frames(&whole);
        assert!(frames.len() > 3);
        let cuts = frames[frames.len() - 2]..=whole.len();
        let histories: Vec<Vec<u8>> = cuts.map(|cut| whole[..cut].to_vec()).collect();
        let mut judged = judge(make, &histories);
        let (uncut, _) = judged.pop().unwrap();
        assert_eq!(uncut, Some(verdict));
        for ((code, said), history) in judged.iter().zip(&histories) {
            // INCONCLUSIVE, on a frame's edge too; what was found to be
            // violated before the cut may be told.
            let may_be = *code == Some(3) || (verdict == 1 && *code == Some(1));
            assert!(may_be, "cut at {}: {code:?} {said}", history.len());
        }
    }
}

#[test]
fn with_any_byte_flipped_a_history_is_refused() {
    for (make, mask) in [
        (healthy_run as fn() -> Bench, 0x04),
        (run_with_a_loss, 0xff),
    ] {
        let (_, whole) = bytes(&make());
        let histories: Vec<Vec<u8>> = (0..whole.len())
            .map(|at| {
                let mut flipped = whole.clone();
                flipped[at] ^= mask;
                flipped
            })
            .collect();
        for (at, (code, said)) in judge(make, &histories).iter().enumerate() {
            assert_eq!(*code, Some(2), "byte {at}: {said}");
            let named = said.contains("run/by-hand/history.ackproof is");
            let place = said.contains("at byte") || said.contains("does not begin with ACKPROOF");
            assert!(named && place, "byte {at}: {said}");
        }
    }
}
