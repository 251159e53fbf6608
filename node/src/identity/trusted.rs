//! Whose certificates a node believes: the authority it pinned at enrolment, and another one the recovery key has named.

use lienthong_proto::authority::{Authority, AuthorityError, FIRST};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Roots that are trusted: one, or two while one follows the other.
#[derive(Clone)]
pub(super) struct Trusted {
    pub(super) root: CertificateDer<'static>,
    newest: Option<Authority>,
    /// The signed statement about the newest; empty for none.
    pub(super) note: String,
}

impl Trusted {
    /// Those of a profile.
    pub(super) fn of(
        root: CertificateDer<'static>,
        note: &str,
        province: &str,
        recovery: [u8; 32],
    ) -> Result<Self, AuthorityError> {
        let first = Self { root, newest: None, note: String::new() };
        if note.is_empty() { Ok(first) } else { Ok(first.with(note, province, recovery)?.unwrap_or(first)) }
    }

    /// With another statement; `None` if it says nothing new.
    pub(super) fn with(
        &self,
        note: &str,
        province: &str,
        recovery: [u8; 32],
    ) -> Result<Option<Self>, AuthorityError> {
        let stated = Authority::verify(note, province, recovery)?;
        if stated.number <= self.number() {
            return Ok(None);
        }
        let usable = RootCertStore::empty().add(CertificateDer::from(stated.root.clone()));
        usable.map_err(|_| AuthorityError::Malformed("root"))?;
        // Whoever missed one in between trusts what it had, and the newest.
        Ok(Some(Self { root: self.root.clone(), newest: Some(stated), note: note.to_owned() }))
    }

    /// Only the newest, if that is another than the one pinned before.
    pub(super) fn alone(&self) -> Option<Self> {
        let newest = self.newest_root();
        (newest != self.root).then(|| Self { root: newest, ..self.clone() })
    }

    /// The newest one's number.
    pub(super) fn number(&self) -> u32 {
        self.newest.as_ref().map_or(FIRST, |newest| newest.number)
    }

    pub(super) fn newest_root(&self) -> CertificateDer<'static> {
        self.newest.as_ref().map_or_else(|| self.root.clone(), |newest| newest.root.clone().into())
    }

    /// All of them.
    pub(super) fn roots(&self) -> Vec<CertificateDer<'static>> {
        let mut roots = vec![self.root.clone()];
        roots.extend(self.alone().map(|alone| alone.root));
        roots
    }

    /// Whether a certificate is the newest one's, by the name it bears.
    pub(super) fn has_issued(&self, certificate: &CertificateDer<'_>) -> bool {
        let root = self.newest_root();
        let names = X509Certificate::from_der(&root).ok().zip(X509Certificate::from_der(certificate).ok());
        names.is_some_and(|((_, root), (_, own))| root.subject().as_raw() == own.issuer().as_raw())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lienthong_proto::hash::{Signer as _, SigningKey};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    const PROVINCE: &str = "kiemtra.vn/33";

    fn root() -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Goal: what is fed as an authority is believed only by the recovery key's word, never a step back, and never if no
    /// certificate could be checked with it; what was trusted stays.
    #[test]
    fn t35_a_bad_statement_is_refused_and_what_was_trusted_stays() {
        let [recovery, other] = [3, 4].map(|seed| SigningKey::from_seed(&[seed; 32]).unwrap());
        let key = recovery.public_key();
        let note = |number, root: &[u8], by: &SigningKey| {
            let stated = Authority { province: PROVINCE.to_owned(), number, root: root.to_vec() };
            stated.sign(by).unwrap().to_string()
        };
        let [first, second, third] = [root(), root(), root()];
        let known = Trusted::of(first.clone(), "", PROVINCE, key).unwrap();
        assert!(known.with(&note(2, &second, &other), PROVINCE, key).is_err(), "another key's");
        assert!(known.with(&note(2, b"no certificate", &recovery), PROVINCE, key).is_err());
        assert!(known.with("garbage", PROVINCE, key).is_err());
        assert_eq!((known.number(), known.roots()), (1, vec![first.clone()]));

        let both = known.with(&note(2, &second, &recovery), PROVINCE, key).unwrap().unwrap();
        assert_eq!((both.number(), both.roots()), (2, vec![first, second.clone()]));
        assert!(
            both.with(&note(2, &third, &recovery), PROVINCE, key).unwrap().is_none(),
            "a number is one root's"
        );
        let alone = both.alone().unwrap();
        assert_eq!((alone.number(), alone.roots()), (2, vec![second]));
        assert!(alone.alone().is_none());
        let kept = Trusted::of(alone.root.clone(), &alone.note, PROVINCE, key).unwrap();
        assert_eq!(kept.roots(), alone.roots());
        assert!(kept.with(&note(2, &third, &recovery), PROVINCE, key).unwrap().is_none(), "nor a step back");
    }
}
