//! The entries of a log part, one by one.

use super::{At, Checked, Object, Verification, log_object};
use crate::bytes::Reader;
use crate::change::{Change, Context, Meta, Write, path};
use crate::disclosure::facts::{Standing, event, number};
use crate::disclosure::line::Again;
use crate::disclosure::{Disclosed, Refused, SHOWN_OF_ALL, Share, Shown, Terms, Told, Unseen};
use crate::entry::{Entry, EntryKind, Part};
use crate::erasure;
use crate::event::{Acceptance, Event};
use crate::ids::{Dot, RecordId, Sequence, UnitCode};
use crate::time::Hlc;
use crate::value::Value;
use crate::withdrawal::Edit;

impl Verification<'_> {
    pub(super) fn entry(&mut self, shown: Shown) -> Checked<Option<Told>> {
        let Some(log) = &self.log else {
            return Err(self.this_line().with("không đúng chỗ", "out of place"));
        };
        let (origin, known) = (log.state.origin.clone(), log.state.size);
        let entry = Entry::decode(&shown.entry.0);
        let entry =
            entry.map_err(|_| self.this_line().with("mục không đọc được", "the entry cannot be read"))?;
        let dot = entry.header.dot;
        let object = Object(format!("mục {0} của {origin} · entry {0} of {origin}", dot.sequence));
        if entry.leaf_hash() != shown.leaf.0 {
            return Err(
                object.with("nội dung không khớp cam kết", "its content does not match its commitments")
            );
        }
        let last = log.leaves.last().map(|(last, _)| *last);
        if dot.replica != origin.replica()
            || dot.sequence.0 >= log.size
            || last.is_some_and(|last| last >= dot.sequence.0)
        {
            return Err(object.with("không đúng chỗ", "out of place"));
        }
        // Behind what was told before, the ledger may show what is needed for a replica that was not concerned then.
        let is_past = dot.sequence.0 < known;
        if is_past && (self.at != At::Ledger || entry.header.kind == EntryKind::Change) {
            return Err(object.with("không đúng chỗ", "out of place"));
        }
        let disclosed = match entry.header.kind {
            EntryKind::Change => self.change(&entry, &shown, &object)?,
            _ if shown.record.is_some()
                || !shown.withheld.is_empty()
                || !shown.refers.is_empty()
                || !shown.unseen.is_empty()
                || shown.erased > 0 =>
            {
                return Err(object.with("không phải thay đổi của bản ghi", "it is no change of a record"));
            }
            EntryKind::Event => {
                self.event(&entry, is_past, &object)?;
                None
            }
            EntryKind::Acceptance => {
                let acceptance =
                    Acceptance::of(&entry).ok().filter(|_| self.at == At::Ledger && is_open(&entry));
                let acceptance = acceptance
                    .ok_or_else(|| object.with("lần nhận không đọc được", "the acceptance cannot be read"))?;
                if !self.progress.facts.accept(dot.sequence.0, acceptance) {
                    return Err(object.with(
                        "không nối tiếp lần nhận trước của máy đó",
                        "it does not follow the acceptance before it of that replica",
                    ));
                }
                None
            }
        };
        if let Some(log) = &mut self.log {
            log.leaves.push((dot.sequence.0, shown.leaf.0));
        }
        Ok(disclosed.map(|disclosed| self.told(disclosed)))
    }

    /// An entry that was only counted before: it is the very one that was.
    pub(super) fn again(&mut self, again: Again) -> Checked<Told> {
        let (origin, shown) = again.into_shown();
        let unread = self.this_line().with("mục không đọc được", "the entry cannot be read");
        let entry = Entry::decode(&shown.entry.0).map_err(|_| unread)?;
        let dot = entry.header.dot;
        let object = Object(format!("mục {0} của {origin} · entry {0} of {origin}", dot.sequence));
        let facts = ChangeFacts::of(&entry).filter(|_| entry.header.kind == EntryKind::Change);
        let (Some(facts), Some(record)) = (facts, shown.record) else {
            return Err(object.with("không phải thay đổi của bản ghi", "it is no change of a record"));
        };
        let share = self.granted()?.share(&facts.record_type).cloned();
        let of_ledger = self.begun()?.origin.as_str() == origin;
        let log = self.progress.logs.iter_mut().find(|log| log.origin.as_str() == origin);
        let log = log.filter(|log| log.origin.replica() == dot.replica);
        let log = log.ok_or_else(|| log_object(&origin).with("chưa từng có", "it was never told of"))?;
        let withheld = log.withheld.remove(&dot.sequence.0);
        if withheld != Some(shown.leaf.0) || entry.leaf_hash() != shown.leaf.0 {
            return Err(object.with(
                "không phải mục đã được đếm là giữ lại",
                "it is not the entry that was counted as withheld",
            ));
        }
        let count = log.types.entry(facts.record_type.clone()).or_default();
        (count.withheld, count.shown) = (count.withheld.saturating_sub(1), count.shown + 1);
        let unit = log.origin.unit().clone();
        let share = share.ok_or_else(|| not_granted(&object))?;
        self.claim(&entry, &shown);
        let disclosed =
            self.disclosed(&entry, facts, &share, Whose { record, unit, of_ledger }, &shown, &object)?;
        Ok(self.told(disclosed))
    }

    /// Keeps what is said of fields that were erased, to be compared with the orders when all of the ledger is known.
    fn claim(&mut self, entry: &Entry<'_>, shown: &Shown) {
        let dot = entry.header.dot;
        // Of the ledger's own the order stands behind it.
        let is_ledger = self.at == At::Ledger;
        if shown.erased > 0 || is_ledger || self.progress.facts.erased.contains_key(&dot) {
            let bare = entry.parts().iter().filter(|part| matches!(part, Part::Withheld(_)));
            self.claimed.push((dot, bare.map(Part::commitment).collect(), shown.erased));
        }
    }

    fn told(&mut self, disclosed: Disclosed) -> Told {
        if self.live {
            let change = &disclosed.change;
            self.progress.standing.insert((change.record_type.clone(), change.record));
        }
        Told::Shown(Box::new(disclosed))
    }

    fn event(&mut self, entry: &Entry<'_>, is_past: bool, object: &Object) -> Checked<()> {
        let unread = || object.with("sự kiện không đọc được", "the event cannot be read");
        let event = Event::of(entry).map_err(|_| unread())?;
        if is_past && [event::TALLY, event::ROLL, event::ROLL_PART].contains(&event.kind.as_str()) {
            return Err(object.with("không đúng chỗ", "out of place"));
        }
        if event.kind == event::TALLY {
            return self.tally(&event, entry.header.dot.sequence, object);
        }
        // Behind what is withheld the same may be said otherwise, to somebody else.
        if !is_open(entry)
            && ![event::ROLL_PART, "release", erasure::event::ERASURE].contains(&event.kind.as_str())
        {
            return Err(unread());
        }
        let begun = self.begun()?;
        let (grant, province) = (begun.head.grant, begun.origin.unit().clone());
        if self.at != At::Ledger {
            return Err(object.with("sự kiện này không thuộc về gói", "such an event has no place here"));
        }
        self.progress.facts.note(entry, &event, grant, &province).ok_or_else(unread)
    }

    /// What a log's writer signs for: as many changes of each type as were shown so far, no more. One of before a type was
    /// declared has no count of it, and signs for nothing here.
    fn tally(&mut self, event: &Event, place: Sequence, object: &Object) -> Checked<()> {
        let types: Vec<String> = self.granted_types()?;
        let Some(log) = &mut self.log else { return Ok(()) };
        let mut is_whole = true;
        for name in types {
            let count = log.state.types.entry(name.clone()).or_default();
            let signed = number(event, &format!("count/{name}"));
            if !event.fields.contains_key(&format!("count/{name}")) {
                is_whole = false;
                continue;
            }
            if signed != Some(count.written) {
                let said = signed.map_or_else(|| "?".to_owned(), |signed| signed.to_string());
                return Err(object.with(
                    &format!("máy đã ký là có {said} thay đổi loại {name}, gói cho thấy {}: thiếu mục", count.written),
                    &format!("its writer signed for {said} changes of type {name}, {} are shown: entries are missing", count.written),
                ));
            }
            count.signed_for = signed;
        }
        if is_whole {
            (log.state.signed_for, log.state.signed_by) = (Some(event.at), Some(place.0));
        }
        Ok(())
    }

    fn granted_types(&self) -> Checked<Vec<String>> {
        Ok(self.granted()?.shares.iter().map(|share| share.record_type.clone()).collect())
    }

    /// The terms as the head has them; that the ledger has the same is looked at when it was read.
    pub(super) fn granted(&self) -> Checked<&Terms> {
        Ok(&self.begun()?.head.terms)
    }

    fn change(&mut self, entry: &Entry<'_>, shown: &Shown, object: &Object) -> Checked<Option<Disclosed>> {
        let facts = ChangeFacts::of(entry);
        let facts = facts.ok_or_else(|| {
            object.with(
                "thay đổi không cho biết loại, năm và số thứ tự",
                "the change does not show type, year and number",
            )
        })?;
        let Some(share) = self.granted()?.share(&facts.record_type).cloned() else {
            return Err(not_granted(object));
        };
        let of_ledger = self.at == At::Ledger;
        let Some(log) = &mut self.log else { return Ok(None) };
        let count = log.state.types.entry(facts.record_type.clone()).or_default();
        if facts.number != count.written {
            return Err(object.with(
                &format!(
                    "số thứ tự là {}, phải là {}: thiếu mục của loại {}",
                    facts.number, count.written, facts.record_type
                ),
                &format!(
                    "its number is {}, not {}: entries of type {} are missing",
                    facts.number, count.written, facts.record_type
                ),
            ));
        }
        count.written += 1;
        let Some(record) = shown.record else {
            count.withheld += 1;
            let bare = entry.opened().all(|(path, _)| SHOWN_OF_ALL.contains(&path));
            log.state.withheld.insert(entry.header.dot.sequence.0, shown.leaf.0);
            let silent = shown.withheld.is_empty() && shown.refers.is_empty() && shown.unseen.is_empty();
            return if bare && silent && shown.erased == 0 {
                Ok(None)
            } else {
                Err(object.with("cho thấy nhiều hơn số thứ tự", "it shows more than that it exists"))
            };
        };
        count.shown += 1;
        let unit = log.state.origin.unit().clone();
        self.claim(entry, shown);
        self.disclosed(entry, facts, &share, Whose { record, unit, of_ledger }, shown, object).map(Some)
    }

    fn disclosed(
        &self,
        entry: &Entry<'_>,
        facts: ChangeFacts,
        share: &Share,
        Whose { record, unit, of_ledger }: Whose,
        shown: &Shown,
        object: &Object,
    ) -> Checked<Disclosed> {
        if let Some((path, _)) = entry.opened().find(|(path, _)| !share.opens(path)) {
            return Err(object.with(
                &format!("mở trường ngoài phạm vi được cấp: {path}"),
                &format!("it opens a field that is not granted: {path}"),
            ));
        }
        // Of another year a change shows how the record stands, no value of it.
        let named = entry.opened().any(|(path, _)| !path.starts_with('_')) || !shown.refers.is_empty();
        if !share.covers_year(facts.year) && named {
            return Err(object.with("năm ngoài phạm vi được cấp", "its year is not granted"));
        }
        if shown.refers.iter().any(|(path, _)| !share.refers(path)) {
            return Err(
                object.with("nêu quan hệ ngoài phạm vi được cấp", "it names a relation that is not granted")
            );
        }
        let unread = || object.with("thay đổi không đọc được", "the change cannot be read");
        let meta = facts.meta.clone().ok_or_else(unread)?;
        let dot = entry.header.dot;
        let (accepted, proposal) = if of_ledger {
            (meta.hlc.at(), false)
        } else {
            let (standing, accepted) = self.progress.facts.standing_of(&dot).ok_or_else(|| {
                object.with("gói không cho biết tỉnh đã nhận mục này thế nào", "its acceptance is not shown")
            })?;
            let Standing::Taken { proposal } = standing else {
                return Err(object.with(
                    "mục đang bị giữ lại, không thuộc dữ liệu chung",
                    "it is in quarantine, no part of the dataset",
                ));
            };
            (accepted, proposal)
        };
        let effective = meta.hlc.effective(accepted);
        let writes = facts.writes(entry).ok_or_else(unread)?;
        let change = Change {
            dot,
            record,
            record_type: facts.record_type,
            year: facts.year,
            number: facts.number,
            meta,
            origin: None,
            writes,
        };
        let (withheld, refers) = (shown.withheld.clone(), shown.refers.clone());
        let unseen = self.unseen(&shown.unseen, object)?;
        Ok(Disclosed { change, unit, effective, accepted, proposal, withheld, refers, unseen })
    }
}

impl Verification<'_> {
    /// The edits that no withdrawal had seen, as the hub says: each once, in order, and none against what is proven of it. One
    /// that was still in quarantine under this cut counts with the delivery that shows its release.
    fn unseen(&self, unseen: &[Unseen], object: &Object) -> Checked<Vec<Edit>> {
        let wrong = || {
            object.with(
                "danh sách sửa đổi chưa được xem trái với sổ cái",
                "what it says of unseen edits goes against the ledger",
            )
        };
        if unseen.windows(2).any(|pair| matches!(pair, [a, b] if (a.0, a.1) >= (b.0, b.1))) {
            return Err(wrong());
        }
        let edit = |&(replica, sequence, proposal): &Unseen| {
            let dot = Dot { replica, sequence: Sequence(sequence) };
            match self.progress.facts.standing_of(&dot).map(|(standing, _)| standing) {
                Some(Standing::Quarantined) => Ok(None),
                Some(Standing::Taken { proposal: proven }) if proven != proposal => Err(wrong()),
                _ => Ok(Some(Edit { dot, proposal })),
            }
        };
        unseen.iter().filter_map(|said| edit(said).transpose()).collect()
    }
}

/// Whether nothing of an entry is withheld.
pub(super) fn is_open(entry: &Entry<'_>) -> bool {
    entry.parts().iter().all(|part| matches!(part, Part::Open { .. }))
}

/// Of which record a change is, whose replica wrote it, and whether that is the ledger.
struct Whose {
    record: RecordId,
    unit: UnitCode,
    of_ledger: bool,
}

fn not_granted(object: &Object) -> Refused {
    object.with("loại bản ghi ngoài phạm vi được cấp", "its record type is not granted")
}

/// What every change shows of itself.
#[derive(Debug)]
struct ChangeFacts {
    record_type: String,
    year: u16,
    number: u64,
    meta: Option<Meta>,
}

impl ChangeFacts {
    fn of(entry: &Entry<'_>) -> Option<Self> {
        let value = |name: &str| {
            let mut input = Reader::new(entry.content(name)?);
            let value = Value::decode(&mut input).ok()?;
            input.end().ok()?;
            Some(value)
        };
        let (Value::Text(record_type), Value::Integer(year), Value::Integer(number)) =
            (value(path::TYPE)?, value(path::YEAR)?, value(path::NUMBER)?)
        else {
            return None;
        };
        let meta = entry.content(path::META).and_then(|content| {
            let mut input = Reader::new(content);
            let hlc = Hlc(input.u64().ok()?);
            let author = input.text().ok()?.to_owned();
            Some(Meta { hlc, author, catalogue: input.array().ok()? })
        });
        Some(Self { record_type, year: year.try_into().ok()?, number: number.try_into().ok()?, meta })
    }

    fn writes(&self, entry: &Entry<'_>) -> Option<Vec<Write>> {
        let facts = [path::TYPE, path::YEAR, path::NUMBER, path::META];
        let registers = entry.opened().filter(|(name, _)| !facts.contains(name));
        let writes = registers.map(|(name, content)| {
            let mut input = Reader::new(content);
            let value = Value::decode(&mut input).ok()?;
            let context = Context::decode(&mut input).ok()?;
            input.end().ok()?;
            Some(Write { path: name.to_owned(), value, context })
        });
        writes.collect()
    }
}
