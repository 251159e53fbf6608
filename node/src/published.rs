//! The catalogue in force: the one the province published, or the program's own; a folder's over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use lienthong_proto::catalogue::{Bundle, BundleError, Catalogue, Published};
use lienthong_proto::quality::RuleBook;

use crate::identity::write_private;

/// The published catalogue, as it came.
const KEPT: &str = "catalogue.published";
/// One that is about to be published: in force only once the ledger says so.
const PREPARED: &str = "catalogue.prepared";
/// One this program does not understand: the ledger whose key signed it, its number, and why, a line each.
const REFUSED: &str = "catalogue.refused";

/// Where a replica keeps the catalogue the province published.
#[derive(Debug, Clone)]
pub struct Shelf {
    data: PathBuf,
}

/// What became of a catalogue that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is kept, and in force from the next opening on.
    New(Published),
    /// One as new came before.
    Known,
    /// This version of the program does not understand it, and goes on with the one before.
    Refused(Published, String),
}

/// Why what came cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// It is not what the province signed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Shelf {
    /// The one in a data folder.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The published catalogue that is kept, if any is.
    ///
    /// # Errors
    /// [`ShelfError`] if it is there and cannot be read.
    pub fn kept(&self) -> Result<Option<Bundle>, ShelfError> {
        self.read(KEPT)
    }

    /// Keeps one durably that is about to be published.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn prepare(&self, bundle: &Bundle) -> Result<(), ShelfError> {
        self.write(PREPARED, &bundle.encode())
    }

    /// Ends a preparation, if there is one: what was prepared is kept if it is what was published, and else gone.
    /// Whether it is kept.
    ///
    /// # Errors
    /// [`ShelfError`]; it can be tried again.
    pub fn settle(&self, published: Option<Published>) -> Result<bool, ShelfError> {
        let prepared = match self.read(PREPARED) {
            Ok(None) => return Ok(false),
            Ok(prepared) => prepared,
            // What cannot be read any more can only go.
            Err(ShelfError::Bundle(_)) => None,
            Err(error) => return Err(error),
        };
        let prepared = prepared.filter(|prepared| published.is_some() && prepared.says().ok() == published);
        let is_published = match prepared {
            Some(prepared) if self.kept()?.as_ref() != Some(&prepared) => {
                self.keep(&prepared)?;
                true
            }
            _ => false,
        };
        let path = self.data.join(PREPARED);
        std::fs::remove_file(&path).map_err(|source| ShelfError::Io { path, source })?;
        Ok(is_published)
    }

    fn read(&self, name: &str) -> Result<Option<Bundle>, ShelfError> {
        let path = self.data.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(Bundle::decode(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ShelfError::Io { path, source }),
        }
    }

    /// The number of the newest that came from a ledger, and why it is not in force if it is not. A successor's numbers
    /// are its own.
    #[must_use]
    pub fn seen(&self, (origin, key): (&str, [u8; 32])) -> (u64, Option<String>) {
        let kept = self.kept().ok().flatten().and_then(|bundle| bundle.published(origin, key).ok());
        let kept = kept.map_or(0, |published| published.number);
        let refused = std::fs::read_to_string(self.data.join(REFUSED)).ok();
        let refused = refused.as_deref().and_then(|text| text.strip_prefix(origin)?.strip_prefix('\n'));
        match refused.and_then(|text| text.split_once('\n')) {
            Some((number, why)) if number.parse().is_ok_and(|number: u64| number > kept) => {
                (number.parse().unwrap_or(kept), Some(why.to_owned()))
            }
            _ => (kept, None),
        }
    }

    /// Takes in what the province published, if `key` signed it as `origin`.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing is kept of it then.
    pub fn take(&self, bundle: &Bundle, (origin, key): (&str, [u8; 32])) -> Result<Taken, ShelfError> {
        let published = bundle.published(origin, key)?;
        if published.number <= self.seen((origin, key)).0 {
            return Ok(Taken::Known);
        }
        // A successor of the ledger signs anew what is in force already.
        if self.kept()?.is_some_and(|kept| kept.says().is_ok_and(|says| says.digest == published.digest)) {
            self.keep(bundle)?;
            return Ok(Taken::Known);
        }
        // What does not unpack to what was signed is at fault itself; the rest may be of a newer program.
        bundle.files()?;
        let understood = bundle.catalogue().map_err(|error| error.to_string());
        let understood = understood
            .and_then(|catalogue| RuleBook::compile(&catalogue).map_err(|error| error.to_string()).map(drop));
        match understood {
            Ok(()) => {
                self.keep(bundle)?;
                Ok(Taken::New(published))
            }
            Err(why) => {
                self.write(REFUSED, format!("{origin}\n{}\n{why}", published.number).as_bytes())?;
                Ok(Taken::Refused(published, why))
            }
        }
    }

    /// Keeps one durably.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn keep(&self, bundle: &Bundle) -> Result<(), ShelfError> {
        self.write(KEPT, &bundle.encode())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ShelfError> {
        let path = self.data.join(name);
        write_private(&path, bytes).map_err(|source| ShelfError::Io { path, source })
    }
}

/// The catalogue in force in a data folder, with a folder's files over it.
///
/// # Errors
/// If the published one or a file of the folder is at fault.
pub fn in_force(data: &Path, overrides: Option<&Path>) -> anyhow::Result<Arc<Catalogue>> {
    let mut files = files(data)?;
    match overrides {
        Some(folder) => files.extend(read_folder(folder)?),
        None if Shelf::of(data).kept()?.is_none() => return Ok(Arc::new(Catalogue::embedded()?.clone())),
        None => {}
    }
    Ok(Arc::new(Catalogue::load(files)?))
}

/// All files of the catalogue that is in force where no folder says otherwise.
///
/// # Errors
/// If the published one is at fault.
pub fn files(data: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    match Shelf::of(data).kept()? {
        Some(bundle) => Ok(bundle.files()?),
        None => Ok(Catalogue::embedded_files()),
    }
}

/// The file of a catalogue that is in none of its folders.
const CALENDAR: &str = "calendar.toml";

/// The files of a folder that belong to a catalogue: those of its folders `codes`, `records` and `units`, and `calendar.toml`.
///
/// # Errors
/// If one cannot be read.
pub fn read_folder(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let calendar = folder.join(CALENDAR);
    if calendar.exists() {
        let text = std::fs::read_to_string(&calendar).with_context(|| calendar.display().to_string())?;
        files.insert(CALENDAR.to_owned(), text);
    }
    for kind in ["codes", "records", "units"] {
        let Ok(entries) = std::fs::read_dir(folder.join(kind)) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.insert(format!("{kind}/{name}"), text);
        }
    }
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lienthong_proto::hash::{Signer as _, SigningKey};

    use super::*;

    const ORIGIN: &str = "hungyen.example/33/33/ledger";

    fn bundle(number: u64, key: &SigningKey, path: &str, text: &str) -> Bundle {
        let mut files = Catalogue::embedded_files();
        files.insert(path.to_owned(), text.to_owned());
        Bundle::publish(number, &files, (ORIGIN, key)).unwrap()
    }

    #[test]
    fn a_folder_may_hold_the_working_days_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CALENDAR), "off = [\"2027-02-03\"]").unwrap();
        let files = read_folder(folder.path()).unwrap();
        let calendar = Catalogue::with_overrides(files).unwrap().calendar().clone();
        let day = lienthong_proto::value::days_of("2027-02-02".parse().unwrap());
        assert_eq!(calendar.after(day, 1), day + 2);
    }

    #[test]
    fn only_a_newer_one_of_the_province_is_kept() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let other = SigningKey::from_seed(&[8; 32]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(dir.path());
        let code = "name = \"them\"\nlabel = { vi = \"x\", en = \"x\" }\ncode = []\n";
        let first = bundle(2, &key, "codes/them.toml", code);
        let known = (ORIGIN, key.public_key());
        assert!(shelf.take(&bundle(3, &other, "codes/them.toml", code), known).is_err(), "another key");
        let mut tampered = first.clone();
        tampered.packed = bundle(2, &key, "codes/khac.toml", &code.replace("them", "khac")).packed;
        assert!(shelf.take(&tampered, known).is_err(), "other files than were signed");
        assert_eq!(shelf.seen(known), (0, None));
        assert!(matches!(shelf.take(&first, known).unwrap(), Taken::New(Published { number: 2, .. })));
        assert!(in_force(dir.path(), None).unwrap().code_list("them").is_some());
        assert_eq!(shelf.take(&first, known).unwrap(), Taken::Known);
        assert_eq!(shelf.take(&bundle(1, &key, "codes/them.toml", code), known).unwrap(), Taken::Known);
        assert_eq!(shelf.kept().unwrap(), Some(first.clone()));
        // A successor of the ledger counts from the beginning, and is believed as soon as it is the one that is known.
        let (next, after) = ("hungyen.example/33/33/next", other.public_key());
        assert_eq!(shelf.seen((next, after)), (0, None));
        let again = Bundle::publish(1, &first.files().unwrap(), (next, &other)).unwrap();
        assert_eq!(shelf.take(&again, (next, after)).unwrap(), Taken::Known, "what is in force already");
        assert_eq!(shelf.seen((next, after)), (1, None));
    }

    /// A catalogue of a newer program is not asked for again and again, and the one before stays in force.
    #[test]
    fn one_that_is_not_understood_is_said_and_leaves_the_one_before() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(dir.path());
        let rule = "name = \"ha_tang_cntt\"\nlabel = { vi = \"x\", en = \"x\" }\nkey = { fields = [\"ma\"], scope = \"unit\" }\n\
            [[field]]\nname = \"ma\"\nlabel = { vi = \"x\", en = \"x\" }\ntype = \"text\"\nclass = \"C1\"\n\
            later = true\n";
        let newer = bundle(7, &key, "records/ha_tang_cntt.toml", rule);
        let taken = shelf.take(&newer, (ORIGIN, key.public_key()));
        assert!(matches!(taken, Ok(Taken::Refused(Published { number: 7, .. }, _))), "{taken:?}");
        let (number, why) = shelf.seen((ORIGIN, key.public_key()));
        assert!(number == 7 && why.is_some_and(|why| !why.is_empty()));
        assert_eq!(in_force(dir.path(), None).unwrap().digest(), Catalogue::embedded().unwrap().digest());
    }
}
