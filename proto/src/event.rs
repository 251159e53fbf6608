//! Events and acceptances: the other two kinds of entries.

use std::collections::BTreeMap;

use crate::bytes::{Malformed, Reader};
use crate::entry::{BuildError, Entry, EntryKind, Fields, Header, build};
use crate::hash::Digest;
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
        });
        fields.push(VERDICTS, |out| {
            for (index, verdict) in &self.verdicts {
                out.u16(*index);
                verdict.encode(out);
            }
        });
        fields.push(CHECKPOINT, |out| out.raw(self.checkpoint.as_bytes()));
        build(Header { kind: EntryKind::Acceptance, dot }, secret, fields)
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
        Ok(Self { replica, first, size, root, at, verdicts, checkpoint })
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
            verdicts: BTreeMap::from([
                (0, Verdict::Proposal),
                (4, Verdict::Quarantined(QuarantineReason::IdentityGuard)),
            ]),
            checkpoint: "x\n9\n".into(),
        };
        let (bytes, _) = acceptance.build(DOT, &[0; 16]).unwrap();
        assert_eq!(Acceptance::of(&Entry::decode(&bytes).unwrap()).unwrap(), acceptance);
    }

    #[test]
    fn an_event_comes_back() {
        let fields = BTreeMap::from([("rows".to_owned(), Value::Integer(3))]);
        let event = Event { kind: "import".into(), at: UnixMillis(8), actor: "lan".into(), fields };
        let (bytes, _) = event.build(DOT, &[0; 16]).unwrap();
        assert_eq!(Event::of(&Entry::decode(&bytes).unwrap()).unwrap(), event);
    }
}
