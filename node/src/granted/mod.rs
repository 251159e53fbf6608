//! What an agency is granted, kept live on its own machine: each delivery is checked by the trust policy, stands on the
//! disk before it is signed for, and is checked again whenever the views are opened.

mod answers;
mod erased;
mod kept;
mod subscriber;
mod view;
mod views;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub(crate) use answers::writes_nothing;
pub use kept::{KeptReader, KeptWriter};
pub use subscriber::{Subscriber, ViewsStatus};
pub use view::TakeError;
pub(crate) use views::judge;
pub use views::{GrantLine, Spool, Views, ViewsError, trust_path};

/// A fresh file that nobody else on this machine reads.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}
