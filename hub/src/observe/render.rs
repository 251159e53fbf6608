//! The hub's numbers, as of now.

use std::collections::BTreeMap;

use lienthong_node::observe::{Exposition, ImportCounts, Room, folder_bytes, last_backup, seconds_until};
use lienthong_node::replica::log_dir;
use lienthong_proto::time::UnixMillis;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{names, units};
use crate::app::Hub;
use crate::pki::ReplicaState;

/// All metrics of a hub.
#[must_use]
pub fn render(hub: &Hub) -> String {
    let mut text = Exposition::default();
    text.many(&names::BUILD, [([env!("CARGO_PKG_VERSION").to_owned()], 1.0)]);
    text.one(&names::READY, flag(hub.readiness().is_ready()));
    let all = hub.units();
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for unit in &all {
        *states.entry(unit.state).or_default() += 1;
    }
    text.many(&names::UNITS, counted(states));
    units::units(hub, &all, &mut text);
    let lag = all.iter().filter_map(|unit| unit.lag).sum();
    text.one(&names::LAG, Exposition::number(lag));
    ledger(hub, &mut text);
    waiting(hub, &mut text);
    traffic(hub, &mut text);
    behind(hub, &mut text);
    imports(hub, &mut text);
    safety(hub, &mut text);
    alerts(hub, &mut text);
    let metrics = [&names::JOB_PROGRESS, &names::JOB_STALLED, &names::JOB_FAILURES];
    text.jobs(metrics, &hub.observed.jobs.states(), hub.now());
    text.finish()
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn counted(counts: impl IntoIterator<Item = (impl Into<String>, u64)>) -> Vec<([String; 1], f64)> {
    counts.into_iter().map(|(label, count)| ([label.into()], Exposition::number(count))).collect()
}

fn ledger(hub: &Hub, text: &mut Exposition) {
    text.one(&names::LEDGER, Exposition::number(hub.head().size));
    text.one(&names::LEDGER_BYTES, Exposition::number(folder_bytes(&log_dir(&hub.data))));
    text.one(&names::RECORDS, Exposition::number(hub.dataset.totals().records));
}

/// What waits for people.
fn waiting(hub: &Hub, text: &mut Exposition) {
    let age = |since: Option<UnixMillis>| since.map_or(0.0, |at| Exposition::seconds(hub.now().since(at)));
    text.one(&names::CONFLICTS, Exposition::number(hub.dataset.totals().conflicts_open));
    text.one(&names::CONFLICT_OLDEST, age(hub.observed.conflicts.oldest()));
    let quarantine = std::sync::Arc::clone(&hub.committer.books().read().quarantine);
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for waiting in quarantine.values() {
        *reasons.entry(waiting.reason.code()).or_default() += 1;
    }
    text.many(&names::QUARANTINED, counted(reasons));
    text.one(&names::QUARANTINE_OLDEST, age(quarantine.values().map(|waiting| waiting.accepted_at).min()));
}

fn traffic(hub: &Hub, text: &mut Exposition) {
    let meters = &hub.observed.meters;
    text.times(&names::COMMITS, &meters.commits);
    text.one(&names::BATCHES, Exposition::number(meters.batches()));
    text.one(&names::ENTRIES, Exposition::number(meters.entries()));
    text.one(&names::CONNECTIONS, Exposition::number(meters.connections()));
    text.one(&names::STREAMS, Exposition::number(hub.live.streams()));
    text.many(&names::REFUSED, counted(meters.refusals()));
    let fenced = |state: &ReplicaState| matches!(state, ReplicaState::Fenced { .. });
    let fenced = hub.registry.list().iter().filter(|entry| fenced(&entry.state)).count();
    text.one(&names::FENCED, Exposition::number(fenced as u64));
}

fn behind(hub: &Hub, text: &mut Exposition) {
    let applied = hub.dataset.view().applied().ok().flatten().unwrap_or(0);
    text.one(&names::VIEW_BEHIND, Exposition::number(hub.head().size.saturating_sub(applied)));
    text.one(&names::QUALITY_BEHIND, hub.quality.behind().ok().map(Exposition::number));
}

fn imports(hub: &Hub, text: &mut Exposition) {
    let mut counts: ImportCounts = hub.observed.meters.imports();
    let own = hub.observed.captures.counts();
    own.rows.iter().for_each(|(outcome, rows)| counts.note(outcome, *rows));
    own.reasons.iter().for_each(|(class, rows)| counts.reject(class, *rows));
    text.many(&names::IMPORT_ROWS, counted(counts.rows));
    text.many(&names::IMPORT_FINDINGS, counted(counts.reasons));
}

fn safety(hub: &Hub, text: &mut Exposition) {
    let made = last_backup(&hub.data);
    text.one(&names::BACKUP_AGE, made.map(|made| Exposition::seconds(hub.now().since(made))));
    text.one(&names::SUCCESSION, flag(hub.committer.books().read().succession.is_open()));
    text.one(&names::WITNESSED_AGE, hub.unwitnessed_millis().map(Exposition::seconds));
    let (counted_ones, beside) = hub.rounds.cosigned();
    let cosigned = [("no", beside as u64), ("yes", counted_ones as u64)];
    text.many(&names::COSIGNATURES, counted(cosigned));
    let witnesses = std::sync::Arc::clone(&hub.committer.books().read().witnesses);
    let quorum = witnesses.policy_at(u64::MAX).map_or(0, |(_, policy)| policy.quorum());
    text.one(&names::QUORUM, Exposition::number(quorum as u64));
    text.one(&names::LEDGER_REFUSED, Exposition::number(hub.refusals.standing().len() as u64));
    text.one(&names::DIFFERING, Exposition::number(hub.observed.meters.differing().len() as u64));
    text.one(&names::CERTIFICATE, hub.own_certificate_until().map(|until| seconds_until(until, hub.now())));
    let room = Room::of(&hub.data);
    text.one(&names::DISK_FREE, room.map(|room| Exposition::number(room.free_bytes)));
    text.one(&names::DISK_TOTAL, room.map(|room| Exposition::number(room.total_bytes)));
}

fn alerts(hub: &Hub, text: &mut Exposition) {
    let mut open: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for alert in hub.alerts.list(false) {
        let attended = if alert.acknowledged.is_some() { "yes" } else { "no" };
        *open.entry((alert.kind.name(), attended)).or_default() += 1;
    }
    text.many(&names::ALERTS, pairs(open));
    text.many(&names::NOTICES, pairs(hub.observed.meters.tellings()));
}

fn pairs(counts: BTreeMap<(&str, &str), u64>) -> Vec<([String; 2], f64)> {
    let shown =
        |((a, b), count): ((&str, &str), u64)| ([a.to_owned(), b.to_owned()], Exposition::number(count));
    counts.into_iter().map(shown).collect()
}

impl Hub {
    /// When the hub's own certificate ends; nothing if it cannot be read.
    #[must_use]
    pub fn own_certificate_until(&self) -> Option<UnixMillis> {
        let (_, certificate) = X509Certificate::from_der(&self.secrets.server).ok()?;
        let seconds = certificate.validity().not_after.timestamp();
        Some(UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)))
    }
}
