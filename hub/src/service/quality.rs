//! How good the data is.

use std::cmp::Reverse;

use lienthong_node::control::Answer;
use lienthong_node::quality::{QualityError, Viewpoint, Wanted, quality_json, remarks_text};
use lienthong_node::records::{Page, numbered};
use lienthong_node::service::known_type;
use lienthong_proto::catalogue::{Dimension, UnitKind};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::quality::{Score, Seen, Silence};
use lienthong_proto::time::UnixMillis;
use serde_json::json;

use super::unit_unknown;
use crate::app::Hub;
use crate::pki::Enrolled;

impl Hub {
    /// When a unit's replicas were last heard, any of them.
    pub(crate) fn last_heard_of<'a>(
        &self,
        enrolled: impl Iterator<Item = &'a Enrolled>,
    ) -> Option<UnixMillis> {
        enrolled.filter_map(|entry| self.last_heard(entry.replica)).max()
    }

    /// How a unit stands to the hub, and when it was last heard.
    pub(crate) fn unit_seen(&self, unit: &UnitCode) -> (Seen, Option<UnixMillis>) {
        let replicas = self.registry.of_unit(unit);
        self.seen_of(unit, &replicas, self.observed.meters.differing().contains_key(unit))
    }

    /// The same of these replicas of a unit, whose node was found to hold other records, or was not.
    pub(crate) fn seen_of(
        &self,
        unit: &UnitCode,
        enrolled: &[Enrolled],
        differing: bool,
    ) -> (Seen, Option<UnixMillis>) {
        let last = self.last_heard_of(enrolled.iter());
        let silence = if unit.is_province() { Silence::Heard } else { Silence::of(last, self.now()) };
        let held: Vec<bool> =
            enrolled.iter().filter(|entry| entry.is_active()).filter_map(|entry| self.alike(entry)).collect();
        // One of several that is not held alike is enough.
        let alike = if differing || held.contains(&false) { Some(false) } else { held.first().copied() };
        (Seen { silence, alike }, last)
    }

    /// What lowers a unit's figures and is of no record.
    fn remarks_of(&self, unit: &UnitCode) -> Vec<String> {
        let (seen, last) = self.unit_seen(unit);
        remarks_text(seen, last, Viewpoint::Hub)
    }

    /// A unit's score over all types, now.
    pub(crate) fn unit_score(&self, unit: &UnitCode) -> Result<Score, QualityError> {
        self.quality.unit_score(unit, self.unit_seen(unit).0, self.quality.today())
    }

    pub(super) fn quality_report(&self, unit: Option<&UnitCode>, page: &Page) -> Result<Answer, Answer> {
        let left = self.quality.catch_up().map_err(Answer::failed)?;
        if let Some(unit) = unit {
            if let Some(on) = self.day_asked(unit, None)? {
                return self.quality_on(Some(unit), on, page);
            }
            if self.tree().get(unit).is_none() {
                return Err(unit_unknown(unit));
            }
            let mut report =
                self.quality.unit_report(unit, self.unit_seen(unit).0, page).map_err(Answer::failed)?;
            if let Some(fields) = report.as_object_mut() {
                fields.insert("name".to_owned(), self.tree().title(unit).into());
                fields.insert("remarks".to_owned(), self.remarks_of(unit).into());
                fields.insert("not_judged_yet".to_owned(), left.into());
            }
            return Ok(Answer::done(report));
        }
        let mut items = Vec::new();
        for unit in self.tree().iter().filter(|unit| unit.kind != UnitKind::Agency) {
            let score = self.unit_score(&unit.code).map_err(Answer::failed)?;
            let total = score.total().and_then(|(_, count)| count.tenths());
            let line = json!({
                "unit": unit.code,
                "name": unit.title(),
                "quality": quality_json(&score),
                "remarks": self.remarks_of(&unit.code),
            });
            items.push((total.unwrap_or(u16::MAX), line));
        }
        // The worst first; those with nothing to judge last.
        items.sort_by_key(|(total, _)| *total);
        let items: Vec<_> = items.into_iter().map(|(_, line)| line).collect();
        Ok(Answer::done(json!({ "items": items, "next": null, "not_judged_yet": left })))
    }

    /// A page of the records with defects.
    pub(super) fn defects(
        &self,
        record_type: Option<&str>,
        unit: Option<&UnitCode>,
        page: &Page,
    ) -> Result<Answer, Answer> {
        if let Some(name) = record_type {
            known_type(&self.catalogue, name)?;
        }
        self.quality.catch_up().map_err(Answer::failed)?;
        Ok(Answer::done(self.quality.defect_list(record_type, unit, page).map_err(Answer::failed)?))
    }

    /// The records behind a figure.
    pub(super) fn quality_rows(&self, wanted: &Wanted, page: &Page) -> Result<Answer, Answer> {
        let unknown = |what: &str| Answer::failed(format!("không có {what} · there is no {what}"));
        if let Some(unit) = wanted.unit.as_ref().filter(|unit| self.tree().get(unit).is_none()) {
            return Err(unknown(unit.as_str()));
        }
        let dimensions = Dimension::ALL.map(Dimension::name);
        if let Some(name) = wanted.dimension.as_deref().filter(|name| !dimensions.contains(name)) {
            return Err(unknown(name));
        }
        if let Some(name) = wanted.record_type.as_deref().filter(|n| self.catalogue.record_type(n).is_none())
        {
            return Err(unknown(name));
        }
        self.quality.rows(wanted, page).map(Answer::done).map_err(Answer::failed)
    }

    pub(super) fn duplicates_list(&self, page: &Page) -> Result<Answer, Answer> {
        self.quality.catch_up().map_err(Answer::failed)?;
        let mut items = self.quality.duplicates().map_err(Answer::failed)?;
        let name = |item: &serde_json::Value| {
            format!(
                "{}/{}-{}",
                item["score"],
                item["first"].as_str().unwrap_or_default(),
                item["second"].as_str().unwrap_or_default()
            )
        };
        // The likeliest first, equals by their ids.
        let place = |name: &str| {
            let (score, pair) = name.split_once('/').unwrap_or(("", name));
            (Reverse(numbered(score)), pair.to_owned())
        };
        items.sort_by_cached_key(|item| place(&name(item)));
        Ok(Answer::done(page.of(items, name, place)))
    }
}
