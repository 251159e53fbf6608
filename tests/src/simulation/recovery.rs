//! A machine whose log is fenced or damaged goes on as a new replica: it takes back what the hub has of its unit, and
//! writes again what only its old log had; the power may be cut meanwhile.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, ensure};
use lienthong_hub::rpc::refill_piece;
use lienthong_node::at_rest::KeyRing;
use lienthong_node::dataset::Payload;
use lienthong_node::log::{self, Disk, HashFile, salvage};
use lienthong_node::recover::{Refilled, write_again};
use lienthong_node::replica::Journal;
use lienthong_proto::batch;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::wire::sync as wire;

use super::hub::Hub;
use super::node::{Fate, Node};
use super::parts::{Identity, Machine, catalogue, journal_options};
use super::random::{clock, set_clock};
use super::world::World;

/// Tries in which the power may be cut.
const CUT_TRIES: u64 = 3;

impl Hub {
    /// Every batch it accepted of a unit's replicas, in the ledger's order.
    fn pieces(&self, identity: &Identity) -> anyhow::Result<Vec<wire::RefillPiece>> {
        let life = self.life.as_ref().context("the hub is down")?;
        let (replicas, quarantine) = {
            let books = life.committer.books().read();
            let own = books.replicas.iter().filter(|(_, held)| held.unit == identity.unit);
            let replicas: HashSet<ReplicaId> = own.map(|(replica, _)| *replica).collect();
            (replicas, std::sync::Arc::clone(&books.quarantine))
        };
        let mut pieces = Vec::new();
        for frame in life.reader.clone().scan(Sequence(0)) {
            let (_, frame) = frame?;
            let stands = (quarantine.as_ref(), &life.dataset);
            pieces.extend(refill_piece(&replicas, stands, &frame.payload)?.map(|(_, piece)| piece));
        }
        Ok(pieces)
    }
}

/// The leaves of a log that can still be read, by place.
fn leaves(machine: &Machine, replica: ReplicaId) -> anyhow::Result<BTreeMap<u64, Digest>> {
    let mut frames = Vec::new();
    salvage(&machine.dir, &KeyRing::default(), &mut |frame| frames.push(frame))?;
    let mut leaves = BTreeMap::new();
    for frame in frames {
        let plain;
        let entries = match Payload::parse(&frame.payload)? {
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
            Payload::Batch(packed) => {
                plain = batch::unpack(packed)?;
                batch::entries(&plain)?
            }
        };
        for bytes in entries {
            let entry = Entry::decode(bytes)?;
            if entry.header.dot.replica == replica {
                leaves.insert(entry.header.dot.sequence.0, entry.leaf_hash());
            }
        }
    }
    Ok(leaves)
}

/// One try; how many changes it wrote again.
fn go_on(
    (identity, machine): (&Identity, &Machine),
    pieces: &[wire::RefillPiece],
    (former, old): (ReplicaId, &Machine),
) -> anyhow::Result<u64> {
    let dir = &machine.dir;
    let log = log::open(dir, identity.replica, Disk::over(std::sync::Arc::clone(&machine.disk) as _))?;
    let hashes = HashFile::open(dir, log.writer.next_sequence().0)?;
    let view = std::sync::Arc::clone(&machine.view);
    let mut refilled = Refilled::new(identity.unit.clone());
    let (author, options) = (identity.author(), journal_options(false));
    let mut journal =
        Journal::open(log.writer, log.reader, hashes, view, catalogue()?, author, options, &mut refilled)?;
    machine.disk.rebase(dir)?;
    refilled.recall(journal.reader())?;
    for piece in pieces {
        refilled.take(&mut journal, piece, clock())?;
        journal.commit()?;
        if journal.wants_flush() {
            journal.flush()?;
        }
    }
    let mut rewritten = 0;
    write_again(&mut journal, &mut refilled, (former, &old.dir, &KeyRing::default()), &mut rewritten)?;
    journal.commit()?;
    journal.flush()?;
    journal.write_anchor()?;
    Ok(rewritten)
}

impl World {
    /// A machine whose log is of no use any more goes on as a new replica, which the province has approved.
    ///
    /// # Errors
    /// If it does not get on, or lacks what its users were told is durable.
    pub(super) fn recover(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(node) = self.nodes.get(at) else { return Ok(()) };
        let (former, fate) = (node.identity.replica, node.fate);
        let identity = Identity::new(&node.identity.unit.clone(), &mut self.random)?;
        self.hub.enter(&identity);
        self.hub_turn(false)?;
        if !self.hub.let_in(&identity) {
            return Ok(());
        }
        self.hang_up(at);
        let mut machine = self.machine()?;
        let pieces = self.hub.pieces(&identity)?;
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        node.fate = Fate::Replaced;
        let leaves = leaves(&node.machine, former)?;
        let mut inherited = Vec::new();
        for written in &node.acknowledged {
            let leaf = leaves.get(&written.sequence);
            ensure!(leaf.is_some() || fate == Fate::Damaged, "node {at}: {} is gone", written.sequence);
            let dot = Dot { replica: former, sequence: Sequence(written.sequence) };
            inherited.extend(leaf.map(|leaf| (dot, *leaf)));
        }
        let mut tries = 0;
        let rewritten = loop {
            set_clock(machine.now(self.now).0);
            let cut = tries < CUT_TRIES && self.random.chance(400);
            if cut {
                machine.disk.cut_after(self.random.below(60));
            }
            match go_on((&identity, &machine), &pieces, (former, &node.machine)) {
                Ok(rewritten) => break rewritten,
                Err(_) if cut => machine.crash(&mut self.random)?,
                Err(error) => return Err(error.context(format!("node {at} is not recovered"))),
            }
            tries += 1;
        };
        machine.disk.mend();
        let mut new = Node::new(identity, machine, self.trusted.clone());
        new.inherited = inherited;
        new.open(self.now)?;
        let number = self.nodes.len();
        self.note(
            "recovered",
            format_args!("{at} as {number}: {rewritten} written again after {tries} cuts"),
        );
        if rewritten > 0 {
            *self.counts.entry("written again").or_default() += rewritten;
        }
        self.nodes.push(new);
        self.keeps_its_word(number)
    }

    /// One whose log is of no use any more, if there is one and it may go on.
    pub(super) fn recover_any(&mut self) -> anyhow::Result<()> {
        let lost = |node: &Node| matches!(node.fate, Fate::Regressed | Fate::Damaged);
        match self.any_node(lost) {
            Some(at) if self.is_room() && self.hub.life.is_some() => self.recover(at),
            _ => Ok(()),
        }
    }
}
