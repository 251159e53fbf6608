//! What people have to decide: fields with several values, proposals, withdrawals against edits; and records that are to
//! go from unit to unit and have not gone.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Query;
use axum::response::Response;
use lienthong_node::records::Page;
use lienthong_node::shown::record_path;
use lienthong_proto::change::path;
use lienthong_proto::ids::{Dot, RecordId, UnitCode};
use lienthong_proto::time::UnixMillis;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{headline, named, record_link, record_of};
use super::super::table::{Asked, Choice, Column, Table, search};
use super::super::trouble::Trouble;
use super::super::view::View;
use crate::service::Request;

const ROUTE: &str = "/conflicts";
/// Conflicts listed at most: who has more settles some, or narrows by type.
const ROWS_MAX: usize = 20_000;
const DAY_MILLIS: u64 = 86_400_000;

/// What there is to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Which of several values is right.
    Values,
    /// Whether what another unit says is so.
    Proposal,
    /// Whether a record is withdrawn that somebody edited.
    Withdrawal,
    /// Whose a record is.
    Owner,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Values, Self::Proposal, Self::Withdrawal, Self::Owner];

    fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Proposal => "proposal",
            Self::Withdrawal => "withdrawal",
            Self::Owner => "owner",
        }
    }

    fn words(self, view: &View) -> &'static str {
        let (vi, en) = match self {
            Self::Values => ("giá trị khác nhau", "values differ"),
            Self::Proposal => ("đơn vị khác đề nghị", "another unit proposes"),
            Self::Withdrawal => ("thu hồi và sửa cùng lúc", "withdrawn and edited"),
            Self::Owner => ("đơn vị quản lý", "owning unit"),
        };
        view.tongue.pick(vi, en)
    }
}

/// One of the list.
struct Row {
    kind: Kind,
    record_type: String,
    id: RecordId,
    field: String,
    unit: Option<UnitCode>,
    since: Option<UnixMillis>,
}

const COLUMNS: [Column<Row>; 6] = [
    Column {
        key: "record",
        label: ("Bản ghi", "Record"),
        figures: false,
        order: None,
        cell: |view, row| html! { a href=(address(&row.record_type, row.id, &row.field)) { (title(view, row)) } },
    },
    Column {
        key: "type",
        label: ("Loại", "Type"),
        figures: false,
        order: Some(|a, b| a.record_type.cmp(&b.record_type)),
        cell: |view, row| html! { (view.type_label(&row.record_type)) },
    },
    Column {
        key: "field",
        label: ("Trường", "Field"),
        figures: false,
        order: Some(|a, b| a.field.cmp(&b.field)),
        cell: |view, row| html! { (field(view, row)) },
    },
    Column {
        key: "kind",
        label: ("Kiểu", "Kind"),
        figures: false,
        order: Some(|a, b| a.kind.cmp(&b.kind)),
        cell: |view, row| html! { (row.kind.words(view)) },
    },
    Column {
        key: "unit",
        label: ("Đơn vị quản lý", "Owning unit"),
        figures: false,
        order: Some(|a, b| a.unit.cmp(&b.unit)),
        cell: |view, row| html! { @if let Some(unit) = &row.unit { (view.unit(unit.as_str())) } },
    },
    Column {
        key: "since",
        label: ("Từ lúc", "Since"),
        figures: false,
        order: Some(by_age),
        cell: |view, row| view.time(row.since),
    },
];

fn by_age(a: &Row, b: &Row) -> Ordering {
    a.since.cmp(&b.since)
}

/// Where a conflict's page is.
pub(super) fn address(record_type: &str, id: RecordId, field: &str) -> String {
    let field: String = form_urlencoded::byte_serialize(field.as_bytes()).collect();
    format!("{ROUTE}/{record_type}/{id}?field={field}")
}

fn title(view: &View, row: &Row) -> String {
    record_of(view, &row.record_type, &row.id.to_string())
        .map_or_else(|_| row.id.to_string(), |record| headline(view, &record))
}

fn field(view: &View, row: &Row) -> String {
    let declared = view.catalogue().record_type(&row.record_type);
    declared.map_or_else(|| row.field.clone(), |declared| named(view, declared, &row.field))
}

/// How many conflicts of a unit's records are open.
pub(super) fn open_of(view: &View, unit: &UnitCode) -> u64 {
    let open = view.site.hub.dataset.conflicts().into_iter().take(ROWS_MAX);
    let owner = |record_type: &str, id| {
        let state = view.site.hub.dataset.state(record_type, id).ok().flatten();
        state.is_some_and(|state| state.owner() == Some(unit))
    };
    open.filter(|(record_type, id, _)| owner(record_type, *id)).count() as u64
}

fn row(view: &View, (record_type, id, field): (String, RecordId, String)) -> Row {
    let state = view.site.hub.dataset.state(&record_type, id).ok().flatten();
    let (mut stated, mut proposed) = (Vec::new(), false);
    if let Some(state) = &state {
        let siblings = state.registers.get(&field).into_iter().flat_map(|register| &register.siblings);
        let mut sides: BTreeSet<Dot> = siblings.map(|sibling| sibling.dot).collect();
        if field == path::WITHDRAWN {
            sides.extend(state.standing().unseen);
        }
        for source in sides.iter().filter_map(|dot| state.sources.get(dot)) {
            stated.push(source.effective.at());
            proposed |= source.proposal;
        }
    }
    stated.sort_unstable();
    let kind = match field.as_str() {
        path::WITHDRAWN => Kind::Withdrawal,
        path::UNIT => Kind::Owner,
        _ if proposed => Kind::Proposal,
        _ => Kind::Values,
    };
    Row {
        kind,
        record_type,
        id,
        field,
        unit: state.as_ref().and_then(|state| state.owner().cloned()),
        // It begins with its second side.
        since: stated.get(1).or(stated.first()).map(|at| (*at).min(view.now())),
    }
}

/// The list, the oldest first.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    tokio::task::block_in_place(|| list(&view, &query))
}

fn list(view: &View, query: &BTreeMap<String, String>) -> Response {
    let asked = Asked::of(query);
    let (title, record_type) = (view.t("Xung đột", "Conflicts"), asked.filter("type"));
    let mut open = view.site.hub.dataset.conflicts();
    let types: BTreeSet<String> = open.iter().map(|(name, ..)| name.clone()).collect();
    open.retain(|(name, ..)| record_type.is_empty() || name == record_type);
    let left_out = open.len().saturating_sub(ROWS_MAX);
    let mut rows: Vec<Row> = open.into_iter().take(ROWS_MAX).map(|conflict| row(view, conflict)).collect();
    let units: BTreeSet<UnitCode> = rows.iter().filter_map(|row| row.unit.clone()).collect();
    rows.retain(|row| wanted(view, row, &asked));
    rows.sort_by(by_age);
    let table = Table {
        view,
        caption: view.t("xung đột", "conflicts"),
        columns: &COLUMNS,
        asked: &asked,
        route: ROUTE,
    };
    // What a record is called is read for a search only: for the list itself the rows that are shown read it.
    let searched = |row: &Row| {
        if asked.search.is_empty() {
            String::new()
        } else {
            format!("{} {}", self::title(view, row), field(view, row))
        }
    };
    let titles: Vec<(String, String)> =
        units.iter().map(|unit| (unit.to_string(), view.tree().title(unit))).collect();
    let main = html! {
        h1 { (title) }
        (tabs(view, ROUTE))
        (search(view, ROUTE, &asked, &choices(view, &types, &titles)))
        @if left_out > 0 {
            p.attention { (view.t("Còn ", "Another ")) (view.number(left_out as u64)) (view.t(" xung đột không nằm trong danh sách này: lọc theo loại.", " conflicts are not in this list: filter by type.")) }
        }
        (table.of(rows, searched))
    };
    view.page(title, &main)
}

fn wanted(view: &View, row: &Row, asked: &Asked) -> bool {
    let (kind, unit, days) = (asked.filter("kind"), asked.filter("unit"), asked.filter("days"));
    let age = row.since.map_or(0, |since| view.now().since(since));
    (kind.is_empty() || row.kind.name() == kind)
        && (unit.is_empty() || row.unit.as_ref().is_some_and(|owner| owner.as_str() == unit))
        && days.parse().map_or(true, |days: u64| age >= days.saturating_mul(DAY_MILLIS))
}

fn choices<'a>(
    view: &'a View,
    types: &'a BTreeSet<String>,
    units: &'a [(String, String)],
) -> [Choice<'a>; 4] {
    let every = || std::iter::once(("", view.t("tất cả", "all")));
    let kinds = Kind::ALL.into_iter().map(|kind| (kind.name(), kind.words(view)));
    [
        Choice { name: "kind", label: view.t("Kiểu", "Kind"), values: every().chain(kinds).collect() },
        Choice {
            name: "type",
            label: view.t("Loại bản ghi", "Record type"),
            values: every().chain(types.iter().map(|name| (name.as_str(), view.type_label(name)))).collect(),
        },
        Choice {
            name: "unit",
            label: view.t("Đơn vị quản lý", "Owning unit"),
            values: every()
                .chain(units.iter().map(|(code, title)| (code.as_str(), title.as_str())))
                .collect(),
        },
        Choice {
            name: "days",
            label: view.t("Đã lâu", "Open for"),
            values: every()
                .chain([
                    ("1", view.t("từ 1 ngày", "a day or more")),
                    ("7", view.t("từ 7 ngày", "7 days or more")),
                    ("30", view.t("từ 30 ngày", "30 days or more")),
                ])
                .collect(),
        },
    ]
}

const HANDOVERS: &str = "/conflicts/handovers";

fn tabs(view: &View, here: &str) -> Markup {
    let both = [(ROUTE, view.t("Giá trị", "Values")), (HANDOVERS, view.t("Chuyển giao", "Handovers"))];
    html! {
        nav.tabs aria-label=(view.t("Các loại việc", "Kinds of work")) {
            @for (address, words) in both { a href=(address) aria-current=[(address == here).then_some("page")] { (words) } }
        }
    }
}

/// The records that are to go from unit to unit and have not gone, and why.
pub(in super::super) async fn handovers(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let asked = Asked::of(&query);
    let unit = asked.filter("unit").parse().ok();
    let after = Some(asked.filter("after").to_owned()).filter(|after| !after.is_empty());
    let page = Page { limit: Some(50), after };
    let answer = view.ask(Request::Handovers { unit, page }).await?.body;
    let items = answer.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let title = view.t("Chuyển giao đang chờ", "Handovers that wait");
    let main = html! {
        h1 { (title) }
        (tabs(&view, HANDOVERS))
        p.quiet { (view.t("Bản ghi sang đơn vị mới khi cả hai đơn vị đã ghi phần mình. Khi có giấy tờ thay cho một phần, chuyển ở trang của bản ghi.",
            "A record goes to its new unit once both have stated their half. Where papers stand for a half, give it over at the record’s page.")) }
        @if items.is_empty() { section { p.fine { (view.t("Không có gì đang chờ.", "Nothing waits.")) } } }
        @for item in items { (handover(&view, item)) }
        @if let Some(next) = answer.get("next").and_then(Json::as_str) {
            @let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            nav.turn { a rel="next" href={ (HANDOVERS) "?after=" (next) "&unit=" (asked.filter("unit")) } { (view.t("Sau", "Next")) " ›" } }
        }
    };
    Ok(view.page(title, &main))
}

fn handover(view: &View, item: &Json) -> Markup {
    let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
    let declared = view.catalogue().record_type(text("type"));
    let handing = declared.and_then(|declared| Some((declared, declared.handover.as_ref()?)));
    let target = handing.and_then(|(declared, handover)| declared.field(&handover.record)?.target.as_deref());
    let held = handing.and_then(|(_, handover)| {
        let by = text("held_by").parse().ok()?;
        let mut types = handover.held.iter().map(|held| held.by.as_str());
        types.find(|name| view.site.hub.dataset.state(name, by).is_ok_and(|state| state.is_some()))
    });
    html! {
        section {
            h2 { @match target { Some(target) => (record_link(view, target, text("record"))), None => (text("record")) } }
            dl.facts {
                dt { (view.t("Từ", "From")) } dd { (view.unit(text("from"))) }
                dt { (view.t("Đến", "To")) } dd { (view.unit(text("to"))) }
                dt { (view.t("Tình trạng", "State")) } dd { (view.t(text("vi"), text("en"))) }
                @if let Some(held) = held { dt { (view.t("Giữ lại bởi", "Held by")) } dd { (record_link(view, held, text("held_by"))) } }
                dt { (view.t("Giấy chuyển", "Paper")) }
                dd { a href=(record_path(text("type"), text("id"))) { (view.type_label(text("type"))) } }
            }
        }
    }
}
