//! Vietnamese before Unicode: letters drawn by fonts over Windows-1252, and how to tell which.
//!
//! A text of those days comes as the characters Windows-1252 has for its bytes (`Hä vµ tªn`), from a file of
//! bytes as well as from a workbook whose cells were set in `.VnTime` or `VNI-Times`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;

use super::is_syllable;

/// How the characters of a text stand for Vietnamese.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lettering {
    /// As they are.
    #[default]
    Unicode,
    /// Windows-1258: tones are characters of their own.
    Windows1258,
    /// TCVN 5712 VN3, also ABC: `.VnTime` and its family.
    Tcvn3,
    /// VNI-Windows: a letter, then its marks.
    Vni,
    /// UTF-8 that was taken for Windows-1252 and written as UTF-8 again.
    DoubleUtf8,
}

/// How a cell reads in a lettering that its file may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// As it stands.
    Standing,
    /// Vietnamese as this, and not as it stands.
    Legacy(String),
    /// Vietnamese both ways or neither way; as this, if its letters are of the lettering at all.
    Doubtful(Option<String>),
}

/// What a cell tells of the letters of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clue {
    /// Nothing for certain.
    None,
    /// Vietnamese with letters that only Unicode has.
    Unicode,
    /// Vietnamese in an older lettering, and not as it stands.
    Legacy,
}

/// TCVN3 from 0xA1 on; a blank is no letter. Capitals with a tone come from a font of capitals.
const TCVN3: &str =
    "ĂÂÊÔƠƯĐăâêôơưđ      àảãáạ ằẳẵắ       ặầẩẫấậè ẻẽéẹềểễếệìỉ   ĩíịò ỏõóọồổỗốộờởỡớợù ủũúụừửữứựỳỷỹýỵ";

/// The characters in which Windows-1258 differs from Windows-1252.
const WINDOWS_1258: [(char, char); 14] = [
    ('Ã', 'Ă'),
    ('Ì', '\u{300}'),
    ('Ð', 'Đ'),
    ('Ò', '\u{309}'),
    ('Õ', 'Ơ'),
    ('Ý', 'Ư'),
    ('Þ', '\u{303}'),
    ('ã', 'ă'),
    ('ì', '\u{301}'),
    ('ð', 'đ'),
    ('ò', '\u{323}'),
    ('õ', 'ơ'),
    ('ý', 'ư'),
    ('þ', '₫'),
];

/// VNI characters that are a letter by themselves.
const VNI_LETTERS: [(char, char); 8] =
    [('í', 'í'), ('ì', 'ì'), ('æ', 'ỉ'), ('ó', 'ĩ'), ('ò', 'ị'), ('ô', 'ơ'), ('ö', 'ư'), ('î', 'ỵ')];

/// VNI marks behind a letter, as combining characters.
const VNI_MARKS: [(char, &str); 16] = [
    ('ù', "\u{301}"),
    ('ø', "\u{300}"),
    ('û', "\u{309}"),
    ('õ', "\u{303}"),
    ('ï', "\u{323}"),
    ('â', "\u{302}"),
    ('á', "\u{302}\u{301}"),
    ('à', "\u{302}\u{300}"),
    ('å', "\u{302}\u{309}"),
    ('ã', "\u{302}\u{303}"),
    ('ä', "\u{302}\u{323}"),
    ('ê', "\u{306}"),
    ('é', "\u{306}\u{301}"),
    ('è', "\u{306}\u{300}"),
    ('ú', "\u{306}\u{309}"),
    ('ü', "\u{306}\u{303}"),
];

/// Windows-1252 of 0x80 to 0x9F; a blank has no character.
const WINDOWS_1252: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

static TABLES: LazyLock<BTreeMap<Lettering, BTreeMap<char, char>>> = LazyLock::new(|| {
    let tcvn3 = ('\u{A1}'..).zip(TCVN3.chars()).filter(|(_, letter)| *letter != ' ');
    BTreeMap::from([
        (Lettering::Tcvn3, tcvn3.collect()),
        (Lettering::Windows1258, WINDOWS_1258.into_iter().collect()),
        (Lettering::Vni, VNI_LETTERS.into_iter().collect()),
    ])
});

impl Lettering {
    /// The legacy ones.
    pub const LEGACY: [Self; 4] = [Self::Windows1258, Self::Tcvn3, Self::Vni, Self::DoubleUtf8];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicode => "Unicode",
            Self::Windows1258 => "Windows-1258",
            Self::Tcvn3 => "TCVN3 (ABC)",
            Self::Vni => "VNI-Windows",
            Self::DoubleUtf8 => "UTF-8 ×2",
        }
    }

    /// The text in Unicode, if its characters can be of this lettering at all.
    fn convert(self, text: &str) -> Option<String> {
        let table = || TABLES.get(&self);
        match self {
            Self::Unicode => Some(text.to_owned()),
            Self::Windows1258 => {
                let table = table()?;
                Some(text.chars().map(|c| table.get(&c).copied().unwrap_or(c)).nfc().collect())
            }
            Self::Tcvn3 => {
                let table = table()?;
                let read: Option<String> =
                    text.chars().map(|c| table.get(&c).copied().or((!is_accented(c)).then_some(c))).collect();
                // A font of capitals draws the small letters' codes large.
                read.map(|read| if is_in_capitals(text) { read.to_uppercase() } else { read })
            }
            Self::Vni => vni(text),
            Self::DoubleUtf8 => {
                let bytes: Option<Vec<u8>> = text.chars().map(byte_of).collect();
                String::from_utf8(bytes?).ok()
            }
        }
    }

    /// A cell of a file in this lettering as Unicode. A cell that was Unicode all along stays as it is.
    #[must_use]
    pub fn read(self, text: &str) -> Cow<'_, str> {
        self.try_read(text).unwrap_or(Cow::Borrowed(text))
    }

    /// The same; nothing for a cell whose letters are of no lettering that is known.
    #[must_use]
    pub fn try_read(self, text: &str) -> Option<Cow<'_, str>> {
        match self.reading(text) {
            Reading::Standing => Some(Cow::Borrowed(text)),
            Reading::Legacy(read) => Some(Cow::Owned(read)),
            Reading::Doubtful(read) => read.map(Cow::Owned),
        }
    }

    /// What a cell of a file in this lettering can be.
    #[must_use]
    pub fn reading(self, text: &str) -> Reading {
        if self == Self::Unicode || text.is_ascii() || is_wide(text) {
            return Reading::Standing;
        }
        let stands = stands(text);
        let read = self.convert(text).filter(|read| stands != Some(true) || judged(read) == Some(true));
        match read {
            None if stands == Some(true) => Reading::Standing,
            Some(read) if read == text => Reading::Standing,
            Some(read) if judged(&read) == Some(true) && (stands == Some(false) || read == with_d(text)) => {
                Reading::Legacy(read)
            }
            read => Reading::Doubtful(read),
        }
    }

    /// The lettering in which a text is Vietnamese that is none as it stands. A sign between blanks is no letter, and a
    /// word that is Vietnamese in no lettering is a foreign one.
    #[must_use]
    pub fn suspected(text: &str) -> Option<Self> {
        if text.is_ascii() || is_wide(text) || stands(text) != Some(false) {
            return None;
        }
        let reads = |lettering: &Self| lettering.convert(text).as_deref().and_then(judged) == Some(true);
        Self::LEGACY.into_iter().find(reads)
    }
}

/// Whether the letters that need no font are all capitals, and some two of them stand together: a name alone begins with one.
fn is_in_capitals(text: &str) -> bool {
    let together = |pair: &[u8]| pair.iter().all(u8::is_ascii_uppercase);
    !text.bytes().any(|byte| byte.is_ascii_lowercase()) && text.as_bytes().windows(2).any(together)
}

/// The byte Windows-1252 has for a character.
fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        0..=0x7F | 0xA0..=0xFF => u8::try_from(u32::from(c)).ok(),
        // Unassigned bytes pass through as control characters.
        code @ (0x81 | 0x8D | 0x8F | 0x90 | 0x9D) => u8::try_from(code).ok(),
        // Most letters of Vietnamese need not be looked for.
        0x1E00..=0x1EFF => None,
        _ => (0x80..=0x9F_u8).zip(WINDOWS_1252.chars()).find(|(_, shown)| *shown == c).map(|(byte, _)| byte),
    }
}

/// Whether a text has characters that no file before Unicode could have.
fn is_wide(text: &str) -> bool {
    text.chars().any(|c| byte_of(c).is_none())
}

/// Letters that mean nothing in a lettering that does not name them.
fn is_accented(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{FF}')
}

fn vni(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    for c in text.chars() {
        let small = c.to_lowercase().next().unwrap_or(c);
        let base =
            before.filter(|base| "aeouy".contains(base.to_ascii_lowercase()) || "ôöÔÖ".contains(*base));
        let mark = VNI_MARKS.iter().find(|(mark, _)| *mark == small).map(|(_, marks)| *marks);
        // The dot below a breve has no room in the row of marks above.
        let mark = if small == 'ë' { Some("\u{306}\u{323}") } else { mark };
        if let (Some(marks), Some(_)) = (mark, base) {
            out.push_str(marks);
            before = None;
            continue;
        }
        let letter = if small == 'ñ' {
            Some('đ')
        } else {
            VNI_LETTERS.iter().find(|(own, _)| *own == small).map(|(_, letter)| *letter)
        };
        match letter {
            Some(letter) if c.is_uppercase() => out.extend(letter.to_uppercase()),
            Some(letter) => out.push(letter),
            None if is_accented(c) => return None,
            None => out.push(c),
        }
        before = Some(c);
    }
    Some(out.nfc().collect())
}

/// Whether the words with marks are all Vietnamese; `None` if there are none.
fn judged(text: &str) -> Option<bool> {
    if has_sign_in_word(text) {
        return Some(false);
    }
    let mut seen = None;
    for word in text.split(|c: char| !is_letter(c)) {
        if word.is_ascii() {
            continue;
        }
        if !is_syllable(word) {
            return Some(false);
        }
        seen = Some(true);
    }
    seen
}

/// [`judged`] of a text that may be from before Unicode: also a sign that touches a letter may be one (`§«ng`).
fn stands(text: &str) -> Option<bool> {
    judged(&with_d(text)).or_else(|| {
        let sign = |c: char| !c.is_ascii() && !is_letter(c) && !c.is_whitespace();
        let touches = |(a, b): (char, char)| is_letter(a) && sign(b) || sign(a) && is_letter(b);
        text.chars().zip(text.chars().skip(1)).any(touches).then_some(false)
    })
}

/// The eth that stands for đ in many files is no trace of another lettering.
fn with_d(text: &str) -> Cow<'_, str> {
    if text.contains(['Ð', 'ð']) {
        Cow::Owned(text.replace('Ð', "Đ").replace('ð', "đ"))
    } else {
        Cow::Borrowed(text)
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || ('\u{300}'..='\u{323}').contains(&c)
}

/// A sign that is no letter amid letters, as legacy text shows where its letters stand: `Nguyá»…n`, `V¨n`.
fn has_sign_in_word(text: &str) -> bool {
    let common = |c: char| c.is_ascii() || "–—‘’“”·".contains(c);
    let mut letters = false;
    let mut sign = false;
    for c in text.chars() {
        if is_letter(c) {
            if sign {
                return true;
            }
            letters = true;
        } else {
            sign = letters && (sign || !common(c)) && !c.is_ascii() && !c.is_whitespace();
            letters = sign;
        }
    }
    false
}

/// Counts how the cells of a file can be read, to tell its lettering.
#[derive(Debug, Clone, Default)]
pub struct LetteringCensus {
    /// Cells that are good Vietnamese as they stand.
    unicode: u64,
    /// Cells that are good Vietnamese only in another lettering.
    legacy: BTreeMap<Lettering, u64>,
    /// Cells that are good Vietnamese in none.
    unknown: u64,
    /// The text was bytes, so it cannot stand as it is.
    bytes: bool,
}

impl LetteringCensus {
    const DOUBLE: Lettering = Lettering::DoubleUtf8;

    /// A census of a file of bytes, read as Windows-1252.
    #[must_use]
    pub fn of_bytes() -> Self {
        Self { bytes: true, ..Self::default() }
    }

    /// Takes a cell or a line into account, and says what it tells by itself.
    pub fn note(&mut self, text: &str) -> Clue {
        if text.is_ascii() {
            return Clue::None;
        }
        let (stands, wide) = (stands(text), is_wide(text));
        if !self.bytes && stands == Some(true) {
            self.unicode += 1;
            return if wide { Clue::Unicode } else { Clue::None };
        }
        if wide {
            self.unicode += u64::from(!self.bytes);
            return Clue::None;
        }
        if !self.bytes && stands.is_none() {
            return Clue::None;
        }
        let (mut clean, mut words) = (false, false);
        for lettering in Lettering::LEGACY {
            let read = lettering.convert(text);
            let verdict = read.as_deref().and_then(judged);
            words |= verdict.is_some();
            if verdict == Some(true) {
                clean = true;
                *self.legacy.entry(lettering).or_default() += 1;
            }
        }
        self.unknown += u64::from(words && !clean);
        if clean { Clue::Legacy } else { Clue::None }
    }

    /// The lettering, where one explains what was seen and no other does as well.
    #[must_use]
    pub fn decide(&self) -> Option<Lettering> {
        let mut ranks: Vec<(u64, Lettering)> =
            self.legacy.iter().map(|(lettering, count)| (*count, *lettering)).collect();
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        let (best, lettering) = ranks.first().copied().unwrap_or((0, Lettering::Unicode));
        let second = ranks.get(1).map_or(0, |(count, _)| *count);
        if !self.bytes && best < 2.max(self.unicode / 50) {
            return Some(Lettering::Unicode);
        }
        if best == 0 {
            // Bytes with signs but no words: both code pages of Windows have the same.
            return (self.unknown == 0).then_some(Lettering::Windows1258);
        }
        if best >= second * 2 && best * 2 > self.unknown {
            // Bytes that read so are UTF-8 with something in it that is none: which letters are lost nobody knows.
            return Some(lettering).filter(|lettering| !self.bytes || *lettering != Self::DOUBLE);
        }
        // A few doubtful cells do not outweigh many that are good as they stand.
        (!self.bytes && self.unicode >= best * 4).then_some(Lettering::Unicode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lettering_reads_its_own() {
        let table = [
            (
                Lettering::Tcvn3,
                "Hä vµ tªn NguyÔn ThÞ H\u{AD}¬ng §¶ng viªn",
                "Họ và tên Nguyễn Thị Hương Đảng viên",
            ),
            (
                Lettering::Vni,
                "Hoï vaø teân Nguyeãn Thò Höông Ñaûng vieân",
                "Họ và tên Nguyễn Thị Hương Đảng viên",
            ),
            (Lettering::Tcvn3, "NGUYÔN V¡N ¶O", "NGUYỄN VĂN ẢO"),
            (Lettering::Tcvn3, "Lª ThÞ Hµ", "Lê Thị Hà"),
            (Lettering::Vni, "NGUYEÃN VAÊN ÑÖÙC, soá CCCD", "NGUYỄN VĂN ĐỨC, số CCCD"),
            (Lettering::Windows1258, "NguyêÞn Thiò Hýõng Ðaòi", "Nguyễn Thị Hương Đại"),
            (Lettering::DoubleUtf8, "Nguyá»…n Thá»‹ HÆ°Æ¡ng", "Nguyễn Thị Hương"),
        ];
        for (lettering, from, to) in table {
            assert_eq!(lettering.read(from), to);
            let mut census = LetteringCensus::default();
            for _ in 0..2 {
                census.note(from);
            }
            assert_eq!(census.decide(), Some(lettering), "{census:?}");
        }
        let table = [
            ('\u{B5}', 'à'),
            ('\u{C6}', 'ặ'),
            ('\u{D8}', 'ỉ'),
            ('\u{DC}', 'ĩ'),
            ('\u{EF}', 'ù'),
            ('\u{F1}', 'ủ'),
            ('\u{FE}', 'ỵ'),
        ];
        for (from, to) in table {
            assert_eq!(Lettering::Tcvn3.convert(&from.to_string()), Some(to.to_string()));
        }
    }

    #[test]
    fn unicode_is_left_alone() {
        let mut census = LetteringCensus::default();
        for text in ["Họ và tên", "Hà", "lý", "Năm 2026 – café", "10 m²", "a…b", "“trích” dẫn"]
        {
            census.note(text);
        }
        assert_eq!(census.decide(), Some(Lettering::Unicode));
        assert_eq!(Lettering::Tcvn3.read("Hà Nội"), "Hà Nội");
        assert_eq!(Lettering::Tcvn3.read("Hà"), "Hà", "no such letter in TCVN3");
        assert_eq!(Lettering::Vni.read("abc"), "abc");
    }

    #[test]
    fn a_text_of_another_lettering_is_suspected_and_a_foreign_one_is_not() {
        for (text, lettering) in [
            ("TrÇn ThÞ Hoa", Lettering::Tcvn3),
            ("Chi bé th«n 2", Lettering::Tcvn3),
            ("§«ng", Lettering::Tcvn3),
            ("N÷", Lettering::Tcvn3),
            ("Traàn Thò Hoøa", Lettering::Vni),
            ("Chi bá»™ thÃ´n 2", Lettering::DoubleUtf8),
        ] {
            assert_eq!(Lettering::suspected(text), Some(lettering), "{text}");
        }
        for text in [
            "Lê Thanh Hùng",
            "Nguyễn V¨n",
            "Ðinh Công",
            "café",
            "René",
            "São Paulo",
            "Müller",
            "Zoë",
            "Noël",
            "Niê",
            "Krông Blô",
            "Kpă",
            "§ 5",
            "Điều § 5 «về»",
            "10 m²",
            "20°C",
            "± 5 %",
            "3×4",
            "½ ha",
            "nº 5",
            "· an",
            "€5",
        ] {
            assert_eq!(Lettering::suspected(text), None, "{text}");
        }
        assert_eq!(Lettering::Tcvn3.reading("Lê Hùng"), Reading::Doubtful(Some("Lờ Hựng".to_owned())));
        assert_eq!(Lettering::Tcvn3.reading("Lª Hïng"), Reading::Legacy("Lê Hùng".to_owned()));
        assert_eq!(Lettering::Tcvn3.reading("Hà Nội"), Reading::Standing);
        assert_eq!(Lettering::Windows1258.reading("Ðinh"), Reading::Legacy("Đinh".to_owned()));
    }

    #[test]
    fn what_nobody_can_read_is_not_decided() {
        let mut census = LetteringCensus::of_bytes();
        for text in ["ÿÿÿa", "ßßþÿ", "¤¤qÿ"] {
            census.note(text);
        }
        assert_eq!(census.decide(), None);
    }
}
