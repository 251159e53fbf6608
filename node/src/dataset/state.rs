//! The state of one record, and its bytes in the view.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::bytes::{Malformed, Reader, Writer};
use lienthong_proto::change::{Change, Context, Write, path};
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence, UnitCode};
use lienthong_proto::merge::{Applied, Register, Sibling};
use lienthong_proto::merging::Merging;
use lienthong_proto::reconcile::Mark;
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::withdrawal::{Edit, Standing, Stated, standing};

use super::{Dictionary, EntryAt};
use crate::log::FramePosition;

/// A change that has a live value in the record, and what ranking it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The change.
    pub dot: Dot,
    /// The unit its replica belongs to.
    pub unit: UnitCode,
    /// The stamp that counts.
    pub effective: Hlc,
    /// Its writer does not own the record.
    pub proposal: bool,
    /// The owner it states, if it does.
    pub states_owner: Option<UnitCode>,
    /// What it states of the record's withdrawal, if it does.
    pub states_withdrawal: Option<Stated>,
    /// The record it leads to, if it states that the two are one.
    pub states_into: Option<RecordId>,
    /// Where it can be read.
    pub at: EntryAt,
}

impl Source {
    /// The source of a change another replica wrote: its stamp counts at most as late as it was accepted.
    #[must_use]
    pub fn accepted(
        change: &Change,
        unit: &UnitCode,
        at: UnixMillis,
        proposal: bool,
        place: EntryAt,
    ) -> Self {
        Self {
            dot: change.dot,
            unit: unit.clone(),
            effective: change.meta.hlc.effective(at),
            proposal,
            states_owner: change.unit().cloned(),
            states_withdrawal: Stated::by(change),
            states_into: Merging::by(change).map(|merging| merging.into),
            at: place,
        }
    }
}

/// The registers of one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordState {
    /// The changes with live values, by dot.
    pub sources: BTreeMap<Dot, Source>,
    /// The registers, by path.
    pub registers: BTreeMap<String, Register<()>>,
}

/// What applying a change did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Paths that may leave something to decide.
    pub contested: Vec<String>,
    /// Changes that have no live value any more.
    pub past: Vec<Source>,
}

/// What a change with live values weighs, the dots its withdrawal names aside.
const SOURCE_WEIGHT: usize = 80;
/// What a dot weighs: a number of the dictionary, a sequence.
const DOT_WEIGHT: usize = 12;

fn path_weight(path: &str) -> usize {
    path.len() + 8
}

const WHOLE: u8 = 1;
const GENERAL: u8 = 2;
const PROPOSAL: u8 = 1;
const STATES_OWNER: u8 = 2;
const STATES_WITHDRAWN: u8 = 4;
const STATES_STANDING: u8 = 8;
const STATES_INTO: u8 = 16;

impl RecordState {
    /// Applies a change; tells which of its paths may now leave something to decide, and the changes that have
    /// no live value any more, this one among them if something applied before had seen it all.
    pub fn apply(&mut self, change: &Change, source: Source) -> Merged {
        let dot = change.dot;
        let mut past = Vec::new();
        let mut live = false;
        for write in &change.writes {
            let register = self.registers.entry(write.path.clone()).or_default();
            let applied = if source.proposal {
                propose(register, dot, &self.sources)
            } else {
                register.apply(dot, &write.context, ())
            };
            live |= applied != Applied::Superseded;
        }
        if live {
            self.sources.insert(dot, source);
        } else {
            past.push(source);
        }
        let registers = &self.registers;
        self.sources.retain(|dot, source| {
            let mut all = registers.values().flat_map(|register| &register.siblings);
            let kept = all.any(|sibling| sibling.dot == *dot);
            if !kept {
                past.push(source.clone());
            }
            kept
        });
        let open = change.writes.iter().filter(|write| self.may_be_open(&write.path));
        Merged { contested: open.map(|write| write.path.clone()).collect(), past }
    }

    /// Whether a register may leave something to decide: it holds more than one live value, or one that is only
    /// proposed. Which it is, its values tell.
    #[must_use]
    pub fn may_be_open(&self, path: &str) -> bool {
        let Some(register) = self.registers.get(path) else { return false };
        let proposed = |sibling: &Sibling<()>| self.sources.get(&sibling.dot).is_some_and(|s| s.proposal);
        register.siblings.len() > 1 || register.siblings.iter().any(proposed)
    }

    /// The registers that may leave something to decide.
    pub fn maybe_open(&self) -> impl Iterator<Item = &String> + '_ {
        self.registers.keys().filter(|path| self.may_be_open(path))
    }

    /// Whether nothing was ever applied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// The owning unit: of the live statements the firm one, the province's before others, the latest.
    #[must_use]
    pub fn owner(&self) -> Option<&UnitCode> {
        self.registers
            .get(path::UNIT)?
            .siblings
            .iter()
            .filter_map(|sibling| self.sources.get(&sibling.dot))
            .max_by_key(|source| (!source.proposal, source.unit.is_province(), source.effective, source.dot))
            .and_then(|source| source.states_owner.as_ref())
    }

    /// What its registers weigh, at most: bytes in the view, values aside.
    #[must_use]
    pub fn weight(&self) -> usize {
        let sources = self.sources.values().map(|source| {
            let seen = match &source.states_withdrawal {
                Some(Stated::Withdrawn(seen)) => seen.len(),
                _ => 0,
            };
            SOURCE_WEIGHT + DOT_WEIGHT * seen
        });
        let registers = self.registers.iter().map(|(path, register)| {
            path_weight(path) + DOT_WEIGHT * (register.siblings.len() + register.superseded.len())
        });
        sources.sum::<usize>() + registers.sum::<usize>()
    }

    /// What a change adds to the weight of a record that stands as `state`, at most.
    #[must_use]
    pub fn weight_of<'a>(writes: impl Iterator<Item = &'a Write>, state: Option<&Self>) -> usize {
        let added = writes.map(|write| {
            let known = state.is_some_and(|state| state.registers.contains_key(&write.path));
            let path = if known { 0 } else { path_weight(&write.path) };
            path + DOT_WEIGHT * (1 + write.context.len())
        });
        SOURCE_WEIGHT + added.sum::<usize>()
    }

    /// Whether the province said whose it is: anybody can make a record of any id, but not that.
    #[must_use]
    pub fn is_given_by_the_province(&self) -> bool {
        let Some(stated) = self.registers.get(path::UNIT) else { return false };
        let mut sources = stated.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        sources.any(|source| source.unit.is_province())
    }

    /// How it stands: part of the shared dataset, withdrawn, or for a person to decide.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing_beside(&[])
    }

    /// The same, with edits besides of which no value is known here.
    #[must_use]
    pub fn standing_beside(&self, hidden: &[Edit]) -> Standing {
        let Some(register) = self.registers.get(path::WITHDRAWN) else { return Standing::default() };
        let sources = register.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        let statements =
            sources.filter_map(|source| Some((source.states_withdrawal.as_ref()?, source.proposal)));
        standing(statements, self.edits().chain(hidden.iter().copied()))
    }

    /// The record it leads to, if it is left out because the two are one: by a withdrawal of that very change. Who said
    /// since then that it stands, or withdrew it for another reason, meant no merging.
    #[must_use]
    pub fn leads_to(&self) -> Option<RecordId> {
        let register = self.registers.get(path::INTO)?;
        let sources = register.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        let latest = sources.filter(|source| !source.proposal).max_by_key(|s| (s.effective, s.dot))?;
        let withdrawals = &self.registers.get(path::WITHDRAWN)?.siblings;
        let withdraws = matches!(latest.states_withdrawal, Some(Stated::Withdrawn(_)))
            && withdrawals.iter().any(|sibling| sibling.dot == latest.dot);
        latest.states_into.filter(|_| withdraws && self.standing().withdrawn)
    }

    /// Whether anyone's live word is that it is withdrawn.
    #[must_use]
    pub fn has_withdrawal(&self) -> bool {
        let Some(register) = self.registers.get(path::WITHDRAWN) else { return false };
        let mut sources = register.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        sources.any(|source| matches!(source.states_withdrawal, Some(Stated::Withdrawn(_))))
    }

    /// The live writes of anything but the withdrawal.
    pub fn edits(&self) -> impl Iterator<Item = Edit> + '_ {
        let others = self.registers.iter().filter(|(path, _)| *path != path::WITHDRAWN);
        let dots: BTreeSet<Dot> =
            others.flat_map(|(_, register)| register.siblings.iter().map(|sibling| sibling.dot)).collect();
        let proposal = |dot: &Dot| self.sources.get(dot).is_some_and(|source| source.proposal);
        dots.into_iter().map(move |dot| Edit { dot, proposal: proposal(&dot) })
    }

    /// Digest of the registers: equal for replicas that applied the same changes, in whatever order.
    #[must_use]
    pub fn digest(&self, record: RecordId) -> Digest {
        let mut out = Writer::with_capacity(256);
        out.raw(&record.0);
        for (path, register) in &self.registers {
            out.text(path);
            register.superseded.encode(&mut out);
            out.varint(register.siblings.len() as u64);
            for sibling in &register.siblings {
                out.raw(&sibling.dot.replica.0);
                out.u64(sibling.dot.sequence.0);
            }
        }
        sha256(&[out.as_slice()])
    }

    /// The owning unit by a firm statement: a proposal to another unit's record makes nobody its owner.
    #[must_use]
    pub fn firm_owner(&self) -> Option<&UnitCode> {
        let stated = self.registers.get(path::UNIT)?;
        let mut sources = stated.siblings.iter().filter_map(|sibling| self.sources.get(&sibling.dot));
        if sources.any(|source| !source.proposal) { self.owner() } else { None }
    }

    /// What replicas that hold the same record alike agree on: registers, and how each live change ranks. Not
    /// where a change stands, which is each one's own.
    #[must_use]
    pub fn mark(&self, record_type: &str, record: RecordId) -> Mark {
        let mut out = Writer::with_capacity(256);
        out.text(record_type);
        out.raw(&self.digest(record));
        for (dot, source) in &self.sources {
            out.raw(&dot.replica.0);
            out.u64(dot.sequence.0);
            out.text(source.unit.as_str());
            out.u64(source.effective.0);
            out.u8(u8::from(source.proposal));
            out.text(source.states_owner.as_ref().map_or("", UnitCode::as_str));
            match &source.states_withdrawal {
                None => out.u8(0),
                Some(Stated::Standing) => out.u8(1),
                Some(Stated::Withdrawn(seen)) => {
                    out.u8(2);
                    out.varint(seen.len() as u64);
                    for dot in seen {
                        out.raw(&dot.replica.0);
                        out.u64(dot.sequence.0);
                    }
                }
            }
        }
        let mut mark = [0; 16];
        mark.copy_from_slice(sha256(&[out.as_slice()]).split_at(16).0);
        Mark(mark)
    }

    /// Digests of what `replica` has live here, one for each register.
    pub fn own_digests(&self, record: RecordId, replica: ReplicaId) -> impl Iterator<Item = Digest> + '_ {
        self.registers.iter().flat_map(move |(path, register)| {
            register.siblings.iter().filter(move |sibling| sibling.dot.replica == replica).map(
                move |sibling| {
                    sha256(&[&record.0, path.as_bytes(), &[0], &sibling.dot.sequence.0.to_be_bytes()])
                },
            )
        })
    }

    /// The bytes of the state one change alone leads to, straight from the change; `None` if it is not that
    /// simple. Most records stay so for ever, and whole spreadsheets of them come at once.
    pub(super) fn encode_first(change: &Change, source: &Source, words: &Dictionary) -> Option<Vec<u8>> {
        let simple = |write: &Write| {
            write.context.is_empty() && !write.path.contains(['/', '\n']) && write.path != path::WITHDRAWN
        };
        // A proposal alone leaves something to decide.
        if source.proposal || change.writes.is_empty() || !change.writes.iter().all(simple) {
            return None;
        }
        let mut paths: Vec<&str> = change.writes.iter().map(|write| write.path.as_str()).collect();
        paths.sort_unstable();
        let shape = words.shape(&paths.join("\n"))?;
        let mut out = Writer::with_capacity(64);
        out.u8(WHOLE);
        out.varint(u64::from(shape));
        encode_source(source, words, &mut out);
        Some(out.into_bytes())
    }

    /// The bytes kept in the view.
    #[must_use]
    pub fn encode(&self, words: &Dictionary) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        if let Some(shape) = self.shape().and_then(|shape| words.shape(&shape)) {
            out.u8(WHOLE);
            out.varint(u64::from(shape));
            for source in self.sources.values() {
                encode_source(source, words, &mut out);
            }
            return out.into_bytes();
        }
        out.u8(GENERAL);
        out.varint(self.sources.len() as u64);
        for source in self.sources.values() {
            encode_source(source, words, &mut out);
        }
        out.varint(self.registers.len() as u64);
        for (path, register) in &self.registers {
            encode_path(path, words, &mut out);
            out.varint(register.superseded.len() as u64);
            for (replica, sequence) in register.superseded.iter() {
                out.varint(u64::from(words.number(&replica.0)));
                out.varint(sequence);
            }
            out.varint(register.siblings.len() as u64);
            for sibling in &register.siblings {
                out.varint(u64::from(words.number(&sibling.dot.replica.0)));
                out.varint(sibling.dot.sequence.0);
            }
        }
        out.into_bytes()
    }

    /// Reads what [`RecordState::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes or the dictionary do not fit.
    pub fn decode(bytes: &[u8], words: &Dictionary) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let state = match input.u8()? {
            WHOLE => {
                let shape = word(words, input.varint()?)?;
                let shape = std::str::from_utf8(&shape).map_err(|_| Malformed("shape"))?;
                let source = decode_source(&mut input, words)?;
                let dot = source.dot;
                let sibling = || vec![Sibling { dot, at: () }];
                let register = || Register { superseded: Context::default(), siblings: sibling() };
                let registers = shape.split('\n').map(|path| (path.to_owned(), register())).collect();
                Self { sources: BTreeMap::from([(dot, source)]), registers }
            }
            GENERAL => decode_general(&mut input, words)?,
            _ => return Err(Malformed("record state form")),
        };
        input.end()?;
        Ok(state)
    }

    /// The paths in one text, if one change wrote every register, nothing was superseded and no item
    /// keys would flood the dictionary.
    fn shape(&self) -> Option<String> {
        if self.sources.len() != 1 {
            return None;
        }
        let mut shape = String::new();
        for (path, register) in &self.registers {
            if register.siblings.len() != 1 || !register.superseded.is_empty() || path.contains(['/', '\n']) {
                return None;
            }
            if !shape.is_empty() {
                shape.push('\n');
            }
            shape.push_str(path);
        }
        (!shape.is_empty()).then_some(shape)
    }
}

/// Applies a proposal: it has seen nothing but its writer's own proposals, of which only the last stands. What the
/// writer stated as the owner stands beside it.
fn propose(register: &mut Register<()>, dot: Dot, sources: &BTreeMap<Dot, Source>) -> Applied {
    let own = |other: &Dot| {
        other.replica == dot.replica && sources.get(other).is_some_and(|source| source.proposal)
    };
    if register.siblings.iter().any(|sibling| own(&sibling.dot) && sibling.dot > dot) {
        return Applied::Superseded;
    }
    register.siblings.retain(|sibling| !(own(&sibling.dot) && sibling.dot < dot));
    register.apply(dot, &Context::default(), ())
}

pub(super) fn encode_source(source: &Source, words: &Dictionary, out: &mut Writer) {
    let withdrawal = match &source.states_withdrawal {
        None => 0,
        Some(Stated::Withdrawn(_)) => STATES_WITHDRAWN,
        Some(Stated::Standing) => STATES_STANDING,
    };
    let owner = u8::from(source.states_owner.is_some()) * STATES_OWNER;
    let into = u8::from(source.states_into.is_some()) * STATES_INTO;
    out.u8(u8::from(source.proposal) * PROPOSAL + owner + withdrawal + into);
    out.varint(u64::from(words.number(&source.dot.replica.0)));
    out.varint(source.dot.sequence.0);
    out.varint(u64::from(words.number(source.unit.as_str().as_bytes())));
    if let Some(owner) = &source.states_owner {
        out.varint(u64::from(words.number(owner.as_str().as_bytes())));
    }
    if let Some(Stated::Withdrawn(seen)) = &source.states_withdrawal {
        out.varint(seen.len() as u64);
        for dot in seen {
            out.varint(u64::from(words.number(&dot.replica.0)));
            out.varint(dot.sequence.0);
        }
    }
    if let Some(into) = &source.states_into {
        out.raw(&into.0);
    }
    out.u64(source.effective.0);
    out.varint(source.at.frame.pack());
    out.varint(u64::from(source.at.index));
}

pub(super) fn decode_source(input: &mut Reader<'_>, words: &Dictionary) -> Result<Source, Malformed> {
    let flags = input.u8()?;
    let replica = replica(words, input.varint()?)?;
    let sequence = Sequence(input.varint()?);
    let unit_code = unit(words, input.varint()?)?;
    let states_owner = if flags & STATES_OWNER == 0 { None } else { Some(unit(words, input.varint()?)?) };
    let states_withdrawal = match flags & (STATES_WITHDRAWN | STATES_STANDING) {
        0 => None,
        STATES_STANDING => Some(Stated::Standing),
        _ => Some(Stated::Withdrawn(decode_seen(input, words)?)),
    };
    let states_into = if flags & STATES_INTO == 0 { None } else { Some(RecordId(input.array()?)) };
    let effective = Hlc(input.u64()?);
    let frame = FramePosition::unpack(input.varint()?);
    let index = u16::try_from(input.varint()?).map_err(|_| Malformed("entry index"))?;
    Ok(Source {
        dot: Dot { replica, sequence },
        unit: unit_code,
        effective,
        proposal: flags & PROPOSAL != 0,
        states_owner,
        states_withdrawal,
        states_into,
        at: EntryAt { frame, index },
    })
}

fn decode_seen(input: &mut Reader<'_>, words: &Dictionary) -> Result<BTreeSet<Dot>, Malformed> {
    let mut seen = BTreeSet::new();
    for _ in 0..input.varint()? {
        let replica = replica(words, input.varint()?)?;
        seen.insert(Dot { replica, sequence: Sequence(input.varint()?) });
    }
    Ok(seen)
}

fn decode_general(input: &mut Reader<'_>, words: &Dictionary) -> Result<RecordState, Malformed> {
    let mut state = RecordState::default();
    for _ in 0..input.varint()? {
        let source = decode_source(input, words)?;
        state.sources.insert(source.dot, source);
    }
    for _ in 0..input.varint()? {
        let path = decode_path(input, words)?;
        let mut register = Register::default();
        for _ in 0..input.varint()? {
            let replica = replica(words, input.varint()?)?;
            register.superseded.raise(replica, input.varint()?);
        }
        for _ in 0..input.varint()? {
            let replica = replica(words, input.varint()?)?;
            let dot = Dot { replica, sequence: Sequence(input.varint()?) };
            register.siblings.push(Sibling { dot, at: () });
        }
        state.registers.insert(path, register);
    }
    Ok(state)
}

/// Field names stand by number; paths with item keys, and names that would flood the dictionary, as they are.
fn encode_path(path: &str, words: &Dictionary, out: &mut Writer) {
    match if path.contains('/') { None } else { words.name(path) } {
        Some(number) => out.varint(u64::from(number) + 1),
        None => {
            out.varint(0);
            out.text(path);
        }
    }
}

fn decode_path(input: &mut Reader<'_>, words: &Dictionary) -> Result<String, Malformed> {
    match input.varint()? {
        0 => Ok(input.text()?.to_owned()),
        number => {
            let name = word(words, number - 1)?;
            String::from_utf8(name.to_vec()).map_err(|_| Malformed("path"))
        }
    }
}

fn word(words: &Dictionary, number: u64) -> Result<std::sync::Arc<[u8]>, Malformed> {
    words.word(number).ok_or(Malformed("number without a word"))
}

fn replica(words: &Dictionary, number: u64) -> Result<ReplicaId, Malformed> {
    ReplicaId::from_slice(&word(words, number)?).ok_or(Malformed("replica"))
}

fn unit(words: &Dictionary, number: u64) -> Result<UnitCode, Malformed> {
    let text = word(words, number)?;
    std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed("unit"))
}
