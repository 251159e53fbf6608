//! Every write of the log goes through here, so that tests can make any of them fail, or forget what was not synced.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What stands between a log and its files. Tests put one there that fails, or that knows what a power cut leaves.
pub trait Medium: Debug + Send + Sync {
    /// Asked before a file is made.
    ///
    /// # Errors
    /// The disk's.
    fn permit(&self) -> io::Result<()>;

    /// Writes at the file's place.
    ///
    /// # Errors
    /// The disk's; some of the bytes may have been written.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;

    /// Makes what a file, or a folder, holds outlast a power cut.
    ///
    /// # Errors
    /// The disk's; what was written since the last sync may be lost.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// What the log writes with.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The files themselves when absent.
    medium: Option<Arc<dyn Medium>>,
}

impl Disk {
    /// The real disk.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// A disk behind a medium.
    #[must_use]
    pub fn over(medium: Arc<dyn Medium>) -> Self {
        Self { medium: Some(medium) }
    }

    /// A disk whose call number `call` (from 0) and all later ones fail; with `short`, the first failing
    /// write leaves half its bytes.
    #[must_use]
    pub fn failing(call: u32, kind: io::ErrorKind, short: bool) -> Self {
        let left = AtomicI64::new(i64::from(call));
        Self::over(Arc::new(Failing { left, kind, short }))
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        match &self.medium {
            Some(medium) => medium.write(file, bytes),
            None => file.write_all(bytes),
        }
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        match &self.medium {
            Some(medium) => medium.sync(file),
            None => file.sync_data(),
        }
    }

    pub(crate) fn permit(&self) -> io::Result<()> {
        self.medium.as_ref().map_or(Ok(()), |medium| medium.permit())
    }
}

/// Fails from one call on.
#[derive(Debug)]
struct Failing {
    left: AtomicI64,
    kind: io::ErrorKind,
    /// A failing write still leaves half its bytes.
    short: bool,
}

impl Medium for Failing {
    fn permit(&self) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(self.kind.into()) }
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.permit() {
            if self.short && self.left.load(Ordering::Relaxed) == -1 {
                file.write_all(bytes.split_at(bytes.len() / 2).0)?;
            }
            return Err(error);
        }
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.permit()?;
        file.sync_data()
    }
}
