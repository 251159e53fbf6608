//! Courses: every step of every declared course, and what causality makes of histories.

use proptest::prelude::*;

use super::*;
use crate::change::{Context, Write};
use crate::ids::{Dot, ReplicaId, Sequence};
use crate::time::Hlc;

/// The declared courses as people would draw them: from each state (line) to each state (column), both in the order of
/// the code list: `x` no step, `o` a step, `r` a step with a reason, `=` itself. First the states to begin in.
const COURSES: &[(&str, &str, &[&str])] = &[
    ("bao_cao_ky", "ooox", &["=oox", "o=oo", "xo=o", "rrr="]),
    (
        "cuoc_kiem_tra",
        "oooooooo",
        &["=ooooooo", "r=oooooo", "xr=oooox", "xrr=ooox", "xrrr=xxx", "xoooo=oo", "xrrxxx=x", "rrxxxxx="],
    ),
    (
        "dang_vien",
        "oooooooooo",
        &[
            "=roooooooo",
            "o=oooooooo",
            "oo=ooooooo",
            "ooo=oooooo",
            "oooo=ooooo",
            "ooooo=oooo",
            "rrxxxx=xxx",
            "rrxxxxx=xx",
            "rrxxxxxx=x",
            "rrrxxxxxx=",
        ],
    ),
    ("dau_hieu", "ooooo", &["=oooo", "r=ooo", "xr=ro", "xrr=x", "xrrx="]),
    ("don_thu", "ooooo", &["=oooo", "r=ooo", "xr=xo", "xro=o", "xrrx="]),
    ("ky_luat", "oooo", &["=ooo", "r=or", "rx=x", "roo="]),
];

/// The writers of the histories below.
const COMMUNE: u8 = 1;
const PROVINCE: u8 = 2;

/// A history in the making; times go on by one with each change.
#[derive(Default)]
struct History(Vec<Written>);

impl History {
    /// `writer` writes these fields, having seen of each what the dots say.
    fn by(&mut self, writer: u8, fields: &[(&str, Value, &[Dot])]) -> Dot {
        let sequence = self.0.iter().filter(|written| written.dot.replica.0[0] == writer).count() as u64;
        let dot = Dot { replica: ReplicaId([writer; 16]), sequence: Sequence(sequence) };
        let write = |(path, value, seen): &(&str, Value, &[Dot])| Write {
            path: (*path).to_owned(),
            value: value.clone(),
            context: Context::new(seen.iter().map(|dot| (dot.replica, dot.sequence.0))),
        };
        let (effective, writes) = (Hlc(self.0.len() as u64), fields.iter().map(write).collect());
        self.0.push(Written { dot, effective, proposal: false, writes });
        dot
    }

    /// A step of a report.
    fn step(&mut self, writer: u8, state: &str, seen: &[Dot]) -> Dot {
        self.by(writer, &[("trang_thai", Value::Code(state.to_owned()), seen)])
    }

    /// A step of a report with its reason.
    fn opens(&mut self, writer: u8, state: &str, seen: &[Dot], reason: &str) -> Dot {
        let state = ("trang_thai", Value::Code(state.to_owned()), seen);
        self.by(writer, &[state, ("ly_do_mo_lai", Value::Text(reason.to_owned()), &[])])
    }

    fn proposed(&mut self) {
        self.0.last_mut().unwrap().proposal = true;
    }

    /// The broken rules of the course, of a record of that type in that state.
    fn broken(&self, record_type: &str, state: &str, shown: &str) -> Vec<String> {
        let mut subject = Subject::new(record_type, id(1), UNIT.parse().unwrap(), TODAY);
        if !shown.is_empty() {
            subject.values.insert(state.to_owned(), Value::Code(shown.to_owned()));
        }
        subject.history.clone_from(&self.0);
        let course = Catalogue::embedded().unwrap().record_type(record_type).unwrap().course.clone().unwrap();
        let judgement = BOOK.judge(&subject, TODAY);
        let rules = judgement.defects.iter().map(|defect| (&BOOK.rule(defect.rule).id, &defect.field));
        let own = rules.filter(|(id, _)| course.rules().any(|rule| rule == *id));
        let mut own: Vec<String> =
            own.map(|(id, field)| format!("{id} {}", field.as_deref().unwrap_or_default())).collect();
        own.sort_unstable();
        own
    }

    fn report(&self, shown: &str) -> Vec<String> {
        self.broken("bao_cao_ky", "trang_thai", shown)
    }
}

/// A patch's `!steps`: one writer's states, each having seen the one before.
pub(super) fn steps(subject: &mut Subject, text: &str) {
    let declared = Catalogue::embedded().unwrap().record_type(&subject.record_type).unwrap();
    let course = declared.course.as_ref().unwrap();
    let reason = course.reopen.as_ref().unwrap().field.as_str();
    let (mut history, mut last) = (History::default(), Vec::new());
    for step in text.split('>') {
        let state = Value::Code(step.trim_end_matches('+').to_owned());
        subject.values.insert(course.state.clone(), state.clone());
        let mut fields = vec![(course.state.as_str(), state, last.as_slice())];
        if step.ends_with('+') {
            fields.push((reason, Value::Text("ghi nhầm".to_owned()), &[]));
        }
        last = vec![history.by(COMMUNE, &fields)];
    }
    subject.history = history.0;
}

/// A patch's `!edited`.
pub(super) fn edited(subject: &mut Subject, path: &str) {
    let mut history = History(std::mem::take(&mut subject.history));
    history.by(COMMUNE, &[(path, subject.values[path].clone(), &[])]);
    subject.history = history.0;
}

/// Goal: each declared course says of each step what is drawn above, with its rules' names.
#[test]
fn every_step_of_every_course_is_as_drawn() {
    let catalogue = Catalogue::embedded().unwrap();
    let with_course = catalogue.record_types().filter(|declared| declared.course.is_some());
    let drawn: Vec<&str> = COURSES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(with_course.map(|declared| declared.name.as_str()).collect::<Vec<_>>(), drawn);
    let mut wrong = Vec::new();
    for (name, first, lines) in COURSES {
        let declared = catalogue.record_type(name).unwrap();
        let course = declared.course.as_ref().unwrap();
        let list = declared.field(&course.state).unwrap().codes.as_deref().unwrap();
        let codes = &catalogue.code_list(list).unwrap().codes;
        assert_eq!((first.len(), lines.len()), (codes.len(), codes.len()), "{name}");
        let broken = |steps: &str| {
            let subject = subject(&format!("{name} #1: !steps={steps}"));
            History(subject.history).broken(
                name,
                &course.state,
                steps.rsplit('>').next().unwrap().trim_end_matches('+'),
            )
        };
        let blames = |rule: &str| vec![format!("{rule} {}", course.state)];
        for (code, begins) in codes.iter().zip(first.chars()) {
            let expected = if begins == 'o' { Vec::new() } else { blames(&course.rule) };
            if broken(&code.code) != expected {
                wrong.push(format!("{name} begins with {}", code.code));
            }
        }
        let from_to = codes.iter().zip(*lines).flat_map(|(from, line)| {
            assert_eq!(line.len(), codes.len(), "{name}");
            codes.iter().zip(line.chars()).map(move |(to, drawn)| (&from.code, &to.code, drawn))
        });
        for (from, to, drawn) in from_to {
            let (without, with) = (broken(&format!("{from}>{to}")), broken(&format!("{from}>{to}+")));
            let expected = match drawn {
                // To say it again mends no beginning.
                '=' if !course.may_begin(from) => (blames(&course.rule), blames(&course.rule)),
                '=' | 'o' => (Vec::new(), Vec::new()),
                'r' => (blames(&course.reopen.as_ref().unwrap().rule), Vec::new()),
                _ => (blames(&course.rule), blames(&course.rule)),
            };
            if (&without, &with) != (&expected.0, &expected.1) {
                wrong.push(format!("{name} {from} > {to}: {without:?}, with a reason {with:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_illegal_step_is_named_with_both_states() {
    let judgement = BOOK.judge(&subject("cuoc_kiem_tra #1: !steps=DA_KET_LUAN>KE_HOACH"), TODAY);
    let step =
        judgement.defects.iter().map(|defect| BOOK.rule(defect.rule)).find(|rule| rule.id == "CKT_BUOC");
    let message = &step.unwrap().message;
    assert!(message.vi.contains("“Đã kết luận” sang “Kế hoạch”"), "{}", message.vi);
    assert!(message.en.contains("“Concluded” to “Planned”"), "{}", message.en);
}

#[test]
fn an_illegal_step_is_mended_by_putting_back_or_by_a_legal_step() {
    let mut history = History::default();
    let approved = history.step(COMMUNE, "DA_DUYET", &[]);
    let draft = history.step(COMMUNE, "DU_THAO", &[approved]);
    assert_eq!(history.report("DU_THAO"), ["BC_BUOC trang_thai"]);
    let mut back = History(history.0.clone());
    back.step(PROVINCE, "DA_DUYET", &[draft]);
    assert_eq!(back.report("DA_DUYET"), [""; 0]);
    let mut on = History(history.0.clone());
    on.step(COMMUNE, "DA_NOP", &[draft]);
    assert_eq!(on.report("DA_NOP"), [""; 0]);
    // Whoever did not see it mends nothing: its own step is judged, and the other one still stands.
    let mut beside = History(history.0.clone());
    beside.step(PROVINCE, "DA_KHOA", &[approved]);
    assert_eq!(beside.report("DA_KHOA"), ["BC_BUOC trang_thai"]);
}

#[test]
fn steps_taken_without_sight_of_each_other_are_no_illegal_ones() {
    let mut history = History::default();
    let handed_in = history.step(COMMUNE, "DA_NOP", &[]);
    let draft = history.step(COMMUNE, "DU_THAO", &[handed_in]);
    let approved = history.step(PROVINCE, "DA_DUYET", &[handed_in]);
    assert_eq!(history.report("DA_DUYET"), [""; 0], "a conflict, and both are legal");
    // A steward chooses either, having seen both.
    for state in ["DU_THAO", "DA_DUYET"] {
        let mut settled = History(history.0.clone());
        settled.step(PROVINCE, state, &[draft, approved]);
        assert_eq!(settled.report(state), [""; 0], "{state}");
    }
    // What neither leads to is no choice.
    let mut history = History::default();
    let approved = history.step(COMMUNE, "DA_DUYET", &[]);
    let draft = history.step(COMMUNE, "DU_THAO", &[approved]);
    let handed_in = history.step(PROVINCE, "DA_NOP", &[approved]);
    history.step(PROVINCE, "DU_THAO", &[draft, handed_in]);
    assert_eq!(history.report("DU_THAO"), [""; 0], "it leads from what the province said");
    let mut history = History::default();
    let approved = history.step(COMMUNE, "DA_DUYET", &[]);
    let draft = history.step(COMMUNE, "DU_THAO", &[approved]);
    let same = history.step(PROVINCE, "DA_DUYET", &[approved]);
    history.step(PROVINCE, "DU_THAO", &[draft, same]);
    assert_eq!(
        history.report("DU_THAO"),
        ["BC_BUOC trang_thai"],
        "choosing the illegal one does not make it legal"
    );
}

#[test]
fn a_lock_is_left_with_a_reason_only_however_many_steps_are_taken() {
    let mut history = History::default();
    let handed_in = history.step(COMMUNE, "DA_NOP", &[]);
    let locked = history.step(PROVINCE, "DA_KHOA", &[handed_in]);
    let opened = history.step(COMMUNE, "DA_NOP", &[handed_in, locked]);
    assert_eq!(history.report("DA_NOP"), ["BC_MO_LAI trang_thai"]);
    let on = history.step(COMMUNE, "DU_THAO", &[opened]);
    assert_eq!(history.report("DU_THAO"), ["BC_MO_LAI trang_thai"], "a further step does not wash it");
    history.by(COMMUNE, &[("ma_bam", Value::Text("b".to_owned()), &[])]);
    assert_eq!(
        history.report("DU_THAO"),
        ["BC_MO_LAI trang_thai", "BC_SUA_KHI_KHOA ma_bam"],
        "it is locked still"
    );
    for blank in ["", "  "] {
        let mut blank_reason = History(history.0.clone());
        blank_reason.opens(COMMUNE, "DU_THAO", &[on], blank);
        assert_eq!(blank_reason.report("DU_THAO").first().unwrap(), "BC_MO_LAI trang_thai");
    }
    let mut back = History(history.0.clone());
    back.step(COMMUNE, "DA_KHOA", &[on]);
    assert_eq!(back.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"], "put back, and locked since it first was");
    history.opens(COMMUNE, "DU_THAO", &[on], "số liệu sai");
    assert_eq!(history.report("DU_THAO"), [""; 0]);
    // A state the other side chose while the lock was set leads around it no more than a step.
    let mut beside = History::default();
    let handed_in = beside.step(COMMUNE, "DA_NOP", &[]);
    let draft = beside.step(COMMUNE, "DU_THAO", &[handed_in]);
    let locked = beside.step(PROVINCE, "DA_KHOA", &[handed_in]);
    beside.step(COMMUNE, "DU_THAO", &[draft, locked]);
    assert_eq!(beside.report("DU_THAO"), ["BC_MO_LAI trang_thai"]);
}

#[test]
fn clearing_the_state_leaves_no_lock_and_no_past() {
    let mut history = History::default();
    let handed_in = history.step(COMMUNE, "DA_NOP", &[]);
    let cleared = history.by(COMMUNE, &[("trang_thai", Value::Null, &[handed_in])]);
    assert_eq!(history.report(""), [""; 0], "that a value is missing is another rule's");
    let locked = history.step(COMMUNE, "DA_KHOA", &[cleared]);
    assert_eq!(history.report("DA_KHOA"), [""; 0], "from what stood before");
    let cleared = history.by(COMMUNE, &[("trang_thai", Value::Null, &[locked])]);
    assert_eq!(history.report(""), ["BC_BUOC trang_thai"]);
    history.step(COMMUNE, "DU_THAO", &[cleared]);
    assert_eq!(history.report("DU_THAO"), ["BC_MO_LAI trang_thai"]);
}

#[test]
fn a_change_of_what_is_locked_is_a_defect_until_put_back_or_opened() {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut history = History::default();
    let first =
        history.by(COMMUNE, &[("ky", text("Quý I"), &[]), ("trang_thai", Value::Code("DA_NOP".into()), &[])]);
    let early = history.by(COMMUNE, &[("ma_bam", text("a"), &[])]);
    // The change that locks may write with it.
    let locking =
        [("trang_thai", Value::Code("DA_KHOA".into()), &[first][..]), ("khoa_luc", Value::Null, &[])];
    let locked = history.by(PROVINCE, &locking);
    assert_eq!(history.report("DA_KHOA"), [""; 0]);
    let changed = history.by(COMMUNE, &[("ma_bam", text("b"), &[early]), ("ky", text("Quý I"), &[first])]);
    assert_eq!(history.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"], "the period says what it said");
    let mut back = History(history.0.clone());
    back.by(COMMUNE, &[("ma_bam", text("a"), &[changed])]);
    assert_eq!(back.report("DA_KHOA"), [""; 0]);
    // The reason may be written at any time, and what is no field is no content.
    let mut other = History(back.0.clone());
    other.by(
        COMMUNE,
        &[("ly_do_mo_lai", text("x"), &[]), ("_unit", Value::Unit("11977".parse().unwrap()), &[])],
    );
    assert_eq!(other.report("DA_KHOA"), [""; 0]);
    history.opens(COMMUNE, "DA_NOP", &[locked], "bổ sung số liệu");
    assert_eq!(history.report("DA_NOP"), [""; 0]);
    // A clock far ahead or behind decides nothing in one writer's own log.
    let mut own = History::default();
    let first = own.step(COMMUNE, "DA_NOP", &[]);
    own.step(COMMUNE, "DA_KHOA", &[first]);
    own.0.last_mut().unwrap().effective = Hlc(100);
    own.by(COMMUNE, &[("ma_bam", text("b"), &[])]);
    assert_eq!(own.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"]);
    // Clearing what was never there changes nothing.
    own.by(COMMUNE, &[("khoa_luc", Value::Null, &[])]);
    assert_eq!(own.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"]);
    // Another's, written before the lock and heard of later, was there.
    own.by(PROVINCE, &[("phien_ban", Value::Integer(2), &[])]);
    assert_eq!(own.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"]);
}

#[test]
fn what_was_cleared_under_a_lock_counts_as_one_value_that_is_wrong() {
    let mut subject = subject("bao_cao_ky #1: !steps=DA_NOP>DA_KHOA");
    let mut history = History(std::mem::take(&mut subject.history));
    history.0.insert(0, Written { dot: Dot::MAX, writes: Vec::new(), ..history.0[0].clone() });
    let early = history.0.first_mut().unwrap();
    let write = |value| Write { path: "ma_bam".to_owned(), value, context: Context::default() };
    early.writes.push(write(Value::Text("a".to_owned())));
    early.effective = Hlc(0);
    let early = early.dot;
    let cleared = history.by(COMMUNE, &[("ma_bam", Value::Null, &[early])]);
    assert_eq!(history.report("DA_KHOA"), ["BC_SUA_KHI_KHOA ma_bam"], "{cleared}");
    subject.history = history.0;
    let standing = BOOK.judge(&subject, TODAY).standing(&[], |_, _| false);
    let dung = standing.tally[crate::catalogue::Dimension::Dung];
    assert_eq!((dung.good, dung.all), (1, 2), "the state and what was cleared");
}

#[test]
fn a_proposal_is_no_step_until_it_is_taken_over() {
    let mut history = History::default();
    let approved = history.step(COMMUNE, "DA_DUYET", &[]);
    let proposal = history.step(3, "DU_THAO", &[approved]);
    history.proposed();
    assert_eq!(history.report("DA_DUYET"), [""; 0]);
    history.step(COMMUNE, "DU_THAO", &[approved, proposal]);
    assert_eq!(history.report("DU_THAO"), ["BC_BUOC trang_thai"], "taken over it is a step");
}

#[test]
fn what_a_writer_saw_and_is_not_here_is_not_judged() {
    let mut history = History::default();
    let elsewhere = Dot { replica: ReplicaId([9; 16]), sequence: Sequence(4) };
    history.step(COMMUNE, "DA_KHOA", &[elsewhere]);
    assert_eq!(history.report("DA_KHOA"), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Goal: whatever contexts claim, and in whatever order changes come, judging ends and says the same. Method:
    /// contexts name any writes, later ones and the writer's own among them.
    #[test]
    fn any_history_is_judged_alike_in_any_order(
        changes in prop::collection::vec((0..3u8, 0..5usize, any::<bool>(), prop::collection::vec((0..3u8, 0..8u64), 0..3), any::<bool>()), 1..12),
        seed in any::<u64>(),
    ) {
        let states = ["DU_THAO", "DA_NOP", "DA_DUYET", "DA_KHOA"];
        let mut history = History::default();
        for (writer, state, reason, seen, proposal) in changes {
            let dot = |(replica, sequence): &(u8, u64)| Dot { replica: ReplicaId([*replica; 16]), sequence: Sequence(*sequence) };
            let seen: Vec<Dot> = seen.iter().map(dot).collect();
            match states.get(state) {
                Some(state) if reason => history.opens(writer, state, &seen, "x"),
                Some(state) => history.step(writer, state, &seen),
                None => history.by(writer, &[("ma_bam", Value::Integer(seed as i64 % 3), &seen)]),
            };
            history.0.last_mut().unwrap().proposal = proposal;
        }
        let mut shuffled = History(history.0.clone());
        let mut random = seed;
        for place in (1..shuffled.0.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.0.swap(place, (random >> 33) as usize % (place + 1));
        }
        for shown in ["", "DU_THAO", "DA_KHOA"] {
            prop_assert_eq!(history.report(shown), shuffled.report(shown));
        }
    }
}

/// Goal: a long history is judged without recursion. Method: twenty thousand steps to and fro, the first illegal.
#[test]
fn a_long_history_does_not_go_too_deep() {
    let mut history = Vec::new();
    let replica = ReplicaId([COMMUNE; 16]);
    for sequence in 0..20_000_u64 {
        let state = if sequence % 2 == 0 { "DA_NOP" } else { "DU_THAO" };
        let context = Context::new(sequence.checked_sub(1).map(|seen| (replica, seen)));
        let write = Write { path: "trang_thai".to_owned(), value: Value::Code(state.to_owned()), context };
        let dot = Dot { replica, sequence: Sequence(sequence) };
        history.push(Written { dot, effective: Hlc(sequence), proposal: false, writes: vec![write] });
    }
    assert_eq!(History(history).report("DU_THAO"), [""; 0]);
}
