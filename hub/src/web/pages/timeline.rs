//! What happened to a unit of late, as the ledger has it.

use lienthong_node::dataset::Payload;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use maud::{Markup, html};

use super::super::view::View;
use super::super::words;
use crate::pki::Enrolled;

/// Happenings shown.
const SHOWN_MAX: usize = 20;
/// Frames of the ledger looked at for them, from its end, and bytes: a page is no search through years.
const FRAMES_MAX: usize = 2_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// One happening.
#[derive(Debug)]
struct Happening {
    at: UnixMillis,
    kind: String,
    actor: String,
    detail: String,
    index: u64,
}

/// The latest happenings of a unit, the newest first.
pub(super) fn section(view: &View, unit: &UnitCode, replicas: &[Enrolled]) -> Markup {
    let happenings = tokio::task::block_in_place(|| latest(view, unit, replicas));
    html! {
        section {
            h2 { (view.t("Diễn biến", "Timeline")) }
            @if happenings.is_empty() { p.quiet { (view.t("Gần đây không có gì.", "Nothing of late.")) } }
            ol.timeline {
                @for one in &happenings {
                    li {
                        (view.time(Some(one.at))) " "
                        b { (words::event(&one.kind, view.tongue)) }
                        @if !one.detail.is_empty() { ": " (one.detail) }
                        " " span.quiet { (one.actor) " · " (view.t("sổ cái", "ledger")) " " (one.index) }
                    }
                }
            }
        }
    }
}

fn latest(view: &View, unit: &UnitCode, replicas: &[Enrolled]) -> Vec<Happening> {
    let reader = &view.site.hub.reader;
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut end = reader.next().0;
    for _ in 0..FRAMES_MAX {
        let Some(last) = end.checked_sub(1) else { break };
        let Some(Ok((_, frame))) = reader.clone().scan(Sequence(last)).next() else { break };
        bytes += frame.payload.len();
        found.extend(happening(view, &frame.payload, frame.first.0, unit, replicas));
        if found.len() >= SHOWN_MAX || bytes >= BYTES_MAX {
            break;
        }
        end = frame.first.0;
    }
    found
}

fn happening(
    view: &View,
    payload: &[u8],
    index: u64,
    unit: &UnitCode,
    replicas: &[Enrolled],
) -> Option<Happening> {
    let (Payload::Entry(bytes) | Payload::Accepted { entry: bytes, .. }) = Payload::parse(payload).ok()?
    else {
        return None;
    };
    let entry = Entry::decode(bytes).ok()?;
    match entry.header.kind {
        EntryKind::Event => {
            let event = Event::of(&entry).ok()?;
            concerns(&event, unit, replicas).then(|| Happening {
                at: event.at,
                detail: event.fields.get("reason").map(Value::to_text).unwrap_or_default(),
                actor: event.actor,
                kind: event.kind,
                index,
            })
        }
        EntryKind::Acceptance => {
            let accepted = Acceptance::of(&entry).ok()?;
            let own = replicas.iter().any(|entry| entry.replica == accepted.replica);
            let count = accepted.size.saturating_sub(accepted.first.0);
            own.then(|| Happening {
                at: accepted.at,
                kind: "acceptance".to_owned(),
                actor: "hub".to_owned(),
                detail: format!("{} {}", view.number(count), view.t("mục", "entries")),
                index,
            })
        }
        EntryKind::Change => None,
    }
}

/// Whether an event names the unit, or one of its replicas.
fn concerns(event: &Event, unit: &UnitCode, replicas: &[Enrolled]) -> bool {
    event.fields.values().any(|value| match value {
        Value::Unit(named) => named == unit,
        Value::Text(named) => {
            named == unit.as_str() || replicas.iter().any(|entry| *named == entry.replica.to_string())
        }
        _ => false,
    })
}
