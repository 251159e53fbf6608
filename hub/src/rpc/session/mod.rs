//! One node's stream: greeting, batches, heartbeats, notices.

mod greeting;
mod log;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use lienthong_node::quality::ToldCursor;
use lienthong_node::sync::{FENCED, REFUSAL, UNKNOWN};
use lienthong_proto::authority::FIRST;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::wire::sync as wire;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

use crate::app::Hub;
use crate::feed::FeedReader;
use crate::ingest::{Accepted, CommitError, Intake};
use crate::pki::{Enrolled, Refusal, ReplicaState, Role};
use crate::reconcile::Ask;
use crate::rights::{may_call, saying};

pub(super) use self::greeting::greeting;
use super::sessions::{Turn, Way};
use super::witness::Asking;

/// What is left for the peer when a session ends must be taken within this.
const LAST_WORDS: Duration = Duration::from_secs(3);

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
    gone: CancellationToken,
    cut: CancellationToken,
    turn: Turn,
    intake: Option<Intake>,
    notice_cursor: u64,
    told: ToldCursor,
    feed: Option<FeedReader>,
    answers: FuturesOrdered<Answer>,
    /// The number of the newest authority of certificates it knows.
    authority: u32,
    /// How many further keys of receipts it knows.
    receipt_keys: usize,
    /// What this node is as a witness.
    witness: Option<Asking>,
    /// The checkpoint of the last heartbeat.
    beaten: Option<SignedCheckpoint>,
    /// What somebody at the hub waits for an answer to.
    asked: Option<(u64, oneshot::Sender<wire::up::Message>)>,
}

impl Session {
    pub(super) fn new(hub: Arc<Hub>, enrolled: Enrolled, way: Way) -> Self {
        let Way { down, gone, cut, turn } = way;
        let (told, answers) = (ToldCursor::default(), FuturesOrdered::new());
        let (intake, feed, witness, beaten, asked) = (None, None, None, None, None);
        let (notice_cursor, authority, receipt_keys) = (0, FIRST, 0);
        Self {
            hub,
            enrolled,
            down,
            gone,
            cut,
            turn,
            intake,
            notice_cursor,
            told,
            feed,
            answers,
            authority,
            receipt_keys,
            witness,
            beaten,
            asked,
        }
    }

    /// Converses to the end; `hello` was read already, or is read first.
    pub(super) async fn run(mut self, up: Streaming<wire::Up>, hello: Option<wire::Hello>) {
        let replica = self.enrolled.replica;
        let Some(_place) = self.turn.place().await else {
            let _ = self.down.try_send(Err(overtaken()));
            return;
        };
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
        drop(self.down);
        // Who does not take what is left for it loses the connection; until then the place is taken.
        if tokio::time::timeout(LAST_WORDS, self.gone.cancelled()).await.is_err() {
            self.cut.cancel();
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
        let mut news = self.hub.quality.news_of(&self.enrolled.unit).ok_or(End::Gone)?;
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
                () = self.turn.overtaken() => return Err(overtaken().into()),
                changed = registry.changed() => {
                    changed.map_err(|_| End::Gone)?;
                    still_welcome(&self.hub, &self.enrolled)?;
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

    /// Tells the node what was erased and concerns it.
    async fn tell_erasures(&mut self, seen: u64) -> Result<(), End> {
        let (unit, replica) = (&self.enrolled.unit, self.enrolled.replica);
        for erasure in self.hub.erasures_for(unit, replica, seen)? {
            self.send(wire::down::Message::Erasure(erasure)).await?;
        }
        Ok(())
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
        loop {
            let place = tokio::select! {
                biased;
                place = down.reserve() => place.map_err(|_| End::Gone)?,
                end = unwelcome(&self.hub, &self.enrolled, &self.turn) => return Err(end),
            };
            if !self.hand_over(place)? {
                break;
            }
        }
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

    async fn send(&mut self, message: wire::down::Message) -> Result<(), End> {
        let down = wire::Down { message: Some(message) };
        // Who does not read stands here, and must not stand for ever.
        tokio::select! {
            biased;
            sent = self.down.send(Ok(down)) => sent.map_err(|_| End::Gone),
            end = unwelcome(&self.hub, &self.enrolled, &self.turn) => Err(end),
        }
    }
}

/// Whether a replica may go on with a stream it has.
fn still_welcome(hub: &Hub, enrolled: &Enrolled) -> Result<(), End> {
    let entry = hub.registry.get(enrolled.replica);
    let renewed = entry.as_ref().is_some_and(|entry| !entry.has_tls_key(&enrolled.tls_key_hash));
    match entry.map(|entry| entry.state) {
        Some(ReplicaState::Active) if renewed => {
            Err(Status::unavailable("the machine's key was rotated: this one is good no more").into())
        }
        Some(ReplicaState::Active) => Ok(()),
        Some(ReplicaState::Fenced { .. }) => Err(refused(Refusal::Fenced).into()),
        _ => Err(refused(Refusal::Revoked).into()),
    }
}

/// Ends when a stream must, whatever its peer reads or does.
async fn unwelcome(hub: &Hub, enrolled: &Enrolled, turn: &Turn) -> End {
    let mut registry = hub.registry.watch();
    loop {
        if let Err(end) = still_welcome(hub, enrolled) {
            return end;
        }
        tokio::select! {
            () = hub.stop.cancelled() => return Status::unavailable("the hub is shutting down").into(),
            () = turn.overtaken() => return overtaken().into(),
            changed = registry.changed() => {
                if changed.is_err() {
                    return End::Gone;
                }
            }
        }
    }
}

/// What a stream is told that newer ones of the same replica took over from.
fn overtaken() -> Status {
    Status::unavailable("newer streams of this machine took over")
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
