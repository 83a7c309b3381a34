//! The other side of the protocol: a client of ours on a pipe, as any subject
//! is. Knows nothing of which client it is.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::SubjectError;
use crate::protocol::{Client, ClientError, ErrorClass, Request, SubjectEvent};

/// How long the client is heard before requests are looked for again.
const TURN: Duration = Duration::from_millis(1);
/// Requests that wait to be carried out, at most.
const REQUESTS: usize = 1024;
/// The exit code after a refusal.
const EXIT_REFUSED: i32 = 2;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It was closed, or its input ended.
    Closed,
    /// The configuration was refused.
    Refused,
}

impl Served {
    /// Its exit code, by the protocol.
    pub const fn code(self) -> i32 {
        match self {
            Self::Closed => 0,
            Self::Refused => EXIT_REFUSED,
        }
    }
}

/// Carries out the requests on standard input with this client, and writes its
/// events to standard output.
///
/// # Errors
/// Where the client is gone, or standard output.
pub fn serve(mut client: Box<dyn Client>) -> Result<Served, SubjectError> {
    // It is ended by a request.
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .map_err(SubjectError::Signals)?;
    }
    let lines = read_lines();
    let mut out = io::BufWriter::new(io::stdout().lock());
    loop {
        let mut wait = TURN;
        while let Some(event) = client.event(wait)? {
            write(&mut out, &event)?;
            match event {
                SubjectEvent::Refused { .. } => {
                    out.flush().map_err(SubjectError::Report)?;
                    return Ok(Served::Refused);
                }
                SubjectEvent::Done { op, .. } if op == Request::Close.op() => {
                    out.flush().map_err(SubjectError::Report)?;
                    return Ok(Served::Closed);
                }
                _ => wait = Duration::ZERO,
            }
        }
        out.flush().map_err(SubjectError::Report)?;
        while client.has_room() {
            match next(&lines) {
                Ok(Some(line)) => match serde_json::from_slice(&line) {
                    Ok(request) => client.request(request)?,
                    Err(error) => write(&mut out, &not_understood(&line, &error))?,
                },
                Ok(None) => break,
                Err(()) => return Ok(Served::Closed),
            }
        }
    }
}

fn next(lines: &Receiver<Vec<u8>>) -> Result<Option<Vec<u8>>, ()> {
    match lines.try_recv() {
        Ok(line) => Ok(Some(line)),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Err(()),
    }
}

/// The answer to a line that is no request.
fn not_understood(line: &[u8], error: &serde_json::Error) -> SubjectEvent {
    #[derive(Default, Deserialize)]
    struct Named {
        #[serde(default)]
        op: String,
    }
    let named: Named = serde_json::from_slice(line).unwrap_or_default();
    SubjectEvent::Done {
        op: named.op,
        error: Some(ClientError {
            name: "NotUnderstood".to_owned(),
            message: error.to_string(),
            class: ErrorClass::Other,
        }),
    }
}

fn write(out: &mut impl Write, event: &SubjectEvent) -> Result<(), SubjectError> {
    let written = serde_json::to_writer(&mut *out, event).map_err(io::Error::other);
    written
        .and_then(|()| out.write_all(b"\n"))
        .map_err(SubjectError::Report)
}

/// Reads in a thread of its own: the client is heard meanwhile.
fn read_lines() -> Receiver<Vec<u8>> {
    let (to, lines) = sync_channel(REQUESTS);
    thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { return };
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
