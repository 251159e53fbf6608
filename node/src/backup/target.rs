//! The folder a backup is written to and read from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::Serialize;

use super::error::io;
use super::recipient::{decrypt, encrypt};
use super::{
    BackupError, FileEntry, Identity, Manifest, Piece, Recipient, SealedEntry, SignedManifest, Source,
};
use crate::lock::DataLock;

const MANIFEST: &str = "manifest";
const OBJECTS: &str = "objects";
const PART: &str = "part";
/// Copied at once.
const CHUNK: usize = 256 * 1024;

/// What making a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where.
    pub backup: PathBuf,
    /// Entries of the log.
    pub size: u64,
    /// Their root, hex.
    pub root: String,
    /// Files in it.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes copied now; the rest was there.
    pub copied: u64,
    /// What whoever keeps it should know, as `vi · en`: that it is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<&'static str>,
}

const PLAIN: &str = "bản sao lưu không mã hóa: ai có đĩa này cũng đọc được mọi bản ghi chưa mã hóa ở kho; hãy đặt --to NGƯỜI_NHẬN (`key pair`) · the backup is not encrypted: whoever has this disk can read every record that the store has in clear; give --to RECIPIENT (`key pair`)";

/// A folder with a backup, or for one.
#[derive(Debug, Clone)]
pub struct Target {
    dir: PathBuf,
    recipient: Option<Recipient>,
    identity: Option<Identity>,
}

impl Target {
    /// The folder.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), recipient: None, identity: None }
    }

    /// What is written is encrypted to somebody, if one is named.
    #[must_use]
    pub fn encrypted_to(self, recipient: Option<Recipient>) -> Self {
        Self { recipient, ..self }
    }

    /// What is encrypted is decrypted by this private key, if one is given.
    #[must_use]
    pub fn opened_by(self, identity: Option<Identity>) -> Self {
        Self { identity, ..self }
    }

    fn object(&self, sha256: &str) -> PathBuf {
        self.dir.join(OBJECTS).join(sha256)
    }

    /// Where the manifest stands.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.dir.join(MANIFEST)
    }

    /// Reads the manifest; its signature is for the caller to believe.
    ///
    /// # Errors
    /// [`BackupError::Incomplete`] if there is none, [`BackupError::Manifest`] if it was altered.
    pub fn manifest(&self) -> Result<SignedManifest, BackupError> {
        let path = self.manifest_path();
        match std::fs::read(&path) {
            Ok(bytes) => SignedManifest::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BackupError::Incomplete(self.dir.display().to_string()))
            }
            Err(error) => Err(io(&path)(error)),
        }
    }

    /// Copies `pieces`, verifies what was written, then puts the manifest over it that `seal` makes of the files.
    /// Objects nothing names any more go last.
    ///
    /// # Errors
    /// [`BackupError`]; a backup that was there before is still whole then.
    pub fn write(
        &self,
        data: &Path,
        origin: &str,
        pieces: &[Piece],
        seal: impl FnOnce(Vec<FileEntry>) -> Result<(Manifest, Vec<u8>), BackupError>,
    ) -> Result<Report, BackupError> {
        let objects = self.dir.join(OBJECTS);
        self.fit(data)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&objects).map_err(io(&objects))?;
        let _lock = DataLock::take(&self.dir, "lienthong backup")?;
        let before = match self.manifest() {
            Ok(read) if read.manifest.origin == origin => Some(read.manifest),
            Ok(read) => {
                let (path, expected) = (self.dir.display().to_string(), origin.to_owned());
                return Err(BackupError::Other { path, found: read.manifest.origin, expected });
            }
            // One that is damaged is made anew: whatever of it is whole is found by its hash.
            Err(BackupError::Incomplete(_) | BackupError::Manifest(_)) => None,
            Err(error) => return Err(error),
        };
        let known: BTreeMap<&str, &FileEntry> =
            before.iter().flat_map(|before| &before.files).map(|file| (file.path.as_str(), file)).collect();
        let (mut files, mut written, mut copied) = (Vec::with_capacity(pieces.len()), Vec::new(), 0);
        for piece in pieces {
            let (file, fresh) = self.take(piece, known.get(piece.path.as_str()).copied())?;
            if let Some(bytes) = fresh {
                copied += bytes;
                written.push(file.clone());
            }
            files.push(file);
        }
        File::open(&objects).and_then(|dir| dir.sync_all()).map_err(io(&objects))?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        // What was written is read back; what was there was, when it was found.
        let damaged = self.damaged(&written);
        if !damaged.is_empty() {
            return Err(BackupError::Damaged(damaged));
        }
        let (manifest, bytes) = seal(files)?;
        let path = self.manifest_path();
        crate::identity::write_private(&path, &bytes).map_err(io(&path))?;
        self.forget(&manifest)?;
        Ok(Report {
            backup: self.dir.clone(),
            size: manifest.size,
            root: manifest.root.clone(),
            files: manifest.files.len(),
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            copied,
            warning: self.recipient.is_none().then_some(PLAIN),
        })
    }

    /// Nothing else may be there, and it must not be copied into itself.
    fn fit(&self, data: &Path) -> Result<(), BackupError> {
        let absolute = |path: &Path| {
            path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
        };
        if absolute(&self.dir).starts_with(absolute(data)) {
            return Err(BackupError::Inside(self.dir.display().to_string()));
        }
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Ok(()) };
        let ours = |name: &str| [MANIFEST, OBJECTS, "lock", "manifest.new"].contains(&name);
        if entries.flatten().any(|entry| !entry.file_name().to_str().is_some_and(ours)) {
            return Err(BackupError::Foreign(self.dir.display().to_string()));
        }
        Ok(())
    }

    /// Has a piece among the objects; also how many bytes were copied for that, if it was.
    fn take(
        &self,
        piece: &Piece,
        before: Option<&FileEntry>,
    ) -> Result<(FileEntry, Option<u64>), BackupError> {
        match &piece.source {
            Source::Bytes(bytes) => {
                let entry = self.copy(piece, &mut &bytes[..], None)?;
                let copied = entry.bytes;
                Ok((entry, Some(copied)))
            }
            Source::File { path, bytes } => {
                let file = File::open(path).map_err(io(path))?;
                let metadata = file.metadata().map_err(io(path))?;
                let modified = modified(&metadata);
                let length = bytes.unwrap_or(metadata.len());
                // Untouched since the last backup, and still whole in it: one that has rotted is copied again.
                let same = before.filter(|before| {
                    before.bytes == length
                        && metadata.len() == length
                        && before.modified == Some(modified)
                        && before.sealed.as_ref().map(|sealed| sealed.to) == self.recipient
                        && self
                            .object(before.object())
                            .metadata()
                            .is_ok_and(|it| it.len() == before.object_bytes())
                        && sum(&self.object(before.object())).is_ok_and(|sum| sum == before.object())
                });
                if let Some(before) = same {
                    return Ok((before.clone(), None));
                }
                let entry = self.copy(piece, &mut file.take(length), Some(modified))?;
                if entry.bytes != length {
                    let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(io(path)(short));
                }
                Ok((entry, Some(length)))
            }
        }
    }

    fn copy(
        &self,
        piece: &Piece,
        input: &mut dyn io::Read,
        modified: Option<u64>,
    ) -> Result<FileEntry, BackupError> {
        let part = self.object(PART);
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(true).write(true).mode(0o600).open(&part).map_err(io(&part))?;
        let copied = match self.recipient {
            None => stream(input, &mut file).map(|copied| (copied, None)),
            Some(to) => stream_encrypted(to, input, &mut file).map(|(copied, sealed)| (copied, Some(sealed))),
        };
        let copied = copied.and_then(|copied| file.sync_all().map(|()| copied));
        let ((sha256, bytes), sealed) = copied.map_err(|error| {
            // The room is wanted by others now.
            let _ = std::fs::remove_file(&part);
            io(&self.object(&piece.path))(error)
        })?;
        let entry = FileEntry { path: piece.path.clone(), bytes, sha256, modified, sealed };
        let object = self.object(entry.object());
        std::fs::rename(&part, &object).map_err(io(&object))?;
        Ok(entry)
    }

    /// The files whose objects are missing or other than they were, by name.
    #[must_use]
    pub fn damaged(&self, files: &[FileEntry]) -> Vec<String> {
        let judge = |file: &FileEntry| {
            if !safe(&file.path) || !is_sum(file.object()) {
                return Some(format!("{}: not a place for a file", file.path));
            }
            let name = file.object();
            match sum(&self.object(name)) {
                Ok(found) if found == name => None,
                Ok(_) => Some(format!("{} ({OBJECTS}/{name}): not the bytes that were copied", file.path)),
                Err(error) => Some(format!("{} ({OBJECTS}/{name}): {error}", file.path)),
            }
        };
        files.iter().filter_map(judge).collect()
    }

    /// Lays the files chosen out below `data`, readable by the owner only; nothing that is there is overwritten.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn lay_out(
        &self,
        files: &[FileEntry],
        data: &Path,
        place: impl Fn(&str) -> Option<String>,
    ) -> Result<(), BackupError> {
        for file in files {
            let Some(place) = place(&file.path).filter(|place| safe(place)) else { continue };
            let path = data.join(place);
            if let Some(dir) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
            }
            let mut options = OpenOptions::new();
            let mut output =
                options.create_new(true).write(true).mode(0o600).open(&path).map_err(io(&path))?;
            let sha256 = self.read(file, &mut output)?;
            output.sync_all().map_err(io(&path))?;
            if sha256 != file.sha256 {
                return Err(BackupError::Damaged(vec![file.path.clone()]));
            }
        }
        Ok(())
    }

    /// The bytes of one small file.
    ///
    /// # Errors
    /// [`BackupError`] if it is not in the backup, or damaged.
    pub fn bytes(&self, manifest: &Manifest, path: &str) -> Result<Vec<u8>, BackupError> {
        let missing = || BackupError::Damaged(vec![format!("{path}: not in the backup")]);
        let file = manifest.file(path).filter(|file| is_sum(file.object())).ok_or_else(missing)?;
        let mut bytes = Vec::new();
        if self.read(file, &mut bytes)? != file.sha256 {
            return Err(BackupError::Damaged(vec![path.to_owned()]));
        }
        Ok(bytes)
    }

    /// Writes a file's bytes as they were, decrypted if need be; returns their SHA-256.
    fn read(&self, file: &FileEntry, output: &mut dyn io::Write) -> Result<String, BackupError> {
        let object = self.object(file.object());
        let mut input = File::open(&object).map_err(io(&object))?;
        let Some(needed) = file.sealed.as_ref().map(|sealed| sealed.to) else {
            return stream(&mut input, output).map(|(sum, _)| sum).map_err(io(&object));
        };
        let given = self.identity.as_ref().map(Identity::recipient);
        let identity = self.identity.as_ref().filter(|_| given == Some(needed));
        let identity = identity.ok_or(BackupError::Encrypted { needed, given })?;
        let mut summed = Summed::new(output);
        decrypt(identity, &mut io::BufReader::new(input), &mut summed).map_err(io(&object))?;
        Ok(summed.finish().0)
    }

    fn forget(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let objects = self.dir.join(OBJECTS);
        let named: BTreeSet<&str> = manifest.files.iter().map(FileEntry::object).collect();
        for entry in std::fs::read_dir(&objects).map_err(io(&objects))?.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| named.contains(name)) {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path()))?;
            }
        }
        Ok(())
    }
}

/// A place below the data folder, and nowhere else.
fn safe(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

fn modified(metadata: &std::fs::Metadata) -> u64 {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(metadata.mtime_nsec()).unwrap_or(0))
}

fn sum(path: &Path) -> io::Result<String> {
    stream(&mut File::open(path)?, &mut io::sink()).map(|(sum, _)| sum)
}

/// Writes, and sums up what it writes.
struct Summed<W> {
    output: W,
    sum: digest::Context,
    bytes: u64,
}

impl<W> Summed<W> {
    fn new(output: W) -> Self {
        Self { output, sum: digest::Context::new(&digest::SHA256), bytes: 0 }
    }

    fn finish(self) -> (String, u64) {
        (hex::encode(self.sum.finish().as_ref()), self.bytes)
    }
}

impl<W: io::Write> io::Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write_all(bytes)?;
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Reads, and sums up what it reads.
struct Summing<'a> {
    input: &'a mut dyn io::Read,
    sum: Summed<io::Sink>,
}

impl io::Read for Summing<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        io::Write::write(&mut self.sum, bytes.get(..read).unwrap_or_default())
    }
}

/// Copies encrypted: the plain sum and length, and what the object is.
fn stream_encrypted(
    to: Recipient,
    input: &mut dyn io::Read,
    output: &mut dyn io::Write,
) -> io::Result<((String, u64), SealedEntry)> {
    let mut summing = Summing { input, sum: Summed::new(io::sink()) };
    let mut summed = Summed::new(output);
    encrypt(&to, &mut summing, &mut summed)?;
    let (sha256, bytes) = summed.finish();
    Ok((summing.sum.finish(), SealedEntry { to, bytes, sha256 }))
}

fn stream(input: &mut dyn io::Read, output: &mut dyn io::Write) -> io::Result<(String, u64)> {
    let mut sum = digest::Context::new(&digest::SHA256);
    let (mut chunk, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        let read = input.read(&mut chunk)?;
        let Some(some) = chunk.get(..read).filter(|some| !some.is_empty()) else {
            return Ok((hex::encode(sum.finish().as_ref()), bytes));
        };
        sum.update(some);
        output.write_all(some)?;
        bytes += read as u64;
    }
}
