//! A node's word that it has carried an erasure out: an event of its log, with what proves the order.

use std::collections::BTreeMap;

use lienthong_proto::erasure::{Erasure, event as kind};
use lienthong_proto::event::Event;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use parking_lot::RwLock;

use super::{Erasures, Kept};
use crate::replica::Replica;

/// Logs what was carried out and is not in the log yet.
pub async fn tell(replica: &Replica, erasures: &RwLock<Erasures>, now: UnixMillis) {
    let waiting: Vec<(String, Event)> = {
        let erasures = erasures.read();
        let waiting = erasures.iter().filter(|(kept, _)| kept.done && !kept.told);
        waiting.map(|(kept, erasure)| (erasure.id(), done(kept, erasure, now))).collect()
    };
    for (id, event) in waiting {
        let logged = replica.event(event).await;
        let told = logged.map_err(|error| error.to_string());
        let told = told.and_then(|_| erasures.write().told(&id).map_err(|error| error.to_string()));
        if let Err(error) = told {
            tracing::error!(%error, id, "the log does not say yet that an erasure was carried out");
        }
    }
}

/// A hub that lost the order with its backup can be shown it again.
fn done(kept: &Kept, erasure: &Erasure, at: UnixMillis) -> Event {
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = BTreeMap::from([
        ("erasure".to_owned(), Value::Text(erasure.id())),
        ("order".to_owned(), text(&erasure.order.number)),
        ("entry".to_owned(), text(&kept.entry)),
        ("path".to_owned(), Value::List(kept.path.iter().map(|step| text(step)).collect())),
        ("checkpoint".to_owned(), text(&kept.checkpoint)),
    ]);
    Event { kind: kind::DONE.to_owned(), at, actor: "node".to_owned(), fields }
}

/// What a node says it has carried out, as it was kept there, and by which name.
#[must_use]
pub fn told(event: &Event) -> Option<(String, Kept)> {
    let text = |name: &str| match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    if event.kind != kind::DONE {
        return None;
    }
    let Some(Value::List(path)) = event.fields.get("path") else { return None };
    let path = path.iter().map(|step| match step {
        Value::Text(step) => Some(step.clone()),
        _ => None,
    });
    let kept = Kept {
        entry: text("entry")?,
        path: path.collect::<Option<_>>()?,
        checkpoint: text("checkpoint")?,
        done: false,
        told: false,
        imports: Vec::new(),
    };
    Some((text("erasure")?, kept))
}
