//! Live views: an agency's node is told what changes of what it is granted, and of nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use lienthong_hub::pki::Role;
use lienthong_hub::service::{NewWaiver, Request, SharingRequest, Transfer};
use lienthong_node::cli::{Export, ExportFormat};
use lienthong_node::records::Listing;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::disclosure::event::{ACCESS, ROLL};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{self, at_hub, at_node};
use lienthong_tests::sharing::{HEAD, HERE, MEMBERS, Shared, THERE, ask, day, grant, sheet, who};
use lienthong_tests::{acknowledged, brisk, catalogue, make_node, member};
use serde_json::Value as Json;

/// Goal: a change at a commune comes to the agency's node by itself, proven and signed for by both; a withdrawal too;
/// what left the grant's scope by a transfer leaves the view, what comes into it comes whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_at_a_commune_comes_to_the_agency() {
    let shared = Shared::set().await;
    let hub = shared.hub();
    let there = make_node(hub, &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    let number = shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let agency = shared.agency("agency").await;
    let names = |items: &[Json]| {
        let mut names: Vec<String> =
            items.iter().map(|item| item["fields"]["chi_bo"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let items = shared.shows(&agency, "the first delivery", |items| items.len() == 2).await;
    assert_eq!(names(&items), ["Chi bộ 1", "Chi bộ 2"]);
    assert!(items[0]["withheld"].as_array().unwrap().contains(&"so_cccd".into()), "{items:#?}");
    let line = shared.grant_at(&agency, "in step", |line| line["state"] == "active").await;
    assert_eq!((&line["trust"], &line["records"]["dang_vien"]), (&"ledger".into(), &2.into()), "{line:#}");
    let shown = ask(hub, SharingRequest::GrantShow { number }).await;
    assert_eq!(shown["receipt"]["access"], shown["last_access"], "{shown:#}");
    assert_eq!((&shown["receipt"]["access"], &shown["deliveries"]), (&line["receipt"]["access"], &1.into()));

    // A third member, and another name of the first.
    let dir = shared.province.dir.path();
    let renamed = sheet(HERE, 1).replace("Nguyễn Văn An", "Nguyễn Văn Bình");
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &renamed).await["updated"], 1);
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 3)).await["created"], 1);
    let items = shared.shows(&agency, "what changed", |items| {
        items.len() == 3 && items.iter().any(|item| item["fields"]["ho_ten"] == "Nguyễn Văn Bình")
    });
    assert_eq!(names(&items.await), ["Chi bộ 1", "Chi bộ 2", "Chi bộ 3"]);

    // Elsewhere something is written that concerns nobody here: no access event comes of it.
    shared.grant_at(&agency, "signed for", |line| line["receipt"]["access"] == line["access"]).await;
    let before = ask(hub, SharingRequest::GrantShow { number }).await;
    let text = sheet(THERE, 4);
    assert_eq!(asking::import(&there, dir, "dang_vien", &text).await["created"], 1);
    acknowledged(&there).await.unwrap();
    let id = member_id(&there).await;
    let transfer = |id: &str, to: &str| {
        let reason = who("chuyển sinh hoạt đảng");
        let (record_type, to) = ("dang_vien".to_owned(), to.parse().unwrap());
        Request::RecordTransfer(Transfer {
            record_type,
            id: id.to_owned(),
            unit: None,
            to,
            reason,
            actor: who("hoa"),
        })
    };
    assert_eq!(ask(hub, SharingRequest::GrantShow { number }).await["deliveries"], before["deliveries"]);

    // It comes into scope: with what was written of it before, in a log that was of no concern.
    assert_eq!(at_hub(hub, transfer(&id, HERE)).await["changed"], true);
    let items = shared.shows(&agency, "what came into scope", |items| items.len() == 4).await;
    assert_eq!(names(&items)[3], "Chi bộ 4");
    let moved = items.iter().find(|item| item["fields"]["chi_bo"] == "Chi bộ 4").unwrap();
    assert_eq!(moved["fields"]["ho_ten"], "Nguyễn Văn An");
    // And out again: it leaves; what is written of it there is withheld.
    assert_eq!(at_hub(hub, transfer(&id, THERE)).await["changed"], true);
    shared.shows(&agency, "what left", |items| items.len() == 3).await;
    let text = sheet(THERE, 4).replace("Chi bộ 4", "Chi bộ 44");
    assert_eq!(asking::import(&there, dir, "dang_vien", &text).await["updated"], 1);
    acknowledged(&there).await.unwrap();
    // Back in: the entry that was only counted comes again.
    assert_eq!(at_hub(hub, transfer(&id, HERE)).await["changed"], true);
    let items = shared.shows(&agency, "what came back", |items| items.len() == 4).await;
    assert_eq!(names(&items)[3], "Chi bộ 44");

    // A withdrawal reaches the agency as what it is.
    let own = at_hub(hub, list()).await;
    let own = own["items"].as_array().unwrap().iter().find(|item| item["fields"]["chi_bo"] == "Chi bộ 2");
    let withdraw = RecordsRequest::Withdraw {
        record_type: "dang_vien".to_owned(),
        id: own.unwrap()["id"].as_str().unwrap().to_owned(),
        unit: None,
        reason: who("nhập nhầm"),
        author: who("lan"),
    };
    let withdrawn = at_node(&shared.node, NodeRequest::Records(withdraw)).await;
    assert!(withdrawn["error"].is_null(), "{withdrawn:#}");
    shared
        .shows(&agency, "the withdrawal", |items| {
            let one = items.iter().find(|item| item["fields"]["chi_bo"] == "Chi bộ 2");
            one.is_some_and(|item| !item["withdrawn"].is_null())
        })
        .await;
    let logs = shared.grant_at(&agency, "its logs", |_| true).await["logs"].clone();
    assert_eq!(logs.as_array().unwrap().len(), 3, "the ledger and both communes: {logs:#}");
    // An agency's node writes nothing.
    let refused = asking::import(&agency, dir, "dang_vien", &sheet(HERE, 5)).await;
    assert_eq!(refused["rule"], "AGENCY", "{refused:#}");
    // A revocation cuts it off at once; what came stays.
    let revoke = SharingRequest::GrantRevoke { number, reason: who("xong việc"), actor: who("minh") };
    assert_eq!(ask(hub, revoke).await["state"], "revoked");
    shared.grant_at(&agency, "taken back", |line| line["state"] == "revoked").await;
    let deliveries = ask(hub, SharingRequest::GrantShow { number }).await["deliveries"].clone();
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &sheet(HERE, 6)).await["created"], 1);
    acknowledged(&shared.node).await.unwrap();
    assert_eq!(ask(hub, SharingRequest::GrantShow { number }).await["deliveries"], deliveries);
    agency.close().await;
}

/// Goal: two replicas of one agency, which may be handed the very same lines at one moment, are both told of every change; and
/// by one roll, which every node in the province has to be shown.
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_of_one_agency_are_both_told() {
    let shared = Shared::set().await;
    shared.granted("[[share]]\ntype = 'don_thu'\nfields = ['tinh_trang']\n").await;
    let (one, two) = tokio::join!(shared.agency("one"), shared.agency("two"));
    for agency in [&one, &two] {
        shared.grant_at(agency, "the letters' grant", |line| line["state"] == "active").await;
    }
    // Both wait for this one, and are told of it at one moment.
    shared.granted(MEMBERS).await;
    let dir = shared.province.dir.path();
    for members in 3..9 {
        let text = sheet(HERE, u32::try_from(members).unwrap());
        assert_eq!(asking::import(&shared.node, dir, "dang_vien", &text).await["created"], 1);
        for agency in [&one, &two] {
            shared.shows(agency, "the next member", |items| items.len() == members).await;
        }
    }
    let (mut deliveries, mut rolls) = (0, 0);
    for place in 0..shared.hub().head().size {
        let bytes = shared.hub().ledger_entry(place).unwrap();
        let Ok(event) = Event::of(&Entry::decode(&bytes).unwrap()) else { continue };
        deliveries += usize::from(event.kind == ACCESS);
        rolls += usize::from(event.kind == ROLL);
    }
    assert!(deliveries >= 12 && rolls * 4 <= deliveries * 3, "{deliveries} deliveries by {rolls} rolls");
    one.close().await;
    two.close().await;
}

/// Goal: a withdrawal that did not see a value the agency is not shown is to be decided at the agency as at the province; once
/// that is decided, both have it as decided.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_may_contest_what_is_not_shown() {
    let shared = Shared::set().await;
    shared.granted(MEMBERS).await;
    let agency = shared.agency("agency").await;
    shared.shows(&agency, "both members", |items| items.len() == 2).await;
    let shared = shared.withdrawn_unseen().await;
    let first = |items: &[Json]| {
        items.iter().find(|item| item["fields"]["chi_bo"] == "Chi bộ 1").cloned().unwrap_or_default()
    };
    let contested =
        |item: &Json| item["conflicts"][0]["field"] == "_withdrawn" && item["withdrawn"].is_null();
    let items = shared.shows(&agency, "the conflict", |items| contested(&first(items))).await;
    let unseen = first(&items)["unseen"].clone();
    assert_eq!((&unseen[0]["proposal"], unseen.as_array().unwrap().len()), (&false.into(), 1), "{unseen:#}");
    let theirs = at_hub(shared.hub(), list()).await;
    assert!(contested(&first(theirs["items"].as_array().unwrap())), "{theirs:#}");
    let own = at_node(
        &agency,
        NodeRequest::Records(RecordsRequest::List {
            record_type: "dang_vien".to_owned(),
            listing: Listing::default(),
        }),
    );
    assert_eq!(own.await["items"].as_array().unwrap().len(), 2, "what is not decided is listed");
    shared.withdraw_at_the_province().await;
    let items = shared.shows(&agency, "the decision", |items| {
        let first = first(items);
        first["withdrawn"]["reason"] == "đã đối chiếu" && first["unseen"].is_null()
    });
    assert_eq!(items.await.len(), 2);
    agency.close().await;
}

/// Goal: a withdrawal is told whatever year it is of, with no value of a year that is not granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_of_another_year_is_told_without_values() {
    let shared = Shared::set().await;
    shared.granted(&format!("{MEMBERS}years = [2020]\n")).await;
    let agency = shared.agency("agency").await;
    let line = shared.grant_at(&agency, "in step", |line| line["state"] == "active").await;
    assert_eq!(line["records"]["dang_vien"], Json::Null, "what is of this year is only counted: {line:#}");
    shared.withdraw_at_the_province().await;
    let items = shared.shows(&agency, "the withdrawal", |items| items.len() == 1).await;
    assert_eq!(items[0]["withdrawn"]["reason"], "đã đối chiếu");
    assert_eq!(items[0]["fields"], serde_json::json!({}), "{items:#?}");
    agency.close().await;
}

fn list() -> Request {
    let listing = lienthong_node::records::Listing::default();
    Request::Records(RecordsRequest::List { record_type: "dang_vien".to_owned(), listing })
}

async fn member_id(node: &std::sync::Arc<lienthong_node::app::Node>) -> String {
    let listing = lienthong_node::records::Listing::default();
    let request = RecordsRequest::List { record_type: "dang_vien".to_owned(), listing };
    let body = at_node(node, NodeRequest::Records(request)).await;
    body["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{body:#}")).to_owned()
}

/// Goal: a record that left the dataset for a defect and is back without a word of its own is back at the agency too.
/// Method: a defect that is waived, then not, then waived again.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_with_nothing_to_show_comes_back() {
    let shared = Shared::set().await;
    let hub = shared.hub();
    shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let agency = shared.agency("agency").await;
    shared.shows(&agency, "the first delivery", |items| items.len() == 2).await;
    // He is said to have joined at fifteen.
    let mut young = member(HERE, "033075000001", "Nguyễn Văn An").unwrap();
    young.values.insert("ngay_sinh".to_owned(), Value::Date(1_887));
    young.values.insert("ngay_vao_dang".to_owned(), Value::Date(7_336));
    shared.node.write(vec![young]).await;
    acknowledged(&shared.node).await.unwrap();
    shared.shows(&agency, "defective", |items| items.len() == 1).await;
    let waive = async || {
        let waiver = NewWaiver {
            record_type: "dang_vien".to_owned(),
            id: "033075000001".to_owned(),
            unit: None,
            rule: "DV_TUOI_VAO_DANG".to_owned(),
            field: None,
            until: day(30),
            reason: who("theo lý lịch gốc"),
            approver: who("lan"),
        };
        let asked = async || at_hub(hub, Request::WaiverAdd(waiver.clone())).await;
        let added = asking::until("waived", asked, |body| body["number"].is_u64()).await;
        added["number"].as_u64().unwrap()
    };
    let number = waive().await;
    shared.shows(&agency, "waived", |items| items.len() == 2).await;
    let (reason, actor) = (who("bản sao sai"), who("lan"));
    at_hub(hub, Request::WaiverEnd { number, reason, actor }).await;
    shared.shows(&agency, "not any more", |items| items.len() == 1).await;
    waive().await;
    let items = shared.shows(&agency, "waived again", |items| items.len() == 2).await;
    assert!(items.iter().any(|item| item["fields"]["chi_bo"] == "Chi bộ 1"), "{items:#?}");
    agency.close().await;
}

/// Goal: an agency's node needs an agency and a grant in force; a node of a commune is none, and an agency is no commune.
#[tokio::test(flavor = "multi_thread")]
async fn an_agency_enrols_under_a_grant_in_force() {
    let shared = Shared::set().await;
    let hub = shared.hub();
    let token = |unit: &str, role| Request::TokenCreate {
        unit: unit.parse().unwrap(),
        role,
        ttl_seconds: 60,
        actor: who("minh"),
    };
    assert_eq!(at_hub(hub, token("KTNN", Role::Auditor)).await["rule"], "AGENCY_UNKNOWN");
    assert_eq!(at_hub(hub, token(HERE, Role::Auditor)).await["rule"], "AGENCY_UNKNOWN");
    assert_eq!(at_hub(hub, token("TTT", Role::Auditor)).await["rule"], "GRANT_NEEDED");
    let propose = SharingRequest::GrantPropose { text: grant(MEMBERS), actor: who("minh") };
    let number = ask(hub, propose).await["number"].as_u64().unwrap();
    assert_eq!(at_hub(hub, token("TTT", Role::Auditor)).await["rule"], "GRANT_NEEDED");
    ask(hub, SharingRequest::GrantApprove { number, actor: who("hoa") }).await;
    // Its code says that it is an agency, whatever was asked for.
    assert_eq!(at_hub(hub, token("TTT", Role::Commune)).await["role"], "auditor");
    let agency = shared.agency("agency").await;
    assert_eq!(agency.identity.profile().role, "auditor");
    let key = agency.identity.provincial_key().clone();
    assert!(key.is_empty() && key[..] != hub.secrets.provincial_key[..]);
    agency.close().await;
    let grants = at_node(&shared.node, NodeRequest::Grants { page: Default::default() }).await;
    assert_eq!(grants["rule"], "AGENCY");
}

/// A sheet of so many members, each of a chi bộ of its own.
fn many(count: u32) -> String {
    let row = |n: u32| {
        let day = lienthong_proto::value::date_text(1_826 + i32::try_from(n % 360).unwrap());
        format!(
            "Nguyễn Văn An,{day},Nam,033075{:06},01/02/2000,Chi bộ {n},{HERE},CHIBO,CHINH_THUC,\n",
            900_000 + n
        )
    };
    (100..100 + count).map(row).fold(HEAD.to_owned(), |text, row| text + &row)
}

/// Goal: an agency's lists and exports have every record that is not withdrawn, in every format, however its pages fall.
/// Method: two grants, one of more records than a page of an export has, some of which are withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_cuts_no_list_or_export_short() {
    let shared = Shared::set().await;
    let dir = shared.province.dir.path();
    assert_eq!(asking::import(&shared.node, dir, "dang_vien", &many(518)).await["created"], 518);
    acknowledged(&shared.node).await.unwrap();
    shared.granted(&format!("{MEMBERS}units = ['{HERE}']\n")).await;
    let one = "[[share.only]]\nfield = 'chi_bo'\nis = ['Chi bộ 1']\n";
    shared.granted(&format!("{MEMBERS}{one}")).await;
    let agency = shared.agency("agency").await;
    let listed = async |listing: Listing| {
        let record_type = "dang_vien".to_owned();
        at_node(&agency, NodeRequest::Records(RecordsRequest::List { record_type, listing })).await
    };
    let all = async |after: Option<String>| {
        let after = after.map(|after| after.parse().unwrap());
        listed(Listing { all: true, limit: Some(1_000), after, ..Listing::default() }).await
    };
    let count = |body: &Json| body["items"].as_array().map_or(0, Vec::len);
    asking::until("all of it", async || all(None).await, |body| count(body) == 521).await;
    for n in (100..130).map(|n| 900_000 + n) {
        let withdraw = RecordsRequest::Withdraw {
            record_type: "dang_vien".to_owned(),
            id: format!("033075{n}"),
            unit: None,
            reason: who("nhập nhầm"),
            author: who("lan"),
        };
        let withdrawn = at_node(&shared.node, NodeRequest::Records(withdraw)).await;
        assert_eq!(withdrawn["changed"], true, "{withdrawn:#}");
    }
    let gone = |body: &Json| {
        let items = body["items"].as_array().unwrap();
        items.iter().filter(|item| !item["withdrawn"].is_null()).count()
    };
    asking::until("what was withdrawn", async || all(None).await, |body| gone(body) == 30).await;

    let mut ids = std::collections::BTreeSet::new();
    let (mut after, mut pages) = (None, 0);
    loop {
        let body = listed(Listing { limit: Some(7), after, ..Listing::default() }).await;
        let items = body["items"].as_array().unwrap();
        assert!(gone(&body) == 0 && (items.len() == 7 || body["next"].is_null()), "{body:#}");
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match body["next"].as_str() {
            Some(next) => after = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!((ids.len(), pages), (491, 71));

    let exported = async |format: ExportFormat| {
        let export = Export { record_type: "dang_vien".to_owned(), format, ..Export::default() };
        let mut bytes = Vec::new();
        let ask = async |request| {
            let request = NodeRequest::Records(request);
            Ok(std::sync::Arc::clone(&agency).execute(request, std::sync::Arc::new(|_| {})).await)
        };
        let answer = export.write_to(&mut bytes, &catalogue().unwrap(), ask).await.unwrap();
        assert_eq!((answer.exit, &answer.body["records"]), (0, &491.into()), "{}", answer.body);
        bytes
    };
    let text = String::from_utf8(exported(ExportFormat::Jsonl).await).unwrap();
    let id = |line: &str| serde_json::from_str::<Json>(line).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(text.lines().map(id).collect::<std::collections::BTreeSet<_>>(), ids);
    let text = String::from_utf8(exported(ExportFormat::Csv).await).unwrap();
    assert!(text.lines().count() == 492 && ids.iter().all(|id| text.contains(id)));
    let book = std::io::Cursor::new(exported(ExportFormat::Xlsx).await);
    let mut book: calamine::Xlsx<_> = calamine::Reader::new(book).unwrap();
    let range = calamine::Reader::worksheet_range_at(&mut book, 0).unwrap().unwrap();
    let cells: std::collections::BTreeSet<String> = range.rows().map(|row| row[0].to_string()).collect();
    assert!(range.rows().count() >= 492 && ids.is_subset(&cells));
    agency.close().await;
}
