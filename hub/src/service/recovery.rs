//! Approving that a unit goes on as a new replica, or with a fresh certificate.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::value::Value;
use serde_json::json;

use crate::app::Hub;
use crate::pki::{Approved, ReplicaState};

impl Hub {
    /// Approves one recovery of a unit by its old certificate, or one renewal of a certificate that has ended.
    pub(super) async fn approve(
        &self,
        what: Approved,
        unit: &UnitCode,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let usable = |state: &ReplicaState| match what {
            Approved::Recovery => !matches!(state, ReplicaState::Revoked { .. }),
            Approved::Renewal => *state == ReplicaState::Active,
        };
        let enrolled = self.registry.list();
        if !enrolled.iter().any(|entry| entry.unit == *unit && usable(&entry.state)) {
            return Err(Answer::failed(format!(
                "{unit} không có máy nào còn được dùng: hãy cấp mã (token create) · \
                 no node of {unit} is in use: make a token (token create)"
            )));
        }
        self.enrols().map_err(Answer::failed)?;
        let until = self.approvals.approve(what, unit, actor, self.now()).map_err(Answer::failed)?;
        let fields = BTreeMap::from([
            ("unit".to_owned(), Value::Unit(unit.clone())),
            ("until".to_owned(), Value::Timestamp(until)),
        ]);
        let kind = match what {
            Approved::Recovery => "recovery_approved",
            Approved::Renewal => "renewal_approved",
        };
        self.event(kind, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "unit": unit, "expires": until.rfc3339() })))
    }
}
