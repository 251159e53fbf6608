//! Merge: each field is a multi-value register; applying a write is commutative, associative and idempotent.
//!
//! State never depends on the policy: a policy only picks what is shown (DESIGN 6).

use std::cmp::Reverse;

use crate::catalogue::{CodeList, Policy};
use crate::change::Context;
use crate::ids::{Dot, UnitCode};
use crate::time::Hlc;
use crate::value::Value;

/// One concurrent value of a register, and where its change stands (`L` locates it for its keeper).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sibling<L> {
    /// The write.
    pub dot: Dot,
    /// Where the value can be read.
    pub at: L,
}

/// The state of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<L> {
    /// Pointwise maximum over the contexts of all applied writes.
    pub superseded: Context,
    /// The live writes, by dot.
    pub siblings: Vec<Sibling<L>>,
}

impl<L> Default for Register<L> {
    fn default() -> Self {
        Self { superseded: Context::default(), siblings: Vec::new() }
    }
}

/// What applying a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is live now.
    Live,
    /// Something applied before had seen it already.
    Superseded,
    /// It was there.
    Repeated,
}

impl<L> Register<L> {
    /// Applies the write at `dot` that had seen `context`.
    pub fn apply(&mut self, dot: Dot, context: &Context, at: L) -> Applied {
        for (replica, sequence) in context.iter() {
            // A context cannot honestly reach its own write or later; what it claims beyond is ignored,
            // so that no write can supersede itself.
            if replica == dot.replica && sequence >= dot.sequence.0 {
                continue;
            }
            self.superseded.raise(replica, sequence);
        }
        let superseded = &self.superseded;
        self.siblings.retain(|sibling| !superseded.covers(&sibling.dot));
        if self.superseded.covers(&dot) {
            return Applied::Superseded;
        }
        match self.siblings.binary_search_by_key(&dot, |sibling| sibling.dot) {
            Ok(_) => Applied::Repeated,
            Err(index) => {
                self.siblings.insert(index, Sibling { dot, at });
                Applied::Live
            }
        }
    }

    /// The context a new write must carry: everything seen, `own` last write included by being live here.
    #[must_use]
    pub fn context(&self) -> Context {
        let mut context = Context::default();
        for sibling in &self.siblings {
            context.raise(sibling.dot.replica, sibling.dot.sequence.0);
        }
        context
    }
}

/// A live value with what a policy needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The write.
    pub dot: Dot,
    /// The stamp that counts.
    pub effective: Hlc,
    /// The unit whose replica wrote it.
    pub unit: UnitCode,
    /// Written by a unit that does not own the record.
    pub proposal: bool,
    /// What it states.
    pub value: Value,
}

/// Which candidate is shown. Proposals never rank above what is not one.
#[must_use]
pub fn shown<'a>(
    policy: Policy,
    owner: Option<&UnitCode>,
    codes: Option<&CodeList>,
    candidates: &'a [Candidate],
) -> Option<&'a Candidate> {
    let latest = |candidate: &Candidate| (candidate.effective, candidate.dot);
    let owned = |candidate: &Candidate| owner == Some(&candidate.unit);
    let firm = |candidate: &Candidate| !candidate.proposal;
    let all = candidates.iter();
    match policy {
        Policy::Latest | Policy::Review | Policy::Union => all.max_by_key(|c| (firm(c), latest(c))),
        Policy::Owner => all.max_by_key(|c| (firm(c), owned(c), latest(c))),
        Policy::Province => all.max_by_key(|c| (firm(c), c.unit.is_province(), owned(c), latest(c))),
        Policy::Highest => all.max_by_key(|c| (firm(c), rank(&c.value, codes), latest(c))),
        Policy::Lowest => all.max_by_key(|c| (firm(c), Reverse(rank(&c.value, codes)), latest(c))),
        Policy::Once => all.max_by_key(|c| (firm(c), Reverse(latest(c)))),
    }
}

/// The value shown: of `union` registers all members together, otherwise [`shown`]'s.
#[must_use]
pub fn shown_value(
    policy: Policy,
    owner: Option<&UnitCode>,
    codes: Option<&CodeList>,
    candidates: &[Candidate],
) -> Option<Value> {
    if policy == Policy::Union {
        let firm = candidates.iter().any(|candidate| !candidate.proposal);
        let mut members = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.proposal != firm) {
            match &candidate.value {
                Value::List(values) => members.extend(values.iter().cloned()),
                Value::Null => {}
                value => members.push(value.clone()),
            }
        }
        if candidates.iter().any(|candidate| matches!(candidate.value, Value::List(_))) {
            members.sort_unstable();
            members.dedup();
            return Some(Value::List(members));
        }
    }
    shown(policy, owner, codes, candidates).map(|candidate| candidate.value.clone())
}

/// Whether the candidates leave something to decide: at least two different values, or a value that nobody whose word
/// counts has stated. A proposal alone is shown, so it must be seen.
#[must_use]
pub fn in_conflict(policy: Policy, candidates: &[Candidate]) -> bool {
    if candidates.iter().all(|candidate| candidate.proposal) {
        return candidates.iter().any(|candidate| candidate.value != Value::Null);
    }
    if policy == Policy::Union && candidates.iter().all(|candidate| !candidate.proposal) {
        return false;
    }
    let mut values = candidates.iter().map(|candidate| &candidate.value);
    values.next().is_some_and(|first| values.any(|value| value != first))
}

fn rank(value: &Value, codes: Option<&CodeList>) -> i64 {
    match value {
        Value::Null => i64::MIN,
        Value::Integer(number) | Value::Money(number) => *number,
        Value::Date(days) => i64::from(*days),
        Value::Timestamp(at) => i64::try_from(at.0).unwrap_or(i64::MAX),
        Value::Boolean(yes) => i64::from(*yes),
        Value::Code(code) => codes
            .and_then(|list| list.codes.iter().position(|known| known.code == *code))
            .and_then(|ordinal| i64::try_from(ordinal).ok())
            .unwrap_or(-1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ReplicaId, Sequence};

    const WRITER: ReplicaId = ReplicaId([1; 16]);
    const OTHER: ReplicaId = ReplicaId([2; 16]);

    fn dot(replica: ReplicaId, sequence: u64) -> Dot {
        Dot { replica, sequence: Sequence(sequence) }
    }

    /// Goal (P3, P4): a write that claims to have seen itself, or what its writer has yet to write, takes nothing by that: neither
    /// its own value nor a later one is lost; of others it takes what it has seen.
    #[test]
    fn p4_no_write_supersedes_itself_or_what_comes_behind_it() {
        for claimed in [5, 9] {
            let mut register = Register::default();
            assert_eq!(register.apply(dot(OTHER, 3), &Context::default(), ()), Applied::Live);
            let mut context = Context::default();
            context.raise(WRITER, claimed);
            context.raise(OTHER, 3);
            assert_eq!(register.apply(dot(WRITER, 5), &context, ()), Applied::Live);
            assert_eq!(register.apply(dot(WRITER, 7), &Context::default(), ()), Applied::Live);
            let live: Vec<Dot> = register.siblings.iter().map(|sibling| sibling.dot).collect();
            assert_eq!(live, [dot(WRITER, 5), dot(WRITER, 7)]);
        }
    }
}
