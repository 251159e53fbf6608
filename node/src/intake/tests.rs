use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use tempfile::TempDir;

use super::*;
use crate::capture::RowStatus;
use crate::replica::Outcome;

const UNIT: &str = "11953";

/// A file of members, each with a number of their own; row `n` of the file is member `n - 1`.
fn members(count: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.csv");
    let mut text = String::from(
        "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ sinh hoạt,Mã xã,Tình trạng\n",
    );
    for member in 1..=count {
        text.push_str(&format!(
            "Nguyễn Văn An,01/02/1960,Nam,033060{member:06},03/02/1990,Chi bộ {member},{UNIT},Chính thức\n"
        ));
    }
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn take(path: &Path, write: &mut Write<'_>, hear: &mut dyn FnMut(&[RowOutcome], u64)) -> Taken {
    let catalogue = Catalogue::embedded().unwrap();
    let mut intake = Intake {
        catalogue,
        scope: UnitScope::Own(UNIT.parse().unwrap()),
        author: "lan".to_owned(),
        now: UnixMillis(1_790_000_000_000),
        language: Language::En,
        held: None,
        write,
        hear,
    };
    intake.file(path, catalogue.record_type("dang_vien").unwrap())
}

/// What a file's good rows state, and what is said of the others.
fn stated(path: &Path, record_type: &str) -> (Taken, Vec<Draft>) {
    let catalogue = Catalogue::embedded().unwrap();
    let mut drafts = Vec::new();
    let mut write = |group: Vec<Draft>| {
        let answers = group.iter().map(|_| created()).collect();
        drafts.extend(group);
        answers
    };
    let mut intake = Intake {
        catalogue,
        scope: UnitScope::Own(UNIT.parse().unwrap()),
        author: "lan".to_owned(),
        now: UnixMillis(1_790_000_000_000),
        language: Language::Vi,
        held: None,
        write: &mut write,
        hear: &mut |_, _| {},
    };
    let taken = intake.file(path, catalogue.record_type(record_type).unwrap());
    (taken, drafts)
}

fn classes(taken: &Taken) -> Vec<(u64, &str)> {
    let found = taken.report.errors.iter().chain(&taken.report.warnings);
    found
        .filter(|found| found.rule != "COLUMN_MISSING")
        .map(|found| (found.row, found.rule.as_str()))
        .collect()
}

fn created() -> Result<Written, WriteError> {
    let elsewhere = Vec::new();
    Ok(Written { record: RecordId([0; 16]), outcome: Outcome::Created, elsewhere, sequence: None })
}

#[test]
fn drafts_and_outcomes_keep_the_order_of_the_rows() {
    let (_folder, path) = members(7_000);
    let mut written = Vec::new();
    let mut heard = Vec::new();
    let mut write = |drafts: Vec<Draft>| {
        let number = |draft: &Draft| draft.values.get("so_cccd").map(Value::to_text).unwrap_or_default();
        written.extend(drafts.iter().map(number));
        drafts.iter().map(|_| created()).collect()
    };
    let taken =
        take(&path, &mut write, &mut |rows, _| heard.extend(rows.iter().map(|row| (row.row, row.status))));
    assert_eq!((taken.report.created, taken.exit()), (7_000, 0), "{:?}", taken.report.errors.first());
    assert_eq!(written.len(), 7_000);
    assert!(written.is_sorted());
    assert!(heard.into_iter().eq((2..=7_001).map(|row| (row, Some(RowStatus::Created)))));
}

#[test]
fn an_answer_reaches_the_row_it_is_of_however_many_groups_are_under_way() {
    let (_folder, path) = members(7_000);
    let mut heard = Vec::new();
    let mut write = |drafts: Vec<Draft>| {
        let answer = |draft: Draft| match draft.values.get("so_cccd").map(Value::to_text) {
            Some(number) if number.ends_with("000") => Err(WriteError::TooLarge(number)),
            _ => created(),
        };
        drafts.into_iter().map(answer).collect()
    };
    let taken = take(&path, &mut write, &mut |rows, _| heard.extend_from_slice(rows));
    assert_eq!((taken.report.created, taken.report.rejected, taken.exit()), (6_993, 7, 3));
    let rejected = heard.iter().filter(|row| row.status == Some(RowStatus::Rejected));
    let rejected: Vec<(u64, bool)> =
        rejected.map(|row| (row.row, row.text.contains(&format!("033060{:06}", row.row - 1)))).collect();
    assert_eq!(rejected, (1..=7).map(|thousand| (thousand * 1_000 + 1, true)).collect::<Vec<_>>());
}

/// The store fails at its second group: what was written before is said, nothing later is, and the reader
/// stops long before the end of the file.
#[test]
fn a_store_that_fails_stops_the_reader() {
    let (_folder, path) = members(60_000);
    let groups = AtomicUsize::new(0);
    let mut write = |drafts: Vec<Draft>| {
        let fails = groups.fetch_add(1, Ordering::Relaxed) > 0;
        let failed = || Err(WriteError::Failed(Arc::from("the disk is full")));
        drafts.iter().map(|_| if fails { failed() } else { created() }).collect()
    };
    let mut told = 0;
    let taken = take(&path, &mut write, &mut |rows, _| {
        told += rows.iter().filter(|row| row.status.is_some()).count()
    });
    assert!(matches!(taken.failure, Some(WriteError::Failed(_))));
    assert_eq!((taken.exit(), taken.summary), (1, None));
    assert!(taken.report.rows < 20_000, "{} rows were read", taken.report.rows);
    assert!(taken.report.created > 0);
    assert_eq!(taken.report.created, told as u64);
}

#[test]
fn reading_ends_where_the_sink_says_so() {
    let (_folder, path) = members(5_000);
    let catalogue = Catalogue::embedded().unwrap();
    let context = JudgeContext { catalogue, today: 20_500, scope: UnitScope::Own(UNIT.parse().unwrap()) };
    let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
    let mut rows = 0;
    let source = capture::open(&path).unwrap();
    let summary =
        capture::read_while(&source, catalogue.record_type("dang_vien").unwrap(), &mut judge, &mut |_| {
            rows += 1;
            if rows == 700 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    assert_eq!(summary.unwrap(), None);
    assert_eq!(rows, 700);
}

/// Goal: X20 end to end, the name of a commune is held against its code in every kind of file. Method: the same rows as
/// separated text, as JSON lines, and as a workbook in which one title spans both columns; one name is another's.
#[test]
fn the_name_beside_a_commune_code_is_no_field_and_is_held_against_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [("033060000001", "Phường PHO HIEN"), ("033060000002", "xã Tân Hưng"), ("033060000003", "")];
    let (csv, xlsx, jsonl) =
        (folder.path().join("a.csv"), folder.path().join("a.xlsx"), folder.path().join("a.jsonl"));
    let mut text = String::from("Số CCCD,Mã xã,Xã/phường\n");
    let mut lines = String::new();
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let plain = rust_xlsxwriter::Format::new();
    sheet.merge_range(0, 0, 1, 0, "Số CCCD", &plain).unwrap();
    sheet.merge_range(0, 1, 0, 2, "Nơi sinh hoạt", &plain).unwrap();
    sheet.write(1, 1, "Tên xã").unwrap().write(1, 2, "Mã xã").unwrap();
    for (line, (number, name)) in (2..).zip(rows) {
        text.push_str(&format!("{number},{UNIT},{name}\n"));
        lines.push_str(&format!(
            "{}\n",
            serde_json::json!({"so_cccd": number, "ma_xa": UNIT, "Tên xã": name})
        ));
        sheet.write(line, 0, number).unwrap().write(line, 1, name).unwrap().write(line, 2, UNIT).unwrap();
    }
    std::fs::write(&csv, text).unwrap();
    std::fs::write(&jsonl, lines).unwrap();
    book.save(&xlsx).unwrap();
    for (path, row) in [(csv, 3), (xlsx, 4), (jsonl, 2)] {
        let (taken, drafts) = stated(&path, "dang_vien");
        assert_eq!(classes(&taken), [(row, "CODE_NAME_MISMATCH")], "{path:?}");
        assert!(taken.report.errors[0].message.contains("Phường Phố Hiến"), "{:?}", taken.report.errors);
        let numbers: Vec<String> = drafts.iter().map(|draft| draft.values["so_cccd"].to_text()).collect();
        assert_eq!(numbers, [rows[0].0, rows[2].0], "{path:?}");
        assert!(drafts.iter().all(|draft| draft.values.len() == 2), "{drafts:?}");
    }
}

/// `bytes` with the workbook counting its days from 1904.
fn from_1904(bytes: Vec<u8>) -> Vec<u8> {
    use std::io::{Cursor, Read as _, Write as _};
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let (name, mut content) = (member.name().unwrap().into_owned(), Vec::new());
        member.read_to_end(&mut content).unwrap();
        if name == "xl/workbook.xml" {
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains("<workbookPr "));
            content = text.replace("<workbookPr ", "<workbookPr date1904=\"1\" ").into_bytes();
        }
        out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(&content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

/// Goal: a number is a day as its workbook counts them, with the form of a date or without; a year is none. Method: a
/// workbook of each epoch, and the report of it, which is one of 1900 and says the same.
#[test]
fn days_are_counted_from_where_the_workbook_counts_them() {
    let date = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
    for (epoch_1904, day) in [(false, 29_222.0), (true, 27_760.0)] {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write(0, 0, "Số CCCD").unwrap().write(0, 1, "Ngày sinh").unwrap();
        sheet.write(1, 0, "033080000001").unwrap().write_with_format(1, 1, day, &date).unwrap();
        sheet.write(2, 0, "033080000002").unwrap().write(2, 1, day).unwrap();
        sheet.write(3, 0, "033080000003").unwrap().write(3, 1, 1980).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (path, report) = (folder.path().join("a.xlsx"), folder.path().join("r.xlsx"));
        let bytes = book.save_to_buffer().unwrap();
        std::fs::write(&path, if epoch_1904 { from_1904(bytes) } else { bytes }).unwrap();
        let declared = Catalogue::embedded().unwrap().record_type("dang_vien").unwrap();
        capture::annotate(&path, declared, &capture::Annotations::default(), &report, Language::Vi).unwrap();
        for path in [path, report] {
            let (taken, drafts) = stated(&path, "dang_vien");
            assert_eq!(classes(&taken), [(4, "DATE_INVALID")], "{epoch_1904}");
            assert!(taken.report.errors[0].message.contains("chỉ có năm"));
            let born: Vec<String> = drafts.iter().map(|draft| draft.values["ngay_sinh"].to_text()).collect();
            assert_eq!(born, ["1980-01-02", "1980-01-02"], "{epoch_1904}");
        }
    }
}

/// Goal: one person leads to one record however a sheet writes the number. Method: posts of one person in several
/// forms, the references resolved as the writer resolves them.
#[test]
fn one_person_is_one_record_however_the_number_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let forms = ["033060000001", "'033060000001", "033 060 000 001", "033.060.000.001", "33060000001"];
    let mut text = String::from("Số CCCD đảng viên,Đơn vị,Từ ngày\n");
    (1..).zip(forms).for_each(|(day, form)| text.push_str(&format!("{form},{UNIT},{day}/1/2026\n")));
    std::fs::write(&path, text).unwrap();
    let (taken, drafts) = stated(&path, "can_bo");
    assert_eq!(classes(&taken), [(6, "CCCD_FORMAT")]);
    let catalogue = Catalogue::embedded().unwrap();
    let target = catalogue.record_type("dang_vien").unwrap();
    let meant = |text: &str| crate::replica::key_id(&[7; 32], target, &UNIT.parse().unwrap(), text);
    let people: Vec<_> = drafts.iter().map(|draft| meant(&draft.values["dang_vien_id"].to_text())).collect();
    assert_eq!(people, [meant("033060000001"); 4]);
}
