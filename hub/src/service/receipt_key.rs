//! The keys of receipts: shown, and followed by another while everything runs.

use std::sync::Arc;

use lienthong_node::control::Answer;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::note::NoteError;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::ingest::CommitError;
use crate::pki::NextReceiptKey;

/// Why the ledger does not name the newest key.
#[derive(Debug, thiserror::Error)]
pub enum NamingError {
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
        {
            let _turn = self.rotating.lock().await;
            // Kept first: a ledger that names a key this hub does not have could not give the receipts of its span.
            self.secrets.receipt_seeds.add(next).map_err(Answer::failed)?;
        }
        self.name_receipt_key(actor).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.receipt_keys_json()))
    }

    /// Has the ledger name the newest key this hub has, unless it does: after a rotation, also one that was cut short, and
    /// in a ledger that was begun anew.
    ///
    /// # Errors
    /// [`NamingError`].
    pub async fn name_receipt_key(&self, actor: &str) -> Result<(), NamingError> {
        let _turn = self.rotating.lock().await;
        let named = Arc::clone(&self.committer.books().read().receipt_keys);
        let last = named.keys.iter().next_back().map(|key| *key.verifier.key());
        let seeds = &self.secrets.receipt_seeds;
        let newest = seeds.last();
        if last.unwrap_or_else(|| seeds.first().public_key()) == newest.public_key() {
            return Ok(());
        }
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
