//! Moving records by the steps of their units: ordinary changes of `_unit` by the province.

use std::collections::BTreeMap;

use lienthong_node::dataset::{DatasetError, Record};
use lienthong_node::replica::{Draft, Intent, JournalError, Outcome};
use lienthong_proto::catalogue::RecordType;
use lienthong_proto::change::path;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::{Asked, Passage, Settled};
use lienthong_proto::value::Value;

use super::committer::Committer;

/// Strays looked at between two groups of what comes in.
const STRAYS_MAX: usize = 1_024;

/// A record, asked where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct AskedRecord<'a>(pub &'a Record);

impl Asked for AskedRecord<'_> {
    fn record_type(&self) -> &str {
        &self.0.record_type
    }

    fn record(&self) -> RecordId {
        self.0.id
    }

    fn field(&self, name: &str) -> Option<String> {
        self.0.shown(name).map(Value::to_text)
    }
}

impl Committer {
    /// Looks at records that were written for a unit which may not keep them; late ones of an ended unit's node go
    /// on to its successor at once (X19).
    pub(super) fn redirect(&mut self) -> Result<(), JournalError> {
        if self.books.strays.is_empty() {
            return Ok(());
        }
        let strays: Vec<_> = self.books.strays.iter().take(STRAYS_MAX).cloned().collect();
        self.rehome(&strays)?;
        self.commit()
    }

    /// Stages the move of each record that has to go elsewhere; how many those are. Everything must be synced.
    pub(super) fn rehome(&mut self, records: &[(String, RecordId)]) -> Result<u64, JournalError> {
        let mut moved = 0;
        for (record_type, id) in records {
            let Some(draft) = self.move_of(record_type, *id)? else {
                self.books.found(record_type, *id, &mut self.view);
                continue;
            };
            match self.stage(draft)? {
                Ok(written) if written.outcome == Outcome::Updated => moved += 1,
                Ok(_) => self.books.found(record_type, *id, &mut self.view),
                Err(error) => {
                    tracing::error!(%error, "a record cannot be moved");
                    self.books.found(record_type, *id, &mut self.view);
                }
            }
        }
        Ok(moved)
    }

    fn move_of(&self, record_type: &str, id: RecordId) -> Result<Option<Draft>, JournalError> {
        let (dataset, catalogue) = (self.journal.dataset(), self.journal.catalogue());
        let Some(state) = dataset.pending_state(record_type, id)? else { return Ok(None) };
        // A withdrawal would not have seen the move, and be open again: the record goes on when it is brought back.
        let Some(owner) = state.owner().filter(|_| !state.standing().withdrawn) else { return Ok(None) };
        let passages = dataset.passages(&state)?;
        let record = Record::read(dataset.entries(), catalogue, record_type, id, &state)
            .map_err(DatasetError::from)?;
        let today = (self.clock)().day();
        let settled = self.books.lineage.settle(owner, &passages, today, &AskedRecord(&record));
        let Some(step) = settled.by.and_then(|by| self.books.lineage.step(by)) else { return Ok(None) };
        let undo = self.books.lineage.undo_of(step.number);
        let (reason, author) = undo.map_or((&step.reason, &step.actor), |undo| (&undo.reason, &undo.actor));
        let mut values = self.moved(&record, owner, &settled);
        values.insert(path::WHY.to_owned(), Value::Text(reason.clone()));
        Ok(Some(Draft {
            record_type: record_type.to_owned(),
            owner: self.journal.author().unit.clone(),
            values,
            intent: Intent::Amend(id),
            author: author.clone(),
        }))
    }

    fn moved(&self, record: &Record, owner: &UnitCode, settled: &Settled) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::from([
            (path::UNIT.to_owned(), Value::Unit(settled.owner.clone())),
            (path::LINEAGE.to_owned(), Passage::value(&settled.passages)),
        ]);
        // The field that says in a sheet whose a row is goes with the record, unless it says more than the unit. A
        // code the catalogue does not have yet would be a defect.
        let catalogue = self.journal.catalogue();
        let declared = catalogue.record_type(&record.record_type);
        if let Some(field) = declared.and_then(RecordType::owner_field)
            && record.shown(field) == Some(&Value::Unit(owner.clone()))
            && catalogue.units().get(&settled.owner).is_some()
        {
            values.insert(field.to_owned(), Value::Unit(settled.owner.clone()));
        }
        values
    }
}
