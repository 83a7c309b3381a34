//! Acknowledgements against the log: what producers were told, held against
//! what the observer found at every offset. Knows nothing of consumer groups
//! or databases.
//!
//! A healthy log is checked in one reading, in bits and fingerprints: bits by
//! sequence for each producer, bits by offset for each partition, and for each
//! block of offsets the fingerprints of what was said and of what stands there.
//! Whatever is not as a healthy log would have it is read again: a log that
//! was not told in the order of its offsets, as a whole; blocks that do not
//! agree, claim by claim, as many at a time as the limits allow.

mod absence;
pub(crate) mod claims;
pub(crate) mod cleaning;
pub(crate) mod collect;
mod ledger;
mod partition_log;
pub(crate) mod past;
mod places;
pub(crate) mod stored_records;
pub(crate) mod targets;
mod witness;

pub(crate) use ledger::Ledger;
pub(crate) use partition_log::{Extent, PartitionLog};
pub(crate) use witness::Witness;
