//! One alert.

use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Kind;

/// Somebody looks after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: UnixMillis,
    /// What that person says; shown in lists only, never sent.
    pub reason: String,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: u64,
    /// What it is about, the same every time: `kind/subject`.
    pub key: String,
    /// What is the matter.
    pub kind: Kind,
    /// Whose unit it is about, if it is one's.
    pub unit: Option<UnitCode>,
    /// Why, in Vietnamese, as of the last look.
    pub vi: String,
    /// Why, in English.
    pub en: String,
    /// Since when.
    pub begun: UnixMillis,
    /// Until when; it is still so otherwise.
    pub ended: Option<UnixMillis>,
    /// Who looks after it.
    pub acknowledged: Option<Acknowledged>,
    /// Somebody was told that it began.
    pub told: bool,
}

impl Alert {
    /// As lists and notices show it; who has acknowledged it, and why, only lists do.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json!({
            "id": self.id, "key": self.key, "kind": self.kind, "severity": self.kind.severity(),
            "unit": self.unit, "vi": self.vi, "en": self.en, "begun": self.begun.rfc3339(),
            "ended": self.ended.map(UnixMillis::rfc3339), "runbook": self.kind.runbook(),
        })
    }
}
