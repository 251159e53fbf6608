//! Changes that were received and not merged: how many of which unit and why, and each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Query;
use axum::response::Response;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::verdict::QuarantineReason;
use maud::{Markup, html};

use super::super::shown::record_link;
use super::super::table::{Asked, Choice, Column, Table, search};
use super::super::view::View;
use crate::ledger::Quarantined;

const ROUTE: &str = "/quarantine";

/// One that waits, by its number.
struct Row {
    number: (u64, u16),
    waiting: Quarantined,
}

const COLUMNS: [Column<Row>; 6] = [
    Column {
        key: "number",
        label: ("Số", "Number"),
        figures: false,
        order: Some(|a, b| a.number.cmp(&b.number)),
        cell: |_, row| {
            let number = format!("{}.{}", row.number.0, row.number.1);
            html! { a href={ (ROUTE) "/" (number) } { (number) } }
        },
    },
    Column {
        key: "unit",
        label: ("Đơn vị gửi", "From the unit"),
        figures: false,
        order: Some(|a, b| a.waiting.unit.cmp(&b.waiting.unit)),
        cell: |view, row| view.unit(row.waiting.unit.as_str()),
    },
    Column {
        key: "reason",
        label: ("Vì", "Because"),
        figures: false,
        order: Some(|a, b| a.waiting.reason.cmp(&b.waiting.reason)),
        cell: |view, row| html! { (short(view, row.waiting.reason)) },
    },
    Column {
        key: "type",
        label: ("Loại", "Type"),
        figures: false,
        order: Some(|a, b| a.waiting.record_type.cmp(&b.waiting.record_type)),
        cell: |view, row| html! { (view.type_label(&row.waiting.record_type)) },
    },
    Column {
        key: "record",
        label: ("Bản ghi", "Record"),
        figures: false,
        order: None,
        cell: |view, row| record(view, &row.waiting),
    },
    Column {
        key: "at",
        label: ("Nhận lúc", "Received"),
        figures: false,
        order: Some(|a, b| a.waiting.accepted_at.cmp(&b.waiting.accepted_at)),
        cell: |view, row| view.time(Some(row.waiting.accepted_at)),
    },
];

/// The record it would join, if that is there.
pub(super) fn record(view: &View, waiting: &Quarantined) -> Markup {
    let held = |id| view.site.hub.dataset.state(&waiting.record_type, id).is_ok_and(|state| state.is_some());
    html! {
        @match waiting.record {
            Some(id) if held(id) => (record_link(view, &waiting.record_type, &id.to_string())),
            Some(_) => span.quiet { (view.t("chưa có", "not there yet")) },
            None => "–",
        }
    }
}

/// A reason in a few words.
pub(super) fn short(view: &View, reason: QuarantineReason) -> &'static str {
    let (vi, en) = match reason {
        QuarantineReason::TypeUnknown => ("loại chưa có trong danh mục", "type not in the catalogue"),
        QuarantineReason::Undecodable => ("không đọc được", "cannot be read"),
        QuarantineReason::ForeignOwner => ("bản ghi của đơn vị khác", "another unit’s record"),
        QuarantineReason::OwnerChange => ("tự đổi đơn vị quản lý", "changes the owner"),
        QuarantineReason::IdentityGuard => {
            ("trùng số, có lẽ là người khác", "same number, perhaps another person")
        }
        QuarantineReason::Forbidden => ("nội dung không được đưa vào", "content that may not enter"),
        QuarantineReason::RegisterFull => ("quá nhiều giá trị", "too many values"),
        QuarantineReason::KeyMissing => ("thiếu hoặc sai khóa", "key missing or wrong"),
        QuarantineReason::ContextAhead => {
            ("tự nhận đã thấy điều chưa có", "claims to have seen what is not there")
        }
        QuarantineReason::RecordKept => ("bản ghi không được thu hồi", "record that may not be withdrawn"),
    };
    view.tongue.pick(vi, en)
}

/// The list: the counts by unit and reason above it.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    tokio::task::block_in_place(|| list(&view, &query))
}

fn list(view: &View, query: &BTreeMap<String, String>) -> Response {
    let asked = Asked::of(query);
    let all = Arc::clone(&view.site.hub.committer.books().read().quarantine);
    let mut counts: BTreeMap<(&UnitCode, QuarantineReason), u64> = BTreeMap::new();
    for waiting in all.values() {
        *counts.entry((&waiting.unit, waiting.reason)).or_default() += 1;
    }
    let wanted = |waiting: &Quarantined| {
        let (unit, reason, name) = (asked.filter("unit"), asked.filter("reason"), asked.filter("type"));
        (unit.is_empty() || waiting.unit.as_str() == unit)
            && (reason.is_empty() || waiting.reason.code() == reason)
            && (name.is_empty() || waiting.record_type == name)
    };
    let rows = all.iter().filter(|(_, waiting)| wanted(waiting));
    let rows: Vec<Row> =
        rows.map(|(number, waiting)| Row { number: *number, waiting: waiting.clone() }).collect();
    let title = view.t("Chờ xử lý", "Quarantine");
    let caption = view.t("thay đổi đã nhận, chưa nhập", "changes received and not merged");
    let table = Table { view, caption, columns: &COLUMNS, asked: &asked, route: ROUTE };
    let searched = |row: &Row| {
        format!("{} {}", view.tree().title(&row.waiting.unit), view.type_label(&row.waiting.record_type))
    };
    let main = html! {
        h1 { (title) }
        @if !counts.is_empty() { (summary(view, &counts)) }
        (search(view, ROUTE, &asked, &choices(view, &counts)))
        (table.of(rows, searched))
    };
    view.page(title, &main)
}

fn summary(view: &View, counts: &BTreeMap<(&UnitCode, QuarantineReason), u64>) -> Markup {
    html! {
        section {
            h2 { (view.t("Theo đơn vị và lý do", "By unit and reason")) }
            dl.facts.counts {
                @for ((unit, reason), count) in counts {
                    dt { (view.unit(unit.as_str())) ": " (short(view, *reason)) }
                    dd { a href={ (ROUTE) "?unit=" (unit) "&reason=" (reason.code()) } { (view.number(*count)) } }
                }
            }
        }
    }
}

fn choices<'a>(view: &'a View, counts: &BTreeMap<(&'a UnitCode, QuarantineReason), u64>) -> [Choice<'a>; 2] {
    let every = ("", view.t("tất cả", "all"));
    let mut units = vec![every];
    let mut reasons = vec![every];
    for (unit, reason) in counts.keys() {
        if !units.iter().any(|(code, _)| *code == unit.as_str()) {
            units.push((unit.as_str(), unit.as_str()));
        }
        if !reasons.iter().any(|(code, _)| *code == reason.code()) {
            reasons.push((reason.code(), short(view, *reason)));
        }
    }
    [
        Choice { name: "unit", label: view.t("Đơn vị gửi", "From the unit"), values: units },
        Choice { name: "reason", label: view.t("Vì", "Because"), values: reasons },
    ]
}
