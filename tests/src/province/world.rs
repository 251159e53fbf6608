//! The province on its simulated network: enrolled, harmed by plan, healed, and watched until everybody is in step.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use lienthong_hub::app::Hub;
use lienthong_hub::pki::{InitOptions, Role, init};
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use turmoil::{Builder, Sim};

use super::agency;
use super::hub::{self, HubPlace, SECOND};
use super::node::{self, NodePlace, Running, catalogue};
use super::place::{HUB, clock, count, note, panics, set_elapsed};
use super::plan::{Harm, Plan, Whom};
use crate::simulation::Random;

/// Within this everybody must be enrolled, nothing being wrong.
const ENROLLED_MAX: Duration = Duration::from_secs(120);
/// Within this everybody must be in step once all is well: a dead line is given up after a silence, a refused dial tried
/// again after the longest wait, and the hub lets a session of a dead line go.
const IN_STEP_MAX: Duration = Duration::from_secs(180);
/// So long without any news shows that nothing goes on for ever.
const QUIET: Duration = Duration::from_secs(10);

/// Everything.
pub(super) struct World {
    sim: Sim<'static>,
    plan: Plan,
    /// The hub.
    pub(super) hub: Rc<HubPlace>,
    /// The nodes.
    pub(super) nodes: Vec<Rc<NodePlace>>,
    harms: Vec<Option<Harm>>,
    hub_down: bool,
    _folder: tempfile::TempDir,
}

/// What a node is called.
fn name(node: usize) -> String {
    format!("node-{node}")
}

impl World {
    /// The province of a plan; nothing runs yet.
    ///
    /// # Errors
    /// If its folders cannot be made.
    pub(super) fn of(plan: Plan, random: &mut Random) -> anyhow::Result<Self> {
        let folder = crate::simulation::folder()?;
        let data = folder.path().join("hub");
        let names = vec![HUB.to_owned()];
        init(&data, &InitOptions { province: "33".parse()?, domain: "hungyen.example".to_owned(), names })?;
        let catalogue = catalogue()?;
        let of_kind = |unit: &&lienthong_proto::catalogue::Unit| unit.kind != UnitKind::Province;
        let mut units: Vec<UnitCode> =
            catalogue.units().iter().filter(of_kind).map(|unit| unit.code.clone()).collect();
        units.truncate(plan.nodes);
        ensure!(units.len() == plan.nodes, "the catalogue has {} units", units.len());
        let mut builder = Builder::new();
        builder
            .rng_seed(random.number())
            .tick_duration(plan.tick)
            .min_message_latency(plan.latency.0)
            .max_message_latency(plan.latency.1)
            .tcp_capacity(1_024)
            .simulation_duration(Duration::from_secs(24 * 3_600));
        let hub = Rc::new(HubPlace {
            data,
            commit: plan.commit,
            units: units.clone(),
            running: RefCell::default(),
            revoked_at: UnixMillis(clock().0 + u64::try_from(plan.revoked.as_millis())?),
            random: RefCell::new(Random::of(random.number())),
            at_work: Cell::new(true),
        });
        let mut sim = builder.build();
        let place = Rc::clone(&hub);
        sim.host(HUB, move || hub::host(Rc::clone(&place)));
        let mut nodes = Vec::new();
        let roles =
            units.into_iter().map(|unit| (unit, Role::Commune)).chain([(agency::code()?, Role::Auditor)]);
        for (who, (unit, role)) in roles.enumerate() {
            let data = folder.path().join(who.to_string());
            std::fs::create_dir_all(&data)?;
            let node = Rc::new(NodePlace {
                who,
                data,
                unit,
                role,
                commit: plan.commit,
                width: plan.widths.get(who).copied().flatten(),
                rest_millis: plan.rest_millis,
                at_work: Cell::new(true),
                random: RefCell::new(Random::of(random.number())),
                acknowledged: RefCell::default(),
                running: RefCell::default(),
            });
            let (place, hub) = (Rc::clone(&node), Rc::clone(&hub));
            sim.host(name(who), move || node::host(Rc::clone(&place), Rc::clone(&hub)));
            nodes.push(node);
        }
        let harms = vec![None; nodes.len()];
        Ok(Self { sim, plan, hub, nodes, harms, hub_down: false, _folder: folder })
    }

    /// Goes through the plan to its end; how long it took from all being well to everybody being in step.
    ///
    /// # Errors
    /// What the product broke.
    pub(super) fn run(&mut self) -> anyhow::Result<Duration> {
        self.until("enrolled", ENROLLED_MAX, |world| {
            world.nodes.iter().all(|node| node.running().is_some())
        })?;
        let begun = self.sim.elapsed();
        for node in 0..self.plan.lost {
            self.sim.partition(name(node), HUB);
            note("lost", format_args!("{node}"));
        }
        for (at, whom, harm) in std::mem::take(&mut self.plan.blows) {
            while self.sim.elapsed() < begun + at.min(self.plan.harm) {
                self.step()?;
            }
            if at < self.plan.harm {
                self.harm(whom, harm);
            }
        }
        while self.sim.elapsed() < begun + self.plan.harm {
            self.step()?;
        }
        self.heal();
        let healed = self.sim.elapsed();
        let (mut since, mut seen) = (healed, None);
        let (mut looked, mut granted_late) = (healed, true);
        while self.sim.elapsed() < since + QUIET || granted_late {
            ensure!(
                self.sim.elapsed() < healed + IN_STEP_MAX,
                "not in step, or never quiet: {} {:?}",
                self.late(),
                self.granted_late()?
            );
            self.step()?;
            let now = self.news();
            if seen.as_ref() != Some(&now) || !self.is_in_step() {
                (since, seen) = (self.sim.elapsed(), Some(now));
            } else if self.sim.elapsed() >= looked + SECOND {
                (looked, granted_late) = (self.sim.elapsed(), self.granted_late()?.is_some());
            }
        }
        Ok(since - healed)
    }

    fn step(&mut self) -> anyhow::Result<()> {
        self.sim.step().map_err(|error| anyhow!("{error}"))?;
        set_elapsed(self.sim.elapsed());
        ensure!(panics() == 0, "a task panicked");
        Ok(())
    }

    fn until(&mut self, what: &str, most: Duration, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let end = self.sim.elapsed() + most;
        while !done(self) {
            ensure!(self.sim.elapsed() < end, "not {what} within {most:?}: {}", self.late());
            self.step()?;
        }
        Ok(())
    }

    /// Who is not in step, and how far it is.
    fn late(&self) -> String {
        let late = self.reachable().filter(|node| !node.is_in_step());
        let told = late.map(|node| match node.running() {
            Some(running) => {
                format!("{} has {}, {:?}", node.who, running.head().size, running.sync.status())
            }
            None => format!("{} does not run", node.who),
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// Nodes that were not cut off for good.
    pub(super) fn reachable(&self) -> impl Iterator<Item = &Rc<NodePlace>> {
        self.nodes.iter().skip(self.plan.lost)
    }

    /// Nodes that were.
    pub(super) fn lost(&self) -> impl Iterator<Item = &Rc<NodePlace>> {
        self.nodes.iter().take(self.plan.lost)
    }

    /// The hub, while it runs.
    pub(super) fn hub(&self) -> Option<Arc<Hub>> {
        self.hub.running.borrow().clone()
    }

    /// Everybody who is reached has everything acknowledged.
    fn is_in_step(&self) -> bool {
        self.hub().is_some() && self.reachable().all(|node| node.is_in_step())
    }

    /// What the agency lacks of what it is granted.
    fn granted_late(&self) -> anyhow::Result<Option<String>> {
        let Some(hub) = self.hub() else { return Ok(Some("the hub is down".to_owned())) };
        let running = self.nodes.iter().rev().find_map(|node| node.running());
        let granted = running.and_then(|running| running.granted);
        granted.map_or_else(
            || Ok(Some("the agency is down".to_owned())),
            |(views, _)| agency::late(&hub, &views),
        )
    }

    /// What changes no more once everybody is in step: the ledger, logs, what was fed, and lines that are made anew.
    fn news(&self) -> (u64, u64, Vec<(u64, FeedCursor)>) {
        let logs = self.nodes.iter().skip(self.plan.lost).map(|node| node.size()).collect();
        (self.hub().map_or(0, |hub| hub.head().size), count("accepted"), logs)
    }

    fn harm(&mut self, whom: Whom, harm: Option<Harm>) {
        note("harm", format_args!("{whom:?} {harm:?}"));
        match whom {
            Whom::Hub if harm.is_some() && !self.hub_down => {
                self.sim.crash(HUB);
                drop(self.hub.running.take());
                self.hub_down = true;
            }
            Whom::Hub if harm.is_none() && self.hub_down => {
                self.sim.bounce(HUB);
                self.hub_down = false;
            }
            Whom::Hub => {}
            Whom::Node(node) => self.harm_node(node, harm),
        }
    }

    /// What there was ends, then this begins.
    fn harm_node(&mut self, node: usize, harm: Option<Harm>) {
        let (Some(now), Some(place)) = (self.harms.get_mut(node), self.nodes.get(node)) else { return };
        let (before, name) = (std::mem::replace(now, harm), name(node));
        match before {
            None => {}
            Some(Harm::Cut) => self.sim.repair(name.as_str(), HUB),
            Some(Harm::Mute) => self.sim.repair_oneway(name.as_str(), HUB),
            Some(Harm::Deaf) => self.sim.repair_oneway(HUB, name.as_str()),
            Some(Harm::Hold) => self.sim.release(name.as_str(), HUB),
            Some(Harm::Crash) => self.sim.bounce(name.as_str()),
        }
        match harm {
            None => {}
            Some(Harm::Cut) => self.sim.partition(name.as_str(), HUB),
            Some(Harm::Mute) => self.sim.partition_oneway(name.as_str(), HUB),
            Some(Harm::Deaf) => self.sim.partition_oneway(HUB, name.as_str()),
            Some(Harm::Hold) => self.sim.hold(name.as_str(), HUB),
            Some(Harm::Crash) => {
                self.sim.crash(name.as_str());
                drop(place.running.take());
            }
        }
    }

    /// Lines and machines are well again, and people rest.
    fn heal(&mut self) {
        note("healed", format_args!(""));
        self.harm(Whom::Hub, None);
        for node in self.plan.lost..self.nodes.len() {
            self.harm_node(node, None);
        }
        self.hub.at_work.set(false);
        self.nodes.iter().for_each(|node| node.at_work.set(false));
    }
}

impl NodePlace {
    /// While it runs, what it is.
    pub(super) fn running(&self) -> Option<Running> {
        self.running.borrow().clone()
    }

    fn is_in_step(&self) -> bool {
        self.running.borrow().as_ref().is_some_and(Running::is_in_step)
    }

    /// The size of its log, and up to where it was fed.
    fn size(&self) -> (u64, FeedCursor) {
        let running = self.running.borrow();
        running
            .as_ref()
            .map_or_else(Default::default, |running| (running.head().size, running.log.fed().borrow().cursor))
    }
}
