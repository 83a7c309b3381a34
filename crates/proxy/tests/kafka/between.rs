//! The proxy between brokers: listeners that brokers advertise themselves, and
//! answers that pass as they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use proxy::{ClusterError, ClusterProxy, FaultEffect, ProxyFault, Ways};

use crate::fixture::{Broker, Client, METADATA, Script, UNHEARD_OF, echo, text};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const API_VERSIONS: i16 = 18;

async fn between(brokers: &[&Broker]) -> ClusterProxy {
    let upstreams: BTreeMap<i32, proxy::HostPort> = (1..)
        .zip(brokers.iter().map(|it| it.address.into()))
        .collect();
    ClusterProxy::between_brokers(HERE, upstreams, Arc::new(|_| {}))
        .await
        .unwrap()
}

#[tokio::test]
async fn addresses_and_versions_between_brokers_are_left_as_they_are() {
    // One broker, at a place that would otherwise get a listener of its own.
    let named = [&[0, 0, 0, 1, 0, 0, 0, 9][..], &text("elsewhere"), &[0; 8]].concat();
    // And one API that would otherwise not be offered beyond what is known.
    let offered = [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 99];
    let script: Script = Arc::new(move |request| match request.api {
        METADATA => named.clone(),
        API_VERSIONS => offered.to_vec(),
        _ => request.body.clone(),
    });
    let broker = Broker::start(Arc::clone(&script)).await;
    let proxy = between(&[&broker]).await;
    let mut client = Client::connect(proxy.listens_for(1).unwrap()).await;
    let mut direct = Client::connect(broker.address).await;
    for (api, version) in [(METADATA, 0), (API_VERSIONS, 0), (1, 99), (METADATA, 99)] {
        client.send(api, version, 5, &[0; 4]).await;
        direct.send(api, version, 5, &[0; 4]).await;
        assert_eq!(
            client.answer().await.unwrap(),
            direct.answer().await.unwrap()
        );
    }
    assert_eq!(proxy.brokers().len(), 1);
}

#[tokio::test]
async fn one_direction_between_two_brokers_is_cut_and_the_other_is_not() {
    let (one, two) = (Broker::start(echo()).await, Broker::start(echo()).await);
    let proxy = between(&[&one, &two]).await;
    let (at_one, at_two) = (proxy.listens_for(1).unwrap(), proxy.listens_for(2).unwrap());
    assert_eq!(proxy.listens_for(3), None);
    let fault = ProxyFault {
        brokers: vec![1],
        clients: vec!["broker-2-".to_owned()],
        ..ProxyFault::new(FaultEffect::Cut { ways: Ways::Both })
    };
    let id = proxy.add(fault).await.unwrap();
    let mut two_to_one = Client::connect(at_one).await;
    two_to_one.say_as("broker-2-fetcher-0", 1, b"lost").await;
    assert!(two_to_one.hears_nothing().await);
    for (to, id) in [
        (at_two, "broker-1-fetcher-0"),
        (at_one, "broker-3-fetcher-0"),
    ] {
        let mut other = Client::connect(to).await;
        assert_eq!(other.ask_as(id, 1, b"on").await.unwrap(), b"on");
    }
    let evidence = proxy.heal(id).await.unwrap().evidence;
    assert_eq!(evidence.connections, 1);
    assert!(two_to_one.end().await.is_err());
    proxy.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_yet_is_reached_once_it_is() {
    let later = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = later.local_addr().unwrap();
    drop(later);
    let upstreams = BTreeMap::from([(1, address.into())]);
    let proxy = ClusterProxy::between_brokers(HERE, upstreams, Arc::new(|_| {}))
        .await
        .unwrap();
    let listens = proxy.listens_for(1).unwrap();
    assert!(Client::connect(listens).await.end().await.is_err());
    let broker = tokio::net::TcpListener::bind(address).await.unwrap();
    let mut client = Client::connect(listens).await;
    client.send(UNHEARD_OF, 0, 1, b"here").await;
    broker.accept().await.unwrap();
}

#[tokio::test]
async fn without_brokers_there_is_nothing_to_be_between() {
    let none = ClusterProxy::between_brokers(HERE, BTreeMap::new(), Arc::new(|_| {})).await;
    assert!(matches!(none, Err(ClusterError::NoBootstrap)));
}
