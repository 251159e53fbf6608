//! The numbers of each unit.

use lienthong_node::observe::{Exposition, Metric, seconds_until, signed_seconds};
use lienthong_proto::time::UnixMillis;

use super::names;
use crate::app::Hub;
use crate::status::UnitStatus;

/// Entries of a feed counted at most.
const FEED_COUNTED: usize = 1_024;

/// A number of each unit that has it.
fn each(
    text: &mut Exposition,
    metric: &Metric,
    units: &[UnitStatus],
    number: impl Fn(&UnitStatus) -> Option<f64>,
) {
    let samples = units.iter().filter_map(|unit| Some(([unit.unit.to_string()], number(unit)?)));
    text.many(metric, samples.collect::<Vec<_>>());
}

/// Writes what is told of each unit.
pub(super) fn units(hub: &Hub, units: &[UnitStatus], text: &mut Exposition) {
    let number = |count: Option<u64>| count.map(Exposition::number);
    let known: Vec<_> = units
        .iter()
        .filter(|unit| unit.state != "never")
        .map(|unit| ([unit.unit.to_string(), unit.state.to_owned()], 1.0))
        .collect();
    text.many(&names::UNIT_STATE, known);
    each(text, &names::UNIT_LAG, units, |unit| number(unit.lag));
    each(text, &names::UNIT_LAG_SECONDS, units, |unit| number(unit.lag_seconds));
    let now = hub.now();
    each(text, &names::UNIT_HEARD, units, |unit| {
        unit.last_seen.map(|seen| Exposition::seconds(now.since(seen)))
    });
    let enrolled = |unit: &UnitStatus| !unit.replicas.is_empty();
    each(text, &names::UNIT_QUARANTINED, units, |unit| {
        enrolled(unit).then(|| Exposition::number(unit.quarantined as u64))
    });
    each(text, &names::UNIT_DEFECTS, units, |unit| number(unit.defects.filter(|_| enrolled(unit))));
    each(text, &names::UNIT_SKEW, units, |unit| hub.skew_millis(unit).map(signed_seconds));
    each(text, &names::UNIT_DISK_FREE, units, |unit| number(unit.room.map(|room| room.free_bytes)));
    each(text, &names::UNIT_DISK_TOTAL, units, |unit| number(unit.room.map(|room| room.total_bytes)));
    each(text, &names::UNIT_CERTIFICATE, units, |unit| {
        hub.certificate_until(unit).map(|until| seconds_until(until, now))
    });
    each(text, &names::UNIT_FEED, units, |unit| number(hub.feed_behind(unit)));
}

impl Hub {
    /// The clock that is farthest from the hub's among a unit's nodes.
    #[must_use]
    pub fn skew_millis(&self, unit: &UnitStatus) -> Option<i64> {
        let skews = unit.active().filter_map(|replica| self.live.get(*replica)?.skew_millis);
        skews.max_by_key(|skew| skew.unsigned_abs())
    }

    /// When the first certificate of a unit's active nodes ends, of those that came since the start.
    #[must_use]
    pub fn certificate_until(&self, unit: &UnitStatus) -> Option<UnixMillis> {
        unit.active().filter_map(|replica| self.observed.meters.certificate_until(*replica)).min()
    }

    /// What the connected node of a unit was not handed yet that waits longest for it.
    fn feed_behind(&self, unit: &UnitStatus) -> Option<u64> {
        let behind = unit.active().filter_map(|replica| {
            let live = self.live.get(*replica).filter(|live| live.streams > 0)?;
            let (_, reached) = live.fed?;
            let waiting = self.committer.feed().entries(&unit.unit, reached, FEED_COUNTED).ok()?;
            Some(waiting.len() as u64)
        });
        behind.max()
    }
}
