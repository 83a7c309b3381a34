//! Input files to components: finds out by its content what a file is.

use crate::component::{Component, Kind, Origin, ReadSetting, fact};
use crate::defaults;
use crate::product::{Product, Software};
use crate::read::node::{Node, SyntaxError};
use crate::read::properties::{Pair, pairs};

mod compose;
mod connect;
mod images;
mod node;
mod properties;
mod spring;
mod sql;
mod strimzi;

pub(crate) use compose::debezium_of;
pub(crate) use spring::put_profiles_on_their_base;

/// A file, or something that is read like one.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// As the user names it.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// What is in an input.
#[derive(Debug, Default)]
pub struct Read {
    /// The parts of the pipeline.
    pub components: Vec<Component>,
    /// What is not known and has to be told.
    pub notes: Vec<String>,
}

/// Why an input is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It is broken.
    #[error("{path} is no valid {format}: {source}")]
    Syntax {
        /// The file.
        path: String,
        /// `YAML` or `JSON`.
        format: &'static str,
        /// Where and why.
        source: SyntaxError,
    },
    /// It is something else.
    #[error("{path} holds no configuration that is known: {found}")]
    Unknown {
        /// The file.
        path: String,
        /// What it is instead.
        found: &'static str,
    },
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Properties,
    Json,
    Yaml,
    Sql,
}

/// Whether a file of this name may be a configuration: for folders, where each file is
/// looked at.
pub fn may_be(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    format_by_name(name).is_some()
}

fn format_by_name(name: &str) -> Option<Format> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "properties" | "conf" | "cfg" | "config" => Format::Properties,
        "json" => Format::Json,
        "yml" | "yaml" => Format::Yaml,
        "sql" => Format::Sql,
        _ => return None,
    })
}

/// Reads an input. `client` says whose the clients' settings are where the input does
/// not.
///
/// # Errors
/// [`InputError`], of which `Unknown` for what is no configuration.
pub fn read(input: &InputFile, client: Option<&Software>) -> Result<Read, InputError> {
    let text = input.text.trim_start_matches('\u{feff}');
    if text.contains('\0') {
        return Err(unknown(input, "it is no text"));
    }
    let name = input.path.rsplit('/').next().unwrap_or_default();
    let format = format_by_name(name).unwrap_or_else(|| match text.trim_start().chars().next() {
        Some('{' | '[') => Format::Json,
        _ => Format::Properties,
    });
    let path = &input.path;
    let syntax = |format| {
        move |source| InputError::Syntax {
            path: path.clone(),
            format,
            source,
        }
    };
    let mut read = match format {
        Format::Json => {
            let document = node::json(text).map_err(syntax("JSON"))?;
            let mut components = connect::connectors(&document, path);
            if components.is_empty() {
                components = json_object(&document, path, client);
            }
            Read {
                components,
                notes: Vec::new(),
            }
        }
        Format::Yaml => {
            let documents = node::yaml(text).map_err(syntax("YAML"))?;
            let mut components = strimzi::components(&documents, path);
            let mut of_spring = Vec::new();
            for document in &documents {
                if compose::is_compose(document) {
                    components.extend(compose::services(document, path));
                } else if !strimzi::is_strimzi(document) {
                    let flat = document.flat().into_iter();
                    let settings = flat.filter_map(|(key, node)| {
                        Some(ReadSetting {
                            path: key.clone(),
                            key,
                            value: compose::interpolated(node.text()?),
                            origin: Origin::File {
                                path: path.clone(),
                                line: node.line,
                            },
                        })
                    });
                    of_spring.push(settings.collect());
                }
            }
            components.extend(spring::components(of_spring, stem(name), path));
            Read {
                components,
                notes: Vec::new(),
            }
        }
        Format::Sql => Read {
            components: sql::tables(text, path),
            notes: Vec::new(),
        },
        Format::Properties => properties_file(input, text, client),
    };
    if read.components.is_empty() {
        let found = match format {
            Format::Json => {
                "no connector (`connector.class`), worker or client (`bootstrap.servers`) is in it"
            }
            Format::Yaml => {
                "no service with a known image, no Strimzi resource and no `spring.kafka` is in it"
            }
            Format::Sql => "no table is made in it",
            Format::Properties => "no key of Kafka is in it",
        };
        return Err(unknown(input, found));
    }
    for component in &mut read.components {
        finish(component, client, &mut read.notes);
    }
    Ok(read)
}

fn unknown(input: &InputFile, found: &'static str) -> InputError {
    InputError::Unknown {
        path: input.path.clone(),
        found,
    }
}

fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Says whose the settings of a client are, and gives keys the names that rules know.
fn finish(component: &mut Component, client: Option<&Software>, notes: &mut Vec<String>) {
    let is_client = matches!(
        component.kind,
        Kind::Producer | Kind::Consumer | Kind::Client | Kind::Streams
    );
    if is_client {
        let known = component.software.as_ref();
        match client {
            Some(client) if known.is_none_or(|it| it.product == client.product) => {
                component.software = Some(client.clone());
            }
            Some(_) => {}
            None => match known {
                None => notes.push(format!(
                    "{}: which client reads it is not known, so what it does not set was not \
                     judged; say --client java@3.9.1, or another",
                    component.file
                )),
                Some(known) if known.version.is_none() && known.product != Product::Spring => {
                    notes.push(format!(
                        "{}: the version of {} is not known, and the newest was assumed; say \
                         --client {}@VERSION",
                        component.file,
                        known.product.name(),
                        slug(known.product)
                    ));
                }
                Some(_) => {}
            },
        }
        if component
            .software
            .as_ref()
            .is_some_and(|it| it.product == Product::Librdkafka)
        {
            for setting in &mut component.settings {
                setting.key = defaults::canonical(&setting.key).to_owned();
            }
        }
    }
}

fn slug(product: Product) -> &'static str {
    let known = Product::CLIENTS.iter().find(|(_, it)| *it == product);
    known.map_or("java", |(name, _)| name)
}

/// Keys by which a file of properties is known.
const OF_BROKERS: [&str; 7] = [
    "broker.id",
    "node.id",
    "process.roles",
    "zookeeper.connect",
    "controller.quorum.voters",
    "log.dirs",
    "advertised.listeners",
];
const OF_WORKERS: [&str; 4] = [
    "offset.storage.topic",
    "config.storage.topic",
    "status.storage.topic",
    "offset.storage.file.filename",
];
const OF_DATABASES: [&str; 5] = [
    "wal_level",
    "max_slot_wal_keep_size",
    "max_replication_slots",
    "max_wal_senders",
    "shared_buffers",
];

fn properties_file(input: &InputFile, text: &str, client: Option<&Software>) -> Read {
    // Of several documents in one file only Spring knows.
    let is_end = |line: &str| matches!(line.trim_end(), "#---" | "!---");
    let ends = text.lines().zip(1..).filter(|(line, _)| is_end(line));
    let ends: Vec<usize> = ends.map(|(_, number)| number).collect();
    Read {
        components: known_by_keys(&pairs(text), &ends, &input.path, client),
        notes: Vec::new(),
    }
}

/// A JSON object of a worker or a client: any other has keys of such names, too, so that
/// it has to say where its brokers or its topics are.
fn json_object(document: &Node, path: &str, client: Option<&Software>) -> Vec<Component> {
    let of_clients = ["bootstrap.servers", "metadata.broker.list"];
    let flat = document.flat().into_iter();
    let pairs: Vec<Pair> = flat
        .filter_map(|(key, node)| {
            Some(Pair {
                key,
                value: node.text()?.to_owned(),
                line: node.line,
            })
        })
        .collect();
    let mut keys = pairs.iter().map(|it| it.key.as_str());
    if keys.any(|key| of_clients.contains(&key) || OF_WORKERS.contains(&key)) {
        known_by_keys(&pairs, &[], path, client)
    } else {
        Vec::new()
    }
}

/// The components of a file of pairs; `ends` are the lines at which its documents end.
fn known_by_keys(
    pairs: &[Pair],
    ends: &[usize],
    path: &str,
    client: Option<&Software>,
) -> Vec<Component> {
    let name = stem(path.rsplit('/').next().unwrap_or_default());
    let has = |keys: &[&str]| pairs.iter().any(|it| keys.contains(&it.key.as_str()));
    let setting = |pair: &Pair, key: &str| ReadSetting {
        key: key.to_owned(),
        path: pair.key.clone(),
        value: compose::interpolated(&pair.value),
        origin: Origin::File {
            path: path.to_owned(),
            line: pair.line,
        },
    };
    let all = || {
        pairs
            .iter()
            .map(|it| setting(it, &it.key))
            .collect::<Vec<_>>()
    };
    let of = |kind: Kind, product: Product| {
        let mut component = Component::new(kind, name, path);
        component.software = Some(Software::any(product));
        component.settings = all();
        vec![component]
    };
    if has(&[connect::CLASS]) {
        let own = pairs.iter().find(|it| it.key == "name");
        vec![connect::connector(
            own.map_or(name, |it| &it.value),
            path,
            all(),
        )]
    } else if has(&OF_DATABASES) {
        let mut found = of(Kind::Database, Product::Postgres);
        for setting in &mut found[0].settings {
            // `wal_level = logical   # a comment`
            let bare = setting.value.split('#').next().unwrap_or_default();
            setting.value = bare.trim().trim_matches('\'').to_owned();
        }
        found
    } else if pairs.iter().any(|it| it.key.starts_with("spring.kafka.")) {
        let documents = all().into_iter().zip(pairs).fold(
            vec![Vec::new(); ends.len() + 1],
            |mut documents, (setting, pair)| {
                let document = ends.partition_point(|end| *end < pair.line);
                documents[document].push(setting);
                documents
            },
        );
        spring::components(documents, name, path)
    } else if has(&["clusters"]) && pairs.iter().any(|it| it.key.contains("->")) {
        of(Kind::Mirror, Product::Kafka)
    } else if has(&OF_WORKERS) {
        of(Kind::Worker, Product::Kafka)
    } else if has(&["process.roles"]) && !pairs.iter().any(|it| it.value.contains("broker")) {
        of(Kind::Controller, Product::Kafka)
    } else if has(&OF_BROKERS) {
        of(Kind::Broker, Product::Kafka)
    } else if has(&["application.id"]) {
        of(Kind::Streams, Product::Java)
    } else {
        clients(pairs, name, path, client, &setting)
    }
}

/// Keys of librdkafka that only one side has.
const RD_WRITES: [&str; 14] = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "linger.ms",
    "queue.buffering",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "batch.",
    "compression.",
    "retries",
    "message.send.max.retries",
    "partitioner",
    "delivery.report",
    "enable.gapless",
];
const RD_READS: [&str; 13] = [
    "group.",
    "auto.offset.reset",
    "enable.auto.commit",
    "auto.commit",
    "enable.auto.offset",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "isolation.level",
    "partition.assignment",
    "queued.",
    "fetch.",
    "max.poll",
    "check.crcs",
];

/// The clients of a file: its keys tell whether it writes, reads, or both.
fn clients(
    pairs: &[Pair],
    name: &str,
    path: &str,
    client: Option<&Software>,
    setting: &dyn Fn(&Pair, &str) -> ReadSetting,
) -> Vec<Component> {
    // `producer.acks` and `consumer.group.id` are a file for both.
    let bare = |pair: &Pair| -> (Option<Kind>, String) {
        for (prefix, kind) in [("producer.", Kind::Producer), ("consumer.", Kind::Consumer)] {
            if let Some(rest) = pair.key.strip_prefix(prefix)
                && is_known(rest)
            {
                return (Some(kind), rest.to_owned());
            }
        }
        (None, pair.key.clone())
    };
    let keys: Vec<(Option<Kind>, String)> = pairs.iter().map(bare).collect();
    if !keys.iter().any(|(_, key)| is_known(key)) {
        return Vec::new();
    }
    let is_of_java = |key: &str| {
        let in_java = defaults::knows("producer", key) || defaults::knows("consumer", key);
        in_java && !is_of_rd(key)
    };
    let only_rd = |key: &str| {
        let in_java = defaults::knows("producer", key) || defaults::knows("consumer", key);
        is_of_rd(key) && !in_java
    };
    let count = |is: &dyn Fn(&str) -> bool| keys.iter().filter(|(_, key)| is(key)).count();
    let (java, rd) = (count(&is_of_java), count(&only_rd));
    let software = match client {
        Some(client) => Some(client.clone()),
        None if java > rd => Some(Software::any(Product::Java)),
        None if rd > java => Some(Software::any(Product::Librdkafka)),
        None => None,
    };
    let is_rd = software
        .as_ref()
        .is_some_and(|it| it.product == Product::Librdkafka);
    let side = |own: Option<Kind>, key: &str| -> Option<Kind> {
        if own.is_some() {
            return own;
        }
        let starts = |of: &[&str]| of.iter().any(|it| key.starts_with(it));
        if is_rd && (starts(&RD_WRITES) || starts(&RD_READS)) {
            return Some(if starts(&RD_WRITES) {
                Kind::Producer
            } else {
                Kind::Consumer
            });
        }
        let writes = defaults::knows("producer", key);
        let reads = defaults::knows("consumer", key);
        match (writes, reads) {
            (true, false) => Some(Kind::Producer),
            (false, true) => Some(Kind::Consumer),
            _ => None,
        }
    };
    let sides: Vec<Option<Kind>> = keys.iter().map(|(own, key)| side(*own, key)).collect();
    let present = |kind| sides.contains(&Some(kind));
    let kinds: Vec<Kind> = match (present(Kind::Producer), present(Kind::Consumer)) {
        (true, true) => vec![Kind::Producer, Kind::Consumer],
        (true, false) => vec![Kind::Producer],
        (false, true) => vec![Kind::Consumer],
        (false, false) => vec![Kind::Client],
    };
    let component = |kind: Kind| {
        let mut component = Component::new(kind, name, path);
        component.software.clone_from(&software);
        for ((pair, (_, key)), side) in pairs.iter().zip(&keys).zip(&sides) {
            if side.is_none_or(|it| it == kind) {
                component.settings.push(setting(pair, key));
            }
        }
        component
    };
    kinds.into_iter().map(component).collect()
}

fn is_known(key: &str) -> bool {
    defaults::knows("producer", key) || defaults::knows("consumer", key) || is_of_rd(key)
}

fn is_of_rd(key: &str) -> bool {
    defaults::knows("librdkafka", key) || defaults::knows("librdkafka-alias", key)
}

/// The instances of a component, where they are told; a number that is none is unknown.
pub(crate) fn replicas(component: &Component) -> Option<u32> {
    component.text(fact::REPLICAS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(path: &str, text: &str) -> Result<Read, InputError> {
        let input = InputFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        read(&input, None)
    }

    fn kinds(path: &str, text: &str) -> Vec<(Kind, Option<String>)> {
        let components = read_text(path, text).unwrap().components.into_iter();
        let of = |it: Component| (it.kind, it.software.map(|it| it.to_string()));
        components.map(of).collect()
    }

    #[test]
    fn files_are_known_by_their_keys() {
        let java = |kind| (kind, Some("kafka-clients".to_owned()));
        let rd = |kind| (kind, Some("librdkafka".to_owned()));
        let file = "bootstrap.servers=k:9092\nacks=all\nkey.serializer=x\ngroup.id=g\n";
        assert_eq!(
            kinds("a.properties", file),
            [java(Kind::Producer), java(Kind::Consumer)]
        );
        assert_eq!(
            kinds("a.properties", "max.block.ms=1\n"),
            [java(Kind::Producer)]
        );
        let file = "metadata.broker.list=k:9092\nrequest.required.acks=1\n";
        assert_eq!(kinds("a.conf", file), [rd(Kind::Producer)]);
        assert_eq!(
            kinds("a.properties", "bootstrap.servers=k\nacks=1\n"),
            [(Kind::Producer, None)]
        );
        assert_eq!(
            kinds("server.properties", "node.id=1\nacks=1\n")[0].0,
            Kind::Broker
        );
        assert_eq!(
            kinds("c.properties", "process.roles=controller\n")[0].0,
            Kind::Controller
        );
        assert_eq!(
            kinds("postgresql.conf", "wal_level = logical # x\n")[0].0,
            Kind::Database
        );
        assert_eq!(
            kinds("w.properties", "offset.storage.topic=o\n")[0].0,
            Kind::Worker
        );
    }

    #[test]
    fn json_of_workers_and_clients_is_known_by_its_keys() {
        let worker = r#"{"bootstrap.servers": "k:9092", "config.storage.topic": "c"}"#;
        assert_eq!(kinds("worker.json", worker)[0].0, Kind::Worker);
        let client = "{\"bootstrap.servers\": \"k:9092\",\n\"message.timeout.ms\": 5000}";
        let of_rd = (Kind::Producer, Some("librdkafka".to_owned()));
        assert_eq!(kinds("client.json", client), [of_rd]);
        let read = read_text("client.json", client).unwrap();
        let timeout = read.components[0].set("delivery.timeout.ms").unwrap();
        assert_eq!(timeout.origin.to_string(), "client.json:2");
    }

    #[test]
    fn documents_of_properties_are_told_apart() {
        let text = "spring.kafka.producer.acks=all\n#---\n\
                    spring.config.activate.on-profile=prod\nspring.kafka.producer.acks=1\n";
        let found = read_text("application.properties", text)
            .unwrap()
            .components;
        let acks: Vec<Option<&str>> = found.iter().map(|it| it.text("acks")).collect();
        assert_eq!(acks, [Some("all"), Some("1")]);
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_reason() {
        let refused = |path, text| read_text(path, text).unwrap_err().to_string();
        assert_eq!(
            refused("a.properties", "name=x\n"),
            "a.properties holds no configuration that is known: no key of Kafka is in it"
        );
        assert!(refused("a.json", "{\"a\": 1,}").contains("a.json is no valid JSON: line 1"));
        assert!(refused("a.yml", "a: [\n").contains("a.yml is no valid YAML"));
        assert!(refused("a.bin", "\0\0").contains("it is no text"));
        let refusal = refused(
            "package.json",
            "{\"name\": \"x\", \"debug\": true, \"acks\": 1}",
        );
        assert!(refusal.contains("no connector"), "{refusal}");
    }
}
