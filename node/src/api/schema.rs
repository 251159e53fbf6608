//! The catalogue for programs: as `/v1/types` tells it, and as JSON Schema.

use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, KeyScope, RecordType};
use lienthong_proto::ids::UnitCode;
use serde_json::{Map, Value as Json, json};

/// The record types with their fields, the code lists and the units: what a program needs to write.
#[must_use]
pub fn types(catalogue: &Catalogue, own: &UnitCode) -> Json {
    let items: Vec<Json> = catalogue.record_types().map(type_json).collect();
    let mut codes = Map::new();
    for list in catalogue.record_types().flat_map(|declared| &declared.fields).flat_map(with_subfields) {
        let Some(list) = list.codes.as_deref().and_then(|name| catalogue.code_list(name)) else { continue };
        let known = list.codes.iter().map(|code| json!({ "code": code.code, "label": code.label }));
        codes.insert(list.name.clone(), json!({ "label": list.label, "codes": known.collect::<Vec<_>>() }));
    }
    let units = catalogue
        .units()
        .iter()
        .map(|unit| json!({ "code": unit.code, "name": unit.name, "kind": unit.kind }));
    json!({
        "items": items,
        "next": null,
        "unit": own,
        "codes": codes,
        "units": units.collect::<Vec<_>>(),
        "catalogue": hex::encode(catalogue.digest()),
    })
}

fn with_subfields(field: &Field) -> impl Iterator<Item = &Field> {
    std::iter::once(field).chain(&field.fields)
}

/// Fields of class C4 do not enter the system, so nobody is told of them as something to send.
fn is_told(field: &&Field) -> bool {
    field.class != Class::C4
}

fn type_json(declared: &RecordType) -> Json {
    let fields: Vec<Json> = declared.fields.iter().filter(is_told).map(field_json).collect();
    json!({
        "name": declared.name,
        "label": declared.label,
        "key": declared.key,
        "unit_field": declared.unit_field,
        "freshness_days": declared.freshness_days,
        "fields": fields,
    })
}

fn field_json(field: &Field) -> Json {
    let mut told = json!({
        "name": field.name,
        "label": field.label,
        "type": field.kind,
        "required": field.required,
        "class": field.class,
        "policy": field.policy,
        "of": field.of,
        "codes": field.codes,
        "target": field.target,
        "aliases": field.aliases,
    });
    if let (Some(members), FieldKind::Items) = (told.as_object_mut(), field.kind) {
        let fields: Vec<Json> = field.fields.iter().filter(is_told).map(field_json).collect();
        members.insert("item_key".to_owned(), json!(field.item_key));
        members.insert("fields".to_owned(), Json::from(fields));
    }
    told
}

/// The schema of what a program sends for one record: an object of its fields, an item's fields beside them.
pub(super) fn input(catalogue: &Catalogue, declared: &RecordType) -> Json {
    let mut properties = Map::new();
    for field in declared.fields.iter().filter(is_told) {
        if field.kind == FieldKind::Items {
            for part in field.fields.iter().filter(is_told) {
                properties.insert(part.name.clone(), sent(catalogue, part));
            }
        } else {
            properties.insert(field.name.clone(), sent(catalogue, field));
        }
    }
    let scope = match declared.key.scope {
        KeyScope::Province => "trong toàn tỉnh · in the province",
        KeyScope::Unit => "trong đơn vị · within the owning unit",
    };
    let key = declared.key.fields.join(" | ");
    json!({
        "type": "object",
        "title": format!("{} · {}", declared.label.vi, declared.label.en),
        "description": format!("Khóa · natural key: {key} ({scope})"),
        "properties": properties,
        "required": declared.key.fields,
    })
}

fn sent(catalogue: &Catalogue, field: &Field) -> Json {
    let mut schema = match field.kind {
        FieldKind::List => json!({ "type": "array", "items": value(catalogue, field, field.member_kind()) }),
        kind => value(catalogue, field, kind),
    };
    title(&mut schema, field);
    schema
}

/// The schema of a record's fields as they are read: any may be absent, and null once cleared.
pub(super) fn fields(catalogue: &Catalogue, declared: &RecordType) -> Json {
    let mut properties = Map::new();
    for field in declared.fields.iter().filter(is_told) {
        let mut schema = match field.kind {
            FieldKind::Items => {
                let parts = field.fields.iter().filter(is_told);
                let parts: Map<String, Json> = parts
                    .map(|part| (part.name.clone(), nullable(value(catalogue, part, part.kind))))
                    .collect();
                json!({ "type": "array", "items": { "type": "object", "properties": parts } })
            }
            FieldKind::List => {
                nullable(json!({ "type": "array", "items": value(catalogue, field, field.member_kind()) }))
            }
            kind => nullable(value(catalogue, field, kind)),
        };
        title(&mut schema, field);
        properties.insert(field.name.clone(), schema);
    }
    json!({ "type": "object", "properties": properties })
}

fn title(schema: &mut Json, field: &Field) {
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), format!("{} · {}", field.label.vi, field.label.en).into());
    }
}

fn nullable(schema: Json) -> Json {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn value(catalogue: &Catalogue, field: &Field, kind: FieldKind) -> Json {
    match kind {
        FieldKind::Text => json!({ "type": "string", "maxLength": 300 }),
        FieldKind::LongText => json!({ "type": "string", "maxLength": 20_000 }),
        FieldKind::Integer => json!({ "type": "integer" }),
        FieldKind::Decimal => json!({ "type": ["string", "number"] }),
        FieldKind::Money => json!({ "type": "integer", "description": "đồng" }),
        FieldKind::Date => json!({ "type": "string", "format": "date" }),
        FieldKind::Timestamp => json!({ "type": "string", "format": "date-time" }),
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Code => {
            let list = field.codes.as_deref().and_then(|name| catalogue.code_list(name));
            let codes: Vec<&str> =
                list.into_iter().flat_map(|list| &list.codes).map(|code| code.code.as_str()).collect();
            json!({ "type": "string", "enum": codes })
        }
        FieldKind::Unit => json!({ "type": "string", "description": "mã đơn vị · a unit's code" }),
        FieldKind::Reference => {
            let target = field.target.as_deref().unwrap_or_default();
            json!({ "type": "string", "description": format!("id hoặc khóa · id or natural key: {target}") })
        }
        FieldKind::Attachment => json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
        FieldKind::List | FieldKind::Items => json!({ "type": "array" }),
    }
}
