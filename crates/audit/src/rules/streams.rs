//! What Kafka Streams and `MirrorMaker` 2 risk.

use super::Confidence::Certain;
use super::Rule;
use super::Severity::{Error, Note, Warning};
use crate::component::Kind;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "streams-at-least-once",
        severity: Note,
        confidence: Certain,
        title: "results may be counted twice",
        consequence: "With `at_least_once` a failure makes the application process records again, and its state and \
                      output have them twice.",
        fix: "`processing.guarantee=exactly_once_v2`, where that matters",
        source: "KIP-129; KIP-447; Kafka Streams configuration `processing.guarantee`",
        shown_by: &["at-least-once", "exactly-once"],
        check: |of, hits| {
            for it in of.of(&[Kind::Streams]) {
                if let Some(least) = it
                    .value("processing.guarantee")
                    .filter(|it| it.is("at_least_once"))
                {
                    hits.at(it, &least);
                }
            }
        },
    },
    Rule {
        id: "streams-guarantee-removed",
        severity: Error,
        confidence: Certain,
        title: "the application refuses to start",
        consequence: "Kafka Streams 4.0 removed `exactly_once` and `exactly_once_beta`.",
        fix: "`processing.guarantee=exactly_once_v2`",
        source: "KIP-732; Kafka Streams upgrade guide, 4.0",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Streams]) {
                let is_new = it.version().is_some_and(|it| it.is_from("4.0.0"));
                if let Some(old) = it
                    .value("processing.guarantee")
                    .filter(|it| it.is("exactly_once") || it.is("exactly_once_beta"))
                {
                    let hit = hits.at(it, &old);
                    if !is_new {
                        hit.as_severe(Note);
                    }
                }
            }
        },
    },
    Rule {
        id: "streams-topics-replication",
        severity: Warning,
        confidence: Certain,
        title: "the state's changelog lies on one broker",
        consequence: "When that broker's disk is gone, state cannot be restored.",
        fix: "`replication.factor=3`",
        source: "Kafka Streams configuration `replication.factor`",
        shown_by: &["disk-loss"],
        check: |of, hits| {
            let broker_one = of
                .cluster("default.replication.factor")
                .is_some_and(|(_, it)| it.number() == Some(1));
            for it in of.of(&[Kind::Streams]) {
                let Some(factor) = it.value("replication.factor") else {
                    continue;
                };
                match factor.number() {
                    Some(1) => {
                        hits.at(it, &factor);
                    }
                    Some(-1) if broker_one => {
                        hits.at(it, &factor)
                            .and("the brokers' default.replication.factor is 1");
                    }
                    _ => {}
                }
            }
        },
    },
    Rule {
        id: "streams-state-in-temporary-folder",
        severity: Warning,
        confidence: Certain,
        title: "the state is in a temporary folder",
        consequence: "What cleans it makes the application restore its whole state before it goes on.",
        fix: "`state.dir` on a disk that stays",
        source: "Kafka Streams configuration `state.dir`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Streams]) {
                if let Some(dir) = it
                    .value("state.dir")
                    .filter(|it| it.value.starts_with("/tmp"))
                {
                    hits.at(it, &dir);
                }
            }
        },
    },
    Rule {
        id: "streams-skips-records",
        severity: Error,
        confidence: Certain,
        title: "records that fail are skipped",
        consequence: "A handler that logs and continues leaves out what cannot be read, processed or written.",
        fix: "a handler that fails, or a dead letter queue (`errors.dead.letter.queue.topic.name`, 4.2 and later)",
        source: "KIP-161; KIP-1033; KIP-1034",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Streams]) {
                let has_queue = it.set("errors.dead.letter.queue.topic.name").is_some();
                let handlers = it
                    .settings
                    .iter()
                    .filter(|it| it.key.ends_with("exception.handler"));
                for handler in
                    handlers.filter(|it| !has_queue && it.value.contains("LogAndContinue"))
                {
                    hits.on(
                        it,
                        &handler.path,
                        format!("{}={}", handler.key, handler.value),
                    )
                    .origin = Some(handler.origin.clone());
                }
            }
        },
    },
    Rule {
        id: "mirror-replication",
        severity: Warning,
        confidence: Certain,
        title: "mirrored topics have fewer than three replicas",
        consequence: "MirrorMaker makes topics with 2 replicas unless told otherwise: one failure loses records or stops \
                      writes in the copy.",
        fix: "`replication.factor=3`",
        source: "KIP-382; Kafka documentation, MirrorMaker configuration `replication.factor`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Mirror]) {
                if let Some(few) = it
                    .value("replication.factor")
                    .filter(|it| it.number().is_some_and(|it| it < 3))
                {
                    hits.at(it, &few);
                }
            }
        },
    },
    Rule {
        id: "mirror-without-positions",
        severity: Warning,
        confidence: Certain,
        title: "groups have no position in the copy",
        consequence: "Consumers that move to the other cluster begin where `auto.offset.reset` says.",
        fix: "`sync.group.offsets.enabled=true`",
        source: "KIP-545; Kafka documentation, MirrorMaker configuration `sync.group.offsets.enabled`",
        shown_by: &[],
        check: |of, hits| {
            for it in of.of(&[Kind::Mirror]) {
                let by_flow = it.settings.iter().any(|it| {
                    it.key.ends_with(".sync.group.offsets.enabled") && it.value == "true"
                });
                if let Some(off) = it
                    .value("sync.group.offsets.enabled")
                    .filter(|it| it.is("false"))
                    && !by_flow
                {
                    hits.at(it, &off);
                }
            }
        },
    },
];
