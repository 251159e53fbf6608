//! Whether a word can be a Vietnamese syllable: onset, rhyme and tone that go together.

use unicode_normalization::UnicodeNormalization as _;

use super::tone::TONES;

/// Onsets, the longer before those they begin with.
const ONSETS: [&str; 28] = [
    "ngh", "ch", "gh", "gi", "kh", "ng", "nh", "ph", "qu", "th", "tr", "b", "c", "d", "g", "h", "k", "l",
    "m", "n", "p", "r", "s", "t", "v", "x", "đ", "",
];

/// Rhymes without their tone, in byte order.
const RHYMES: [&str; 170] = [
    "a", "ac", "ach", "ai", "am", "an", "ang", "anh", "ao", "ap", "at", "au", "ay", "e", "ec", "em", "en",
    "eng", "eo", "ep", "et", "i", "ia", "ich", "im", "in", "inh", "ip", "it", "iu", "iêc", "iêm", "iên",
    "iêng", "iêp", "iêt", "iêu", "o", "oa", "oac", "oach", "oai", "oam", "oan", "oang", "oanh", "oao", "oap",
    "oat", "oay", "oc", "oe", "oem", "oen", "oeo", "oet", "oi", "om", "on", "ong", "ooc", "oong", "op", "ot",
    "oăc", "oăm", "oăn", "oăng", "oăt", "u", "ua", "uc", "ui", "um", "un", "ung", "uo", "up", "ut", "uy",
    "uya", "uych", "uynh", "uyp", "uyt", "uyu", "uyên", "uyêt", "uân", "uâng", "uât", "uây", "uê", "uêch",
    "uên", "uênh", "uêu", "uôc", "uôi", "uôm", "uôn", "uông", "uôt", "uơ", "y", "ych", "ynh", "yt", "yu",
    "yêm", "yên", "yêng", "yêt", "yêu", "âc", "âm", "ân", "âng", "âp", "ât", "âu", "ây", "ê", "êch", "êm",
    "ên", "êng", "ênh", "êp", "êt", "êu", "ô", "ôc", "ôi", "ôm", "ôn", "ông", "ôp", "ôt", "ă", "ăc", "ăm",
    "ăn", "ăng", "ăp", "ăt", "ơ", "ơi", "ơm", "ơn", "ơp", "ơt", "ư", "ưa", "ưc", "ưi", "ưm", "ưn", "ưng",
    "ưt", "ưu", "ươ", "ươc", "ươi", "ươm", "ươn", "ương", "ươp", "ươt", "ươu",
];

/// Whether `word`, whatever its case, is one.
#[must_use]
pub fn is_syllable(word: &str) -> bool {
    if word.chars().count() > 8 {
        return false;
    }
    let mut tone = None;
    let mut bare = String::with_capacity(word.len());
    for c in word.nfd().flat_map(char::to_lowercase) {
        if !TONES.contains(&c) {
            bare.push(c);
        } else if tone.replace(c).is_some() {
            return false;
        }
    }
    let bare: String = bare.nfc().collect();
    let fits = |onset: &str| {
        let Some(rhyme) = bare.strip_prefix(onset) else { return false };
        let stopped = ["c", "ch", "p", "t"].iter().any(|stop| rhyme.ends_with(stop));
        let toned = !stopped || matches!(tone, Some('\u{301}' | '\u{323}'));
        toned && RHYMES.binary_search(&rhyme).is_ok()
    };
    // Every onset is tried: the i of gi is its vowel too where no other stands (gì, giêng).
    ONSETS.iter().any(|onset| fits(onset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rhymes_stand_in_order() {
        assert!(RHYMES.is_sorted());
    }

    #[test]
    fn words_of_the_language_are_told_from_others() {
        let words = "Nguyễn Văn Ẩn họ và tên số căn cước ngày sinh giới tính quyết định phường xã Đảng viên \
                     chi bộ ủy ban kiểm tra kết luận khiển trách cảnh cáo tố cáo khiếu nại Quỳnh Thụy Hưng Yên \
                     gì giêng nghiêng khuya huỳnh khuỷu thuở quý hoặc xoong thường trực";
        for word in words.split_whitespace() {
            assert!(is_syllable(word), "{word}");
        }
        for word in ["NguyƠn", "cầc", "thp", "hoa\u{300}\u{301}", "ngớoc", "ẩẩ", "ðòb"] {
            assert!(!is_syllable(word), "{word}");
        }
    }
}
