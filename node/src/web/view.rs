//! Whom a page is for, and what is around every page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Html;
use lienthong_proto::catalogue::{Catalogue, Label};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value as Json;

use super::Web;
use super::guard::{ICON, LANGUAGE, SCRIPT, STYLE};
use super::refusal::Refusal;
use super::sessions::Session;
use crate::capture::Language;
use crate::control::Answer;
use crate::service::{RecordsRequest, Request};

/// The language a page is read in: Vietnamese, unless its reader switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tongue {
    #[default]
    Vi,
    En,
}

impl Tongue {
    pub(super) fn of(cookie: Option<&str>) -> Self {
        if cookie == Some("en") { Self::En } else { Self::Vi }
    }

    pub(super) fn code(self) -> &'static str {
        if self == Self::En { "en" } else { "vi" }
    }

    pub(super) fn t<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        if self == Self::En { en } else { vi }
    }

    /// Its half of a text written `vi · en`.
    pub(super) fn half(self, text: &str) -> &str {
        text.split_once(" · ").map_or(text, |(vi, en)| self.t(vi, en))
    }

    pub(super) fn label(self, label: &Label) -> &str {
        self.t(&label.vi, &label.en)
    }

    pub(super) fn language(self) -> Language {
        if self == Self::En { Language::En } else { Language::Vi }
    }
}

/// The reader of a page.
#[derive(Clone)]
pub(super) struct View {
    pub(super) web: Arc<Web>,
    pub(super) session: Session,
    pub(super) tongue: Tongue,
    /// Where the reader is.
    pub(super) back: String,
}

/// The parts of the page, in the order people need them.
const PARTS: [(&str, &str, &str); 5] = [
    ("/", "Bắt đầu", "Start"),
    ("/import", "Nhập bảng", "Import"),
    ("/defects", "Cần sửa", "To mend"),
    ("/records", "Bản ghi", "Records"),
    ("/notices", "Tỉnh báo", "Notices"),
];

/// Those of them that an agency's node has.
const OF_AGENCIES: [&str; 3] = ["/", "/records", "/notices"];

impl View {
    pub(super) fn t<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        self.tongue.t(vi, en)
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        self.web.node.replica.catalogue()
    }

    /// Whether this is an agency's node, which shows what it is granted and writes nothing.
    pub(super) fn is_agency(&self) -> bool {
        self.web.node.granted.is_some()
    }

    /// Asks the node; what it refuses is a page of its own.
    pub(super) async fn ask(&self, request: Request) -> Result<Json, Refusal> {
        let answer = self.answer(request).await;
        if answer.exit == 0 { Ok(answer.body) } else { Err(Refusal::of(&answer)) }
    }

    pub(super) async fn ask_records(&self, request: RecordsRequest) -> Result<Json, Refusal> {
        self.ask(Request::Records(request)).await
    }

    /// Asks the node, whatever it answers.
    pub(super) async fn answer(&self, request: Request) -> Answer {
        Arc::clone(&self.web.node).execute(request, Arc::new(|_| {})).await
    }

    /// Whether a form is of this session.
    pub(super) fn check(&self, csrf: Option<&str>) -> Result<(), Refusal> {
        if csrf.is_some_and(|csrf| self.session.owns(csrf)) {
            return Ok(());
        }
        let text = "biểu mẫu đã cũ: hãy tải lại trang rồi gửi lại · the form is out of date: load the page again and send it again";
        Err(Refusal::new(StatusCode::FORBIDDEN, text))
    }

    /// What every form carries.
    pub(super) fn csrf(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.session.csrf); }
    }

    /// A page of the part `part`.
    pub(super) fn page(&self, part: &str, title: &str, body: &Markup) -> Html<String> {
        self.page_again(part, title, None, body)
    }

    /// The same, looked at again after some seconds.
    pub(super) fn page_again(
        &self,
        part: &str,
        title: &str,
        again: Option<u32>,
        body: &Markup,
    ) -> Html<String> {
        let unit = &self.web.node.identity.profile().unit_name;
        let nav = html! {
            a.skip href="#main" { (self.t("Đến nội dung", "To the content")) }
            header {
                div.brand { b { "Liên Thông" } span { (unit) } }
                nav aria-label=(self.t("Các phần", "Parts")) {
                    @for (path, vi, en) in PARTS.iter().filter(|(path, ..)| !self.is_agency() || OF_AGENCIES.contains(path)) {
                        a href=(path) aria-current=[(*path == part).then_some("page")] { (self.t(vi, en)) }
                    }
                }
                div.who {
                    (language_form(self.tongue, &self.back))
                    form method="post" action="/sign-out" {
                        (self.csrf())
                        span.user { (self.session.user) }
                        button.quiet { (self.t("Thoát", "Sign out")) }
                    }
                }
            }
        };
        framed(
            self.tongue,
            title,
            again,
            &html! { (nav) main id="main" tabindex="-1" { h1 { (title) } (body) } },
        )
    }

    pub(super) fn refused(&self, refusal: &Refusal) -> Html<String> {
        let title = self.t("Không làm được", "That cannot be done");
        let body = html! {
            p.note.bad role="alert" { (sentence(self.tongue.half(&refusal.text))) }
            p { a href="/" { (self.t("Về trang bắt đầu", "To the start page")) } }
        };
        self.page("", title, &body)
    }
}

impl FromRequestParts<Arc<Web>> for View {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Refusal> {
        // The guard lets nobody pass without a session but to the few paths that take no reader.
        parts.extensions.get::<Self>().cloned().ok_or_else(Refusal::missing)
    }
}

/// A page for somebody who has no session.
pub(super) fn outside(tongue: Tongue, title: &str, body: &Markup) -> Html<String> {
    let page = html! {
        header { div.brand { b { "Liên Thông" } } div.who { (language_form(tongue, "/")) } }
        main id="main" { h1 { (title) } (body) }
    };
    framed(tongue, title, None, &page)
}

/// One sentence as a page.
pub(super) fn plain(tongue: Tongue, text: &str) -> Html<String> {
    let body = html! { p.note.bad role="alert" { (sentence(text)) } };
    outside(tongue, tongue.t("Không làm được", "That cannot be done"), &body)
}

fn language_form(tongue: Tongue, back: &str) -> Markup {
    let (to, label) = if tongue == Tongue::Vi { ("en", "English") } else { ("vi", "Tiếng Việt") };
    html! {
        form method="post" action=(LANGUAGE) {
            input type="hidden" name="back" value=(back);
            button.quiet name="to" value=(to) lang=(to) { (label) }
        }
    }
}

fn framed(tongue: Tongue, title: &str, again: Option<u32>, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang=(tongue.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = again { meta http-equiv="refresh" content=(seconds); }
                title { (title) " · Liên Thông" }
                link rel="stylesheet" href=(STYLE);
                link rel="icon" href=(ICON);
                script src=(SCRIPT) defer {}
            }
            body { (body) }
        }
    };
    Html(page.into_string())
}

/// With a capital where a sentence begins: refusals begin in small letters, as they follow a command's name elsewhere.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
