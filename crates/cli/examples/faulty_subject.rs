//! A subject that does one thing wrong: another, right one between two pipes,
//! with some lines changed. For the tests of `ackproof subject check`.
//!
//! `faulty_subject FAULT COMMAND…`

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "it is part of a test, which fails by panicking"
)]

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What it does wrong.
#[derive(Clone, Debug)]
struct Fault(String);

/// What both directions know.
#[derive(Default)]
struct Known {
    /// Acknowledgements that were made up.
    made_up: BTreeSet<u64>,
    /// Whether the last end of a transaction was an abort.
    aborting: bool,
}

impl Fault {
    fn is(&self, name: &str) -> bool {
        self.0 == name
    }

    /// The request as the right subject gets it, and what is said in its stead.
    fn request(&self, request: &mut Value, known: &mut Known) -> (bool, Vec<Value>) {
        let op = request["op"].as_str().unwrap_or_default().to_owned();
        let id = request["id"].as_u64();
        match op.as_str() {
            "send" if self.is("acknowledges-before-sending") => {
                let id = id.unwrap();
                known.made_up.insert(id);
                let partition = request["partition"].as_i64().unwrap_or(0);
                let said = json!({"event": "acknowledged", "id": id, "partition": partition});
                return (true, vec![said]);
            }
            "send" if self.is("loses-a-header") => {
                if let Some(Value::Array(headers)) = request.get_mut("headers") {
                    headers.truncate(1);
                }
            }
            "send"
                if self.is("damages-a-value")
                    && request["value"].as_str().is_some_and(|it| it.len() > 4) =>
            {
                request["value"] = json!("ZGFtYWdlZA==");
            }
            "commit" if self.is("commits-ahead") => {
                for position in request["offsets"].as_array_mut().unwrap() {
                    position["offset"] = json!(position["offset"].as_i64().unwrap() + 1);
                }
            }
            "start" if self.is("ignores-a-setting") => {
                if let Some(Value::Object(config)) = request.pointer_mut("/producer/config") {
                    config.remove("no.such.setting");
                }
            }
            "start" if self.is("reads-uncommitted") => {
                if let Some(Value::Object(config)) = request.pointer_mut("/consumer/config") {
                    config.insert("isolation.level".to_owned(), json!("read_uncommitted"));
                }
            }
            "seek" if self.is("forgets-to-seek") => {
                return (false, vec![json!({"event": "done", "op": "seek"})]);
            }
            "commit-transaction" => known.aborting = false,
            "abort-transaction" if self.is("commits-what-is-aborted") => {
                known.aborting = true;
                request["op"] = json!("commit-transaction");
            }
            _ => {}
        }
        (true, Vec::new())
    }

    /// What is said of an event, and what the right subject is told.
    fn event(&self, mut event: Value, known: &Known) -> (Option<Value>, Option<Value>) {
        let name = event["event"].as_str().unwrap_or_default().to_owned();
        let id = event["id"].as_u64();
        let outcome = matches!(name.as_str(), "acknowledged" | "failed" | "unknown");
        if outcome && id.is_some_and(|id| known.made_up.contains(&id)) {
            return (None, None);
        }
        match name.as_str() {
            "ready" if self.is("says-that-it-cannot-seek") => {
                event["cannot"] = json!({"seek": "by its own word"});
            }
            "acknowledged" if self.is("lies-about-the-offset") => {
                if let Some(offset) = event["offset"].as_i64() {
                    event["offset"] = json!(offset + 1);
                }
            }
            "acknowledged" if self.is("never-answers-a-send") && id == Some(3) => {
                return (None, None);
            }
            "acknowledged" if self.is("fails-what-is-stored") && id == Some(3) => {
                let error = json!({"name": "Lie", "message": ""});
                return (
                    Some(json!({"event": "failed", "id": 3, "error": error})),
                    None,
                );
            }
            "failed" | "unknown" if self.is("forgets-an-error") => return (None, None),
            "failed" | "unknown" if self.is("takes-an-error-for-success") => {
                event = json!({"event": "acknowledged", "id": id, "partition": 0, "offset": 0});
            }
            "revoked" if self.is("swallows-a-revocation") => {
                return (None, Some(json!({"op": "continue"})));
            }
            "polled" if self.is("gives-records-twice") => {
                let records = event["records"].as_array_mut().unwrap();
                // No more than were asked for.
                if let [first, .., last] = records.as_mut_slice() {
                    *last = first.clone();
                }
            }
            "done" if known.aborting && event["op"] == "commit-transaction" => {
                event["op"] = json!("abort-transaction");
            }
            "done" if self.is("takes-a-refused-commit-for-one") && event["op"] == "commit" => {
                event.as_object_mut().unwrap().remove("error");
            }
            _ => {}
        }
        (Some(event), None)
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let fault = Fault(words.next().unwrap());
    let program = words.next().unwrap();
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let to_child = Arc::new(Mutex::new(child.stdin.take()));
    let from_child = BufReader::new(child.stdout.take().unwrap());
    let known: Arc<Mutex<Known>> = Arc::default();
    let requests = {
        let (fault, to_child, known) = (fault.clone(), Arc::clone(&to_child), Arc::clone(&known));
        move || {
            for line in io::stdin().lock().lines() {
                let line = line.unwrap();
                let Ok(mut request) = serde_json::from_str::<Value>(&line) else {
                    panic!("{line}");
                };
                let (forward, said) = fault.request(&mut request, &mut known.lock().unwrap());
                for event in said {
                    say(&event);
                }
                if forward && let Some(to) = to_child.lock().unwrap().as_mut() {
                    let _ = writeln!(to, "{request}");
                    let _ = to.flush();
                }
            }
            if fault.is("outlives-its-input") {
                loop {
                    thread::park();
                }
            }
            *to_child.lock().unwrap() = None;
        }
    };
    thread::spawn(requests);
    for line in from_child.lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let (said, told) = fault.event(event, &known.lock().unwrap());
        if let Some(told) = told
            && let Some(to) = to_child.lock().unwrap().as_mut()
        {
            let _ = writeln!(to, "{told}");
        }
        if let Some(event) = said {
            say(&event);
        }
    }
    let code = child.wait().unwrap().code().unwrap_or(9);
    let code = if fault.is("ends-with-an-error") && code == 0 {
        3
    } else {
        code
    };
    std::process::exit(code);
}

fn say(event: &Value) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{event}");
    let _ = out.flush();
}
