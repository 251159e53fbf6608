//! Deliveries to agencies: looked at and logged in one step by the ledger's writer, before anything is released.

use std::collections::BTreeMap;

use lienthong_node::replica::JournalError;
use lienthong_proto::disclosure::event;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::value::Value;

use super::{CommitError, Committer};
use crate::ledger::GrantState;

/// A delivery that is about to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Under which grant.
    pub grant: u64,
    /// To whom.
    pub agency: UnitCode,
    /// Size of the ledger's checkpoint it stands under.
    pub cut: u64,
    /// SHA-256 of what is handed over, hexadecimal.
    pub digest: String,
    /// Changes whose values are in it.
    pub changes: u64,
    /// Who hands it over.
    pub actor: String,
}

impl Committer {
    /// Logs a delivery, if its grant is in force at this very moment.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery,
    ) -> Result<Result<Sequence, CommitError>, JournalError> {
        let now = (self.clock)();
        let grant = self.books.sharing.grants.get(&delivery.grant);
        let granted = grant.is_some_and(|grant| {
            grant.state(now) == GrantState::Active && grant.terms.agency == delivery.agency
        });
        if !granted || self.books.succession.is_open() {
            return Ok(Err(CommitError::NotGranted(delivery.grant)));
        }
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("grant".to_owned(), number(delivery.grant)),
            ("agency".to_owned(), Value::Unit(delivery.agency.clone())),
            ("cut".to_owned(), number(delivery.cut)),
            ("digest".to_owned(), Value::Text(delivery.digest.clone())),
            ("changes".to_owned(), number(delivery.changes)),
        ]);
        let event = Event { kind: event::ACCESS.to_owned(), at: now, actor: delivery.actor.clone(), fields };
        self.event(&event)
    }
}
