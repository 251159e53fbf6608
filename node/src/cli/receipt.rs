//! `receipt`: an agency signs for a bundle it has received.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::disclosure::ReceiptFile;
use serde_json::json;

use super::verify::{refused, trusted};
use crate::backup::Identity;
use crate::control::Answer;
use crate::verify::verify;

/// A bundle, and by which key.
#[derive(Debug, Clone, Args)]
pub struct Receipt {
    /// Gói · the bundle
    pub bundle: PathBuf,
    /// Tệp khóa của cơ quan (`key pair`): mở gói và ký biên nhận · the agency's key file (`key pair`): it opens the bundle and signs
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Chính sách tin cậy, như ở `verify` · the trust policy, as for `verify`
    #[arg(long, value_name = "POLICY")]
    pub trust: Option<PathBuf>,
    /// Tệp biên nhận, gửi lại tỉnh và giữ cạnh gói; mặc định là tên gói thêm .receipt · the receipt's file, to be sent back and kept beside the bundle; the bundle's name with .receipt by default
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl Receipt {
    /// Signs for a bundle that holds; for any other there is no receipt.
    pub(super) fn run(&self, data: &Path) -> anyhow::Result<Answer> {
        let trust = trusted(data, self.trust.as_deref())?;
        let identity = Identity::read(&self.key).context("--key")?;
        let report = match verify(&self.bundle, Some(&identity), &trust, Catalogue::embedded()?) {
            Ok(verified) => verified.report,
            Err(error) => return Ok(refused(&error)),
        };
        let mut digest = [0; 32];
        hex::decode_to_slice(&report.digest, &mut digest)?;
        let said = (report.grant, report.access, digest);
        let receipt = ReceiptFile::sign(&report.ledger.parse()?, said, &identity.receipt_key()?);
        let out = self.out.clone().unwrap_or_else(|| beside(&self.bundle));
        keep(&out, &format!("{}\n", serde_json::to_string_pretty(&receipt)?))
            .with_context(|| out.display().to_string())?;
        Ok(Answer::done(json!({
            "file": out, "ledger": receipt.ledger, "grant": receipt.grant, "access": receipt.access,
            "digest": report.digest, "signer": receipt.signer,
        })))
    }
}

fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".receipt");
    PathBuf::from(name)
}

/// Writes a receipt where nothing is yet; the very same one may be there.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::read(path)? == text.as_bytes() => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
