//! What comes to a hub while its succession is open, before an administrator has confirmed it: from whom it takes what.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_hub::rpc::EnrolmentService;
use lienthong_hub::succession::{RestoreOptions, rebuild};
use lienthong_hub::verify::verify;
use lienthong_node::app::system_clock;
use lienthong_node::at_rest::KeyRing;
use lienthong_node::identity::{self, NodeIdentity, proof_message};
use lienthong_node::rpc::enrol::enrolment_server::Enrolment as _;
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_proto::batch;
use lienthong_proto::change::{Context, Write};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::value::Value;
use lienthong_proto::wire::enrol::EnrolRequest;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::peer::{Peer, received, say};
use lienthong_tests::{catalogue, copy_folder, open_hub, retarget, token};
use tonic::Code;

const UNIT: &str = "11953";
const OTHER: &str = "11977";

/// A province whose hub is lost and rebuilt: the peers that had enrolled with the one before.
struct Stage {
    dir: tempfile::TempDir,
    rebuilt: RestoreOptions,
    hub: Arc<Hub>,
    address: String,
}

impl Stage {
    async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("hub");
        let (province, domain) = ("33".parse().unwrap(), "hungyen.example".to_owned());
        let made = init(&data, &InitOptions { province, domain, names: Vec::new() }).unwrap();
        let rebuilt = RestoreOptions {
            erasures: None,
            data: dir.path().join("rebuilt"),
            kit: made.kit,
            passphrase: made.kit_passphrase,
            names: Vec::new(),
            after: None,
            keys: KeyRing::default(),
            identity: None,
        };
        let hub = open_hub(&data).unwrap();
        let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
        Self { dir, rebuilt, hub, address }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn peer(&self, name: &str, unit: &str) -> Peer {
        let folder = self.folder(name);
        std::fs::create_dir_all(&folder).unwrap();
        identity::enrol(&folder, &self.address, &token(&self.hub, unit).unwrap()).await.unwrap();
        Peer::of(NodeIdentity::load(&folder).unwrap().unwrap())
    }

    /// The ledger holds to the last signature.
    fn verified(&self) {
        let (data, keys) = (self.dir.path().join("copy"), KeyRing::default());
        copy_folder(&self.hub.data, &data).unwrap();
        verify(&data, &self.hub.secrets, &keys, 0).unwrap();
        std::fs::remove_dir_all(&data).unwrap();
    }

    /// The hub is lost, and another made from the kit alone; everybody dials it.
    async fn rebuild(&mut self, peers: [(&str, &mut Peer); 3]) {
        self.hub.close().await;
        rebuild(&self.rebuilt, catalogue().unwrap(), system_clock).unwrap();
        let options = LedgerOptions::default();
        self.hub = Hub::open(&self.rebuilt.data, catalogue().unwrap(), &options, system_clock).unwrap();
        self.address = self.hub.listen("127.0.0.1:0").await.unwrap().to_string();
        for (name, peer) in peers {
            let folder = self.folder(name);
            retarget(&folder, &self.address).unwrap();
            peer.identity = NodeIdentity::load(&folder).unwrap().unwrap();
        }
    }

    fn held(&self, replica: ReplicaId) -> Option<u64> {
        self.hub.committer.books().read().replicas.get(&replica).map(|held| held.frontier.size())
    }

    fn quarantined(&self) -> Vec<String> {
        let books = self.hub.committer.books().read();
        books.quarantine.values().map(|waiting| waiting.reason.code().to_owned()).collect()
    }
}

/// Sends everything pushed and waits until it is held.
async fn sent(peer: &mut Peer) {
    let (up, mut down) = peer.greeted(4).await;
    let batch = peer.batch();
    up.send(say(wire::up::Message::Batch(batch))).await.unwrap();
    received(&mut down, peer.frontier.size()).await;
}

async fn refill(peer: &Peer) -> Result<Vec<wire::RefillPiece>, tonic::Status> {
    let channel = identity::connect(&peer.identity).await.unwrap();
    let asked = SyncClient::new(channel).refill(wire::RefillRequest::default()).await?;
    let (mut pieces, mut taken) = (asked.into_inner(), Vec::new());
    while let Some(piece) = pieces.message().await? {
        taken.push(piece);
    }
    Ok(taken)
}

fn former(piece: &wire::RefillPiece) -> wire::Former {
    let wire::RefillPiece { replica, first, count, packed, checkpoint, cosignature, .. } = piece.clone();
    wire::Former { replica, first, count, packed, checkpoint, cosignature }
}

/// Goal: a former replica's log comes back by whoever was refilled with it, exactly as the hub before had cosigned it, and
/// for its own unit only; what does not hold is passed over and ends nothing. Method: a neighbour claims it first, then
/// invents logs, under an unknown name and under the ledgers' own.
#[tokio::test(flavor = "multi_thread")]
async fn p6_p9_a_former_replicas_log_is_taken_as_it_was_cosigned_and_no_other() {
    let mut stage = Stage::set().await;
    let mut lost = stage.peer("lost", UNIT).await;
    let mut present = stage.peer("present", UNIT).await;
    let mut hostile = stage.peer("hostile", OTHER).await;
    for n in 0..3 {
        lost.push(Peer::writes(UNIT, format!("{n}")));
        sent(&mut lost).await;
    }
    let pieces = refill(&present).await.unwrap();
    assert_eq!(pieces.len(), 3);
    let first_ledger = stage.hub.secrets.profile.replica;
    stage.rebuild([("lost", &mut lost), ("present", &mut present), ("hostile", &mut hostile)]).await;
    assert_eq!(refill(&present).await.unwrap_err().code(), Code::PermissionDenied, "not let in yet");

    // A log of its own making, right in everything but that the hub had not cosigned it.
    let nobody = ReplicaId([9; 16]);
    let mut invented = Peer::of(NodeIdentity::load(&stage.folder("hostile")).unwrap().unwrap());
    let mut change = invented.change(Peer::writes(OTHER, "bịa".to_owned()));
    change.dot.replica = nobody;
    invented.push_change(&change);
    let packed = batch::pack(invented.entries.iter().map(Vec::as_slice)).unwrap();
    let origin = stage.hub.secrets.origin(&OTHER.parse().unwrap(), nobody);
    let stated = Checkpoint { origin, size: 1, root: invented.frontier.root(), roll: None };
    let signed = stated.sign(invented.identity.log_key().as_ref()).unwrap();
    let checkpoint = signed.note().to_string();
    let named = |replica: ReplicaId| wire::Former {
        replica: replica.0.to_vec().into(),
        first: 0,
        count: 1,
        packed: packed.clone().into(),
        checkpoint: checkpoint.clone(),
        cosignature: pieces[0].cosignature.clone(),
    };
    let own_ledger = stage.hub.secrets.profile.replica;
    let (up, mut down) = hostile.greeted(16).await;
    let claims = pieces.iter().map(former).chain([
        named(nobody),
        named(own_ledger),
        named(first_ledger),
        wire::Former { replica: vec![1; 3].into(), ..named(own_ledger) },
        wire::Former { packed: b"rubbish".to_vec().into(), ..named(ReplicaId([8; 16])) },
    ]);
    for claim in claims {
        up.send(say(wire::up::Message::Former(claim))).await.unwrap();
    }
    hostile.push(Peer::writes(OTHER, "thật".to_owned()));
    let batch = hostile.batch();
    up.send(say(wire::up::Message::Batch(batch))).await.unwrap();
    received(&mut down, 1).await;
    assert_eq!(stage.held(lost.identity.replica()), None);
    assert_eq!(stage.held(nobody), None);
    assert_eq!((stage.held(own_ledger), stage.held(first_ledger)), (None, Some(0)));

    // An altered one is passed over too; the true ones are taken, each once.
    let (up, mut down) = present.greeted(16).await;
    let altered = wire::Former { checkpoint: pieces[1].checkpoint.clone(), ..former(&pieces[0]) };
    let claims = std::iter::once(altered).chain(pieces.iter().map(former)).chain([former(&pieces[0])]);
    for claim in claims {
        up.send(say(wire::up::Message::Former(claim))).await.unwrap();
    }
    present.push(Peer::writes(UNIT, "tiếp".to_owned()));
    let batch = present.batch();
    up.send(say(wire::up::Message::Batch(batch))).await.unwrap();
    received(&mut down, 1).await;
    assert_eq!(stage.held(lost.identity.replica()), Some(3));
    // The key of its log is known to nobody, and the ledger is right without.
    stage.verified();
    // Where it is not lost after all, it goes on from there.
    lost.push(Peer::writes(UNIT, "còn".to_owned()));
    sent(&mut lost).await;
    assert_eq!(stage.held(lost.identity.replica()), Some(4));
    stage.verified();
    let refused = refill(&present).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "nothing is whole yet: {refused}");
}

/// Goal: while logs are still to come back, a context wins nothing by a claim about a log that is there: this ledger's, or
/// one whose replica has said how long it is.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_claim_about_a_log_that_is_back_is_quarantined() {
    let mut stage = Stage::set().await;
    let mut back = stage.peer("back", UNIT).await;
    let mut away = stage.peer("away", UNIT).await;
    let mut hostile = stage.peer("hostile", OTHER).await;
    let first_ledger = stage.hub.secrets.profile.replica;
    stage.rebuild([("back", &mut back), ("away", &mut away), ("hostile", &mut hostile)]).await;
    back.push(Peer::writes(UNIT, "một".to_owned()));
    let (_up, _down) = back.greeted(4).await;
    let claim = |replica: ReplicaId, seen: u64| {
        let unit = Write {
            path: "_unit".to_owned(),
            value: Value::Unit(OTHER.parse().unwrap()),
            context: Context::new([(replica, seen)]),
        };
        vec![unit]
    };
    // Their ids are of no key, which is quarantined as well: only the claims are counted.
    for (replica, seen) in [
        (stage.hub.secrets.profile.replica, 1_000),
        (back.identity.replica(), 1),
        (back.identity.replica(), 0),
        (away.identity.replica(), 1_000),
        (first_ledger, 1_000),
    ] {
        hostile.push(claim(replica, seen));
    }
    sent(&mut hostile).await;
    let ahead = stage.quarantined().iter().filter(|reason| *reason == "CONTEXT_AHEAD").count();
    assert_eq!(ahead, 2, "{:?}", stage.quarantined());
}

/// Goal: nobody is enrolled under the name of a ledger or of a log that is held; the token is not spent on it.
#[tokio::test(flavor = "multi_thread")]
async fn p9_nobody_is_enrolled_under_a_name_that_is_somebodys() {
    let stage = Stage::set().await;
    let mut known = stage.peer("known", UNIT).await;
    known.push(Peer::writes(UNIT, "một".to_owned()));
    sent(&mut known).await;
    let service = EnrolmentService::new(Arc::clone(&stage.hub));
    let token = token(&stage.hub, OTHER).unwrap();
    let key = SigningKey::from_seed(&[5; 32]).unwrap();
    let tls = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&tls).unwrap();
    let enrol = async |replica: ReplicaId| {
        let request = EnrolRequest {
            token_id: token.id.to_vec().into(),
            token_secret: token.secret.to_vec().into(),
            replica: replica.0.to_vec().into(),
            csr: csr.der().to_vec().into(),
            log_key: key.public_key().to_vec().into(),
            proof: key.sign(&proof_message(&token.id, &replica, csr.der())).to_vec().into(),
            program: "0.0.0".to_owned(),
        };
        service.enrol(tonic::Request::new(request)).await
    };
    for somebodys in [stage.hub.secrets.profile.replica, known.identity.replica()] {
        assert_eq!(enrol(somebodys).await.unwrap_err().code(), Code::AlreadyExists);
    }
    enrol(ReplicaId([7; 16])).await.unwrap();
}
