//! Units that merge, split, are renamed and dissolved: their records go with them, whoever was away loses nothing, and
//! every day's units keep their figures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::{MapLine, Reorganisation, Request};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Dataset;
use lienthong_node::records::{Listing, Page};
use lienthong_node::replica::{Draft, key_id};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::lineage::{Share, StepKind};
use lienthong_proto::reconcile::Mark;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::{Value, date_text};
use lienthong_tests::asking::{self, at_hub, away};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_hub, make_node, member, reopened};
use serde_json::{Value as Json, json};

const HERE: &str = "11953";
const THERE: &str = "12004";
const TYPE: &str = "dang_vien";
const DAY_MILLIS: u64 = 86_400_000;

fn number(n: usize) -> String {
    format!("0330750{n:05}")
}

const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại\n";

/// A sheet of members: number, branch, telephone.
fn sheet(unit: &str, members: &[(usize, &str, &str)]) -> String {
    let line = |(n, branch, phone): &(usize, &str, &str)| {
        format!(
            "Nguyễn Văn An,02/03/1975,Nam,{},01/02/2000,{branch},{unit},CHIBO,CHINH_THUC,{phone}\n",
            number(*n)
        )
    };
    members.iter().fold(HEAD.to_owned(), |text, member| text + &line(member))
}

async fn at_node(node: &Arc<Node>, request: RecordsRequest) -> Json {
    Arc::clone(node).execute(NodeRequest::Records(request), Arc::new(|_| {})).await.body
}

async fn import(node: &Arc<Node>, folder: &Path, text: &str) -> Json {
    asking::import(node, folder, TYPE, text).await
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn id_of(hub: &Hub, n: usize) -> RecordId {
    let declared = hub.catalogue.record_type(TYPE).unwrap();
    key_id(&hub.secrets.provincial_key, declared, &hub.secrets.profile.province, &number(n))
}

fn owner(dataset: &Dataset, id: RecordId) -> Option<String> {
    dataset.state(TYPE, id).unwrap().and_then(|state| state.owner().map(ToString::to_string))
}

fn mark(dataset: &Dataset, id: RecordId) -> Option<Mark> {
    dataset.state(TYPE, id).unwrap().map(|state| state.mark(TYPE, id))
}

fn shown(dataset: &Dataset, id: RecordId, field: &str) -> Option<String> {
    let record = dataset.record(&catalogue().unwrap(), TYPE, id).unwrap()?;
    record.shown(field).map(Value::to_text)
}

/// Waits until a unit's node holds these records as the hub does, and as its own.
async fn held_by(hub: &Hub, node: &Node, unit: &str, records: &[usize]) {
    for n in records {
        let id = id_of(hub, *n);
        until(&format!("record {n} is {unit}'s at both ends"), || {
            let dataset = node.replica.dataset();
            owner(dataset, id).as_deref() == Some(unit) && mark(dataset, id) == mark(&hub.dataset, id)
        })
        .await;
    }
}

fn order(kind: StepKind, from: &[&str], to: &[&str], apply: bool) -> Reorganisation {
    let units = |codes: &[&str]| codes.iter().map(|code| code.parse().unwrap()).collect();
    Reorganisation {
        kind,
        from: units(from),
        to: units(to),
        names: BTreeMap::new(),
        unit_kind: None,
        rest: None,
        shares: Vec::new(),
        map: Vec::new(),
        on: today(0),
        reason: "QĐ 12-QĐ/TU".to_owned(),
        apply,
        actor: "minh".to_owned(),
    }
}

/// The day so many days from today.
fn today(days: i32) -> String {
    date_text(system_clock().day() + days)
}

fn day(days: i32) -> i32 {
    system_clock().day() + days
}

fn named(mut order: Reorganisation, code: &str, name: &str) -> Reorganisation {
    order.names.insert(code.parse().unwrap(), name.to_owned());
    order
}

async fn done(hub: &Arc<Hub>, order: Reorganisation) -> Json {
    let body = at_hub(hub, Request::Reorganise(order)).await;
    assert_eq!(body["state"], "done", "{body:#}");
    body
}

fn undo(number: &Json, apply: bool) -> Request {
    let (number, reason) = (number.as_u64().unwrap(), "QĐ 13-QĐ/TU".to_owned());
    Request::LineageUndo { number, reason, apply, actor: "minh".to_owned() }
}

/// How many records the hub lists for a unit, by the units of a day or of today.
async fn listed(hub: &Arc<Hub>, unit: &str, tree: Option<i32>) -> usize {
    let listing = Listing { unit: Some(unit.parse().unwrap()), tree, ..Listing::default() };
    let body =
        at_hub(hub, Request::Records(RecordsRequest::List { record_type: TYPE.to_owned(), listing })).await;
    body["items"].as_array().unwrap_or_else(|| panic!("{body:#}")).len()
}

/// Records of a type in a unit's figures.
fn judged(report: &Json) -> u64 {
    let types = report["types"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    types.iter().find(|line| line["type"] == TYPE).map_or(0, |line| line["records"].as_u64().unwrap())
}

async fn settled(hub: &Hub) {
    hub.committer.flush().await;
    hub.quality.settle().unwrap();
}

/// Records of a unit by the units of a day, as the province's status counts them.
async fn counted(hub: &Arc<Hub>, unit: &str, tree: i32) -> Json {
    let body = at_hub(hub, Request::StatusOn { tree }).await;
    let line = body["items"].as_array().unwrap().iter().find(|line| line["unit"] == unit).cloned();
    line.map_or(Json::Null, |line| line["records"].clone())
}

/// Goal (X19, P4): a unit is merged while its node is away and goes on working. What it comes back with is neither
/// lost nor kept apart: its new records and its changes of old ones end with the successor, whose node holds them
/// whole; its own node lists nothing as its own; the unit it was is in the history; figures by the old units and by
/// today's both answer, also after everything was made again from the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_units_late_work_ends_with_its_successor() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    import(&here, dir.path(), &sheet(HERE, &[(1, "Chi bộ 1", "0912345671"), (2, "Chi bộ 2", "0912345672")]))
        .await;
    import(&there, dir.path(), &sheet(THERE, &[(9, "Chi bộ 1", "0912345679")])).await;
    acknowledged(&here).await.unwrap();
    acknowledged(&there).await.unwrap();
    let here = away(here, &folder).await;
    // What it would do, and nothing written.
    let before = hub.lineage();
    let plan = at_hub(&hub, Request::Reorganise(order(StepKind::Merge, &[HERE], &[THERE], false))).await;
    assert_eq!((&plan["records"], &plan["applied"]), (&2.into(), &false.into()), "{plan:#}");
    assert_eq!(plan["moves"], json!([{ "type": TYPE, "from": HERE, "to": THERE, "records": 2 }]));
    assert!(plan["problems"].to_string().contains("NODE_AWAY"), "{plan:#}");
    assert_eq!(hub.lineage(), before, "a dry run writes nothing");
    assert_eq!(owner(&hub.dataset, id_of(&hub, 1)).as_deref(), Some(HERE));
    let merged = done(&hub, order(StepKind::Merge, &[HERE], &[THERE], true)).await;
    assert_eq!(merged["moved"], 2, "{merged:#}");
    held_by(&hub, &there, THERE, &[1, 2]).await;
    assert_eq!(shown(&hub.dataset, id_of(&hub, 1), "ma_xa").as_deref(), Some(THERE));
    // Meanwhile the old unit's officer changes one member and takes another in.
    let late = sheet(HERE, &[(1, "Chi bộ 1", "0987654321"), (3, "Chi bộ 1", "0912345673")]);
    let taken = import(&here, dir.path(), &late).await;
    assert_eq!((&taken["created"], &taken["updated"]), (&1.into(), &1.into()), "{taken:#}");
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    held_by(&hub, &there, THERE, &[1, 2, 3]).await;
    assert_eq!(shown(&hub.dataset, id_of(&hub, 1), "dien_thoai").as_deref(), Some("0987654321"));
    assert_eq!(shown(there.replica.dataset(), id_of(&hub, 1), "dien_thoai").as_deref(), Some("0987654321"));
    assert!(hub.committer.books().read().quarantine.is_empty());
    let state = hub.dataset.state(TYPE, id_of(&hub, 1)).unwrap().unwrap();
    assert!(state.sources.values().all(|source| !source.proposal), "nothing waits for a decision");
    assert_eq!(at_hub(&hub, Request::ConflictsList { page: Page::default() }).await["items"], json!([]));
    // At the old unit's node nothing is its own any more; what it takes in now goes on as well.
    for n in [1, 2, 3] {
        let id = id_of(&hub, n);
        until("it leaves", || owner(here.replica.dataset(), id).as_deref() == Some(THERE)).await;
    }
    let listing = Listing { unit: Some(HERE.parse().unwrap()), ..Listing::default() };
    let own = at_node(&here, RecordsRequest::List { record_type: TYPE.to_owned(), listing }).await;
    assert_eq!(own["items"], json!([]));
    import(&here, dir.path(), &sheet(HERE, &[(4, "Chi bộ 1", "0912345674")])).await;
    acknowledged(&here).await.unwrap();
    held_by(&hub, &there, THERE, &[4]).await;
    let notices = Arc::clone(&here).execute(NodeRequest::Notices { page: Page::default() }, Arc::new(|_| {}));
    assert!(notices.await.body.to_string().contains("\"LINEAGE\""), "the unit is told");
    // The unit it was is in the history.
    let history = RecordsRequest::History { record_type: TYPE.to_owned(), id: number(3), unit: None };
    let history = at_hub(&hub, Request::Records(history)).await;
    let units: Vec<&Json> =
        history["items"].as_array().unwrap().iter().map(|item| &item["fields"]["_unit"]).collect();
    assert_eq!(units, [HERE, THERE], "{history:#}");
    let body = at_hub(&hub, Request::Status).await;
    let old = body["units"].as_array().unwrap().iter().find(|line| line["unit"] == HERE).unwrap().clone();
    assert_eq!((&old["successors"], &old["records"]), (&json!([THERE]), &0.into()), "{old:#}");
    // By today's units, by those of yesterday, and of one that is no more without saying when.
    figures(&hub).await;
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
    drop(hub);
    let data = dir.path().join("hub");
    let hub = reopened(|| {
        let _ = std::fs::remove_dir_all(data.join("view"));
        Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), system_clock)?)
    });
    figures(&hub).await;
    hub.close().await;
    let replica = hub.secrets.profile.replica;
    drop(hub);
    reopened(|| {
        let judged = lienthong_node::check::check(&data, replica);
        anyhow::ensure!(judged.exit == 0, "{:#}", judged.body);
        Ok(())
    });
}

async fn figures(hub: &Arc<Hub>) {
    settled(hub).await;
    assert_eq!((listed(hub, THERE, None).await, listed(hub, HERE, None).await), (5, 4));
    assert_eq!((listed(hub, THERE, Some(day(-1))).await, listed(hub, HERE, Some(day(-1))).await), (1, 4));
    assert_eq!((counted(hub, THERE, day(-1)).await, counted(hub, HERE, day(-1)).await), (1.into(), 4.into()));
    assert_eq!((counted(hub, THERE, day(0)).await, counted(hub, HERE, day(0)).await), (5.into(), Json::Null));
    let unit = |code: &str| Some(code.parse::<UnitCode>().unwrap());
    let quality = at_hub(hub, Request::Quality { unit: unit(THERE), page: Page::default() }).await;
    assert_eq!(judged(&quality), 5, "{quality:#}");
    let old = at_hub(hub, Request::Quality { unit: unit(HERE), page: Page::default() }).await;
    assert_eq!((judged(&old), &old["tree"], &old["now"]), (4, &today(-1).into(), &json!([THERE])), "{old:#}");
    let then =
        at_hub(hub, Request::QualityOn { unit: unit(THERE), tree: day(-1), page: Page::default() }).await;
    assert_eq!(judged(&then), 1, "{then:#}");
    let gone =
        at_hub(hub, Request::QualityOn { unit: unit(HERE), tree: day(0), page: Page::default() }).await;
    assert_eq!(gone["rule"], "UNIT_UNKNOWN", "{gone:#}");
}

/// Goal: a split sends records by a field's value and by a list of keys, keeps the rest where it is told and says so;
/// a list may name what is still on its way; a record given back by hand stays; late work follows the same shares.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_divides_by_shares_and_by_a_list() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    let members = [
        (1, "Chi bộ 1", "0912345671"),
        (2, "Chi bộ 2", "0912345672"),
        (3, "Chi bộ 3", "0912345673"),
        (4, "Chi bộ 4", "0912345674"),
    ];
    import(&here, dir.path(), &sheet(HERE, &members)).await;
    acknowledged(&here).await.unwrap();
    let here = away(here, &folder).await;
    let line = |line, id: usize, unit: &str| MapLine {
        line,
        record_type: TYPE.to_owned(),
        id: number(id),
        unit: unit.to_owned(),
    };
    let share =
        Share { field: "chi_bo".to_owned(), value: "Chi bộ 2".to_owned(), unit: THERE.parse().unwrap() };
    let split = |map: Vec<MapLine>, apply| Reorganisation {
        rest: Some(HERE.parse().unwrap()),
        shares: vec![share.clone()],
        map,
        ..order(StepKind::Split, &[HERE], &[THERE], apply)
    };
    // A list that contradicts itself, or sends records to nobody.
    for (bad, rule) in [
        (vec![line(1, 3, THERE), line(2, 3, HERE)], "RECORD_TWICE"),
        (vec![line(1, 3, "11977")], "SUCCESSOR_UNKNOWN"),
        (vec![MapLine { record_type: "khac".to_owned(), ..line(1, 3, THERE) }], "TYPE_UNKNOWN"),
    ] {
        let before = hub.lineage();
        let body = at_hub(&hub, Request::Reorganise(split(bad, true))).await;
        assert_eq!(body["rule"], rule, "{body:#}");
        assert_eq!(hub.lineage(), before);
    }
    let list = vec![line(1, 3, THERE), line(2, 7, THERE)];
    let plan = at_hub(&hub, Request::Reorganise(split(list.clone(), false))).await;
    assert_eq!((&plan["records"], &plan["rest"]["records"]), (&2.into(), &2.into()), "{plan:#}");
    assert_eq!(plan["rest"]["items"].as_array().map(Vec::len), Some(2));
    assert!(plan["problems"].to_string().contains("RECORD_UNKNOWN"), "{plan:#}");
    assert_eq!(done(&hub, split(list.clone(), true)).await["moved"], 2);
    held_by(&hub, &there, THERE, &[2, 3]).await;
    assert_eq!(owner(&hub.dataset, id_of(&hub, 1)).as_deref(), Some(HERE));
    // A person thinks otherwise about one: the step does not take it again.
    let back = lienthong_hub::service::Transfer {
        record_type: TYPE.to_owned(),
        id: number(3),
        unit: None,
        to: HERE.parse().unwrap(),
        reason: "nhầm thôn".to_owned(),
        actor: "minh".to_owned(),
    };
    assert_eq!(at_hub(&hub, Request::RecordTransfer(back)).await["changed"], true);
    // Late: one of the share, one of the list, one of neither, and a change of one that has gone.
    let late = [
        (2, "Chi bộ 2", "0987654321"),
        (5, "Chi bộ 5", "0912345675"),
        (6, "Chi bộ 2", "0912345676"),
        (7, "Chi bộ 5", "0912345677"),
    ];
    import(&here, dir.path(), &sheet(HERE, &late)).await;
    here.start_sync(brisk());
    acknowledged(&here).await.unwrap();
    held_by(&hub, &there, THERE, &[2, 6, 7]).await;
    assert_eq!(shown(&hub.dataset, id_of(&hub, 2), "dien_thoai").as_deref(), Some("0987654321"));
    let state = hub.dataset.state(TYPE, id_of(&hub, 2)).unwrap().unwrap();
    assert!(state.sources.values().all(|source| !source.proposal), "written before it was told");
    for n in [1, 3, 4, 5] {
        let id = id_of(&hub, n);
        assert_eq!(owner(&hub.dataset, id).as_deref(), Some(HERE), "{n}");
    }
    // What the unit writes of it now, having seen it go, is a proposal like anybody's.
    let id = id_of(&hub, 2);
    until("it leaves", || owner(here.replica.dataset(), id).as_deref() == Some(THERE)).await;
    let put = RecordsRequest::Put {
        values: vec![json!({ "so_cccd": number(2), "dien_thoai": "0911111111" })],
        record_type: TYPE.to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    at_node(&here, put).await;
    acknowledged(&here).await.unwrap();
    let state = hub.dataset.state(TYPE, id).unwrap().unwrap();
    assert!(state.sources.values().any(|source| source.proposal), "no right for ever");
    settled(&hub).await;
    assert_eq!((listed(&hub, HERE, None).await, listed(&hub, THERE, None).await), (4, 3));
    assert_eq!(listed(&hub, HERE, Some(day(-1))).await, 7, "all of it, by the units of yesterday");
    // Said once more it is the same step; a surviving unit is not shown as ended.
    let again = at_hub(&hub, Request::Reorganise(split(list, true))).await;
    assert_eq!((&again["already"], &again["moved"]), (&true.into(), &0.into()), "{again:#}");
    assert!(hub.tree().get(&HERE.parse().unwrap()).is_some());
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

/// Goal: units are made, renamed, merged into a new one and dissolved; each shows in the list of units of its day, and
/// what cannot be is refused with nothing written.
#[tokio::test(flavor = "multi_thread")]
async fn units_are_made_renamed_and_dissolved() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    here.start_sync(brisk());
    import(&here, dir.path(), &sheet(HERE, &[(1, "Chi bộ 1", "0912345671")])).await;
    acknowledged(&here).await.unwrap();
    // Both units number their own letters: that is said before.
    let letter = |unit: &str| {
        let values = BTreeMap::from([("ma_don".to_owned(), Value::Text("5".to_owned()))]);
        let owner = unit.parse().unwrap();
        Draft {
            record_type: "don_thu".to_owned(),
            owner,
            ..Draft { values, ..member(unit, "1", "x").unwrap() }
        }
    };
    for written in hub.committer.write(vec![letter(HERE), letter(THERE)]).await {
        written.unwrap();
    }
    let plan = at_hub(&hub, Request::Reorganise(order(StepKind::Merge, &[HERE], &[THERE], false))).await;
    assert!(plan["problems"].to_string().contains("KEY_TWICE"), "{plan:#}");
    let before = hub.lineage();
    let merge = |from: &[&str], to: &[&str]| order(StepKind::Merge, from, to, true);
    for (bad, rule) in [
        (merge(&["99999"], &[THERE]), "UNIT_UNKNOWN"),
        (merge(&[HERE, HERE], &[THERE]), "UNIT_TWICE"),
        (merge(&[HERE], &["11900"]), "SUCCESSOR_UNKNOWN"),
        (merge(&[HERE], &[HERE]), "UNIT_ITSELF"),
        (Reorganisation { on: "2026-02-30".to_owned(), ..merge(&[HERE], &[THERE]) }, "DATE_INVALID"),
        (Reorganisation { on: "1999-01-01".to_owned(), ..merge(&[HERE], &[THERE]) }, "DATE_RANGE"),
        (Reorganisation { on: today(4_000), ..merge(&[HERE], &[THERE]) }, "DATE_RANGE"),
        (Reorganisation { reason: " ".to_owned(), ..merge(&[HERE], &[THERE]) }, "REASON_FORM"),
        (named(order(StepKind::Add, &[], &["11956"], true), "11956", "Mới"), "STEP_LACKS"),
        (
            Reorganisation {
                rest: Some(HERE.parse().unwrap()),
                shares: vec![
                    Share {
                        field: "chi_bo".to_owned(),
                        value: "Chi bộ".repeat(100),
                        unit: THERE.parse().unwrap()
                    };
                    200
                ],
                ..order(StepKind::Split, &[HERE], &[THERE], true)
            },
            "STEP_TOO_LARGE",
        ),
    ] {
        let body = at_hub(&hub, Request::Reorganise(bad)).await;
        assert_eq!(body["rule"], rule, "{body:#}");
    }
    assert_eq!(hub.lineage(), before);
    let unit = |code: &str| code.parse::<UnitCode>().unwrap();
    done(&hub, named(order(StepKind::Rename, &[HERE], &[HERE], true), HERE, "Phố Mới")).await;
    assert_eq!(hub.tree().title(&unit(HERE)), "Phường Phố Mới");
    assert_eq!(hub.tree_on(day(-1)).title(&unit(HERE)), "Phường Phố Hiến");
    // Into a unit that is new: its code is not in the catalogue yet, and that is said.
    let whole = named(merge(&[HERE], &["11900"]), "11900", "Hòa Bình");
    let merged = done(&hub, whole).await;
    assert!(merged["problems"].to_string().contains("CODE_NEW"), "{merged:#}");
    let id = id_of(&hub, 1);
    assert_eq!(owner(&hub.dataset, id).as_deref(), Some("11900"));
    settled(&hub).await;
    let (sorted, _) = hub.quality.defects(TYPE, id, hub.quality.today()).unwrap();
    let of_unit = sorted.counted.iter().any(|defect| defect.field.as_deref() == Some("ma_xa"));
    assert!(!of_unit, "a code the catalogue lacks makes no defect: {sorted:?}");
    let token = |code: &str| Request::TokenCreate {
        unit: unit(code),
        role: lienthong_hub::pki::Role::Commune,
        ttl_seconds: 60,
        actor: "minh".to_owned(),
    };
    assert!(at_hub(&hub, token("11900")).await["token"].is_string());
    // A node of the old unit may have to be recovered; a unit without one gets no new one.
    assert_eq!(at_hub(&hub, token(HERE)).await["successors"], json!(["11900"]));
    // A unit with records of its own does not vanish under them.
    for written in hub.committer.write(vec![member("11900", &number(8), "Trần Thị Bình").unwrap()]).await
    {
        written.unwrap();
    }
    let refused = at_hub(&hub, undo(&merged["number"], true)).await;
    assert_eq!(refused["rule"], "UNIT_IN_USE", "{refused:#}");
    // Dissolved: the province takes what is left.
    done(&hub, order(StepKind::Dissolve, &["11900"], &[], true)).await;
    assert_eq!(owner(&hub.dataset, id).as_deref(), Some("33"));
    assert_eq!(listed(&hub, HERE, Some(day(-1))).await, 1, "through two steps of one day");
    let then = at_hub(&hub, Request::StatusOn { tree: day(-1) }).await;
    let others = json!([{ "unit": "11900", "name": "Phường Hòa Bình", "records": 1 }]);
    assert_eq!(then["others"], others, "made where nothing was that day");
    assert!(at_hub(&hub, token("11900")).await["error"].as_str().unwrap().contains("33"));
    let ended = at_hub(&hub, Request::Reorganise(merge(&["11900"], &[THERE]))).await;
    assert_eq!(ended["rule"], "UNIT_ENDED", "{ended:#}");
    let list = at_hub(&hub, Request::LineageList { page: Page::default() }).await;
    let kinds: Vec<&Json> = list["items"].as_array().unwrap().iter().map(|item| &item["kind"]).collect();
    assert_eq!(kinds, ["rename", "merge", "dissolve"], "{list:#}");
    here.close().await;
    hub.close().await;
}

/// Goal: the hub takes sheets with the code of a unit that was made, and with the new name of one that was renamed,
/// from its next start on; of the day before it knows the units as they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_unit_is_in_the_catalogue_from_the_next_start_on() {
    let Province { dir, hub, .. } = Province::set().await.unwrap();
    let unit = |code: &str| code.parse::<UnitCode>().unwrap();
    let added = named(order(StepKind::Add, &[], &["11901"], true), "11901", "Tân Lập");
    let added = Reorganisation { unit_kind: Some(lienthong_proto::catalogue::UnitKind::Commune), ..added };
    assert!(done(&hub, added).await["problems"].to_string().contains("CODE_NEW"));
    let renamed = named(order(StepKind::Rename, &[HERE], &[HERE], true), HERE, "Phố Mới");
    assert!(done(&hub, renamed).await["problems"].to_string().contains("CODE_RENAMED"));
    hub.close().await;
    drop(hub);
    let data = dir.path().join("hub");
    let hub = reopened(|| Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), system_clock)?));
    let of = |n: usize, unit: &str| {
        json!({
            "so_cccd": number(n), "ho_ten": "Nguyễn Văn An", "ngay_sinh": "1975-05-06", "gioi_tinh": "NAM",
            "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": unit,
            "dien_quan_ly": "CHIBO", "tinh_trang": "CHINH_THUC",
        })
    };
    let values = vec![of(5, "11901"), of(6, "Phường Phố Mới")];
    let author = "minh".to_owned();
    let put = RecordsRequest::Put { values, record_type: TYPE.to_owned(), author, english: true };
    let taken = at_hub(&hub, Request::Records(put)).await;
    assert_eq!(taken["created"], 2, "{taken:#}");
    assert!(hub.tree_on(day(-1)).get(&unit("11901")).is_none() && hub.tree().get(&unit("11901")).is_some());
    assert_eq!(hub.tree_on(day(-1)).title(&unit(HERE)), "Phường Phố Hiến");
    settled(&hub).await;
    let (sorted, _) = hub.quality.defects(TYPE, id_of(&hub, 5), hub.quality.today()).unwrap();
    assert!(sorted.counted.iter().all(|defect| defect.field.as_deref() != Some("ma_xa")), "{sorted:?}");
    hub.close().await;
}

/// Goal: undoing gives back what the step took, unless somebody has moved it since, and leaves the successor what it
/// wrote itself; steps are undone from the last to the first, once.
#[tokio::test(flavor = "multi_thread")]
async fn undoing_a_merge_gives_the_records_back() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let here = make_node(&hub, &address, &dir.path().join("here"), HERE).await.unwrap();
    let there = make_node(&hub, &address, &dir.path().join("there"), THERE).await.unwrap();
    here.start_sync(brisk());
    there.start_sync(brisk());
    let members = [(1, "Chi bộ 1", "0912345671"), (2, "Chi bộ 2", "0912345672")];
    import(&here, dir.path(), &sheet(HERE, &members)).await;
    acknowledged(&here).await.unwrap();
    let first = done(&hub, order(StepKind::Merge, &[HERE], &[THERE], true)).await;
    held_by(&hub, &there, THERE, &[1, 2]).await;
    import(
        &there,
        dir.path(),
        &sheet(THERE, &[(1, "Chi bộ 1", "0987654321"), (9, "Chi bộ 1", "0912345679")]),
    )
    .await;
    acknowledged(&there).await.unwrap();
    let transfer = lienthong_hub::service::Transfer {
        record_type: TYPE.to_owned(),
        id: number(2),
        unit: None,
        to: "11977".parse().unwrap(),
        reason: "giấy giới thiệu 12".to_owned(),
        actor: "minh".to_owned(),
    };
    assert_eq!(at_hub(&hub, Request::RecordTransfer(transfer)).await["changed"], true);
    done(&hub, order(StepKind::Merge, &["11977"], &["11983"], true)).await;
    let third = done(&hub, order(StepKind::Merge, &[THERE], &["11983"], true)).await;
    let refused = at_hub(&hub, undo(&first["number"], true)).await;
    assert_eq!(refused["rule"], "STEP_STOOD_ON", "{refused:#}");
    let before = hub.lineage();
    assert_eq!(at_hub(&hub, undo(&third["number"], false)).await["back"], 2);
    assert_eq!(hub.lineage(), before, "a dry run writes nothing");
    assert_eq!(owner(&hub.dataset, id_of(&hub, 1)).as_deref(), Some("11983"));
    assert_eq!(at_hub(&hub, undo(&third["number"], true)).await["moved"], 2);
    held_by(&hub, &there, THERE, &[1, 9]).await;
    assert_eq!(at_hub(&hub, undo(&third["number"], true)).await["rule"], "STEP_UNDONE");
    assert_eq!(at_hub(&hub, undo(&json!(1), true)).await["rule"], "STEP_UNKNOWN");
    let plan = at_hub(&hub, undo(&first["number"], false)).await;
    assert_eq!((&plan["back"], &plan["stay"]["records"]), (&1.into(), &1.into()), "{plan:#}");
    assert_eq!(plan["stay"]["items"][0]["unit"], "11983", "{plan:#}");
    assert_eq!(at_hub(&hub, undo(&first["number"], true)).await["moved"], 1);
    held_by(&hub, &here, HERE, &[1]).await;
    assert_eq!(shown(here.replica.dataset(), id_of(&hub, 1), "dien_thoai").as_deref(), Some("0987654321"));
    assert_eq!(shown(&hub.dataset, id_of(&hub, 1), "ma_xa").as_deref(), Some(HERE));
    assert_eq!(owner(&hub.dataset, id_of(&hub, 2)).as_deref(), Some("11983"), "moved since by somebody else");
    assert_eq!(owner(&hub.dataset, id_of(&hub, 9)).as_deref(), Some(THERE), "the successor's own");
    // The unit is there again, and its own records are its own.
    import(&here, dir.path(), &sheet(HERE, &[(3, "Chi bộ 1", "0912345673")])).await;
    acknowledged(&here).await.unwrap();
    assert_eq!(owner(&hub.dataset, id_of(&hub, 3)).as_deref(), Some(HERE));
    settled(&hub).await;
    assert_eq!(listed(&hub, HERE, None).await, 2);
    assert_eq!(listed(&hub, "11977", Some(day(-1))).await, 1);
    for node in [here, there] {
        node.close().await;
    }
    hub.close().await;
}

fn quiet() -> lienthong_node::control::Tell {
    Arc::new(|_| {})
}

/// By how much the hub's clock is put forward.
static AHEAD_MILLIS: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0 + AHEAD_MILLIS.load(Ordering::Acquire))
}

/// Goal: a step of a day to come is kept through a restart and done by the hub when the day comes, not before; undone
/// before its day it never happens. Method: a hub whose clock is put forward.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_day_to_come_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let data: PathBuf = dir.path().join("hub");
    make_hub(&data).unwrap();
    let open = || -> anyhow::Result<Arc<Hub>> {
        Ok(Hub::open(&data, catalogue()?, &LedgerOptions::default(), clock)?)
    };
    let hub = open().unwrap();
    let put = |n: usize, unit: &str| {
        let values = vec![json!({
            "so_cccd": number(n), "ho_ten": "Nguyễn Văn An", "ngay_sinh": "1975-05-06", "gioi_tinh": "NAM",
            "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": unit, "dien_quan_ly": "CHIBO",
            "tinh_trang": "CHINH_THUC",
        })];
        let author = "minh".to_owned();
        Request::Records(RecordsRequest::Put { values, record_type: TYPE.to_owned(), author, english: true })
    };
    assert_eq!(at_hub(&hub, put(1, HERE)).await["created"], 1);
    let later = Reorganisation { on: today(2), ..order(StepKind::Merge, &[HERE], &[THERE], true) };
    let body = at_hub(&hub, Request::Reorganise(later)).await;
    assert_eq!(
        (&body["state"], &body["moved"], &body["records"]),
        (&"waiting".into(), &0.into(), &1.into()),
        "{body:#}"
    );
    let other = Reorganisation { on: today(2), ..order(StepKind::Merge, &["11977"], &[THERE], true) };
    let other = at_hub(&hub, Request::Reorganise(other)).await;
    assert_eq!(at_hub(&hub, undo(&other["number"], true)).await["state"], "undone");
    AHEAD_MILLIS.store(DAY_MILLIS, Ordering::Release);
    assert_eq!(hub.reorganise(&quiet()).await.unwrap(), 0);
    assert_eq!(owner(&hub.dataset, id_of(&hub, 1)).as_deref(), Some(HERE));
    assert!(hub.tree().get(&HERE.parse().unwrap()).is_some());
    hub.close().await;
    drop(hub);
    AHEAD_MILLIS.store(2 * DAY_MILLIS, Ordering::Release);
    let hub = reopened(open);
    hub.keep_units();
    let id = id_of(&hub, 1);
    until("its day has come", || owner(&hub.dataset, id).as_deref() == Some(THERE)).await;
    assert!(hub.tree().get(&"11977".parse().unwrap()).is_some(), "undone before its day");
    // A row for the old unit goes on to the successor, whoever writes it.
    assert_eq!(at_hub(&hub, put(2, HERE)).await["created"], 1);
    let id = id_of(&hub, 2);
    until("it goes on", || owner(&hub.dataset, id).as_deref() == Some(THERE)).await;
    hub.close().await;
}

/// Goal: a record that was withdrawn before its unit ended stays withdrawn, and goes on when it is brought back.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_record_goes_on_when_it_is_brought_back() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let folder = dir.path().join("here");
    let here = make_node(&hub, &address, &folder, HERE).await.unwrap();
    here.start_sync(brisk());
    import(&here, dir.path(), &sheet(HERE, &[(1, "Chi bộ 1", "0912345671")])).await;
    let withdraw = RecordsRequest::Withdraw {
        record_type: TYPE.to_owned(),
        id: number(1),
        unit: None,
        reason: "nhập nhầm".to_owned(),
        author: "lan".to_owned(),
    };
    at_node(&here, withdraw).await;
    acknowledged(&here).await.unwrap();
    let merged = done(&hub, order(StepKind::Merge, &[HERE], &[THERE], true)).await;
    assert_eq!((&merged["withdrawn"], &merged["moved"]), (&1.into(), &0.into()), "{merged:#}");
    let id = id_of(&hub, 1);
    assert!(hub.dataset.state(TYPE, id).unwrap().unwrap().standing().withdrawn);
    let put = RecordsRequest::Put {
        values: vec![json!({ "so_cccd": number(1), "dien_thoai": "0987654321" })],
        record_type: TYPE.to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    assert_eq!(at_node(&here, put).await["updated"], 1);
    acknowledged(&here).await.unwrap();
    until("it goes on", || owner(&hub.dataset, id).as_deref() == Some(THERE)).await;
    assert!(!hub.dataset.state(TYPE, id).unwrap().unwrap().standing().withdrawn);
    here.close().await;
    hub.close().await;
}
