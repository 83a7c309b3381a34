//! log-truncation, where another tool's history shows it, and what it hides that
//! offsets were given again. Knows nothing of how the tool found out.

use model::anomaly::Anomaly;
use model::event::Restart;

use crate::analyzer::Analyzer;
use crate::context::Context;
use crate::finding::{FindingCollector, Scope, Watch};

/// Looks at partitions whose offsets were given again.
#[derive(Default)]
pub(crate) struct CutLogs;

impl Analyzer for CutLogs {
    type Uses<'d> = ();
    /// For each such partition, what cannot be told of it.
    type Coverage = Vec<String>;

    fn settle(
        &mut self,
        context: &Context,
        (): (),
        collector: &mut FindingCollector,
    ) -> Vec<String> {
        let mut hidden = Vec::new();
        for (partition, (first, how)) in &context.provenance.given_again {
            let name = context.names.partition(*partition);
            let cause = match how {
                Restart::Cut => "the log was cut",
                Restart::Unknown => "the topic was made again, or its log was lost",
            };
            hidden.push(format!(
                "{name}: offsets from {first} on were given again ({cause}): what groups passed over \
                 there cannot be told"
            ));
            if *how == Restart::Cut {
                let scope = Scope::Partition(*partition);
                collector.add(Anomaly::LogTruncation, scope, first.get(), || {
                    let what = format!("{name} was cut: offsets from {first} on were given again");
                    (what, vec![Watch::Position(*partition, *first)])
                });
            }
        }
        hidden
    }
}
