//! Stores as `openssl` and `keytool` make them, read by way of a configuration. All hold
//! one key of P-256 with its chain, or the authority that issued it: `tests/stores`, of
//! OpenSSL 3 and of a Java 21, passwords `store-pass` and `key-pass`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use security::{ClientSecurity, ConfigError};

fn store(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stores")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(store(name)).unwrap()
}

/// The configuration of these lines, over TLS.
fn read(lines: &[&str]) -> Result<ClientSecurity, ConfigError> {
    let text = format!("security.protocol=SSL\n{}\n", lines.join("\n"));
    ClientSecurity::parse(Path::new("client.properties"), text.as_bytes())
}

fn refused(lines: &[&str]) -> String {
    let problem = read(lines).err().unwrap().to_string();
    for secret in ["store-pass", "key-pass", "wrong-pass"] {
        assert!(!problem.contains(secret), "{problem}");
    }
    problem
}

fn at(key: &str, name: &str) -> String {
    format!("{key}.location={}", store(name).display())
}

#[test]
fn trust_stores_of_each_format() {
    for (name, of_type) in [
        ("ca.pem", "PEM"),
        ("trust.jks", "JKS"),
        ("trust.p12", "PKCS12"),
        // Java reads either under the other's name.
        ("trust.p12", "JKS"),
        ("trust.jks", "PKCS12"),
    ] {
        let location = at("ssl.truststore", name);
        let of_type_line = format!("ssl.truststore.type={of_type}");
        let password = "ssl.truststore.password=store-pass";
        let mut lines = vec![location.as_str(), &of_type_line];
        if of_type != "PEM" {
            lines.push(password);
        }
        let security = read(&lines).unwrap();
        assert!(security.tls().is_some() && !security.has_certificate());
        if of_type != "PEM" {
            lines.pop();
            lines.push("ssl.truststore.password=wrong-pass");
            let problem = refused(&lines);
            assert!(problem.starts_with("client.properties:2: "), "{problem}");
            assert!(problem.contains("password"), "{problem}");
        }
    }
}

#[test]
fn key_stores_of_each_format() {
    let cases: [(&str, &[&str]); 7] = [
        ("key.pem", &["ssl.keystore.type=PEM"]),
        (
            "encrypted.pem",
            &["ssl.keystore.type=PEM", "ssl.key.password=key-pass"],
        ),
        (
            "encrypted-des3.pem",
            &["ssl.keystore.type=PEM", "ssl.key.password=key-pass"],
        ),
        (
            "key.p12",
            &[
                "ssl.keystore.type=PKCS12",
                "ssl.keystore.password=store-pass",
            ],
        ),
        (
            "key-legacy.p12",
            &[
                "ssl.keystore.type=PKCS12",
                "ssl.keystore.password=store-pass",
            ],
        ),
        ("key-java.p12", &["ssl.keystore.password=store-pass"]),
        (
            "key.jks",
            &[
                "ssl.keystore.password=store-pass",
                "ssl.key.password=key-pass",
            ],
        ),
    ];
    let trust = [
        at("ssl.truststore", "ca.pem"),
        "ssl.truststore.type=PEM".to_owned(),
    ];
    for (name, more) in cases {
        let location = at("ssl.keystore", name);
        let mut lines = vec![trust[0].as_str(), &trust[1], &location];
        lines.extend(more);
        let security = read(&lines).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert!(security.has_certificate(), "{name}");
        let wrong: Vec<String> = lines
            .iter()
            .map(|it| it.replace("=store-pass", "=wrong-pass"))
            .collect();
        let wrong: Vec<String> = wrong
            .iter()
            .map(|it| it.replace("=key-pass", "=wrong-pass"))
            .collect();
        if wrong != lines {
            let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
            let problem = refused(&wrong);
            assert!(
                problem.contains("ssl.keystore.location"),
                "{name}: {problem}"
            );
            assert!(problem.contains("password"), "{name}: {problem}");
        }
    }
}

#[test]
fn pem_stands_in_the_configuration_too() {
    let one_line = |name: &str| text(name).trim().replace('\n', " ");
    let goes_on = |name: &str| text(name).trim().replace('\n', "\\\n");
    for form in [one_line as fn(&str) -> String, goes_on] {
        let lines = [
            "ssl.truststore.type=PEM".to_owned(),
            format!("ssl.truststore.certificates={}", form("ca.pem")),
            "ssl.keystore.type=PEM".to_owned(),
            format!("ssl.keystore.certificate.chain={}", form("key.pem")),
            format!("ssl.keystore.key={}", form("encrypted.pem")),
            "ssl.key.password=key-pass".to_owned(),
        ];
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert!(read(&lines).unwrap().has_certificate());
        // A line that does not go on tells nothing of what stands in it.
        let broken = text("key.pem");
        let inline = format!("ssl.keystore.key={broken}");
        lines[4] = &inline;
        let problem = refused(&lines);
        let piece = broken.lines().nth(1).unwrap();
        assert!(problem.contains("has to end with `\\`"), "{problem}");
        assert!(!problem.contains(&piece[..12]), "{problem}");
    }
}

#[test]
fn a_store_that_is_not_what_it_is_called_is_refused() {
    let trust = |name| at("ssl.truststore", name);
    let key = |name| at("ssl.keystore", name);
    let pem = "ssl.truststore.type=PEM";
    let key_pem = "ssl.keystore.type=PEM";
    let cases: [(&[&str], &str); 14] = [
        (
            &[&trust("ca.pem")],
            "it is PEM, and the type given is another",
        ),
        (&[&trust("trust.jks"), pem], "it is not PEM"),
        (&[&trust("absent.pem"), pem], "cannot read"),
        (
            &[&trust("key.p12"), "ssl.truststore.password=store-pass"],
            "no trusted certificate",
        ),
        (
            &[&trust("ca.pem"), "ssl.truststore.type=BCFKS"],
            "is PEM, PKCS12 or JKS",
        ),
        (&[&trust("trust.p12")], "its password is not given"),
        (&[&key("ca.pem"), key_pem], "no PEM section PRIVATE KEY"),
        (&[&key("encrypted.pem"), key_pem], "has no password"),
        (
            &[&key("key.pem"), key_pem, "ssl.keystore.password=x"],
            "has no effect with",
        ),
        (
            &["ssl.keystore.key=x"],
            "has no effect without `ssl.keystore.certificate.chain`",
        ),
        (
            &["ssl.key.password=x"],
            "has no effect without `ssl.keystore.location`",
        ),
        (
            &["ssl.truststore.password=x"],
            "has no effect without `ssl.truststore.location`",
        ),
        (
            &["ssl.truststore.certificates=x"],
            "set ssl.truststore.type=PEM",
        ),
        (
            &[&trust("ca.pem"), pem, "ssl.truststore.certificates=x"],
            "are both set; remove one",
        ),
    ];
    for (lines, words) in cases {
        let problem = refused(lines);
        assert!(problem.contains(words), "{words}\n{problem}");
        assert!(problem.starts_with("client.properties"), "{problem}");
    }
    // A damaged store of any length is an error.
    for name in ["trust.jks", "trust.p12", "key.jks", "key.p12"] {
        let whole = std::fs::read(store(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let cut = dir.path().join(name);
        for length in (0..whole.len()).step_by(37) {
            std::fs::write(&cut, &whole[..length]).unwrap();
            let location = format!("ssl.keystore.location={}", cut.display());
            refused(&[&location, "ssl.keystore.password=store-pass"]);
        }
    }
}
