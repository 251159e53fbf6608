//! Figures by the units of a day: how many records each had, and how good they are.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_node::dataset::DatasetError;
use lienthong_node::quality::{QualityError, Regrouped, Viewpoint, quality_json, remarks_text};
use lienthong_node::records::Page;
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::Tree;
use lienthong_proto::value::date_text;
use serde_json::json;

use crate::app::Hub;

/// Records looked at in one go.
const PAGE: usize = 512;

impl Hub {
    /// The units of today.
    #[must_use]
    pub fn tree(&self) -> Tree {
        self.tree_on(self.now().day())
    }

    /// The units of a day.
    #[must_use]
    pub fn tree_on(&self, on: i32) -> Tree {
        self.lineage().tree(self.listed.units(), on)
    }

    /// By the units of which day a question about a unit is answered: as asked, or of the last day of one that has
    /// ended; nothing if it is today's.
    pub(crate) fn day_asked(&self, unit: &UnitCode, tree: Option<i32>) -> Result<Option<i32>, Answer> {
        if let Some(on) = tree {
            if self.tree_on(on).get(unit).is_none() {
                let day = date_text(on);
                let reason = format!("ngày {day} không có đơn vị {unit} · there was no unit {unit} on {day}");
                return Err(Answer::refused("UNIT_UNKNOWN", reason));
            }
            return Ok(Some(on));
        }
        Ok(self.tree().ending(unit).map(|ending| ending.on - 1))
    }

    /// Whose a record was on a day.
    fn home_on(&self, on: i32) -> impl FnMut(&str, RecordId, &UnitCode) -> Result<UnitCode, QualityError> {
        let lineage = self.lineage();
        move |record_type, id, owner| {
            if !lineage.receives(owner) {
                return Ok(owner.clone());
            }
            let state = self.dataset.state(record_type, id)?;
            let home = state.map(|state| self.dataset.home_on(&lineage, &state, on)).transpose()?.flatten();
            Ok(home.unwrap_or_else(|| owner.clone()))
        }
    }

    /// How many records each unit of a day has, withdrawn ones aside.
    pub(crate) fn records_on(&self, on: i32) -> Result<BTreeMap<UnitCode, u64>, DatasetError> {
        let lineage = self.lineage();
        let mut counts = BTreeMap::new();
        for record_type in self.dataset.types()? {
            let mut after = None;
            loop {
                let page = self.dataset.page(&record_type, after, PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (_, state) in page.iter().filter(|(_, state)| !state.standing().withdrawn) {
                    if let Some(home) = self.dataset.home_on(&lineage, state, on)? {
                        *counts.entry(home).or_default() += 1;
                    }
                }
            }
        }
        Ok(counts)
    }

    /// How many records the units of a day have, and how good they are.
    pub(crate) fn status_on(&self, on: i32) -> Result<Answer, Answer> {
        let left = self.quality.catch_up().map_err(Answer::failed)?;
        let (tree, today) = (self.tree_on(on), self.tree());
        let counts = self.records_on(on).map_err(Answer::failed)?;
        let sums = self.regrouped_on(on)?;
        let mut units = Vec::new();
        for unit in tree.iter().filter(|unit| unit.kind != UnitKind::Agency) {
            let score = self
                .quality
                .regrouped_score(&unit.code, self.unit_seen(&unit.code).0, &sums)
                .map_err(Answer::failed)?;
            units.push(json!({
                "unit": unit.code,
                "name": unit.title(),
                "records": counts.get(&unit.code).copied().unwrap_or(0),
                "quality": quality_json(&score),
                "now": today.successors(&unit.code),
            }));
        }
        let records: u64 = counts.values().sum();
        // Made since, or given by hand to a unit that was not there yet.
        let others: Vec<_> = counts
            .iter()
            .filter(|(unit, _)| tree.get(unit).is_none())
            .map(|(unit, records)| json!({ "unit": unit, "name": today.title(unit), "records": records }))
            .collect();
        Ok(Answer::done(json!({
            "tree": date_text(on), "records": records, "items": units, "next": null, "others": others,
            "not_judged_yet": left,
        })))
    }

    fn regrouped_on(&self, on: i32) -> Result<Regrouped, Answer> {
        self.quality.regrouped(&mut self.home_on(on)).map_err(Answer::failed)
    }

    /// How good the data of the units of a day is, or of one of them.
    pub(crate) fn quality_on(&self, unit: Option<&UnitCode>, on: i32, page: &Page) -> Result<Answer, Answer> {
        let left = self.quality.catch_up().map_err(Answer::failed)?;
        let tree = self.tree_on(on);
        if let Some(unit) = unit {
            self.day_asked(unit, Some(on))?;
            let (seen, last) = self.unit_seen(unit);
            let report = self.quality.regrouped_report(unit, seen, page, &mut self.home_on(on));
            let mut report = report.map_err(Answer::failed)?;
            if let Some(fields) = report.as_object_mut() {
                fields.insert("name".to_owned(), tree.title(unit).into());
                fields.insert("remarks".to_owned(), remarks_text(seen, last, Viewpoint::Hub).into());
                fields.insert("tree".to_owned(), date_text(on).into());
                fields.insert("now".to_owned(), json!(self.tree().successors(unit)));
                fields.insert("not_judged_yet".to_owned(), left.into());
            }
            return Ok(Answer::done(report));
        }
        let sums = self.regrouped_on(on)?;
        let mut items = Vec::new();
        for unit in tree.iter().filter(|unit| unit.kind != UnitKind::Agency) {
            let score = self
                .quality
                .regrouped_score(&unit.code, self.unit_seen(&unit.code).0, &sums)
                .map_err(Answer::failed)?;
            let total = score.total().and_then(|(_, count)| count.tenths());
            let line = json!({ "unit": unit.code, "name": unit.title(), "quality": quality_json(&score) });
            items.push((total.unwrap_or(u16::MAX), line));
        }
        items.sort_by_key(|(total, _)| *total);
        let items: Vec<_> = items.into_iter().map(|(_, line)| line).collect();
        let tree = date_text(on);
        Ok(Answer::done(json!({ "tree": tree, "items": items, "next": null, "not_judged_yet": left })))
    }
}
