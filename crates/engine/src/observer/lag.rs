//! How far a group is behind while a scenario runs, and what was deleted before it was read.

use std::collections::BTreeMap;

use model::event::{Body, LagSeen};
use model::ids::{GroupId, GroupIx, Offset, PartitionRef};
use wire::OffsetSpec;

use super::{Observer, latest};
use crate::error::EngineError;

impl Observer {
    /// Writes down how far a group is behind in its topic. `positions` are those that were
    /// seen last, which stand for positions that the group has lost.
    pub(crate) async fn note_lag(
        &mut self,
        (group, name, topic): (GroupIx, &str, &str),
        positions: &mut BTreeMap<PartitionRef, Offset>,
    ) -> Result<(), EngineError> {
        let mut places = self.places();
        places.retain(|place| place.name.topic.as_str() == topic);
        let names: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        let committed = self.cluster.offset_fetch(&GroupId::new(name)).await?;
        let starts = self.offsets(&names, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&names, latest()).await?;
        let mut seen = LagSeen {
            group,
            behind: 0,
            deleted: 0,
        };
        for place in &places {
            let position = positions.entry(place.number).or_default();
            if let Some(committed) = committed.get(&place.name) {
                *position = committed.next;
            }
            let at = |of: &BTreeMap<_, Offset>| of.get(&place.name).copied().unwrap_or_default();
            let (start, end) = (at(&starts), at(&ends));
            let offsets = |from: Offset, to: Offset| {
                u64::try_from(to.get().saturating_sub(from.get())).unwrap_or(0)
            };
            seen.deleted += offsets(*position, start);
            seen.behind += offsets((*position).max(start), end);
        }
        self.recorder.note(Body::LagSeen(seen));
        Ok(())
    }
}
