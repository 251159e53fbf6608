//! What a page says when it cannot be shown: what is the matter, and what to do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// One text in both languages: Vietnamese, English.
pub(super) type Both = (String, String);

/// Both texts of two pieces.
#[must_use]
pub(super) fn both(vi: impl Into<String>, en: impl Into<String>) -> Both {
    (vi.into(), en.into())
}

/// Why a page is not shown; the guard draws it, in the reader's language.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// Its status.
    pub(super) status: StatusCode,
    /// What is the matter.
    pub(super) what: Both,
    /// What to do.
    pub(super) cure: Both,
    /// The rule by which the hub refused, for pages that go on from there; empty otherwise.
    pub(super) rule: Box<str>,
}

impl Trouble {
    /// One of one's own.
    #[must_use]
    pub(super) fn new(status: StatusCode, what: Both, cure: Both) -> Self {
        Self { status, what, cure, rule: Box::default() }
    }

    /// There is nothing of that name.
    #[must_use]
    pub(super) fn missing(what: &str) -> Self {
        let cure = both(
            "Kiểm tra địa chỉ, hoặc tìm trong danh sách.",
            "Check the address, or look it up in the list.",
        );
        Self::new(
            StatusCode::NOT_FOUND,
            both(format!("Không có {what}."), format!("There is no {what}.")),
            cure,
        )
    }

    /// Something in a form is not as it must be.
    #[must_use]
    pub(super) fn form(what: Both) -> Self {
        let cure = both("Quay lại và sửa.", "Go back and mend it.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, what, cure)
    }

    /// The hub did not do what was asked, and said why as `vi · en`.
    #[must_use]
    pub(super) fn refused(said: &str, rule: &str) -> Self {
        let (vi, en) = said.split_once(" · ").unwrap_or((said, said));
        Self { rule: rule.into(), ..Self::form(both(sentence(vi), sentence(en))) }
    }

    /// The hub failed: its log says more.
    #[must_use]
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a page cannot be shown");
        Self::of(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What a bare status means.
    #[must_use]
    pub(super) fn of(status: StatusCode) -> Self {
        let (what, cure) = match status {
            StatusCode::NOT_FOUND => (
                both("Không có trang này.", "There is no such page."),
                both(
                    "Kiểm tra địa chỉ, hoặc về trang tổng quan.",
                    "Check the address, or go to the overview.",
                ),
            ),
            StatusCode::METHOD_NOT_ALLOWED => (
                both("Trang này không nhận yêu cầu kiểu đó.", "This page takes no such request."),
                both("Về trang tổng quan.", "Go to the overview."),
            ),
            StatusCode::PAYLOAD_TOO_LARGE => (
                both("Biểu mẫu quá lớn.", "The form is too large."),
                both("Rút ngắn rồi gửi lại.", "Shorten it and send it again."),
            ),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => (
                both("Quá lâu không xong.", "This took too long."),
                both(
                    "Thử lại; nếu vẫn vậy, báo người vận hành.",
                    "Try again; if it stays so, tell the operator.",
                ),
            ),
            StatusCode::SERVICE_UNAVAILABLE => (
                both("Máy chủ đang bận.", "The hub is busy."),
                both("Thử lại sau ít giây.", "Try again in some seconds."),
            ),
            status if status.is_client_error() => (
                both("Yêu cầu không đọc được.", "The request cannot be read."),
                both("Quay lại và thử lại.", "Go back and try again."),
            ),
            _ => (
                both("Máy chủ gặp lỗi.", "The hub failed."),
                both(
                    "Báo người vận hành: nhật ký của máy chủ ghi rõ.",
                    "Tell the operator: the hub's log says more.",
                ),
            ),
        };
        Self::new(status, what, cure)
    }
}

/// With a capital at its beginning and a stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
