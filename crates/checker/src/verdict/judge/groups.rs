//! The rulings on groups.

use model::claim::Contract;
use model::ids::Micros;
use model::scenario::words::counted;
use model::verdict::Verdict;

use crate::analysis::Analysis;
use crate::groups::coverage::GroupCoverage;
use crate::invariants::without;
use crate::measure::GroupActivity;
use crate::verdict::judge::clients;
use crate::verdict::judge::ruling::{Ruling, held, inconclusive, violated};

/// The worst of the groups' rulings; every group of the contract must be
/// there.
pub(super) fn each_group(
    contract: &Contract,
    analysis: &Analysis,
    rule: impl Fn(&GroupCoverage) -> Ruling,
) -> Ruling {
    let groups = &analysis.coverage.groups;
    let absent = contract
        .groups
        .iter()
        .find(|wanted| !groups.iter().any(|group| group.name == wanted.name));
    if let Some(absent) = absent {
        return inconclusive(format!("the group {} never came up", absent.name));
    }
    let rulings: Vec<Ruling> = groups.iter().map(rule).collect();
    let Some(worst) = rulings.iter().map(|ruling| ruling.0).max() else {
        return inconclusive("there is no group");
    };
    let reasons: Vec<String> = rulings
        .into_iter()
        .filter(|ruling| ruling.0 == worst)
        .map(|ruling| ruling.1)
        .collect();
    Ruling(worst, reasons.join("; "))
}

/// What keeps a group's readings from being counted.
pub(super) fn unsettled(group: &GroupCoverage) -> Option<Ruling> {
    (group.unsettled > 0).then(|| {
        inconclusive(format!(
            "{} processed {} records in transactions of unknown outcome",
            group.name, group.unsettled
        ))
    })
}

/// What was deleted before it could be seen whether the group was to be
/// given it.
pub(super) fn unknown(group: &GroupCoverage) -> Option<Ruling> {
    (group.unknown > 0).then(|| {
        inconclusive(format!(
            "{} committed past {} offsets below the log start that were neither acknowledged nor \
             processed",
            group.name, group.unknown
        ))
    })
}

/// Put to the test only where a member could have gone on with a partition
/// that was no longer his.
pub(super) fn no_zombie(analysis: &Analysis) -> Ruling {
    let coverage = &analysis.coverage.zombies;
    if coverage.outlived + coverage.overtaken == 0 {
        return inconclusive("no partition was taken from a member that went on");
    }
    held(format!(
        "partitions were taken {} times from a member that went on, and went over {} times to \
         another before the former had been told; none was touched by its former member",
        coverage.outlived, coverage.overtaken
    ))
}

pub(super) fn complete(group: &GroupCoverage, analysis: &Analysis) -> Ruling {
    let name = &group.name;
    if group.stored == 0 {
        return inconclusive(format!("there was nothing for {name} to read"));
    }
    if let Some(ruling) = unsettled(group) {
        return ruling;
    }
    if group.unstable > 0 {
        return inconclusive(format!(
            "{} records stand behind a transaction that was never closed, where {name} does not \
             get to",
            group.unstable
        ));
    }
    let client = clients::beyond(group, analysis);
    if let Some(ruling) = client.or_else(|| clients::slow(group, analysis)) {
        return ruling;
    }
    if group.behind > 0 {
        return inconclusive(format!(
            "{name} did not process {} of {} records, and the run did not wait for it",
            group.behind, group.stored
        ));
    }
    if group.behind_expired > 0 {
        return inconclusive(format!(
            "{} acknowledged records were deleted before {name} came to them",
            group.behind_expired
        ));
    }
    if let Some(ruling) = unknown(group) {
        return ruling;
    }
    if group.gaps > 0 {
        return inconclusive(format!(
            "{name} committed past {} of {} records without processing them",
            group.gaps,
            group.stored + group.gaps_expired
        ));
    }
    held(format!("{name} processed all {} records", group.stored))
}

/// As many records may be processed again as a member may have processed
/// without committing, once for each member that went away before its group
/// went on.
pub(super) fn within_window(contract: &Contract, analysis: &Analysis) -> Ruling {
    each_group(contract, analysis, |group| {
        let name = &group.name;
        let Some(of) = contract.groups.iter().find(|of| of.name == *name) else {
            return inconclusive(format!("the contract does not say how {name} commits"));
        };
        let at = analysis
            .coverage
            .groups
            .iter()
            .position(|of| of.name == *name);
        let restarts = at
            .and_then(|at| analysis.coverage.activity.get(at))
            .map_or(0, |activity| activity.restarts);
        let allowed = of.commit_every_records.saturating_mul(restarts);
        // What the log holds twice is not a record that was read again.
        let again = without(
            group.reprocessed,
            group.copies,
            "copies, of records processed again",
        );
        let what = format!(
            "{name} processed {} again, {allowed} allowed: {}, a commit every {} records",
            counted(again, "record"),
            counted(restarts, "restart"),
            of.commit_every_records
        );
        if again > allowed {
            violated(what)
        } else if let Some(ruling) = unsettled(group) {
            ruling
        } else if group.processed == 0 || restarts == 0 {
            inconclusive(format!("{name} was never interrupted while it was reading"))
        } else {
            held(what)
        }
    })
}

pub(super) fn independent(contract: &Contract, analysis: &Analysis) -> Ruling {
    let groups = &analysis.coverage.groups;
    if groups.len() < 2 {
        return inconclusive("there are no two groups");
    }
    let complete = each_group(contract, analysis, |group| complete(group, analysis));
    let Ruling(Verdict::Held, complete) = complete else {
        return complete;
    };
    let active: Option<Vec<(Micros, Micros)>> = analysis
        .coverage
        .activity
        .iter()
        .map(|activity: &GroupActivity| activity.active)
        .chain([analysis.coverage.sending])
        .collect();
    let Some(active) = active else {
        return inconclusive("a group, or the sending, was never active");
    };
    let from = active
        .iter()
        .map(|(first, _)| *first)
        .max()
        .unwrap_or_default();
    let to = active
        .iter()
        .map(|(_, last)| *last)
        .min()
        .unwrap_or_default();
    if from >= to {
        return inconclusive(
            "the groups did not read while the others and the producers were active",
        );
    }
    held(format!(
        "{complete}; all were reading at once for {} ms while records were sent",
        to.since(from).as_millis()
    ))
}
