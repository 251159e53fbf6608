//! What a refusal looks like: `application/problem+json` (RFC 9457), in both languages.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::control::Answer;

/// A sort of problem, the same wherever it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The end of its address: `urn:lienthong:problem:NAME`.
    pub name: &'static str,
    /// The status it comes with.
    pub status: u16,
    /// What it is called, in both languages.
    pub title: &'static str,
}

const fn kind(name: &'static str, status: u16, title: &'static str) -> Kind {
    Kind { name, status, title }
}

impl Kind {
    /// The request is not understood.
    pub const BAD_REQUEST: Self = kind("bad-request", 400, "Yêu cầu không hợp lệ · bad request");
    /// Nobody known asks.
    pub const UNAUTHORIZED: Self = kind("unauthorized", 401, "Cần mã truy cập · a token is needed");
    /// The host named is not this one.
    pub const HOST: Self = kind("host", 403, "Tên máy chủ không được phép · this host name is refused");
    /// A web page of elsewhere asks.
    pub const ORIGIN: Self =
        kind("origin", 403, "Không nhận yêu cầu từ trang web · requests of web pages are refused");
    /// The record is another unit’s.
    pub const UNIT_FOREIGN: Self =
        kind("unit-foreign", 403, "Bản ghi của đơn vị khác · the record is another unit's");
    /// An agency's node is asked for what only a unit's does.
    pub const AGENCY: Self = kind(
        "agency",
        403,
        "Máy của cơ quan chỉ xem dữ liệu được cấp · an agency's node only shows what it is granted",
    );
    /// No such path.
    pub const NOT_FOUND: Self = kind("not-found", 404, "Không có địa chỉ này · there is no such path");
    /// No such record type.
    pub const TYPE_UNKNOWN: Self =
        kind("type-unknown", 404, "Không có loại bản ghi này · there is no such record type");
    /// No such record.
    pub const RECORD_UNKNOWN: Self =
        kind("record-unknown", 404, "Không tìm thấy bản ghi · there is no such record");
    /// The path takes no such method.
    pub const METHOD: Self = kind("method", 405, "Phương thức không dùng được ở đây · method not allowed");
    /// The body did not arrive in time.
    pub const TIMEOUT: Self =
        kind("timeout", 408, "Quá lâu chưa gửi xong · the request took too long to arrive");
    /// The replica must not write.
    pub const READ_ONLY: Self = kind("read-only", 409, "Máy này đang chỉ đọc · this node is read-only");
    /// The body is too large.
    pub const TOO_LARGE: Self = kind("too-large", 413, "Yêu cầu quá lớn · the request is too large");
    /// The body is no JSON.
    pub const MEDIA_TYPE: Self = kind("media-type", 415, "Chỉ nhận JSON · only JSON is taken");
    /// A reason is needed, or too long.
    pub const REASON: Self = kind("reason", 422, "Lý do không dùng được · the reason is refused");
    /// All are at work.
    pub const BUSY: Self = kind("busy", 503, "Máy đang bận · busy");
    /// The store failed.
    pub const FAILED: Self = kind("failed", 503, "Không ghi hoặc đọc được · the store failed");
    /// The account’s rights do not reach so far.
    pub const FORBIDDEN: Self =
        kind("forbidden", 403, "Tài khoản không có quyền này · the account may not do this");
    /// Nothing of that name or number.
    pub const UNKNOWN: Self = kind("unknown", 404, "Không có mục này · there is no such thing");
    /// A rule refuses it.
    pub const REFUSED: Self =
        kind("refused", 422, "Không làm được theo yêu cầu · what is asked cannot be done");

    /// As a description names it.
    #[must_use]
    pub fn described(&self) -> String {
        let Self { name, status, title } = self;
        format!("{status} urn:lienthong:problem:{name}: {title}")
    }
}

/// Those of the node’s API.
pub(super) const KINDS: [Kind; 17] = [
    Kind::BAD_REQUEST,
    Kind::UNAUTHORIZED,
    Kind::HOST,
    Kind::ORIGIN,
    Kind::UNIT_FOREIGN,
    Kind::AGENCY,
    Kind::NOT_FOUND,
    Kind::TYPE_UNKNOWN,
    Kind::RECORD_UNKNOWN,
    Kind::METHOD,
    Kind::TIMEOUT,
    Kind::READ_ONLY,
    Kind::TOO_LARGE,
    Kind::MEDIA_TYPE,
    Kind::REASON,
    Kind::BUSY,
    Kind::FAILED,
];

/// A refusal.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    members: Vec<(&'static str, Json)>,
}

impl Problem {
    /// A problem, with what is the matter this time in both languages.
    #[must_use]
    pub fn new(kind: Kind, detail: impl std::fmt::Display) -> Self {
        Self { kind, detail: detail.to_string(), members: Vec::new() }
    }

    /// With a member of its own.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The problem of an answer that says a command failed.
    pub(super) fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body.get(name).and_then(Json::as_str).unwrap_or_default();
        let kind = match text("rule") {
            "TYPE_UNKNOWN" => Kind::TYPE_UNKNOWN,
            "RECORD_UNKNOWN" => Kind::RECORD_UNKNOWN,
            "UNIT_FOREIGN" => Kind::UNIT_FOREIGN,
            "AGENCY" => Kind::AGENCY,
            "READ_ONLY" => Kind::READ_ONLY,
            "REASON_MISSING" | "REASON_FORM" => Kind::REASON,
            _ => Kind::FAILED,
        };
        let problem = Self::new(kind, text("error"));
        if text("rule").is_empty() { problem } else { problem.with("rule", text("rule")) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:lienthong:problem:{}", self.kind.name),
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer realm=\"lienthong\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Kind::BUSY => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
