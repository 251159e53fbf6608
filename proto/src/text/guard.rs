//! What must not get in, or not get out as it is.

use std::borrow::Cow;

use super::fold;

/// The first control character of a text; line breaks and tabs are none.
#[must_use]
pub fn control_character(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Whether a spreadsheet would take a text for a formula.
#[must_use]
pub fn formula_like(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// The text as an export may carry it: a leading apostrophe before what looks like a formula.
#[must_use]
pub fn neutralise_formula(text: &str) -> Cow<'_, str> {
    if formula_like(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Whether a cell only says that there is nothing (DOMAIN 2.4).
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    if text.chars().all(|c| matches!(c, '-' | '–' | '—' | '.' | '…' | '/')) {
        return true;
    }
    // Folding keeps digits: a number is never a placeholder, and need not be folded to see it.
    text.len() <= 16
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && matches!(fold(text).as_str(), "khong" | "khong co" | "chua co" | "x" | "n a" | "na" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(control_character("a\u{0}b"), Some('\u{0}'));
        assert_eq!(control_character("a\nb"), None);
    }
}
