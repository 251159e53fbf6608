//! The smaller things that go over the wire or stand in the view: questions and answers of a reconciliation, what is told
//! of quality, totals, frontiers, what a replica has taken.

use std::collections::BTreeMap;

use lienthong_hub::feed::FeedEntry;
use lienthong_node::dataset::{Dictionary, Payload, RecordState};
use lienthong_node::replica::{Fed, Numbers};
use lienthong_node::store::MemoryView;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::catalogue::Dimension;
use lienthong_proto::ids::{RecordId, ReplicaId};
use lienthong_proto::merkle::{Frontier, leaf_hash};
use lienthong_proto::quality::{Judgement, Told, Totals, Waiver};
use lienthong_proto::reconcile::{
    Answer, Asker, Item, Listed, Mark, Named, Part, Question, Range, Sum, answer,
};
use lienthong_proto::verdict::Verdict;

use super::{Target, one_form, small};

pub(super) const TARGETS: &[Target] = &[
    small("question", question, questions),
    small("answer", answered, answers),
    small("named", named, lists),
    small("told", told, tolds),
    small("judgement", judgement, judgements),
    small("totals", totals, all_totals),
    small("frontier", frontier, frontiers),
    small("view", kept, keeps),
];

fn items(count: u8) -> Vec<Item> {
    let item =
        |n: u8| Item { record: RecordId([n; 16]), record_type: "dang_vien".to_owned(), mark: Mark([n; 16]) };
    (0..count).map(item).collect()
}

fn questions() -> Vec<Vec<u8>> {
    let part = |byte| Range::WHOLE.part(byte).unwrap();
    let sum = Sum { count: 3, total: 99 };
    let whole = Question { ranges: vec![(Range::WHOLE, sum)] };
    let parts = Question { ranges: vec![(part(1), sum), (part(2).part(7).unwrap(), Sum::default())] };
    vec![whole.encode(), parts.encode()]
}

/// A question has one form, and is answered within what an answer may hold.
fn question(data: &[u8]) {
    let Some(question) = one_form(Question::decode(data), Question::encode, data) else { return };
    let holding = Listed::of(items(200));
    let Ok(answer) = answer(&holding, &question);
    assert_eq!(answer.parts.len(), question.ranges.len());
    assert_eq!(Answer::decode(&answer.encode()).as_ref(), Ok(&answer), "its own answer is refused");
}

fn answers() -> Vec<Vec<u8>> {
    let sum = Sum { count: 3, total: 99 };
    let parts = vec![Part::Equal, Part::Parts(vec![(1, sum), (9, sum)]), Part::Items(items(3))];
    let whole = Answer { parts: vec![Part::Parts((0..=255).map(|byte| (byte, sum)).collect())] };
    vec![Answer { parts }.encode(), whole.encode(), Answer { parts: vec![Part::Items(items(32))] }.encode()]
}

/// An answer has one form; whoever asked takes it or refuses it, and comes to an end.
fn answered(data: &[u8]) {
    let Some(read) = one_form(Answer::decode(data), Answer::encode, data) else { return };
    let here = Listed::of(items(40));
    let mut asker = Asker::new();
    for _ in 0..8 {
        let Ok(Some(question)) = asker.question(&here) else { break };
        assert_eq!(Question::decode(&question.encode()).as_ref(), Ok(&question));
        if asker.take(read.clone(), &here).is_err() {
            break;
        }
    }
}

fn lists() -> Vec<Vec<u8>> {
    let named = |n| Named { record_type: "dang_vien".to_owned(), record: RecordId([n; 16]) };
    vec![Named::encode(&(0..5).map(named).collect::<Vec<_>>())]
}

fn named(data: &[u8]) {
    one_form(Named::decode(data), |list| Named::encode(list), data);
}

fn waiver() -> Waiver {
    Waiver {
        number: 9,
        record_type: "dang_vien".to_owned(),
        record: RecordId([3; 16]),
        rule: "DV_SO_THE".to_owned(),
        field: Some("so_the".to_owned()),
        reason: "chờ cấp thẻ mới".to_owned(),
        approver: "lan".to_owned(),
        until: -3,
    }
}

fn tolds() -> Vec<Vec<u8>> {
    let told = Told {
        record_type: "dang_vien".to_owned(),
        record: RecordId([3; 16]),
        defects: vec![("DV_TRUNG".to_owned(), Some("so_cccd".to_owned())), ("DV_X".to_owned(), None)],
        waivers: vec![waiver()],
    };
    let mut alone = Writer::default();
    waiver().encode(&mut alone);
    vec![told.encode(), alone.into_bytes()]
}

fn told(data: &[u8]) {
    one_form(Told::decode(data), Told::encode, data);
    let mut input = Reader::new(data);
    let read = Waiver::decode(&mut input).and_then(|read| input.end().map(|()| read));
    let encoded = |waiver: &Waiver| {
        let mut out = Writer::default();
        waiver.encode(&mut out);
        out.into_bytes()
    };
    one_form(read, encoded, data);
}

fn judgements() -> Vec<Vec<u8>> {
    let catalogue = lienthong_proto::catalogue::Catalogue::embedded().unwrap();
    let book = lienthong_proto::quality::RuleBook::compile(catalogue).unwrap();
    let subject = lienthong_proto::quality::Subject::new(
        "dang_vien",
        RecordId([3; 16]),
        "11953".parse().unwrap(),
        20_000,
    );
    vec![Judgement::default().encode(), book.judge(&subject, 20_500).encode()]
}

fn judgement(data: &[u8]) {
    let Ok(mut read) = Judgement::decode(data) else { return };
    assert_eq!(Judgement::decode(&read.encode()).as_ref(), Ok(&read));
    read.bound(1_024);
    assert!(read.encode().len() <= data.len().max(1_024));
}

fn all_totals() -> Vec<Vec<u8>> {
    let mut totals = Totals { records: 9, defects: 4, ..Totals::default() };
    totals.alive_until = BTreeMap::from([(20_000, 3), (20_100, 1)]);
    totals.late_after = BTreeMap::from([(-5, 1)]);
    totals.tally[Dimension::ALL[0]].all = 9;
    vec![totals.encode(), Totals::default().encode()]
}

fn totals(data: &[u8]) {
    let Ok(read) = Totals::decode(data) else { return };
    assert_eq!(Totals::decode(&read.encode()).as_ref(), Ok(&read));
    let _ = (read.defects_on(20_500), read.is_empty());
}

fn frontiers() -> Vec<Vec<u8>> {
    let mut frontier = Frontier::new();
    (0..300u32).for_each(|n| frontier.push(leaf_hash(&n.to_be_bytes())));
    vec![frontier.encode(), Frontier::new().encode()]
}

/// A frontier has one form, and grows from wherever it stands.
fn frontier(data: &[u8]) {
    let Some(mut read) = one_form(Frontier::decode(data), Frontier::encode, data) else { return };
    let size = read.size();
    let _ = read.root();
    read.push([1; 32]);
    assert_eq!(read.size(), size + 1);
    assert_eq!(read.encode().len(), 8 + 32 * read.size().count_ones() as usize);
}

fn keeps() -> Vec<Vec<u8>> {
    let mut state = vec![0; 40];
    state[0] = 1;
    let fed = Fed { of: ReplicaId([1; 16]), ..Fed::default() };
    let verdict = [&[3u8][..], &[1; 16], &[0; 16], &[2, 1]].concat();
    vec![fed.encode(), state, verdict, b"\x09dang_vien\0\0\0\0\0\0\0\x05".to_vec(), vec![0, 0, 0, 0, 2, 1, 2]]
}

/// What the view and the log keep is read in one form, or asks for a rebuild.
fn kept(data: &[u8]) {
    one_form(Fed::decode(data), Fed::encode, data);
    if let Ok(numbers) = Numbers::decode(data) {
        assert_eq!(Numbers::decode(&numbers.encode()).map(|again| again.encode()), Ok(numbers.encode()));
    }
    if let Ok(entry) = FeedEntry::decode(data) {
        assert_eq!(FeedEntry::decode(&entry.encode()).as_ref(), Ok(&entry));
    }
    let mut input = Reader::new(data);
    if let Ok(verdict) = Verdict::decode(&mut input) {
        let mut out = Writer::default();
        verdict.encode(&mut out);
        assert!(data.starts_with(out.as_slice()));
    }
    if let Ok(payload) = Payload::parse(data) {
        let (prefix, length) = (payload.prefix(), data.len());
        assert_eq!(prefix, data[..5], "a second form of {length} bytes was accepted");
    }
    let dictionary = words();
    if let Ok(state) = RecordState::decode(data, &dictionary) {
        assert_eq!(RecordState::decode(&state.encode(&dictionary), &dictionary).as_ref(), Ok(&state));
    }
}

/// A dictionary with a few words: a unit, a replica, a shape.
fn words() -> Dictionary {
    let dictionary = Dictionary::load(&MemoryView::default()).unwrap();
    for (place, word) in (0..).zip([&b"11953"[..], &[7; 16], b"ho_ten\nso_cccd"]) {
        assert_eq!(dictionary.number(word), place);
    }
    dictionary
}
