//! A record as people read it: shown values, concurrent values, where each came from.

use std::collections::{BTreeMap, HashMap};

use lienthong_proto::bytes::Malformed;
use lienthong_proto::catalogue::{Catalogue, CodeList, Policy};
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{Dot, RecordId, UnitCode};
use lienthong_proto::merge::{Candidate, in_conflict, shown_value};
use lienthong_proto::merging::{Merging, apart_path, is_the_provinces};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::{Standing, Withdrawal};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{EntryError, EntrySource, RecordState};

/// Why a record cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// An entry it needs cannot be read.
    #[error("record {record}: change {dot} cannot be read")]
    Entry {
        /// The record.
        record: RecordId,
        /// The change.
        dot: Dot,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// An entry it needs is not understood.
    #[error("record {record}: change {dot} is not understood")]
    Malformed {
        /// The record.
        record: RecordId,
        /// The change.
        dot: Dot,
        /// Why.
        #[source]
        source: Malformed,
    },
}

/// A record, read.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its type.
    pub record_type: String,
    /// Its id.
    pub id: RecordId,
    /// Its owner.
    pub owner: Option<UnitCode>,
    registers: BTreeMap<String, (Policy, Vec<Candidate>, Option<Value>)>,
    sources: Vec<Dot>,
    fields: Vec<String>,
    standing: Standing,
    leads_to: Option<RecordId>,
    authors: HashMap<Dot, String>,
}

/// How a record was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WithdrawnView {
    /// Why.
    pub reason: String,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// Who.
    pub author: String,
    /// Of which unit.
    pub unit: String,
}

/// One of several concurrent values.
#[derive(Debug, Clone, Serialize)]
pub struct SiblingView {
    /// What it states.
    pub value: Json,
    /// Who.
    pub unit: String,
    /// On which replica.
    pub replica: String,
    /// When, RFC 3339 UTC.
    pub at: String,
    /// Waits for the owner's decision.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub proposal: bool,
}

/// A field with several concurrent values.
#[derive(Debug, Clone, Serialize)]
pub struct Conflict {
    /// The field.
    pub field: String,
    /// Its values.
    pub siblings: Vec<SiblingView>,
}

/// A change with a live value.
#[derive(Debug, Clone, Serialize)]
pub struct SourceView {
    /// On which replica.
    pub replica: String,
    /// Its place in that replica's log.
    pub sequence: u64,
}

impl Record {
    /// Reads a record's values from the log.
    ///
    /// # Errors
    /// [`RecordError`] naming the change that cannot be read.
    pub fn read(
        entries: &EntrySource,
        catalogue: &Catalogue,
        record_type: &str,
        id: RecordId,
        state: &RecordState,
    ) -> Result<Self, RecordError> {
        let mut changes = HashMap::new();
        for (dot, source) in &state.sources {
            let (record, dot) = (id, *dot);
            let bytes =
                entries.entry(source.at).map_err(|source| RecordError::Entry { record, dot, source })?;
            let change = Entry::decode(&bytes)
                .and_then(|entry| Change::of(&entry))
                .map_err(|source| RecordError::Malformed { record, dot, source })?;
            if change.dot != dot || change.record != id {
                return Err(RecordError::Malformed { record, dot, source: Malformed("another change") });
            }
            changes.insert(dot, change);
        }
        Ok(Self::of(catalogue, record_type, id, state, changes))
    }

    /// A record of its state and the changes with live values; a value whose change is not among them is left out.
    #[must_use]
    pub fn of(
        catalogue: &Catalogue,
        record_type: &str,
        id: RecordId,
        state: &RecordState,
        changes: HashMap<Dot, Change>,
    ) -> Self {
        let mut values: HashMap<(Dot, String), Value> = HashMap::new();
        let mut authors = HashMap::new();
        for (dot, change) in changes {
            if state.sources.get(&dot).is_some_and(|source| source.states_withdrawal.is_some()) {
                authors.insert(dot, change.meta.author);
            }
            values.extend(change.writes.into_iter().map(|write| ((dot, write.path), write.value)));
        }
        let owner = state.owner().cloned();
        let declared = catalogue.record_type(record_type);
        let mut registers = BTreeMap::new();
        for (name, register) in &state.registers {
            let candidates: Vec<Candidate> = register
                .siblings
                .iter()
                .filter_map(|sibling| {
                    let source = state.sources.get(&sibling.dot)?;
                    Some(Candidate {
                        dot: source.dot,
                        effective: source.effective,
                        unit: source.unit.clone(),
                        proposal: source.proposal,
                        value: values.remove(&(source.dot, name.clone()))?,
                    })
                })
                .collect();
            let field = declared.and_then(|declared| declared.field(name));
            let policy = match field {
                Some(field) => field.policy,
                None if name == path::UNIT || is_the_provinces(name) => Policy::Province,
                None if name == path::WITHDRAWN => Policy::Review,
                None => Policy::Latest,
            };
            let codes: Option<&CodeList> =
                field.and_then(|field| field.codes.as_deref()).and_then(|codes| catalogue.code_list(codes));
            let value = shown_value(policy, owner.as_ref(), codes, &candidates);
            registers.insert(name.clone(), (policy, candidates, value));
        }
        let fields = declared.map(|t| t.fields.iter().map(|f| f.name.clone()).collect()).unwrap_or_default();
        let sources = state.sources.keys().copied().collect();
        let (record_type, standing, leads_to) = (record_type.to_owned(), state.standing(), state.leads_to());
        Self { record_type, id, owner, registers, sources, fields, standing, leads_to, authors }
    }

    /// The same, standing otherwise than by what is known of it here.
    #[must_use]
    pub fn standing_as(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// The live values of a register and the policy that picks among them.
    #[must_use]
    pub fn candidates(&self, path: &str) -> Option<(Policy, &[Candidate])> {
        self.registers.get(path).map(|(policy, candidates, _)| (*policy, candidates.as_slice()))
    }

    /// Whether a boolean field says that the record stays: by anybody who may say so.
    #[must_use]
    pub fn is_kept_by(&self, field: &str) -> bool {
        let (_, candidates) = self.candidates(field).unwrap_or((Policy::Latest, &[]));
        candidates.iter().any(|candidate| !candidate.proposal && candidate.value == Value::Boolean(true))
    }

    /// The value shown of a register.
    #[must_use]
    pub fn shown(&self, path: &str) -> Option<&Value> {
        self.registers.get(path).and_then(|(_, _, value)| value.as_ref())
    }

    /// The value shown of a register, unless it is only proposed.
    #[must_use]
    pub fn firm(&self, path: &str) -> Option<&Value> {
        let (_, candidates, value) = self.registers.get(path)?;
        // A proposal never ranks above what is none.
        value.as_ref().filter(|_| candidates.iter().any(|candidate| !candidate.proposal))
    }

    /// The shown values of all registers that are fields.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.registers
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
            .filter_map(|(name, (_, _, value))| Some((name.as_str(), value.as_ref()?)))
    }

    /// The changes with live values.
    #[must_use]
    pub fn sources(&self) -> &[Dot] {
        &self.sources
    }

    /// Whether a register leaves something to decide; of a withdrawn record only the withdrawal can.
    #[must_use]
    pub fn is_open(&self, name: &str) -> bool {
        if name == path::WITHDRAWN {
            return self.standing.contested;
        }
        // The reason of a change goes with what it is the reason of.
        let Some((policy, candidates, _)) = self.registers.get(name).filter(|_| name != path::WHY) else {
            return false;
        };
        !self.standing.withdrawn && in_conflict(*policy, candidates)
    }

    /// The fields with something to decide.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        let open = self.registers.iter().filter(|(name, _)| self.is_open(name));
        open.map(|(name, (_, candidates, _))| {
            let mut siblings: Vec<SiblingView> = candidates.iter().map(sibling_view).collect();
            if name == path::WITHDRAWN {
                for (sibling, candidate) in siblings.iter_mut().zip(candidates) {
                    sibling.value = withdrawal_json(&candidate.value);
                }
                siblings.extend(self.unseen().map(|(_, edit)| edit));
            }
            Conflict { field: name.clone(), siblings }
        })
        .collect()
    }

    /// The edits no withdrawal had seen, each as one of the sides.
    pub fn unseen(&self) -> impl Iterator<Item = (Dot, SiblingView)> + '_ {
        self.standing.unseen.iter().filter_map(|dot| Some((*dot, self.edit_view(*dot)?)))
    }

    /// An edit a withdrawal did not see, as one of the sides.
    fn edit_view(&self, dot: Dot) -> Option<SiblingView> {
        let mut fields = Map::new();
        let mut edit = None;
        for (name, (_, candidates, _)) in &self.registers {
            let Some(candidate) = candidates.iter().find(|candidate| candidate.dot == dot) else { continue };
            fields.insert(name.clone(), candidate.value.to_json());
            edit = Some(candidate);
        }
        edit.map(|edit| SiblingView { value: Json::Object(fields), ..sibling_view(edit) })
    }

    /// Whether it is kept out of the shared dataset because its owner or the province took it back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.standing.withdrawn
    }

    /// The record it leads to, if it is left out because the two are one.
    #[must_use]
    pub fn leads_to(&self) -> Option<RecordId> {
        self.leads_to
    }

    /// The merging by which it was left out and that was not taken back, even if it leads nowhere for now.
    #[must_use]
    pub fn merging(&self) -> Option<Merging> {
        self.firm(path::INTO).and_then(Merging::of)
    }

    /// The records that lead here.
    pub fn merged(&self) -> impl Iterator<Item = RecordId> + '_ {
        let stated = self.registers.iter().filter_map(|(name, (_, _, value))| {
            let id = name.strip_prefix(path::MERGED)?.strip_prefix('/')?;
            (*value == Some(Value::Boolean(true))).then_some(id)
        });
        stated.filter_map(|id| id.parse().ok())
    }

    /// Whether the province said that the record `other` is not the same as this one.
    #[must_use]
    pub fn is_apart_from(&self, other: RecordId) -> bool {
        let (first, second) = if self.id < other { (self.id, other) } else { (other, self.id) };
        first == self.id && self.shown(&apart_path(second)) == Some(&Value::Boolean(true))
    }

    /// Why, when and by whom it was withdrawn, if it is.
    #[must_use]
    pub fn withdrawn(&self) -> Option<WithdrawnView> {
        let (_, candidates, _) = self.registers.get(path::WITHDRAWN).filter(|_| self.standing.withdrawn)?;
        let firm = candidates.iter().filter(|candidate| !candidate.proposal);
        let stated = firm.filter_map(|candidate| Some((candidate, Withdrawal::of(&candidate.value)?)));
        let (by, withdrawal) = stated.max_by_key(|(candidate, _)| (candidate.effective, candidate.dot))?;
        Some(WithdrawnView {
            reason: withdrawal.reason().to_owned(),
            at: by.effective.at().rfc3339(),
            author: self.authors.get(&by.dot).cloned().unwrap_or_default(),
            unit: by.unit.to_string(),
        })
    }

    /// The fields as one JSON object, in the catalogue's order; items as arrays of objects.
    #[must_use]
    pub fn fields_json(&self) -> Map<String, Json> {
        let mut plain: BTreeMap<&str, Json> = BTreeMap::new();
        let mut items: BTreeMap<&str, BTreeMap<&str, Map<String, Json>>> = BTreeMap::new();
        for (name, value) in self.values().filter(|(_, value)| **value != Value::Null) {
            let mut parts = name.splitn(3, '/');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(field), Some(item), Some(subfield)) => {
                    let entry = items.entry(field).or_default().entry(item).or_default();
                    entry.insert(subfield.to_owned(), value.to_json());
                }
                _ => {
                    plain.insert(name, value.to_json());
                }
            }
        }
        for (field, items) in items {
            let kept = items.into_values().filter(|item| item.get("_gone") != Some(&Json::Bool(true)));
            plain.insert(field, Json::from(kept.map(Json::Object).collect::<Vec<_>>()));
        }
        let mut fields = Map::new();
        for name in &self.fields {
            if let Some(value) = plain.remove(name.as_str()) {
                fields.insert(name.clone(), value);
            }
        }
        fields.extend(plain.into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields
    }

    /// The record as the command line prints it (DESIGN 12).
    #[must_use]
    pub fn to_json(&self) -> Json {
        let sources: Vec<SourceView> = self
            .sources
            .iter()
            .map(|dot| SourceView { replica: dot.replica.to_string(), sequence: dot.sequence.0 })
            .collect();
        let mut json = serde_json::json!({
            "type": self.record_type,
            "id": self.id,
            "unit": self.owner,
            "fields": self.fields_json(),
            "conflicts": self.conflicts(),
            "defects": [],
            "sources": sources,
        });
        let Some(fields) = json.as_object_mut() else { return json };
        if let Some(withdrawn) = self.withdrawn() {
            fields.insert("withdrawn".to_owned(), serde_json::json!(withdrawn));
        }
        if let Some(into) = self.leads_to {
            fields.insert("merged_into".to_owned(), into.to_string().into());
        }
        let merged: Vec<String> = self.merged().map(|id| id.to_string()).collect();
        if !merged.is_empty() {
            fields.insert("merged".to_owned(), merged.into());
        }
        json
    }
}

fn sibling_view(candidate: &Candidate) -> SiblingView {
    SiblingView {
        value: candidate.value.to_json(),
        unit: candidate.unit.to_string(),
        replica: candidate.dot.replica.to_string(),
        at: candidate.effective.at().rfc3339(),
        proposal: candidate.proposal,
    }
}

/// A value of `_withdrawn` as people see it: the reason, or nothing.
pub(crate) fn withdrawal_json(value: &Value) -> Json {
    Withdrawal::of(value).map_or_else(|| value.to_json(), |withdrawal| withdrawal.reason().into())
}
