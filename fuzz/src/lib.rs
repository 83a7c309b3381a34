//! Hostile bytes against everything that reads files. Each function takes the
//! bytes of one file and must return: a panic, a hang, or memory beyond what
//! the bytes can account for, is a bug. The fuzzing targets and the test that
//! replays the committed seeds call the same functions.

use std::convert::Infallible;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use history::Reader;
use import::kafkatest::{Recording, Source, Told};
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::Event;

/// A history on disk: what can be read of it is checked and judged.
pub fn history(bytes: &[u8]) {
    judge(&read(bytes));
}

/// What stands in a history's frames. Checksums keep hostile bytes away from
/// it, so here they are right.
pub fn events(bytes: &[u8]) {
    judge(&read(&framed(bytes)));
}

/// A scenario file.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match model::scenario::parse("hostile.toml", text) {
        Ok(scenario) => drop(format!("{scenario:?}")),
        Err(error) => drop(error.to_string()),
    }
}

/// A history of Jepsen's.
pub fn jepsen(bytes: &[u8]) {
    let mut events = Vec::new();
    let mut take = |event| events.push(event);
    let settings = import::jepsen::Settings::default();
    match import::jepsen::import(bytes, "hostile.edn", settings, &mut take) {
        Ok(summary) => summary.notes.iter().for_each(|note| drop(note.to_string())),
        Err(error) => drop(error.to_string()),
    }
    judge(&events);
}

/// What a verifiable producer and a verifiable consumer printed: the bytes up
/// to a line of `---`, and those behind it.
pub fn kafkatest(bytes: &[u8]) {
    let separator = b"\n---\n";
    let between = bytes
        .windows(separator.len())
        .position(|it| it == separator);
    let (producer, consumer) = match between {
        Some(at) => (&bytes[..=at], &bytes[at + separator.len()..]),
        None => (bytes, &[][..]),
    };
    let folder = scratch();
    let files = [
        (folder.join("producer.jsonl"), producer),
        (folder.join("consumer-g-1.jsonl"), consumer),
    ];
    for (file, bytes) in &files {
        if std::fs::create_dir_all(&folder).is_err() || std::fs::write(file, bytes).is_err() {
            return;
        }
    }
    let sources = files.iter().filter(|(_, bytes)| !bytes.is_empty());
    let sources = sources.map(|(file, _)| Source::new(file)).collect();
    let mut recording = match Recording::open(sources) {
        Ok(recording) => recording,
        Err(error) => return drop(error.to_string()),
    };
    // A second telling is enough: the survey is only made once.
    for _ in 0..2 {
        let mut events = Vec::new();
        match recording.tell(|event| events.push(event.clone())) {
            Ok(Told::Whole(_)) => return judge(&events),
            Ok(Told::Void) => {}
            Err(error) => return drop(error.to_string()),
        }
    }
}

/// A folder of this thread, in memory where the system has such a place.
fn scratch() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let root = if shm.is_dir() {
        shm.to_owned()
    } else {
        std::env::temp_dir()
    };
    let thread = std::thread::current();
    root.join(format!(
        "ackproof-fuzz-{}-{:?}",
        std::process::id(),
        thread.id()
    ))
}

fn read(bytes: &[u8]) -> Vec<Event> {
    let input = Cursor::new(bytes.to_vec());
    match Reader::new(Path::new("hostile.ackproof"), input) {
        Ok(reader) => reader.map_while(Result::ok).collect(),
        Err(error) => {
            drop(error.to_string());
            Vec::new()
        }
    }
}

/// A history of one frame, after docs/history-format.md. It announces more
/// events than it has, which shows when all that can be read are read.
fn framed(payload: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(payload);
    let length = |of: &[u8]| u32::try_from(of.len()).unwrap_or(u32::MAX);
    let mut file = b"ACKPROOF\x02\x00".to_vec();
    file.extend(crc32fast::hash(&file).to_le_bytes());
    let place = (file.len() as u64).to_le_bytes();
    let numbers = [
        length(&packed),
        length(payload),
        u32::MAX,
        crc32fast::hash(&packed),
    ];
    let mut header: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    let checksum = crc32fast::hash(&[header.as_slice(), &place].concat());
    header.extend(checksum.to_le_bytes());
    file.extend(header);
    file.extend(packed);
    file
}

/// Checks events, whatever they are, and judges every claim by them.
fn judge(events: &[Event]) {
    let contract = Contract {
        guarantees: Claim::ALL
            .iter()
            .map(|claim| Guarantee {
                claim: *claim,
                level: Level::Required,
                limit_ms: None,
            })
            .collect(),
        ..Contract::default()
    };
    let open = || Ok::<_, Infallible>(events.iter().cloned().map(Ok::<_, Infallible>));
    let Ok((analysis, calibration)) = checker::examine(&contract, open);
    let verdict = checker::judge(&contract, "hostile", 1, &analysis, calibration);
    drop(format!("{verdict:?}"));
}
