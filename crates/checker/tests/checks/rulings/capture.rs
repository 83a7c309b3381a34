//! What the claims about change data capture rest on.

use super::*;

#[test]
fn claims_about_capture_rest_on_the_tables_and_on_the_wait() {
    let every = [
        Claim::NoRowMissing,
        Claim::NoRowDuplicate,
        Claim::NoRowPhantom,
        Claim::CommitOrder,
        Claim::NoStateDivergence,
    ];
    for claim in every {
        doubted(
            claim,
            |of| of.coverage.capture = None,
            "nothing was captured",
        );
    }
    let late = "1 committed changes have no event, and the last change never came out of the \
                topics: late cannot be told from missing";
    let open = |waited| {
        move |of: &mut Analysis| {
            capture(of).waited = waited;
            capture(of).unsettled = 1;
        }
    };
    let cut = "the topic of public.rows has lost its beginning, and events with it";
    for claim in [Claim::NoRowMissing, Claim::NoStateDivergence] {
        for waited in [None, Some(CaptureResult::TimedOut)] {
            doubted(claim, open(waited), late);
        }
        let lose = |of: &mut Analysis| capture(of).cut.push("public.rows".to_owned());
        doubted(claim, lose, cut);
    }
    doubted(
        Claim::NoRowMissing,
        |of| capture(of).compacted.push("public.rows".to_owned()),
        "the topic of public.rows compacts: an event that is not there may have been replaced",
    );
    doubted(
        Claim::NoStateDivergence,
        |of| capture(of).comparable = 5,
        "only 4 of 5 rows could be compared: of the others events may still come",
    );
    doubted(
        Claim::NoRowMissing,
        |of| capture(of).settled = 0,
        "nothing was committed",
    );
    doubted(
        Claim::CommitOrder,
        |of| capture(of).ordered_pairs = 0,
        "no row has two events",
    );
    doubted(
        Claim::NoStateDivergence,
        |of| capture(of).compared = 0,
        "no table could be compared",
    );
    for claim in [Claim::NoRowDuplicate, Claim::NoRowPhantom] {
        doubted(
            claim,
            |of| capture(of).events = 0,
            "there is no change event",
        );
    }
}
