//! By which step a record came from which unit.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Malformed;
use crate::ids::UnitCode;
use crate::value::Value;

/// One move of a record by a step, as the register `_lineage` keeps it: `12:11953:12004`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passage {
    /// The step.
    pub step: u64,
    /// Whose the record was.
    pub from: UnitCode,
    /// Whose it became.
    pub to: UnitCode,
}

impl Passage {
    /// The passages a value of `_lineage` lists, oldest first; what is none is left out.
    #[must_use]
    pub fn list(value: &Value) -> Vec<Self> {
        let Value::List(lines) = value else { return Vec::new() };
        let read = |line: &Value| match line {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        lines.iter().filter_map(read).collect()
    }

    /// The value of `_lineage` that lists them.
    #[must_use]
    pub fn value(passages: &[Self]) -> Value {
        Value::List(passages.iter().map(|passage| Value::Text(passage.to_string())).collect())
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.step, self.from, self.to)
    }
}

impl FromStr for Passage {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.split(':');
        let (Some(step), Some(from), Some(to), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("passage"));
        };
        let unit = |text: &str| text.parse().map_err(|_| Malformed("passage's unit"));
        let step = step.parse().map_err(|_| Malformed("passage's step"))?;
        Ok(Self { step, from: unit(from)?, to: unit(to)? })
    }
}
