//! What receivers of bundles are told of an erasure, and the list that is kept beside backups.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lienthong_node::control::Answer;
use lienthong_node::erasing::Kept;
use lienthong_proto::disclosure::ErasureNotice;
use lienthong_proto::erasure::event;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::value::Value;
use serde_json::json;

use super::erasing::refused;
use crate::app::Hub;
use crate::erasing::{Exported, entry_at};
use crate::ingest::CommitError;
use crate::ledger::{ErasureOrder, Grant};
use crate::sharing::pseudonym;

impl Hub {
    /// Writes the notice that an order took something a grant had let out, sealed to its agency.
    pub(super) async fn erase_notice(
        &self,
        (number, grant): (u64, u64),
        out: &Path,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let known = self.known_order(number)?;
        let granted = self.known_grant(grant)?;
        let notice = self.notice_of(&known, &granted)?;
        let text = notice.sign(self.secrets.ledger_key.as_ref()).map_err(Answer::failed)?;
        let fields = BTreeMap::from([
            ("proposal".to_owned(), Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))),
            ("grant".to_owned(), Value::Integer(i64::try_from(grant).unwrap_or(i64::MAX))),
            ("agency".to_owned(), Value::Unit(granted.terms.agency.clone())),
        ]);
        let place =
            self.hand_notice(&text, out, &granted.terms.agency, (event::NOTICE, fields, actor)).await?;
        Ok(Answer::done(json!({ "file": out, "order": number, "grant": grant, "ledger_index": place })))
    }

    fn notice_of(&self, known: &ErasureOrder, granted: &Grant) -> Result<ErasureNotice, Answer> {
        let Some(approved) = &known.approved else {
            return Err(refused("ERASURE_STATE", "lệnh chưa được duyệt", "the order is not approved"));
        };
        let order = &known.order;
        let Some(share) = granted.terms.share(&order.record_type) else {
            return Err(refused(
                "GRANT_SCOPE",
                "giấy cấp quyền không có loại bản ghi này",
                "the grant does not give this type of record",
            ));
        };
        let fields = known.granted_fields(share);
        if fields.as_ref().is_some_and(Vec::is_empty) {
            return Err(refused(
                "GRANT_SCOPE",
                "giấy cấp quyền không có trường nào bị xóa",
                "the grant gives none of the fields that were erased",
            ));
        }
        Ok(ErasureNotice {
            ledger: self.secrets.ledger_origin(),
            grant: granted.number,
            agency: granted.terms.agency.clone(),
            order: order.number.clone(),
            issuer: order.issuer.clone(),
            date: Value::Date(order.date).to_text(),
            approved: approved.at.rfc3339(),
            record_type: order.record_type.clone(),
            record: pseudonym(self, &granted.terms, &order.record_type, order.record)
                .map_err(Answer::failed)?,
            whole: fields.is_none(),
            fields: fields.unwrap_or_default(),
        })
    }

    /// The notices that a replica of an agency has yet to answer under a grant, signed, by the order's number: of what is carried
    /// out here, so that a view is by then handed anew, or not handed at all.
    pub(crate) fn notices_owed(&self, granted: &Grant, replica: &ReplicaId) -> Vec<(u64, String)> {
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        let erasures = self.erasures.read();
        let is_done = |known: &&ErasureOrder| known.erasures.keys().all(|id| erasures.is_done(id));
        let owed = orders.values().filter(|known| known.is_owed(granted, replica)).filter(is_done);
        let signed = owed.filter_map(|known| {
            let notice = self.notice_of(known, granted).ok()?;
            Some((known.number, notice.sign(self.secrets.ledger_key.as_ref()).ok()?))
        });
        signed.collect()
    }

    /// A replica of an agency says that what it had is gone.
    pub(crate) async fn erasure_taken(
        &self,
        (number, granted): (u64, &Grant),
        replica: &ReplicaId,
    ) -> Result<(), CommitError> {
        let whole = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("proposal".to_owned(), whole(number)),
            ("grant".to_owned(), whole(granted.number)),
            ("agency".to_owned(), Value::Unit(granted.terms.agency.clone())),
            ("replica".to_owned(), Value::Text(replica.to_string())),
        ]);
        self.event(event::TAKEN, &replica.to_string(), fields).await.map(drop)
    }

    /// Whose replicas and which grants something of an order may have reached, and which of them has said that it is gone.
    pub(super) fn agencies_line(&self, known: &ErasureOrder) -> Vec<serde_json::Value> {
        let grants = Arc::clone(&self.committer.books().read().sharing.grants);
        let enrolled = self.registry.list();
        let line = |grant: &Grant| {
            // One that was revoked connects no more, and may still hold it: its people have to be told by the notice.
            let own = enrolled.iter().filter(|node| node.unit == grant.terms.agency);
            let replica = |node: &crate::pki::Enrolled| {
                json!({
                    "replica": node.replica,
                    "connects": node.is_active(),
                    "confirmed": !known.is_owed(grant, &node.replica),
                })
            };
            json!({
                "agency": grant.terms.agency,
                "grant": grant.number,
                "notice": known.notices.get(&grant.number).map(|at| at.rfc3339()),
                "replicas": own.map(replica).collect::<Vec<_>>(),
            })
        };
        grants.values().filter(|grant| known.may_concern(grant)).map(line).collect()
    }

    /// Writes every erasure with its proof to a file: to be kept beside the backups, and written anew after each.
    pub(super) fn erase_export(&self, out: &Path) -> Result<Answer, Answer> {
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        let head = self.head();
        let checkpoint = self.ledger_checkpoint_at(head).map_err(Answer::failed)?;
        let mut erasures = Vec::new();
        for place in orders.values().flat_map(|known| known.erasures.values()) {
            let entry = entry_at(&self.reader, *place).map_err(Answer::failed)?;
            let path = inclusion_proof(self.hashes.as_ref(), *place, head.size)
                .ok_or_else(|| Answer::failed("the leaf hashes cannot be read"))?;
            erasures.push(Kept {
                entry: STANDARD.encode(&entry),
                path: path.iter().map(hex::encode).collect(),
                checkpoint: checkpoint.clone(),
                done: false,
                told: false,
                imports: Vec::new(),
            });
        }
        let count = erasures.len();
        let exported = Exported::new(self.secrets.ledger_origin(), checkpoint, erasures);
        let bytes = serde_json::to_vec_pretty(&exported).map_err(Answer::failed)?;
        // An older list may be there: it is replaced in one step.
        lienthong_node::identity::write_private(out, &bytes).map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "file": out, "erasures": count, "ledger_size": head.size })))
    }
}
