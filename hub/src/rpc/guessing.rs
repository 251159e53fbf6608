//! What becomes of wrong enrolment tokens: an answer, a line in the ledger, an alert.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lienthong_proto::value::Value;
use tonic::Status;

use crate::app::Hub;
use crate::pki::TokenError;

impl Hub {
    /// A source sent a token that is refused; what it is told.
    pub(super) async fn guessed(&self, source: IpAddr, token: &[u8], refusal: &TokenError) -> Status {
        self.observed.meters.refused("token");
        let now = self.now();
        let token = hex::encode(token);
        let entry = self.tokens.list().into_iter().find(|entry| entry.id == token);
        let wait = self.tokens.guesses.wait_seconds(source, now);
        if wait > 0 && entry.is_none() {
            let minutes = wait.div_ceil(60);
            return Status::resource_exhausted(format!(
                "từ địa chỉ này đã có quá nhiều mã sai: hãy chờ {minutes} phút · too many wrong tokens came from this address: wait {minutes} minutes"
            ));
        }
        let mut fields = BTreeMap::from([("address".to_owned(), Value::Text(source.to_string()))]);
        if let Some(wrong) = self.tokens.guesses.wrong(source, now) {
            fields.insert("wrong".to_owned(), Value::Integer(wrong.into()));
            self.tell_of_guesses("enrolment_refused", fields.clone()).await;
        }
        // Told once: from then on it is refused as revoked.
        let wrong = matches!(refusal, TokenError::Unknown);
        if let Some(entry) = entry.filter(|entry| wrong && entry.is_guessed(now)) {
            fields.insert("id".to_owned(), Value::Text(entry.id));
            fields.insert("unit".to_owned(), Value::Unit(entry.unit));
            self.tell_of_guesses("token_locked", fields).await;
        }
        Status::permission_denied(refusal.to_string())
    }

    async fn tell_of_guesses(&self, kind: &str, fields: BTreeMap<String, Value>) {
        if let Err(error) = self.event(kind, "hub", fields).await {
            tracing::error!(%error, kind, "wrong enrolment tokens are not in the ledger");
        }
    }
}
