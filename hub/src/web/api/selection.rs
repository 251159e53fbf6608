//! The wanted part of a list: filtered, sorted, paged.
//!
//! A cursor holds where the last item stood, not its number: the list goes on behind it even if that item is gone or
//! others came before it.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_proto::text::fold;
use serde_json::{Value as Json, json};

/// The filter that looks for words anywhere in an item.
pub(super) const SEARCH: &str = "search";

/// What a list is sorted by.
#[derive(Debug, Clone)]
pub(super) struct Sort {
    name: String,
    descending: bool,
}

/// Where a page ended: the value sorted by, and the item's key.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    value: Json,
    key: String,
}

impl Sort {
    /// `name`, or `-name` for the highest first.
    pub(super) fn of(text: &str) -> Self {
        let name = text.strip_prefix('-');
        Self { name: name.unwrap_or(text).to_owned(), descending: name.is_some() }
    }

    /// Reads a cursor; nothing if it is of another order, or none.
    pub(super) fn cursor(&self, text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (sort, value, key): (String, Json, String) = serde_json::from_slice(&bytes).ok()?;
        (sort == self.to_string()).then_some(Cursor { value, key })
    }

    fn compare(&self, a: &Cursor, b: &Cursor) -> Ordering {
        let by_value = compare(&a.value, &b.value);
        let by_value = if self.descending { by_value.reverse() } else { by_value };
        by_value.then_with(|| compare(&a.key.as_str().into(), &b.key.as_str().into()))
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.name)
    }
}

/// Which items of a list, in which order.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) key: &'static [&'static str],
    pub(super) filter: Vec<(String, Json)>,
    pub(super) sort: Sort,
    pub(super) limit: usize,
    pub(super) after: Option<Cursor>,
}

impl Selection {
    /// The page: `{items, next}`.
    pub(super) fn of(&self, items: Vec<Json>) -> Json {
        let place = |item: &Json| Cursor {
            value: member(item, &self.sort.name).clone(),
            key: self.key.iter().map(|name| text(member(item, name))).collect::<Vec<_>>().join("/"),
        };
        let wanted =
            items.into_iter().filter(|item| self.filter.iter().all(|(name, is)| has(item, name, is)));
        let mut placed: Vec<(Cursor, Json)> = wanted.map(|item| (place(&item), item)).collect();
        if let Some(after) = &self.after {
            placed.retain(|(place, _)| self.sort.compare(place, after) == Ordering::Greater);
        }
        placed.sort_by(|(a, _), (b, _)| self.sort.compare(a, b));
        let more = placed.len() > self.limit;
        placed.truncate(self.limit);
        let next = placed.last().filter(|_| more).map(|(Cursor { value, key }, _)| {
            URL_SAFE_NO_PAD.encode(json!([self.sort.to_string(), value, key]).to_string())
        });
        let items: Vec<Json> = placed.into_iter().map(|(_, item)| item).collect();
        json!({ "items": items, "next": next })
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A member of an item, or a member's member: `quality.total`.
fn member<'a>(item: &'a Json, name: &str) -> &'a Json {
    name.split('.').fold(item, |item, name| item.get(name).unwrap_or(&Json::Null))
}

/// Whether an item's member is that, or is a list that holds it.
fn has(item: &Json, name: &str, is: &Json) -> bool {
    if name == SEARCH {
        let text = fold(&item.to_string());
        return is.as_str().is_some_and(|words| fold(words).split(' ').all(|word| text.contains(word)));
    }
    match member(item, name) {
        Json::Array(members) => members.contains(is),
        value => value == is,
    }
}

/// A total order: nothing, then truths, numbers, texts by their letters without marks, everything else.
fn compare(a: &Json, b: &Json) -> Ordering {
    let rank = |value: &Json| match value {
        Json::Null => 0_u8,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        Json::Array(_) | Json::Object(_) => 4,
    };
    let same = match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => {
            a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default())
        }
        (Json::String(a), Json::String(b)) => fold(a).cmp(&fold(b)).then_with(|| a.cmp(b)),
        _ => a.to_string().cmp(&b.to_string()),
    };
    rank(a).cmp(&rank(b)).then(same)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn selection(sort: &str) -> Selection {
        Selection { key: &["id"], filter: Vec::new(), sort: Sort::of(sort), limit: 2, after: None }
    }

    /// Goal: pages put together are the sorted list, whatever it is sorted by, with equals and with nothing there.
    #[test]
    fn pages_put_together_are_the_list() {
        let items: Vec<Json> = (0..9)
            .map(|n| json!({ "id": format!("{n}"), "lag": if n % 3 == 0 { Json::Null } else { json!(n % 2) }, "q": { "t": n * 7 % 5 } }))
            .collect();
        for sort in ["id", "-id", "lag", "-lag", "q.t", "-q.t", "not_there"] {
            let whole = Selection { limit: 100, ..selection(sort) }.of(items.clone());
            assert_eq!((whole["items"].as_array().unwrap().len(), &whole["next"]), (9, &Json::Null));
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = Selection { after: after.clone(), ..selection(sort) }.of(items.clone());
                seen.extend(page["items"].as_array().unwrap().clone());
                let Some(next) = page["next"].as_str() else { break };
                after = Some(Sort::of(sort).cursor(next).unwrap());
                assert!(Sort::of("other").cursor(next).is_none(), "a cursor of another order");
            }
            assert_eq!(Json::from(seen), whole["items"], "{sort}");
        }
        for none in ["", "x", "W10", "bnVsbA"] {
            assert!(Sort::of("id").cursor(none).is_none(), "{none}");
        }
    }

    #[test]
    fn an_item_that_is_gone_does_not_lose_the_place() {
        let items: Vec<Json> = (0..5).map(|n| json!({ "id": format!("{n}") })).collect();
        let first = selection("id").of(items.clone());
        let after = Sort::of("id").cursor(first["next"].as_str().unwrap());
        let left: Vec<Json> = items.into_iter().filter(|item| item["id"] != "1").collect();
        let second = Selection { after, ..selection("id") }.of(left);
        assert_eq!(second["items"][0]["id"], "2");
    }

    #[test]
    fn a_filter_is_equality_membership_or_words() {
        let item =
            json!({ "id": "1", "units": ["11953", "11977"], "open": true, "name": "Xã Đại Đồng", "n": 7 });
        let with = |name: &str, is: Json| {
            let filter = vec![(name.to_owned(), is)];
            Selection { filter, ..selection("id") }.of(vec![item.clone()])["items"] != json!([])
        };
        assert!(with("units", "11977".into()) && !with("units", "1197".into()));
        assert!(with("open", true.into()) && !with("open", false.into()) && with("n", 7.into()));
        assert!(with(SEARCH, "dai dong".into()) && !with(SEARCH, "dai dong 2".into()));
        assert!(!with("gone", "x".into()));
    }
}
