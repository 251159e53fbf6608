//! Says to the page in front that something changed; the page then asks again.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::unfold;

use std::sync::Arc;

use super::view::View;

/// Something is said at most this often.
const REFRESH: Duration = Duration::from_secs(1);
/// Silence is news too: a line that went away changes nothing in the log.
const LOOK: Duration = Duration::from_secs(10);

pub(super) async fn live(view: View) -> Response {
    let Ok(permit) = Arc::clone(&view.web.live).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (head, stop) = (view.web.node.replica.head(), view.web.node.serving.ending().clone());
    let changes = unfold((head, stop, permit), |(mut head, stop, permit)| async move {
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(REFRESH) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            changed = head.changed() => changed.ok()?,
            () = tokio::time::sleep(LOOK) => {}
        }
        Some((Ok::<_, Infallible>(Event::default().data("look")), (head, stop, permit)))
    });
    Sse::new(changes).keep_alive(KeepAlive::default()).into_response()
}
