//! A first look at the user's cluster: what listens where it is said
//! to be, and what it tells of itself. Changes nothing in it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use proxy::HostPort;
use wire::{
    AddressOverrides, BrokerMetadata, ClientSecurity, Cluster, ConfigValue, Configs, Protocol,
    Topics, probe,
};

use crate::connect::{answers, reach};
use crate::error::EngineError;
use crate::listeners::{ProbedAddress, probe_addresses};
use crate::settings::UserCluster;

/// How long one broker may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What a cluster tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The bootstrap addresses at which a broker answers.
    pub bootstrap: Vec<HostPort>,
    /// The others.
    pub unusable: Vec<ProbedAddress>,
    /// Where its brokers say that they are.
    pub advertised: Vec<String>,
    /// Its id.
    pub id: Option<String>,
    /// How many brokers it has.
    pub brokers: usize,
    /// The level of its metadata (`metadata.version`, KIP-584), where it has
    /// one.
    pub metadata_version: Option<i16>,
    /// How many replicas a topic has where nobody says.
    pub default_replicas: i16,
}

/// Looks at a cluster.
///
/// # Errors
/// [`EngineError`] within a few seconds when no broker listens at any bootstrap
/// address, or when one does not where the cluster says that it is.
pub async fn cluster_info(of: &UserCluster) -> Result<ClusterInfo, EngineError> {
    let (bootstrap, unusable) = if is_plain(&of.security) {
        plain_brokers(&of.bootstrap, &of.security).await?
    } else {
        // Each is spoken to as it asks for; what is wrong with one is said then.
        (of.bootstrap.clone(), Vec::new())
    };
    let addresses: Vec<String> = bootstrap.iter().map(HostPort::to_string).collect();
    let mut cluster = reach(&addresses, &of.security).await?;
    let metadata = cluster.metadata(Topics::Named(&[])).await?;
    let misplaced = misplaced(&metadata.brokers, &of.security).await;
    if let Some(misplaced) = misplaced.into_iter().next() {
        return Err(misplaced);
    }
    // Clusters without features, and those that keep them to themselves, run
    // scenarios too.
    let features = cluster.finalized_features().await.unwrap_or_default();
    let default_replicas = default_replicas(&mut cluster, metadata.brokers.len()).await;
    Ok(ClusterInfo {
        bootstrap,
        unusable,
        id: metadata.cluster_id,
        brokers: metadata.brokers.len(),
        advertised: metadata.brokers.into_iter().map(|it| it.address).collect(),
        metadata_version: features.get("metadata.version").copied(),
        default_replicas,
    })
}

/// The brokers' own default. Kafka's is 1, which is no decision of theirs: three replicas
/// then, or as many as there are brokers.
async fn default_replicas(cluster: &mut Cluster, brokers: usize) -> i16 {
    let any = cluster.brokers().next().map(|it| it.id);
    let configs = match any {
        Some(id) => cluster
            .describe_broker_configs(id)
            .await
            .unwrap_or_default(),
        None => Configs::new(),
    };
    let own = configs
        .get("default.replication.factor")
        .map(|it| &it.value);
    let own = match own {
        Some(ConfigValue::Known(value)) => value.parse().ok(),
        _ => None,
    };
    own.filter(|own| *own > 1)
        .unwrap_or_else(|| i16::try_from(brokers.min(3)).unwrap_or(1))
}

fn is_plain(security: &ClientSecurity) -> bool {
    security.protocol() == Protocol::Plaintext
}

/// The addresses at which a broker answers without TLS and SASL, and the others.
async fn plain_brokers(
    bootstrap: &[HostPort],
    security: &ClientSecurity,
) -> Result<(Vec<HostPort>, Vec<ProbedAddress>), EngineError> {
    let probed = probe_addresses(bootstrap, security).await;
    let (usable, unusable): (Vec<ProbedAddress>, Vec<ProbedAddress>) = probed
        .into_iter()
        .partition(|probed| probed.listener.is_plain_broker());
    if usable.is_empty() {
        return Err(EngineError::NoBroker { probed: unusable });
    }
    let bootstrap = usable.into_iter().map(|probed| probed.at).collect();
    Ok((bootstrap, unusable))
}

/// What keeps clients from the brokers of a cluster, for each broker that they
/// do not come to where the cluster sends them.
///
/// # Errors
/// [`EngineError`] when a client cannot reach the right broker.
pub async fn unreachable_brokers(of: &UserCluster) -> Result<Vec<EngineError>, EngineError> {
    let addresses: Vec<String> = of.bootstrap.iter().map(HostPort::to_string).collect();
    let mut cluster = reach(&addresses, &of.security).await?;
    let metadata = cluster.metadata(Topics::Named(&[])).await?;
    let mut misplaced = misplaced(&metadata.brokers, &of.security).await;
    let any = misplaced.len() < metadata.brokers.len();
    match misplaced.pop() {
        Some(error @ EngineError::OneAddress { .. }) => Err(error),
        Some(error) if !any => Err(error),
        last => Ok(misplaced.into_iter().chain(last).collect()),
    }
}

async fn misplaced(brokers: &[BrokerMetadata], security: &ClientSecurity) -> Vec<EngineError> {
    if let Err(error) = tell_apart(brokers, security.overrides()) {
        return vec![error];
    }
    if !is_plain(security) {
        let looks = brokers.iter().map(|broker| async move {
            let looked = answers(&broker.address, security, LOOK_LIMIT).await;
            looked.err().map(|source| EngineError::Elsewhere {
                broker: broker.id.to_string(),
                address: broker.address.clone(),
                source: Box::new(source),
            })
        });
        return join_all(looks).await.into_iter().flatten().collect();
    }
    let probes = brokers.iter().map(|broker| async move {
        let listener = probe(&security.overrides().of_text(&broker.address)).await;
        (!listener.is_plain_broker()).then(|| EngineError::Advertised {
            broker: broker.id.to_string(),
            address: broker.address.clone(),
            listener,
        })
    });
    join_all(probes).await.into_iter().flatten().collect()
}

/// A client that is sent to one broker has to reach that one.
fn tell_apart(brokers: &[BrokerMetadata], overrides: &AddressOverrides) -> Result<(), EngineError> {
    let mut at: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for broker in brokers {
        at.entry(overrides.of_text(&broker.address))
            .or_default()
            .push(broker.id.to_string());
    }
    match at.into_iter().find(|(_, brokers)| brokers.len() > 1) {
        Some((address, brokers)) => Err(EngineError::OneAddress {
            brokers: brokers.join(", "),
            address,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use wire::BrokerId;

    use super::*;

    #[test]
    fn brokers_at_one_address_are_named() {
        let broker = |id, address: &str| BrokerMetadata {
            id: BrokerId::new(id),
            address: address.to_owned(),
            rack: None,
        };
        let apart = [broker(1, "a:1"), broker(2, "a:2"), broker(3, "a:3")];
        let none = AddressOverrides::default();
        assert!(tell_apart(&apart, &none).is_ok());
        let alike = [broker(1, "a:1"), broker(2, "a:2"), broker(3, "a:1")];
        let said = tell_apart(&alike, &none).unwrap_err().to_string();
        assert!(said.starts_with("brokers 1, 3 are all at a:1"), "{said}");
        let place = |host: &str, port| (host.to_owned(), port);
        let onto = AddressOverrides::new([(place("a", 3), place("a", 2))]);
        let said = tell_apart(&apart, &onto).unwrap_err().to_string();
        assert!(said.starts_with("brokers 2, 3 are all at a:2"), "{said}");
    }
}
