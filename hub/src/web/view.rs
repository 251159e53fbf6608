//! Who looks at a page, in which language, and what they may do there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use lienthong_node::cli::Tongue;
use lienthong_node::control::Answer;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};

use super::format;
use super::session::Stage;
use super::shown::Units;
use super::site::Site;
use super::trouble::{Trouble, both};
use crate::accounts::AccountRole;
use crate::rights::{self, Need, Right};
use crate::service::Request;

/// One who has given a password.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The account's name.
    pub(super) name: String,
    /// What it is for, as of this request.
    pub(super) roles: Vec<AccountRole>,
    /// How far the sign-in has come.
    pub(super) stage: Stage,
    pub(super) csrf: String,
    pub(super) cookie: String,
}

impl Visitor {
    /// Signed in, and may do that.
    #[must_use]
    pub(super) fn may(&self, right: Right) -> bool {
        self.is_in() && self.roles.iter().any(|role| role.may(right))
    }

    /// Nothing of the sign-in is left to do.
    #[must_use]
    pub(super) fn is_in(&self) -> bool {
        matches!(self.stage, Stage::In(_))
    }
}

/// A page's reader; made by the guard.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// What all pages share.
    pub(super) site: Arc<Site>,
    /// The reader's language.
    pub(super) tongue: Tongue,
    /// What was asked for: path and query.
    pub(super) path: String,
    /// Who, if anybody has given a password.
    pub(super) visitor: Option<Visitor>,
    /// From where.
    pub(super) address: IpAddr,
    /// What forms carry.
    pub(super) csrf: String,
    /// May look around without a sign-in.
    pub(super) glances: bool,
    /// The units of the day, once somebody asked for them.
    pub(super) units: Units,
}

impl View {
    /// The time.
    #[must_use]
    pub(super) fn now(&self) -> UnixMillis {
        self.site.hub.now()
    }

    /// One of two texts.
    #[must_use]
    pub(super) fn t<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        self.tongue.pick(vi, en)
    }

    /// The reader's half of a message `vi · en`.
    #[must_use]
    pub(super) fn half<'a>(&self, message: &'a str) -> &'a str {
        message.split_once(" · ").map_or(message, |(vi, en)| self.t(vi, en))
    }

    /// A number.
    #[must_use]
    pub(super) fn number(&self, value: u64) -> String {
        format::number(value, self.tongue)
    }

    /// An instant, and how long ago it was; a dash if there is none.
    #[must_use]
    pub(super) fn time(&self, at: Option<UnixMillis>) -> Markup {
        match at {
            Some(at) => format::time(at, self.now(), self.tongue),
            None => html! { "–" },
        }
    }

    /// Whether the reader is signed in and may do that.
    #[must_use]
    pub(super) fn may(&self, right: Right) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.may(right))
    }

    /// Whether a need is met.
    #[must_use]
    pub(super) fn meets(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Glance | Need::Machine => self.glances || self.may(Right::Read),
            Need::Halfway => self.visitor.as_ref().is_some_and(|visitor| !visitor.is_in()),
            Need::Account => self.visitor.as_ref().is_some_and(Visitor::is_in),
            Need::Right(right) => self.may(right),
        }
    }

    /// A link, where there is such a page and the reader may see it or can sign in for it; the bare text elsewhere.
    /// `route` is the page as [`rights::PAGES`] has it, `address` the very one.
    #[must_use]
    pub(super) fn link(&self, route: &str, address: &str, text: &Markup) -> Markup {
        let open =
            rights::of_page("GET", route).is_some_and(|need| self.visitor.is_none() || self.meets(need));
        if open {
            html! { a href=(address) { (text) } }
        } else {
            text.clone()
        }
    }

    /// What every form that changes something must hold.
    #[must_use]
    pub(super) fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }

    /// Does what is asked as the account that is signed in, if that may; the guard has looked at the page's right,
    /// this looks at the request's.
    ///
    /// # Errors
    /// [`Trouble`] with what the hub says.
    pub(super) async fn ask(&self, mut request: Request) -> Result<Answer, Trouble> {
        let visitor = self.visitor.as_ref().ok_or_else(|| Trouble::of(StatusCode::FORBIDDEN))?;
        if !request.right().is_some_and(|right| visitor.may(right)) {
            return Err(denied());
        }
        request.act_as(&visitor.name);
        let answer = Arc::clone(&self.site.hub).execute(request, Arc::new(|_| {})).await;
        if answer.exit == 1 {
            let said = |name: &str| answer.body.get(name).and_then(|said| said.as_str()).unwrap_or_default();
            return Err(Trouble::refused(said("error"), said("rule")));
        }
        Ok(answer)
    }
}

/// The account's roles do not reach so far.
#[must_use]
pub(super) fn denied() -> Trouble {
    let what = both("Tài khoản của bạn không có quyền này.", "Your account may not do this.");
    let cure = both(
        "Nếu cần, nhờ người quản trị cấp một tài khoản có vai trò phù hợp.",
        "If you need it, ask an administrator for an account with the right role.",
    );
    Trouble::new(StatusCode::FORBIDDEN, what, cure)
}

/// Goes to another page after something was done.
#[must_use]
pub(super) fn go_to(address: &str) -> Response {
    Redirect::to(address).into_response()
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Trouble::internal(&"a page without its guard"))
    }
}

/// The fields of a form that was sent, its token looked at already.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub(super) BTreeMap<String, String>);

impl Fields {
    /// A field without the space around it; empty if it is not there.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field as it was typed: passwords.
    #[must_use]
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Trouble::of(StatusCode::BAD_REQUEST))
    }
}
