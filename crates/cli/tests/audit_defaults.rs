//! The tables of defaults are printed by the artefacts: Java's `…Config` classes print
//! theirs, librdkafka has a function for it. `make audit-defaults` (`UPDATE_DEFAULTS=1`)
//! fetches each version and writes the tables; without it one version is asked again.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::artefacts::{ArtefactRequest, Parts, Versions, fetch};
use stack::cache::Cache;
use stack::java::find_java;
use stack::java_client::{self, JavaClient};

/// Clients, by the jar of a client alone.
const CLIENTS: [&str; 18] = [
    "2.8.2", "3.0.0", "3.0.1", "3.0.2", "3.1.0", "3.1.1", "3.2.0", "3.3.2", "3.4.1", "3.5.2",
    "3.6.2", "3.7.2", "3.8.1", "3.9.1", "4.0.0", "4.1.0", "4.2.0", "4.3.1",
];
/// Brokers and workers, by all jars of a distribution.
const SERVERS: [&str; 5] = ["3.3.2", "3.9.1", "4.0.0", "4.1.0", "4.3.1"];
const LIBRDKAFKA: [&str; 8] = [
    "1.5.0", "1.6.0", "1.7.0", "1.8.2", "1.9.0", "2.2.0", "2.3.0", "2.12.1",
];

const CLIENT_CLASSES: [(&str, &str); 2] = [
    (
        "producer",
        "org.apache.kafka.clients.producer.ProducerConfig",
    ),
    (
        "consumer",
        "org.apache.kafka.clients.consumer.ConsumerConfig",
    ),
];
const SERVER_CLASSES: [(&str, &str); 5] = [
    ("broker", "kafka.server.KafkaConfig"),
    ("topic", "org.apache.kafka.storage.internals.log.LogConfig"),
    (
        "worker",
        "org.apache.kafka.connect.runtime.distributed.DistributedConfig",
    ),
    (
        "source",
        "org.apache.kafka.connect.runtime.SourceConnectorConfig",
    ),
    (
        "sink",
        "org.apache.kafka.connect.runtime.SinkConnectorConfig",
    ),
];
/// Where older versions keep a class.
const OLDER: [(&str, &str); 1] = [("topic", "kafka.log.LogConfig")];

/// Prints librdkafka's own defaults, of the client and of topics.
const DUMP: &str = "
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
for of in ('rd_kafka_conf', 'rd_kafka_topic_conf'):
    new, dump = getattr(library, of + '_new'), getattr(library, of + '_dump')
    new.restype = ctypes.c_void_p
    dump.restype = ctypes.POINTER(ctypes.c_char_p)
    dump.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
    count = ctypes.c_size_t()
    cells = dump(new(), ctypes.byref(count))
    for at in range(0, count.value, 2):
        print(cells[at].decode() + '\\t' + cells[at + 1].decode())
";

/// The defaults of one version by key.
type Printed = BTreeMap<String, String>;
/// Those of all versions by component, in the order of versions.
type Tables = BTreeMap<String, Vec<(String, Printed)>>;

/// What a `…Config` class prints of itself: a heading with the key, and a table with
/// its default.
fn printed_by(class: &str, class_path: &OsString) -> Printed {
    let java = find_java().unwrap();
    let output = Command::new(&java.binary)
        .args([
            "-XX:TieredStopAtLevel=1",
            "-Dorg.apache.logging.log4j.level=OFF",
            "-cp",
        ])
        .arg(class_path)
        .arg(class)
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut printed = Printed::new();
    for section in page.split("<h4>").skip(1) {
        let Some((_, key)) = section.split_once("<a id=\"") else {
            continue;
        };
        let key = key.split('"').next().unwrap();
        let default = section
            .split("<th>Default:</th><td>")
            .nth(1)
            .unwrap_or_default();
        let default = default.split("</td>").next().unwrap().trim();
        // A number is followed by what it is to people: `120000 (2 minutes)`.
        let default = match default.split_once(" (") {
            Some((number, _)) if number.starts_with(|c: char| c.is_ascii_digit()) => number,
            _ => default,
        };
        printed.insert(key.to_owned(), default.replace(['\t', '\n'], " "));
    }
    printed
}

fn class_path(jars: &Path) -> OsString {
    let mut path = jars.as_os_str().to_owned();
    path.push("/*");
    path
}

/// The jars of a client: the last part of the command that runs it as a subject.
fn client_jars(cache: &Cache, version: &str) -> OsString {
    let command = java_client::command(cache, JavaClient::Version(version), &mut |_| {}).unwrap();
    let at = command.iter().position(|it| it == "-cp").unwrap();
    OsString::from(&command[at + 1])
}

fn server_jars(cache: &Cache, version: &str) -> PathBuf {
    let request = ArtefactRequest {
        versions: Versions {
            kafka: version.to_owned(),
            ..Versions::default()
        },
        kafka_home: None,
        parts: Parts::Kafka,
    };
    fetch(cache, &request, &mut |_| {}).unwrap().kafka.path
}

fn printed_by_server(name: &str, class: &str, jars: &OsString) -> Printed {
    let printed = printed_by(class, jars);
    let older = OLDER.iter().find(|(it, _)| *it == name);
    match older {
        Some((_, older)) if printed.is_empty() => printed_by(older, jars),
        _ => printed,
    }
}

fn printed_by_librdkafka(library: &Path) -> Printed {
    let output = Command::new("python3")
        .args(["-c", DUMP])
        .arg(library)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut printed = Printed::new();
    for (key, value) in text.lines().filter_map(|it| it.split_once('\t')) {
        // The address of a callback is no default.
        let value = if value.starts_with("0x") {
            "null"
        } else {
            value
        };
        // Topics have a legacy key of the client's name: the client's counts.
        printed
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    printed
}

/// All names of the librdkafka that is built in, those of one setting together.
fn names() -> Vec<(String, String, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/settings.sh");
    let printed = Command::new(script).arg("librdkafka").output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8(printed.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default().to_owned();
        (cell(0), cell(4), cell(5))
    });
    rows.collect()
}

/// A table as it is kept: a line a key, with its values where they change.
fn rows(name: &str, versions: &[(String, Printed)]) -> String {
    let all: Vec<&str> = versions
        .iter()
        .map(|(version, _)| version.as_str())
        .collect();
    let mut text = format!("@\t{name}\t{}\n", all.join(" "));
    let keys: std::collections::BTreeSet<&String> = versions
        .iter()
        .flat_map(|(_, printed)| printed.keys())
        .collect();
    for key in keys {
        let mut before: Option<&String> = None;
        let mut line = key.clone();
        for (version, printed) in versions {
            let now = printed.get(key);
            match now {
                Some(value) if before != now => write!(line, "\t{version}={value}").unwrap(),
                None if before.is_some() => write!(line, "\t{version}!").unwrap(),
                _ => {}
            }
            before = now;
        }
        writeln!(text, "{line}").unwrap();
    }
    text
}

const HEAD: &str = "# Generated by `make audit-defaults`: key, and from which version on which value is\n\
     # its default (`!`: the version has no such key).\n";

fn kafka(cache: &Cache) -> String {
    let mut tables = Tables::new();
    for version in CLIENTS {
        let jars = client_jars(cache, version);
        for (name, class) in CLIENT_CLASSES {
            let printed = printed_by(class, &jars);
            assert!(
                printed.len() > 50,
                "{name} {version}: {} keys",
                printed.len()
            );
            tables
                .entry(name.to_owned())
                .or_default()
                .push((version.to_owned(), printed));
        }
    }
    for version in SERVERS {
        let jars = class_path(&server_jars(cache, version));
        for (name, class) in SERVER_CLASSES {
            let printed = printed_by_server(name, class, &jars);
            // Some print nothing in the oldest.
            if !printed.is_empty() {
                tables
                    .entry(name.to_owned())
                    .or_default()
                    .push((version.to_owned(), printed));
            }
        }
    }
    let tables = tables.iter().map(|(name, versions)| rows(name, versions));
    tables.fold(HEAD.to_owned(), |text, table| text + &table)
}

fn librdkafka(cache: &Cache) -> String {
    let mut versions = Vec::new();
    let names = names();
    // The name that Kafka's own client has too, where one of a setting's names is such.
    let java: Vec<&str> = audit::defaults::keys("producer")
        .chain(audit::defaults::keys("consumer"))
        .collect();
    let mut canonical: BTreeMap<String, String> = BTreeMap::new();
    for (alias, _, of) in names.iter().filter(|(_, _, of)| !of.is_empty()) {
        let (known, other) = if java.contains(&alias.as_str()) {
            (alias, of)
        } else {
            (of, alias)
        };
        canonical.insert(other.clone(), known.clone());
    }
    let rename = |key: &str| {
        canonical
            .get(key)
            .cloned()
            .unwrap_or_else(|| key.to_owned())
    };
    for version in LIBRDKAFKA {
        let library = stack::librdkafka::fetch(cache, version, &mut |_| {}).unwrap();
        let mut printed: Printed = printed_by_librdkafka(&library)
            .into_iter()
            .map(|(key, value)| (rename(&key), value))
            .collect();
        if version == LIBRDKAFKA[LIBRDKAFKA.len() - 1] {
            // What has no default is not printed, and is a key nevertheless.
            for (name, _, _) in &names {
                printed
                    .entry(rename(name))
                    .or_insert_with(|| "null".to_owned());
            }
        }
        versions.push((version.to_owned(), printed));
    }
    let aliases: Printed = canonical.into_iter().collect();
    let newest = LIBRDKAFKA[LIBRDKAFKA.len() - 1].to_owned();
    HEAD.to_owned()
        + &rows("librdkafka", &versions)
        + &rows("librdkafka-alias", &[(newest, aliases)])
}

fn update(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../audit/src/defaults")
        .join(name);
    fs::write(path, text).unwrap();
}

#[test]
fn the_newest_defaults_are_those_that_the_artefacts_print() {
    let cache = Cache::user().unwrap();
    if std::env::var_os("UPDATE_DEFAULTS").is_some() {
        update("kafka.tsv", &kafka(&cache));
        update("librdkafka.tsv", &librdkafka(&cache));
        return;
    }
    let version = SERVERS[SERVERS.len() - 1];
    let jars = class_path(&server_jars(&cache, version));
    let mut compared = 0;
    for (name, class) in CLIENT_CLASSES.iter().chain(&SERVER_CLASSES) {
        for (key, value) in printed_by_server(name, class, &jars) {
            // Java itself says which ciphers and protocols are usual.
            if key.starts_with("ssl.") {
                continue;
            }
            let kept = audit::defaults::kept(name, version, &key);
            assert_eq!(
                kept,
                Some(value.as_str()),
                "{name} {key}: run `make audit-defaults`"
            );
            compared += 1;
        }
    }
    assert!(compared > 600, "{compared}");
}

/// The library that is built in, by its documentation: the table was made by asking it.
#[test]
fn librdkafkas_newest_defaults_are_those_of_its_documentation() {
    let mut compared = 0;
    // Some names are a client's and, with another default, a topic's of old.
    let mut documented: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, usual, _) in names() {
        let key = audit::defaults::canonical(&key).to_owned();
        documented.entry(key).or_default().push(usual);
    }
    for (key, usual) in documented {
        let kept = audit::defaults::kept("librdkafka", "2.12.1", &key);
        assert!(kept.is_some(), "{key}: run `make audit-defaults`");
        let is_plain = |it: &String| it.parse::<i64>().is_ok() || it == "true" || it == "false";
        if usual.iter().all(is_plain) {
            let is_kept = usual.iter().any(|it| kept == Some(it.as_str()));
            assert!(is_kept, "{key}: {kept:?}, and {usual:?} is documented");
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}
