//! The kinds of alerts.

use serde::{Deserialize, Serialize};

/// How soon somebody must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Now.
    Critical,
    /// Soon.
    Warning,
}

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The ledger takes no more writes.
    Ledger,
    /// A replica's log contradicts what is held: a fork, a rolled-back log, another root.
    Fence,
    /// A node refuses the ledger.
    Refused,
    /// The ledger was not witnessed for long.
    Unwitnessed,
    /// A unit's node holds other records than the hub.
    Differs,
    /// A background job is stuck.
    Job,
    /// The disk is nearly full.
    Disk,
    /// A certificate ends soon.
    Certificate,
    /// A node's clock is wrong.
    Clock,
    /// A connected node says nothing.
    Silent,
    /// A node has been away for long.
    Away,
    /// A unit's lag does not fall.
    Lag,
    /// A unit's quarantine grows.
    Quarantine,
    /// Conflicts wait for long.
    Conflicts,
    /// The last backup is old.
    Backup,
    /// A restored hub was not confirmed.
    Succession,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Ledger,
        Self::Fence,
        Self::Refused,
        Self::Unwitnessed,
        Self::Differs,
        Self::Job,
        Self::Disk,
        Self::Certificate,
        Self::Clock,
        Self::Silent,
        Self::Away,
        Self::Lag,
        Self::Quarantine,
        Self::Conflicts,
        Self::Backup,
        Self::Succession,
    ];

    /// Its name: the first part of a key, and behind `alert-` the place in the runbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Fence => "fence",
            Self::Refused => "refused",
            Self::Unwitnessed => "unwitnessed",
            Self::Differs => "differs",
            Self::Job => "job",
            Self::Disk => "disk",
            Self::Certificate => "certificate",
            Self::Clock => "clock",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Lag => "lag",
            Self::Quarantine => "quarantine",
            Self::Conflicts => "conflicts",
            Self::Backup => "backup",
            Self::Succession => "succession",
        }
    }

    /// Where the runbook says what to do.
    #[must_use]
    pub fn runbook(self) -> String {
        format!("deploy/OPERATIONS.md#alert-{}", self.name())
    }

    /// How soon somebody must act.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Ledger | Self::Fence | Self::Refused | Self::Differs | Self::Job | Self::Disk => {
                Severity::Critical
            }
            _ => Severity::Warning,
        }
    }

    /// Nobody is called for what passes within so long.
    #[must_use]
    pub fn patience_seconds(self) -> u64 {
        match self {
            Self::Silent => 300,
            // A clock set right makes any job look late for a moment.
            Self::Job | Self::Clock | Self::Disk => 30,
            _ => 0,
        }
    }
}
