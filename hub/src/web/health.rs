//! Whether the hub lives, takes writes, and its figures for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::guard::drawn;
use super::view::View;

/// The process lives.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The ledger takes writes.
pub(super) async fn ready(view: View) -> Response {
    match view.site.hub.committer.failure() {
        None => "ready\n".into_response(),
        Some(_) => drawn((StatusCode::SERVICE_UNAVAILABLE, "the ledger takes no writes\n").into_response()),
    }
}

/// Figures.
pub(super) async fn metrics(view: View) -> Response {
    let hub = &view.site.hub;
    let totals = hub.dataset.totals();
    let mut states = BTreeMap::new();
    let mut lag = 0;
    for unit in hub.units() {
        *states.entry(unit.state).or_insert(0u64) += 1;
        lag += unit.lag.unwrap_or(0);
    }
    let quarantined = hub.committer.books().read().quarantine.len();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: String| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{value}");
    };
    let single = |name: &str, value: u64| format!("{name} {value}\n");
    let size = hub.head().size;
    gauge("lienthong_ledger_entries", "Entries in the ledger.", single("lienthong_ledger_entries", size));
    gauge("lienthong_records", "Records merged.", single("lienthong_records", totals.records));
    let conflicts = single("lienthong_conflicts_open", totals.conflicts_open);
    gauge("lienthong_conflicts_open", "Fields with different concurrent values.", conflicts);
    let waiting = single("lienthong_quarantined_changes", quarantined as u64);
    gauge("lienthong_quarantined_changes", "Changes received but not merged.", waiting);
    gauge("lienthong_lag_entries", "Entries announced and not held.", single("lienthong_lag_entries", lag));
    let by_state = states.iter().fold(String::new(), |mut lines, (state, count)| {
        let _ = writeln!(lines, "lienthong_units{{state=\"{state}\"}} {count}");
        lines
    });
    gauge("lienthong_units", "Units by state.", by_state);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
