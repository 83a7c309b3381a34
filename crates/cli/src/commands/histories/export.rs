//! `ackproof history export`: events as JSON lines, whose names are those of
//! `docs/reference/history-format.md`.

use std::io::{self, BufWriter, Write};

use history::{Reader, Tail};
use model::event::Event;

use super::place;
use crate::args::{ExportFormat, HistoryExportArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// The lines could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct ExportError(#[source] io::Error);

pub(crate) fn export(args: &HistoryExportArgs) -> Result<Exit, Failure> {
    let ExportFormat::Jsonl = args.format;
    let file = place::history(&args.place)?;
    let damage = |error| Failure::usage(&error);
    let mut events = Reader::open(&file)
        .and_then(Reader::prefetch)
        .map_err(damage)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    let written = loop {
        let Some(event) = events.next() else {
            break out.flush();
        };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                // What came before the damage is on its way, at least.
                let _ = out.flush();
                return Err(damage(error));
            }
        };
        line.clear();
        if let Err(error) = write_line(&event, &mut line).and_then(|()| out.write_all(&line)) {
            break Err(error);
        }
    };
    match written {
        Ok(()) => {}
        // A reader that has seen enough (`| head -1`) is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is left cannot be written any more.
            let _ = out.into_parts();
            return Ok(Exit::Held);
        }
        Err(error) => return Err(Failure::environment(&ExportError(error))),
    }
    if let Some(Tail::CutOff { at }) = events.tail() {
        let file = file.display();
        output::note(&format!(
            "{file} is cut off at byte {at}: these are the events before it\n"
        ));
    }
    Ok(Exit::Held)
}

/// `{"at_us":1,"event":"stored",…}` and a line feed.
fn write_line(event: &Event, line: &mut Vec<u8>) -> io::Result<()> {
    let name = event.body.kind();
    write!(line, r#"{{"at_us":{},"event":"{name}""#, event.at)?;
    // The body is `"name"` or `{"name":{fields}}`: its fields go on here.
    let begins = line.len();
    serde_json::to_writer(&mut *line, &event.body)?;
    let frame_bytes = r#"{"":{"#.len() + name.len();
    if line.get(begins) == Some(&b'{') {
        line.splice(begins..begins + frame_bytes, [b',']);
        line.pop();
    } else {
        line.truncate(begins);
        line.push(b'}');
    }
    line.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::event::{Body, Content, Outcome};
    use model::ids::{Micros, Offset, PartitionRef, ProducerIx, RecordId, Sequence};

    use super::*;

    fn line(body: Body) -> String {
        let at = Micros::new(7);
        let mut line = Vec::new();
        write_line(&Event { at, body }, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    const RECORD: RecordId = RecordId {
        producer: ProducerIx::new(2),
        sequence: Sequence::new(u64::MAX),
    };

    #[test]
    fn fields_stand_beside_the_events_name() {
        let stored = Body::Stored {
            partition: PartitionRef::default(),
            offset: Offset::new(-1),
            content: Content::Ours(RECORD),
        };
        assert_eq!(
            line(stored),
            "{\"at_us\":7,\"event\":\"stored\",\
             \"partition\":{\"topic\":0,\"partition\":0},\"offset\":-1,\
             \"content\":{\"ours\":{\"producer\":2,\"sequence\":18446744073709551615}}}\n"
        );
        assert_eq!(
            line(Body::TrafficEnded),
            "{\"at_us\":7,\"event\":\"traffic-ended\"}\n"
        );
    }

    #[test]
    fn texts_stay_in_their_quotes_and_their_line() {
        let failed = Body::SendCompleted {
            record: RECORD,
            outcome: Outcome::Failed {
                error: "\":{ }}\n\u{1}é".to_owned(),
            },
        };
        let line = line(failed);
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["outcome"]["failed"]["error"], "\":{ }}\n\u{1}é");
    }
}
