//! What everything that reads foreign bytes must stand, whatever the bytes: one function for each decoder, importer, note,
//! proof, bundle, token and request.
//!
//! `tests/tests/fuzzed.rs` throws the corpus and seeded mutations of it at each; `cargo fuzz` (`tests/fuzz`) and
//! `cargo run -p lienthong-tests --bin fuzz` do the same for as long as is wanted. A target says more than "it does not
//! panic": what is accepted has one form and comes back as it was, and memory stays within a bound of the input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is the finding")]

mod backups;
mod batches;
mod captures;
mod catalogues;
mod changes;
mod disks;
mod doors;
mod mutate;
mod notes;
mod parts;
mod proofs;
mod texts;
mod wires;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

pub use mutate::Mutator;

/// One way in for foreign bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its folder in the corpus.
    pub name: &'static str,
    /// Takes the bytes; panics if a promise does not hold.
    pub run: fn(&[u8]),
    /// Good inputs to begin with, the same each time.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How much may be held at once while it runs.
    pub bound: Bound,
    /// Mutations of a run in the tests.
    pub rounds: u32,
}

/// Bytes that may be held at once: so many for each byte of the input, and so many whatever it is.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// For each byte of the input.
    pub each: usize,
    /// Whatever the input.
    pub base: usize,
}

impl Bound {
    /// What an input of this many bytes may have held.
    #[must_use]
    pub fn of(self, bytes: usize) -> usize {
        self.base + self.each * bytes
    }
}

/// All targets.
#[must_use]
pub fn targets() -> Vec<Target> {
    [
        changes::TARGETS,
        batches::TARGETS,
        parts::TARGETS,
        notes::TARGETS,
        proofs::TARGETS,
        wires::TARGETS,
        texts::TARGETS,
        catalogues::TARGETS,
        captures::TARGETS,
        disks::TARGETS,
        backups::TARGETS,
        doors::TARGETS,
    ]
    .concat()
}

/// Runs one target over one input.
///
/// # Panics
/// If there is no such target, or a promise does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = targets().into_iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("no target {name}")).run)(data);
}

/// Where the corpus is committed.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The committed inputs of a target, in the order of their names, and its seeds.
///
/// # Panics
/// If the corpus cannot be read.
#[must_use]
pub fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(corpus().join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut inputs: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    inputs.extend((target.seeds)());
    inputs
}

/// A target of a decoder of small things.
const fn small(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, bound: Bound { each: 64, base: 256 << 10 }, rounds: 4_000 }
}

/// What was read is written as the same bytes: there is no second form.
fn one_form<T, E>(read: Result<T, E>, write: impl FnOnce(&T) -> Vec<u8>, data: &[u8]) -> Option<T> {
    let read = read.ok()?;
    assert_eq!(write(&read), data, "a second form was accepted");
    Some(read)
}

static PANICKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Notes panics in the programs' own code, in whatever thread; those of the libraries, which a thread of its own contains,
/// say nothing. To be called once, before [`watched`].
pub fn watch() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let own = ["proto/src", "node/src", "hub/src"];
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if own.iter().any(|room| place.starts_with(room)) {
            PANICKED.lock().push(place);
        } else if !RUNNING.get() && place.starts_with("tests/") {
            usual(panic);
        }
    }));
}

/// Runs a target over an input.
///
/// # Errors
/// Why a promise does not hold: the panic's own words, and where it was in the programs' code if it was there.
pub fn watched(target: &Target, data: &[u8]) -> Result<(), String> {
    RUNNING.set(true);
    let ended = std::panic::catch_unwind(|| (target.run)(data));
    RUNNING.set(false);
    let place = PANICKED.lock().pop();
    let words = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    });
    match (place, words) {
        (None, None) => Ok(()),
        (place, words) => Err([place, words].into_iter().flatten().collect::<Vec<_>>().join(": ")),
    }
}
