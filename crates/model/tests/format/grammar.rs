//! What the parser takes, asked of the parser itself: its errors list the keys
//! and the words that it knows. Knows nothing of the document or the schema.

use std::collections::BTreeSet;

use model::scenario::{Scenario, ScenarioError, parse};
use toml::{Table, Value};

/// A scenario with everything in it that a fault or a trigger may name.
const SKELETON: &str = r#"
name = "skeleton"
title = "Everything that can be named"

[topology]
brokers = 3
link = "proxy"
replication_link = "proxy"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 3

[[topic]]
name = "invoices"
partitions = 3
replication_factor = 3

[[producer]]
topic = "orders"
records = 1000
records_per_s = 100
record_bytes = 512

[[group]]
name = "billing"
topic = "orders"
records_per_s = 100
commit_every_records = 20

[[transform]]
name = "biller"
from = "orders"
to = "invoices"
members = 2
records_per_s = 100
commit_every_records = 20
transactions = true
record_bytes = 256

[capture]
connector = "connector"
slot = "slot"
publication = "publication"
prefix = "prefix"

[[write]]
table = "videos"
rows = 10

[[write]]
table = "users"
rows = 10

[[write]]
table = "comments"
rows = 10

[[fault]]
kind = "consumer-pause"
after = { elapsed_ms = 1 }
group = "billing"
for_ms = 1000

[[guarantee]]
claim = "no-loss"
"#;

/// A scenario with everything in it that an application may name.
const APP_SKELETON: &str = r#"
name = "skeleton"
title = "Everything that an application can name"

[[topic]]
name = "orders"
partitions = 3
replication_factor = 3

[[topic]]
name = "bills"
partitions = 3
replication_factor = 3

[topology]
brokers = 3

[[producer]]
topic = "orders"
records = 1000
records_per_s = 100
keys = 20

[[guarantee]]
claim = "no-loss"
"#;

/// One value for each key of a table, all of which the parser takes.
const FULL: &[(&str, &str)] = &[
    (
        "topology",
        "kafka = \"4.0.0\"\nbrokers = 3\nlink = \"proxy\"\nreplication_link = \"proxy\"\nfeatures = { \"transaction.version\" = 0 }\nconfig = { \"num.io.threads\" = \"4\" }",
    ),
    (
        "topic",
        "name = \"orders\"\npartitions = 3\nreplication_factor = 3\nconfig = { \"segment.ms\" = \"4000\" }",
    ),
    (
        "producer",
        "topic = \"orders\"\nalso_to = [\"invoices\"]\nrecords = 1000\nrecords_per_s = 100\nrecord_bytes = 512\n\
         large_every = 10\nlarge_bytes = 1024\nkeys = 20\nsteps_per_s = [50, 0]\nstep_ms = 1000\nstart_ms = 500\ncompressible_percent = 50\nclient = \"java\"\nconfig = { acks = \"all\" }",
    ),
    (
        "group",
        "name = \"billing\"\ntopic = \"orders\"\nmembers = 1\nrecords_per_s = 100\n\
         commit = \"after\"\ncommit_every_records = 20\nmax_poll_records = 1\nfence = \"none\"\n\
         start = \"before-producers\"\nrequires_read_committed = false\nclient = \"java\"\nconfig = { a = \"b\" }",
    ),
    (
        "transform",
        "name = \"biller\"\nfrom = \"orders\"\nto = \"invoices\"\nmembers = 2\n\
         records_per_s = 100\ncommit_every_records = 20\ntransactions = true\ncommit_when = \"acknowledged\"\n\
         record_bytes = 256\nclient = \"java:3.1.0\"\nconfig = { a = \"b\" }\nproducer_config = { a = \"b\" }",
    ),
    (
        "capture",
        "connector = \"c\"\nslot = \"s\"\npublication = \"p\"\nprefix = \"d\"\n\
         debezium = \"3.6.3.Final\"\n\
         config = { a = \"b\" }\nworker_config = { \"offset.flush.interval.ms\" = \"50\" }",
    ),
    (
        "write",
        "table = \"comments\"\nrows = 10\nhow = \"insert\"\nrows_per_s = 4\n\
         after = { elapsed_ms = 1 }\ntransaction = \"a\"\ncommit_after = { elapsed_ms = 2 }",
    ),
    (
        "quota",
        "client_id = \"billing\"\nuser = \"ANONYMOUS\"\n\
         config = { consumer_byte_rate = \"20000\" }",
    ),
    (
        "app",
        "command = [\"./billing\"]\nenv = { A = \"b\" }\ntopic = \"orders\"\ngroup = \"billing-app\"\n\
         value = \"{id}\"\nkey = \"{key}\"\nheaders = { a = \"{id}\" }\nsettle_ms = 1000\n\
         effects = { topic = \"bills\", id = \"\" }",
    ),
    (
        "alert",
        "group = \"billing\"\nfault = 1\nquiet_ms = 1000\nleast_behind = 10",
    ),
    (
        "guarantee",
        "claim = \"recovers-within\"\nlevel = \"required\"\nlimit_ms = 5000",
    ),
    (
        "expect",
        "client = \"java\"\nclaim = \"no-loss\"\nlevel = \"observed\"\nsource = \"KIP-1\"",
    ),
];

/// One value for each key of any fault, which the parser takes wherever it
/// takes the key.
const FAULT: &str = r#"
after = { acknowledged = 1 }
delay_ms = 1
jitter_ms = 1
times = 2
pause_ms = 1
effect = "real"
signal = "kill"
down_ms = 1
slot = "kept"
for_ms = 2
late_ms = 1
topic = "orders"
partition = 0
group = "biller"
transactional_id = "biller-1"
member = 1
tasks = "included"
onset = "at-once"
election = "own"
peers = "all"
api = "Produce"
pick = "every"
code = "NOT_ENOUGH_REPLICAS"
moment = "before"
latency_ms = 1
bytes_per_s = 1
offsets = "kept"
takeover = "open"
title = "a pod is deleted"
inject = "true"
heal = "true"
evidence = "true"
limit_ms = 1
"#;

pub(crate) fn table(text: &str) -> Table {
    text.parse()
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn skeleton() -> Table {
    table(SKELETON)
}

/// The skeleton that an application is put into, or the usual one.
pub(crate) fn skeleton_of(has_app: bool) -> Table {
    if has_app {
        table(APP_SKELETON)
    } else {
        skeleton()
    }
}

pub(crate) fn read(document: &Table) -> Result<Scenario, ScenarioError> {
    parse("it.toml", &toml::to_string(document).unwrap())
}

/// The tables of a scenario file, but the top level and faults.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    FULL.iter().map(|(name, _)| *name)
}

/// All keys of a table, with values.
pub(crate) fn full(name: &str) -> Table {
    let found = FULL.iter().find(|(known, _)| *known == name);
    table(found.unwrap_or_else(|| panic!("{name}")).1)
}

/// Whether the file has the table once only.
pub(crate) fn is_single(name: &str) -> bool {
    ["topology", "capture", "app", "alert"].contains(&name)
}

/// The skeleton with this table in place of its own.
pub(crate) fn with(name: &str, content: Table) -> Table {
    let kind = content.get("kind").and_then(Value::as_str);
    let of_app = kind.is_some_and(|kind| kind.starts_with("app-"));
    let mut document = skeleton_of(name == "app" || of_app);
    if of_app {
        document.insert("app".to_owned(), Value::Table(full("app")));
    }
    let content = Value::Table(content);
    let value = match (is_single(name), document.get_mut(name)) {
        (true, _) => content,
        // Others name what the first of several is; a comment needs the rows before it.
        (false, Some(Value::Array(all))) if all.len() > 1 => {
            let at = if name == "write" { all.len() - 1 } else { 0 };
            all[at] = content;
            return document;
        }
        (false, _) => Value::Array(vec![content]),
    };
    document.insert(name.to_owned(), value);
    document
}

/// The names that the parser says it knows, where it says so.
pub(crate) fn expected(document: &Table) -> Option<BTreeSet<String>> {
    let message = read(document).err()?.message;
    let listed = ["keys are ", "It takes "]
        .iter()
        .find_map(|it| message.split_once(it))?;
    let names = listed.1.split('`').skip(1).step_by(2);
    Some(names.map(str::to_owned).collect())
}

pub(crate) fn unknown_key(mut table: Table) -> Table {
    table.insert("no-such-key".to_owned(), Value::Boolean(true));
    table
}

/// The keys of a table, by the parser.
pub(crate) fn keys(name: &str) -> BTreeSet<String> {
    expected(&with(name, unknown_key(full(name)))).unwrap_or_else(|| panic!("{name}"))
}

/// The keys of the top level, by the parser.
pub(crate) fn top_level() -> BTreeSet<String> {
    expected(&unknown_key(skeleton())).unwrap()
}

/// The keys of any fault, by the parser.
pub(crate) fn fault_keys() -> BTreeSet<String> {
    let kinds = kinds().into_iter();
    kinds
        .flat_map(|kind| expected(&with("fault", unknown_key(fault(&kind)))).unwrap())
        .collect()
}

/// The kinds of faults, by the parser.
pub(crate) fn kinds() -> BTreeSet<String> {
    expected(&with("fault", fault("no-such-kind"))).unwrap()
}

fn fault(kind: &str) -> Table {
    let mut fault = table("after = { acknowledged = 1 }");
    fault.insert("kind".to_owned(), kind.into());
    fault
}

/// All keys that any fault has, with values; only `broker` is missing.
pub(crate) fn every_fault_key() -> Table {
    table(FAULT)
}

/// How a broker may be named: the value of `broker`, or none.
pub(crate) fn brokers() -> Vec<Option<Value>> {
    let mut probe = fault("broker-pause");
    probe.insert("broker".to_owned(), "no-such-word".into());
    let words = expected(&with("fault", probe)).unwrap();
    let words = words.into_iter().map(|word| Some(Value::from(word)));
    words.chain([None, Some(Value::from(1))]).collect()
}

/// The fullest fault of a kind with this `broker`: every key that the parser
/// takes there. None where the kind takes no such broker.
pub(crate) fn fullest(kind: &str, broker: Option<&Value>) -> Option<Table> {
    let mut fault = every_fault_key();
    fault.insert("kind".to_owned(), kind.into());
    if let Some(broker) = broker {
        fault.insert("broker".to_owned(), broker.clone());
    }
    loop {
        let message = match read(&with("fault", fault.clone())) {
            Ok(_) => return Some(fault),
            Err(error) => error.message,
        };
        let not_here = message.split_once("has no key `").map(|it| it.1);
        let not_so = message
            .strip_prefix('`')
            .filter(|it| it.contains("` goes with `"));
        let Some(key) = not_here.or(not_so).and_then(|it| it.split('`').next()) else {
            assert!(message.ends_with("is for one broker"), "{kind}: {message}");
            return None;
        };
        if key == "broker" {
            return None;
        }
        fault.remove(key).unwrap();
    }
}

/// The keys that every fault has.
pub(crate) fn common_fault_keys() -> BTreeSet<String> {
    let sets = kinds().into_iter().map(|kind| {
        let fullest = fullest(&kind, None).unwrap();
        fullest.keys().cloned().collect::<BTreeSet<_>>()
    });
    sets.reduce(|a, b| &a & &b).unwrap()
}
