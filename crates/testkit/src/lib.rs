//! The real stack for tests: Kafka's files, a Java, brokers started from them. Panics where
//! something is missing, which is how a test fails.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request};
use stack::archive::Archives;
use stack::artefacts::{ArtefactRequest, Artefacts, Parts, Versions, fetch};
use stack::cache::Cache;
use stack::embedded::{Stack, StackSpec};
use stack::java::{Java, find_java};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The parts of a broker, in ackproof's own versions.
#[derive(Debug)]
pub struct Kafka {
    /// The user's cache.
    pub cache: Cache,
    /// Kafka's files, and Debezium's where they were asked for.
    pub artefacts: Artefacts,
    /// The Java that runs them.
    pub java: Java,
}

/// The default versions of some parts.
#[must_use]
pub fn request(parts: Parts) -> ArtefactRequest {
    ArtefactRequest {
        versions: Versions::default(),
        kafka_home: None,
        parts,
    }
}

impl Kafka {
    /// Finds these parts, and fetches the missing ones.
    #[must_use]
    pub fn find(parts: Parts) -> Self {
        let cache = Cache::user().unwrap();
        Self {
            artefacts: fetch(&cache, &request(parts), &mut |_| {}).unwrap(),
            java: find_java().unwrap(),
            cache,
        }
    }

    /// One broker, not started yet, with the start-up archives that there are:
    /// none is trained for it.
    #[must_use]
    pub fn spec(&self, dir: impl Into<PathBuf>) -> StackSpec {
        StackSpec {
            archives: Archives::find(&self.cache, &self.artefacts, &self.java),
            ..StackSpec::new(dir)
        }
    }

    /// Starts the stack, and returns when it is ready.
    pub async fn start(&self, spec: StackSpec) -> Stack {
        Stack::start(&self.artefacts, &self.java, spec, |_| {})
            .await
            .unwrap()
    }

    /// Runs one of Kafka's own tools (a class of `org.apache.kafka.tools`) to
    /// its end and returns what it printed.
    #[expect(clippy::must_use_candidate, reason = "some only do something")]
    pub fn tool(&self, bootstrap: &str, class: &str, args: &[&str]) -> String {
        let output = self
            .tool_command(class)
            .args(["--bootstrap-server", bootstrap])
            .args(args)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class}: {printed}{complained}");
        printed
    }

    /// The same, without arguments and not started.
    #[must_use]
    pub fn tool_command(&self, class: &str) -> Command {
        let mut command = Command::new(&self.java.binary);
        command
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(self.artefacts.class_path())
            .arg(format!("org.apache.kafka.tools.{class}"));
        command
    }
}

/// One request over a connection of its own, of a kind that `wire` has no call for.
pub async fn send_request<R: Request>(broker: &str, request: R, version: i16) -> R::Response {
    let mut frame = BytesMut::zeroed(4);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .encode(&mut frame, R::header_version(version))
        .unwrap();
    request.encode(&mut frame, version).unwrap();
    let length = u32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());

    let mut stream = TcpStream::connect(broker).await.unwrap();
    stream.write_all(&frame).await.unwrap();
    let length = stream.read_u32().await.unwrap();
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await.unwrap();
    let mut body = Bytes::from(body);
    ResponseHeader::decode(&mut body, R::Response::header_version(version)).unwrap();
    let response = R::Response::decode(&mut body, version).unwrap();
    assert!(!body.has_remaining());
    response
}

/// A directory that is not there yet, below one that a crate's tests have
/// (`CARGO_TARGET_TMPDIR`): for a stack that ends with the process, when
/// nothing can be cleaned up any more.
#[must_use]
pub fn fresh_dir(below: &str, name: &str) -> PathBuf {
    let dir = Path::new(below).join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    dir
}

/// A configuration.
#[must_use]
pub fn config(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    entries.iter().map(owned).collect()
}
