//! What subjects are told to do: the roles of producers and of groups' members,
//! as the plan has them. Knows nothing of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cdc::form::Form;
use model::ids::{GroupIx, MemberIx, Micros, ProducerIx, TopicIx};
use model::plan::{PlannedTopic, ScenarioPlan};
use model::scenario::{Config, Group, Producer, Transactions, Transform};
use model::template::RecordTemplate;
use subject::clock::Clock;
use subject::identity::ChangeTopic;
use subject::role::{ConsumerRole, LargeRecords, ProducerRole, Role, TargetTopic, TransformRole};

use crate::clients::Clients;
use crate::reports::ReportDecoder;

/// The facts of a scenario that every role names.
pub(crate) struct Site<'l> {
    pub(crate) clock: Clock,
    /// `bootstrap.servers`.
    pub(crate) bootstrap: &'l str,
    pub(crate) clients: &'l Clients,
}

/// The role of a producer.
pub(crate) fn producer_role(
    site: &Site<'_>,
    plan: &ScenarioPlan,
    number: ProducerIx,
    producer: &Producer,
    topics: &[PlannedTopic],
    traffic_began: Micros,
) -> Role {
    Role::Producer(ProducerRole {
        clock: site.clock,
        client: site.clients.of(&producer.client),
        bootstrap: site.bootstrap.to_owned(),
        run: plan.record_run_id,
        producer: number,
        topics: topics.iter().map(to_topic).collect(),
        partition_seed: plan.seed,
        records: producer.records,
        pace: producer.pace(),
        begin_at: producer
            .start_ms
            .map(|ms| Micros::new(traffic_began.get().saturating_add(ms.saturating_mul(1000)))),
        record_bytes: producer.record_bytes,
        large: producer
            .large_every
            .zip(producer.large_bytes)
            .map(|(every, bytes)| LargeRecords { every, bytes }),
        compressible_percent: producer.compressible_percent,
        is_silent: false,
        keys: producer.keys,
        template: template_of(plan, producer),
        config: producer.config.plain(),
    })
}

/// What its records are made of, where they go to an application of the user's.
fn template_of(plan: &ScenarioPlan, producer: &Producer) -> Option<RecordTemplate> {
    let app = plan.scenario.app.as_ref()?;
    (app.topic == producer.topic).then(|| app.template(&plan.scenario))
}

fn to_topic(topic: &PlannedTopic) -> TargetTopic {
    TargetTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
    }
}

/// The role of a group's member that only reads, without its own settings.
pub(crate) fn consumer_role(
    site: &Site<'_>,
    plan: &ScenarioPlan,
    group: &Group,
    topic: TopicIx,
) -> ConsumerRole {
    ConsumerRole {
        clock: site.clock,
        client: site.clients.of(&group.client),
        bootstrap: site.bootstrap.to_owned(),
        run: plan.record_run_id,
        group: group.name.clone(),
        topic: group.topic.clone(),
        changes: changes_of(plan, topic),
        records_per_s: group.records_per_s,
        commit: group.commit,
        commit_every_records: group.commit_every_records,
        max_poll_records: group.max_poll_records,
        fence: group.fence,
        config: BTreeMap::new(),
    }
}

/// What change events a topic carries, if any.
fn changes_of(plan: &ScenarioPlan, topic: TopicIx) -> Option<ChangeTopic> {
    let capture = plan.scenario.capture.as_ref()?;
    let mut tables = plan.tables().into_iter();
    let (table, ..) = tables.find(|(_, _, carries)| *carries == topic)?;
    let form = Form::of(capture);
    Some(ChangeTopic { table, form })
}

/// What the members of a group that writes are told.
#[derive(Clone)]
pub(crate) struct TransformWork {
    role: TransformRole,
    transactions: Transactions,
    config: Config,
    producer_config: Config,
    from: TopicIx,
    to: TopicIx,
    group: GroupIx,
    /// Numbers the producers of a scenario: each incarnation is another one,
    /// because a producer's records are sent once.
    producers: Arc<AtomicU32>,
}

impl TransformWork {
    pub(crate) fn new(
        site: &Site<'_>,
        plan: &ScenarioPlan,
        transform: &Transform,
        group: GroupIx,
        (from, to): (&PlannedTopic, &PlannedTopic),
        producers: &Arc<AtomicU32>,
    ) -> Self {
        Self {
            role: TransformRole {
                clock: site.clock,
                client: site.clients.of(&transform.client),
                bootstrap: site.bootstrap.to_owned(),
                run: plan.record_run_id,
                producer: ProducerIx::new(0),
                group: transform.name.clone(),
                from: transform.from.clone(),
                changes: changes_of(plan, from.ix),
                to: transform.to.clone(),
                partitions: to.partitions,
                records_per_s: transform.records_per_s,
                commit_every_records: transform.commit_every_records,
                commit_when: transform.commit_when,
                record_bytes: transform.record_bytes,
                transactional_id: None,
                config: BTreeMap::new(),
                producer_config: BTreeMap::new(),
            },
            transactions: transform.transactions,
            config: transform.config.clone(),
            producer_config: transform.producer_config.clone(),
            from: from.ix,
            to: to.ix,
            group,
            producers: Arc::clone(producers),
        }
    }

    /// Records a member processes at most before it commits.
    pub(crate) const fn commit_every_records(&self) -> u64 {
        self.role.commit_every_records
    }

    /// The topic that it reads.
    pub(crate) const fn from(&self) -> TopicIx {
        self.from
    }

    /// The role of an incarnation of this number in the group, and how its
    /// reports are to be understood.
    pub(crate) fn role_of(&self, number: u32, member: MemberIx) -> (TransformRole, ReportDecoder) {
        let producer = ProducerIx::new(self.producers.fetch_add(1, Ordering::Relaxed));
        let id = || format!("{}-{number}", self.role.group);
        let role = TransformRole {
            producer,
            transactional_id: (self.transactions == Transactions::On).then(id),
            config: self.config.for_member(number),
            producer_config: self.producer_config.for_member(number),
            ..self.role.clone()
        };
        let decoder = ReportDecoder {
            producer,
            member,
            group: self.group,
            from: self.from,
            to: self.to,
            outstanding: BTreeSet::new(),
        };
        (role, decoder)
    }
}
