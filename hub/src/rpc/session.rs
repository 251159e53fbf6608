//! One node's stream: greeting, batches, heartbeats, notices.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use lienthong_node::aside::aside;
use lienthong_node::dataset::Payload;
use lienthong_node::quality::ToldCursor;
use lienthong_node::replica::Head;
use lienthong_node::sync::{FENCED, REFUSAL, UNKNOWN};
use lienthong_proto::authority::FIRST;
use lienthong_proto::batch;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::wire::sync as wire;
use tokio::sync::{mpsc, oneshot};
use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

use crate::app::Hub;
use crate::feed::FeedReader;
use crate::ingest::{Accepted, CommitError, Contradiction, Envelope, Intake, VerifyError, Whose, verify};
use crate::ledger::HeldReplica;
use crate::observe::Arrival;
use crate::pki::{Enrolled, Refusal, ReplicaState, Role};
use crate::reconcile::Ask;
use crate::rights::{may_call, saying};

use super::witness::Asking;

/// The greeting must come within this.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Unacknowledged batch bytes a node may have on its way.
const FLIGHT_BYTES: u64 = lienthong_proto::limits::FLIGHT_BYTES_MAX as u64;

/// Packed batches up to this are verified where they arrive.
const SMALL_BATCH_BYTES: usize = 2 * 1024;

/// Records a node is told of in one message.
const TOLD_AT_ONCE: usize = 64;

/// Why a session ends; the text goes to the peer.
enum End {
    /// The peer left or no longer listens.
    Gone,
    /// The peer is told why.
    Status(Box<Status>),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

type Answer = BoxFuture<'static, (Result<Accepted, CommitError>, Checkpoint)>;

pub(super) struct Session {
    hub: Arc<Hub>,
    enrolled: Enrolled,
    down: mpsc::Sender<Result<wire::Down, Status>>,
    intake: Option<Intake>,
    notice_cursor: u64,
    told: ToldCursor,
    feed: Option<FeedReader>,
    answers: FuturesOrdered<Answer>,
    /// The number of the newest authority of certificates it knows.
    authority: u32,
    /// What this node is as a witness.
    witness: Option<Asking>,
    /// What somebody at the hub waits for an answer to.
    asked: Option<(u64, oneshot::Sender<wire::up::Message>)>,
}

impl Session {
    pub(super) fn new(
        hub: Arc<Hub>,
        enrolled: Enrolled,
        down: mpsc::Sender<Result<wire::Down, Status>>,
    ) -> Self {
        let (told, answers) = (ToldCursor::default(), FuturesOrdered::new());
        let (intake, feed, witness, asked) = (None, None, None, None);
        let (notice_cursor, authority) = (0, FIRST);
        Self { hub, enrolled, down, intake, notice_cursor, told, feed, answers, authority, witness, asked }
    }

    /// Converses to the end; `hello` was read already, or is read first.
    pub(super) async fn run(mut self, up: Streaming<wire::Up>, hello: Option<wire::Hello>) {
        let replica = self.enrolled.replica;
        let ended = self.converse(up, hello).await;
        // What was verified is committed whether or not the peer waits for the answer.
        while self.answers.next().await.is_some() {}
        if self.intake.is_some() {
            self.hub.live.left(replica, self.hub.now());
        }
        if let Err(End::Status(status)) = ended {
            tracing::info!(%replica, unit = %self.enrolled.unit, reason = status.message(), "a session was ended");
            let _ = self.down.try_send(Err(*status));
        }
    }

    async fn converse(&mut self, mut up: Streaming<wire::Up>, hello: Option<wire::Hello>) -> Result<(), End> {
        let hello = match hello {
            Some(hello) => hello,
            None => greeting(&mut up).await?,
        };
        self.greet(hello).await?;
        let mut asks = self.hub.desk.open(self.enrolled.replica);
        let mut registry = self.hub.registry.watch();
        let mut authorities = self.hub.secrets.authorities.watch();
        let mut noticed = self.hub.committer.noticed();
        let mut news = self.hub.quality.news().ok_or(End::Gone)?;
        let mut fed = self.hub.committer.feed().news(&self.enrolled.unit);
        // A node of a version that takes no feed knows nothing of what else is told either.
        let feeds = self.feed.is_some();
        let (mut telling, mut feeding) = (feeds, feeds);
        let mut rounds = self.hub.rounds.watch();
        // One that is open concerns who comes now, too.
        rounds.mark_changed();
        let witness = self.witness.is_some();
        self.notices().await?;
        loop {
            let down = self.down.clone();
            tokio::select! {
                () = self.hub.stop.cancelled() => return Err(Status::unavailable("the hub is shutting down").into()),
                changed = registry.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    self.still_welcome()?;
                }
                changed = authorities.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    if let Some(note) = self.unknown_authority() {
                        self.send(wire::down::Message::Authority(wire::Authority { note })).await?;
                    }
                }
                changed = noticed.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    self.notices().await?;
                    // One that was ordered just now for what came late.
                    if feeds {
                        self.tell_erasures(u64::MAX).await?;
                    }
                }
                changed = rounds.changed(), if witness => {
                    changed.map_err(|_| End::Gone)?;
                    self.ask_to_witness().await?;
                }
                changed = news.changed(), if feeds && !telling => {
                    changed.map_err(|_| End::Gone)?;
                    telling = true;
                }
                // Only while there is room: what the node is to be told holds up nothing else.
                place = down.reserve(), if telling => {
                    telling = self.tell(place.map_err(|_| End::Gone)?)?;
                }
                changed = fed.changed(), if feeds && !feeding => {
                    changed.map_err(|_| End::Gone)?;
                    feeding = true;
                }
                place = down.reserve(), if feeding => {
                    feeding = self.hand_over(place.map_err(|_| End::Gone)?)?;
                }
                // Behind every receipt and everything fed: the node is then in step, if it has nothing more.
                Some(ask) = asks.recv(), if !feeding && self.answers.is_empty() => self.ask(ask).await?,
                Some((answer, checkpoint)) = self.answers.next(), if !self.answers.is_empty() => {
                    self.answer(answer, &checkpoint).await?;
                }
                message = up.message() => match message? {
                    Some(message) => self.take(message).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn still_welcome(&self) -> Result<(), End> {
        let entry = self.hub.registry.get(self.enrolled.replica);
        let renewed = entry.as_ref().is_some_and(|entry| !entry.has_tls_key(&self.enrolled.tls_key_hash));
        match entry.map(|entry| entry.state) {
            Some(ReplicaState::Active) if renewed => {
                Err(Status::unavailable("the machine's key was rotated: this one is good no more").into())
            }
            Some(ReplicaState::Active) => Ok(()),
            Some(ReplicaState::Fenced { .. }) => Err(refused(Refusal::Fenced).into()),
            _ => Err(refused(Refusal::Revoked).into()),
        }
    }

    async fn greet(&mut self, hello: wire::Hello) -> Result<(), End> {
        let replica = self.enrolled.replica;
        if hello.replica.as_ref() != replica.0 {
            return Err(Status::permission_denied("the greeting names another replica").into());
        }
        if hello.protocol != lienthong_node::sync_protocol() {
            return Err(Status::failed_precondition("this protocol version is not spoken here").into());
        }
        let key =
            self.enrolled.log_public().ok_or_else(|| Status::internal("the log key is not readable"))?;
        let held = {
            let books = self.hub.committer.books().read();
            books.replicas.get(&replica).cloned()
        };
        let held = held.unwrap_or_else(|| HeldReplica::empty(self.enrolled.unit.clone()));
        let held_size = held.frontier.size();
        let origin = self.hub.secrets.origin(&self.enrolled.unit, replica);
        let erased = Arc::new(self.hub.erased_for());
        let whose = Whose { replica, origin: origin.clone(), key, erased };
        let said = self.hub.heartbeats.get(replica);
        let intake = match Intake::greeted(whose, &held, said.as_ref(), hello.log_size) {
            Ok(intake) => intake,
            Err(contradiction) => return self.fence(&contradiction).await,
        };
        self.hub.live.greeted(replica, &hello, held_size, self.hub.now());
        if self.hub.readmits() {
            self.hub.committer.greeted(replica, hello.log_size).await;
        }
        self.notice_cursor = hello.notice_cursor;
        self.authority = hello.authority.max(FIRST);
        let writes = self.enrolled.role != Role::Auditor;
        self.feed = self.feed_reader(&hello).filter(|_| writes);
        self.told = ToldCursor { epoch: hello.told_epoch, next: hello.told_next };
        let receipt = if held_size > 0 {
            let checkpoint = Checkpoint { origin: origin.clone(), size: held_size, root: held.root };
            Some(self.receipt(&checkpoint, held.ledger_index, held.at.0)?)
        } else {
            None
        };
        // What a former ledger had numbered says nothing of this one's numbers.
        let own = hello.ledger.is_empty() || hello.ledger.as_ref() == self.hub.secrets.profile.replica.0;
        let seen = if own { hello.catalogue_seen } else { 0 };
        // A node that takes no feed is of a version that takes no catalogue either.
        let feeds = self.feed.is_some() || !writes;
        let head = self.hub.head();
        let (ledger_checkpoint, successor) = self.ledger(&hello, head)?;
        let introduced = Asking::of(&self.hub, &self.enrolled, &hello, (head, own))?;
        let asking = introduced.as_ref().map(|(asking, _)| asking);
        let welcome = wire::Welcome {
            protocol: lienthong_node::sync_protocol(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            held_size,
            held_root: held.root.to_vec().into(),
            held_checkpoint: held.checkpoint.clone(),
            receipt,
            clock_millis: self.hub.now().0,
            catalogue: self.hub.catalogue.digest().to_vec().into(),
            ledger_checkpoint,
            successor,
            wants_former: self.hub.readmits(),
            held_of_unit: if self.hub.readmits() {
                self.hub.held_of_unit(&self.enrolled)
            } else {
                Vec::new()
            },
            flight_bytes_max: FLIGHT_BYTES,
            enrolments: self.enrolments(),
            seen: asking.filter(|_| own).and_then(|_| self.hub.consistency(hello.ledger_seen, head.size)),
            witnessed: asking.and_then(|asking| asking.witnessed(&self.hub, head)),
            authority: self.unknown_authority().unwrap_or_default(),
            authority_alone: {
                let authorities = &self.hub.secrets.authorities;
                if authorities.former().is_none() { authorities.current().number } else { 0 }
            },
        };
        self.intake = Some(intake);
        self.send(wire::down::Message::Welcome(welcome)).await?;
        if let Some((asking, introduced)) = introduced
            && asking.named(&self.hub, &self.enrolled, &introduced).await
        {
            self.witness = Some(asking);
        }
        if feeds {
            self.tell_erasures(hello.erasures_seen).await?;
        }
        match &self.hub.sent {
            Some((number, bundle)) if feeds && seen < *number => {
                let (note, packed) = (bundle.note.clone(), bundle.packed.clone().into());
                self.send(wire::down::Message::Catalogue(wire::Catalogue { note, packed })).await
            }
            _ => Ok(()),
        }
    }

    /// The statement of the authority of now, if the node has not been told of it.
    fn unknown_authority(&mut self) -> Option<String> {
        let current = self.hub.secrets.authorities.current();
        let new = current.number > self.authority;
        self.authority = self.authority.max(current.number);
        new.then_some(current.note)
    }

    /// The ledger's checkpoint, and for a node that knows another ledger by what right this one follows it.
    fn ledger(&self, hello: &wire::Hello, head: Head) -> Result<(String, Option<wire::Successor>), End> {
        let failed = || Status::internal("the ledger cannot be read");
        let profile = &self.hub.secrets.profile;
        let checkpoint = self.hub.ledger_checkpoint_at(head).map_err(|_| failed())?;
        // An older node does not say which ledger it knows, and asks nothing.
        if hello.ledger.is_empty() || hello.ledger.as_ref() == profile.replica.0 {
            return Ok((checkpoint, None));
        }
        if profile.successions.is_empty() {
            tracing::error!(unit = %self.enrolled.unit, "a node knows another ledger than this one: which hub is the right one?");
            return Ok((checkpoint, None));
        }
        let frame = self.hub.reader.clone().scan(Sequence(0)).next().ok_or_else(failed)?;
        let frame = frame.map_err(|_| failed())?.1;
        let first = match Payload::parse(&frame.payload) {
            Ok(Payload::Entry(entry)) => entry.to_vec(),
            Ok(Payload::Batch(packed)) => {
                let plain = batch::unpack(packed).map_err(|_| failed())?;
                batch::entries(&plain)
                    .ok()
                    .and_then(|entries| entries.first().map(|entry| entry.to_vec()))
                    .ok_or_else(failed)?
            }
            _ => return Err(failed().into()),
        };
        let path = inclusion_proof(self.hub.hashes.as_ref(), 0, head.size).ok_or_else(failed)?;
        let successor = wire::Successor {
            notes: profile.successions.clone(),
            entry: first.into(),
            path: path.into_iter().map(|hash| hash.to_vec().into()).collect(),
        };
        Ok((checkpoint, Some(successor)))
    }

    /// Tells the node what was erased and concerns it.
    async fn tell_erasures(&mut self, seen: u64) -> Result<(), End> {
        let (unit, replica) = (&self.enrolled.unit, self.enrolled.replica);
        for erasure in self.hub.erasures_for(unit, replica, seen)? {
            self.send(wire::down::Message::Erasure(erasure)).await?;
        }
        Ok(())
    }

    /// Everybody of a unit sees every enrolment in its name.
    fn enrolments(&self) -> Vec<wire::Enrolment> {
        let same_unit = |entry: &Enrolled| entry.unit == self.enrolled.unit;
        let shown = |entry: Enrolled| wire::Enrolment {
            replica: entry.replica.0.to_vec().into(),
            at_millis: entry.enrolled_at,
            state: match entry.state {
                ReplicaState::Active => "active",
                ReplicaState::Revoked { .. } => "revoked",
                ReplicaState::Fenced { .. } => "fenced",
            }
            .to_owned(),
            fingerprint: hub_fingerprint(&entry),
        };
        self.hub.registry.list().into_iter().filter(same_unit).map(shown).collect()
    }

    async fn take(&mut self, up: wire::Up) -> Result<(), End> {
        self.hub.live.heard(self.enrolled.replica, self.hub.now());
        let role = self.enrolled.role;
        if up.message.as_ref().is_some_and(|message| !may_call(role, saying(message))) {
            return Err(not_for(role).into());
        }
        match up.message {
            Some(wire::up::Message::Batch(batch)) => self.batch(batch).await,
            Some(wire::up::Message::Heartbeat(heartbeat)) => self.heartbeat(&heartbeat).await,
            Some(wire::up::Message::Former(former)) => {
                self.hub.take_former(&self.enrolled, former).await.map_err(End::from)
            }
            Some(wire::up::Message::Prefix(prefix)) => self.prefix(&prefix).await,
            Some(wire::up::Message::NoticesTaken(_)) => Ok(()),
            Some(wire::up::Message::Cosigned(said)) => self.cosigned(&said).await,
            Some(wire::up::Message::Hello(_)) => Err(Status::failed_precondition("a second greeting").into()),
            Some(wire::up::Message::Reconciled(said)) => {
                self.answered(said.run, wire::up::Message::Reconciled(said));
                Ok(())
            }
            Some(wire::up::Message::Mended(said)) => {
                self.answered(said.run, wire::up::Message::Mended(said));
                Ok(())
            }
            // A newer node may say what this version does not know.
            None => Ok(()),
        }
    }

    /// Asks the node to cosign the open round.
    async fn ask_to_witness(&mut self) -> Result<(), End> {
        let Some(round) = self.witness.as_mut().and_then(|witness| witness.ask(&self.hub)) else {
            return Ok(());
        };
        self.send(wire::down::Message::Round(round)).await
    }

    async fn cosigned(&mut self, said: &wire::Cosigned) -> Result<(), End> {
        let Some(witness) = &mut self.witness else { return Ok(()) };
        if witness.hear(&self.hub, said)? { self.ask_to_witness().await } else { Ok(()) }
    }

    /// Asks the node what somebody at the hub wants to know, behind everything there is to feed.
    async fn ask(&mut self, ask: Ask) -> Result<(), End> {
        let down = self.down.clone();
        while self.hand_over(down.reserve().await.map_err(|_| End::Gone)?)? {}
        if let Some(reply) = ask.reply {
            self.asked = Some((ask.run, reply));
        }
        self.send(ask.message).await
    }

    /// Hands an answer to whoever waits for it; nobody waits for what comes late.
    fn answered(&mut self, run: u64, said: wire::up::Message) {
        if let Some((_, reply)) = self.asked.take_if(|(asked, _)| *asked == run) {
            let _ = reply.send(said);
        }
    }

    async fn batch(&mut self, batch: wire::Batch) -> Result<(), End> {
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        let announced = self.hub.heartbeats.awaited(self.enrolled.replica);
        let Some(held) = intake.expected(batch.first, announced) else { return Ok(()) };
        let permit = self.hub.budget().await.ok_or(End::Gone)?;
        let envelope = Envelope {
            first: batch.first,
            count: batch.count,
            packed: batch.packed,
            checkpoint: batch.checkpoint,
        };
        // A large batch takes milliseconds and goes to a thread of its own; a small one takes less than the
        // hand-over.
        let verified = if envelope.packed.len() <= SMALL_BATCH_BYTES {
            verify(&held, &envelope)
        } else {
            let verified = aside(move || verify(&held, &envelope)).await;
            verified.map_err(|error| Status::internal(error.to_string()))?
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                let Some(shown) = error.contradicts() else {
                    return Err(Status::invalid_argument(error.to_string()).into());
                };
                let own = matches!(error, VerifyError::Announced);
                let held = if own { self.announced() } else { self.held_checkpoint() };
                return self.fence(&Contradiction { held, shown: shown.to_owned() }).await;
            }
        };
        let arrival = Arrival::received(&verified, &self.enrolled.unit);
        let (replica, reached) = (self.enrolled.replica, verified.reached);
        let Some(intake) = &mut self.intake else { return Err(End::Gone) };
        let checkpoint = intake.follow(&verified);
        // Handed over before the next message is read, so that batches keep their order, and never waited
        // for here: a session that waits for a place in memory must not hold up the answers that free one.
        match self.hub.committer.submit(verified, permit).await {
            Ok(pending) => {
                let (hub, unit) = (Arc::clone(&self.hub), self.enrolled.unit.clone());
                let answer = async move {
                    let answer = pending.wait().await;
                    if let Ok(accepted) = &answer {
                        hub.observed.traces.committed(&arrival, &unit, accepted.ledger_index);
                    }
                    if let (Ok(_), Some(size)) = (&answer, reached) {
                        hub.heartbeats.reached(replica, size);
                    }
                    (answer, checkpoint)
                };
                self.answers.push_back(Box::pin(answer));
                Ok(())
            }
            Err(error) => self.answer(Err(error), &checkpoint).await,
        }
    }

    fn held_checkpoint(&self) -> String {
        let books = self.hub.committer.books().read();
        books.replicas.get(&self.enrolled.replica).map(|held| held.checkpoint.clone()).unwrap_or_default()
    }

    fn announced(&self) -> String {
        self.hub.heartbeats.get(self.enrolled.replica).map(|said| said.note).unwrap_or_default()
    }

    async fn answer(
        &mut self,
        answer: Result<Accepted, CommitError>,
        checkpoint: &Checkpoint,
    ) -> Result<(), End> {
        match answer {
            Ok(accepted) => {
                let receipt = self.receipt(checkpoint, accepted.ledger_index, accepted.at.0)?;
                self.send(wire::down::Message::Receipt(receipt)).await?;
                if accepted.erased { self.tell_erasures(0).await } else { Ok(()) }
            }
            Err(error @ (CommitError::Overtaken { .. } | CommitError::Diverged { .. })) => {
                Err(Status::aborted(error.to_string()).into())
            }
            Err(error @ CommitError::QuarantineFull { .. }) => {
                Err(Status::resource_exhausted(error.to_string()).into())
            }
            Err(CommitError::Failed(_)) => {
                Err(Status::unavailable("the hub takes no writes at the moment").into())
            }
            Err(error) => Err(Status::internal(error.to_string()).into()),
        }
    }

    fn receipt(
        &self,
        checkpoint: &Checkpoint,
        ledger_index: u64,
        at_millis: u64,
    ) -> Result<wire::Receipt, End> {
        let cosignature =
            self.hub.cosign(checkpoint, at_millis).map_err(|error| Status::internal(error.to_string()))?;
        Ok(wire::Receipt { size: checkpoint.size, cosignature, ledger_index, at_millis })
    }

    async fn heartbeat(&mut self, heartbeat: &wire::Heartbeat) -> Result<(), End> {
        let signed = self.signed(&heartbeat.checkpoint)?;
        let held = self.hub.committer.books().read().replicas.get(&self.enrolled.replica).cloned();
        let held_size = held.as_ref().map_or(0, |held| held.frontier.size());
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        let reached = match intake.compared(&signed, held.as_ref()) {
            Ok(reached) => reached,
            Err(contradiction) => return self.fence(&contradiction).await,
        };
        if self.hub.heartbeats.heard(self.enrolled.replica, &signed, reached, self.hub.now()) {
            let hub = Arc::clone(&self.hub);
            tokio::spawn(aside(move || hub.keep_heartbeats()));
        }
        self.hub.live.announced(
            self.enrolled.replica,
            heartbeat,
            (signed.checkpoint().size, held_size),
            self.hub.now(),
        );
        Ok(())
    }

    async fn prefix(&mut self, prefix: &wire::Prefix) -> Result<(), End> {
        self.signed(&prefix.checkpoint)?;
        let contradiction = Contradiction { held: self.held_checkpoint(), shown: prefix.checkpoint.clone() };
        self.fence(&contradiction).await
    }

    fn signed(&self, text: &str) -> Result<SignedCheckpoint, End> {
        let Some(intake) = &self.intake else { return Err(End::Gone) };
        intake.signed(text).map_err(|error| Status::invalid_argument(error.to_string()).into())
    }

    async fn fence(&mut self, contradiction: &Contradiction) -> Result<(), End> {
        let Contradiction { held, shown } = contradiction;
        self.hub.fence(self.enrolled.replica, &[held.clone(), shown.clone()]).await;
        let refusal = Refusal::Fenced.to_string();
        let (vi, en) = refusal.split_once(" · ").unwrap_or((&refusal, &refusal));
        let fenced = wire::Fenced { held_checkpoint: held.clone(), vi: vi.to_owned(), en: en.to_owned() };
        self.send(wire::down::Message::Fenced(fenced)).await?;
        Err(refused(Refusal::Fenced).into())
    }

    async fn notices(&mut self) -> Result<(), End> {
        let notices = {
            let books = self.hub.committer.books().read();
            books.notices_from(self.enrolled.replica, self.notice_cursor)
        };
        for notice in notices {
            self.notice_cursor = notice.number + 1;
            let message = wire::Notice {
                number: notice.number,
                at_millis: notice.at,
                kind: notice.kind,
                sequence: notice.sequence,
                reason: notice.reason,
                record_type: notice.record_type,
                vi: notice.vi,
                en: notice.en,
            };
            self.send(wire::down::Message::Notice(message)).await?;
        }
        Ok(())
    }

    /// Tells the next piece of what only the province sees of the unit's records; whether it was one.
    fn tell(&mut self, place: mpsc::Permit<'_, Result<wire::Down, Status>>) -> Result<bool, End> {
        let telling = self.hub.quality.telling(&self.enrolled.unit, self.told, TOLD_AT_ONCE);
        let telling = telling.map_err(|error| {
            tracing::error!(%error, unit = %self.enrolled.unit, "quality cannot be told");
            Status::internal("quality cannot be read")
        })?;
        let Some(telling) = telling else { return Ok(false) };
        self.told = telling.cursor;
        let quality = wire::Quality {
            epoch: telling.cursor.epoch,
            next: telling.cursor.next,
            anew: telling.anew,
            told: telling.told.iter().map(|told| told.encode().into()).collect(),
        };
        place.send(Ok(wire::Down { message: Some(wire::down::Message::Quality(quality)) }));
        Ok(true)
    }

    /// Hands over the next piece of the feed; whether it was one.
    fn hand_over(&mut self, place: mpsc::Permit<'_, Result<wire::Down, Status>>) -> Result<bool, End> {
        let Some(reader) = &mut self.feed else { return Ok(false) };
        let piece = reader.next_piece().map_err(|error| {
            tracing::error!(%error, unit = %self.enrolled.unit, "the feed cannot be read");
            Status::internal("the feed cannot be read")
        })?;
        let replica = self.enrolled.replica;
        let Some(piece) = piece else {
            self.hub.live.fed(replica, reader.seen());
            return Ok(false);
        };
        self.hub.observed.traces.fed(&piece.places, &self.enrolled.unit, replica);
        let feed = wire::Feed {
            ledger: piece.to.ledger,
            place: u32::from(piece.to.place),
            packed: piece.packed,
            of: self.hub.secrets.profile.replica.0.to_vec().into(),
        };
        place.send(Ok(wire::Down { message: Some(wire::down::Message::Feed(feed)) }));
        Ok(true)
    }

    /// Where this replica's feed goes on; none for a node that takes none.
    fn feed_reader(&self, hello: &wire::Hello) -> Option<FeedReader> {
        let of = ReplicaId::from_slice(&hello.feed_of)?;
        let place = u16::try_from(hello.feed_place).ok()?;
        let taken = FeedCursor { ledger: hello.feed_ledger, place };
        // What it took of another ledger says nothing about this one.
        let taken = if of == self.hub.secrets.profile.replica { taken } else { FeedCursor::default() };
        let replica = self.enrolled.replica;
        let from = self.hub.live.feed_from(replica, taken);
        let index = self.hub.committer.feed().clone();
        let records = (self.hub.dataset.clone(), Arc::clone(&self.hub.catalogue));
        Some(FeedReader::new(index, records, self.enrolled.unit.clone(), replica, taken, from))
    }

    async fn send(&mut self, message: wire::down::Message) -> Result<(), End> {
        let down = wire::Down { message: Some(message) };
        self.down.send(Ok(down)).await.map_err(|_| End::Gone)
    }
}

/// What a peer that may not call is told: in words, and for a fence or an unknown key so that its program knows too.
pub(super) fn refused(refusal: Refusal) -> Status {
    let mut status = Status::permission_denied(refusal.to_string());
    let said = match refusal {
        Refusal::Fenced => FENCED,
        Refusal::Unknown => UNKNOWN,
        Refusal::Revoked => return status,
    };
    status.metadata_mut().insert(REFUSAL, MetadataValue::from_static(said));
    status
}

/// What a peer is told whose role has no such call.
pub(super) fn not_for(role: Role) -> Status {
    Status::permission_denied(format!(
        "máy với vai trò {role} không được gọi việc này · a replica of role {role} may not call this"
    ))
}

/// The first message of a stream.
pub(super) async fn greeting(up: &mut Streaming<wire::Up>) -> Result<wire::Hello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, up.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no greeting came"))??;
    match first.and_then(|up| up.message) {
        Some(wire::up::Message::Hello(hello)) => Ok(hello),
        _ => Err(Status::failed_precondition("a session begins with a greeting")),
    }
}

/// The eight words of an enrolled log key.
fn hub_fingerprint(entry: &Enrolled) -> String {
    entry.log_public().map(|key| lienthong_proto::fingerprint::words(&key)).unwrap_or_default()
}
