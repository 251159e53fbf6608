//! TLS towards the servers that alerts go to: not the province's authority, but the system's or one given.

use std::path::Path;
use std::sync::Arc;

use lienthong_node::identity::provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Why no server can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The file has no certificate, or cannot be read.
    #[error("{0}: không có chứng thư đọc được · no readable certificate")]
    File(String),
    /// The system has none.
    #[error(
        "hệ thống không có chứng thư gốc: hãy đặt tệp CA · the system has no root certificates: name a file"
    )]
    System,
    /// They are unusable.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// Trusts the authorities of a PEM file, or the system's.
///
/// # Errors
/// [`TlsFault`] if there are none.
pub fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let fault = || TlsFault::File(path.display().to_string());
            let found = CertificateDer::pem_file_iter(path).map_err(|_| fault())?;
            for certificate in found {
                roots.add(certificate.map_err(|_| fault())?)?;
            }
            if roots.is_empty() {
                return Err(fault());
            }
        }
        None => {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(TlsFault::System);
            }
        }
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
