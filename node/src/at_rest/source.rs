//! Where the keys come from.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use lienthong_proto::text::in_both;
use zeroize::Zeroizing;

use super::{GivenKeys, KeyRing, RingError};
use crate::identity::read_secret;

/// The name of the systemd credential that holds keys.
pub const CREDENTIAL: &str = "at-rest-key";
/// A command that has not given its keys by then is given up.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Keys are short; more than that is something else.
const KEYS_BYTES_MAX: u64 = 64 * 1024;

/// Where keys come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeySource {
    /// Nowhere: what is written is not sealed.
    #[default]
    None,
    /// A private file.
    File(PathBuf),
    /// What a command of the shell prints.
    Command(String),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// Two sources are named.
    #[error(
        "at_rest_key_file và at_rest_key_command: chỉ đặt một · at_rest_key_file and at_rest_key_command: set one of them"
    )]
    Two,
    /// The file cannot be read, or others may read it too.
    #[error("{}", in_both("không đọc được khóa mã hóa kho", "the store's key cannot be read", &format!("{path}: {source}")))]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The command cannot be run.
    #[error("không chạy được at_rest_key_command · at_rest_key_command cannot be run: {0}")]
    Spawn(#[source] io::Error),
    /// The command failed.
    #[error("at_rest_key_command thất bại ({0}) · at_rest_key_command failed ({0})")]
    Failed(String),
    /// The command hangs.
    #[error(
        "at_rest_key_command chưa trả khóa sau {} giây, đã bị dừng · at_rest_key_command gave no key within {} s and was stopped", .0.as_secs(), .0.as_secs()
    )]
    Hangs(Duration),
    /// What came is no key.
    #[error("{}", in_both(place, place, &source.to_string()))]
    Keys {
        /// From where.
        place: String,
        /// Why.
        source: RingError,
    },
}

impl KeySource {
    /// The file or command that is named; else the systemd credential, if this service was given one that is not empty.
    ///
    /// # Errors
    /// [`KeySourceError::Two`] if both are named.
    pub fn choose(file: Option<PathBuf>, command: Option<&str>) -> Result<Self, KeySourceError> {
        let file = file.filter(|path| !path.as_os_str().is_empty());
        match (file, command.filter(|command| !command.trim().is_empty())) {
            (Some(_), Some(_)) => Err(KeySourceError::Two),
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some(command)) => Ok(Self::Command(command.to_owned())),
            (None, None) => Ok(Self::credential()),
        }
    }

    fn credential() -> Self {
        let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else { return Self::None };
        let path = Path::new(&folder).join(CREDENTIAL);
        // Where the service has none, its unit sets an empty one. One that cannot be read is one.
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::None,
            Ok(text) if text.trim().is_empty() => Self::None,
            _ => Self::File(path),
        }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`KeySourceError`].
    pub fn load(&self) -> Result<KeyRing, KeySourceError> {
        self.load_within(COMMAND_TIMEOUT)
    }

    /// What the source says, once it is known to be keys.
    ///
    /// # Errors
    /// [`KeySourceError`].
    pub fn text(&self) -> Result<GivenKeys, KeySourceError> {
        let (place, text) = self.read(COMMAND_TIMEOUT)?;
        let given = GivenKeys::from(std::str::from_utf8(&text).unwrap_or("?").to_owned());
        given.ring().map(|_| given).map_err(|source| KeySourceError::Keys { place, source })
    }

    fn load_within(&self, timeout: Duration) -> Result<KeyRing, KeySourceError> {
        if *self == Self::None {
            return Ok(KeyRing::default());
        }
        let (place, text) = self.read(timeout)?;
        // What is not text is no key either, and none of it is told.
        let text = std::str::from_utf8(&text).unwrap_or("?");
        text.parse().map_err(|source| KeySourceError::Keys { place, source })
    }

    fn read(&self, timeout: Duration) -> Result<(String, Zeroizing<Vec<u8>>), KeySourceError> {
        Ok(match self {
            Self::None => (String::new(), Zeroizing::default()),
            Self::File(path) => (path.display().to_string(), read(path)?),
            Self::Command(command) => ("at_rest_key_command".to_owned(), ask(command, timeout)?),
        })
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeySourceError> {
    let failed = |source| KeySourceError::File { path: path.display().to_string(), source };
    if path.metadata().map_err(failed)?.len() > KEYS_BYTES_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    read_secret(path).map(Zeroizing::new).map_err(failed)
}

/// What a command prints, within a time.
fn ask(command: &str, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, KeySourceError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped());
    // A group of its own: what it has started ends with it.
    let mut child = shell.process_group(0).spawn().map_err(KeySourceError::Spawn)?;
    let (done, ended) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = Zeroizing::new(Vec::new());
            let read = output.take(KEYS_BYTES_MAX + 1).read_to_end(&mut text);
            let _ = done.send(read.map(|_| text));
        });
    }
    let Ok(read) = ended.recv_timeout(timeout) else {
        end(&mut child);
        return Err(KeySourceError::Hangs(timeout));
    };
    let text = read.map_err(KeySourceError::Spawn)?;
    if text.len() as u64 > KEYS_BYTES_MAX {
        end(&mut child);
        return Err(KeySourceError::Failed("quá dài · too long".to_owned()));
    }
    let status = child.wait().map_err(KeySourceError::Spawn)?;
    if status.success() { Ok(text) } else { Err(KeySourceError::Failed(status.to_string())) }
}

fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key_file(mode: u32, text: &str) -> (tempfile::TempDir, KeySource) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, KeySource::choose(Some(path), None).unwrap())
    }

    #[test]
    fn a_private_file_gives_its_keys_and_one_that_others_may_read_none() {
        let line = KeyRing::generate();
        let (_dir, source) = key_file(0o600, &line);
        let id = line.parse::<KeyRing>().unwrap().current().unwrap().id();
        assert_eq!(source.load().unwrap().current().unwrap().id(), id);
        let (_dir, source) = key_file(0o640, &line);
        assert!(matches!(source.load(), Err(KeySourceError::File { .. })));
        let (_dir, source) = key_file(0o600, "no key");
        assert!(matches!(source.load(), Err(KeySourceError::Keys { .. })));
        let (_dir, source) = key_file(0o600, &"a".repeat(70_000));
        assert!(matches!(source.load(), Err(KeySourceError::File { .. })));
        let missing = KeySource::File("/nowhere/key".into());
        assert!(matches!(missing.load(), Err(KeySourceError::File { .. })));
    }

    #[test]
    fn a_command_gives_its_keys_fails_or_is_stopped() {
        let command = |text: &str| KeySource::choose(None, Some(text)).unwrap();
        let line = KeyRing::generate();
        assert!(command(&format!("echo {}", line.as_str())).load().unwrap().current().is_some());
        assert!(matches!(command("exit 3").load(), Err(KeySourceError::Failed(_))));
        assert!(matches!(command("true").load(), Err(KeySourceError::Keys { .. })));
        assert!(matches!(command("yes").load(), Err(KeySourceError::Failed(_))));
        let hanging = command("cat /dev/zero | sleep 1000").load_within(Duration::from_millis(50));
        assert!(matches!(hanging, Err(KeySourceError::Hangs(_))));
    }

    #[test]
    fn one_source_at_a_time() {
        assert!(matches!(KeySource::choose(Some("/k".into()), Some("echo")), Err(KeySourceError::Two)));
        assert_eq!(KeySource::choose(Some("".into()), Some("  ")).unwrap(), KeySource::None);
    }
}
