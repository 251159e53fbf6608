//! Says by itself when a background job is stuck.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::JobState;
use crate::app::Node;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(15);
/// How often the end is looked for.
const STOP: Duration = Duration::from_millis(200);

/// Which jobs were said to be stuck.
#[derive(Debug, Default)]
struct Said(BTreeSet<&'static str>);

impl Said {
    /// The jobs that are stuck since the look before last: a clock set right makes any job look late for a moment.
    fn news(&mut self, late: &mut BTreeSet<&'static str>, states: &[JobState]) -> Vec<&'static str> {
        let stalled: BTreeSet<_> = states.iter().filter(|job| job.stalled).map(|job| job.spec.name).collect();
        self.0.retain(|name| stalled.contains(name));
        let news =
            stalled.intersection(late).filter(|name| !self.0.contains(**name)).copied().collect::<Vec<_>>();
        self.0.extend(&news);
        *late = stalled;
        news
    }
}

/// Looks until the node stops, on a thread apart from the runtime everything else shares.
///
/// # Errors
/// The operating system's, if it has no thread to give.
pub fn watch_jobs(node: &Arc<Node>) -> std::io::Result<()> {
    let (jobs, stop) = (node.jobs.clone(), node.stop.clone());
    let work = move || {
        let (mut said, mut late) = (Said::default(), BTreeSet::new());
        while !stop.is_cancelled() {
            for job in said.news(&mut late, &jobs.states()) {
                tracing::error!(job, "a background job is stuck: `status` says what it does");
            }
            let mut waited = Duration::ZERO;
            while waited < LOOK && !stop.is_cancelled() {
                std::thread::sleep(STOP);
                waited += STOP;
            }
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use lienthong_proto::time::UnixMillis;

    use super::*;
    use crate::observe::{Beat, JobSpec};

    fn state(stalled: bool) -> JobState {
        let spec = JobSpec { name: "x", rhythm_seconds: 1, beat: Beat::Always, vi: "", en: "" };
        JobState { spec, last_progress: UnixMillis(0), works: true, stalled, failures: 0 }
    }

    #[test]
    fn a_stuck_job_is_said_once_and_anew_when_it_is_stuck_anew() {
        let (mut said, mut late) = (Said::default(), BTreeSet::new());
        let mut look = |stalled| said.news(&mut late, &[state(stalled)]).len();
        let looks: Vec<usize> =
            [true, false, true, true, true, false, true, true].into_iter().map(&mut look).collect();
        assert_eq!(looks, [0, 0, 0, 1, 0, 0, 0, 1]);
    }
}
