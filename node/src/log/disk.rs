//! Every write of the log goes through here, so that tests can make any of them fail.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What the log writes with.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Calls left before the fault; never reached when absent.
    fault: Option<Arc<Plan>>,
}

#[derive(Debug)]
struct Plan {
    left: AtomicI64,
    kind: io::ErrorKind,
    /// A failing write still leaves half its bytes.
    short: bool,
}

impl Disk {
    /// The real disk.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// A disk whose call number `call` (from 0) and all later ones fail; with `short`, the first failing
    /// write leaves half its bytes.
    #[must_use]
    pub fn failing(call: u32, kind: io::ErrorKind, short: bool) -> Self {
        let left = AtomicI64::new(i64::from(call));
        Self { fault: Some(Arc::new(Plan { left, kind, short })) }
    }

    pub(crate) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.permit() {
            if self.fault.as_ref().is_some_and(|plan| plan.short && plan.left.load(Ordering::Relaxed) == -1) {
                file.write_all(bytes.split_at(bytes.len() / 2).0)?;
            }
            return Err(error);
        }
        file.write_all(bytes)
    }

    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.permit()?;
        file.sync_data()
    }

    pub(crate) fn permit(&self) -> io::Result<()> {
        let Some(plan) = &self.fault else { return Ok(()) };
        if plan.left.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(plan.kind.into()) }
    }
}
