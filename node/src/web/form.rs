//! Forms: read in bounded time and memory, and only those of the session that sends them.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::Web;
use super::refusal::Refusal;
use super::view::View;

/// Time for a form to arrive.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Fields of a form: well above any record's.
const FIELDS_MAX: usize = 4_096;

/// What a form holds, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A form without a session, as the sign-in's.
pub(super) struct Unchecked(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Unchecked {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bad =
            || Refusal::new(StatusCode::BAD_REQUEST, "biểu mẫu không đọc được · the form cannot be read");
        let late = || {
            Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "gửi quá lâu: hãy thử lại · it took too long: try again",
            )
        };
        let read = Form::<Vec<(String, String)>>::from_request(request, state);
        let read = tokio::time::timeout(TIMEOUT, read).await.map_err(|_| late())?;
        let Form(fields) = read.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "biểu mẫu quá lớn · the form is too large")
            }
            _ => bad(),
        })?;
        if fields.len() > FIELDS_MAX { Err(bad()) } else { Ok(Self(Fields(fields))) }
    }
}

/// A form of the session that sends it: whoever takes one knows that it was looked at.
pub(super) struct Checked(pub(super) Fields);

impl FromRequest<Arc<Web>> for Checked {
    type Rejection = Refusal;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Refusal> {
        let view = request.extensions().get::<View>().cloned().ok_or_else(Refusal::missing)?;
        let Unchecked(fields) = Unchecked::from_request(request, web).await?;
        view.check(fields.get("csrf"))?;
        Ok(Self(fields))
    }
}
