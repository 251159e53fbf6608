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

/// The text as an export may carry it: a leading apostrophe before what looks like a formula. What looks like
/// one behind apostrophes of its own gets one more, so that [`restore_formula`] gives every text back.
#[must_use]
pub fn neutralise_formula(text: &str) -> Cow<'_, str> {
    let bare = text.trim_start_matches('\'');
    if formula_like(bare) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text behind the apostrophe that [`neutralise_formula`] put before it; any other text as it is.
#[must_use]
pub fn restore_formula(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(bare) if formula_like(bare.trim_start_matches('\'')) => bare,
        _ => text,
    }
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
        for (text, exported) in [("-5 độ", "'-5 độ"), ("'=1", "''=1"), ("'Nay", "'Nay"), ("'", "'")] {
            assert_eq!(neutralise_formula(text), exported);
            assert_eq!(restore_formula(exported), text);
        }
        assert_eq!(control_character("a\u{0}b"), Some('\u{0}'));
        assert_eq!(control_character("a\nb"), None);
        assert_eq!(control_character("ê\u{85}b"), Some('\u{85}'));
        assert_eq!(control_character("a\u{7F}"), Some('\u{7F}'));
        assert_eq!(control_character("a\u{A0}Â"), None);
    }
}
