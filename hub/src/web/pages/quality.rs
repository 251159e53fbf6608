//! How good the data is: the six words over all units as a picture, and unit by unit; behind every figure its records.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::Response;
use lienthong_node::quality::{Viewpoint, remarks};
use lienthong_proto::catalogue::Dimension;
use lienthong_proto::quality::{Count, Silence, Tally, formula};
use maud::{Markup, html};

use super::super::format::tenths;
use super::super::table::{Asked, Choice, Column, Table, search};
use super::super::trouble::Trouble;
use super::super::view::View;
use super::quality_rows;
use crate::status::UnitStatus;

pub(super) const ROUTE: &str = "/quality";

/// Bands of shares, best first: name, from how many tenths of a percent on, Vietnamese, English.
const BANDS: [(&str, u16, &str, &str); 4] = [
    ("good", 980, "từ 98 %", "98 % and more"),
    ("fair", 900, "từ 90 đến dưới 98 %", "90 to under 98 %"),
    ("poor", 700, "từ 70 đến dưới 90 %", "70 to under 90 %"),
    ("bad", 0, "dưới 70 %", "under 70 %"),
];
const NOTHING: (&str, &str, &str) = ("none", "chưa có gì để chấm", "nothing to judge");

/// The band of a share.
pub(super) fn band(count: Count) -> &'static str {
    let of = |tenths: u16| BANDS.iter().find(|(_, from, ..)| tenths >= *from).map(|(name, ..)| *name);
    count.tenths().and_then(of).unwrap_or(NOTHING.0)
}

/// A share as people read it.
pub(super) fn share(view: &View, count: Count) -> String {
    count.tenths().map_or_else(|| "–".to_owned(), |value| tenths(u64::from(value), view.tongue))
}

/// The word of a dimension.
pub(super) fn word(view: &View, dimension: Dimension) -> String {
    view.tongue.language().pick(dimension.label()).to_owned()
}

fn count_of<const D: usize>(unit: &UnitStatus) -> Count {
    Dimension::ALL.get(D).map_or_else(Count::default, |dimension| unit.score.figure(*dimension))
}

fn total(unit: &UnitStatus) -> Count {
    unit.score.total().map_or_else(Count::default, |(_, count)| count)
}

/// The least share first, nothing to judge last.
fn by_share(a: Count, b: Count) -> Ordering {
    let place = |count: Count| count.tenths().unwrap_or(u16::MAX);
    place(a).cmp(&place(b))
}

fn figure(view: &View, unit: &UnitStatus, dimension: &str, count: Count) -> Markup {
    let address = format!("{ROUTE}?unit={}&dimension={dimension}", unit.unit);
    html! {
        @if count.all == 0 { "–" } @else {
            a class={ "share " (band(count)) } href=(address) title={ (view.number(count.good)) "/" (view.number(count.all)) } {
                (share(view, count))
            }
        }
    }
}

/// That a figure of "sống" is lowered, or soon will be, by the unit's silence and by no record.
fn mark(view: &View, unit: &UnitStatus, dimension: Option<Dimension>) -> Markup {
    let (class, word) = match unit.seen.silence {
        Silence::Amber => ("poor", view.t("vàng", "amber")),
        Silence::Silent => ("bad", view.t("im lặng", "silent")),
        Silence::Heard => return html! {},
    };
    let said = || said_of(view, unit).into_iter().next().unwrap_or_default();
    html! { @if dimension == Some(Dimension::Song) { " " span class={ "pill share " (class) } title=(said()) { (word) } } }
}

/// What lowers a unit's figures and is of no record, in the reader's language.
pub(super) fn said_of(view: &View, unit: &UnitStatus) -> Vec<String> {
    let language = view.tongue.language();
    let said = remarks(unit.seen, unit.heard, Viewpoint::Hub);
    said.into_iter().map(|label| language.pick(label)).collect()
}

const fn of_word<const D: usize>(
    key: &'static str,
    label: (&'static str, &'static str),
) -> Column<UnitStatus> {
    Column {
        key,
        label,
        figures: true,
        order: Some(|a, b| by_share(count_of::<D>(a), count_of::<D>(b))),
        cell: |view, unit| {
            let dimension = Dimension::ALL.get(D).copied();
            let name = dimension.map_or("", Dimension::name);
            html! { (figure(view, unit, name, count_of::<D>(unit))) (mark(view, unit, dimension)) }
        },
    }
}

const COLUMNS: [Column<UnitStatus>; 9] = [
    Column {
        key: "name",
        label: ("Đơn vị", "Unit"),
        figures: false,
        order: Some(|a, b| a.name.cmp(&b.name)),
        cell: |_, unit| {
            html! { a href={ (ROUTE) "?unit=" (unit.unit) } { b { (unit.name) } } " " span.quiet { (unit.unit) } }
        },
    },
    Column {
        key: "total",
        label: ("Thấp nhất", "Least"),
        figures: true,
        order: Some(|a, b| by_share(total(a), total(b))),
        cell: |view, unit| html! { b { (share(view, total(unit))) } },
    },
    of_word::<0>("dung", ("Đúng", "Right")),
    of_word::<1>("du", ("Đủ", "Complete")),
    of_word::<2>("sach", ("Sạch", "Clean")),
    of_word::<3>("song", ("Sống", "Live")),
    of_word::<4>("thong_nhat", ("Thống nhất", "Unified")),
    of_word::<5>("dung_chung", ("Dùng chung", "Shared")),
    Column {
        key: "defects",
        label: ("Lỗi mở", "Open defects"),
        figures: true,
        order: Some(|a, b| a.defects.cmp(&b.defects)),
        cell: |view, unit| {
            let address = format!("{ROUTE}?unit={}", unit.unit);
            html! { @match unit.defects { Some(count) => a href=(address) { (view.number(count)) }, None => "–" } }
        },
    },
];

/// All units, or the records behind a figure.
pub(in super::super) async fn page(
    view: View,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Trouble> {
    if ["unit", "dimension", "type", "rule"]
        .iter()
        .any(|name| query.get(*name).is_some_and(|v| !v.is_empty()))
    {
        return quality_rows::page(&view, &query).await;
    }
    let asked = Asked::of(&query);
    let title = view.t("Chất lượng dữ liệu", "Quality of the data");
    let mut units = tokio::task::block_in_place(|| view.site.hub.units());
    units.retain(|unit| !unit.replicas.is_empty() || unit.records > 0);
    let chart = chart(&view, &units);
    units.retain(|unit| wanted(unit, &asked));
    units.sort_by(|a, b| by_share(total(a), total(b)).then(b.defects.cmp(&a.defects)));
    let table = Table {
        view: &view,
        caption: view.t("đơn vị, kém nhất trước", "units, worst first"),
        columns: &COLUMNS,
        asked: &asked,
        route: ROUTE,
    };
    let left = view.site.hub.quality.behind().unwrap_or(0);
    let main = html! {
        h1 { (title) }
        @if left > 0 { p.attention { (view.number(left)) " " (view.t("thay đổi chưa chấm xong: số liệu còn đổi.", "changes are still being judged: figures will move.")) } }
        (chart)
        (search(&view, ROUTE, &asked, &choices(&view)))
        (table.of(units, |unit| format!("{} {}", unit.name, unit.unit)))
    };
    Ok(view.page(title, &main))
}

fn wanted(unit: &UnitStatus, asked: &Asked) -> bool {
    let (name, wanted) = (asked.filter("word"), asked.filter("band"));
    let count = Dimension::ALL.into_iter().find(|dimension| dimension.name() == name);
    let count = count.map_or_else(|| total(unit), |dimension| unit.score.figure(dimension));
    wanted.is_empty() || band(count) == wanted
}

fn choices(view: &View) -> [Choice<'_>; 2] {
    let words =
        COLUMNS.iter().skip(2).take(6).map(|column| (column.key, view.t(column.label.0, column.label.1)));
    let bands = BANDS.iter().map(|(name, _, vi, en)| (*name, view.t(vi, en)));
    let nothing = (NOTHING.0, view.t(NOTHING.1, NOTHING.2));
    [
        Choice {
            name: "word",
            label: view.t("Theo", "By"),
            values: std::iter::once(("", view.t("số thấp nhất", "the least"))).chain(words).collect(),
        },
        Choice {
            name: "band",
            label: view.t("Mức", "Level"),
            values: std::iter::once(("", view.t("tất cả", "all"))).chain(bands).chain([nothing]).collect(),
        },
    ]
}

/// For each word how many units stand in which band, and the share over all units.
fn chart(view: &View, units: &[UnitStatus]) -> Markup {
    let mut whole = Tally::default();
    units.iter().for_each(|unit| whole += unit.score.tally);
    html! {
        section {
            h2 { (view.t("Sáu chữ: bao nhiêu đơn vị ở mức nào", "The six words: how many units stand where")) }
            ul.chart {
                @for dimension in Dimension::ALL {
                    @let name = word(view, dimension);
                    li {
                        a.word href={ (ROUTE) "?dimension=" (dimension.name()) } title=(view.tongue.language().pick(formula(Some(dimension)))) { (name) }
                        (bar(view, units, dimension))
                        span.figure { (share(view, whole[dimension])) @if whole[dimension].all > 0 { " %" } }
                    }
                }
            }
            ul.legend {
                @for (name, _, vi, en) in BANDS { li { span class={ "swatch " (name) } aria-hidden="true" {} " " (view.t(vi, en)) } }
                li { span.swatch.none aria-hidden="true" {} " " (view.t(NOTHING.1, NOTHING.2)) }
                li.quiet { (view.t("bên phải: cả tỉnh", "on the right: the whole province")) }
            }
        }
    }
}

fn bar(view: &View, units: &[UnitStatus], dimension: Dimension) -> Markup {
    let bands = BANDS.iter().map(|(name, _, vi, en)| (*name, view.t(vi, en)));
    let bands = bands.chain([(NOTHING.0, view.t(NOTHING.1, NOTHING.2))]);
    let mut from = 0;
    let parts: Vec<_> = bands
        .filter_map(|(name, label)| {
            let count = units.iter().filter(|unit| band(unit.score.figure(dimension)) == name).count();
            let place = from;
            from += count;
            (count > 0).then_some((name, label, place, count))
        })
        .collect();
    html! {
        svg viewBox={ "0 0 " (units.len().max(1)) " 1" } preserveAspectRatio="none" role="group" aria-label=(word(view, dimension)) {
            @for (name, label, place, count) in parts {
                a href={ (ROUTE) "?word=" (dimension.name()) "&band=" (name) } aria-label={ (label) ": " (count) " " (view.t("đơn vị", "units")) } {
                    rect class=(name) x=(place) y="0" width=(count) height="1" {
                        title { (label) ": " (count) " " (view.t("đơn vị", "units")) }
                    }
                }
            }
        }
    }
}
