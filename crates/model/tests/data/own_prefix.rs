//! The prefix of the names that a run creates on a user's cluster.

use model::ids::RunId;
use model::plan::{NameMark, OwnPrefix};
use model::scenario::{Scenario, embedded, parse};

fn scenario(name: &str) -> Scenario {
    parse(name, embedded(name).unwrap()).unwrap()
}

#[test]
fn a_prefix_tells_run_number_and_scenario() {
    let prefix = OwnPrefix::new(
        &NameMark::default(),
        RunId::new(0xab),
        3,
        &scenario("broker-kill"),
    );
    assert_eq!(
        prefix.to_string(),
        "ackproof-00000000000000ab-3-broker-kill-"
    );
    assert!(prefix.is_of(RunId::new(0xab)));
    assert!(!prefix.is_of(RunId::new(0xac)));
    assert!(prefix.owns("ackproof-00000000000000ab-3-broker-kill-orders"));
    assert!(!prefix.owns("ackproof-00000000000000ab-3-broker-kill-"));
    assert!(!prefix.owns("orders"));
}

#[test]
fn a_topics_name_stays_within_kafkas_limit() {
    let mut long = scenario("broker-kill");
    long.name = "s".repeat(200);
    long.topics[0].name = "t".repeat(200);
    let prefix = OwnPrefix::new(&NameMark::default(), RunId::new(7), 123, &long);
    assert_eq!(prefix.before(&long.topics[0].name).len(), 249);
    assert_eq!(OwnPrefix::try_from(prefix.to_string()), Ok(prefix));
}

#[test]
fn what_is_no_prefix_of_a_run_is_none() {
    for text in [
        "",
        "ackproof-",
        "orders-",
        "ackproof-ab-3-x-",
        "ackproof-00000000000000ab-x-3-",
        "ackproof-00000000000000ab-3-",
        "ackproof-00000000000000ab-3-x",
        "ackproof-000000000000zzzz-3-x-",
    ] {
        assert!(OwnPrefix::try_from(text.to_owned()).is_err(), "{text}");
    }
}

#[test]
fn names_begin_as_the_user_says() {
    let scenario = scenario("broker-kill");
    for mark in ["team-x.", "x", "0000000000000000", "a-1-", "ackproof-"] {
        let named: NameMark = mark.parse().unwrap();
        let prefix = OwnPrefix::new(&named, RunId::new(0xab), 3, &scenario);
        let text = format!("{mark}00000000000000ab-3-broker-kill-");
        assert_eq!(prefix.to_string(), text);
        assert_eq!(prefix.mark(), mark);
        assert!(prefix.is_of(RunId::new(0xab)), "{mark}");
        assert!(!prefix.is_of(RunId::new(0xac)), "{mark}");
        assert_eq!(OwnPrefix::try_from(text), Ok(prefix));
    }
    let long = "m".repeat(101);
    for wrong in ["", "a b", "ü", "a/b", &long, "0x0000000000000000-1-"] {
        assert!(wrong.parse::<NameMark>().is_err(), "{wrong}");
    }
}
