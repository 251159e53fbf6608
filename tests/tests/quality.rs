//! How good the data is, seen at the commune and at the province, down to the row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::quality::Keeper;
use lienthong_node::records::Page;
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::quality::Silence;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{self, at_hub, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node, reopened};
use serde_json::Value as Json;

const UNIT: &str = "11953";

async fn at_node(node: &Arc<Node>) -> Json {
    let request = NodeRequest::Defects { record_type: None, page: Page::default() };
    Arc::clone(node).execute(request, Arc::new(|_| {})).await.body
}

fn member(number: &str, phone: Option<&str>, born: i32) -> anyhow::Result<Draft> {
    let text = |text: &str| Value::Text(text.to_owned());
    let code = |code: &str| Value::Code(code.to_owned());
    let mut values = BTreeMap::from([
        ("so_cccd".to_owned(), text(number)),
        ("ho_ten".to_owned(), text("Nguyễn Văn An")),
        ("ngay_sinh".to_owned(), Value::Date(born)),
        ("gioi_tinh".to_owned(), code("NAM")),
        ("ngay_vao_dang".to_owned(), Value::Date(9_500)),
        ("chi_bo".to_owned(), text("Chi bộ 1")),
        ("ma_xa".to_owned(), Value::Unit(UNIT.parse()?)),
        ("dien_quan_ly".to_owned(), code("CHIBO")),
        ("tinh_trang".to_owned(), code("CHINH_THUC")),
    ]);
    if let Some(phone) = phone {
        values.insert("dien_thoai".to_owned(), text(phone));
    }
    Ok(Draft {
        record_type: "dang_vien".to_owned(),
        owner: UNIT.parse()?,
        values,
        intent: Intent::Assert,
        author: "test".to_owned(),
    })
}

fn rules(report: &Json, list: &str) -> Vec<String> {
    let rows = report[list].as_array().map_or(&[][..], Vec::as_slice);
    let defects = rows.iter().flat_map(|row| row["defects"].as_array().into_iter().flatten());
    defects.filter_map(|defect| defect["rule"].as_str().map(str::to_owned)).collect()
}

/// Goal: a defect shows at both ends with the row behind it, lowers the score, and goes when it is mended;
/// probable duplicates are listed with their reasons.
#[tokio::test(flavor = "multi_thread")]
async fn defects_show_at_both_ends_and_mending_clears_them() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    // Born 1970 by the number, written 1971: a slip of the pen. The second is probably the same person.
    let wrong = member("033070000001", Some("0912345678"), 400).unwrap();
    let alike = member("033070000010", Some("0912345678"), 40).unwrap();
    node.write(vec![wrong, alike]).await;
    acknowledged(&node).await.unwrap();
    let wrong_year =
        |list: &'static str| move |report: &Json| rules(report, list).contains(&"CCCD_BIRTHYEAR".to_owned());
    let here = until("at the node", async || at_node(&node).await, wrong_year("items")).await;
    assert_eq!(here["items"][0]["unit"], UNIT);
    let unit = Some(UNIT.parse().unwrap());
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    let report = until("at the hub", ask, wrong_year("rows")).await;
    let right = &report["counts"]["dung"];
    assert!(right["good"].as_u64() < right["all"].as_u64(), "{report:#}");
    assert!(right["formula"].as_str().is_some_and(|formula| formula.contains("÷")));
    assert_eq!(report["quality"]["song"], 100);
    // A programme of this year is expected of each unit and missing here.
    assert!(report["missing"].as_array().is_some_and(|missing| !missing.is_empty()), "{report:#}");
    assert!(report["quality"]["total"].as_u64() <= report["quality"]["dung"].as_u64());
    // The same record, one number: mended.
    node.write(vec![member("033070000001", Some("0912345678"), 40).unwrap()]).await;
    acknowledged(&node).await.unwrap();
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    let mended = until("mended at the hub", ask, |report| !wrong_year("rows")(report)).await;
    assert_eq!(mended["counts"]["dung"]["good"], mended["counts"]["dung"]["all"], "{mended:#}");
    until("mended at the node", async || at_node(&node).await, |body| !wrong_year("items")(body)).await;
    let ask = async || at_hub(&hub, Request::DuplicatesList { page: Page::default() }).await;
    let pairs =
        until("duplicates", ask, |body| body["items"].as_array().is_some_and(|items| !items.is_empty()));
    let pairs = pairs.await;
    let first = &pairs["items"][0];
    assert_eq!(first["type"], "dang_vien");
    assert!(first["score"].as_u64().is_some_and(|score| score >= 50) && first["reasons"][0].is_string());
    let all = at_hub(&hub, Request::Quality { unit: None, page: Page::default() }).await;
    assert!(all["items"][0]["quality"]["total"].is_u64(), "the worst first");
    node.close().await;
    hub.close().await;
}

const MEMBERS: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng\n";

fn cell_of(count: u32, reported: &str) -> (String, String) {
    let member = |n: u32| {
        format!("Nguyễn Văn An,0{n}/03/1970,Nam,03307000000{n},01/02/2000,Chi bộ 1,{UNIT},CHIBO,CHINH_THUC\n")
    };
    let members: String = (1..=count).map(member).collect();
    let cell = format!(
        "Tên tổ chức,Mã tổ chức,Cấp,Mã tổ chức cấp trên,Loại hình,Mã xã,Ngày thành lập,Số đảng viên\n\
         Chi bộ 1,CB01,CB,{UNIT},THON_TDP,{UNIT},01/02/1990,{reported}\n"
    );
    (format!("{MEMBERS}{members}"), cell)
}

/// Goal: a count that a sheet reports is held against the records it counts, at both ends, until the two agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_reported_count_is_held_against_the_members() -> anyhow::Result<()> {
    let Province { dir, hub, address } = Province::set().await?;
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await?;
    node.start_sync(brisk());
    let taken = async |kind: &str, sheet: &str| {
        let taken = asking::import(&node, dir.path(), kind, sheet).await;
        assert_eq!(taken["rejected"], 0, "{taken:#}");
    };
    let (members, cell) = cell_of(3, "4");
    taken("dang_vien", &members).await;
    taken("to_chuc_dang", &cell).await;
    acknowledged(&node).await?;
    let differs =
        |list: &'static str| move |report: &Json| rules(report, list).contains(&"TCD_SO_DV".to_owned());
    let unit = Some(UNIT.parse()?);
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    until("at the hub", ask, differs("rows")).await;
    until("at the node", async || at_node(&node).await, differs("items")).await;
    taken("to_chuc_dang", &cell_of(3, "3").1).await;
    acknowledged(&node).await?;
    let ask = async || at_hub(&hub, Request::Quality { unit: unit.clone(), page: Page::default() }).await;
    let mended =
        until("mended", ask, |report| !differs("rows")(report) && report["not_judged_yet"] == 0).await;
    // Reported and right, not left out: the check was run.
    assert!(mended["counts"]["thong_nhat"]["all"].as_u64() > Some(3), "{mended:#}");
    node.close().await;
    hub.close().await;
    Ok(())
}

/// Goal: node and hub make the same of a unit's records: every defect and every sum.
#[tokio::test(flavor = "multi_thread")]
async fn the_node_judges_its_records_as_the_hub_does() -> anyhow::Result<()> {
    let Province { dir, hub, address } = Province::set().await?;
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await?;
    node.start_sync(brisk());
    let (members, cell) = cell_of(3, "7");
    asking::import(&node, dir.path(), "dang_vien", &members).await;
    asking::import(&node, dir.path(), "to_chuc_dang", &cell).await;
    let slips = (0..30).map(|n| member(&format!("0330700001{n:02}"), None, 40 + n * 40));
    node.write(slips.collect::<anyhow::Result<_>>()?).await;
    acknowledged(&node).await?;
    hub.committer.flush().await;
    let unit: UnitCode = UNIT.parse()?;
    tokio::task::block_in_place(|| {
        node.replica.flush_blocking();
        node.quality.settle()?;
        hub.quality.settle()?;
        let page = Page { limit: Some(1_000), after: None };
        let listed = |quality: &Keeper| quality.defect_list(None, Some(&unit), &page);
        let (here, there) = (listed(&node.quality)?, listed(&hub.quality)?);
        assert_eq!(here, there);
        let kinds: BTreeSet<String> = rules(&here, "items").into_iter().collect();
        for kind in ["CCCD_BIRTHYEAR", "TCD_SO_DV", "DV_SO_THE", "TCD_BI_THU"] {
            assert!(kinds.contains(kind), "{kind}: {kinds:?}");
        }
        let today = hub.quality.today();
        for kind in ["dang_vien", "to_chuc_dang"] {
            assert_eq!(node.quality.totals(kind, &unit)?, hub.quality.totals(kind, &unit)?, "{kind}");
        }
        let score = |quality: &Keeper| quality.unit_score(&unit, Silence::Heard, today);
        assert_eq!(score(&node.quality)?, score(&hub.quality)?);
        anyhow::Ok(())
    })?;
    node.close().await;
    hub.close().await;
    Ok(())
}

/// Goal: every record behind a unit's lost points is reached from the command, page by page, each once.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_behind_lost_points_is_reached_page_by_page() -> anyhow::Result<()> {
    let Province { dir, hub, address } = Province::set().await?;
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await?;
    node.start_sync(brisk());
    asking::import(&node, dir.path(), "to_chuc_dang", &cell_of(0, "9").1).await;
    let slips = (0..119).map(|n| member(&format!("033070000{n:03}"), None, 400));
    node.write(slips.collect::<anyhow::Result<_>>()?).await;
    acknowledged(&node).await?;
    hub.committer.flush().await;
    tokio::task::block_in_place(|| hub.quality.settle())?;
    let (mut seen, mut after, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = Page { limit: None, after };
        let report = at_hub(&hub, Request::Quality { unit: Some(UNIT.parse()?), page }).await;
        for row in report["rows"].as_array().into_iter().flatten() {
            assert!(seen.insert(row["id"].to_string()), "{row}");
        }
        pages += 1;
        after = report["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (120, 3));
    node.close().await;
    hub.close().await;
    Ok(())
}

/// More may be wrong with a record than is kept of it: the rest is still judged, and the record shown. Method: a type
/// with many rules over many items.
#[tokio::test(flavor = "multi_thread")]
async fn p8_a_record_with_thousands_of_defects_stops_nobody() -> anyhow::Result<()> {
    let Province { dir, hub, address } = Province::set().await?;
    let folder = dir.path().join("node");
    make_node(&hub, &address, &folder, UNIT).await?.close().await;
    let rules: String = (0..40)
        .map(|rule| {
            format!(
                "[[rule]]\nid = \"TD_{rule}\"\ndimension = \"dung\"\nseverity = \"warning\"\neach = \"phan\"\n\
                 field = \"so\"\ncel = \"so > 1000\"\nmessage = {{ vi = \"nhỏ\", en = \"small\" }}\n"
            )
        })
        .collect();
    let declared = format!(
        "name = \"thi_dua\"\nlabel = {{ vi = \"x\", en = \"x\" }}\nkey = {{ fields = [\"ma\"], scope = \"unit\" }}\n\
         [[field]]\nname = \"ma\"\nlabel = {{ vi = \"Mã\", en = \"Code\" }}\ntype = \"text\"\nclass = \"C1\"\n\
         [[field]]\nname = \"phan\"\nlabel = {{ vi = \"Phần\", en = \"Parts\" }}\ntype = \"items\"\n\
         item_key = [\"so\"]\nclass = \"C1\"\n\
         [[field.field]]\nname = \"so\"\nlabel = {{ vi = \"Số\", en = \"Number\" }}\ntype = \"integer\"\nclass = \"C1\"\n{rules}"
    );
    let mut files = Catalogue::embedded_files();
    files.insert("records/thi_dua.toml".to_owned(), declared);
    let catalogue = Arc::new(Catalogue::load(files)?);
    let node = reopened(|| Ok(Node::open(&folder, Arc::clone(&catalogue), system_clock)?));
    let parts: Vec<Json> = (1..=200).map(|number| serde_json::json!({ "so": number })).collect();
    let put = RecordsRequest::Put {
        values: vec![serde_json::json!({ "ma": "TD1", "phan": parts }), serde_json::json!({ "ma": "TD2" })],
        record_type: "thi_dua".to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    let taken = asking::at_node(&node, NodeRequest::Records(put)).await;
    assert_eq!(taken["created"], 2, "{taken:#}");
    tokio::task::block_in_place(|| node.replica.flush_blocking());
    node.quality.settle()?;
    for (id, many) in [("TD1", true), ("TD2", false)] {
        let get = RecordsRequest::Get { record_type: "thi_dua".to_owned(), id: id.to_owned(), unit: None };
        let one = asking::at_node(&node, NodeRequest::Records(get)).await;
        assert_eq!(one["fields"]["ma"], id, "{one:#}");
        assert_eq!(one["defects"].as_array().is_some_and(|all| all.len() > 100), many);
    }
    Ok(())
}

/// A replica that was closed judges nothing any more: nothing of its folder is held by a thread of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_replica_judges_nothing_any_more() -> anyhow::Result<()> {
    let Province { dir, hub, address } = Province::set().await?;
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await?;
    node.start_judging()?;
    node.close().await;
    assert_eq!(Arc::strong_count(&node.quality), 1);
    hub.close().await;
    assert_eq!(Arc::strong_count(&hub.quality), 1);
    Ok(())
}
