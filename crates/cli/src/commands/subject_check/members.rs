//! What two members of a group say when partitions go from one to the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ::subject::protocol::{ErrorClass, Position, Request, limits};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Bench;
use super::consuming::{Member, filled, reader};
use super::dialogue::{Dialogue, Step, Stop};

/// How long a rebalance may take.
const REBALANCE: Duration = Duration::from_mins(1);

/// The assignor of cooperative rebalances, by Java's name.
const COOPERATIVE: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

/// Two members and what they have.
struct Two {
    topic: String,
    first: (Dialogue, Member),
    second: (Dialogue, Member),
}

impl Two {
    /// Has both poll until it is so.
    fn until(
        &mut self,
        what: &str,
        revoked: &mut dyn FnMut(&mut Dialogue, &Member) -> Step<()>,
        enough: impl Fn(&Member, &Member) -> bool,
    ) -> Step<()> {
        let until = Instant::now() + REBALANCE;
        while !enough(&self.first.1, &self.second.1) {
            let (dialogue, member) = &mut self.first;
            member.poll(dialogue, &self.topic, 5, revoked)?;
            let (dialogue, member) = &mut self.second;
            member.poll(dialogue, &self.topic, 5, &mut |_, _| Ok(()))?;
            // Told at once, so that the one who swallowed it is named.
            let both: BTreeSet<i32> = (self.first.1.owned)
                .intersection(&self.second.1.owned)
                .copied()
                .collect();
            if let Some(partition) = both.first() {
                let what = format!(
                    "partition {partition} is assigned to a second member, and the first one was \
                     not told that it is revoked"
                );
                return Err(self.first.0.fault(&what, &["assigned"]).into());
            }
            if Instant::now() >= until {
                let what = format!("{what} within {} s", REBALANCE.as_secs());
                return Err(self.first.0.last(&what).into());
            }
        }
        Ok(())
    }
}

pub(super) fn gives_partitions_away(bench: &mut Bench<'_>) -> Step<String> {
    gives_away(bench, "members", Rebalance::Eager)
}

pub(super) fn gives_some_partitions_away(bench: &mut Bench<'_>) -> Step<String> {
    gives_away(bench, "some-members", Rebalance::Cooperative)
}

/// What a rebalance takes away: everything, or what goes to another member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rebalance {
    /// Whatever the client does by itself.
    Eager,
    Cooperative,
}

fn gives_away(bench: &mut Bench<'_>, name: &str, rebalance: Rebalance) -> Step<String> {
    let topic = filled(bench, name, 300)?;
    let group = bench.truth.name(name);
    let mut wanted = reader(bench, &topic, &group);
    if rebalance == Rebalance::Cooperative
        && let Some((config, _)) = &mut wanted.consumer
    {
        config.insert(
            "partition.assignment.strategy".to_owned(),
            COOPERATIVE.to_owned(),
        );
    }
    let mut first = (Dialogue::start(bench.command, &wanted)?, Member::default());
    let cannot = first.0.cannot(limits::REVOKED);
    let until = Instant::now() + REBALANCE;
    while first.1.owned.len() < 3 || first.1.records.is_empty() {
        first.1.poll(&mut first.0, &topic, 5, &mut |_, _| Ok(()))?;
        if Instant::now() >= until {
            let what = format!("it has not all partitions within {} s", REBALANCE.as_secs());
            return Err(first.0.last(&what).into());
        }
    }
    let second = (Dialogue::start(bench.command, &wanted)?, Member::default());
    let mut two = Two {
        topic: topic.clone(),
        first,
        second,
    };
    // What is revoked can still be committed.
    let mut committed: Option<Position> = None;
    let mut commit = |dialogue: &mut Dialogue, member: &Member| {
        let last = member.records.last().map(|it| Position {
            topic: it.topic.clone(),
            partition: it.partition,
            offset: it.offset + 1,
        });
        if let Some(position) = last {
            let offsets = vec![position.clone()];
            if let Err(error) = dialogue.ask(Request::Commit { offsets })? {
                let what = format!("a commit between `revoked` and `continue` fails: {error}");
                return Err(dialogue.last(&what).into());
            }
            committed = Some(position);
        }
        Ok(())
    };
    let shared = |first: &Member, second: &Member| {
        !second.owned.is_empty() && first.owned.len() + second.owned.len() == 3
    };
    two.until("a second member has no partitions", &mut commit, shared)?;
    if two.first.1.taken.is_empty() {
        let what = "a second member has partitions of it, and it was told of none revoked";
        return Err(two.first.0.last(what).into());
    }
    if rebalance == Rebalance::Cooperative && two.first.1.taken.len() == 3 {
        let what = "in a cooperative rebalance all of its partitions are taken";
        return Err(two.first.0.fault(what, &["\"partitions\""]).into());
    }
    match (&cannot, &committed) {
        (None, None) => {
            let what = "a second member has partitions of it, and they were not `revoked`";
            return Err(two.first.0.fault(what, &["\"partitions\""]).into());
        }
        (Some(_), Some(_)) => {
            let what = "`ready` says that the client cannot tell of partitions before they are \
                        taken, and they are `revoked`";
            return Err(two.first.0.fault(what, &["revoked"]).into());
        }
        _ => {}
    }
    if let Some(position) = committed {
        let there = bench
            .truth
            .committed(&group)?
            .get(&position.partition)
            .copied();
        if there.is_none_or(|it| it < position.offset) {
            let what = format!(
                "it committed {} of partition {} before `continue`; the group has {there:?}",
                position.offset, position.partition
            );
            return Err(two.first.0.fault(&what, &["commit"]).into());
        }
    }
    // The second one leaves, and the first one has all again.
    let Two { first, second, .. } = two;
    let (dialogue, mut member) = second;
    member.close(dialogue, &topic)?;
    let (mut dialogue, mut member) = first;
    let until = Instant::now() + REBALANCE;
    while member.owned.len() < 3 {
        member.poll(&mut dialogue, &topic, 5, &mut |_, _| Ok(()))?;
        if Instant::now() >= until {
            let what = format!(
                "the other member has left, and it has not all partitions within {} s",
                REBALANCE.as_secs()
            );
            return Err(dialogue.last(&what).into());
        }
    }
    member.close(dialogue, &topic)?;
    if let Some(why) = cannot {
        return Err(Stop::Cannot(why));
    }
    Ok(match rebalance {
        Rebalance::Eager => "`revoked`, a commit, `continue`, `assigned`, and back after `close`",
        Rebalance::Cooperative => "and the other partitions stay",
    }
    .to_owned())
}

pub(super) fn knows_that_it_is_stale(bench: &mut Bench<'_>) -> Step<String> {
    let topic = filled(bench, "stale", 60)?;
    let group = bench.truth.name("stale");
    let wanted = reader(bench, &topic, &group);
    let mut first = Dialogue::start(bench.command, &wanted)?;
    let mut member = Member::default();
    member.read(&mut first, &topic, 1)?;
    // Frozen, it is thrown out of the group, and knows nothing of it.
    let process_group = i32::try_from(first.pid()).ok().and_then(Pid::from_raw);
    let signal = |signal| {
        if let Some(pid) = process_group {
            // It can only fail where it is gone, which its next answer shows.
            let _ = kill_process_group(pid, signal);
        }
    };
    signal(Signal::STOP);
    let second = Dialogue::start(bench.command, &wanted);
    let taken = second.and_then(|mut dialogue| {
        let mut member = Member::default();
        let until = Instant::now() + REBALANCE;
        while member.owned.len() < 3 && Instant::now() < until {
            member.poll(&mut dialogue, &topic, 5, &mut |_, _| Ok(()))?;
        }
        Ok((dialogue, member))
    });
    signal(Signal::CONT);
    let (dialogue, mut second) = taken?;
    if second.owned.len() < 3 {
        let what = format!(
            "a member stands still, and another one does not get its partitions within {} s",
            REBALANCE.as_secs()
        );
        return Err(dialogue.last(&what).into());
    }
    let offsets = vec![Position {
        topic: topic.clone(),
        partition: 0,
        offset: 1,
    }];
    let answer = first.ask(Request::Commit { offsets })?;
    let class = match answer {
        Ok(()) => {
            let what = "it was thrown out of the group, and says that its commit was taken";
            return Err(first.fault(what, &["commit"]).into());
        }
        Err(error) => error.class,
    };
    if !matches!(
        class,
        ErrorClass::Stale | ErrorClass::Refused | ErrorClass::Fenced
    ) {
        let what = format!(
            "the commit of a member that was thrown out of its group is of the class {class:?}, \
             not `stale`"
        );
        return Err(first.fault(&what, &["commit"]).into());
    }
    if let Some(next) = bench.truth.committed(&group)?.get(&0) {
        let what = format!("it was thrown out of the group, and its commit of {next} is stored");
        return Err(first.fault(&what, &["commit"]).into());
    }
    member.close(first, &topic)?;
    second.close(dialogue, &topic)?;
    Ok(format!("its commit is refused as {class:?}").to_lowercase())
}
