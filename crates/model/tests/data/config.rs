//! Configurations, with and without their secrets.

use model::scenario::Config;

#[test]
fn a_configuration_is_written_without_its_secrets_and_given_with_them() {
    let text = r#"{"acks":"all","sasl.password":"hunter2","url":"http://u:hunter3@h"}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let written = serde_json::to_string(&config).unwrap();
    let printed = format!("{config:?} {written} {}", config["sasl.password"]);
    assert!(!printed.contains("hunter"), "{printed}");
    assert_eq!(config["acks"], "all");
    let plain = config.plain();
    assert_eq!(plain["sasl.password"], "hunter2");
    assert_eq!(plain["url"], "http://u:hunter3@h");
    assert_eq!(
        config.secrets().scrub("hunter2, hunter3"),
        "[hidden], [hidden]"
    );
    // What was written is read again, and is the same.
    let again: Config = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), written);
}

#[test]
fn what_is_set_last_counts() {
    let mut config = Config::new();
    config.insert("x.password".to_owned(), "old".to_owned());
    config.insert("x.password".to_owned(), String::new());
    assert_eq!(config.plain()["x.password"], "");
    assert!(config.secrets().is_empty());
}
