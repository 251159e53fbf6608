//! What goes wrong with lines, disks, clocks and machines; and that what comes back has everything it had promised.

use anyhow::{Context as _, ensure};

use super::faults::Faults;
use super::hub::Standing;
use super::line::Line;
use super::node::{Fate, Node, Opened};
use super::world::World;

/// A year, milliseconds.
const YEAR: i64 = 365 * 24 * 3_600 * 1_000;

impl World {
    /// Lines stop, go on and break.
    pub(super) fn network(&mut self, faults: &Faults) {
        let lines: Vec<u64> = self.lines.keys().copied().collect();
        let Some(line) = self.random.pick(&lines).copied() else { return };
        let (stops, goes_on, up) =
            (self.random.chance(faults.clog), self.random.chance(100), self.random.chance(500));
        let breaks = self.random.chance(faults.cut);
        let Some(open) = self.lines.get_mut(&line) else { return };
        let pipe = if up { &mut open.up } else { &mut open.down };
        if stops {
            *self.counts.entry("line stopped").or_default() += 1;
            pipe.clogged = true;
        } else if goes_on {
            pipe.clogged = false;
        }
        if breaks {
            open.down.end(false, &mut self.random);
            open.up.end(false, &mut self.random);
            self.note("line broken", format_args!("{line}"));
        }
    }

    /// Machines are harmed.
    ///
    /// # Errors
    /// If the product then breaks a promise.
    pub(super) fn harm(&mut self, faults: &Faults) -> anyhow::Result<()> {
        if self.random.chance(faults.hub_crash) && self.hub.life.is_some() {
            if self.random.chance(500) {
                self.hub.machine.disk.cut_after(self.random.below(8));
            } else {
                self.hub_down()?;
            }
        }
        let Some(at) = self.any_node(Node::is_kept) else { return Ok(()) };
        if self.random.chance(faults.node_crash) {
            let calls = self.random.below(8);
            let sudden = self.random.chance(500);
            match self.nodes.get_mut(at) {
                Some(node) if node.life.is_some() && !sudden => node.machine.disk.cut_after(calls),
                Some(node) if node.life.is_some() => self.node_down(at)?,
                _ => {}
            }
        }
        if self.random.chance(faults.full) {
            let calls = self.random.below(6);
            if let Some(node) = self.nodes.get_mut(at) {
                node.machine.disk.full_after(calls);
            }
            self.note("disk full", format_args!("{at}"));
        }
        if self.random.chance(faults.clock) {
            self.set_clock_wrong(at);
        }
        if self.random.chance(faults.flip) {
            self.flip(at)?;
        }
        if self.random.chance(faults.regress) {
            self.regress(at)?;
        }
        if self.random.chance(faults.double)
            && self.nodes.get(at).is_some_and(|node| node.fate == Fate::Serving)
        {
            self.double(at)?;
        }
        if self.random.chance(faults.revoke) {
            self.revoke(at);
        }
        Ok(())
    }

    /// A clock is set: by seconds, hours, years, or to 1970; the hub's, too.
    fn set_clock_wrong(&mut self, at: usize) {
        let sign = if self.random.chance(500) { 1 } else { -1 };
        let amount = i64::try_from(self.random.below(1_000_000)).unwrap_or(0);
        let skew = match self.random.below(5) {
            0 => sign * amount,
            1 => sign * amount * 100,
            2 => sign * (10 * YEAR - amount),
            3 => -i64::try_from(self.now).unwrap_or(0),
            _ => 0,
        };
        let hub = self.random.chance(200);
        if hub {
            self.hub.machine.skew = skew;
        } else if let Some(node) = self.nodes.get_mut(at) {
            node.machine.skew = skew;
        }
        self.note("clock", format_args!("{at} {hub} {skew}"));
    }

    /// The power of a node is cut.
    pub(super) fn node_down(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let line = node.line.take();
        node.stop();
        node.machine.crash(&mut self.random)?;
        if let Some(open) = line.and_then(|line| self.lines.get_mut(&line)) {
            drop_end(open, &mut self.random);
        }
        self.note("node down", format_args!("{at}"));
        Ok(())
    }

    /// A node comes back: everything its users were told is there.
    pub(super) fn node_up(&mut self, at: usize) -> anyhow::Result<()> {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let opened = node.open(now).with_context(|| format!("node {at} does not open"))?;
        ensure!(opened == Opened::Runs, "node {at}: a power cut damaged its log");
        self.note("node up", format_args!("{at}"));
        self.keeps_its_word(at)
    }

    /// The power of the hub is cut.
    pub(super) fn hub_down(&mut self) -> anyhow::Result<()> {
        let lines = self.hub.lines();
        self.hub.stop();
        self.hub.machine.crash(&mut self.random)?;
        for line in lines {
            if let Some(open) = self.lines.get_mut(&line) {
                open.up.clear();
                open.down.end(false, &mut self.random);
            }
        }
        self.note("hub down", format_args!(""));
        Ok(())
    }

    /// The hub comes back, with everything it had shown anybody.
    pub(super) fn hub_up(&mut self) -> anyhow::Result<()> {
        self.hub.open(self.now).context("the hub does not open")?;
        self.note("hub up", format_args!(""));
        self.hub_keeps_its_word()
    }

    /// A node is stopped as it should be, a bit of one of its files turns, it is started.
    fn flip(&mut self, at: usize) -> anyhow::Result<()> {
        let kind = self.random.below(4);
        // Behind a power cut the last second has no anchor yet: there a turned bit cannot be told from a torn write.
        if !self.close(at)? {
            return Ok(());
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let names = |name: &str| match kind {
            0 | 1 => name.starts_with("hashes."),
            2 => name == "anchor",
            _ => std::path::Path::new(name).extension().is_some_and(|end| end == "seg"),
        };
        let flipped = node.machine.flip(&names, &mut self.random)?.unwrap_or_default();
        let opened = node.open(self.now).with_context(|| format!("node {at}, a bit of {flipped} turned"))?;
        self.note("bit flipped", format_args!("{at} {flipped} {opened:?}"));
        if opened == Opened::Runs {
            return self.keeps_its_word(at).with_context(|| format!("a bit of {flipped} turned"));
        }
        ensure!(kind == 3, "node {at}: a bit of {flipped} made its log unreadable");
        Ok(())
    }

    /// A node that runs is stopped as it should be; whether it was.
    fn close(&mut self, at: usize) -> anyhow::Result<bool> {
        for _ in 0..2 {
            if self.nodes.get(at).is_none_or(|node| node.life.is_none()) {
                return Ok(false);
            }
            self.node_turn(at, true)?;
        }
        let closes = self.nodes.get(at).is_some_and(|node| node.life.is_some() && !node.is_feeding());
        if closes {
            self.hang_up(at);
        }
        Ok(closes)
    }

    /// A node ends, and leaves its line; nothing happens to what it has written.
    pub(super) fn hang_up(&mut self, at: usize) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let line = node.line.take();
        node.stop();
        node.machine.disk.mend();
        if let Some(open) = line.and_then(|line| self.lines.get_mut(&line)) {
            drop_end(open, &mut self.random);
        }
    }

    /// A node's disk is kept, or replaced by what was kept of it.
    fn regress(&mut self, at: usize) -> anyhow::Result<()> {
        if self.nodes.get(at).is_none_or(|node| node.fate != Fate::Serving) {
            return Ok(());
        }
        let Some(image) = self.image(at)? else { return Ok(()) };
        self.node_down(at)?;
        let now = self.now;
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        node.machine = image;
        node.doubled = true;
        let opened = node.open(now)?;
        ensure!(opened == Opened::Runs, "an image of node {at} does not open");
        let size = node.head().map_or(0, |head| head.size);
        node.acknowledged.retain(|written| written.sequence < size);
        self.note("regressed", format_args!("{at} to {size}"));
        Ok(())
    }

    fn revoke(&mut self, at: usize) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let replica = node.identity.replica;
        if let Some((_, standing @ Standing::Active)) = self.hub.registry.get_mut(&replica) {
            *standing = Standing::Revoked;
            for node in self.nodes.iter_mut().filter(|node| node.identity.replica == replica) {
                if node.fate == Fate::Serving {
                    node.fate = Fate::Revoked;
                }
            }
            self.note("revoked", format_args!("{at}"));
        }
    }
}

fn drop_end(open: &mut Line, random: &mut super::random::Random) {
    open.node_on = false;
    open.down.clear();
    open.up.end(false, random);
}
