//! Titles, footers and what else stands around a table, judged as the node judges.

use lienthong_proto::catalogue::Catalogue;

use super::super::scout::Scouted;
use super::super::source::Book;
use super::*;

pub(super) const MEMBERS: [&str; 12] = [
    "STT",
    "Họ và tên",
    "Ngày sinh",
    "Giới tính",
    "Số CCCD",
    "Ngày vào Đảng",
    "Chi bộ",
    "Mã xã",
    "Diện quản lý",
    "Tình trạng",
    "Độ mật",
    "Xã/phường",
];

/// A member's row, with a mark of secrecy and a commune's name.
pub(super) fn member<'a>(id: &'a str, mark: &'a str, commune: &'a str) -> Vec<&'a str> {
    let known = ["1", "Lê Văn Tám", "05/01/1980", "Nam", id, "03/02/2005", "Chi bộ thôn 1", "11953"];
    known.into_iter().chain(["Chi bộ", "Đảng viên chính thức", mark, commune]).collect()
}

/// A workbook of one sheet of texts; blank ones are no cells.
pub(super) fn sheet(rows: &[Vec<&str>], merges: &[(u32, u16, u32, u16)]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (first, left, last, right) in merges {
        sheet.merge_range(*first, *left, *last, *right, "", &CellFormat::new()).unwrap();
    }
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            sheet.write(row, column, *cell).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

pub(super) struct Outcome {
    pub(super) summary: FileSummary,
    pub(super) rows: Vec<CapturedRow>,
}

impl Outcome {
    /// Each row with the rules it breaks.
    pub(super) fn rules(&self) -> Vec<(u64, Vec<&str>)> {
        let told = self.rows.iter();
        told.map(|row| (row.row, row.judgement.errors.iter().map(|found| found.rule.as_str()).collect()))
            .collect()
    }

    pub(super) fn skipped(&self) -> Vec<u64> {
        self.summary.skipped_rows.iter().map(|skipped| skipped.row).collect()
    }
}

/// A row of a member's table with only those cells.
pub(super) fn at<'a>(cells: &[(usize, &'a str)]) -> Vec<&'a str> {
    let mut row = vec![""; cells.iter().map(|(column, _)| column + 1).max().unwrap_or(0).max(12)];
    cells.iter().for_each(|(column, text)| row[*column] = text);
    row
}

/// A file as the node of phường Phố Hiến takes it.
pub(super) fn judged(declared: &str, name: &str, bytes: &[u8]) -> Outcome {
    let (summary, rows) = taken(declared, name, bytes);
    Outcome { summary: summary.unwrap(), rows }
}

/// The same of a file that may be refused, with the rows that were handed on.
pub(super) fn taken(
    declared: &str,
    name: &str,
    bytes: &[u8],
) -> (Result<FileSummary, FileRefusal>, Vec<CapturedRow>) {
    let catalogue = Catalogue::embedded().unwrap();
    let mut judge = |record_type: &RecordType, cells: &[(String, RawCell)]| {
        let scope = lienthong_proto::rules::UnitScope::Own("11953".parse().unwrap());
        let context = lienthong_proto::rules::JudgeContext { catalogue, today: 20_700, scope };
        lienthong_proto::rules::judge_row(record_type, cells, &context)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let (declared, mut rows) = (catalogue.record_type(declared).unwrap(), Vec::new());
    let summary =
        open(&path).and_then(|source| read(&source, declared, &mut judge, &mut |row| rows.push(row)));
    (summary, rows)
}

/// Goal: a title directly above a header takes nothing from it: a mark of secrecy, a commune's name and the running number
/// are what they are. Method: the same rows below a title in one cell, in a merged one, and as text, and below two levels.
#[test]
fn a_title_above_the_header_hides_no_column() {
    let members = |above: &[Vec<&'static str>]| {
        let mut rows = above.to_vec();
        rows.extend(
            [("033080000001", "Mật", "Phố Hiến"), ("033080000002", "", "Sơn Nam")]
                .map(|(id, mark, commune)| member(id, mark, commune)),
        );
        rows.push(member("033080000003", "", "Phố Hiến"));
        rows
    };
    let title = vec!["DANH SÁCH ĐẢNG VIÊN"];
    let titled = members(&[title, MEMBERS.to_vec()]);
    let text: Vec<String> = titled.iter().map(|row| row.join(",")).collect();
    let mut upper = MEMBERS.to_vec();
    (upper[5], upper[6], upper[10]) = ("Sinh hoạt đảng", "", "Khác");
    let lower = vec!["", "", "", "", "", "Ngày vào Đảng", "Chi bộ", "", "", "", "Độ mật", ""];
    let whole = |column| (0, column, 1, column);
    let levels: Vec<_> = [0, 1, 2, 3, 4, 7, 8, 9, 11].map(whole).into_iter().chain([(0, 5, 0, 6)]).collect();
    for (name, bytes) in [
        ("title.xlsx", sheet(&titled, &[])),
        ("merged.xlsx", sheet(&titled, &[(0, 0, 0, 11)])),
        ("title.csv", text.join("\n").into_bytes()),
        ("levels.xlsx", sheet(&members(&[upper, lower]), &levels)),
    ] {
        let taken = judged("dang_vien", name, &bytes);
        let expected = [(3, vec!["CLASSIFIED"]), (4, vec!["CODE_NAME_MISMATCH"]), (5, vec![])];
        assert_eq!(taken.rules(), expected, "{name}");
        assert_eq!(taken.summary.warnings, [], "{name}");
    }
}

/// Goal: reported twice, a sheet with a title above its header has one column of ours.
#[test]
fn a_second_report_below_a_title_leaves_no_column_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rows = [vec!["DANH SÁCH"], MEMBERS.to_vec(), member("033080000001", "", "Phố Hiến")];
    std::fs::write(path("a.xlsx"), sheet(&rows, &[])).unwrap();
    let declared = Catalogue::embedded().unwrap().record_type("dang_vien").unwrap();
    for (from, to) in [("a.xlsx", "b.xlsx"), ("b.xlsx", "c.xlsx")] {
        annotate(&path(from), declared, &Annotations::default(), &path(to), Language::Vi).unwrap();
        let source = open(&path(to)).unwrap();
        let scouted = Scouted::of(&source, &mut Book::open(&source).unwrap()).unwrap();
        let ours = scouted.texts().filter(|text| *text == super::super::report::REPORT_TITLE).count();
        let layout = scouted.layout(declared).unwrap();
        assert_eq!((ours, &layout.sheets[0].reports), (1, &vec![12]), "{to}");
        assert!(layout.warnings.is_empty(), "{:?}", layout.warnings);
    }
}

/// Goal: what stands beside a record's merged cells is read however little it is.
#[test]
fn a_row_beside_a_merged_key_is_a_record() {
    let titles = ["Số thông báo", "Ngày ban hành", "Mã cuộc", "Đơn vị thực hiện", "Mã xã"];
    let items = ["Nội dung khắc phục", "Hạn khắc phục", "Tình trạng khắc phục"];
    let record = ["12-TB/UBKT", "05/01/2026", "C01", "Chi bộ 1", "11953", "Nộp tiền", "01/06/2026", "Chưa"];
    let beside = |item: [&'static str; 3]| [&[""; 5][..], &item].concat();
    let rows = [
        [&titles[..], &items].concat(),
        record.to_vec(),
        beside(["Kiểm điểm", "01/07/2026", "Chưa"]),
        beside(["Rút kinh nghiệm", "", ""]),
        beside(["", "01/08/2026", ""]),
        beside(["Ghi chú", "", ""]),
    ];
    let merges: Vec<_> = (0..5).map(|column| (1, column, 4, column)).collect();
    let taken = judged("ket_luan", "a.xlsx", &sheet(&rows, &merges));
    let missing = vec!["REQ_MISSING"; 2];
    assert_eq!(taken.rules(), [(2, vec![]), (3, vec![]), (4, missing.clone()), (5, missing)]);
    assert_eq!(taken.skipped(), [6], "below the merged cells it is a note");
}

/// Goal: merged cells that are a part of a key only make no record of a total.
#[test]
fn a_total_beside_a_part_of_a_merged_key_is_none() {
    let declared = TYPE.replace("fields = [\"so_cccd\"]", "fields = [\"ho_ten\", \"so_cccd\"]");
    let rows = [
        vec!["Họ và tên", "Số CCCD", "Ngày sinh"],
        vec!["Tổ 1", "033", "1/1/1980"],
        vec!["", "034", "2/1/1980"],
        vec!["", "", "Cộng: 2"],
    ];
    let (summary, taken, _) = take_as(&declared, "a.xlsx", &sheet(&rows, &[(1, 0, 3, 0)]));
    assert_eq!((summary.unwrap().skipped, taken.len()), (1, 2));
}

/// Goal: what a printed list ends with is no record, and nothing that could be one is passed over with it.
#[test]
fn signatures_totals_and_a_header_once_more_are_no_records() {
    let of = |id| member(id, "", "");
    let rows = [
        MEMBERS.to_vec(),
        of("033080000001"),
        // A page begins, and numbers its columns.
        MEMBERS.to_vec(),
        vec!["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
        of("033080000002"),
        at(&[(0, "Trong đó:"), (2, "1"), (4, "1")]),
        at(&[(0, "Tổng số đảng viên: 2"), (4, "Nam: 2")]),
        at(&[(1, "Xác nhận của chi ủy"), (7, "T/M ĐẢNG ỦY")]),
        at(&[(1, "(Ký, ghi rõ họ tên)"), (7, "CHỦ NHIỆM")]),
        at(&[(1, "Nguyễn Thị Lan"), (7, "Trần Văn Bình")]),
        // A number, or as much as a record says, is none of that.
        at(&[(1, "Nguyễn Thị Lan"), (4, "033080000003")]),
        at(&[(1, "Trần Văn Bình"), (6, "Chi bộ thôn 2")]),
        at(&[(1, "NGƯỜI LẬP BIỂU"), (7, "CHỦ NHIỆM")]),
        at(&[(1, "Lê Thị Mai"), (2, "05/01/1980"), (3, "Nữ"), (7, "11953")]),
    ];
    let taken = judged("dang_vien", "a.xlsx", &sheet(&rows, &[]));
    assert_eq!(taken.skipped(), [3, 4, 6, 7, 8, 9, 10, 13]);
    let rejected = |row: &&CapturedRow| row.verdict == Verdict::Rejected;
    let rejected: Vec<u64> = taken.rows.iter().filter(rejected).map(|row| row.row).collect();
    assert_eq!((taken.rows.len(), rejected), (5, vec![11, 12, 14]));
}

/// Goal: a formula that the writing program never reckoned is not a blank cell.
#[test]
fn a_formula_without_a_result_is_an_error() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, (title, cell)) in (0..).zip(MEMBERS.into_iter().zip(member("033080000001", "", ""))) {
        sheet.write(0, column, title).unwrap();
        sheet.write(1, column, cell).unwrap();
        sheet.write(2, column, cell.replace("000001", "000002")).unwrap();
    }
    for row in [1, 2] {
        sheet.write(0, 12, "Chức vụ").unwrap();
        sheet.write_formula(row, 12, rust_xlsxwriter::Formula::new("=B2").set_result("7")).unwrap();
    }
    let written = book.save_to_buffer().unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(written)).unwrap();
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut member, &mut text).unwrap();
        members
            .push((member.name().unwrap().into_owned(), text.replacen("<f>B2</f><v>7</v>", "<f>B2</f>", 1)));
    }
    let members: Vec<_> = members.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let taken = judged("dang_vien", "a.xlsx", &made::zipped(&members));
    assert_eq!(taken.rules(), [(2, vec!["CELL_ERROR"]), (3, vec![])]);
    assert!(taken.rows[0].judgement.errors[0].value.as_ref().unwrap().contains("Excel"));
}
