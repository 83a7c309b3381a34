//! Faults on whole connections.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use proxy::{FaultEffect, ProxyFault, Ways};
use tokio::net::TcpStream;

use crate::fixture::{Fixture, UNHEARD_OF, echo};

#[tokio::test]
async fn a_cut_swallows_and_its_connections_die_when_it_heals() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let id = fixture.add(FaultEffect::Cut { ways: Ways::Both }).await;
    client.send(UNHEARD_OF, 0, 1, b"lost").await;
    assert!(client.hears_nothing().await);
    assert!(fixture.broker.correlations().is_empty());
    let evidence = fixture.heal(id).await;
    assert_eq!((evidence.connections, evidence.bytes), (1, 24));
    assert!(evidence.first_us.is_some());
    assert!(client.end().await.is_err());
    fixture.warm_client().await;
}

#[tokio::test]
async fn a_cut_of_one_way_lets_the_other_pass() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let id = fixture
        .add(FaultEffect::Cut {
            ways: Ways::Answers,
        })
        .await;
    client.send(UNHEARD_OF, 0, 1, b"heard").await;
    assert!(client.hears_nothing().await);
    assert_eq!(fixture.broker.correlations(), [1]);
    fixture.heal(id).await;

    let mut client = fixture.warm_client().await;
    fixture
        .add(FaultEffect::Cut {
            ways: Ways::Requests,
        })
        .await;
    client.send(UNHEARD_OF, 0, 2, b"unheard").await;
    assert!(client.hears_nothing().await);
    assert!(fixture.broker.correlations().is_empty());
}

#[tokio::test]
async fn refused_connections_are_refused_by_the_system_and_open_ones_stay() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    for round in 0..3 {
        let id = fixture.add(FaultEffect::Refuse).await;
        let refused = TcpStream::connect(fixture.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(client.ask(round, b"still").await.unwrap(), b"still");
        fixture.heal(id).await;
        fixture.warm_client().await;
    }
}

#[tokio::test]
async fn a_reset_ends_open_connections_and_new_ones_at_once() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let id = fixture.add(FaultEffect::Reset).await;
    assert!(client.end().await.is_err());
    // The reset may be there before the connection is known to be.
    if let Ok(mut stream) = TcpStream::connect(fixture.address()).await {
        use tokio::io::AsyncReadExt as _;
        assert!(stream.read_u8().await.is_err());
    }
    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.connections, 2);
    fixture.warm_client().await;
}

#[tokio::test]
async fn latency_delays_both_ways_and_keeps_the_order() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let id = fixture
        .add(FaultEffect::Latency {
            latency_ms: 60,
            jitter_ms: 20,
            ways: Ways::Both,
        })
        .await;
    let since = Instant::now();
    for correlation in 0..50 {
        client.send(UNHEARD_OF, 0, correlation, b"x").await;
    }
    for correlation in 0..50 {
        assert_eq!(client.answer().await.unwrap().0, correlation);
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(80), "{took:?}");
    // They wait beside each other, not one after the other.
    assert!(took < Duration::from_secs(2), "{took:?}");
    let evidence = fixture.heal(id).await;
    assert_eq!((evidence.connections, evidence.bytes), (1, 50 * (21 + 9)));
}

#[tokio::test]
async fn bandwidth_bounds_what_a_connection_carries() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let limited = |bytes_per_s| FaultEffect::Bandwidth {
        bytes_per_s,
        ways: Ways::Answers,
    };
    let id = fixture.add(limited(200_000)).await;
    let since = Instant::now();
    let body = vec![3; 100_000];
    assert_eq!(client.ask(1, &body).await.unwrap(), body);
    assert!(since.elapsed() >= Duration::from_millis(450));
    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.connections, 1);
    assert!(evidence.bytes >= 96_000, "{evidence:?}");
}

#[tokio::test]
async fn a_limit_above_what_a_connection_carries_meets_nothing() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let id = fixture
        .add(FaultEffect::Bandwidth {
            bytes_per_s: 1_000_000_000,
            ways: Ways::Both,
        })
        .await;
    for correlation in 0..20 {
        assert_eq!(client.ask(correlation, b"short").await.unwrap(), b"short");
    }
    let evidence = fixture.heal(id).await;
    assert_eq!((evidence.connections, evidence.bytes), (0, 0));
    assert_eq!(evidence.first_us, None);
}

#[tokio::test]
async fn a_slow_close_is_passed_on_late() {
    let fixture = Fixture::start(echo()).await;
    let client = fixture.warm_client().await;
    let id = fixture.add(FaultEffect::SlowClose { delay_ms: 150 }).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let open = || fixture.proxy.brokers()[0].stats.connections_open;
    assert_eq!(open(), 1);
    tokio::time::timeout(crate::fixture::HANG, async {
        while open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(fixture.heal(id).await.connections, 1);
}

#[tokio::test]
async fn an_end_that_waits_is_passed_on_when_its_fault_heals() {
    let fixture = Fixture::start(echo()).await;
    let client = fixture.warm_client().await;
    let id = fixture
        .add(FaultEffect::SlowClose { delay_ms: 600_000 })
        .await;
    drop(client);
    tokio::time::timeout(crate::fixture::HANG, async {
        let met = async || fixture.proxy.fault(id).await.unwrap().evidence.connections;
        while met().await == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        fixture.heal(id).await;
        while fixture.proxy.brokers()[0].stats.connections_open > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_fault_for_another_broker_changes_nothing_here() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    let elsewhere = ProxyFault {
        brokers: vec![7],
        ..ProxyFault::new(FaultEffect::Cut { ways: Ways::Both })
    };
    fixture.proxy.add(elsewhere).await.unwrap();
    assert_eq!(client.ask(1, b"here").await.unwrap(), b"here");
}

#[tokio::test]
async fn a_second_cut_of_a_link_is_refused_and_leaves_the_first_one() {
    let fixture = Fixture::start(echo()).await;
    fixture.add(FaultEffect::Cut { ways: Ways::Both }).await;
    let second = ProxyFault::new(FaultEffect::Reset);
    assert!(fixture.proxy.add(second).await.is_err());
    let mut client = fixture.client().await;
    client.send(UNHEARD_OF, 0, 1, b"lost").await;
    assert!(client.hears_nothing().await);
    assert_eq!(fixture.proxy.faults().await.len(), 1);
}

#[tokio::test]
async fn a_stopped_proxy_holds_nothing() {
    let fixture = Fixture::start(echo()).await;
    let address = fixture.address();
    let mut client = fixture.warm_client().await;
    fixture.proxy.stop().await;
    assert!(client.end().await.is_err());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
