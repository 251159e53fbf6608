//! From a figure down to the records behind it: by unit, dimension, type and rule, with how often each rule is broken.

use std::collections::BTreeMap;

use lienthong_proto::catalogue::{Dimension, Severity};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::quality::{Defect, RuleIndex};
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

impl Keeper {
    /// A page of the records with such defects, and on the first page also how often each rule is broken:
    /// `{items, next, rules, counted}`; `counted` says whether all records were looked at for that.
    ///
    /// # Errors
    /// [`QualityError`] if something cannot be read.
    pub fn rows(&self, wanted: &Wanted, page: &Page) -> Result<Json, QualityError> {
        let (book, limit) = (&*self.book()?, page.limit.unwrap_or(ROWS).clamp(1, LIMIT_MAX));
        let after = page.after.as_deref().and_then(|after| after.split_once('/'));
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
                if wanted.unit.as_ref().is_none_or(|unit| *unit == kept.unit) {
                    match self.sorted(&id, &kept, self.today()) {
                        Ok(sorted) => {
                            let mut defects = sorted.counted;
                            defects.retain(|defect| wanted.lowers(defect));
                            if after.is_none() {
                                for defect in &defects {
                                    *found.rules.entry((name.to_owned(), defect.rule)).or_default() += 1;
                                }
                            }
                            let of_rule = |defect: &Defect| {
                                wanted.rule.as_deref().is_none_or(|rule| book.rule(defect.rule).id == rule)
                            };
                            defects.retain(of_rule);
                            if !defects.is_empty() && found.items.len() >= limit {
                                found.next.get_or_insert_with(|| found.last.clone());
                            } else if !defects.is_empty() {
                                let defects: Vec<Json> =
                                    defects.iter().map(|defect| defect_json(book, defect)).collect();
                                found.last = format!("{name}/{id}");
                                let item =
                                    json!({ "type": name, "id": id, "unit": kept.unit, "defects": defects });
                                found.items.push(item);
                            }
                        }
                        Err(error) => fault = Some(error),
                    }
                }
                if found.looked >= LOOKED_MAX {
                    found.next.get_or_insert_with(|| format!("{name}/{id}"));
                }
                let counts = after.is_none() && found.looked < LOOKED_MAX;
                fault.is_none() && (found.next.is_none() || counts)
            })?;
            fault.map_or(Ok(()), Err)?;
            if found.looked >= LOOKED_MAX || found.next.is_some() && after.is_some() {
                break;
            }
        }
        let mut rules: Vec<(u64, Json)> = found.rules.iter().map(|((name, rule), count)| {
            let rule = book.rule(*rule);
            let severity = if rule.severity == Severity::Error { "error" } else { "warning" };
            (*count, json!({
                "type": name, "rule": rule.id, "dimension": rule.dimension.name(), "severity": severity,
                "message": text(&rule.message), "count": count,
            }))
        }).collect();
        rules.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let rules: Vec<Json> = rules.into_iter().map(|(_, rule)| rule).collect();
        let counted = after.is_none() && found.looked < LOOKED_MAX;
        Ok(json!({ "items": found.items, "next": found.next, "rules": rules, "counted": counted }))
    }
}
