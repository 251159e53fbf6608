//! What needs a person now, worked out from what the hub knows anyway.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::observe::{Room, last_backup};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::witness::FRESH_MILLIS;

use super::{Kind, Limits};
use crate::app::Hub;
use crate::ingest::QUARANTINE_MAX;
use crate::ledger::Grant;
use crate::pki::GUESSES_ALARM;
use crate::status::UnitStatus;

const HOUR_MILLIS: u64 = 3_600_000;
const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;
/// Machines have had time to move from one authority to the next.
const AUTHORITY_MILLIS: u64 = 30 * DAY_MILLIS;
/// A clock that is off by more is wrong.
const SKEW_MILLIS: u64 = 10 * 60 * 1_000;

/// Something that is the case now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is the matter.
    pub kind: Kind,
    /// With what: a unit's code, a job's name, `hub`.
    pub subject: String,
    /// Whose unit, if it is one's.
    pub unit: Option<UnitCode>,
    /// Why, in Vietnamese.
    pub vi: String,
    /// Why, in English.
    pub en: String,
}

impl Condition {
    /// What it is about, the same every time.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind.name(), self.subject)
    }

    fn hub(kind: Kind, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { kind, subject: "hub".to_owned(), unit: None, vi: vi.into(), en: en.into() }
    }

    fn unit(kind: Kind, unit: &UnitStatus, vi: &str, en: &str) -> Self {
        let (vi, en) = (format!("{}: {vi}", unit.name), format!("{}: {en}", unit.name));
        Self { kind, subject: unit.unit.to_string(), unit: Some(unit.unit.clone()), vi, en }
    }
}

/// How long each unit's holdings have stood still while it lags.
#[derive(Debug, Default)]
pub(super) struct Standing(BTreeMap<UnitCode, (u64, UnixMillis)>);

impl Standing {
    /// For how long nothing came of a unit that lags; nothing if something did, or it does not lag.
    fn still_millis(&mut self, unit: &UnitStatus, now: UnixMillis) -> Option<u64> {
        let connected = matches!(unit.state, "online" | "silent");
        if !connected || unit.lag.is_none_or(|lag| lag == 0) {
            self.0.remove(&unit.unit);
            return None;
        }
        let (held, since) = self.0.entry(unit.unit.clone()).or_insert((unit.acknowledged, now));
        if *held != unit.acknowledged {
            (*held, *since) = (unit.acknowledged, now);
        }
        Some(now.since(*since))
    }
}

impl Hub {
    /// What needs a person now.
    pub(super) fn conditions(&self, limits: &Limits, standing: &mut Standing) -> Vec<Condition> {
        let mut found = Vec::new();
        self.own_conditions(limits, &mut found);
        self.of_witnesses(&mut found);
        let arrived = self.quarantined_since(UnixMillis(self.now().0.saturating_sub(DAY_MILLIS)));
        let differing = self.observed.meters.differing();
        for unit in self.units() {
            self.conditions_of(&unit, limits, &mut found);
            let still = standing.still_millis(&unit, self.now());
            if still.is_some_and(|millis| millis >= limits.lag_seconds.saturating_mul(1_000)) {
                let lag = unit.lag.unwrap_or(0);
                let vi = format!("còn {lag} mục chưa về tỉnh, không giảm");
                let en = format!("{lag} entries are not held, and none comes");
                found.push(Condition::unit(Kind::Lag, &unit, &vi, &en));
            }
            let new = arrived.get(&unit.unit).copied().unwrap_or(0);
            if new > 0 || unit.quarantined * 5 >= QUARANTINE_MAX * 4 {
                let all = unit.quarantined;
                let vi = format!("{all} thay đổi chưa nhập được, thêm {new} trong 24 giờ");
                let en = format!("{all} changes in quarantine, {new} of them came within 24 hours");
                found.push(Condition::unit(Kind::Quarantine, &unit, &vi, &en));
            }
            if differing.contains_key(&unit.unit) {
                let (vi, en) =
                    ("máy xã giữ bản ghi khác bản tỉnh giữ", "its node holds other records than the hub");
                found.push(Condition::unit(Kind::Differs, &unit, vi, en));
            }
        }
        found
    }

    fn own_conditions(&self, limits: &Limits, found: &mut Vec<Condition>) {
        let now = self.now();
        if self.committer.failure().is_some() {
            let (vi, en) = ("sổ cái không ghi được nữa", "the ledger takes no more writes");
            found.push(Condition::hub(Kind::Ledger, vi, en));
        }
        for job in self.observed.jobs.states().into_iter().filter(|job| job.stalled) {
            let name = job.spec.name;
            let vi = format!("việc nền {name} không tiến triển: {}", job.spec.vi);
            let en = format!("the background job {name} is stuck: {}", job.spec.en);
            found.push(Condition { subject: name.to_owned(), ..Condition::hub(Kind::Job, vi, en) });
        }
        if let Some(free) =
            Room::of(&self.data).map(Room::free_percent).filter(|free| *free < limits.disk_percent)
        {
            let vi = format!("đĩa của máy chủ còn trống {free} %");
            found.push(Condition::hub(Kind::Disk, vi, format!("{free} % of the hub's disk is free")));
        }
        if let Some((vi, en)) = self.own_certificate_until().and_then(|until| ends(until, now, limits)) {
            let (vi, en) = (format!("chứng thư của máy chủ {vi}"), format!("the hub's certificate {en}"));
            found.push(Condition::hub(Kind::Certificate, vi, en));
        }
        if let Some((former, since)) = self.secrets.authorities.former()
            && now.since(since) >= AUTHORITY_MILLIS
        {
            let (count, number) = (self.waiting_for_authority().len(), former.number);
            let vi = format!("gốc chứng nhận {number} chưa nghỉ được: còn {count} máy dưới gốc đó");
            let en = format!("authority {number} is not retired: {count} machines hang on it");
            found.push(Condition {
                subject: "authority".to_owned(),
                ..Condition::hub(Kind::Certificate, vi, en)
            });
        }
        let oldest = self.observed.conflicts.oldest().map_or(0, |since| now.since(since));
        if oldest >= limits.conflict_seconds.saturating_mul(1_000) {
            let (open, days) = (self.dataset.totals().conflicts_open, oldest / DAY_MILLIS);
            let vi = format!("{open} xung đột đang mở, lâu nhất {days} ngày");
            let en = format!("{open} open conflicts, the oldest for {days} days");
            found.push(Condition::hub(Kind::Conflicts, vi, en));
        }
        if self.committer.books().read().succession.is_open() {
            let (vi, en) = (
                "máy chủ đã khôi phục, chưa ai xác nhận",
                "the hub was restored and nobody has confirmed it",
            );
            found.push(Condition::hub(Kind::Succession, vi, en));
        }
        self.of_backups(limits, found);
        self.of_guesses(found);
    }

    /// Tokens that wrong secrets locked, for as long as they would have been good; and an hour's wrong tokens of all.
    fn of_guesses(&self, found: &mut Vec<Condition>) {
        let now = self.now();
        let tokens = self.tokens.list();
        let locked = tokens.iter().filter(|token| token.is_guessed(now)).map(|token| &token.unit);
        for unit in locked.collect::<BTreeSet<_>>() {
            let name = self.tree().title(unit);
            found.push(Condition {
                kind: Kind::Guessing,
                subject: unit.to_string(),
                unit: Some(unit.clone()),
                vi: format!("{name}: mã ghi danh bị thử sai nhiều lần, đã khóa"),
                en: format!("{name}: its enrolment token was tried with wrong secrets and is locked"),
            });
        }
        let (wrong, sources) = self.tokens.guesses.of_late(now);
        if wrong >= GUESSES_ALARM {
            let vi = format!("{wrong} mã ghi danh sai từ {sources} địa chỉ trong giờ qua");
            let en = format!("{wrong} wrong enrolment tokens from {sources} addresses within the hour");
            found.push(Condition::hub(Kind::Guessing, vi, en));
        }
    }

    /// Without anything witnessed yet, age counts from the first witness: before it nobody could.
    fn of_witnesses(&self, found: &mut Vec<Condition>) {
        for refused in self.refusals.standing().values() {
            let (unit, name) = (refused.unit.clone(), self.tree().title(&refused.unit));
            let vi = format!("{name}: máy xã từ chối sổ cái này: {}", refused.reason);
            let en = format!("{name}: its node refuses this ledger: {}", refused.reason);
            found.push(Condition {
                kind: Kind::Refused,
                subject: unit.to_string(),
                unit: Some(unit),
                vi,
                en,
            });
        }
        if let Some(age) = self.unwitnessed_millis().filter(|age| *age > FRESH_MILLIS) {
            let hours = age / HOUR_MILLIS;
            let vi = format!("sổ cái chưa được đủ máy làm chứng trong {hours} giờ: không chia sẻ thêm");
            let en = format!("no quorum has witnessed the ledger for {hours} hours: nothing new is shared");
            found.push(Condition::hub(Kind::Unwitnessed, vi, en));
        }
    }

    /// Agencies that hold what is no longer so.
    pub(super) fn of_agencies(&self, owed: &[Grant], found: &mut Vec<Condition>) {
        for grant in owed {
            let (number, agency) = (grant.number, &grant.terms.agency);
            let known = self.committer.books().read().sharing.agencies.get(agency).cloned();
            let name = known.map_or_else(|| agency.to_string(), |known| known.name);
            let vi = format!("{name}: bản ghi đã giao theo giấy cấp quyền số {number} nay đã khác, chưa báo");
            let en = format!(
                "{name}: records handed over under grant {number} are otherwise now, it was not told"
            );
            found.push(Condition {
                subject: format!("grant-{number}"),
                ..Condition::hub(Kind::Untold, vi, en)
            });
        }
    }

    /// Without any backup, age counts from the first enrolment: before it there is nothing to lose.
    fn of_backups(&self, limits: &Limits, found: &mut Vec<Condition>) {
        let first = || self.registry.list().iter().map(|entry| UnixMillis(entry.enrolled_at)).min();
        let Some(since) = last_backup(&self.data).or_else(first) else { return };
        let age = self.now().since(since);
        if age >= limits.backup_seconds.saturating_mul(1_000) {
            let hours = age / HOUR_MILLIS;
            let vi = format!("chưa sao lưu trong {hours} giờ qua");
            found.push(Condition::hub(Kind::Backup, vi, format!("no backup for {hours} hours")));
        }
    }

    fn conditions_of(&self, unit: &UnitStatus, limits: &Limits, found: &mut Vec<Condition>) {
        let now = self.now();
        let mut say = |kind, vi: &str, en: &str| found.push(Condition::unit(kind, unit, vi, en));
        let quiet = unit.last_seen.map_or(0, |seen| now.since(seen));
        match unit.state {
            "stopped" => say(
                Kind::Fence,
                "nhật ký mâu thuẫn với bản tỉnh giữ; máy đã bị dừng",
                "its log contradicts what is held; the node is stopped",
            ),
            "silent" => say(Kind::Silent, "đang kết nối nhưng im lặng", "connected, and nothing is heard"),
            "offline" if quiet >= limits.away_seconds.saturating_mul(1_000) => {
                let hours = quiet / HOUR_MILLIS;
                say(Kind::Away, &format!("mất kết nối {hours} giờ"), &format!("away for {hours} hours"));
            }
            _ => {}
        }
        if let Some((vi, en)) = self.certificate_until(unit).and_then(|until| ends(until, now, limits)) {
            say(
                Kind::Certificate,
                &format!("chứng thư của máy {vi}"),
                &format!("its node's certificate {en}"),
            );
        }
        if let Some(free) = unit.room.map(Room::free_percent).filter(|free| *free < limits.disk_percent) {
            say(
                Kind::Disk,
                &format!("đĩa của máy còn trống {free} %"),
                &format!("{free} % of its node's disk is free"),
            );
        }
        if let Some(skew) = self.skew_millis(unit).filter(|skew| skew.unsigned_abs() > SKEW_MILLIS) {
            let minutes = skew / 60_000;
            let (vi, en) =
                (format!("đồng hồ máy lệch {minutes} phút"), format!("its clock is {minutes} minutes off"));
            say(Kind::Clock, &vi, &en);
        }
    }

    /// How many changes of each unit came into quarantine since then and are still there.
    pub(crate) fn quarantined_since(&self, since: UnixMillis) -> BTreeMap<UnitCode, usize> {
        let quarantine = std::sync::Arc::clone(&self.committer.books().read().quarantine);
        let mut counts = BTreeMap::new();
        for waiting in quarantine.values().filter(|waiting| waiting.accepted_at >= since) {
            *counts.entry(waiting.unit.clone()).or_default() += 1;
        }
        counts
    }
}

/// What is said of a certificate that ends too soon.
fn ends(until: UnixMillis, now: UnixMillis, limits: &Limits) -> Option<(String, String)> {
    let left = until.since(now);
    if left >= limits.certificate_seconds.saturating_mul(1_000) {
        return None;
    }
    let days = left / DAY_MILLIS;
    Some((format!("còn {days} ngày"), format!("ends in {days} days")))
}
