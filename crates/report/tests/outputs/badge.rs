//! What `badge.json` says.

use super::made;
use report::badge;

#[test]
fn a_badge_counts_the_verdicts_and_has_the_colour_of_the_run() {
    let plan = made::plan(&["broker-restart", "disk-loss"], 1);
    assert_eq!(
        badge(&plan, &made::verdict(&plan)).unwrap(),
        "{\"schemaVersion\":1,\"label\":\"kafka delivery\",\
         \"message\":\"1 HELD, 1 VIOLATED as expected\",\"color\":\"brightgreen\"}\n"
    );
    let colour = |(plan, verdict)| badge(&plan, &verdict).unwrap();
    assert!(colour(made::violated()).contains("\"1 VIOLATED\",\"color\":\"red\""));
    assert!(colour(made::doubtful()).contains("\"1 INCONCLUSIVE\",\"color\":\"yellow\""));
    let none = made::plan(&[], 1);
    let verdict = made::verdict(&none);
    assert!(colour((none, verdict)).contains("\"not tested\",\"color\":\"lightgrey\""));
}
