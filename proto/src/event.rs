//! Events and acceptances: the other two kinds of entries.

use std::collections::BTreeMap;

use crate::bytes::{Malformed, Reader, Writer};
use crate::entry::{BuildError, Entry, EntryKind, Fields, Header, build};
use crate::hash::{Digest, sha256};
use crate::ids::{Dot, ReplicaId, Sequence};
use crate::time::UnixMillis;
use crate::value::Value;
use crate::verdict::Verdict;

/// Something that happened, with its actor; its persons, cases and reasons are fields of their own, so
/// that they can be withheld or erased one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What, e.g. `import`, `enrolment`, `revocation`, `release`.
    pub kind: String,
    /// When, by its writer's clock.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// The rest.
    pub fields: BTreeMap<String, Value>,
}

const EVENT: &str = "_event";
const AT: &str = "_at";
const ACTOR: &str = "_actor";

impl Event {
    /// The entry's bytes and leaf hash; `secret` must be fresh and random.
    ///
    /// # Errors
    /// [`BuildError`] if a limit is exceeded.
    pub fn build(&self, dot: Dot, secret: &[u8; 16]) -> Result<(Vec<u8>, Digest), BuildError> {
        let mut fields = Fields::with_capacity(self.fields.len() + 3);
        fields.push(EVENT, |out| Value::encode_text(&self.kind, out));
        fields.push(AT, |out| Value::Timestamp(self.at).encode(out));
        fields.push(ACTOR, |out| Value::encode_text(&self.actor, out));
        for (path, value) in &self.fields {
            fields.push(path, |out| value.encode(out));
        }
        build(Header { kind: EntryKind::Event, dot }, secret, fields)
    }

    /// Reads an event's entry.
    ///
    /// # Errors
    /// [`Malformed`] if it is none, or not understood.
    pub fn of(entry: &Entry<'_>) -> Result<Self, Malformed> {
        if entry.header.kind != EntryKind::Event {
            return Err(Malformed("not an event"));
        }
        let (mut kind, mut at, mut actor, mut fields) = (None, None, None, BTreeMap::new());
        for (path, bytes) in entry.opened() {
            let mut input = Reader::new(bytes);
            let value = Value::decode(&mut input)?;
            input.end()?;
            match (path, value) {
                (EVENT, Value::Text(text)) => kind = Some(text),
                (AT, Value::Timestamp(time)) => at = Some(time),
                (ACTOR, Value::Text(text)) => actor = Some(text),
                (EVENT | AT | ACTOR, _) => return Err(Malformed("event field")),
                (path, value) => {
                    fields.insert(path.to_owned(), value);
                }
            }
        }
        let kind = kind.ok_or(Malformed(EVENT))?;
        Ok(Self { kind, at: at.ok_or(Malformed(AT))?, actor: actor.ok_or(Malformed(ACTOR))?, fields })
    }
}

/// What an acceptance says of the ones before it, where there are none.
pub const FIRST_ACCEPTED: Digest = [0; 32];
const CHAIN: &[u8] = b"lienthong accepted v1\n";

/// One acceptance of a log, as the next one of that log is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place in the ledger.
    pub index: u64,
    /// Entries of the log with it.
    pub size: u64,
    /// The hub's time.
    pub at: UnixMillis,
    /// Its verdicts, as it has them ([`Acceptance::encoded_verdicts`]).
    pub verdicts: Vec<u8>,
}

impl Link {
    /// What the acceptance behind this one says of all before it; `before` is what this one says.
    #[must_use]
    pub fn onto(&self, before: &Digest) -> Digest {
        let [index, size, at] = [self.index, self.size, self.at.0].map(u64::to_be_bytes);
        sha256(&[CHAIN, before, &index, &size, &at, &self.verdicts])
    }
}

/// The hub's acceptance of a batch: one ledger entry, whatever the batch's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Whose batch.
    pub replica: ReplicaId,
    /// Its first sequence.
    pub first: Sequence,
    /// The replica's log size with it.
    pub size: u64,
    /// The root at that size.
    pub root: Digest,
    /// The hub's time.
    pub at: UnixMillis,
    /// Where, when and with which verdicts the log was accepted before: a chain of [`Link`]s from [`FIRST_ACCEPTED`] on.
    pub before: Digest,
    /// The verdicts other than *applied*, by place in the batch.
    pub verdicts: BTreeMap<u16, Verdict>,
    /// The replica's signed checkpoint at `size`.
    pub checkpoint: String,
}

const BATCH: &str = "batch";
const VERDICTS: &str = "verdicts";
const CHECKPOINT: &str = "checkpoint";

impl Acceptance {
    /// The entry's bytes and leaf hash; `secret` must be fresh and random.
    ///
    /// # Errors
    /// [`BuildError`] if a limit is exceeded.
    pub fn build(&self, dot: Dot, secret: &[u8; 16]) -> Result<(Vec<u8>, Digest), BuildError> {
        let mut fields = Fields::with_capacity(3);
        fields.push(BATCH, |out| {
            out.raw(&self.replica.0);
            out.u64(self.first.0);
            out.u64(self.size);
            out.raw(&self.root);
            out.u64(self.at.0);
            out.raw(&self.before);
        });
        fields.push(VERDICTS, |out| out.raw(&self.encoded_verdicts()));
        fields.push(CHECKPOINT, |out| out.raw(self.checkpoint.as_bytes()));
        build(Header { kind: EntryKind::Acceptance, dot }, secret, fields)
    }

    /// For each change that was not simply applied, its place in the batch and its verdict.
    #[must_use]
    pub fn encoded_verdicts(&self) -> Vec<u8> {
        let mut out = Writer::default();
        for (index, verdict) in &self.verdicts {
            out.u16(*index);
            verdict.encode(&mut out);
        }
        out.into_bytes()
    }

    /// As the next acceptance of the log is bound to it; `index` is its place in the ledger.
    #[must_use]
    pub fn link(&self, index: u64) -> Link {
        Link { index, size: self.size, at: self.at, verdicts: self.encoded_verdicts() }
    }

    /// What the next acceptance of the log says of those before it; `index` is this one's place in the ledger.
    #[must_use]
    pub fn chain(&self, index: u64) -> Digest {
        self.link(index).onto(&self.before)
    }

    /// Reads an acceptance's entry.
    ///
    /// # Errors
    /// [`Malformed`] if it is none, or not understood.
    pub fn of(entry: &Entry<'_>) -> Result<Self, Malformed> {
        if entry.header.kind != EntryKind::Acceptance {
            return Err(Malformed("not an acceptance"));
        }
        let mut input = Reader::new(entry.content(BATCH).ok_or(Malformed(BATCH))?);
        let replica = ReplicaId(input.array()?);
        let first = Sequence(input.u64()?);
        let size = input.u64()?;
        let root = input.array()?;
        let at = UnixMillis(input.u64()?);
        let before = input.array()?;
        input.end()?;
        let mut verdicts: BTreeMap<u16, Verdict> = BTreeMap::new();
        let mut input = Reader::new(entry.content(VERDICTS).ok_or(Malformed(VERDICTS))?);
        while !input.is_empty() {
            let place = input.u16()?;
            if verdicts.last_key_value().is_some_and(|(last, _)| *last >= place) {
                return Err(Malformed("verdicts out of order"));
            }
            verdicts.insert(place, Verdict::decode(&mut input)?);
        }
        let checkpoint = entry.content(CHECKPOINT).ok_or(Malformed(CHECKPOINT))?.to_vec();
        let checkpoint = String::from_utf8(checkpoint).map_err(|_| Malformed(CHECKPOINT))?;
        Ok(Self { replica, first, size, root, at, before, verdicts, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::QuarantineReason;

    const DOT: Dot = Dot { replica: ReplicaId([4; 16]), sequence: Sequence(1) };

    #[test]
    fn an_acceptance_comes_back() {
        let acceptance = Acceptance {
            replica: ReplicaId([1; 16]),
            first: Sequence(3),
            size: 9,
            root: [7; 32],
            at: UnixMillis(5),
            before: [8; 32],
            verdicts: BTreeMap::from([
                (0, Verdict::Proposal),
                (4, Verdict::Quarantined(QuarantineReason::IdentityGuard)),
            ]),
            checkpoint: "x\n9\n".into(),
        };
        let (bytes, _) = acceptance.build(DOT, &[0; 16]).unwrap();
        assert_eq!(Acceptance::of(&Entry::decode(&bytes).unwrap()).unwrap(), acceptance);
    }

    /// Goal: whatever is said of an acceptance, and of those before it, is what the next one is bound to.
    #[test]
    fn p5_each_acceptance_binds_the_ones_before_it() {
        let link = Link { index: 7, size: 9, at: UnixMillis(5), verdicts: vec![0, 1, 1] };
        let all = [
            link.clone(),
            Link { index: 8, ..link.clone() },
            Link { size: 10, ..link.clone() },
            Link { at: UnixMillis(6), ..link.clone() },
            Link { verdicts: Vec::new(), ..link },
        ];
        let mut chains: Vec<Digest> =
            all.iter().flat_map(|link| [link.onto(&FIRST_ACCEPTED), link.onto(&[1; 32])]).collect();
        chains.sort_unstable();
        chains.dedup();
        assert_eq!(chains.len(), 10);
    }

    #[test]
    fn an_event_comes_back() {
        let fields = BTreeMap::from([("rows".to_owned(), Value::Integer(3))]);
        let event = Event { kind: "import".into(), at: UnixMillis(8), actor: "lan".into(), fields };
        let (bytes, _) = event.build(DOT, &[0; 16]).unwrap();
        assert_eq!(Event::of(&Entry::decode(&bytes).unwrap()).unwrap(), event);
    }
}
