//! Checks a bundle, line by line: nothing in it is believed that does not lead to the trust policy's keys.

mod entries;

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Accepted, Enrolment, Facts, event, number, text, unit};
use super::line::{Access, BUNDLE_VERSION, Hash, Head, LINE_BYTES_MAX, Line, LogHead, Proof};
use super::report::{Disclosed, LogReport, Refused, Report, TypeCount};
use super::{Believed, Trust, covered_root};
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::{Digest, Streamed};
use crate::ids::{Dot, UnitCode};
use crate::merkle::{verify_consistency, verify_inclusion};
use crate::time::UnixMillis;

/// A replica that writes signs once a day for how many changes there are; so long may the last such word lie behind
/// what the province took last.
const UNSIGNED_MILLIS_MAX: u64 = 48 * 3_600_000;

type Checked<T> = Result<T, Refused>;

/// A log that is being read.
#[derive(Debug)]
struct OpenLog {
    origin: Origin,
    size: u64,
    root: Digest,
    accepted: Option<UnixMillis>,
    enrolled: Option<UnixMillis>,
    leaves: Vec<(u64, Digest)>,
    types: BTreeMap<String, TypeCount>,
    signed_for: Option<UnixMillis>,
}

/// What the head said, and what was believed of it.
#[derive(Debug)]
struct Begun {
    head: Head,
    origin: Origin,
    cut: Believed,
}

/// Where the reading is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum At {
    Head,
    Ledger,
    Logs,
    End,
    Done,
}

/// The check of one bundle.
#[derive(Debug)]
pub struct Verification<'a> {
    trust: &'a Trust,
    at: At,
    lines: u64,
    digest: Streamed,
    begun: Option<Begun>,
    facts: Facts,
    /// Who proposed and who approved the grant, once the ledger was read.
    granted_by: Option<(String, String)>,
    log: Option<OpenLog>,
    logs: Vec<LogReport>,
    access: Option<(u64, UnixMillis)>,
    /// What is said to be erased: the entry, its bare commitments, how many of them.
    claimed: Vec<(Dot, BTreeSet<Digest>, u32)>,
}

impl<'a> Verification<'a> {
    /// A check by a policy; the lines come next, in order.
    #[must_use]
    pub fn new(trust: &'a Trust) -> Self {
        Self {
            trust,
            at: At::Head,
            lines: 0,
            digest: Streamed::default(),
            begun: None,
            facts: Facts::default(),
            granted_by: None,
            log: None,
            logs: Vec::new(),
            access: None,
            claimed: Vec::new(),
        }
    }

    /// Takes the next line, without its newline. A change that comes back is proven only once [`Self::finish`] has
    /// given its report.
    ///
    /// # Errors
    /// [`Refused`], naming the object; nothing more is taken then.
    pub fn line(&mut self, line: &str) -> Checked<Option<Disclosed>> {
        let wrong = self.this_line();
        let parsed = (line.len() <= LINE_BYTES_MAX).then(|| Line::parse(line)).flatten();
        let parsed = parsed.ok_or_else(|| wrong.with("không đúng dạng", "malformed"))?;
        let mut disclosed = None;
        match (self.at, parsed) {
            (At::Head, Line::Head(head)) => self.head(head)?,
            (At::Ledger | At::Logs, Line::Log(log)) if self.log.is_none() => self.open(log)?,
            (At::Ledger | At::Logs, Line::Entry(shown)) if self.log.is_some() => {
                disclosed = self.entry(shown)?
            }
            (At::Ledger | At::Logs, Line::Proof(proof)) if self.log.is_some() => self.close(&proof)?,
            (At::Logs, Line::Access(access)) if self.log.is_none() => self.accessed(&access)?,
            (At::End, Line::End(end)) if end.lines == self.lines => self.at = At::Done,
            _ => return Err(wrong.with("không đúng chỗ", "out of place")),
        }
        self.lines += 1;
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        Ok(disclosed)
    }

    /// What is proven, once all lines were taken.
    ///
    /// # Errors
    /// [`Refused`] if the bundle ends too early, or something is missing.
    pub fn finish(self) -> Checked<Report> {
        let cut_off = self.this_line().with("gói bị cắt cụt", "the bundle is cut off");
        if self.at != At::Done {
            return Err(cut_off);
        }
        let (Some(begun), Some((proposed_by, approved_by)), Some((access, at))) =
            (self.begun, self.granted_by, self.access)
        else {
            return Err(cut_off);
        };
        let erased = erased(&self.facts, &self.claimed)?;
        Ok(Report {
            ledger: begun.head.ledger,
            size: begun.cut.signed.checkpoint().size,
            witnesses: begun.cut.witnesses,
            witnessed: self.trust.asks_witnesses(),
            grant: begun.head.grant,
            terms: begun.head.terms,
            proposed_by,
            approved_by,
            access,
            accessed_at: at.rfc3339(),
            logs: self.logs,
            erased,
        })
    }

    fn this_line(&self) -> Object {
        let line = self.lines + 1;
        Object(format!("dòng {line} của gói · line {line} of the bundle"))
    }

    fn head(&mut self, head: Head) -> Checked<()> {
        let object = Object("phần đầu của gói · the bundle's head".to_owned());
        if head.version != BUNDLE_VERSION {
            return Err(
                object.with("phiên bản gói này chưa hiểu được", "this version of bundle is not understood")
            );
        }
        let cut = Object("điểm kiểm của sổ cái · the ledger's checkpoint".to_owned());
        let believed = self.trust.believe(head.cut.as_bytes(), &head.ledger);
        let believed = believed.map_err(|error| {
            cut.with(
                &format!("chữ ký không đúng hoặc sổ cái lạ ({error})"),
                &format!("bad signature or unknown ledger ({error})"),
            )
        })?;
        if !believed.quorum {
            return Err(cut.with(
                "không đủ nhân chứng ký theo chính sách",
                "fewer witnesses have cosigned it than the policy asks for",
            ));
        }
        let origin = head
            .ledger
            .parse()
            .map_err(|_| object.with("tên sổ cái sai", "the ledger's name is malformed"))?;
        self.begun = Some(Begun { head, origin, cut: believed });
        self.at = At::Ledger;
        Ok(())
    }

    fn begun(&self) -> Checked<&Begun> {
        self.begun.as_ref().ok_or_else(|| self.this_line().with("không đúng chỗ", "out of place"))
    }

    fn open(&mut self, log: LogHead) -> Checked<()> {
        let object = log_object(&log.origin);
        let begun = self.begun()?;
        let mut opened = OpenLog {
            origin: log
                .origin
                .parse()
                .map_err(|_| object.with("tên nhật ký sai", "the log's name is malformed"))?,
            size: log.size,
            root: [0; 32],
            accepted: None,
            enrolled: None,
            leaves: Vec::new(),
            types: BTreeMap::new(),
            signed_for: None,
        };
        if self.at == At::Ledger {
            let cut = begun.cut.signed.checkpoint();
            if opened.origin != begun.origin || log.size != cut.size || log.accepted.is_some() {
                return Err(object.with("phải là sổ cái của gói", "it must be the bundle's ledger"));
            }
            opened.root = cut.root;
        } else {
            let (enrolment, accepted) = self.accepted_log(&log, &opened.origin, &object)?;
            (opened.root, opened.accepted, opened.enrolled) =
                (accepted.root, Some(accepted.at), Some(enrolment.at));
        }
        self.log = Some(opened);
        Ok(())
    }

    /// A replica's log as the ledger has accepted it: under its own signature, by the key of its enrolment.
    fn accepted_log(
        &self,
        log: &LogHead,
        origin: &Origin,
        object: &Object,
    ) -> Checked<(&Enrolment, &Accepted)> {
        if self.logs.iter().any(|known| known.origin == log.origin) {
            return Err(object.with("lặp lại", "it stands twice"));
        }
        let enrolment =
            self.facts.enrolled.get(&origin.replica()).filter(|enrolment| enrolment.unit == *origin.unit());
        let enrolment = enrolment.ok_or_else(|| {
            object.with("máy này không có trong sổ cái", "its replica is not enrolled in the ledger")
        })?;
        let accepted = self.facts.accepted.get(&origin.replica());
        let mut accepted = accepted.into_iter().flat_map(BTreeMap::values);
        let accepted =
            accepted.find(|accepted| Some(accepted.index) == log.accepted && accepted.size == log.size);
        let accepted = accepted.ok_or_else(|| {
            object.with("sổ cái không có lần nhận này", "the ledger has no such acceptance")
        })?;
        let named = Object(format!("điểm kiểm của {0} · the checkpoint of {0}", log.origin));
        let signed = SignedCheckpoint::verify(accepted.checkpoint.as_bytes(), &log.origin, enrolment.key);
        let signed = signed.map_err(|error| {
            named.with(
                &format!("chữ ký của máy không đúng ({error})"),
                &format!("not signed by its replica ({error})"),
            )
        })?;
        let head = signed.checkpoint();
        if head.size != accepted.size || head.root != accepted.root {
            return Err(
                named.with("khác với lần nhận trong sổ cái", "it differs from its acceptance in the ledger")
            );
        }
        if let Some(receipt) = &log.receipt
            && !self.trust.cosigned(head, receipt)
        {
            return Err(named.with("biên nhận của tỉnh không đúng", "the province's receipt does not hold"));
        }
        Ok((enrolment, accepted))
    }

    fn close(&mut self, proof: &Proof) -> Checked<()> {
        let Some(log) = self.log.take() else { return Ok(()) };
        let object = log_object(log.origin.as_str());
        let hashes: Vec<Digest> = proof.hashes.iter().map(|hash| hash.0).collect();
        let root = covered_root(log.size, &log.leaves, &hashes);
        if root != Ok(log.root) {
            return Err(object.with(
                "các mục và bằng chứng không dẫn đến gốc đã ký",
                "its entries and proof do not lead to the signed root",
            ));
        }
        if self.at == At::Ledger {
            self.check_grant()?;
            self.at = At::Logs;
        } else {
            let signed = log.signed_for.or(log.enrolled);
            let behind = log.accepted.zip(signed).map_or(0, |(accepted, signed)| accepted.since(signed));
            if behind > UNSIGNED_MILLIS_MAX {
                return Err(object.with(
                    "máy ghi chưa ký số lượng của phần cuối: không chứng minh được là đủ",
                    "its writer's count of what it wrote is not shown for its later part: it is not shown to be complete",
                ));
            }
        }
        self.logs.push(LogReport {
            unit: log.origin.unit().clone(),
            replica: log.origin.replica(),
            origin: log.origin.to_string(),
            size: log.size,
            accepted_at: log.accepted.map(UnixMillis::rfc3339),
            complete_until: log.signed_for.map(UnixMillis::rfc3339),
            types: log.types,
        });
        Ok(())
    }

    fn check_grant(&mut self) -> Checked<()> {
        let begun = self.begun()?;
        let object = Object(format!("giấy cấp quyền số {0} · grant {0}", begun.head.grant));
        let (Some((proposer, terms)), Some(approver)) =
            (self.facts.proposed.clone(), self.facts.approved.clone())
        else {
            return Err(object.with(
                "không thấy đề nghị và phê duyệt trong sổ cái",
                "its proposal and approval are not in the ledger",
            ));
        };
        if terms != begun.head.terms {
            return Err(object.with("khác với bản trong sổ cái", "its terms are not those of the ledger"));
        }
        if proposer == approver {
            return Err(
                object.with("người đề nghị cũng là người duyệt", "one and the same proposed and approved it")
            );
        }
        self.granted_by = Some((proposer, approver));
        Ok(())
    }

    /// Every replica the ledger has of the granted units is shown, as far as it was held when the units were listed.
    fn check_roll(&self) -> Checked<()> {
        let object = Object("danh sách máy của các đơn vị · the list of the units' replicas".to_owned());
        let terms = self.granted()?;
        let roll = &self.facts.roll;
        let all = terms.shares.iter().any(|share| share.units.is_empty());
        if all && !roll.is_whole() {
            return Err(object.with("không đủ", "it is not whole"));
        }
        let named: BTreeSet<&UnitCode> = terms.shares.iter().flat_map(|share| &share.units).collect();
        if let Some(unit) = named.iter().find(|unit| !roll.units.contains_key(**unit)) {
            return Err(
                object.with(&format!("không có đơn vị {unit}"), &format!("it does not have unit {unit}"))
            );
        }
        for (unit, replicas) in roll.units.iter().filter(|(unit, _)| terms.covers_unit(unit)) {
            for (replica, held) in replicas.iter().filter(|(_, held)| *held > 0) {
                let shown = self.logs.iter().find(|log| log.replica == *replica && log.unit == *unit);
                if shown.is_none_or(|log| log.size < *held) {
                    let object = Object(format!("máy {replica} của {unit} · replica {replica} of {unit}"));
                    return Err(object.with(
                        &format!("sổ cái ghi có {held} mục nhưng gói không có đủ"),
                        &format!("the ledger has {held} entries of it, the bundle does not"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn accessed(&mut self, access: &Access) -> Checked<()> {
        let object = Object("ghi nhận việc giao · the record of this delivery".to_owned());
        self.check_roll()?;
        let begun = self.begun()?;
        let terms = self.granted()?;
        let entry =
            Entry::decode(&access.entry.0).map_err(|_| object.with("không đọc được", "it cannot be read"))?;
        let event = Event::of(&entry).ok().filter(|event| event.kind == event::ACCESS);
        let event = event.ok_or_else(|| object.with("không đọc được", "it cannot be read"))?;
        let digest = hex::encode(self.digest.clone().finish());
        let said = number(&event, "grant") == Some(begun.head.grant)
            && unit(&event, "agency") == Some(&terms.agency)
            && number(&event, "cut") == Some(begun.cut.signed.checkpoint().size)
            && entry.header.dot.replica == begun.origin.replica();
        if !said {
            return Err(object.with("nói về lần giao khác", "it speaks of another delivery"));
        }
        if text(&event, "digest") != Some(&digest) {
            return Err(object.with(
                "nội dung gói không phải nội dung đã ghi sổ khi giao",
                "the bundle is not what was logged as handed over",
            ));
        }
        if !terms.has_begun(event.at) || terms.is_over(event.at) {
            return Err(
                object.with("giao ngoài thời hạn được cấp", "it was handed over outside the grant's term")
            );
        }
        let checkpoint =
            Object("điểm kiểm của sổ cái khi giao · the ledger's checkpoint at delivery".to_owned());
        let believed = self.trust.believe(access.checkpoint.as_bytes(), &begun.head.ledger);
        let believed = believed.map_err(|error| {
            checkpoint.with(&format!("chữ ký không đúng ({error})"), &format!("not signed ({error})"))
        })?;
        let (cut, now) = (begun.cut.signed.checkpoint(), believed.signed.checkpoint());
        let hashes = |hashes: &[Hash]| hashes.iter().map(|hash| hash.0).collect::<Vec<Digest>>();
        let (path, consistency) = (hashes(&access.path), hashes(&access.consistency));
        verify_consistency(cut.size, &cut.root, now.size, &now.root, &consistency).map_err(|_| {
            checkpoint.with("không nối tiếp sổ cái trước đó", "it does not go on from the ledger before")
        })?;
        let index = entry.header.dot.sequence.0;
        verify_inclusion(&entry.leaf_hash(), index, now.size, &path, &now.root)
            .map_err(|_| object.with("không có trong sổ cái", "it is not in the ledger"))?;
        self.access = Some((index, event.at));
        self.at = At::End;
        Ok(())
    }
}

/// What was erased of the entries shown, by order: exactly as many of their fields as is said.
fn erased(facts: &Facts, claimed: &[(Dot, BTreeSet<Digest>, u32)]) -> Checked<BTreeMap<String, u64>> {
    let mut by_order: BTreeMap<String, u64> = BTreeMap::new();
    for (dot, commitments, count) in claimed {
        let orders = facts.erased_by(dot, commitments).unwrap_or_default();
        if orders.len() != *count as usize {
            let Dot { replica, sequence } = dot;
            let object = Object(format!("mục {sequence} của {replica} · entry {sequence} of {replica}"));
            return Err(object.with(
                "gói nói có trường đã xóa theo lệnh mà sổ cái không ghi như vậy",
                "fields of it are said to be erased by an order, the ledger does not say so",
            ));
        }
        for order in orders {
            *by_order.entry(order.to_owned()).or_default() += 1;
        }
    }
    Ok(by_order)
}

/// The object a refusal names, as `vi · en`.
#[derive(Debug)]
struct Object(String);

impl Object {
    fn with(&self, vi: &str, en: &str) -> Refused {
        Refused { object: self.0.clone(), why: format!("{vi} · {en}") }
    }
}

fn log_object(origin: &str) -> Object {
    Object(format!("nhật ký {origin} · log {origin}"))
}
