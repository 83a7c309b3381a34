//! One operation of Jepsen's Kafka workload, as it is written. Knows nothing
//! of what came before it.

use std::borrow::Cow;

use model::ids::Offset;

use super::edn::{Cursor, Token, Whole, whole};
use super::error::{JepsenFlaw, Located};
use super::summary::{JepsenSummary, text};

/// The operations that mean something here (`:f`).
const FUNCTIONS: [&[u8]; 6] = [
    b":txn",
    b":send",
    b":poll",
    b":subscribe",
    b":assign",
    b":crash",
];
/// As much of a number or name as a message quotes.
const QUOTED_BYTES_MAX: usize = 64;

/// Which half of an operation this is, and how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Invoke,
    Ok,
    /// It has certainly not happened.
    Fail,
    /// It may or may not have happened.
    Info,
}

/// What kind of operation has micro-operations (`:f`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Txn,
    Send,
    Poll,
}

/// A key or a value: Jepsen allows anything, and prints a scalar always in the
/// same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Int(i64),
    /// As it stands there.
    Text(&'a [u8]),
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub(super) phase: Phase,
    pub(super) process: i64,
    /// In nanoseconds, since the test began.
    pub(super) time_ns: Option<u64>,
    pub(super) act: Act<'a>,
    pub(super) error: Option<&'a [u8]>,
    pub(super) rebalanced: Vec<Scalar<'a>>,
    /// For what is wrong with the whole of it.
    pub(super) begin: Cursor<'a>,
}

/// What an operation does.
#[derive(Debug)]
pub(super) enum Act<'a> {
    /// Sends and polls; a completion may have no value.
    Perform(Kind, Option<Micros<'a>>),
    /// Asks for these keys, and no others.
    Assign(Vec<Scalar<'a>>, Begin),
    /// Asks for the topics of these keys; which of them it gets is for the
    /// group to say.
    Subscribe(Vec<Scalar<'a>>),
    /// Throws the client away.
    Crash,
}

/// Where an assignment begins to read (`:seek-to-beginning?`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Where the process was, if it was there.
    Position,
    /// At the beginning of each partition.
    Beginning,
}

/// The parts of an operation, in order.
#[derive(Debug, Default)]
pub(super) struct Micros<'a> {
    pub(super) all: Vec<Micro<'a>>,
    /// What the polls read, one poll after the other.
    pub(super) reads: Vec<Read<'a>>,
}

/// One part of an operation.
#[derive(Debug)]
pub(super) struct Micro<'a> {
    pub(super) what: What<'a>,
    /// For what is wrong with it.
    pub(super) begin: Cursor<'a>,
}

/// What a part of an operation does.
#[derive(Debug)]
pub(super) enum What<'a> {
    Send {
        key: Scalar<'a>,
        value: Scalar<'a>,
        offset: Option<Offset>,
    },
    Poll {
        /// How many of the operation's reads are of this poll.
        reads: usize,
    },
}

/// One record that a poll returned.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) key: Scalar<'a>,
    pub(super) value: Scalar<'a>,
    pub(super) offset: Option<Offset>,
}

/// A field's value, not read yet.
#[derive(Clone, Copy)]
struct Field<'a> {
    cursor: Cursor<'a>,
    bytes: &'a [u8],
}

/// The fields that mean something.
#[derive(Default)]
struct Fields<'a> {
    phase: Option<Field<'a>>,
    function: Option<Field<'a>>,
    process: Option<Field<'a>>,
    time: Option<Field<'a>>,
    value: Option<Field<'a>>,
    error: Option<Field<'a>>,
    rebalance_log: Option<Field<'a>>,
    seek: Option<Field<'a>>,
}

impl<'a> Operation<'a> {
    /// Reads one; none when it is of a kind that says nothing of records,
    /// which is counted.
    pub(super) fn read(
        form: &'a [u8],
        summary: &mut JepsenSummary,
    ) -> Result<Option<Self>, Located> {
        let mut begin = Cursor::new(form);
        begin.blank()?;
        let fields = Fields::read(begin, summary)?;
        summary.operations += 1;
        let missing = |field| begin.flaw(JepsenFlaw::Missing { field });

        let mut process = fields.process.ok_or_else(|| missing("process"))?.cursor;
        let number = match process.token()? {
            Token::Number(number) => Some(number),
            Token::Nil => return Err(missing("process")),
            _ => None,
        };
        let function = fields.function.map_or(&b"nil"[..], |field| field.bytes);
        if fields.function.is_none() && number.is_some() {
            return Err(missing("f"));
        }
        // The nemesis, say, has a name: it neither sends nor polls.
        let (true, Some(number)) = (FUNCTIONS.contains(&function), number) else {
            summary.skip_operation(function);
            return Ok(None);
        };
        let Some(Whole::Fits(process)) = whole(number) else {
            return Err(process.instead("a process: a number or a name"));
        };
        let phase = fields.phase.ok_or_else(|| missing("type"))?;
        let phase = match phase.bytes {
            b":invoke" => Phase::Invoke,
            b":ok" => Phase::Ok,
            b":fail" => Phase::Fail,
            b":info" => Phase::Info,
            _ => {
                let expected = "`:invoke`, `:ok`, `:fail` or `:info`";
                return Err(phase.cursor.expected(expected));
            }
        };
        let time_ns = match fields.time {
            Some(field) => time(field)?,
            None => None,
        };
        Ok(Some(Self {
            phase,
            process,
            time_ns,
            act: Act::read(function, fields.value, fields.seek)?,
            error: fields.error.map(|field| field.bytes),
            rebalanced: match fields.rebalance_log {
                Some(field) => rebalanced(field.cursor)?,
                None => Vec::new(),
            },
            begin,
        }))
    }
}

impl<'a> Fields<'a> {
    fn read(mut cursor: Cursor<'a>, summary: &mut JepsenSummary) -> Result<Self, Located> {
        loop {
            match cursor.token()? {
                Token::Tag(_) => {}
                Token::Open(b'{') => break,
                _ => return Err(cursor.wrong(JepsenFlaw::NotAnOperation)),
            }
        }
        let mut fields = Self::default();
        while !cursor.closes()? {
            let at = cursor;
            let name = cursor.skip()?;
            cursor.blank()?;
            let field = Field {
                cursor,
                bytes: cursor.skip()?,
            };
            let (slot, name) = match name {
                b":index" => continue,
                b":type" => (&mut fields.phase, "type"),
                b":f" => (&mut fields.function, "f"),
                b":process" => (&mut fields.process, "process"),
                b":time" => (&mut fields.time, "time"),
                b":value" => (&mut fields.value, "value"),
                b":error" => (&mut fields.error, "error"),
                b":seek-to-beginning?" => (&mut fields.seek, "seek-to-beginning?"),
                b":rebalance-log" => (&mut fields.rebalance_log, "rebalance-log"),
                name => {
                    summary.skip_field(name);
                    continue;
                }
            };
            if slot.replace(field).is_some() {
                return Err(at.flaw(JepsenFlaw::Repeated { field: name }));
            }
        }
        Ok(fields)
    }
}

fn time(mut field: Field<'_>) -> Result<Option<u64>, Located> {
    match field.cursor.token()? {
        Token::Nil => Ok(None),
        Token::Number(number) => {
            let time = not_negative(field.cursor, number, "time")?;
            Ok(Some(time.unsigned_abs()))
        }
        _ => Err(field.cursor.instead("a time in nanoseconds")),
    }
}

/// The keys of each entry of a rebalance log.
fn rebalanced(mut cursor: Cursor<'_>) -> Result<Vec<Scalar<'_>>, Located> {
    let mut keys = Vec::new();
    if !opens_sequence(&mut cursor, "a rebalance log: a vector of maps")? {
        return Ok(keys);
    }
    while !cursor.closes()? {
        if cursor.token()? != Token::Open(b'{') {
            return Err(cursor.instead("an entry of a rebalance log: a map"));
        }
        while !cursor.closes()? {
            if cursor.skip()? == b":keys" {
                scalars(&mut cursor, &mut keys)?;
            } else {
                cursor.skip()?;
            }
        }
    }
    Ok(keys)
}

/// All of a sequence of scalars; `nil` is an empty one.
fn scalars<'a>(cursor: &mut Cursor<'a>, into: &mut Vec<Scalar<'a>>) -> Result<(), Located> {
    if opens_sequence(cursor, "a vector of keys")? {
        while !cursor.closes()? {
            into.push(scalar(cursor)?);
        }
    }
    Ok(())
}

/// Into a vector, list or set; not, when there is `nil` instead.
fn opens_sequence(cursor: &mut Cursor<'_>, expected: &'static str) -> Result<bool, Located> {
    match cursor.token()? {
        Token::Open(b'[' | b'(' | b'#') => Ok(true),
        Token::Nil => Ok(false),
        _ => Err(cursor.instead(expected)),
    }
}

impl<'a> Act<'a> {
    fn read(
        function: &[u8],
        field: Option<Field<'a>>,
        seek: Option<Field<'a>>,
    ) -> Result<Self, Located> {
        let kind = match function {
            b":crash" => return Ok(Self::Crash),
            b":assign" | b":subscribe" => {
                let mut keys = Vec::new();
                if let Some(mut field) = field {
                    scalars(&mut field.cursor, &mut keys)?;
                }
                if function == b":subscribe" {
                    return Ok(Self::Subscribe(keys));
                }
                let begin = match seek {
                    Some(field) if field.bytes == b"true" => Begin::Beginning,
                    _ => Begin::Position,
                };
                return Ok(Self::Assign(keys, begin));
            }
            b":send" => Kind::Send,
            b":poll" => Kind::Poll,
            _ => Kind::Txn,
        };
        let micros = match field {
            Some(field) if field.bytes != b"nil" => Some(Micros::read(field.cursor)?),
            _ => None,
        };
        Ok(Self::Perform(kind, micros))
    }
}

impl<'a> Micros<'a> {
    fn read(mut cursor: Cursor<'a>) -> Result<Self, Located> {
        let mut micros = Self::default();
        opens_sequence(&mut cursor, "a vector of `[:send ...]` and `[:poll ...]`")?;
        while !cursor.closes()? {
            micros.read_one(&mut cursor)?;
        }
        Ok(micros)
    }

    fn read_one(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Located> {
        const EXPECTED: &str = "`[:send KEY VALUE]` or `[:poll ...]`";
        let begin = *cursor;
        if !matches!(cursor.token()?, Token::Open(b'[' | b'(')) {
            return Err(cursor.instead(EXPECTED));
        }
        let what = match cursor.token()? {
            Token::Keyword(b"send") => {
                let key = scalar(cursor)?;
                let at = *cursor;
                let (offset, value) = if let Token::Open(b'[' | b'(') = cursor.token()? {
                    pair(cursor)?
                } else {
                    *cursor = at;
                    (None, scalar(cursor)?)
                };
                What::Send { key, value, offset }
            }
            Token::Keyword(b"poll") => {
                let before = self.reads.len();
                let mut ahead = *cursor;
                if !ahead.closes()? {
                    self.read_poll(cursor)?;
                }
                let reads = self.reads.len() - before;
                What::Poll { reads }
            }
            _ => return Err(begin.expected(EXPECTED)),
        };
        if !cursor.closes()? {
            return Err(cursor.expected("the end of this micro-operation"));
        }
        self.all.push(Micro { what, begin });
        Ok(())
    }

    /// `{KEY [[OFFSET VALUE] ...] ...}`.
    fn read_poll(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Located> {
        match cursor.token()? {
            Token::Nil => return Ok(()),
            Token::Open(b'{') => {}
            _ => return Err(cursor.instead("what was polled: {KEY [[OFFSET VALUE] ...]}")),
        }
        while !cursor.closes()? {
            let key = scalar(cursor)?;
            if !opens_sequence(cursor, "a vector of [OFFSET VALUE]")? {
                continue;
            }
            while !cursor.closes()? {
                if !matches!(cursor.token()?, Token::Open(b'[' | b'(')) {
                    return Err(cursor.instead("[OFFSET VALUE]"));
                }
                let (offset, value) = pair(cursor)?;
                self.reads.push(Read { key, value, offset });
            }
        }
        Ok(())
    }
}

/// `OFFSET VALUE]`, behind the opening bracket.
fn pair<'a>(cursor: &mut Cursor<'a>) -> Result<(Option<Offset>, Scalar<'a>), Located> {
    let offset = match cursor.token()? {
        // What Kafka's clients say where they do not know it is -1.
        Token::Nil | Token::Number(b"-1") => None,
        Token::Number(number) => Some(Offset::new(not_negative(*cursor, number, "offset")?)),
        _ => return Err(cursor.instead("an offset or nil")),
    };
    let value = scalar(cursor)?;
    if cursor.closes()? {
        Ok((offset, value))
    } else {
        Err(cursor.expected("the end of [OFFSET VALUE]"))
    }
}

/// The number that the cursor has just read.
fn not_negative(cursor: Cursor<'_>, number: &[u8], of: &'static str) -> Result<i64, Located> {
    match whole(number) {
        Some(Whole::Fits(number)) if number >= 0 => Ok(number),
        _ => Err(cursor.wrong(JepsenFlaw::OutOfRange {
            of,
            number: text(number, QUOTED_BYTES_MAX),
        })),
    }
}

/// A scalar, tagged or not. Maps and vectors are none: two prints of one could
/// differ, and a record would be taken for another.
fn scalar<'a>(cursor: &mut Cursor<'a>) -> Result<Scalar<'a>, Located> {
    cursor.blank()?;
    let begin = *cursor;
    let first = cursor.token()?;
    let mut last = first;
    while let Token::Tag(_) = last {
        last = cursor.token()?;
    }
    if let Token::Open(_) | Token::Close = last {
        return Err(cursor.instead("a number, keyword, string or other scalar"));
    }
    if let Token::Number(number) = first
        && let Some(Whole::Fits(number)) = whole(number)
    {
        return Ok(Scalar::Int(number));
    }
    Ok(Scalar::Text(cursor.since(begin)))
}

impl Scalar<'_> {
    /// As it is written; no two scalars alike.
    pub(super) fn written(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Int(number) => Cow::Owned(number.to_string().into_bytes()),
            Self::Text(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// For people to read.
    pub(super) fn shown(self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Text(bytes) => text(bytes, QUOTED_BYTES_MAX),
        }
    }
}
