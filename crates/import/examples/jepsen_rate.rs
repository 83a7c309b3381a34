//! How fast a history of Jepsen's is imported: `jepsen_rate OPERATIONS [txn]`
//! writes one into memory, and reads it.

use std::fmt::{Error, Write as _};
use std::time::Instant;

use import::jepsen::{Conversion, Foresight, JepsenSettings, convert};

const KEYS: u64 = 20;
const PROCESSES: u64 = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let operations = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let edn = history(operations, arguments.next().is_some())?;
    let mut events = 0u64;
    let begun = Instant::now();
    let (settings, none) = (JepsenSettings::default(), Foresight::default());
    let input = edn.as_bytes();
    let told = convert(input, "history.edn", settings, &none, &mut |_| events += 1)?;
    let Conversion::Complete(summary) = told else {
        return Err("a record is polled before it is sent".into());
    };
    let took_us = begun.elapsed().as_micros().max(1);
    println!(
        "{} operations, {} MB, {events} events in {} ms: {} operations/s",
        summary.operations,
        edn.len() / 1_000_000,
        took_us / 1000,
        u128::from(summary.operations) * 1_000_000 / took_us,
    );
    Ok(())
}

/// Each record sent and read, by turns.
fn history(operations: u64, transactions: bool) -> Result<String, Error> {
    let (function, poll, nothing) = if transactions {
        ("txn", " [:poll]", " [:poll {}]")
    } else {
        ("send", "", "")
    };
    let mut edn = String::new();
    for value in 0..operations / 4 {
        let (key, offset, process) = (value % KEYS, value / KEYS, value % PROCESSES);
        let halves = [
            ("invoke", function, format!("[:send {key} {value}]{poll}")),
            (
                "ok",
                function,
                format!("[:send {key} [{offset} {value}]]{nothing}"),
            ),
            ("invoke", "poll", "[:poll]".to_owned()),
            (
                "ok",
                "poll",
                format!("[:poll {{{key} [[{offset} {value}]]}}]"),
            ),
        ];
        for (index, (kind, function, micros)) in (value * 4..).zip(halves) {
            writeln!(
                edn,
                "#jepsen.history.Op{{:index {index}, :time {}, :type :{kind}, \
                 :process {process}, :f :{function}, :value [{micros}]}}",
                index * 1_000_003,
            )?;
        }
    }
    Ok(edn)
}
