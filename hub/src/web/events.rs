//! Says that something changed, at most once a second; pages then ask for their live part again.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;

use super::guard::is_still_in;
use super::view::View;

/// A page looks again at most this often.
const REFRESH: Duration = Duration::from_secs(1);
/// Silence is news too: a unit that left changes nothing in the ledger.
const SILENCE: Duration = Duration::from_secs(5);

/// The stream; it ends with the session of the one who listens.
pub(super) async fn events(view: View) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (head, stop) = (view.site.hub.committer.head(), view.site.hub.stop.clone());
    let changes = unfold((view, head, stop), |(view, mut head, stop)| async move {
        let word = tokio::select! {
            () = stop.cancelled() => return None,
            word = async {
                tokio::time::sleep(REFRESH).await;
                match tokio::time::timeout(SILENCE, head.changed()).await {
                    Ok(Ok(())) => Some("changed"),
                    Ok(Err(_)) => None,
                    Err(_) => Some("look"),
                }
            } => word?,
        };
        if !is_still_in(&view.site, view.visitor.as_ref()) {
            return None;
        }
        Some((Ok(Event::default().data(word)), (view, head, stop)))
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}
