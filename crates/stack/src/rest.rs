//! Requests to a REST interface on this machine.
//!
//! Knows HTTP and JSON; not what they say.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// Connect itself gives up on a request after 90 s.
const BOUND: Duration = Duration::from_secs(90);

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// No connection, or it broke.
    #[error("{method} {url} was not answered")]
    NoAnswer {
        /// The method.
        method: Method,
        /// The address.
        url: String,
        /// Why not.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The thread that asked is gone: the program is ending.
    #[error("{method} {url} was given up")]
    GivenUp {
        /// The method.
        method: Method,
        /// The address.
        url: String,
    },
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or replaces.
    Put,
    /// Makes or triggers.
    Post,
    /// Removes.
    Delete,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        })
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Null` when the body was empty or no JSON.
    pub(crate) body: Value,
}

/// Asks, and waits for the answer without blocking the runtime.
pub(crate) async fn ask(
    method: Method,
    url: String,
    body: Option<Value>,
) -> Result<Answer, RestError> {
    let given_up = RestError::GivenUp {
        method,
        url: url.clone(),
    };
    tokio::task::spawn_blocking(move || ask_blocking(method, &url, body.as_ref()))
        .await
        .map_err(|_| given_up)?
}

/// Whether a GET is answered with 200.
pub(crate) async fn answers(url: &str) -> bool {
    matches!(
        ask(Method::Get, url.to_owned(), None).await,
        Ok(Answer { status: 200, .. })
    )
}

fn ask_blocking(method: Method, url: &str, body: Option<&Value>) -> Result<Answer, RestError> {
    let send = || -> Result<Answer, ureq::Error> {
        let agent = agent();
        let mut response = match (method, body) {
            (Method::Get, _) => agent.get(url).call()?,
            (Method::Delete, _) => agent.delete(url).call()?,
            (Method::Put, Some(body)) => agent.put(url).send_json(body)?,
            (Method::Post, Some(body)) => agent.post(url).send_json(body)?,
            (Method::Put, None) => agent.put(url).send_empty()?,
            (Method::Post, None) => agent.post(url).send_empty()?,
        };
        let text = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        })
    };
    send().map_err(|source| RestError::NoAnswer {
        method,
        url: url.to_owned(),
        source: Box::new(source),
    })
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        Agent::config_builder()
            .timeout_global(Some(BOUND))
            .http_status_as_error(false)
            // Everything is on this machine: a proxy in the environment is
            // meant for elsewhere.
            .proxy(None)
            // A worker that was killed leaves dead connections behind.
            .max_idle_connections(0)
            .build()
            .into()
    })
}
