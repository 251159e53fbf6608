//! The roll: which replicas every unit has, and how much the ledger holds of each, as an event of the ledger. A bundle
//! without one of them is not whole.

use std::collections::BTreeMap;

use lienthong_proto::disclosure::event::ROLL;
use lienthong_proto::event::Event;
use lienthong_proto::roll::{BEFORE, UPTO};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

use crate::app::Hub;
use crate::ingest::CommitError;

/// Units of one entry.
const UNITS: usize = 400;
/// Replicas of one unit that are listed: a unit has had so many only if something is very wrong.
const REPLICAS: usize = 1_000;

impl Hub {
    /// Logs the roll as of now.
    ///
    /// # Errors
    /// [`CommitError`] if the ledger does not take it.
    pub(super) async fn log_roll(&self) -> Result<(), CommitError> {
        let mut units: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut upto, before) = (0, self.committer.books().read().rolls.last());
        for (replica, held) in &self.committer.books().read().replicas {
            // What is acknowledged behind it is not counted: everything up to there is.
            upto = upto.max(held.ledger_index);
            let members = units.entry(format!("unit/{}", held.unit)).or_default();
            if members.len() < REPLICAS {
                members.push(Value::Text(format!("{replica}:{}", held.frontier.size())));
            }
        }
        // Units that never enrolled anything are listed too: that there is nothing of them must be said.
        for unit in self.catalogue.units().iter() {
            units.entry(format!("unit/{}", unit.code)).or_default();
        }
        let units: Vec<_> = units.into_iter().collect();
        let number = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        // Its time is its name.
        let at = UnixMillis(self.now().0.max(before.0 + 1));
        let parts = units.chunks(UNITS).len();
        for (part, units) in units.chunks(UNITS).enumerate() {
            let mut fields: BTreeMap<String, Value> =
                units.iter().map(|(name, members)| (name.clone(), Value::List(members.clone()))).collect();
            fields.insert("part".to_owned(), number(part));
            fields.insert("parts".to_owned(), number(parts));
            fields.insert(BEFORE.to_owned(), Value::Timestamp(before));
            fields.insert(UPTO.to_owned(), Value::Integer(i64::try_from(upto).unwrap_or(i64::MAX)));
            self.committer
                .event(Event { kind: ROLL.to_owned(), at, actor: "hub".to_owned(), fields })
                .await?;
        }
        Ok(())
    }
}
