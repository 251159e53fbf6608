//! Taking a unit's enrolment back: with a reason, and its code typed once more.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::super::trouble::Trouble;
use super::super::view::{Fields, View, go_to};
use super::unit::unit_of;
use crate::pki::Enrolled;
use crate::service::Request;
use crate::status::UnitStatus;

/// The question.
pub(in super::super) async fn page(view: View, Path(code): Path<String>) -> Result<Response, Trouble> {
    let unit = unit_of(&view, &code)?;
    Ok(asked(&view, &unit, StatusCode::OK, &Fields::default(), None))
}

fn asked(
    view: &View,
    unit: &UnitStatus,
    status: StatusCode,
    fields: &Fields,
    wrong: Option<&str>,
) -> Response {
    let title = format!("{} {}", view.t("Thu hồi quyền của", "Revoke"), unit.name);
    let all = view.site.hub.registry.list();
    let active: Vec<&Enrolled> =
        all.iter().filter(|entry| entry.unit == unit.unit && entry.is_active()).collect();
    let main = html! {
        section.narrow {
            p.crumbs { a href={ "/units/" (unit.unit) } { (unit.name) } }
            h1 { (title) }
            @if active.is_empty() {
                p { (view.t("Đơn vị này không có máy nào đang dùng.", "This unit has no machine in use.")) }
            } @else {
                p {
                    (view.t("Có hiệu lực ngay, cả với đường truyền đang mở. Dữ liệu đã nhận vẫn còn. Muốn dùng lại phải ghi danh mới.",
                        "It takes effect at once, on open lines too. What was received stays. To come back the unit enrols anew."))
                }
                @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
                form.stacked method="post" action={ "/units/" (unit.unit) "/revoke" } {
                    (view.csrf_field())
                    fieldset {
                        legend { (view.t("Máy nào", "Which machine")) }
                        label.choice { input type="radio" name="whom" value=(unit.unit) checked; span { (view.t("tất cả", "all of them")) } }
                        @for entry in &active {
                            label.choice { input type="radio" name="whom" value=(entry.replica); code { (entry.replica) } }
                        }
                    }
                    label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                        textarea name="reason" required rows="3" maxlength="500" { (fields.text("reason")) } }
                    label { span { (view.t("Gõ lại mã đơn vị để xác nhận: ", "Type the unit's code to confirm: ")) b { (unit.unit) } }
                        input name="confirm" required autocomplete="off" value=(fields.text("confirm")); }
                    button.main.danger { (view.t("Thu hồi", "Revoke")) }
                }
            }
        }
    };
    view.page_with(status, &title, &main)
}

/// Does it.
pub(in super::super) async fn revoke(
    view: View,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let unit = unit_of(&view, &code)?;
    let (whom, reason) = (fields.text("whom"), fields.text("reason"));
    let own = whom == unit.unit.as_str() || unit.replicas.iter().any(|replica| replica.to_string() == whom);
    let wrong = if reason.is_empty() {
        Some(view.t("Phải ghi lý do.", "A reason is needed."))
    } else if fields.text("confirm") != unit.unit.as_str() {
        Some(view.t("Mã đơn vị gõ lại không khớp.", "The code typed again is another one."))
    } else if !own {
        Some(view.t("Chọn máy của đơn vị này.", "Choose a machine of this unit."))
    } else {
        None
    };
    if let Some(wrong) = wrong {
        return Ok(asked(&view, &unit, StatusCode::UNPROCESSABLE_ENTITY, &fields, Some(wrong)));
    }
    let (whom, reason) = (whom.to_owned(), reason.to_owned());
    view.ask(Request::UnitRevoke { whom, reason, actor: String::new() }).await?;
    Ok(go_to(&format!("/units/{}", unit.unit)))
}
