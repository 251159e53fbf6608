//! What a unit stated last: a sheet that says it again asserts nothing, so that an old sheet never reverts what
//! somebody else has decided since.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::change::{Change, Write};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::value::Value;

use crate::dataset::{Dataset, DatasetError, EntryError, Past};

/// The values a unit stated last, of those paths asked for that it ever stated.
///
/// # Errors
/// [`DatasetError`] if the record's changes cannot be read.
pub(super) fn stated(
    dataset: &Dataset,
    record_type: &str,
    record: RecordId,
    unit: &UnitCode,
    paths: &BTreeSet<String>,
) -> Result<BTreeMap<String, Value>, DatasetError> {
    let mut own: Vec<Past> = dataset.history(record_type, record)?;
    own.retain(|past| past.source.unit == *unit);
    own.sort_unstable_by_key(|past| (past.source.effective, past.source.dot));
    let mut found = BTreeMap::new();
    while let Some(past) = own.pop() {
        if found.len() == paths.len() {
            break;
        }
        let bytes = dataset.entries().entry(past.source.at)?;
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(EntryError::from)?;
        for Write { path, value, .. } in change.writes {
            if paths.contains(&path) {
                found.entry(path).or_insert(value);
            }
        }
    }
    Ok(found)
}
