//! What the ledger shows of itself.

use lienthong_node::control::Answer;
use lienthong_node::dataset::Payload;
use lienthong_proto::batch;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::{RecordId, Sequence};
use serde_json::{Value as Json, json};

use super::list;
use crate::app::Hub;
use crate::pki::RegistryError;

impl Hub {
    /// Checks the whole ledger while it is in use; `tell` hears how many entries of how many were read.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry does not open.
    pub(crate) fn verify(&self, tell: &dyn Fn(u64, u64)) -> Result<Answer, RegistryError> {
        self.keep_heartbeats();
        crate::succession::check(&self.data, &self.secrets, &self.reader.keys(), tell)
    }

    pub(super) fn record_source(&self, record_type: &str, id: RecordId) -> Result<Answer, Answer> {
        let missing = || Answer::failed("không tìm thấy bản ghi · there is no such record");
        let state = self.dataset.state(record_type, id).map_err(Answer::failed)?.ok_or_else(missing)?;
        let source = state.sources.values().next().ok_or_else(missing)?;
        let bytes = self.dataset.entries().entry(source.at).map_err(Answer::failed)?;
        let entry = Entry::decode(&bytes).map_err(Answer::failed)?;
        let replica = source.dot.replica;
        let held = self.committer.books().read().replicas.get(&replica).cloned().ok_or_else(missing)?;
        let enrolled = self.registry.get(replica).ok_or_else(missing)?;
        Ok(Answer::done(json!({
            "replica": replica,
            "unit": source.unit,
            "sequence": source.dot.sequence,
            "leaf": hex::encode(entry.leaf_hash()),
            "checkpoint": held.checkpoint,
            "size": held.frontier.size(),
            "origin": self.secrets.origin(&source.unit, replica),
            "log_key": enrolled.log_key,
        })))
    }

    pub(super) fn ledger_show(&self, from: u64, limit: usize) -> Result<Answer, Answer> {
        let mut items = Vec::new();
        for frame in self.reader.clone().scan(Sequence(from)) {
            let (_, frame) = frame.map_err(Answer::failed)?;
            let plain;
            let entries = match Payload::parse(&frame.payload).map_err(Answer::failed)? {
                Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
                Payload::Batch(packed) => {
                    plain = batch::unpack(packed).map_err(Answer::failed)?;
                    batch::entries(&plain).map_err(Answer::failed)?
                }
            };
            for bytes in entries {
                let entry = Entry::decode(bytes).map_err(Answer::failed)?;
                if entry.header.dot.sequence.0 < from {
                    continue;
                }
                let what = match entry.header.kind {
                    EntryKind::Change => json!({ "kind": "change" }),
                    EntryKind::Acceptance => Acceptance::of(&entry).map_or(Json::Null, |a| {
                        json!({ "kind": "acceptance", "replica": a.replica, "first": a.first, "size": a.size,
                                "at": a.at.rfc3339(), "verdicts_not_applied": a.verdicts.len() })
                    }),
                    EntryKind::Event => Event::of(&entry).map_or(Json::Null, |e| {
                        json!({ "kind": "event", "event": e.kind, "actor": e.actor, "at": e.at.rfc3339() })
                    }),
                };
                items.push(json!({ "index": entry.header.dot.sequence, "entry": what }));
                if items.len() >= limit.clamp(1, 1_000) {
                    let next = entry.header.dot.sequence.0 + 1;
                    return Ok(Answer::done(json!({ "items": items, "next": next })));
                }
            }
        }
        Ok(list(items))
    }
}
