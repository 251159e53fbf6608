//! A province whose pages are served, with accounts to look at them.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot sign in has failed, and a JSON document answers every index"
)]

use std::sync::Arc;

use lienthong_hub::accounts::AccountRole;
use lienthong_hub::accounts::totp::{Seed, step_at};
use lienthong_hub::app::Hub;
use lienthong_hub::service::Request;
use lienthong_hub::web::Pages;

use crate::Province;
use crate::asking::at_hub;
use crate::browser::Browser;
use crate::browsing::{Reader, Reply};

/// The password of every account here.
pub const PASSWORD: &str = "mật khẩu đủ dài";

/// A hub with its pages.
pub struct Stage {
    /// The hub, and where nodes find it.
    pub province: Province,
    /// Where its pages are.
    pub pages: Pages,
}

impl Stage {
    /// Serves the pages at an address.
    pub async fn set(listen: &str) -> Self {
        let province = Province::set().await.unwrap();
        let pages = province.hub.serve_web(listen).await.unwrap();
        Self { province, pages }
    }

    /// Over TLS.
    pub async fn tls() -> Self {
        Self::set("https://127.0.0.1:0").await
    }

    /// In clear.
    pub async fn plain() -> Self {
        Self::set("127.0.0.1:0").await
    }

    /// The address a browser opens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://localhost:{}", self.pages.scheme.name(), self.pages.address.port())
    }

    /// One who is not signed in.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(&self.province.hub, self.pages)
    }

    /// A new account.
    pub fn account(&self, name: &str, role: AccountRole) {
        let hub = &self.province.hub;
        hub.accounts.add(name, vec![role], None, Some(PASSWORD), hub.now()).unwrap();
    }

    /// An account with an authenticator, and the code of a step from now.
    pub fn with_code(&self, name: &str, role: AccountRole) -> impl Fn(u64) -> String + use<> {
        self.account(name, role);
        let (hub, seed) = (Arc::clone(&self.province.hub), Seed::random());
        // Set up by a code of the past, so that the present one is not used yet.
        let before = lienthong_proto::time::UnixMillis(hub.now().0 - 60_000);
        let first = format!("{:06}", seed.code(step_at(before)));
        hub.accounts.enrol_code(name, &seed, &first, before).unwrap();
        move |later| format!("{:06}", seed.code(step_at(hub.now()) + later))
    }

    /// A reader who is in.
    pub async fn signed_in(&self, name: &str, role: AccountRole) -> Reader {
        let mut reader = self.reader();
        let code = self.with_code(name, role);
        let half = reader.sign_in(name, PASSWORD).await;
        assert_eq!((half.status, half.header("location")), (303, "/sign-in/code?next=%2F"), "{half:?}");
        let done = reader.fill("/sign-in/code", "/sign-in/code", &[("code", &code(0))]).await;
        assert_eq!((done.status, done.header("location")), (303, "/"), "{done:?}");
        reader
    }

    /// The events of the ledger: what, and by whom.
    pub async fn events(&self) -> Vec<(String, String)> {
        let shown = at_hub(&self.province.hub, Request::LedgerShow { from: 0, limit: 1_000 }).await;
        let items = shown["items"].as_array().unwrap().iter().filter(|item| item["entry"]["kind"] == "event");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        items.map(|item| (text(&item["entry"]["event"]), text(&item["entry"]["actor"]))).collect()
    }

    /// How many events of a kind there are.
    pub async fn count(&self, kind: &str) -> usize {
        self.events().await.iter().filter(|(event, _)| event == kind).count()
    }
}

/// A page that runs, loads and frames nothing but its own.
pub fn hardened(reply: &Reply) {
    let policy = reply.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{reply:?}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert!(!reply.body.contains("style=\"") && !reply.body.contains(" onclick="), "nothing inline");
    assert!(!reply.body.contains("<script>"), "{}", reply.body);
}

/// Signs in with a real browser, setting the authenticator up with the key that the page shows.
pub async fn sign_in(browser: &Browser, hub: &Hub, pages: &str, name: &str) {
    browser.go(&format!("{pages}/units")).await;
    browser.fill("input[name=user]", name).await;
    browser.fill("input[name=password]", PASSWORD).await;
    browser.click("button.main").await;
    browser.until("document.querySelector('.secret')").await;
    let key = browser.script("return document.querySelector('.secret').textContent").await;
    let seed = Seed::of_base32(key.as_str().unwrap()).unwrap();
    let code = format!("{:06}", seed.code(step_at(hub.now())));
    browser.fill("input[name=code]", &code).await;
    browser.click("button.main").await;
    // A click does not wait for where it leads: where one was going.
    browser.until(&format!("location.href === '{pages}/units'")).await;
}
