use std::collections::BTreeMap;

use lienthong_proto::catalogue::RecordType;
use lienthong_proto::value::Value;
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Workbook};

use super::*;

mod again;
mod footers;
mod kinds;
mod lettered;
mod made;
mod marks;
mod titles;

const TYPE: &str = r#"
name = "dang_vien"
label = { vi = "Đảng viên", en = "Member" }
key = { fields = ["so_cccd"], scope = "province" }
[[field]]
name = "ho_ten"
label = { vi = "Họ và tên", en = "Full name" }
aliases = ["Họ tên"]
type = "text"
required = true
class = "C1"
[[field]]
name = "so_cccd"
label = { vi = "Số CCCD", en = "Citizen id" }
type = "text"
class = "C3"
[[field]]
name = "ngay_sinh"
label = { vi = "Ngày sinh", en = "Born" }
type = "date"
required = true
class = "C2"
[[field]]
name = "mat"
label = { vi = "Bí mật", en = "Secret" }
type = "text"
class = "C4"
"#;

fn record_type() -> RecordType {
    toml::from_str(TYPE).unwrap()
}

type Taken = (Result<FileSummary, FileRefusal>, Vec<CapturedRow>, Vec<Vec<(String, RawCell)>>);

fn take(name: &str, bytes: &[u8]) -> Taken {
    take_as(TYPE, name, bytes)
}

/// Every cell becomes text; a blank key is an error.
fn take_as(declared: &str, name: &str, bytes: &[u8]) -> Taken {
    let record_type: RecordType = toml::from_str(declared).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let (mut rows, mut raw) = (Vec::new(), Vec::new());
    let mut judge = |_: &RecordType, cells: &[(String, RawCell)]| {
        raw.push(cells.to_vec());
        let mut values = BTreeMap::new();
        for (name, cell) in cells.iter().filter(|(_, cell)| !cell.is_blank()) {
            let text =
                if let RawCell::Text(text) = cell { text.trim().to_owned() } else { format!("{cell:?}") };
            values.insert(name.clone(), Value::Text(text));
        }
        let mut judged = RowJudgement { values, ..RowJudgement::default() };
        if !judged.values.contains_key("so_cccd") {
            judged.errors.push(cell::finding("REQ_MISSING", Some("so_cccd"), String::new(), String::new()));
        }
        judged
    };
    let summary =
        open(&path).and_then(|file| read(&file, &record_type, &mut judge, &mut |row| rows.push(row)));
    (summary, rows, raw)
}

fn class(name: &str, bytes: &[u8]) -> &'static str {
    take(name, bytes).0.unwrap_err().class()
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().write(0, 0, "Hướng dẫn").unwrap();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "DANH SÁCH ĐẢNG VIÊN").unwrap();
    for (column, title) in
        ["STT", "HO\u{323} TE\u{302}N", "số cccd", "NGAY SINH", "Bí mật", "Số điện thọai"].iter().enumerate()
    {
        sheet.write(3, column as u16, *title).unwrap();
        sheet.write(4, column as u16, column as u32 + 1).unwrap();
    }
    let date = CellFormat::new().set_num_format("dd/mm/yyyy");
    for (row, (name, id)) in
        [("Nguyễn Văn A", "033"), ("Trần B", "034"), ("NGUYỄN VĂN A", "033"), ("Khác", "033")]
            .iter()
            .enumerate()
    {
        let row = row as u32 + 5;
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, *name).unwrap();
        sheet.write(row, 2, *id).unwrap();
        sheet.write_with_format(row, 3, ExcelDateTime::from_ymd(1980, 1, 2).unwrap(), &date).unwrap();
        sheet.write(row, 4, "kín").unwrap();
    }
    sheet.write(9, 0, "Tổng cộng: 4").unwrap();
    sheet.write(9, 1, "4").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_with_titles_odd_headers_and_totals_gives_its_rows() {
    let (summary, rows, raw) = take("a.xlsx", &workbook());
    let summary = summary.unwrap();
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [6, 7, 8, 9]);
    assert_eq!(rows[2].verdict, Verdict::Duplicate { of: 6 });
    assert_eq!(rows[3].judgement.errors[0].rule, "DUP_KEY_CONFLICT");
    assert_eq!((summary.rows, summary.duplicates, summary.rejected, summary.skipped), (4, 1, 1, 2));
    assert!(
        raw[0]
            .iter()
            .any(|(_, cell)| matches!(cell, RawCell::Serial { days, epoch_1904: false } if *days == 29222.0))
    );
    assert!(!format!("{raw:?}").contains("kín"));
    assert_eq!((summary.classes["C4_OMITTED"], summary.classes["COLUMN_UNKNOWN"]), (1, 1));
}

#[test]
fn of_what_stays_out_it_is_said_what_to_keep_instead() {
    let letter = lienthong_proto::catalogue::Catalogue::embedded().unwrap().record_type("don_thu").unwrap();
    let said = super::header::omitted(letter.field("nguoi_gui").unwrap()).message;
    assert!(
        said.vi.contains("sổ, hồ sơ giấy") && said.vi.contains("số vào sổ") && said.vi.contains("ẩn danh")
    );
    assert!(
        said.en.contains("paper register") && said.en.contains("number") && said.en.contains("anonymous")
    );
}

#[test]
fn a_sheet_that_claims_to_be_huge_is_read() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Số CCCD").unwrap();
    sheet.write(1, 0, "033").unwrap();
    sheet.write(1_048_575, 16_383, "x").unwrap();
    assert_eq!(take("a.xlsx", &book.save_to_buffer().unwrap()).1.len(), 1);
}

fn zipped(name: &str, size: usize, byte: u8) -> Vec<u8> {
    made::zipped(&[(name, &vec![byte; size])])
}

#[test]
fn broken_files_are_refused_whole() {
    let book = workbook();
    assert_eq!(class("a.xlsx", b""), "FILE_EMPTY");
    assert_eq!(class("a.xlsx", &book[..book.len() / 2]), "FILE_CORRUPT");
    assert_eq!(class("a.xlsx", b"%PDF-1.7 x"), "FILE_TYPE");
    assert_eq!(class("a.xls", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1]), "FILE_CORRUPT");
    assert_eq!(class("a.xls", b"<html><table><tr><td>x</td></tr></table></html>"), "FILE_TYPE");
    for (member, size, byte) in [
        ("xl/workbook.xml", 40 << 20, b'<'),
        ("xl/workbook.xml", 70_000, b'a'),
        ("xl/media/1.png", 40 << 20, 0),
    ] {
        assert_eq!(class("a.xlsx", &zipped(member, size, byte)), "FILE_TOO_LARGE", "{member} {size}");
    }
    assert_eq!(class("a.csv", b"So CCCD,Ho ten\n033,\xff\n"), "ENCODING");
    assert_eq!(class("a.csv", "Họ tên,Ngày sinh\nA,B\n".as_bytes()), "COLUMN_MISSING");
}

/// Goal: a quote that is never closed does not make one cell of all rows behind it, seen or not.
#[test]
fn a_quote_left_open_refuses_the_file_and_names_its_row() {
    for text in [
        "Họ tên,Số CCCD\nA,033\n\"B,034\nC,035\n",
        "Họ tên,Số CCCD,Ghi chú\nA,033,\nB,034,\"thép\nC,035,\n",
        "Họ tên;Số CCCD\nA;033\nB;\"034",
    ] {
        let (summary, rows, _) = take("a.csv", text.as_bytes());
        let refusal = summary.unwrap_err();
        assert_eq!(refusal.class(), "ROW_SHAPE", "{text}");
        assert!(refusal.message().vi.contains("dòng 3") && rows.is_empty(), "{text}");
    }
    // Within a cell it is a sign like another, and what is closed is closed.
    let (_, rows, _) = take("a.csv", "Họ tên,Số CCCD\nA 5\" thép,033\n\"B\"\"\",034\n".as_bytes());
    assert_eq!(rows.len(), 2);
}

/// Goal: the separator is what makes a table of the lines, however often another sign stands in them.
#[test]
fn prose_with_commas_does_not_separate() {
    let prose = "một, hai, ba, bốn, năm, sáu";
    let text = format!("Số CCCD;Họ tên;Ghi chú\n033;A;{prose}\n034;B;{prose}, bảy\n035;C;5\" thép, cũ\n");
    let (summary, rows, raw) = take("a.csv", text.as_bytes());
    assert_eq!((summary.unwrap().rows, rows.len()), (3, 3), "{raw:?}");
}

/// Goal: bytes that are nearly UTF-8 are not taken for another lettering; a stray zero is its cell's fault.
#[test]
fn a_slip_in_the_bytes_is_said_where_it_is() {
    let mut text = "Họ tên,Số CCCD\nNguyễn Văn Đức,033\nTrần Thị Hương,034\n".as_bytes().to_vec();
    let whole = text.clone();
    text[30] = 0xff;
    assert_eq!(class("a.csv", &text), "ENCODING");
    let zero = String::from_utf8(whole).unwrap().replace("Hương", "Hư\0ơng");
    let (summary, _, raw) = take("a.csv", zero.as_bytes());
    assert_eq!(summary.unwrap().rows, 2);
    assert!(raw[1].contains(&("ho_ten".to_owned(), RawCell::Text("Trần Thị Hư\0ơng".to_owned()))));
    let composed = "Họ te\u{302}n\tSố CCCD\nNguye\u{302}\u{303}n À \u{1e00}\t033\n".replace('À', "A\u{300}");
    let wide: Vec<u8> = composed.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(take("a.csv", &wide).1.len(), 1);
}

/// Goal: a cell whose letters a file's lettering does not have is not kept as signs nobody can read.
#[test]
fn a_cell_that_cannot_be_read_is_rejected() {
    let rows = "Hä tªn,Sè CCCD\nNguyÔn V¨n §øc,033\nTrÇn ThÞ H\u{ad}¬ng,034\n";
    let text = format!("{rows}Ngäc \u{d4}\u{c0}\u{c1},035\n");
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let (summary, taken, _) = take("a.csv", &bytes);
    let rules =
        |row: &CapturedRow| row.judgement.errors.iter().map(|found| found.rule.clone()).collect::<Vec<_>>();
    assert_eq!(summary.unwrap().rows, 3);
    assert!(rules(&taken[0]).is_empty() && rules(&taken[1]).is_empty(), "{taken:?}");
    assert_eq!(rules(&taken[2]), ["ENCODING"], "{taken:?}");
}

/// Goal: what a group is called is no record, also behind its number.
#[test]
fn a_numbered_group_is_no_record() {
    let text = "TT,Họ tên,Số CCCD,Ngày sinh\nI,Chi bộ thôn 1,,\n1,A,033,1/1/1980\nII.,Chi bộ thôn 2,,\n2,B,034,1/1/1980\n3,C,,\n";
    let (summary, rows, _) = take("a.csv", text.as_bytes());
    assert_eq!((summary.unwrap().skipped, rows.len()), (2, 3));
    assert_eq!(rows[2].verdict, Verdict::Rejected, "a number of its own is a record's");
}

#[test]
fn text_files_of_every_dialect_give_their_rows() {
    let mut wide = vec![0xff, 0xfe];
    wide.extend(
        "Họ tên;Số CCCD\r\n\"A; \"\"B\"\"\";033\r\n\r\nC;034".encode_utf16().flat_map(u16::to_le_bytes),
    );
    let (_, rows, _) = take("a.csv", &wide);
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(rows[0].judgement.values["ho_ten"], Value::Text("A; \"B\"".into()));
    assert_eq!(take("a.csv", "\u{feff}Số CCCD\tHọ tên\n1\tA\n".as_bytes()).1.len(), 1);
}

#[test]
fn one_bad_line_never_stops_json_lines() {
    let long = format!("{{\"so_cccd\":\"{}\"}}", "9".repeat(70_000));
    let text = format!("{{\"so_cccd\":\"1\"}}\nnot json\n{long}\n[1]\n{{\"so_cccd\":\"2\",\"mat\":\"x\"}}\n");
    let (summary, rows, raw) = take("a.jsonl", text.as_bytes());
    let summary = summary.unwrap();
    assert_eq!((summary.rows, summary.rejected, summary.classes["LINE_SYNTAX"]), (5, 3, 3));
    assert_eq!((rows[4].row, rows[4].verdict), (5, Verdict::Good));
    assert!(!format!("{raw:?}").contains("mat"));
}

#[test]
fn a_row_without_key_is_rejected_unless_it_is_a_total() {
    let text = "Họ tên,Ngày sinh,Số CCCD\nCông A,1/1/1980,\nCộng,2,\nCo\u{323}\u{302}ng nhóm,2,\nTổng cộng:,,13\nNgười lập biểu,,Bí thư\n";
    let (summary, rows, _) = take("a.csv", text.as_bytes());
    assert_eq!((rows.len(), rows[0].verdict), (1, Verdict::Rejected));
    let summary = summary.unwrap();
    let skipped: Vec<u64> = summary.skipped_rows.iter().map(|skipped| skipped.row).collect();
    assert_eq!((summary.skipped, skipped), (4, vec![3, 4, 5, 6]));
}

/// Goal: no row vanishes: one that could be a record's is named too. Method: a row with one cell that is no key; then
/// more such rows than are listed.
#[test]
fn a_row_that_is_passed_over_is_named_in_the_report() {
    let text = "Họ tên,Ngày sinh,Số CCCD\nNguyễn Văn A,1/1/1980,033\nTrần B\n,,034\n";
    let (summary, rows, _) = take("a.csv", text.as_bytes());
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [2, 4]);
    let mut report = ImportReport::new("a.csv", "dang_vien", Language::Vi);
    rows.iter().for_each(|row| report.note(row));
    report.note_file(&summary.unwrap());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["rows"], &json["skipped"]), (&2.into(), &1.into()));
    assert_eq!(json["skipped_rows"], serde_json::json!([{ "row": 3 }]));
    let mut many = String::from("Họ tên,Số CCCD\n");
    (0..SKIPPED_LISTED_MAX + 5).for_each(|_| many.push_str("nhóm\n"));
    let summary = take("a.csv", many.as_bytes()).0.unwrap();
    assert_eq!((summary.skipped, summary.skipped_rows.len()), (1_005, SKIPPED_LISTED_MAX));
}

#[test]
fn a_row_wider_than_its_header_is_rejected() {
    let (_, rows, _) = take("a.csv", "Họ tên,Số CCCD\nA,033\nB,034,x\n".as_bytes());
    assert_eq!((rows[0].verdict, rows[1].judgement.errors[0].rule.as_str()), (Verdict::Good, "ROW_SHAPE"));
}

#[test]
fn a_report_counts_rows_and_names_the_file_it_refuses() {
    let (summary, rows, _) = take("a.xlsx", &workbook());
    let mut report = ImportReport::new("a.xlsx", "dang_vien", Language::En);
    rows.iter().for_each(|row| report.note(row));
    report.note_file(&summary.unwrap());
    assert_eq!((report.rows, report.duplicates, report.rejected), (4, 1, 1));
    assert_eq!((report.errors[0].row, report.errors[0].rule.as_str()), (9, "DUP_KEY_CONFLICT"));
    let refused = ImportReport::refused("a.xls", "dang_vien", Language::Vi, &FileRefusal::Empty);
    assert_eq!((refused.rows, refused.errors[0].row, refused.errors.len()), (0, 0, 1));
    let error = cell::finding("X", None, String::new(), String::new());
    (0..FINDINGS_MAX + 3).for_each(|_| report.error(None, 1, error.clone()));
    assert_eq!((report.errors.len(), report.errors_omitted), (FINDINGS_MAX, 4));
}

/// Goal: the apostrophe that keeps a number as text is no part of it; one of a quotation, or of a name, is.
#[test]
fn an_apostrophe_before_a_number_is_taken_away() {
    let text = "Họ tên,Số CCCD\n'Hòa','033\n'+84,'12' và '13'\n";
    let (_, _, raw) = take("a.csv", text.as_bytes());
    let text = |(_, cell): &(String, RawCell)| {
        if let RawCell::Text(text) = cell { Some(text.clone()) } else { None }
    };
    assert_eq!(
        raw.iter().flatten().filter_map(text).collect::<Vec<_>>(),
        ["'Hòa'", "033", "+84", "'12' và '13'"]
    );
}

#[test]
fn an_exported_table_runs_no_formula_and_holds_no_secret() {
    use crate::export::{CsvWriter, Headers};
    let mut out = Vec::new();
    let mut table = CsvWriter::new(&mut out, &record_type(), Headers::LabelsVi).unwrap();
    let fields = serde_json::json!({"ho_ten": "=1+1", "so_cccd": "033", "mat": "x"});
    table.write(&serde_json::json!({"id": "i", "unit": "u", "fields": fields})).unwrap();
    table.finish().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "\u{feff}id,unit,Họ và tên,Số CCCD,Ngày sinh\ni,u,'=1+1,033,\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in 0_usize..6_000) {
        let mut book = workbook();
        let at = cut.min(book.len());
        let end = (at + bytes.len() / 40).min(book.len());
        book.splice(at..end, bytes.iter().copied().take(end - at));
        for (name, content) in [("a.csv", &bytes), ("a.jsonl", &bytes), ("a.xlsx", &book)] {
            let _ = take(name, content);
        }
    }
}

/// Goal: what the module's documentation says of headers is so. Method: its own table, title by title.
#[test]
fn the_headers_that_are_documented_name_their_fields() {
    let catalogue = lienthong_proto::catalogue::Catalogue::embedded().unwrap();
    let members = catalogue.record_type("dang_vien").unwrap();
    let rows = include_str!("../mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut told = 0;
    for (field, titles) in rows.filter_map(|row| row.strip_suffix(" |")?.split_once("` | ")) {
        for title in titles.split(", ") {
            assert_eq!(field_of(members, title).map(|field| field.name.as_str()), Some(field), "{title}");
            told += 1;
        }
    }
    assert!(told > 25, "{told}");
    for title in ["Xã/phường", "Tên xã", "Tên xã/phường", "Tên ĐVHC"] {
        assert!(lienthong_proto::rules::names_unit(members, title), "{title}");
    }
}
