//! The ruling on each claim: VIOLATED where a finding contradicts it, and whether
//! there was something that could have gone wrong where none does.

use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, Guarantee};
use model::scenario::words::counted;

use crate::analysis::Analysis;
use crate::verdict::judge::groups::{
    complete, each_group, independent, no_zombie, unknown, unsettled, within_window,
};
use crate::verdict::judge::records::{no_duplicates, no_loss};
use crate::verdict::judge::recovery::recovers;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive, violated};
use crate::verdict::judge::{alerts, brokers, clients, effects, row_changes, sends, transactions};

pub(super) fn rule(guarantee: &Guarantee, contract: &Contract, analysis: &Analysis) -> Ruling {
    match guarantee.claim {
        Claim::ReprocessedWithinWindow => return within_window(contract, analysis),
        Claim::RecoversWithin => return recovers(guarantee.limit_ms, analysis),
        Claim::AlertFires => return alerts::fires(contract, analysis),
        Claim::NoFalseAlert => return alerts::none_false(contract, analysis),
        claim => {
            if let Some(ruling) = contradicted(claim, analysis) {
                return ruling;
            }
        }
    }
    let counts = &analysis.counts;
    let coverage = &analysis.coverage;
    match guarantee.claim {
        Claim::NoLoss => no_loss(analysis),
        Claim::AllAcknowledged => sends::all_acknowledged(analysis),
        Claim::OutcomesReported => sends::outcomes_told(analysis),
        Claim::NoPhantom | Claim::Intact if counts.stored + counts.change_events == 0 => {
            inconclusive("nothing is stored")
        }
        Claim::NoPhantom => held(match (counts.stored, counts.change_events) {
            (records, 0) => format!("{} stored, every one was sent", counted(records, "record")),
            (0, events) => format!(
                "{} stored, every one of a change that was committed",
                counted(events, "change event")
            ),
            (records, events) => format!(
                "{} and {} stored, every one was sent or is of a change that was committed",
                counted(records, "record"),
                counted(events, "change event")
            ),
        }),
        Claim::Intact => held(format!(
            "{} stored, all undamaged",
            stored_of(counts, counts.stored)
        )),
        Claim::NoDuplicates => no_duplicates(analysis),
        Claim::Ordered if coverage.ordered_pairs == 0 => {
            inconclusive("no two records of one producer stand in one partition")
        }
        Claim::Ordered => held(format!(
            "{} records stored in the order of sending",
            counts.distinct
        )),
        Claim::NoGroupGap => each_group(contract, analysis, |group| {
            if group.below_committed == 0 {
                return inconclusive(format!("{} committed past no record", group.name));
            }
            let settled = unsettled(group).or_else(|| unknown(group));
            if let Some(ruling) = settled.or_else(|| clients::beyond(group, analysis)) {
                return ruling;
            }
            held(format!(
                "{} processed all {} records below its committed offset{}",
                group.name,
                group.below_committed,
                group.made.map_or("", |_| ", and made something of each")
            ))
        }),
        Claim::GroupComplete => each_group(contract, analysis, |group| complete(group, analysis)),
        Claim::NothingReprocessed => each_group(contract, analysis, |group| {
            if group.processed == 0 {
                return inconclusive(format!("{} processed nothing", group.name));
            }
            if let Some(ruling) = unsettled(group) {
                return ruling;
            }
            held(format!(
                "{} processed {} records once",
                group.name, group.processed
            ))
        }),
        Claim::ReadsInOrder => each_group(contract, analysis, |group| {
            if group.steps == 0 {
                return inconclusive(format!("{} never read two records in a row", group.name));
            }
            if let Some(ruling) = clients::beyond(group, analysis) {
                return ruling;
            }
            held(format!(
                "{} made {} consecutive reads in order",
                group.name, group.steps
            ))
        }),
        Claim::NoCommitRegression => each_group(contract, analysis, |group| {
            if group.commits < 2 {
                return inconclusive(format!("{} committed {} times", group.name, group.commits));
            }
            held(format!(
                "{} committed {} times, and never went back",
                group.name, group.commits
            ))
        }),
        Claim::GroupsIndependent => independent(contract, analysis),
        Claim::NoTruncation => brokers::no_truncation(analysis),
        Claim::ReplicasAgree => brokers::replicas_agree(analysis),
        Claim::NoZombie => no_zombie(analysis),
        Claim::ReadCommitted => transactions::read_committed(analysis),
        Claim::TransactionsWhole => transactions::whole(analysis),
        Claim::NoCycles => transactions::no_cycles(analysis),
        Claim::NoRowMissing
        | Claim::NoRowDuplicate
        | Claim::NoRowPhantom
        | Claim::CommitOrder
        | Claim::NoStateDivergence => row_changes::claim(guarantee.claim, analysis),
        Claim::EffectsNoneLost
        | Claim::EffectsOnce
        | Claim::EffectsNoneInvented
        | Claim::EffectsInOrderByKey => effects::claim(guarantee.claim, analysis),
        Claim::ReprocessedWithinWindow
        | Claim::RecoversWithin
        | Claim::AlertFires
        | Claim::NoFalseAlert => inconclusive("judged by a measurement"),
    }
}

/// Counts records or change events, whichever the scenario has.
pub(super) fn stored_of(counts: &model::verdict::Counts, records: u64) -> String {
    match (records, counts.change_events) {
        (records, 0) => counted(records, "record"),
        (0, events) => counted(events, "change event"),
        (records, events) => format!(
            "{} and {}",
            counted(records, "record"),
            counted(events, "change event")
        ),
    }
}

/// VIOLATED, if a finding contradicts the claim.
fn contradicted(claim: Claim, analysis: &Analysis) -> Option<Ruling> {
    let against: Vec<String> = claim
        .contradicted_by()
        .iter()
        .filter_map(|anomaly| analysis.findings.iter().find(|of| of.anomaly == *anomaly))
        .map(|finding| {
            let first = finding.ranges.first();
            let first = first.map_or(String::new(), |named| {
                format!(", first {} {}", named.of, named.first)
            });
            format!(
                "{} {}{}{first}",
                finding.count,
                finding.anomaly,
                among(finding.anomaly, analysis)
            )
        })
        .collect();
    (!against.is_empty()).then(|| {
        let told = clients::causes(claim, analysis);
        violated(against.join("; ") + &told)
    })
}

/// Of how many, where that says more than the number alone.
fn among(anomaly: Anomaly, analysis: &Analysis) -> String {
    match anomaly {
        Anomaly::LostWrite => format!(" of {} acknowledged", analysis.counts.acknowledged),
        Anomaly::RowMissing => row_changes::among(analysis),
        Anomaly::EffectLost | Anomaly::EffectDuplicate => effects::among(anomaly, analysis),
        _ => String::new(),
    }
}
