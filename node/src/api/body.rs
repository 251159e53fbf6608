//! A request's body, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt as _;
use serde_json::Value as Json;

use super::json;
use super::problem::{Kind, Problem};

/// Time for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The body of a request that must be JSON, in bounded time and memory.
///
/// # Errors
/// [`Problem`] if it is none, too large, or does not arrive.
pub async fn body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") || headers.contains_key(CONTENT_ENCODING) {
        let detail = "gửi Content-Type: application/json, không nén · send Content-Type: application/json, not compressed";
        return Err(Problem::new(Kind::MEDIA_TYPE, detail));
    }
    let too_large = || {
        let detail = format!(
            "tối đa {bytes_max} byte một lần: hãy chia nhỏ · at most {bytes_max} bytes at once: send less"
        );
        Problem::new(Kind::TOO_LARGE, detail)
    };
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let collect = async {
        let mut bytes = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| {
                Problem::new(Kind::BAD_REQUEST, "nội dung bị cắt ngang · the body was cut short")
            })?;
            if bytes.len() + piece.len() > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    let late = || Problem::new(Kind::TIMEOUT, "hãy gửi lại · send it again");
    tokio::time::timeout(BODY_TIMEOUT, collect).await.map_err(|_| late())?
}

/// The JSON of a body.
///
/// # Errors
/// [`Problem`] saying where it is none.
pub fn parsed(bytes: &[u8]) -> Result<Json, Problem> {
    json::read(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail =
            format!("JSON sai ở dòng {line}, cột {column} · JSON is wrong at line {line}, column {column}");
        Problem::new(Kind::BAD_REQUEST, detail)
    })
}
