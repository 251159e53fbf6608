//! Reading records for people and scripts, alike at node and hub.

use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::change::{Change, Write, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::Lineage;
use lienthong_proto::merging::separated_id;
use lienthong_proto::text::fold;
use serde_json::{Value as Json, json};

use crate::dataset::{Dataset, DatasetError, EntryError, Past, Record, withdrawal_json};
use crate::replica::{key_id, meant_id};
use crate::why;

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
    /// Units are those of this day, since 1970: a record counts for the one it had then.
    #[serde(default)]
    pub tree: Option<i32>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::Args)]
pub struct Page {
    /// Nhiều nhất bao nhiêu · how many at most
    #[arg(long)]
    pub limit: Option<usize>,
    /// Sau mục này, như `next` của trang trước đã ghi · after this item, as `next` of the page before said
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
        // The whole of it is for who goes on to select from it.
        let limit = match self.limit {
            Some(usize::MAX) => usize::MAX,
            limit => limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX),
        };
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
    /// What became of units, as far as that is known here.
    pub lineage: Option<&'a Lineage>,
}

impl Records<'_> {
    /// One record, by id or natural key; where two were found to be one, either leads to the one that stays.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn get(&self, record_type: &RecordType, id: &str) -> Result<Option<Record>, DatasetError> {
        let Some(named) = self.named(record_type, id)? else { return Ok(None) };
        let led = match named.leads_to() {
            Some(_) => self.dataset.led(&record_type.name, named.id)?,
            None => named.id,
        };
        if led == named.id {
            return Ok(Some(named));
        }
        // Where the other is not held here, at least it is said where this one leads.
        Ok(Some(self.dataset.record(self.catalogue, &record_type.name, led)?.unwrap_or(named)))
    }

    /// The very record that is named, even where it leads to another.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn named(&self, record_type: &RecordType, id: &str) -> Result<Option<Record>, DatasetError> {
        for id in self.meant(record_type, id) {
            if let Some(record) = self.dataset.record(self.catalogue, &record_type.name, id)? {
                return Ok(Some(record));
            }
        }
        for id in self.meant(record_type, id) {
            let own = separated_id(self.provincial_key, &record_type.name, id, self.unit);
            if let Some(record) = self.dataset.record(self.catalogue, &record_type.name, own)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// What a reader may mean: a text that could be an id can be a key all the same.
    fn meant(&self, record_type: &RecordType, text: &str) -> [RecordId; 2] {
        let as_id = meant_id(self.catalogue, self.provincial_key, record_type, self.unit, text);
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
        self.each_within(record_type, listing, usize::MAX, visit)
    }

    /// The same, looking at no more than `look_max` records, found or not: a search through all may take long.
    ///
    /// # Errors
    /// [`DatasetError`] if one cannot be read.
    pub fn each_within(
        &self,
        record_type: &RecordType,
        listing: &Listing,
        look_max: usize,
        visit: &mut dyn FnMut(&Record) -> bool,
    ) -> Result<Option<RecordId>, DatasetError> {
        let mut looked = 0;
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
                if looked >= look_max {
                    return Ok(after);
                }
                looked += 1;
                after = Some(*id);
                let then = listing.tree.zip(self.lineage);
                if then.is_none() && listing.unit.is_some() && state.owner() != listing.unit.as_ref() {
                    continue;
                }
                if let (Some((on, lineage)), Some(unit)) = (then, &listing.unit)
                    && self.dataset.home_on(lineage, state, on)?.as_ref() != Some(unit)
                {
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

    /// Every write of a record this replica knows of, oldest first, with what became of it.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn history(&self, record_type: &RecordType, id: &str) -> Result<Option<Json>, DatasetError> {
        for id in self.meant(record_type, id) {
            let mut history = self.dataset.history(&record_type.name, id)?;
            if history.is_empty() {
                continue;
            }
            history.sort_unstable_by_key(|past| (past.source.effective, past.source.dot));
            let state = self.dataset.state(&record_type.name, id)?;
            let live = |past: &Past| {
                state.as_ref().is_some_and(|state| state.sources.contains_key(&past.source.dot))
            };
            let mut items = Vec::with_capacity(history.len());
            for past in &history {
                let bytes = self.dataset.entries().entry(past.source.at)?;
                let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry));
                let change = change.map_err(EntryError::from)?;
                items.push(write_json(&change, past, live(past)));
            }
            return Ok(Some(json!({ "items": items, "next": null })));
        }
        Ok(None)
    }

    /// Everything behind one field of a record.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn why(&self, record_type: &RecordType, id: &str, field: &str) -> Result<Option<Json>, DatasetError> {
        match self.get(record_type, id)? {
            Some(record) => Ok(Some(why::why(self.dataset, &record, field)?)),
            None => Ok(None),
        }
    }
}

fn write_json(change: &Change, past: &Past, live: bool) -> Json {
    let shown = |write: &Write| match write.path.as_str() {
        path::WITHDRAWN => withdrawal_json(&write.value),
        _ => write.value.to_json(),
    };
    let stated = change.writes.iter().filter(|write| write.path != path::WHY);
    let fields: serde_json::Map<String, Json> =
        stated.map(|write| (write.path.clone(), shown(write))).collect();
    let mut item = json!({
        "at": past.source.effective.at().rfc3339(),
        "author": change.meta.author,
        "unit": past.source.unit,
        "replica": change.dot.replica,
        "sequence": change.dot.sequence,
        "verdict": why::verdict(past),
        "live": live,
        "fields": fields,
    });
    if let (Some(reason), Some(item)) = (why::reason(change), item.as_object_mut()) {
        item.insert("why".to_owned(), reason.into());
    }
    item
}

fn holds(record: &Record, words: &[String]) -> bool {
    let text: String = record.values().map(|(_, value)| fold(&value.to_text())).collect::<Vec<_>>().join(" ");
    words.iter().all(|word| text.contains(word.as_str()))
}
