//! What may not enter the system is nowhere in it, and no field's value is in what programs say of themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use lienthong_node::dataset::Payload;
use lienthong_node::log::LogReader;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_proto::batch;
use lienthong_proto::ids::Sequence;
use lienthong_tests::asking::{at_node, import};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use parking_lot::Mutex;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

const UNIT: &str = "11953";
/// The class that never enters: the sender of a letter, as a column, an object's field, and one of a wrong row.
const FORBIDDEN: [&str; 4] = ["CANARYSENDERONE", "CANARYPHONETWO", "CANARYSENDERTHREE", "CANARYSENDERFOUR"];
/// What is stored and shown to who may see it, and told to nobody else.
const KEPT: [&str; 3] = ["CANARYSUBJECT", "CANARYBODY", "CANARYNUMBER"];

/// Everything the programs say of themselves.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Every byte of a folder's files, as they stand there.
fn walk(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            walk(&path, look);
        } else if path.is_file() {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}

/// Every entry of a log, its batches opened.
fn opened(reader: &LogReader) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in reader.clone().scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) => all.extend_from_slice(entry),
            Payload::Batch(packed) => all.extend(batch::unpack(packed).unwrap()),
            Payload::Accepted { entry, packed } => {
                all.extend_from_slice(entry);
                all.extend(batch::unpack(packed).unwrap());
            }
        }
    }
    all
}

/// Goal (T46, T47): a sender's name and number, given by sheet and by object, in good rows and bad ones, are on no disk of
/// node or hub, in no answer and no trace; what may be kept is in the logs, and in no trace and no metric. Method: traces at
/// their most talkative, every file walked, every batch opened.
#[tokio::test(flavor = "multi_thread")]
async fn t46_t47_canaries_are_nowhere_they_may_not_be() {
    let said = Said::default();
    let traces =
        tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(said.clone());
    traces.init();
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let sheets = tempfile::tempdir().unwrap();
    let sheet = format!(
        "Mã đơn,Ngày nhận,Loại đơn,Người gửi,Liên hệ người gửi,Đối tượng,Nội dung,Lĩnh vực,Mã xã,Thẩm quyền,Cơ quan giải quyết,Tình trạng,Nặc danh\n\
         {},02/09/2026,TO_CAO,{},{},{},Việc thu chi,LV04,{UNIT},CUA_TA,{},DANG_XU_LY,không\n\
         X2,hôm qua,TO_CAO,{},,Ông B,Việc khác,LV04,{UNIT},CUA_TA,UBKT,DANG_XU_LY,không\n",
        KEPT[2], FORBIDDEN[0], FORBIDDEN[1], KEPT[0], KEPT[1], FORBIDDEN[2]
    );
    let report = import(&node, sheets.path(), "don_thu", &sheet).await;
    assert_eq!((&report["created"], &report["rejected"]), (&json!(1), &json!(1)), "{report:#}");
    let put = RecordsRequest::Put {
        values: vec![json!({ "ma_don": "X3", "nguoi_gui": FORBIDDEN[3], "loai_don": "TO_CAO" })],
        record_type: "don_thu".to_owned(),
        author: "lan".to_owned(),
        english: true,
    };
    let answer = at_node(&node, Request::Records(put)).await;
    acknowledged(&node).await.unwrap();
    hub.committer.flush().await;
    let logs = [opened(node.replica.reader()), opened(&hub.reader)];
    node.close().await;
    hub.close().await;
    for word in FORBIDDEN {
        assert!(
            !has(report.to_string().as_bytes(), word) && !has(answer.to_string().as_bytes(), word),
            "{word}"
        );
        assert!(logs.iter().all(|log| !has(log, word)), "{word} is in a log");
        walk(dir.path(), &mut |path, bytes| assert!(!has(bytes, word), "{word} is in {}", path.display()));
    }
    for word in KEPT {
        assert!(logs.iter().all(|log| has(log, word)), "{word} is kept");
    }
    let said = said.0.lock();
    assert!(has(&said, "TRACE") || has(&said, "DEBUG"), "traces are talkative");
    for word in FORBIDDEN.iter().chain(&KEPT) {
        assert!(!has(&said, word), "{word} is in a trace");
    }
}
