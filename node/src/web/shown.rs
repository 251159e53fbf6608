//! Values and times as people read them.

use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, RecordType};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::civil;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::view::{Tongue, View};

/// Vietnam's time, all year.
const ZONE_SECONDS: u64 = 7 * 3_600;
/// Characters of a value in a list.
const CELL_CHARS_MAX: usize = 80;

/// An instant: 07:05 ngày 24/11/2026, or 24/11/2026 07:05.
pub(super) fn instant(tongue: Tongue, at: UnixMillis) -> String {
    let seconds = at.seconds().saturating_add(ZONE_SECONDS);
    let days = i32::try_from(seconds / 86_400).unwrap_or(i32::MAX);
    let (hour, minute) = (seconds / 3_600 % 24, seconds / 60 % 60);
    let Some(date) = civil(days) else { return at.rfc3339() };
    let day = format!("{:02}/{:02}/{}", date.day(), date.month(), date.year());
    if tongue == Tongue::Vi {
        format!("{hour:02}:{minute:02} ngày {day}")
    } else {
        format!("{day} {hour:02}:{minute:02}")
    }
}

/// The same of an RFC 3339 text.
pub(super) fn instant_of(tongue: Tongue, text: &str) -> String {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let millis = parsed.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    millis.map_or_else(|| text.to_owned(), |millis| instant(tongue, UnixMillis(millis)))
}

/// A number with its thousands set apart.
pub(super) fn number(tongue: Tongue, number: u64) -> String {
    grouped(tongue, &number.to_string())
}

fn grouped(tongue: Tongue, digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mark = if tongue == Tongue::Vi { '.' } else { ',' };
    let mut out = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

/// A field's value as one line; a reference leads to its record.
pub(super) fn value(view: &View, field: Option<&Field>, value: &Json) -> Markup {
    let Some(field) = field else { return html! { (plain(value)) } };
    match value {
        Json::Array(values) => {
            let last = values.len().saturating_sub(1);
            html! {
                @for (place, one) in values.iter().enumerate() {
                    (single(view, field, field.member_kind(), one))
                    @if place < last { "; " }
                }
            }
        }
        one => single(view, field, field.member_kind(), one),
    }
}

fn single(view: &View, field: &Field, kind: FieldKind, value: &Json) -> Markup {
    if let (FieldKind::Reference, Some(id), Some(target)) = (kind, value.as_str(), &field.target) {
        return html! { a href=(record_path(target, id)) { (referred(view, target, id)) } };
    }
    html! { (words(view.catalogue(), view.tongue, field, kind, value)) }
}

/// A single value's words.
pub(super) fn words(
    catalogue: &Catalogue,
    tongue: Tongue,
    field: &Field,
    kind: FieldKind,
    value: &Json,
) -> String {
    let text = value.as_str();
    match (kind, text) {
        (FieldKind::Code, Some(code)) => {
            let list = field.codes.as_deref().and_then(|name| catalogue.code_list(name));
            let known = list.and_then(|list| list.codes.iter().find(|known| known.code == code));
            known.map_or(code, |known| tongue.label(&known.label)).to_owned()
        }
        (FieldKind::Unit, Some(code)) => {
            code.parse().map_or_else(|_| code.to_owned(), |unit| catalogue.units().title(&unit))
        }
        (FieldKind::Date, Some(day)) => day_of(day),
        (FieldKind::Timestamp, Some(at)) => instant_of(tongue, at),
        (FieldKind::Money, _) => format!("{} đ", grouped(tongue, &plain(value))),
        (FieldKind::Boolean, _) => match value.as_bool() {
            Some(true) => tongue.t("có", "yes").to_owned(),
            Some(false) => tongue.t("không", "no").to_owned(),
            None => plain(value),
        },
        _ => plain(value),
    }
}

/// 2000-02-03 as 03/02/2000.
pub(super) fn day_of(text: &str) -> String {
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => format!("{:02}/{:02}/{}", date.day(), date.month(), date.year()),
        Err(_) => text.to_owned(),
    }
}

/// A value without a field to say what it is.
pub(super) fn plain(value: &Json) -> String {
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
pub(super) fn short(text: &str) -> String {
    let cut: String = text.chars().take(CELL_CHARS_MAX).collect();
    if cut.len() == text.len() { cut } else { format!("{cut}…") }
}

/// Where a record's page is.
pub(super) fn record_path(record_type: &str, id: &str) -> String {
    format!("/records/{record_type}/{id}")
}

/// The fields a list shows of a type: its key, what identifies people, then the first others.
pub(super) fn columns(declared: &RecordType, most: usize) -> Vec<&Field> {
    let fields = || declared.fields.iter().filter(|field| field.class != Class::C4 && !field.computed);
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

/// What a record is called: the values of its identifying fields.
pub(super) fn headline(view: &View, declared: &RecordType, record: &Json) -> String {
    called(view, declared, record, true)
}

/// The same; what it refers to is called by its own fields, but not what that refers to: records may lead in a circle.
fn called(view: &View, declared: &RecordType, record: &Json, follow: bool) -> String {
    let named =
        |field: &&Field| Some(short(&joined(view, field, record.get("fields")?.get(&field.name)?, follow)));
    let names: Vec<String> = columns(declared, 2).iter().filter_map(named).collect();
    if names.is_empty() { record.get("id").map(plain).unwrap_or_default() } else { names.join(" · ") }
}

/// A field's value as text for a cell.
pub(super) fn cell(view: &View, field: &Field, value: &Json) -> String {
    joined(view, field, value, true)
}

fn joined(view: &View, field: &Field, value: &Json, follow: bool) -> String {
    let kind = field.member_kind();
    let one = |value: &Json| match (kind, value.as_str(), &field.target) {
        (FieldKind::Reference, Some(id), Some(target)) if follow => referred(view, target, id),
        _ => words(view.catalogue(), view.tongue, field, kind, value),
    };
    match value {
        Json::Array(values) => values.iter().map(one).collect::<Vec<_>>().join("; "),
        value => one(value),
    }
}

/// What a record is called that another refers to; its id, if it is not here.
fn referred(view: &View, record_type: &str, id: &str) -> String {
    let declared = view.catalogue().record_type(record_type);
    let found = declared.zip(id.parse().ok()).and_then(|(declared, id)| {
        let record = view.web.node.replica.dataset().record(view.catalogue(), record_type, id).ok()??;
        Some(called(view, declared, &record.to_json(), false))
    });
    found.unwrap_or_else(|| id.to_owned())
}

/// A dimension's word.
pub(super) fn dimension(tongue: Tongue, name: &str) -> String {
    let found = lienthong_proto::catalogue::Dimension::ALL.into_iter().find(|known| known.name() == name);
    found.map_or_else(|| name.to_owned(), |known| tongue.label(&known.label()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_written_as_people_do() {
        let at = UnixMillis(1_795_565_100_000);
        assert_eq!(instant(Tongue::Vi, at), "07:05 ngày 25/11/2026");
        assert_eq!(instant_of(Tongue::En, &at.rfc3339()), "25/11/2026 07:05");
        assert_eq!(instant_of(Tongue::En, "x"), "x");
        for (digits, shown) in [("1", "1"), ("1250", "1.250"), ("-1250000", "-1.250.000")] {
            assert_eq!(grouped(Tongue::Vi, digits), shown);
        }
        assert_eq!(day_of("2000-02-03"), "03/02/2000");
        assert_eq!(short(&"ế".repeat(81)), format!("{}…", "ế".repeat(80)));
    }
}
