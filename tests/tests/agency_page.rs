//! The page at an agency's node: what it is granted, how it stands, what that rests on; nothing of what only communes do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use lienthong_node::service::Request;
use lienthong_node::web::{self, Page, PageRequest, WebLimits};
use lienthong_tests::asking::at_node;
use lienthong_tests::sharing::{MEMBERS, Shared, who};
use lienthong_tests::visitor::Browser;

/// Goal: who opens the page of an agency's node finds its grant, the records that came under it and what proves them, can read
/// each, and is offered nothing that would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_agency_finds_what_it_is_granted() {
    let shared = Shared::set().await;
    shared.granted(MEMBERS).await;
    let agency = shared.agency("agency").await;
    shared.shows(&agency, "both members", |items| items.len() == 2).await;
    shared.grant_at(&agency, "signed for", |line| line["receipt"]["access"] == line["access"]).await;
    let page = Page::new(&agency.data, WebLimits::default()).unwrap();
    let at = web::serve(&agency, &page, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let link = at_node(&agency, Request::Page(PageRequest::Open { author: who("lan") })).await;
    let mut reader = Browser::new(at);
    let opened =
        reader.get(link["url"].as_str().unwrap().strip_prefix(&format!("http://{at}")).unwrap()).await;
    reader.keep(&opened);

    let start = reader.get("/").await.text();
    for wanted in [
        "đối chiếu",
        "12/CV-TTT",
        "đang hiệu lực",
        "/records?type=dang_vien",
        "Đảng viên</a>: 2",
        "Đã ký nhận",
        "Đang kết nối",
        "chỉ theo khóa sổ cái",
    ] {
        assert!(start.contains(wanted), "{wanted}: {}", start);
    }
    for never in ["/import", "/defects", "Gửi lên tỉnh"] {
        assert!(!start.contains(never), "{never}: {}", start);
    }
    let list = reader.get("/records").await.text();
    let links = list.split("href=\"").filter_map(|rest| rest.split('"').next());
    let links: Vec<&str> = links.filter(|at| at.starts_with("/records/dang_vien/")).collect();
    assert!(list.contains("<th>Chi bộ</th>") && !list.contains("Số CCCD"), "only what is granted: {list}");
    assert_eq!(links.len(), 2, "{}", list);
    assert!(!list.contains("type=\"search\"") && !list.contains("value=\"don_thu\""), "{}", list);
    let record = reader.get(links[0]).await.text();
    assert!(record.contains("Nguyễn Văn An") && !record.contains("/edit"), "{}", record);
    for refused in ["/import".to_owned(), format!("{}/edit", links[0])] {
        let said = reader.get(&refused).await;
        assert_eq!(said.status, 422, "{refused}");
        assert!(said.text().contains("không ghi"), "{refused}: {}", said.text());
    }
    agency.close().await;
}
