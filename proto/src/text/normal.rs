//! The stored form of text.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::tone::unify_tones;

/// One line in its stored form: NFC, without invisible characters, trimmed, single spaces, tone marks
/// where official unit names have them (Hòa, Thụy).
#[must_use]
pub fn normalise(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let composed = compose(text);
    let mut out = String::with_capacity(composed.len());
    for word in composed.split(is_blank).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&unify_tones(word));
    }
    out
}

/// Paragraphs in their stored form: as [`normalise`], keeping line breaks.
#[must_use]
pub fn normalise_long(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = text.split('\n').map(normalise).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// A person's name with capitals where they belong, if it was written all in capitals or all in small
/// letters; any other spelling is kept.
#[must_use]
pub fn title_case_name(name: &str) -> String {
    let letters = || name.chars().filter(|c| c.is_alphabetic());
    let shouting = letters().all(char::is_uppercase);
    let whispering = letters().all(char::is_lowercase);
    if !shouting && !whispering {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let mut start = true;
    for c in name.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        start = !c.is_alphabetic();
    }
    out
}

/// ASCII that is in its stored form already: the common case of codes and numbers.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    // Two-vowel clusters with a tone need non-ASCII letters, so ASCII has no tone to move.
    printable && !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ")
}

fn compose(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    if is_nfc(text) { visible.collect() } else { visible.nfc().collect() }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{00AD}')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{00A0}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_names_get_one_form() {
        let forms = [
            "Nguyễn Thị Hòa",
            "  Nguyễn  Thị Hoà ",
            "Nguye\u{302}\u{303}n Thi\u{323} Ho\u{300}a",
            "Nguyễn\u{00A0}Thị\u{200B} Hòa",
        ];
        for form in forms {
            assert_eq!(normalise(form), "Nguyễn Thị Hòa", "{form:?}");
        }
    }

    #[test]
    fn only_shouting_and_whispering_names_change_case() {
        assert_eq!(title_case_name("NGUYỄN VĂN AN"), "Nguyễn Văn An");
        assert_eq!(title_case_name("nguyễn văn an"), "Nguyễn Văn An");
        assert_eq!(title_case_name("Nguyễn văn An"), "Nguyễn văn An");
    }

    #[test]
    fn paragraphs_keep_their_lines() {
        assert_eq!(normalise_long(" một \r\n\r\n hai  ba \n"), "một\n\nhai ba");
    }

    proptest! {
        #[test]
        fn the_stored_form_is_stable(text in "\\PC{0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
