//! The numbers of the postcard wire format, out of a slice: used to decode the frequent
//! events. Accepts exactly the bytes that postcard accepts. Knows nothing of events.

/// The bytes that are not yet decoded. Every method returns none for bytes of another form,
/// and leaves the position unspecified then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more
    /// follow.
    #[inline]
    fn varint(&mut self, bits: u32) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        self.long_varint(u64::from(first & 0x7f), bits)
    }

    fn long_varint(&mut self, first: u64, bits: u32) -> Option<u64> {
        let mut value = first;
        let mut shift = 7;
        while shift < bits {
            let byte = self.byte()?;
            let carried = u64::from(byte & 0x7f);
            value |= carried << shift;
            if byte < 0x80 {
                let fits = bits - shift >= 7 || carried >> (bits - shift) == 0;
                return fits.then_some(value);
            }
            shift += 7;
        }
        None
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.varint(16)?).ok()
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.varint(32)?).ok()
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.varint(64)
    }

    #[inline]
    pub(crate) fn i16(&mut self) -> Option<i16> {
        let number = self.u16()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    #[inline]
    pub(crate) fn i32(&mut self) -> Option<i32> {
        let number = self.u32()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Option<i64> {
        Some(unzigzag(self.u64()?))
    }
}

/// Signed to unsigned, so that numbers near zero stay small ("zigzag").
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The way back.
pub(crate) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
