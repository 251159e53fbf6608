//! The API's tokens: an account makes its own; the ledger says who made and ended which.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::value::Value;
use serde_json::json;

use super::list;
use crate::accounts::{ApiTokenError, Right};
use crate::app::Hub;

impl Hub {
    pub(super) async fn api_token_create(&self, name: &str, actor: &str) -> Result<Answer, Answer> {
        let now = self.now();
        let made = tokio::task::block_in_place(|| self.api_tokens.create(name, actor, now));
        let token = made.map_err(|error| refused(&error))?;
        self.api_token_event("api_token", name, actor).await?;
        Ok(Answer::done(json!({
            "name": name, "account": actor, "token": token, "created_at": now.rfc3339(),
        })))
    }

    pub(super) async fn api_token_revoke(&self, name: &str, actor: &str) -> Result<Answer, Answer> {
        let now = self.now();
        let any = self.accounts.active(actor).is_some_and(|account| account.may(Right::KeepAccounts));
        let ended = tokio::task::block_in_place(|| self.api_tokens.revoke(name, actor, any, now));
        ended.map_err(|error| refused(&error))?;
        self.api_token_event("api_token_revoked", name, actor).await?;
        Ok(Answer::done(json!({ "name": name, "revoked_at": now.rfc3339() })))
    }

    pub(super) fn api_token_list(&self) -> Answer {
        list(self.api_tokens.list().iter().map(crate::accounts::ApiToken::to_json).collect())
    }

    async fn api_token_event(&self, kind: &str, name: &str, actor: &str) -> Result<(), Answer> {
        let fields = BTreeMap::from([("token".to_owned(), Value::Text(name.to_owned()))]);
        self.event(kind, actor, fields).await.map_err(Answer::failed)?;
        Ok(())
    }
}

fn refused(error: &ApiTokenError) -> Answer {
    let rule = match error {
        ApiTokenError::Seal(_) => return Answer::failed(error),
        ApiTokenError::Form => "NAME_FORM",
        ApiTokenError::Taken(_) => "TOKEN_TAKEN",
        ApiTokenError::Unknown(_) => "TOKEN_UNKNOWN",
        ApiTokenError::Foreign(_) => "TOKEN_FOREIGN",
        ApiTokenError::TooMany => "TOKENS_MAX",
    };
    Answer::refused(rule, error)
}
