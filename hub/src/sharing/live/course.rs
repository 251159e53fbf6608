//! One grant at one replica of its agency: what has changed since the last delivery, and the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Seek as _};
use std::sync::Arc;

use lienthong_node::aside::in_place;
use lienthong_node::at_rest::KeyRing;
use lienthong_node::control::Tell;
use lienthong_node::granted::{KeptReader, KeptWriter};
use lienthong_node::quality::ToldCursor;
use lienthong_proto::change::Change;
use lienthong_proto::disclosure::{DeliveryReceipt, Hash, LeftWhy, Since};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, UnitCode};

use super::super::SharingError;
use super::super::bundle::{Writing, at};
use super::super::map::{Came, each_change, entry_of};
use super::super::scope::Scope;
use super::super::sink::Sink;
use super::given::Given;
use crate::app::Hub;
use crate::ingest::Delivery;
use crate::ledger::Grant;

/// Records looked at in one go.
const PAGE: usize = 256;
/// News of the records' quality heard in one go.
const NEWS: usize = 256;

/// A record of a share, by the share's place in the grant.
type Meant = (u16, RecordId);

/// A delivery that is logged and may leave.
pub(crate) struct Ready {
    /// Its lines.
    pub(crate) lines: KeptReader<File>,
    /// So many bytes of them.
    pub(crate) bytes: u64,
    /// What the receipt for it will say.
    pub(crate) receipt: DeliveryReceipt,
    given: Given,
}

/// What a delivery tells.
pub(super) struct Plan {
    /// Those the grant means now.
    pub(super) meant: BTreeSet<Meant>,
    /// Those of them that were written, or are new among them.
    pub(super) shown: Vec<Meant>,
    /// Those it no longer means.
    pub(super) left: Vec<(Meant, LeftWhy)>,
}

/// Follows one grant for one replica.
pub(crate) struct Course {
    hub: Arc<Hub>,
    pub(crate) grant: Grant,
    replica: ReplicaId,
    given: Given,
    /// Where in the view that stands.
    place: u8,
    /// The ledger was looked through up to here.
    looked: u64,
    /// Records that may be told of, and the ledger's entry by which they last changed.
    touched: BTreeMap<Meant, u64>,
    told: ToldCursor,
    judged: (i32, [u8; 8]),
    /// The last one could not be made.
    waits: bool,
}

impl Course {
    /// Goes on from what the replica says it holds; from the beginning, if that is not what it was given last.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        grant: Grant,
        replica: ReplicaId,
        held: Since,
    ) -> Result<Self, SharingError> {
        let (mut given, mut place) = (Given::default(), 0);
        for known in [0, 1] {
            let kept = Given::load(hub.dataset.view().as_ref(), (grant.number, replica), known)?;
            if let Some(kept) = kept.filter(|kept| kept.since == held && !held.is_nothing()) {
                (given, place) = (kept, known);
            }
        }
        let (looked, told, judged) = (given.since.cut, given.told, given.judged);
        let (hub, touched) = (Arc::clone(hub), BTreeMap::new());
        Ok(Self { hub, grant, replica, given, place, looked, touched, told, judged, waits: false })
    }

    /// The next delivery, logged; nothing if there is nothing to tell. Runs for as long as it takes.
    pub(crate) async fn next(&mut self) -> Result<Option<Ready>, SharingError> {
        let hub = Arc::clone(&self.hub);
        if hub.head().size > self.looked {
            hub.committer.flush().await;
        }
        in_place(|| self.look())?;
        if self.touched.is_empty() && !self.given.since.is_nothing() {
            return Ok(None);
        }
        // What the rules say of it is known before anything of it leaves.
        let concerns = in_place(|| {
            hub.quality.settle_until_now(&mut |_| ())?;
            self.touched_again()
        })?;
        if !concerns && !self.given.since.is_nothing() {
            return Ok(None);
        }
        hub.committer.tally("hub").await?;
        // Until one is handed over the witnesses may be away.
        let waits = std::mem::replace(&mut self.waits, true);
        let given = self.given.since.cut;
        let cut = if waits { hub.called_or_waiting().await? } else { hub.called_behind(given).await? };
        if cut.head.size <= self.given.since.cut {
            return Err(SharingError::Unwitnessed);
        }
        hub.committer.flush().await;
        let file = tempfile::tempfile_in(&hub.data).map_err(at(&hub.data))?;
        let (grant, tell) = (self.grant.clone(), Arc::new(|_| ()) as Tell);
        // What waits on the disk is of nobody who finds it there: the key is in memory, and of this delivery alone.
        let key: KeyRing = KeyRing::generate().parse().map_err(|_| SharingError::Hashes)?;
        let out = KeptWriter::new(BufWriter::new(file), &key).map_err(at(&hub.data))?;
        let sink = Sink::new(out);
        let mut writing = Writing { hub: &hub, grant: &grant, cut, sink, tell: &tell };
        let mut given = in_place(|| {
            let mut plan = self.plan()?;
            if self.came_back(&plan)? {
                // No line of a delivery says so: all is given anew.
                self.given = Given::default();
                self.touch_all()?;
                plan = self.plan()?;
            }
            writing.going_on(&self.given, plan)
        })?;
        (given.told, given.judged) = (self.told, self.judged);
        let digest = writing.sink.digest();
        let delivery = Delivery {
            grant: grant.number,
            agency: grant.terms.agency.clone(),
            cut: writing.cut.head.size,
            digest: digest.clone(),
            changes: writing.sink.changes(),
            actor: self.replica.to_string(),
        };
        let cut = writing.cut.head.size;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&digest, &mut bytes).map_err(|_| SharingError::Hashes)?;
        given.since = Since { cut, digest: Hash(bytes) };
        // Before it leaves: a replica that has it, and whose receipt is lost, goes on from it.
        let whose = (grant.number, self.replica);
        in_place(|| given.keep(hub.dataset.view().as_ref(), whose, 1 - self.place))?;
        let access = hub.committer.deliver(delivery).await?;
        let (lines, length) = in_place(|| {
            writing.access(access.0)?;
            let length = writing.sink.bytes();
            let file = writing.sink.into_inner().finish().map_err(at(&hub.data))?;
            let mut file = file.into_inner().map_err(|error| at(&hub.data)(error.into_error()))?;
            file.rewind().map_err(at(&hub.data))?;
            let (lines, _) = KeptReader::new(file, &key).map_err(at(&hub.data))?;
            Ok::<_, SharingError>((lines, length))
        })?;
        self.waits = false;
        let ledger = hub.secrets.profile.replica;
        let receipt = DeliveryReceipt { ledger, grant: grant.number, access: access.0, digest: bytes };
        Ok(Some(Ready { lines, bytes: length, receipt, given }))
    }

    /// The replica has it: the next one goes on from there.
    pub(crate) fn taken(&mut self, ready: Ready) {
        (self.given, self.place) = (ready.given, 1 - self.place);
        let cut = self.given.since.cut;
        self.touched.retain(|_, place| *place >= cut);
    }

    /// Looks for records that were written or judged anew since it last looked.
    fn look(&mut self) -> Result<(), SharingError> {
        let (today, catalogue) = (self.hub.quality.today(), short(self.hub.catalogue.digest()));
        let head = self.hub.head().size;
        // What no entry says: another day, another catalogue, a view that was made again.
        let all = self.judged != (today, catalogue) || self.hear_quality()?;
        let (from, hub) = (self.looked, Arc::clone(&self.hub));
        if all {
            self.touch_all()?;
        }
        if from > 0 || !all {
            let mut dots = BTreeSet::new();
            each_change(&hub.reader, (from, head), &mut |place, came| match came {
                Came::Change(entry) => self.touch(entry, place),
                Came::Released(dot) => drop(dots.insert((dot, place))),
            })?;
            for (dot, place) in dots {
                self.touch_released(dot, place)?;
            }
        }
        (self.looked, self.judged) = (head, (today, catalogue));
        Ok(())
    }

    /// A change of a granted type touches its record.
    fn touch(&mut self, entry: &Entry<'_>, place: u64) {
        if entry.header.kind != EntryKind::Change {
            return;
        }
        if let Ok(change) = Change::of(entry)
            && let Some(number) = self.share(&change.record_type)
        {
            self.touched.insert((number, change.record), place);
        }
    }

    fn share(&self, record_type: &str) -> Option<u16> {
        let place = self.grant.terms.shares.iter().position(|share| share.record_type == record_type)?;
        u16::try_from(place).ok()
    }

    /// A change that was released from quarantine touches its record, wherever it stands.
    fn touch_released(&mut self, dot: Dot, place: u64) -> Result<(), SharingError> {
        let Some(entry) = entry_of(&self.hub, dot)? else { return Ok(()) };
        self.touch(&Entry::decode(&entry)?, place);
        Ok(())
    }

    /// Hears which records are judged otherwise than before; whether all of them may be.
    fn hear_quality(&mut self) -> Result<bool, SharingError> {
        let Some(news) = self.hub.quality.news() else { return Ok(false) };
        let next = *news.borrow();
        if self.told.epoch != 0 && self.told.next == next {
            return Ok(false);
        }
        let mut units: BTreeSet<UnitCode> =
            self.hub.catalogue.units().iter().map(|unit| unit.code.clone()).collect();
        units.extend(self.hub.committer.books().read().replicas.values().map(|held| held.unit.clone()));
        let (mut epoch, mut anew) = (self.told.epoch, false);
        for unit in units.iter().filter(|unit| self.grant.terms.covers_unit(unit)) {
            let mut from = self.told;
            while let Some(telling) = self.hub.quality.telling(unit, from, NEWS)? {
                (epoch, from) = (telling.cursor.epoch, telling.cursor);
                anew |= telling.anew;
                for told in telling.told {
                    if let Some(number) = self.share(&told.record_type) {
                        self.touched.entry((number, told.record)).or_default();
                    }
                }
            }
        }
        self.told = ToldCursor { epoch, next };
        Ok(anew)
    }

    /// Every record there is, or was given.
    fn touch_all(&mut self) -> Result<(), SharingError> {
        let (hub, shares) = (Arc::clone(&self.hub), self.grant.terms.shares.clone());
        for (number, share) in (0u16..).zip(&shares) {
            let mut after = None;
            loop {
                let page = hub.dataset.page(&share.record_type, after, PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (id, _) in &page {
                    self.touched.entry((number, *id)).or_default();
                }
            }
        }
        for meant in &self.given.meant {
            self.touched.entry(*meant).or_default();
        }
        Ok(())
    }

    fn scope(&self) -> Result<Scope<'_>, SharingError> {
        Scope::of(&self.hub, &self.grant.terms, std::collections::HashSet::new())
    }

    /// Forgets those that are of no concern; whether any is left.
    fn touched_again(&mut self) -> Result<bool, SharingError> {
        let mut kept = BTreeMap::new();
        let scope = self.scope()?;
        for (meant, place) in &self.touched {
            let was = self.given.meant.contains(meant);
            let out = scope.keeps_out(usize::from(meant.0), meant.1, was)?.is_some();
            // Looked at for another reason than a change of its own, it is told of only if it comes or goes.
            if was == out || (was && *place > 0) {
                kept.insert(*meant, *place);
            }
        }
        drop(scope);
        self.touched = kept;
        Ok(!self.touched.is_empty())
    }

    /// Whether the grant means a record again that it meant no longer, without anything to be shown of it since.
    fn came_back(&self, plan: &Plan) -> Result<bool, SharingError> {
        if self.given.since.is_nothing() {
            return Ok(false);
        }
        let was_shown =
            |dot: Dot| self.given.logs.get(&dot.replica).is_some_and(|log| log.shown.has(dot.sequence.0));
        for (number, id) in plan.shown.iter().filter(|meant| !self.given.meant.contains(*meant)) {
            let Some(share) = self.grant.terms.shares.get(usize::from(*number)) else { continue };
            let history = self.hub.dataset.history(&share.record_type, *id)?;
            let mut dots =
                history.iter().filter(|past| !past.kept_out).map(|past| past.source.dot).peekable();
            if dots.peek().is_some() && dots.all(was_shown) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn plan(&self) -> Result<Plan, SharingError> {
        let scope = self.scope()?;
        let mut plan = Plan { meant: self.given.meant.clone(), shown: Vec::new(), left: Vec::new() };
        for meant in self.touched.keys() {
            let was = self.given.meant.contains(meant);
            match scope.keeps_out(usize::from(meant.0), meant.1, was)? {
                None => {
                    plan.meant.insert(*meant);
                    plan.shown.push(*meant);
                }
                Some(why) => {
                    if plan.meant.remove(meant) {
                        plan.left.push((*meant, why));
                    }
                }
            }
        }
        Ok(plan)
    }
}

/// The first bytes of a catalogue's digest.
fn short(digest: Digest) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(digest.split_at(8).0);
    short
}
