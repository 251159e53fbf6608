//! Which steps of a record's course are illegal, and what changed while it was locked.
//!
//! A step is judged by causality: a live write of the state, against the states its writer had seen and nobody had
//! replaced before its eyes. Two states written without sight of each other are a conflict, and each is judged by
//! what it came from. Of what was replaced only this counts: an illegal step may be put back, or gone on from by a
//! legal one; but one out of a lock leaves the record locked until it is opened with a reason.
//!
//! Contexts are kept field by field, so for the other fields *after it was locked* is a matter of the writer's own
//! log and of the stamps that count ([`Written::is_after`]), and a value that says what stood before is no change.
//! A proposal is judged only where nothing firm is shown beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::Written;
use crate::catalogue::{Course, Passage};
use crate::change::Write;
use crate::ids::{Dot, Sequence};
use crate::merge::Register;
use crate::value::Value;

/// What is wrong with a live state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    /// The state it was in; `None` if this is its first.
    pub(super) from: Option<String>,
    /// The state it is said to be in; `None` if the state was cleared.
    pub(super) to: Option<String>,
}

/// What breaks a course.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Illegal steps.
    pub(super) steps: BTreeSet<Fault>,
    /// Paths changed while the record was locked.
    pub(super) locked: BTreeSet<String>,
}

/// Judges a record's history. `codes` are the states there are: another text is none, which is another rule's
/// business; `shown` is the state shown.
pub(super) fn faults(
    course: &Course,
    codes: &BTreeSet<String>,
    history: &[Written],
    shown: Option<&Value>,
) -> Faults {
    let mut walk = Walk::new(course, codes, history);
    let live = shown_of(history, &course.state);
    let mut found = Faults::default();
    for written in &live {
        walk.reach(written.dot);
        found.steps.extend(walk.reached.get(&written.dot).and_then(|reached| reached.fault.clone()));
    }
    let meant = |written: &&&Written| written.write(&course.state).map(|write| &write.value) == shown;
    let meant: Vec<&&Written> = live.iter().filter(meant).collect();
    let meant = if meant.is_empty() { live.iter().collect() } else { meant };
    if let Some(lock) = walk.locked_since(&meant) {
        found.locked = changed_since(course, history, lock);
    }
    found
}

/// The live writes of a path that can be shown: the firm ones, or all if none is.
fn shown_of<'a>(history: impl IntoIterator<Item = &'a Written>, path: &str) -> Vec<&'a Written> {
    let mut register = Register::default();
    let mut all: BTreeMap<Dot, &Written> = BTreeMap::new();
    for written in history {
        if let Some(write) = written.write(path) {
            register.apply(written.dot, &written.seen(write), ());
            all.insert(written.dot, written);
        }
    }
    let live: Vec<&Written> =
        register.siblings.iter().filter_map(|sibling| all.get(&sibling.dot).copied()).collect();
    let firm: Vec<&Written> = live.iter().copied().filter(|written| !written.proposal).collect();
    if firm.is_empty() { live } else { firm }
}

/// The paths whose live values came after the lock and say something else than stood there.
fn changed_since(course: &Course, history: &[Written], lock: &Written) -> BTreeSet<String> {
    let field = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let judged =
        |write: &&Write| !write.path.starts_with('_') && !course.is_open_when_locked(&field(&write.path));
    let late = history.iter().filter(|written| written.is_after(lock));
    let paths: BTreeSet<&str> = late
        .flat_map(|written| written.writes.iter().filter(judged))
        .map(|write| write.path.as_str())
        .collect();
    let changed = |path: &&str| {
        let value = |written: &&Written| written.write(path).map(|write| &write.value).cloned();
        let before = shown_of(history.iter().filter(|written| !written.is_after(lock)), path);
        let mut stood: BTreeSet<Value> = before.iter().filter_map(value).collect();
        if stood.is_empty() {
            stood.insert(Value::Null);
        }
        let now = shown_of(history, path);
        now.iter()
            .filter(|written| written.is_after(lock))
            .filter_map(value)
            .any(|value| !stood.contains(&value))
    };
    paths.into_iter().filter(changed).map(str::to_owned).collect()
}

/// The states that stand behind a write: state and whether it came about legally → the write it came with first.
type Standing<'a> = BTreeMap<(&'a str, bool), Dot>;

/// What was made of a write of the state.
#[derive(Debug, Default)]
struct Reached<'a> {
    fault: Option<Fault>,
    stands: Standing<'a>,
}

/// The writes of the state, judged from the first on.
struct Walk<'a> {
    course: &'a Course,
    codes: &'a BTreeSet<String>,
    writes: BTreeMap<Dot, &'a Written>,
    reached: BTreeMap<Dot, Reached<'a>>,
}

impl<'a> Walk<'a> {
    fn new(course: &'a Course, codes: &'a BTreeSet<String>, history: &'a [Written]) -> Self {
        let writes = history.iter().filter(|written| written.write(&course.state).is_some());
        let writes = writes.map(|written| (written.dot, written)).collect();
        Self { course, codes, writes, reached: BTreeMap::new() }
    }

    /// Judges a write, and before it those it came from; without recursion, for a history may be long.
    fn reach(&mut self, dot: Dot) {
        let (mut way, mut entered) = (vec![dot], BTreeSet::new());
        while let Some(dot) = way.last().copied() {
            let Some(written) = self.writes.get(&dot).copied() else { break };
            let before = self.before(written);
            if entered.insert(dot) {
                let open = |dot: &&Dot| !self.reached.contains_key(*dot) && !entered.contains(*dot);
                let open: Vec<Dot> = before.iter().filter(open).copied().collect();
                if !open.is_empty() {
                    way.extend(open);
                    continue;
                }
            }
            way.pop();
            if !self.reached.contains_key(&dot) {
                let reached = self.judge(written, &before);
                self.reached.insert(dot, reached);
            }
        }
    }

    /// The writes a writer had seen and nothing it had seen had replaced; proposals only if there is nothing else.
    fn before(&self, written: &Written) -> Vec<Dot> {
        let mut register = Register::default();
        let Some(write) = written.write(&self.course.state) else { return Vec::new() };
        for (replica, upto) in written.seen(write).iter() {
            let dot = |sequence| Dot { replica, sequence: Sequence(sequence) };
            // Nobody has seen its own write before it wrote.
            let end = if replica == written.dot.replica { dot(upto).min(written.dot) } else { dot(upto) };
            let last = self.writes.range(dot(0)..=end).rev().find(|(known, _)| **known != written.dot);
            if let Some((known, seen)) = last
                && let Some(write) = seen.write(&self.course.state)
            {
                register.apply(*known, &seen.seen(write), ());
            }
        }
        let all: Vec<Dot> = register.siblings.iter().map(|sibling| sibling.dot).collect();
        let firm = |dot: &&Dot| self.writes.get(*dot).is_some_and(|written| !written.proposal);
        let firm: Vec<Dot> = all.iter().filter(firm).copied().collect();
        if firm.is_empty() { all } else { firm }
    }

    fn state_of(&self, written: &'a Written) -> Option<&'a str> {
        match &written.write(&self.course.state)?.value {
            Value::Code(code) => self.codes.get(code).map(String::as_str),
            _ => None,
        }
    }

    fn judge(&self, written: &'a Written, before: &[Dot]) -> Reached<'a> {
        let mut stood = Standing::new();
        for reached in before.iter().filter_map(|dot| self.reached.get(dot)) {
            for (state, since) in &reached.stands {
                self.note(&mut stood, *state, *since);
            }
        }
        let locked = |(state, firm): &&(&'a str, bool)| *firm && self.course.is_locked(state);
        let Some(to) = self.state_of(written) else {
            let fault = stood.keys().find(locked).and_then(|(from, _)| fault(Some(from), None));
            return Reached { fault, stands: stood };
        };
        let reason = self.course.reopen.as_ref().is_some_and(|reopen| written.says(&reopen.field));
        let open = |(from, firm): &&(&'a str, bool)| match self.course.passage(from, to) {
            _ if *firm && *from == to => true,
            Passage::Free => true,
            Passage::WithReason => reason,
            Passage::Closed => false,
        };
        // Out of a lock every way is guarded; otherwise one of several that leads here is enough.
        let held = stood.keys().filter(locked).find(|from| !open(from));
        if let Some((from, _)) = held {
            return Reached { fault: fault(Some(from), Some(to)), stands: stood };
        }
        let blamed = if stood.is_empty() {
            // Having seen what is not here it cannot be judged; having seen nothing it is the first.
            let seen = written.write(&self.course.state).map(|write| written.seen(write)).unwrap_or_default();
            let unknown = before.is_empty() && !seen.is_empty();
            (!unknown && !self.course.may_begin(to)).then_some(None)
        } else if stood.keys().any(|from| open(&from)) {
            None
        } else {
            // Where only the reason is missing, that is said.
            let near = |(from, _): &&(&str, bool)| self.course.passage(from, to) == Passage::WithReason;
            let other = |(from, firm): &&(&str, bool)| *firm && *from != to;
            let mut all = stood.keys();
            let from = stood.keys().find(near).or_else(|| stood.keys().find(other)).or_else(|| all.next());
            Some(from.map(|(from, _)| *from))
        };
        match blamed {
            None => {
                let mut since = Standing::from([((to, true), written.dot)]);
                if let Some(first) = stood.get(&(to, true)) {
                    self.note(&mut since, (to, true), *first);
                }
                Reached { fault: None, stands: since }
            }
            Some(from) => {
                self.note(&mut stood, (to, false), written.dot);
                Reached { fault: fault(from, Some(to)), stands: stood }
            }
        }
    }

    /// Notes that a state stands; the first write it came with counts.
    fn note(&self, standing: &mut Standing<'a>, state: (&'a str, bool), since: Dot) {
        let earlier = |one: &Dot, other: &Dot| match (self.writes.get(one), self.writes.get(other)) {
            (Some(one), Some(other)) => other.is_after(one),
            _ => false,
        };
        let known = standing.entry(state).or_insert(since);
        if earlier(&since, known) {
            *known = since;
        }
    }

    /// The write the record is locked since, if all of these leave it locked.
    fn locked_since(&self, live: &[&&'a Written]) -> Option<&'a Written> {
        let mut since = Standing::new();
        for written in live {
            let stands = &self.reached.get(&written.dot)?.stands;
            let mut locked = stands.iter().filter(|((state, firm), _)| *firm && self.course.is_locked(state));
            let (_, first) = locked.next()?;
            self.note(&mut since, ("", true), *first);
        }
        since.values().next().and_then(|first| self.writes.get(first)).copied()
    }
}

fn fault(from: Option<&str>, to: Option<&str>) -> Option<Fault> {
    Some(Fault { from: from.map(str::to_owned), to: to.map(str::to_owned) })
}
