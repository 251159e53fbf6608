//! Whom to call at a unit.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::super::trouble::Trouble;
use super::super::view::{Fields, View, go_to};
use super::unit::unit_of;
use crate::service::Request;
use crate::status::UnitStatus;

/// The form.
pub(in super::super) async fn page(view: View, Path(code): Path<String>) -> Result<Response, Trouble> {
    let unit = unit_of(&view, &code)?;
    let (name, phone) = unit.contact.clone().map(|contact| (contact.name, contact.phone)).unwrap_or_default();
    Ok(form(&view, &unit, StatusCode::OK, (&name, &phone), None))
}

fn form(
    view: &View,
    unit: &UnitStatus,
    status: StatusCode,
    (name, phone): (&str, &str),
    wrong: Option<&str>,
) -> Response {
    let title = format!("{} {}", view.t("Người liên hệ của", "Contact of"), unit.name);
    let main = html! {
        section.narrow {
            p.crumbs { a href={ "/units/" (unit.unit) } { (unit.name) } }
            h1 { (title) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stacked method="post" action={ "/units/" (unit.unit) "/contact" } {
                (view.csrf_field())
                label { span { (view.t("Họ tên", "Name")) }
                    input name="name" value=(name) maxlength="80" autocomplete="off"; }
                label { span { (view.t("Điện thoại", "Telephone")) }
                    input type="tel" name="phone" value=(phone) maxlength="30" autocomplete="off"; }
                p.quiet { (view.t("Để trống cả hai là xóa.", "Leave both empty to forget it.")) }
                button.main { (view.t("Lưu", "Save")) }
            }
        }
    };
    view.page_with(status, &title, &main)
}

/// Keeps it.
pub(in super::super) async fn set(
    view: View,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let unit = unit_of(&view, &code)?;
    let (name, phone) = (fields.text("name"), fields.text("phone"));
    let request = Request::UnitContact {
        unit: unit.unit.clone(),
        name: name.to_owned(),
        phone: phone.to_owned(),
        actor: String::new(),
    };
    match view.ask(request).await {
        Ok(_) => Ok(go_to(&format!("/units/{}", unit.unit))),
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let wrong = view.t(&trouble.what.0, &trouble.what.1);
            Ok(form(&view, &unit, trouble.status, (name, phone), Some(wrong)))
        }
        Err(trouble) => Err(trouble),
    }
}
