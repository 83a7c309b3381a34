//! The sample report in `docs/sample` is the one that this version makes of a recorded run:
//! four scenarios of `ackproof run all`, in `tests/sample`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::{env, fs};

use checker::Examples;
use model::course::Quantity;
use report::{html, markdown};

use crate::judgement::judge_run;
use crate::recorded::recorded;
use crate::run_dir::RunDir;

/// Writes the sample anew instead of comparing it.
const UPDATE: &str = "UPDATE_SAMPLE";

#[test]
fn the_sample_report_is_current() {
    let crate_ = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = RunDir::open(&crate_.join("tests/sample"));
    let plan = dir.plan().unwrap();
    let verdict = judge_run(&dir, &plan, Examples::default()).unwrap();
    let recorded = recorded(&dir, &plan, &verdict);
    assert_eq!(recorded.courses.len(), plan.scenarios.len());
    // Every scenario with consumers has their lags.
    for planned in &plan.scenarios {
        let course = &recorded.courses[&planned.folder()];
        for group in &planned.scenario.groups {
            let mut lags = course.series.iter().filter(|it| it.of == Quantity::Lag);
            assert!(lags.any(|it| it.group.as_ref() == Some(&group.name)));
        }
    }
    assert!(!recorded.logs.is_empty());
    let configurations = dir.configurations(&plan);
    let page = html(&plan, &verdict, &configurations, &recorded);
    let report = markdown(&plan, &verdict, &configurations, &recorded.courses);
    for (name, current) in [("report.html", page), ("report.md", report)] {
        let place = crate_.join("../../docs/sample").join(name);
        if env::var_os(UPDATE).is_some() {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, &current).unwrap();
        }
        let sample = fs::read_to_string(&place).unwrap_or_default();
        assert!(
            sample == current,
            "docs/sample/{name} is out of date: {UPDATE}=1 cargo test -p ackproof --bin ackproof sample"
        );
    }
}
