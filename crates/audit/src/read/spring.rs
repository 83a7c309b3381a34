//! `spring.kafka.*`, in properties, YAML or environment variables, as the keys of the
//! clients that Spring makes of them.

use crate::component::{Component, Kind, ReadSetting};
use crate::product::{Product, Software};

const PREFIX: &str = "spring.kafka.";

/// Spring's own names that are not the client's key with dashes for dots.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("transaction.id.prefix", "transactional.id"),
    ("buffer.memory", "buffer.memory"),
    ("fetch.max.wait", "fetch.max.wait.ms"),
    ("heartbeat.interval", "heartbeat.interval.ms"),
    ("auto.commit.interval", "auto.commit.interval.ms"),
    ("fetch.min.size", "fetch.min.bytes"),
];

/// The clients that Spring's settings configure; none where there are no such settings.
pub(crate) fn components(settings: Vec<ReadSetting>, name: &str, file: &str) -> Vec<Component> {
    let mut shared = Vec::new();
    let mut own: Vec<(Kind, Vec<ReadSetting>)> = [Kind::Producer, Kind::Consumer, Kind::Streams]
        .map(|kind| (kind, Vec::new()))
        .into();
    for mut setting in settings {
        let Some(rest) = setting.key.strip_prefix(PREFIX).map(str::to_owned) else {
            continue;
        };
        let rest = rest.as_str();
        let (role, rest) = rest.split_once('.').unwrap_or(("", rest));
        let kind = match role {
            "producer" => Kind::Producer,
            "consumer" => Kind::Consumer,
            "streams" => Kind::Streams,
            // How a listener commits is the consumer's matter.
            "listener" => {
                setting.key = format!("@listener.{}", dots(rest));
                own[1].1.push(setting);
                continue;
            }
            "properties" => {
                rest.clone_into(&mut setting.key);
                shared.push(setting);
                continue;
            }
            _ => {
                setting.key = key(&setting.key[PREFIX.len()..]);
                shared.push(setting);
                continue;
            }
        };
        setting.key = match rest.strip_prefix("properties.") {
            Some(plain) => plain.to_owned(),
            None => key(rest),
        };
        setting.value = milliseconds(&setting.key, &setting.value);
        if let Some((_, settings)) = own.iter_mut().find(|(it, _)| *it == kind) {
            settings.push(setting);
        }
    }
    let mut found = Vec::new();
    for (kind, settings) in own {
        if settings.is_empty() {
            continue;
        }
        let mut component = Component::new(kind, name, file);
        component.software = Some(Software::any(Product::Spring));
        component.settings = shared.iter().cloned().chain(settings).collect();
        found.push(component);
    }
    if found.is_empty() && !shared.is_empty() {
        let mut component = Component::new(Kind::Client, name, file);
        component.software = Some(Software::any(Product::Spring));
        component.settings = shared;
        found.push(component);
    }
    found
}

fn dots(key: &str) -> String {
    key.replace('-', ".").to_ascii_lowercase()
}

fn key(own: &str) -> String {
    let dotted = dots(own);
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == dotted);
    other.map_or(dotted, |(_, key)| (*key).to_owned())
}

/// Spring's durations (`5s`) in the client's milliseconds.
fn milliseconds(key: &str, value: &str) -> String {
    if key.rsplit('.').next() != Some("ms") {
        return value.to_owned();
    }
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let factor = match &value[digits.len()..] {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return value.to_owned(),
    };
    let read = digits.parse::<u64>().ok();
    read.map_or_else(|| value.to_owned(), |it| (it * factor).to_string())
}

/// `SPRING_KAFKA_CONSUMER_AUTO_OFFSET_RESET` by Spring's relaxed binding.
pub(crate) fn key_of_variable(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("SPRING_KAFKA_")?;
    let lower = rest.to_ascii_lowercase();
    let (role, key) = lower.split_once('_').unwrap_or(("", lower.as_str()));
    let role = match role {
        "producer" | "consumer" | "streams" | "listener" => role,
        _ => return Some(format!("{PREFIX}{}", lower.replace('_', "-"))),
    };
    Some(match key.strip_prefix("properties_") {
        Some(plain) => format!("{PREFIX}{role}.properties.{}", plain.replace('_', ".")),
        None => format!("{PREFIX}{role}.{}", key.replace('_', "-")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Origin;

    #[test]
    fn springs_keys_become_the_clients() {
        let of = |key: &str, value: &str| ReadSetting {
            key: key.to_owned(),
            path: key.to_owned(),
            value: value.to_owned(),
            origin: Origin::File {
                path: "a.yml".into(),
                line: 1,
            },
        };
        let settings = vec![
            of("spring.kafka.bootstrap-servers", "k:9092"),
            of("spring.kafka.consumer.auto-offset-reset", "latest"),
            of("spring.kafka.consumer.auto-commit-interval", "5s"),
            of(
                "spring.kafka.producer.properties.enable.idempotence",
                "true",
            ),
            of("spring.kafka.listener.ack-mode", "batch"),
            of("spring.application.name", "a"),
        ];
        let found = components(settings, "a", "a.yml");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text("enable.idempotence"), Some("true"));
        assert_eq!(found[0].text("bootstrap.servers"), Some("k:9092"));
        assert_eq!(found[1].text("auto.offset.reset"), Some("latest"));
        assert_eq!(found[1].text("auto.commit.interval.ms"), Some("5000"));
        assert_eq!(found[1].text("@listener.ack.mode"), Some("batch"));
        assert_eq!(
            key_of_variable("SPRING_KAFKA_CONSUMER_GROUP_ID").unwrap(),
            "spring.kafka.consumer.group-id"
        );
    }
}
