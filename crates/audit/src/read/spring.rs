//! `spring.kafka.*`, in properties, YAML or environment variables, as the keys of the
//! clients that Spring makes of them.

use std::collections::BTreeSet;

use crate::component::{Component, Kind, ReadSetting};
use crate::product::{Product, Software};

const PREFIX: &str = "spring.kafka.";
/// When a document applies: its own key, and the one before Spring Boot 2.4.
const PROFILES: [&str; 2] = ["spring.config.activate.on-profile", "spring.profiles"];

/// Spring's own names that are not the client's key with dashes for dots.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("transaction.id.prefix", "transactional.id"),
    ("buffer.memory", "buffer.memory"),
    ("fetch.max.wait", "fetch.max.wait.ms"),
    ("heartbeat.interval", "heartbeat.interval.ms"),
    ("auto.commit.interval", "auto.commit.interval.ms"),
    ("fetch.min.size", "fetch.min.bytes"),
];

/// The clients that the documents of a file configure: as they are without a profile, and
/// under each profile that changes one. A document without a profile always applies, and
/// of two that set a key the later one does.
pub(crate) fn components(
    documents: Vec<Vec<ReadSetting>>,
    name: &str,
    file: &str,
) -> Vec<Component> {
    let documents: Vec<(Option<String>, Vec<ReadSetting>)> = documents
        .into_iter()
        .map(|settings| (profile(&settings), settings))
        .collect();
    let under = |active: Option<&str>| -> Vec<ReadSetting> {
        let apply = documents
            .iter()
            .filter(|(profile, _)| profile.is_none() || profile.as_deref() == active);
        apply
            .flat_map(|(_, settings)| settings.iter().cloned())
            .collect()
    };
    let base = clients(under(None), name, file);
    let profiles: BTreeSet<&str> = documents
        .iter()
        .filter_map(|(profile, _)| profile.as_deref())
        .collect();
    let mut found = base.clone();
    for profile in profiles {
        let own = clients(under(Some(profile)), &format!("{name} ({profile})"), file);
        let changed = own.into_iter().filter(|it| {
            let is_same = |base: &Component| base.kind == it.kind && base.settings == it.settings;
            !base.iter().any(is_same)
        });
        found.extend(changed);
    }
    found
}

/// The profiles under which a document applies; none where it always does.
fn profile(settings: &[ReadSetting]) -> Option<String> {
    let names = settings.iter().filter(|it| {
        let key = it.key.split('[').next().unwrap_or_default();
        PROFILES.contains(&key)
    });
    let names: Vec<&str> = names.map(|it| it.value.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Puts the settings of `application.yml` under those of `application-PROFILE.yml` beside
/// it, as Spring does.
pub(crate) fn put_profiles_on_their_base(components: &mut Vec<Component>) {
    let all = std::mem::take(components);
    for component in &all {
        let base = base_of(component, &all);
        let bases: Vec<&Component> = match component.kind {
            // It configures every client.
            Kind::Client if !base.is_empty() => base,
            kind => base.into_iter().filter(|it| it.kind == kind).collect(),
        };
        if bases.is_empty() {
            components.push(component.clone());
        }
        for base in bases {
            let mut whole = component.clone();
            whole.kind = base.kind;
            whole.settings.splice(0..0, base.settings.iter().cloned());
            components.push(whole);
        }
    }
}

/// The clients of the file that a profile's file adds to.
fn base_of<'c>(component: &Component, all: &'c [Component]) -> Vec<&'c Component> {
    let is_spring = |it: &Component| {
        let software = it.software.as_ref();
        software.is_some_and(|it| it.product == Product::Spring)
    };
    let stem = |file: &str| {
        file.rsplit_once('.')
            .map_or(file, |(stem, _)| stem)
            .to_owned()
    };
    let own = stem(&component.file);
    let (folder, name) = own.rsplit_once('/').unwrap_or(("", &own));
    let Some((base, _)) = name.split_once('-').filter(|_| is_spring(component)) else {
        return Vec::new();
    };
    let base = if folder.is_empty() {
        base.to_owned()
    } else {
        format!("{folder}/{base}")
    };
    // Not its clients under a profile of its own.
    let is_base =
        |it: &&Component| is_spring(it) && stem(&it.file) == base && !it.name.ends_with(')');
    all.iter().filter(is_base).collect()
}

/// The clients that Spring's settings configure; none where there are no such settings.
fn clients(settings: Vec<ReadSetting>, name: &str, file: &str) -> Vec<Component> {
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

    fn of(key: &str, value: &str) -> ReadSetting {
        ReadSetting {
            key: key.to_owned(),
            path: key.to_owned(),
            value: value.to_owned(),
            origin: Origin::File {
                path: "a.yml".into(),
                line: 1,
            },
        }
    }

    #[test]
    fn a_profile_changes_what_it_sets_and_nothing_else() {
        let base = vec![
            of("spring.kafka.producer.acks", "all"),
            of(
                "spring.kafka.producer.properties.enable.idempotence",
                "false",
            ),
            of("spring.kafka.consumer.group-id", "g"),
        ];
        let prod = vec![
            of("spring.config.activate.on-profile", "prod"),
            of("spring.kafka.producer.acks", "1"),
        ];
        let found = components(vec![base, prod], "a", "a.yml");
        let names: Vec<(Kind, &str)> = found.iter().map(|it| (it.kind, &*it.name)).collect();
        let expected = [
            (Kind::Producer, "a"),
            (Kind::Consumer, "a"),
            (Kind::Producer, "a (prod)"),
        ];
        assert_eq!(names, expected);
        assert_eq!(found[0].text("acks"), Some("all"));
        assert_eq!(found[2].text("acks"), Some("1"));
        assert_eq!(found[2].text("enable.idempotence"), Some("false"));
    }

    #[test]
    fn the_file_of_a_profile_adds_to_the_one_beside_it() {
        let base = vec![
            of("spring.kafka.producer.acks", "all"),
            of("spring.kafka.consumer.group-id", "g"),
        ];
        let acks = vec![of("spring.kafka.producer.acks", "1")];
        let shared = vec![of("spring.kafka.properties.client.id", "c")];
        let mut all = components(vec![base], "application", "app/application.yml");
        for (file, settings) in [
            ("app/application-a.yml", &acks),
            ("app/application-b.yml", &shared),
        ] {
            all.extend(components(vec![settings.clone()], file, file));
        }
        // Of another folder.
        all.extend(components(vec![acks], "other", "other/application-a.yml"));
        put_profiles_on_their_base(&mut all);
        let of = |file: &str| -> Vec<(Kind, usize)> {
            let of = all.iter().filter(|it| it.file == file);
            of.map(|it| (it.kind, it.settings.len())).collect()
        };
        assert_eq!(of("app/application.yml").len(), 2);
        assert_eq!(of("app/application-a.yml"), [(Kind::Producer, 2)]);
        let both = [(Kind::Producer, 2), (Kind::Consumer, 2)];
        assert_eq!(of("app/application-b.yml"), both);
        assert_eq!(of("other/application-a.yml"), [(Kind::Producer, 1)]);
    }

    #[test]
    fn springs_keys_become_the_clients() {
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
        let found = components(vec![settings], "a", "a.yml");
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
