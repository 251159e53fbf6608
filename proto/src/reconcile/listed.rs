//! A holding in memory.

use std::convert::Infallible;

use super::{Holding, Item, Range, Sum};

/// Records in memory, in their order: for few of them, and for tests.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    items: Vec<Item>,
}

impl Listed {
    /// Of records in any order.
    #[must_use]
    pub fn of(items: impl IntoIterator<Item = Item>) -> Self {
        let mut items: Vec<Item> = items.into_iter().collect();
        items.sort_unstable();
        Self { items }
    }

    fn within(&self, range: &Range) -> &[Item] {
        let start = self.items.partition_point(|item| item.record < range.low());
        let rest = self.items.get(start..).unwrap_or_default();
        let end = rest.partition_point(|item| range.contains(&item.record));
        rest.get(..end).unwrap_or_default()
    }
}

impl Holding for Listed {
    type Error = Infallible;

    fn sum(&self, range: &Range) -> Result<Sum, Infallible> {
        Ok(Sum::over(self.within(range)))
    }

    fn parts(&self, range: &Range) -> Result<Vec<(u8, Sum)>, Infallible> {
        Ok(parts_of(range, self.within(range)))
    }

    fn items(&self, range: &Range) -> Result<Vec<Item>, Infallible> {
        Ok(self.within(range).to_vec())
    }
}

/// The sums of a range's parts, from its records in their order.
#[must_use]
pub fn parts_of(range: &Range, items: &[Item]) -> Vec<(u8, Sum)> {
    let mut parts: Vec<(u8, Sum)> = Vec::new();
    for item in items {
        let Some(byte) = range.part_of(&item.record) else { continue };
        match parts.last_mut() {
            Some((last, sum)) if *last == byte => sum.add(item.mark),
            _ => parts.push((byte, Sum::over(std::slice::from_ref(item)))),
        }
    }
    parts
}
