//! Change data capture: PostgreSQL, Debezium and Connect together.

use std::collections::BTreeMap;
use std::time::Duration;

use stack::artefacts::Parts;
use stack::connect::{ConnectWorkerError, RestartScope};
use stack::embedded::{CdcSpec, StackSpec};
use stack::process::ProcessSnapshot;

use crate::fixture::Fixture;

#[tokio::test]
async fn a_connector_captures_survives_a_kill_of_its_worker_and_says_why_it_fails() {
    let fixture = Fixture::new(Parts::KafkaAndCdc);
    let spec = StackSpec {
        cdc: Some(CdcSpec::default()),
        ..fixture.spec()
    };
    let stack = fixture.start(spec).await;
    let cdc = stack.cdc().unwrap();
    let database = cdc.postgres().connection_parameters();
    let sql = connect(&format!(
        "host={} port={} user={} dbname={}",
        database.host, database.port, database.user, database.dbname
    ))
    .await;
    sql.batch_execute("CREATE TABLE videos (id int PRIMARY KEY); INSERT INTO videos VALUES (1)")
        .await
        .unwrap();

    let config = BTreeMap::from(
        [
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            ("plugin.name", "pgoutput"),
            ("topic.prefix", "dbserver"),
            ("table.include.list", "public.videos"),
            ("database.hostname", &database.host),
            ("database.port", &database.port.to_string()),
            ("database.user", &database.user),
            ("database.password", "unused"),
            ("database.dbname", &database.dbname),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let worker = cdc.connect();
    assert_eq!(worker.status("videos").await.unwrap(), None);
    worker.create_connector("videos", &config).await.unwrap();
    let bound = Duration::from_secs(30);
    let status = worker.wait_running("videos", bound).await.unwrap();
    assert_eq!(status.tasks.len(), 1);
    worker
        .restart("videos", RestartScope::WithTasks)
        .await
        .unwrap();
    worker.wait_running("videos", bound).await.unwrap();

    worker.service().kill().await.unwrap();
    worker.service().start().await.unwrap();
    worker.wait_running("videos", bound).await.unwrap();

    let mut wrong = config.clone();
    wrong.insert("table.include.list".to_owned(), "public.[".to_owned());
    let error = worker.create_connector("videos", &wrong).await.unwrap_err();
    assert!(
        matches!(&error, ConnectWorkerError::Refused { status: 400, message, .. } if message.contains("table.include.list")),
        "{error}"
    );
    worker.delete("videos").await.unwrap();
    cdc.postgres().service().kill().await.unwrap();
    cdc.postgres().service().start().await.unwrap();

    // Dropped in the middle of everything, it leaves nothing.
    worker.service().pause().await.unwrap();
    let data = cdc.postgres().data_dir().to_owned();
    let running: Vec<_> = stack.services().map(|it| it.snapshot().unwrap()).collect();
    assert!(running.len() == 3 && data.exists());
    drop(stack);
    assert!(!running.iter().any(ProcessSnapshot::is_alive));
    assert!(!data.exists() || data.starts_with(fixture.dir.path()));
}

async fn connect(parameters: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(parameters, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
