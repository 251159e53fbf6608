//! X03: the unit that has a member now reads the cases about him that stayed where they were opened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request, Transfer};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Payload;
use lienthong_node::records::Listing;
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_node::store::{Batch, Keyspace};
use lienthong_proto::batch;
use lienthong_proto::ids::{RecordId, Sequence, UnitCode};
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_hub, at_node, import, until};
use lienthong_tests::{
    Province, acknowledged, brisk, catalogue, make_node, member, open_hub, reopened, retarget,
};
use serde_json::Value as Json;

const A: &str = "11953";
const B: &str = "12004";
const C: &str = "11977";
const NUMBER: &str = "033075000001";
const CASE: &str = "cuoc_kiem_tra";
const LETTER: &str = "don_thu";
const SUMMARY: &str = "Phản ánh việc thu chi quỹ ở chi bộ năm 2025";

/// A province and three communes; the member is A's.
struct Set {
    province: Province,
    a: Arc<Node>,
    b: Arc<Node>,
    c: Arc<Node>,
}

async fn set() -> Set {
    let province = Province::set().await.unwrap();
    let Province { dir, hub, address } = &province;
    let mut nodes = Vec::new();
    for (place, unit) in [A, B, C].into_iter().enumerate() {
        let node = make_node(hub, address, &dir.path().join(unit), unit).await.unwrap();
        node.start_sync(brisk());
        // One of its own, by which it is seen how far its feed has come.
        node.write(vec![member(unit, &own(place), "Trần Thị Bình").unwrap()]).await;
        acknowledged(&node).await.unwrap();
        nodes.push(node);
    }
    let [a, b, c] = nodes.try_into().unwrap();
    a.write(vec![member(A, NUMBER, "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&a).await.unwrap();
    Set { province, a, b, c }
}

fn own(place: usize) -> String {
    format!("03307500009{place}")
}

impl Set {
    fn hub(&self) -> &Arc<Hub> {
        &self.province.hub
    }

    fn folder(&self) -> &Path {
        self.province.dir.path()
    }

    /// Everything that was decided so far has reached these nodes: so has what was decided last.
    async fn all_fed(&self, nodes: &[&Arc<Node>], mark: &str) {
        for node in nodes {
            let unit = node.identity.unit().as_str();
            let number = own([A, B, C].iter().position(|known| *known == unit).unwrap());
            let phone = format!("09123456{mark}");
            let values = BTreeMap::from([
                ("so_cccd".to_owned(), Value::Text(number.clone())),
                ("dien_thoai".to_owned(), Value::Text(phone.clone())),
            ]);
            let draft = Draft {
                record_type: "dang_vien".to_owned(),
                owner: unit.parse().unwrap(),
                values,
                intent: Intent::Assert,
                author: "tỉnh".to_owned(),
            };
            self.hub().committer.write(vec![draft]).await.into_iter().for_each(|written| {
                written.unwrap();
            });
            let ask = async || {
                let id = number.clone();
                let get = RecordsRequest::Get { record_type: "dang_vien".to_owned(), id, unit: None };
                at_node(node, NodeRequest::Records(get)).await
            };
            until("its feed", ask, |one| one["fields"]["dien_thoai"] == phone).await;
        }
    }
}

async fn taken_in(node: &Arc<Node>, folder: &Path, record_type: &str, text: &str) {
    let taken = import(node, folder, record_type, text).await;
    assert_eq!(taken["rejected"], 0, "{taken:#}");
    acknowledged(node).await.unwrap();
}

fn case(unit: &str, state: &str, decision: &str, concluded: &str) -> String {
    format!(
        "Mã cuộc,Loại,Chủ thể,Đối tượng,Nội dung,Lĩnh vực,Số quyết định,Ngày quyết định,Trạng thái,Ngày triển khai,Ngày kết luận,Mã xã\n\
         C1,KT_DHVP,UBKT,{NUMBER},Kiểm tra thu chi,LV04,{decision}-QĐ/UBKT,01/09/2026,{state},05/09/2026,{concluded},{unit}\n"
    )
}

fn letter(state: &str) -> String {
    format!(
        "Mã đơn,Ngày nhận,Loại đơn,Đối tượng,Nội dung,Lĩnh vực,Mã xã,Thẩm quyền,Cơ quan giải quyết,Tình trạng,Nặc danh\n\
         D1,02/09/2026,TO_CAO,{NUMBER},{SUMMARY},LV04,{A},CUA_TA,UBKT xã,{state},không\n"
    )
}

/// The province gives the member to a unit.
async fn give(hub: &Arc<Hub>, to: &str) {
    transfer(hub, ("dang_vien", NUMBER, None), to).await;
}

async fn transfer(hub: &Arc<Hub>, (record_type, id, unit): (&str, &str, Option<&str>), to: &str) {
    let transfer = Transfer {
        record_type: record_type.to_owned(),
        id: id.to_owned(),
        unit: unit.and_then(|unit| unit.parse().ok()),
        to: to.parse().unwrap(),
        reason: "theo công văn".to_owned(),
        actor: "minh".to_owned(),
    };
    assert_eq!(at_hub(hub, Request::RecordTransfer(transfer)).await["changed"], true);
}

/// What a node says of a case or letter of A.
async fn read(node: &Arc<Node>, record_type: &str, id: &str) -> Json {
    let (record_type, id, unit) = (record_type.to_owned(), id.to_owned(), A.parse().ok());
    at_node(node, NodeRequest::Records(RecordsRequest::Get { record_type, id, unit })).await
}

async fn listed(node: &Arc<Node>, record_type: &str) -> Vec<Json> {
    let (record_type, listing) = (record_type.to_owned(), Listing::default());
    let list = at_node(node, NodeRequest::Records(RecordsRequest::List { record_type, listing })).await;
    list["items"].as_array().unwrap().clone()
}

fn id_of(hub: &Hub, record_type: &str, key: &str) -> RecordId {
    let declared = hub.catalogue.record_type(record_type).unwrap();
    key_id(&hub.secrets.provincial_key, declared, &A.parse().unwrap(), key)
}

/// Whether a node's log has a text anywhere.
fn has(node: &Node, text: &str) -> bool {
    let mut found = false;
    for frame in node.replica.reader().clone().scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        let plain = match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) => entry.to_vec(),
            Payload::Batch(packed) | Payload::Accepted { packed, .. } => batch::unpack(packed).unwrap(),
        };
        found |= plain.windows(text.len()).any(|window| window == text.as_bytes());
    }
    found
}

/// Goal (X03, P9): who has the member now reads the case that stayed with the unit that opened it, up to C2, and nobody
/// else does; what it writes there is a proposal; when the member goes on the next one reads, and when the case ends
/// nobody does any more.
#[tokio::test(flavor = "multi_thread")]
async fn x03_the_unit_that_has_the_member_reads_the_case() {
    let set = set().await;
    let (hub, a, b, c) = (set.hub(), &set.a, &set.b, &set.c);
    taken_in(a, set.folder(), CASE, &case(A, "DANG_TRIEN_KHAI", "01", "")).await;
    taken_in(a, set.folder(), LETTER, &letter("DANG_XU_LY")).await;
    // A third unit's case about him is shown to nobody.
    taken_in(c, set.folder(), CASE, &case(C, "DANG_TRIEN_KHAI", "09", "")).await;
    set.all_fed(&[b, c], "01").await;
    assert!(listed(b, CASE).await.is_empty(), "before he moves");
    give(hub, B).await;
    let ask = async || read(b, CASE, "C1").await;
    let shown = until("it reads the case", ask, |one| one["unit"] == A).await;
    assert_eq!(shown["fields"]["noi_dung"], "Kiểm tra thu chi", "{shown:#}");
    assert_eq!(shown["defects"], Json::Array(Vec::new()), "not its to mend");
    let ask = async || read(b, LETTER, "D1").await;
    let shown = until("and the letter", ask, |one| one["unit"] == A).await;
    assert_eq!(shown["fields"]["tinh_trang"], "DANG_XU_LY", "{shown:#}");
    for withheld in ["doi_tuong", "noi_dung"] {
        assert!(shown["fields"][withheld].is_null(), "{shown:#}");
    }
    assert!(has(a, SUMMARY) && !has(b, SUMMARY), "what is above C2 does not leave");
    set.all_fed(&[b, c], "02").await;
    assert_eq!(listed(b, CASE).await.len(), 1, "not the third unit’s");
    assert_eq!(listed(c, CASE).await[0]["unit"], C);
    // It is told, and cannot edit; what it writes all the same is a proposal.
    let notices = b.evidence.notices().unwrap();
    assert!(notices.iter().any(|notice| notice.kind == "READING"), "it is told");
    let withdraw = RecordsRequest::Withdraw {
        record_type: CASE.to_owned(),
        id: id_of(hub, CASE, "C1").to_string(),
        unit: None,
        reason: "thử".to_owned(),
        author: "lan".to_owned(),
    };
    assert_eq!(at_node(b, NodeRequest::Records(withdraw)).await["rule"], "UNIT_FOREIGN");
    let draft = Draft {
        record_type: CASE.to_owned(),
        owner: B.parse().unwrap(),
        values: [("noi_dung".to_owned(), Value::Text("Khác".to_owned()))].into(),
        intent: Intent::Stand(id_of(hub, CASE, "C1")),
        author: "lan".to_owned(),
    };
    assert!(b.write(vec![draft]).await.iter().all(Result::is_ok));
    acknowledged(b).await.unwrap();
    // The owner writes on; the reader follows.
    taken_in(a, set.folder(), CASE, &case(A, "DANG_TRIEN_KHAI", "02", "")).await;
    let decision = |wanted: &'static str| move |one: &Json| one["fields"]["so_quyet_dinh"] == wanted;
    let ask = async || read(b, CASE, "C1").await;
    until("what is written later", ask, decision("02-QĐ/UBKT")).await;
    let record = hub.dataset.record(&hub.catalogue, CASE, id_of(hub, CASE, "C1")).unwrap().unwrap();
    assert_eq!(record.shown("noi_dung"), Some(&Value::Text("Kiểm tra thu chi".to_owned())));
    assert_eq!(record.owner.as_ref().map(UnitCode::as_str), Some(A));
    // He goes on: the next one reads, the former no more.
    give(hub, C).await;
    let ask = async || read(c, CASE, "C1").await;
    until("the next one reads", ask, decision("02-QĐ/UBKT")).await;
    taken_in(a, set.folder(), CASE, &case(A, "DANG_TRIEN_KHAI", "03", "")).await;
    let ask = async || read(c, CASE, "C1").await;
    until("and follows", ask, decision("03-QĐ/UBKT")).await;
    set.all_fed(&[b], "03").await;
    assert!(decision("02-QĐ/UBKT")(&read(b, CASE, "C1").await), "it stopped");
    // The case ends: the last that is read of it is that.
    taken_in(a, set.folder(), CASE, &case(A, "DA_KET_LUAN", "03", "01/11/2026")).await;
    let ask = async || read(c, CASE, "C1").await;
    until("it sees the end", ask, |one| one["fields"]["trang_thai"] == "DA_KET_LUAN").await;
    hub.committer.flush().await;
    taken_in(a, set.folder(), CASE, &case(A, "DA_KET_LUAN", "04", "01/11/2026")).await;
    set.all_fed(&[c], "04").await;
    assert!(decision("03-QĐ/UBKT")(&read(c, CASE, "C1").await), "nothing after it");
    rebuilt(set).await;
}

/// Goal (P3): the index and who reads what are the same, made again from the ledger.
async fn rebuilt(set: Set) {
    let Set { province: Province { dir, hub, .. }, a, b, c } = set;
    for node in [a, b, c] {
        node.close().await;
    }
    let view = |hub: &Hub| {
        let mut all = Vec::new();
        for keyspace in [Keyspace::Feed, Keyspace::Naming, Keyspace::Reading] {
            let mut take = |key: &[u8], value: &[u8]| {
                all.push((keyspace as u8, key.to_vec(), value.to_vec()));
                true
            };
            hub.dataset.view().scan_prefix(keyspace, &[], &mut take).unwrap();
        }
        all
    };
    hub.committer.flush().await;
    let before = view(&hub);
    assert!(before.iter().any(|(keyspace, ..)| *keyspace == Keyspace::Naming as u8));
    hub.close().await;
    drop(hub);
    let folder = dir.path().join("hub");
    let hub = reopened(|| {
        let _ = std::fs::remove_dir_all(folder.join("view"));
        open_hub(&folder)
    });
    hub.committer.flush().await;
    assert!(view(&hub) == before, "another index than the one that was written");
    // One of a version that did not have all of it is not believed.
    let mut older = Batch::default();
    older.delete(Keyspace::Meta, b"acceptances bound");
    before.iter().filter(|(keyspace, ..)| *keyspace == Keyspace::Naming as u8).for_each(|(_, key, _)| {
        older.delete(Keyspace::Naming, key);
    });
    hub.dataset.view().commit(older).unwrap();
    hub.close().await;
    drop(hub);
    let hub = reopened(|| open_hub(&folder));
    hub.committer.flush().await;
    assert!(view(&hub) == before, "made again");
    hub.close().await;
}

/// Goal (X03, P9): a node that was away the whole time catches up with what it may read, and no further than it may; of
/// the province's own case likewise.
#[tokio::test(flavor = "multi_thread")]
async fn x03_a_node_that_was_away_reads_up_to_the_end() {
    let set = set().await;
    let hub = set.hub();
    let (folder, b) = (set.folder().join(B), &set.b);
    b.close().await;
    taken_in(&set.a, set.folder(), CASE, &case(A, "DANG_TRIEN_KHAI", "01", "")).await;
    let text = |text: &str| Value::Text(text.to_owned());
    let code = |code: &str| Value::Code(code.to_owned());
    let provinces = Draft {
        record_type: CASE.to_owned(),
        owner: "33".parse().unwrap(),
        values: BTreeMap::from([
            ("ma_cuoc".to_owned(), text("P1")),
            ("loai".to_owned(), code("KT_DHVP")),
            ("doi_tuong".to_owned(), Value::List(vec![text(NUMBER)])),
            ("trang_thai".to_owned(), code("DANG_TRIEN_KHAI")),
        ]),
        intent: Intent::Assert,
        author: "tỉnh".to_owned(),
    };
    hub.committer.write(vec![provinces]).await.into_iter().for_each(|written| {
        written.unwrap();
    });
    give(hub, B).await;
    taken_in(&set.a, set.folder(), CASE, &case(A, "DANG_TRIEN_KHAI", "02", "")).await;
    hub.committer.flush().await;
    taken_in(&set.a, set.folder(), CASE, &case(A, "DA_KET_LUAN", "02", "01/11/2026")).await;
    hub.committer.flush().await;
    taken_in(&set.a, set.folder(), CASE, &case(A, "DA_KET_LUAN", "03", "01/11/2026")).await;
    let Set { province, a, b, c } = set;
    drop(b);
    let b = reopened(|| Ok(Node::open(&folder, catalogue()?, system_clock)?));
    retarget(&folder, &province.address).unwrap();
    b.start_sync(brisk());
    let set = Set { province, a, b, c };
    set.all_fed(&[&set.b, &set.c], "05").await;
    let one = read(&set.b, CASE, "C1").await;
    assert_eq!(one["fields"]["trang_thai"], "DA_KET_LUAN", "{one:#}");
    assert_eq!(one["fields"]["so_quyet_dinh"], "02-QĐ/UBKT", "not what came after it ended");
    let units: Vec<Json> = listed(&set.b, CASE).await.iter().map(|one| one["unit"].clone()).collect();
    assert_eq!(units.len(), 2, "the province’s too");
    assert!(units.contains(&"33".into()) && listed(&set.c, CASE).await.is_empty());
    rebuilt(set).await;
}

/// Goal (P4): what a unit has whole, because the record was its own, stays whole when it comes again for reading.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_stays_whole() {
    let set = set().await;
    let (hub, b) = (set.hub(), &set.b);
    taken_in(b, set.folder(), LETTER, &letter("DANG_XU_LY").replace(A, B)).await;
    let declared = hub.catalogue.record_type(LETTER).unwrap();
    let id = key_id(&hub.secrets.provincial_key, declared, &B.parse().unwrap(), "D1");
    let draft = Draft {
        record_type: LETTER.to_owned(),
        owner: "33".parse().unwrap(),
        values: BTreeMap::from([
            ("noi_dung".to_owned(), Value::Text("Tỉnh tóm tắt lại".to_owned())),
            ("co_quan_giai_quyet".to_owned(), Value::Text("UBKT Tỉnh ủy".to_owned())),
        ]),
        intent: Intent::Amend(id),
        author: "tỉnh".to_owned(),
    };
    hub.committer.write(vec![draft]).await.into_iter().for_each(|written| {
        written.unwrap();
    });
    transfer(hub, (LETTER, "D1", Some(B)), A).await;
    set.all_fed(&[b], "06").await;
    give(hub, B).await;
    let told = || b.evidence.notices().unwrap().iter().any(|notice| notice.kind == "READING");
    until("it is told", async || told().into(), |told| *told == true).await;
    set.all_fed(&[b], "07").await;
    let whole = |one: &Json| one["unit"] == A && one["fields"]["noi_dung"] == "Tỉnh tóm tắt lại";
    let get = RecordsRequest::Get { record_type: LETTER.to_owned(), id: id.to_string(), unit: None };
    let one = at_node(b, NodeRequest::Records(get)).await;
    assert!(whole(&one), "{one:#}");
    rebuilt(set).await;
}
