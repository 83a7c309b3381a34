//! One broker to measure the proxy against, until standard input ends.
//!
//! `cargo run -p ackproof-proxy --example site -- [ADVERTISED]` prints what a
//! shell needs to know of it. With an address it advertises that one, for a
//! proxy that does not rewrite.

use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

use stack::archive::Archives;
use stack::artefacts::{ArtefactRequest, Parts, Versions, fetch};
use stack::cache::Cache;
use stack::java::find_java;
use stack::jvm::Compiler;
use stack::ports::ReservedPort;
use stack::stack::{Stack, StackSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::user()?;
    let request = ArtefactRequest {
        versions: Versions::default(),
        kafka_home: None,
        parts: Parts::Kafka,
    };
    let artefacts = fetch(&cache, &request, &mut |_| {})?;
    let java = find_java()?;
    let dir = std::env::temp_dir().join(format!("ackproof-site-{}", std::process::id()));
    let port = ReservedPort::take()?;
    let mut spec = StackSpec {
        // Throughput, not a fast start, is what is measured.
        compiler: Compiler::Full,
        archives: Archives::find(&cache, &artefacts, &java),
        ..StackSpec::new(&dir)
    };
    println!("broker={}", port.addr());
    if let Some(advertised) = std::env::args().nth(1) {
        spec.advertise.insert(1, advertised.parse()?);
    }
    spec.client_ports.insert(1, port);
    let stack = Stack::start(&artefacts, &java, spec, |_| {}).await?;
    println!("java={}", java.binary.display());
    println!("classpath={}", artefacts.class_path().display());
    println!("direct={}", stack.direct_servers()[0]);
    println!("ready=yes");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    stack.stop(Duration::from_millis(100)).await;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
