//! The description of the API, OpenAPI 3.1, made of the endpoints and the catalogue in force.

use lienthong_node::api::describe::{answer, closed, content, object, page, reference, refusal};
use lienthong_proto::catalogue::Catalogue;
use serde_json::{Map, Value as Json, json};

use super::endpoint::{Endpoint, Form, List, Member};
use super::given::{AFTER_MEMBER, LIMIT_MEMBER};
use super::refusal::KINDS;
use super::schemas::schemas;
use super::table::endpoints;
use super::{BASE, guard};

/// The whole document.
pub(super) fn document(catalogue: &Catalogue) -> Json {
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_lowercase(), operation(endpoint, catalogue));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Liên Thông: máy chủ tỉnh · hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Mỗi yêu cầu làm được đúng những gì tài khoản của mã được làm lúc đó. · Each request may do what the token’s account may do at that moment.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": BASE }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": format!("lienthong-hub api-token create NAME; the pages’ own scripts: the session cookie, and {} beside whatever is sent", guard::CSRF),
                },
            },
            "schemas": schemas(catalogue),
            "responses": { "Problem": refusal(&KINDS) },
        },
    })
}

fn operation(endpoint: &Endpoint, catalogue: &Catalogue) -> Json {
    let schema = reference(endpoint.answer);
    let schema = if endpoint.list.is_some() { page(schema) } else { schema };
    let mut responses = Map::from_iter([("200".to_owned(), answer(endpoint.about, schema))]);
    // What may be refused may be so in every way: a host, a token, a right, a value, what is not there, a full house.
    let common: &[u16] = if endpoint.action.is_some() { &[400, 401, 403, 404, 503] } else { &[403] };
    let sent: &[u16] = if endpoint.method == "POST" { &[408, 413, 415, 422] } else { &[] };
    for status in common.iter().chain(sent) {
        responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    let mut told = json!({ "operationId": endpoint.id, "summary": endpoint.about, "responses": responses });
    let Some(members) = told.as_object_mut() else { return told };
    let parameters = parameters(endpoint, catalogue);
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), parameters.into());
    }
    if endpoint.method == "POST" {
        let body = json!({ "required": true, "content": content(sent_schema(endpoint, catalogue)) });
        members.insert("requestBody".to_owned(), body);
    }
    if endpoint.action.is_none() {
        members.insert("security".to_owned(), json!([]));
    }
    told
}

fn parameters(endpoint: &Endpoint, catalogue: &Catalogue) -> Vec<Json> {
    let told = |place: &str, member: &Member| {
        json!({
            "name": member.name, "in": place, "required": member.required,
            "schema": member.form.schema(catalogue), "description": member.about,
        })
    };
    let mut found: Vec<Json> =
        endpoint.in_path.iter().map(|member| in_path(told("path", member), member)).collect();
    found.extend(endpoint.query.iter().map(|member| told("query", member)));
    let Some(List { sorts, filters, .. }) = endpoint.list else { return found };
    found.extend(filters.iter().chain(&[LIMIT_MEMBER, AFTER_MEMBER]).map(|member| told("query", member)));
    let both = sorts
        .iter()
        .map(|name| name.trim_start_matches('-'))
        .flat_map(|name| [name.to_owned(), format!("-{name}")]);
    let mut both: Vec<String> = both.collect();
    both.sort();
    both.dedup();
    found.push(json!({
        "name": "sort", "in": "query", "required": false,
        "schema": { "type": "string", "enum": both, "default": sorts.first() },
        "description": "thứ tự; - ở trước: giảm dần · the order; with - before it from the highest",
    }));
    found
}

/// An empty part of a path is another path.
fn in_path(mut told: Json, member: &Member) -> Json {
    if let (Form::Text(_), Some(schema)) = (member.form, told.get_mut("schema").and_then(Json::as_object_mut))
    {
        schema.insert("minLength".to_owned(), 1.into());
    }
    told
}

fn sent_schema(endpoint: &Endpoint, catalogue: &Catalogue) -> Json {
    let mut properties = Map::new();
    for member in endpoint.body {
        let mut schema = member.form.schema(catalogue);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), member.about.into());
        }
        properties.insert(member.name.to_owned(), schema);
    }
    let required: Vec<&str> =
        endpoint.body.iter().filter(|member| member.required).map(|member| member.name).collect();
    let mut schema = object(properties.into());
    if let Some(members) = schema.as_object_mut() {
        members.insert("required".to_owned(), required.into());
    }
    closed(schema)
}
