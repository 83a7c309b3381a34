//! Topics of captured tables in scenarios.

use model::scenario::{Scenario, ScenarioError, embedded, parse};

fn pipeline(change: impl Fn(String) -> String) -> Result<Scenario, ScenarioError> {
    let text = embedded("pipeline-end-to-end").unwrap();
    parse("it.toml", &change(text.to_owned()))
}

#[test]
fn the_topic_of_a_table_is_one_that_a_group_can_read() {
    let scenario = pipeline(|text| text).unwrap();
    assert_eq!(scenario.table_of("shop.public.comments"), Some("comments"));
    assert_eq!(scenario.table_of("shop.public.orders"), None);
    assert_eq!(scenario.partitions_of("shop.public.users"), Some(1));
    // Three times 60 comments; a video is touched by each.
    assert_eq!(scenario.to_read("moderation"), 180);
    let videos =
        pipeline(|text| text.replace("\"shop.public.comments\"", "\"shop.public.videos\""));
    assert_eq!(videos.unwrap().to_read("moderation"), 182);
}

fn refused(change: impl Fn(String) -> String) -> String {
    pipeline(change).unwrap_err().message
}

#[test]
fn what_is_no_topic_of_the_capture_is_told_with_those_that_are() {
    let said = refused(|text| text.replace("\"shop.public.comments\"", "\"shop.public.coments\""));
    assert_eq!(
        said,
        "there is no topic `shop.public.coments`; did you mean `shop.public.comments`?"
    );
    let said = refused(|text| {
        text.replace(
            "\"shop.public.comments\"",
            "\"shop.public.outbox_events_by_region\"",
        )
    });
    assert!(
        said.contains("the topics of the [capture] are shop.public.videos"),
        "{said}"
    );
}

#[test]
fn only_the_connector_writes_to_the_topic_of_a_table() {
    let declared =
        "\n[[topic]]\nname = \"shop.public.comments\"\npartitions = 1\nreplication_factor = 1\n";
    let said = refused(|text| text + declared);
    assert!(said.contains("leave this [[topic]] out"), "{said}");
    let producer = "\n[[producer]]\ntopic = \"shop.public.comments\"\nrecords = 1\nrecords_per_s = 1\nrecord_bytes = 200\n";
    let said = refused(|text| text + producer);
    assert!(said.contains("only the connector writes to it"), "{said}");
}
