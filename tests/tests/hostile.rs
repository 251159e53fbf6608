//! P10 and the doors: peers that send without reading, exceed the limits, idle in crowds, stall or come with
//! the wrong papers slow nobody else and take nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lienthong_hub::app::Hub;
use lienthong_node::app::Node;
use lienthong_node::identity::{self, NodeIdentity, provider};
use lienthong_proto::batch;
use lienthong_proto::change::{Change, Context, Write, record_id};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::limits;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::peer::{Peer, ended, received, say};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member, token};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

const UNIT: &str = "11953";
const OTHER: &str = "11977";

struct Stage {
    _dir: tempfile::TempDir,
    hub: Arc<Hub>,
    address: String,
    honest: Arc<Node>,
    serial: u32,
}

impl Stage {
    async fn set() -> Self {
        let Province { dir, hub, address } = Province::set().await.unwrap();
        let folder = dir.path().join("honest");
        let honest = make_node(&hub, &address, &folder, OTHER).await.unwrap();
        honest.start_sync(brisk());
        Self { _dir: dir, hub, address, honest, serial: 0 }
    }

    /// The honest neighbour is served, whatever the other does.
    async fn others_are_served(&mut self) {
        self.serial += 1;
        let draft = member(OTHER, &format!("0330801{:05}", self.serial), "Trần Thị Hòa").unwrap();
        assert!(self.honest.write(vec![draft]).await[0].is_ok());
        acknowledged(&self.honest).await.unwrap();
    }

    async fn hostile(&self) -> Peer {
        let dir = tempfile::tempdir().unwrap();
        identity::enrol(dir.path(), &self.address, &token(&self.hub, UNIT).unwrap()).await.unwrap();
        Peer::of(NodeIdentity::load(dir.path()).unwrap().unwrap())
    }
}

fn note(text: String) -> Vec<Write> {
    Peer::writes(UNIT, text)
}

/// Goal: a peer that never reads its answers stalls its own stream only.
#[tokio::test(flavor = "multi_thread")]
async fn p10_a_peer_that_sends_without_reading() {
    let mut stage = Stage::set().await;
    let mut peer = stage.hostile().await;
    let (up, _unread) = peer.greeted(1).await;
    let flood = tokio::spawn(async move {
        for number in 0..3_000 {
            peer.push(note(format!("{number:0>900}")));
            if up.send(say(wire::up::Message::Batch(peer.batch()))).await.is_err() {
                break;
            }
        }
    });
    for _ in 0..20 {
        stage.others_are_served().await;
    }
    flood.abort();
}

/// Goal: what is at a limit passes, what is above it ends the stream with a reason, and nothing of it stays.
#[tokio::test(flavor = "multi_thread")]
async fn p10_frames_at_and_above_the_limits() {
    let mut stage = Stage::set().await;
    let mut peer = stage.hostile().await;
    // As much in one batch as a batch may hold.
    let mut bytes = 0;
    loop {
        let (entry, _) = peer.change(note("x".repeat(60_000))).build(&[7; 16]).unwrap();
        if bytes + entry.len() + 4 > limits::BATCH_BYTES_MAX {
            break;
        }
        bytes += entry.len() + 4;
        peer.push(note("x".repeat(60_000)));
    }
    let (up, mut down) = peer.greeted(4).await;
    let size = peer.frontier.size();
    up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    received(&mut down, size).await;
    let held = stage.hub.head().size;

    // An entry beyond its limit cannot even be built; cut by hand it is refused.
    let large = peer.change(note("x".repeat(limits::ENTRY_BYTES_MAX)));
    assert!(large.build(&[7; 16]).is_err());
    let mut plain = u32::try_from(limits::ENTRY_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec();
    plain.resize(limits::ENTRY_BYTES_MAX + 5, 0);
    let too_many: Vec<u8> = [0, 0, 0, 0].repeat(limits::BATCH_ENTRIES_MAX + 1);
    let bomb = vec![0; 200 * 1024 * 1024];
    let cases = [
        ("an entry above its limit", batch::pack_plain(&plain).unwrap()),
        ("more entries than a batch holds", batch::pack_plain(&too_many).unwrap()),
        ("200 MiB of zeros", batch::pack_plain(&bomb).unwrap()),
        ("no zstd", b"rubbish".to_vec()),
        ("nothing", Vec::new()),
    ];
    for (case, packed) in cases {
        let (up, mut down) = peer.greeted(4).await;
        let message =
            wire::Batch { first: size, count: 1, packed: packed.into(), checkpoint: peer.checkpoint() };
        up.send(say(wire::up::Message::Batch(message))).await.unwrap();
        let status = ended(&mut down).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{case}: {status}");
    }
    let (up, mut down) = peer.greeted(4).await;
    let packed = Bytes::from(vec![1; limits::MESSAGE_BYTES_MAX + 1]);
    let message = wire::Batch { first: size, count: 1, packed, checkpoint: String::new() };
    up.send(say(wire::up::Message::Batch(message))).await.unwrap();
    let code = ended(&mut down).await.code();
    assert!(matches!(code, Code::OutOfRange | Code::ResourceExhausted), "{code:?}");
    assert_eq!(stage.hub.head().size, held, "nothing of it may stay");
    stage.others_are_served().await;
}

/// Goal: gaps, other roots, other names and words out of turn end the stream, each with its reason.
#[tokio::test(flavor = "multi_thread")]
async fn p2_p8_words_out_of_order_and_from_the_wrong_peer() {
    let mut stage = Stage::set().await;
    let peer = stage.hostile().await;

    let (up, mut down) = peer.dial(4).await;
    up.send(say(wire::up::Message::NoticesTaken(wire::NoticesTaken { cursor: 1 }))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::FailedPrecondition, "no greeting");
    let (up, mut down) = peer.dial(4).await;
    let foreign = wire::Hello { replica: vec![9; 16].into(), ..peer.hello() };
    up.send(say(wire::up::Message::Hello(foreign))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::PermissionDenied, "another replica's name");
    let (up, mut down) = peer.dial(4).await;
    up.send(say(wire::up::Message::Hello(wire::Hello { protocol: 99, ..peer.hello() }))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::FailedPrecondition, "another protocol");
    let (up, mut down) = peer.greeted(4).await;
    up.send(say(wire::up::Message::Hello(peer.hello()))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::FailedPrecondition, "a second greeting");

    let mut gap = Peer::of(peer.identity);
    gap.push(note("một".to_owned()));
    gap.entries.clear();
    gap.push(note("hai".to_owned()));
    let (up, mut down) = gap.greeted(4).await;
    up.send(say(wire::up::Message::Batch(gap.batch()))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::InvalidArgument, "a gap");

    let mut other_key = Peer::of(gap.identity);
    other_key.push(note("ba".to_owned()));
    let mut forged = other_key.batch();
    forged.checkpoint = forged.checkpoint.replace("— ", "— x");
    let (up, mut down) = other_key.greeted(4).await;
    up.send(say(wire::up::Message::Batch(forged))).await.unwrap();
    assert_eq!(ended(&mut down).await.code(), Code::InvalidArgument, "a forged checkpoint");
    assert_eq!(stage.hub.dataset.totals().records, 0);
    stage.others_are_served().await;
}

/// Goal: a context that claims writes nobody made would win for ever: it is kept apart.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_context_from_the_future_is_quarantined() {
    let mut stage = Stage::set().await;
    stage.others_are_served().await;
    let mut peer = stage.hostile().await;
    let mut writes = note("mãi mãi".to_owned());
    writes[1].context = Context::new([(stage.honest.identity.replica(), u64::MAX)]);
    peer.push(writes);
    let mut honest = note("thường".to_owned());
    honest[1].context = Context::new([(ReplicaId([1; 16]), 3)]);
    peer.push(honest);
    let (up, mut down) = peer.greeted(4).await;
    up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    assert!(matches!(
        down.message().await.unwrap().unwrap().message,
        Some(wire::down::Message::Receipt(_) | wire::down::Message::Notice(_))
    ));
    let books = stage.hub.committer.books().read().quarantine.clone();
    assert_eq!(books.len(), 2);
    assert!(books.values().all(|waiting| waiting.reason.code() == "CONTEXT_AHEAD"));
    stage.others_are_served().await;
}

/// Goal: a record made heavier than the view can hold is stopped at the bound, whole or in pieces, in one batch or in
/// several; the hub goes on, and opens again. Method: three changes of 600 long paths each, then small ones.
#[tokio::test(flavor = "multi_thread")]
async fn p10_a_record_of_too_many_items_stops_nothing() {
    let mut stage = Stage::set().await;
    let mut peer = stage.hostile().await;
    let write = |path: String, value| Write { path, value, context: Context::default() };
    let key = &stage.hub.secrets.provincial_key;
    let number = "033070009999".to_owned();
    let record = record_id(key, "dang_vien", None, std::slice::from_ref(&number));
    let mut named = note("đầu".to_owned());
    named.push(write("so_cccd".to_owned(), Value::Text(number)));
    let (up, mut down) = peer.greeted(8).await;
    let mut sent = 0;
    for batch in 0..3 {
        if batch == 0 {
            let change = Change { record, ..peer.change(named.clone()) };
            peer.push_change(&change);
        }
        for part in 0..2 {
            let paths = (0..600).map(|n| write(format!("x/{batch}-{part}-{n:0>40}/y"), Value::Integer(n)));
            let change = Change { record, ..peer.change(paths.collect()) };
            peer.push_change(&change);
        }
        // Edits of one field over and over add nothing.
        for n in 0..200 {
            let context = Context::new([(peer.identity.replica(), peer.frontier.size() - 1)]);
            let again = Write { path: "ghi_chu".to_owned(), value: Value::Integer(n), context };
            let change = Change { record, ..peer.change(vec![again]) };
            peer.push_change(&change);
        }
        sent = peer.frontier.size();
        up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    }
    received(&mut down, sent).await;
    let quarantine = stage.hub.committer.books().read().quarantine.clone();
    assert_eq!(quarantine.len(), 5, "one of the six heavy ones fits, and all of the small ones");
    assert!(quarantine.values().all(|waiting| waiting.reason.code() == "REGISTER_FULL"));
    stage.hub.committer.flush().await;
    stage.others_are_served().await;
    let state = stage.hub.dataset.state("dang_vien", record).unwrap().unwrap();
    assert!((600..650).contains(&state.registers.len()), "{}", state.registers.len());
}

/// Goal: what a unit states of others' records, or of what may not be stored, stays out, each piece of it told apart.
/// Method: 600 new records that name another unit as their owner, by their right keys; then ones that carry a class that is
/// never stored, and ones that say they are classified.
#[tokio::test(flavor = "multi_thread")]
async fn t36_no_unit_makes_a_record_of_another() {
    let mut stage = Stage::set().await;
    let mut peer = stage.hostile().await;
    let write = |path: &str, value| Write { path: path.to_owned(), value, context: Context::default() };
    let key = &stage.hub.secrets.provincial_key;
    let member = |number: u32, owner: &str| {
        let number = format!("033070{number:0>6}");
        let record = record_id(key, "dang_vien", None, std::slice::from_ref(&number));
        (
            record,
            vec![write("_unit", Value::Unit(owner.parse().unwrap())), write("so_cccd", Value::Text(number))],
        )
    };
    for n in 0..600 {
        let (record, writes) = member(n, OTHER);
        let change = Change { record, ..peer.change(writes) };
        peer.push_change(&change);
    }
    for n in 600..610 {
        let (record, mut writes) = member(n, UNIT);
        writes.push(write("do_mat", Value::Code("MAT".to_owned())));
        let classified = Change { record, ..peer.change(writes.clone()) };
        peer.push_change(&classified);
        writes[2] = write("nguoi_gui", Value::Text("Nguyễn Văn A".to_owned()));
        let never = Change { record_type: "don_thu".to_owned(), ..peer.change(writes) };
        peer.push_change(&never);
    }
    let (up, mut down) = peer.greeted(8).await;
    up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    received(&mut down, peer.frontier.size()).await;
    let quarantine = stage.hub.committer.books().read().quarantine.clone();
    let count = |code: &str| quarantine.values().filter(|waiting| waiting.reason.code() == code).count();
    assert_eq!((count("FOREIGN_OWNER"), count("FORBIDDEN"), quarantine.len()), (600, 20, 620));
    stage.hub.committer.flush().await;
    assert_eq!(stage.hub.dataset.totals().records, 0, "something of it came in");
    stage.others_are_served().await;
}

/// Goal: crowds that only stand around keep nobody out. 192 idle of twelve machines, as many as each may have, and 300 that
/// never say hello.
#[tokio::test(flavor = "multi_thread")]
async fn p10_idle_connections_and_stalled_handshakes() {
    let mut stage = Stage::set().await;
    let mut crowd = Vec::new();
    for _ in 0..12 {
        let peer = stage.hostile().await;
        for _ in 0..16 {
            crowd.push(peer.dial(1).await);
        }
    }
    let mut stalled = Vec::new();
    for _ in 0..300 {
        stalled.push(TcpStream::connect(&stage.address).await.unwrap());
    }
    let mut half = TcpStream::connect(&stage.address).await.unwrap();
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00]).await.unwrap();
    stage.others_are_served().await;
    // A new one gets in beside them, and enrols.
    let newcomer = stage.hostile().await;
    let (_up, _down) = newcomer.greeted(1).await;
    stage.others_are_served().await;
    // Who never finishes a handshake is sent away.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), half.read_to_end(&mut rest)).await;
    assert!(closed.is_ok());
    drop((crowd, stalled));
}

/// Goal: no certificate, a certificate of another authority, TLS 1.2, another protocol: nobody gets a word in.
#[tokio::test(flavor = "multi_thread")]
async fn p9_the_wrong_papers() {
    let mut stage = Stage::set().await;
    let elsewhere = Stage::set().await;
    let (tls13, tls12) = (&rustls::version::TLS13, &rustls::version::TLS12);
    let cases = [
        ("no certificate", tls13, None, "h2"),
        ("TLS 1.2", tls12, None, "h2"),
        ("another protocol", tls13, Some(&stage.hub), "http/1.1"),
        ("another authority", tls13, Some(&elsewhere.hub), "h2"),
    ];
    for (case, version, issuer, alpn) in cases {
        let dialled = dial(&stage, version, issuer.map(|hub| certificate_of(hub)), alpn).await;
        assert!(dialled.is_err(), "{case}");
    }
    stage.others_are_served().await;
}

/// A certificate another hub issued for a unit of that name.
fn certificate_of(hub: &Hub) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let unit = UNIT.parse().unwrap();
    let issued = hub.issuer.issue(request.der(), &unit, ReplicaId([3; 16]), hub.now()).unwrap();
    (issued, key.serialize_der().try_into().unwrap())
}

/// Handshakes, then asks for a byte: in TLS 1.3 a refused certificate shows only then.
async fn dial(
    stage: &Stage,
    version: &'static rustls::SupportedProtocolVersion,
    papers: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    alpn: &str,
) -> std::io::Result<()> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(stage.hub.secrets.root()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match papers {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.into()];
    let tcp = TcpStream::connect(&stage.address).await?;
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let mut byte = [0; 1];
    match tokio::time::timeout(Duration::from_secs(20), tls.read_exact(&mut byte)).await {
        Ok(read) => read.map(|_| ()),
        Err(_) => Err(std::io::Error::other("silence")),
    }
}
