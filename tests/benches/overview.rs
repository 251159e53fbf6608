//! What the first page costs the server with as many units as the country has.
//!
//! `cargo bench -p lienthong-tests --bench overview -- [UNITS]` (3,321 by default). Each unit is enrolled, dials over
//! real TLS, sends a record and a heartbeat; one in three stays connected. Printed: milliseconds to look at all units,
//! and to answer for each page over loopback, the median and the worst of twenty.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use lienthong_hub::accounts::AccountRole;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::system_clock;
use lienthong_node::identity::{self, NodeIdentity};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::{Context, Write, record_id};
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use lienthong_tests::browsing::Reader;
use lienthong_tests::peer::{Peer, Stream, received, say};
use lienthong_tests::{make_hub, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PASSWORD: &str = "mật khẩu đủ dài";
const ROUNDS: usize = 20;
const AT_ONCE: usize = 8;

/// The embedded catalogue, with the country's communes for units.
fn catalogue(units: usize) -> (Arc<Catalogue>, Vec<String>) {
    let mut files = Catalogue::embedded_files();
    let mut own = "code,kind,name,old_codes,partial_old_codes\n33,tỉnh,Tỉnh ủy,,\n".to_owned();
    let mut codes = Vec::new();
    for line in files["units/viet_nam.csv"].lines().skip(1).take(units) {
        let cells: Vec<&str> = line.split(',').collect();
        // The special zones are communes here.
        let kind = if cells[2] == "phường" { "phường" } else { "xã" };
        own += &format!("{},{kind},{},,\n", cells[0], cells[1]);
        codes.push(cells[0].to_owned());
    }
    files.insert("units/hung_yen.csv".to_owned(), own);
    files.insert("units/viet_nam.csv".to_owned(), "code,name,kind,province_code,province\n".to_owned());
    (Arc::new(Catalogue::load(files).unwrap()), codes)
}

fn record(hub: &Hub, peer: &Peer, unit: &str, place: usize) -> lienthong_proto::change::Change {
    let number = format!("033070{place:06}");
    let fields = [
        ("_unit", Value::Unit(unit.parse().unwrap())),
        ("so_cccd", Value::Text(number.clone())),
        ("ho_ten", Value::Text(format!("Nguyễn Văn {unit}"))),
        ("ngay_sinh", Value::Date(40)),
        ("ma_xa", Value::Unit(unit.parse().unwrap())),
    ];
    let write =
        |(path, value): (&str, Value)| Write { path: path.to_owned(), value, context: Context::default() };
    let mut change = peer.change(fields.map(write).into());
    change.record = record_id(&hub.secrets.provincial_key, "dang_vien", None, &[number]);
    change
}

async fn unit(hub: &Hub, address: &str, unit: &str, place: usize) -> Option<Stream> {
    let dir = tempfile::tempdir().unwrap();
    identity::enrol(dir.path(), address, &token(hub, unit).unwrap()).await.unwrap();
    let mut peer = Peer::of(NodeIdentity::load(dir.path()).unwrap().unwrap());
    let (up, mut down) = peer.greeted(8).await;
    let change = record(hub, &peer, unit, place);
    peer.push_change(&change);
    up.send(say(wire::up::Message::Batch(peer.batch()))).await.unwrap();
    received(&mut down, 1).await;
    let (checkpoint, clock_millis) = (peer.checkpoint(), system_clock().0);
    let heartbeat = wire::Heartbeat { checkpoint, clock_millis, disk_free_bytes: 50, disk_total_bytes: 100 };
    up.send(say(wire::up::Message::Heartbeat(heartbeat))).await.unwrap();
    place.is_multiple_of(3).then_some((up, down))
}

fn say_times(what: &str, mut times: Vec<Duration>, bytes: usize) {
    times.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (median, worst) = (millis(times[times.len() / 2]), millis(times[times.len() - 1]));
    println!("{what}: {median:.0} ms, worst {worst:.0} ms, {bytes} bytes");
}

#[tokio::main]
async fn main() {
    let units = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(3_321);
    let (dir, (catalogue, codes)) = (tempfile::tempdir().unwrap(), catalogue(units));
    make_hub(&dir.path().join("hub")).unwrap();
    let hub = Hub::open(&dir.path().join("hub"), catalogue, &LedgerOptions::default(), system_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    let begun = Instant::now();
    let streams: Vec<Option<Stream>> = stream::iter(codes.iter().enumerate())
        .map(|(place, code)| unit(&hub, &address, code, place))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    hub.committer.flush().await;
    tokio::task::block_in_place(|| hub.quality.settle()).unwrap();
    println!("{} units set up in {:.0} s", codes.len(), begun.elapsed().as_secs_f64());

    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        tokio::task::block_in_place(|| hub.units());
        begun.elapsed()
    });
    say_times("looking at all units", times.collect(), 0);
    hub.accounts.add("lan", vec![AccountRole::Operator], None, Some(PASSWORD), hub.now()).unwrap();
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap();
    let mut reader = Reader::new(&hub, pages);
    reader.sign_in("lan", PASSWORD).await;
    for page in ["/", "/live", "/units"] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let reply = reader.get(page).await;
            times.push(begun.elapsed());
            assert_eq!(reply.status, 200, "{page}");
            bytes = reply.body.len();
        }
        say_times(page, times, bytes);
    }
    drop(streams);
    hub.close().await;
}
