//! Sharing: agencies, grants by two persons, and what was handed over.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lienthong_proto::catalogue::{Catalogue, RecordType};
use lienthong_proto::disclosure::Share;
use maud::{Markup, html};
use tokio_util::io::ReaderStream;

use super::super::trouble::{Trouble, both};
use super::super::view::{Fields, View, go_to};
use crate::ledger::{Agency, Done, Grant, GrantState};
use crate::rights::Right;
use crate::service::{Request, SharingRequest};
use crate::sharing::{TEMPLATES, template};

/// Grants shown: the newest.
const GRANTS_MAX: usize = 500;

/// Which template to begin with.
#[derive(Debug, Default, serde::Deserialize)]
pub(in super::super) struct Begin {
    #[serde(default)]
    template: String,
}

/// Agencies and grants, and the forms for new ones.
pub(in super::super) async fn page(view: View, Query(begin): Query<Begin>) -> Response {
    shown(&view, StatusCode::OK, template(&begin.template).unwrap_or_default(), None)
}

fn shown(view: &View, status: StatusCode, text: &str, wrong: Option<&str>) -> Response {
    let (agencies, grants) = {
        let books = view.site.hub.committer.books().read();
        (Arc::clone(&books.sharing.agencies), Arc::clone(&books.sharing.grants))
    };
    let title = view.t("Chia sẻ", "Sharing");
    let main = html! {
        h1 { (title) }
        section {
            h2 { (view.t("Giấy cấp quyền", "Grants")) }
            @if grants.is_empty() { p.quiet { (view.t("Chưa có.", "None yet.")) } }
            @else { (grant_table(view, grants.values().rev().take(GRANTS_MAX))) }
        }
        @if view.may(Right::Operate) { (propose(view, text, wrong)) }
        section {
            h2 { (view.t("Cơ quan nhận", "Agencies")) }
            @if agencies.is_empty() { p.quiet { (view.t("Chưa có.", "None yet.")) } }
            @else { (agency_table(view, agencies.values())) }
        }
        @if view.may(Right::Operate) { (agency_form(view)) }
    };
    view.page_with(status, title, &main)
}

fn state(view: &View, grant: &Grant) -> Markup {
    let (class, vi, en) = match grant.state(view.now()) {
        GrantState::Proposed => ("warn", "chờ duyệt", "waits for approval"),
        GrantState::Coming => ("quiet", "chưa tới ngày", "its day is to come"),
        GrantState::Active => ("good", "có hiệu lực", "in force"),
        GrantState::Expired => ("quiet", "hết hạn", "expired"),
        GrantState::Revoked => ("bad", "đã thu hồi", "revoked"),
    };
    html! { span class=(class) { (view.t(vi, en)) } }
}

fn label<'a>(view: &'a View, catalogue: &'a Catalogue, record_type: &'a str) -> &'a str {
    let declared = catalogue.record_type(record_type);
    declared.map_or(record_type, |declared| view.t(&declared.label.vi, &declared.label.en))
}

fn grant_table<'a>(view: &View, grants: impl Iterator<Item = &'a Grant>) -> Markup {
    let heads = [
        ("Số", "Number"),
        ("Cơ quan", "Agency"),
        ("Văn bản", "Document"),
        ("Dữ liệu", "Data"),
        ("Thời hạn", "Term"),
        ("Tình trạng", "State"),
        ("Lần giao", "Deliveries"),
    ];
    let catalogue = &view.site.hub.catalogue;
    html! {
        div.scroll tabindex="0" role="region" aria-label=(view.t("Giấy cấp quyền", "Grants")) {
            table.rows {
                thead { tr { @for (vi, en) in heads { th scope="col" { (view.t(vi, en)) } } } }
                tbody { @for grant in grants { tr {
                    td data-label=(view.t("Số", "Number")) { a href={ "/sharing/grants/" (grant.number) } { (grant.number) } }
                    td data-label=(view.t("Cơ quan", "Agency")) { (grant.terms.agency) }
                    td data-label=(view.t("Văn bản", "Document")) { (grant.terms.document) }
                    td data-label=(view.t("Dữ liệu", "Data")) {
                        @for (place, share) in grant.terms.shares.iter().enumerate() {
                            @if place > 0 { ", " } (label(view, catalogue, &share.record_type))
                        }
                    }
                    td data-label=(view.t("Thời hạn", "Term")) { (term(grant)) }
                    td data-label=(view.t("Tình trạng", "State")) { (state(view, grant)) }
                    td data-label=(view.t("Lần giao", "Deliveries")) { (view.number(grant.deliveries)) " " (view.time(grant.last_delivery)) }
                } } }
            }
        }
    }
}

fn term(grant: &Grant) -> String {
    let day = |day: lienthong_proto::disclosure::Day| lienthong_proto::value::date_text(day.0);
    format!("{} – {}", day(grant.terms.from), day(grant.terms.until))
}

fn agency_table<'a>(view: &View, agencies: impl Iterator<Item = &'a Agency>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(view.t("Cơ quan nhận", "Agencies")) {
            table.rows {
                thead { tr {
                    th scope="col" { (view.t("Mã", "Code")) }
                    th scope="col" { (view.t("Tên", "Name")) }
                    th scope="col" { (view.t("Liên hệ", "Contact")) }
                    th scope="col" { (view.t("Khóa nhận", "Key")) }
                } }
                tbody { @for agency in agencies { tr {
                    td data-label=(view.t("Mã", "Code")) { (agency.code) }
                    td data-label=(view.t("Tên", "Name")) { (agency.name) }
                    td data-label=(view.t("Liên hệ", "Contact")) { (agency.contact) }
                    td data-label=(view.t("Khóa nhận", "Key")) {
                        @match &agency.key {
                            Some(key) => code { (key) },
                            None => span.warn { (view.t("chưa có", "none yet")) },
                        }
                    }
                } } }
            }
        }
    }
}

fn propose(view: &View, text: &str, wrong: Option<&str>) -> Markup {
    html! {
        section id="propose" {
            h2 { (view.t("Đề nghị cấp quyền", "Propose a grant")) }
            p.quiet {
                (view.t("Bắt đầu từ mẫu theo cơ quan nhận: ", "Begin with a template by receiver: "))
                @for (name, _) in TEMPLATES { a href={ "/sharing?template=" (name) "#propose" } { (name) } " " }
            }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form.stacked method="post" action="/sharing/grants" {
                (view.csrf_field())
                label { span { (view.t("Nội dung (TOML)", "Its text (TOML)")) }
                    textarea name="text" required rows="16" spellcheck="false" { (text) } }
                button.main { (view.t("Đề nghị", "Propose")) }
            }
        }
    }
}

fn agency_form(view: &View) -> Markup {
    html! {
        section.narrow id="agency" {
            h2 { (view.t("Khai cơ quan, hoặc sửa", "Name an agency, or change it")) }
            p.quiet { (view.t("Ô để trống thì giữ như đã khai. Đọc lại khóa qua điện thoại.",
                "What is left blank stays as it was. Read the key back by telephone.")) }
            form.stacked method="post" action="/sharing/agencies" {
                (view.csrf_field())
                label { span { (view.t("Mã", "Code")) } input name="code" required autocomplete="off" placeholder="TTT"; }
                label { span { (view.t("Tên", "Name")) } input name="name" autocomplete="off" maxlength="200"; }
                label { span { (view.t("Liên hệ", "Contact")) } input name="contact" autocomplete="off" maxlength="200"; }
                label { span { (view.t("Khóa nhận (x25519:…)", "Key (x25519:…)")) } input name="key" autocomplete="off" spellcheck="false"; }
                button.main { (view.t("Ghi", "Save")) }
            }
        }
    }
}

/// Names an agency.
pub(in super::super) async fn agency(view: View, fields: Fields) -> Result<Response, Trouble> {
    let code = fields.text("code").parse();
    let code =
        code.map_err(|_| Trouble::form(both("Mã cơ quan không đúng dạng.", "The code is malformed.")))?;
    let said = |name: &str| Some(fields.text(name).to_owned()).filter(|text| !text.is_empty());
    let (name, contact, key) = (said("name"), said("contact"), said("key"));
    let request = SharingRequest::AgencyAdd { code, name, contact, key, actor: String::new() };
    view.ask(Request::Sharing(request)).await?;
    Ok(go_to("/sharing"))
}

/// Proposes a grant; what is wrong with it is said above its text.
pub(in super::super) async fn propose_one(view: View, fields: Fields) -> Result<Response, Trouble> {
    let text = fields.raw("text").replace("\r\n", "\n");
    let request = SharingRequest::GrantPropose { text: text.clone(), actor: String::new() };
    match view.ask(Request::Sharing(request)).await {
        Ok(answer) => {
            let number = answer.body.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0);
            Ok(go_to(&format!("/sharing/grants/{number}")))
        }
        Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let (vi, en) = &trouble.what;
            Ok(shown(&view, trouble.status, &text, Some(view.t(vi, en))))
        }
        Err(trouble) => Err(trouble),
    }
}

fn known(view: &View, number: &str) -> Result<Grant, Trouble> {
    let grants = Arc::clone(&view.site.hub.committer.books().read().sharing.grants);
    let found = number.parse().ok().and_then(|number: u64| grants.get(&number).cloned());
    found.ok_or_else(|| Trouble::missing(&format!("giấy cấp quyền {number} / grant {number}")))
}

/// One grant: its terms in words, who did what, and what may be done.
pub(in super::super) async fn grant(view: View, Path(number): Path<String>) -> Result<Response, Trouble> {
    let grant = known(&view, &number)?;
    let title = format!("{} {number}", view.t("Giấy cấp quyền", "Grant"));
    let own = view.visitor.as_ref().is_some_and(|visitor| visitor.name == grant.proposed.by);
    let state_now = grant.state(view.now());
    let main = html! {
        section {
            p.crumbs { a href="/sharing" { (view.t("Chia sẻ", "Sharing")) } }
            h1 { (title) }
            dl.facts {
                dt { (view.t("Cơ quan", "Agency")) } dd { (grant.terms.agency) }
                dt { (view.t("Tình trạng", "State")) } dd { (state(&view, &grant)) }
                dt { (view.t("Mục đích", "Purpose")) } dd { (grant.terms.purpose) }
                dt { (view.t("Văn bản", "Document")) } dd { (grant.terms.document) }
                dt { (view.t("Thời hạn", "Term")) } dd { (term(&grant)) }
                dt { (view.t("Đề nghị", "Proposed")) } dd { (done(&view, &grant.proposed)) }
                @if let Some(approved) = &grant.approved { dt { (view.t("Duyệt", "Approved")) } dd { (done(&view, approved)) } }
                @if let Some(revoked) = &grant.revoked { dt { (view.t("Thu hồi", "Revoked")) } dd { (done(&view, revoked)) } }
                dt { (view.t("Đã giao", "Handed over")) }
                dd { (view.number(grant.deliveries)) " " (view.t("lần; lần cuối ", "times; the last ")) (view.time(grant.last_delivery)) }
                @if view.site.hub.alerts.owes_notice(grant.number) {
                    dt { (view.t("Chưa báo", "Not told")) }
                    dd { (view.t(
                        "có bản ghi đã giao nay đã khác: lập thông báo cho cơ quan bằng lệnh grant notice, hoặc giao gói mới",
                        "records handed over are otherwise now: make a notice with grant notice, or hand over a new bundle",
                    )) }
                }
                dt { (view.t("Biên nhận của cơ quan", "The agency's receipt")) }
                dd {
                    @match &grant.receipt {
                        Some(receipt) if Some(receipt.access) == grant.last_access => {
                            (view.t("đã ký nhận lần cuối, ", "signed for the last one, ")) (view.time(Some(receipt.at)))
                        }
                        Some(receipt) => {
                            (view.t("đã ký nhận một lần trước, ", "signed for an earlier one, ")) (view.time(Some(receipt.at)))
                        }
                        None => (view.t("chưa có cho dữ liệu trực tuyến", "none for a live view"))
                    }
                }
                dt { (view.t("Biên nhận gói", "Receipts for bundles")) }
                dd {
                    (view.number(u64::try_from(grant.bundle_receipts.len()).unwrap_or(u64::MAX))) " "
                    (view.time(grant.bundle_receipts.values().max().copied()))
                }
            }
        }
        @for share in &grant.terms.shares { (share_words(&view, share)) }
        (actions(&view, &grant, state_now, own))
    };
    Ok(view.page(&title, &main))
}

fn done(view: &View, done: &Done) -> Markup {
    html! { (done.by) ", " (view.time(Some(done.at))) @if !done.reason.is_empty() { ": " (done.reason) } }
}

fn share_words(view: &View, share: &Share) -> Markup {
    let catalogue = &view.site.hub.catalogue;
    let declared = catalogue.record_type(&share.record_type);
    let units =
        share.units.iter().map(|unit| view.site.hub.tree().title(unit)).collect::<Vec<_>>().join(", ");
    let years = share.years.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    html! {
        section {
            h2 { (label(view, catalogue, &share.record_type)) }
            dl.facts {
                dt { (view.t("Đơn vị", "Units")) } dd { @if units.is_empty() { (view.t("tất cả", "all")) } @else { (units) } }
                @if !years.is_empty() { dt { (view.t("Năm ghi", "Years of writing")) } dd { (years) } }
                dt { (view.t("Mở", "Opened")) } dd { (fields(view, declared, share.fields.iter())) }
                @if !share.references.is_empty() {
                    dt { (view.t("Quan hệ (bí danh)", "Relations (pseudonyms)")) } dd { (fields(view, declared, share.references.iter())) }
                }
                @for condition in &share.only {
                    dt { (view.t("Chỉ khi", "Only if")) }
                    dd {
                        (fields(view, declared, std::iter::once(&condition.field)))
                        @if !condition.is.is_empty() { " = " (condition.is.join(" | ")) }
                        @if let Some(from) = condition.from { " ≥ " (lienthong_proto::value::date_text(from.0)) }
                        @if let Some(until) = condition.until { " ≤ " (lienthong_proto::value::date_text(until.0)) }
                    }
                }
            }
        }
    }
}

/// Fields by their labels; of items `items: subfield`.
fn fields<'a>(view: &View, declared: Option<&RecordType>, paths: impl Iterator<Item = &'a String>) -> String {
    let named = |path: &String| {
        let (field, subfield) = path.split_once('/').map_or((path.as_str(), None), |(f, s)| (f, Some(s)));
        let known = declared.and_then(|declared| declared.fields.iter().find(|known| known.name == field));
        let Some(known) = known else { return path.clone() };
        let own = view.t(&known.label.vi, &known.label.en);
        let sub = subfield.and_then(|name| known.fields.iter().find(|field| field.name == name));
        sub.map_or_else(|| own.to_owned(), |sub| format!("{own}: {}", view.t(&sub.label.vi, &sub.label.en)))
    };
    paths.map(named).collect::<Vec<_>>().join(", ")
}

fn actions(view: &View, grant: &Grant, state: GrantState, own: bool) -> Markup {
    let path = format!("/sharing/grants/{}", grant.number);
    html! {
        @if state == GrantState::Proposed && view.may(Right::Approve) {
            section.narrow {
                h2 { (view.t("Duyệt", "Approve")) }
                @if own { p.quiet { (view.t("Bạn đã đề nghị giấy này: người khác phải duyệt.", "You proposed it: somebody else has to approve it.")) } }
                @else {
                    form.stacked method="post" action={ (path) "/approve" } {
                        (view.csrf_field())
                        button.main { (view.t("Duyệt giấy này", "Approve it")) }
                    }
                }
            }
        }
        @if state == GrantState::Active && view.may(Right::Operate) {
            section.narrow {
                h2 { (view.t("Giao gói", "Hand a bundle over")) }
                p.quiet { (view.t("Việc giao được ghi vào sổ cái trước khi tệp rời máy chủ. Gói chỉ mở được bằng khóa của cơ quan.",
                    "The delivery is in the ledger before the file leaves. The bundle opens with the agency's key alone.")) }
                form.stacked method="post" action={ (path) "/bundle" } {
                    (view.csrf_field())
                    button.main { (view.t("Tạo và tải gói", "Make and download it")) }
                }
            }
        }
        @if grant.revoked.is_none() && state != GrantState::Expired && view.may(Right::Operate) {
            section.narrow {
                h2 { (view.t("Thu hồi, hoặc từ chối", "Revoke, or refuse")) }
                form.stacked method="post" action={ (path) "/revoke" } {
                    (view.csrf_field())
                    label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                        textarea name="reason" required rows="3" maxlength="500" {} }
                    button.main.danger { (view.t("Thu hồi", "Revoke")) }
                }
            }
        }
    }
}

/// Approves a grant.
pub(in super::super) async fn approve(view: View, Path(number): Path<String>) -> Result<Response, Trouble> {
    let number = known(&view, &number)?.number;
    view.ask(Request::Sharing(SharingRequest::GrantApprove { number, actor: String::new() })).await?;
    Ok(go_to(&format!("/sharing/grants/{number}")))
}

/// Takes a grant back.
pub(in super::super) async fn revoke(
    view: View,
    Path(number): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let (number, reason) = (known(&view, &number)?.number, fields.text("reason").to_owned());
    view.ask(Request::Sharing(SharingRequest::GrantRevoke { number, reason, actor: String::new() })).await?;
    Ok(go_to(&format!("/sharing/grants/{number}")))
}

/// Makes a bundle and hands it over: the ledger has it before the first byte goes.
pub(in super::super) async fn bundle(view: View, Path(number): Path<String>) -> Result<Response, Trouble> {
    let grant = known(&view, &number)?;
    let folder = tempfile::Builder::new().prefix("outgoing.").tempdir_in(&view.site.hub.data);
    let folder = folder.map_err(|error| Trouble::internal(&error))?;
    let out = folder.path().join("bundle");
    let request = SharingRequest::Bundle { grant: grant.number, out: out.clone(), actor: String::new() };
    view.ask(Request::Sharing(request)).await?;
    let file = tokio::fs::File::open(&out).await.map_err(|error| Trouble::internal(&error))?;
    let size = file.metadata().await.map_err(|error| Trouble::internal(&error))?.len();
    // It is open: the name is not needed any more, and nothing stays behind.
    drop(folder);
    let name = format!("attachment; filename=\"{}-{number}.lienthong\"", grant.terms.agency);
    let heads = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    Ok((heads, Body::from_stream(ReaderStream::new(file))).into_response())
}
