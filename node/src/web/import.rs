//! A sheet taken in through the page: read first without writing, shown, then taken in.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, Path};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use parking_lot::Mutex;
use serde_json::Value as Json;

use super::form::Checked;
use super::granted::writes_nothing;
use super::import_page;
use super::receive::{Received, receive as read};
use super::refusal::Refusal;
use super::templates::XLSX;
use super::uploads::{Outcome, Stage, Upload};
use super::view::View;
use crate::capture::{self, Annotations, RowOutcome};
use crate::control::{Answer, Tell};
use crate::service::{RecordsRequest, Request, known_type};

/// A small file is done before anybody has to wait for another page.
const AT_ONCE: Duration = Duration::from_millis(1_500);
/// Findings listed on a page; the report has all.
const LISTED_MAX: usize = 200;

pub(super) async fn choose(view: View) -> Result<Html<String>, Refusal> {
    writes_nothing(&view)?;
    Ok(import_page::choose(&view))
}

/// Takes a file from the browser, finds out of which type it is, and reads it without writing.
pub(super) async fn receive(
    view: View,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Redirect, Refusal> {
    let form = form.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    let Received { upload, record_type } = read(&view, &headers, form).await?;
    let place = format!("/import/{}", upload.id);
    let found = match record_type {
        Some(name) => known_type(view.catalogue(), &name).map(|_| vec![name]).map_err(|no| Refusal::of(&no)),
        None => tokio::task::block_in_place(|| fitting(&view, &upload)),
    };
    let types = found.inspect_err(|_| view.web.page.uploads.forget(&upload.id))?;
    match types.as_slice() {
        [one] => work(&view, &upload, one.clone(), true).await,
        several => *upload.stage.lock() = Stage::Choosing(several.to_vec()),
    }
    Ok(Redirect::to(&place))
}

/// The types whose columns the file has, as the watched folder finds them.
fn fitting(view: &View, upload: &Upload) -> Result<Vec<String>, Refusal> {
    let found = capture::open(&upload.file).and_then(|source| capture::fitting(&source, view.catalogue()));
    found.map_err(|refusal| {
        let label = refusal.message();
        Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, format!("{} · {}", label.vi, label.en))
    })
}

pub(super) async fn show(view: View, Path(id): Path<String>) -> Result<Html<String>, Refusal> {
    let upload = found(&view, &id)?;
    let stage = upload.stage.lock().clone();
    Ok(match stage {
        Stage::Choosing(types) => import_page::choosing(&view, &upload, &types),
        Stage::Working { dry, done, of } => import_page::working(&view, &upload, dry, (done, of)),
        Stage::Done(outcome) => import_page::done(&view, &upload, &outcome),
    })
}

/// Takes a file in that was shown, reads it as another type, or lets go of it.
pub(super) async fn take(
    view: View,
    Path(id): Path<String>,
    Checked(fields): Checked,
) -> Result<Redirect, Refusal> {
    let upload = found(&view, &id)?;
    let stage = upload.stage.lock().clone();
    match (fields.get("do"), stage) {
        (Some("forget"), _) => {
            view.web.page.uploads.forget(&id);
            return Ok(Redirect::to("/import"));
        }
        (Some("read"), Stage::Choosing(_)) => {
            let name = fields.get("type").unwrap_or_default();
            known_type(view.catalogue(), name).map_err(|refusal| Refusal::of(&refusal))?;
            work(&view, &upload, name.to_owned(), true).await;
        }
        (Some("take"), Stage::Done(outcome)) if outcome.dry && !outcome.withheld => {
            work(&view, &upload, outcome.record_type, false).await;
        }
        _ => {}
    }
    Ok(Redirect::to(&format!("/import/{id}")))
}

pub(super) async fn report(view: View, Path(id): Path<String>) -> Result<Response, Refusal> {
    let upload = found(&view, &id)?;
    let bytes = tokio::fs::read(&upload.report).await.map_err(|_| Refusal::missing())?;
    let name = "attachment; filename=\"bao-cao.xlsx\"";
    Ok(([(CONTENT_TYPE, XLSX), (CONTENT_DISPOSITION, name)], bytes).into_response())
}

fn found(view: &View, id: &str) -> Result<Arc<Upload>, Refusal> {
    let text = "tệp không còn ở đây (chỉ giữ 30 phút): hãy gửi lại · the file is no longer here (it is kept for 30 minutes): send it again";
    let upload = view.web.page.uploads.of(id, &view.session.user);
    upload.ok_or_else(|| Refusal::new(axum::http::StatusCode::NOT_FOUND, text))
}

/// Reads a file in a task of its own; a small one is done when this returns.
async fn work(view: &View, upload: &Arc<Upload>, record_type: String, dry: bool) {
    if upload.begin(dry) {
        let working = tokio::spawn(worked(view.clone(), Arc::clone(upload), record_type, dry));
        let _ = tokio::time::timeout(AT_ONCE, working).await;
    }
}

async fn worked(view: View, upload: Arc<Upload>, record_type: String, dry: bool) {
    let Ok(_turn) = Arc::clone(&view.web.work).acquire_owned().await else { return };
    let annotations = Arc::new(Mutex::new((Annotations::default(), false)));
    let request = RecordsRequest::Import {
        path: upload.file.clone(),
        record_type: record_type.clone(),
        dry_run: dry,
        rows: true,
        author: view.session.user.clone(),
        english: view.tongue == super::view::Tongue::En,
    };
    let tell = teller(Arc::clone(&upload), Arc::clone(&annotations), dry);
    let answer = Arc::clone(&view.web.node).execute(Request::Records(request), tell).await;
    let outcome = tokio::task::block_in_place(|| {
        let mut noted = annotations.lock();
        let withheld = noted.1 || is_classified(&answer.body);
        noted.0.note_file(&answer.body);
        let report = written_report(&view, &upload, &record_type, &noted.0);
        if !dry || withheld {
            // Taken in, or not to be kept: either way nobody needs it any more.
            let _ = std::fs::remove_file(&upload.file);
        }
        Outcome { record_type, dry, report, withheld, unlisted: 0, body: answer.body.clone() }
    });
    *upload.stage.lock() = Stage::Done(Box::new(cut(outcome, &answer)));
}

/// Whether the file was refused whole for a mark of secrecy.
pub(super) fn is_classified(body: &Json) -> bool {
    let errors = body.get("errors").and_then(Json::as_array);
    let of_file = |found: &&Json| found.get("row").and_then(Json::as_u64) == Some(0);
    let mut rules = errors.into_iter().flatten().filter(of_file).filter_map(|found| found.get("rule"));
    rules.any(|rule| rule == "CLASSIFIED")
}

/// Hears how far the reading is, and what became of the rows.
fn teller(upload: Arc<Upload>, annotations: Arc<Mutex<(Annotations, bool)>>, dry: bool) -> Tell {
    Arc::new(move |mut said: Json| {
        if let Some(rows) = said.get_mut("rows") {
            let rows: Vec<RowOutcome> = serde_json::from_value(rows.take()).unwrap_or_default();
            let mut noted = annotations.lock();
            noted.1 |= rows.iter().any(|row| row.withheld);
            rows.iter().for_each(|row| noted.0.note(row));
        }
        if let Some(done) = said.get("done").and_then(Json::as_u64) {
            let of = said.get("of").and_then(Json::as_u64).unwrap_or(0);
            *upload.stage.lock() = Stage::Working { dry, done, of };
        }
    })
}

/// Whether the officer's sheet could be written with its added column.
fn written_report(view: &View, upload: &Upload, record_type: &str, annotations: &Annotations) -> bool {
    let Some(declared) = view.catalogue().record_type(record_type) else { return false };
    let language = view.tongue.language();
    let written = capture::annotate(&upload.file, declared, annotations, &upload.report, language);
    if let Err(error) = &written {
        tracing::warn!(%error, "the report of an import cannot be written");
    }
    written.is_ok()
}

/// Long lists are cut: the page shows a part, and the report has all.
fn cut(mut outcome: Outcome, answer: &Answer) -> Outcome {
    for list in ["errors", "warnings"] {
        let omitted = answer.body.get(format!("{list}_omitted")).and_then(Json::as_u64).unwrap_or(0);
        outcome.unlisted += usize::try_from(omitted).unwrap_or(usize::MAX);
        if let Some(found) = outcome.body.get_mut(list).and_then(Json::as_array_mut) {
            outcome.unlisted += found.len().saturating_sub(LISTED_MAX);
            found.truncate(LISTED_MAX);
            found.shrink_to_fit();
        }
    }
    outcome
}
