//! What Debezium's connector for `PostgreSQL` risks.

use super::Confidence::{Certain, Possible};
use super::Rule;
use super::Severity::{Error, Note, Warning};
use crate::component::Component;
use crate::component::Kind;
use crate::landscape::Effective;

/// Whether the connector refuses a slot that is ahead by the setting that there was before
/// `offset.mismatch.strategy`, which is still read as `trust_offset`.
fn seeks(connector: &Component) -> bool {
    let keys = [
        "internal.slot.seek.to.known.offset.on.start",
        "slot.seek.to.known.offset.on.start",
    ];
    keys.iter()
        .any(|key| connector.text(key).is_some_and(|it| it.trim() == "true"))
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "slot-dropped-on-stop",
        severity: Error,
        confidence: Certain,
        title: "the slot goes when the connector stops",
        consequence: "Changes that are made while the connector is stopped are lost.",
        fix: "`slot.drop.on.stop=false`",
        source: "Debezium documentation, PostgreSQL connector, `slot.drop.on.stop`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(drops) = it.value("slot.drop.on.stop").filter(|it| it.is("true")) {
                    hits.at(it, &drops);
                }
            }
        },
    },
    Rule {
        id: "slot-ahead-unnoticed",
        severity: Error,
        confidence: Certain,
        title: "a slot that is ahead of the connector leaves a gap without an error",
        consequence: "When the slot was made anew or advanced, PostgreSQL 15 and later start from the slot's position \
                      and skip what lies between; up to 14 the server refuses.",
        fix: "`offset.mismatch.strategy=trust_offset` (Debezium 3.4 and later), or \
              `internal.slot.seek.to.known.offset.on.start=true` before",
        source: "Debezium documentation, PostgreSQL connector, `offset.mismatch.strategy`; DBZ-9688",
        shown_by: &["slot-advanced", "slot-kept"],
        check: |of, hits| {
            let server = of.postgres();
            for it in of.captures() {
                if it
                    .text("offset.mismatch.strategy")
                    .is_some_and(|it| it != "no_validation")
                    || seeks(it)
                {
                    continue;
                }
                if server.is_some_and(|it| it.major() < 15) {
                    continue;
                }
                let debezium = of.debezium(it);
                let has_it = debezium
                    .version
                    .as_ref()
                    .is_none_or(|it| it.is_from("3.4.0"));
                let says = match it.set("offset.mismatch.strategy") {
                    Some(_) => "offset.mismatch.strategy=no_validation".to_owned(),
                    None if has_it => format!(
                        "offset.mismatch.strategy is not set: no_validation is the default of {debezium}"
                    ),
                    None => format!("{debezium} does not compare its offset with the slot"),
                };
                let hit = hits.on(it, "offset.mismatch.strategy", says);
                match server {
                    Some(version) => {
                        hit.and(format!("PostgreSQL {version}"));
                    }
                    None => {
                        hit.and("the version of the server is not known")
                            .as_severe(Warning);
                    }
                }
            }
        },
    },
    Rule {
        id: "slot-trusted",
        severity: Warning,
        confidence: Certain,
        title: "the connector trusts the slot more than its own offset",
        consequence: "What lies between the offset and a slot that is ahead is skipped.",
        fix: "`offset.mismatch.strategy=trust_offset`",
        source: "Debezium documentation, PostgreSQL connector, `offset.mismatch.strategy`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(trust) = it
                    .value("offset.mismatch.strategy")
                    .filter(|it| it.is("trust_slot") || it.is("trust_greater_lsn"))
                {
                    hits.at(it, &trust);
                }
            }
        },
    },
    Rule {
        id: "driver-confirms-ahead",
        severity: Warning,
        confidence: Certain,
        title: "the driver confirms positions that the connector has not stored",
        consequence: "The slot gets ahead of the stored offset, and a crash leaves a gap where no mismatch is handled.",
        fix: "`lsn.flush.mode=connector`, or a mismatch strategy",
        source: "Debezium documentation, PostgreSQL connector, `lsn.flush.mode`; DBZ-9641",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                let handled = it
                    .text("offset.mismatch.strategy")
                    .is_some_and(|it| it != "no_validation")
                    || seeks(it);
                if let Some(mode) = it
                    .value("lsn.flush.mode")
                    .filter(|it| it.is("connector_and_driver"))
                    && !handled
                {
                    hits.at(it, &mode);
                }
            }
        },
    },
    Rule {
        id: "slot-never-confirmed",
        severity: Error,
        confidence: Certain,
        title: "the slot is never told what was read",
        consequence: "The server keeps its WAL from the start of the slot on, until its disk is full and the database \
                      stops.",
        fix: "`lsn.flush.mode=connector`, or `flush.lsn.source=true` before Debezium 3.4",
        source: "Debezium documentation, PostgreSQL connector, `lsn.flush.mode`, `flush.lsn.source`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                let manual = it.value("lsn.flush.mode").filter(|it| it.is("manual"));
                let off = it.value("flush.lsn.source").filter(|it| it.is("false"));
                if let Some(value) = manual.or(off) {
                    hits.at(it, &value);
                }
            }
        },
    },
    Rule {
        id: "no-heartbeat",
        severity: Warning,
        confidence: Possible,
        title: "quiet tables in a busy server hold the WAL",
        consequence: "Without heartbeats the slot moves only when a captured table changes: the WAL of everything else \
                      is kept, and more is read again after a restart.",
        fix: "`heartbeat.interval.ms`, and `heartbeat.action.query` where the whole database is quiet",
        source: "Debezium documentation, PostgreSQL connector, WAL disk space consumption",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(none) = it
                    .value("heartbeat.interval.ms")
                    .filter(|it| it.number() == Some(0))
                {
                    hits.at(it, &none);
                }
            }
        },
    },
    Rule {
        id: "slot-shared",
        severity: Error,
        confidence: Certain,
        title: "two connectors use one slot",
        consequence: "Each change reaches only one of them, and the other one's table is wrong without an error.",
        fix: "a `slot.name` and a publication for each connector",
        source: "Debezium documentation, PostgreSQL connector, `slot.name`",
        shown_by: &[],
        check: |of, hits| {
            let all: Vec<&Component> = of.captures().collect();
            for (at, it) in all.iter().enumerate() {
                let Some(slot) = it.value("slot.name") else {
                    continue;
                };
                let server = |it: &Component| {
                    let of = |key: &str, other: &str| it.text(key).unwrap_or(other).to_owned();
                    (
                        of("database.hostname", ""),
                        of("database.port", "5432"),
                        of("database.dbname", ""),
                    )
                };
                let other = all.iter().take(at).find(|other| {
                    other
                        .value("slot.name")
                        .is_some_and(|other| other.value == slot.value)
                        && server(other) == server(it)
                        && other.name != it.name
                });
                if let Some(other) = other {
                    hits.at(it, &slot)
                        .and(format!("{} uses it too", other.label()));
                }
            }
        },
    },
    Rule {
        id: "publication-by-hand",
        severity: Note,
        confidence: Possible,
        title: "the publication is made by hand",
        consequence: "A table that is added to the connector and not to the publication is silently left out.",
        fix: "`publication.autocreate.mode=filtered`, or a check of both lists",
        source: "Debezium documentation, PostgreSQL connector, `publication.autocreate.mode`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(mode) = it
                    .value("publication.autocreate.mode")
                    .filter(|it| it.is("disabled"))
                {
                    hits.at(it, &mode);
                }
            }
        },
    },
    Rule {
        id: "no-tombstones",
        severity: Warning,
        confidence: Certain,
        title: "deleted rows live for ever in a compacted topic",
        consequence: "Without a tombstone compaction keeps the last event of a row that is gone.",
        fix: "`tombstones.on.delete=true`",
        source: "Debezium documentation, PostgreSQL connector, `tombstones.on.delete`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                let Some(off) = it.value("tombstones.on.delete").filter(|it| it.is("false")) else {
                    continue;
                };
                let prefix = it.text("topic.prefix").map(|it| format!("{it}."));
                let compacts = of.topics().any(|topic| {
                    prefix
                        .as_ref()
                        .is_some_and(|it| topic.name.starts_with(it.as_str()))
                        && topic
                            .text("cleanup.policy")
                            .is_some_and(|it| it.contains("compact"))
                });
                let by_connector = it
                    .text("topic.creation.default.cleanup.policy")
                    .is_some_and(|it| it.contains("compact"));
                let hit = hits.at(it, &off);
                if !compacts && !by_connector {
                    hit.as_severe(Note);
                }
            }
        },
    },
    Rule {
        id: "deletes-dropped",
        severity: Warning,
        confidence: Certain,
        title: "deletions do not reach the topic",
        consequence: "The flattening transform drops both the event of a deletion and its tombstone: consumers keep the \
                      row for ever.",
        fix: "`delete.handling.mode=rewrite`, or keep tombstones",
        source: "Debezium documentation, New Record State Extraction",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Source]) {
                let flattening = it.settings.iter().filter(|it| {
                    it.key.rsplit('.').next() == Some("type")
                        && it.value.ends_with("ExtractNewRecordState")
                });
                for transform in flattening {
                    let name = transform.key.trim_end_matches(".type");
                    let dropped = it
                        .set(&format!("{name}.delete.tombstone.handling.mode"))
                        .filter(|it| it.value == "drop");
                    let old = it
                        .set(&format!("{name}.delete.handling.mode"))
                        .filter(|it| it.value == "drop");
                    let tombstones = it.text(&format!("{name}.drop.tombstones")) == Some("true");
                    if let Some(setting) = dropped.or(old.filter(|_| tombstones)) {
                        hits.on(it, &setting.path, format!("{}=drop", setting.key))
                            .origin = Some(setting.origin.clone());
                    }
                }
            }
        },
    },
    Rule {
        id: "truncate-skipped",
        severity: Note,
        confidence: Certain,
        title: "`TRUNCATE` is not delivered",
        consequence: "Debezium skips truncations unless told otherwise: consumers keep the rows.",
        fix: "`skipped.operations=none`, and handle the event",
        source: "Debezium documentation, PostgreSQL connector, `skipped.operations`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(skipped) = it
                    .value("skipped.operations")
                    .filter(|it| it.value.split(',').any(|it| it.trim() == "t"))
                {
                    hits.at(it, &skipped);
                }
            }
        },
    },
    Rule {
        id: "operations-skipped",
        severity: Error,
        confidence: Certain,
        title: "changes are left out",
        consequence: "Events of these operations are never written.",
        fix: "leave `skipped.operations` at its default",
        source: "Debezium documentation, PostgreSQL connector, `skipped.operations`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                let left_out = |it: &Effective<'_>| {
                    it.value
                        .split(',')
                        .any(|it| ["c", "u", "d"].contains(&it.trim()))
                };
                if let Some(skipped) = it.value("skipped.operations").filter(left_out) {
                    hits.at(it, &skipped);
                }
            }
        },
    },
    Rule {
        id: "failures-skipped",
        severity: Error,
        confidence: Certain,
        title: "changes that fail are skipped",
        consequence: "An event that cannot be processed is left out, and the connector goes on.",
        fix: "`event.processing.failure.handling.mode=fail`",
        source: "Debezium documentation, PostgreSQL connector, `event.processing.failure.handling.mode`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(mode) = it
                    .value("event.processing.failure.handling.mode")
                    .filter(|it| !it.is("fail"))
                {
                    hits.at(it, &mode);
                }
            }
        },
    },
    Rule {
        id: "snapshot-without-rows",
        severity: Warning,
        confidence: Possible,
        title: "rows from before the slot never come",
        consequence: "Without a snapshot the topic begins with the slot: rows that were there before are missing.",
        fix: "`snapshot.mode=initial`, unless the WAL holds everything",
        source: "Debezium documentation, PostgreSQL connector, `snapshot.mode`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(mode) = it.value("snapshot.mode").filter(|it| {
                    ["never", "no_data", "schema_only"]
                        .iter()
                        .any(|word| it.is(word))
                }) {
                    hits.at(it, &mode);
                }
            }
        },
    },
    Rule {
        id: "snapshot-only",
        severity: Warning,
        confidence: Certain,
        title: "the connector stops after its snapshot",
        consequence: "Changes after the snapshot are never captured.",
        fix: "`snapshot.mode=initial`",
        source: "Debezium documentation, PostgreSQL connector, `snapshot.mode`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(mode) = it.value("snapshot.mode").filter(|it| it.is("initial_only")) {
                    hits.at(it, &mode);
                }
            }
        },
    },
    Rule {
        id: "debezium-with-known-loss",
        severity: Error,
        confidence: Certain,
        title: "this version loses rows when it restarts",
        consequence: "A transaction of many rows that share a position is not delivered whole when the connector \
                      restarts in its middle.",
        fix: "Debezium 3.7.0 or later, which still loses rows when a restart stops its task after the first row of a \
              page",
        source: "debezium/dbz#1554; docs/findings/debezium-first-row-of-a-page.md",
        shown_by: &["dbz-1554", "dbz-1554-fixed"],
        check: |of, hits| {
            for it in of.captures() {
                let debezium = of.debezium(it);
                if debezium
                    .version
                    .as_ref()
                    .is_some_and(|it| !it.is_from("3.7.0.Alpha1"))
                {
                    hits.on(it, "version", format!("{debezium}: debezium/dbz#1554"));
                }
            }
        },
    },
    Rule {
        id: "transaction-metadata-loses-rows",
        severity: Error,
        confidence: Certain,
        title: "transaction metadata loses rows on this server",
        consequence: "With `provide.transaction.metadata` and PostgreSQL 17, rows of a transaction that another one \
                      overtook are missing after a restart.",
        fix: "Debezium 3.7.0 or later, or `provide.transaction.metadata=false`",
        source: "debezium/dbz#76",
        shown_by: &["dbz-76", "dbz-76-fixed"],
        check: |of, hits| {
            for it in of.captures() {
                let debezium = of.debezium(it);
                let is_old = debezium
                    .version
                    .as_ref()
                    .is_some_and(|it| !it.is_from("3.7.0.Alpha2"));
                let is_new_server = of.postgres().is_some_and(|it| it.major() >= 17);
                if let Some(on) = it
                    .value("provide.transaction.metadata")
                    .filter(|it| it.is("true"))
                    && is_old
                    && is_new_server
                {
                    hits.at(it, &on).and(debezium.to_string());
                }
            }
        },
    },
    Rule {
        id: "queue-below-batch",
        severity: Error,
        confidence: Certain,
        title: "the connector refuses to start",
        consequence: "`max.queue.size` has to be larger than `max.batch.size`.",
        fix: "a larger queue, or a smaller batch",
        source: "Debezium documentation, PostgreSQL connector, `max.queue.size`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let (Some(queue), Some(batch)) =
                    (it.value("max.queue.size"), it.value("max.batch.size"))
                    && queue.number() <= batch.number()
                {
                    hits.at(it, &queue).and(batch.words());
                }
            }
        },
    },
    Rule {
        id: "own-message-keys",
        severity: Note,
        confidence: Possible,
        title: "keys that are not the primary key",
        consequence: "Where these columns are not unique or change, events of one row go to several partitions and \
                      their order is lost.",
        fix: "the primary key",
        source: "Debezium documentation, PostgreSQL connector, `message.key.columns`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.captures() {
                if let Some(columns) = it.value("message.key.columns") {
                    hits.at(it, &columns);
                }
            }
        },
    },
];
