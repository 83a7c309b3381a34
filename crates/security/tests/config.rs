//! Configurations that can be used, and mistakes, each with its line and without a value.

use std::path::Path;

use security::{Authority, ClientSecurity, Mechanism, Protocol};

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
const USER: &str = "username=\"alice\" password=\"sword-fish\"";

fn read(text: &str) -> Result<ClientSecurity, String> {
    let read = ClientSecurity::parse(Path::new("c.properties"), text.as_bytes());
    read.map_err(|error| error.to_string())
}

fn sasl(mechanism: &str, jaas: &str) -> String {
    format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={jaas}\n"
    )
}

#[test]
fn what_is_not_set_is_plaintext() {
    let shared = "bootstrap.servers=a:9092\nacks=all\nschema.registry.url=http://u:p@b\n";
    for text in ["", "# nothing\n", "security.protocol=plaintext\n", shared] {
        assert_eq!(
            read(text).unwrap().protocol(),
            Protocol::Plaintext,
            "{text}"
        );
    }
}

#[test]
fn each_mechanism_is_read() {
    for (mechanism, jaas) in [
        (Mechanism::Plain, format!("{PLAIN} {USER};")),
        (Mechanism::ScramSha256, format!("{SCRAM} {USER};")),
        (
            Mechanism::ScramSha512,
            format!("{SCRAM} {USER} \\\n   tokenauth=\"true\";"),
        ),
    ] {
        let security = read(&sasl(mechanism.name(), &jaas)).unwrap();
        assert_eq!(security.protocol(), Protocol::SaslPlaintext);
        assert_eq!(security.sasl().unwrap().mechanism(), mechanism);
        let shown = format!("{security:?}");
        assert!(
            !shown.contains("sword-fish") && !shown.contains("alice"),
            "{shown}"
        );
        assert_eq!(security.scrub("no sword-fish!"), "no [hidden]!");
    }
    let text = sasl("PLAIN", &format!("{PLAIN} {USER};"));
    let (_, first) = read(&text).unwrap().sasl().unwrap().begin().unwrap();
    assert_eq!(first, b"\0alice\0sword-fish");
}

#[test]
fn a_password_with_escapes_is_what_kafka_makes_of_it() {
    // The properties file takes one backslash away, JAAS the next.
    let text = sasl(
        "PLAIN",
        &format!("{PLAIN} username=\"alice\" password=\"a\\\\\"b\\\\\\\\c=;d\";"),
    );
    let security = read(&text).unwrap();
    let (_, first) = security.sasl().unwrap().begin().unwrap();
    assert_eq!(first, b"\0alice\0a\"b\\c=;d");
    assert_eq!(security.scrub("<a\"b\\c=;d>"), "<[hidden]>");
}

#[test]
fn tokens_come_from_a_file_or_an_endpoint() {
    let jaas = format!("{OAUTH} clientId=\"id\" clientSecret=\"sword-fish\" extension_a=\"b\";");
    let endpoint = "sasl.oauthbearer.token.endpoint.url=https://login.example/token\n";
    let handler = "sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.\
                   OAuthBearerLoginCallbackHandler\n";
    let text = sasl("OAUTHBEARER", &jaas) + endpoint + handler;
    assert_eq!(read(&text).unwrap().scrub("sword-fish"), "[hidden]");
    let own = "sasl.oauthbearer.client.credentials.client.id=id\n\
               sasl.oauthbearer.client.credentials.client.secret=sword-fish\n";
    let text = sasl("OAUTHBEARER", &format!("{OAUTH};")) + endpoint + own;
    assert!(read(&text).is_ok());
    let file = "sasl.oauthbearer.token.endpoint.url=file:///absent/token\n";
    let security = read(&(sasl("OAUTHBEARER", &format!("{OAUTH};")) + file)).unwrap();
    let error = security.sasl().unwrap().begin().err().unwrap();
    assert!(
        error
            .to_string()
            .contains("cannot read the token in /absent/token"),
        "{error}"
    );
}

#[test]
fn host_names_are_checked_unless_that_is_switched_off() {
    let text = "security.protocol=SSL\nssl.endpoint.identification.algorithm=";
    assert!(read("security.protocol=SSL").unwrap().checks_host());
    assert!(read(&format!("{text}HTTPS")).unwrap().checks_host());
    assert!(!read(text).unwrap().checks_host());
    let problem = read(&format!("{text}none")).unwrap_err();
    assert!(problem.contains("`https`, or empty"), "{problem}");
}

#[test]
fn each_mistake_is_told_with_its_line_and_without_a_value() {
    let plain = |jaas: &str| sasl("PLAIN", jaas);
    let oauth = |jaas: &str, more: &str| sasl("OAUTHBEARER", jaas) + more;
    let url = "sasl.oauthbearer.token.endpoint.url=";
    let cases: Vec<(String, &str, &str)> = vec![
        (
            "ssl.trustore.location=x".into(),
            ":1: ",
            "did you mean `ssl.truststore.location`?",
        ),
        (
            "\nsecurity.protocol=TLS".into(),
            ":2: ",
            "is one of PLAINTEXT, SSL",
        ),
        ("acks=1\nacks=2".into(), ":2: ", "is set on line 1 already"),
        (
            "security.protocol SSL".into(),
            ":1: ",
            "has no `=` behind it",
        ),
        (
            "ssl.truststore.location=x".into(),
            ":1: ",
            "set security.protocol=SSL",
        ),
        (
            format!("sasl.jaas.config={PLAIN} {USER};"),
            ":1: ",
            "set security.protocol=SASL_PLAINTEXT",
        ),
        (
            format!("security.protocol=SSL\nsasl.jaas.config={PLAIN} {USER};"),
            ":2: ",
            "set security.protocol=SASL_SSL",
        ),
        (
            plain(&format!("{PLAIN} {USER};")) + "ssl.key.password=x",
            ":4: ",
            "SASL_SSL",
        ),
        (
            "security.protocol=SASL_PLAINTEXT".into(),
            ": ",
            "GSSAPI (Kerberos) is not supported",
        ),
        (
            sasl("GSSAPI", "x"),
            ":2: ",
            "is one of PLAIN, SCRAM-SHA-256",
        ),
        (sasl("PLAIN", ""), ":3: ", "`sasl.jaas.config` is missing"),
        (
            plain(&format!("{SCRAM} {USER};")),
            ":3: ",
            "the login module of PLAIN is",
        ),
        (
            plain(&format!("{PLAIN} {USER}")),
            ":3: ",
            "it has to end with `;`",
        ),
        (
            plain(&format!("{PLAIN} username=alice password=sword-fish7/;")),
            ":3: ",
            "`;`",
        ),
        (
            plain(&format!("{PLAIN} username=alice;")),
            ":3: ",
            "lacks the option `password`",
        ),
        (
            plain(&format!("{PLAIN} {USER} sword=\"fish\";")),
            ":3: ",
            "known are username",
        ),
        (
            oauth(&format!("{OAUTH};"), ""),
            ": ",
            "where tokens come from",
        ),
        (
            oauth(&format!("{OAUTH};"), &format!("{url}ftp://x")),
            ":4: ",
            "begins with https://",
        ),
        (
            oauth(&format!("{OAUTH};"), &format!("{url}https://x")),
            ":3: ",
            "lacks the option `clientId`",
        ),
        (
            oauth(
                &format!("{OAUTH} unsecuredLoginStringClaim_sub=\"sword-fish\";"),
                "",
            ),
            ":3: ",
            "not known",
        ),
        (
            "security.protocol=SSL\nssl.enabled.protocols=TLSv1".into(),
            ":2: ",
            "TLSv1.3 and TLSv1.2 are",
        ),
        (
            "security.protocol=SSL\nssl.engine.factory.class=x".into(),
            ":2: ",
            "Java code",
        ),
        (
            plain(&format!("{PLAIN} {USER};")) + "sasl.login.callback.handler.class=x",
            ":4: ",
            "Java code",
        ),
        (r"acks=\u12".into(), ":1: ", "four hexadecimal digits"),
    ];
    for (text, place, words) in cases {
        let problem = read(&text).err().unwrap_or_else(|| unreachable!("{text}"));
        assert!(
            problem.starts_with(&format!("c.properties{place}")),
            "{text}\n{problem}"
        );
        assert!(problem.contains(words), "{text}\n{problem}");
        assert!(
            !problem.contains("fish") && !problem.contains("alice"),
            "{problem}"
        );
    }
}

#[test]
fn clients_are_told_the_same_in_their_own_keys() {
    let plain = read(&sasl("PLAIN", &format!("{PLAIN} {USER};"))).unwrap();
    let java = plain.java_config();
    assert_eq!(java["security.protocol"], "SASL_PLAINTEXT");
    assert!(java["sasl.jaas.config"].contains("password=\"sword-fish\""));
    let native = plain.librdkafka_config();
    let native: Vec<_> = native
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let expected = [
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.password", "sword-fish"),
        ("sasl.username", "alice"),
        ("security.protocol", "sasl_plaintext"),
    ];
    assert_eq!(native, expected);
    assert_eq!(plain.beyond_clients(), None);
    assert!(read("").unwrap().librdkafka_config().is_empty());

    let file = "file:///nowhere";
    let token = sasl("OAUTHBEARER", &format!("{OAUTH};"))
        + &format!("sasl.oauthbearer.token.endpoint.url={file}\n");
    assert!(read(&token).unwrap().beyond_clients().is_some());
    let delegated = sasl("SCRAM-SHA-256", &format!("{SCRAM} {USER} tokenauth=true;"));
    assert!(read(&delegated).unwrap().beyond_clients().is_some());
}

#[test]
fn behind_an_authority_of_ours_only_sasl_stays() {
    let authority = Authority::for_hosts(&["localhost".to_owned()]).unwrap();
    let text = sasl("PLAIN", &format!("{PLAIN} {USER};")).replace("SASL_PLAINTEXT", "SASL_SSL")
        + "ssl.endpoint.identification.algorithm=\n";
    let user = read(&text);
    // Without an authority on this machine there is no user either.
    let Ok(user) = user else { return };
    assert!(!user.checks_host());
    let behind = user.trusting(&authority).unwrap();
    assert!(behind.checks_host());
    let java = behind.java_config();
    assert_eq!(java["ssl.truststore.certificates"], authority.pem());
    assert!(!java.contains_key("ssl.endpoint.identification.algorithm"));
    assert!(java["sasl.jaas.config"].contains("sword-fish"));
    let native = behind.librdkafka_config();
    let pem = |of: &str| of.split_whitespace().collect::<String>();
    assert_eq!(pem(&native["ssl.ca.pem"]), pem(authority.pem()));
    assert_eq!(native["ssl.endpoint.identification.algorithm"], "https");
    assert!(!native.contains_key("ssl.key.pem"));
    assert_eq!(behind.secrets().scrub("no sword-fish!"), "no [hidden]!");
    let plain = read("").unwrap().trusting(&authority).unwrap();
    assert_eq!(plain.protocol(), Protocol::Plaintext);
}
