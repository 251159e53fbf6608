//! What can be asked of the course of units.

use std::collections::BTreeMap;

use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::lineage::{Share, StepKind};
use serde::{Deserialize, Serialize};

/// What is to happen to units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reorganisation {
    /// What.
    pub kind: StepKind,
    /// To which units.
    pub from: Vec<UnitCode>,
    /// What comes of them.
    pub to: Vec<UnitCode>,
    /// Names of units that begin or are renamed.
    #[serde(default)]
    pub names: BTreeMap<UnitCode, String>,
    /// What units that begin are.
    #[serde(default)]
    pub unit_kind: Option<UnitKind>,
    /// Whose records are that nothing else assigns.
    #[serde(default)]
    pub rest: Option<UnitCode>,
    /// Which records go where.
    #[serde(default)]
    pub shares: Vec<Share>,
    /// Records assigned one by one.
    #[serde(default)]
    pub map: Vec<MapLine>,
    /// From which day on, `yyyy-mm-dd`.
    pub on: String,
    /// The document that orders it.
    pub reason: String,
    /// Do it, not only say what it would do.
    pub apply: bool,
    /// Who.
    pub actor: String,
}

/// One line of a list that assigns records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MapLine {
    /// Where it stands in its file.
    pub line: u64,
    /// The record's type.
    pub record_type: String,
    /// Its id or natural key.
    pub id: String,
    /// Where it goes.
    pub unit: String,
}
