//! Answers with the brokers' addresses in them, rewritten so that clients stay
//! behind the proxy. Pure: knows nothing of connections or listeners.

use std::ops::Range;

use crate::address::HostPort;
use crate::layout::{Layout, Malformed, Mark, Seen, Walk, look_on, look_through, put_varint};
use crate::layouts::{API_VERSIONS_ANSWER, addressed};

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
    layout: &'static Layout,
    version: i16,
    body: &[u8],
    directory: &mut impl Directory,
) -> Result<Option<Vec<u8>>, RewriteError> {
    let patches = patches(
        &mut Walk::new(layout, version),
        layout,
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
    layout: &'static Layout,
    version: i16,
    tail: &mut [u8],
    directory: &mut impl Directory,
) -> Result<(), RewriteError> {
    let before = walk.clone();
    let patches = patches(walk, layout, version, tail, directory)?;
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
    layout: &'static Layout,
    version: i16,
    body: &[u8],
    directory: &mut impl Directory,
) -> Result<Vec<Patch>, RewriteError> {
    let compact = version >= layout.flexible_from;
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
    let Some((size, _)) = crate::layout::varint(&body[tag.size.clone()])? else {
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
                (Mark::MaxVersion, Some(known)) if number > known.layout.newest => {
                    patches.push((at, known.layout.newest));
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
