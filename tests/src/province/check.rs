//! What must hold once everybody is in step: the ledger read entry by entry, then each node against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use lienthong_hub::app::Hub;
use lienthong_node::dataset::Payload;
use lienthong_proto::batch;
use lienthong_proto::checkpoint::SignedCheckpoint;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::merkle::{Frontier, root_at};

use super::agency::Deliveries;
use super::node::{NodePlace, Running};
use super::place::note;
use super::world::World;
use crate::simulation::marks;

/// What the ledger says.
#[derive(Default)]
struct Told {
    frontiers: BTreeMap<ReplicaId, Frontier>,
    dots: BTreeSet<Dot>,
    deliveries: Deliveries,
}

impl Told {
    /// Reads it by nothing but the formats, and notes each entry in the diary.
    fn of(hub: &Hub) -> anyhow::Result<Self> {
        let (mut told, mut own, head) = (Self::default(), Frontier::new(), hub.head());
        for frame in hub.reader.clone().scan(Sequence(0)) {
            let (_, frame) = frame?;
            ensure!(frame.first.0 == own.size(), "the ledger has a gap at {}", own.size());
            let plain;
            let (entries, packed) = match Payload::parse(&frame.payload)? {
                Payload::Entry(entry) => (vec![entry], None),
                Payload::Accepted { entry, packed } => (vec![entry], Some(packed)),
                Payload::Batch(packed) => {
                    plain = batch::unpack(packed)?;
                    (batch::entries(&plain)?, None)
                }
            };
            for bytes in entries {
                let entry = Entry::decode(bytes)?;
                ensure!(entry.header.dot.sequence.0 == own.size(), "an entry stands elsewhere");
                told.entry(hub, &entry, packed)?;
                own.push(entry.leaf_hash());
            }
        }
        ensure!((own.size(), own.root()) == (head.size, head.root), "the ledger's head is not its entries'");
        ensure!(root_at(hub.hashes.as_ref(), head.size) == Some(head.root), "the ledger's hashes are others");
        Ok(told)
    }

    fn entry(&mut self, hub: &Hub, entry: &Entry<'_>, packed: Option<&[u8]>) -> anyhow::Result<()> {
        let place = entry.header.dot.sequence.0;
        match entry.header.kind {
            EntryKind::Change => note("change", format_args!("{place} {}", hex::encode(entry.leaf_hash()))),
            EntryKind::Event => {
                let said = Event::of(entry)?;
                self.deliveries.hear(hub, place, &said)?;
                let Event { kind, at, actor, fields } = said;
                let mut said = String::new();
                for (name, value) in &fields {
                    let _ = write!(said, " {name}={value:?}");
                }
                note("event", format_args!("{place} {kind} {} {actor}{said}", at.0));
            }
            EntryKind::Acceptance => {
                let acceptance = Acceptance::of(entry)?;
                let packed = packed.context("an acceptance without its batch")?;
                self.accept(&acceptance, packed)?;
                signed(hub, &acceptance)?;
                note("acceptance", format_args!("{place} {acceptance:?}"));
            }
        }
        Ok(())
    }

    fn accept(&mut self, acceptance: &Acceptance, packed: &[u8]) -> anyhow::Result<()> {
        let replica = acceptance.replica;
        let frontier = self.frontiers.entry(replica).or_default();
        ensure!(frontier.size() == acceptance.first.0, "{replica}: accepted with a gap, or twice");
        for bytes in batch::entries(&batch::unpack(packed)?)? {
            let entry = Entry::decode(bytes)?;
            let dot = entry.header.dot;
            ensure!(dot == Dot { replica, sequence: Sequence(frontier.size()) }, "{replica}: out of place");
            ensure!(self.dots.insert(dot), "{dot:?} was accepted twice");
            frontier.push(entry.leaf_hash());
        }
        ensure!(frontier.size() == acceptance.size, "{replica}: another size than was accepted");
        ensure!(frontier.root() == acceptance.root, "{replica}: another root than was accepted");
        Ok(())
    }
}

/// What was accepted stands under a checkpoint that its replica signed.
fn signed(hub: &Hub, acceptance: &Acceptance) -> anyhow::Result<()> {
    let enrolled = hub.registry.get(acceptance.replica).context("nobody enrolled it")?;
    let origin = hub.secrets.origin(&enrolled.unit, acceptance.replica);
    let key = enrolled.log_public().context("it has no key")?;
    let signed = SignedCheckpoint::verify(acceptance.checkpoint.as_bytes(), &origin, key)?;
    let said = signed.checkpoint();
    ensure!((said.size, said.root) == (acceptance.size, acceptance.root), "accepted as nobody signed");
    Ok(())
}

impl World {
    /// Checks everything; how many entries the ledger has.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self) -> anyhow::Result<u64> {
        let hub = self.hub().context("the hub is down")?;
        let told = Told::of(&hub)?;
        for node in self.reachable() {
            let running = node.running().context("it does not run")?;
            let (size, root) = held(&told, &running);
            let head = running.head();
            let who = node.who;
            ensure!((size, root) == (head.size, head.root), "the hub holds {size} of {who}'s {}", head.size);
            keeps_its_word(node, &running, size).with_context(|| format!("node {who}"))?;
            let (here, there) = (marks(running.dataset(), &node.unit)?, marks(&hub.dataset, &node.unit)?);
            ensure!(here == there, "node {who} has {} records, the hub {}", here.len(), there.len());
        }
        let granted = self.nodes.iter().find_map(|node| node.running()?.granted);
        let (views, _) = granted.context("the agency does not run")?;
        told.deliveries.check(&hub, &views)?;
        for node in self.lost() {
            let running = node.running().context("it does not run")?;
            let (size, root) = held(&told, &running);
            let (who, own) = (node.who, running.root_at(size));
            ensure!(size == 0 || own == Some(root), "the hub holds another log than {who}'s");
            keeps_its_word(node, &running, u64::MAX).with_context(|| format!("node {who}"))?;
        }
        Ok(hub.head().size)
    }
}

/// What the ledger has of a node: how many entries, and their root.
fn held(told: &Told, running: &Running) -> (u64, Digest) {
    let none = Frontier::new();
    let frontier = told.frontiers.get(&running.replica).unwrap_or(&none);
    (frontier.size(), frontier.root())
}

/// What its users were told is durable is in its log, and below `held`; and no receipt speaks of more.
fn keeps_its_word(node: &NodePlace, running: &Running, held: u64) -> anyhow::Result<()> {
    let size = running.head().size;
    for written in node.acknowledged.borrow().iter() {
        ensure!(written.sequence < size.min(held), "{written:?} is lost: {size} here, {held} at the hub");
    }
    let receipt = running.evidence.last_receipt().map_or(0, |receipt| receipt.size);
    ensure!(receipt <= held && receipt <= size, "a receipt over {receipt} of {held}");
    let waits = running.dataset().unflushed();
    ensure!(waits <= 32 * 8 + 64, "{waits} records wait for the view");
    Ok(())
}
