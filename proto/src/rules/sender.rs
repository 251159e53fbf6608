//! What in a letter's summary looks like its sender: who tells of wrongs is protected, and does not enter the system.

use super::citizen::CitizenNumber;
use super::forms::phone_digits;
use crate::text::fold;

/// How a sender is introduced, marks and case aside.
const INTRODUCTIONS: [&[&str]; 9] = [
    &["nguoi", "to", "cao"],
    &["nguoi", "gui"],
    &["nguoi", "gui", "don"],
    &["nguoi", "khieu", "nai"],
    &["nguoi", "phan", "anh"],
    &["nguoi", "viet", "don"],
    &["nguoi", "lam", "don"],
    &["toi", "ten"],
    &["ten", "toi"],
];
/// What may stand before the name.
const BETWEEN: [&str; 8] = ["la", "ten", "ong", "ba", "anh", "chi", "co", "dc"];
/// How many of those.
const BETWEEN_MAX: usize = 3;

/// Whether a text holds what looks like a phone number, a citizen number, or a sender's name where one is introduced.
#[must_use]
pub fn names_a_sender(text: &str) -> bool {
    holds_a_number(text) || introduces(text)
}

/// A run of digits, spaces, dots and hyphens between them aside, that is dialled or is a citizen's.
fn holds_a_number(text: &str) -> bool {
    let is_number = |digits: &str| match digits.len() {
        12 => CitizenNumber::parse(digits).is_ok_and(|number| number.digits == digits && !number.is_abroad()),
        9..=11 if digits.starts_with('0') || digits.starts_with("84") => phone_digits(digits).is_some(),
        _ => false,
    };
    let (mut digits, mut gap) = (String::new(), false);
    for c in text.chars().chain(std::iter::once('\n')) {
        match c {
            '0'..='9' => {
                digits.push(c);
                gap = false;
            }
            ' ' | '.' | '-' if !digits.is_empty() && !gap => gap = true,
            _ => {
                if is_number(&digits) {
                    return true;
                }
                digits.clear();
                gap = false;
            }
        }
    }
    false
}

/// An introduction with a name of at least two words behind it.
fn introduces(text: &str) -> bool {
    let words: Vec<(&str, String)> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '(' | ')' | '"' | '“' | '”'))
        .filter(|word| !word.is_empty())
        .map(|word| (word, fold(word).chars().filter(|c| c.is_alphanumeric()).collect()))
        .collect();
    let capital = |word: &&(&str, String)| word.0.chars().next().is_some_and(char::is_uppercase);
    (0..words.len()).any(|at| {
        let rest = words.get(at..).unwrap_or_default();
        INTRODUCTIONS.iter().any(|introduction| {
            let (head, behind) = rest.split_at_checked(introduction.len()).unwrap_or((&[], &[]));
            let said = head.len() == introduction.len()
                && head.iter().zip(*introduction).all(|((_, folded), wanted)| folded == wanted);
            let skipped =
                behind.iter().take(BETWEEN_MAX).take_while(|(_, folded)| BETWEEN.contains(&folded.as_str()));
            let name = behind.get(skipped.count()..).unwrap_or_default();
            said && name.iter().take_while(capital).count() >= 2
        })
    })
}

#[cfg(test)]
mod tests {
    use super::names_a_sender;

    #[test]
    fn numbers_and_introduced_names_are_found() {
        for text in [
            "liên hệ 0912 345 678 để làm rõ",
            "gọi +84 912.345.678",
            "số điện thoại 0221-3555-123",
            "CCCD 033075000001",
            "cccd số 033 075 000 001.",
            "Người tố cáo: Nguyễn Thị Bình, trú tại thôn 3",
            "người gửi đơn là bà Trần Thị Hoa",
            "Tôi tên là Lê Văn Sơn",
            "NGƯỜI KHIẾU NẠI ÔNG PHẠM VĂN ĐỨC",
            "đơn của người phản ánh (đ/c Vũ Minh Anh)",
        ] {
            assert!(names_a_sender(text), "{text}");
        }
    }

    #[test]
    fn what_a_letter_is_about_is_no_sender() {
        for text in [
            "",
            "phản ánh ông Nguyễn Văn An nhận tiền 912.345.678 đồng ngày 01/02/2025",
            "tố cáo việc chi sai 1.200.000.000 đồng theo quyết định 0345/QĐ-UBND",
            "người tố cáo không nêu tên",
            "Người bị tố cáo: Nguyễn Văn An, Chủ tịch xã",
            "người gửi nhiều nơi; người tố cáo Xã",
            "khiếu nại về thửa đất số 100000000000",
        ] {
            assert!(!names_a_sender(text), "{text}");
        }
    }
}
