//! How much the checker holds in memory before it would rather read the
//! history again. Findings do not depend on it. Knows nothing of what is held.

/// Offsets in a block, as a power of two: within a block, one claim that does
/// not agree with the log makes all of them be looked at one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize(u32);

impl BlockSize {
    /// Blocks of 2 to the power of `shift` offsets, but no more than 65536.
    pub const fn power_of_two(shift: u32) -> Self {
        Self(if shift > 16 { 16 } else { shift })
    }

    pub(crate) const fn shift(self) -> u32 {
        self.0
    }
}

/// The checker's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Offsets in a block.
    pub block: BlockSize,
    /// Claims that are held one by one in one reading, at most; of about 40
    /// bytes each. Those about a single offset are never split.
    pub claims_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block: BlockSize::power_of_two(8),
            claims_max: 1 << 21,
        }
    }
}
