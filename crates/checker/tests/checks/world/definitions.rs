//! What is wrong with a world, by the definitions of the catalogue, from what
//! really stood in its logs and what its producers and readers were told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use model::anomaly::Anomaly;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{GroupIx, MemberIx, RecordId};

use super::reader::{Given, Read};
use super::{Kept, Maker, Reported, Witness};
use crate::story::Slot;

type Place = (usize, i64);

/// How many acknowledged records have an unknown end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) expired: u64,
    pub(crate) compacted: u64,
}

/// The records in the logs, by their witness.
struct Truth {
    ranges: Vec<Range<i64>>,
    /// Records with an identity.
    stands: BTreeSet<(Place, RecordId)>,
    /// Offsets at which anything stands.
    data: Vec<BTreeSet<i64>>,
    damaged: BTreeSet<Place>,
}

fn number(slot: usize) -> i64 {
    i64::try_from(slot).unwrap()
}

impl Truth {
    fn of(maker: &Maker) -> Self {
        let mut truth = Self {
            ranges: vec![0..0; maker.logs.len()],
            stands: BTreeSet::new(),
            data: vec![BTreeSet::new(); maker.logs.len()],
            damaged: BTreeSet::new(),
        };
        match maker.size.witness {
            Witness::Observer => {
                for (log, slots) in maker.truth.iter().enumerate() {
                    truth.ranges[log] = number(maker.starts[log])..number(slots.len());
                    for (slot, what) in slots.iter().enumerate() {
                        if let Slot::Is(content) = what {
                            truth.add((log, number(slot)), *content);
                        }
                    }
                }
            }
            Witness::Readers => {
                for read in &maker.reads {
                    truth.add((read.log, number(read.slot)), read.content);
                }
                for (log, data) in truth.data.iter_mut().enumerate() {
                    truth.ranges[log] = 0..data.last().map_or(0, |last| last + 1);
                }
                for (place, _) in acknowledged(maker) {
                    if truth.ranges[place.0].contains(&place.1) {
                        truth.data[place.0].insert(place.1);
                    }
                }
            }
        }
        truth
    }

    fn add(&mut self, place: Place, content: Content) {
        self.data[place.0].insert(place.1);
        match content {
            Content::Ours(record) => {
                self.stands.insert((place, record));
            }
            Content::Corrupt => {
                self.damaged.insert(place);
            }
            _ => {}
        }
    }

    fn places(&self, record: RecordId) -> impl Iterator<Item = Place> + '_ {
        let stands = self.stands.iter();
        stands
            .filter(move |(_, it)| *it == record)
            .map(|(place, _)| *place)
    }

    fn is_somewhere(&self, record: RecordId) -> bool {
        self.places(record).next().is_some()
    }

    /// Whether another record stands where one was read.
    fn is_reused(&self, read: &Read) -> bool {
        self.is_another((read.log, number(read.slot)), read.content)
    }

    fn is_another(&self, place: Place, content: Content) -> bool {
        let there = self.stands.iter().filter(|(at, _)| *at == place);
        let mut there = there.map(|(_, record)| Content::Ours(*record)).peekable();
        let named = matches!(content, Content::Ours(_));
        named && there.peek().is_some() && there.all(|stands| stands != content)
    }

    /// From where on a record is gone that was acknowledged or read.
    fn cut_from(&self, maker: &Maker, log: usize) -> Option<i64> {
        let lost = acknowledged(maker).into_iter().filter(|(place, record)| {
            let cleaned = self.may_be_cleaned(*place, maker.size.kept);
            let damaged = self.damaged.contains(place);
            let occupied = self.data[place.0].contains(&place.1);
            occupied && !self.is_somewhere(*record) && cleaned.is_none() && !damaged
        });
        let lost = lost.map(|(place, _)| place);
        let read = maker.reads.iter().filter(|read| {
            let gone = match read.content {
                Content::Ours(record) => !self.is_somewhere(record),
                _ => false,
            };
            gone && self.is_reused(read)
        });
        let read = read.map(|read| (read.log, number(read.slot)));
        let places = lost.chain(read).filter(|place| place.0 == log);
        places.map(|place| place.1).min()
    }

    /// Whether what was given somewhere does not stand there any more.
    fn is_past(&self, maker: &Maker, log: usize, (slot, content): Given) -> bool {
        let place = (log, number(slot));
        maker.size.witness == Witness::Observer
            && (place.1 >= self.ranges[log].end || self.is_another(place, content))
    }

    /// Whether a record may have been taken from here, by age or by a later
    /// one of its key.
    fn may_be_cleaned(&self, (log, offset): Place, kept: Kept) -> Option<Kept> {
        let range = &self.ranges[log];
        if (0..range.start).contains(&offset) || (offset < 0 && range.start > 0) {
            return Some(Kept::Deleted);
        }
        let hole = offset < range.end && !self.data[log].contains(&offset);
        (hole && kept.compacts()).then_some(Kept::Compacted)
    }
}

/// Every acknowledgement.
fn acknowledged(maker: &Maker) -> Vec<(Place, RecordId)> {
    let sent = maker.sent.iter();
    sent.filter_map(|sent| match sent.told {
        Reported::Acknowledged(offset) => {
            let log = usize::try_from(sent.to.partition.get()).unwrap();
            Some(((log, offset), sent.record))
        }
        Reported::Failed | Reported::Unknown => None,
    })
    .collect()
}

/// The last record that was acknowledged at each place.
fn told_last(events: &[Event]) -> BTreeMap<Place, RecordId> {
    let told = events.iter().filter_map(|event| match &event.body {
        Body::SendCompleted {
            record,
            outcome: Outcome::Acknowledged { at, offset },
        } => {
            let log = usize::try_from(at.partition.get()).unwrap();
            Some(((log, offset.get()), *record))
        }
        _ => None,
    });
    told.collect()
}

/// What is wrong, but for what is counted as it is planted.
pub(super) fn expect(maker: &Maker, events: &[Event]) -> (BTreeMap<Anomaly, u64>, Untold) {
    let truth = Truth::of(maker);
    let mut found = BTreeMap::new();
    let mut add = |anomaly: Anomaly, count: usize| {
        *found.entry(anomaly).or_default() += count as u64;
    };
    let untold = losses(maker, &truth, &mut add);
    log(maker, &truth, &mut add);
    add(
        Anomaly::InconsistentOffsets,
        contradicted(maker, &truth).len(),
    );
    strangers(maker, &mut add);
    readers(maker, &truth, &told_last(events), &mut add);
    add(Anomaly::ZombieProcessing, zombies(maker));
    (found, untold)
}

/// lost-write, unseen and log-truncation.
fn losses(maker: &Maker, truth: &Truth, add: &mut impl FnMut(Anomaly, usize)) -> Untold {
    let mut untold = Untold::default();
    let mut truncated: BTreeSet<usize> = BTreeSet::new();
    let observed = maker.size.witness == Witness::Observer;
    for (place, record) in acknowledged(maker) {
        let range = &truth.ranges[place.0];
        if truth.is_somewhere(record) || truth.damaged.contains(&place) {
            continue;
        }
        match truth.may_be_cleaned(place, maker.size.kept) {
            Some(Kept::Deleted) if observed => {
                untold.expired += u64::from(maker.size.kept.deletes());
            }
            Some(_) if observed => untold.compacted += 1,
            _ if observed => {
                add(Anomaly::LostWrite, 1);
                if place.1 >= range.end {
                    truncated.insert(place.0);
                }
            }
            _ => {
                let below = maker.below.get(&record).filter(|_| place.1 < 0);
                let lost = range.contains(below.unwrap_or(&place.1));
                let anomaly = if lost {
                    Anomaly::LostWrite
                } else {
                    Anomaly::Unseen
                };
                add(anomaly, 1);
            }
        }
    }
    if observed {
        let reads = maker.reads.iter();
        truncated.extend(
            reads
                .filter(|read| number(read.slot) >= truth.ranges[read.log].end)
                .map(|read| read.log),
        );
        let grown = maker
            .overtaken
            .iter()
            .filter(|((_, log), (before, after, at))| {
                truth.stands.contains(&((*log, *at), *after)) && !truth.is_somewhere(*before)
            });
        truncated.extend(grown.map(|((_, log), _)| *log));
        add(Anomaly::LogTruncation, truncated.len());
    }
    untold
}

/// duplicate, nonmonotonic-send and failed-write-visible.
fn log(maker: &Maker, truth: &Truth, add: &mut impl FnMut(Anomaly, usize)) {
    let mut places = truth.stands.clone();
    if maker.size.witness == Witness::Readers {
        places.extend(acknowledged(maker).into_iter().filter(|it| it.0.1 >= 0));
    }
    let records: BTreeSet<RecordId> = places.iter().map(|(_, record)| *record).collect();
    add(Anomaly::Duplicate, places.len() - records.len());

    let mut first: BTreeMap<(usize, RecordId), i64> = BTreeMap::new();
    for ((log, offset), record) in &places {
        first.entry((*log, *record)).or_insert(*offset);
    }
    for ((log, record), offset) in &first {
        let behind = first.iter().any(|((other, later), before)| {
            other == log
                && later.producer == record.producer
                && later.sequence > record.sequence
                && (before, later) < (offset, record)
        });
        add(Anomaly::NonmonotonicSend, usize::from(behind));
    }

    let visible = maker
        .sent
        .iter()
        .filter(|sent| sent.told == Reported::Failed && truth.is_somewhere(sent.record));
    add(Anomaly::FailedWriteVisible, visible.count());
}

/// inconsistent-offsets.
fn contradicted(maker: &Maker, truth: &Truth) -> BTreeSet<RecordId> {
    let mut contradicted = BTreeSet::new();
    if maker.size.witness == Witness::Readers {
        // Whoever was read comes first.
        let mut here: BTreeMap<Place, Vec<RecordId>> = BTreeMap::new();
        let mut acknowledged = acknowledged(maker);
        acknowledged.sort_unstable();
        let acknowledged = acknowledged.iter().filter(|it| it.0.1 >= 0);
        for (place, record) in truth.stands.iter().chain(acknowledged) {
            let here = here.entry(*place).or_default();
            if !here.contains(record) {
                here.push(*record);
            }
        }
        contradicted.extend(here.values().flat_map(|records| &records[1..]));
        return contradicted;
    }
    let mut told: BTreeMap<Place, BTreeSet<RecordId>> = BTreeMap::new();
    for (place, record) in acknowledged(maker).into_iter().filter(|it| it.0.1 >= 0) {
        told.entry(place).or_default().insert(record);
    }
    for (place, records) in told {
        let stands = |record: RecordId| truth.stands.contains(&(place, record));
        let cleaned = truth.may_be_cleaned(place, maker.size.kept).is_some();
        let elsewhere =
            |record: RecordId| !stands(record) && truth.is_somewhere(record) && !cleaned;
        contradicted.extend(records.iter().filter(|it| elsewhere(**it)));
        // Where the log was read, one that stands nowhere was there before.
        if records.len() > 1 && maker.size.witness == Witness::Readers {
            let mut absent: Vec<RecordId> =
                records.iter().copied().filter(|it| !stands(*it)).collect();
            // Only one of them can ever have been there.
            if absent.len() == records.len()
                && let Some(spared) = absent.iter().position(|it| !elsewhere(*it))
            {
                absent.remove(spared);
            }
            contradicted.extend(absent);
        }
    }
    let mut there: BTreeMap<Place, Vec<RecordId>> = BTreeMap::new();
    for (place, record) in &truth.stands {
        there.entry(*place).or_default().push(*record);
    }
    contradicted.extend(there.values().flat_map(|records| &records[1..]));
    for read in &maker.reads {
        if let Content::Ours(record) = read.content
            && truth.is_reused(read)
            && truth.is_somewhere(record)
            && truth
                .cut_from(maker, read.log)
                .is_none_or(|from| number(read.slot) < from)
        {
            contradicted.insert(record);
        }
    }
    contradicted
}

/// phantom and corrupt, by the offsets at which they were seen.
fn strangers(maker: &Maker, add: &mut impl FnMut(Anomaly, usize)) {
    let sent: BTreeSet<RecordId> = maker.sent.iter().map(|sent| sent.record).collect();
    let mut seen: Vec<((usize, usize), Content)> = Vec::new();
    if maker.size.witness == Witness::Observer {
        for (log, slots) in maker.truth.iter().enumerate() {
            for (slot, what) in slots.iter().enumerate() {
                if let Slot::Is(content) = what {
                    seen.push(((log, slot), *content));
                }
            }
        }
    }
    let reads = maker.reads.iter();
    seen.extend(reads.map(|read| ((read.log, read.slot), read.content)));
    let distinct = |wanted: &dyn Fn(Content) -> bool| {
        let places = seen.iter().filter(|(_, content)| wanted(*content));
        places
            .map(|(place, _)| place)
            .collect::<BTreeSet<_>>()
            .len()
    };
    add(
        Anomaly::Phantom,
        distinct(&|content| match content {
            Content::Ours(record) => !sent.contains(&record),
            Content::Misplaced(_) | Content::Foreign => true,
            Content::Corrupt | Content::Change(_) | Content::Nameless => false,
        }),
    );
    add(
        Anomaly::Corrupt,
        distinct(&|content| content == Content::Corrupt),
    );
}

/// poll-skip, nonmonotonic-poll, reprocessed, group-gap and group-incomplete.
fn readers(
    maker: &Maker,
    truth: &Truth,
    told: &BTreeMap<Place, RecordId>,
    add: &mut impl FnMut(Anomaly, usize),
) {
    let data = |log: usize| {
        let range = truth.ranges[log].clone();
        let data = truth.data[log].iter().copied();
        data.filter(move |offset| range.contains(offset))
    };
    for read in &maker.reads {
        let gone = truth.is_past(maker, read.log, (read.slot, read.content));
        let mut before = read.before.iter().rev();
        let comparable = |it: &&Given| gone == truth.is_past(maker, read.log, **it);
        let Some((from, _)) = before.find(comparable) else {
            continue;
        };
        let (from, to) = (number(*from), number(read.slot));
        let skipped = data(read.log).filter(|offset| from < *offset && *offset < to);
        add(Anomaly::PollSkip, skipped.filter(|_| !gone).count());
        // Of two logs that are gone each has its own offsets.
        let known = || {
            let earlier = maker.reads.iter().take_while(|it| !std::ptr::eq(*it, read));
            let mut earlier = earlier.filter(|it| it.group == read.group);
            earlier.any(|it| {
                let named = matches!(it.content, Content::Ours(_));
                let gone = truth.is_past(maker, it.log, (it.slot, it.content));
                named && it.content == read.content && gone
            })
        };
        let back = to <= from && (!gone || known());
        add(Anomaly::NonmonotonicPoll, usize::from(back));
    }
    for group in maker.groups() {
        let reads = || maker.reads.iter().filter(move |read| read.group == group);
        let named = |read: &Read| match read.content {
            Content::Ours(record) => Some(record),
            _ => None,
        };
        let nameless = |read: &Read| match read.content {
            Content::Ours(_) => None,
            _ => Some((read.log, number(read.slot))),
        };
        let records: BTreeSet<RecordId> = reads().filter_map(named).collect();
        let strangers: BTreeSet<Place> = reads().filter_map(nameless).collect();
        let places: BTreeSet<Place> = reads().map(|read| (read.log, number(read.slot))).collect();
        let distinct = records.len() + strangers.len();
        add(Anomaly::Reprocessed, reads().count() - distinct);
        // By its identity, or by the offset of one that has none.
        let processed = |place: Place, stood: Option<RecordId>| {
            let stands = truth.stands.iter().filter(|(at, _)| *at == place);
            let stands = stands.map(|(_, record)| *record).next();
            let nameless = stands.is_none() && truth.data[place.0].contains(&place.1);
            match stands.or(stood) {
                Some(_) if nameless && maker.size.witness == Witness::Observer => {
                    places.contains(&place)
                }
                Some(_) if maker.size.witness == Witness::Readers => {
                    let here = |read: &&Read| (read.log, number(read.slot)) == place;
                    let mut read = maker.reads.iter().filter(here).peekable();
                    if read.peek().is_some() && read.all(|read| named(read).is_none()) {
                        return places.contains(&place);
                    }
                    let mut last = maker.reads.iter().filter(|read| {
                        (read.log, number(read.slot)) == place && named(read).is_some()
                    });
                    let last = last.next_back().and_then(named).or(stood);
                    last.is_some_and(|last| records.contains(&last)) || strangers.contains(&place)
                }
                Some(record) => records.contains(&record) || strangers.contains(&place),
                None => places.contains(&place),
            }
        };
        for log in 0..maker.logs.len() {
            let highest = committed(maker, truth, group, log);
            let stood = |offset: i64| told.get(&(log, offset)).copied();
            let (gaps, behind): (Vec<i64>, Vec<i64>) = data(log)
                .filter(|offset| !processed((log, *offset), stood(*offset)))
                .partition(|offset| *offset < highest);
            // What was deleted is known by its acknowledgement alone.
            let start = number(maker.starts[log]);
            let deleted = told
                .range((log, 0)..(log, start.max(0)))
                .filter(|(place, record)| place.1 < highest && !processed(**place, Some(**record)))
                .count();
            // Records that no reader came to are, too, where no observer read the log.
            let beyond = told
                .range((log, truth.ranges[log].end)..(log, i64::MAX))
                .filter(|_| maker.size.witness == Witness::Readers)
                .filter(|(place, record)| place.1 < highest && !processed(**place, Some(**record)))
                .count();
            add(Anomaly::GroupGap, gaps.len() + deleted + beyond);
            if maker.size.witness == Witness::Observer {
                add(Anomaly::GroupIncomplete, behind.len());
            }
        }
    }
}

/// How far a group has committed. Where the log was cut, what was committed
/// behind records that are gone counts only as the position that the group
/// starts from.
fn committed(maker: &Maker, truth: &Truth, group: GroupIx, log: usize) -> i64 {
    let commits = || {
        let commits = maker.commits.iter();
        commits.filter(move |commit| (commit.group, commit.log) == (group, log))
    };
    let highest = commits().map(|commit| number(commit.next)).max();
    let reported = number(maker.reported(group, log));
    let end = truth.ranges[log].end;
    let reads = maker.reads.iter().filter(|read| read.log == log);
    let farthest = reads.clone().map(|read| number(read.slot) + 1).max();
    let is_cut = maker.size.witness == Witness::Observer
        && (reads.clone().any(|read| truth.is_reused(read))
            || farthest.max(highest).max(Some(reported)) > Some(end));
    if !is_cut {
        return highest.unwrap_or(0).max(reported);
    }
    let present = commits().filter(|commit| {
        let behind = commit.behind;
        let gone = behind.is_some_and(|behind| truth.is_past(maker, log, behind));
        !gone && number(commit.next) <= end
    });
    let present = present.map(|commit| number(commit.next)).max();
    let start = Some(reported).filter(|start| *start <= end);
    present.max(start).unwrap_or(0)
}

/// What members did of whom it is certain that another had taken over.
fn zombies(maker: &Maker) -> usize {
    if maker.size.witness == Witness::Readers {
        return 0;
    }
    let owns = |heir: MemberIx, log: usize| {
        let mut reads = maker.reads.iter();
        let first = reads.find(|read| (read.member, read.log) == (heir, log));
        let mut commits = maker.commits.iter();
        first.is_some_and(|first| {
            commits.any(|commit| {
                (commit.member, commit.log) == (heir, log) && commit.next > first.slot
            })
        })
    };
    let reads = maker.reads.iter();
    reads
        .filter(|read| read.heir.is_some_and(|heir| owns(heir, read.log)))
        .count()
}
