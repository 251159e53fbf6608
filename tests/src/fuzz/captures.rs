//! Files officers bring: separated text, JSON lines, workbooks of three kinds, and the parts inside of them.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use lienthong_node::capture::{self, RowJudgement, Verdict};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::rules::{JudgeContext, RawCell, UnitScope, judge_row};

use super::{Bound, Target};
use crate::made::{self, Biff};

/// Reading a workbook takes a buffer for each archive member, tables of strings and styles, and a thread.
const BOUND: Bound = Bound { each: 1_024, base: 8 << 20 };

pub(super) const TARGETS: &[Target] = &[
    Target { name: "csv", run: |data| take("a.csv", data), seeds: texts, bound: BOUND, rounds: 400 },
    Target { name: "jsonl", run: |data| take("a.jsonl", data), seeds: json_lines, bound: BOUND, rounds: 400 },
    Target { name: "xlsx", run: |data| take("a.xlsx", data), seeds: workbooks, bound: BOUND, rounds: 300 },
    Target { name: "xlsx_sheet", run: sheet, seeds: sheets, bound: BOUND, rounds: 400 },
    Target { name: "ods", run: |data| take("a.ods", data), seeds: documents, bound: BOUND, rounds: 200 },
    Target { name: "ods_content", run: content, seeds: contents, bound: BOUND, rounds: 300 },
    Target { name: "xls", run: |data| take("a.xls", data), seeds: old_workbooks, bound: BOUND, rounds: 400 },
];

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
}

/// A file is read to its end or refused: each row once, in order, and counted as what became of it.
fn take(name: &str, data: &[u8]) {
    let path: PathBuf = FOLDER.with(|folder| folder.path().join(name));
    std::fs::write(&path, data).unwrap();
    let Ok(source) = capture::open(&path) else { return };
    let catalogue = Catalogue::embedded().unwrap();
    let declared = catalogue.record_type("dang_vien").unwrap();
    let scope = UnitScope::Own("11953".parse().unwrap());
    let context = JudgeContext { catalogue, today: 20_500, scope };
    let mut judge = |t: &_, cells: &[(String, RawCell)]| -> RowJudgement { judge_row(t, cells, &context) };
    let (mut rows, mut duplicates, mut rejected) = (0, 0, 0);
    let read = capture::read(&source, declared, &mut judge, &mut |row| {
        rows += 1;
        match row.verdict {
            Verdict::Good => assert!(row.judgement.errors.is_empty(), "a row with errors is good"),
            Verdict::Duplicate { .. } => duplicates += 1,
            Verdict::Rejected => rejected += 1,
        }
    });
    if let Ok(summary) = read {
        assert_eq!((summary.rows, summary.duplicates, summary.rejected), (rows, duplicates, rejected));
    }
}

const HEAD: &str = "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã";

fn texts() -> Vec<Vec<u8>> {
    let rows = "Nguyễn Văn An,02/03/1975,Nam,033075000001,01/02/2000,Chi bộ 1,11953\n\
                Trần Thị Hòa,5/6/1980,Nữ,'033180000002,,\"Chi bộ \"\"2\"\"\",11953\n\
                Nguyễn Văn An,02/03/1975,Nam,033075000001,01/02/2000,Chi bộ 1,11953\n\
                Tổng cộng,3,,,,,\n";
    let plain = format!("{HEAD}\n{rows}");
    let semicolons = format!("\u{FEFF}{}", plain.replace(',', ";"));
    let wide: Vec<u8> =
        std::iter::once(0xFEFF).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let quoted = format!("{HEAD}\n\"{}", "x".repeat(3_000));
    let columns = format!("{}\n", ",".repeat(5_000));
    vec![
        plain.clone().into_bytes(),
        semicolons.into_bytes(),
        wide,
        plain.replace(',', "\t").into_bytes(),
        quoted.into_bytes(),
        columns.into_bytes(),
    ]
}

fn json_lines() -> Vec<Vec<u8>> {
    let row =
        r#"{"ho_ten":"Nguyễn Văn An","so_cccd":"033075000001","ngay_sinh":"1975-03-02","ma_xa":"11953"}"#;
    let nested = format!("{{\"ho_ten\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    vec![
        format!("{row}\n{row}\n").into_bytes(),
        format!("{row}\nnull\n[1]\n{{\"ho_ten\":{{}},\"so_cccd\":33075000001}}\n").into_bytes(),
        format!("{{\"ho_ten\":\"a\",\"ho_ten\":\"b\"}}\n{nested}\n").into_bytes(),
    ]
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // No time of its own: the same bytes each time.
    let plain = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    let stored = plain.compression_method(zip::CompressionMethod::Stored);
    let packed = plain.compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in members {
        archive.start_file(*name, if bytes.len() > 100_000 { packed } else { stored }).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// A workbook of one sheet.
fn workbook(sheet: &[u8]) -> Vec<u8> {
    let relations = |target: &str, kind: &str| {
        format!(
            "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let book = format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Trang 1\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
    );
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
                 <Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>";
    zipped(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", relations("xl/workbook.xml", "officeDocument").as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations("worksheets/sheet1.xml", "worksheet").as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}

fn rows_xml() -> String {
    let rows: [&[&str]; 3] = [
        &["Họ và tên", "Ngày sinh", "Số CCCD", "Mã xã"],
        &["Nguyễn Văn An", "02/03/1975", "033075000001", "11953"],
        &["Trần Thị Hòa", "#29222", "033180000002", "11953"],
    ];
    let cell = |row: usize, column: usize, text: &str| {
        let place = format!("{}{}", char::from(b'A' + column as u8), row + 1);
        match text.strip_prefix('#') {
            Some(number) => format!("<c r=\"{place}\"><v>{number}</v></c>"),
            None => format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>"),
        }
    };
    let row = |(at, cells): (usize, &&[&str])| {
        let cells: String = cells.iter().enumerate().map(|(column, text)| cell(at, column, text)).collect();
        format!("<row r=\"{}\">{cells}</row>", at + 1)
    };
    rows.iter().enumerate().map(row).collect()
}

fn sheets() -> Vec<Vec<u8>> {
    let of = |head: &str, tail: &str| {
        format!("<worksheet xmlns=\"{MAIN}\">{head}<sheetData>{}</sheetData>{tail}</worksheet>", rows_xml())
    };
    let entities =
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY lol \"&b;&b;&b;\">]>";
    let merged = "<mergeCells><mergeCell ref=\"A2:A3\"/><mergeCell ref=\"A1:XFD1048576\"/></mergeCells>";
    let far = of("<dimension ref=\"A1:XFD1048576\"/>", merged);
    let last = of("", "").replace("r=\"3\"", "r=\"1048576\"").replace("D3", "XFD1048576");
    [of("", ""), far, last, format!("{entities}{}", of("", "").replace("Hòa", "&lol;"))]
        .map(String::into_bytes)
        .to_vec()
}

fn sheet(data: &[u8]) {
    take("a.xlsx", &workbook(data));
}

fn workbooks() -> Vec<Vec<u8>> {
    let blanks = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{}", " ".repeat(2 << 20));
    let mut all: Vec<Vec<u8>> = sheets().iter().map(|sheet| workbook(sheet)).collect();
    all.push(workbook(blanks.as_bytes()));
    all.push(zipped(&[("../../xl/workbook.xml", b"<workbook/>")]));
    all
}

fn contents() -> Vec<Vec<u8>> {
    let of = |rows: &str| {
        format!(
            "<?xml version=\"1.0\"?><office:document-content><office:body><office:spreadsheet>\
             <table:table table:name=\"Trang 1\">{rows}</table:table></office:spreadsheet></office:body>\
             </office:document-content>"
        )
    };
    let cell = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let row = |cells: &[&str]| {
        let cells: String = cells.iter().map(|text| cell(text)).collect();
        format!("<table:table-row>{cells}</table:table-row>")
    };
    let rows = row(&["Họ và tên", "Ngày sinh", "Số CCCD", "Mã xã"])
        + &row(&["Nguyễn Văn An", "02/03/1975", "033075000001", "11953"]);
    let far = "<table:table-row table:number-rows-repeated=\"1048000\">\
               <table:table-cell table:number-columns-repeated=\"16384\" office:value-type=\"float\" office:value=\"1\"/>\
               </table:table-row>";
    let nested = "<text:span>".repeat(2_000);
    [of(&rows), of(&format!("{rows}{far}")), of(&rows.replace("Nguyễn", &nested))]
        .map(String::into_bytes)
        .to_vec()
}

fn document(content: &[u8]) -> Vec<u8> {
    let kind = b"application/vnd.oasis.opendocument.spreadsheet";
    zipped(&[("mimetype", kind), ("content.xml", content)])
}

fn content(data: &[u8]) {
    take("a.ods", &document(data));
}

fn documents() -> Vec<Vec<u8>> {
    contents().iter().map(|content| document(content)).collect()
}

/// A workbook of before 2007, record by record.
fn old_workbooks() -> Vec<Vec<u8>> {
    let mut sheet = Biff::default();
    let rows = [["Họ và tên", "Số CCCD", "Mã xã"], ["Nguyễn Văn An", "033075000001", "11953"]];
    for (row, cells) in (0..).zip(rows) {
        for (column, text) in (0..).zip(cells) {
            sheet.text(row, column, text);
        }
    }
    sheet.number(1, 3, 0, 29_222.0);
    sheet.merge((0, 2), (1, 2));
    vec![made::xls(&[("Danh", sheet)])]
}
