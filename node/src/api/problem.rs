//! What a refusal looks like: `application/problem+json` (RFC 9457), in both languages.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::control::Answer;

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: Vec<(&'static str, Json)>,
}

/// What every kind is called: kind, status, title.
pub(super) const KINDS: [(&str, u16, &str); 16] = [
    ("bad-request", 400, "Yêu cầu không hợp lệ · bad request"),
    ("unauthorized", 401, "Cần mã truy cập · a token is needed"),
    ("host", 403, "Tên máy chủ không được phép · this host name is refused"),
    ("origin", 403, "Không nhận yêu cầu từ trang web · requests of web pages are refused"),
    ("unit-foreign", 403, "Bản ghi của đơn vị khác · the record is another unit's"),
    ("not-found", 404, "Không có địa chỉ này · there is no such path"),
    ("type-unknown", 404, "Không có loại bản ghi này · there is no such record type"),
    ("record-unknown", 404, "Không tìm thấy bản ghi · there is no such record"),
    ("method", 405, "Phương thức không dùng được ở đây · method not allowed"),
    ("timeout", 408, "Quá lâu chưa gửi xong · the request took too long to arrive"),
    ("read-only", 409, "Máy này đang chỉ đọc · this node is read-only"),
    ("too-large", 413, "Yêu cầu quá lớn · the request is too large"),
    ("media-type", 415, "Chỉ nhận JSON · only JSON is taken"),
    ("reason", 422, "Lý do không dùng được · the reason is refused"),
    ("busy", 503, "Máy đang bận · busy"),
    ("failed", 503, "Không ghi hoặc đọc được · the store failed"),
];

impl Problem {
    /// A problem of one of [`KINDS`].
    pub(super) fn new(kind: &str, detail: impl std::fmt::Display) -> Self {
        let known = KINDS.iter().find(|(name, ..)| *name == kind).or(KINDS.last());
        let (kind, status, title) = known.copied().unwrap_or(("failed", 503, "failed"));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self { status, kind, title, detail: detail.to_string(), members: Vec::new() }
    }

    /// With a member of its own.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The problem of an answer that says a command failed.
    pub(super) fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body.get(name).and_then(Json::as_str).unwrap_or_default();
        let kind = match text("rule") {
            "TYPE_UNKNOWN" => "type-unknown",
            "RECORD_UNKNOWN" => "record-unknown",
            "UNIT_FOREIGN" => "unit-foreign",
            "READ_ONLY" => "read-only",
            "REASON_MISSING" | "REASON_FORM" => "reason",
            _ => "failed",
        };
        let problem = Self::new(kind, text("error"));
        if text("rule").is_empty() { problem } else { problem.with("rule", text("rule")) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:lienthong:problem:{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            "unauthorized" => {
                let challenge = HeaderValue::from_static("Bearer realm=\"lienthong\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            "busy" => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
