//! The way out of an office that lets nothing out but by an HTTP proxy: `CONNECT`, then TLS to the hub end to end.

use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::read_secret;

/// A proxy that does not answer within this is given up: it dials the hub before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The head of a proxy's answer; a longer one is refused.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// An HTTP proxy, and what it wants to be told of who asks.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// `user:password` in Base64.
    credentials: Option<Zeroizing<String>>,
}

/// What is named as a proxy is none, or its credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProxySetting {
    /// The address.
    #[error(
        "{0:?} (khóa proxy, LIENTHONG_PROXY, --proxy): proxy phải có dạng http://máy:cổng, không kèm mật khẩu · {0:?} (key proxy, LIENTHONG_PROXY, --proxy): a proxy is http://host:port, without a password in it"
    )]
    Address(String),
    /// The file of credentials.
    #[error(
        "{path}: không đọc được tệp mật khẩu của proxy · {path}: the proxy's credentials file cannot be read"
    )]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What the file holds.
    #[error("{0}: dòng đầu phải là tên:mật khẩu · the first line must be user:password")]
    Credentials(String),
}

/// Why a proxy did not lead to the hub.
#[derive(Debug, thiserror::Error)]
pub enum ProxyFault {
    /// It is not there.
    #[error("không nối được tới proxy {proxy} · the proxy {proxy} cannot be reached: {source}")]
    Unreachable {
        /// Which.
        proxy: String,
        /// Why.
        source: io::Error,
    },
    /// It takes too long.
    #[error("proxy {0} không trả lời · the proxy {0} does not answer")]
    Silent(String),
    /// It wants other credentials, or any.
    #[error(
        "proxy {0} đòi tên và mật khẩu (407): đặt proxy_credentials_file · the proxy {0} demands a name and password (407): set proxy_credentials_file"
    )]
    Credentials(String),
    /// It does not let this through, or does not reach it.
    #[error(
        "proxy {proxy} không mở đường tới {target} ({status}) · the proxy {proxy} does not open the way to {target} ({status})"
    )]
    Refused {
        /// Which.
        proxy: String,
        /// To whom.
        target: String,
        /// Its status line's code.
        status: u16,
    },
    /// It does not speak HTTP.
    #[error("{0} không trả lời như một proxy HTTP · {0} does not answer as an HTTP proxy does")]
    NoProxy(String),
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl FromStr for Proxy {
    type Err = ProxySetting;

    fn from_str(text: &str) -> Result<Self, ProxySetting> {
        // Said again without what may be a password.
        let bad = || ProxySetting::Address(text.rsplit('@').next().unwrap_or_default().to_owned());
        let rest = text.trim().strip_prefix("http://").ok_or_else(bad)?;
        let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':').ok_or_else(bad)?;
        let inner = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if inner.is_empty() || !inner.chars().all(plain) || (inner == host && host.contains(':')) {
            return Err(bad());
        }
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        Ok(Self { host: host.to_owned(), port, credentials: None })
    }
}

impl Proxy {
    /// The same proxy, with the name and password in the first line of a file only its owner may read; of an empty file,
    /// as a service's credential that was not given, without.
    ///
    /// # Errors
    /// [`ProxySetting`] if it cannot be read, or does not hold them.
    pub fn with_credentials(self, path: &Path) -> Result<Self, ProxySetting> {
        let shown = path.display().to_string();
        let bytes = read_secret(path)
            .map(Zeroizing::new)
            .map_err(|source| ProxySetting::File { path: shown.clone(), source })?;
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        if line.is_empty() {
            return Ok(self);
        }
        if !line.contains(&b':') {
            return Err(ProxySetting::Credentials(shown));
        }
        Ok(Self { credentials: Some(Zeroizing::new(STANDARD.encode(line))), ..self })
    }

    /// Where it is, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Opens a connection to `target` (`host:port`) through the proxy.
    ///
    /// # Errors
    /// [`ProxyFault`].
    pub async fn connect(&self, target: &str) -> Result<TcpStream, ProxyFault> {
        let silent = |_| ProxyFault::Silent(self.address());
        tokio::time::timeout(ANSWER_TIMEOUT, self.tunnel(target)).await.map_err(silent)?
    }

    async fn tunnel(&self, target: &str) -> Result<TcpStream, ProxyFault> {
        let unreachable = |source| ProxyFault::Unreachable { proxy: self.address(), source };
        let mut tcp = TcpStream::connect(self.address()).await.map_err(unreachable)?;
        tcp.write_all(self.request(target).as_bytes()).await.map_err(unreachable)?;
        let mut head = Vec::new();
        loop {
            let mut piece = [0; 1_024];
            let count = tcp.read(&mut piece).await.map_err(unreachable)?;
            head.extend_from_slice(piece.get(..count).unwrap_or_default());
            if let Some(judged) = self.judge(target, &head) {
                return judged.map(|()| tcp);
            }
            if count == 0 {
                return Err(ProxyFault::NoProxy(self.address()));
            }
        }
    }

    fn request(&self, target: &str) -> Zeroizing<String> {
        let target: String = target.chars().filter(|c| c.is_ascii_graphic()).collect();
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(credentials);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Zeroizing::new(request)
    }

    /// What the first bytes of an answer come to; `None` if more must be read.
    fn judge(&self, target: &str, head: &[u8]) -> Option<Result<(), ProxyFault>> {
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        let no_proxy = || Some(Err(ProxyFault::NoProxy(self.address())));
        let Some(end) = end else {
            return if head.len() >= HEAD_BYTES_MAX { no_proxy() } else { None };
        };
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let status =
            line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
        match status {
            // Nothing may come from the hub before TLS has begun here.
            Some(200..=299) if head.len() == end + 4 => Some(Ok(())),
            Some(407) => Some(Err(ProxyFault::Credentials(self.address()))),
            Some(status) if status >= 300 => {
                let (proxy, target) = (self.address(), target.to_owned());
                Some(Err(ProxyFault::Refused { proxy, target, status }))
            }
            _ => no_proxy(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn proxy() -> Proxy {
        "http://proxy.example:3128".parse().unwrap()
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        assert_eq!(proxy().address(), "proxy.example:3128");
        assert_eq!("http://[::1]:8080/".parse::<Proxy>().unwrap().address(), "[::1]:8080");
        for wrong in [
            "proxy.example:3128",
            "https://proxy.example:3128",
            "http://proxy.example",
            "http://proxy.example:0",
            "http://:3128",
            "http://::1:3128",
            "http://a b:3128",
            "http://proxy.example:3128/path",
        ] {
            assert!(wrong.parse::<Proxy>().is_err(), "{wrong}");
        }
        let told = "http://lan:secret@proxy.example:3128".parse::<Proxy>().unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn an_answer_is_judged_by_its_head_alone() {
        let judge = |head: &str| proxy().judge("hub:7443", head.as_bytes());
        assert!(judge("HTTP/1.1 200 Connection established\r\nVia: x\r\n").is_none(), "more must come");
        assert!(judge("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").unwrap().is_ok());
        assert!(judge("HTTP/1.0 200 OK\r\n\r\n").unwrap().is_ok());
        let wrong = |head: &str| judge(head).unwrap().unwrap_err();
        assert!(matches!(wrong("HTTP/1.1 407 No\r\n\r\n<html>"), ProxyFault::Credentials(_)));
        assert!(matches!(wrong("HTTP/1.1 403 No\r\n\r\n"), ProxyFault::Refused { status: 403, .. }));
        assert!(matches!(wrong("HTTP/1.1 502 No\r\n\r\n"), ProxyFault::Refused { status: 502, .. }));
        assert!(matches!(wrong("HTTP/1.1 200 OK\r\n\r\nearly"), ProxyFault::NoProxy(_)));
        assert!(matches!(wrong("HTTP/1.1 100 Continue\r\n\r\n"), ProxyFault::NoProxy(_)));
        assert!(matches!(wrong("SSH-2.0-x\r\n\r\n"), ProxyFault::NoProxy(_)));
        assert!(judge(&"x".repeat(HEAD_BYTES_MAX - 1)).is_none());
        assert!(matches!(wrong(&"x".repeat(HEAD_BYTES_MAX)), ProxyFault::NoProxy(_)));
    }

    #[test]
    fn credentials_come_from_a_file_of_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        std::fs::write(&path, "lan:mật khẩu\n").unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        assert!(matches!(proxy().with_credentials(&path), Err(ProxySetting::File { .. })));
        set(0o600);
        let with = proxy().with_credentials(&path).unwrap();
        let line = format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode("lan:mật khẩu"));
        assert!(with.request("hub:7443").contains(&line));
        assert!(!proxy().request("hub:7443").contains("Proxy-Authorization"));
        assert!(!format!("{with:?}").contains(&STANDARD.encode("lan:mật khẩu")));
        assert!(!proxy().request("hub:7443\r\nX: y").contains("\r\nX"), "a name adds no header");
        std::fs::write(&path, "").unwrap();
        assert!(!proxy().with_credentials(&path).unwrap().request("hub:7443").contains("Authorization"));
        std::fs::write(&path, "lan\n").unwrap();
        assert!(matches!(proxy().with_credentials(&path), Err(ProxySetting::Credentials(_))));
    }
}
