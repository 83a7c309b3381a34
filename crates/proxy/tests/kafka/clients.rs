//! Faults on the connections of some clients, while others on the same listener
//! go on.

use std::time::{Duration, Instant};

use proxy::{FaultEffect, FaultId, ProxyFault, Ways};
use tokio::io::AsyncWriteExt as _;

use crate::fixture::{Client, Fixture, HANG, UNHEARD_OF, echo, request};

const FOLLOWER: &str = "broker-2-fetcher-0";
const OTHER: &str = "broker-3-fetcher-0";

/// The effect on the clients of broker 2.
async fn add(fixture: &Fixture, effect: FaultEffect) -> FaultId {
    let fault = ProxyFault {
        clients: vec!["broker-2-".to_owned()],
        ..ProxyFault::new(effect)
    };
    fixture.proxy.add(fault).await.unwrap()
}

async fn cut(fixture: &Fixture, ways: Ways) -> FaultId {
    add(fixture, FaultEffect::Cut { ways }).await
}

/// A client that has said who it is.
async fn client(fixture: &Fixture, client_id: &str) -> Client {
    let mut client = fixture.client().await;
    assert_eq!(client.ask_as(client_id, 0, b"warm").await.unwrap(), b"warm");
    fixture.broker.received.lock().unwrap().clear();
    client
}

#[tokio::test]
async fn a_cut_of_one_client_swallows_its_bytes_and_no_others() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut other = client(&fixture, OTHER).await;
    let id = cut(&fixture, Ways::Both).await;
    let said = request(UNHEARD_OF, 0, 1, FOLLOWER, b"lost");
    follower.stream.write_all(&said).await.unwrap();
    assert!(follower.hears_nothing().await);
    assert_eq!(other.ask_as(OTHER, 2, b"on").await.unwrap(), b"on");
    assert_eq!(fixture.broker.correlations(), [2]);

    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.connections, 1);
    assert_eq!(evidence.bytes, said.len() as u64);
    assert!(follower.end().await.is_err(), "it is reset");
    assert_eq!(other.ask_as(OTHER, 3, b"still").await.unwrap(), b"still");
    client(&fixture, FOLLOWER).await;
}

#[tokio::test]
async fn a_client_that_connects_anew_is_cut_from_its_first_request_on() {
    let fixture = Fixture::start(echo()).await;
    let id = cut(&fixture, Ways::Both).await;
    let mut stranger = fixture.client().await;
    assert_eq!(stranger.ask_as(OTHER, 1, b"on").await.unwrap(), b"on");
    let mut follower = fixture.client().await;
    // Half of it leaves open who this is.
    let said = request(UNHEARD_OF, 0, 2, FOLLOWER, b"lost");
    follower.stream.write_all(&said[..20]).await.unwrap();
    assert!(follower.hears_nothing().await);
    follower.stream.write_all(&said[20..]).await.unwrap();
    assert!(follower.hears_nothing().await);
    assert_eq!(fixture.broker.correlations(), [1]);
    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.connections, 1);
    assert_eq!(evidence.bytes, said.len() as u64);
    assert!(follower.end().await.is_err());
    assert_eq!(stranger.ask_as(OTHER, 3, b"still").await.unwrap(), b"still");
}

#[tokio::test]
async fn an_idle_connection_of_a_cut_client_is_counted_at_once_and_reset_at_the_heal() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut silent = fixture.client().await;
    let id = cut(&fixture, Ways::Both).await;
    let report = fixture.proxy.fault(id).await.unwrap();
    assert_eq!(report.evidence.connections, 1);
    fixture.heal(id).await;
    assert!(follower.end().await.is_err());
    // A connection without a request is of no client.
    assert_eq!(silent.ask_as(FOLLOWER, 1, b"now").await.unwrap(), b"now");
}

#[tokio::test]
async fn a_cut_of_one_clients_answers_lets_its_requests_pass() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let id = cut(&fixture, Ways::Answers).await;
    follower.say_as(FOLLOWER, 1, b"heard").await;
    assert!(follower.hears_nothing().await);
    assert_eq!(fixture.broker.correlations(), [1]);
    fixture.heal(id).await;
    assert!(follower.end().await.is_err());
}

#[tokio::test]
async fn two_clients_are_cut_and_healed_apart() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut other = client(&fixture, OTHER).await;
    let first = cut(&fixture, Ways::Both).await;
    let fault = ProxyFault {
        clients: vec!["broker-3-".to_owned()],
        ..ProxyFault::new(FaultEffect::Cut { ways: Ways::Both })
    };
    let second = fixture.proxy.add(fault).await.unwrap();
    fixture.heal(first).await;
    assert!(follower.end().await.is_err());
    client(&fixture, FOLLOWER).await;
    other.say_as(OTHER, 1, b"lost").await;
    assert!(other.hears_nothing().await);
    fixture.heal(second).await;
    assert!(other.end().await.is_err());
}

#[tokio::test]
async fn a_reset_of_one_client_leaves_the_others() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut other = client(&fixture, OTHER).await;
    let id = add(&fixture, FaultEffect::Reset).await;
    assert!(follower.end().await.is_err());
    let mut again = fixture.client().await;
    again.say_as(FOLLOWER, 1, b"lost").await;
    assert!(again.end().await.is_err());
    assert_eq!(other.ask_as(OTHER, 2, b"on").await.unwrap(), b"on");
    assert_eq!(fixture.broker.correlations(), [2]);
    assert_eq!(fixture.heal(id).await.connections, 2);
    client(&fixture, FOLLOWER).await;
}

#[tokio::test]
async fn latency_and_bandwidth_are_for_the_client_that_is_named() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut other = client(&fixture, OTHER).await;
    let slow = Duration::from_millis(300);
    let latency = FaultEffect::Latency {
        latency_ms: 300,
        jitter_ms: 0,
        ways: Ways::Answers,
    };
    let bandwidth = FaultEffect::Bandwidth {
        bytes_per_s: 100_000,
        ways: Ways::Requests,
    };
    for (effect, body) in [(latency, vec![1]), (bandwidth, vec![1; 30_000])] {
        let id = add(&fixture, effect).await;
        let since = Instant::now();
        assert_eq!(other.ask_as(OTHER, 1, &body).await.unwrap(), body);
        let unhindered = since.elapsed();
        let since = Instant::now();
        assert_eq!(follower.ask_as(FOLLOWER, 1, &body).await.unwrap(), body);
        assert!(since.elapsed() >= slow);
        let evidence = fixture.heal(id).await;
        assert_eq!(evidence.connections, 1, "others took {unhindered:?}");
    }
}

#[tokio::test]
async fn a_slow_close_is_for_the_client_that_is_named() {
    let fixture = Fixture::start(echo()).await;
    let follower = client(&fixture, FOLLOWER).await;
    let other = client(&fixture, OTHER).await;
    // Longer than any test: only the heal, or nothing, ends it.
    let id = add(&fixture, FaultEffect::SlowClose { delay_ms: 600_000 }).await;
    drop((follower, other));
    let open = || fixture.proxy.brokers()[0].stats.connections_open;
    tokio::time::timeout(HANG, async {
        while open() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(fixture.heal(id).await.connections, 1);
}

#[tokio::test]
async fn a_cut_of_one_client_that_heals_during_a_cut_of_all_hushes_its_reset() {
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let one = cut(&fixture, Ways::Both).await;
    let all = fixture
        .add(FaultEffect::Cut {
            ways: Ways::Answers,
        })
        .await;
    fixture.heal(one).await;
    follower.say_as(FOLLOWER, 1, b"lost").await;
    assert!(follower.hears_nothing().await);
    assert!(fixture.broker.correlations().is_empty());
    fixture.heal(all).await;
    assert!(follower.end().await.is_err());
}

#[tokio::test]
async fn requests_are_picked_by_the_client_that_is_named() {
    use proxy::{Delayed, RequestFilter};
    let fixture = Fixture::start(echo()).await;
    let mut follower = client(&fixture, FOLLOWER).await;
    let mut other = client(&fixture, OTHER).await;
    let delay = FaultEffect::Delay {
        on: RequestFilter::default(),
        delay_ms: 1,
        what: Delayed::Answer,
    };
    let id = add(&fixture, delay).await;
    follower.ask_as(FOLLOWER, 1, b"late").await.unwrap();
    other.ask_as(OTHER, 1, b"on").await.unwrap();
    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.requests.values().sum::<u64>(), 1);
}

#[tokio::test]
async fn who_cannot_be_told_apart_cannot_be_named() {
    let fixture = Fixture::start(echo()).await;
    for (clients, effect, words) in [
        ("broker-2-", FaultEffect::Refuse, "before clients tell"),
        ("", FaultEffect::Reset, "an empty client id"),
    ] {
        let fault = ProxyFault {
            clients: vec![clients.to_owned()],
            ..ProxyFault::new(effect)
        };
        let refused = fixture.proxy.add(fault).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
