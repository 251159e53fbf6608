//! Checks a bundle, or a delivery of a live view, line by line: nothing in it is believed that does not lead to the trust
//! policy's keys.

mod access;
mod entries;
mod logs;
mod progress;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::line::{BUNDLE_VERSION, Hash, Head, LINE_BYTES_MAX, Left, Line, Since};
use super::report::{Refused, Report, Told};
use super::{Believed, Trust};
use crate::checkpoint::Origin;
use crate::hash::{Digest, Streamed};
use crate::ids::Dot;
use crate::time::UnixMillis;

pub use progress::Progress;
use progress::{LogState, OpenLog};

type Checked<T> = Result<T, Refused>;

/// What the head said, and what was believed of it.
#[derive(Debug)]
struct Begun {
    head: Head,
    origin: Origin,
    cut: Believed,
    before_roll: Option<Believed>,
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

/// The check of one bundle, or of one delivery.
#[derive(Debug)]
pub struct Verification<'a> {
    trust: &'a Trust,
    /// A delivery of a live view goes on from the one before.
    live: bool,
    at: At,
    lines: u64,
    digest: Streamed,
    begun: Option<Begun>,
    progress: Progress,
    /// The logs of this delivery, by name.
    read: BTreeSet<String>,
    /// Who proposed and who approved the grant, once the ledger was read.
    granted_by: Option<(String, String)>,
    log: Option<OpenLog>,
    /// The delivery's own access event.
    access: Option<Accessed>,
    /// What is said to be erased: the entry, its bare commitments, how many of them.
    claimed: Vec<(Dot, BTreeSet<Digest>, u32)>,
}

/// A delivery's own access event.
#[derive(Debug)]
struct Accessed {
    index: u64,
    leaf: Digest,
    at: UnixMillis,
    digest: Hash,
}

impl<'a> Verification<'a> {
    /// A check of a bundle by a policy; the lines come next, in order.
    #[must_use]
    pub fn new(trust: &'a Trust) -> Self {
        Self {
            trust,
            live: false,
            at: At::Head,
            lines: 0,
            digest: Streamed::default(),
            begun: None,
            progress: Progress::default(),
            read: BTreeSet::new(),
            granted_by: None,
            log: None,
            access: None,
            claimed: Vec::new(),
        }
    }

    /// A check of the next delivery of a live view, by a policy; of the first, if nothing came before.
    #[must_use]
    pub fn going_on(trust: &'a Trust, mut progress: Progress) -> Self {
        // Each delivery brings a list of the units' replicas of its own.
        progress.facts.forget_roll();
        Self { live: true, progress, ..Self::new(trust) }
    }

    /// Takes the next line, without its newline. What comes back is proven only once [`Self::finish`] or
    /// [`Self::conclude`] has given its report.
    ///
    /// # Errors
    /// [`Refused`], naming the object; nothing more is taken then.
    pub fn line(&mut self, line: &str) -> Checked<Option<Told>> {
        let wrong = self.this_line();
        let parsed = (line.len() <= LINE_BYTES_MAX).then(|| Line::parse(line)).flatten();
        let parsed = parsed.ok_or_else(|| wrong.with("không đúng dạng", "malformed"))?;
        let mut told = None;
        match (self.at, parsed) {
            (At::Head, Line::Head(head)) => self.head(head)?,
            (At::Ledger | At::Logs, Line::Log(log)) if self.log.is_none() => self.open(log)?,
            (At::Ledger | At::Logs, Line::Entry(shown)) if self.log.is_some() => told = self.entry(shown)?,
            (At::Ledger | At::Logs, Line::Proof(proof)) if self.log.is_some() => self.close(&proof)?,
            (At::Logs, Line::Again(again)) if self.live && self.log.is_none() => {
                told = Some(self.again(again)?);
            }
            (At::Logs, Line::Left(left)) if self.live && self.log.is_none() => told = Some(self.left(left)?),
            (At::Logs, Line::Access(access)) if self.log.is_none() => self.accessed(&access)?,
            (At::End, Line::End(end)) if end.lines == self.lines => self.at = At::Done,
            _ => return Err(wrong.with("không đúng chỗ", "out of place")),
        }
        self.lines += 1;
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        Ok(told)
    }

    /// What is proven, once all lines were taken.
    ///
    /// # Errors
    /// [`Refused`] if the bundle ends too early, or something is missing.
    pub fn finish(self) -> Checked<Report> {
        self.conclude().map(|(report, _)| report)
    }

    /// That there is no more where there should be.
    #[must_use]
    pub fn cut_off(&self) -> Refused {
        self.this_line().with("gói bị cắt cụt", "the bundle is cut off")
    }

    /// What is proven, once all lines were taken; and what the next delivery of a live view goes on from.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn conclude(self) -> Checked<(Report, Progress)> {
        let cut_off = self.cut_off();
        if self.at != At::Done {
            return Err(cut_off);
        }
        let (
            Some(begun),
            Some((proposed_by, approved_by)),
            Some(Accessed { index: access, leaf, at, digest }),
        ) = (self.begun, self.granted_by, self.access)
        else {
            return Err(cut_off);
        };
        let erased = erased(&self.progress.facts, &self.claimed)?;
        let Begun { head, cut, .. } = begun;
        let size = cut.signed.checkpoint().size;
        let mut progress = self.progress;
        progress.since = Since { cut: size, digest };
        progress.access = Some((access, leaf));
        progress.of = Some((head.ledger.clone(), head.grant, head.terms.clone()));
        progress.settle();
        let report = Report {
            ledger: head.ledger,
            size,
            witnesses: cut.witnesses,
            witnessed: self.trust.asks_witnesses(),
            grant: head.grant,
            terms: head.terms,
            proposed_by,
            approved_by,
            access,
            accessed_at: at.rfc3339(),
            digest: hex::encode(digest.0),
            logs: progress.logs.iter().map(|log| log.report(&progress.facts)).collect(),
            erased,
        };
        Ok((report, progress))
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
        self.goes_on(&head, &object)?;
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
        let earlier = Object("điểm kiểm trước danh sách máy · the checkpoint before the roll".to_owned());
        let before_roll = head.before_roll.as_ref();
        let before_roll = before_roll.map(|note| self.trust.believe(note.as_bytes(), &head.ledger));
        let before_roll = before_roll.transpose().map_err(|error| {
            earlier.with(&format!("chữ ký không đúng ({error})"), &format!("not signed ({error})"))
        })?;
        let origin = head
            .ledger
            .parse()
            .map_err(|_| object.with("tên sổ cái sai", "the ledger's name is malformed"))?;
        self.begun = Some(Begun { head, origin, cut: believed, before_roll });
        self.at = At::Ledger;
        Ok(())
    }

    /// A bundle stands alone; a delivery goes on from the one before, in the same view.
    fn goes_on(&self, head: &Head, object: &Object) -> Checked<()> {
        match (self.live, head.since) {
            (false, None) => Ok(()),
            (false, Some(_)) => Err(object.with(
                "đây là một lần giao của dữ liệu trực tuyến, không phải gói",
                "it is a delivery of a live view, no bundle",
            )),
            (true, since) if since != Some(self.progress.since) => Err(object.with(
                "không nối tiếp lần giao trước: thiếu, lặp lại hoặc sai thứ tự",
                "it does not go on from the delivery before: one is missing, repeated or out of order",
            )),
            (true, _) => match &self.progress.of {
                Some((ledger, grant, terms))
                    if (ledger, grant, terms) != (&head.ledger, &head.grant, &head.terms) =>
                {
                    Err(object.with(
                        "của sổ cái, giấy cấp quyền hoặc phạm vi khác",
                        "it is of another ledger, grant or terms",
                    ))
                }
                _ => Ok(()),
            },
        }
    }

    fn begun(&self) -> Checked<&Begun> {
        self.begun.as_ref().ok_or_else(|| self.this_line().with("không đúng chỗ", "out of place"))
    }

    /// A record leaves the view.
    fn left(&mut self, left: Left) -> Checked<Told> {
        if !self.progress.standing.remove(&(left.record_type.clone(), left.record)) {
            let object = Object(format!("bản ghi {0} · record {0}", left.record));
            return Err(object.with("không có trong phạm vi để rời đi", "it was not there to leave"));
        }
        Ok(Told::Left(left))
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
