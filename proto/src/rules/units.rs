//! Commune codes: a code means nothing without its system's date (DOMAIN 3.6).

use crate::catalogue::{Catalogue, FieldKind, RecordType, Unit, Units};
use crate::ids::UnitCode;
use crate::text::{self, fold, fold_name};

use super::Finding;

/// What people write before a unit's name, folded; no unit's own name begins so.
const KINDS: [&str; 6] = ["dang uy ", "dang bo ", "xa ", "phuong ", "x ", "p "];
const NAME_SHOWN_CHARS_MAX: usize = 80;
/// The same of communes of before, marks kept.
const FORMER_KINDS: [&str; 8] = ["xã ", "phường ", "thị trấn ", "x. ", "p. ", "tt. ", "x.", "p."];
/// Communes of before with one name that are told.
const FORMER_SHOWN_MAX: usize = 5;

/// The cell that names a row's unit beside its code: no field, only held against the code.
pub const UNIT_NAME: &str = "ten_xa";

/// Headers of that cell, folded.
const UNIT_NAME_HEADERS: [&str; 5] =
    ["ten xa", "xa phuong", "ten xa phuong", "ten dvhc", "ten don vi hanh chinh"];

/// Whether a column of this title names the unit whose code stands in the type's unit field. A type with a second
/// field of a unit has no such column: nobody knows which of the two it names.
#[must_use]
pub fn names_unit(record_type: &RecordType, title: &str) -> bool {
    let units = record_type.fields.iter().filter(|field| field.kind == FieldKind::Unit).count();
    units == 1 && record_type.owner_field().is_some() && UNIT_NAME_HEADERS.contains(&fold(title).as_str())
}

/// The unit a cell means: its code, or its name where that is clear.
pub(super) fn parse_unit(catalogue: &Catalogue, column: &str, text: &str) -> Result<UnitCode, Finding> {
    let units = catalogue.units();
    // A code that a spreadsheet took for a number lost its leading zeros.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit());
    let code =
        if numeric && text.len() < 5 && text.len() > 2 { format!("{text:0>5}") } else { text.to_owned() };
    if let Ok(code) = code.parse::<UnitCode>()
        && units.holding(&code).is_some()
    {
        return Ok(code);
    }
    if let Some((name, province)) = units.elsewhere(&code) {
        let vi = format!("mã {code} là {name} ({province}), không thuộc tỉnh: kiểm tra mã xã");
        let en = format!("{code} is {name} in {province}, not in this province: check the code");
        return Err(Finding::new("CODE_OUTSIDE", Some(column), vi, en).with_value(text));
    }
    let now = units.by_old_code(&code);
    if !now.is_empty() {
        let names = listed(&now);
        let was = units.former(&code).map(|former| format!(" ({})", former.title())).unwrap_or_default();
        let vi = format!("{code} là mã trước 1/7/2025{was}; mã mới: {names}");
        let en = format!("{code} is a code of before 1/7/2025{was}; now: {names}");
        return Err(Finding::new("CODE_OLD", Some(column), vi, en).with_value(text));
    }
    if let Some(unit) = by_name(catalogue, text) {
        return Ok(unit.code.clone());
    }
    if let Some((vi, en)) = former_name(units, text) {
        return Err(Finding::new("CODE_OLD", Some(column), vi, en).with_value(text));
    }
    let vi = format!("không có đơn vị nào mang mã hoặc tên “{text}”: ghi mã 5 số của xã, phường");
    let en = format!("no unit has the code or name {text:?}: write the commune's 5-digit code");
    Err(Finding::new("CODE_UNKNOWN", Some(column), vi, en).with_value(text))
}

/// Why a unit's code does not stand for a unit of the province: `CODE_OUTSIDE`, `CODE_OLD` or
/// `CODE_UNKNOWN`; `None` if it does.
#[must_use]
pub fn unit_fault(units: &Units, code: &UnitCode) -> Option<&'static str> {
    if units.get(code).or_else(|| units.holding(code)).is_some() {
        None
    } else if units.elsewhere(code.as_str()).is_some() {
        Some("CODE_OUTSIDE")
    } else if !units.by_old_code(code.as_str()).is_empty() {
        Some("CODE_OLD")
    } else {
        Some("CODE_UNKNOWN")
    }
}

/// Units with their codes.
fn listed(units: &[&Unit]) -> String {
    units.iter().map(|unit| format!("{} ({})", unit.name, unit.code)).collect::<Vec<_>>().join(", ")
}

/// Of a name that only communes of before 1/7/2025 had, what each has become.
fn former_name(units: &Units, text: &str) -> Option<(String, String)> {
    let wanted = fold_name(text);
    let codes =
        units.former_named(FORMER_KINDS.iter().find_map(|kind| wanted.strip_prefix(kind)).unwrap_or(&wanted));
    let became = |code: &&str| {
        let former = units.former(code)?;
        Some(format!("{} → {}", former.title(), listed(&units.by_old_code(code))))
    };
    let known: Vec<String> = codes.iter().take(FORMER_SHOWN_MAX).filter_map(became).collect();
    let known = if known.is_empty() { return None } else { known.join("; ") };
    Some((
        format!("là tên trước 1/7/2025: {known}; ghi mã 5 số mới"),
        format!("a name of before 1/7/2025: {known}; write the 5-digit code of today"),
    ))
}

fn by_name<'a>(catalogue: &'a Catalogue, text: &str) -> Option<&'a Unit> {
    let wanted = fold_name(text);
    let kinds = ["xã ", "phường ", "x. ", "p. ", "x.", "p."];
    let bare = kinds.iter().find_map(|kind| wanted.strip_prefix(kind)).unwrap_or(&wanted);
    let mut found = catalogue.units().iter().filter(|unit| fold_name(&unit.name) == bare);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// What is wrong with a unit's name beside its code: the name is another unit's. `stated` says that the row has the
/// code; without it the row is taken for `unit`.
pub(super) fn name_mismatch(
    catalogue: &Catalogue,
    (column, unit): (&str, &UnitCode),
    stated: bool,
    name: &str,
) -> Option<Finding> {
    let units = catalogue.units();
    let known = units.holding(unit)?;
    if text::is_placeholder(name) || bare(name) == bare(&known.name) {
        return None;
    }
    let title = units.title(&known.code);
    let shown: String = name.chars().take(NAME_SHOWN_CHARS_MAX).collect();
    let found = if stated {
        let (vi, en) = succession(units, &known.code);
        Finding::new(
            "CODE_NAME_MISMATCH",
            Some(column),
            format!("mã {unit} là {title}, cột tên lại ghi “{shown}”: kiểm tra cả hai ô{vi}"),
            format!("{unit} is {title}, and the name beside it is “{shown}”: check both cells{en}"),
        )
    } else {
        Finding::new(
            "CODE_NAME_MISMATCH",
            Some(column),
            format!(
                "dòng không có mã, cột tên ghi “{shown}”, không phải {title}: ghi mã 5 số của xã, phường"
            ),
            format!("no code, and the name “{shown}” is not {title}: write the commune's 5-digit code"),
        )
    };
    Some(found.with_value(&shown))
}

/// Of a code that other communes had before 1/7/2025, what it has become.
fn succession(units: &Units, code: &UnitCode) -> (String, String) {
    let now = units.by_old_code(code.as_str());
    if now.iter().all(|unit| unit.code == *code) {
        return Default::default();
    }
    let names = listed(&now);
    (
        format!("; nếu là mã trước 1/7/2025 thì mã mới: {names}"),
        format!("; if it is a code of before 1/7/2025, it is now: {names}"),
    )
}

/// A unit's name without its kind and its province, folded.
fn bare(name: &str) -> String {
    let folded = fold(name.split(',').next().unwrap_or_default());
    let mut rest = folded.as_str();
    while let Some(shorter) = KINDS.iter().find_map(|kind| rest.strip_prefix(kind)) {
        rest = shorter;
    }
    rest.to_owned()
}
