//! What was said of a partition's offsets, at most one record for each, held
//! against what stands there without keeping either: a bit for each offset,
//! and for each block of offsets two fingerprints that agree where everything
//! said is so. Knows nothing of the claims' sources.

use model::ids::Offset;

use crate::sets::fingerprint::Fingerprint;
use crate::sets::sparse_set::SparseSet;
use crate::sets::table::Table;

/// Claims about one partition.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    at: SparseSet,
    blocks: Table<Agreement>,
}

/// One block of offsets.
#[derive(Debug, Default)]
struct Agreement {
    /// What was said to stand there.
    said: Fingerprint,
    /// What stands at the offsets of which something was said.
    stands: Fingerprint,
}

/// Which block an offset belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// The logarithm of their size.
    shift: u32,
}

impl Blocks {
    pub(crate) const fn of_size(size: crate::BlockSize) -> Self {
        Self {
            shift: size.shift(),
        }
    }

    pub(crate) const fn holding(self, offset: Offset) -> i64 {
        offset.get() >> self.shift
    }

    /// The first offset of a block, and the first behind it.
    pub(crate) const fn range(self, block: i64) -> (i64, i64) {
        let first = block << self.shift;
        (first, first.saturating_add(1 << self.shift))
    }

    pub(crate) const fn size(self) -> u64 {
        1 << self.shift
    }
}

impl Claims {
    /// Notes a claim; whether it is the first about its offset, which is the
    /// only one that is kept.
    #[inline]
    pub(crate) fn say(&mut self, offset: Offset, block: i64, placed: Fingerprint) -> bool {
        let first = self.at.insert(offset.get());
        if first {
            self.blocks.entry(block).said.add(placed);
        }
        first
    }

    /// Notes what stands at an offset; whether anything was said of it.
    #[inline]
    pub(crate) fn find(&mut self, offset: Offset, block: i64, placed: Fingerprint) -> bool {
        let said = self.at.contains(offset.get());
        if said {
            self.blocks.entry(block).stands.add(placed);
        }
        said
    }

    /// Forgets what stands there, to be told again.
    pub(crate) fn forget_what_stands(&mut self) {
        for block in self.blocks.values_mut() {
            block.stands = Fingerprint::default();
        }
    }

    /// Offsets of which something was said.
    pub(crate) const fn at(&self) -> &SparseSet {
        &self.at
    }

    /// Blocks in which anything was said.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = i64> + '_ {
        self.blocks.iter().map(|(block, _)| block)
    }

    /// Blocks in which something was said that is not so. `all` is everything
    /// that stands in each, where that is known: it need not have been found
    /// after something was said of it.
    pub(crate) fn disagreeing<'c>(
        &'c self,
        all: &'c Table<Fingerprint>,
    ) -> impl Iterator<Item = i64> + 'c {
        let blocks = self.blocks.iter();
        blocks
            .filter(|(at, block)| block.said != block.stands && all.get(*at) != Some(&block.said))
            .map(|(block, _)| block)
    }
}
