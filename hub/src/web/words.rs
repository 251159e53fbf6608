//! The words of states, roles, reasons: Vietnamese first.

use lienthong_node::cli::Tongue;
use maud::{Markup, html};

use super::view::View;
use crate::accounts::AccountRole;
use crate::pki::Contact;
use crate::rights::Right;
use crate::status::{UnitStatus, quarantined_words};

/// The states of a unit, worst first, with a sign for those who do not see colours.
pub(super) const STATES: [(&str, &str, &str, &str); 6] = [
    ("stopped", "■", "đã dừng", "stopped"),
    ("silent", "◐", "im lặng", "silent"),
    ("offline", "○", "mất kết nối", "offline"),
    ("online", "●", "trực tuyến", "online"),
    ("revoked", "×", "đã thu hồi", "revoked"),
    ("never", "·", "chưa ghi danh", "not enrolled"),
];

/// A state's sign and word.
#[must_use]
pub(super) fn state_words(state: &str, tongue: Tongue) -> (&'static str, &'static str) {
    let found = STATES.iter().find(|(name, ..)| *name == state);
    found.map_or(("·", "–"), |(_, sign, vi, en)| (*sign, tongue.pick(vi, en)))
}

/// A state as a badge.
#[must_use]
pub(super) fn state(view: &View, state: &str) -> Markup {
    let (sign, word) = state_words(state, view.tongue);
    html! { span class={ "state " (state) } { span aria-hidden="true" { (sign) " " } (word) } }
}

/// Why a unit needs a person.
#[must_use]
pub(super) fn reasons(view: &View, unit: &UnitStatus) -> Markup {
    let reasons = if view.tongue == Tongue::Vi { &unit.attention } else { &unit.attention_en };
    let (vi, en) = quarantined_words(unit.quarantined);
    let waiting = view.t(&vi, &en);
    let address = format!("/quarantine?unit={}", unit.unit);
    html! {
        @if !reasons.is_empty() {
            ul.reasons {
                @for reason in reasons {
                    li { @if reason.starts_with(waiting) { (view.link("/quarantine", &address, &html! { (reason) })) } @else { (reason) } }
                }
            }
        }
    }
}

/// Whom to call at a unit, for those who are signed in: names and numbers are not for passers-by.
#[must_use]
pub(super) fn contact(view: &View, unit: &UnitStatus) -> Markup {
    person(view, unit.contact.as_ref())
}

/// Somebody to call, likewise.
#[must_use]
pub(super) fn person(view: &View, contact: Option<&Contact>) -> Markup {
    let shown = contact.filter(|_| view.may(Right::Read));
    html! {
        @if let Some(Contact { name, phone }) = shown {
            (name)
            @if !phone.is_empty() {
                @let digits: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
                " " a href={ "tel:" (digits) } { (phone) }
            }
        } @else if view.may(Right::Read) { span.quiet { (view.t("chưa ghi", "not known")) } }
    }
}

/// What an account is for.
#[must_use]
pub(super) fn role(role: AccountRole, tongue: Tongue) -> &'static str {
    let (vi, en) = match role {
        AccountRole::Operator => ("vận hành", "operator"),
        AccountRole::Steward => ("quản lý dữ liệu", "steward"),
        AccountRole::Approver => ("phê duyệt", "approver"),
        AccountRole::Administrator => ("quản trị", "administrator"),
    };
    tongue.pick(vi, en)
}

/// Roles, as one text.
#[must_use]
pub(super) fn roles(roles: &[AccountRole], tongue: Tongue) -> String {
    roles.iter().map(|one| role(*one, tongue)).collect::<Vec<_>>().join(", ")
}

/// What an event of the ledger says; its own name where there is no word for it.
#[must_use]
pub(super) fn event(kind: &str, tongue: Tongue) -> &str {
    let (vi, en) = match kind {
        "enrolment" => ("ghi danh", "enrolled"),
        "token" => ("tạo mã ghi danh", "enrolment token made"),
        "token_revoked" => ("thu hồi mã ghi danh", "enrolment token revoked"),
        "token_locked" => ("mã ghi danh bị dò, đã khóa", "enrolment token locked: it was guessed at"),
        "enrolment_refused" => ("nhiều mã ghi danh sai", "wrong enrolment tokens"),
        "revocation" => ("thu hồi quyền của máy", "revoked"),
        "fence" => ("dừng máy: nhật ký mâu thuẫn", "stopped: its log contradicts itself"),
        "recovery_approved" => ("duyệt khôi phục", "recovery approved"),
        "renewal_approved" => ("duyệt gia hạn giấy chứng nhận", "renewal approved"),
        "authority" => ("thêm gốc chứng nhận mới", "another authority of certificates"),
        "receipt_key" => ("đổi khóa biên nhận", "another key of receipts"),
        "authority_retired" => ("gốc chứng nhận cũ nghỉ", "the authority before retired"),
        "tls_key" => ("đổi khóa kết nối của máy", "a machine's TLS key changed"),
        "witness" => ("máy làm chứng cho sổ cái", "a witness of the ledger"),
        "alert_acknowledged" => ("nhận xử lý cảnh báo", "looks after an alert"),
        "contact" => ("đổi người liên hệ", "contact changed"),
        "decision" => ("tỉnh quyết định về bản ghi", "decided about a record"),
        "separation" => ("tách hai người trùng số", "two persons told apart"),
        "release" => ("cho nhập thay đổi đang chờ", "released from quarantine"),
        "readmission" => ("tiếp nhận lại", "readmitted"),
        "change_notice" => ("báo cơ quan điều đã đổi", "an agency told what changed"),
        "acceptance" => ("nhận dữ liệu", "data accepted"),
        other => return other,
    };
    tongue.pick(vi, en)
}
