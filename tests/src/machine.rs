//! What the operating system says of processes: CPU seconds, memory, bytes on the loopback wire, disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Clock ticks a second in `/proc/PID/stat`: fixed by the kernel's interface on Linux.
const TICKS: f64 = 100.0;

/// CPU seconds of processes, user and system.
#[must_use]
pub fn cpu_seconds(pids: &[u32]) -> f64 {
    let ticks = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
        Some(number(11)? + number(12)?)
    };
    pids.iter().filter_map(ticks).sum::<f64>() / TICKS
}

/// Proportional memory of processes, MiB.
#[must_use]
pub fn pss_mib(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| field_kib(pid, "smaps_rollup", "Pss:")).sum::<f64>() / 1_024.0
}

/// The highest resident memory a process ever had, MiB.
#[must_use]
pub fn peak_rss_mib(pid: u32) -> f64 {
    field_kib(&pid, "status", "VmHWM:").unwrap_or(0.0) / 1_024.0
}

fn field_kib(pid: &u32, file: &str, field: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes the loopback device carried so far, all of this network namespace.
#[must_use]
pub fn wire_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Bytes a folder takes on disk.
#[must_use]
pub fn disk_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Percentiles of a sample.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Nine in ten are not above it.
    pub p90: f64,
    /// Nor ninety-nine in a hundred above this.
    pub p99: f64,
    /// The highest.
    pub max: f64,
    /// How many values there are.
    pub n: usize,
}

impl Percentiles {
    /// Of these values.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() as f64 * share) as usize;
            let value = values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0);
            (value * 1_000.0).round() / 1_000.0
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0), n: values.len() }
    }
}

/// The highest memory of processes while it watches.
#[derive(Debug)]
pub struct Peak {
    done: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<f64>,
}

impl Peak {
    /// Watches these processes from now on.
    #[must_use]
    pub fn watch(pids: Vec<u32>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let watcher = std::thread::spawn(move || {
            let mut peak = 0.0f64;
            loop {
                peak = peak.max(pss_mib(&pids));
                if stop.load(Ordering::Relaxed) {
                    return peak;
                }
                std::thread::park_timeout(Duration::from_millis(500));
            }
        });
        Self { done, watcher }
    }

    /// The highest, MiB, all of them together.
    #[must_use]
    pub fn end(self) -> f64 {
        self.done.store(true, Ordering::Relaxed);
        self.watcher.thread().unpark();
        self.watcher.join().unwrap_or(0.0)
    }
}

/// To two digits behind the point.
#[must_use]
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
