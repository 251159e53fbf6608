//! Lists as tables: searched, filtered, sorted and in pages, all by the address, so that every view of a list can be
//! linked to, and works without a script.
//!
//! ```text
//! let asked = Asked::of(&query);
//! Table { view, caption, columns: &COLUMNS, asked: &asked, route: "/units" }.of(units, |unit| unit.name.clone())
//! ```

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lienthong_proto::text::fold;
use maud::{Markup, html};

use super::view::View;

/// Rows of a page.
pub(super) const PAGE_ROWS: usize = 50;

/// What of a list is wanted, as the address says.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// The words searched for.
    pub(super) search: String,
    /// The column it is sorted by.
    pub(super) sort: String,
    /// Downwards.
    pub(super) descending: bool,
    /// Which page, from 1.
    pub(super) page: usize,
    /// Everything else that narrows it.
    pub(super) filters: BTreeMap<String, String>,
}

impl Asked {
    /// What an address's query asks for; nothing is too odd.
    #[must_use]
    pub(super) fn of(query: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| query.get(name).map_or("", String::as_str).trim().to_owned();
        let own = ["q", "sort", "order", "page"];
        let filters = query
            .iter()
            .filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()));
        Self {
            search: text("q"),
            sort: text("sort"),
            descending: text("order") == "down",
            page: text("page").parse().unwrap_or(1).max(1),
            filters: filters.collect(),
        }
    }

    /// A filter's value; empty if it is not set.
    #[must_use]
    pub(super) fn filter(&self, name: &str) -> &str {
        self.filters.get(name).map_or("", String::as_str)
    }

    /// Whether a text has all words that are searched for, marks and case aside.
    #[must_use]
    pub(super) fn finds(&self, text: &str) -> bool {
        let text = fold(text);
        fold(&self.search).split_whitespace().all(|word| text.contains(word))
    }

    /// The address of this list, narrowed or turned further.
    #[must_use]
    pub(super) fn with(&self, route: &str, name: &str, value: &str) -> String {
        let mut further = self.clone();
        further.filters.insert(name.to_owned(), value.to_owned());
        further.address(route, &self.sort, self.descending, 1)
    }

    /// The address of this list with something changed.
    fn address(&self, route: &str, sort: &str, descending: bool, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let order = if descending { "down" } else { "" };
        let page = if page > 1 { page.to_string() } else { String::new() };
        let own = [("q", self.search.as_str()), ("sort", sort), ("order", order), ("page", &page)];
        let filters = self.filters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(filters).filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { route.to_owned() } else { format!("{route}?{query}") }
    }
}

/// One column.
pub(super) struct Column<T> {
    /// Its name in addresses.
    pub(super) key: &'static str,
    /// Vietnamese, English.
    pub(super) label: (&'static str, &'static str),
    /// Figures, to the right.
    pub(super) figures: bool,
    /// How rows compare by it, if it can be sorted by.
    pub(super) order: Option<fn(&T, &T) -> Ordering>,
    /// What a row has in it.
    pub(super) cell: fn(&View, &T) -> Markup,
}

/// A list of rows.
pub(super) struct Table<'a, T> {
    /// The reader.
    pub(super) view: &'a View,
    /// What it lists.
    pub(super) caption: &'a str,
    /// Its columns.
    pub(super) columns: &'a [Column<T>],
    /// What is wanted of it.
    pub(super) asked: &'a Asked,
    /// The page it stands on.
    pub(super) route: &'a str,
}

impl<T> std::fmt::Debug for Table<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("route", &self.route).finish_non_exhaustive()
    }
}

impl<T> Table<'_, T> {
    /// The wanted page of the rows whose `searched` text is found, in the wanted order; in their own without one.
    #[must_use]
    pub(super) fn of(&self, rows: Vec<T>, searched: impl Fn(&T) -> String) -> Markup {
        let asked = self.asked;
        let mut rows: Vec<T> = rows.into_iter().filter(|row| asked.finds(&searched(row))).collect();
        let sorted = self.columns.iter().find(|column| column.key == asked.sort);
        if let Some(order) = sorted.and_then(|column| column.order) {
            rows.sort_by(|a, b| if asked.descending { order(b, a) } else { order(a, b) });
        }
        let pages = rows.len().div_ceil(PAGE_ROWS).max(1);
        let page = asked.page.min(pages);
        let shown = rows.iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
        self.drawn(rows.len(), (page, pages), shown)
    }

    fn drawn<'r>(
        &self,
        count: usize,
        (page, pages): (usize, usize),
        rows: impl Iterator<Item = &'r T>,
    ) -> Markup
    where
        T: 'r,
    {
        let view = self.view;
        html! {
            p.count role="status" { (view.number(count as u64)) " " (self.caption) }
            @if count > 0 {
                div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table.rows {
                        thead { tr { @for column in self.columns { (self.head(column)) } } }
                        tbody {
                            @for row in rows {
                                tr {
                                    @for column in self.columns {
                                        @let label = view.t(column.label.0, column.label.1);
                                        td.figures[column.figures] data-label=(label) { ((column.cell)(view, row)) }
                                    }
                                }
                            }
                        }
                    }
                }
                (self.turn(page, pages))
            }
        }
    }

    fn head(&self, column: &Column<T>) -> Markup {
        let label = self.view.t(column.label.0, column.label.1);
        let asked = self.asked;
        let by_this = asked.sort == column.key && column.order.is_some();
        let direction = match (by_this, asked.descending) {
            (true, false) => Some("ascending"),
            (true, true) => Some("descending"),
            (false, _) => None,
        };
        let down = by_this && !asked.descending || !by_this && column.figures;
        html! {
            th.figures[column.figures] scope="col" aria-sort=[direction] {
                @if column.order.is_some() {
                    a href=(asked.address(self.route, column.key, down, 1)) { (label) }
                } @else { (label) }
            }
        }
    }

    fn turn(&self, page: usize, pages: usize) -> Markup {
        let (view, asked) = (self.view, self.asked);
        let to = |page: usize| asked.address(self.route, &asked.sort, asked.descending, page);
        html! {
            @if pages > 1 {
                nav.turn aria-label=(view.t("Trang danh sách", "Pages of the list")) {
                    @if page > 1 { a rel="prev" href=(to(page - 1)) { "‹ " (view.t("Trước", "Back")) } }
                    span { (view.t("Trang", "Page")) " " (page) "/" (pages) }
                    @if page < pages { a rel="next" href=(to(page + 1)) { (view.t("Sau", "Next")) " ›" } }
                }
            }
        }
    }
}

/// The search field of a list, with choices beside it: name, label, and the values with their words; the first stands for
/// no choice.
#[must_use]
pub(super) fn search(view: &View, route: &str, asked: &Asked, choices: &[Choice<'_>]) -> Markup {
    html! {
        form.search role="search" method="get" action=(route) {
            label {
                span { (view.t("Tìm", "Search")) }
                input type="search" name="q" value=(asked.search)
                    placeholder=(view.t("không cần dấu", "marks may be left out"));
            }
            @for choice in choices {
                label {
                    span { (choice.label) }
                    select name=(choice.name) {
                        @for (value, word) in &choice.values {
                            option value=(value) selected[asked.filter(choice.name) == *value] { (word) }
                        }
                    }
                }
            }
            @if !asked.sort.is_empty() { input type="hidden" name="sort" value=(asked.sort); }
            @if asked.descending { input type="hidden" name="order" value="down"; }
            button { (view.t("Lọc", "Filter")) }
        }
    }
}

/// A choice beside a search field.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    /// Its name in the address.
    pub(super) name: &'a str,
    /// What it is about.
    pub(super) label: &'a str,
    /// Values and their words.
    pub(super) values: Vec<(&'a str, &'a str)>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn words_are_found_whatever_their_marks_and_order() {
        for search in ["hien pho", "PHỐ", "phố hiến", ""] {
            assert!(asked(&[("q", search)]).finds("Phường Phố Hiến 11953"), "{search}");
        }
        assert!(!asked(&[("q", "pho hien x")]).finds("Phường Phố Hiến"));
    }

    #[test]
    fn an_address_asks_for_just_what_it_was_made_of() {
        let first = asked(&[
            ("q", "phố & hiến"),
            ("state", "offline"),
            ("sort", "lag"),
            ("order", "down"),
            ("page", "3"),
        ]);
        let address = first.address("/units", &first.sort, first.descending, first.page);
        let query = address.strip_prefix("/units?").unwrap();
        let again = form_urlencoded::parse(query.as_bytes());
        let again = Asked::of(&again.map(|(name, value)| (name.into(), value.into())).collect());
        assert_eq!(format!("{first:?}"), format!("{again:?}"));
        assert_eq!(asked(&[]).address("/units", "", false, 1), "/units");
        for odd in ["0", "-1", "x", "", "99999999999999999999999"] {
            assert_eq!(asked(&[("page", odd)]).page, 1, "{odd}");
        }
    }
}
