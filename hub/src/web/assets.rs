//! Style and script, in the program itself. Their names carry a hash of what they hold: browsers keep them for ever.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lienthong_proto::hash::sha256;

use super::trouble::Trouble;
use super::view::View;

/// One of them.
#[derive(Debug)]
pub(super) struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(sha256(&[text.as_bytes()]));
        Self { name: format!("{name}-{}.{ending}", hash.get(..16).unwrap_or_default()), kind, text }
    }

    /// Where pages find it.
    #[must_use]
    pub(super) fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Assets {
    /// How pages look.
    pub(super) style: Asset,
    /// What keeps them up to date.
    pub(super) script: Asset,
    /// The mark in a browser's tab.
    pub(super) mark: Asset,
}

impl Assets {
    pub(super) fn embedded() -> Self {
        Self {
            style: Asset::new("style", "css", "text/css; charset=utf-8", include_str!("style.css")),
            script: Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("live.js")),
            mark: Asset::new("mark", "svg", "image/svg+xml", include_str!("mark.svg")),
        }
    }
}

/// One asset by its name.
pub(super) async fn asset(view: View, Path(name): Path<String>) -> Result<Response, Trouble> {
    let Assets { style, script, mark } = &view.site.assets;
    let found = [style, script, mark].into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Trouble::of(StatusCode::NOT_FOUND))?;
    let mut response = asset.text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, for_ever);
    Ok(response)
}
