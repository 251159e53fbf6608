//! Reasons that people give for what they do: what one may not say.

use crate::control::Answer;

/// What is said of a withdrawal whose reason looks like somebody.
pub(super) const REASON_TELLS: &str = "lý do có vẻ nêu người gửi đơn (họ tên, điện thoại hoặc số CCCD), mà lý do đi theo bản ghi tới cơ quan được chia sẻ: báo tỉnh, và lần sau ghi lý do không nêu ai · the reason seems to name the sender (name, phone or citizen number), and it goes with a shared record to agencies: tell the province, and name nobody in reasons";

/// The answer to a reason that carries a mark of secrecy.
#[must_use]
pub fn classified_reason() -> Answer {
    Answer::refused(
        "CLASSIFIED",
        "lý do mang dấu độ mật: ghi lý do không có nội dung mật, chỉ nêu số văn bản · the reason carries a secrecy mark: give one without classified content, only the document's number",
    )
}
