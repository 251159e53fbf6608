//! Where the hub and every unit stand, worst first.

mod trouble;

pub(crate) use trouble::quarantined_words;

use std::collections::BTreeMap;

use lienthong_node::observe::Room;
use lienthong_node::quality::{Overall, quality_json};
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::lineage::Tree;
use lienthong_proto::quality::{Score, Seen};
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

use self::trouble::{Grounds, Troubles, stands};
use crate::app::Hub;
use crate::holds::Holds;
use crate::ledger::{ImportLine, RowCounts};
use crate::pki::{Contact, Enrolled, ReplicaState};

/// A connected node that is silent for longer than three heartbeats is silent.
pub(crate) const SILENT_MILLIS: u64 = 90_000;

/// One unit as operations see it.
#[derive(Debug, Clone)]
pub struct UnitStatus {
    /// Its code.
    pub unit: UnitCode,
    /// Its title.
    pub name: String,
    /// Whom to call there.
    pub contact: Option<Contact>,
    /// `online`, `silent`, `offline`, `never`, `stopped`, `revoked`.
    pub state: &'static str,
    /// Its replicas.
    pub replicas: Vec<ReplicaId>,
    /// Entries held of its active replicas.
    pub acknowledged: u64,
    /// Entries announced and not held.
    pub lag: Option<u64>,
    /// For how long it has lagged, at least.
    pub lag_seconds: Option<u64>,
    /// When it was last heard.
    pub last_seen: Option<UnixMillis>,
    /// Its last import.
    pub last_import: Option<ImportLine>,
    /// Records it owns.
    pub records: u64,
    /// The units it went into, if it has ended.
    pub successors: Vec<UnitCode>,
    /// Its changes in quarantine.
    pub quarantined: usize,
    /// Rules its records break; nothing until some were judged.
    pub defects: Option<u64>,
    /// What the hub can say it holds, as of its last signed heartbeat.
    pub holds: Option<Holds>,
    /// Why it needs a person, worst first.
    pub attention: Vec<String>,
    /// The same in English.
    pub attention_en: Vec<String>,
    /// How good its data is; nothing while it was never enrolled.
    pub score: Score,
    /// What of that is of no record.
    pub seen: Seen,
    /// When it was last heard, by whatever was kept of it.
    pub heard: Option<UnixMillis>,
    /// Those of its replicas that may call.
    active: Vec<ReplicaId>,
    /// The disk that is fullest among its active machines', by their own word.
    pub room: Option<Room>,
    /// How much: 4 stopped or contradicting, 3 not in step or about to stop, 2 work that piles up or soon will, 1 to be
    /// looked at, 0 nothing.
    pub severity: u8,
    /// Among equally severe ones, the more of it first.
    weight: u64,
}

impl UnitStatus {
    /// Those of its replicas that may call.
    pub fn active(&self) -> impl Iterator<Item = &ReplicaId> {
        self.active.iter()
    }

    fn to_json(&self) -> Json {
        json!({
            "unit": self.unit,
            "name": self.name,
            "contact": {
                "name": self.contact.as_ref().map(|contact| &contact.name),
                "phone": self.contact.as_ref().map(|contact| &contact.phone),
            },
            "state": self.state,
            "replicas": self.replicas,
            "acknowledged": self.acknowledged,
            "lag": self.lag,
            "lag_seconds": self.lag_seconds,
            "last_seen": self.last_seen.map(UnixMillis::rfc3339),
            "last_import": self.last_import.as_ref().map(ImportLine::to_json),
            "records": self.records,
            "successors": self.successors,
            "quarantined": self.quarantined,
            "defects": self.defects,
            "quality": quality_json(&self.score),
            "holds": self.holds.as_ref().map(Holds::to_json),
            "disk": self.room.map(|room| json!({
                "free_bytes": room.free_bytes, "total_bytes": room.total_bytes, "free_percent": room.free_percent(),
            })),
            "attention": self.attention,
            "attention_en": self.attention_en,
        })
    }
}

impl Hub {
    /// Every unit of the province but the province itself, worst first.
    #[must_use]
    pub fn units(&self) -> Vec<UnitStatus> {
        let mut replicas: BTreeMap<UnitCode, Vec<Enrolled>> = BTreeMap::new();
        for entry in self.registry.list() {
            replicas.entry(entry.unit.clone()).or_default().push(entry);
        }
        let totals = self.dataset.totals();
        let (tree, grounds) = (self.tree(), self.grounds());
        let known = tree.iter().filter(|unit| unit.kind != UnitKind::Province).map(|unit| &unit.code);
        // One that has ended is still looked after while it has nodes or records.
        let ended = tree.endings().map(|ending| &ending.unit.code);
        let ended = ended.filter(|unit| {
            replicas.contains_key(unit) || totals.by_unit.get(unit).is_some_and(|records| *records > 0)
        });
        let enrolled = |unit: &UnitCode| replicas.get(unit).map_or(&[][..], Vec::as_slice);
        let all: Vec<&UnitCode> = known.chain(ended).collect();
        let seen = |unit: &UnitCode| self.seen_of(unit, enrolled(unit), grounds.differing.contains_key(unit));
        let seen: BTreeMap<UnitCode, (Seen, Option<UnixMillis>)> =
            all.iter().map(|unit| ((*unit).clone(), seen(unit))).collect();
        let known = seen.iter().map(|(unit, (seen, _))| (unit.clone(), *seen)).collect();
        // What cannot be read is shown as not known.
        let quality = self.quality.overall(&known, self.quality.today()).unwrap_or_default();
        let status = |unit: &UnitCode| {
            let records = totals.by_unit.get(unit).copied().unwrap_or(0);
            let quality = quality.get(unit).copied().unwrap_or_default();
            let mut status = self.unit_status(unit, &tree, enrolled(unit), (records, quality), &grounds);
            (status.seen, status.heard) = seen.get(unit).copied().unwrap_or_default();
            status
        };
        let mut units: Vec<UnitStatus> = all.into_iter().map(status).collect();
        let rank = |unit: &UnitStatus| std::cmp::Reverse((unit.severity, unit.weight));
        units.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.unit.cmp(&b.unit)));
        units
    }

    fn unit_status(
        &self,
        unit: &UnitCode,
        tree: &Tree,
        enrolled: &[Enrolled],
        (records, quality): (u64, Overall),
        grounds: &Grounds,
    ) -> UnitStatus {
        let (now, mut troubles) = (self.now(), Troubles::default());
        let mut status = UnitStatus {
            unit: unit.clone(),
            name: tree.title(unit),
            contact: self.contacts.get(unit),
            state: "never",
            replicas: enrolled.iter().map(|entry| entry.replica).collect(),
            acknowledged: 0,
            lag: None,
            lag_seconds: None,
            last_seen: None,
            last_import: None,
            records,
            quarantined: grounds.waiting.get(unit).copied().unwrap_or(0),
            successors: Vec::new(),
            defects: quality.defects,
            holds: None,
            attention: Vec::new(),
            attention_en: Vec::new(),
            score: Score::default(),
            seen: Seen::default(),
            heard: None,
            active: enrolled.iter().filter(|entry| entry.is_active()).map(|entry| entry.replica).collect(),
            room: None,
            severity: 0,
            weight: 0,
        };
        let books = self.committer.books().read();
        for entry in enrolled {
            let held = books.replicas.get(&entry.replica);
            let size = held.map_or(0, |held| held.frontier.size());
            status.acknowledged += size;
            let import = held.and_then(|held| held.imports.last());
            if import.map(|import| import.at) > status.last_import.as_ref().map(|import| import.at) {
                status.last_import = import.cloned();
            }
            match &entry.state {
                ReplicaState::Fenced { .. } => {
                    status.last_seen = status.last_seen.max(self.seen(entry));
                    status.state = "stopped";
                    troubles.fenced();
                }
                ReplicaState::Revoked { .. } if status.state == "never" => status.state = "revoked",
                ReplicaState::Revoked { .. } => {}
                ReplicaState::Active => self.active(&mut status, &mut troubles, entry, size, now, grounds),
            }
        }
        drop(books);
        if grounds.differing.contains_key(unit) {
            troubles.differs();
        }
        if tree.ending(unit).is_some() {
            status.successors = tree.successors(unit);
            let to = status.successors.iter().map(UnitCode::as_str).collect::<Vec<_>>().join(", ");
            troubles.raise(1, format!("đã kết thúc, kế thừa: {to}"), format!("has ended, succeeded by {to}"));
        }
        let holds =
            enrolled.iter().filter_map(|entry| Some((self.last_heard(entry.replica), self.holds(entry)?)));
        status.holds = holds.max_by_key(|(heard, _)| *heard).map(|(_, holds)| holds);
        if !enrolled.is_empty() {
            status.score = quality.score;
            troubles.dirt(&status.score);
        }
        status.weight += status.quarantined as u64;
        troubles.quarantine(status.quarantined, grounds.arrived.get(unit).copied().unwrap_or(0));
        if let Some(RowCounts { read: rows, rejected, .. }) =
            status.last_import.as_ref().map(|import| import.rows).filter(|rows| rows.rejected > 0)
        {
            status.weight += rejected;
            let vi = format!("lần nhập gần nhất loại {rejected}/{rows} dòng");
            troubles.raise(1, vi, format!("its last import rejected {rejected}/{rows} rows"));
        }
        status.severity = troubles.severity();
        (status.attention, status.attention_en) = troubles.into_reasons();
        status
    }

    /// When a replica was last heard: before a restart is known only what was signed.
    fn seen(&self, entry: &Enrolled) -> Option<UnixMillis> {
        let live = self.live.get(entry.replica).and_then(|live| live.last_seen);
        live.max(self.heartbeats.get(entry.replica).map(|heartbeat| heartbeat.at))
    }

    fn active(
        &self,
        status: &mut UnitStatus,
        troubles: &mut Troubles,
        entry: &Enrolled,
        size: u64,
        now: UnixMillis,
        grounds: &Grounds,
    ) {
        let live = self.live.get(entry.replica).unwrap_or_default();
        let seen = self.seen(entry);
        status.last_seen = status.last_seen.max(seen);
        let quiet = seen.map_or(u64::MAX, |seen| now.since(seen));
        let state = match (live.streams > 0, quiet > SILENT_MILLIS) {
            (true, false) => "online",
            (true, true) => "silent",
            (false, _) => "offline",
        };
        if state != "online" {
            troubles.away(state == "silent");
        }
        // Another machine of the unit that was stopped is not made good by this one.
        if status.state != "stopped" {
            status.state = state;
        }
        status.lag = live.announced.map(|announced| announced.saturating_sub(size));
        status.lag_seconds = status.lag.map(|lag| if lag == 0 { 0 } else { quiet.min(now.0) / 1_000 });
        // A connected node that is just sending lags by what is on its way.
        if let Some(lag) = status.lag.filter(|lag| *lag > 0)
            && (state != "online" || stands(live.standing, size, now))
        {
            status.weight += lag;
            troubles.lag(lag);
        }
        if let Some(room) = live.room {
            troubles.room(room, &grounds.limits);
            let fullest = status.room.filter(|other| other.free_percent() <= room.free_percent());
            status.room = Some(fullest.unwrap_or(room));
        }
        if let Some(until) = self.observed.meters.certificate_until(entry.replica) {
            troubles.certificate(until, now, &grounds.limits);
        }
        if let Some(skew) = live.skew_millis {
            troubles.clock(skew);
        }
    }

    /// `hub status --json` of the command line's contract.
    #[must_use]
    pub fn status(&self) -> Json {
        let head = self.head();
        let totals = self.dataset.totals();
        let quarantined = self.committer.books().read().quarantine.len();
        let units: Vec<Json> = self.units().iter().map(UnitStatus::to_json).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "province": self.secrets.profile.province,
            "addresses": *self.addresses.read(),
            "ledger": { "size": head.size, "root": hex::encode(head.root) },
            "records": totals.records,
            "conflicts_open": totals.conflicts_open,
            "quarantined": quarantined,
            "succession": self.succession_json(),
            "witnessed": self.witnessing_json(),
            "failure": self.committer.failure().as_deref(),
            "alerts": self.alerts.to_json(),
            "at_rest": self.resealer.to_json(),
            "jobs": self.observed.jobs.to_json(),
            "units": units,
        })
    }
}
