//! Who signs a list, and what stands below.

use super::titles::{MEMBERS, at, judged, member, sheet};
use super::*;

/// Goal: a name below who signs is no record, also in a column of the key and behind blank rows; a record there is one.
#[test]
fn names_under_signatures_in_a_key_column_are_no_records() {
    let of = |id| member(id, "", "");
    let rows = [
        MEMBERS.to_vec(),
        of("033080000001"),
        at(&[(1, "NGƯỜI LẬP BIỂU"), (4, "THỦ TRƯỞNG ĐƠN VỊ")]),
        vec![],
        vec![],
        at(&[(1, "Nguyễn Thị Lan"), (4, "Trần Văn Bình")]),
        // One who signs alone, below the title of the key.
        at(&[(4, "T/M ĐẢNG ỦY")]),
        at(&[(4, "(Ký, ghi rõ họ tên)")]),
        vec![],
        at(&[(4, "Trần Văn Bình")]),
        at(&[(4, "Lê Thị Mai")]),
        // A number, or more than a footer has, is a record's; behind a record nobody signs.
        at(&[(1, "Lê Thị Mai"), (4, "033180000002")]),
        at(&[(4, "Trần Văn Bình")]),
        at(&[(4, "CHỦ NHIỆM")]),
        at(&[(1, "Lê Thị Mai"), (3, "Nữ"), (4, "chưa có"), (6, "Chi bộ thôn Đông")]),
    ];
    let taken = judged("dang_vien", "a.xlsx", &sheet(&rows, &[]));
    assert_eq!(taken.skipped(), [3, 6, 7, 8, 10, 11, 14]);
    let rejected = |row: &&CapturedRow| row.verdict == Verdict::Rejected;
    let rejected: Vec<u64> = taken.rows.iter().filter(rejected).map(|row| row.row).collect();
    assert_eq!((taken.rows.len(), rejected), (4, vec![12, 13, 15]));
    let mut report = ImportReport::new("a.xlsx", "dang_vien", Language::Vi);
    report.note_file(&taken.summary);
    assert_eq!(report.skipped_rows.iter().map(|row| row.row).collect::<Vec<_>>(), taken.skipped());
}

/// Goal: what says all that a record of its type needs is one, whatever stands above it.
#[test]
fn a_whole_record_below_a_signature_is_read() {
    let declared = TYPE.replace("fields = [\"so_cccd\"]", "fields = [\"ho_ten\"]");
    let text = "STT,Họ tên,Số CCCD\n1,Nguyễn Văn A,033\nNgười lập biểu,,\n,Trần Văn Bình,mất\n,Lê Thị Mai,\n";
    let (summary, rows, _) = take_as(&declared, "a.csv", text.as_bytes());
    assert_eq!((summary.unwrap().skipped, rows.len()), (1, 3));
    // The day of birth is a column here, and no record lacks it.
    let text = text.replace("Số CCCD", "Ngày sinh");
    let (summary, rows, _) = take_as(&declared, "a.csv", text.as_bytes());
    assert_eq!((summary.unwrap().skipped, rows.len()), (3, 1));
}
