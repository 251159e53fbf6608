use std::collections::BTreeMap;

use lienthong_proto::catalogue::{Catalogue, Class, RecordType};
use lienthong_proto::rules::{JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::value::{Value, civil};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::capture::{self, CapturedRow, Verdict};

/// 25 November 2026.
const TODAY: i32 = 20_782;

/// A sheet as it is imported: each row's values, and what was found wrong or worth saying.
fn imported(declared: &RecordType, file: &str, bytes: &[u8]) -> (Vec<CapturedRow>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::write(&path, bytes).unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let scope = UnitScope::Any("33".parse().unwrap());
    let context = JudgeContext { catalogue, today: TODAY, scope };
    let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
    let mut rows = Vec::new();
    let source = capture::open(&path).unwrap();
    let summary = capture::read(&source, declared, &mut judge, &mut |row| rows.push(row)).unwrap();
    let said = summary.warnings.iter().map(|found| format!("{} {:?}", found.rule, found.column));
    (rows, said.collect())
}

fn workbook(declared: &RecordType, headers: Headers, rows_max: u32, records: &[Json]) -> Vec<u8> {
    let mut writer = XlsxWriter::with_rows(declared, headers, &std::env::temp_dir(), rows_max).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).unwrap();
    bytes
}

fn separated(declared: &RecordType, records: &[Json]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = CsvWriter::new(&mut bytes, declared, Headers::LabelsVi).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    writer.finish().unwrap();
    bytes
}

fn declared(name: &str) -> &'static RecordType {
    Catalogue::embedded().unwrap().record_type(name).unwrap()
}

fn record(fields: &Json) -> Json {
    json!({ "id": "00112233445566778899aabbccddeeff", "unit": "11953", "fields": fields })
}

/// What an import of a record's own JSON says: the measure for all other formats.
fn as_stored(declared: &RecordType, record: &Json) -> BTreeMap<String, Value> {
    let (rows, _) = imported(declared, "a.jsonl", format!("{record}\n").as_bytes());
    assert!(rows[0].judgement.errors.is_empty(), "{:?}", rows[0].judgement.errors);
    rows[0].judgement.values.clone()
}

/// Goal: every title of every type, in every language, leads back to its own field, and nothing is said of it.
#[test]
fn every_column_finds_its_field_again() {
    for declared in Catalogue::embedded().unwrap().record_types() {
        let expected: Vec<&str> = sheet_fields(declared).map(|field| field.name.as_str()).collect();
        for headers in [Headers::Names, Headers::LabelsVi, Headers::LabelsEn] {
            let table = Table::new(declared, headers);
            let found: Vec<&str> = table
                .titles()
                .skip(2)
                .map(|title| capture::field_of(declared, title).map_or("", |field| field.name.as_str()))
                .collect();
            assert_eq!(found, expected, "{}, {headers:?}", declared.name);
        }
        assert!(sheet_fields(declared).all(|field| field.class != Class::C4), "{}", declared.name);
        let (_, said) = imported(declared, "a.csv", &separated(declared, &[]));
        assert_eq!(said, Vec::<String>::new(), "{}", declared.name);
    }
}

#[test]
fn a_workbook_holds_dates_and_numbers_and_keeps_digits_as_text() {
    use calamine::{Data, Reader as _};
    let fields = json!({
        "so_thong_bao": "007-TB/UBKTTU", "ngay_ban_hanh": "2026-03-05", "ma_cuoc": "0012", "ma_xa": "11953",
        "don_vi_thuc_hien": "=1+1", "thu_hoi_tien": -1_250_000_000_i64, "vi_pham": ["a", "b"],
    });
    let bytes = workbook(declared("ket_luan"), Headers::LabelsVi, 100, &[record(&fields)]);
    let mut book = calamine::Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
    let range = book.worksheet_range("Thông báo kết luận").unwrap();
    let column = |title: &str| {
        let head = range.rows().next().unwrap();
        let place = head.iter().position(|cell| cell == &Data::String(title.to_owned())).unwrap();
        range.rows().nth(1).unwrap()[place].clone()
    };
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(column("Số thông báo"), text("007-TB/UBKTTU"));
    assert_eq!(column("Mã cuộc"), text("0012"));
    assert_eq!(column("Đơn vị thực hiện"), text("'=1+1"));
    assert_eq!(column("Vi phạm"), text("a; b"));
    assert_eq!(column("Số tiền phải thu hồi"), Data::Float(-1_250_000_000.0));
    assert_eq!(column("unit"), text("11953"));
    let Data::DateTime(day) = column("Ngày ban hành") else { panic!("{:?}", column("Ngày ban hành")) };
    assert_eq!(day.as_f64(), 46_086.0, "5 March 2026");
}

/// Goal: a sheet is continued on another before it is too long for Excel, header and all, and both are read.
#[test]
fn more_rows_than_a_sheet_holds_go_on_a_second_one() {
    let people: Vec<Json> = (0..5)
        .map(|number| {
            record(&json!({ "so_cccd": format!("03307000000{number}"), "ho_ten": "Nguyễn Văn An" }))
        })
        .collect();
    let bytes = workbook(declared("dang_vien"), Headers::LabelsEn, 3, &people);
    let (rows, said) = imported(declared("dang_vien"), "a.xlsx", &bytes);
    let places: Vec<_> = rows.iter().map(|row| (row.sheet.as_deref().unwrap(), row.row)).collect();
    let sheets = ["Party member", "Party member (2)", "Party member (3)"];
    let expected = [(sheets[0], 2), (sheets[0], 3), (sheets[1], 2), (sheets[1], 3), (sheets[2], 2)];
    assert_eq!(places, expected);
    assert_eq!(said, Vec::<String>::new());
    assert!(rows.iter().all(|row| row.verdict == Verdict::Good));
}

/// Goal: a sign that is a letter in another encoding stays what it is.
#[test]
fn an_export_is_unicode_whatever_stands_in_it() {
    let fields = json!({ "so_thong_bao": "12-TB/UBKTTU", "ma_cuoc": "£", "nguoi_dung_dau": "_x0045_ £", "ma_xa": "11953" });
    let stated = record(&fields);
    let records = std::slice::from_ref(&stated);
    for (file, bytes) in [
        ("a.xlsx", workbook(declared("ket_luan"), Headers::LabelsVi, 100, records)),
        ("a.csv", separated(declared("ket_luan"), records)),
    ] {
        let (rows, said) = imported(declared("ket_luan"), file, &bytes);
        assert_eq!(rows[0].judgement.values["ma_cuoc"], Value::Text("£".into()), "{file}: {said:?}");
    }
}

/// Goal: a record with several items is a row for each, and comes back whole; what a record lacks is no fault.
#[test]
fn items_are_rows_and_come_back() {
    let item = |content: &str, done: Option<&str>| {
        let mut item =
            json!({ "noi_dung_khac_phuc": content, "han_khac_phuc": "2026-06-30", "tinh_trang": "CHUA" });
        if let Some(done) = done {
            item["tinh_trang"] = "DA_KHAC_PHUC".into();
            item["ngay_hoan_thanh"] = done.into();
        }
        item
    };
    let whole = record(&json!({
        "so_thong_bao": "12-TB/UBKTTU", "ngay_ban_hanh": "2026-03-05", "ma_cuoc": "KT01", "ma_xa": "11953",
        "don_vi_thuc_hien": "Đảng ủy",
        "yeu_cau": [item("Nộp lại tiền", Some("2026-05-01")), item("Kiểm điểm", None)],
        "ra_soat": [{ "ngay_ra_soat": "2026-07-01", "nhan_xet": "@đã làm" }],
    }));
    // No column of these was ever in a file: required, and not there.
    let bare = record(&json!({ "so_thong_bao": "13-TB/UBKTTU", "ma_xa": "11953" }));
    let records = [whole.clone(), bare.clone()];
    for (file, bytes) in [
        ("a.xlsx", workbook(declared("ket_luan"), Headers::LabelsVi, 100, &records)),
        ("a.csv", separated(declared("ket_luan"), &records)),
    ] {
        let (rows, _) = imported(declared("ket_luan"), file, &bytes);
        assert_eq!(rows.len(), 3, "{file}");
        assert!(rows.iter().all(|row| row.verdict == Verdict::Good), "{file}: {rows:?}");
        let values = |rows: &[CapturedRow]| -> BTreeMap<String, Value> {
            rows.iter().flat_map(|row| row.judgement.values.clone()).collect()
        };
        assert_eq!(values(&rows[..2]), as_stored(declared("ket_luan"), &whole), "{file}");
        let expected = [
            ("ma_xa", Value::Unit("11953".parse().unwrap())),
            ("so_thong_bao", Value::Text("13-TB/UBKTTU".into())),
        ];
        assert_eq!(
            values(&rows[2..]),
            BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value)))
        );
    }
}

#[test]
fn a_text_no_cell_holds_is_left_blank_and_counted() {
    let long: Vec<String> = (0..500).map(|number| format!("{number:0100}")).collect();
    let fields = json!({ "so_thong_bao": "1", "vi_pham": long });
    let mut writer = XlsxWriter::new(declared("ket_luan"), Headers::LabelsVi, &std::env::temp_dir()).unwrap();
    writer.write(&record(&fields)).unwrap();
    assert_eq!(writer.too_long(), 1);
    writer.finish(std::io::sink()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: whatever text, date or amount is stored, a sheet of it imports as the same values.
    #[test]
    fn what_is_exported_imports_as_the_same(
        text in "['=+\\-@]{0,3}[a-z_x0-9<&\"; ]{0,12}[^\\pC]{0,12}",
        paragraphs in "['=+\\-@]{0,2}[a-zỹ]{1,5}(\n[=\\-a-z, ]{1,8}){0,3}",
        day in -62_000_i32..TODAY,
        amount in any::<i64>(),
        year in 1_945_i64..2_200,
    ) {
        let declared = declared("ket_luan");
        let day = civil(day).unwrap().to_string();
        let stated = record(&json!({
            "so_thong_bao": "12-TB/UBKTTU", "ngay_ban_hanh": day, "ma_cuoc": text, "ma_xa": "11953",
            "thu_hoi_tien": amount, "nguoi_dung_dau": format!("_x00{}_ {text}", year % 100),
        }));
        // Only what can be stored at all is exported.
        let (rows, _) = imported(declared, "a.jsonl", format!("{stated}\n").as_bytes());
        prop_assume!(rows[0].judgement.errors.is_empty());
        let stored = rows[0].judgement.values.clone();
        let fields: serde_json::Map<String, Json> =
            stored.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
        let exported = record(&Json::Object(fields));
        for (file, bytes) in [
            ("a.xlsx", workbook(declared, Headers::LabelsVi, 100, std::slice::from_ref(&exported))),
            ("a.csv", separated(declared, std::slice::from_ref(&exported))),
        ] {
            let (rows, _) = imported(declared, file, &bytes);
            prop_assert_eq!(rows.len(), 1);
            prop_assert!(rows[0].judgement.errors.is_empty(), "{}: {:?}", file, rows[0].judgement.errors);
            prop_assert_eq!(&rows[0].judgement.values, &stored, "{}", file);
        }
        let long = declared_long();
        let stated = record(&json!({ long.1: paragraphs }));
        let (rows, _) = imported(long.0, "a.jsonl", format!("{stated}\n").as_bytes());
        let stored = rows[0].judgement.values.get(long.1).map(Value::to_json);
        let exported = record(&json!({ long.1: stored, long.0.key.fields[0].as_str(): "x1" }));
        for (file, bytes) in [
            ("a.xlsx", workbook(long.0, Headers::LabelsVi, 100, std::slice::from_ref(&exported))),
            ("a.csv", separated(long.0, std::slice::from_ref(&exported))),
        ] {
            let (rows, _) = imported(long.0, file, &bytes);
            prop_assert_eq!(rows[0].judgement.values.get(long.1).map(Value::to_json), stored.clone(), "{}", file);
        }
    }
}

/// A type with paragraphs.
fn declared_long() -> (&'static RecordType, &'static str) {
    use lienthong_proto::catalogue::FieldKind;
    let types = Catalogue::embedded().unwrap().record_types();
    types
        .flat_map(|declared| declared.fields.iter().map(move |field| (declared, field)))
        .find(|(_, field)| field.kind == FieldKind::LongText && field.class != Class::C4)
        .map(|(declared, field)| (declared, field.name.as_str()))
        .unwrap()
}
