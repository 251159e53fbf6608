//! A bundle: everything a grant gives, with its proofs, sealed to the agency in one file.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lienthong_node::backup::{Recipient, RecipientError};
use lienthong_node::control::Tell;
use lienthong_node::dataset::{DatasetError, EntryError, Payload};
use lienthong_node::log::ReadError;
use lienthong_node::quality::QualityError;
use lienthong_node::replica::Head;
use lienthong_node::sealed::{SealedError, SealedWriter};
use lienthong_node::store::ViewError;
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError};
use lienthong_proto::disclosure::{
    Access, BUNDLE_VERSION, Bytes, Cover, End, Hash, Head as BundleHead, Line, LogHead, Proof, Shown, event,
};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::erasure::entries_of;
use lienthong_proto::erasure::event::ERASURE;
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, ReplicaId};
use lienthong_proto::merkle::{Hashes as _, consistency_proof, inclusion_proof};
use lienthong_proto::note::NoteError;
use lienthong_proto::receipt_key::RECEIPT_KEY;
use lienthong_proto::roll::{LINE, ROLL_MILLIS_MAX, members};
use lienthong_proto::text::in_both;
use lienthong_proto::value::Value;
use serde::Serialize;
use serde_json::json;

use super::map::{Held, Map, each};
use super::scope::{Scope, event_shown};
use super::sink::Sink;
use crate::app::Hub;
use crate::ingest::{CommitError, Delivery};
use crate::ledger::{Grant, GrantState, READMISSION};
use crate::pki::{Role, SecretsError};
use crate::witness::Witnessed;

/// Why something is not shared.
#[derive(Debug, thiserror::Error)]
pub enum SharingError {
    /// No such grant.
    #[error("không có giấy cấp quyền số {0} · there is no grant {0}")]
    Unknown(u64),
    /// It is not in force.
    #[error("giấy cấp quyền số {0} không có hiệu lực lúc này · grant {0} is not in force now")]
    NotInForce(u64),
    /// The agency has given no key.
    #[error(
        "cơ quan {0} chưa có khóa nhận: chạy `lienthong-hub agency add {0} --key x25519:…` với khóa do cơ quan tạo bằng `lienthong-node key pair` · agency {0} has given no key: run `lienthong-hub agency add {0} --key x25519:…` with the one it made by `lienthong-node key pair`"
    )]
    NoKey(String),
    /// No quorum of witnesses has cosigned what the bundle needs.
    #[error(
        "chưa đủ nhân chứng (máy các xã) ký sổ cái mới đây: thử lại khi các xã trực tuyến; xem `lienthong-hub status` · too few witnesses (the communes' nodes) have cosigned the ledger lately: try again when they are online; see `lienthong-hub status`"
    )]
    Unwitnessed,
    /// A log that a unit's other nodes brought back, whose key nobody knows: nothing shows it to be its writer's.
    #[error(
        "không chứng minh được nhật ký của máy {0}: máy khác của đơn vị gửi lại sau khi tỉnh mất sổ cái, không ai biết khóa của nó · the log of replica {0} cannot be proven: its unit's other nodes brought it back after the ledger was lost, and nobody knows its key"
    )]
    Keyless(ReplicaId),
    /// No round can be closed.
    #[error("{}", in_both("không chốt được sổ cái", "the ledger's round cannot be closed", .0))]
    Round(String),
    /// The agency's key is none.
    #[error(transparent)]
    Recipient(#[from] RecipientError),
    /// It cannot be sealed.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The ledger cannot be read.
    #[error("{}", in_both("không đọc được sổ cái", "the ledger cannot be read", &.0.to_string()))]
    Read(#[from] ReadError),
    /// Something in it is not understood.
    #[error("{}", in_both("sổ cái có mục không hiểu được", "something in the ledger is not understood", &.0.to_string()))]
    Malformed(#[from] Malformed),
    /// A batch does not open.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The view cannot be read or written.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The records cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The rules cannot be asked.
    #[error(transparent)]
    Quality(#[from] QualityError),
    /// A checkpoint cannot be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A receipt cannot be signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The ledger takes nothing, or the grant ended meanwhile.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The tree cannot prove what it should.
    #[error(
        "thiếu mã băm của sổ cái; hãy chạy `lienthong-hub check` · hashes of the ledger are missing; run `lienthong-hub check`"
    )]
    Hashes,
}

/// So long a bundle waits for witnesses.
const WITNESSES_WAIT: Duration = Duration::from_secs(20);
/// A roll that was called for one view does for others for so long.
const FOR_ALL_MILLIS: u64 = 10 * 60 * 1_000;

/// What was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// Under which grant.
    pub grant: u64,
    /// To whom.
    pub agency: String,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Changes whose values are in it.
    pub changes: u64,
    /// Logs that are shown, the ledger aside.
    pub logs: u64,
    /// The ledger's entry that says so.
    pub access: u64,
}

/// The ledger's checkpoint that a bundle stands under.
pub(super) struct Cut {
    pub(super) head: Head,
    pub(super) note: String,
    /// Where the policy stands that its witnesses are judged by.
    policy_index: u64,
    /// What was witnessed when the roll was called.
    before_roll: Option<Arc<Witnessed>>,
}

impl Hub {
    /// Writes the bundle of a grant to `out`, which must not exist yet. Until the ledger has the delivery, what is written
    /// stands in a nameless file of the hub's own folder: nothing of it is at `out`.
    ///
    /// # Errors
    /// [`SharingError`]; nothing is left at `out` then.
    pub async fn bundle(
        self: &Arc<Self>,
        number: u64,
        out: &Path,
        actor: &str,
        tell: &Tell,
    ) -> Result<BundleReport, SharingError> {
        let grant = self.grant(number)?;
        if grant.state(self.now()) != GrantState::Active {
            return Err(SharingError::NotInForce(number));
        }
        let to = self.recipient(&grant)?;
        self.committer.tally(actor).await?;
        let cut = self.called().await?;
        self.committer.flush().await;
        // Taken before anything is logged: a delivery that cannot be placed is none.
        let placed =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(at(out))?;
        let written = self.write_bundle(&grant, to, cut, (placed, out), actor, tell).await;
        if written.is_err() {
            let _ = std::fs::remove_file(out);
        }
        written
    }

    pub(super) fn grant(&self, number: u64) -> Result<Grant, SharingError> {
        let grants = Arc::clone(&self.committer.books().read().sharing.grants);
        grants.get(&number).cloned().ok_or(SharingError::Unknown(number))
    }

    fn recipient(&self, grant: &Grant) -> Result<Recipient, SharingError> {
        let agencies = Arc::clone(&self.committer.books().read().sharing.agencies);
        let key = agencies.get(&grant.terms.agency).and_then(|agency| agency.key.as_deref());
        let key = key.ok_or_else(|| SharingError::NoKey(grant.terms.agency.to_string()))?;
        Ok(key.parse()?)
    }

    /// As [`Hub::called`], for a view that was given all of the ledger below a place: one of the last minutes that it was not given,
    /// which was called for another, does for it too.
    pub(super) async fn called_behind(&self, given: u64) -> Result<Cut, SharingError> {
        self.call(Some(given)).await
    }

    /// As [`Hub::called`]; a roll that no witness has seen yet is not called once more, however often one waits for them.
    pub(super) async fn called_or_waiting(&self) -> Result<Cut, SharingError> {
        let seen = self.witnessed().filter(|seen| seen.is_fresh(self.now()));
        let last = self.committer.books().read().rolls.last_place(u64::MAX);
        match (seen, last) {
            (Some(seen), Some(last)) if seen.checkpoint.size <= last => {
                Ok(Cut { before_roll: Some(seen), ..self.cut().await? })
            }
            _ => self.called().await,
        }
    }

    /// Calls the roll, behind what the witnesses have seen of late: the checkpoint that what is to be handed over stands under.
    pub(super) async fn called(&self) -> Result<Cut, SharingError> {
        self.call(None).await
    }

    async fn call(&self, given: Option<u64>) -> Result<Cut, SharingError> {
        if !self.is_witnessed_freshly(self.now()) {
            self.cut().await?;
        }
        let cut = self.call_once(given).await?;
        // Other witnesses count since: what those of before had seen says nothing to whoever knows these.
        let is_of_both = cut.before_roll.as_ref().is_some_and(|seen| seen.policy_index == cut.policy_index);
        if is_of_both { Ok(cut) } else { self.call_once(None).await }
    }

    /// Calls the roll, unless one does that was called for others.
    async fn call_once(&self, given: Option<u64>) -> Result<Cut, SharingError> {
        let one = self.rounds.calling.lock().await;
        let before_roll = self.witnessed();
        let last = self.committer.books().read().rolls.last_place(u64::MAX);
        let does = given.is_some_and(|given| last >= Some(given)) && self.is_called_within(FOR_ALL_MILLIS);
        if !does {
            self.log_roll().await?;
        }
        drop(one);
        Ok(Cut { before_roll, ..self.cut().await? })
    }

    /// The checkpoint a bundle stands under: witnessed. One is asked for now; where too few witnesses answer, the last
    /// one does, if it is of the last day. Under a ledger that has no witness yet nothing is handed over.
    async fn cut(&self) -> Result<Cut, SharingError> {
        let wanted = self.head().size;
        self.close_round().await.map_err(|error| SharingError::Round(error.to_string()))?;
        if self.committer.books().read().witnesses.policies.is_empty() {
            return Err(SharingError::Unwitnessed);
        }
        // Another delivery may have closed the one that holds this one's roll.
        if self.rounds.current().is_some_and(|round| round.checkpoint.size >= wanted) {
            let mut reached = self.rounds.reached();
            let _ = tokio::time::timeout(WITNESSES_WAIT, reached.wait_for(|size| *size >= wanted)).await;
        }
        let witnessed = self.witnessed().filter(|witnessed| witnessed.is_fresh(self.now()));
        let witnessed = witnessed.ok_or(SharingError::Unwitnessed)?;
        let head = Head { size: witnessed.checkpoint.size, root: witnessed.checkpoint.root };
        let (note, policy_index) = (witnessed.note.clone(), witnessed.policy_index);
        Ok(Cut { head, note, policy_index, before_roll: None })
    }

    async fn write_bundle(
        self: &Arc<Self>,
        grant: &Grant,
        to: Recipient,
        cut: Cut,
        (mut placed, out): (File, &Path),
        actor: &str,
        tell: &Tell,
    ) -> Result<BundleReport, SharingError> {
        let waiting = tempfile::tempfile_in(&self.data).map_err(at(&self.data))?;
        let sink = Sink::new(SealedWriter::new(BufWriter::new(waiting), to)?);
        let mut writing = Writing { hub: self, grant, cut, sink, tell };
        let logs = tokio::task::block_in_place(|| writing.content())?;
        let delivery = Delivery {
            grant: grant.number,
            agency: grant.terms.agency.clone(),
            cut: writing.cut.head.size,
            digest: writing.sink.digest(),
            changes: writing.sink.changes(),
            actor: actor.to_owned(),
        };
        let access = self.committer.deliver(delivery).await?;
        let changes = writing.sink.changes();
        let bytes = tokio::task::block_in_place(|| {
            writing.access(access.0)?;
            let sealed = writing.sink.into_inner().finish();
            let waiting = sealed.and_then(|file| file.into_inner().map_err(std::io::Error::other));
            let mut waiting: File = waiting.map_err(at(&self.data))?;
            waiting.rewind().map_err(at(&self.data))?;
            let copied = std::io::copy(&mut waiting, &mut placed).and_then(|bytes| {
                placed.sync_all()?;
                Ok(bytes)
            });
            copied.map_err(at(out))
        })?;
        Ok(BundleReport {
            grant: grant.number,
            agency: grant.terms.agency.to_string(),
            file: out.to_owned(),
            bytes,
            changes,
            logs,
            access: access.0,
        })
    }
}

pub(super) fn at(path: &Path) -> impl Fn(std::io::Error) -> SharingError + '_ {
    move |source| SharingError::Io { path: path.display().to_string(), source }
}

/// A bundle that is being written.
pub(super) struct Writing<'a, W: Write> {
    pub(super) hub: &'a Hub,
    pub(super) grant: &'a Grant,
    pub(super) cut: Cut,
    pub(super) sink: Sink<W>,
    pub(super) tell: &'a Tell,
}

impl<W: Write> Writing<'_, W> {
    /// Everything but the access event; returns how many logs.
    fn content(&mut self) -> Result<u64, SharingError> {
        let scope = Scope::new(self.hub, &self.grant.terms)?;
        let replicas = self.replicas(scope.writers());
        let map = Map::of(&self.hub.reader, self.cut.head.size, &replicas, self.grant.number)?;
        let before_roll = self.before_roll(&map)?;
        if !map.approved {
            return Err(SharingError::Unwitnessed);
        }
        self.line(&Line::Head(BundleHead {
            version: BUNDLE_VERSION,
            ledger: self.hub.secrets.ledger_origin(),
            since: None,
            cut: self.cut.note.clone(),
            before_roll: Some(before_roll),
            grant: self.grant.number,
            terms: self.grant.terms.clone(),
        }))?;
        self.ledger(&scope, &map)?;
        let mut logs = 0;
        for (replica, held) in &map.held {
            self.replica(&scope, &map, *replica, held)?;
            logs += 1;
            (self.tell)(json!({ "logs": logs, "of": map.held.len(), "changes": self.sink.changes() }));
        }
        Ok(logs)
    }

    /// What a quorum had cosigned, of late, before the roll was called: whoever gets this asks for it, and for a roll that lists
    /// every replica of which something is shown.
    pub(super) fn before_roll(&self, map: &Map) -> Result<String, SharingError> {
        let (called, now) = (map.roll.ok_or(SharingError::Unwitnessed)?, self.hub.now());
        if let Some(replica) = map.keyless() {
            return Err(SharingError::Keyless(replica));
        }
        let known = self.cut.before_roll.as_deref().filter(|known| known.checkpoint.size <= called);
        let known = known.cloned().or_else(|| self.hub.witnessed_before(called));
        let of_late = known.filter(|known| {
            let is_judged_alike = known.policy_index == self.cut.policy_index;
            is_judged_alike && now.since(known.at) <= ROLL_MILLIS_MAX && map.is_listed(now)
        });
        of_late.map(|known| known.note).ok_or(SharingError::Unwitnessed)
    }

    /// Those of the granted units, and those that wrote what the granted records show.
    pub(super) fn replicas(&self, writers: &BTreeSet<ReplicaId>) -> BTreeSet<ReplicaId> {
        let auditors: BTreeSet<ReplicaId> = self
            .hub
            .registry
            .list()
            .into_iter()
            .filter(|enrolled| enrolled.role == Role::Auditor)
            .map(|enrolled| enrolled.replica)
            .collect();
        let books = self.hub.committer.books().read();
        let granted = books.replicas.iter().filter(|(_, held)| self.grant.terms.covers_unit(&held.unit));
        let granted = granted.map(|(replica, _)| *replica).filter(|replica| !auditors.contains(replica));
        let known = |replica: &&ReplicaId| books.replicas.contains_key(*replica);
        granted.chain(writers.iter().filter(known).copied()).collect()
    }

    pub(super) fn line(&mut self, line: &Line) -> Result<(), SharingError> {
        self.sink.line(line).map_err(|source| SharingError::Io { path: "bundle".to_owned(), source })
    }

    fn ledger(&mut self, scope: &Scope<'_>, map: &Map) -> Result<(), SharingError> {
        let size = self.cut.head.size;
        let origin = self.hub.secrets.ledger_origin();
        self.line(&Line::Log(LogHead { origin, size, accepted: None, receipt: None }))?;
        let (mut cover, hashes) = (Cover::default(), Arc::clone(&self.hub.hashes));
        let (reader, grant) = (self.hub.reader.clone(), self.grant.number);
        let concerned = |replica: ReplicaId| map.held.contains_key(&replica);
        each(&reader, (0, size), &mut |place, entry, _| {
            let shown = match entry.header.kind {
                EntryKind::Change => scope.shown(entry, false, &map.erased)?,
                EntryKind::Acceptance => {
                    let replica = Acceptance::of(entry)?.replica;
                    map.held.contains_key(&replica).then(|| event_shown(entry, |_| true))
                }
                EntryKind::Event => Event::of(entry).ok().and_then(|event| {
                    needed(entry, &event, (place, grant), &self.grant.terms, scope, (map, &concerned))
                }),
            };
            cover.push(hashes.leaf(place).ok_or(SharingError::Hashes)?, shown.is_some());
            match shown {
                Some(shown) => self.line(&Line::Entry(shown)),
                None => Ok(()),
            }
        })?;
        self.line(&proof(cover))
    }

    fn replica(
        &mut self,
        scope: &Scope<'_>,
        map: &Map,
        replica: ReplicaId,
        held: &[Held],
    ) -> Result<(), SharingError> {
        let Some(last) = held.last() else { return Ok(()) };
        let head = self.log_head(replica, last)?;
        self.line(&Line::Log(head))?;
        let mut cover = Cover::default();
        for batch in held {
            let (acceptance, plain) = self.batch(batch)?;
            for (place, bytes) in (0u16..).zip(batch::entries(&plain)?) {
                let entry = Entry::decode(bytes)?;
                let shown = match entry.header.kind {
                    EntryKind::Change => {
                        let out = map.keeps_out(entry.header.dot, acceptance.verdicts.get(&place));
                        scope.shown(&entry, out, &map.erased)?
                    }
                    EntryKind::Event if is_tally(&entry) => Some(scope.shown_tally(&entry)),
                    _ => None,
                };
                cover.push(
                    shown.as_ref().map_or_else(|| entry.leaf_hash(), |shown| shown.leaf.0),
                    shown.is_some(),
                );
                if let Some(shown) = shown {
                    self.line(&Line::Entry(shown))?;
                }
            }
        }
        self.line(&proof(cover))
    }

    pub(super) fn log_head(&self, replica: ReplicaId, last: &Held) -> Result<LogHead, SharingError> {
        let (acceptance, _) = self.batch(last)?;
        let unit = self.hub.committer.books().read().replicas.get(&replica).map(|held| held.unit.clone());
        let unit = unit.ok_or(Malformed("a batch of an unknown replica"))?;
        let origin = self.hub.secrets.origin(&unit, replica);
        let checkpoint =
            Checkpoint { origin: origin.clone(), size: acceptance.size, root: acceptance.root, roll: None };
        let receipt = self.hub.cosign(&checkpoint, acceptance.at.0)?;
        Ok(LogHead { origin, size: acceptance.size, accepted: Some(last.index), receipt: Some(receipt) })
    }

    pub(super) fn batch(&self, held: &Held) -> Result<(Acceptance, Vec<u8>), SharingError> {
        let frame = self.hub.reader.frame(held.at)?;
        match Payload::parse(&frame.payload)? {
            Payload::Accepted { entry, packed } => {
                Ok((Acceptance::of(&Entry::decode(entry)?)?, batch::unpack(packed)?))
            }
            _ => Err(Malformed("an acceptance without its batch").into()),
        }
    }

    /// The access event with its proof, and the end.
    pub(super) fn access(&mut self, index: u64) -> Result<(), SharingError> {
        let now = self.hub.head();
        let hashes = |path: Option<Vec<Digest>>| {
            let path = path.ok_or(SharingError::Hashes)?;
            Ok::<_, SharingError>(path.into_iter().map(Hash).collect::<Vec<_>>())
        };
        let tree = self.hub.hashes.as_ref();
        let at =
            self.hub.reader.locate(lienthong_proto::ids::Sequence(index))?.ok_or(SharingError::Hashes)?;
        let mut found = None;
        let frame = self.hub.reader.frame(at)?;
        let plain;
        let entries = match Payload::parse(&frame.payload)? {
            Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
            Payload::Batch(packed) => {
                plain = batch::unpack(packed)?;
                batch::entries(&plain)?
            }
        };
        for bytes in entries {
            let entry = Entry::decode(bytes)?;
            if entry.header.dot.sequence.0 == index {
                found = Some(event_shown(&entry, |_| true).entry);
            }
        }
        let entry: Bytes = found.ok_or(SharingError::Hashes)?;
        self.line(&Line::Access(Access {
            entry,
            path: hashes(inclusion_proof(tree, index, now.size))?,
            checkpoint: self.hub.ledger_checkpoint_at(now)?,
            consistency: hashes(consistency_proof(tree, self.cut.head.size, now.size))?,
        }))?;
        let lines = self.sink.lines();
        self.line(&Line::End(End { lines }))
    }
}

/// What is shown of an erasure.
const ERASURE_SHOWN: [&str; 7] = ["_event", "_at", "_actor", "order", "issuer", "date", "entries"];

fn proof(cover: Cover) -> Line {
    Line::Proof(Proof { hashes: cover.proof().into_iter().map(Hash).collect() })
}

pub(super) fn is_tally(entry: &Entry<'_>) -> bool {
    Event::of(entry).is_ok_and(|event| event.kind == event::TALLY)
}

/// What is shown of an order of erasure.
pub(super) fn order_shown(entry: &Entry<'_>) -> Shown {
    event_shown(entry, |path| ERASURE_SHOWN.contains(&path))
}

/// What is shown of an event of the ledger, if a verifier needs it.
pub(super) fn needed(
    entry: &Entry<'_>,
    event: &Event,
    (place, grant): (u64, u64),
    terms: &lienthong_proto::disclosure::Terms,
    scope: &Scope<'_>,
    (map, concerned): (&Map, &dyn Fn(ReplicaId) -> bool),
) -> Option<Shown> {
    let replica = || match event.fields.get("replica") {
        Some(Value::Text(text)) => text.parse::<ReplicaId>().ok(),
        _ => None,
    };
    let of_shown = || replica().is_some_and(concerned);
    let of_granted = || {
        let ledger = entry.header.dot.replica;
        let is_shown = |dot: Dot| dot.replica == ledger || concerned(dot.replica);
        let of_shown = || entries_of(event).is_some_and(|found| found.iter().any(|it| is_shown(it.dot)));
        scope.tells_of(event) && of_shown()
    };
    let of_grant = || event.fields.get("grant") == i64::try_from(grant).ok().map(Value::Integer).as_ref();
    match event.kind.as_str() {
        "enrolment" | READMISSION | "succession" if of_shown() => Some(event_shown(entry, |_| true)),
        "release" if of_shown() => Some(event_shown(entry, |path| path != "reason")),
        event::GRANT_PROPOSED if place == grant => Some(event_shown(entry, |_| true)),
        event::GRANT_APPROVED if of_grant() => Some(event_shown(entry, |_| true)),
        event::ACCESS if map.former.contains(&place) => Some(event_shown(entry, |_| true)),
        event::TALLY => Some(scope.shown_tally(entry)),
        RECEIPT_KEY => Some(event_shown(entry, |_| true)),
        // By whose order, of which entries: never the record, the fields or the reason.
        ERASURE if of_granted() => Some(order_shown(entry)),
        event::ROLL if map.roll == Some(place) => Some(event_shown(entry, |_| true)),
        // Of other units where one of their replicas is shown.
        event::ROLL_PART if map.parts.contains(&place) => Some(event_shown(entry, |path| {
            let unit = path.strip_prefix(LINE).and_then(|code| code.parse().ok());
            let listed = || event.fields.get(path).and_then(|line| members(line).ok()).unwrap_or_default();
            unit.is_none_or(|unit| {
                terms.covers_unit(&unit) || listed().iter().any(|member| concerned(member.replica))
            })
        })),
        _ => None,
    }
}
