//! Imports files and counts events, with a checker behind it or without:
//! `cargo run --release -p ackproof-import --example tell -- [check] FILE...`

use std::error::Error;
use std::time::Instant;

use checker::Checker;
use import::kafkatest::{Recording, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let checks = files.first().is_some_and(|first| first == "check");
    let files = files.split_off(usize::from(checks));
    let began = Instant::now();
    let mut recording = Recording::open(files.into_iter().map(Source::new).collect())?;
    let mut events: u64 = 0;
    let mut checker = Checker::new();
    let told = recording.tell(|event| {
        events += 1;
        if checks {
            checker.observe(&event);
        }
    })?;
    println!("told {:>6} ms: {events} events", began.elapsed().as_millis());
    if checks {
        let counts = checker.finish().counts;
        println!("settled {:>6} ms: {counts:?}", began.elapsed().as_millis());
    }
    drop(told);
    Ok(())
}
