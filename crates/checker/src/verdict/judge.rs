//! From findings to verdicts. Pure: the same analysis and contract give the
//! same verdict, whenever and wherever. Knows nothing of events.
//!
//! Proof is proof: a guarantee that a finding contradicts is VIOLATED,
//! whatever else is doubtful, because findings are made only from what was
//! read completely. HELD needs more than the absence of findings: every fault
//! landed and met traffic, the history is whole, the instrument found its own
//! mutants, and there was something that could have gone wrong.

mod brokers;
mod clients;
mod row_changes;
mod sends;
mod transactions;

use model::anomaly::Anomaly;
use model::claim::{Claim, Contract, FaultContract, Guarantee, Level, Traffic};
use model::event::{Evidence, Found};
use model::ids::{GroupIx, Micros};
use model::scenario::words::counted;
use model::verdict::{
    Calibration, FaultVerdict, GuaranteeVerdict, PartFailure, ScenarioVerdict, Verdict,
};

use crate::derived::DerivationCoverage;
use crate::groups::readers::GroupCoverage;
use crate::measure::{FaultRecord, GroupActivity, TrafficMet};
use crate::passes::checker::{Analysis, Coverage};

/// The verdict on one scenario, run once.
pub fn judge(
    contract: &Contract,
    name: &str,
    repetition: u32,
    analysis: &Analysis,
    calibration: Vec<Calibration>,
) -> ScenarioVerdict {
    let faults: Vec<FaultVerdict> = contract
        .faults
        .iter()
        .map(|fault| judge_fault(fault, analysis))
        .collect();
    let mut doubts = doubts(contract, &faults, analysis, &calibration);
    doubts.extend(clients::idle_quotas(contract, analysis));
    let guarantees: Vec<GuaranteeVerdict> = contract
        .guarantees
        .iter()
        .map(|guarantee| {
            let Ruling(verdict, reason) = match rule(guarantee, contract, analysis) {
                Ruling(Verdict::Held, reason) if !doubts.is_empty() => Ruling(
                    Verdict::Inconclusive,
                    format!("{reason}; but {}", doubts.join("; ")),
                ),
                ruling => ruling,
            };
            GuaranteeVerdict {
                claim: guarantee.claim,
                level: guarantee.level,
                verdict,
                reason,
            }
        })
        .collect();
    let (verdict, as_expected) = conclude(&guarantees, &doubts);
    ScenarioVerdict {
        name: name.to_owned(),
        repetition,
        timing: None,
        stopped: None,
        verdict,
        as_expected,
        doubts,
        guarantees,
        findings: analysis.findings.clone(),
        counts: analysis.counts,
        faults,
        failures: failures(&analysis.coverage),
        measurements: analysis.measurements.clone(),
        calibration,
    }
}

/// The parts of the pipeline that failed by themselves.
fn failures(coverage: &Coverage) -> Vec<PartFailure> {
    let deleted = coverage.occurrences.deleted.iter();
    let capture = coverage.capture.iter().flat_map(|it| &it.failures);
    deleted.chain(capture).cloned().collect()
}

/// The scenario's verdict, and whether it is the one it is there to show.
fn conclude(guarantees: &[GuaranteeVerdict], doubts: &[String]) -> (Verdict, bool) {
    let at = |level: Level| {
        guarantees
            .iter()
            .filter(move |guarantee| guarantee.level == level)
            .map(|guarantee| guarantee.verdict)
    };
    let required = at(Level::Required).max().unwrap_or(Verdict::Held);
    let mut expected_seen = true;
    let mut verdict = required;
    for expected in at(Level::ExpectViolated) {
        let seen = expected == Verdict::Violated;
        expected_seen &= seen;
        verdict = verdict.max(if seen {
            Verdict::Violated
        } else {
            Verdict::Inconclusive
        });
    }
    let claims = at(Level::Required).count() + at(Level::ExpectViolated).count();
    if !doubts.is_empty() || claims == 0 {
        verdict = verdict.max(Verdict::Inconclusive);
    }
    let as_expected = required == Verdict::Held && expected_seen && doubts.is_empty() && claims > 0;
    (verdict, as_expected)
}

/// Why the run as a whole cannot tell.
fn doubts(
    contract: &Contract,
    faults: &[FaultVerdict],
    analysis: &Analysis,
    calibration: &[Calibration],
) -> Vec<String> {
    let mut doubts = Vec::new();
    for fault in faults.iter().filter(|fault| !fault.landed) {
        doubts.push(format!(
            "the fault {} never took effect: {}",
            fault.kind,
            why_not(fault)
        ));
    }
    let happened = &analysis.coverage.occurrences;
    let missing = contract.must_happen.iter().filter(|it| !happened.has(it));
    doubts.extend(missing.map(|it| format!("what the scenario is about did not happen: {it}")));
    let completeness = &analysis.completeness;
    match &completeness.aborted {
        Some(reason) => doubts.push(format!(
            "the scenario was given up: {reason}{}",
            clients::reports(analysis)
        )),
        None if !completeness.completed => {
            doubts.push("the history ends before the run was completed".to_owned());
        }
        None => {}
    }
    if !completeness.unread.is_empty() {
        let unread = completeness.unread.join(", ");
        doubts.push(format!("not read to the end: {unread}"));
    }
    if completeness.strays > 0 {
        doubts.push(format!(
            "{} reads or commits of members that the history does not introduce",
            completeness.strays
        ));
    }
    for what in &completeness.lacking {
        doubts.push(format!("the history lacks something: {what}"));
    }
    if let Some(capture) = &analysis.coverage.capture {
        if !capture.unread.is_empty() {
            let unread = capture.unread.join(", ");
            doubts.push(format!(
                "tables or their topics not read to the end: {unread}"
            ));
        }
        doubts.extend(row_changes::doubts(capture));
        if capture.disowned > 0 {
            doubts.push(format!(
                "the database does not hold {} rows as it confirmed them",
                capture.disowned
            ));
        }
    }
    for missed in calibration.iter().filter(|mutant| !mutant.found) {
        doubts.push(format!(
            "the checker missed a planted {}: {}",
            missed.anomaly, missed.mutation
        ));
    }
    doubts
}

/// What keeps a fault from having landed.
fn why_not(fault: &FaultVerdict) -> String {
    let missing = fault.evidence.iter();
    let missing = missing.filter(|evidence| evidence.found == Found::No);
    if fault.injected_ms.is_none() {
        // The last is that traffic met it, which goes without saying.
        let told = missing.take(fault.evidence.len().saturating_sub(1));
        let mut told = told.map(|evidence| format!(": {}", evidence.detail));
        return format!("it was never in force{}", told.next().unwrap_or_default());
    }
    let missing: Vec<String> = missing
        .map(|evidence| format!("not found: {} ({})", evidence.what, evidence.detail))
        .collect();
    if missing.is_empty() {
        "nobody looked for evidence of it".to_owned()
    } else {
        missing.join(", ")
    }
}

/// A fault landed when it came into force, somebody saw it independently,
/// nothing that was looked for was missing, and traffic met it. Whether what it
/// broke came back is what the claims are about, and no part of that.
fn judge_fault(contract: &FaultContract, analysis: &Analysis) -> FaultVerdict {
    let none = FaultRecord::default();
    let record = analysis.faults.get(&contract.fault).unwrap_or(&none);
    let mut evidence = record.evidence.clone();
    evidence.push(traffic_met(&contract.meets, record, analysis));
    let landed = record.injected.is_some()
        && !record.evidence.is_empty()
        && evidence.iter().all(|seen| seen.found == Found::Yes);
    FaultVerdict {
        kind: contract.kind.clone(),
        landed,
        injected_ms: record.injected.map(Micros::as_millis),
        healed_ms: record.healed.map(Micros::as_millis),
        evidence,
        aftermath: record.aftermath.clone(),
    }
}

fn traffic_met(wanted: &Traffic, record: &FaultRecord, analysis: &Analysis) -> Evidence {
    let met = &record.met;
    let (found, detail) = match wanted {
        Traffic::Any => any_traffic(met),
        Traffic::Reads { group } => {
            let reads = group_named(analysis, group)
                .and_then(|ix| met.reads.get(&ix))
                .copied()
                .unwrap_or_default();
            (
                reads.waiting + reads.acknowledged + reads.processed > 0,
                format!(
                    "{} waiting for {group} when it came into force, {} acknowledged and {} \
                     processed while it lasted",
                    counted(reads.waiting, "record"),
                    reads.acknowledged,
                    reads.processed
                ),
            )
        }
        Traffic::Changes => (
            met.changes_waiting + met.changes_committed > 0,
            format!(
                "{} without an event when it came into force, {} committed while it lasted",
                counted(met.changes_waiting, "committed change"),
                met.changes_committed
            ),
        ),
    };
    Evidence {
        what: "traffic met it".to_owned(),
        found: if found { Found::Yes } else { Found::No },
        detail,
    }
}

/// Whether anything went on while a fault lasted. What only waited to be read
/// does not count: nobody may have been reading.
fn any_traffic(met: &TrafficMet) -> (bool, String) {
    let detail = format!(
        "{} outstanding when it came into force, {} attempted while it lasted",
        counted(met.sends_outstanding, "send"),
        met.sends_attempted
    );
    let processed = met.reads.values().map(|reads| reads.processed).sum::<u64>();
    let others = [
        (processed, "record", "processed while it lasted"),
        (met.commits, "position", "committed while it lasted"),
        (
            met.changes_waiting,
            "committed change",
            "without an event when it came into force",
        ),
        (met.changes_committed, "change", "committed while it lasted"),
    ];
    let sends = met.sends_outstanding + met.sends_attempted;
    let any = sends > 0 || others.iter().any(|(count, _, _)| *count > 0);
    let met = others.into_iter().filter(|(count, _, _)| *count > 0);
    let met = met.map(|(count, one, what)| format!("{} {what}", counted(count, one)));
    let all: Vec<String> = std::iter::once(detail).chain(met).collect();
    (any, all.join(", "))
}

fn group_named(analysis: &Analysis, name: &str) -> Option<GroupIx> {
    let mut groups = analysis.names.groups.iter();
    groups
        .find(|(_, group)| group.name == name)
        .map(|(ix, _)| *ix)
}

/// What can be said of a claim by itself, and why.
struct Ruling(Verdict, String);

fn held(reason: String) -> Ruling {
    Ruling(Verdict::Held, reason)
}

fn inconclusive(reason: impl Into<String>) -> Ruling {
    Ruling(Verdict::Inconclusive, reason.into())
}

fn violated(reason: String) -> Ruling {
    Ruling(Verdict::Violated, reason)
}

fn rule(guarantee: &Guarantee, contract: &Contract, analysis: &Analysis) -> Ruling {
    match guarantee.claim {
        Claim::ReprocessedWithinWindow => return within_window(contract, analysis),
        Claim::RecoversWithin => return recovers(guarantee.limit_ms, analysis),
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
            of(counts, counts.stored)
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
        Claim::ReprocessedWithinWindow | Claim::RecoversWithin => {
            inconclusive("judged by a measurement")
        }
    }
}

/// Counts records or change events, whichever the scenario has.
fn of(counts: &model::verdict::Counts, records: u64) -> String {
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
            let first = finding.named.first();
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
        _ => String::new(),
    }
}

fn no_loss(analysis: &Analysis) -> Ruling {
    let (counts, coverage) = (&analysis.counts, &analysis.coverage);
    if coverage.expired > 0 {
        return inconclusive(format!(
            "{} acknowledged records lie below the log start: retention may have taken them",
            coverage.expired
        ));
    }
    if coverage.compacted > 0 {
        return inconclusive(format!(
            "{} acknowledged records lie in holes of compacted topics: later ones of their keys \
             may have replaced them",
            coverage.compacted
        ));
    }
    if coverage.damaged > 0 {
        return inconclusive(format!(
            "damaged records stand where {} were acknowledged",
            coverage.damaged
        ));
    }
    if counts.acknowledged > 0 && coverage.settled_acks < counts.acknowledged {
        return inconclusive(format!(
            "only {} of {} acknowledged records could be looked for",
            coverage.settled_acks, counts.acknowledged
        ));
    }
    match &coverage.capture {
        Some(capture) if capture.changes > 0 => {
            match row_changes::claim(Claim::NoRowMissing, analysis) {
                Ruling(Verdict::Held, reason) if counts.acknowledged > 0 => {
                    held(format!("{}; {reason}", all_kept(analysis)))
                }
                ruling => ruling,
            }
        }
        _ if counts.acknowledged == 0 => inconclusive("nothing was acknowledged"),
        _ => held(all_kept(analysis)),
    }
}

/// Where all acknowledged records are, when none is lost.
fn all_kept(analysis: &Analysis) -> String {
    let acknowledged = analysis.counts.acknowledged;
    match analysis.coverage.replaced {
        0 => format!("{acknowledged} acknowledged records, all stored"),
        replaced => format!(
            "{acknowledged} acknowledged records: {} stored, {replaced} replaced by later ones of \
             their keys",
            acknowledged - replaced
        ),
    }
}

fn no_duplicates(analysis: &Analysis) -> Ruling {
    let (stored, derived) = (analysis.counts.stored, &analysis.coverage.derived);
    if stored == 0 {
        return inconclusive("nothing is stored");
    }
    if derived.unsettled > 0 {
        return inconclusive(format!(
            "{} records were made in transactions of unknown outcome",
            derived.unsettled
        ));
    }
    let each_once = format!("{} stored, each once", counted(stored, "record"));
    match derived {
        DerivationCoverage { groups: 0, .. } => held(each_once),
        DerivationCoverage { made: 0, .. } => {
            inconclusive("nothing was made of any record, though a group writes")
        }
        DerivationCoverage { made, aborted, .. } => held(format!(
            "{each_once}; {made} of them were made of others, one of each, and {aborted} more \
             were aborted"
        )),
    }
}

/// The worst of the groups' rulings; every group of the contract must be
/// there.
fn each_group(
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
fn unsettled(group: &GroupCoverage) -> Option<Ruling> {
    (group.unsettled > 0).then(|| {
        inconclusive(format!(
            "{} processed {} records in transactions of unknown outcome",
            group.name, group.unsettled
        ))
    })
}

/// What was deleted before anybody could see whether the group was to be
/// given it.
fn unknown(group: &GroupCoverage) -> Option<Ruling> {
    (group.unknown > 0).then(|| {
        inconclusive(format!(
            "{} committed past {} offsets below the log start that were neither acknowledged nor \
             processed",
            group.name, group.unknown
        ))
    })
}

/// Put to the test only where somebody could have gone on with a partition
/// that was no longer his.
fn no_zombie(analysis: &Analysis) -> Ruling {
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

fn complete(group: &GroupCoverage, analysis: &Analysis) -> Ruling {
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
            "{name} did not process {} of {} records, and nobody waited for it",
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
fn within_window(contract: &Contract, analysis: &Analysis) -> Ruling {
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
        let again = group.reprocessed - group.copies;
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

fn recovers(limit_ms: Option<u64>, analysis: &Analysis) -> Ruling {
    let Some(limit_ms) = limit_ms else {
        return inconclusive("the claim names no limit");
    };
    if let Some(why) = analysis.faults.values().find_map(|it| it.lost.as_ref()) {
        return violated(format!("it never came back: {why}"));
    }
    let groups = analysis.measurements.groups.iter();
    let mut measured: Vec<(String, u64)> = groups
        .filter_map(|group| Some((group.group.clone(), group.recovery_ms?)))
        .collect();
    let capture = analysis.measurements.capture.as_ref();
    if let Some(first_ms) = capture.and_then(|capture| capture.first_event_ms) {
        measured.push(("the capture".to_owned(), first_ms));
    }
    let Some((who, took_ms)) = measured.into_iter().max_by_key(|(_, took_ms)| *took_ms) else {
        return inconclusive("nothing came back after a restart, or nothing was restarted");
    };
    let what = format!("{who} was back after {took_ms} ms, {limit_ms} ms allowed");
    if took_ms > limit_ms {
        violated(what)
    } else {
        held(what)
    }
}

fn independent(contract: &Contract, analysis: &Analysis) -> Ruling {
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
