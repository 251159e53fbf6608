//! What an officer has in hand: the workbook to fill in, the report of what was wrong, and how far a long import is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use calamine::{Data, Reader as _, SheetVisible, Xlsx};
use lienthong_node::control::Connection;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_proto::catalogue::{Catalogue, Class, CodeList, Field, FieldKind, RecordType};
use lienthong_tests::made::zipped;
use lienthong_tests::office::{Office, UNIT, classes, counts};
use lienthong_tests::sheets::{Cell, Sheet, xlsx};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

/// A sheet's texts by row and column.
fn texts(book: &mut Xlsx<Cursor<Vec<u8>>>, sheet: &str) -> Vec<Vec<String>> {
    let range = book.worksheet_range(sheet).unwrap();
    range.rows().map(|row| row.iter().map(Data::to_string).collect()).collect()
}

/// An archive's members.
fn members(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = archive.len();
    let read = |at| {
        let mut member = archive.by_index(at).unwrap();
        let (name, mut bytes) = (member.name().unwrap().into_owned(), Vec::new());
        member.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    (0..count).map(read).collect()
}

/// What a column of a template checks and says.
#[derive(Debug, Clone, Default, PartialEq)]
struct Check {
    kind: String,
    style: String,
    operator: String,
    title: String,
    prompt: String,
    fault: String,
    formulas: Vec<String>,
}

/// The checks of a sheet's markup by column, as "C"; each holds for the same rows.
fn checks(markup: &str) -> BTreeMap<String, Check> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let pieces = markup.split("<dataValidation ").skip(1);
    let check = |piece: &str| {
        let (tag, rest) = piece.split_once('>').unwrap();
        let tag = format!(" {tag}");
        let inner = rest.split("</dataValidation>").next().unwrap();
        let formulas = ["formula1", "formula2"].iter().filter_map(|name| {
            let (_, rest) = inner.split_once(&format!("<{name}>"))?;
            Some(rest.split_once('<')?.0.replace("&quot;", "\""))
        });
        let of = |name: &str| attribute(&tag, name).unwrap_or_default();
        let rows = of("sqref");
        let column = rows.trim_end_matches("2:").split('2').next().unwrap().to_owned();
        assert_eq!(rows, format!("{column}2:{column}5001"));
        let formulas = if tag.ends_with('/') { Vec::new() } else { formulas.collect() };
        let check = Check {
            kind: of("type"),
            style: of("errorStyle"),
            operator: of("operator"),
            title: of("promptTitle"),
            prompt: of("prompt"),
            fault: of("error"),
            formulas,
        };
        (column, check)
    };
    pieces.map(check).collect()
}

/// The captured fields of a type, items' ones too; none of class C4.
fn captured(declared: &RecordType) -> Vec<&Field> {
    let open = |field: &&Field| field.class != Class::C4;
    let own = declared.fields.iter().filter(|field| field.fields.is_empty());
    let of_items = declared.fields.iter().filter(open).flat_map(|field| &field.fields);
    let all = own.chain(of_items).filter(open);
    all.filter(|field| field.kind != FieldKind::Attachment).collect()
}

fn letter(column: usize) -> String {
    rust_xlsxwriter::utility::column_number_to_name(u16::try_from(column).unwrap())
}

/// The words of a drop-down that points at the sheet of lists.
fn pointed_at<'a>(formula: &str, lists: &'a [Vec<String>]) -> Vec<&'a str> {
    let range = formula.strip_prefix("'Danh mục'!$").unwrap_or_else(|| panic!("{formula}"));
    let (column, rows) = range.split_once("$2:$").unwrap();
    let last: usize = rows.strip_prefix(column).unwrap().strip_prefix('$').unwrap().parse().unwrap();
    let column = (0..).find(|at| letter(*at) == column).unwrap();
    let words: Vec<&str> = lists[1..last].iter().map(|row| row[column].as_str()).collect();
    let below = lists.get(last).map_or("", |row| row[column].as_str());
    assert_eq!(below, "", "{formula} leaves something out");
    words
}

/// Holds a template to its type.
fn held(declared: &RecordType, catalogue: &Catalogue, bytes: &[u8]) {
    let name = &declared.name;
    let mut book = Xlsx::new(Cursor::new(bytes.to_vec())).unwrap();
    let shown: Vec<(&str, SheetVisible)> =
        book.sheets_metadata().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    let hidden = ("Danh mục", SheetVisible::Hidden);
    assert_eq!(shown, [("Nhập liệu", SheetVisible::Visible), hidden, ("Hướng dẫn", SheetVisible::Visible)]);
    let (titles, lists) = (texts(&mut book, "Nhập liệu").remove(0), texts(&mut book, "Danh mục"));
    let notes = texts(&mut book, "Hướng dẫn");
    let checks = checks(std::str::from_utf8(&members(bytes)["xl/worksheets/sheet1.xml"]).unwrap());
    let fields = captured(declared);
    assert_eq!(titles.len(), fields.len(), "{name}");
    for (column, (field, title)) in fields.iter().zip(&titles).enumerate() {
        let must = field.required || declared.key.fields.contains(&field.name);
        assert_eq!(*title, format!("{}{}", field.label.vi, if must { " *" } else { "" }), "{name}");
        let what = format!("{name}.{}", field.name);
        let found = checks.get(&letter(column));
        let list = field.codes.as_deref().map(|codes| catalogue.code_list(codes).unwrap());
        let words = |list: &CodeList| list.codes.iter().map(|code| code.label.vi.clone()).collect::<Vec<_>>();
        let note = notes.iter().find(|note| note[0] == field.label.vi).unwrap_or_else(|| panic!("{what}"));
        assert_eq!(note[2], list.map(words).unwrap_or_default().join("; "), "{what}");
        assert_eq!(note[1].contains("Bắt buộc"), must, "{what}");
        let Some(check) = found else {
            let plain = matches!(field.kind, FieldKind::Text | FieldKind::LongText | FieldKind::Timestamp);
            assert!(plain && !must, "{what} has neither a check nor a note");
            continue;
        };
        assert_eq!(check.prompt, note[1], "{what}");
        assert!(field.label.vi.starts_with(&check.title) && !check.title.is_empty(), "{what}");
        match (field.kind, list) {
            (FieldKind::Code, Some(list)) => {
                assert_eq!(check.kind, "list", "{what}");
                assert_eq!(pointed_at(&check.formulas[0], &lists), words(list), "{what}");
                assert!(check.prompt.ends_with("Chọn trong danh mục."), "{what}");
            }
            (FieldKind::Boolean, _) => assert_eq!(check.formulas, ["\"có,không\""], "{what}"),
            (FieldKind::Date, _) => {
                assert_eq!((check.kind.as_str(), check.formulas.len()), ("date", 2), "{what}");
                assert!(
                    check.fault.contains("05/01/1980") && check.prompt.contains("Ngày/tháng/năm"),
                    "{what}"
                );
            }
            (FieldKind::Integer | FieldKind::Money, _) => {
                assert_eq!(
                    (check.kind.as_str(), check.fault.as_str()),
                    ("decimal", "Ghi một số, ví dụ 1250000.")
                );
            }
            _ if field.check.as_deref() == Some("cccd") => {
                let length = (check.kind.as_str(), check.operator.as_str(), check.formulas[0].as_str());
                assert_eq!(length, ("textLength", "equal", "12"), "{what}");
            }
            _ => assert_eq!(check.kind, "", "{what}: only a note"),
        }
        // A check helps and refuses nothing: what a cell means is judged when it is taken in.
        assert!(check.kind.is_empty() || check.style == "warning", "{what}");
    }
}

/// What an officer writes into a row of a template, with the words its drop-downs offer.
struct Filled<'a> {
    place: usize,
    checks: &'a BTreeMap<String, Check>,
    lists: &'a [Vec<String>],
    female: bool,
}

impl Filled<'_> {
    fn words(&self, column: usize) -> Vec<&str> {
        pointed_at(&self.checks[&letter(column)].formulas[0], self.lists)
    }

    fn cell(&self, column: usize, field: &Field) -> String {
        let place = self.place;
        let citizen = || format!("033{}80{place:06}", u8::from(self.female));
        match (field.kind, field.check.as_deref()) {
            // A record that is marked classified is not for here.
            (FieldKind::Code, _) if field.codes.as_deref() == Some("do_mat") => {
                self.words(column)[0].to_owned()
            }
            (FieldKind::Code, _) => {
                let words = self.words(column);
                words[place % words.len()].to_owned()
            }
            (FieldKind::Boolean, _) => ["có", "không"][place % 2].to_owned(),
            (_, Some("birth_date")) => "05/01/1980".to_owned(),
            (FieldKind::Date, _) => format!("{:02}/{:02}/2020", place % 28 + 1, place / 28 + 1),
            (FieldKind::Timestamp, _) => "2026-01-05T08:00:00Z".to_owned(),
            (_, Some("year")) => "2025".to_owned(),
            (FieldKind::Integer | FieldKind::Money | FieldKind::Decimal, _) => (place + 1).to_string(),
            (FieldKind::Unit, _) => UNIT.to_owned(),
            (FieldKind::Reference, _) if field.target.as_deref() == Some("dang_vien") => citizen(),
            (_, Some("cccd")) => citizen(),
            (_, Some("person_name")) => "Nguyễn Thị Hòa".to_owned(),
            (_, Some("phone")) => "0912345678".to_owned(),
            (_, Some("party_card")) => "12345678".to_owned(),
            (_, Some("sha256")) => format!("{place:064x}"),
            (_, Some("document_number")) => format!("{:02}-QĐ/ĐU", place + 1),
            _ => format!("Nội dung {place}"),
        }
    }
}

/// All values that records have under a name, sorted; also those of their items.
fn values(fields: &Json, name: &str, into: &mut Vec<Json>) {
    match fields {
        Json::Object(object) => {
            into.extend(object.get(name).filter(|value| !value.is_array()).cloned());
            object.values().for_each(|inner| values(inner, name, into));
        }
        Json::Array(list) => list.iter().for_each(|inner| values(inner, name, into)),
        _ => {}
    }
}

/// Goal: every type's template leads to rows that are taken in. Method: each is made by the command, held to the catalogue
/// in its markup, then filled in below its own header with every word of every drop-down, and imported.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_says_what_to_write_and_what_it_offers_is_taken() {
    let office = Office::open(PROGRAM).await;
    let catalogue = Catalogue::embedded().unwrap();
    for declared in catalogue.record_types() {
        let (name, path) = (&declared.name, office.path("template.xlsx"));
        let made = office.run(&["template", "--type", name, "--out", path.to_str().unwrap()]);
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        let bytes = std::fs::read(&path).unwrap();
        held(declared, catalogue, &bytes);

        let mut members = members(&bytes);
        let markup = String::from_utf8(members["xl/worksheets/sheet1.xml"].clone()).unwrap();
        let (checks, fields) = (checks(&markup), captured(declared));
        let lists = texts(&mut Xlsx::new(Cursor::new(bytes)).unwrap(), "Danh mục");
        let codes =
            |field: &&&Field| field.kind == FieldKind::Code && field.codes.as_deref() != Some("do_mat");
        let listed = |field: &Field| catalogue.code_list(field.codes.as_deref().unwrap()).unwrap();
        let most = fields.iter().filter(codes).map(|field| listed(field).codes.len()).max().unwrap_or(1);
        let mut rows = String::new();
        for place in 0..most {
            let mut filled = Filled { place, checks: &checks, lists: &lists, female: false };
            let sex = fields.iter().position(|field| field.name == "gioi_tinh");
            filled.female = sex.is_some_and(|column| filled.cell(column, fields[column]) == "Nữ");
            rows += &format!("<row r=\"{}\">", place + 2);
            for (column, field) in fields.iter().enumerate() {
                let (at, text) = (letter(column), filled.cell(column, field));
                rows += &format!("<c r=\"{at}{}\" t=\"inlineStr\"><is><t>{text}</t></is></c>", place + 2);
            }
            rows += "</row>";
        }
        let markup = markup.replace("</sheetData>", &format!("{rows}</sheetData>"));
        members.insert("xl/worksheets/sheet1.xml".to_owned(), markup.into_bytes());
        let members: Vec<(&str, &[u8])> =
            members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let report = office.take(name, "filled.xlsx", &zipped(&members)).await;
        let most_rows = most as u64;
        assert_eq!(counts(&report), [most_rows, most_rows, 0, 0, 0, 0], "{name}: {report:#}");

        // What rows are beside each other, lead to, or say beside their own other cells, is made up here.
        let beside = [
            "REF_UNKNOWN",
            "HOMONYM",
            "ANONYMOUS",
            "POSSIBLE_SAME_LETTER",
            "STATE_INCONSISTENT",
            "DATE_ORDER",
        ];
        let mut said =
            report["warnings"].as_array().unwrap().iter().map(|found| found["rule"].as_str().unwrap());
        assert_eq!(said.find(|rule| !beside.contains(rule)), None, "{name}: {report:#}");
        let records: Json = office.list(name).await.iter().map(|record| record["fields"].clone()).collect();
        for field in fields.iter().filter(codes) {
            let mut found = Vec::new();
            values(&records, &field.name, &mut found);
            let list = listed(field);
            let mut expected: Vec<Json> =
                (0..most).map(|place| json!(list.codes[place % list.codes.len()].code)).collect();
            found.sort_by_key(Json::to_string);
            expected.sort_by_key(Json::to_string);
            assert_eq!(found, expected, "{name}.{}", field.name);
        }
    }
    office.province.hub.close().await;
}

const TITLES: [&str; 10] = [
    "Họ và tên",
    "Ngày sinh",
    "Giới tính",
    "Số CCCD",
    "Ngày vào Đảng",
    "Chi bộ",
    "Mã xã",
    "Diện quản lý",
    "Tình trạng",
    "Ghi chú riêng",
];

/// A member's row: name, birth date, number, cell, and what the officer noted beside it.
fn person(name: &str, born: &str, number: &str, cell: &str, note: &str) -> Vec<Cell> {
    let cells = [name, born, "Nam", number, "03/02/2005", cell, UNIT, "Chi bộ", "Chính thức", note];
    cells.into_iter().map(Cell::from).collect()
}

/// Goal: the report is the officer's own sheet; mended there and taken in again, the rows that were rejected are taken and
/// nothing else changes. Method: the cells named in it are overwritten in the very file, as a spreadsheet would.
#[tokio::test(flavor = "multi_thread")]
async fn rows_mended_in_the_report_are_taken_and_nothing_else_changes() {
    let office = Office::open(PROGRAM).await;
    let sheet = |name, rows: Vec<Vec<Cell>>| {
        let head = TITLES.into_iter().map(Cell::from).collect();
        Sheet { name, rows: [vec![head], rows].concat(), ..Sheet::default() }
    };
    let known = person("Phạm Văn Em", "05/01/1980", "033080000305", "Chi bộ cũ", "");
    assert_eq!(counts(&office.import("dang_vien", "b.xlsx", &xlsx(&[sheet("Cũ", vec![known])])))[1], 1);
    let first = sheet(
        "Chi bộ 1",
        vec![
            person("Nguyễn Văn An", "05/01/1980", "033080000301", "Chi bộ 1", "=1+1"),
            person("Trần Văn Bình", "31/02/1980", "033080000302", "Chi bộ 1", "hỏi lại"),
            person("Lê Văn Cường", "05/01/1980", "33080000303x", "Chi bộ 1", ""),
            person("Nguyễn Văn An", "05/01/1980", "033080000301", "Chi bộ 1", "=1+1"),
            vec![Cell::from("Tổng cộng: 4")],
        ],
    );
    let second = sheet(
        "Chi bộ 2",
        vec![
            person("Hoàng Văn Dũng", "05/01/1980", "033080000304", "Chi bộ 2", ""),
            person("Phạm Văn Em", "05/01/1981", "033080000305", "Chi bộ mới", ""),
        ],
    );
    let (path, report) = (office.path("a.xlsx"), office.path("report.xlsx"));
    std::fs::write(&path, xlsx(&[first, second])).unwrap();
    let import = |path: &std::path::Path| {
        let report = report.to_str().unwrap();
        office.json(&["import", path.to_str().unwrap(), "--type", "dang_vien", "--report", report])
    };
    let taken = import(&path);
    assert_eq!(counts(&taken), [6, 2, 0, 0, 1, 3], "{taken:#}");
    let wrong = [(3, "CCCD_BIRTHYEAR"), (3, "DATE_INVALID"), (4, "CCCD_FORMAT")];
    assert_eq!(classes(&taken["errors"]), wrong, "{taken:#}");

    let bytes = std::fs::read(&report).unwrap();
    let mut book = Xlsx::new(Cursor::new(bytes.clone())).unwrap();
    let (first, second) = (texts(&mut book, "Chi bộ 1"), texts(&mut book, "Chi bộ 2"));
    let said = |sheet: &[Vec<String>], at: usize| sheet[at].last().unwrap().clone();
    assert_eq!(first[0][..TITLES.len()], TITLES);
    assert_eq!(first[1][..2], ["Nguyễn Văn An", "05/01/1980"]);
    assert_eq!(first[2][9], "hỏi lại", "the officer's own column is kept");
    assert!(said(&first, 2).starts_with("BỊ LOẠI: Ngày sinh: không phải ngày hợp lệ"), "{first:?}");
    assert!(said(&first, 3).starts_with("BỊ LOẠI: Số CCCD: "), "{first:?}");
    assert!(said(&first, 4).starts_with("Trùng với dòng 2"), "{first:?}");
    assert_eq!([said(&first, 1), said(&second, 1)], ["Đã nhập mới", "Đã nhập mới"]);
    assert!(said(&second, 2).starts_with("BỊ LOẠI: Số CCCD: "), "{second:?}");

    let before = office.list("dang_vien").await;
    let mut members = members(&bytes);
    for (sheet, from, to) in [
        (1, "31/02/1980", "28/02/1980"),
        (1, "33080000303x", "033080000303"),
        (2, "05/01/1981", "05/01/1980"),
    ] {
        let name = format!("xl/worksheets/sheet{sheet}.xml");
        let markup = String::from_utf8(members[&name].clone()).unwrap();
        assert_eq!(markup.matches(&format!(">{from}<")).count(), 1, "{from}");
        members.insert(name, markup.replace(&format!(">{from}<"), &format!(">{to}<")).into_bytes());
    }
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let mended = office.path("mended.xlsx");
    std::fs::write(&mended, zipped(&members)).unwrap();
    let taken = import(&mended);
    assert_eq!(counts(&taken), [6, 2, 1, 2, 1, 0], "{taken:#}");
    let after = office.list("dang_vien").await;
    let changed = |record: &&Json| record["fields"]["so_cccd"] == "033080000305";
    for record in before.iter().filter(|record| !changed(record)) {
        assert!(after.contains(record), "{record}");
    }
    let mut told: Vec<String> = after
        .iter()
        .map(|record| &record["fields"])
        .map(|of| {
            [&of["so_cccd"], &of["ho_ten"], &of["ngay_sinh"], &of["chi_bo"]]
                .map(|v| v.as_str().unwrap())
                .join("|")
        })
        .collect();
    told.sort();
    let expected = [
        "033080000301|Nguyễn Văn An|1980-01-05|Chi bộ 1",
        "033080000302|Trần Văn Bình|1980-02-28|Chi bộ 1",
        "033080000303|Lê Văn Cường|1980-01-05|Chi bộ 1",
        "033080000304|Hoàng Văn Dũng|1980-01-05|Chi bộ 2",
        "033080000305|Phạm Văn Em|1980-01-05|Chi bộ mới",
    ];
    assert_eq!(told, expected);
    // Once more, and nothing is left to do.
    let again = import(&report.with_file_name("mended.xlsx"));
    assert_eq!(counts(&again), [6, 0, 0, 5, 1, 0], "{again:#}");
    office.province.hub.close().await;
}

/// Goal: a long import says how far it is, of how much, while it goes on. Method: a list is made longer until it takes long
/// enough to be told of.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_import_says_how_far_it_is() {
    let office = Office::open(PROGRAM).await;
    let path = office.path("long.csv");
    for rows in (13..20).map(|power| 1_u64 << power) {
        let mut text = "Số CCCD,Mã xã\n".to_owned();
        (0..rows).for_each(|row| text += &format!("033080{row:06},{UNIT}\n"));
        std::fs::write(&path, text).unwrap();
        let (record_type, author) = ("dang_vien".to_owned(), "lan".to_owned());
        let path = path.clone();
        let request =
            RecordsRequest::Import { path, record_type, dry_run: true, rows: false, author, english: false };
        let mut said = Vec::new();
        let mut door = Connection::open(&office.data).await.unwrap().unwrap();
        let answer = door.ask_hearing(&Request::Records(request), &mut |told| said.push(told)).await.unwrap();
        assert_eq!(answer.body["created"], rows, "{}", answer.body);
        if said.is_empty() {
            continue;
        }
        let done: Vec<u64> = said.iter().map(|told| told["done"].as_u64().unwrap()).collect();
        assert!(done.is_sorted_by(|a, b| a < b) && done[0] > 0 && done[done.len() - 1] <= rows, "{done:?}");
        let of: Vec<u64> = said.iter().map(|told| told["of"].as_u64().unwrap()).collect();
        assert!(of.iter().all(|of| (rows..=rows + 1).contains(of)), "{of:?} of {rows}");
        office.province.hub.close().await;
        return;
    }
    panic!("nothing is ever said");
}
