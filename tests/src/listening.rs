//! An agency's node of our own making: it has the agency's keys, and every byte it is told is written down.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot hear has failed")]

use std::path::Path;
use std::time::Duration;

use lienthong_node::identity::NodeIdentity;
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::disclosure::{DeliveryReceipt, Line};
use lienthong_proto::wire::sync as wire;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::tap::Tap;

/// A stream of an agency's views.
pub struct Listener {
    identity: NodeIdentity,
    up: mpsc::Sender<wire::Taken>,
    down: Streaming<wire::Granted>,
    /// What came over its connection.
    pub tap: Tap,
}

impl Listener {
    /// Dials with the identity in `folder`, and says what is held.
    ///
    /// # Errors
    /// The hub's refusal.
    pub async fn dial(folder: &Path, views: Vec<wire::ViewHeld>) -> Result<Self, Status> {
        Self::dial_with(folder, views, None).await
    }

    /// The same, with no more than so many bytes on their way that were not read.
    ///
    /// # Errors
    /// The hub's refusal.
    pub async fn dial_with(
        folder: &Path,
        views: Vec<wire::ViewHeld>,
        window: impl Into<Option<u32>>,
    ) -> Result<Self, Status> {
        let identity = NodeIdentity::load(folder).unwrap().unwrap();
        let tap = Tap::default();
        let channel = tap.channel_of(folder, window).await;
        let (up, outgoing) = mpsc::channel(4);
        let ledger = identity.ledger().origin.replica().0.to_vec().into();
        let held =
            wire::taken::Message::Held(wire::ViewsHeld { protocol: 1, ledger, views, erasures: false });
        up.send(wire::Taken { message: Some(held) }).await.unwrap();
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let down = SyncClient::new(channel).subscribe(outgoing).await?.into_inner();
        Ok(Self { identity, up, down, tap })
    }

    /// The next message.
    ///
    /// # Errors
    /// How the hub ended the stream.
    pub async fn next(&mut self) -> Result<wire::granted::Message, Status> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.down.message()).await.unwrap()?;
        let granted = next.ok_or_else(|| Status::ok("the stream ended"))?;
        Ok(granted.message.unwrap())
    }

    /// The lines of the next delivery, not signed for yet.
    ///
    /// # Errors
    /// How the hub ended the stream.
    pub async fn delivery(&mut self) -> Result<(u64, String), Status> {
        let mut lines = Vec::new();
        loop {
            if let wire::granted::Message::Piece(piece) = self.next().await? {
                lines.extend_from_slice(&piece.lines);
                if piece.last {
                    return Ok((piece.grant, String::from_utf8(lines).unwrap()));
                }
            }
        }
    }

    /// Signs for a delivery.
    pub async fn sign(&self, grant: u64, lines: &str) {
        let receipt = self.receipt(grant, lines);
        let signature = receipt.sign(self.identity.log_key().as_ref());
        self.answer(receipt, signature).await;
    }

    /// What a receipt for a delivery says.
    #[must_use]
    pub fn receipt(&self, grant: u64, lines: &str) -> DeliveryReceipt {
        let parsed: Vec<Line> = lines.lines().map(|line| Line::parse(line).unwrap()).collect();
        let access = parsed.iter().find_map(|line| match line {
            Line::Access(access) => Some(access.entry.0.clone()),
            _ => None,
        });
        let access = access.unwrap();
        let access = lienthong_proto::entry::Entry::decode(&access).unwrap().header.dot.sequence.0;
        let before = lines.split_inclusive('\n').take_while(|line| !line.starts_with("{\"line\":\"access\""));
        let digest = lienthong_proto::hash::sha256(&[before.collect::<String>().as_bytes()]);
        let ledger = self.identity.ledger().origin.replica();
        DeliveryReceipt { ledger, grant, access, digest }
    }

    /// Answers with a receipt, true or not.
    pub async fn answer(&self, receipt: DeliveryReceipt, signature: Vec<u8>) {
        let taken = wire::DeliveryTaken {
            grant: receipt.grant,
            access: receipt.access,
            digest: receipt.digest.to_vec().into(),
            signature: signature.into(),
        };
        let message = Some(wire::taken::Message::Taken(taken));
        let _ = self.up.send(wire::Taken { message }).await;
    }
}
