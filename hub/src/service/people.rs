//! The accounts of people.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

use super::list;
use crate::accounts::{Account, AccountRole};
use crate::app::Hub;

impl Hub {
    pub(super) async fn user_add(
        &self,
        name: String,
        roles: Vec<AccountRole>,
        uid: Option<u32>,
        password: Option<&str>,
        actor: &str,
    ) -> Result<Answer, Answer> {
        self.accounts.add(&name, roles, uid, password, self.now()).map_err(Answer::failed)?;
        self.account_event("account", name, actor).await
    }

    pub(super) async fn user_disable(&self, name: String, actor: &str) -> Result<Answer, Answer> {
        self.accounts.disable(&name).map_err(Answer::failed)?;
        self.account_event("account_disabled", name, actor).await
    }

    pub(super) async fn user_totp_reset(&self, name: String, actor: &str) -> Result<Answer, Answer> {
        self.accounts.reset_second_factor(&name).map_err(Answer::failed)?;
        self.account_event("account_totp_reset", name, actor).await
    }

    async fn account_event(&self, kind: &str, name: String, actor: &str) -> Result<Answer, Answer> {
        let fields = BTreeMap::from([("account".to_owned(), Value::Text(name.clone()))]);
        self.event(kind, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "name": name })))
    }

    pub(super) fn user_list(&self) -> Answer {
        list(self.accounts.list().iter().map(account_json).collect())
    }
}

fn account_json(account: &Account) -> Json {
    json!({
        "name": account.name,
        "roles": account.roles,
        "uid": account.uid,
        "second_factor": account.has_second_factor(),
        "disabled": account.disabled,
        "created": UnixMillis(account.created_at).rfc3339(),
    })
}
