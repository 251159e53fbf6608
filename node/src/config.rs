//! Settings from a file: the whole file is read and every fault in it is said before anything is bound.
//!
//! A command line option goes before an environment variable, that before the file, that before the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings of a program, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, String>,
}

/// What is wrong with a file of settings: all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", faults.join("; "))]
pub struct ConfigError {
    /// The file.
    pub path: String,
    /// Each fault with its key and reason.
    pub faults: Vec<String>,
}

impl Config {
    /// Reads a TOML file of `key = "text"` lines; only `keys` are known.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault.
    pub fn read(path: Option<&Path>, keys: &[&str]) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = |faults: Vec<String>| ConfigError { path: path.display().to_string(), faults };
        let text = std::fs::read_to_string(path).map_err(|error| {
            failed(vec![format!("không đọc được tệp cấu hình / the settings file cannot be read: {error}")])
        })?;
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| failed(vec![error.to_string()]))?;
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        for (key, value) in table {
            match value {
                toml::Value::String(text) if keys.contains(&key.as_str()) => {
                    values.insert(key, text);
                }
                _ if keys.contains(&key.as_str()) => {
                    faults.push(format!("{key}: phải là chuỗi trong ngoặc kép / must be text in quotes"));
                }
                _ => faults.push(format!("{key}: không có khóa này / no such key; {}", keys.join(", "))),
            }
        }
        if faults.is_empty() { Ok(Self { values }) } else { Err(failed(faults)) }
    }

    /// A setting's text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The option if it was given, otherwise the file's setting, otherwise the default.
    #[must_use]
    pub fn pick(&self, given: Option<&str>, key: &str, default: &str) -> String {
        given.or_else(|| self.text(key)).unwrap_or(default).to_owned()
    }

    /// As [`Config::pick`], for a path.
    #[must_use]
    pub fn path(&self, given: Option<&PathBuf>, key: &str) -> Option<PathBuf> {
        given.cloned().or_else(|| self.text(key).map(PathBuf::from))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, "data = \"/var/lib/x\"\nlang = 3\ncolour = \"red\"\n").unwrap();
        let error = Config::read(Some(&path), &["data", "lang"]).unwrap_err();
        assert_eq!(error.faults.len(), 2);
        assert!(error.faults.iter().any(|fault| fault.starts_with("colour")));
        std::fs::write(&path, "data = \"/var/lib/x\"\n").unwrap();
        let config = Config::read(Some(&path), &["data", "lang"]).unwrap();
        assert_eq!(config.pick(None, "data", "d"), "/var/lib/x");
        assert_eq!(config.pick(Some("given"), "data", "d"), "given");
        assert_eq!(config.pick(None, "lang", "vi"), "vi");
    }
}
