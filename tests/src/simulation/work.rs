//! What people do: members stated, withdrawn and corrected by communes; conflicts settled, records given over, changes
//! released by the province.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_hub::ingest::{Decision, Release};
use lienthong_node::replica::{Draft, Intent};
use lienthong_proto::change::path;
use lienthong_proto::ids::{Dot, RecordId, UnitCode};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::Withdrawal;

use super::hub::Hub;
use super::parts::catalogue;
use super::random::Random;

/// People there are: few, so that everybody writes of the same.
const PEOPLE: u64 = 7;
/// Fields of which several may stand side by side.
const FIELDS: [&str; 5] = ["dien_thoai", "chuc_vu", "so_the_dang", "ghi_chu", "chi_bo"];

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What a unit states next; `known` are records it wrote of.
pub(crate) fn draft(unit: &UnitCode, known: &[RecordId], random: &mut Random) -> Draft {
    let person = random.below(PEOPLE);
    let mut values = BTreeMap::new();
    for field in FIELDS {
        if random.chance(300) {
            values.insert(field.to_owned(), text(&format!("{field} {}", random.below(4))));
        }
    }
    let intent = match random.pick(known) {
        Some(record) if random.chance(80) => {
            values = BTreeMap::from([(path::WITHDRAWN.to_owned(), text("nhập nhầm"))]);
            Intent::Withdraw(*record)
        }
        Some(record) if random.chance(200) => Intent::Amend(*record),
        _ => {
            values.insert("so_cccd".to_owned(), text(&format!("0330900000{person:02}")));
            // Now and then somebody else under the same number.
            let other = if random.chance(60) { "Phạm Văn Khác" } else { "Trần Thị Mai" };
            values.insert("ho_ten".to_owned(), text(&format!("{other} {person}")));
            let day = if other.starts_with('P') { 4_000 } else { 3_000 };
            values.insert("ngay_sinh".to_owned(), Value::Date(day));
            values.insert("ma_xa".to_owned(), Value::Unit(unit.clone()));
            if random.chance(700) { Intent::Assert } else { Intent::Capture }
        }
    };
    let (record_type, author) = ("dang_vien".to_owned(), "lan".to_owned());
    Draft { record_type, owner: unit.clone(), values, intent, author }
}

/// Somebody at the province does something; what.
///
/// # Errors
/// If the hub's records cannot be read.
pub(super) fn steward(
    hub: &mut Hub,
    units: &[UnitCode],
    random: &mut Random,
) -> anyhow::Result<&'static str> {
    match random.below(10) {
        0..=4 => settle(hub, random),
        5 | 6 => give(hub, units, random),
        7 | 8 => release(hub, random),
        _ => {
            let province = hub.identity.unit.clone();
            let mut draft = draft(&province, &[], random);
            if let Some(unit) = random.pick(units) {
                draft.values.insert("ma_xa".to_owned(), Value::Unit(unit.clone()));
            }
            hub.ask(|committer| async move { drop(committer.write(vec![draft]).await) });
            Ok("writes")
        }
    }
}

fn settle(hub: &mut Hub, random: &mut Random) -> anyhow::Result<&'static str> {
    let Some(life) = &hub.life else { return Ok("nobody is there") };
    let mut open = life.dataset.conflicts();
    open.sort();
    let Some((record_type, id, field)) = random.pick(&open).cloned() else { return Ok("no conflict") };
    let catalogue = catalogue()?;
    let Some(record) = life.dataset.record(&catalogue, &record_type, id)? else { return Ok("no record") };
    let (_, candidates) = record.candidates(&field).unwrap_or_default();
    let mut seen: BTreeSet<_> = candidates.iter().map(|candidate| candidate.dot).collect();
    if field == path::WITHDRAWN {
        seen.extend(record.unseen().map(|(dot, _)| dot));
    }
    let picked = random.pick(candidates).map(|candidate| candidate.value.clone());
    let value = picked.filter(|_| field != path::WITHDRAWN || random.chance(500)).unwrap_or(Value::Null);
    let reason = "theo hồ sơ gốc";
    let (intent, value) = match Withdrawal::of(&value).filter(|_| field == path::WITHDRAWN) {
        Some(_) => (Intent::Withdraw(id), text(reason)),
        None => (Intent::Amend(id), value),
    };
    let decision = decision(hub, (record_type, id), &field, (intent, value), Some(seen));
    hub.ask(|committer| async move { drop(committer.decide(vec![decision]).await) });
    Ok("settles")
}

/// A conflict is settled by this value, in the hub's next turn; `seen` are the values it was chosen from.
pub(super) fn decide(
    hub: &mut Hub,
    (record_type, id): (String, RecordId),
    field: &str,
    value: Value,
    seen: BTreeSet<Dot>,
) {
    let decision = decision(hub, (record_type, id), field, (Intent::Amend(id), value), Some(seen));
    hub.ask(|committer| async move { drop(committer.decide(vec![decision]).await) });
}

fn give(hub: &mut Hub, units: &[UnitCode], random: &mut Random) -> anyhow::Result<&'static str> {
    let Some(life) = &hub.life else { return Ok("nobody is there") };
    let records = life.dataset.page("dang_vien", None, 64)?;
    let (Some((id, _)), Some(unit)) = (random.pick(&records), random.pick(units)) else {
        return Ok("no record");
    };
    let (record, value) = (("dang_vien".to_owned(), *id), Value::Unit(unit.clone()));
    let decision = decision(hub, record, path::UNIT, (Intent::Amend(*id), value), None);
    hub.ask(|committer| async move { drop(committer.decide(vec![decision]).await) });
    Ok("gives over")
}

fn release(hub: &mut Hub, random: &mut Random) -> anyhow::Result<&'static str> {
    let Some(life) = &hub.life else { return Ok("nobody is there") };
    let waiting: Vec<(u64, u16)> = life.committer.books().read().quarantine.keys().copied().collect();
    let Some(number) = random.pick(&waiting).copied() else { return Ok("nothing waits") };
    let release = Release { number, reason: "đúng người".to_owned(), actor: "minh".to_owned() };
    hub.ask(|committer| async move { drop(committer.release(release).await) });
    Ok("releases")
}

fn decision(
    hub: &Hub,
    (record_type, record): (String, RecordId),
    field: &str,
    (intent, value): (Intent, Value),
    seen: Option<BTreeSet<Dot>>,
) -> Decision {
    let values = BTreeMap::from([(field.to_owned(), value)]);
    let (owner, author, reason) = (hub.identity.unit.clone(), "minh".to_owned(), "quyết định".to_owned());
    let draft = Draft { record_type, owner, values, intent, author };
    let (field, answered) = (field.to_owned(), Vec::new());
    Decision { draft, record, field, owner: None, answered, seen, reason }
}
