//! One file from the folder to its place aside.
//!
//! In order: copied into the data folder and hashed · claim written and synced · taken in (its summary is an
//! event of the log) · report laid down · file moved (or removed, if nothing of it may be kept) · claim removed.
//! After a stop at any of these, [`Desk::finish_claimed`] goes on where it was: whether the file was taken in
//! stands in the log. A file that cannot be moved is remembered in place of its claim ([`Left`]), and holds up no other.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::Sequence;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};

use super::left::Left;
use super::{DONE, REJECTED, make};
use crate::app::Node;
use crate::capture::{self, Annotations, FileRefusal, ImportReport, Language};
use crate::dataset::EntryAt;
use crate::intake::Taken;
use crate::service::{Manner, known_type};

/// Who is said to have brought the rows.
const AUTHOR: &str = "inbox";
/// Where the hashes of files that were taken in are kept.
const KNOWN: &str = "known.jsonl";
/// Where the files are kept that could not be moved yet.
const LEFT: &str = "left.json";
/// Names of one stamp that are tried.
const NAMES_MAX: u32 = 1_000;
/// Bytes of a file's name that its name aside begins with: what is put around it must fit as well.
const NAME_BYTES_MAX: usize = 180;

/// A file being worked on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    /// Where it lies in the folder.
    path: PathBuf,
    /// SHA-256, hexadecimal; empty if it is too large to be read.
    sha256: String,
    /// Its copy in the work folder; itself, if it is too large to be read.
    copy: PathBuf,
    /// How it was when it was copied.
    size: u64,
    modified: Option<SystemTime>,
    /// The log's size before anything of it was taken in.
    log_size: u64,
    /// When.
    at: UnixMillis,
}

/// A file that was taken in to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Known {
    sha256: String,
    #[serde(rename = "type")]
    record_type: String,
}

/// What a file came to.
struct Outcome {
    taken: bool,
    /// The file holds what may not be kept.
    forbidden: bool,
    annotations: Annotations,
    record_type: Option<String>,
}

/// Works on the files of one folder.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) folder: PathBuf,
    work: PathBuf,
    known: BTreeSet<Known>,
    left: Vec<Left>,
}

impl Desk {
    pub(super) fn open(folder: &Path, data: &Path) -> io::Result<Self> {
        let work = data.join("inbox.work");
        std::fs::create_dir_all(&work)?;
        let text = match std::fs::read_to_string(work.join(KNOWN)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // A line cut short by a power cut is a file that is looked at once more: it changes nothing then.
        let known = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        // The same of one that is not read: its bytes are known.
        let left = std::fs::read(work.join(LEFT)).ok();
        let left = left.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Ok(Self { folder: folder.to_owned(), work, known, left })
    }

    fn claim_path(&self) -> PathBuf {
        self.work.join("claim.json")
    }

    /// Whether a file was begun and not finished.
    pub(super) fn is_claimed(&self) -> bool {
        self.claim_path().exists()
    }

    /// Removes what a stop before a claim left: a copy may hold what must not be kept.
    fn sweep(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.work)? {
            let entry = entry?;
            if entry.file_name() != KNOWN && entry.file_name() != LEFT {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Finishes the file a stop or a fault interrupted.
    pub(super) fn finish_claimed(&mut self, node: &Node) -> io::Result<()> {
        let claim: Claim = match std::fs::read(self.claim_path()) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(claim) => claim,
                // It was not whole: then nothing was taken in yet.
                Err(_) => return std::fs::remove_file(self.claim_path()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.sweep(),
            Err(error) => return Err(error),
        };
        let logged = logged_import(node, &claim)?;
        self.work_on(node, &claim, logged).map(drop)
    }

    /// Takes a file in and moves it aside; whether anything was taken in.
    pub(super) fn take(&mut self, node: &Node, path: &Path) -> io::Result<bool> {
        if node.is_regressed() || node.replica.failure().is_some() {
            return Err(io::Error::other("this node takes no writes now"));
        }
        let ending = path.extension().map_or_else(String::new, |end| format!(".{}", end.to_string_lossy()));
        let before = std::fs::metadata(path)?;
        // One that is too large is refused by its size alone, where it lies.
        let readable = before.len() <= capture::FILE_MAX;
        let copy = if readable { self.work.join(format!("file{ending}")) } else { path.to_owned() };
        if readable {
            std::fs::copy(path, &copy)?;
        }
        let after = std::fs::metadata(path)?;
        if before.len() != after.len() || before.modified().ok() != after.modified().ok() {
            return Err(io::Error::other("the file changed while it was copied"));
        }
        let sha256 = match readable.then(|| capture::hash(&copy)) {
            Some(hash) => hash.map(hex::encode).map_err(io::Error::other)?,
            None => String::new(),
        };
        let claim = Claim {
            path: path.to_owned(),
            sha256,
            copy,
            size: after.len(),
            modified: after.modified().ok(),
            log_size: node.replica.head().borrow().size,
            at: node.now(),
        };
        write_synced(&self.claim_path(), &serde_json::to_vec(&claim)?)?;
        self.work_on(node, &claim, false)
    }

    /// Everything after the claim. What was logged already is only previewed, for its report.
    fn work_on(&mut self, node: &Node, claim: &Claim, logged: bool) -> io::Result<bool> {
        if !claim.copy.exists() || !claim.path.exists() {
            // A share that is away tells nothing of the file: it is waited for, so that the report is laid down.
            std::fs::read_dir(&self.folder)?;
            // It was moved aside already, or taken away by someone.
            return self.forget(claim).map(|()| true);
        }
        let mut outcome = self.outcome(node, claim, logged)?;
        // Also a file of which nothing was taken in, for its shape or its type, may have such a column.
        outcome.forbidden = outcome.forbidden
            || capture::open(&claim.copy)
                .is_ok_and(|source| capture::forbidden(&source, node.replica.catalogue()));
        if outcome.forbidden {
            outcome.annotations.note_text(
                "Tệp không được giữ lại vì có cột hoặc dòng không được lưu trong hệ thống; chỉ giữ báo cáo này"
                    .to_owned(),
            );
        }
        let folder = self.folder.join(if outcome.taken { DONE } else { REJECTED });
        make(&folder)?;
        let (aside, report) = names(&folder, claim)?;
        self.report(node, claim, &outcome, &report)?;
        self.clear(Left {
            path: claim.path.clone(),
            size: claim.size,
            modified: claim.modified,
            aside: (!outcome.forbidden).then_some(aside),
        })?;
        self.forget(claim)?;
        Ok(outcome.taken)
    }

    /// Moves a file that is done with out of the folder, or remembers that it could not be moved.
    fn clear(&mut self, done: Left) -> io::Result<()> {
        let before = self.left.len();
        self.left.retain(|left| left.path != done.path);
        let mut changed = self.left.len() != before;
        if let Err(error) = done.clear() {
            tracing::warn!(%error, "a file of the inbox is done with and cannot be moved; it is tried again");
            self.left.push(done);
            changed = true;
        }
        if changed { self.keep_left() } else { Ok(()) }
    }

    fn keep_left(&self) -> io::Result<()> {
        write_synced(&self.work.join(LEFT), &serde_json::to_vec(&self.left)?)
    }

    /// Tries once more to move what is done with; why that fails, if it does.
    ///
    /// # Errors
    /// The operating system's, if what is left cannot be written down.
    pub(super) fn clear_left(&mut self) -> io::Result<Option<io::Error>> {
        let before = self.left.len();
        let mut refused = None;
        self.left.retain(|left| match left.clear() {
            Ok(()) => false,
            Err(error) => {
                refused = Some(error);
                true
            }
        });
        if self.left.len() < before {
            self.keep_left()?;
        }
        Ok(refused)
    }

    /// Whether a file is done with, and only could not be moved.
    pub(super) fn is_left(&self, path: &Path) -> bool {
        self.left.iter().any(|left| left.path == path)
    }

    fn outcome(&mut self, node: &Node, claim: &Claim, logged: bool) -> io::Result<Outcome> {
        let said = |message: String| {
            let mut annotations = Annotations::default();
            annotations.note_text(message);
            Outcome { taken: false, forbidden: false, annotations, record_type: None }
        };
        let record_type = match self.record_type(node, claim) {
            Ok(record_type) => record_type,
            Err(reason) => return Ok(said(reason)),
        };
        let known = Known { sha256: claim.sha256.clone(), record_type: record_type.clone() };
        if !logged && self.known.contains(&known) {
            let vi = "Tệp này đã được nhập trước đây; không có gì thay đổi";
            let en = "this very file was taken in before; nothing was changed";
            let outcome = said(format!("{vi} · {en}"));
            return Ok(Outcome { taken: true, record_type: Some(record_type), ..outcome });
        }
        let Some(declared) = node.replica.catalogue().record_type(&record_type) else {
            return Ok(said(record_type));
        };
        let mut annotations = Annotations::default();
        let mut forbidden = false;
        let manner = Manner { dry_run: logged, rows: true, author: AUTHOR.to_owned(), english: false };
        let taken: Taken = node
            .with_records(&|_| {}, |service| {
                let mut hear = |rows: &[capture::RowOutcome], _| {
                    forbidden |= rows.iter().any(|row| row.withheld);
                    rows.iter().for_each(|row| annotations.note(row));
                };
                service.taken(&manner, &mut hear, |intake| intake.file(&claim.copy, declared))
            })
            .map_err(io::Error::other)?;
        if let Some(failure) = &taken.failure {
            return Err(io::Error::other(failure.to_string()));
        }
        annotations.note_report(&taken.report);
        forbidden |= taken.summary.as_ref().is_some_and(|summary| summary.omitted);
        let ImportReport { rows, rejected, .. } = taken.report;
        let any = taken.summary.is_some() && (rows == 0 || rejected < rows);
        // One of which nothing was taken is looked at anew: what was wrong may be mended in the catalogue.
        if any {
            self.remember(known)?;
        }
        Ok(Outcome { taken: any, forbidden, annotations, record_type: Some(record_type) })
    }

    /// The type the file's folder names, or the one its headers fit.
    fn record_type(&self, node: &Node, claim: &Claim) -> Result<String, String> {
        let catalogue = node.replica.catalogue();
        let inner = claim.path.parent().filter(|parent| *parent != self.folder).and_then(Path::file_name);
        if let Some(name) = inner {
            let name = name.to_string_lossy().into_owned();
            let refusal = |answer: crate::control::Answer| {
                answer.body.get("error").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            };
            return known_type(catalogue, &name).map(|_| name.clone()).map_err(refusal);
        }
        let refused = |refusal: FileRefusal| Language::Vi.pick(refusal.message());
        let source = capture::open(&claim.copy).map_err(refused)?;
        let fitting = capture::fitting(&source, catalogue).map_err(refused)?;
        match fitting.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err("Không nhận ra loại bản ghi: tệp không có đủ cột khóa của loại nào; đặt tệp vào thư mục con mang tên loại".to_owned()),
            several => Err(format!(
                "Tệp có thể thuộc nhiều loại: {}; đặt tệp vào thư mục con mang tên loại",
                several.join(", ")
            )),
        }
    }

    fn report(&self, node: &Node, claim: &Claim, outcome: &Outcome, report: &Path) -> io::Result<()> {
        let declared =
            outcome.record_type.as_deref().and_then(|name| node.replica.catalogue().record_type(name));
        // Made here first: the folder may be a share that goes away midway.
        let made = self.work.join("report.xlsx");
        let whole = declared.is_some_and(|declared| {
            capture::annotate(&claim.copy, declared, &outcome.annotations, &made, Language::Vi).is_ok()
        });
        if !whole {
            capture::annotate_file(&outcome.annotations, &made, Language::Vi).map_err(io::Error::other)?;
        }
        let part = report.with_extension("part");
        std::fs::copy(&made, &part)?;
        std::fs::rename(&part, report)?;
        std::fs::remove_file(&made)
    }

    fn remember(&mut self, known: Known) -> io::Result<()> {
        if self.known.contains(&known) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&known)?;
        line.push(b'\n');
        let mut file = File::options().create(true).append(true).open(self.work.join(KNOWN))?;
        file.write_all(&line)?;
        file.sync_data()?;
        self.known.insert(known);
        Ok(())
    }

    fn forget(&self, claim: &Claim) -> io::Result<()> {
        if claim.copy != claim.path
            && let Err(error) = std::fs::remove_file(&claim.copy)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        std::fs::remove_file(self.claim_path())
    }
}

/// Names that are free: of the file, and of its report.
fn names(folder: &Path, claim: &Claim) -> io::Result<(PathBuf, PathBuf)> {
    let name = claim.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = shortened(&name);
    let stamp: String =
        claim.at.rfc3339().chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
    for number in 0..NAMES_MAX {
        let again = if number == 0 { String::new() } else { format!("-{number}") };
        let aside = folder.join(format!("{stamp}{again} {name}"));
        if !aside.exists() {
            return Ok((aside, folder.join(format!("{stamp}{again} {name}.bao-cao.xlsx"))));
        }
    }
    Err(io::Error::other("too many files of one name"))
}

/// A file's name, cut before its ending where it is long.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 5 => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let room = NAME_BYTES_MAX - ending.len();
    let kept: String = stem
        .char_indices()
        .take_while(|(at, letter)| at + letter.len_utf8() <= room)
        .map(|(_, letter)| letter)
        .collect();
    kept + &ending
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Whether the log says that the claimed file was taken in.
fn logged_import(node: &Node, claim: &Claim) -> io::Result<bool> {
    let entries = node.replica.dataset().entries();
    for frame in entries.log().clone().scan(Sequence(claim.log_size)) {
        let (position, _) = frame.map_err(io::Error::other)?;
        for index in 0..entries.count(position).map_err(io::Error::other)? {
            let bytes = entries.entry(EntryAt { frame: position, index }).map_err(io::Error::other)?;
            let Ok(event) = Entry::decode(&bytes).and_then(|entry| Event::of(&entry)) else { continue };
            if event.kind == "import"
                && event.fields.get("sha256") == Some(&Value::Text(claim.sha256.clone()))
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_name_keeps_its_ending_and_whole_letters() {
        assert_eq!(shortened("Danh sách.xlsx"), "Danh sách.xlsx");
        let short = shortened(&format!("{}.xlsx", "ế".repeat(80)));
        assert_eq!(short, format!("{}.xlsx", "ế".repeat(58)));
        assert_eq!(shortened(&"a".repeat(255)).len(), super::NAME_BYTES_MAX);
    }
}
