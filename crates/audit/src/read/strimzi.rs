//! Strimzi's resources: clusters, node pools, topics, Connect clusters, connectors and
//! users of `kafka.strimzi.io`.

use crate::component::{Component, Kind, Origin, ReadSetting, fact};
use crate::product::{Product, Software};
use crate::read::connect;
use crate::read::node::{Data, Node};

/// Whether a document is one of Strimzi's.
pub(crate) fn is_strimzi(document: &Node) -> bool {
    let version = document.get("apiVersion").and_then(Node::text);
    version.is_some_and(|it| it.starts_with("kafka.strimzi.io/"))
}

/// The components of all documents of a file: pools belong to their cluster.
pub(crate) fn components(documents: &[Node], path: &str) -> Vec<Component> {
    let own: Vec<&Node> = documents.iter().filter(|it| is_strimzi(it)).collect();
    let mut found = Vec::new();
    for document in &own {
        let name = document.at(&["metadata", "name"]).and_then(Node::text);
        let name = name.unwrap_or("unnamed");
        match document.get("kind").and_then(Node::text) {
            Some("Kafka") => found.extend(cluster(document, name, &own, path)),
            Some("KafkaNodePool") if cluster_of(document, &own).is_none() => {
                // Its cluster is in another file: what it does not set is told there.
                let kind = kind_of(document.get("spec"));
                let spec = document.get("spec");
                found.push(node(kind, name, spec, "spec", &[], None, path));
            }
            Some("KafkaTopic") => found.extend(topic(document, name, path)),
            Some("KafkaConnect") => found.extend(worker(document, name, path)),
            Some("KafkaConnector") => found.extend(connector(document, name, path)),
            _ => {}
        }
    }
    found
}

fn setting(key: &str, way: &str, node: &Node, path: &str) -> Option<ReadSetting> {
    let value = match &node.data {
        Data::Scalar(text) => text.clone(),
        // Lists of configurations are joined as Kafka takes them.
        Data::List(list) => {
            let texts: Vec<&str> = list.iter().filter_map(Node::text).collect();
            texts.join(",")
        }
        Data::Null | Data::Map(_) => return None,
    };
    Some(ReadSetting {
        key: key.to_owned(),
        path: way.to_owned(),
        value,
        origin: Origin::File {
            path: path.to_owned(),
            line: node.line,
        },
    })
}

fn config(of: Option<&Node>, way: &str, path: &str) -> Vec<ReadSetting> {
    let entries = of.map_or(&[][..], Node::entries).iter();
    let settings =
        entries.filter_map(|(key, node)| setting(key, &format!("{way}.{key}"), node, path));
    settings.collect()
}

/// The cluster of a pool, where it is in the same file.
fn cluster_of<'n>(pool: &Node, all: &[&'n Node]) -> Option<&'n Node> {
    let name = pool
        .at(&["metadata", "labels", "strimzi.io/cluster"])?
        .text();
    let is_it = |it: &&&Node| {
        it.get("kind").and_then(Node::text) == Some("Kafka")
            && it.at(&["metadata", "name"]).and_then(Node::text) == name
    };
    all.iter().find(is_it).copied()
}

/// What the nodes of a pool are.
fn kind_of(spec: Option<&Node>) -> Kind {
    let roles = spec.and_then(|it| it.get("roles"));
    let roles = roles.map_or(&[][..], Node::list);
    if roles.iter().any(|it| it.text() == Some("broker")) {
        Kind::Broker
    } else {
        Kind::Controller
    }
}

/// The brokers of a cluster, one component for each pool: they have one configuration.
fn cluster(document: &Node, name: &str, all: &[&Node], path: &str) -> Vec<Component> {
    let Some(kafka) = document.at(&["spec", "kafka"]) else {
        return Vec::new();
    };
    let settings = config(kafka.get("config"), "spec.kafka.config", path);
    let version = kafka.get("version").and_then(Node::text);
    let software = version.map_or(Software::any(Product::Kafka), |it| {
        Software::of(Product::Kafka, it)
    });
    let pools = all.iter().filter(|it| {
        let kind = it.get("kind").and_then(Node::text);
        let of = it.at(&["metadata", "labels", "strimzi.io/cluster"]);
        kind == Some("KafkaNodePool") && of.and_then(Node::text) == Some(name)
    });
    let mut found: Vec<Component> = pools
        .map(|pool| {
            let spec = pool.get("spec");
            let kind = kind_of(spec);
            let pool_name = pool.at(&["metadata", "name"]).and_then(Node::text);
            let name = format!("{name}/{}", pool_name.unwrap_or_default());
            node(kind, &name, spec, "spec", &settings, Some(&software), path)
        })
        .collect();
    if found.is_empty() {
        let of = Some(kafka);
        found.push(node(
            Kind::Broker,
            name,
            of,
            "spec.kafka",
            &settings,
            Some(&software),
            path,
        ));
    }
    found
}

/// The nodes of a pool, or of a cluster without pools.
fn node(
    kind: Kind,
    name: &str,
    spec: Option<&Node>,
    way: &str,
    settings: &[ReadSetting],
    software: Option<&Software>,
    path: &str,
) -> Component {
    let mut component = Component::new(kind, name, path);
    component.software = software.cloned();
    component.settings = settings.to_vec();
    let Some(spec) = spec else {
        return component;
    };
    if let Some(replicas) = spec.get("replicas") {
        let read = setting(fact::REPLICAS, &format!("{way}.replicas"), replicas, path);
        component.settings.extend(read);
    }
    if let Some(storage) = spec.get("storage") {
        let kind = storage.get("type").and_then(Node::text).unwrap_or_default();
        let volumes = storage.get("volumes").map_or(&[][..], Node::list);
        let types = volumes.iter().filter_map(|it| it.get("type")?.text());
        let is_ephemeral = kind == "ephemeral" || types.into_iter().any(|it| it == "ephemeral");
        let at = storage.get("type").unwrap_or(storage);
        component.settings.push(ReadSetting {
            key: fact::STORAGE.to_owned(),
            path: format!("{way}.storage.type"),
            value: if is_ephemeral {
                "ephemeral"
            } else {
                "persistent"
            }
            .to_owned(),
            origin: Origin::File {
                path: path.to_owned(),
                line: at.line,
            },
        });
    }
    component
}

fn topic(document: &Node, name: &str, path: &str) -> Option<Component> {
    let spec = document.get("spec")?;
    let own = spec.get("topicName").and_then(Node::text).unwrap_or(name);
    let mut component = Component::new(Kind::Topic, own, path);
    component.software = Some(Software::any(Product::Kafka));
    component.settings = config(spec.get("config"), "spec.config", path);
    if let Some(replicas) = spec.get("replicas") {
        let read = setting(fact::REPLICATION_FACTOR, "spec.replicas", replicas, path);
        component.settings.extend(read);
    }
    Some(component)
}

fn worker(document: &Node, name: &str, path: &str) -> Option<Component> {
    let spec = document.get("spec")?;
    let mut component = Component::new(Kind::Worker, name, path);
    let version = spec.get("version").and_then(Node::text);
    component.software = Some(version.map_or(Software::any(Product::Kafka), |it| {
        Software::of(Product::Kafka, it)
    }));
    component.settings = config(spec.get("config"), "spec.config", path);
    // Strimzi's own names for four of a worker's keys (`v1` of its API).
    for (own, key) in [
        ("groupId", "group.id"),
        ("configStorageTopic", "config.storage.topic"),
        ("offsetStorageTopic", "offset.storage.topic"),
        ("statusStorageTopic", "status.storage.topic"),
    ] {
        if let Some(node) = spec.get(own) {
            component
                .settings
                .extend(setting(key, &format!("spec.{own}"), node, path));
        }
    }
    if let Some(replicas) = spec.get("replicas") {
        let read = setting(fact::REPLICAS, "spec.replicas", replicas, path);
        component.settings.extend(read);
    }
    Some(component)
}

fn connector(document: &Node, name: &str, path: &str) -> Option<Component> {
    let spec = document.get("spec")?;
    let mut settings = config(spec.get("config"), "spec.config", path);
    if let Some(class) = spec.get("class") {
        settings.extend(setting(connect::CLASS, "spec.class", class, path));
    }
    Some(connect::connector(name, path, settings))
}
