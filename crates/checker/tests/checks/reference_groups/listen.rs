//! What a history says of readers and groups, event by event.

use super::*;

pub(super) fn listen(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut groups: BTreeMap<MemberIx, (GroupIx, Micros)> = BTreeMap::new();
    let mut held: BTreeMap<(MemberIx, PartitionRef), (Micros, Vec<Given>)> = BTreeMap::new();
    let mut in_hand: BTreeMap<(MemberIx, PartitionRef), usize> = BTreeMap::new();
    for Event { at, body } in events {
        match body {
            Body::MemberStarted { member, group } => {
                groups.insert(*member, (*group, *at));
                said.just_taken.remove(member);
                said.last.insert(*member, *at);
                held.retain(|(of, _), _| of != member);
                in_hand.retain(|(of, _), _| of != member);
            }
            Body::Assigned { member, partitions } if groups.contains_key(member) => {
                for partition in partitions {
                    held.insert((*member, *partition), (*at, Vec::new()));
                    let before = in_hand.insert((*member, *partition), said.hands.len());
                    let before = before.map(|before| &said.hands[before]);
                    let reached_before =
                        before.and_then(|before| before.reached.max(before.reached_before));
                    said.hands.push(Hand {
                        of: (groups[member].0, *partition),
                        member: *member,
                        since: *at,
                        taken: false,
                        first: None,
                        reached: None,
                        reached_before,
                        confirmed: false,
                    });
                }
            }
            Body::Revoked { member, partitions } => {
                for partition in partitions {
                    if let Some((_, last)) = held.get_mut(&(*member, *partition)) {
                        last.clear();
                    }
                    if let Some(hand) = in_hand.get(&(*member, *partition)) {
                        let taken = std::mem::replace(&mut said.hands[*hand].taken, true);
                        *said.just_taken.entry(*member).or_default() += u64::from(!taken);
                    }
                }
            }
            Body::Repositioned {
                member,
                partition,
                next,
            } => {
                if let Some((_, last)) = held.get_mut(&(*member, *partition)) {
                    *last = next.iter().map(|next| (next.get() - 1, None)).collect();
                }
            }
            Body::Processed {
                member,
                from,
                offset,
                content,
            } => {
                said.given.insert((*from, offset.get()));
                said.read_last.insert((*from, offset.get()), *content);
                let Some((group, _)) = groups.get(member) else {
                    said.strays += 1;
                    continue;
                };
                said.act(*member, *at);
                let of = (*group, *from);
                let hand = held.entry((*member, *from));
                let (_, last) = hand.or_insert((*at, Vec::new()));
                let to = (offset.get(), Some(*content));
                if !last.is_empty() {
                    let before = last.clone();
                    let at = said.order.len();
                    said.steps.push(Step { of, at, before, to });
                }
                last.push(to);
                let read = Read {
                    offset: offset.get(),
                    content: *content,
                };
                said.order.push((of, read));
                said.processed.entry(of).or_default().push(read);
                if let Some(number) = in_hand.get(&(*member, *from)).copied() {
                    let on_record = said.hands.len();
                    let hand = &mut said.hands[number];
                    if hand.taken {
                        said.told += 1;
                    } else {
                        hand.first.get_or_insert(offset.get());
                        hand.reached = hand.reached.max(Some(offset.get() + 1));
                        said.untold.push((number, *at, on_record));
                    }
                }
            }
            Body::ReadRolledBack {
                member,
                from,
                offset,
                content,
            } => {
                said.given.insert((*from, offset.get()));
                let Some((group, _)) = groups.get(member) else {
                    said.strays += 1;
                    continue;
                };
                let of = (*group, *from);
                let hand = held.entry((*member, *from));
                let (_, last) = hand.or_insert((*at, Vec::new()));
                let to = (offset.get(), Some(*content));
                if !last.is_empty() {
                    let before = last.clone();
                    let at = said.order.len();
                    said.steps.push(Step { of, at, before, to });
                }
                last.push(to);
            }
            Body::Replaceable {
                partition,
                first,
                last,
            } => {
                let offsets = first.get()..=last.get();
                said.replaceable.extend(offsets.map(|at| (*partition, at)));
            }
            Body::Committed {
                member,
                partition,
                offset,
                result: CommitResult::Accepted,
            } => {
                let Some((group, started)) = groups.get(member) else {
                    said.strays += 1;
                    continue;
                };
                said.act(*member, *at);
                let hand = held.get(&(*member, *partition));
                let since = hand.map(|(since, _)| *since);
                let commits = said.commits.entry((*group, *partition)).or_default();
                commits.push(Commit {
                    at: *at,
                    tenure: (*member, since.unwrap_or(*started)),
                    offset: offset.get(),
                    behind: hand.and_then(|(_, last)| last.last().copied()),
                });
                if let Some(number) = in_hand.get(&(*member, *partition)) {
                    let hand = &mut said.hands[*number];
                    if let (true, Some(reached)) = (hand.taken, hand.reached) {
                        said.passed.push((*partition, reached, offset.get()));
                    }
                    let explained = hand.first.max(hand.reached_before);
                    hand.confirmed |= !hand.taken
                        && hand.first.is_some()
                        && explained.is_some_and(|explained| offset.get() > explained);
                }
            }
            Body::Imported { .. } => said.imported = true,
            Body::GroupOffset {
                group,
                partition,
                offset,
            } => {
                let offset = offset.map(model::ids::Offset::get);
                said.reported.insert((*group, *partition), offset);
            }
            Body::GroupWaited { group, .. } => {
                said.waited.insert(*group);
            }
            Body::Pinned {
                partition,
                log_start,
                end,
            } => {
                said.pinned.insert(*partition, (log_start.get(), end.get()));
            }
            Body::PartitionRead { partition } => {
                said.read.insert(*partition);
            }
            Body::SendCompleted {
                record,
                outcome: Outcome::Acknowledged { at, offset },
            } => {
                said.acknowledged.insert((*at, offset.get()), *record);
            }
            Body::Stored {
                partition,
                offset,
                content,
            } => {
                let place = (*partition, offset.get());
                said.data.insert(place);
                said.stands.insert(place, *content);
            }
            _ => {}
        }
    }
    said
}
