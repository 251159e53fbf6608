//! What the province's pages let one see down to the bottom: the data's quality, the ledger's integrity; and one's own
//! password.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::service::Request;
use lienthong_hub::web::Pages;
use lienthong_node::app::Node;
use lienthong_node::replica::Draft;
use lienthong_proto::value::Value;
use lienthong_tests::asking::at_hub;
use lienthong_tests::browsing::{Reader, Reply};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member};

const PASSWORD: &str = "mật khẩu đủ dài";
const UNIT: &str = "11953";

struct Stage {
    province: Province,
    pages: Pages,
    node: Arc<Node>,
}

impl Stage {
    async fn set() -> Self {
        let province = Province::set().await.unwrap();
        let hub = &province.hub;
        let pages = hub.serve_web("127.0.0.1:0").await.unwrap();
        hub.accounts.add("lan", vec![AccountRole::Steward], None, Some(PASSWORD), hub.now()).unwrap();
        let folder = province.dir.path().join("node");
        let node = make_node(hub, &province.address, &folder, UNIT).await.unwrap();
        node.start_sync(brisk());
        Self { province, pages, node }
    }

    async fn reader(&self) -> Reader {
        let mut reader = Reader::new(&self.province.hub, self.pages);
        assert_eq!(reader.sign_in("lan", PASSWORD).await.status, 303);
        reader
    }

    async fn written(&self, drafts: Vec<Draft>) {
        self.node.write(drafts).await;
        acknowledged(&self.node).await.unwrap();
        self.province.hub.committer.flush().await;
        tokio::task::block_in_place(|| self.province.hub.quality.settle()).unwrap();
    }

    async fn close(self) {
        self.node.close().await;
        self.province.hub.close().await;
    }
}

/// A member born in another year than the number says.
fn wrong(place: u32) -> Draft {
    let mut draft = member(UNIT, &format!("033070{place:06}"), "Nguyễn Văn An").unwrap();
    draft.values.insert("ngay_sinh".to_owned(), Value::Date(9_000));
    draft
}

/// The addresses a page leads to, as a browser reads them.
fn links(page: &Reply) -> Vec<String> {
    let after = page.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    after.map(|address| address.replace("&amp;", "&")).collect()
}

/// Goal: from the six words a reader gets by links alone to the rule, the record, the field and what to do; and every
/// record once, page by page. Method: 120 members with one slip of the pen each.
#[tokio::test(flavor = "multi_thread")]
async fn from_the_six_words_down_to_the_very_records() {
    let stage = Stage::set().await;
    stage.written((0..120).map(wrong).collect()).await;
    let mut reader = stage.reader().await;
    let page = reader.get("/quality").await;
    assert_eq!(page.status, 200);
    let to = format!("/quality?unit={UNIT}&dimension=dung");
    assert!(links(&page).contains(&to), "{}", page.body);
    assert!(page.body.contains("<svg") && !page.body.contains("style=\""));
    let page = reader.get(&to).await;
    for said in ["CCCD_BIRTHYEAR", "Số CCCD", "Đảng viên"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let rule = links(&page).into_iter().find(|link| link.contains("rule=CCCD_BIRTHYEAR")).unwrap();
    let (mut seen, mut next, mut pages) = (BTreeSet::new(), Some(rule), 0);
    while let Some(address) = next {
        let page = reader.get(&address).await;
        assert_eq!(page.status, 200);
        let list = page.body.split("<ul class=\"defects\">").nth(1).unwrap();
        for row in list.split("<li id=\"").skip(1) {
            let name = row.split('"').next().unwrap().to_owned();
            assert!(row.contains("CCCD_BIRTHYEAR") && seen.insert(name), "{row}");
        }
        pages += 1;
        next = links(&page).into_iter().find(|link| link.contains("after="));
    }
    assert_eq!((seen.len(), pages), (120, 3));
    let others = reader.get("/quality?unit=11977&dimension=dung").await;
    assert!(others.status == 200 && !others.body.contains("CCCD_BIRTHYEAR"));
    let every = reader.get("/quality?rule=CCCD_BIRTHYEAR&type=dang_vien").await;
    assert!(every.body.contains(&format!("unit={UNIT}")), "which unit's: {}", every.body);
    for (odd, status) in [
        ("unit=99999", 404),
        ("unit=%3Cscript%3E", 404),
        ("dimension=x", 422),
        ("type=x", 422),
        ("rule=%3Cscript%3E", 200),
        ("dimension=du&after=x%2Fy", 200),
        ("dimension=du&after=dang_vien%2Fzz", 200),
        ("word=x&band=y&sort=z&page=0", 200),
    ] {
        let page = reader.get(&format!("/quality?{odd}")).await;
        assert_eq!(page.status, status, "{odd}");
        assert!(!page.body.contains("<script>"), "{odd}");
    }
    reader.get("/language/en").await;
    let page = reader.get(&to).await;
    assert!(page.body.contains("Records to mend") && !page.body.contains("Bản ghi cần sửa"));
    stage.close().await;
}

/// Goal: the ledger's page says what is held, what contradicts and what to do; a check runs on demand, once at a time,
/// and its result is seen. Method: a folder with a byte turned over for the second check.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_checked_from_the_page_and_what_contradicts_is_said() {
    let stage = Stage::set().await;
    stage.written(vec![wrong(1)]).await;
    let hub = &stage.province.hub;
    hub.contacts.set(&UNIT.parse().unwrap(), "Trần Thị Lan", "0221 3 555 123").unwrap();
    let mut reader = stage.reader().await;
    let page = reader.get("/integrity").await;
    assert!(
        page.body.contains("Không có mâu thuẫn nào") && page.body.contains(&hex::encode(hub.head().root))
    );
    assert!(page.body.contains(&stage.node.identity.replica().to_string()));
    let ended = async |reader: &mut Reader| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let page = reader.get("/integrity/live").await;
            if !page.body.contains("Đang kiểm tra") {
                return page.body;
            }
            assert!(Instant::now() < deadline, "{}", page.body);
        }
    };
    for _ in 0..2 {
        let begun = reader.fill("/integrity", "/integrity/verify", &[]).await;
        assert_eq!((begun.status, begun.header("location")), (303, "/integrity#verify"));
    }
    let found = ended(&mut reader).await;
    assert!(found.contains("Đúng: ") && found.contains("lan"), "{found}");

    hub.fence(stage.node.identity.replica(), &["điều đã giữ".to_owned(), "điều khác <b>".to_owned()]).await;
    let page = reader.get("/integrity").await;
    for said in ["Nhật ký mâu thuẫn", "lienthong-node recover", "Trần Thị Lan", "điều khác &lt;b&gt;"]
    {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let log = stage.province.dir.path().join("hub/log");
    let segments = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    reader.fill("/integrity", "/integrity/verify", &[]).await;
    let found = ended(&mut reader).await;
    assert!(
        found.contains("Lần kiểm tra vừa qua thấy sổ cái sai") || found.contains("class=\"wrong\""),
        "{found}"
    );
    assert!(!found.contains("Đúng: "));
    stage.close().await;
}

/// Goal: one's own password is changed after the old one only, whoever else was signed in is out, and the ledger tells.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_password_is_changed_after_the_old_one_and_ends_other_sessions() {
    let stage = Stage::set().await;
    let (mut own, mut other) = (stage.reader().await, stage.reader().await);
    let page = "/account/password";
    let new = "một mật khẩu khác";
    assert!(own.get("/account").await.body.contains(page));
    for (old, first, again) in [
        ("sai hẳn rồi nhé", new, new),
        (PASSWORD, new, "khác nữa khác nữa"),
        (PASSWORD, "ngắn", "ngắn"),
        (PASSWORD, PASSWORD, PASSWORD),
    ] {
        let refused = own.fill(page, page, &[("old", old), ("new", first), ("again", again)]).await;
        assert_eq!(refused.status, 422, "{old} {first} {again}");
        assert!(!refused.body.contains(old) && !refused.body.contains(first));
    }
    assert_eq!(other.get("/units").await.status, 200);
    let done = own.fill(page, page, &[("old", PASSWORD), ("new", new), ("again", new)]).await;
    assert_eq!((done.status, done.header("location")), (303, "/account?done=password"));
    assert_eq!((own.get("/units").await.status, other.get("/units").await.status), (200, 303));
    let mut anew = Reader::new(&stage.province.hub, stage.pages);
    assert_eq!(anew.sign_in("lan", PASSWORD).await.status, 401);
    assert_eq!(anew.sign_in("lan", new).await.status, 303);
    let shown = at_hub(&stage.province.hub, Request::LedgerShow { from: 0, limit: 1_000 }).await;
    let items = shown["items"].as_array().unwrap().iter().map(|item| &item["entry"]);
    let events: Vec<&str> = items.filter_map(|entry| entry["event"].as_str()).collect();
    let count = |kind: &str| events.iter().filter(|event| **event == kind).count();
    assert_eq!((count("account_password"), count("sign_in_refused")), (1, 2), "{events:?}");
    // Who guesses at the old one waits, as at the door.
    for _ in 0..5 {
        own.fill(page, page, &[("old", "đoán đoán đoán"), ("new", PASSWORD), ("again", PASSWORD)]).await;
    }
    let held = own.fill(page, page, &[("old", new), ("new", PASSWORD), ("again", PASSWORD)]).await;
    assert_eq!(held.status, 429, "{held:?}");
    stage.close().await;
}
