//! One granted view: its deliveries on the disk, and the records they come to.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use lienthong_proto::disclosure::{LINE_BYTES_MAX, Progress, Refused, Report, Told, Trust, Verification};
use lienthong_proto::ids::UnitCode;

use super::kept::{KeptReader, KeptWriter};
use crate::at_rest::KeyRing;
use crate::verify::Tables;

/// Why a delivery is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Something in it does not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is older than what is held.
    #[error(
        "lần giao cũ hơn dữ liệu đang có: không nhận · the delivery is older than what is held: it is not taken"
    )]
    Older,
    /// It is somebody else's.
    #[error("lần giao của giấy cấp quyền hoặc cơ quan khác · the delivery is of another grant or agency")]
    Other,
    /// A notice is not signed by the ledger.
    #[error("{}", lienthong_proto::text::in_both("thông báo không đáng tin", "the notice is not to be believed", &.0.to_string()))]
    Notice(#[from] lienthong_proto::note::NoteError),
    /// The disk fails.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl Fn(io::Error) -> TakeError + '_ {
    move |source| TakeError::Io { path: path.display().to_string(), source }
}

/// A view, and where it stands.
#[derive(Debug, Default)]
pub(super) struct View {
    folder: PathBuf,
    pub(super) progress: Progress,
    pub(super) tables: Tables,
    /// What the last delivery proved.
    pub(super) report: Option<Report>,
    /// Each beginning from nothing is a generation of its own.
    generation: u32,
    pub(super) deliveries: u32,
}

/// What one file of lines comes to.
struct Checked {
    report: Report,
    progress: Progress,
    told: Vec<Told>,
}

impl View {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The view as its folder has it: every delivery is checked again, in order.
    ///
    /// # Errors
    /// [`TakeError`], naming what is damaged.
    pub(super) fn open(folder: &Path, trust: &Trust, keys: &KeyRing) -> Result<Self, TakeError> {
        let mut view = Self { folder: folder.to_owned(), ..Self::default() };
        let files = deliveries(folder)?;
        view.generation = files.last().map_or(0, |(generation, _, _)| *generation);
        for (generation, number, path) in files {
            if generation < view.generation {
                // What began anew stands: what was before it is of no use.
                fs::remove_file(&path).map_err(at(&path))?;
                continue;
            }
            if number != view.deliveries {
                let missing = io::Error::new(io::ErrorKind::NotFound, "a delivery before it is missing");
                return Err(at(&path)(missing));
            }
            let (checked, current) = view.checked(&path, trust, keys)?;
            if !current {
                kept_again(&path, keys).map_err(at(&path))?;
            }
            view.grow(checked);
        }
        Ok(view)
    }

    /// Whether all of a folder's deliveries hold, and what they come to; nothing is changed.
    ///
    /// # Errors
    /// [`TakeError`], naming what is damaged.
    pub(super) fn judge(folder: &Path, trust: &Trust, keys: &KeyRing) -> Result<Self, TakeError> {
        let mut view = Self { folder: folder.to_owned(), ..Self::default() };
        let files = deliveries(folder)?;
        let latest = files.last().map_or(0, |(generation, _, _)| *generation);
        for (_, _, path) in files.iter().filter(|(generation, _, _)| *generation == latest) {
            let (checked, _) = view.checked(path, trust, keys)?;
            view.grow(checked);
        }
        Ok(view)
    }

    fn checked(&mut self, path: &Path, trust: &Trust, keys: &KeyRing) -> Result<(Checked, bool), TakeError> {
        check(path, std::mem::take(&mut self.progress), trust, keys)
    }

    fn grow(&mut self, checked: Checked) {
        let Checked { report, progress, told } = checked;
        told.into_iter().for_each(|told| self.tables.take(told));
        (self.report, self.progress) = (Some(report), progress);
        self.deliveries += 1;
    }

    /// Takes the delivery in `spool`: it is checked, and on the disk for good, when this returns.
    ///
    /// # Errors
    /// [`TakeError`]; the view must be opened again then.
    pub(super) fn take(
        &mut self,
        spool: &Path,
        (grant, agency): (u64, &UnitCode),
        trust: &Trust,
        keys: &KeyRing,
    ) -> Result<(), TakeError> {
        let anew = begins_anew(spool, keys).map_err(at(spool))?;
        let (held, access) = (self.progress.since(), self.progress.access());
        let before = if anew { Progress::default() } else { std::mem::take(&mut self.progress) };
        let (checked, _) = check(spool, before, trust, keys)?;
        if checked.report.size < held.cut || access.is_some_and(|access| checked.report.access <= access) {
            return Err(TakeError::Older);
        }
        if checked.report.grant != grant || checked.report.terms.agency != *agency {
            return Err(TakeError::Other);
        }
        if anew && self.deliveries > 0 {
            (self.generation, self.deliveries) = (self.generation + 1, 0);
            self.tables = Tables::default();
        }
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let path = self.folder.join(format!("{:06}-{:08}.lines", self.generation, self.deliveries));
        let synced = File::open(spool).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(spool, &path)).map_err(at(&path))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(at(&self.folder))?;
        self.grow(checked);
        for (_, _, old) in deliveries(&self.folder)?.iter().filter(|(n, _, _)| *n < self.generation) {
            fs::remove_file(old).map_err(at(old))?;
        }
        Ok(())
    }
}

/// The files of a folder, in order: generation, number, where.
fn deliveries(folder: &Path) -> Result<Vec<(u32, u32, PathBuf)>, TakeError> {
    let mut found = Vec::new();
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(at(folder)(error)),
    };
    for file in listed {
        let path = file.map_err(at(folder))?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".lines"));
        let parts = name.and_then(|name| name.split_once('-'));
        if let Some((generation, number)) = parts
            && let (Ok(generation), Ok(number)) = (generation.parse(), number.parse())
        {
            found.push((generation, number, path));
        }
    }
    found.sort();
    Ok(found)
}

fn check(path: &Path, before: Progress, trust: &Trust, keys: &KeyRing) -> Result<(Checked, bool), TakeError> {
    let (reader, current) =
        File::open(path).and_then(|file| KeptReader::new(BufReader::new(file), keys)).map_err(at(path))?;
    let mut input = BufReader::new(reader);
    let (mut verification, mut told) = (Verification::going_on(trust, before), Vec::new());
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut input).take(limit).read_until(b'\n', &mut line).map_err(at(path))?;
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
        told.extend(verification.line(&text)?);
    }
    let (report, progress) = verification.conclude()?;
    Ok((Checked { report, progress, told }, current))
}

/// Whether a delivery says that it goes on from nothing.
fn begins_anew(path: &Path, keys: &KeyRing) -> io::Result<bool> {
    use lienthong_proto::disclosure::Line;
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let reader = KeptReader::new(BufReader::new(File::open(path)?), keys)?.0;
    BufReader::new(reader).take(limit).read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
    Ok(matches!(Line::parse(&text), Some(Line::Head(head)) if head.since.is_some_and(|s| s.is_nothing())))
}

/// Writes a kept file anew, by the key that seals now.
fn kept_again(path: &Path, keys: &KeyRing) -> io::Result<()> {
    let part = path.with_extension("part");
    let (mut reader, _) = KeptReader::new(BufReader::new(File::open(path)?), keys)?;
    let mut writer = KeptWriter::new(BufWriter::new(super::private(&part)?), keys)?;
    io::copy(&mut reader, &mut writer)?;
    let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
