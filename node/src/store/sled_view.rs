//! The view on sled 0.34: one tree, the keyspace as key prefix, every value in a checksummed envelope
//! that binds its key. sled is only ever a view (its flush does not reach the disk): what it lost or
//! damaged is rebuilt from the log.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::view::{Batch, Keyspace, View, ViewError, Visit, full_key};

/// Values larger than this go to sled's unsynced blob files: refused.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The form of what is kept in a view: one of another form does not read, and is made again from the log.
const MAGIC: u8 = 0xA4;

/// What sled says where another has the folder; it has no name for it.
const LOCKED: &str = "could not acquire lock";

/// How many replaced values are freed by one look: the epochs' bags hold 64, and more than one goes at a time.
const REPLACED_AT_A_TIME: usize = 64;

/// A view kept by sled.
#[derive(Debug)]
pub struct SledView {
    tree: sled::Db,
}

/// What opening found.
#[derive(Debug)]
pub struct ViewOpened {
    /// The view.
    pub view: SledView,
    /// Where a damaged view was moved to.
    pub set_aside: Option<PathBuf>,
}

impl SledView {
    /// Opens or makes the view in `dir`; one that does not open or read is set aside.
    ///
    /// # Errors
    /// [`ViewError::Held`] while another opening has it, [`ViewError::Engine`] if not even a fresh one can be made.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<ViewOpened, ViewError> {
        match try_open(dir, cache_bytes) {
            Ok(view) if view.applied().is_ok() => {
                return Ok(ViewOpened { view, set_aside: None });
            }
            Ok(view) => drop(view),
            // It is whole, and not ours yet.
            Err(ViewError::Held) => return Err(ViewError::Held),
            Err(error) => tracing::warn!(%error, "the view does not open; it is set aside and rebuilt"),
        }
        let aside = set_aside(dir).map_err(|error| ViewError::Engine(error.to_string()))?;
        let view = try_open(dir, cache_bytes)?;
        Ok(ViewOpened { view, set_aside: Some(aside) })
    }
}

impl SledView {
    /// Opens a view to look at it: a damaged one is an error, not set aside.
    ///
    /// # Errors
    /// [`ViewError`] if it does not open.
    pub fn inspect(dir: &Path, cache_bytes: u64) -> Result<Self, ViewError> {
        try_open(dir, cache_bytes)
    }
}

fn try_open(dir: &Path, cache_bytes: u64) -> Result<SledView, ViewError> {
    remove_stray_snapshots(dir);
    let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(1_000));
    // sled 0.34 panics on some damage at open (issue 1387).
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(tree)) => Ok(SledView { tree }),
        Ok(Err(error)) if error.to_string().contains(LOCKED) => Err(ViewError::Held),
        Ok(Err(error)) => Err(ViewError::Engine(error.to_string())),
        Err(_) => Err(ViewError::Engine("sled panicked at open".to_owned())),
    }
}

/// A snapshot that a crash left half made keeps sled from opening (issues 1527, 1533).
fn remove_stray_snapshots(dir: &Path) {
    let Ok(files) = std::fs::read_dir(dir) else { return };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().ends_with(".generating") {
            tracing::warn!("removed a half-made snapshot from the view");
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// Moves a view's folder away.
pub(crate) fn set_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for number in 1..1_000 {
        let aside = dir.with_file_name(format!("{name}.damaged-{number}"));
        if !aside.exists() {
            std::fs::rename(dir, &aside)?;
            return Ok(aside);
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let mut sealed = Vec::with_capacity(value.len() + 5);
    sealed.push(MAGIC);
    sealed.extend_from_slice(&crc.to_be_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], ViewError> {
    let (head, value) = sealed.split_at_checked(5).ok_or(ViewError::Damaged)?;
    let (magic, crc) = head.split_at(1);
    let expected = crc32c::crc32c_append(crc32c::crc32c(key), value).to_be_bytes();
    if magic == [MAGIC] && crc == expected { Ok(value) } else { Err(ViewError::Damaged) }
}

/// sled 0.34 also panics on damage it meets while reading.
fn contained<T>(work: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(ViewError::Damaged))
}

/// sled frees what it has replaced when somebody enters an epoch, some of it at a time, and a batch enters
/// one only once: without this it would keep gigabytes of a million records.
fn tidy(replaced: usize) {
    for _ in 0..=replaced / REPLACED_AT_A_TIME {
        crossbeam_epoch::pin().flush();
    }
}

fn engine(error: sled::Error) -> ViewError {
    ViewError::Engine(error.to_string())
}

impl View for SledView {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        contained(|| {
            let key = full_key(keyspace, key);
            match self.tree.get(&key).map_err(engine)? {
                Some(sealed) => Ok(Some(unseal(&key, &sealed)?.to_vec())),
                None => Ok(None),
            }
        })
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        contained(|| {
            let full_prefix = full_key(keyspace, prefix);
            let low = from.map(|key| full_key(keyspace, key));
            for found in self.tree.range::<Vec<u8>, _>((low, Bound::Unbounded)) {
                let (key, sealed) = found.map_err(engine)?;
                let in_prefix = key.starts_with(&full_prefix);
                if !in_prefix && *key > *full_prefix {
                    break;
                }
                let Some((_, bare)) = key.split_first() else {
                    continue;
                };
                if in_prefix && !visit(bare, unseal(&key, &sealed)?) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        contained(|| {
            let mut writes = sled::Batch::default();
            let mut replaced = 0;
            for (key, value) in batch.into_sorted() {
                replaced += 1;
                match value {
                    Some(value) if value.len() > VALUE_BYTES_MAX => {
                        return Err(ViewError::TooLarge(value.len()));
                    }
                    Some(value) => {
                        let sealed = seal(&key, &value);
                        writes.insert(key, sealed);
                    }
                    None => writes.remove(key),
                }
            }
            self.tree.apply_batch(writes).map_err(engine)?;
            tidy(replaced);
            Ok(())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A view that another opening still has is not damaged: it is left where it is.
    #[test]
    fn a_view_that_is_still_open_is_not_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view");
        let first = SledView::open(&path, 1 << 20).unwrap();
        assert!(matches!(SledView::open(&path, 1 << 20), Err(ViewError::Held)));
        drop(first);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(SledView::open(&path, 1 << 20).unwrap().set_aside.is_none());
    }
}
