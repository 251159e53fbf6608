//! From stated values to the writes of a change: identity, references, and the three-way comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_proto::catalogue::{Catalogue, FieldKind, KeyScope, RecordType};
use lienthong_proto::change::{Context, Write, path, record_id};
use lienthong_proto::ids::{RecordId, ReplicaId, UnitCode};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::{Withdrawal, WithdrawalError};

use super::{Stage, WriteError, Written};
use crate::dataset::{Dataset, DatasetError, Record, RecordState};

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
    /// This record is withdrawn; the one value stated, of `_withdrawn`, is the reason's text.
    Withdraw(RecordId),
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
    /// It did not exist.
    pub created: bool,
    /// What is to be written; empty if nothing is new.
    pub writes: Vec<Write>,
    /// The record is withdrawn, and what was stated does not bring it back.
    pub withdrawn: bool,
}

impl Composed {
    pub(super) fn stage(&self) -> Stage {
        let (created, withdrawn) = (self.created, self.withdrawn);
        Stage { record: self.record, created, written: !self.writes.is_empty(), withdrawn }
    }
}

/// Why values cannot become a change.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No such type.
    #[error("record type {0} is not in the catalogue")]
    TypeUnknown(String),
    /// A key field has no value.
    #[error("key field {0} has no value")]
    KeyMissing(String),
    /// Nothing of that id is there to be withdrawn.
    #[error("không tìm thấy bản ghi · there is no such record")]
    RecordUnknown,
    /// The withdrawal itself is at fault.
    #[error(transparent)]
    Withdrawal(#[from] WithdrawalError),
    /// The state cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Composes the writes of a draft against what `dataset` holds.
///
/// # Errors
/// [`ComposeError`] naming the type or key field at fault.
pub fn compose(
    dataset: &Dataset,
    catalogue: &Catalogue,
    provincial_key: &[u8],
    writer: ReplicaId,
    draft: &Draft,
    look: Look,
) -> Result<Composed, ComposeError> {
    let declared = catalogue
        .record_type(&draft.record_type)
        .ok_or_else(|| ComposeError::TypeUnknown(draft.record_type.clone()))?;
    let look = |record| match look {
        Look::Pending => dataset.pending_state(&draft.record_type, record),
        Look::Published => dataset.state(&draft.record_type, record),
    };
    if let Intent::Withdraw(record) = draft.intent {
        let state = look(record)?.ok_or(ComposeError::RecordUnknown)?;
        return withdraw(draft, writer, record, &state);
    }
    let values = resolve_references(catalogue, provincial_key, declared, draft);
    let record = identify(provincial_key, declared, &draft.owner, &values)?;
    let Some(state) = look(record)? else {
        let mut writes: Vec<Write> = values
            .into_iter()
            .map(|(path, value)| Write { path, value, context: Context::default() })
            .collect();
        let owner = Value::Unit(draft.owner.clone());
        writes.push(Write { path: path::UNIT.to_owned(), value: owner, context: Context::default() });
        return Ok(Composed { record, created: true, writes, withdrawn: false });
    };
    // An old sheet never reverts a decision.
    if draft.intent == Intent::Capture && state.standing().withdrawn {
        return Ok(Composed { record, created: false, writes: Vec::new(), withdrawn: true });
    }
    let known = Record::read(dataset.entries(), catalogue, &draft.record_type, record, &state)
        .map_err(DatasetError::from)?;
    let mut writes = Vec::new();
    if draft.intent == Intent::Assert && state.has_withdrawal() {
        let context = seen(&state, path::WITHDRAWN, writer);
        writes.push(Write { path: path::WITHDRAWN.to_owned(), value: Value::Null, context });
    }
    let mut standing = Vec::new();
    for (path, value) in values {
        let live = known.candidates(&path).map_or(&[][..], |(_, candidates)| candidates);
        let stands = match draft.intent {
            // What is shown need not be one of them: several lists are shown as one.
            Intent::Capture => {
                live.iter().any(|candidate| candidate.value == value) || known.shown(&path) == Some(&value)
            }
            Intent::Assert | Intent::Withdraw(_) => matches!(live, [only] if only.value == value),
        };
        if stands {
            standing.push((path, value));
            continue;
        }
        let context = seen(&state, &path, writer);
        writes.push(Write { path, value, context });
    }
    let pair =
        declared.course.as_ref().and_then(|course| Some([&course.state, &course.reopen.as_ref()?.field]));
    let paired = |path: &String| pair.is_some_and(|pair| pair.contains(&path));
    if writes.iter().any(|write| paired(&write.path)) {
        // A reason counts for the step it is stated with, also one said before, or of a step taken without.
        for (path, value) in standing.into_iter().filter(|(path, _)| paired(path)) {
            let context = seen(&state, &path, writer);
            writes.push(Write { path, value, context });
        }
    }
    Ok(Composed { record, created: false, writes, withdrawn: false })
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
fn withdraw(
    draft: &Draft,
    writer: ReplicaId,
    record: RecordId,
    state: &RecordState,
) -> Result<Composed, ComposeError> {
    let reason = draft.values.get(path::WITHDRAWN).map(Value::to_text).unwrap_or_default();
    let withdrawal = Withdrawal::new(&reason, state.edits().map(|edit| edit.dot))?;
    let standing = state.standing();
    let mut writes = Vec::new();
    if !standing.withdrawn || standing.contested {
        let context = seen(state, path::WITHDRAWN, writer);
        writes.push(Write { path: path::WITHDRAWN.to_owned(), value: withdrawal.to_value(), context });
    }
    Ok(Composed { record, created: false, writes, withdrawn: false })
}

/// What writing drafts would do, without writing any.
#[must_use]
pub fn preview(
    dataset: &Dataset,
    catalogue: &Catalogue,
    provincial_key: &[u8],
    writer: ReplicaId,
    drafts: &[Draft],
) -> Vec<Result<Written, WriteError>> {
    let one =
        |draft: &Draft| match compose(dataset, catalogue, provincial_key, writer, draft, Look::Published) {
            Ok(composed) => Ok(Written { record: composed.record, outcome: composed.stage().outcome() }),
            Err(error) => Err(WriteError::Draft(Arc::new(error))),
        };
    drafts.iter().map(one).collect()
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

/// The id a reader means by `text`: 32 hexadecimal digits, or the natural key, its parts set apart by `|`.
#[must_use]
pub fn meant_id(provincial_key: &[u8], declared: &RecordType, owner: &UnitCode, text: &str) -> RecordId {
    text.parse().unwrap_or_else(|_| key_id(provincial_key, declared, owner, text))
}

/// The id of the record with this natural key, its parts set apart by `|`.
#[must_use]
pub fn key_id(provincial_key: &[u8], declared: &RecordType, owner: &UnitCode, text: &str) -> RecordId {
    let parts: Vec<String> = text.split('|').map(|part| part.trim().to_owned()).collect();
    let unit = (declared.key.scope == KeyScope::Unit).then_some(owner);
    record_id(provincial_key, &declared.name, unit, &parts)
}

fn resolve_references(
    catalogue: &Catalogue,
    provincial_key: &[u8],
    declared: &RecordType,
    draft: &Draft,
) -> BTreeMap<String, Value> {
    let resolve = |field: &lienthong_proto::catalogue::Field, value: Value| match value {
        Value::Text(text) => field
            .target
            .as_deref()
            .and_then(|target| catalogue.record_type(target))
            .map_or(Value::Text(text.clone()), |target| {
                Value::Reference(meant_id(provincial_key, target, &draft.owner, &text))
            }),
        other => other,
    };
    draft
        .values
        .iter()
        .map(|(path, value)| {
            let value = value.clone();
            let value = match declared.field(path) {
                Some(field) if field.member_kind() == FieldKind::Reference => match value {
                    Value::List(values) => {
                        Value::List(values.into_iter().map(|value| resolve(field, value)).collect())
                    }
                    single => resolve(field, single),
                },
                _ => value,
            };
            (path.clone(), value)
        })
        .collect()
}
