//! The hub's pages over real TLS and HTTP: who is let in, what is shown to whom, and what is not believed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;

use lienthong_hub::accounts::totp::{Seed, step_at};
use lienthong_hub::accounts::{AccountRole, Credentials};
use lienthong_hub::rights::{self, Need, Right};
use lienthong_hub::service::{Asked, CODE_NEEDED, Request};
use lienthong_node::control::Caller;
use lienthong_tests::asking::at_hub;
use lienthong_tests::browsing::{FORM, Reply, encoded};
use lienthong_tests::stage::{PASSWORD, Stage, hardened};
use lienthong_tests::{acknowledged, brisk, make_node, member};

const UNIT: &str = "11953";

/// Goal: the way in and out, whole. Method: a first sign-in sets the authenticator up by what the page shows.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_first_sign_in_sets_the_authenticator_up_and_the_ledger_tells() {
    let stage = Stage::tls().await;
    stage.account("lan", AccountRole::Operator);
    let mut reader = stage.reader();
    let away = reader.get("/units?state=online").await;
    assert_eq!((away.status, away.header("location")), (303, "/sign-in?next=%2Funits%3Fstate%3Donline"));
    let page = reader.get("/sign-in").await;
    hardened(&page);
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
    assert!(page.body.contains("lang=\"vi\"") && page.body.contains("Mật khẩu"));
    let half = reader.sign_in("lan", PASSWORD).await;
    let cookie = half.header("set-cookie").to_owned();
    for word in ["__Host-lienthong-session=", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert_eq!(reader.get("/units").await.header("location"), "/sign-in/code", "half is not in");
    let shown = reader.get("/sign-in/code").await;
    hardened(&shown);
    assert!(shown.body.contains("<svg class=\"qr\""));
    let typed = shown.body.split("<code class=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    let seed = Seed::of_base32(typed).unwrap();
    let now = stage.province.hub.now();
    let wrong = reader.fill("/sign-in/code", "/sign-in/enrol", &[("code", "000 00")]).await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    let code = format!("{:06}", seed.code(step_at(now)));
    let done = reader.fill("/sign-in/code", "/sign-in/enrol", &[("code", &code), ("next", "/units")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/units"), "{done:?}");
    let units = reader.get("/units").await;
    hardened(&units);
    assert!(units.body.contains("/units/11953") && units.header("cache-control") == "no-store");
    let out = reader.fill("/account", "/sign-out", &[]).await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert_eq!(reader.get("/units").await.status, 303);
    let events = stage.events().await;
    for (kind, actor) in
        [("sign_in", "lan"), ("account_totp", "lan"), ("sign_out", "lan"), ("sign_in_refused", "hub")]
    {
        assert!(events.contains(&(kind.to_owned(), actor.to_owned())), "{kind}: {events:?}");
    }
}

/// Goal: guessing is slow, wherever from; a code counts once; what is refused is in the ledger without the password.
#[tokio::test(flavor = "multi_thread")]
async fn p9_guessing_waits_and_a_code_counts_once() {
    let stage = Stage::tls().await;
    let code = stage.with_code("lan", AccountRole::Operator);
    let mut reader = stage.reader();
    let unknown = reader.sign_in("ai-do", PASSWORD).await;
    let wrong = reader.sign_in("lan", "mật khẩu khác hẳn").await;
    assert_eq!((unknown.status, wrong.status), (401, 401));
    let said = |reply: &Reply| {
        reply.body.split("role=\"alert\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!(said(&unknown), said(&wrong), "which of the two is wrong is not told");
    assert!(!wrong.body.contains("mật khẩu khác hẳn"));
    // In, once; the same code again is not.
    reader.sign_in("lan", PASSWORD).await;
    let typed = code(0);
    assert_eq!(reader.fill("/sign-in/code", "/sign-in/code", &[("code", &typed)]).await.status, 303);
    let mut other = stage.reader();
    other.sign_in("lan", PASSWORD).await;
    assert_eq!(other.fill("/sign-in/code", "/sign-in/code", &[("code", &typed)]).await.status, 401, "used");
    assert_eq!(other.get("/units").await.status, 303);
    for _ in 0..4 {
        assert_eq!(stage.reader().sign_in("lan", "sai sai sai sai").await.status, 401);
    }
    let held = stage.reader().sign_in("lan", PASSWORD).await;
    assert_eq!(held.status, 429, "right, but it must wait: {held:?}");
    let also = other.fill("/sign-in/code", "/sign-in/code", &[("code", &code(1))]).await;
    assert_eq!(also.status, 429);
    assert_eq!(stage.count("sign_in").await, 1);
    let head = stage.province.hub.head().size;
    assert_eq!(stage.count("sign_in_refused").await, 7);
    stage.reader().sign_in("lan", PASSWORD).await;
    assert_eq!(stage.province.hub.head().size, head, "who must wait fills no ledger");
}

/// Goal: what is sent counts only from our own pages, with their token, to our own name. Method: one thing wrong each.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_form_from_elsewhere_changes_nothing() {
    let stage = Stage::tls().await;
    let mut reader = stage.signed_in("lan", AccountRole::Administrator).await;
    let csrf = reader.get("/administration").await.csrf();
    assert_eq!(csrf.len(), 64);
    let (origin, path) = (reader.origin(), "/administration/tokens");
    let body = |csrf: &str| encoded(&[("csrf", csrf), ("unit", UNIT), ("hours", "24")]);
    let own = [("Origin", origin.as_str()), FORM];
    for (lines, csrf) in [
        (&own[..], ""),
        (&own[..], &csrf[1..]),
        (&own[..], "0000000000000000000000000000000000000000000000000000000000000000"),
        (&[("Origin", "https://evil.example"), FORM][..], &csrf),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), FORM][..], &csrf),
        (&[FORM][..], &csrf),
    ] {
        let refused = reader.send("POST", path, lines, &body(csrf)).await;
        assert_eq!(refused.status, 403, "{lines:?} {csrf}");
        hardened(&refused);
    }
    // Another's token is not one's own.
    let mut other = stage.signed_in("minh", AccountRole::Operator).await;
    let others = other.get("/administration").await.csrf();
    assert_eq!(reader.send("POST", path, &own, &body(&others)).await.status, 403);
    let large = reader.send("POST", path, &own, &format!("csrf={csrf}&unit={}", "x".repeat(70_000))).await;
    assert_eq!(large.status, 413);
    assert!(stage.province.hub.tokens.list().is_empty());
    assert_eq!(reader.send("POST", path, &own, &body(&csrf)).await.status, 200);
    assert_eq!(stage.province.hub.tokens.list().len(), 1);
    reader.host = "evil.example".to_owned();
    assert_eq!(reader.get("/units").await.status, 421, "a name that is not ours");
    assert_eq!(reader.get("/healthz").await.status, 421);
}

/// Goal: the table of rights is what happens. Method: each role, a stranger and half a sign-in ask for every page there
/// is; forms go without their token, which is looked at only after the right.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_page_is_refused_to_just_those_it_is_not_for() {
    let stage = Stage::tls().await;
    let concrete = |path: &str| {
        let path = path.replace("{unit}", UNIT).replace("{language}", "vi").replace("{id}", "00");
        path.replace("/assets/{name}", "/assets/none").replace("{name}", "none")
    };
    for (name, role) in [
        ("operator", AccountRole::Operator),
        ("steward", AccountRole::Steward),
        ("approver", AccountRole::Approver),
        ("administrator", AccountRole::Administrator),
    ] {
        let mut reader = stage.signed_in(name, role).await;
        for (method, path, need) in rights::PAGES.iter().filter(|(_, path, _)| *path != "/events") {
            let reply = reader.send(method, &concrete(path), &[], "").await;
            let may = match need {
                Need::Right(right) => role.may(*right),
                Need::Glance | Need::Machine => role.may(Right::Read),
                Need::Nothing | Need::Account => true,
                Need::Halfway => false,
            };
            let home = (reply.status, reply.header("location")) == (303, "/");
            match (may, *method) {
                (true, "GET") => {
                    assert!([200, 303, 404].contains(&reply.status), "{role:?} {path}: {}", reply.status)
                }
                (true, _) => assert!(reply.body.contains("không đến từ trang này"), "{role:?} {path}"),
                (false, _) if *need == Need::Halfway => assert!(home, "{role:?} {path}"),
                (false, _) => assert!(reply.body.contains("không có quyền"), "{role:?} {method} {path}"),
            }
        }
    }
    let mut half = stage.reader();
    stage.account("half", AccountRole::Administrator);
    half.sign_in("half", PASSWORD).await;
    for mut reader in [half, stage.reader()] {
        for (method, path, need) in rights::PAGES.iter().filter(|(_, _, need)| !matches!(need, Need::Nothing))
        {
            let reply = reader.send(method, &concrete(path), &[], "").await;
            let halfway = *need == Need::Halfway && !reader.cookies.is_empty();
            // Figures for Prometheus are open to this machine, as this is.
            let open = halfway || *need == Need::Machine;
            assert!(open || [303, 401].contains(&reply.status), "{method} {path}: {}", reply.status);
            assert!(open || reply.body.is_empty(), "{method} {path}: {}", reply.body);
        }
    }
    let missing = stage.signed_in("o2", AccountRole::Operator).await.get("/no-such-page").await;
    assert_eq!(missing.status, 404);
    hardened(&missing);
}

/// Goal: a session ends with its account, at once, and by the command line as well.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_disabled_account_is_out_at_once() {
    let stage = Stage::tls().await;
    let mut keeper = stage.signed_in("lan", AccountRole::Administrator).await;
    let mut operator = stage.signed_in("minh", AccountRole::Operator).await;
    let mut steward = stage.signed_in("thu", AccountRole::Steward).await;
    assert_eq!(operator.get("/units").await.status, 200);
    let accounts = "/administration/accounts";
    let own = keeper.fill(accounts, "/administration/accounts/lan/disable", &[]).await;
    assert_eq!(own.status, 422);
    let gone = keeper.fill(accounts, "/administration/accounts/minh/disable", &[]).await;
    assert_eq!(gone.status, 303, "{gone:?}");
    assert_eq!(operator.get("/units").await.header("location"), "/sign-in?next=%2Funits");
    assert_eq!(operator.get("/live").await.status, 401);
    assert_eq!(operator.sign_in("minh", PASSWORD).await.status, 401);
    let request = Request::UserDisable { name: "thu".to_owned(), actor: "test".to_owned() };
    at_hub(&stage.province.hub, request).await;
    assert_eq!(steward.get("/units").await.status, 303);
    // A lost phone: the administrator resets it, and the next sign-in sets one up anew.
    let _lost = stage.with_code("hoa", AccountRole::Operator);
    let reset = keeper.fill(accounts, "/administration/accounts/hoa/totp", &[]).await;
    assert_eq!(reset.status, 303);
    let mut reader = stage.reader();
    reader.sign_in("hoa", PASSWORD).await;
    assert!(reader.get("/sign-in/code").await.body.contains("<svg class=\"qr\""));
}

/// Goal: an authenticator that was set up at the page is asked for at the command line too, and an administrator resets
/// it there.
#[tokio::test(flavor = "multi_thread")]
async fn p9_the_command_line_asks_for_the_code_too() {
    let stage = Stage::tls().await;
    let hub = &stage.province.hub;
    let code = stage.with_code("lan", AccountRole::Operator);
    let ask = async |user: &str, code: Option<String>, request: Request| {
        let credentials = Credentials { user: user.to_owned(), password: PASSWORD.to_owned(), code };
        let asked = Asked { credentials: Some(credentials), request };
        Arc::clone(hub).execute_as(asked, Caller::own()).await
    };
    let needed = ask("lan", None, Request::UnitList).await;
    assert_eq!((needed.exit, &needed.body["rule"]), (1, &CODE_NEEDED.into()), "{needed:?}");
    assert_eq!(ask("lan", Some("000000".to_owned()), Request::UnitList).await.exit, 1);
    assert_eq!(ask("lan", Some(code(0)), Request::UnitList).await.exit, 0);
    assert_eq!(ask("lan", Some(code(0)), Request::UnitList).await.exit, 1, "used");
    let reset = || Request::UserTotpReset { name: "lan".to_owned(), actor: String::new() };
    assert_eq!(ask("lan", Some(code(1)), reset()).await.exit, 1, "not by oneself");
    stage.account("thu", AccountRole::Administrator);
    assert_eq!(ask("thu", None, reset()).await.exit, 0);
    assert_eq!(ask("lan", None, Request::UnitList).await.exit, 0);
    assert!(stage.events().await.contains(&("account_totp_reset".to_owned(), "thu".to_owned())));
}

/// Goal: accounts are made, and tokens with their slip, at the page, in the account's name.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_accounts_and_tokens_and_revokes_a_unit() {
    let stage = Stage::tls().await;
    let hub = &stage.province.hub;
    let mut keeper = stage.signed_in("lan", AccountRole::Administrator).await;
    let accounts = "/administration/accounts";
    let both = [("name", "x1"), ("password", PASSWORD), ("steward", "yes"), ("administrator", "yes")];
    let refused = keeper.fill(accounts, accounts, &both).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("value=\"x1\"") && !refused.body.contains(PASSWORD));
    let one = [("name", "thu"), ("password", PASSWORD), ("steward", "yes")];
    assert_eq!(keeper.fill(accounts, accounts, &one).await.status, 303);
    assert!(hub.accounts.active("thu").is_some());
    let slip =
        keeper.fill("/administration", "/administration/tokens", &[("unit", UNIT), ("hours", "24")]).await;
    assert_eq!(slip.status, 200);
    let token = slip.body.split("--token ").nth(1).unwrap().split('<').next().unwrap();
    let root = lienthong_node::identity::spki_hash(&hub.secrets.root()).unwrap();
    assert!(slip.body.contains(&lienthong_proto::fingerprint::words(&root)));
    // What the slip says is what a commune's officer types.
    let folder = stage.province.dir.path().join("node");
    std::fs::create_dir_all(&folder).unwrap();
    lienthong_node::identity::enrol(&folder, &stage.province.address, &token.parse().unwrap()).await.unwrap();
    let page = format!("/units/{UNIT}");
    assert!(keeper.get(&page).await.body.contains("ghi danh"));
    let revoke = format!("{page}/revoke");
    for fields in [
        [("whom", UNIT), ("reason", ""), ("confirm", UNIT)],
        [("whom", UNIT), ("reason", "máy mất"), ("confirm", "1")],
        [("whom", "12004"), ("reason", "máy mất"), ("confirm", UNIT)],
    ] {
        assert_eq!(keeper.fill(&revoke, &revoke, &fields).await.status, 422, "{fields:?}");
    }
    let fields = [("whom", UNIT), ("reason", "máy mất"), ("confirm", UNIT)];
    assert_eq!(keeper.fill(&revoke, &revoke, &fields).await.status, 303);
    let after = keeper.get(&page).await.body;
    assert!(after.contains("đã thu hồi") && after.contains("máy mất"), "{after}");
    let events: BTreeSet<(String, String)> = stage.events().await.into_iter().collect();
    for kind in ["account", "token", "revocation"] {
        assert!(events.contains(&(kind.to_owned(), "lan".to_owned())), "{kind}: {events:?}");
    }
    assert_eq!(
        keeper
            .fill("/administration", "/administration/tokens", &[("unit", "99999"), ("hours", "24")])
            .await
            .status,
        422
    );
}

/// Goal: what others wrote is text on the page, never a part of it; both languages say all.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_only_text_and_both_languages_are_whole() {
    let stage = Stage::tls().await;
    let hub = &stage.province.hub;
    let folder = stage.province.dir.path().join("node");
    let node = make_node(hub, &stage.province.address, &folder, UNIT).await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member(UNIT, "033075001234", "<script>alert(1)</script>").unwrap()]).await;
    acknowledged(&node).await.unwrap();
    let mut reader = stage.signed_in("lan", AccountRole::Administrator).await;
    let evil = "<script>alert(2)</script>\"'><img src=x onerror=alert(3)>";
    let contact = format!("/units/{UNIT}/contact");
    let refused = reader.fill(&contact, &contact, &[("name", "Lan"), ("phone", "<script>")]).await;
    assert_eq!(refused.status, 422);
    let kept = reader.fill(&contact, &contact, &[("name", evil), ("phone", "0221 3 555 123")]).await;
    assert_eq!(kept.status, 303, "{kept:?}");
    assert!(reader.get("/units/11953").await.body.contains("href=\"tel:02213555123\""));
    hub.registry.revoke(UNIT, evil, hub.now()).unwrap();
    let fields = std::collections::BTreeMap::from([
        ("whom".to_owned(), lienthong_proto::value::Value::Text(UNIT.to_owned())),
        ("reason".to_owned(), lienthong_proto::value::Value::Text(evil.to_owned())),
    ]);
    hub.event("revocation", evil, fields).await.unwrap();
    for path in [
        "/",
        "/units",
        "/units/11953",
        "/units/11953/live",
        "/administration",
        "/administration/accounts",
        "/account",
    ] {
        let page = reader.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        hardened(&page);
        assert!(!page.body.contains("<img src=x") && !page.body.contains("alert(1)</script>"), "{path}");
    }
    assert!(reader.get("/units/11953").await.body.contains("&lt;script&gt;alert(2)"));
    let found = reader.get("/units?q=%3Cscript%3E%22").await;
    assert!(
        found.body.contains("value=\"&lt;script&gt;&quot;\"") && !found.body.contains("<script>"),
        "{}",
        found.body
    );
    assert!(reader.get("/").await.body.contains("Cần người xử lý"));
    let switched = reader.get("/language/en?back=%2Funits%3Fq%3Dpho").await;
    assert_eq!((switched.status, switched.header("location")), (303, "/units?q=pho"));
    assert_eq!(reader.get("/language/en?back=%2F%2Fevil.example").await.header("location"), "/");
    assert_eq!(reader.get("/language/fr").await.status, 404);
    let overview = reader.get("/").await.body;
    assert!(overview.contains("lang=\"en\"") && overview.contains("Needs a person now"));
    assert!(!overview.contains("Cần người") && !overview.contains("bản ghi"), "{overview}");
    let unit = reader.get("/units/11953").await.body;
    assert!(unit.contains("Timeline") && !unit.contains("Diễn biến"), "{unit}");
    node.close().await;
}

/// Goal: on loopback in clear the overview is open as before, and nothing else; a password is enough to go on.
#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_the_overview_is_open_and_nothing_else() {
    let stage = Stage::plain().await;
    let mut reader = stage.reader();
    let page = reader.get("/").await;
    assert_eq!(page.status, 200);
    hardened(&page);
    assert_eq!(page.header("strict-transport-security"), "");
    assert!(page.body.contains("Tất cả đơn vị") && page.body.contains("href=\"/sign-in\""));
    assert_eq!(reader.get("/live").await.status, 200);
    assert!(reader.get("/metrics").await.body.contains("lienthong_ledger_entries"));
    assert_eq!(
        (reader.get("/healthz").await.body, reader.get("/readyz").await.body),
        ("ok\n".into(), "{\"ready\":true,\"reasons\":[]}\n".into())
    );
    for path in ["/units", "/units/11953", "/administration", "/account"] {
        assert_eq!(reader.get(path).await.status, 303, "{path}");
    }
    let forwarded = reader.send("GET", "/", &[("X-Forwarded-For", "10.1.1.1")], "").await;
    assert_eq!(forwarded.status, 303, "somebody else's request is not this machine's");
    let style = page.body.split("href=\"/assets/style-").nth(1).unwrap().split('"').next().unwrap();
    let style = reader.get(&format!("/assets/style-{style}")).await;
    assert!(
        style.header("cache-control").contains("immutable")
            && style.header("content-type").starts_with("text/css")
    );
    assert_eq!(reader.get("/assets/style.css").await.status, 404);
    stage.account("lan", AccountRole::Operator);
    let done = reader.sign_in("lan", PASSWORD).await;
    assert_eq!((done.status, done.header("location")), (303, "/"), "{done:?}");
    assert!(!done.header("set-cookie").contains("Secure"));
    assert_eq!(reader.get("/units?q=pho+hien&sort=records&order=down").await.status, 200);
    let refused = stage.province.hub.serve_web("http://0.0.0.0:0").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("pages on")));
}
