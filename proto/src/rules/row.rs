//! A row's cells become values, or reasons why not.

use std::collections::BTreeMap;

use super::messages::{self, Message};
use super::secrecy::SECRECY;
use super::units::{UNIT_NAME, name_mismatch};
use super::{CitizenFault, CitizenNumber, Finding, RawCell, RowJudgement, adult_on};
use crate::catalogue::{Catalogue, Class, Field, RecordType};
use crate::ids::UnitCode;
use crate::value::{Value, civil, days_of};

/// Whose rows are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitScope {
    /// Only this unit's own; others are `UNIT_FOREIGN`.
    Own(UnitCode),
    /// Any unit's of the province: the hub. Rows that tell none are the province's own.
    Any(UnitCode),
}

/// What a row is judged against.
#[derive(Debug, Clone)]
pub struct JudgeContext<'a> {
    /// Code lists and units.
    pub catalogue: &'a Catalogue,
    /// The day, since 1970.
    pub today: i32,
    /// Whose rows.
    pub scope: UnitScope,
}

/// Judges one row. A field that is absent from `cells` has no column and is not judged; an empty cell of a
/// required field is `REQ_MISSING`.
#[must_use]
pub fn judge_row(
    record_type: &RecordType,
    cells: &[(String, RawCell)],
    context: &JudgeContext<'_>,
) -> RowJudgement {
    let mut row = Row {
        record_type,
        context,
        out: RowJudgement::default(),
        items: BTreeMap::new(),
        two_digit: None,
        padded: false,
    };
    let mut place = 0;
    for (name, cell) in cells {
        if let Some(found) = field_near(&record_type.fields, place, name)
            && let Some(field) = record_type.fields.get(found)
        {
            place = found + 1;
            row.cell(field, name, cell);
        } else if let Some((parent, field)) = subfield(record_type, name) {
            row.item_cell(parent, field, cell);
        } else if name == SECRECY {
            row.secrecy(cell);
        }
    }
    row.items();
    row.person();
    row.orders();
    row.unit(cells);
    let mut out = row.out;
    if out.errors.iter().any(|found| found.rule == "CLASSIFIED") {
        // The refusal keeps no content: not even what stood beside the mark.
        out.values.clear();
        out.warnings.clear();
        out.errors.retain(|found| found.rule == "CLASSIFIED");
    }
    out
}

/// The place of a field, looked for from `place` on: columns mostly stand as the fields do.
fn field_near(fields: &[Field], place: usize, name: &str) -> Option<usize> {
    let (before, after) = fields.split_at_checked(place).unwrap_or((fields, &[]));
    let found = after.iter().position(|field| field.name == name).map(|at| before.len() + at);
    found.or_else(|| before.iter().position(|field| field.name == name))
}

/// The items field a bare column name of an item belongs to.
fn subfield<'a>(record_type: &'a RecordType, name: &str) -> Option<(&'a Field, &'a Field)> {
    record_type
        .fields
        .iter()
        .find_map(|parent| parent.fields.iter().find(|field| field.name == name).map(|field| (parent, field)))
}

pub(super) struct Row<'a> {
    record_type: &'a RecordType,
    pub(super) context: &'a JudgeContext<'a>,
    pub(super) out: RowJudgement,
    /// Values of the row's one item, by items field.
    items: BTreeMap<&'a str, BTreeMap<&'a str, Value>>,
    /// A birth date whose year has two digits: only the citizen number can tell the century.
    pub(super) two_digit: Option<(String, i8, i8, i16)>,
    /// Zeros were put before the person's citizen number: it is accepted only if every check passes.
    pub(super) padded: bool,
}

impl<'a> Row<'a> {
    /// What is wrong with a cell, and the beginning of what stands there.
    pub(super) fn error(&mut self, column: &str, value: &str, message: Message) {
        let mut found = Finding::new(message.rule, Some(column), message.vi, message.en);
        if !value.is_empty() {
            found.value = Some(value.chars().take(80).collect());
        }
        self.out.errors.push(found);
    }

    /// The same, where that leaves no value.
    pub(super) fn refuse<T>(&mut self, column: &str, value: &str, message: Message) -> Option<T> {
        self.error(column, value, message);
        None
    }

    /// What to say of a cell that is taken.
    pub(super) fn warn(&mut self, column: &str, message: Message) {
        self.out.warnings.push(Finding::new(message.rule, Some(column), message.vi, message.en));
    }

    fn cell(&mut self, field: &'a Field, name: &str, cell: &RawCell) {
        if field.class == Class::C4 {
            return;
        }
        if let Some(value) = self.value(field, name, cell) {
            self.out.values.insert(field.name.clone(), value);
        }
    }

    fn item_cell(&mut self, parent: &'a Field, field: &'a Field, cell: &RawCell) {
        if field.class == Class::C4 {
            return;
        }
        // A row without an item leaves all its columns blank: required only once one of them is filled.
        if self.says_nothing(field, cell) {
            return;
        }
        if let Some(value) = self.value(field, &field.name, cell) {
            self.items.entry(&parent.name).or_default().insert(&field.name, value);
        }
    }

    /// The row's items become registers `field/itemkey/subfield`.
    fn items(&mut self) {
        for (parent_name, values) in std::mem::take(&mut self.items) {
            let Some(parent) = self.record_type.fields.iter().find(|field| field.name == parent_name) else {
                continue;
            };
            for field in parent.fields.iter().filter(|field| field.required) {
                if !values.contains_key(field.name.as_str()) {
                    self.error(&field.name, "", messages::missing_of_item(&field.label, &parent.label));
                }
            }
            let key: Vec<String> = parent
                .item_key
                .iter()
                .filter_map(|name| values.get(name.as_str()).map(Value::to_text))
                .collect();
            let digest = crate::hash::sha256(&[key.join("\u{1f}").as_bytes()]);
            let key = hex::encode(digest.split_at(8).0);
            for (name, value) in values {
                self.out.values.insert(format!("{parent_name}/{key}/{name}"), value);
            }
        }
    }

    /// Checks that only a person's cells together allow: CCCD against birth date and sex, age.
    fn person(&mut self) {
        let cccd = self.record_type.fields.iter().find(|field| field.check.as_deref() == Some("cccd"));
        let birth = self.record_type.fields.iter().find(|field| field.check.as_deref() == Some("birth_date"));
        let number = cccd.and_then(|field| match self.out.values.get(&field.name) {
            Some(Value::Text(digits)) => CitizenNumber::parse(digits).ok(),
            _ => None,
        });
        self.two_digit_year(number.as_ref());
        let (Some(cccd), Some(number)) = (cccd, number) else { return };
        let born = birth.and_then(|field| match self.out.values.get(&field.name) {
            Some(Value::Date(days)) => civil(*days),
            _ => None,
        });
        let female = match self.out.values.get("gioi_tinh") {
            Some(Value::Code(code)) => Some(code == "NU"),
            _ => None,
        };
        if self.padded && (born.is_none() || female.is_none()) {
            self.out.values.remove(&cccd.name);
            self.out.warnings.retain(|found| found.rule != "CCCD_PADDED");
            self.error(&cccd.name, number.digits.trim_start_matches('0'), messages::CCCD_UNSURE);
            return;
        }
        let message = match number.fits(born.map(jiff::civil::Date::year), female) {
            Ok(()) => return,
            Err(CitizenFault::BirthYear) => messages::CCCD_BIRTHYEAR,
            Err(_) => messages::CCCD_CENTURY_SEX,
        };
        let document =
            self.record_type.fields.iter().find(|field| field.check.as_deref() == Some("cccd_document"));
        match document {
            Some(document) if !self.padded && self.out.values.contains_key(&document.name) => {
                self.warn(&cccd.name, message.but_documented());
            }
            Some(document) => {
                self.error(&cccd.name, &number.digits, message.or_documented(&document.label));
            }
            None => self.error(&cccd.name, &number.digits, message),
        }
    }

    fn two_digit_year(&mut self, number: Option<&CitizenNumber>) {
        let Some((column, day, month, year)) = self.two_digit.take() else { return };
        let fitting: Vec<i16> = [1900 + year, 2000 + year]
            .into_iter()
            .filter(|year| number.is_some_and(|number| number.fits(Some(*year), None).is_ok()))
            .collect();
        if let [year] = fitting.as_slice()
            && let Ok(date) = jiff::civil::Date::new(*year, month, day)
        {
            self.out.values.insert(column, Value::Date(days_of(date)));
            return;
        }
        let shown = format!("{day}/{month}/{year:02}");
        self.error(&column, &shown, messages::TWO_DIGIT_YEAR);
    }

    /// Dates that contradict each other, and states that contradict their dates.
    fn orders(&mut self) {
        let date = |name: &str| match self.out.values.get(name) {
            Some(Value::Date(days)) => Some(*days),
            _ => None,
        };
        let (born, joined, official) = (date("ngay_sinh"), date("ngay_vao_dang"), date("ngay_chinh_thuc"));
        if let (Some(born), Some(joined)) = (born, joined) {
            if joined < born {
                self.error("ngay_vao_dang", "", messages::JOINED_BEFORE_BIRTH);
            } else if adult_on(born).is_some_and(|adult| joined < adult) {
                // Before 1976 members of 17 were lawful: said, not refused.
                if joined >= 2_191 {
                    self.error("ngay_vao_dang", "", messages::AGE_UNDER_18);
                } else {
                    self.warn("ngay_vao_dang", messages::AGE_UNDER_18_ONCE);
                }
            }
        }
        if let (Some(joined), Some(official)) = (joined, official)
            && official < joined
        {
            self.error("ngay_chinh_thuc", "", messages::OFFICIAL_BEFORE_JOINING);
        }
        let done: Vec<String> = self
            .out
            .values
            .iter()
            .filter_map(|(path, value)| {
                let item = path.strip_suffix("/tinh_trang")?;
                (*value == Value::Code("DA_KHAC_PHUC".to_owned())).then(|| item.to_owned())
            })
            .collect();
        for item in done {
            if !self.out.values.contains_key(&format!("{item}/ngay_hoan_thanh")) {
                self.error("ngay_hoan_thanh", "", messages::MENDED_WITHOUT_DATE);
            }
        }
    }

    /// A unit's name is held against the code beside it, or against the unit that a row without a code is taken for.
    fn unit_name(&mut self, field: &str, stated: Option<&UnitCode>, cells: &[(String, RawCell)]) {
        let Some((_, cell)) = cells.iter().find(|(name, _)| name == UNIT_NAME) else { return };
        // With a code that means nothing there is nothing to compare.
        let refused = self.out.errors.iter().any(|found| found.column.as_deref() == Some(field));
        if refused || self.record_type.owner_field() != Some(field) {
            return;
        }
        let (UnitScope::Own(own) | UnitScope::Any(own)) = &self.context.scope;
        let RawCell::Text(name) = cell else { return };
        if cell.error().is_some() {
            return;
        }
        let unit = (field, stated.unwrap_or(own));
        self.out.errors.extend(name_mismatch(self.context.catalogue, unit, stated.is_some(), name));
    }

    fn unit(&mut self, cells: &[(String, RawCell)]) {
        let field = self.record_type.unit_field.as_deref();
        let stated = field.and_then(|field| match self.out.values.get(field) {
            Some(Value::Unit(unit)) => Some(unit.clone()),
            _ => None,
        });
        if let Some(field) = field {
            self.unit_name(field, stated.as_ref(), cells);
        }
        // What is said of a cell of a unit is the unit's.
        let units = self.context.catalogue.units();
        let owner = |unit: &UnitCode| units.holding(unit).map_or(unit, |holding| &holding.code).clone();
        // Of a handover each side states its half.
        let receives = |own: &UnitCode| {
            let to = self.record_type.handover.as_ref().map(|handover| &handover.to);
            let to = to.and_then(|to| self.out.values.get(to));
            matches!(to, Some(Value::Unit(to)) if owner(to) == *own)
        };
        let whose = stated.as_ref().map(owner);
        self.out.unit = match (&self.context.scope, whose) {
            (UnitScope::Own(own), Some(unit)) if unit != *own && !receives(own) => {
                let title = units.title(&unit);
                let column = field.unwrap_or_default().to_owned();
                let stated = stated.as_ref().unwrap_or(&unit);
                self.error(&column, stated.as_str(), messages::foreign(&title));
                Some(unit)
            }
            (UnitScope::Own(own), _) => Some(own.clone()),
            (UnitScope::Any(_), Some(unit)) => Some(unit),
            (UnitScope::Any(own), None) => Some(own.clone()),
        };
    }
}
