//! All units: searched, filtered, sorted.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};

use super::super::format::tenths;
use super::super::table::{Asked, Choice, Column, Table, search};
use super::super::view::View;
use super::super::words::{self, STATES};
use crate::status::UnitStatus;

const ROUTE: &str = "/units";

type By = fn(&UnitStatus, &UnitStatus) -> Ordering;

const fn column(
    key: &'static str,
    label: (&'static str, &'static str),
    figures: bool,
    order: By,
    cell: fn(&View, &UnitStatus) -> Markup,
) -> Column<UnitStatus> {
    Column { key, label, figures, order: Some(order), cell }
}

const COLUMNS: [Column<UnitStatus>; 10] = [
    column(
        "name",
        ("Đơn vị", "Unit"),
        false,
        |a, b| a.name.cmp(&b.name),
        |_, unit| {
            html! { a href={ "/units/" (unit.unit) } { b { (unit.name) } } " " span.quiet { (unit.unit) } }
        },
    ),
    column(
        "state",
        ("Trạng thái", "State"),
        false,
        |a, b| place(a).cmp(&place(b)),
        |view, unit| words::state(view, unit.state),
    ),
    column(
        "severity",
        ("Cần gọi vì", "Call because"),
        false,
        |a, b| a.severity.cmp(&b.severity),
        words::reasons,
    ),
    column(
        "records",
        ("Bản ghi", "Records"),
        true,
        |a, b| a.records.cmp(&b.records),
        |view, unit| {
            let address = format!("/records?unit={}", unit.unit);
            view.link("/records", &address, &html! { (view.number(unit.records)) })
        },
    ),
    column("lag", ("Chưa về", "Lag"), true, |a, b| a.lag.cmp(&b.lag), |view, unit| figure(view, unit.lag)),
    column(
        "seen",
        ("Thấy lần cuối", "Last heard"),
        false,
        |a, b| a.last_seen.cmp(&b.last_seen),
        |view, unit| view.time(unit.last_seen),
    ),
    column(
        "rejected",
        ("Bị loại", "Rejected"),
        true,
        |a, b| rejected(a).cmp(&rejected(b)),
        |view, unit| figure(view, rejected(unit)),
    ),
    column(
        "quarantined",
        ("Chờ xử lý", "Quarantine"),
        true,
        |a, b| a.quarantined.cmp(&b.quarantined),
        |view, unit| {
            let address = format!("/quarantine?unit={}", unit.unit);
            view.link("/quarantine", &address, &html! { (view.number(unit.quarantined as u64)) })
        },
    ),
    column(
        "defects",
        ("Lỗi mở", "Defects"),
        true,
        |a, b| a.defects.cmp(&b.defects),
        |view, unit| {
            view.link("/quality", &format!("/quality?unit={}", unit.unit), &figure(view, unit.defects))
        },
    ),
    column(
        "quality",
        ("Chất lượng", "Quality"),
        true,
        |a, b| total(a).cmp(&total(b)),
        |view, unit| {
            html! { @match total(unit) { Some(total) => (tenths(u64::from(total), view.tongue)), None => "–" } }
        },
    ),
];

fn place(unit: &UnitStatus) -> Option<usize> {
    STATES.iter().position(|(name, ..)| *name == unit.state)
}

fn rejected(unit: &UnitStatus) -> Option<u64> {
    unit.last_import.as_ref().map(|import| import.rows.rejected)
}

fn total(unit: &UnitStatus) -> Option<u16> {
    unit.score.total().and_then(|(_, count)| count.tenths())
}

fn figure(view: &View, value: Option<u64>) -> Markup {
    html! { @match value { Some(value) => (view.number(value)), None => "–" } }
}

/// The list.
pub(in super::super) async fn page(view: View, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let asked = Asked::of(&query);
    let title = view.t("Đơn vị", "Units");
    let mut units = tokio::task::block_in_place(|| view.site.hub.units());
    units.retain(|unit| wanted(unit, &asked));
    let table = Table {
        view: &view,
        caption: view.t("đơn vị", "units"),
        columns: &COLUMNS,
        asked: &asked,
        route: ROUTE,
    };
    let searched = |unit: &UnitStatus| format!("{} {}", unit.name, unit.unit);
    let main = html! {
        h1 { (title) }
        (search(&view, ROUTE, &asked, &choices(&view)))
        (table.of(units, searched))
    };
    view.page(title, &main)
}

fn wanted(unit: &UnitStatus, asked: &Asked) -> bool {
    let state = asked.filter("state");
    (state.is_empty() || unit.state == state)
        && (asked.filter("attention") != "yes" || !unit.attention.is_empty())
        && (asked.filter("enrolled") != "yes" || unit.state != "never")
}

fn choices(view: &View) -> [Choice<'_>; 2] {
    let every = ("", view.t("tất cả", "all"));
    let states = STATES.iter().map(|(state, ..)| (*state, words::state_words(state, view.tongue).1));
    [
        Choice {
            name: "state",
            label: view.t("Trạng thái", "State"),
            values: std::iter::once(every).chain(states).collect(),
        },
        Choice {
            name: "attention",
            label: view.t("Cần người", "Needs a person"),
            values: vec![every, ("yes", view.t("có", "yes"))],
        },
    ]
}
