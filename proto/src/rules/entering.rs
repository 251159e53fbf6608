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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::change::Context;

    /// Goal: what says that it is secret is kept out in whatever form it says so, and under whatever name its field has.
    #[test]
    fn p8_any_mark_of_secrecy_keeps_a_change_out() {
        let catalogue = Catalogue::embedded().unwrap();
        let mut declared = catalogue.record_type("ho_so").unwrap().clone();
        let field = declared.fields.iter_mut().find(|field| field.codes.as_deref() == Some(SECRECY)).unwrap();
        field.name = "muc_bao_ve".to_owned();
        let kept_out = |path: &str, value: Value| {
            let write = Write { path: path.to_owned(), value, context: Context::default() };
            may_not_enter(&declared, &[write])
        };
        for path in ["muc_bao_ve", SECRECY] {
            for secret in [Value::Code("MAT".to_owned()), Value::Text("MAT".to_owned()), Value::Integer(1)] {
                assert!(kept_out(path, secret.clone()), "{path}: {secret:?}");
            }
            for open in [Value::Code(OPEN.to_owned()), Value::Null] {
                assert!(!kept_out(path, open.clone()), "{path}: {open:?}");
            }
        }
        assert!(!kept_out("ten_tep", Value::Text("Mật".to_owned())));
    }
}
