//! Faults are switched over HTTP.

use std::time::Duration;

use proxy::Http;
use serde_json::{Value, json};

use crate::fixture::{Fixture, any_port, echo};

struct Api {
    fixture: Fixture,
    http: Http,
}

impl Api {
    async fn start() -> Self {
        let fixture = Fixture::start(echo()).await;
        let http = Http::start(any_port(), fixture.proxy.clone())
            .await
            .unwrap();
        Self { fixture, http }
    }

    /// The status and what was said.
    async fn ask(&self, method: &'static str, path: &str, body: Option<&str>) -> (u16, Value) {
        self.ask_as(method, path, body, "application/json", None)
            .await
    }

    async fn ask_as(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&str>,
        content_type: &'static str,
        host: Option<&'static str>,
    ) -> (u16, Value) {
        let url = format!("http://{}{path}", self.http.addr());
        let body = body.map(str::to_owned);
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(20)))
                .build()
                .into();
            let mut request = ureq::http::Request::builder().method(method).uri(url);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let answer = match body {
                Some(body) => {
                    let request = request.header("content-type", content_type);
                    agent.run(request.body(body).unwrap())
                }
                None => agent.run(request.body(()).unwrap()),
            };
            let mut answer = answer.unwrap();
            let status = answer.status().as_u16();
            (status, answer.body_mut().read_json().unwrap())
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_fault_is_switched_on_seen_and_healed() {
    let api = Api::start().await;
    assert_eq!(api.ask("GET", "/faults", None).await, (200, json!([])));
    let cut = r#"{"effect": {"kind": "cut"}}"#;
    let (status, said) = api.ask("POST", "/faults", Some(cut)).await;
    assert_eq!((status, &said["id"]), (201, &json!(1)));
    assert_eq!(said["fault"]["effect"]["ways"], "both");

    let mut client = api.fixture.client().await;
    client.send(999, 0, 1, b"lost").await;
    assert!(client.hears_nothing().await);
    let (_, seen) = api.ask("GET", "/faults/1", None).await;
    assert_eq!(seen["evidence"]["bytes"], 24);

    let (status, healed) = api.ask("DELETE", "/faults/1", None).await;
    assert_eq!(
        (status, &healed["evidence"]["connections"]),
        (200, &json!(1))
    );
    assert!(healed["healed_us"].is_u64());
    assert_eq!(api.ask("DELETE", "/faults/1", None).await.0, 410);
    api.fixture.warm_client().await;
}

#[tokio::test]
async fn names_are_kafkas_own() {
    let api = Api::start().await;
    let fault = r#"{"seed": 7, "effect": {"kind": "error", "code": "NOT_LEADER_OR_FOLLOWER",
        "when": "before", "on": {"api": "Produce", "topic": "orders", "pick": {"nth": 2}}}}"#;
    let (status, said) = api.ask("POST", "/faults", Some(fault)).await;
    assert_eq!(status, 201, "{said}");
    let effect = &said["fault"]["effect"];
    assert_eq!(effect["code"], "NOT_LEADER_OR_FOLLOWER");
    assert_eq!(effect["on"]["api"], "Produce");
    let (_, healed) = api.ask("DELETE", "/faults", None).await;
    assert_eq!(healed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_brokers_are_listed() {
    let api = Api::start().await;
    let (status, brokers) = api.ask("GET", "/brokers", None).await;
    assert_eq!(status, 200);
    let upstream = api.fixture.broker.address.to_string();
    assert_eq!(brokers[0]["upstream"], upstream);
    assert_eq!(brokers[0]["advertised"], api.fixture.address().to_string());
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let api = Api::start().await;
    let too_long = format!("{{\"x\": \"{}\"}}", "x".repeat(100_000));
    for (method, path, body, status, words) in [
        ("POST", "/faults", Some("{"), 400, "invalid fault"),
        (
            "POST",
            "/faults",
            Some(r#"{"effect": {"kind": "explode"}}"#),
            400,
            "explode",
        ),
        (
            "POST",
            "/faults",
            Some(r#"{"effect": {"kind": "cut", "way": 1}}"#),
            400,
            "way",
        ),
        (
            "POST",
            "/faults",
            Some(r#"{"effect": {"kind": "bandwidth", "bytes_per_s": 0}}"#),
            400,
            "is a cut",
        ),
        (
            "POST",
            "/faults",
            Some(
                r#"{"effect": {"kind": "drop-answer", "then": "reset", "on": {"api": "Produc"}}}"#,
            ),
            400,
            "Kafka has no API `Produc`; did you mean `Produce`?",
        ),
        ("POST", "/faults", Some(too_long.as_str()), 413, "longer"),
        ("PUT", "/faults", None, 405, "GET, POST, DELETE"),
        ("GET", "/faults/7", None, 404, "no fault 7"),
        ("GET", "/elsewhere", None, 404, "/elsewhere"),
    ] {
        let (said, answer) = api.ask(method, path, body).await;
        let error = answer["error"].as_str().unwrap();
        assert_eq!(said, status, "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_web_page_cannot_break_anything() {
    let api = Api::start().await;
    let cut = Some(r#"{"effect": {"kind": "cut"}}"#);
    let plain = api.ask_as("POST", "/faults", cut, "text/plain", None).await;
    assert_eq!(plain.0, 415);
    let rebound = api
        .ask_as(
            "POST",
            "/faults",
            cut,
            "application/json",
            Some("evil.example"),
        )
        .await;
    assert_eq!(rebound.0, 403);
    assert_eq!(api.fixture.proxy.faults().await, []);
}
