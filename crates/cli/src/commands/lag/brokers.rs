//! The brokers of a cluster, each asked over a connection of its own and all at the same
//! time, so that one that does not answer does not hold up the others. Knows nothing of the
//! questions.

use std::collections::BTreeMap;

use futures_util::future::{join_all, select_ok};
use lag::Reason;
use model::ids::{BrokerId, TopicName};
use wire::{ClientOptions, Connection, Metadata, Topics, WireError};

use crate::failure::chain;

pub(super) struct Brokers {
    options: ClientOptions,
    addresses: BTreeMap<BrokerId, String>,
    /// A broker that failed is not asked again: each costs its time once.
    connections: BTreeMap<BrokerId, Result<Connection, Reason>>,
}

impl Brokers {
    /// Learns the brokers, and these topics, from the first address that answers.
    pub(super) async fn connect(
        bootstrap: &[String],
        options: ClientOptions,
        topics: &[TopicName],
    ) -> Result<(Self, Metadata), WireError> {
        let attempts = bootstrap.iter().map(|address| {
            let options = options.clone();
            Box::pin(async move {
                let mut connection = Connection::connect(address.as_str(), options).await?;
                connection.metadata(Topics::Named(topics)).await
            })
        });
        let (metadata, _) = select_ok(attempts).await?;
        let addresses = metadata.brokers.iter();
        let brokers = Self {
            options,
            addresses: addresses.map(|it| (it.id, it.address.clone())).collect(),
            connections: BTreeMap::new(),
        };
        Ok((brokers, metadata))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = BrokerId> {
        self.addresses.keys().copied()
    }

    /// These topics, from the first broker that answers.
    pub(super) async fn topics(&mut self, topics: &[TopicName]) -> Result<Metadata, Reason> {
        self.first(async |connection| connection.metadata(Topics::Named(topics)).await)
            .await
    }

    /// The answer of the first broker that gives one.
    pub(super) async fn first<A>(
        &mut self,
        ask: impl AsyncFn(&mut Connection) -> Result<A, WireError>,
    ) -> Result<A, Reason> {
        let mut last = Reason::new("the cluster has no brokers");
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            let answers = self
                .ask([(id, ())].into(), async |connection, ()| {
                    ask(connection).await
                })
                .await;
            match answers.into_values().next() {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(reason)) => last = reason,
                None => {}
            }
        }
        Err(last)
    }

    /// Puts a question to each of these brokers, and returns when all have answered or
    /// failed.
    pub(super) async fn ask<Q, A>(
        &mut self,
        questions: BTreeMap<BrokerId, Q>,
        ask: impl AsyncFn(&mut Connection, Q) -> Result<A, WireError>,
    ) -> BTreeMap<BrokerId, Result<A, Reason>> {
        let asked = questions.into_iter().map(|(id, question)| {
            let held = self.connections.remove(&id);
            let address = self.addresses.get(&id).cloned();
            let options = self.options.clone();
            let ask = &ask;
            async move {
                let connected = match (held, address) {
                    (Some(held), _) => held,
                    (None, None) => Err(Reason::new(format!(
                        "broker {id} is not in the cluster's metadata; it may be down"
                    ))),
                    (None, Some(address)) => Connection::connect(address, options)
                        .await
                        .map_err(|error| Reason::new(chain(&error))),
                };
                let mut connection = match connected {
                    Ok(connection) => connection,
                    Err(reason) => return (id, Err(reason.clone()), Err(reason)),
                };
                let answer = ask(&mut connection, question).await;
                let answer = answer.map_err(|error| Reason::new(chain(&error)));
                let kept = match &answer {
                    Err(reason) if !connection.is_usable() => Err(reason.clone()),
                    _ => Ok(connection),
                };
                (id, kept, answer)
            }
        });
        let answered = join_all(asked).await;
        let mut answers = BTreeMap::new();
        for (id, kept, answer) in answered {
            self.connections.insert(id, kept);
            answers.insert(id, answer);
        }
        answers
    }
}
