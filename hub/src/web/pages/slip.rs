//! The enrolment slip: what the officer of a unit types, and what both compare by telephone.

use axum::response::Response;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use maud::html;

use super::super::format::instant;
use super::super::view::View;

/// The slip of a token that was made just now: it is shown this once.
pub(super) fn slip(view: &View, unit: &UnitCode, token: &str, expires: UnixMillis) -> Response {
    let hub = &view.site.hub;
    let name = hub.tree().title(unit);
    let root = lienthong_node::identity::spki_hash(&hub.secrets.root()).unwrap_or_default();
    let words = lienthong_proto::fingerprint::words(&root);
    let dial = dialled(view);
    let title = view.t("Phiếu ghi danh", "Enrolment slip");
    let main = html! {
        article.slip {
            h1 { (title) }
            p.noprint { button.main type="button" data-print="" { (view.t("In phiếu", "Print")) } " "
                (view.t("Phiếu chỉ hiện một lần: rời trang là không xem lại được.", "The slip is shown this once: leave the page, and it is gone.")) }
            dl.facts {
                dt { (view.t("Đơn vị", "Unit")) } dd { b { (name) } " (" (unit) ")" }
                dt { (view.t("Dùng một lần, đến", "Good once, until")) } dd { b { (instant(expires)) } }
            }
            h2 { "1. " (view.t("Trên máy của đơn vị, gõ", "At the unit's machine, type")) }
            pre { code { "lienthong-node enrol --data ~/lienthong --hub " (dial) " \\\n    --token " (token) } }
            h2 { "2. " (view.t("Máy hiện tám từ. Gọi tỉnh, đọc từng từ: phải đúng như sau", "It shows eight words. Telephone the province and read them out: they must be these")) }
            p.fingerprint { (words) }
            p { (view.t("Khác một từ: dừng lại, không chạy tiếp, báo tỉnh.", "If one differs: stop there, and tell the province.")) }
            h2 { "3. " (view.t("Đúng thì chạy", "If they agree, run")) }
            pre { code { "lienthong-node run --data ~/lienthong" } }
            p.quiet { (view.t("Ai có phiếu này trước hạn có thể ghi danh thay đơn vị: giao tận tay, hủy sau khi dùng.",
                "Who has this slip in time can enrol in the unit's place: hand it over in person, destroy it after use.")) }
            p.noprint { a href="/administration" { (view.t("Quay lại", "Back")) } }
        }
    };
    view.page(title, &main)
}

/// Where a node dials: the first name the hub was made with, at the port that is listened on.
fn dialled(view: &View) -> String {
    let hub = &view.site.hub;
    let address = hub.addresses.read().get("nodes").cloned().unwrap_or_default();
    let port = address.rsplit(':').next().unwrap_or("7443").to_owned();
    match hub.secrets.profile.names.first() {
        Some(name) => format!("{name}:{port}"),
        None => address,
    }
}
