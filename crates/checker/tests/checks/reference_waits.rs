//! What excuses a group for what it lacks, by its definition, slowly and
//! obviously: every moment looked at anew.

use std::collections::BTreeMap;

use model::event::{Body, ClientRef, ErrorCause, Event};
use model::ids::{FaultIx, GroupIx, MemberIx, PartitionRef};

const SECOND: u64 = 1_000_000;

/// What excuses a group for what it lacks of one partition.
#[derive(Debug, Default)]
pub(crate) struct Excuse {
    pub(crate) to_come_from: Option<i64>,
    pub(crate) hindered: bool,
    pub(crate) limit: Option<String>,
}

type Span = (u64, u64);

/// What the members of a group did until the wait for it was over.
fn of_group(events: &[Event], group: GroupIx) -> Vec<&Event> {
    let over =
        |event: &&Event| matches!(event.body, Body::GroupWaited { group: of, .. } if of == group);
    let mut groups: BTreeMap<MemberIx, GroupIx> = BTreeMap::new();
    let until = events.iter().position(|event| over(&event));
    let until = until.unwrap_or(events.len());
    let mut all = Vec::new();
    for event in &events[..until] {
        let member = match &event.body {
            Body::MemberStarted { member, group } => {
                groups.insert(*member, *group);
                continue;
            }
            Body::WaitBegan { group: of } if *of == group => {
                all.push(event);
                continue;
            }
            Body::Assigned { member, .. }
            | Body::Revoked { member, .. }
            | Body::Processed { member, .. }
            | Body::ClientErred {
                client: ClientRef::Member(member),
                ..
            }
            | Body::Throttled {
                client: ClientRef::Member(member),
                ..
            } => *member,
            _ => continue,
        };
        if groups.get(&member) == Some(&group) {
            all.push(event);
        }
    }
    all
}

/// When each fault was in force.
fn faults(events: &[Event]) -> Vec<Span> {
    let mut spans: BTreeMap<FaultIx, (u64, Option<u64>)> = BTreeMap::new();
    for event in events {
        match event.body {
            Body::FaultInjected { fault } => {
                spans.entry(fault).or_insert((event.at.get(), None));
            }
            Body::FaultHealed { fault } => {
                if let Some((_, healed)) = spans.get_mut(&fault) {
                    healed.get_or_insert(event.at.get());
                }
            }
            _ => {}
        }
    }
    let spans = spans.into_values();
    spans
        .map(|(from, to)| (from, to.unwrap_or(u64::MAX)))
        .collect()
}

/// How much of a time no span covers: piece by piece between all their ends.
fn uncovered(spans: &[Span], from: u64, to: u64) -> u64 {
    let mut ends: Vec<u64> = spans
        .iter()
        .flat_map(|(start, end)| [*start, *end])
        .collect();
    ends.extend([from, to]);
    ends.retain(|end| (from..=to).contains(end));
    ends.sort_unstable();
    let pieces = ends.windows(2).filter(|piece| {
        let covers = |(start, end): &Span| *start <= piece[0] && piece[1] <= *end;
        !spans.iter().any(covers)
    });
    pieces.map(|piece| piece[1] - piece[0]).sum()
}

/// Who had a partition in the end, and since when no more.
fn holder(own: &[&Event], partition: PartitionRef) -> Option<(MemberIx, Option<u64>)> {
    let mut holder: Option<(MemberIx, Option<u64>)> = None;
    for event in own {
        match &event.body {
            Body::Assigned { member, partitions } if partitions.contains(&partition) => {
                holder = Some((*member, None));
            }
            Body::Revoked { member, partitions } if partitions.contains(&partition) => {
                if let Some((by, until @ None)) = &mut holder
                    && by == member
                {
                    *until = Some(event.at.get());
                }
            }
            _ => {}
        }
    }
    holder
}

/// What excuses a group for what it lacks of a partition.
pub(crate) fn excuse(events: &[Event], group: GroupIx, partition: PartitionRef) -> Excuse {
    let own = of_group(events, group);
    let faults = faults(events);
    let mut excuse = Excuse::default();
    for (at, event) in own.iter().enumerate() {
        let Body::ClientErred {
            client: ClientRef::Member(member),
            cause,
            error,
            ..
        } = &event.body
        else {
            continue;
        };
        let during = |(from, to): &Span| (*from..=*to).contains(&event.at.get());
        let excuses = match cause {
            ErrorCause::Unable => true,
            ErrorCause::NotAllowed => !faults.iter().any(during),
            ErrorCause::Pipeline => false,
        };
        if excuses && holder(&own[..at], partition) == Some((*member, None)) {
            excuse.limit.get_or_insert_with(|| error.clone());
        }
    }
    let began = own
        .iter()
        .find(|event| matches!(event.body, Body::WaitBegan { .. }));
    let over = events.iter().find_map(|event| match event.body {
        Body::GroupWaited {
            group: of,
            limit_ms,
        } if of == group => Some((event.at.get(), limit_ms * 1000)),
        _ => None,
    });
    let (Some(began), Some((over, limit))) = (began.map(|event| event.at.get()), over) else {
        return excuse;
    };
    if over <= began || over - began < limit {
        return excuse;
    }
    // Each record that moved the group on: when, who, where.
    let mut moves: Vec<(u64, MemberIx, PartitionRef, i64)> = Vec::new();
    let since = own
        .iter()
        .position(|event| matches!(event.body, Body::WaitBegan { .. }));
    for event in &own[since.unwrap()..] {
        if let Body::Processed {
            member,
            from,
            offset,
            ..
        } = &event.body
        {
            let before = moves
                .iter()
                .any(|(_, _, at, of)| at == from && *of >= offset.get());
            if event.at.get() >= began && !before {
                moves.push((event.at.get(), *member, *from, offset.get()));
            }
        }
    }
    let given = uncovered(&faults, began, over);
    let goes_on = holder(&own, partition).is_some_and(|(member, until)| {
        let own_moves = moves.iter().filter(|(_, by, ..)| *by == member);
        let mut moments: Vec<u64> = own_moves.map(|(at, ..)| *at).collect();
        moments.sort_unstable();
        let throttled = own.iter().filter_map(|event| match event.body {
            Body::Throttled {
                client: ClientRef::Member(of),
                throttle_ms,
            } if of == member => {
                let at = event.at.get();
                Some((at.saturating_sub(SECOND), at + throttle_ms * 1000))
            }
            _ => None,
        });
        let excused: Vec<Span> = faults.iter().copied().chain(throttled).collect();
        let own_given = uncovered(&excused, began, over);
        if until.is_some_and(|until| until + 5 * SECOND < over) {
            return false;
        }
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
            return given > 0 && own_given <= given / 2;
        };
        let before = uncovered(&excused, began, *first);
        let after = uncovered(&excused, *last, over);
        let between = moments.windows(2);
        let between = between.map(|pair| uncovered(&excused, pair[0], pair[1]));
        let between = between.max().unwrap_or(0);
        let longest = before.max(between).max(after);
        after <= (2 * between).max(5 * SECOND) && longest <= (own_given / 2).max(5 * SECOND)
    });
    if goes_on {
        let reached = moves.iter().filter(|(_, _, at, _)| *at == partition);
        let reached = reached.map(|(.., offset)| offset + 1).max();
        excuse.to_come_from = Some(reached.unwrap_or(0));
    } else {
        excuse.hindered = given < (over - began) / 2;
    }
    excuse
}
