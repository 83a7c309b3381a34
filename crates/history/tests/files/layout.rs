//! The headers of the file and of its frames, as the document has them.

pub(super) const MAGIC: &[u8] = b"ACKPROOF";
/// Magic and version.
pub(super) const NAMED_BYTES: usize = 10;
pub(super) const HEADER_BYTES: usize = 14;
pub(super) const FRAME_HEADER_BYTES: usize = 20;
pub(super) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
pub(super) const EVENT_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;

pub(super) fn file_header() -> Vec<u8> {
    let mut header = [MAGIC, &history::VERSION.to_le_bytes()].concat();
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

/// The frame that begins at the file's byte `at`.
pub(super) fn frame(at: usize, events: u32, unpacked: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(unpacked);
    frame_of(at, events, unpacked.len(), &packed)
}

/// The same, of a payload that claims to make so many bytes.
pub(super) fn frame_of(at: usize, events: u32, unpacked_bytes: usize, packed: &[u8]) -> Vec<u8> {
    let length = |bytes| u32::try_from(bytes).unwrap();
    let mut frame: Vec<u8> = [
        length(packed.len()),
        length(unpacked_bytes),
        events,
        crc32fast::hash(packed),
    ]
    .into_iter()
    .flat_map(u32::to_le_bytes)
    .collect();
    let covered = [&frame[..], &(at as u64).to_le_bytes()].concat();
    frame.extend(crc32fast::hash(&covered).to_le_bytes());
    frame.extend(packed);
    frame
}

/// What each frame of a file holds, decompressed.
pub(super) fn unpacked(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[HEADER_BYTES..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (length, bytes) = (number(0), number(4));
        let payload = &rest[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length];
        frames.push(lz4_flex::block::decompress(payload, bytes).unwrap());
        rest = &rest[FRAME_HEADER_BYTES + length..];
    }
    frames
}
