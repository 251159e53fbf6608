//! The keys of encryption at rest: where they are, how one is made, how one follows another.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lienthong_proto::disclosure::ReceiptSigner;
use lienthong_proto::hash::Signer as _;
use serde_json::json;
use zeroize::Zeroizing;

use crate::at_rest::{GivenKeys, KeyRing, KeySource, KeySourceError, MasterKey};
use crate::backup::{Identity, Recipient};
use crate::config::Config;
use crate::control::Answer;

/// Where the keys are.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyArguments {
    /// Tệp chứa khóa mã hóa kho (chmod 600); không có thì kho không mã hóa · file with the key the store is encrypted with; not encrypted without one
    #[arg(long, global = true, env = "LIENTHONG_AT_REST_KEY_FILE", value_name = "FILE")]
    pub at_rest_key_file: Option<PathBuf>,
    /// Lệnh in ra khóa đó, thay cho tệp · a command that prints it, in place of the file
    #[arg(long, global = true, env = "LIENTHONG_AT_REST_KEY_COMMAND", value_name = "COMMAND")]
    pub at_rest_key_command: Option<String>,
}

impl KeyArguments {
    /// The source these options name, or the settings file, or the service's credential. What is given goes before what
    /// is configured as a whole.
    ///
    /// # Errors
    /// [`KeySourceError::Two`] if two are named.
    pub fn source(&self, config: &Config) -> Result<KeySource, KeySourceError> {
        let given = self.at_rest_key_file.is_some() || self.at_rest_key_command.is_some();
        if given {
            return KeySource::choose(self.at_rest_key_file.clone(), self.at_rest_key_command.as_deref());
        }
        KeySource::choose(config.path(None, "at_rest_key_file"), config.text("at_rest_key_command"))
    }

    /// The keys.
    ///
    /// # Errors
    /// [`KeySourceError`] if they cannot be had.
    pub fn load(&self, config: &Config) -> Result<KeyRing, KeySourceError> {
        self.source(config)?.load()
    }
}

/// What of the keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyAction {
    /// Tạo khóa mới trong tệp mới (chmod 600) · make a new key in a new file
    New {
        /// Mục nào · which
        file: PathBuf,
    },
    /// Tạo cặp khóa cho bản sao lưu hoặc cơ quan: khóa riêng vào tệp mới (cất nơi khác), in ra người nhận và khóa ký biên nhận · make a pair for backups or an agency: the private half into a new file, to be kept elsewhere; the recipient and the signer of receipts are printed
    Pair {
        /// Mục nào · which
        file: PathBuf,
    },
    /// Đổi khóa không phải dừng: khóa đầu tiên mã hóa từ nay, phần cũ được mã hóa lại dần · change the key while it runs: the first key encrypts from now on, the rest is encrypted again in the background
    Rotate {
        /// Đổi khóa kết nối (TLS) cùng giấy chứng nhận, thay cho khóa mã hóa · change the key of the line to the province (TLS) and its certificate, not the key of encryption
        #[arg(long, conflicts_with = "wait")]
        tls: bool,
        /// Chờ tới khi xong · wait until it is done
        #[arg(long)]
        wait: bool,
    },
}

/// Makes a key in a file that is not there yet.
///
/// # Errors
/// If the file is there, or cannot be written.
pub fn new_key(file: &Path) -> anyhow::Result<Answer> {
    let line = KeyRing::generate();
    write_new(file, &line)?;
    let ring: KeyRing = line.parse()?;
    let id = ring.current().map(MasterKey::id).map(|id| id.to_string());
    Ok(Answer::done(json!({ "file": file, "key": id })))
}

/// Makes a key pair for backups, the private half in a file that is not there yet.
///
/// # Errors
/// If the file is there, or cannot be written.
pub fn new_pair(file: &Path) -> anyhow::Result<Answer> {
    let (identity, line) = Identity::generate()?;
    write_new(file, &line)?;
    let signer = ReceiptSigner(identity.receipt_key()?.public_key());
    Ok(Answer::done(json!({ "file": file, "recipient": identity.recipient(), "signer": signer })))
}

fn write_new(file: &Path, line: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let mut written = opened.with_context(|| file.display().to_string())?;
    std::io::Write::write_all(&mut written, Zeroizing::new(format!("{line}\n")).as_bytes())?;
    Ok(written.sync_all()?)
}

/// What stands for nobody where a recipient of backups is asked for: they are not encrypted then.
const PLAIN: &str = "plain";

/// The recipient of backups that is given or configured; nobody only where that is said.
///
/// # Errors
/// If none is given, or it is none.
pub fn recipient(given: Option<&str>, config: &Config) -> anyhow::Result<Option<Recipient>> {
    match config.pick(given, "backup_recipient", "") {
        plain if plain == PLAIN => Ok(None),
        none => {
            anyhow::ensure!(
                !none.is_empty(),
                "chưa cho biết mã hóa bản sao lưu cho ai: --to RECIPIENT hoặc backup_recipient (tạo bằng `key pair`), hay --to plain để không mã hóa · whom to encrypt the backup to is not said: --to RECIPIENT or backup_recipient (`key pair` makes one), or --to plain to leave it in clear"
            );
            Ok(Some(none.parse()?))
        }
    }
}

/// The private key in a file, if one is named.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn private_key(file: Option<&Path>) -> anyhow::Result<Option<Identity>> {
    file.map(|file| Identity::read(file).with_context(|| file.display().to_string())).transpose()
}

/// The keys of a source, to be handed to a running program.
///
/// # Errors
/// If there are none, or they cannot be had.
pub fn given(arguments: &KeyArguments, config: &Config) -> anyhow::Result<GivenKeys> {
    let source = arguments.source(config)?;
    anyhow::ensure!(
        source != KeySource::None,
        "chưa chỉ ra khóa: at_rest_key_file, at_rest_key_command · no key is named: at_rest_key_file, at_rest_key_command"
    );
    Ok(source.text()?)
}
