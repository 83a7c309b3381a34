//! SARIF 2.1.0 (OASIS), as code scanning services take it.

use serde_json::{Value, json};

use crate::report::{AuditFinding, AuditReport, FindingState};
use crate::rules::{self, Severity};

/// The findings as one run of the tool, with every rule that it has.
pub fn sarif(report: &AuditReport, version: &str) -> Value {
    let all: Vec<&rules::Rule> = rules::all().collect();
    let rules: Vec<Value> = all.iter().map(|rule| describe(rule)).collect();
    let results = report.findings.iter().map(|finding| {
        let index = all.iter().position(|rule| rule.id == finding.rule);
        result(finding, index)
    });
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ackproof audit",
                "semanticVersion": version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn describe(rule: &rules::Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.consequence},
        "help": {"text": format!("Fix: {}\nSource: {}", rule.fix, rule.source)},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(finding: &AuditFinding, index: Option<usize>) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(&finding.file)}});
    if let Some(line) = finding.line {
        place["region"] = json!({"startLine": line});
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": {"text": format!("{}: {}. Fix: {}", finding.title, finding.says, finding.fix)},
        "locations": [{
            "physicalLocation": place,
            "logicalLocations": [{"fullyQualifiedName": finding.key, "kind": "member"}],
        }],
        "partialFingerprints": {
            "ackproof/v1": format!("{}|{}|{}", finding.rule, finding.file, finding.key),
        },
        "properties": {"confidence": finding.confidence.name(), "demonstrated": finding.demonstrated},
    });
    match &finding.state {
        FindingState::Open => {}
        FindingState::Suppressed(reason) => {
            result["suppressions"] = json!([{"kind": "inSource", "justification": reason}]);
        }
        FindingState::InBaseline => {
            result["baselineState"] = json!("unchanged");
            result["suppressions"] =
                json!([{"kind": "external", "justification": "in the baseline"}]);
        }
    }
    result
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(char::from(byte));
            }
            other => {
                use std::fmt::Write as _;
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}
