//! What taking in a spreadsheet costs, beside merely reading its cells.
//!
//! `cargo bench -p lienthong-tests --bench import -- [ROWS]` (100,000 by default). Each line: seconds, and how
//! many times the reading of the same cells. The import is the real one: judged, signed, on disk. Each is timed right behind
//! a reading, and its ratio is of that one: what else the machine does counts for both.
//!
//! With `--write DIR` it only writes the workbook, and a CSV of the same, into an empty folder: what a node is to take in with a
//! clock and a gauge beside it.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use calamine::{DataRef, Reader as _, Xlsx};
use lienthong_node::capture::{self, Language};
use lienthong_node::intake::{Held, Intake};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::rules::{JudgeContext, RawCell, UnitScope, judge_row};
use lienthong_proto::value::civil;
use lienthong_tests::{Province, make_node};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const UNIT: &str = "11953";
const HEADER: [&str; 12] = [
    "STT",
    "Họ và tên",
    "Ngày sinh",
    "GT",
    "Số CCCD",
    "Ngày vào Đảng",
    "Chi bộ sinh hoạt",
    "Mã xã",
    "Tình trạng",
    "Diện quản lý",
    "SĐT",
    "Ghi chú",
];

fn workbook(path: &Path, rows: u32) {
    let mut book = Workbook::new();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let sheet = book.add_worksheet_with_constant_memory().unwrap();
    sheet.write_row(0, 0, HEADER).unwrap();
    let families = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ"];
    // No two of 100,000 have name and birth date in common.
    let middle = ["Văn", "Đức", "Minh", "Quang", "Hữu"];
    let given = ["An", "Bình", "Cường", "Hương", "Lan", "Sơn", "Thúy"];
    for row in 1..=rows {
        let (year, male) = (1940 + row % 60, (row / 60) % 2 == 0);
        let pick = |list: &[&'static str]| list[row as usize % list.len()];
        let day = |year: u32| {
            let (month, day) = (1 + row / 60 % 12, 1 + row / 720 % 28);
            ExcelDateTime::from_ymd(year as u16, month as u8, day as u8).unwrap()
        };
        sheet.write(row, 0, row).unwrap();
        sheet
            .write(
                row,
                1,
                format!("{} {} {}", pick(&families), middle[row as usize / 20_160 % 5], pick(&given)),
            )
            .unwrap();
        sheet.write_with_format(row, 2, day(year), &date).unwrap();
        sheet.write(row, 3, if male { "Nam" } else { "Nữ" }).unwrap();
        sheet.write(row, 4, format!("033{}{:02}{row:06}", u8::from(!male), year % 100)).unwrap();
        sheet.write_with_format(row, 5, day(year + 25), &date).unwrap();
        sheet.write(row, 6, format!("Chi bộ thôn {}", row % 50)).unwrap();
        sheet.write(row, 7, UNIT).unwrap();
        sheet.write(row, 8, "Chính thức").unwrap();
        sheet.write(row, 9, "Chi bộ").unwrap();
        sheet.write(row, 10, format!("09{row:08}")).unwrap();
        if row % 5 == 0 {
            sheet.write(row, 11, format!("ghi chú {row}")).unwrap();
        }
    }
    book.save(path).unwrap();
}

/// The workbook's rows as a CSV, with dates as people write them.
fn csv(book: &Path, out: &Path) {
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(File::open(book).unwrap())).unwrap();
    let sheet = book.sheet_names().remove(0);
    let mut reader = book.worksheet_cells_reader(&sheet).unwrap();
    let mut out = BufWriter::new(File::create(out).unwrap());
    let (mut row, mut line) = (0, vec![String::new(); HEADER.len()]);
    while let Some(cell) = reader.next_cell().unwrap() {
        let (number, column) = cell.get_position();
        if number != row {
            writeln!(out, "{}", line.join(";")).unwrap();
            (row, line) = (number, vec![String::new(); HEADER.len()]);
        }
        line[column as usize] = match cell.get_value() {
            DataRef::DateTime(at) => {
                let date = civil(at.as_f64() as i32 - 25_569).unwrap();
                format!("{:02}/{:02}/{}", date.day(), date.month(), date.year())
            }
            DataRef::Float(number) => number.to_string(),
            DataRef::Int(number) => number.to_string(),
            DataRef::String(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            other => panic!("{other:?}"),
        };
    }
    writeln!(out, "{}", line.join(";")).unwrap();
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn timed(times: usize, mut work: impl FnMut()) -> f64 {
    let once = |()| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    median(std::iter::repeat_n((), times).map(once).collect())
}

fn main() {
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    if let Some(folder) = std::env::args().skip_while(|argument| argument != "--write").nth(1) {
        let book = Path::new(&folder).join("members.xlsx");
        workbook(&book, rows);
        csv(&book, &book.with_extension("csv"));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("members.xlsx");
    workbook(&path, rows);
    let read_cells = || {
        let mut book: Xlsx<_> = Xlsx::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let sheet = book.sheet_names().remove(0);
        let mut reader = book.worksheet_cells_reader(&sheet).unwrap();
        let mut count = 0;
        while reader.next_cell().unwrap().is_some() {
            count += 1;
        }
        assert!(count >= 11 * rows);
    };
    let cells = timed(3, read_cells);
    let say = |what: &str, seconds: f64| println!("{what:<42} {seconds:>7.3} s  {:>5.2} x", seconds / cells);
    say("calamine reads the cells", cells);
    say("sniffed, hashed and measured", timed(3, || drop(capture::open(&path).unwrap())));
    let catalogue = Catalogue::embedded().unwrap();
    let declared = catalogue.record_type("dang_vien").unwrap();
    let scope = UnitScope::Own(UNIT.parse().unwrap());
    let context = JudgeContext { catalogue, today: 20_500, scope: scope.clone() };
    let judged = timed(3, || {
        let mut judge = |t: &_, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let mut good = 0;
        let source = capture::open(&path).unwrap();
        capture::read(&source, declared, &mut judge, &mut |row| {
            good += u32::from(row.judgement.errors.is_empty());
        })
        .unwrap();
        assert_eq!(good, rows);
    });
    say("and read and judged", judged);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut runs, mut ratios) = (Vec::new(), Vec::new());
    for run in 0..5 {
        let reading = timed(1, read_cells);
        let folder = dir.path().join(format!("node-{run}"));
        let seconds = runtime.block_on(async {
            let Province { dir: _province, hub, address } = Province::set().await.unwrap();
            let node = make_node(&hub, &address, &folder, UNIT).await.unwrap();
            let begun = Instant::now();
            tokio::task::spawn_blocking({
                let (node, path, scope) = (node.clone(), path.clone(), scope.clone());
                move || {
                    let mut intake = Intake {
                        catalogue,
                        scope,
                        author: "bench".to_owned(),
                        now: node.now(),
                        language: Language::En,
                        held: Some(Held {
                            dataset: node.replica.dataset(),
                            quality: &node.quality,
                            provincial_key: node.identity.provincial_key(),
                        }),
                        write: &mut |drafts| node.replica.write_blocking(drafts),
                        hear: &mut |_, _| {},
                    };
                    assert_eq!(intake.file(&path, declared).report.created, u64::from(rows));
                }
            })
            .await
            .unwrap();
            let seconds = begun.elapsed().as_secs_f64();
            node.close().await;
            hub.close().await;
            seconds
        });
        runs.push(seconds);
        ratios.push(seconds / reading);
    }
    let (seconds, ratio) = (median(runs), median(ratios));
    println!("{:<42} {seconds:>7.3} s  {ratio:>5.2} x", "taken in: judged, signed, on disk");
}
