//! Values as people read them, alike on the pages of a node and of the hub.

use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, Label, RecordType};
use lienthong_proto::time::{UnixMillis, ZONE_SECONDS};
use lienthong_proto::value::civil;
use serde_json::Value as Json;

use crate::capture::Language;

/// Characters of a value in a list.
const CELL_CHARS_MAX: usize = 80;

/// A label's words.
#[must_use]
pub fn label(language: Language, label: &Label) -> &str {
    pick(language, &label.vi, &label.en)
}

fn pick<'a>(language: Language, vi: &'a str, en: &'a str) -> &'a str {
    if language == Language::En { en } else { vi }
}

/// An instant: 07:05 ngày 24/11/2026, or 24/11/2026 07:05.
#[must_use]
pub fn instant(language: Language, at: UnixMillis) -> String {
    let seconds = at.seconds().saturating_add(ZONE_SECONDS);
    let (hour, minute) = (seconds / 3_600 % 24, seconds / 60 % 60);
    let Some(date) = civil(at.day()) else { return at.rfc3339() };
    let day = format!("{:02}/{:02}/{}", date.day(), date.month(), date.year());
    match language {
        Language::Vi => format!("{hour:02}:{minute:02} ngày {day}"),
        Language::En => format!("{day} {hour:02}:{minute:02}"),
    }
}

/// The instant an RFC 3339 text means.
#[must_use]
pub fn parsed_instant(text: &str) -> Option<UnixMillis> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(UnixMillis)
}

/// An RFC 3339 text as [`instant`] writes it; as it is if it is none.
#[must_use]
pub fn instant_of(language: Language, text: &str) -> String {
    parsed_instant(text).map_or_else(|| text.to_owned(), |at| instant(language, at))
}

/// Digits, perhaps behind a minus, with their thousands set apart.
#[must_use]
pub fn grouped(language: Language, digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mark = if language == Language::Vi { '.' } else { ',' };
    let mut out = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

/// A single value's words.
#[must_use]
pub fn words(
    catalogue: &Catalogue,
    language: Language,
    field: &Field,
    kind: FieldKind,
    value: &Json,
) -> String {
    let text = value.as_str();
    match (kind, text) {
        (FieldKind::Code, Some(code)) => {
            let list = field.codes.as_deref().and_then(|name| catalogue.code_list(name));
            let known = list.and_then(|list| list.codes.iter().find(|known| known.code == code));
            known.map_or(code, |known| label(language, &known.label)).to_owned()
        }
        (FieldKind::Unit, Some(code)) => {
            code.parse().map_or_else(|_| code.to_owned(), |unit| catalogue.units().title(&unit))
        }
        (FieldKind::Date, Some(day)) => day_of(day),
        (FieldKind::Timestamp, Some(at)) => instant_of(language, at),
        (FieldKind::Money, _) => format!("{} đ", grouped(language, &plain(value))),
        (FieldKind::Boolean, _) => match value.as_bool() {
            Some(true) => pick(language, "có", "yes").to_owned(),
            Some(false) => pick(language, "không", "no").to_owned(),
            None => plain(value),
        },
        _ => plain(value),
    }
}

/// 2000-02-03 as 03/02/2000.
#[must_use]
pub fn day_of(text: &str) -> String {
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => format!("{:02}/{:02}/{}", date.day(), date.month(), date.year()),
        Err(_) => text.to_owned(),
    }
}

/// A value without a field to say what it is.
#[must_use]
pub fn plain(value: &Json) -> String {
    match value {
        Json::Null => "–".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join("; "),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", plain(value)))
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

/// A text for a cell of a list.
#[must_use]
pub fn short(text: &str) -> String {
    let cut: String = text.chars().take(CELL_CHARS_MAX).collect();
    if cut.len() == text.len() { cut } else { format!("{cut}…") }
}

/// Where a record's page is, at a node and at the hub.
#[must_use]
pub fn record_path(record_type: &str, id: &str) -> String {
    format!("/records/{record_type}/{id}")
}

/// The fields a list shows of a type: its key, what identifies people, then the first others.
#[must_use]
pub fn columns(declared: &RecordType, most: usize) -> Vec<&Field> {
    let fields = || declared.fields.iter().filter(|field| field.class != Class::C4);
    let first =
        |field: &&Field| declared.key.fields.contains(&field.name) || declared.guard.contains(&field.name);
    let fit = |field: &&Field| {
        !matches!(
            field.kind,
            FieldKind::Items | FieldKind::LongText | FieldKind::Attachment | FieldKind::Unit
        )
    };
    fields().filter(first).chain(fields().filter(|field| !first(field) && fit(field))).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_written_as_people_do() {
        let at = UnixMillis(1_795_565_100_000);
        assert_eq!(instant(Language::Vi, at), "07:05 ngày 25/11/2026");
        assert_eq!(instant_of(Language::En, &at.rfc3339()), "25/11/2026 07:05");
        assert_eq!((instant_of(Language::En, "x"), parsed_instant("x")), ("x".to_owned(), None));
        for (digits, shown) in [("1", "1"), ("1250", "1.250"), ("-1250000", "-1.250.000")] {
            assert_eq!(grouped(Language::Vi, digits), shown);
        }
        assert_eq!(day_of("2000-02-03"), "03/02/2000");
        assert_eq!(short(&"ế".repeat(81)), format!("{}…", "ế".repeat(80)));
    }
}
