//! What a hub does when asked: the one place behind the control socket and the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lienthong_node::capture::Language;
use lienthong_node::control::Answer;
use lienthong_node::intake::{Intake, Taken};
use lienthong_node::records::{Listing, Page, Records};
use lienthong_node::replica::{WriteError, preview};
use lienthong_node::service::{export, import_event, known_type, taken_answer};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::rules::UnitScope;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::accounts::{Account, AccountRole, Credentials, Right};
use crate::app::Hub;
use crate::ingest::Release;
use crate::ledger::Quarantined;
use crate::pki::{Enrolled, Role};

/// What a hub can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Where everything stands.
    Status,
    /// Make an enrolment token.
    TokenCreate {
        /// For which unit.
        unit: UnitCode,
        /// As what.
        role: Role,
        /// For how long.
        ttl_seconds: u64,
        /// Who makes it.
        actor: String,
    },
    /// All tokens.
    TokenList,
    /// Take a token back.
    TokenRevoke {
        /// Its number.
        id: String,
        /// Who.
        actor: String,
    },
    /// All units.
    UnitList,
    /// One unit.
    UnitShow {
        /// Which.
        unit: UnitCode,
    },
    /// Revoke a unit's replicas, or one replica.
    UnitRevoke {
        /// Unit code or replica id.
        whom: String,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// Take a file in.
    Import {
        /// Absolute path.
        path: PathBuf,
        /// Record type.
        record_type: String,
        /// Write nothing.
        dry_run: bool,
        /// Who brings it.
        author: String,
        /// English messages.
        english: bool,
    },
    /// Take objects in.
    Put {
        /// They.
        values: Vec<Json>,
        /// Record type.
        record_type: String,
        /// Who brings them.
        author: String,
        /// English messages.
        english: bool,
    },
    /// One record.
    RecordGet {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The unit whose numbers are meant.
        unit: Option<UnitCode>,
    },
    /// A page of records.
    RecordList {
        /// Record type.
        record_type: String,
        /// Which.
        listing: Listing,
    },
    /// Every write of a record.
    RecordHistory {
        /// Record type.
        record_type: String,
        /// Id or natural key.
        id: String,
        /// The unit whose numbers are meant.
        unit: Option<UnitCode>,
    },
    /// All records of a type, to a file.
    Export {
        /// Record type.
        record_type: String,
        /// `jsonl` or `csv`.
        format: String,
        /// Absolute path.
        out: PathBuf,
        /// Which.
        listing: Listing,
    },
    /// All open conflicts.
    ConflictsList {
        /// Which.
        page: Page,
    },
    /// The conflicts of one record.
    ConflictsShow {
        /// Record id, or the key of an item of the list.
        id: String,
    },
    /// All of the quarantine.
    QuarantineList {
        /// Which.
        page: Page,
    },
    /// One change in quarantine.
    QuarantineShow {
        /// `ledger.place`.
        number: String,
    },
    /// Merge it after all.
    QuarantineRelease {
        /// `ledger.place`.
        number: String,
        /// Why.
        reason: String,
        /// Who.
        actor: String,
    },
    /// A new account.
    UserAdd {
        /// Its name.
        name: String,
        /// What it is for.
        roles: Vec<AccountRole>,
        /// The operating-system user it belongs to.
        uid: Option<u32>,
        /// Its password.
        password: Option<String>,
    },
    /// All accounts.
    UserList,
    /// End an account.
    UserDisable {
        /// Its name.
        name: String,
    },
    /// The ledger's signed checkpoint.
    LedgerCheckpoint,
    /// Entries of the ledger.
    LedgerShow {
        /// From which.
        from: u64,
        /// How many.
        limit: usize,
    },
    /// Whether the ledger is whole.
    LedgerVerify,
    /// What the hub holds of a record's first source: its leaf, and the log it stands in.
    RecordSource {
        /// Record type.
        record_type: String,
        /// Record id.
        id: RecordId,
    },
    /// The digest of everything live a replica wrote: the replica's must be equal.
    StateDigest {
        /// Which replica.
        replica: lienthong_proto::ids::ReplicaId,
    },
}

/// A request, and whom it is to act as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// An account with its password; otherwise the operating-system user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

impl Request {
    /// What it needs.
    #[must_use]
    pub fn right(&self) -> Right {
        match self {
            Self::TokenCreate { .. }
            | Self::TokenRevoke { .. }
            | Self::UnitRevoke { .. }
            | Self::Import { .. }
            | Self::Put { .. } => Right::Operate,
            Self::QuarantineRelease { .. } => Right::Decide,
            Self::UserAdd { .. } | Self::UserDisable { .. } => Right::KeepAccounts,
            _ => Right::Read,
        }
    }

    /// Names the account that acts: what the command line says of it is not believed.
    fn act_as(&mut self, name: &str) {
        match self {
            Self::TokenCreate { actor, .. }
            | Self::TokenRevoke { actor, .. }
            | Self::UnitRevoke { actor, .. }
            | Self::QuarantineRelease { actor, .. }
            | Self::Import { author: actor, .. }
            | Self::Put { author: actor, .. } => name.clone_into(actor),
            _ => {}
        }
    }
}

/// What a quarantine list shows of a change.
fn quarantined_json(number: (u64, u16), waiting: &Quarantined) -> Json {
    json!({
        "number": format!("{}.{}", number.0, number.1),
        "unit": waiting.unit,
        "type": waiting.record_type,
        "record": waiting.record,
        "reason": waiting.reason.code(),
        "vi": waiting.reason.vi(),
        "en": waiting.reason.en(),
        "at": waiting.accepted_at.rfc3339(),
        "replica": waiting.dot.replica,
        "sequence": waiting.dot.sequence,
    })
}

fn number_of(text: &str) -> Result<(u64, u16), Answer> {
    let parsed =
        text.split_once('.').and_then(|(ledger, place)| Some((ledger.parse().ok()?, place.parse().ok()?)));
    parsed.ok_or_else(|| Answer::failed(format!("{text}: số có dạng 12.0 · a number looks like 12.0")))
}

fn list(items: Vec<Json>) -> Answer {
    Answer::done(json!({ "items": items, "next": null }))
}

impl Hub {
    /// Does what is asked, if the account of the one who asks may.
    pub async fn execute_as(self: Arc<Self>, mut asked: Asked, uid: Option<u32>) -> Answer {
        let (credentials, right) = (asked.credentials.take(), asked.request.right());
        let allowed =
            tokio::task::block_in_place(|| self.accounts.authorise(uid, credentials.as_ref(), right));
        match allowed {
            Ok(name) => {
                asked.request.act_as(&name);
                match asked.request {
                    Request::UserAdd { .. } | Request::UserDisable { .. } => {
                        self.keep_accounts(asked.request, &name).await.unwrap_or_else(|refusal| refusal)
                    }
                    request => self.execute(request).await,
                }
            }
            Err(refusal) => Answer::failed(refusal),
        }
    }

    async fn keep_accounts(&self, request: Request, actor: &str) -> Result<Answer, Answer> {
        let (kind, name) = match &request {
            Request::UserAdd { name, roles, uid, password } => {
                let added = self.accounts.add(name, roles.clone(), *uid, password.as_deref(), self.now());
                added.map_err(Answer::failed)?;
                ("account", name.clone())
            }
            Request::UserDisable { name } => {
                self.accounts.disable(name).map_err(Answer::failed)?;
                ("account_disabled", name.clone())
            }
            _ => return Err(Answer::failed("not about accounts")),
        };
        let fields = BTreeMap::from([("account".to_owned(), Value::Text(name.clone()))]);
        self.event(kind, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "name": name })))
    }

    /// Does what is asked.
    pub async fn execute(self: Arc<Self>, request: Request) -> Answer {
        let answered = match request {
            Request::TokenCreate { unit, role, ttl_seconds, actor } => {
                self.token_create(unit, role, ttl_seconds, actor).await
            }
            Request::TokenRevoke { id, actor } => self.token_revoke(&id, &actor).await,
            Request::UnitRevoke { whom, reason, actor } => self.unit_revoke(&whom, &reason, &actor).await,
            Request::QuarantineRelease { number, reason, actor } => {
                self.release(&number, reason, actor).await
            }
            // Here rather than on another thread: a hand-over costs more than most answers.
            request => {
                let runtime = tokio::runtime::Handle::current();
                tokio::task::block_in_place(|| self.answer(request, &runtime))
            }
        };
        answered.unwrap_or_else(|refusal| refusal)
    }

    async fn token_create(
        &self,
        unit: UnitCode,
        role: Role,
        ttl_seconds: u64,
        actor: String,
    ) -> Result<Answer, Answer> {
        if self.catalogue.units().get(&unit).is_none() {
            return Err(Answer::failed(format!("không có đơn vị {unit} · there is no unit {unit}")));
        }
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

    async fn token_revoke(&self, id: &str, actor: &str) -> Result<Answer, Answer> {
        self.tokens.revoke(id).map_err(Answer::failed)?;
        let fields = BTreeMap::from([("token".to_owned(), Value::Text(id.to_owned()))]);
        self.event("token_revoked", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "revoked": id })))
    }

    async fn unit_revoke(&self, whom: &str, reason: &str, actor: &str) -> Result<Answer, Answer> {
        let revoked = self.registry.revoke(whom, reason, self.now()).map_err(Answer::failed)?;
        let fields = BTreeMap::from([
            ("whom".to_owned(), Value::Text(whom.to_owned())),
            ("reason".to_owned(), Value::Text(reason.to_owned())),
        ]);
        self.event("revocation", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "revoked": revoked })))
    }

    async fn release(&self, number: &str, reason: String, actor: String) -> Result<Answer, Answer> {
        let release = Release { number: number_of(number)?, reason, actor };
        let sequence = self.committer.release(release).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "released": number, "ledger_index": sequence })))
    }

    fn records<'a>(&'a self, unit: Option<&'a UnitCode>) -> Records<'a> {
        Records {
            dataset: &self.dataset,
            catalogue: &self.catalogue,
            provincial_key: &self.secrets.provincial_key,
            unit: unit.unwrap_or(&self.secrets.profile.province),
        }
    }

    fn answer(&self, request: Request, runtime: &tokio::runtime::Handle) -> Result<Answer, Answer> {
        match request {
            Request::Status => Ok(Answer::done(self.status())),
            Request::TokenList => {
                let tokens = self.tokens.list();
                Ok(list(tokens.iter().map(|token| token.to_json()).collect()))
            }
            Request::UnitList => Ok(list(self.registry.list().iter().map(enrolled_json).collect())),
            Request::UnitShow { unit } => self.unit_show(&unit),
            Request::UserList => {
                let shown = |account: &Account| {
                    json!({
                        "name": account.name,
                        "roles": account.roles,
                        "uid": account.uid,
                        "disabled": account.disabled,
                        "created": UnixMillis(account.created_at).rfc3339(),
                    })
                };
                Ok(list(self.accounts.list().iter().map(shown).collect()))
            }
            Request::Import { .. } | Request::Put { .. } => self.take_in(request, runtime),
            Request::ConflictsList { page } => Ok(self.conflicts_list(&page)),
            Request::ConflictsShow { id } => self.conflicts_show(&id),
            Request::QuarantineList { page } => {
                let waiting = Arc::clone(&self.committer.books().read().quarantine);
                let items =
                    waiting.iter().map(|(number, waiting)| quarantined_json(*number, waiting)).collect();
                let key = |item: &Json| item["number"].as_str().unwrap_or_default().to_owned();
                Ok(Answer::done(page.of(items, key)))
            }
            Request::QuarantineShow { number } => {
                let parsed = number_of(&number)?;
                let waiting = self.committer.books().read().quarantine.get(&parsed).cloned();
                let waiting = waiting
                    .ok_or_else(|| Answer::failed(format!("không có {number} · there is no {number}")))?;
                Ok(Answer::done(quarantined_json(parsed, &waiting)))
            }
            Request::LedgerCheckpoint => {
                let checkpoint = self.ledger_checkpoint().map_err(Answer::failed)?;
                Ok(Answer::done(json!({ "checkpoint": checkpoint })))
            }
            Request::LedgerShow { from, limit } => self.ledger_show(from, limit),
            Request::RecordSource { record_type, id } => self.record_source(&record_type, id),
            Request::StateDigest { replica } => {
                lienthong_node::service::state_digest(&self.dataset, &self.catalogue, replica)
            }
            Request::LedgerVerify => {
                Ok(lienthong_node::check::check(&self.data, self.secrets.profile.replica))
            }
            request => self.read(request),
        }
    }

    fn read(&self, request: Request) -> Result<Answer, Answer> {
        let missing = || Answer::failed("không tìm thấy bản ghi · there is no such record");
        match request {
            Request::RecordGet { record_type, id, unit } => {
                let declared = known_type(&self.catalogue, &record_type)?;
                let found = self.records(unit.as_ref()).get(declared, &id).map_err(Answer::failed)?;
                found.map(|record| Answer::done(record.to_json())).ok_or_else(missing)
            }
            Request::RecordList { record_type, listing } => {
                let declared = known_type(&self.catalogue, &record_type)?;
                self.records(None).list(declared, &listing).map(Answer::done).map_err(Answer::failed)
            }
            Request::RecordHistory { record_type, id, unit } => {
                let declared = known_type(&self.catalogue, &record_type)?;
                let found = self.records(unit.as_ref()).history(declared, &id).map_err(Answer::failed)?;
                found.map(Answer::done).ok_or_else(missing)
            }
            Request::Export { record_type, format, out, listing } => {
                let declared = known_type(&self.catalogue, &record_type)?;
                export(&self.records(None), declared, &format, &out, &listing)
            }
            _ => Err(Answer::failed("not a question")),
        }
    }

    fn record_source(&self, record_type: &str, id: RecordId) -> Result<Answer, Answer> {
        let missing = || Answer::failed("không tìm thấy bản ghi · there is no such record");
        let state = self.dataset.state(record_type, id).map_err(Answer::failed)?.ok_or_else(missing)?;
        let source = state.sources.values().next().ok_or_else(missing)?;
        let bytes = self.dataset.entries().entry(source.at).map_err(Answer::failed)?;
        let entry = lienthong_proto::entry::Entry::decode(&bytes).map_err(Answer::failed)?;
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

    fn unit_show(&self, unit: &UnitCode) -> Result<Answer, Answer> {
        if self.catalogue.units().get(unit).is_none() {
            return Err(Answer::failed(format!("không có đơn vị {unit} · there is no unit {unit}")));
        }
        let replicas: Vec<Json> =
            self.registry.list().iter().filter(|entry| entry.unit == *unit).map(enrolled_json).collect();
        let root = lienthong_node::identity::spki_hash(&self.secrets.root).unwrap_or_default();
        Ok(Answer::done(json!({
            "unit": unit,
            "name": self.catalogue.units().title(unit),
            "replicas": replicas,
            "fingerprint": lienthong_proto::fingerprint::words(&root),
        })))
    }

    fn conflicts_show(&self, id: &str) -> Result<Answer, Answer> {
        let none = || Answer::failed(format!("{id}: không có xung đột đang mở · no open conflict"));
        let named = |record_type: &str, record: &RecordId, field: &str| {
            record.to_string() == id || format!("{record_type}/{record}/{field}") == id
        };
        let mut open = self.dataset.conflicts().into_iter();
        let (record_type, record, _) = open.find(|(t, record, f)| named(t, record, f)).ok_or_else(none)?;
        let declared = known_type(&self.catalogue, &record_type)?;
        let found = self.records(None).get(declared, &record.to_string()).map_err(Answer::failed)?;
        let record =
            found.ok_or_else(|| Answer::failed("không tìm thấy bản ghi · there is no such record"))?;
        Ok(Answer::done(json!({
            "type": record_type, "id": record.id, "unit": record.owner, "conflicts": record.conflicts(),
        })))
    }

    /// The open conflicts, a field each.
    fn conflicts_list(&self, page: &Page) -> Answer {
        let items = self
            .dataset
            .conflicts()
            .into_iter()
            .map(|(record_type, id, field)| {
                let key = format!("{record_type}/{id}/{field}");
                json!({ "key": key, "type": record_type, "id": id, "field": field })
            })
            .collect();
        Answer::done(page.of(items, |item| item["key"].as_str().unwrap_or_default().to_owned()))
    }

    fn take_in(&self, request: Request, runtime: &tokio::runtime::Handle) -> Result<Answer, Answer> {
        let (record_type, author, english, dry_run) = match &request {
            Request::Import { record_type, author, english, dry_run, .. } => {
                (record_type.clone(), author.clone(), *english, *dry_run)
            }
            Request::Put { record_type, author, english, .. } => {
                (record_type.clone(), author.clone(), *english, false)
            }
            _ => return Err(Answer::failed("not an import")),
        };
        let declared = known_type(&self.catalogue, &record_type)?;
        let mut intake = Intake {
            catalogue: &self.catalogue,
            scope: UnitScope::Any(self.secrets.profile.province.clone()),
            author: author.clone(),
            now: self.now(),
            language: if english { Language::En } else { Language::Vi },
            write: &mut |drafts| {
                if dry_run {
                    let secrets = &self.secrets;
                    let writer = secrets.profile.replica;
                    return preview(&self.dataset, &self.catalogue, &secrets.provincial_key, writer, &drafts);
                }
                let results: Vec<Result<_, WriteError>> = runtime.block_on(self.committer.write(drafts));
                results
            },
        };
        let taken: Taken = match request {
            Request::Import { path, .. } => intake.file(&path, declared),
            Request::Put { values, .. } => intake.values(values, declared),
            _ => return Err(Answer::failed("not an import")),
        };
        if !dry_run
            && taken.report.file != "-"
            && let Some(event) = import_event(&taken, &author, self.now())
        {
            runtime.block_on(self.committer.event(event)).map_err(Answer::failed)?;
        }
        Ok(taken_answer(&taken))
    }

    fn ledger_show(&self, from: u64, limit: usize) -> Result<Answer, Answer> {
        use lienthong_node::dataset::Payload;
        use lienthong_proto::batch;
        use lienthong_proto::entry::{Entry, EntryKind};
        use lienthong_proto::event::{Acceptance, Event};
        let mut items = Vec::new();
        for frame in self.reader.clone().scan(lienthong_proto::ids::Sequence(from)) {
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

fn enrolled_json(entry: &Enrolled) -> Json {
    let fingerprint = entry.log_public().map(|key| lienthong_proto::fingerprint::words(&key));
    json!({
        "unit": entry.unit,
        "replica": entry.replica,
        "role": entry.role,
        "enrolled_at": UnixMillis(entry.enrolled_at).rfc3339(),
        "state": entry.state,
        "fingerprint": fingerprint,
    })
}
