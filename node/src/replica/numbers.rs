//! Gap-free numbers of a replica's changes, for each record type.

use std::collections::BTreeMap;

use lienthong_proto::bytes::{Malformed, Reader, Writer};

/// The next number of each type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// Gives out the next number of a type.
    pub fn next(&mut self, record_type: &str) -> u64 {
        let next = self.0.entry(record_type.to_owned()).or_default();
        let number = *next;
        *next += 1;
        number
    }

    /// Takes a number seen in the log into account.
    pub fn seen(&mut self, record_type: &str, number: u64) {
        let next = self.0.entry(record_type.to_owned()).or_default();
        *next = (*next).max(number + 1);
    }

    /// The bytes kept in the view.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        for (record_type, next) in &self.0 {
            out.text(record_type);
            out.u64(*next);
        }
        out.into_bytes()
    }

    /// Reads what [`Numbers::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let mut numbers = BTreeMap::new();
        while !input.is_empty() {
            let record_type = input.text()?.to_owned();
            numbers.insert(record_type, input.u64()?);
        }
        Ok(Self(numbers))
    }
}
