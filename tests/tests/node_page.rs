//! The node's page through its door, as a browser speaks to it: who is let in, what is shown, what is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use calamine::{Data, Reader as _};
use lienthong_hub::demo::{Daemon, once};
use lienthong_node::app::Node;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_node::web::{self, OfficerRequest, Page, PageRequest, WebLimits};
use lienthong_tests::asking::at_node;
use lienthong_tests::visitor::{Browser, encoded};
use lienthong_tests::{Province, acknowledged, brisk, make_node};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");
const UNIT: &str = "11953";
const KEY: &str = "033075001234";
/// Files beyond this are refused here.
const UPLOAD_BYTES_MAX: u64 = 64 * 1024;
const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Tình trạng,Diện quản lý\n";

struct Stage {
    province: Province,
    node: Arc<Node>,
    address: SocketAddr,
}

impl Stage {
    async fn set(listen: &str) -> Self {
        let province = Province::set().await.unwrap();
        let folder = province.dir.path().join("node");
        let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
        let page = Page::new(&folder, WebLimits { upload_bytes_max: UPLOAD_BYTES_MAX }).unwrap();
        let taken = web::serve(&node, &page, listen.parse().unwrap()).await.unwrap();
        let address = SocketAddr::new([127, 0, 0, 1].into(), taken.port());
        Self { province, node, address }
    }

    /// What `lienthong-node open` prints, as a path.
    async fn link(&self) -> String {
        let open = Request::Page(PageRequest::Open { author: "lan".to_owned() });
        let url = at_node(&self.node, open).await["url"].as_str().unwrap().to_owned();
        url.strip_prefix(&format!("http://{}", self.address)).unwrap().to_owned()
    }

    /// A browser that came by a link.
    async fn browser(&self) -> Browser {
        let mut browser = Browser::new(self.address);
        let opened = browser.get(&self.link().await).await;
        assert_eq!(opened.status, 200, "{}", opened.text());
        browser.keep(&opened);
        browser.csrf = browser.get("/").await.input("csrf");
        browser
    }

    async fn record(&self) -> Json {
        let get = RecordsRequest::Get { record_type: "dang_vien".into(), id: KEY.into(), unit: None };
        at_node(&self.node, Request::Records(get)).await
    }

    async fn put(&self, name: &str, office: &str) -> String {
        let value = json!({
            "so_cccd": KEY, "ho_ten": name, "ngay_sinh": "1975-03-12", "gioi_tinh": "NAM",
            "ngay_vao_dang": "2000-02-03", "chi_bo": "Chi bộ 1", "ma_xa": UNIT, "dien_quan_ly": "CHIBO",
            "tinh_trang": "CHINH_THUC", "chuc_vu": office, "dien_thoai": "0912345678",
        });
        let put = RecordsRequest::Put {
            values: vec![value],
            record_type: "dang_vien".into(),
            author: "test".into(),
            english: true,
        };
        let answer = at_node(&self.node, Request::Records(put)).await;
        assert_eq!(answer["rejected"], 0, "{answer}");
        format!("/records/dang_vien/{}", self.record().await["id"].as_str().unwrap())
    }

    fn log_size(&self) -> u64 {
        self.node.replica.head().borrow().size
    }
}

const PAGES: [&str; 11] = [
    "/",
    "/state",
    "/live",
    "/receipt",
    "/import",
    "/import/x",
    "/import/x/report.xlsx",
    "/templates/dang_vien.xlsx",
    "/defects",
    "/records",
    "/notices",
];

/// Goal: deny by default, and a link that is good once. Method: every page without a session, with a wrong cookie and
/// with one that was signed out; a link twice.
#[tokio::test(flavor = "multi_thread")]
async fn p9_the_page_opens_once_by_its_link_and_shows_nothing_otherwise() {
    let stage = Stage::set("127.0.0.1:0").await;
    let record = stage.put("Nguyễn Văn An", "Bí thư").await;
    let link = stage.link().await;
    let mut browser = Browser::new(stage.address);
    let opened = browser.get(&link).await;
    assert_eq!(opened.status, 200);
    let cookie = opened.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(browser.get(&link).await.status, 403, "once");
    assert_eq!(browser.get("/open?token=").await.status, 403);
    browser.keep(&opened);
    let mut pages: Vec<String> = PAGES.map(str::to_owned).to_vec();
    pages.extend([record.clone(), format!("{record}/edit"), "/nowhere".to_owned()]);
    let stranger = Browser::new(stage.address);
    let forged = Browser {
        cookies: vec![format!("lienthong-{}={}", stage.address.port(), "0".repeat(64))],
        ..stranger.clone()
    };
    for page in &pages {
        for nobody in [&stranger, &forged] {
            let reply = nobody.get(page).await;
            assert_eq!(reply.status, 403, "{page}");
            assert!(reply.text().contains("lienthong-node open"), "{page}");
            assert!(!reply.text().contains("Nguyễn"), "{page}");
        }
    }
    browser.csrf = browser.get("/").await.input("csrf");
    for page in
        pages.iter().filter(|page| !["/live", "/nowhere"].contains(&page.as_str()) && !page.contains("/x"))
    {
        let reply = browser.get(page).await;
        assert_eq!(reply.status, 200, "{page}: {}", reply.text());
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{page}");
        assert!(!reply.text().contains(" style=\"") && !reply.text().contains("<script>"), "{page}");
    }
    assert_eq!(browser.get("/nowhere").await.status, 404);
    assert_eq!(browser.post("/sign-out", &[]).await.status, 303);
    assert_eq!(browser.get("/").await.status, 403, "signed out");
}

/// Who may do what at the page, by route: whom nobody knows, whose cookie is made up or was signed out, and who came by a link.
const WHO_MAY: &str = "
    officer GET /
    officer GET /state
    officer GET /live
    officer GET /receipt
    officer GET /import
    officer POST /import
    officer GET /import/{id}
    officer POST /import/{id}
    officer GET /import/{id}/report.xlsx
    officer GET /templates/{type}
    officer GET /defects
    officer GET /records
    officer GET /records/{type}/{id}
    officer GET /records/{type}/{id}/edit
    officer POST /records/{type}/{id}/edit
    officer POST /records/{type}/{id}/withdraw
    officer GET /notices
    anybody GET /open
    anybody GET /sign-in
    anybody POST /sign-in
    officer POST /sign-out
    anybody POST /language
    anybody GET /page.css
    anybody GET /page.js
    anybody GET /icon.svg
";

/// Goal: each route of the page is in the table of who may, and is just for them; one without a row is for nobody. Method: the list
/// the router is made of; every method at each of its paths, by three who are nobody and one who is an officer.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_route_of_the_page_is_for_just_those_who_may() {
    let stage = Stage::set("127.0.0.1:0").await;
    stage.put("Nguyễn Văn An", "Bí thư").await;
    let rows: Vec<(&str, &str, &str)> = WHO_MAY
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0], words[1], words[2])
        })
        .collect();
    let listed: Vec<(&str, &str)> = rows.iter().map(|(_, method, path)| (*method, *path)).collect();
    assert_eq!(listed, web::ROUTES, "a route without a row, or a row without a route");
    let record = stage.record().await["id"].as_str().unwrap().to_owned();
    let real = |path: &str| path.replace("{type}", "dang_vien").replace("{id}", &record);
    let officer = stage.browser().await;
    let mut gone = stage.browser().await;
    assert_eq!(gone.post("/sign-out", &[]).await.status, 303);
    gone.csrf = officer.csrf.clone();
    let stranger = Browser::new(stage.address);
    let made_up = Browser {
        cookies: vec![format!("lienthong-{}={}", stage.address.port(), "0".repeat(64))],
        ..stranger.clone()
    };
    let size = stage.log_size();
    let ask = async |browser: &Browser, method: &str, path: &str| {
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            real(path),
            stage.address,
            stage.address
        );
        // A form that nothing is wrong with, but for its token.
        browser.raw(&head, b"csrf=0&reason=nham").await
    };
    for (who, method, path) in &rows {
        for nobody in [&stranger, &made_up, &gone] {
            let reply = ask(nobody, method, path).await;
            let told = reply.status == 403 && reply.text().contains("lienthong-node open");
            assert!(told || *who == "anybody", "{who} {method} {path}: {}", reply.status);
            assert!(!reply.text().contains("Nguyễn"), "{method} {path}");
        }
        // Of the other methods nobody has any.
        for other in ["GET", "POST", "PUT", "DELETE", "PATCH"]
            .into_iter()
            .filter(|other| !listed.contains(&(other, path)))
        {
            let status = ask(&stranger, other, path).await.status;
            assert!([403, 404, 405].contains(&status), "{other} {path}: {status}");
        }
        if *method == "POST" && *who == "officer" {
            let status = ask(&officer, method, path).await.status;
            assert!([400, 403].contains(&status), "without the form's token: {path}: {status}");
        }
    }
    assert_eq!(stage.log_size(), size, "nothing was written");
}

/// Goal: a web page elsewhere in the officer's browser changes nothing, on loopback too. Method: the same good request
/// with a wrong host, origin, site or token; the log does not grow.
#[tokio::test(flavor = "multi_thread")]
async fn p9_other_hosts_other_pages_and_forms_without_the_token_are_refused() {
    let stage = Stage::set("127.0.0.1:0").await;
    let record = stage.put("Nguyễn Văn An", "Bí thư").await;
    let browser = stage.browser().await;
    let (port, size) = (stage.address.port(), stage.log_size());
    for host in [
        "evil.example",
        "127.0.0.1",
        &format!("evil.example:{port}"),
        "127.0.0.1:1",
        "localhost.evil.example:80",
    ] {
        let reply = browser.raw(&format!("GET /records HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
        assert_eq!(reply.status, 403, "{host}");
        assert!(!reply.text().contains("Nguyễn"), "{host}");
    }
    let named = browser.raw(&format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n"), b"").await;
    assert_eq!(named.status, 200, "this machine by its own name");
    let path = format!("{record}/withdraw");
    let own = stage.address.to_string();
    let send = async |extra: String, csrf: &str| {
        let body = format!("csrf={csrf}&reason=nham");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {own}\r\n{extra}Content-Type: application/x-www-form-urlencoded\r\n"
        );
        browser.raw(&head, body.as_bytes()).await.status
    };
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    for other in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        &format!("https://{own}"),
        &format!("http://{own}.evil.example"),
    ] {
        assert_eq!(send(origin(other), &browser.csrf).await, 403, "{other}");
    }
    assert_eq!(send(String::new(), &browser.csrf).await, 403, "no origin at all");
    let ours = origin(&format!("http://{own}"));
    assert_eq!(send(format!("{ours}Sec-Fetch-Site: same-site\r\n"), &browser.csrf).await, 403);
    for csrf in ["", "0", &"0".repeat(64)] {
        assert_eq!(send(ours.clone(), csrf).await, 403, "{csrf}");
    }
    let other = stage.browser().await;
    assert_eq!(send(ours.clone(), &other.csrf).await, 403, "another session’s token");
    let forged = Browser { csrf: "0".repeat(64), ..browser.clone() };
    assert_eq!(forged.upload("a.csv", "dang_vien", HEAD.as_bytes()).await.status, 403);
    assert_eq!(stage.log_size(), size, "nothing was written");
    assert_eq!(std::fs::read_dir(stage.node.data.join("page.work")).unwrap().count(), 0, "nothing was kept");
    assert_eq!(send(ours, &browser.csrf).await, 303, "the request itself was good");
    let back = browser.post("/language", &[("to", "en"), ("back", "//evil.example")]).await;
    assert_eq!(back.header("location"), Some("/"), "nobody is led elsewhere");
}

fn sheet() -> String {
    let row = |name: &str, born: &str, number: &str| {
        format!("{name},{born},Nam,{number},03/02/2000,Chi bộ 1,{UNIT},Chính thức,CHIBO\n")
    };
    let good = row("NGUYỄN VĂN AN", "12/03/1975", KEY);
    let rows = [good.clone(), row("Trần Văn Bình", "31/02/1975", "033075001235"), good];
    format!("DANH SÁCH ĐẢNG VIÊN,,,,,,,,\n{HEAD}{}", rows.concat())
}

/// Goal: a messy sheet is seen before it is written, then the good rows are in and the bad ones said. Method: a CSV with
/// a title, a bad date and a double, its type left to its headers; the report read with another reader.
#[tokio::test(flavor = "multi_thread")]
async fn p8_a_messy_sheet_is_read_shown_taken_in_and_removed() {
    let stage = Stage::set("127.0.0.1:0").await;
    let browser = stage.browser().await;
    let sent = browser.upload("Danh sách.csv", "", sheet().as_bytes()).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    let place = sent.header("location").unwrap().to_owned();
    let shown = browser.settled(&place).await.text();
    for said in
        ["chưa ghi gì", "Danh sách.csv", "31/02/1975", "DATE_INVALID", "Trùng với dòng 3", "report.xlsx"]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert_eq!(stage.log_size(), 0, "nothing is written yet");
    assert_eq!(stage.browser().await.get(&place).await.status, 200, "the same officer’s other window");
    let taken = browser.post(&place, &[("do", "take")]).await;
    assert_eq!(taken.status, 303);
    let done = browser.settled(&place).await.text();
    assert!(done.contains("Đã nhập") && !done.contains("Nhập những dòng tốt"), "{done}");
    let record = stage.record().await;
    assert_eq!(record["fields"]["ho_ten"], "Nguyễn Văn An");
    let history = RecordsRequest::History { record_type: "dang_vien".into(), id: KEY.into(), unit: None };
    let history = at_node(&stage.node, Request::Records(history)).await;
    assert_eq!(history["items"][0]["author"], "lan", "as whoever opened the page");
    let size = stage.log_size();
    assert_eq!(size, 3, "the record, the count of what was written, and the import’s summary");
    browser.post(&place, &[("do", "take")]).await;
    assert_eq!(stage.log_size(), size, "taken in once");
    let report = browser.get(&format!("{place}/report.xlsx")).await;
    let cells = report_cells(stage.province.dir.path(), &report.bytes);
    assert!(cells.iter().any(|cell| cell.contains("Đã nhập mới")), "{cells:?}");
    assert!(
        cells
            .iter()
            .any(|cell| cell.contains("Không phải ngày hợp lệ") || cell.contains("không phải ngày hợp lệ")),
        "{cells:?}"
    );
    browser.post(&place, &[("do", "forget")]).await;
    assert_eq!(std::fs::read_dir(stage.node.data.join("page.work")).unwrap().count(), 0, "removed");
    assert_eq!(browser.get(&place).await.status, 404);
}

fn report_cells(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let path = dir.join("report.xlsx");
    std::fs::write(&path, bytes).unwrap();
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
    let sheets = book.worksheets();
    let cells = sheets.iter().flat_map(|(_, range)| range.cells().map(|(_, _, cell)| cell.clone()));
    cells.filter_map(|cell| if let Data::String(text) = cell { Some(text) } else { None }).collect()
}

/// Goal: what may not enter does not, whatever is sent. Method: a file beyond the bound with and without its length
/// told, one of no type, a column of class C4, a row marked classified, no file.
#[tokio::test(flavor = "multi_thread")]
async fn p10_files_are_bounded_and_what_may_not_enter_stays_out() {
    let stage = Stage::set("127.0.0.1:0").await;
    let browser = stage.browser().await;
    for bytes in [UPLOAD_BYTES_MAX + 1, 4 * UPLOAD_BYTES_MAX] {
        let large = vec![b'x'; usize::try_from(bytes).unwrap()];
        let reply = browser.upload("a.csv", "dang_vien", &large).await;
        assert_eq!(reply.status, 413, "{bytes}");
    }
    assert_eq!(browser.upload("", "dang_vien", b"").await.status, 422, "no file");
    let photo = browser.upload("a.xlsx", "", b"\xff\xd8\xff\xe0 a photo").await;
    assert_eq!(photo.status, 422);
    assert_eq!(browser.upload("a.csv", "dang_vienn", HEAD.as_bytes()).await.status, 404);
    assert_eq!(std::fs::read_dir(stage.node.data.join("page.work")).unwrap().count(), 0, "nothing was kept");
    let unknown = browser.upload("a.csv", "", b"a,b\n1,2\n").await;
    let asked = browser.settled(unknown.header("location").unwrap()).await.text();
    assert!(asked.contains("Tệp này thuộc loại nào?"), "{asked}");
    let head = "ma_don,ngay_nhan,loai_don,nguoi_gui,doi_tuong,noi_dung,linh_vuc,ma_xa,tinh_trang,do_mat\n";
    let letter = |number: &str, content: &str, mark: &str| {
        format!("{number},01/09/2026,TO_CAO,Nguyễn Thị Bí Mật,Lê Văn Bốn,{content},LV01,{UNIT},MOI,{mark}\n")
    };
    let mixed = [head, &letter("1", "đất công", ""), &letter("2", "không được giữ", "MAT")].concat();
    let sent = browser.upload("don.csv", "don_thu", mixed.as_bytes()).await;
    let place = sent.header("location").unwrap().to_owned();
    let shown = browser.settled(&place).await.text();
    assert!(shown.contains("CLASSIFIED") && shown.contains("máy không giữ tệp"), "{shown}");
    let report = browser.get(&format!("{place}/report.xlsx")).await;
    let cells = report_cells(stage.province.dir.path(), &report.bytes).join("|");
    for secret in ["Bí Mật", "không được giữ"] {
        assert!(!shown.contains(secret) && !cells.contains(secret), "{shown}: {cells}");
    }
    let folder = stage.node.data.join("page.work").join(place.rsplit('/').next().unwrap());
    assert!(folder.join("report.xlsx").exists() && !folder.join("file.csv").exists(), "not kept");
    browser.post(&place, &[("do", "take")]).await;
    assert_eq!(stage.log_size(), 0);
    // A mark of the whole file: none of its rows is shown as one to be taken, and it is not kept.
    let marked = [head, &letter("1", "đất công", ""), "\nTỐI MẬT\n"].concat();
    let sent = browser.upload("don.csv", "don_thu", marked.as_bytes()).await;
    let place = sent.header("location").unwrap().to_owned();
    let shown = browser.settled(&place).await.text();
    assert!(
        shown.contains("Tệp mang dấu mật nên máy không giữ tệp") && !shown.contains("đất công"),
        "{shown}"
    );
    let folder = stage.node.data.join("page.work").join(place.rsplit('/').next().unwrap());
    assert!(!folder.join("file.csv").exists(), "not kept");
    let plain = [head, &letter("1", "đất công", "")].concat();
    let sent = browser.upload("don.csv", "don_thu", plain.as_bytes()).await;
    let place = sent.header("location").unwrap().to_owned();
    let shown = browser.settled(&place).await.text();
    browser.post(&place, &[("do", "take")]).await;
    browser.settled(&place).await;
    let list = browser.get("/records?type=don_thu").await.text();
    let (_, rest) = list.split_once("/records/don_thu/").unwrap_or_else(|| panic!("{shown}"));
    let record = format!("/records/don_thu/{}", rest.split('"').next().unwrap());
    let form = browser.get(&format!("{record}/edit")).await.text();
    assert!(form.contains("name=\"f.noi_dung\"") && !form.contains("nguoi_gui"), "{form}");
    for text in [form, browser.get(&record).await.text(), browser.get("/defects").await.text()] {
        assert!(!text.contains("Bí Mật"), "{text}");
    }
    let size = stage.log_size();
    let seen = browser.get(&format!("{record}/edit")).await.input("seen");
    let marked = [("seen", seen.as_str()), ("f.do_mat", "MAT")];
    let refused = browser.post(&format!("{record}/edit"), &marked).await;
    assert!(refused.status == 422 && refused.text().contains("id=\"f.do_mat.fault\""), "{}", refused.text());
    assert_eq!(stage.log_size(), size, "nor by an edit");
}

/// Goal: an edit with a mistake writes nothing and says so at the field; a good one writes what was changed and nothing
/// else; a withdrawal wants a reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_edited_field_by_field_and_withdrawn() {
    let stage = Stage::set("127.0.0.1:0").await;
    let record = stage.put("Nguyễn Văn An", "Bí thư").await;
    let browser = stage.browser().await;
    let (place, size) = (format!("{record}/edit"), stage.log_size());
    let form = browser.get(&place).await;
    let seen = form.input("seen");
    assert!(
        form.text().contains("<option value=\"CHINH_THUC\" selected>Chính thức</option>"),
        "{}",
        form.text()
    );
    assert!(!form.text().contains("name=\"f.so_cccd\""), "the key stays");
    let bad = [
        ("seen", seen.as_str()),
        ("f.dien_thoai", "123"),
        ("f.ngay_sinh", "31/02/1975"),
        ("f.chi_bo", "Chi bé th«n 2"),
        ("f.chuc_vu", "Phó bí thư"),
    ];
    let refused = browser.post(&place, &bad).await;
    assert_eq!(refused.status, 422);
    let text = refused.text();
    for field in ["dien_thoai", "ngay_sinh", "chi_bo"] {
        assert!(text.contains(&format!("id=\"f.{field}.fault\"")), "{field}: {text}");
    }
    assert!(
        text.contains("value=\"Phó bí thư\"") && text.contains("value=\"31/02/1975\""),
        "what was typed stays: {text}"
    );
    assert_eq!(stage.log_size(), size, "nothing was written");
    // The key in a forged form, or a required field emptied, are refused like anything else.
    let emptied = browser.post(&place, &[("seen", &seen), ("f.ho_ten", "")]).await;
    assert!(emptied.status == 422 && emptied.text().contains("id=\"f.ho_ten.fault\""), "{}", emptied.text());
    browser.post(&place, &[("seen", &seen), ("f.so_cccd", "033075009999")]).await;
    assert_eq!(stage.record().await["fields"]["so_cccd"], KEY);
    assert_eq!(stage.log_size(), size);

    let good = [
        ("seen", seen.as_str()),
        ("f.dien_thoai", ""),
        ("f.chuc_vu", "Phó bí thư"),
        ("f.chi_bo", "Chi bộ 1"),
    ];
    assert_eq!(browser.post(&place, &good).await.status, 303);
    let fields = stage.record().await["fields"].clone();
    assert_eq!((&fields["chuc_vu"], &fields["chi_bo"]), (&"Phó bí thư".into(), &"Chi bộ 1".into()));
    assert!(fields.get("dien_thoai").is_none(), "cleared: {fields}");
    let history = RecordsRequest::History { record_type: "dang_vien".into(), id: KEY.into(), unit: None };
    let history = at_node(&stage.node, Request::Records(history)).await;
    let last = &history["items"][1];
    assert_eq!(last["author"], "lan");
    assert_eq!(
        last["fields"],
        json!({ "chuc_vu": "Phó bí thư", "dien_thoai": null }),
        "what was changed alone"
    );

    // By its key, with what no header may hold behind it.
    let odd = format!("/records/dang_vien/{KEY}%0A/edit");
    let again = browser.get(&odd).await.input("seen");
    let saved = browser.post(&odd, &[("seen", &again), ("f.chuc_vu", "Ủy viên")]).await;
    assert_eq!(saved.header("location"), Some(record.as_str()), "{}", saved.text());
    browser
        .post(&odd, &[("seen", &browser.get(&odd).await.input("seen")), ("f.chuc_vu", "Phó bí thư")])
        .await;

    let late = browser.post(&place, &[("seen", &seen), ("f.chuc_vu", "Bí thư")]).await;
    assert_eq!(late.status, 409, "made of a record that is another by now");
    assert_eq!(stage.record().await["fields"]["chuc_vu"], "Phó bí thư");

    let refused = browser.post(&format!("{record}/withdraw"), &[("reason", " ")]).await;
    assert!(refused.status == 422 && refused.text().contains("id=\"reason-fault\""), "{}", refused.text());
    assert!(stage.record().await.get("withdrawn").is_none());
    assert_eq!(browser.post(&format!("{record}/withdraw"), &[("reason", "nhập nhầm")]).await.status, 303);
    assert_eq!(stage.record().await["withdrawn"]["author"], "lan");
    let shown = browser.get(&record).await.text();
    assert!(
        shown.contains("Đã thu hồi") && shown.contains("nhập nhầm") && !shown.contains("/withdraw\""),
        "{shown}"
    );
    assert!(!browser.get("/records?q=nguyen+van+an").await.text().contains(KEY), "out of the list");
    assert!(browser.get("/records?q=nguyen+van+an&all=1").await.text().contains(KEY));
}

/// Goal: items are edited one by one, and a reference is shown by what it leads to. Method: an officer's courses: one
/// changed, one added, one with a mistake; the key of an item stays.
#[tokio::test(flavor = "multi_thread")]
async fn items_are_edited_one_by_one() {
    let stage = Stage::set("127.0.0.1:0").await;
    stage.put("Nguyễn Văn An", "Bí thư").await;
    let value = json!({
        "dang_vien_id": KEY, "don_vi": UNIT, "chuc_danh": "UY_VIEN", "chuyen_trach": false, "tu_ngay": "2025-07-01",
        "ly_luan_ct": "TRUNG_CAP", "quan_ly_nn": "SO_CAP", "ky_nang_so": true,
        "boi_duong": [{ "khoa": "Nghiệp vụ", "ngay": "2025-09-01", "so_gio": 40 }],
    });
    let put = RecordsRequest::Put {
        values: vec![value],
        record_type: "can_bo".into(),
        author: "test".into(),
        english: true,
    };
    let answer = at_node(&stage.node, Request::Records(put)).await;
    assert_eq!(answer["created"], 1, "{answer}");
    let browser = stage.browser().await;
    let list = browser.get("/records?type=can_bo").await.text();
    assert!(list.contains("Nguyễn Văn An"), "{list}");
    let (_, rest) = list.split_once("/records/can_bo/").unwrap();
    let record = format!("/records/can_bo/{}", rest.split('"').next().unwrap());
    let place = format!("{record}/edit");
    let form = browser.get(&place).await;
    assert!(!form.text().contains("name=\"i.boi_duong.0.khoa\""), "what names an item stays");
    let (seen, size) = (form.input("seen"), stage.log_size());
    let bad =
        [("seen", seen.as_str()), ("i.boi_duong.0.so_gio", "nhiều"), ("i.boi_duong.1.khoa", "Pháp luật")];
    let refused = browser.post(&place, &bad).await;
    assert_eq!(refused.status, 422);
    for fault in ["i.boi_duong.0.so_gio.fault", "i.boi_duong.1.ngay.fault"] {
        assert!(refused.text().contains(fault), "{fault}: {}", refused.text());
    }
    assert_eq!(stage.log_size(), size);
    let good = [
        ("seen", seen.as_str()),
        ("i.boi_duong.0.so_gio", "48"),
        ("i.boi_duong.1.khoa", "Pháp luật"),
        ("i.boi_duong.1.ngay", "05/10/2025"),
        ("f.chuyen_trach", "true"),
    ];
    let saved = browser.post(&place, &good).await;
    assert_eq!(saved.status, 303, "{}", saved.text());
    let id = record.rsplit('/').next().unwrap().to_owned();
    let get = RecordsRequest::Get { record_type: "can_bo".into(), id, unit: None };
    let fields = at_node(&stage.node, Request::Records(get)).await["fields"].clone();
    assert_eq!(fields["chuyen_trach"], true, "{fields}");
    assert!(browser.get(&record).await.text().contains("Pháp luật"));
    let mut courses = fields["boi_duong"].as_array().unwrap().clone();
    courses.sort_by_key(|course| course["ngay"].to_string());
    assert_eq!(courses.len(), 2, "{fields}");
    assert_eq!((&courses[0]["so_gio"], &courses[1]["ngay"]), (&48.into(), &"2025-10-05".into()), "{fields}");
}

/// Goal: a record's text is text on every page, in both languages. Method: markup in a field, a file's name, a search
/// and a reason.
#[tokio::test(flavor = "multi_thread")]
async fn text_stays_text_and_both_languages_are_spoken() {
    let stage = Stage::set("127.0.0.1:0").await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let record = stage.put("Nguyễn Văn An", evil).await;
    let vietnamese = stage.browser().await;
    let english = stage.browser().await.in_english().await;
    let words = [
        ("/", "Việc cần làm", "What to do now"),
        ("/import", "Tệp mẫu", "Workbooks to fill in"),
        ("/defects", "Dữ liệu cần sửa", "Data to mend"),
        ("/records", "Tìm (không cần dấu)", "Search (marks aside)"),
        ("/notices", "Tỉnh chưa nhập", "Kept apart"),
        ("/receipt", "Biên nhận", "Receipt"),
    ];
    for (path, vi, en) in words {
        let (first, second) = (vietnamese.get(path).await.text(), english.get(path).await.text());
        assert!(first.contains(vi) && first.contains("<html lang=\"vi\">"), "{path}: {first}");
        assert!(
            second.contains(en) && second.contains("<html lang=\"en\">") && !second.contains(vi),
            "{path}: {second}"
        );
    }
    let query = format!("/records?q={}", encoded(evil));
    for browser in [&vietnamese, &english] {
        for path in [record.as_str(), &format!("{record}/edit"), "/records", "/defects", &query] {
            let text = browser.get(path).await.text();
            assert!(!text.contains("<script>") && !text.contains("<img"), "{path}: {text}");
        }
        assert!(browser.get(&record).await.text().contains("&lt;script&gt;alert(1)"), "it is there");
        let sent = browser.upload("<img src=x>.csv", "dang_vien", sheet().as_bytes()).await;
        let shown = browser.settled(sent.header("location").unwrap()).await.text();
        assert!(!shown.contains("<img") && shown.contains("&lt;img"), "{shown}");
    }
    let refused = english.get("/records/dang_vien/none").await;
    assert!(
        refused.status == 404 && refused.text().contains("There is no such record"),
        "{}",
        refused.text()
    );
    let nobody = Browser { cookies: vec!["lienthong-lang=en".to_owned()], ..Browser::new(stage.address) };
    assert!(nobody.get("/").await.text().contains("The page is not open"));
}

/// Goal: the page follows what happens. Method: a browser listens, the province receives a record, the receipt is there
/// to print.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_live_and_the_receipt_can_be_printed() {
    let stage = Stage::set("127.0.0.1:0").await;
    let browser = stage.browser().await;
    let mut live = TcpStream::connect(stage.address).await.unwrap();
    let ask =
        format!("GET /live HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", stage.address, browser.cookies[0]);
    live.write_all(ask.as_bytes()).await.unwrap();
    stage.put("Nguyễn Văn An", "Bí thư").await;
    let waiting = browser.get("/state").await.text();
    assert!(waiting.contains("Chưa kết nối được") && waiting.contains("cũ nhất từ"), "{waiting}");
    stage.node.start_sync(brisk());
    acknowledged(&stage.node).await.unwrap();
    let mut heard = String::new();
    let mut piece = [0; 4096];
    let listening = async {
        while !heard.contains("data: look") {
            let count = live.read(&mut piece).await.unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listening).await.unwrap();
    let state = browser.get("/state").await.text();
    assert!(state.contains("Tất cả đã được tỉnh nhận") && state.contains("href=\"/receipt\""), "{state}");
    let receipt = browser.get("/receipt").await.text();
    assert!(receipt.contains(UNIT) && receipt.contains("hungyen.example/33/11953/"), "{receipt}");
    stage.node.close().await;
}

/// A browser that trusts the page's own certificate, as an officer does who has compared its fingerprint.
fn trusting(stage: &Stage) -> Browser {
    let pem = std::fs::read(stage.node.data.join("page/certificate.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(lienthong_node::identity::provider());
    let config = config.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Browser { tls: Some(Arc::new(config).into()), ..Browser::new(stage.address) }
}

/// Goal: beyond this machine nothing without TLS and a password, and guessing is stopped. Method: served on every
/// address, dialled over loopback; officers added, guessed at, and removed while at the page.
#[tokio::test(flavor = "multi_thread")]
async fn p9_on_the_network_officers_sign_in_over_tls_each_with_a_password() {
    let stage = Stage::set("0.0.0.0:0").await;
    stage.put("Nguyễn Văn An", "Bí thư").await;
    let officers = async |request| at_node(&stage.node, Request::Page(PageRequest::Officers(request))).await;
    for name in ["lan", "minh"] {
        let (name, password) = (name.to_owned(), format!("mật khẩu của {name}"));
        officers(OfficerRequest::Add { name, password }).await;
    }
    let opened = at_node(&stage.node, Request::Page(PageRequest::Open { author: "lan".into() })).await;
    assert!(opened["url"].as_str().unwrap().starts_with("https://"), "no link opens it: {opened}");
    assert_eq!(opened["certificate_sha256"].as_str().unwrap().len(), 95);

    let plain = TcpStream::connect(stage.address).await.unwrap();
    let mut answer = Vec::new();
    let mut plain = plain;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "not without TLS");

    let mut browser = trusting(&stage);
    let nobody = browser.get("/records").await;
    assert_eq!((nobody.status, nobody.header("location")), (303, Some("/sign-in")));
    let other = browser.raw("GET /sign-in HTTP/1.1\r\nHost: evil.example\r\n", b"").await;
    assert_eq!(other.status, 403);
    let try_in = async |name: &str, password: &str| {
        trusting(&stage).post("/sign-in", &[("name", name), ("password", password)]).await
    };
    for _ in 0..5 {
        assert_eq!(try_in("lan", "mật khẩu của minh").await.status, 403);
    }
    assert_eq!(try_in("lan", "mật khẩu của lan").await.status, 429, "locked, even with the right one");
    assert_eq!(try_in("nobody", "no such officer").await.status, 403);
    let signed_in = try_in("minh", "mật khẩu của minh").await;
    assert_eq!(signed_in.status, 303, "nobody else is locked");
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.contains("Secure"), "{cookie}");
    browser.keep(&signed_in);
    let page = browser.get("/records").await;
    assert!(page.status == 200 && page.text().contains("Nguyễn Văn An"));
    browser.csrf = page.input("csrf");
    officers(OfficerRequest::Remove { name: "minh".into() }).await;
    assert_eq!(browser.get("/records").await.status, 303, "ended at once");
}

/// Goal: what the command line promises. Method: a real node with `--web`, its status and its `open`.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_serves_the_page_and_prints_its_link() {
    let province = Province::set().await.unwrap();
    let folder = province.dir.path().join("node");
    let node = make_node(&province.hub, &province.address, &folder, UNIT).await.unwrap();
    node.close().await;
    drop(node);
    let program = Path::new(PROGRAM);
    let arguments = ["as-node", "run", "--web", "127.0.0.1:0"];
    let daemon = Daemon::start(program, &arguments, &folder).await.unwrap();
    let address: SocketAddr =
        daemon.status().await.unwrap()["addresses"]["web"].as_str().unwrap().parse().unwrap();
    let (opened, code) = once(program, &["as-node", "open"], &folder).await.unwrap();
    assert_eq!(code, 0, "{opened}");
    let url = opened["url"].as_str().unwrap();
    let link = url.strip_prefix(&format!("http://{address}")).unwrap();
    let browser = Browser::new(address);
    assert_eq!(browser.get(link).await.status, 200);
    let said = std::fs::read_to_string(folder.with_extension("log")).unwrap();
    assert!(!said.contains("token="), "what a service prints may be read by others: {said}");
    let password = province.dir.path().join("password");
    std::fs::write(&password, "mật khẩu dài\n").unwrap();
    let file = password.to_str().unwrap();
    let add = ["as-node", "officer", "add", "lan", "--password-file", file];
    let (refused, code) = once(program, &add, &folder).await.unwrap();
    assert!(code == 1 && refused["error"].as_str().unwrap().contains("chmod 600"), "{refused}");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(once(program, &add, &folder).await.unwrap().1, 0);
    let (listed, _) = once(program, &["as-node", "officer", "list"], &folder).await.unwrap();
    assert_eq!(listed["items"][0]["name"], "lan");
    assert_eq!(once(program, &["as-node", "officer", "remove", "lan"], &folder).await.unwrap().1, 0);
}
