//! Which values count as secrets, and how they are hidden from text.

use proptest::prelude::*;
use secret::{HIDDEN, Secrets, is_secret, masked, redacted, shown};

#[test]
fn a_key_tells_whether_its_value_is_secret() {
    for key in [
        "sasl.password",
        "ssl.key.password",
        "sasl.jaas.config",
        "listener.name.sasl_ssl.plain.sasl.jaas.config",
        "librdkafka.sasl.password",
        "librdkafka.ssl.key.pem",
        "librdkafka.sasl.oauthbearer.config",
        "ssl.keystore.key",
        "ssl_key",
        "database.password",
        "database.sslpassword",
        "basic.auth.user.info",
        "value.converter.basic.auth.user.info",
        "sasl.oauthbearer.client.credentials.client.secret",
        "producer.override.sasl.jaas.config",
        "aws.secret.access.key",
        "api_key",
        "connection.token",
        "sslPassword",
        "sasl.pasword",
        "sasl.passwrod",
        "client.secert",
        "key",
    ] {
        assert!(is_secret(key), "{key}");
    }
    for key in [
        "acks",
        "key.converter",
        "key.converter.schemas.enable",
        "message.key.columns",
        "key.serializer",
        "ssl.keystore.location",
        "ssl.keymanager.algorithm",
        "ssl.keystore.type",
        "basic.auth.credentials.source",
        "sasl.oauthbearer.token.endpoint.url",
        "delegation.token.max.lifetime.ms",
        "keys",
        "topic.prefix",
        "database.hostname",
        "ping",
    ] {
        assert!(!is_secret(key), "{key}");
    }
}

#[test]
fn an_address_is_shown_without_its_user_info() {
    for (value, expected) in [
        ("http://user:pw@host:80/x", "http://[hidden]@host:80/x"),
        ("a http://t0ken@h, b", "a http://[hidden]@h, b"),
        ("http://u:p/q@host/x", "http://[hidden]@host/x"),
        ("http://u:p@q@host", "http://[hidden]@host"),
        ("http://host:80/x@y", "http://host:80/x@y"),
        ("http://host", "http://host"),
        (
            "jdbc:postgresql://h/d?user=u&password=pw&ssl=true",
            "jdbc:postgresql://h/d?user=u&password=[hidden]&ssl=true",
        ),
        (
            "Module required user=\"u\" password=\"p\\\"w\";",
            "Module required user=\"u\" password=\"[hidden]\";",
        ),
    ] {
        assert_eq!(shown("schema.registry.url", value), expected);
    }
    assert_eq!(shown("sasl.password", ""), "");
}

#[test]
fn a_document_is_shown_without_its_secrets_and_everything_in_its_place() {
    let text = r#"
config = { acks = "all", "sasl.password" = "hunter2" }
"ssl.key" = 'raw\'
sasl.jaas.config = """
of "many"
lines"""
token: abc
sasl."password" = hunter3
password = { inner = "hunter4" }
records = 5
"#;
    let clean = masked(text);
    for secret in ["hunter", "raw", "many", "lines", "abc"] {
        assert!(!clean.contains(secret), "{secret} in {clean}");
    }
    assert!(clean.contains("acks = \"all\""));
    assert!(clean.ends_with("records = 5\n"));
    assert_eq!(clean.len(), text.len());
    assert_eq!(clean.lines().count(), text.lines().count());
}

#[test]
fn what_others_write_is_cleaned_of_the_values() {
    let jaas = "Module required username=\"alice\" password=\"inner-secret\";";
    let secrets = Secrets::of([
        ("sasl.jaas.config", jaas),
        ("sasl.password", "abc"),
        ("x.token", "1"),
        ("url", "http://u:in-url@h"),
        ("acks", "all"),
    ]);
    let cases = [
        ("pw inner-secret!", "pw [hidden]!"),
        ("abc, abcd and xabc", "[hidden], abcd and xabc"),
        ("1 of 1", "1 of 1"),
        ("1", "[hidden]"),
        ("at in-url", "at [hidden]"),
        ("u:in-url", "[hidden]"),
        ("all", "all"),
        (jaas, "[hidden]"),
    ];
    for (text, expected) in cases {
        assert_eq!(secrets.scrub(text), expected);
    }
    let quoted = format!("got \"{}\"", jaas.replace('"', "\\\""));
    assert_eq!(secrets.scrub(&quoted), "got \"[hidden]\"");
    assert!(!format!("{secrets:?}").contains("abc"));
    assert!(Secrets::of([("acks", "all")]).is_empty());
}

#[test]
fn a_secret_of_several_lines_is_found_line_by_line() {
    let secrets = Secrets::of([("ssl.key.pem", "-----BEGIN-----\nMIIEvQIBADANBg\n")]);
    assert_eq!(secrets.scrub("read MIIEvQIBADANBg"), "read [hidden]");
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in ".{0,80}", secret in "[a-z\"\\\\=:@ ]{0,12}") {
        let _ = redacted(&text);
        prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
        let secrets = Secrets::of([("password", secret.as_str())]);
        let whole = secret.trim();
        // Shorter values are hidden as whole words only.
        if whole.chars().count() >= 8 {
            let clean = secrets.scrub(&format!("a{whole}b{text}")).into_owned();
            prop_assert!(!clean.contains(whole) || HIDDEN.contains(whole));
        }
    }

    #[test]
    fn a_value_beside_the_key_of_a_secret_is_not_shown(
        value in "[A-Za-z0-9+_-]{6,20}",
        quote in prop::sample::select(vec!["", "'", "\"", "\"\"\"", "'''"]),
        sign in prop::sample::select(vec!["=", " = ", ": ", "\t="]),
        key in prop::sample::select(vec!["password", "\"sasl.password\"", "a.secret", "'x.token'"]),
    ) {
        let text = format!("a = 1\n{key}{sign}{quote}{value}{quote}\nb = 2\n");
        prop_assert!(!redacted(&text).contains(&value), "{}", redacted(&text));
        prop_assert!(redacted(&text).ends_with("\nb = 2\n"));
    }
}
