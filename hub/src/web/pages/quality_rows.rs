//! Behind a figure: which rules are broken how often, and the very records, with what to do.

use std::collections::BTreeMap;

use axum::response::Response;
use lienthong_node::quality::Wanted;
use lienthong_node::records::Page;
use lienthong_proto::catalogue::{Class, Dimension};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::formula;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::trouble::Trouble;
use super::super::view::View;
use super::super::words;
use super::quality::{ROUTE, band, said_of, share, word};
use super::unit::unit_of;
use crate::service::Request;
use crate::status::UnitStatus;

/// Records of a page.
const ROWS: usize = 50;

/// What is looked for, and where it is.
struct Drill<'a> {
    view: &'a View,
    wanted: Wanted,
    unit: Option<UnitStatus>,
}

/// The records of one unit or of all, of a word, a type, a rule.
pub(super) async fn page(view: &View, query: &BTreeMap<String, String>) -> Result<Response, Trouble> {
    let text =
        |name: &str| query.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let unit = match text("unit") {
        // The province's own records have no line among the units.
        Some(code) if code != view.site.hub.secrets.profile.province.as_str() => Some(unit_of(view, &code)?),
        _ => None,
    };
    let code =
        text("unit").map(|code| code.parse::<UnitCode>().map_err(|_| Trouble::missing(&code))).transpose()?;
    let wanted =
        Wanted { unit: code, dimension: text("dimension"), record_type: text("type"), rule: text("rule") };
    let page = Page { limit: Some(ROWS), after: text("after") };
    let found = view.ask(Request::QualityRows { wanted: wanted.clone(), page }).await?.body;
    let drill = Drill { view, wanted, unit };
    let title =
        drill.unit.as_ref().map_or(view.t("Mọi đơn vị", "All units"), |unit| unit.name.as_str());
    let main = html! {
        p.crumbs { a href=(ROUTE) { (view.t("Chất lượng", "Quality")) } @if let Some(unit) = &drill.wanted.unit { " › " (unit) } }
        h1 { (title) }
        @if let Some(unit) = &drill.unit { (drill.figures(unit)) }
        (drill.gaps())
        (drill.rules(&found))
        (drill.filter())
        (tokio::task::block_in_place(|| drill.rows(&found)))
    };
    Ok(view.page(title, &main))
}

fn list<'a>(found: &'a Json, name: &str) -> &'a [Json] {
    found.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

fn text<'a>(item: &'a Json, name: &str) -> &'a str {
    item.get(name).and_then(Json::as_str).unwrap_or_default()
}

impl Drill<'_> {
    /// The address with one thing more or other; an empty value takes it away.
    fn address(&self, changes: &[(&str, &str)]) -> String {
        let unit = self.wanted.unit.as_ref().map_or("", UnitCode::as_str);
        let own = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut query = BTreeMap::from([
            ("unit", unit.to_owned()),
            ("dimension", own(&self.wanted.dimension)),
            ("type", own(&self.wanted.record_type)),
            ("rule", own(&self.wanted.rule)),
        ]);
        query.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut address = form_urlencoded::Serializer::new(String::new());
        address.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        format!("{ROUTE}?{}", address.finish())
    }

    fn figures(&self, unit: &UnitStatus) -> Markup {
        let view = self.view;
        let chosen = self.wanted.dimension.as_deref();
        html! {
            p {
                a href={ "/units/" (unit.unit) } { (view.t("Trang đơn vị", "The unit's page")) }
                " · " (view.t("Gọi: ", "Call: ")) (words::contact(view, unit))
            }
            ul.counters aria-label=(view.t("Sáu chữ", "The six words")) {
                @for dimension in Dimension::ALL {
                    @let count = unit.score.figure(dimension);
                    @let is = chosen == Some(dimension.name());
                    li class=(band(count)) title=(view.tongue.language().pick(formula(Some(dimension)))) {
                        a href=(self.address(&[("dimension", if is { "" } else { dimension.name() }), ("rule", "")])) aria-current=[is.then_some("true")] {
                            b { (share(view, count)) }
                            span { (word(view, dimension)) @if count.all > 0 { " · " (view.number(count.good)) "/" (view.number(count.all)) } }
                        }
                    }
                }
            }
            @for remark in said_of(view, unit) { p.attention { (remark) } }
            @if let Some(dimension) = Dimension::ALL.into_iter().find(|dimension| chosen == Some(dimension.name())) {
                p.quiet { (view.tongue.language().pick(formula(Some(dimension)))) }
            }
        }
    }

    fn type_label(&self, name: &str) -> String {
        let declared = self.view.site.hub.catalogue.record_type(name);
        declared.map_or_else(
            || name.to_owned(),
            |declared| self.view.tongue.language().pick(declared.label.clone()).to_owned(),
        )
    }

    /// What should be there and is not: no record to show.
    fn gaps(&self) -> Markup {
        let (view, quality) = (self.view, &self.view.site.hub.quality);
        let asked =
            matches!(self.wanted.dimension.as_deref(), None | Some("du")) && self.wanted.rule.is_none();
        let unit = self.wanted.unit.as_ref().filter(|_| asked);
        let found = unit
            .map(|unit| quality.gaps(Some(unit), quality.today()))
            .and_then(Result::ok)
            .unwrap_or_default();
        let Ok(book) = quality.book() else { return html! {} };
        html! {
            @if !found.is_empty() {
                section {
                    h2 { (view.t("Phải có mà chưa có", "Should be there and is not")) }
                    ul {
                        @for gap in &found {
                            li {
                                b { (self.type_label(&gap.record_type)) } ": "
                                (view.tongue.language().pick(book.rule(gap.rule).message.clone()))
                                @if let Some(year) = gap.year { " (" (year) ")" }
                            }
                        }
                    }
                }
            }
        }
    }

    fn rules(&self, found: &Json) -> Markup {
        let view = self.view;
        let rules = list(found, "rules");
        html! {
            @if !rules.is_empty() {
                section {
                    h2 { (view.t("Quy tắc bị vi phạm", "Rules that are broken")) }
                    @if found.get("counted") == Some(&Json::Bool(false)) {
                        p.quiet { (view.t("Quá nhiều bản ghi để đếm hết: số đếm là ít nhất.", "Too many records to count them all: counts are at least.")) }
                    }
                    div.scroll tabindex="0" role="region" aria-label=(view.t("Quy tắc bị vi phạm", "Rules that are broken")) {
                        table.rows {
                            thead { tr {
                                th.figures scope="col" { (view.t("Số lỗi", "Count")) }
                                th scope="col" { (view.t("Sai gì, cần làm gì", "What is wrong, what to do")) }
                                th scope="col" { (view.t("Loại", "Type")) }
                                th scope="col" { (view.t("Chữ", "Word")) }
                            } }
                            tbody { @for rule in rules { (self.rule(rule)) } }
                        }
                    }
                }
            }
        }
    }

    fn rule(&self, rule: &Json) -> Markup {
        let view = self.view;
        let (name, kind) = (text(rule, "rule"), text(rule, "type"));
        let is =
            self.wanted.rule.as_deref() == Some(name) && self.wanted.record_type.as_deref() == Some(kind);
        let to = if is { [("rule", ""), ("type", "")] } else { [("rule", name), ("type", kind)] };
        let count = rule.get("count").and_then(Json::as_u64).unwrap_or(0);
        html! {
            tr {
                td.figures data-label=(view.t("Số lỗi", "Count")) {
                    a href=(self.address(&to)) aria-current=[is.then_some("true")] { (view.number(count)) }
                }
                td data-label=(view.t("Sai gì", "What is wrong")) { span { (view.half(text(rule, "message"))) " " code.quiet { (name) } } }
                td data-label=(view.t("Loại", "Type")) { (self.type_label(kind)) }
                td data-label=(view.t("Chữ", "Word")) { (self.dimension(text(rule, "dimension"))) (self.severity(rule)) }
            }
        }
    }

    fn dimension(&self, name: &str) -> String {
        let found = Dimension::ALL.into_iter().find(|dimension| dimension.name() == name);
        found.map_or_else(|| name.to_owned(), |dimension| word(self.view, dimension))
    }

    fn severity(&self, defect: &Json) -> Markup {
        html! { @if text(defect, "severity") == "error" {
            " " span.pill title=(self.view.t("bản ghi chưa vào dữ liệu dùng chung cho đến khi sửa", "the record stays out of the shared dataset until it is mended")) {
                (self.view.t("giữ lại", "kept out"))
            }
        } }
    }

    fn filter(&self) -> Markup {
        let view = self.view;
        let kept = self.wanted.unit.as_ref().map_or("", UnitCode::as_str);
        let words = Dimension::ALL.into_iter().map(|dimension| (dimension.name(), word(view, dimension)));
        let types = view
            .site
            .hub
            .catalogue
            .record_types()
            .map(|declared| (declared.name.as_str(), self.type_label(&declared.name)));
        html! {
            form.search method="get" action=(ROUTE) {
                @if !kept.is_empty() { input type="hidden" name="unit" value=(kept); }
                (self.choice("dimension", view.t("Chữ", "Word"), self.wanted.dimension.as_deref(), words.collect()))
                (self.choice("type", view.t("Loại bản ghi", "Record type"), self.wanted.record_type.as_deref(), types.collect()))
                label {
                    span { (view.t("Quy tắc", "Rule")) }
                    input name="rule" value=(self.wanted.rule.as_deref().unwrap_or_default()) autocomplete="off" placeholder=(view.t("tất cả", "all"));
                }
                button { (view.t("Lọc", "Filter")) }
            }
        }
    }

    fn choice(&self, name: &str, label: &str, chosen: Option<&str>, values: Vec<(&str, String)>) -> Markup {
        html! {
            label {
                span { (label) }
                select name=(name) {
                    option value="" { (self.view.t("tất cả", "all")) }
                    @for (value, word) in values { option value=(value) selected[chosen == Some(value)] { (word) } }
                }
            }
        }
    }

    fn rows(&self, found: &Json) -> Markup {
        let (view, items) = (self.view, list(found, "items"));
        let next = found.get("next").and_then(Json::as_str);
        html! {
            section {
                h2 { (view.t("Bản ghi cần sửa", "Records to mend")) }
                @if items.is_empty() && next.is_none() { p.fine { (view.t("Không có lỗi nào.", "Nothing is wrong.")) } }
                ul.defects { @for item in items { (self.row(item)) } }
                @if let Some(next) = next {
                    nav.turn { a rel="next" href=(self.address(&[("after", next)])) { (view.t("Tiếp theo", "Next")) " ›" } }
                }
            }
        }
    }

    fn row(&self, item: &Json) -> Markup {
        let view = self.view;
        let (kind, id, unit) = (text(item, "type"), text(item, "id"), text(item, "unit"));
        let address = format!("/records/{kind}/{id}");
        html! {
            li id=(id) {
                p {
                    (view.link("/records/{type}/{id}", &address, &html! { b { (self.headline(kind, id)) } }))
                    " " span.quiet { (self.type_label(kind)) }
                    @if self.wanted.unit.is_none() { " · " a href=(self.address(&[("unit", unit)])) { (unit) } }
                }
                ul.reasons { @for defect in list(item, "defects") { (self.defect(kind, defect)) } }
            }
        }
    }

    fn defect(&self, kind: &str, defect: &Json) -> Markup {
        let (view, path) = (self.view, text(defect, "field"));
        let field = view.site.hub.catalogue.record_type(kind).and_then(|declared| declared.field(path));
        let field = field.map_or(path, |field| view.t(&field.label.vi, &field.label.en));
        html! {
            li {
                @if !field.is_empty() { b { (field) } ": " }
                (view.half(text(defect, "message")))
                " " span.quiet { (self.dimension(text(defect, "dimension"))) " · " code { (text(defect, "rule")) } }
                (self.severity(defect))
            }
        }
    }

    /// What a record is called: its identifying values, as far as they are not for few eyes only.
    fn headline(&self, kind: &str, id: &str) -> String {
        let hub = &self.view.site.hub;
        let named = || {
            let (declared, id) = (hub.catalogue.record_type(kind)?, id.parse::<RecordId>().ok()?);
            let record = hub.dataset.record(&hub.catalogue, kind, id).ok()??;
            let open = |name: &&String| declared.field(name).is_some_and(|field| field.class < Class::C3);
            let names = declared.key.fields.iter().chain(&declared.guard).filter(open).take(2);
            let values: Vec<String> = names.filter_map(|name| Some(record.shown(name)?.to_text())).collect();
            (!values.is_empty()).then(|| values.join(" · "))
        };
        named().unwrap_or_else(|| id.to_owned())
    }
}
