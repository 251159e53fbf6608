//! From when on somebody is called.

/// Bounds of what is let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A node may be away so long: offices close for weekends, and lines fail for days.
    pub away_seconds: u64,
    /// A lag may stand still so long while the node is connected.
    pub lag_seconds: u64,
    /// A conflict may wait so long.
    pub conflict_seconds: u64,
    /// A certificate must be good so long still.
    pub certificate_seconds: u64,
    /// Of the disk so much must be free, in hundredths.
    pub disk_percent: u64,
    /// The last backup may be so old.
    pub backup_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            away_seconds: 3 * DAY,
            lag_seconds: 3_600,
            conflict_seconds: 7 * DAY,
            certificate_seconds: 30 * DAY,
            disk_percent: 10,
            backup_seconds: 2 * DAY,
        }
    }
}
