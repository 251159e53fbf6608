//! What every page has around it.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use lienthong_node::cli::Tongue;
use maud::{DOCTYPE, Markup, html};

use super::guard::drawn;
use super::trouble::Trouble;
use super::view::View;
use crate::rights;

/// The main pages: path, Vietnamese, English. Shown are those that exist and that the reader may see.
const NAVIGATION: [(&str, &str, &str); 11] = [
    ("/", "Tổng quan", "Overview"),
    ("/alerts", "Cảnh báo", "Alerts"),
    ("/units", "Đơn vị", "Units"),
    ("/records", "Bản ghi", "Records"),
    ("/conflicts", "Xung đột", "Conflicts"),
    ("/duplicates", "Trùng lặp", "Duplicates"),
    ("/quarantine", "Chờ xử lý", "Quarantine"),
    ("/quality", "Chất lượng", "Quality"),
    ("/sharing", "Chia sẻ", "Sharing"),
    ("/integrity", "Toàn vẹn", "Integrity"),
    ("/administration", "Quản trị", "Administration"),
];

impl View {
    /// A whole page.
    #[must_use]
    pub(super) fn page(&self, title: &str, main: &Markup) -> Response {
        self.page_with(StatusCode::OK, title, main)
    }

    /// A whole page of this status.
    #[must_use]
    pub(super) fn page_with(&self, status: StatusCode, title: &str, main: &Markup) -> Response {
        let assets = &self.site.assets;
        let whole = html! {
            (DOCTYPE)
            html lang=(self.t("vi", "en")) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · Liên Thông" }
                    link rel="icon" href=(assets.mark.address());
                    link rel="stylesheet" href=(assets.style.address());
                    script src=(assets.script.address()) defer {}
                }
                body {
                    a.skip href="#main" { (self.t("Tới nội dung", "Skip to content")) }
                    (self.header())
                    main id="main" tabindex="-1" { (main) }
                    (self.footer())
                }
            }
        };
        drawn((status, Html(whole.into_string())).into_response())
    }

    fn header(&self) -> Markup {
        html! {
            header.top {
                div.bar {
                    a.brand href="/" {
                        img src=(self.site.assets.mark.address()) alt="" width="28" height="28";
                        span { b { "Liên Thông" } small { (self.t("Đảng bộ tỉnh Hưng Yên", "Hưng Yên provincial Party organisation")) } }
                    }
                    div.who { (self.who()) (self.switch()) }
                }
                (self.navigation())
            }
        }
    }

    fn who(&self) -> Markup {
        match &self.visitor {
            Some(visitor) if visitor.is_in() => html! {
                a.name href="/account" title=(self.t("Tài khoản của bạn", "Your account")) { (visitor.name) }
                form method="post" action="/sign-out" {
                    (self.csrf_field())
                    button.plain { (self.t("Đăng xuất", "Sign out")) }
                }
            },
            _ if self.path.starts_with("/sign-in") => html! {},
            _ => html! { a href="/sign-in" { (self.t("Đăng nhập", "Sign in")) } },
        }
    }

    fn switch(&self) -> Markup {
        let (to, word) = if self.tongue == Tongue::Vi { ("en", "English") } else { ("vi", "Tiếng Việt") };
        let back: String = form_urlencoded::byte_serialize(self.path.as_bytes()).collect();
        html! { a.language href={ "/language/" (to) "?back=" (back) } lang=(to) hreflang=(to) { (word) } }
    }

    fn navigation(&self) -> Markup {
        let shown = |path: &str| rights::of_page("GET", path).is_some_and(|need| self.meets(need));
        let here = |path: &str| match path {
            "/" => self.path == "/" || self.path.starts_with("/?"),
            path => self
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])),
        };
        let pages: Vec<_> = NAVIGATION.into_iter().filter(|(path, ..)| shown(path)).collect();
        html! {
            @if pages.len() > 1 {
                nav aria-label=(self.t("Các trang", "Pages")) {
                    ul {
                        @for (path, vi, en) in pages {
                            li { a href=(path) aria-current=[here(path).then_some("page")] { (self.t(vi, en)) } }
                        }
                    }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                "Liên Thông " (env!("CARGO_PKG_VERSION"))
                @if self.meets(rights::Need::Glance) {
                    " · " (self.t("sổ cái", "ledger")) " " (self.number(self.site.hub.head().size)) " " (self.t("mục", "entries"))
                }
            }
        }
    }
}

/// The page that says what is the matter and what to do.
pub(super) fn trouble(view: &View, trouble: &Trouble) -> Response {
    let (what, cure) = (&trouble.what, &trouble.cure);
    let main = html! {
        section.trouble role="alert" {
            p.status { (trouble.status.as_u16()) }
            h1 { (view.t(&what.0, &what.1)) }
            p { (view.t(&cure.0, &cure.1)) }
            p { a href="/" { (view.t("Về trang tổng quan", "To the overview")) } }
        }
    };
    view.page_with(trouble.status, view.t(&what.0, &what.1), &main)
}
