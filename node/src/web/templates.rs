//! Workbooks to fill in.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use super::refusal::Refusal;
use super::view::View;
use crate::capture::template;
use crate::service::known_type;

/// What a workbook is called on the wire.
pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(super) async fn template(view: View, Path(name): Path<String>) -> Result<Response, Refusal> {
    let name = name.strip_suffix(".xlsx").ok_or_else(Refusal::missing)?;
    let declared = known_type(view.catalogue(), name).map_err(|refusal| Refusal::of(&refusal))?;
    let place = view.web.page.uploads.scratch();
    let bytes = tokio::task::block_in_place(|| {
        let written = template::write(&place, declared, view.catalogue()).map_err(std::io::Error::other);
        let bytes = written.and_then(|()| std::fs::read(&place));
        let _ = std::fs::remove_file(&place);
        bytes
    });
    let bytes = bytes.map_err(|error| {
        tracing::error!(%error, "a template cannot be written");
        let text = "không tạo được tệp mẫu · the template cannot be written";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    // A type's name is of letters, digits and dashes below.
    let name = format!("attachment; filename=\"mau-{}.xlsx\"", declared.name);
    Ok(([(CONTENT_TYPE, XLSX.to_owned()), (CONTENT_DISPOSITION, name)], bytes).into_response())
}
