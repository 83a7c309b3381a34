//! How much of the capture could be checked, and what it came to.

use model::event::{CaptureResult, CaptureSetting, SettingEffect, Snapshot};
use model::ids::{ChangeId, RowKey, TableIx};
use model::verdict::PartFailure;

/// What settling the capture came to, apart from findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureCoverage {
    /// Changes that the database committed.
    pub changes: u64,
    /// Change events in the topics, copies included.
    pub events: u64,
    /// Events beyond the first of their change.
    pub extra_events: u64,
    /// Rows in the tables at the end.
    pub rows: u64,
    /// Committed changes of which it could be told whether they have an
    /// event.
    pub settled: u64,
    /// Events that follow another of the same row.
    pub ordered_pairs: u64,
    /// Rows, present or deleted, that were held against the topic's replay.
    pub compared: u64,
    /// Rows that would have been, had it been known that no event comes any
    /// more.
    pub comparable: u64,
    /// Rows that the database itself does not hold as it confirmed them.
    pub disowned: u64,
    /// Tables whose rows, or whose topics, were not read to the end.
    pub unread: Vec<String>,
    /// Tables whose topics compact, so that no event can be called missing.
    pub compacted: Vec<String>,
    /// Tables whose topics have lost their beginning, so that neither can a
    /// row.
    pub cut: Vec<String>,
    /// How the wait for the last change ended.
    pub waited: Option<CaptureResult>,
    /// Committed changes without an event of which it could not be told
    /// whether they are missing or late, or stand where nothing was read.
    pub unsettled: u64,
    /// The committed changes that are missing.
    pub(crate) missing: Vec<ChangeId>,
    /// Events of a form that cannot be read, by table.
    pub unreadable: Vec<(String, u64)>,
    /// Tables with committed changes, and no event at all.
    pub silent: Vec<String>,
    /// Whether the connector reads rows that are there before it streams.
    pub snapshot: Option<Snapshot>,
    /// Rows that a snapshot found.
    pub snapshot_rows: u64,
    /// Changes that were committed before the connector was created.
    pub changes_before: u64,
    /// What of the connector's configuration changes its events.
    pub settings: Vec<CaptureSetting>,
    /// Parts of the connector that failed.
    pub failures: Vec<PartFailure>,
    /// Rows without a blemish, for calibration to plant anomalies on.
    pub(crate) targets: Vec<(TableIx, RowKey)>,
}

impl CaptureCoverage {
    /// The settings that may do this to events, in words.
    pub fn settings_that(&self, effect: SettingEffect) -> Vec<&str> {
        let settings = self
            .settings
            .iter()
            .filter(|setting| setting.effect == effect);
        settings
            .map(|setting| setting.description.as_str())
            .collect()
    }
}
