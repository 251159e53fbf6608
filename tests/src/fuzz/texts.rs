//! Texts people write: names, dates, amounts, numbers, codes, letters of old fonts, and rows made of them.

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::Passage;
use lienthong_proto::rules::{
    CitizenNumber, JudgeContext, RawCell, UnitScope, day_of_serial, is_party_card, is_person_name, is_sha256,
    judge_row, names_a_sender, parse_date, parse_integer, parse_money, phone_digits,
};
use lienthong_proto::text::{
    Lettering, LetteringCensus, control_character, fold, fold_name, formula_like, is_placeholder,
    is_syllable, neutralise_formula, normalise, normalise_long, restore_formula, title_case_name,
};
use lienthong_proto::value::date_text;

use super::{Bound, Target, small};

pub(super) const TARGETS: &[Target] = &[
    small("text", text, all_texts),
    small("lettering", lettering, letters),
    small("date", date, dates),
    small("money", money, amounts),
    small("citizen", citizen, numbers),
    small("code", code, codes),
    Target { bound: Bound { each: 512, base: 1 << 20 }, rounds: 2_000, ..small("row", row, rows) },
];

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn all_texts() -> Vec<Vec<u8>> {
    lines(&[
        "Nguyễn Thị Hòa",
        "  TRẦN   văn\u{A0}An \u{200B}",
        "Thu\u{323}y\u{301} Ho\u{300}a",
        "dòng một\r\n\r\ndòng hai\r",
        "=HYPERLINK(\"http://x\")",
        "'=1+1",
        "không có",
        "\u{FEFF}e\u{301}\u{323}\u{301}\u{301}",
        "ß İ ǅ ﬃ \u{1F469}\u{200D}\u{1F467}",
        "Người gửi: ông Nguyễn Văn A, SĐT 0912345678",
    ])
}

/// The stored form is its own stored form; folds are folded; what is kept from being a formula comes back.
fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let stored = normalise(&text);
    assert_eq!(normalise(&stored), stored, "the stored form of {text:?}");
    assert!(!stored.starts_with(' ') && !stored.ends_with(' ') && !stored.contains("  "), "{stored:?}");
    let long = normalise_long(&text);
    assert_eq!(normalise_long(&long), long, "the long form of {text:?}");
    let folded = fold(&text);
    assert_eq!(fold(&folded), folded, "the fold of {text:?}");
    assert_eq!(fold(&stored), folded, "the fold of the stored form of {text:?}");
    let name = fold_name(&text);
    assert_eq!(fold_name(&name), name, "the name's fold of {text:?}");
    let neutral = neutralise_formula(&text);
    assert!(!formula_like(&neutral), "{neutral:?}");
    assert_eq!(restore_formula(&neutral), text);
    let _ = (control_character(&text), is_placeholder(&text), is_syllable(&text), title_case_name(&text));
    let _ = (is_person_name(&text), is_party_card(&text), is_sha256(&text), names_a_sender(&text));
    if let Some(digits) = phone_digits(&text) {
        assert_eq!(phone_digits(&digits).as_deref(), Some(digits.as_str()));
    }
}

fn letters() -> Vec<Vec<u8>> {
    lines(&[
        "NguyÔn ThÞ Hßa",
        "Nguyeãn Thò Hoøa",
        "Nguyá»…n Thá»‹ HÃ²a",
        "Nguy\u{EA}\u{303}n Th\u{1ECB}",
        "TrÇn V¨n B×nh\nPh¹m Quèc C\u{AD}êng",
    ])
}

/// Letters of any font come back as text; what is Unicode already stays.
fn lettering(data: &[u8]) {
    // As UTF-8, and as the bytes of a file without Unicode.
    let plain: String = data.iter().map(|byte| char::from(*byte)).collect();
    for text in [String::from_utf8_lossy(data).into_owned(), plain] {
        for lettering in Lettering::LEGACY.into_iter().chain([Lettering::Unicode]) {
            let read = lettering.read(&text);
            assert!(read.len() <= 4 * text.len());
            if text.is_ascii() || lettering == Lettering::Unicode {
                assert_eq!(read, text);
            }
        }
        for mut census in [LetteringCensus::default(), LetteringCensus::of_bytes()] {
            for line in text.lines() {
                census.note(line);
            }
            let _ = Lettering::suspected(&text);
            let _ = census.decide();
        }
    }
}

fn dates() -> Vec<Vec<u8>> {
    lines(&[
        "02/03/1975",
        "2026-11-23T00:00:00",
        "ngày 3 tháng 4 năm 1980",
        "1.2.99",
        "29/02/1900",
        "31-12-9999",
        "2026/1/2",
    ])
}

/// A day that is understood is understood again from its own text.
fn date(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(day) = parse_date(&text) {
        assert_eq!(parse_date(&date_text(day)), Ok(day), "{text:?}");
    }
    let mut bits = [0; 8];
    bits.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    for days in [f64::from_be_bytes(bits), f64::from_le_bytes(bits)] {
        for epoch_1904 in [false, true] {
            if let Some(day) = day_of_serial(days, epoch_1904) {
                assert_eq!(parse_date(&date_text(day)), Ok(day), "{days}");
            }
        }
    }
}

fn amounts() -> Vec<Vec<u8>> {
    lines(&[
        "1.250.000.000",
        "1,25 tỷ",
        "(300.000.000)",
        "-850 triệu",
        "1 250 000 đ",
        "9223372036854775807",
        "9.223.372.036.854.775.808",
        "0,000000001 tỷ",
    ])
}

/// An amount that is understood is understood again from its digits.
fn money(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(amount) = parse_money(&text) {
        assert_eq!(parse_money(&amount.to_string()), Some(amount), "{text:?}");
    }
    if let Some(number) = parse_integer(&text) {
        assert_eq!(parse_integer(&number.to_string()), Some(number), "{text:?}");
    }
}

fn numbers() -> Vec<Vec<u8>> {
    lines(&["033075001234", "'033 075 001 234", "33075001234.0", "０３３０７５００１２３４", "123456789"])
}

/// A number that holds is twelve digits, and holds again.
fn citizen(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(number) = CitizenNumber::parse(&text) else { return };
    assert!(number.digits.len() == 12 && number.digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(CitizenNumber::parse(&number.digits).map(|again| again.digits), Ok(number.digits.clone()));
    for year in [None, Some(-1), Some(1975), Some(2075), Some(i16::MAX)] {
        for female in [None, Some(true), Some(false)] {
            let _ = number.fits(year, female);
        }
    }
    let _ =
        (number.is_abroad(), number.confirms_two_digit_year(75), number.confirms_two_digit_year(u16::MAX));
}

fn codes() -> Vec<Vec<u8>> {
    lines(&["33", "11953", "7:11953:12004", &"0a".repeat(16), "viện"])
}

/// Codes, ids and passages have one form.
fn code(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(unit) = text.parse::<UnitCode>() {
        assert_eq!(unit.as_str(), text);
    }
    if let Ok(id) = text.parse::<RecordId>() {
        assert_eq!(id.to_string().parse::<RecordId>(), Ok(id));
        assert!(id.to_string().eq_ignore_ascii_case(text));
    }
    if let Ok(passage) = text.parse::<Passage>() {
        assert_eq!(passage.to_string().parse::<Passage>(), Ok(passage));
    }
}

fn rows() -> Vec<Vec<u8>> {
    lines(&[
        "dang_vien\nso_cccd\t033075001234\nho_ten\tNguyễn Văn An\nngay_sinh\t02/03/1975\nma_xa\t11953\n",
        "don_thu\nma_don\t1/2026\nnoi_dung\ttố cáo\nngay_nhan\t#46349.5\n",
        "ky_luat\nma\t!#N/A\nhinh_thuc\tkhiển trách\nngay\t@2026-01-02\n",
        "ke_khai\nso_cccd\t033075001234\ngia_tri\t1,25 tỷ\nnam\t2026\n",
    ])
}

/// A row of whatever type is judged: values come only of its own fields, and a classified mark leaves none.
fn row(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let catalogue = Catalogue::embedded().unwrap();
    let mut lines = text.lines();
    let named = catalogue.record_type(lines.next().unwrap_or_default());
    let Some(declared) = named.or_else(|| catalogue.record_types().next()) else { return };
    let cell = |text: &str| match text.split_at_checked(1) {
        Some(("#", number)) => RawCell::Serial {
            days: number.parse().unwrap_or(f64::NAN),
            epoch_1904: text.len().is_multiple_of(2),
        },
        Some(("!", error)) => RawCell::Error(error.to_owned()),
        Some(("@", iso)) => RawCell::Iso(iso.to_owned()),
        Some(("[", list)) => {
            RawCell::List(list.split(',').map(|one| RawCell::Text(one.to_owned())).collect())
        }
        Some(("{", _)) => RawCell::Object,
        Some(_) => RawCell::Text(text.to_owned()),
        None => RawCell::Empty,
    };
    let cells: Vec<(String, RawCell)> = lines
        .take(256)
        .map(|line| line.split_once('\t').unwrap_or((line, "")))
        .map(|(name, value)| (name.to_owned(), cell(value)))
        .collect();
    for scope in [UnitScope::Own("11953".parse().unwrap()), UnitScope::Any("33".parse().unwrap())] {
        let context = JudgeContext { catalogue, today: 20_500, scope };
        let judged = judge_row(declared, &cells, &context);
        for path in judged.values.keys() {
            let name = path.split('/').next().unwrap_or_default();
            assert!(declared.fields.iter().any(|field| field.name == name), "a value of no field: {path}");
        }
        if judged.errors.iter().any(|found| found.rule == "CLASSIFIED") {
            assert!(judged.values.is_empty(), "a classified row keeps values");
        }
    }
}
