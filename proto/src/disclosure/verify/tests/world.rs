//! A small province without disks: a ledger and the logs of two communes, of which one is granted. Its deliveries are
//! made as the hub makes them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::change::{Change, Context, Meta, Write};
use crate::checkpoint::Checkpoint;
use crate::cosignature::cosign;
use crate::disclosure::line::{Access, Again, Bytes, End, LogHead, Proof, Shown};
use crate::disclosure::{Cover, Day, LeftWhy, SHOWN_OF_ALL, Share, Terms, event};
use crate::entry::{Entry, EntryKind};
use crate::event::{Acceptance, Event};
use crate::hash::{Digest, Signer as _, SigningKey, sha256};
use crate::ids::{Dot, RecordId, ReplicaId, Sequence};
use crate::merkle::{Frontier, consistency_proof, frontier_at, inclusion_proof, root_at};
use crate::note::{Algorithm, Signature, Verifier};
use crate::roll::{Member, committed};
use crate::time::Hlc;
use crate::value::Value;
use crate::verdict::{QuarantineReason, Verdict};

pub(super) const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
pub(super) const UNITS: [&str; 3] = ["33", "11953", "12004"];
pub(super) const LEDGER: usize = 0;
/// The key of the hub's receipts, and its name.
pub(super) const RECEIPT: usize = 90;
pub(super) const RECEIPTS: &str = "kiemtra.vn/33/receipts";
pub(super) const WITNESS: &str = "w.vn";

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write {
        log: usize,
        record: u8,
        granted: bool,
        kept_out: bool,
    },
    Accept {
        log: usize,
    },
    /// A second time, of another date.
    AcceptAgain {
        log: usize,
    },
    Scope {
        record: u8,
        meant: bool,
    },
    Release,
    Deliver,
}

#[derive(Default, Clone)]
pub(super) struct Log {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) leaves: Vec<Digest>,
    numbers: BTreeMap<String, u64>,
    kept_out: BTreeSet<u64>,
    /// The ledger's entry and the size of each batch.
    accepted: Vec<(usize, u64)>,
    /// What the next one says of them.
    pub(super) chain: Digest,
}

/// What the agency was given so far.
#[derive(Default, Clone)]
pub(super) struct Given {
    pub(super) since: Since,
    sizes: BTreeMap<usize, u64>,
    seen: BTreeSet<Dot>,
    standing: BTreeSet<RecordId>,
}

pub(super) struct World {
    pub(super) logs: [Log; 3],
    released: BTreeSet<Dot>,
    meant: BTreeMap<RecordId, bool>,
    terms: Terms,
    /// When the roll is called, and which replica it does not list.
    pub(super) called: UnixMillis,
    pub(super) unlisted: Option<usize>,
    /// By whose key the roll lists every replica, if not by its own; and how far from where its entries were accepted.
    pub(super) keyed: Option<usize>,
    pub(super) moved: u64,
    pub(super) dated: u64,
    /// Whose batch is accepted behind the roll, and when that is said to be.
    pub(super) behind_roll: Option<(usize, UnixMillis)>,
    /// A field that is shown of no event.
    pub(super) withheld: Option<&'static str>,
    /// Which roll the checkpoint names, if it is not the last.
    pub(super) judged: Option<u64>,
    /// What the witness had cosigned before the roll: a size, and when.
    pub(super) seen: Option<(u64, UnixMillis)>,
    /// When the witness cosigned the cut.
    pub(super) cosigned: UnixMillis,
    /// When batches are taken, and whether something stands behind the last tally of each.
    pub(super) taken: UnixMillis,
    pub(super) behind: bool,
    /// Tallies are of before the granted type was declared.
    pub(super) undeclared: bool,
}

pub(super) fn replica(log: usize) -> ReplicaId {
    ReplicaId([u8::try_from(log).unwrap() + 1; 16])
}

pub(super) fn key(log: usize) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(log).unwrap() + 1; 32]).unwrap()
}

pub(super) fn origin(log: usize) -> Origin {
    Origin::new("kiemtra.vn", "33", &UNITS[log].parse().unwrap(), replica(log)).unwrap()
}

pub(super) fn dot(log: usize, sequence: usize) -> Dot {
    Dot { replica: replica(log), sequence: Sequence(sequence as u64) }
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl World {
    pub(super) fn new() -> Self {
        let share = Share {
            record_type: "ho_so".to_owned(),
            units: [UNITS[1].parse().unwrap()].into(),
            years: BTreeSet::new(),
            fields: ["ten".to_owned()].into(),
            references: BTreeSet::new(),
            only: Vec::new(),
        };
        let terms = Terms {
            agency: "TTT".parse().unwrap(),
            purpose: "p".to_owned(),
            document: "d".to_owned(),
            from: Day::of(NOW),
            until: Day::of(NOW),
            shares: vec![share],
        };
        let logs = Default::default();
        let (released, meant) = (BTreeSet::new(), BTreeMap::new());
        let mut world = Self {
            logs,
            released,
            meant,
            terms,
            called: NOW,
            unlisted: None,
            keyed: None,
            moved: 0,
            dated: 0,
            behind_roll: None,
            withheld: None,
            judged: None,
            seen: None,
            cosigned: NOW,
            taken: NOW,
            behind: false,
            undeclared: false,
        };
        let proposed =
            [("agency", Value::Unit("TTT".parse().unwrap())), ("terms", text(&world.terms.to_json()))];
        world.event(LEDGER, event::GRANT_PROPOSED, "minh", &proposed);
        world.event(LEDGER, event::GRANT_APPROVED, "hoa", &[("grant", Value::Integer(0))]);
        for log in [1, 2] {
            let fields = [
                ("replica", text(&replica(log).to_string())),
                ("unit", Value::Unit(UNITS[log].parse().unwrap())),
                ("log_key", text(&hex::encode(key(log).public_key()))),
                ("token", text("x")),
            ];
            world.event(LEDGER, "enrolment", "token", &fields);
        }
        world
    }

    fn push(&mut self, log: usize, (bytes, leaf): (Vec<u8>, Digest)) {
        self.logs[log].entries.push(bytes);
        self.logs[log].leaves.push(leaf);
    }

    pub(super) fn event(&mut self, log: usize, kind: &str, actor: &str, fields: &[(&str, Value)]) -> usize {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let at = if [event::ROLL, event::ROLL_PART].contains(&kind) { self.called } else { NOW };
        let event = Event { kind: kind.to_owned(), at, actor: actor.to_owned(), fields };
        let place = self.logs[log].entries.len();
        self.push(log, event.build(dot(log, place), &[3; 16]).unwrap());
        place
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Write { log, record, granted, kept_out } => {
                let record_type = if granted { "ho_so" } else { "khac" }.to_owned();
                let place = self.logs[log].entries.len();
                let number = self.logs[log].numbers.entry(record_type.clone()).or_default();
                let change = Change {
                    dot: dot(log, place),
                    record: RecordId([record; 16]),
                    record_type,
                    year: 2026,
                    number: *number,
                    meta: Meta {
                        hlc: Hlc::new(NOW, u16::try_from(place).unwrap()),
                        author: "lan".to_owned(),
                        catalogue: [0; 8],
                    },
                    origin: None,
                    writes: ["ten", "kin"]
                        .map(|path| Write {
                            path: path.to_owned(),
                            value: text(&format!("{path} {place}")),
                            context: Context::default(),
                        })
                        .to_vec(),
                };
                *number += 1;
                if kept_out && log != LEDGER {
                    self.logs[log].kept_out.insert(place as u64);
                }
                self.push(log, change.build(&[4; 16]).unwrap());
                self.meant.entry(RecordId([record; 16])).or_insert(true);
            }
            Step::Accept { log } => {
                let first = self.logs[log].accepted.last().map_or(0, |(_, size)| *size);
                let count = self.logs[log].numbers.get("ho_so").copied().unwrap_or(0);
                let of = if self.undeclared { "count/khac" } else { "count/ho_so" };
                self.event(log, event::TALLY, "daily", &[(of, Value::Integer(count.cast_signed()))]);
                if self.behind {
                    self.event(log, "import", "lan", &[]);
                }
                let size = self.logs[log].entries.len() as u64;
                let root = root_at(self.logs[log].leaves.as_slice(), size).unwrap();
                let checkpoint = Checkpoint { origin: origin(log).to_string(), size, root, roll: None };
                let kept = self.logs[log].kept_out.range(first..);
                let verdicts = kept
                    .map(|at| {
                        (
                            u16::try_from(at - first).unwrap(),
                            Verdict::Quarantined(QuarantineReason::Forbidden),
                        )
                    })
                    .collect();
                let acceptance = Acceptance {
                    replica: replica(log),
                    first: Sequence(first),
                    size,
                    root,
                    at: self.taken,
                    before: self.logs[log].chain,
                    verdicts,
                    checkpoint: checkpoint.sign(&key(log)).unwrap().to_string(),
                };
                let place = self.logs[LEDGER].entries.len();
                self.logs[log].chain = acceptance.chain(place as u64);
                self.push(LEDGER, acceptance.build(dot(LEDGER, place), &[5; 16]).unwrap());
                self.logs[log].accepted.push((place, size));
            }
            Step::AcceptAgain { log } => {
                let (place, _) = *self.logs[log].accepted.last().unwrap();
                let bytes = self.logs[LEDGER].entries[place].clone();
                let acceptance = Acceptance::of(&Entry::decode(&bytes).unwrap()).unwrap();
                let (again, place) =
                    (Acceptance { at: UnixMillis(NOW.0 - 1), ..acceptance }, self.logs[LEDGER].entries.len());
                self.push(LEDGER, again.build(dot(LEDGER, place), &[5; 16]).unwrap());
            }
            Step::Scope { record, meant } => {
                self.meant.insert(RecordId([record; 16]), meant);
            }
            Step::Release => {
                let waiting = [1, 2].into_iter().find_map(|log| {
                    let held = self.logs[log].accepted.last().map_or(0, |(_, size)| *size);
                    let waiting = self.logs[log].kept_out.range(..held);
                    let mut dots = waiting.map(|at| Dot { replica: replica(log), sequence: Sequence(*at) });
                    dots.find(|dot| !self.released.contains(dot))
                });
                if let Some(dot) = waiting {
                    let fields = [
                        ("replica", text(&dot.replica.to_string())),
                        ("sequence", Value::Integer(dot.sequence.0.cast_signed())),
                        ("proposal", Value::Boolean(false)),
                    ];
                    self.event(LEDGER, "release", "hoa", &fields);
                    self.released.insert(dot);
                }
            }
            Step::Deliver => {}
        }
    }

    pub(super) fn held(&self, log: usize) -> u64 {
        self.logs[log].accepted.last().map_or(0, |(_, size)| *size)
    }

    /// Whether a record is meant again of which nothing is to be shown: no line says so, and all is given anew.
    pub(super) fn came_back(&self, given: &Given) -> bool {
        let mut of_record: BTreeMap<RecordId, Vec<Dot>> = BTreeMap::new();
        for (log, at, record) in self.changes() {
            of_record.entry(record).or_default().push(dot(log, usize::try_from(at).unwrap()));
        }
        let meant = |record: &RecordId| self.meant.get(record).copied().unwrap_or(false);
        of_record.iter().any(|(record, dots)| {
            meant(record)
                && !given.standing.contains(record)
                && dots.iter().all(|dot| given.seen.contains(dot))
        })
    }

    /// Changes of the granted type that the ledger has, with their records: those that are part of the dataset.
    fn changes(&self) -> Vec<(usize, u64, RecordId)> {
        let mut found = Vec::new();
        for log in 0..3 {
            let held = if log == LEDGER { self.logs[LEDGER].entries.len() as u64 } else { self.held(log) };
            for (at, bytes) in (0..held).zip(&self.logs[log].entries) {
                let entry = Entry::decode(bytes).unwrap();
                let Ok(change) = Change::of(&entry) else { continue };
                let released = self.released.contains(&entry.header.dot);
                let kept_out = self.logs[log].kept_out.contains(&at) && !released;
                if change.record_type == "ho_so" && !kept_out {
                    found.push((log, at, change.record));
                }
            }
        }
        found
    }

    fn shown(&self, log: usize, at: u64, record: Option<RecordId>) -> Shown {
        let entry = Entry::decode(&self.logs[log].entries[usize::try_from(at).unwrap()]).unwrap();
        let leaf = Hash(entry.leaf_hash());
        let share = &self.terms.shares[0];
        let bytes = match (entry.header.kind, record) {
            (EntryKind::Change, Some(_)) => entry.redact(|path| share.opens(path)),
            (EntryKind::Change, None) => entry.redact(|path| SHOWN_OF_ALL.contains(&path)),
            _ => entry.redact(|path| self.withheld != Some(path)),
        };
        let withheld = record.map(|_| "kin".to_owned()).into_iter().collect();
        let record = record.map(|record| RecordId(record.0.map(|byte| byte ^ 0xff)));
        Shown {
            entry: Bytes(bytes),
            leaf,
            record,
            withheld,
            refers: Vec::new(),
            erased: 0,
            unseen: Vec::new(),
        }
    }

    /// A roll of these lines, behind them.
    pub(super) fn call(&mut self, units: &[(String, Value)]) -> usize {
        let lines: Vec<(&str, Value)> =
            units.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let part = self.event(LEDGER, event::ROLL_PART, "hub", &lines);
        let entry = Entry::decode(&self.logs[LEDGER].entries[part]).unwrap();
        let committed = |name: &str| committed(&entry.committed(|path| path == name).next().unwrap());
        let named: Vec<(&str, Value)> = lines.iter().map(|(name, _)| (*name, committed(name))).collect();
        self.event(LEDGER, event::ROLL, "hub", &named)
    }

    /// The place of the last roll of a ledger of `size` entries.
    fn last_roll(&self, size: u64) -> Option<u64> {
        let entries = self.logs[LEDGER].entries.iter().zip(0..size);
        let is_roll = |bytes: &[u8]| {
            Event::of(&Entry::decode(bytes).unwrap()).is_ok_and(|event| event.kind == event::ROLL)
        };
        entries.filter(|(bytes, _)| is_roll(bytes)).map(|(_, place)| place).last()
    }

    /// The next delivery under a grant: what `given` lacks.
    pub(super) fn deliver(&mut self, given: &mut Given) -> Vec<String> {
        let units: Vec<(String, Value)> = [1, 2]
            .map(|log| {
                let (place, size) = self.logs[log].accepted.last().copied().unwrap_or_default();
                let member = Member {
                    replica: replica(log),
                    size,
                    accepted: place as u64 + self.moved,
                    at: if size == 0 { UnixMillis(0) } else { UnixMillis(self.taken.0 + self.dated) },
                    key: Some(key(self.keyed.unwrap_or(log)).public_key()),
                };
                let line = text(&member.to_string());
                let listed = self.unlisted != Some(log);
                (format!("unit/{}", UNITS[log]), Value::List(listed.then_some(line).into_iter().collect()))
            })
            .to_vec();
        let roll = self.call(&units);
        if let Some((log, at)) = self.behind_roll.take() {
            self.taken = at;
            self.take(&Step::Accept { log });
        }
        let cut = self.logs[LEDGER].entries.len() as u64;

        let changes = self.changes();
        let meant = |record: &RecordId| self.meant.get(record).copied().unwrap_or(false);
        let in_scope: BTreeMap<(usize, u64), RecordId> = changes
            .iter()
            .filter(|(.., record)| meant(record))
            .map(|(log, at, r)| ((*log, *at), *r))
            .collect();
        let standing: BTreeSet<RecordId> = in_scope.values().copied().collect();
        let mut logs: BTreeSet<usize> = given.sizes.keys().copied().chain([1]).collect();
        logs.extend(in_scope.keys().map(|(log, _)| *log));
        logs.remove(&LEDGER);
        logs.retain(|log| self.held(*log) > 0);

        let mut lines = vec![Line::Head(Head {
            version: BUNDLE_VERSION,
            ledger: origin(LEDGER).to_string(),
            since: Some(given.since),
            cut: self.witnessed(cut, self.cosigned),
            before_roll: self.seen.map(|(size, at)| self.witnessed(size, at)),
            grant: 0,
            terms: self.terms.clone(),
        })];
        let mut seen = Vec::new();
        for log in std::iter::once(LEDGER).chain(logs.clone()) {
            let from = given.sizes.get(&log).copied().unwrap_or(0);
            let size = if log == LEDGER { cut } else { self.held(log) };
            if size == from {
                continue;
            }
            let accepted = (log != LEDGER).then(|| self.logs[log].accepted.last().unwrap().0 as u64);
            let receipt = accepted.map(|place| self.receipt(place));
            lines.push(Line::Log(LogHead { origin: origin(log).to_string(), size, accepted, receipt }));
            let (mut cover, past) = (Cover::default(), frontier_at(self.logs[log].leaves.as_slice(), from));
            let past_shown = log == LEDGER && logs.iter().any(|log| !given.sizes.contains_key(log));
            if !past_shown {
                cover = Cover::going_on(&past.unwrap());
            }
            for at in (if past_shown { 0 } else { from })..size {
                if at == from {
                    cover.settle();
                }
                let former = given.since.digest;
                let shown =
                    self.needed(log, at, &logs, (roll, former)).then(|| in_scope.get(&(log, at)).copied());
                let is_change = |at: u64| {
                    let bytes = &self.logs[log].entries[usize::try_from(at).unwrap()];
                    Entry::decode(bytes).unwrap().header.kind == EntryKind::Change
                };
                let shown = shown.filter(|_| at >= from || !is_change(at));
                cover.push(self.logs[log].leaves[usize::try_from(at).unwrap()], shown.is_some());
                if let Some(record) = shown {
                    lines.push(Line::Entry(self.shown(log, at, record)));
                    seen.extend(record.map(|_| dot(log, usize::try_from(at).unwrap())));
                }
            }
            let hashes = cover.proof_of_edge().into_iter().map(Hash).collect();
            lines.push(Line::Proof(Proof { hashes }));
        }
        for ((log, at), record) in &in_scope {
            let dot = dot(*log, usize::try_from(*at).unwrap());
            if *at < given.sizes.get(log).copied().unwrap_or(0) && !given.seen.contains(&dot) {
                let shown = self.shown(*log, *at, Some(*record));
                lines.push(Line::Again(Again::of(origin(*log).as_str(), shown).unwrap()));
                seen.push(dot);
            }
        }
        for record in given.standing.difference(&standing) {
            let record = RecordId(record.0.map(|byte| byte ^ 0xff));
            let record_type = "ho_so".to_owned();
            lines.push(Line::Left(Left { record_type, record, why: LeftWhy::Scope }));
        }
        let (lines, digest) = self.logged(&lines, cut);
        given.since = Since { cut, digest: Hash(digest) };
        given.sizes.insert(LEDGER, cut);
        given.sizes.extend(logs.iter().map(|log| (*log, self.held(*log))));
        given.seen.extend(seen);
        given.standing = standing;
        lines
    }

    /// The ledger's checkpoint at a size, cosigned by the witness.
    fn witnessed(&self, size: u64, at: UnixMillis) -> String {
        let root = root_at(self.logs[LEDGER].leaves.as_slice(), size).unwrap();
        let roll = self.judged.or_else(|| self.last_roll(size));
        let checkpoint = Checkpoint { origin: origin(LEDGER).to_string(), size, root, roll };
        let mut signed = checkpoint.sign(&key(LEDGER)).unwrap();
        let line = cosign(&checkpoint, at.seconds(), WITNESS, &key(3)).unwrap();
        signed.note_mut().add(Signature::parse(&line).unwrap()).unwrap();
        signed.to_string()
    }

    /// The access event is logged, and the delivery ends with it.
    fn logged(&mut self, lines: &[Line], cut: u64) -> (Vec<String>, Digest) {
        let mut lines: Vec<String> = lines.iter().map(Line::to_text).collect();
        let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let digest = sha256(&[whole.as_bytes()]);
        let fields = [
            ("grant", Value::Integer(0)),
            ("agency", Value::Unit("TTT".parse().unwrap())),
            ("cut", Value::Integer(cut.cast_signed())),
            ("digest", text(&hex::encode(digest))),
        ];
        let access = self.event(LEDGER, event::ACCESS, "hub", &fields) as u64;
        let leaves = self.logs[LEDGER].leaves.as_slice();
        let size = leaves.len() as u64;
        let now = Checkpoint {
            origin: origin(LEDGER).to_string(),
            size,
            root: root_at(leaves, size).unwrap(),
            roll: None,
        };
        let hashes = |path: Option<Vec<Digest>>| path.unwrap().into_iter().map(Hash).collect();
        let access = Line::Access(Access {
            entry: Bytes(self.logs[LEDGER].entries.last().unwrap().clone()),
            path: hashes(inclusion_proof(leaves, access, size)),
            checkpoint: now.sign(&key(LEDGER)).unwrap().to_string(),
            consistency: hashes(consistency_proof(leaves, cut, size)),
        });
        lines.push(access.to_text());
        lines.push(Line::End(End { lines: lines.len() as u64 }).to_text());
        (lines, digest)
    }

    /// Whether an entry is shown, with values or without.
    /// Changes of the granted type in a log that are held and kept apart.
    pub(super) fn quarantined(&self, name: &str) -> u64 {
        let log = (0..self.logs.len()).find(|log| origin(*log).to_string() == name).unwrap();
        let kept = self.logs[log].kept_out.range(..self.held(log)).filter(|_| log != LEDGER);
        let is_granted = |at: u64| {
            let entry = Entry::decode(&self.logs[log].entries[usize::try_from(at).unwrap()]).unwrap();
            Change::of(&entry).unwrap().record_type == "ho_so"
        };
        kept.filter(|at| !self.released.contains(&Dot { replica: replica(log), sequence: Sequence(**at) }))
            .filter(|at| is_granted(**at))
            .count() as u64
    }

    /// The hub's, for what the ledger's entry at `place` accepted.
    fn receipt(&self, place: u64) -> String {
        let bytes = &self.logs[LEDGER].entries[usize::try_from(place).unwrap()];
        let acceptance = Acceptance::of(&Entry::decode(bytes).unwrap()).unwrap();
        let (log, _) = acceptance.checkpoint.split_once('\n').unwrap();
        let (origin, size, root) = (log.to_owned(), acceptance.size, acceptance.root);
        let checkpoint = Checkpoint { origin, size, root, roll: None };
        cosign(&checkpoint, acceptance.at.seconds(), RECEIPTS, &key(RECEIPT)).unwrap()
    }

    fn needed(&self, log: usize, at: u64, logs: &BTreeSet<usize>, (roll, former): (usize, Hash)) -> bool {
        let entry = Entry::decode(&self.logs[log].entries[usize::try_from(at).unwrap()]).unwrap();
        let concerns = |replica: ReplicaId| logs.iter().any(|log| self::replica(*log) == replica);
        match entry.header.kind {
            EntryKind::Change => Change::of(&entry).unwrap().record_type == "ho_so",
            EntryKind::Acceptance => concerns(Acceptance::of(&entry).unwrap().replica),
            EntryKind::Event => {
                let event = Event::of(&entry).unwrap();
                let of = || match event.fields.get("replica") {
                    Some(Value::Text(text)) => text.parse().unwrap(),
                    _ => replica(LEDGER),
                };
                match event.kind.as_str() {
                    "enrolment" | "release" => concerns(of()),
                    "succession" => true,
                    event::GRANT_PROPOSED | event::GRANT_APPROVED | event::TALLY => true,
                    event::ROLL => at == roll as u64,
                    event::ROLL_PART => at + 1 == roll as u64,
                    event::ACCESS => event.fields["digest"] == text(&hex::encode(former.0)),
                    _ => false,
                }
            }
        }
    }
}

pub(super) fn trust() -> Trust {
    trust_in([], 0)
}

pub(super) fn trust_in(witnesses: impl IntoIterator<Item = (String, Verifier)>, needed: usize) -> Trust {
    let name = origin(LEDGER).to_string();
    let ledger = Verifier::new(&name, Algorithm::Ed25519, key(LEDGER).public_key()).unwrap();
    let receipts = Verifier::new(RECEIPTS, Algorithm::Cosignature, key(RECEIPT).public_key()).unwrap();
    Trust::new(ledger, witnesses, needed).with_cosigner("receipts", receipts)
}

/// What the agency knows: the changes of each record that stands.
#[derive(Default)]
pub(super) struct Agency {
    pub(super) progress: Progress,
    changes: BTreeMap<RecordId, BTreeSet<Dot>>,
}

impl Agency {
    pub(super) fn take(&mut self, lines: &[String]) -> Result<Report, Refused> {
        self.take_by(&trust(), lines)
    }

    pub(super) fn take_by(&mut self, trust: &Trust, lines: &[String]) -> Result<Report, Refused> {
        let mut check = Verification::going_on(trust, std::mem::take(&mut self.progress));
        for line in lines {
            if let Some(Told::Shown(disclosed)) = check.line(line)? {
                let change = disclosed.change;
                assert!(change.writes.iter().all(|write| write.path == "ten"), "{change:?}");
                let new = self.changes.entry(change.record).or_default().insert(change.dot);
                assert!(new, "shown twice: {:?}", change.dot);
            }
        }
        let (report, progress) = check.conclude()?;
        self.progress = progress;
        Ok(report)
    }

    pub(super) fn standing(&self) -> BTreeMap<RecordId, BTreeSet<Dot>> {
        let stands = |record: &RecordId| self.progress.stands("ho_so", *record);
        self.changes.iter().filter(|(record, _)| stands(record)).map(|(r, dots)| (*r, dots.clone())).collect()
    }

    pub(super) fn edges(&self) -> BTreeMap<String, Frontier> {
        self.progress.logs.iter().map(|log| (log.origin.to_string(), log.edge.clone())).collect()
    }
}
