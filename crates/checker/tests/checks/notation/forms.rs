//! Every line of a history. What stands in braces is an example of what may
//! stand there; capitals are words, `…` a list.

use model::event::{
    AppCommitted, Body, CaptureResult, CaptureSetting, ClientRef, CommitResult, Content, Ending,
    ErrorCause, ExporterSeen, Found, Intent, Isolation, LagSeen, Outcome, RowOp, SettingEffect,
    SlotState, TransactionOutcome, TxOutcome,
};
use model::ids::{Lsn, Offset, TableIx};

use super::Scribe;
use super::words::{content, fault, member, offset, producer, record, transaction};

/// A line, and what reads the words that stand in its braces.
type Form = (&'static str, fn(&mut Scribe, &[&str]) -> Option<()>);

pub(super) const FORMS: &[Form] = &[
    // Topics, and what the history is.
    ("{t} is a topic", |s, w| {
        s.topic(w[0]);
        Some(())
    }),
    ("{t} is cleaned by {POLICY}", |s, w| s.cleaned(w)),
    ("{t} is cleaned by {delete}", |s, w| s.cleaned(w)),
    ("the history comes from {tool}", |s, w| {
        let tool = w[0].to_owned();
        s.say(Body::Imported { tool })
    }),
    ("the history lacks {WORDS…}", |s, w| {
        let description = w[0].to_owned();
        s.say(Body::Incomplete { description })
    }),
    ("the history breaks off", |s, _| {
        s.broken_off = true;
        Some(())
    }),
    ("the scenario is given up: {WHY…}", |s, w| {
        s.broken_off = true;
        let reason = w[0].to_owned();
        s.say(Body::Aborted { reason })
    }),
    ("the traffic ends", |s, _| s.say(Body::TrafficEnded)),
    ("the traffic is not known to end", |_, _| Some(())),
    ("{5} ms pass", |s, w| {
        s.passed += w[0].parse::<u64>().ok()? * 1000;
        Some(())
    }),
    // An application and what it did.
    ("the application writes {u} of {t} as {g}", |s, w| {
        let output = Some(s.topic(w[0]));
        s.application(w[1], w[2], output)
    }),
    ("the application reads {t} as {g}", |s, w| {
        s.application(w[0], w[1], None)
    }),
    ("the application committed {t-0@8}", |s, w| {
        let (partition, next) = s.place(w[0])?;
        s.begin_truth();
        s.say(Body::AppCommitted(AppCommitted {
            partition,
            next: Some(next),
        }))
    }),
    ("an effect of {p0/3} is listed", |s, w| {
        s.effect(Content::Ours(record(w[0])?), None)
    }),
    ("an effect of {WORDS…} is listed", |s, w| {
        s.effect(content(w[0])?, None)
    }),
    ("an effect of {p0/3} stands at {u-0@7}", |s, w| {
        let at = s.place(w[1])?;
        s.effect(Content::Ours(record(w[0])?), Some(at))
    }),
    ("an effect of {WORDS…} stands at {u-0@7}", |s, w| {
        let at = s.place(w[1])?;
        s.effect(content(w[0])?, Some(at))
    }),
    ("the effects are read", |s, _| s.effects_read(true)),
    ("the effects are read, and more may come", |s, _| {
        s.effects_read(false)
    }),
    ("the effects cannot be read: {WHY…}", |s, w| {
        let reason = w[0].to_owned();
        s.say(Body::EffectsUnread { reason })
    }),
    // Producers.
    ("{p0/3} is sent to {t-0}", |s, w| {
        let (record, to) = (record(w[0])?, s.partition(w[1])?);
        if s.open.contains_key(&record.producer) {
            s.transactional.insert(record);
        }
        s.say(Body::SendInvoked { record, to })
    }),
    ("{p0/3} is acknowledged at {t-0@7}", |s, w| {
        let (at, offset) = s.place(w[1])?;
        s.completed(w[0], Outcome::Acknowledged { at, offset })
    }),
    (
        "{p0/3} is acknowledged in {t-0}, without an offset",
        |s, w| {
            let (at, offset) = (s.partition(w[1])?, Offset::NONE);
            s.completed(w[0], Outcome::Acknowledged { at, offset })
        },
    ),
    ("{p0/3} is not written: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.completed(w[0], Outcome::Failed { error })
    }),
    ("{p0/3} may be written: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.completed(w[0], Outcome::Unknown { error })
    }),
    ("{p0/3} is made by {g} of {t-0@7}", |s, w| {
        let (record, group) = (record(w[0])?, s.group(w[1]));
        let (from, offset) = s.place(w[2])?;
        s.say(Body::Derived {
            record,
            group,
            from,
            offset,
        })
    }),
    ("{p0} has {20} keys", |s, w| {
        s.say(Body::KeysDeclared {
            producer: producer(w[0])?,
            keys: w[1].parse().ok()?,
        })
    }),
    ("{p0} has retried {7} times", |s, w| {
        s.say(Body::ProducerCounted {
            producer: producer(w[0])?,
            retries: w[1].parse().ok()?,
        })
    }),
    // Transactions.
    ("{p0/t1} begins", |s, w| {
        let transaction = transaction(w[0])?;
        s.open.insert(transaction.producer, transaction);
        s.say(Body::TransactionBegun { transaction })
    }),
    ("{p0/t1} is to commit", |s, w| s.asked(w[0], Intent::Commit)),
    ("{p0/t1} is to abort", |s, w| s.asked(w[0], Intent::Abort)),
    ("{p0/t1} is committed", |s, w| {
        s.ended(w[0], TransactionOutcome::Committed)
    }),
    ("{p0/t1} is aborted", |s, w| {
        s.ended(w[0], TransactionOutcome::Aborted)
    }),
    ("{p0/t1} is fenced", |s, w| {
        s.ended(w[0], TransactionOutcome::Fenced)
    }),
    ("{p0/t1} may be committed: {ERROR…}", |s, w| {
        let error = w[1].to_owned();
        s.ended(w[0], TransactionOutcome::Unknown { error })
    }),
    ("{p0/t1} takes {t-0@8} of {g}", |s, w| {
        let transaction = transaction(w[0])?;
        let (partition, offset) = s.place(w[1])?;
        let group = s.group(w[2]);
        s.say(Body::OffsetSent {
            transaction,
            group,
            partition,
            offset,
        })
    }),
    ("{m0} reads for {p0/t1}", |s, w| {
        s.say(Body::TransactionJoined {
            transaction: transaction(w[1])?,
            member: member(w[0])?,
        })
    }),
    // Groups and members.
    ("{g} reads {t, u…} with {read_committed}", |s, w| {
        let isolation = match w[2] {
            "read_committed" => Isolation::ReadCommitted,
            "read_uncommitted" => Isolation::ReadUncommitted,
            _ => return None,
        };
        s.subscribed(w[0], w[1])?;
        let group = s.group(w[0]);
        s.say(Body::IsolationDeclared { group, isolation })
    }),
    ("{g} reads {t}", |s, w| s.subscribed(w[0], w[1])),
    ("{g} reads {t, u}", |s, w| s.subscribed(w[0], w[1])),
    ("{g} relies on committed records", |s, w| {
        let group = s.group(w[0]);
        s.say(Body::ReadCommittedRequired { group })
    }),
    ("{g} makes {t} of what it reads", |s, w| {
        let (to, group) = (s.topic(w[1]), s.group(w[0]));
        s.say(Body::TransformDeclared { group, to })
    }),
    ("{g} stands at {t-0@8}", |s, w| {
        let (partition, offset) = s.place(w[1])?;
        s.stands(w[0], partition, Some(offset))
    }),
    ("{g} stands nowhere in {t-0}", |s, w| {
        let partition = s.partition(w[1])?;
        s.stands(w[0], partition, None)
    }),
    ("{g} is left to read", |s, w| {
        let group = s.group(w[0]);
        s.say(Body::WaitBegan { group })
    }),
    ("{g} is waited for", |s, w| s.waited(w[0], "1000")),
    ("{g} is waited for up to {60000} ms", |s, w| {
        s.waited(w[0], w[1])
    }),
    ("{m0} of {g} starts with {t-0…}", |s, w| {
        let (member, group) = (member(w[0])?, s.group(w[1]));
        let partitions = s.partitions(w[2])?;
        s.say(Body::MemberStarted { member, group });
        s.say(Body::Assigned { member, partitions })
    }),
    ("{m0} of {g} starts", |s, w| {
        let (member, group) = (member(w[0])?, s.group(w[1]));
        s.say(Body::MemberStarted { member, group })
    }),
    (
        "{m0} is member {2} of {g}, incarnation {3}, sending as {p1}",
        |s, w| s.named(w, producer(w[4])),
    ),
    ("{m0} is member {2} of {g}, incarnation {3}", |s, w| {
        s.named(w, None)
    }),
    ("{m0} is given {t-0…}", |s, w| {
        let (member, partitions) = (member(w[0])?, s.partitions(w[1])?);
        s.say(Body::Assigned { member, partitions })
    }),
    ("{m0} loses {t-0…}", |s, w| {
        let (member, partitions) = (member(w[0])?, s.partitions(w[1])?);
        s.say(Body::Revoked { member, partitions })
    }),
    ("{m0} processes {RECORD…} at {t-0@7}", |s, w| {
        let (from, offset) = s.place(w[2])?;
        s.say(Body::Processed {
            member: member(w[0])?,
            from,
            offset,
            content: content(w[1])?,
        })
    }),
    ("{m0} commits {t-0@8}", |s, w| {
        s.committed(w, CommitResult::Accepted)
    }),
    ("{m0} commits {t-0@8}, refused", |s, w| {
        s.committed(w, CommitResult::Refused)
    }),
    ("{m0} commits {t-0@8}, unknown", |s, w| {
        s.committed(w, CommitResult::Unknown)
    }),
    ("{m0} is moved to {t-0@3}", |s, w| {
        let (partition, next) = s.place(w[1])?;
        s.moved(w[0], partition, Some(next))
    }),
    ("{m0} is moved in {t-0}", |s, w| {
        let partition = s.partition(w[1])?;
        s.moved(w[0], partition, None)
    }),
    ("{m0} leaves", |s, w| s.left(w[0], Ending::Clean)),
    ("{m0} is killed", |s, w| s.left(w[0], Ending::Killed)),
    // What clients report.
    ("{m0} is throttled for {3000} ms", |s, w| {
        s.say(Body::Throttled {
            client: ClientRef::Member(member(w[0])?),
            throttle_ms: w[1].parse().ok()?,
        })
    }),
    ("{m0} is unable: {Error}, {2} times: {WHY…}", |s, w| {
        s.erred(w, ErrorCause::Unable)
    }),
    (
        "{m0} is not allowed: {Error}, {2} times: {WHY…}",
        |s, w| s.erred(w, ErrorCause::NotAllowed),
    ),
    ("{m0} is told: {Error}, {2} times: {WHY…}", |s, w| {
        s.erred(w, ErrorCause::Pipeline)
    }),
    // What the observer sees.
    ("{t-0} is seen to reach {7}", |s, w| {
        let (partition, end) = (s.partition(w[0])?, offset(w[1])?);
        s.say(Body::TailSeen { partition, end })
    }),
    ("{t-0} is pinned from {0} to {7}", |s, w| s.pinned(w)),
    ("{t-0} reaches from {0} to {7}", |s, w| {
        s.begin_truth();
        s.pinned(w)
    }),
    ("{t-0} is read from {5}: {LIST…}", |s, w| s.read(w, true)),
    (
        "{t-0} is read without batches from {5}: {LIST…}",
        |s, w| s.read(w, false),
    ),
    ("{t-0} holds from {5}: {LIST…}", |s, w| {
        let partition = s.partition(w[0])?;
        s.begin_truth();
        s.hold(partition, w[1], w[2], true)
    }),
    ("{t-0} is read", |s, w| {
        let partition = s.partition(w[0])?;
        s.say(Body::PartitionRead { partition })
    }),
    (
        "broker {1} is to be read of {t-0} from {0} to {7}",
        |s, w| {
            s.begin_truth();
            let partition = s.partition(w[1])?;
            s.replica_pinned(w[0], partition, offset(w[2])?, offset(w[3])?)
        },
    ),
    ("broker {1} holds {t-0} from {5}: {LIST…}", |s, w| {
        s.replica(w)
    }),
    // Alerts.
    ("the rule {Alert} needs {5000} ms", |s, w| s.rule(w, "0")),
    (
        "the rule {Alert} needs {5000} ms and looks {60000} ms back",
        |s, w| s.rule(w, w[2]),
    ),
    (
        "the exporter tells of {g} in {4} series, of its topic in {9}",
        |s, w| {
            let group = s.group(w[0]);
            let (series, of_topic) = (w[1].parse().ok()?, w[2].parse().ok()?);
            s.say(Body::ExporterSeen(ExporterSeen {
                group,
                series,
                of_topic,
            }))
        },
    ),
    ("{g} is seen {300} behind, {20} deleted", |s, w| {
        let group = s.group(w[0]);
        let (behind, deleted) = (w[1].parse().ok()?, w[2].parse().ok()?);
        s.say(Body::LagSeen(LagSeen {
            group,
            behind,
            deleted,
        }))
    }),
    (
        "the alert {Alert} of {g} is {pending} since {5} ms",
        |s, w| {
            let group = s.group(w[1]);
            s.alert(w[0], Some(group), w[2], w[3])
        },
    ),
    ("the alert {Alert} is {pending} since {5} ms", |s, w| {
        s.alert(w[0], None, w[1], w[2])
    }),
    ("Prometheus cannot be asked: {WHY…}", |s, w| {
        let reason = w[0].to_owned();
        s.say(Body::AlertsUnread { reason })
    }),
    // Change data capture.
    ("{tx0} is committed", |s, w| {
        s.closed(w[0], TxOutcome::Committed)
    }),
    ("{tx0} is rolled back", |s, w| {
        s.closed(w[0], TxOutcome::RolledBack)
    }),
    ("{tx0} may be committed", |s, w| {
        s.closed(w[0], TxOutcome::Unknown)
    }),
    ("{tx0} inserts {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Insert)
    }),
    ("{tx0} updates {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Update)
    }),
    ("{tx0} deletes {rows/7} as {c0}", |s, w| {
        s.changed(w, RowOp::Delete)
    }),
    ("{rows} is a table", |s, w| {
        s.topic(w[0]);
        s.tables.number(w[0]);
        Some(())
    }),
    ("{rows} holds {7 by c0…}", |s, w| {
        let read = s.rows(w)?;
        let table = TableIx::new(s.tables.number(w[0]));
        s.say(Body::TableRead { table, rows: read })
    }),
    ("{rows} has {2} rows, and holds {7 by c0…}", |s, w| {
        s.rows(&[w[0], w[2]])?;
        let table = TableIx::new(s.tables.number(w[0]));
        let rows = w[1].parse().ok()?;
        s.say(Body::TableRead { table, rows })
    }),
    ("the capture catches up", |s, _| {
        s.awaited(CaptureResult::CaughtUp)
    }),
    ("the capture times out", |s, _| {
        s.awaited(CaptureResult::TimedOut)
    }),
    ("the capture has failed", |s, _| {
        s.awaited(CaptureResult::Failed)
    }),
    ("the capture has confirmed all", |s, _| {
        s.awaited(CaptureResult::Confirmed)
    }),
    ("the connector {pg} begins, snapshot: {never}", |s, w| {
        s.began(w, Vec::new())
    }),
    (
        "the connector {pg} begins, snapshot: {never}, {setting} may {drop} events",
        |s, w| {
            let effect = match w[3] {
                "move" => SettingEffect::Move,
                "drop" => SettingEffect::Drop,
                "reshape" => SettingEffect::Reshape,
                "rekey" => SettingEffect::Rekey,
                _ => return None,
            };
            let description = w[2].to_owned();
            s.began(
                w,
                vec![CaptureSetting {
                    effect,
                    description,
                }],
            )
        },
    ),
    (
        "the connector's {task 0…} is {STATE…}: {TRACE…}",
        |s, w| {
            s.say(Body::ConnectorSeen {
                unit: w[0].to_owned(),
                state: w[1].to_owned(),
                trace: w[2].replace(" | ", "\n"),
            })
        },
    ),
    ("the slot has confirmed {100}", |s, w| {
        s.slot(SlotState::Kept, w[0].parse().ok()?)
    }),
    ("the slot is absent", |s, _| s.slot(SlotState::Absent, 0)),
    ("the slot is lost", |s, _| s.slot(SlotState::Lost, 0)),
    ("the write-ahead log reaches {100}", |s, w| {
        let lsn = Lsn::new(w[0].parse().ok()?);
        s.say(Body::WalReached { lsn })
    }),
    // Faults.
    ("{f0} is triggered", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultTriggered { fault })
    }),
    ("{f0} is injected", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultInjected { fault })
    }),
    ("{f0} is healed", |s, w| {
        let fault = fault(w[0])?;
        s.say(Body::FaultHealed { fault })
    }),
    ("{f0} is not healed: {WHY…}", |s, w| {
        let (fault, why) = (fault(w[0])?, w[1].to_owned());
        s.say(Body::FaultNotHealed { fault, why })
    }),
    ("{f0} is evident: {WHAT…} ({DETAIL…})", |s, w| {
        s.evidence(w, Found::Yes)
    }),
    ("{f0} is not evident: {WHAT…} ({DETAIL…})", |s, w| {
        s.evidence(w, Found::No)
    }),
];
