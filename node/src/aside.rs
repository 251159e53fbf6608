//! Work that would hold a thread of the runtime up: done aside, where there is another thread.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, block_in_place, spawn_blocking};

/// Does `work` in a thread for such work. A runtime of one thread does it in its turn: there everything happens in one
/// order, which a simulation counts on.
///
/// # Errors
/// [`JoinError`] if the work panicked, or the runtime ends.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => spawn_blocking(work).await,
    }
}

/// Does `work` here, and what else waits for this thread in another, where there is one.
pub fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => block_in_place(work),
    }
}
