//! Notices that something which was handed over has been erased by an order.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use lienthong_proto::disclosure::{ErasureNotice, NOTICE_FORM, Trust};

use super::VerifyError;
use crate::backup::Identity;
use crate::sealed::{SealedError, SealedReader};

/// Bytes of a notice.
const NOTICE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the notice in a file, sealed to `identity` or opened already; nothing if the file is something else.
///
/// # Errors
/// [`VerifyError`] if it does not open, or its ledger is not one to believe.
pub fn notice(
    path: &Path,
    identity: Option<&Identity>,
    trust: &Trust,
) -> Result<Option<ErasureNotice>, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let start = file.fill_buf().map_err(io)?;
    let bytes = if start.starts_with(NOTICE_FORM.as_bytes()) {
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
    Ok(Some(ErasureNotice::verify(&bytes, key).map_err(VerifyError::Notice)?))
}

/// All of it, if it begins as a notice does.
fn begun(input: impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut input = input.take(NOTICE_BYTES_MAX);
    let mut bytes = Vec::new();
    (&mut input).take(NOTICE_FORM.len() as u64).read_to_end(&mut bytes)?;
    if bytes != NOTICE_FORM.as_bytes() {
        return Ok(None);
    }
    input.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
