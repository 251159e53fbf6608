//! The lines of a delivery: of each log what is new, of withheld entries those that are meant now.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::sync::Arc;

use lienthong_node::dataset::Payload;
use lienthong_proto::batch;
use lienthong_proto::disclosure::{
    Again, BUNDLE_VERSION, Cover, Hash, Head, Left, Line, LogHead, Proof, Shown,
};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::merkle::{Hashes as _, frontier_at};
use lienthong_proto::verdict::Verdict;

use super::super::SharingError;
use super::super::bundle::{Writing, is_tally, needed, order_shown};
use super::super::map::{Held, Map, each};
use super::super::scope::{Scope, event_shown};
use super::course::Plan;
use super::given::{Given, GivenLog};
use crate::ledger::ErasureOrder;

/// What the ledger has of replicas that were not concerned before.
#[derive(Default)]
struct Late {
    entries: BTreeMap<u64, Shown>,
    held: BTreeMap<ReplicaId, Vec<Held>>,
}

impl<W: Write> Writing<'_, W> {
    /// Everything but the access event; returns what is given by then.
    pub(super) fn going_on(&mut self, before: &Given, plan: Plan) -> Result<Given, SharingError> {
        let (hub, grant) = (self.hub, self.grant);
        let meant: HashSet<_> = plan.meant.iter().map(|(share, id)| (usize::from(*share), *id)).collect();
        let scope = Scope::of(hub, &grant.terms, meant)?;
        let ledger = hub.secrets.profile.replica;
        let histories = self.histories(&plan)?;
        let mut writers: BTreeSet<ReplicaId> = before.logs.keys().copied().collect();
        writers.extend(histories.iter().map(|(past, _)| past.source.dot.replica));
        let mut replicas = self.replicas(&writers);
        replicas.remove(&ledger);
        let range = (before.since.cut, self.cut.head.size);
        let mut map = Map::between(&hub.reader, range, &replicas, grant.number)?;
        if before.since.is_nothing() && !map.approved {
            return Err(SharingError::Unwitnessed);
        }
        // The witnesses have to have seen that the last one was logged.
        if !before.since.is_nothing() && !map.goes_on_from(&before.since.digest.0) {
            return Err(SharingError::Unwitnessed);
        }
        map.released.extend(&before.released);
        let mut late = self.late(before, &mut map, &replicas, &scope)?;
        self.late_orders(before, &plan, &mut late)?;
        for (replica, mut held) in late.held {
            held.append(map.held.entry(replica).or_default());
            map.held.insert(replica, held);
        }
        let before_roll = self.before_roll(&map)?;
        // Only of those the ledger has something of, under this cut.
        let concerned: BTreeSet<ReplicaId> = before.logs.keys().chain(map.held.keys()).copied().collect();
        let mut given = before.clone();
        (given.meant, given.released) = (plan.meant.clone(), map.released.iter().copied().collect());

        self.line(&Line::Head(Head {
            version: BUNDLE_VERSION,
            ledger: hub.secrets.ledger_origin(),
            since: Some(before.since),
            cut: self.cut.note.clone(),
            before_roll: Some(before_roll),
            grant: grant.number,
            terms: grant.terms.clone(),
        }))?;
        let mut log = given.logs.remove(&ledger).unwrap_or_default();
        self.ledger_part(&scope, (&map, &concerned), late.entries, &mut log)?;
        given.logs.insert(ledger, log);
        for (replica, held) in map.held.iter().filter(|(_, held)| !held.is_empty()) {
            let mut log = given.logs.remove(replica).unwrap_or_default();
            self.replica_part(&scope, &map, (*replica, held), &mut log)?;
            given.logs.insert(*replica, log);
        }
        self.again(&scope, before, &histories, &mut given)?;
        for ((share, id), why) in &plan.left {
            let Some(share) = grant.terms.shares.get(usize::from(*share)) else { continue };
            let record_type = share.record_type.clone();
            let record = scope.pseudonym(&record_type, *id);
            self.line(&Line::Left(Left { record_type, record, why: *why }))?;
        }
        Ok(given)
    }

    /// Every change of the records that are told of, with those that are kept out of the dataset left aside.
    fn histories(&self, plan: &Plan) -> Result<Vec<(lienthong_node::dataset::Past, u16)>, SharingError> {
        let mut found = Vec::new();
        for (number, id) in &plan.shown {
            let Some(share) = self.grant.terms.shares.get(usize::from(*number)) else { continue };
            let history = self.hub.dataset.history(&share.record_type, *id)?;
            found.extend(history.into_iter().filter(|past| !past.kept_out).map(|past| (past, *number)));
        }
        Ok(found)
    }

    /// Looks for what the ledger said, before the last delivery, of replicas that are concerned only now.
    fn late(
        &self,
        before: &Given,
        map: &mut Map,
        replicas: &BTreeSet<ReplicaId>,
        scope: &Scope<'_>,
    ) -> Result<Late, SharingError> {
        let mut late = Late::default();
        let new =
            |replica: &&ReplicaId| !before.logs.contains_key(*replica) && !map.enrolled.contains(*replica);
        let new: BTreeSet<ReplicaId> = replicas.iter().filter(new).copied().collect();
        if new.is_empty() || before.since.is_nothing() {
            return Ok(late);
        }
        let (cut, grant) = (before.since.cut, self.grant.number);
        let reader = self.hub.reader.clone();
        let past = Map::between(&reader, (0, cut), &new, grant)?;
        let holds: BTreeSet<ReplicaId> = new
            .iter()
            .filter(|new| past.held.contains_key(*new) || map.held.contains_key(*new))
            .copied()
            .collect();
        let of_holding = |replica: ReplicaId| holds.contains(&replica);
        each(&reader, (0, cut), &mut |place, entry, _| {
            let shown = match entry.header.kind {
                EntryKind::Change => None,
                EntryKind::Acceptance => {
                    of_holding(Acceptance::of(entry)?.replica).then(|| event_shown(entry, |_| true))
                }
                EntryKind::Event => Event::of(entry)
                    .ok()
                    .filter(|event| !is_tally(entry) && !event.fields.contains_key("grant"))
                    .and_then(|event| {
                        needed(entry, &event, (place, grant), &self.grant.terms, scope, (&past, &of_holding))
                    }),
            };
            // What was shown then stands: the terms are known.
            late.entries.extend(shown.filter(|_| place != grant).map(|shown| (place, shown)));
            Ok(())
        })?;
        // The list of replicas of then is no longer of use.
        for place in past.parts.iter().chain(&past.roll) {
            late.entries.remove(place);
        }
        late.held = past.held;
        map.erased.join(past.erased);
        Ok(late)
    }

    /// What was ordered, before the last delivery, of records that are meant only now: it was not told then.
    fn late_orders(&self, before: &Given, plan: &Plan, late: &mut Late) -> Result<(), SharingError> {
        let orders = Arc::clone(&self.hub.committer.books().read().orders.by_number);
        let is_new = |order: &&ErasureOrder| {
            plan.shown.iter().any(|meant| {
                let share = self.grant.terms.shares.get(usize::from(meant.0));
                let of_type = share.is_some_and(|share| share.record_type == order.order.record_type);
                of_type && order.order.record == meant.1 && !before.meant.contains(meant)
            })
        };
        let places = orders.values().filter(is_new).flat_map(|order| order.erasures.values().copied());
        for place in places.filter(|place| *place < before.since.cut) {
            let bytes = self.hub.ledger_entry(place).ok_or(SharingError::Hashes)?;
            late.entries.insert(place, order_shown(&Entry::decode(&bytes)?));
        }
        Ok(())
    }

    fn ledger_part(
        &mut self,
        scope: &Scope<'_>,
        (map, concerned): (&Map, &BTreeSet<ReplicaId>),
        past: BTreeMap<u64, Shown>,
        log: &mut GivenLog,
    ) -> Result<(), SharingError> {
        let (size, from) = (self.cut.head.size, log.edge.size());
        let (hub, grant) = (self.hub, self.grant);
        let origin = hub.secrets.ledger_origin();
        self.line(&Line::Log(LogHead { origin, size, accepted: None, receipt: None }))?;
        let hashes = &hub.hashes;
        let mut cover = if past.is_empty() { Cover::going_on(&log.edge) } else { Cover::default() };
        while cover.size() < from {
            let place = cover.size();
            cover.push(hashes.leaf(place).ok_or(SharingError::Hashes)?, past.contains_key(&place));
        }
        cover.settle();
        for shown in past.into_values() {
            self.line(&Line::Entry(shown))?;
        }
        let of_concerned = |replica: ReplicaId| concerned.contains(&replica);
        let reader = hub.reader.clone();
        each(&reader, (from, size), &mut |place, entry, _| {
            let shown = match entry.header.kind {
                EntryKind::Change => scope.shown(entry, false, &map.erased)?,
                EntryKind::Acceptance => {
                    of_concerned(Acceptance::of(entry)?.replica).then(|| event_shown(entry, |_| true))
                }
                EntryKind::Event => Event::of(entry).ok().and_then(|event| {
                    needed(entry, &event, (place, grant.number), &grant.terms, scope, (map, &of_concerned))
                }),
            };
            cover.push(hashes.leaf(place).ok_or(SharingError::Hashes)?, shown.is_some());
            let Some(shown) = shown else { return Ok(()) };
            if shown.record.is_some() {
                log.shown.set(place);
            }
            self.line(&Line::Entry(shown))
        })?;
        log.edge = frontier_at(hashes.as_ref(), size).ok_or(SharingError::Hashes)?;
        self.line(&proof_of_edge(cover))
    }

    fn replica_part(
        &mut self,
        scope: &Scope<'_>,
        map: &Map,
        (replica, held): (ReplicaId, &[Held]),
        log: &mut GivenLog,
    ) -> Result<(), SharingError> {
        let Some(last) = held.last() else { return Ok(()) };
        let head = self.log_head(replica, last)?;
        self.line(&Line::Log(head))?;
        let mut cover = Cover::going_on(&log.edge);
        for batch in held {
            let (acceptance, plain) = self.batch(batch)?;
            if acceptance.first.0 != log.edge.size() {
                return Err(SharingError::Hashes);
            }
            for (place, bytes) in (0u16..).zip(batch::entries(&plain)?) {
                let entry = Entry::decode(bytes)?;
                let shown = match entry.header.kind {
                    EntryKind::Change => {
                        let out = map.keeps_out(entry.header.dot, acceptance.verdicts.get(&place));
                        scope.shown(&entry, out, &map.erased)?
                    }
                    EntryKind::Event if is_tally(&entry) => Some(scope.shown_tally(&entry)),
                    _ => None,
                };
                let leaf = shown.as_ref().map_or_else(|| entry.leaf_hash(), |shown| shown.leaf.0);
                cover.push(leaf, shown.is_some());
                log.edge.push(leaf);
                let Some(shown) = shown else { continue };
                if shown.record.is_some() {
                    log.shown.set(entry.header.dot.sequence.0);
                }
                self.line(&Line::Entry(shown))?;
            }
        }
        self.line(&proof_of_edge(cover))
    }

    /// Entries that were only counted before, of records that are told of now.
    fn again(
        &mut self,
        scope: &Scope<'_>,
        before: &Given,
        histories: &[(lienthong_node::dataset::Past, u16)],
        given: &mut Given,
    ) -> Result<(), SharingError> {
        let behind = (self.cut.head.size, self.hub.head().size);
        let later = Map::between(&self.hub.reader, behind, &BTreeSet::new(), self.grant.number)?.erased;
        for (past, _) in histories {
            let dot = past.source.dot;
            let known = before.logs.get(&dot.replica);
            let was_counted =
                known.is_some_and(|log| dot.sequence.0 < log.edge.size() && !log.shown.has(dot.sequence.0));
            if !was_counted || self.is_in_quarantine(&past.source, given)? {
                continue;
            }
            // By an order that does not stand under this cut: under the next one it does.
            if later.of(&dot).is_some() {
                return Err(SharingError::Unwitnessed);
            }
            let bytes = self.hub.dataset.entries().entry(past.source.at)?;
            let shown = scope.shown(&Entry::decode(&bytes)?, false, self.hub.erasures.read().set())?;
            let origin = if dot.replica == self.hub.secrets.profile.replica {
                self.hub.secrets.ledger_origin()
            } else {
                self.hub.secrets.origin(&past.source.unit, dot.replica)
            };
            if let Some(again) = shown.and_then(|shown| Again::of(&origin, shown)) {
                self.line(&Line::Again(again))?;
                given.logs.entry(dot.replica).or_default().shown.set(dot.sequence.0);
            }
        }
        Ok(())
    }

    /// Whether a change was put into quarantine, and not released under this cut.
    fn is_in_quarantine(
        &self,
        source: &lienthong_node::dataset::Source,
        given: &Given,
    ) -> Result<bool, SharingError> {
        if given.released.contains(&source.dot) {
            return Ok(false);
        }
        let frame = self.hub.reader.frame(source.at.frame)?;
        let Payload::Accepted { entry, .. } = Payload::parse(&frame.payload)? else { return Ok(false) };
        let acceptance = Acceptance::of(&Entry::decode(entry)?)?;
        Ok(matches!(acceptance.verdicts.get(&source.at.index), Some(Verdict::Quarantined(_))))
    }
}

fn proof_of_edge(cover: Cover) -> Line {
    Line::Proof(Proof { hashes: cover.proof_of_edge().into_iter().map(Hash).collect() })
}
