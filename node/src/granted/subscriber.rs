//! Dials the hub, says what is held, takes what comes, signs for it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::{Spool, Views};
use crate::aside::in_place;
use crate::identity::{self, NodeIdentity};
use crate::observe::Job;
use crate::rpc::sync::sync_client::SyncClient as Rpc;

/// Messages that may wait to be sent.
const UP_QUEUE: usize = 4;

/// How the views fare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewsStatus {
    /// How many times everything there was had come and was signed for.
    pub caught_up: u64,
    /// When that was last.
    pub last: Option<UnixMillis>,
    /// Why the last attempt ended.
    pub fault: Option<String>,
}

/// Lets others watch and nudge.
#[derive(Debug, Clone)]
pub struct Subscriber {
    status: watch::Receiver<ViewsStatus>,
    nudge: mpsc::Sender<()>,
}

impl Subscriber {
    /// Begins; it ends with `stop`. Waits between two tries are within `retry_millis`.
    #[must_use]
    pub fn start(
        views: Arc<Views>,
        identity: Arc<NodeIdentity>,
        retry_millis: (u64, u64),
        (clock, job): (fn() -> UnixMillis, Arc<Job>),
        stop: CancellationToken,
    ) -> Self {
        let (sender, status) = watch::channel(ViewsStatus::default());
        let (nudge, nudged) = mpsc::channel(1);
        let driver = Driver { views, identity, status: sender, clock, job };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = driver.run(retry_millis, nudged) => {}
            }
        });
        Self { status, nudge }
    }

    /// How the views fare.
    #[must_use]
    pub fn status(&self) -> ViewsStatus {
        self.status.borrow().clone()
    }

    /// Follows that.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ViewsStatus> {
        self.status.clone()
    }

    /// Dials now, if it was waiting.
    pub fn dial_now(&self) {
        let _ = self.nudge.try_send(());
    }
}

struct Driver {
    views: Arc<Views>,
    identity: Arc<NodeIdentity>,
    status: watch::Sender<ViewsStatus>,
    clock: fn() -> UnixMillis,
    job: Arc<Job>,
}

impl Driver {
    async fn run(self, (least, most): (u64, u64), mut nudged: mpsc::Receiver<()>) {
        let mut wait = least;
        loop {
            let caught_up = self.status.borrow().caught_up;
            self.job.begin();
            let ended = match self.stream().await {
                Ok(()) => "tỉnh đóng kết nối · the hub closed the stream".to_owned(),
                Err(reason) => reason,
            };
            self.job.failed();
            tracing::debug!(reason = ended, "the stream of the granted views ended");
            self.status.send_modify(|status| status.fault = Some(ended));
            // What came through was no failure: the next try need not wait long.
            let came = self.status.borrow().caught_up > caught_up;
            wait = if came { least } else { wait.saturating_mul(2).clamp(least, most) };
            let jitter = rand::random::<u64>() % wait.max(1) + 1;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(jitter)) => {}
                said = nudged.recv() => if said.is_none() { return },
            }
        }
    }

    /// One stream, to its end; the reason, for people.
    async fn stream(&self) -> Result<(), String> {
        self.views.turn().map_err(|error| error.to_string())?;
        let channel: Channel = identity::connect(&self.identity).await.map_err(|error| error.to_string())?;
        let mut rpc = Rpc::new(channel).max_decoding_message_size(lienthong_proto::limits::MESSAGE_BYTES_MAX);
        let (up, queue) = mpsc::channel(UP_QUEUE);
        let say = async |message| {
            let said = up.send(wire::Taken { message: Some(message) }).await;
            said.map_err(|_| "the stream is closed".to_owned())
        };
        say(wire::taken::Message::Held(self.held())).await?;
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(queue);
        let reply = rpc.subscribe(outgoing).await.map_err(|status| status.message().to_owned())?;
        let mut down = reply.into_inner();
        let mut coming: Option<(u64, Spool)> = None;
        loop {
            let granted = down.message().await.map_err(|status| status.message().to_owned())?;
            let Some(granted) = granted else { return Ok(()) };
            self.job.progress();
            match granted.message {
                Some(wire::granted::Message::Standing(said)) => {
                    in_place(|| self.views.stands(said.grant, &said.state, &said.terms));
                }
                Some(wire::granted::Message::Piece(piece)) => {
                    coming = Some(in_place(|| self.write(coming.take(), &piece))?);
                    if let Some((grant, spool)) = coming.take_if(|_| piece.last) {
                        say(in_place(|| self.take(grant, spool))?).await?;
                    }
                }
                Some(wire::granted::Message::CaughtUp(_)) => {
                    let now = (self.clock)();
                    self.job.done();
                    self.status.send_modify(|status| {
                        (status.caught_up, status.last, status.fault) =
                            (status.caught_up + 1, Some(now), None);
                    });
                }
                Some(wire::granted::Message::Erased(told)) => {
                    let erased = in_place(|| self.views.erased(told.grant, &told.notice));
                    erased.map_err(|error| {
                        tracing::error!(%error, grant = told.grant, "what was erased cannot be removed here");
                        error.to_string()
                    })?;
                    let taken = wire::ErasedTaken { grant: told.grant, order: told.order };
                    say(wire::taken::Message::Erased(taken)).await?;
                }
                // A newer hub may say what this version does not know.
                None => {}
            }
        }
    }

    fn held(&self) -> wire::ViewsHeld {
        let view = |(grant, since): (u64, lienthong_proto::disclosure::Since)| wire::ViewHeld {
            grant,
            cut: since.cut,
            digest: since.digest.0.to_vec().into(),
        };
        wire::ViewsHeld {
            protocol: crate::sync_protocol(),
            ledger: self.views.ledger().0.to_vec().into(),
            views: self.views.held().into_iter().map(view).collect(),
            erasures: true,
        }
    }

    fn write(
        &self,
        coming: Option<(u64, Spool)>,
        piece: &wire::DeliveryPiece,
    ) -> Result<(u64, Spool), String> {
        let (grant, mut spool) = match coming {
            Some(coming) => coming,
            None => (piece.grant, self.views.spool().map_err(|error| error.to_string())?),
        };
        if grant != piece.grant {
            return Err("hai lần giao lẫn nhau · two deliveries are mixed".to_owned());
        }
        spool.write_all(&piece.lines).map_err(|error| error.to_string())?;
        Ok((grant, spool))
    }

    fn take(&self, grant: u64, spool: Spool) -> Result<wire::taken::Message, String> {
        let taken = self.views.take(grant, spool, (self.clock)());
        let (receipt, signature) = taken.map_err(|error| {
            tracing::error!(%error, grant, "a delivery is refused");
            error.to_string()
        })?;
        Ok(wire::taken::Message::Taken(wire::DeliveryTaken {
            grant,
            access: receipt.access,
            digest: receipt.digest.to_vec().into(),
            signature: signature.into(),
        }))
    }
}
