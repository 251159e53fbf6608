//! T18: machines of one unit write the same field of one record while none hears of the others; each value is shown to
//! everybody until somebody decides, and the decision reaches everybody.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use lienthong_node::dataset::Dataset;
use lienthong_node::replica::{Draft, Intent};
use lienthong_proto::ids::{Dot, RecordId};
use lienthong_proto::value::Value;

use super::faults::Faults;
use super::work;
use super::world::World;

const FIELD: &str = "dien_thoai";
const TYPE: &str = "dang_vien";

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What a field of a record shows: each live value with the change it is of.
fn heads(dataset: &Dataset, record: RecordId) -> anyhow::Result<BTreeMap<Dot, String>> {
    let state = dataset.state(TYPE, record)?.context("the record is gone")?;
    let register = state.registers.get(FIELD).context("the field is gone")?;
    let catalogue = super::parts::catalogue()?;
    let record = dataset.record(&catalogue, TYPE, record)?.context("the record is gone")?;
    let (_, candidates) = record.candidates(FIELD).context("the field has no value")?;
    let shown: BTreeMap<Dot, String> =
        candidates.iter().map(|candidate| (candidate.dot, candidate.value.to_text())).collect();
    let live: BTreeSet<Dot> = register.siblings.iter().map(|sibling| sibling.dot).collect();
    ensure!(shown.keys().copied().collect::<BTreeSet<_>>() == live, "what is shown is not what is live");
    Ok(shown)
}

impl World {
    fn stated(&mut self, at: usize, value: &str) -> anyhow::Result<()> {
        let node = self.nodes.get_mut(at).context("no such node")?;
        let values = BTreeMap::from([
            ("so_cccd".to_owned(), text("033090000001")),
            ("ho_ten".to_owned(), text("Trần Thị Mai")),
            ("ngay_sinh".to_owned(), Value::Date(3_000)),
            ("ma_xa".to_owned(), Value::Unit(node.identity.unit.clone())),
            (FIELD.to_owned(), text(value)),
        ]);
        let owner = node.identity.unit.clone();
        let (record_type, author) = (TYPE.to_owned(), "lan".to_owned());
        node.write(vec![Draft { record_type, owner, values, intent: Intent::Assert, author }]);
        self.node_turn(at, false)
    }

    /// Time passes, while one hears and is heard of nothing.
    fn pass_without(&mut self, late: usize) -> anyhow::Result<()> {
        for round in 0..20 {
            self.clog(late, true);
            self.second(round)?;
        }
        Ok(())
    }

    /// Hub and nodes show just these values, each.
    fn all_show(&self, record: RecordId, values: &BTreeSet<String>) -> anyhow::Result<()> {
        let hub = self.hub.life.as_ref().context("the hub is down")?;
        let nodes = self.nodes.iter().filter_map(|node| node.life.as_ref());
        for dataset in nodes.map(|life| life.replica.dataset()).chain([&hub.dataset]) {
            let shown: BTreeSet<String> = heads(dataset, record)?.into_values().collect();
            ensure!(shown == *values, "{shown:?} is shown in place of {values:?}");
        }
        Ok(())
    }
}

/// `k` machines write at once; a late one is heard only after the decision. Seeds differ in ids and order.
///
/// # Errors
/// What was not shown, or did not reach everybody.
pub fn conflict(seed: u64, k: usize) -> anyhow::Result<()> {
    let mut world = World::of(seed, Some(Faults::none()), false)?;
    let unit = world.units.first().context("no unit")?.clone();
    world.nodes.clear();
    for _ in 0..k {
        world.enrol(&unit)?;
    }
    world.stated(0, "0")?;
    world.settle()?;
    let record =
        world.nodes.first().and_then(|node| node.acknowledged.first()).context("nothing is written")?;
    let record = record.record;
    world.all_show(record, &["0".to_owned()].into())?;
    let value = |at: usize| format!("0912{at}");
    for at in 0..k {
        world.stated(at, &value(at))?;
    }
    // The last one's line brings nothing for now: it is decided without it.
    let late = k - 1;
    let early: BTreeSet<String> = (0..late).map(value).collect();
    world.pass_without(late)?;
    let hub = world.hub.life.as_ref().context("the hub is down")?.dataset.clone();
    let shown = heads(&hub, record)?;
    ensure!(
        shown.values().cloned().collect::<BTreeSet<_>>() == early,
        "{} of {late} values are shown at the hub",
        shown.len()
    );
    let picked = world.random.pick(&shown.values().cloned().collect::<Vec<_>>()).cloned();
    let decided = picked.context("nothing to decide")?;
    work::decide(
        &mut world.hub,
        (TYPE.to_owned(), record),
        FIELD,
        text(&decided),
        shown.into_keys().collect(),
    );
    world.pass_without(late)?;
    // What the decision has not seen stays, beside it.
    world.clog(late, false);
    world.settle()?;
    world.all_show(record, &[decided, value(late)].into())?;
    let shown = heads(&hub, record)?;
    work::decide(&mut world.hub, (TYPE.to_owned(), record), FIELD, text("0999"), shown.into_keys().collect());
    world.settle()?;
    world.all_show(record, &["0999".to_owned()].into())?;
    world.check()
}
