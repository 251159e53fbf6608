//! Values of fields and their canonical bytes.
//!
//! A value has exactly one encoding, so that equal values have equal commitments on every machine
//! (PROTOCOL.md, "Values"). Decoding refuses every other form.

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::{RecordId, UnitCode};
use crate::time::UnixMillis;

/// What a field may hold. Text is already in canonical form (NFC, trimmed) when it gets here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Cleared on purpose; different from never written.
    Null,
    /// Text and long text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A decimal number in its shortest form, e.g. `-12.5`.
    Decimal(String),
    /// An amount in đồng.
    Money(i64),
    /// A day, as days since 1970-01-01.
    Date(i32),
    /// An instant.
    Timestamp(UnixMillis),
    /// Yes or no.
    Boolean(bool),
    /// A code of the field's code list.
    Code(String),
    /// A unit's code.
    Unit(UnitCode),
    /// Another record, by id; its type is the field's.
    Reference(RecordId),
    /// An attachment, by the SHA-256 of its bytes.
    Attachment([u8; 32]),
    /// Several values, in order.
    List(Vec<Value>),
}

const NULL: u8 = 0;
const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const DECIMAL: u8 = 3;
const MONEY: u8 = 4;
const DATE: u8 = 5;
const TIMESTAMP: u8 = 6;
const BOOLEAN: u8 = 7;
const CODE: u8 = 8;
const UNIT: u8 = 9;
const REFERENCE: u8 = 10;
const ATTACHMENT: u8 = 11;
const LIST: u8 = 12;

/// The most values a list may hold.
pub const LIST_LENGTH_MAX: u64 = 1_000;

impl Value {
    /// Appends the canonical bytes: a tag, then the payload.
    pub fn encode(&self, out: &mut Writer) {
        match self {
            Self::Null => out.u8(NULL),
            Self::Text(text) => Self::encode_text(text, out),
            Self::Integer(number) => tagged_number(out, INTEGER, *number),
            Self::Decimal(text) => tagged_text(out, DECIMAL, text),
            Self::Money(number) => tagged_number(out, MONEY, *number),
            Self::Date(days) => tagged_number(out, DATE, i64::from(*days)),
            Self::Timestamp(at) => {
                out.u8(TIMESTAMP);
                out.varint(at.0);
            }
            Self::Boolean(yes) => {
                out.u8(BOOLEAN);
                out.u8(u8::from(*yes));
            }
            Self::Code(text) => tagged_text(out, CODE, text),
            Self::Unit(unit) => tagged_text(out, UNIT, unit.as_str()),
            Self::Reference(id) => {
                out.u8(REFERENCE);
                out.raw(&id.0);
            }
            Self::Attachment(hash) => {
                out.u8(ATTACHMENT);
                out.raw(hash);
            }
            Self::List(values) => {
                out.u8(LIST);
                out.varint(values.len() as u64);
                for value in values {
                    value.encode(out);
                }
            }
        }
    }

    /// Appends the canonical bytes of [`Value::Text`] with this text.
    pub fn encode_text(text: &str, out: &mut Writer) {
        tagged_text(out, TEXT, text);
    }

    /// About how many bytes of text it holds.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Code(text) => text.len(),
            Self::List(values) => values.iter().map(Self::text_bytes).sum(),
            _ => 0,
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// [`Malformed`] on an unknown tag, a cut payload, text that is not UTF-8, a list in a list or one
    /// longer than [`LIST_LENGTH_MAX`].
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::decode_at(input, true)
    }

    fn decode_at(input: &mut Reader<'_>, lists: bool) -> Result<Self, Malformed> {
        Ok(match input.u8()? {
            NULL => Self::Null,
            TEXT => Self::Text(input.text()?.to_owned()),
            INTEGER => Self::Integer(input.zigzag()?),
            DECIMAL => Self::Decimal(input.text()?.to_owned()),
            MONEY => Self::Money(input.zigzag()?),
            DATE => Self::Date(i32::try_from(input.zigzag()?).map_err(|_| Malformed("date out of range"))?),
            TIMESTAMP => Self::Timestamp(UnixMillis(input.varint()?)),
            BOOLEAN => match input.u8()? {
                0 => Self::Boolean(false),
                1 => Self::Boolean(true),
                _ => return Err(Malformed("boolean is neither 0 nor 1")),
            },
            CODE => Self::Code(input.text()?.to_owned()),
            UNIT => Self::Unit(input.text()?.parse().map_err(|_| Malformed("unit code"))?),
            REFERENCE => Self::Reference(RecordId(input.array()?)),
            ATTACHMENT => Self::Attachment(input.array()?),
            LIST if lists => {
                let length = input.varint()?;
                if length > LIST_LENGTH_MAX {
                    return Err(Malformed("list is too long"));
                }
                let mut values = Vec::new();
                for _ in 0..length {
                    values.push(Self::decode_at(input, false)?);
                }
                Self::List(values)
            }
            LIST => return Err(Malformed("list inside a list")),
            _ => return Err(Malformed("unknown value tag")),
        })
    }

    /// The value as JSON for people's tools: dates `yyyy-mm-dd`, instants RFC 3339, references hex.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Text(text) | Self::Decimal(text) | Self::Code(text) => Json::from(text.as_str()),
            Self::Integer(number) | Self::Money(number) => Json::from(*number),
            Self::Date(days) => Json::from(date_text(*days)),
            Self::Timestamp(at) => Json::from(at.rfc3339()),
            Self::Boolean(yes) => Json::from(*yes),
            Self::Unit(unit) => Json::from(unit.as_str()),
            Self::Reference(id) => Json::from(id.to_string()),
            Self::Attachment(hash) => Json::from(hex::encode(hash)),
            Self::List(values) => Json::from(values.iter().map(Self::to_json).collect::<Vec<_>>()),
        }
    }

    /// The value as one line of text, as a table cell or a key shows it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self.to_json() {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text,
            serde_json::Value::Array(values) => values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join("; "),
            other => other.to_string(),
        }
    }
}

/// A day as `yyyy-mm-dd`; days beyond year 9999 as the bare number.
#[must_use]
pub fn date_text(days: i32) -> String {
    civil(days).map_or_else(|| days.to_string(), |date| date.to_string())
}

/// The civil date of a day number; `None` beyond the years −9999 to 9999.
#[must_use]
pub fn civil(days: i32) -> Option<jiff::civil::Date> {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// Days since 1970-01-01 of a civil date.
#[must_use]
pub fn days_of(date: jiff::civil::Date) -> i32 {
    date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days())
}

fn tagged_text(out: &mut Writer, tag: u8, text: &str) {
    out.u8(tag);
    out.text(text);
}

fn tagged_number(out: &mut Writer, tag: u8, number: i64) {
    out.u8(tag);
    out.zigzag(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_and_has_one_form() {
        let values = [
            Value::Null,
            Value::Text("Nguyễn Thị Hòa".into()),
            Value::Integer(-3),
            Value::Money(1_250_000_000),
            Value::Date(-10_000),
            Value::Timestamp(UnixMillis(1)),
            Value::Boolean(true),
            Value::Reference(RecordId([7; 16])),
            Value::List(vec![Value::Code("LV01".into()), Value::Code("LV02".into())]),
        ];
        for value in values {
            let mut out = Writer::default();
            value.encode(&mut out);
            let bytes = out.into_bytes();
            let mut input = Reader::new(&bytes);
            assert_eq!(Value::decode(&mut input).unwrap(), value);
            input.end().unwrap();
        }
    }

    #[test]
    fn a_number_written_the_long_way_is_refused() {
        assert!(Value::decode(&mut Reader::new(&[INTEGER, 0x80, 0x00])).is_err());
    }

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(days_of(jiff::civil::date(2026, 11, 23)), 20_780);
        assert_eq!(date_text(20_780), "2026-11-23");
    }
}
