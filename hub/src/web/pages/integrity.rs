//! Whether the ledger is what it was: size, root, what is held of each replica, what contradicts, and a check on demand.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Query;
use axum::response::{Html, Response};
use lienthong_proto::note::{Note, Verifier};
use lienthong_proto::succession::Succession;
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::format::span;
use super::super::table::{Asked, Column, Table, search};
use super::super::trouble::Trouble;
use super::super::verification::{self, Check};
use super::super::view::{View, go_to};
use super::super::words;
use crate::pki::{Enrolled, ReplicaState};
use crate::status::UnitStatus;

const ROUTE: &str = "/integrity";

/// What is held of one replica.
struct Line {
    unit: String,
    name: String,
    replica: String,
    fenced: bool,
    held: u64,
    /// What it has signed last, and whether all of that is held.
    signed: Option<(u64, bool)>,
    /// When the last receipt was given, and where in the ledger it stands.
    receipt: Option<(UnixMillis, u64)>,
}

type By = fn(&Line, &Line) -> Ordering;

const fn column(
    key: &'static str,
    label: (&'static str, &'static str),
    figures: bool,
    order: By,
    cell: fn(&View, &Line) -> Markup,
) -> Column<Line> {
    Column { key, label, figures, order: Some(order), cell }
}

const COLUMNS: [Column<Line>; 6] = [
    column(
        "unit",
        ("Đơn vị", "Unit"),
        false,
        |a, b| a.unit.cmp(&b.unit),
        |_, line| {
            html! { a href={ "/units/" (line.unit) } { b { (line.name) } } " " span.quiet { (line.unit) } }
        },
    ),
    column(
        "replica",
        ("Máy", "Machine"),
        false,
        |a, b| a.replica.cmp(&b.replica),
        |_, line| {
            let short: String = line.replica.chars().take(8).collect();
            html! { code title=(line.replica) { (short) "…" } }
        },
    ),
    column(
        "held",
        ("Tỉnh giữ", "Held"),
        true,
        |a, b| a.held.cmp(&b.held),
        |view, line| html! { (view.number(line.held)) },
    ),
    column(
        "complete",
        ("Đủ như đã ký", "All it signed"),
        false,
        |a, b| a.signed.cmp(&b.signed),
        |view, line| {
            html! { @match line.signed {
                _ if line.fenced => span.state.stopped { "■ " (view.t("mâu thuẫn", "contradicts")) },
                None => "–",
                Some((size, true)) => span.state.online { "● " (view.t("đủ", "yes")) " (" (view.number(size)) ")" },
                Some((size, false)) => span.state.silent { "◐ " (view.t("chưa đủ", "not yet")) " (" (view.number(size)) ")" },
            } }
        },
    ),
    column(
        "receipt",
        ("Biên nhận cuối", "Last receipt"),
        false,
        |a, b| a.receipt.cmp(&b.receipt),
        |view, line| view.time(line.receipt.map(|(at, _)| at)),
    ),
    column(
        "index",
        ("Mục sổ cái", "Ledger entry"),
        true,
        |a, b| a.receipt.map(|r| r.1).cmp(&b.receipt.map(|r| r.1)),
        |view, line| {
            html! { @match line.receipt { Some((_, index)) => (view.number(index)), None => "–" } }
        },
    ),
];

/// The whole page.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let asked = Asked::of(&query);
    let title = view.t("Toàn vẹn", "Integrity");
    let table = Table {
        view: &view,
        caption: view.t("máy: tỉnh giữ gì của mỗi máy", "machines: what is held of each"),
        columns: &COLUMNS,
        asked: &asked,
        route: ROUTE,
    };
    let lines = tokio::task::block_in_place(|| lines(&view));
    let main = html! {
        h1 { (title) }
        div data-live="/integrity/live" { (parts(&view)) }
        (successions(&view))
        h2 { (view.t("Nhật ký của các đơn vị", "The units' logs")) }
        (search(&view, ROUTE, &asked, &[]))
        (table.of(lines, |line| format!("{} {} {}", line.name, line.unit, line.replica)))
    };
    view.page(title, &main)
}

/// What changes of it.
pub(in super::super) async fn live(view: View) -> Html<String> {
    Html(parts(&view).into_string())
}

/// Begins a check of the whole ledger, unless one is at work.
pub(in super::super) async fn verify(view: View) -> Result<Response, Trouble> {
    let visitor = view.visitor.as_ref().ok_or_else(super::super::view::denied)?;
    verification::start(&view.site, &visitor.name);
    Ok(go_to("/integrity#verify"))
}

fn parts(view: &View) -> Markup {
    html! {
        (alarms(view))
        div.columns { (ledger(view)) (check(view)) }
        (witnesses(view))
    }
}

fn lines(view: &View) -> Vec<Line> {
    let hub = &view.site.hub;
    let tree = hub.tree();
    let line = |entry: &Enrolled| {
        let held = hub.committer.books().read().replicas.get(&entry.replica).map(|held| {
            (held.frontier.size(), (held.frontier.size() > 0).then_some((held.at, held.ledger_index)))
        });
        let (held, receipt) = held.unwrap_or_default();
        Line {
            unit: entry.unit.to_string(),
            name: tree.title(&entry.unit),
            replica: entry.replica.to_string(),
            fenced: matches!(entry.state, ReplicaState::Fenced { .. }),
            held,
            signed: hub.holds(entry).map(|holds| (holds.checkpoint.size, holds.complete)),
            receipt,
        }
    };
    let mut lines: Vec<Line> = hub.registry.list().iter().map(line).collect();
    let worst = |line: &Line| Reverse((line.fenced, line.signed.is_some_and(|(_, complete)| !complete)));
    lines.sort_by(|a, b| worst(a).cmp(&worst(b)).then_with(|| a.unit.cmp(&b.unit)));
    lines
}

/// What contradicts, each with what to do and whom to call.
fn alarms(view: &View) -> Markup {
    let hub = &view.site.hub;
    let fenced: Vec<Enrolled> = hub
        .registry
        .list()
        .into_iter()
        .filter(|entry| matches!(entry.state, ReplicaState::Fenced { .. }))
        .collect();
    let differing = hub.observed.meters.differing();
    let units: Vec<UnitStatus> = if fenced.is_empty() && differing.is_empty() {
        Vec::new()
    } else {
        tokio::task::block_in_place(|| hub.units())
    };
    let of = |code: &str| units.iter().find(|unit| unit.unit.as_str() == code);
    let (failure, open) = (hub.committer.failure(), hub.committer.books().read().succession.is_open());
    let faults = match view.site.verification.check() {
        Check::Ended { found: Ok(found), .. } => {
            found.get("faults").and_then(Json::as_array).map_or(0, Vec::len)
        }
        _ => 0,
    };
    let none = fenced.is_empty() && differing.is_empty() && failure.is_none() && !open && faults == 0;
    html! {
        section {
            h2 { (view.t("Báo động", "Alarms")) }
            @if none { p.fine { (view.t("Không có mâu thuẫn nào.", "Nothing contradicts.")) } } @else {
                ol.needing {
                    @if failure.is_some() { (alarm(view.t("Sổ cái không ghi được nữa", "The ledger takes no more writes"), view.t("Xem đĩa và nhật ký của máy chủ, rồi khởi động lại.", "Look at the hub's disk and log, then start it anew."), &html! {})) }
                    @if faults > 0 { (alarm(view.t("Lần kiểm tra vừa qua thấy sổ cái sai", "The last check found the ledger wrong"), view.t("Không sửa gì. Dừng máy chủ, giữ nguyên thư mục, làm theo phần sự cố của OPERATIONS.", "Mend nothing. Stop the hub, keep the folder as it is, follow the disasters in OPERATIONS."), &html! {})) }
                    @if open { (alarm(view.t("Máy chủ đã khôi phục, chưa ai xác nhận", "The hub was restored and nobody has confirmed it"), view.t("Người quản trị chạy `lienthong-hub confirm-succession`.", "An administrator runs `lienthong-hub confirm-succession`."), &html! {})) }
                    @for entry in &fenced { (fence(view, entry, of(entry.unit.as_str()))) }
                    @for (unit, since) in &differing {
                        (alarm(view.t("Máy xã giữ bản ghi khác bản tỉnh giữ", "A unit's node holds other records than the hub"),
                            view.t("Chạy `lienthong-hub reconcile --unit`, xem khác gì, rồi thêm `--repair`.", "Run `lienthong-hub reconcile --unit`, look at what differs, then add `--repair`."),
                            &html! { (whom(view, unit.as_str(), of(unit.as_str()))) " " (view.time(Some(*since))) }))
                    }
                }
            }
        }
    }
}

fn alarm(what: &str, cure: &str, more: &Markup) -> Markup {
    html! { li.severity4 { p { b { (what) } } p { (cure) } (more) } }
}

fn whom(view: &View, code: &str, unit: Option<&UnitStatus>) -> Markup {
    html! {
        a href={ "/units/" (code) } { (unit.map_or(code, |unit| unit.name.as_str())) }
        @if let Some(unit) = unit { " · " (view.t("gọi: ", "call: ")) (words::contact(view, unit)) }
    }
}

fn fence(view: &View, entry: &Enrolled, unit: Option<&UnitStatus>) -> Markup {
    let ReplicaState::Fenced { at, proofs } = &entry.state else { return html! {} };
    let cure = view.t(
        "Máy đã dừng, không mất gì đã nhận. Gọi đơn vị hỏi máy bị chép hay khôi phục; rồi duyệt `unit approve-recovery`, và tại xã chạy `lienthong-node recover`.",
        "The machine is stopped, nothing acknowledged is lost. Ask the unit whether it was copied or put back; then `unit approve-recovery`, and there `lienthong-node recover`.",
    );
    alarm(
        view.t("Nhật ký mâu thuẫn với bản tỉnh giữ", "A log contradicts what is held"),
        cure,
        &html! {
            p { (whom(view, entry.unit.as_str(), unit)) " " (view.time(Some(UnixMillis(*at)))) }
            details { summary { (view.t("Bằng chứng", "Proofs")) } @for proof in proofs { pre { (proof) } } }
        },
    )
}

fn ledger(view: &View) -> Markup {
    let hub = &view.site.hub;
    let head = hub.head();
    let note = hub.ledger_checkpoint_at(head).unwrap_or_default();
    html! {
        section {
            h2 { (view.t("Sổ cái", "The ledger")) }
            dl.facts {
                dt { (view.t("Số mục", "Entries")) } dd { b { (view.number(head.size)) } }
                dt { (view.t("Gốc", "Root")) } dd { code { (hex::encode(head.root)) } }
                dt { (view.t("Tên", "Name")) } dd { code { (hub.secrets.ledger_origin().to_string()) } }
            }
            details { summary { (view.t("Điểm kiểm đã ký, để đối chiếu nơi khác", "The signed checkpoint, to be compared elsewhere")) } pre { (note) } }
        }
    }
}

fn check(view: &View) -> Markup {
    let check = view.site.verification.check();
    let button = html! {
        form.inline method="post" action="/integrity/verify" {
            (view.csrf_field())
            button.main { (view.t("Kiểm tra ngay", "Verify now")) }
        }
    };
    html! {
        section id="verify" {
            h2 { (view.t("Kiểm tra toàn bộ", "Check everything")) }
            p.quiet { (view.t("Đọc lại cả sổ cái, tính lại gốc, so với mọi điều đã ký.", "Reads the whole ledger again, makes its root anew, compares with everything signed.")) }
            @match &check {
                Check::Never => (button),
                Check::Running { by, since } => {
                    @let (read, all) = view.site.verification.progress();
                    p role="status" {
                        (view.t("Đang kiểm tra", "Checking")) ": " (view.number(read)) "/" (view.number(all)) " " (view.t("mục", "entries"))
                        " · " (by) " · " (span(view.now().since(*since) / 1_000, view.tongue))
                    }
                    progress max=(all.max(1)) value=(read) aria-label=(view.t("Tiến độ", "Progress")) {}
                    p.noprint { a href="/integrity" { (view.t("Xem lại", "Look again")) } }
                },
                Check::Ended { by, at, seconds, found } => {
                    (outcome(view, found))
                    p.quiet { (view.time(Some(*at))) ", " (span(*seconds, view.tongue)) " · " (by) }
                    (button)
                },
            }
        }
    }
}

fn outcome(view: &View, found: &Result<Json, String>) -> Markup {
    let list =
        |found: &Json, name: &str| found.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    html! {
        @match found {
            Err(error) => p.wrong role="alert" { (view.half(error)) },
            Ok(found) => {
                @let (faults, missing) = (list(found, "faults"), list(found, "missing"));
                @if faults.is_empty() {
                    p.done role="status" {
                        (view.t("Đúng: ", "Right: ")) (view.number(found.get("entries").and_then(Json::as_u64).unwrap_or(0)))
                        " " (view.t("mục, gốc", "entries, root")) " " code { (found.get("root").and_then(Json::as_str).unwrap_or_default()) }
                    }
                } @else {
                    p.wrong role="alert" { (faults.len()) " " (view.t("chỗ sai", "faults")) }
                    ul { @for fault in &faults { li { (fault.as_str().unwrap_or_default()) } } }
                }
                @if !missing.is_empty() {
                    p { (view.t("Đã ký mà tỉnh chưa giữ đủ: ", "Signed and not all held: ")) (missing.len()) }
                    ul { @for line in &missing { (lacking(view, line)) } }
                }
            }
        }
    }
}

/// What was signed and is not all held: of a unit's machine, or of a former ledger.
fn lacking(view: &View, line: &Json) -> Markup {
    let text = |name: &str| line.get(name).and_then(Json::as_str);
    let number =
        |name: &str| line.get(name).and_then(Json::as_u64).map_or_else(|| "–".to_owned(), |n| view.number(n));
    let of = view.t("trên", "of");
    html! {
        li {
            @match (text("unit"), text("former_ledger")) {
                (Some(unit), _) => { a href={ "/units/" (unit) } { (unit) } ": " (number("size")) " " (of) " " (number("signed")) },
                (None, Some(former)) => { (view.t("sổ cái trước", "the former ledger")) " " code { (former) } ": " (number("held")) " " (of) " " (number("known")) },
                (None, None) => code { (line) },
            }
        }
    }
}

/// Who else has signed the ledger's checkpoints.
fn witnesses(view: &View) -> Markup {
    let hub = &view.site.hub;
    let books = Arc::clone(&hub.committer.books().read().witnesses);
    let policy = books.policy_at(u64::MAX).map(|(_, policy)| policy);
    let witnessed = hub.witnessed();
    let note = witnessed.as_ref().and_then(|witnessed| Note::parse(witnessed.note.as_bytes()).ok());
    let time = |witness: &Verifier| {
        let verified = note.as_ref()?.verify(std::slice::from_ref(witness)).ok()?;
        verified.first().map(|verified| UnixMillis(verified.time.saturating_mul(1_000)))
    };
    let unit = |witness: &Verifier| {
        let key = books.keys.iter().find(|(_, key)| key.verifier == *witness);
        key.and_then(|(replica, _)| hub.registry.get(*replica)).map(|enrolled| enrolled.unit)
    };
    html! {
        section {
            h2 { (view.t("Nhân chứng", "Witnesses")) }
            @match (&witnessed, policy) {
                (_, None) => p.quiet { (view.t("Chưa có máy xã nào làm nhân chứng.", "No commune's node is a witness yet.")) },
                (None, Some(_)) => p.wrong { (view.t("Chưa đủ nhân chứng đồng ký lần nào.", "Too few witnesses have ever cosigned.")) },
                (Some(witnessed), Some(policy)) => p {
                    @if !hub.is_witnessed_freshly(view.now()) {
                        span.wrong { (view.t("Quá một ngày chưa đủ nhân chứng: không giao gói mới. ", "Too few witnesses for over a day: no new bundle is handed over. ")) }
                    }
                    (view.t("Đã đồng ký đến mục ", "Cosigned up to entry ")) (view.number(witnessed.checkpoint.size)) ", "
                    (view.time(Some(witnessed.at))) "; "
                    (view.t("cần ", "it takes ")) (policy.quorum()) "/" (policy.witnesses().len())
                },
            }
            @if let Some(policy) = policy {
                div.scroll tabindex="0" role="region" aria-label=(view.t("Nhân chứng", "Witnesses")) {
                    table.rows {
                        thead { tr {
                            th scope="col" { (view.t("Đơn vị", "Unit")) }
                            th scope="col" { (view.t("Khóa", "Key")) }
                            th scope="col" { (view.t("Đồng ký lúc", "Cosigned")) }
                        } }
                        tbody { @for witness in policy.witnesses() { tr {
                            td data-label=(view.t("Đơn vị", "Unit")) {
                                @if let Some(unit) = unit(witness) { a href={ "/units/" (unit) } { (hub.tree().title(&unit)) } }
                            }
                            td data-label=(view.t("Khóa", "Key")) { code { (witness.name()) } }
                            td data-label=(view.t("Đồng ký lúc", "Cosigned")) { (view.time(time(witness))) }
                        } } }
                    }
                }
            }
        }
    }
}

/// By what right this ledger follows others.
fn successions(view: &View) -> Markup {
    let profile = &view.site.hub.secrets.profile;
    let recovery = crate::pki::recovery_public(profile).unwrap_or_default();
    html! {
        @if !profile.successions.is_empty() {
            section {
                h2 { (view.t("Kế tục", "Succession")) }
                p.quiet { (view.t("Sổ cái này tiếp theo sổ cái trước, theo lời ký bằng khóa khôi phục:", "This ledger follows former ones, by statements signed with the recovery key:")) }
                ol {
                    @for note in &profile.successions {
                        li {
                            @match Succession::verify(note, recovery) {
                                Ok(stated) => {
                                    code { (stated.former.origin.to_string()) } " → " code { (stated.successor.origin.to_string()) }
                                    @if let Some(known) = stated.known { ", " (view.t("đã biết", "known")) " " (view.number(known.size)) " " (view.t("mục", "entries")) }
                                },
                                Err(_) => span.state.stopped { (view.t("lời ký không đúng", "the statement does not verify")) },
                            }
                            details { summary { (view.t("Lời ký", "The statement")) } pre { (note) } }
                        }
                    }
                }
            }
        }
    }
}
