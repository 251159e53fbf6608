//! What may not enter the system at all, whatever way it comes.

use crate::catalogue::{Class, RecordType};
use crate::change::Write;
use crate::value::Value;

/// Whether a change states what no store may hold: a field of class C4, or that its record is secret (mật and above).
#[must_use]
pub fn may_not_enter(declared: &RecordType, writes: &[Write]) -> bool {
    writes.iter().any(|write| {
        let class = declared.field(&write.path).map(|field| field.class);
        class == Some(Class::C4) || is_classified(&write.path, &write.value)
    })
}

fn is_classified(name: &str, value: &Value) -> bool {
    name == "do_mat" && matches!(value, Value::Code(code) if code != "THUONG")
}
