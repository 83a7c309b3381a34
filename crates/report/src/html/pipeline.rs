//! The pipeline of a scenario in the order in which a record passes it, with the hops at which
//! records were lost.

use maud::{Markup, html};
use model::scenario::Scenario;
use model::scenario::words::counted;
use model::verdict::{Hop, LostAt};

/// A part of the pipeline, or the way from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Source,
    ToLog,
    Log,
    ToGroup,
    Group,
}

const PLACES: [Place; 5] = [
    Place::Source,
    Place::ToLog,
    Place::Log,
    Place::ToGroup,
    Place::Group,
];

const fn place_of(hop: Hop) -> Place {
    match hop {
        Hop::NoEvent | Hop::NeverSeen | Hop::NotTraced => Place::ToLog,
        Hop::Replaced | Hop::CutOff | Hop::Wiped | Hop::StoredThenGone | Hop::Expired => Place::Log,
        Hop::NotDelivered => Place::ToGroup,
        Hop::CommittedPast | Hop::WithoutEffect => Place::Group,
    }
}

/// Only where something was lost.
pub(super) fn figure(scenario: &Scenario, lost_at: &[LostAt]) -> Markup {
    let lost = |place| {
        let there = lost_at.iter().filter(move |at| place_of(at.hop) == place);
        there.map(|at| at.count).sum::<u64>()
    };
    let shown = PLACES.into_iter().filter_map(|place| {
        let name = named(scenario, place);
        // Of a way between two parts only a loss is worth telling.
        (lost(place) > 0 || name.is_some()).then(|| (name, lost(place)))
    });
    html! {
        @if !lost_at.is_empty() {
            ol.pipeline aria-label="The pipeline, and where records were lost" {
                @for (name, lost) in shown {
                    li {
                        @let lost_here = (lost > 0).then(|| format!("{} lost", counted(lost, "record")));
                        @match (name, lost_here) {
                            (Some(name), None) => span.hop { (name) },
                            (Some(name), Some(lost)) => span.lost { (name) ": " (lost) " here" },
                            (None, Some(lost)) => span.lost { (lost) " on the way" },
                            (None, None) => {},
                        }
                    }
                }
            }
        }
    }
}

/// The name of a part; none of a way, and of a part that the scenario does not have.
fn named(scenario: &Scenario, place: Place) -> Option<String> {
    let list = |names: Vec<String>| (!names.is_empty()).then(|| names.join(", "));
    match place {
        Place::ToLog | Place::ToGroup => None,
        Place::Source => match (&scenario.capture, scenario.producers.len()) {
            (Some(capture), _) => Some(format!("PostgreSQL, connector {}", capture.connector)),
            (None, 1) => Some(String::from("producer p0")),
            (None, more) => (more > 0).then(|| format!("{more} producers")),
        },
        Place::Log => {
            let own = scenario.topics.iter().map(|topic| topic.name.clone());
            let topics = own.chain(scenario.change_topics());
            list(topics.map(|name| format!("topic {name}")).collect())
        }
        Place::Group => {
            let transforms = scenario.transforms.iter().map(|it| &it.name);
            let groups = scenario.groups.iter().map(|it| &it.name);
            let app = scenario
                .app
                .iter()
                .map(|it| format!("application {}", it.group));
            let groups = transforms.chain(groups).map(|name| format!("group {name}"));
            list(groups.chain(app).collect())
        }
    }
}
