//! What is said of a row for what stands beside it: other rows, and the records that are held.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::service::Request;
use lienthong_node::app::Node;
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_tests::asking::{at_hub, at_node, until};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use serde_json::{Value as Json, json};

const UNIT: &str = "11953";

/// Whoever takes sheets in.
enum Desk {
    Commune(Arc<Node>),
    Province(Arc<Hub>),
}

impl Desk {
    async fn import(&self, folder: &Path, record_type: &str, text: &str, dry_run: bool) -> Json {
        let path: PathBuf = folder.join("sheet.csv");
        std::fs::write(&path, text).unwrap();
        let (record_type, author) = (record_type.to_owned(), "lan".to_owned());
        let request =
            RecordsRequest::Import { path, record_type, dry_run, rows: false, author, english: false };
        match self {
            Self::Commune(node) => at_node(node, NodeRequest::Records(request)).await,
            Self::Province(hub) => at_hub(hub, Request::Records(request)).await,
        }
    }

    /// The rows a class is said of, and the words.
    async fn said(&self, folder: &Path, record_type: &str, text: &str, class: &str) -> Vec<(u64, String)> {
        let dry = said(&self.import(folder, record_type, text, true).await, class);
        let report = self.import(folder, record_type, text, false).await;
        assert_eq!(report["rejected"], 0, "{report:#}");
        assert_eq!(dry, said(&report, class), "a dry run says the same");
        dry
    }
}

fn said(report: &Json, class: &str) -> Vec<(u64, String)> {
    let warnings = report["warnings"].as_array().unwrap().iter().filter(|found| found["rule"] == class);
    let one = |found: &Json| (found["row"].as_u64().unwrap(), found["message"].as_str().unwrap().to_owned());
    warnings.map(one).collect()
}

fn rows(said: &[(u64, String)]) -> Vec<u64> {
    said.iter().map(|(row, _)| *row).collect()
}

const MEMBERS: &str = "Số CCCD,Họ và tên,Ngày sinh\n";

/// Goal: two people of one name and birth date are said to be so, within a file and against what is held, and no one
/// of themselves; the province learns how many.
#[tokio::test(flavor = "multi_thread")]
async fn namesakes_are_said() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    node.start_sync(brisk());
    let desk = Desk::Commune(Arc::clone(&node));
    let sheet = format!(
        "{MEMBERS}033080000001,Nguyễn Văn Hòa,05/01/1980\n033080000002,NGUYỄN VĂN HOÀ,5-1-1980\n\
         033080000003,Nguyễn Văn Hoa,05/01/1980\n033081000004,Nguyễn Văn Hòa,05/01/1981\n"
    );
    let found = desk.said(dir.path(), "dang_vien", &sheet, "HOMONYM").await;
    assert_eq!(rows(&found), [3]);
    assert!(found[0].1.contains("so với dòng 2") && found[0].1.contains("là một người thì gộp"), "{found:?}");

    node.replica.flush_blocking();
    node.quality.settle().unwrap();
    let held =
        format!("{MEMBERS}033081000005,Nguyễn Văn Hòa,05/01/1981\n033080000003,Nguyễn Văn Hoa,05/01/1980\n");
    let found = desk.said(dir.path(), "dang_vien", &held, "HOMONYM").await;
    assert_eq!(rows(&found), [2]);
    assert!(found[0].1.contains("so với bản ghi đã có"), "{found:?}");

    acknowledged(&node).await.unwrap();
    let shown = async || at_hub(&hub, Request::UnitShow { unit: UNIT.parse().unwrap() }).await;
    let arrived = |body: &Json| body["imports"].as_array().map(Vec::len) == Some(2);
    let body = until("the imports", shown, arrived).await;
    assert!(
        body["imports"].as_array().unwrap().iter().all(|line| line["reasons"]["HOMONYM"] == 1),
        "{body:#}"
    );
}

/// Goal: a row that says one thing and another is said to, as judging its record will say; not where what it leaves out is in the
/// record.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_says_against_itself_is_said() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    let desk = Desk::Commune(Arc::clone(&node));
    let sheet = "Mã cuộc;Trạng thái;Ngày quyết định;Ngày triển khai;Ngày kết luận\n\
                 C1;DA_KET_LUAN;01/03/2026;05/03/2026;\n\
                 C2;DANG_TRIEN_KHAI;05/03/2026;01/03/2026;\n\
                 C3;DA_KET_LUAN;01/03/2026;05/03/2026;20/03/2026\n";
    let dated = desk.said(dir.path(), "cuoc_kiem_tra", sheet, "DATE_ORDER").await;
    assert_eq!(rows(&dated), [3], "{dated:?}");
    // Taken in again it is no less so.
    let again = said(&desk.import(dir.path(), "cuoc_kiem_tra", sheet, false).await, "STATE_INCONSISTENT");
    assert_eq!(rows(&again), [2], "{again:?}");
    let next = "Mã cuộc;Trạng thái\nC1;DANG_THEO_DOI\nC3;DANG_THEO_DOI\n";
    let stated = desk.said(dir.path(), "cuoc_kiem_tra", next, "STATE_INCONSISTENT").await;
    assert_eq!(rows(&stated), [2], "{stated:?}");
    node.replica.flush_blocking();
    node.quality.settle().unwrap();
    let defects = at_node(&node, NodeRequest::Defects { record_type: None, page: Page::default() }).await;
    let items = defects["items"].as_array().unwrap();
    let found: Vec<&Json> = items.iter().flat_map(|item| item["defects"].as_array().unwrap()).collect();
    let broken = |rule: &str| found.iter().filter(|defect| defect["rule"] == rule).count();
    assert_eq!((broken("CKT_THU_TU_NGAY"), broken("CKT_TRANG_THAI")), (1, 1), "{defects:#}");
}

/// Goal: a letter much like another is said to be so unless it names its first; one that nobody signs is said too.
#[tokio::test(flavor = "multi_thread")]
async fn letters_alike_and_unsigned_are_said() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    let desk = Desk::Commune(Arc::clone(&node));
    let text = "cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2024, thu tiền không có biên lai";
    let head = "Mã đơn;Đối tượng;Nội dung;Ẩn danh;Đơn gốc\n";
    let sheet = format!(
        "{head}D1;Chủ tịch phường;Chủ tịch phường {text};không;\n\
         D2;Chủ tịch phường;Ông chủ tịch phường {text};có;\n\
         D3;Chủ tịch phường;Chủ tịch phường {text};;D1\n\
         D4;Kế toán;Kế toán trường học chi sai tiền quỹ lớp nhiều năm liền không họp phụ huynh;;\n"
    );
    let report = desk.import(dir.path(), "don_thu", &sheet, true).await;
    let unsigned = said(&report, "ANONYMOUS");
    assert_eq!(rows(&unsigned), [3], "{report:#}");
    assert!(unsigned[0].1.contains("lập dấu hiệu vi phạm"), "{unsigned:?}");
    let found = desk.said(dir.path(), "don_thu", &sheet, "POSSIBLE_SAME_LETTER").await;
    assert_eq!(rows(&found), [3]);
    assert!(found[0].1.contains("so với dòng 2") && found[0].1.contains("ghi đơn gốc"), "{found:?}");

    node.replica.flush_blocking();
    node.quality.settle().unwrap();
    let held = format!("{head}D9;Chủ tịch phường;Chủ tịch phường {text};;\nD4;Kế toán;khác hẳn nội dung;;\n");
    let found = desk.said(dir.path(), "don_thu", &held, "POSSIBLE_SAME_LETTER").await;
    assert_eq!(rows(&found), [2], "{found:?}");
}

/// Goal: a reference that leads nowhere is said where that is known, and the row is taken all the same. Method: a commune,
/// which knows its own letters, also those further below, and not whose every citizen number is; and the province, which
/// does.
#[tokio::test(flavor = "multi_thread")]
async fn references_that_lead_nowhere_are_said_where_it_is_known() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), UNIT).await.unwrap();
    let desk = Desk::Commune(Arc::clone(&node));
    let letters = "Mã đơn,Đơn gốc\nD3,D1\nD2,D8\nD1,\n";
    let found = desk.said(dir.path(), "don_thu", letters, "REF_UNKNOWN").await;
    assert_eq!(rows(&found), [3]);
    assert!(found[0].1.contains("“Đơn khiếu nại, tố cáo”"), "{found:?}");

    let signs = "Mã dấu hiệu,Đơn thư\nH1,D1\nH2,D7\n";
    let report = desk.import(dir.path(), "dau_hieu", signs, false).await;
    assert_eq!(rows(&said(&report, "REF_UNKNOWN")), [3], "{report:#}");
    assert_eq!((&report["created"], &report["rejected"]), (&json!(2), &json!(0)));

    let posts = "Số CCCD đảng viên,Đơn vị,Từ ngày\n033080000001,11953,1/1/2026\n";
    let report = desk.import(dir.path(), "can_bo", posts, false).await;
    assert_eq!(rows(&said(&report, "REF_UNKNOWN")), Vec::<u64>::new(), "{report:#}");

    let desk = Desk::Province(Arc::clone(&hub));
    let found = desk.said(dir.path(), "can_bo", posts, "REF_UNKNOWN").await;
    assert_eq!(rows(&found), [2]);
    let members = format!("{MEMBERS}033080000001,Nguyễn Văn Hòa,05/01/1980\n");
    assert_eq!(desk.import(dir.path(), "dang_vien", &members, false).await["created"], 1);
    assert_eq!(desk.said(dir.path(), "can_bo", posts, "REF_UNKNOWN").await, []);

    // A declaration is named as a sheet names it: whose, of which year, of which kind.
    let declared = "Số CCCD đảng viên,Năm kê khai,Loại kê khai\n033 080 000 001,2025,Hằng năm\n";
    assert_eq!(desk.import(dir.path(), "ke_khai", declared, false).await["created"], 1);
    let verified = "Số CCCD đảng viên,Bản kê khai,Kế hoạch\n\
        033080000001,033.080.000.001 | 2025 | Hằng năm,03-KH/UBKT\n033080000001,033080000001|2024|HANG_NAM,03-KH/UBKT\n";
    assert_eq!(rows(&desk.said(dir.path(), "xac_minh_ts", verified, "REF_UNKNOWN").await), [3]);
}
