//! The first events of a history: whose it is, and the numbers that stand for
//! topics, groups and tables in it.

use model::event::{AppDeclared, Body};
use model::ids::ProducerIx;
use model::plan::ScenarioPlan;

use crate::recorder::HistoryRecorder;

/// Says whose history it is, and gives everything its number in it.
pub(crate) fn declare(plan: &ScenarioPlan, recorder: &HistoryRecorder) {
    recorder.note(Body::RunDeclared {
        run: plan.record_run_id,
    });
    for topic in plan.topics() {
        recorder.note(Body::TopicDeclared {
            topic: topic.ix,
            name: topic.name,
            partitions: topic.partitions,
        });
    }
    for (producer, number) in plan.scenario.producers.iter().zip(0u32..) {
        if let Some(keys) = producer.keys {
            let producer = ProducerIx::new(number);
            recorder.note(Body::KeysDeclared { producer, keys });
        }
    }
    for group in plan.groups() {
        recorder.note(Body::GroupDeclared {
            group: group.ix,
            name: group.name.to_owned(),
            topics: plan.topic_ix(group.topic).into_iter().collect(),
        });
    }
    for transform in &plan.scenario.transforms {
        let written = (plan.group_ix(&transform.name), plan.topic_ix(&transform.to));
        if let (Some(group), Some(to)) = written {
            recorder.note(Body::TransformDeclared { group, to });
        }
    }
    let mut groups = plan.scenario.groups.iter();
    while let Some(group) = groups.find(|group| group.requires_read_committed) {
        if let Some(group) = plan.group_ix(&group.name) {
            recorder.note(Body::ReadCommittedRequired { group });
        }
    }
    if let Some(app) = &plan.scenario.app
        && let Some(topic) = plan.topic_ix(&app.topic)
    {
        let output = app.effects.topic.as_ref();
        recorder.note(Body::AppDeclared(AppDeclared {
            group: app.group.clone(),
            topic,
            output: output.and_then(|name| plan.topic_ix(name)),
        }));
    }
    for (table, name, topic) in plan.tables() {
        recorder.note(Body::TableDeclared {
            table,
            name: name.to_owned(),
            topic,
        });
    }
}
