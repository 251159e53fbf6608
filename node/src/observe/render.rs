//! A node's numbers, as of now.

use lienthong_proto::time::UnixMillis;

use super::{Exposition, JobState, Metric, Readiness, Room, last_backup, names};
use crate::app::{Node, jobs};
use crate::sync::Phase;

impl Node {
    /// Whether this node does its work, and if not, why. Without a line it does: that is what it is for.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut ready = Readiness::default();
        if self.stop.is_cancelled() {
            ready.say("STOPPING", "đang dừng", "it is stopping");
        }
        if self.replica.failure().is_some() {
            ready.say("LOG_FAILED", "nhật ký không ghi được nữa", "the log takes no more writes");
        }
        if self.is_regressed() {
            let (vi, en) =
                ("nhật ký mâu thuẫn với tỉnh: chỉ đọc", "the log contradicts the hub's: read only");
            ready.say("REGRESSED", vi, en);
        }
        // What else is stuck needs a person, and keeps nobody from writing.
        let vital = |name: &str| name == jobs::JOURNAL.name;
        for job in self.jobs.states().iter().filter(|job| job.stalled && vital(job.spec.name)) {
            let name = job.spec.name;
            ready.say(
                "JOB_STALLED",
                format!("việc nền {name} không tiến triển"),
                format!("the job {name} is stuck"),
            );
        }
        ready
    }

    /// `online`, `offline`, `regressed` or `stopped`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        let phase = self.sync().map(|handle| handle.status().phase);
        match (self.is_regressed(), self.replica.failure(), phase) {
            (true, _, _) | (_, _, Some(Phase::Regressed)) => "regressed",
            (_, Some(_), _) => "stopped",
            (_, _, Some(Phase::Streaming)) => "online",
            _ => "offline",
        }
    }
}

/// All metrics of a node.
#[must_use]
pub fn render(node: &Node) -> String {
    let mut text = Exposition::default();
    text.many(&names::BUILD, [([env!("CARGO_PKG_VERSION").to_owned()], 1.0)]);
    text.one(&names::READY, f64::from(u8::from(node.readiness().is_ready())));
    text.many(&names::STATE, [([node.state().to_owned()], 1.0)]);
    log(node, &mut text);
    records(node, &mut text);
    machine(node, &mut text);
    captured(node, &mut text);
    background(node, &mut text);
    text.finish()
}

fn log(node: &Node, text: &mut Exposition) {
    let size = node.replica.head().borrow().size;
    let sync = node.sync().map(|handle| handle.status());
    let acknowledged = match &sync {
        Some(status) => status.acknowledged,
        None => node.evidence.last_receipt().map_or(0, |receipt| receipt.size),
    };
    text.one(&names::LOG, Exposition::number(size));
    text.one(&names::ACKNOWLEDGED, Exposition::number(acknowledged));
    text.one(&names::PENDING, Exposition::number(size.saturating_sub(acknowledged)));
    let heard = sync.as_ref().and_then(|status| status.last_sync);
    text.one(&names::LAST_SYNC, heard.map(|heard| Exposition::seconds(node.now().since(heard))));
    let alarm = sync.as_ref().is_some_and(|status| status.alarm.is_some() || status.unwitnessed.is_some());
    text.one(&names::ALARM, f64::from(u8::from(alarm)));
    let skew = sync.and_then(|status| status.skew_millis);
    text.one(&names::SKEW, skew.map(signed_seconds));
    let applied = node.replica.dataset().view().applied().ok().flatten().unwrap_or(0);
    text.one(&names::VIEW_BEHIND, Exposition::number(size.saturating_sub(applied)));
}

fn records(node: &Node, text: &mut Exposition) {
    text.one(&names::RECORDS, Exposition::number(node.replica.dataset().totals().records));
    let defects = node.quality.open_defects(node.identity.unit(), node.quality.today()).ok().flatten();
    text.one(&names::DEFECTS, defects.map(Exposition::number));
    text.one(&names::QUARANTINED, Exposition::number(node.quarantine_count()));
    text.one(&names::QUALITY_BEHIND, node.quality.behind().ok().map(Exposition::number));
}

fn machine(node: &Node, text: &mut Exposition) {
    let ends = node.identity.validity().map(|(_, until)| seconds_until(until, node.now()));
    text.one(&names::CERTIFICATE, ends);
    let room = Room::of(&node.data);
    text.one(&names::DISK_FREE, room.map(|room| Exposition::number(room.free_bytes)));
    text.one(&names::DISK_TOTAL, room.map(|room| Exposition::number(room.total_bytes)));
    let made = last_backup(&node.data);
    text.one(&names::BACKUP_AGE, made.map(|made| Exposition::seconds(node.now().since(made))));
}

fn captured(node: &Node, text: &mut Exposition) {
    let counts = node.captures.counts();
    let rows = counts.rows.iter().map(|(outcome, rows)| ([(*outcome).to_owned()], Exposition::number(*rows)));
    text.many(&names::IMPORT_ROWS, rows);
    let reasons = counts.reasons.iter().map(|(class, rows)| ([class.clone()], Exposition::number(*rows)));
    text.many(&names::IMPORT_FINDINGS, reasons);
    let inbox = node.inbox_status();
    let waiting = inbox.as_ref().map(|inbox| Exposition::number(inbox.waiting as u64));
    text.one(&names::INBOX_WAITING, waiting);
    let fault = inbox.map(|inbox| f64::from(u8::from(inbox.fault.is_some())));
    text.one(&names::INBOX_FAULT, fault);
}

fn background(node: &Node, text: &mut Exposition) {
    let metrics = [&names::JOB_PROGRESS, &names::JOB_STALLED, &names::JOB_FAILURES];
    text.jobs(metrics, &node.jobs.states(), node.now());
}

impl Exposition {
    /// Background jobs: since when each got on, whether it is stuck, how often it failed.
    pub fn jobs(
        &mut self,
        [progress, stalled, failures]: [&Metric; 3],
        states: &[JobState],
        now: UnixMillis,
    ) {
        let named = |value: &dyn Fn(&JobState) -> f64| -> Vec<([String; 1], f64)> {
            states.iter().map(|job| ([job.spec.name.to_owned()], value(job))).collect()
        };
        self.many(progress, named(&|job| Self::seconds(now.since(job.last_progress))));
        self.many(stalled, named(&|job| f64::from(u8::from(job.stalled))));
        self.many(failures, named(&|job| Self::number(job.failures)));
    }
}

/// Milliseconds that may lie on either side, as seconds.
#[must_use]
pub fn signed_seconds(millis: i64) -> f64 {
    let seconds = Exposition::seconds(millis.unsigned_abs());
    if millis < 0 { -seconds } else { seconds }
}

/// Seconds from now until then; below 0 once it is past.
#[must_use]
pub fn seconds_until(then: UnixMillis, now: UnixMillis) -> f64 {
    Exposition::seconds(then.since(now)) - Exposition::seconds(now.since(then))
}
