//! Imports the files of Kafka's verifiable clients and counts the events, to
//! see what importing costs without checking:
//! `cargo run --release -p ackproof-import --example convert -- FILE...`

use std::error::Error;
use std::time::Instant;

use import::kafkatest::{Conversion, Recording, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let files = std::env::args().skip(1).map(Source::new);
    let mut recording = Recording::open(files.collect())?;
    loop {
        let mut events: u64 = 0;
        if let Conversion::Complete(summary) = recording.convert(|_| events += 1)? {
            let ms = began.elapsed().as_millis();
            println!("{} lines, {events} events in {ms} ms", summary.lines);
            return Ok(());
        }
    }
}
