//! Values and records as the node's pages show them.

use lienthong_proto::catalogue::{Field, FieldKind, RecordType};
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::view::{Tongue, View};
use crate::shown::{self, words};
pub(super) use crate::shown::{columns, day_of, plain, record_path, short};

/// An instant.
pub(super) fn instant(tongue: Tongue, at: UnixMillis) -> String {
    shown::instant(tongue.language(), at)
}

/// The same of an RFC 3339 text.
pub(super) fn instant_of(tongue: Tongue, text: &str) -> String {
    shown::instant_of(tongue.language(), text)
}

/// A number with its thousands set apart.
pub(super) fn number(tongue: Tongue, number: u64) -> String {
    shown::grouped(tongue.language(), &number.to_string())
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
    html! { (words(view.catalogue(), view.tongue.language(), field, kind, value)) }
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
        _ => words(view.catalogue(), view.tongue.language(), field, kind, value),
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
