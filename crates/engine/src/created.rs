//! What a run creates in the user's cluster, and what of it is left
//! there. Knows nothing of what it is for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::ids::{GroupId, TopicName};
use model::plan::{OwnNames, ScenarioPlan};

/// Something of a run's own in a cluster, or something that it broke outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic.
    Topic(TopicName),
    /// A group, with its committed offsets.
    Group(GroupId),
    /// Processes of the user's application, by its `group.id`.
    Application(String),
    /// What a command of the user's broke, in the user's words.
    Fault(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Application(group) => write!(f, "application {group}"),
            Self::Fault(title) => write!(f, "fault \"{title}\""),
        }
    }
}

/// Something that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What.
    pub thing: Resource,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.thing, self.reason)
    }
}

/// What one scenario has asked a cluster for. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Created {
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    any: bool,
    not_created: Vec<TopicName>,
    groups: BTreeSet<String>,
}

impl Created {
    /// From now on there may be something.
    pub(crate) fn may_create(&self) {
        self.change(|asked| asked.any = true);
    }

    /// A topic of that name was refused: it is not there, or it was there before
    /// and is not the run's.
    pub(crate) fn not_created(&self, topic: &TopicName) {
        self.change(|asked| asked.not_created.push(topic.clone()));
    }

    /// A member of the group is started: the group may be there from now on.
    pub(crate) fn group(&self, name: &str) {
        self.change(|asked| {
            asked.groups.insert(name.to_owned());
        });
    }

    fn change(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What may be there of a plan's names.
    pub(crate) fn of(&self, plan: &ScenarioPlan) -> OwnNames {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.any {
            return OwnNames::default();
        }
        // A plan that was made here has no other names.
        let names = OwnNames::of(plan).unwrap_or_default();
        let groups = names.groups().iter();
        let never = groups.filter(|group| !asked.groups.contains(group.as_str()));
        let never: Vec<GroupId> = never.cloned().collect();
        names.without(&asked.not_created, &never)
    }
}
