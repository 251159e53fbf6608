//! Files that appear whole or not at all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file being written beside its place. Unless it is put there it is gone again when dropped.
#[derive(Debug)]
pub struct WholeFile {
    part: PathBuf,
    out: PathBuf,
    /// What has the name is no file: a pipe or a device is written to as it is.
    stream: bool,
}

impl WholeFile {
    /// Begins a file that will be `out`; a link is followed, so that what it leads to is replaced.
    ///
    /// # Errors
    /// The operating system's, if nothing can be written there.
    pub fn begin(out: &Path) -> io::Result<(Self, File)> {
        let out = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        if std::fs::metadata(&out).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(&out)?;
            return Ok((Self { part: out.clone(), out, stream: true }, file));
        }
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let file = Self { part: name.into(), out, stream: false };
        // What a killed process of this number left.
        let _ = std::fs::remove_file(&file.part);
        let opened = File::options().write(true).create_new(true).open(&file.part)?;
        Ok((file, opened))
    }

    /// Where it is written meanwhile.
    #[must_use]
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// The folder it stands in; none if it is no file.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        Some(folder_of(&self.out)).filter(|_| !self.stream)
    }

    /// Puts what was written in its place: synced, then renamed, then the folder synced.
    ///
    /// # Errors
    /// The operating system's; the place is as it was, then.
    pub fn put(mut self) -> io::Result<()> {
        if self.stream {
            return Ok(());
        }
        File::open(&self.part)?.sync_all()?;
        std::fs::rename(&self.part, &self.out)?;
        self.stream = true;
        File::open(folder_of(&self.out))?.sync_all()
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.stream {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Makes a file through `write`, which writes to the path it is given.
///
/// # Errors
/// `write`'s, or the operating system's.
pub fn whole_file<E: From<io::Error>>(
    out: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let (file, opened) = WholeFile::begin(out)?;
    drop(opened);
    write(file.part())?;
    Ok(file.put()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.csv");
        std::fs::write(&out, "before").unwrap();
        let failed = whole_file(&out, |part| {
            std::fs::write(part, "half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "before");
        assert_eq!(names(folder.path()), ["a.csv"]);
        whole_file(&out, |part| std::fs::write(part, "after")).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "after");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn a_link_leads_to_the_file_and_a_device_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.csv"), folder.path().join("link"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        whole_file(&link, |part| std::fs::write(part, "after")).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        whole_file(Path::new("/dev/null"), |part| std::fs::write(part, "gone")).unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}
