//! The file an order is brought in.

use lienthong_proto::ids::UnitCode;
use lienthong_proto::rules::parse_date;
use lienthong_proto::text::normalise;
use serde::{Deserialize, Serialize};

/// Characters of a text of an order.
const TEXT_MAX: usize = 500;
/// Fields of an order.
const FIELDS_MAX: usize = 200;

/// An order as it is brought, TOML or JSON. The record's natural key stays in this file: the ledger has its id only.
///
/// ```toml
/// order = "12-QĐ/UBKT"
/// issuer = "Ủy ban Kiểm tra Tỉnh ủy"
/// date = "2026-11-20"
/// reason = "ghi nhầm người"
/// type = "dang_vien"
/// record = "033070000001"          # natural key, or id
/// unit = "11953"                   # where keys are a unit's own
/// fields = ["dien_thoai"]          # or: whole = true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderFile {
    /// Number of the document.
    pub order: String,
    /// Who issued it.
    pub issuer: String,
    /// Its day.
    pub date: String,
    /// Why.
    pub reason: String,
    /// The record's type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The record: by natural key or id.
    pub record: String,
    /// The unit whose keys are meant.
    #[serde(default)]
    pub unit: Option<UnitCode>,
    /// The fields.
    #[serde(default)]
    pub fields: Vec<String>,
    /// All of the record.
    #[serde(default)]
    pub whole: bool,
}

/// Why a file is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderFileError {
    /// It is no such document.
    #[error("{0}")]
    Document(String),
    /// A text is missing or too long.
    #[error("{0}: cần có, tối đa {TEXT_MAX} ký tự · needed, at most {TEXT_MAX} characters")]
    Text(&'static str),
    /// The day is none.
    #[error("date: ngày dạng 2026-11-20 · a day like 2026-11-20")]
    Date,
    /// Fields and the whole record, or neither.
    #[error(
        "ghi fields = [...] hoặc whole = true, một trong hai · say fields = [...] or whole = true, one of the two"
    )]
    Extent,
}

impl OrderFile {
    /// Reads one; its day as days since 1970-01-01.
    ///
    /// # Errors
    /// [`OrderFileError`]: what is wrong with it first. An unknown word is refused: nothing waives a rule here.
    pub fn parse(text: &str) -> Result<(Self, i32), OrderFileError> {
        let document = |error: &dyn std::fmt::Display| OrderFileError::Document(error.to_string());
        let mut file: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| document(&error))?
        } else {
            toml::from_str(text).map_err(|error| document(&error))?
        };
        for (name, text) in
            [("order", &mut file.order), ("issuer", &mut file.issuer), ("reason", &mut file.reason)]
        {
            *text = normalise(text);
            if text.is_empty() || text.chars().count() > TEXT_MAX {
                return Err(OrderFileError::Text(name));
            }
        }
        if file.fields.is_empty() != file.whole || file.fields.len() > FIELDS_MAX {
            return Err(OrderFileError::Extent);
        }
        file.fields.sort_unstable();
        file.fields.dedup();
        let date = parse_date(&file.date).map_err(|_| OrderFileError::Date)?;
        Ok((file, date))
    }
}
