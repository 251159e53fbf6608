//! Notices of what became of something that was handed over: it was erased by an order, or is no longer as it was.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use lienthong_proto::disclosure::{CHANGES_FORM, ChangeNotice, ErasureNotice, NOTICE_FORM, Trust};
use serde::Serialize;

use super::VerifyError;
use crate::backup::Identity;
use crate::sealed::{SealedError, SealedReader};

/// Bytes of a notice.
const NOTICE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest first line of one.
const FORM_BYTES: u64 = 64;

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Notice {
    /// Something was erased.
    Erased(ErasureNotice),
    /// Records are no longer as they were.
    Changed(ChangeNotice),
}

/// Reads the notice in a file, sealed to `identity` or opened already; nothing if the file is something else.
///
/// # Errors
/// [`VerifyError`] if it does not open, or its ledger is not one to believe.
pub fn notice(
    path: &Path,
    identity: Option<&Identity>,
    trust: &Trust,
) -> Result<Option<Notice>, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let start = file.fill_buf().map_err(io)?;
    let bytes = if form_of(start).is_some() {
        begun(file).map_err(io)?
    } else if start.first() == Some(&b'{') {
        None
    } else {
        let Some(identity) = identity else { return Ok(None) };
        let opened = begun(SealedReader::new(file, identity)?);
        opened.map_err(|error| match error.downcast::<SealedError>() {
            Ok(sealed) => sealed.into(),
            Err(source) => io(source),
        })?
    };
    let Some(bytes) = bytes else { return Ok(None) };
    let key = |origin: &str| trust.log(origin).map(|log| *log.key());
    let read = if form_of(&bytes) == Some(CHANGES_FORM) {
        ChangeNotice::verify(&bytes, key).map(Notice::Changed)
    } else {
        ErasureNotice::verify(&bytes, key).map(Notice::Erased)
    };
    Ok(Some(read.map_err(VerifyError::Notice)?))
}

fn form_of(bytes: &[u8]) -> Option<&'static str> {
    [NOTICE_FORM, CHANGES_FORM].into_iter().find(|form| bytes.starts_with(form.as_bytes()))
}

/// All of it, if it begins as a notice does.
fn begun(input: impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut input = input.take(NOTICE_BYTES_MAX);
    let mut bytes = Vec::new();
    (&mut input).take(FORM_BYTES).read_to_end(&mut bytes)?;
    if form_of(&bytes).is_none() {
        return Ok(None);
    }
    input.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
