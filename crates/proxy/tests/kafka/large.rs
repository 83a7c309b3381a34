//! Frames so large that the system carries most of them from socket to socket
//! without the proxy's seeing them, and what faults make of that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{
    ClusterProxy, ClusterSettings, Delayed, FaultEffect, FaultId, ProxyFault, ProxyStats,
    RequestFilter, Ways,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::fixture::{HANG, UNHEARD_OF, any_port, request};

/// More than the system holds of a connection whose receiver reads nothing.
const BODY_BYTES: usize = 32 << 20;

/// Both ends of a connection through a proxy, which say what a test has them
/// say.
struct Site {
    proxy: ClusterProxy,
    client: TcpStream,
    broker: TcpStream,
}

/// No two places in it look the same for long.
fn body(bytes: usize) -> Vec<u8> {
    (0u32..).flat_map(u32::to_be_bytes).take(bytes).collect()
}

fn answer(correlation: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + body.len()).unwrap().to_be_bytes();
    [&length[..], &correlation.to_be_bytes(), body].concat()
}

impl Site {
    /// A large request has passed each way, so that others are expected.
    async fn warm() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let settings = ClusterSettings {
            bootstrap: vec![address.into()],
            listen: any_port(),
            ports: None,
            advertised_host: None,
            security: proxy::ProxySecurity::default(),
        };
        let hear = Arc::new(|_| {});
        let proxy = ClusterProxy::start(settings, hear).await.unwrap();
        let client = TcpStream::connect(proxy.brokers()[0].listens)
            .await
            .unwrap();
        let (broker, _) = timeout(HANG, listener.accept()).await.unwrap().unwrap();
        let mut site = Self {
            proxy,
            client,
            broker,
        };
        let said = request(UNHEARD_OF, 0, 1, "tester", &body(200_000));
        pass(&mut site.client, &mut site.broker, &said).await;
        let said = answer(1, &body(200_000));
        pass(&mut site.broker, &mut site.client, &said).await;
        site
    }

    fn stats(&self) -> ProxyStats {
        self.proxy.brokers()[0].stats
    }

    fn delivered_since(&self, before: ProxyStats) -> usize {
        count(self.stats().bytes_delivered_to_upstream - before.bytes_delivered_to_upstream)
    }

    /// Whether more of one large request since then has come unseen, its head
    /// not counted, than has been delivered: the rest is in the pipe.
    fn holds_unseen(&self, before: ProxyStats) -> bool {
        let unseen = count(self.stats().bytes_spliced - before.bytes_spliced);
        HEAD_BYTES + unseen > self.delivered_since(before)
    }

    async fn add(&self, effect: FaultEffect) -> FaultId {
        self.proxy.add(ProxyFault::new(effect)).await.unwrap()
    }

    async fn until(&self, reached: impl Fn(ProxyStats) -> bool) {
        let polling = async {
            while !reached(self.stats()) {
                tokio::task::yield_now().await;
            }
        };
        let outcome = timeout(HANG, polling).await;
        assert!(outcome.is_ok(), "never reached: {:?}", self.stats());
    }
}

/// What one end says, the other hears.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, said: &[u8]) {
    let mut heard = vec![0; said.len()];
    let (sent, received) = timeout(HANG, async {
        tokio::join!(from.write_all(said), to.read_exact(&mut heard))
    })
    .await
    .unwrap();
    sent.unwrap();
    received.unwrap();
    assert!(heard == said, "it heard something else");
}

/// How much of a frame that is expected to be large is looked at.
const HEAD_BYTES: usize = 4 * 1024;

/// Sends as much of this as goes while the receiver reads nothing; says how
/// much that was.
async fn stuff(sender: &TcpStream, said: &[u8]) -> usize {
    let mut sent = 0;
    // After so many turns of the proxy's task without room it will have none.
    let mut turns_without_room = 0;
    while turns_without_room < 5_000 {
        match sender.try_write(&said[sent..]) {
            Ok(bytes) => (sent, turns_without_room) = (sent + bytes, 0),
            Err(_) => turns_without_room += 1,
        }
        tokio::task::yield_now().await;
    }
    assert!(sent < said.len(), "all of it fits somewhere");
    sent
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

#[tokio::test]
async fn large_frames_pass_unseen_one_after_the_other() {
    let mut site = Site::warm().await;
    let unseen_before = site.stats().bytes_spliced;
    let sizes = [300_000, 70_000, 10, 66_000, 5_000_000, 40_000, 3, 500_000];
    let said: Vec<Vec<u8>> = (2..)
        .zip(sizes)
        .map(|(correlation, bytes)| request(UNHEARD_OF, 0, correlation, "tester", &body(bytes)))
        .collect();
    pass(&mut site.client, &mut site.broker, &said.concat()).await;
    let answers: Vec<Vec<u8>> = (2..)
        .zip(sizes)
        .map(|(correlation, bytes)| answer(correlation, &body(bytes)))
        .collect();
    pass(&mut site.broker, &mut site.client, &answers.concat()).await;
    let unseen = count(site.stats().bytes_spliced - unseen_before);
    let all = said.concat().len() + answers.concat().len();
    assert!(unseen > all / 2, "{unseen} of {all}");
    assert!(unseen < all, "heads are looked at");
}

#[tokio::test]
async fn a_slow_receiver_gets_a_large_frame_in_order() {
    let mut site = Site::warm().await;
    let said = request(UNHEARD_OF, 0, 2, "tester", &body(BODY_BYTES));
    let sent = stuff(&site.client, &said).await;
    let mut heard = Vec::with_capacity(said.len());
    let rest = &said[sent..];
    let mut piece = vec![0; 10_007];
    let slowly = async {
        while heard.len() < said.len() {
            let bytes = site.broker.read(&mut piece).await.unwrap();
            assert!(bytes > 0);
            heard.extend_from_slice(&piece[..bytes]);
        }
    };
    let (sent, ()) = timeout(HANG, async {
        tokio::join!(site.client.write_all(rest), slowly)
    })
    .await
    .unwrap();
    sent.unwrap();
    assert!(heard == said, "it heard something else");
    assert!(count(site.stats().bytes_spliced) > BODY_BYTES / 2);
    let said = answer(2, b"done");
    pass(&mut site.broker, &mut site.client, &said).await;
}

#[tokio::test]
async fn a_cut_in_the_middle_of_a_large_frame_counts_every_byte_once() {
    let mut site = Site::warm().await;
    let said = request(UNHEARD_OF, 0, 2, "tester", &body(BODY_BYTES));
    let before = site.stats();
    let sent = stuff(&site.client, &said).await;
    let id = site.add(FaultEffect::Cut { ways: Ways::Both }).await;
    let delivered = site.delivered_since(before);
    assert!(site.holds_unseen(before), "{delivered} of {sent}");
    site.client.write_all(&said[sent..]).await.unwrap();
    site.until(|stats| delivered + count(stats.bytes_swallowed_from_clients) == said.len())
        .await;
    let mut heard = vec![0; delivered];
    site.broker.read_exact(&mut heard).await.unwrap();
    assert!(heard == said[..delivered], "it heard something else");
    assert_eq!(
        site.delivered_since(before),
        delivered,
        "delivered during the cut"
    );
    let evidence = site.proxy.heal(id).await.unwrap().evidence;
    assert_eq!(count(evidence.bytes), said.len() - delivered);
    let mut more = Vec::new();
    let end = timeout(HANG, site.broker.read_to_end(&mut more)).await;
    assert!(end.unwrap().is_err(), "it is reset");
    assert_eq!(more, b"");
}

#[tokio::test]
async fn a_latency_in_the_middle_of_a_large_frame_keeps_the_order() {
    let mut site = Site::warm().await;
    let frames = [
        request(UNHEARD_OF, 0, 2, "tester", &body(BODY_BYTES)),
        request(UNHEARD_OF, 0, 3, "tester", &body(500_000)),
    ];
    let said = frames.concat();
    let before = site.stats();
    let sent = stuff(&site.client, &said).await;
    assert!(site.holds_unseen(before));
    let unseen = count(site.stats().bytes_spliced);
    let latency = FaultEffect::Latency {
        latency_ms: 20,
        jitter_ms: 0,
        ways: Ways::Both,
    };
    let id = site.add(latency).await;
    let delivered = site.delivered_since(before);
    let mut heard = vec![0; said.len()];
    let (sent, received) = timeout(HANG, async {
        tokio::join!(
            site.client.write_all(&said[sent..]),
            site.broker.read_exact(&mut heard)
        )
    })
    .await
    .unwrap();
    sent.unwrap();
    received.unwrap();
    assert!(heard == said, "it heard something else");
    let unseen_then = count(site.stats().bytes_spliced);
    assert_eq!(unseen_then, unseen, "none while it lasts");
    let evidence = site.proxy.heal(id).await.unwrap().evidence;
    assert_eq!(
        count(evidence.bytes),
        said.len() - delivered,
        "all that was not delivered is met by it"
    );
    assert_eq!(site.delivered_since(before), said.len());
    // And without it frames pass as before.
    let after = request(UNHEARD_OF, 0, 4, "tester", &body(BODY_BYTES));
    pass(&mut site.client, &mut site.broker, &after).await;
    assert!(count(site.stats().bytes_spliced) > unseen + BODY_BYTES / 2);
}

#[tokio::test]
async fn all_of_a_large_answer_that_is_delayed_is_late() {
    let mut site = Site::warm().await;
    let delay_ms = 150;
    let id = site
        .add(FaultEffect::Delay {
            on: RequestFilter::default(),
            what: Delayed::Answer,
            delay_ms,
        })
        .await;
    let unseen = site.stats().bytes_spliced;
    let said = request(UNHEARD_OF, 0, 2, "tester", b"?");
    pass(&mut site.client, &mut site.broker, &said).await;
    let said = answer(2, &body(1_000_000));
    // The rest comes when all that came before it is delivered.
    let (first, rest) = said.split_at(400_000);
    for piece in [first, rest] {
        let since = Instant::now();
        pass(&mut site.broker, &mut site.client, piece).await;
        let took = since.elapsed();
        assert!(took >= Duration::from_millis(delay_ms), "{took:?}");
    }
    assert_eq!(site.stats().bytes_spliced, unseen);
    let evidence = site.proxy.heal(id).await.unwrap().evidence;
    assert_eq!(count(evidence.bytes), said.len());
}

#[tokio::test]
async fn what_came_of_a_large_frame_before_its_end_is_delivered() {
    let mut site = Site::warm().await;
    let said = request(UNHEARD_OF, 0, 2, "tester", &body(1_000_000));
    let half = &said[..60_000];
    // The proxy's task has no turn before both are there.
    assert_eq!(site.client.try_write(half).unwrap(), half.len());
    site.client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    let end = timeout(HANG, site.broker.read_to_end(&mut heard)).await;
    assert!(end.unwrap().is_err(), "half a frame is no end");
    assert!(heard == half, "{} bytes", heard.len());
}

#[tokio::test]
async fn a_stopped_proxy_leaves_nothing_of_a_large_frame() {
    let mut site = Site::warm().await;
    let said = request(UNHEARD_OF, 0, 2, "tester", &body(BODY_BYTES));
    stuff(&site.client, &said).await;
    timeout(HANG, site.proxy.stop()).await.unwrap();
    let mut rest = Vec::new();
    assert!(site.client.read_to_end(&mut rest).await.is_err());
}
