//! What all pages share.

use std::sync::Arc;

use lienthong_proto::hash::hmac_sha256;
use tokio::sync::Semaphore;

use super::assets::Assets;
use super::lockout::Lockout;
use super::session::Sessions;
use super::verification::Verification;
use crate::app::Hub;

/// Sign-ins whose password is being checked or waits for that: each costs memory and a tenth of a second.
const PASSWORDS_AT_ONCE: usize = 8;

/// How the pages are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear: on loopback only.
    Http,
    /// Over TLS with a certificate of the hub's authority.
    Https,
}

impl Scheme {
    /// As addresses have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The hub's pages at work.
#[derive(Debug)]
pub(super) struct Site {
    /// The hub.
    pub(super) hub: Arc<Hub>,
    /// How it is reached.
    pub(super) scheme: Scheme,
    /// Who is signed in.
    pub(super) sessions: Sessions,
    /// Who must wait.
    pub(super) lockout: Lockout,
    /// What pages look like.
    pub(super) assets: Assets,
    /// The last check of the ledger somebody asked for.
    pub(super) verification: Verification,
    /// Sign-ins at work.
    pub(super) passwords: Semaphore,
    port: u16,
    guest_key: [u8; 32],
}

impl Site {
    pub(super) fn new(hub: Arc<Hub>, scheme: Scheme, port: u16) -> Self {
        Self {
            hub,
            scheme,
            sessions: Sessions::default(),
            lockout: Lockout::default(),
            assets: Assets::embedded(),
            verification: Verification::default(),
            passwords: Semaphore::new(PASSWORDS_AT_ONCE),
            port,
            guest_key: rand::random(),
        }
    }

    /// A cookie's full name. Over TLS no other host and no path can set it; in clear it bears the port, for browsers
    /// give one host's cookies to all its ports.
    pub(super) fn cookie_name(&self, name: &str) -> String {
        match self.scheme {
            Scheme::Https => format!("__Host-lienthong-{name}"),
            Scheme::Http => format!("lienthong-{}-{name}", self.port),
        }
    }

    /// A `Set-Cookie` line; it lasts as long as the browser, or so many seconds.
    pub(super) fn cookie(&self, name: &str, value: &str, seconds: Option<u32>) -> String {
        let secure = if self.scheme == Scheme::Https { "; Secure" } else { "" };
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", self.cookie_name(name))
    }

    /// What the forms of one who is not signed in carry: it fits their own cookie only.
    pub(super) fn guest_csrf(&self, visit: &str) -> String {
        hex::encode(hmac_sha256(&self.guest_key, &[b"lienthong guest form\n", visit.as_bytes()]))
    }
}
