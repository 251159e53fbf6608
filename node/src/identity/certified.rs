//! The TLS key and its certificate: they change together, and a crash in between costs neither.
//!
//! The key of the next certificate is kept before the hub hears of it and asked for again until the hub's answer came, so
//! that a lost answer costs nothing. The profile, which holds the certificate, is what decides: behind it the key only
//! has to take its place.

use std::path::Path;

use lienthong_proto::hash::{Digest, sha256};
use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{IdentityError, read_private, spki_hash, write_private};

/// The key of the certificate in use.
pub(super) const KEY: &str = "tls.key";
/// The key of the certificate that is asked for.
const NEXT: &str = "tls.next.key";

/// A certificate and its key.
pub(super) struct Certified {
    key: Vec<u8>,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl Certified {
    /// What is kept in an identity's folder, for the chain its profile names. Where a renewal was cut off behind the
    /// profile, its key takes its place now.
    pub(super) fn load(dir: &Path, chain: Vec<CertificateDer<'static>>) -> Result<Self, IdentityError> {
        let key = read(&dir.join(KEY))?;
        let wanted = chain.first().and_then(spki_hash);
        if key_hash(&key) != wanted
            && let Ok(next) = read(&dir.join(NEXT))
            && key_hash(&next) == wanted
        {
            settle(dir)?;
            return Ok(Self { key: next, chain });
        }
        Ok(Self { key, chain })
    }

    /// SHA-256 of the public key.
    pub(super) fn key_hash(&self) -> Option<Digest> {
        self.chain.first().and_then(spki_hash)
    }

    /// Both, as TLS takes them.
    pub(super) fn pair(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), &'static str> {
        Ok((self.chain.clone(), PrivateKeyDer::try_from(self.key.clone())?))
    }

    /// With a renewed chain: of the key in use, or of the next one, whose bytes are then taken.
    pub(super) fn renewed(
        &self,
        dir: &Path,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, IdentityError> {
        let hash = chain.first().and_then(spki_hash);
        if hash.is_some() && hash == self.key_hash() {
            return Ok(Self { key: self.key.clone(), chain });
        }
        let next = read(&dir.join(NEXT))?;
        if hash.is_none() || key_hash(&next) != hash {
            return Err(malformed("a renewed certificate", "it is for another key"));
        }
        Ok(Self { key: next, chain })
    }
}

/// The key of the next certificate: the one that was asked for before, or a fresh one, kept.
pub(super) fn next_key(dir: &Path) -> Result<KeyPair, IdentityError> {
    let path = dir.join(NEXT);
    if let Some(kept) = read(&path).ok().and_then(|bytes| pair_of(&bytes)) {
        return Ok(kept);
    }
    let fresh = KeyPair::generate().map_err(|error| malformed(NEXT, &error.to_string()))?;
    let io = |source| IdentityError::Io { path: path.display().to_string(), source };
    write_private(&path, &fresh.serialize_der()).map_err(io)?;
    Ok(fresh)
}

/// Gives the next key the place of the one in use, if it has not taken it yet.
pub(super) fn settle(dir: &Path) -> Result<(), IdentityError> {
    let (from, to) = (dir.join(NEXT), dir.join(KEY));
    let io = |source| IdentityError::Io { path: from.display().to_string(), source };
    std::fs::rename(&from, &to).map_err(io)?;
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}

fn pair_of(der: &[u8]) -> Option<KeyPair> {
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der)).ok()
}

fn key_hash(der: &[u8]) -> Option<Digest> {
    Some(sha256(&[&pair_of(der)?.subject_public_key_info()]))
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read_private(path).map_err(|source| IdentityError::Io { path: path.display().to_string(), source })
}

fn malformed(path: &str, reason: &str) -> IdentityError {
    IdentityError::Malformed { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::CertificateParams;

    use super::*;

    fn certificate(key: &KeyPair) -> Vec<CertificateDer<'static>> {
        vec![CertificateParams::default().self_signed(key).unwrap().der().clone()]
    }

    /// Goal: whatever a crash leaves of a renewal, key and certificate are of one another. Method: the folder as it
    /// stands before the answer, behind the profile, and behind the key's move; a certificate of neither key is refused.
    #[test]
    fn p7_a_renewal_that_is_cut_off_anywhere_leaves_key_and_certificate_of_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, old) = (dir.path(), KeyPair::generate().unwrap());
        write_private(&dir.join(KEY), &old.serialize_der()).unwrap();
        let (before, other) = (certificate(&old), certificate(&KeyPair::generate().unwrap()));
        let next = next_key(dir).unwrap();
        assert_eq!(next_key(dir).unwrap().serialize_der(), next.serialize_der(), "asked for again");
        let after = certificate(&next);
        let load = |chain: &Vec<_>| Certified::load(dir, chain.clone()).unwrap();
        let fits = |held: &Certified| held.key_hash().is_some() && key_hash(&held.key) == held.key_hash();

        let held = load(&before);
        assert!(fits(&held), "no answer came: the old pair is in use");
        assert!(held.renewed(dir, other).is_err() && held.renewed(dir, Vec::new()).is_err());
        assert!(fits(&held.renewed(dir, after.clone()).unwrap()));
        assert!(fits(&load(&after)), "the profile names the new certificate, its key was not moved");
        assert_eq!(read(&dir.join(KEY)).unwrap(), next.serialize_der());
        assert!(fits(&load(&after)) && !dir.join(NEXT).exists());
        assert_ne!(next_key(dir).unwrap().serialize_der(), next.serialize_der(), "the one after is fresh");

        std::fs::write(dir.join(NEXT), b"torn").unwrap();
        assert!(pair_of(&next_key(dir).unwrap().serialize_der()).is_some(), "a torn one is made again");
    }
}
