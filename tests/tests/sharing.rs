//! Sharing: a grant by two persons, a bundle that proves itself to its agency alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::app::Hub;
use lienthong_hub::ingest::{CommitError, Delivery};
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::{InitOptions, init};
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_hub::succession::{RestoreOptions, restore};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::backup::Identity;
use lienthong_node::records::Page;
use lienthong_node::verify::{VerifyError, verify};
use lienthong_proto::disclosure::Trust;
use lienthong_tests::asking::at_hub;
use lienthong_tests::sharing::{
    HERE, MEMBERS, Shared, THERE, ask, contains, decoded, grant, opened, sheet, who,
};
use lienthong_tests::stage::{Stage, hardened};
use lienthong_tests::{
    Province, acknowledged, asking, brisk, catalogue, make_node, member, open_hub, reopened, retarget,
};

/// What the grant masks, planted in every row.
const MASKED: [&str; 3] = ["033075000001", "0912345671", "02/03/1975"];

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
    let early =
        ask(hub, SharingRequest::Bundle { grant: number, out: out.clone(), actor: who("minh") }).await;
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
    assert_eq!(
        (count.written, count.shown, count.withheld, count.signed_for),
        (2, 2, 0, Some(2)),
        "{log:#?}"
    );
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
            assert!(
                date.as_slice() == masked && bytes.len() > 200_000 || !contains(bytes, masked),
                "{masked:?}"
            );
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
    // Also where it ended while a bundle was being written: the ledger's writer is the last to look.
    let delivery = Delivery {
        grant: number,
        agency: "TTT".parse().unwrap(),
        cut: 1,
        digest: "00".to_owned(),
        changes: 0,
        actor: who("minh"),
    };
    let logged = hub.committer.deliver(delivery.clone()).await;
    assert!(matches!(logged, Err(CommitError::NotGranted(grant)) if grant == number), "{logged:?}");
    let other = Delivery { grant: number + 1_000, ..delivery };
    assert!(hub.committer.deliver(other).await.is_err());
    let late = shared.path("late");
    let refused =
        ask(hub, SharingRequest::Bundle { grant: number, out: late.clone(), actor: who("minh") }).await;
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
    assert_eq!(
        asking::import(&shared.node, shared.province.dir.path(), "dang_vien", &text).await["updated"],
        1
    );
    acknowledged(&shared.node).await.unwrap();
    let bundle = shared.bundle(number, "bundle").await;
    let verified = shared.verified(&bundle).await.unwrap();
    let count = &verified.report.logs[1].types["dang_vien"];
    assert_eq!((count.written, count.shown, count.withheld, count.signed_for), (3, 2, 1, Some(2)));
    assert_eq!(verified.records["dang_vien"].len(), 1);
    let other = Identity::generate().unwrap().0;
    let refused = verify(&bundle, Some(&other), &shared.trust().await, &catalogue().unwrap()).unwrap_err();
    assert!(matches!(refused, VerifyError::Sealed(_)), "{refused}");
    let without = verify(&bundle, None, &shared.trust().await, &catalogue().unwrap()).unwrap_err();
    assert!(matches!(without, VerifyError::KeyNeeded));
    // A policy of another ledger.
    let elsewhere = Province::set().await.unwrap();
    let policy = ask(&elsewhere.hub, SharingRequest::LedgerPolicy).await;
    let trust = Trust::parse(policy["policy"].as_str().unwrap()).unwrap();
    let refused = verify(&bundle, Some(&shared.identity), &trust, &catalogue().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("the ledger's checkpoint"), "{refused}");
    // Units apart, the other commune's records are not even counted.
    let there =
        make_node(shared.hub(), &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    let text = sheet(THERE, 3);
    assert_eq!(asking::import(&there, shared.province.dir.path(), "dang_vien", &text).await["created"], 1);
    acknowledged(&there).await.unwrap();
    let number = shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let bundle = shared.bundle(number, "one").await;
    let verified = shared.verified(&bundle).await.unwrap();
    assert_eq!(verified.report.logs.len(), 2, "{:#?}", verified.report.logs);
    // Its node may be a witness: its name stands under the ledger's checkpoint. The roll names all units of the province, and
    // nothing of what they have.
    let (entries, other) =
        (decoded(&opened(&bundle, &shared.identity)), there.identity.replica().to_string());
    let of_there = |entry: &&Vec<u8>| contains(entry, THERE.as_bytes()) && !contains(entry, b"upto");
    assert_eq!(entries.iter().filter(of_there).count(), 0);
    assert!(!entries.iter().any(|entry| contains(entry, other.as_bytes())));
}

/// Goal: a restored hub hands over, under a grant of the ledger before, what that ledger had written and taken; the old
/// grant is the same grant, whatever its number now.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_restored_hub_hands_over_what_the_ledger_before_had() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let domain = "hungyen.example".to_owned();
    let made =
        init(&data, &InitOptions { province: "33".parse().unwrap(), domain, names: Vec::new() }).unwrap();
    let hub = open_hub(&data).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let shared = Shared::on(Province { dir, hub, address }).await;
    // The province writes too: its own changes stand in the ledger itself.
    let own = member("33", "033075000099", "Lê Thị Tỉnh").unwrap();
    assert!(shared.hub().committer.write(vec![own]).await[0].is_ok());
    let number = shared.granted(MEMBERS).await;
    let before = shared.verified(&shared.bundle(number, "before").await).await.unwrap();
    assert_eq!(before.records["dang_vien"].len(), 3, "{:#?}", before.records);
    shared.hub().backup(&shared.path("backup")).unwrap();
    shared.hub().close().await;
    let options = RestoreOptions {
        erasures: None,
        identity: None,
        keys: KeyRing::default(),
        data: shared.path("new"),
        kit: made.kit,
        passphrase: made.kit_passphrase,
        names: Vec::new(),
        after: None,
    };
    restore(&shared.path("backup"), &options, catalogue().unwrap(), system_clock).unwrap();
    let hub =
        Hub::open(&options.data, catalogue().unwrap(), &LedgerOptions::default(), system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let Shared { province, node, identity, secret } = shared;
    let folder = province.dir.path().join("here");
    node.close().await;
    drop(node);
    retarget(&folder, &address).unwrap();
    let node = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let shared = Shared { province: Province { hub, address, ..province }, node, identity, secret };
    let list = ask(shared.hub(), SharingRequest::GrantList { page: Page::default() }).await;
    let number = list["items"][0]["number"].as_u64().unwrap();
    assert_eq!(
        (&list["items"][0]["state"], &list["items"][0]["deliveries"]),
        (&"active".into(), &1.into()),
        "{list:#}"
    );
    // Until a person has confirmed what the gap may hold, nothing is shared.
    let (out, actor) = (shared.path("early"), who("minh"));
    let early = ask(shared.hub(), SharingRequest::Bundle { grant: number, out: out.clone(), actor }).await;
    assert!(early["error"].is_string() && !out.exists(), "{early:#}");
    at_hub(shared.hub(), Request::ConfirmSuccession { actor: who("quan") }).await;
    let after = shared.verified(&shared.bundle(number, "after").await).await.unwrap();
    assert_eq!(after.records, before.records);
    assert_eq!(after.report.logs.len(), 3, "the ledger before is one of them: {:#?}", after.report.logs);
}

/// Goal: the pages do what the command line does: propose from a template's text, approve by somebody else, hand
/// over, take back; each role just its part; nothing is handed over that is not in the ledger first.
#[tokio::test(flavor = "multi_thread")]
async fn p9_grants_are_proposed_approved_and_handed_over_at_the_pages() {
    let Shared { province, node: _node, .. } = Shared::set().await;
    let pages = province.hub.serve_web("https://127.0.0.1:0").await.unwrap();
    let stage = Stage { province, pages };
    let mut operator = stage.signed_in("lan", AccountRole::Operator).await;
    let mut approver = stage.signed_in("hoa", AccountRole::Approver).await;
    let mut steward = stage.signed_in("minh", AccountRole::Steward).await;
    let page = operator.get("/sharing?template=thanh-tra").await;
    hardened(&page);
    assert!(page.body.contains("Thanh tra tỉnh") && page.body.contains("cuoc_kiem_tra"), "{page:?}");
    // What is wrong is said above the text, which stays.
    let wrong = operator.fill("/sharing", "/sharing/grants", &[("text", "agency = 'X <b>'")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("X &lt;b&gt;"), "{wrong:?}");
    let text = grant(MEMBERS).replace('\n', "\r\n");
    let proposed = operator.fill("/sharing", "/sharing/grants", &[("text", &text)]).await;
    assert_eq!(proposed.status, 303, "{proposed:?}");
    let grant_page = proposed.header("location").to_owned();
    let shown = operator.get(&grant_page).await;
    hardened(&shown);
    assert!(shown.body.contains("Họ và tên") && shown.body.contains("chờ duyệt"), "{shown:?}");
    let (approve, revoke) = (format!("{grant_page}/approve"), format!("{grant_page}/revoke"));
    let bundle = format!("{grant_page}/bundle");
    for (reader, path) in [(&mut operator, &approve), (&mut steward, &approve), (&mut approver, &bundle)] {
        assert_eq!(reader.fill(&grant_page, path, &[("reason", "x")]).await.status, 403, "{path}");
    }
    assert_eq!(steward.fill(&grant_page, &bundle, &[]).await.status, 403);
    let early = operator.fill(&grant_page, &bundle, &[]).await;
    assert_eq!(early.status, 422, "{early:?}");
    assert_eq!(approver.fill(&grant_page, &approve, &[]).await.status, 303);
    assert_eq!(stage.count("access").await, 0);
    let handed = operator.fill(&grant_page, &bundle, &[]).await;
    assert_eq!((handed.status, handed.header("content-type")), (200, "application/octet-stream"));
    assert!(handed.header("content-disposition").contains("TTT-"), "{:?}", handed.headers);
    assert_eq!(stage.count("access").await, 1);
    // Nothing of it stays behind.
    let left = std::fs::read_dir(&stage.province.hub.data).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("outgoing")));
    assert_eq!(operator.fill(&grant_page, &revoke, &[("reason", " ")]).await.status, 422);
    assert_eq!(operator.fill(&grant_page, &revoke, &[("reason", "xong việc")]).await.status, 303);
    assert!(operator.get(&grant_page).await.body.contains("đã thu hồi"));
    assert_eq!(operator.fill(&grant_page, &bundle, &[]).await.status, 422);
    assert_eq!(operator.get("/sharing/grants/999999").await.status, 404);
}

/// Goal: before anybody outside the hub witnesses its ledger nothing is handed over under the hub's own signature, whatever
/// is granted; once somebody does, it is, and that so few do is said to whoever takes the policy. Method: a commune that is
/// enrolled and has not connected yet.
#[tokio::test(flavor = "multi_thread")]
async fn without_any_witness_nothing_is_handed_over() {
    let province = Province::set().await.unwrap();
    let (hub, dir) = (Arc::clone(&province.hub), province.dir.path().to_owned());
    let node = make_node(&hub, &province.address, &dir.join("here"), HERE).await.unwrap();
    let (identity, _) = Identity::generate().unwrap();
    let agency = SharingRequest::AgencyAdd {
        code: "TTT".parse().unwrap(),
        name: Some(who("Thanh tra tỉnh")),
        contact: None,
        key: Some(identity.recipient().to_string()),
        actor: who("minh"),
    };
    ask(&hub, agency).await;
    let propose = SharingRequest::GrantPropose { text: grant(MEMBERS), actor: who("minh") };
    let grant = ask(&hub, propose).await["number"].as_u64().unwrap();
    ask(&hub, SharingRequest::GrantApprove { number: grant, actor: who("hoa") }).await;
    let bundle = async |name: &str| {
        let out = dir.join(name);
        let answer = ask(&hub, SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
        (answer, out.exists())
    };
    let (refused, there) = bundle("early").await;
    assert!(refused["error"].as_str().unwrap().contains("too few witnesses") && !there, "{refused:#}");
    let policy = ask(&hub, SharingRequest::LedgerPolicy).await;
    assert!(policy["policy"].as_str().unwrap().contains("\n# chưa có nhân chứng"), "{policy:#}");
    node.start_sync(brisk());
    let named = async || bundle("later").await.0;
    asking::until("there is a witness", named, |answer| answer["access"].is_u64()).await;
    let policy = ask(&hub, SharingRequest::LedgerPolicy).await;
    let weak: Vec<&str> = policy["weak"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(
        weak.len() == 2 && weak[0].contains("only 1 witnesses") && weak[1].contains("from outside"),
        "{weak:?}"
    );
    let text = policy["policy"].as_str().unwrap();
    assert!(weak.iter().all(|weak| text.contains(&format!("\n# {weak}"))), "{text}");
    Trust::parse(text).unwrap();
    node.close().await;
    hub.close().await;
}
