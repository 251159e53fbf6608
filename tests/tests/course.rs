//! A record's course across units: an illegal step made offline is a defect at the province and at the unit, never a
//! silent overwrite; what is locked opens again only with a reason.

#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::dataset::Dataset;
use lienthong_node::quality::Keeper;
use lienthong_node::replica::{Draft, Intent, key_id};
use lienthong_proto::catalogue::Severity;
use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_node, reopened};

const UNIT: &str = "11953";

/// What the test looks at, at either end.
struct End<'a> {
    dataset: &'a Dataset,
    quality: &'a Keeper,
}

impl<'a> End<'a> {
    fn hub(hub: &'a Hub) -> Self {
        Self { dataset: &hub.dataset, quality: &hub.quality }
    }

    fn node(node: &'a Node) -> Self {
        Self { dataset: node.replica.dataset(), quality: &node.quality }
    }

    fn shown(&self, of: &Of, field: &str) -> Option<String> {
        let record = self.dataset.record(&catalogue().unwrap(), of.record_type, of.id).unwrap()?;
        record.shown(field).map(Value::to_text)
    }

    /// The live values of a field that leave something to decide.
    fn open(&self, of: &Of, field: &str) -> Vec<String> {
        let record = self.dataset.record(&catalogue().unwrap(), of.record_type, of.id).unwrap();
        let conflicts = record.map(|record| record.conflicts()).unwrap_or_default();
        let siblings = conflicts.iter().filter(|conflict| conflict.field == field).flat_map(|c| &c.siblings);
        let mut values: Vec<String> =
            siblings.map(|sibling| sibling.value.as_str().unwrap_or_default().to_owned()).collect();
        values.sort_unstable();
        values
    }

    /// The rules of its course that a record breaks.
    fn broken(&self, of: &Of) -> Vec<String> {
        self.quality.settle().unwrap();
        let (sorted, _) = self.quality.defects(of.record_type, of.id, self.quality.today()).unwrap();
        let book = self.quality.book().unwrap();
        let course = catalogue().unwrap().record_type(of.record_type).unwrap().course.clone().unwrap();
        let mut broken = Vec::new();
        for defect in sorted.counted {
            let rule = book.rule(defect.rule);
            if course.rules().any(|own| own == rule.id) {
                assert_eq!((defect.severity, defect.dimension.name()), (Severity::Error, "dung"));
                broken.push(rule.id.clone());
            }
        }
        broken
    }
}

/// A record, and what keys it.
struct Of {
    record_type: &'static str,
    id: RecordId,
    key: Vec<(&'static str, Value)>,
}

impl Of {
    fn new(hub: &Hub, record_type: &'static str, key: &[(&'static str, Value)]) -> Self {
        let declared = hub.catalogue.record_type(record_type).unwrap();
        let text = key.iter().map(|(_, value)| value.to_text()).collect::<Vec<_>>().join("|");
        let id = key_id(&hub.secrets.provincial_key, declared, &UNIT.parse().unwrap(), &text);
        Self { record_type, id, key: key.to_vec() }
    }

    fn states(&self, fields: &[(&str, Value)]) -> Vec<Draft> {
        let mut values = BTreeMap::new();
        for (path, value) in self.key.iter().chain(fields) {
            values.insert((*path).to_owned(), value.clone());
        }
        vec![Draft {
            record_type: self.record_type.to_owned(),
            owner: UNIT.parse().unwrap(),
            values,
            intent: Intent::Assert,
            author: "lan".to_owned(),
        }]
    }
}

fn state(code: &str) -> (&'static str, Value) {
    ("trang_thai", Value::Code(code.to_owned()))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Waits until something is as wanted.
async fn until<T: PartialEq + std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> T, wanted: T) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = ask();
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn write(node: &Node, drafts: Vec<Draft>) {
    for written in node.write(drafts).await {
        written.unwrap();
    }
}

async fn province_writes(hub: &Hub, drafts: Vec<Draft>) {
    for written in hub.committer.write(drafts).await {
        written.unwrap();
    }
}

/// Two machines of one commune, the second of which only listens.
async fn commune(hub: &Hub, address: &str, place: &Path) -> (Arc<Node>, Arc<Node>) {
    let one = make_node(hub, address, &place.join("one"), UNIT).await.unwrap();
    let other = make_node(hub, address, &place.join("other"), UNIT).await.unwrap();
    one.start_sync(brisk());
    other.start_sync(brisk());
    (one, other)
}

/// The node goes away and comes back without a line.
async fn offline(node: Arc<Node>, folder: &Path) -> Arc<Node> {
    node.close().await;
    drop(node);
    reopened(|| Ok(Node::open(folder, catalogue()?, system_clock)?))
}

/// Goal (X10): a commune, offline, moves a concluded case back to planned while the province suspends it. At the
/// province both are there, the province's is shown, and the commune's is named as the illegal step it is, at both
/// ends; a decision that saw both ends it.
#[tokio::test(flavor = "multi_thread")]
async fn an_illegal_step_made_offline_is_a_defect_and_overwrites_nothing() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let case = Of::new(&hub, "cuoc_kiem_tra", &[("ma_cuoc", text("KT01"))]);
    let (one, other) = commune(&hub, &address, dir.path()).await;
    write(&one, case.states(&[state("DA_KET_LUAN")])).await;
    acknowledged(&one).await.unwrap();
    until(
        "the other machine hears",
        || End::node(&other).shown(&case, "trang_thai"),
        Some("DA_KET_LUAN".into()),
    )
    .await;
    assert_eq!(End::hub(&hub).broken(&case), [""; 0], "a case may come as concluded");
    let one = offline(one, &dir.path().join("one")).await;
    write(&one, case.states(&[state("KE_HOACH")])).await;
    assert_eq!(End::node(&one).broken(&case), ["CKT_BUOC"], "said where it is made, at once");
    province_writes(&hub, case.states(&[state("TAM_DINH_CHI")])).await;
    assert_eq!(End::hub(&hub).broken(&case), [""; 0]);
    one.start_sync(brisk());
    acknowledged(&one).await.unwrap();
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("named", || end.broken(&case), vec!["CKT_BUOC".to_owned()]).await;
        until(
            "both are there",
            || end.open(&case, "trang_thai"),
            vec!["KE_HOACH".into(), "TAM_DINH_CHI".into()],
        )
        .await;
        assert_eq!(end.shown(&case, "trang_thai").as_deref(), Some("TAM_DINH_CHI"), "the higher authority's");
        assert_eq!(end.dataset.history(case.record_type, case.id).unwrap().len(), 3);
    }
    province_writes(&hub, case.states(&[state("TAM_DINH_CHI")])).await;
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("decided", || end.open(&case, "trang_thai"), Vec::new()).await;
        until("mended", || end.broken(&case), Vec::new()).await;
        assert_eq!(end.dataset.history(case.record_type, case.id).unwrap().len(), 4, "history keeps all");
    }
    one.close().await;
    other.close().await;
    hub.close().await;
}

/// Goal: two states written without sight of each other, both legal, are a conflict and no illegal step; a commune's
/// step back that saw everything is a defect until it is put back.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_states_are_a_conflict_and_a_step_put_back_is_no_defect() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let case = Of::new(&hub, "cuoc_kiem_tra", &[("ma_cuoc", text("KT02"))]);
    let (one, other) = commune(&hub, &address, dir.path()).await;
    write(&one, case.states(&[state("DANG_TRIEN_KHAI")])).await;
    acknowledged(&one).await.unwrap();
    let one = offline(one, &dir.path().join("one")).await;
    write(&one, case.states(&[state("DA_KET_LUAN")])).await;
    province_writes(&hub, case.states(&[state("CHUYEN_CAP_TREN")])).await;
    one.start_sync(brisk());
    acknowledged(&one).await.unwrap();
    let both = vec!["CHUYEN_CAP_TREN".to_owned(), "DA_KET_LUAN".to_owned()];
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("a conflict", || end.open(&case, "trang_thai"), both.clone()).await;
        assert_eq!(end.broken(&case), [""; 0]);
    }
    province_writes(&hub, case.states(&[state("DA_KET_LUAN")])).await;
    until("decided", || End::node(&one).open(&case, "trang_thai"), Vec::new()).await;
    write(&one, case.states(&[state("KE_HOACH")])).await;
    acknowledged(&one).await.unwrap();
    until("named", || End::hub(&hub).broken(&case), vec!["CKT_BUOC".to_owned()]).await;
    write(&one, case.states(&[state("DA_KET_LUAN")])).await;
    acknowledged(&one).await.unwrap();
    until("put back", || End::hub(&hub).broken(&case), Vec::new()).await;
    one.close().await;
    other.close().await;
    hub.close().await;
}

/// Goal: a locked report that is changed by a machine that had not heard of the lock, or opened without a reason, is
/// named with its rule and keeps what was written; opened with a reason it breaks nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_record_opens_with_a_reason_only() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let report =
        Of::new(&hub, "bao_cao_ky", &[("ky", text("Quý I năm 2026")), ("phien_ban", Value::Integer(1))]);
    let (one, other) = commune(&hub, &address, dir.path()).await;
    let hash = |letter: &str| ("ma_bam", text(&letter.repeat(64)));
    write(&one, report.states(&[state("DA_NOP"), hash("a")])).await;
    acknowledged(&one).await.unwrap();
    until(
        "the other machine hears",
        || End::node(&other).shown(&report, "trang_thai"),
        Some("DA_NOP".into()),
    )
    .await;
    let other = offline(other, &dir.path().join("other")).await;
    province_writes(&hub, report.states(&[state("DA_KHOA")])).await;
    until("locked", || End::node(&one).shown(&report, "trang_thai"), Some("DA_KHOA".into())).await;
    write(&other, report.states(&[hash("b")])).await;
    assert_eq!(End::node(&other).broken(&report), [""; 0], "it knows of no lock");
    other.start_sync(brisk());
    acknowledged(&other).await.unwrap();
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("named", || end.broken(&report), vec!["BC_SUA_KHI_KHOA".to_owned()]).await;
        assert_eq!(end.shown(&report, "ma_bam"), Some("b".repeat(64)), "shown, not lost");
    }
    write(&one, report.states(&[hash("a")])).await;
    acknowledged(&one).await.unwrap();
    until("put back", || End::hub(&hub).broken(&report), Vec::new()).await;
    write(&one, report.states(&[state("DA_NOP")])).await;
    acknowledged(&one).await.unwrap();
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("without a reason", || end.broken(&report), vec!["BC_MO_LAI".to_owned()]).await;
    }
    write(&one, report.states(&[state("DA_NOP"), ("ly_do_mo_lai", text("sai số liệu đơn thư"))])).await;
    write(&one, report.states(&[hash("c")])).await;
    acknowledged(&one).await.unwrap();
    for end in [End::hub(&hub), End::node(&one), End::node(&other)] {
        until("with a reason", || end.broken(&report), Vec::new()).await;
        until("open", || end.shown(&report, "ma_bam"), Some("c".repeat(64))).await;
        assert_eq!(end.broken(&report), [""; 0]);
    }
    one.close().await;
    other.close().await;
    hub.close().await;
}
