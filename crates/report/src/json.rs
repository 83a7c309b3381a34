//! `verdict.json` and its schema. Knows nothing of the other formats.

use model::verdict::RunVerdict;

/// The JSON Schema (2020-12) of `verdict.json`.
///
/// A later version of the same `schema` value may add properties; it changes
/// and removes none.
pub const VERDICT_SCHEMA: &str = include_str!("../schema/verdict.schema.json");

/// Why results could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {of} as JSON")]
pub struct JsonError {
    of: String,
    source: serde_json::Error,
}

impl JsonError {
    pub(crate) fn new(of: impl Into<String>, source: serde_json::Error) -> Self {
        let of = of.into();
        Self { of, source }
    }
}

/// `verdict.json`: indented, properties in the order of the types, a line
/// break at the end. The same verdict gives the same bytes.
///
/// # Errors
/// When a value has no form in JSON, which no verdict of the types as they
/// stand has.
pub fn verdict_json(verdict: &RunVerdict) -> Result<String, JsonError> {
    let mut text = serde_json::to_string_pretty(verdict)
        .map_err(|source| JsonError::new(format!("the verdict of run {}", verdict.run), source))?;
    text.push('\n');
    Ok(text)
}
