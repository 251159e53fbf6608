//! The routes: each is one question to the node, as the command line would put it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::handler::Handler;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, middleware};
use bytes::Bytes;
use lienthong_proto::ids::{RecordId, UnitCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::body::{body, parsed};
use super::guard::{Caller, guard};
use super::problem::{Kind, Problem};
use super::{Api, BODY_BYTES_MAX, OBJECTS_MAX, WORK_WAIT, schema};
use crate::control::Answer;
use crate::records::{LIMIT_MAX, Listing};
use crate::service::{RecordsRequest, Request};

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Types,
    Put,
    List,
    Get,
    History,
    Withdraw,
    Status,
    OpenApi,
}

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// GET, PUT or POST.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    pub(super) operation: Operation,
}

const fn endpoint(method: &'static str, path: &'static str, operation: Operation) -> Endpoint {
    Endpoint { method, path, operation }
}

const OPENAPI: &str = "/v1/openapi.json";

/// All of them: the router and the document are both made from this list.
pub const ENDPOINTS: [Endpoint; 8] = [
    endpoint("GET", "/v1/types", Operation::Types),
    endpoint("PUT", "/v1/records/{type}", Operation::Put),
    endpoint("GET", "/v1/records/{type}", Operation::List),
    endpoint("GET", "/v1/records/{type}/{id}", Operation::Get),
    endpoint("GET", "/v1/records/{type}/{id}/history", Operation::History),
    endpoint("POST", "/v1/records/{type}/{id}/withdraw", Operation::Withdraw),
    endpoint("GET", "/v1/status", Operation::Status),
    endpoint("GET", OPENAPI, Operation::OpenApi),
];

/// What needs no token: the description says nothing of any record.
pub(super) fn is_public(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && path == OPENAPI
}

/// The router over [`ENDPOINTS`].
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, method_router(endpoint));
    }
    let nowhere = async || Problem::new(Kind::NOT_FOUND, "xem /v1/openapi.json · see /v1/openapi.json");
    let otherwise = async || Problem::new(Kind::METHOD, "xem /v1/openapi.json · see /v1/openapi.json");
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(middleware::from_fn_with_state(Arc::clone(&api), guard))
        .with_state(api)
}

fn method_router(endpoint: Endpoint) -> MethodRouter<Arc<Api>> {
    fn to<T: 'static>(endpoint: Endpoint, handler: impl Handler<T, Arc<Api>>) -> MethodRouter<Arc<Api>> {
        let filter = match endpoint.method {
            "PUT" => MethodFilter::PUT,
            "POST" => MethodFilter::POST,
            _ => MethodFilter::GET,
        };
        on(filter, handler)
    }
    match endpoint.operation {
        Operation::Types => to(endpoint, types),
        Operation::Put => to(endpoint, put),
        Operation::List => to(endpoint, list),
        Operation::Get => to(endpoint, get),
        Operation::History => to(endpoint, history),
        Operation::Withdraw => to(endpoint, withdraw),
        Operation::Status => to(endpoint, status),
        Operation::OpenApi => to(endpoint, openapi),
    }
}

impl Api {
    /// Asks the node once it is this request's turn. `request` is made only then: what a body becomes is
    /// larger than the body.
    async fn ask(&self, request: impl FnOnce() -> Result<Request, Problem>) -> Result<Answer, Problem> {
        let busy = || Problem::new(Kind::BUSY, "hãy thử lại sau · try again");
        let turn = tokio::time::timeout(WORK_WAIT, self.work.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(Arc::clone(&self.node).execute(request()?, Arc::new(|_| {})).await)
    }

    async fn ask_records(&self, request: RecordsRequest) -> Result<Response, Problem> {
        let answer = self.ask(|| Ok(Request::Records(request))).await?;
        if answer.exit != 0 {
            return Err(Problem::of(&answer));
        }
        Ok(document(StatusCode::OK, answer.body.to_string()))
    }
}

fn document(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, json, Body::from(text.into())).into_response()
}

fn parameters<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(parameters)| parameters)
        .map_err(|rejection| Problem::new(Kind::BAD_REQUEST, rejection.body_text()))
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| {
        let said = rejection.body_text();
        let detail = format!("tham số không hợp lệ ({said}) · a parameter is not valid ({said})");
        Problem::new(Kind::BAD_REQUEST, detail)
    })
}

async fn types(State(api): State<Arc<Api>>) -> Response {
    let node = &api.node;
    let types = schema::types(node.replica.catalogue(), node.identity.unit());
    document(StatusCode::OK, types.to_string())
}

async fn openapi(State(api): State<Arc<Api>>) -> Response {
    document(StatusCode::OK, api.openapi.clone())
}

async fn status(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let answer = api.ask(|| Ok(Request::Status)).await?;
    Ok(document(StatusCode::OK, answer.body.to_string()))
}

/// 200 with the import's answer if any object was taken, 422 with it if none was.
async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let record_type = parameters(path)?;
    let bytes = body(&headers, content, BODY_BYTES_MAX).await?;
    let language = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let english = language.trim_start().starts_with("en");
    let request = || {
        let values = match parsed(&bytes)? {
            Json::Array(values) => values,
            object @ Json::Object(_) => vec![object],
            _ => {
                let detail =
                    "cần một đối tượng hoặc một mảng đối tượng · one object or an array of objects is needed";
                return Err(Problem::new(Kind::BAD_REQUEST, detail));
            }
        };
        if values.len() > OBJECTS_MAX {
            let detail =
                format!("tối đa {OBJECTS_MAX} đối tượng một lần · at most {OBJECTS_MAX} objects at once");
            return Err(Problem::new(Kind::TOO_LARGE, detail));
        }
        let author = caller.author();
        Ok(Request::Records(RecordsRequest::Put { values, record_type, author, english }))
    };
    let answer = api.ask(request).await?;
    let count = |name: &str| answer.body.get(name).and_then(Json::as_u64);
    let (Some(rows), Some(rejected)) = (count("rows"), count("rejected")) else {
        return Err(Problem::of(&answer));
    };
    if answer.body.get("error").is_some() {
        // Some may have been written: the answer says how many.
        return Err(Problem::of(&answer).with("answer", answer.body));
    }
    let none = rows > 0 && rejected == rows;
    let status = if none { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(document(status, answer.body.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    search: Option<String>,
    unit: Option<UnitCode>,
    limit: Option<usize>,
    after: Option<RecordId>,
    #[serde(default)]
    all: bool,
}

async fn list(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let (record_type, asked) = (parameters(path)?, query(asked)?);
    let ListQuery { search, unit, limit, after, all } = asked;
    if limit.is_some_and(|limit| limit == 0 || limit > LIMIT_MAX) {
        let detail = format!("limit phải từ 1 đến {LIMIT_MAX} · limit must be 1 to {LIMIT_MAX}");
        return Err(Problem::new(Kind::BAD_REQUEST, detail));
    }
    let listing = Listing { search, unit, limit, after, all, shared: false, tree: None };
    api.ask_records(RecordsRequest::List { record_type, listing }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitQuery {
    unit: Option<UnitCode>,
}

type RecordPath = Result<Path<(String, String)>, PathRejection>;

async fn get(
    State(api): State<Arc<Api>>,
    path: RecordPath,
    asked: Result<Query<UnitQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let ((record_type, id), UnitQuery { unit }) = (parameters(path)?, query(asked)?);
    api.ask_records(RecordsRequest::Get { record_type, id, unit }).await
}

async fn history(
    State(api): State<Arc<Api>>,
    path: RecordPath,
    asked: Result<Query<UnitQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let ((record_type, id), UnitQuery { unit }) = (parameters(path)?, query(asked)?);
    api.ask_records(RecordsRequest::History { record_type, id, unit }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithdrawBody {
    reason: String,
}

async fn withdraw(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    path: RecordPath,
    asked: Result<Query<UnitQuery>, QueryRejection>,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let ((record_type, id), UnitQuery { unit }) = (parameters(path)?, query(asked)?);
    let bytes = body(&headers, content, BODY_BYTES_MAX).await?;
    let WithdrawBody { reason } = serde_json::from_value(parsed(&bytes)?).map_err(|_| {
        let example = json!({ "reason": "…" });
        Problem::new(Kind::BAD_REQUEST, format!("cần {example} · {example} is needed"))
    })?;
    let author = caller.author();
    api.ask_records(RecordsRequest::Withdraw { record_type, id, unit, reason, author }).await
}
