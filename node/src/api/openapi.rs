//! The description of the API, OpenAPI 3.1, made of the route list and the catalogue in force.

use std::net::SocketAddr;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::withdrawal::REASON_CHARS_MAX;
use serde_json::{Map, Value as Json, json};

use super::describe::{
    UNIT_PATTERN, answer, closed, content, list, object, record_schemas, reference, refusal,
};
use super::problem::KINDS;
use super::routes::{ENDPOINTS, Endpoint, Operation};
use super::{OBJECTS_MAX, schema};
use crate::records::LIMIT_MAX;

/// The whole document.
pub(super) fn document(catalogue: &Catalogue, address: SocketAddr) -> Json {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_lowercase(), operation(endpoint, catalogue));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Liên Thông: máy của đơn vị · node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Chỉ nghe trên chính máy này. Ghi hai lần cùng một nội dung không đổi gì. · Only on this machine. The same content written twice changes nothing.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": format!("http://{address}") }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "lienthong-node api-token create NAME",
                },
            },
            "schemas": schemas(catalogue),
            "responses": { "Problem": refusal(&KINDS) },
        },
    })
}

fn operation(endpoint: Endpoint, catalogue: &Catalogue) -> Json {
    let told = match endpoint.operation {
        Operation::Types => ("types", "Các loại bản ghi · record types", "Types"),
        Operation::Put => ("put", "Ghi bản ghi · write records", "ImportAnswer"),
        Operation::List => ("list", "Danh sách bản ghi · a page of records", "RecordPage"),
        Operation::Get => ("get", "Một bản ghi · one record", "Record"),
        Operation::History => ("history", "Mọi lần ghi · every write of a record", "History"),
        Operation::Withdraw => ("withdraw", "Thu hồi bản ghi · withdraw a record", "WithdrawAnswer"),
        Operation::Status => ("status", "Tình trạng máy · where the node stands", "Status"),
        Operation::OpenApi => ("openapi", "Tài liệu này · this document", "OpenApi"),
    };
    let (id, summary, schema) = told;
    let mut responses = json!({ "200": answer(summary, reference(schema)) });
    let refusals: &[u16] = match endpoint.operation {
        Operation::OpenApi => &[403],
        Operation::Types => &[401, 403],
        Operation::Status => &[401, 403, 503],
        Operation::List | Operation::Get | Operation::History => &[400, 401, 403, 404, 503],
        Operation::Put => &[400, 401, 403, 404, 408, 409, 413, 415, 503],
        Operation::Withdraw => &[400, 401, 403, 404, 408, 409, 413, 415, 422, 503],
    };
    if let Some(members) = responses.as_object_mut() {
        for status in refusals {
            members.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
        }
        if endpoint.operation == Operation::Put {
            let none = "Không dòng nào được nhận · no object was taken";
            members.insert("422".to_owned(), answer(none, reference("ImportAnswer")));
        }
    }
    let mut told = json!({ "operationId": id, "summary": summary, "responses": responses });
    if let Some(members) = told.as_object_mut() {
        let parameters = parameters(endpoint, catalogue);
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), Json::from(parameters));
        }
        match endpoint.operation {
            Operation::Put => {
                let objects: Vec<Json> = catalogue.record_types().map(|t| reference(&t.name)).collect();
                let several =
                    json!({ "type": "array", "items": { "anyOf": objects }, "maxItems": OBJECTS_MAX });
                let schema = json!({ "anyOf": [{ "anyOf": objects }, several] });
                members.insert(
                    "requestBody".to_owned(),
                    json!({ "required": true, "content": content(schema) }),
                );
            }
            Operation::Withdraw => {
                let body = json!({ "required": true, "content": content(reference("Withdraw")) });
                members.insert("requestBody".to_owned(), body);
            }
            Operation::OpenApi => {
                members.insert("security".to_owned(), json!([]));
            }
            _ => {}
        }
    }
    told
}

fn parameters(endpoint: Endpoint, catalogue: &Catalogue) -> Vec<Json> {
    let mut found = Vec::new();
    let mut add = |place: &str, name: &str, schema: Json, description: &str| {
        let required = place == "path";
        found.push(json!({
            "name": name, "in": place, "required": required, "schema": schema, "description": description,
        }));
    };
    let text = || json!({ "type": "string" });
    let unit = || json!({ "type": "string", "pattern": UNIT_PATTERN });
    if endpoint.path.contains("{type}") {
        let names: Vec<&str> = catalogue.record_types().map(|declared| declared.name.as_str()).collect();
        add("path", "type", json!({ "type": "string", "enum": names }), "loại bản ghi · record type");
    }
    if endpoint.path.contains("{id}") {
        let said = "id, hoặc khóa: các phần cách nhau bởi |, mã hóa phần trăm · id, or the natural key, its parts set apart by |, percent-encoded";
        add("path", "id", text(), said);
        add("query", "unit", unit(), "đơn vị mà số thuộc về · the unit whose numbers are meant");
    }
    match endpoint.operation {
        Operation::List => {
            add("query", "search", text(), "các từ, không kể dấu · words, marks and case aside");
            add("query", "unit", unit(), "chỉ của đơn vị này · only this unit's");
            let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 100 });
            add("query", "limit", limit, "tối đa · how many");
            let id = json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" });
            add("query", "after", id, "`next` của trang trước · `next` of the page before");
            let all = json!({ "type": "boolean", "default": false });
            add("query", "all", all, "cả bản ghi đã thu hồi · withdrawn ones too");
        }
        Operation::Put => {
            add("header", "Accept-Language", text(), "en: thông báo tiếng Anh · messages in English");
        }
        _ => {}
    }
    found
}

fn schemas(catalogue: &Catalogue) -> Map<String, Json> {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let maybe = json!({ "type": ["string", "null"] });
    let finding =
        object(json!({ "row": count, "column": maybe, "value": maybe, "rule": text, "message": text }));
    let imported = json!({
        "file": text, "type": text, "rows": count, "created": count, "updated": count, "unchanged": count,
        "duplicates": count, "rejected": count, "skipped": count, "errors": list(finding.clone()), "warnings": list(finding),
    });
    let withdraw = json!({ "reason": { "type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX } });
    let status = json!({
        "version": text, "unit": text, "replica": text, "hub": text, "addresses": { "type": "object" },
        "state": { "type": "string", "enum": ["online", "offline", "regressed", "stopped"] },
        "log": object(json!({ "size": count, "root": text })), "acknowledged": count, "pending": count,
        "records": count, "quarantined": count, "last_sync": maybe,
    });
    let changed = object(json!({ "changed": { "type": "boolean" } }));
    let mut schemas = record_schemas(catalogue);
    for (name, schema) in [
        ("ImportAnswer", object(imported)),
        ("Withdraw", closed(object(withdraw))),
        ("WithdrawAnswer", json!({ "allOf": [reference("Record"), changed] })),
        ("Status", object(status)),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    for declared in catalogue.record_types() {
        schemas.insert(declared.name.clone(), schema::input(catalogue, declared));
    }
    schemas
}
