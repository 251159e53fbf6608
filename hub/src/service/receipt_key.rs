//! The keys of receipts: shown, and followed by another while everything runs.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::control::Answer;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::note::NoteError;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::ingest::CommitError;
use crate::pki::NextReceiptKey;

/// So long a rotation waits for the one before.
const AHEAD_SECONDS: u64 = 2;

/// Why the ledger does not name the newest key.
#[derive(Debug, thiserror::Error)]
pub enum NamingError {
    /// The one before is not in force yet, by a clock that was set back.
    #[error(
        "khóa biên nhận lần trước chưa có hiệu lực theo đồng hồ máy này: xem lại đồng hồ · the key of receipts before is not in force yet by this machine's clock: look at the clock"
    )]
    Ahead,
    /// It cannot be under its name.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The ledger does not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Hub {
    pub(super) async fn receipt_key_rotate(
        &self,
        next: NextReceiptKey,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let _turn = self.rotating.lock().await;
        self.name_newest(actor).await.map_err(Answer::failed)?;
        // Kept first: a ledger that names a key this hub does not have could not give the receipts of its span.
        self.secrets.receipt_seeds.add(next).map_err(Answer::failed)?;
        self.name_newest(actor).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.receipt_keys_json()))
    }

    /// Waits until the last key named is in force: of two from one second on the ledger would keep the first.
    async fn last_in_force(&self) -> Result<(), NamingError> {
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let begins = named.keys.iter().next_back().map_or(0, |key| key.from_seconds);
        loop {
            let left = begins.saturating_sub(self.now().seconds());
            if left == 0 {
                return Ok(());
            }
            if left > AHEAD_SECONDS {
                return Err(NamingError::Ahead);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Has the ledger name the newest key this hub has, unless it does: after a rotation, also one that was cut short, and
    /// in a ledger that was begun anew.
    ///
    /// # Errors
    /// [`NamingError`].
    pub async fn name_receipt_key(&self, actor: &str) -> Result<(), NamingError> {
        let _turn = self.rotating.lock().await;
        self.name_newest(actor).await
    }

    async fn name_newest(&self, actor: &str) -> Result<(), NamingError> {
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let last = named.keys.iter().next_back().map(|key| *key.verifier.key());
        let seeds = &self.secrets.receipt_seeds;
        let newest = seeds.last();
        if last.unwrap_or_else(|| seeds.first().public_key()) == newest.public_key() {
            return Ok(());
        }
        self.last_in_force().await?;
        let verifier = self.secrets.receipt_verifier(&newest)?;
        let place = self.committer.name_receipt_key(verifier, actor.to_owned()).await?;
        tracing::warn!(number = seeds.number(), %place, "receipts have another key from the next second on");
        Ok(())
    }

    pub(super) fn receipt_keys_json(&self) -> Json {
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let rfc3339 = |seconds: u64| UnixMillis(seconds.saturating_mul(1_000)).rfc3339();
        let text = |key: &SigningKey| self.secrets.receipt_verifier(key).map(|key| key.to_string()).ok();
        let first = self.secrets.receipt_seeds.first();
        let keys = std::iter::once((text(&first), None))
            .chain(named.keys.iter().map(|key| (Some(key.verifier.to_string()), Some(key.from_seconds))));
        let ends = named.keys.iter().map(|key| Some(key.from_seconds)).chain([None]);
        let lines: Vec<Json> = (1..)
            .zip(keys.zip(ends))
            .map(|(number, ((key, from), until)): (u32, _)| {
                json!({ "number": number, "key": key, "from": from.map(rfc3339), "until": until.map(rfc3339) })
            })
            .collect();
        json!({ "number": self.secrets.receipt_seeds.number(), "keys": lines })
    }
}
