//! The switch of languages, kept in a cookie.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::guard::{LANGUAGE, set_cookie};
use super::super::trouble::Trouble;
use super::super::view::{View, go_to};

const YEAR_SECONDS: u32 = 365 * 24 * 3_600;

/// Keeps the choice and goes back.
pub(in super::super) async fn choose(
    view: View,
    Path(language): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    if !["vi", "en"].contains(&language.as_str()) {
        return Err(Trouble::of(StatusCode::NOT_FOUND));
    }
    let mut response = go_to(own_path(query.get("back").map_or("/", String::as_str)));
    set_cookie(&mut response, &view.site.cookie(LANGUAGE, &language, Some(YEAR_SECONDS)));
    Ok(response)
}

/// A path of this site, and nothing else: an address that leads elsewhere is not followed.
pub(in super::super) fn own_path(path: &str) -> &str {
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if own { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for own in ["/", "/units?q=pho+hien&page=2", "/units/11953"] {
            assert_eq!(own_path(own), own);
        }
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nSet-Cookie: x",
            "javascript:1",
        ] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
