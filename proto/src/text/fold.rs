//! Folds: what compares equal.

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::normalise;

/// For headers and search: small letters without any marks, đ as d, everything else single spaces.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = Folded { text: String::with_capacity(text.len()), gap: false };
    for c in text.chars() {
        if c.is_ascii() {
            folded.letter(c.to_ascii_lowercase(), c.is_ascii_alphanumeric());
        } else {
            // Marks are left out, so their order does not matter: each character is decomposed by itself.
            decompose_canonical(c, |part| folded.part(part));
        }
    }
    folded.text
}

struct Folded {
    text: String,
    gap: bool,
}

impl Folded {
    fn letter(&mut self, c: char, counts: bool) {
        if counts {
            if self.gap && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push(c);
        }
        self.gap = !counts;
    }

    fn part(&mut self, c: char) {
        if is_combining_mark(c) || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{00AD}') {
            return;
        }
        for c in c.to_lowercase() {
            let c = if matches!(c, 'đ' | 'ð') { 'd' } else { c };
            if !is_combining_mark(c) || c.is_alphanumeric() {
                self.letter(c, c.is_alphanumeric());
            }
        }
    }
}

/// For comparing names: case and tone placement aside, marks kept; Ð and Đ look alike and count alike.
#[must_use]
pub fn fold_name(text: &str) -> String {
    normalise(text).to_lowercase().replace('ð', "đ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_meet_whatever_their_case_and_marks() {
        for form in ["Số CCCD", "SỐ  CCCD", "so_cccd", "So\u{302}\u{301} CCCD:", " số cccd "] {
            assert_eq!(fold(form), "so cccd");
        }
        assert_eq!(fold("Đơn vị"), fold("Ðon vi"));
    }

    #[test]
    fn names_differ_by_their_marks_and_by_nothing_else() {
        assert_eq!(fold_name("NGUYỄN THỊ HOÀ"), fold_name("Nguyễn Thị Hòa"));
        assert_ne!(fold_name("Nguyễn Thị Hoa"), fold_name("Nguyễn Thị Hòa"));
        assert_ne!(fold_name("Lý"), fold_name("Lí"));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
