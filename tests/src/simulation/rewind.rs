//! The hub's disk is put back by an old image, and goes on from there as if nothing had been: another ledger under the
//! same key. Nobody who has seen the one may take the other for it (P6).

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use lienthong_hub::ledger::Witnesses;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;

use super::hub::Standing;
use super::node::{Fate, Node};
use super::parts::{Identity, Machine};
use super::world::World;

/// Rounds of a second that the other ledger grows.
const ROUNDS: u64 = 40;

/// What is kept of a hub.
pub(super) struct Image {
    machine: Machine,
    registry: BTreeMap<ReplicaId, (Identity, Standing)>,
}

/// How far a node had gone along with the ledger when its hub was put back.
struct Before {
    seen: u64,
    cosigned: usize,
    held: u64,
}

impl World {
    /// Keeps an image of the hub's disk; the last one counts.
    pub(super) fn image_hub(&mut self) -> anyhow::Result<()> {
        let dir = self.next_folder();
        let (machine, registry) = (self.hub.machine.copied(dir)?, self.hub.registry.clone());
        self.hub_image = Some(Image { machine, registry });
        self.note("hub imaged", format_args!(""));
        Ok(())
    }

    /// Puts the image back, lets everybody go on for a while, and looks who went along.
    ///
    /// # Errors
    /// If somebody cosigned two ledgers, or sent to one that is not the one known.
    pub(super) fn rewind(&mut self) -> anyhow::Result<()> {
        let Some(Image { machine, registry }) = self.hub_image.take() else { return Ok(()) };
        let witnessed = std::mem::take(&mut self.hub.witnessed);
        let policies = self.hub.witnesses().context("the hub is down")?;
        self.hub_down()?;
        (self.hub.machine, self.hub.registry) = (machine, registry);
        self.hub.shown.clear();
        self.hub_up()?;
        let kept = self.hub.head().context("the hub is down")?.size;
        let before: Vec<Before> = self.nodes.iter().map(|node| self.before(node)).collect();
        self.note("hub put back", format_args!("to {kept}"));
        for round in 0..ROUNDS {
            if round.is_multiple_of(8) {
                self.write();
            }
            self.second(round)?;
        }
        for (at, (node, before)) in self.nodes.iter().zip(&before).enumerate() {
            self.went_along(node, before, kept).with_context(|| format!("seen by node {at}"))?;
        }
        self.no_two_quorums(kept, &witnessed, &policies)
    }

    fn before(&self, node: &Node) -> Before {
        let seen = node.seen().map_or(0, |seen| seen.size);
        Before {
            seen,
            cosigned: node.cosigned.len(),
            held: self.hub.held(node.identity.replica).frontier.size(),
        }
    }

    /// A node that had seen more than the image has goes nowhere with it.
    fn went_along(&self, node: &Node, before: &Before, kept: u64) -> anyhow::Result<()> {
        let knows_more = before.seen > kept || node.receipt > before.held;
        if node.doubled || !knows_more || node.fate != Fate::Serving {
            return Ok(());
        }
        ensure!(node.cosigned.len() == before.cosigned, "it cosigned another ledger than the one it knew");
        let held = self.hub.held(node.identity.replica).frontier.size();
        ensure!(held == before.held, "it sent {} entries to another hub", held - before.held);
        if self.standing(node.identity.replica) == Some(Standing::Active) {
            ensure!(!node.refused.is_empty(), "it did not notice that its hub was put back");
        }
        Ok(())
    }

    /// Of the two ledgers one only has the quorum of the witnesses that both name, unless one of those is two machines.
    fn no_two_quorums(
        &self,
        kept: u64,
        one: &BTreeMap<u64, Digest>,
        policies: &Witnesses,
    ) -> anyhow::Result<()> {
        let other = self.hub.witnesses().context("the hub is down")?;
        let changed = |books: &Witnesses| books.policies.range(kept..).next().is_some();
        if self.nodes.iter().any(|node| node.doubled) || changed(policies) || changed(&other) {
            return Ok(());
        }
        let beyond = |heads: &BTreeMap<u64, Digest>| heads.range(kept + 1..).count();
        let (one, other) = (beyond(one), beyond(&self.hub.witnessed));
        ensure!(one == 0 || other == 0, "both ledgers were witnessed beyond {kept}: {one} and {other} times");
        Ok(())
    }
}
