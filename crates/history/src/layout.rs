//! The two headers of the format, as bytes. Knows nothing of files.

/// The file's first bytes.
pub(crate) const MAGIC: [u8; 8] = *b"ACKPROOF";
/// The version that is written and read.
pub const VERSION: u16 = 2;
/// Magic and version, which the header's checksum covers.
pub(crate) const NAMED_BYTES: usize = 10;
/// Magic, version and their checksum. A shorter file has no header.
pub(crate) const HEADER_BYTES: usize = 14;
pub(crate) const FRAME_HEADER_BYTES: usize = 20;
/// Events are gathered into frames of about this size before compression.
pub(crate) const FRAME_BYTES: usize = 64 * 1024;
/// No frame is larger, so a damaged or hostile length allocates no more.
pub(crate) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// No event is larger. Data that does not compress grows by less than a hundredth, so a
/// frame with one event too many stays below the limit.
pub(crate) const EVENT_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;

/// The header of a file that this crate writes.
pub(crate) fn file_header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (named, checksum) = header.split_at_mut(NAMED_BYTES);
    let (magic, version) = named.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    checksum.copy_from_slice(&crc32fast::hash(named).to_le_bytes());
    header
}

/// The header before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Bytes of the payload as they stand in the file.
    pub(crate) packed: u32,
    /// Bytes of the payload once decompressed.
    pub(crate) unpacked: u32,
    /// Events in it.
    pub(crate) events: u32,
    /// The checksum of the payload as it stands in the file.
    pub(crate) checksum: u32,
}

impl FrameHeader {
    /// The header of the frame that begins at the file's byte `at`.
    pub(crate) fn to_bytes(self, at: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let numbers = [self.packed, self.unpacked, self.events, self.checksum];
        for (bytes, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        let (numbers, checksum) = bytes.split_at_mut(16);
        checksum.copy_from_slice(&header_checksum(numbers, at).to_le_bytes());
        bytes
    }

    /// None where the checksum is wrong.
    pub(crate) fn from_bytes(bytes: &[u8; FRAME_HEADER_BYTES], at: u64) -> Option<Self> {
        let mut numbers = [0; 5];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = bytes
                .iter()
                .rev()
                .fold(0, |value, byte| (value << 8) | u32::from(*byte));
        }
        let [packed, unpacked, events, checksum, of_header] = numbers;
        let (numbers, _) = bytes.split_at(16);
        (header_checksum(numbers, at) == of_header).then_some(Self {
            packed,
            unpacked,
            events,
            checksum,
        })
    }
}

/// The position is part of the checksum: a frame that was dropped, copied or
/// moved does not pass for one that was recorded there.
fn header_checksum(numbers: &[u8], at: u64) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(numbers);
    checksum.update(&at.to_le_bytes());
    checksum.finalize()
}
