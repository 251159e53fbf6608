//! A cell becomes a value of its field's kind, or a reason why not.

use std::borrow::Cow;

use super::dates::{DateFault, day_of_serial, is_year, parse_date, parse_instant};
use super::forms::{
    is_document_number, is_in_range, is_party_card, is_person_name, is_sha256, phone_digits, text_chars_max,
};
use super::row::Row;
use super::secrecy::{OPEN, SECRECY};
use super::sender::names_a_sender;
use super::units::parse_unit;
use super::{CitizenFault, CitizenNumber, RawCell, parse_integer, parse_money};
use crate::catalogue::{Field, FieldKind};
use crate::ids::RecordId;
use crate::text;
use crate::value::Value;

impl Row<'_> {
    pub(super) fn value(&mut self, field: &Field, name: &str, cell: &RawCell) -> Option<Value> {
        if self.says_nothing(field, cell) {
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

    /// What a cell says, in its stored form, where it says one thing of the field's kind.
    fn cell_text(&mut self, field: &Field, kind: FieldKind, name: &str, cell: &RawCell) -> Option<String> {
        if let Some(error) = cell.error() {
            self.error(
                "CELL_ERROR",
                name,
                error,
                "ô có lỗi công thức: sửa công thức hoặc ghi giá trị",
                "the cell holds an error: mend the formula or write the value",
            );
            return None;
        }
        match cell {
            RawCell::Object | RawCell::List(_) => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    "",
                    "ô phải là một giá trị đơn",
                    "a single value is due here",
                );
                None
            }
            // The words for it are among a list's codes, or are not.
            RawCell::Boolean(yes) if matches!(kind, FieldKind::Boolean | FieldKind::Code) => {
                Some(if *yes { "có" } else { "không" }.to_owned())
            }
            RawCell::Boolean(_) => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    "",
                    "ô chứa giá trị đúng/sai (TRUE/FALSE): để ô dạng văn bản rồi gõ lại nội dung",
                    "the cell holds true or false: set it to text and type its content again",
                );
                None
            }
            RawCell::Serial { .. } | RawCell::Iso(_) if !may_be_a_day(kind) => {
                self.error(
                    "TYPE_MISMATCH",
                    name,
                    "",
                    "bảng tính đã đổi ô này thành ngày tháng: để ô dạng văn bản rồi gõ lại nội dung",
                    "the spreadsheet has made a date of this cell: set it to text and type its content again",
                );
                None
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
            self.error(
                "ENCODING",
                name,
                text,
                "ô có chữ không đọc được (\u{FFFD}): gõ lại nội dung",
                "the cell has letters that could not be read (\u{FFFD}): type it again",
            );
            return None;
        }
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
        if field.check.as_deref() == Some("person_name") && text.trim().contains(['\n', '\r']) {
            self.error(
                        "NAME_INVALID",
                        name,
                        text,
                        "ô có nhiều dòng: mỗi người ghi một dòng của bảng; nếu là một người, ghi họ tên trên một dòng",
                        "the cell has several lines: each person takes a row; of one person, write the name in one line",
                    );
            return None;
        }
        Some(if kind == FieldKind::LongText { text::normalise_long(text) } else { text::normalise(text) })
    }

    fn ranged(&mut self, field: &Field, name: &str, text: &str, number: i64) -> Option<i64> {
        if is_in_range(field.check.as_deref(), number) {
            return Some(number);
        }
        self.error(
            "NUM_RANGE",
            name,
            text,
            "số ngoài khoảng cho phép (số âm, hoặc năm không hợp lý): ghi lại số",
            "the number is out of range (negative, or no likely year): write it again",
        );
        None
    }

    fn number<T>(&mut self, name: &str, text: &str, parsed: Option<T>) -> Option<T> {
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
            Ok(number) if number.padded => {
                self.unsure_number(name, &text);
                None
            }
            _ => self.citizen(name, cell, &text),
        }
    }

    /// A lost zero is put back only where the person's birth date and sex stand beside it and confirm it.
    pub(super) fn unsure_number(&mut self, column: &str, text: &str) {
        self.error(
            "CCCD_FORMAT",
            column,
            text,
            "số CCCD thiếu chữ số, không có ngày sinh và giới tính để đối chiếu: ghi đủ 12 số, để ô dạng văn bản",
            "digits are missing, and no birth date and sex to check them by: write all 12, keep the cell as text",
        );
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
            Some("party_card") if !is_party_card(&text) => {
                self.warn(
                    "PARTY_CARD",
                    name,
                    "số thẻ thường có 8 hoặc 12 chữ số: kiểm tra lại",
                    "a card number usually has 8 or 12 digits: check it",
                );
            }
            Some("document_number") if !is_document_number(&text) => {
                self.warn(
                    "DOCUMENT_NUMBER",
                    name,
                    "số văn bản thường ghi số-loại/cơ quan, ví dụ 12-TB/UBKTTU: kiểm tra lại",
                    "a document's number is usually number-kind/body, e.g. 12-TB/UBKTTU: check it",
                );
            }
            Some("letter") if names_a_sender(&text) => {
                self.warn(
                    "SENDER_LIKE",
                    name,
                    "có vẻ nêu người gửi đơn (họ tên, điện thoại hoặc số CCCD): bỏ đi, chỉ giữ số vào sổ và đơn có ẩn danh hay không",
                    "it seems to name the sender (name, phone or citizen number): take that out; the register's number and whether it is anonymous are kept",
                );
            }
            Some("sha256") if !is_sha256(&text) => {
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
        let text = match text.contains(['Ð', 'ð']) {
            true => Cow::Owned(text.replace('Ð', "Đ").replace('ð', "đ")),
            false => Cow::Borrowed(text),
        };
        if !is_person_name(&text) {
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
        let lossy = matches!(cell, RawCell::Text(raw) if raw.contains("e+") || raw.contains("E+"));
        match CitizenNumber::parse(text) {
            Ok(number) if !lossy => {
                if number.padded {
                    self.padded = true;
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
        if let Some(digits) = phone_digits(text) {
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
                self.error(
                    "DATE_INVALID",
                    name,
                    text,
                    "tháng không hợp lệ; nếu ghi tháng trước ngày, hãy ghi lại ngày/tháng/năm",
                    "no such month; if month stands first, write day/month/year",
                );
                return None;
            }
            Err(_) if is_year(text) => {
                self.error(
                    "DATE_INVALID",
                    name,
                    text,
                    "chỉ có năm: ghi đủ ngày/tháng/năm, ví dụ 05/01/1980",
                    "only a year: write day/month/year, e.g. 05/01/1980",
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
        if self.is_future(field, days) {
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

    fn is_future(&self, field: &Field, days: i32) -> bool {
        matches!(field.check.as_deref(), Some("past_date" | "birth_date")) && days > self.context.today
    }

    fn timestamp(&mut self, name: &str, cell: &RawCell, text: &str) -> Option<Value> {
        let parsed = parse_instant(cell, text);
        if parsed.is_none() {
            self.error(
                "DATE_INVALID",
                name,
                text,
                "không phải thời điểm: ghi ngày/tháng/năm giờ:phút, ví dụ 05/01/2026 08:30",
                "no instant: write day/month/year hour:minute, e.g. 05/01/2026 08:30",
            );
        }
        parsed.map(Value::Timestamp)
    }

    fn boolean(&mut self, field: &Field, name: &str, text: &str) -> Option<Value> {
        let answer = yes_or_no(text);
        if answer.is_none() {
            self.error("ENUM_UNKNOWN", name, text, "ghi “có” hoặc “không”", "write yes or no");
        }
        if answer == Some(true) && field.check.as_deref() == Some("anonymous") {
            self.warn(
                "ANONYMOUS",
                name,
                "đơn không rõ người gửi: không thụ lý như tố cáo, khiếu nại; nếu nội dung có căn cứ rõ thì lập dấu hiệu vi phạm từ đơn này, không thì lưu",
                "nobody signs the letter: it is not taken up as a denunciation or complaint; where it gives clear evidence enter a sign from it, otherwise file it",
            );
        }
        answer.map(Value::Boolean)
    }

    fn classified(&mut self, name: &str) {
        self.error(
            "CLASSIFIED",
            name,
            "",
            "bản ghi có độ mật không được đưa vào hệ thống này: lưu theo chế độ văn bản mật của đơn vị; ở đây chỉ ghi số vào sổ và phần không mật, độ mật “Thường”",
            "a classified record may not enter this system: keep it as classified papers are kept; here only its number in the register and what is not classified are entered, as “Thường”",
        );
    }

    /// What a row says of its secrecy where its type has no field for that: whatever is not the lowest is too much.
    pub(super) fn secrecy(&mut self, cell: &RawCell) {
        let list = self.context.catalogue.code_list(SECRECY);
        let open = match cell {
            RawCell::Text(text) => {
                let code = list.and_then(|list| list.resolve(&text::normalise(text)));
                text::is_placeholder(text) || code.is_some_and(|code| code.code == OPEN)
            }
            other => other.is_blank(),
        };
        if !open {
            self.classified(SECRECY);
        }
    }

    fn code(&mut self, field: &Field, name: &str, text: &str) -> Option<Value> {
        let list = field.codes.as_deref().and_then(|codes| self.context.catalogue.code_list(codes))?;
        if let Some(code) = list.resolve(text).map(|code| code.code.as_str()) {
            if field.codes.as_deref() == Some(SECRECY) && code != OPEN {
                self.classified(name);
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
