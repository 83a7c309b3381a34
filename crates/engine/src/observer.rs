//! The independent client: reads back what the log holds, what groups have
//! committed, and how far change topics could be read meanwhile. Never shares
//! a client library with the subjects. Knows nothing of what was promised.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc::debezium::EventDecoder;
use cdc::form::Form;
use model::event::Content;
use model::ids::{
    Offset, PartitionIndex, PartitionRef, RunId, TableIx, TopicIx, TopicName, TopicPartition,
};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::record;
use model::scenario::Consequence;
use wire::{ClientSecurity, Cluster, Isolation, OffsetSpec, Record, TopicId};

use self::app::AppTopics;
use self::change_topics::ChangeTopics;
use crate::connect::{Direct, connect};
use crate::error::EngineError;
use crate::recorder::HistoryRecorder;

mod app;
mod change_topics;
mod deleted;
pub(crate) mod ends;
pub(crate) mod groups;
mod lag;
mod log;
mod lost_brokers;
pub(crate) mod preparation;
pub(crate) mod replicas;
pub(crate) mod tails;

/// A partition with both its names.
#[derive(Clone, Debug)]
struct NamedPartition {
    name: TopicPartition,
    number: PartitionRef,
}

/// Reads a cluster on the listener that no fault stands before.
pub(crate) struct Observer {
    cluster: Cluster,
    /// How single brokers are asked.
    security: ClientSecurity,
    recorder: HistoryRecorder,
    run: RunId,
    topics: Vec<PlannedTopic>,
    tables: Vec<(TableIx, &'static str, TopicIx)>,
    /// Whether the plan has brokers go for good, and partitions with them.
    loses_brokers: bool,
    /// What change events look like.
    form: Arc<Form>,
    change_topics: ChangeTopics,
    /// The topics of an application of the user's.
    app: Option<AppTopics>,
    /// The topic ids (KIP-516) of the topics that were created.
    created: BTreeMap<TopicIx, TopicId>,
    /// How many partitions there are now of topics that were deleted.
    deleted: BTreeMap<TopicIx, i32>,
}

impl Observer {
    /// Connects.
    pub(crate) async fn connect(
        to: &Direct,
        plan: &ScenarioPlan,
        recorder: &HistoryRecorder,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            cluster: connect(to).await?,
            security: to.security.clone(),
            recorder: recorder.clone(),
            run: plan.record_run_id,
            topics: plan.topics(),
            tables: plan.tables(),
            loses_brokers: plan.scenario.leads_to(Consequence::BrokerLost),
            form: Arc::new(
                plan.scenario
                    .capture
                    .as_ref()
                    .map_or_else(Form::default, Form::of),
            ),
            change_topics: ChangeTopics::of(plan),
            app: AppTopics::of(plan),
            created: BTreeMap::new(),
            deleted: BTreeMap::new(),
        })
    }

    /// Whether change events come in transactions, so that their markers stand
    /// behind them.
    pub(crate) fn reads_transactions(&self) -> bool {
        self.change_topics == ChangeTopics::Transactions
    }

    /// The decoder of a change topic; none for other topics.
    fn decoder(&self, partition: PartitionRef) -> Option<EventDecoder> {
        self.table_of(partition)
            .map(|table| EventDecoder::new(self.run, partition, table, Arc::clone(&self.form)))
    }

    fn table_of(&self, partition: PartitionRef) -> Option<TableIx> {
        self.tables
            .iter()
            .find(|(_, _, topic)| *topic == partition.topic)
            .map(|(table, _, _)| *table)
    }

    /// What a record of the topic is.
    fn content_of(&self, topic: &str, record: &Record) -> Content {
        let value = record.value.as_deref().unwrap_or_default();
        match &self.app {
            Some(app) if app.topic == topic => app.template.content(self.run, value),
            _ => record::decode(self.run, topic, value),
        }
    }

    fn places(&self) -> Vec<NamedPartition> {
        self.topics
            .iter()
            .flat_map(|topic| {
                let left = self.deleted.get(&topic.ix).copied();
                (0..left.map_or(topic.partitions, |left| left.min(topic.partitions)))
                    .map(PartitionIndex::new)
                    .map(|partition| NamedPartition {
                        name: TopicPartition {
                            topic: TopicName::new(topic.name.as_str()),
                            partition,
                        },
                        number: PartitionRef {
                            topic: topic.ix,
                            partition,
                        },
                    })
            })
            .collect()
    }

    async fn offsets(
        &mut self,
        names: &[TopicPartition],
        which: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, Offset>, EngineError> {
        Ok(self.cluster.list_offsets(names, which).await?)
    }
}

fn latest() -> OffsetSpec {
    OffsetSpec::Latest(Isolation::ReadUncommitted)
}
