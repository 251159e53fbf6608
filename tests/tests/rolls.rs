//! A roll is more than the hub's word: each node judges its own unit's line before it cosigns the ledger that holds it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::ingest::CommitError;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::NodeIdentity;
use lienthong_node::sync::Witness;
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::cosignature::cosign;
use lienthong_proto::disclosure::event::ROLL_PART;
use lienthong_proto::entry::{Entry, Part, header_of};
use lienthong_proto::event::Event;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::limits::UNIT_REPLICAS_MAX;
use lienthong_proto::merkle::{inclusion_proof, root_at, verify_inclusion};
use lienthong_proto::note::{Algorithm, Signature, Verifier};
use lienthong_proto::roll::{BEFORE, Member, RollFault, RollLine, UPTO, line_of, lines_of};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{POLICY, Policy};
use lienthong_tests::sharing::{MEMBERS, Shared, log_roll};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_hub, make_node, member, reopened};

const THERE: &str = "12004";

/// Waits until something holds, asked again and again.
async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wanted() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

/// What a roll says.
type Fields = BTreeMap<String, Value>;
/// What it is made to say.
type Lie<'a> = &'a dyn Fn(&mut Fields);

/// Logs a roll as the hub does, with whatever it is made to say, and closes a round over it.
async fn roll(hub: &Hub, lie: impl Fn(&mut Fields)) {
    let mut fields = {
        let books = hub.committer.books().read();
        let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (replica, held) in &books.replicas {
            let line = Value::Text(held.member(*replica).to_string());
            lines.entry(line_of(&held.unit)).or_default().push(line);
        }
        let upto = books.replicas.values().map(|held| held.ledger_index).max().unwrap();
        let mut fields: Fields = lines.into_iter().map(|(name, line)| (name, Value::List(line))).collect();
        let number = |place: u64| Value::Integer(i64::try_from(place).unwrap());
        fields.extend(books.rolls.last_place(u64::MAX).map(|place| (BEFORE.to_owned(), number(place))));
        fields.insert(UPTO.to_owned(), Value::Integer(i64::try_from(upto).unwrap()));
        fields
    };
    lie(&mut fields);
    log_roll(hub, fields).await;
    hub.close_round().await.unwrap();
}

/// As a line has them.
fn in_order(members: &mut [Value]) {
    members.sort_by_key(|member| match member {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    });
}

/// What the hub holds of a node.
fn held(hub: &Hub, node: &Node) -> Member {
    let replica = node.identity.replica();
    hub.committer.books().read().replicas[&replica].member(replica)
}

fn line(member: Member) -> Value {
    Value::List(vec![Value::Text(member.to_string())])
}

fn alarm(node: &Node) -> Option<String> {
    node.sync().unwrap().status().unwitnessed
}

/// Goal: a node whose own line is false gives no cosignature, says so at both ends, and keeps what proves it to anybody;
/// others are not concerned; a true roll ends it, after a restart as well. Method: a hub that logs rolls it should not.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_node_cosigns_no_false_line_of_its_own_unit() {
    let shared = Shared::on(Province::set().await.unwrap()).await;
    let (hub, here) = (Arc::clone(shared.hub()), &shared.node);
    let Province { dir, address, .. } = &shared.province;
    let there = make_node(&hub, address, &dir.path().join("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    there.write(vec![member(THERE, "033070000009", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&there).await.unwrap();
    let replicas = [here, &there].map(|node| node.identity.replica());
    let named = |replica: &ReplicaId| hub.committer.books().read().witnesses.keys.contains_key(replica);
    eventually("both are witnesses", || replicas.iter().all(named)).await;
    // What the hub itself logs for a bundle is true.
    let grant = shared.granted(MEMBERS).await;
    shared.bundle(grant, "one.ltb").await;
    let both = || hub.rounds.cosigned() == (2, 0);
    eventually("both cosign what is true", both).await;
    let size = here.sync().unwrap().status().acknowledged;
    let own = line_of(here.identity.unit());
    let (true_one, other) = (held(&hub, here), held(&hub, &there));
    assert_eq!(true_one.size, size);
    let told = |fields: &mut Fields, member: Member| drop(fields.insert(own.clone(), line(member)));
    let lies: [(&str, Lie<'_>); 9] = [
        ("were acknowledged", &|fields| told(fields, Member { size: size - 1, ..true_one })),
        ("does not have replica", &|fields| drop(fields.insert(own.clone(), Value::List(Vec::new())))),
        ("does not have replica", &|fields| told(fields, Member { size: 99, ..other })),
        // Enrolled a second time, with a key of the hub's; or taken a second time, with another date.
        ("another key of replica", &|fields| told(fields, Member { key: Some([9; 32]), ..true_one })),
        ("as the acceptance of", &|fields| {
            told(fields, Member { at: UnixMillis(true_one.at.0 - 1), ..true_one })
        }),
        ("as the acceptance of", &|fields| {
            told(fields, Member { accepted: true_one.accepted + 1, ..true_one })
        }),
        // A replica of the unit that nobody here was told of.
        ("of which it was never told", &|fields| {
            let Some(Value::List(members)) = fields.get_mut(&own) else { return };
            members.push(Value::Text(Member { replica: ReplicaId([7; 16]), ..true_one }.to_string()));
            in_order(members);
        }),
        // It leaves one out that it has, or one that nobody here was shown.
        ("the roll follows entry", &|fields| drop(fields.insert(BEFORE.to_owned(), Value::Integer(7)))),
        ("no line of this unit", &|fields| drop(fields.insert(own.clone(), Value::Integer(3)))),
    ];
    for (number, (said, lie)) in lies.into_iter().enumerate() {
        roll(&hub, lie).await;
        let refused = || hub.refusals.standing().get(&replicas[0]).cloned();
        eventually("the hub is told", || refused().is_some_and(|refused| refused.reason.contains(said)))
            .await;
        eventually("people at the node are told", || alarm(here).is_some_and(|why| why.contains(said))).await;
        if said == "the roll follows entry" {
            // That is everybody's to see.
            eventually("the other as well", || hub.refusals.standing().len() == 2).await;
            assert_eq!(hub.rounds.cosigned(), (0, 0));
        } else {
            eventually("the other cosigns", || hub.rounds.cosigned() == (1, 0)).await;
            assert!(!hub.refusals.standing().contains_key(&replicas[1]) && alarm(&there).is_none());
        }
        let kept = here.evidence.refusals().unwrap();
        assert_eq!(kept.len(), number + 1, "{kept:#?}");
        proves(here, kept.last().unwrap().clone());
        if said == "no line of this unit" {
            continue;
        }
        roll(&hub, |_| {}).await;
        eventually("a true one ends it", both).await;
        eventually("both are told", || hub.refusals.standing().is_empty() && alarm(here).is_none()).await;
    }
    // Opened anew it still does not cosign.
    let folder = dir.path().join("here");
    let Shared { province: _province, node, .. } = shared;
    node.close().await;
    drop(node);
    let here = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    here.start_sync(brisk());
    eventually("it says so again", || alarm(&here).is_some_and(|why| why.contains("no line of this unit")))
        .await;
    there.close().await;
    here.close().await;
    hub.close().await;
}

/// What is kept is enough for anybody: an entry of the ledger, under a checkpoint it signed.
fn proves(node: &Node, kept: lienthong_node::sync::RefusalLine) {
    let (entry, path) = kept.roll.unwrap();
    let (entry, ledger) = (hex::decode(entry).unwrap(), node.identity.ledger());
    let signed = SignedCheckpoint::verify(kept.shown.as_bytes(), ledger.origin.as_str(), ledger.key).unwrap();
    let checkpoint = signed.checkpoint();
    let entry = Entry::decode(&entry).unwrap();
    let path: Vec<_> = path.iter().map(|hash| hex::decode(hash).unwrap().try_into().unwrap()).collect();
    let index = entry.header.dot.sequence.0;
    assert!(verify_inclusion(&entry.leaf_hash(), index, checkpoint.size, &path, &checkpoint.root).is_ok());
    let (salt, line) = kept.line.unwrap();
    let salt = hex::decode(salt).unwrap().try_into().unwrap();
    let line = hex::decode(line).unwrap();
    if RollLine::of(&entry, node.identity.unit(), Some((&salt, &line))).is_ok() {
        assert!(kept.known.contains("cosignature"), "the receipt it contradicts");
    }
}

/// Of one roll: which it follows, and which parts the lines it names are of.
type Called = (Option<u64>, BTreeSet<u64>);

/// The rolls in the ledger, by their places.
fn called(hub: &Hub) -> BTreeMap<u64, Called> {
    let (mut rolls, mut parts) = (BTreeMap::<u64, Called>::new(), BTreeMap::new());
    for place in 0..hub.head().size {
        let bytes = hub.ledger_entry(place).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let Ok(event) = Event::of(&entry) else { continue };
        if event.kind == ROLL_PART {
            parts.extend(entry.committed(|path| path.starts_with("unit/")).map(|line| (line, place)));
        }
        if let Some(lines) = lines_of(&entry, &event) {
            let before = event.fields.get(BEFORE).map(|before| match before {
                Value::Integer(place) => u64::try_from(*place).unwrap(),
                other => panic!("{other:?}"),
            });
            rolls.insert(place, (before, lines.values().map(|line| parts[line]).collect()));
        }
    }
    rolls
}

/// Goal: rolls that are called at once follow each other, each whole: else the nodes would take the hub for one that hides a
/// roll. Method: six bundles at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn p6_rolls_called_at_once_follow_each_other() {
    let shared = Shared::on(Province::set().await.unwrap()).await;
    let (hub, node) = (shared.hub(), &shared.node);
    let grant = shared.granted(MEMBERS).await;
    let hand = async |name: &str| drop(shared.bundle(grant, name).await);
    tokio::join!(hand("1"), hand("2"), hand("3"), hand("4"), hand("5"), hand("6"));
    let (rolls, mut before) = (called(hub), None);
    assert_eq!(rolls.len(), 6, "{rolls:?}");
    let mut of_before = BTreeSet::new();
    for (place, (follows, parts)) in rolls {
        assert_eq!(follows, before, "the one at {place}");
        assert!(parts.len() > 1, "not all units stand in one entry");
        assert!(parts.is_disjoint(&of_before), "its lines are its own");
        (before, of_before) = (Some(place), parts);
    }
    hub.close_round().await.unwrap();
    eventually("the node judged them all", || hub.rounds.cosigned() == (1, 0)).await;
    assert!(alarm(node).is_none() && node.evidence.refusals().unwrap().is_empty());
}

/// Goal (P5): whoever enrols in a unit's name is told of at the unit: to a node that is connected meanwhile with the first roll
/// that has it, which is then no false one.
#[tokio::test(flavor = "multi_thread")]
async fn p5_a_unit_is_told_of_each_of_its_replicas() {
    let shared = Shared::on(Province::set().await.unwrap()).await;
    let (hub, here) = (Arc::clone(shared.hub()), &shared.node);
    let Province { dir, address, .. } = &shared.province;
    let told = || here.status()["unit_replicas"].as_array().unwrap().clone();
    eventually("it is told of itself", || told().len() == 1).await;
    assert_eq!(told()[0]["own"], true);
    let beside = make_node(&hub, address, &dir.path().join("beside"), "11953").await.unwrap();
    beside.start_sync(brisk());
    beside.write(vec![member("11953", "033070000009", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&beside).await.unwrap();
    let replicas = [here, &beside].map(|node| node.identity.replica());
    let named = |replica: &ReplicaId| hub.committer.books().read().witnesses.keys.contains_key(replica);
    eventually("both are witnesses", || replicas.iter().all(named)).await;
    roll(&hub, |_| {}).await;
    eventually("both cosign it", || hub.rounds.cosigned().0 + hub.rounds.cosigned().1 == 2).await;
    let other = told().into_iter().find(|it| it["own"] == false).unwrap();
    assert_eq!(other["replica"], replicas[1].to_string());
    assert!(alarm(here).is_none() && hub.refusals.standing().is_empty());
    beside.close().await;
}

/// Goal (P5, P9): of a machine that is lost the unit's other node stands by what the rolls had of it: its log is not cut, given
/// another key or another acceptance, or left out; also when that node was opened anew meanwhile. Method: the first of two
/// nodes of a unit goes, and the hub logs rolls it should not.
#[tokio::test(flavor = "multi_thread")]
async fn p5_p9_of_a_lost_machine_a_roll_says_what_it_said_before() {
    let shared = Shared::on(Province::set().await.unwrap()).await;
    let Shared { province, node: lost, .. } = &shared;
    let (hub, folder) = (Arc::clone(&province.hub), province.dir.path().join("beside"));
    let beside = make_node(&hub, &province.address, &folder, "11953").await.unwrap();
    beside.start_sync(brisk());
    let named = |replica: ReplicaId| hub.committer.books().read().witnesses.keys.contains_key(&replica);
    let replicas = [lost.identity.replica(), beside.identity.replica()];
    eventually("both are witnesses", || replicas.into_iter().all(named)).await;
    roll(&hub, |_| {}).await;
    eventually("both cosign", || hub.rounds.cosigned().0 + hub.rounds.cosigned().1 == 2).await;
    lost.close().await;
    beside.close().await;
    drop(beside);
    let beside = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    beside.start_sync(brisk());
    let (own, of_lost) = (line_of(beside.identity.unit()), held(&hub, lost));
    let said = |fields: &mut Fields, member: Option<Member>| {
        let Some(Value::List(members)) = fields.get_mut(&own) else { return };
        let is_of_lost = |value: &Value| matches!(value, Value::Text(text) if text.parse::<Member>().unwrap().replica == of_lost.replica);
        members.retain(|value| !is_of_lost(value));
        members.extend(member.map(|member| Value::Text(member.to_string())));
        in_order(members);
    };
    for (why, member) in [
        ("were acknowledged", Some(Member { size: of_lost.size - 1, ..of_lost })),
        ("another key of replica", Some(Member { key: Some([9; 32]), ..of_lost })),
        ("as the acceptance of", Some(Member { accepted: of_lost.accepted + 1, ..of_lost })),
        ("does not have replica", None),
    ] {
        roll(&hub, |fields| said(fields, member)).await;
        eventually("people are told", || alarm(&beside).is_some_and(|told| told.contains(why))).await;
        roll(&hub, |_| {}).await;
        eventually("a true one ends it", || alarm(&beside).is_none()).await;
    }
    beside.close().await;
    hub.close().await;
}

/// A roll of the ledger, and a unit's line of it.
fn shown(hub: &Hub, place: Sequence, unit: &str) -> wire::RollShown {
    let entry = hub.ledger_entry(place.0).unwrap();
    let named =
        lines_of(&Entry::decode(&entry).unwrap(), &Event::of(&Entry::decode(&entry).unwrap()).unwrap());
    let (path, head) = (line_of(&unit.parse().unwrap()), hub.head());
    let committed = named.unwrap()[&path];
    let opened = (0..place.0).rev().find_map(|place| {
        let bytes = hub.ledger_entry(place).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let line = entry.parts().iter().find(|part| part.commitment() == committed)?;
        let Part::Open { salt, content, .. } = line else { panic!() };
        Some((salt.to_vec().into(), content.to_vec().into()))
    });
    let (salt, line) = opened.unwrap();
    let proof = inclusion_proof(hub.hashes.as_ref(), place.0, head.size).unwrap();
    let path = proof.into_iter().map(|hash| hash.to_vec().into()).collect();
    wire::RollShown { entry: entry.into(), path, salt, line }
}

/// The line in it.
fn read(shown: &wire::RollShown, unit: &str) -> Result<RollLine, RollFault> {
    let salt = shown.salt.as_ref().try_into().unwrap();
    RollLine::of(&Entry::decode(&shown.entry).unwrap(), &unit.parse().unwrap(), Some((&salt, &shown.line)))
}

/// A year from now.
fn ahead() -> UnixMillis {
    UnixMillis(system_clock().0 + 365 * 86_400_000)
}

/// Goal (P11): a roll that a wrong clock dated ahead is behind the hub once its clock is right: the next one is of today, goes on
/// from it, and is no false one.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_roll_that_a_wrong_clock_dated_ahead_dates_no_other() {
    let Province { dir, hub, .. } = Province::set().await.unwrap();
    let data = hub.data.clone();
    hub.close().await;
    drop(hub);
    let called = async |clock: fn() -> UnixMillis| {
        let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), clock)?));
        let units = vec![THERE.parse().unwrap()];
        hub.committer.roll(units.clone()).await.unwrap();
        let place = hub.committer.roll(units).await.unwrap();
        let last = read(&shown(&hub, place, THERE), THERE).unwrap();
        assert_eq!(hub.committer.books().read().rolls.last(), last.at);
        hub.close().await;
        last
    };
    let wrong = called(ahead).await;
    assert!(wrong.at.0 > system_clock().0 + 300 * 86_400_000);
    let right = called(system_clock).await;
    assert!(right.at.0 <= system_clock().0 + 1_000, "{}", right.at.rfc3339());
    assert!(right.before > wrong.before, "the first of two stands between");
    drop(dir);
}

/// Enrolments that a hub tells of, as of now, with the first so many numbers as names.
fn told_of(own: ReplicaId, count: usize) -> Vec<wire::Enrolment> {
    let name = |number: usize| ReplicaId((number as u128).to_be_bytes());
    let enrolment = |replica: ReplicaId| wire::Enrolment {
        replica: replica.0.to_vec().into(),
        at_millis: system_clock().0,
        state: "active".to_owned(),
        fingerprint: String::new(),
    };
    std::iter::once(own).chain((1..count).map(name)).map(enrolment).collect()
}

/// Goal (P10): what a node believes of its unit's replicas is bounded. Of what goes beyond nothing is taken, nothing is cosigned,
/// and people hear why, also when it is opened anew; a true roll beside what is within the bound ends it.
#[tokio::test(flavor = "multi_thread")]
async fn p10_a_node_is_told_of_so_many_replicas_and_of_no_more() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    drop(make_node(&hub, &address, &folder, THERE).await.unwrap());
    let identity = NodeIdentity::load(&folder).unwrap().unwrap();
    let (ledger, own) = (identity.ledger(), identity.replica());
    let asked = async |count: usize| {
        let place = hub.committer.roll(vec![THERE.parse().unwrap()]).await.unwrap();
        let (shown, head) = (shown(&hub, place, THERE), hub.head());
        assert!(read(&shown, THERE).unwrap().replicas.contains_key(&own));
        wire::Round {
            checkpoint: hub.ledger_checkpoint_at(head).unwrap(),
            seen: Some(wire::Consistency { between: head.size, path: Vec::new() }),
            rolls: vec![shown],
            enrolments: told_of(own, count),
            ..wire::Round::default()
        }
    };
    let of = |round: &wire::Round| {
        let signed =
            SignedCheckpoint::verify(round.checkpoint.as_bytes(), ledger.origin.as_str(), ledger.key);
        signed.unwrap().checkpoint().clone()
    };
    let cosigned = |witness: &Witness, round: &wire::Round| {
        witness.round(&ledger, round, Some(&of(round)), hub.now()).unwrap().0
    };
    let opened = || Witness::open(&folder, &identity, hub.now()).unwrap();
    let alarm = |witness: &Witness| witness.alarm(hub.now()).unwrap_or_default();
    let witness = opened();
    let round = asked(UNIT_REPLICAS_MAX).await;
    assert_eq!(witness.rolls(&identity, &round, Some(&of(&round)), &Vec::new).unwrap(), None);
    assert_eq!((witness.replicas().len(), alarm(&witness).as_str()), (UNIT_REPLICAS_MAX, ""));
    assert!(!cosigned(&witness, &round).line.is_empty());

    let found = UNIT_REPLICAS_MAX + 1;
    let round = asked(found).await;
    let (fault, shown) = witness.rolls(&identity, &round, Some(&of(&round)), &Vec::new).unwrap().unwrap();
    assert_eq!((fault, &shown), (RollFault::TooMany { found }, &round.rolls[0]));
    let said = format!("tells of {found} replicas");
    for witness in [witness, opened()] {
        assert_eq!(witness.replicas().len(), UNIT_REPLICAS_MAX);
        let refused = cosigned(&witness, &round);
        assert!(refused.line.is_empty() && refused.fault.contains(&said), "{refused:?}");
        assert!(alarm(&witness).contains(&said), "{}", alarm(&witness));
    }
    let witness = opened();
    let round = asked(UNIT_REPLICAS_MAX).await;
    assert_eq!(witness.rolls(&identity, &round, Some(&of(&round)), &Vec::new).unwrap(), None);
    assert!(!cosigned(&witness, &round).line.is_empty() && alarm(&witness).is_empty());
    // What a session begins with is judged the same way.
    let welcome = wire::Welcome { enrolments: told_of(own, found), ..wire::Welcome::default() };
    witness.welcomed(&ledger, &welcome, &of(&round), true);
    assert!(witness.replicas().len() == UNIT_REPLICAS_MAX && alarm(&witness).contains(&said));
    hub.close().await;
}

/// Goal (P9): a checkpoint is cosigned by those alone who have judged the roll it names: not if it was not shown, nor if it is one
/// of before; people hear of it at both ends, and it ends when the roll is shown.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_node_cosigns_no_checkpoint_whose_roll_it_was_not_shown() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    drop(make_node(&hub, &address, &folder, THERE).await.unwrap());
    let identity = NodeIdentity::load(&folder).unwrap().unwrap();
    let ledger = identity.ledger();
    let witness = Witness::open(&folder, &identity, hub.now()).unwrap();
    let other = SigningKey::from_seed(&[5; 32]).unwrap();
    let other_name = "hungyen.example/33/11953/x/witness";
    let verifier = Verifier::new(other_name, Algorithm::Cosignature, other.public_key()).unwrap();
    let policy = hub.event(POLICY, "hub", Policy::with(vec![verifier], 1).unwrap().fields()).await.unwrap();
    let judged = std::cell::Cell::new(None);
    let asked_beside = |rolls: Vec<wire::RollShown>,
                        named: Option<u64>,
                        witnessed: Option<wire::Witnessed>| {
        let head = hub.head();
        let checkpoint = Checkpoint { roll: named, ..hub.checkpoint_at(head) };
        let signed = checkpoint.sign(hub.secrets.ledger_key.as_ref()).unwrap();
        let round = wire::Round {
            checkpoint: signed.to_string(),
            seen: Some(wire::Consistency { between: head.size, path: Vec::new() }),
            rolls,
            witnessed,
            ..wire::Round::default()
        };
        // Of a tree that is not proven to be the one seen nothing is judged.
        let elsewhere = Checkpoint { size: head.size - 1, ..checkpoint.clone() };
        assert_eq!(witness.rolls(&identity, &round, Some(&elsewhere), &Vec::new).unwrap(), None);
        assert!(witness.round(&ledger, &round, Some(&elsewhere), hub.now()).unwrap().0.line.is_empty());
        let before = witness.round(&ledger, &round, Some(&checkpoint), hub.now()).unwrap().0;
        assert!(before.line.is_empty() || named == judged.get(), "what was shown there counts for nothing");
        assert_eq!(witness.rolls(&identity, &round, Some(&checkpoint), &Vec::new).unwrap(), None);
        let last = round.rolls.last().map(|roll| header_of(&roll.entry).unwrap().dot.sequence.0);
        judged.set(last.or(judged.get()));
        let cosigned = witness.round(&ledger, &round, Some(&checkpoint), hub.now()).unwrap().0;
        let alarm = witness.alarm(hub.now()).unwrap_or_default();
        if !cosigned.line.is_empty() {
            assert_eq!((alarm.as_str(), cosigned.fault.as_str()), ("", ""));
            return None;
        }
        assert!(alarm.contains(&cosigned.fault) && !cosigned.fault.is_empty(), "{alarm}");
        Some(cosigned.fault)
    };
    let asked = |rolls: Vec<wire::RollShown>, named: Option<u64>| asked_beside(rolls, named, None);
    assert_eq!(asked(Vec::new(), None), None, "there is none yet");
    let units = vec![THERE.parse().unwrap()];
    let one = hub.committer.roll(units.clone()).await.unwrap();
    let said = asked(Vec::new(), Some(one.0)).unwrap();
    assert_eq!(
        said,
        format!("the ledger's last roll is said to be {one}, the last that was shown here is none")
    );
    assert_eq!(asked(vec![shown(&hub, one, THERE)], Some(one.0)), None);
    let two = hub.committer.roll(units).await.unwrap();
    assert!(asked(Vec::new(), Some(two.0)).is_some(), "another one than was judged");
    let both = || vec![shown(&hub, one, THERE), shown(&hub, two, THERE)];
    for named in [None, Some(one.0)] {
        assert!(asked(both(), named).is_some(), "one of before");
    }
    assert_eq!(asked(both(), Some(two.0)), None);

    // What others have cosigned names a roll that was shown here too.
    let beside = |roll: u64| {
        let (size, head) = (one.0 + 1, hub.head());
        let root = root_at(hub.hashes.as_ref(), size).unwrap();
        let checkpoint = Checkpoint { size, root, roll: Some(roll), ..hub.checkpoint_at(head) };
        let mut signed = checkpoint.sign(hub.secrets.ledger_key.as_ref()).unwrap();
        let line = cosign(&checkpoint, hub.now().0 / 1_000, other_name, &other).unwrap();
        signed.note_mut().add(Signature::parse(&line).unwrap()).unwrap();
        let proof = inclusion_proof(hub.hashes.as_ref(), policy.0, head.size).unwrap();
        Some(wire::Witnessed {
            note: signed.to_string(),
            path: hub.consistency(size, head.size).unwrap().path,
            policy_index: policy.0,
            policy: hub.ledger_entry(policy.0).unwrap().into(),
            policy_path: proof.into_iter().map(|hash| hash.to_vec().into()).collect(),
        })
    };
    let said = asked_beside(Vec::new(), Some(two.0), beside(policy.0)).unwrap();
    assert!(said.contains(&format!("the roll {policy}, which was never shown here")), "{said}");
    assert_eq!(asked_beside(Vec::new(), Some(two.0), beside(one.0)), None);
    hub.close().await;
}

/// How far the clock of the hub here is behind.
static BEHIND_MILLIS: AtomicU64 = AtomicU64::new(0);

fn late_clock() -> UnixMillis {
    UnixMillis(system_clock().0 - BEHIND_MILLIS.load(Ordering::SeqCst))
}

/// Goal (P9): by when a batch was taken an agency is shown how much may be missing of a log; so a hub that dates back what it takes
/// gets no cosignature of the node it took it from, and people hear of it at both ends, until it dates something as it should.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_hub_that_dates_back_what_it_takes_is_not_witnessed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), late_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = make_node(&hub, &address, &dir.path().join("node"), THERE).await.unwrap();
    node.start_sync(brisk());
    let takes = async |number: u32| {
        node.write(vec![member(THERE, &format!("03307000000{number}"), "Nguyễn Văn An").unwrap()]).await;
        acknowledged(&node).await.unwrap();
    };
    takes(1).await;
    let witnessed = || hub.rounds.cosigned().0 + hub.rounds.cosigned().1 == 1;
    let is_named = || !hub.committer.books().read().witnesses.keys.is_empty();
    eventually("it is a witness", is_named).await;
    hub.close_round().await.unwrap();
    eventually("it cosigns", witnessed).await;
    let behind = |minutes: u64| BEHIND_MILLIS.store(minutes * 60_000, Ordering::SeqCst);
    // So much a clock may be set right by.
    for (number, minutes) in [(2, 9), (3, 31)] {
        behind(minutes);
        takes(number).await;
        let is_told = alarm(&node).is_some_and(|why| why.contains("before the session began"));
        assert_eq!(is_told, minutes > 10, "{:?}", alarm(&node));
    }
    let kept = node.evidence.refusals().unwrap();
    assert!(kept.len() == 1 && kept[0].known.contains("cosignature"), "{kept:#?}");
    hub.close_round().await.unwrap();
    let refused =
        || hub.refusals.standing().values().any(|why| why.reason.contains("before the session began"));
    eventually("the hub is told", refused).await;
    assert!(!witnessed());
    behind(0);
    takes(4).await;
    assert_eq!(alarm(&node), None);
    hub.close_round().await.unwrap();
    eventually("it cosigns again", witnessed).await;
    eventually("both are told", || hub.refusals.standing().is_empty() && alarm(&node).is_none()).await;
    node.close().await;
    hub.close().await;
}

/// Goal (P10): a unit that has had so many replicas gets no more, and whoever enrols is told why; no other unit is concerned.
#[tokio::test(flavor = "multi_thread")]
async fn p10_a_unit_enrols_so_many_replicas_and_no_more() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let enrolment = |number: usize| {
        let fields = BTreeMap::from([
            ("replica".to_owned(), Value::Text(ReplicaId((number as u128).to_be_bytes()).to_string())),
            ("unit".to_owned(), Value::Unit(THERE.parse().unwrap())),
        ]);
        hub.event("enrolment", "token", fields)
    };
    let logged = futures::future::join_all((2..=UNIT_REPLICAS_MAX).map(enrolment)).await;
    assert!(logged.iter().all(Result::is_ok));
    let enrolled =
        async |name: &str, unit: &str| make_node(&hub, &address, &dir.path().join(name), unit).await;
    drop(enrolled("the last", THERE).await.unwrap());
    let refused = enrolled("one more", THERE).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("has had {UNIT_REPLICAS_MAX} replicas")), "{refused}");
    drop(enrolled("elsewhere", "11953").await.unwrap());
    // However it came to more: no roll is called that leaves one of them out, and whoever asks for one is told of which unit.
    enrolment(UNIT_REPLICAS_MAX + 1).await.unwrap();
    let called = hub.committer.roll(Vec::new()).await;
    assert!(
        matches!(&called, Err(CommitError::TooManyReplicas(unit)) if unit.as_str() == THERE),
        "{called:?}"
    );
    hub.close().await;
}
