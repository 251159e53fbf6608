//! The view on sled 0.34: one tree, the keyspace as key prefix, every value in a checksummed envelope
//! that binds its key. sled is only ever a view (its flush does not reach the disk): what it lost or
//! damaged is rebuilt from the log.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::cover::{Cover, is_hidden};
use super::view::{Batch, Keyspace, View, ViewError, Visit, full_key};
use crate::at_rest::{KeyId, KeyRing};

/// Values larger than this go to sled's unsynced blob files: refused.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The form of what is kept in a view: one of another form does not read, and is made again from the log.
const MAGIC: u8 = 0xA4;

/// Where a sealed view's own keys stand, wrapped: behind every keyspace.
const WRAPPED: [u8; 1] = [0xFF];

/// What sled says where another has the folder; it has no name for it.
const LOCKED: &str = "could not acquire lock";

/// One that was closed holds its folder until the last write of its threads is done: so long that is waited for.
const LETS_GO: Duration = Duration::from_secs(2);

/// How many replaced values are freed by one look: the epochs' bags hold 64, and more than one goes at a time.
const REPLACED_AT_A_TIME: usize = 64;

/// A file of this ending beside a view's folder says that damage was met in it: it is made again at its next opening.
const SUSPECT: &str = "suspect";

/// A view kept by sled.
#[derive(Debug)]
pub struct SledView {
    tree: Tree,
    /// Where it is said that the view is damaged; nowhere if it is only looked at.
    suspicion: Option<PathBuf>,
    /// How it is sealed, if it is. A commit holds it until it is done.
    cover: Option<RwLock<Arc<Cover>>>,
}

/// sled's own, there until it is dropped. It then syncs once more, and panics if the disk does not confirm that.
#[derive(Debug)]
struct Tree(Option<sled::Db>);

impl Tree {
    fn db(&self) -> Result<&sled::Db, ViewError> {
        self.0.as_ref().ok_or_else(|| ViewError::Engine("closed".to_owned()))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let db = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::error!(
                "the disk did not confirm the view's last writes: it is made again from the log if need be"
            );
        }
    }
}

/// What opening found.
#[derive(Debug)]
pub struct ViewOpened {
    /// The view.
    pub view: SledView,
    /// Where a damaged view was moved to.
    pub set_aside: Option<PathBuf>,
    /// It was not sealed, and is made again from the log because now it must be.
    pub remade: bool,
}

impl SledView {
    /// Opens or makes a view that is not sealed in `dir`; one that does not open or read is set aside.
    ///
    /// # Errors
    /// [`ViewError::Held`] while another opening has it, [`ViewError::Engine`] if not even a fresh one can be made.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<ViewOpened, ViewError> {
        Self::open_sealed(dir, cache_bytes, &KeyRing::default())
    }

    /// As [`SledView::open`], sealed if there is a key. One that was not sealed then is removed and made anew.
    ///
    /// # Errors
    /// As [`SledView::open`], and [`ViewError::Key`] if it is sealed and its key is not at hand.
    pub fn open_sealed(dir: &Path, cache_bytes: u64, keys: &KeyRing) -> Result<ViewOpened, ViewError> {
        let suspicion = suspicion(dir);
        let set_aside = match try_open(dir, cache_bytes, keys) {
            // What cannot be opened without its key cannot be made again without it either.
            Ok(found) if suspicion.exists() => {
                tracing::warn!("damage was met in the view; it is set aside and rebuilt");
                drop(found);
                Some(aside(dir)?)
            }
            Ok(Found::View(view)) if view.applied().is_ok() => {
                return Ok(ViewOpened { view, set_aside: None, remade: false });
            }
            Ok(Found::Plain) => {
                std::fs::remove_dir_all(dir).map_err(|error| ViewError::Engine(error.to_string()))?;
                None
            }
            Ok(Found::View(view)) => {
                drop(view);
                Some(aside(dir)?)
            }
            // It is whole, and not ours yet, or not ours.
            Err(error @ (ViewError::Held | ViewError::Key(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the view does not open; it is set aside and rebuilt");
                Some(aside(dir)?)
            }
        };
        match try_open(dir, cache_bytes, keys)? {
            Found::View(view) => {
                // The one it was said of is aside.
                let _ = std::fs::remove_file(suspicion);
                Ok(ViewOpened { view, remade: set_aside.is_none(), set_aside })
            }
            Found::Plain => Err(ViewError::Damaged),
        }
    }

    /// Whether damage was met in the view in `dir`, which then is made again at its next opening.
    #[must_use]
    pub fn is_suspect(dir: &Path) -> bool {
        suspicion(dir).exists()
    }

    /// Opens a view to look at it: a damaged one is an error, not set aside.
    ///
    /// # Errors
    /// [`ViewError`] if it does not open.
    pub fn inspect(dir: &Path, cache_bytes: u64) -> Result<Self, ViewError> {
        Self::inspect_sealed(dir, cache_bytes, &KeyRing::default())
    }

    /// As [`SledView::inspect`], one that may be sealed.
    ///
    /// # Errors
    /// [`ViewError`] if it does not open.
    pub fn inspect_sealed(dir: &Path, cache_bytes: u64, keys: &KeyRing) -> Result<Self, ViewError> {
        match try_open(dir, cache_bytes, keys)? {
            Found::View(view) => Ok(Self { suspicion: None, ..view }),
            // Not sealed yet: it is looked at as it is.
            Found::Plain => Self::inspect(dir, cache_bytes),
        }
    }

    /// The keys as they are now; those of one that is being sealed again open whatever was sealed before.
    fn cover(&self) -> Option<Arc<Cover>> {
        self.cover.as_ref().map(|cover| Arc::clone(&cover.read()))
    }

    fn opened(&self, cover: Option<&Cover>, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, ViewError> {
        let Some(cover) = cover else { return Ok(unseal(key, sealed)?.to_vec()) };
        // Sealed again since the keys were looked up.
        cover.open(key, sealed).or_else(|error| match self.cover() {
            Some(now) => now.open(key, sealed),
            None => Err(error),
        })
    }

    fn wrapped(&self, cover: &Cover, keys: &KeyRing) -> Result<(), ViewError> {
        self.tree.db()?.insert(WRAPPED, cover.wrap(keys)?).map_err(engine)?;
        self.tree.db()?.flush().map_err(engine)?;
        Ok(())
    }

    /// Seals a value again, unless somebody has written it meanwhile.
    fn again(&self, cover: &Cover, key: &[u8], sealed: &[u8]) -> Result<(), ViewError> {
        if key == WRAPPED || cover.is_last(sealed) {
            return Ok(());
        }
        let new = cover.seal(key, &cover.open(key, sealed)?)?;
        let _ = self.tree.db()?.compare_and_swap(key, Some(sealed), Some(new)).map_err(engine)?;
        Ok(())
    }
}

impl SledView {
    /// As [`contained`]; damage that is met is not forgotten.
    fn answered<T>(&self, work: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
        let answer = contained(work);
        if matches!(answer, Err(ViewError::Damaged)) {
            self.distrust();
        }
        answer
    }
}

fn suspicion(dir: &Path) -> PathBuf {
    dir.with_extension(SUSPECT)
}

/// What stands in a folder.
enum Found {
    View(SledView),
    /// Not sealed, though there is a key.
    Plain,
}

fn aside(dir: &Path) -> Result<PathBuf, ViewError> {
    set_aside(dir).map_err(|error| ViewError::Engine(error.to_string()))
}

fn try_open(dir: &Path, cache_bytes: u64, keys: &KeyRing) -> Result<Found, ViewError> {
    remove_stray_snapshots(dir);
    let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(1_000));
    let begun = Instant::now();
    let tree = loop {
        // sled 0.34 panics on some damage at open (issue 1387).
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(tree)) => break tree,
            Ok(Err(error)) if error.to_string().contains(LOCKED) => {
                if begun.elapsed() >= LETS_GO {
                    return Err(ViewError::Held);
                }
                std::thread::sleep(LETS_GO / 100);
            }
            Ok(Err(error)) => return Err(ViewError::Engine(error.to_string())),
            Err(_) => return Err(ViewError::Engine("sled panicked at open".to_owned())),
        }
    };
    contained(|| {
        let wrapped = tree.get(WRAPPED).map_err(engine)?;
        let cover = match (wrapped, keys.current()) {
            (Some(wrapped), _) => Some(RwLock::new(Arc::new(Cover::unwrap(&wrapped, keys)?))),
            (None, None) => None,
            (None, Some(_)) if !tree.is_empty() => return Ok(Found::Plain),
            (None, Some(master)) => {
                let cover = Cover::fresh(master)?;
                tree.insert(WRAPPED, cover.wrap(keys)?).map_err(engine)?;
                Some(RwLock::new(Arc::new(cover)))
            }
        };
        Ok(Found::View(SledView { tree: Tree(Some(tree)), suspicion: Some(suspicion(dir)), cover }))
    })
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
    match error {
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => ViewError::Damaged,
        other => ViewError::Engine(other.to_string()),
    }
}

/// Whether a key is within where a scan begins.
fn begins(from: Bound<&[u8]>, key: &[u8]) -> bool {
    match from {
        Bound::Included(first) => key >= first,
        Bound::Excluded(before) => key > before,
        Bound::Unbounded => true,
    }
}

impl SledView {
    /// As [`View::scan`], where keys are stored in another order than their own.
    fn scan_hidden(
        &self,
        cover: &Cover,
        from: Bound<&[u8]>,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        for found in self.tree.db()?.scan_prefix(cover.prefix(prefix)?) {
            let (stored, sealed) = found.map_err(engine)?;
            let key = cover.plain(&stored)?;
            let Some((_, bare)) = key.split_first() else { continue };
            if !key.starts_with(prefix) || !begins(from, bare) {
                continue;
            }
            if !visit(bare, &self.opened(Some(cover), &stored, &sealed)?) {
                break;
            }
        }
        Ok(())
    }
}

impl View for SledView {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.answered(|| {
            let (cover, key) = (self.cover(), full_key(keyspace, key));
            let key = match &cover {
                Some(cover) => cover.key(key)?,
                None => key,
            };
            match self.tree.db()?.get(&key).map_err(engine)? {
                Some(sealed) => self.opened(cover.as_deref(), &key, &sealed).map(Some),
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
        self.answered(|| {
            let full_prefix = full_key(keyspace, prefix);
            let cover = self.cover();
            if let Some(cover) = cover.as_deref().filter(|_| is_hidden(keyspace)) {
                return self.scan_hidden(cover, from, &full_prefix, visit);
            }
            let low = from.map(|key| full_key(keyspace, key));
            for found in self.tree.db()?.range::<Vec<u8>, _>((low, Bound::Unbounded)) {
                let (key, sealed) = found.map_err(engine)?;
                let in_prefix = key.starts_with(&full_prefix);
                if !in_prefix && *key > *full_prefix {
                    break;
                }
                let Some((_, bare)) = key.split_first() else {
                    continue;
                };
                if !in_prefix {
                    continue;
                }
                let goes_on = match &cover {
                    None => visit(bare, unseal(&key, &sealed)?),
                    Some(cover) => visit(bare, &self.opened(Some(cover), &key, &sealed)?),
                };
                if !goes_on {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), ViewError> {
        self.answered(|| {
            let mut writes = sled::Batch::default();
            let mut replaced = 0;
            // Held to the end: nothing is written under a key that was given up meanwhile.
            let cover = self.cover.as_ref().map(|cover| cover.read());
            for (key, value) in batch.into_sorted() {
                replaced += 1;
                let key = match &cover {
                    Some(cover) => cover.key(key)?,
                    None => key,
                };
                match value {
                    Some(value) if value.len() > VALUE_BYTES_MAX => {
                        return Err(ViewError::TooLarge(value.len()));
                    }
                    Some(value) => {
                        let sealed = match &cover {
                            Some(cover) => cover.seal(&key, &value)?,
                            None => seal(&key, &value),
                        };
                        writes.insert(key, sealed);
                    }
                    None => writes.remove(key),
                }
            }
            self.tree.db()?.apply_batch(writes).map_err(engine)?;
            drop(cover);
            tidy(replaced);
            Ok(())
        })
    }

    fn sealed_by(&self) -> Option<KeyId> {
        self.cover().filter(|cover| !cover.is_mixed()).map(|cover| cover.master)
    }

    fn distrust(&self) {
        let Some(path) = self.suspicion.as_ref().filter(|path| !path.exists()) else { return };
        tracing::error!("the view is damaged: start again, and it is made again from the log");
        if let Err(error) = std::fs::File::create(path) {
            tracing::error!(%error, "that cannot be remembered: remove the view's folder before the next start");
        }
    }

    fn reseal(&self, keys: &KeyRing, stop: &dyn Fn() -> bool) -> Result<(), ViewError> {
        let (Some(held), Some(master)) = (&self.cover, keys.current()) else { return Ok(()) };
        self.answered(|| {
            if held.read().master != master.id() {
                let mut held = held.write();
                let next = held.next(master)?;
                self.wrapped(&next, keys)?;
                *held = Arc::new(next);
            }
            let cover = Arc::clone(&held.read());
            if !cover.is_mixed() {
                return Ok(());
            }
            for (number, found) in (1..).zip(self.tree.db()?.iter()) {
                let (key, sealed) = found.map_err(engine)?;
                self.again(&cover, &key, &sealed)?;
                if number % REPLACED_AT_A_TIME == 0 {
                    tidy(REPLACED_AT_A_TIME);
                    if stop() {
                        return Ok(());
                    }
                }
            }
            let mut held = held.write();
            let last = held.last();
            self.wrapped(&last, keys)?;
            *held = Arc::new(last);
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

    /// Damage that was met by a reader, wherever it was, is mended by the next opening, once; who only looks says it too.
    #[test]
    fn p1_damage_that_was_met_is_mended_at_the_next_opening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view");
        let opened = SledView::open(&path, 1 << 20).unwrap().view;
        opened.tree.db().unwrap().insert(full_key(Keyspace::Record, b"key"), b"no envelope").unwrap();
        drop(opened);
        let looked_at = SledView::inspect(&path, 1 << 20).unwrap();
        assert!(matches!(looked_at.get(Keyspace::Record, b"key"), Err(ViewError::Damaged)));
        drop(looked_at);
        let opened = SledView::open(&path, 1 << 20).unwrap();
        assert!(opened.set_aside.is_none(), "who only looks changes nothing");
        assert!(matches!(opened.view.get(Keyspace::Record, b"key"), Err(ViewError::Damaged)));
        drop(opened);
        assert!(SledView::is_suspect(&path));
        let opened = SledView::open(&path, 1 << 20).unwrap();
        assert!(opened.set_aside.is_some_and(|aside| aside.exists()));
        assert!(opened.view.get(Keyspace::Record, b"key").unwrap().is_none());
        drop(opened.view);
        assert!(SledView::open(&path, 1 << 20).unwrap().set_aside.is_none());
    }
}
