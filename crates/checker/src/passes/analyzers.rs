//! The list of analyses: adding one is its file and a line here.

use model::event::{Body, Event};

use crate::alerts::Alerts;
use crate::analyzer::{Analyzer, Need, OTHERS, OUTCOMES, PROCESSED, SENDS, STORED};
use crate::cluster::cut_logs::CutLogs;
use crate::cluster::replicas::Replicas;
use crate::cluster::truncation::Truncation;
use crate::context::Context;
use crate::derived::Derivations;
use crate::effects::Effects;
use crate::finding::FindingCollector;
use crate::groups::readers::Readers;
use crate::groups::zombies::Zombies;
use crate::log::Ledger;
use crate::measure::happened::Happened;
use crate::rows::row_changes::RowChanges;
use crate::txn::atomicity::Atomicity;
use crate::txn::cycles::Cycles;
use crate::txn::read_committed::ReadCommitted;

/// Declares the analyzers, each with those before it that it uses.
macro_rules! analyzers {
    ($($name:ident: $analyzer:ty, uses [$($used:ident),*];)*) => {
        /// All analyzers of one checker.
        #[derive(Default)]
        pub(crate) struct Analyzers {
            $(pub(crate) $name: $analyzer,)*
        }

        /// What they could check.
        pub(crate) struct Coverages {
            $(pub(crate) $name: <$analyzer as Analyzer>::Coverage,)*
        }

        impl Analyzers {
            /// Shows an event of the first pass to those that look at it.
            #[inline]
            pub(crate) fn observe(
                &mut self,
                event: &Event,
                context: &Context,
                collector: &mut FindingCollector,
            ) {
                match &event.body {
                    Body::SendInvoked { .. } => self.show::<SENDS>(event, context, collector),
                    Body::SendCompleted { .. } => self.show::<OUTCOMES>(event, context, collector),
                    Body::Stored { .. } => self.show::<STORED>(event, context, collector),
                    Body::Processed { .. } => self.show::<PROCESSED>(event, context, collector),
                    _ => self.show::<OTHERS>(event, context, collector),
                }
            }

            #[inline]
            fn show<const KINDS: u8>(
                &mut self,
                event: &Event,
                context: &Context,
                collector: &mut FindingCollector,
            ) {
                $(if const { (<$analyzer>::FREQUENT | OTHERS) & KINDS != 0 } {
                    self.$name.observe(event, context, collector);
                })*
            }

            /// Shows all of them an event of a further pass.
            pub(crate) fn observe_again(
                &mut self,
                event: &Event,
                context: &Context,
                collector: &mut FindingCollector,
            ) {
                $({
                    let uses = ($(&self.$used,)*);
                    self.$name.observe_again(event, context, uses, collector);
                })*
            }

            /// Ends a pass; whether any of them needs another.
            pub(crate) fn end_pass(
                &mut self,
                context: &Context,
                collector: &mut FindingCollector,
            ) -> Need {
                let mut need = Need::Nothing;
                $({
                    let uses = ($(&self.$used,)*);
                    need = need.max(self.$name.end_pass(context, uses, collector));
                })*
                need
            }

            /// Has all of them find what is known only now.
            pub(crate) fn settle(
                &mut self,
                context: &Context,
                collector: &mut FindingCollector,
            ) -> Coverages {
                Coverages {
                    $($name: {
                        let uses = ($(&self.$used,)*);
                        self.$name.settle(context, uses, collector)
                    },)*
                }
            }
        }
    };
}

analyzers! {
    log: Ledger, uses [];
    derived: Derivations, uses [log];
    readers: Readers, uses [log, derived];
    truncation: Truncation, uses [log];
    replicas: Replicas, uses [];
    zombies: Zombies, uses [log];
    read_committed: ReadCommitted, uses [log];
    atomicity: Atomicity, uses [log];
    cycles: Cycles, uses [log, readers];
    cut_logs: CutLogs, uses [];
    row_changes: RowChanges, uses [log];
    happened: Happened, uses [];
    effects: Effects, uses [];
    alerts: Alerts, uses [];
}
