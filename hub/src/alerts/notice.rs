//! What people are told.

use lienthong_proto::time::UnixMillis;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Alert, Severity};

/// More alerts that begin or end together are told in one message.
const ONE_BY_ONE_MAX: usize = 5;

/// Whether they begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// They begin.
    Begun,
    /// They end.
    Ended,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether they begin or end.
    pub what: What,
    /// When that was.
    pub at: UnixMillis,
    /// Which.
    pub alerts: Vec<Alert>,
}

impl Notice {
    /// The messages for these alerts: one each, or one for all if they are many.
    #[must_use]
    pub fn of(what: What, alerts: Vec<Alert>, at: UnixMillis) -> Vec<Self> {
        if alerts.len() > ONE_BY_ONE_MAX {
            return vec![Self { what, at, alerts }];
        }
        alerts.into_iter().map(|alert| Self { what, at, alerts: vec![alert] }).collect()
    }

    /// The numbers of its alerts.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.alerts.iter().map(|alert| alert.id).collect()
    }

    /// What a webhook gets.
    #[must_use]
    pub fn to_json(&self, province: &str) -> Json {
        let alerts: Vec<Json> = self.alerts.iter().map(Alert::to_json).collect();
        json!({ "event": self.what, "at": self.at.rfc3339(), "province": province, "alerts": alerts })
    }

    /// A mail's subject.
    #[must_use]
    pub fn subject(&self) -> String {
        let state = match self.what {
            What::Begun => "CẢNH BÁO",
            What::Ended => "đã hết",
        };
        match self.alerts.as_slice() {
            [alert] => format!("[Liên Thông] {state}: {}", alert.vi),
            alerts => format!("[Liên Thông] {state}: {} cảnh báo · {} alerts", alerts.len(), alerts.len()),
        }
    }

    /// A mail's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for alert in &self.alerts {
            let urgent = if alert.kind.severity() == Severity::Critical { "!! " } else { "" };
            let unit = alert.unit.as_ref().map(|unit| format!(" ({unit})")).unwrap_or_default();
            let Alert { id, vi, en, begun, .. } = alert;
            let runbook = alert.kind.runbook();
            text.push_str(&format!("{urgent}#{id}{unit} {vi}\n  {en}\n  từ · since {begun}\n  {runbook}\n"));
            if let Some(ended) = alert.ended {
                text.push_str(&format!("  đến · until {ended}\n"));
            }
            text.push('\n');
        }
        text.push_str("lienthong-hub alerts acknowledge ID --reason …\n");
        text
    }
}
