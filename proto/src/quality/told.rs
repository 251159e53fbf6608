//! What the province tells a unit about one of its records: what only the province can see.

use super::Waiver;
use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::RecordId;

/// What is wrong with one record among those of other units, and what is waived of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// Each rule it breaks among the others, by id, with the path of the value to blame.
    pub defects: Vec<(String, Option<String>)>,
    /// The waivers that were not ended, expired ones among them.
    pub waivers: Vec<Waiver>,
}

impl Told {
    /// Whether there is nothing to say any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.defects.is_empty() && self.waivers.is_empty()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        out.text(&self.record_type);
        out.raw(&self.record.0);
        out.varint(self.defects.len() as u64);
        for (rule, field) in &self.defects {
            out.text(rule);
            out.text(field.as_deref().unwrap_or_default());
        }
        out.varint(self.waivers.len() as u64);
        for waiver in &self.waivers {
            waiver.encode(&mut out);
        }
        out.into_bytes()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they are cut, too long or speak of another record's waiver.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let record_type = input.text()?.to_owned();
        let record = RecordId(input.array()?);
        let mut defects = Vec::new();
        for _ in 0..input.varint()? {
            let rule = input.text()?.to_owned();
            let field = Some(input.text()?.to_owned()).filter(|field| !field.is_empty());
            defects.push((rule, field));
        }
        let mut waivers = Vec::new();
        for _ in 0..input.varint()? {
            waivers.push(Waiver::decode(&mut input)?);
        }
        input.end()?;
        if waivers.iter().any(|waiver| waiver.record != record) {
            return Err(Malformed("a waiver of another record"));
        }
        Ok(Self { record_type, record, defects, waivers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back_and_nothing_else() {
        let record = RecordId([3; 16]);
        let waiver = Waiver {
            number: 9,
            record_type: "dang_vien".to_owned(),
            record,
            rule: "DV_SO_THE".to_owned(),
            field: None,
            reason: "chờ cấp thẻ mới".to_owned(),
            approver: "lan".to_owned(),
            until: -3,
        };
        let told = Told {
            record_type: "dang_vien".to_owned(),
            record,
            defects: vec![("REF_UNKNOWN".to_owned(), Some("chi_bo".to_owned()))],
            waivers: vec![waiver.clone()],
        };
        let bytes = told.encode();
        assert_eq!(Told::decode(&bytes).unwrap(), told);
        for cut in 0..bytes.len() {
            assert!(Told::decode(&bytes[..cut]).is_err());
        }
        let other = Told { waivers: vec![Waiver { record: RecordId([4; 16]), ..waiver }], ..told };
        assert!(Told::decode(&other.encode()).is_err());
    }
}
