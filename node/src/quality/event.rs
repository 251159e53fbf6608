//! Waivers as events of the ledger: one begins a waiver, one ends it.

use std::collections::BTreeMap;

use lienthong_proto::event::Event;
use lienthong_proto::ids::{RecordId, Sequence};
use lienthong_proto::quality::Waiver;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

const WAIVER: &str = "waiver";
const WAIVER_END: &str = "waiver_end";

/// The event that begins a waiver; its place in the ledger becomes the waiver's number.
#[must_use]
pub fn waiver_event(waiver: &Waiver, at: UnixMillis) -> Event {
    let mut fields = BTreeMap::from([
        ("type".to_owned(), Value::Text(waiver.record_type.clone())),
        ("record".to_owned(), Value::Reference(waiver.record)),
        ("rule".to_owned(), Value::Text(waiver.rule.clone())),
        ("reason".to_owned(), Value::Text(waiver.reason.clone())),
        ("until".to_owned(), Value::Date(waiver.until)),
    ]);
    if let Some(field) = &waiver.field {
        fields.insert("field".to_owned(), Value::Text(field.clone()));
    }
    Event { kind: WAIVER.to_owned(), at, actor: waiver.approver.clone(), fields }
}

/// The event that ends one before its day.
#[must_use]
pub fn waiver_end_event(waiver: &Waiver, reason: &str, actor: &str, at: UnixMillis) -> Event {
    let number = i64::try_from(waiver.number).unwrap_or(i64::MAX);
    let fields = BTreeMap::from([
        ("type".to_owned(), Value::Text(waiver.record_type.clone())),
        ("record".to_owned(), Value::Reference(waiver.record)),
        ("number".to_owned(), Value::Integer(number)),
        ("reason".to_owned(), Value::Text(reason.to_owned())),
    ]);
    Event { kind: WAIVER_END.to_owned(), at, actor: actor.to_owned(), fields }
}

/// What an event of the ledger does to the waivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaiverStep {
    /// One begins.
    Begun(Waiver),
    /// The one of this number ends.
    Ended(u64),
}

impl WaiverStep {
    /// The step an event at `place` is, if it is one.
    #[must_use]
    pub fn of(event: &Event, place: Sequence) -> Option<Self> {
        if event.kind == WAIVER_END {
            let Some(Value::Integer(number)) = event.fields.get("number") else { return None };
            return u64::try_from(*number).ok().map(Self::Ended);
        }
        let (record_type, record) = waived(event)?;
        let (Some(rule), Some(Value::Date(until))) = (text(event, "rule"), event.fields.get("until")) else {
            return None;
        };
        Some(Self::Begun(Waiver {
            number: place.0,
            record_type,
            record,
            rule,
            field: text(event, "field"),
            reason: text(event, "reason").unwrap_or_default(),
            approver: event.actor.clone(),
            until: *until,
        }))
    }
}

/// The record whose waivers an event changes.
pub(super) fn waived(event: &Event) -> Option<(String, RecordId)> {
    if event.kind != WAIVER && event.kind != WAIVER_END {
        return None;
    }
    let Some(Value::Reference(record)) = event.fields.get("record") else { return None };
    Some((text(event, "type")?, *record))
}

fn text(event: &Event, name: &str) -> Option<String> {
    match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}
