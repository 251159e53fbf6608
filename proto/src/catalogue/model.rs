//! The shapes of the catalogue, as the files under `catalogue/` declare them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Course, Duplicates, Expectation, Handover, Rule};

/// A name people read, in Vietnamese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// One record type: `catalogue/records/<name>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordType {
    /// Identifier, e.g. `dang_vien`.
    pub name: String,
    /// What people call it.
    pub label: Label,
    /// What makes two rows the same record.
    pub key: NaturalKey,
    /// The field whose value is the row's unit (a `unit` field), if rows carry one.
    #[serde(default)]
    pub unit_field: Option<String>,
    /// Identifying fields: a write from another unit that differs in *all* of them is not merged (X05).
    #[serde(default)]
    pub guard: Vec<String>,
    /// A record not confirmed for so many days is stale.
    #[serde(default)]
    pub freshness_days: Option<u32>,
    /// The limit holds only while this CEL condition does, e.g. until a case is closed.
    #[serde(default)]
    pub fresh_while: Option<String>,
    /// Its fields, in the order people expect.
    #[serde(rename = "field")]
    pub fields: Vec<Field>,
    /// Rules over a record and across records.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// Records that every unit should have.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
    /// How probable duplicates are found and weighed.
    #[serde(default)]
    pub duplicates: Option<Duplicates>,
    /// The states its records pass through, and in which order.
    #[serde(default)]
    pub course: Option<Course>,
    /// The boolean field that keeps a record once it is true: nobody withdraws it then (X11).
    #[serde(default)]
    pub kept_once: Option<String>,
    /// Which other record its records hand over from unit to unit.
    #[serde(default)]
    pub handover: Option<Handover>,
}

/// The fields that name a record, and how far the name reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NaturalKey {
    /// Field names, in the order they are keyed.
    pub fields: Vec<String>,
    /// Unique in the whole province, or only within the owning unit.
    pub scope: KeyScope,
}

/// How far a natural key is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// One record of that key in the province.
    Province,
    /// One record of that key in each owning unit.
    Unit,
}

/// One field of a record type, or of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Identifier, e.g. `so_cccd`.
    pub name: String,
    /// What people call it.
    pub label: Label,
    /// Other headers it is known by in spreadsheets.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// The code list of a `code` field (or of a list of codes).
    #[serde(default)]
    pub codes: Option<String>,
    /// The record type a `reference` (or a list of references) leads to.
    #[serde(default)]
    pub target: Option<String>,
    /// What a `list` holds.
    #[serde(default)]
    pub of: Option<FieldKind>,
    /// The fields of an item of an `items` field.
    #[serde(default, rename = "field")]
    pub fields: Vec<Field>,
    /// The subfields that make the item key of an `items` field.
    #[serde(default)]
    pub item_key: Vec<String>,
    /// A record without it is not complete.
    #[serde(default)]
    pub required: bool,
    /// A further check of its cells: `person_name`, `cccd`, `phone`, `party_card`, `sha256`, `document_number` or
    /// `letter` of text, `positive` or `year` of numbers, `past_date` or `birth_date` of dates, `anonymous` of yes and
    /// no. Others are refused.
    #[serde(default)]
    pub check: Option<String>,
    /// Who may see it.
    pub class: Class,
    /// What is shown when values were written concurrently.
    #[serde(default)]
    pub policy: Policy,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One line, at most 300 characters.
    Text,
    /// Paragraphs, at most 20,000 characters.
    LongText,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// Đồng.
    Money,
    /// A day.
    Date,
    /// An instant.
    Timestamp,
    /// Yes or no.
    Boolean,
    /// A code of the list named by `codes`.
    Code,
    /// A unit's code.
    Unit,
    /// Another record, of the type named by `target`.
    Reference,
    /// An attached file, by hash.
    Attachment,
    /// Several values of the kind named by `of`.
    List,
    /// Several items with fields of their own.
    Items,
}

/// Who may see a field (DOMAIN 2.6). C4 does not enter the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// May be published.
    C0,
    /// The inspection sector.
    C1,
    /// An agency, per case or by regulation, logged.
    C2,
    /// Owner, direct superior, handling body, hub.
    C3,
    /// Never stored.
    C4,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Which of several concurrent values is shown (DESIGN 6). State never depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The latest by effective time, then dot.
    #[default]
    Latest,
    /// The owning unit's, then the latest.
    Owner,
    /// The province's, the owner's, then the latest.
    Province,
    /// All list members together.
    Union,
    /// The greatest ordinal, number or date.
    Highest,
    /// The least.
    Lowest,
    /// The first; later different ones are defects.
    Once,
    /// The latest, until a steward decides.
    Review,
}

/// How much a failed rule weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Keeps the record out of the shared dataset until mended.
    Error,
    /// Lowers the score.
    Warning,
}

/// The six words of the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Right.
    Dung,
    /// Complete.
    Du,
    /// Clean.
    Sach,
    /// Live.
    Song,
    /// Unified.
    ThongNhat,
    /// Shared.
    DungChung,
}

impl Dimension {
    /// All six, in the order the resolution names them.
    pub const ALL: [Self; 6] =
        [Self::Dung, Self::Du, Self::Sach, Self::Song, Self::ThongNhat, Self::DungChung];

    /// The identifier: `dung`, `du`, `sach`, `song`, `thong_nhat`, `dung_chung`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dung => "dung",
            Self::Du => "du",
            Self::Sach => "sach",
            Self::Song => "song",
            Self::ThongNhat => "thong_nhat",
            Self::DungChung => "dung_chung",
        }
    }

    /// The word people read.
    #[must_use]
    pub fn label(self) -> Label {
        let (vi, en) = match self {
            Self::Dung => ("đúng", "right"),
            Self::Du => ("đủ", "complete"),
            Self::Sach => ("sạch", "clean"),
            Self::Song => ("sống", "live"),
            Self::ThongNhat => ("thống nhất", "unified"),
            Self::DungChung => ("dùng chung", "shared"),
        };
        Label { vi: vi.to_owned(), en: en.to_owned() }
    }
}

/// A code list: `catalogue/codes/<name>.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeList {
    /// Identifier, e.g. `linh_vuc`.
    pub name: String,
    /// What people call it.
    pub label: Label,
    /// Its codes; their order is the ordinal of `highest` and `lowest`.
    #[serde(rename = "code")]
    pub codes: Vec<Code>,
    /// The places of the codes by every spelling, as written and folded; made when the list is loaded.
    #[serde(skip)]
    pub(super) spellings: BTreeMap<String, usize>,
}

/// One code of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// What is stored.
    pub code: String,
    /// What people call it; accepted in cells too.
    pub label: Label,
    /// Other spellings accepted in cells.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// The provincial committee.
    Province,
    /// A commune (xã).
    Commune,
    /// A ward (phường).
    Ward,
    /// A directly affiliated Party committee.
    Affiliated,
    /// An agency that receives.
    Agency,
}

/// One unit of the province.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its code.
    pub code: crate::ids::UnitCode,
    /// Its name without the kind, e.g. `Phố Hiến`.
    pub name: String,
    /// What it is.
    pub kind: UnitKind,
    /// Commune codes of before 1/7/2025 that went wholly into it.
    pub old_codes: Vec<String>,
    /// Commune codes of before 1/7/2025 that went partly into it.
    pub partial_old_codes: Vec<String>,
}

impl Field {
    /// The kind its single values have: of a list its members', otherwise its own.
    #[must_use]
    pub fn member_kind(&self) -> FieldKind {
        if self.kind == FieldKind::List { self.of.unwrap_or(FieldKind::Text) } else { self.kind }
    }
}

impl RecordType {
    /// The field that says in a sheet whose a row is, if it holds a unit: it goes with a record that moves.
    #[must_use]
    pub fn owner_field(&self) -> Option<&str> {
        let name = self.unit_field.as_deref()?;
        self.field(name).filter(|field| field.kind == FieldKind::Unit).map(|field| field.name.as_str())
    }

    /// The field a register path leads to: `field`, or `field/itemkey/subfield` for items.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&Field> {
        let mut parts = path.split('/');
        let name = parts.next()?;
        let field = self.fields.iter().find(|field| field.name == name)?;
        match (parts.next(), parts.next()) {
            (None, None) => Some(field),
            (Some(_), Some(subfield)) => field.fields.iter().find(|field| field.name == subfield),
            _ => None,
        }
    }
}
