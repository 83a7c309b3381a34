//! The producer: hands records to the client at their moments, and reports
//! what the client says became of each. Knows nothing of faults: it neither
//! expects nor hides them.

use std::time::Duration;

use model::ids::{RecordId, Sequence};
use model::record;
use model::template::MadeRecord;

use crate::SubjectError;
use crate::pace::Schedule;
use crate::protocol::{
    Bytes, Client, Outgoing, ProducerStart, RecordHeader, Request, Start, VERSION,
};
use crate::reporter::Reporter;
use crate::role::{ClientEvent, ProducerRole};
use crate::session::{Rebalance, Rebalanced, Session, TURN};
use crate::stop::Stop;

/// Overdue records are handed over at once, but no more than so many before
/// the client is heard again, so that outcomes are not reported late.
const BURST_MAX: u64 = 100;

/// Sends all records of the role and waits for every outcome; on a stop, for
/// the outcomes of those already sent. What bounds the wait is the client's
/// own `delivery.timeout.ms`.
pub(crate) fn produce(
    role: &ProducerRole,
    client: Box<dyn Client>,
    stop: &Stop,
    reporter: Reporter,
) -> Result<(), SubjectError> {
    let mut session = Session::start(client, reporter, start(role))?;
    let sent = send_all(role, stop, &mut session);
    if sent.is_err() {
        session.finish_complaints();
    }
    sent?;
    let flushed = session.ask(Request::Flush, &mut Alone)?;
    flushed.map_err(|source| SubjectError::Client {
        doing: "flush",
        source,
    })?;
    if session.outstanding() > 0 {
        return Err(SubjectError::Protocol(format!(
            "it says that all records have their outcome: {} have none",
            session.outstanding()
        )));
    }
    session.close(&mut Alone)
}

/// The client that the role is for.
fn start(role: &ProducerRole) -> Start {
    let mut config = role.config.clone();
    config.insert("bootstrap.servers".to_owned(), role.bootstrap.clone());
    Start {
        protocol: VERSION,
        producer: Some(ProducerStart { config }),
        ..Start::default()
    }
}

/// A producer is no member of a group.
struct Alone;

impl Rebalanced for Alone {
    fn rebalanced(&mut self, _: &mut Session, _: Rebalance) -> Result<(), SubjectError> {
        Err(SubjectError::Protocol(
            "it tells of partitions, and has no consumer".to_owned(),
        ))
    }
}

fn send_all(role: &ProducerRole, stop: &Stop, session: &mut Session) -> Result<(), SubjectError> {
    let clock = session.reporter.clock();
    let start = role.begin_at.unwrap_or_else(|| clock.now());
    let schedule = Schedule::new(start, &role.pace, role.records);
    let mut next = 0;
    while next < role.records && !stop.asked() {
        let due = schedule.due_by(clock.now()).min(next + BURST_MAX);
        while next < due && !stop.asked() && session.has_room() {
            send(role, session, Sequence::new(next))?;
            next += 1;
        }
        let until_next_us = schedule.due_at(next).since(clock.now()).get();
        let wait = if session.has_room() {
            TURN.min(Duration::from_micros(until_next_us))
        } else {
            TURN
        };
        session.turn(wait)?;
    }
    // The last one may still wait for room.
    while !session.has_room() && !stop.asked() {
        session.turn(TURN)?;
    }
    Ok(())
}

/// Reports the record as sent, then hands it over.
fn send(
    role: &ProducerRole,
    session: &mut Session,
    sequence: Sequence,
) -> Result<(), SubjectError> {
    let (topic, partition) = role.target_of(sequence).ok_or(SubjectError::NoTopic)?;
    let identity = RecordId {
        producer: role.producer,
        sequence,
    };
    let bytes = usize::try_from(role.bytes_of(sequence)).unwrap_or(usize::MAX);
    let percent = role.compressible_percent;
    let (key, value, headers) = if let Some(template) = &role.template {
        in_bytes(template.make(role.run, identity))
    } else {
        let value = record::encode_compressible(role.run, topic, identity, bytes, percent);
        (role.key_of(sequence).into_bytes(), value, Vec::new())
    };
    session.reporter.say(ClientEvent::Sent {
        sequence,
        partition,
    });
    session.reporter.check()?;
    session.send(Outgoing {
        id: sequence.get(),
        topic: topic.to_owned(),
        partition: Some(partition.get()),
        key: Some(Bytes(key)),
        value: Some(Bytes(value)),
        headers,
    })
}

/// Key, value and headers of a record that was made of a template.
fn in_bytes(made: MadeRecord) -> (Vec<u8>, Vec<u8>, Vec<RecordHeader>) {
    let headers = made.headers.into_iter().map(|(key, value)| RecordHeader {
        key,
        value: Some(Bytes(value.into_bytes())),
    });
    let headers = headers.collect();
    (made.key.into_bytes(), made.value.into_bytes(), headers)
}
