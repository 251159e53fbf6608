//! Every reader of foreign bytes over the committed corpus and seeded mutations of it: no panic, one form, and memory within
//! a bound of the input (SAFETY T30). The targets are `lienthong_tests::fuzz`; `tests/fuzz` runs the same under libFuzzer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::hint::black_box;

use lienthong_tests::fuzz::{Mutator, Target, corpus, inputs, targets, watch, watched};
use parking_lot::Mutex;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HELD: PeakAlloc = PeakAlloc;

/// Memory is the whole process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Why an input is a finding, if it is one.
fn finding(target: &Target, data: &[u8]) -> Result<(), String> {
    HELD.reset_peak_usage();
    let before = HELD.current_usage();
    watched(target, data)?;
    let (held, bound) = (HELD.peak_usage().saturating_sub(before), target.bound.of(data.len()));
    if held > bound {
        return Err(format!("{held} bytes held at once for an input of {}, at most {bound}", data.len()));
    }
    Ok(())
}

/// Goal: whatever bytes come, each door keeps its promises. Method: each target over its corpus, then over mutations of it
/// from a fixed seed; what fails is written where it can be looked at, and belongs into the corpus once it is mended.
#[test]
fn t30_whatever_bytes_come_every_reader_keeps_its_promises() {
    let _one = ONE.lock();
    watch();
    let only = std::env::var("FUZZ_TARGET").ok();
    let mut found = Vec::new();
    for target in targets().iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)) {
        let inputs = inputs(target);
        // What is made once for all inputs is not the first one's.
        let _ = watched(target, &inputs[0]);
        let mut mutator = Mutator::new(33);
        let mutations = (0..target.rounds).map(|_| mutator.mutated(&inputs)).collect::<Vec<_>>();
        let mut failed = 0;
        for data in inputs.iter().chain(&mutations) {
            if let Err(why) = finding(target, data) {
                failed += 1;
                if failed <= 3 {
                    let path = std::env::temp_dir().join(format!("{}-{failed}", target.name));
                    std::fs::write(&path, data).unwrap();
                    found.push(format!("{}: {why} ({})", target.name, path.display()));
                }
            }
        }
        println!("{:<14} {:>6} inputs", target.name, inputs.len() + mutations.len());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Goal: the harness sees what it is for. Method: targets that panic, hold too much, and are good.
#[test]
fn a_finding_is_found() {
    let _one = ONE.lock();
    let target = |run: fn(&[u8])| Target { run, ..targets()[0] };
    assert!(finding(&target(|_| {}), b"x").is_ok());
    assert!(finding(&target(|data| assert_eq!(data.len(), 2)), b"x").is_err());
    let held = finding(&target(|data| drop(black_box(vec![data.len() as u8; 4 << 20]))), b"x");
    assert!(held.unwrap_err().contains("held at once"));
}

/// Goal: libFuzzer has the same targets, and each begins with something. Method: the manifest of `tests/fuzz`.
#[test]
fn each_target_has_its_corpus_and_its_program() {
    let _one = ONE.lock();
    let manifest = std::fs::read_to_string(corpus().parent().unwrap().join("Cargo.toml")).unwrap();
    let manifest: toml::Value = manifest.parse::<toml::Table>().unwrap().into();
    let programs: BTreeSet<&str> =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    let all = targets();
    assert_eq!(programs, all.iter().map(|target| target.name).collect());
    for target in &all {
        assert!(!inputs(target).is_empty(), "{} begins with nothing", target.name);
        let committed = std::fs::read_dir(corpus().join(target.name)).unwrap().count();
        assert!(committed > 0, "{} has no corpus", target.name);
    }
}
