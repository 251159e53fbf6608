//! The whole province from seeds: promises hold under every schedule, and a seed fixes everything that happens.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lienthong_tests::simulation::{Faults, conflict, run};

/// New schedules in each run of the tests. More are a command:
/// `cargo run --release -p lienthong-tests --bin simulate -- --seeds 1000000 --threads 2 --out tests/reports/simulate.txt`.
const SEEDS: u64 = 1_500;
/// The kept ones: each once broke a promise.
const KEPT: &str = include_str!("../seeds.txt");

/// Runs schedules on every core until one fails; a schedule itself knows no threads. Returns what was acknowledged.
fn hold(seeds: &[u64], faults: Option<Faults>) -> u64 {
    let (next, acknowledged, failed) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(None));
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            match run(*seed, faults, None) {
                Ok(report) => {
                    acknowledged.fetch_add(report.acknowledged, Ordering::Relaxed);
                }
                Err(error) => {
                    next.store(seeds.len(), Ordering::Relaxed);
                    *failed.lock().unwrap() = Some(format!("{error:#}"));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    if let Some(error) = failed.into_inner().unwrap() {
        panic!("{error}");
    }
    acknowledged.into_inner()
}

#[test]
fn t01_t03_nothing_acknowledged_is_lost_and_everybody_is_in_step_again() {
    let seeds: Vec<u64> = (100_000..100_000 + SEEDS).collect();
    assert!(hold(&seeds, None) > 20 * SEEDS, "the schedules hardly write");
}

#[test]
fn kept_seeds_hold() {
    let number = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    let seeds: Vec<u64> = KEPT.lines().filter(|line| !line.starts_with('#')).filter_map(number).collect();
    assert!(!seeds.is_empty());
    hold(&seeds, None);
}

#[test]
fn t02_a_storm_of_duplicates_changes_nothing() {
    hold(&[1, 2, 3, 4], Some(Faults::storm()));
}

#[test]
fn t05_the_same_seed_twice_is_the_same_to_the_byte() {
    for seed in [7, 1_033] {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let before = run(seed, None, Some(&mut first)).unwrap();
        let again = run(seed, None, Some(&mut second)).unwrap();
        assert!(first == second, "the events of seed {seed} differ");
        assert_eq!(before, again);
    }
}

#[test]
fn t18_each_of_eight_values_is_shown_until_it_is_decided_and_the_decision_reaches_everybody() {
    for k in 2..=8 {
        conflict(u64::try_from(k).unwrap(), k).unwrap_or_else(|error| panic!("{k} at once: {error:#}"));
    }
}
