//! Live views, as they are on the line: who may call, what leaves, and when it stops.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_node::identity::{NodeIdentity, connect, enrol};
use lienthong_node::records::Listing;
use lienthong_node::rpc::sync::sync_client::SyncClient;
use lienthong_node::service::RecordsRequest;
use lienthong_proto::ids::RecordId;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::asking::{self, at_hub};
use lienthong_tests::canary::{legible, unwrapped};
use lienthong_tests::listening::Listener;
use lienthong_tests::peer::{Peer, ended, say};
use lienthong_tests::sharing::{HERE, MEMBERS, Shared, THERE, ask, sheet, who};
use lienthong_tests::tap::Tap;
use lienthong_tests::{acknowledged, brisk, make_node};
use serde_json::Value as Json;
use tonic::Code;

async fn enrolled(shared: &Shared) -> std::path::PathBuf {
    enrolled_at(shared, "agency").await
}

async fn enrolled_at(shared: &Shared, name: &str) -> std::path::PathBuf {
    let folder = shared.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    enrol(&folder, &shared.province.address, &shared.agency_token().await).await.unwrap();
    folder
}

/// Goal: each role calls what the table gives it, over real TLS, and nothing else; a receipt that does not hold is none.
#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_calls() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let folder = enrolled(&shared).await;
    let Err(refused) = Listener::dial(&shared.path("here"), Vec::new()).await else {
        panic!("a commune listens")
    };
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");

    let identity = NodeIdentity::load(&folder).unwrap().unwrap();
    let mut rpc = SyncClient::new(connect(&identity).await.unwrap());
    let prove = rpc.prove(wire::ProveRequest::default()).await.unwrap_err();
    let refill = rpc.refill(wire::RefillRequest::default()).await.unwrap_err();
    let renew =
        rpc.renew(wire::RenewRequest { csr: vec![1].into(), proof: Vec::new().into() }).await.unwrap_err();
    assert_eq!((prove.code(), refill.code()), (Code::PermissionDenied, Code::PermissionDenied));
    assert_eq!(renew.code(), Code::InvalidArgument, "it may ask, for its own key: {renew}");
    let mut peer = Peer::of(NodeIdentity::load(&folder).unwrap().unwrap());
    let (up, mut down) = peer.greeted(8).await;
    peer.push(Peer::writes(HERE, "x".to_owned()));
    up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    let refused = ended(&mut down).await;
    assert_eq!(refused.code(), Code::PermissionDenied, "an agency writes nothing: {refused}");

    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (grant, lines) = listener.delivery().await.unwrap();
    assert_eq!(grant, number);
    let receipt = listener.receipt(grant, &lines);
    listener.answer(receipt, vec![7; 64]).await;
    assert_eq!(listener.next().await.unwrap_err().code(), Code::InvalidArgument);
    let shown = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    assert_eq!((&shown["deliveries"], shown["receipt"].is_null()), (&1.into(), true), "{shown:#}");
    // Who says it holds something else begins anew; a second stream ends the first.
    let view = wire::ViewHeld { grant, cut: 3, digest: vec![9; 32].into() };
    let mut first = Listener::dial(&folder, vec![view]).await.unwrap();
    let (_, lines) = first.delivery().await.unwrap();
    assert!(lines.contains("\"since\":{\"cut\":0"), "{lines}");
    let mut second = Listener::dial(&folder, Vec::new()).await.unwrap();
    assert_eq!(first.next().await.unwrap_err().code(), Code::Aborted);
    let (_, lines) = second.delivery().await.unwrap();
    second.sign(grant, &lines).await;
    loop {
        if let wire::granted::Message::CaughtUp(_) = second.next().await.unwrap() {
            break;
        }
    }
    let shown = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    assert_eq!(shown["receipt"]["access"], shown["last_access"], "{shown:#}");
    // The replica is taken back: its open stream ends, and it dials in vain.
    let whom = identity.replica().to_string();
    let revoke = Request::UnitRevoke { whom, reason: who("mất máy"), actor: who("minh") };
    at_hub(shared.hub(), revoke).await;
    assert_eq!(second.next().await.unwrap_err().code(), Code::PermissionDenied);
    assert!(Listener::dial(&folder, Vec::new()).await.is_err());
}

/// Goal: what a commune's node may call gives it its own unit's entries and nobody else's, whatever it names. Method: a node of
/// one commune asks for a proof of every entry of a ledger that holds two communes', and for another's log.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_communes_calls_reach_its_own_unit_only() {
    let shared = Shared::set().await;
    let place = shared.path("there");
    let there = make_node(shared.hub(), &shared.province.address, &place, THERE).await.unwrap();
    there.start_sync(brisk());
    asking::import(&there, shared.province.dir.path(), "dang_vien", &sheet(THERE, 4)).await;
    acknowledged(&there).await.unwrap();
    let (own, others) = (there.identity.replica(), shared.node.identity.replica());
    let mut rpc = SyncClient::new(connect(&there.identity).await.unwrap());
    let (mut proven, mut refused) = (0, 0);
    let ledger_size = shared.hub().head().size;
    for ledger_index in 0..ledger_size + 2 {
        match rpc.prove(wire::ProveRequest { ledger_index, ledger_size, known_size: None }).await {
            Ok(_) => proven += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound, "as of what is not there: {status}");
                refused += 1;
            }
        }
    }
    // A size at which none of its batches ends is known to nobody.
    let held = shared.hub().committer.books().read().replicas[&own].clone();
    for known_size in 1..held.frontier.size() {
        let ledger_index = held.ledger_index;
        let asked = wire::ProveRequest { ledger_index, ledger_size, known_size: Some(known_size) };
        match rpc.prove(asked).await {
            Ok(reply) => assert!(reply.into_inner().before.iter().all(|link| link.size > known_size)),
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{known_size}: {status}"),
        }
    }
    assert!(proven >= 1 && refused > proven, "{proven} proven, {refused} refused");
    let mut refilled = async |replica: &[u8]| {
        let request = wire::RefillRequest { replica: replica.to_vec().into() };
        let mut pieces = rpc.refill(request).await.unwrap().into_inner();
        let mut owners = std::collections::BTreeSet::new();
        while let Some(piece) = pieces.message().await.unwrap() {
            owners.insert(piece.replica.to_vec());
        }
        owners.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(refilled(&[]).await, [own.0.to_vec()]);
    assert_eq!(refilled(&own.0).await, [own.0.to_vec()]);
    assert!(refilled(&others.0).await.is_empty(), "another unit's log");
    assert!(refilled(&[7; 16]).await.is_empty(), "nobody's log");
    let nonsense = wire::RefillRequest { replica: vec![1].into() };
    assert_eq!(rpc.refill(nonsense).await.unwrap_err().code(), Code::InvalidArgument);
    there.close().await;
}

/// Goal: of all bytes an agency's node is told, captured before TLS, none is of a masked value, of a record out of scope,
/// or of a record's id.
#[tokio::test(flavor = "multi_thread")]
async fn p9_nothing_but_what_is_granted_leaves() {
    let shared = Shared::set().await;
    let there =
        make_node(shared.hub(), &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    let dir = shared.province.dir.path();
    let elsewhere = sheet(THERE, 4).replace("Nguyễn Văn An", "Trần Thị Ẩn");
    assert_eq!(asking::import(&there, dir, "dang_vien", &elsewhere).await["created"], 1);
    acknowledged(&there).await.unwrap();
    let grant = shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let folder = enrolled(&shared).await;
    // What it hears as a witness counts, too.
    let peer = Peer::of(NodeIdentity::load(&folder).unwrap().unwrap());
    let tap = Tap::default();
    let (_up, mut exchanged) = peer.greeted_by(tap.channel(&folder).await, 8).await;
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (_, lines) = listener.delivery().await.unwrap();
    listener.sign(grant, &lines).await;
    // A change of a shown and a masked field, and one out of scope.
    let changed =
        sheet(HERE, 1).replace("0912345671", "0987654321").replace("Nguyễn Văn An", "Nguyễn Văn Bình");
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &changed).await["updated"], 1);
    let text = elsewhere.replace("0912345674", "0911111114");
    assert_eq!(asking::import(&there, dir, "dang_vien", &text).await["updated"], 1);
    let (_, lines) = listener.delivery().await.unwrap();
    assert!(entries(&lines).iter().any(|entry| contains(entry, "Nguyễn Văn Bình".as_bytes())));
    listener.sign(grant, &lines).await;
    loop {
        if let wire::granted::Message::CaughtUp(_) = listener.next().await.unwrap() {
            break;
        }
    }
    let settled = std::time::Duration::from_millis(50);
    while let Ok(Ok(Some(_))) = tokio::time::timeout(settled, exchanged.message()).await {}
    let heard = [listener.tap.heard(), tap.heard()].concat();
    let text = String::from_utf8_lossy(&heard).into_owned();
    let mut opened = vec![heard.clone()];
    for piece in text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))) {
        if let Ok(bytes) = STANDARD.decode(piece) {
            opened.push(legible(&bytes));
            opened.push(bytes);
        }
    }
    assert!(opened.iter().any(|bytes| contains(bytes, "Nguyễn Văn Bình".as_bytes())), "the tap hears");
    let mut secret: Vec<Vec<u8>> = [
        "033075000001",
        "033075000002",
        "033075000004",
        "0912345671",
        "0987654321",
        "0911111114",
        "Trần Thị Ẩn",
        "Chi bộ 4",
        "02/03/1975",
        "1975-03-02",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let list = RecordsRequest::List { record_type: "dang_vien".to_owned(), listing: Listing::default() };
    let records = at_hub(shared.hub(), Request::Records(list)).await;
    let records: Vec<Json> = records["items"].as_array().unwrap().clone();
    assert_eq!(records.len(), 3);
    for record in &records {
        let id: RecordId = record["id"].as_str().unwrap().parse().unwrap();
        secret.extend([id.0.to_vec(), hex::encode(id.0).into_bytes(), record["id"].as_str().unwrap().into()]);
    }
    for bytes in &opened {
        for masked in &secret {
            assert!(!contains(bytes, masked), "{}", String::from_utf8_lossy(masked));
        }
    }
}

fn entries(lines: &str) -> Vec<Vec<u8>> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.filter_map(|line| STANDARD.decode(line["entry"].as_str()?).ok()).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Writes so many more members, no two of them alike.
async fn write_members(shared: &Shared, numbers: std::ops::Range<usize>) {
    let (mut text, count) = (sheet(HERE, 1), numbers.len());
    for number in numbers {
        let family = ["Đinh", "Lê", "Phạm", "Vũ", "Bùi"][number % 5];
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
        let name = format!("{family} X{}{}", letter(number / 26), letter(number));
        let (day, month) = (number % 28 + 1, number % 12 + 1);
        text.push_str(&format!(
            "{name},{day:02}/{month:02}/1975,Nam,03307500{number},01/02/2000,Chi bộ {number},{HERE},CHIBO,CHINH_THUC,091235{number}\n"
        ));
    }
    let imported = asking::import(&shared.node, shared.province.dir.path(), "dang_vien", &text).await;
    assert_eq!(imported["created"], count, "{imported:#}");
    acknowledged(&shared.node).await.unwrap();
}

/// Goal: a grant that is taken back while a delivery is on its way cuts it where it is.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_revocation_cuts_a_delivery_on_its_way() {
    let shared = Shared::set().await;
    // More than fits on the line by itself.
    write_members(&shared, 1_000..3_800).await;
    let number = shared.granted(MEMBERS).await;
    let folder = enrolled(&shared).await;
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    // One that takes a piece and stands still from there on.
    let other = enrolled_at(&shared, "agency that stands still").await;
    let mut still = Listener::dial(&other, Vec::new()).await.unwrap();
    for listener in [&mut listener, &mut still] {
        let first = loop {
            if let wire::granted::Message::Piece(piece) = listener.next().await.unwrap() {
                break piece;
            }
        };
        assert!(!first.last);
    }
    let revoke = SharingRequest::GrantRevoke { number, reason: who("xong việc"), actor: who("minh") };
    assert_eq!(ask(shared.hub(), revoke).await["state"], "revoked");
    let refused = listener.delivery().await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("no longer in force"), "{refused}");
    // It has no more than was on the line by then.
    while let Ok(wire::granted::Message::Piece(piece)) = still.next().await {
        assert!(!piece.last, "what was not on the line came after it");
    }
}

/// So little is on the line of one who does not read.
const WINDOW: u16 = 1_024;

/// Goal: one who does not read keeps nothing of the hub's beyond its grant: the connection ends, wherever the delivery is, and
/// what had not left does not leave. Method: of a short delivery and of one of many pieces the line is full and nothing is read
/// any more, then the grant is taken back. The line itself stays open, and answers that it is there.
#[tokio::test(flavor = "multi_thread")]
async fn p9_one_who_does_not_read_is_cut_off_with_its_grant() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let standing_still = async |name: &str| {
        let folder = enrolled_at(&shared, name).await;
        let listener = Listener::dial_with(&folder, Vec::new(), u32::from(WINDOW)).await.unwrap();
        listener.tap.came(usize::from(WINDOW)).await;
        listener
    };
    let of_one_piece = standing_still("one that stands still").await;
    write_members(&shared, 1_000..1_400).await;
    let reads = enrolled_at(&shared, "one that reads").await;
    let (_, lines) = Listener::dial(&reads, Vec::new()).await.unwrap().delivery().await.unwrap();
    assert!(lines.len() > 4 * 64 * 1024, "{} bytes are not many pieces", lines.len());
    let of_many = standing_still("another that stands still").await;
    let revoke = SharingRequest::GrantRevoke { number, reason: who("xong việc"), actor: who("minh") };
    assert_eq!(ask(shared.hub(), revoke).await["state"], "revoked");
    for mut listener in [of_one_piece, of_many] {
        listener.tap.ended().await;
        assert_eq!(listener.tap.data_bytes(), usize::from(WINDOW));
        assert!(listener.next().await.is_err());
    }
}

/// What this process holds open of a folder's files that have no name there any more.
fn nameless(folder: &Path) -> Vec<Vec<u8>> {
    let read = |open: &Path| {
        // What is no file of the folder is not touched: to open it might wait for somebody.
        std::fs::read_link(open).ok().filter(|to| to.starts_with(folder))?;
        let (mut file, mut bytes) = (File::open(open).ok()?, Vec::new());
        let known = file.metadata().ok()?;
        (known.is_file() && known.nlink() == 0).then_some(())?;
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    open.filter_map(|entry| read(&entry.path())).collect()
}

/// Goal: while a delivery waits on the hub's disk nothing of it is there in clear, and with its receipt it is gone. Method: it is
/// told and not signed for; what the hub has written is looked at, through its open files as well.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_delivery_that_waits_is_not_on_the_disk_in_clear() {
    const LINE: &[u8] = b"\"line\":\"entry\"";
    const PIECE: usize = 16;
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let folder = enrolled(&shared).await;
    let mut listener = Listener::dial(&folder, Vec::new()).await.unwrap();
    let (_, lines) = listener.delivery().await.unwrap();
    let shows = |bytes: &[u8]| unwrapped(bytes).iter().any(|it| contains(it, "Nguyễn Văn An".as_bytes()));
    assert!(contains(lines.as_bytes(), LINE) && shows(lines.as_bytes()), "{lines}");

    let pieces: HashSet<&[u8]> = lines.as_bytes().windows(PIECE).collect();
    let data = shared.hub().data.canonicalize().unwrap();
    let waiting = nameless(&data);
    for bytes in &waiting {
        assert!(!contains(bytes, LINE) && !shows(bytes), "it is there in clear");
        assert!(!bytes.windows(PIECE).any(|piece| pieces.contains(piece)), "a piece of it is there in clear");
    }
    let sealed = |bytes: &&Vec<u8>| bytes.starts_with(b"lienthong kept 1\n") && bytes.len() > lines.len();
    assert_eq!(waiting.iter().filter(sealed).count(), 1, "it waits there, whole");

    listener.sign(number, &lines).await;
    while !matches!(listener.next().await.unwrap(), wire::granted::Message::CaughtUp(_)) {}
    assert_eq!(nameless(&data).iter().filter(sealed).count(), 0, "it is gone with its receipt");
}
