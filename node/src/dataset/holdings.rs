//! What a replica holds of one unit, ready to be compared with another's.

use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::reconcile::{Holding, Item, Range, Sum, parts_of};

use super::{Dataset, DatasetError};

/// Sums for each two first bytes of an id: 2 MiB, whatever the number of records.
const BUCKETS: usize = 1 << 16;
/// Records looked at in one go: bounds what is in memory.
const PAGE: usize = 1_000;
/// The same within a deep range, which holds few.
const DEEP_PAGE: usize = 64;

/// The records one unit owns, by a firm statement: sums over all, read once; single records when they are asked
/// for. What is written meanwhile makes the two disagree: the caller looks whether something was.
#[derive(Debug)]
pub struct Holdings {
    dataset: Dataset,
    unit: UnitCode,
    types: Vec<String>,
    buckets: Vec<Sum>,
}

impl Holdings {
    /// Reads a dataset through, page by page; writers go on meanwhile.
    ///
    /// # Errors
    /// [`DatasetError`] if it cannot be read.
    pub fn gather(dataset: &Dataset, unit: &UnitCode) -> Result<Self, DatasetError> {
        let (dataset, unit, types) = (dataset.clone(), unit.clone(), dataset.types()?);
        let mut holdings = Self { dataset, unit, types, buckets: Vec::new() };
        let mut buckets = vec![Sum::default(); BUCKETS];
        holdings.each(&Range::WHOLE, PAGE, &mut |item| {
            if let Some(sum) = buckets.get_mut(bucket(&item.record)) {
                sum.add(item.mark);
            }
        })?;
        holdings.buckets = buckets;
        Ok(holdings)
    }

    /// Whose they are.
    #[must_use]
    pub fn unit(&self) -> &UnitCode {
        &self.unit
    }

    fn each(&self, range: &Range, page: usize, visit: &mut dyn FnMut(Item)) -> Result<(), DatasetError> {
        for record_type in &self.types {
            let mut after = before(range.low());
            'pages: loop {
                let found = self.dataset.page(record_type, after, page)?;
                let Some((last, _)) = found.last() else { break };
                after = Some(*last);
                for (record, state) in &found {
                    if !range.contains(record) {
                        break 'pages;
                    }
                    if state.firm_owner() == Some(&self.unit) {
                        let (record, mark) = (*record, state.mark(record_type, *record));
                        visit(Item { record, record_type: record_type.clone(), mark });
                    }
                }
            }
        }
        Ok(())
    }

    fn buckets_of(&self, range: &Range) -> Option<&[Sum]> {
        let start = bucket(&range.low());
        let width = match range.depth() {
            0 => BUCKETS,
            1 => 256,
            2 => 1,
            _ => return None,
        };
        self.buckets.get(start..start + width)
    }
}

impl Holding for Holdings {
    type Error = DatasetError;

    fn sum(&self, range: &Range) -> Result<Sum, DatasetError> {
        match self.buckets_of(range) {
            Some(buckets) => Ok(buckets.iter().fold(Sum::default(), |sum, part| sum.plus(*part))),
            None => Ok(Sum::over(&self.items(range)?)),
        }
    }

    fn parts(&self, range: &Range) -> Result<Vec<(u8, Sum)>, DatasetError> {
        let buckets = self.buckets_of(range).filter(|buckets| buckets.len() > 1);
        let Some(buckets) = buckets else { return Ok(parts_of(range, &self.items(range)?)) };
        let sums = buckets
            .chunks(buckets.len() / 256)
            .map(|part| part.iter().fold(Sum::default(), |sum, one| sum.plus(*one)));
        Ok((0..=255u8).zip(sums).filter(|(_, sum)| sum.count > 0).collect())
    }

    fn items(&self, range: &Range) -> Result<Vec<Item>, DatasetError> {
        let page = if range.depth() > 1 { DEEP_PAGE } else { PAGE };
        let mut items = Vec::new();
        self.each(range, page, &mut |item| items.push(item))?;
        items.sort_unstable();
        Ok(items)
    }
}

fn bucket(id: &RecordId) -> usize {
    let [first, second, ..] = id.0;
    usize::from(u16::from_be_bytes([first, second]))
}

/// The id before one; none before the first.
fn before(id: RecordId) -> Option<RecordId> {
    u128::from_be_bytes(id.0).checked_sub(1).map(|number| RecordId(number.to_be_bytes()))
}
