//! The keys of a client's configuration: which concern security and are used, which Kafka's
//! clients have besides, and which cannot be done here. Knows nothing of their values.

/// Keys whose values are used.
const USED: [&str; 27] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.connect.timeout.ms",
    "sasl.login.read.timeout.ms",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.header.urlencode",
    "sasl.oauthbearer.jwt.retriever.class",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "bootstrap.servers",
    "client.id",
];

/// Keys about Java's own machinery, or about checks that brokers repeat.
const WITHOUT_EFFECT: [&str; 25] = [
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.login.retry.backoff.max.ms",
    "sasl.login.retry.backoff.ms",
    "sasl.oauthbearer.clock.skew.seconds",
    "sasl.oauthbearer.expected.audience",
    "sasl.oauthbearer.expected.issuer",
    "sasl.oauthbearer.jwks.endpoint.refresh.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.oauthbearer.jwt.validator.class",
    "sasl.oauthbearer.scope.claim.name",
    "sasl.oauthbearer.sub.claim.name",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

/// Keys of Kafka's admin client, producer and consumer that do not concern security: a file
/// may be shared with applications.
const OTHERS: [&str; 72] = [
    "acks",
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.include.jmx.reporter",
    "auto.offset.reset",
    "batch.size",
    "bootstrap.controllers",
    "buffer.memory",
    "check.crcs",
    "client.dns.lookup",
    "client.rack",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "connections.max.idle.ms",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.metrics.push",
    "exclude.internal.topics",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "interceptor.classes",
    "isolation.level",
    "key.deserializer",
    "key.serializer",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "metadata.max.age.ms",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partition.assignment.strategy",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.class",
    "partitioner.ignore.keys",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "send.buffer.bytes",
    "session.timeout.ms",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "transactional.id",
    "value.deserializer",
    "value.serializer",
];

/// What the clients of a schema registry read, out of the same file.
const OF_REGISTRIES: [&str; 3] = ["schema.registry.", "basic.auth.", "bearer.auth."];

/// Keys that name code or a protocol that is only in Java.
const IMPOSSIBLE: [(&str, &str); 13] = [
    (
        "config.providers",
        "values are not fetched by config providers; write them here",
    ),
    ("sasl.client.callback.handler.class", JAVA),
    ("sasl.login.class", JAVA),
    ("security.providers", JAVA),
    ("ssl.engine.factory.class", JAVA),
    ("ssl.provider", JAVA),
    ("sasl.oauthbearer.assertion.algorithm", ASSERTION),
    ("sasl.oauthbearer.assertion.claim.aud", ASSERTION),
    ("sasl.oauthbearer.assertion.claim.iss", ASSERTION),
    ("sasl.oauthbearer.assertion.claim.sub", ASSERTION),
    ("sasl.oauthbearer.assertion.file", ASSERTION),
    ("sasl.oauthbearer.assertion.private.key.file", ASSERTION),
    ("sasl.oauthbearer.assertion.template.file", ASSERTION),
];

const JAVA: &str = "it names Java code, which cannot be run here; remove it";
const ASSERTION: &str = "tokens are fetched with client credentials, or read from a file; \
                         assertions (JWT bearer grant) are not supported";

/// What is wrong with a key, if anything is.
pub(crate) fn wrong(key: &str) -> Option<String> {
    if let Some((_, why)) = IMPOSSIBLE.iter().find(|(it, _)| *it == key) {
        return Some(format!("`{key}` is not supported: {why}"));
    }
    let known = || USED.into_iter().chain(WITHOUT_EFFECT).chain(OTHERS);
    if known().any(|it| it == key) || OF_REGISTRIES.iter().any(|it| key.starts_with(it)) {
        return None;
    }
    // What is no key may be a piece of a value, of a private key even.
    let of_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    if key.len() > 60 || !key.contains('.') || !key.chars().all(of_key) {
        return Some(
            "this is no key of Kafka's clients; if it belongs to the value above, that line has \
             to end with `\\`"
                .to_owned(),
        );
    }
    let near = known()
        .map(|it| (strsim::damerau_levenshtein(key, it), it))
        .filter(|(errors, _)| *errors <= 3)
        .min();
    Some(match near {
        Some((_, near)) => format!("unknown key `{key}`; did you mean `{near}`?"),
        None => format!("unknown key `{key}`; Kafka's clients have no such key"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_listed_once() {
        let impossible = IMPOSSIBLE.map(|(key, _)| key);
        let all = USED.into_iter().chain(WITHOUT_EFFECT).chain(OTHERS);
        let mut all: Vec<_> = all.chain(impossible).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_right_one() {
        let said = wrong("ssl.trustore.location").unwrap();
        assert!(
            said.contains("did you mean `ssl.truststore.location`?"),
            "{said}"
        );
        assert!(wrong("a.strange.key").unwrap().contains("no such key"));
        assert!(wrong("ssl.provider").unwrap().contains("Java code"));
        assert_eq!(wrong("acks"), None);
        assert_eq!(wrong("schema.registry.url"), None);
    }

    #[test]
    fn what_is_no_key_is_not_quoted() {
        for piece in ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "hunter2", "a b"] {
            assert!(!wrong(piece).unwrap().contains(piece));
        }
    }
}
