//! Hostile bytes against everything that reads files, and against the proxy,
//! which reads what others say. Each function takes the bytes of one file, or of
//! one conversation, and must return: a panic, a hang, or memory beyond what
//! the bytes can account for, is a bug. The fuzzing targets and the test that
//! replays the committed seeds call the same functions.

use std::convert::Infallible;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use history::Reader;
use import::jepsen::{self, Foresight};
use import::kafkatest::{Conversion, Recording, Source};
use model::claim::{Claim, Contract, Guarantee, Level};
use model::event::Event;
use proxy::fuzzing::{Said, before_cluster, between_brokers};
use proxy::{
    Delayed, FaultEffect, InjectedError, OnDrop, Pick, ProxyFault, RequestApi, RequestFilter, When,
};

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
    let mut foresight = Foresight::default();
    let mut events = Vec::new();
    // A second telling is enough: by then everything is foreseen.
    for _ in 0..2 {
        events.clear();
        let mut take = |event| events.push(event);
        let settings = import::jepsen::JepsenSettings::default();
        match import::jepsen::convert(bytes, "hostile.edn", settings, &foresight, &mut take) {
            Ok(jepsen::Conversion::Complete(summary)) => {
                summary.notes.iter().for_each(|note| drop(note.to_string()));
                break;
            }
            Ok(jepsen::Conversion::Repeat(more)) => foresight = more,
            Err(error) => {
                drop(error.to_string());
                break;
            }
        }
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
    // A survey is only made once, and lives are told apart once.
    for _ in 0..3 {
        let mut events = Vec::new();
        match recording.convert(|event| events.push(event.clone())) {
            Ok(Conversion::Complete(_)) => {
                judge(&events);
                if !matches!(recording.split_log_lives(), Ok(true)) {
                    return;
                }
            }
            Ok(Conversion::Repeat(())) => {}
            Err(error) => return drop(error.to_string()),
        }
    }
}

/// A connection through the proxy. Two bytes choose the faults and how the rest
/// is cut into pieces, two more are the length of what the client says; what
/// follows that says the broker.
///
/// # Panics
/// Where a healthy proxy changes what it carries, or makes more of it than faults
/// can account for: that is a bug.
pub fn proxy(bytes: &[u8]) {
    let [choice, piece, high, low, rest @ ..] = bytes else {
        return;
    };
    let client = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (by_client, by_broker) = rest.split_at(client);
    let said = Said {
        by_client,
        by_broker,
        piece_bytes: usize::from(*piece) * usize::from(*piece) + 1,
    };
    let faults = &FAULTS[usize::from(*choice) % FAULTS.len()];
    let healthy = faults.is_empty();
    for (heard, rewrites) in [
        (before_cluster(said, faults), true),
        (between_brokers(said, faults), false),
    ] {
        if healthy {
            assert!(by_client.starts_with(&heard.by_broker), "a request changed");
        }
        if healthy && !rewrites {
            assert!(by_broker.starts_with(&heard.by_client), "an answer changed");
        }
        // An error for a partition, and the proxy's address, are longer than
        // what they stand for, but not without end.
        let said = by_client.len() + by_broker.len();
        let heard = heard.by_client.len() + heard.by_broker.len();
        assert!(heard <= 64 * said + 1024, "{heard} bytes from {said}");
    }
}

/// What can be on: nothing, and each fault on requests, for all of them or for
/// some.
static FAULTS: LazyLock<Vec<Vec<ProxyFault>>> = LazyLock::new(|| {
    let on = |api| RequestFilter {
        api: Some(RequestApi(api)),
        ..RequestFilter::default()
    };
    let errors = |when| {
        let known = (0..=i16::from(u8::MAX)).map(|api| {
            ProxyFault::new(FaultEffect::Error {
                on: on(api),
                code: InjectedError(6),
                when,
            })
        });
        known.filter(|it| it.validate().is_ok()).collect()
    };
    let dropped = |then| {
        let on = RequestFilter {
            pick: Pick::Nth(2),
            ..RequestFilter::default()
        };
        vec![ProxyFault::new(FaultEffect::DropAnswer { on, then })]
    };
    let picked = RequestFilter {
        topic: Some("orders".to_owned()),
        partition: Some(0),
        group: Some("readers".to_owned()),
        transactional_id: Some("tx".to_owned()),
        ..RequestFilter::default()
    };
    vec![
        Vec::new(),
        errors(When::Before),
        errors(When::After),
        dropped(OnDrop::Reset),
        dropped(OnDrop::Silence),
        vec![ProxyFault::new(FaultEffect::Delay {
            on: picked,
            delay_ms: 1,
            what: Delayed::Answer,
        })],
    ]
});

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

/// A history of one frame, after docs/reference/history-format.md. It announces more
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
    let Ok((analysis, calibration)) =
        checker::examine(&contract, checker::Examples::default(), open);
    let verdict = checker::judge(&contract, "hostile", 1, &analysis, calibration);
    // A broken invariant of the judge is a doubt, and a defect all the same.
    let defect = |doubt: &String| doubt.starts_with("the checker has a defect");
    assert!(!verdict.doubts.iter().any(defect), "{:?}", verdict.doubts);
    drop(format!("{verdict:?}"));
}
