//! A row's cells become values, or reasons why not.

use std::collections::BTreeMap;

use super::dates::{DateFault, day_of_serial, parse_date};
use super::units::{name_mismatch, parse_unit};
use super::{CitizenFault, CitizenNumber, Finding, RawCell, RowJudgement, parse_integer, parse_money};
use crate::catalogue::{Catalogue, Class, CodeList, Field, FieldKind, RecordType};
use crate::ids::UnitCode;
use crate::text;
use crate::value::{Value, civil};

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

const NAME_CHARS_MAX: usize = 80;
const TEXT_CHARS_MAX: usize = 300;
const LONG_TEXT_CHARS_MAX: usize = 20_000;
/// Days of 18 years, leap days included.
const ADULT_DAYS: i32 = 6_574;

/// Judges one row. A field that is absent from `cells` has no column and is not judged; an empty cell of a
/// required field is `REQ_MISSING`.
#[must_use]
pub fn judge_row(
    record_type: &RecordType,
    cells: &[(String, RawCell)],
    context: &JudgeContext<'_>,
) -> RowJudgement {
    let mut row =
        Row { record_type, context, out: RowJudgement::default(), items: BTreeMap::new(), two_digit: None };
    for (name, cell) in cells {
        if let Some(field) = record_type.fields.iter().find(|field| field.name == *name) {
            row.cell(field, name, cell);
        } else if let Some((parent, field)) = subfield(record_type, name) {
            row.item_cell(parent, field, cell);
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

/// The items field a bare column name of an item belongs to.
fn subfield<'a>(record_type: &'a RecordType, name: &str) -> Option<(&'a Field, &'a Field)> {
    record_type
        .fields
        .iter()
        .find_map(|parent| parent.fields.iter().find(|field| field.name == name).map(|field| (parent, field)))
}

struct Row<'a> {
    record_type: &'a RecordType,
    context: &'a JudgeContext<'a>,
    out: RowJudgement,
    /// Values of the row's one item, by items field.
    items: BTreeMap<&'a str, BTreeMap<&'a str, Value>>,
    /// A birth date whose year has two digits: only the citizen number can tell the century.
    two_digit: Option<(String, i8, i8, i16)>,
}

impl<'a> Row<'a> {
    fn error(&mut self, rule: &str, column: &str, value: &str, vi: impl Into<String>, en: impl Into<String>) {
        let mut found = Finding::new(rule, Some(column), vi, en);
        if !value.is_empty() {
            found.value = Some(value.chars().take(80).collect());
        }
        self.out.errors.push(found);
    }

    fn warn(&mut self, rule: &str, column: &str, vi: impl Into<String>, en: impl Into<String>) {
        self.out.warnings.push(Finding::new(rule, Some(column), vi, en));
    }

    fn cell(&mut self, field: &'a Field, name: &str, cell: &RawCell) {
        if field.class == Class::C4 || field.computed {
            return;
        }
        if let Some(value) = self.value(field, name, cell) {
            self.out.values.insert(field.name.clone(), value);
        }
    }

    fn item_cell(&mut self, parent: &'a Field, field: &'a Field, cell: &RawCell) {
        if field.class == Class::C4 || field.computed {
            return;
        }
        // A row without an item leaves all its columns blank: required only once one of them is filled.
        if is_nothing(cell) {
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
                    let (vi, en) = (&field.label.vi, &field.label.en);
                    let vi = format!("thiếu “{vi}” của {}", parent.label.vi);
                    self.error("REQ_MISSING", &field.name, "", vi, format!("{en} is missing"));
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

    fn value(&mut self, field: &Field, name: &str, cell: &RawCell) -> Option<Value> {
        // In a yes-or-no column `không` and `x` are answers.
        let nothing = if field.kind == FieldKind::Boolean { cell.is_blank() } else { is_nothing(cell) };
        if nothing {
            if field.required {
                let (vi, en) = (&field.label.vi, &field.label.en);
                self.error(
                    "REQ_MISSING",
                    name,
                    "",
                    format!("thiếu “{vi}”: điền vào ô này"),
                    format!("{en} is missing: fill the cell in"),
                );
            }
            return None;
        }
        if field.kind == FieldKind::List {
            return self.list(field, name, cell);
        }
        self.single(field, field.kind, name, cell)
    }

    fn list(&mut self, field: &Field, name: &str, cell: &RawCell) -> Option<Value> {
        let kind = field.member_kind();
        let cells: Vec<RawCell> = match cell {
            RawCell::List(cells) => cells.clone(),
            RawCell::Text(text) => {
                text.split([';', '\n']).map(|part| RawCell::Text(part.to_owned())).collect()
            }
            other => vec![other.clone()],
        };
        let mut values = Vec::new();
        for cell in cells.iter().filter(|cell| !is_nothing(cell)) {
            values.push(self.single(field, kind, name, cell)?);
        }
        values.sort_unstable();
        values.dedup();
        (!values.is_empty()).then_some(Value::List(values))
    }

    fn single(&mut self, field: &Field, kind: FieldKind, name: &str, cell: &RawCell) -> Option<Value> {
        let text = match cell {
            RawCell::Error(error) => {
                self.error(
                    "CELL_ERROR",
                    name,
                    error,
                    "ô có lỗi công thức: sửa công thức hoặc ghi giá trị",
                    "the cell holds an error: mend the formula or write the value",
                );
                return None;
            }
            RawCell::Object | RawCell::List(_) => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    "",
                    "ô phải là một giá trị đơn",
                    "a single value is due here",
                );
                return None;
            }
            RawCell::Text(text) | RawCell::Iso(text) => {
                if let Some(control) = text::control_character(text) {
                    let shown = format!("U+{:04X}", u32::from(control));
                    self.error(
                        "TEXT_CONTROL",
                        name,
                        &shown,
                        "ô có ký tự điều khiển: gõ lại nội dung",
                        "the cell holds a control character: type it again",
                    );
                    return None;
                }
                if kind == FieldKind::LongText { text::normalise_long(text) } else { text::normalise(text) }
            }
            RawCell::Number(number) | RawCell::Serial { days: number, .. } => number_text(*number),
            RawCell::Boolean(yes) => if *yes { "có" } else { "không" }.to_owned(),
            RawCell::Empty => return None,
        };
        match kind {
            FieldKind::Text | FieldKind::LongText | FieldKind::Reference => {
                self.text(field, kind, name, cell, text)
            }
            FieldKind::Integer => {
                let parsed =
                    parse_integer(&text).filter(|n| field.check.as_deref() != Some("positive") || *n >= 0);
                let parsed =
                    parsed.filter(|n| field.check.as_deref() != Some("year") || (1_945..=2_200).contains(n));
                self.number(name, &text, parsed.map(Value::Integer))
            }
            FieldKind::Money => {
                let parsed =
                    parse_money(&text).filter(|n| field.check.as_deref() != Some("positive") || *n >= 0);
                self.number(name, &text, parsed.map(Value::Money))
            }
            FieldKind::Decimal => self.number(name, &text, decimal(&text).map(Value::Decimal)),
            FieldKind::Date => self.date(field, name, cell, &text),
            FieldKind::Timestamp => self.timestamp(name, &text),
            FieldKind::Boolean => self.boolean(name, &text),
            FieldKind::Code => self.code(field, name, &text),
            FieldKind::Unit => match parse_unit(self.context.catalogue, name, &text) {
                Ok(unit) => Some(Value::Unit(unit)),
                Err(found) => {
                    self.out.errors.push(found);
                    None
                }
            },
            FieldKind::Attachment | FieldKind::List | FieldKind::Items => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    "",
                    "cột này không nhập được từ bảng",
                    "this column cannot be captured from a sheet",
                );
                None
            }
        }
    }

    fn number(&mut self, name: &str, text: &str, parsed: Option<Value>) -> Option<Value> {
        if parsed.is_none() {
            self.error(
                "NUM_INVALID",
                name,
                text,
                "không phải số hợp lệ: ghi số, ví dụ 1.250.000",
                "not a number that can be read: write e.g. 1.250.000",
            );
        }
        parsed
    }

    fn text(
        &mut self,
        field: &Field,
        kind: FieldKind,
        name: &str,
        cell: &RawCell,
        text: String,
    ) -> Option<Value> {
        let is_name = field.check.as_deref() == Some("person_name");
        let chars_max = match kind {
            FieldKind::LongText => LONG_TEXT_CHARS_MAX,
            _ if is_name => NAME_CHARS_MAX,
            _ => TEXT_CHARS_MAX,
        };
        if text.chars().count() > chars_max {
            let short: String = text.chars().take(40).collect();
            self.error(
                "TEXT_TOO_LONG",
                name,
                &short,
                format!("dài quá {chars_max} ký tự: rút gọn"),
                format!("longer than {chars_max} characters: shorten it"),
            );
            return None;
        }
        match field.check.as_deref() {
            Some("person_name") => return self.name(name, &text),
            Some("cccd") => return self.citizen(name, cell, &text),
            Some("phone") => return self.phone(name, &text),
            Some("party_card")
                if !matches!(text.len(), 8 | 12) || !text.bytes().all(|b| b.is_ascii_digit()) =>
            {
                self.warn(
                    "PARTY_CARD",
                    name,
                    "số thẻ thường có 8 hoặc 12 chữ số: kiểm tra lại",
                    "a card number usually has 8 or 12 digits: check it",
                );
            }
            Some("sha256") if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    &text,
                    "mã SHA-256 phải có 64 chữ số thập lục phân",
                    "a SHA-256 has 64 hexadecimal digits",
                );
                return None;
            }
            _ => {}
        }
        if text::formula_like(&text) {
            self.warn(
                "FORMULA_LIKE",
                name,
                "nội dung giống công thức; giữ nguyên, khi xuất sẽ vô hiệu hóa",
                "the text looks like a formula; kept, defused in exports",
            );
        }
        Some(Value::Text(text))
    }

    fn name(&mut self, column: &str, text: &str) -> Option<Value> {
        let text = text.replace(['Ð'], "Đ").replace('ð', "đ");
        let words = text.split(' ').count();
        let latin =
            |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}');
        let allowed = |c: char| latin(c) || matches!(c, ' ' | '\'' | '-' | '.');
        if words < 2 || text::formula_like(&text) || !text.chars().all(allowed) {
            self.error(
                "NAME_INVALID",
                column,
                &text,
                "họ tên phải có ít nhất hai từ, chỉ gồm chữ cái: gõ lại họ tên",
                "a name has at least two words of letters only: type it again",
            );
            return None;
        }
        Some(Value::Text(text::title_case_name(&text)))
    }

    fn citizen(&mut self, column: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let lossy = matches!(cell, RawCell::Text(raw) if raw.to_lowercase().contains("e+"));
        match CitizenNumber::parse(text) {
            Ok(number) if !lossy => {
                if number.padded {
                    self.warn(
                        "CCCD_PADDED",
                        column,
                        format!("đã thêm số 0 ở đầu thành {}: để ô dạng văn bản", number.digits),
                        format!("leading zeros were put back, {}: keep the cell as text", number.digits),
                    );
                }
                if number.is_abroad() {
                    self.warn(
                        "CCCD_ABROAD",
                        column,
                        "mã nơi đăng ký khai sinh ở nước ngoài: kiểm tra lại",
                        "registered as born abroad: check it",
                    );
                }
                Some(Value::Text(number.digits))
            }
            Err(CitizenFault::FormerCard) => {
                self.error(
                    "CCCD_IS_CMND",
                    column,
                    text,
                    "đây là số CMND 9 số: ghi số CCCD 12 số",
                    "this is a former 9-digit card: write the 12-digit number",
                );
                None
            }
            Err(CitizenFault::Province) => {
                self.error(
                    "CCCD_PROVINCE",
                    column,
                    text,
                    "3 số đầu không phải mã tỉnh: kiểm tra số CCCD",
                    "the first 3 digits are no province's: check the number",
                );
                None
            }
            _ => {
                self.error(
                    "CCCD_FORMAT",
                    column,
                    text,
                    "số CCCD phải có 12 chữ số: kiểm tra lại, để ô dạng văn bản",
                    "a citizen number has 12 digits: check it, keep the cell as text",
                );
                None
            }
        }
    }

    fn phone(&mut self, column: &str, text: &str) -> Option<Value> {
        let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if let Some(rest) = digits.strip_prefix("84").filter(|rest| rest.len() == 9) {
            digits = format!("0{rest}");
        }
        if digits.len() == 9 && !digits.starts_with('0') {
            digits.insert(0, '0');
        }
        let mobile =
            digits.len() == 10 && ["03", "05", "07", "08", "09"].iter().any(|p| digits.starts_with(p));
        let land = digits.len() == 11 && digits.starts_with("02");
        if mobile || land {
            return Some(Value::Text(digits));
        }
        self.warn(
            "PHONE_INVALID",
            column,
            "số điện thoại không đúng, không ghi: kiểm tra lại",
            "the phone number is not right and was left out: check it",
        );
        None
    }

    fn date(&mut self, field: &Field, name: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let parsed = match cell {
            RawCell::Serial { days, epoch_1904 } => {
                day_of_serial(*days, *epoch_1904).ok_or(DateFault::Invalid)
            }
            // A bare number in a date column is a serial that lost its format.
            RawCell::Number(days) if *days > 366.0 => day_of_serial(*days, false).ok_or(DateFault::Invalid),
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
                self.error(
                    "DATE_INVALID",
                    name,
                    text,
                    "tháng không hợp lệ; nếu ghi tháng trước ngày, hãy ghi lại ngày/tháng/năm",
                    "no such month; if month stands first, write day/month/year",
                );
                return None;
            }
            Err(_) => {
                self.error(
                    "DATE_INVALID",
                    name,
                    text,
                    "không phải ngày hợp lệ: ghi ngày/tháng/năm, ví dụ 05/01/1980",
                    "not a date that can be read: write day/month/year, e.g. 05/01/1980",
                );
                return None;
            }
        };
        let past = matches!(field.check.as_deref(), Some("past_date" | "birth_date"));
        if past && days > self.context.today {
            self.error(
                "DATE_FUTURE",
                name,
                text,
                "ngày ở tương lai: kiểm tra năm",
                "the date is in the future: check the year",
            );
            return None;
        }
        Some(Value::Date(days))
    }

    fn timestamp(&mut self, name: &str, text: &str) -> Option<Value> {
        let parsed =
            text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
        if parsed.is_none() {
            self.error(
                "DATE_INVALID",
                name,
                text,
                "không phải thời điểm RFC 3339",
                "not an RFC 3339 instant",
            );
        }
        parsed.map(|millis| Value::Timestamp(crate::time::UnixMillis(millis)))
    }

    fn boolean(&mut self, name: &str, text: &str) -> Option<Value> {
        match text::fold(text).as_str() {
            "co" | "x" | "true" | "1" | "yes" | "dung" | "v" => Some(Value::Boolean(true)),
            "khong" | "false" | "0" | "no" | "sai" => Some(Value::Boolean(false)),
            _ => {
                self.error("ENUM_UNKNOWN", name, text, "ghi “có” hoặc “không”", "write yes or no");
                None
            }
        }
    }

    fn code(&mut self, field: &Field, name: &str, text: &str) -> Option<Value> {
        let list = field.codes.as_deref().and_then(|codes| self.context.catalogue.code_list(codes))?;
        if let Some(code) = resolve(list, text) {
            if field.codes.as_deref() == Some("do_mat") && code != "THUONG" {
                self.error(
                    "CLASSIFIED",
                    name,
                    "",
                    "bản ghi có độ mật không được đưa vào hệ thống này",
                    "a classified record may not enter this system",
                );
                return None;
            }
            return Some(Value::Code(code.to_owned()));
        }
        let known =
            list.codes.iter().take(12).map(|code| code.label.vi.as_str()).collect::<Vec<_>>().join(", ");
        self.error(
            "ENUM_UNKNOWN",
            name,
            text,
            format!("không có trong danh mục: chọn một trong {known}"),
            format!("not in the list: choose one of {known}"),
        );
        None
    }

    /// Checks that only a person's cells together allow: CCCD against birth date and sex, age.
    fn person(&mut self) {
        let cccd = self.record_type.fields.iter().find(|field| field.check.as_deref() == Some("cccd"));
        let birth = self.record_type.fields.iter().find(|field| field.check.as_deref() == Some("birth_date"));
        let number = cccd
            .and_then(|field| self.text_of(&field.name))
            .and_then(|digits| CitizenNumber::parse(&digits).ok());
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
        match number.fits(born.map(jiff::civil::Date::year), female) {
            Ok(()) => {}
            Err(CitizenFault::BirthYear) => {
                self.error(
                    "CCCD_BIRTHYEAR",
                    &cccd.name,
                    &number.digits,
                    "số CCCD không khớp năm sinh: kiểm tra cả hai ô",
                    "the number does not fit the birth year: check both cells",
                );
            }
            Err(_) => {
                self.error(
                    "CCCD_CENTURY_SEX",
                    &cccd.name,
                    &number.digits,
                    "số CCCD không khớp thế kỷ sinh hoặc giới tính: kiểm tra lại",
                    "the number does not fit century of birth or sex: check",
                );
            }
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
            self.out.values.insert(column, Value::Date(crate::value::days_of(date)));
            return;
        }
        let shown = format!("{day}/{month}/{year:02}");
        self.error("DATE_INVALID", &column, &shown, "năm phải ghi đủ 4 chữ số", "the year needs 4 digits");
    }

    fn text_of(&self, name: &str) -> Option<String> {
        match self.out.values.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
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
                self.error(
                    "DATE_ORDER",
                    "ngay_vao_dang",
                    "",
                    "ngày vào Đảng trước ngày sinh: kiểm tra cả hai ô",
                    "joined before birth: check both cells",
                );
            } else if joined - born < ADULT_DAYS {
                // Before 1976 members of 17 were lawful: said, not refused.
                if joined >= 2_191 {
                    self.error(
                        "AGE_UNDER_18",
                        "ngay_vao_dang",
                        "",
                        "vào Đảng khi chưa đủ 18 tuổi: kiểm tra ngày sinh, ngày vào Đảng",
                        "joined before the age of 18: check the dates",
                    );
                } else {
                    self.warn(
                        "AGE_UNDER_18",
                        "ngay_vao_dang",
                        "vào Đảng khi chưa đủ 18 tuổi",
                        "joined before the age of 18",
                    );
                }
            }
        }
        if let (Some(joined), Some(official)) = (joined, official)
            && official < joined
        {
            self.error(
                "DATE_ORDER",
                "ngay_chinh_thuc",
                "",
                "ngày chính thức trước ngày vào Đảng: kiểm tra cả hai ô",
                "official before joining: check both cells",
            );
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
                self.error(
                    "STATE_INCONSISTENT",
                    "ngay_hoan_thanh",
                    "",
                    "đã khắc phục nhưng thiếu ngày hoàn thành: bổ sung ngày",
                    "mended without a date: add it",
                );
            }
        }
    }

    fn unit(&mut self, cells: &[(String, RawCell)]) {
        let field = self.record_type.unit_field.as_deref();
        let stated = field.and_then(|field| match self.out.values.get(field) {
            Some(Value::Unit(unit)) => Some(unit.clone()),
            _ => None,
        });
        if let Some(unit) = &stated {
            let name = cells.iter().find(|(name, _)| name == "ten_xa");
            if let Some((column, RawCell::Text(text))) = name
                && name_mismatch(self.context.catalogue, unit, text)
            {
                let title = self.context.catalogue.units().title(unit);
                self.error(
                    "CODE_NAME_MISMATCH",
                    column,
                    text,
                    format!("mã {unit} là {title}: mã và tên không khớp"),
                    format!("{unit} is {title}: code and name disagree"),
                );
            }
        }
        self.out.unit = match (&self.context.scope, stated) {
            (UnitScope::Own(own), Some(unit)) if unit != *own => {
                let title = self.context.catalogue.units().title(&unit);
                let column = field.unwrap_or_default().to_owned();
                self.error(
                    "UNIT_FOREIGN",
                    &column,
                    unit.as_str(),
                    format!("dòng này của {title}: gửi cho đơn vị đó"),
                    format!("this row is {title}'s: send it there"),
                );
                Some(unit)
            }
            (UnitScope::Own(own), _) => Some(own.clone()),
            (UnitScope::Any(_), Some(unit)) => Some(unit),
            (UnitScope::Any(own), None) => Some(own.clone()),
        };
    }
}

fn is_nothing(cell: &RawCell) -> bool {
    match cell {
        RawCell::Text(text) => text::is_placeholder(text),
        other => other.is_blank(),
    }
}

fn resolve<'a>(list: &'a CodeList, text: &str) -> Option<&'a str> {
    let exact = list.codes.iter().find(|code| code.code == text);
    let folded = || {
        let wanted = text::fold(text);
        list.codes.iter().find(|code| {
            text::fold(&code.code) == wanted
                || text::fold(&code.label.vi) == wanted
                || code.aliases.iter().any(|alias| text::fold(alias) == wanted)
        })
    };
    exact.or_else(folded).map(|code| code.code.as_str())
}

/// A number as a person would have typed it: no exponent, no `.0`.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        format!("{number:.0}")
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
