//! What the user's arguments mean, once they are known to make sense. The only
//! place that turns one into the other; knows nothing of how a run is carried
//! out.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use checker::{Expectation, Sends};
use chrono::{DateTime, Utc};
use engine::{Clients, ClusterInfo, TopicLike, UserCluster};
use import::kafkatest::{Cleaning, Source};
use model::event::Cleanup;
use model::ids::RunId;
use model::plan::{RunPlan, ScenarioPlan, TopicShape};
use model::scenario::client::ChosenClients;
use model::scenario::{BrokerHold, NamedReleases, Scenario};
use proxy::HostPort;
use security::ClientSecurity;
use stack::artefacts::{ArtefactRequest, Parts, Versions, supported};

use crate::alert_watch::{AlertSettings, AlertUsageError};
use crate::args::{self, CheckArgs, ClusterArgs, Format, RunArgs, RunFormat, Tool, VersionArgs};
use crate::circumstances::typed;
use crate::failure::Failure;
use crate::run_dir::check_folders;
use crate::secured;
use crate::selection::{On, Selection, select};
use crate::summary;
use crate::version;

/// Everything that `ackproof run` is to do.
#[derive(Debug)]
pub(crate) struct RunSettings {
    /// What is going to happen; its versions are added once they are known.
    pub(crate) plan: RunPlan,
    /// Scenarios that must be run or refused.
    by_name: BTreeSet<String>,
    pub(crate) out: PathBuf,
    pub(crate) jobs: NonZeroUsize,
    pub(crate) format: RunFormat,
    pub(crate) fail_fast: bool,
    pub(crate) brokers: Brokers,
    /// What the run's topics are there.
    pub(crate) topics: ClusterArgs,
    /// Whose alerts are watched, if any.
    pub(crate) alerts: Option<AlertSettings>,
}

/// Where the brokers are.
#[derive(Clone, Debug)]
pub(crate) enum Brokers {
    /// They are started, from these files.
    Embedded(ArtefactRequest),
    /// The user runs them.
    Cluster(UserCluster),
    /// The user runs them in containers of a Compose project.
    Compose {
        /// Its file.
        file: PathBuf,
        /// How the user's clients reach them.
        security: ClientSecurity,
    },
}

/// What becomes of a scenario that was named itself and does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    MustFit,
    MayBeLeftOut,
}

/// Scenarios that do not fit the brokers or the clients.
#[derive(Debug, thiserror::Error)]
enum UnfitError {
    #[error("{scenario} cannot run {on}: it {}", reasons.join("; it "))]
    Named {
        scenario: String,
        on: String,
        reasons: Vec<String>,
    },
    #[error("nothing that was asked for can run {on}:\n{skipped}")]
    All { on: String, skipped: String },
}

impl RunSettings {
    /// A run beside others with the same names: what does not fit it is left
    /// out, also where it was named.
    pub(crate) fn beside_others(args: &RunArgs, now: SystemTime) -> Result<Self, Failure> {
        Self::of(args, now, Named::MayBeLeftOut)
    }

    pub(crate) fn new(args: &RunArgs, now: SystemTime) -> Result<Self, Failure> {
        Self::of(args, now, Named::MustFit)
    }

    fn of(args: &RunArgs, now: SystemTime, named: Named) -> Result<Self, Failure> {
        let clients = args.clients.chosen();
        let on = if args.bootstrap.is_empty() && args.compose.is_none() {
            On::OwnBrokers
        } else {
            On::Cluster
        };
        if on == On::OwnBrokers
            && let Some((option, _)) = args.cluster.typed().into_iter().next()
        {
            return Err(Failure::usage(&NoEffect(option)));
        }
        let alerts = AlertSettings::of(&args.alerts, on == On::Cluster)
            .map_err(|error| Failure::usage(&error))?;
        let Selection {
            scenarios,
            mut by_name,
            files,
        } = select(&args.names, on, &clients).map_err(|error| Failure::usage(&error))?;
        if named == Named::MayBeLeftOut {
            by_name.clear();
        }
        let artefacts = artefacts(&args.versions, Parts::Kafka);
        let line = supported(&artefacts).map_err(|error| Failure::usage(&error))?;
        let seed = args.seed.unwrap_or_else(|| seed_from(now));
        let captures = scenarios.iter().any(|scenario| scenario.capture.is_some());
        let mut plan = RunPlan::new(new_run_id(), seed, BTreeMap::new(), &scenarios, args.repeat);
        for planned in &mut plan.scenarios {
            let file = files.get(&planned.scenario.name);
            planned.file = file.map(|file| typed(file));
        }
        check_folders(&plan).map_err(|error| {
            Failure::usage(&error).hint("give the scenario another `name` in its file")
        })?;
        if alerts.is_none() {
            plan = plan.without_alerts();
            refuse_misfits(&plan, &by_name, "here").map_err(|error| Failure::usage(&error))?;
        } else if plan.scenarios.iter().all(|it| it.scenario.alert.is_none()) {
            return Err(Failure::usage(&AlertUsageError::Scenario));
        }
        plan = plan.with_clients(&clients, engine::check);
        refuse_misfits(&plan, &by_name, "with these clients").map_err(|error| {
            Failure::usage(&error).hint("choose another client with --client, or none")
        })?;
        if on == On::OwnBrokers {
            plan = plan.on_kafka(line);
            refuse_misfits(&plan, &by_name, &format!("on Kafka {}.{}", line.0, line.1)).map_err(
                |error| Failure::usage(&error).hint("choose another version with --kafka"),
            )?;
            plan = plan.on_releases(&releases_of(&args.versions));
            refuse_misfits(&plan, &by_name, "on these releases").map_err(|error| {
                Failure::usage(&error).hint("leave --kafka, --kafka-home and --debezium out")
            })?;
        }
        Ok(Self {
            plan,
            by_name,
            out: args.out.clone().unwrap_or_else(|| default_out(now, seed)),
            // Scenarios that break the same brokers would disturb each other.
            jobs: NonZeroUsize::new(usize::from(args.jobs))
                .filter(|_| args.compose.is_none())
                .unwrap_or(NonZeroUsize::MIN),
            format: args.format,
            fail_fast: args.fail_fast,
            brokers: if let Some(file) = &args.compose {
                Brokers::Compose {
                    file: file.clone(),
                    security: security(args)?,
                }
            } else if args.bootstrap.is_empty() {
                let parts = if captures {
                    Parts::KafkaAndCdc
                } else {
                    Parts::Kafka
                };
                Brokers::Embedded(ArtefactRequest { parts, ..artefacts })
            } else {
                Brokers::Cluster(cluster(args)?)
            },
            topics: args.cluster.clone(),
            alerts,
        })
    }

    /// These scenarios, each once and in this order, on brokers of ours. None may
    /// be left out.
    pub(crate) fn of_scenarios(
        scenarios: &[Scenario],
        versions: &VersionArgs,
        seed: u64,
        out: PathBuf,
    ) -> Result<Self, Failure> {
        let request = artefacts(versions, Parts::Kafka);
        let line = supported(&request).map_err(|error| Failure::usage(&error))?;
        let plan = RunPlan::new(new_run_id(), seed, BTreeMap::new(), scenarios, 1);
        check_folders(&plan).map_err(|error| {
            Failure::usage(&error).hint("give the scenario another `name` in its file")
        })?;
        let by_name: BTreeSet<String> = scenarios.iter().map(|it| it.name.clone()).collect();
        let usage = |error| Failure::usage(&error);
        let plan = plan.with_clients(&ChosenClients::default(), engine::check);
        refuse_misfits(&plan, &by_name, "with these clients").map_err(usage)?;
        let plan = plan.on_kafka(line);
        let on = format!("on Kafka {}.{}", line.0, line.1);
        refuse_misfits(&plan, &by_name, &on).map_err(usage)?;
        let plan = plan.on_releases(&releases_of(versions));
        refuse_misfits(&plan, &by_name, "on these releases").map_err(usage)?;
        let captures = scenarios.iter().any(|scenario| scenario.capture.is_some());
        let parts = if captures {
            Parts::KafkaAndCdc
        } else {
            Parts::Kafka
        };
        Ok(Self {
            plan,
            by_name,
            out,
            jobs: NonZeroUsize::MIN,
            format: RunFormat::Human,
            fail_fast: false,
            brokers: Brokers::Embedded(ArtefactRequest { parts, ..request }),
            topics: ClusterArgs::default(),
            alerts: None,
        })
    }

    /// Leaves out scenarios with a setting that a client itself refuses, now
    /// that the clients are there to be asked.
    pub(crate) fn ask_clients(&mut self, clients: &Clients) -> Result<(), Failure> {
        let check = |plan: &ScenarioPlan| engine::check_with(plan, clients);
        let plan = self.plan.clone();
        self.plan = plan.with_clients(&ChosenClients::default(), check);
        refuse_misfits(&self.plan, &self.by_name, "with these clients")
            .map_err(|error| Failure::usage(&error))
    }

    /// Plans for the user's cluster, now that it has told of itself.
    pub(crate) fn go_to(
        &mut self,
        found: &ClusterInfo,
        cluster: &UserCluster,
        like: Option<TopicLike>,
    ) -> Result<(), Failure> {
        let addresses = found.bootstrap.iter().map(HostPort::to_string).collect();
        let mut shape = TopicShape {
            default_replicas: found.default_replicas,
            replicas: self.topics.replication_factor,
            ..TopicShape::default()
        };
        if let Some(like) = like {
            shape.replicas = shape.replicas.or(Some(like.replicas));
            shape.partitions = Some(like.partitions);
            shape.config = like.config;
        }
        let own = self.topics.topic_config.iter();
        shape
            .config
            .extend(own.map(|it| (it.key.clone(), it.value.clone())));
        let mark = self.topics.prefix.clone().unwrap_or_default();
        let mut plan = self.plan.clone().with_topics(&shape);
        let resolve = resolved(&cluster.security);
        if resolve
            .iter()
            .any(|(advertised, place)| advertised != place)
        {
            plan = plan.behind_proxy();
        }
        let hold = match &cluster.containers {
            Some(_) => BrokerHold::Containers,
            None => BrokerHold::None,
        };
        self.plan = plan.on_cluster_named(addresses, found.brokers, &mark, hold);
        if let Some(planned) = &mut self.plan.cluster {
            planned.resolve = resolve;
            if let Brokers::Compose { file, .. } = &self.brokers {
                planned.compose = file.canonicalize().ok();
            }
        }
        self.plan.versions = cluster_versions(found);
        refuse_misfits(&self.plan, &self.by_name, "on this cluster").map_err(|error| {
            Failure::usage(&error)
                .hint("without --bootstrap it runs on brokers that ackproof starts")
        })
    }
}

/// Where the brokers are, as the plan has it.
fn resolved(security: &ClientSecurity) -> BTreeMap<String, String> {
    let text = |(host, port)| HostPort { host, port }.to_string();
    let all = security.overrides().pairs().into_iter();
    all.map(|(advertised, place)| (text(advertised), text(place)))
        .collect()
}

/// There is no cluster to be reached.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no effect without --bootstrap or --compose")]
struct NoEffect(&'static str);

/// The user's cluster, once it is known that clients can be told how to reach it.
fn cluster(args: &RunArgs) -> Result<UserCluster, Failure> {
    Ok(UserCluster {
        bootstrap: args.bootstrap.clone(),
        security: security(args)?,
        containers: None,
    })
}

/// How the user's cluster is reached.
fn security(args: &RunArgs) -> Result<ClientSecurity, Failure> {
    /// What the configuration asks for is for others.
    #[derive(Debug, thiserror::Error)]
    #[error("{}: {problem}", file.display())]
    struct BeyondClients {
        file: PathBuf,
        problem: &'static str,
    }
    let security = secured::reach(
        args.cluster.command_config.as_deref(),
        &args.cluster.resolve,
    )?;
    if let (Some(file), Some(problem)) = (&args.cluster.command_config, security.beyond_clients()) {
        let file = file.clone();
        return Err(Failure::usage(&BeyondClients { file, problem }));
    }
    Ok(security)
}

/// Refuses a scenario that was named and cannot run here, and a run of which
/// nothing is left.
fn refuse_misfits(plan: &RunPlan, by_name: &BTreeSet<String>, on: &str) -> Result<(), UnfitError> {
    let mut skipped = plan.skipped.iter();
    if let Some(named) = skipped.find(|it| by_name.contains(&it.scenario)) {
        return Err(UnfitError::Named {
            scenario: named.scenario.clone(),
            on: on.to_owned(),
            reasons: named.reasons.clone(),
        });
    }
    if plan.scenarios.is_empty() {
        return Err(UnfitError::All {
            on: on.to_owned(),
            skipped: summary::skipped(plan),
        });
    }
    Ok(())
}

/// What is known of the versions in a cluster that is not ours.
fn cluster_versions(found: &ClusterInfo) -> BTreeMap<String, String> {
    let brokers = Some(found.brokers.to_string());
    let level = found.metadata_version.map(|level| level.to_string());
    [
        ("ackproof", Some(version::version().to_owned())),
        ("cluster", found.id.clone()),
        ("brokers", brokers),
        ("metadata.version", level),
    ]
    .into_iter()
    .filter_map(|(name, version)| Some((name.to_owned(), version?)))
    .collect()
}

/// Everything that `ackproof check` is to do.
#[derive(Debug)]
pub(crate) struct CheckSettings {
    pub(crate) files: Files,
    pub(crate) format: Format,
    /// How many examples of each anomaly are proved and shown, where the user
    /// says.
    pub(crate) examples: Option<usize>,
}

/// What is to be judged.
#[derive(Debug)]
pub(crate) enum Files {
    /// What `ackproof run` has written.
    RunDir(PathBuf),
    /// What another tool has written.
    Foreign {
        files: ForeignFiles,
        expected: Expected,
    },
}

/// What another tool's files are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) expectation: Expectation,
    pub(crate) sends: Sends,
}

/// Another tool's files.
#[derive(Debug)]
pub(crate) enum ForeignFiles {
    Kafkatest(Vec<Source>, BTreeMap<String, Cleaning>),
    Jepsen(PathBuf),
}

/// Arguments of `ackproof check` that do not go together.
#[derive(Debug, thiserror::Error)]
enum CheckUsageError {
    #[error("one run directory is judged at a time")]
    ManyRunDirs,
    #[error("a history of Jepsen's is one file")]
    ManyHistories,
    #[error("a history of Jepsen's has one group: --group names none")]
    GroupOfJepsens,
    #[error("--group takes GROUP=FILE, and was given `{0}`")]
    NoGroup(String),
    #[error("--expect takes one of at-least-once, exactly-once and strict")]
    ManyExpectations,
    #[error(
        "--cleanup takes TOPIC=POLICY, where POLICY is compact, delete, compact,delete or none, and \
         was given `{0}`"
    )]
    NoCleanup(String),
    #[error("--cleanup is given twice for {0}")]
    CleanedTwice(String),
    #[error("a history of Jepsen's has no keys: --cleanup says nothing of it")]
    CleanupOfJepsens,
}

impl CheckSettings {
    pub(crate) fn new(args: &CheckArgs) -> Result<Self, Failure> {
        Self::try_new(args).map_err(|error| Failure::usage(&error))
    }

    fn try_new(args: &CheckArgs) -> Result<Self, CheckUsageError> {
        let files = match args.from {
            None => match args.paths.as_slice() {
                [dir] => Files::RunDir(dir.clone()),
                _ => return Err(CheckUsageError::ManyRunDirs),
            },
            Some(tool) => Files::Foreign {
                files: match tool {
                    Tool::Kafkatest => {
                        ForeignFiles::Kafkatest(kafkatest_sources(args)?, cleaning(args)?)
                    }
                    Tool::Jepsen => ForeignFiles::Jepsen(jepsen_history(args)?),
                },
                expected: expected(&args.expect)?,
            },
        };
        Ok(Self {
            files,
            format: args.format,
            examples: args.examples.map(usize::from),
        })
    }
}

/// At most one expectation, and what is demanded of sends.
fn expected(asked: &[args::Expectation]) -> Result<Expected, CheckUsageError> {
    let mut expected = Expected {
        expectation: Expectation::Default,
        sends: Sends::MayFail,
    };
    for asked in asked {
        let expectation = match asked {
            args::Expectation::AllAcknowledged => {
                expected.sends = Sends::AllAcknowledged;
                continue;
            }
            args::Expectation::AtLeastOnce => Expectation::AtLeastOnce,
            args::Expectation::ExactlyOnce => Expectation::ExactlyOnce,
            args::Expectation::Strict => Expectation::Strict,
        };
        if ![Expectation::Default, expectation].contains(&expected.expectation) {
            return Err(CheckUsageError::ManyExpectations);
        }
        expected.expectation = expectation;
    }
    Ok(expected)
}

/// How topics are said to be cleaned.
fn cleaning(args: &CheckArgs) -> Result<BTreeMap<String, Cleaning>, CheckUsageError> {
    let mut all = BTreeMap::new();
    for given in &args.cleanup {
        let wrong = || CheckUsageError::NoCleanup(given.clone());
        let (topic, policy) = given.split_once('=').ok_or_else(wrong)?;
        let cleaning = match policy {
            "none" => Cleaning::Nothing,
            "delete" => Cleaning::Policy(Cleanup::Delete),
            "compact" => Cleaning::Policy(Cleanup::Compact),
            "compact,delete" | "delete,compact" => Cleaning::Policy(Cleanup::CompactAndDelete),
            _ => return Err(wrong()),
        };
        if topic.is_empty() {
            return Err(wrong());
        }
        if all.insert(topic.to_owned(), cleaning).is_some() {
            return Err(CheckUsageError::CleanedTwice(topic.to_owned()));
        }
    }
    Ok(all)
}

/// The files, each once: a file that is given a group may also stand among
/// the others.
fn kafkatest_sources(args: &CheckArgs) -> Result<Vec<Source>, CheckUsageError> {
    let mut sources: Vec<Source> = args.paths.iter().map(Source::new).collect();
    for given in &args.groups {
        let (group, file) = given
            .split_once('=')
            .filter(|(group, file)| !group.is_empty() && !file.is_empty())
            .ok_or_else(|| CheckUsageError::NoGroup(given.clone()))?;
        let ungrouped = sources
            .iter_mut()
            .find(|source| source.path == Path::new(file) && source.group.is_none());
        match ungrouped {
            Some(source) => source.group = Some(group.to_owned()),
            None => sources.push(Source::of_group(file, group)),
        }
    }
    Ok(sources)
}

fn jepsen_history(args: &CheckArgs) -> Result<PathBuf, CheckUsageError> {
    if !args.groups.is_empty() {
        return Err(CheckUsageError::GroupOfJepsens);
    }
    if !args.cleanup.is_empty() {
        return Err(CheckUsageError::CleanupOfJepsens);
    }
    match args.paths.as_slice() {
        [history] => Ok(history.clone()),
        _ => Err(CheckUsageError::ManyHistories),
    }
}

/// The releases that the user names, which those of a scenario must not differ from.
fn releases_of(args: &VersionArgs) -> NamedReleases {
    let home = args.kafka_home.as_ref();
    NamedReleases {
        kafka: (args.kafka.clone()).or_else(|| home.map(|home| home.display().to_string())),
        debezium: args.debezium.clone(),
    }
}

/// The files that the stack is to be made of.
pub(crate) fn artefacts(args: &VersionArgs, parts: Parts) -> ArtefactRequest {
    let default = Versions::default();
    ArtefactRequest {
        versions: Versions {
            kafka: args.kafka.clone().unwrap_or(default.kafka),
            debezium: args.debezium.clone().unwrap_or(default.debezium),
            postgres: default.postgres,
        },
        kafka_home: args.kafka_home.clone(),
        parts,
    }
}

/// Short enough to be typed again; the folder's name carries the time.
pub(crate) fn seed_from(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() ^ u64::from(since.subsec_nanos())) % 1_000_000
}

/// Two runs of one seed at one moment must not take each other's records for
/// their own: their identity is random, not from the seed.
fn new_run_id() -> RunId {
    RunId::new(RandomState::new().build_hasher().finish())
}

pub(crate) fn default_out(now: SystemTime, seed: u64) -> PathBuf {
    let at = DateTime::<Utc>::from(now).format("%Y%m%d-%H%M%S");
    Path::new("runs").join(format!("{at}-{seed}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_default_directory_tells_when_and_with_which_seed() {
        let at = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(
            default_out(at, 41),
            Path::new("runs").join("20010909-014640-41")
        );
    }

    #[test]
    fn every_run_has_an_identity_of_its_own() {
        assert_ne!(new_run_id(), new_run_id());
    }
}
