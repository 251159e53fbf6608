//! `alerts list` and `alerts acknowledge`.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_node::records::Page;
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

use super::watch::acknowledged;
use super::{Alert, AlertError};
use crate::app::Hub;

impl Hub {
    /// The open alerts, or also those that ended; with whom to call.
    pub(crate) fn alerts_list(&self, all: bool, page: &Page) -> Answer {
        let items: Vec<Json> = self.alerts.list(all).iter().map(|alert| self.alert_json(alert)).collect();
        let id = |item: &Json| item["id"].to_string();
        Answer::done(page.of(items, id, |id| id.parse::<u64>().unwrap_or(u64::MAX)))
    }

    /// Somebody looks after an alert: nobody is told any more until it has ended.
    /// The ledger says who and of what; why is free text, which must be forgettable.
    pub(crate) async fn alerts_acknowledge(
        &self,
        id: u64,
        reason: &str,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let rule = |error: &AlertError| match error {
            AlertError::Unknown(_) => "ALERT_UNKNOWN",
            AlertError::Reason => "REASON_MISSING",
            AlertError::Kept(_) => "NOT_KEPT",
        };
        let alert = self.alerts.acknowledge(id, acknowledged(actor, reason, self.now()));
        let alert = alert.map_err(|error| Answer::refused(rule(&error), &error))?;
        tracing::info!(key = alert.key, by = actor, "an alert was acknowledged");
        let fields = BTreeMap::from([("alert".to_owned(), Value::Text(alert.key.clone()))]);
        self.event("alert_acknowledged", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.alert_json(&alert)))
    }

    fn alert_json(&self, alert: &Alert) -> Json {
        let mut shown = alert.to_json();
        let by = alert
            .acknowledged
            .as_ref()
            .map(|by| json!({ "by": by.by, "at": by.at.rfc3339(), "reason": by.reason }));
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("acknowledged".to_owned(), by.into());
            let contact = alert.unit.as_ref().map(|unit| {
                let known = self.contacts.get(unit);
                let (name, phone) = known.map(|known| (known.name, known.phone)).unzip();
                json!({ "name": name, "phone": phone })
            });
            fields.insert("contact".to_owned(), contact.into());
        }
        shown
    }
}
