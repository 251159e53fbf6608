//! Pieces of an OpenAPI 3.1 document that the descriptions of node and hub share.

use lienthong_proto::catalogue::Catalogue;
use serde_json::{Map, Value as Json, json};

use super::problem::Kind;
use super::schema;

/// What a unit's code looks like.
pub const UNIT_PATTERN: &str = "^[0-9A-Za-z][0-9A-Za-z.\\-]{0,31}$";

/// An object with these members, all there.
#[must_use]
pub fn object(properties: Json) -> Json {
    let required: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// An object with further members, which may be absent.
#[must_use]
pub fn with(mut object: Json, optional: Json) -> Json {
    if let (Some(properties), Json::Object(optional)) =
        (object.get_mut("properties").and_then(Json::as_object_mut), optional)
    {
        properties.extend(optional);
    }
    object
}

/// An object with nothing but its members.
#[must_use]
pub fn closed(mut object: Json) -> Json {
    if let Some(members) = object.as_object_mut() {
        members.insert("additionalProperties".to_owned(), false.into());
    }
    object
}

/// A page of a list.
#[must_use]
pub fn page(items: Json) -> Json {
    object(json!({
        "items": { "type": "array", "items": items },
        "next": { "type": ["string", "null"], "description": "after" },
    }))
}

/// One of the document’s schemas.
#[must_use]
pub fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A body of JSON.
#[must_use]
pub fn content(schema: Json) -> Json {
    json!({ "application/json": { "schema": schema } })
}

/// An answer of JSON.
#[must_use]
pub fn answer(description: &str, schema: Json) -> Json {
    json!({ "description": description, "content": content(schema) })
}

/// A list of such.
#[must_use]
pub fn list(items: Json) -> Json {
    json!({ "type": "array", "items": items })
}

/// The answer that refuses, with all the sorts there are.
#[must_use]
pub fn refusal(kinds: &[Kind]) -> Json {
    let kinds: Vec<String> = kinds.iter().map(Kind::described).collect();
    json!({
        "description": kinds.join("\n"),
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

/// What both describe: records, their fields by type, their history, the catalogue, problems.
#[must_use]
pub fn record_schemas(catalogue: &Catalogue) -> Map<String, Json> {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let maybe = json!({ "type": ["string", "null"] });
    let time = json!({ "type": "string", "format": "date-time" });
    let id = json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" });
    let flag = json!({ "type": "boolean" });
    let sibling = object(json!({ "value": {}, "unit": text, "replica": id, "at": time }));
    let sibling = with(sibling, json!({ "proposal": flag }));
    let fields: Vec<Json> =
        catalogue.record_types().map(|declared| reference(&fields_name(&declared.name))).collect();
    let record = json!({
        "type": text,
        "id": id,
        "unit": maybe,
        "fields": { "anyOf": fields },
        "conflicts": list(object(json!({ "field": text, "siblings": list(sibling) }))),
        "defects": list(reference("Defect")),
        "sources": list(object(json!({ "replica": id, "sequence": count }))),
    });
    let withdrawn = json!({ "reason": text, "at": time, "author": text, "unit": text });
    let warned = list(object(json!({ "rule": text, "message": text })));
    let more = json!({ "withdrawn": object(withdrawn), "warnings": warned, "merged_into": id, "merged": list(id.clone()) });
    let record = with(object(record), more);
    let severity = json!({ "type": "string", "enum": ["error", "warning"] });
    let defect = object(json!({
        "rule": text, "field": maybe, "severity": severity, "dimension": text, "message": text,
    }));
    let waived = object(json!({
        "number": count, "type": text, "id": id, "rule": text, "field": maybe, "reason": text,
        "approver": text, "until": { "type": "string", "format": "date" },
    }));
    let defect = with(defect, json!({ "waived": waived }));
    let write = object(json!({
        "at": time, "author": text, "unit": text, "replica": text, "sequence": count,
        "verdict": { "type": "string", "enum": ["applied", "proposal", "kept_out"] },
        "live": flag, "fields": { "type": "object" },
    }));
    let write = with(write, json!({ "why": text }));
    let types = json!({
        "items": list(json!({ "type": "object" })), "next": { "type": "null" }, "unit": text,
        "codes": { "type": "object" }, "units": list(json!({ "type": "object" })), "catalogue": text,
    });
    let problem = json!({
        "type": { "type": "string", "format": "uri" }, "title": text,
        "status": { "type": "integer" }, "detail": text,
    });
    let mut schemas = Map::new();
    for (name, schema) in [
        ("Record", record),
        ("RecordPage", page(reference("Record"))),
        ("Defect", defect),
        ("History", page(write)),
        ("Types", object(types)),
        ("OpenApi", json!({ "type": "object" })),
        ("Problem", object(problem)),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    for declared in catalogue.record_types() {
        schemas.insert(fields_name(&declared.name), schema::fields(catalogue, declared));
    }
    schemas
}

fn fields_name(record_type: &str) -> String {
    format!("{record_type}.fields")
}
