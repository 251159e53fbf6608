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
    let allowed = |c: char| latin(c) || matches!(c, ' ' | '\'' | '-' | '.');
    text.split(' ').nth(1).is_some() && !text::formula_like(text) && text.chars().all(allowed)
}

/// The digits of a mobile or land line as they are dialled at home; `None` if it is neither.
#[must_use]
pub fn phone_digits(text: &str) -> Option<String> {
    let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if let Some(rest) = digits.strip_prefix("84").filter(|rest| rest.len() == 9) {
        digits = format!("0{rest}");
    }
    if digits.len() == 9 && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let mobile = digits.len() == 10 && ["03", "05", "07", "08", "09"].iter().any(|p| digits.starts_with(p));
    let land = digits.len() == 11 && digits.starts_with("02");
    (mobile || land).then_some(digits)
}

/// Whether it has the 8 or 12 digits that party cards usually have.
#[must_use]
pub fn is_party_card(text: &str) -> bool {
    matches!(text.len(), 8 | 12) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is a SHA-256 in hexadecimal.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
