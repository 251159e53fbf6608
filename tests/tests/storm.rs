//! T28 in its short form: everybody dials at once after the hub was away, each with something to send. Nobody is left
//! out, however many come. The long form is `cargo run --release -p lienthong-tests --bin storm -- 3321`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use lienthong_hub::accept::AcceptLimits;
use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_node::app::system_clock;
use lienthong_proto::catalogue::Catalogue;
use lienthong_tests::fleet::{Fleet, Order, files_enough};
use lienthong_tests::{brisk, corpus, make_hub, reopened, token};

/// A wait that is not over by then has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// As many units as need twice the places for handshakes at once.
const UNITS: usize = 200;
const HANDSHAKES: usize = 8;
/// Records of each unit, before and while the hub is away.
const RECORDS: usize = 2;

async fn opened(folder: &std::path::Path, catalogue: &Arc<Catalogue>, listen: &str) -> (Arc<Hub>, String) {
    let open = || Ok(Hub::open(folder, Arc::clone(catalogue), &LedgerOptions::default(), system_clock)?);
    let hub = reopened(open);
    let limits = AcceptLimits { handshakes_max: HANDSHAKES, ..AcceptLimits::default() };
    let address = hub.listen_within(listen, limits).await.unwrap().to_string();
    (hub, address)
}

/// Goal: after a storm everybody is in step, whoever came first, and the hub holds each record once. Method: many more
/// units than handshakes at once, all told to dial at the same moment; those that were turned away come again by
/// themselves, as the product's client decides.
#[tokio::test(flavor = "multi_thread")]
async fn t28_everybody_is_admitted_after_a_storm() {
    files_enough(UNITS * 3 + 512).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (data, catalogue) = (dir.path().join("hub"), corpus::catalogue(UNITS).unwrap());
    make_hub(&data).unwrap();
    let (hub, address) = opened(&data, &catalogue, "127.0.0.1:0").await;
    let mut fleet = Fleet::default();
    for unit in corpus::communes(&catalogue).into_iter().take(UNITS) {
        let token = token(&hub, unit.as_str()).unwrap();
        fleet.enrol(dir.path(), &address, &token, (33, brisk())).await.unwrap();
    }
    let write = |fleet: &mut Fleet| {
        tokio::task::block_in_place(|| fleet.write(&catalogue, UNITS * RECORDS)).unwrap();
    };
    write(&mut fleet);
    fleet.order(Order::Send).await.unwrap();
    fleet.order(Order::Dial).await.unwrap();
    fleet.acknowledged(PATIENCE, &|_| {}).await.unwrap();

    hub.close().await;
    drop(hub);
    write(&mut fleet);
    fleet.order(Order::Send).await.unwrap();
    let (hub, _) = opened(&data, &catalogue, &address).await;
    fleet.order(Order::Dial).await.unwrap();
    fleet.acknowledged(PATIENCE, &|_| {}).await.unwrap();
    assert_eq!(fleet.size(), (2 * UNITS * RECORDS) as u64);
    assert_eq!(hub.dataset.totals().records, fleet.size());
    {
        let books = hub.committer.books().read();
        assert_eq!((books.quarantine.len(), books.replicas.len()), (0, UNITS));
    }
    hub.close().await;
}
