//! A type whose records say that another record goes from one unit to another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Catalogue, Field, FieldKind, Label, RecordType};

/// How the records of a type hand another one over, `[handover]` in its file:
///
/// ```toml
/// [handover]
/// record = "dang_vien_id"            # a reference: what goes
/// from = "tu_don_vi"                 # a unit
/// to = "den_don_vi"                  # a unit
/// released = "ngay_gioi_thieu"       # a date: the releasing unit's word
/// received = "ngay_tiep_nhan"        # a date: the receiving unit's word
///
/// [[handover.held]]                  # while its unit or the province has such a record, it stays where it is
/// by = "cuoc_kiem_tra"
/// subject = "doi_tuong"              # names the record, by id or key
/// having = { trang_thai = ["DANG_TRIEN_KHAI"] }
/// message = { vi = "đang có cuộc kiểm tra", en = "a case about it is under way" }
/// ```
///
/// Each unit states its half in a record of its own; both name the same record, units and day of release. Once both
/// halves stand the province gives the record over. Where it went all the same, the unit that has it now reads what keeps
/// it, as long as that stands: fields up to C2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// The reference to what goes.
    pub record: String,
    /// The unit it leaves.
    pub from: String,
    /// The unit it goes to.
    pub to: String,
    /// The day the first lets it go.
    pub released: String,
    /// The day the other takes it.
    pub received: String,
    /// What keeps it where it is.
    #[serde(default)]
    pub held: Vec<Held>,
}

/// Records that keep others from being handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Their type.
    pub by: String,
    /// The field that names whom they are about, by id or key: a text, a reference, or a list of these.
    pub subject: String,
    /// Their code fields, and the codes with which they hold: one of each.
    pub having: BTreeMap<String, Vec<String>>,
    /// Their date: what was received before that day they do not hold.
    #[serde(default)]
    pub since: Option<String>,
    /// Why it stays.
    pub message: Label,
}

impl Catalogue {
    /// Whether records of a type hand others over.
    #[must_use]
    pub fn hands_over(&self, record_type: &str) -> bool {
        self.record_type(record_type).is_some_and(|declared| declared.handover.is_some())
    }
}

/// Checks the handover of one type.
///
/// # Errors
/// What is wrong.
pub(super) fn check_handover(catalogue: &Catalogue, declared: &RecordType) -> Result<(), String> {
    let Some(handover) = &declared.handover else { return Ok(()) };
    let of = |name: &str, kind: FieldKind| match field(declared, name)?.kind {
        found if found == kind => Ok(()),
        found => Err(format!(
            "chuyển giao: {name} có kiểu {found:?}, không phải {kind:?} · handover: {name} is of type {found:?}, not {kind:?}"
        )),
    };
    of(&handover.record, FieldKind::Reference)?;
    of(&handover.from, FieldKind::Unit)?;
    of(&handover.to, FieldKind::Unit)?;
    of(&handover.released, FieldKind::Date)?;
    of(&handover.received, FieldKind::Date)?;
    handover.held.iter().try_for_each(|held| check_held(catalogue, held))
}

fn check_held(catalogue: &Catalogue, held: &Held) -> Result<(), String> {
    let by = catalogue.record_type(&held.by).ok_or_else(|| {
        format!("chuyển giao: không có loại bản ghi {0} · handover: there is no record type {0}", held.by)
    })?;
    field(by, &held.subject)?;
    if let Some(since) = &held.since
        && field(by, since)?.kind != FieldKind::Date
    {
        return Err(format!("chuyển giao: {since} không phải ngày · handover: {since} is no date"));
    }
    for (name, codes) in &held.having {
        let list = field(by, name)?.codes.as_deref().and_then(|codes| catalogue.code_list(codes));
        if let Some(code) = codes.iter().find(|code| list.is_none_or(|list| list.ordinal(code).is_none())) {
            return Err(format!(
                "chuyển giao: {code} không phải mã của {name} · handover: {code} is no code of {name}"
            ));
        }
    }
    Ok(())
}

fn field<'a>(declared: &'a RecordType, name: &str) -> Result<&'a Field, String> {
    declared.field(name).ok_or_else(|| {
        format!("chuyển giao: {0} không có trường {name} · handover: {0} has no field {name}", declared.name)
    })
}
