//! Tokens and enrolled units.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::{Value, date_text};
use serde_json::{Value as Json, json};

use super::waivers::reason_of;
use super::{list, unit_unknown};
use crate::app::Hub;
use crate::ledger::{GrantState, ImportLine};
use crate::pki::{ContactError, Enrolled, RegistryError, Role, TokenError};

impl Hub {
    pub(super) async fn token_create(
        &self,
        unit: UnitCode,
        role: Role,
        ttl_seconds: u64,
        actor: String,
    ) -> Result<Answer, Answer> {
        // An agency is told by its code: it can be nothing else.
        let agency = self.committer.books().read().sharing.agencies.contains_key(&unit);
        if agency || role == Role::Auditor {
            self.may_receive(&unit, agency)?;
            return self.new_token(unit, Role::Auditor, ttl_seconds, actor).await;
        }
        let tree = self.tree();
        let successors = tree.ending(&unit).map(|_| tree.successors(&unit));
        // A node that was the unit's may have to be recovered; a new one is the successor's.
        let known = self.registry.list().iter().any(|entry| entry.unit == unit);
        if let (Some(successors), false) = (&successors, known) {
            let to = super::lineage::codes(successors);
            let ended = format!(
                "đơn vị {unit} đã kết thúc, kế thừa: {to} · unit {unit} has ended, its successors are {to}"
            );
            return Err(Answer::refused("UNIT_ENDED", ended));
        }
        if tree.get(&unit).is_none() && successors.is_none() {
            return Err(unit_unknown(&unit));
        }
        let mut answer = self.new_token(unit, role, ttl_seconds, actor).await?;
        if let (Some(successors), Some(fields)) = (successors, answer.body.as_object_mut()) {
            fields.insert("successors".to_owned(), json!(successors));
        }
        Ok(answer)
    }

    /// An agency's replica is of use only under a grant: without one in force there is no token.
    fn may_receive(&self, unit: &UnitCode, agency: bool) -> Result<(), Answer> {
        if !agency {
            return Err(Answer::refused(
                "AGENCY_UNKNOWN",
                format!(
                    "chưa có cơ quan {unit}: chạy `lienthong-hub agency add {unit} --name …` · there is no agency {unit}: run `lienthong-hub agency add {unit} --name …`"
                ),
            ));
        }
        let grants = std::sync::Arc::clone(&self.committer.books().read().sharing.grants);
        let mut granted = grants.values().filter(|grant| grant.terms.agency == *unit);
        if granted.any(|grant| grant.state(self.now()) == GrantState::Active) {
            return Ok(());
        }
        Err(Answer::refused(
            "GRANT_NEEDED",
            format!(
                "cơ quan {unit} chưa có giấy cấp quyền nào đang có hiệu lực: đề nghị và duyệt trước (`lienthong-hub grant propose`, `grant approve`) · agency {unit} has no grant in force: propose and approve one first (`lienthong-hub grant propose`, `grant approve`)"
            ),
        ))
    }

    async fn new_token(
        &self,
        unit: UnitCode,
        role: Role,
        ttl_seconds: u64,
        actor: String,
    ) -> Result<Answer, Answer> {
        self.enrols().map_err(Answer::failed)?;
        let expires = UnixMillis(self.now().0.saturating_add(ttl_seconds.saturating_mul(1_000)));
        let token = self
            .tokens
            .create(&self.secrets, unit.clone(), role, expires, actor.clone())
            .map_err(Answer::failed)?;
        let fields = BTreeMap::from([
            ("unit".to_owned(), Value::Unit(unit.clone())),
            ("token".to_owned(), Value::Text(hex::encode(token.id))),
        ]);
        self.event("token", &actor, fields).await.map_err(Answer::failed)?;
        let expires = expires.rfc3339();
        Ok(Answer::done(
            json!({ "token": token.to_string(), "unit": unit, "role": role, "expires": expires }),
        ))
    }

    pub(super) async fn token_revoke(&self, id: &str, actor: &str) -> Result<Answer, Answer> {
        self.tokens.revoke(id).map_err(|error| match error {
            error @ TokenError::Unknown => Answer::refused("TOKEN_UNKNOWN", error),
            error => Answer::failed(error),
        })?;
        let fields = BTreeMap::from([("token".to_owned(), Value::Text(id.to_owned()))]);
        self.event("token_revoked", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "revoked": id })))
    }

    pub(super) async fn unit_revoke(&self, whom: &str, reason: &str, actor: &str) -> Result<Answer, Answer> {
        let reason = reason_of(reason)?;
        let revoked = self.registry.revoke(whom, &reason, self.now()).map_err(|error| match error {
            error @ RegistryError::Unknown(_) => Answer::refused("REPLICA_UNKNOWN", error),
            error => Answer::failed(error),
        })?;
        let fields = BTreeMap::from([
            ("whom".to_owned(), Value::Text(whom.to_owned())),
            ("reason".to_owned(), Value::Text(reason)),
        ]);
        self.event("revocation", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "revoked": revoked })))
    }

    /// The ledger says that it changed and by whom, not what it is: a name and a number must be forgettable.
    pub(super) async fn unit_contact(
        &self,
        unit: &UnitCode,
        name: &str,
        phone: &str,
        actor: &str,
    ) -> Result<Answer, Answer> {
        if self.tree().get(unit).is_none() {
            return Err(unit_unknown(unit));
        }
        self.contacts.set(unit, name, phone).map_err(|error| match error {
            error @ ContactError::Form => Answer::refused("CONTACT_FORM", error),
            error @ ContactError::Seal(_) => Answer::failed(error),
        })?;
        let fields = BTreeMap::from([("unit".to_owned(), Value::Unit(unit.clone()))]);
        self.event("contact", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "unit": unit, "contact": self.contacts.get(unit) })))
    }

    pub(super) fn unit_list(&self) -> Answer {
        list(self.registry.list().iter().map(enrolled_json).collect())
    }

    pub(super) fn unit_show(&self, unit: &UnitCode) -> Result<Answer, Answer> {
        let tree = self.tree();
        let ended = tree.ending(unit);
        if tree.get(unit).is_none() && ended.is_none() {
            return Err(unit_unknown(unit));
        }
        let replicas: Vec<Json> = self
            .registry
            .list()
            .iter()
            .filter(|entry| entry.unit == *unit)
            .map(|entry| self.shown(entry))
            .collect();
        let root = lienthong_node::identity::spki_hash(&self.secrets.root()).unwrap_or_default();
        Ok(Answer::done(json!({
            "unit": unit,
            "name": tree.title(unit),
            "ended": ended.map(|ending| json!({
                "on": date_text(ending.on), "step": ending.step, "successors": tree.successors(unit),
            })),
            "predecessors": tree.predecessors(unit),
            "imports": self.imports_of(unit).iter().map(ImportLine::to_json).collect::<Vec<Json>>(),
            "replicas": replicas,
            "fingerprint": lienthong_proto::fingerprint::words(&root),
        })))
    }
}

impl Hub {
    /// The last imports of a unit, the newest first.
    pub(crate) fn imports_of(&self, unit: &UnitCode) -> Vec<ImportLine> {
        let books = self.committer.books().read();
        let held = books.replicas.values().filter(|held| held.unit == *unit);
        let mut imports: Vec<ImportLine> = held.flat_map(|held| held.imports.iter().cloned()).collect();
        imports.sort_by_key(|import| Reverse(import.at));
        imports
    }

    /// A replica with what is held of it, and what it takes to verify that elsewhere.
    fn shown(&self, entry: &Enrolled) -> Json {
        let mut shown = enrolled_json(entry);
        let origin = self.secrets.origin(&entry.unit, entry.replica);
        let key = entry.log_public().and_then(|key| Verifier::new(&origin, Algorithm::Ed25519, key).ok());
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("log_key".to_owned(), key.map(|key| key.to_string()).into());
            fields.insert("holds".to_owned(), self.holds(entry).map(|holds| holds.to_json()).into());
        }
        shown
    }
}

fn enrolled_json(entry: &Enrolled) -> Json {
    json!({
        "unit": entry.unit,
        "replica": entry.replica,
        "role": entry.role,
        "enrolled_at": UnixMillis(entry.enrolled_at).rfc3339(),
        "state": entry.state,
        "fingerprint": entry.fingerprint(),
    })
}
