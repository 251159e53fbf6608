//! The tree of a day, what refuses a step, and where records belong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::catalogue::{Catalogue, UnitKind, Units};
use crate::ids::{RecordId, Sequence, UnitCode};
use crate::time::UnixMillis;

const DAY: i32 = 20_700;

fn units() -> &'static Units {
    Catalogue::embedded().unwrap().units()
}

fn unit(code: &str) -> UnitCode {
    code.parse().unwrap()
}

fn step(kind: StepKind, on: i32, from: &[&str], to: &[&str]) -> Step {
    Step {
        number: 0,
        kind,
        on,
        from: from.iter().map(|code| unit(code)).collect(),
        to: to.iter().map(|code| unit(code)).collect(),
        begins: Vec::new(),
        names: BTreeMap::new(),
        unit_kind: None,
        rest: None,
        shares: Vec::new(),
        plan: None,
        reason: "QĐ 1".to_owned(),
        actor: "lan".to_owned(),
        at: UnixMillis(1),
    }
}

fn named(mut step: Step, code: &str, name: &str) -> Step {
    step.names.insert(unit(code), name.to_owned());
    step
}

fn split(on: i32, from: &str, to: &[&str], rest: &str, shares: &[(&str, &str, &str)]) -> Step {
    let share = |(field, value, to): &(&str, &str, &str)| Share {
        field: (*field).to_owned(),
        value: (*value).to_owned(),
        unit: unit(to),
    };
    let shares = shares.iter().map(share).collect();
    Step { rest: Some(unit(rest)), shares, ..step(StepKind::Split, on, &[from], to) }
}

/// Says a step at a place of the ledger, by way of its event's bytes.
fn say(lineage: &mut Lineage, number: u64, step: &Step) {
    assert!(lineage.note(&step.event(), Sequence(number)));
}

struct Known(BTreeMap<&'static str, &'static str>);

impl Asked for Known {
    fn record_type(&self) -> &str {
        "dang_vien"
    }

    fn record(&self) -> RecordId {
        RecordId([7; 16])
    }

    fn field(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }
}

fn known(fields: &[(&'static str, &'static str)]) -> Known {
    Known(fields.iter().copied().collect())
}

#[test]
fn a_step_comes_back_from_its_event() {
    let mut wanted = named(
        split(DAY, "11953", &["11989", "12004"], "12004", &[("chi_bo", "A=B", "11989")]),
        "11989",
        "Tân=Mới",
    );
    wanted.unit_kind = Some(UnitKind::Ward);
    wanted.begins = vec![unit("11989")];
    wanted.plan = Some("ab".to_owned());
    let read = Step::of(&wanted.event(), Sequence(9)).unwrap();
    assert_eq!(read, Step { number: 9, ..wanted.clone() });
    assert!(read.says_the_same(&wanted));
    assert!(!read.says_the_same(&Step { on: DAY + 1, ..wanted }));
}

/// Goal: the tree before a step's day is the old one, from that day on the new one; both name the units as they were.
#[test]
fn a_day_has_its_tree() {
    let mut lineage = Lineage::default();
    say(
        &mut lineage,
        3,
        &named(step(StepKind::Merge, DAY, &["11953", "11977"], &["11900"]), "11900", "Hòa Bình"),
    );
    say(&mut lineage, 5, &named(step(StepKind::Rename, DAY + 9, &["12004"], &["12004"]), "12004", "Tên Mới"));
    let before = lineage.tree(units(), DAY - 1);
    assert_eq!(before, Tree::of(units()));
    let after = lineage.tree(units(), DAY);
    assert!(after.get(&unit("11953")).is_none() && before.get(&unit("11900")).is_none());
    assert_eq!(after.get(&unit("11900")).unwrap().name, "Hòa Bình");
    assert_eq!(after.title(&unit("11953")), "Phường Phố Hiến", "also of one that ended");
    assert_eq!(after.ending(&unit("11953")).unwrap().on, DAY);
    assert_eq!(after.successors(&unit("11953")), [unit("11900")]);
    assert_eq!(after.predecessors(&unit("11900")), [unit("11953"), unit("11977")]);
    let old = after.get(&unit("12004")).unwrap().name.clone();
    assert_ne!(old, "Tên Mới");
    assert_eq!(lineage.tree(units(), DAY + 9).get(&unit("12004")).unwrap().name, "Tên Mới");
}

/// Goal: whatever cannot be is refused with its own code, and nothing has changed.
#[test]
fn what_cannot_be_is_refused() {
    let mut lineage = Lineage::default();
    say(&mut lineage, 3, &step(StepKind::Merge, DAY, &["11953"], &["11977"]));
    let merge = |from: &[&str], to: &[&str]| step(StepKind::Merge, DAY + 1, from, to);
    let add = |code: &str| Step {
        unit_kind: Some(UnitKind::Ward),
        ..named(step(StepKind::Add, DAY + 1, &[], &[code]), code, "Mới Lập")
    };
    let cases = [
        (merge(&["99999"], &["12004"]), "UNIT_UNKNOWN"),
        (merge(&["11953"], &["12004"]), "UNIT_ENDED"),
        (merge(&["12004", "12004"], &["11977"]), "UNIT_TWICE"),
        (merge(&["12004"], &["11901"]), "SUCCESSOR_UNKNOWN"),
        (merge(&["12004"], &["12004"]), "UNIT_ITSELF"),
        (named(merge(&["12004"], &["11953"]), "11953", "Cũ"), "CODE_TAKEN"),
        (merge(&["33"], &["12004"]), "UNIT_FIXED"),
        (merge(&["12004"], &["33"]), "UNIT_FIXED"),
        (merge(&[], &["12004"]), "STEP_LACKS"),
        (add("12004"), "CODE_TAKEN"),
        (add("00004"), "CODE_OUTSIDE"),
        (add("11956"), "CODE_OLD"),
        (add("abc"), "CODE_FORM"),
        (split(DAY + 1, "12004", &["11977"], "11983", &[]), "SUCCESSOR_UNKNOWN"),
        (Step { rest: None, ..split(DAY + 1, "12004", &["11977"], "12004", &[]) }, "STEP_LACKS"),
        (step(StepKind::Rename, DAY + 1, &["12004"], &["12004"]), "STEP_LACKS"),
    ];
    for (step, code) in cases {
        let fault = lineage.check(units(), &step, DAY + 5).unwrap_err();
        assert_eq!(fault.code(), code, "{step:?}: {fault}");
        assert!(fault.to_string().contains(" · "), "both languages: {fault}");
    }
    // A step on an earlier day that takes away what a later one stands on.
    let fault =
        lineage.check(units(), &step(StepKind::Merge, DAY - 1, &["11977"], &["12004"]), DAY + 5).unwrap_err();
    assert_eq!(fault.code(), "STEP_STOOD_ON");
    lineage.check(units(), &add("11902"), DAY + 5).unwrap();
}

/// Goal: a unit is not divided ahead of steps that have moved its records, whichever way; ahead of others it is.
#[test]
fn a_split_does_not_reach_behind_other_moves() {
    let moves = [(&["11977"], &["11953"]), (&["11953"], &["11977"])];
    for (from, to) in moves {
        let mut lineage = Lineage::default();
        say(&mut lineage, 3, &step(StepKind::Merge, DAY, from, to));
        let backdated = split(DAY - 1, "11953", &["12004"], "11953", &[]);
        let fault = lineage.check(units(), &backdated, DAY).unwrap_err();
        assert_eq!(fault, LineageFault::Overlaps { unit: unit("11953"), later: 3 });
        lineage.check(units(), &backdated, DAY - 1).unwrap();
        lineage.check(units(), &split(DAY - 1, "11983", &["12004"], "11983", &[]), DAY).unwrap();
        lineage.note(&undo_event(3, "nhầm", "lan", UnixMillis(2)), Sequence(4));
        lineage.check(units(), &backdated, DAY).unwrap();
    }
    let mut lineage = Lineage::default();
    say(&mut lineage, 3, &step(StepKind::Merge, DAY, &["11977"], &["11953"]));
    lineage.check(units(), &split(DAY, "11953", &["12004"], "11953", &[]), DAY).unwrap();
}

/// Goal: a step is undone once, and not while a later one stands on it.
#[test]
fn undoing_goes_from_the_last_to_the_first() {
    let mut lineage = Lineage::default();
    say(&mut lineage, 3, &step(StepKind::Merge, DAY, &["11953"], &["11977"]));
    say(&mut lineage, 4, &step(StepKind::Merge, DAY + 1, &["11977"], &["12004"]));
    let undo = |lineage: &Lineage, number| lineage.check_undo(units(), number, DAY + 5).map(drop);
    assert_eq!(undo(&lineage, 9), Err(LineageFault::StepUnknown(9)));
    assert_eq!(undo(&lineage, 3), Err(LineageFault::StoodOn { step: 3, later: 4 }));
    assert_eq!(undo(&lineage, 4), Ok(()));
    assert!(lineage.note(&undo_event(4, "nhầm", "lan", UnixMillis(2)), Sequence(6)));
    assert_eq!(undo(&lineage, 4), Err(LineageFault::UndoneBefore(4)));
    assert_eq!(undo(&lineage, 3), Ok(()));
}

/// Goal: a record follows every step in turn, once each; goes back when they are undone, unless somebody moved it
/// since; and counts for its former unit in the tree of a day before.
#[test]
fn a_record_follows_the_steps_and_comes_back() {
    let mut lineage = Lineage::default();
    say(&mut lineage, 3, &step(StepKind::Merge, DAY, &["11953"], &["11977"]));
    say(&mut lineage, 4, &split(DAY + 2, "11977", &["12004"], "11977", &[("chi_bo", "Chi bộ 1", "12004")]));
    let there = |lineage: &Lineage, today, fields: &[(&'static str, &'static str)]| {
        lineage.settle(&unit("11953"), &[], today, &known(fields))
    };
    assert_eq!(there(&lineage, DAY - 1, &[]).by, None, "its day has not come");
    assert_eq!(there(&lineage, DAY, &[]).owner, unit("11977"));
    assert_eq!(there(&lineage, DAY + 2, &[]).owner, unit("11977"), "the rest stays");
    let moved = there(&lineage, DAY + 2, &[("chi_bo", "Chi bộ 1")]);
    assert_eq!(moved.owner, unit("12004"));
    assert_eq!(moved.passages.len(), 2);
    assert_eq!(Passage::list(&Passage::value(&moved.passages)), moved.passages);
    let home = |on| lineage.home_on(&moved.owner, &moved.passages, on);
    assert_eq!([home(DAY - 1), home(DAY), home(DAY + 2)], [unit("11953"), unit("11977"), unit("12004")]);
    let again = lineage.settle(&moved.owner, &moved.passages, DAY + 2, &known(&[("chi_bo", "Chi bộ 1")]));
    assert_eq!(again.by, None, "once is enough");
    // Somebody gave it back by hand: the split does not take it again.
    let given = lineage.settle(&unit("11977"), &moved.passages, DAY + 2, &known(&[("chi_bo", "Chi bộ 1")]));
    assert_eq!(given.by, None);
    assert_eq!(lineage.former(&moved.owner, &moved.passages), [unit("11953"), unit("11977")].into());
    lineage.note(&undo_event(4, "nhầm", "lan", UnixMillis(2)), Sequence(6));
    let back = lineage.settle(&moved.owner, &moved.passages, DAY + 3, &known(&[]));
    assert_eq!((back.owner, back.passages.len()), (unit("11977"), 1));
    let elsewhere = lineage.settle(&unit("11983"), &moved.passages, DAY + 3, &known(&[]));
    assert_eq!((elsewhere.owner, elsewhere.by), (unit("11983"), None), "moved since by someone else");
}

/// Goal: what is left to do is a function of what was said to be done.
#[test]
fn work_is_left_until_it_is_said_to_be_done() {
    let mut lineage = Lineage::default();
    say(&mut lineage, 3, &step(StepKind::Merge, DAY, &["11953"], &["11977"]));
    assert!(lineage.work(DAY - 1).is_empty());
    assert!(matches!(lineage.work(DAY).as_slice(), [Work::Forward(step)] if step.number == 3));
    lineage.note(&done_event(3, 12, "hub", UnixMillis(2)), Sequence(5));
    assert!(lineage.work(DAY).is_empty());
    lineage.note(&undo_event(3, "nhầm", "lan", UnixMillis(2)), Sequence(6));
    assert!(matches!(lineage.work(DAY).as_slice(), [Work::Back(step, 6)] if step.number == 3));
    // It has moved records: they go back, whatever the clock says by now.
    assert!(matches!(lineage.work(DAY - 1).as_slice(), [Work::Back(step, 6)] if step.number == 3));
    assert_eq!(lineage.tree(units(), DAY - 1), Tree::of(units()));
    lineage.note(&done_event(6, 12, "hub", UnixMillis(2)), Sequence(7));
    assert!(lineage.work(DAY).is_empty());
}

#[test]
fn a_list_assigns_records_one_by_one() {
    let mut lineage = Lineage::default();
    let assigned = [(("dang_vien".to_owned(), RecordId([7; 16])), unit("12004"))];
    assert!(lineage.note(&assigned_event("p", &assigned, "lan", UnixMillis(1)), Sequence(2)));
    let step = Step { plan: Some("p".to_owned()), ..split(DAY, "11953", &["12004"], "11953", &[]) };
    say(&mut lineage, 3, &step);
    assert_eq!(lineage.settle(&unit("11953"), &[], DAY, &known(&[])).owner, unit("12004"));
    assert!(lineage.names(&step, &known(&[])));
}

fn any_step() -> impl Strategy<Value = Step> {
    let codes = ["11953", "11977", "11983", "12004", "11900", "11901"];
    let code = move || prop::sample::select(codes.to_vec());
    (0..4u8, 0..4i32, prop::collection::vec(code(), 1..3), code(), any::<bool>()).prop_map(
        |(kind, day, from, to, name)| {
            let on = DAY + day;
            let step = match kind {
                0 | 1 => step(StepKind::Merge, on, &from, &[to]),
                2 => split(on, from[0], &[to], if name { from[0] } else { to }, &[]),
                _ => step(StepKind::Rename, on, &from[..1], &from[..1]),
            };
            if name { named(step.clone(), step.to[0].clone().as_str(), "Tên Mới") } else { step }
        },
    )
}

proptest! {
    /// Law: whatever steps stand, one more that is allowed and then undone leaves every day's tree as it was, and
    /// what it refuses leaves no trace either.
    #[test]
    fn a_step_undone_was_never_there(steps in prop::collection::vec(any_step(), 0..6), last in any_step()) {
        let mut lineage = Lineage::default();
        for (number, step) in (1u64..).zip(&steps) {
            if lineage.check(units(), step, DAY + 9).is_ok() {
                say(&mut lineage, number, step);
            }
        }
        let days = || DAY - 1..DAY + 6;
        let before: Vec<Tree> = days().map(|day| lineage.tree(units(), day)).collect();
        if let Ok(tree) = lineage.check(units(), &last, DAY + 9) {
            say(&mut lineage, 100, &last);
            for ended in last.ends() {
                prop_assert!(tree.get(ended).is_none() && !tree.successors(ended).is_empty());
            }
            // A step of a later day that moved its records on holds it; one that has to do with none of it does not.
            let later = || lineage.standing().into_iter().filter(|step| step.on > last.on);
            let held = later().any(|step| step.moves() && step.from.iter().any(|u| last.to.contains(u)));
            let touches = |step: &&Step| {
                let mut units = step.from.iter().chain(&step.to);
                units.any(|unit| last.from.contains(unit) || last.to.contains(unit)) || !step.names.is_empty()
            };
            let refused = lineage.check_undo(units(), 100, DAY + 9).is_err();
            prop_assert!(!held || refused);
            prop_assert!(later().any(|step| touches(&step)) || !refused);
            lineage.note(&undo_event(100, "nhầm", "lan", UnixMillis(2)), Sequence(101));
        }
        let after: Vec<Tree> = days().map(|day| lineage.tree(units(), day)).collect();
        prop_assert_eq!(before, after);
    }
}

/// Records know a step by its number: taken over into another ledger it keeps it, wherever it stands there, and no later
/// step gets it a second time; taken over once more all of them keep theirs.
#[test]
fn a_step_keeps_its_number_in_another_ledger() {
    let (first, second) = (
        step(StepKind::Merge, DAY, &["11953"], &["11977"]),
        step(StepKind::Dissolve, DAY + 1, &["12004"], &["33"]),
    );
    let mut former = Lineage::default();
    say(&mut former, 900, &first);
    let undo = undo_event(900, "QĐ 2", "lan", UnixMillis(2));
    assert!(former.note(&undo, Sequence(905)));
    let mut ledger = Lineage::default();
    for (event, stood, place) in [(first.event(), 900, 40), (undo, 905, 41)] {
        assert!(ledger.note(&former.said_again(event, Sequence(stood)), Sequence(place)));
    }
    assert!(ledger.step(900).is_some() && ledger.undo_of(900).is_some_and(|undo| undo.number == 905));
    // The new ledger comes to the very place the former number names.
    say(&mut ledger, 905, &second);
    let number = ledger.number_at(Sequence(905));
    assert!(number > 905 && ledger.step(number).is_some_and(|step| step.kind == StepKind::Dissolve));
    assert!(ledger.undo_of(900).is_some_and(|undo| undo.number == 905));
    let mut third = Lineage::default();
    assert!(third.note(&ledger.said_again(second.event(), Sequence(905)), Sequence(3)));
    assert!(third.step(number).is_some());
}
