//! The way from the client: requests are told apart as far as faults and
//! answers need it, and pass by length otherwise. Knows nothing of sockets.

use std::sync::Arc;
use std::time::Duration;

use crate::active_fault::{ActiveFault, Asked};
use crate::error_response::error_response;
use crate::exchange::{Exchange, Expected, ResponseFate};
use crate::fault::{Delayed, FaultEffect, RequestApi, When};
use crate::inspect::{
    Addresses, CloseReason, Next, Stretches, Surroundings, after_tags, frame_length, int16, int32,
};
use crate::late_request::LateRequest;
use crate::limits::{HELD_BYTES_MAX, INSPECT_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::requests::{Acks, Content, acks, content, schema};
use crate::schemas::{addressed, api};
use crate::topic_error::TopicError;

/// The API, its version and the correlation id: the shortest header.
const HEADER_BYTES_MIN: usize = 8;

/// The state of one connection's way to the broker.
#[derive(Debug, Default)]
pub(crate) struct RequestPath {
    /// Of the request at hand, still to be passed.
    left: usize,
    stretches: Stretches,
}

/// A request's header.
struct Header<'a> {
    /// Of the whole frame, its length included.
    bytes: usize,
    api: i16,
    version: i16,
    correlation: i32,
    client_id: Option<&'a str>,
    /// Where it ends, the tagged fields of newer ones not counted.
    ends: usize,
}

/// What faults do to a request.
struct Treatment {
    delay: Duration,
    fate: ResponseFate,
    /// Whether the broker sees it.
    refused: bool,
    /// It is delivered over a connection of its own, by this fault.
    late: Option<(Duration, Arc<ActiveFault>)>,
}

impl RequestPath {
    /// Whether the bytes so far end with a whole request.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.left == 0
    }

    /// How many of the bytes that come next pass whatever they are.
    pub(crate) fn passes_unseen(&self) -> usize {
        self.left
    }

    /// So many of them have passed.
    pub(crate) fn passed_unseen(&mut self, bytes: usize) {
        self.left -= bytes;
    }

    /// Whether more is soon to come that passes unseen.
    pub(crate) fn expects_unseen(&self) -> bool {
        self.stretches.are_long()
    }

    pub(crate) fn next(
        &mut self,
        front: &[u8],
        exchange: &Exchange,
        around: &Surroundings<'_>,
        name_of: &dyn Fn([u8; 16]) -> Option<String>,
    ) -> Result<Next, CloseReason> {
        if self.left > 0 {
            let bytes = self.left.min(front.len());
            self.left -= bytes;
            return Ok(if bytes == 0 {
                Next::More
            } else {
                Next::pass(bytes)
            });
        }
        let Some(header) = header(front)? else {
            return Ok(Next::More);
        };
        if header.api == api::SASL_HANDSHAKE && header.version == 0 {
            return Err(CloseReason::BareSasl);
        }
        let newest = match around.addresses {
            Addresses::Rewritten => addressed(header.api).map(|it| it.schema.newest),
            Addresses::Kept => None,
        };
        if newest.is_some_and(|it| header.version > it) {
            return Err(CloseReason::TooNew {
                api: RequestApi(header.api),
                version: header.version,
            });
        }
        if exchange.is_full() {
            return Ok(Next::Wait);
        }
        let Some(acks) = answer_wanted(front, &header)? else {
            return Ok(Next::More);
        };
        let concerned: Vec<&Arc<ActiveFault>> = around
            .conditions
            .protocol
            .iter()
            .filter(|it| it.concerns(header.api, header.client_id))
            .collect();
        let treatment = if concerned.is_empty() {
            Treatment {
                delay: Duration::ZERO,
                fate: ResponseFate::Delivered,
                refused: false,
                late: None,
            }
        } else {
            match treat(front, &header, acks, &concerned, around, name_of)? {
                Some(treatment) => treatment,
                None => return Ok(Next::More),
            }
        };
        if let Some((after, fault)) = treatment.late {
            return Ok(Next::Late(Box::new(LateRequest {
                frame: front[..header.bytes].to_vec(),
                api: header.api,
                acks,
                after,
                fault,
            })));
        }
        let refused = treatment.refused;
        match acks {
            Acks::Wanted => exchange.expect(Expected {
                correlation: header.correlation,
                api: header.api,
                version: header.version,
                fate: treatment.fate,
            }),
            // A broker that cannot tell of an error closes the connection.
            Acks::Never if refused => return Ok(Next::Reset),
            Acks::Never => {}
        }
        if refused {
            return Ok(Next::Swallow(header.bytes));
        }
        let bytes = header.bytes.min(front.len());
        self.left = header.bytes - bytes;
        self.stretches.add(header.bytes);
        Ok(Next::Deliver {
            bytes,
            after: treatment.delay,
        })
    }
}

/// Learns the `client.id` from a connection's first request, if it is at hand. What is
/// wrong with it is told when it is decided on.
pub(crate) fn learn_client_id(front: &[u8], exchange: &Exchange) {
    if let Ok(Some(header)) = header(front) {
        exchange.learn_client_id(header.client_id);
    }
}

fn header(front: &[u8]) -> Result<Option<Header<'_>>, CloseReason> {
    let Some(length) = frame_length(front) else {
        return Ok(None);
    };
    let wrong = || CloseReason::Length {
        of: "request",
        bytes: length.into(),
    };
    let bytes = usize::try_from(length).map_err(|_| wrong())?;
    if !(HEADER_BYTES_MIN..=REQUEST_BYTES_MAX).contains(&bytes) {
        return Err(wrong());
    }
    let bytes = bytes + 4;
    let front = &front[..front.len().min(bytes)];
    let (Some(api), Some(version), Some(correlation)) =
        (int16(front, 4), int16(front, 6), int32(front, 8))
    else {
        return Ok(None);
    };
    if api < 0 || version < 0 {
        return Err(CloseReason::Header);
    }
    let fixed = 4 + HEADER_BYTES_MIN;
    let mut header = Header {
        bytes,
        api,
        version,
        correlation,
        client_id: None,
        ends: fixed,
    };
    if bytes == fixed {
        // The oldest header has no client id.
        return Ok(Some(header));
    }
    if bytes < fixed + 2 {
        return Err(CloseReason::Header);
    }
    let Some(length) = int16(front, fixed) else {
        return Ok(None);
    };
    header.ends = fixed + 2;
    if length >= 0 {
        let from = header.ends;
        header.ends += usize::from(length.unsigned_abs());
        if header.ends > bytes {
            return Err(CloseReason::Header);
        }
        let Some(text) = front.get(from..header.ends) else {
            return Ok(None);
        };
        header.client_id = Some(std::str::from_utf8(text).map_err(|_| CloseReason::Header)?);
    } else if length < -1 {
        return Err(CloseReason::Header);
    }
    Ok(Some(header))
}

/// Where the body begins; `None` while that is not at hand. Only for APIs
/// whose schema is known.
fn body_at(front: &[u8], header: &Header<'_>) -> Result<Option<usize>, CloseReason> {
    let flexible = schema(header.api).is_some_and(|it| header.version >= it.flexible_from);
    if !flexible {
        return Ok(Some(header.ends));
    }
    after_tags(front, header.ends).map_err(|_| CloseReason::Header)
}

/// Whether the broker will answer; `None` while that is not at hand.
fn answer_wanted(front: &[u8], header: &Header<'_>) -> Result<Option<Acks>, CloseReason> {
    if header.api != api::PRODUCE {
        return Ok(Some(Acks::Wanted));
    }
    let front = &front[..front.len().min(header.bytes)];
    let found = match body_at(front, header)? {
        None => None,
        Some(at) => acks(header.version, &front[at..])
            .map_err(|why| CloseReason::malformed("request", header.api, header.version, why))?,
    };
    if found.is_none() && (front.len() == header.bytes || front.len() >= HELD_BYTES_MAX) {
        return Err(CloseReason::Header);
    }
    Ok(found)
}

/// What faults do to the request; `None` while they need more of it.
fn treat(
    front: &[u8],
    header: &Header<'_>,
    acks: Acks,
    concerned: &[&Arc<ActiveFault>],
    around: &Surroundings<'_>,
    name_of: &dyn Fn([u8; 16]) -> Option<String>,
) -> Result<Option<Treatment>, CloseReason> {
    let known = schema(header.api).filter(|it| header.version <= it.newest);
    let wanted = concerned.iter().any(|it| needs_content(it));
    let content = match known {
        Some(_) if wanted && header.bytes > INSPECT_BYTES_MAX => None,
        Some(schema) if wanted => {
            let Some(front) = front.get(..header.bytes) else {
                return Ok(None);
            };
            let at = body_at(front, header)?.ok_or(CloseReason::Header)?;
            content(schema, header.version, &front[at..])
                .map_err(|why| CloseReason::malformed("request", header.api, header.version, why))?
        }
        _ => None,
    };
    if known.is_some() && content.is_none() {
        for fault in concerned.iter().filter(|it| needs_content(it)) {
            fault.evidence.too_large.add(1);
        }
    }
    // Of a late one all must be there; one that is too large passes.
    let waits = |it: &&Arc<ActiveFault>| matches!(it.fault.effect, FaultEffect::Late { .. });
    if front.len() < header.bytes
        && header.bytes <= INSPECT_BYTES_MAX
        && concerned.iter().copied().any(|it| waits(&it))
    {
        return Ok(None);
    }
    let asked = Asked {
        api: header.api,
        client_id: header.client_id,
        content: content.as_ref(),
    };
    let mut treatment = Treatment {
        delay: Duration::ZERO,
        fate: ResponseFate::Delivered,
        refused: false,
        late: None,
    };
    for &fault in concerned {
        if fault.picks(asked, name_of)
            && apply(&mut treatment, fault, header, acks, content.as_ref())
        {
            fault.evidence.request(header.api);
            (around.count_hit)(fault);
            if treatment.refused {
                fault.evidence.bytes(header.bytes);
            }
        }
    }
    Ok(Some(treatment))
}

fn needs_content(fault: &ActiveFault) -> bool {
    matches!(fault.fault.effect, FaultEffect::Error { .. })
        || fault
            .fault
            .effect
            .requests()
            .is_some_and(crate::fault::RequestFilter::looks_inside)
}

/// Lets a fault that picked the request act on it. An answer has one fate: the
/// first fault decides it.
fn apply(
    treatment: &mut Treatment,
    fault: &Arc<ActiveFault>,
    header: &Header<'_>,
    acks: Acks,
    content: Option<&Content>,
) -> bool {
    if let FaultEffect::Delay {
        delay_ms,
        what: Delayed::Request,
        ..
    } = fault.fault.effect
    {
        treatment.delay += Duration::from_millis(delay_ms);
        return true;
    }
    if !matches!(treatment.fate, ResponseFate::Delivered) || treatment.refused {
        return false;
    }
    match &fault.fault.effect {
        FaultEffect::Late { delay_ms, .. } => {
            if header.bytes > INSPECT_BYTES_MAX {
                fault.evidence.too_large.add(1);
            } else {
                let after = Duration::from_millis(*delay_ms);
                treatment.late = Some((after, Arc::clone(fault)));
            }
            // It counts when the broker has answered it.
            return false;
        }
        FaultEffect::Delay { delay_ms, .. } if acks == Acks::Wanted => {
            treatment.fate =
                ResponseFate::Delayed(Duration::from_millis(*delay_ms), Arc::clone(fault));
        }
        FaultEffect::DropAnswer { then, .. } if acks == Acks::Wanted => {
            treatment.fate = ResponseFate::Dropped(*then, Arc::clone(fault));
        }
        FaultEffect::Error {
            on,
            code,
            when: When::After,
        } if header.api == api::METADATA => {
            let error = TopicError {
                code: *code,
                topic: on.topic.clone(),
            };
            treatment.fate = ResponseFate::Edited(error, Arc::clone(fault));
        }
        FaultEffect::Error { code, when, .. } => {
            let frame = content.and_then(|content| {
                error_response(
                    header.api,
                    header.version,
                    header.correlation,
                    content,
                    *code,
                )
            });
            match (frame, when) {
                (Some(frame), When::Before) => {
                    treatment.fate = ResponseFate::Refused(frame);
                    treatment.refused = true;
                }
                (Some(frame), When::After) if acks == Acks::Wanted => {
                    treatment.fate = ResponseFate::Replaced(frame, Arc::clone(fault));
                }
                _ => return false,
            }
        }
        _ => return false,
    }
    true
}
