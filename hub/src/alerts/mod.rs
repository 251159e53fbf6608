//! What needs a person, said by itself: conditions worked out from what the hub knows, kept as alerts with a stable
//! key, told once when one begins and once when it ends.
//!
//! `conditions` say what is the case now; [`Book`] makes alerts of it, by time alone;
//! [`Notifier`] tells people. The file of alerts is written whole whenever one changes. Texts hold names of units,
//! counts and times, never a value of a record.

mod alert;
mod book;
mod conditions;
mod http;
mod kind;
mod limits;
mod mail;
mod notice;
mod runbook;
mod sender;
mod service;
mod settings;
mod tls;
mod watch;
mod webhook;

pub use alert::{Acknowledged, Alert};
pub use book::{AlertError, Book, Look};
pub use conditions::Condition;
pub use http::{HttpError, post};
pub use kind::{Kind, Severity};
pub use limits::Limits;
pub use mail::{Mail, MailError};
pub use notice::{Notice, What};
pub use runbook::runbook;
pub use sender::{Notifier, Way};
pub use settings::{AlertSettings, KEYS, SettingsError};
pub use tls::{TlsFault, tls};
pub use watch::Alerts;
pub use webhook::Webhook;
