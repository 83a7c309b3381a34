//! Counts of what happened so far. They serve triggers and displays; the verdict
//! never rests on them.

use std::collections::BTreeMap;

use model::event::Isolation;
use model::ids::{BrokerId, FaultIx, GroupIx, MemberIx, Offset, PartitionRef};
use model::scenario::{Fault, Trigger};

use crate::stage::Stage;

/// Counts of what happened so far, for triggers and for showing progress.
/// The verdict never rests on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Records handed to clients by the scenario's own producers.
    pub sent: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Of these, failed or of unknown outcome.
    pub unacknowledged: u64,
    /// Records processed, by group.
    pub processed: BTreeMap<GroupIx, u64>,
    /// How far each group has processed each partition: one more than the
    /// highest offset.
    pub positions: BTreeMap<(GroupIx, PartitionRef), Offset>,
    /// Which member of each group was given each partition last.
    pub holders: BTreeMap<(GroupIx, PartitionRef), MemberIx>,
    /// Which records each group's members are given, as far as they said.
    pub isolation: BTreeMap<GroupIx, Isolation>,
    /// The commit of each partition of each group that was accepted last, and
    /// whose it was.
    pub commits: BTreeMap<(GroupIx, PartitionRef), (MemberIx, Offset)>,
    /// Row changes committed.
    pub committed_changes: u64,
    /// Change events that could be read.
    pub captured: u64,
    /// Faults that were triggered and are not healed.
    pub faults_open: usize,
    /// Faults that came into force, in that order.
    pub injected: Vec<FaultIx>,
    /// Faults that were healed, in the order of healing.
    pub healed: Vec<FaultIx>,
    /// Faults that are over, healed or not, in that order.
    pub over: Vec<FaultIx>,
    /// The connector's tasks have failed, as Connect reported last.
    pub capture_dead: bool,
    /// The replicas in sync of each partition, as last heard of.
    pub in_sync: BTreeMap<PartitionRef, Vec<BrokerId>>,
    /// Records and events that the observer has read back.
    pub read_back: u64,
    /// What the brokers refused the members of each group for, as configured.
    pub refusals: BTreeMap<GroupIx, String>,
    /// Why the history can no longer be written.
    pub failure: Option<String>,
    /// Faults whose triggers were reached.
    pub triggered: Vec<FaultIx>,
    /// The stage of the scenario.
    pub stage: Stage,
    /// Steps forward so far. A stage that makes none is not getting anywhere.
    pub steps: u64,
    /// What is waited for, where it is shown.
    pub waiting: Vec<String>,
}

impl LiveCounts {
    /// Whether a trigger is never reached if nothing is captured any more.
    pub(crate) fn never_reached(&self, trigger: &Trigger, faults: &[Fault]) -> bool {
        match trigger {
            Trigger::Captured(count) => self.captured < *count,
            Trigger::Injected(number) | Trigger::Healed(number) => {
                let at = usize::from(number.saturating_sub(1));
                let fault = FaultIx::new(number.saturating_sub(1));
                let healed = matches!(trigger, Trigger::Healed(_));
                let unhealed = healed && !self.healed.contains(&fault);
                if self.over.contains(&fault) {
                    return unhealed;
                }
                let before = faults.get(at);
                before.is_some_and(|before| self.never_reached(&before.after, faults))
            }
            _ => false,
        }
    }

    /// Whether, if nothing is captured any more, no fault comes that has not
    /// come yet.
    pub(crate) fn no_fault_to_come(&self, faults: &[Fault]) -> bool {
        faults.iter().zip(0u16..).all(|(fault, ix)| {
            self.over.contains(&FaultIx::new(ix)) || self.never_reached(&fault.after, faults)
        })
    }

    /// Records handed to clients without an outcome so far.
    pub fn outstanding(&self) -> u64 {
        self.sent
            .saturating_sub(self.acknowledged + self.unacknowledged)
    }
}

#[cfg(test)]
mod tests {
    use model::scenario::{ConnectorRestart, Effect, FaultKind, RestartTasks};

    use super::*;

    #[test]
    fn without_a_capture_only_what_hangs_on_it_never_comes() {
        let fault = |after| Fault {
            kind: FaultKind::ConnectorRestart(ConnectorRestart {
                slot: model::scenario::SlotWhileDown::Kept,
                down_ms: 0,
                tasks: RestartTasks::Included,
            }),
            after,
            delay_ms: 0,
            jitter_ms: 0,
            times: 1,
            pause_ms: 0,
            effect: Effect::Real,
        };
        let faults = [
            fault(Trigger::Captured(10)),
            fault(Trigger::Healed(1)),
            fault(Trigger::ElapsedMs(5)),
        ];
        let mut counts = LiveCounts {
            captured: 9,
            ..LiveCounts::default()
        };
        let never = |counts: &LiveCounts| {
            faults
                .each_ref()
                .map(|it| counts.never_reached(&it.after, &faults))
        };
        assert_eq!(never(&counts), [true, true, false]);
        assert!(!counts.no_fault_to_come(&faults));
        counts.over.push(FaultIx::new(2));
        assert!(counts.no_fault_to_come(&faults));
        counts.captured = 10;
        assert_eq!(never(&counts), [false, false, false]);
        // Over, and not healed: what waits for its healing never comes.
        counts.over.push(FaultIx::new(0));
        assert_eq!(never(&counts), [false, true, false]);
        counts.healed.push(FaultIx::new(0));
        assert_eq!(never(&counts), [false, false, false]);
    }
}
