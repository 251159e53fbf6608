//! From a figure down to the records behind it: by unit, dimension, type and rule, with how often each rule is broken.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lienthong_proto::catalogue::{Dimension, Severity};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Defect, RuleBook, RuleIndex};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::answers::text;
use super::{Keeper, QualityError, defect_json};
use crate::records::{LIMIT_MAX, Page};

/// Records looked at for one answer: what is beyond them comes with the next page.
const LOOKED_MAX: usize = 200_000;
/// Records of a page, if nobody says.
const ROWS: usize = 50;

/// Which defects are wanted; everything that is not said is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of this unit's records.
    #[serde(default)]
    pub unit: Option<UnitCode>,
    /// That lower this word's figure.
    #[serde(default)]
    pub dimension: Option<String>,
    /// Of records of this type.
    #[serde(default)]
    pub record_type: Option<String>,
    /// Of this rule.
    #[serde(default)]
    pub rule: Option<String>,
}

impl Wanted {
    /// Whether a defect lowers the wanted figure: a record that any error keeps out is not shared either.
    fn lowers(&self, defect: &Defect) -> bool {
        self.dimension.as_deref().is_none_or(|name| {
            defect.dimension.name() == name
                || name == Dimension::DungChung.name() && defect.severity == Severity::Error
        })
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    rules: BTreeMap<(String, RuleIndex), u64>,
    items: Vec<Json>,
    /// The record after which to go on.
    next: Option<String>,
    last: String,
    looked: usize,
}

impl Found {
    fn count(&mut self, record_type: &str, defects: &[Defect]) {
        for defect in defects {
            *self.rules.entry((record_type.to_owned(), defect.rule)).or_default() += 1;
        }
    }

    /// One record more, if there is room on the page; otherwise the page has a next one.
    fn take(&mut self, limit: usize, place: String, item: impl FnOnce() -> Json) {
        if self.items.len() < limit {
            self.items.push(item());
            self.last = place;
        } else if self.next.is_none() {
            self.next = Some(self.last.clone());
        }
    }

    fn rules_json(&self, book: &RuleBook) -> Vec<Json> {
        let mut rules: Vec<_> = self.rules.iter().collect();
        rules.sort_by_key(|(_, count)| Reverse(**count));
        let line = |((name, rule), count): (&(String, RuleIndex), &u64)| {
            let rule = book.rule(*rule);
            let severity = if rule.severity == Severity::Error { "error" } else { "warning" };
            json!({
                "type": name, "rule": rule.id, "dimension": rule.dimension.name(), "severity": severity,
                "message": text(&rule.message), "count": count,
            })
        };
        rules.into_iter().map(line).collect()
    }
}

impl Keeper {
    /// A page of the records with such defects, and on the first page also how often each rule is broken:
    /// `{items, next, rules, counted}`; `counted` says whether all records were looked at for that.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn rows(&self, wanted: &Wanted, page: &Page) -> Result<Json, QualityError> {
        let (book, today) = (&*self.book()?, self.today());
        let limit = page.limit.unwrap_or(ROWS).clamp(1, LIMIT_MAX);
        let after = page.after.as_deref().and_then(|after| after.split_once('/'));
        let first = after.is_none();
        let of_rule =
            |defect: &Defect| wanted.rule.as_deref().is_none_or(|rule| book.rule(defect.rule).id == rule);
        let mut found = Found::default();
        let types = self.catalogue().record_types().map(|declared| declared.name.as_str());
        for name in types.filter(|name| wanted.record_type.as_deref().is_none_or(|only| only == *name)) {
            let from = match after {
                Some((last, _)) if name < last => continue,
                Some((last, id)) if name == last => id.parse::<RecordId>().ok(),
                _ => None,
            };
            let mut fault = None;
            self.each_kept(name, from, &mut |id, kept| {
                found.looked += 1;
                let place = format!("{name}/{id}");
                if wanted.unit.as_ref().is_none_or(|unit| *unit == kept.unit) {
                    let sorted = self.sorted(&id, &kept, today).map_err(|error| fault = Some(error));
                    let mut defects = sorted.map(|sorted| sorted.counted).unwrap_or_default();
                    defects.retain(|defect| wanted.lowers(defect));
                    if first {
                        found.count(name, &defects);
                    }
                    defects.retain(of_rule);
                    if !defects.is_empty() {
                        found.take(limit, place.clone(), || {
                            let defects: Vec<Json> = defects.iter().map(|d| defect_json(book, d)).collect();
                            json!({ "type": name, "id": id, "unit": kept.unit, "defects": defects })
                        });
                    }
                }
                if found.looked >= LOOKED_MAX && found.next.is_none() {
                    found.next = Some(place);
                }
                // Behind a full first page the rules are still counted.
                fault.is_none() && (found.next.is_none() || first && found.looked < LOOKED_MAX)
            })?;
            fault.map_or(Ok(()), Err)?;
            if found.looked >= LOOKED_MAX || found.next.is_some() && !first {
                break;
            }
        }
        let counted = first && found.looked < LOOKED_MAX;
        let rules = found.rules_json(book);
        Ok(json!({ "items": found.items, "next": found.next, "rules": rules, "counted": counted }))
    }
}
