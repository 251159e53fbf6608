//! What became, since the last delivery under a grant, of the records it handed over: for whoever holds it when nothing
//! more is handed over. What was withdrawn is told of since the first: a later bundle only lacks it.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::dataset::{EntryAt, Payload};
use lienthong_proto::change::{Change, path};
use lienthong_proto::disclosure::{Became, ChangedRecord, Share};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Dot, RecordId, Sequence};
use lienthong_proto::value::Value;

use super::SharingError;
use super::map::{Came, each, each_change, entry_of};
use super::scope::{admits, pseudonym};
use crate::app::Hub;
use crate::ledger::{CARRIED, Grant};

/// What became of what a grant handed over.
pub(crate) struct Changed {
    /// The last delivery shows the ledger before this entry.
    pub(crate) since: u64,
    /// Looked at before this entry.
    pub(crate) until: u64,
    /// The records, by type and pseudonym.
    pub(crate) records: Vec<ChangedRecord>,
}

/// Looks for what was handed over under a grant and is no longer so; nothing if nothing was ever handed over.
///
/// A record counts as handed over if the grant's units and years mean what was said of it before the last delivery: what the
/// grant's conditions looked at may be another by now (each need only have held once), and a pseudonym tells nobody anything of
/// a record it was not given.
///
/// # Errors
/// [`SharingError`] if the ledger or a record cannot be read.
pub(crate) fn changed_since(hub: &Hub, grant: &Grant) -> Result<Option<Changed>, SharingError> {
    let Some(access) = grant.last_access else { return Ok(None) };
    let (since, until) = (shown_before(hub, access)?, hub.head().size);
    let first = shown_before(hub, grant.first_access.unwrap_or(access))?;
    let late = Late::of(hub, (first, until), grant)?;
    let asked = Asked { shown: since, withdrawn: first, changed: since };
    let mut records = Vec::new();
    for (number, id) in &late.touched {
        let Some(share) = grant.terms.shares.get(*number) else { continue };
        let Some((became, fields)) = late.became(hub, share, *id, asked)? else { continue };
        let record_type = share.record_type.clone();
        let record = pseudonym(hub, &grant.terms, &record_type, *id)?;
        records.push(ChangedRecord { record_type, record, became, fields: fields.into_iter().collect() });
    }
    records.sort_by(|a, b| (&a.record_type, a.record).cmp(&(&b.record_type, b.record)));
    Ok(Some(Changed { since, until, records }))
}

/// A piece of the ledger that was looked through.
pub(super) struct Piece {
    /// Before this entry.
    pub(super) until: u64,
    /// So many entries.
    pub(super) entries: u64,
    /// It says that something the agency holds is otherwise.
    pub(super) found: bool,
}

/// Whether something that was handed over under a grant is otherwise since the last delivery and the last notice, as far as
/// the next entries of the ledger say so: from `looked`, if it was looked at before, to before `until`, at most `most`. Ends
/// with the first.
///
/// # Errors
/// As [`changed_since`].
pub(super) fn look_on(
    hub: &Hub,
    grant: &Grant,
    looked: Option<u64>,
    until: u64,
    most: u64,
) -> Result<Piece, SharingError> {
    let Some(access) = grant.last_access else { return Ok(Piece { until, entries: 0, found: false }) };
    let (first, last) = (grant.first_access.unwrap_or(access), shown_before(hub, access)?);
    let told = shown_before(hub, first)?.max(grant.last_told.unwrap_or(0)).max(looked.unwrap_or(0));
    let until = until.min(told.saturating_add(most));
    let entries = until.saturating_sub(told);
    let late = Late::of(hub, (told, until), grant)?;
    let asked = Asked { shown: last, withdrawn: told, changed: told.max(last) };
    for (number, id) in &late.touched {
        let Some(share) = grant.terms.shares.get(*number) else { continue };
        if late.became(hub, share, *id, asked)?.is_some() {
            return Ok(Piece { until, entries, found: true });
        }
    }
    Ok(Piece { until, entries, found: false })
}

/// Up to where a delivery shows the ledger. What a former ledger said of one that stands in this one is a place in that: there
/// the delivery's own place counts.
fn shown_before(hub: &Hub, access: u64) -> Result<u64, SharingError> {
    let mut cut = access;
    each(&hub.reader, (access, access + 1), &mut |_, entry, _| {
        let event = Event::of(entry).ok().filter(|event| !event.fields.contains_key(CARRIED));
        if let Some(Value::Integer(shown)) = event.and_then(|event| event.fields.get("cut").cloned()) {
            cut = u64::try_from(shown).unwrap_or(access);
        }
        Ok(())
    })?;
    Ok(cut)
}

/// Places in the ledger: what is asked of a record.
#[derive(Clone, Copy)]
struct Asked {
    /// What stands before was handed over.
    shown: u64,
    /// Withdrawals from here on count.
    withdrawn: u64,
    /// And other changes from here on.
    changed: u64,
}

/// What the ledger says from one place to before another.
#[derive(Default)]
struct Late {
    /// Records of granted types that were written, by the share's place in the grant.
    touched: BTreeSet<(usize, RecordId)>,
    /// Changes released from quarantine: only then did they come into the dataset.
    released: BTreeMap<Dot, u64>,
}

impl Late {
    fn of(hub: &Hub, range: (u64, u64), grant: &Grant) -> Result<Self, SharingError> {
        let mut late = Self::default();
        each_change(&hub.reader, range, &mut |place, came| match came {
            Came::Change(entry) => late.touch(entry, grant),
            Came::Released(dot) => drop(late.released.insert(dot, place)),
        })?;
        for dot in late.released.keys().copied().collect::<Vec<_>>() {
            if let Some(bytes) = entry_of(hub, dot)? {
                late.touch(&Entry::decode(&bytes)?, grant);
            }
        }
        Ok(late)
    }

    fn touch(&mut self, entry: &Entry<'_>, grant: &Grant) {
        let Ok(change) = Change::of(entry) else { return };
        let shares = grant.terms.shares.iter().enumerate();
        for (number, _) in shares.filter(|(_, share)| share.record_type == change.record_type) {
            self.touched.insert((number, change.record));
        }
    }

    /// What became of a record, and which granted fields of it were written; nothing if it was not handed over, or is as it was.
    fn became(
        &self,
        hub: &Hub,
        share: &Share,
        id: RecordId,
        asked: Asked,
    ) -> Result<Option<(Became, BTreeSet<String>)>, SharingError> {
        let Some(state) = hub.dataset.state(&share.record_type, id)? else { return Ok(None) };
        let declared = hub.catalogue.record_type(&share.record_type);
        let opens = |path: &str| {
            !path.starts_with('_')
                && (share.opens(path) && declared.is_none_or(|declared| share.shows_key_of(declared, path))
                    || share.refers(path))
        };
        let (mut shown, mut withdrawn, mut stated, mut fields) = (false, false, false, BTreeSet::new());
        // Each condition held of something that was written before it was handed over, or it was not.
        let (mut held, mut conditions_written) = (vec![false; share.only.len()], false);
        let is_in = state.owner().is_some_and(|owner| share.covers_unit(owner));
        let mut was_in = is_in;
        for past in hub.dataset.history(&share.record_type, id)?.iter().filter(|past| !past.kept_out) {
            let dot = past.source.dot;
            let place = match self.released.get(&dot) {
                Some(place) => *place,
                None => place_of(hub, past.source.at)?,
            };
            let bytes = hub.dataset.entries().entry(past.source.at)?;
            let change = Change::of(&Entry::decode(&bytes)?)?;
            withdrawn |=
                place >= asked.withdrawn && change.writes.iter().any(|write| write.path == path::WITHDRAWN);
            if place < asked.shown {
                shown |= share.covers_year(change.year);
                was_in |= change.unit().is_some_and(|unit| share.covers_unit(unit));
                for (held, condition) in held.iter_mut().zip(&share.only) {
                    let mut written = change.writes.iter().filter(|write| write.path == condition.field);
                    *held |= written.any(|write| condition.holds(Some(&write.value)));
                }
            }
            if place < asked.changed {
                continue;
            }
            for write in &change.writes {
                stated |= write.path == path::WITHDRAWN;
                conditions_written |= share.only.iter().any(|condition| condition.field == write.path);
                if opens(&write.path) {
                    fields.extend(write.path.split('/').next().map(str::to_owned));
                }
            }
        }
        if !shown || !was_in || held.contains(&false) {
            return Ok(None);
        }
        let is_in = is_in && (!conditions_written || admits(hub, share, id, &state)?);
        Ok(match (state.standing().withdrawn, withdrawn) {
            (true, true) => Some((Became::Withdrawn, fields)),
            // It was before, and was handed to nobody.
            (true, false) => None,
            (false, _) if !is_in => Some((Became::Left, BTreeSet::new())),
            // One that stands again, or whose withdrawal waits for a decision, is another than it was.
            (false, _) if fields.is_empty() && !stated => None,
            (false, _) => Some((Became::Changed, fields)),
        })
    }
}

/// The ledger's entry by which a change came.
fn place_of(hub: &Hub, at: EntryAt) -> Result<u64, SharingError> {
    let frame = hub.reader.frame(at.frame)?;
    Ok(match Payload::parse(&frame.payload)? {
        Payload::Batch(_) => Sequence(frame.first.0 + u64::from(at.index)).0,
        Payload::Accepted { .. } | Payload::Entry(_) => frame.first.0,
    })
}
