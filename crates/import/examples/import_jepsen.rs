//! How fast histories of Jepsen are read: `import_jepsen OPERATIONS` writes
//! one of that many operations into memory and imports it.
use std::fmt::Write as _;
use std::time::Instant;

fn main() {
    let operations: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    let txn = std::env::args().nth(2).is_some_and(|kind| kind == "txn");
    let mut edn = String::new();
    let (mut index, mut value) = (0u64, 0u64);
    let f = if txn { "txn" } else { "send" };
    while index < operations {
        let process = (index / 4) % 10;
        let key = (value / 8) % 20;
        let offset = value / 160 * 8 + value % 8;
        let op = |edn: &mut String, index: u64, kind: &str, f: &str, micros: String| {
            let _ = writeln!(
                edn,
                "#jepsen.history.Op{{:index {index}, :time {}, :type :{kind}, :process {process}, :f :{f}, :value [{micros}]}}",
                index * 1_000_003
            );
        };
        let mut sends = format!("[:send {key} {value}]");
        let mut acks = format!("[:send {key} [{offset} {value}]]");
        if txn {
            let _ = write!(sends, " [:poll]");
            let _ = write!(acks, " [:poll {{}}]");
        }
        op(&mut edn, index, "invoke", f, sends);
        op(&mut edn, index + 1, "ok", f, acks);
        op(&mut edn, index + 2, "invoke", "poll", "[:poll]".into());
        op(
            &mut edn,
            index + 3,
            "ok",
            "poll",
            format!("[:poll {{{key} [[{offset} {value}]]}}]"),
        );
        index += 4;
        value += 1;
    }
    let mut events = 0u64;
    let begun = Instant::now();
    let summary = import::jepsen::import(
        edn.as_bytes(),
        "h.edn",
        import::jepsen::Settings::default(),
        &mut |_| events += 1,
    );
    let took = begun.elapsed().as_secs_f64();
    let summary = summary.unwrap();
    println!(
        "{} operations, {} MB, {events} events in {took:.3} s: {:.2} M operations/s, {:.0} MB/s",
        summary.operations,
        edn.len() / 1_000_000,
        summary.operations as f64 / took / 1e6,
        edn.len() as f64 / took / 1e6
    );
}
