//! What a row is beside: the other rows of its file, and what the replica holds. It makes warnings, never rejections.
//!
//! A reference that leads nowhere is told by one look at the record it means. A commune holds its own records only, so
//! there it is said of types that each unit numbers by itself: whom a citizen number means, another unit may know. What
//! the file's own type is referred to by may stand further below, and is looked for once the file has ended.
//!
//! Records alike are told by the marks of the rules that say so at import (`at_import` in the catalogue), among the rows
//! before and, where the replica held records of the type when the file began, among those that were judged by then.
//!
//! So are rows that say one thing and another, by the rules of single records that say so at import. Where it takes a value
//! that the row does not have, its record must not have one either.

use std::collections::HashSet;
use std::sync::Arc;

use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, KeyScope, Label, RecordType};
use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::{Contradiction, Mark, Meeting, RuleBook, Subject};
use lienthong_proto::rules::{Finding, UnitScope};
use lienthong_proto::value::Value;

use crate::capture::remembered::{Keyed, Place, Remembered, Sheets};
use crate::capture::{RowOutcome, RowStatus};
use crate::dataset::Dataset;
use crate::quality::{Keeper, QualityError};
use crate::replica::{Draft, meant_id};

/// Marks of rows remembered, of some 25 bytes each: more than any unit has members, fewer than a million rows have.
const MARKS_MAX: usize = 400_000;
/// Rows remembered for a reference that may stand further below.
const AWAITING_MAX: usize = 10_000;

/// What a replica holds, for whoever takes rows in.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The records.
    pub dataset: &'a Dataset,
    /// How they were judged.
    pub quality: &'a Keeper,
    /// What natural keys become ids by.
    pub provincial_key: &'a [u8],
}

/// What is to be looked for beside one row, once its record is known.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    references: Vec<Reference>,
    meetings: Vec<Meeting>,
    contradictions: Vec<Contradiction>,
}

/// A record that a row refers to: by which of the fields looked at.
#[derive(Debug)]
struct Reference {
    place: usize,
    id: RecordId,
}

/// A row that left a mark.
struct Left {
    mark: [u8; 8],
    place: Place,
    /// Two bytes tell rows of one record from others', all but once in 65,536.
    record: [u8; 2],
}

impl Keyed for Left {
    type Key = [u8; 8];

    fn key(&self) -> &[u8; 8] {
        &self.mark
    }
}

pub(super) struct Beside<'a> {
    held: Held<'a>,
    catalogue: &'a Catalogue,
    record_type: &'a RecordType,
    today: i32,
    /// Fields that refer, and the types they lead to, as far as the replica would hold what they mean.
    references: Vec<(&'a Field, &'a RecordType)>,
    /// Ids a sheet may name are any unit's; at the province all are held.
    is_province: bool,
    book: Option<Arc<RuleBook>>,
    /// Records of the type were judged before the file began.
    is_known: bool,
    left: Remembered<Left>,
    sheets: Sheets,
    /// The file's records, where its rows may refer to each other.
    met: HashSet<RecordId>,
    awaiting: Vec<(RowOutcome, Vec<Reference>)>,
}

impl<'a> Beside<'a> {
    pub(super) fn new(
        held: Held<'a>,
        catalogue: &'a Catalogue,
        record_type: &'a RecordType,
        scope: &UnitScope,
        today: i32,
    ) -> Self {
        let is_province = matches!(scope, UnitScope::Any(_));
        let led = |field: &'a Field| {
            let refers = field.member_kind() == FieldKind::Reference && field.class != Class::C4;
            let target = field.target.as_deref().filter(|_| refers)?;
            let target = catalogue.record_type(target)?;
            (is_province || target.key.scope == KeyScope::Unit).then_some((field, target))
        };
        let references = record_type.fields.iter().filter_map(led).collect();
        let says = record_type.rules.iter().any(|rule| rule.at_import.is_some());
        let judged =
            says.then(|| Ok::<_, QualityError>((held.quality.book()?, held.quality.knows(record_type)?)));
        let (book, is_known) = match judged.transpose() {
            Ok(judged) => judged.map_or((None, false), |(book, knows)| (Some(book), knows)),
            Err(error) => {
                tracing::warn!(%error, "rows are not held against records alike");
                (None, false)
            }
        };
        let (left, sheets, met, awaiting) = Default::default();
        Self {
            held,
            catalogue,
            record_type,
            today,
            references,
            is_province,
            book,
            is_known,
            left,
            sheets,
            met,
            awaiting,
        }
    }

    /// What to look for beside a draft.
    pub(super) fn wanted(&self, draft: &mut Draft) -> Wanted {
        let mut wanted = Wanted::default();
        for (place, (field, target)) in self.references.iter().enumerate() {
            let values = match draft.values.get(&field.name) {
                Some(Value::List(values)) => values.as_slice(),
                Some(value) => std::slice::from_ref(value),
                None => continue,
            };
            for value in values {
                let Value::Text(text) = value else { continue };
                if self.is_province || text.parse::<RecordId>().is_err() {
                    let id = meant_id(self.catalogue, self.held.provincial_key, target, &draft.owner, text);
                    wanted.references.push(Reference { place, id });
                }
            }
        }
        if let Some(book) = &self.book {
            let none = RecordId([0; 16]);
            let mut subject = Subject::new(draft.record_type.clone(), none, draft.owner.clone(), self.today);
            subject.values = std::mem::take(&mut draft.values);
            wanted.meetings = book.meetings(&subject, self.today);
            wanted.contradictions = book.contradictions(&subject, self.today);
            draft.values = subject.values;
        }
        wanted
    }

    /// What there is to say of a row that was taken, and whose record is known.
    pub(super) fn found(&mut self, row: &RowOutcome, record: RecordId, wanted: Wanted) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut later = Vec::new();
        for reference in wanted.references {
            match self.is_there(&reference) {
                Ok(true) => {}
                Ok(false) if self.is_own(&reference) => later.push(reference),
                Ok(false) => found.extend(self.unknown(&reference)),
                Err(error) => {
                    tracing::warn!(%error, "a reference cannot be looked up");
                    self.references.clear();
                }
            }
        }
        if self.references.iter().any(|(_, target)| target.name == self.record_type.name) {
            self.met.insert(record);
        }
        if !later.is_empty() && self.awaiting.len() < AWAITING_MAX {
            self.awaiting.push((row.clone(), later));
        }
        for contradiction in wanted.contradictions {
            if self.stands(row, record, &contradiction) {
                found.extend(self.contradicted(&contradiction));
            }
        }
        for meeting in wanted.meetings {
            found.extend(self.meet(row, record, &meeting));
        }
        found
    }

    /// The rows that refer to what neither the file nor the replica has, and what to say of each.
    pub(super) fn left_over(&mut self) -> Vec<(RowOutcome, Vec<Finding>)> {
        let mut rows = Vec::new();
        for (row, references) in std::mem::take(&mut self.awaiting) {
            let missing = references.iter().filter(|reference| !self.met.contains(&reference.id));
            let found: Vec<Finding> = missing.filter_map(|reference| self.unknown(reference)).collect();
            if !found.is_empty() {
                rows.push((row, found));
            }
        }
        rows
    }

    fn is_own(&self, reference: &Reference) -> bool {
        self.references.get(reference.place).is_some_and(|(_, target)| target.name == self.record_type.name)
    }

    fn is_there(&self, reference: &Reference) -> Result<bool, crate::dataset::DatasetError> {
        let Some((_, target)) = self.references.get(reference.place) else { return Ok(true) };
        let state = self.held.dataset.state(&target.name, reference.id)?;
        Ok(state.is_some_and(|state| {
            !state.is_empty() && (state.leads_to().is_some() || !state.standing().withdrawn)
        }))
    }

    fn unknown(&self, reference: &Reference) -> Option<Finding> {
        let (field, target) = self.references.get(reference.place)?;
        let Label { vi, en } = &target.label;
        Some(Finding::new(
            "REF_UNKNOWN",
            Some(&field.name),
            format!("không tìm thấy bản ghi “{vi}” nêu ở đây, dòng vẫn được ghi: nhập bản ghi đó hoặc sửa ô"),
            format!(
                "there is no such record of “{en}”, and the row was taken all the same: import it, or mend the cell"
            ),
        ))
    }

    /// Whether the record as it is does not mend what its row says.
    fn stands(&self, row: &RowOutcome, record: RecordId, contradiction: &Contradiction) -> bool {
        if contradiction.absent.is_empty() || row.status == Some(RowStatus::Created) {
            return true;
        }
        let held = self.held.dataset.record(self.catalogue, &self.record_type.name, record).ok().flatten();
        held.is_none_or(|held| contradiction.absent.iter().all(|path| held.shown(path).is_none()))
    }

    fn contradicted(&self, contradiction: &Contradiction) -> Option<Finding> {
        let message = &self.book.as_ref()?.rule(contradiction.rule).message;
        let column = contradiction.field.as_deref().and_then(|path| path.split('/').next_back());
        Some(Finding::new(&contradiction.class, column, message.vi.clone(), message.en.clone()))
    }

    fn meet(&mut self, row: &RowOutcome, record: RecordId, meeting: &Meeting) -> Option<Finding> {
        let [one, two, ..] = record.0;
        let own = [one, two];
        let other = meeting
            .marks
            .iter()
            .find_map(|mark| self.left.get(&short(mark)).filter(|left| left.record != own))
            .map(|left| left.place);
        let place = match other {
            Some(other) => Some(self.named(other)),
            None => self.is_held(meeting, record).then(|| Label {
                vi: "so với bản ghi đã có".to_owned(),
                en: "a record that is here already".to_owned(),
            }),
        };
        self.leave(row, own, meeting);
        let Label { vi, en } = place?;
        let rule = self.book.as_ref()?.rule(meeting.rule);
        let message = &rule.message;
        let (vi, en) = (format!("{} ({vi})", message.vi), format!("{} ({en})", message.en));
        Some(Finding::new(&meeting.class, rule.field.as_deref(), vi, en))
    }

    fn is_held(&mut self, meeting: &Meeting, record: RecordId) -> bool {
        self.is_known
            && self.held.quality.is_met(&meeting.marks, record).unwrap_or_else(|error| {
                tracing::warn!(%error, "rows are not held against records alike");
                self.is_known = false;
                false
            })
    }

    fn named(&self, place: Place) -> Label {
        let row = place.row();
        match self.sheets.name(place) {
            Some(sheet) => Label {
                vi: format!("so với dòng {row}, trang “{sheet}”"),
                en: format!("row {row}, sheet “{sheet}”"),
            },
            None => Label { vi: format!("so với dòng {row}"), en: format!("row {row}") },
        }
    }

    fn leave(&mut self, row: &RowOutcome, record: [u8; 2], meeting: &Meeting) {
        let place = self.sheets.place(row.row, row.sheet.as_ref());
        for mark in &meeting.marks {
            if self.left.len() < MARKS_MAX {
                self.left.insert(Left { mark: short(mark), place, record });
            }
        }
    }
}

fn short(mark: &Mark) -> [u8; 8] {
    mark.0.first_chunk().copied().unwrap_or_default()
}
