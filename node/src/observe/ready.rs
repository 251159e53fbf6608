//! Whether a program does its work, and if not, why.

use serde_json::{Value as Json, json};

/// One reason why a program does not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub vi: String,
    /// For people.
    pub en: String,
}

/// Whether a program does its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why not; it does if there is none.
    pub reasons: Vec<Unready>,
}

impl Readiness {
    /// Whether it does.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// One reason why not.
    pub fn say(&mut self, code: &'static str, vi: impl Into<String>, en: impl Into<String>) {
        self.reasons.push(Unready { code, vi: vi.into(), en: en.into() });
    }

    /// What `/readyz` answers, beside 200 or 503.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let shown = |reason: &Unready| json!({ "code": reason.code, "vi": reason.vi, "en": reason.en });
        json!({ "ready": self.is_ready(), "reasons": self.reasons.iter().map(shown).collect::<Vec<_>>() })
    }
}
