//! Which records a unit reads that are not its own: those that keep what it has where it was (X03), without what only
//! their owner and those above it may see.

use lienthong_node::replica::key_id;
use lienthong_proto::catalogue::{Catalogue, Class, Held, RecordType};
use lienthong_proto::change::path;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::value::Value;

/// The most of a record's fields a unit reads that is neither its owner nor above it (DOMAIN 2.6).
const CLASS_MAX: Class = Class::C2;
/// Of the system's own registers, what says which record it is, whose, and whether it stands. Not the reason of a change,
/// which may name what its fields must not.
const SYSTEM: [&str; 7] =
    [path::ID, path::TYPE, path::YEAR, path::NUMBER, path::META, path::UNIT, path::WITHDRAWN];

/// What records of a type keep where it is: the type of it, and how they name it.
pub fn kept_by<'a>(
    catalogue: &'a Catalogue,
    record_type: &'a str,
) -> impl Iterator<Item = (&'a RecordType, &'a Held)> {
    all(catalogue).filter(move |(_, held)| held.by == record_type)
}

/// Whether records of a type may be kept where they are by others.
#[must_use]
pub fn is_kept(catalogue: &Catalogue, record_type: &str) -> bool {
    all(catalogue).any(|(target, _)| target.name == record_type)
}

fn all(catalogue: &Catalogue) -> impl Iterator<Item = (&RecordType, &Held)> {
    catalogue.record_types().flat_map(|declared| {
        let target = declared.handover.as_ref().and_then(|handover| {
            let field = declared.field(&handover.record)?;
            catalogue.record_type(field.target.as_deref()?)
        });
        let held = declared.handover.iter().flat_map(|handover| &handover.held);
        held.filter_map(move |held| Some((target?, held)))
    })
}

/// The records that a value may name, by id or key.
#[must_use]
pub fn named(provincial_key: &[u8], target: &RecordType, unit: &UnitCode, value: &Value) -> Vec<RecordId> {
    match value {
        Value::List(values) => {
            values.iter().flat_map(|value| named(provincial_key, target, unit, value)).collect()
        }
        Value::Reference(id) => vec![*id],
        Value::Text(text) => {
            let as_key = key_id(provincial_key, target, unit, text);
            let as_id = text.parse().unwrap_or(as_key);
            if as_id == as_key { vec![as_key] } else { vec![as_id, as_key] }
        }
        _ => Vec::new(),
    }
}

/// Whether a reader is shown what stands at a path of a record. A field nobody declared counts as C3.
#[must_use]
pub fn may_read(declared: Option<&RecordType>, wanted: &str) -> bool {
    if wanted.starts_with('_') {
        return SYSTEM.contains(&wanted);
    }
    let below = |class: Class| class <= CLASS_MAX;
    let Some(declared) = declared else { return false };
    let parts: Vec<&str> = wanted.split('/').collect();
    match parts.as_slice() {
        [name] => declared.field(name).is_some_and(|field| below(field.class)),
        // That an item is gone tells no more than its other fields did.
        [name, _, rest] => declared.field(name).is_some_and(|field| {
            let item = field.fields.iter().find(|item| item.name == *rest);
            below(field.class) && (*rest == "_gone" || item.is_some_and(|item| below(item.class)))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal (P9): of every type, a reader is shown no field above C2 and nothing undeclared, and not why a change was made.
    #[test]
    fn p9_a_reader_is_shown_nothing_above_c2() {
        let catalogue = Catalogue::embedded().unwrap();
        for declared in catalogue.record_types() {
            for field in &declared.fields {
                let shown = may_read(Some(declared), &field.name);
                assert_eq!(shown, field.class <= Class::C2, "{}.{}", declared.name, field.name);
                for item in &field.fields {
                    let path = format!("{}/x/{}", field.name, item.name);
                    assert_eq!(
                        may_read(Some(declared), &path),
                        field.class.max(item.class) <= Class::C2,
                        "{path}"
                    );
                }
            }
            for path in ["_why", "_into", "_merged/x", "_lineage", "undeclared", "undeclared/x/y"] {
                assert!(!may_read(Some(declared), path), "{path}");
            }
        }
        assert!(may_read(None, "_unit") && !may_read(None, "ma_cuoc"));
        let letter = catalogue.record_type("don_thu");
        assert!(
            !may_read(letter, "nguoi_gui") && !may_read(letter, "noi_dung") && may_read(letter, "ma_don")
        );
    }

    /// Goal: what the catalogue says keeps a member where he is, is found from both ends.
    #[test]
    fn cases_keep_members() {
        let catalogue = Catalogue::embedded().unwrap();
        let by = |name| kept_by(catalogue, name).map(|(target, _)| target.name.as_str()).collect::<Vec<_>>();
        assert_eq!(by("cuoc_kiem_tra"), ["dang_vien"]);
        assert_eq!((by("don_thu"), by("dang_vien")), (vec!["dang_vien"], vec![]));
        assert!(is_kept(catalogue, "dang_vien") && !is_kept(catalogue, "cuoc_kiem_tra"));
    }
}
