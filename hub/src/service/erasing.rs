//! Lawful erasure: brought by one account, approved by another, then carried out here and told to whom it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use lienthong_node::control::Answer;
use lienthong_node::dataset::Record;
use lienthong_node::records::{Page, numbered};
use lienthong_proto::erasure::{Erasure, Order, event};
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::waivers::reason_of;
use crate::app::Hub;
use crate::erasing::{OrderFile, Plan, catch_up};
use crate::ledger::{Done, ErasureOrder};
use crate::pki::ReplicaState;

/// Bytes of an order's file.
const ORDER_FILE_MAX: usize = 64 * 1024;
/// How often what came meanwhile is looked for.
const ROUNDS_MAX: usize = 8;

/// What can be asked about erasure.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "erasing", rename_all = "snake_case")]
pub enum ErasingRequest {
    /// Bring an order.
    Propose {
        /// The file's text.
        text: String,
        /// Only say what it would take.
        dry_run: bool,
        /// Who.
        actor: String,
    },
    /// Approve one somebody else brought: it is carried out.
    Approve {
        /// Which.
        number: u64,
        /// Who.
        actor: String,
    },
    /// Refuse one, or take it back, before it is approved.
    Refuse {
        /// Which.
        number: u64,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// All of them.
    List {
        /// Which.
        page: Page,
    },
    /// Write the list that is kept beside backups.
    Export {
        /// Where.
        out: PathBuf,
    },
    /// Write the signed notice for a receiver that was handed what is erased.
    Notice {
        /// Which order.
        number: u64,
        /// Under which grant.
        grant: u64,
        /// Where: an absolute path where nothing is yet.
        out: PathBuf,
        /// Who.
        actor: String,
    },
}

impl ErasingRequest {
    /// Its name in the table of rights.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Propose { dry_run: false, .. } => "erase_propose",
            Self::Propose { .. } => "erase_propose, dry",
            Self::Approve { .. } => "erase_approve",
            Self::Refuse { .. } => "erase_refuse",
            Self::List { .. } => "erase_list",
            Self::Export { .. } => "erase_export",
            Self::Notice { .. } => "erase_notice",
        }
    }

    /// Names the account that acts.
    pub(crate) fn act_as(&mut self, name: &str) {
        match self {
            Self::Propose { actor, .. }
            | Self::Approve { actor, .. }
            | Self::Refuse { actor, .. }
            | Self::Notice { actor, .. } => name.clone_into(actor),
            Self::List { .. } | Self::Export { .. } => {}
        }
    }
}

pub(super) fn refused(rule: &'static str, vi: &str, en: &str) -> Answer {
    Answer::refused(rule, format!("{vi} · {en}"))
}

fn done_json(done: &Done) -> Json {
    json!({ "by": done.by, "at": done.at.rfc3339(), "reason": done.reason })
}

impl Hub {
    pub(super) async fn erasing(self: &Arc<Self>, request: ErasingRequest) -> Result<Answer, Answer> {
        match request {
            ErasingRequest::Propose { text, dry_run, actor } => {
                let _one = self.erasing.lock().await;
                self.erase_propose(&text, dry_run, &actor).await
            }
            ErasingRequest::Approve { number, actor } => {
                let _one = self.erasing.lock().await;
                self.erase_approve(number, &actor).await
            }
            ErasingRequest::Refuse { number, reason, actor } => {
                let _one = self.erasing.lock().await;
                self.erase_refuse(number, &reason, &actor).await
            }
            ErasingRequest::List { page } => {
                let orders = Arc::clone(&self.committer.books().read().orders.by_number);
                let items = orders.values().map(|order| self.order_line(order)).collect();
                Ok(Answer::done(page.of(items, |item| item["number"].to_string(), numbered)))
            }
            ErasingRequest::Notice { number, grant, out, actor } => {
                self.erase_notice((number, grant), &out, &actor).await
            }
            ErasingRequest::Export { out } => tokio::task::block_in_place(|| self.erase_export(&out)),
        }
    }

    pub(super) fn known_order(&self, number: u64) -> Result<ErasureOrder, Answer> {
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        orders.get(&number).cloned().ok_or_else(|| {
            let (vi, en) = (format!("không có lệnh xóa số {number}"), format!("there is no order {number}"));
            refused("ERASURE_UNKNOWN", &vi, &en)
        })
    }

    async fn erase_propose(&self, text: &str, dry_run: bool, actor: &str) -> Result<Answer, Answer> {
        if text.len() > ORDER_FILE_MAX {
            return Err(refused("ERASURE_FILE", "tệp quá lớn", "the file is too large"));
        }
        let (file, date) = OrderFile::parse(text).map_err(|error| Answer::refused("ERASURE_FILE", error))?;
        let (order, record) = self.meant(&file, date)?;
        let plan = self.look_through(&order)?;
        if !plan.is_known {
            return Err(refused("RECORD_UNKNOWN", "không tìm thấy bản ghi", "there is no such record"));
        }
        self.without_open_case(record.as_ref())?;
        let orders = Arc::clone(&self.committer.books().read().orders.by_number);
        let same = |known: &&ErasureOrder| known.refused.is_none() && known.order == order;
        if let Some(known) = orders.values().find(same) {
            return Ok(Answer::done(self.order_line(known)));
        }
        if plan.entries.is_empty() {
            let covered = |known: &&ErasureOrder| known.approved.is_some() && covers(&known.order, &order);
            return match orders.values().find(covered) {
                Some(known) => Ok(Answer::done(self.order_line(known))),
                None => Err(refused(
                    "ERASURE_NOTHING",
                    "bản ghi chưa từng có giá trị ở các trường này",
                    "the record never had a value in these fields",
                )),
            };
        }
        if dry_run {
            return Ok(Answer::done(self.plan_line(&order, &plan)));
        }
        let place = self.event(event::PROPOSED, actor, order.to_fields()).await.map_err(Answer::failed)?;
        let mut line = self.order_line(&self.known_order(place.0)?);
        if let (Some(fields), Json::Object(plan)) = (line.as_object_mut(), self.plan_line(&order, &plan)) {
            fields.extend(plan);
        }
        Ok(Answer::done(line))
    }

    async fn erase_approve(self: &Arc<Self>, number: u64, actor: &str) -> Result<Answer, Answer> {
        let known = self.known_order(number)?;
        if known.refused.is_some() {
            return Err(refused("ERASURE_STATE", "lệnh đã bị từ chối", "the order was refused"));
        }
        if known.approved.is_some() {
            return Ok(Answer::done(self.order_line(&known)));
        }
        if known.proposed.by == actor {
            return Err(refused(
                "TWO_PERSONS",
                "người đề nghị không được tự duyệt; cần một tài khoản khác",
                "who proposed it may not approve it; another account is needed",
            ));
        }
        let order = known.order;
        let declared = self.catalogue.record_type(&order.record_type);
        let record = self.dataset.record(&self.catalogue, &order.record_type, order.record);
        let record = record.map_err(Answer::failed)?.filter(|_| declared.is_some());
        self.without_open_case(record.as_ref())?;
        let at = self.now();
        for round in 0..ROUNDS_MAX {
            // What was taken in while the ledger was looked through is found in the next round.
            let plan = self.look_through(&order)?;
            let known: BTreeSet<_> =
                self.ordered(number).flat_map(|it| it.entries).map(|it| it.dot).collect();
            let entries: Vec<_> = plan.entries.into_iter().filter(|it| !known.contains(&it.dot)).collect();
            if entries.is_empty() && round > 0 {
                break;
            }
            let units = self.units_of(&order, &entries, &plan.owners, record.as_ref());
            let erasure = Erasure { order: order.clone(), units, entries, at };
            let event = erasure.to_event(Sequence(number), actor);
            self.committer.event(event).await.map_err(Answer::failed)?;
            self.follow_orders()?;
        }
        // Nothing more is served of it: the hub opens anew, and erases before it does.
        self.superseded.cancel();
        Ok(Answer::done(self.order_line(&self.known_order(number)?)))
    }

    /// What was ordered already under a proposal.
    fn ordered(&self, number: u64) -> impl Iterator<Item = Erasure> {
        let erasures = self.erasures.read();
        let ids = self.committer.books().read().orders.by_number.get(&number).map(|it| it.erasures.clone());
        let ids = ids.unwrap_or_default();
        let found: Vec<Erasure> = erasures
            .iter()
            .filter(|(_, erasure)| ids.contains_key(&erasure.id()))
            .map(|(_, erasure)| erasure.clone())
            .collect();
        found.into_iter()
    }

    /// The list follows the ledger; whether anything waits to be carried out.
    pub(crate) fn follow_orders(&self) -> Result<bool, Answer> {
        let orders = self.committer.books().read().orders.clone();
        catch_up(&mut self.erasures.write(), &orders, &self.reader).map_err(Answer::failed)
    }

    async fn erase_refuse(&self, number: u64, reason: &str, actor: &str) -> Result<Answer, Answer> {
        let reason = reason_of(reason)?;
        let known = self.known_order(number)?;
        if known.approved.is_some() || known.refused.is_some() {
            return Err(refused(
                "ERASURE_STATE",
                "lệnh không còn chờ duyệt; điều đã xóa không lấy lại được",
                "the order does not wait any more; what was erased does not come back",
            ));
        }
        let fields = BTreeMap::from([
            ("proposal".to_owned(), Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))),
            ("reason".to_owned(), Value::Text(reason)),
        ]);
        self.event(event::REFUSED, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.order_line(&self.known_order(number)?)))
    }

    /// The order a file means, and its record if it is in the dataset.
    fn meant(&self, file: &OrderFile, date: i32) -> Result<(Order, Option<Record>), Answer> {
        let Some(declared) = self.catalogue.record_type(&file.record_type) else {
            let kind = &file.record_type;
            let (vi, en) = (format!("không có loại {kind}"), format!("there is no type {kind}"));
            return Err(refused("TYPE_UNKNOWN", &vi, &en));
        };
        if let Some(unknown) = file.fields.iter().find(|name| declared.field(name).is_none()) {
            let vi = format!("loại {} không có trường {unknown}", declared.name);
            let en = format!("type {} has no field {unknown}", declared.name);
            return Err(refused("FIELD_UNKNOWN", &vi, &en));
        }
        let records = self.records();
        let province = &self.secrets.profile.province;
        let records =
            lienthong_node::records::Records { unit: file.unit.as_ref().unwrap_or(province), ..records };
        let record = records.named(declared, &file.record).map_err(Answer::failed)?;
        // One that is only in quarantine has no place in the dataset, but an id.
        let id = record.as_ref().map(|record| record.id).or_else(|| file.record.parse::<RecordId>().ok());
        let id =
            id.ok_or_else(|| refused("RECORD_UNKNOWN", "không tìm thấy bản ghi", "there is no such record"))?;
        let order = Order {
            number: file.order.clone(),
            issuer: file.issuer.clone(),
            date,
            reason: file.reason.clone(),
            record_type: declared.name.clone(),
            record: id,
            fields: file.fields.clone(),
        };
        Ok((order, record))
    }

    fn look_through(&self, order: &Order) -> Result<Plan, Answer> {
        let plan = tokio::task::block_in_place(|| Plan::of(&self.reader, order));
        plan.map_err(|error| Answer::refused("ERASURE_PLAN", error))
    }

    /// A duty to keep goes before an order: nothing waives it.
    fn without_open_case(&self, record: Option<&Record>) -> Result<(), Answer> {
        let Some(record) = record else { return Ok(()) };
        match self.open_case(record).map_err(Answer::failed)? {
            None => Ok(()),
            Some((by, why)) => {
                let vi = format!("chưa xóa được: {} ({by})", why.vi);
                let en = format!("it cannot be erased yet: {} ({by})", why.en);
                Err(refused("CASE_OPEN", &vi, &en))
            }
        }
    }

    /// Whose replicas may hold what is erased: those who wrote it, and those who ever owned the record.
    fn units_of(
        &self,
        order: &Order,
        entries: &[lienthong_proto::erasure::Erased],
        owners: &BTreeSet<UnitCode>,
        record: Option<&Record>,
    ) -> BTreeSet<UnitCode> {
        let books = self.committer.books().read();
        let writers = entries.iter().filter_map(|erased| books.replicas.get(&erased.dot.replica));
        let writers = writers.map(|held| held.unit.clone());
        let owner = record.and_then(|record| record.owner.clone());
        let handed = self.dataset.history(&order.record_type, order.record).unwrap_or_default();
        let handed = handed.into_iter().map(|past| past.source.unit);
        let all = writers.chain(owners.iter().cloned()).chain(owner).chain(handed);
        all.filter(|unit| !unit.is_province()).collect()
    }

    fn plan_line(&self, order: &Order, plan: &Plan) -> Json {
        let books = self.committer.books().read();
        let replica = |(replica, count): (&lienthong_proto::ids::ReplicaId, &usize)| {
            let unit = books.replicas.get(replica).map(|held| held.unit.clone());
            let unit = unit.unwrap_or_else(|| self.secrets.profile.province.clone());
            json!({ "replica": replica, "unit": unit, "entries": count })
        };
        json!({
            "record": order.record,
            "entries": plan.entries.len(),
            "values": plan.entries.iter().map(|erased| erased.commitments.len()).sum::<usize>(),
            "replicas": plan.replicas.iter().map(replica).collect::<Vec<_>>(),
            "kin": plan.kin,
        })
    }

    fn order_line(&self, known: &ErasureOrder) -> Json {
        let is_done = {
            let erasures = self.erasures.read();
            known.erasures.keys().all(|id| erasures.iter().any(|(kept, it)| kept.done && it.id() == *id))
        };
        let state = match known {
            ErasureOrder { refused: Some(_), .. } => "refused",
            ErasureOrder { approved: None, .. } => "proposed",
            _ if is_done => "done",
            _ => "waiting",
        };
        let enrolled = self.registry.list();
        let nodes: Vec<Json> = enrolled
            .iter()
            .filter(|node| known.units.contains(&node.unit) && matches!(node.state, ReplicaState::Active))
            .map(|node| {
                json!({ "unit": node.unit, "replica": node.replica, "confirmed": known.is_confirmed_by(&node.replica) })
            })
            .collect();
        let order = &known.order;
        json!({
            "number": known.number,
            "state": state,
            "order": order.number,
            "issuer": order.issuer,
            "date": Value::Date(order.date).to_text(),
            "reason": order.reason,
            "type": order.record_type,
            "record": order.record,
            "fields": order.fields,
            "whole": order.fields.is_empty(),
            "proposed": done_json(&known.proposed),
            "approved": known.approved.as_ref().map(done_json),
            "refused": known.refused.as_ref().map(done_json),
            "nodes": nodes,
            "agencies": self.agencies_line(known),
            "notices": known.notices.iter().map(|(grant, at)| json!({ "grant": grant, "at": at.rfc3339() })).collect::<Vec<_>>(),
        })
    }
}

/// Whether what an order takes contains all another would.
fn covers(known: &Order, order: &Order) -> bool {
    let same = known.record == order.record && known.record_type == order.record_type;
    same && (known.fields.is_empty()
        || (!order.fields.is_empty() && order.fields.iter().all(|field| known.fields.contains(field))))
}
