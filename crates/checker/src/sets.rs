//! Sets and tables of records in bounded memory.

pub(crate) mod fingerprint;
pub(crate) mod ranges;
pub(crate) mod record_set;
pub(crate) mod sparse_set;
pub(crate) mod table;
