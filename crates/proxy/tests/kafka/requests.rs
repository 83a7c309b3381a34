//! Faults on single requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{
    Delayed, FaultEffect, InjectedError, OnDrop, Pick, ProxyFault, RequestApi, RequestFilter, When,
};

use crate::fixture::{Client, END_TXN, Fixture, Script, TXN_ENDED, UNHEARD_OF, echo, end_txn};

fn on(api: i16) -> RequestFilter {
    RequestFilter {
        api: Some(RequestApi(api)),
        ..RequestFilter::default()
    }
}

fn picked(api: i16, pick: Pick) -> RequestFilter {
    RequestFilter { pick, ..on(api) }
}

fn broker() -> Script {
    Arc::new(|request| match request.api {
        END_TXN => TXN_ENDED.to_vec(),
        _ => request.body.clone(),
    })
}

/// `COORDINATOR_NOT_AVAILABLE`.
const CODE: i16 = 15;

/// The error that an `EndTxn` was answered with; 0 for none.
async fn end(client: &mut Client, correlation: i32, id: &str) -> i16 {
    client.send(END_TXN, 0, correlation, &end_txn(id)).await;
    let (answered, body) = client.answer().await.unwrap();
    assert_eq!(answered, correlation);
    i16::from_be_bytes(body[4..6].try_into().unwrap())
}

#[tokio::test]
async fn a_dropped_answer_resets_the_connection_after_the_broker_acted() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    let id = fixture
        .add(FaultEffect::DropAnswer {
            on: picked(END_TXN, Pick::First(1)),
            then: OnDrop::Reset,
        })
        .await;
    client.send(END_TXN, 0, 1, &end_txn("tx")).await;
    assert!(client.end().await.is_err());
    assert_eq!(fixture.broker.correlations(), [1]);

    let mut again = fixture.client().await;
    assert_eq!(end(&mut again, 2, "tx").await, 0);
    let evidence = fixture.heal(id).await;
    assert_eq!(evidence.requests[&RequestApi(END_TXN)], 1);
    assert_eq!((evidence.connections, evidence.bytes), (1, 14));
    assert!(evidence.first_us.is_some() && evidence.first_us <= evidence.last_us);
}

#[tokio::test]
async fn a_dropped_answer_may_leave_the_connection_open_and_silent() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    let id = fixture
        .add(FaultEffect::DropAnswer {
            on: picked(END_TXN, Pick::First(1)),
            then: OnDrop::Silence,
        })
        .await;
    client.send(END_TXN, 0, 1, &end_txn("tx")).await;
    client.send(END_TXN, 0, 2, &end_txn("tx")).await;
    assert!(client.hears_nothing().await);
    assert_eq!(fixture.broker.correlations()[0], 1);
    fixture.heal(id).await;
    assert!(client.hears_nothing().await, "a lost answer stays lost");
}

#[tokio::test]
async fn a_late_request_arrives_when_its_client_has_gone_on() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    let id = fixture
        .add(FaultEffect::Late {
            on: picked(END_TXN, Pick::First(1)),
            delay_ms: 3000,
        })
        .await;
    client.send(END_TXN, 0, 1, &end_txn("tx")).await;
    assert!(client.end().await.is_err());
    let mut again = fixture.client().await;
    assert_eq!(end(&mut again, 2, "tx").await, 0);
    assert_eq!(fixture.broker.correlations(), [2]);
    let met = || async { fixture.evidence(id).await.requests };
    assert!(met().await.is_empty(), "it counts when it was answered");
    while met().await.is_empty() {
        assert_eq!(again.ask(3, b"other").await.unwrap(), b"other");
    }
    let seen = fixture.broker.correlations();
    assert_eq!(seen.iter().filter(|it| **it == 1).count(), 1);
    assert_eq!(fixture.heal(id).await.requests[&RequestApi(END_TXN)], 1);
}

#[tokio::test]
async fn an_error_before_is_one_that_the_broker_never_saw() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    let id = fixture
        .add(FaultEffect::Error {
            on: picked(END_TXN, Pick::Nth(2)),
            code: InjectedError(CODE),
            when: When::Before,
        })
        .await;
    assert_eq!(end(&mut client, 1, "tx").await, 0);
    assert_eq!(end(&mut client, 2, "tx").await, CODE);
    assert_eq!(end(&mut client, 3, "tx").await, 0);
    assert_eq!(fixture.broker.correlations(), [1, 3]);
    assert_eq!(fixture.heal(id).await.requests[&RequestApi(END_TXN)], 1);
}

#[tokio::test]
async fn an_error_after_is_one_that_the_broker_acted_on() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    fixture
        .add(FaultEffect::Error {
            on: on(END_TXN),
            code: InjectedError(CODE),
            when: When::After,
        })
        .await;
    assert_eq!(end(&mut client, 1, "tx").await, CODE);
    assert_eq!(fixture.broker.correlations(), [1]);
    assert_eq!(client.ask(2, b"other").await.unwrap(), b"other");
}

#[tokio::test]
async fn an_error_keeps_its_place_among_the_answers() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    fixture
        .add(FaultEffect::Error {
            on: on(END_TXN),
            code: InjectedError(CODE),
            when: When::Before,
        })
        .await;
    let large = vec![5; 500_000];
    client.send(UNHEARD_OF, 0, 1, &large).await;
    client.send(END_TXN, 0, 2, &end_txn("tx")).await;
    client.send(END_TXN, 0, 3, &end_txn("tx")).await;
    client.send(UNHEARD_OF, 0, 4, b"small").await;
    assert_eq!(client.answer().await.unwrap(), (1, large));
    assert_eq!(client.answer().await.unwrap().0, 2);
    assert_eq!(client.answer().await.unwrap().0, 3);
    assert_eq!(client.answer().await.unwrap(), (4, b"small".to_vec()));
    assert_eq!(fixture.broker.correlations(), [1, 4]);
}

#[tokio::test]
async fn requests_are_picked_by_what_they_ask_for_and_who_asks() {
    let fixture = Fixture::start(broker()).await;
    let mut client = fixture.client().await;
    let error = |on| FaultEffect::Error {
        on,
        code: InjectedError(CODE),
        when: When::Before,
    };
    let theirs = fixture
        .add(error(RequestFilter {
            transactional_id: Some("theirs".to_owned()),
            ..on(END_TXN)
        }))
        .await;
    assert_eq!(end(&mut client, 1, "mine").await, 0);
    assert_eq!(end(&mut client, 2, "theirs").await, CODE);
    fixture.heal(theirs).await;

    let stranger = RequestFilter {
        client_id: Some("stranger".to_owned()),
        ..on(END_TXN)
    };
    fixture.add(error(stranger)).await;
    assert_eq!(end(&mut client, 3, "mine").await, 0);
}

#[tokio::test]
async fn a_probability_picks_the_same_requests_for_the_same_seed() {
    let mut picks = Vec::new();
    for seed in [1, 1, 2] {
        let fixture = Fixture::start(broker()).await;
        let mut client = fixture.client().await;
        let fault = ProxyFault {
            seed,
            ..ProxyFault::new(FaultEffect::Error {
                on: picked(END_TXN, Pick::Probability(0.5)),
                code: InjectedError(CODE),
                when: When::Before,
            })
        };
        fixture.proxy.add(fault).await.unwrap();
        let mut errors = Vec::new();
        for correlation in 0..64 {
            errors.push(end(&mut client, correlation, "tx").await);
        }
        picks.push(errors);
    }
    assert_eq!(picks[0], picks[1]);
    assert_ne!(picks[0], picks[2]);
    let refused = picks[0].iter().filter(|it| **it == CODE).count();
    assert!((16..48).contains(&refused), "{refused} of 64");
}

#[tokio::test]
async fn a_delay_holds_a_request_or_its_answer_back() {
    for what in [Delayed::Request, Delayed::Answer] {
        let fixture = Fixture::start(broker()).await;
        let mut client = fixture.client().await;
        let id = fixture
            .add(FaultEffect::Delay {
                on: picked(END_TXN, Pick::First(1)),
                delay_ms: 200,
                what,
            })
            .await;
        let since = Instant::now();
        assert_eq!(end(&mut client, 1, "tx").await, 0);
        assert!(since.elapsed() >= Duration::from_millis(200));
        assert_eq!(fixture.heal(id).await.requests[&RequestApi(END_TXN)], 1);
    }
}

#[tokio::test]
async fn a_request_that_wants_no_answer_does_not_wait_for_one() {
    // Produce version 3 without a transaction, acks 0; the broker is silent.
    let broker: Script = Arc::new(|request| request.body.clone());
    let fixture = Fixture::start(broker).await;
    let mut client = fixture.client().await;
    let body = [&[0xff, 0xff, 0, 0][..], &[0; 8]].concat();
    client.send(0, 3, 1, &body).await;
    // The fake broker answers all the same, as none may: no client waits.
    assert!(client.end().await.is_err());
    fixture.until_closed("nothing was to be answered").await;
}

#[tokio::test]
async fn a_healed_proxy_changes_nothing() {
    let fixture = Fixture::start(echo()).await;
    let mut client = fixture.warm_client().await;
    fixture
        .add(FaultEffect::Error {
            on: on(END_TXN),
            code: InjectedError(CODE),
            when: When::Before,
        })
        .await;
    fixture
        .add(FaultEffect::Latency {
            latency_ms: 20,
            jitter_ms: 5,
            ways: proxy::Ways::Both,
        })
        .await;
    fixture
        .add(FaultEffect::Bandwidth {
            bytes_per_s: 1_000_000,
            ways: proxy::Ways::Answers,
        })
        .await;
    assert_eq!(client.ask(7, b"slow").await.unwrap(), b"slow");
    assert_eq!(fixture.proxy.heal_all().await.len(), 3);
    let body: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    for correlation in 10..20 {
        assert_eq!(client.ask(correlation, &body).await.unwrap(), body);
    }
    assert_eq!(
        fixture.broker.received.lock().unwrap().last().unwrap().body,
        body
    );
}

#[tokio::test]
async fn a_fault_that_cannot_be_is_refused() {
    let fixture = Fixture::start(broker()).await;
    let error = |on, code| FaultEffect::Error {
        on,
        code: InjectedError(code),
        when: When::Before,
    };
    for (effect, words) in [
        (
            error(RequestFilter::default(), 6),
            "cannot be answered with an error",
        ),
        (error(on(UNHEARD_OF), 6), "cannot be answered with an error"),
        (error(on(END_TXN), 0), "success"),
        (error(picked(END_TXN, Pick::Nth(0)), 6), "counted from 1"),
        (
            error(picked(END_TXN, Pick::Probability(1.5)), 6),
            "between 0 and 1",
        ),
        (
            FaultEffect::SlowClose { delay_ms: u64::MAX },
            "at most a day",
        ),
    ] {
        let refused = fixture
            .proxy
            .add(ProxyFault::new(effect))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert_eq!(fixture.proxy.faults().await, []);
}
