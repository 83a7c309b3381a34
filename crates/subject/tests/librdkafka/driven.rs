//! A client that a test drives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stack::artefacts::FetchError;
use stack::cache::Cache;
use stack::pip::PipError;
use subject::librdkafka_client::LibrdkafkaClient;
use subject::protocol::{
    Bytes, Client, ClientError, ConsumerStart, Outgoing, ProducerStart, Received, Request, Start,
    SubjectEvent, VERSION,
};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Versions that are loaded: one from before consumers could be closed by
/// events, and one from after it.
const LOADED: [&str; 2] = ["1.8.2", "2.2.0"];

/// From before cooperative rebalancing, and before what brokers of Kafka 4
/// still understand (KIP-896).
pub(crate) const OLD: &str = "1.5.0";

pub(crate) type Make = fn(&'static str) -> LibrdkafkaClient;

/// The version that is built in, and those that are loaded, where pip reaches
/// its index.
pub(crate) fn clients() -> Vec<(&'static str, Make)> {
    let built_in: Make = |_| LibrdkafkaClient::built_in();
    let loaded = LOADED.into_iter().filter(|it| fetched(it).is_some());
    let loaded = loaded.map(|version| (version, load as Make));
    std::iter::once(("built in", built_in))
        .chain(loaded)
        .collect()
}

/// The same for what needs no broker.
pub(crate) fn clients_without_broker() -> Vec<(&'static str, Make)> {
    let old = fetched(OLD).map(|_| (OLD, load as Make));
    clients().into_iter().chain(old).collect()
}

pub(crate) fn load(version: &'static str) -> LibrdkafkaClient {
    LibrdkafkaClient::load(&fetched(version).unwrap()).unwrap()
}

/// A version from the user's cache; none where it cannot be fetched here.
pub(crate) fn fetched(version: &str) -> Option<std::path::PathBuf> {
    match stack::librdkafka::fetch(&Cache::user().unwrap(), version, &mut |_| {}) {
        Ok(path) => Some(path),
        Err(FetchError::Pip {
            source:
                reason @ (PipError::NoPython | PipError::NoPip { .. } | PipError::Unreachable { .. }),
            ..
        }) => {
            println!("without librdkafka {version}: {reason}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) struct Driven {
    pub(crate) client: LibrdkafkaClient,
    /// All that it told.
    pub(crate) told: Vec<SubjectEvent>,
}

impl Driven {
    /// Starts it; it must be ready.
    pub(crate) fn start(
        client: LibrdkafkaClient,
        producer: Option<&[(&str, &str)]>,
        consumer: Option<(&str, &[(&str, &str)])>,
    ) -> Self {
        let mut driven = Self {
            client,
            told: Vec::new(),
        };
        let start = Start {
            protocol: VERSION,
            check: false,
            producer: producer.map(|it| ProducerStart { config: config(it) }),
            consumer: consumer.map(|(topic, it)| ConsumerStart {
                config: config(it),
                topics: vec![topic.to_owned()],
            }),
        };
        let ready = driven.ask(Request::Start(start));
        assert!(matches!(ready, SubjectEvent::Ready { .. }), "{ready:?}");
        driven
    }

    /// Hands a request over, and returns its answer.
    pub(crate) fn ask(&mut self, request: Request) -> SubjectEvent {
        self.client.request(request).unwrap();
        self.until(|event| {
            matches!(
                event,
                SubjectEvent::Ready { .. }
                    | SubjectEvent::Refused { .. }
                    | SubjectEvent::Done { .. }
            )
        })
    }

    /// The same, of a request that can fail.
    pub(crate) fn done(&mut self, request: Request) -> Result<(), ClientError> {
        match self.ask(request) {
            SubjectEvent::Done { error, .. } => error.map_or(Ok(()), Err),
            other => panic!("{other:?}"),
        }
    }

    /// The same, again where it may be asked again.
    pub(crate) fn done_in_the_end(&mut self, request: &Request) -> Result<(), ClientError> {
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.done(request.clone()) {
                Err(error)
                    if error.class == subject::protocol::ErrorClass::Retriable
                        && Instant::now() < patience => {}
                answer => return answer,
            }
        }
    }

    /// Waits for an event, and returns it.
    pub(crate) fn until(&mut self, wanted: impl Fn(&SubjectEvent) -> bool) -> SubjectEvent {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            let event = self.client.event(Duration::from_millis(100)).unwrap();
            let Some(event) = event else {
                continue;
            };
            self.told.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
        panic!("it does not come: {:?}", self.told);
    }

    pub(crate) fn send(&mut self, id: u64, topic: &str, partition: Option<i32>, value: &str) {
        let record = Outgoing {
            id,
            topic: topic.to_owned(),
            partition,
            key: Some(Bytes(id.to_string().into_bytes())),
            value: Some(Bytes(value.as_bytes().to_vec())),
            headers: Vec::new(),
        };
        self.client.request(Request::Send(record)).unwrap();
    }

    /// Polls once. Where partitions are revoked, `on_revoked` comes before they
    /// are let go.
    pub(crate) fn poll(&mut self, on_revoked: impl Fn(&mut Self)) -> Vec<Received> {
        let poll = Request::Poll {
            max: 50,
            wait_ms: 50,
        };
        self.client.request(poll).unwrap();
        loop {
            let event = self.until(|event| {
                matches!(
                    event,
                    SubjectEvent::Polled { .. } | SubjectEvent::Revoked { .. }
                )
            });
            if let SubjectEvent::Polled { records, error } = event {
                assert_eq!(error, None);
                return records;
            }
            on_revoked(self);
            self.client.request(Request::Continue).unwrap();
        }
    }

    /// Reads so many records.
    pub(crate) fn read(&mut self, count: usize) -> Vec<Received> {
        let patience = Instant::now() + PATIENCE;
        let mut read = Vec::new();
        while read.len() < count {
            assert!(Instant::now() < patience, "{} of {count}", read.len());
            read.extend(self.poll(|_| {}));
        }
        read
    }

    /// Closes it, and lets all partitions go.
    pub(crate) fn close(&mut self) {
        self.client.request(Request::Close).unwrap();
        loop {
            let event = self.until(|event| {
                matches!(
                    event,
                    SubjectEvent::Done { .. } | SubjectEvent::Revoked { .. }
                )
            });
            match event {
                SubjectEvent::Revoked { .. } => self.client.request(Request::Continue).unwrap(),
                done => {
                    assert!(
                        matches!(done, SubjectEvent::Done { error: None, .. }),
                        "{done:?}"
                    );
                    return;
                }
            }
        }
    }

    pub(crate) fn count(&self, of: impl Fn(&SubjectEvent) -> bool) -> usize {
        self.told.iter().filter(|event| of(event)).count()
    }
}

pub(crate) fn config(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    testkit::config(entries)
}
