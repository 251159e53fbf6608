//! Files sealed to a recipient: HPKE (RFC 9180; X25519, HKDF-SHA256, AES-256-GCM) in chunks (PROTOCOL.md, "Bundles").

use std::io::{self, BufRead, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkeOpener, HpkeSealer};

use crate::backup::{Identity, Recipient};

/// The first line of a sealed file.
const FORM: &str = "lienthong sealed 1";
/// What the key schedule is bound to.
const INFO: &[u8] = b"lienthong sealed 1";
/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 * 1024;
/// What sealing adds to a chunk.
const TAG: usize = 16;
/// The longest line of the head.
const HEAD_LINE_MAX: u64 = 200;

/// Why a file is not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The disk fails.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not a sealed file.
    #[error("tệp không phải gói đã niêm phong · the file is no sealed bundle")]
    Form,
    /// Sealed to somebody else.
    #[error(
        "gói được niêm phong cho khóa {0}, không phải khóa này · the bundle is sealed to the key {0}, not to this one"
    )]
    Recipient(Recipient),
    /// A chunk does not open.
    #[error("khối {0} của gói bị hỏng hoặc bị sửa · chunk {0} of the bundle is damaged or altered")]
    Chunk(u64),
    /// The file ends too early.
    #[error("gói bị cắt cụt sau khối {0} · the bundle is cut off after chunk {0}")]
    Cut(u64),
    /// The library refuses.
    #[error("the cryptographic library refuses: {0}")]
    Library(#[from] rustls::Error),
}

/// Seals what is written; [`SealedWriter::finish`] must be called.
pub struct SealedWriter<W: Write> {
    out: W,
    sealer: Box<dyn HpkeSealer>,
    chunk: Vec<u8>,
}

impl<W: Write> SealedWriter<W> {
    /// Writes the head of a file for a recipient.
    ///
    /// # Errors
    /// [`SealedError`] if the disk or the library fails.
    pub fn new(mut out: W, to: Recipient) -> Result<Self, SealedError> {
        let (secret, sealer) = SUITE.setup_sealer(INFO, &to.hpke())?;
        write!(out, "{FORM}\n{to}\n{}\n", STANDARD.encode(&secret.0))?;
        Ok(Self { out, sealer, chunk: Vec::with_capacity(CHUNK) })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.sealer.seal(&[u8::from(last)], &self.chunk).map_err(io::Error::other)?;
        self.chunk.clear();
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&sealed)
    }

    /// Seals the last chunk; gives back what was written to.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(bytes.split_at(taken).0);
        Ok(taken)
    }

    /// Chunks are sealed when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a sealed file: what it gives is authentic, chunk by chunk; that it is whole is known at its end.
pub struct SealedReader<R: Read> {
    input: R,
    opener: Box<dyn HpkeOpener>,
    opened: io::Cursor<Vec<u8>>,
    chunks: u64,
    ended: bool,
}

impl<R: BufRead> SealedReader<R> {
    /// Reads the head of a file; what `identity` cannot open is refused.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn new(mut input: R, identity: &Identity) -> Result<Self, SealedError> {
        let mut line = || -> Result<String, SealedError> {
            let mut bytes = Vec::new();
            (&mut input).take(HEAD_LINE_MAX).read_until(b'\n', &mut bytes)?;
            let text = String::from_utf8(bytes).map_err(|_| SealedError::Form)?;
            text.strip_suffix('\n').map(str::to_owned).ok_or(SealedError::Form)
        };
        if line()? != FORM {
            return Err(SealedError::Form);
        }
        let to: Recipient = line()?.parse().map_err(|_| SealedError::Form)?;
        if to != identity.recipient() {
            return Err(SealedError::Recipient(to));
        }
        let secret = line()?;
        let bytes = STANDARD.decode(&secret).map_err(|_| SealedError::Form)?;
        let key = identity.hpke();
        let opener =
            SUITE.setup_opener(&EncapsulatedSecret(bytes), INFO, &key).map_err(|_| SealedError::Form)?;
        Ok(Self { input, opener, opened: io::Cursor::default(), chunks: 0, ended: false })
    }
}

impl<R: Read> SealedReader<R> {
    fn next_chunk(&mut self) -> Result<(), SealedError> {
        let mut length = [0; 4];
        let cut = |error: io::Error, at| match error.kind() {
            io::ErrorKind::UnexpectedEof => SealedError::Cut(at),
            _ => error.into(),
        };
        self.input.read_exact(&mut length).map_err(|error| cut(error, self.chunks))?;
        let at = self.chunks + 1;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(TAG..=CHUNK + TAG).contains(&length) {
            return Err(SealedError::Chunk(at));
        }
        let mut sealed = vec![0; length];
        self.input.read_exact(&mut sealed).map_err(|error| cut(error, self.chunks))?;
        // Only the last chunk may be short, so its form says which one it is.
        let open = |opener: &mut Box<dyn HpkeOpener>, last: u8| opener.open(&[last], &sealed);
        let (opened, last) = match open(&mut self.opener, 0) {
            Ok(opened) => (opened, false),
            Err(_) => (open(&mut self.opener, 1).map_err(|_| SealedError::Chunk(at))?, true),
        };
        if last && self.input.read(&mut [0])? > 0 {
            return Err(SealedError::Chunk(at + 1));
        }
        (self.opened, self.chunks, self.ended) = (io::Cursor::new(opened), at, last);
        Ok(())
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.opened.read(out)?;
            if read > 0 || out.is_empty() || self.ended {
                return Ok(read);
            }
            self.next_chunk().map_err(|error| match error {
                SealedError::Io(error) => error,
                other => io::Error::new(io::ErrorKind::InvalidData, other),
            })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(bytes: &[u8], to: Recipient) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), to).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn opened(bytes: &[u8], identity: &Identity) -> Result<Vec<u8>, String> {
        let mut reader = SealedReader::new(bytes, identity).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn what_is_sealed_opens_for_its_recipient_alone() {
        let (identity, other) = (Identity::generate().unwrap().0, Identity::generate().unwrap().0);
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let bytes = sealed(&plain, identity.recipient());
            assert_eq!(opened(&bytes, &identity).unwrap(), plain, "{length}");
            assert!(opened(&bytes, &other).unwrap_err().contains("không phải khóa này"));
        }
        let text = identity.recipient().to_string();
        assert_eq!(text.parse::<Recipient>().unwrap(), identity.recipient());
        assert!("x25519:AAAA".parse::<Recipient>().is_err());
    }

    #[test]
    fn any_flipped_byte_cut_or_swapped_chunk_is_refused() {
        let (identity, _) = Identity::generate().unwrap();
        let plain: Vec<u8> = (0..=255).cycle().take(2 * CHUNK + 100).collect();
        let bytes = sealed(&plain, identity.recipient());
        let step = bytes.len() / 500;
        for at in (0..bytes.len()).step_by(step).chain(0..200) {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(opened(&other, &identity).is_err(), "byte {at}");
        }
        for end in (0..bytes.len()).step_by(step) {
            assert!(opened(&bytes[..end], &identity).is_err(), "cut at {end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(opened(&longer, &identity).is_err());
        let chunk = 4 + CHUNK + TAG;
        let head = bytes.len() - 2 * chunk - (4 + 100 + TAG);
        let swapped = [
            &bytes[..head],
            &bytes[head + chunk..head + 2 * chunk],
            &bytes[head..head + chunk],
            &bytes[head + 2 * chunk..],
        ]
        .concat();
        assert_eq!(swapped.len(), bytes.len());
        assert!(opened(&swapped, &identity).unwrap_err().contains("khối 1"));
        // Without its last chunk a file looks whole but for the mark of the last.
        assert!(opened(&bytes[..head + 2 * chunk], &identity).unwrap_err().contains("cắt cụt"));
    }
}
