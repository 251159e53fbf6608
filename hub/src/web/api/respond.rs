//! One request, from its head to its answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use lienthong_node::api::{Kind, Problem, body, parsed, types};
use serde_json::Value as Json;

use super::endpoint::{Does, Endpoint};
use super::given::Given;
use super::guard::{Caller, caller, is_for_us};
use super::refusal::refusal;
use super::{Api, BODY_BYTES_MAX, WORK_WAIT};
use crate::rights;
use crate::service;
use crate::web::guard::harden;

/// What is missing where no endpoint is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missing {
    /// The path.
    Path,
    /// The method of a path.
    Method,
}

impl Api {
    pub(super) async fn answer(
        &self,
        endpoint: Option<&'static Endpoint>,
        missing: Missing,
        request: Request,
    ) -> Response {
        let method = request.method().clone();
        let answered = self.respond(endpoint, missing, request).await;
        let mut response = answered.unwrap_or_else(Problem::into_response);
        harden(&self.site, &mut response);
        // The route, never the path: a path names a record.
        let (route, status) = (endpoint.map_or("none", |endpoint| endpoint.path), response.status().as_u16());
        tracing::debug!(%method, route, status, "answered");
        response
    }

    async fn respond(
        &self,
        endpoint: Option<&'static Endpoint>,
        missing: Missing,
        request: Request,
    ) -> Result<Response, Problem> {
        let (mut parts, content) = request.into_parts();
        is_for_us(&self.site, &parts)?;
        if endpoint.is_some_and(|endpoint| endpoint.action.is_none()) {
            return Ok(document(self.openapi.clone()));
        }
        let caller = caller(&self.site, &parts)?;
        let Some(endpoint) = endpoint else {
            let kind = match missing {
                Missing::Path => Kind::NOT_FOUND,
                Missing::Method => Kind::METHOD,
            };
            let detail = "xem /api/v1/openapi.json · see /api/v1/openapi.json";
            return Err(Problem::new(kind, detail));
        };
        let right = endpoint.action.and_then(rights::of_request).filter(|right| caller.may(*right));
        right.ok_or_else(|| forbidden(endpoint))?;
        let sent = if parts.method == Method::POST { Some(sent(&parts, content).await?) } else { None };
        let path = in_path(endpoint, &mut parts).await?;
        let path = path.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let query = parts.uri.query().unwrap_or_default();
        let given = Given::read(endpoint, &self.site.hub.catalogue, path, query, sent)?;
        self.done(endpoint, &given, &caller).await
    }

    async fn done(
        &self,
        endpoint: &'static Endpoint,
        given: &Given,
        caller: &Caller,
    ) -> Result<Response, Problem> {
        let request = match endpoint.does {
            Does::Document => return Ok(document(self.openapi.clone())),
            Does::Types => {
                let hub = &self.site.hub;
                let types = types(&hub.catalogue, &hub.secrets.profile.province);
                return Ok(document(types.to_string()));
            }
            Does::Ask(request) => request(given)?,
        };
        let selection = given.selection(endpoint)?;
        let mut body = self.ask(endpoint, request, caller).await?;
        if let (Some(selection), Some(list)) = (selection, endpoint.list) {
            let items = body.get_mut(list.items).map(Json::take);
            let items = if let Some(Json::Array(items)) = items { items } else { Vec::new() };
            body = selection.of(items);
        }
        Ok(document(body.to_string()))
    }

    /// Asks the hub as the caller once it is this request's turn.
    async fn ask(
        &self,
        endpoint: &Endpoint,
        mut request: service::Request,
        caller: &Caller,
    ) -> Result<Json, Problem> {
        // The table's row of what is really asked decides.
        if !request.right().is_some_and(|right| caller.may(right)) {
            return Err(forbidden(endpoint));
        }
        request.act_as(&caller.name);
        let busy = || Problem::new(Kind::BUSY, "hãy thử lại sau · try again");
        let turn = tokio::time::timeout(WORK_WAIT, self.work.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let answer = Arc::clone(&self.site.hub).execute(request, Arc::new(|_| {})).await;
        if answer.exit == 1 { Err(refusal(&answer)) } else { Ok(answer.body) }
    }
}

fn forbidden(endpoint: &Endpoint) -> Problem {
    let detail = "nhờ người quản trị cấp tài khoản có vai trò phù hợp · ask an administrator for an account with the right role";
    Problem::new(Kind::FORBIDDEN, detail).with("action", endpoint.action)
}

/// What stands in the braces of the path.
async fn in_path(endpoint: &Endpoint, parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    if endpoint.in_path.is_empty() {
        return Ok(Vec::new());
    }
    let found = RawPathParams::from_request_parts(parts, &()).await;
    let found = found.map_err(|rejection| Problem::new(Kind::BAD_REQUEST, rejection.body_text()))?;
    Ok(found.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
}

/// The members of a body, which must be an object.
async fn sent(parts: &Parts, content: Body) -> Result<serde_json::Map<String, Json>, Problem> {
    let bytes = body(&parts.headers, content, BODY_BYTES_MAX).await?;
    match parsed(&bytes)? {
        Json::Object(members) => Ok(members),
        _ => Err(Problem::new(Kind::BAD_REQUEST, "cần một đối tượng JSON · a JSON object is needed")),
    }
}

fn document(text: impl Into<Bytes>) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (json, Body::from(text.into())).into_response()
}
