//! What a steward can decide about records.

use std::collections::BTreeSet;

use lienthong_proto::ids::UnitCode;
use serde::{Deserialize, Serialize};

/// How a conflict is settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolution {
    /// Record id, or the key of an item of the list.
    pub id: String,
    /// The field; the only open one if none is named.
    pub field: Option<String>,
    /// The number of the value to choose, as `conflicts show` numbers them.
    pub pick: Option<usize>,
    /// Another value instead.
    pub value: Option<String>,
    /// The changes that were looked at, each as `replica:sequence`: where others stand by now, nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<BTreeSet<String>>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

/// What two records are to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pairing {
    /// Record type.
    pub record_type: String,
    /// Id or natural key of one.
    pub first: String,
    /// Of the other; of an undone merging not needed.
    pub second: Option<String>,
    /// Which of the two stays; otherwise the one with the lower id.
    pub keep: Option<String>,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

/// Whom a record goes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transfer {
    /// Record type.
    pub record_type: String,
    /// Id or natural key.
    pub id: String,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// Its new unit.
    pub to: UnitCode,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}
