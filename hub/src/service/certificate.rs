//! The hub's own certificate: shown, issued anew when it is time or when somebody says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lienthong_node::control::Answer;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde_json::json;

use crate::app::Hub;

/// How often it is looked at: it is good for months.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

impl Hub {
    /// Issues the hub's certificate anew whenever it is time, and retires an authority nothing hangs on, until the hub
    /// stops.
    pub(crate) async fn keep_certified(self: Arc<Self>) {
        loop {
            self.renew_certificate_if_due().await;
            self.retire_authority_if_due().await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Issues the hub's certificate anew if it is time; connections that stand go on, new ones see the new one.
    pub async fn renew_certificate_if_due(&self) {
        match self.server_certificate.renew_if_due(&self.secrets, &self.issuer, self.now()) {
            Ok(false) => {}
            Ok(true) => drop(self.certified("hub").await),
            Err(error) => tracing::error!(%error, "the hub's certificate is not renewed; it is tried again"),
        }
    }

    pub(super) async fn certificate_renew(&self, names: &[String], actor: &str) -> Result<Answer, Answer> {
        let certificate = &self.server_certificate;
        certificate.renew(&self.secrets, &self.issuer, names, self.now()).map_err(Answer::failed)?;
        self.certified(actor).await
    }

    pub(super) fn certificate_show(&self) -> Answer {
        let certificate = &self.server_certificate;
        let until = certificate.ends().map(UnixMillis::rfc3339);
        Answer::done(json!({ "names": certificate.names(), "certificate_until": until }))
    }

    /// Logs that a fresh certificate is in use.
    async fn certified(&self, actor: &str) -> Result<Answer, Answer> {
        let names = Value::Text(self.server_certificate.names().join(" "));
        let until = self.server_certificate.ends().unwrap_or_default().rfc3339();
        let fields = BTreeMap::from([("names".to_owned(), names), ("until".to_owned(), Value::Text(until))]);
        if let Err(error) = self.event("server_certificate", actor, fields).await {
            tracing::error!(%error, "a renewed certificate is not in the ledger");
        }
        Ok(self.certificate_show())
    }
}
