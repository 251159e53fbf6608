//! Records that are probably one; and what was decided of such pairs, to be taken back.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::why::why;
use lienthong_proto::change::path;
use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{record_link, type_of};
use super::super::table::{Asked, Choice, Column, Table, search};
use super::super::trouble::Trouble;
use super::super::view::View;
use super::duplicate;
use crate::service::Request;
use lienthong_node::records::{LIMIT_MAX, Page};

const ROUTE: &str = "/duplicates";
const DECIDED: &str = "/duplicates/decided";
/// Records looked at for one page of what was decided.
const LOOK_MAX: usize = 20_000;
/// Decisions of one page.
const ROWS: usize = 50;

/// A pair that is probably one.
struct Row {
    record_type: String,
    first: String,
    second: String,
    units: Vec<String>,
    score: u64,
}

impl Row {
    fn of(item: &Json) -> Self {
        let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let units = item.get("units").and_then(Json::as_array).into_iter().flatten();
        Self {
            record_type: text("type"),
            first: text("first"),
            second: text("second"),
            units: units.filter_map(|unit| Some(unit.as_str()?.to_owned())).collect(),
            score: item.get("score").and_then(Json::as_u64).unwrap_or(0),
        }
    }
}

const COLUMNS: [Column<Row>; 5] = [
    Column {
        key: "score",
        label: ("Giống", "Likeness"),
        figures: true,
        order: Some(|a, b| a.score.cmp(&b.score)),
        cell: |view, row| {
            let address = format!("{ROUTE}/{}/{}/{}", row.record_type, row.first, row.second);
            html! { a href=(address) { b { (row.score) } " " (view.t("so sánh", "compare")) } }
        },
    },
    Column {
        key: "first",
        label: ("Bản ghi", "Record"),
        figures: false,
        order: None,
        cell: |view, row| record_link(view, &row.record_type, &row.first),
    },
    Column {
        key: "second",
        label: ("Và bản ghi", "And record"),
        figures: false,
        order: None,
        cell: |view, row| record_link(view, &row.record_type, &row.second),
    },
    Column {
        key: "units",
        label: ("Đơn vị", "Units"),
        figures: false,
        order: Some(|a, b| a.units.cmp(&b.units)),
        cell: |view, row| {
            let mut units = row.units.clone();
            units.dedup();
            html! { div { @for unit in &units { span.line { (view.unit(unit)) } } } }
        },
    },
    Column {
        key: "type",
        label: ("Loại", "Type"),
        figures: false,
        order: Some(|a, b| a.record_type.cmp(&b.record_type)),
        cell: |view, row| html! { (view.type_label(&row.record_type)) },
    },
];

/// The pairs, the likeliest first.
pub(in super::super) async fn page(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let asked = Asked::of(&query);
    let page = Page { limit: Some(LIMIT_MAX), after: None };
    let answer = view.ask(Request::DuplicatesList { page }).await?.body;
    let items = answer.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let (unit, name) = (asked.filter("unit"), asked.filter("type"));
    let mut rows: Vec<Row> = items.iter().map(Row::of).collect();
    rows.retain(|row| {
        (unit.is_empty() || row.units.iter().any(|one| one == unit))
            && (name.is_empty() || row.record_type == name)
    });
    let title = view.t("Trùng lặp", "Duplicates");
    let table = Table {
        view: &view,
        caption: view.t("cặp có lẽ là một", "pairs that are probably one"),
        columns: &COLUMNS,
        asked: &asked,
        route: ROUTE,
    };
    let main = tokio::task::block_in_place(|| {
        html! {
            h1 { (title) }
            (tabs(&view, ROUTE))
            (form(&view, &asked, ROUTE))
            @if answer.get("next").is_some_and(Json::is_string) {
                p.attention { (view.t("Chỉ nêu các cặp giống nhất; còn nữa khi các cặp này đã quyết định.", "Only the likeliest are listed; there are more once these are decided.")) }
            }
            (table.of(rows, |row| if asked.search.is_empty() { String::new() } else { names(&view, row) }))
        }
    });
    Ok(view.page(title, &main))
}

fn names(view: &View, row: &Row) -> String {
    let link = |id: &str| record_link(view, &row.record_type, id).into_string();
    format!("{} {}", link(&row.first), link(&row.second))
}

fn tabs(view: &View, here: &str) -> Markup {
    let both =
        [(ROUTE, view.t("Cần quyết định", "To be decided")), (DECIDED, view.t("Đã quyết định", "Decided"))];
    html! {
        nav.tabs aria-label=(view.t("Các phần", "Parts")) {
            @for (address, words) in both { a href=(address) aria-current=[(address == here).then_some("page")] { (words) } }
        }
    }
}

/// Types whose records are looked through for duplicates.
fn types(view: &View) -> Vec<(&str, &str)> {
    let all = view.catalogue().record_types().filter(|declared| declared.duplicates.is_some());
    all.map(|declared| (declared.name.as_str(), view.label(&declared.label))).collect()
}

fn form(view: &View, asked: &Asked, route: &str) -> Markup {
    let units: Vec<(String, String)> =
        view.tree().iter().map(|unit| (unit.code.to_string(), unit.title())).collect();
    let every = || std::iter::once(("", view.t("tất cả", "all")));
    let choices = [
        Choice {
            name: "type", label: view.t("Loại", "Type"), values: every().chain(types(view)).collect()
        },
        Choice {
            name: "unit",
            label: view.t("Đơn vị", "Unit"),
            values: every()
                .chain(units.iter().map(|(code, title)| (code.as_str(), title.as_str())))
                .collect(),
        },
    ];
    search(view, route, asked, &choices)
}

/// What was decided of records of a type, in the order of their ids: what is one, what is two.
pub(in super::super) async fn decided(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let asked = Asked::of(&query);
    let types = types(&view);
    let name = match asked.filter("type") {
        "" => types.first().map_or("", |(name, _)| *name),
        name => name,
    };
    let declared = type_of(&view, name)?;
    let after = asked.filter("after").parse().ok();
    let (pairs, next) = tokio::task::block_in_place(|| decisions(&view, &declared.name, after))?;
    let title = view.t("Trùng lặp đã quyết định", "Duplicates that were decided");
    let main = html! {
        h1 { (title) }
        (tabs(&view, DECIDED))
        form.search method="get" action=(DECIDED) {
            label { span { (view.t("Loại", "Type")) }
                select name="type" {
                    @for (one, label) in &types { option value=(one) selected[*one == name] { (label) } }
                } }
            button { (view.t("Lọc", "Filter")) }
        }
        @if pairs.is_empty() { p.count role="status" { (view.t("Không có quyết định nào ở phần này.", "No decisions in this part.")) } }
        @for pair in &pairs { (pair) }
        @if let Some(next) = next {
            nav.turn { a rel="next" href=(asked.with(DECIDED, "after", &next.to_string())) { (view.t("Tìm tiếp", "Look on")) " ›" } }
        }
    };
    Ok(view.page(title, &main))
}

fn decisions(
    view: &View,
    name: &str,
    mut after: Option<RecordId>,
) -> Result<(Vec<Markup>, Option<RecordId>), Trouble> {
    let fail = |error: lienthong_node::dataset::DatasetError| Trouble::internal(&error);
    let (dataset, mut found, mut looked) = (&view.site.hub.dataset, Vec::new(), 0);
    loop {
        let page = dataset.page(name, after, 256).map_err(fail)?;
        if page.is_empty() {
            return Ok((found, None));
        }
        for (id, state) in &page {
            if looked >= LOOK_MAX || found.len() >= ROWS {
                return Ok((found, after));
            }
            (after, looked) = (Some(*id), looked + 1);
            let prefix = format!("{}/", path::APART);
            let told = |register: &String| register == path::INTO || register.starts_with(&prefix);
            let registers: Vec<&String> = state.registers.keys().filter(|register| told(register)).collect();
            if registers.is_empty() {
                continue;
            }
            let Some(record) = dataset.record(view.catalogue(), name, *id).map_err(fail)? else { continue };
            for register in registers {
                found.extend(decision(view, &record, register).map_err(fail)?);
            }
        }
    }
}

/// One decision, if it was not taken back.
fn decision(
    view: &View,
    record: &Record,
    register: &str,
) -> Result<Option<Markup>, lienthong_node::dataset::DatasetError> {
    let apart = register.split_once('/').filter(|_| record.shown(register) == Some(&Value::Boolean(true)));
    let other: Option<RecordId> = match (register, apart) {
        (path::INTO, _) => record.merging().map(|merging| merging.into),
        (_, Some((_, id))) => id.parse().ok(),
        _ => None,
    };
    let Some(other) = other else { return Ok(None) };
    let told = why(&view.site.hub.dataset, record, register)?;
    let by = told.get("siblings").and_then(Json::as_array).and_then(|all| all.last()).unwrap_or(&Json::Null);
    let text = |name: &str| by.get(name).and_then(Json::as_str).unwrap_or_default();
    let merged = register == path::INTO;
    let (first, second) = (record.id.to_string(), other.to_string());
    Ok(Some(html! {
        section {
            h2 {
                (record_link(view, &record.record_type, &first))
                @if merged { (view.t(" đã gộp vào ", " was merged into ")) } @else { (view.t(" không phải là ", " is not ")) }
                (record_link(view, &record.record_type, &second))
            }
            p { (text("author")) ", " (view.time_of(text("at"))) @if !text("why").is_empty() { ": " (text("why")) } }
            p { a.button href=(duplicate::address(&record.record_type, record.id, other)) { (view.t("Xem, hoặc hoàn tác", "See, or take back")) } }
        }
    }))
}
