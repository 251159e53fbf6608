//! Records that are one, and records that only look so.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::control::Answer;
use lienthong_node::dataset::{Past, Record, Source};
use lienthong_node::records::Records;
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::known_type;
use lienthong_proto::catalogue::{Policy, RecordType};
use lienthong_proto::change::{Change, Context, Write, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{Dot, RecordId};
use lienthong_proto::merge::{Candidate, shown_value};
use lienthong_proto::merging::{Merging, apart_path, merged_path};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::REASON_CHARS_MAX;
use serde_json::{Value as Json, json};

use super::Pairing;
use super::waivers::reason_of;
use crate::app::Hub;
use crate::ingest::Decision;

impl Hub {
    /// Makes two records one: one is left out and leads to the other, which gets what only the first had.
    pub(super) async fn merge(&self, pairing: Pairing) -> Result<Answer, Answer> {
        let (decisions, mut body) = tokio::task::block_in_place(|| self.merging_of(&pairing))?;
        let changed = self.decide(decisions).await?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("changed".to_owned(), changed.into());
        }
        Ok(Answer::done(body))
    }

    /// Says that two records are two: they are not proposed as one again.
    pub(super) async fn separate(&self, pairing: Pairing) -> Result<Answer, Answer> {
        let decision = tokio::task::block_in_place(|| {
            let (_, first, second) = self.pair(&pairing)?;
            self.apart(&pairing, &first, second.id, Value::Boolean(true))
        })?;
        let (first, path) = (decision.record, decision.field.clone());
        let changed = self.decide(vec![decision]).await?;
        let second = path.split_once('/').map(|(_, id)| id.to_owned());
        Ok(Answer::done(json!({
            "type": pairing.record_type, "first": first, "second": second, "changed": changed,
        })))
    }

    /// Takes back that two records are one, or that they are two.
    pub(super) async fn undo(&self, pairing: Pairing) -> Result<Answer, Answer> {
        let (decisions, body) = tokio::task::block_in_place(|| self.undoing(&pairing))?;
        self.decide(decisions).await?;
        Ok(Answer::done(body))
    }

    fn of_unit<'a>(&'a self, pairing: &'a Pairing) -> Records<'a> {
        let records = self.records();
        Records { unit: pairing.unit.as_ref().unwrap_or(records.unit), ..records }
    }

    fn one(&self, pairing: &Pairing, declared: &RecordType, id: &str) -> Result<Record, Answer> {
        let found = self.of_unit(pairing).named(declared, id).map_err(Answer::failed)?;
        found.ok_or_else(|| {
            Answer::refused(
                "RECORD_UNKNOWN",
                format!("không tìm thấy bản ghi {id} · there is no record {id}"),
            )
        })
    }

    /// Both records, the one with the lower id first; two that stand.
    fn pair<'a>(&'a self, pairing: &Pairing) -> Result<(&'a RecordType, Record, Record), Answer> {
        let declared = known_type(&self.catalogue, &pairing.record_type)?;
        let Some(second) = &pairing.second else {
            return Err(Answer::refused("RECORD_UNKNOWN", "cần hai bản ghi · two records are needed"));
        };
        let (one, other) =
            (self.one(pairing, declared, &pairing.first)?, self.one(pairing, declared, second)?);
        if one.id == other.id {
            return Err(Answer::refused(
                "RECORD_SAME",
                "hai mã chỉ cùng một bản ghi · both name the same record",
            ));
        }
        for record in [&one, &other] {
            if let Some(Merging { into, .. }) = record.merging() {
                let reason = format!("{0} đã gộp vào {into} · {0} was merged into {into}", record.id);
                return Err(Answer::refused("RECORD_MERGED", reason));
            }
            if record.is_withdrawn() || record.owner.is_none() {
                let reason = format!("{0} đã thu hồi · {0} is withdrawn", record.id);
                return Err(Answer::refused("RECORD_WITHDRAWN", reason));
            }
        }
        Ok(if one.id < other.id { (declared, one, other) } else { (declared, other, one) })
    }

    fn decision(
        &self,
        pairing: &Pairing,
        record: &Record,
        intent: Intent,
        field: String,
        mut values: BTreeMap<String, Value>,
        reason: &str,
    ) -> Decision {
        values.insert(path::WHY.to_owned(), Value::Text(reason.to_owned()));
        Decision {
            draft: Draft {
                record_type: record.record_type.clone(),
                owner: self.secrets.profile.province.clone(),
                values,
                intent,
                author: pairing.actor.clone(),
            },
            record: record.id,
            field,
            owner: record.owner.clone(),
            answered: Vec::new(),
            seen: None,
            reason: reason.to_owned(),
        }
    }

    fn merging_of(&self, pairing: &Pairing) -> Result<(Vec<Decision>, serde_json::Value), Answer> {
        let (declared, first, second) = self.pair(pairing)?;
        let keeps_second = match &pairing.keep {
            None => false,
            Some(keep) => match self.one(pairing, declared, keep)?.id {
                id if id == first.id => false,
                id if id == second.id => true,
                _ => {
                    let reason = "--keep phải là một trong hai · --keep names one of the two";
                    return Err(Answer::refused("RECORD_UNKNOWN", reason));
                }
            },
        };
        let (stays, left_out) = if keeps_second { (second, first) } else { (first, second) };
        let reason = reason_of(&pairing.reason)?;
        if reason.chars().count() > REASON_CHARS_MAX {
            let reason = format!("tối đa {REASON_CHARS_MAX} ký tự · at most {REASON_CHARS_MAX} characters");
            return Err(Answer::refused("REASON_FORM", reason));
        }
        let Gathered { mut filled, names, united, differing, gone } = gathered(declared, &stays, &left_out);
        filled.insert(merged_path(left_out.id), Value::Boolean(true));
        let owner = left_out.owner.clone().unwrap_or_else(|| self.secrets.profile.province.clone());
        let mut leads = BTreeMap::from([
            (path::WITHDRAWN.to_owned(), Value::Text(reason.clone())),
            (path::INTO.to_owned(), Merging { into: stays.id, owner }.to_value()),
        ]);
        // Who looks after the one that stays must know what leads to it.
        if let Some(owner) = stays.owner.as_ref().filter(|owner| left_out.owner.as_ref() != Some(*owner)) {
            leads.insert(path::UNIT.to_owned(), Value::Unit(owner.clone()));
        }
        let body = json!({
            "type": declared.name, "id": stays.id, "merged": left_out.id, "filled": names, "united": united,
            "differing": differing, "gone": gone,
        });
        let (kept, out) = (Intent::Amend(stays.id), Intent::Withdraw(left_out.id));
        let decisions = vec![
            self.decision(pairing, &stays, kept, merged_path(left_out.id), filled, &reason),
            self.decision(pairing, &left_out, out, path::INTO.to_owned(), leads, &reason),
        ];
        Ok((decisions, body))
    }

    fn apart(
        &self,
        pairing: &Pairing,
        first: &Record,
        second: RecordId,
        value: Value,
    ) -> Result<Decision, Answer> {
        let reason = reason_of(&pairing.reason)?;
        let (field, intent) = (apart_path(second), Intent::Amend(first.id));
        let values = BTreeMap::from([(field.clone(), value)]);
        Ok(self.decision(pairing, first, intent, field, values, &reason))
    }

    fn undoing(&self, pairing: &Pairing) -> Result<(Vec<Decision>, serde_json::Value), Answer> {
        let declared = known_type(&self.catalogue, &pairing.record_type)?;
        let first = self.one(pairing, declared, &pairing.first)?;
        let second = pairing.second.as_ref().map(|id| self.one(pairing, declared, id)).transpose()?;
        let merged = [Some(&first), second.as_ref()].into_iter().flatten().find(|record| {
            let other = if record.id == first.id { second.as_ref() } else { Some(&first) };
            record.merging().is_some_and(|merging| other.is_none_or(|other| other.id == merging.into))
        });
        if let Some(left_out) = merged {
            return self.undoing_merge(pairing, declared, left_out);
        }
        let Some(second) = second else { return Err(nothing_to_undo()) };
        let (first, second) = if first.id < second.id { (first, second) } else { (second, first) };
        if !first.is_apart_from(second.id) {
            return Err(nothing_to_undo());
        }
        let decision = self.apart(pairing, &first, second.id, Value::Null)?;
        let body =
            json!({ "type": declared.name, "first": first.id, "second": second.id, "undone": "separate" });
        Ok((vec![decision], body))
    }

    fn undoing_merge(
        &self,
        pairing: &Pairing,
        declared: &RecordType,
        left_out: &Record,
    ) -> Result<(Vec<Decision>, serde_json::Value), Answer> {
        let reason = reason_of(&pairing.reason)?;
        let merging = left_out.merging().ok_or_else(nothing_to_undo)?;
        let stays = self.one(pairing, declared, &merging.into.to_string())?;
        let marked = merged_path(left_out.id);
        let mut values = BTreeMap::from([(marked.clone(), Value::Null)]);
        let mut kept = Vec::new();
        let live = |name: &str| stays.candidates(name).map_or(&[][..], |(_, live)| live);
        for name in
            live(&marked).first().map(|by| self.filled(&stays, by.dot)).transpose()?.unwrap_or_default()
        {
            match live(&name) {
                [only] if live(&marked).iter().any(|by| by.dot == only.dot) => {
                    let former = self.former(&stays, &name, only.dot)?;
                    values.insert(name, former);
                }
                // Somebody has stated it since.
                _ => kept.push(name),
            }
        }
        let (cleared, restored): (Vec<&String>, Vec<&String>) = values
            .keys()
            .filter(|name| **name != marked)
            .partition(|name| values.get(*name) == Some(&Value::Null));
        let mut stands =
            BTreeMap::from([(path::WITHDRAWN.to_owned(), Value::Null), (path::INTO.to_owned(), Value::Null)]);
        if left_out.owner.as_ref() != Some(&merging.owner) {
            stands.insert(path::UNIT.to_owned(), Value::Unit(merging.owner.clone()));
        }
        let body = json!({
            "type": declared.name, "id": left_out.id, "unit": merging.owner, "other": stays.id,
            "undone": "merge", "cleared": cleared, "restored": restored, "changed_since": kept,
        });
        // The one that leads last: cut short between the two, it can be undone again.
        let decisions = vec![
            self.decision(pairing, &stays, Intent::Amend(stays.id), marked, values, &reason),
            self.decision(
                pairing,
                left_out,
                Intent::Amend(left_out.id),
                path::INTO.to_owned(),
                stands,
                &reason,
            ),
        ];
        Ok((decisions, body))
    }

    /// The fields a change stated with a merging.
    fn filled(&self, record: &Record, dot: Dot) -> Result<Vec<String>, Answer> {
        let state = self.dataset.state(&record.record_type, record.id).map_err(Answer::failed)?;
        let source = state.as_ref().and_then(|state| state.sources.get(&dot)).ok_or_else(nothing_to_undo)?;
        let change = self.change(source)?;
        let fields = change.writes.into_iter().map(|write| write.path);
        Ok(fields.filter(|name| !name.starts_with('_')).collect())
    }

    fn change(&self, source: &Source) -> Result<Change, Answer> {
        let bytes = self.dataset.entries().entry(source.at).map_err(Answer::failed)?;
        Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(Answer::failed)
    }

    /// What a record showed of a field before the change `by`, the only one that stands: of what was said before,
    /// whatever nothing else had replaced.
    fn former(&self, record: &Record, name: &str, by: Dot) -> Result<Value, Answer> {
        let (policy, _) = record.candidates(name).unwrap_or((Policy::Latest, &[]));
        if policy != Policy::Union {
            // Only what had no value got one.
            return Ok(Value::Null);
        }
        let mut said: Vec<(Candidate, Context)> = Vec::new();
        let history = self.dataset.history(&record.record_type, record.id).map_err(Answer::failed)?;
        for Past { source, .. } in history.iter().filter(|past| !past.kept_out && past.source.dot != by) {
            let Source { dot, effective, proposal, .. } = *source;
            let write = self.change(source)?.writes.into_iter().find(|write| write.path == name);
            said.extend(write.filter(|_| !proposal).map(|Write { value, context, .. }| {
                (Candidate { dot, effective, unit: source.unit.clone(), proposal, value }, context)
            }));
        }
        let replaced = |dot: Dot| said.iter().any(|(other, seen)| other.dot != dot && seen.covers(&dot));
        let stood: Vec<Candidate> =
            said.iter().filter(|(said, _)| !replaced(said.dot)).map(|(said, _)| said.clone()).collect();
        Ok(shown_value(policy, record.owner.as_ref(), None, &stood).unwrap_or(Value::Null))
    }
}

/// What the record that stays gets of the one left out, and what it does not.
#[derive(Default)]
struct Gathered {
    /// What it gets, by path.
    filled: BTreeMap<String, Value>,
    /// Of that, what it had nothing of.
    names: Vec<String>,
    /// Of that, lists to which members come.
    united: Vec<String>,
    /// Where both say something else.
    differing: Vec<Json>,
    /// Items that stand in the one and were taken away in the other.
    gone: BTreeSet<String>,
}

fn gathered(declared: &RecordType, stays: &Record, left_out: &Record) -> Gathered {
    let mut all = Gathered::default();
    // What was only proposed is nobody's word yet: it becomes none by this, and is not answered by it.
    let said = left_out.values().filter_map(|(name, _)| Some((name, left_out.firm(name)?)));
    // An item that is gone there says nothing of an item here.
    for (name, value) in said.filter(|(name, value)| **value != Value::Null && gone(left_out, name).is_none())
    {
        if let Some(item) = gone(stays, name) {
            all.gone.insert(item.to_owned());
            continue;
        }
        let stands = stays.firm(name).filter(|stands| **stands != Value::Null);
        let is_list = declared.field(name).is_some_and(|field| field.policy == Policy::Union);
        match (stands, value) {
            (None, _) if !is_said(stays, name) => {
                all.names.push(name.to_owned());
                all.filled.insert(name.to_owned(), value.clone());
            }
            (Some(Value::List(here)), Value::List(there)) if is_list && !is_proposed(stays, name) => {
                let members: BTreeSet<&Value> = here.iter().chain(there).collect();
                if there.iter().any(|member| !here.contains(member)) {
                    let members = members.into_iter().cloned().collect();
                    all.united.push(name.to_owned());
                    all.filled.insert(name.to_owned(), Value::List(members));
                }
            }
            _ if stands != Some(value) && !declared.key.fields.iter().any(|key| key == name) => {
                let (stands, other) = (stands.map(Value::to_json), value.to_json());
                all.differing.push(json!({ "field": name, "kept": stands, "left_out": other }));
            }
            _ => {}
        }
    }
    all
}

/// The item a path belongs to, if it was taken away.
fn gone<'a>(record: &Record, name: &'a str) -> Option<&'a str> {
    let (item, _) = name.rsplit_once('/')?;
    (record.firm(&format!("{item}/_gone")) == Some(&Value::Boolean(true))).then_some(item)
}

/// Whether anybody only proposes something of a field.
fn is_proposed(record: &Record, name: &str) -> bool {
    let (_, live) = record.candidates(name).unwrap_or_default();
    live.iter().any(|candidate| candidate.proposal)
}

/// Whether anybody says anything of a field, be it a proposal.
fn is_said(record: &Record, name: &str) -> bool {
    let (_, live) = record.candidates(name).unwrap_or_default();
    live.iter().any(|candidate| candidate.value != Value::Null)
}

fn nothing_to_undo() -> Answer {
    Answer::refused(
        "NOTHING_TO_UNDO",
        "không có quyết định gộp hay tách nào · nothing was merged or separated",
    )
}
