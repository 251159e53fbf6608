//! T36: no unit writes what is another's, however it is put. Ten thousand seeded forgeries through the real door: each has
//! its verdict in the ledger, none its way into a record.
//!
//! More of them: `LIENTHONG_FORGERIES=50000 cargo test --release -p lienthong-tests --test owners`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_node::dataset::Payload;
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context, Write, path, record_id};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Acceptance;
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::value::Value;
use lienthong_proto::verdict::Verdict;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::peer::{Peer, ended, received, say};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member, token};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tonic::Code;

const UNITS: [&str; 2] = ["11953", "11977"];
const HONEST: &str = "12004";
const NAME: &str = "Nguyễn Văn An";
/// In one batch.
const AT_ONCE: u32 = 500;

fn write(path: &str, value: Value) -> Write {
    Write { path: path.to_owned(), value, context: Context::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What a forger knows: the provincial key, as every unit does, and what others have.
struct Known {
    key: Vec<u8>,
    honest: Vec<(RecordId, String)>,
    author: ReplicaId,
    own: RecordId,
    unit: &'static str,
}

impl Known {
    /// The record of a number.
    fn record(&self, number: &str) -> RecordId {
        record_id(&self.key, "dang_vien", None, &[number.to_owned()])
    }

    /// One forgery.
    fn forged(&self, peer: &Peer, random: &mut StdRng) -> Change {
        let unit = |code: &str| write(path::UNIT, Value::Unit(code.parse().unwrap()));
        let strange = format!("{:05}", random.random_range(1..99_999));
        let codes = [UNITS[0], UNITS[1], HONEST, "33", "TTT", "hub", strange.as_str()];
        let others: Vec<&str> = codes.into_iter().filter(|code| *code != self.unit).collect();
        let other = *others.choose(random).unwrap();
        let number = format!("034{:09}", random.random_range(0..1_000_000_000_u64));
        let fresh = self.record(&number);
        let (theirs, theirs_number) = self.honest.choose(random).unwrap().clone();
        let named =
            |who: &str| vec![unit(who), write("so_cccd", text(&number)), write("ho_ten", text("Giả"))];
        let kind = random.random_range(0..9);
        let (record, writes) = match kind {
            // A new one of another's, by its right key.
            0 => (fresh, named(other)),
            // A new one where another's will be; one with no owner at all; one whose owner is no unit.
            1 => (self.record(&theirs_number.replace("0330", "0350")), named(self.unit)),
            2 => (fresh, named(self.unit).split_off(1)),
            3 => (fresh, [vec![write(path::UNIT, text(self.unit))], named(other).split_off(1)].concat()),
            // What only the province writes.
            4 => {
                let path = [path::INTO, path::MERGED, path::APART, path::LINEAGE].choose(random).unwrap();
                (
                    fresh,
                    [named(self.unit), vec![write(path, Value::Unit(self.unit.parse().unwrap()))]].concat(),
                )
            }
            // Another's record: taken over, renamed, withdrawn as if it had been stated here.
            5 => (
                theirs,
                vec![unit(self.unit), write("so_cccd", text(&theirs_number)), write("ho_ten", text("Giả"))],
            ),
            6 => (theirs, vec![write(path::WITHDRAWN, Value::Boolean(true)), write("ho_ten", text("Giả"))]),
            // Another's record, claiming to have seen what its author never wrote.
            7 => {
                let context = Context::new([(self.author, u64::MAX - random.random_range(0..1_000))]);
                (theirs, vec![Write { context, ..write("ho_ten", text("Giả")) }])
            }
            // Its own, given away.
            _ => (self.own, vec![unit(other), write("ghi_chu", text("Giả"))]),
        };
        // As if it had been another's entry before a recovery.
        let origin = random
            .random_bool(0.3)
            .then(|| Dot { replica: self.author, sequence: Sequence(random.random_range(0..9)) });
        Change { record, origin, ..peer.change(writes) }
    }
}

async fn hostile(hub: &Hub, address: &str, dir: &std::path::Path, unit: &str) -> Peer {
    let folder = dir.join(unit);
    std::fs::create_dir(&folder).unwrap();
    identity::enrol(&folder, address, &token(hub, unit).unwrap()).await.unwrap();
    Peer::of(NodeIdentity::load(&folder).unwrap().unwrap())
}

/// The verdicts on a replica's entries, in the ledger.
fn verdicts(hub: &Hub, replica: ReplicaId) -> BTreeMap<u64, Verdict> {
    let mut found = BTreeMap::new();
    for frame in hub.reader.clone().scan(Sequence(0)) {
        let frame = frame.unwrap().1;
        let Ok(Payload::Accepted { entry, .. }) = Payload::parse(&frame.payload) else { continue };
        let acceptance = Acceptance::of(&Entry::decode(entry).unwrap()).unwrap();
        if acceptance.replica == replica {
            let first = acceptance.first.0;
            found.extend(
                acceptance.verdicts.into_iter().map(|(place, verdict)| (first + u64::from(place), verdict)),
            );
        }
    }
    found
}

/// Goal: of ten thousand forgeries of owners, records, authors and places in time none comes into a record, each has its
/// verdict in the ledger beside it, each that is kept out waits where a steward finds it, and the honest unit's records are
/// what they were. Method: two units' machines of our own making, from a seed that is printed when it fails.
#[tokio::test(flavor = "multi_thread")]
async fn t36_ten_thousand_forgeries_come_into_no_record() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("honest"), HONEST).await.unwrap();
    node.start_sync(brisk());
    let key = hub.secrets.provincial_key.to_vec();
    let mut honest = Vec::new();
    for n in 0..12 {
        let number = format!("0330{n:08}");
        assert!(node.write(vec![member(HONEST, &number, NAME).unwrap()]).await[0].is_ok());
        honest.push((record_id(&key, "dang_vien", None, std::slice::from_ref(&number)), number));
    }
    acknowledged(&node).await.unwrap();
    hub.committer.flush().await;

    let count: u32 = std::env::var("LIENTHONG_FORGERIES").map_or(10_000, |count| count.parse().unwrap());
    let mut proposals = 0;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (seed, unit) in (36..).zip(UNITS) {
        let mut peer = hostile(&hub, &address, dir.path(), unit).await;
        let (up, mut down) = peer.greeted(8).await;
        let number = format!("0360{seed:08}");
        let own = record_id(&key, "dang_vien", None, std::slice::from_ref(&number));
        let mut writes = Peer::writes(unit, "của mình".to_owned());
        writes.push(write("so_cccd", text(&number)));
        peer.push_change(&Change { record: own, ..peer.change(writes) });
        up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
        received(&mut down, 1).await;
        let author = node.identity.replica();
        let known = Known { key: key.clone(), honest: honest.clone(), author, own, unit };
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..count / 2 / AT_ONCE {
            for _ in 0..AT_ONCE {
                let change = known.forged(&peer, &mut random);
                peer.push_change(&change);
            }
            up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
            received(&mut down, peer.frontier.size()).await;
        }
        let verdicts = verdicts(&hub, peer.identity.replica());
        for sequence in 1..peer.frontier.size() {
            match verdicts.get(&sequence) {
                Some(Verdict::Quarantined(reason)) => *kinds.entry(reason.code()).or_default() += 1,
                Some(Verdict::Proposal) => proposals += 1,
                other => panic!("seed {seed}, entry {sequence}: {other:?}"),
            }
        }
        assert_eq!(verdicts.get(&0), None, "its own it may write");
    }
    let quarantined: usize = kinds.values().sum();
    assert_eq!(quarantined + proposals, (count / 2 / AT_ONCE * AT_ONCE * 2) as usize);
    assert_eq!(hub.committer.books().read().quarantine.len(), quarantined);
    for expected in ["FOREIGN_OWNER", "KEY_MISSING", "OWNER_CHANGE", "CONTEXT_AHEAD", "UNDECODABLE"] {
        assert!(kinds.get(expected).is_some_and(|count| *count > 50), "{expected} in {kinds:?}");
    }
    assert!(proposals > 50, "of others' records one may propose");
    hub.committer.flush().await;
    assert_eq!(hub.dataset.totals().records, 14, "twelve honest ones, and each forger's own");
    for (record, number) in &honest {
        let state = hub.dataset.state("dang_vien", *record).unwrap().unwrap();
        assert_eq!(state.owner().map(ToString::to_string).as_deref(), Some(HONEST), "{number}");
        let record = hub.dataset.record(&hub.catalogue, "dang_vien", *record).unwrap().unwrap();
        assert_eq!(record.shown("ho_ten"), Some(&text(NAME)), "{number}");
    }
    node.close().await;
}

/// Goal: an entry in another's name, from another place, under another's signature breaks its batch, and nothing of the
/// batch is held. Method: each such batch on a stream of its own, again and again with other forgeries of its kind.
#[tokio::test(flavor = "multi_thread")]
async fn t36_no_entry_goes_by_another_replicas_name() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("honest"), HONEST).await.unwrap();
    node.start_sync(brisk());
    assert!(node.write(vec![member(HONEST, "033000000001", NAME).unwrap()]).await[0].is_ok());
    acknowledged(&node).await.unwrap();
    let peer = Arc::new(hostile(&hub, &address, dir.path(), UNITS[0]).await);
    let neighbour = hostile(&hub, &address, dir.path(), UNITS[1]).await;
    let mut random = StdRng::seed_from_u64(36);
    let held = hub.head().size;
    for round in 0..40_u32 {
        let kind = round % 4;
        let mut forger = Peer::of(NodeIdentity::load(&dir.path().join(UNITS[0])).unwrap().unwrap());
        let mut change = forger.change(Peer::writes(UNITS[0], format!("{round}")));
        match kind {
            // In another's name: the honest one's, the neighbour's, the hub's own, anybody's.
            0 => {
                let others =
                    [node.identity.replica(), neighbour.identity.replica(), hub.secrets.profile.replica];
                let anybody = ReplicaId(random.random());
                change.dot.replica =
                    **others.iter().chain([&anybody]).collect::<Vec<_>>().choose(&mut random).unwrap();
            }
            1 => change.dot.sequence = Sequence(random.random_range(1..u64::MAX)),
            _ => {}
        }
        forger.push_change(&change);
        let mut batch = forger.batch();
        match kind {
            // Under the neighbour's signature, and with a count that is not the batch's.
            2 => {
                let (size, root) = (forger.frontier.size(), forger.frontier.root());
                let origin = forger.identity.origin();
                let checkpoint = lienthong_proto::checkpoint::Checkpoint { origin, size, root, roll: None };
                batch.checkpoint =
                    checkpoint.sign(neighbour.identity.log_key().as_ref()).unwrap().note().to_string();
            }
            3 => {
                batch.count = random.random_range(2..u32::MAX);
                batch.packed =
                    batch::pack([change.build(&[7; 16]).unwrap().0.as_slice()].into_iter()).unwrap().into();
            }
            _ => {}
        }
        let (up, mut down) = peer.greeted(4).await;
        up.send(say(wire::up::Message::Batch(batch))).await.unwrap();
        let status = ended(&mut down).await;
        assert_eq!(status.code(), Code::InvalidArgument, "round {round}: {status}");
    }
    assert_eq!(hub.head().size, held, "nothing of it is in the ledger");
    let held = hub.committer.books().read().replicas.get(&peer.identity.replica()).cloned();
    assert_eq!(held.map_or(0, |held| held.frontier.size()), 0);
    assert_eq!(hub.dataset.totals().records, 1);
    node.close().await;
}
