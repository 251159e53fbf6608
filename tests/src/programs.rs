//! A program at the hub's API, and the API's own description of what it answers.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot ask has failed"
)]

use lienthong_hub::web::api::BASE;
use serde_json::{Value as Json, json};

use crate::browsing::{Reader, Reply};

/// One program at the API.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its connection.
    pub reader: Reader,
    /// What it presents.
    pub token: Option<String>,
}

/// The kind of a problem, which must be well formed and in both languages.
#[must_use]
pub fn problem(reply: &Reply) -> String {
    let body = json_of(reply);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{reply:?}");
    assert_eq!(body["status"], reply.status, "{reply:?}");
    for text in ["title", "detail"] {
        assert!(body[text].as_str().unwrap().contains(" · "), "{reply:?}");
    }
    body["type"].as_str().unwrap().strip_prefix("urn:lienthong:problem:").unwrap().to_owned()
}

/// The document of an answer.
#[must_use]
pub fn json_of(reply: &Reply) -> Json {
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}

impl Client {
    /// Another with another token.
    #[must_use]
    pub fn with(&self, token: Option<&str>) -> Self {
        Self { reader: self.reader.clone(), token: token.map(str::to_owned) }
    }

    /// Asks with these lines and this body.
    pub async fn send(&self, method: &str, path: &str, lines: &[(&str, &str)], body: &str) -> Reply {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let bearer = bearer.as_deref().map(|bearer| ("Authorization", bearer));
        let lines: Vec<(&str, &str)> = bearer.into_iter().chain(lines.iter().copied()).collect();
        self.reader.clone().send(method, &format!("{BASE}{path}"), &lines, body).await
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Reads what must be there.
    pub async fn read(&self, path: &str) -> Json {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        json_of(&reply)
    }

    /// Acts.
    pub async fn post(&self, path: &str, body: &Json) -> Reply {
        self.send("POST", path, &[SENT], &body.to_string()).await
    }
}

/// What a body is.
pub const SENT: (&str, &str) = ("Content-Type", "application/json");

/// The API's own description, strict: what it does not name may not be there.
#[derive(Debug)]
pub struct Description {
    document: Json,
}

fn strict(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.values_mut().for_each(strict);
            if members.get("properties").is_some_and(Json::is_object) {
                members.entry("additionalProperties").or_insert(false.into());
            }
        }
        Json::Array(values) => values.iter_mut().for_each(strict),
        _ => {}
    }
}

impl Description {
    /// As the hub tells it.
    pub async fn of(client: &Client) -> Self {
        let mut document = client.with(None).read("/openapi.json").await;
        strict(&mut document["components"]["schemas"]);
        Self { document }
    }

    /// Fails unless this is what the description says of that answer.
    pub fn judge(&self, method: &str, path: &str, answer: &Json) {
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let mut schema = operation["responses"]["200"]["content"]["application/json"]["schema"].clone();
        assert!(schema.is_object(), "{method} {path} is described");
        strict(&mut schema);
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(answer)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}\n{answer:#}");
    }
}
