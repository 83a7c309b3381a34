//! Names as the user wrote them. In a cluster of the user's, those of topics and groups
//! begin with a prefix of the run's own: the same before all of them, it only hides the
//! rest of the name.

use std::collections::BTreeMap;

use model::plan::RunPlan;
use model::scenario::Config;
use model::verdict::RunVerdict;
use serde::Serialize;
use serde::de::DeserializeOwned;

type BareRun = (RunPlan, RunVerdict, BTreeMap<String, Config>);

/// The same without the prefixes; none where there are none.
pub(crate) fn bare(
    plan: &RunPlan,
    verdict: &RunVerdict,
    configurations: &BTreeMap<String, Config>,
) -> Option<BareRun> {
    let (plan, (verdict, configurations)) = bare_of(plan, &(verdict, configurations))?;
    Some((plan, verdict, configurations))
}

/// The same of anything beside a plan.
pub(crate) fn bare_of<T, U>(plan: &RunPlan, data: &T) -> Option<(RunPlan, U)>
where
    T: Serialize,
    U: DeserializeOwned,
{
    let mut plan = plan.clone();
    let scenarios = plan.scenarios.iter_mut();
    let prefixes: Vec<String> = scenarios
        .filter_map(|scenario| scenario.prefix.take())
        .map(|prefix| prefix.to_string())
        .collect();
    if prefixes.is_empty() {
        return None;
    }
    // A prefix has nothing in it that JSON would write otherwise.
    let text = serde_json::to_string(&(plan, data)).ok()?;
    let text = prefixes
        .iter()
        .fold(text, |text, prefix| text.replace(prefix, ""));
    serde_json::from_str(&text).ok()
}
