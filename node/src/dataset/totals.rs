//! Counts over all records, and how the view keeps them.

use std::collections::BTreeMap;

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::ids::UnitCode;

use super::stored::Stored;

pub(super) const TOTALS: &[u8] = b"totals";

/// Counts kept while changes are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records, withdrawn ones aside.
    pub records: u64,
    /// Records by owning unit.
    pub by_unit: BTreeMap<UnitCode, u64>,
    /// Registers with something to decide.
    pub conflicts_open: u64,
}

impl Totals {
    /// Counts what a record's new state changes; withdrawn ones do not count.
    pub(super) fn count(&mut self, before: Option<&Stored>, after: &Stored) {
        let before = before.filter(|stored| !stored.withdrawn);
        let after = Some(after).filter(|stored| !stored.withdrawn);
        match (before.is_some(), after.is_some()) {
            (false, true) => self.records += 1,
            (true, false) => self.records = self.records.saturating_sub(1),
            _ => {}
        }
        let (before, after) =
            (before.and_then(|stored| stored.owner.as_ref()), after.and_then(|stored| stored.owner.as_ref()));
        if before == after {
            return;
        }
        if let Some(held) = before.and_then(|unit| self.by_unit.get_mut(unit)) {
            *held = held.saturating_sub(1);
        }
        if let Some(unit) = after {
            *self.by_unit.entry(unit.clone()).or_default() += 1;
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u64(self.records);
        out.u64(self.conflicts_open);
        for (unit, count) in &self.by_unit {
            out.text(unit.as_str());
            out.u64(*count);
        }
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let mut totals = Self { records: input.u64()?, conflicts_open: input.u64()?, ..Self::default() };
        while !input.is_empty() {
            let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
            totals.by_unit.insert(unit, input.u64()?);
        }
        Ok(totals)
    }
}
