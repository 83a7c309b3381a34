//! Kafka's framing: a 4-byte big-endian length, then that many bytes. Knows nothing of the
//! bytes' meaning.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The shortest frame that can be one: it holds a correlation id.
pub const FRAME_BYTES_MIN: u32 = 4;

/// How much is reserved before the bytes have really arrived: a length alone
/// must not make us allocate.
const RESERVE_BYTES_MAX: usize = 64 * 1024;

/// A frame that breaks the protocol, or our limit.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is negative or cannot hold a correlation id.
    #[error("a frame of {length} bytes is not a Kafka frame")]
    TooShort {
        /// The length received.
        length: i32,
    },
    /// The length is above the limit.
    #[error("a frame of {length} bytes is longer than the limit of {bytes_max} bytes")]
    TooLong {
        /// The length received.
        length: u32,
        /// The limit.
        bytes_max: u32,
    },
    /// The connection ended, between frames or inside one.
    #[error("the connection was closed after {got} of {expected} bytes")]
    Closed {
        /// Bytes received of the length or of the body.
        got: usize,
        /// Bytes that were due.
        expected: usize,
    },
    /// Reading failed.
    #[error("reading failed")]
    Read(#[from] io::Error),
}

/// Reads one frame's body.
///
/// # Errors
/// [`FrameError`]; the stream is then at an unknown place and must be dropped.
pub(crate) async fn read_frame<R>(reader: &mut R, bytes_max: u32) -> Result<Bytes, FrameError>
where
    R: AsyncRead + Unpin,
{
    let prefix = read_bytes(reader, 4).await?;
    let length = i32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
    let body_bytes = u32::try_from(length)
        .ok()
        .filter(|&bytes| bytes >= FRAME_BYTES_MIN)
        .ok_or(FrameError::TooShort { length })?;
    if body_bytes > bytes_max {
        return Err(FrameError::TooLong {
            length: body_bytes,
            bytes_max,
        });
    }
    read_bytes(reader, body_bytes as usize).await
}

async fn read_bytes<R>(reader: &mut R, expected: usize) -> Result<Bytes, FrameError>
where
    R: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::with_capacity(expected.min(RESERVE_BYTES_MAX));
    let mut limited = reader.take(expected as u64);
    while buffer.len() < expected {
        if limited.read_buf(&mut buffer).await? == 0 {
            return Err(FrameError::Closed {
                got: buffer.len(),
                expected,
            });
        }
    }
    Ok(buffer.freeze())
}

/// Writes the length of the rest into the first 4 bytes of `frame`.
///
/// # Errors
/// [`FrameError::TooLong`] above `bytes_max`.
pub(crate) fn seal(frame: &mut BytesMut, bytes_max: u32) -> Result<(), FrameError> {
    let length = u32::try_from(frame.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if length > bytes_max {
        return Err(FrameError::TooLong { length, bytes_max });
    }
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: u32 = 1000;

    fn read_all(mut bytes: &[u8]) -> (Vec<Bytes>, Option<FrameError>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut frames = Vec::new();
            loop {
                match read_frame(&mut bytes, BYTES_MAX).await {
                    Ok(frame) => frames.push(frame),
                    Err(error) => return (frames, Some(error)),
                }
            }
        })
    }

    fn framed(body: &[u8]) -> BytesMut {
        let mut frame = BytesMut::from(&[0; 4][..]);
        frame.extend_from_slice(body);
        seal(&mut frame, BYTES_MAX).unwrap();
        frame
    }

    #[test]
    fn hostile_lengths_are_errors() {
        let cases: [(i32, &str); 5] = [
            (-1, "not a Kafka frame"),
            (i32::MIN, "not a Kafka frame"),
            (3, "not a Kafka frame"),
            (1001, "longer than the limit"),
            (i32::MAX, "longer than the limit"),
        ];
        for (length, expected) in cases {
            let (frames, error) = read_all(&length.to_be_bytes());
            assert!(frames.is_empty());
            let message = error.unwrap().to_string();
            assert!(message.contains(expected), "{length}: {message}");
        }
    }

    #[test]
    fn a_body_above_the_limit_is_not_sealed() {
        let mut frame = BytesMut::zeroed(4 + 1001);
        assert!(matches!(
            seal(&mut frame, BYTES_MAX),
            Err(FrameError::TooLong { length: 1001, .. })
        ));
    }

    proptest! {
        #[test]
        fn frames_survive_the_way_and_a_cut_is_noticed(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 4..200), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                stream.extend_from_slice(&framed(body));
            }
            let (frames, error) = read_all(&stream);
            prop_assert_eq!(&frames, &bodies);
            let clean_end = matches!(error, Some(FrameError::Closed { got: 0, expected: 4 }));
            prop_assert!(clean_end);

            let kept = &stream[..cut.index(stream.len() + 1)];
            let (frames, _) = read_all(kept);
            prop_assert_eq!(&frames[..], &bodies[..frames.len()]);
            let whole: usize = frames.iter().map(|frame| frame.len() + 4).sum();
            prop_assert!(whole <= kept.len());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_all(&bytes);
        }
    }
}
