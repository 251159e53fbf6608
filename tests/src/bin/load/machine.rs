//! What the operating system says of processes: CPU seconds, memory, bytes on the loopback wire, disk.

use std::path::Path;

/// Clock ticks a second in `/proc/PID/stat`: fixed by the kernel's interface on Linux.
const TICKS: f64 = 100.0;

/// CPU seconds of processes, user and system.
pub(crate) fn cpu_seconds(pids: &[u32]) -> f64 {
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
pub(crate) fn pss_mib(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| field_kib(pid, "smaps_rollup", "Pss:")).sum::<f64>() / 1_024.0
}

/// The highest resident memory a process ever had, MiB.
pub(crate) fn peak_rss_mib(pid: u32) -> f64 {
    field_kib(&pid, "status", "VmHWM:").unwrap_or(0.0) / 1_024.0
}

fn field_kib(pid: &u32, file: &str, field: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes the loopback device carried so far, all of this network namespace.
pub(crate) fn wire_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Bytes a folder takes on disk.
pub(crate) fn disk_bytes(path: &Path) -> u64 {
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
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) n: usize,
}

impl Percentiles {
    /// Of these values.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() as f64 * share) as usize;
            let value = values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0);
            (value * 1_000.0).round() / 1_000.0
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0), n: values.len() }
    }
}
