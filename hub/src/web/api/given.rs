//! What a request carries, read by what its endpoint declares: an unknown name or a wrong value is named and refused.

use std::collections::BTreeMap;

use lienthong_node::api::{Kind, Problem};
use lienthong_node::records::LIMIT_MAX;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::{RecordId, UnitCode};
use serde_json::{Map, Value as Json};

use super::endpoint::{Endpoint, Form, Member};
use super::selection::{Selection, Sort};

/// Items of a page, if nothing else is asked for.
pub(super) const LIMIT: usize = 100;

/// How many items a page holds.
pub(super) const LIMIT_MEMBER: Member =
    Member::new("limit", Form::Whole(1, LIMIT_MAX as u64), "tối đa, mặc định 100 · how many, 100 by default");
/// Where a page begins.
pub(super) const AFTER_MEMBER: Member =
    Member::new("after", Form::Cursor, "`next` của trang trước · `next` of the page before");

/// The values of a request, by name; each of its declared form.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: BTreeMap<&'static str, Json>,
    sort: Option<String>,
}

fn wrong(name: &str, what: &str) -> Problem {
    Problem::new(Kind::BAD_REQUEST, what.replace("{}", name)).with("parameter", name)
}

fn unknown(name: &str) -> Problem {
    // The name may be anything, so only its beginning is repeated.
    let name: String = name.chars().take(40).collect();
    wrong(&name, "không có tham số {} · there is no parameter {}")
}

/// A value is not what its name stands for.
pub(super) fn bad(name: &str) -> Problem {
    wrong(name, "{}: giá trị không hợp lệ · {}: not a valid value")
}

impl Given {
    /// Reads all of it.
    ///
    /// # Errors
    /// [`Problem`] naming what is unknown, wrong, given twice or missing.
    pub(super) fn read<'a>(
        endpoint: &Endpoint,
        catalogue: &Catalogue,
        path: impl Iterator<Item = (&'a str, &'a str)>,
        query: &str,
        body: Option<Map<String, Json>>,
    ) -> Result<Self, Problem> {
        let mut given = Self::default();
        for (name, text) in path {
            let member = endpoint.in_path.iter().find(|member| member.name == name);
            let member = member.ok_or_else(|| unknown(name))?;
            given.take(member, member.form.of_text(text))?;
        }
        let filters = endpoint.list.map_or(&[][..], |list| list.filters);
        let paging = endpoint.list.map_or(&[][..], |_| &[LIMIT_MEMBER, AFTER_MEMBER]);
        for (name, text) in form_urlencoded::parse(query.as_bytes()) {
            if let (Some(list), "sort", None) = (endpoint.list, &*name, &given.sort) {
                if !list.sorts.contains(&text.strip_prefix('-').unwrap_or(&text)) {
                    return Err(bad("sort"));
                }
                given.sort = Some(text.into_owned());
                continue;
            }
            let mut declared = endpoint.query.iter().chain(filters).chain(paging);
            let member = declared.find(|member| member.name == name).ok_or_else(|| unknown(&name))?;
            if text.is_empty() && matches!(member.form, Form::Cursor) {
                // The beginning.
                continue;
            }
            // A type in the path is looked for, and the nearest one told.
            let known = !matches!(member.form, Form::Type) || catalogue.record_type(&text).is_some();
            given.take(member, member.form.of_text(&text).filter(|_| known))?;
        }
        for (name, value) in body.into_iter().flatten() {
            let member = endpoint.body.iter().find(|member| member.name == name);
            let member = member.ok_or_else(|| unknown(&name))?;
            given.take(member, member.form.checked(value))?;
        }
        let all = endpoint.in_path.iter().chain(endpoint.query).chain(endpoint.body);
        match all.into_iter().find(|member| member.required && !given.values.contains_key(member.name)) {
            Some(missing) => Err(wrong(missing.name, "thiếu {} · {} is missing")),
            None => Ok(given),
        }
    }

    fn take(&mut self, member: &Member, value: Option<Json>) -> Result<(), Problem> {
        let value = value.ok_or_else(|| bad(member.name))?;
        match self.values.insert(member.name, value) {
            Some(_) => Err(wrong(member.name, "{} có hai lần · {} stands twice")),
            None => Ok(()),
        }
    }

    /// A text, if it was given.
    pub(super) fn text_if(&self, name: &str) -> Option<String> {
        self.values.get(name).and_then(Json::as_str).map(str::to_owned)
    }

    /// A text.
    ///
    /// # Errors
    /// [`Problem`] if it was not given.
    pub(super) fn text(&self, name: &str) -> Result<String, Problem> {
        self.text_if(name).ok_or_else(|| bad(name))
    }

    /// A unit, if it was given.
    pub(super) fn unit_if(&self, name: &str) -> Option<UnitCode> {
        self.values.get(name).and_then(Json::as_str)?.parse().ok()
    }

    /// A unit.
    ///
    /// # Errors
    /// [`Problem`] if it was not given.
    pub(super) fn unit(&self, name: &str) -> Result<UnitCode, Problem> {
        self.unit_if(name).ok_or_else(|| bad(name))
    }

    /// A record's id, if it was given.
    pub(super) fn record_if(&self, name: &str) -> Option<RecordId> {
        self.values.get(name).and_then(Json::as_str)?.parse().ok()
    }

    /// An integer, if it was given.
    pub(super) fn whole_if(&self, name: &str) -> Option<u64> {
        self.values.get(name).and_then(Json::as_u64)
    }

    /// An integer.
    ///
    /// # Errors
    /// [`Problem`] if it was not given.
    pub(super) fn whole(&self, name: &str) -> Result<u64, Problem> {
        self.whole_if(name).ok_or_else(|| bad(name))
    }

    /// Whether a flag was set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.values.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// How many items are wanted.
    pub(super) fn limit(&self) -> usize {
        self.whole_if("limit").and_then(|limit| limit.try_into().ok()).unwrap_or(LIMIT)
    }

    /// Which part of its list is wanted.
    ///
    /// # Errors
    /// [`Problem`] if the cursor is none of this list.
    pub(super) fn selection(&self, endpoint: &Endpoint) -> Result<Option<Selection>, Problem> {
        let Some(list) = endpoint.list else { return Ok(None) };
        let sort = Sort::of(self.sort.as_deref().or(list.sorts.first().copied()).unwrap_or_default());
        let after = match self.text_if("after") {
            Some(text) => Some(sort.cursor(&text).ok_or_else(|| bad("after"))?),
            None => None,
        };
        let filter = list.filters.iter().filter_map(|member| {
            self.values.get(member.name).map(|value| (member.name.to_owned(), value.clone()))
        });
        Ok(Some(Selection { key: list.key, filter: filter.collect(), sort, limit: self.limit(), after }))
    }
}
