//! What of a change leaves under a grant.

use std::collections::{BTreeSet, HashSet};

use lienthong_node::dataset::{DatasetError, Record, RecordState};
use lienthong_proto::bytes::{Malformed, Reader};
use lienthong_proto::catalogue::RecordType;
use lienthong_proto::change::{Change, Write, path};
use lienthong_proto::disclosure::{Bytes, Hash, LeftWhy, SHOWN_OF_ALL, Share, Shown, Terms, Unseen};
use lienthong_proto::entry::{Entry, Part};
use lienthong_proto::erasure::ErasedSet;
use lienthong_proto::event::Event;
use lienthong_proto::hash::hmac_sha256;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId};
use lienthong_proto::value::Value;

use super::SharingError;
use crate::app::Hub;

/// Records looked at in one go.
const PAGE: usize = 256;

/// A grant, and the records it means as they stand now.
pub(super) struct Scope<'a> {
    hub: &'a Hub,
    terms: &'a Terms,
    key: [u8; 32],
    admitted: HashSet<(usize, RecordId)>,
    writers: BTreeSet<ReplicaId>,
}

impl<'a> Scope<'a> {
    /// Looks the granted records up.
    pub(super) fn new(hub: &'a Hub, terms: &'a Terms) -> Result<Self, SharingError> {
        let mut scope = Self::of(hub, terms, HashSet::new())?;
        for (number, share) in terms.shares.iter().enumerate() {
            if let Some(declared) = hub.catalogue.record_type(&share.record_type) {
                scope.look_up(number, share, declared)?;
            }
        }
        Ok(scope)
    }

    /// With the records it means known, of a view that goes on.
    pub(super) fn of(
        hub: &'a Hub,
        terms: &'a Terms,
        admitted: HashSet<(usize, RecordId)>,
    ) -> Result<Self, SharingError> {
        // The grant's own key: what one agency knows a record by means nothing to another.
        let writers = BTreeSet::new();
        Ok(Self { hub, terms, key: key_of(hub, terms)?, admitted, writers })
    }

    /// Why a record is none of those meant, if it is none; one that was stays when it is withdrawn.
    pub(super) fn keeps_out(
        &self,
        number: usize,
        id: RecordId,
        was_meant: bool,
    ) -> Result<Option<LeftWhy>, SharingError> {
        let Some(share) = self.terms.shares.get(number) else { return Ok(Some(LeftWhy::Scope)) };
        let Some(state) = self.hub.dataset.state(&share.record_type, id)? else {
            return Ok(Some(LeftWhy::Scope));
        };
        if !self.means(share, id, &state, was_meant)? {
            return Ok(Some(LeftWhy::Scope));
        }
        let today = self.hub.quality.today();
        let defective = self.hub.quality.is_kept_out(&share.record_type, id, today)?;
        Ok(defective.then_some(LeftWhy::Defect))
    }

    fn look_up(&mut self, number: usize, share: &Share, declared: &RecordType) -> Result<(), SharingError> {
        let today = self.hub.quality.today();
        let mut after = None;
        loop {
            let page = self.hub.dataset.page(&declared.name, after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (id, state) in &page {
                let admitted = self.means(share, *id, state, false)?
                    && !self.hub.quality.is_kept_out(&declared.name, *id, today)?;
                if admitted {
                    self.admitted.insert((number, *id));
                    self.writers.extend(state.sources.keys().map(|dot| dot.replica));
                }
            }
        }
    }

    /// Whether a record is one of those meant: by its owner, by what it shows, and not withdrawn, unless it may be.
    fn means(
        &self,
        share: &Share,
        id: RecordId,
        state: &RecordState,
        withdrawn: bool,
    ) -> Result<bool, SharingError> {
        let owned = state.owner().is_some_and(|owner| share.covers_unit(owner));
        if !owned || (state.standing().withdrawn && !withdrawn) {
            return Ok(false);
        }
        admits(self.hub, share, id, state)
    }

    /// The replicas that wrote what the granted records show.
    pub(super) fn writers(&self) -> &BTreeSet<ReplicaId> {
        &self.writers
    }

    /// Whether an order of erasure is of a record that is shown.
    pub(super) fn tells_of(&self, erasure: &Event) -> bool {
        let (Some(Value::Text(record_type)), Some(Value::Reference(record))) =
            (erasure.fields.get("record_type"), erasure.fields.get("record"))
        else {
            return false;
        };
        let mut shares =
            self.terms.shares.iter().zip(0..).filter(|(share, _)| share.record_type == *record_type);
        shares.any(|(_, number)| self.admitted.contains(&(number, *record)))
    }

    /// A record under the grant's own name for it.
    pub(super) fn pseudonym(&self, record_type: &str, id: RecordId) -> RecordId {
        named(&self.key, record_type, id)
    }

    /// What is shown of a change; nothing if its type is not granted. `kept_out`: it is no part of the dataset. `erased`:
    /// what orders took, as the ledger of the bundle has it.
    pub(super) fn shown(
        &self,
        entry: &Entry<'_>,
        kept_out: bool,
        erased: &ErasedSet,
    ) -> Result<Option<Shown>, SharingError> {
        let Some((number, share)) = self.share_of(entry) else { return Ok(None) };
        let change = Change::of(entry).ok();
        let meant = change.filter(|change| !kept_out && self.admitted.contains(&(number, change.record)));
        let opened = match meant {
            Some(change) => self.standing_of(share, change)?,
            None => None,
        };
        let Some((change, unseen)) = opened else {
            return Ok(Some(event_shown(entry, |path| SHOWN_OF_ALL.contains(&path))));
        };
        let leaf = Hash(entry.leaf_hash());
        if !share.covers_year(change.year) {
            // How the record stands, no value of it.
            return Ok(Some(Shown {
                entry: Bytes(entry.redact(|path| path.starts_with('_') && share.opens(path))),
                leaf,
                record: Some(self.pseudonym(&change.record_type, change.record)),
                withheld: Vec::new(),
                refers: Vec::new(),
                erased: self.gone(entry, erased),
                unseen,
            }));
        }
        let opens = self.opener(share);
        let hidden = change.writes.iter().filter(|write| !opens(&write.path) && !share.refers(&write.path));
        let withheld: BTreeSet<&str> = hidden
            .filter_map(|write| write.path.split('/').next())
            .filter(|name| !name.starts_with('_'))
            .collect();
        Ok(Some(Shown {
            entry: Bytes(entry.redact(opens)),
            leaf,
            record: Some(self.pseudonym(&change.record_type, change.record)),
            withheld: withheld.into_iter().map(str::to_owned).collect(),
            refers: self.referred(share, &change.writes),
            erased: self.gone(entry, erased),
            unseen,
        }))
    }

    /// The change, if it is of a year that is granted, or the record's standing hangs on it; with the live edits of the record
    /// that no withdrawal had seen: who is not shown their fields cannot tell.
    fn standing_of(
        &self,
        share: &Share,
        change: Change,
    ) -> Result<Option<(Change, Vec<Unseen>)>, SharingError> {
        let state = self.hub.dataset.state(&change.record_type, change.record)?;
        let state = state.filter(|state| state.registers.contains_key(path::WITHDRAWN));
        let Some(state) = state else {
            return Ok(share.covers_year(change.year).then_some((change, Vec::new())));
        };
        let edit = |dot: Dot| {
            let proposal = state.sources.get(&dot).is_some_and(|source| source.proposal);
            (dot.replica, dot.sequence.0, proposal)
        };
        let unseen = state.standing().unseen.into_iter().map(edit).collect();
        Ok(Some((change, unseen)))
    }

    /// How many fields of an entry orders took.
    fn gone(&self, entry: &Entry<'_>, erased: &ErasedSet) -> u32 {
        let gone = erased.of(&entry.header.dot).map_or(0, |erased| {
            let bare = entry.parts().iter().filter(|part| matches!(part, Part::Withheld(_)));
            bare.filter(|part| erased.contains(&part.commitment())).count()
        });
        u32::try_from(gone).unwrap_or(u32::MAX)
    }

    /// What a share opens; items whose key it hides stay shut, whatever an older grant says.
    fn opener<'s>(&self, share: &'s Share) -> impl Fn(&str) -> bool + use<'s, 'a> {
        let declared = self.hub.catalogue.record_type(&share.record_type);
        move |path| share.opens(path) && declared.is_none_or(|declared| share.shows_key_of(declared, path))
    }

    fn share_of(&self, entry: &Entry<'_>) -> Option<(usize, &'a Share)> {
        let record_type = text(entry.content(path::TYPE)?).ok()?;
        self.terms.shares.iter().enumerate().find(|(_, share)| share.record_type == record_type)
    }

    fn referred(&self, share: &Share, writes: &[Write]) -> Vec<(String, RecordId)> {
        let mut found = Vec::new();
        for write in writes.iter().filter(|write| share.refers(&write.path)) {
            let declared = self.hub.catalogue.record_type(&share.record_type);
            let target = declared.and_then(|declared| declared.field(&write.path)?.target.as_deref());
            let members = match &write.value {
                Value::List(members) => members.as_slice(),
                one => std::slice::from_ref(one),
            };
            for member in members {
                if let (Some(target), Value::Reference(id)) = (target, member) {
                    found.push((write.path.clone(), self.pseudonym(target, *id)));
                }
            }
        }
        found
    }

    /// What is shown of an event that counts changes: the granted types' counts.
    pub(super) fn shown_tally(&self, entry: &Entry<'_>) -> Shown {
        let granted =
            |path: &str| path.strip_prefix("count/").is_some_and(|name| self.terms.share(name).is_some());
        event_shown(entry, |path| path.starts_with('_') || granted(path))
    }
}

/// The key that makes a grant's pseudonyms.
fn key_of(hub: &Hub, terms: &Terms) -> Result<[u8; 32], SharingError> {
    Ok(hub.secrets.keyed("lienthong grant 1", terms.to_json().as_bytes())?)
}

fn named(key: &[u8; 32], record_type: &str, id: RecordId) -> RecordId {
    let tag = hmac_sha256(key, &[record_type.as_bytes(), &[0], &id.0]);
    let mut short = [0; 16];
    short.copy_from_slice(tag.split_at(16).0);
    RecordId(short)
}

/// Whether all conditions of a share hold of what a record shows now.
///
/// # Errors
/// [`SharingError`] if the record cannot be read.
pub(super) fn admits(
    hub: &Hub,
    share: &Share,
    id: RecordId,
    state: &RecordState,
) -> Result<bool, SharingError> {
    if share.only.is_empty() {
        return Ok(true);
    }
    let record = Record::read(hub.dataset.entries(), &hub.catalogue, &share.record_type, id, state);
    let record = record.map_err(DatasetError::from)?;
    Ok(share.admits(|field| record.shown(field)))
}

/// A record under a grant's own name for it.
///
/// # Errors
/// [`SharingError`] if the key cannot be made.
pub(crate) fn pseudonym(
    hub: &Hub,
    terms: &Terms,
    record_type: &str,
    id: RecordId,
) -> Result<RecordId, SharingError> {
    Ok(named(&key_of(hub, terms)?, record_type, id))
}

/// An event, or a change that is only counted, with the fields that `keep` lets out.
pub(super) fn event_shown(entry: &Entry<'_>, keep: impl Fn(&str) -> bool) -> Shown {
    let whole = entry.opened().all(|(path, _)| keep(path));
    let bytes = if whole { entry.redact(|_| true) } else { entry.redact(keep) };
    let leaf = Hash(entry.leaf_hash());
    Shown {
        entry: Bytes(bytes),
        leaf,
        record: None,
        withheld: Vec::new(),
        refers: Vec::new(),
        erased: 0,
        unseen: Vec::new(),
    }
}

fn text(content: &[u8]) -> Result<String, Malformed> {
    let mut input = Reader::new(content);
    match Value::decode(&mut input)? {
        Value::Text(text) => Ok(text),
        _ => Err(Malformed("not a text")),
    }
}
