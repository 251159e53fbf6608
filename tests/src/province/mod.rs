//! The province over a simulated network, the product's own TLS, HTTP/2 and gRPC on it: hub and nodes are hosts of
//! [`turmoil`] in one thread, lines have a latency of their own for each message and are cut, either way or both,
//! held and given back, machines are killed and started again, by a plan drawn from a seed.
//!
//! What is the product's: the hub from the line that comes in to the ledger on the disk (handshakes and their bounds, client
//! certificates, services, sessions, intake, committer, judge, feed, quality, witnesses' rounds), enrolment, and the
//! node's client from its dial to its log, its evidence and its witness. What is not: the kernel's network; the engine of the view,
//! whose place memory takes, so that each start makes it again from the log; threads, in whose place writers have turns that take as long
//! as a disk; the page and the command line.
//!
//! First everybody enrols, over TLS. Then things go wrong while offices and the province write. Then all is well, but for
//! those who are cut off for good, and everybody must be in step in bounded time, and stay quiet; then the
//! ledger is read by nothing but the formats: no gap, nothing twice, the roots those that were accepted and signed; each
//! node that is reached has everything it acknowledged at the hub, and the records of its unit as the hub has them.
//!
//! Each run keeps a diary: dials, lines, acknowledgements, receipts, phases, cuts, heads, and every entry of the ledger,
//! each with its time and place. Its hash is equal in every process that is [steady]; TLS keys alone differ.

mod check;
mod hub;
mod node;
mod place;
mod plan;
pub mod steady;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_proto::hash::Digest;

use plan::Plan;
pub use plan::Scale;
use world::World;

use crate::simulation::Random;

/// When every run begins, seconds since 1970: November 2026.
pub(crate) const BEGIN_SECONDS: u64 = 1_795_000_000;

/// A hub's folder before anybody is enrolled; each run begins with a copy.
pub struct Template(tempfile::TempDir);

impl Template {
    /// Makes one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make() -> anyhow::Result<Self> {
        let folder = crate::simulation::folder()?;
        let names = vec![place::HUB.to_owned()];
        let options = InitOptions { province: "33".parse()?, domain: "hungyen.example".to_owned(), names };
        init(folder.path(), &options)?;
        Ok(Self(folder))
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of its diary.
    pub digest: Digest,
    /// Of every byte that passed the nodes' ends of their lines.
    pub wire: Digest,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Nodes.
    pub nodes: usize,
    /// Writes users were told are durable.
    pub acknowledged: u64,
    /// Entries of the ledger.
    pub ledger: u64,
    /// From all being well again to everybody being in step, by the simulated clock.
    pub in_step: Duration,
}

/// Runs a seed; what happened comes back by `trace`, if wanted.
///
/// # Errors
/// What the product broke.
pub fn run(
    template: &Template,
    seed: u64,
    scale: Scale,
    trace: Option<&mut Vec<String>>,
) -> anyhow::Result<Report> {
    place::begin(trace.is_some());
    let outcome = simulate(template, seed, scale);
    let mut diary = place::end();
    if let (Some(trace), Some(lines)) = (trace, diary.lines.take()) {
        *trace = lines;
    }
    let (nodes, ledger, acknowledged, in_step) = outcome.with_context(|| format!("seed {seed}"))?;
    let (digest, wire, counts) = (diary.digest, diary.wire, diary.counts);
    Ok(Report { digest, wire, counts, nodes, acknowledged, ledger, in_step })
}

fn simulate(template: &Template, seed: u64, scale: Scale) -> anyhow::Result<(usize, u64, u64, Duration)> {
    let mut random = Random::of(seed);
    let plan = Plan::of(&mut random, scale);
    let mut world = World::of(template, plan, &mut random)?;
    let in_step = world.run()?;
    let ledger = world.check()?;
    let acknowledged = world.nodes.iter().map(|node| node.acknowledged.borrow().len() as u64).sum();
    Ok((world.nodes.len(), ledger, acknowledged, in_step))
}
