//! The page's own key and certificate for the office network: made here, or laid down by the administrator.
//!
//! `DATA/page/certificate.pem` and `key.pem` are used if both are there, whoever made them: a certificate of the
//! office's own authority is put in their place. Otherwise a self-signed one is made, and its fingerprint said, so
//! that an officer can compare it with what the browser shows before accepting it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use lienthong_proto::hash::sha256;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::identity::{provider, read_private, write_private};

const FOLDER: &str = "page";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// Browsers are told to trust this very certificate, so nothing is won by changing it often.
const YEARS: i32 = 10;

/// Why the page has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("page/{file}: {source}")]
    Io {
        /// Which.
        file: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("page/{0} không phải PEM dùng được · is no PEM that can be used")]
    Pem(&'static str),
    /// Certificate and key are refused.
    #[error("page/: {0}")]
    Rustls(#[from] rustls::Error),
    /// None can be made.
    #[error("page/: {0}")]
    Make(#[from] rcgen::Error),
}

/// What the page proves itself with.
pub(super) struct PageCertificate {
    pub(super) config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub(super) fingerprint: String,
}

impl PageCertificate {
    /// Reads the certificate of a data folder, or makes one for `listen`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(super) fn of(data: &Path, listen: SocketAddr) -> Result<Self, CertificateError> {
        let folder = data.join(FOLDER);
        let io = |file| move |source| CertificateError::Io { file, source };
        if !folder.join(CERTIFICATE).exists() || !folder.join(KEY).exists() {
            std::fs::create_dir_all(&folder).map_err(io(""))?;
            let (certificate, key) = made(listen.ip())?;
            write_private(&folder.join(KEY), key.as_bytes()).map_err(io(KEY))?;
            write_private(&folder.join(CERTIFICATE), certificate.as_bytes()).map_err(io(CERTIFICATE))?;
        }
        let pem = std::fs::read(folder.join(CERTIFICATE)).map_err(io(CERTIFICATE))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|_| CertificateError::Pem(CERTIFICATE))?;
        let own = chain.first().ok_or(CertificateError::Pem(CERTIFICATE))?;
        let fingerprint = printed(&sha256(&[own.as_ref()]));
        let key = read_private(&folder.join(KEY)).map_err(io(KEY))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| CertificateError::Pem(KEY))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), fingerprint })
    }
}

/// The name this machine goes by.
pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}

/// A self-signed certificate and its key, PEM.
fn made(listen: IpAddr) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Lien Thong node page");
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    params.not_before = rcgen::date_time_ymd(i32::from(now.year()) - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(i32::from(now.year()) + YEARS, 12, 31);
    let names = ["localhost".to_owned(), host_name()];
    params.subject_alt_names =
        names.into_iter().filter_map(|name| Some(SanType::DnsName(name.try_into().ok()?))).collect();
    if !listen.is_unspecified() {
        params.subject_alt_names.push(SanType::IpAddress(listen));
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn printed(digest: &[u8]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_is_made_once_and_one_laid_down_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let listen = "192.168.1.5:8443".parse().unwrap();
        let first = PageCertificate::of(dir.path(), listen).unwrap();
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        assert_eq!(PageCertificate::of(dir.path(), listen).unwrap().fingerprint, first.fingerprint);
        let mode = std::fs::metadata(dir.path().join("page/key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (certificate, key) = made(listen.ip()).unwrap();
        std::fs::write(dir.path().join("page/certificate.pem"), &certificate).unwrap();
        assert!(PageCertificate::of(dir.path(), listen).is_err(), "certificate and key do not fit");
        std::fs::write(dir.path().join("page/key.pem"), key).unwrap();
        let other = PageCertificate::of(dir.path(), listen).unwrap();
        assert_ne!(other.fingerprint, first.fingerprint);
        std::fs::write(dir.path().join("page/certificate.pem"), "x").unwrap();
        assert!(matches!(PageCertificate::of(dir.path(), listen), Err(CertificateError::Pem(_))));
    }
}
