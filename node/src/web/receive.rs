//! A file as a browser sends it: read piece by piece into a private place, and no further than allowed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Multipart;
use axum::extract::multipart::Field;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use tokio::io::AsyncWriteExt as _;

use super::refusal::Refusal;
use super::uploads::{HOLD, Upload};
use super::view::View;

/// A file whose next piece does not come for so long is given up.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// What stands around a file in a request.
const AROUND_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a form's other fields.
const FIELD_BYTES_MAX: usize = 1_024;
/// Parts of a form.
const PARTS_MAX: usize = 8;

/// What was sent.
pub(super) struct Received {
    pub(super) upload: Arc<Upload>,
    /// The type chosen; nothing if the headers are to decide.
    pub(super) record_type: Option<String>,
}

/// Reads the form of a file. The session's token stands before the file, so that nobody else's is read at all.
pub(super) async fn receive(
    view: &View,
    headers: &HeaderMap,
    mut form: Multipart,
) -> Result<Received, Refusal> {
    let most = view.web.page.limits.upload_bytes_max;
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > most + AROUND_BYTES_MAX) {
        return Err(too_large(most));
    }
    let (mut checked, mut record_type) = (false, None);
    for _ in 0..PARTS_MAX {
        let next = tokio::time::timeout(PIECE_TIMEOUT, form.next_field());
        let Some(field) = next.await.map_err(|_| late())?.map_err(|_| broken())? else { break };
        match field.name().unwrap_or_default() {
            "csrf" => {
                view.check(Some(text(field).await?.as_str()))?;
                checked = true;
            }
            "type" => record_type = Some(text(field).await?).filter(|name| !name.is_empty()),
            "file" => {
                if !checked {
                    view.check(None)?;
                }
                let upload = keep(view, field, most).await?;
                return Ok(Received { upload, record_type });
            }
            _ => drop(text(field).await?),
        }
    }
    let text = "chưa chọn tệp nào · no file was chosen";
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text))
}

async fn keep(view: &View, mut field: Field<'_>, most: u64) -> Result<Arc<Upload>, Refusal> {
    let name = field.file_name().unwrap_or_default().to_owned();
    if name.is_empty() {
        let text = "chưa chọn tệp nào · no file was chosen";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let page = &view.web.page;
    let begun =
        page.uploads.begin(&view.session.user, &name, view.web.node.now()).map_err(|error| unkept(&error))?;
    let Some((upload, file)) = begun else {
        let text = "đang nhập những tệp khác: hãy chờ rồi gửi lại · other files are being taken in: wait, then send it again";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    let written = write(&mut field, file, most).await;
    if let Err(refusal) = written {
        page.uploads.forget(&upload.id);
        return Err(refusal);
    }
    let (page, id) = (Arc::clone(page), upload.id.clone());
    tokio::spawn(async move {
        tokio::time::sleep(HOLD).await;
        page.uploads.forget(&id);
    });
    Ok(upload)
}

async fn write(field: &mut Field<'_>, file: std::fs::File, most: u64) -> Result<(), Refusal> {
    let (mut file, mut bytes) = (tokio::fs::File::from_std(file), 0_u64);
    loop {
        let next = tokio::time::timeout(PIECE_TIMEOUT, field.chunk());
        let Some(piece) = next.await.map_err(|_| late())?.map_err(|_| broken())? else { break };
        bytes += piece.len() as u64;
        if bytes > most {
            return Err(too_large(most));
        }
        file.write_all(&piece).await.map_err(|error| unkept(&error))?;
    }
    file.flush().await.map_err(|error| unkept(&error))
}

async fn text(mut field: Field<'_>) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    loop {
        let next = tokio::time::timeout(PIECE_TIMEOUT, field.chunk());
        let Some(piece) = next.await.map_err(|_| late())?.map_err(|_| broken())? else { break };
        bytes.extend_from_slice(&piece);
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(broken());
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

fn too_large(most: u64) -> Refusal {
    let most = most / 1_024;
    let text = format!(
        "tệp lớn hơn {most} KiB: hãy chia nhỏ, hoặc đặt vào thư mục nhận tệp · the file is larger than {most} KiB: divide it, or lay it into the watched folder"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn late() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "gửi quá lâu: hãy thử lại · it took too long: try again")
}

fn broken() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "tệp gửi lên không trọn vẹn: hãy gửi lại · the file did not arrive whole: send it again",
    )
}

fn unkept(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "a file sent to the page cannot be kept");
    let text = "máy không cất được tệp: kiểm tra dung lượng ổ đĩa · the file cannot be kept: look at the disk’s space";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
}
