//! Where sources are on the web. Knows the catalogue's way of naming them, and that a name
//! which is not known is text.

const KIPS: &str = "https://cwiki.apache.org/confluence/display/KAFKA/";
const KAFKA: &str = "https://kafka.apache.org/documentation/";
const CONSUMER: &str =
    "https://kafka.apache.org/41/javadoc/org/apache/kafka/clients/consumer/KafkaConsumer.html";
const DEBEZIUM: &str =
    "https://debezium.io/documentation/reference/stable/connectors/postgresql.html";
const POSTGRESQL: &str = "https://www.postgresql.org/docs/current/logicaldecoding-explanation.html";
const LIBRDKAFKA: &str = "https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md";

/// Pages of KIPs that the catalogue names; Confluence finds them by their whole titles.
const KIP_PAGES: &[(&str, &str)] = &[
    (
        "91",
        "KIP-91+Provide+Intuitive+User+Timeouts+in+The+Producer",
    ),
    (
        "98",
        "KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging",
    ),
    (
        "101",
        "KIP-101+-+Alter+Replication+Protocol+to+use+Leader+Epoch+rather+than+High+Watermark+for+Truncation",
    ),
    (
        "279",
        "KIP-279%3A+Fix+log+divergence+between+leader+and+follower+after+fast+leader+fail+over",
    ),
    (
        "320",
        "KIP-320%3A+Allow+fetchers+to+detect+and+handle+log+truncation",
    ),
    (
        "345",
        "KIP-345%3A+Introduce+static+membership+protocol+to+reduce+consumer+rebalances",
    ),
    (
        "447",
        "KIP-447%3A+Producer+scalability+for+exactly+once+semantics",
    ),
    ("460", "KIP-460%3A+Admin+Leader+Election+RPC"),
    (
        "618",
        "KIP-618%3A+Exactly-Once+Support+for+Source+Connectors",
    ),
    (
        "679",
        "KIP-679%3A+Producer+will+enable+the+strongest+delivery+guarantee+by+default",
    ),
    (
        "779",
        "KIP-779%3A+Allow+Source+Tasks+to+Handle+Producer+Exceptions",
    ),
    ("890", "KIP-890%3A+Transactions+Server-Side+Defense"),
    ("966", "KIP-966%3A+Eligible+Leader+Replicas"),
];
const KIP_INDEX: &str = "Kafka+Improvement+Proposals";

/// A source as the catalogue names it (several are separated by semicolons) in pieces, each
/// with its address where that is known.
pub(crate) fn split(name: &str) -> Vec<(&str, Option<String>)> {
    let mut parts = Vec::new();
    for (at, one) in name.split("; ").enumerate() {
        if at > 0 {
            parts.push(("; ", None));
        }
        match address(one) {
            Some(address) => parts.push((one, Some(address))),
            None => parts.extend(kips(one)),
        }
    }
    parts
}

/// Text and names of KIPs with their addresses, in turn.
pub(crate) fn kips(words: &str) -> Vec<(&str, Option<String>)> {
    let mut parts = Vec::new();
    let mut rest = words;
    while let Some(at) = rest.find("KIP-") {
        let number_at = at + "KIP-".len();
        let digits = rest[number_at..]
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len() - number_at);
        let end = number_at + digits;
        parts.push((&rest[..at], None));
        let number = &rest[number_at..end];
        parts.push((&rest[at..end], (digits > 0).then(|| kip(number))));
        rest = &rest[end..];
    }
    parts.push((rest, None));
    parts
}

fn kip(number: &str) -> String {
    let page = KIP_PAGES.iter().find(|(of, _)| *of == number);
    format!("{KIPS}{}", page.map_or(KIP_INDEX, |(_, page)| page))
}

fn address(source: &str) -> Option<String> {
    let configs = [
        ("producer configs, ", "producerconfigs_"),
        ("consumer configs, ", "consumerconfigs_"),
        ("topic configs, ", "topicconfigs_"),
        ("broker configs, ", "brokerconfigs_"),
    ];
    if let Some(within) = source.strip_prefix("Kafka documentation") {
        let within = within.trim_start_matches(", ");
        let anchor = configs.iter().find_map(|(kind, anchor)| {
            let key = within.strip_prefix(kind)?;
            let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
            is_key.then(|| format!("#{anchor}{key}"))
        });
        return Some(format!("{KAFKA}{}", anchor.unwrap_or_default()));
    }
    let known = [
        ("KafkaConsumer", CONSUMER),
        ("Debezium connector for PostgreSQL", DEBEZIUM),
        ("PostgreSQL documentation", POSTGRESQL),
        ("librdkafka CONFIGURATION.md", LIBRDKAFKA),
    ];
    let page = known.iter().find(|(name, _)| source.starts_with(name));
    page.map(|(_, page)| (*page).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_linked_where_their_page_is_known() {
        let producer = format!("{KAFKA}#producerconfigs_acks");
        let name = "Kafka documentation, producer configs, acks";
        assert_eq!(split(name), [(name, Some(producer))]);
        let two = split("KIP-98; a <book>");
        let of = |words| two.iter().find(|(of, _)| *of == words).map(|(_, to)| to);
        let kip = format!("{KIPS}KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging");
        assert_eq!(of("KIP-98"), Some(&Some(kip)));
        assert_eq!(of("a <book>"), Some(&None));
        assert!(split("KIP-less").iter().all(|(_, to)| to.is_none()));
    }

    /// A KIP that is not in the table is linked to their index only.
    #[test]
    fn every_kip_of_the_catalogue_has_its_page() {
        for anomaly in model::anomaly::Anomaly::ALL {
            let of = anomaly.definition();
            for fact in of.permitted_by.iter().chain(of.prevented_by) {
                for (name, address) in kips(fact.source) {
                    let is_index = address.is_some_and(|it| it.ends_with(KIP_INDEX));
                    assert!(!is_index, "{name} of {anomaly}");
                }
            }
        }
    }
}
