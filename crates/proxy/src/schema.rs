//! What a message of Kafka's protocol is made of, as data, and the walk along
//! its bytes. Knows nothing of what is looked for, and never looks into records.
//!
//! A walk allocates nothing, and needs only the few bytes of the field at hand:
//! strings, arrays and records of any declared length are passed by length, so
//! that a message can be walked along while it streams by.

/// What a field means to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A broker's id, before the host and port that belong to it.
    Node,
    Host,
    Port,
    TopicName,
    TopicId,
    Partition,
    /// A consumer group's id.
    Group,
    TransactionalId,
    /// A group or a transactional id whose coordinator is looked for.
    Key,
    Acks,
    /// A topic's error, before its name.
    TopicError,
    ApiKey,
    MaxVersion,
    /// The rest is what a streamed message is walked along for.
    Tail,
}

/// How a field is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// This many bytes.
    Fixed(u8),
    /// A string, which may be null.
    Text,
    /// Bytes or records, which may be null.
    Blob,
    /// An array of structures of these fields, which may be null.
    Array(&'static [Field]),
    /// The tagged fields of a flexible version, and what the known ones hold.
    Tags(&'static [(u32, &'static [Field])]),
    /// Nothing: a place.
    Here,
}

/// A field, and the versions that have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    from: i16,
    to: i16,
    kind: Kind,
    mark: Option<Mark>,
}

impl Field {
    /// In all versions.
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            from: 0,
            to: i16::MAX,
            kind,
            mark: None,
        }
    }

    pub(crate) const fn marked(self, mark: Mark) -> Self {
        Self {
            mark: Some(mark),
            ..self
        }
    }

    pub(crate) const fn from(self, from: i16) -> Self {
        Self { from, ..self }
    }

    pub(crate) const fn to(self, to: i16) -> Self {
        Self { to, ..self }
    }
}

/// A message.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The newest version that these fields describe.
    pub(crate) newest: i16,
    /// The first with compact lengths and tagged fields.
    pub(crate) flexible_from: i16,
    pub(crate) fields: &'static [Field],
}

/// The bytes are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a length is negative or beyond the end of the message")]
    Length,
    #[error("a variable-length number does not end")]
    Varint,
    #[error("a tagged field does not end where it says")]
    Tag,
    #[error("a string is not UTF-8")]
    Text,
    #[error("the message ends in the middle of a field")]
    End,
}

/// One step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The bytes at hand end within the field.
    More,
    /// This many bytes are passed, be they at hand or not.
    Pass(usize),
    /// A marked field, at hand as a whole: its length, and where in it the
    /// value begins. A null is as an empty string.
    Found {
        mark: Mark,
        bytes: usize,
        value_at: usize,
    },
    /// A known tagged field begins, with its tag and its size in this many
    /// bytes, of which the size begins here.
    TagBegins { bytes: usize, size_at: usize },
    /// The known tagged field ends here.
    TagEnds,
    /// The message ends here.
    End,
}

/// No message that we know is deeper.
const DEPTH_MAX: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Level {
    what: What,
    /// How many elements of an array, or tagged fields, are still to come, the
    /// one at hand not counted.
    left: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Fields {
        fields: &'static [Field],
        next: usize,
    },
    Tags(&'static [(u32, &'static [Field])]),
    /// Where a known tagged field ends.
    TagEnd {
        at: usize,
    },
}

/// A place in a message.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    version: i16,
    flexible: bool,
    at: usize,
    stack: [Option<Level>; DEPTH_MAX],
    depth: usize,
}

impl Walk {
    pub(crate) fn new(schema: &'static Schema, version: i16) -> Self {
        let mut walk = Self {
            version,
            flexible: version >= schema.flexible_from,
            at: 0,
            stack: [None; DEPTH_MAX],
            depth: 0,
        };
        // A schema is never as deep as that: its test walks all of them.
        let _ = walk.push(Level {
            what: What::Fields {
                fields: schema.fields,
                next: 0,
            },
            left: 0,
        });
        walk
    }

    /// Goes on from here, where `front` is at hand. What a step passes has to
    /// be taken off the front by the caller.
    pub(crate) fn step(&mut self, front: &[u8]) -> Result<Step, Malformed> {
        loop {
            let Some(level) = self.top() else {
                return Ok(Step::End);
            };
            let step = match level.what {
                What::Fields { fields, next } => match fields.get(next) {
                    None if level.left == 0 => {
                        self.pop();
                        continue;
                    }
                    None => {
                        self.replace(Level {
                            what: What::Fields { fields, next: 0 },
                            left: level.left - 1,
                        });
                        continue;
                    }
                    Some(field) => {
                        if self.version < field.from || self.version > field.to {
                            self.advance();
                            continue;
                        }
                        self.field(*field, front)?
                    }
                },
                What::Tags(_) if level.left == 0 => {
                    self.pop();
                    continue;
                }
                What::Tags(known) => self.tag(known, level.left, front)?,
                What::TagEnd { at } => {
                    if self.at != at {
                        return Err(Malformed::Tag);
                    }
                    self.pop();
                    Some(Step::TagEnds)
                }
            };
            match step {
                // The field took no bytes and is of no interest.
                Some(Step::Pass(0)) => {}
                Some(step) => {
                    self.at += match step {
                        Step::Pass(bytes)
                        | Step::Found { bytes, .. }
                        | Step::TagBegins { bytes, .. } => bytes,
                        Step::More | Step::TagEnds | Step::End => 0,
                    };
                    return Ok(step);
                }
                None => return Ok(Step::More),
            }
        }
    }

    /// One field; `None` while it is not at hand.
    fn field(&mut self, field: Field, front: &[u8]) -> Result<Option<Step>, Malformed> {
        let sized = match field.kind {
            Kind::Here => Sized {
                prefix: 0,
                value: 0,
            },
            Kind::Fixed(bytes) => Sized {
                prefix: 0,
                value: usize::from(bytes),
            },
            Kind::Text => match self.length(front, LengthOf::Text)? {
                None => return Ok(None),
                Some(sized) => sized,
            },
            Kind::Blob => match self.length(front, LengthOf::Other)? {
                None => return Ok(None),
                Some(sized) => sized,
            },
            Kind::Array(fields) => {
                let Some(Sized { prefix, value }) = self.length(front, LengthOf::Other)? else {
                    return Ok(None);
                };
                self.advance();
                if let Some(left) = value.checked_sub(1) {
                    let left = u32::try_from(left).map_err(|_| Malformed::Length)?;
                    self.push(Level {
                        what: What::Fields { fields, next: 0 },
                        left,
                    })?;
                }
                return Ok(Some(Step::Pass(prefix)));
            }
            Kind::Tags(known) => {
                if !self.flexible {
                    self.advance();
                    return Ok(Some(Step::Pass(0)));
                }
                let Some((count, bytes)) = varint(front)? else {
                    return Ok(None);
                };
                self.advance();
                self.push(Level {
                    what: What::Tags(known),
                    left: count,
                })?;
                return Ok(Some(Step::Pass(bytes)));
            }
        };
        let bytes = sized.prefix + sized.value;
        let step = match field.mark {
            None => Step::Pass(bytes),
            Some(_) if front.len() < bytes => return Ok(None),
            Some(mark) => Step::Found {
                mark,
                bytes,
                value_at: sized.prefix,
            },
        };
        self.advance();
        Ok(Some(step))
    }

    /// One tagged field; `None` while its tag and size are not at hand.
    fn tag(
        &mut self,
        known: &'static [(u32, &'static [Field])],
        left: u32,
        front: &[u8],
    ) -> Result<Option<Step>, Malformed> {
        let Some((tag, size_at)) = varint(front)? else {
            return Ok(None);
        };
        let Some((size, size_bytes)) = varint(&front[size_at..])? else {
            return Ok(None);
        };
        let (bytes, size) = (size_at + size_bytes, size as usize);
        self.replace(Level {
            what: What::Tags(known),
            left: left - 1,
        });
        let Some((_, fields)) = known.iter().find(|(it, _)| *it == tag) else {
            return Ok(Some(Step::Pass(bytes + size)));
        };
        let at = self.at + bytes + size;
        self.push(Level {
            what: What::TagEnd { at },
            left: 0,
        })?;
        self.push(Level {
            what: What::Fields { fields, next: 0 },
            left: 0,
        })?;
        Ok(Some(Step::TagBegins { bytes, size_at }))
    }

    /// A length as this version writes it; a null has none.
    fn length(&self, front: &[u8], of: LengthOf) -> Result<Option<Sized>, Malformed> {
        if self.flexible {
            return Ok(varint(front)?.map(|(length, prefix)| Sized {
                prefix,
                value: (length as usize).saturating_sub(1),
            }));
        }
        let (length, prefix) = match of {
            LengthOf::Text => match front.first_chunk() {
                None => return Ok(None),
                Some(bytes) => (i32::from(i16::from_be_bytes(*bytes)), 2),
            },
            LengthOf::Other => match front.first_chunk() {
                None => return Ok(None),
                Some(bytes) => (i32::from_be_bytes(*bytes), 4),
            },
        };
        let value = match length {
            -1 => 0,
            length => usize::try_from(length).map_err(|_| Malformed::Length)?,
        };
        Ok(Some(Sized { prefix, value }))
    }

    /// Whether tagged fields come next, in a version that has them.
    pub(crate) fn next_is_tags(&self) -> bool {
        matches!(
            self.top(),
            Some(Level { what: What::Fields { fields, next }, .. })
                if matches!(fields.get(next), Some(Field { kind: Kind::Tags(_), .. }))
        )
    }

    fn top(&self) -> Option<Level> {
        self.stack[..self.depth].last().copied().flatten()
    }

    fn replace(&mut self, level: Level) {
        if let Some(top) = self.stack[..self.depth].last_mut() {
            *top = Some(level);
        }
    }

    fn advance(&mut self) {
        if let Some(Some(Level {
            what: What::Fields { next, .. },
            ..
        })) = self.stack[..self.depth].last_mut()
        {
            *next += 1;
        }
    }

    fn push(&mut self, level: Level) -> Result<(), Malformed> {
        let place = self.stack.get_mut(self.depth).ok_or(Malformed::Tag)?;
        *place = Some(level);
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

#[derive(Clone, Copy)]
enum LengthOf {
    Text,
    Other,
}

struct Sized {
    prefix: usize,
    value: usize,
}

/// An unsigned variable-length number and how many bytes it takes; `None`
/// while it is not at hand.
pub(crate) fn varint(front: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut value = 0u64;
    for (index, byte) in front.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Malformed::Varint)?;
            return Ok(Some((value, index + 1)));
        }
    }
    if front.len() >= 5 {
        return Err(Malformed::Varint);
    }
    Ok(None)
}

/// Appends a number as [`varint`] reads it.
pub(crate) fn put_varint(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}

/// A marked field of a message that is at hand as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    Field {
        mark: Mark,
        /// Where it begins in the message, its length included.
        at: usize,
        bytes: usize,
        value: &'a [u8],
    },
    TagBegins {
        size_at: usize,
        size_bytes: usize,
    },
    TagEnds,
}

/// Walks along a whole message and shows what is marked in it. Says where the
/// walk ended: bytes may follow that this schema does not know.
pub(crate) fn look_through<'a>(
    schema: &'static Schema,
    version: i16,
    message: &'a [u8],
    mut show: impl FnMut(Seen<'a>) -> Result<(), Malformed>,
) -> Result<usize, Malformed> {
    look_on(&mut Walk::new(schema, version), message, &mut show)
}

/// The same from a place on that a walk has reached.
pub(crate) fn look_on<'a>(
    walk: &mut Walk,
    message: &'a [u8],
    show: &mut impl FnMut(Seen<'a>) -> Result<(), Malformed>,
) -> Result<usize, Malformed> {
    let mut at = 0;
    loop {
        let front = message.get(at..).ok_or(Malformed::End)?;
        match walk.step(front)? {
            Step::More => return Err(Malformed::End),
            Step::Pass(bytes) => at += bytes,
            Step::Found {
                mark,
                bytes,
                value_at,
            } => {
                let value = front.get(value_at..bytes).ok_or(Malformed::End)?;
                show(Seen::Field {
                    mark,
                    at,
                    bytes,
                    value,
                })?;
                at += bytes;
            }
            Step::TagBegins { bytes, size_at } => {
                show(Seen::TagBegins {
                    size_at: at + size_at,
                    size_bytes: bytes - size_at,
                })?;
                at += bytes;
            }
            Step::TagEnds => show(Seen::TagEnds)?,
            Step::End => return Ok(at),
        }
    }
}
