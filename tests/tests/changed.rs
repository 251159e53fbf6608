//! Who was handed something under a grant that is over is told what of it is no longer so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::alerts::Limits;
use lienthong_hub::service::SharingRequest;
use lienthong_node::cli::Tongue;
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_node::verify::{Anchor, Notice, notice, said_of_notice};
use lienthong_proto::change::path;
use lienthong_proto::disclosure::{Became, ChangeNotice, ErasureNotice};
use lienthong_proto::hash::SigningKey;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_node, import};
use lienthong_tests::sharing::{HERE, Shared, THERE, ask, opened, sheet, who};
use lienthong_tests::{acknowledged, catalogue};
use serde_json::{Value as Json, json};

/// Names and chi bộ of this commune's members, no phones.
const GRANTED: &str =
    "[[share]]\ntype = 'dang_vien'\nfields = ['ho_ten', 'chi_bo', 'ma_xa']\nunits = ['11953']\n";
/// What is written after the last delivery.
const NEW: [&str; 2] = ["Chi bộ bí mật", "0987654321"];

fn cccd(number: u32) -> String {
    format!("03307500000{number}")
}

fn draft(number: u32, more: &[(&str, Value)]) -> Draft {
    let mut values = BTreeMap::from([("so_cccd".to_owned(), Value::Text(cccd(number)))]);
    values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Draft {
        record_type: "dang_vien".to_owned(),
        owner: HERE.parse().unwrap(),
        values,
        intent: Intent::Assert,
        author: who("lan"),
    }
}

async fn states(shared: &Shared, number: u32, more: &[(&str, Value)]) {
    shared.node.write(vec![draft(number, more)]).await.remove(0).unwrap();
    acknowledged(&shared.node).await.unwrap();
}

async fn withdraw(shared: &Shared, number: u32) {
    let withdrawal = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: cccd(number),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: who("lan"),
    };
    let done = at_node(&shared.node, NodeRequest::Records(withdrawal)).await;
    assert_eq!(done["changed"], true, "{done:#}");
    acknowledged(&shared.node).await.unwrap();
}

async fn noticed(shared: &Shared, number: u64, out: Option<PathBuf>) -> Json {
    ask(shared.hub(), SharingRequest::GrantNotice { number, out, actor: who("minh") }).await
}

/// Of each member in a bundle, by the number in its chi bộ: the pseudonym.
/// Whether a look finds that the agency is to be told, and whether an alert begins by it.
async fn untold(shared: &Shared, number: u64) -> (bool, bool) {
    let look = shared.hub().look_at_alerts(&Limits::default());
    let shown = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    let key = format!("untold/grant-{number}");
    (shown["untold"].as_bool().unwrap(), look.begun.iter().any(|alert| alert.key == key))
}

async fn pseudonyms(shared: &Shared, bundle: &Path) -> BTreeMap<String, String> {
    let verified = shared.verified(bundle).await.unwrap();
    let of = |member: &Json| {
        let number = member["fields"]["chi_bo"].as_str().unwrap().trim_start_matches("Chi bộ ").to_owned();
        (number, member["id"].as_str().unwrap().to_owned())
    };
    verified.records["dang_vien"].iter().map(of).collect()
}

async fn read(shared: &Shared, file: &Path) -> ChangeNotice {
    let read = notice(file, Some(&shared.identity), &shared.trust().await).unwrap().unwrap();
    let Notice::Changed(read) = read else { panic!("{read:?}") };
    read
}

/// Goal: a notice names exactly the records that were handed over and are otherwise since, by the names the agency knows
/// them by, with the granted fields and no value; it is the agency's alone and the ledger's word, and the ledger says that it was
/// given. Method: members of every kind, a bundle, the grant revoked.
#[tokio::test(flavor = "multi_thread")]
async fn p9_who_was_handed_something_is_told_what_of_it_is_no_longer_so() {
    let shared = Shared::set().await;
    for number in 3..=6 {
        import(&shared.node, shared.province.dir.path(), "dang_vien", &sheet(HERE, number)).await;
    }
    withdraw(&shared, 6).await;
    let number = shared.granted(GRANTED).await;
    assert_eq!(noticed(&shared, number, None).await["rule"], "GRANT_STATE", "nothing was handed over");
    assert_eq!(noticed(&shared, 9_999, None).await["rule"], "GRANT_UNKNOWN");
    let bundle = shared.bundle(number, "bundle").await;
    let known = pseudonyms(&shared, &bundle).await;
    assert_eq!(known.keys().collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
    let same = noticed(&shared, number, None).await;
    assert_eq!((&same["withdrawn"], &same["left"], &same["changed"]), (&json!(0), &json!(0), &json!(0)));
    let early = shared.path("early");
    assert_eq!(noticed(&shared, number, Some(early.clone())).await["rule"], "GRANT_STATE");
    assert!(!early.exists(), "a notice of nothing");

    // 1 stays as it is in what was granted; 7 comes only now.
    states(&shared, 1, &[("dien_thoai", Value::Text(NEW[1].to_owned()))]).await;
    states(&shared, 2, &[("chi_bo", Value::Text(NEW[0].to_owned()))]).await;
    withdraw(&shared, 3).await;
    let moved = draft(4, &[(path::UNIT, Value::Unit(THERE.parse().unwrap()))]);
    shared.hub().committer.write(vec![moved]).await.remove(0).unwrap();
    import(&shared.node, shared.province.dir.path(), "dang_vien", &sheet(HERE, 7)).await;
    acknowledged(&shared.node).await.unwrap();
    let revoke =
        SharingRequest::GrantRevoke { number, reason: "hết việc".to_owned(), actor: who("minh") };
    assert_eq!(ask(shared.hub(), revoke).await["state"], "revoked");

    // Whoever looks after the hub is called, until the agency was told.
    assert_eq!(untold(&shared, number).await, (true, true));
    let out = shared.path("notice");
    let told = noticed(&shared, number, Some(out.clone())).await;
    assert_eq!(untold(&shared, number).await, (false, false));
    let counts = ["withdrawn", "left", "changed"].map(|name| told[name].as_u64().unwrap());
    let read_notice = read(&shared, &out).await;
    let became: BTreeMap<String, (Became, String)> = read_notice
        .records
        .iter()
        .map(|record| (record.record.to_string(), (record.became, record.fields.join(","))))
        .collect();
    let wanted = BTreeMap::from([
        (known["2"].clone(), (Became::Changed, "chi_bo".to_owned())),
        (known["3"].clone(), (Became::Withdrawn, String::new())),
        (known["4"].clone(), (Became::Left, String::new())),
    ]);
    assert_eq!(became, wanted, "{told:#}");
    assert_eq!(counts, [1, 1, 1]);

    // The agency's alone, without a value, and nothing without the ledger's key.
    assert!(notice(&out, None, &shared.trust().await).unwrap().is_none(), "sealed");
    let text = opened(&out, &shared.identity);
    assert!(NEW.iter().all(|value| !text.contains(value)) && !text.contains("0330750"), "{text}");
    let forged = shared.path("forged");
    std::fs::write(&forged, text.replace("\"withdrawn\"", "\"changed\"")).unwrap();
    assert!(notice(&forged, None, &shared.trust().await).is_err());
    let there = noticed(&shared, number, Some(out.clone())).await;
    assert!(there["error"].as_str().unwrap().contains("notice"), "{there:#}");

    let catalogue = catalogue().unwrap();
    let read_notice = Notice::Changed(read_notice);
    let said = |tongue| said_of_notice(&read_notice, Anchor::Policy, &catalogue, tongue);
    for (tongue, wanted) in [
        (Tongue::Vi, ["3 bản ghi nay không còn", "đã thu hồi", "đã sửa: Chi bộ", "ngoài phạm vi"]),
        (Tongue::En, ["3 records are no longer", "withdrawn", "changed: ", "does not mean"]),
    ] {
        let said = said(tongue);
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    }
    let shown = ask(shared.hub(), SharingRequest::GrantShow { number }).await;
    assert!(shown["last_notice"].is_string(), "{shown:#}");
    let place = told["ledger_index"].as_u64().unwrap();
    assert!(place >= told["until"].as_u64().unwrap(), "{told:#}");
    let node = Arc::clone(&shared.node);
    node.close().await;
}

/// Goal: a notice of erasure takes something from an agency only if its ledger signed it, for this agency and this grant.
/// Method: an agency whose grant is over is told of an erasure by others, of others, and at last by the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn t49_a_notice_of_erasure_that_is_not_the_ledgers_takes_nothing() {
    let shared = Shared::set().await;
    let number = shared.granted(GRANTED).await;
    let agency = shared.agency("agency").await;
    let members = shared.shows(&agency, "both members", |members| members.len() == 2).await;
    let revoke =
        SharingRequest::GrantRevoke { number, reason: "hết việc".to_owned(), actor: who("minh") };
    ask(shared.hub(), revoke).await;
    shared.grant_at(&agency, "it is over", |line| line["state"] == "revoked").await;
    let notice = ErasureNotice {
        ledger: shared.hub().secrets.ledger_origin(),
        grant: number,
        agency: "TTT".parse().unwrap(),
        order: "12/QĐ".to_owned(),
        issuer: "UBKT".to_owned(),
        date: "2026-11-20".to_owned(),
        approved: "2026-11-21T00:00:00Z".to_owned(),
        record_type: "dang_vien".to_owned(),
        record: members[0]["id"].as_str().unwrap().parse().unwrap(),
        whole: false,
        fields: vec!["ho_ten".to_owned()],
    };
    let (ledger, other) =
        (shared.hub().secrets.ledger_key.as_ref(), SigningKey::from_seed(&[7; 32]).unwrap());
    let by_other = notice.sign(&other).unwrap();
    let altered = notice.sign(ledger).unwrap().replace("12/QĐ", "13/QĐ");
    let of_agency = ErasureNotice { agency: "KTNN".parse().unwrap(), ..notice.clone() };
    let of_grant = ErasureNotice { grant: number + 1, ..notice.clone() };
    let of_ledger = ErasureNotice { ledger: "kiemtra.vn/33/33/07".to_owned(), ..notice.clone() };
    let views = agency.granted.as_ref().unwrap();
    for (what, text) in [
        ("nothing", String::new()),
        ("another key", by_other),
        ("another text", altered),
        ("another agency", of_agency.sign(ledger).unwrap()),
        ("another grant", of_grant.sign(ledger).unwrap()),
        ("another ledger", of_ledger.sign(ledger).unwrap()),
    ] {
        assert!(views.erased(number, text.as_bytes()).is_err(), "{what}");
        let line = shared.grant_at(&agency, what, |_| true).await;
        assert_eq!(line["records"]["dang_vien"], 2, "{what}: {line:#}");
    }
    views.erased(number, notice.sign(ledger).unwrap().as_bytes()).unwrap();
    let line = shared.grant_at(&agency, "gone", |_| true).await;
    assert_eq!((&line["erased"], &line["records"]), (&json!(["12/QĐ"]), &json!({})), "{line:#}");
    agency.close().await;
}

/// Goal: what a first bundle had and a second lacks, because it was withdrawn between them, is told of; so is one that stands
/// again. Method: two bundles, a withdrawal between them, and the record put again behind the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_between_two_bundles_is_told_of() {
    let shared = Shared::set().await;
    let number = shared.granted(GRANTED).await;
    let first = shared.bundle(number, "first").await;
    let names = pseudonyms(&shared, &first).await;
    withdraw(&shared, 1).await;
    shared.bundle(number, "second").await;
    let told = async |name: &str| {
        let file = shared.path(name);
        let body = noticed(&shared, number, Some(file.clone())).await;
        assert!(body["error"].is_null(), "{body:#}");
        let notice = read(&shared, &file).await;
        let told = notice.records.into_iter().map(|changed| (changed.record.to_string(), changed.became));
        told.collect::<BTreeMap<_, _>>()
    };
    let one = &names["1"];
    assert_eq!(untold(&shared, number).await, (true, true), "a bundle only lacks it");
    assert_eq!(told("withdrawn").await, BTreeMap::from([(one.clone(), Became::Withdrawn)]));
    assert_eq!(untold(&shared, number).await, (false, false));
    states(&shared, 1, &[("ho_ten", Value::Text("Nguyễn Văn An".to_owned()))]).await;
    assert_eq!(told("again").await, BTreeMap::from([(one.clone(), Became::Changed)]));
}

/// Goal: a correction that takes a record out of what a grant's condition means is told of, though the field it looks at was
/// not opened; what the condition never meant is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_condition_means_no_longer_is_told_of() {
    let shared = Shared::set().await;
    import(&shared.node, shared.province.dir.path(), "dang_vien", &sheet(HERE, 3)).await;
    let state = |code: &str| ("tinh_trang", Value::Code(code.to_owned()));
    states(&shared, 3, &[state("DU_BI")]).await;
    let only = "[[share.only]]\nfield = 'tinh_trang'\nis = ['CHINH_THUC']\n";
    let number = shared.granted(&format!("{GRANTED}{only}")).await;
    let bundle = shared.bundle(number, "bundle").await;
    let names = pseudonyms(&shared, &bundle).await;
    assert_eq!(names.keys().collect::<Vec<_>>(), ["1", "2"]);
    states(&shared, 1, &[state("MIEN_SH")]).await;
    states(&shared, 2, &[("dien_thoai", Value::Text(NEW[1].to_owned()))]).await;
    assert_eq!(untold(&shared, number).await, (true, true));
    let out = shared.path("notice");
    noticed(&shared, number, Some(out.clone())).await;
    let told = read(&shared, &out).await.records;
    let told: Vec<_> = told.iter().map(|changed| (changed.record.to_string(), changed.became)).collect();
    assert_eq!(told, [(names["1"].clone(), Became::Left)]);
}
