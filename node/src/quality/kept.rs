//! What is kept of one record.

use std::collections::BTreeSet;

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::change::path;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Defect, Judgement, Standing, Subject, note_duplicate};
use lienthong_proto::value::Value;

use crate::dataset::Record;

/// A record's judgement, and its defects among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The unit it counts for.
    pub unit: UnitCode,
    /// By itself.
    pub judgement: Judgement,
    /// Among the others.
    pub cross: Vec<Defect>,
    /// Those it is probably one with.
    pub doubles: BTreeSet<RecordId>,
}

/// Bytes of one judgement: with the defects among the others it stays below what a value of the view holds, 64 KiB.
pub(super) const JUDGEMENT_BYTES_MAX: usize = 32 * 1024;
/// Defects among the others: 64 bytes each, amply, for a rule and the name of a field. Beside them there is room for the
/// doubles, of a letter 8 times 32 at most, 16 bytes each.
const CROSS_MAX: usize = 384;

impl Kept {
    /// A judgement with the defects among the others, as many as there is room for, and the doubles.
    pub(super) fn new(
        unit: UnitCode,
        judgement: Judgement,
        mut cross: Vec<Defect>,
        doubles: BTreeSet<RecordId>,
    ) -> Self {
        cross.truncate(CROSS_MAX);
        note_duplicate(&mut cross, !doubles.is_empty());
        Self { unit, judgement, cross, doubles }
    }

    /// The same with another record for a double, or no longer; nothing if that is so already.
    pub(super) fn doubled(&self, other: RecordId, is_one: bool) -> Option<Self> {
        let mut kept = self.clone();
        let news = if is_one { kept.doubles.insert(other) } else { kept.doubles.remove(&other) };
        note_duplicate(&mut kept.cross, !kept.doubles.is_empty());
        news.then_some(kept)
    }

    /// What it adds to its unit's totals.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.judgement.standing(&self.cross, |_, _| false)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(self.unit.as_str());
        out.framed(&self.judgement.encode());
        out.varint(self.cross.len() as u64);
        self.cross.iter().for_each(|defect| defect.encode(&mut out));
        out.varint(self.doubles.len() as u64);
        self.doubles.iter().for_each(|other| out.raw(&other.0));
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let unit = input.text()?.parse().map_err(|_| Malformed("unit"))?;
        let judgement = Judgement::decode(input.framed()?)?;
        let mut cross = Vec::new();
        for _ in 0..input.varint()? {
            cross.push(Defect::decode(&mut input)?);
        }
        let mut doubles = BTreeSet::new();
        for _ in 0..input.varint()? {
            doubles.insert(RecordId(input.array()?));
        }
        input.end()?;
        Ok(Self { unit, judgement, cross, doubles })
    }
}

/// A record as the rules see it; nothing of one that is withdrawn or has no owner yet.
pub(super) fn subject(record: &Record) -> Option<Subject> {
    if record.is_withdrawn() {
        return None;
    }
    let mut subject = Subject::new(record.record_type.clone(), record.id, record.owner.clone()?, 0);
    let mut paths: Vec<&str> = vec![path::UNIT];
    for (path, value) in record.values() {
        subject.values.insert(path.to_owned(), value.clone());
        paths.push(path);
    }
    for path in paths {
        for candidate in record.candidates(path).map_or(&[][..], |(_, candidates)| candidates) {
            subject.confirmed = subject.confirmed.max(candidate.effective.at().day());
            match &candidate.value {
                Value::Unit(unit) if path == path::UNIT => subject.claims.push(unit.clone()),
                _ if candidate.proposal => subject.claims.push(candidate.unit.clone()),
                _ => {}
            }
        }
    }
    subject.claims.sort_unstable();
    subject.claims.dedup();
    subject.conflicted = !record.conflicts().is_empty();
    Some(subject)
}
