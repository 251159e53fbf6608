//! What the hub holds of the unit, taken into the new replica's log and state.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::Event;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use tonic::Streaming;

use super::RecoverError;
use crate::dataset::{Admitted, EntryAt, Payload, Source};
use crate::identity::{self, NodeIdentity};
use crate::log::{FramePosition, LogReader};
use crate::replica::{Journal, JournalError, Replay, Replayed};
use crate::rpc::sync::sync_client::SyncClient as Rpc;
use crate::store::Batch;

const REFILL: &str = "refill";

/// Asks the hub for the unit's accepted batches, or one replica's.
pub(super) async fn ask(
    identity: &NodeIdentity,
    replica: Option<ReplicaId>,
) -> Result<Streaming<wire::RefillPiece>, RecoverError> {
    let channel = identity::connect(identity).await?;
    let mut rpc = Rpc::new(channel).max_decoding_message_size(lienthong_proto::limits::MESSAGE_BYTES_MAX);
    let replica = replica.map(|replica| replica.0.to_vec()).unwrap_or_default().into();
    let reply = rpc.refill(wire::RefillRequest { replica }).await;
    reply
        .map(tonic::Response::into_inner)
        .map_err(|status| RecoverError::Refused(status.message().to_owned()))
}

/// A batch of another replica as it stands beside a refill event in our log.
struct Piece {
    replica: ReplicaId,
    first: u64,
    at: UnixMillis,
    proposals: HashSet<u16>,
    kept_out: HashSet<u16>,
    /// The replica's own signed checkpoint behind it, and the hub's cosignature over that.
    evidence: (String, String),
}

fn places(list: &[u32]) -> String {
    list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn parse_places(text: &str) -> HashSet<u16> {
    text.split(',').filter_map(|place| place.parse().ok()).collect()
}

impl Piece {
    fn event(piece: &wire::RefillPiece, replica: ReplicaId, now: UnixMillis) -> Event {
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(replica.to_string())),
            ("first".to_owned(), number(piece.first)),
            ("count".to_owned(), number(u64::from(piece.count))),
            ("accepted".to_owned(), number(piece.at_millis)),
            ("proposals".to_owned(), Value::Text(places(&piece.proposals))),
            ("kept_out".to_owned(), Value::Text(places(&piece.kept_out))),
            ("checkpoint".to_owned(), Value::Text(piece.checkpoint.clone())),
            ("cosignature".to_owned(), Value::Text(piece.cosignature.clone())),
        ]);
        Event { kind: REFILL.to_owned(), at: now, actor: "recover".to_owned(), fields }
    }

    fn of(event: &Event) -> Option<Self> {
        let number = |name: &str| match event.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let text = |name: &str| match event.fields.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        Some(Self {
            replica: text("replica")?.parse().ok()?,
            first: number("first")?,
            at: UnixMillis(number("accepted")?),
            proposals: parse_places(text("proposals")?),
            kept_out: parse_places(text("kept_out")?),
            evidence: (
                text("checkpoint").unwrap_or_default().to_owned(),
                text("cosignature").unwrap_or_default().to_owned(),
            ),
        })
    }

    /// Applies the batch's changes to the state, and tells their leaves.
    fn apply(
        &self,
        admit: &dyn Fn(Admitted<'_>) -> Result<(), JournalError>,
        unit: &UnitCode,
        packed: &[u8],
        position: FramePosition,
        leaf: &mut dyn FnMut(Dot, Digest),
    ) -> Result<(), JournalError> {
        let malformed = |source| JournalError::Malformed { sequence: Sequence(self.first), source };
        let plain = batch::unpack(packed)?;
        for (index, bytes) in batch::entries(&plain).map_err(malformed)?.into_iter().enumerate() {
            let entry = Entry::decode(bytes).map_err(malformed)?;
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let dot = entry.header.dot;
            if dot.replica != self.replica || dot.sequence.0 != self.first + u64::from(index) {
                return Err(malformed(Malformed("it names another place or replica")));
            }
            leaf(dot, entry.leaf_hash());
            if entry.header.kind != EntryKind::Change || self.kept_out.contains(&index) {
                continue;
            }
            let Ok(change) = Change::of(&entry) else { continue };
            let at = EntryAt { frame: position, index };
            let source = Source::accepted(&change, unit, self.at, self.proposals.contains(&index), at);
            admit(Admitted { change: &change, source })?;
        }
        Ok(())
    }
}

/// Hands over the changes of a batch that was taken back, as they count; nothing for another event.
///
/// # Errors
/// [`JournalError`] if the batch is not readable, or `admit` fails.
pub(super) fn taken_back(
    event: &Event,
    unit: &UnitCode,
    packed: &[u8],
    position: FramePosition,
    admit: &dyn Fn(Admitted<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    match Piece::of(event).filter(|_| event.kind == REFILL) {
        Some(piece) => piece.apply(admit, unit, packed, position, &mut |_, _| {}),
        None => Ok(()),
    }
}

/// The batches of former replicas that a log holds beside its refill events, in order, until `take` has enough: those
/// the hub before had cosigned, and that lead beyond what is `held` of their replica.
///
/// # Errors
/// [`JournalError`] if the log cannot be read.
pub fn former_batches(
    reader: &LogReader,
    held: &HashMap<ReplicaId, u64>,
    take: &mut dyn FnMut(wire::Former) -> bool,
) -> Result<(), JournalError> {
    for frame in reader.clone().scan(Sequence(0)) {
        let (_, frame) = frame?;
        let malformed = |source| JournalError::Malformed { sequence: frame.first, source };
        let Payload::Accepted { entry, packed } = Payload::parse(&frame.payload).map_err(malformed)? else {
            continue;
        };
        let event = Event::of(&Entry::decode(entry).map_err(malformed)?).map_err(malformed)?;
        let Some(piece) = Piece::of(&event).filter(|_| event.kind == REFILL) else { continue };
        let (checkpoint, cosignature) = piece.evidence;
        if cosignature.is_empty() || held.get(&piece.replica).is_some_and(|held| piece.first < *held) {
            continue;
        }
        let plain = batch::unpack(packed)?;
        let count = batch::entries(&plain).map_err(malformed)?.len();
        let former = wire::Former {
            replica: piece.replica.0.to_vec().into(),
            first: piece.first,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            packed: frame.payload.slice_ref(packed),
            checkpoint,
            cosignature,
        };
        if !take(former) {
            return Ok(());
        }
    }
    Ok(())
}

/// What a log holds beside its own entries after a recovery.
#[derive(Debug)]
pub struct Refilled {
    unit: UnitCode,
    /// Leaves taken back, by dot.
    pub leaves: BTreeMap<Dot, Digest>,
    /// Old dots written again already.
    pub origins: BTreeMap<Dot, Sequence>,
}

impl Refilled {
    /// For a node of `unit`, of which nothing is known.
    #[must_use]
    pub fn new(unit: UnitCode) -> Self {
        Self { unit, leaves: BTreeMap::new(), origins: BTreeMap::new() }
    }

    /// Learns what a recovery that was cut short has taken back and written again by now. It reads the whole log: a
    /// replay tells only of what the view lacks.
    ///
    /// # Errors
    /// [`RecoverError`] if the log cannot be read.
    pub fn recall(&mut self, log: &LogReader) -> Result<(), RecoverError> {
        for frame in log.clone().scan(Sequence(0)) {
            let (_, frame) = frame.map_err(JournalError::from)?;
            if let Payload::Accepted { entry, packed } = Payload::parse(&frame.payload)? {
                if Event::of(&Entry::decode(entry)?)?.kind == REFILL {
                    let plain = batch::unpack(packed).map_err(JournalError::from)?;
                    for bytes in batch::entries(&plain)? {
                        let entry = Entry::decode(bytes)?;
                        self.leaves.insert(entry.header.dot, entry.leaf_hash());
                    }
                }
                continue;
            }
            for bytes in entries_of(&frame.payload)? {
                let Ok(change) = Change::of(&Entry::decode(&bytes)?) else { continue };
                self.origins.extend(change.origin.map(|origin| (origin, change.dot.sequence)));
            }
        }
        Ok(())
    }

    /// How far a replica was taken back.
    pub(super) fn end_of(&self, replica: ReplicaId) -> u64 {
        let range = Dot { replica, sequence: Sequence(0) }..=Dot { replica, sequence: Sequence(u64::MAX) };
        self.leaves.range(range).next_back().map_or(0, |(dot, _)| dot.sequence.0 + 1)
    }

    /// Takes a piece from the hub into log and state; how many entries it brought.
    ///
    /// # Errors
    /// [`RecoverError`] if it is not what it should be, or does not get into the log.
    pub fn take(
        &mut self,
        journal: &mut Journal,
        piece: &wire::RefillPiece,
        now: UnixMillis,
    ) -> Result<u64, RecoverError> {
        let replica = ReplicaId::from_slice(&piece.replica).ok_or(Malformed("replica"))?;
        if piece.first < self.end_of(replica) {
            return Ok(0);
        }
        let event = Piece::event(piece, replica, now);
        let dot = Dot { replica: journal.author().replica, sequence: journal.next() };
        let (bytes, leaf) = event.build(dot, &journal.secret()).map_err(JournalError::Build)?;
        let position = journal.append_accepted(&bytes, leaf, &piece.packed)?;
        let taken = Piece::of(&event).ok_or(Malformed("refill"))?;
        let leaves = &mut self.leaves;
        let admit = |admitted: Admitted<'_>| journal.apply(admitted);
        taken.apply(&admit, &self.unit, &piece.packed, position, &mut |dot, leaf| {
            leaves.insert(dot, leaf);
        })?;
        Ok(u64::from(piece.count))
    }
}

impl Replay for Refilled {
    fn entry(&mut self, journal: &Journal, replayed: Replayed<'_>) -> Result<(), JournalError> {
        let Some(packed) = replayed.packed else { return Ok(()) };
        let malformed =
            |source| JournalError::Malformed { sequence: replayed.entry.header.dot.sequence, source };
        let event = Event::of(replayed.entry).map_err(malformed)?;
        if event.kind != REFILL {
            return Ok(());
        }
        let piece = Piece::of(&event).ok_or(malformed(Malformed("a batch beside no refill")))?;
        let admit = |admitted: Admitted<'_>| journal.apply(admitted);
        piece.apply(&admit, &self.unit, packed, replayed.position, &mut |_, _| {})
    }

    fn view(&mut self) -> Batch {
        Batch::default()
    }
}

/// Entries of a frame, whatever its form.
pub(super) fn entries_of(payload: &Bytes) -> Result<Vec<Vec<u8>>, RecoverError> {
    Ok(match Payload::parse(payload)? {
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry.to_vec()],
        Payload::Batch(packed) => {
            let plain = batch::unpack(packed)?;
            batch::entries(&plain)?.into_iter().map(<[u8]>::to_vec).collect()
        }
    })
}
