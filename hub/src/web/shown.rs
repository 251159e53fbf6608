//! Records, their fields and values as the pages show them; what is named leads to its page.

use std::sync::{Arc, OnceLock};

use lienthong_node::dataset::Record;
use lienthong_node::shown::{self, columns, plain, record_path, short, words};
use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, Label, RecordType};
use lienthong_proto::change::path;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::Tree;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::trouble::{Trouble, both};
use super::view::View;

/// The units of the day, made once for a page that names some.
#[derive(Debug, Clone, Default)]
pub(super) struct Units(Arc<OnceLock<Tree>>);

impl View {
    /// The record types and code lists in force.
    #[must_use]
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.site.hub.catalogue
    }

    /// The units of today.
    #[must_use]
    pub(super) fn tree(&self) -> &Tree {
        self.units.0.get_or_init(|| self.site.hub.tree())
    }

    /// A label's words.
    #[must_use]
    pub(super) fn label<'a>(&self, label: &'a Label) -> &'a str {
        shown::label(self.tongue.language(), label)
    }

    /// What a record type is called; its name, if the catalogue does not have it.
    #[must_use]
    pub(super) fn type_label<'a>(&'a self, name: &'a str) -> &'a str {
        self.catalogue().record_type(name).map_or(name, |declared| self.label(&declared.label))
    }

    /// A unit's name, leading to its page.
    #[must_use]
    pub(super) fn unit(&self, code: &str) -> Markup {
        let Ok(unit) = code.parse::<UnitCode>() else { return html! { (code) } };
        let title = html! { (self.tree().title(&unit)) };
        // The province itself has no page among the units.
        if unit.is_province() { title } else { self.link("/units/{unit}", &format!("/units/{unit}"), &title) }
    }

    /// An instant written as RFC 3339, and how long ago it was.
    #[must_use]
    pub(super) fn time_of(&self, text: &str) -> Markup {
        self.time(shown::parsed_instant(text))
    }
}

/// The record type an address names.
pub(super) fn type_of<'a>(view: &'a View, name: &str) -> Result<&'a RecordType, Trouble> {
    view.catalogue().record_type(name).ok_or_else(|| Trouble::missing(name))
}

/// The very record an address names, even one that leads to another.
pub(super) fn record_of(view: &View, name: &str, id: &str) -> Result<Record, Trouble> {
    let missing = || {
        let cure = both("Tìm lại trong danh sách bản ghi.", "Look it up among the records.");
        Trouble { cure, ..Trouble::missing(id) }
    };
    let id: RecordId = id.parse().map_err(|_| missing())?;
    let read = || view.site.hub.dataset.record(view.catalogue(), name, id);
    tokio::task::block_in_place(read).map_err(|error| Trouble::internal(&error))?.ok_or_else(missing)
}

/// A field's value; a reference leads to its record, a unit to its page.
#[must_use]
pub(super) fn value(view: &View, field: Option<&Field>, value: &Json) -> Markup {
    let Some(field) = field else { return html! { (plain(value)) } };
    match value {
        Json::Array(values) => html! {
            @for (place, one) in values.iter().enumerate() {
                @if place > 0 { "; " }
                (single(view, field, one))
            }
        },
        one => single(view, field, one),
    }
}

fn single(view: &View, field: &Field, value: &Json) -> Markup {
    let kind = field.member_kind();
    match (kind, value.as_str(), &field.target) {
        (FieldKind::Reference, Some(id), Some(target)) => record_link(view, target, id),
        (FieldKind::Unit, Some(code), _) => view.unit(code),
        _ => html! { (words(view.catalogue(), view.tongue.language(), field, kind, value)) },
    }
}

/// What a register states: a field's value, or one of the system's own words.
#[must_use]
pub(super) fn stated(view: &View, declared: &RecordType, name: &str, stated: &Json) -> Markup {
    let part = name.split('/').next().unwrap_or_default();
    match (part, stated) {
        (_, Json::Null) => html! { em { (view.t("xóa", "cleared")) } },
        (path::UNIT, Json::String(code)) => view.unit(code),
        (path::INTO, Json::Array(parts)) => {
            html! { @if let Some(id) = parts.first().and_then(Json::as_str) { (record_link(view, &declared.name, id)) } }
        }
        (path::MERGED | path::APART, Json::Bool(true)) => {
            record_link(view, &declared.name, name.split('/').nth(1).unwrap_or_default())
        }
        // An edit that a withdrawal did not see: all it states.
        (path::WITHDRAWN, Json::Object(fields)) => html! {
            dl.facts {
                @for (name, one) in fields.iter().filter(|(name, _)| *name != path::WHY) {
                    dt { (named(view, declared, name)) } dd { (self::stated(view, declared, name, one)) }
                }
            }
        },
        _ => value(view, declared.field(name), stated),
    }
}

/// What a register is called: a field's label, or what the system's own ones mean.
#[must_use]
pub(super) fn named(view: &View, declared: &RecordType, name: &str) -> String {
    let mut parts = name.splitn(3, '/');
    let (first, item, last) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let own = match first {
        path::UNIT => view.t("Đơn vị quản lý", "Owning unit"),
        path::WITHDRAWN => view.t("Thu hồi", "Withdrawal"),
        path::INTO => view.t("Gộp vào", "Merged into"),
        path::MERGED => view.t("Bản ghi đã gộp vào đây", "Merged into this one"),
        path::APART => view.t("Không phải là", "Not the same as"),
        path::LINEAGE => view.t("Sắp xếp đơn vị", "Reorganisation of units"),
        _ => "",
    };
    if !own.is_empty() {
        return own.to_owned();
    }
    let Some(parent) = declared.fields.iter().find(|field| field.name == first) else {
        return name.to_owned();
    };
    let (Some(item), Some(last)) = (item, last) else { return view.label(&parent.label).to_owned() };
    let subfield = declared.field(name).map_or(last, |field| view.label(&field.label));
    let subfield = if last == "_gone" { view.t("bỏ mục này", "item taken away") } else { subfield };
    let item: String = item.chars().take(4).collect();
    format!("{} ({item}…): {subfield}", view.label(&parent.label))
}

/// What a record is called: the values of its identifying fields.
#[must_use]
pub(super) fn headline(view: &View, record: &Record) -> String {
    called(view, record, true)
}

/// The same; what it refers to is called by its own fields, but not what that refers to: records may lead in a circle.
fn called(view: &View, record: &Record, follow: bool) -> String {
    let Some(declared) = view.catalogue().record_type(&record.record_type) else {
        return record.id.to_string();
    };
    let named =
        |field: &&Field| Some(short(&joined(view, field, &record.shown(&field.name)?.to_json(), follow)));
    let names: Vec<String> = columns(declared, 2).iter().filter_map(named).collect();
    if names.is_empty() { record.id.to_string() } else { names.join(" · ") }
}

/// A field's value as text for a cell.
#[must_use]
pub(super) fn cell(view: &View, field: &Field, value: &Json) -> String {
    short(&joined(view, field, value, true))
}

fn joined(view: &View, field: &Field, value: &Json, follow: bool) -> String {
    let kind = field.member_kind();
    let one = |value: &Json| match (kind, value.as_str(), &field.target) {
        (FieldKind::Reference, Some(id), Some(target)) if follow => name_of(view, target, id, false),
        (FieldKind::Unit, Some(code), _) => {
            code.parse().map_or_else(|_| code.to_owned(), |unit| view.tree().title(&unit))
        }
        _ => words(view.catalogue(), view.tongue.language(), field, kind, value),
    };
    match value {
        Json::Array(values) => values.iter().map(one).collect::<Vec<_>>().join("; "),
        value => one(value),
    }
}

/// What a record is called that is only known by its id; that, if it is not here.
fn name_of(view: &View, record_type: &str, id: &str, follow: bool) -> String {
    let read = |id| view.site.hub.dataset.record(view.catalogue(), record_type, id).ok().flatten();
    let found = id.parse().ok().and_then(read);
    found.map_or_else(|| id.to_owned(), |record| called(view, &record, follow))
}

/// A record's name, leading to its page.
#[must_use]
pub(super) fn record_link(view: &View, record_type: &str, id: &str) -> Markup {
    let name = html! { (name_of(view, record_type, id, true)) };
    view.link("/records/{type}/{id}", &record_path(record_type, id), &name)
}

/// Whether a value of a field may be shown at all: what the catalogue does not know is nobody's to see here, and of
/// class C4 nothing is.
#[must_use]
pub(super) fn may_be_shown(declared: Option<&RecordType>, name: &str) -> bool {
    let parent = name.split('/').next().unwrap_or_default();
    let class = |name: &str| declared.and_then(|declared| declared.field(name)).map(|field| field.class);
    [name, parent].into_iter().all(|name| class(name).is_some_and(|class| class < Class::C4))
}
