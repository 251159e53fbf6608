//! Every metric of the hub, in one place. `deploy/OPERATIONS.md` lists the same; a test compares.

use lienthong_node::observe::{Metric, counter, gauge, histogram};

macro_rules! metrics {
    ($($(#[$about:meta])* $name:ident = $metric:expr;)+) => {
        $($(#[$about])* pub const $name: Metric = $metric;)+
        /// All of them, as they are rendered.
        pub const ALL: &[Metric] = &[$($name),+];
    };
}

metrics! {
    /// The program that runs.
    BUILD = gauge("lienthong_build_info", "info", &["version"], "Always 1; the program's version.");
    /// Whether it does its work.
    READY = gauge("lienthong_ready", "flag", &[], "1 if /readyz says ready.");
    /// Units by state.
    UNITS = gauge("lienthong_units", "units", &["state"], "Units by state.");
    /// A unit's state.
    UNIT_STATE = gauge("lienthong_unit_state", "flag", &["unit", "state"],
        "1 for the state a unit is in: online, silent, offline, stopped, revoked; missing if it was never enrolled.");
    /// What a unit has announced and the hub does not hold.
    UNIT_LAG = gauge("lienthong_unit_lag_entries", "entries", &["unit"], "Entries announced and not held.");
    /// For how long.
    UNIT_LAG_SECONDS = gauge("lienthong_unit_lag_seconds", "seconds", &["unit"], "How long a unit has lagged, at least; 0 if it does not.");
    /// Silence of a unit.
    UNIT_HEARD = gauge("lienthong_unit_last_heard_seconds", "seconds", &["unit"], "Since a unit was last heard.");
    /// What a unit has in quarantine.
    UNIT_QUARANTINED = gauge("lienthong_unit_quarantined_changes", "changes", &["unit"], "A unit's changes in quarantine.");
    /// Broken rules.
    UNIT_DEFECTS = gauge("lienthong_unit_defects", "defects", &["unit"], "Rules a unit's records break, of those judged.");
    /// A unit's clock.
    UNIT_SKEW = gauge("lienthong_unit_clock_skew_seconds", "seconds", &["unit"],
        "A node's clock less the hub's when it was last heard, the farthest of a unit's.");
    /// A unit's disk.
    UNIT_DISK_FREE = gauge("lienthong_unit_disk_free_bytes", "bytes", &["unit"],
        "Free on the disk of a unit's node, by its own word; of its fullest machine.");
    /// A unit's disk, whole.
    UNIT_DISK_TOTAL = gauge("lienthong_unit_disk_total_bytes", "bytes", &["unit"], "Size of that disk.");
    /// A unit's certificate.
    UNIT_CERTIFICATE = gauge("lienthong_unit_certificate_seconds", "seconds", &["unit"],
        "Until the first certificate of a unit's nodes ends; of nodes connected since the hub's start.");
    /// What a unit was not handed yet.
    UNIT_FEED = gauge("lienthong_unit_feed_behind_entries", "entries", &["unit"],
        "Entries of the feed a connected node was not handed yet, counted up to 1,024.");
    /// Entries announced and not held, of all units.
    LAG = gauge("lienthong_lag_entries", "entries", &[], "Entries announced and not held, of all units.");
    /// Length of the ledger.
    LEDGER = gauge("lienthong_ledger_entries", "entries", &[], "Entries in the ledger.");
    /// Size of the ledger.
    LEDGER_BYTES = gauge("lienthong_ledger_bytes", "bytes", &[], "Bytes of the ledger's files.");
    /// Records it has.
    RECORDS = gauge("lienthong_records", "records", &[], "Records merged.");
    /// Open conflicts.
    CONFLICTS = gauge("lienthong_conflicts_open", "conflicts", &[], "Fields with different concurrent values.");
    /// Age of the oldest.
    CONFLICT_OLDEST = gauge("lienthong_conflict_oldest_seconds", "seconds", &[], "Since the oldest open conflict is one; 0 without any.");
    /// What waits in quarantine.
    QUARANTINED = gauge("lienthong_quarantined_changes", "changes", &["reason"], "Changes received but not merged, by reason.");
    /// Age of the oldest.
    QUARANTINE_OLDEST = gauge("lienthong_quarantine_oldest_seconds", "seconds", &[], "Since the oldest change in quarantine came; 0 without any.");
    /// Ledger groups.
    COMMITS = histogram("lienthong_commit_seconds", "How long groups of entries took to be on the ledger's disk.");
    /// Batches of nodes.
    BATCHES = counter("lienthong_accepted_batches_total", "batches", &[], "Batches of nodes accepted since the start.");
    /// Entries of nodes.
    ENTRIES = counter("lienthong_accepted_entries_total", "entries", &[], "Entries of nodes accepted since the start.");
    /// Open connections.
    CONNECTIONS = gauge("lienthong_connections", "connections", &[], "Connections open at the nodes' address.");
    /// Open streams.
    STREAMS = gauge("lienthong_streams", "streams", &[], "Streams of nodes that have greeted.");
    /// Peers turned away.
    REFUSED = counter("lienthong_refused_peers_total", "peers", &["reason"],
        "Peers turned away: busy, handshake, timeout, unknown, revoked, fenced, token.");
    /// Fenced replicas.
    FENCED = gauge("lienthong_fenced_replicas", "replicas", &[], "Replicas whose log contradicts what is held.");
    /// What the view lacks.
    VIEW_BEHIND = gauge("lienthong_view_behind_entries", "entries", &[], "Entries of the ledger the view does not have yet.");
    /// What was not judged.
    QUALITY_BEHIND = gauge("lienthong_quality_behind_entries", "entries", &[], "Entries of the view not judged yet.");
    /// Rows of units' imports.
    IMPORT_ROWS = counter("lienthong_import_rows_total", "rows", &["outcome"],
        "Rows of the units' and the province's imports since the start: created, updated, unchanged, duplicates, rejected.");
    /// What was said of rows.
    IMPORT_FINDINGS = counter("lienthong_import_findings_total", "findings", &["reason"],
        "Findings of those imports, warnings too, by reason class.");
    /// Age of the last backup.
    BACKUP_AGE = gauge("lienthong_backup_age_seconds", "seconds", &[], "Since the last backup; missing if there was none.");
    /// A succession nobody has confirmed.
    SUCCESSION = gauge("lienthong_succession_open", "flag", &[], "1 while a restored hub was not confirmed.");
    /// Age of what was witnessed.
    WITNESSED_AGE = gauge("lienthong_witnessed_age_seconds", "seconds", &[],
        "Since a quorum of witnesses last cosigned the ledger, or since there is a witness; missing without any.");
    /// Cosignatures of the open round.
    COSIGNATURES = gauge("lienthong_round_cosignatures", "cosignatures", &["counts"],
        "Cosignatures of the last round; counts is yes for the policy's witnesses, no for other nodes.");
    /// How many are needed.
    QUORUM = gauge("lienthong_needed_cosignatures", "cosignatures", &[], "Cosignatures that make a checkpoint witnessed; 0 without witnesses.");
    /// Nodes that refuse the ledger.
    LEDGER_REFUSED = gauge("lienthong_ledger_refusing_nodes", "nodes", &[], "Nodes that refuse this ledger: it is not the one they saw.");
    /// Units whose node holds other records.
    DIFFERING = gauge("lienthong_units_differing", "units", &[], "Units whose node was last found to hold other records than the hub.");
    /// The hub's own certificate.
    CERTIFICATE = gauge("lienthong_certificate_seconds", "seconds", &[], "Until the hub's certificate ends; below 0 once it has.");
    /// Room on the disk.
    DISK_FREE = gauge("lienthong_disk_free_bytes", "bytes", &[], "Free on the data folder's disk.");
    /// The disk.
    DISK_TOTAL = gauge("lienthong_disk_total_bytes", "bytes", &[], "Size of the data folder's disk.");
    /// Open alerts.
    ALERTS = gauge("lienthong_open_alerts", "alerts", &["kind", "acknowledged"], "Open alerts by kind; acknowledged is yes or no.");
    /// Messages to people.
    NOTICES = counter("lienthong_sent_notices_total", "notices", &["way", "outcome"],
        "Messages of alerts to people, by way (webhook, mail) and outcome (sent, failed, dropped).");
    /// A job's last progress.
    JOB_PROGRESS = gauge("lienthong_job_last_progress_seconds", "seconds", &["job"], "Since a background job last got on.");
    /// A job is stuck.
    JOB_STALLED = gauge("lienthong_job_stalled", "flag", &["job"], "1 while a background job should get on and does not.");
    /// A job's failed tries.
    JOB_FAILURES = counter("lienthong_job_failures_total", "failures", &["job"], "Tries of a background job that failed.");
}
