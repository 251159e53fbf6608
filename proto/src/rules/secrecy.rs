//! Marks of secrecy in free words: what is classified does not enter the system.

use crate::catalogue::RecordType;
use crate::text::fold;

/// What stands alone where a paper is marked.
const MARKS: [&str; 5] = ["mật", "tối mật", "tuyệt mật", "văn bản mật", "tài liệu mật"];
/// What is a mark wherever it stands.
const ANYWHERE: [&str; 2] = ["tối mật", "tuyệt mật"];

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

#[cfg(test)]
mod tests {
    use super::is_marked_classified;

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
