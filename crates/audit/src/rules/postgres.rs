//! What a captured `PostgreSQL` server and its tables risk.

use super::Confidence::{Certain, Likely};
use super::Severity::{Error, Note, Warning};
use super::{Rule, signed};
use crate::component::{Component, Kind, fact};
use crate::landscape::{Effective, Landscape};

/// Tables of `table.include.list`, with their schemas.
fn included(connector: &Component) -> Option<Vec<String>> {
    let list = connector.text("table.include.list")?;
    Some(
        list.split(',')
            .map(|it| it.trim().to_ascii_lowercase())
            .collect(),
    )
}

/// Tables that a connector captures, as far as its list tells.
fn captured(of: &Landscape) -> impl Iterator<Item = &Component> {
    let lists: Vec<Option<Vec<String>>> = of.captures().map(included).collect();
    of.of(&[Kind::Table]).filter(move |table| {
        lists
            .iter()
            .any(|list| list.as_ref().is_none_or(|list| list.contains(&table.name)))
    })
}

/// The databases that connectors capture.
fn databases(of: &Landscape) -> impl Iterator<Item = &Component> {
    let is_captured = of.captures().next().is_some();
    of.of(&[Kind::Database])
        .filter(move |it| is_captured && it.set(fact::PUBLISHED).is_none())
}

/// A server without a file of its own settings that was not given.
fn is_whole(database: &Component) -> bool {
    database.set(fact::CONFIG_FILE).is_none()
}

/// `64MB`, `4GB` in bytes; a bare number is in megabytes.
fn bytes(size: &str) -> Option<i64> {
    let size = size.trim();
    let digits = size.len() - size.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = size.get(..digits)?.parse().ok()?;
    let unit = match size.get(digits..)?.trim() {
        "kB" => 1 << 10,
        "" | "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "wal-unbounded",
        severity: Warning,
        confidence: Certain,
        title: "a stopped connector fills the database's disk",
        consequence: "The server keeps the WAL that a slot has not confirmed without any limit: a connector that is \
                      stopped for long stops the database.",
        fix: "`max_slot_wal_keep_size`, and an alert on the slot's lag",
        source: "PostgreSQL documentation, `max_slot_wal_keep_size`",
        shown_by: &["slot-wal-unbounded", "slot-wal-bounded"],
        check: |of, hits| {
            for it in databases(of).filter(|it| is_whole(it)) {
                if let Some(none) = it.value("max_slot_wal_keep_size").filter(|it| it.is("-1")) {
                    hits.at(it, &none);
                }
            }
        },
    },
    Rule {
        id: "wal-bound-too-tight",
        severity: Error,
        confidence: Certain,
        title: "the slot is invalidated before the promised pause ends",
        consequence: "When the WAL of a pause exceeds `max_slot_wal_keep_size`, the slot is lost and with it the \
                      changes: only a new snapshot helps.",
        fix: "a larger `max_slot_wal_keep_size`",
        source: "PostgreSQL documentation, `max_slot_wal_keep_size`",
        shown_by: &["slot-wal-bounded", "slot-wal-unbounded"],
        check: |of, hits| {
            let (Some(rate), Some(pause)) = (of.promise.wal_bytes_per_s, of.promise.pause_h) else {
                return;
            };
            let needed = signed(rate.saturating_mul(pause).saturating_mul(3600));
            for it in databases(of) {
                if let Some(size) = it.value("max_slot_wal_keep_size").filter(Effective::is_set)
                    && bytes(&size.value).is_some_and(|it| it < needed)
                {
                    hits.at(it, &size).and(format!(
                        "{needed} bytes of WAL are written in the promised pause"
                    ));
                }
            }
        },
    },
    Rule {
        id: "table-not-published",
        severity: Error,
        confidence: Certain,
        title: "a table's changes never come",
        consequence: "The connector does not change a publication that was made by hand, and a table that is not in it \
                      is silently left out.",
        fix: "add the table to the publication, or `publication.autocreate.mode=filtered`",
        source: "Debezium documentation, PostgreSQL connector, `publication.autocreate.mode`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                let Some(mode) = it
                    .value("publication.autocreate.mode")
                    .filter(|it| it.is("disabled"))
                else {
                    continue;
                };
                let name = format!(
                    "public.{}",
                    it.text("publication.name").unwrap_or("dbz_publication")
                );
                let mut databases = of.of(&[Kind::Database]);
                let Some(published) = databases
                    .find(|it| it.name == name)
                    .and_then(|it| it.text(fact::PUBLISHED))
                else {
                    continue;
                };
                let tables: Vec<&str> = published.split(',').collect();
                let missing: Vec<String> = included(it)
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|it| published != "*" && !tables.contains(&it.as_str()))
                    .collect();
                if !missing.is_empty() {
                    hits.at(it, &mode)
                        .and(format!("not published: {}", missing.join(", ")));
                }
            }
        },
    },
    Rule {
        id: "table-without-key",
        severity: Error,
        confidence: Certain,
        title: "a table without a key",
        consequence: "PostgreSQL refuses updates and deletions of a published table without a replica identity; with one \
                      by another way their events have no key, and a compacted topic refuses them.",
        fix: "a primary key, or `REPLICA IDENTITY FULL` and `message.key.columns`",
        source: "PostgreSQL documentation, Replica Identity; Debezium documentation, PostgreSQL connector",
        shown_by: &[],
        check: |of, hits| {
            for it in captured(of) {
                let Some(none) = it.value(fact::PRIMARY_KEY).filter(|it| it.is("none")) else {
                    continue;
                };
                let identity = it.text(fact::REPLICA_IDENTITY).unwrap_or("default");
                let has_columns = of.captures().any(|connector| {
                    connector
                        .text("message.key.columns")
                        .is_some_and(|it_is| it_is.to_ascii_lowercase().contains(&it.name))
                });
                match identity {
                    "default" | "nothing" => {
                        hits.at(it, &none)
                            .and(format!("replica identity {identity}"));
                    }
                    _ if !has_columns => {
                        hits.at(it, &none)
                            .and("its events have no key")
                            .as_severe(Warning);
                    }
                    _ => {}
                }
            }
        },
    },
    Rule {
        id: "long-values-replaced",
        severity: Note,
        confidence: Certain,
        title: "a placeholder comes in place of a long value",
        consequence: "A value that is stored out of line and did not change is not in the WAL: the event has \
                      `__debezium_unavailable_value`, which overwrites the real value downstream.",
        fix: "`REPLICA IDENTITY FULL`, or keep the old value downstream",
        source: "Debezium documentation, PostgreSQL connector, toasted values",
        shown_by: &[],
        check: |of, hits| {
            for it in captured(of) {
                let is_full = it.text(fact::REPLICA_IDENTITY) == Some("full");
                if let Some(column) = it.set(fact::TOAST).filter(|_| !is_full) {
                    hits.on(
                        it,
                        &column.path,
                        format!("column {} of {} may be long", column.value, it.name),
                    )
                    .origin = Some(column.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "wal-level",
        severity: Error,
        confidence: Likely,
        title: "the server writes no WAL that can be decoded",
        consequence: "The connector cannot start.",
        fix: "`wal_level=logical`",
        source: "PostgreSQL documentation, `wal_level`",
        shown_by: &[],
        check: |of, hits| {
            for it in databases(of).filter(|it| is_whole(it)) {
                if let Some(level) = it.value("wal_level").filter(|it| !it.is("logical")) {
                    hits.at(it, &level);
                }
            }
        },
    },
    Rule {
        id: "slots-few",
        severity: Error,
        confidence: Certain,
        title: "there are not enough slots or senders",
        consequence: "A connector that finds no free slot or sender cannot start.",
        fix: "`max_replication_slots` and `max_wal_senders` above the number of connectors",
        source: "PostgreSQL documentation, Replication settings",
        shown_by: &[],
        check: |of, hits| {
            let needed = i64::try_from(of.captures().count()).unwrap_or(i64::MAX);
            for it in databases(of).filter(|it| is_whole(it)) {
                for key in ["max_replication_slots", "max_wal_senders"] {
                    if let Some(few) = it
                        .value(key)
                        .filter(|it| it.number().is_some_and(|it| it < needed))
                    {
                        hits.at(it, &few).and(format!("{needed} connectors"));
                    }
                }
            }
        },
    },
];
