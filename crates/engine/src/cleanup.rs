//! What a run makes in the user's cluster, and how that is removed:
//! by the run itself however it ends, and by `ackproof cleanup` after a run that was
//! killed. Takes [`OwnNames`] only, so that nothing else can be deleted. Knows
//! nothing of what it was made for.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::{GroupId, TopicName};
use model::plan::{OwnNames, RunPlan, ScenarioPlan};
use wire::{ClientSecurity, Cluster, ErrorCode, GroupProtocol, GroupState};

use crate::connect::reach;
use crate::created::{Created, Leftover, Resource};
use crate::error::{EngineError, with_causes};
use crate::settings::Brokers;
use crate::wait::{Wait, Waits};

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long one call is tried again.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// What came of removing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What was there, and is gone.
    pub removed: Vec<Resource>,
    /// What is still there, as far as is known.
    pub left: Vec<Leftover>,
}

impl Removal {
    fn all_left(names: &OwnNames, reason: &str) -> Self {
        let topics = names.topics().iter().cloned().map(Resource::Topic);
        let groups = names.groups().iter().cloned().map(Resource::Group);
        let left = topics.chain(groups).map(|thing| Leftover {
            thing,
            reason: reason.to_owned(),
        });
        Self {
            removed: Vec::new(),
            left: left.collect(),
        }
    }

    fn take(&mut self, thing: Resource, outcome: Result<Before, String>) {
        match outcome {
            Ok(Before::There) => self.removed.push(thing),
            Ok(Before::Absent) => {}
            Err(reason) => self.left.push(Leftover { thing, reason }),
        }
    }
}

/// Whether something was there before it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    There,
    Absent,
}

/// Removes what a scenario made in the user's cluster. Its subjects
/// have ended. Does nothing where the brokers are ours.
pub(crate) async fn clean_up(plan: &ScenarioPlan, brokers: &Brokers, created: &Created) -> Removal {
    let Brokers::Cluster(cluster) = brokers else {
        return Removal::default();
    };
    let names = created.of(plan);
    if names.topics().is_empty() && names.groups().is_empty() {
        return Removal::default();
    }
    let bootstrap = cluster.bootstrap.iter().map(ToString::to_string);
    let bootstrap: Vec<String> = bootstrap.collect();
    match reach(&bootstrap, &cluster.security).await {
        Ok(mut cluster) => remove(&mut cluster, &names).await,
        Err(error) => Removal::all_left(&names, &error.with_causes()),
    }
}

/// Removes what a run that was killed has left in a cluster that it did not
/// start. Nothing happens to what is not there any more, and nothing at all
/// for a plan on brokers of its own, which have ended with it. `security` is how the
/// cluster is reached now.
///
/// # Errors
/// [`EngineError`] when the cluster cannot be reached, or the plan has names
/// that are not its own.
pub async fn clean_up_after(
    plan: &RunPlan,
    security: ClientSecurity,
) -> Result<Removal, EngineError> {
    let Some(planned) = &plan.cluster else {
        return Ok(Removal::default());
    };
    let names = own_names(plan)?;
    let mut cluster = reach(&planned.bootstrap, &security).await?;
    Ok(remove(&mut cluster, &names).await)
}

/// Every name of a run's own.
fn own_names(plan: &RunPlan) -> Result<OwnNames, EngineError> {
    let mut all = OwnNames::default();
    for scenario in &plan.scenarios {
        let foreign = |name: String| EngineError::ForeignName { name };
        if let Some(prefix) = scenario.prefix.as_ref().filter(|it| !it.is_of(plan.run)) {
            return Err(foreign(format!("`{prefix}` is of another run")));
        }
        let names = OwnNames::of(scenario).map_err(|error| foreign(error.to_string()))?;
        all = all.and(names);
    }
    Ok(all)
}

async fn remove(cluster: &mut Cluster, names: &OwnNames) -> Removal {
    cluster.set_retry_for(CALL_LIMIT);
    let mut removal = Removal::default();
    for group in names.groups() {
        let outcome = remove_group(cluster, group).await;
        removal.take(Resource::Group(group.clone()), outcome);
    }
    remove_topics(cluster, names.topics(), &mut removal).await;
    removal
}

/// Deletes topics until the controllers know none of them: brokers hear of it
/// later, and one that creates topics automatically may bring one back.
async fn remove_topics(cluster: &mut Cluster, topics: &[TopicName], removal: &mut Removal) {
    let waiting = Waits::default().begin(Wait::Gone, "");
    let mut open: BTreeMap<TopicName, Before> = topics
        .iter()
        .map(|topic| (topic.clone(), Before::Absent))
        .collect();
    while !open.is_empty() {
        let asked: Vec<TopicName> = open.keys().cloned().collect();
        let outcomes = match cluster.delete_topics(&asked).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for topic in asked {
                    removal.take(Resource::Topic(topic), Err(with_causes(&error)));
                }
                return;
            }
        };
        for (topic, outcome) in outcomes {
            let settled = match outcome {
                Ok(()) if waiting.is_over() => {
                    Err("it was deleted, and is there again or still".to_owned())
                }
                Ok(()) => {
                    open.insert(topic, Before::There);
                    continue;
                }
                Err(refusal) if refusal.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                    Ok(open.get(&topic).copied().unwrap_or(Before::Absent))
                }
                Err(refusal) => Err(refusal.to_string()),
            };
            open.remove(&topic);
            removal.take(Resource::Topic(topic), settled);
        }
        if !open.is_empty() {
            waiting.pause(LOOK_INTERVAL).await;
        }
    }
}

/// Puts out the members whose processes are gone, and deletes the group.
async fn remove_group(cluster: &mut Cluster, group: &GroupId) -> Result<Before, String> {
    // Where only the coordinator can put members out whose processes are
    // gone, that takes `session.timeout.ms`: 45 s.
    let waiting = Waits::default().begin(Wait::MembersGone, group);
    let mut before = Before::Absent;
    loop {
        let found = cluster.describe_group(group).await;
        let found = found.map_err(|error| with_causes(&error))?;
        if found.state == GroupState::Dead {
            return Ok(before);
        }
        before = Before::There;
        if found.protocol == GroupProtocol::Classic && !found.members.is_empty() {
            let removed = cluster.remove_members(group, &found.members).await;
            // A coordinator that cannot do it misses them after a while.
            if let Err(error) = removed
                && waiting.is_over()
            {
                return Err(with_causes(&error));
            }
        }
        let outcomes = cluster.delete_groups(std::slice::from_ref(group)).await;
        let outcomes = outcomes.map_err(|error| with_causes(&error))?;
        let pending = [ErrorCode::GROUP_ID_NOT_FOUND, ErrorCode::NON_EMPTY_GROUP];
        match outcomes.get(group) {
            Some(Err(refusal)) if waiting.is_over() || !pending.contains(&refusal.code) => {
                return Err(refusal.to_string());
            }
            Some(Ok(())) | None if waiting.is_over() => {
                return Err("it was deleted, and is there again or still".to_owned());
            }
            // Whether it is gone is for the coordinator to say.
            Some(_) | None => {
                waiting.pause(LOOK_INTERVAL).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ids::RunId;

    use super::*;
    use crate::test_plans::run_plan;

    fn plan() -> RunPlan {
        run_plan("consumer-restart").on_cluster(vec!["127.0.0.1:1".to_owned()], 3)
    }

    #[test]
    fn nothing_is_removed_before_anything_was_asked_for() {
        let (created, plan) = (Created::default(), plan());
        assert_eq!(created.of(&plan.scenarios[0]), OwnNames::default());
        created.may_create();
        let names = created.of(&plan.scenarios[0]);
        assert_eq!((names.topics().len(), names.groups().len()), (1, 0));
        created.group(OwnNames::of(&plan.scenarios[0]).unwrap().groups()[0].as_str());
        assert_eq!(created.of(&plan.scenarios[0]).groups().len(), 1);
    }

    #[test]
    fn a_topic_that_was_there_before_is_not_removed() {
        let (created, plan) = (Created::default(), plan());
        created.may_create();
        let names = OwnNames::of(&plan.scenarios[0]).unwrap();
        created.not_created(&names.topics()[0]);
        assert!(created.of(&plan.scenarios[0]).topics().is_empty());
    }

    #[test]
    fn a_plan_with_names_of_others_is_not_healed() {
        let mut changed = plan();
        changed.scenarios[0].scenario.topics[0].name = "payments".to_owned();
        assert!(own_names(&changed).is_err());
        let mut of_another_run = plan();
        of_another_run.run = RunId::new(8);
        assert!(own_names(&of_another_run).is_err());
        assert_eq!(own_names(&plan()).unwrap().topics().len(), 1);
    }
}
