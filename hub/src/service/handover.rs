//! Records handed over by both units' word: each states its half, the province gives the record over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_node::control::Answer;
use lienthong_node::dataset::{DatasetError, Record};
use lienthong_node::quality::Keeper;
use lienthong_node::records::{Listing, Page};
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_proto::catalogue::{Catalogue, Handover, Held, KeyScope, Label, RecordType};
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
    /// Both have, and this record keeps the other where it is.
    Held(RecordId, Label),
    /// Both have, and what is to go, by these ids, is not the releasing unit's.
    NotThere([RecordId; 2]),
    /// Both have.
    Agreed(Box<Agreed>),
    /// It was given over.
    Done,
}

struct Agreed {
    subject: Record,
    released: Record,
    received: i32,
    /// It is the receiving unit's already: all that is left is to note it.
    is_there: bool,
}

/// What is to be done about a handover.
enum Step {
    /// Nothing, until one of its halves changes.
    Nothing,
    /// Nothing, until one of these changes.
    Wait(Vec<RecordId>),
    /// It is due.
    Give(Vec<Decision>),
}

/// Handovers that wait for a change of another record: of a case that holds them up, or of what is to go.
#[derive(Default)]
struct Waiting {
    on: BTreeMap<RecordId, BTreeSet<(String, RecordId)>>,
}

impl Waiting {
    /// A handover waits for one of these records; whether it is waited for only from now on.
    fn note(&mut self, on: &[RecordId], handover: &(String, RecordId), keeper: &Keeper) -> bool {
        let mut new = false;
        for id in on {
            if self.on.entry(*id).or_default().insert(handover.clone()) {
                keeper.await_handing(*id);
                new = true;
            }
        }
        new
    }

    /// The handovers to look at after these records were judged.
    fn due(
        &mut self,
        judged: BTreeSet<(String, RecordId)>,
        catalogue: &Catalogue,
    ) -> BTreeSet<(String, RecordId)> {
        let mut due = BTreeSet::new();
        for judged in judged {
            due.extend(self.on.remove(&judged.1).unwrap_or_default());
            if catalogue.hands_over(&judged.0) {
                due.insert(judged);
            }
        }
        due
    }
}

impl Hub {
    /// Gives over what both units agree on, now and whenever they do, until the hub stops.
    pub(crate) async fn keep_handing_over(self: Arc<Self>) {
        let job = self.observed.jobs.register(jobs::HANDING_OVER);
        let mut handing = self.quality.handing();
        let mut waiting = Waiting::default();
        // What was agreed on before a stop.
        job.begin();
        let mut due = tokio::task::block_in_place(|| self.agreements());
        loop {
            for handover in due {
                if self.stop.is_cancelled() {
                    return;
                }
                self.hand_over(&handover, &mut waiting).await;
                job.progress();
            }
            job.done();
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = handing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            job.begin();
            due = waiting.due(self.quality.take_handing(), &self.catalogue);
        }
    }

    fn agreements(&self) -> BTreeSet<(String, RecordId)> {
        let mut all = BTreeSet::new();
        for declared in self.catalogue.record_types().filter(|declared| declared.handover.is_some()) {
            let visited = self.records().each(declared, &Listing::default(), &mut |record| {
                all.insert((declared.name.clone(), record.id));
                !self.stop.is_cancelled()
            });
            if let Err(error) = visited {
                tracing::error!(%error, "handovers cannot be read");
            }
        }
        all
    }

    async fn hand_over(&self, handover: &(String, RecordId), waiting: &mut Waiting) {
        let record_type = handover.0.as_str();
        loop {
            match tokio::task::block_in_place(|| self.step(handover)) {
                Ok(Step::Nothing) => return,
                // What it waits for may have changed before that was known.
                Ok(Step::Wait(on)) if waiting.note(&on, handover, &self.quality) => {}
                Ok(Step::Wait(_)) => return,
                Ok(Step::Give(decisions)) => {
                    if let Err(refusal) = self.decide(decisions).await {
                        // Neither the record nor the refusal's text, which may name its values.
                        let rule = refusal.body.get("rule").and_then(Json::as_str).unwrap_or("none");
                        tracing::error!(record_type, rule, "what both units agree on is not given over");
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, record_type, "a handover cannot be read");
                    return;
                }
            }
        }
    }

    fn step(&self, (record_type, id): &(String, RecordId)) -> Result<Step, DatasetError> {
        let Some(declared) = self.catalogue.record_type(record_type) else { return Ok(Step::Nothing) };
        let Some(handover) = &declared.handover else { return Ok(Step::Nothing) };
        let Some(record) = self.dataset.record(&self.catalogue, record_type, *id)? else {
            return Ok(Step::Nothing);
        };
        Ok(match self.stand(declared, handover, &record)? {
            Stand::Agreed(agreed) => Step::Give(self.giving(handover, &agreed)),
            Stand::Held(by, _) => Step::Wait(vec![by]),
            Stand::NotThere(ids) => Step::Wait(ids.to_vec()),
            Stand::NotReceived | Stand::NotReleased | Stand::Done => Step::Nothing,
        })
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
            let said = |state, vi: &str, en: &str| (state, vi.to_owned(), en.to_owned(), None);
            let (state, vi, en, by) = match stand {
                Stand::NotReceived => {
                    said("not_received", "đơn vị đến chưa tiếp nhận", "the receiving unit has not taken it")
                }
                Stand::NotReleased => {
                    said("not_released", "đơn vị đi chưa giới thiệu", "the releasing unit has not let it go")
                }
                Stand::Held(by, why) => ("held", why.vi, why.en, Some(by)),
                Stand::NotThere(_) => {
                    said("not_there", "bản ghi không thuộc đơn vị đi", "it is not the releasing unit’s")
                }
                Stand::Agreed(_) => said("agreed", "đang chuyển", "being given over"),
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
            return Ok(Stand::NotThere([terms.record; 2]));
        };
        let id = self.dataset.led(&target.name, terms.record)?;
        let not_there = Ok(Stand::NotThere([terms.record, id]));
        let subject = self.dataset.record(&self.catalogue, &target.name, id)?;
        let Some(subject) = subject.filter(|subject| !subject.is_withdrawn()) else { return not_there };
        let (_, noted) = released.candidates(&handover.received).unwrap_or_default();
        if noted.iter().any(|noted| noted.unit.is_province() && matches!(noted.value, Value::Date(_))) {
            // Given over once, whatever day is stated since: what became of the record is another matter.
            return Ok(Stand::Done);
        }
        let is_there = subject.owner.as_ref() == Some(&terms.to);
        if !is_there && subject.owner.as_ref() != Some(&terms.from) {
            return not_there;
        }
        let about = About { target, subject: &subject, from: &terms.from, received };
        let held = if is_there { None } else { self.held_by(handover, &about)? };
        Ok(match held {
            Some((by, why)) => Stand::Held(by, why),
            None => Stand::Agreed(Box::new(Agreed { subject, released, received, is_there })),
        })
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
            let text = |name: &String| record.firm(name).map(Value::to_text).unwrap_or_default();
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

    /// What keeps a record where it is: the first such record of the unit it is to leave, or of the province. Not one of
    /// the unit it goes to, nor of anybody else who only writes about it.
    fn held_by(
        &self,
        handover: &Handover,
        about: &About<'_>,
    ) -> Result<Option<(RecordId, Label)>, DatasetError> {
        let About { target, subject, from, received } = about;
        let key: Vec<String> =
            target.key.fields.iter().filter_map(|name| Some(subject.shown(name)?.to_text())).collect();
        let names = [subject.id.to_string(), key.join("|")];
        let province = &self.secrets.profile.province;
        let by_key = key_id(&self.secrets.provincial_key, target, province, &names[1]);
        let mut naming = BTreeSet::new();
        for id in [subject.id, by_key] {
            naming.extend(self.committer.feed().naming(id)?);
        }
        for held in &handover.held {
            for (_, id) in naming.iter().filter(|(name, _)| *name == held.by) {
                let case = self.dataset.record(&self.catalogue, &held.by, *id)?;
                let stands = case.filter(|case| {
                    let owned = [Some(*from), Some(province)].contains(&case.owner.as_ref());
                    owned && !case.is_withdrawn() && holds(held, case, &names, *received)
                });
                if let Some(case) = stands {
                    return Ok(Some((case.id, held.message.clone())));
                }
            }
        }
        Ok(None)
    }

    /// A case that is not finished: one about the record, or the record's own. Of what may be handed over the rules say
    /// which cases hold it; any other record that takes a course is a case itself until no step leads further.
    pub(super) fn open_case(&self, record: &Record) -> Result<Option<(RecordId, Label)>, DatasetError> {
        let Some(declared) = self.catalogue.record_type(&record.record_type) else { return Ok(None) };
        let handovers: Vec<&Handover> = self
            .catalogue
            .record_types()
            .filter_map(|other| {
                let handover = other.handover.as_ref()?;
                let target = other.field(&handover.record)?.target.as_deref();
                (target == Some(declared.name.as_str())).then_some(handover)
            })
            .collect();
        if handovers.is_empty() {
            let Some(course) = &declared.course else { return Ok(None) };
            let is_open = match record.firm(&course.state) {
                Some(Value::Code(state)) => {
                    course.steps.get(state).is_some_and(|after| !after.is_empty()) && !course.is_locked(state)
                }
                _ => false,
            };
            let why = Label {
                vi: "hồ sơ vụ việc chưa kết thúc".to_owned(),
                en: "the case it is about is not finished".to_owned(),
            };
            return Ok(is_open.then_some((record.id, why)));
        }
        let key: Vec<String> =
            declared.key.fields.iter().filter_map(|name| Some(record.shown(name)?.to_text())).collect();
        let names = [record.id.to_string(), key.join("|")];
        let mut found = None;
        // A rule with a day says what came before; it is no case under way.
        for held in handovers.iter().flat_map(|handover| &handover.held).filter(|held| held.since.is_none()) {
            let Some(by) = self.catalogue.record_type(&held.by) else { continue };
            self.records().each(by, &Listing::default(), &mut |case| {
                if holds(held, case, &names, i32::MAX) {
                    let why = Label {
                        vi: "đang có vụ việc chưa kết thúc về bản ghi này".to_owned(),
                        en: "a case about it is under way".to_owned(),
                    };
                    found = Some((case.id, why));
                }
                found.is_none()
            })?;
        }
        Ok(found)
    }

    fn giving(&self, handover: &Handover, agreed: &Agreed) -> Vec<Decision> {
        let Agreed { subject, released, received, is_there } = agreed;
        let to = released.firm(&handover.to).cloned().unwrap_or(Value::Null);
        let (day, until) = (released.firm(&handover.released), Value::Date(*received));
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
                seen: None,
                reason: reason.clone(),
            }
        };
        // The note last: without it the handover is not done, and is tried again.
        let note = decision(released, &handover.received, noted);
        if *is_there { vec![note] } else { vec![decision(subject, path::UNIT, goes), note] }
    }
}

/// What is to go, and how.
struct About<'a> {
    target: &'a RecordType,
    subject: &'a Record,
    from: &'a UnitCode,
    received: i32,
}

/// Whether a case keeps what goes by these names, received that day, where it is.
fn holds(held: &Held, case: &Record, names: &[String; 2], received: i32) -> bool {
    let stands = |(name, codes): (&String, &Vec<String>)| matches!(case.firm(name), Some(Value::Code(code)) if codes.contains(code));
    let begun = match &held.since {
        Some(day) => matches!(case.firm(day), Some(Value::Date(day)) if *day <= received),
        None => true,
    };
    let about = |value: &Value| names.contains(&value.to_text());
    begun
        && held.having.iter().all(stands)
        && match case.firm(&held.subject) {
            Some(Value::List(values)) => values.iter().any(about),
            Some(value) => about(value),
            None => false,
        }
}

/// What a half says by a word that counts: a proposal hands nothing over.
fn terms(handover: &Handover, record: &Record) -> Option<Terms> {
    let unit = |name: &str| match record.firm(name) {
        Some(Value::Unit(unit)) => Some(unit.clone()),
        _ => None,
    };
    let Some(Value::Reference(subject)) = record.firm(&handover.record) else { return None };
    Some(Terms {
        record: *subject,
        from: unit(&handover.from)?,
        to: unit(&handover.to)?,
        released: date(record, &handover.released)?,
    })
}

fn date(record: &Record, name: &str) -> Option<i32> {
    match record.firm(name) {
        Some(Value::Date(day)) => Some(*day),
        _ => None,
    }
}
