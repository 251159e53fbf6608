//! The stored form of text.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::tone::unify_tones;

/// One line in its stored form: NFC, without invisible characters, trimmed, single spaces, tone marks
/// where official unit names have them (Hòa, Thụy).
#[must_use]
pub fn normalise(text: &str) -> String {
    if is_stored(text) { text.to_owned() } else { stored(text) }
}

fn stored(text: &str) -> String {
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

/// Whether a text is in its stored form already, as far as its letters alone tell: the common case of cells.
fn is_stored(text: &str) -> bool {
    let (mut before, mut tone_may_move) = (' ', false);
    for c in text.chars() {
        let (kept, letter) = match c {
            ' ' => (before != ' ', false),
            '!'..='~' => (true, c.is_ascii_alphabetic()),
            // Composed letters of Latin and Vietnamese: NFC keeps them, whatever stands beside them.
            '\u{C0}'..='\u{24F}' | '\u{1EA0}'..='\u{1EF9}' => (true, !matches!(c, '×' | '÷')),
            _ => return false,
        };
        if !kept || tone_may_move && !letter {
            return false;
        }
        tone_may_move = matches!(before, 'o' | 'O' | 'u' | 'U') && may_end_cluster(c);
        before = c;
    }
    !tone_may_move && (before != ' ' || text.is_empty())
}

/// The letters of `a`, `e` and `y` with a tone: at a syllable's end, behind `o` or `u`, it may have to move.
fn may_end_cluster(c: char) -> bool {
    matches!(
        c,
        'à' | 'á'
            | 'ả'
            | 'ã'
            | 'ạ'
            | 'À'
            | 'Á'
            | 'Ả'
            | 'Ã'
            | 'Ạ'
            | 'è'
            | 'é'
            | 'ẻ'
            | 'ẽ'
            | 'ẹ'
            | 'È'
            | 'É'
            | 'Ẻ'
            | 'Ẽ'
            | 'Ẹ'
            | 'ỳ'
            | 'ý'
            | 'ỷ'
            | 'ỹ'
            | 'ỵ'
            | 'Ỳ'
            | 'Ý'
            | 'Ỷ'
            | 'Ỹ'
            | 'Ỵ'
    )
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
    fn the_usual_cells_are_told_by_their_letters() {
        for text in
            ["", "033040000001", "Nguyễn Thị Hòa", "Hoàng Xuân Toán", "Chi bộ thôn 7", "Đặng Thúy Quỳnh"]
        {
            assert!(is_stored(text), "{text:?}");
        }
        for text in [" An", "An ", "Lê  An", "Hoà", "Hoà Bình", "THUỶ", "a\u{301}", "An\u{A0}Bình", "a\tb"]
        {
            assert!(!is_stored(text), "{text:?}");
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

        #[test]
        fn what_passes_for_stored_is(text in "[aeouyqnHO àáãèýỳỹÀÝảạẻẹỷấớđĐ×÷.,\u{AD}\u{300}\u{301}\u{323}\u{A0}-]{0,12}") {
            if is_stored(&text) {
                prop_assert_eq!(stored(&text), text);
            }
        }

        #[test]
        fn any_letter_that_passes_for_stored_is(text in "[ou]?[\u{20}-\u{24F}\u{1E00}-\u{1EFF}]{1,3}[n ]?") {
            if is_stored(&text) {
                prop_assert_eq!(stored(&text), text);
            }
        }
    }
}
