//! Answers with the brokers' addresses in them, rewritten so that clients stay
//! behind the proxy. Pure: knows nothing of connections or listeners.

use std::ops::Range;

use crate::address::HostPort;
use crate::schema::{Malformed, Mark, Schema, Seen, Walk, look_on, look_through, put_varint};
use crate::schemas::{API_VERSIONS_ANSWER, addressed};

/// What an answer is about, as the rewriting comes upon it.
pub(crate) trait Directory {
    /// What to tell clients in place of the broker's own address.
    fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener>;
    /// A topic's id, which newer requests name in place of the topic.
    fn topic(&mut self, id: [u8; 16], name: &str);
}

/// No listener can be made for a broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no listener can be made for the broker at {address}: {reason}")]
pub(crate) struct NoListener {
    pub(crate) address: HostPort,
    pub(crate) reason: String,
}

/// An answer cannot be rewritten; passed on as it is, it would let the client
/// escape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    NoListener(#[from] NoListener),
}

/// Bytes of a message to be replaced.
struct Patch {
    place: Range<usize>,
    with: Vec<u8>,
}

/// What is known of a broker before its port comes.
#[derive(Default)]
struct Half<'a> {
    node: i32,
    host: Option<(Range<usize>, &'a [u8])>,
}

/// A known tagged field that is open, whose size changes with what is in it.
struct OpenTag {
    patch: usize,
    size: Range<usize>,
}

/// An answer's body with every address replaced, or `None` when there was none.
pub(crate) fn rewritten(
    schema: &'static Schema,
    version: i16,
    body: &[u8],
    directory: &mut impl Directory,
) -> Result<Option<Vec<u8>>, RewriteError> {
    let patches = patches(
        &mut Walk::new(schema, version),
        schema,
        version,
        body,
        directory,
    )?;
    Ok((!patches.is_empty()).then(|| patched(body, &patches)))
}

/// Rewrites the tail of an answer whose beginning, and with it whose length,
/// has been delivered: the bytes stay as many as they were. Where the new
/// addresses do not fit, the tail says nothing of brokers, and the client asks
/// for metadata as it does with brokers that are too old to tell.
pub(crate) fn rewrite_tail(
    walk: &mut Walk,
    schema: &'static Schema,
    version: i16,
    tail: &mut [u8],
    directory: &mut impl Directory,
) -> Result<(), RewriteError> {
    let before = walk.clone();
    let patches = patches(walk, schema, version, tail, directory)?;
    if patches.iter().all(|it| it.place.len() == it.with.len()) {
        for patch in &patches {
            tail[patch.place.clone()].copy_from_slice(&patch.with);
        }
        return Ok(());
    }
    hide(&before, tail)
}

fn patches(
    walk: &mut Walk,
    schema: &'static Schema,
    version: i16,
    body: &[u8],
    directory: &mut impl Directory,
) -> Result<Vec<Patch>, RewriteError> {
    let compact = version >= schema.flexible_from;
    let mut patches: Vec<Patch> = Vec::new();
    let mut half = Half::default();
    let mut open: Option<OpenTag> = None;
    let mut topic: Option<&str> = None;
    let mut refused = None;
    let looked = look_on(walk, body, &mut |seen| {
        match seen {
            Seen::TagBegins {
                size_at,
                size_bytes,
            } => {
                open = Some(OpenTag {
                    patch: patches.len(),
                    size: size_at..size_at + size_bytes,
                });
            }
            Seen::TagEnds => {
                if let Some(tag) = open.take() {
                    resize(&mut patches, &tag, body)?;
                }
            }
            Seen::Field {
                mark,
                at,
                bytes,
                value,
            } => match mark {
                Mark::Node => half.node = int(value)?,
                Mark::Host => half.host = Some((at..at + bytes, value)),
                Mark::Port => {
                    let Some((place, host)) = half.host.take() else {
                        return Ok(());
                    };
                    // An error has no coordinator: an empty host, port -1.
                    let Ok(port) = u16::try_from(int(value)?) else {
                        return Ok(());
                    };
                    if host.is_empty() {
                        return Ok(());
                    }
                    let host = text(host)?.to_owned();
                    match directory.instead_of(half.node, HostPort { host, port }) {
                        Ok(instead) => {
                            patches.push(Patch {
                                place,
                                with: string(&instead.host, compact)?,
                            });
                            patches.push(Patch {
                                place: at..at + bytes,
                                with: i32::from(instead.port).to_be_bytes().to_vec(),
                            });
                        }
                        Err(error) => {
                            refused.get_or_insert(error);
                        }
                    }
                }
                Mark::TopicName => topic = Some(text(value)?),
                Mark::TopicId => {
                    if let (Some(name), Ok(id)) = (topic.take(), value.try_into()) {
                        directory.topic(id, name);
                    }
                }
                _ => {}
            },
        }
        Ok(())
    });
    match refused {
        Some(error) => Err(error.into()),
        None => looked.map(|_| patches).map_err(RewriteError::from),
    }
}

/// The tag's size, now that what is in it has been replaced.
fn resize(patches: &mut Vec<Patch>, tag: &OpenTag, body: &[u8]) -> Result<(), Malformed> {
    let inside = &patches[tag.patch..];
    let was: usize = inside.iter().map(|it| it.place.len()).sum();
    let is: usize = inside.iter().map(|it| it.with.len()).sum();
    if was == is {
        return Ok(());
    }
    let Some((size, _)) = crate::schema::varint(&body[tag.size.clone()])? else {
        return Err(Malformed::Varint);
    };
    let size = u32::try_from(size as usize + is - was).map_err(|_| Malformed::Length)?;
    let mut with = Vec::new();
    put_varint(&mut with, size);
    patches.insert(
        tag.patch,
        Patch {
            place: tag.size.clone(),
            with,
        },
    );
    Ok(())
}

fn patched(body: &[u8], patches: &[Patch]) -> Vec<u8> {
    let grown: usize = patches.iter().map(|it| it.with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + grown);
    let mut at = 0;
    for patch in patches {
        out.extend_from_slice(&body[at..patch.place.start]);
        out.extend_from_slice(&patch.with);
        at = patch.place.end;
    }
    out.extend_from_slice(&body[at..]);
    out
}

/// A tag that Kafka does not use, and that clients skip as they must.
const FILLER_TAG: u8 = 0x7f;

/// Replaces a tail by one of the same length without addresses: what stands
/// before the tagged fields is an empty array, and the only tagged field is
/// one that clients skip.
fn hide(before: &Walk, tail: &mut [u8]) -> Result<(), RewriteError> {
    let begins_with_tags = before.next_is_tags();
    let mut instead = Vec::with_capacity(tail.len());
    if !begins_with_tags {
        instead.push(1);
    }
    instead.extend([1, FILLER_TAG]);
    // An overlong number is valid, and makes the size always fit.
    let filler = tail
        .len()
        .checked_sub(instead.len() + 5)
        .and_then(|it| u32::try_from(it).ok())
        .ok_or(Malformed::Length)?;
    for group in 0..5 {
        let bits = (filler >> (7 * group)).to_le_bytes()[0] & 0x7f;
        instead.push(if group < 4 { bits | 0x80 } else { bits });
    }
    instead.resize(tail.len(), 0);
    tail.copy_from_slice(&instead);
    Ok(())
}

/// Lowers, in an answer to `ApiVersions`, the newest version of each API whose
/// addresses could not be rewritten in it. A client that then uses an older one
/// stays behind the proxy; nothing else changes.
pub(crate) fn limit_versions(version: i16, body: &mut [u8]) -> Result<(), Malformed> {
    /// `UNSUPPORTED_VERSION`: the answer is in version 0, whatever was asked.
    const UNSUPPORTED: [u8; 2] = 35i16.to_be_bytes();
    let version = if body.starts_with(&UNSUPPORTED) {
        0
    } else {
        version
    };
    let mut patches = Vec::new();
    let mut key = -1;
    look_through(&API_VERSIONS_ANSWER, version, body, |seen| {
        if let Seen::Field {
            mark, at, value, ..
        } = seen
        {
            let number = value.try_into().map(i16::from_be_bytes);
            let number = number.map_err(|_| Malformed::End)?;
            match (mark, addressed(key)) {
                (Mark::ApiKey, _) => key = number,
                (Mark::MaxVersion, Some(known)) if number > known.schema.newest => {
                    patches.push((at, known.schema.newest));
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    for (at, newest) in patches {
        body[at..at + 2].copy_from_slice(&newest.to_be_bytes());
    }
    Ok(())
}

fn int(value: &[u8]) -> Result<i32, Malformed> {
    let bytes = value.try_into().map_err(|_| Malformed::End)?;
    Ok(i32::from_be_bytes(bytes))
}

fn text(value: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(value).map_err(|_| Malformed::Text)
}

fn string(text: &str, compact: bool) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(text.len() + 2);
    if compact {
        let length = u32::try_from(text.len() + 1).map_err(|_| Malformed::Length)?;
        put_varint(&mut out, length);
    } else {
        let length = i16::try_from(text.len()).map_err(|_| Malformed::Length)?;
        out.extend(length.to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        FetchResponse, MetadataResponse, ProduceResponse, ShareFetchResponse,
    };
    use kafka_protocol::protocol::Decodable;

    use super::*;
    use crate::messages::{
        ANSWERS, TOPIC_ID, answer, encoded, fetch, host, oldest, port, share_fetch,
    };
    use crate::schema::Step;
    use crate::schemas::api;

    /// Puts every broker on one host, on a port of its node's.
    struct Renamed {
        to: &'static str,
        seen: Vec<(i32, HostPort)>,
        topics: Vec<([u8; 16], String)>,
    }

    impl Renamed {
        fn new(to: &'static str) -> Self {
            Self {
                to,
                seen: Vec::new(),
                topics: Vec::new(),
            }
        }
    }

    impl Directory for Renamed {
        fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
            self.seen.push((node, address));
            Ok(HostPort {
                host: self.to.to_owned(),
                port: 100 + u16::try_from(node).unwrap(),
            })
        }

        fn topic(&mut self, id: [u8; 16], name: &str) {
            self.topics.push((id, name.to_owned()));
        }
    }

    #[test]
    fn every_address_of_every_version_is_replaced_and_nothing_else_is() {
        for &(api, newest) in ANSWERS {
            let known = addressed(api).unwrap();
            for version in oldest(api)..=newest {
                // Longer, so long that a tag's size takes more bytes, shorter.
                let long = "a-host-with-a-name-that-is-much-longer-than-the-one-before.example";
                for to in [long, "a"] {
                    let body = answer(api, version, 3);
                    let mut directory = Renamed::new(to);
                    let out = rewritten(known.schema, version, &body, &mut directory);
                    let out = out.unwrap().unwrap();
                    let brokers = directory.seen.len();
                    assert!(brokers > 0, "API {api} version {version}");
                    for (node, address) in &directory.seen {
                        assert_eq!(address.host, host(*node).to_string());
                        assert_eq!(i32::from(address.port), port(*node));
                    }
                    // Back again, it is what it was.
                    let mut back = Back(directory.seen.clone().into_iter());
                    let again = rewritten(known.schema, version, &out, &mut back);
                    assert_eq!(again.unwrap().unwrap(), body, "API {api} version {version}");
                }
            }
        }
    }

    struct Back(std::vec::IntoIter<(i32, HostPort)>);

    impl Directory for Back {
        fn instead_of(&mut self, node: i32, address: HostPort) -> Result<HostPort, NoListener> {
            assert_eq!(i32::from(address.port), 100 + node);
            Ok(self.0.next().unwrap().1)
        }

        fn topic(&mut self, _: [u8; 16], _: &str) {}
    }

    #[test]
    fn what_is_rewritten_can_be_read_by_others() {
        let schema = addressed(api::METADATA).unwrap().schema;
        let mut directory = Renamed::new("proxy");
        let body = answer(api::METADATA, 13, 3);
        let out = rewritten(schema, 13, &body, &mut directory)
            .unwrap()
            .unwrap();
        let read = MetadataResponse::decode(&mut bytes::Bytes::from(out), 13).unwrap();
        let hosts: Vec<_> = read.brokers.iter().map(|it| (&*it.host, it.port)).collect();
        assert_eq!(hosts, [("proxy", 101), ("proxy", 102), ("proxy", 103)]);
        assert_eq!(directory.topics[0], (TOPIC_ID, "orders".to_owned()));

        let schema = addressed(api::PRODUCE).unwrap().schema;
        let body = answer(api::PRODUCE, 13, 2);
        let out = rewritten(schema, 13, &body, &mut directory)
            .unwrap()
            .unwrap();
        let read = ProduceResponse::decode(&mut bytes::Bytes::from(out), 13).unwrap();
        assert_eq!(&*read.node_endpoints[1].host, "proxy");
        assert_eq!(read.responses.len(), 1);
    }

    #[test]
    fn an_answer_without_addresses_passes_as_it_is() {
        for api in [api::PRODUCE, api::FETCH, api::FIND_COORDINATOR] {
            let known = addressed(api).unwrap();
            let version = known.schema.newest;
            let body = answer(api, version, 0);
            let out = rewritten(known.schema, version, &body, &mut Renamed::new("proxy"));
            assert_eq!(out, Ok(None), "API {api}");
        }
    }

    /// Walks up to the tail, and rewrites that.
    fn streamed(api: i16, version: i16, mut body: Vec<u8>, to: &'static str) -> bytes::Bytes {
        let schema = addressed(api).unwrap().schema;
        let mut walk = Walk::new(schema, version);
        let mut at = 0;
        loop {
            match walk.step(&body[at..]).unwrap() {
                Step::Pass(bytes) => at += bytes,
                Step::Found {
                    mark: Mark::Tail, ..
                } => break,
                step => unreachable!("{step:?} before the tail"),
            }
        }
        let mut directory = Renamed::new(to);
        rewrite_tail(&mut walk, schema, version, &mut body[at..], &mut directory).unwrap();
        body.into()
    }

    #[test]
    fn addresses_of_the_same_length_are_replaced_in_a_streamed_answer() {
        let body = encoded(&fetch(18, 2, 100_000), 18);
        let mut out = streamed(api::FETCH, 18, body, "proxyy-1.example");
        let read = FetchResponse::decode(&mut out, 18).unwrap();
        assert!(out.is_empty());
        assert_eq!(&*read.node_endpoints[0].host, "proxyy-1.example");
        assert_eq!(read.node_endpoints[1].port, 102);
    }

    #[test]
    fn addresses_of_another_length_are_left_out_of_a_streamed_answer() {
        for to in ["a", "a-name-that-is-longer-than-the-one-before.example"] {
            let body = encoded(&fetch(16, 2, 100_000), 16);
            let mut out = streamed(api::FETCH, 16, body, to);
            let read = FetchResponse::decode(&mut out, 16).unwrap();
            assert!(out.is_empty());
            assert!(read.node_endpoints.is_empty());
            assert_eq!(read.responses, fetch(16, 2, 100_000).responses);

            let body = encoded(&share_fetch(2, 100_000), 1);
            let mut out = streamed(api::SHARE_FETCH, 1, body, to);
            let read = ShareFetchResponse::decode(&mut out, 1).unwrap();
            assert!(out.is_empty());
            assert!(read.node_endpoints.is_empty());
            assert_eq!(read.responses, share_fetch(2, 100_000).responses);
        }
    }

    #[test]
    fn versions_in_which_addresses_could_not_be_rewritten_are_not_offered() {
        use kafka_protocol::messages::ApiVersionsResponse;
        use kafka_protocol::messages::api_versions_response::ApiVersion;
        let offered = |max_of_fetch, max_of_other| {
            let api = |key, max| {
                ApiVersion::default()
                    .with_api_key(key)
                    .with_min_version(0)
                    .with_max_version(max)
            };
            ApiVersionsResponse::default()
                .with_api_keys(vec![api(api::FETCH, max_of_fetch), api(26, max_of_other)])
        };
        for version in 0..=4 {
            let mut body = encoded(&offered(99, 98), version);
            limit_versions(version, &mut body).unwrap();
            assert_eq!(body, encoded(&offered(18, 98), version));
        }
        // A broker that does not know the version asked for answers in the oldest.
        let too_old = offered(99, 98).with_error_code(35);
        let mut body = encoded(&too_old, 0);
        limit_versions(9, &mut body).unwrap();
        assert_eq!(body, encoded(&offered(18, 98).with_error_code(35), 0));
    }
}
