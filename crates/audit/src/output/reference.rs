//! The reference of all rules, as a page of the documentation.

use std::fmt::Write as _;

use crate::rules;

/// `docs/reference/audit-rules.md`, which a test holds to this.
pub fn reference() -> String {
    let mut out = String::from(
        "# Rules of the audit\n\n\
         What [`ackproof audit`](../guides/audit.md) looks for. `ackproof explain RULE` prints one rule. A rule is\n\
         silent where it would have to guess; rules that compare with a promise (an outage, a pause, a recovery) need\n\
         that promise. This page is generated: `make schemas` writes it.\n",
    );
    for (family, rules) in rules::families() {
        let _ = writeln!(
            out,
            "\n## {family}\n\n| rule | severity | what is wrong | fix | shown by |\n| --- | --- | --- | --- | --- |"
        );
        for rule in rules {
            let shown: Vec<String> = rule.shown_by.iter().map(|it| format!("`{it}`")).collect();
            let _ = writeln!(
                out,
                "| `{}` | {} | **{}.** {} *{}* | {} | {} |",
                rule.id,
                rule.severity.name(),
                capital(rule.title),
                rule.consequence,
                rule.source,
                rule.fix,
                shown.join(", ")
            );
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|it| it.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
