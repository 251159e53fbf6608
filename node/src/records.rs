//! Reading records for people and scripts, alike at node and hub.

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::text::fold;
use serde_json::{Value as Json, json};

use crate::dataset::{Dataset, DatasetError, Record, withdrawal_json};
use crate::replica::{key_id, meant_id};

/// The most records one page lists.
pub const LIMIT_MAX: usize = 1_000;

/// What a list is asked for.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Listing {
    /// Only records whose values hold these words, marks and case aside.
    pub search: Option<String>,
    /// Only records this unit owns.
    pub unit: Option<UnitCode>,
    /// How many at most.
    pub limit: Option<usize>,
    /// After this record.
    pub after: Option<RecordId>,
    /// Also records kept out of the shared dataset: withdrawn ones.
    #[serde(default)]
    pub all: bool,
    /// Only the shared dataset: without those that an error keeps out of it.
    #[serde(default)]
    pub shared: bool,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::Args)]
pub struct Page {
    /// How many at most
    #[arg(long)]
    pub limit: Option<usize>,
    /// After this item, as `next` of the page before said
    #[arg(long)]
    pub after: Option<String>,
}

impl Page {
    /// The wanted part of a list whose items `key` names, as `{items, next}`. The list is in the order of
    /// `place`, which says where a name stands: it goes on behind `after` even if that item is gone.
    #[must_use]
    pub fn of<P: Ord>(
        &self,
        items: Vec<Json>,
        key: impl Fn(&Json) -> String,
        place: impl Fn(&str) -> P,
    ) -> Json {
        let skip = self
            .after
            .as_deref()
            .map(&place)
            .map_or(0, |after| items.iter().take_while(|item| place(&key(item)) <= after).count());
        let left = items.len().saturating_sub(skip);
        let limit = self.limit.unwrap_or(usize::MAX).clamp(1, LIMIT_MAX);
        let page: Vec<Json> = items.into_iter().skip(skip).take(limit).collect();
        let next = if left > page.len() { page.last().map(key) } else { None };
        json!({ "items": page, "next": next })
    }
}

/// The place of an item that is numbered; of what is no number before all of them.
#[must_use]
pub fn numbered(name: &str) -> Option<u64> {
    name.parse().ok()
}

/// Reads records of one dataset.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// From where.
    pub dataset: &'a Dataset,
    /// Under which catalogue.
    pub catalogue: &'a Catalogue,
    /// The key that makes ids.
    pub provincial_key: &'a [u8],
    /// The unit whose numbers are meant where keys are a unit's own.
    pub unit: &'a UnitCode,
}

impl Records<'_> {
    /// One record, by id or natural key.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn get(&self, record_type: &RecordType, id: &str) -> Result<Option<Record>, DatasetError> {
        for id in self.meant(record_type, id) {
            if let Some(record) = self.dataset.record(self.catalogue, &record_type.name, id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// What a reader may mean: a text that could be an id can be a key all the same.
    fn meant(&self, record_type: &RecordType, text: &str) -> [RecordId; 2] {
        let as_id = meant_id(self.provincial_key, record_type, self.unit, text);
        [as_id, key_id(self.provincial_key, record_type, self.unit, text)]
    }

    /// Visits the records of a listing in id order until `visit` says stop; returns the last id seen.
    ///
    /// # Errors
    /// [`DatasetError`] if one cannot be read.
    pub fn each(
        &self,
        record_type: &RecordType,
        listing: &Listing,
        visit: &mut dyn FnMut(&Record) -> bool,
    ) -> Result<Option<RecordId>, DatasetError> {
        let words: Vec<String> = listing
            .search
            .iter()
            .flat_map(|text| fold(text).split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut after = listing.after;
        loop {
            let page = self.dataset.page(&record_type.name, after, 256)?;
            if page.is_empty() {
                return Ok(None);
            }
            for (id, state) in &page {
                after = Some(*id);
                if listing.unit.is_some() && state.owner() != listing.unit.as_ref() {
                    continue;
                }
                if !listing.all && state.standing().withdrawn {
                    continue;
                }
                let record =
                    Record::read(self.dataset.entries(), self.catalogue, &record_type.name, *id, state)?;
                if !words.is_empty() && !holds(&record, &words) {
                    continue;
                }
                if !visit(&record) {
                    return Ok(after);
                }
            }
        }
    }

    /// Every live write of a record, oldest first.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn history(&self, record_type: &RecordType, id: &str) -> Result<Option<Json>, DatasetError> {
        use lienthong_proto::change::{Change, Write, path};
        use lienthong_proto::entry::Entry;
        let meant = self.meant(record_type, id);
        let mut items = Vec::new();
        for frame in self.dataset.entries().log().clone().scan(lienthong_proto::ids::Sequence(0)) {
            let (position, frame) = frame.map_err(|error| DatasetError::Entry(error.into()))?;
            for index in 0..self.dataset.entries().count(position)? {
                let bytes =
                    self.dataset.entries().entry(crate::dataset::EntryAt { frame: position, index })?;
                let Ok(change) = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)) else { continue };
                if !meant.contains(&change.record) || change.record_type != record_type.name {
                    continue;
                }
                let shown = |write: &Write| match write.path.as_str() {
                    path::WITHDRAWN => withdrawal_json(&write.value),
                    _ => write.value.to_json(),
                };
                let fields: serde_json::Map<String, Json> =
                    change.writes.iter().map(|write| (write.path.clone(), shown(write))).collect();
                items.push(json!({
                    "at": change.meta.hlc.at().rfc3339(),
                    "author": change.meta.author,
                    "replica": change.dot.replica,
                    "sequence": change.dot.sequence,
                    "fields": fields,
                }));
            }
            drop(frame);
        }
        Ok((!items.is_empty()).then(|| json!({ "items": items, "next": null })))
    }
}

fn holds(record: &Record, words: &[String]) -> bool {
    let text: String = record.values().map(|(_, value)| fold(&value.to_text())).collect::<Vec<_>>().join(" ");
    words.iter().all(|word| text.contains(word.as_str()))
}
