//! What the observer sees of an application of the user's: where its group stands, and what
//! it wrote into its output topic.

use std::collections::{BTreeMap, HashMap};

use model::event::{Body, Content, EffectPlace, EffectSeen, EffectsRead};
use model::ids::{GroupId, Offset, PartitionRef, TopicIx};
use model::plan::ScenarioPlan;
use model::scenario::Effects;
use model::template::{RecordTemplate, decode_id};
use serde_json::Value;
use wire::{Batch, ControlMarker, PinnedReader, ReadOptions, Record};

use super::{NamedPartition, Observer, latest};
use crate::error::EngineError;

/// How records of an application's topics are recognised.
#[derive(Clone, Debug)]
pub(super) struct AppTopics {
    /// The topic that it reads, and what its records are made of.
    pub(super) topic: String,
    pub(super) template: RecordTemplate,
    /// The topic that it writes, and where an identity stands in it.
    pub(super) output: Option<TopicIx>,
    effects: Effects,
}

impl AppTopics {
    pub(super) fn of(plan: &ScenarioPlan) -> Option<Self> {
        let app = plan.scenario.app.as_ref()?;
        let output = app.effects.topic.as_ref();
        Some(Self {
            topic: app.topic.clone(),
            template: app.template(&plan.scenario),
            output: output.and_then(|name| plan.topic_ix(name)),
            effects: app.effects.clone(),
        })
    }
}

impl Observer {
    /// Where a group stands in the partitions of a topic.
    pub(crate) async fn committed(
        &mut self,
        group: &str,
        topic: &str,
    ) -> Result<BTreeMap<PartitionRef, Option<Offset>>, EngineError> {
        let committed = self.cluster.offset_fetch(&GroupId::new(group)).await?;
        let places = self.places().into_iter();
        let of_topic = places.filter(|place| place.name.topic.as_str() == topic);
        Ok(of_topic
            .map(|place| (place.number, committed.get(&place.name).map(|it| it.next)))
            .collect())
    }

    /// Where the partitions of a topic end now.
    pub(crate) async fn ends_of(
        &mut self,
        topic: &str,
    ) -> Result<BTreeMap<PartitionRef, Offset>, EngineError> {
        let places = self.places().into_iter();
        let of_topic: Vec<NamedPartition> = places
            .filter(|place| place.name.topic.as_str() == topic)
            .collect();
        let names: Vec<_> = of_topic.iter().map(|place| place.name.clone()).collect();
        let ends = self.offsets(&names, latest()).await?;
        Ok(of_topic
            .into_iter()
            .filter_map(|place| Some((place.number, *ends.get(&place.name)?)))
            .collect())
    }

    /// The topic that an application writes, where it does.
    pub(super) fn output(&self) -> Option<TopicIx> {
        self.app.as_ref().and_then(|app| app.output)
    }

    /// Writes down the effects in a partition of the output topic, as a `read_committed`
    /// reader is given them. How many there are.
    pub(super) async fn read_effects(
        &mut self,
        place: &NamedPartition,
        start: Offset,
        end: Offset,
    ) -> Result<u64, EngineError> {
        let options = ReadOptions::default();
        let mut reader = PinnedReader::new(place.name.clone(), start, end, options);
        let mut open: HashMap<i64, Vec<EffectSeen>> = HashMap::new();
        let mut effects = 0;
        while let Some(batch) = reader.next_batch(&mut self.cluster).await? {
            let producer = batch.producer.map_or(-1, |producer| producer.id);
            let seen = if batch.control {
                let closed = open.remove(&producer).unwrap_or_default();
                let commits = batch.control_marker() == Some(ControlMarker::Commit);
                if commits { closed } else { Vec::new() }
            } else {
                let seen = self.effects_in(place.number, &batch);
                if batch.transactional {
                    open.entry(producer).or_default().extend(seen);
                    Vec::new()
                } else {
                    seen
                }
            };
            effects += seen.len() as u64;
            for effect in seen {
                self.recorder.note(Body::EffectSeen(effect));
            }
        }
        Ok(effects)
    }

    fn effects_in(&self, partition: PartitionRef, batch: &Batch) -> Vec<EffectSeen> {
        let Some(app) = &self.app else {
            return Vec::new();
        };
        let seen = batch.records.iter().map(|record| EffectSeen {
            content: match identity(&app.effects, record) {
                Some(id) => decode_id(self.run, id.trim()),
                None => Content::Nameless,
            },
            at: Some(EffectPlace {
                partition,
                offset: record.offset,
            }),
        });
        seen.collect()
    }

    /// Says that the output topic was read, or why it was not.
    pub(super) fn note_effects(&self, read: Result<u64, String>, settled: bool) {
        if self.output().is_none() {
            return;
        }
        self.recorder.note(match read {
            Ok(effects) => Body::EffectsRead(EffectsRead { effects, settled }),
            Err(reason) => Body::EffectsUnread { reason },
        });
    }
}

/// The identity that a record of an output topic carries, where there is one in its place.
fn identity(effects: &Effects, record: &Record) -> Option<String> {
    if let Some(name) = &effects.header {
        let mut headers = record.headers.iter();
        let header = headers.find(|header| header.key.as_ref() == name.as_bytes())?;
        let value = header.value.as_deref()?;
        return Some(String::from_utf8_lossy(value).into_owned());
    }
    let value = record.value.as_deref()?;
    let pointer = effects.id.as_deref()?;
    if pointer.is_empty() {
        return Some(String::from_utf8_lossy(value).into_owned());
    }
    let value: Value = serde_json::from_slice(value).ok()?;
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
