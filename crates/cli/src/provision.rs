//! Brings together what a stack needs, files and Java, and says on standard
//! error what takes its time. Knows nothing of what the stack is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use engine::{ClientUnavailable, Clients};
use model::plan::RunPlan;
use model::scenario::NamedReleases;
use model::scenario::client::ClientSpec;
use stack::artefacts::{
    ArtefactRequest, Artefacts, FetchError, FetchProgress, Part, PartKind, Pinning, supported,
};
use stack::cache::Cache;
use stack::diagnose::{LEAST_OPEN_FILES, too_few_files};
use stack::java::{Java, find_java};
use stack::java_client::JavaClientError;
use stack::maven::MavenError;
use stack::pip::PipError;
use subject::role::ClientCommand;

use crate::failure::Failure;
use crate::output::note;
use crate::version;

/// Everything that a stack is made of.
#[derive(Clone, Debug)]
pub(crate) struct Provision {
    pub(crate) cache: Cache,
    pub(crate) artefacts: Artefacts,
    /// The same of other releases, for the scenarios that name one.
    pub(crate) others: BTreeMap<NamedReleases, Artefacts>,
    pub(crate) java: Java,
}

/// A broker could not open its jars.
#[derive(Debug, thiserror::Error)]
#[error("only {limit} files may be open at once (ulimit -Hn)")]
struct TooFewFiles {
    limit: u64,
}

/// The fetching broke off.
#[derive(Debug, thiserror::Error)]
#[error("fetching the stack's files broke off")]
struct BrokeOff(#[source] tokio::task::JoinError);

/// Finds Java, and fetches what is not in the cache.
pub(crate) async fn provide(request: &ArtefactRequest) -> Result<Provision, Failure> {
    supported(request).map_err(|error| Failure::usage(&error))?;
    let cache = Cache::user().map_err(|error| Failure::environment(&error))?;
    if let Some(limit) = too_few_files() {
        return Err(Failure::environment(&TooFewFiles { limit }).hint(format!(
            "a broker needs {LEAST_OPEN_FILES}: raise the limit (ulimit -n {LEAST_OPEN_FILES}, \
             or in limits.conf)"
        )));
    }
    // Before a download: without Java it would be for nothing.
    let java = find_java().map_err(|error| Failure::environment(&error))?;
    let artefacts = bring(&cache, request).await?;
    Ok(Provision {
        cache,
        artefacts,
        others: BTreeMap::new(),
        java,
    })
}

/// Fetches what is not in the cache, and says which of it was not checked.
async fn bring(cache: &Cache, request: &ArtefactRequest) -> Result<Artefacts, Failure> {
    let (fetching, request) = (cache.clone(), request.clone());
    let artefacts = tokio::task::spawn_blocking(move || {
        stack::artefacts::fetch(&fetching, &request, &mut |progress| tell(progress))
    })
    .await
    .map_err(|error| Failure::environment(&BrokeOff(error)))?
    .map_err(|error| fetch_failure(&error))?;
    for part in artefacts.parts() {
        if part.pinning == Pinning::Unpinned {
            note(&format!(
                "{} {} is not a version that ackproof has checksums for: its files are used as \
                 they came\n",
                part.kind, part.version
            ));
        }
    }
    Ok(artefacts)
}

/// Resolves the clients that a plan names, and fetches what is missing; `secured` where
/// they have to speak TLS or SASL.
pub(crate) async fn provide_clients(
    plan: &RunPlan,
    brokers: Option<Artefacts>,
    secured: bool,
) -> Result<Clients, Failure> {
    let named = plan.scenarios.iter().flat_map(|it| it.scenario.clients());
    resolve(named.cloned().collect(), brokers, secured).await
}

/// Resolves one client, and fetches it where it is missing.
pub(crate) async fn provide_client(
    client: ClientSpec,
    brokers: Option<Artefacts>,
) -> Result<ClientCommand, Failure> {
    let clients = resolve([client.clone()].into(), brokers, false).await?;
    Ok(clients.of(&client))
}

async fn resolve(
    named: BTreeSet<ClientSpec>,
    brokers: Option<Artefacts>,
    secured: bool,
) -> Result<Clients, Failure> {
    let cache = Cache::user().map_err(|error| Failure::environment(&error))?;
    let resolved = tokio::task::spawn_blocking(move || {
        Clients::resolve(&named, &cache, brokers.as_ref(), secured, &mut |progress| {
            tell(progress);
        })
        .map_err(Box::new)
    });
    resolved
        .await
        .map_err(|error| Failure::environment(&BrokeOff(error)))?
        .map_err(|error| match &*error {
            ClientUnavailable::NotThere { .. }
            | ClientUnavailable::Java {
                source: JavaClientError::NoClient { .. },
                ..
            } => Failure::usage(&*error),
            ClientUnavailable::Java {
                source: JavaClientError::Fetch(source),
                ..
            }
            | ClientUnavailable::Librdkafka { source, .. } => fetch_failure(source),
            ClientUnavailable::Java { .. } => Failure::environment(&*error),
        })
}

/// A mistake of the user is told from something that the machine lacks.
fn fetch_failure(error: &FetchError) -> Failure {
    match error {
        FetchError::BadVersion { .. }
        | FetchError::ClientTooOld { .. }
        | FetchError::NotKafkaHome { .. }
        | FetchError::Maven {
            source: MavenError::NotInRepository { .. },
            ..
        }
        | FetchError::Pip {
            source: PipError::NotInIndex { .. },
            ..
        }
        | FetchError::OtherVersion { .. } => Failure::usage(error),
        _ => Failure::environment(error).hint("`ackproof doctor` lists what is missing"),
    }
}

fn tell(progress: FetchProgress) {
    let text = match progress {
        FetchProgress::Waiting(part) => format!("waiting for another ackproof to fetch {part}"),
        FetchProgress::Resolving(part) => format!("fetching {part}"),
        FetchProgress::Checking(part) => format!("checking {part}"),
        FetchProgress::Unpacking(part) => format!("unpacking {part}"),
        FetchProgress::Fetched(part) => format!("{part} is in the cache"),
    };
    note(&format!("{text}\n"));
}

impl Provision {
    /// Fetches the releases that scenarios name.
    pub(crate) async fn add_named(
        &mut self,
        request: &ArtefactRequest,
        plan: &RunPlan,
    ) -> Result<(), Failure> {
        let named = plan.scenarios.iter().map(|it| it.scenario.named_releases());
        let named: BTreeSet<NamedReleases> = named.filter(|it| !it.is_empty()).collect();
        for named in named {
            let mut request = request.clone();
            if let Some(version) = &named.kafka {
                request.versions.kafka.clone_from(version);
                request.kafka_home = None;
            }
            if let Some(version) = &named.debezium {
                request.versions.debezium.clone_from(version);
            }
            supported(&request).map_err(|error| Failure::usage(&error))?;
            let found = bring(&self.cache, &request).await?;
            self.others.insert(named, found);
        }
        Ok(())
    }

    /// The versions of everything, by name, as a plan notes them.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let parts = self.artefacts.parts().map(|part| {
            let name = match part.kind {
                PartKind::Kafka => "kafka",
                PartKind::Debezium => "debezium",
                PartKind::Postgres => "postgresql",
                PartKind::Librdkafka => "librdkafka",
                PartKind::KafkaClients => "kafka-clients",
            };
            (name.to_owned(), version(part))
        });
        let others = [
            ("ackproof", version::version().to_owned()),
            ("java", self.java.version.to_string()),
        ];
        parts
            .chain(others.map(|(name, version)| (name.to_owned(), version)))
            .collect()
    }
}

fn version(part: &Part) -> String {
    match part.pinning {
        Pinning::Verified => part.version.clone(),
        Pinning::Unpinned => format!("{} (unpinned)", part.version),
    }
}

/// The program that drives a client when it is started as `PROGRAM drive-client`:
/// this one.
pub(crate) fn this_program() -> Result<PathBuf, Failure> {
    /// The system does not say.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot find the program that runs")]
    struct NoProgram(#[source] std::io::Error);

    std::env::current_exe().map_err(|error| Failure::environment(&NoProgram(error)))
}
