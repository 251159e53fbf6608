//! Records handed over by both units' word: each states its half, the province gives the record over.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::control::Answer;
use lienthong_node::dataset::{DatasetError, Record};
use lienthong_node::records::{Listing, Page};
use lienthong_node::replica::{Draft, Intent};
use lienthong_proto::catalogue::{Handover, KeyScope, RecordType};
use lienthong_proto::change::{path, record_id};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::ingest::Decision;
use crate::observe::jobs;

/// Who gives over what both units agree on.
const ACTOR: &str = "hub";

/// What both halves of a handover say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    record: RecordId,
    from: UnitCode,
    to: UnitCode,
    released: i32,
}

/// How a handover stands.
enum Stand {
    /// The receiving unit has not said a word.
    NotReceived,
    /// The releasing unit has not.
    NotReleased,
    /// Both have, and the record is kept where it is.
    Held(String),
    /// Both have, and what is to go is not the releasing unit's.
    NotThere,
    /// Both have.
    Agreed(Box<Agreed>),
    /// It was given over.
    Done,
}

struct Agreed {
    subject: Record,
    released: Record,
    received: i32,
}

impl Hub {
    /// Gives over what both units agree on, now and whenever they do, until the hub stops.
    pub(crate) async fn keep_handing_over(self: Arc<Self>) {
        let job = self.observed.jobs.register(jobs::HANDING_OVER);
        let mut handing = self.quality.handing();
        job.begin();
        // What was agreed on before a stop.
        for (declared, id) in self.agreements() {
            self.hand_over(&declared, id).await;
            job.progress();
        }
        job.done();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = handing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            job.begin();
            let judged = self.quality.take_handing();
            let hands = |(name, _): &&(String, RecordId)| {
                self.catalogue.record_type(name).is_some_and(|declared| declared.handover.is_some())
            };
            // What no longer keeps a record where it is may free any.
            let all = judged.iter().any(|judged| !hands(&judged));
            let due = if all { self.agreements() } else { judged.into_iter().collect() };
            for (record_type, id) in due {
                self.hand_over(&record_type, id).await;
                job.progress();
            }
            job.done();
        }
    }

    fn agreements(&self) -> Vec<(String, RecordId)> {
        let mut all = Vec::new();
        for declared in self.catalogue.record_types().filter(|declared| declared.handover.is_some()) {
            let visited = self.records().each(declared, &Listing::default(), &mut |record| {
                all.push((declared.name.clone(), record.id));
                true
            });
            if let Err(error) = visited {
                tracing::error!(%error, "handovers cannot be read");
            }
        }
        all
    }

    async fn hand_over(&self, record_type: &str, id: RecordId) {
        let decided = tokio::task::block_in_place(|| {
            let Some(declared) = self.catalogue.record_type(record_type) else { return Ok(None) };
            let Some(handover) = &declared.handover else { return Ok(None) };
            let Some(record) = self.dataset.record(&self.catalogue, record_type, id)? else {
                return Ok(None);
            };
            match self.stand(declared, handover, &record)? {
                Stand::Agreed(agreed) => Ok(Some(self.giving(handover, &agreed))),
                _ => Ok(None),
            }
        });
        match decided {
            Ok(None) => {}
            Ok(Some(decisions)) => {
                if let Err(refusal) = self.decide(decisions).await {
                    // Neither the record nor the refusal's text, which may name its values.
                    let rule = refusal.body.get("rule").and_then(Json::as_str).unwrap_or("none");
                    tracing::error!(record_type, rule, "what both units agree on is not given over");
                }
            }
            Err(error) => {
                let error: DatasetError = error;
                tracing::error!(%error, record_type, "a handover cannot be read");
            }
        }
    }

    /// The handovers that are not done, of all units or of one, as a list.
    pub(super) fn handovers(&self, unit: Option<&UnitCode>, page: &Page) -> Result<Answer, Answer> {
        let mut items: Vec<Json> = Vec::new();
        for (name, id) in self.agreements() {
            let Some(declared) = self.catalogue.record_type(&name) else { continue };
            let Some(handover) = &declared.handover else { continue };
            let read = self.dataset.record(&self.catalogue, &name, id).map_err(Answer::failed)?;
            let Some(record) = read else { continue };
            let Some(terms) = terms(handover, &record) else { continue };
            if unit.is_some_and(|unit| *unit != terms.from && *unit != terms.to) {
                continue;
            }
            let stand = self.stand(declared, handover, &record).map_err(Answer::failed)?;
            let (state, vi, en, by) = match stand {
                Stand::NotReceived => {
                    ("not_received", "đơn vị đến chưa tiếp nhận", "the receiving unit has not taken it", None)
                }
                Stand::NotReleased => (
                    "not_released",
                    "đơn vị đi chưa giới thiệu",
                    "the releasing unit has not let it go",
                    None,
                ),
                Stand::Held(by) => (
                    "held",
                    "chưa chuyển: đang có cuộc kiểm tra, giám sát",
                    "held: a case about it is under way",
                    Some(by),
                ),
                Stand::NotThere => {
                    ("not_there", "bản ghi không thuộc đơn vị đi", "it is not the releasing unit’s", None)
                }
                Stand::Agreed(_) => ("agreed", "đang chuyển", "being given over", None),
                Stand::Done => continue,
            };
            items.push(json!({
                "key": format!("{}/{}", record.record_type, record.id), "type": record.record_type,
                "id": record.id, "record": terms.record, "from": terms.from, "to": terms.to,
                "state": state, "vi": vi, "en": en, "held_by": by,
            }));
        }
        let key = |item: &Json| item["key"].as_str().unwrap_or_default().to_owned();
        items.sort_by_cached_key(key);
        Ok(Answer::done(page.of(items, key, str::to_owned)))
    }

    fn stand(
        &self,
        declared: &RecordType,
        handover: &Handover,
        record: &Record,
    ) -> Result<Stand, DatasetError> {
        let Some(terms) = terms(handover, record) else { return Ok(Stand::NotReceived) };
        let half = |unit: &UnitCode| self.half(declared, handover, &terms, unit, record);
        let Some(released) = half(&terms.from)? else { return Ok(Stand::NotReleased) };
        let received = half(&terms.to)?.and_then(|half| date(&half, &handover.received));
        let Some(received) = received else { return Ok(Stand::NotReceived) };
        let target = declared.field(&handover.record).and_then(|field| field.target.as_deref());
        let Some(target) = target.and_then(|target| self.catalogue.record_type(target)) else {
            return Ok(Stand::NotThere);
        };
        let id = self.dataset.led(&target.name, terms.record)?;
        let subject = self.dataset.record(&self.catalogue, &target.name, id)?;
        let Some(subject) = subject.filter(|subject| !subject.is_withdrawn()) else {
            return Ok(Stand::NotThere);
        };
        let (_, noted) = released.candidates(&handover.received).unwrap_or_default();
        if noted.iter().any(|noted| noted.unit.is_province() && noted.value == Value::Date(received)) {
            // Given over once: what became of the record since is another matter.
            return Ok(Stand::Done);
        }
        if subject.owner.as_ref() != Some(&terms.from) {
            return Ok(if subject.owner.as_ref() == Some(&terms.to) { Stand::Done } else { Stand::NotThere });
        }
        if let Some(by) = self.held_by(handover, target, &subject)? {
            return Ok(Stand::Held(by));
        }
        Ok(Stand::Agreed(Box::new(Agreed { subject, released, received })))
    }

    /// One unit's half, if it stands.
    fn half(
        &self,
        declared: &RecordType,
        handover: &Handover,
        terms: &Terms,
        unit: &UnitCode,
        record: &Record,
    ) -> Result<Option<Record>, DatasetError> {
        let found = if record.owner.as_ref() == Some(unit) {
            Some(record.clone())
        } else {
            // The other half names the same things; what else its key names, it names alike.
            let text = |name: &String| record.shown(name).map(Value::to_text).unwrap_or_default();
            let key: Vec<String> = declared.key.fields.iter().map(text).collect();
            let scope = (declared.key.scope == KeyScope::Unit).then_some(unit);
            let id = record_id(&self.secrets.provincial_key, &declared.name, scope, &key);
            self.dataset.record(&self.catalogue, &declared.name, id)?
        };
        Ok(found.filter(|half| {
            half.owner.as_ref() == Some(unit)
                && !half.is_withdrawn()
                && self::terms(handover, half).as_ref() == Some(terms)
        }))
    }

    /// What keeps a record where it is: the id of the first such record.
    fn held_by(
        &self,
        handover: &Handover,
        target: &RecordType,
        subject: &Record,
    ) -> Result<Option<String>, DatasetError> {
        let Some(held) = &handover.held else { return Ok(None) };
        let Some(by) = self.catalogue.record_type(&held.by) else { return Ok(None) };
        let key: Vec<String> =
            target.key.fields.iter().filter_map(|name| Some(subject.shown(name)?.to_text())).collect();
        let names = [subject.id.to_string(), key.join("|")];
        let mut found = None;
        self.records().each(by, &Listing::default(), &mut |case| {
            let holds =
                matches!(case.shown(&held.state), Some(Value::Code(code)) if held.states.contains(code));
            let about = |value: &Value| names.contains(&value.to_text());
            let named = match case.shown(&held.subject) {
                Some(Value::List(values)) => values.iter().any(about),
                Some(value) => about(value),
                None => false,
            };
            if holds && named {
                found = Some(case.id.to_string());
            }
            found.is_none()
        })?;
        Ok(found)
    }

    fn giving(&self, handover: &Handover, agreed: &Agreed) -> Vec<Decision> {
        let Agreed { subject, released, received } = agreed;
        let to = released.shown(&handover.to).cloned().unwrap_or(Value::Null);
        let (day, until) = (released.shown(&handover.released), Value::Date(*received));
        let reason = format!(
            "giới thiệu {}, tiếp nhận {} · both units’ word",
            day.map(Value::to_text).unwrap_or_default(),
            until.to_text()
        );
        let mut goes = BTreeMap::from([(path::UNIT.to_owned(), to.clone())]);
        if let Some(field) =
            self.catalogue.record_type(&subject.record_type).and_then(RecordType::owner_field)
        {
            goes.insert(field.to_owned(), to);
        }
        let noted = BTreeMap::from([(handover.received.clone(), until)]);
        let decision = |record: &Record, field: &str, mut values: BTreeMap<String, Value>| {
            values.insert(path::WHY.to_owned(), Value::Text(reason.clone()));
            Decision {
                draft: Draft {
                    record_type: record.record_type.clone(),
                    owner: self.secrets.profile.province.clone(),
                    values,
                    intent: Intent::Amend(record.id),
                    author: ACTOR.to_owned(),
                },
                record: record.id,
                field: field.to_owned(),
                owner: record.owner.clone(),
                answered: Vec::new(),
                reason: reason.clone(),
            }
        };
        // The note last: without it the handover is not done, and is tried again.
        vec![decision(subject, path::UNIT, goes), decision(released, &handover.received, noted)]
    }
}

fn terms(handover: &Handover, record: &Record) -> Option<Terms> {
    let unit = |name: &str| match record.shown(name) {
        Some(Value::Unit(unit)) => Some(unit.clone()),
        _ => None,
    };
    let Some(Value::Reference(subject)) = record.shown(&handover.record) else { return None };
    Some(Terms {
        record: *subject,
        from: unit(&handover.from)?,
        to: unit(&handover.to)?,
        released: date(record, &handover.released)?,
    })
}

fn date(record: &Record, name: &str) -> Option<i32> {
    match record.shown(name) {
        Some(Value::Date(day)) => Some(*day),
        _ => None,
    }
}
