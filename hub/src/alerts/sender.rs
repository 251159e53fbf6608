//! Tells people, by each way apart: a mail server that hangs holds up no webhook.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::observe::{Beat, Job, JobSpec, Jobs};
use lienthong_proto::time::UnixMillis;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Alerts, Mail, Notice, Webhook, What};
use crate::observe::Meters;

/// Notices that may wait for one way.
const QUEUE: usize = 64;
/// One try may take so long.
const TRY: Duration = Duration::from_secs(15);
/// So many tries, then the notice is given up; the alert itself stays in the list.
const TRIES: u32 = 8;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

const WEBHOOK: JobSpec = JobSpec {
    name: "notifying_webhook",
    rhythm_seconds: 300,
    beat: Beat::WithWork,
    vi: "gửi cảnh báo tới webhook",
    en: "posts alerts to the webhook",
};
const MAIL: JobSpec = JobSpec {
    name: "notifying_mail",
    rhythm_seconds: 300,
    beat: Beat::WithWork,
    vi: "gửi cảnh báo qua thư điện tử",
    en: "mails alerts",
};

/// How people are told.
#[derive(Clone)]
pub enum Way {
    /// Posted.
    Webhook(Webhook),
    /// Mailed.
    Mail(Mail),
}

impl Way {
    fn spec(&self) -> JobSpec {
        match self {
            Self::Webhook(_) => WEBHOOK,
            Self::Mail(_) => MAIL,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    async fn tell(&self, notice: &Notice, province: &str, now: UnixMillis) -> Result<(), String> {
        let told = async {
            match self {
                Self::Webhook(webhook) => {
                    webhook.tell(notice, province, now).await.map_err(|e| e.to_string())
                }
                Self::Mail(mail) => mail.tell(notice, now).await.map_err(|e| e.to_string()),
            }
        };
        tokio::time::timeout(TRY, told).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// What the ways share.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) alerts: Arc<Alerts>,
    pub(super) meters: Arc<Meters>,
    pub(super) jobs: Jobs,
    pub(super) province: String,
    pub(super) clock: fn() -> UnixMillis,
    pub(super) stop: CancellationToken,
}

/// Tells people by all ways there are.
#[derive(Debug, Clone)]
pub struct Notifier {
    ways: Vec<(&'static str, mpsc::Sender<Notice>)>,
    meters: Arc<Meters>,
}

impl Notifier {
    /// Starts a task for each way; they end with the hub.
    pub(super) fn start(ways: Vec<Way>, office: &Office) -> Self {
        let meters = Arc::clone(&office.meters);
        let start = |way: Way| {
            let (sender, queue) = mpsc::channel(QUEUE);
            let (name, job) = (way.name(), office.jobs.register(way.spec()));
            meters.tells(name);
            tokio::spawn(Teller { way, job, office: office.clone() }.run(queue));
            (name, sender)
        };
        Self { ways: ways.into_iter().map(start).collect(), meters }
    }

    /// Hands a notice over, without waiting. Nobody is told what finds all places taken; it stays in the list.
    pub fn tell(&self, notice: &Notice) {
        for (name, way) in &self.ways {
            if way.try_send(notice.clone()).is_err() {
                self.meters.told(name, "dropped");
                tracing::error!(way = name, "too many alerts wait to be told: one is only in the list");
            }
        }
    }
}

struct Teller {
    way: Way,
    job: Arc<Job>,
    office: Office,
}

impl Teller {
    async fn run(self, mut queue: mpsc::Receiver<Notice>) {
        let stop = self.office.stop.clone();
        loop {
            let notice = tokio::select! {
                () = stop.cancelled() => return,
                notice = queue.recv() => notice,
            };
            let Some(notice) = notice else { return };
            self.job.begin();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.try_hard(&notice) => outcome,
            };
            self.office.meters.told(self.way.name(), outcome);
            if queue.is_empty() && outcome == "sent" {
                self.job.done();
            }
        }
    }

    async fn try_hard(&self, notice: &Notice) -> &'static str {
        for tried in 1..=TRIES {
            match self.way.tell(notice, &self.office.province, (self.office.clock)()).await {
                Ok(()) => {
                    self.job.progress();
                    if notice.what == What::Begun {
                        self.office.alerts.told(&notice.ids());
                    }
                    return "sent";
                }
                Err(reason) => {
                    self.job.failed();
                    tracing::warn!(way = self.way.name(), reason, tried, "an alert cannot be told");
                }
            }
            if tried < TRIES {
                tokio::time::sleep(wait(tried, rand::random())).await;
            }
        }
        tracing::error!(way = self.way.name(), "an alert was given up: it is only in the list");
        "failed"
    }
}

/// The wait behind a try: exponential, with jitter over its second half.
fn wait(tried: u32, random: u64) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << tried.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(half + random % half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_growing() {
        assert!((1_000..2_000).contains(&wait(1, 7_777).as_millis()));
        assert!(wait(3, 0) >= wait(1, 0) * 4);
        assert!(wait(40, u64::MAX) <= LONGEST_WAIT);
    }
}
