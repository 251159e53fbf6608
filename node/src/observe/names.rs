//! Every metric of a node, in one place. `deploy/OPERATIONS.md` lists the same; a test compares.

use super::{Metric, counter, gauge};

/// The program that runs.
pub const BUILD: Metric =
    gauge("lienthong_node_build_info", "info", &["version"], "Always 1; the program's version.");
/// Whether it does its work.
pub const READY: Metric = gauge("lienthong_node_ready", "flag", &[], "1 if /readyz says ready.");
/// Where it stands.
pub const STATE: Metric = gauge(
    "lienthong_node_state",
    "flag",
    &["state"],
    "1 for the state it is in: online, offline, regressed, stopped.",
);
/// Length of the log.
pub const LOG: Metric = gauge("lienthong_node_log_entries", "entries", &[], "Entries in the log.");
/// What the hub holds of it.
pub const ACKNOWLEDGED: Metric =
    gauge("lienthong_node_acknowledged_entries", "entries", &[], "Entries the hub has acknowledged.");
/// What the hub does not hold.
pub const PENDING: Metric =
    gauge("lienthong_node_pending_entries", "entries", &[], "Entries the hub has not acknowledged.");
/// Silence of the hub.
pub const LAST_SYNC: Metric = gauge(
    "lienthong_node_last_sync_seconds",
    "seconds",
    &[],
    "Since the hub was last heard; missing if not since the start.",
);
/// Records it has.
pub const RECORDS: Metric = gauge("lienthong_node_records", "records", &[], "Records merged.");
/// Broken rules.
pub const DEFECTS: Metric = gauge(
    "lienthong_node_defects",
    "defects",
    &[],
    "Rules the unit's records break; missing until some were judged.",
);
/// What the hub keeps apart.
pub const QUARANTINED: Metric =
    gauge("lienthong_node_quarantined_changes", "changes", &[], "Changes the hub keeps in quarantine.");
/// Something the hub must explain.
pub const ALARM: Metric = gauge(
    "lienthong_node_alarm",
    "flag",
    &[],
    "1 while the hub could not show what it promised, or is another.",
);
/// Time to the certificate's end.
pub const CERTIFICATE: Metric = gauge(
    "lienthong_node_certificate_seconds",
    "seconds",
    &[],
    "Until the certificate ends; below 0 once it has.",
);
/// Room on the disk.
pub const DISK_FREE: Metric =
    gauge("lienthong_node_disk_free_bytes", "bytes", &[], "Free on the data folder's disk.");
/// The disk.
pub const DISK_TOTAL: Metric =
    gauge("lienthong_node_disk_total_bytes", "bytes", &[], "Size of the data folder's disk.");
/// The clock, against the hub's.
pub const SKEW: Metric = gauge(
    "lienthong_node_clock_skew_seconds",
    "seconds",
    &[],
    "This machine's clock less the hub's, at the last greeting.",
);
/// What the view lacks.
pub const VIEW_BEHIND: Metric = gauge(
    "lienthong_node_view_behind_entries",
    "entries",
    &[],
    "Entries of the log the view does not have yet.",
);
/// What was not judged.
pub const QUALITY_BEHIND: Metric =
    gauge("lienthong_node_quality_behind_entries", "entries", &[], "Entries of the view not judged yet.");
/// Rows taken in.
pub const IMPORT_ROWS: Metric = counter(
    "lienthong_node_import_rows_total",
    "rows",
    &["outcome"],
    "Rows taken in by import and put: created, updated, unchanged, duplicates, rejected.",
);
/// What was said of rows.
pub const IMPORT_FINDINGS: Metric = counter(
    "lienthong_node_import_findings_total",
    "findings",
    &["reason"],
    "Findings of imports and puts, warnings too, by reason class.",
);
/// Files that lie in the watched folder.
pub const INBOX_WAITING: Metric =
    gauge("lienthong_node_inbox_waiting_files", "files", &[], "Files that lie in the watched folder.");
/// The watched folder cannot be worked on.
pub const INBOX_FAULT: Metric = gauge(
    "lienthong_node_inbox_fault",
    "flag",
    &[],
    "1 while the watched folder or a file in it cannot be worked on.",
);
/// Age of the last backup.
pub const BACKUP_AGE: Metric = gauge(
    "lienthong_node_backup_age_seconds",
    "seconds",
    &[],
    "Since the last backup; missing if there was none.",
);
/// A job's last progress.
pub const JOB_PROGRESS: Metric = gauge(
    "lienthong_node_job_last_progress_seconds",
    "seconds",
    &["job"],
    "Since a background job last got on.",
);
/// A job is stuck.
pub const JOB_STALLED: Metric = gauge(
    "lienthong_node_job_stalled",
    "flag",
    &["job"],
    "1 while a background job should get on and does not.",
);
/// A job's failed tries.
pub const JOB_FAILURES: Metric = counter(
    "lienthong_node_job_failures_total",
    "failures",
    &["job"],
    "Tries of a background job that failed.",
);

/// All of them, as they are rendered.
pub const ALL: &[Metric] = &[
    BUILD,
    READY,
    STATE,
    LOG,
    ACKNOWLEDGED,
    PENDING,
    LAST_SYNC,
    RECORDS,
    DEFECTS,
    QUARANTINED,
    ALARM,
    CERTIFICATE,
    DISK_FREE,
    DISK_TOTAL,
    SKEW,
    VIEW_BEHIND,
    QUALITY_BEHIND,
    IMPORT_ROWS,
    IMPORT_FINDINGS,
    INBOX_WAITING,
    INBOX_FAULT,
    BACKUP_AGE,
    JOB_PROGRESS,
    JOB_STALLED,
    JOB_FAILURES,
];
