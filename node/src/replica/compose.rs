//! From stated values to the writes of a change: identity, references, and the three-way comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_proto::catalogue::{Catalogue, Field, FieldKind, KeyScope, RecordType};
use lienthong_proto::change::{Context, Write, path, record_id};
use lienthong_proto::ids::{RecordId, ReplicaId, UnitCode};
use lienthong_proto::limits::RECORD_WEIGHT_MAX;
use lienthong_proto::merge::Candidate;
use lienthong_proto::merging::separated_id;
use lienthong_proto::rules::{CitizenNumber, parse_date};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::{Withdrawal, WithdrawalError};

use super::stated::stated;
use super::{Stage, WriteError, Written};
use crate::dataset::{Dataset, DatasetError, LED_MAX, Record, RecordState};

/// Values somebody states for one record.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The record's type.
    pub record_type: String,
    /// The unit that owns it, if it is new.
    pub owner: UnitCode,
    /// What is stated, by path. References may still be the text of the natural key they mean.
    pub values: BTreeMap<String, Value>,
    /// How it is stated.
    pub intent: Intent,
    /// Who states it.
    pub author: String,
}

/// How values are stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A sheet's row: only what differs from every known value is written.
    Capture,
    /// A person's or program's word: everything not already the only value is written.
    Assert,
    /// This record is withdrawn; the value stated of `_withdrawn` is the reason's text, the others go with it.
    Withdraw(RecordId),
    /// A decision on this record: each value stated is to be the only one, whatever was said before.
    Amend(RecordId),
    /// The same, of a record that may be new.
    Stand(RecordId),
}

/// Against which state a draft is composed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What readers see: for anyone.
    Published,
    /// Everything applied: for the one writer.
    Pending,
}

/// What composing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The record.
    pub record: RecordId,
    /// The record's type.
    pub record_type: String,
    /// Who states it.
    pub author: String,
    /// It did not exist.
    pub created: bool,
    /// What is to be written; empty if nothing is new.
    pub writes: Vec<Write>,
    /// The record is withdrawn, and what was stated does not bring it back.
    pub withdrawn: bool,
    /// Paths not written because others have changed them since the unit stated the same.
    pub elsewhere: Vec<String>,
}

impl Composed {
    pub(super) fn stage(&self) -> Stage {
        let (created, withdrawn, elsewhere) = (self.created, self.withdrawn, self.elsewhere.clone());
        let written = !self.writes.is_empty();
        Stage { record: self.record, created, written, withdrawn, elsewhere, sequence: None }
    }
}

/// Why values cannot become a change.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No such type.
    #[error("loại bản ghi {0} không có trong danh mục · record type {0} is not in the catalogue")]
    TypeUnknown(String),
    /// A key field has no value.
    #[error("trường khóa {0} không có giá trị · key field {0} has no value")]
    KeyMissing(String),
    /// Nothing of that id is there to be withdrawn.
    #[error("không tìm thấy bản ghi · there is no such record")]
    RecordUnknown,
    /// Its type keeps it from being withdrawn.
    #[error(
        "“{0}” đã ghi nhận: bản ghi này không được thu hồi · with {0} stated the record may not be withdrawn"
    )]
    Kept(String),
    /// The record would have more items than a record holds.
    #[error("bản ghi có quá nhiều mục: hãy tách ra · the record would hold too many items: divide it")]
    TooHeavy,
    /// The withdrawal itself is at fault.
    #[error(transparent)]
    Withdrawal(#[from] WithdrawalError),
    /// The state cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// A draft whose record is known, references resolved.
#[derive(Debug, Clone)]
pub struct Aimed {
    record: RecordId,
    draft: Draft,
}

/// Finds the record a draft means.
///
/// # Errors
/// [`ComposeError`] naming the type or key field at fault.
pub fn aim(catalogue: &Catalogue, provincial_key: &[u8], mut draft: Draft) -> Result<Aimed, ComposeError> {
    let Some(declared) = catalogue.record_type(&draft.record_type) else {
        return Err(ComposeError::TypeUnknown(draft.record_type));
    };
    let record = match draft.intent {
        Intent::Withdraw(record) => record,
        Intent::Amend(record) | Intent::Stand(record) => {
            resolve_references(catalogue, provincial_key, declared, &draft.owner, &mut draft.values);
            record
        }
        Intent::Capture | Intent::Assert => {
            resolve_references(catalogue, provincial_key, declared, &draft.owner, &mut draft.values);
            identify(provincial_key, declared, &draft.owner, &draft.values)?
        }
    };
    Ok(Aimed { record, draft })
}

impl Aimed {
    /// The record.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// Aims at the record this one leads to, if it leads to another. The key led there: it does not say which
    /// key is right. A decision on the very record stays with it.
    ///
    /// # Errors
    /// [`ComposeError`] if a state cannot be read.
    pub fn led(
        mut self,
        dataset: &Dataset,
        catalogue: &Catalogue,
        (provincial_key, unit): (&[u8], &UnitCode),
        look: Look,
    ) -> Result<Self, ComposeError> {
        let record_type = &self.draft.record_type;
        let Some(declared) = catalogue.record_type(record_type) else { return Ok(self) };
        if !matches!(self.draft.intent, Intent::Capture | Intent::Assert) {
            return Ok(self);
        }
        let mut state = look_at(dataset, record_type, self.record, look)?;
        // What the province keeps out may be known to be somebody else's, who has a record of their own.
        if state.is_none()
            && !declared.guard.is_empty()
            && dataset.is_emptied(record_type, self.record, look == Look::Pending)?
        {
            let separated = separated_id(provincial_key, record_type, self.record, unit);
            state = look_at(dataset, record_type, separated, look)?;
            if state.is_some() {
                self.record = separated;
            }
        }
        for _ in 0..LED_MAX {
            let Some(next) = state.and_then(|state| state.leads_to()) else { break };
            self.record = next;
            self.draft.values.retain(|path, _| !declared.key.fields.contains(path));
            state = look_at(dataset, record_type, next, look)?;
        }
        Ok(self)
    }

    /// Composes the draft's writes against what `dataset` holds.
    ///
    /// # Errors
    /// [`ComposeError`] if there is nothing to withdraw, or the state cannot be read.
    pub fn compose(
        self,
        dataset: &Dataset,
        catalogue: &Catalogue,
        (writer, unit): (ReplicaId, &UnitCode),
        look: Look,
    ) -> Result<Composed, ComposeError> {
        let Self { record, mut draft } = self;
        let why = draft.values.remove(path::WHY);
        let state = look_at(dataset, &draft.record_type, record, look)?;
        let (mut writes, mut created, mut withdrawn) = (Vec::new(), false, false);
        let mut elsewhere = Vec::new();
        match (&state, draft.intent) {
            (None, Intent::Withdraw(_) | Intent::Amend(_)) => return Err(ComposeError::RecordUnknown),
            (Some(state), Intent::Withdraw(_)) => {
                if let Some(field) = keeper(catalogue, &draft.record_type) {
                    let known = Record::read(dataset.entries(), catalogue, &draft.record_type, record, state)
                        .map_err(DatasetError::from)?;
                    if known.is_kept_by(field) {
                        return Err(ComposeError::Kept(field.to_owned()));
                    }
                }
                if let Some(write) = withdraw(&draft, writer, state)? {
                    writes.push(write);
                    draft.values.remove(path::WITHDRAWN);
                    writes.extend(std::mem::take(&mut draft.values).into_iter().map(|(path, value)| {
                        let context = seen(state, &path, writer);
                        Write { path, value, context }
                    }));
                }
            }
            (None, intent) => {
                // What the province keeps out is not said again by the same sheet.
                let emptied = intent == Intent::Capture
                    && dataset.is_emptied(&draft.record_type, record, look == Look::Pending)?;
                let said = if emptied {
                    let paths = draft.values.keys().cloned().collect();
                    stated(dataset, &draft.record_type, record, unit, &paths)?
                } else {
                    BTreeMap::new()
                };
                if !emptied || said != draft.values {
                    created = true;
                    writes = first(draft.owner, draft.values);
                }
            }
            // An old sheet never reverts a decision.
            (Some(state), Intent::Capture) if state.standing().withdrawn => withdrawn = true,
            (Some(state), intent) => {
                let known = Record::read(dataset.entries(), catalogue, &draft.record_type, record, state)
                    .map_err(DatasetError::from)?;
                let standing;
                (writes, standing) = differing(draft.values, intent, &known, state, (writer, unit));
                if intent == Intent::Capture && !writes.is_empty() {
                    let paths = writes.iter().map(|write| write.path.clone()).collect();
                    let said = stated(dataset, &draft.record_type, record, unit, &paths)?;
                    writes.retain(|write| {
                        let again = said.get(&write.path) == Some(&write.value);
                        if again {
                            elsewhere.push(write.path.clone());
                        }
                        !again
                    });
                }
                let course =
                    catalogue.record_type(&draft.record_type).and_then(|known| known.course.as_ref());
                if let Some(reopen) =
                    course.and_then(|course| course.reopen.as_ref().zip(Some(&course.state)))
                {
                    pair([reopen.1, &reopen.0.field], standing, state, writer, &mut writes);
                }
            }
        }
        if let (Some(value), false) = (why, writes.is_empty()) {
            let context =
                state.as_ref().map_or_else(Context::default, |state| seen(state, path::WHY, writer));
            writes.push(Write { path: path::WHY.to_owned(), value, context });
        }
        let weight = state.as_ref().map_or(0, |state| state.weight());
        if weight + RecordState::weight_of(writes.iter(), state.as_deref()) > RECORD_WEIGHT_MAX {
            return Err(ComposeError::TooHeavy);
        }
        let Draft { record_type, author, .. } = draft;
        Ok(Composed { record, record_type, author, created, writes, withdrawn, elsewhere })
    }
}

fn look_at(
    dataset: &Dataset,
    record_type: &str,
    record: RecordId,
    look: Look,
) -> Result<Option<Arc<RecordState>>, DatasetError> {
    match look {
        Look::Pending => dataset.pending_state(record_type, record),
        Look::Published => dataset.state(record_type, record),
    }
}

/// The writes of a record that is new: nobody has seen anything of it.
fn first(owner: UnitCode, values: BTreeMap<String, Value>) -> Vec<Write> {
    let mut writes = Vec::with_capacity(values.len() + 1);
    let write = |(path, value)| Write { path, value, context: Context::default() };
    writes.extend(values.into_iter().map(write));
    writes.push(write((path::UNIT.to_owned(), Value::Unit(owner))));
    writes
}

/// What differs from what is known, as writes, and what does not.
fn differing(
    values: BTreeMap<String, Value>,
    intent: Intent,
    known: &Record,
    state: &RecordState,
    (writer, unit): (ReplicaId, &UnitCode),
) -> (Vec<Write>, Vec<(String, Value)>) {
    let mut writes = Vec::new();
    // To state what others only proposed is to say that it is so, for one whose word counts.
    let counts = unit.is_province() || known.owner.as_ref() == Some(unit);
    if intent == Intent::Assert && state.has_withdrawal() {
        let context = seen(state, path::WITHDRAWN, writer);
        writes.push(Write { path: path::WITHDRAWN.to_owned(), value: Value::Null, context });
    }
    let mut standing = Vec::new();
    for (path, value) in values {
        let live = known.candidates(&path).map_or(&[][..], |(_, candidates)| candidates);
        let same = |candidate: &Candidate| candidate.value == value && !(counts && candidate.proposal);
        let shown = if counts { known.firm(&path) } else { known.shown(&path) };
        let stands = match intent {
            // What is shown need not be one of them: several lists are shown as one.
            Intent::Capture => live.iter().any(same) || shown == Some(&value),
            Intent::Assert | Intent::Amend(_) | Intent::Stand(_) | Intent::Withdraw(_) => {
                matches!(live, [only] if same(only))
            }
        };
        if stands {
            standing.push((path, value));
        } else {
            let context = seen(state, &path, writer);
            writes.push(Write { path, value, context });
        }
    }
    (writes, standing)
}

/// A reason counts for the step it is stated with, also one said before, or of a step taken without.
fn pair(
    paths: [&String; 2],
    standing: Vec<(String, Value)>,
    state: &RecordState,
    writer: ReplicaId,
    writes: &mut Vec<Write>,
) {
    let paired = |path: &String| paths.contains(&path);
    if writes.iter().any(|write| paired(&write.path)) {
        for (path, value) in standing.into_iter().filter(|(path, _)| paired(path)) {
            let context = seen(state, &path, writer);
            writes.push(Write { path, value, context });
        }
    }
}

/// The field that keeps a type's records from being withdrawn, once it is true.
fn keeper<'a>(catalogue: &'a Catalogue, record_type: &str) -> Option<&'a str> {
    catalogue.record_type(record_type)?.kept_once.as_deref()
}

/// What a writer has seen of a register.
fn seen(state: &RecordState, path: &str, writer: ReplicaId) -> Context {
    let Some(register) = state.registers.get(path) else { return Context::default() };
    let mut context = register.context();
    // The writer's own last write, even where another's has superseded it here.
    if let Some(own) = register.superseded.seen(writer) {
        context.raise(writer, own);
    }
    context
}

/// Withdraws a record as it is seen now; one that is withdrawn beyond doubt stays as it is.
fn withdraw(draft: &Draft, writer: ReplicaId, state: &RecordState) -> Result<Option<Write>, ComposeError> {
    let reason = draft.values.get(path::WITHDRAWN).map(Value::to_text).unwrap_or_default();
    let withdrawal = Withdrawal::new(&reason, state.edits().map(|edit| edit.dot))?;
    let standing = state.standing();
    if standing.withdrawn && !standing.contested {
        return Ok(None);
    }
    let context = seen(state, path::WITHDRAWN, writer);
    Ok(Some(Write { path: path::WITHDRAWN.to_owned(), value: withdrawal.to_value(), context }))
}

/// What writing drafts would do, without writing any.
#[must_use]
pub fn preview(
    dataset: &Dataset,
    catalogue: &Catalogue,
    provincial_key: &[u8],
    writer: (ReplicaId, &UnitCode),
    drafts: Vec<Draft>,
) -> Vec<Result<Written, WriteError>> {
    let one = |draft: Draft| {
        let aimed = aim(catalogue, provincial_key, draft)?;
        let aimed = aimed.led(dataset, catalogue, (provincial_key, writer.1), Look::Published)?;
        let composed = aimed.compose(dataset, catalogue, writer, Look::Published)?;
        Ok(composed.stage().written())
    };
    let or_fault =
        |result: Result<Written, ComposeError>| result.map_err(|error| WriteError::Draft(Arc::new(error)));
    drafts.into_iter().map(one).map(or_fault).collect()
}

/// A record's id from the key values of a draft.
fn identify(
    provincial_key: &[u8],
    declared: &RecordType,
    owner: &UnitCode,
    values: &BTreeMap<String, Value>,
) -> Result<RecordId, ComposeError> {
    let mut key = Vec::with_capacity(declared.key.fields.len());
    for field in &declared.key.fields {
        match values.get(field).map(Value::to_text) {
            Some(text) if !text.is_empty() => key.push(text),
            _ => return Err(ComposeError::KeyMissing(field.clone())),
        }
    }
    let unit = (declared.key.scope == KeyScope::Unit).then_some(owner);
    Ok(record_id(provincial_key, &declared.name, unit, &key))
}

/// The id a reader means by `text`: 32 hexadecimal digits, or the natural key, its parts set apart by `|`. A part is
/// written as in a sheet: what refers by its own key, codes by their labels, days in any form.
#[must_use]
pub fn meant_id(
    catalogue: &Catalogue,
    provincial_key: &[u8],
    declared: &RecordType,
    owner: &UnitCode,
    text: &str,
) -> RecordId {
    if let Ok(id) = text.parse() {
        return id;
    }
    let mut fields = declared.key.fields.iter().map(|name| declared.field(name));
    let part = |text: &str| match fields.next().flatten() {
        Some(field) => key_part(catalogue, provincial_key, (field, owner), text.trim()),
        None => text.trim().to_owned(),
    };
    let parts: Vec<String> = text.split('|').map(part).collect();
    key_id(provincial_key, declared, owner, &parts.join("|"))
}

/// A part of a key as the record holds it.
fn key_part(
    catalogue: &Catalogue,
    provincial_key: &[u8],
    (field, owner): (&Field, &UnitCode),
    text: &str,
) -> String {
    let value = match field.kind {
        FieldKind::Reference => {
            let target = field.target.as_deref().and_then(|target| catalogue.record_type(target));
            // A key of several parts within a key cannot be told from the parts around it.
            target
                .filter(|target| target.key.fields.len() == 1)
                .map(|target| Value::Reference(meant_id(catalogue, provincial_key, target, owner, text)))
        }
        FieldKind::Code => {
            let list = field.codes.as_deref().and_then(|list| catalogue.code_list(list));
            list.and_then(|list| list.resolve(text)).map(|code| Value::Code(code.code.clone()))
        }
        FieldKind::Date => parse_date(text).ok().map(Value::Date),
        _ if field.check.as_deref() == Some("cccd") => {
            let number = CitizenNumber::parse(text).ok().filter(|number| !number.padded);
            number.map(|number| Value::Text(number.digits))
        }
        _ => None,
    };
    value.map_or_else(|| text.to_owned(), |value| value.to_text())
}

/// The id of the record with this natural key, its parts set apart by `|`.
#[must_use]
pub fn key_id(provincial_key: &[u8], declared: &RecordType, owner: &UnitCode, text: &str) -> RecordId {
    let parts: Vec<String> = text.split('|').map(|part| part.trim().to_owned()).collect();
    let unit = (declared.key.scope == KeyScope::Unit).then_some(owner);
    record_id(provincial_key, &declared.name, unit, &parts)
}

/// Turns the natural keys that references were stated by into ids.
fn resolve_references(
    catalogue: &Catalogue,
    provincial_key: &[u8],
    declared: &RecordType,
    owner: &UnitCode,
    values: &mut BTreeMap<String, Value>,
) {
    let refers = |field: &Field| field.member_kind() == FieldKind::Reference;
    if !declared.fields.iter().any(|field| refers(field) || field.fields.iter().any(refers)) {
        return;
    }
    let resolve = |target: &RecordType, value: &mut Value| {
        if let Value::Text(text) = value {
            *value = Value::Reference(meant_id(catalogue, provincial_key, target, owner, text));
        }
    };
    for (path, value) in values {
        let Some(field) = declared.field(path).filter(|field| refers(field)) else { continue };
        let Some(target) = field.target.as_deref().and_then(|target| catalogue.record_type(target)) else {
            continue;
        };
        match value {
            Value::List(values) => values.iter_mut().for_each(|value| resolve(target, value)),
            single => resolve(target, single),
        }
    }
}
