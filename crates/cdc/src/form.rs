//! The effect of a connector's configuration on its events: their form, their topics, and
//! which of them there are. Pure; knows nothing of the events themselves.
//!
//! The events show the rest: a setting here is only the reason for it.

use model::event::{CaptureSetting, SettingEffect, Snapshot};
use model::scenario::{Capture, Config};
use serde::{Deserialize, Serialize};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// The form of a connector's events, by its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Whether it reads rows that are there before it streams.
    pub snapshot: Snapshot,
    /// Settings that change which events there are, their topics, or their form.
    pub settings: Vec<CaptureSetting>,
    pub(crate) metadata: Metadata,
    pub(crate) tombstones: Tombstones,
}

/// Where a flattened event carries what its envelope had: in fields of its
/// value, or in headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) op: Vec<String>,
    pub(crate) lsn: Vec<String>,
    pub(crate) table: Vec<String>,
}

/// The meaning of a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tombstones {
    /// The delete event before it has reported the same change.
    Echo,
    /// A delete that no other event reports.
    Delete,
}

impl Default for Form {
    /// Debezium's own: envelopes, as JSON.
    fn default() -> Self {
        Self {
            snapshot: Snapshot::Never,
            settings: Vec::new(),
            metadata: Metadata::with_prefix("__"),
            tombstones: Tombstones::Echo,
        }
    }
}

impl Metadata {
    fn with_prefix(prefix: &str) -> Self {
        let named = |names: &[&str]| names.iter().map(|name| format!("{prefix}{name}")).collect();
        Self {
            op: named(&["op"]),
            lsn: named(&["lsn", "source_lsn"]),
            table: named(&["table", "source_table"]),
        }
    }

    /// Learns the names in `add.fields` or `add.headers`: `op,source.lsn:at`.
    fn learn(&mut self, prefix: &str, list: &str) {
        for entry in list.split(',') {
            let (field, name) = match entry.trim().split_once(':') {
                Some((field, name)) => (field.trim(), name.trim().to_owned()),
                None => (entry.trim(), entry.trim().replace('.', "_")),
            };
            let known = match field.rsplit('.').next().unwrap_or_default() {
                "op" => &mut self.op,
                "lsn" => &mut self.lsn,
                "table" => &mut self.table,
                _ => continue,
            };
            known.push(format!("{prefix}{name}"));
        }
    }
}

impl Form {
    /// The form that a scenario's capture gives to events.
    pub fn of(capture: &Capture) -> Self {
        let mut form = Self {
            snapshot: snapshot(&capture.config),
            ..Self::default()
        };
        form.converters(capture);
        form.transforms(&capture.config);
        form.topics(capture);
        form.columns(&capture.config);
        form.omissions(&capture.config);
        form
    }

    /// Whether a setting may do this to events.
    pub fn may(&self, effect: SettingEffect) -> bool {
        self.settings.iter().any(|setting| setting.effect == effect)
    }

    fn add(&mut self, effect: SettingEffect, description: String) {
        self.settings.push(CaptureSetting {
            effect,
            description,
        });
    }

    fn converters(&mut self, capture: &Capture) {
        let sides = [
            ("value.converter", SettingEffect::Reshape),
            ("key.converter", SettingEffect::Rekey),
        ];
        for (key, may) in sides {
            let own = capture.config.get(key);
            let class = own.or_else(|| capture.worker_config.get(key));
            if let Some(class) = class.filter(|class| *class != JSON) {
                self.add(may, format!("{key}={class} (ackproof reads JSON: {JSON})"));
            }
        }
    }

    fn transforms(&mut self, config: &Config) {
        let names = config.get("transforms").map_or("", String::as_str);
        let names = names.split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            let of = |key: &str| config.get(&format!("transforms.{name}.{key}"));
            let class = of("type").map_or("", String::as_str);
            let what = format!("transforms.{name}.type={class}");
            let get = |key: &str| of(key).map_or("", String::as_str);
            self.transform(class, what, &get);
        }
    }

    fn transform<'c>(&mut self, class: &str, what: String, get: &dyn Fn(&str) -> &'c str) {
        use SettingEffect::{Drop, Move, Rekey, Reshape};
        let simple = class.rsplit('.').next().unwrap_or_default();
        match simple {
            "ExtractNewRecordState" => self.flatten(&what, get),
            "ExtractField$Value" if get("field") == "after" => {
                self.tombstones = Tombstones::Delete;
            }
            "Filter" => self.add(Drop, what),
            "ByLogicalTableRouter"
            | "ContentBasedRouter"
            | "RegexRouter"
            | "TimestampRouter"
            | "EventRouter" => self.add(Move, what),
            "ExtractField$Key" | "ValueToKey" if get("field") == "id" || get("fields") == "id" => {}
            "ValueToKey" => self.add(Rekey, what),
            "InsertField$Value"
            | "InsertHeader"
            | "DropHeaders"
            | "SetSchemaMetadata$Key"
            | "SetSchemaMetadata$Value"
            | "TimestampConverter$Value"
            | "TimezoneConverter"
            | "PartitionRouting"
            | "ExtractChangedRecordState"
            | "ExtractSchemaToNewRecord"
            | "SchemaChangeEventFilter"
            | "ActivateTracingSpan" => {}
            _ if simple.ends_with("$Key") => self.add(Rekey, what),
            "HeaderFrom$Value" if get("operation") == "copy" => {}
            _ if simple.ends_with("$Value") => self.add(Reshape, what),
            _ => {
                let what = format!("{what} (ackproof does not know what it does)");
                self.add(Move, what.clone());
                self.add(Reshape, what);
            }
        }
    }

    /// Debezium's event flattening: the row after the change, with what
    /// `add.fields` and `add.headers` ask for.
    fn flatten<'c>(&mut self, what: &str, get: &dyn Fn(&str) -> &'c str) {
        let prefix = |key| match get(key) {
            "" => "__",
            prefix => prefix,
        };
        let fields = [
            ("add.fields", prefix("add.fields.prefix")),
            ("add.headers", prefix("add.headers.prefix")),
        ];
        for (key, prefix) in fields {
            self.metadata.learn(prefix, get(key));
        }
        let keeps_tombstones = get("drop.tombstones") == "false";
        let (deletes, tombstones) = match get("delete.tombstone.handling.mode") {
            "drop" => (false, Tombstones::Echo),
            "rewrite" | "rewrite-with-tombstone" => (true, Tombstones::Echo),
            "tombstone" | "delete-to-tombstone" => (true, Tombstones::Delete),
            // Before 2.5, by two settings.
            _ => match get("delete.handling.mode") {
                "rewrite" => (true, Tombstones::Echo),
                "drop" if !keeps_tombstones => (false, Tombstones::Echo),
                _ => (true, Tombstones::Delete),
            },
        };
        self.tombstones = tombstones;
        if !deletes {
            self.add(SettingEffect::Drop, format!("{what} drops deletes"));
        }
        if !get("route.by.field").is_empty() {
            let what = format!("{what} with route.by.field={}", get("route.by.field"));
            self.add(SettingEffect::Move, what);
        }
    }

    fn topics(&mut self, capture: &Capture) {
        for key in ["topic.prefix", "topic.naming.strategy", "topic.delimiter"] {
            let own = capture.config.get(key);
            let same = key == "topic.prefix" && own == Some(&capture.prefix);
            if let Some(value) = own.filter(|_| !same) {
                let read = format!("ackproof reads {}.public.TABLE", capture.prefix);
                self.add(SettingEffect::Move, format!("{key}={value} ({read})"));
            }
        }
    }

    fn columns(&mut self, config: &Config) {
        for (key, value) in config {
            let lists = key == "column.include.list" || key == "column.exclude.list";
            let alters = key.starts_with("column.mask.") || key.starts_with("column.truncate.");
            if lists || alters || key == "converters" {
                let needs = "ackproof knows a change by the column proof";
                self.add(SettingEffect::Reshape, format!("{key}={value} ({needs})"));
            }
            if key == "message.key.columns" {
                self.add(SettingEffect::Rekey, format!("{key}={value}"));
            }
        }
    }

    fn omissions(&mut self, config: &Config) {
        let lists = ["table", "schema", "collection"]
            .iter()
            .flat_map(|of| ["include", "exclude"].map(|how| format!("{of}.{how}.list")));
        let others = [
            "skipped.operations",
            "snapshot.select.statement.overrides",
            "snapshot.include.collection.list",
        ];
        for key in lists.chain(others.map(str::to_owned)) {
            if let Some(value) = config.get(&key).filter(|value| *value != "none") {
                self.add(SettingEffect::Drop, format!("{key}={value}"));
            }
        }
        let tolerant = [
            ("errors.tolerance", "all"),
            ("event.processing.failure.handling.mode", "skip"),
            ("event.processing.failure.handling.mode", "warn"),
            ("event.processing.failure.handling.mode", "ignore"),
        ];
        for (key, value) in tolerant {
            if config.get(key).is_some_and(|it| it == value) {
                self.add(SettingEffect::Drop, format!("{key}={value}"));
            }
        }
    }
}

/// `snapshot.mode`, where it is about rows.
fn snapshot(config: &Config) -> Snapshot {
    match config.get("snapshot.mode").map(String::as_str) {
        None | Some("no_data" | "never" | "schema_only") => Snapshot::Never,
        Some("initial" | "initial_only" | "exported") => Snapshot::First,
        Some("always" | "when_needed") => Snapshot::Repeated,
        Some(_) => Snapshot::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(config: &[(&str, &str)]) -> Form {
        let config = config.iter();
        Form::of(&Capture {
            connector: "c".to_owned(),
            slot: "s".to_owned(),
            publication: "p".to_owned(),
            prefix: "db".to_owned(),
            debezium: None,
            config: config
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            worker_config: Config::new(),
            database_config: Config::new(),
        })
    }

    #[test]
    fn what_changes_nothing_is_not_named() {
        for plain in [
            &[][..],
            &[("snapshot.mode", "no_data"), ("poll.interval.ms", "10")],
            &[("value.converter", JSON), ("topic.prefix", "db")],
            &[("transforms", "")],
            &[
                ("transforms", "h"),
                (
                    "transforms.h.type",
                    "org.apache.kafka.connect.transforms.InsertHeader",
                ),
            ],
        ] {
            assert_eq!(form(plain).settings, [], "{plain:?}");
        }
    }

    #[test]
    fn each_setting_is_named_with_what_it_may_do() {
        use SettingEffect::{Drop, Move, Rekey, Reshape};
        let smt = "org.apache.kafka.connect.transforms";
        let of = |class: &str| format!("{smt}.{class}");
        let of_debezium = |class: &str| format!("io.debezium.transforms.{class}");
        let transforms = [
            (of("RegexRouter"), vec![Move]),
            (of_debezium("ByLogicalTableRouter"), vec![Move]),
            (of_debezium("outbox.EventRouter"), vec![Move]),
            (of_debezium("Filter"), vec![Drop]),
            (of("Filter"), vec![Drop]),
            (of("ReplaceField$Value"), vec![Reshape]),
            (of("ReplaceField$Key"), vec![Rekey]),
            (of("ValueToKey"), vec![Rekey]),
            ("my.Own".to_owned(), vec![Move, Reshape]),
        ];
        for (class, expected) in transforms {
            let config = [("transforms", "t"), ("transforms.t.type", class.as_str())];
            let settings = form(&config).settings;
            let may: Vec<_> = settings.iter().map(|setting| setting.effect).collect();
            assert_eq!(may, expected, "{class}");
            assert!(settings[0].description.contains(&class), "{settings:?}");
        }
        for (key, value, may) in [
            (
                "value.converter",
                "io.confluent.connect.avro.AvroConverter",
                Reshape,
            ),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
                Rekey,
            ),
            ("topic.prefix", "other", Move),
            ("message.key.columns", "public.comments:video_id", Rekey),
            ("column.exclude.list", "public.users.proof", Reshape),
            ("column.mask.with.5.chars", "public.users.proof", Reshape),
            ("table.include.list", "public.users", Drop),
            ("skipped.operations", "u", Drop),
            ("errors.tolerance", "all", Drop),
        ] {
            let settings = form(&[(key, value)]).settings;
            assert_eq!(settings.len(), 1, "{key}");
            assert_eq!(settings[0].effect, may, "{key}");
            assert!(settings[0].description.starts_with(key), "{settings:?}");
        }
    }

    #[test]
    fn flattening_names_where_metadata_stand_and_what_a_tombstone_is() {
        let flat = |more: &[(&str, &str)]| {
            let own = [
                ("transforms", "flat"),
                (
                    "transforms.flat.type",
                    "io.debezium.transforms.ExtractNewRecordState",
                ),
            ];
            form(&[&own[..], more].concat())
        };
        let named = flat(&[
            ("transforms.flat.add.fields", "op:what,source.lsn"),
            ("transforms.flat.add.fields.prefix", "m_"),
            ("transforms.flat.add.headers", "op"),
        ]);
        assert!(named.metadata.op.contains(&"m_what".to_owned()));
        assert!(named.metadata.op.contains(&"__op".to_owned()));
        assert!(named.metadata.lsn.contains(&"m_source_lsn".to_owned()));
        assert_eq!(named.tombstones, Tombstones::Delete);
        let key = "transforms.flat.delete.tombstone.handling.mode";
        assert_eq!(flat(&[(key, "rewrite")]).tombstones, Tombstones::Echo);
        assert_eq!(flat(&[(key, "rewrite")]).settings, []);
        assert!(flat(&[(key, "drop")]).may(SettingEffect::Drop));
    }

    #[test]
    fn a_snapshot_is_told_by_its_mode() {
        for (mode, snapshot) in [
            ("no_data", Snapshot::Never),
            ("initial", Snapshot::First),
            ("always", Snapshot::Repeated),
            ("when_needed", Snapshot::Repeated),
            ("custom", Snapshot::Unknown),
        ] {
            assert_eq!(form(&[("snapshot.mode", mode)]).snapshot, snapshot);
        }
        assert_eq!(form(&[]).snapshot, Snapshot::Never);
    }
}
