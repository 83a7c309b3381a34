//! What a history that another tool recorded is held to: which anomalies
//! contradict it. Pure; knows nothing of how anomalies are found.

use model::anomaly::Anomaly;
use model::verdict::Verdict;

use crate::args::{Expectation, Tool};

/// Allowed at least once: records again, or in another order than sent.
const AGAIN: [Anomaly; 8] = [
    Anomaly::Duplicate,
    Anomaly::NonmonotonicSend,
    Anomaly::NonmonotonicPoll,
    Anomaly::Reprocessed,
    Anomaly::CommitRegression,
    Anomaly::ZombieProcessing,
    Anomaly::IntNonmonotonicSend,
    Anomaly::IntNonmonotonicPoll,
];

/// Which anomalies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contract {
    tool: Tool,
    expectation: Option<Expectation>,
}

impl Contract {
    pub(crate) const fn new(tool: Tool, expectation: Option<Expectation>) -> Self {
        Self { tool, expectation }
    }

    /// What an anomaly that was found makes of the verdict.
    pub(crate) fn weigh(self, found: Anomaly) -> Verdict {
        if found == Anomaly::Unseen {
            return Verdict::Inconclusive;
        }
        let forgiven = match (self.expectation, self.tool) {
            (Some(Expectation::Strict), _) => false,
            (Some(Expectation::AtLeastOnce), tool) => AGAIN.contains(&found) || usual(tool, found),
            (Some(Expectation::ExactlyOnce), tool) => usual(tool, found),
            (None, tool) => found == Anomaly::Reprocessed || usual(tool, found),
        };
        if forgiven {
            Verdict::Held
        } else {
            Verdict::Violated
        }
    }
}

/// What is usual where a tool records: Jepsen's transactions interleave by
/// design, and Kafka does not promise to keep their writes apart.
fn usual(tool: Tool, found: Anomaly) -> bool {
    tool == Tool::Jepsen && matches!(found, Anomaly::IntSendSkip | Anomaly::G0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgiven(tool: Tool, expectation: Option<Expectation>) -> Vec<Anomaly> {
        let contract = Contract::new(tool, expectation);
        let all = Anomaly::ALL.iter().copied();
        all.filter(|it| contract.weigh(*it) == Verdict::Held)
            .collect()
    }

    #[test]
    fn by_default_everything_counts_but_what_is_read_again() {
        assert_eq!(forgiven(Tool::Kafkatest, None), [Anomaly::Reprocessed]);
        assert_eq!(
            forgiven(Tool::Jepsen, None),
            [Anomaly::Reprocessed, Anomaly::G0, Anomaly::IntSendSkip]
        );
    }

    #[test]
    fn a_contract_is_as_strict_as_its_name() {
        let exactly_once = Some(Expectation::ExactlyOnce);
        assert_eq!(forgiven(Tool::Kafkatest, exactly_once), []);
        let jepsens = [Anomaly::G0, Anomaly::IntSendSkip];
        assert_eq!(forgiven(Tool::Jepsen, exactly_once), jepsens);
        assert_eq!(forgiven(Tool::Jepsen, Some(Expectation::Strict)), []);
        let at_least_once = forgiven(Tool::Kafkatest, Some(Expectation::AtLeastOnce));
        assert_eq!(at_least_once.len(), AGAIN.len());
        assert!(!at_least_once.contains(&Anomaly::LostWrite));
    }

    #[test]
    fn what_nobody_could_see_is_never_held() {
        for tool in [Tool::Kafkatest, Tool::Jepsen] {
            let contract = Contract::new(tool, Some(Expectation::AtLeastOnce));
            assert_eq!(contract.weigh(Anomaly::Unseen), Verdict::Inconclusive);
        }
    }
}
