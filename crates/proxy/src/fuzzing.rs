//! One connection without sockets, for the fuzzing target: what two ends say in,
//! what two ends hear out. Knows nothing of what they should have said.

use std::sync::Arc;

use crate::active_fault::ActiveFault;
use crate::address::HostPort;
use crate::addresses::{Directory, NoListener};
use crate::exchange::Exchange;
use crate::fault::ProxyFault;
use crate::inspect::{Addresses, CloseReason, Next, Surroundings};
use crate::link::{Conditions, Faults};
use crate::request_path::{RequestPath, learn_client_id};
use crate::response_path::ResponsePath;

/// What both ends say, in pieces of this many bytes: first the client, then the
/// broker.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// By the client.
    pub by_client: &'a [u8],
    /// By the broker.
    pub by_broker: &'a [u8],
    /// At least 1.
    pub piece_bytes: usize,
}

/// What both ends hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// By the broker.
    pub by_broker: Vec<u8>,
    /// By the client.
    pub by_client: Vec<u8>,
    /// Why the connection did not go on, if it did not.
    pub closed: Option<CloseReason>,
}

/// What a client's connection carries while these faults on requests are on:
/// before brokers whose addresses are rewritten, or between brokers.
pub fn before_cluster(said: Said<'_>, faults: &[ProxyFault]) -> Heard {
    carry(said, faults, Addresses::Rewritten)
}

/// See [`before_cluster`].
pub fn between_brokers(said: Said<'_>, faults: &[ProxyFault]) -> Heard {
    carry(said, faults, Addresses::Kept)
}

/// Every broker is on one host, but one has no listener.
struct Everywhere;

impl Directory for Everywhere {
    fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
        if node == 13 {
            let reason = "it brings bad luck".to_owned();
            return Err(NoListener { address, reason });
        }
        Ok(HostPort {
            host: "proxy.example".to_owned(),
            port: address.port,
        })
    }

    fn topic(&mut self, _: [u8; 16], _: &str) {}
}

/// One way: what has come of what is said, and what has gone.
struct Way<'a> {
    said: &'a [u8],
    at_hand: Vec<u8>,
    heard: Vec<u8>,
    /// What may pass unseen is seen all the same this time.
    looks: bool,
}

/// How a way stands.
#[derive(PartialEq, Eq)]
enum Stand {
    Goes,
    /// For good.
    Over,
}

impl<'a> Way<'a> {
    fn new(said: &'a [u8]) -> Self {
        Self {
            said,
            at_hand: Vec::new(),
            heard: Vec::new(),
            looks: false,
        }
    }

    /// How much came, and how much of it passed unseen, where so much may.
    fn receive(&mut self, bytes: usize, unseen: usize) -> (usize, usize) {
        let mut bytes = bytes.min(self.said.len());
        let is_next = self.at_hand.is_empty() && unseen > 0;
        self.looks = !(is_next && self.looks);
        let passes = is_next && !self.looks;
        if passes {
            bytes = bytes.min(unseen);
        }
        let (piece, rest) = self.said.split_at(bytes);
        let to = if passes {
            &mut self.heard
        } else {
            &mut self.at_hand
        };
        to.extend_from_slice(piece);
        self.said = rest;
        (bytes, if passes { bytes } else { 0 })
    }

    /// Does what is decided, until more is needed.
    fn go(
        &mut self,
        mut decide: impl FnMut(&[u8]) -> Result<Next, CloseReason>,
    ) -> Result<Stand, CloseReason> {
        let mut idle = 0;
        loop {
            let (bytes, with) = match decide(&self.at_hand)? {
                Next::More | Next::Wait => return Ok(Stand::Goes),
                Next::Silence | Next::Reset | Next::Late(_) => return Ok(Stand::Over),
                Next::Deliver { bytes, .. } => (bytes, None),
                Next::Instead { bytes, with, .. } => (bytes, Some(with)),
                Next::Swallow(bytes) => (bytes, Some(Vec::new())),
            };
            // An answer in the broker's place takes no bytes; nothing else may
            // go on like that.
            idle = if bytes == 0 && with.is_none() {
                idle + 1
            } else {
                0
            };
            debug_assert!(idle < 3, "decided on nothing, again and again");
            let taken = self.at_hand.drain(..bytes);
            match with {
                None => self.heard.extend(taken),
                Some(with) => self.heard.extend(with),
            }
        }
    }
}

fn carry(said: Said<'_>, faults: &[ProxyFault], addresses: Addresses) -> Heard {
    let numbered = (1..).zip(faults.iter().cloned());
    let (conditions, _forgotten) = Conditions::new(Faults {
        protocol: numbered
            .map(|(id, fault)| Arc::new(ActiveFault::new(id, fault)))
            .collect(),
        ..Faults::default()
    });
    let around = Surroundings {
        conditions: &conditions,
        addresses,
        count_hit: &|_| {},
    };
    let exchange = Exchange::default();
    let (mut request_path, mut response_path) = (RequestPath::default(), ResponsePath::default());
    let (mut up, mut down) = (Way::new(said.by_client), Way::new(said.by_broker));
    let piece = said.piece_bytes.max(1);
    let closed = loop {
        let (mut came, unseen) = up.receive(piece, request_path.passes_unseen());
        request_path.passed_unseen(unseen);
        if came == 0 {
            let unseen;
            (came, unseen) = down.receive(piece, response_path.passes_unseen());
            response_path.passed_unseen(unseen);
        }
        learn_client_id(&up.at_hand, &exchange);
        let asked = up.go(|front| request_path.next(front, &exchange, &around, &|_| None));
        let answered =
            down.go(|front| response_path.next(front, &exchange, &around, &mut Everywhere));
        match (asked, answered) {
            (Err(reason), _) | (_, Err(reason)) => break Some(reason),
            (Ok(Stand::Goes), Ok(Stand::Goes)) if came > 0 => {}
            _ => break None,
        }
    };
    Heard {
        by_broker: up.heard,
        by_client: down.heard,
        closed,
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages as m;
    use kafka_protocol::messages::ApiKey;
    use kafka_protocol::protocol::Encodable;

    use super::*;
    use crate::messages::{ANSWERS, answer, encoded, fetch, oldest, share_fetch};
    use crate::schemas::api;

    /// One request and its answer, as frames.
    struct Exchanged {
        name: String,
        request: Vec<u8>,
        answer: Vec<u8>,
    }

    fn framed(parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[..], &body].concat()
    }

    fn exchanged(api: i16, version: i16, request: &[u8], answer: &[u8]) -> Exchanged {
        let key = ApiKey::try_from(api).unwrap();
        let tags = |has_them: bool| if has_them { &[0][..] } else { &[][..] };
        let head = [api.to_be_bytes(), version.to_be_bytes()].concat();
        Exchanged {
            name: format!("{key:?}-{version}"),
            request: framed(&[
                &head,
                b"\0\0\0\x07\0\x03app",
                tags(key.request_header_version(version) >= 2),
                request,
            ]),
            answer: framed(&[
                b"\0\0\0\x07",
                tags(key.response_header_version(version) >= 1),
                answer,
            ]),
        }
    }

    /// A request of this API, as far as the proxy may look into it.
    fn request(api: i16, version: i16) -> Vec<u8> {
        fn default<T: Default + Encodable>(version: i16) -> Vec<u8> {
            encoded(&T::default(), version)
        }
        match api {
            api::PRODUCE => encoded(&m::ProduceRequest::default().with_acks(-1), version),
            api::FETCH => default::<m::FetchRequest>(version),
            api::METADATA => default::<m::MetadataRequest>(version),
            api::FIND_COORDINATOR => default::<m::FindCoordinatorRequest>(version),
            8 => default::<m::OffsetCommitRequest>(version),
            11 => default::<m::JoinGroupRequest>(version),
            22 => default::<m::InitProducerIdRequest>(version),
            24 => default::<m::AddPartitionsToTxnRequest>(version),
            26 => default::<m::EndTxnRequest>(version),
            28 => default::<m::TxnOffsetCommitRequest>(version),
            _ => Vec::new(),
        }
    }

    fn conversations() -> Vec<Exchanged> {
        let mut all = Vec::new();
        for &(api, newest) in ANSWERS {
            for version in [oldest(api), newest] {
                let answer = answer(api, version, 2);
                all.push(exchanged(api, version, &request(api, version), &answer));
            }
        }
        for (api, version) in [(8, 9), (11, 9), (22, 4), (24, 3), (26, 3), (28, 3)] {
            all.push(exchanged(api, version, &request(api, version), &[0; 8]));
        }
        let offered = [0, 0, 0, 0, 0, 1, 0, 1, 0, 4, 0, 99];
        all.push(exchanged(api::API_VERSIONS, 0, &[], &offered));
        all
    }

    /// Answers that are streamed, with records that pass unseen.
    fn streamed() -> [Exchanged; 2] {
        let fetched = encoded(&fetch(17, 2, 100_000), 17);
        let shared = encoded(&share_fetch(2, 100_000), 1);
        [
            exchanged(api::FETCH, 17, &request(api::FETCH, 17), &fetched),
            exchanged(api::SHARE_FETCH, 1, &[], &shared),
        ]
    }

    #[test]
    fn records_that_go_on_to_the_end_of_an_answer_are_malformed_seen_or_not() {
        for it in streamed() {
            let records_end = it.answer.iter().rposition(|byte| *byte == 9).unwrap() + 1;
            let mut answer = it.answer[..records_end].to_vec();
            let length = u32::try_from(records_end - 4).unwrap();
            answer[..4].copy_from_slice(&length.to_be_bytes());
            for piece_bytes in [100, 7777, 1 << 20] {
                let said = Said {
                    by_client: &it.request,
                    by_broker: &answer,
                    piece_bytes,
                };
                let closed = before_cluster(said, &[]).closed;
                let is_malformed = matches!(closed, Some(CloseReason::Malformed { .. }));
                assert!(is_malformed, "{}: {closed:?}", it.name);
            }
        }
    }

    #[test]
    fn what_is_said_is_heard_however_it_is_cut_into_pieces() {
        for it in conversations().into_iter().chain(streamed()) {
            let said = |piece_bytes| Said {
                by_client: &it.request,
                by_broker: &it.answer,
                piece_bytes,
            };
            let whole = before_cluster(said(1 << 20), &[]);
            assert_eq!(whole.closed, None, "{}", it.name);
            assert_eq!(whole.by_broker, it.request, "{}", it.name);
            assert!(!whole.by_client.is_empty(), "{}", it.name);
            for piece_bytes in [1, 7, 100] {
                let heard = before_cluster(said(piece_bytes), &[]);
                assert_eq!(heard, whole, "{}", it.name);
                let heard = between_brokers(said(piece_bytes), &[]);
                assert_eq!(heard.by_client, it.answer, "{}", it.name);
            }
        }
    }

    /// `SEEDS=DIR cargo test -p ackproof-proxy --lib -- --ignored seeds`
    #[test]
    #[ignore = "writes the seeds of the fuzzing target, where SEEDS says"]
    fn seeds() {
        let Some(folder) = std::env::var_os("SEEDS") else {
            return;
        };
        for it in conversations() {
            for choice in 0..6u8 {
                let length = u16::try_from(it.request.len()).unwrap().to_be_bytes();
                let seed = [&[choice, 255], &length[..], &it.request, &it.answer].concat();
                let file = format!("{}-{choice}.bin", it.name);
                std::fs::write(std::path::Path::new(&folder).join(file), seed).unwrap();
            }
        }
    }
}
