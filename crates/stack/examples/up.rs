//! Starts a stack, prints how long each step took, and stops it.
//!
//! `cargo run -p ackproof-stack --example up -- [BROKERS] [cdc] [train]`

use std::error::Error;
use std::time::{Duration, Instant};

use stack::archive::Archives;
use stack::artefacts::{ArtefactRequest, Parts, Versions, fetch};
use stack::cache::Cache;
use stack::embedded::{CdcSpec, Stack, StackSpec};
use stack::java::find_java;
use stack::training::train;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let brokers = args.iter().find_map(|it| it.parse().ok()).unwrap_or(1);
    let request = ArtefactRequest {
        versions: Versions::default(),
        kafka_home: None,
        parts: if args.iter().any(|it| it == "cdc") {
            Parts::KafkaAndCdc
        } else {
            Parts::Kafka
        },
    };
    let since = Instant::now();
    let cache = Cache::user()?;
    let artefacts = fetch(&cache, &request, &mut |it| println!("{it:?}"))?;
    println!("artefacts   {:>6} ms", since.elapsed().as_millis());
    let since = Instant::now();
    let java = find_java()?;
    println!(
        "java        {:>6} ms: {}",
        since.elapsed().as_millis(),
        java.version
    );
    if args.iter().any(|it| it == "train") {
        let since = Instant::now();
        let archives = train(&cache, &artefacts, &java).await?;
        println!(
            "trained     {:>6} ms: {archives:?}",
            since.elapsed().as_millis()
        );
    }
    let dir = std::env::temp_dir().join(format!("ackproof-up-{}", std::process::id()));
    let spec = StackSpec {
        brokers,
        cdc: args.iter().any(|it| it == "cdc").then(CdcSpec::default),
        archives: Archives::find(&cache, &artefacts, &java),
        ..StackSpec::new(&dir)
    };
    let since = Instant::now();
    let stack = Stack::start(&artefacts, &java, spec, |it| println!("{it:?}")).await?;
    println!("ready       {:>6} ms", since.elapsed().as_millis());
    let since = Instant::now();
    stack.stop(Duration::from_millis(500)).await;
    println!("stopped     {:>6} ms", since.elapsed().as_millis());
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
