//! Bytes that are no requests, or no answers: the connection is closed for a
//! reason that is told, and others go on.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proxy::{METADATA_BYTES_MAX, REQUEST_BYTES_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::fixture::{Fixture, METADATA, Script, any_port, echo, request};

/// What a client says, and the words of the reason for which it is closed.
fn nonsense() -> Vec<(Vec<u8>, &'static str)> {
    let with_length = |length: i32| {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(request(METADATA, 0, 1, "x", &[]));
        bytes
    };
    let beyond = i32::try_from(REQUEST_BYTES_MAX + 1).unwrap();
    let mut long_client_id = request(METADATA, 0, 1, "x", &[0; 4]);
    long_client_id[12..14].copy_from_slice(&i16::MAX.to_be_bytes());
    let mut negative_client_id = request(METADATA, 0, 1, "x", &[0; 4]);
    negative_client_id[12..14].copy_from_slice(&(-2i16).to_be_bytes());
    vec![
        (with_length(-1), "-1 bytes long"),
        (with_length(i32::MIN), "bytes long"),
        (with_length(i32::MAX), "bytes long"),
        (with_length(beyond), "bytes long"),
        (with_length(7), "7 bytes long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "bytes long"),
        // A TLS client's greeting.
        (vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], "bytes long"),
        (request(-1, 0, 1, "x", &[]), "header"),
        (long_client_id, "header"),
        (negative_client_id, "header"),
        (request(17, 0, 1, "x", &[0, 0]), "SaslHandshake"),
        // Produce, whose variable-length numbers never end.
        (request(0, 9, 1, "x", &[0xff; 40]), "header"),
        (request(0, 3, 1, "x", &[0x7f; 40]), "header"),
    ]
}

#[tokio::test]
async fn nonsense_closes_its_connection_and_no_other() {
    let fixture = Fixture::start(echo()).await;
    let mut bystander = fixture.warm_client().await;
    for (correlation, (bytes, words)) in (0..).zip(nonsense()) {
        let mut client = fixture.client().await;
        client.stream.write_all(&bytes).await.unwrap();
        assert!(client.end().await.is_err(), "{words}");
        fixture.until_closed(words).await;
        fixture.notes.lock().unwrap().clear();
        assert_eq!(bystander.ask(correlation, b"on").await.unwrap(), b"on");
    }
    assert_eq!(
        fixture.broker.received.lock().unwrap().len(),
        nonsense().len()
    );
}

#[tokio::test]
async fn half_a_request_at_the_end_of_a_connection_is_told() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.client().await;
    let whole = request(METADATA, 0, 1, "x", &[0; 100]);
    client.stream.write_all(&whole[..7]).await.unwrap();
    client.stream.shutdown().await.unwrap();
    fixture.until_closed("7 bytes of which were held").await;
}

#[tokio::test]
async fn a_request_that_a_fault_cannot_read_closes_its_connection() {
    use proxy::{FaultEffect, InjectedError, RequestApi, RequestFilter, When};
    let fixture = Fixture::start(echo()).await;
    fixture
        .add(FaultEffect::Error {
            on: RequestFilter {
                api: Some(RequestApi(0)),
                ..RequestFilter::default()
            },
            code: InjectedError(6),
            when: When::Before,
        })
        .await;
    // Two thousand million topics in four bytes.
    let body = [
        &[0xff, 0xff, 0, 1, 0, 0, 0, 0][..],
        &[0x7f, 0xff, 0xff, 0xff],
    ]
    .concat();
    let mut client = fixture.client().await;
    client.send(0, 3, 1, &body).await;
    assert!(client.end().await.is_err());
    fixture
        .until_closed("Produce version 3 cannot be read")
        .await;
}

fn answers(body: Vec<u8>) -> Script {
    Arc::new(move |_| body.clone())
}

#[tokio::test]
async fn an_answer_that_cannot_be_rewritten_never_arrives() {
    for (body, words) in [
        (vec![0x7f; 40], "cannot be read"),
        (vec![0xfe; 40], "cannot be read"),
        (vec![0, 0, 0, 9], "cannot be read"),
        (Vec::new(), "cannot be read"),
        // Broker 1 is at the host "\xff\xff".
        (
            vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 255, 255, 0, 0, 0, 1],
            "UTF-8",
        ),
    ] {
        let fixture = Fixture::start(answers(body)).await;
        let mut client = fixture.client().await;
        client.send(METADATA, 0, 1, &[0; 4]).await;
        assert!(client.end().await.is_err());
        fixture.until_closed(words).await;
    }
}

#[tokio::test]
async fn an_answer_that_names_more_brokers_than_any_cluster_has_makes_no_more_listeners() {
    let count = u32::try_from(proxy::BROKERS_MAX + 10).unwrap();
    let mut body = count.to_be_bytes().to_vec();
    for node in 0..count {
        body.extend(node.to_be_bytes());
        body.extend([0, 1, b'h']);
        body.extend((node + 1).to_be_bytes());
    }
    body.extend([0; 4]);
    let fixture = Fixture::start(answers(body)).await;
    let mut client = fixture.client().await;
    client.send(METADATA, 0, 1, &[0; 4]).await;
    assert!(client.end().await.is_err());
    fixture.until_closed("there are 1024 already").await;
    assert_eq!(fixture.proxy.brokers().len(), proxy::BROKERS_MAX);
}

/// A broker that answers the first request with these bytes, whatever it was.
async fn answered_with(bytes: Vec<u8>) -> Fixture {
    let fixture = Fixture::start(echo()).await;
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&bytes).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
    let settings = proxy::ClusterSettings {
        bootstrap: vec![address.into()],
        listen: any_port(),
        ports: None,
        advertised_host: None,
        security: proxy::ProxySecurity::default(),
    };
    let log = Arc::clone(&fixture.notes);
    let hear = Arc::new(move |note| log.lock().unwrap().push(note));
    let proxy = proxy::ClusterProxy::start(settings, hear).await.unwrap();
    Fixture { proxy, ..fixture }
}

#[tokio::test]
async fn an_answer_with_an_impossible_head_closes_the_connection() {
    let too_large = i32::try_from(METADATA_BYTES_MAX + 1).unwrap();
    for (length, correlation, words) in [
        (-1_i32, 1_i32, "-1 bytes long"),
        (3, 1, "3 bytes long"),
        (40, 2, "1 was to be answered"),
        (too_large, 1, "more than are held"),
        (i32::MAX, 1, "more than are held"),
    ] {
        let bytes = [length.to_be_bytes(), correlation.to_be_bytes()].concat();
        let fixture = answered_with(bytes).await;
        let mut client = fixture.client().await;
        client.send(METADATA, 0, 1, &[0; 4]).await;
        assert!(client.end().await.is_err());
        fixture.until_closed(words).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_from_either_side_end_in_order(
        from_client in prop::collection::vec(any::<u8>(), 1..400),
        from_broker in prop::collection::vec(any::<u8>(), 1..400),
        api in prop::sample::select(vec![0i16, 1, 3, 10, 18, 60, 78, 79]),
        version in 0i16..14,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let fixture = answered_with(from_broker).await;
            let mut client = fixture.client().await;
            client.send(api, version, 1, &from_client).await;
            client.stream.write_all(&from_client).await.unwrap();
            client.stream.shutdown().await.unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(20), client.end_or_error()).await;
            // Whatever came of it, the proxy itself goes on.
            prop_assert!(!fixture.proxy.brokers().is_empty());
            fixture.proxy.stop().await;
            Ok(())
        })?;
    }
}
