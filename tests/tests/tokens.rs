//! T33: enrolment tokens that were used, have ended, are another's or guessed give nobody a certificate, somebody hears of
//! it, and those who really enrol are not held up.
//!
//! The long form: `LIENTHONG_GUESSES=1000000 cargo test --release -p lienthong-tests --test tokens`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use lienthong_hub::alerts::Limits;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::Role;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, ALPN_ENROL, Token, proof_message};
use lienthong_node::rpc::enrol::enrolment_client::EnrolmentClient;
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::enrol as wire;
use lienthong_tests::frames::{Papers, shake, tcp};
use lienthong_tests::{Province, token};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const UNIT: &str = "11953";
const OTHER: &str = "11977";

/// Enrolment's door, dialled from one of this machine's addresses.
async fn door(hub: &Hub, address: &str, from: u8) -> EnrolmentClient<Channel> {
    let (papers, address) = (Papers::none(hub), address.parse::<SocketAddr>().unwrap());
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let config = papers.config(&rustls::version::TLS13, &[ALPN_ENROL]);
        async move {
            Ok::<_, std::io::Error>(TokioIo::new(
                shake(tcp([127, 0, 0, from], address).await?, config).await?,
            ))
        }
    });
    let endpoint = Endpoint::from_static("https://localhost");
    EnrolmentClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

/// A machine that asks to be enrolled, properly but for its token.
struct Machine {
    replica: ReplicaId,
    csr: Vec<u8>,
    key: SigningKey,
}

impl Machine {
    fn new(number: u8) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        Self { replica: ReplicaId([number; 16]), csr, key: SigningKey::from_seed(&[number; 32]).unwrap() }
    }

    fn asks(&self, id: &[u8], secret: &[u8]) -> wire::EnrolRequest {
        wire::EnrolRequest {
            token_id: id.to_vec().into(),
            token_secret: secret.to_vec().into(),
            replica: self.replica.0.to_vec().into(),
            csr: self.csr.clone().into(),
            log_key: self.key.public_key().to_vec().into(),
            proof: self.key.sign(&proof_message(id, &self.replica, &self.csr)).to_vec().into(),
            program: "0.0.0".to_owned(),
        }
    }
}

fn refused(answer: Result<tonic::Response<wire::EnrolReply>, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

/// The ledger's events of a kind.
fn events(hub: &Hub, kind: &str) -> Vec<Event> {
    let frames = hub.reader.clone().scan(Sequence(0)).map(|frame| frame.unwrap().1);
    let events = frames.filter_map(|frame| match lienthong_node::dataset::Payload::parse(&frame.payload) {
        Ok(lienthong_node::dataset::Payload::Entry(entry)) => Event::of(&Entry::decode(entry).ok()?).ok(),
        _ => None,
    });
    events.filter(|event| event.kind == kind).collect()
}

fn alerts(hub: &Hub) -> Vec<String> {
    hub.look_at_alerts(&Limits::default());
    let open = hub.alerts.list(false).into_iter().map(|alert| alert.key);
    open.filter(|key| key.starts_with("guessing/")).collect()
}

/// Goal: used, ended, taken back, of another hub, half of one and half of another: no certificate, no replica; five wrong
/// secrets lock a token, its unit is named to whoever looks after alerts and in the ledger, and the right secret comes too
/// late. The same machine may ask again for an answer that was lost.
#[tokio::test(flavor = "multi_thread")]
async fn t33_a_token_is_good_once_in_time_and_for_its_unit() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let elsewhere = Province::set().await.unwrap();
    let mut door = door(&hub, &address, 2).await;
    let (first, second) = (Machine::new(1), Machine::new(2));
    let used = token(&hub, UNIT).unwrap();
    let reply = door.enrol(first.asks(&used.id, &used.secret)).await.unwrap().into_inner();
    assert_eq!(reply.unit, UNIT, "the token says of which unit, nobody else");
    assert!(door.enrol(first.asks(&used.id, &used.secret)).await.is_ok(), "the answer was lost");

    let expires = UnixMillis(hub.now().0 - 1);
    let make = |expires| {
        hub.tokens.create(&hub.secrets, OTHER.parse().unwrap(), Role::Commune, expires, "test".into())
    };
    let late = make(expires).unwrap();
    let taken_back = token(&hub, OTHER).unwrap();
    hub.tokens.revoke(&hex::encode(taken_back.id)).unwrap();
    let foreign = token(&elsewhere.hub, OTHER).unwrap();
    let mut denied = async |id: &[u8], secret: &[u8], word: &str| {
        let (code, said) = refused(door.enrol(second.asks(id, secret)).await);
        assert!(code == Code::PermissionDenied && said.contains(word), "{code:?} {said}");
    };
    denied(&used.id, &used.secret, "used already").await;
    denied(&late.id, &late.secret, "expired").await;
    denied(&taken_back.id, &taken_back.secret, "revoked").await;
    denied(&foreign.id, &foreign.secret, "not right").await;
    assert_eq!(alerts(&hub), Vec::<String>::new(), "four slips are no attack");
    // And the node itself gives such a token's secret to nobody but the hub it names.
    let folder = dir.path().join("misled");
    std::fs::create_dir(&folder).unwrap();
    assert!(identity::enrol(&folder, &address, &foreign).await.is_err());

    let good = token(&hub, OTHER).unwrap();
    for length in [16, 16, 0, 15, 4_096] {
        denied(&good.id, &vec![7; length], "not right").await;
    }
    denied(&good.id, &good.secret, "revoked").await;
    assert_eq!(alerts(&hub), [format!("guessing/{OTHER}"), "guessing/hub".to_owned()]);
    let locked = events(&hub, "token_locked");
    assert_eq!(locked.len(), 1, "told once");
    assert_eq!(locked[0].fields["unit"].to_text(), OTHER);
    assert_eq!(locked[0].fields["address"].to_text(), "127.0.0.2");
    assert_eq!(hub.registry.list().len(), 1);
    hub.close().await;

    // It is so after a restart, too.
    let data = dir.path().join("hub");
    drop((door, hub));
    let hub = lienthong_tests::reopened(|| {
        Ok(Hub::open(&data, lienthong_tests::catalogue()?, &LedgerOptions::default(), system_clock)?)
    });
    assert!(alerts(&hub).contains(&format!("guessing/{OTHER}")));
    let entry = hub.tokens.list().into_iter().find(|entry| entry.id == hex::encode(good.id)).unwrap();
    assert!(entry.revoked && entry.failures == 5);
}

/// Goal: guesses by the thousand give nothing, are told of twice, and hold up nobody who enrols, even from the guesser's own
/// address. Method: four connections guess as fast as they are answered, with ids nobody made, ids of former tokens and a
/// good one's; ten machines enrol meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn t33_guesses_by_the_thousand_give_nothing_and_hold_up_nobody() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let count: u64 = std::env::var("LIENTHONG_GUESSES").map_or(4_000, |count| count.parse().unwrap());
    let known = token(&hub, UNIT).unwrap();
    let machine = Arc::new(Machine::new(9));
    let guessers = (0..4_u64).map(|guesser| {
        let (hub, address, machine, known) =
            (Arc::clone(&hub), address.clone(), Arc::clone(&machine), known.clone());
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(guesser);
            let mut held = 0;
            let mut left = count / 4;
            while left > 0 {
                // The hub ends an enrolment's connection in time: a guesser comes again.
                let mut door = door(&hub, &address, 2).await;
                while left > 0 {
                    let (mut id, mut secret) = ([0; 8], [0; 16]);
                    random.fill(&mut id);
                    random.fill(&mut secret);
                    if left.is_multiple_of(500) {
                        id = known.id;
                    }
                    match refused(door.enrol(machine.asks(&id, &secret)).await).0 {
                        Code::PermissionDenied => {}
                        Code::ResourceExhausted => held += 1,
                        Code::Unavailable | Code::Unknown | Code::Cancelled => break,
                        other => panic!("{other:?}"),
                    }
                    left -= 1;
                }
            }
            held
        })
    });
    let guessers: Vec<_> = guessers.collect();
    for number in 10..20 {
        let token: Token = token(&hub, OTHER).unwrap();
        let mut door = door(&hub, &address, if number % 2 == 0 { 2 } else { 3 }).await;
        let answer = door.enrol(Machine::new(number).asks(&token.id, &token.secret)).await;
        assert_eq!(answer.unwrap().into_inner().unit, OTHER);
    }
    let held: u64 = futures::future::join_all(guessers).await.into_iter().map(Result::unwrap).sum();
    eprintln!("{count} guesses, {held} of them not even heard");
    assert!(held >= count - 100, "{held} of {count}");
    let units: Vec<String> = hub.registry.list().iter().map(|entry| entry.unit.to_string()).collect();
    assert_eq!(units, [OTHER; 10], "the ten that enrolled, and nobody else");
    assert!(events(&hub, "enrolment_refused").len() <= 2, "the ledger is kept for ever");
    assert!(alerts(&hub).contains(&"guessing/hub".to_owned()));
    assert!(hub.observed.meters.refusals()["token"] >= count);
    drop(dir);
}
