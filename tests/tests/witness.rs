//! P6 as it binds the hub: nodes cosign its ledger, keep what they cosigned, and refuse one that was cut, forked or
//! written anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::alerts::Limits;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_hub::succession::{RestoreOptions, restore};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::NodeIdentity;
use lienthong_node::sync::{Phase, RoundFault, Witness};
use lienthong_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use lienthong_proto::cosignature::cosign;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::hash::{Digest, Signer as _, SigningKey};
use lienthong_proto::merkle::{Frontier, Hashes, consistency_proof, leaf_hash};
use lienthong_proto::note::Note;
use lienthong_proto::succession::{Succession, TreeHead};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;
use lienthong_proto::witness::{Introduced, POLICY, WITNESS, witness_name};
use lienthong_tests::peer::{Peer, ended, say};
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_node, member, open_hub, reopened, retarget,
};
use tonic::Code;

const UNITS: [&str; 3] = ["11953", "11977", "12004"];

/// Waits until something holds, asked again and again.
async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !wanted() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

/// One node of each unit, in step.
async fn nodes(province: &Province) -> Vec<Arc<Node>> {
    let mut nodes = Vec::new();
    for unit in UNITS {
        let folder = province.dir.path().join(unit);
        let node = make_node(&province.hub, &province.address, &folder, unit).await.unwrap();
        node.start_sync(brisk());
        nodes.push(node);
    }
    for (node, unit) in nodes.iter().zip(UNITS) {
        node.write(vec![member(unit, &format!("0330700{unit}"), "Nguyễn Văn An").unwrap()]).await;
        acknowledged(node).await.unwrap();
        named(&province.hub, node).await;
    }
    nodes
}

/// Waits until the ledger names a node's key as a witness.
async fn named(hub: &Hub, node: &Node) {
    let replica = node.identity.replica();
    let named = || hub.committer.books().read().witnesses.keys.contains_key(&replica);
    eventually("a witness's key is named", named).await;
}

async fn write(node: &Node, unit: &str, number: u32) {
    let drafts = vec![member(unit, &format!("03307{number:07}"), "Trần Thị Hòa").unwrap()];
    assert!(node.write(drafts).await[0].is_ok());
}

/// Closes a round and waits until a quorum has cosigned it.
async fn round(hub: &Hub) -> Checkpoint {
    let checkpoint = hub.close_round().await.unwrap().unwrap();
    let witnessed = || hub.witnessed().is_some_and(|witnessed| witnessed.checkpoint == checkpoint);
    eventually("a quorum has cosigned", witnessed).await;
    checkpoint
}

fn alarm(node: &Node) -> Option<String> {
    let status = node.sync().unwrap().status();
    status.alarm.or(status.unwitnessed)
}

/// Goal: one checkpoint of each round is cosigned by every node, and with more than half of those the ledger names it is
/// witnessed: by keys of their own, in a note that says all. It outlives a restart of the hub.
#[tokio::test(flavor = "multi_thread")]
async fn p6_more_than_half_of_the_witnesses_the_ledger_names_cosign_each_round() {
    let province = Province::set().await.unwrap();
    let hub = &province.hub;
    assert!(hub.witnessed().is_none() && !hub.is_witnessed_freshly(hub.now()));
    let nodes = nodes(&province).await;
    let first = round(hub).await;
    eventually("all have cosigned", || hub.rounds.cosigned() == (3, 0)).await;
    let witnessed = hub.witnessed().unwrap();
    let note = Note::parse(witnessed.note.as_bytes()).unwrap();
    let witnesses = Arc::clone(&hub.committer.books().read().witnesses);
    let (place, policy) = witnesses.policy_at(first.size).unwrap();
    assert_eq!((policy.witnesses().len(), policy.quorum(), note.signatures().len()), (3, 2, 4));
    assert_eq!((witnessed.policy_index, policy.judge(&note).unwrap().0), (place, 3));
    assert!(witnessed.is_fresh(hub.now()));
    assert!(!witnessed.is_fresh(UnixMillis(hub.now().0 + 25 * 3_600_000)), "a day later it is not");
    // Each with a key of its own, which the ledger names.
    for node in &nodes {
        let name = witness_name(&node.identity.origin());
        let named = policy.witnesses().iter().find(|witness| witness.name() == name).unwrap();
        assert_ne!(*named.key(), node.identity.log_key().public_key());
    }
    assert_eq!(hub.close_round().await.unwrap(), None, "the ledger did not grow");

    // One of three is away: the two others are enough. Two are away: nobody speaks for them.
    nodes[0].close().await;
    write(&nodes[1], UNITS[1], 1).await;
    acknowledged(&nodes[1]).await.unwrap();
    let second = round(hub).await;
    assert!(second.size > first.size);
    nodes[1].close().await;
    write(&nodes[2], UNITS[2], 2).await;
    acknowledged(&nodes[2]).await.unwrap();
    hub.close_round().await.unwrap().unwrap();
    eventually("one has cosigned", || hub.rounds.cosigned() == (1, 0)).await;
    assert_eq!(hub.witnessed().unwrap().checkpoint, second);
    assert!(nodes.iter().skip(2).all(|node| alarm(node).is_none()));
    nodes[2].close().await;
    drop(nodes);

    // Opened anew it shows the same, and nothing where its file was meddled with.
    let (data, kept) = (hub.data.clone(), hub.witnessed().unwrap().note.clone());
    hub.close().await;
    let Province { dir: _dir, hub, .. } = province;
    drop(hub);
    let hub = reopened(|| open_hub(&data));
    assert_eq!(hub.witnessed().unwrap().note, kept);
    hub.close().await;
    drop(hub);
    let path = data.join("witness/witnessed.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let (all_but_one, _) = text.rsplit_once('—').unwrap();
    std::fs::write(&path, format!("{all_but_one}\"}}")).unwrap();
    let hub = reopened(|| open_hub(&data));
    assert!(hub.witnessed().is_none(), "one line is no quorum");
    hub.close().await;
}

/// Goal: a hub that lost what was witnessed is not left without its witnesses for good: who was shown it gives it back,
/// and goes on cosigning. Method: the file is gone, then damaged, while the hub is down.
#[tokio::test(flavor = "multi_thread")]
async fn p6_what_was_witnessed_comes_back_from_its_witnesses() {
    let province = Province::set().await.unwrap();
    let nodes = nodes(&province).await;
    let first = round(&province.hub).await;
    for node in &nodes {
        node.close().await;
    }
    drop(nodes);
    // A welcome shows it to them.
    let Province { dir, mut hub, address } = province;
    let open = |unit: &&str| {
        let node = reopened(|| Ok(Node::open(&dir.path().join(unit), catalogue()?, system_clock)?));
        node.start_sync(brisk());
        node
    };
    let nodes: Vec<Arc<Node>> = UNITS.iter().map(open).collect();
    let shown = |unit: &str| {
        let kept = std::fs::read_to_string(dir.path().join(unit).join("identity/witness.json")).unwrap();
        !kept.contains("\"witnessed\":null")
    };
    eventually("all were shown it", || UNITS.into_iter().all(shown)).await;
    for damage in [None, Some("{\"note\":")] {
        let data = hub.data.clone();
        hub.close().await;
        drop(hub);
        let path = data.join("witness/witnessed.json");
        match damage {
            None => std::fs::remove_file(&path).unwrap(),
            Some(text) => std::fs::write(&path, text).unwrap(),
        }
        hub = reopened(|| open_hub(&data));
        assert!(hub.witnessed().is_none());
        hub.listen(&address).await.unwrap();
        assert!(round(&hub).await.size >= first.size);
        eventually("nobody withholds", || nodes.iter().all(|node| alarm(node).is_none())).await;
    }
    hub.close().await;
}

/// Two hubs of one ledger: a copy of the folder, each gone on its own way.
struct Forked {
    province: Province,
    nodes: Vec<Arc<Node>>,
    copy: Arc<Hub>,
    address: String,
}

impl Forked {
    /// The copy has grown by so many entries of its own; the nodes have seen the original grow, and cosigned it.
    async fn set(entries: u64) -> Self {
        let province = Province::set().await.unwrap();
        let nodes = nodes(&province).await;
        round(&province.hub).await;
        let data = province.dir.path().join("copy");
        copy_folder(&province.hub.data, &data).unwrap();
        // Not of the first: the copy holds everything that one was given a receipt for.
        for (number, (node, unit)) in (0..).zip(nodes.iter().zip(UNITS)).skip(1) {
            write(node, unit, number).await;
            acknowledged(node).await.unwrap();
        }
        round(&province.hub).await;
        eventually("all have cosigned", || province.hub.rounds.cosigned() == (3, 0)).await;
        let copy = open_hub(&data).unwrap();
        for _ in 0..entries {
            copy.event("import", "x", Default::default()).await.unwrap();
        }
        let address = copy.listen("127.0.0.1:0").await.unwrap().to_string();
        Self { province, nodes, copy, address }
    }

    fn folder(&self, index: usize) -> PathBuf {
        self.province.dir.path().join(UNITS[index])
    }

    /// A node is led to an address.
    async fn led(&mut self, index: usize, address: &str) {
        let folder = self.folder(index);
        let node = self.nodes.remove(index);
        node.close().await;
        drop(node);
        retarget(&folder, address).unwrap();
        let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
        node.start_sync(brisk());
        self.nodes.insert(index, node);
    }
}

/// Goal: a hub whose ledger was forked is refused by the nodes that saw the other one: nothing is sent, nothing is
/// cosigned, both ends raise an alarm and keep the proof; back at the right one all is well. Method: a copied folder that
/// has fewer entries, and one that has more.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_forked_or_shortened_ledger_is_refused_by_who_saw_the_other() {
    for entries in [0, 40] {
        let mut forked = Forked::set(entries).await;
        let seen = forked.province.hub.head().size;
        assert_eq!(forked.copy.head().size > seen, entries > 0);
        let (right, wrong) = (forked.province.address.clone(), forked.address.clone());
        let held = forked.copy.head().size;
        forked.led(0, &wrong).await;
        write(&forked.nodes[0], UNITS[0], 77).await;
        let replica = forked.nodes[0].identity.replica();
        let copy = Arc::clone(&forked.copy);
        eventually("the copy is refused", || copy.refusals.standing().contains_key(&replica)).await;
        assert!(
            alarm(&forked.nodes[0]).unwrap().contains("is not the one known"),
            "{:?}",
            alarm(&forked.nodes[0])
        );
        assert_ne!(forked.nodes[0].sync().unwrap().status().phase, Phase::Streaming);
        // Both checkpoints are kept at both ends, signed by the ledger's own key.
        let kept = forked.nodes[0].evidence.refusals().unwrap();
        let told = copy.refusals.standing()[&replica].clone();
        assert!(told.contradicts && !kept.is_empty());
        assert_eq!(told.known, kept[0].known);
        let size = |note: &str| {
            let key = copy.secrets.ledger_public();
            let origin = copy.secrets.ledger_origin();
            SignedCheckpoint::verify(note.as_bytes(), &origin, key).unwrap().checkpoint().size
        };
        assert!(size(&told.known) > held - entries && size(&told.shown) >= held);
        // The operators of the copy hear of it.
        let look = copy.look_at_alerts(&Limits::default());
        let keys: Vec<&str> = look.begun.iter().map(|alert| alert.key.as_str()).collect();
        assert!(keys.contains(&"refused/11953"), "{keys:?}");
        copy.close_round().await.unwrap();
        assert_eq!(copy.rounds.cosigned(), (0, 0));
        assert_eq!(copy.dataset.totals().records, 3, "nothing was sent");
        // What it refused it has not learnt from.
        forked.led(0, &right).await;
        acknowledged(&forked.nodes[0]).await.unwrap();
        assert_eq!(alarm(&forked.nodes[0]), None);
        round(&forked.province.hub).await;
    }
}

/// A ledger of our own making, signed by a key of our own making.
struct Book {
    leaves: Vec<Digest>,
    key: SigningKey,
    origin: String,
}

impl Hashes for Book {
    fn leaf(&self, index: u64) -> Option<Digest> {
        self.leaves.get(usize::try_from(index).ok()?).copied()
    }

    fn tile(&self, _level: u8, _index: u64) -> Option<Digest> {
        None
    }
}

impl Book {
    /// Entries below `shared` are the same in every book, those behind it are this one's.
    fn new(origin: &str, seed: u8, shared: u8, size: u8) -> Self {
        let leaf = |index: u8| leaf_hash(&[index, if index < shared { 0 } else { seed }]);
        let (leaves, origin) = ((0..size).map(leaf).collect(), origin.to_owned());
        Self { leaves, key: SigningKey::from_seed(&[9; 32]).unwrap(), origin }
    }

    fn at(&self, size: u64) -> Checkpoint {
        let mut frontier = Frontier::new();
        self.leaves.iter().take(usize::try_from(size).unwrap()).for_each(|leaf| frontier.push(*leaf));
        Checkpoint { origin: self.origin.clone(), size, root: frontier.root(), roll: None }
    }

    /// What a witness that has seen `seen` is asked.
    fn round(&self, seen: u64, size: u64) -> wire::Round {
        let (old, new) = (seen.min(size), seen.max(size));
        let path = if old == new { Vec::new() } else { consistency_proof(self, old, new).unwrap() };
        let path = path.into_iter().map(|hash| hash.to_vec().into()).collect();
        let checkpoint = self.at(size).sign(&self.key).unwrap().to_string();
        let seen = Some(wire::Consistency { between: seen, path });
        wire::Round { checkpoint, seen, ..wire::Round::default() }
    }
}

/// Goal: a witness never signs two trees, nor backwards, whatever happens between keeping and sending. Method: rounds
/// handed to it directly; its process ends before the line is sent, and it is opened anew from its folder.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_witness_that_restarts_before_it_sends_signs_no_other_tree() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("node");
    drop(make_node(&hub, &address, &folder, UNITS[0]).await.unwrap());
    let identity = NodeIdentity::load(&folder).unwrap().unwrap();
    let mut ledger = identity.ledger();
    let book = |seed: u8, shared: u8, size: u8| Book::new(ledger.origin.as_str(), seed, shared, size);
    let (one, other) = (book(1, 20, 40), book(2, 20, 40));
    ledger.key = one.key.public_key();
    let witness = || Witness::open(&folder, &identity, hub.now()).unwrap();
    let ask = |witness: &Witness, book: &Book, seen: u64, size: u64| {
        witness.round(&ledger, &book.round(seen, size), Some(&one.at(seen)), hub.now())
    };
    let first = witness();
    assert!(!ask(&first, &one, 10, 25).unwrap().0.line.is_empty());
    drop(first);
    // The line was never sent. Opened anew it is the same witness, and bound by what it was about to say.
    let again = witness();
    assert!(again.cosigned().unwrap().contains("\n25\n"));
    assert!(!ask(&again, &one, 10, 25).unwrap().0.line.is_empty(), "the same once more");
    let seen = |size| Some(one.at(size));
    let refused = |round: &wire::Round, seen: Option<Checkpoint>| {
        again.round(&ledger, round, seen.as_ref(), hub.now()).unwrap_err()
    };
    // The other tree at the same size, a longer one of it, and less than was cosigned.
    assert!(matches!(refused(&other.round(25, 25), seen(25)), RoundFault::Fork(_)));
    assert!(matches!(refused(&other.round(25, 40), seen(25)), RoundFault::Fork(_)));
    assert!(matches!(
        refused(&one.round(25, 24), seen(25)),
        RoundFault::Backwards { cosigned: 25, found: 24 }
    ));
    // Another ledger's, another key's, and one whose proof is another's.
    let mut forged = one.round(25, 30);
    let stranger = SigningKey::from_seed(&[8; 32]).unwrap();
    forged.checkpoint = one.at(30).sign(&stranger).unwrap().to_string();
    assert!(matches!(refused(&forged, seen(25)), RoundFault::Checkpoint(_)));
    let elsewhere = Book { origin: ledger.origin.to_string().replace("/33/", "/34/"), ..book(1, 20, 40) };
    assert!(matches!(refused(&elsewhere.round(25, 30), seen(25)), RoundFault::Checkpoint(_)));
    let mut unproven = one.round(25, 30);
    unproven.seen.as_mut().unwrap().path.pop();
    assert!(matches!(refused(&unproven, seen(25)), RoundFault::Fork(_)));
    // Proven from elsewhere than where it stands: it says where that is, and signs nothing.
    let (said, _) = again.round(&ledger, &one.round(10, 30), Some(&one.at(25)), hub.now()).unwrap();
    assert_eq!((said.line.as_str(), said.seen), ("", 25));
    assert!(again.cosigned().unwrap().contains("\n25\n"), "nothing of it was kept");
    assert!(!ask(&again, &one, 25, 30).unwrap().0.line.is_empty());

    // A state that is lost takes its key along; one that cannot be read does too.
    let path = folder.join("identity/witness.json");
    let key_of = |witness: &Witness| {
        let mut hello = wire::Hello::default();
        witness.greet(&mut hello);
        hello.witness_key
    };
    let before = key_of(&again);
    assert_eq!(key_of(&witness()), before);
    std::fs::write(&path, b"{").unwrap();
    assert_ne!(key_of(&witness()), before);
    hub.close().await;
}

/// Goal: who is enrolled and lies as a witness gains nothing: a key it does not have, a line that does not hold, a time
/// that is not now, a round that is over. Method: a peer of our own making.
#[tokio::test(flavor = "multi_thread")]
async fn p6_p10_a_cosignature_that_does_not_hold_counts_nothing() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("peer");
    drop(make_node(&hub, &address, &folder, UNITS[0]).await.unwrap());
    let peer = Peer::of(NodeIdentity::load(&folder).unwrap().unwrap());
    let key = SigningKey::from_seed(&[5; 32]).unwrap();
    let introduced = Introduced::sign(&peer.identity.replica(), peer.identity.log_key().as_ref(), &key);
    let hello = |introduced: &Introduced| wire::Hello {
        witness_key: introduced.key.to_vec().into(),
        witness_key_proof: introduced.proof.clone().into(),
        witness_key_vouched: introduced.vouched.clone().into(),
        ..peer.hello()
    };
    let greet = async |introduced: &Introduced| {
        let (up, down) = peer.dial(8).await;
        up.send(say(wire::up::Message::Hello(hello(introduced)))).await.unwrap();
        (up, down)
    };
    // A key that is somebody else's, one the log does not vouch for, and the log's own.
    let claimed = Introduced { proof: vec![1; 64], ..introduced.clone() };
    let unvouched = Introduced { vouched: introduced.proof.clone(), ..introduced.clone() };
    let short = Introduced { proof: Vec::new(), ..introduced.clone() };
    let log = peer.identity.log_key();
    let same = Introduced::sign(&peer.identity.replica(), log.as_ref(), log.as_ref());
    for bad in [claimed, unvouched, short, same] {
        let (_up, mut down) = greet(&bad).await;
        assert_eq!(ended(&mut down).await.code(), Code::InvalidArgument);
    }
    assert!(hub.committer.books().read().witnesses.keys.is_empty());

    let replica = peer.identity.replica();
    let asked = async |down: &mut tonic::Streaming<wire::Down>| loop {
        let message = down.message().await.unwrap().unwrap().message;
        if let Some(wire::down::Message::Round(round)) = message {
            let note = Note::parse(round.checkpoint.as_bytes()).unwrap();
            return Checkpoint::parse_body(note.text()).unwrap();
        }
    };
    let name = witness_name(&peer.identity.origin());
    let now = hub.now().0 / 1_000;
    let line = |checkpoint: &Checkpoint, time: u64, name: &str, key: &SigningKey| {
        cosign(checkpoint, time, name, key).unwrap()
    };
    let cosigned = |checkpoint: &Checkpoint, line: String| {
        say(wire::up::Message::Cosigned(wire::Cosigned {
            size: checkpoint.size,
            line,
            seen: checkpoint.size,
            ..wire::Cosigned::default()
        }))
    };
    let (up, mut down) = greet(&introduced).await;
    let known = || hub.committer.books().read().witnesses.keys.contains_key(&replica);
    eventually("the key is named", known).await;
    hub.close_round().await.unwrap().unwrap();
    let round = asked(&mut down).await;
    // Nobody asked it for another, and yesterday's time is not now: passed over, the stream goes on.
    let earlier = Checkpoint { size: round.size - 1, ..round.clone() };
    up.send(cosigned(&earlier, line(&earlier, now, &name, &key))).await.unwrap();
    up.send(cosigned(&round, line(&round, now - 86_400, &name, &key))).await.unwrap();
    up.send(cosigned(&round, line(&round, now + 86_400, &name, &key))).await.unwrap();
    up.send(cosigned(&round, String::new())).await.unwrap();
    // One that does not hold ends it.
    let stranger = SigningKey::from_seed(&[6; 32]).unwrap();
    up.send(cosigned(&round, line(&round, now, &name, &stranger))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::InvalidArgument);
    assert!(hub.witnessed().is_none());
    for bad in ["x".to_owned(), line(&round, now, "somebody/witness", &key), line(&earlier, now, &name, &key)]
    {
        let (up, mut down) = greet(&introduced).await;
        asked(&mut down).await;
        up.send(cosigned(&round, bad)).await.unwrap();
        assert_eq!(ended(&mut down).await.code(), Code::InvalidArgument);
    }
    // Another key within a day is not named: each would be an entry of the ledger.
    let size = hub.head().size;
    let other = SigningKey::from_seed(&[7; 32]).unwrap();
    let renamed = Introduced::sign(&replica, log.as_ref(), &other);
    let (_up, mut down) = greet(&renamed).await;
    let welcome = down.message().await.unwrap().unwrap().message;
    assert!(matches!(welcome, Some(wire::down::Message::Welcome(_))));
    // And the good one counts; twice is once.
    let (up, mut down) = greet(&introduced).await;
    let round = asked(&mut down).await;
    for _ in 0..2 {
        up.send(cosigned(&round, line(&round, now, &name, &key))).await.unwrap();
    }
    eventually("a quorum of one", || hub.witnessed().is_some()).await;
    assert_eq!((hub.rounds.cosigned(), hub.head().size), ((1, 0), size));
    // Revoked it is no witness of what comes.
    hub.registry.revoke(&replica.to_string(), "x", hub.now()).unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::PermissionDenied);
    hub.close().await;
}

/// Goal: the key and the policy stand in the ledger, so that anybody who has it can judge a checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn p5_p6_witnesses_are_what_the_ledger_says() {
    let province = Province::set().await.unwrap();
    let nodes = nodes(&province).await;
    let hub = &province.hub;
    round(hub).await;
    let read = || {
        let entries = (0..hub.head().size).map(|index| hub.ledger_entry(index).unwrap());
        let event = |bytes: Vec<u8>| Event::of(&Entry::decode(&bytes).unwrap()).ok();
        entries.filter_map(event).collect::<Vec<_>>()
    };
    let count = |kind: &str| read().iter().filter(|event| event.kind == kind).count();
    assert_eq!((count(WITNESS), count(POLICY)), (3, 1));
    for event in read().iter().filter(|event| event.kind == WITNESS) {
        let (replica, _, introduced) = Introduced::of(event).unwrap();
        let log_key = hub.registry.get(replica).unwrap().log_public().unwrap();
        assert!(introduced.holds(&replica, &log_key));
    }
    // Connecting again names nothing again; a view made anew from the ledger knows the same.
    let size = hub.head().size;
    nodes[0].sync().unwrap().dial_now();
    let books = Arc::clone(&hub.committer.books().read().witnesses);
    let data = hub.data.clone();
    for node in &nodes {
        node.close().await;
    }
    drop(nodes);
    hub.close().await;
    let Province { dir, hub, .. } = province;
    assert_eq!(hub.head().size, size);
    drop(hub);
    std::fs::remove_dir_all(data.join("view")).unwrap();
    let hub = reopened(|| open_hub(&data));
    assert_eq!(hub.committer.books().read().witnesses, books);
    hub.close().await;
    drop(dir);
}

/// Goal: after a succession the statement names what was witnessed, and the witnesses go on with the new ledger.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_successor_names_what_was_witnessed_and_is_witnessed_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let options = InitOptions {
        province: "33".parse().unwrap(),
        domain: "hungyen.example".to_owned(),
        names: Vec::new(),
    };
    let made = init(&data, &options).unwrap();
    let hub = open_hub(&data).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let province = Province { dir, hub, address };
    let mut nodes = nodes(&province).await;
    let witnessed = round(&province.hub).await;
    let backup = province.dir.path().join("backup");
    province.hub.backup(&backup).unwrap();
    province.hub.close().await;
    let options = RestoreOptions {
        erasures: None,
        identity: None,
        keys: lienthong_node::at_rest::KeyRing::default(),
        data: province.dir.path().join("new"),
        kit: made.kit,
        passphrase: made.kit_passphrase,
        names: Vec::new(),
        after: None,
    };
    restore(&backup, &options, catalogue().unwrap(), system_clock).unwrap();
    let hub =
        Hub::open(&options.data, catalogue().unwrap(), &LedgerOptions::default(), system_clock).unwrap();
    let note = Note::parse(hub.secrets.profile.successions[0].as_bytes()).unwrap();
    let stated = Succession::parse(note.text()).unwrap();
    assert_eq!(stated.witnessed, Some(TreeHead { size: witnessed.size, root: witnessed.root }));
    assert!(hub.witnessed().is_none(), "what was witnessed is of the ledger before");
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    for (index, unit) in UNITS.iter().enumerate() {
        let folder = province.dir.path().join(unit);
        let node = nodes.remove(index);
        node.close().await;
        drop(node);
        retarget(&folder, &address).unwrap();
        let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
        node.start_sync(brisk());
        acknowledged(&node).await.unwrap();
        nodes.insert(index, node);
    }
    for node in &nodes {
        eventually("in step", || node.sync().unwrap().status().phase == Phase::Streaming).await;
    }
    let next = round(&hub).await;
    assert_ne!(next.origin, witnessed.origin);
    assert!(nodes.iter().all(|node| alarm(node).is_none()));
    hub.close().await;
}
