//! Every reason class, with what must and what must not raise it.

use super::*;
use crate::catalogue::Catalogue;
use crate::value::{Value, date_text};

fn judged(record_type: &str, cells: &[(&str, &str)]) -> RowJudgement {
    judged_raw(record_type, cells.iter().map(|(name, text)| (*name, RawCell::Text((*text).to_owned()))))
}

fn judged_raw<'a>(record_type: &str, cells: impl IntoIterator<Item = (&'a str, RawCell)>) -> RowJudgement {
    judged_by(UnitScope::Own("11953".parse().unwrap()), record_type, cells)
}

fn judged_by<'a>(
    scope: UnitScope,
    record_type: &str,
    cells: impl IntoIterator<Item = (&'a str, RawCell)>,
) -> RowJudgement {
    let catalogue = Catalogue::embedded().unwrap();
    let context = JudgeContext { catalogue, today: 20_780, scope };
    let cells: Vec<_> = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect();
    judge_row(catalogue.record_type(record_type).unwrap(), &cells, &context)
}

fn rules(judgement: &RowJudgement) -> Vec<&str> {
    judgement.errors.iter().chain(&judgement.warnings).map(|found| found.rule.as_str()).collect()
}

#[test]
fn a_good_row_is_good() {
    let row = judged(
        "dang_vien",
        &[
            ("ho_ten", "NGUYỄN  THỊ HOÀ"),
            ("ngay_sinh", "05/01/1980"),
            ("gioi_tinh", "nữ"),
            ("so_cccd", "033 180 000 123"),
            ("ngay_vao_dang", "3-2-2005"),
            ("ngay_chinh_thuc", "2006-02-03"),
            ("chi_bo", "Chi bộ thôn 1"),
            ("ma_xa", "11953"),
            ("dien_ke_khai", "không"),
            ("dien_thoai", "+84 912 345 678"),
            ("tinh_trang", "Đảng viên chính thức"),
        ],
    );
    assert_eq!(rules(&row), Vec::<&str>::new(), "{:?}", row.errors);
    assert_eq!(row.values["ho_ten"], Value::Text("Nguyễn Thị Hòa".into()));
    assert_eq!(row.values["so_cccd"], Value::Text("033180000123".into()));
    assert_eq!(row.values["gioi_tinh"], Value::Code("NU".into()));
    assert_eq!(row.values["dien_ke_khai"], Value::Boolean(false));
    assert_eq!(row.values["dien_thoai"], Value::Text("0912345678".into()));
    assert_eq!(row.unit.unwrap().as_str(), "11953");
}

#[test]
fn each_class_has_its_case() {
    let table: &[(&str, &str, &str)] = &[
        ("ho_ten", "", "REQ_MISSING"),
        ("ho_ten", "N/A", "REQ_MISSING"),
        ("ho_ten", "Hòa", "NAME_INVALID"),
        ("ho_ten", "Nguyễn Văn 2", "NAME_INVALID"),
        ("ho_ten", "=Nguyễn Văn", "NAME_INVALID"),
        ("ho_ten", "Nguyễn Vаn", "NAME_INVALID"),
        ("ho_ten", "Nguyễn\u{1} Văn", "TEXT_CONTROL"),
        ("so_cccd", "12345", "CCCD_FORMAT"),
        ("so_cccd", "3.3E+10", "CCCD_FORMAT"),
        ("so_cccd", "145123456", "CCCD_IS_CMND"),
        ("so_cccd", "003180000123", "CCCD_PROVINCE"),
        ("ngay_sinh", "29/02/1981", "DATE_INVALID"),
        ("ngay_sinh", "12/31/1980", "DATE_INVALID"),
        ("ngay_sinh", "khoảng 1985", "DATE_INVALID"),
        ("ngay_sinh", "5/1/80", "DATE_INVALID"),
        ("ngay_sinh", "05/01/2080", "DATE_FUTURE"),
        ("ho_ten", "Nguyễn Văn An - Trần Thị Bình", "NAME_INVALID"),
        ("ho_ten", "Nguyễn Văn An và Trần Thị Bình", "NAME_INVALID"),
        ("ho_ten", "Đồng chí Nguyễn Văn An", "NAME_INVALID"),
        ("ho_ten", "Đ.c Nguyễn Văn An", "NAME_INVALID"),
        ("chuc_vu", "TỐI MẬT", "CLASSIFIED"),
        ("chuc_vu", "(Mật)", "CLASSIFIED"),
        ("ma_xa", "99999", "CODE_UNKNOWN"),
        ("ma_xa", "11956", "CODE_OLD"),
        ("ma_xa", "Xã Quảng Châu", "CODE_OLD"),
        ("ma_xa", "00004", "CODE_OUTSIDE"),
        ("ma_xa", "11977", "UNIT_FOREIGN"),
        ("gioi_tinh", "khác", "ENUM_UNKNOWN"),
        ("dien_ke_khai", "có lẽ", "ENUM_UNKNOWN"),
        ("dien_thoai", "123", "PHONE_INVALID"),
        ("chuc_vu", "=HYPERLINK()", "FORMULA_LIKE"),
    ];
    assert_eq!(rules(&judged("ket_luan", &[("so_thong_bao", "thông báo số 12")])), ["DOCUMENT_NUMBER"]);
    for number in ["12-TB/UBKTTU", "15/2025/NĐ-CP", "Nghị quyết 01-NQ/TU", "12a-QĐ/ĐU"] {
        assert!(rules(&judged("ket_luan", &[("so_thong_bao", number)])).is_empty(), "{number}");
    }
    for (column, text, class) in table {
        assert_eq!(rules(&judged("dang_vien", &[(column, text)])), [*class], "{column} {text}");
    }
    assert_eq!(rules(&judged("don_thu", &[("an_danh", "x")])), ["ANONYMOUS"]);
    assert_eq!(rules(&judged("don_thu", &[("an_danh", "không")])), Vec::<&str>::new());
    let long = "x".repeat(301);
    assert_eq!(rules(&judged("dang_vien", &[("chuc_vu", &long)])), ["TEXT_TOO_LONG"]);
    let error = judged_raw("dang_vien", [("chuc_vu", RawCell::Error("#N/A".into()))]);
    assert_eq!(rules(&error), ["CELL_ERROR"]);
    assert_eq!(rules(&judged_raw("dang_vien", [("chuc_vu", RawCell::Object)])), ["TYPE_MISMATCH"]);
}

/// Goal: what only looks like a value is none. Method: errors a program wrote out as text, also where the like of them says
/// that there is nothing; letters that were lost; yes and no where something else is due.
#[test]
fn what_is_no_value_is_not_taken_for_text() {
    for error in ["#N/A", "#REF!", "#DIV/0!", " #value! ", "#######", "Err:502"] {
        for column in ["ho_ten", "chuc_vu", "ngay_sinh", "so_cccd", "ma_xa", "gioi_tinh", "dien_ke_khai"] {
            assert_eq!(rules(&judged("dang_vien", &[(column, error)])), ["CELL_ERROR"], "{column} {error}");
        }
    }
    assert_eq!(rules(&judged("cuoc_kiem_tra", &[("doi_tuong", "Chi bộ 1; #N/A")])), ["CELL_ERROR"]);
    assert_eq!(rules(&judged("dang_vien", &[("ma_xa", "11953"), ("ten_xa", "#N/A")])), Vec::<&str>::new());
    assert_eq!(rules(&judged("dang_vien", &[("chuc_vu", "tổ #2")])), Vec::<&str>::new());
    for column in ["ho_ten", "chuc_vu", "ngay_sinh", "chi_bo"] {
        assert_eq!(rules(&judged("dang_vien", &[(column, "Th\u{FFFD}n 1")])), ["ENCODING"], "{column}");
    }
    for answer in [true, false] {
        let of = |column| judged_raw("dang_vien", [(column, RawCell::Boolean(answer))]);
        assert_eq!(of("dien_ke_khai").values["dien_ke_khai"], Value::Boolean(answer));
        for column in ["ho_ten", "chuc_vu", "ngay_sinh", "so_cccd", "ma_xa"] {
            assert_eq!(rules(&of(column)), ["TYPE_MISMATCH"], "{column}");
        }
        assert_eq!(rules(&of("gioi_tinh")), ["ENUM_UNKNOWN"]);
    }
}

/// Goal: a chi bộ's row is its unit's, at the commune and at the province, and the cell stays as it is written.
#[test]
fn a_row_of_a_cell_is_the_units() {
    let own = || UnitScope::Own("11953".parse().unwrap());
    let province = || UnitScope::Any("33".parse().unwrap());
    for (scope, code, owner, expected) in [
        (own(), "11953.07", "11953", &[][..]),
        (own(), "12004.07", "12004", &["UNIT_FOREIGN"]),
        (province(), "12004.07", "12004", &[]),
        (province(), "33-CA.2", "33-CA", &[]),
        (province(), "12004", "12004", &[]),
        (province(), "99999.07", "33", &["CODE_UNKNOWN"]),
    ] {
        let row = judged_by(scope, "dang_vien", [("ma_xa", RawCell::Text(code.to_owned()))]);
        assert_eq!(rules(&row), expected, "{code}");
        assert_eq!(row.unit.as_ref().map(|unit| unit.as_str()), Some(owner), "{code}");
        let kept = row.values.get("ma_xa").map(Value::to_text);
        assert!(kept.is_none_or(|kept| kept == code), "{code}");
        if let Some(foreign) = row.errors.first().filter(|found| found.rule == "UNIT_FOREIGN") {
            assert!(foreign.message.vi.contains("Xã Như Quỳnh"), "{foreign:?}");
        }
    }
}

/// Goal: what a person would ask about is not read as if it were plain.
#[test]
fn signs_and_letters_that_belong_to_nothing_are_told() {
    for name in [". .", "- -", "Nguyễn .", "Nguyễn × Văn", "Nguyễn ÷", "' '"] {
        assert_eq!(rules(&judged("dang_vien", &[("ho_ten", name)])), ["NAME_INVALID"], "{name}");
    }
    for name in ["H'Nay Niê", "Nguyễn Văn A.", "Lê Thị Hoa-Mai"] {
        assert_eq!(rules(&judged("dang_vien", &[("ho_ten", name)])), Vec::<&str>::new(), "{name}");
    }
    for date in ["-5/1/1980", "5+1=1980", "5/1/1980?", "=5/1/1980", "5*1*1980", "/5/1/1980"] {
        assert_eq!(parse_date(date), Err(DateFault::Invalid), "{date}");
    }
    for date in ["5/1/1980", "'05/01/1980", "05/01/1980.", "5 . 1 . 1980", "Ngày 5 tháng 1, năm 1980"] {
        assert_eq!(parse_date(date).map(date_text).as_deref(), Ok("1980-01-05"), "{date}");
    }
    for phone in ["số 0912345678x", "0912345678 máy lẻ 12", "O912345678", "09123O5678", "nhà", ""] {
        let row = judged("dang_vien", &[("dien_thoai", phone)]);
        let wanted = if phone.is_empty() { vec![] } else { vec!["PHONE_INVALID"] };
        assert_eq!((rules(&row), row.values.len()), (wanted, 0), "{phone}");
    }
    for phone in ["ĐT: 0912 345 678", "0912.345.678 (Zalo)", "(+84) 912345678", "số 0912345678, nhà"] {
        let row = judged("dang_vien", &[("dien_thoai", phone)]);
        let stored = row.values.get("dien_thoai").map(Value::to_text);
        assert_eq!((rules(&row), stored.as_deref()), (vec![], Some("0912345678")), "{phone}");
    }
    for name in ["P. Phố Hiến", "phường Phố Hiến", "Phố Hiến"] {
        let row = judged("dang_vien", &[("ma_xa", name)]);
        assert_eq!(row.values.get("ma_xa").map(Value::to_text).as_deref(), Some("11953"), "{name}");
    }
}

#[test]
fn a_citizen_number_is_held_against_the_person() {
    let person = |cccd: &str, born: &str, sex: &str| {
        let row = judged("dang_vien", &[("so_cccd", cccd), ("ngay_sinh", born), ("gioi_tinh", sex)]);
        rules(&row).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(person("033080000123", "05/01/1980", "Nam").is_empty());
    assert_eq!(person("033080000123", "05/01/1980", "Nữ"), ["CCCD_CENTURY_SEX"]);
    assert_eq!(person("033280000123", "05/01/1980", "Nam"), ["CCCD_CENTURY_SEX"]);
    assert_eq!(person("033081000123", "05/01/1980", "Nam"), ["CCCD_BIRTHYEAR"]);
    // A number that lost its zero is restored, and then held against the person all the same.
    assert_eq!(person("33080000123", "05/01/1980", "Nam"), ["CCCD_PADDED"]);
    assert_eq!(person("33080000123", "05/01/1981", "Nam"), ["CCCD_BIRTHYEAR", "CCCD_PADDED"]);
}

/// Goal: corrected papers let a number in that fits neither birth date nor sex, and it is said (DOMAIN 3.1). What else is
/// wrong with a number stays wrong.
#[test]
fn a_document_lets_a_citizen_number_in_that_does_not_fit_the_person() {
    let person = |cccd: &str, born: &str, document: &str| {
        let cells =
            [("so_cccd", cccd), ("ngay_sinh", born), ("gioi_tinh", "Nam"), ("giay_to_cccd", document)];
        let row = judged("dang_vien", &cells);
        let said = |found: &[Finding]| found.iter().map(|found| found.rule.clone()).collect::<Vec<_>>();
        (said(&row.errors), said(&row.warnings), row.values.contains_key("so_cccd"))
    };
    let none = Vec::<String>::new;
    let one = |rule: &str| vec![rule.to_owned()];
    let corrected = "12/TP-CCHT ngày 3/2/2020";
    for (number, rule) in [("033081000123", "CCCD_BIRTHYEAR"), ("033180000123", "CCCD_CENTURY_SEX")] {
        assert_eq!(person(number, "05/01/1980", "-"), (one(rule), none(), true));
        assert_eq!(person(number, "05/01/1980", corrected), (none(), one(rule), true));
    }
    assert_eq!(person("033080000123", "05/01/1980", corrected), (none(), none(), true));
    assert_eq!(person("03308000012", "05/01/1980", corrected).0, one("CCCD_PROVINCE"));
    assert_eq!(
        person("33080000123", "05/01/1981", corrected).0,
        one("CCCD_BIRTHYEAR"),
        "padded, it is a guess"
    );
    let error = &judged("dang_vien", &[("so_cccd", "033081000123"), ("ngay_sinh", "05/01/1980")]).errors[0];
    assert!(error.message.vi.contains("“Giấy tờ xác nhận CCCD”"), "{}", error.message.vi);
}

#[test]
fn an_instant_is_a_day_with_a_time_of_day_in_vietnam() {
    let at = |cell: RawCell| {
        let row = judged_raw("bao_cao_ky", [("khoa_luc", cell)]);
        match row.values.get("khoa_luc") {
            Some(Value::Timestamp(at)) => Ok(at.rfc3339()),
            _ => Err(rules(&row).first().map(|rule| (*rule).to_owned())),
        }
    };
    let text = |text: &str| at(RawCell::Text(text.to_owned()));
    for same in ["2026-01-05T01:30:00Z", "2026-01-05T08:30:00+07:00", "05/01/2026 08:30", "5-1-2026 8:30:00"]
    {
        assert_eq!(text(same), Ok("2026-01-05T01:30:00Z".to_owned()), "{same}");
    }
    assert_eq!(text("05/01/2026"), Ok("2026-01-04T17:00:00Z".to_owned()));
    let serial = RawCell::Serial { days: 46_027.0 + 8.5 / 24.0, epoch_1904: false };
    assert_eq!(at(serial), Ok("2026-01-05T01:30:00Z".to_owned()));
    for bad in ["05/13/2026 08:30", "05/01/2026 25:00", "hôm qua", "1/1/1960"] {
        assert_eq!(text(bad), Err(Some("DATE_INVALID".to_owned())), "{bad}");
    }
    // Behind a date it is no part of it.
    let row = judged("dang_vien", &[("ngay_vao_dang", "03/02/2005 00:00:00")]);
    assert_eq!(row.values["ngay_vao_dang"], Value::Date(12_817));
}

/// Goal: a zero is put back only where every check passes (DOMAIN 2.4). Method: each of the two cells that checks need
/// is left out.
#[test]
fn a_citizen_number_that_lost_its_zero_needs_birth_date_and_sex_beside_it() {
    let (number, born, sex) = (("so_cccd", "33080000123"), ("ngay_sinh", "05/01/1980"), ("gioi_tinh", "Nam"));
    for cells in [&[number][..], &[number, born], &[number, sex]] {
        let row = judged("dang_vien", cells);
        assert_eq!(rules(&row), ["CCCD_FORMAT"], "{cells:?}");
        assert!(!row.values.contains_key("so_cccd"));
    }
    assert_eq!(rules(&judged("dang_vien", &[number, born, sex])), ["CCCD_PADDED"]);
}

/// Goal: one person is one record, however a sheet writes the number that leads there. Method: every form of it in two
/// types' references; what lost a digit has nothing beside it to be checked by.
#[test]
fn a_reference_by_citizen_number_is_read_as_the_number_is() {
    for (record_type, column) in [("can_bo", "dang_vien_id"), ("to_chuc_dang", "bi_thu_id")] {
        for form in ["033080000123", "'033080000123", "033 080 000 123", "033.080.000.123", "０33080000123"]
        {
            let row = judged(record_type, &[(column, form)]);
            assert_eq!(rules(&row), Vec::<&str>::new(), "{form}");
            assert_eq!(row.values[column], Value::Text("033080000123".into()), "{form}");
        }
        let wrong = [
            ("33080000123", "CCCD_FORMAT"),
            ("145123456", "CCCD_IS_CMND"),
            ("003180000123", "CCCD_PROVINCE"),
        ];
        for (form, class) in wrong {
            let row = judged(record_type, &[(column, form)]);
            assert_eq!((rules(&row), row.values.len()), (vec![class], 0), "{form}");
        }
        let number = judged_raw(record_type, [(column, RawCell::Number(33_080_000_123.0))]);
        assert_eq!(rules(&number), ["CCCD_FORMAT"]);
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(judged(record_type, &[(column, id)]).values[column], Value::Text(id.into()));
    }
}

/// Goal: X20, a code means nothing without its name: 84 of the 104 codes were another commune's. Method: names that
/// agree, however written, names that do not, and rows without a code.
#[test]
fn a_commune_code_is_held_against_the_name_beside_it() {
    let province = || UnitScope::Any("33".parse().unwrap());
    let at = |scope, cells: &[(&'static str, &str)]| {
        let cells = cells.iter().map(|(name, text)| (*name, RawCell::Text((*text).to_owned())));
        judged_by(scope, "dang_vien", cells)
    };
    let agreeing = [
        ("11953", "Phường Phố Hiến"),
        ("11953", "PHO HIEN"),
        ("11953", "p. Phố Hiến, tỉnh Hưng Yên"),
        ("11953", "Đảng ủy phường Phố Hiến"),
        ("12004", "xã Như Quỳnh"),
        ("12004.07", "Như Quỳnh"),
        ("33-CA", "Công an tỉnh"),
        ("12004", ""),
        ("12004", "-"),
    ];
    for (code, name) in agreeing {
        let row = at(province(), &[("ma_xa", code), ("ten_xa", name)]);
        assert_eq!(rules(&row), Vec::<&str>::new(), "{code} {name}");
        assert_eq!(row.values.len(), 1, "a name is no field");
    }
    for (code, name) in [("12004", "Xã Đình Dù"), ("11980", "Quảng Châu"), ("12004.07", "Đại Đồng")]
    {
        let row = at(province(), &[("ma_xa", code), ("ten_xa", name)]);
        assert_eq!(rules(&row), ["CODE_NAME_MISMATCH"], "{code} {name}");
    }
    let row = at(province(), &[("ten_xa", "Đình Dù"), ("ma_xa", "12004")]);
    let said = &row.errors[0];
    assert_eq!((said.column.as_deref(), said.value.as_deref()), (Some("ma_xa"), Some("Đình Dù")));
    assert!(said.message.vi.contains("Xã Như Quỳnh") && said.message.vi.contains("Đại Đồng"), "{said:?}");
    // A code that is refused already is not held against anything.
    assert_eq!(rules(&at(province(), &[("ma_xa", "11956"), ("ten_xa", "Lam Sơn")])), ["CODE_OLD"]);
    // Without a code the row would be the replica's own: the name says whether it is, and nothing is guessed of it.
    let own = || UnitScope::Own("11953".parse().unwrap());
    let row = at(own(), &[("ten_xa", "Phố Hiến")]);
    assert_eq!((rules(&row), row.values.len()), (vec![], 0));
    assert_eq!(rules(&at(own(), &[("ten_xa", "Tân Hưng")])), ["CODE_NAME_MISMATCH"]);
    assert_eq!(rules(&at(province(), &[("ten_xa", "Phố Hiến")])), ["CODE_NAME_MISMATCH"]);
}

#[test]
fn only_a_type_with_one_unit_has_a_column_that_names_it() {
    let catalogue = Catalogue::embedded().unwrap();
    let names =
        |record_type: &str, title: &str| names_unit(catalogue.record_type(record_type).unwrap(), title);
    for title in ["Xã/phường", "Tên xã", "TEN XA", "ten_xa", "Xã, phường", "Tên xã/phường *"] {
        assert!(names("dang_vien", title) && names("can_bo", title), "{title}");
        assert!(!names("chuyen_sinh_hoat", title), "from or to: {title}");
    }
    assert!(!names("dang_vien", "Mã xã/phường") && !names("dang_vien", "Quê quán xã/phường"));
}

#[test]
fn a_two_digit_year_needs_the_number_to_confirm_it() {
    let row =
        judged("dang_vien", &[("so_cccd", "033080000123"), ("ngay_sinh", "5/1/80"), ("gioi_tinh", "Nam")]);
    assert_eq!(rules(&row), Vec::<&str>::new());
    let Value::Date(days) = row.values["ngay_sinh"] else { panic!() };
    assert_eq!(date_text(days), "1980-01-05");
}

#[test]
fn dates_contradict_each_other() {
    let row = judged("dang_vien", &[("ngay_sinh", "1/1/1990"), ("ngay_vao_dang", "1/1/2000")]);
    assert_eq!(rules(&row), ["AGE_UNDER_18"]);
    // 18 years to the day: these are 6,575 days, others 6,574.
    let joined = |born, joined| {
        let row = judged("dang_vien", &[("ngay_sinh", born), ("ngay_vao_dang", joined)]);
        rules(&row).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(joined("1/3/2003", "28/2/2021"), ["AGE_UNDER_18"]);
    assert!(joined("1/3/2003", "1/3/2021").is_empty());
    assert!(joined("29/2/2000", "28/2/2018").is_empty());
    assert_eq!(joined("29/2/2000", "27/2/2018"), ["AGE_UNDER_18"]);
    let row = judged("dang_vien", &[("ngay_vao_dang", "1/1/2010"), ("ngay_chinh_thuc", "1/1/2009")]);
    assert_eq!(rules(&row), ["DATE_ORDER"]);
}

#[test]
fn every_form_of_a_date_is_read_and_none_is_guessed() {
    let forms = [
        "23/11/2026",
        "23-11-2026",
        "23.11.2026",
        "2026-11-23",
        "ngày 23 tháng 11 năm 2026",
        "2026-11-23T08:00:00",
        "2026-11-23T08:00:00.000+07:00",
        "2026-11-23 08:00:00",
    ];
    for form in forms {
        assert_eq!(parse_date(form).map(date_text).as_deref(), Ok("2026-11-23"), "{form}");
    }
    assert_eq!(parse_date("11/23/2026"), Err(DateFault::MonthFirst));
    for form in ["", "abc", "1/2", "32/1/2026", "0/1/2026", "1/1/0001", "1980"] {
        assert!(parse_date(form).is_err(), "{form}");
    }
    for form in ["2026-11-23 Thứ hai", "2026-11-23 Thứ hai 8:00", "2026-11-23T", "2026-11-23Txx:00"] {
        assert!(parse_date(form).is_err(), "{form}");
    }
    assert_eq!(day_of_serial(1.0, false).map(date_text).as_deref(), Some("1900-01-01"));
    assert_eq!(day_of_serial(60.0, false), None);
    assert_eq!(day_of_serial(61.0, false).map(date_text).as_deref(), Some("1900-03-01"));
    assert_eq!(day_of_serial(0.0, true).map(date_text).as_deref(), Some("1904-01-01"));
}

/// Goal: a number in a column of dates is a day only where the workbook says how it counts them, and never where it may
/// be a year. Method: the same numbers with and without a workbook, of both epochs.
#[test]
fn a_year_or_a_bare_number_is_no_date() {
    let date = |cell: RawCell| judged_raw("dang_vien", [("ngay_vao_dang", cell)]);
    let years = [RawCell::Number(1985.0), RawCell::Number(1985.0).counted_in_days(false)];
    let years = years.into_iter().chain([1800.0, 2200.0].map(|n| RawCell::Number(n).counted_in_days(true)));
    for cell in years.chain([RawCell::Text("1985".into()), RawCell::Text(" 1985 ".into())]) {
        let row = date(cell.clone());
        assert_eq!(rules(&row), ["DATE_INVALID"], "{cell:?}");
        assert!(row.errors[0].message.vi.starts_with("chỉ có năm"), "{cell:?}");
    }
    for cell in [RawCell::Number(29_222.0), RawCell::Number(500.0).counted_in_days(false)] {
        let row = date(cell);
        assert_eq!(rules(&row), ["DATE_INVALID"]);
        assert!(!row.errors[0].message.vi.starts_with("chỉ có năm"));
    }
    for (epoch_1904, day) in [(false, "1980-01-02"), (true, "1984-01-03")] {
        let row = date(RawCell::Number(29_222.0).counted_in_days(epoch_1904));
        assert_eq!(row.values["ngay_vao_dang"].to_text(), day);
    }
}

#[test]
fn a_number_out_of_range_is_told_from_what_is_no_number() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        ("ke_khai", "nam_ke_khai", "1800", &["NUM_RANGE"]),
        ("ke_khai", "nam_ke_khai", "năm nay", &["NUM_INVALID"]),
        ("ke_khai", "tong_gia_tri", "(300.000.000)", &["NUM_RANGE"]),
        ("ke_khai", "tong_gia_tri", "1.250,000.000", &["NUM_INVALID"]),
        ("ke_khai", "tong_gia_tri", "0", &[]),
        ("ho_so", "so_trang", "-1", &["NUM_RANGE"]),
    ];
    for (record_type, column, text, classes) in table {
        assert_eq!(rules(&judged(record_type, &[(column, text)])), *classes, "{column} {text}");
    }
}

#[test]
fn a_required_list_of_nothing_is_missing() {
    for text in ["", ";", " ; ;\n", "không; -"] {
        assert_eq!(rules(&judged("cuoc_kiem_tra", &[("doi_tuong", text)])), ["REQ_MISSING"], "{text:?}");
    }
    assert!(rules(&judged("cuoc_kiem_tra", &[("doi_tuong", "Chi bộ thôn 1;")])).is_empty());
}

#[test]
fn a_mobile_of_before_2018_is_dialled_as_today() {
    let table = [
        ("01201234567", Some("0701234567")),
        ("0123.456.7890", Some("0834567890")),
        ("+84 168 123 4567", Some("0381234567")),
        ("0199 123 4567", Some("0591234567")),
        ("01101234567", None),
        ("012012345678", None),
        ("0912345678", Some("0912345678")),
        ("02213 123 456", Some("02213123456")),
    ];
    for (text, digits) in table {
        assert_eq!(phone_digits(text).as_deref(), digits, "{text}");
    }
}

/// Goal: a word that a column offers is an answer, though elsewhere it only says that there is nothing.
#[test]
fn what_a_column_offers_is_an_answer_and_nothing_else_is_one() {
    let table: [(&str, &str, &str, Option<&str>); 8] = [
        ("can_bo", "ly_luan_ct", "Chưa có", Some("CHUA")),
        ("can_bo", "chuc_danh", "Chưa có", None),
        ("ket_luan", "do_mat", "không", Some("THUONG")),
        ("dang_vien", "dien_ke_khai", "không", Some("false")),
        ("dang_vien", "dien_ke_khai", "x", Some("true")),
        ("dang_vien", "dien_ke_khai", "-", None),
        ("dang_vien", "dien_ke_khai", "chưa có", None),
        ("dang_vien", "chuc_vu", "không", None),
    ];
    for (record_type, field, text, answer) in table {
        let row = judged(record_type, &[(field, text)]);
        let value = row.values.get(field).map(Value::to_text);
        assert_eq!(value.as_deref(), answer, "{field}: {text}");
        assert!(rules(&row).iter().all(|rule| *rule == "REQ_MISSING"), "{field}: {text}: {row:?}");
    }
}

#[test]
fn amounts_are_read_in_every_form_and_mixed_separators_are_not() {
    let table = [
        ("1.250.000.000", 1_250_000_000),
        ("1,250,000,000", 1_250_000_000),
        ("1 250 000 000 đ", 1_250_000_000),
        ("1,25 tỷ", 1_250_000_000),
        ("850 triệu", 850_000_000),
        ("(300.000.000)", -300_000_000),
        ("0", 0),
        ("5000", 5_000),
        ("5000.0", 5_000),
    ];
    for (text, amount) in table.into_iter().filter(|(text, _)| *text != "5000.0") {
        assert_eq!(parse_money(text), Some(amount), "{text}");
    }
    for (text, amount) in
        [("1.250.000 nghìn", 1_250_000_000), ("0,125 tỷ", 125_000_000), ("1250,125 tỷ", 1_250_125_000_000)]
    {
        assert_eq!(parse_money(text), Some(amount), "{text}");
    }
    for text in ["1.250 triệu", "1,250 triệu", "2.500 tỷ", "12.345,6 triệu"] {
        assert_eq!(parse_money(text), None, "{text} can be read in two ways");
    }
    for text in ["1.250,000.000", "1.25.000", "tỷ", "abc", "1,2345678901 tỷ", "--1"] {
        assert_eq!(parse_money(text), None, "{text}");
    }
}

#[test]
fn a_sender_is_never_read_and_a_classified_row_leaves_nothing() {
    let row = judged("don_thu", &[("nguoi_gui", "Nguyễn Văn Tố"), ("ma_don", "01")]);
    assert!(!row.values.contains_key("nguoi_gui"));
    let row = judged("don_thu", &[("noi_dung", "bí mật lớn"), ("do_mat", "Mật")]);
    assert_eq!(rules(&row), ["CLASSIFIED"]);
    let said = &row.errors[0].message;
    assert!(said.vi.contains("chỉ ghi số vào sổ và phần không mật"), "{said:?}");
    assert!(said.en.contains("only its number in the register and what is not classified"), "{said:?}");
    assert!(row.values.is_empty());
    assert!(row.errors.iter().all(|found| found.value.is_none()));
    // Also where the type has no field for it: only what is the lowest, or says nothing, is let in.
    let open = ["Thường", "-", "", "N/A"].map(|said| (said, false));
    let told = ["Mật", "kín", "#N/A", "#NULL!", "#REF!"].map(|said| (said, true));
    for (said, refused) in told.into_iter().chain(open) {
        let row = judged("tham_muu", &[("do_mat", said), ("trich_yeu", "việc lớn")]);
        assert_eq!(rules(&row).contains(&"CLASSIFIED"), refused, "{said}: {row:?}");
        assert!(!row.values.contains_key("do_mat") && (!refused || row.values.is_empty()));
    }
    let titled = |record_type: &str, title: &str| {
        tells_secrecy(Catalogue::embedded().unwrap().record_type(record_type).unwrap(), title)
    };
    assert!(titled("tham_muu", "Độ mật") && titled("tham_muu", "do_mat") && !titled("tham_muu", "Mật"));
    assert!(!titled("don_thu", "Độ mật"), "that is a field of its own");
}

#[test]
fn an_item_stands_in_one_row_and_is_checked_as_a_whole() {
    let row = judged(
        "ket_luan",
        &[
            ("so_thong_bao", "12-TB/UBKTĐU"),
            ("noi_dung_khac_phuc", "Thu hồi tiền"),
            ("han_khac_phuc", "1/2/2026"),
            ("tinh_trang", "xong"),
        ],
    );
    assert_eq!(rules(&row), ["STATE_INCONSISTENT"]);
    assert!(row.values.keys().any(|path| path.starts_with("yeu_cau/") && path.ends_with("/han_khac_phuc")));
    let row = judged("ket_luan", &[("so_thong_bao", "12-TB/UBKTĐU"), ("han_khac_phuc", "1/2/2026")]);
    assert_eq!(rules(&row), ["REQ_MISSING", "REQ_MISSING"]);
    let row =
        judged("ket_luan", &[("so_thong_bao", "12-TB/UBKTĐU"), ("han_khac_phuc", ""), ("tinh_trang", "")]);
    assert_eq!(rules(&row), Vec::<&str>::new(), "a row without an item");
}
