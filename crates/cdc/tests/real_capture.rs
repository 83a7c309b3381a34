//! The crate against a real PostgreSQL, Debezium and Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use cdc::connector::connector_config;
use cdc::database::ConnectionParameters;
use cdc::debezium::{EventDecoder, RawRecord};
use cdc::schema::{self, SchemaError, Table};
use cdc::slot::{Activity, SlotWatch, Walsender};
use cdc::writer::{Writer, WriterError};
use cdc::{rows, writer::NoParent};
use model::event::{Body, ChangeContent, RowOp, TxOutcome};
use model::ids::{
    ChangeId, Lsn, Offset, PartitionIndex, PartitionRef, RowKey, RunId, TableIx, TopicIx,
    TopicName, TopicPartition,
};
use model::scenario::{Capture, Config, Write, WriteHow, WriteStart};
use stack::artefacts::Parts;
use stack::connect::{Connect, RestartScope};
use stack::embedded::{CdcSpec, Stack, StackSpec};
use testkit::{Kafka, fresh_dir};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, NoTls};
use wire::{Cluster, ClusterOptions, LogReader, ReadOptions};

const RUN: RunId = RunId::new(0xfeed);
const LIMIT: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(20);

struct Bed {
    postgres: ConnectionParameters,
    connect: Arc<Connect>,
    kafka: String,
}

/// One stack for all tests, on a runtime that outlives theirs. Its processes
/// end with this one.
fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let stack = start_stack().await;
                let cdc = stack.cdc().unwrap();
                let at = cdc.postgres().connection_parameters();
                let bed = Bed {
                    postgres: ConnectionParameters {
                        host: at.host,
                        port: at.port,
                        user: at.user,
                        dbname: at.dbname,
                        password: None,
                    },
                    connect: Arc::clone(cdc.connect()),
                    kafka: stack.direct_servers()[0].to_string(),
                };
                sender.send(bed).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    })
}

async fn start_stack() -> Stack {
    let kafka = Kafka::find(Parts::KafkaAndCdc);
    let spec = StackSpec {
        cdc: Some(CdcSpec::default()),
        ..kafka.spec(fresh_dir(env!("CARGO_TARGET_TMPDIR"), "capture-stack"))
    };
    kafka.start(spec).await
}

async fn client(at: &ConnectionParameters) -> Client {
    let (host, port, user, dbname) = (&at.host, at.port, &at.user, &at.dbname);
    let config = format!("host={host} port={port} user={user} dbname={dbname}");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A database of its own for one test, with the tables.
async fn database(name: &str) -> ConnectionParameters {
    let bed = bed();
    let create = format!("CREATE DATABASE {name}");
    client(&bed.postgres)
        .await
        .batch_execute(&create)
        .await
        .unwrap();
    let database = ConnectionParameters {
        dbname: name.to_owned(),
        ..bed.postgres.clone()
    };
    schema::create(&database, "a_publication").await.unwrap();
    database
}

fn write(table: Table, rows: u64, how: WriteHow) -> Write {
    Write {
        table: table.name().to_owned(),
        rows,
        how,
        rows_per_s: 0,
        after: None,
        start: WriteStart::AfterCapture,
        transaction: None,
        commit_after: None,
    }
}

/// Carries out a write in a task of its own, as the engine does.
async fn written(mut writer: Writer, write: Write) -> (Writer, Vec<Body>, Result<(), WriterError>) {
    let task = tokio::spawn(async move {
        let mut told = Vec::new();
        let result = writer.write(&write, &mut |body| told.push(body)).await;
        (writer, told, result)
    });
    task.await.unwrap()
}

fn outcomes(told: &[Body]) -> Vec<TxOutcome> {
    let outcome = |body: &Body| match body {
        Body::TxCompleted { outcome, .. } => Some(*outcome),
        _ => None,
    };
    told.iter().filter_map(outcome).collect()
}

/// What a COMMIT ends with when this runs inside of it.
async fn outcome_with_at_commit(name: &str, at_commit: &str) -> Vec<TxOutcome> {
    let database = database(name).await;
    let trigger = format!(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN {at_commit}; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON users
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
    );
    client(&database)
        .await
        .batch_execute(&trigger)
        .await
        .unwrap();
    let writer = Writer::connect(&database, RUN, 1).await.unwrap();
    let (_, told, result) = written(writer, write(Table::Users, 1, WriteHow::Insert)).await;
    assert!(matches!(
        result,
        Err(WriterError::Transaction {
            stage: "COMMIT",
            ..
        })
    ));
    outcomes(&told)
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_a_refused_one_rolled_back() {
    let ended = outcome_with_at_commit(
        "ended_at_commit",
        "PERFORM pg_terminate_backend(pg_backend_pid())",
    )
    .await;
    assert_eq!(ended, [TxOutcome::Unknown]);
    let refused = outcome_with_at_commit("refused_at_commit", "RAISE EXCEPTION 'no'").await;
    assert_eq!(refused, [TxOutcome::RolledBack]);
}

#[tokio::test]
async fn a_refused_row_rolls_its_transaction_back() {
    let database = database("refused_row").await;
    let other = client(&database).await;
    other
        .batch_execute("INSERT INTO users VALUES (3, 'first', '')")
        .await
        .unwrap();
    for how in [WriteHow::Insert, WriteHow::Copy] {
        let writer = Writer::connect(&database, RUN, 1).await.unwrap();
        let (_, told, result) = written(writer, write(Table::Users, 3, how)).await;
        assert!(matches!(result, Err(WriterError::Transaction { .. })));
        assert_eq!(outcomes(&told).last(), Some(&TxOutcome::RolledBack));
        assert!(matches!(told[told.len() - 2], Body::ChangeInvoked { .. }));
        other
            .batch_execute("DELETE FROM users WHERE id < 3")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_transaction_stays_open_while_another_commits() {
    let database = database("left_open").await;
    let reader = client(&database).await;
    let comments = async || {
        let row = reader.query_one("SELECT count(*) FROM comments", &[]).await;
        row.unwrap().get::<_, i64>(0)
    };
    let open = Write {
        transaction: Some("a".to_owned()),
        ..write(Table::Comments, 5, WriteHow::Insert)
    };
    let mut writer = Writer::connect(&database, RUN, 1).await.unwrap();
    let mut told = Vec::new();
    for (write, visible) in [
        (write(Table::Users, 1, WriteHow::Insert), 0),
        (write(Table::Videos, 1, WriteHow::Insert), 0),
        (open.clone(), 0),
        (write(Table::Comments, 1, WriteHow::Insert), 1),
        (open, 1),
    ] {
        let (back, more, result) = written(writer, write).await;
        result.unwrap();
        writer = back;
        told.extend(more);
        assert_eq!(comments().await, visible);
    }
    assert_eq!(outcomes(&told).len(), 3);
    writer
        .commit("a", &mut |body| told.push(body))
        .await
        .unwrap();
    assert_eq!(comments().await, 11);
    let Some(Body::TxCompleted { tx, outcome }) = told.last() else {
        panic!("the commit was not told");
    };
    assert_eq!(*outcome, TxOutcome::Committed);
    let of_tx = |body: &&Body| matches!(body, Body::ChangeInvoked { tx: of, .. } if of == tx);
    assert_eq!(told.iter().filter(of_tx).count(), 10);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_anything_is_sent() {
    let database = database("not_written").await;
    let again = schema::create(&database, "a_publication").await;
    assert!(matches!(again, Err(SchemaError::Create { .. })));
    let writer = Writer::connect(&database, RUN, 1).await.unwrap();
    let (writer, told, result) = written(writer, write(Table::Comments, 5, WriteHow::Copy)).await;
    assert!(matches!(
        result,
        Err(WriterError::NoParent(NoParent {
            table: Table::Videos
        }))
    ));
    assert_eq!(told, []);
    let unknown = Write {
        table: "likes".to_owned(),
        ..write(Table::Users, 1, WriteHow::Insert)
    };
    let (_, told, result) = written(writer, unknown).await;
    assert!(matches!(result, Err(WriterError::UnknownTable { .. })));
    assert_eq!(told, []);
}

/// One change, as the writer or an event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    id: ChangeId,
    table: TableIx,
    key: RowKey,
    is_update: bool,
}

fn invoked(told: &[Body]) -> Vec<Change> {
    told.iter()
        .filter_map(|body| match body {
            Body::ChangeInvoked {
                change,
                table,
                key,
                op,
                ..
            } => Some(Change {
                id: *change,
                table: *table,
                key: *key,
                is_update: *op == RowOp::Update,
            }),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn every_change_comes_out_across_a_restart_and_matches_the_tables() {
    let database = database("whole_way").await;
    let bed = bed();
    let witness = client(&database).await;
    witness
        .execute(
            "SELECT pg_create_logical_replication_slot('witness', 'pgoutput')",
            &[],
        )
        .await
        .unwrap();
    let capture = Capture {
        connector: "whole-way".to_owned(),
        slot: "whole_way_slot".to_owned(),
        publication: "a_publication".to_owned(),
        prefix: "wholeway".to_owned(),
        debezium: None,
        config: Config::from([("poll.interval.ms".to_owned(), "10".to_owned())]),
        worker_config: Config::new(),
        database_config: Config::new(),
    };
    let watch = SlotWatch::connect(&database, &capture.slot).await.unwrap();
    assert_eq!(watch.state().await.unwrap(), None);
    let config = connector_config(&capture, &database, None);
    bed.connect
        .create_connector(&capture.connector, &config)
        .await
        .unwrap();
    let before = await_walsender(&watch, None).await;

    let mut writer = Writer::connect(&database, RUN, 1).await.unwrap();
    let mut told = Vec::new();
    for (table, rows, how) in [
        (Table::Users, 3, WriteHow::Insert),
        (Table::Videos, 2, WriteHow::Insert),
        (Table::Comments, 4, WriteHow::InsertAndTouch),
        (Table::Comments, 3000, WriteHow::Copy),
    ] {
        let one = write(table, rows, how);
        writer
            .write(&one, &mut |body| told.push(body))
            .await
            .unwrap();
    }
    bed.connect
        .restart(&capture.connector, RestartScope::WithTasks)
        .await
        .unwrap();
    let after = await_walsender(&watch, Some(&before)).await;
    assert!(after.started.unwrap() > before.started.unwrap());
    let finish = writer.finish(&mut |body| told.push(body)).await.unwrap();
    let last = finish.last;

    let written = invoked(&told);
    assert_eq!(written.len(), 3 + 2 + 4 * 2 + 3000 + 2 * 3);
    assert_eq!(outcomes(&told), [TxOutcome::Committed; 3 + 2 + 4 + 1 + 2]);
    assert_eq!(last.len(), 3);

    let mut cluster = Cluster::connect([&bed.kafka], ClusterOptions::default())
        .await
        .unwrap();
    let mut events = BTreeMap::new();
    for (table, last) in Table::ALL.into_iter().zip(last) {
        assert_eq!(last.table, table.ix());
        let topic = format!("{}.public.{}", capture.prefix, table.name());
        read_events(&mut cluster, topic, table, last.change, &mut events).await;
    }
    let captured: Vec<_> = events.keys().copied().collect();
    assert_eq!(captured, written);

    // Once the last transaction has come out, the one before is confirmed.
    let since = Instant::now();
    while watch.state().await.unwrap().unwrap().confirmed_flush_lsn <= Some(finish.inside) {
        assert!(since.elapsed() < LIMIT, "nothing is confirmed");
        tokio::time::sleep(LOOK).await;
    }

    // The writer's order is the commits' order, and so the log's.
    let lsns: Vec<_> = events.values().copied().collect();
    assert_eq!(lsns, witnessed(&witness).await);
    assert!(lsns.iter().collect::<BTreeSet<_>>().len() < 100);

    let mut rows = Vec::new();
    rows::read_tables(&database, RUN, &mut |body| rows.push(body))
        .await
        .unwrap();
    assert_eq!(rows, replayed(&written));
}

async fn await_walsender(watch: &SlotWatch, before: Option<&Walsender>) -> Walsender {
    let since = Instant::now();
    loop {
        let walsender = watch.state().await.unwrap().and_then(|state| {
            assert!(state.confirmed_flush_lsn <= Some(state.current_wal_lsn));
            state.walsender
        });
        match walsender {
            Some(walsender)
                if walsender.activity == Activity::Sending
                    && Some(walsender.pid) != before.map(|before| before.pid) =>
            {
                return walsender;
            }
            _ => assert!(
                since.elapsed() < LIMIT,
                "no connector streams: {walsender:?}"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads until the event of `last` has come, the first event of each change.
async fn read_events(
    cluster: &mut Cluster,
    topic: String,
    table: Table,
    last: ChangeId,
    events: &mut BTreeMap<Change, Lsn>,
) {
    let decoder = EventDecoder::new(
        RUN,
        PartitionRef {
            topic: TopicIx::new(0),
            partition: PartitionIndex::new(0),
        },
        table.ix(),
        Arc::default(),
    );
    let place = TopicPartition {
        topic: TopicName::new(topic),
        partition: PartitionIndex::new(0),
    };
    let mut reader = LogReader::new(place, Offset::new(0), ReadOptions::default());
    let since = Instant::now();
    loop {
        let batches = reader.poll(cluster, LOOK).await.unwrap();
        for record in batches.iter().flat_map(|batch| &batch.records) {
            let raw = RawRecord {
                offset: record.offset,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: Vec::new(),
            };
            let told = decoder.decode(&raw);
            let Some(Body::ChangeEvent {
                table,
                key,
                op,
                content: ChangeContent::Ours(id),
                lsn,
                ..
            }) = told
            else {
                panic!("not an event of ours: {told:?}");
            };
            let change = Change {
                id,
                table,
                key,
                is_update: op == RowOp::Update,
            };
            events.entry(change).or_insert(lsn);
            if id == last {
                return;
            }
        }
        assert!(since.elapsed() < LIMIT, "{} stays silent", table.name());
    }
}

/// The position of every inserted or updated row, as the server itself decodes
/// them for another slot.
async fn witnessed(client: &Client) -> Vec<Lsn> {
    // A pgoutput message begins with its kind: I is an insert, U an update.
    // (PostgreSQL documentation, Logical Replication Message Formats.)
    let rows = client
        .query(
            "SELECT lsn FROM pg_logical_slot_peek_binary_changes('witness', NULL, NULL,
                 'proto_version', '1', 'publication_names', 'a_publication')
             WHERE get_byte(data, 0) IN (ascii('I'), ascii('U'))",
            &[],
        )
        .await
        .unwrap();
    rows.iter()
        .map(|row| Lsn::new(row.get::<_, PgLsn>(0).into()))
        .collect()
}

/// The rows that these changes leave.
fn replayed(changes: &[Change]) -> Vec<Body> {
    let state: BTreeMap<_, _> = changes
        .iter()
        .map(|change| ((change.table, change.key), change.id))
        .collect();
    Table::ALL
        .into_iter()
        .flat_map(|table| {
            let rows: Vec<_> = state
                .iter()
                .filter(|((of, _), _)| *of == table.ix())
                .map(|((table, key), id)| Body::TableRow {
                    table: *table,
                    key: *key,
                    content: ChangeContent::Ours(*id),
                })
                .collect();
            let read = Body::TableRead {
                table: table.ix(),
                rows: rows.len() as u64,
            };
            rows.into_iter().chain([read])
        })
        .collect()
}
