//! Mending: the hub makes the records again from its ledger, hands them to the node whole, and has it make them
//! again from its log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lienthong_node::replica::Again as _;
use lienthong_node::store::Batch;
use lienthong_proto::event::Event;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::reconcile::{Difference, Named};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use serde_json::{Value as Json, json};
use wire::{down, up};

use super::{AskError, LedgerLog};
use crate::app::Hub;
use crate::feed::{FeedEntry, FeedIndex};

const REPAIR: &str = "repair";
/// Records one event names: below the bounds of a list and an entry.
const NAMED_MAX: usize = 500;

impl Hub {
    /// Mends records a unit's node and the hub hold differently; what was done, for the document.
    ///
    /// # Errors
    /// Why it cannot be done, for people.
    pub(crate) async fn mend(
        self: &Arc<Self>,
        unit: &UnitCode,
        differing: &[Difference],
        actor: &str,
        wait: Duration,
    ) -> Result<Json, String> {
        let named: Vec<Named> = differing
            .iter()
            .map(|found| Named { record_type: found.record_type.clone(), record: found.record })
            .collect();
        let here = self.remade(named.clone()).await?;
        // After that the hub's owner is the true one: nobody is handed what is another's.
        let owned = |named: &&Named| {
            let state = self.dataset.state(&named.record_type, named.record).ok().flatten();
            state.is_some_and(|state| state.owner() == Some(unit))
        };
        let handed: Vec<&Named> = named.iter().filter(owned).collect();
        let others: Vec<&Named> = named.iter().filter(|named| !handed.contains(named)).collect();
        let mut events = Vec::new();
        let pieces = handed.chunks(NAMED_MAX).map(|piece| ("records", piece));
        for (field, piece) in pieces.chain(others.chunks(NAMED_MAX).map(|piece| ("others", piece))) {
            let fields = BTreeMap::from([
                ("unit".to_owned(), Value::Unit(unit.clone())),
                (field.to_owned(), Value::List(piece.iter().map(|named| text(named)).collect())),
            ]);
            let logged = self.event(REPAIR, actor, fields).await.map_err(|error| error.to_string())?;
            events.push(logged.0);
        }
        let there = self.have_remade(unit, &named, wait).await?;
        Ok(json!({ "events": events, "here": here, "there": there, "handed_over": handed.len() }))
    }

    /// Makes records again from the ledger; how many were different.
    async fn remade(self: &Arc<Self>, named: Vec<Named>) -> Result<u64, String> {
        let hub = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let mut again = LedgerLog::new(&hub, named).map_err(|error| error.to_string())?;
            again.catch_up().map_err(|error| error.to_string())?;
            Ok::<_, String>(again)
        });
        let again = read.await.map_err(|error| error.to_string())??;
        self.committer.remake(Box::new(again)).await.map_err(|error| error.to_string())
    }

    /// Has the node make records again from its log, once it has taken what it is handed; how many were different.
    async fn have_remade(&self, unit: &UnitCode, named: &[Named], wait: Duration) -> Result<u64, String> {
        let gone = || "máy xã đã ngắt kết nối · the node has left".to_owned();
        let (_, line) = self.asked_replica(unit).ok_or_else(gone)?;
        let run = rand::random();
        let records = Named::encode(named).into();
        let said = line.ask(run, down::Message::Mend(wire::Mend { run, records }), wait).await;
        match said {
            Ok(up::Message::Mended(mended)) if mended.fault.is_empty() => Ok(mended.changed),
            Ok(up::Message::Mended(mended)) => Err(format!(
                "máy xã: {0} · the node: {0}",
                mended.fault.chars().take(200).collect::<String>()
            )),
            Ok(_) | Err(AskError::Silent) => {
                Err("máy xã không trả lời kịp · the node did not answer in time".to_owned())
            }
            Err(AskError::Gone) => Err(gone()),
        }
    }
}

fn text(named: &Named) -> Value {
    Value::Text(format!("{}/{}", named.record_type, named.record))
}

/// Notes for its unit what a repair hands over, alike when it happens and when it is replayed; nothing of
/// another event.
pub(crate) fn handed_over(event: &Event, at: Sequence, feed: &FeedIndex, view: &mut Batch) {
    let (Some(Value::Unit(unit)), Some(Value::List(records))) =
        (event.fields.get("unit"), event.fields.get("records"))
    else {
        return;
    };
    if event.kind != REPAIR {
        return;
    }
    for (place, record) in (0u16..).zip(records) {
        let Value::Text(text) = record else { continue };
        let named = text.split_once('/').and_then(|(name, id)| Some((name.to_owned(), id.parse().ok()?)));
        if let Some((record_type, record)) = named {
            let place = FeedCursor { ledger: at.0, place };
            feed.note(unit, place, FeedEntry::Enter { record_type, record }, view);
        }
    }
}
