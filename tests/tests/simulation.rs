//! The whole province from seeds: promises hold under every schedule, and a seed fixes everything that happens.
#![allow(clippy::unwrap_used)]

use lienthong_tests::simulation::{Faults, run};

/// New schedules in each run of the tests: what an unoptimised build runs in about a minute on one core. More are a
/// command: `cargo run --release -p lienthong-tests --bin simulate -- --seeds 10000`.
const SEEDS: u64 = 40;
/// The kept ones: each once broke a promise.
const KEPT: &str = include_str!("../seeds.txt");

fn holds(seed: u64, faults: Option<Faults>) -> u64 {
    run(seed, faults, None).map(|report| report.acknowledged).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Runs in two threads what one would take long for; a schedule itself knows no threads.
fn hold(seeds: &[u64], faults: Option<Faults>) -> u64 {
    let (first, second) = seeds.split_at(seeds.len() / 2);
    let all = |seeds: &[u64]| seeds.iter().map(|seed| holds(*seed, faults)).sum::<u64>();
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| all(first));
        all(second) + beside.join().unwrap()
    })
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
