//! Live views: an agency's replica says what it holds, is handed what it lacks, and signs for each delivery.
//!
//! Whether it may still have something is asked last when a piece leaves, so that a grant or replica that is taken back
//! cuts the stream where it is.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use lienthong_node::aside::in_place;
use lienthong_proto::disclosure::{DeliveryReceipt, Hash, RECEIPT, Since};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::app::Hub;
use crate::ingest::CommitError;
use crate::ledger::{Grant, GrantState};
use crate::pki::{Enrolled, Role};
use crate::sharing::{Course, Ready, SharingError};

/// What it holds must be said within this.
const HELD_TIMEOUT: Duration = Duration::from_secs(10);
/// A delivery must be signed for within this: it is checked whole first.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(1_800);
/// Terms end without an entry of the ledger: so often it is looked.
const TICK: Duration = Duration::from_secs(60);
/// Bytes of one message.
const PIECE: usize = 64 * 1024;
/// Why a stream ends must be taken within this; with whoever does not read the connection ends.
const WORD_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages on their way to the gate: whoever is cut off has no more of them before it.
const QUEUE: usize = 1;

/// The stream of a replica; its last word says why it ended. `cut` ends the connection.
pub(super) fn subscribe(
    hub: Arc<Hub>,
    enrolled: Enrolled,
    cut: CancellationToken,
    up: Streaming<wire::Taken>,
) -> impl Stream<Item = Result<wire::Granted, Status>> {
    let (down, queue) = mpsc::channel(QUEUE);
    let overtaken = hub.subscribers.begin(enrolled.replica);
    let gate = Gate {
        queue: ReceiverStream::new(queue),
        hub: Arc::clone(&hub),
        enrolled: enrolled.clone(),
        shut: false,
    };
    let watch = Watch { hub, enrolled, overtaken };
    tokio::spawn(Subscription { watch, cut, down, up, said: BTreeMap::new(), erasures: false }.run());
    gate
}

/// The last look before something leaves.
struct Gate {
    queue: ReceiverStream<Result<wire::Granted, Status>>,
    hub: Arc<Hub>,
    enrolled: Enrolled,
    shut: bool,
}

impl Stream for Gate {
    type Item = Result<wire::Granted, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.shut {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut self.queue).poll_next(cx);
        if let Poll::Ready(Some(Ok(wire::Granted { message: Some(wire::granted::Message::Piece(piece)) }))) =
            &next
            && let Err(refused) = self.hub.entitled(&self.enrolled, piece.grant)
        {
            self.shut = true;
            return Poll::Ready(Some(Err(refused)));
        }
        next
    }
}

impl Hub {
    /// Whether a replica may have something under a grant at this very moment.
    fn entitled(&self, enrolled: &Enrolled, number: u64) -> Result<(), Status> {
        self.may_subscribe(enrolled)?;
        let books = self.committer.books().read();
        let grant = books.sharing.grants.get(&number);
        let granted = grant.is_some_and(|grant| {
            grant.terms.agency == enrolled.unit && grant.state(self.now()) == GrantState::Active
        });
        if granted && !books.succession.is_open() { Ok(()) } else { Err(ended(number)) }
    }

    fn may_subscribe(&self, enrolled: &Enrolled) -> Result<(), Status> {
        let known = self.registry.get(enrolled.replica);
        let may = known.is_some_and(|known| known.is_active() && known.role == Role::Auditor);
        if may {
            return Ok(());
        }
        Err(Status::permission_denied(
            "máy này đã bị thu hồi: không nhận dữ liệu nữa · this replica was revoked: it receives nothing more",
        ))
    }
}

fn ended(grant: u64) -> Status {
    Status::permission_denied(format!(
        "giấy cấp quyền số {grant} không còn hiệu lực: ngừng giao · grant {grant} is no longer in force: nothing more is handed over"
    ))
}

fn failed(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, "a live view cannot be handed over");
    Status::internal("máy chủ gặp lỗi; hãy báo tỉnh · the hub failed; tell the province")
}

struct Subscription {
    watch: Watch,
    cut: CancellationToken,
    down: mpsc::Sender<Result<wire::Granted, Status>>,
    up: Streaming<wire::Taken>,
    /// What was last said of each grant's standing.
    said: BTreeMap<u64, &'static str>,
    /// Whether it takes notices of what was erased.
    erasures: bool,
}

/// What can end it while something else is being done.
struct Watch {
    hub: Arc<Hub>,
    enrolled: Enrolled,
    /// Another stream of the same replica has begun.
    overtaken: CancellationToken,
}

/// Why it ends; nothing if the peer has left.
type End = Option<Box<Status>>;

impl Watch {
    /// Does something that takes its time, for as long as it may be handed over at all.
    async fn while_entitled<T>(&self, grant: u64, work: impl Future<Output = T>) -> Result<T, End> {
        let (mut registry, mut head) = (self.hub.registry.watch(), self.hub.committer.head());
        tokio::pin!(work);
        loop {
            tokio::select! {
                () = self.hub.stop.cancelled() => return Err(end(stopping())),
                () = self.overtaken.cancelled() => return Err(end(overtaken())),
                changed = registry.changed() => changed.map_err(|_| None)?,
                changed = head.changed() => changed.map_err(|_| None)?,
                done = &mut work => return Ok(done),
            }
            self.hub.entitled(&self.enrolled, grant).map_err(end)?;
        }
    }
}

impl Subscription {
    async fn run(mut self) {
        let (replica, unit) = (self.watch.enrolled.replica, self.watch.enrolled.unit.clone());
        if let Err(Some(status)) = self.serve().await {
            tracing::info!(%replica, %unit, reason = status.message(), "a live view was ended");
            // What was handed to the line before is still on it, for one who does not read, and the word behind it; whoever has
            // read that leaves.
            let taken = async {
                let _ = self.down.send(Err(*status)).await;
                self.down.closed().await;
                while let Ok(Some(_)) = self.up.message().await {}
            };
            if tokio::time::timeout(WORD_TIMEOUT, taken).await.is_err() {
                self.cut.cancel();
            }
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let held = self.held().await?;
        let (mut registry, mut head) = (self.watch.hub.registry.watch(), self.watch.hub.committer.head());
        let mut reached = self.watch.hub.rounds.reached();
        let mut news = self.watch.hub.quality.news().ok_or(None)?;
        let mut courses: BTreeMap<u64, Course> = BTreeMap::new();
        let (mut told, mut unwitnessed) = (false, false);
        loop {
            self.watch.hub.may_subscribe(&self.watch.enrolled).map_err(end)?;
            let looked = self.watch.hub.head().size;
            head.mark_unchanged();
            let (mut handed_over, mut lacking) = (false, false);
            for grant in self.grants() {
                let number = grant.number;
                let active = grant.state(self.watch.hub.now()) == GrantState::Active;
                if !active {
                    if courses.contains_key(&number) {
                        return Err(end(ended(number)));
                    }
                    self.say(&grant, false).await?;
                    self.tell_erasures(&grant).await?;
                    continue;
                }
                let course = match courses.remove(&number) {
                    Some(course) => course,
                    None => self.course(grant.clone(), &held)?,
                };
                // Each try is an entry of the ledger: without witnesses it waits for them.
                let (course, more, witnessed) =
                    if unwitnessed { (course, false, false) } else { self.advance(course).await? };
                courses.insert(number, course);
                handed_over |= more;
                lacking |= !witnessed;
                self.say(&grant, !witnessed).await?;
                // By now it holds what was handed over anew; or nothing is, and what it holds goes.
                let any_gone = !more && self.tell_erasures(&grant).await?;
                if any_gone && !witnessed {
                    return Err(end(handed_anew()));
                }
            }
            unwitnessed = lacking;
            if handed_over {
                told = false;
                continue;
            }
            if !lacking && !std::mem::replace(&mut told, true) {
                self.send(wire::granted::Message::CaughtUp(wire::CaughtUp { ledger: looked })).await?;
            }
            tokio::select! {
                () = self.watch.hub.stop.cancelled() => return Err(end(stopping())),
                () = self.watch.overtaken.cancelled() => return Err(end(overtaken())),
                changed = registry.changed() => changed.map_err(|_| None)?,
                changed = head.changed() => changed.map_err(|_| None)?,
                changed = news.changed() => changed.map_err(|_| None)?,
                changed = reached.changed() => {
                    changed.map_err(|_| None)?;
                    unwitnessed = false;
                }
                () = tokio::time::sleep(TICK) => unwitnessed = false,
                said = self.up.message() => match said.map_err(|_| None)? {
                    Some(_) => return Err(end(Status::invalid_argument("nothing waits for a receipt"))),
                    None => return Ok(()),
                },
            }
        }
    }

    /// What the replica says it holds, in this ledger.
    async fn held(&mut self) -> Result<BTreeMap<u64, Since>, End> {
        let first = tokio::time::timeout(HELD_TIMEOUT, self.up.message()).await;
        let first = first.map_err(|_| end(Status::deadline_exceeded("nothing was said of what is held")))?;
        let Some(wire::taken::Message::Held(held)) = first.map_err(|_| None)?.and_then(|said| said.message)
        else {
            return Err(end(Status::failed_precondition("a live view begins with what is held")));
        };
        if held.protocol != lienthong_node::sync_protocol() {
            return Err(end(Status::failed_precondition("this protocol version is not spoken here")));
        }
        self.erasures = held.erasures;
        let own = held.ledger.as_ref() == self.watch.hub.secrets.profile.replica.0;
        let views = held.views.iter().filter(|_| own);
        let since = views.filter_map(|view| {
            Some((view.grant, Since { cut: view.cut, digest: Hash(view.digest.as_ref().try_into().ok()?) }))
        });
        Ok(since.collect())
    }

    fn grants(&self) -> Vec<Grant> {
        let books = self.watch.hub.committer.books().read();
        let own =
            books.sharing.grants.values().filter(|grant| grant.terms.agency == self.watch.enrolled.unit);
        // One that waits for its approval is nobody's yet.
        own.filter(|grant| grant.approved.is_some()).cloned().collect()
    }

    fn course(&self, grant: Grant, held: &BTreeMap<u64, Since>) -> Result<Course, End> {
        let since = held.get(&grant.number).copied().unwrap_or_default();
        let replica = self.watch.enrolled.replica;
        let opened = in_place(|| Course::open(&self.watch.hub, grant, replica, since));
        opened.map_err(|error| end(failed(&error)))
    }

    /// Hands over the next delivery, if there is one; whether there was, and whether witnesses are there for it.
    async fn advance(&mut self, mut course: Course) -> Result<(Course, bool, bool), End> {
        let number = course.grant.number;
        // Until a person has confirmed a succession nothing is handed over.
        if self.watch.hub.readmits() {
            return Ok((course, false, false));
        }
        match self.watch.while_entitled(number, course.next()).await? {
            Ok(None) => Ok((course, false, true)),
            Ok(Some(mut ready)) => {
                self.hand_over(number, &mut ready).await?;
                self.receipt(&ready.receipt).await?;
                course.taken(ready);
                Ok((course, true, true))
            }
            Err(SharingError::Unwitnessed) => Ok((course, false, false)),
            Err(SharingError::Commit(CommitError::NotGranted(_))) => Err(end(ended(number))),
            Err(error) => Err(end(failed(&error))),
        }
    }

    async fn hand_over(&mut self, grant: u64, ready: &mut Ready) -> Result<(), End> {
        let mut left = ready.bytes;
        while left > 0 {
            self.watch.hub.entitled(&self.watch.enrolled, grant).map_err(end)?;
            let mut lines = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            let read = in_place(|| ready.lines.read_exact(&mut lines));
            read.map_err(|error| end(failed(&error)))?;
            left -= u64::try_from(lines.len()).unwrap_or(left);
            let piece = wire::DeliveryPiece { grant, lines: lines.into(), last: left == 0 };
            // A reader that stands still is not waited for beyond the grant.
            self.watch.while_entitled(grant, self.send(wire::granted::Message::Piece(piece))).await??;
        }
        Ok(())
    }

    /// Waits for the receipt of a delivery, and logs it.
    async fn receipt(&mut self, wanted: &DeliveryReceipt) -> Result<(), End> {
        let said = tokio::time::timeout(RECEIPT_TIMEOUT, self.up.message());
        let said = self.watch.while_entitled(wanted.grant, said).await?;
        let said = said.map_err(|_| end(Status::deadline_exceeded("no receipt came")))?;
        let taken = match said.map_err(|_| None)?.and_then(|said| said.message) {
            Some(wire::taken::Message::Taken(taken)) => taken,
            Some(_) => return Err(end(Status::failed_precondition("a receipt is due"))),
            None => return Err(None),
        };
        let key = self
            .watch
            .enrolled
            .log_public()
            .ok_or_else(|| end(Status::internal("the log key is not readable")))?;
        let said = (taken.grant, taken.access, taken.digest.as_ref());
        if said != (wanted.grant, wanted.access, &wanted.digest[..]) || !wanted.holds(&key, &taken.signature)
        {
            return Err(end(Status::invalid_argument("the receipt does not hold")));
        }
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("grant".to_owned(), number(wanted.grant)),
            ("agency".to_owned(), Value::Unit(self.watch.enrolled.unit.clone())),
            ("access".to_owned(), number(wanted.access)),
            ("replica".to_owned(), Value::Text(self.watch.enrolled.replica.to_string())),
            ("digest".to_owned(), Value::Text(hex::encode(wanted.digest))),
            ("signature".to_owned(), Value::Text(hex::encode(&taken.signature))),
        ]);
        let logged = self.watch.hub.event(RECEIPT, &self.watch.enrolled.replica.to_string(), fields).await;
        logged.map(drop).map_err(|error| end(failed(&error)))
    }

    /// Tells of what was erased of what a grant had let out, and waits until the replica says that it is gone; whether there
    /// was any.
    async fn tell_erasures(&mut self, grant: &Grant) -> Result<bool, End> {
        let replica = self.watch.enrolled.replica;
        if !self.erasures || self.watch.hub.readmits() {
            return Ok(false);
        }
        let owed = self.watch.hub.notices_owed(grant, &replica);
        let any = !owed.is_empty();
        for (order, notice) in owed {
            let told = wire::ErasedTold { grant: grant.number, order, notice: notice.into_bytes().into() };
            self.send(wire::granted::Message::Erased(told)).await?;
            let said = tokio::time::timeout(RECEIPT_TIMEOUT, self.up.message()).await;
            let said = said.map_err(|_| end(Status::deadline_exceeded("a notice was not answered")))?;
            match said.map_err(|_| None)?.and_then(|said| said.message) {
                Some(wire::taken::Message::Erased(taken))
                    if (taken.grant, taken.order) == (grant.number, order) => {}
                Some(_) => return Err(end(Status::failed_precondition("an answer to a notice is due"))),
                None => return Err(None),
            }
            let logged = self.watch.hub.erasure_taken((order, grant), &replica).await;
            logged.map_err(|error| end(failed(&error)))?;
        }
        Ok(any)
    }

    /// Says where a grant stands, if that was not the last word on it.
    async fn say(&mut self, grant: &Grant, unwitnessed: bool) -> Result<(), End> {
        let state = match grant.state(self.watch.hub.now()) {
            GrantState::Active if unwitnessed => "unwitnessed",
            GrantState::Active => "active",
            GrantState::Expired => "expired",
            GrantState::Revoked => "revoked",
            GrantState::Proposed | GrantState::Coming => "coming",
        };
        if self.said.insert(grant.number, state) == Some(state) {
            return Ok(());
        }
        let standing = wire::GrantStanding {
            grant: grant.number,
            state: state.to_owned(),
            terms: grant.terms.to_json(),
        };
        self.send(wire::granted::Message::Standing(standing)).await
    }

    /// Sends a message; a slow reader holds up nobody else, and not the end of its own stream.
    async fn send(&self, message: wire::granted::Message) -> Result<(), End> {
        let mut registry = self.watch.hub.registry.watch();
        let granted = wire::Granted { message: Some(message) };
        let sent = self.down.send(Ok(granted));
        tokio::pin!(sent);
        loop {
            tokio::select! {
                () = self.watch.hub.stop.cancelled() => return Err(end(stopping())),
                () = self.watch.overtaken.cancelled() => return Err(end(overtaken())),
                changed = registry.changed() => {
                    changed.map_err(|_| None)?;
                    self.watch.hub.may_subscribe(&self.watch.enrolled).map_err(end)?;
                }
                sent = &mut sent => return sent.map_err(|_| None),
            }
        }
    }
}

fn end(status: Status) -> End {
    Some(Box::new(status))
}

fn stopping() -> Status {
    Status::unavailable("the hub is shutting down")
}

fn handed_anew() -> Status {
    Status::aborted(
        "phần bị xóa theo lệnh đã được gỡ; khi đủ máy làm chứng, dữ liệu được giao lại từ đầu · what an order took is gone; once enough witnesses sign, all is handed over anew",
    )
}

fn overtaken() -> Status {
    Status::aborted("máy này đã nối lại bằng một kết nối khác · another stream of this replica has begun")
}
