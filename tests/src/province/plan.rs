//! What goes wrong in a run, drawn from its seed.

use std::time::Duration;

use crate::simulation::Random;

/// How large a province is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Two to seven units, one of them cut off in one run of four.
    Few,
    /// All: the hub, 104 communes and wards, four affiliated committees; three communes are cut off for good.
    Whole,
}

/// What is done to the line of a node, or to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// What is said either way is lost.
    Cut,
    /// What the node says is lost.
    Mute,
    /// What the hub says is lost.
    Deaf,
    /// What is said either way waits.
    Hold,
    /// The process is killed; it is started again when this ends.
    Crash,
}

/// Whom it befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom {
    /// The hub.
    Hub,
    /// A node, by its number.
    Node(usize),
}

/// A time since the harm began, whom it befalls, and what; nothing ends what there was.
pub(super) type Blow = (Duration, Whom, Option<Harm>);

/// A run.
#[derive(Debug)]
pub(super) struct Plan {
    /// Nodes of units; the agency's comes behind them.
    pub(super) nodes: usize,
    /// Of those the first so many are cut off after enrolment, and never come back.
    pub(super) lost: usize,
    /// The least and the largest time a message is on its way.
    pub(super) latency: (Duration, Duration),
    /// How much time passes at a step.
    pub(super) tick: Duration,
    /// Bytes a line lets through in a second, where that is narrow, node by node.
    pub(super) widths: Vec<Option<u64>>,
    /// A commit takes so long.
    pub(super) commit: Duration,
    /// How long things go wrong.
    pub(super) harm: Duration,
    /// Between two writes of a node, at most.
    pub(super) rest_millis: u64,
    /// The agency's second grant is taken back so long after the start of everything.
    pub(super) revoked: Duration,
    /// In order of time.
    pub(super) blows: Vec<Blow>,
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub(super) fn of(random: &mut Random, scale: Scale) -> Self {
        let whole = scale == Scale::Whole;
        let nodes = if whole { 108 } else { 2 + random.place(6) };
        let few_lost = usize::from(nodes > 2 && random.chance(250));
        let lost = if whole { 3 } else { few_lost };
        let least = 1 + random.below(40);
        let spread = if random.chance(150) { 800 } else { 200 };
        let largest = least + 10 + random.below(spread);
        let harm = millis(15_000 + random.below(if whole { 5_000 } else { 30_000 }));
        // 64 kbit/s, or somewhat more: a mountain's.
        let width = |random: &mut Random| random.chance(150).then(|| 8_000 + random.below(30_000));
        let mut plan = Self {
            widths: (0..nodes).map(|_| width(random)).collect(),
            nodes,
            lost,
            latency: (millis(least), millis(largest)),
            tick: millis(if whole { 20 } else { 10 }),
            commit: millis(20 + random.below(60)),
            harm,
            rest_millis: if whole { 40_000 } else { 2_000 + random.below(6_000) },
            revoked: millis(30_000 + random.below(60_000)),
            blows: Vec::new(),
        };
        for _ in 0..random.below(nodes as u64 * 2) {
            plan.blow(random);
        }
        for _ in 0..1 + random.below(3) {
            plan.swizzle(random);
        }
        if random.chance(500) {
            let (at, long) = (plan.time(random), millis(500 + random.below(8_000)));
            plan.blows.extend([(at, Whom::Hub, Some(Harm::Crash)), (at + long, Whom::Hub, None)]);
        }
        plan.blows.sort_by_key(|(at, whom, _)| (*at, *whom));
        plan
    }

    fn time(&self, random: &mut Random) -> Duration {
        millis(random.below(u64::try_from(self.harm.as_millis()).unwrap_or(u64::MAX)))
    }

    /// One node that may be harmed, the agency's among them.
    fn node(&self, random: &mut Random) -> usize {
        self.lost + random.place(self.nodes + 1 - self.lost)
    }

    fn blow(&mut self, random: &mut Random) {
        let harms = [Harm::Cut, Harm::Mute, Harm::Deaf, Harm::Hold, Harm::Crash];
        let harm = random.pick(&harms).copied().unwrap_or(Harm::Cut);
        let (at, node) = (self.time(random), Whom::Node(self.node(random)));
        let most = if random.chance(300) { 30_000 } else { 3_000 };
        let long = millis(100 + random.below(most));
        self.blows.extend([(at, node, Some(harm)), (at + long, node, None)]);
    }

    /// Lines are stopped one by one, and come back in another order.
    fn swizzle(&mut self, random: &mut Random) {
        let harm = if random.chance(500) { Harm::Cut } else { Harm::Hold };
        let mut nodes: Vec<usize> = (self.lost..=self.nodes).filter(|_| random.chance(600)).collect();
        let mut at = self.time(random);
        for harm in [Some(harm), None] {
            shuffle(&mut nodes, random);
            for node in &nodes {
                at += millis(random.below(400));
                self.blows.push((at, Whom::Node(*node), harm));
            }
            at += millis(random.below(10_000));
        }
    }
}

/// Puts them in another order.
fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.place(at + 1));
    }
}
