//! Clients stay behind the proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::fixture::{Broker, Client, Fixture, METADATA, Script, UNHEARD_OF, echo, text};

/// An answer to Metadata version 0 that names brokers, from node 1 on.
fn brokers(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut out = u32::try_from(addresses.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    for (address, node) in addresses.iter().zip(1u32..) {
        out.extend(node.to_be_bytes());
        out.extend(text(&address.ip().to_string()));
        out.extend(u32::from(address.port()).to_be_bytes());
    }
    out.extend([0; 4]);
    out
}

fn read_brokers(mut body: &[u8]) -> Vec<SocketAddr> {
    let mut take = |bytes| {
        let (head, rest) = body.split_at(bytes);
        body = rest;
        head.to_vec()
    };
    let int32 = |bytes: Vec<u8>| u32::from_be_bytes(bytes.try_into().unwrap());
    (0..int32(take(4)))
        .map(|_| {
            take(4);
            let length = u16::from_be_bytes(take(2).try_into().unwrap());
            let host = String::from_utf8(take(length.into())).unwrap();
            let port = int32(take(4));
            format!("{host}:{port}").parse().unwrap()
        })
        .collect()
}

fn tells_of(addresses: Vec<SocketAddr>) -> Script {
    Arc::new(move |request| match request.api {
        METADATA => brokers(&addresses),
        _ => request.body.clone(),
    })
}

#[tokio::test]
async fn a_broker_that_an_answer_names_gets_a_listener_that_leads_to_it() {
    let second = Broker::start(echo()).await;
    let first = Fixture::start(tells_of(vec![second.address])).await;
    let mut client = first.client().await;
    client.send(METADATA, 0, 1, &[0; 4]).await;
    let told = read_brokers(&client.answer().await.unwrap().1);
    assert_ne!(told, [second.address]);

    let mut behind = Client::connect(told[0]).await;
    assert_eq!(behind.ask(5, b"who?").await.unwrap(), b"who?");
    assert_eq!(second.correlations(), [5]);

    // Asked again, it is the same one.
    client.send(METADATA, 0, 2, &[0; 4]).await;
    assert_eq!(read_brokers(&client.answer().await.unwrap().1), told);
    assert_eq!(first.proxy.brokers()[1].node, Some(1));
}

#[tokio::test]
async fn a_broker_that_advertises_its_listener_itself_is_not_put_behind_another() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.client().await;
    let told = brokers(&[fixture.address()]);
    client.send(METADATA, 0, 1, &told).await;
    assert_eq!(client.answer().await.unwrap().1, told);
    assert_eq!(fixture.proxy.brokers().len(), 1);
}

#[tokio::test]
async fn what_the_proxy_does_not_know_passes_as_it_is() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.client().await;
    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    client.send(UNHEARD_OF, 77, -5, &body).await;
    assert_eq!(client.answer().await.unwrap(), (-5, body.clone()));
    let received = fixture.broker.received.lock().unwrap();
    assert_eq!((received[0].version, &received[0].body), (77, &body));
}

#[tokio::test]
async fn a_version_whose_addresses_could_not_be_rewritten_closes_the_connection() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.client().await;
    client.send(METADATA, 99, 1, &[0; 4]).await;
    assert!(client.end().await.is_err());
    fixture.until_closed("too new").await;
    assert!(fixture.broker.correlations().is_empty());
}

#[tokio::test]
async fn a_large_fetch_streams_by_and_its_brokers_are_rewritten() {
    // Fetch version 16: one topic with one partition of 20 MB, one broker.
    const RECORDS: usize = 20_000_000;
    let broker = Broker::start(echo()).await;
    let at = broker.address;
    let mut answer = vec![0; 1 + 4 + 2 + 4];
    answer.push(2);
    answer.extend([7; 16]);
    answer.push(2);
    answer.extend([0; 4 + 2 + 8 + 8 + 8]);
    answer.push(0);
    answer.extend([0xff; 4]);
    let mut length = u32::try_from(RECORDS + 1).unwrap();
    while length >= 0x80 {
        answer.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    answer.push(length.to_le_bytes()[0]);
    answer.extend(std::iter::repeat_n(9, RECORDS));
    answer.extend([0, 0]);
    let host = at.ip().to_string();
    let endpoint_bytes = u8::try_from(1 + 4 + 1 + host.len() + 4 + 1 + 1).unwrap();
    answer.extend([1, 0, endpoint_bytes, 2, 0, 0, 0, 1]);
    answer.push(u8::try_from(host.len()).unwrap() + 1);
    answer.extend(host.as_bytes());
    answer.extend(u32::from(at.port()).to_be_bytes());
    answer.extend([0, 0]);
    let sent = answer.clone();
    let fixture = Fixture::start(Arc::new(move |_| answer.clone())).await;
    let mut client = fixture.client().await;
    // Session, epoch, topics, forgotten ones, rack: nothing.
    client.send(1, 16, 3, &[0; 30]).await;
    let (correlation, got) = client.answer().await.unwrap();
    assert_eq!(correlation, 3);
    assert_eq!(got.len(), sent.len());
    let listens = fixture.proxy.brokers()[1].listens.port();
    let end = got.len() - 6;
    assert_eq!(got[..end], sent[..end]);
    assert_eq!(got[end..end + 4], u32::from(listens).to_be_bytes());
}
