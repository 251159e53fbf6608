//! What the hub said no to, as a problem.

use lienthong_node::api::{Kind, Problem};
use lienthong_node::control::Answer;
use serde_json::Value as Json;

/// Those of this API.
pub(super) const KINDS: [Kind; 16] = [
    Kind::BAD_REQUEST,
    Kind::UNAUTHORIZED,
    Kind::FORBIDDEN,
    Kind::HOST,
    Kind::ORIGIN,
    Kind::NOT_FOUND,
    Kind::TYPE_UNKNOWN,
    Kind::RECORD_UNKNOWN,
    Kind::UNKNOWN,
    Kind::METHOD,
    Kind::TIMEOUT,
    Kind::TOO_LARGE,
    Kind::MEDIA_TYPE,
    Kind::REFUSED,
    Kind::BUSY,
    Kind::FAILED,
];

/// The problem of an answer that says no. What has no rule is a fault of the hub: its log says more than a stranger may
/// read.
pub(super) fn refusal(answer: &Answer) -> Problem {
    let text = |name: &str| answer.body.get(name).and_then(Json::as_str).unwrap_or_default();
    let kind = match text("rule") {
        "" => {
            tracing::error!(error = text("error"), "a request of the API failed");
            let detail = "nhật ký của máy chủ ghi rõ · the hub’s log says more";
            return Problem::new(Kind::FAILED, detail);
        }
        "TYPE_UNKNOWN" => Kind::TYPE_UNKNOWN,
        "RECORD_UNKNOWN" => Kind::RECORD_UNKNOWN,
        "UNIT_UNKNOWN" | "REPLICA_UNKNOWN" | "CONFLICT_UNKNOWN" | "NOT_QUARANTINED" | "TOKEN_UNKNOWN"
        | "WAIVER_UNKNOWN" | "ALERT_UNKNOWN" | "COLUMN_UNKNOWN" | "GRANT_UNKNOWN" => Kind::UNKNOWN,
        "TOKEN_FOREIGN" => Kind::FORBIDDEN,
        _ => Kind::REFUSED,
    };
    Problem::new(kind, text("error")).with("rule", text("rule"))
}
