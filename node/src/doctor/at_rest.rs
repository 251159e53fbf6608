//! The key of encryption at rest: it can be had, and opens what is there.

use std::path::Path;

use serde_json::Value as Json;

use super::{Daemon, Finding, Text};
use crate::at_rest::{KeySource, MasterKey};
use crate::log;
use crate::replica::log_dir;

/// The key and the store as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtRest {
    /// No key is named, and none is needed.
    Plain,
    /// The key of this name is at hand.
    Key(String),
    /// The key that is named cannot be had.
    NoKey(String),
    /// The key is none of those the log is under.
    OtherKey(String),
}

impl AtRest {
    /// Asks the source for its keys, and looks what the log needs; nothing is changed. Where none is named, a daemon that
    /// has opened the store is believed: its key is a credential that nobody else sees.
    #[must_use]
    pub fn observe(data: &Path, source: &KeySource, daemon: &Daemon) -> Self {
        let keys = match source.load() {
            Ok(keys) => keys,
            Err(error) => return Self::NoKey(error.to_string()),
        };
        let opened = daemon.status().and_then(|status| status.pointer("/at_rest/key")).and_then(Json::as_str);
        match (log::needed_key(&log_dir(data), &keys), keys.current().map(MasterKey::id)) {
            (Some(needed), None) => {
                opened.map_or_else(|| Self::OtherKey(needed.to_string()), |key| Self::Key(key.to_owned()))
            }
            (Some(needed), Some(_)) => Self::OtherKey(needed.to_string()),
            (None, Some(key)) => Self::Key(key.to_string()),
            (None, None) => Self::Plain,
        }
    }

    /// What that comes to; nothing where nothing is encrypted.
    #[must_use]
    pub fn judge(&self) -> Option<Finding> {
        let next = Text::new(
            "lấy lại đúng khóa (bản cất riêng), đặt vào chỗ cấu hình đã chỉ; mất khóa là mất phần chưa gửi về tỉnh",
            "bring the right key back (from where it is kept apart) to where the settings name it; with the key what was not sent to the province is lost",
        );
        let what = || Text::new("kho mã hóa không mở được", "the encrypted store does not open");
        match self {
            Self::Plain => None,
            Self::Key(key) => Some(Finding::ok(
                AT_REST,
                Text::new(
                    format!("kho mã hóa, khóa {key} có sẵn"),
                    format!("the store is encrypted, key {key} is at hand"),
                ),
            )),
            Self::NoKey(error) | Self::OtherKey(error) => {
                Some(Finding::fault(AT_REST, what(), Text::of(error), next))
            }
        }
    }
}

const AT_REST: &str = "at_rest";
