//! When the last backup was made: a file of one number, so that it is known whoever made it and after a restart.

use std::path::Path;

use lienthong_proto::time::UnixMillis;

use crate::identity::write_private;

/// Beside the log; milliseconds since 1970, as text.
const FILE: &str = "backup.made";

/// A backup was made now. What cannot be kept is only said: the backup stands.
pub fn backup_made(data: &Path, now: UnixMillis) {
    if let Err(error) = write_private(&data.join(FILE), now.0.to_string().as_bytes()) {
        tracing::warn!(%error, "the time of the backup cannot be kept");
    }
}

/// When the last one was made, if ever.
#[must_use]
pub fn last_backup(data: &Path) -> Option<UnixMillis> {
    let text = std::fs::read_to_string(data.join(FILE)).ok()?;
    text.trim().parse().ok().map(UnixMillis)
}
