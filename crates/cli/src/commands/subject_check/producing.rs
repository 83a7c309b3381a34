//! What a subject says of records that it sends, beside the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ::subject::protocol::{Bytes, Outgoing, RecordHeader, Request, SubjectEvent, limits};

use super::Bench;
use super::dialogue::{ANSWER, Dialogue, Fault, Step, Stop, Wanted};
use super::truth::{Log, Stored, Transaction};

/// Records of the burst.
const BURST: u64 = 20_000;
/// Partitions of its topic.
const PARTITIONS: i32 = 3;
/// How long records without an answer may take to get their outcome.
const EXPIRY: Duration = Duration::from_mins(1);

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledged { partition: i32, offset: Option<i64> },
    Failed,
    Unknown,
}

/// A plain record.
pub(super) fn plain(id: u64, topic: &str, value: &[u8]) -> Outgoing {
    Outgoing {
        id,
        topic: topic.to_owned(),
        partition: Some(0),
        value: Some(Bytes(value.to_vec())),
        ..Outgoing::default()
    }
}

/// Hands records over, numbered from 0, and waits for all outcomes, with
/// `flush`.
pub(super) fn outcomes(
    dialogue: &mut Dialogue,
    records: &[Outgoing],
    bound: Duration,
) -> Step<BTreeMap<u64, Outcome>> {
    let mut told = BTreeMap::new();
    for record in records {
        while !dialogue.has_room() {
            take(dialogue, Duration::from_millis(20), records, &mut told)?;
        }
        dialogue.request(Request::Send(record.clone()))?;
    }
    dialogue.request(Request::Flush)?;
    let until = Instant::now() + bound;
    while !take(dialogue, Duration::from_millis(100), records, &mut told)? {
        if Instant::now() >= until {
            let missing = records.iter().find(|it| !told.contains_key(&it.id));
            let what = format!("`flush` is not done after {} s", bound.as_secs());
            return Err(match missing {
                Some(record) => {
                    let what = format!("{what}, and record {} has no outcome", record.id);
                    dialogue.about(&what, record.id).into()
                }
                None => dialogue.last(&what).into(),
            });
        }
    }
    if let Some(record) = records.iter().find(|it| !told.contains_key(&it.id)) {
        let what = format!("`flush` is done, and record {} has no outcome", record.id);
        return Err(dialogue.about(&what, record.id).into());
    }
    Ok(told)
}

/// Takes one event; whether that says that all is flushed.
fn take(
    dialogue: &mut Dialogue,
    wait: Duration,
    records: &[Outgoing],
    told: &mut BTreeMap<u64, Outcome>,
) -> Step<bool> {
    let (id, outcome) = match dialogue.event(wait)? {
        None => return Ok(false),
        Some(SubjectEvent::Acknowledged {
            id,
            partition,
            offset,
        }) => (id, Outcome::Acknowledged { partition, offset }),
        Some(SubjectEvent::Failed { id, .. }) => (id, Outcome::Failed),
        Some(SubjectEvent::Unknown { id, .. }) => (id, Outcome::Unknown),
        Some(SubjectEvent::Done { op, error }) if op == Request::Flush.op() => {
            return match error {
                None => Ok(true),
                Some(error) => Err(dialogue.last(&format!("`flush` fails: {error}")).into()),
            };
        }
        Some(_) => return Err(dialogue.last("it says what nothing asked for").into()),
    };
    if usize::try_from(id).is_ok_and(|id| id >= records.len()) {
        let what = format!("it tells the outcome of record {id}, which was not sent");
        return Err(dialogue.about(&what, id).into());
    }
    match told.insert(id, outcome.clone()) {
        None => Ok(false),
        // More is known now.
        Some(Outcome::Unknown) if outcome == Outcome::Failed => Ok(false),
        Some(_) => {
            let what = format!("it tells the outcome of record {id} twice");
            Err(dialogue.about(&what, id).into())
        }
    }
}

/// The record as it has to be stored.
fn stored(record: &Outgoing) -> Stored {
    let owned = |it: &Bytes| it.0.clone();
    Stored {
        key: record.key.as_ref().map(owned),
        value: record.value.as_ref().map(owned),
        headers: record
            .headers
            .iter()
            .map(|it| (it.key.clone().into_bytes(), it.value.as_ref().map(owned)))
            .collect(),
        transaction: Transaction::None,
    }
}

/// What is wrong with outcomes, beside the log of the topic.
pub(super) fn compare(
    dialogue: &Dialogue,
    records: &[Outgoing],
    told: &BTreeMap<u64, Outcome>,
    log: &Log,
) -> Result<(), Fault> {
    let mut places: BTreeSet<(i32, i64)> = BTreeSet::new();
    for record in records {
        let (id, wanted) = (record.id, stored(record));
        let count = || log.values().filter(|it| **it == wanted).count();
        match told.get(&id) {
            Some(Outcome::Acknowledged { partition, offset }) => {
                if record.partition.is_some_and(|asked| asked != *partition) {
                    let what = format!(
                        "record {id} was for another partition than {partition}, where it is \
                         acknowledged"
                    );
                    return Err(dialogue.about(&what, id));
                }
                let Some(offset) = *offset else {
                    if count() == 0 {
                        let what = format!("record {id} is acknowledged and not in the log");
                        return Err(dialogue.about(&what, id));
                    }
                    continue;
                };
                let place = (*partition, offset);
                let difference = match log.get(&place) {
                    None => Some("there is nothing".to_owned()),
                    Some(there) => differs(there, &wanted),
                };
                if let Some(difference) = difference {
                    let what = format!(
                        "record {id} is acknowledged at partition {partition}, offset {offset}: \
                         in the log, {difference}"
                    );
                    return Err(dialogue.about(&what, id));
                }
                if !places.insert(place) {
                    let what = format!(
                        "two records are acknowledged at partition {partition}, offset {offset}"
                    );
                    return Err(dialogue.about(&what, id));
                }
            }
            Some(Outcome::Failed) if count() > 0 => {
                let what = format!("record {id} is said to have failed, and is in the log");
                return Err(dialogue.about(&what, id));
            }
            Some(Outcome::Failed | Outcome::Unknown) | None => {}
        }
    }
    let all_known = told.values().all(|it| {
        matches!(
            it,
            Outcome::Acknowledged {
                offset: Some(_),
                ..
            }
        )
    });
    if all_known && let Some((partition, offset)) = log.keys().find(|it| !places.contains(*it)) {
        let what = format!(
            "the log has more than it acknowledged, first partition {partition}, offset {offset}"
        );
        return Err(dialogue.last(&what));
    }
    Ok(())
}

/// How a record differs from what it should be.
pub(super) fn differs(there: &Stored, wanted: &Stored) -> Option<String> {
    if there.key != wanted.key {
        Some("the key is another one".to_owned())
    } else if there.value != wanted.value {
        Some("the value is another one".to_owned())
    } else if there.headers != wanted.headers {
        Some(format!(
            "it has {} headers and not these {}",
            there.headers.len(),
            wanted.headers.len()
        ))
    } else {
        None
    }
}

/// Partition, key, value and headers of a record.
type Kind = (Option<i32>, Option<Bytes>, Option<Bytes>, Vec<RecordHeader>);

/// A record with a header that has no value, which some clients cannot send.
pub(super) fn without_header_value(id: u64, topic: &str) -> Outgoing {
    Outgoing {
        headers: vec![RecordHeader {
            key: "none".to_owned(),
            value: None,
        }],
        ..plain(id, topic, b"with a header that has no value")
    }
}

/// Records of all kinds that each client can send.
pub(super) fn of_all_kinds(topic: &str) -> Vec<Outgoing> {
    let bytes = |it: &[u8]| Some(Bytes(it.to_vec()));
    let header = |key: &str, value: &[u8]| RecordHeader {
        key: key.to_owned(),
        value: Some(Bytes(value.to_vec())),
    };
    let kinds: [Kind; 9] = [
        (Some(0), bytes(b"key"), bytes(b"value"), vec![]),
        (Some(1), None, bytes(b"no key"), vec![]),
        (Some(2), bytes(b"a tombstone"), None, vec![]),
        (Some(0), bytes(b""), bytes(b""), vec![]),
        // Neither UTF-8 nor any other text.
        (
            Some(1),
            bytes(&[0xff, 0xfe, 0]),
            bytes(&[0xc3, 0x28, 0, 0x80]),
            vec![],
        ),
        (
            Some(2),
            bytes(b"with headers"),
            bytes(b"v"),
            vec![
                header("h", b"1"),
                header("h", &[0xff, 0]),
                header("empty", b""),
                header("\u{fc}", b"2"),
            ],
        ),
        (
            None,
            bytes(b"the client's own partition"),
            bytes(b"1"),
            vec![],
        ),
        (
            None,
            bytes(b"the client's own partition"),
            bytes(b"2"),
            vec![],
        ),
        (None, None, bytes(b"neither key nor partition"), vec![]),
    ];
    let numbered = kinds.into_iter().zip(0..);
    numbered
        .map(|((partition, key, value, headers), id)| Outgoing {
            id,
            topic: topic.to_owned(),
            partition,
            key,
            value,
            headers,
        })
        .collect()
}

pub(super) fn carries_all_kinds(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("kinds", 3, &[])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let wanted = Wanted::default().producer(&[("bootstrap.servers", &bootstrap), ("acks", "all")]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let records = of_all_kinds(&topic);
    let told = outcomes(&mut dialogue, &records, ANSWER)?;
    let refused = told
        .iter()
        .find(|(_, it)| !matches!(it, Outcome::Acknowledged { .. }));
    if let Some((id, _)) = refused {
        let what = format!("record {id} is not acknowledged by a broker that takes it");
        return Err(dialogue.about(&what, *id).into());
    }
    compare(&dialogue, &records, &told, &bench.truth.log(&topic, 3)?)?;
    let of_key = |id| match told.get(&id) {
        Some(Outcome::Acknowledged { partition, .. }) => Some(*partition),
        _ => None,
    };
    if of_key(6) != of_key(7) {
        let what = "two records of one key went to two partitions";
        return Err(dialogue.about(what, 7).into());
    }
    dialogue.close_quietly()?;
    Ok(format!("{} records, as they were sent", records.len()))
}

pub(super) fn carries_a_header_without_a_value(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("no-header-value", 1, &[])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let wanted = Wanted::default().producer(&[("bootstrap.servers", &bootstrap), ("acks", "all")]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let cannot = dialogue.cannot(limits::HEADER_WITHOUT_VALUE);
    let records = [
        without_header_value(0, &topic),
        plain(1, &topic, b"what follows it"),
    ];
    let told = outcomes(&mut dialogue, &records, ANSWER)?;
    compare(&dialogue, &records, &told, &bench.truth.log(&topic, 1)?)?;
    let is_acknowledged = |id| matches!(told.get(&id), Some(Outcome::Acknowledged { .. }));
    if !is_acknowledged(1) {
        let what = "the record after one with a header without a value is not acknowledged";
        return Err(dialogue.about(what, 1).into());
    }
    match (cannot, told.get(&0)) {
        (None, Some(Outcome::Acknowledged { .. })) => {
            dialogue.close_quietly()?;
            Ok("a header without a value".to_owned())
        }
        (Some(why), Some(Outcome::Failed)) => {
            dialogue.close_quietly()?;
            Err(Stop::Cannot(why))
        }
        (None, _) => {
            let what = "a record with a header without a value is not acknowledged, and `ready` \
                        does not say that the client cannot";
            Err(dialogue.about(what, 0).into())
        }
        (Some(_), _) => {
            let what = "`ready` says that the client cannot send a header without a value, and \
                        such a record has not `failed`";
            Err(dialogue.about(what, 0).into())
        }
    }
}

pub(super) fn carries_a_burst(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("burst", 3, &[])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let wanted = Wanted::default().producer(&[("bootstrap.servers", &bootstrap), ("acks", "all")]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let record = |id: u64| Outgoing {
        id,
        topic: topic.clone(),
        partition: i32::try_from(id % 3).ok(),
        key: Some(Bytes(id.to_string().into_bytes())),
        value: Some(Bytes(format!("record {id} {:0>80}", "").into_bytes())),
        headers: Vec::new(),
    };
    let records: Vec<Outgoing> = (0..BURST).map(record).collect();
    let since = Instant::now();
    let told = outcomes(&mut dialogue, &records, EXPIRY)?;
    let took = since.elapsed();
    let log = bench.truth.log(&topic, PARTITIONS)?;
    compare(&dialogue, &records, &told, &log)?;
    dialogue.close_quietly()?;
    let per_s = u128::from(BURST) * 1000 / took.as_millis().max(1);
    Ok(format!("{BURST} records, {per_s} a second"))
}

pub(super) fn tells_no_offset_without_an_answer(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("acks-0", 1, &[])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let settings = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("acks", "0"),
        ("enable.idempotence", "false"),
    ];
    let wanted = Wanted::default()
        .producer(&settings)
        .optional(&["enable.idempotence"]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let record = |id| plain(id, &topic, format!("{id}").as_bytes());
    let records: Vec<Outgoing> = (0..50).map(record).collect();
    let told = outcomes(&mut dialogue, &records, ANSWER)?;
    for (id, outcome) in &told {
        match outcome {
            Outcome::Acknowledged { offset: None, .. } => {}
            Outcome::Acknowledged { .. } => {
                let what = format!("with acks=0 no broker answers, and record {id} has an offset");
                return Err(dialogue.about(&what, *id).into());
            }
            Outcome::Failed | Outcome::Unknown => {
                let what = format!("with acks=0, record {id} is not acknowledged");
                return Err(dialogue.about(&what, *id).into());
            }
        }
    }
    let (last, ready) = (dialogue.last(""), dialogue);
    ready.close_quietly()?;
    // Closed, nothing is on its way any more.
    let stored = bench.truth.log(&topic, 1)?.len();
    if stored != records.len() {
        return Err(Fault {
            what: format!(
                "with acks=0 and no fault, {stored} of {} records are stored after `close`",
                records.len()
            ),
            lines: last.lines,
        }
        .into());
    }
    Ok(format!("{stored} records without an offset"))
}

pub(super) fn acknowledges_only_what_is_stored(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench
        .truth
        .topic("too-small", 1, &[("max.message.bytes", "1000")])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let settings = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("acks", "all"),
        ("linger.ms", "0"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "3000"),
    ];
    let optional = ["linger.ms", "request.timeout.ms", "delivery.timeout.ms"];
    let wanted = Wanted::default().producer(&settings).optional(&optional);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    // Each other bytes, which no codec makes less of.
    let noise = |id: u64| -> Vec<u8> { (0..4000u64).map(|at| noise_at(id * 4000 + at)).collect() };
    let record = |id| plain(id, &topic, &noise(id));
    let records: Vec<Outgoing> = (0..5).map(record).collect();
    let told = outcomes(&mut dialogue, &records, EXPIRY)?;
    let said = told
        .iter()
        .find(|(_, it)| matches!(it, Outcome::Acknowledged { .. }));
    if let Some((id, _)) = said {
        let what = format!("record {id} is acknowledged, and no broker takes it");
        return Err(dialogue.about(&what, *id).into());
    }
    compare(&dialogue, &records, &told, &bench.truth.log(&topic, 1)?)?;
    dialogue.close_quietly()?;
    Ok("records that no broker takes are not acknowledged".to_owned())
}

/// A byte that follows from its place, as noise does (a multiplicative hash).
const fn noise_at(place: u64) -> u8 {
    (place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

pub(super) fn fails_what_cannot_be(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("large", 1, &[])?;
    let missing = bench.truth.name("missing");
    let bootstrap = bench.truth.bootstrap.clone();
    let settings = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("acks", "all"),
        ("max.block.ms", "4000"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "4000"),
        ("linger.ms", "0"),
    ];
    let optional = [
        "max.block.ms",
        "request.timeout.ms",
        "delivery.timeout.ms",
        "linger.ms",
    ];
    let wanted = Wanted::default().producer(&settings).optional(&optional);
    for (name, value) in [
        (&topic, vec![b'x'; 3_000_000]),
        (&missing, b"lost".to_vec()),
    ] {
        let mut dialogue = Dialogue::start(bench.command, &wanted)?;
        let record = plain(0, name, &value);
        let told = outcomes(&mut dialogue, &[record], EXPIRY)?;
        let said = told
            .values()
            .any(|it| matches!(it, Outcome::Acknowledged { .. }));
        let is_stored = bench.truth.exists(name)? && !bench.truth.log(name, 1)?.is_empty();
        if said && !is_stored {
            let what = "it is acknowledged, and not in the log";
            return Err(dialogue.about(what, 0).into());
        }
        dialogue.close_quietly()?;
    }
    Ok("a record that is too large, and one to a missing topic".to_owned())
}
