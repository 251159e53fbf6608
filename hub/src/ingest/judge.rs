//! The verdict on a change: judged once, when it is accepted, and recorded (DESIGN 6).

use std::collections::HashMap;

use lienthong_node::dataset::{Dataset, DatasetError, EntryAt, Record, RecordState, Source};
use lienthong_node::log::FramePosition;
use lienthong_node::replica::{Fed, feed_taken};
use lienthong_proto::catalogue::{Catalogue, KeyScope};
use lienthong_proto::change::{Change, path, record_id};
use lienthong_proto::event::Event;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{RecordId, ReplicaId, UnitCode};
use lienthong_proto::limits;
use lienthong_proto::lineage::Lineage;
use lienthong_proto::merging::{is_the_provinces, separated_id};
use lienthong_proto::rules::may_not_enter;
use lienthong_proto::text;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use lienthong_proto::withdrawal::Stated;

/// It would make the record another unit's, which is not its writer's to say.
const OWNER_CHANGED: Verdict = Verdict::Quarantined(QuarantineReason::OwnerChange);
/// Where a change stands that is only tried.
const NOWHERE: EntryAt = EntryAt { frame: FramePosition { segment: 0, offset: 0 }, index: 0 };

/// What judging found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The verdict.
    Verdict(Verdict),
    /// The record it concerns has changes that are not synced yet: commit, then ask again.
    NotSynced,
}

/// How heavy a record becomes by one batch.
enum Burden<'a> {
    /// At most so heavy, by adding up what these changes write.
    AtMost(usize, Vec<&'a Change>),
    /// Beyond what adding up allows: as it will stand.
    Merged(Box<RecordState>),
}

/// Judges the changes of one batch, in order.
pub struct Judge<'a> {
    dataset: &'a Dataset,
    catalogue: &'a Catalogue,
    provincial_key: &'a [u8],
    unit: &'a UnitCode,
    /// Records this batch creates, with their owners.
    created: HashMap<RecordId, UnitCode>,
    /// What this batch makes of the records it writes to.
    burdens: HashMap<RecordId, Burden<'a>>,
    /// Records whose state is pending in this group.
    unsynced: &'a dyn Fn(&RecordId) -> bool,
    /// How many entries are held of a replica.
    held: &'a dyn Fn(ReplicaId) -> u64,
    former: Option<Former<'a>>,
}

/// What a unit may still write of records that a step took from it.
#[derive(Debug, Clone, Copy)]
pub struct Former<'a> {
    /// The course of units.
    pub lineage: &'a Lineage,
    /// The ledger.
    pub ledger: ReplicaId,
    /// Now.
    pub at: UnixMillis,
    /// Up to where the writer had taken the feed.
    pub fed: Fed,
}

impl<'a> Judge<'a> {
    /// A judge of changes written by a replica of `unit`.
    #[must_use]
    pub fn new(
        dataset: &'a Dataset,
        (catalogue, provincial_key): (&'a Catalogue, &'a [u8]),
        unit: &'a UnitCode,
        unsynced: &'a dyn Fn(&RecordId) -> bool,
        held: &'a dyn Fn(ReplicaId) -> u64,
    ) -> Self {
        Self {
            dataset,
            catalogue,
            provincial_key,
            unit,
            created: HashMap::new(),
            burdens: HashMap::new(),
            unsynced,
            held,
            former: None,
        }
    }

    /// The same judge, who knows what became of units.
    #[must_use]
    pub fn with(self, former: Former<'a>) -> Self {
        Self { former: Some(former), ..self }
    }

    /// The writer took a piece of the feed before what comes next.
    pub fn heard(&mut self, event: &Event) {
        if let (Some(former), Some((_, fed))) = (&mut self.former, feed_taken(event)) {
            former.fed = former.fed.heard(fed);
        }
    }

    /// The verdict on the next change of the batch.
    ///
    /// # Errors
    /// [`DatasetError`] if the state cannot be read.
    pub fn judge(&mut self, change: &'a Change) -> Result<Judgement, DatasetError> {
        let quarantined = |reason| Ok(Judgement::Verdict(Verdict::Quarantined(reason)));
        let Some(declared) = self.catalogue.record_type(&change.record_type) else {
            return quarantined(QuarantineReason::TypeUnknown);
        };
        if may_not_enter(declared, &change.writes) {
            return quarantined(QuarantineReason::Forbidden);
        }
        if !self.unit.is_province() && change.writes.iter().any(|write| is_the_provinces(&write.path)) {
            return quarantined(QuarantineReason::OwnerChange);
        }
        let own = change.dot.replica;
        let ahead = |(replica, seen): (ReplicaId, u64)| replica != own && seen >= (self.held)(replica);
        let withdrawal = change.writes.iter().find(|write| write.path == path::WITHDRAWN);
        let stated = Stated::by(change);
        if withdrawal.is_some() && stated.is_none() {
            return quarantined(QuarantineReason::Undecodable);
        }
        let claims = match stated {
            Some(Stated::Withdrawn(seen)) => seen.into_iter().any(|dot| ahead((dot.replica, dot.sequence.0))),
            _ => false,
        };
        if claims || change.writes.iter().any(|write| write.context.iter().any(ahead)) {
            return quarantined(QuarantineReason::ContextAhead);
        }
        if change.writes.iter().any(|write| write.path.contains(char::is_control)) {
            return quarantined(QuarantineReason::Undecodable);
        }
        let state = self.dataset.pending_state(&change.record_type, change.record)?;
        if !self.bears(change, state.as_deref()) {
            return quarantined(QuarantineReason::RegisterFull);
        }
        if let Some(owner) = self.created.get(&change.record) {
            let owner = owner.clone();
            return Ok(Judgement::Verdict(self.against_owner(&owner, change)));
        }
        let Some(state) = state else {
            return Ok(Judgement::Verdict(self.creation(change)));
        };
        let full = |name: &str| {
            state.registers.get(name).is_some_and(|r| r.siblings.len() >= limits::REGISTER_REPLICAS_MAX)
        };
        if change.writes.iter().any(|write| full(&write.path)) {
            return quarantined(QuarantineReason::RegisterFull);
        }
        let Some(owner) = state.owner().cloned() else {
            return Ok(Judgement::Verdict(self.creation(change)));
        };
        if let (Some(field), Some(Stated::Withdrawn(_))) = (&declared.kept_once, Stated::by(change)) {
            if (self.unsynced)(&change.record) {
                return Ok(Judgement::NotSynced);
            }
            let (entries, name) = (self.dataset.entries(), &change.record_type);
            if Record::read(entries, self.catalogue, name, change.record, &state)?.is_kept_by(field) {
                return quarantined(QuarantineReason::RecordKept);
            }
        }
        if let Some(former) = self
            .former
            .filter(|former| owner != *self.unit && former.lineage.gives(self.unit, former.at.day()))
        {
            if (self.unsynced)(&change.record) {
                return Ok(Judgement::NotSynced);
            }
            if self.was_its_own(former, &owner, &state)? {
                let keeps = self.keeps_owner(former.at, &state, change);
                let verdict = if keeps { Verdict::Applied } else { OWNER_CHANGED };
                return Ok(Judgement::Verdict(verdict));
            }
        }
        if owner != *self.unit && !self.unit.is_province() && !declared.guard.is_empty() {
            // Once told apart, everything the unit says under this number is of the other person.
            let own = separated_id(self.provincial_key, &change.record_type, change.record, self.unit);
            let own = self.dataset.pending_state(&change.record_type, own)?;
            if own.is_some_and(|own| own.is_given_by_the_province()) {
                return quarantined(QuarantineReason::IdentityGuard);
            }
            if (self.unsynced)(&change.record) {
                return Ok(Judgement::NotSynced);
            }
            let record = Record::read(
                self.dataset.entries(),
                self.catalogue,
                &change.record_type,
                change.record,
                &state,
            )?;
            if other_identity(&declared.guard, &record, change) {
                return quarantined(QuarantineReason::IdentityGuard);
            }
        }
        Ok(Judgement::Verdict(self.against_owner(&owner, change)))
    }

    /// Whether a step took the record from this unit, and the change is one the unit may still make of it: whoever
    /// has ended writes for its successor; whoever goes on wrote before it was told, by its own log (X19).
    fn was_its_own(
        &self,
        former: Former<'_>,
        owner: &UnitCode,
        state: &RecordState,
    ) -> Result<bool, DatasetError> {
        let Some(moved) = state.moved_by() else { return Ok(false) };
        let passages = self.dataset.passages(state)?;
        let ended = former.lineage.has_ended(self.unit, former.at.day());
        let late = ended || !self.told(former, moved)?;
        Ok(late && former.lineage.former(owner, &passages).contains(self.unit))
    }

    /// Whether the writer had been told of a move, by the ledger that made it or by this one.
    fn told(&self, former: Former<'_>, moved: &Source) -> Result<bool, DatasetError> {
        let Former { fed, ledger, .. } = former;
        let place = if fed.of == moved.dot.replica {
            FeedCursor { ledger: moved.dot.sequence.0, place: 0 }
        } else if fed.of == ledger {
            // A former ledger made it, whose log was accepted here: it is handed on from that place.
            let accepted = self.dataset.entries().sequence(moved.at.frame)?;
            FeedCursor { ledger: accepted.0, place: moved.at.index }
        } else {
            return Ok(false);
        };
        Ok(fed.cursor > place)
    }

    /// Whether the record stays its owner's with the change: a former unit may say that it made the record, not that
    /// it has it still.
    fn keeps_owner(&self, at: UnixMillis, state: &RecordState, change: &Change) -> bool {
        if change.writes.iter().all(|write| write.path != path::UNIT) {
            return true;
        }
        let mut after = state.clone();
        drop(after.apply(change, Source::accepted(change, self.unit, at, false, NOWHERE)));
        !states_another(change, self.unit) && after.owner() == state.owner()
    }

    /// Whether the record is not too heavy with the change. As long as adding up stays below the bound nothing is
    /// merged for it.
    fn bears(&mut self, change: &'a Change, state: Option<&RecordState>) -> bool {
        let added = RecordState::weight_of(change.writes.iter(), state);
        let known = self.burdens.remove(&change.record);
        let known = known.unwrap_or_else(|| Burden::AtMost(state.map_or(0, RecordState::weight), Vec::new()));
        let unit = self.unit;
        let merge = |state: &mut RecordState, change: &Change| {
            drop(state.apply(change, Source::accepted(change, unit, UnixMillis(0), false, NOWHERE)));
        };
        let mut merged = match known {
            Burden::AtMost(weight, mut before) if weight + added <= limits::RECORD_WEIGHT_MAX => {
                before.push(change);
                self.burdens.insert(change.record, Burden::AtMost(weight + added, before));
                return true;
            }
            Burden::AtMost(_, before) => {
                let mut merged = state.cloned().unwrap_or_default();
                before.into_iter().for_each(|before| merge(&mut merged, before));
                Box::new(merged)
            }
            Burden::Merged(merged) => merged,
        };
        let before = merged.clone();
        merge(&mut merged, change);
        let bears = merged.weight() <= limits::RECORD_WEIGHT_MAX;
        self.burdens.insert(change.record, Burden::Merged(if bears { merged } else { before }));
        bears
    }

    /// Whether the id is that of the key the change states: nobody makes a record where another's will be.
    fn is_of_its_key(&self, change: &Change) -> bool {
        let Some(declared) = self.catalogue.record_type(&change.record_type) else { return false };
        let stated = |name: &String| change.writes.iter().find(|write| write.path == *name);
        let mut key = Vec::with_capacity(declared.key.fields.len());
        for name in &declared.key.fields {
            match stated(name).map(|write| write.value.to_text()) {
                Some(text) => key.push(text),
                None => return false,
            }
        }
        let scope = (declared.key.scope == KeyScope::Unit).then_some(self.unit);
        record_id(self.provincial_key, &declared.name, scope, &key) == change.record
    }

    fn creation(&mut self, change: &Change) -> Verdict {
        if !self.unit.is_province() && !self.is_of_its_key(change) {
            return Verdict::Quarantined(QuarantineReason::KeyMissing);
        }
        match change.unit() {
            Some(owner) if owner == self.unit || self.unit.is_province() => {
                self.created.insert(change.record, owner.clone());
                Verdict::Applied
            }
            Some(_) => Verdict::Quarantined(QuarantineReason::ForeignOwner),
            None => Verdict::Quarantined(QuarantineReason::KeyMissing),
        }
    }

    fn against_owner(&self, owner: &UnitCode, change: &Change) -> Verdict {
        if self.unit.is_province() {
            return Verdict::Applied;
        }
        if owner != self.unit {
            return Verdict::Proposal;
        }
        if states_another(change, owner) { OWNER_CHANGED } else { Verdict::Applied }
    }
}

/// Whether the change states any other owner than this one.
fn states_another(change: &Change, owner: &UnitCode) -> bool {
    let other = |value: &Value| !matches!(value, Value::Unit(stated) if stated == owner);
    change.writes.iter().any(|write| write.path == path::UNIT && other(&write.value))
}

/// Whether the change states every identifying field, and each differently from the record (X05).
fn other_identity(guard: &[String], record: &Record, change: &Change) -> bool {
    guard.iter().all(|field| {
        let stated = change.writes.iter().find(|write| write.path == *field).map(|write| &write.value);
        match (stated, record.shown(field)) {
            (Some(Value::Text(stated)), Some(Value::Text(known))) => {
                text::fold_name(stated) != text::fold_name(known)
            }
            (Some(stated), Some(known)) => stated != known,
            _ => false,
        }
    })
}
