//! The proxy before plain TCP servers on loopback.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use proxy::{Proxy, ProxyError, ProxyStats};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far above what any step takes; only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

struct Fixture {
    proxy: Proxy,
    upstream: TcpListener,
}

impl Fixture {
    async fn start() -> Self {
        let upstream = TcpListener::bind(any_port()).await.unwrap();
        let proxy = Proxy::start(any_port(), upstream.local_addr().unwrap())
            .await
            .unwrap();
        Self { proxy, upstream }
    }

    /// A connection through the proxy, and its other end; proven by one byte
    /// each way.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(self.proxy.addr()).await.unwrap();
        let (mut server, _) = timeout(HANG, self.upstream.accept())
            .await
            .unwrap()
            .unwrap();
        client.write_all(b"?").await.unwrap();
        server.write_all(b"!").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        (client, server)
    }

    async fn until(&self, reached: impl Fn(ProxyStats) -> bool) {
        let polling = async {
            while !reached(self.proxy.stats()) {
                tokio::task::yield_now().await;
            }
        };
        let outcome = timeout(HANG, polling).await;
        assert!(outcome.is_ok(), "never reached: {:?}", self.proxy.stats());
    }
}

/// Reads to the reset, and returns what came before it.
async fn until_reset(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let end = timeout(HANG, stream.read_to_end(&mut received))
        .await
        .unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    received
}

fn nothing_to_read(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn what_is_sent_during_a_cut_is_counted_and_never_delivered() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    let cut = fixture.proxy.cut().unwrap();
    client.write_all(b"request").await.unwrap();
    server.write_all(b"an answer").await.unwrap();
    fixture
        .until(|stats| {
            stats.bytes_swallowed_from_clients == 7 && stats.bytes_swallowed_from_upstream == 9
        })
        .await;
    assert!(nothing_to_read(&client));
    assert!(nothing_to_read(&server));
    assert_eq!(fixture.proxy.stats().cut.unwrap().connections_affected, 1);

    let report = cut.heal().await;
    assert_eq!(report.bytes_swallowed_from_clients, 7);
    assert_eq!(report.bytes_swallowed_from_upstream, 9);
    assert_eq!(report.connections_affected, 1);
    assert_eq!(report.connections_unanswered, 0);
    assert_eq!(until_reset(&mut client).await, b"");
    assert_eq!(until_reset(&mut server).await, b"");

    let stats = fixture.proxy.stats();
    assert_eq!(stats.cut, None);
    assert_eq!(stats.bytes_delivered_to_upstream, 1);
    assert_eq!(stats.bytes_delivered_to_clients, 1);
}

#[tokio::test]
async fn the_answer_to_a_request_that_arrived_before_the_cut_is_lost() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    client.write_all(b"write this").await.unwrap();
    let mut request = [0; 10];
    server.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"write this");

    let cut = fixture.proxy.cut().unwrap();
    server.write_all(b"done").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_upstream == 4)
        .await;
    cut.heal().await;
    assert_eq!(until_reset(&mut client).await, b"");
}

#[tokio::test]
async fn while_the_answers_are_cut_requests_arrive_until_the_cut_is_complete() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    let cut = fixture.proxy.cut_answers().unwrap();
    client.write_all(b"write this").await.unwrap();
    let mut request = [0; 10];
    timeout(HANG, server.read_exact(&mut request))
        .await
        .unwrap()
        .unwrap();
    server.write_all(b"done").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_upstream == 4)
        .await;
    assert_eq!(cut.so_far().bytes_swallowed_from_clients, 0);

    cut.complete();
    client.write_all(b"and this").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_clients == 8)
        .await;
    assert!(nothing_to_read(&server));
    assert!(nothing_to_read(&client));
    cut.heal().await;
    assert_eq!(until_reset(&mut client).await, b"");
    assert_eq!(until_reset(&mut server).await, b"");
}

#[tokio::test]
async fn who_connects_while_the_answers_are_cut_hears_nothing() {
    let fixture = Fixture::start().await;
    let cut = fixture.proxy.cut_answers().unwrap();
    let mut client = TcpStream::connect(fixture.proxy.addr()).await.unwrap();
    client.write_all(b"hello?").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_clients == 6)
        .await;
    assert!(nothing_to_read(&client));
    cut.heal().await;
    assert_eq!(until_reset(&mut client).await, b"");
}

#[tokio::test]
async fn the_end_of_a_connection_does_not_cross_a_cut() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    let cut = fixture.proxy.cut().unwrap();
    client.write_all(b"bye").await.unwrap();
    client.shutdown().await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_clients == 3)
        .await;
    // The proxy turns to this after the end that came before it.
    server.write_all(b"hello?").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_upstream == 6)
        .await;
    assert!(nothing_to_read(&server));
    cut.heal().await;
    assert_eq!(until_reset(&mut server).await, b"");
}

#[tokio::test]
async fn a_connection_opened_during_a_cut_is_unanswered_and_dies_with_it() {
    let fixture = Fixture::start().await;
    let cut = fixture.proxy.cut().unwrap();
    let mut client = TcpStream::connect(fixture.proxy.addr()).await.unwrap();
    client.write_all(b"anyone?").await.unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_clients == 7)
        .await;
    assert!(nothing_to_read(&client));
    let report = cut.heal().await;
    assert_eq!(report.connections_unanswered, 1);
    assert_eq!(report.connections_affected, 0);
    assert_eq!(until_reset(&mut client).await, b"");
    // Nobody spoke to the upstream until now.
    fixture.pair().await;
    assert_eq!(fixture.proxy.stats().connections_accepted, 2);
}

#[tokio::test]
async fn a_connection_that_still_waits_to_be_accepted_dies_with_the_cut_too() {
    let fixture = Fixture::start().await;
    let cut = fixture.proxy.cut().unwrap();
    // Without an await the proxy's own task has no chance to accept it.
    let mut client = std::net::TcpStream::connect(fixture.proxy.addr()).unwrap();
    let report = cut.heal().await;
    assert_eq!(report.connections_unanswered, 1);
    client.set_read_timeout(Some(HANG)).unwrap();
    let end = client.read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_idle_connection_dies_at_the_heal_and_not_at_the_cut() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    let cut = fixture.proxy.cut().unwrap();
    assert!(nothing_to_read(&client));
    assert_eq!(fixture.proxy.stats().connections_open, 1);
    let report = cut.heal().await;
    assert_eq!(report.connections_affected, 1);
    assert_eq!(fixture.proxy.stats().connections_open, 0);
    assert_eq!(until_reset(&mut client).await, b"");
    assert_eq!(until_reset(&mut server).await, b"");
}

#[tokio::test]
async fn bytes_that_the_receiver_had_no_room_for_are_swallowed() {
    let fixture = Fixture::start().await;
    let (client, server) = fixture.pair().await;
    // The client reads nothing. Once the server cannot write for so many turns
    // of the proxy's task, the proxy holds bytes that it cannot pass on.
    let chunk = vec![1; 64 * 1024];
    let mut sent = 1;
    let mut turns_without_room = 0;
    while turns_without_room < 5_000 {
        match server.try_write(&chunk) {
            Ok(bytes) => (sent, turns_without_room) = (sent + bytes as u64, 0),
            Err(_) => turns_without_room += 1,
        }
        tokio::task::yield_now().await;
    }
    let cut = fixture.proxy.cut().unwrap();
    let delivered = fixture.proxy.stats().bytes_delivered_to_clients;
    assert!(delivered < sent);
    // Reading makes room, before the proxy's own task can notice the cut;
    // nothing may use it.
    let mut client = client.into_std().unwrap();
    client.set_nonblocking(false).unwrap();
    let mut received = vec![0; usize::try_from(delivered).unwrap() - 1];
    client.read_exact(&mut received).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut client = TcpStream::from_std(client).unwrap();
    fixture
        .until(|stats| stats.bytes_swallowed_from_upstream + delivered == sent)
        .await;
    assert!(nothing_to_read(&client));
    assert_eq!(
        fixture.proxy.stats().bytes_delivered_to_clients,
        delivered,
        "delivered during the cut"
    );
    cut.heal().await;
    assert_eq!(until_reset(&mut client).await, b"");
}

#[tokio::test]
async fn a_half_closed_connection_still_answers() {
    let fixture = Fixture::start().await;
    let (mut client, mut server) = fixture.pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    fixture.until(|stats| stats.connections_open == 0).await;
}

#[tokio::test]
async fn a_reset_is_passed_on_as_one() {
    let fixture = Fixture::start().await;
    let (mut client, server) = fixture.pair().await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(until_reset(&mut client).await, b"");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_resets_the_client() {
    let fixture = Fixture::start().await;
    let Fixture { proxy, upstream } = fixture;
    drop(upstream);
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(until_reset(&mut client).await, b"");
    assert_eq!(proxy.stats().upstream_refused, 1);
}

#[tokio::test]
async fn a_dropped_cut_is_healed_and_there_is_only_one_at_a_time() {
    let fixture = Fixture::start().await;
    let cut = fixture.proxy.cut().unwrap();
    assert!(matches!(
        fixture.proxy.cut(),
        Err(ProxyError::AlreadyCut { .. })
    ));
    drop(cut);
    fixture.pair().await;
    fixture.proxy.cut().unwrap().heal().await;
    assert_eq!(fixture.proxy.stats().cuts, 2);
}

#[tokio::test]
async fn a_stopped_proxy_refuses_and_cannot_be_cut() {
    let fixture = Fixture::start().await;
    let (mut client, _server) = fixture.pair().await;
    let cut = fixture.proxy.cut().unwrap();
    fixture.proxy.stop().await;
    assert_eq!(until_reset(&mut client).await, b"");
    cut.heal().await;
    let refused = TcpStream::connect(fixture.proxy.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(matches!(
        fixture.proxy.cut(),
        Err(ProxyError::Stopped { .. })
    ));
}

#[tokio::test]
async fn a_proxy_without_a_handle_ends() {
    let Fixture {
        proxy,
        upstream: _upstream,
    } = Fixture::start().await;
    let address = proxy.addr();
    let mut client = TcpStream::connect(address).await.unwrap();
    drop(proxy);
    assert_eq!(until_reset(&mut client).await, b"");
}

#[test]
fn handles_and_cuts_go_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Proxy>();
    check::<proxy::Cut>();
}

async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), chunks: &[Vec<u8>]) {
    for chunk in chunks {
        stream.write_all(chunk).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

async fn receive(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let chunk = (0_u8..250, 0_usize..200_000)
        .prop_map(|(first, bytes)| (first..=250).cycle().take(bytes).collect());
    prop::collection::vec(chunk, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_healthy_proxy_changes_nothing(upwards in chunks(), downwards in chunks()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let fixture = Fixture::start().await;
            let (client, server) = fixture.pair().await;
            let (mut client_in, mut client_out) = client.into_split();
            let (mut server_in, mut server_out) = server.into_split();
            let everything = async {
                tokio::join!(
                    send(&mut client_out, &upwards),
                    send(&mut server_out, &downwards),
                    receive(&mut server_in),
                    receive(&mut client_in),
                )
            };
            let ((), (), at_server, at_client) = timeout(HANG, everything).await.unwrap();
            assert_eq!(at_server, upwards.concat());
            assert_eq!(at_client, downwards.concat());
            fixture.until(|stats| stats.connections_open == 0).await;
            let stats = fixture.proxy.stats();
            assert_eq!(stats.bytes_delivered_to_upstream, 1 + at_server.len() as u64);
            assert_eq!(stats.bytes_delivered_to_clients, 1 + at_client.len() as u64);
        });
    }
}
