//! Connectors and workers of Kafka Connect, out of JSON: a connector's own file, the
//! body of a request to its REST interface, or that interface's answers.

use crate::component::{Component, Kind, Origin, ReadSetting};
use crate::product::{Product, Software};
use crate::read::node::Node;

/// The key that makes a configuration a connector's.
pub(crate) const CLASS: &str = "connector.class";

/// Sinks by words in their classes; any other connector is a source where its class
/// does not say.
const SINKS: [&str; 3] = ["sink", "consumer", "writer"];

/// The connectors in a JSON document; none where it holds none.
pub(crate) fn connectors(document: &Node, path: &str) -> Vec<Component> {
    let mut found = Vec::new();
    collect(document, path, None, "", &mut found);
    found
}

fn collect(node: &Node, path: &str, name: Option<&str>, way: &str, found: &mut Vec<Component>) {
    for element in node.list() {
        collect(element, path, None, way, found);
    }
    if node.get(CLASS).is_some() {
        let own = node.get("name").and_then(Node::text).or(name);
        let settings = node.entries().iter().filter_map(|(key, value)| {
            Some(ReadSetting {
                key: key.clone(),
                path: join(way, key),
                value: value.text()?.to_owned(),
                origin: Origin::File {
                    path: path.to_owned(),
                    line: value.line,
                },
            })
        });
        found.push(connector(
            own.unwrap_or("connector"),
            path,
            settings.collect(),
        ));
        return;
    }
    let own = node.get("name").and_then(Node::text).or(name);
    for (key, value) in node.entries() {
        // `{"NAME": {"info": {"config": …}}}` is what `?expand=info` answers.
        let is_way = ["config", "info", "connectors"].contains(&key.as_str());
        let name = if is_way { own } else { Some(key.as_str()) };
        collect(value, path, name, &join(way, key), found);
    }
}

fn join(way: &str, key: &str) -> String {
    if way.is_empty() {
        key.to_owned()
    } else {
        format!("{way}.{key}")
    }
}

/// A connector of these settings.
pub(crate) fn connector(name: &str, file: &str, settings: Vec<ReadSetting>) -> Component {
    let class = settings.iter().find(|it| it.key == CLASS);
    let class = class
        .map_or("", |it| it.value.as_str())
        .to_ascii_lowercase();
    let short = class.rsplit('.').next().unwrap_or_default();
    let is_sink = SINKS.iter().any(|it| short.contains(it));
    let kind = if is_sink { Kind::Sink } else { Kind::Source };
    let mut component = Component::new(kind, name, file);
    let is_debezium = class.contains("debezium") && !is_sink;
    component.software = is_debezium.then(|| Software::any(Product::Debezium));
    component.settings = settings;
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::node::json;

    #[test]
    fn connectors_are_found_in_each_form() {
        let of = |text: &str| connectors(&json(text).unwrap(), "c.json");
        let flat = of(r#"{"name": "a", "connector.class": "FileStreamSink"}"#);
        assert_eq!((flat[0].kind, flat[0].name.as_str()), (Kind::Sink, "a"));
        let body = of(
            r#"{"name": "b", "config": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector"}}"#,
        );
        assert_eq!((body[0].kind, body[0].name.as_str()), (Kind::Source, "b"));
        assert_eq!(body[0].settings[0].path, "config.connector.class");
        let answer = of(
            r#"{"c": {"info": {"name": "c", "config": {"connector.class": "x.S3SinkConnector", "name": "c"}}}}"#,
        );
        assert_eq!(answer[0].name, "c");
        assert!(of(r#"{"compilerOptions": {}}"#).is_empty());
    }
}
