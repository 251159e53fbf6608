//! The forms that single values must have, alike for cells and for what is stored.

use crate::catalogue::{Field, FieldKind};
use crate::text;

const NAME_CHARS_MAX: usize = 80;
const TEXT_CHARS_MAX: usize = 300;
const LONG_TEXT_CHARS_MAX: usize = 20_000;

/// How many characters a text field takes.
#[must_use]
pub fn text_chars_max(field: &Field, kind: FieldKind) -> usize {
    match kind {
        FieldKind::LongText => LONG_TEXT_CHARS_MAX,
        _ if field.check.as_deref() == Some("person_name") => NAME_CHARS_MAX,
        _ => TEXT_CHARS_MAX,
    }
}

/// Whether it is at least two words of Latin letters.
#[must_use]
pub fn is_person_name(text: &str) -> bool {
    let latin = |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}');
    // Amid the letters of Latin stand two signs.
    let allowed = |c: char| latin(c) && !matches!(c, '×' | '÷') || matches!(c, ' ' | '\'' | '-' | '.');
    let words = text.split(' ').filter(|word| word.contains(char::is_alphabetic));
    words.count() > 1 && !text::formula_like(text) && text.chars().all(allowed) && !names_several(text)
}

/// Whether a cell has two names in it, or what people are called beside their name.
fn names_several(text: &str) -> bool {
    let mut words = text.split(' ').map(str::to_lowercase);
    let titled = words.clone().take(2).eq(["đồng", "chí"])
        || words.clone().next().is_some_and(|first| first.starts_with("đ.c"));
    titled || words.any(|word| word == "-" || word == "và")
}

/// Prefixes of mobiles of before 2018, which had 11 digits, and what they are today (DOMAIN 3.2).
const MOBILES_BEFORE_2018: [(&str, &str); 21] = [
    ("0120", "070"),
    ("0121", "079"),
    ("0122", "077"),
    ("0126", "076"),
    ("0128", "078"),
    ("0123", "083"),
    ("0124", "084"),
    ("0125", "085"),
    ("0127", "081"),
    ("0129", "082"),
    ("0162", "032"),
    ("0163", "033"),
    ("0164", "034"),
    ("0165", "035"),
    ("0166", "036"),
    ("0167", "037"),
    ("0168", "038"),
    ("0169", "039"),
    ("0186", "056"),
    ("0188", "058"),
    ("0199", "059"),
];

fn since_2018(digits: &str) -> Option<String> {
    let old = digits.len() == 11;
    let (rest, now) = MOBILES_BEFORE_2018
        .iter()
        .filter(|_| old)
        .find_map(|(before, now)| digits.strip_prefix(before).map(|rest| (rest, now)))?;
    Some(format!("{now}{rest}"))
}

/// The digits of a mobile or land line as they are dialled at home today; `None` if it is neither, or letters stand within it
/// or right at it. A word beside it (“ĐT: …”, “… (Zalo)”) says what it is.
#[must_use]
pub fn phone_digits(text: &str) -> Option<String> {
    let digit = |c: char| c.is_ascii_digit();
    let (first, last) = (text.find(digit)?, text.rfind(digit)?);
    let (before, rest) = text.split_at(first);
    let (number, behind) = rest.split_at(last - first + 1);
    if number.contains(char::is_alphabetic)
        || before.ends_with(char::is_alphabetic)
        || behind.starts_with(char::is_alphabetic)
    {
        return None;
    }
    let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let abroad = digits
        .strip_prefix("84")
        .filter(|rest| rest.len() == 9 || rest.len() == 10 && rest.starts_with(['1', '2']));
    if let Some(rest) = abroad {
        digits = format!("0{rest}");
    }
    if let Some(now) = since_2018(&digits) {
        return Some(now);
    }
    if digits.len() == 9 && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let mobile = digits.len() == 10 && ["03", "05", "07", "08", "09"].iter().any(|p| digits.starts_with(p));
    let land = digits.len() == 11 && digits.starts_with("02");
    (mobile || land).then_some(digits)
}

/// Whether a number is one that the check of its field allows.
pub(crate) fn is_in_range(check: Option<&str>, number: i64) -> bool {
    match check {
        Some("positive") => number >= 0,
        Some("year") => (1_945..=2_200).contains(&number),
        _ => true,
    }
}

/// Whether it has the 8 or 12 digits that party cards usually have.
#[must_use]
pub fn is_party_card(text: &str) -> bool {
    matches!(text.len(), 8 | 12) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a document's number stands in it as it is written, `số-loại/cơ quan`: 12-TB/UBKTTU, 15/2025/NĐ-CP.
pub(crate) fn is_document_number(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        word.starts_with(|c: char| c.is_ascii_digit())
            && rest.starts_with(['-', '/'])
            && rest.contains(char::is_alphabetic)
    })
}

/// Whether it is a SHA-256 in hexadecimal.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
