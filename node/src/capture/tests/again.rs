//! What was rejected once is rejected again: also out of the report, and however the file is cut.

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::rules::{JudgeContext, UnitScope, judge_row};

use super::*;

/// Reads members by the rules of the catalogue, as their commune does.
fn members(name: &str, bytes: &[u8]) -> Vec<CapturedRow> {
    let catalogue = Catalogue::embedded().unwrap();
    let context = JudgeContext { catalogue, today: 20_780, scope: UnitScope::Own("11953".parse().unwrap()) };
    let mut judge = |declared: &RecordType, cells: &[(String, RawCell)]| judge_row(declared, cells, &context);
    let (folder, mut rows) = (tempfile::tempdir().unwrap(), Vec::new());
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let declared = catalogue.record_type("dang_vien").unwrap();
    read(&open(&path).unwrap(), declared, &mut judge, &mut |row| rows.push(row)).unwrap();
    rows
}

/// The report of what became of those rows.
fn report_of(name: &str, bytes: &[u8], rows: &[CapturedRow]) -> Vec<u8> {
    let declared = Catalogue::embedded().unwrap().record_type("dang_vien").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join(name), folder.path().join("report.xlsx"));
    std::fs::write(&path, bytes).unwrap();
    let mut annotations = Annotations::default();
    for row in rows {
        let mut outcome = RowOutcome::of(row, declared, Language::Vi);
        outcome.status = outcome.status.or(Some(RowStatus::Created));
        annotations.note(&outcome);
    }
    annotate(&path, declared, &annotations, &out, Language::Vi).unwrap();
    std::fs::read(&out).unwrap()
}

const HEAD: [&str; 8] =
    ["Họ và tên", "Ngày sinh", "Giới tính", "Số CCCD", "Ngày vào Đảng", "Chi bộ", "Chức vụ", "Quê quán"];

/// A member's cells up to the office held.
fn person(number: usize) -> [String; 6] {
    let id = format!("0330800001{number:02}");
    ["Nguyễn Văn An", "05/01/1980", "Nam", id.as_str(), "03/02/2005", "Chi bộ 1"].map(str::to_owned)
}

fn classes(row: &CapturedRow) -> Vec<&str> {
    row.judgement.errors.iter().map(|found| found.rule.as_str()).collect()
}

/// A workbook with whatever a cell can hold that no text is.
fn odd_cells() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let date = CellFormat::new().set_num_format("dd/mm/yyyy");
    for (column, title) in (0..).zip(HEAD) {
        sheet.write(0, column, title).unwrap();
    }
    for row in 1..8_u16 {
        for (column, text) in (0..).zip(person(row.into())) {
            sheet.write(row.into(), column, text).unwrap();
        }
    }
    let failed = rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!");
    sheet.write(1, 6, failed).unwrap();
    sheet.write(2, 6, "#N/A").unwrap();
    sheet.write(3, 6, true).unwrap();
    sheet.write_with_format(4, 6, ExcelDateTime::from_ymd(2026, 1, 2).unwrap(), &date).unwrap();
    sheet.write(5, 6, "Bí\u{1}thư").unwrap();
    sheet.write(6, 6, "=Bí thư").unwrap();
    sheet.write(7, 6, "Phó bí thư").unwrap();
    // What stands beside the table is nobody's cell, in the report too.
    sheet.write(7, 10, "đã xem").unwrap();
    book.save_to_buffer().unwrap()
}

/// The same of an open document: its dates and errors are written out.
fn odd_document() -> Vec<u8> {
    let cell = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let row = |cells: &[String]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let mut rows = row(&HEAD.map(cell));
    let error = |kind: &str, shown: &str| {
        format!("<table:table-cell {kind}><text:p>{shown}</text:p></table:table-cell>")
    };
    let odd = [
        error("office:value-type=\"date\" office:date-value=\"2026-01-02\"", "02/01/26"),
        error("office:value-type=\"date\" office:date-value=\"2026-01-02T08:30:00\"", "02/01/26"),
        error("office:value-type=\"date\" office:date-value=\"1880-01-02\"", "02/01/1880"),
        error("office:value-type=\"string\" calcext:value-type=\"error\"", "Err:502"),
        error("table:formula=\"of:=[.A1]\"", ""),
        error("office:value-type=\"string\" calcext:value-type=\"error\"", "#LỖI!"),
        error("office:value-type=\"boolean\" office:boolean-value=\"true\"", "TRUE"),
        cell("Bí thư"),
    ];
    for (number, last) in odd.into_iter().enumerate() {
        let mut cells = person(number + 20).map(|text| cell(&text)).to_vec();
        // A birth date is one, in the report as well.
        cells[1] = error("office:value-type=\"date\" office:date-value=\"1980-01-05\"", "05/01/80");
        rows += &row(&[cells, vec![last]].concat());
    }
    made::ods(&[("Trang 1", &rows)])
}

/// Text in which cells are lost, too many, or told as a spreadsheet's errors.
fn odd_text() -> Vec<u8> {
    let mut text = HEAD.join(",");
    for (number, rest) in (40..).zip([
        ",Bí thư,",
        ",#REF!,Hưng Yên",
        ",Bí thư, Phố Hiến,Hưng Yên",
        ",Bí thư, Phố Hiến,",
        ",Hưng Yên",
        ",,",
    ]) {
        text += &format!("\n{}{rest}", person(number).join(","));
    }
    text.into_bytes()
}

/// Text of a font of before Unicode, with letters that the font does not have.
fn odd_letters() -> Vec<u8> {
    let head = "Hä vµ tªn,Ngµy sinh,Giíi tÝnh,Sè CCCD,Ngµy vµo §¶ng,Chi bé,Chøc vô,Quª qu¸n";
    let rows = [
        "NguyÔn V¨n An,05/01/1980,Nam,033080000160,03/02/2005,Chi bé th«n 1,BÝ th\u{ad},H\u{ad}ng Yªn",
        "TrÇn V¨n §øc,05/01/1980,Nam,033080000161,03/02/2005,Chi bé \u{d4}\u{c0}\u{c1},BÝ th\u{ad},H\u{ad}ng Yªn",
        "Lª V¨n Th¾ng,05/01/1980,Nam,033080000162,03/02/2005,Chi bé th«n 2,BÝ th\u{ad},H\u{ad}ng Yªn",
    ];
    let text = format!("{head}\n{}\n", rows.join("\n"));
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// For each row, the classes it is rejected for.
type Rejected = &'static [&'static [&'static str]];

/// Goal: the report taken in again as it is changes nothing: what was rejected is so once more, what was good is the same.
/// Method: files of four kinds with a row of each class that only their own kind tells; both readings are held against each
/// other, and the report of the report too.
#[test]
fn a_report_that_nobody_mended_changes_nothing() {
    let files: [(&str, Vec<u8>, Rejected); 4] = [
        (
            "a.xlsx",
            odd_cells(),
            &[
                &["CELL_ERROR"],
                &["CELL_ERROR"],
                &["TYPE_MISMATCH"],
                &["TYPE_MISMATCH"],
                &["TEXT_CONTROL"],
                &[],
                &[],
            ],
        ),
        (
            "a.ods",
            odd_document(),
            &[
                &["TYPE_MISMATCH"],
                &["TYPE_MISMATCH"],
                &["TYPE_MISMATCH"],
                &["CELL_ERROR"],
                &["CELL_ERROR"],
                &["CELL_ERROR"],
                &["TYPE_MISMATCH"],
                &[],
            ],
        ),
        ("a.csv", odd_text(), &[&[], &["CELL_ERROR"], &["ROW_SHAPE"], &["ROW_SHAPE"], &["ROW_SHAPE"], &[]]),
        ("b.csv", odd_letters(), &[&[], &["ENCODING"], &[]]),
    ];
    for (name, bytes, expected) in files {
        let first = members(name, &bytes);
        assert_eq!(first.iter().map(classes).collect::<Vec<_>>(), expected, "{name}");
        let report = report_of(name, &bytes, &first);
        let again = report_of("report.xlsx", &report, &members("report.xlsx", &report));
        for report in [report, again] {
            let second = members("report.xlsx", &report);
            assert_eq!(second.len(), first.len(), "{name}");
            for (first, second) in first.iter().zip(&second) {
                assert_eq!((first.row, first.verdict), (second.row, second.verdict), "{name}: {second:?}");
                if first.verdict == Verdict::Good {
                    assert_eq!(first.judgement.values, second.judgement.values, "{name}");
                }
            }
        }
    }
}

/// The first data row stands in row 2; `!` a row rejected for its shape, `?` one that is warned of, `.` any other.
fn shapes(text: &str) -> String {
    let declared = TYPE.replace("ngay_sinh", "ngay_sinh_khai");
    let (summary, rows, _) = take_as(&declared, "a.csv", text.as_bytes());
    summary.unwrap();
    let is_shape = |found: &[Finding]| found.iter().any(|found| found.rule == "ROW_SHAPE");
    let told = |row: &CapturedRow| match (is_shape(&row.judgement.errors), is_shape(&row.judgement.warnings))
    {
        (true, _) => '!',
        (false, true) => '?',
        (false, false) => '.',
    };
    rows.iter().map(told).collect()
}

/// Goal: a row with a cell too many or too few is told from one whose program leaves out blank cells or adds some. Method: rows as
/// Excel, other programs and hands write them.
#[test]
fn a_row_is_as_wide_as_its_header_and_those_beside_it() {
    let head = "Họ tên,Số CCCD,Ngày sinh,Chức vụ,Quê quán\n";
    let full = |number: usize, rest: &str| format!("A,{number:03},1/1/1980{rest}\n");
    let of = |rests: &[&str]| {
        let rows: String = (0..).zip(rests).map(|(number, rest)| full(number, rest)).collect();
        format!("{head}{rows}")
    };
    for (rests, expected) in [
        (&[",Bí thư,", ",Bí thư, Phố Hiến,", ",,"][..], ".!."),
        (&[",Bí thư,Hưng Yên", ",Bí thư, Phố Hiến,Hưng Yên"], ".!"),
        (&[",Bí thư, Phố Hiến,"], "!"),
        (&[",Bí thư,", ",Hưng Yên", ""], ".!!"),
        (&[",Bí thư,Hưng Yên", ",Bí thư", ""], ".??"),
        (&[",Bí thư", ",Bí thư"], ".."),
        (&[",Bí thư,,,", ",,Hưng Yên,,"], ".."),
        (&[",Bí thư,,,x", ",,Hưng Yên,,"], "!."),
        (&[",Bí thư"], "?"),
    ] {
        assert_eq!(shapes(&of(rests)), expected, "{rests:?}");
    }
    // Excel leaves out separators of sixteen rows at a time; the header is among the first.
    let excel: String = (2..40).map(|row| full(row, if row <= 16 { ",," } else { "" })).collect();
    assert_eq!(shapes(&format!("{head}{excel}")), ".".repeat(38));
    let slip = excel.replace("A,005,1/1/1980,,", "A,005,1/1/1980,");
    assert_eq!(shapes(&format!("{head}{slip}")).find('!'), Some(3));
    assert_eq!(shapes(&format!("DANH SÁCH\n\n{}", of(&[",Bí thư,", ",,"]))), "..");
    let cut = of(&[",Bí thư", ",Bí thư"]);
    assert_eq!(shapes(cut.trim_end()), ".?", "a file may be cut in its last line");
    assert_eq!(shapes(of(&[",Bí thư,Hưng Yên", ",,"]).trim_end()), "..");
}

/// Goal: of two values under one key none is taken; nor of a file that is no JSON lines at all.
#[test]
fn json_that_is_not_one_object_a_line_is_told() {
    let text = "{\"so_cccd\":\"1\",\"Họ tên\":\"A\",\"Họ tên\":\"B\"}\n\
                {\"so_cccd\":\"2\",\"fields\":{\"so_cccd\":\"3\",\"so_cccd\":\"4\"}}\n\
                {\"so_cccd\":\"5\",\"x\":[{\"a\":1.5,\"b\":-1,\"c\":[null,true,18446744073709551615]}]}\n\
                {\"so_cccd\":\"6\"} {}\n";
    let (summary, rows, _) = take("a.jsonl", text.as_bytes());
    summary.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (classes(row), row.verdict)).collect();
    assert_eq!(found[0], (vec!["ROW_SHAPE"], Verdict::Rejected));
    assert_eq!(rows[0].judgement.errors[0].column.as_deref(), Some("Họ tên"));
    assert_eq!(found[1].0, ["ROW_SHAPE"]);
    assert_eq!(found[2], (vec![], Verdict::Good));
    assert_eq!(found[3].0, ["LINE_SYNTAX"]);
    let wide: Vec<u8> = "{\"so_cccd\":\"1\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(class("a.jsonl", &wide), "ENCODING");
    assert_eq!(class("a.jsonl", &[b"\xff\xfe", &wide[..]].concat()), "ENCODING");
    for name in ["a.json", "a.jsonl", "a.txt"] {
        let refusal = take(name, b"\xef\xbb\xbf [\n {\"so_cccd\":\"1\"}\n]\n").0.unwrap_err();
        assert_eq!(refusal.class(), "FILE_TYPE");
        assert!(refusal.message().vi.contains("mỗi dòng một đối tượng"), "{name}");
    }
}
