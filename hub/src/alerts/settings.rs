//! How alerts are set up: all faults are said at once, before anything is bound.

use std::path::Path;

use http::Uri;
use lienthong_node::config::Config;
use lienthong_node::identity::read_private;

use super::{Limits, Mail, Way, Webhook, tls};
use crate::cli::seconds;

/// The keys of the configuration file.
pub const KEYS: [&str; 15] = [
    "alert_away",
    "alert_lag",
    "alert_conflicts",
    "alert_certificate",
    "alert_disk",
    "alert_backup",
    "alert_webhook",
    "alert_webhook_secret_file",
    "alert_webhook_ca",
    "alert_mail_server",
    "alert_mail_from",
    "alert_mail_to",
    "alert_mail_user",
    "alert_mail_password_file",
    "alert_mail_ca",
];

/// A secret of fewer bytes is no secret.
const SECRET_BYTES_MIN: usize = 16;
/// Receivers of a mail.
const RECEIVERS_MAX: usize = 32;

/// What is wrong with the settings: all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SettingsError(
    /// Each fault with its key and reason.
    pub Vec<String>,
);

/// How alerts are set up.
#[derive(Clone, Default)]
pub struct AlertSettings {
    /// From when on somebody is called.
    pub limits: Limits,
    /// How people are told.
    pub ways: Vec<Way>,
}

impl AlertSettings {
    /// Reads them; `Ok` with defaults and no ways if there are none.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault.
    pub fn read(config: &Config) -> Result<Self, SettingsError> {
        let mut reader = Reader { config, faults: Vec::new() };
        let limits = reader.limits();
        let ways = [reader.webhook().map(Way::Webhook), reader.mail().map(Way::Mail)];
        let ways = ways.into_iter().flatten().collect();
        if reader.faults.is_empty() { Ok(Self { limits, ways }) } else { Err(SettingsError(reader.faults)) }
    }
}

struct Reader<'a> {
    config: &'a Config,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, key: &str, reason: impl std::fmt::Display) {
        self.faults.push(format!("{key}: {reason}"));
    }

    fn limits(&mut self) -> Limits {
        let usual = Limits::default();
        Limits {
            away_seconds: self.time("alert_away", usual.away_seconds),
            lag_seconds: self.time("alert_lag", usual.lag_seconds),
            conflict_seconds: self.time("alert_conflicts", usual.conflict_seconds),
            certificate_seconds: self.time("alert_certificate", usual.certificate_seconds),
            disk_percent: self.percent("alert_disk", usual.disk_percent),
            backup_seconds: self.time("alert_backup", usual.backup_seconds),
        }
    }

    fn time(&mut self, key: &str, usual: u64) -> u64 {
        let Some(text) = self.config.text(key) else { return usual };
        seconds(text).unwrap_or_else(|error| {
            self.fault(key, error);
            usual
        })
    }

    fn percent(&mut self, key: &str, usual: u64) -> u64 {
        let Some(text) = self.config.text(key) else { return usual };
        match text.parse() {
            Ok(percent) if percent < 100 => percent,
            _ => {
                self.fault(key, "từ 0 đến 99 · a number from 0 to 99");
                usual
            }
        }
    }

    /// The first line of a secret file that only its owner can read.
    fn secret(&mut self, key: &str) -> Option<String> {
        let path = self.config.text(key)?;
        match read_private(Path::new(path)) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            Err(error) => {
                self.fault(key, error);
                None
            }
        }
    }

    fn webhook(&mut self) -> Option<Webhook> {
        let key = "alert_webhook";
        let text = self.config.text(key)?;
        let uri =
            text.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        if uri.is_none() {
            self.fault(key, "phải là địa chỉ https://… · must be an https:// address");
        }
        let secret = self.secret("alert_webhook_secret_file").map(String::into_bytes);
        if secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            self.fault("alert_webhook_secret_file", "ít nhất 16 byte · at least 16 bytes");
        }
        let tls = self.tls("alert_webhook_ca");
        Some(Webhook { uri: uri?, tls: tls?, secret })
    }

    fn tls(&mut self, key: &str) -> Option<std::sync::Arc<rustls::ClientConfig>> {
        match tls(self.config.text(key).map(Path::new)) {
            Ok(tls) => Some(tls),
            Err(error) => {
                self.fault(key, error);
                None
            }
        }
    }

    fn mail(&mut self) -> Option<Mail> {
        let key = "alert_mail_server";
        let text = self.config.text(key)?;
        let (host, port) = text.rsplit_once(':').unwrap_or((text, "587"));
        let port = port.parse().ok().filter(|_| !host.is_empty());
        if port.is_none() {
            self.fault(key, "tên:cổng, ví dụ mail.example.vn:587 · name:port");
        }
        let from = self.addresses("alert_mail_from").into_iter().next();
        let to = self.addresses("alert_mail_to");
        let user = self.config.text("alert_mail_user").map(str::to_owned);
        let password = self.secret("alert_mail_password_file");
        if user.is_some() != password.is_some() {
            self.fault(
                "alert_mail_user",
                "đi cùng alert_mail_password_file · goes with alert_mail_password_file",
            );
        }
        let tls = self.tls("alert_mail_ca");
        let login = user.zip(password);
        Some(Mail { host: host.to_owned(), port: port?, tls: tls?, from: from?, to, login })
    }

    /// Addresses that cannot say more to a server than themselves.
    fn addresses(&mut self, key: &str) -> Vec<String> {
        let text = self.config.text(key).unwrap_or_default();
        let fine = |address: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
            address.chars().all(plain) && address.split('@').filter(|part| !part.is_empty()).count() == 2
        };
        let all: Vec<&str> = text.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
        let wrong = all.iter().any(|address| !fine(address) || address.matches('@').count() != 1);
        if all.is_empty() || wrong || all.len() > RECEIVERS_MAX {
            self.fault(
                key,
                "địa chỉ như ten@example.vn, cách nhau dấu phẩy · addresses, separated by commas",
            );
            return Vec::new();
        }
        all.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AlertSettings, SettingsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.toml");
        std::fs::write(&path, text).unwrap();
        AlertSettings::read(&Config::read(Some(&path), &KEYS).unwrap())
    }

    #[test]
    fn every_fault_of_the_settings_is_said_at_once() {
        assert!(read("").unwrap().ways.is_empty());
        let limits = read("alert_away = \"12h\"\nalert_disk = \"5\"").unwrap().limits;
        assert_eq!((limits.away_seconds, limits.disk_percent), (12 * 3_600, 5));
        let wrong = "alert_lag = \"soon\"\nalert_disk = \"all\"\nalert_webhook = \"http://x\"\n\
                     alert_webhook_ca = \"/nowhere\"\nalert_mail_server = \"mail\"\nalert_mail_user = \"u\"\n\
                     alert_mail_from = \"a@b\\r\\nRCPT TO:<x@y>\"\nalert_mail_ca = \"/nowhere\"";
        let SettingsError(faults) = read(wrong).err().unwrap();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        let expected = [
            "alert_lag",
            "alert_disk",
            "alert_webhook",
            "alert_webhook_ca",
            "alert_mail_from",
            "alert_mail_to",
            "alert_mail_user",
            "alert_mail_ca",
        ];
        assert_eq!(keys, expected, "{faults:?}");
    }
}
