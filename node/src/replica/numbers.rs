//! Gap-free numbers of a replica's changes, for each record type.

use std::collections::BTreeMap;

use lienthong_proto::bytes::{Malformed, Reader, Writer};

/// The next number of each type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// The next number of a type, not yet given out.
    #[must_use]
    pub fn peek(&self, record_type: &str) -> u64 {
        self.0.get(record_type).copied().unwrap_or_default()
    }

    /// Gives out the next number of a type.
    pub fn next(&mut self, record_type: &str) -> u64 {
        let number = self.peek(record_type);
        self.seen(record_type, number);
        number
    }

    /// The types of which any was given out.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes a number seen in the log into account.
    pub fn seen(&mut self, record_type: &str, number: u64) {
        match self.0.get_mut(record_type) {
            Some(next) => *next = (*next).max(number + 1),
            None => drop(self.0.insert(record_type.to_owned(), number + 1)),
        }
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
