//! Random histories and random bytes.

use std::fmt::Write as _;

use import::jepsen::JepsenSettings;
use model::event::{Body, Content, Event, Outcome};
use model::ids::{Offset, PartitionRef, RecordId};
use proptest::prelude::*;

use crate::notation::{import, run};

/// How an operation of a random history goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Ok,
    Fail,
    Info,
    Never,
}

/// One operation of a random history; what it reads is known by its record's
/// number in the whole history.
#[derive(Clone, Debug)]
struct Plan {
    process: u64,
    /// For each send, the key; for each poll, which keys are read how far.
    micros: Vec<Part>,
    ends: Ends,
}

#[derive(Clone, Debug)]
enum Part {
    Send(usize),
    Poll(Vec<usize>),
}

const KEYS: [&str; 4] = ["0", "17", ":x", "\"k }\""];

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (0..KEYS.len()).prop_map(Part::Send),
        prop::collection::vec(0..KEYS.len(), 0..3).prop_map(|mut keys| {
            keys.sort_unstable();
            keys.dedup();
            Part::Poll(keys)
        }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let ends = prop_oneof![
        6 => Just(Ends::Ok),
        1 => Just(Ends::Fail),
        1 => Just(Ends::Info),
        1 => Just(Ends::Never),
    ];
    (0..5u64, prop::collection::vec(part(), 1..4), ends).prop_map(|(process, micros, ends)| Plan {
        process,
        micros,
        ends,
    })
}

/// How operations are laid out, none of which may matter.
#[derive(Clone, Debug)]
struct Layout {
    vector: bool,
    tagged: bool,
    blanks: Vec<&'static str>,
}

fn layout() -> impl Strategy<Value = Layout> {
    let blank = prop::sample::select(vec![" ", "  ", ",", "\n", " ;}\n", " #_x ", " #_{:a []} "]);
    let blanks = prop::collection::vec(blank, 1..20);
    (any::<bool>(), any::<bool>(), blanks).prop_map(|(vector, tagged, blanks)| Layout {
        vector,
        tagged,
        blanks,
    })
}

/// What a history must come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    operations: u64,
    /// For each send, in order, its key and what became of it.
    sends: Vec<(usize, Ends)>,
    /// For each read, in order: key, offset, and the number of the send.
    reads: Vec<(usize, i64, usize)>,
}

/// Writes a history, and what it must come to. Every send gets the next
/// offset of its key, and polls read a key from its beginning.
fn write(plans: &[Plan], layout: &Layout) -> (String, Facts) {
    let mut facts = Facts::default();
    let mut logs: Vec<Vec<usize>> = vec![Vec::new(); KEYS.len()];
    let mut edn = String::from(if layout.vector { "[" } else { "" });
    let mut blanks = layout.blanks.iter().cycle();
    let mut blank = move || *blanks.next().unwrap();
    for plan in plans {
        let mut invoked = String::new();
        let mut completed = String::new();
        for part in &plan.micros {
            match part {
                Part::Send(key) => {
                    let value = facts.sends.len();
                    facts.sends.push((*key, plan.ends));
                    let (offset, key_text) = (logs[*key].len(), KEYS[*key]);
                    logs[*key].push(value);
                    let _ = write!(invoked, "[:send{}{key_text} {value}]", blank());
                    let _ = write!(completed, "[:send {key_text}{}[{offset} {value}]]", blank());
                }
                Part::Poll(keys) => {
                    invoked += "[:poll]";
                    completed += "[:poll {";
                    for key in keys {
                        let _ = write!(completed, "{}{}[", KEYS[*key], blank());
                        for (offset, value) in logs[*key].iter().enumerate() {
                            let _ = write!(completed, "[{offset}{}{value}]", blank());
                            if plan.ends != Ends::Never {
                                let offset = i64::try_from(offset).unwrap();
                                facts.reads.push((*key, offset, *value));
                            }
                        }
                        completed += "]";
                    }
                    completed += "}]";
                }
            }
        }
        let mut halves = vec![("invoke", invoked)];
        match plan.ends {
            Ends::Ok => halves.push(("ok", completed)),
            Ends::Fail => halves.push(("fail", completed)),
            Ends::Info => halves.push(("info", completed)),
            Ends::Never => {}
        }
        for (kind, value) in halves {
            let index = facts.operations;
            facts.operations += 1;
            let tag = if layout.tagged {
                "#jepsen.history.Op"
            } else {
                ""
            };
            let _ = write!(
                edn,
                "{}{tag}{{:type{}:{kind} :value [{value}] :process {} :f :txn :time {}}}",
                blank(),
                blank(),
                plan.process,
                index * 1000,
            );
        }
    }
    edn += if layout.vector { "]" } else { "" };
    (edn, facts)
}

/// What the events came to, in the words of the facts.
fn facts_of(events: &[Event], operations: u64) -> Facts {
    let mut facts = Facts {
        operations,
        ..Facts::default()
    };
    let mut order: Vec<RecordId> = Vec::new();
    let mut keys: Vec<PartitionRef> = Vec::new();
    let place = |record: &RecordId, order: &[RecordId]| {
        order.iter().position(|known| known == record).unwrap()
    };
    for event in events {
        match &event.body {
            Body::SendInvoked { record, to } => {
                order.push(*record);
                keys.push(*to);
                facts.sends.push((key_index(*to), Ends::Never));
            }
            Body::SendCompleted { record, outcome } => {
                let at = place(record, &order);
                facts.sends[at].1 = match outcome {
                    Outcome::Acknowledged { at: to, .. } => {
                        assert_eq!(*to, keys[at]);
                        Ends::Ok
                    }
                    Outcome::Failed { .. } => Ends::Fail,
                    Outcome::Unknown { .. } => Ends::Never,
                };
            }
            Body::Processed {
                from,
                offset,
                content,
                ..
            }
            | Body::ReadRolledBack {
                from,
                offset,
                content,
                ..
            } => {
                let Content::Ours(record) = content else {
                    panic!("{content:?}");
                };
                let at = place(record, &order);
                assert_eq!(*from, keys[at]);
                facts.reads.push((key_index(*from), offset.get(), at));
            }
            _ => {}
        }
    }
    facts
}

fn key_index(of: PartitionRef) -> usize {
    usize::try_from(of.partition.get()).unwrap()
}

proptest! {
    #[test]
    fn a_history_written_as_edn_is_told_as_it_was(
        plans in prop::collection::vec(plan(), 0..30),
        layout in layout(),
    ) {
        let (edn, mut expected) = write(&plans, &layout);
        let (events, summary) = run(edn.as_bytes(), JepsenSettings::default());
        let summary = summary.unwrap();
        // The importer numbers keys in their order of appearance.
        let number = |key: usize| {
            let place = summary.keys.iter().position(|known| *known == KEYS[key]);
            place.unwrap()
        };
        for (key, ends) in &mut expected.sends {
            *key = number(*key);
            // An offset of a transaction of unknown outcome is acknowledged.
            *ends = if *ends == Ends::Info { Ends::Ok } else { *ends };
        }
        for (key, ..) in &mut expected.reads {
            *key = number(*key);
        }
        prop_assert_eq!(facts_of(&events, summary.operations), expected);
    }

    #[test]
    fn random_bytes_are_an_error_or_a_history(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = run(&bytes, JepsenSettings::default());
    }

    #[test]
    fn random_pieces_of_edn_are_an_error_or_a_history(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60),
    ) {
        let _ = run(pieces.concat().as_bytes(), JepsenSettings::default());
    }

    #[test]
    fn a_byte_that_is_changed_is_an_error_or_a_history(
        plans in prop::collection::vec(plan(), 1..6),
        layout in layout(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = write(&plans, &layout).0.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = run(&bytes, JepsenSettings::default());
    }

    #[test]
    fn a_history_cut_anywhere_is_told_up_to_there(
        plans in prop::collection::vec(plan(), 1..6),
        layout in layout(),
        at in any::<prop::sample::Index>(),
    ) {
        let edn = write(&plans, &layout).0;
        let length = at.index(edn.len());
        let (whole, _) = run(edn.as_bytes(), JepsenSettings::default());
        // What is told at the end of the cut one is of operations that are open.
        let mut told = Vec::new();
        let cut = &edn.as_bytes()[..length];
        let summary = import(cut, "h.edn", JepsenSettings::default(), &mut |event| told.push(event));
        prop_assert!(summary.is_ok(), "{}", summary.unwrap_err());
        let open = |event: &Event| match &event.body {
            Body::SendCompleted { outcome: Outcome::Unknown { error }, .. } => {
                error == "it never completed"
            }
            _ => false,
        };
        let same = told.iter().zip(&whole).take_while(|(one, other)| one == other).count();
        let rest = told[same..].iter().filter(|event| {
            matches!(&event.body, Body::SendInvoked { .. } | Body::SendCompleted { .. } | Body::Processed { .. } | Body::ReadRolledBack { .. })
        });
        prop_assert!(rest.into_iter().all(open));
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "#{",
    "#_",
    "#",
    "##Inf",
    "\"",
    "\\",
    ";",
    "\n",
    " ",
    ",",
    ":",
    "#a ",
    "#jepsen.history.Op{",
    ":process 0 ",
    ":type :invoke ",
    ":type :ok ",
    ":type :info ",
    ":f :txn ",
    ":f :send ",
    ":f :assign ",
    ":f :crash ",
    ":value ",
    "[[:send 1 10]]",
    "[[:send 1 [0 10]]]",
    "[[:poll {1 [[0 10]]}]]",
    "[[:poll]]",
    ":send",
    ":poll",
    "nil ",
    "1 ",
    "-1 ",
    "9223372036854775808 ",
    "1/2 ",
    "0x1F ",
    "\"a\" ",
    "\\a ",
    ":time 1 ",
    "{:process 0 :type :invoke :f :send :value [[:send 1 10]]}",
    "{:process 0 :type :ok :f :send :value [[:send 1 [0 10]]]}",
];

/// Offsets are of type [`Offset`] all the way: this is only to show that the
/// largest one is taken as it is.
#[test]
fn the_largest_offset_is_an_offset() {
    let edn = "{:process 0 :type :ok :f :poll :value [[:poll {1 [[9223372036854775807 1]]}]]}
               {:process 0 :type :fail :f :poll :value [[:poll {1 [[9223372036854775807 1]]}]]}";
    let (events, summary) = run(edn.as_bytes(), JepsenSettings::default());
    assert!(summary.is_ok());
    let read = |event: &Event| match &event.body {
        Body::Processed { offset, .. } | Body::ReadRolledBack { offset, .. } => Some(*offset),
        _ => None,
    };
    let offsets: Vec<Offset> = events.iter().filter_map(read).collect();
    assert_eq!(offsets, [Offset::new(i64::MAX); 2]);
}
