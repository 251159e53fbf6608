//! Withdrawing a record: it leaves the shared dataset everywhere, nothing of it is lost, and nothing anyone
//! else wrote is taken along unseen (DESIGN 6, X23).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::ingest::{Judge, Judgement};
use lienthong_hub::service::Request as HubRequest;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::cli::Export;
use lienthong_node::control::Answer;
use lienthong_node::records::Listing;
use lienthong_node::recover::{RecoverError, replace};
use lienthong_node::replica::Outcome;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::time::Hlc;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use lienthong_proto::withdrawal::Withdrawal;
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, copy_folder, make_node, member, open_hub, reopened, token,
};
use serde_json::{Value as Json, json};

const UNIT: &str = "11953";
const OTHER: &str = "11977";
const TYPE: &str = "dang_vien";

fn person(number: u32, name: &str) -> Json {
    json!({
        "so_cccd": format!("033075{number:06}"), "ho_ten": name, "ngay_sinh": "1975-03-12", "gioi_tinh": "NAM",
        "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": UNIT, "dien_quan_ly": "CHIBO",
        "tinh_trang": "CHINH_THUC",
    })
}

fn put(values: Vec<Json>) -> RecordsRequest {
    RecordsRequest::Put { values, record_type: TYPE.into(), author: "lan".into(), english: true }
}

fn withdraw(id: &str, reason: &str) -> RecordsRequest {
    let (record_type, id, reason) = (TYPE.into(), id.into(), reason.into());
    RecordsRequest::Withdraw { record_type, id, unit: None, reason, author: "lan".into() }
}

fn get(id: &str) -> RecordsRequest {
    RecordsRequest::Get { record_type: TYPE.into(), id: id.into(), unit: None }
}

fn list(all: bool) -> RecordsRequest {
    RecordsRequest::List { record_type: TYPE.into(), listing: Listing { all, ..Listing::default() } }
}

fn history(id: &str) -> RecordsRequest {
    RecordsRequest::History { record_type: TYPE.into(), id: id.into(), unit: None }
}

async fn at_node(node: &Arc<Node>, request: RecordsRequest) -> Answer {
    Arc::clone(node).execute(Request::Records(request), Arc::new(|_| {})).await
}

async fn at_hub(hub: &Arc<Hub>, request: RecordsRequest) -> Answer {
    Arc::clone(hub).execute(HubRequest::Records(request), Arc::new(|_| {})).await
}

async fn exported(hub: &Arc<Hub>) -> usize {
    let export = Export { record_type: TYPE.into(), ..Export::default() };
    let mut bytes = Vec::new();
    let ask = async |request| Ok(at_hub(hub, request).await);
    assert_eq!(export.write_to(&mut bytes, &catalogue().unwrap(), ask).await.unwrap().exit, 0);
    String::from_utf8(bytes).unwrap().lines().count()
}

fn items(answer: &Answer) -> usize {
    answer.body["items"].as_array().unwrap().len()
}

/// Goal: a withdrawn record is out of every list, export and count, at the node and at the province, and is
/// shown, explained and kept all the same; after a rebuild too.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_withdrawn_record_leaves_the_shared_dataset_and_keeps_its_history() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let people = vec![person(1, "Nguyễn Văn An"), person(2, "Trần Văn Bình")];
    assert_eq!(at_node(&node, put(people)).await.body["created"], 2);
    acknowledged(&node).await.unwrap();
    assert_eq!((items(&at_hub(&hub, list(false)).await), exported(&hub).await), (2, 2));

    let done = at_node(&node, withdraw("033075000001", " nhập nhầm ")).await;
    assert_eq!((done.exit, &done.body["changed"]), (0, &json!(true)), "{}", done.body);
    let withdrawn = done.body["withdrawn"].clone();
    assert_eq!((&withdrawn["reason"], &withdrawn["author"]), (&json!("nhập nhầm"), &json!("lan")));
    assert_eq!(withdrawn["unit"], UNIT);
    acknowledged(&node).await.unwrap();
    let size = node.replica.head().borrow().size;
    let again = at_node(&node, withdraw("033075000001", "lý do khác")).await;
    assert_eq!((&again.body["changed"], &again.body["withdrawn"]), (&json!(false), &withdrawn));
    assert_eq!(node.replica.head().borrow().size, size, "twice is once");

    assert_eq!(items(&at_node(&node, list(false)).await), 1);
    assert_eq!(node.status()["records"], 1);
    let shown = at_node(&node, get("033075000001")).await.body;
    assert_eq!(shown["withdrawn"], withdrawn);
    assert_eq!(shown["fields"]["ho_ten"], "Nguyễn Văn An", "nothing is removed");
    let id = shown["id"].as_str().unwrap().to_owned();

    let picture = async |hub: &Arc<Hub>| {
        let lists = (items(&at_hub(hub, list(false)).await), items(&at_hub(hub, list(true)).await));
        let shown = at_hub(hub, get(&id)).await.body;
        let told = at_hub(hub, history(&id)).await;
        let last = told.body["items"][1]["fields"]["_withdrawn"].clone();
        (lists, exported(hub).await, hub.dataset.totals(), shown["withdrawn"].clone(), items(&told), last)
    };
    let before = picture(&hub).await;
    assert_eq!((before.0, before.1, before.2.records), ((1, 2), 1, 1));
    assert_eq!(before.2.by_unit[&UNIT.parse().unwrap()], 1);
    assert_eq!(before.2.conflicts_open, 0);
    assert_eq!((&before.3["reason"], &before.3["unit"]), (&json!("nhập nhầm"), &json!(UNIT)));
    assert_eq!((before.4, &before.5), (2, &json!("nhập nhầm")));

    hub.close().await;
    drop(hub);
    let view = dir.path().join("hub/view");
    reopened(|| Ok(std::fs::remove_dir_all(&view)?));
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    assert_eq!(picture(&hub).await, before, "a rebuild");
}

/// The node without its line: it hears of nothing until it synchronises again.
async fn away(node: Arc<Node>, folder: &std::path::Path) -> Arc<Node> {
    node.close().await;
    drop(node);
    reopened(|| Ok(Node::open(folder, catalogue()?, system_clock)?))
}

/// Goal: an edit a withdrawal did not see, that did not see it, is kept, shown, and there to be decided,
/// whichever of the two comes first; who has seen both settles it.
#[tokio::test(flavor = "multi_thread")]
async fn p4_an_edit_at_the_same_time_as_a_withdrawal_is_an_open_conflict() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    at_node(&node, put(vec![person(1, "Nguyễn Văn An"), person(2, "Trần Văn Bình")])).await;
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let node = away(node, &dir.path().join("node")).await;

    // The province edits the one and withdraws the other; the node, which saw neither, does the reverse.
    let mut edit = person(1, "Nguyễn Văn An");
    edit["chi_bo"] = "Chi bộ 2".into();
    assert_eq!(at_hub(&hub, put(vec![edit])).await.body["updated"], 1);
    assert_eq!(at_hub(&hub, withdraw("033075000002", "trùng")).await.exit, 0);
    assert_eq!(hub.dataset.totals().records, 1);
    assert_eq!(at_node(&node, withdraw("033075000001", "nhập nhầm")).await.exit, 0);
    let mut edit = person(2, "Trần Văn Bình");
    edit["chi_bo"] = "Chi bộ 3".into();
    assert_eq!(at_node(&node, put(vec![edit])).await.body["updated"], 1);
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();

    assert_eq!(hub.dataset.totals().records, 2, "shown meanwhile");
    assert_eq!(hub.dataset.totals().conflicts_open, 2);
    for (number, chi_bo, reason) in [(1, "Chi bộ 2", "nhập nhầm"), (2, "Chi bộ 3", "trùng")] {
        let shown = at_hub(&hub, get(&format!("033075{number:06}"))).await.body;
        assert_eq!(shown["withdrawn"], Json::Null, "{shown}");
        assert_eq!(shown["fields"]["chi_bo"], chi_bo);
        let conflict = &shown["conflicts"][0];
        assert_eq!(
            (&conflict["field"], shown["conflicts"].as_array().unwrap().len()),
            (&json!("_withdrawn"), 1)
        );
        assert_eq!(conflict["siblings"][0]["value"], reason, "both are kept: {conflict}");
        assert_eq!(conflict["siblings"][1]["value"], json!({ "chi_bo": chi_bo }));
    }
    let open = Arc::clone(&hub)
        .execute(HubRequest::ConflictsList { page: Default::default() }, Arc::new(|_| {}))
        .await;
    assert_eq!(open.body["items"][0]["field"], "_withdrawn");

    // Both decided at the province: the one is withdrawn after all, the other stands.
    assert_eq!(at_hub(&hub, withdraw("033075000001", "đã đối chiếu")).await.body["changed"], true);
    let settled = at_hub(&hub, put(vec![person(2, "Trần Văn Bình")])).await;
    assert_eq!(settled.body["updated"], 1, "{}", settled.body);
    assert_eq!((hub.dataset.totals().records, hub.dataset.totals().conflicts_open), (1, 0));
    assert_eq!(at_hub(&hub, get("033075000001")).await.body["withdrawn"]["reason"], "đã đối chiếu");
    assert_eq!(at_hub(&hub, get("033075000002")).await.body["withdrawn"], Json::Null);
}

/// Goal: an old sheet does not bring a withdrawn record back, and says so; `put` does.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_sheet_does_not_revive_and_put_does() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let sheet = dir.path().join("sheet.jsonl");
    std::fs::write(&sheet, format!("{}\n", person(1, "Nguyễn Văn An"))).unwrap();
    let import = |dry_run| RecordsRequest::Import {
        path: sheet.clone(),
        record_type: TYPE.into(),
        dry_run,
        rows: false,
        author: "lan".into(),
        english: true,
    };
    assert_eq!(at_node(&node, import(false)).await.body["created"], 1);
    at_node(&node, withdraw("033075000001", "nhập nhầm")).await;
    std::fs::write(&sheet, format!("{}\n", person(1, "Nguyễn Văn Ân"))).unwrap();
    for dry_run in [true, false] {
        let report = at_node(&node, import(dry_run)).await;
        assert_eq!((report.exit, &report.body["unchanged"]), (0, &json!(1)), "{}", report.body);
        assert_eq!(report.body["warnings"][0]["rule"], "RECORD_WITHDRAWN");
        assert_eq!(report.body["warnings"][0]["row"], 1);
    }
    let shown = at_node(&node, get("033075000001")).await.body;
    assert_eq!(shown["withdrawn"]["reason"], "nhập nhầm");
    assert_eq!(shown["fields"]["ho_ten"], "Nguyễn Văn An");

    let report = at_node(&node, put(vec![person(1, "Nguyễn Văn An")])).await;
    assert_eq!(
        (&report.body["updated"], &report.body["warnings"]),
        (&json!(1), &json!([])),
        "the same values"
    );
    acknowledged(&node).await.unwrap();
    for shown in [at_node(&node, get("033075000001")).await, at_hub(&hub, get("033075000001")).await] {
        assert_eq!((&shown.body["withdrawn"], &shown.body["conflicts"]), (&Json::Null, &json!([])));
    }
    assert_eq!(at_node(&node, put(vec![person(1, "Nguyễn Văn An")])).await.body["unchanged"], 1);
    assert_eq!(hub.dataset.totals().records, 1);
    assert_eq!(items(&at_hub(&hub, history("033075000001")).await), 3);
    assert_eq!(at_node(&node, withdraw("033075000001", "lần nữa")).await.body["changed"], true);
    assert_eq!(node.status()["records"], 0);
}

/// Goal: only the owner and the province withdraw. A foreign unit is refused where it asks; what reaches the
/// province all the same waits as a proposal, and changes nothing of what is shown.
#[tokio::test(flavor = "multi_thread")]
async fn p9_only_the_owner_and_the_province_withdraw() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let owner = make_node(&hub, &address, &dir.path().join("owner"), UNIT).await.unwrap();
    let other = make_node(&hub, &address, &dir.path().join("other"), OTHER).await.unwrap();
    for (id, reason, rule) in [
        ("033075000001", " ", "RECORD_UNKNOWN"),
        ("033070000009", "\u{200b}", "REASON_MISSING"),
        ("033070000009", &"x".repeat(301), "REASON_FORM"),
    ] {
        owner.write(vec![member(UNIT, "033070000009", "Lê Văn Cường").unwrap()]).await;
        let refusal = at_node(&owner, withdraw(id, reason)).await;
        assert_eq!((refusal.exit, &refusal.body["rule"]), (1, &json!(rule)), "{}", refusal.body);
    }
    let unknown = RecordsRequest::Get { record_type: "dang_vienn".into(), id: "1".into(), unit: None };
    assert_eq!(at_node(&owner, unknown).await.body["rule"], "TYPE_UNKNOWN");
    other.write(vec![member(UNIT, "033070000009", "Lê Văn Cường").unwrap()]).await;
    let refusal = at_node(&other, withdraw("033070000009", "không thuộc xã")).await;
    assert_eq!((refusal.exit, &refusal.body["rule"]), (1, &json!("UNIT_FOREIGN")), "{}", refusal.body);

    // The other commune recorded the same person as its own, and takes its own word back.
    owner.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    owner.start_sync(brisk());
    acknowledged(&owner).await.unwrap();
    let owner = away(owner, &dir.path().join("owner")).await;
    other.write(vec![member(OTHER, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    let done = at_node(&other, withdraw("033070000001", "đã chuyển đi")).await;
    assert_eq!(done.body["withdrawn"]["unit"], OTHER);
    other.start_sync(brisk());
    acknowledged(&other).await.unwrap();
    let shown = at_hub(&hub, get("033070000001")).await.body;
    assert_eq!((&shown["withdrawn"], &shown["unit"]), (&Json::Null, &json!(UNIT)), "{shown}");
    assert_eq!(hub.dataset.totals().records, 2);
    let open = shown["conflicts"].as_array().unwrap();
    let proposed = &open.iter().find(|conflict| conflict["field"] == "_withdrawn").unwrap()["siblings"][0];
    assert_eq!((&proposed["proposal"], &proposed["unit"]), (&json!(true), &json!(OTHER)));
    // The owner's withdrawal counts; the other's word on the person stays to be looked at.
    at_node(&owner, withdraw("033070000001", "đã chuyển đi")).await;
    owner.start_sync(brisk());
    acknowledged(&owner).await.unwrap();
    assert_eq!(at_hub(&hub, get("033070000001")).await.body["withdrawn"]["unit"], UNIT);
    assert_eq!((hub.dataset.totals().records, hub.dataset.totals().conflicts_open), (1, 1));
}

/// Goal: after a recovery a record stays withdrawn: what the withdrawal had seen was written again under
/// other numbers, and is still what it had seen. Method: a clone writes first, so that the original is fenced.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_withdrawal_survives_a_recovery() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let one = dir.path().join("node");
    let node = make_node(&hub, &address, &one, UNIT).await.unwrap();
    at_node(&node, put(vec![person(1, "Nguyễn Văn An")])).await;
    node.close().await;
    drop(node);
    let copy = dir.path().join("copy");
    reopened(|| copy_folder(&one, &copy));
    let clone = reopened(|| Ok(Node::open(&copy, catalogue()?, system_clock)?));
    at_node(&clone, put(vec![person(3, "Lê Văn Cường")])).await;
    clone.start_sync(brisk());
    acknowledged(&clone).await.unwrap();
    let node = reopened(|| Ok(Node::open(&one, catalogue()?, system_clock)?));
    at_node(&node, put(vec![person(2, "Trần Văn Bình")])).await;
    for key in ["033075000002", "033075000001"] {
        assert_eq!(at_node(&node, withdraw(key, "nhập nhầm")).await.body["changed"], true);
    }
    node.start_sync(brisk());
    while !node.is_regressed() {
        tokio::task::yield_now().await;
    }
    let refusal = at_node(&node, withdraw("033075000001", "lần nữa")).await;
    assert_eq!(refusal.body["rule"], "READ_ONLY");
    node.close().await;
    clone.close().await;
    drop((node, clone));
    let fresh = token(&hub, UNIT).unwrap();
    let report = loop {
        match replace(&one, None, Some(&fresh), catalogue().unwrap(), system_clock).await {
            Err(RecoverError::Lock(_)) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert_eq!((report.refilled, report.rewritten), (3, 3), "{report:?}");
    let node = Node::open(&one, catalogue().unwrap(), system_clock).unwrap();
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    for totals in [node.replica.dataset().totals(), hub.dataset.totals()] {
        assert_eq!((totals.records, totals.conflicts_open), (1, 0));
    }
    for key in ["033075000002", "033075000001"] {
        assert_eq!(at_hub(&hub, get(key)).await.body["withdrawn"]["reason"], "nhập nhầm");
    }
}

/// Goal: a withdrawal in another form, or one that claims to have seen what is not written yet, enters
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn p11_a_withdrawal_that_claims_the_future_is_kept_apart() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    let written = node.write(vec![member(UNIT, "033070000001", "Nguyễn Văn An").unwrap()]).await;
    let record = written[0].as_ref().unwrap().record;
    assert_eq!(written[0].as_ref().unwrap().outcome, Outcome::Created);
    node.start_sync(brisk());
    acknowledged(&node).await.unwrap();
    let own = node.identity.replica();
    let judge = |value: Value| {
        let held = |replica: ReplicaId| if replica == own { 1 } else { 0 };
        let unit = UNIT.parse().unwrap();
        let mut judge = Judge::new(
            &hub.dataset,
            (&hub.catalogue, &hub.secrets.provincial_key),
            &unit,
            &|_: &RecordId| false,
            &held,
        );
        let judgement = judge.judge(&Change {
            dot: Dot { replica: own, sequence: Sequence(1) },
            record,
            record_type: TYPE.into(),
            year: 2026,
            number: 1,
            meta: Meta { hlc: Hlc(1), author: "x".into(), catalogue: [0; 8] },
            origin: None,
            writes: vec![Write { path: "_withdrawn".into(), value, context: Context::default() }],
        });
        judgement.unwrap()
    };
    let kept = |reason| Judgement::Verdict(Verdict::Quarantined(reason));
    let saw = |replica, sequence| {
        let dot = Dot { replica, sequence: Sequence(sequence) };
        Withdrawal::new("nhập nhầm", [dot]).unwrap().to_value()
    };
    assert_eq!(judge(Value::Text("nhập nhầm".into())), kept(QuarantineReason::Undecodable));
    assert_eq!(judge(Value::Boolean(true)), kept(QuarantineReason::Undecodable));
    assert_eq!(judge(saw(ReplicaId([7; 16]), 0)), kept(QuarantineReason::ContextAhead));
    assert_eq!(judge(saw(own, 0)), Judgement::Verdict(Verdict::Applied));
    assert_eq!(judge(Value::Null), Judgement::Verdict(Verdict::Applied));
}

/// Goal: a reason goes where the record was shared: one that names somebody is warned of, one that is marked classified is
/// not taken at all, at the node and at the province.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_looked_through_like_the_text_of_a_letter() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let people = (1..=4).map(|number| person(number, "Nguyễn Văn An")).collect();
    assert_eq!(at_node(&node, put(people)).await.body["created"], 4);
    acknowledged(&node).await.unwrap();
    let quiet = at_node(&node, withdraw("033075000001", "nhập nhầm")).await;
    assert_eq!((quiet.exit, quiet.body.get("warnings")), (0, None), "{}", quiet.body);
    for (id, reason) in
        [("033075000002", "theo người tố cáo Trần Văn Tố"), ("033075000003", "đã gọi 0912 345 678")]
    {
        let told = at_node(&node, withdraw(id, reason)).await;
        assert_eq!(
            (told.exit, &told.body["warnings"][0]["rule"]),
            (0, &json!("SENDER_LIKE")),
            "{}",
            told.body
        );
    }
    let marked = "theo công văn số 12 (Mật)";
    let size = node.replica.head().borrow().size;
    let refused = at_node(&node, withdraw("033075000004", marked)).await;
    assert_eq!((refused.exit, &refused.body["rule"]), (1, &json!("CLASSIFIED")), "{}", refused.body);
    assert_eq!(node.replica.head().borrow().size, size, "nothing of it is kept");
    let size = hub.head().size;
    let refused = at_hub(&hub, withdraw("033075000004", marked)).await;
    assert_eq!((refused.exit, &refused.body["rule"]), (1, &json!("CLASSIFIED")), "{}", refused.body);
    assert_eq!(hub.head().size, size);
    node.close().await;
    hub.close().await;
}
