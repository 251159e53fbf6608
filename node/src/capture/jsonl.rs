//! JSON lines: a bad line is one bad row.

use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use serde_json::{Map, Value};

use super::{FileRefusal, RawCell};

const LINE_MAX: u64 = 64 << 10;

/// Hands on each line that is not blank: its number and its object, if it is one; `Break` ends the reading.
pub(crate) fn lines(
    mut file: impl BufRead,
    take: &mut dyn FnMut(u64, Option<Map<String, Value>>) -> ControlFlow<()>,
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
            if take(number, None).is_break() {
                return Ok(());
            }
            continue;
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line).trim_ascii();
        if !text.is_empty() && take(number, serde_json::from_slice(text).ok()).is_break() {
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
