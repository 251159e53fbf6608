//! What must not get in, or not get out as it is.

use std::borrow::Cow;

use super::fold;

/// The first control character of a text; line breaks and tabs are none.
#[must_use]
pub fn control_character(text: &str) -> Option<char> {
    // Of the bytes of text only these begin one.
    if text.bytes().all(|byte| byte >= 0x20 && !matches!(byte, 0x7F | 0xC2)) {
        return None;
    }
    text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Whether a spreadsheet would take a text for a formula.
#[must_use]
pub fn formula_like(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// The text as an export may carry it: a leading apostrophe before what looks like a formula. What has apostrophes of its own
/// where [`restore_formula`] takes one away gets one more, so that every text comes back.
#[must_use]
pub fn neutralise_formula(text: &str) -> Cow<'_, str> {
    let bare = text.trim_start_matches('\'');
    let is_taken_away = bare.len() < text.len() && is_typed(bare);
    if formula_like(bare) || is_taken_away { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text behind the apostrophe that [`neutralise_formula`] put before it, or that an officer typed so that a spreadsheet
/// keeps a number as text (`'0123`); any other text as it is.
#[must_use]
pub fn restore_formula(text: &str) -> &str {
    let Some(behind) = text.strip_prefix('\'') else { return text };
    let bare = behind.trim_start_matches('\'');
    if formula_like(bare) || is_typed(bare) { behind } else { text }
}

/// Whether an apostrophe before a text is no part of it: a digit follows, and no other apostrophe closes a quotation.
fn is_typed(bare: &str) -> bool {
    bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.contains('\'')
}

/// Whether a cell only says that there is nothing (DOMAIN 2.4).
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    if text.chars().all(|c| matches!(c, '-' | '–' | '—' | '.' | '…' | '/')) {
        return true;
    }
    // Most cells are told by their first two letters, without folding them.
    let mut letters = text.chars().skip_while(|c| !c.is_alphanumeric());
    let likely = text.len() <= 16
        && match letters.next() {
            Some('k' | 'K' | 'c' | 'C') => {
                !letters.next().is_some_and(|c| c.is_ascii() && !matches!(c, 'h' | 'H'))
            }
            Some('x' | 'X') => true,
            Some('n' | 'N') => !letters.next().is_some_and(|c| matches!(c, 'g' | 'G' | 'h' | 'H')),
            _ => false,
        };
    likely && matches!(fold(text).as_str(), "khong" | "khong co" | "chua co" | "x" | "n a" | "na" | "null")
}

/// What spreadsheets show where a formula failed.
const CELL_ERRORS: [&str; 15] = [
    "#DIV/0!",
    "#N/A",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#DATA!",
    "#GETTING_DATA",
];

/// Whether a text is what a spreadsheet shows in place of a value: its word for an error, `Err:502`, or the signs that fill a
/// column too narrow for its number.
#[must_use]
pub fn is_cell_error(text: &str) -> bool {
    let text = text.trim();
    if let Some(code) = text.strip_prefix("Err:") {
        return code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    }
    let filled = text.len() > 1 && text.bytes().all(|byte| byte == b'#');
    text.starts_with('#') && (filled || CELL_ERRORS.iter().any(|error| error.eq_ignore_ascii_case(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_from_a_text_with_its_sign() {
        for text in ["#N/A", " #ref! ", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#####", "Err:502"]
        {
            assert!(is_cell_error(text), "{text:?}");
        }
        for text in ["", "#", "#1", "N/A", "# N/A", "Err: 502", "Err:x", "Chi bộ #2", "#REF! Hưng Yên"] {
            assert!(!is_cell_error(text), "{text:?}");
        }
    }

    #[test]
    fn placeholders_say_nothing_and_zero_is_a_value() {
        for text in ["", "-", "--", "...", "x", "N/A", "không", "Không có", "chưa có", "NULL", " – "] {
            assert!(is_placeholder(text), "{text:?}");
        }
        for text in ["0", "Không Văn An", "xã", "có"] {
            assert!(!is_placeholder(text), "{text:?}");
        }
    }

    #[test]
    fn formulas_are_defused_and_text_is_left_alone() {
        assert_eq!(neutralise_formula("=1+1"), "'=1+1");
        assert_eq!(neutralise_formula("Nguyễn"), "Nguyễn");
        let exports = [("-5 độ", "'-5 độ"), ("'=1", "''=1"), ("'Nay", "'Nay"), ("'", "'"), ("0123", "0123")];
        for (text, exported) in exports.into_iter().chain([("'0123", "''0123"), ("'12/QĐ'", "'12/QĐ'")]) {
            assert_eq!(neutralise_formula(text), exported);
            assert_eq!(restore_formula(exported), text);
        }
        for (typed, meant) in [("'0123", "0123"), ("'+84", "+84"), ("'12-TB/UBKT", "12-TB/UBKT")] {
            assert_eq!(restore_formula(typed), meant);
        }
        for text in ["'Hòa'", "'Hòa", "'12' và '13'", "’0123", "0'1"] {
            assert_eq!(restore_formula(text), text);
        }
        assert_eq!(control_character("a\u{0}b"), Some('\u{0}'));
        assert_eq!(control_character("a\nb"), None);
        assert_eq!(control_character("ê\u{85}b"), Some('\u{85}'));
        assert_eq!(control_character("a\u{7F}"), Some('\u{7F}'));
        assert_eq!(control_character("a\u{A0}Â"), None);
    }
}
