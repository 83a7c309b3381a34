//! Undoing Kafka's four codecs within a limit, so that a small batch cannot
//! take all memory. Knows nothing of records.

use std::io::{self, Read};

use bytes::Bytes;

/// The header of a snappy stream as the Java client writes it (snappy-java's
/// `SnappyOutputStream`: magic, version, lowest compatible version). Blocks,
/// each behind its 4-byte length, follow.
const SNAPPY_STREAM_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const SNAPPY_STREAM_HEADER_BYTES: usize = 16;

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// snappy, as a stream of blocks or one block.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd.
    Zstd,
}

/// Compressed records that cannot be undone.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// More would come out than the limit allows.
    #[error("the records are longer than {bytes_max} bytes when decompressed")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The codec cannot read its input.
    #[error("{codec:?} cannot decompress the records")]
    Codec {
        /// The codec.
        codec: Compression,
        /// Its reason.
        source: io::Error,
    },
}

/// Undoes `codec`.
///
/// # Errors
/// [`DecompressError`], and no more than `bytes_max` bytes (and a codec's own
/// window) are held while finding out.
pub(crate) fn decompress(
    codec: Compression,
    input: Bytes,
    bytes_max: usize,
) -> Result<Bytes, DecompressError> {
    let failed = |source| DecompressError::Codec { codec, source };
    match codec {
        Compression::None => Ok(input),
        Compression::Gzip => {
            read_to_limit(flate2::read::MultiGzDecoder::new(&*input), codec, bytes_max)
        }
        Compression::Lz4 => read_to_limit(
            lz4_flex::frame::FrameDecoder::new(&*input),
            codec,
            bytes_max,
        ),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(&*input).map_err(failed)?;
            read_to_limit(decoder, codec, bytes_max)
        }
        Compression::Snappy => unsnap(&input, bytes_max),
    }
}

fn read_to_limit(
    decoder: impl Read,
    codec: Compression,
    bytes_max: usize,
) -> Result<Bytes, DecompressError> {
    let mut output = Vec::new();
    decoder
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut output)
        .map_err(|source| DecompressError::Codec { codec, source })?;
    if output.len() > bytes_max {
        return Err(DecompressError::TooLong { bytes_max });
    }
    Ok(output.into())
}

/// Either a stream of blocks or one bare block: Kafka's clients write both.
fn unsnap(input: &[u8], bytes_max: usize) -> Result<Bytes, DecompressError> {
    let mut output = Vec::new();
    if !input.starts_with(SNAPPY_STREAM_MAGIC) {
        unsnap_block(input, &mut output, bytes_max)?;
        return Ok(output.into());
    }
    let mut rest = input
        .get(SNAPPY_STREAM_HEADER_BYTES..)
        .ok_or_else(|| snappy_failed("the stream ends in its header"))?;
    while !rest.is_empty() {
        let (length, after) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| snappy_failed("the stream ends in a block's length"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after
            .split_at_checked(length)
            .ok_or_else(|| snappy_failed("the stream ends in a block"))?;
        unsnap_block(block, &mut output, bytes_max)?;
        rest = after;
    }
    Ok(output.into())
}

fn unsnap_block(
    block: &[u8],
    output: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), DecompressError> {
    let failed = |error: snap::Error| DecompressError::Codec {
        codec: Compression::Snappy,
        source: error.into(),
    };
    let start = output.len();
    // The length is the block's own claim: believe it only within the limit.
    let end = start.saturating_add(snap::raw::decompress_len(block).map_err(failed)?);
    if end > bytes_max {
        return Err(DecompressError::TooLong { bytes_max });
    }
    output.resize(end, 0);
    snap::raw::Decoder::new()
        .decompress(block, &mut output[start..])
        .map_err(failed)?;
    Ok(())
}

fn snappy_failed(reason: &'static str) -> DecompressError {
    DecompressError::Codec {
        codec: Compression::Snappy,
        source: io::Error::new(io::ErrorKind::UnexpectedEof, reason),
    }
}
