//! The part of a world that reads: a group that reads everything, one member
//! after the other.

use std::collections::BTreeSet;

use model::anomaly::Anomaly;
use model::event::{Body, CommitResult, Content, Ending};
use model::ids::{GroupIx, MemberIx, Offset};

use super::{Maker, Source, partition};
use crate::story::Slot;

/// One reading.
pub(super) struct Read {
    pub(super) group: GroupIx,
    pub(super) member: MemberIx,
    pub(super) log: usize,
    pub(super) slot: usize,
    /// What the member was given before, in the same assignment.
    pub(super) before: Vec<Given>,
    /// Who had taken over from the member by then.
    pub(super) heir: Option<MemberIx>,
    pub(super) content: Content,
}

/// Where, and what.
pub(super) type Given = (usize, Content);

/// One accepted commit.
pub(super) struct Commit {
    pub(super) group: GroupIx,
    pub(super) member: MemberIx,
    pub(super) log: usize,
    pub(super) next: usize,
    /// What the member had processed last.
    pub(super) behind: Option<Given>,
}

/// When a group reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before anything of the log was cleaned up or changed.
    Early,
    Late,
    /// It goes on when the log has been cut and has grown again.
    Across,
}

pub(super) struct Reader {
    group: GroupIx,
    member: MemberIx,
    heir: Option<MemberIx>,
    /// What it reads.
    logs: Vec<Vec<Slot>>,
    next: Vec<usize>,
    stops: Vec<usize>,
    passed: BTreeSet<(usize, usize)>,
    pub(super) committed: Vec<usize>,
    given: Vec<Vec<Given>>,
    when: When,
    pub(super) events: Source,
}

impl Reader {
    /// A group that is going to read everything, but for what is planted: what
    /// it passes over, and where it stops.
    pub(super) fn of(maker: &mut Maker, group: GroupIx, when: When) -> Self {
        let (logs, starts) = match when {
            When::Early | When::Across => (maker.logs.clone(), vec![0; maker.logs.len()]),
            When::Late => (maker.truth.clone(), maker.starts.clone()),
        };
        let mut places: Vec<(usize, usize)> = (0..logs.len())
            .flat_map(|log| (0..logs[log].len()).map(move |slot| (log, slot)))
            .filter(|(log, slot)| logs[*log][*slot] != Slot::Gap)
            .collect();
        maker.dice.shuffle(&mut places);
        places.truncate(maker.size.planted);
        let mut stops: Vec<usize> = logs.iter().map(Vec::len).collect();
        if maker.size.planted > 0 && maker.dice.percent(50) {
            let log = maker.dice.below(stops.len());
            stops[log] = maker.dice.below(stops[log] + 1);
        }
        if when == When::Across {
            for stop in &mut stops {
                *stop = maker.dice.below(*stop + 1);
            }
        }
        Self {
            group,
            member: MemberIx::new(u32::from(group.get()) * 1000),
            heir: None,
            next: starts.clone(),
            committed: starts,
            given: vec![Vec::new(); logs.len()],
            when,
            stops,
            passed: places.into_iter().collect(),
            logs,
            events: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, maker: &mut Maker) {
        self.start(maker);
        self.read_on(maker);
        if self.when == When::Across {
            self.cross(maker);
            self.read_on(maker);
        }
        self.commit(maker);
        for _ in 0..maker.size.planted {
            self.plant_regression(maker);
        }
    }

    /// The logs are what they are in the end. A position that is not there any
    /// more is reset.
    fn cross(&mut self, maker: &mut Maker) {
        self.logs.clone_from(&maker.truth);
        self.stops = self.logs.iter().map(Vec::len).collect();
        if maker.dice.percent(50) {
            self.restart(maker, Ending::Killed);
        }
        for log in 0..self.next.len() {
            let (start, end) = (maker.starts[log], self.stops[log]);
            if !(start..=end).contains(&self.next[log]) {
                self.next[log] = if maker.dice.percent(50) { start } else { end };
            }
        }
    }

    fn read_on(&mut self, maker: &mut Maker) {
        while let Some(log) = self.unfinished(maker) {
            self.step(maker, log);
            if maker.dice.percent(20) {
                self.commit(maker);
            }
            match maker.dice.below(100) {
                0..3 => {
                    self.commit(maker);
                    self.restart(maker, Ending::Clean);
                }
                3..6 => self.restart(maker, Ending::Killed),
                6..9 => self.lose(maker),
                _ => {}
            }
        }
    }

    fn unfinished(&self, maker: &mut Maker) -> Option<usize> {
        let open: Vec<usize> = (0..self.stops.len())
            .filter(|log| self.next[*log] < self.stops[*log])
            .collect();
        (!open.is_empty()).then(|| open[maker.dice.below(open.len())])
    }

    fn say(&mut self, maker: &mut Maker, body: Body) {
        let event = maker.event(body);
        self.events.push(event);
    }

    fn start(&mut self, maker: &mut Maker) {
        let (member, group) = (self.member, self.group);
        self.say(maker, Body::MemberStarted { member, group });
        let partitions = (0..self.next.len()).map(partition).collect();
        self.say(maker, Body::Assigned { member, partitions });
    }

    fn restart(&mut self, maker: &mut Maker, how: Ending) {
        let member = self.member;
        self.say(maker, Body::MemberEnded { member, how });
        self.succeed(maker);
    }

    fn succeed(&mut self, maker: &mut Maker) {
        self.member = MemberIx::new(self.member.get() + 1);
        self.next.clone_from(&self.committed);
        self.given.fill(Vec::new());
        self.start(maker);
    }

    /// The member stands still, and another takes over. When it goes on, it
    /// does not know: that it goes on is planted.
    fn lose(&mut self, maker: &mut Maker) {
        let (next, given) = (self.next.clone(), self.given.clone());
        let overtaken = self.member;
        self.succeed(maker);
        if maker.size.planted == 0 {
            return;
        }
        let heir = std::mem::replace(&mut self.member, overtaken);
        let next = std::mem::replace(&mut self.next, next);
        let given = std::mem::replace(&mut self.given, given);
        self.heir = Some(heir);
        for _ in 0..maker.dice.below(4) {
            if let Some(log) = self.unfinished(maker) {
                self.step(maker, log);
            }
        }
        self.heir = None;
        (self.member, self.next, self.given) = (heir, next, given);
    }

    fn step(&mut self, maker: &mut Maker, log: usize) {
        let slot = self.next[log];
        self.next[log] += 1;
        let Slot::Is(content) = self.logs[log][slot] else {
            return;
        };
        if self.passed.contains(&(log, slot)) {
            return;
        }
        maker.reads.push(Read {
            group: self.group,
            member: self.member,
            log,
            slot,
            before: self.given[log].clone(),
            heir: self.heir,
            content,
        });
        self.given[log].push((slot, content));
        let processed = Body::Processed {
            member: self.member,
            from: partition(log),
            offset: Offset::new(i64::try_from(slot).unwrap()),
            content,
        };
        self.say(maker, processed);
    }

    fn commit(&mut self, maker: &mut Maker) {
        for log in 0..self.next.len() {
            if self.committed[log] != self.next[log] {
                self.committed[log] = self.next[log];
                self.say_commit(maker, log, self.next[log]);
            }
        }
    }

    /// Whether a commit is of an earlier life of the log.
    fn is_past(maker: &Maker, log: usize, next: usize, behind: Option<Given>) -> bool {
        let truth = &maker.truth[log];
        let gone = behind.is_some_and(|(slot, content)| match truth.get(slot) {
            Some(Slot::Is(stands @ Content::Ours(_))) => {
                matches!(content, Content::Ours(_)) && *stands != content
            }
            stands => stands.is_none(),
        });
        gone || next > truth.len()
    }

    fn say_commit(&mut self, maker: &mut Maker, log: usize, next: usize) {
        let behind = self.given[log].last().copied();
        let mut before = maker.commits.iter().rev();
        let before = before.find(|it| (it.group, it.log) == (self.group, log));
        if let Some(before) = before.filter(|before| before.next > next) {
            let past = Self::is_past(maker, log, before.next, before.behind);
            if !past || Self::is_past(maker, log, next, behind) {
                maker.add(Anomaly::CommitRegression, 1);
            }
        }
        maker.commits.push(Commit {
            group: self.group,
            member: self.member,
            log,
            next,
            behind,
        });
        let committed = Body::Committed {
            member: self.member,
            partition: partition(log),
            offset: Offset::new(i64::try_from(next).unwrap()),
            result: CommitResult::Accepted,
        };
        self.say(maker, committed);
    }

    fn plant_regression(&mut self, maker: &mut Maker) {
        let log = maker.dice.below(self.committed.len());
        if self.committed[log] > 0 {
            let back = maker.dice.below(self.committed[log]);
            self.say_commit(maker, log, self.committed[log]);
            self.say_commit(maker, log, back);
            self.say_commit(maker, log, self.committed[log]);
        }
    }
}
