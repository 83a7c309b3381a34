//! Compose files: services whose images are known, their variables as keys, the flags
//! of databases, and applications that configure a client through Spring's variables.

use crate::component::{Component, Kind, Origin, ReadSetting, fact};
use crate::product::{Product, Software};
use crate::read::images::{Image, Role, image};
use crate::read::node::Node;
use crate::read::spring;

/// The services of a compose file that matter here.
pub(crate) fn services(document: &Node, path: &str) -> Vec<Component> {
    let mut found = Vec::new();
    let services = document.get("services").map_or(&[][..], Node::entries);
    for (name, service) in services {
        let image_node = service.get("image");
        let image_name = image_node.and_then(Node::text).map(interpolated);
        let known = image_name.as_deref().and_then(image);
        let at = |line| Origin::File {
            path: path.to_owned(),
            line,
        };
        let way = format!("services.{name}");
        let variables = variables(service, &format!("{way}.environment"), path);
        if let Some(known) = &known {
            found.push(known_service(known, name, &variables, service, path, &way));
        } else {
            let own = variables.iter().filter_map(|variable| {
                let mut setting = variable.clone();
                setting.key = spring::key_of_variable(&variable.key)?;
                Some(setting)
            });
            found.extend(spring::components(vec![own.collect()], name, path));
        }
        let fact = |key: &str, value: &str, node: &Node, written: &str| ReadSetting {
            key: key.to_owned(),
            path: format!("{way}.{written}"),
            value: value.to_owned(),
            origin: at(node.line),
        };
        let service_name = fact(fact::SERVICE, name, service, "");
        let mut facts = vec![service_name];
        if let (Some(node), Some(image)) = (image_node, &image_name) {
            facts.push(fact(fact::IMAGE, image, node, "image"));
        }
        if let Some(node) = service.at(&["deploy", "replicas"]).or(service.get("scale"))
            && let Some(replicas) = node.text()
        {
            facts.push(fact(fact::REPLICAS, replicas, node, "deploy.replicas"));
        }
        if let Some(node) = service.get("stop_grace_period")
            && let Some(seconds) = node.text().and_then(seconds)
        {
            let seconds = seconds.to_string();
            facts.push(fact(
                fact::STOP_GRACE_S,
                &seconds,
                node,
                "stop_grace_period",
            ));
        }
        if let Some(known) = known.as_ref().filter(|it| !it.data.is_empty()) {
            let own = found.iter().rev().find(|it| it.name == *name);
            let dirs = own.and_then(|it| it.text("log.dirs")).unwrap_or(known.data);
            let storage = if has_volume(service, dirs) {
                "persistent"
            } else {
                "ephemeral"
            };
            let node = service.get("volumes").or(image_node).unwrap_or(service);
            facts.push(fact(fact::STORAGE, storage, node, "volumes"));
        }
        for component in found.iter_mut().filter(|it| it.name == *name) {
            component.settings.extend(facts.iter().cloned());
        }
    }
    found
}

/// A service with a known image.
fn known_service(
    known: &Image,
    name: &str,
    variables: &[ReadSetting],
    service: &Node,
    path: &str,
    way: &str,
) -> Component {
    let mut settings = Vec::new();
    for variable in variables {
        let key = known.short_key(&variable.key).map(str::to_owned);
        if let Some(key) = key.or_else(|| known.key(&variable.key)) {
            let mut setting = variable.clone();
            setting.key = key;
            settings.push(setting);
        } else if variable.key.starts_with("KAFKA_") {
            // Kept as it is written: the image may not make a key of it.
            settings.push(variable.clone());
        }
    }
    if known.role == Role::Database {
        settings.extend(flags(service, path, way));
    }
    let image = service.get("image");
    let line = image.map_or(service.line, |it| it.line);
    for (key, value) in known.defaults {
        if settings.iter().all(|it| it.key != *key) {
            settings.push(ReadSetting {
                key: (*key).to_owned(),
                path: format!("{way}.image({key})"),
                value: (*value).to_owned(),
                origin: Origin::File {
                    path: path.to_owned(),
                    line,
                },
            });
        }
    }
    let kind = match known.role {
        Role::Worker => Kind::Worker,
        Role::Database => Kind::Database,
        Role::Broker => {
            let roles = settings.iter().find(|it| it.key == "process.roles");
            match roles.map(|it| it.value.trim()) {
                Some("controller") => Kind::Controller,
                _ => Kind::Broker,
            }
        }
    };
    let mut component = Component::new(kind, name, path);
    component.software = Some(known.software.clone());
    if let Some(debezium) = &known.debezium {
        settings.push(ReadSetting {
            key: "@debezium".to_owned(),
            path: format!("{way}.image"),
            value: debezium.to_string(),
            origin: Origin::File {
                path: path.to_owned(),
                line,
            },
        });
    }
    component.settings = settings;
    component
}

/// The variables of a service, as a map or as a list of `NAME=value`.
fn variables(service: &Node, way: &str, path: &str) -> Vec<ReadSetting> {
    let Some(environment) = service.get("environment") else {
        return Vec::new();
    };
    let of = |name: &str, value: &str, line| ReadSetting {
        key: name.to_owned(),
        path: format!("{way}.{name}"),
        value: interpolated(value),
        origin: Origin::File {
            path: path.to_owned(),
            line,
        },
    };
    let mapped = environment.entries().iter();
    let mapped = mapped.filter_map(|(name, node)| Some(of(name, node.text()?, node.line)));
    let listed = environment.list().iter();
    let listed = listed.filter_map(|node| {
        let (name, value) = node.text()?.split_once('=')?;
        Some(of(name, value, node.line))
    });
    mapped.chain(listed).collect()
}

/// `-c wal_level=logical` and `--wal-level=logical` of a database's command.
fn flags(service: &Node, path: &str, way: &str) -> Vec<ReadSetting> {
    let Some(command) = service.get("command") else {
        return Vec::new();
    };
    let mut words: Vec<(String, usize)> = Vec::new();
    let mut add = |text: &str, line| {
        let bare = interpolated(text);
        let split = bare
            .split_whitespace()
            .map(|it| it.trim_matches(['"', '\'']));
        words.extend(split.map(|it| (it.to_owned(), line)));
    };
    match command.text() {
        Some(text) => add(text, command.line),
        None => {
            for node in command.list() {
                add(node.text().unwrap_or_default(), node.line);
            }
        }
    }
    let mut settings = Vec::new();
    let mut is_pair = false;
    for (word, line) in words {
        let bare = word.trim_start_matches("--");
        let is_flag = is_pair || word.starts_with("--") || word.starts_with("-c") && word.len() > 2;
        is_pair = word == "-c";
        let bare = bare.strip_prefix("-c").unwrap_or(bare);
        if let (true, Some((key, value))) = (is_flag, bare.split_once('=')) {
            let key = key.replace('-', "_");
            settings.push(ReadSetting {
                key: if key == "config_file" {
                    fact::CONFIG_FILE.to_owned()
                } else {
                    key
                },
                path: format!("{way}.command"),
                value: value.to_owned(),
                origin: Origin::File {
                    path: path.to_owned(),
                    line,
                },
            });
        }
    }
    settings
}

/// Whether each of the folders, which commas separate, lies in a volume.
fn has_volume(service: &Node, dirs: &str) -> bool {
    let volumes = service.get("volumes").map_or(&[][..], Node::list);
    let targets: Vec<String> = volumes
        .iter()
        .filter_map(|volume| match volume.text() {
            Some(text) => interpolated(text).split(':').nth(1).map(str::to_owned),
            None => volume.get("target").and_then(Node::text).map(str::to_owned),
        })
        .collect();
    dirs.split(',').all(|dir| {
        let is_in = |it: &String| {
            let (dir, volume) = (dir.trim(), it.trim_end_matches('/'));
            // A database's volume may lie below its folder.
            dir.starts_with(volume) || volume.starts_with(dir)
        };
        targets.iter().any(is_in)
    })
}

/// `1m30s`, `45s` in whole seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0;
    let mut number = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let value: u64 = number.parse().ok()?;
        number.clear();
        total += value
            * match c {
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
    }
    number.is_empty().then_some(total)
}

/// A value with the defaults of its variables: `${TAG:-7.6.1}` is `7.6.1`. A variable
/// without one stays as it is.
pub(crate) fn interpolated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inner, behind)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let behind_name = inner.trim_start_matches(is_name);
        let default = behind_name
            .strip_prefix(":-")
            .or(behind_name.strip_prefix('-'));
        if let Some(default) = default {
            out.push_str(default);
        } else {
            out.push_str("${");
            out.push_str(inner);
            out.push('}');
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether a document is a compose file.
pub(crate) fn is_compose(document: &Node) -> bool {
    let services = document.get("services").map_or(&[][..], Node::entries);
    let has = |node: &Node| node.get("image").is_some() || node.get("build").is_some();
    services.iter().any(|(_, node)| has(node))
}

/// The worker's plug-ins: which Debezium is in the image.
pub(crate) fn debezium_of(worker: &Component) -> Option<Software> {
    let version = worker.text("@debezium")?;
    Some(Software::of(Product::Debezium, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::node::yaml;

    #[test]
    fn services_are_read_with_their_variables_flags_and_volumes() {
        let text = "services:\n  kafka:\n    image: confluentinc/cp-kafka:${TAG:-7.6.1}\n    \
            environment:\n      KAFKA_MIN_INSYNC_REPLICAS: 1\n      KAFKA_HEAP_OPTS: -Xmx1g\n    \
            volumes:\n      - data:/var/lib/kafka/data\n  db:\n    image: postgres:16\n    \
            command: [\"postgres\", \"-c\", \"wal_level=logical\"]\n    stop_grace_period: 1m30s\n  \
            web:\n    image: nginx\n";
        let found = services(&yaml(text).unwrap()[0], "compose.yml");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text("min.insync.replicas"), Some("1"));
        let set = found[0].set("min.insync.replicas").unwrap();
        assert_eq!(set.origin.to_string(), "compose.yml:5");
        assert_eq!(found[0].text(fact::STORAGE), Some("persistent"));
        assert_eq!(found[0].software.as_ref().unwrap().to_string(), "Kafka 3.6");
        assert_eq!(found[1].text("wal_level"), Some("logical"));
        assert_eq!(found[1].text(fact::STORAGE), Some("ephemeral"));
        assert_eq!(found[1].text(fact::STOP_GRACE_S), Some("90"));
    }

    #[test]
    fn flags_are_read_in_each_form() {
        let text = "command: postgres -c wal_level=logical --max-wal-senders=4 -cmax_slots=2\n";
        let flags = flags(&yaml(text).unwrap()[0], "f", "w");
        let read: Vec<(&str, &str)> = flags.iter().map(|it| (&*it.key, &*it.value)).collect();
        let expected = [
            ("wal_level", "logical"),
            ("max_wal_senders", "4"),
            ("max_slots", "2"),
        ];
        assert_eq!(read, expected);
    }
}
