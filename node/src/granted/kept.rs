//! A delivery on this machine's disk: the lines as they came, sealed with the key that encrypts what is stored, if there
//! is one.
//!
//! Sealed: `lienthong kept 1\n` ‖ the key's name (8) ‖ salt (32) ‖ chunks, each `u32 length ‖ ciphertext`: AES-256-GCM
//! under a key derived by the salt, which no other file has; nonce the chunk's number, associated data one byte, 1 for
//! the last chunk.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use crate::at_rest::{KeyId, KeyRing, TAG_BYTES, fresh};

const FORM: &[u8] = b"lienthong kept 1\n";
const PURPOSE: &[u8] = b"lienthong at rest: delivery 1";
/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 * 1024;

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.split_at_mut(4).1.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a kept delivery is damaged")
}

/// Writes one; [`KeptWriter::finish`] must be called.
pub struct KeptWriter<W: Write> {
    out: W,
    seal: Option<LessSafeKey>,
    chunk: Vec<u8>,
    number: u64,
}

impl<W: Write> KeptWriter<W> {
    /// Begins one, sealed if there is a key.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(mut out: W, keys: &KeyRing) -> io::Result<Self> {
        let seal = match keys.current() {
            None => None,
            Some(key) => {
                let salt: [u8; 32] = fresh();
                let seal = key.derive(PURPOSE, &salt).ok_or_else(refused)?;
                out.write_all(&[FORM, &key.id().0, &salt].concat())?;
                Some(seal)
            }
        };
        Ok(Self { out, seal, chunk: Vec::new(), number: 0 })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let Some(key) = &self.seal else { return Ok(()) };
        let mut bytes = std::mem::take(&mut self.chunk);
        let aad = Aad::from([u8::from(last)]);
        key.seal_in_place_append_tag(nonce(self.number), aad, &mut bytes).map_err(|_| refused())?;
        self.number += 1;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&bytes)
    }

    /// Ends it; gives back what was written to.
    ///
    /// # Errors
    /// The operating system's.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for KeptWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.seal.is_none() {
            return self.out.write(bytes);
        }
        if self.chunk.len() >= CHUNK {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(bytes.split_at(taken).0);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads one; what it gives is as it was written, and that it is whole is known at its end.
pub struct KeptReader<R: Read> {
    input: R,
    seal: Option<LessSafeKey>,
    chunk: io::Cursor<Vec<u8>>,
    number: u64,
    ended: bool,
}

impl<R: Read> KeptReader<R> {
    /// Whether it is sealed by the key that would seal it now is said beside it.
    ///
    /// # Errors
    /// The operating system's, or [`io::ErrorKind::InvalidData`] for what is damaged or of another key.
    pub fn new(mut input: R, keys: &KeyRing) -> io::Result<(Self, bool)> {
        let mut form = vec![0; FORM.len()];
        let mut read = 0;
        while let Some(rest) = form.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match input.read(rest)? {
                0 => break,
                more => read += more,
            }
        }
        form.truncate(read);
        if form != FORM {
            let chunk = io::Cursor::new(form);
            let plain = Self { input, seal: None, chunk, number: 0, ended: false };
            return Ok((plain, keys.is_empty()));
        }
        let (mut id, mut salt) = ([0; 8], [0; 32]);
        input.read_exact(&mut id)?;
        input.read_exact(&mut salt)?;
        let key = keys.key(KeyId(id)).map_err(io::Error::other)?;
        let current = keys.current().is_some_and(|current| current.id() == KeyId(id));
        let seal = Some(key.derive(PURPOSE, &salt).ok_or_else(refused)?);
        Ok((Self { input, seal, chunk: io::Cursor::default(), number: 0, ended: false }, current))
    }

    fn next_chunk(&mut self, key: &LessSafeKey) -> io::Result<()> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        if !(TAG_BYTES..=CHUNK + TAG_BYTES).contains(&length) {
            return Err(refused());
        }
        let mut sealed = vec![0; length];
        self.input.read_exact(&mut sealed)?;
        let open = |last: u8| {
            let mut bytes = sealed.clone();
            let opened = key.open_in_place(nonce(self.number), Aad::from([last]), &mut bytes).ok()?;
            Some(opened.to_vec())
        };
        let (opened, last) = match open(0) {
            Some(opened) => (opened, false),
            None => (open(1).ok_or_else(refused)?, true),
        };
        if last && self.input.read(&mut [0])? > 0 {
            return Err(refused());
        }
        (self.chunk, self.ended) = (io::Cursor::new(opened), last);
        self.number += 1;
        Ok(())
    }
}

impl<R: Read> Read for KeptReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            match self.seal.take() {
                None => return self.input.read(out),
                Some(_) if self.ended => return Ok(0),
                Some(key) => {
                    let next = self.next_chunk(&key);
                    self.seal = Some(key);
                    next?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(line: &str) -> KeyRing {
        line.parse().unwrap()
    }

    fn kept(bytes: &[u8], keys: &KeyRing) -> Vec<u8> {
        let mut writer = KeptWriter::new(Vec::new(), keys).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8], keys: &KeyRing) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        KeptReader::new(bytes, keys)?.0.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_altered_does_not() {
        let (keys, other) = (ring(&KeyRing::generate()), ring(&KeyRing::generate()));
        for length in [0, 5, CHUNK, CHUNK + 1, 2 * CHUNK + 7] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            assert_eq!(read(&kept(&plain, &KeyRing::default()), &KeyRing::default()).unwrap(), plain);
            let sealed = kept(&plain, &keys);
            assert_eq!(read(&sealed, &keys).unwrap(), plain);
            assert!(read(&sealed, &other).is_err() && read(&sealed, &KeyRing::default()).is_err());
            for cut in [sealed.len() - 1, sealed.len() - 17] {
                assert!(read(&sealed[..cut], &keys).is_err(), "{length} {cut}");
            }
            for at in (57..sealed.len()).step_by(4_099) {
                let mut bent = sealed.clone();
                bent[at] ^= 1;
                assert!(read(&bent, &keys).is_err(), "{length} {at}");
            }
        }
        let current = |bytes: &[u8], keys: &KeyRing| KeptReader::new(bytes, keys).unwrap().1;
        assert!(!current(&kept(b"{}", &KeyRing::default()), &keys));
        assert!(current(&kept(b"{}", &keys), &keys));
    }
}
