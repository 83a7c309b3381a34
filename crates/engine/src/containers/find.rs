//! Which containers of a project are brokers of one cluster, and where each is: by what the
//! brokers themselves tell, over a listener whose addresses lead to containers of the project.
//! Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proxy::HostPort;
use wire::{Address, AddressOverrides, BrokerMetadata, ClientOptions, ClientSecurity, Topics};

use super::broker::ContainerBroker;
use super::docker::{Container, ContainerError, Docker};
use super::project::{Project, ProjectError, SERVICE};

/// How long one listener may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(3);
/// Kafka's port where nobody says.
const PORT: u16 = 9092;

/// Why the brokers of a Compose project cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// None of its services is Kafka.
    #[error(
        "no service of the project {project} is a Kafka broker: neither image nor environment of \
         {} names Kafka",
        services.join(", ")
    )]
    NoKafka {
        /// Its name.
        project: String,
        /// Its services.
        services: Vec<String>,
    },
    /// A broker does not run.
    #[error(
        "service {service} of the project {project} is {status}: its brokers have to run \
         (`docker compose up -d`)"
    )]
    NotRunning {
        /// The project.
        project: String,
        /// The service.
        service: String,
        /// What the engine says of its container.
        status: String,
    },
    /// No listener leads to all of them.
    #[error("no listener of the project {project} can be used:\n  {}", looked.join("\n  "))]
    NoListener {
        /// The project.
        project: String,
        /// What was looked at, and what was wrong with it.
        looked: Vec<String>,
    },
}

impl From<ContainerError> for FindError {
    fn from(error: ContainerError) -> Self {
        Self::Project(error.into())
    }
}

/// The brokers of a Compose project.
#[derive(Clone)]
pub struct ComposeBrokers {
    /// Its name.
    pub project: String,
    /// What the brokers advertise on the listener that is used.
    pub bootstrap: Vec<HostPort>,
    /// How they are reached: as before, and where the containers are.
    pub security: ClientSecurity,
    pub(crate) brokers: Arc<[ContainerBroker]>,
}

impl fmt::Debug for ComposeBrokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposeBrokers")
            .field("project", &self.project)
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl ComposeBrokers {
    /// Each broker and its container, in words.
    pub fn in_words(&self) -> Vec<String> {
        let brokers = self.brokers.iter();
        brokers
            .map(|it| format!("broker {} is {}", it.id(), it.name()))
            .collect()
    }
}

/// Finds the brokers among the services of a Compose project that runs.
///
/// # Errors
/// [`FindError`].
pub async fn compose_brokers(
    file: &Path,
    security: &ClientSecurity,
) -> Result<ComposeBrokers, FindError> {
    let docker = Docker::of_environment()?;
    let Project { name, containers } = Project::of_file(&docker, file).await?;
    let candidates: Vec<&Container> = containers.iter().filter(|it| is_kafkas(it)).collect();
    if candidates.is_empty() {
        let services: BTreeSet<String> = containers.iter().map(service).collect();
        return Err(FindError::NoKafka {
            project: name,
            services: services.into_iter().collect(),
        });
    }
    // Others that have ended may have been there to make topics, and no brokers.
    let ready = |it: &&&Container| it.state.running && !it.state.paused;
    let paused = candidates.iter().find(|it| it.state.paused);
    let none_ready = candidates.iter().find(ready).is_none();
    if let Some(down) = paused.or_else(|| candidates.first().filter(|_| none_ready)) {
        return Err(FindError::NotRunning {
            project: name,
            service: service(down),
            status: down.state.status.clone(),
        });
    }
    let places = Places::of(&containers);
    let mut looked = Vec::new();
    for container in candidates.into_iter().filter(|it| it.state.running) {
        for (advertised, place) in listeners(container) {
            let overrides = AddressOverrides::new([(advertised.clone(), place)]);
            let reached = security.clone().with_overrides(overrides);
            let at = HostPort {
                host: advertised.0,
                port: advertised.1,
            };
            let said = match ask(&at, reached).await {
                Ok(brokers) => match places.of_brokers(&brokers) {
                    Ok(found) => {
                        return Ok(found_brokers(name, &docker, security, &containers, found));
                    }
                    Err(said) => said,
                },
                Err(said) => said,
            };
            looked.push(format!("{}: {said}", service(container)));
        }
    }
    looked.dedup();
    Err(FindError::NoListener {
        project: name,
        looked,
    })
}

async fn ask(at: &HostPort, security: ClientSecurity) -> Result<Vec<BrokerMetadata>, String> {
    let options = ClientOptions {
        connect_timeout: LOOK_LIMIT,
        request_timeout: LOOK_LIMIT,
        security,
        ..ClientOptions::default()
    };
    let asked = async {
        let mut connection = wire::Connection::connect(at.to_string(), options).await?;
        connection.metadata(Topics::Named(&[])).await
    };
    let metadata = asked.await.map_err(|error| error.to_string())?;
    Ok(metadata.brokers)
}

/// A broker, what it advertises, and the container that this leads to.
struct Placed {
    id: i32,
    advertised: HostPort,
    place: Address,
    container: usize,
}

fn found_brokers(
    project: String,
    docker: &Docker,
    security: &ClientSecurity,
    containers: &[Container],
    mut found: Vec<Placed>,
) -> ComposeBrokers {
    found.sort_by_key(|it| it.id);
    let address = |it: &HostPort| (it.host.clone(), it.port);
    let overrides = found.iter();
    let overrides = overrides.map(|it| (address(&it.advertised), it.place.clone()));
    let overrides = AddressOverrides::new(overrides);
    let brokers = found.iter().map(|it| {
        let container = &containers[it.container];
        ContainerBroker::new(
            it.id,
            docker.clone(),
            container,
            it.advertised.clone(),
            overrides.clone(),
        )
    });
    ComposeBrokers {
        project,
        brokers: brokers.collect(),
        bootstrap: found.iter().map(|it| it.advertised.clone()).collect(),
        security: security.clone().with_overrides(overrides),
    }
}

pub(super) fn service(container: &Container) -> String {
    let labels = &container.config.labels;
    labels
        .get(SERVICE)
        .cloned()
        .unwrap_or_else(|| container.name.trim_start_matches('/').to_owned())
}

/// Whether it may be a broker: what it is, it tells when it is asked.
fn is_kafkas(container: &Container) -> bool {
    let image = container.config.image.to_ascii_lowercase();
    ["kafka", "redpanda"].iter().any(|it| image.contains(it))
        || !env_listeners(container).is_empty()
}

/// `NAME://HOST:PORT` in the variables of Kafka's images.
fn env_listeners(container: &Container) -> Vec<(String, u16)> {
    let env = container.config.env.iter();
    let of_kafka = env.filter_map(|it| {
        let (key, value) = it.split_once('=')?;
        (key.starts_with("KAFKA") && key.ends_with("LISTENERS")).then_some(value)
    });
    let each = of_kafka.flat_map(|value| value.split(','));
    let parsed = each.filter_map(|it| {
        let (_, address) = it.split_once("://")?;
        let (host, port) = address.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    });
    parsed.collect()
}

/// Where a broker may listen, by the name that it may advertise there.
fn listeners(container: &Container) -> Vec<(Address, Address)> {
    let Some(ip) = address(container) else {
        return Vec::new();
    };
    let exposed = container.config.exposed_ports.keys();
    let exposed = exposed.filter_map(|it| it.strip_suffix("/tcp")?.parse().ok());
    let from_env = env_listeners(container);
    let named = from_env.iter().filter(|(host, _)| !is_everywhere(host));
    let mut all: Vec<(Address, Address)> = named
        .map(|(host, port)| ((host.clone(), *port), (ip.clone(), *port)))
        .collect();
    let ports = from_env.iter().map(|(_, port)| *port);
    for port in ports.chain(exposed).chain([PORT]) {
        if all.iter().all(|(_, (_, known))| *known != port) {
            all.push(((service(container), port), (ip.clone(), port)));
        }
    }
    all
}

/// Whether a listener's host says nothing of where it is.
fn is_everywhere(host: &str) -> bool {
    let is_unspecified = |it: IpAddr| it.is_unspecified();
    host.is_empty() || host.parse().is_ok_and(is_unspecified)
}

/// Its address in the first network that has one.
pub(super) fn address(container: &Container) -> Option<String> {
    let mut networks = container.network_settings.networks.values();
    let found = networks.find(|it| !it.ip_address.is_empty());
    found.map(|it| it.ip_address.clone())
}

/// Which container an address leads to.
struct Places<'c> {
    /// By the names that containers know, and by IP address.
    by_host: BTreeMap<String, usize>,
    /// By the ports that are published here.
    by_port: BTreeMap<u16, usize>,
    containers: &'c [Container],
}

impl<'c> Places<'c> {
    fn of(containers: &'c [Container]) -> Self {
        let mut by_host = BTreeMap::new();
        let mut by_port = BTreeMap::new();
        for (at, container) in containers.iter().enumerate() {
            let networks = container.network_settings.networks.values();
            let names = networks.flat_map(|it| {
                let names = it.aliases.iter().chain(&it.dns_names);
                names.chain([&it.ip_address])
            });
            let own = [
                service(container),
                container.name.trim_start_matches('/').to_owned(),
                container.config.hostname.clone(),
            ];
            for name in names.cloned().chain(own).filter(|it| !it.is_empty()) {
                by_host.insert(name.to_ascii_lowercase(), at);
            }
            let published = container.network_settings.ports.values().flatten();
            let published = published
                .flatten()
                .filter_map(|it| it.host_port.parse().ok());
            by_port.extend(published.map(|port: u16| (port, at)));
        }
        Self {
            by_host,
            by_port,
            containers,
        }
    }

    fn of_brokers(&self, brokers: &[BrokerMetadata]) -> Result<Vec<Placed>, String> {
        if brokers.is_empty() {
            return Err("it names no broker".to_owned());
        }
        brokers.iter().map(|it| self.of_broker(it)).collect()
    }

    fn of_broker(&self, broker: &BrokerMetadata) -> Result<Placed, String> {
        let elsewhere = || {
            format!(
                "broker {} advertises {} (advertised.listeners), which is no container of the \
                 project",
                broker.id, broker.address
            )
        };
        let advertised: HostPort = broker.address.parse().map_err(|_| elsewhere())?;
        let HostPort { host, port } = advertised.clone();
        if let Some(at) = self.by_host.get(&host.to_ascii_lowercase()) {
            let ip = address(&self.containers[*at]).ok_or_else(elsewhere)?;
            return Ok(Placed {
                id: broker.id.get(),
                advertised,
                place: (ip, port),
                container: *at,
            });
        }
        let container = *self.by_port.get(&port).ok_or_else(elsewhere)?;
        Ok(Placed {
            id: broker.id.get(),
            advertised,
            place: (host, port),
            container,
        })
    }
}

#[cfg(test)]
mod tests {
    use wire::BrokerId;

    use super::*;

    fn container(service: &str, ip: &str, env: &str, published: &str) -> Container {
        let text = format!(
            r#"{{"Id": "{service}", "Name": "/shop-{service}-1",
              "State": {{"Status": "running", "Running": true, "Paused": false, "Pid": 7,
                         "ExitCode": 0, "StartedAt": "then"}},
              "Config": {{"Image": "any", "Env": ["{env}"], "Labels": {{"{SERVICE}": "{service}"}},
                          "ExposedPorts": {{"9092/tcp": {{}}}}}},
              "NetworkSettings": {{"Ports": {{"29092/tcp": [{{"HostPort": "{published}"}}]}},
                "Networks": {{"n": {{"Aliases": ["{service}-alias"], "IPAddress": "{ip}"}}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn at(id: i32, address: &str) -> BrokerMetadata {
        BrokerMetadata {
            id: BrokerId::new(id),
            address: address.to_owned(),
            rack: None,
        }
    }

    #[test]
    fn what_brokers_advertise_leads_to_containers() {
        let all = [
            container("kafka-1", "172.18.0.2", "A=1", "19092"),
            container("kafka-2", "172.18.0.3", "A=1", "29092"),
        ];
        let places = Places::of(&all);
        let leads_to = |address: &str| {
            let found = places.of_broker(&at(1, address))?;
            Ok::<_, String>((found.container, found.place))
        };
        let place = |host: &str, port| (host.to_owned(), port);
        for (advertised, found) in [
            ("kafka-2:9092", (1, place("172.18.0.3", 9092))),
            ("Kafka-1-alias:9093", (0, place("172.18.0.2", 9093))),
            ("shop-kafka-2-1:9092", (1, place("172.18.0.3", 9092))),
            ("172.18.0.2:9092", (0, place("172.18.0.2", 9092))),
            // Published here: it is where it says.
            ("localhost:29092", (1, place("localhost", 29_092))),
        ] {
            assert_eq!(leads_to(advertised), Ok(found), "{advertised}");
        }
        let told = leads_to("db:5432").unwrap_err();
        assert!(told.contains("is no container of the project"), "{told}");
    }

    #[test]
    fn listeners_are_tried_by_the_name_that_they_advertise() {
        let env = "KAFKA_ADVERTISED_LISTENERS=IN://kafka-1:9094,OUT://localhost:29092";
        let broker = container("kafka-1", "172.18.0.2", env, "29092");
        assert!(is_kafkas(&broker));
        let tried: Vec<Address> = listeners(&broker).into_iter().map(|it| it.0).collect();
        let names = ["kafka-1:9094", "localhost:29092", "kafka-1:9092"];
        let tried: Vec<String> = tried
            .iter()
            .map(|it| format!("{}:{}", it.0, it.1))
            .collect();
        assert_eq!(tried, names);
        assert!(!is_kafkas(&container(
            "app",
            "172.18.0.4",
            "KAFKA_TOPIC=a",
            "80"
        )));
    }
}
