//! A workbook to fill in: a column for each field, drop-downs from the code lists, checks as one types.

use std::path::Path;

use lienthong_proto::catalogue::{Catalogue, CodeList, Field, FieldKind, RecordType};
use rust_xlsxwriter::{
    Color, DataValidation, DataValidationErrorStyle, DataValidationRule, ExcelDateTime, Format, FormatAlign,
    Formula, Workbook, Worksheet, XlsxError,
};

use crate::export::sheet_fields;

/// Rows prepared for typing.
const ROWS: u32 = 5_000;
/// The hidden sheet with the code lists.
pub(super) const LISTS: &str = "Danh mục";
const INPUT: &str = "Nhập liệu";
/// What a message beside a cell can hold.
const MESSAGE_CHARS_MAX: usize = 250;

/// Writes the template of a type to `out`.
///
/// # Errors
/// [`XlsxError`] if the workbook cannot be written.
pub fn write(out: &Path, record_type: &RecordType, catalogue: &Catalogue) -> Result<(), XlsxError> {
    let fields: Vec<&Field> = sheet_fields(record_type).collect();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(INPUT)?;
    let head = Format::new()
        .set_bold()
        .set_text_wrap()
        .set_align(FormatAlign::Center)
        .set_align(FormatAlign::VerticalCenter)
        .set_background_color(Color::RGB(0x00E8_EEF7));
    let must = head.clone().set_font_color(Color::RGB(0x00B0_1E1E));
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_row_height(0, 32)?;
    let mut lists: Vec<(&CodeList, u16)> = Vec::new();
    for (column, field) in (0_u16..).zip(&fields) {
        let required = field.required || record_type.key.fields.contains(&field.name);
        // The star is passed over when headers are compared.
        let title = if required { format!("{} *", field.label.vi) } else { field.label.vi.clone() };
        sheet.write_string_with_format(0, column, title, if required { &must } else { &head })?;
        sheet.set_column_width(column, width(field))?;
        sheet.set_column_format(column, &Format::new().set_num_format(number_format(field)))?;
        let list = field.codes.as_deref().and_then(|name| catalogue.code_list(name));
        let place = list.map(|list| match lists.iter().find(|(known, _)| known.name == list.name) {
            Some((_, place)) => *place,
            None => {
                let place = u16::try_from(lists.len()).unwrap_or(u16::MAX);
                lists.push((list, place));
                place
            }
        });
        if let Some(validation) = validation(field, list, place, required)? {
            sheet.add_data_validation(1, column, ROWS, column, &validation)?;
        }
    }
    write_lists(workbook.add_worksheet(), &lists)?;
    write_notes(workbook.add_worksheet(), record_type, &fields, catalogue)?;
    workbook.save(out)
}

fn width(field: &Field) -> f64 {
    match field.kind {
        FieldKind::LongText => 45.0,
        FieldKind::Text | FieldKind::List | FieldKind::Reference => 24.0,
        _ => 16.0,
    }
}

/// Numbers people know by their digits are text, so that no zero is lost.
fn number_format(field: &Field) -> &'static str {
    match field.kind {
        FieldKind::Date => "dd/mm/yyyy",
        FieldKind::Money => "#,##0",
        FieldKind::Integer => "0",
        FieldKind::Decimal => "General",
        _ => "@",
    }
}

fn validation(
    field: &Field,
    list: Option<&CodeList>,
    place: Option<u16>,
    required: bool,
) -> Result<Option<DataValidation>, XlsxError> {
    let hint = hint(field, list, required);
    let validation = DataValidation::new();
    let validation = match (field.kind, list, place) {
        // Several codes go into one cell, set apart by semicolons: no drop-down fits.
        (FieldKind::Code, Some(list), Some(place)) => {
            let column = rust_xlsxwriter::column_number_to_name(place);
            let last = list.codes.len() + 1;
            validation
                .allow_list_formula(Formula::new(format!("='{LISTS}'!${column}$2:${column}${last}")))
                .set_error_title("Không có trong danh mục")?
                .set_error_message("Chọn một giá trị trong danh sách.")?
        }
        (FieldKind::Date, ..) => {
            let (first, last) =
                (ExcelDateTime::from_ymd(1900, 3, 1)?, ExcelDateTime::from_ymd(2100, 12, 31)?);
            validation
                .allow_date(DataValidationRule::Between(first, last))
                .set_error_title("Ngày không hợp lệ")?
                .set_error_message("Ghi ngày/tháng/năm, ví dụ 05/01/1980.")?
        }
        (FieldKind::Boolean, ..) => validation.allow_list_strings(&["có", "không"])?,
        (FieldKind::Integer | FieldKind::Money, ..) => validation
            .allow_decimal_number(DataValidationRule::Between(-1e15, 1e15))
            .set_error_title("Không phải số")?
            .set_error_message("Ghi một số, ví dụ 1250000.")?,
        _ if field.check.as_deref() == Some("cccd") => validation
            .allow_text_length(DataValidationRule::EqualTo(12))
            .set_error_title("Số CCCD không đúng")?
            .set_error_message("Số CCCD có 12 chữ số.")?,
        _ if hint.is_empty() => return Ok(None),
        _ => validation.allow_any_value(),
    };
    // Excel's own check is a help; what a cell means is judged when it is taken in.
    let validation = validation.set_error_style(DataValidationErrorStyle::Warning);
    let title: String = field.label.vi.chars().take(32).collect();
    Ok(Some(validation.set_input_title(title)?.set_input_message(hint)?))
}

/// What a field wants, in a sentence or two.
fn hint(field: &Field, list: Option<&CodeList>, required: bool) -> String {
    let form = match field.kind {
        FieldKind::Date => "Ngày/tháng/năm, ví dụ 05/01/1980.",
        FieldKind::Money => "Số tiền, đồng.",
        FieldKind::Integer => "Số nguyên.",
        FieldKind::Decimal => "Số.",
        FieldKind::Boolean => "có hoặc không.",
        FieldKind::List => "Nhiều giá trị cách nhau bằng dấu chấm phẩy (;).",
        FieldKind::Unit => "Mã 5 số của xã, phường.",
        FieldKind::Reference => "Số hiệu (khóa) của bản ghi liên quan.",
        _ => match field.check.as_deref() {
            Some("cccd") => "12 chữ số, giữ số 0 ở đầu.",
            Some("person_name") => "Họ và tên đầy đủ, có dấu.",
            Some("phone") => "10 chữ số.",
            _ if list.is_some() => "Chọn trong danh mục.",
            _ => "",
        },
    };
    let must = if required { "Bắt buộc. " } else { "" };
    format!("{must}{form}").trim().chars().take(MESSAGE_CHARS_MAX).collect()
}

fn write_lists(sheet: &mut Worksheet, lists: &[(&CodeList, u16)]) -> Result<(), XlsxError> {
    sheet.set_name(LISTS)?;
    sheet.set_hidden(true);
    for (list, column) in lists {
        sheet.write_string(0, *column, &list.label.vi)?;
        for (row, code) in (1_u32..).zip(&list.codes) {
            sheet.write_string(row, *column, &code.label.vi)?;
        }
    }
    Ok(())
}

fn write_notes(
    sheet: &mut Worksheet,
    record_type: &RecordType,
    fields: &[&Field],
    catalogue: &Catalogue,
) -> Result<(), XlsxError> {
    sheet.set_name("Hướng dẫn")?;
    let bold = Format::new().set_bold();
    let wrap = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    for (column, width) in [(0, 32.0), (1, 40.0), (2, 70.0)] {
        sheet.set_column_width(column, width)?;
    }
    sheet.write_string_with_format(0, 0, format!("Mẫu nhập: {}", record_type.label.vi), &bold)?;
    sheet.write_string(
        1,
        0,
        "Cột có dấu * là bắt buộc. Mỗi dòng một bản ghi; ô trống không xóa dữ liệu đã có.",
    )?;
    sheet.write_string(2, 0, "Không ghi tên, địa chỉ người gửi đơn hoặc nội dung có độ mật vào tệp này.")?;
    for (column, title) in (0_u16..).zip(["Cột", "Cách ghi", "Giá trị nhận"]) {
        sheet.write_string_with_format(4, column, title, &bold)?;
    }
    for (row, field) in (5_u32..).zip(fields) {
        let list = field.codes.as_deref().and_then(|name| catalogue.code_list(name));
        let required = field.required || record_type.key.fields.contains(&field.name);
        sheet.write_string_with_format(row, 0, &field.label.vi, &wrap)?;
        sheet.write_string_with_format(row, 1, hint(field, list, required), &wrap)?;
        let codes: Vec<&str> =
            list.iter().flat_map(|list| &list.codes).map(|code| code.label.vi.as_str()).collect();
        sheet.write_string_with_format(row, 2, codes.join("; "), &wrap)?;
    }
    Ok(())
}
