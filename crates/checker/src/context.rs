//! What is settled about a history before its log and its readers are: who is
//! who, where it comes from, what became of its transactions, and how groups
//! stood when the wait for them was over.

use crate::groups::waits::Waits;
use crate::log::cleaning::Cleaning;
use crate::names::Names;
use crate::provenance::Provenance;
use crate::txn::outcomes::TxnOutcomes;

/// Before which everything else is held.
#[derive(Clone, Copy)]
pub(crate) struct Context<'h> {
    pub(crate) names: &'h Names,
    pub(crate) provenance: &'h Provenance,
    pub(crate) txn_outcomes: &'h TxnOutcomes,
    pub(crate) cleaning: &'h Cleaning,
    pub(crate) waits: &'h Waits,
}
