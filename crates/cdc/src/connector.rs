//! The connector's configuration, from a scenario and the database's address.
//! Pure; knows nothing of how it is posted to Connect.

use model::scenario::{Capture, Config, TABLES};

use crate::database::ConnectionParameters;

/// The class of Debezium's connector for `PostgreSQL`.
pub const CONNECTOR_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";

/// What `PUT /connectors/NAME/config` takes. The scenario's own `config`
/// overrides the defaults. Converters are the worker's: JSON without schemas.
/// `debezium` is the connector's version, where it is known.
///
/// Its secrets are not shown: Connect is given it as it is ([`Config::plain`]).
pub fn connector_config(
    capture: &Capture,
    database: &ConnectionParameters,
    debezium: Option<&str>,
) -> Config {
    let tables = TABLES.map(|table| format!("public.{table}")).join(",");
    let port = database.port.to_string();
    let defaults = [
        ("connector.class", CONNECTOR_CLASS),
        ("tasks.max", "1"),
        ("plugin.name", "pgoutput"),
        ("database.hostname", &database.host),
        ("database.port", &port),
        ("database.user", &database.user),
        ("database.dbname", &database.dbname),
        ("topic.prefix", &capture.prefix),
        ("table.include.list", &tables),
        ("slot.name", &capture.slot),
        ("publication.name", &capture.publication),
        // Ours, see `schema::create`.
        ("publication.autocreate.mode", "disabled"),
        ("snapshot.mode", "no_data"),
        // What a delete leaves in a compacted topic, as Debezium does it.
        ("tombstones.on.delete", "true"),
        ("heartbeat.interval.ms", "0"),
        // Where brokers make no topics by themselves, Connect does: one
        // partition each, so that a topic's order is the log's.
        ("topic.creation.default.partitions", "1"),
        ("topic.creation.default.replication.factor", "-1"),
    ];
    let password = database
        .password
        .iter()
        .map(|password| ("database.password", password.as_str()));
    let mut config: Config = defaults
        .into_iter()
        .chain(password)
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    config.extend(capture.config.plain());
    if debezium.is_some_and(|version| release_line(version) < NO_DATA_SINCE)
        && config
            .get("snapshot.mode")
            .is_some_and(|it| it == "no_data")
    {
        config.extend([("snapshot.mode".to_owned(), "never".to_owned())]);
    }
    config
}

/// The first release line that knows `no_data`, which was `never` before (held
/// to 2.5.4 and 2.6.2: the older one refuses it).
const NO_DATA_SINCE: Option<(u32, u32)> = Some((2, 6));

fn release_line(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|it| it.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(password: Option<&str>) -> ConnectionParameters {
        ConnectionParameters {
            host: "127.0.0.1".to_owned(),
            port: 5433,
            user: "postgres".to_owned(),
            dbname: "shop".to_owned(),
            password: password.map(str::to_owned),
        }
    }

    fn capture(config: &[(&str, &str)]) -> Capture {
        Capture {
            connector: "postgres-connector".to_owned(),
            slot: "a_slot".to_owned(),
            publication: "a_publication".to_owned(),
            prefix: "dbserver".to_owned(),
            debezium: None,
            config: config
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            worker_config: Config::new(),
            database_config: Config::new(),
        }
    }

    #[test]
    fn the_configuration_names_database_slot_publication_and_tables() {
        let config = connector_config(&capture(&[]), &database(None), None);
        for (key, value) in [
            ("database.hostname", "127.0.0.1"),
            ("database.port", "5433"),
            ("database.dbname", "shop"),
            ("slot.name", "a_slot"),
            ("publication.name", "a_publication"),
            ("topic.prefix", "dbserver"),
            (
                "table.include.list",
                "public.videos,public.users,public.comments",
            ),
        ] {
            assert_eq!(config.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert!(!config.contains_key("database.password"));
    }

    #[test]
    fn the_scenario_has_the_last_word() {
        let own = capture(&[("snapshot.mode", "initial"), ("max.batch.size", "512")]);
        let config = connector_config(&own, &database(None), None);
        assert_eq!(config["snapshot.mode"], "initial");
        assert_eq!(config["max.batch.size"], "512");
    }

    #[test]
    fn an_older_debezium_is_told_not_to_take_a_snapshot_in_its_own_word() {
        for (version, mode) in [
            (Some("2.1.4.Final"), "never"),
            (Some("2.5.4.Final"), "never"),
            (Some("2.6.2.Final"), "no_data"),
            (Some("3.7.0.Final"), "no_data"),
            (None, "no_data"),
        ] {
            let config = connector_config(&capture(&[]), &database(None), version);
            assert_eq!(config["snapshot.mode"], mode, "{version:?}");
        }
        let own = capture(&[("snapshot.mode", "initial")]);
        let config = connector_config(&own, &database(None), Some("2.1.4.Final"));
        assert_eq!(config["snapshot.mode"], "initial");
    }

    #[test]
    fn a_password_is_passed_on_and_never_printed() {
        let with = database(Some("hunter2"));
        let config = connector_config(&capture(&[]), &with, None);
        assert_eq!(config.plain()["database.password"], "hunter2");
        assert!(!format!("{with:?} {with} {config:?}").contains("hunter2"));
    }
}
