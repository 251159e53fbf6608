//! What both programs wait for: what is let go of, and the signals that end them.

/// How long a folder that was closed may still be held.
const LET_GO: std::time::Duration = std::time::Duration::from_secs(30);

/// Takes a folder or an address. One that this process has just let go of (`again`) is held a little longer by whoever
/// still answers somebody.
///
/// # Errors
/// What taking it says, if that goes on for half a minute.
pub async fn settled<T>(again: bool, take: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = std::time::Instant::now();
    loop {
        match take().await {
            Err(_) if again && begun.elapsed() < LET_GO => tokio::time::sleep(LET_GO / 600).await,
            opened => return opened,
        }
    }
}

/// The first interrupt or termination.
///
/// # Errors
/// If signals cannot be had.
pub async fn stopped() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// A second signal does not wait.
pub async fn second_signal() {
    if stopped().await.is_ok() {
        std::process::exit(1);
    }
}
