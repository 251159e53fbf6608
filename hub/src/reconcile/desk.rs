//! Asking a connected node something over its stream, one question at a time.

use std::collections::HashMap;
use std::time::Duration;

use lienthong_proto::ids::ReplicaId;
use lienthong_proto::wire::sync::{down, up};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait for a session: whoever asks waits for the answer before asking on.
const WAITING: usize = 4;

/// A question on its way to a node.
#[derive(Debug)]
pub struct Ask {
    /// Which run it belongs to: the answer says so too.
    pub run: u64,
    /// What is said.
    pub message: down::Message,
    /// Where the answer goes; nowhere if none is expected.
    pub reply: Option<oneshot::Sender<up::Message>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskError {
    /// The node left.
    Gone,
    /// It did not answer in time.
    Silent,
}

/// The way to one connected node.
#[derive(Debug, Clone)]
pub struct Line {
    asks: mpsc::Sender<Ask>,
}

impl Line {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`] if none comes.
    pub async fn ask(
        &self,
        run: u64,
        message: down::Message,
        wait: Duration,
    ) -> Result<up::Message, AskError> {
        let (reply, answered) = oneshot::channel();
        let asked = async {
            let ask = Ask { run, message, reply: Some(reply) };
            self.asks.send(ask).await.map_err(|_| AskError::Gone)?;
            answered.await.map_err(|_| AskError::Gone)
        };
        tokio::time::timeout(wait, asked).await.unwrap_or(Err(AskError::Silent))
    }

    /// Says something that has no answer, if there is room.
    pub fn say(&self, run: u64, message: down::Message) {
        let _ = self.asks.try_send(Ask { run, message, reply: None });
    }
}

/// The connected nodes that can be asked.
#[derive(Debug, Default)]
pub struct Desk {
    lines: Mutex<HashMap<ReplicaId, Line>>,
}

impl Desk {
    /// A session begins; what it is to ask comes out of the receiver. A later one of the same replica takes its
    /// place.
    pub fn open(&self, replica: ReplicaId) -> mpsc::Receiver<Ask> {
        let (asks, asked) = mpsc::channel(WAITING);
        self.lines.lock().insert(replica, Line { asks });
        asked
    }

    /// The way to a node, if it is connected.
    #[must_use]
    pub fn line(&self, replica: ReplicaId) -> Option<Line> {
        let mut lines = self.lines.lock();
        let line = lines.get(&replica)?;
        if line.asks.is_closed() {
            lines.remove(&replica);
            return None;
        }
        Some(line.clone())
    }
}
