//! The register of background jobs: what each does, when it last got anywhere, and whether it is stuck.
//!
//! A job tells of itself as it goes: that it has work, that it did some (or looked and found none), that a try
//! failed. A failed try is no progress: a job that fails again and again is stuck however busily it does so. Nobody
//! has to watch: who asks for [`Jobs::states`] is told which job is stuck, and the watch over alerts asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_proto::time::UnixMillis;
use parking_lot::RwLock;
use serde_json::{Value as Json, json};

/// A job that did nothing for so many of its rounds is stuck.
const ROUNDS: u64 = 3;
/// Nobody is called before that, however quick a job's rounds are: a laden machine is no stuck job.
const PATIENCE_SECONDS_MIN: u64 = 60;

/// When a job is expected to get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Always: it looks for work by itself.
    Always,
    /// While it has work.
    WithWork,
}

/// What a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSpec {
    /// Its name in status, metrics and alerts.
    pub name: &'static str,
    /// How long a round of it takes at most, as a rule.
    pub rhythm_seconds: u64,
    /// When it is expected to get on.
    pub beat: Beat,
    /// What it does, in Vietnamese.
    pub vi: &'static str,
    /// What it does, in English.
    pub en: &'static str,
}

/// A job's own handle.
#[derive(Debug)]
pub struct Job {
    spec: JobSpec,
    clock: fn() -> UnixMillis,
    /// Since when it has work; 0 if it has none.
    working: AtomicU64,
    progress: AtomicU64,
    failures: AtomicU64,
}

impl Job {
    /// It has work from now on, if it had none.
    pub fn begin(&self) {
        let now = (self.clock)().0.max(1);
        let _ = self.working.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It did some of its work, or looked and found none to do.
    pub fn progress(&self) {
        self.progress.store((self.clock)().0, Ordering::Relaxed);
    }

    /// It has done all there was.
    pub fn done(&self) {
        self.progress();
        self.working.store(0, Ordering::Relaxed);
    }

    /// A try failed.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self, now: UnixMillis) -> JobState {
        let working = UnixMillis(self.working.load(Ordering::Relaxed));
        let progress = UnixMillis(self.progress.load(Ordering::Relaxed));
        let expected = self.spec.beat == Beat::Always || working.0 > 0;
        let patience = (self.spec.rhythm_seconds * ROUNDS).max(PATIENCE_SECONDS_MIN);
        JobState {
            spec: self.spec,
            last_progress: progress,
            works: working.0 > 0,
            stalled: expected && now.since(progress.max(working)) > patience * 1_000,
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobState {
    /// What it is.
    pub spec: JobSpec,
    /// When it last got on, or was begun.
    pub last_progress: UnixMillis,
    /// It said that it has work.
    pub works: bool,
    /// It should have got on and did not.
    pub stalled: bool,
    /// Tries that failed since the start.
    pub failures: u64,
}

impl JobState {
    /// As status shows it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let state = match (self.stalled, self.works || self.spec.beat == Beat::Always) {
            (true, _) => "stalled",
            (false, true) => "working",
            (false, false) => "idle",
        };
        json!({
            "name": self.spec.name, "state": state, "last_progress": self.last_progress.rfc3339(),
            "rhythm_seconds": self.spec.rhythm_seconds, "failures": self.failures,
            "vi": self.spec.vi, "en": self.spec.en,
        })
    }
}

/// All jobs of a program; cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    jobs: Arc<RwLock<Vec<Arc<Job>>>>,
    clock: fn() -> UnixMillis,
}

impl Jobs {
    /// None yet.
    #[must_use]
    pub fn new(clock: fn() -> UnixMillis) -> Self {
        Self { jobs: Arc::default(), clock }
    }

    /// One more; one of that name takes the place of the former.
    #[must_use]
    pub fn register(&self, spec: JobSpec) -> Arc<Job> {
        let now = AtomicU64::new((self.clock)().0);
        let (working, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        let job = Arc::new(Job { spec, clock: self.clock, working, progress: now, failures });
        let mut jobs = self.jobs.write();
        jobs.retain(|known| known.spec.name != spec.name);
        jobs.push(Arc::clone(&job));
        job
    }

    /// How each stands now.
    #[must_use]
    pub fn states(&self) -> Vec<JobState> {
        let now = (self.clock)();
        self.jobs.read().iter().map(|job| job.state(now)).collect()
    }

    /// The same as status shows it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.states().iter().map(JobState::to_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn job(beat: Beat) -> Arc<Job> {
        let spec = JobSpec { name: "x", rhythm_seconds: 30, beat, vi: "", en: "" };
        Jobs::new(|| NOW).register(spec)
    }

    fn after(seconds: u64) -> UnixMillis {
        UnixMillis(NOW.0 + seconds * 1_000)
    }

    /// Goal: a job is stuck when it should have got on and did not, and only then. Method: its state as of times
    /// to come, after each thing it can say of itself.
    #[test]
    fn a_job_is_stuck_only_while_it_should_get_on() {
        let looks = job(Beat::Always);
        assert!(!looks.state(after(90)).stalled, "three rounds are let pass");
        assert!(looks.state(after(91)).stalled);
        let waits = job(Beat::WithWork);
        assert!(!waits.state(after(1_000_000)).stalled, "it has nothing to do");
        waits.begin();
        assert!(waits.state(after(91)).stalled);
        waits.failed();
        assert!(waits.state(after(91)).stalled, "a failure is no progress");
        assert_eq!(waits.state(after(91)).failures, 1);
        waits.done();
        assert!(!waits.state(after(91)).stalled);
    }
}
