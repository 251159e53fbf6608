//! Files whose letters stand for Vietnamese in more than one way.

use super::titles::judged;
use super::*;

const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng\n";

fn row(name: &str, group: &str, serial: u32) -> String {
    format!("{name},05/01/1980,Nam,033080{serial:06},03/02/2005,{group},11953,CHIBO,CHINH_THUC\n")
}

fn names(taken: &super::titles::Outcome) -> Vec<String> {
    let name = |row: &CapturedRow| row.judgement.values.get("ho_ten").map(Value::to_text);
    taken.rows.iter().map(|row| name(row).unwrap_or_default()).collect()
}

/// Goal: a title in an old font turns no Vietnamese into other Vietnamese.
#[test]
fn a_title_in_an_old_font_changes_no_cell() {
    let wanted = ["Lê Thanh Hùng", "Nguyễn Văn Đức"];
    let rows: String = (1..).zip(wanted).map(|(serial, name)| row(name, "Chi bộ thôn 1", serial)).collect();
    let text = format!("§¶ng ñy ph\u{ad}êng Phè HiÕn\nDanh s¸ch ®¶ng viªn\n{HEAD}{rows}");
    let taken = judged("dang_vien", "a.csv", text.as_bytes());
    assert_eq!((names(&taken), taken.summary.rejected), (wanted.map(str::to_owned).to_vec(), 0));
    assert!(taken.summary.warnings.is_empty(), "{:?}", taken.summary.warnings);
    let values = &taken.rows[0].judgement.values;
    assert_eq!(values["ma_xa"].to_text(), "11953", "the header stands as it is written");
}

/// Goal: where a file has both letterings, what is certain is read, and what may be either is asked about. Method: the first
/// rows in TCVN3; the only row that is Unicode for certain stands far behind them.
#[test]
fn of_two_letterings_what_could_be_either_is_rejected() {
    let mut text = HEAD.replace("Họ và tên", "Ho va ten").replace("Chi bộ", "Chi bo");
    let legacy = |text: &mut String, serials: std::ops::Range<u32>| {
        serials.for_each(|serial| text.push_str(&row("NguyÔn V¨n §øc", "Th«n 1", serial)));
    };
    legacy(&mut text, 1..600);
    // “Lộc” in TCVN3 is good Vietnamese as it stands, and Lê in Unicode is good TCVN3.
    text.push_str(&row("Phan Léc", "Th«n 2", 600));
    text.push_str(&row("Lê Thanh Hùng", "Thon 2", 601));
    let pure = judged("dang_vien", "a.csv", text.as_bytes());
    assert_eq!(names(&pure)[599], "Phan Lộc", "a file of one lettering is read in it");
    text.push_str(&row("Nguyễn Văn Bình", "Chi bộ 3", 602));
    text.push_str(&row("Hà Văn Bảy", "Chi bộ 3", 603));
    let mixed = judged("dang_vien", "a.csv", text.as_bytes());
    let told: Vec<_> = mixed.rules().into_iter().filter(|(_, rules)| !rules.is_empty()).collect();
    assert_eq!(told, [(601, vec!["ENCODING"]), (602, vec!["ENCODING"])]);
    assert_eq!(names(&mixed)[0], "Nguyễn Văn Đức");
    assert_eq!(names(&mixed)[601..], ["Nguyễn Văn Bình", "Hà Văn Bảy"]);
    assert!(mixed.summary.warnings.iter().any(|said| said.message.vi.contains("TCVN3")));
}

/// Goal: a cell of other letters in a file of Unicode is rejected with what to do, also in the rows that a merged cell says it
/// of; a foreign name or a sign is none.
#[test]
fn letters_that_are_not_unicode_are_rejected_and_foreign_ones_are_not() {
    let plain = ["Nguyễn Văn An", "Ðinh Công Hoàng", "Y Blô Niê", "Hélène Müller", "Trần § 5", "André «Lê»"];
    let mut text = HEAD.to_owned();
    (1..).zip(plain).for_each(|(serial, name)| text.push_str(&row("Nguyễn Văn An", name, serial)));
    text.push_str(&row("Nguyễn Văn An", "Tổ 3 (§ 5) 10 m² 20°C", 10));
    // Too few others for the file to be of their lettering.
    (100..300).for_each(|serial| text.push_str(&row("Nguyễn Văn An", "Chi bộ", serial)));
    text.push_str(&row("TrÇn ThÞ Hoa", "Chi bộ", 11));
    text.push_str(&row("Nguyễn Văn An", "Chi bé th«n 2", 12));
    text.push_str(&row("Nguyễn Văn An", "Chi bá»™ thÃ´n 2", 13));
    let taken = judged("dang_vien", "a.csv", text.as_bytes());
    let told: Vec<_> = taken.rules().into_iter().filter(|(_, rules)| !rules.is_empty()).collect();
    assert_eq!(told, [209, 210, 211].map(|row| (row, vec!["ENCODING"])));
    assert!(taken.rows[207].judgement.errors[0].message.vi.contains("TCVN3"));
    let member = |id, group| vec!["Nguyễn Văn An", "05/01/1980", "Nam", id, "03/02/2005", group, "11953"];
    let head: Vec<&str> = HEAD.trim_end().split(',').collect();
    let rows = [head, member("033080000001", "Chi bé th«n 2"), member("033080000002", "")];
    let rows = rows.map(|mut row| {
        row.extend(["CHIBO", "CHINH_THUC"].iter().filter(|_| row.len() == 7).copied().collect::<Vec<_>>());
        row
    });
    let taken = judged("dang_vien", "a.xlsx", &super::titles::sheet(&rows, &[(1, 5, 2, 5)]));
    assert_eq!(taken.rules(), [2, 3].map(|row| (row, vec!["ENCODING"])));
}

/// Goal: what a program sends in old letters is no more taken than a sheet's cell; what was taken in once comes back.
#[test]
fn a_json_value_that_is_not_unicode_is_rejected() {
    let object = |name: &str, group: &str, serial: u32| {
        serde_json::json!({
            "ho_ten": name, "ngay_sinh": "05/01/1980", "gioi_tinh": "Nam", "so_cccd": format!("033080{serial:06}"),
            "ngay_vao_dang": "03/02/2005", "chi_bo": group, "ma_xa": "11953", "dien_quan_ly": "CHIBO",
            "tinh_trang": "CHINH_THUC",
        })
    };
    let exported = serde_json::json!({ "id": "00", "fields": object("Nguyễn Văn An", "Chi bé th«n 2", 4) });
    let objects = [
        object("Nguyễn Văn An", "Müller", 1),
        object("TrÇn ThÞ Hoa", "Chi bộ", 2),
        object("Nguyễn Văn An", "Chi bé th«n 2", 3),
        exported,
    ];
    let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let taken = judged("dang_vien", "a.jsonl", lines.as_bytes());
    let expected = [(1, vec![]), (2, vec!["ENCODING"]), (3, vec!["ENCODING"]), (4, vec![])];
    assert_eq!(taken.rules(), expected);
    assert_eq!(taken.rows[2].judgement.errors[0].column.as_deref(), Some("chi_bo"));
    let mut judge = |_: &RecordType, _: &[(String, RawCell)]| RowJudgement::default();
    let declared =
        lienthong_proto::catalogue::Catalogue::embedded().unwrap().record_type("dang_vien").unwrap();
    let mut put = Vec::new();
    read_json_values(objects, declared, &mut judge, &mut |row| put.push(row.verdict));
    assert_eq!(put[..3], [Verdict::Good, Verdict::Rejected, Verdict::Rejected]);
    let items = serde_json::json!({ "so_thong_bao": "1", "yeu_cau": [{ "noi_dung_khac_phuc": "Nép tiÒn" }] });
    let declared =
        lienthong_proto::catalogue::Catalogue::embedded().unwrap().record_type("ket_luan").unwrap();
    let mut found = Vec::new();
    read_json_values([items], declared, &mut judge, &mut |row| found.push(row.judgement.errors));
    assert_eq!(found[0][0].rule, "ENCODING", "{found:?}");
}
