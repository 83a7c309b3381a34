//! Gives each operation to its process: one begins with its first operation and ends with a
//! crash. Knows nothing of the meaning of operations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use model::event::{Body, Ending, Event};

use super::JepsenSettings;
use super::convert::{Converter, GROUP};
use super::error::{JepsenFlaw, Located};
use super::foresight::Foreseen;
use super::forms::Tail;
use super::operation::{Act, Micros, Operation, Phase};
use super::process::Process;
use super::summary::JepsenSummary;

/// Tells operations, one after the other.
pub(super) struct Interpreter<'s> {
    processes: HashMap<i64, Process>,
    processes_ever: u32,
    convert: Converter<'s>,
}

impl<'s> Interpreter<'s> {
    pub(super) fn new(
        settings: JepsenSettings,
        foreseen: &'s Foreseen,
        sink: &'s mut dyn FnMut(Event),
    ) -> Self {
        Self {
            processes: HashMap::new(),
            processes_ever: 0,
            convert: Converter::new(settings, foreseen, sink),
        }
    }

    /// The sends that stand behind a poll of their record, for the next conversion.
    pub(super) fn foresee(&mut self) -> Foreseen {
        self.convert.foresee()
    }

    pub(super) fn summary(&mut self) -> &mut JepsenSummary {
        &mut self.convert.summary
    }

    /// Tells an operation that begins in this line; none is one that was
    /// skipped.
    pub(super) fn tell(
        &mut self,
        operation: Option<Operation<'_>>,
        line: u64,
    ) -> Result<(), Located> {
        if let Some(operation) = &operation {
            self.convert.keep_time(operation.time_ns);
        }
        self.convert.begin();
        let Some(operation) = operation else {
            return Ok(());
        };
        if let Act::Crash = operation.act {
            if operation.phase != Phase::Invoke {
                self.crash(operation.process);
            }
            return Ok(());
        }
        let process = match self.processes.entry(operation.process) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let too_many = JepsenFlaw::TooMany {
                    what: "processes",
                    max: u32::MAX,
                };
                let process = Process::new(self.processes_ever);
                self.processes_ever = self
                    .processes_ever
                    .checked_add(1)
                    .ok_or_else(|| operation.begin.flaw(too_many))?;
                self.convert.emit(Body::MemberStarted {
                    member: process.member,
                    group: GROUP,
                });
                place.insert(process)
            }
        };
        let convert = &mut self.convert;
        match (&operation.act, operation.phase) {
            (Act::Crash, _) => Ok(()),
            (Act::Subscribe(keys), _) => convert.subscribe(process, &operation, keys),
            (Act::Assign(keys, begin), _) => convert.assign(process, &operation, keys, *begin),
            (Act::Perform(kind, micros), Phase::Invoke) => {
                let none = Micros::default();
                convert.invoke(process, *kind, micros.as_ref().unwrap_or(&none), line)
            }
            (Act::Perform(kind, micros), _) => {
                convert.complete(process, &operation, (*kind, micros.as_ref()), line)
            }
        }
    }

    /// The client is gone, and the process with it: whatever has its number
    /// later is another one.
    fn crash(&mut self, process: i64) {
        if let Some(mut process) = self.processes.remove(&process) {
            self.convert.abandon(&mut process);
            self.convert.emit(Body::MemberEnded {
                member: process.member,
                how: Ending::Killed,
            });
        }
    }

    /// Ends all open operations, and gives the summary.
    pub(super) fn finish(mut self, tail: Tail) -> JepsenSummary {
        let mut open: Vec<Process> = self.processes.into_values().collect();
        open.sort_by_key(|process| process.producer);
        for mut process in open {
            self.convert.abandon(&mut process);
        }
        self.convert.finish(tail)
    }
}
