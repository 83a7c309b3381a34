//! The rulings on what an application of the user's did: none lost, none twice, none invented,
//! in order.

use model::anomaly::Anomaly;
use model::claim::Claim;
use model::scenario::words::counted;

use crate::analysis::Analysis;
use crate::effects::EffectCoverage;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive};

/// The ruling where no effect contradicts the claim.
pub(super) fn claim(claim: Claim, analysis: &Analysis) -> Ruling {
    let of = &analysis.coverage.effects;
    let Some(group) = &of.group else {
        return inconclusive("there is no application");
    };
    if let Some(ruling) = not_read(of) {
        return ruling;
    }
    if of.stored == 0 {
        return inconclusive(format!("no record stands in the topic that {group} reads"));
    }
    if claim == Claim::EffectsNoneLost {
        return none_lost(group, of);
    }
    if of.effects == 0 {
        return inconclusive(format!("{group} did nothing"));
    }
    let effects = counted(of.effects, "effect");
    match claim {
        Claim::EffectsNoneInvented => {
            held(format!("{effects}, every one of a record that was sent"))
        }
        Claim::EffectsInOrderByKey if of.disordered > 0 => inconclusive(format!(
            "the log itself holds {} behind a later one of its producer: the order in which {group} \
             should have gone is not known",
            counted(of.disordered, "record")
        )),
        Claim::EffectsInOrderByKey if of.split_keys > 0 => inconclusive(format!(
            "{} in another partition than the one before of their key: their order is not known",
            counted(of.split_keys, "effect")
        )),
        Claim::EffectsInOrderByKey if of.ordered_pairs == 0 => {
            inconclusive("no two effects of records of one key stand in one partition")
        }
        Claim::EffectsInOrderByKey => held(format!(
            "{}, each behind those of earlier records of its key",
            counted(of.ordered_pairs, "effect")
        )),
        _ => held(format!(
            "{effects} of {}, one of each",
            counted(of.done, "record")
        )),
    }
}

/// Why nothing can be told of what was not seen to be wrong.
fn not_read(of: &EffectCoverage) -> Option<Ruling> {
    let why = match (&of.unread, of.read) {
        (Some(reason), _) => format!("what the application did could not be read: {reason}"),
        (None, None) => "what the application did was not read".to_owned(),
        (None, Some(read)) if !read.settled => {
            "the application may still have been at work when what it did was read".to_owned()
        }
        (None, Some(_)) if of.unrecognised > 0 => format!(
            "{} without an identity of this run, which may be of any record",
            counted(of.unrecognised, "effect")
        ),
        (None, Some(_)) => return None,
    };
    Some(inconclusive(why))
}

fn none_lost(group: &str, of: &EffectCoverage) -> Ruling {
    if of.pending > 0 {
        return inconclusive(format!(
            "{} of {} have no effect, and {group} has not committed past them: the application has \
             not come to them",
            of.pending,
            counted(of.stored, "record")
        ));
    }
    held(format!(
        "all {} have their effect",
        counted(of.stored, "stored record")
    ))
}

/// Of how many, and whose they are.
pub(super) fn among(anomaly: Anomaly, analysis: &Analysis) -> String {
    let of = &analysis.coverage.effects;
    if anomaly == Anomaly::EffectLost {
        let rest = match of.pending {
            0 => String::new(),
            pending => format!(" ({pending} more without an effect are not committed past)"),
        };
        return format!(" of {}{rest}", counted(of.stored, "stored record"));
    }
    match of.done_as_stored {
        0 => " (the log holds each of these records once: the application did it)".to_owned(),
        twice => format!(" ({twice} of the records stand in the log twice themselves)"),
    }
}
