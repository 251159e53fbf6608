//! Files on their way in: private, few, and gone after a while or with the process.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use serde_json::Value as Json;

use super::sessions::secret;

/// The folder in the data folder.
const FOLDER: &str = "page.work";
/// Files held at once.
const HELD_MAX: usize = 4;
/// How long one is held for its officer to decide.
pub(super) const HOLD: Duration = Duration::from_secs(30 * 60);
/// Endings that tell the reader of a file something; others are dropped.
const ENDINGS: [&str; 9] = ["xlsx", "xlsm", "xls", "xlsb", "ods", "csv", "txt", "jsonl", "json"];

/// What a file came to.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) record_type: String,
    /// Nothing was written.
    pub(super) dry: bool,
    /// What `import` answers, its longest lists cut.
    pub(super) body: Json,
    /// Findings that are not listed here.
    pub(super) unlisted: usize,
    /// The sheet with the added column is there.
    pub(super) report: bool,
    /// The file may not be kept, for what stands in it.
    pub(super) withheld: bool,
}

/// Where a file is on its way.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The officer is to say of which type it is, among these.
    Choosing(Vec<String>),
    /// It is being read.
    Working { dry: bool, done: u64, of: u64 },
    /// It was read.
    Done(Box<Outcome>),
}

/// A file on its way; its folder goes with it.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) id: String,
    /// Who sent it; nobody else sees it.
    pub(super) user: String,
    /// What the officer calls it.
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) report: PathBuf,
    pub(super) stage: Mutex<Stage>,
    began: UnixMillis,
    folder: PathBuf,
}

impl Upload {
    fn is_working(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Working { .. })
    }

    /// Begins to work, unless that is going on.
    pub(super) fn begin(&self, dry: bool) -> bool {
        let mut stage = self.stage.lock();
        let idle = !matches!(*stage, Stage::Working { .. });
        if idle {
            *stage = Stage::Working { dry, done: 0, of: 0 };
        }
        idle
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::error!(%error, "a file sent to the page cannot be removed from page.work");
        }
    }
}

/// The files of one data folder.
pub(super) struct Uploads {
    folder: PathBuf,
    held: Mutex<BTreeMap<String, Arc<Upload>>>,
}

impl Uploads {
    /// Makes the folder, empty.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder, held: Mutex::default() })
    }

    /// Makes a place for a file, and the file, empty; nothing if too many are being worked on.
    pub(super) fn begin(
        &self,
        user: &str,
        name: &str,
        now: UnixMillis,
    ) -> io::Result<Option<(Arc<Upload>, std::fs::File)>> {
        let mut held = self.held.lock();
        if held.len() >= HELD_MAX {
            let idle = held.values().filter(|upload| !upload.is_working());
            let Some(oldest) = idle.min_by_key(|upload| upload.began).map(|upload| upload.id.clone()) else {
                return Ok(None);
            };
            held.remove(&oldest);
        }
        let id = secret();
        let folder = self.folder.join(&id);
        DirBuilder::new().mode(0o700).create(&folder)?;
        let upload = Arc::new(Upload {
            user: user.to_owned(),
            name: shown_name(name),
            file: folder.join(format!("file{}", ending(name))),
            report: folder.join("report.xlsx"),
            stage: Mutex::new(Stage::Choosing(Vec::new())),
            began: now,
            folder,
            id: id.clone(),
        });
        let mut options = std::fs::OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600).open(&upload.file)?;
        held.insert(id, Arc::clone(&upload));
        Ok(Some((upload, file)))
    }

    /// A file of this user.
    pub(super) fn of(&self, id: &str, user: &str) -> Option<Arc<Upload>> {
        self.held.lock().get(id).filter(|upload| upload.user == user).cloned()
    }

    /// Lets go of a file: it is removed once nobody works on it.
    pub(super) fn forget(&self, id: &str) {
        self.held.lock().remove(id);
    }

    /// A place for something made here, to be removed by who asks.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join(format!("{}.xlsx", secret()))
    }
}

/// A name without a path, of bounded length.
fn shown_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn ending(name: &str) -> String {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    if ENDINGS.contains(&end.as_str()) { format!(".{end}") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn entries(dir: &Path) -> usize {
        std::fs::read_dir(dir.join(FOLDER)).unwrap().count()
    }

    #[test]
    fn files_are_private_few_and_gone_when_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(dir.path()).unwrap();
        let (upload, _) = uploads.begin("lan", "../../etc/đơn thư.XLSX", UnixMillis(1)).unwrap().unwrap();
        assert_eq!(upload.name, "đơn thư.XLSX");
        assert!(upload.file.ends_with("file.xlsx") && upload.file.starts_with(dir.path()));
        assert_eq!(std::fs::metadata(&upload.file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(uploads.of(&upload.id, "minh").is_none(), "somebody else's");
        assert!(upload.begin(true) && !upload.begin(true));
        let id = upload.id.clone();
        for number in 0..2 * HELD_MAX as u64 {
            uploads.begin("lan", "x.sh", UnixMillis(2 + number)).unwrap().unwrap();
        }
        assert!(uploads.of(&id, "lan").is_some(), "what is worked on stays");
        assert_eq!(entries(dir.path()), HELD_MAX);
        uploads.forget(&id);
        assert!(upload.file.exists(), "as long as somebody works on it");
        drop(upload);
        assert_eq!(entries(dir.path()), HELD_MAX - 1);
        drop(uploads);
        assert_eq!(entries(dir.path()), 0);
        std::fs::write(dir.path().join(FOLDER).join("left"), "by a killed process").unwrap();
        Uploads::open(dir.path()).unwrap();
        assert_eq!(entries(dir.path()), 0);
    }

    #[test]
    fn too_many_at_work_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(dir.path()).unwrap();
        for _ in 0..HELD_MAX {
            uploads.begin("lan", "x.csv", UnixMillis(1)).unwrap().unwrap().0.begin(true);
        }
        assert!(uploads.begin("lan", "x.csv", UnixMillis(1)).unwrap().is_none());
    }
}
