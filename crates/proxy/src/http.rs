//! The HTTP interface that switches faults. Knows nothing of what they do.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /brokers` | the brokers that are known, and where clients find them |
//! | `GET /faults` | every fault that is on, and the last that were healed, with evidence |
//! | `POST /faults` | switches a fault on; the body is a [`crate::Fault`] |
//! | `GET /faults/N` | one of them |
//! | `DELETE /faults/N` | heals it, and says what it met |
//! | `DELETE /faults` | heals all |
//!
//! A client that reaches it can break what is behind the proxy, so it is meant for the
//! loopback interface. A web page that a browser on the same machine shows
//! could reach that too: bodies must be `application/json`, which browsers do
//! not send to other sites unasked, and the host must be an address or
//! `localhost`, which a page elsewhere cannot pass for.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::broker_proxy::ProxyError;
use crate::cluster::{ClusterError, ClusterProxy, FaultId, FaultReport};
use crate::fault::ProxyFault;

/// A fault is some hundred bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Clients switch faults one after the other.
const CONNECTIONS_MAX: usize = 64;
/// A connection that sends nothing is dropped after this.
const HEADER_LIMIT: Duration = Duration::from_secs(30);

/// The interface, for as long as it lives.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Http {
    /// Listens; port 0 is any. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ProxyError::Listen`].
    pub async fn start(listen: SocketAddr, proxy: ClusterProxy) -> Result<Self, ProxyError> {
        let failed = |source| ProxyError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let serving = tokio::spawn(serve(listener, proxy));
        Ok(Self { address, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, proxy: ClusterProxy) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // File descriptors ran out; asking at once would spin.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let proxy = proxy.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, Infallible>(answer(request, &proxy).await) }
            });
            // A client that breaks off hears nothing more.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_LIMIT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

type Answer = Response<Full<Bytes>>;

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the Host header must name an IP address or localhost")]
    Host,
    #[error("there is nothing at {0}; there are /brokers, /faults and /faults/N")]
    Nothing(String),
    #[error("this can only be asked with {0}")]
    Method(&'static str),
    #[error("a fault's Content-Type must be application/json")]
    ContentType,
    #[error("the body is longer than {BODY_BYTES_MAX} bytes, or broke off")]
    Body,
    #[error("invalid fault: {0}")]
    Json(#[from] serde_json::Error),
    #[error("there is no broker {id}; the brokers are {known}")]
    NoBroker {
        /// What was asked for.
        id: i32,
        /// Those that there are.
        known: String,
    },
    #[error("there is no fault {0}")]
    NoFault(u64),
    #[error("fault {0} is healed already")]
    Healed(u64),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::FORBIDDEN,
            Self::Nothing(_) | Self::NoFault(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Json(_) | Self::NoBroker { .. } | Self::Cluster(ClusterError::Data(_)) => {
                StatusCode::BAD_REQUEST
            }
            Self::Healed(_) => StatusCode::GONE,
            Self::Cluster(_) => StatusCode::CONFLICT,
        }
    }
}

async fn answer(request: Request<Incoming>, proxy: &ClusterProxy) -> Answer {
    carry_out(request, proxy)
        .await
        .unwrap_or_else(|error_response| {
            let mut answer = json(
                error_response.status(),
                &serde_json::json!({ "error": error_response.to_string() }),
            );
            if let Refusal::Method(allowed) = error_response {
                answer
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static(allowed));
            }
            answer
        })
}

async fn carry_out(request: Request<Incoming>, proxy: &ClusterProxy) -> Result<Answer, Refusal> {
    if !is_asked_for_by_address(&request) {
        return Err(Refusal::Host);
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let method = request.method().clone();
    match (path.as_str(), method) {
        ("/brokers", Method::GET) => Ok(json(StatusCode::OK, &brokers(proxy))),
        ("/brokers", _) => Err(Refusal::Method("GET")),
        ("/faults", Method::GET) => Ok(json(StatusCode::OK, &proxy.faults().await)),
        ("/faults", Method::POST) => {
            let fault = fault(request).await?;
            all_there(proxy, &fault)?;
            let id = proxy.add(fault).await?;
            let report = proxy.fault(id).await.ok_or(Refusal::NoFault(id.0))?;
            Ok(json(StatusCode::CREATED, &report))
        }
        ("/faults", Method::DELETE) => Ok(json(StatusCode::OK, &proxy.heal_all().await)),
        ("/faults", _) => Err(Refusal::Method("GET, POST, DELETE")),
        (path, method) => {
            let number = path.strip_prefix("/faults/").and_then(|it| it.parse().ok());
            let number = number.ok_or_else(|| Refusal::Nothing(path.to_owned()))?;
            one_fault(proxy, number, &method).await
        }
    }
}

async fn one_fault(proxy: &ClusterProxy, number: u64, method: &Method) -> Result<Answer, Refusal> {
    let known = proxy.fault(FaultId(number)).await;
    let known = known.ok_or(Refusal::NoFault(number))?;
    let report: FaultReport = match *method {
        Method::GET => known,
        Method::DELETE => {
            let healed = proxy.heal(FaultId(number)).await;
            healed.ok_or(Refusal::Healed(number))?
        }
        _ => return Err(Refusal::Method("GET, DELETE")),
    };
    Ok(json(StatusCode::OK, &report))
}

async fn fault(request: Request<Incoming>) -> Result<ProxyFault, Refusal> {
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.split(';').next())
        .is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Refusal::ContentType);
    }
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX);
    let body = body.collect().await.map_err(|_| Refusal::Body)?;
    Ok(serde_json::from_slice(&body.to_bytes())?)
}

/// That the brokers a fault names are there; one that has not said its number
/// yet may be any.
fn all_there(proxy: &ClusterProxy, fault: &ProxyFault) -> Result<(), Refusal> {
    let known: Option<Vec<i32>> = proxy.brokers().iter().map(|it| it.node).collect();
    let Some(known) = known else { return Ok(()) };
    match fault.brokers.iter().find(|id| !known.contains(*id)) {
        None => Ok(()),
        Some(id) => {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            Err(Refusal::NoBroker {
                id: *id,
                known: known.join(", "),
            })
        }
    }
}

fn is_asked_for_by_address(request: &Request<Incoming>) -> bool {
    let Some(host) = request.headers().get(HOST) else {
        // HTTP/1.0: no browser.
        return true;
    };
    let host = host.to_str().unwrap_or_default();
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    host.parse::<SocketAddr>().is_ok() || is_address(host.trim_matches(['[', ']'])) || {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        is_address(name) || name.eq_ignore_ascii_case("localhost")
    }
}

/// What is told of a broker.
#[derive(Serialize)]
struct BrokerAnswer {
    node: Option<i32>,
    upstream: String,
    advertised: String,
    connections_open: u64,
    connections_accepted: u64,
    connections_closed: u64,
    bytes_from_clients: u64,
    bytes_from_upstream: u64,
}

fn brokers(proxy: &ClusterProxy) -> Vec<BrokerAnswer> {
    let brokers = proxy.brokers().into_iter();
    brokers
        .map(|broker| BrokerAnswer {
            node: broker.node,
            upstream: broker.upstream.to_string(),
            advertised: broker.advertised.to_string(),
            connections_open: broker.stats.connections_open,
            connections_accepted: broker.stats.connections_accepted,
            connections_closed: broker.stats.connections_closed,
            bytes_from_clients: broker.stats.bytes_delivered_to_upstream,
            bytes_from_upstream: broker.stats.bytes_delivered_to_clients,
        })
        .collect()
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // What is told has string keys and finite numbers, and so is always JSON.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    answer
}
