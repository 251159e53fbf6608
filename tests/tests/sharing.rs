//! Sharing: a grant by two persons, a bundle that proves itself to its agency alone, and every way it can be wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_node::app::Node;
use lienthong_node::records::Page;
use lienthong_node::sealed::Identity;
use lienthong_node::service::Request as NodeRequest;
use lienthong_node::verify::{Verified, VerifyError, verify};
use lienthong_proto::disclosure::Trust;
use lienthong_tests::asking::{self, at_hub, at_node};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";
const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại\n";
/// What the grant masks, planted in every row.
const MASKED: [&str; 3] = ["033075000001", "0912345671", "02/03/1975"];

fn sheet(unit: &str, number: u32) -> String {
    format!(
        "{HEAD}Nguyễn Văn An,02/03/1975,Nam,03307500000{number},01/02/2000,Chi bộ {number},{unit},CHIBO,CHINH_THUC,091234567{number}\n"
    )
}

fn grant(rest: &str) -> String {
    format!(
        "agency = 'TTT'\npurpose = 'đối chiếu'\ndocument = '12/CV-TTT'\nfrom = '{}'\nuntil = '{}'\n{rest}",
        day(0),
        day(90)
    )
}

/// The day so many days from now.
fn day(ahead: u64) -> String {
    let at = lienthong_node::app::system_clock().0 + ahead * 86_400_000;
    lienthong_proto::time::UnixMillis(at).rfc3339()[..10].to_owned()
}

async fn ask(hub: &Arc<Hub>, request: SharingRequest) -> Json {
    at_hub(hub, Request::Sharing(request)).await
}

fn who(name: &str) -> String {
    name.to_owned()
}

/// A hub with one commune that has written, an agency with a key, and what it takes to verify.
struct Shared {
    province: Province,
    node: Arc<Node>,
    identity: Identity,
}

impl Shared {
    async fn set() -> Self {
        let province = Province::set().await.unwrap();
        let (dir, hub, address) = (&province.dir, &province.hub, &province.address);
        let node = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
        node.start_sync(brisk());
        for number in 1..=2 {
            let text = sheet(HERE, number);
            assert_eq!(asking::import(&node, dir.path(), "dang_vien", &text).await["created"], 1);
        }
        at_node(&node, NodeRequest::LogTally { actor: who("lan") }).await;
        acknowledged(&node).await.unwrap();
        let identity = Identity::generate().unwrap();
        let key = Some(identity.recipient().to_string());
        let (name, contact) = (Some("Thanh tra tỉnh".to_owned()), None);
        let agency =
            SharingRequest::AgencyAdd { code: "TTT".parse().unwrap(), name, contact, key, actor: who("minh") };
        ask(hub, agency).await;
        Self { province, node, identity }
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.province.hub
    }

    async fn granted(&self, rest: &str) -> u64 {
        let proposed = ask(self.hub(), SharingRequest::GrantPropose { text: grant(rest), actor: who("minh") }).await;
        let number = proposed["number"].as_u64().unwrap_or_else(|| panic!("{proposed:#}"));
        let approved = ask(self.hub(), SharingRequest::GrantApprove { number, actor: who("hoa") }).await;
        assert_eq!(approved["state"], "active", "{approved:#}");
        number
    }

    fn path(&self, name: &str) -> PathBuf {
        self.province.dir.path().join(name)
    }

    async fn bundle(&self, grant: u64, name: &str) -> PathBuf {
        let out = self.path(name);
        let body = ask(self.hub(), SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
        assert!(body["access"].is_number(), "{body:#}");
        out
    }

    async fn trust(&self) -> Trust {
        let policy = ask(self.hub(), SharingRequest::Policy).await;
        Trust::parse(policy["policy"].as_str().unwrap()).unwrap()
    }

    async fn verified(&self, bundle: &Path) -> Result<Verified, VerifyError> {
        verify(bundle, Some(&self.identity), &self.trust().await, &catalogue().unwrap())
    }
}

const MEMBERS: &str = "[[share]]\ntype = 'dang_vien'\nfields = ['ho_ten', 'chi_bo', 'ma_xa']\n";

/// Goal: a grant takes two persons and a term; what it gives arrives with its proofs, and nothing masked is in it.
#[tokio::test(flavor = "multi_thread")]
async fn p9_an_agency_gets_what_was_granted_and_can_prove_it() {
    let shared = Shared::set().await;
    let hub = shared.hub();
    let propose = |text: String| SharingRequest::GrantPropose { text, actor: who("minh") };
    for (text, rule) in [
        ("x".to_owned(), "GRANT_FILE"),
        (grant("[[share]]\ntype = 'dang_vien'\nceiling = 'C3'\n"), "GRANT_FILE"),
        (grant(MEMBERS).replace("TTT'", "KTNN'"), "AGENCY_UNKNOWN"),
        (grant(&format!("{MEMBERS}units = ['99999']\n")), "UNIT_UNKNOWN"),
    ] {
        assert_eq!(ask(hub, propose(text.clone())).await["rule"], rule, "{text}");
    }
    let proposed = ask(hub, propose(grant(MEMBERS))).await;
    let number = proposed["number"].as_u64().unwrap();
    let out = shared.path("early");
    let early = ask(hub, SharingRequest::Bundle { grant: number, out: out.clone(), actor: who("minh") }).await;
    assert!(early["error"].as_str().unwrap().contains("not in force") && !out.exists(), "{early:#}");
    let approve = |name: &str| SharingRequest::GrantApprove { number, actor: who(name) };
    assert_eq!(ask(hub, approve("minh")).await["rule"], "TWO_PERSONS");
    assert_eq!(ask(hub, approve("hoa")).await["state"], "active");
    assert_eq!(ask(hub, approve("hoa")).await["rule"], "GRANT_STATE");

    let bundle = shared.bundle(number, "bundle").await;
    let verified = shared.verified(&bundle).await.unwrap();
    let members = &verified.records["dang_vien"];
    assert_eq!(members.len(), 2, "{members:#?}");
    let fields = members[0]["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["ho_ten", "chi_bo", "ma_xa"], "{members:#?}");
    assert_eq!((&members[0]["unit"], &fields["ho_ten"]), (&HERE.into(), &"Nguyễn Văn An".into()));
    assert!(members[0]["withheld"].as_array().unwrap().contains(&"so_cccd".into()));
    let log = &verified.report.logs[1];
    let count = &log.types["dang_vien"];
    assert_eq!((count.written, count.shown, count.withheld, count.signed_for), (2, 2, 0, Some(2)), "{log:#?}");
    assert_eq!((verified.report.proposed_by.as_str(), verified.report.approved_by.as_str()), ("minh", "hoa"));

    // Sealed, what is in it is nobody else's; opened, nothing masked is in it, in any form a value has.
    let sealed = std::fs::read(&bundle).unwrap();
    assert!(!sealed.windows(14).any(|window| window == "Nguyễn Văn".as_bytes()));
    let plain = opened(&bundle, &shared.identity);
    assert!(decoded(&plain).iter().any(|bytes| contains(bytes, "Nguyễn Văn An".as_bytes())));
    let day = lienthong_proto::value::days_of("1975-03-02".parse().unwrap());
    let mut date = lienthong_proto::bytes::Writer::default();
    lienthong_proto::value::Value::Date(day).encode(&mut date);
    for bytes in decoded(&plain).iter().chain([&plain.clone().into_bytes()]) {
        for masked in MASKED.iter().map(|text| text.as_bytes()).chain([date.as_slice()]) {
            assert!(date.as_slice() == masked && bytes.len() > 200_000 || !contains(bytes, masked), "{masked:?}");
        }
    }
    // A file that is there is not written over, and the delivery is counted.
    let again = ask(hub, SharingRequest::Bundle { grant: number, out: bundle, actor: who("minh") }).await;
    assert!(again["error"].is_string());
    let shown = ask(hub, SharingRequest::GrantShow { number }).await;
    assert_eq!(shown["deliveries"], 1, "{shown:#}");

    // Taken back: nothing more.
    let revoke = SharingRequest::GrantRevoke { number, reason: who("xong việc"), actor: who("minh") };
    assert_eq!(ask(hub, revoke.clone()).await["state"], "revoked");
    assert_eq!(ask(hub, revoke).await["rule"], "GRANT_STATE");
    let late = shared.path("late");
    let refused = ask(hub, SharingRequest::Bundle { grant: number, out: late.clone(), actor: who("minh") }).await;
    assert!(refused["error"].as_str().unwrap().contains("not in force") && !late.exists());
    let list = ask(hub, SharingRequest::GrantList { page: Page::default() }).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list:#}");
}

/// Goal: the filter counts what it keeps back, another agency's key opens nothing, and a replica's part that its
/// writer has not signed for is said not to be proven complete.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_keeps_back_is_counted() {
    let shared = Shared::set().await;
    let only = format!("{MEMBERS}[[share.only]]\nfield = 'chi_bo'\nis = ['Chi bộ 2']\n");
    let number = shared.granted(&only).await;
    // Another change behind the tally, of a record the filter means.
    let text = sheet(HERE, 2).replace("CHINH_THUC,0912345672", "CHINH_THUC,0912345679");
    assert_eq!(asking::import(&shared.node, shared.province.dir.path(), "dang_vien", &text).await["updated"], 1);
    acknowledged(&shared.node).await.unwrap();
    let bundle = shared.bundle(number, "bundle").await;
    let verified = shared.verified(&bundle).await.unwrap();
    let count = &verified.report.logs[1].types["dang_vien"];
    assert_eq!((count.written, count.shown, count.withheld, count.signed_for), (3, 2, 1, Some(2)));
    assert_eq!(verified.records["dang_vien"].len(), 1);
    let other = Identity::generate().unwrap();
    let refused = verify(&bundle, Some(&other), &shared.trust().await, &catalogue().unwrap()).unwrap_err();
    assert!(matches!(refused, VerifyError::Sealed(_)), "{refused}");
    let without = verify(&bundle, None, &shared.trust().await, &catalogue().unwrap()).unwrap_err();
    assert!(matches!(without, VerifyError::KeyNeeded));
    // A policy of another ledger.
    let elsewhere = Province::set().await.unwrap();
    let policy = ask(&elsewhere.hub, SharingRequest::Policy).await;
    let trust = Trust::parse(policy["policy"].as_str().unwrap()).unwrap();
    let refused = verify(&bundle, Some(&shared.identity), &trust, &catalogue().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("the ledger's checkpoint"), "{refused}");
    // Units apart, the other commune's records are not even counted.
    let there = make_node(shared.hub(), &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    let text = sheet(THERE, 3);
    assert_eq!(asking::import(&there, shared.province.dir.path(), "dang_vien", &text).await["created"], 1);
    acknowledged(&there).await.unwrap();
    let number = shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let bundle = shared.bundle(number, "one").await;
    let verified = shared.verified(&bundle).await.unwrap();
    assert_eq!(verified.report.logs.len(), 2, "{:#?}", verified.report.logs);
    assert!(!opened(&bundle, &shared.identity).contains(THERE));
}

/// The lines of a bundle.
fn opened(bundle: &Path, identity: &Identity) -> String {
    let file = std::io::BufReader::new(std::fs::File::open(bundle).unwrap());
    let mut reader = lienthong_node::sealed::SealedReader::new(file, identity).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    text
}

/// The entries in the lines of a bundle.
fn decoded(lines: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines
        .filter_map(|line| Some(base64::engine::general_purpose::STANDARD.decode(line["entry"].as_str()?).unwrap()))
        .collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
