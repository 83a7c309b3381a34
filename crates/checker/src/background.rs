//! What is settled about a history before its log and its readers are: who is
//! who, where it comes from, what became of its transactions, and how groups
//! stood when the wait for them was over.

use crate::cleaning::Cleaning;
use crate::fates::Fates;
use crate::provenance::Provenance;
use crate::roster::Roster;
use crate::waits::Waits;

/// Before which everything else is held.
#[derive(Clone, Copy)]
pub(crate) struct Background<'h> {
    pub(crate) roster: &'h Roster,
    pub(crate) provenance: &'h Provenance,
    pub(crate) fates: &'h Fates,
    pub(crate) cleaning: &'h Cleaning,
    pub(crate) waits: &'h Waits,
}
