//! Commune codes: a code means nothing without its system's date (DOMAIN 3.6).

use crate::catalogue::{Catalogue, Unit, Units};
use crate::ids::UnitCode;
use crate::text::{fold, fold_name};

use super::Finding;

/// The unit a cell means: its code, or its name where that is clear.
pub(super) fn parse_unit(catalogue: &Catalogue, column: &str, text: &str) -> Result<UnitCode, Finding> {
    let units = catalogue.units();
    // A code that a spreadsheet took for a number lost its leading zeros.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit());
    let code =
        if numeric && text.len() < 5 && text.len() > 2 { format!("{text:0>5}") } else { text.to_owned() };
    if let Ok(code) = code.parse::<UnitCode>() {
        if units.get(&code).is_some() && !code.as_str().contains('.') {
            return Ok(code);
        }
        let base = code.as_str().split('.').next().unwrap_or_default().to_owned();
        if base.parse().is_ok_and(|base| units.get(&base).is_some()) {
            return Ok(code);
        }
    }
    if let Some((name, province)) = units.elsewhere(&code) {
        let vi = format!("mã {code} là {name} ({province}), không thuộc tỉnh: kiểm tra mã xã");
        let en = format!("{code} is {name} in {province}, not in this province: check the code");
        return Err(Finding::new("CODE_OUTSIDE", Some(column), vi, en).with_value(text));
    }
    let former = units.by_old_code(&code);
    if !former.is_empty() {
        let names = former.iter().map(|u| format!("{} ({})", u.name, u.code)).collect::<Vec<_>>().join(", ");
        let vi = format!("{code} là mã trước 1/7/2025; mã mới: {names}");
        let en = format!("{code} is a code of before 1/7/2025; now: {names}");
        return Err(Finding::new("CODE_OLD", Some(column), vi, en).with_value(text));
    }
    if let Some(unit) = by_name(catalogue, text) {
        return Ok(unit.code.clone());
    }
    let vi = format!("không có đơn vị nào mang mã hoặc tên “{text}”: ghi mã 5 số của xã, phường");
    let en = format!("no unit has the code or name {text:?}: write the commune's 5-digit code");
    Err(Finding::new("CODE_UNKNOWN", Some(column), vi, en).with_value(text))
}

/// Why a unit's code does not stand for a unit of the province: `CODE_OUTSIDE`, `CODE_OLD` or
/// `CODE_UNKNOWN`; `None` if it does.
#[must_use]
pub fn unit_fault(units: &Units, code: &UnitCode) -> Option<&'static str> {
    let base = code.as_str().split('.').next().unwrap_or_default();
    if units.get(code).is_some() || base.parse().is_ok_and(|base| units.get(&base).is_some()) {
        None
    } else if units.elsewhere(code.as_str()).is_some() {
        Some("CODE_OUTSIDE")
    } else if !units.by_old_code(code.as_str()).is_empty() {
        Some("CODE_OLD")
    } else {
        Some("CODE_UNKNOWN")
    }
}

fn by_name<'a>(catalogue: &'a Catalogue, text: &str) -> Option<&'a Unit> {
    let wanted = fold_name(text);
    let bare = ["xã ", "phường "].iter().find_map(|kind| wanted.strip_prefix(kind)).unwrap_or(&wanted);
    let mut found = catalogue.units().iter().filter(|unit| fold_name(&unit.name) == bare);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Whether a name cell beside the code speaks of another unit.
pub(super) fn name_mismatch(catalogue: &Catalogue, code: &UnitCode, name: &str) -> bool {
    let Some(unit) = catalogue.units().get(code) else { return false };
    let folded = fold(name);
    let bare = ["xa ", "phuong "].iter().find_map(|kind| folded.strip_prefix(kind)).unwrap_or(&folded);
    !bare.is_empty() && fold(&unit.name) != bare
}
