//! What `report.html` says, that its data is whole, and that nothing in it is markup which
//! should be text.

use std::collections::BTreeMap;

use model::anomaly::Anomaly;
use model::course::{
    Course, IntervalLatency, LatencySeries, Mark, MarkKind, Quantity, Series, Span, Strip,
};
use model::plan::RunPlan;
use model::verdict::{RunVerdict, Verdict};
use report::{Compared, LogExcerpt, Recorded, html};

use super::made;

/// Latencies in milliseconds; an interval with none has zero.
fn latency(of: Span, values: &[u64]) -> LatencySeries {
    let values = values.iter().map(|ms| {
        (*ms > 0).then_some(IntervalLatency {
            p50_us: ms * 500,
            p99_us: ms * 1000,
            max_us: ms * 1100,
        })
    });
    LatencySeries {
        of,
        group: (of != Span::SentToAcknowledged).then(|| String::from("billing")),
        values: values.collect(),
    }
}

/// Records are lost, stored twice, and processed late.
pub(super) fn course() -> Course {
    let series = |of, values: &[u64]| {
        let group = matches!(of, Quantity::Processed | Quantity::Lag);
        Series {
            of,
            group: group.then(|| String::from("billing")),
            values: values.to_vec(),
        }
    };
    Course {
        interval_ms: 400,
        series: vec![
            series(Quantity::Sent, &[0, 0, 40, 40, 40, 40, 40, 40, 40, 40]),
            series(
                Quantity::Acknowledged,
                &[0, 0, 39, 41, 40, 0, 0, 0, 80, 120],
            ),
            series(Quantity::Processed, &[0, 0, 30, 40, 40, 0, 0, 0, 60, 150]),
            series(Quantity::InFlight, &[0, 0, 1, 0, 0, 40, 80, 120, 80, 0]),
            series(Quantity::Lag, &[0, 0, 9, 10, 10, 10, 10, 10, 30, 0]),
        ],
        latencies: vec![
            latency(
                Span::SentToAcknowledged,
                &[0, 0, 2, 2, 1600, 1200, 800, 400, 3, 2],
            ),
            latency(
                Span::SentToProcessed,
                &[0, 0, 9, 9, 2000, 1600, 1200, 800, 0, 0],
            ),
        ],
        strips: vec![Strip {
            partition: String::from("orders-0"),
            log_start: 0,
            end: 180,
            marks: vec![
                Mark {
                    of: MarkKind::Anomaly(Anomaly::LostWrite),
                    ranges: vec![(100, 120), (200, 204)],
                    is_complete: true,
                },
                Mark {
                    of: MarkKind::Reused,
                    ranges: vec![(100, 120)],
                    is_complete: true,
                },
            ],
        }],
    }
}

/// What was recorded of a plan: of each scenario alike.
pub(super) fn recorded(plan: &RunPlan) -> Recorded {
    let folders = plan.scenarios.iter().map(model::plan::ScenarioPlan::folder);
    let logs = vec![LogExcerpt {
        file: String::from("broker-1.log"),
        lines: vec![String::from("[2026-11-29T22:10:03,120] WARN it <stops>")],
        left_out: 2,
    }];
    Recorded {
        courses: folders.clone().map(|it| (it, course())).collect(),
        logs: folders.map(|it| (it, logs.clone())).collect(),
    }
}

pub(super) fn page(plan: &RunPlan, verdict: &RunVerdict) -> String {
    html(plan, verdict, &made::configurations(), &recorded(plan))
}

/// The page without style, script and data, a tag a line.
fn body(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    let (body, _) = body.split_once("<script").unwrap();
    body.replace("><", ">\n<")
}

#[test]
fn violated() {
    let (plan, verdict) = made::violated();
    insta::assert_snapshot!(body(&page(&plan, &verdict)));
}

/// The axes of a page's first timeline, by their units.
fn units(page: &str) -> Vec<&str> {
    let (_, timeline) = page.split_once("<figure class=\"timeline\">").unwrap();
    let (timeline, _) = timeline.split_once("</figure>").unwrap();
    let units = timeline.split("<text class=\"unit\"").skip(1);
    units
        .map(|it| it.split_once('>').unwrap().1.split_once('<').unwrap().0)
        .collect()
}

#[test]
fn latencies_are_drawn_by_interval_and_by_phase_where_no_history_tells() {
    let plan = made::plan(&["consumer-kill"], 1);
    let verdict = made::verdict(&plan);
    let page = page(&plan, &verdict);
    assert_eq!(
        units(&page)[2..4],
        [
            "latency to acknowledgement, ms (each line ten times the last)",
            "latency from end to end, ms (each line ten times the last)",
        ]
    );
    for name in [
        "latency from sending to acknowledgement: 99th percentile",
        "latency from sending to acknowledgement: median",
        "latency from sending to processing by billing: 99th percentile",
        "latency from sending to processing by billing: median",
    ] {
        assert!(page.contains(&format!("</i>{name}<")), "{name}");
    }
    assert!(!page.contains("before, during and after the faults"));
    let none = BTreeMap::new();
    let page = html(&plan, &verdict, &none, &Recorded::default());
    assert!(page.contains("before, during and after the faults: median<"));
    assert_eq!(units(&page).len(), 2, "{:?}", units(&page));
}

#[test]
fn inconclusive_with_doubts() {
    let (plan, verdict) = made::doubtful();
    let none = BTreeMap::new();
    let page = html(&plan, &verdict, &none, &Recorded::default());
    let (first_screen, _) = body(&page).split_once("<nav").map(own).unwrap();
    insta::assert_snapshot!(first_screen);
    assert!(page.contains("took no effect"));
    assert!(page.contains("No curves"));
}

fn own((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn expected_violation() {
    let plan = made::plan(&["disk-loss"], 2);
    let page = page(&plan, &made::verdict(&plan));
    let (first_screen, rest) = body(&page).split_once("<nav").map(own).unwrap();
    insta::assert_snapshot!(first_screen);
    assert!(rest.contains("Repetition 1 of 2 is shown."));
}

#[test]
fn empty() {
    let plan = made::plan(&[], 1);
    let none = BTreeMap::new();
    let page = html(&plan, &made::verdict(&plan), &none, &Recorded::default());
    assert!(page.contains("No scenario was run, so nothing can be said."));
    assert!(!page.contains("<table class=\"matrix\""));
}

#[test]
fn the_page_of_the_main_job_is_one_file_of_bounded_size() {
    let plan = super::markdown::all();
    let mut configurations = made::configurations();
    let (_, many) = configurations.first_key_value().unwrap();
    let many: Vec<(String, String)> = (0..290)
        .map(|number| {
            (
                format!("some.longer.key.of.a.broker.{number}"),
                String::from("9223372036854775807"),
            )
        })
        .chain(
            many.clone()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        )
        .collect();
    for scenario in &plan.scenarios {
        for broker in 1..=3 {
            let own = [(String::from("node.id"), broker.to_string())];
            let config = many.iter().cloned().chain(own).collect();
            let owner = format!("{}: broker {broker}", scenario.folder());
            configurations.insert(owner, config);
        }
    }
    let page = html(
        &plan,
        &made::verdict(&plan),
        &configurations,
        &recorded(&plan),
    );
    assert!(page.len() < 600_000, "{} bytes", page.len());
    for foreign in ["src=", "<link", "@import", "url(", "fetch("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("As broker-kill: broker 1, but:"), "{page}");
}

/// Markup in a name or an error is text, in the page as in its data.
#[test]
fn hostile_data_stays_data() {
    let hostile = "</script><script>alert(1)</script><!-- \" ' & <b>";
    let mut plan = made::plan(&["broker-restart"], 1);
    let scenario = &mut plan.scenarios[0].scenario;
    scenario.topics[0].name = hostile.to_owned();
    scenario.producers[0].topic = hostile.to_owned();
    scenario.title = hostile.to_owned();
    let (_, mut verdict) = made::violated();
    let outcome = &mut verdict.scenarios[0];
    outcome.guarantees[0].reason = hostile.to_owned();
    outcome.doubts = vec![hostile.to_owned()];
    outcome.faults[0].evidence[0].detail = hostile.to_owned();
    outcome.findings[0].examples[0].item = hostile.to_owned();
    outcome.findings[0].examples[0].operations[0].actor = hostile.to_owned();
    outcome.findings[0].examples[0].operations[0].operation = hostile.to_owned();
    verdict
        .versions
        .insert(hostile.to_owned(), hostile.to_owned());
    let mut recorded = recorded(&plan);
    for course in recorded.courses.values_mut() {
        course.series[2].group = Some(hostile.to_owned());
        course.strips[0].partition = hostile.to_owned();
    }
    for logs in recorded.logs.values_mut() {
        logs[0].file = hostile.to_owned();
        logs[0].lines = vec![hostile.to_owned()];
    }
    let page = html(&plan, &verdict, &made::configurations(), &recorded);
    let scripts = page.matches("<script").count();
    assert_eq!(scripts, 2, "data and the button");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<b>") && !page.contains("<!--"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(Compared::read(&page).is_ok());
}

#[test]
fn the_data_in_the_page_is_the_verdict() {
    let (plan, mut verdict) = made::violated();
    verdict.scenarios[0].doubts = vec![String::from("a </script> in <it>")];
    let read = Compared::read(&page(&plan, &verdict)).unwrap();
    assert_eq!(read, Compared::new(verdict).with_plan(&plan));
}

/// Every verdict that the page prints stands in the verdict's data.
#[test]
fn no_verdict_word_is_made_up() {
    for (plan, verdict) in [made::violated(), made::doubtful()] {
        let text = body(&page(&plan, &verdict));
        let (before, legend) = text.split_once("<ul class=\"legend\">").unwrap();
        let (_, after) = legend.split_once("</ul>").unwrap();
        for word in [Verdict::Held, Verdict::Violated, Verdict::Inconclusive] {
            let is_in_data = verdict.verdict == word
                || verdict.scenarios.iter().any(|one| {
                    one.verdict == word || one.guarantees.iter().any(|g| g.verdict == word)
                });
            let is_said = before.contains(word.name()) || after.contains(word.name());
            assert_eq!(is_said, is_in_data, "{word} in:\n{text}");
        }
    }
}

#[test]
fn that_nothing_was_lost_is_said_only_where_it_is_established() {
    let nothing = "<strong>Nothing</strong> in ";
    let plan = made::plan(&["broker-restart"], 1);
    let mut verdict = made::verdict(&plan);
    assert!(page(&plan, &verdict).contains(nothing));
    verdict.scenarios[0].doubts = vec![String::from("the history is not whole")];
    assert!(!page(&plan, &verdict).contains(nothing));
    assert!(page(&plan, &verdict).contains("Not established"));
    let (plan, verdict) = made::violated();
    assert!(!page(&plan, &verdict).contains(nothing));
    assert!(page(&plan, &verdict).contains("<strong>1 acknowledged record</strong>"));
}

#[test]
fn names_are_without_the_prefix_of_a_run_on_a_cluster() {
    let plan = made::plan(&["broker-restart"], 1);
    let prefixed = plan.clone().on_cluster(vec!["kafka-1:9092".to_owned()], 3);
    let Some(prefix) = prefixed.scenarios.first().and_then(|it| it.prefix.clone()) else {
        return;
    };
    let mut recorded = recorded(&prefixed);
    for course in recorded.courses.values_mut() {
        course.strips[0].partition = format!("{prefix}orders-0");
    }
    let verdict = made::verdict(&prefixed);
    let page = html(&prefixed, &verdict, &made::configurations(), &recorded);
    assert!(!page.contains(&prefix.to_string()));
}

/// Scenarios that differ in one key stand side by side, with what that changed.
#[test]
fn twins_stand_side_by_side_with_the_key_that_differs() {
    let plan = made::plan(
        &["acks-1-leader-kill", "acks-all-leader-kill", "broker-kill"],
        1,
    );
    let page = page(&plan, &made::verdict(&plan));
    let (_, twins) = page.split_once("id=\"twins\"").unwrap();
    let (twins, _) = twins.split_once("</section>").unwrap();
    assert!(twins.contains("<code>acks</code>"), "{twins}");
    for side in [
        "<code>1</code> in <a href=\"#scenario-acks-1-leader-kill\">",
        "<code>all</code> in <a href=\"#scenario-acks-all-leader-kill\">",
        "no-loss <span class=\"badge expected\">VIOLATED as expected</span>",
        "no-loss <span class=\"badge held\">HELD</span>",
    ] {
        assert!(twins.contains(side), "{side} in {twins}");
    }
    assert_eq!(twins.matches("<tr>").count(), 2, "{twins}");
    // Another signal is another experiment.
    let plan = made::plan(&["broker-restart", "broker-kill"], 1);
    assert!(!self::page(&plan, &made::verdict(&plan)).contains("id=\"twins\""));
}

#[test]
fn the_pipeline_is_drawn_with_the_hop_that_lost_records() {
    let (plan, mut verdict) = made::violated();
    let pipeline = |verdict: &RunVerdict| {
        let page = page(&plan, verdict);
        let (_, from) = page.split_once("<ol class=\"pipeline\"").unwrap();
        from.split_once("</ol>").unwrap().0.to_owned()
    };
    let in_the_log = "<span class=\"lost\">topic orders: 1 record lost here</span>";
    assert!(pipeline(&verdict).contains(in_the_log));
    let lost_at = &mut verdict.scenarios[0].findings[0].lost_at;
    lost_at[0] = model::verdict::LostAt::new(model::verdict::Hop::NeverSeen, 1);
    let drawn = pipeline(&verdict);
    assert!(drawn.contains("<span class=\"lost\">1 record lost on the way</span>"));
    assert!(drawn.contains("<span class=\"hop\">topic orders</span>"));
}
