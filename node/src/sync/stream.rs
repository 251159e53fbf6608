//! One connection to the hub: opened, read and written beside the driver, which hears of it in reports.

use std::time::Duration;

use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Acceptance;
use lienthong_proto::wire::sync as wire;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::calls::take_feed;
use super::{Event, OutBatch, Proving};
use crate::identity::{self, NodeIdentity};
use crate::replica::Replica;
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// Something a spawned piece of work reports; stale ones carry an older generation.
pub(super) struct Report {
    pub(super) generation: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Opened(mpsc::Sender<wire::Up>, Rpc<Channel>),
    Down(Box<wire::Down>),
    /// Something of former replicas went; when all of it has, the welcome counts.
    Told(Event),
    Sent {
        end: u64,
        bytes: usize,
    },
    Proof(Asked, Answer),
    Lost(Left),
    /// The certificate is another now: the line is made again with it.
    Renewed,
}

/// Why a connection ended.
#[derive(Default)]
pub(super) struct Left {
    pub(super) reason: String,
    /// The hub does not know this replica and wants to hear its log key.
    pub(super) stranger: bool,
    /// The hub has fenced this replica.
    pub(super) fenced: bool,
    /// The certificate has ended, or counts no more: another is asked for by the log key.
    pub(super) ended: bool,
    /// The hub's certificate is of an authority that is not known: the newest is asked for.
    pub(super) untrusted: bool,
}

impl From<String> for Left {
    fn from(reason: String) -> Self {
        let (ended, untrusted) = (identity::is_ended(&reason), identity::is_untrusted(&reason));
        Self { reason, ended, untrusted, ..Self::default() }
    }
}

impl From<tonic::Status> for Left {
    fn from(status: tonic::Status) -> Self {
        let stranger = status.code() == Code::Unauthenticated;
        let refusal = status.metadata().get(REFUSAL).map(|refusal| refusal.as_bytes());
        let (fenced, unknown) = (refusal == Some(FENCED.as_bytes()), refusal == Some(UNKNOWN.as_bytes()));
        let causes = std::error::Error::source(&status).map(|cause| format!("{cause:?}")).unwrap_or_default();
        let reason = status.message().to_owned();
        let ended = unknown || identity::is_ended(&reason) || identity::is_ended(&causes);
        Self { reason, stranger, fenced, ended, untrusted: false }
    }
}

/// Beside a refusal's text, in gRPC metadata: which one it is, for programs.
pub const REFUSAL: &str = "lienthong-refusal";
/// The certificate's key is not the replica's, or the replica is nobody's.
pub const UNKNOWN: &str = "unknown";
/// The replica's log contradicts what is held.
pub const FENCED: &str = "fenced";

/// Sends a batch, told to the driver before it goes: its receipt must not come before it counts as sent.
pub(super) async fn hand_over(
    batch: OutBatch,
    generation: u64,
    up: &mpsc::Sender<wire::Up>,
    events: &mpsc::Sender<Report>,
) {
    let Ok(place) = up.reserve().await else { return };
    let what = What::Sent { end: batch.first + u64::from(batch.count), bytes: batch.packed.len() };
    if events.send(Report { generation, what }).await.is_ok() {
        let message = wire::up::Message::Batch(wire::Batch {
            first: batch.first,
            count: batch.count,
            packed: batch.packed,
            checkpoint: batch.checkpoint,
        });
        place.send(wire::Up { message: Some(message) });
    }
}

/// How many messages may wait to be sent.
const UP_QUEUE: usize = 16;

/// What was wrong the last time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) ended: bool,
    pub(super) untrusted: bool,
}

pub(super) type Opened = (Rpc<Channel>, mpsc::Sender<wire::Up>, Streaming<wire::Down>);

/// A proof must come within this.
pub(super) const PROVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of one proof: far beyond what the batches of a log take, verdicts and all.
const PROOF_BYTES_MAX: usize = 64 << 20;

/// What a hub says that is asked for a proof.
pub(super) enum Answer {
    Shown(Box<wire::ProveReply>),
    /// It has none.
    Denied(String),
    /// Nothing that says so either way.
    Nothing,
}

/// A proof that is asked for.
pub(super) struct Asked {
    pub(super) proving: Proving,
    /// How far those go that are asked for in this connection, entries of the log.
    pub(super) until: u64,
    /// The ledger's checkpoint that was seen, and its note: in it the acceptance must stand.
    pub(super) seen: (Checkpoint, String),
}

/// Asks for the proof of a receipt. A line that breaks proves nothing, either way.
pub(super) async fn prove(
    mut rpc: Rpc<Channel>,
    asked: Asked,
    generation: u64,
    events: mpsc::Sender<Report>,
) {
    let answer = match shown(&mut rpc, &asked).await {
        Ok(reply) => Answer::Shown(Box::new(reply)),
        Err(status)
            if matches!(
                status.code(),
                Code::NotFound | Code::Internal | Code::DataLoss | Code::OutOfRange
            ) =>
        {
            Answer::Denied(status.message().to_owned())
        }
        Err(_) => Answer::Nothing,
    };
    let _ = events.send(Report { generation, what: What::Proof(asked, answer) }).await;
}

/// The proof, with all that is shown before it, piece by piece: no more acceptances than our log has entries, and no more bytes
/// than are let in.
async fn shown(rpc: &mut Rpc<Channel>, asked: &Asked) -> Result<wire::ProveReply, Status> {
    let Proving { receipt, known, .. } = &asked.proving;
    let (ledger_index, ledger_size) = (receipt.ledger_index, asked.seen.0.size);
    let (mut known_size, mut before, mut bytes) = (known.0, Vec::new(), 0);
    loop {
        let asked = wire::ProveRequest { ledger_index, known_size: Some(known_size), ledger_size };
        let mut request = tonic::Request::new(asked);
        request.set_timeout(PROVE_TIMEOUT);
        // Its headers alone are no answer.
        let answered = tokio::time::timeout(PROVE_TIMEOUT, rpc.prove(request)).await;
        let answered = answered.map_err(|_| Status::deadline_exceeded("no answer came"))?;
        let mut reply = answered?.into_inner();
        let last = reply.before.last().map_or(0, |last| last.size);
        bytes += reply.encoded_len();
        before.append(&mut reply.before);
        let begins = Entry::decode(&reply.entry).and_then(|entry| Acceptance::of(&entry));
        // What is no acceptance, or does not come nearer to it, is judged as it is.
        let is_all = begins.map_or(true, |acceptance| last >= acceptance.first.0);
        let too_much = before.len() as u64 > receipt.size || bytes > PROOF_BYTES_MAX;
        if is_all || last <= known_size || too_much {
            reply.before = before;
            return Ok(reply);
        }
        known_size = last;
    }
}

/// Connects. Where the hub was not trusted the last time, the newest authority is asked for first; a certificate that has
/// ended is renewed first, as soon as the province lets it.
pub(super) async fn connect(identity: &NodeIdentity, before: Before) -> Result<Opened, Left> {
    let Before { ended, untrusted } = before;
    if untrusted && identity::ask_authority(identity).await.map_err(|error| Left::from(error.to_string()))? {
        tracing::warn!("another authority of certificates is trusted, signed for by the recovery key");
    }
    if ended {
        let renewed = identity::renew_by_log_key(identity).await;
        renewed.map_err(|error| Left { reason: error.to_string(), ended: true, ..Left::default() })?;
        tracing::info!("the certificate that had ended was renewed");
    }
    let channel: Channel = identity::connect(identity).await.map_err(|error| error.to_string())?;
    let mut rpc = Rpc::new(channel).max_decoding_message_size(lienthong_proto::limits::MESSAGE_BYTES_MAX);
    let (up, queue) = mpsc::channel(UP_QUEUE);
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(queue);
    let response = rpc.exchange(outgoing).await?;
    Ok((rpc, up, response.into_inner()))
}

/// Reads what the hub says, in order; behind its welcome nothing, before its ledger was judged. A piece of the feed
/// is durable before anything behind it is read, so that a hub that feeds faster than this machine can write is held
/// back by the stream itself.
pub(super) async fn read_down(
    mut down: Streaming<wire::Down>,
    generation: u64,
    replica: &Replica,
    events: &mpsc::Sender<Report>,
    admitted: oneshot::Receiver<()>,
) -> Left {
    let mut waiting = Some(admitted);
    loop {
        match down.message().await {
            Ok(Some(mut message)) => {
                let welcome = matches!(message.message, Some(wire::down::Message::Welcome(_)));
                if let Some(wire::down::Message::Feed(feed)) = &mut message.message {
                    if waiting.is_some() {
                        return "the hub feeds before it welcomes".to_owned().into();
                    }
                    if let Err(reason) = take_feed(std::mem::take(feed), replica).await {
                        tracing::error!(reason, "the feed cannot be taken in");
                        return reason.into();
                    }
                }
                let report = Report { generation, what: What::Down(Box::new(message)) };
                if events.send(report).await.is_err() {
                    return Left::default();
                }
                if let Some(admitted) = waiting.take_if(|_| welcome)
                    && admitted.await.is_err()
                {
                    return Left::default();
                }
            }
            Ok(None) => return "the hub closed the stream".to_owned().into(),
            Err(status) => return status.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    /// Goal: no receipt can come before its batch counts as sent. Method: the driver has no time to listen;
    /// as long as it has not, nothing goes.
    #[test]
    fn p2_a_batch_is_told_before_it_goes() {
        let (up, mut outgoing) = mpsc::channel(1);
        let (events, mut inbox) = mpsc::channel(1);
        assert!(events.try_send(Report { generation: 1, what: What::Lost(Left::default()) }).is_ok());
        let batch = OutBatch { first: 3, count: 2, packed: Vec::new().into(), checkpoint: String::new() };
        let mut handing = Box::pin(hand_over(batch, 1, &up, &events));
        let mut context = Context::from_waker(Waker::noop());
        assert!(handing.as_mut().poll(&mut context).is_pending());
        assert!(outgoing.try_recv().is_err(), "the driver does not know of it yet");
        assert!(inbox.try_recv().is_ok());
        assert!(handing.as_mut().poll(&mut context).is_ready());
        let told = inbox.try_recv().map(|report| report.what);
        assert!(matches!(told, Ok(What::Sent { end: 5, bytes: 0 })));
        assert!(outgoing.try_recv().is_ok());
    }
}
