//! The first page says who needs a person: a whole province of 108 units, some of them in trouble.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::accounts::totp::{Seed, step_at};
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::service::Request;
use lienthong_hub::status::UnitStatus;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::change::{Context, Write, record_id};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::asking::at_hub;
use lienthong_tests::browsing::Reader;
use lienthong_tests::peer::{Peer, Stream, ended, received, say};
use lienthong_tests::{catalogue, make_hub, token};

const PASSWORD: &str = "mật khẩu đủ dài";
const DAY_SECONDS: i64 = 86_400;
const GIGABYTE: u64 = 1_000_000_000;

/// The hub's clock less the system's, seconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

fn clock() -> UnixMillis {
    UnixMillis(system_clock().0.saturating_add_signed(AHEAD.load(Ordering::SeqCst) * 1_000))
}

/// What a node says of itself with a heartbeat.
#[derive(Clone, Copy)]
struct Word {
    clock_off_seconds: i64,
    disk_free_bytes: u64,
}

impl Default for Word {
    fn default() -> Self {
        Self { clock_off_seconds: 0, disk_free_bytes: 50 * GIGABYTE }
    }
}

/// One unit's node.
struct Node {
    peer: Peer,
    stream: Stream,
    /// As long as it lives, said with every heartbeat.
    word: Word,
}

impl Node {
    async fn beat(&self) {
        let heartbeat = wire::Heartbeat {
            checkpoint: self.peer.checkpoint(),
            clock_millis: clock().0.saturating_add_signed(self.word.clock_off_seconds * 1_000),
            disk_free_bytes: self.word.disk_free_bytes,
            disk_total_bytes: 100 * GIGABYTE,
        };
        self.stream.0.send(say(wire::up::Message::Heartbeat(heartbeat))).await.unwrap();
    }

    /// Sends everything pushed, and waits until it is held.
    async fn send(&mut self) {
        let batch = self.peer.batch();
        self.stream.0.send(say(wire::up::Message::Batch(batch))).await.unwrap();
        received(&mut self.stream.1, self.peer.frontier.size()).await;
    }
}

struct Stage {
    dir: tempfile::TempDir,
    hub: Arc<Hub>,
    address: String,
    units: Vec<String>,
}

impl Stage {
    async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_hub(&dir.path().join("hub")).unwrap();
        let hub = Hub::open(&dir.path().join("hub"), catalogue().unwrap(), &LedgerOptions::default(), clock)
            .unwrap();
        let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
        let tree = hub.tree();
        let units = tree.iter().filter(|unit| !matches!(unit.kind, UnitKind::Province | UnitKind::Agency));
        let units = units.map(|unit| unit.code.to_string()).collect();
        Self { dir, hub, address, units }
    }

    async fn enrolled(&self, unit: &str) -> NodeIdentity {
        let folder = self.dir.path().join(unit);
        std::fs::create_dir_all(&folder).unwrap();
        identity::enrol(&folder, &self.address, &token(&self.hub, unit).unwrap()).await.unwrap();
        NodeIdentity::load(&folder).unwrap().unwrap()
    }

    fn again(&self, unit: &str) -> NodeIdentity {
        NodeIdentity::load(&self.dir.path().join(unit)).unwrap().unwrap()
    }

    async fn greeted(&self, peer: Peer) -> Node {
        let (up, mut down) = peer.dial(8).await;
        let hello = wire::Hello { clock_millis: clock().0, ..peer.hello() };
        up.send(say(wire::up::Message::Hello(hello))).await.unwrap();
        let welcome = down.message().await.unwrap().unwrap();
        assert!(matches!(welcome.message, Some(wire::down::Message::Welcome(_))), "{welcome:?}");
        Node { peer, stream: (up, down), word: Word::default() }
    }

    /// A member of a unit; `wrong` is born in another year than the number says.
    fn push_member(&self, node: &mut Node, number: &str, name: &str, born: i32) {
        let unit: UnitCode = node.peer.identity.profile().unit.clone();
        let text = |text: &str| Value::Text(text.to_owned());
        let code = |code: &str| Value::Code(code.to_owned());
        let fields = [
            ("_unit", Value::Unit(unit.clone())),
            ("so_cccd", text(number)),
            ("ho_ten", text(name)),
            ("ngay_sinh", Value::Date(born)),
            ("gioi_tinh", code("NAM")),
            ("ngay_vao_dang", Value::Date(9_500)),
            ("chi_bo", text("Chi bộ 1")),
            ("ma_xa", Value::Unit(unit)),
            ("dien_quan_ly", code("CHIBO")),
            ("tinh_trang", code("DU_BI")),
        ];
        let write = |(path, value): (&str, Value)| Write {
            path: path.to_owned(),
            value,
            context: Context::default(),
        };
        let mut change = node.peer.change(fields.map(write).into());
        let key = [number.to_owned()];
        change.record = record_id(&self.hub.secrets.provincial_key, "dang_vien", None, &key);
        node.peer.push_change(&change);
    }

    async fn call(&self, unit: &str, name: &str, phone: &str) {
        let (unit, name, phone) = (unit.parse().unwrap(), name.to_owned(), phone.to_owned());
        let request = Request::UnitContact { unit, name, phone, actor: "test".to_owned() };
        at_hub(&self.hub, request).await;
    }

    /// Waits until every unit fits.
    async fn until(&self, what: &str, fits: impl Fn(&UnitStatus) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let units = tokio::task::block_in_place(|| self.hub.units());
            let Some(other) = units.iter().find(|status| !fits(status)) else { return };
            assert!(Instant::now() < deadline, "{what}: {other:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn reader(&self) -> Reader {
        let pages = self.hub.serve_web("https://127.0.0.1:0").await.unwrap();
        let (hub, seed) = (&self.hub, Seed::random());
        hub.accounts.add("lan", vec![AccountRole::Operator], None, Some(PASSWORD), hub.now()).unwrap();
        let before = UnixMillis(hub.now().0 - 60_000);
        let code = |at| format!("{:06}", seed.code(step_at(at)));
        hub.accounts.enrol_code("lan", &seed, &code(before), before).unwrap();
        let mut reader = Reader::new(hub, pages);
        reader.sign_in("lan", PASSWORD).await;
        let done = reader.fill("/sign-in/code", "/sign-in/code", &[("code", &code(hub.now()))]).await;
        assert_eq!(done.status, 303, "{done:?}");
        reader
    }
}

/// The units the first page says need a person, in its order, with all it says of each.
fn needing(page: &str) -> Vec<(String, String)> {
    let list = page.split("<ol class=\"needing\">").nth(1).unwrap().split("</ol>").next().unwrap();
    let unit = |item: &str| {
        let (_, rest) = item.split_once("href=\"/units/").unwrap();
        (rest.split('"').next().unwrap().to_owned(), item.to_owned())
    };
    list.split("<li class=\"severity").skip(1).map(unit).collect()
}

/// Nodes by their unit, and the units in trouble by its name.
type Nodes<'a> = BTreeMap<&'a str, Node>;
type Troubled<'a> = BTreeMap<&'static str, &'a str>;

/// Everybody is enrolled, connected, and has sent a member of its own.
async fn connected<'a>(stage: &'a Stage, troubled: &Troubled<'a>) -> Nodes<'a> {
    // One was enrolled a year ago less twenty days.
    AHEAD.store(-346 * DAY_SECONDS, Ordering::SeqCst);
    let ending = stage.enrolled(troubled["ending"]).await;
    AHEAD.store(0, Ordering::SeqCst);
    let mut nodes = BTreeMap::from([(troubled["ending"], stage.greeted(Peer::of(ending)).await)]);
    for unit in stage.units.iter().map(String::as_str).filter(|unit| *unit != troubled["ending"]) {
        let peer = Peer::of(stage.enrolled(unit).await);
        nodes.insert(unit, stage.greeted(peer).await);
    }
    let (surnames, given) = (
        "Nguyễn Trần Lê Phạm Hoàng Phan Vũ Đặng Bùi Đỗ Hồ Ngô",
        "An Bình Cường Dũng Giang Hải Khoa Long Minh",
    );
    let names =
        surnames.split(' ').flat_map(|first| given.split(' ').map(move |last| format!("{first} Văn {last}")));
    for ((place, node), name) in (0..).zip(nodes.values_mut()).zip(names) {
        stage.push_member(node, &format!("033070{place:06}"), &name, 3 * place);
        node.send().await;
    }
    nodes
}

/// What is to happen happens; the one that falls silent stays connected as long as it is kept.
async fn planted(stage: &Stage, troubled: &Troubled<'_>, nodes: &mut Nodes<'_>) -> Node {
    nodes.get_mut(troubled["full"]).unwrap().word.disk_free_bytes = 2 * GIGABYTE;
    nodes.get_mut(troubled["slow"]).unwrap().word.clock_off_seconds = -3_600;

    // Another person of the same number: it waits for somebody to look at the papers.
    let first = nodes.keys().position(|unit| *unit == troubled["silent"]).unwrap();
    let node = nodes.get_mut(troubled["growing"]).unwrap();
    stage.push_member(node, &format!("033070{first:06}"), "Trần Thị Bình", 400);
    node.send().await;
    // One person under eight numbers, born in another year than all of them say.
    let node = nodes.get_mut(troubled["dirty"]).unwrap();
    for place in 0..8 {
        stage.push_member(node, &format!("0330709{place:05}"), "Lê Văn Bẩn", 9_000);
    }
    node.send().await;

    // It had more than it has now.
    let mut node = nodes.remove(troubled["regressed"]).unwrap();
    stage.push_member(&mut node, "033070800001", "Tô Văn Một", 301);
    node.send().await;
    let old = Peer::of(stage.again(troubled["regressed"]));
    let (up, mut down) = old.dial(8).await;
    up.send(say(wire::up::Message::Hello(old.hello()))).await.unwrap();
    ended(&mut down).await;
    // Two machines write on from one folder.
    let mut node = nodes.remove(troubled["clone"]).unwrap();
    let mut copy = Peer::of(stage.again(troubled["clone"]));
    copy.frontier = Frontier::clone(&node.peer.frontier);
    let mut copy = stage.greeted(copy).await;
    stage.push_member(&mut node, "033070800002", "Mạc Văn Hai", 302);
    node.send().await;
    stage.push_member(&mut copy, "033070800003", "Mai Văn Ba", 303);
    copy.beat().await;
    ended(&mut copy.stream.1).await;
    // It has entries it never sends.
    let node = nodes.get_mut(troubled["lagging"]).unwrap();
    for number in 0..3 {
        node.peer.push(Peer::writes(troubled["lagging"], number.to_string()));
    }
    drop(nodes.remove(troubled["gone"]));
    let silent = nodes.remove(troubled["silent"]).unwrap();
    silent.beat().await;
    silent
}

/// Minutes pass, and everybody says so who can.
async fn passed(stage: &Stage, troubled: &Troubled<'_>, nodes: &Nodes<'_>) {
    for minutes in [0, 6] {
        AHEAD.store(minutes * 60, Ordering::SeqCst);
        for node in nodes.values() {
            node.beat().await;
        }
        let since = Some(UnixMillis(clock().0 - 60_000));
        let heard = |status: &UnitStatus| {
            let unit = status.unit.as_str();
            let lags = unit != troubled["lagging"] || status.lag == Some(3);
            lags && (!nodes.contains_key(unit) || status.last_seen >= since)
        };
        stage.until("heard", heard).await;
        let late =
            stage.hub.units().into_iter().find(|status| status.lag.is_some_and(|lag| lag > 0)).unwrap();
        assert_eq!((late.lag, late.attention.is_empty()), (Some(3), minutes == 0), "it may be on its way");
    }
    let gone = |status: &UnitStatus| status.unit.as_str() != troubled["gone"] || status.state == "offline";
    stage.until("gone", gone).await;
    stage.hub.committer.flush().await;
    tokio::task::block_in_place(|| stage.hub.quality.settle()).unwrap();
}

/// Goal: the done-when of the province's page. Method: 108 nodes of our own making greet a hub over real TLS and say
/// what honest nodes say; to ten of them one thing each happens. Then the first page has just these, worst first, each
/// with why and whom to call.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_lists_just_who_needs_a_person_worst_first_with_why_and_whom_to_call() {
    let stage = Stage::set().await;
    assert_eq!(stage.units.len(), 108);
    let names =
        ["silent", "gone", "lagging", "regressed", "clone", "ending", "growing", "dirty", "full", "slow"];
    let troubled: Troubled<'_> =
        names.into_iter().zip(stage.units.iter().step_by(9).map(String::as_str)).collect();
    for (number, (name, unit)) in troubled.iter().enumerate() {
        stage.call(unit, &format!("Người của {name}"), &format!("0221 3 000 {number:03}")).await;
    }
    let mut nodes = connected(&stage, &troubled).await;
    let _silent = planted(&stage, &troubled, &mut nodes).await;
    passed(&stage, &troubled, &nodes).await;

    // Looked at all at once it is as looked at one by one.
    let (quality, units) = (&stage.hub.quality, stage.hub.units());
    let defects: u64 = units.iter().filter_map(|status| status.defects).sum();
    assert!(defects >= 8, "{defects}");
    for status in &units {
        let day = quality.today();
        assert_eq!(status.defects, quality.open_defects(&status.unit, day).unwrap());
        assert_eq!(status.score, quality.unit_score(&status.unit, status.seen, day).unwrap(), "{status:?}");
    }
    let page = stage.reader().await.get("/").await;
    let listed = needing(&page.body);
    let expected = [
        ("regressed", "nhật ký mâu thuẫn"),
        ("clone", "nhật ký mâu thuẫn"),
        ("lagging", "còn 3 mục chưa về tỉnh"),
        ("silent", "im lặng"),
        ("gone", "mất kết nối"),
        ("full", "đĩa của máy còn trống 2 %"),
        ("growing", "1 thay đổi chưa nhập được, thêm 1 trong 24 giờ"),
        ("ending", "chứng thư của máy còn 1"),
        ("dirty", "dữ liệu chưa sạch"),
        ("slow", "đồng hồ máy chậm 60 phút"),
    ];
    let said: Vec<(&str, &str)> = listed
        .iter()
        .map(|(unit, said)| {
            let name =
                troubled.iter().find(|(_, known)| *known == unit).map_or(unit.as_str(), |(name, _)| name);
            (name, said.split("<ul class=\"reasons\">").nth(1).unwrap().split("</ul>").next().unwrap())
        })
        .collect();
    let order: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
    assert_eq!(order, expected.map(|(name, _)| name), "{said:#?}");
    for ((name, why), (_, reasons)) in expected.into_iter().zip(&said) {
        assert!(reasons.contains(why), "{name}: {reasons}");
        assert_eq!(reasons.matches("<li>").count(), 1, "{name}: {reasons}");
    }
    for ((_, item), name) in listed.iter().zip(order) {
        let number = troubled.keys().position(|known| *known == name).unwrap();
        assert!(item.contains(&format!("Người của {name}")), "{item}");
        assert!(item.contains(&format!("href=\"tel:02213000{number:03}\"")), "{item}");
    }
    stage.hub.close().await;
}
