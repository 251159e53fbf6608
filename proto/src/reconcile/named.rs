//! A record by its name.

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::RecordId;
use crate::limits::RECONCILE_DIFFERENCES_MAX;

/// A record by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
}

impl Named {
    /// The canonical bytes of a list.
    #[must_use]
    pub fn encode(list: &[Self]) -> Vec<u8> {
        let mut out = Writer::with_capacity(4 + list.len() * 32);
        out.varint(list.len() as u64);
        for named in list {
            out.text(&named.record_type);
            out.raw(&named.record.0);
        }
        out.into_bytes()
    }

    /// Reads what [`Named::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for more than [`RECONCILE_DIFFERENCES_MAX`] records, or cut bytes.
    pub fn decode(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut input = Reader::new(bytes);
        let count = input.varint()?;
        if count > RECONCILE_DIFFERENCES_MAX as u64 {
            return Err(Malformed("too many records named"));
        }
        let mut list = Vec::new();
        for _ in 0..count {
            let record_type = input.text()?.to_owned();
            list.push(Self { record_type, record: RecordId(input.array()?) });
        }
        input.end()?;
        Ok(list)
    }
}
