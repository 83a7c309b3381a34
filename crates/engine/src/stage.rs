//! The stages of a scenario.

use std::time::Duration;

/// The stages of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The target is being started.
    #[default]
    Starting,
    /// Topics and tables are made, the connector is started, groups get their
    /// partitions.
    Preparing,
    /// Traffic runs.
    Traffic,
    /// Traffic has ended; outcomes are awaited, groups and connectors read on.
    Draining,
    /// The observer reads the log back.
    ReadingLog,
    /// The target is being stopped.
    Stopping,
    /// What was made in the user's cluster is being removed.
    CleaningUp,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Preparing,
        Self::Traffic,
        Self::Draining,
        Self::ReadingLog,
        Self::Stopping,
        Self::CleaningUp,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Preparing => "preparing",
            Self::Traffic => "traffic",
            Self::Draining => "draining",
            Self::ReadingLog => "reading",
            Self::Stopping => "stopping",
            Self::CleaningUp => "cleanup",
        }
    }

    /// How long it may go without a step forward, beside the times that the
    /// scenario itself names.
    pub(crate) const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Starting | Self::Traffic | Self::Draining | Self::ReadingLog => 180,
            Self::Preparing => 240,
            Self::Stopping | Self::CleaningUp => 120,
        })
    }

    /// The same in words, with those times.
    pub fn limit(self) -> String {
        let beside = match self {
            Self::Starting | Self::ReadingLog | Self::Stopping | Self::CleaningUp => "",
            Self::Preparing => ", and 1 ms for each row to be written",
            Self::Traffic => {
                ", `drain_timeout_ms`, the times that faults and triggers name, and \
                 `delivery.timeout.ms` while a record has no outcome"
            }
            Self::Draining => {
                ", `drain_timeout_ms`, the times that faults name, and for each transform \
                 `drain_timeout_ms` and the time that its transactions may take"
            }
        };
        format!("{} s{beside}", self.patience().as_secs())
    }
}
