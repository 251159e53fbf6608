//! What readers hand to the rules, and what they get back.

use std::collections::BTreeMap;

use crate::catalogue::Label;
use crate::ids::UnitCode;
use crate::text::is_cell_error;
use crate::value::Value;

/// A cell as the file holds it, before any rule.
#[derive(Debug, Clone, PartialEq)]
pub enum RawCell {
    /// Nothing.
    Empty,
    /// Text as written.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A spreadsheet's day number.
    Serial {
        /// Days since the workbook's epoch.
        days: f64,
        /// The workbook counts from 1904.
        epoch_1904: bool,
    },
    /// A date or time the spreadsheet holds as ISO 8601.
    Iso(String),
    /// A spreadsheet's error such as `#N/A`.
    Error(String),
    /// A JSON array.
    List(Vec<RawCell>),
    /// A JSON object, which no field takes.
    Object,
}

impl RawCell {
    /// Whether nothing but blanks stands in it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) | Self::Iso(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// A spreadsheet's error, held as one or written out by a program that knows none.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(error),
            Self::Text(text) if is_cell_error(text) => Some(text.trim()),
            _ => None,
        }
    }
}

/// One thing a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field or header it is about.
    pub column: Option<String>,
    /// What stood there; never that of a C4 column.
    pub value: Option<String>,
    /// Reason class of the import contract.
    pub rule: String,
    /// What is wrong and what to do.
    pub message: Label,
}

/// What the rules make of one row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowJudgement {
    /// Normalised values by field name.
    pub values: BTreeMap<String, Value>,
    /// The unit the row belongs to, where the row tells.
    pub unit: Option<UnitCode>,
    /// Reasons to reject the row.
    pub errors: Vec<Finding>,
    /// What to say about a row that is kept.
    pub warnings: Vec<Finding>,
}

impl Finding {
    /// A finding about a column, in both languages.
    #[must_use]
    pub fn new(rule: &str, column: Option<&str>, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            column: column.map(str::to_owned),
            value: None,
            rule: rule.to_owned(),
            message: Label { vi: vi.into(), en: en.into() },
        }
    }

    /// The same with what stood there.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = Some(value.to_owned());
        self
    }
}
