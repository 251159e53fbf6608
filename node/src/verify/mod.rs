//! Checks a bundle offline, and makes its records again from what it discloses: nothing is taken over as sent.

mod notice;
mod tables;
mod words;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::disclosure::{LINE_BYTES_MAX, Refused, Report, Trust, TrustError, Verification};
use serde_json::Value as Json;

pub use notice::{Notice, notice};
pub use tables::Tables;
pub use words::{Anchor, said, said_of_notice};

use crate::backup::Identity;
use crate::sealed::{SealedError, SealedReader};

/// Bytes of a policy file.
const POLICY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a bundle is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something in it does not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// It is sealed, and no key was given.
    #[error(
        "gói đã niêm phong: cần --key TỆP_KHÓA của cơ quan · the bundle is sealed: give --key with the agency's key file"
    )]
    KeyNeeded,
    /// The policy is refused.
    #[error("{}", lienthong_proto::text::in_both("chính sách tin cậy", "the trust policy", &.0.to_string()))]
    Trust(#[from] TrustError),
    /// A notice is not signed by a ledger to be believed.
    #[error("{}", lienthong_proto::text::in_both("thông báo không đáng tin", "the notice is not to be believed", &.0.to_string()))]
    Notice(lienthong_proto::note::NoteError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A bundle that holds.
#[derive(Debug)]
pub struct Verified {
    /// What it proves.
    pub report: Report,
    /// The records, as they are made again from what is disclosed, by type.
    pub records: BTreeMap<String, Vec<Json>>,
}

/// Reads a policy.
///
/// # Errors
/// [`VerifyError`] if it cannot be read or is none.
pub fn policy(path: &Path) -> Result<Trust, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut text = String::new();
    File::open(path).map_err(io)?.take(POLICY_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(Trust::parse(&text)?)
}

/// Checks the bundle in a file, sealed to `identity` or opened already.
///
/// # Errors
/// [`VerifyError`], naming what fails.
pub fn verify(
    path: &Path,
    identity: Option<&Identity>,
    trust: &Trust,
    catalogue: &Catalogue,
) -> Result<Verified, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let plain = file.fill_buf().map_err(io)?.first() == Some(&b'{');
    if plain {
        return checked(file, trust, catalogue).map_err(|error| unsealed(error, path));
    }
    let identity = identity.ok_or(VerifyError::KeyNeeded)?;
    let opened = BufReader::new(SealedReader::new(file, identity)?);
    checked(opened, trust, catalogue).map_err(|error| unsealed(error, path))
}

/// What stopped the reading: the seal, the disk, or the bundle itself.
enum Stopped {
    Io(io::Error),
    Refused(Refused),
}

fn unsealed(stopped: Stopped, path: &Path) -> VerifyError {
    match stopped {
        Stopped::Refused(refused) => refused.into(),
        Stopped::Io(error) => match error.downcast::<SealedError>() {
            Ok(sealed) => sealed.into(),
            Err(source) => VerifyError::Io { path: path.display().to_string(), source },
        },
    }
}

fn checked(mut input: impl BufRead, trust: &Trust, catalogue: &Catalogue) -> Result<Verified, Stopped> {
    let (mut verification, mut tables) = (Verification::new(trust), Tables::default());
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut input).take(limit).read_until(b'\n', &mut line).map_err(Stopped::Io)?;
        if line.is_empty() {
            break;
        }
        let whole = line.strip_suffix(b"\n");
        let text = String::from_utf8_lossy(whole.unwrap_or(&line));
        if let Some(told) = verification.line(&text).map_err(Stopped::Refused)? {
            tables.take(told);
        }
        if whole.is_none() {
            return Err(Stopped::Refused(verification.cut_off()));
        }
    }
    let report = verification.finish().map_err(Stopped::Refused)?;
    Ok(Verified { report, records: tables.records(catalogue) })
}
