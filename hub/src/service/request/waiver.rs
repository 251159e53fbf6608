//! A waiver that is asked for.

use lienthong_proto::ids::UnitCode;
use serde::{Deserialize, Serialize};

/// A defect to be accepted until a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewWaiver {
    /// Record type.
    pub record_type: String,
    /// Id or natural key.
    pub id: String,
    /// The unit whose numbers are meant; the province's own otherwise.
    pub unit: Option<UnitCode>,
    /// The rule's id.
    pub rule: String,
    /// Only where it blames this field.
    pub field: Option<String>,
    /// The last day, `yyyy-mm-dd`.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who accepts it.
    pub approver: String,
}
