//! The records: what there is by type, and a type's records, searched by key or by words without marks.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_node::records::{Listing, Records};
use lienthong_node::shown::{columns, record_path};
use lienthong_proto::catalogue::{Field, RecordType};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::value::Value;
use maud::{Markup, html};

use super::super::shown::{cell, type_of};
use super::super::table::{Asked, Choice, search};
use super::super::trouble::Trouble;
use super::super::view::View;

const ROUTE: &str = "/records";
/// Records of one page.
const ROWS: usize = 50;
/// Records looked at for one page: a search goes on where it stopped.
const LOOK_MAX: usize = 20_000;
/// Fields of a record in the list.
const COLUMNS: usize = 5;

/// Which records.
const ALL: [(&str, &str, &str); 3] = [
    ("", "đang có", "that stand"),
    ("shared", "dữ liệu dùng chung", "the shared dataset"),
    ("withdrawn", "cả đã thu hồi, đã gộp", "withdrawn and merged ones too"),
];

/// What there is of a type, or of all.
pub(in super::super) async fn page(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    let asked = Asked::of(&query);
    tokio::task::block_in_place(|| match asked.filter("type") {
        "" => types(&view, &asked),
        name => list(&view, &asked, type_of(&view, name)?),
    })
}

fn title(view: &View, asked: &Asked) -> String {
    let unit: Option<UnitCode> = asked.filter("unit").parse().ok();
    let records = view.t("Bản ghi", "Records");
    unit.map_or_else(|| records.to_owned(), |unit| format!("{records}: {}", view.tree().title(&unit)))
}

/// How many records of each type there are, as far as they were judged.
fn types(view: &View, asked: &Asked) -> Result<Response, Trouble> {
    let only: Option<UnitCode> = asked.filter("unit").parse().ok();
    let tree = view.tree();
    let units: Vec<&UnitCode> = match &only {
        Some(unit) => vec![unit],
        None => {
            tree.iter().map(|unit| &unit.code).chain(tree.endings().map(|ending| &ending.unit.code)).collect()
        }
    };
    let mut counted = Vec::new();
    for declared in view.catalogue().record_types() {
        let mut records = 0;
        for unit in &units {
            let sums = view.site.hub.quality.totals(&declared.name, unit);
            records += sums.map_err(|error| Trouble::internal(&error))?.records;
        }
        counted.push((declared, records));
    }
    let title = title(view, asked);
    let at = |declared: &RecordType| {
        let unit = only.as_ref().map(|unit| format!("&unit={unit}")).unwrap_or_default();
        format!("{ROUTE}?type={}{unit}", declared.name)
    };
    let main = html! {
        h1 { (title) }
        (form(view, asked, None))
        section {
            h2 { (view.t("Theo loại", "By type")) }
            dl.facts.counts {
                @for (declared, records) in &counted {
                    dt { a href=(at(declared)) { (view.label(&declared.label)) } } dd { (view.number(*records)) }
                }
            }
        }
    };
    Ok(view.page(&title, &main))
}

fn form(view: &View, asked: &Asked, chosen: Option<&RecordType>) -> Markup {
    let tree = view.tree();
    let units: Vec<(String, String)> =
        tree.iter().map(|unit| (unit.code.to_string(), unit.title())).collect();
    let types =
        view.catalogue().record_types().map(|declared| (declared.name.as_str(), view.label(&declared.label)));
    let first = chosen.is_none().then_some(("", view.t("chọn loại", "choose a type")));
    let every = std::iter::once(("", view.t("tất cả", "all")));
    let mut units: Vec<(&str, &str)> =
        every.chain(units.iter().map(|(code, title)| (code.as_str(), title.as_str()))).collect();
    // One that has ended is no choice of today, but is what was asked for.
    let unit = asked.filter("unit");
    if !units.iter().any(|(code, _)| *code == unit) {
        units.push((unit, unit));
    }
    let choices = [
        Choice {
            name: "type",
            label: view.t("Loại", "Type"),
            values: first.into_iter().chain(types).collect(),
        },
        Choice { name: "unit", label: view.t("Đơn vị quản lý", "Owning unit"), values: units },
        Choice {
            name: "which",
            label: view.t("Bản ghi nào", "Which"),
            values: ALL.iter().map(|(name, vi, en)| (*name, view.t(vi, en))).collect(),
        },
    ];
    search(view, ROUTE, asked, &choices)
}

fn list(view: &View, asked: &Asked, declared: &RecordType) -> Result<Response, Trouble> {
    let hub = &view.site.hub;
    let fail = |error: &dyn std::fmt::Display| Trouble::internal(error);
    let unit: Option<UnitCode> = match asked.filter("unit") {
        "" => None,
        code => Some(code.parse().map_err(|_| Trouble::missing(code))?),
    };
    let (which, after) = (asked.filter("which"), asked.filter("after"));
    let records = hub.records();
    // A key leads to its record, whoever has it: the first page shows that one first.
    let keyed = match (asked.search.as_str(), after) {
        ("", _) => None,
        (text, "") => {
            let of = Records { unit: unit.as_ref().unwrap_or(records.unit), ..records };
            of.named(declared, text).map_err(|error| fail(&error))?
        }
        _ => None,
    };
    let listing = Listing {
        search: Some(asked.search.clone()).filter(|words| !words.is_empty()),
        unit: unit.clone(),
        after: after.parse().ok(),
        all: which == "withdrawn",
        ..Listing::default()
    };
    let today = hub.quality.today();
    let (mut found, mut fault) = (Vec::new(), None);
    let next = records.each_within(declared, &listing, LOOK_MAX, &mut |record| {
        let kept_out = match hub.quality.is_kept_out(&declared.name, record.id, today) {
            Ok(kept_out) => kept_out,
            Err(error) => {
                fault = Some(error);
                return false;
            }
        };
        let is_keyed = keyed.as_ref().is_some_and(|keyed| keyed.id == record.id);
        if !is_keyed && (which != "shared" || !kept_out) {
            found.push((record.clone(), kept_out));
        }
        found.len() < ROWS
    });
    let next = next.map_err(|error| fail(&error))?;
    if let Some(error) = fault {
        return Err(fail(&error));
    }
    if let Some(keyed) = keyed {
        let kept_out =
            hub.quality.is_kept_out(&declared.name, keyed.id, today).map_err(|error| fail(&error))?;
        found.insert(0, (keyed, kept_out));
    }
    let title = title(view, asked);
    let fields = columns(declared, COLUMNS);
    let main = html! {
        h1 { (title) }
        (form(view, asked, Some(declared)))
        @if found.is_empty() {
            p.count role="status" {
                @if next.is_some() { (view.t("Chưa thấy trong phần đã tìm.", "Not found in the part looked through so far.")) }
                @else { (view.t("Không có bản ghi nào.", "No records.")) }
            }
        } @else { (table(view, declared, &fields, &found)) }
        @if let Some(next) = next {
            nav.turn aria-label=(view.t("Trang danh sách", "Pages of the list")) {
                a rel="next" href=(asked.with(ROUTE, "after", &next.to_string())) {
                    @if found.len() < ROWS { (view.t("Tìm tiếp", "Search on")) } @else { (view.t("Sau", "Next")) } " ›"
                }
            }
        }
    };
    Ok(view.page(&title, &main))
}

fn table(view: &View, declared: &RecordType, fields: &[&Field], found: &[(Record, bool)]) -> Markup {
    let last = [view.t("Đơn vị", "Unit"), view.t("Ghi chú", "Remarks")];
    html! {
        div.scroll tabindex="0" role="region" aria-label=(view.label(&declared.label)) {
            table.rows {
                thead { tr {
                    @for field in fields { th scope="col" { (view.label(&field.label)) } }
                    @for label in last { th scope="col" { (label) } }
                } }
                tbody { @for (record, kept_out) in found { (row(view, fields, record, *kept_out)) } }
            }
        }
    }
}

fn row(view: &View, fields: &[&Field], record: &Record, kept_out: bool) -> Markup {
    let path = record_path(&record.record_type, &record.id.to_string());
    let shown = |field: &Field| {
        let value = record.shown(&field.name).filter(|value| **value != Value::Null)?;
        Some(cell(view, field, &value.to_json()))
    };
    let (open, merged) = (record.conflicts().len(), record.merging().is_some());
    html! {
        tr {
            @for (place, field) in fields.iter().enumerate() {
                @let text = shown(field).unwrap_or_else(|| "–".to_owned());
                td data-label=(view.label(&field.label)) { @if place == 0 { a href=(path) { (text) } } @else { (text) } }
            }
            td data-label=(view.t("Đơn vị", "Unit")) { @if let Some(owner) = &record.owner { (view.unit(owner.as_str())) } }
            td data-label=(view.t("Ghi chú", "Remarks")) {
                @if merged || record.is_withdrawn() || kept_out || open > 0 {
                    div {
                        @if merged { span.tag { (view.t("đã gộp", "merged")) } " " }
                        @else if record.is_withdrawn() { span.tag { (view.t("đã thu hồi", "withdrawn")) } " " }
                        @if kept_out { span.tag.wait { (view.t("ngoài dữ liệu dùng chung", "kept out")) } " " }
                        @if open > 0 { a.tag.wait href={ "/conflicts/" (record.record_type) "/" (record.id) } { (view.t("cần quyết định", "to be decided")) } }
                    }
                }
            }
        }
    }
}
