//! What hosts are made of: keys of the seed, names, the way a log, its hashes and its view are put together.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use lienthong_node::observe::{Beat, Job, JobSpec, Jobs};
use lienthong_node::replica::{Author, JournalOptions};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::succession::Ledger;
use lienthong_proto::time::UnixMillis;

use super::medium::SimDisk;
use super::random::{Random, clock, salt};
use super::view::SimView;

/// The name of whoever cosigns.
pub(super) const COSIGNER: &str = "hungyen.example/33/cosigner";

/// The built-in catalogue, read once.
static CATALOGUE: LazyLock<Option<Arc<Catalogue>>> =
    LazyLock::new(|| Catalogue::embedded().ok().map(|catalogue| Arc::new(catalogue.clone())));

/// What a node is told of its hub when it enrols.
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    /// Who signs receipts.
    pub(super) cosigner: [u8; 32],
    /// The ledger, and its key.
    pub(super) ledger: Ledger,
}

/// The catalogue everybody uses.
///
/// # Errors
/// If the built-in one is none.
pub(super) fn catalogue() -> anyhow::Result<Arc<Catalogue>> {
    CATALOGUE.clone().ok_or_else(|| anyhow::anyhow!("the built-in catalogue does not load"))
}

/// A job nobody watches.
#[must_use]
pub(super) fn job() -> Arc<Job> {
    let spec = JobSpec { name: "simulated", rhythm_seconds: 60, beat: Beat::Always, vi: "", en: "" };
    Jobs::new(clock).register(spec)
}

/// Small bounds, so that everything that happens at a bound happens often.
#[must_use]
pub(super) fn journal_options(follow: bool) -> JournalOptions {
    let frames_cached = NonZeroUsize::MIN.saturating_add(31);
    JournalOptions { frames_cached, unflushed_max: 6, follow, secret: salt }
}

/// One that keeps a log: who, and under which key.
#[derive(Clone)]
pub(super) struct Identity {
    /// What it is called in entries.
    pub(super) replica: ReplicaId,
    /// Of which unit.
    pub(super) unit: UnitCode,
    /// Its log's key.
    pub(super) key: Arc<SigningKey>,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// If a seed makes no key.
    pub(super) fn new(unit: &UnitCode, random: &mut Random) -> anyhow::Result<Self> {
        let mut replica = [0; 16];
        replica.copy_from_slice(random.bytes().split_at(16).0);
        let key = Arc::new(SigningKey::from_seed(&random.bytes())?);
        Ok(Self { replica: ReplicaId(replica), unit: unit.clone(), key })
    }

    /// The public key.
    #[must_use]
    pub(super) fn public(&self) -> [u8; 32] {
        self.key.public_key()
    }

    /// Its log's name.
    #[must_use]
    pub(super) fn origin(&self) -> String {
        format!("hungyen.example/33/{}/{}", self.unit, self.replica)
    }

    /// Its log as a ledger that others know.
    ///
    /// # Errors
    /// If its name is none.
    pub(super) fn ledger(&self) -> anyhow::Result<Ledger> {
        Ok(Ledger { origin: self.origin().parse()?, key: self.public() })
    }

    /// As the author of its log.
    #[must_use]
    pub(super) fn author(&self) -> Author {
        Author { replica: self.replica, unit: self.unit.clone(), provincial_key: Arc::from([7_u8; 32]) }
    }
}

/// What outlasts a crash: folder, disk, view, and how wrong the clock is.
pub(super) struct Machine {
    /// The log's folder.
    pub(super) dir: PathBuf,
    /// The disk under it.
    pub(super) disk: Arc<SimDisk>,
    /// The view.
    pub(super) view: Arc<SimView>,
    /// The clock less the true time, milliseconds.
    pub(super) skew: i64,
    /// The longest checkpoint of the ledger that was shown, beside what was cosigned; nobody syncs it.
    pub(super) seen: Option<String>,
}

impl Machine {
    /// A new one.
    ///
    /// # Errors
    /// If its folder cannot be made.
    pub(super) fn new(dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, disk: Arc::default(), view: Arc::default(), skew: 0, seen: None })
    }

    /// Its clock at a true time.
    #[must_use]
    pub(super) fn now(&self, true_millis: u64) -> UnixMillis {
        UnixMillis(true_millis.saturating_add_signed(self.skew))
    }

    /// The power is cut.
    ///
    /// # Errors
    /// If its folder cannot be written.
    pub(super) fn crash(&mut self, random: &mut Random) -> anyhow::Result<()> {
        self.disk.crash(&self.dir, random)?;
        self.view = Arc::new(self.view.crashed(random));
        if random.chance(300) {
            self.seen = None;
        }
        Ok(())
    }

    /// The same disk in another folder.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub(super) fn copied(&self, dir: PathBuf) -> anyhow::Result<Self> {
        crate::copy_folder(&self.dir, &dir)?;
        let (disk, view, seen) = (Arc::default(), Arc::new(self.view.image()), self.seen.clone());
        let copy = Self { dir, disk, view, skew: self.skew, seen };
        copy.disk.rebase(&copy.dir)?;
        Ok(copy)
    }

    /// One bit of one file, anywhere in the folder, turns; which file.
    ///
    /// # Errors
    /// If its folder cannot be read or written.
    pub(super) fn flip(
        &self,
        names: &dyn Fn(&str) -> bool,
        random: &mut Random,
    ) -> anyhow::Result<Option<String>> {
        let mut found: Vec<String> = std::fs::read_dir(&self.dir)?
            .flatten()
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .filter(|name| names(name))
            .collect();
        found.sort();
        let Some(name) = random.pick(&found).cloned() else { return Ok(None) };
        let path = self.dir.join(&name);
        let mut bytes = std::fs::read(&path)?;
        let at = random.place(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
        std::fs::write(&path, bytes)?;
        self.disk.rebase(&self.dir)?;
        Ok(Some(name))
    }
}

/// A place for hosts' folders: in memory, where the system has such a place.
///
/// # Errors
/// If none can be made.
pub fn folder() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    Ok(tempfile::Builder::new().prefix("lienthong-simulation-").tempdir_in(place)?)
}
