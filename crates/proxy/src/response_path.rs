//! The way from the broker: answers are matched to their requests, addresses in
//! them are rewritten, and faults have their way. Knows nothing of sockets.

use std::time::Duration;

use crate::addresses::{Directory, limit_versions, rewrite_tail, rewritten};
use crate::exchange::{Exchange, ResponseFate};
use crate::fault::{OnDrop, RequestApi};
use crate::inspect::{
    Addresses, CloseReason, Next, Stretches, Surroundings, after_tags, frame_length, int32,
};
use crate::limits::{HELD_BYTES_MAX, METADATA_BYTES_MAX};
use crate::schema::{Malformed, Mark, Schema, Step, Walk};
use crate::schemas::{Addressed, Size, addressed, api};
use crate::topic_error::TopicError;

/// A correlation id: the shortest answer.
const HEADER_BYTES_MIN: usize = 4;

/// The state of one connection's way from the broker.
#[derive(Debug, Default)]
pub(crate) struct ResponsePath {
    phase: Phase,
    /// How much later what is at hand is delivered.
    after: Duration,
    stretches: Stretches,
}

#[derive(Debug, Default)]
enum Phase {
    /// Between answers.
    #[default]
    Start,
    /// Of the answer at hand, this much is still to be passed.
    Passing { left: usize },
    /// Of the answer at hand, this much is still to be thrown away.
    Swallowing { left: usize },
    /// A large answer streams by.
    Walking(Box<Streamed>),
}

#[derive(Debug)]
struct Streamed {
    walk: Walk,
    schema: &'static Schema,
    api: i16,
    version: i16,
    /// Of the answer.
    left: usize,
    /// Of the field at hand.
    skip: usize,
    /// What is left is the tail.
    at_tail: bool,
}

impl ResponsePath {
    /// Whether the bytes so far end with a whole answer.
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.phase, Phase::Start)
    }

    /// How many of the bytes that come next pass, at once and whatever they are.
    pub(crate) fn passes_unseen(&self) -> usize {
        match &self.phase {
            Phase::Passing { left } if self.after.is_zero() => *left,
            // Never more than is left, or it would not have got so far.
            Phase::Walking(streamed) if self.after.is_zero() => streamed.skip,
            _ => 0,
        }
    }

    /// So many of them have passed.
    pub(crate) fn passed_unseen(&mut self, bytes: usize) {
        match &mut self.phase {
            Phase::Passing { left } => {
                *left -= bytes;
                if *left == 0 {
                    self.phase = Phase::Start;
                }
            }
            Phase::Walking(streamed) => {
                streamed.skip -= bytes;
                streamed.left -= bytes;
            }
            Phase::Start | Phase::Swallowing { .. } => {}
        }
    }

    /// Whether more is soon to come that passes unseen.
    pub(crate) fn expects_unseen(&self) -> bool {
        let passes = match self.phase {
            Phase::Start => true,
            Phase::Swallowing { .. } => false,
            Phase::Passing { .. } | Phase::Walking(_) => self.after.is_zero(),
        };
        passes && self.stretches.are_long()
    }

    pub(crate) fn next(
        &mut self,
        front: &[u8],
        exchange: &Exchange,
        around: &Surroundings<'_>,
        directory: &mut impl Directory,
    ) -> Result<Next, CloseReason> {
        match &mut self.phase {
            Phase::Start => self.start(front, exchange, around, directory),
            Phase::Passing { left } | Phase::Swallowing { left } => {
                let bytes = (*left).min(front.len());
                if bytes == 0 {
                    return Ok(Next::More);
                }
                *left -= bytes;
                let (done, passing) = (*left == 0, matches!(self.phase, Phase::Passing { .. }));
                if done {
                    self.phase = Phase::Start;
                }
                Ok(if passing {
                    self.deliver(bytes)
                } else {
                    Next::Swallow(bytes)
                })
            }
            Phase::Walking(streamed) => {
                let next = streamed.next(front, &mut self.stretches, directory)?;
                let next = match next {
                    Next::Deliver { bytes, .. } => {
                        streamed.left -= bytes;
                        self.deliver(bytes)
                    }
                    Next::Instead { bytes, with, .. } => {
                        streamed.left -= bytes;
                        Next::Instead {
                            bytes,
                            with,
                            after: self.after,
                        }
                    }
                    next => next,
                };
                if matches!(&self.phase, Phase::Walking(it) if it.left == 0) {
                    self.phase = Phase::Start;
                }
                Ok(next)
            }
        }
    }

    fn deliver(&self, bytes: usize) -> Next {
        Next::Deliver {
            bytes,
            after: self.after,
        }
    }

    fn start(
        &mut self,
        front: &[u8],
        exchange: &Exchange,
        around: &Surroundings<'_>,
        directory: &mut impl Directory,
    ) -> Result<Next, CloseReason> {
        if let Some(with) = exchange.take_refused() {
            return Ok(Next::Instead {
                bytes: 0,
                with,
                after: Duration::ZERO,
            });
        }
        let (Some(length), Some(correlation)) = (frame_length(front), int32(front, 4)) else {
            return match frame_length(front) {
                Some(length) if length < 4 => Err(wrong_length(length)),
                _ => Ok(Next::More),
            };
        };
        let total = usize::try_from(length).map_err(|_| wrong_length(length))? + 4;
        if total < 4 + HEADER_BYTES_MIN {
            return Err(wrong_length(length));
        }
        let (api, version) = exchange
            .peek(correlation)
            .map_err(|wanted| CloseReason::Unasked {
                got: correlation,
                wanted,
            })?;
        let answer = Answer {
            api,
            version,
            total,
            addresses: around.addresses,
            addressed: addressed(api).filter(|it| version >= it.since),
            is_edited: exchange.next_is_edited(),
        };
        // Faults that do without the answer need no more of it.
        if !exchange.next_is_lost() && !answer.is_at_hand(front)? {
            return Ok(Next::More);
        }
        let bytes = total.min(front.len());
        self.after = Duration::ZERO;
        let mut edit = None;
        match exchange.take() {
            Some(ResponseFate::Dropped(then, fault)) => {
                fault.evidence.bytes(bytes);
                (around.count_hit)(&fault);
                return Ok(match then {
                    OnDrop::Reset => Next::Reset,
                    OnDrop::Silence => Next::Silence,
                });
            }
            Some(ResponseFate::Replaced(with, fault)) => {
                fault.evidence.bytes(total);
                (around.count_hit)(&fault);
                self.go_on(Phase::Swallowing {
                    left: total - bytes,
                });
                return Ok(Next::Instead {
                    bytes,
                    with,
                    after: Duration::ZERO,
                });
            }
            Some(ResponseFate::Delayed(after, fault)) => {
                fault.evidence.bytes(total);
                (around.count_hit)(&fault);
                self.after = after;
            }
            Some(ResponseFate::Edited(error, fault)) => {
                fault.evidence.bytes(total);
                (around.count_hit)(&fault);
                edit = Some(error);
            }
            Some(ResponseFate::Delivered | ResponseFate::Refused(_)) | None => {}
        }
        match answer.handling() {
            Handling::AsIs => {
                self.stretches.add(total);
                self.go_on(Phase::Passing {
                    left: total - bytes,
                });
                Ok(self.deliver(bytes))
            }
            Handling::Held => {
                let mut with = answer.rewritten(&front[..total], directory)?;
                if let Some(error) = edit {
                    let frame = with.get_or_insert_with(|| front[..total].to_vec());
                    answer.put_error(&error, frame)?;
                }
                Ok(match with {
                    None => self.deliver(total),
                    Some(with) => Next::Instead {
                        bytes: total,
                        with,
                        after: self.after,
                    },
                })
            }
            Handling::Streamed => self.stream(&answer),
        }
    }

    fn go_on(&mut self, phase: Phase) {
        self.phase = match phase {
            Phase::Passing { left: 0 } | Phase::Swallowing { left: 0 } => Phase::Start,
            phase => phase,
        };
    }

    /// Begins to walk along a large answer, from its header's tagged fields on.
    fn stream(&mut self, answer: &Answer) -> Result<Next, CloseReason> {
        let Some(Addressed { schema, .. }) = answer.addressed else {
            return Err(CloseReason::Header);
        };
        self.phase = Phase::Walking(Box::new(Streamed {
            walk: Walk::new(schema, answer.version),
            schema,
            api: answer.api,
            version: answer.version,
            left: answer.total,
            skip: 4 + HEADER_BYTES_MIN + usize::from(answer.version >= schema.flexible_from),
            at_tail: false,
        }));
        Ok(Next::Deliver {
            bytes: 0,
            after: Duration::ZERO,
        })
    }
}

fn wrong_length(length: i32) -> CloseReason {
    CloseReason::Length {
        of: "answer",
        bytes: length.into(),
    }
}

/// How an answer gets to the client.
enum Handling {
    AsIs,
    /// As a whole, rewritten.
    Held,
    /// As it comes, up to its tail.
    Streamed,
}

/// An answer that begins.
struct Answer {
    api: i16,
    version: i16,
    /// Its length included.
    total: usize,
    addresses: Addresses,
    /// If it carries addresses.
    addressed: Option<&'static Addressed>,
    /// Something is put into it.
    is_edited: bool,
}

impl Answer {
    fn handling(&self) -> Handling {
        match self.addressed {
            _ if self.is_edited => Handling::Held,
            _ if self.addresses == Addresses::Kept => Handling::AsIs,
            _ if self.api == api::API_VERSIONS => Handling::Held,
            None => Handling::AsIs,
            Some(it) if it.size == Size::Held || self.total <= HELD_BYTES_MAX => Handling::Held,
            Some(_) => Handling::Streamed,
        }
    }

    /// Whether enough of it is there to begin.
    fn is_at_hand(&self, front: &[u8]) -> Result<bool, CloseReason> {
        match self.handling() {
            Handling::AsIs => Ok(true),
            Handling::Held if self.total > METADATA_BYTES_MAX => Err(CloseReason::TooLarge {
                api: RequestApi(self.api),
                bytes: self.total,
            }),
            Handling::Held => Ok(front.len() >= self.total),
            // Brokers send no tagged fields in headers; then the walk begins
            // in a place that is known.
            Handling::Streamed => match front.get(4 + HEADER_BYTES_MIN) {
                None => Ok(false),
                Some(0) => Ok(true),
                Some(_) => {
                    let why = Malformed::Tag;
                    Err(CloseReason::malformed(
                        "answer",
                        self.api,
                        self.version,
                        why,
                    ))
                }
            },
        }
    }

    /// Puts an error of topics into the whole frame.
    fn put_error(&self, error: &TopicError, frame: &mut [u8]) -> Result<(), CloseReason> {
        let malformed = |why| CloseReason::malformed("answer", self.api, self.version, why);
        let at = self.body_at(frame).map_err(malformed)?;
        let body = frame.get_mut(at..).unwrap_or_default();
        error.put_into(self.version, body).map_err(malformed)
    }

    /// Where the body of a whole frame with addresses begins.
    fn body_at(&self, frame: &[u8]) -> Result<usize, Malformed> {
        let header = 4 + HEADER_BYTES_MIN;
        let is_flexible = |it: &Addressed| self.version >= it.schema.flexible_from;
        if self.addressed.is_some_and(is_flexible) {
            return after_tags(frame, header)?.ok_or(Malformed::End);
        }
        Ok(header)
    }

    /// The whole frame with its addresses replaced; `None` when it passes as
    /// it is.
    fn rewritten(
        &self,
        frame: &[u8],
        directory: &mut impl Directory,
    ) -> Result<Option<Vec<u8>>, CloseReason> {
        let malformed = |why| CloseReason::malformed("answer", self.api, self.version, why);
        let header = 4 + HEADER_BYTES_MIN;
        let Some(Addressed { schema, .. }) = self.addressed else {
            let mut frame = frame.to_vec();
            limit_versions(self.version, &mut frame[header..]).map_err(malformed)?;
            return Ok(Some(frame));
        };
        if self.addresses == Addresses::Kept {
            return Ok(None);
        }
        let at = self.body_at(frame).map_err(malformed)?;
        let body = rewritten(schema, self.version, &frame[at..], directory)
            .map_err(|why| CloseReason::not_rewritten(self.api, self.version, why))?;
        let Some(body) = body else { return Ok(None) };
        let length =
            i32::try_from(at - 4 + body.len()).map_err(|_| malformed(Malformed::Length))?;
        let mut out = Vec::with_capacity(at + body.len());
        out.extend(length.to_be_bytes());
        out.extend_from_slice(&frame[4..at]);
        out.extend_from_slice(&body);
        Ok(Some(out))
    }
}

impl Streamed {
    /// What to do with the bytes at hand. The caller takes what is delivered
    /// off what is left.
    fn next(
        &mut self,
        front: &[u8],
        stretches: &mut Stretches,
        directory: &mut impl Directory,
    ) -> Result<Next, CloseReason> {
        let front = &front[..front.len().min(self.left)];
        if self.at_tail {
            return self.tail(front, directory);
        }
        let mut at = 0;
        loop {
            let skipped = self.skip.min(front.len() - at);
            self.skip -= skipped;
            at += skipped;
            if self.skip > 0 {
                break;
            }
            let step = self
                .walk
                .step(&front[at..])
                .map_err(|why| CloseReason::malformed("answer", self.api, self.version, why))?;
            match step {
                // No schema that streams ends before its tail.
                Step::More | Step::End => break,
                Step::Found {
                    mark: Mark::Tail, ..
                } => {
                    self.at_tail = true;
                    break;
                }
                Step::Pass(bytes) | Step::TagBegins { bytes, .. } | Step::Found { bytes, .. } => {
                    self.skip = bytes;
                    stretches.add(bytes);
                }
                Step::TagEnds => {}
            }
        }
        let beyond = self.skip > self.left - at;
        let stuck = at == front.len() && at == self.left && !self.at_tail;
        if beyond || stuck {
            let why = Malformed::Length;
            return Err(CloseReason::malformed(
                "answer",
                self.api,
                self.version,
                why,
            ));
        }
        Ok(match (at, self.at_tail) {
            (0, false) => Next::More,
            (0, true) => return self.tail(front, directory),
            (bytes, _) => Next::pass(bytes),
        })
    }

    /// The tail, as a whole.
    fn tail(&mut self, front: &[u8], directory: &mut impl Directory) -> Result<Next, CloseReason> {
        if self.left > HELD_BYTES_MAX {
            return Err(CloseReason::TooLarge {
                api: RequestApi(self.api),
                bytes: self.left,
            });
        }
        let Some(tail) = front.get(..self.left) else {
            return Ok(Next::More);
        };
        let mut tail = tail.to_vec();
        rewrite_tail(
            &mut self.walk,
            self.schema,
            self.version,
            &mut tail,
            directory,
        )
        .map_err(|why| CloseReason::not_rewritten(self.api, self.version, why))?;
        Ok(Next::Instead {
            bytes: tail.len(),
            with: tail,
            after: Duration::ZERO,
        })
    }
}
