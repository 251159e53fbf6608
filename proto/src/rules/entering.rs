//! What may not enter the system at all, whatever way it comes.

use super::secrecy::{OPEN, SECRECY};
use crate::catalogue::{Class, RecordType};
use crate::change::Write;
use crate::value::Value;

/// Whether a change states what no store may hold: a field of class C4, or that its record is secret (mật and above).
#[must_use]
pub fn may_not_enter(declared: &RecordType, writes: &[Write]) -> bool {
    writes.iter().any(|write| {
        let field = declared.field(&write.path);
        let secrecy =
            field.is_some_and(|field| field.codes.as_deref() == Some(SECRECY)) || write.path == SECRECY;
        field.is_some_and(|field| field.class == Class::C4) || secrecy && !is_open(&write.value)
    })
}

/// Whatever else stands there says, in some form, that it is secret.
fn is_open(value: &Value) -> bool {
    matches!(value, Value::Null) || matches!(value, Value::Code(code) if code == OPEN)
}
