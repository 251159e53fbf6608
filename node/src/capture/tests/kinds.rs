//! A file of every kind communes send, each with the same two people.

use super::made::{self, Biff};
use super::*;

/// An old workbook whose one sheet is written by `fill`.
fn xls(fill: impl FnOnce(&mut Biff)) -> Vec<u8> {
    let mut sheet = Biff::default();
    fill(&mut sheet);
    made::xls(&[("Danh", sheet)])
}

fn people(sheet: &mut Biff) {
    for (column, title) in (0..).zip(["Họ tên", "Số CCCD", "Ngày sinh", "Bí mật"]) {
        sheet.text(1, column, title);
    }
    for (row, (name, id)) in (2..).zip([("Nguyễn Văn A", "033"), ("Trần B", "034")]) {
        sheet.text(row, 0, name);
        sheet.text(row, 1, id);
        sheet.number(row, 2, 1, 29_222.0);
        sheet.text(row, 3, "kín");
    }
}

fn ods(table: &str) -> Vec<u8> {
    made::ods(&[("Trang 1", table)])
}

const ODS: &str = "<table:table-row table:number-rows-repeated=\"3\"><table:table-cell table:number-columns-repeated=\"1024\"/></table:table-row>\
    <table:table-row><table:table-cell office:value-type=\"string\"><text:p>Họ tên</text:p></table:table-cell>\
    <table:table-cell office:value-type=\"string\"><text:p>Số CCCD</text:p></table:table-cell>\
    <table:table-cell office:value-type=\"string\"><text:p>Ngày sinh</text:p></table:table-cell></table:table-row>\
    <table:table-row><table:table-cell office:value-type=\"string\"><office:annotation><text:p>ghi chú</text:p></office:annotation><text:p>Nguyễn<text:s/>Văn A</text:p></table:table-cell>\
    <table:table-cell office:value-type=\"string\"><text:p>033</text:p>\
    <draw:frame><draw:text-box><text:p>hộp chữ</text:p></draw:text-box></draw:frame></table:table-cell>\
    <table:table-cell office:value-type=\"date\" office:date-value=\"1980-01-02\"><text:p>02/01/80</text:p></table:table-cell></table:table-row>\
    <table:table-row><table:table-cell office:value-type=\"string\"><text:p>Trần &amp; B</text:p></table:table-cell>\
    <table:table-cell office:value-type=\"float\" office:value=\"34\"><text:p>034</text:p></table:table-cell></table:table-row>\
    <table:table-row table:number-rows-repeated=\"1048000\"><table:table-cell table:number-columns-repeated=\"1024\"/></table:table-row>";

#[test]
fn an_old_workbook_gives_its_rows() {
    let (summary, rows, raw) = take("a.xls", &xls(people));
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [3, 4]);
    assert!(raw[0].iter().any(|(_, cell)| matches!(cell, RawCell::Serial { days, .. } if *days == 29_222.0)));
    assert!(summary.unwrap().omitted && !format!("{raw:?}").contains("kín"));
}

#[test]
fn an_open_document_gives_its_rows() {
    let (_, rows, raw) = take("a.ods", &ods(ODS));
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [5, 6]);
    assert!(raw[0].contains(&("ho_ten".to_owned(), RawCell::Text("Nguyễn Văn A".to_owned()))));
    assert!(raw[0].contains(&("so_cccd".to_owned(), RawCell::Text("033".to_owned()))));
    assert!(raw[0].contains(&("ngay_sinh".to_owned(), RawCell::Iso("1980-01-02".to_owned()))));
    assert!(raw[1].contains(&("ho_ten".to_owned(), RawCell::Text("Trần & B".to_owned()))));
    assert!(raw[1].contains(&("so_cccd".to_owned(), RawCell::Number(34.0))));
}

#[test]
fn workbooks_made_to_exhaust_a_reader_are_refused_or_read_in_bounds() {
    let far = xls(|sheet| {
        people(sheet);
        sheet.text(65_535, 255, "x");
    });
    assert_eq!(class("a.xls", &far), "FILE_TOO_LARGE");
    let mut huge = vec![0; 14];
    huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    huge[10..12].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(class("a.xls", &xls(|sheet| sheet.record(0x0200, &huge))), "FILE_CORRUPT");
    assert_eq!(class("a.xls", &xls(|sheet| sheet.record(0x00E5, &[9, 0, 1]))), "FILE_CORRUPT");
    let repeated = ODS.replace("number-columns-repeated=\"1024\"", "number-columns-repeated=\"4000000000\"");
    let repeated = repeated.replace("1048000", "18000000000000000000");
    assert_eq!(take("a.ods", &ods(&repeated)).1.len(), 2);
    let blanks = ODS.replace("<text:s/>", "<text:s text:c=\"4000000000\"/>");
    assert_eq!(take("a.ods", &ods(&blanks)).1.len(), 2);
}

#[test]
fn encrypted_and_entity_laden_files_are_refused_with_the_reason() {
    let encrypted = take("a.xlsx", &made::compound("/EncryptedPackage", b"x")).0.unwrap_err();
    assert!(matches!(encrypted, FileRefusal::Encrypted) && encrypted.class() == "FILE_TYPE");
    let filepass = xls(|sheet| sheet.record(0x002F, &[1, 0, 0, 0]));
    assert!(matches!(take("a.xls", &filepass).0.unwrap_err(), FileRefusal::Encrypted));
    let laughs = ods("<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>");
    assert_eq!(class("a.ods", &laughs), "FILE_TYPE");
}

#[test]
fn letters_of_legacy_fonts_become_unicode_and_it_is_said() {
    let tcvn3 = "Hä tªn;Sè CCCD;Ngµy sinh\nNguyÔn V¨n §øc;033;1\nTrÇn ThÞ H\u{AD}\u{AC}ng;034;2\n";
    let vni = "Hoï teân;Soá CCCD;Ngaøy sinh\nNguyeãn Vaên Ñöùc;033;1\nTraàn Thò Höông;034;2\n";
    let windows_1258 = "Hoò tên;Sôì CCCD;Ngày sinh\nNguyêÞn Vãn Ðýìc;033;1\nTrâÌn Thiò Hýõng;034;2\n";
    for (text, name) in [(tcvn3, "TCVN3"), (vni, "VNI"), (windows_1258, "1258")] {
        // As bytes, as an old font program's text saved in Unicode, and in a workbook.
        let (bytes, _, lost) = encoding_rs::WINDOWS_1252.encode(text);
        assert!(!lost);
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (row, line) in (0..).zip(text.lines()) {
            for (column, cell) in (0..).zip(line.split(';')) {
                sheet.write(row, column, cell).unwrap();
            }
        }
        let book = book.save_to_buffer().unwrap();
        for (file, bytes) in [("a.csv", &bytes[..]), ("b.csv", text.as_bytes()), ("c.xlsx", &book)] {
            let (summary, rows, _) = take(file, bytes);
            let summary = summary.unwrap_or_else(|refusal| panic!("{name} {file}: {refusal}"));
            assert_eq!(rows.len(), 2, "{name} {file}");
            assert_eq!(rows[0].judgement.values["ho_ten"], Value::Text("Nguyễn Văn Đức".into()));
            let said = &summary.warnings[0];
            assert!(said.rule == "ENCODING" && said.message.vi.contains(name), "{said:?}");
        }
    }
    assert_eq!(class("a.csv", b"H\xff\xffz;So CCCD\n\xfe\xfe\xb2;033\n"), "ENCODING");
}

#[test]
fn utf_16_without_a_mark_is_told_from_binary() {
    let text = "Họ tên;Số CCCD;Ngày sinh\nA;033;1\n";
    for bytes in [
        text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ] {
        assert_eq!(take("a.csv", &bytes).1.len(), 1);
    }
    assert_eq!(class("a.csv", b"\0\0\0\x01\0\x02\x03\0\0\0"), "FILE_TYPE");
}

const TWO_LEVELS: &str = r#"
name = "dang_vien"
label = { vi = "Đảng viên", en = "Member" }
key = { fields = ["so_cccd"], scope = "province" }
[[field]]
name = "so_cccd"
label = { vi = "Số CCCD", en = "Citizen id" }
type = "text"
class = "C3"
[[field]]
name = "ngay_sinh"
label = { vi = "Ngày sinh", en = "Born" }
aliases = ["Ngày tháng năm sinh"]
type = "text"
class = "C2"
[[field]]
name = "ngay_vao_dang"
label = { vi = "Ngày vào Đảng", en = "Joined" }
aliases = ["Ngày tháng năm vào Đảng"]
type = "text"
class = "C2"
[[field]]
name = "chi_bo"
label = { vi = "Chi bộ", en = "Cell" }
type = "text"
class = "C2"
[[field]]
name = "viec"
label = { vi = "Việc", en = "Tasks" }
type = "items"
item_key = ["ten_viec"]
class = "C2"
[[field.field]]
name = "ten_viec"
label = { vi = "Tên việc", en = "Task" }
type = "text"
class = "C2"
"#;

#[test]
fn two_level_headers_and_merged_cells_are_understood_on_every_sheet() {
    let mut book = Workbook::new();
    let plain = CellFormat::new();
    for (name, offset) in [("Chi bộ 1", 0), ("Chi bộ 2", 10)] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap();
        sheet.merge_range(0, 0, 0, 3, "DANH SÁCH", &plain).unwrap();
        sheet.merge_range(2, 0, 3, 0, "Chi bộ", &plain).unwrap();
        sheet.merge_range(2, 1, 3, 1, "Số CCCD", &plain).unwrap();
        sheet.merge_range(2, 2, 2, 3, "Ngày tháng năm", &plain).unwrap();
        sheet.write(3, 2, "Sinh").unwrap();
        sheet.write(3, 3, "Vào Đảng").unwrap();
        sheet.merge_range(4, 0, 5, 0, name, &plain).unwrap();
        for row in 4..6 {
            sheet.write(row, 1, format!("0{}", row + offset)).unwrap();
            sheet.write(row, 2, "1/1/1980").unwrap();
            sheet.write(row, 3, "2/2/2010").unwrap();
        }
    }
    let hidden = book.add_worksheet();
    hidden.write(0, 0, "Số CCCD").unwrap();
    hidden.write(1, 0, "099").unwrap();
    hidden.set_hidden(true);
    let bytes = book.save_to_buffer().unwrap();
    let (summary, rows, raw) = take_as(TWO_LEVELS, "a.xlsx", &bytes);
    let places: Vec<_> = rows.iter().map(|row| (row.sheet.as_deref().unwrap(), row.row)).collect();
    assert_eq!(places, [("Chi bộ 1", 5), ("Chi bộ 1", 6), ("Chi bộ 2", 5), ("Chi bộ 2", 6)]);
    let cell = |row: usize, name: &str| raw[row].iter().find(|(field, _)| field == name).unwrap().1.clone();
    assert_eq!(
        cell(1, "chi_bo"),
        RawCell::Text("Chi bộ 1".into()),
        "what a merged cell says of its second row"
    );
    assert_eq!(cell(3, "ngay_vao_dang"), RawCell::Text("2/2/2010".into()));
    assert_eq!(summary.unwrap().warnings[0].rule, "SHEET_HIDDEN");
    // The report says of each row what a merged cell said of several.
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("a.xlsx"), folder.path().join("r.xlsx"));
    std::fs::write(&path, &bytes).unwrap();
    let declared: RecordType = toml::from_str(TWO_LEVELS).unwrap();
    annotate(&path, &declared, &Annotations::default(), &out, Language::En).unwrap();
    let (_, again, again_raw) = take_as(TWO_LEVELS, "r.xlsx", &std::fs::read(&out).unwrap());
    assert_eq!((again.len(), again_raw), (4, raw));
}

#[test]
fn rows_that_state_other_items_of_one_record_add_up() {
    let text = "Số CCCD,Chi bộ,Tên việc\n1,A,một\n1,A,hai\n1,A,một\n1,B,ba\n";
    let context = |record_type: &RecordType, cells: &[(String, RawCell)]| {
        let catalogue = lienthong_proto::catalogue::Catalogue::embedded().unwrap();
        let scope = lienthong_proto::rules::UnitScope::Any("33".parse().unwrap());
        let context = lienthong_proto::rules::JudgeContext { catalogue, today: 20_000, scope };
        lienthong_proto::rules::judge_row(record_type, cells, &context)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    let (mut rows, mut judge) = (Vec::new(), context);
    let declared: RecordType = toml::from_str(TWO_LEVELS).unwrap();
    read(&open(&path).unwrap(), &declared, &mut judge, &mut |row| rows.push(row)).unwrap();
    let verdicts: Vec<Verdict> = rows.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts[..3], [Verdict::Good, Verdict::Good, Verdict::Duplicate { of: 2 }]);
    assert_eq!(rows[3].judgement.errors[0].rule, "DUP_KEY_CONFLICT");
    let items = serde_json::json!({"so_cccd": "2", "viec": [{"ten_viec": "một"}, {"ten_viec": "hai"}]});
    let mut rows = Vec::new();
    read_json_values([items], &declared, &mut judge, &mut |row| rows.push(row));
    assert_eq!(rows[0].judgement.values.len(), 3, "{rows:?}");
}

#[test]
fn a_report_is_the_officers_own_sheet_and_can_be_taken_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("a.xlsx"), folder.path().join("r.xlsx"));
    std::fs::write(&path, workbook()).unwrap();
    let mut annotations = Annotations::default();
    for row in take("a.xlsx", &workbook()).1 {
        let mut outcome = RowOutcome::of(&row, &record_type(), Language::Vi);
        outcome.status = outcome.status.or(Some(RowStatus::Created));
        annotations.note(&outcome);
    }
    annotations.note_file(&serde_json::json!({ "skipped_rows": [{ "row": 5 }, { "row": 10 }] }));
    annotate(&path, &record_type(), &annotations, &out, Language::Vi).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    let (summary, rows, raw) = take("r.xlsx", &bytes);
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [6, 7, 8, 9]);
    assert_eq!(summary.unwrap().classes.get("COLUMN_UNKNOWN"), Some(&1), "only the officer's own");
    assert!(!format!("{raw:?}").contains("kín"));
    let strings = shared_strings(&bytes);
    assert!(strings.contains("BỊ LOẠI: Số CCCD: Trùng khóa với dòng 6") && strings.contains("Đã nhập mới"));
    assert!(strings.contains("Bỏ qua: không phải bản ghi"));
    assert!(!strings.contains("kín"), "a C4 cell is not copied");
    // Reported once more, the column stands where it stood.
    annotate(&out, &record_type(), &annotations, &path, Language::Vi).unwrap();
    assert_eq!(take("a.xlsx", &std::fs::read(&path).unwrap()).1.len(), 4);
}

fn shared_strings(bytes: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut all = String::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let _ = std::io::Read::read_to_string(&mut member, &mut all);
    }
    all
}

#[test]
fn every_types_template_comes_back_as_its_type() {
    let catalogue = lienthong_proto::catalogue::Catalogue::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for declared in catalogue.record_types() {
        let path = folder.path().join("t.xlsx");
        template::write(&path, declared, catalogue).unwrap();
        let mut judge = |_: &RecordType, _: &[(String, RawCell)]| RowJudgement::default();
        let summary = read(&open(&path).unwrap(), declared, &mut judge, &mut |_| {});
        let summary = summary.unwrap_or_else(|refusal| panic!("{}: {refusal}", declared.name));
        let odd =
            |rule: &str| matches!(rule, "COLUMN_UNKNOWN" | "COLUMN_MISSING" | "C4_OMITTED" | "SHEET_HIDDEN");
        assert!(!summary.warnings.iter().any(|w| odd(&w.rule)), "{}: {:?}", declared.name, summary.warnings);
    }
}

/// Goal: a file is read as what it is, and that is said where its name says otherwise; text named like a workbook is not.
#[test]
fn a_file_named_like_another_kind_is_said() {
    let line = "{\"so_cccd\":\"033\"}\n".as_bytes();
    let said = |name: &str, bytes: &[u8]| {
        let warnings = take(name, bytes).0.unwrap().warnings;
        let of_name = warnings.into_iter().filter(|found| found.rule == "FILE_TYPE");
        of_name.map(|found| found.message.vi).collect::<Vec<_>>().join("; ")
    };
    for (name, bytes, kind) in [
        ("a.csv", workbook(), "Excel (.xlsx)"),
        ("a.XLS", workbook(), "Excel (.xlsx)"),
        ("a.xlsx", xls(people), "Excel cũ (.xls)"),
        ("a.xlsx", ods(ODS), "OpenDocument (.ods)"),
        ("a.csv", line.to_vec(), "JSON Lines"),
    ] {
        let said = said(name, &bytes);
        assert!(said.contains(kind) && said.contains(&name[1..].to_lowercase()), "{name}: {said}");
    }
    for (name, bytes) in [
        ("a.xlsx", workbook()),
        ("a.xlsm", workbook()),
        ("a.xls", xls(people)),
        ("a.ods", ods(ODS)),
        ("a.txt", "Số CCCD\n033\n".into()),
        ("a.json", line.to_vec()),
    ] {
        assert_eq!(said(name, &bytes), "", "{name}");
    }
    let refusal = take("a.xlsx", "Số CCCD\n033\n".as_bytes()).0.unwrap_err();
    assert!(
        refusal.class() == "FILE_TYPE" && refusal.message().vi.contains("đổi đuôi thành .csv"),
        "{refusal}"
    );
}
