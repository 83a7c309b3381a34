//! Verdicts to Markdown, JSON and JUnit.
