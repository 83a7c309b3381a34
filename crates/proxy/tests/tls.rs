//! The proxy with TLS on both sides, before a server that answers each request with what it
//! was asked: bytes pass whole, what is cut is swallowed, and nothing answers across a cut.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy::{
    ClusterProxy, ClusterSettings, FaultEffect, ProxyEvent, ProxyFault, ProxySecurity, Ways,
};
use security::rustls::pki_types::ServerName;
use security::{Authority, ClientSecurity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Far above what any step takes; only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);
/// A wait for what does not come.
const NEVER: Duration = Duration::from_millis(300);

struct Fixture {
    proxy: ClusterProxy,
    listens: SocketAddr,
    as_client: ClientSecurity,
    closed: Arc<Mutex<Vec<String>>>,
}

/// A user that trusts this authority.
fn user(authority: &Authority) -> ClientSecurity {
    let pem = authority.pem().replace('\n', "\\n");
    let text = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates={pem}\n"
    );
    ClientSecurity::parse(Path::new("c"), text.as_bytes()).unwrap()
}

impl Fixture {
    async fn start() -> Self {
        let theirs = Authority::for_hosts(&["127.0.0.1".to_owned()]).unwrap();
        let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = broker.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::clone(theirs.server()));
        tokio::spawn(async move {
            loop {
                let (tcp, _) = broker.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(tcp).await?;
                    loop {
                        // The API and its version, then what the answer has too.
                        let length = stream.read_u32().await?;
                        stream.read_u32().await?;
                        let mut rest = vec![0; length as usize - 4];
                        stream.read_exact(&mut rest).await?;
                        stream.write_u32(length - 4).await?;
                        stream.write_all(&rest).await?;
                        stream.flush().await?;
                    }
                    #[allow(unreachable_code, reason = "says of which type errors are")]
                    std::io::Result::Ok(())
                });
            }
        });
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let security = ProxySecurity::of(&user(&theirs), ip, None).unwrap();
        let as_client = security.as_client().clone();
        let closed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&closed);
        let settings = ClusterSettings {
            bootstrap: vec![upstream.into()],
            listen: SocketAddr::new(ip, 0),
            ports: None,
            advertised_host: None,
            security,
        };
        let hear = Arc::new(move |event| {
            if let ProxyEvent::Closed { reason, .. } = event {
                log.lock().unwrap().push(reason.to_string());
            }
        });
        let proxy = ClusterProxy::start(settings, hear).await.unwrap();
        Self {
            listens: proxy.brokers()[0].listens,
            proxy,
            as_client,
            closed,
        }
    }

    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.listens).await?;
        let connector = TlsConnector::from(Arc::clone(self.as_client.tls().unwrap()));
        let name = ServerName::from(self.listens.ip());
        connector.connect(name, tcp).await
    }
}

/// A request of an API that the proxy does not look into.
fn request(correlation: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(10 + body.len()).unwrap();
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend([0, 26, 0, 0]);
    frame.extend(correlation.to_be_bytes());
    frame.extend([0xff, 0xff]);
    frame.extend_from_slice(body);
    frame
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[tokio::test]
async fn bytes_pass_whole_and_in_order() {
    let fixture = Fixture::start().await;
    let mut client = fixture.connect().await.unwrap();
    for (number, size) in (0u32..).zip([0usize, 1, 1000, 16 * 1024, 100_000, 5_000_000, 3]) {
        let body: Vec<u8> = (0..=250).cycle().take(size).collect();
        let asked = request(number, &body);
        let exchanged = async {
            client.write_all(&asked).await.unwrap();
            client.flush().await.unwrap();
            answer(&mut client).await.unwrap()
        };
        let answered = timeout(HANG, exchanged).await.unwrap();
        assert_eq!(answered, &asked[8..], "{size} bytes");
    }
    client.shutdown().await.unwrap();
    let ended = timeout(HANG, client.read_u8()).await.unwrap();
    assert!(ended.is_err(), "the end is passed on, and answered");
    assert_eq!(fixture.closed.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_cut_swallows_answers_nothing_and_ends_in_a_reset() {
    for ways in [Ways::Both, Ways::Answers] {
        let fixture = Fixture::start().await;
        let mut client = fixture.connect().await.unwrap();
        client.write_all(&request(1, b"before")).await.unwrap();
        answer(&mut client).await.unwrap();
        let cut = ProxyFault {
            effect: FaultEffect::Cut { ways },
            brokers: Vec::new(),
            clients: Vec::new(),
            seed: 0,
        };
        let id = fixture.proxy.add(cut).await.unwrap();
        client.write_all(&request(2, b"within")).await.unwrap();
        let heard = timeout(NEVER, client.read_u8()).await;
        assert!(heard.is_err(), "{ways:?}: {heard:?}");
        let another = timeout(NEVER, fixture.connect()).await;
        assert!(another.is_err(), "not even a handshake is answered");
        let report = fixture.proxy.heal(id).await.unwrap();
        assert!(report.evidence.connections >= 2, "{report:?}");
        assert!(report.evidence.bytes > 0, "{report:?}");
        assert!(timeout(HANG, client.read_u8()).await.unwrap().is_err());
        let mut after = timeout(HANG, fixture.connect()).await.unwrap().unwrap();
        after.write_all(&request(3, b"after")).await.unwrap();
        let answered = timeout(HANG, answer(&mut after)).await.unwrap();
        assert_eq!(answered.unwrap(), &request(3, b"after")[8..]);
    }
}

#[tokio::test]
async fn who_does_not_trust_the_other_is_told() {
    let fixture = Fixture::start().await;
    let other = Authority::for_hosts(&["127.0.0.1".to_owned()]).unwrap();
    let stranger = user(&other);
    let tcp = TcpStream::connect(fixture.listens).await.unwrap();
    let connector = TlsConnector::from(Arc::clone(stranger.tls().unwrap()));
    let name = ServerName::from(fixture.listens.ip());
    let refused = timeout(HANG, connector.connect(name, tcp)).await.unwrap();
    assert!(refused.is_err());
    let mut plain = TcpStream::connect(fixture.listens).await.unwrap();
    plain.write_all(&request(1, b"plain")).await.unwrap();
    assert!(timeout(HANG, plain.read_u8()).await.unwrap().is_err());
    let closed = fixture.closed.lock().unwrap();
    assert!(
        closed.iter().any(|it| it.starts_with("TLS failed: ")),
        "{closed:?}"
    );
}
