//! A YAML or JSON document as a tree in which each value has its line. Knows nothing of
//! what documents mean.

use saphyr::{MarkedYaml, ScalarStyle, ScanError, YamlData, YamlLoader};
use saphyr_parser::Parser;

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, as it is written, without quotes.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file.
    Map(Vec<(String, Node)>),
}

/// A value, and the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) data: Data,
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// Why not.
    pub reason: String,
}

/// The documents of a YAML stream. Aliases and merge keys are resolved, within the
/// bounds of the parser: an alias that grows without end is refused.
pub(crate) fn yaml(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    // Values stay as they are written: `3.10` is a version, and `on` a word.
    loader.early_parse(false);
    loader.allow_duplicate_keys(true);
    let refused = |error: &ScanError| SyntaxError {
        line: error.marker().line(),
        reason: error.info().to_owned(),
    };
    let mut parser = Parser::new_from_str(text);
    parser
        .load(&mut loader, true)
        .map_err(|error| refused(&error))?;
    if let Some(error) = loader.error() {
        return Err(refused(error));
    }
    Ok(loader.into_documents().iter().map(node).collect())
}

/// A JSON document: every JSON is YAML, but for tabs, which its strings cannot hold.
pub(crate) fn json(text: &str) -> Result<Node, SyntaxError> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        return Err(SyntaxError {
            line: error.line(),
            reason: reason.to_owned(),
        });
    }
    let documents = yaml(&text.replace('\t', " "))?;
    documents.into_iter().next().ok_or(SyntaxError {
        line: 1,
        reason: "it is empty".to_owned(),
    })
}

fn node(of: &MarkedYaml<'_>) -> Node {
    let data = match &of.data {
        YamlData::Representation(text, style, _) => {
            let is_null = *style == ScalarStyle::Plain
                && (text.is_empty() || text == "~" || text.eq_ignore_ascii_case("null"));
            if is_null {
                Data::Null
            } else {
                Data::Scalar(text.to_string())
            }
        }
        YamlData::Sequence(list) => Data::List(list.iter().map(node).collect()),
        YamlData::Mapping(map) => {
            let mut entries: Vec<(String, Node)> = Vec::new();
            let mut merged = Vec::new();
            for (key, value) in map {
                let key_node = node(key);
                let Data::Scalar(key) = key_node.data else {
                    continue;
                };
                let mut value = node(value);
                // A setting is where its key is: a block begins a line below.
                value.line = key_node.line;
                if key == "<<" {
                    merged.push(value);
                } else {
                    entries.push((key, value));
                }
            }
            for node in merged {
                merge(&mut entries, node);
            }
            Data::Map(entries)
        }
        YamlData::Tagged(_, inner) => node(inner).data,
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => Data::Null,
    };
    Node {
        line: of.span.start.line(),
        data,
    }
}

/// Adds the entries of a merge key (`<<`) that are not there.
fn merge(entries: &mut Vec<(String, Node)>, from: Node) {
    match from.data {
        Data::Map(others) => {
            for (key, value) in others {
                if entries.iter().all(|(known, _)| *known != key) {
                    entries.push((key, value));
                }
            }
        }
        Data::List(maps) => maps.into_iter().for_each(|map| merge(entries, map)),
        Data::Null | Data::Scalar(_) => {}
    }
}

impl Node {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(it, _)| it == key)
            .map(|it| &it.1)
    }

    /// The value at the end of a way of keys.
    pub(crate) fn at(&self, way: &[&str]) -> Option<&Self> {
        way.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its entries; none where it is no map.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.data {
            Data::Map(entries) => entries,
            Data::Null | Data::Scalar(_) | Data::List(_) => &[],
        }
    }

    /// Its elements; none where it is no list.
    pub(crate) fn list(&self) -> &[Self] {
        match &self.data {
            Data::List(list) => list,
            Data::Null | Data::Scalar(_) | Data::Map(_) => &[],
        }
    }

    /// Its text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text) => Some(text),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The texts below it by their keys, which are joined by dots: the form that Spring
    /// gives to its keys.
    pub(crate) fn flat(&self) -> Vec<(String, &Self)> {
        let mut all = Vec::new();
        self.flatten("", &mut all);
        all
    }

    fn flatten<'n>(&'n self, before: &str, all: &mut Vec<(String, &'n Self)>) {
        let join = |key: &str| match before {
            "" => key.to_owned(),
            _ if key.starts_with('[') => format!("{before}{key}"),
            _ => format!("{before}.{key}"),
        };
        match &self.data {
            Data::Null => {}
            Data::Scalar(_) => all.push((before.to_owned(), self)),
            Data::List(list) => {
                for (node, index) in list.iter().zip(0..) {
                    let index: usize = index;
                    node.flatten(&join(&format!("[{index}]")), all);
                }
            }
            Data::Map(entries) => {
                for (key, node) in entries {
                    let key = key.trim_start_matches('[').trim_end_matches(']');
                    node.flatten(&join(key), all);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_lines_and_stay_as_they_are_written() {
        let text = "x: &x\n  a: 3.10\n  b: on\ny:\n  <<: *x\n  b: 'off'\n  c:\n    - one\n";
        let document = yaml(text).unwrap().remove(0);
        assert_eq!(document.at(&["y", "a"]).unwrap().text(), Some("3.10"));
        assert_eq!(document.at(&["y", "b"]).unwrap().text(), Some("off"));
        assert_eq!(document.at(&["y", "b"]).unwrap().line, 6);
        assert_eq!(document.at(&["x", "a"]).unwrap().line, 2);
        let flat: Vec<String> = document.flat().into_iter().map(|(key, _)| key).collect();
        assert!(flat.contains(&"y.c[0]".to_owned()), "{flat:?}");
    }

    #[test]
    fn json_has_lines_too_also_with_tabs() {
        let document =
            json("{\n\t\"name\": \"c\",\n\t\"config\": {\n\t\t\"a\": 1\n\t}\n}\n").unwrap();
        let value = document.at(&["config", "a"]).unwrap();
        assert_eq!((value.text(), value.line), (Some("1"), 4));
        let error = json("{\n  \"a\": 1,\n}").unwrap_err();
        assert_eq!(error.line, 3);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        let error = yaml("a: [1,\nb: 2\n").unwrap_err();
        assert!(error.line >= 1, "{error}");
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                    c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                    e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(yaml(bomb).is_err());
    }
}
