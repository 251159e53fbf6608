//! Units made, merged, split, renamed, dissolved; and that undone.

use std::collections::BTreeSet;
use std::sync::Arc;

use lienthong_node::control::{Answer, Tell};
use lienthong_node::dataset::DatasetError;
use lienthong_node::records::{Page, numbered};
use lienthong_proto::catalogue::RecordType;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence, UnitCode};
use lienthong_proto::lineage::{Lineage, LineageFault, Named, Step, StepKind, assigned_event, undo_event};
use lienthong_proto::text;
use lienthong_proto::value::{date_text, days_of};
use serde_json::{Value as Json, json};

use super::Reorganisation;
use super::waivers::reason_of;
use crate::app::Hub;
use crate::lineage::Plan;
use crate::pki::{Enrolled, ReplicaState};

/// Since when the catalogue's units are: no step can lie before.
const UNITS_SINCE: jiff::civil::Date = jiff::civil::date(2025, 7, 1);
/// Nothing is decided for longer ahead.
const YEARS_MAX: i32 = 2;
/// Assignments in one event: well below an entry's bound.
const ASSIGNED_AT_ONCE: usize = 500;
/// Records named one by one.
const NAMED: usize = 50;
/// Characters of a unit's name.
const NAME_MAX: usize = 120;

/// Codes for people, one beside the other.
pub(super) fn codes(units: &[UnitCode]) -> String {
    units.iter().map(UnitCode::as_str).collect::<Vec<_>>().join(", ")
}

fn refused(fault: &LineageFault) -> Answer {
    Answer::refused(fault.code(), fault)
}

/// What undoing a step would do.
struct Return {
    /// Records that go back.
    back: u64,
    /// Records somebody has moved since: they stay where they are.
    stay: u64,
    stay_named: Vec<Json>,
    /// Records of units that would be no more.
    homeless: Vec<(UnitCode, u64)>,
}

impl Hub {
    /// Says what a step would do; does it if that is asked.
    pub(super) async fn reorganisation(
        self: &Arc<Self>,
        asked: Reorganisation,
        tell: &Tell,
    ) -> Result<Answer, Answer> {
        let answered = self.reorganise_units(asked, tell).await;
        self.look_at_units();
        answered
    }

    /// The units of the day may be others than those the hub was opened with.
    fn look_at_units(&self) {
        if self.lineage().count(self.now().day()) != self.reorganised {
            self.superseded.cancel();
        }
    }

    async fn reorganise_units(
        self: &Arc<Self>,
        asked: Reorganisation,
        tell: &Tell,
    ) -> Result<Answer, Answer> {
        let _one = self.reorganising.lock().await;
        let (mut step, apply) = (self.step_of(&asked)?, asked.apply);
        let (lineage, today) = (self.lineage(), self.now().day());
        if let Some(known) = said_before(&lineage, &step, &asked, self)? {
            return self.go_on(&known, tell).await;
        }
        lineage.check(self.listed.units(), &step, today).map_err(|fault| refused(&fault))?;
        step.begins = lineage.begins(self.listed.units(), &step);
        let plan = tokio::task::block_in_place(|| self.plan(step, &asked.map)).map_err(Answer::failed)?;
        let mut body = plan.to_json();
        note(&mut body, "due", (plan.step.on <= today).into());
        note(&mut body, "applied", false.into());
        let told =
            plan.step.event().build(Dot { replica: ReplicaId([0; 16]), sequence: Sequence(0) }, &[0; 16]);
        if told.is_err() {
            let reason = "quá nhiều đơn vị hoặc quy tắc trong một bước: dùng --map · too many units or shares in one step: use --map";
            return Err(Answer::refused("STEP_TOO_LARGE", reason));
        }
        if let (true, Some(problem)) = (apply, plan.fatal()) {
            note(&mut body, "error", problem.message.clone().into());
            note(&mut body, "rule", problem.code.into());
            return Ok(Answer { body, exit: 1 });
        }
        if !apply {
            return Ok(Answer { exit: u8::from(plan.fatal().is_some()), body });
        }
        let number = self.say(plan).await?;
        let moved = self.carry_on(tell).await.map_err(Answer::failed)?;
        note(&mut body, "applied", true.into());
        note(&mut body, "number", number.into());
        note(&mut body, "moved", moved.into());
        note(&mut body, "state", state_of(&self.lineage(), number, today).into());
        Ok(Answer::done(body))
    }

    /// The same command once more: it goes on, and says how far it is.
    async fn go_on(self: &Arc<Self>, known: &Step, tell: &Tell) -> Result<Answer, Answer> {
        let moved = self.carry_on(tell).await.map_err(Answer::failed)?;
        let mut body = self.step_line(&self.lineage(), known);
        note(&mut body, "applied", true.into());
        note(&mut body, "already", true.into());
        note(&mut body, "moved", moved.into());
        Ok(Answer::done(body))
    }

    /// Puts a step into the ledger: what it assigns first, so that a step that stands is whole.
    async fn say(&self, plan: Plan) -> Result<u64, Answer> {
        let mut step = plan.step;
        if !plan.assigned.is_empty() {
            let name = hex::encode(rand::random::<[u8; 8]>());
            for chunk in plan.assigned.chunks(ASSIGNED_AT_ONCE) {
                let event = assigned_event(&name, chunk, &step.actor, self.now());
                self.committer.event(event).await.map_err(Answer::failed)?;
            }
            step.plan = Some(name);
        }
        let place = self.committer.event(step.event()).await.map_err(Answer::failed)?;
        Ok(self.lineage().number_at(place))
    }

    fn step_of(&self, asked: &Reorganisation) -> Result<Step, Answer> {
        let on = self.day_of_step(&asked.on)?;
        let reason = reason_of(&asked.reason)?;
        let mut names = asked.names.clone();
        for name in names.values_mut() {
            *name = text::normalise(name);
            if name.is_empty() || name.chars().count() > NAME_MAX {
                let reason = format!("tên từ 1 đến {NAME_MAX} ký tự · a name has 1 to {NAME_MAX} characters");
                return Err(Answer::refused("NAME_FORM", reason));
            }
        }
        for share in &asked.shares {
            let known = |declared: &RecordType| declared.field(&share.field).is_some();
            if share.field.contains('/') || !self.catalogue.record_types().any(known) {
                let reason = format!("không loại nào có trường {0} · no type has a field {0}", share.field);
                return Err(Answer::refused("COLUMN_UNKNOWN", reason));
            }
        }
        let divides = !asked.shares.is_empty() || !asked.map.is_empty() || asked.rest.is_some();
        if divides && asked.kind != StepKind::Split {
            let reason = "chỉ chia tách mới phân bản ghi · only a split assigns records";
            return Err(Answer::refused("STEP_LACKS", reason));
        }
        let mut to = asked.to.clone();
        if asked.kind == StepKind::Dissolve && to.is_empty() {
            to.push(self.secrets.profile.province.clone());
        }
        Ok(Step {
            number: 0,
            kind: asked.kind,
            on,
            from: asked.from.clone(),
            to,
            begins: Vec::new(),
            names,
            unit_kind: asked.unit_kind,
            rest: asked.rest.clone(),
            shares: asked.shares.clone(),
            plan: None,
            reason,
            actor: asked.actor.clone(),
            at: self.now(),
        })
    }

    fn day_of_step(&self, day: &str) -> Result<i32, Answer> {
        let parsed = day.parse::<jiff::civil::Date>().map_err(|_| {
            let reason = format!(
                "{day}: ngày có dạng 2026-06-30 và phải có thật · a day looks like 2026-06-30 and must exist"
            );
            Answer::refused("DATE_INVALID", reason)
        })?;
        let (on, first) = (days_of(parsed), days_of(UNITS_SINCE));
        if on < first || on > self.now().day() + YEARS_MAX * 366 {
            let reason = format!(
                "{day}: phải từ {UNITS_SINCE} (khi có các đơn vị hiện nay) đến {YEARS_MAX} năm tới · it must lie between {UNITS_SINCE}, since when the units are, and {YEARS_MAX} years ahead"
            );
            return Err(Answer::refused("DATE_RANGE", reason));
        }
        Ok(on)
    }

    /// Says what undoing a step would do; does it if that is asked.
    pub(super) async fn lineage_undo(
        self: &Arc<Self>,
        number: u64,
        reason: &str,
        apply: bool,
        actor: &str,
        tell: &Tell,
    ) -> Result<Answer, Answer> {
        let _one = self.reorganising.lock().await;
        let reason = reason_of(reason)?;
        let (lineage, today) = (self.lineage(), self.now().day());
        lineage.check_undo(self.listed.units(), number, today).map_err(|fault| refused(&fault))?;
        let Some(step) = lineage.step(number).cloned() else {
            return Err(refused(&LineageFault::StepUnknown(number)));
        };
        let found = tokio::task::block_in_place(|| self.return_of(&step)).map_err(Answer::failed)?;
        let mut body = self.step_line(&lineage, &step);
        note(&mut body, "back", found.back.into());
        note(&mut body, "stay", json!({ "records": found.stay, "items": found.stay_named }));
        note(&mut body, "applied", false.into());
        if let Some((unit, records)) = found.homeless.first() {
            let reason = format!(
                "đơn vị {unit} sẽ không còn mà đang có {records} bản ghi hoặc máy của riêng mình: chuyển đi, thu hồi máy trước · unit {unit} would be no more and has {records} records or nodes of its own: move those, revoke these first"
            );
            note(&mut body, "error", reason.into());
            note(&mut body, "rule", "UNIT_IN_USE".into());
            return Ok(Answer { body, exit: 1 });
        }
        if !apply {
            return Ok(Answer::done(body));
        }
        let event = undo_event(number, &reason, actor, self.now());
        self.committer.event(event).await.map_err(Answer::failed)?;
        let moved = self.carry_on(tell).await.map_err(Answer::failed)?;
        self.look_at_units();
        note(&mut body, "applied", true.into());
        note(&mut body, "moved", moved.into());
        note(&mut body, "state", state_of(&self.lineage(), number, today).into());
        Ok(Answer::done(body))
    }

    fn return_of(&self, step: &Step) -> Result<Return, DatasetError> {
        let mut found = Return { back: 0, stay: 0, stay_named: Vec::new(), homeless: Vec::new() };
        let mut going: BTreeSet<Named> = BTreeSet::new();
        let mut fault = None;
        self.each_passed(step, &mut |record_type, id, state| {
            let passages = match self.dataset.passages(state) {
                Ok(passages) => passages,
                Err(error) => {
                    fault = Some(error);
                    return false;
                }
            };
            let last = passages.last().filter(|last| last.step == step.number);
            if last.is_some_and(|last| state.owner() == Some(&last.to)) {
                found.back += u64::from(!state.standing().withdrawn);
                going.insert((record_type.to_owned(), id));
            } else {
                found.stay += 1;
                if found.stay_named.len() < NAMED {
                    found.stay_named.push(json!({ "type": record_type, "id": id, "unit": state.owner() }));
                }
            }
            true
        })?;
        if let Some(error) = fault {
            return Err(error);
        }
        for unit in &step.begins {
            let mut own = 0;
            self.each_of(std::slice::from_ref(unit), &mut |record_type, id, _| {
                own += u64::from(!going.contains(&(record_type.to_owned(), id)));
                Ok(())
            })?;
            let nodes = self.registry.list();
            let active = |entry: &&Enrolled| entry.unit == *unit && entry.state == ReplicaState::Active;
            let nodes = nodes.iter().filter(active).count();
            if own > 0 || nodes > 0 {
                found.homeless.push((unit.clone(), own));
            }
        }
        Ok(found)
    }

    /// All steps, the newest last.
    pub(super) fn lineage_list(&self, page: &Page) -> Answer {
        let lineage = self.lineage();
        let items = lineage.steps().map(|step| self.step_line(&lineage, step)).collect();
        Answer::done(page.of(items, |item| item["number"].to_string(), numbered))
    }

    fn step_line(&self, lineage: &Lineage, step: &Step) -> Json {
        let today = self.now().day();
        let undone = lineage.undo_of(step.number).map(|undo| {
            json!({ "number": undo.number, "reason": undo.reason, "actor": undo.actor, "at": undo.at.rfc3339() })
        });
        json!({
            "number": step.number,
            "kind": step.kind,
            "on": date_text(step.on),
            "from": step.from,
            "to": step.to,
            "names": step.names,
            "rest": step.rest,
            "state": state_of(lineage, step.number, today),
            "records": lineage.done(step.number),
            "reason": step.reason,
            "actor": step.actor,
            "at": step.at.rfc3339(),
            "undone": undone,
        })
    }
}

/// A standing step that says the same, with the same list: the command is repeated.
fn said_before(
    lineage: &Lineage,
    step: &Step,
    asked: &Reorganisation,
    hub: &Hub,
) -> Result<Option<Step>, Answer> {
    if !asked.apply {
        return Ok(None);
    }
    for known in lineage.standing() {
        let listed = Step { plan: known.plan.clone().filter(|_| !asked.map.is_empty()), ..step.clone() };
        if !known.says_the_same(&listed) {
            continue;
        }
        let Some(plan) = known.plan.as_deref() else { return Ok(Some(known.clone())) };
        let wanted = tokio::task::block_in_place(|| hub.plan(listed, &asked.map)).map_err(Answer::failed)?;
        if lineage.plan(plan).is_some_and(|kept| wanted.assigned.iter().cloned().eq(kept.clone())) {
            return Ok(Some(known.clone()));
        }
    }
    Ok(None)
}

/// How far a step is.
fn state_of(lineage: &Lineage, number: u64, today: i32) -> &'static str {
    let Some(step) = lineage.step(number) else { return "unknown" };
    match lineage.undo_of(number) {
        Some(undo)
            if !lineage.has_begun(step, today) || !step.moves() || lineage.done(undo.number).is_some() =>
        {
            "undone"
        }
        Some(_) => "undoing",
        None if !lineage.has_begun(step, today) => "waiting",
        None if !step.moves() || lineage.done(number).is_some() => "done",
        None => "moving",
    }
}

fn note(body: &mut Json, name: &str, value: Json) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
