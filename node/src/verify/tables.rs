//! The records that are granted, as they grow out of what is disclosed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::disclosure::{Disclosed, LeftWhy, Told};
use lienthong_proto::ids::{Dot, RecordId};
use lienthong_proto::withdrawal::{Edit, Standing};
use serde_json::{Value as Json, json};

use crate::dataset::{EntryAt, Record, RecordState, Source};
use crate::log::FramePosition;
use crate::records::Listing;

/// What is known of a record.
#[derive(Debug, Default)]
struct Rederived {
    state: RecordState,
    changes: HashMap<Dot, Change>,
    sources: BTreeMap<Dot, Json>,
    withheld: BTreeSet<String>,
    refers: BTreeMap<String, BTreeSet<RecordId>>,
    /// What the hub last said of edits no withdrawal had seen: some of them may be of fields that are withheld.
    unseen: Vec<Edit>,
    left: Option<LeftWhy>,
}

/// The records, made again from disclosed changes by the merge every replica does.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<(String, RecordId), Rederived>);

impl Tables {
    /// Takes what was told of a record.
    pub fn take(&mut self, told: Told) {
        match told {
            Told::Shown(disclosed) => self.shown(*disclosed),
            Told::Left(left) => {
                if let Some(record) = self.0.get_mut(&(left.record_type, left.record)) {
                    record.left = Some(left.why);
                }
            }
        }
    }

    fn shown(&mut self, disclosed: Disclosed) {
        let Disclosed { change, unit, effective, accepted, proposal, withheld, refers, unseen } = disclosed;
        let key = (change.record_type.clone(), change.record);
        let record = self.0.entry(key).or_default();
        (record.left, record.unseen) = (None, unseen);
        // Nothing is read back from a log: the values stand beside.
        let place = EntryAt { frame: FramePosition { segment: 0, offset: 0 }, index: 0 };
        let source = Source { effective, ..Source::accepted(&change, &unit, accepted, proposal, place) };
        record.state.apply(&change, source);
        let said = json!({
            "replica": change.dot.replica, "sequence": change.dot.sequence, "unit": unit,
            "author": change.meta.author, "written": change.meta.hlc.at().rfc3339(),
            "accepted": accepted.rfc3339(), "proposal": proposal,
        });
        record.sources.insert(change.dot, said);
        record.withheld.extend(withheld);
        for (field, id) in refers {
            record.refers.entry(field).or_default().insert(id);
        }
        record.changes.insert(change.dot, change);
    }

    /// How many records of each type stand, those that left aside.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (record_type, _) in self.0.iter().filter(|(_, record)| record.left.is_none()).map(|(key, _)| key)
        {
            *counts.entry(record_type.clone()).or_default() += 1;
        }
        counts
    }

    /// The records of all types, those that left aside.
    #[must_use]
    pub fn records(&self, catalogue: &Catalogue) -> BTreeMap<String, Vec<Json>> {
        let mut tables: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for ((record_type, id), record) in self.0.iter().filter(|(_, record)| record.left.is_none()) {
            tables.entry(record_type.clone()).or_default().push(record.to_json(catalogue, record_type, *id));
        }
        tables
    }

    /// The records of a type behind `listing.after`, at most `limit`: those that left aside, and those that were
    /// withdrawn too unless `listing.all` wants them. Only what is listed counts against the limit.
    #[must_use]
    pub fn page(
        &self,
        catalogue: &Catalogue,
        record_type: &str,
        listing: &Listing,
        limit: usize,
    ) -> Vec<(RecordId, Json)> {
        let after = listing.after;
        let first = (record_type.to_owned(), after.unwrap_or(RecordId([0; 16])));
        let found = self.0.range(first..).take_while(|((found, _), _)| found == record_type);
        let found = found.filter(|((_, id), record)| record.left.is_none() && Some(*id) != after);
        let shown = found.filter(|(_, record)| listing.all || !record.standing().withdrawn).take(limit);
        shown.map(|((_, id), record)| (*id, record.to_json(catalogue, record_type, *id))).collect()
    }

    /// Whether anything is known of a record, also if it left.
    #[must_use]
    pub fn has(&self, record_type: &str, id: RecordId) -> bool {
        self.0.contains_key(&(record_type.to_owned(), id))
    }

    /// One record, also if it left.
    #[must_use]
    pub fn record(&self, catalogue: &Catalogue, record_type: &str, id: RecordId) -> Option<Json> {
        let record = self.0.get(&(record_type.to_owned(), id))?;
        Some(record.to_json(catalogue, record_type, id))
    }
}

impl Rederived {
    fn standing(&self) -> Standing {
        self.state.standing_beside(&self.unseen)
    }

    fn to_json(&self, catalogue: &Catalogue, record_type: &str, id: RecordId) -> Json {
        let live = self.changes.iter().filter(|(dot, _)| self.state.sources.contains_key(*dot));
        let changes = live.map(|(dot, change)| (*dot, change.clone())).collect();
        let record = Record::of(catalogue, record_type, id, &self.state, changes);
        let mut line = record.standing_as(self.standing()).to_json();
        if let Some(fields) = line.as_object_mut() {
            fields.remove("defects");
            fields.insert("sources".to_owned(), self.sources.values().cloned().collect());
            fields.insert("withheld".to_owned(), json!(self.withheld));
            fields.insert("refers".to_owned(), json!(self.refers));
            if !self.unseen.is_empty() {
                fields.insert("unseen".to_owned(), self.unseen.iter().map(edit_json).collect());
            }
            if let Some(why) = self.left {
                fields.insert("left".to_owned(), json!(why));
            }
        }
        line
    }
}

fn edit_json(edit: &Edit) -> Json {
    json!({ "replica": edit.dot.replica, "sequence": edit.dot.sequence, "proposal": edit.proposal })
}
