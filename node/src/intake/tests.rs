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
        write,
        hear,
    };
    intake.file(path, catalogue.record_type("dang_vien").unwrap())
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
