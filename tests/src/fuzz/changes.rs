//! Entries and what they hold: changes, events, acceptances, values and contexts.

use std::collections::BTreeMap;

use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::event::{Acceptance, Event};
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::lineage::{
    Lineage, Passage, Share, Step, StepKind, assigned_event, done_event, undo_event,
};
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use lienthong_proto::withdrawal::{Stated, Withdrawal};
use lienthong_proto::witness::{Introduced, POLICY, Policy, WITNESS};

use super::{Bound, Target, one_form, small};

pub(super) const TARGETS: &[Target] = &[
    Target { bound: Bound { each: 64, base: 512 << 10 }, rounds: 6_000, ..small("entry", entry, entries) },
    small("event", event, events),
    small("acceptance", acceptance, acceptances),
    small("value", value, values),
    small("context", context, contexts),
];

const DOT: Dot = Dot { replica: ReplicaId([7; 16]), sequence: Sequence(41) };
const SECRET: [u8; 16] = [9; 16];

/// One value of each kind.
pub(super) fn every_value() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Text("Nguyễn Thị Hòa".to_owned()),
        Value::Integer(-12),
        Value::Decimal("-12.5".to_owned()),
        Value::Money(1_500_000_000),
        Value::Date(20_500),
        Value::Timestamp(UnixMillis(1_790_000_000_000)),
        Value::Boolean(true),
        Value::Code("CHINH_THUC".to_owned()),
        Value::Unit("11953".parse().unwrap()),
        Value::Reference(RecordId([3; 16])),
        Value::Attachment([4; 32]),
        Value::List(vec![Value::Text("một".to_owned()), Value::Integer(2)]),
    ]
}

fn change() -> Change {
    let context = Context::new([(ReplicaId([1; 16]), 300), (ReplicaId([7; 16]), 40)]);
    let writes = (0..).zip(every_value()).map(|(n, value)| Write {
        path: format!("truong_{n:0>2}"),
        value,
        context: context.clone(),
    });
    Change {
        dot: DOT,
        record: RecordId([3; 16]),
        record_type: "dang_vien".to_owned(),
        year: 2026,
        number: 17,
        meta: Meta { hlc: Hlc(1 << 40), author: "lan".to_owned(), catalogue: [5; 8] },
        origin: Some(Dot { replica: ReplicaId([2; 16]), sequence: Sequence(1) }),
        writes: writes.collect(),
    }
}

fn withdrawing() -> Change {
    let seen = [DOT, Dot { replica: ReplicaId([1; 16]), sequence: Sequence(3) }];
    let value = Withdrawal::new("nhập nhầm", seen).unwrap().to_value();
    let write = Write { path: "_withdrawn".to_owned(), value, context: Context::default() };
    Change { origin: None, writes: vec![write], ..change() }
}

fn entries() -> Vec<Vec<u8>> {
    let full = change().build(&SECRET).unwrap().0;
    let redacted = Entry::decode(&full).unwrap().redact(|path| path.ends_with('1') || path == "_type");
    vec![redacted, withdrawing().build(&SECRET).unwrap().0, full]
}

/// An entry in its one form keeps its leaf whatever is withheld of it; a whole change is built again as it was.
fn entry(data: &[u8]) {
    let Ok(read) = Entry::decode(data) else { return };
    let leaf = read.leaf_hash();
    for keep in [true, false] {
        let redacted = read.redact(|path| keep && path.len() % 2 == 0);
        // A redacted form is longer by the salts; where that passes the limit it is refused as any other.
        if let Ok(again) = Entry::decode(&redacted) {
            assert_eq!(again.leaf_hash(), leaf, "withholding changed the leaf");
            assert!(!again.is_whole());
        }
    }
    let Ok(change) = Change::of(&read) else { return };
    if let Some(Stated::Withdrawn(seen)) = Stated::by(&change) {
        assert!(
            seen.iter().all(|dot| dot.replica != change.dot.replica || dot.sequence <= change.dot.sequence)
        );
    }
    if read.is_whole() {
        // Form, length and bytes of the header; then the secret.
        let mut input = Reader::new(data);
        let _ = (input.u8(), input.framed());
        let secret: [u8; 16] = input.array().unwrap();
        let (built, built_leaf) = change.build(&secret).unwrap();
        assert!(built == data, "a change was accepted in a second form");
        assert_eq!(built_leaf, leaf);
    }
}

fn events() -> Vec<Vec<u8>> {
    let fields = (0..).zip(every_value()).map(|(n, value)| (format!("x{n:0>2}"), value));
    let event = |kind: &str, fields: BTreeMap<String, Value>| Event {
        kind: kind.to_owned(),
        at: UnixMillis(1_790_000_000_000),
        actor: "minh".to_owned(),
        fields,
    };
    let unit = |code: &str| code.parse().unwrap();
    let merger = Step {
        number: 1,
        kind: StepKind::Merge,
        on: 20_600,
        from: vec![unit("11953"), unit("11977")],
        to: vec![unit("12004")],
        begins: vec![unit("12004")],
        names: BTreeMap::from([(unit("12004"), "Tân Hưng".to_owned())]),
        unit_kind: Some(UnitKind::Commune),
        rest: None,
        shares: vec![Share { field: "chi_bo".to_owned(), value: "1".to_owned(), unit: unit("12004") }],
        plan: Some("kế hoạch".to_owned()),
        reason: "12/NQ".to_owned(),
        actor: "minh".to_owned(),
        at: UnixMillis(1_790_000_000_000),
    };
    let key = |seed| SigningKey::from_seed(&[seed; 32]).unwrap();
    let witness = |n: u8| {
        let name = format!("w{n}.vn");
        Verifier::new(&name, Algorithm::Cosignature, key(n).public_key()).unwrap()
    };
    let introduced = Introduced::sign(&DOT.replica, &key(1), &key(2));
    let policy = Policy::new((2..5).map(witness).collect()).unwrap();
    let facts: [(&str, BTreeMap<String, Value>); 3] = [
        ("import", fields.collect()),
        (WITNESS, introduced.fields(&witness(2), DOT.replica)),
        (POLICY, policy.fields()),
    ];
    let mut all: Vec<Event> = facts.into_iter().map(|(kind, fields)| event(kind, fields)).collect();
    let assigned = [(("dang_vien".to_owned(), RecordId([3; 16])), unit("12004"))];
    let at = UnixMillis(1_790_000_000_000);
    all.extend([
        merger.event(),
        assigned_event("kế hoạch", &assigned, "minh", at),
        undo_event(1, "nhầm", "minh", at),
        done_event(1, 9, "minh", at),
    ]);
    all.iter().map(|event| event.build(DOT, &SECRET).unwrap().0).collect()
}

/// An event is built again with the same leaf, and whatever it may state is read or refused.
fn event(data: &[u8]) {
    let Ok(read) = Entry::decode(data) else { return };
    let Ok(event) = Event::of(&read) else { return };
    if read.is_whole() {
        let mut input = Reader::new(data);
        let _ = (input.u8(), input.framed());
        let (built, leaf) = event.build(read.header.dot, &input.array().unwrap()).unwrap();
        assert!(built == data, "an event was accepted in a second form");
        assert_eq!(leaf, read.leaf_hash());
    }
    let step = Step::of(&event, Sequence(1));
    if let Some(step) = &step {
        assert_eq!(
            Step::of(&step.event(), Sequence(1)).as_ref(),
            Some(step),
            "a step is said again as it was"
        );
    }
    let mut lineage = Lineage::default();
    lineage.note(&event, Sequence(1));
    lineage.note(&event, Sequence(2));
    assert!(lineage.steps().count() <= 2);
    if let Some((replica, verifier, introduced)) = Introduced::of(&event) {
        let again = Event { fields: introduced.fields(&verifier, replica), ..event.clone() };
        assert_eq!(Introduced::of(&again), Some((replica, verifier, introduced)));
    }
    if let Some(policy) = Policy::of(&event) {
        assert!(
            (1..=policy.witnesses().len()).contains(&policy.quorum()),
            "a quorum nobody can meet, or none"
        );
    }
    for value in event.fields.values() {
        let passages = Passage::list(value);
        assert_eq!(Passage::list(&Passage::value(&passages)), passages);
    }
}

fn acceptances() -> Vec<Vec<u8>> {
    let acceptance = Acceptance {
        replica: ReplicaId([1; 16]),
        first: Sequence(5),
        size: 9,
        root: [8; 32],
        at: UnixMillis(1_790_000_000_000),
        before: [6; 32],
        verdicts: BTreeMap::from([
            (0, Verdict::Proposal),
            (3, Verdict::Quarantined(QuarantineReason::IdentityGuard)),
        ]),
        checkpoint: "a.vn/33/11953/01\n9\n".to_owned(),
    };
    vec![acceptance.build(DOT, &SECRET).unwrap().0]
}

/// An acceptance is built again as it was.
fn acceptance(data: &[u8]) {
    let Ok(read) = Entry::decode(data) else { return };
    let Ok(acceptance) = Acceptance::of(&read) else { return };
    let (built, _) = acceptance.build(read.header.dot, &SECRET).unwrap();
    let again = Acceptance::of(&Entry::decode(&built).unwrap()).unwrap();
    assert_eq!(again, acceptance);
    assert_eq!(read.header.kind, EntryKind::Acceptance);
    for path in ["batch", "verdicts", "checkpoint"] {
        let (was, is) = (read.content(path), Entry::decode(&built).unwrap());
        assert_eq!(is.content(path), was, "{path} was accepted in a second form");
    }
}

fn values() -> Vec<Vec<u8>> {
    let encoded = |value: &Value| {
        let mut out = Writer::default();
        value.encode(&mut out);
        out.into_bytes()
    };
    every_value().iter().map(encoded).collect()
}

/// A value has one form; and whatever text and numbers the bytes make come back from it.
fn value(data: &[u8]) {
    let mut input = Reader::new(data);
    if let Ok(read) = Value::decode(&mut input) {
        let used = data.len() - input.left();
        let mut out = Writer::default();
        read.encode(&mut out);
        assert_eq!(out.as_slice(), &data[..used], "a second form was accepted");
        let _ = (read.to_json(), read.to_text(), read.text_bytes(), Withdrawal::of(&read));
    }
    for made in made_of(data) {
        let mut out = Writer::default();
        made.encode(&mut out);
        let mut input = Reader::new(out.as_slice());
        assert_eq!(Value::decode(&mut input).as_ref(), Ok(&made));
        assert!(input.is_empty());
        let _ = (made.to_json(), made.to_text());
    }
}

/// Values of every kind with what the bytes give.
fn made_of(data: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(data).into_owned();
    let number = data.iter().take(8).fold(0i64, |number, byte| number << 8 | i64::from(*byte));
    let (mut id, mut hash) = ([0; 16], [0; 32]);
    id.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    hash.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    let mut made = vec![
        Value::Text(text.clone()),
        Value::Decimal(text.clone()),
        Value::Code(text),
        Value::Integer(number),
        Value::Money(number.wrapping_neg()),
        Value::Date(number as i32),
        Value::Timestamp(UnixMillis(number.cast_unsigned())),
        Value::Boolean(number & 1 == 1),
        Value::Reference(RecordId(id)),
        Value::Attachment(hash),
    ];
    made.push(Value::List(made.clone()));
    made
}

fn contexts() -> Vec<Vec<u8>> {
    let mut out = Writer::default();
    Context::new((0..64).map(|n| (ReplicaId([n; 16]), u64::from(n) << 40))).encode(&mut out);
    vec![out.into_bytes(), vec![0]]
}

/// A context has one form, and raising it keeps it one.
fn context(data: &[u8]) {
    let mut input = Reader::new(data);
    let read = Context::decode(&mut input).and_then(|read| input.end().map(|()| read));
    let encoded = |context: &Context| {
        let mut out = Writer::default();
        context.encode(&mut out);
        out.into_bytes()
    };
    let Some(mut read) = one_form(read, encoded, data) else { return };
    assert!(read.iter().all(|(replica, sequence)| read.seen(replica) == Some(sequence)));
    read.raise(ReplicaId([7; 16]), 7);
    assert!(read.covers(&Dot { replica: ReplicaId([7; 16]), sequence: Sequence(7) }));
    assert!(read.iter().zip(read.iter().skip(1)).all(|(a, b)| a.0 < b.0));
}
