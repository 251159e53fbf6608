//! Naming the next key of receipts.

use lienthong_node::replica::JournalError;
use lienthong_proto::ids::Sequence;
use lienthong_proto::note::Verifier;
use lienthong_proto::receipt_key::ReceiptKey;

use super::CommitError;
use super::committer::Committer;
use super::handle::{Command, CommitterHandle};

impl CommitterHandle {
    /// Names the key that signs receipts from the next second on.
    ///
    /// # Errors
    /// [`CommitError`] if it was not taken.
    pub async fn name_receipt_key(&self, key: Verifier, actor: String) -> Result<Sequence, CommitError> {
        self.ask(|answer| Command::ReceiptKey(key, actor, answer)).await?
    }
}

impl Committer {
    /// By the writer's own clock: everything that was accepted by now is dated before the new span, and whatever is dated
    /// in it is answered behind this event.
    pub(super) fn name_receipt_key(
        &mut self,
        key: &Verifier,
        actor: &str,
    ) -> Result<Result<Sequence, CommitError>, JournalError> {
        let event = ReceiptKey::naming(key, (self.clock)(), actor);
        self.event(&event)
    }
}
