//! Probable duplicates: what proposes a pair and what speaks for and against it.

use super::*;

const BASE: &str = "ho_ten=Nguyễn Thị Hòa|ngay_sinh=1980-01-05|gioi_tinh=NU|so_cccd=033180000123|ngay_vao_dang=2005-02-03|chi_bo=Chi bộ thôn 1";

fn member(number: u8, fields: &str) -> Subject {
    let mut subject = subject(&format!("dang_vien #{number}: {BASE}"));
    patch(&mut subject, fields);
    subject
}

fn pairs(subjects: &[Subject]) -> Vec<Pair> {
    let mut quality = MemoryQuality::new(&BOOK, TODAY);
    subjects.iter().for_each(|subject| {
        quality.apply(subject.clone());
    });
    let pairs = quality.duplicates();
    for pair in &pairs {
        assert!(quality.duplicates_of(&pair.first).contains(pair));
        assert!(quality.duplicates_of(&pair.second).contains(pair));
    }
    pairs
}

fn score(fields: &str) -> Option<u8> {
    pairs(&[member(1, ""), member(2, fields)]).first().map(|pair| pair.likeness.score)
}

#[test]
fn a_slip_in_the_number_is_a_duplicate_and_a_namesake_is_none() {
    assert_eq!(score("so_cccd=033180000124"), Some(100), "one digit");
    assert_eq!(score("so_cccd=033180000132"), Some(100), "two digits changed places");
    assert_eq!(score("so_cccd=034180099999|chi_bo=Chi bộ 5|ngay_vao_dang=2010-01-01"), None, "a namesake");
    assert!(score("so_cccd=12345678").unwrap() > score("so_cccd=034180099999").unwrap(), "no number at all");
    assert!(score("so_cccd=034180099999").unwrap() < score("so_cccd=033180000124").unwrap());
}

#[test]
fn names_meet_without_their_marks_and_weigh_less() {
    let plain = score("so_cccd=033180000124|ho_ten=Nguyen Thi Hoa|ngay_vao_dang=|chi_bo=").unwrap();
    let exact = score("so_cccd=033180000124|ho_ten=NGUYỄN THỊ HOÀ|ngay_vao_dang=|chi_bo=").unwrap();
    assert!(plain < exact && plain >= Likeness::SCORE_MIN, "{plain} {exact}");
}

#[test]
fn a_wrong_birth_date_is_found_by_the_telephone() {
    let two = [
        member(1, "dien_thoai=0912345678"),
        member(2, "dien_thoai=0912345678|ngay_sinh=1980-05-01|so_cccd=033180000132"),
    ];
    let found = pairs(&two);
    assert_eq!(found.len(), 1);
    let near = found[0].likeness.reasons.iter().filter(|reason| reason.agreement == Agreement::Near);
    let fields: Vec<&str> = near.map(|reason| reason.field.as_str()).collect();
    assert_eq!(fields, ["ngay_sinh", "so_cccd"]);
    let apart = [member(1, ""), member(2, "ngay_sinh=1980-05-01|so_cccd=033180000132")];
    assert!(pairs(&apart).is_empty(), "nothing proposes the pair");
}

#[test]
fn sex_and_number_speak_against() {
    assert_eq!(score("so_cccd=033080000999|gioi_tinh=NAM"), None);
}

#[test]
fn a_letter_to_several_bodies_is_found() {
    let letter = |number: u8, subject_of: &str, text: &str| {
        subject(&format!(
            "don_thu #{number}: ma_don=D{number}|doi_tuong={subject_of}|noi_dung={text}|loai_don=TO_CAO"
        ))
    };
    let text = "Chủ tịch phường cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2024, thu tiền không có biên lai, dân \
                đã nhiều lần kiến nghị mà chưa được trả lời";
    let again = text.to_uppercase().replace("NHIỀU LẦN ", "");
    let other =
        "Đề nghị xem xét việc bổ nhiệm cán bộ trường học không đúng quy trình và tiêu chuẩn trong năm học";
    let letters = [
        letter(1, "Chủ tịch phường", text),
        letter(2, "chủ tịch phường", &again),
        letter(3, "Chủ tịch phường", other),
    ];
    let found = pairs(&letters);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].first, found[0].second), (id(1), id(2)));
}

#[test]
fn a_crowd_of_one_name_is_compared_within_bounds() {
    let crowd: Vec<Subject> =
        (0..200).map(|number| member(number, &format!("so_cccd=0331801{number:05}"))).collect();
    let mut quality = MemoryQuality::new(&BOOK, TODAY);
    crowd.into_iter().for_each(|subject| {
        quality.apply(subject);
    });
    assert!(quality.duplicates().len() <= 32 * 31 / 2);
    assert!(quality.duplicates_of(&id(199)).is_empty(), "beyond the first of a mark nobody is compared");
}

fn clean(quality: &MemoryQuality<'_>) -> (u64, u64) {
    let score = quality.unit_score(&UNIT.parse().unwrap(), Silence::Heard, &[], TODAY);
    let count = score.figure(crate::catalogue::Dimension::Sach);
    (count.good, count.all)
}

/// Goal: who is probably another's double is not clean, and is again once one of the two is mended or gone.
#[test]
fn probable_duplicates_are_not_clean_until_one_is_mended() {
    let phone = "dien_thoai=0912345678|ngay_sinh=1980-05-01|so_cccd=033180000132";
    let mut quality = MemoryQuality::new(&BOOK, TODAY);
    quality.apply(member(1, "dien_thoai=0912345678"));
    assert_eq!(clean(&quality), (1, 1));
    quality.apply(member(2, phone));
    assert_eq!(clean(&quality), (0, 2), "proposed by name and telephone");
    assert!(broken(&quality, &id(1), TODAY).contains(&"DUPLICATE".to_owned()));
    // No mark of either changes, only what speaks for and against.
    quality.apply(member(2, &format!("{phone}|gioi_tinh=NAM|ngay_vao_dang=2015-01-01|chi_bo=")));
    assert_eq!(clean(&quality), (2, 2));
    quality.apply(member(2, phone));
    assert_eq!(clean(&quality), (0, 2));
    quality.remove(&id(2));
    assert_eq!(clean(&quality), (1, 1));
}

/// Goal: of a crowd that is compared only in part the same ones are, in whatever order they came and went.
#[test]
fn a_crowd_comes_to_the_same_doubles_in_any_order() {
    let one = |number: u8| member(number, &format!("so_cccd=0331801{number:05}"));
    let held = |numbers: &[u8], gone: &[u8]| {
        let mut quality = MemoryQuality::new(&BOOK, TODAY);
        numbers.iter().for_each(|number| drop(quality.apply(one(*number))));
        gone.iter().for_each(|number| drop(quality.remove(&id(*number))));
        let doubles: Vec<_> = quality.records().map(|(id, held)| (*id, held.doubles.clone())).collect();
        (doubles, format!("{:?}", quality.totals()))
    };
    let up: Vec<u8> = (0..40).collect();
    let down: Vec<u8> = (0..40).rev().collect();
    let all = held(&up, &[]);
    assert_eq!(held(&down, &[]), all);
    assert!(all.0[31].1.len() == 31 && all.0[32].1.is_empty(), "{:?}", all.0);
    assert_eq!(held(&up, &[3, 35, 7]), held(&down, &[7, 3, 35]));
}
