//! One record corrected in a form: only what was changed is stated, and what is wrong is said at its field.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use lienthong_proto::catalogue::{Field, FieldKind, RecordType};
use lienthong_proto::hash::sha256;
use serde_json::{Map, Value as Json};

use super::edit_form::{Shown, form};
use super::form::{Checked, Fields};
use super::granted::writes_nothing;
use super::refusal::Refusal;
use super::shown::{day_of, record_path};
use super::view::{Tongue, View};
use crate::service::{Edit, RecordsRequest, Request, is_editable, known_type};

/// A record as the form was made of it.
pub(super) struct Before<'a> {
    pub(super) declared: &'a RecordType,
    pub(super) record: Json,
}

impl Before<'_> {
    /// What is shown of a field.
    pub(super) fn value(&self, name: &str) -> Option<&Json> {
        self.record.get("fields").and_then(|fields| fields.get(name))
    }

    pub(super) fn items(&self, name: &str) -> &[Json] {
        self.value(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
    }

    /// Whether its values differ between those who stated it.
    pub(super) fn is_open(&self, name: &str) -> bool {
        let conflicts = self.record.get("conflicts").and_then(Json::as_array);
        conflicts.into_iter().flatten().any(|open| open.get("field").and_then(Json::as_str) == Some(name))
    }

    /// Tells this state of the record from any other.
    pub(super) fn mark(&self) -> String {
        let state = ["fields", "conflicts", "sources"].map(|part| self.record.get(part).map(Json::to_string));
        let state: Vec<String> = state.into_iter().map(Option::unwrap_or_default).collect();
        hex::encode(sha256(&[state.join("\n").as_bytes()]))
    }

    /// The fields of the form, in their order.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.declared.fields.iter().filter(|field| is_editable(self.declared, field))
    }
}

async fn before<'a>(view: &'a View, name: &str, id: &str) -> Result<Before<'a>, Refusal> {
    let declared = known_type(view.catalogue(), name).map_err(|refusal| Refusal::of(&refusal))?;
    let get = RecordsRequest::Get { record_type: name.to_owned(), id: id.to_owned(), unit: None };
    Ok(Before { declared, record: view.ask_records(get).await? })
}

pub(super) async fn edit(
    view: View,
    Path((name, id)): Path<(String, String)>,
) -> Result<Html<String>, Refusal> {
    writes_nothing(&view)?;
    let before = before(&view, &name, &id).await?;
    Ok(form(&view, &before, &Shown::default()))
}

pub(super) async fn save(
    view: View,
    Path((name, id)): Path<(String, String)>,
    Checked(fields): Checked,
) -> Result<Response, Refusal> {
    writes_nothing(&view)?;
    let before = before(&view, &name, &id).await?;
    let again = |status, shown: &Shown| Ok((status, form(&view, &before, shown)).into_response());
    if fields.get("seen") != Some(before.mark().as_str()) {
        let text = view.t(
            "Bản ghi vừa được nơi khác thay đổi. Chưa ghi gì; hãy xem lại các ô rồi bấm lưu lần nữa.",
            "The record was changed elsewhere meanwhile. Nothing is written; look at the fields again, then save once more.",
        );
        let shown = Shown { typed: Some(fields), note: Some(text.to_owned()), ..Shown::default() };
        return again(StatusCode::CONFLICT, &shown);
    }
    let edit = Edit {
        record_type: name.clone(),
        id: id.clone(),
        unit: None,
        fields: changes(&before, &fields),
        author: view.session.user.clone(),
        english: view.tongue == Tongue::En,
    };
    let request = Request::Records(RecordsRequest::Edit(edit));
    let answer = Arc::clone(&view.web.node).execute(request, Arc::new(|_| {})).await;
    if answer.exit == 0 {
        // The record's own id: what stood in the address may be a key with anything in it.
        let id = before.record.get("id").and_then(Json::as_str).unwrap_or_default();
        return Ok(Redirect::to(&record_path(&before.declared.name, id)).into_response());
    }
    if answer.body.get("rule").and_then(Json::as_str) != Some("FIELDS") {
        return Err(Refusal::of(&answer));
    }
    let errors = answer.body.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
    let note =
        view.t("Có ô chưa đúng: chưa ghi gì.", "Some fields are wrong: nothing was written.").to_owned();
    again(StatusCode::UNPROCESSABLE_ENTITY, &Shown { typed: Some(fields), note: Some(note), errors })
}

/// What the form states anew.
fn changes(before: &Before<'_>, fields: &Fields) -> Map<String, Json> {
    let mut changes = Map::new();
    for field in before.fields() {
        if field.kind == FieldKind::Items {
            let items: Vec<Json> = (0..=before.items(&field.name).len())
                .map(|place| changed_item(before, field, place, fields))
                .collect();
            if items.iter().any(Json::is_object) {
                changes.insert(field.name.clone(), Json::Array(items));
            }
            continue;
        }
        let name = format!("f.{}", field.name);
        let typed: Vec<String> = fields.all(&name).flat_map(|text| parts(field, text)).collect();
        // A field the form did not hold is not one that was emptied.
        let held = fields.get(&name).is_some() || fields.get(&format!("has.{}", field.name)).is_some();
        let kept = fields.get(&format!("keep.{}", field.name)).is_some();
        if held && (kept || typed != texts(field, before.value(&field.name))) {
            changes.insert(field.name.clone(), stated(field, &typed));
        }
    }
    changes
}

/// An item as it is to be, or null if nothing of it was changed.
fn changed_item(before: &Before<'_>, parent: &Field, place: usize, fields: &Fields) -> Json {
    let known = before.items(&parent.name).get(place);
    let (mut item, mut changed) = (Map::new(), false);
    for field in &parent.fields {
        let value = known.and_then(|known| known.get(&field.name));
        let name = format!("i.{}.{place}.{}", parent.name, field.name);
        let typed: Vec<String> = fields.all(&name).flat_map(|text| parts(field, text)).collect();
        // What names an item stays: another name would be another item.
        let fixed = known.is_some() && parent.item_key.contains(&field.name);
        if fixed || fields.get(&name).is_none() || typed == texts(field, value) {
            item.extend(value.map(|value| (field.name.clone(), value.clone())));
        } else {
            changed = true;
            item.insert(field.name.clone(), stated(field, &typed));
        }
    }
    if changed { Json::Object(item) } else { Json::Null }
}

/// What a person typed, as values set apart.
fn parts(field: &Field, text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let whole = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    match field.kind {
        FieldKind::List => text.split(['\n', ';']).filter_map(whole).collect(),
        _ => whole(&text).into_iter().collect(),
    }
}

/// A value as the form shows it.
pub(super) fn texts(field: &Field, value: Option<&Json>) -> Vec<String> {
    let text = |value: &Json| match (field.member_kind(), value) {
        (FieldKind::Date, Json::String(day)) => day_of(day),
        (_, Json::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    };
    match value {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(values)) => values.iter().map(text).collect(),
        Some(value) => vec![text(value)],
    }
}

fn stated(field: &Field, typed: &[String]) -> Json {
    match (field.kind, typed) {
        (_, []) => Json::Null,
        (FieldKind::List, typed) => typed.into(),
        (FieldKind::Boolean, [text]) if text == "true" || text == "false" => (text == "true").into(),
        (_, [text, ..]) => text.as_str().into(),
    }
}
