//! How a subject starts and ends, and what it does with what it does not know.

use std::time::Duration;

use ::subject::protocol::{ProducerStart, Request, Start, SubjectEvent, VERSION, limits};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::dialogue::{ANSWER, Dialogue, STARTING, Step, Wanted};
use super::{Bench, producing};

/// How long a subject whose input ended may take to end.
const END_OF_INPUT: Duration = Duration::from_secs(10);

/// Nothing listens there.
const NOWHERE: (&str, &str) = ("bootstrap.servers", "127.0.0.1:9");

pub(super) fn tells_what_it_is(bench: &mut Bench<'_>) -> Step<String> {
    let bootstrap = bench.truth.bootstrap.clone();
    let wanted = Wanted::default().producer(&[("bootstrap.servers", &bootstrap), ("acks", "all")]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let Some(ready) = dialogue.ready.take() else {
        return Err(dialogue.last("it is not ready").into());
    };
    for (what, is_missing) in [
        ("`client` is empty", ready.client.is_empty()),
        ("`version` is empty", ready.version.is_empty()),
        ("`config` is empty", ready.config.is_empty()),
        ("`set` is empty, and `acks` was set", ready.set.is_empty()),
    ] {
        if is_missing {
            return Err(dialogue.fault(what, &["\"ready\""]).into());
        }
    }
    if let Some(key) = ready
        .set
        .iter()
        .find(|key| !ready.config.contains_key(*key))
    {
        let what = format!("`set` names {key}, which is not in `config`");
        return Err(dialogue.fault(&what, &["\"ready\""]).into());
    }
    if let Some(name) = ready
        .cannot
        .keys()
        .find(|it| !limits::ALL.contains(&it.as_str()))
    {
        let what = format!("`cannot` names {name}, which the protocol does not have");
        return Err(dialogue.fault(&what, &["\"ready\""]).into());
    }
    dialogue.close_quietly()?;
    Ok(format!("{} {}", ready.client, ready.version))
}

pub(super) fn says_what_is_possible(bench: &mut Bench<'_>) -> Step<String> {
    let mut wanted = Wanted::default().producer(&[NOWHERE, ("acks", "all")]);
    wanted.check = true;
    Dialogue::start(bench.command, &wanted)?.close_quietly()?;
    Ok("`ready` without a broker".to_owned())
}

pub(super) fn refuses_an_unknown_setting(bench: &mut Bench<'_>) -> Step<String> {
    const KEY: &str = "no.such.setting";
    let mut dialogue = Dialogue::open(bench.command)?;
    let config = [NOWHERE, (KEY, "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    dialogue.request(Request::Start(Start {
        protocol: VERSION,
        check: true,
        producer: Some(ProducerStart {
            config: config.into(),
        }),
        consumer: None,
    }))?;
    match dialogue.event(STARTING)? {
        Some(SubjectEvent::Refused { key: Some(key), .. }) if key == KEY => {}
        Some(SubjectEvent::Refused { .. }) => {
            let what = format!("it refuses something, and `key` is not `{KEY}`");
            return Err(dialogue.last(&what).into());
        }
        _ => {
            let what = format!("it takes the setting `{KEY}`, which no client has");
            return Err(dialogue.last(&what).into());
        }
    }
    dialogue.must_end(2, "after `refused`")?;
    Ok(format!("`refused` for `{KEY}`"))
}

pub(super) fn answers_what_it_does_not_know(bench: &mut Bench<'_>) -> Step<String> {
    let bootstrap = bench.truth.bootstrap.clone();
    let mut dialogue = Dialogue::open(bench.command)?;
    let start = json!({
        "op": "start", "protocol": VERSION, "in_a_later_version": {"a": [1]},
        "producer": {"config": {"bootstrap.servers": bootstrap}, "later": true},
    });
    dialogue.raw(&start.to_string());
    if !matches!(dialogue.event(STARTING)?, Some(SubjectEvent::Ready { .. })) {
        let what = "it does not start where `start` has a field that it does not know";
        return Err(dialogue.last(what).into());
    }
    dialogue.raw(r#"{"op":"somersault","height":2}"#);
    if dialogue.answer("somersault")?.is_ok() {
        let what = "it says that it did what it cannot know";
        return Err(dialogue.fault(what, &["somersault"]).into());
    }
    dialogue.must(&Request::Flush)?;
    dialogue.close_quietly()?;
    Ok("an unknown field is ignored, an unknown `op` is an error".to_owned())
}

pub(super) fn ignores_signals(bench: &mut Bench<'_>) -> Step<String> {
    let bootstrap = bench.truth.bootstrap.clone();
    let wanted = Wanted::default().producer(&[("bootstrap.servers", &bootstrap)]);
    let mut dialogue = Dialogue::start(bench.command, &wanted)?;
    let pid = i32::try_from(dialogue.pid()).ok().and_then(Pid::from_raw);
    for signal in [Signal::TERM, Signal::INT] {
        // It can only fail where it is gone, which the next answer shows.
        let _ = pid.map(|pid| kill_process(pid, signal));
        dialogue.must(&Request::Flush)?;
    }
    dialogue.close_quietly()?;
    Ok("SIGTERM and SIGINT".to_owned())
}

pub(super) fn ends_with_its_input(bench: &mut Bench<'_>) -> Step<String> {
    let topic = bench.truth.topic("input", 1, &[])?;
    let bootstrap = bench.truth.bootstrap.clone();
    let group = bench.truth.name("input");
    let producer = Wanted::default().producer(&[("bootstrap.servers", &bootstrap)]);
    let consumer = Wanted::default().consumer(
        &topic,
        &[("bootstrap.servers", &bootstrap), ("group.id", &group)],
    );
    for (who, wanted) in [("producer", producer), ("consumer", consumer)] {
        let mut dialogue = Dialogue::start(bench.command, &wanted)?;
        if who == "producer" {
            dialogue.request(Request::Send(producing::plain(0, &topic, b"last words")))?;
        } else {
            let poll = Request::Poll {
                max: 1,
                wait_ms: 100,
            };
            dialogue.request(poll)?;
            while !matches!(
                dialogue.event(ANSWER)?,
                Some(SubjectEvent::Polled { .. }) | None
            ) {}
        }
        dialogue.end_input();
        if dialogue.ends(END_OF_INPUT).is_none() {
            let what = format!(
                "with a {who}, it still runs {} s after the end of its standard input",
                END_OF_INPUT.as_secs()
            );
            return Err(dialogue.last(&what).into());
        }
    }
    Ok("it ends with its standard input".to_owned())
}
