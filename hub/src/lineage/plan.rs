//! What a step would do: how many records go where, what stays, and what speaks against it. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_node::dataset::{DatasetError, Record, RecordState};
use lienthong_node::records::Records;
use lienthong_node::replica::meant_id;
use lienthong_proto::catalogue::KeyScope;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::lineage::{Lineage, Named, Step, StepKind, assigned_event};
use lienthong_proto::value::{Value, date_text};
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::ingest::AskedRecord;
use crate::pki::ReplicaState;
use crate::service::MapLine;
use crate::status::SILENT_MILLIS;

/// Records looked at in one go.
const PAGE: usize = 512;
/// Records named one by one.
const NAMED: usize = 50;
/// The number a step has while it is only thought of: behind all others of its day.
const THOUGHT_OF: Sequence = Sequence(u64::MAX >> 1);

/// Something a person should know before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code programs tell it by.
    pub code: &'static str,
    /// The step cannot be applied with it.
    pub fatal: bool,
    /// In both languages.
    pub message: String,
}

/// Records of one type that go from one unit to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// Their type.
    pub record_type: String,
    /// Whose they are.
    pub from: UnitCode,
    /// Whose they become.
    pub to: UnitCode,
}

/// A record that nothing assigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
}

/// What a step would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The step.
    pub step: Step,
    /// How many records go where.
    pub moves: BTreeMap<Move, u64>,
    /// Of a split: how many nothing assigns, by type.
    pub rest: BTreeMap<String, u64>,
    /// The first of them.
    pub rest_named: Vec<Kept>,
    /// Withdrawn records: they go on when they are brought back.
    pub withdrawn: u64,
    /// What a list assigns.
    pub assigned: Vec<(Named, UnitCode)>,
    /// What a person should know.
    pub problems: Vec<Problem>,
}

/// Sees a record's type, id and state.
type Visit<'a> = dyn FnMut(&str, RecordId, &Arc<RecordState>) -> Result<(), DatasetError> + 'a;

impl Plan {
    /// How many records move.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.moves.values().sum()
    }

    /// The first problem it cannot be applied with.
    #[must_use]
    pub fn fatal(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.fatal)
    }

    /// As scripts see it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let step = &self.step;
        let moves: Vec<Json> = self
            .moves
            .iter()
            .map(|(m, records)| json!({ "type": m.record_type, "from": m.from, "to": m.to, "records": records }))
            .collect();
        let problems: Vec<Json> = self
            .problems
            .iter()
            .map(
                |problem| json!({ "rule": problem.code, "fatal": problem.fatal, "message": problem.message }),
            )
            .collect();
        let rest = step.rest.as_ref().map(|unit| {
            let named: Vec<Json> = self
                .rest_named
                .iter()
                .map(|kept| json!({ "type": kept.record_type, "id": kept.record }))
                .collect();
            json!({ "unit": unit, "records": self.rest.values().sum::<u64>(), "types": self.rest, "items": named })
        });
        json!({
            "kind": step.kind,
            "on": date_text(step.on),
            "from": step.from,
            "to": step.to,
            "names": step.names,
            "reason": step.reason,
            "records": self.records(),
            "moves": moves,
            "rest": rest,
            "withdrawn": self.withdrawn,
            "problems": problems,
        })
    }
}

impl Hub {
    /// What a step would do, as things are now.
    pub(crate) fn plan(&self, step: Step, map: &[MapLine]) -> Result<Plan, DatasetError> {
        let mut plan = Plan {
            step,
            moves: BTreeMap::new(),
            rest: BTreeMap::new(),
            rest_named: Vec::new(),
            withdrawn: 0,
            assigned: Vec::new(),
            problems: Vec::new(),
        };
        self.assign(map, &mut plan)?;
        if plan.step.moves() {
            self.count_moves(&mut plan)?;
            self.look_at_keys(&mut plan)?;
            self.look_at_nodes(&mut plan);
        }
        self.look_at_codes(&mut plan);
        Ok(plan)
    }

    /// Reads a list's lines; what is wrong with one is a problem.
    fn assign(&self, map: &[MapLine], plan: &mut Plan) -> Result<(), DatasetError> {
        let Some(from) = plan.step.from.first().cloned() else { return Ok(()) };
        let mut assigned: BTreeMap<Named, UnitCode> = BTreeMap::new();
        for line in map {
            let at = line.line;
            let mut problem =
                |code, fatal, message: String| plan.problems.push(Problem { code, fatal, message });
            let Some(declared) = self.catalogue.record_type(&line.record_type) else {
                let name = &line.record_type;
                problem(
                    "TYPE_UNKNOWN",
                    true,
                    format!("dòng {at}: không có loại {name} · line {at}: there is no type {name}"),
                );
                continue;
            };
            let unit = line.unit.parse::<UnitCode>().ok();
            let takes = |unit: &UnitCode| plan.step.to.contains(unit) || *unit == from;
            let Some(unit) = unit.filter(takes) else {
                let name = &line.unit;
                problem(
                    "SUCCESSOR_UNKNOWN",
                    true,
                    format!(
                        "dòng {at}: {name} không phải đơn vị nhận · line {at}: {name} is not one of the successors"
                    ),
                );
                continue;
            };
            let records = Records { unit: &from, ..self.records() };
            let found = records.get(declared, &line.id)?;
            let record = match &found {
                Some(record) => record.id,
                None => meant_id(
                    self.records().catalogue,
                    &self.secrets.provincial_key,
                    declared,
                    &from,
                    &line.id,
                ),
            };
            match found.as_ref().map(|record| record.owner.as_ref()) {
                Some(owner) if owner == Some(&from) => {}
                Some(_) => {
                    problem(
                        "RECORD_FOREIGN",
                        false,
                        format!(
                            "dòng {at}: bản ghi không thuộc {from}, để nguyên · line {at}: the record is not {from}’s and stays"
                        ),
                    );
                }
                None => {
                    problem(
                        "RECORD_UNKNOWN",
                        false,
                        format!(
                            "dòng {at}: chưa có bản ghi này; khi về sẽ theo danh sách · line {at}: no such record yet; it goes by the list when it comes"
                        ),
                    );
                }
            }
            let named = (line.record_type.clone(), record);
            if assigned.get(&named).is_some_and(|known| *known != unit) {
                problem(
                    "RECORD_TWICE",
                    true,
                    format!(
                        "dòng {at}: bản ghi đã được giao cho đơn vị khác · line {at}: the record is assigned to another unit before"
                    ),
                );
                continue;
            }
            assigned.insert(named, unit);
        }
        plan.assigned = assigned.into_iter().collect();
        Ok(())
    }

    fn count_moves(&self, plan: &mut Plan) -> Result<(), DatasetError> {
        let mut thought = Lineage::clone(&self.lineage());
        let mut step = plan.step.clone();
        if !plan.assigned.is_empty() {
            let name = "thought of";
            thought.note(&assigned_event(name, &plan.assigned, "", step.at), THOUGHT_OF);
            step.plan = Some(name.to_owned());
        }
        thought.note(&step.event(), THOUGHT_OF);
        step.number = THOUGHT_OF.0;
        let day = self.now().day().max(step.on);
        self.each_of(&step.from.clone(), &mut |record_type, id, state| {
            if state.standing().withdrawn {
                plan.withdrawn += 1;
                return Ok(());
            }
            let Some(owner) = state.owner() else { return Ok(()) };
            let record = Record::read(self.dataset.entries(), &self.catalogue, record_type, id, state)?;
            let settled = thought.settle(owner, &self.dataset.passages(state)?, day, &AskedRecord(&record));
            if settled.owner != *owner {
                let (from, to) = (owner.clone(), settled.owner);
                *plan.moves.entry(Move { record_type: record_type.to_owned(), from, to }).or_default() += 1;
            }
            if step.kind == StepKind::Split && !thought.names(&step, &AskedRecord(&record)) {
                *plan.rest.entry(record_type.to_owned()).or_default() += 1;
                if plan.rest_named.len() < NAMED {
                    plan.rest_named.push(Kept { record_type: record_type.to_owned(), record: id });
                }
            }
            Ok(())
        })
    }

    /// Visits the records these units own, withdrawn ones among them.
    pub(crate) fn each_of(&self, units: &[UnitCode], visit: &mut Visit<'_>) -> Result<(), DatasetError> {
        for record_type in self.dataset.types()? {
            let mut after = None;
            loop {
                let page = self.dataset.page(&record_type, after, PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (id, state) in &page {
                    if state.owner().is_some_and(|owner| units.contains(owner)) {
                        visit(&record_type, *id, state)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Numbers that units gave by themselves, and that one unit will have twice.
    fn look_at_keys(&self, plan: &mut Plan) -> Result<(), DatasetError> {
        if plan.step.kind == StepKind::Split {
            return Ok(());
        }
        let units = [&plan.step.from[..], &plan.step.to[..]].concat();
        let (mut known, mut twice) = (BTreeSet::new(), BTreeMap::<String, u64>::new());
        self.each_of(&units, &mut |record_type, id, state| {
            let Some(declared) = self.catalogue.record_type(record_type) else { return Ok(()) };
            if declared.key.scope != KeyScope::Unit || state.standing().withdrawn {
                return Ok(());
            }
            let record = Record::read(self.dataset.entries(), &self.catalogue, record_type, id, state)?;
            let part = |field: &String| record.shown(field).map(Value::to_text).unwrap_or_default();
            let key: Vec<String> = declared.key.fields.iter().map(part).collect();
            if !known.insert((record_type.to_owned(), key)) {
                *twice.entry(record_type.to_owned()).or_default() += 1;
            }
            Ok(())
        })?;
        for (record_type, count) in twice {
            let message = format!(
                "{record_type}: {count} số hiệu sẽ có hai bản ghi ở đơn vị kế thừa; cả hai còn nguyên, gọi bản ghi cũ bằng mã hoặc --unit đơn vị cũ · {record_type}: {count} numbers will stand for two records of the successor; both stay, the old unit’s is named by its id or with --unit of the old unit"
            );
            plan.problems.push(Problem { code: "KEY_TWICE", fatal: false, message });
        }
        Ok(())
    }

    /// Nodes of the old units that have not said everything yet.
    fn look_at_nodes(&self, plan: &mut Plan) {
        for entry in self.registry.list() {
            if !plan.step.from.contains(&entry.unit) || entry.state != ReplicaState::Active {
                continue;
            }
            let live = self.live.get(entry.replica).unwrap_or_default();
            let quiet = self.last_heard(entry.replica).is_none_or(|at| self.now().since(at) > SILENT_MILLIS);
            if live.streams == 0 || quiet {
                let unit = &entry.unit;
                let message = format!(
                    "một máy của {unit} chưa kết nối: việc còn ở máy sẽ về sau và theo đơn vị kế thừa · a node of {unit} is not connected: what it still holds comes later and goes with the successor"
                );
                plan.problems.push(Problem { code: "NODE_AWAY", fatal: false, message });
            }
        }
    }

    /// Codes and names that sheets will mistake (X20), and codes nobody knows yet.
    fn look_at_codes(&self, plan: &mut Plan) {
        let ended: Vec<UnitCode> = plan.step.ends().cloned().collect();
        for unit in ended {
            let message = format!(
                "từ ngày đó bảng của đơn vị kế thừa phải ghi mã mới: dòng ghi {unit} sẽ bị trả lại (UNIT_FOREIGN) · from that day the successor’s sheets must have its own code: rows with {unit} are handed back (UNIT_FOREIGN)"
            );
            plan.problems.push(Problem { code: "CODE_ENDED", fatal: false, message });
        }
        for unit in plan.step.to.iter().filter(|unit| self.catalogue.units().get(unit).is_none()) {
            let message = format!(
                "mã {unit} là mã mới: máy xã nhận được khi kết nối, trước đó bảng ghi mã này bị từ chối · {unit} is a new code: a node knows it once it was connected, until then sheets with it are refused there"
            );
            plan.problems.push(Problem { code: "CODE_NEW", fatal: false, message });
        }
        let renamed = plan.step.names.keys().filter(|unit| self.catalogue.units().get(unit).is_some());
        for unit in renamed {
            let message = format!(
                "mã {unit} giữ nguyên mà tên khác trước: bảng ghi tên mới bị trả lại (CODE_UNKNOWN, CODE_NAME_MISMATCH) cho đến khi máy xã kết nối · code {unit} stays and its name is another: sheets with the new name are handed back (CODE_UNKNOWN, CODE_NAME_MISMATCH) at a node until it was connected"
            );
            plan.problems.push(Problem { code: "CODE_RENAMED", fatal: false, message });
        }
    }
}
