//! What cannot be done, said as a page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;

use crate::control::Answer;

/// A refusal: `vi · en`.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// The refusal of an answer that says a command failed.
    pub(super) fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body.get(name).and_then(Json::as_str).unwrap_or_default();
        let status = match text("rule") {
            "TYPE_UNKNOWN" | "RECORD_UNKNOWN" => StatusCode::NOT_FOUND,
            "UNIT_FOREIGN" => StatusCode::FORBIDDEN,
            "READ_ONLY" => StatusCode::CONFLICT,
            "" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, text("error"))
    }

    pub(super) fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "không có trang này · there is no such page")
    }
}

/// The page is made by the guard, which knows the reader's language.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) async fn nowhere() -> Refusal {
    Refusal::missing()
}
