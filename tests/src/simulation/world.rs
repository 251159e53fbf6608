//! The province: who there is, whose turn it is, what goes wrong; one thread, one order, fixed by the seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use lienthong_node::sync::Event;
use lienthong_proto::hash::{Digest, Signer as _, SigningKey, sha256};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::wire::sync as wire;
use prost::Message as _;

use super::faults::Faults;
use super::hub::{Hub, Said, Standing};
use super::line::{Line, Met, Parcel};
use super::node::{Fate, Node, Wish};
use super::parts::{Identity, Machine, Trusted, folder};
use super::random::{Random, set_salt};
use super::rewind::Image;
use super::work;

/// The communes.
const UNITS: [&str; 3] = ["11953", "12142", "12280"];
/// When it all begins: November 2026.
const BEGIN: u64 = 1_795_000_000_000;
/// Machines there ever are, clones and successors counted.
const NODES_MAX: usize = 12;

/// Everything.
pub(super) struct World {
    /// What the seed says.
    pub(super) random: Random,
    /// What goes wrong.
    pub(super) faults: Faults,
    /// The true time, milliseconds.
    pub(super) now: u64,
    /// The hub.
    pub(super) hub: Hub,
    /// The nodes, former ones too.
    pub(super) nodes: Vec<Node>,
    /// The communes.
    pub(super) units: Vec<UnitCode>,
    /// Every message, clock and fate so far.
    pub(super) digest: Digest,
    /// Each event as text, if wanted.
    pub(super) trace: Option<Vec<String>>,
    /// Steps before all is well.
    pub(super) steps: u64,
    /// How often what was done.
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) lines: BTreeMap<u64, Line>,
    images: BTreeMap<usize, Machine>,
    next_line: u64,
    folders: u64,
    /// What nodes are told of the hub.
    pub(super) trusted: Trusted,
    /// The hub's disk as it was once.
    pub(super) hub_image: Option<Image>,
    folder: tempfile::TempDir,
}

impl World {
    /// The province of a seed, everything well.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn of(seed: u64, faults: Option<Faults>, traced: bool) -> anyhow::Result<Self> {
        let mut random = Random::of(seed);
        set_salt(random.number());
        let drawn = Faults::draw(&mut random);
        let folder = folder()?;
        let cosigner = Arc::new(SigningKey::from_seed(&random.bytes())?);
        let public = cosigner.public_key();
        let machine = Machine::new(folder.path().join("hub"))?;
        let identity = Identity::new(&"33".parse()?, &mut random)?;
        let trusted = Trusted { cosigner: public, ledger: identity.ledger()? };
        let hub = Hub::new(identity, machine, cosigner);
        let units = UNITS.iter().map(|unit| unit.parse()).collect::<Result<Vec<UnitCode>, _>>()?;
        let mut world = Self {
            random,
            faults: faults.unwrap_or(drawn),
            now: BEGIN,
            hub,
            nodes: Vec::new(),
            units,
            digest: [0; 32],
            trace: traced.then(Vec::new),
            steps: 0,
            counts: BTreeMap::new(),
            lines: BTreeMap::new(),
            images: BTreeMap::new(),
            next_line: 0,
            folders: 0,
            trusted,
            hub_image: None,
            folder,
        };
        world.hub.open(BEGIN)?;
        let count = 2 + world.random.place(4);
        for number in 0..count {
            // The first have a unit each, the others share one.
            let unit = world.units.get(number % UNITS.len()).cloned();
            if let Some(unit) = unit {
                world.enrol(&unit)?;
            }
        }
        Ok(world)
    }

    /// Notes what happened.
    pub(super) fn note(&mut self, what: &'static str, more: std::fmt::Arguments<'_>) {
        *self.counts.entry(what).or_default() += 1;
        let mut line = String::new();
        let _ = write!(line, "{} {what} {more}", self.now);
        self.digest = sha256(&[&self.digest, line.as_bytes()]);
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    /// A new machine for a unit.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn enrol(&mut self, unit: &UnitCode) -> anyhow::Result<()> {
        let identity = Identity::new(unit, &mut self.random)?;
        self.hub.enter(&identity);
        self.hub_turn(false)?;
        if !self.hub.let_in(&identity) {
            return Ok(());
        }
        let machine = self.machine()?;
        let mut node = Node::new(identity, machine, self.trusted.clone());
        node.open(self.now)?;
        self.note("enrolled", format_args!("{} of {unit}", self.nodes.len()));
        self.nodes.push(node);
        Ok(())
    }

    /// A new machine.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn machine(&mut self) -> anyhow::Result<Machine> {
        let dir = self.next_folder();
        Machine::new(dir)
    }

    /// Where a disk's files go.
    pub(super) fn next_folder(&mut self) -> std::path::PathBuf {
        self.folders += 1;
        self.folder.path().join(self.folders.to_string())
    }

    /// Whether a unit lacks a machine that serves.
    fn lacks(&self, unit: &UnitCode) -> bool {
        !self.nodes.iter().any(|node| node.identity.unit == *unit && node.fate == Fate::Serving)
    }

    /// One thing happens.
    ///
    /// # Errors
    /// If something the product promises does not hold.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        self.now += self.random.below(200);
        if self.random.chance(15) {
            self.now += self.random.below(100_000);
        }
        let faults = self.faults;
        match self.random.below(100) {
            0..=29 => self.deliver_any()?,
            30..=49 => self.write(),
            50..=62 => self.node_turn_any(false)?,
            63..=72 => self.hub_turn(false)?,
            73..=76 => self.node_turn_any(true)?,
            77..=79 => self.hub_turn(true)?,
            80..=89 => self.tick_any(),
            _ => self.open_any()?,
        }
        self.network(&faults);
        self.harm(&faults)?;
        if self.random.chance(faults.steward) && self.hub.life.is_some() {
            let did = work::steward(&mut self.hub, &self.units, &mut self.random)?;
            self.note("steward", format_args!("{did}"));
        }
        if self.random.chance(faults.recover) {
            self.recover_any()?;
        }
        if self.random.chance(faults.rewind) && self.hub.life.is_some() {
            self.image_hub()?;
        }
        Ok(())
    }

    /// Whether there may be one machine more.
    pub(super) fn is_room(&self) -> bool {
        self.nodes.len() < NODES_MAX
    }

    /// One of the nodes that fit.
    pub(super) fn any_node(&mut self, fit: impl Fn(&Node) -> bool) -> Option<usize> {
        let fit: Vec<usize> =
            self.nodes.iter().enumerate().filter(|(_, node)| fit(node)).map(|(at, _)| at).collect();
        self.random.pick(&fit).copied()
    }

    /// Somebody writes.
    pub(super) fn write(&mut self) {
        let Some(at) = self.any_node(Node::writes) else { return };
        let Some(node) = self.nodes.get_mut(at) else { return };
        let known: Vec<_> = node.acknowledged.iter().map(|written| written.record).collect();
        let drafts = (0..=self.random.below(3))
            .map(|_| work::draft(&node.identity.unit, &known, &mut self.random))
            .collect();
        node.write(drafts);
        self.note("write", format_args!("{at}"));
    }

    fn node_turn_any(&mut self, due: bool) -> anyhow::Result<()> {
        match self.any_node(|node| node.life.is_some()) {
            Some(at) => self.node_turn(at, due),
            None => Ok(()),
        }
    }

    /// A node's writer has its turn.
    ///
    /// # Errors
    /// If what it was told is durable is not there.
    pub(super) fn node_turn(&mut self, at: usize, due: bool) -> anyhow::Result<()> {
        let random = self.random.number();
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let (wishes, goes_on) = node.turn(self.now, due, random);
        let head = node.head().unwrap_or_default();
        let told = node.acknowledged.len();
        self.note("node turn", format_args!("{at} {} {} {told}", head.size, hex::encode(head.root)));
        if goes_on {
            self.grant(at, wishes);
        } else {
            // A writer that ended takes nothing any more: somebody restarts the machine.
            let why = self.nodes.get(at).and_then(|node| node.life.as_ref()?.replica.failure());
            self.note("node failed", format_args!("{at} {why:?}"));
            self.node_down(at)?;
        }
        Ok(())
    }

    /// The hub's writer has its turn, then each session its say.
    ///
    /// # Errors
    /// If what it showed is not there.
    pub(super) fn hub_turn(&mut self, due: bool) -> anyhow::Result<()> {
        if self.hub.life.is_none() {
            return Ok(());
        }
        let goes_on = self.hub.turn(self.now, due);
        let head = self.hub.head().unwrap_or_default();
        self.note("hub turn", format_args!("{} {}", head.size, hex::encode(head.root)));
        // Sessions say what they were answered, whatever becomes of the writer behind it.
        for line in self.hub.lines() {
            let said = self.hub.say(line);
            self.told(line, said);
        }
        if !goes_on {
            let why = self.hub.life.as_ref().and_then(|life| life.committer.failure());
            self.note("hub failed", format_args!("{why:?}"));
            return self.hub_down();
        }
        Ok(())
    }

    fn told(&mut self, line: u64, said: Vec<Said>) {
        let mut fenced = false;
        for said in said {
            let Some(open) = self.lines.get_mut(&line) else { continue };
            match said {
                Said::Down(down) => {
                    fenced |= matches!(down.message, Some(wire::down::Message::Fenced(_)));
                    open.down.push_down(&down, &self.faults, &mut self.random);
                }
                Said::Ended => {
                    self.hub.hang_up(line);
                    if let Some(open) = self.lines.get_mut(&line) {
                        open.down.end(fenced, &mut self.random);
                        open.up.clear();
                    }
                }
            }
        }
    }

    /// Does what a node wants.
    pub(super) fn grant(&mut self, at: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            let Some(node) = self.nodes.get_mut(at) else { return };
            match wish {
                Wish::Dial => {
                    self.next_line += 1;
                    let former = node.line.replace(self.next_line);
                    self.leave(former);
                    self.lines.insert(self.next_line, Line::dialled(at));
                    self.note("dial", format_args!("{at}"));
                }
                Wish::HangUp => {
                    let line = node.line.take();
                    self.leave(line);
                }
                Wish::Say(up) => {
                    let line = node.line.and_then(|line| self.lines.get_mut(&line));
                    if let Some(line) = line {
                        let Met { lost, again, overtaken } =
                            line.up.push_up(&up, &self.faults, &mut self.random);
                        let met = [("lost", lost), ("sent again", again), ("overtaken", overtaken)];
                        for (what, often) in met.into_iter().filter(|(_, often)| *often > 0) {
                            *self.counts.entry(what).or_default() += often;
                        }
                    }
                }
            }
        }
    }

    /// A node's line brings nothing for now, or goes on.
    pub(super) fn clog(&mut self, at: usize, clogged: bool) {
        for line in self.lines.values_mut().filter(|line| line.node == at) {
            (line.up.clogged, line.down.clogged) = (clogged, clogged);
        }
    }

    /// A node leaves its line.
    fn leave(&mut self, line: Option<u64>) {
        let Some(line) = line.and_then(|line| self.lines.get_mut(&line)) else { return };
        line.node_on = false;
        line.down.clear();
        line.up.end(false, &mut self.random);
    }

    fn deliver_any(&mut self) -> anyhow::Result<()> {
        let ready: Vec<(u64, bool)> = self
            .lines
            .iter()
            .flat_map(|(line, open)| {
                [(*line, true, open.up.is_ready()), (*line, false, open.down.is_ready())]
            })
            .filter_map(|(line, up, ready)| ready.then_some((line, up)))
            .collect();
        for _ in 0..=self.random.below(3) {
            if let Some((line, up)) = self.random.pick(&ready).copied() {
                self.deliver(line, up)?;
            }
        }
        Ok(())
    }

    /// One parcel comes out of a line.
    ///
    /// # Errors
    /// If its bytes are no message.
    pub(super) fn deliver(&mut self, line: u64, up: bool) -> anyhow::Result<()> {
        let Some(open) = self.lines.get_mut(&line) else { return Ok(()) };
        let at = open.node;
        let busy = self.nodes.get(at).is_some_and(Node::is_feeding);
        if !up && (busy || !open.node_on) {
            return Ok(());
        }
        let Some(parcel) = (if up { open.up.pop() } else { open.down.pop() }) else { return Ok(()) };
        let random = self.random.number();
        let size = if let Parcel::Bytes(bytes) = &parcel { bytes.len() } else { 0 };
        self.note(if up { "up" } else { "down" }, format_args!("{at} on {line}: {size}"));
        if up {
            self.arrive(line, at, parcel)?
        } else {
            self.reach(at, random, parcel)?
        }
        let done = |open: &Line| !open.node_on && open.up.is_empty();
        if self.lines.get(&line).is_some_and(done) && !self.hub.lines().contains(&line) {
            self.lines.remove(&line);
        }
        Ok(())
    }

    /// Something reaches the hub.
    fn arrive(&mut self, line: u64, at: usize, parcel: Parcel) -> anyhow::Result<()> {
        match parcel {
            Parcel::Open => {
                let replica = self.nodes.get(at).map_or(ReplicaId([0; 16]), |node| node.identity.replica);
                let let_in = self.hub.answer(line, replica);
                let fenced = self.standing(replica) == Some(Standing::Fenced) && self.hub.life.is_some();
                if let Some(open) = self.lines.get_mut(&line) {
                    let parcel = if let_in { Parcel::Open } else { Parcel::End(fenced) };
                    open.down.push(parcel);
                }
            }
            Parcel::Bytes(bytes) => {
                let said = self.hub.hear(self.now, line, wire::Up::decode(bytes.as_slice())?);
                self.told(line, said);
            }
            Parcel::End(_) => {
                self.hub.hang_up(line);
            }
        }
        Ok(())
    }

    /// How a replica stands with the hub.
    #[must_use]
    pub(super) fn standing(&self, replica: ReplicaId) -> Option<Standing> {
        self.hub.registry.get(&replica).map(|(_, standing)| *standing)
    }

    /// Something reaches a node.
    fn reach(&mut self, at: usize, random: u64, parcel: Parcel) -> anyhow::Result<()> {
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let wishes = match parcel {
            Parcel::Open => node.event(self.now, random, Event::Connected),
            Parcel::Bytes(bytes) => node.hear(self.now, random, wire::Down::decode(bytes.as_slice())?),
            Parcel::End(true) => node.event(self.now, random, Event::Fenced),
            Parcel::End(false) => {
                let line = node.line.take();
                self.leave(line);
                match self.nodes.get_mut(at) {
                    Some(node) => node.event(self.now, random, Event::Lost),
                    None => Vec::new(),
                }
            }
        };
        self.grant(at, wishes);
        Ok(())
    }

    fn tick_any(&mut self) {
        if let Some(at) = self.any_node(|node| node.life.is_some()) {
            self.tick(at);
        }
    }

    /// A node looks at its clock.
    pub(super) fn tick(&mut self, at: usize) {
        let random = self.random.number();
        let Some(node) = self.nodes.get_mut(at).filter(|node| node.is_due(self.now)) else { return };
        let wishes = node.event(self.now, random, Event::Tick);
        self.note("tick", format_args!("{at}"));
        self.grant(at, wishes);
    }

    /// What is down is started.
    ///
    /// # Errors
    /// If it does not come back with everything it had told anybody.
    pub(super) fn open_any(&mut self) -> anyhow::Result<()> {
        if self.hub.life.is_none() && self.random.chance(400) {
            self.hub_up()?;
        }
        if let Some(at) = self.any_node(|node| node.life.is_none() && node.is_kept())
            && self.random.chance(500)
        {
            self.node_up(at)?;
        }
        // A unit whose machine is of no use gets another.
        let without = self.units.iter().find(|unit| self.lacks(unit)).cloned();
        if let Some(unit) = without.filter(|_| self.is_room() && self.hub.life.is_some())
            && self.random.chance(200)
        {
            self.enrol(&unit)?;
        }
        Ok(())
    }

    /// An image of a node's disk is kept, or put back.
    pub(super) fn image(&mut self, at: usize) -> anyhow::Result<Option<Machine>> {
        if let Some(image) = self.images.remove(&at) {
            return Ok(Some(image));
        }
        let dir = self.next_folder();
        let copied = self.nodes.get(at).map(|node| node.machine.copied(dir)).transpose()?;
        if let Some(copied) = copied {
            self.images.insert(at, copied);
        }
        Ok(None)
    }

    /// A second machine with the disk of the first.
    pub(super) fn double(&mut self, at: usize) -> anyhow::Result<()> {
        if !self.is_room() {
            return Ok(());
        }
        let dir = self.next_folder();
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        node.doubled = true;
        let (identity, machine) = (node.identity.clone(), node.machine.copied(dir)?);
        let mut twin = Node::new(identity, machine, self.trusted.clone());
        twin.doubled = true;
        twin.open(self.now)?;
        self.note("doubled", format_args!("{at} as {}", self.nodes.len()));
        self.nodes.push(twin);
        Ok(())
    }
}
