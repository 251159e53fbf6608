//! JSON lines: a bad line is one bad row.

use std::fmt;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{FileRefusal, RawCell};

const LINE_MAX: u64 = 64 << 10;

/// What stands in a line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Its object, if it is one.
    pub(crate) object: Option<Map<String, Value>>,
    /// A key that it, or an object in it, has twice: which of the two values is meant nobody knows.
    pub(crate) twice: Option<String>,
}

impl Line {
    fn parse(text: &[u8]) -> Self {
        let (mut twice, mut reader) = (None, serde_json::Deserializer::from_slice(text));
        let read =
            Watched(&mut twice).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        Self { twice, ..read.map(Self::from).unwrap_or_default() }
    }
}

impl From<Value> for Line {
    fn from(value: Value) -> Self {
        Self { object: if let Value::Object(object) = value { Some(object) } else { None }, twice: None }
    }
}

/// Reads a value, and notes a key that an object has twice.
struct Watched<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Watched<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Watched<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(Watched(self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            let value = from.next_value_seed(Watched(self.0))?;
            if object.contains_key(&key) {
                *self.0 = Some(key);
            } else {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

/// Whether a file begins as one array of objects.
pub(crate) fn is_array(head: &[u8]) -> bool {
    head.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
}

/// Hands on each line that is not blank, with its number; `Break` ends the reading.
pub(crate) fn lines(
    mut file: impl BufRead,
    take: &mut dyn FnMut(u64, Line) -> ControlFlow<()>,
) -> Result<(), FileRefusal> {
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        if !line.ends_with(b"\n") && line.len() as u64 > LINE_MAX {
            skip_line(&mut file)?;
            if take(number, Line::default()).is_break() {
                return Ok(());
            }
            continue;
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line).trim_ascii();
        if !text.is_empty() && take(number, Line::parse(text)).is_break() {
            return Ok(());
        }
    }
}

/// How many lines there are, blank ones among them.
pub(crate) fn count(mut file: impl BufRead) -> Result<u64, FileRefusal> {
    let (mut ends, mut open) = (0, false);
    loop {
        let buffer = file.fill_buf()?;
        let Some(last) = buffer.last() else { return Ok(ends + u64::from(open)) };
        ends += memchr::memchr_iter(b'\n', buffer).count() as u64;
        open = *last != b'\n';
        let used = buffer.len();
        file.consume(used);
    }
}

fn skip_line(file: &mut impl BufRead) -> Result<(), FileRefusal> {
    loop {
        let buffer = file.fill_buf()?;
        let found = buffer.iter().position(|byte| *byte == b'\n');
        let used = found.map_or(buffer.len(), |at| at + 1);
        file.consume(used);
        if found.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// A JSON value as a cell.
pub(crate) fn raw(value: &Value) -> RawCell {
    match value {
        Value::Null => RawCell::Empty,
        Value::Bool(yes) => RawCell::Boolean(*yes),
        // Whole numbers go as text, so that long ones keep every digit.
        Value::Number(number) if number.is_f64() => RawCell::Number(number.as_f64().unwrap_or_default()),
        Value::Number(number) => RawCell::Text(number.to_string()),
        Value::String(text) => RawCell::Text(text.clone()),
        Value::Array(values) => RawCell::List(values.iter().map(raw).collect()),
        Value::Object(_) => RawCell::Object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_whether_the_last_is_ended_or_not() {
        for (text, lines) in [("", 0), ("{}", 1), ("{}\n", 1), ("{}\n{}", 2), ("{}\n{}\n", 2)] {
            assert_eq!(count(text.as_bytes()).unwrap(), lines, "{text:?}");
        }
    }
}
