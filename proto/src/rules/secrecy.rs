//! Marks of secrecy in free words: what is classified does not enter the system.

use crate::catalogue::RecordType;
use crate::text::fold;

/// What stands alone where a paper is marked.
const MARKS: [&str; 5] = ["mật", "tối mật", "tuyệt mật", "văn bản mật", "tài liệu mật"];
/// What is a mark wherever it stands.
const ANYWHERE: [&str; 2] = ["tối mật", "tuyệt mật"];

/// What may stand before a mark: the words of a form, or of the stamp itself.
const LEADS: [&str; 5] = ["độ mật", "mức độ mật", "mức mật", "dấu mật", "dấu độ mật"];
/// The longest cell that can be a mark, in bytes.
pub const MARK_BYTES_MAX: usize = 80;

/// The cell that says how secret a row is, of a type that has no field for it.
pub const SECRECY: &str = "do_mat";
/// The code of what is not secret.
pub(super) const OPEN: &str = "THUONG";

/// Whether a column of this title says how secret a row is, where its type has no field for that.
#[must_use]
pub fn tells_secrecy(record_type: &RecordType, title: &str) -> bool {
    let named = || title == SECRECY || ["do mat", "muc do mat", "muc mat"].contains(&fold(title).as_str());
    record_type.field(SECRECY).is_none() && named()
}

/// Whether a text says of itself that it is classified: by a mark that stands alone, between brackets or behind a colon, or
/// by a higher one anywhere. The word within others (“bí mật”, “bảo mật”) is none.
#[must_use]
pub fn is_marked_classified(text: &str) -> bool {
    let text = crate::text::normalise(text).to_lowercase();
    let mut parts = text.split(|c: char| !c.is_alphanumeric() && c != ' ').map(str::trim);
    parts.any(|part| MARKS.contains(&part) || ANYWHERE.iter().any(|mark| part.contains(mark)))
}

/// Whether a cell is a mark of secrecy and nothing else, as papers carry it: “TỐI MẬT”, “(Mật)”, “Độ mật: Mật”. Without marks
/// over letters only the higher ones are told from other words.
#[must_use]
pub fn is_secrecy_mark(text: &str) -> bool {
    // Each mark has an m; most cells are told by that.
    if text.len() > MARK_BYTES_MAX || !text.bytes().any(|byte| matches!(byte, b'm' | b'M')) {
        return false;
    }
    if text.is_ascii() {
        let folded = fold(text);
        let bare = folded.strip_prefix("do mat ").unwrap_or(&folded);
        return matches!(bare, "toi mat" | "tuyet mat") || folded == "do mat mat";
    }
    let text = crate::text::normalise(text).to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let said = words.collect::<Vec<_>>().join(" ");
    let behind = |lead: &&str| said.strip_prefix(*lead)?.strip_prefix(' ');
    MARKS.contains(&said.as_str()) || LEADS.iter().filter_map(behind).any(|mark| MARKS.contains(&mark))
}

#[cfg(test)]
mod tests {
    use super::{is_marked_classified, is_secrecy_mark};

    #[test]
    fn a_mark_stands_alone_and_nothing_else_is_one() {
        for text in [
            "MẬT",
            "Tối mật",
            " TUYỆT  MẬT ",
            "(MẬT)",
            "Độ mật: Mật",
            "ĐỘ MẬT : TỐI MẬT",
            "Mức độ mật - Mật",
            "Tài liệu mật",
            "MA\u{323}\u{302}T",
            "TOI MAT",
            "Do mat: Mat",
        ] {
            assert!(is_secrecy_mark(text), "{text}");
        }
        for text in [
            "",
            "Độ mật",
            "Độ mật:",
            "Độ mật: Thường",
            "Thường",
            "Không mật",
            "Bí mật",
            "bảo mật",
            "Mật khẩu",
            "Mật: 0",
            "Nguyễn Thị Mật",
            "Đặng Mật",
            "Mất",
            "Mặt",
            "MAT",
            "Bảo vệ bí mật nhà nước: mật, tối mật",
            "Danh sách người giữ tài liệu tối mật",
        ] {
            assert!(!is_secrecy_mark(text), "{text}");
        }
    }

    #[test]
    fn marks_are_found_and_ordinary_words_are_none() {
        for text in [
            "Mật",
            "theo công văn 12 (MẬT)",
            "độ mật: Tối mật",
            "bản tuyệt mật số 3",
            "nhập nhầm – tài liệu mật",
        ] {
            assert!(is_marked_classified(text), "{text}");
        }
        for text in ["lộ bí mật công tác", "nhập nhầm, mất hồ sơ", "yêu cầu bảo mật", "mật độ dân cư", ""]
        {
            assert!(!is_marked_classified(text), "{text}");
        }
    }
}
