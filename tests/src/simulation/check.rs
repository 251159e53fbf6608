//! What must hold: at every return from a crash, and of everything at the end (SAFETY: checkers after heal).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use lienthong_node::dataset::{Dataset, Payload};
use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context};
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::merkle::{Frontier, root_at};
use lienthong_proto::reconcile::Mark;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;

use super::hub::Standing;
use super::node::{Fate, Node};
use super::witnessing::roots_at;
use super::world::World;

/// A write that was merged.
struct Merged {
    change: Change,
    proposal: bool,
}

/// What the ledger says, read entry by entry by nothing but the formats.
#[derive(Default)]
struct Told {
    /// Of each replica: the leaves that were accepted, in order.
    leaves: BTreeMap<ReplicaId, Vec<Digest>>,
    frontiers: BTreeMap<ReplicaId, Frontier>,
    merged: Vec<Merged>,
    /// By place in the ledger.
    waiting: BTreeMap<(u64, u16), Change>,
    /// The next number of a record type, by replica.
    numbers: BTreeMap<(ReplicaId, String), u64>,
    dots: BTreeSet<Dot>,
    /// What was written again of a log that could not go on: by whom, and what it was.
    again: BTreeSet<(ReplicaId, Dot)>,
}

impl Told {
    fn of(world: &World) -> anyhow::Result<Self> {
        let life = world.hub.life.as_ref().context("the hub is down")?;
        let head = world.hub.head().context("the hub is down")?;
        let (mut told, mut own) = (Self::default(), Frontier::new());
        for frame in life.reader.clone().scan(Sequence(0)) {
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
                let sequence = own.size();
                ensure!(entry.header.dot.sequence.0 == sequence, "the ledger's {sequence} stands elsewhere");
                own.push(entry.leaf_hash());
                match entry.header.kind {
                    EntryKind::Change => told.merge(Change::of(&entry)?, false)?,
                    EntryKind::Event => told.event(&Event::of(&entry)?)?,
                    EntryKind::Acceptance => {
                        let packed = packed.context("an acceptance without its batch")?;
                        let acceptance = Acceptance::of(&entry)?;
                        signed(world, &acceptance)?;
                        told.accept(sequence, &acceptance, packed)?;
                    }
                }
            }
        }
        ensure!((own.size(), own.root()) == (head.size, head.root), "the ledger's head is not its entries'");
        ensure!(
            root_at(life.hashes.as_ref(), head.size) == Some(head.root),
            "the ledger's hashes are others"
        );
        Ok(told)
    }

    fn accept(&mut self, place: u64, acceptance: &Acceptance, packed: &[u8]) -> anyhow::Result<()> {
        let replica = acceptance.replica;
        let frontier = self.frontiers.entry(replica).or_default();
        ensure!(frontier.size() == acceptance.first.0, "{replica}: accepted with a gap, or twice");
        let leaves = self.leaves.entry(replica).or_default();
        let plain = batch::unpack(packed)?;
        let mut applied = Vec::new();
        for (index, bytes) in (0u16..).zip(batch::entries(&plain)?) {
            let entry = Entry::decode(bytes)?;
            let dot = entry.header.dot;
            ensure!(dot == Dot { replica, sequence: Sequence(frontier.size()) }, "{replica}: out of place");
            frontier.push(entry.leaf_hash());
            leaves.push(entry.leaf_hash());
            if entry.header.kind != EntryKind::Change {
                continue;
            }
            let change = Change::of(&entry)?;
            if let Some(origin) = change.origin {
                ensure!(self.again.insert((replica, origin)), "{origin:?} was written again twice");
            }
            match acceptance.verdicts.get(&index) {
                None | Some(Verdict::Applied) => applied.push((change, false)),
                Some(Verdict::Proposal) => applied.push((change, true)),
                Some(Verdict::Quarantined(_)) => {
                    self.waiting.insert((place, index), change);
                }
            }
        }
        ensure!(frontier.size() == acceptance.size, "{replica}: another size than was accepted");
        ensure!(frontier.root() == acceptance.root, "{replica}: another root than was accepted");
        applied.into_iter().try_for_each(|(change, proposal)| self.merge(change, proposal))
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        if event.kind == "release" {
            let place = number("ledger_index").zip(number("place")).context("a release of nothing")?;
            let waiting = self.waiting.remove(&(place.0, u16::try_from(place.1)?));
            let proposal = event.fields.get("proposal") == Some(&Value::Boolean(true));
            self.merge(waiting.context("released twice")?, proposal)?;
        }
        Ok(())
    }

    fn merge(&mut self, change: Change, proposal: bool) -> anyhow::Result<()> {
        ensure!(self.dots.insert(change.dot), "{:?} was merged twice", change.dot);
        self.merged.push(Merged { change, proposal });
        Ok(())
    }

    /// Numbers of a type have no gap in a replica's log, quarantined changes counted.
    fn numbered(&mut self) -> anyhow::Result<()> {
        let mut all: Vec<&Change> = self.merged.iter().map(|merged| &merged.change).collect();
        all.extend(self.waiting.values());
        all.sort_by_key(|change| change.dot);
        for change in all {
            let key = (change.dot.replica, change.record_type.clone());
            let next = self.numbers.entry(key).or_insert(change.number);
            ensure!(*next == change.number, "{:?} has number {}, not {next}", change.dot, change.number);
            *next += 1;
        }
        Ok(())
    }

    /// What must be live of each record, path by path: whatever nothing that was merged has seen.
    fn live(&self) -> BTreeMap<(RecordId, &str), BTreeSet<Dot>> {
        type Written<'a> = Vec<(Dot, &'a Context, bool)>;
        let mut written: BTreeMap<(RecordId, &str), Written<'_>> = BTreeMap::new();
        for Merged { change, proposal } in &self.merged {
            for write in &change.writes {
                let place = written.entry((change.record, write.path.as_str())).or_default();
                place.push((change.dot, &write.context, *proposal));
            }
        }
        let heads = |all: Written<'_>| {
            let live = all.iter().filter(|(dot, _, proposed)| {
                let covers = |(other, context, proposal): &(Dot, &Context, bool)| {
                    let own = other.replica == dot.replica;
                    if *proposal {
                        // Of a replica's proposals the last stands.
                        return *proposed && own && other > dot;
                    }
                    other != dot && context.covers(dot) && !(own && other < dot)
                };
                !all.iter().any(covers)
            });
            live.map(|(dot, ..)| *dot).collect()
        };
        written.into_iter().map(|(place, all)| (place, heads(all))).collect()
    }
}

/// What was accepted stands under a checkpoint that its replica signed.
fn signed(world: &World, acceptance: &Acceptance) -> anyhow::Result<()> {
    let (identity, _) = world.hub.registry.get(&acceptance.replica).context("nobody enrolled it")?;
    let note = acceptance.checkpoint.as_bytes();
    let signed = SignedCheckpoint::verify(note, &identity.origin(), identity.public())?;
    let Checkpoint { size, root, .. } = signed.checkpoint();
    ensure!((*size, *root) == (acceptance.size, acceptance.root), "accepted as its replica never signed");
    Ok(())
}

impl World {
    /// A node that came back has everything its users were told, and what the hub has of it is its own.
    pub(super) fn keeps_its_word(&self, at: usize) -> anyhow::Result<()> {
        let Some(node) = self.nodes.get(at) else { return Ok(()) };
        let head = node.head().context("it does not run")?;
        for written in &node.acknowledged {
            ensure!(written.sequence < head.size, "node {at} lost {} of {}", written.sequence, head.size);
        }
        ensure!(node.root_at(head.size) == Some(head.root), "node {at}: its leaf hashes are not its log's");
        Ok(())
    }

    /// The hub that came back unsays nothing.
    pub(super) fn hub_keeps_its_word(&self) -> anyhow::Result<()> {
        let life = self.hub.life.as_ref().context("it does not run")?;
        let roots = roots_at(life.hashes.as_ref(), self.hub.shown.keys().copied());
        for (size, root) in &self.hub.shown {
            ensure!(roots.get(size) == Some(root), "the hub unsays its head at {size}");
        }
        Ok(())
    }

    /// Everything, once all is well again.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.hub_keeps_its_word()?;
        let mut told = Told::of(self)?;
        told.numbered()?;
        let life = self.hub.life.as_ref().context("the hub is down")?;
        self.witnessed_holds(life.hashes.as_ref())?;
        let hub = &life.dataset;
        self.records_hold_every_head(&told, hub)?;
        for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.life.is_some()) {
            self.keeps_its_word(at)?;
            self.held_is_its_own(node, &told).with_context(|| format!("node {at}"))?;
            inherits(node, &told).with_context(|| format!("node {at}"))?;
            self.same_records(node, hub).with_context(|| format!("node {at}"))?;
            self.is_bounded(node).with_context(|| format!("node {at}"))?;
        }
        Ok(())
    }

    /// The hub shows of every record just what nothing has seen: no head dropped, none that was settled.
    fn records_hold_every_head(&self, told: &Told, hub: &Dataset) -> anyhow::Result<()> {
        let live = told.live();
        let mut shown = BTreeMap::new();
        for record_type in hub.types()? {
            for (record, state) in hub.page(&record_type, None, usize::MAX)? {
                for (path, register) in &state.registers {
                    let dots: BTreeSet<Dot> = register.siblings.iter().map(|sibling| sibling.dot).collect();
                    shown.insert((record, path.clone()), dots);
                }
            }
        }
        for ((record, path), heads) in &live {
            let found = shown.remove(&(*record, (*path).to_owned())).unwrap_or_default();
            ensure!(found == *heads, "{record} {path}: shows {found:?}, not {heads:?}");
        }
        if let Some(((record, path), _)) = shown.into_iter().find(|(_, dots)| !dots.is_empty()) {
            bail!("{record} {path}: nobody wrote that");
        }
        Ok(())
    }

    /// What the ledger has of a node is what the node has; and everything, if nothing happened to it for good.
    fn held_is_its_own(&self, node: &Node, told: &Told) -> anyhow::Result<()> {
        let replica = node.identity.replica;
        let none = Vec::new();
        let leaves = told.leaves.get(&replica).unwrap_or(&none);
        let head = node.head().unwrap_or_default();
        let mut held = Frontier::new();
        leaves.iter().for_each(|leaf| held.push(*leaf));
        let honest = !node.doubled && node.fate == Fate::Serving;
        if honest {
            ensure!(self.standing(replica) == Some(Standing::Active), "it was fenced for nothing");
            ensure!(
                (held.size(), held.root()) == (head.size, head.root),
                "the hub holds {} of its {} entries",
                held.size(),
                head.size
            );
        }
        if !node.doubled && held.size() <= head.size {
            ensure!(node.root_at(held.size()) == Some(held.root()), "the hub holds another log than it has");
        }
        ensure!(node.doubled || node.receipt <= held.size(), "the hub unsays a receipt");
        if honest {
            let last = node.acknowledged.iter().map(|written| written.sequence).max();
            ensure!(last.is_none_or(|last| last < held.size()), "something acknowledged is not at the hub");
        }
        Ok(())
    }

    /// A node that serves holds its unit's records just as the hub does.
    fn same_records(&self, node: &Node, hub: &Dataset) -> anyhow::Result<()> {
        if node.fate != Fate::Serving || self.standing(node.identity.replica) != Some(Standing::Active) {
            return Ok(());
        }
        let Some(life) = &node.life else { return Ok(()) };
        let unit = &node.identity.unit;
        let (here, there) = (marks(life.replica.dataset(), unit)?, marks(hub, unit)?);
        let dataset = life.replica.dataset();
        for record in here.keys().chain(there.keys()) {
            let (own, held) = (registers(dataset, *record)?, registers(hub, *record)?);
            ensure!(
                here.get(record) == there.get(record),
                "{record} of {unit} is not as at the hub: {own:?} here, {held:?} there"
            );
        }
        Ok(())
    }

    /// What waits in memory stays within its bounds.
    fn is_bounded(&self, node: &Node) -> anyhow::Result<()> {
        let waits = node.life.as_ref().map_or(0, |life| life.replica.dataset().unflushed());
        ensure!(waits <= 6 * 8 + 64, "{waits} records wait for the view");
        Ok(())
    }
}

/// What users were told by the replica in whose place a node goes on is at the hub: as it was, or written again.
fn inherits(node: &Node, told: &Told) -> anyhow::Result<()> {
    if node.doubled || node.fate != Fate::Serving {
        return Ok(());
    }
    for (dot, leaf) in &node.inherited {
        let place = usize::try_from(dot.sequence.0).unwrap_or(usize::MAX);
        let held = told.leaves.get(&dot.replica).and_then(|leaves| leaves.get(place));
        let again = told.again.contains(&(node.identity.replica, *dot));
        ensure!(held == Some(leaf) || again, "{dot:?} of the log before it is not at the hub");
    }
    Ok(())
}

/// A record's live changes, path by path, for people.
fn registers(dataset: &Dataset, record: RecordId) -> anyhow::Result<Vec<String>> {
    let state = dataset.state("dang_vien", record)?;
    let registers = state.iter().flat_map(|state| &state.registers);
    let dot = |dot: Dot| {
        let source = state.as_ref().and_then(|state| state.sources.get(&dot));
        let how = source.map(|source| (source.proposal, source.states_owner.clone()));
        format!("{}:{} {how:?}", dot.replica, dot.sequence)
    };
    let shown = registers.map(|(path, register)| {
        let dots: Vec<String> = register.siblings.iter().map(|sibling| dot(sibling.dot)).collect();
        format!("{path}: {}", dots.join(", "))
    });
    Ok(shown.collect())
}

/// The marks of a unit's records.
///
/// # Errors
/// If they cannot be read.
pub(crate) fn marks(dataset: &Dataset, unit: &UnitCode) -> anyhow::Result<BTreeMap<RecordId, Mark>> {
    let mut marks = BTreeMap::new();
    for record_type in dataset.types()? {
        for (record, state) in dataset.page(&record_type, None, usize::MAX)? {
            if state.firm_owner() == Some(unit) {
                marks.insert(record, state.mark(&record_type, record));
            }
        }
    }
    Ok(marks)
}
