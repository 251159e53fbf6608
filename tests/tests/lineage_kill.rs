//! P1 for units that merge: the hub is killed (-9) while records move; what was begun is finished at the next start or
//! by the same command, each record once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::app::Hub;
use lienthong_hub::demo::{Daemon, once};
use lienthong_hub::service::{Asked, Reorganisation, Request};
use lienthong_node::control::Connection;
use lienthong_node::service::RecordsRequest;
use lienthong_proto::lineage::StepKind;
use lienthong_proto::value::date_text;
use lienthong_tests::{make_hub, open_hub, reopened};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const HERE: &str = "11953";
const THERE: &str = "12004";
const TYPE: &str = "dang_vien";
const RECORDS: usize = 2_000;
const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"];

fn merge(apply: bool) -> Request {
    Request::Reorganise(Reorganisation {
        kind: StepKind::Merge,
        from: vec![HERE.parse().unwrap()],
        to: vec![THERE.parse().unwrap()],
        names: BTreeMap::new(),
        unit_kind: None,
        rest: None,
        shares: Vec::new(),
        map: Vec::new(),
        on: date_text(lienthong_node::app::system_clock().day()),
        reason: "QĐ 12-QĐ/TU".to_owned(),
        apply,
        actor: String::new(),
    })
}

fn member(n: usize) -> Json {
    json!({
        "so_cccd": format!("0330750{n:05}"), "ho_ten": "Nguyễn Văn An", "ngay_sinh": "1975-05-06",
        "gioi_tinh": "NAM", "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": HERE,
        "dien_quan_ly": "CHIBO", "tinh_trang": "CHINH_THUC",
    })
}

/// An account that may reorganise units, and the records there are to move.
async fn prepare(hub: &Daemon) -> Credentials {
    let password = "mật khẩu rất dài".to_owned();
    let steward = Request::UserAdd {
        name: "minh".to_owned(),
        roles: vec![AccountRole::Steward],
        uid: None,
        password: Some(password.clone()),
        actor: String::new(),
    };
    assert_eq!(hub.ask(&steward).await.unwrap().exit, 0);
    for first in (0..RECORDS).step_by(500) {
        let put = RecordsRequest::Put {
            values: (first..first + 500).map(member).collect(),
            record_type: TYPE.to_owned(),
            author: String::new(),
            english: true,
        };
        let taken = hub.ask(&Request::Records(put)).await.unwrap();
        assert_eq!(taken.body["created"], 500, "{}", taken.body);
    }
    Credentials { user: "minh".to_owned(), password, code: None }
}

/// How many records are whose, and by how many steps they went.
fn owners(hub: &Arc<Hub>) -> BTreeMap<(String, usize), usize> {
    let mut counts = BTreeMap::new();
    let mut after = None;
    loop {
        let page = hub.dataset.page(TYPE, after, 500).unwrap();
        let Some((last, _)) = page.last() else { return counts };
        after = Some(*last);
        for (id, state) in &page {
            let passages = hub.dataset.passages(state).unwrap();
            let changes = hub.dataset.history(TYPE, *id).unwrap().len();
            assert_eq!(changes, 1 + passages.len(), "one change for each step");
            *counts.entry((state.owner().unwrap().to_string(), passages.len())).or_default() += 1;
        }
    }
}

/// Goal: killed half way, nothing is moved twice and nothing is left: the repeated command goes on, says it is the
/// same step, and the ledger is whole. Method: the process is killed at the first word of progress; then the folder is
/// looked at, a new process is given the same command, and everything is counted.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_merge_killed_half_way_is_finished_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    std::fs::create_dir(&data).unwrap();
    make_hub(&data).unwrap();
    let mut hub = Daemon::start(Path::new(PROGRAM), &SERVE, &data).await.unwrap();
    let steward = prepare(&hub).await;
    let asked = |request| Asked { credentials: Some(steward.clone()), request };
    // Without the role nothing happens.
    let refused = hub.ask(&merge(true)).await.unwrap();
    assert!(
        refused.exit == 1 && refused.body["error"].as_str().unwrap().contains("Reorganise"),
        "{}",
        refused.body
    );
    let pid = Pid::from_raw(hub.pid().unwrap().cast_signed()).unwrap();
    let mut connection = Connection::open(&data).await.unwrap().unwrap();
    let mut hear = |_: Json| {
        let _ = kill_process(pid, Signal::KILL);
    };
    assert!(connection.ask_hearing(&asked(merge(true)), &mut hear).await.is_err(), "it was cut off");
    hub.kill().await.unwrap();
    let looked = reopened(|| open_hub(&data));
    let half = owners(&looked);
    let (left, moved) = (half[&(HERE.to_owned(), 0)], half[&(THERE.to_owned(), 1)]);
    assert!(left > 0 && moved > 0 && left + moved == RECORDS, "{half:?}");
    looked.close().await;
    drop(looked);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut again = loop {
        match Daemon::start(Path::new(PROGRAM), &SERVE, &data).await {
            Ok(started) => break started,
            Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
        }
    };
    let answer = again.ask(&asked(merge(true))).await.unwrap();
    assert_eq!(
        (&answer.body["already"], &answer.body["state"], &answer.body["records"]),
        (&true.into(), &"done".into(), &RECORDS.into()),
        "{}",
        answer.body
    );
    let answer = again.ask(&asked(merge(true))).await.unwrap();
    assert_eq!(answer.body["moved"], 0);
    again.stop().await.unwrap();
    let (judged, code) = once(Path::new(PROGRAM), &["check"], &data).await.unwrap();
    assert_eq!(code, 0, "{judged}");
    let looked = reopened(|| open_hub(&data));
    assert_eq!(owners(&looked), [((THERE.to_owned(), 1), RECORDS)].into());
    looked.close().await;
}
