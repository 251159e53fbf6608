//! A node of our own making: it says to a hub what we want, properly signed or not.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot speak has failed")]

use std::time::Duration;

use lienthong_node::identity::{self, NodeIdentity};
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::ids::{Dot, RecordId, Sequence};
use lienthong_proto::merkle::Frontier;
use lienthong_proto::time::Hlc;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// A node of our own making: it says what we want, properly signed or not.
pub struct Peer {
    /// Who it is.
    pub identity: NodeIdentity,
    /// Its log's tree.
    pub frontier: Frontier,
    /// Entries pushed and not sent.
    pub entries: Vec<Vec<u8>>,
}

/// What it says, and what it is told.
pub type Stream = (mpsc::Sender<wire::Up>, Streaming<wire::Down>);

impl Peer {
    /// With an empty log.
    #[must_use]
    pub fn of(identity: NodeIdentity) -> Self {
        Self { identity, frontier: Frontier::new(), entries: Vec::new() }
    }

    /// Opens a stream, without a word.
    pub async fn dial(&self, queue: usize) -> Stream {
        Self::dial_by(identity::connect(&self.identity).await.unwrap(), queue).await
    }

    async fn dial_by(channel: Channel, queue: usize) -> Stream {
        let (up, outgoing) = mpsc::channel(queue);
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let down = SyncClient::new(channel).exchange(outgoing).await.unwrap().into_inner();
        (up, down)
    }

    /// Dials and greets, with the log as long as it will ever be said to be.
    pub async fn greeted(&self, queue: usize) -> Stream {
        self.greets(self.dial(queue).await).await
    }

    /// The same by a channel that is there.
    pub async fn greeted_by(&self, channel: Channel, queue: usize) -> Stream {
        self.greets(Self::dial_by(channel, queue).await).await
    }

    async fn greets(&self, (up, mut down): Stream) -> Stream {
        up.send(say(wire::up::Message::Hello(self.hello()))).await.unwrap();
        let welcome = down.message().await.unwrap().unwrap();
        assert!(matches!(welcome.message, Some(wire::down::Message::Welcome(_))));
        (up, down)
    }

    /// A greeting as an honest node says it.
    #[must_use]
    pub fn hello(&self) -> wire::Hello {
        let (log_key, log_key_proof) = self.identity.introduction();
        wire::Hello {
            protocol: 1,
            program: "0.0.0".to_owned(),
            replica: self.identity.replica().0.to_vec().into(),
            log_size: self.frontier.size(),
            log_root: self.frontier.root().to_vec().into(),
            log_key: log_key.into(),
            log_key_proof: log_key_proof.into(),
            ..wire::Hello::default()
        }
    }

    /// A change of a record of its own at its log's end.
    #[must_use]
    pub fn change(&self, writes: Vec<Write>) -> Change {
        Change {
            dot: Dot { replica: self.identity.replica(), sequence: Sequence(self.frontier.size()) },
            record: RecordId([self.frontier.size().to_be_bytes()[7]; 16]),
            record_type: "dang_vien".to_owned(),
            year: 2026,
            number: self.frontier.size(),
            meta: Meta { hlc: Hlc(1), author: "x".to_owned(), catalogue: [0; 8] },
            origin: None,
            writes,
        }
    }

    /// A record of a unit with a text.
    #[must_use]
    pub fn writes(unit: &str, text: String) -> Vec<Write> {
        let write = |path: &str, value| Write { path: path.to_owned(), value, context: Context::default() };
        vec![write("_unit", Value::Unit(unit.parse().unwrap())), write("ghi_chu", Value::Text(text))]
    }

    /// Writes a change.
    pub fn push(&mut self, writes: Vec<Write>) {
        self.push_change(&self.change(writes));
    }

    /// Writes a change as it is.
    pub fn push_change(&mut self, change: &Change) {
        let (bytes, leaf) = change.build(&[7; 16]).unwrap();
        self.frontier.push(leaf);
        self.entries.push(bytes);
    }

    /// The next batch: everything pushed since the last.
    pub fn batch(&mut self) -> wire::Batch {
        let entries = std::mem::take(&mut self.entries);
        let packed = batch::pack(entries.iter().map(Vec::as_slice)).unwrap();
        wire::Batch {
            first: self.frontier.size() - entries.len() as u64,
            count: u32::try_from(entries.len()).unwrap(),
            packed: packed.into(),
            checkpoint: self.checkpoint(),
        }
    }

    /// Its log's signed checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let checkpoint = Checkpoint { origin: self.identity.origin(), size, root, roll: None };
        checkpoint.sign(self.identity.log_key().as_ref()).unwrap().note().to_string()
    }
}

/// A message, to be sent.
#[must_use]
pub fn say(message: wire::up::Message) -> wire::Up {
    wire::Up { message: Some(message) }
}

/// Waits until the hub holds `size` entries, whatever it says of them meanwhile.
pub async fn received(down: &mut Streaming<wire::Down>, size: u64) {
    loop {
        let message = down.message().await.unwrap().unwrap().message;
        if matches!(message, Some(wire::down::Message::Receipt(receipt)) if receipt.size == size) {
            break;
        }
    }
}

/// How the hub ended a stream.
pub async fn ended(down: &mut Streaming<wire::Down>) -> Status {
    let end = async {
        loop {
            match down.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok("ended"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), end).await.unwrap()
}
