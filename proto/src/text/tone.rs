//! Where the tone mark stands in oa, oe, uy: `hòa`, not `hoà`, as official unit names have it.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// Grave, acute, tilde, hook, dot below.
pub(super) const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// The word with the tone of a final oa, oe or uy on its first vowel.
///
/// With a final consonant both spellings agree (`hoàn`), and `qu` is a consonant (`quý`, `quà`).
pub(super) fn unify_tones(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let mut out: Option<String> = None;
    let mut start = 0;
    // A cell may hold `Hoà-Bình` or `Hoà,`: each run of letters is a syllable of its own.
    let mut position = 0;
    for piece in word.split_inclusive(|c: char| !c.is_alphabetic()) {
        let syllable = piece.trim_end_matches(|c: char| !c.is_alphabetic());
        if let Some(moved) = moved(syllable) {
            let out = out.get_or_insert_with(String::new);
            out.push_str(word.get(start..position).unwrap_or_default());
            out.push_str(&moved);
            start = position + syllable.len();
        }
        position += piece.len();
    }
    match out {
        Some(mut out) => {
            out.push_str(word.get(start..).unwrap_or_default());
            Cow::Owned(out)
        }
        None => Cow::Borrowed(word),
    }
}

fn moved(syllable: &str) -> Option<String> {
    let mut letters = syllable.chars().rev();
    let last = letters.next()?;
    let first = letters.next()?;
    let before = letters.next();
    if !matches!(first, 'o' | 'O' | 'u' | 'U') {
        return None;
    }
    let mut marks = last.nfd();
    let bare = marks.next()?;
    let tone = marks.next().filter(|mark| TONES.contains(mark))?;
    if marks.next().is_some() {
        return None;
    }
    let cluster = (first.to_ascii_lowercase(), bare.to_ascii_lowercase());
    let moves = matches!(cluster, ('o', 'a' | 'e') | ('u', 'y'));
    let consonant_qu = cluster.0 == 'u' && before.is_some_and(|before| before.eq_ignore_ascii_case(&'q'));
    if !moves || consonant_qu {
        return None;
    }
    let head = syllable.len() - last.len_utf8() - first.len_utf8();
    let toned: String = [first, tone].into_iter().nfc().collect();
    let mut out = syllable.get(..head)?.to_owned();
    out.push_str(&toned);
    out.push(bare);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_stand_where_official_names_have_them() {
        let table = [
            ("hoà", "hòa"),
            ("Thuỵ", "Thụy"),
            ("THUỴ", "THỤY"),
            ("thuý", "thúy"),
            ("khoẻ", "khỏe"),
            ("hoàn", "hoàn"),
            ("quý", "quý"),
            ("Quỳ", "Quỳ"),
            ("hóa", "hóa"),
            ("thuế", "thuế"),
            ("Hoà-Bình,", "Hòa-Bình,"),
            ("loá", "lóa"),
            ("uý", "úy"),
        ];
        for (from, to) in table {
            assert_eq!(unify_tones(from), to, "{from}");
        }
    }
}
