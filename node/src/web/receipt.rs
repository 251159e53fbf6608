//! The latest receipt, to be printed: what the province confirmed, and when.

use axum::response::Html;
use lienthong_proto::time::UnixMillis;
use maud::html;

use super::refusal::Refusal;
use super::shown::{instant, number};
use super::view::View;

pub(super) async fn receipt(view: View) -> Result<Html<String>, Refusal> {
    let node = &view.web.node;
    let title = view.t("Biên nhận của tỉnh", "Receipt of the province");
    let t = |vi, en| view.t(vi, en);
    let Some(receipt) = node.evidence.last_receipt() else {
        let body =
            html! { p { (t("Tỉnh chưa gửi biên nhận nào.", "The province has sent no receipt yet.")) } };
        return Ok(view.page("/", title, &body));
    };
    let profile = node.identity.profile();
    let proven = node.evidence.is_proven();
    let origin = node.identity.origin().to_string();
    // A signed note: signatures stand behind a blank line, whether ours is among them or not.
    let checkpoint = receipt.checkpoint.trim_end();
    let gap = if checkpoint.contains("\n\n") { "\n" } else { "\n\n" };
    let note = [checkpoint, gap, &receipt.cosignature].concat();
    let body = html! {
        article.receipt {
            p {
                (t("Tỉnh xác nhận đã nhận và cất giữ mọi mục của đơn vị dưới đây, từ mục đầu tiên đến mục ghi trong biên nhận này.",
                   "The province confirms that it has received and keeps every entry of the unit below, from the first to the number given here."))
            }
            dl {
                dt { (t("Đơn vị", "Unit")) } dd { (profile.unit_name) " (" (profile.unit) ")" }
                dt { (t("Số mục đã nhận", "Entries received")) } dd { (number(view.tongue, receipt.size)) }
                dt { (t("Giờ của tỉnh", "By the province’s clock")) } dd { (instant(view.tongue, UnixMillis(receipt.at))) }
                dt { (t("Số trong sổ của tỉnh", "Place in the province’s ledger")) } dd { (receipt.ledger_index) }
                dt { (t("Đã chứng minh có trong sổ", "Proven to stand in the ledger")) }
                dd { (if proven { t("rồi", "yes") } else { t("chưa, đang chờ lần kết nối sau", "not yet, at the next connection") }) }
                dt { (t("Nhật ký", "Log")) } dd { code { (origin) } }
            }
            h2 { (t("Để kiểm chứng", "To verify")) }
            p.quiet { (t("Điểm kiểm tra của nhật ký máy này và chữ ký của tỉnh (C2SP tlog-checkpoint, tlog-cosignature):", "The checkpoint of this machine’s log, and the province’s signature (C2SP tlog-checkpoint, tlog-cosignature):")) }
            pre { (note) }
        }
        p.actions.screen { button type="button" data-print hidden { (t("In", "Print")) } a href="/" { (t("Về trang bắt đầu", "Back")) } }
    };
    Ok(view.page("/", title, &body))
}
