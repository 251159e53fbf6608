//! Whether the hub does its work.

use lienthong_node::observe::Readiness;

use super::jobs;
use crate::app::Hub;

impl Hub {
    /// Whether the hub takes what nodes send, and if not, why.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut ready = Readiness::default();
        if self.stop.is_cancelled() {
            ready.say("STOPPING", "đang dừng", "it is stopping");
        }
        if self.superseded.is_cancelled() {
            ready.say(
                "OPENING_ANEW",
                "đang mở lại với danh mục mới",
                "it is opening anew with a new catalogue",
            );
        }
        if self.committer.failure().is_some() {
            ready.say("LEDGER_FAILED", "sổ cái không ghi được nữa", "the ledger takes no more writes");
        }
        // What else is stuck needs a person, and holds up no node.
        let vital = |name: &str| name == jobs::COMMITTER.name;
        for job in self.observed.jobs.states().iter().filter(|job| job.stalled && vital(job.spec.name)) {
            let name = job.spec.name;
            let (vi, en) = (format!("việc nền {name} không tiến triển"), format!("the job {name} is stuck"));
            ready.say("JOB_STALLED", vi, en);
        }
        ready
    }
}
