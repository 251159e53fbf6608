//! Cosignatures (C2SP tlog-cosignature, v1): someone else's dated signature over a checkpoint.

use crate::checkpoint::Checkpoint;
use crate::hash::Signer;
use crate::note::{Algorithm, Note, NoteError, Signature, Verifier};

/// What a cosigner signs.
pub(crate) fn message(body: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{body}")
}

/// Cosigns a checkpoint at `time_seconds` (Unix) as `name`: the signature line, without its newline.
///
/// # Errors
/// [`NoteError::Key`] if the name cannot be a key's.
pub fn cosign(
    checkpoint: &Checkpoint,
    time_seconds: u64,
    name: &str,
    signer: &dyn Signer,
) -> Result<String, NoteError> {
    let id = Verifier::new(name, Algorithm::Cosignature, signer.public_key())?.id();
    let signature = signer.sign(message(&checkpoint.body(), time_seconds).as_bytes());
    let bytes = [time_seconds.to_be_bytes().as_slice(), &signature].concat();
    Ok(Signature { name: name.to_owned(), id, bytes }.to_string())
}

/// The time of a cosignature line that holds over the checkpoint.
///
/// # Errors
/// [`NoteError`] if the line is malformed, another key's, or does not hold.
pub fn verify_cosignature(
    line: &str,
    checkpoint: &Checkpoint,
    key: [u8; 32],
    name: &str,
) -> Result<u64, NoteError> {
    let mut note = Note::new(&checkpoint.body())?;
    note.add(Signature::parse(line)?)?;
    let known = [Verifier::new(name, Algorithm::Cosignature, key)?];
    let verified = note.verify(&known)?;
    verified.first().map(|verified| verified.time).ok_or(NoteError::Unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    #[test]
    fn holds_for_its_checkpoint_time_and_key_only() {
        let signer = SigningKey::from_seed(&[4; 32]).unwrap();
        let key = signer.public_key();
        let mut checkpoint = Checkpoint { origin: "a.vn/log".into(), size: 7, root: [9; 32], roll: None };
        let line = cosign(&checkpoint, 1_800_000_000, "hub", &signer).unwrap();
        assert_eq!(verify_cosignature(&line, &checkpoint, key, "hub"), Ok(1_800_000_000));
        assert_eq!(verify_cosignature(&line, &checkpoint, key, "bub"), Err(NoteError::Unsigned));
        let mut later = Signature::parse(&line).unwrap();
        later.bytes[7] ^= 1;
        assert!(verify_cosignature(&later.to_string(), &checkpoint, key, "hub").is_err());
        checkpoint.size = 8;
        assert!(verify_cosignature(&line, &checkpoint, key, "hub").is_err());
    }
}
