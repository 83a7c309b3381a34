//! What clients could not do, what they were too slow for, and what they
//! reported of it: what takes a verdict from a claim, and what stands beside
//! one as its cause.

use model::claim::{Claim, Contract};
use model::verdict::{ErrorMeaning, ReportedError};

use crate::analysis::Analysis;
use crate::groups::coverage::GroupCoverage;
use crate::verdict::judge::ruling::{Ruling, inconclusive};

/// Errors that are told beside a verdict, at most; verdict.json has all.
const TOLD_MAX: usize = 3;

/// Why it is unknown where the records that a group lacks are ones that its
/// members' clients cannot read: they are there, and the pipeline has done its
/// part.
pub(super) fn beyond(group: &GroupCoverage, analysis: &Analysis) -> Option<Ruling> {
    let limit = group
        .client_limit
        .as_ref()
        .filter(|_| group.beyond_client > 0)?;
    let mut errors = analysis.measurements.errors.iter();
    let of = errors.find(|of| of.client == group.name && of.error == *limit);
    let limit = of.map_or_else(|| limit.clone(), words);
    Some(inconclusive(format!(
        "the instrument's limit: {} did not process {} of {} records, and its client reported \
         {limit}",
        group.name, group.beyond_client, group.stored
    )))
}

/// Why it is unknown where a group was still coming to what it lacks, or was
/// not given the time.
pub(super) fn slow(group: &GroupCoverage, analysis: &Analysis) -> Option<Ruling> {
    let name = &group.name;
    if group.to_come > 0 {
        let mut still = analysis.measurements.still_reading.iter();
        let pace = still.find(|of| of.group == *name).map(|of| {
            let needs = of.estimated_ms.map_or_else(
                || "it came to none of them".to_owned(),
                |ms| format!("so it would need about {} s more", ms.div_ceil(1000)),
            );
            format!(
                " after {} s in which it came to {} records ({} records/s), {needs}",
                of.waited_ms / 1000,
                of.progressed,
                tenths(
                    of.progressed
                        .saturating_mul(10_000)
                        .checked_div(of.waited_ms)
                )
            )
        });
        return Some(inconclusive(format!(
            "{name} was still reading, {} of {} records{}{}",
            group.distinct,
            group.stored,
            pace.unwrap_or_default(),
            throttled(name, analysis)
        )));
    }
    (group.hindered > 0).then(|| {
        inconclusive(format!(
            "{name} did not process {} of {} records, and faults were in force for most of the \
             time that it was given",
            group.hindered, group.stored
        ))
    })
}

/// The quotas that throttled no client: a scenario that sets one is about clients
/// that are throttled, and what did not happen was not put to the test.
pub(super) fn idle_quotas(contract: &Contract, analysis: &Analysis) -> Vec<String> {
    let throttled = &analysis.measurements.throttled;
    let quotas = contract.quotas.iter();
    let idle = quotas.filter(|quota| {
        !throttled
            .iter()
            .any(|of| quota.clients.contains(&of.client))
    });
    idle.map(|quota| match quota.clients.as_slice() {
        [] => format!("the quota {} is for no client of the scenario", quota.what),
        clients => format!(
            "the quota {} throttled no client: the brokers never told {} to wait",
            quota.what,
            clients.join(", ")
        ),
    })
    .collect()
}

/// That brokers told a client to wait, if they did.
fn throttled(who: &str, analysis: &Analysis) -> String {
    let mut throttled = analysis.measurements.throttled.iter();
    throttled
        .find(|of| of.client == who)
        .map_or_else(String::new, |of| {
            format!(
                "; the brokers throttled it for {} s",
                tenths(Some(of.total_ms / 100))
            )
        })
}

/// A number of tenths.
fn tenths(of: Option<u64>) -> String {
    of.map_or_else(
        || "no".to_owned(),
        |tenths| format!("{}.{}", tenths / 10, tenths % 10),
    )
}

/// What the members of groups reported, beside a verdict that says that they
/// lack something.
pub(super) fn causes(claim: Claim, analysis: &Analysis) -> String {
    let of_groups = [
        Claim::NoGroupGap,
        Claim::GroupComplete,
        Claim::GroupsIndependent,
        Claim::ReadsInOrder,
    ];
    if of_groups.contains(&claim) {
        reports(analysis)
    } else {
        String::new()
    }
}

/// What the members of groups reported; what a fault does to connections is
/// left out.
pub(super) fn reports(analysis: &Analysis) -> String {
    let errors = analysis.measurements.errors.iter();
    let groups = &analysis.coverage.groups;
    let of_consumers = errors.filter(|of| {
        let of_send = matches!(of.meaning, ErrorMeaning::Failed | ErrorMeaning::Unknown);
        let of_group = groups.iter().any(|group| group.name == of.client);
        of_group && !of_send && !is_of_connections(&of.error)
    });
    told(of_consumers, "reported")
}

/// Why sends failed, as their producers were told.
pub(super) fn reasons(analysis: &Analysis) -> String {
    let errors = analysis.measurements.errors.iter();
    let of_sends =
        errors.filter(|of| matches!(of.meaning, ErrorMeaning::Failed | ErrorMeaning::Unknown));
    told(of_sends, "was told")
}

fn told<'e>(errors: impl Iterator<Item = &'e ReportedError>, how: &str) -> String {
    let mut told: Vec<String> = errors
        .map(|of| format!("; {} {how} {}", of.client, words(of)))
        .collect();
    let more = told.len().saturating_sub(TOLD_MAX);
    told.truncate(TOLD_MAX);
    if more > 0 {
        told.push(format!("; and {more} more"));
    }
    told.concat()
}

/// An error, how often, and the client's own words.
fn words(of: &ReportedError) -> String {
    let times = match of.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    if of.reason.is_empty() {
        format!("{} ({times})", of.error)
    } else {
        format!("{} ({times}: {})", of.error, of.reason)
    }
}

/// What comes and goes with a connection says nothing of its own.
fn is_of_connections(error: &str) -> bool {
    // librdkafka's names, and those that were recorded before it told them itself.
    let own = ["_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"];
    let before = ["BrokerTransportFailure", "AllBrokersDown", "Resolve"];
    (own.iter().chain(&before)).any(|name| error.contains(name))
}
