//! A broker and a client that say what they are told to.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proxy::{
    ClusterProxy, ClusterSettings, FaultEffect, FaultId, ProxyEvent, ProxyFault, TrafficEvidence,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far above what any step takes; only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// Long enough for an answer that should not come.
pub(crate) const NEVER: Duration = Duration::from_millis(150);

pub(crate) const METADATA: i16 = 3;
pub(crate) const END_TXN: i16 = 26;
/// Of no API that Kafka has.
pub(crate) const UNHEARD_OF: i16 = 999;

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A request as the broker got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) api: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// After the client id.
    pub(crate) body: Vec<u8>,
}

/// What a broker answers with, after the correlation id.
pub(crate) type Script = Arc<dyn Fn(&Received) -> Vec<u8> + Send + Sync>;

/// Answers every request with its own body.
pub(crate) fn echo() -> Script {
    Arc::new(|request| request.body.clone())
}

pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
}

impl Broker {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, received }
    }

    pub(crate) fn correlations(&self) -> Vec<i32> {
        let received = self.received.lock().unwrap();
        received.iter().map(|it| it.correlation).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Script,
    log: Arc<Mutex<Vec<Received>>>,
) -> io::Result<()> {
    loop {
        let mut frame = vec![0; usize::try_from(stream.read_u32().await?).unwrap()];
        stream.read_exact(&mut frame).await?;
        let int16 = |at: usize| i16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
        let client_id = usize::try_from(int16(8).max(0)).unwrap();
        let request = Received {
            api: int16(0),
            version: int16(2),
            correlation: i32::from_be_bytes(frame[4..8].try_into().unwrap()),
            body: frame[10 + client_id..].to_vec(),
        };
        let answer = script(&request);
        log.lock().unwrap().push(request.clone());
        let mut out = u32::try_from(answer.len() + 4)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        out.extend(request.correlation.to_be_bytes());
        out.extend(answer);
        stream.write_all(&out).await?;
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(to).await.unwrap(),
        }
    }

    pub(crate) async fn send(&mut self, api: i16, version: i16, correlation: i32, body: &[u8]) {
        let request = request(api, version, correlation, "tester", body);
        self.stream.write_all(&request).await.unwrap();
    }

    /// As [`Self::ask`], under another client id.
    pub(crate) async fn ask_as(
        &mut self,
        client_id: &str,
        correlation: i32,
        body: &[u8],
    ) -> io::Result<Vec<u8>> {
        self.say_as(client_id, correlation, body).await;
        let (answered, body) = self.answer().await?;
        assert_eq!(answered, correlation);
        Ok(body)
    }

    pub(crate) async fn say_as(&mut self, client_id: &str, correlation: i32, body: &[u8]) {
        let request = request(UNHEARD_OF, 0, correlation, client_id, body);
        self.stream.write_all(&request).await.unwrap();
    }

    /// The next answer: its correlation id and what follows it.
    pub(crate) async fn answer(&mut self) -> io::Result<(i32, Vec<u8>)> {
        timeout(HANG, async {
            let length = usize::try_from(self.stream.read_u32().await?).unwrap();
            let correlation = self.stream.read_i32().await?;
            let mut body = vec![0; length - 4];
            self.stream.read_exact(&mut body).await?;
            Ok((correlation, body))
        })
        .await
        .unwrap()
    }

    pub(crate) async fn ask(&mut self, correlation: i32, body: &[u8]) -> io::Result<Vec<u8>> {
        self.send(UNHEARD_OF, 0, correlation, body).await;
        let (answered, body) = self.answer().await?;
        assert_eq!(answered, correlation);
        Ok(body)
    }

    /// Whether the connection stays open, and says nothing.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        timeout(NEVER, self.stream.read_u8()).await.is_err()
    }

    /// How the connection ends.
    pub(crate) async fn end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        let ended = timeout(HANG, self.stream.read_to_end(&mut rest))
            .await
            .unwrap();
        ended.map(|_| rest)
    }
}

pub(crate) fn request(
    api: i16,
    version: i16,
    correlation: i32,
    client_id: &str,
    body: &[u8],
) -> Vec<u8> {
    let length = 10 + client_id.len() + body.len();
    let mut out = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    out.extend(api.to_be_bytes());
    out.extend(version.to_be_bytes());
    out.extend(correlation.to_be_bytes());
    out.extend(i16::try_from(client_id.len()).unwrap().to_be_bytes());
    out.extend(client_id.as_bytes());
    out.extend(body);
    out
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut out = i16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    out.extend(text.as_bytes());
    out
}

/// The body of an `EndTxn` request of version 0.
pub(crate) fn end_txn(transactional_id: &str) -> Vec<u8> {
    [text(transactional_id), vec![0; 11]].concat()
}

/// The answer to one that has been carried out.
pub(crate) const TXN_ENDED: [u8; 6] = [0; 6];

pub(crate) struct Fixture {
    pub(crate) proxy: ClusterProxy,
    pub(crate) broker: Broker,
    pub(crate) notes: Arc<Mutex<Vec<ProxyEvent>>>,
}

impl Fixture {
    /// One broker that answers like this.
    pub(crate) async fn start(script: Script) -> Self {
        let broker = Broker::start(script).await;
        let notes = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&notes);
        let settings = ClusterSettings {
            bootstrap: vec![broker.address.into()],
            listen: any_port(),
            ports: None,
            advertised_host: None,
            security: proxy::ProxySecurity::default(),
        };
        let hear = Arc::new(move |note| log.lock().unwrap().push(note));
        Self {
            proxy: ClusterProxy::start(settings, hear).await.unwrap(),
            broker,
            notes,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.brokers()[0].listens
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// A client whose connection is proven to be carried.
    pub(crate) async fn warm_client(&self) -> Client {
        let mut client = self.client().await;
        assert_eq!(client.ask(1_000_000, b"warm").await.unwrap(), b"warm");
        self.broker.received.lock().unwrap().clear();
        client
    }

    pub(crate) async fn add(&self, effect: FaultEffect) -> FaultId {
        self.proxy.add(ProxyFault::new(effect)).await.unwrap()
    }

    pub(crate) async fn evidence(&self, id: FaultId) -> TrafficEvidence {
        self.proxy.fault(id).await.unwrap().evidence
    }

    pub(crate) async fn heal(&self, id: FaultId) -> TrafficEvidence {
        self.proxy.heal(id).await.unwrap().evidence
    }

    /// Why connections were closed, in words.
    pub(crate) fn closed(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap();
        notes
            .iter()
            .filter_map(|note| match note {
                ProxyEvent::Closed { reason, .. } => Some(reason.to_string()),
                _ => None,
            })
            .collect()
    }

    /// Until a connection was closed for a reason that has these words in it.
    pub(crate) async fn until_closed(&self, words: &str) {
        let polling = async {
            while !self.closed().iter().any(|it| it.contains(words)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let outcome = timeout(HANG, polling).await;
        assert!(outcome.is_ok(), "closed only for: {:?}", self.closed());
    }
}

impl Client {
    /// Reads to the end, however it comes.
    pub(crate) async fn end_or_error(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }
}
