//! A cell becomes a value of its field's kind, or a reason why not.

use std::borrow::Cow;

use super::dates::{DateFault, day_of_serial, is_year, parse_date, parse_instant};
use super::forms::{
    is_document_number, is_in_range, is_party_card, is_person_name, is_sha256, phone_digits, text_chars_max,
};
use super::row::Row;
use super::secrecy::{OPEN, SECRECY, is_secrecy_mark};
use super::sender::names_a_sender;
use super::units::parse_unit;
use super::{CitizenFault, CitizenNumber, RawCell, messages, parse_integer, parse_money};
use crate::catalogue::{Field, FieldKind};
use crate::ids::RecordId;
use crate::text;
use crate::value::Value;

impl Row<'_> {
    pub(super) fn value(&mut self, field: &Field, name: &str, cell: &RawCell) -> Option<Value> {
        if self.says_nothing(field, cell) {
            if field.required {
                self.error(name, "", messages::missing(&field.label));
            }
            return None;
        }
        if field.kind == FieldKind::List {
            return self.list(field, name, cell);
        }
        self.single(field, field.kind, name, cell)
    }

    /// Whether a cell only says that there is nothing: of a list, that each of its members does.
    pub(super) fn says_nothing(&self, field: &Field, cell: &RawCell) -> bool {
        match field.kind {
            FieldKind::List => members(cell).iter().all(|member| self.is_nothing(field, member)),
            _ => self.is_nothing(field, cell),
        }
    }

    /// The same of one value: where `không`, `x` or `chưa có` is an answer that the column knows, it says that.
    fn is_nothing(&self, field: &Field, cell: &RawCell) -> bool {
        let RawCell::Text(text) = cell else { return cell.is_blank() };
        if cell.error().is_some() || !text::is_placeholder(text) {
            return false;
        }
        match field.member_kind() {
            FieldKind::Boolean => yes_or_no(text).is_none(),
            FieldKind::Code => {
                let list = field.codes.as_deref().and_then(|codes| self.context.catalogue.code_list(codes));
                list.is_none_or(|list| list.resolve(text).is_none())
            }
            _ => true,
        }
    }

    fn list(&mut self, field: &Field, name: &str, cell: &RawCell) -> Option<Value> {
        let kind = field.member_kind();
        let mut values = Vec::new();
        for cell in &members(cell) {
            if !self.is_nothing(field, cell) {
                values.push(self.single(field, kind, name, cell)?);
            }
        }
        values.sort_unstable();
        values.dedup();
        (!values.is_empty()).then_some(Value::List(values))
    }

    fn single(&mut self, field: &Field, kind: FieldKind, name: &str, cell: &RawCell) -> Option<Value> {
        if kind == FieldKind::Date
            && let Some(days) = day_of_number(cell)
            && !self.is_future(field, days)
        {
            // The usual date of a workbook, told without writing the number out.
            return Some(Value::Date(days));
        }
        let text = self.cell_text(field, kind, name, cell)?;
        match kind {
            FieldKind::Reference => self.reference(field, name, cell, text),
            FieldKind::Text | FieldKind::LongText => self.text(field, kind, name, cell, text),
            FieldKind::Integer => {
                let parsed = self.number(name, &text, parse_integer(&text))?;
                self.ranged(field, name, &text, parsed).map(Value::Integer)
            }
            FieldKind::Money => {
                let parsed = self.number(name, &text, parse_money(&text))?;
                self.ranged(field, name, &text, parsed).map(Value::Money)
            }
            FieldKind::Decimal => self.number(name, &text, decimal(&text).map(Value::Decimal)),
            FieldKind::Date => self.date(field, name, cell, &text),
            FieldKind::Timestamp => self.timestamp(name, cell, &text),
            FieldKind::Boolean => self.boolean(field, name, &text),
            FieldKind::Code => self.code(field, name, &text),
            FieldKind::Unit => match parse_unit(self.context.catalogue, name, &text) {
                Ok(unit) => Some(Value::Unit(unit)),
                Err(found) => {
                    self.out.errors.push(found);
                    None
                }
            },
            FieldKind::Attachment | FieldKind::List | FieldKind::Items => {
                self.refuse(name, "", messages::NOT_FROM_A_SHEET)
            }
        }
    }

    /// What a cell says, in its stored form, where it says one thing of the field's kind.
    fn cell_text(&mut self, field: &Field, kind: FieldKind, name: &str, cell: &RawCell) -> Option<String> {
        if let Some(error) = cell.error() {
            return self.refuse(name, error, messages::CELL_ERROR);
        }
        match cell {
            RawCell::Object | RawCell::List(_) => self.refuse(name, "", messages::NOT_SINGLE),
            // The words for it are among a list's codes, or are not.
            RawCell::Boolean(yes) if matches!(kind, FieldKind::Boolean | FieldKind::Code) => {
                Some(if *yes { "có" } else { "không" }.to_owned())
            }
            RawCell::Boolean(_) => self.refuse(name, "", messages::MADE_TRUE_OR_FALSE),
            RawCell::Serial { .. } | RawCell::Iso(_) if !may_be_a_day(kind) => {
                self.refuse(name, "", messages::MADE_A_DATE)
            }
            RawCell::Number(number)
                if number.fract() != 0.0 && matches!(kind, FieldKind::Integer | FieldKind::Money) =>
            {
                self.number(name, &number.to_string(), None)
            }
            RawCell::Text(text) | RawCell::Iso(text) => self.written(field, kind, name, text),
            RawCell::Number(number) | RawCell::Serial { days: number, .. } => Some(number_text(*number)),
            RawCell::Empty | RawCell::Error(_) => None,
        }
    }

    /// A text in its stored form, if all of it can be read.
    fn written(&mut self, field: &Field, kind: FieldKind, name: &str, text: &str) -> Option<String> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return self.refuse(name, text, messages::ENCODING);
        }
        if let Some(control) = text::control_character(text) {
            let shown = format!("U+{:04X}", u32::from(control));
            return self.refuse(name, &shown, messages::TEXT_CONTROL);
        }
        if field.check.as_deref() == Some("person_name") && text.trim().contains(['\n', '\r']) {
            return self.refuse(name, text, messages::NAME_LINES);
        }
        Some(if kind == FieldKind::LongText { text::normalise_long(text) } else { text::normalise(text) })
    }

    fn ranged(&mut self, field: &Field, name: &str, text: &str, number: i64) -> Option<i64> {
        if is_in_range(field.check.as_deref(), number) {
            return Some(number);
        }
        self.refuse(name, text, messages::NUM_RANGE)
    }

    fn number<T>(&mut self, name: &str, text: &str, parsed: Option<T>) -> Option<T> {
        if parsed.is_none() {
            self.error(name, text, messages::NUM_INVALID);
        }
        parsed
    }

    /// What leads to a person by the citizen number is read as the number itself is.
    fn reference(&mut self, field: &Field, name: &str, cell: &RawCell, text: String) -> Option<Value> {
        let target = field.target.as_deref().and_then(|target| self.context.catalogue.record_type(target));
        let key = target.and_then(|target| match target.key.fields.as_slice() {
            [key] => target.field(key),
            _ => None,
        });
        let by_number = key.is_some_and(|key| key.check.as_deref() == Some("cccd"));
        if !by_number || text.parse::<RecordId>().is_ok() {
            return self.text(field, FieldKind::Reference, name, cell, text);
        }
        match CitizenNumber::parse(&text) {
            // Lost zeros are put back only where the person's birth date and sex stand beside them and confirm it.
            Ok(number) if number.padded => self.refuse(name, &text, messages::CCCD_UNSURE),
            _ => self.citizen(name, cell, &text),
        }
    }

    fn text(
        &mut self,
        field: &Field,
        kind: FieldKind,
        name: &str,
        cell: &RawCell,
        text: String,
    ) -> Option<Value> {
        let chars_max = text_chars_max(field, kind);
        if text.chars().count() > chars_max {
            let short: String = text.chars().take(40).collect();
            return self.refuse(name, &short, messages::too_long(chars_max));
        }
        if kind != FieldKind::Reference && is_secrecy_mark(&text) {
            return self.refuse(name, "", messages::CLASSIFIED);
        }
        match field.check.as_deref() {
            Some("person_name") => return self.name(name, &text),
            Some("cccd") => return self.citizen(name, cell, &text),
            Some("phone") => return self.phone(name, &text),
            Some("party_card") if !is_party_card(&text) => {
                self.warn(name, messages::PARTY_CARD);
            }
            Some("document_number") if !is_document_number(&text) => {
                self.warn(name, messages::DOCUMENT_NUMBER);
            }
            Some("letter") if names_a_sender(&text) => {
                self.warn(name, messages::SENDER_LIKE);
            }
            Some("sha256") if !is_sha256(&text) => {
                return self.refuse(name, &text, messages::SHA256_FORM);
            }
            _ => {}
        }
        if text::formula_like(&text) {
            self.warn(name, messages::FORMULA_LIKE);
        }
        Some(Value::Text(text))
    }

    fn name(&mut self, column: &str, text: &str) -> Option<Value> {
        let text = match text.contains(['Ð', 'ð']) {
            true => Cow::Owned(text.replace('Ð', "Đ").replace('ð', "đ")),
            false => Cow::Borrowed(text),
        };
        if !is_person_name(&text) {
            return self.refuse(column, &text, messages::NAME_INVALID);
        }
        Some(Value::Text(text::title_case_name(&text)))
    }

    fn citizen(&mut self, column: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let lossy = matches!(cell, RawCell::Text(raw) if raw.contains("e+") || raw.contains("E+"));
        match CitizenNumber::parse(text) {
            Ok(number) if !lossy => {
                if number.padded {
                    self.padded = true;
                    self.warn(column, messages::padded(&number.digits));
                }
                if number.is_abroad() {
                    self.warn(column, messages::CCCD_ABROAD);
                }
                Some(Value::Text(number.digits))
            }
            Err(CitizenFault::FormerCard) => self.refuse(column, text, messages::CCCD_IS_CMND),
            Err(CitizenFault::Province) => self.refuse(column, text, messages::CCCD_PROVINCE),
            _ => self.refuse(column, text, messages::CCCD_FORMAT),
        }
    }

    fn phone(&mut self, column: &str, text: &str) -> Option<Value> {
        if let Some(digits) = phone_digits(text) {
            return Some(Value::Text(digits));
        }
        self.warn(column, messages::PHONE_INVALID);
        None
    }

    fn date(&mut self, field: &Field, name: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let parsed = match cell {
            RawCell::Serial { .. } => day_of_number(cell).ok_or(DateFault::Invalid),
            _ => parse_date(text),
        };
        let days = match parsed {
            Ok(days) => days,
            Err(DateFault::TwoDigitYear { day, month, year })
                if field.check.as_deref() == Some("birth_date") =>
            {
                self.two_digit = Some((name.to_owned(), day, month, year));
                return None;
            }
            Err(DateFault::MonthFirst) => {
                return self.refuse(name, text, messages::MONTH_FIRST);
            }
            Err(_) if is_year(text) => {
                return self.refuse(name, text, messages::ONLY_A_YEAR);
            }
            Err(_) => {
                return self.refuse(name, text, messages::DATE_INVALID);
            }
        };
        if self.is_future(field, days) {
            return self.refuse(name, text, messages::DATE_FUTURE);
        }
        Some(Value::Date(days))
    }

    fn is_future(&self, field: &Field, days: i32) -> bool {
        matches!(field.check.as_deref(), Some("past_date" | "birth_date")) && days > self.context.today
    }

    fn timestamp(&mut self, name: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let parsed = parse_instant(cell, text);
        if parsed.is_none() {
            self.error(name, text, messages::NO_INSTANT);
        }
        parsed.map(Value::Timestamp)
    }

    fn boolean(&mut self, field: &Field, name: &str, text: &str) -> Option<Value> {
        let answer = yes_or_no(text);
        if answer.is_none() {
            self.error(name, text, messages::YES_OR_NO);
        }
        if answer == Some(true) && field.check.as_deref() == Some("anonymous") {
            self.warn(name, messages::ANONYMOUS);
        }
        answer.map(Value::Boolean)
    }

    /// What a row says of its secrecy where its type has no field for that: whatever is not the lowest is too much.
    pub(super) fn secrecy(&mut self, cell: &RawCell) {
        let list = self.context.catalogue.code_list(SECRECY);
        let open = match cell {
            RawCell::Text(text) => {
                let code = list.and_then(|list| list.resolve(&text::normalise(text)));
                // “#N/A” reads like “n/a”, but what stood there nobody knows.
                let blank = cell.error().is_none() && text::is_placeholder(text);
                blank || code.is_some_and(|code| code.code == OPEN)
            }
            other => other.is_blank(),
        };
        if !open {
            self.error(SECRECY, "", messages::CLASSIFIED);
        }
    }

    fn code(&mut self, field: &Field, name: &str, text: &str) -> Option<Value> {
        let list = field.codes.as_deref().and_then(|codes| self.context.catalogue.code_list(codes))?;
        if let Some(code) = list.resolve(text).map(|code| code.code.as_str()) {
            if field.codes.as_deref() == Some(SECRECY) && code != OPEN {
                return self.refuse(name, "", messages::CLASSIFIED);
            }
            return Some(Value::Code(code.to_owned()));
        }
        let known =
            list.codes.iter().take(12).map(|code| code.label.vi.as_str()).collect::<Vec<_>>().join(", ");
        self.refuse(name, text, messages::not_listed(&known))
    }
}

/// Whether a cell that a spreadsheet takes for a date can be meant: else it has made one of something else, a letter's number
/// or a fraction.
fn may_be_a_day(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Date | FieldKind::Timestamp)
}

/// The day that a spreadsheet's number means, if it is one.
fn day_of_number(cell: &RawCell) -> Option<i32> {
    match cell {
        RawCell::Serial { days, epoch_1904 } => day_of_serial(*days, *epoch_1904),
        _ => None,
    }
}

/// What a list's cell holds: of text what semicolons and line breaks set apart.
fn members(cell: &RawCell) -> Vec<RawCell> {
    match cell {
        RawCell::List(cells) => cells.clone(),
        RawCell::Text(text) => text.split([';', '\n']).map(|part| RawCell::Text(part.to_owned())).collect(),
        other => vec![other.clone()],
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text::fold(text).as_str() {
        "co" | "x" | "true" | "1" | "yes" | "dung" | "v" => Some(true),
        "khong" | "false" | "0" | "no" | "sai" => Some(false),
        _ => None,
    }
}

/// A number as a person would have typed it: no exponent, no `.0`.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of a double")]
        let whole = number as i64;
        whole.to_string()
    } else {
        number.to_string()
    }
}

fn decimal(text: &str) -> Option<String> {
    let text = text.replace(',', ".");
    let (sign, body) = text.strip_prefix('-').map_or(("", text.as_str()), |body| ("-", body));
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || body.len() > 40 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    let number = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Some(if number == "0" { number } else { format!("{sign}{number}") })
}
