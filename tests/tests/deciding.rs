//! The hub's pages that people decide on, through the real door: records, conflicts, duplicates, quarantine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::ingest::Decision;
use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::records::{Listing, Page, Records};
use lienthong_node::replica::{Draft, Intent, WriteError};
use lienthong_node::service::RecordsRequest;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_hub, at_node, away, import, until};
use lienthong_tests::browsing::{FORM, Reader, Reply, encoded};
use lienthong_tests::stage::{Stage, hardened};
use lienthong_tests::{acknowledged, brisk, make_node, member, reopened};
use serde_json::Value as Json;

const HERE: &str = "11953";
const THERE: &str = "12004";
const NUMBER: &str = "033075000001";
const HEAD: &str = "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại,Số thẻ đảng viên\n";

fn line(name: &str, born: &str, number: &str, unit: &str, phone: &str) -> String {
    format!("{name},{born},Nam,{number},01/02/2000,Chi bộ 1,{unit},CHIBO,CHINH_THUC,{phone},12345678\n")
}

async fn node_of(stage: &Stage, unit: &str) -> Arc<Node> {
    let province = &stage.province;
    make_node(&province.hub, &province.address, &province.dir.path().join(unit), unit).await.unwrap()
}

async fn taken(stage: &Stage, node: &Arc<Node>, lines: &str) {
    let report = import(node, stage.province.dir.path(), "dang_vien", &format!("{HEAD}{lines}")).await;
    assert_eq!(report["rejected"], 0, "{report:#}");
}

/// Two communes with the same member, whose telephones differ: the first has the record, the other proposes.
async fn disputed(stage: &Stage) -> (Arc<Node>, Arc<Node>, String) {
    let (here, there) = (node_of(stage, HERE).await, node_of(stage, THERE).await);
    for (node, unit, phone) in [(&here, HERE, "0912345671"), (&there, THERE, "0912345672")] {
        taken(stage, node, &line("Nguyễn Văn An", "02/03/1975", NUMBER, unit, phone)).await;
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    (here, there, id_of(stage, NUMBER).await)
}

async fn record(stage: &Stage, key: &str) -> Json {
    let get = RecordsRequest::Get { record_type: "dang_vien".to_owned(), id: key.to_owned(), unit: None };
    at_hub(&stage.province.hub, Request::Records(get)).await
}

async fn id_of(stage: &Stage, key: &str) -> String {
    record(stage, key).await["id"].as_str().unwrap().to_owned()
}

/// What a page's form holds under this name.
fn held<'a>(page: &'a Reply, name: &str) -> &'a str {
    let (_, rest) = page
        .body
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("{name}: {page:?}"));
    rest.split('"').next().unwrap()
}

/// The choice that stands beside a text.
fn choice<'a>(page: &'a Reply, beside: &str) -> &'a str {
    let choices = page.body.split("name=\"choice\" value=\"").skip(1);
    let found = choices.into_iter().find(|part| part.split("</label>").next().unwrap().contains(beside));
    found.unwrap_or_else(|| panic!("{beside}: {page:?}")).split('"').next().unwrap()
}

/// Sends a form with the token of a page that was opened before.
async fn send(reader: &mut Reader, page: &Reply, path: &str, fields: &[(&str, &str)]) -> Reply {
    let csrf = page.csrf();
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
    reader.post(path, &fields).await
}

/// Goal: a steward finds a conflict, sees both sides with who and when and the rule, is told what is wrong with a form, and
/// settles it; the record shows the value and why, and the conflict is gone. Who may not decide sees and cannot.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_conflict_is_found_and_settled_at_the_page() {
    let stage = Stage::tls().await;
    let (here, there, id) = disputed(&stage).await;
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let list = steward.get("/conflicts").await;
    hardened(&list);
    let address = format!("/conflicts/dang_vien/{id}?field=dien_thoai");
    assert!(list.body.contains(&format!("href=\"{address}\"")), "{list:?}");
    assert!(list.body.contains("đơn vị khác đề nghị") && list.body.contains("Nguyễn Văn An"));
    for (filter, found) in [
        ("kind=proposal", true),
        ("kind=withdrawal", false),
        ("unit=11953", true),
        ("unit=12004", false),
        ("type=dang_vien", true),
        ("type=don_thu", false),
        ("days=1", false),
        ("q=nguyen+van+an", true),
        ("q=tran", false),
        ("days=x&page=9&sort=since&order=down", true),
    ] {
        let shown = steward.get(&format!("/conflicts?{filter}")).await;
        assert_eq!((shown.status, shown.body.contains(&address)), (200, found), "{filter}");
    }
    assert!(steward.get("/units/11953").await.body.contains("/conflicts?unit=11953"));

    let page = steward.get(&address).await;
    hardened(&page);
    for word in ["0912345671", "0912345672", "Quy tắc: ", "href=\"/units/12004\"", "lan", "đang hiện"] {
        assert!(page.body.contains(word), "{word}: {page:?}");
    }
    let (seen, theirs) = (held(&page, "seen"), choice(&page, "0912345672"));
    let path = format!("/conflicts/dang_vien/{id}");
    let form = |choice: &'static str, value: &'static str, reason: &'static str| {
        [("field", "dien_thoai"), ("seen", seen), ("choice", choice), ("value", value), ("reason", reason)]
    };
    for (fields, said) in [
        (form("", "", "theo thẻ"), "Chọn một giá trị"),
        (form("00", "", "theo thẻ"), "Chọn một giá trị"),
        (form("write", "không phải số", "theo thẻ"), "không phải số"),
        (form("write", "", "theo thẻ"), "giá trị"),
        (form("write", "0912345679", " "), "lý do"),
    ] {
        let refused = send(&mut steward, &page, &path, &fields).await;
        hardened(&refused);
        assert_eq!(refused.status, 422, "{fields:?} {refused:?}");
        let alert = refused.body.split("role=\"alert\">").nth(1).unwrap().split('<').next().unwrap();
        assert!(
            alert.to_lowercase().contains(&said.to_lowercase()) || refused.body.contains(said),
            "{said}: {alert}"
        );
    }
    // A field that is not open, a record and a type that are not there.
    let missing = format!("/conflicts/dang_vien/{}", "0".repeat(32));
    assert_eq!(steward.get(&missing).await.status, 404);
    assert_eq!(steward.get("/conflicts/khong_co/00").await.status, 404);
    let other = send(&mut steward, &page, &path, &[("field", "ho_ten_khac"), ("reason", "x")]).await;
    assert_eq!(other.status, 409, "{other:?}");

    // Who may not decide.
    let mut approver = stage.signed_in("duyet", AccountRole::Approver).await;
    let seen_by_all = approver.get(&address).await;
    assert!(seen_by_all.body.contains("0912345672") && !seen_by_all.body.contains("name=\"choice\""));
    let csrf = approver.get("/account").await.csrf();
    let denied = approver
        .post(
            &path,
            &[("field", "dien_thoai"), ("choice", theirs), ("seen", seen), ("reason", "x"), ("csrf", &csrf)],
        )
        .await;
    assert_eq!(denied.status, 403);
    assert_eq!(record(&stage, NUMBER).await["fields"]["dien_thoai"], "0912345671", "nothing was decided yet");

    let fields =
        [("field", "dien_thoai"), ("seen", seen), ("choice", theirs), ("reason", "theo thẻ đảng viên")];
    let done = send(&mut steward, &page, &path, &fields).await;
    assert_eq!(done.status, 303, "{done:?}");
    let shown = steward.get(done.header("location").split('#').next().unwrap()).await;
    hardened(&shown);
    assert!(shown.body.contains("Đã quyết định") && shown.body.contains("<b>0912345672</b>"), "{shown:?}");
    assert!(
        shown.body.contains("theo thẻ đảng viên") && shown.body.contains("<b>thu</b>"),
        "the history says why"
    );
    assert!(!steward.get("/conflicts").await.body.contains("field=dien_thoai"));
    let why = steward.get(&format!("/records/dang_vien/{id}/why?field=dien_thoai")).await;
    assert!(
        why.body.contains("Quy tắc: ")
            && why.body.contains("0912345671")
            && why.body.contains("theo thẻ đảng viên")
    );
    assert_eq!(steward.get(&format!("/records/dang_vien/{id}/why?field=khong_co")).await.status, 404);
    assert_eq!(
        stage.events().await.iter().filter(|(kind, who)| kind == "decision" && who == "thu").count(),
        1
    );
    for node in [here, there] {
        node.close().await;
    }
}

/// Goal: two stewards at one conflict: the second is told that it is settled, and by whom. A value that comes while a
/// steward looks is not superseded unseen: the form says so and nothing is decided.
#[tokio::test(flavor = "multi_thread")]
async fn p4_what_changed_meanwhile_is_said_and_decides_nothing() {
    let stage = Stage::tls().await;
    let (here, there, id) = disputed(&stage).await;
    let (mut one, mut two) = (
        stage.signed_in("thu", AccountRole::Steward).await,
        stage.signed_in("hoa", AccountRole::Steward).await,
    );
    let (address, path) =
        (format!("/conflicts/dang_vien/{id}?field=dien_thoai"), format!("/conflicts/dang_vien/{id}"));
    let (first, second) = (one.get(&address).await, two.get(&address).await);
    // The proposer says something else now.
    taken(&stage, &there, &line("Nguyễn Văn An", "02/03/1975", NUMBER, THERE, "0912345673")).await;
    acknowledged(&there).await.unwrap();
    let fields = |page: &Reply, beside: &str| {
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            owned("field", "dien_thoai"),
            owned("seen", held(page, "seen")),
            owned("choice", choice(page, beside)),
            owned("reason", "theo thẻ"),
        ]
    };
    let sent = async |reader: &mut Reader, page: &Reply, beside: &str| {
        let fields = fields(page, beside);
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(reader, page, &path, &fields).await
    };
    let changed = sent(&mut one, &first, "0912345671").await;
    assert_eq!(changed.status, 409, "{changed:?}");
    assert!(
        changed.body.contains("Đã có giá trị khác") && changed.body.contains("0912345673"),
        "{changed:?}"
    );
    assert_eq!(stage.count("decision").await, 0);
    // Looked at again, it is decided, by one of two at once; what was looked at before comes too late.
    let (again, other) = (one.get(&address).await, two.get(&address).await);
    let both = tokio::join!(sent(&mut one, &again, "0912345673"), sent(&mut two, &other, "0912345673"));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "{both:?}");
    let late = sent(&mut two, &second, "0912345672").await;
    assert_eq!(late.status, 409, "{late:?}");
    assert!(late.body.contains("không còn xung đột") && late.body.contains("0912345673"), "{late:?}");
    let by = if both.0.status == 303 { "thu, " } else { "hoa, " };
    assert!(late.body.contains(by) && late.body.contains("theo thẻ"), "who decided, and why: {late:?}");
    assert!(two.get(&address).await.body.contains("không còn xung đột"));
    assert_eq!(stage.count("decision").await, 1);
    assert_eq!(record(&stage, NUMBER).await["fields"]["dien_thoai"], "0912345673");
    // The very writer refuses what was decided on other values than stand when its turn comes.
    let decision = Decision {
        draft: Draft {
            record_type: "dang_vien".to_owned(),
            owner: "33".parse().unwrap(),
            values: [("dien_thoai".to_owned(), Value::Text("0912345679".to_owned()))].into(),
            intent: Intent::Amend(id.parse().unwrap()),
            author: "thu".to_owned(),
        },
        record: id.parse().unwrap(),
        field: "dien_thoai".to_owned(),
        owner: None,
        answered: Vec::new(),
        seen: Some(BTreeSet::new()),
        reason: "x".to_owned(),
    };
    let refused = stage.province.hub.committer.decide(vec![decision]).await;
    assert!(matches!(refused, Err(WriteError::Changed)), "{refused:?}");
    assert_eq!(record(&stage, NUMBER).await["fields"]["dien_thoai"], "0912345673");
    for node in [here, there] {
        node.close().await;
    }
}

/// A search looks at so many and goes on where it stopped: each record is met once, found or not.
fn search_goes_on_where_it_stopped(stage: &Stage) {
    let hub = &stage.province.hub;
    let records = Records {
        dataset: &hub.dataset,
        catalogue: &hub.catalogue,
        provincial_key: &hub.secrets.provincial_key,
        unit: &hub.secrets.profile.province,
        lineage: None,
    };
    let declared = hub.catalogue.record_type("dang_vien").unwrap();
    let (mut listing, mut met, mut looks) =
        (Listing { search: Some("buoi".to_owned()), ..Listing::default() }, 0, 0);
    loop {
        looks += 1;
        let each = &mut |_: &_| {
            met += 1;
            true
        };
        listing.after = records.each_within(declared, &listing, 25, each).unwrap();
        if listing.after.is_none() {
            break;
        }
    }
    assert_eq!((met, looks), (60, 3));
}

/// Goal: records are counted by type, found by key and by words without marks, in pages and by unit; what is withdrawn
/// has its page, which says why.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_read_and_lead_on() {
    let stage = Stage::tls().await;
    let (here, there) = (node_of(&stage, HERE).await, node_of(&stage, THERE).await);
    let people: Vec<Draft> =
        (0..60).map(|n| member(HERE, &format!("0330750001{n:02}"), "Trần Thị Bưởi").unwrap()).collect();
    here.write(people).await;
    there.write(vec![member(THERE, NUMBER, "Nguyễn Văn An").unwrap()]).await;
    for node in [&here, &there] {
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    let hub = &stage.province.hub;
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
    let mut reader = stage.signed_in("lan", AccountRole::Operator).await;
    let types = reader.get("/records").await;
    hardened(&types);
    let count = |page: &Reply| {
        let (_, rest) = page.body.split_once(">Đảng viên</a></dt><dd>").unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    assert_eq!((count(&types), count(&reader.get("/records?unit=11953").await)), ("61".into(), "60".into()));

    search_goes_on_where_it_stopped(&stage);

    let rows = |page: &Reply| page.body.matches("<td data-label=\"Đơn vị\">").count();
    let first = reader.get("/records?type=dang_vien&unit=11953").await;
    hardened(&first);
    let next = first.body.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = reader.get(&next.replace("&amp;", "&")).await;
    assert_eq!((rows(&first), rows(&second)), (50, 10), "{second:?}");
    assert!(!second.body.contains("rel=\"next\""));
    let id = id_of(&stage, NUMBER).await;
    let link = format!("/records/dang_vien/{id}");
    for (query, found) in [
        ("q=nguyen+van+an", 1),
        ("q=AN+nguy%E1%BB%85n", 1),
        (&format!("q={NUMBER}"), 1),
        ("q=nguyen+van+an&unit=11953", 0),
        ("q=buoi&unit=12004", 0),
        ("q=buoi", 50),
        ("which=shared&q=nguyen+van+an", 0),
        ("which=withdrawn&q=nguyen+van+an", 1),
    ] {
        let page = reader.get(&format!("/records?type=dang_vien&{query}")).await;
        assert_eq!((page.status, rows(&page)), (200, found), "{query}: {page:?}");
        assert_eq!(page.body.contains(&link), found == 1, "{query}");
    }
    let page = reader.get(&link).await;
    hardened(&page);
    for word in ["Nguyễn Văn An", NUMBER, "href=\"/units/12004\"", "Lỗi", "Quá trình", "/why?field=ho_ten"]
    {
        assert!(page.body.contains(word), "{word}: {page:?}");
    }
    assert!(!page.body.contains("Đổi đơn vị quản lý"), "an operator gives no records away");

    // Withdrawn: gone from the list, its page says by whom and why.
    let withdraw = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: NUMBER.to_owned(),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: "minh".to_owned(),
    };
    at_node(&there, lienthong_node::service::Request::Records(withdraw)).await;
    acknowledged(&there).await.unwrap();
    assert_eq!(rows(&reader.get("/records?type=dang_vien&q=nguyen+van+an").await), 0);
    let kept = reader.get("/records?type=dang_vien&q=nguyen+van+an&which=withdrawn").await;
    assert!(kept.body.contains("đã thu hồi") && kept.body.contains(&link));
    let page = reader.get(&link).await;
    assert!(page.body.contains("Đã thu hồi: ") && page.body.contains("nhập nhầm"), "{page:?}");
    for node in [here, there] {
        node.close().await;
    }
}

/// Goal: no address is too odd: what it asks for is shown, or said not to be there.
#[tokio::test(flavor = "multi_thread")]
async fn p8_no_address_is_too_odd() {
    let stage = Stage::tls().await;
    let (here, there, id) = disputed(&stage).await;
    let link = format!("/records/dang_vien/{id}");
    let mut reader = stage.signed_in("lan", AccountRole::Operator).await;
    for (path, status) in [
        ("/records?type=khong_co".to_owned(), 404),
        ("/records?type=dang_vien&after=x&unit=11953".to_owned(), 200),
        ("/records?type=dang_vien&unit=%00".to_owned(), 404),
        ("/records?unit=khong+co".to_owned(), 200),
        (format!("/records/khong_co/{id}"), 404),
        (format!("/records/don_thu/{id}"), 404),
        ("/records/dang_vien/00".to_owned(), 404),
        (format!("/records/dang_vien/{NUMBER}"), 404),
        (format!("{link}?page=99999999999999999999"), 200),
        (format!("{link}?page=999"), 200),
        ("/quarantine/1".to_owned(), 404),
        ("/quarantine/999999999999999999999.1".to_owned(), 404),
        ("/quarantine?unit=x&reason=y&page=-1".to_owned(), 200),
        (format!("/duplicates/dang_vien/{id}/{id}"), 404),
        ("/duplicates/decided?type=khong_co".to_owned(), 404),
        ("/duplicates/decided?after=zz".to_owned(), 200),
        ("/conflicts/handovers?after=zz&unit=zz".to_owned(), 200),
    ] {
        let reply = reader.get(&path).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        hardened(&reply);
    }
    for node in [here, there] {
        node.close().await;
    }
}

/// Goal: two records of one person are put side by side, merged, and taken apart again; said to be two, they are proposed no
/// more. Doing it twice is said.
#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_merged_told_apart_and_taken_back() {
    let stage = Stage::tls().await;
    let (here, there) = (node_of(&stage, HERE).await, node_of(&stage, THERE).await);
    for (node, unit, number) in [(&here, HERE, "033075000012"), (&there, THERE, "033075000021")] {
        taken(&stage, node, &line("Nguyễn Văn An", "02/03/1975", number, unit, "")).await;
        node.start_sync(brisk());
        acknowledged(node).await.unwrap();
    }
    let hub = &stage.province.hub;
    let ask = async || at_hub(hub, Request::DuplicatesList { page: Page::default() }).await;
    let pairs = until("a pair", ask, |list| list["items"].as_array().unwrap().len() == 1).await;
    let id = |name: &str| pairs["items"][0][name].as_str().unwrap().to_owned();
    let (first, second) = (id("first"), id("second"));
    let address = format!("/duplicates/dang_vien/{first}/{second}");
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let list = steward.get("/duplicates").await;
    hardened(&list);
    assert!(list.body.contains(&address), "{list:?}");
    assert!(steward.get("/duplicates?unit=12004&type=dang_vien&q=van+an").await.body.contains(&address));
    assert!(!steward.get("/duplicates?unit=11980").await.body.contains(&address));
    let page = steward.get(&address).await;
    hardened(&page);
    assert!(page.body.contains("033075000012") && page.body.contains("033075000021"), "{page:?}");
    assert!(page.body.contains("Họ và tên: giống hệt"), "why they look alike: {page:?}");
    let swapped = steward.get(&format!("/duplicates/dang_vien/{second}/{first}")).await;
    assert!(swapped.body.contains(&format!("action=\"{address}/merge\"")));

    let act = async |reader: &mut Reader, what: &str, fields: &[(&str, &str)]| {
        send(reader, &page, &format!("{address}/{what}"), fields).await
    };
    let refused = act(&mut steward, "merge", &[("keep", &second), ("reason", " ")]).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let foreign = act(&mut steward, "merge", &[("keep", NUMBER), ("reason", "x")]).await;
    assert_eq!(foreign.status, 422, "{foreign:?}");
    let early = act(&mut steward, "undo", &[("reason", "x")]).await;
    assert_eq!(early.status, 409, "nothing to undo yet: {early:?}");
    let done = act(&mut steward, "merge", &[("keep", &second), ("reason", "một người")]).await;
    assert_eq!((done.status, done.header("location")), (303, address.as_str()), "{done:?}");
    let twice = act(&mut steward, "merge", &[("keep", &first), ("reason", "một người")]).await;
    assert_eq!(twice.status, 409, "{twice:?}");
    assert!(twice.body.contains("đã gộp vào"));
    // The one left out leads on, the other knows it, and the decision is listed.
    let left = steward.get(&format!("/records/dang_vien/{first}")).await;
    assert!(
        left.body.contains("đã gộp vào") && left.body.contains(&format!("/records/dang_vien/{second}")),
        "{left:?}"
    );
    let stays = steward.get(&format!("/records/dang_vien/{second}")).await;
    assert!(stays.body.contains("Đã gộp vào đây") && stays.body.contains(&first), "{stays:?}");
    let decided = steward.get("/duplicates/decided").await;
    assert!(decided.body.contains(&address) && decided.body.contains("một người"), "{decided:?}");
    assert_eq!(act(&mut steward, "undo", &[("reason", "nhầm")]).await.status, 303);
    assert!(!steward.get("/duplicates/decided").await.body.contains(&address));
    assert_eq!(act(&mut steward, "undo", &[("reason", "nhầm")]).await.status, 409);

    assert_eq!(act(&mut steward, "separate", &[("reason", "hai người")]).await.status, 303);
    assert!(steward.get(&address).await.body.contains("hai bản ghi khác nhau"));
    assert!(steward.get("/duplicates/decided?type=dang_vien").await.body.contains(&address));
    let ask = async || at_hub(hub, Request::DuplicatesList { page: Page::default() }).await;
    until("no pair", ask, |list| list["items"].as_array().unwrap().is_empty()).await;
    let mut operator = stage.signed_in("van", AccountRole::Operator).await;
    assert!(!operator.get(&address).await.body.contains("/undo"));
    for node in [here, there] {
        node.close().await;
    }
}

/// Two persons under numbers of others, one change of a type that is not known, one with content of class C4.
async fn waiting_set(stage: &Stage) -> (Arc<Node>, Arc<Node>) {
    let (here, there) = (node_of(stage, HERE).await, node_of(stage, THERE).await);
    here.start_sync(brisk());
    let numbers = ["033075000001", "033075000002"];
    here.write(numbers.iter().map(|number| member(HERE, number, "Nguyễn Văn An").unwrap()).collect()).await;
    acknowledged(&here).await.unwrap();
    let strangers = numbers.iter().map(|number| {
        let mut stranger = member(THERE, number, "Lê Thị Cúc").unwrap();
        stranger.values.insert("ngay_sinh".into(), Value::Date(1_000));
        stranger
    });
    there.write(strangers.collect()).await;
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    // A node one catalogue ahead: a new type, and a field that it takes for harmless.
    there.close().await;
    drop(there);
    let file = |name: &str, text: String| (name.to_owned(), text);
    let unknown = "name = \"loai_moi\"\nlabel = { vi = \"Mới\", en = \"New\" }\nkey = { fields = [\"ma\"], scope = \"unit\" }\n\n[[field]]\nname = \"ma\"\nlabel = { vi = \"Mã\", en = \"Code\" }\ntype = \"text\"\nrequired = true\nclass = \"C1\"\n";
    let letters = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../proto/catalogue/records/don_thu.toml"
    ));
    let letters = letters.unwrap().replace("class = \"C4\"", "class = \"C3\"");
    let ahead = Catalogue::with_overrides([
        file("records/loai_moi.toml", unknown.to_owned()),
        file("records/don_thu.toml", letters),
    ]);
    let ahead = Arc::new(ahead.unwrap());
    let folder = stage.province.dir.path().join(THERE);
    let there = reopened(|| Ok(Node::open(&folder, Arc::clone(&ahead), system_clock)?));
    let draft = |record_type: &str, values: &[(&str, Value)]| Draft {
        record_type: record_type.to_owned(),
        owner: THERE.parse().unwrap(),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        intent: Intent::Assert,
        author: "test".to_owned(),
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let written = there
        .write(vec![
            draft("loai_moi", &[("ma", text("CANARY-MOI"))]),
            draft("don_thu", &[("ma_don", text("01/2026")), ("nguoi_gui", text("CANARY-NGUOI-GUI"))]),
        ])
        .await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    there.start_sync(brisk());
    acknowledged(&there).await.unwrap();
    (here, there)
}

/// Goal: what waits is counted by unit and reason; of what is another person both sides are shown, and it is merged or told
/// apart with a reason, once; what may not be shown is not: a type that is not known, content of class C4.
#[tokio::test(flavor = "multi_thread")]
async fn p8_quarantine_is_read_and_decided_without_what_may_not_be_shown() {
    let stage = Stage::tls().await;
    let (here, there) = waiting_set(&stage).await;
    let waiting = stage.province.hub.committer.books().read().quarantine.clone();
    let number = |reason: &str| -> Vec<String> {
        let found = waiting.iter().filter(|(_, waiting)| waiting.reason.code() == reason);
        found.map(|((ledger, place), _)| format!("{ledger}.{place}")).collect()
    };
    let guarded = number("IDENTITY_GUARD");
    assert_eq!((guarded.len(), waiting.len()), (2, 4), "{waiting:?}");
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let list = steward.get("/quarantine").await;
    hardened(&list);
    assert!(
        list.body.contains("<a href=\"/quarantine?unit=12004&amp;reason=IDENTITY_GUARD\">2</a>"),
        "{list:?}"
    );
    let overview = steward.get("/").await;
    let counted = "<a href=\"/quarantine?unit=12004\">4 thay đổi chưa nhập được";
    assert!(overview.body.contains(counted), "{overview:?}");
    for (filter, found) in
        [("unit=12004", 4), ("unit=11953", 0), ("reason=IDENTITY_GUARD", 2), ("type=loai_moi", 1)]
    {
        let page = steward.get(&format!("/quarantine?{filter}")).await;
        assert_eq!(page.body.matches("data-label=\"Nhận lúc\"").count(), found, "{filter}");
    }
    for reason in ["TYPE_UNKNOWN", "FORBIDDEN"] {
        let [only] = &number(reason)[..] else { panic!("{reason}: {waiting:?}") };
        let page = steward.get(&format!("/quarantine/{only}")).await;
        hardened(&page);
        assert!(
            page.status == 200 && page.body.contains(reason) && !page.body.contains("CANARY"),
            "{page:?}"
        );
        let refused =
            send(&mut steward, &page, &format!("/quarantine/{only}/release"), &[("reason", "x")]).await;
        assert!(refused.status == 422 || refused.status == 403, "{refused:?}");
        assert!(!refused.body.contains("CANARY"));
    }

    let address = format!("/quarantine/{}", guarded[0]);
    let page = steward.get(&address).await;
    for word in ["Lê Thị Cúc", "Nguyễn Văn An", "trùng số", "tr class=\"differs\""] {
        assert!(page.body.contains(word), "{word}: {page:?}");
    }
    let blank = send(&mut steward, &page, &format!("{address}/release"), &[("reason", "  ")]).await;
    assert_eq!(blank.status, 422, "{blank:?}");
    let done =
        send(&mut steward, &page, &format!("{address}/release"), &[("reason", "đúng là người này")]).await;
    assert_eq!(done.status, 303, "{done:?}");
    assert!(steward.get(done.header("location")).await.body.contains("Đã nhập thay đổi đang chờ"));
    let twice = send(&mut steward, &page, &format!("{address}/release"), &[("reason", "lần nữa")]).await;
    assert!(twice.status == 404 && twice.body.contains("có thể đã được xử lý"), "{twice:?}");
    let address = format!("/quarantine/{}", guarded[1]);
    let separated =
        send(&mut steward, &page, &format!("{address}/separate"), &[("reason", "hai người")]).await;
    assert_eq!(separated.status, 303, "{separated:?}");
    let own = steward.get(separated.header("location")).await;
    assert!(own.body.contains("Lê Thị Cúc") && own.body.contains("bản ghi riêng"), "{own:?}");
    let mut operator = stage.signed_in("van", AccountRole::Operator).await;
    let page = operator.get(&format!("/quarantine/{}", number("TYPE_UNKNOWN")[0])).await;
    assert!(page.status == 200 && !page.body.contains("name=\"reason\""));
    for node in [here, there] {
        node.close().await;
    }
}

/// Goal: an edit made away from a withdrawal is put before a person, who may keep the record; whose a record is, is decided
/// at its page; a handover that waits is listed with what it waits for.
#[tokio::test(flavor = "multi_thread")]
async fn x02_x23_withdrawals_and_handovers_are_seen_and_decided() {
    let stage = Stage::tls().await;
    let folder = stage.province.dir.path().join(HERE);
    let here = node_of(&stage, HERE).await;
    here.start_sync(brisk());
    taken(&stage, &here, &line("Nguyễn Văn An", "02/03/1975", NUMBER, HERE, "0912345671")).await;
    acknowledged(&here).await.unwrap();
    let here = away(here, &folder).await;
    let hub = &stage.province.hub;
    let withdraw = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: NUMBER.to_owned(),
        unit: None,
        reason: "ghi trùng".to_owned(),
        author: "minh".to_owned(),
    };
    at_hub(hub, Request::Records(withdraw)).await;
    taken(&stage, &here, &line("Nguyễn Văn An", "02/03/1975", NUMBER, HERE, "0912345678")).await;
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    let id = id_of(&stage, NUMBER).await;
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let list = steward.get("/conflicts?kind=withdrawal").await;
    let address = format!("/conflicts/dang_vien/{id}?field=_withdrawn");
    assert!(list.body.contains(&address), "{list:?}");
    let page = steward.get(&address).await;
    hardened(&page);
    assert!(page.body.contains("ghi trùng") && page.body.contains("0912345678"), "{page:?}");
    let kept = choice(&page, "Giữ bản ghi");
    let fields = [
        ("field", "_withdrawn"),
        ("seen", held(&page, "seen")),
        ("choice", kept),
        ("reason", "vẫn sinh hoạt"),
    ];
    let done = send(&mut steward, &page, &format!("/conflicts/dang_vien/{id}"), &fields).await;
    assert_eq!(done.status, 303, "{done:?}");
    let page = steward.get(&format!("/records/dang_vien/{id}")).await;
    assert!(page.body.contains("0912345678") && !page.body.contains("Đã thu hồi: "), "{page:?}");

    // A paper of one half only.
    let paper = format!(
        "Đảng viên,Từ đơn vị,Đến đơn vị,Ngày giới thiệu,Ngày tiếp nhận\n{NUMBER},{HERE},{THERE},01/10/2026,\n"
    );
    let report = import(&here, stage.province.dir.path(), "chuyen_sinh_hoat", &paper).await;
    assert_eq!(report["created"], 1, "{report:#}");
    acknowledged(&here).await.unwrap();
    let waits = steward.get("/conflicts/handovers?unit=12004").await;
    hardened(&waits);
    assert!(waits.body.contains("đơn vị đến chưa tiếp nhận"), "{waits:?}");
    assert!(waits.body.contains(&format!("/records/dang_vien/{id}")) && waits.body.contains("/units/12004"));
    let give = format!("/records/dang_vien/{id}/transfer");
    for (to, reason) in [("", "x"), ("zz zz", "x"), ("99999", "x"), (HERE, "x"), (THERE, " ")] {
        let refused = send(&mut steward, &page, &give, &[("to", to), ("reason", reason)]).await;
        assert!(refused.status == 422 && refused.body.contains("role=\"alert\""), "{to}: {refused:?}");
    }
    let given = send(&mut steward, &page, &give, &[("to", THERE), ("reason", "theo công văn")]).await;
    assert_eq!(given.status, 303, "{given:?}");
    assert_eq!(record(&stage, NUMBER).await["unit"], THERE);
    assert!(steward.get(given.header("location")).await.body.contains("Đã chuyển đơn vị quản lý"));
    here.close().await;
}

/// Goal: what others wrote is text on these pages, never a part of them; and in English nothing is left in Vietnamese.
#[tokio::test(flavor = "multi_thread")]
async fn p8_what_others_wrote_is_only_text_in_both_languages() {
    let stage = Stage::tls().await;
    let (here, there) = (node_of(&stage, HERE).await, node_of(&stage, THERE).await);
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    for (node, unit, twin, name) in [(&here, HERE, "12", evil), (&there, THERE, "21", "<b>x</b> <i>y</i>")] {
        node.start_sync(brisk());
        let mut stranger = member(unit, "033075000002", name).unwrap();
        stranger.values.insert("ngay_sinh".into(), Value::Date(if unit == HERE { 0 } else { 1_000 }));
        let mut double = member(unit, &format!("0330750000{twin}"), evil).unwrap();
        double.values.insert("so_the_dang".into(), Value::Text("12345678".to_owned()));
        node.write(vec![member(unit, NUMBER, name).unwrap(), stranger, double]).await;
        acknowledged(node).await.unwrap();
    }
    let hub = &stage.province.hub;
    let ask = async || at_hub(hub, Request::DuplicatesList { page: Page::default() }).await;
    let pairs = until("a pair", ask, |list| !list["items"].as_array().unwrap().is_empty()).await;
    let side = |name: &str| pairs["items"][0][name].as_str().unwrap().to_owned();
    let (ledger, place) = *hub.committer.books().read().quarantine.keys().next().unwrap();
    let record = format!("/records/dang_vien/{}", id_of(&stage, NUMBER).await);
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let pair = format!("/duplicates/dang_vien/{}/{}", side("first"), side("second"));
    let separated = steward.fill(&pair, &format!("{pair}/separate"), &[("reason", evil)]).await;
    assert_eq!(separated.status, 303, "{separated:?}");
    for language in ["vi", "en"] {
        steward.get(&format!("/language/{language}")).await;
        for path in [
            "/records",
            "/records?type=dang_vien",
            "/records?type=dang_vien&q=%3Cscript%3E%22",
            &record,
            &format!("{record}?decided=%22%3E%3Cimg+src%3Dx%3E"),
            &format!("{record}/why?field=ho_ten"),
            "/conflicts?q=%3Cscript%3E%22&unit=%22%3E%3Cimg+src%3Dx%3E",
            "/conflicts/handovers",
            &record.replace("records", "conflicts"),
            "/duplicates",
            "/duplicates/decided",
            &pair,
            "/quarantine",
            &format!("/quarantine/{ledger}.{place}"),
        ] {
            let page = steward.get(path).await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            hardened(&page);
            for part in ["<img src=x", "alert(1)</script>", "<i>y</i>"] {
                assert!(!page.body.contains(part), "{path}: {page:?}");
            }
            let main = page.body.split("<main").nth(1).unwrap();
            let left = [
                "Trường",
                "Giá trị",
                "Lý do",
                "Đơn vị",
                "Bản ghi",
                "Vì sao",
                "tất cả",
                "trước",
                "Quyết định",
                "cần",
                "Loại",
            ];
            let left: Vec<&str> = left.into_iter().filter(|word| main.contains(word)).collect();
            assert!((language == "vi") != left.is_empty(), "{path}: {left:?} {main}");
        }
    }
    for node in [here, there] {
        node.close().await;
    }
}

/// Goal: nothing is decided by a form from elsewhere, without its token, or too large. Method: each door once.
#[tokio::test(flavor = "multi_thread")]
async fn p9_no_decision_comes_from_elsewhere() {
    let stage = Stage::tls().await;
    let (here, there, id) = disputed(&stage).await;
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    let csrf = steward.get("/account").await.csrf();
    let origin = steward.origin();
    let size = stage.province.hub.head().size;
    let other = "0".repeat(32);
    for path in [
        format!("/conflicts/dang_vien/{id}"),
        format!("/records/dang_vien/{id}/transfer"),
        format!("/duplicates/dang_vien/{id}/{other}/merge"),
        format!("/duplicates/dang_vien/{id}/{other}/separate"),
        format!("/duplicates/dang_vien/{id}/{other}/undo"),
        "/quarantine/1.0/release".to_owned(),
        "/quarantine/1.0/separate".to_owned(),
    ] {
        for (lines, token) in [
            (&[("Origin", origin.as_str()), FORM][..], ""),
            (&[("Origin", "https://evil.example"), FORM][..], csrf.as_str()),
            (&[FORM][..], csrf.as_str()),
        ] {
            let body = encoded(&[
                ("csrf", token),
                ("field", "dien_thoai"),
                ("choice", "write"),
                ("value", "0912345679"),
                ("to", THERE),
                ("reason", "x"),
            ]);
            assert_eq!(steward.send("POST", &path, lines, &body).await.status, 403, "{path}");
        }
        let own = [("Origin", origin.as_str()), FORM];
        let large = encoded(&[("csrf", &csrf), ("reason", &"x".repeat(70_000))]);
        assert_eq!(steward.send("POST", &path, &own, &large).await.status, 413, "{path}");
    }
    assert_eq!(stage.province.hub.head().size, size);
    for node in [here, there] {
        node.close().await;
    }
}
