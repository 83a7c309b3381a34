//! Tables and publications out of a script that makes a `PostgreSQL` database: whether a
//! table has a key, its replica identity, and the columns whose long values are stored
//! out of line. Reads the statements that matter and passes over all others.

use crate::component::{Component, Kind, Origin, ReadSetting, fact};

/// Types whose long values are stored out of line (PostgreSQL, TOAST).
const LONG: [&str; 7] = [
    "text",
    "jsonb",
    "json",
    "bytea",
    "xml",
    "varchar",
    "character varying",
];

/// A statement without comments, and the line it begins on.
struct Statement {
    text: String,
    line: usize,
}

/// The tables of a script, and a database with its publications.
pub(crate) fn tables(script: &str, path: &str) -> Vec<Component> {
    let mut found: Vec<Component> = Vec::new();
    for statement in statements(script) {
        let words = statement
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let lower = words.to_ascii_lowercase();
        let set = |key: &str, value: &str, written: &str| ReadSetting {
            key: key.to_owned(),
            path: written.to_owned(),
            value: value.to_owned(),
            origin: Origin::File {
                path: path.to_owned(),
                line: statement.line,
            },
        };
        if let Some(rest) = after_create_table(&lower) {
            let rest = rest.trim_start().trim_start_matches("if not exists ");
            let Some((name, body)) = rest.split_once('(') else {
                continue;
            };
            let name = bare(name);
            let mut table = Component::new(Kind::Table, &name, path);
            let key = if body.contains("primary key") {
                "set"
            } else {
                "none"
            };
            table.settings.push(set(fact::PRIMARY_KEY, key, &name));
            let columns = body.split(',').map(str::trim_start);
            if let Some(column) = columns.into_iter().find(|it| is_long(it)) {
                let column = column.split(' ').next().unwrap_or_default();
                let column = column.replace('"', "");
                table.settings.push(set(fact::TOAST, &column, &name));
            }
            found.push(table);
        } else if let Some(rest) = lower.strip_prefix("alter table ") {
            let rest = rest
                .trim_start_matches("if exists ")
                .trim_start_matches("only ");
            let (name, action) = rest.split_once(' ').unwrap_or((rest, ""));
            let name = bare(name);
            let Some(table) = found
                .iter_mut()
                .find(|it| it.kind == Kind::Table && it.name == name)
            else {
                continue;
            };
            if action.contains("primary key") {
                table.settings.push(set(fact::PRIMARY_KEY, "set", &name));
            }
            if let Some((_, identity)) = action.split_once("replica identity ") {
                let identity = identity.split(' ').next().unwrap_or_default();
                table
                    .settings
                    .push(set(fact::REPLICA_IDENTITY, identity, &name));
            }
        } else if let Some(rest) = lower.strip_prefix("create publication ") {
            let (name, what) = rest.split_once(' ').unwrap_or((rest, ""));
            let tables = match what.split_once("for table ") {
                Some((_, tables)) => {
                    let tables = tables.split(" with ").next().unwrap_or_default();
                    tables.split(',').map(bare).collect::<Vec<_>>().join(",")
                }
                None if what.contains("for all tables") => "*".to_owned(),
                None => continue,
            };
            let mut database = Component::new(Kind::Database, bare(name), path);
            database
                .settings
                .push(set(fact::PUBLISHED, &tables, &bare(name)));
            found.push(database);
        }
    }
    found
}

fn after_create_table(statement: &str) -> Option<&str> {
    let rest = statement.strip_prefix("create ")?;
    let rest = rest.strip_prefix("unlogged ").unwrap_or(rest);
    // Temporary tables are not captured.
    rest.strip_prefix("table ")
}

/// A name without quotes, with its schema.
fn bare(name: &str) -> String {
    let name = name.trim().trim_start_matches("only ").replace('"', "");
    if name.contains('.') {
        name
    } else {
        format!("public.{name}")
    }
}

fn is_long(column: &str) -> bool {
    let Some((_, kind)) = column.split_once(' ') else {
        return false;
    };
    LONG.iter().any(|it| {
        kind.strip_prefix(it)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ')', '[']))
    })
}

/// The statements of a script, without comments.
fn statements(script: &str) -> Vec<Statement> {
    let mut all = Vec::new();
    let mut current = Statement {
        text: String::new(),
        line: 1,
    };
    for (line, number) in script.lines().zip(1..) {
        let line = line.split("--").next().unwrap_or_default();
        for (part, place) in line.split(';').zip(0..) {
            let place: usize = place;
            if place > 0 {
                let ended = std::mem::replace(
                    &mut current,
                    Statement {
                        text: String::new(),
                        line: number,
                    },
                );
                all.push(ended);
            }
            if current.text.is_empty() {
                current.line = number;
            }
            if !part.trim().is_empty() {
                current.text.push_str(part.trim());
                current.text.push(' ');
            }
        }
    }
    all.push(current);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_tell_their_keys_and_identities() {
        let script = "-- a comment; with a semicolon\nCREATE TABLE IF NOT EXISTS \"notes\" (\n  \
            id bigint PRIMARY KEY,\n  body text\n);\ncreate table public.log (at timestamp);\n\
            ALTER TABLE ONLY public.log REPLICA IDENTITY FULL;\n\
            CREATE PUBLICATION p FOR TABLE notes, public.log;\nSELECT 1;\n";
        let found = tables(script, "init.sql");
        let facts = |name: &str, key: &str| {
            let of = found.iter().find(|it| it.name == name).unwrap();
            of.text(key).map(str::to_owned)
        };
        assert_eq!(
            facts("public.notes", fact::PRIMARY_KEY).as_deref(),
            Some("set")
        );
        assert_eq!(facts("public.notes", fact::TOAST).as_deref(), Some("body"));
        assert_eq!(
            facts("public.log", fact::PRIMARY_KEY).as_deref(),
            Some("none")
        );
        assert_eq!(
            facts("public.log", fact::REPLICA_IDENTITY).as_deref(),
            Some("full")
        );
        let published = facts("public.p", fact::PUBLISHED).unwrap();
        assert_eq!(published, "public.notes,public.log");
        let set = found[0].set(fact::PRIMARY_KEY).unwrap();
        assert_eq!(set.origin.to_string(), "init.sql:2");
    }
}
