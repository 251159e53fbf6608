//! Approving that a unit goes on as a new replica.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::value::Value;
use serde_json::json;

use crate::app::Hub;
use crate::pki::ReplicaState;

impl Hub {
    /// Approves one recovery of a unit by its old certificate.
    pub(super) async fn approve_recovery(&self, unit: &UnitCode, actor: &str) -> Result<Answer, Answer> {
        let usable = |state: &ReplicaState| !matches!(state, ReplicaState::Revoked { .. });
        let enrolled = self.registry.list();
        if !enrolled.iter().any(|entry| entry.unit == *unit && usable(&entry.state)) {
            return Err(Answer::failed(format!(
                "{unit} không có máy nào còn giấy chứng nhận dùng được: hãy cấp mã (token create) · \
                 no node of {unit} has a certificate that counts: make a token (token create)"
            )));
        }
        self.enrols().map_err(Answer::failed)?;
        let until = self.approvals.approve(unit, actor, self.now()).map_err(Answer::failed)?;
        let fields = BTreeMap::from([
            ("unit".to_owned(), Value::Unit(unit.clone())),
            ("until".to_owned(), Value::Timestamp(until)),
        ]);
        self.event("recovery_approved", actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(json!({ "unit": unit, "expires": until.rfc3339() })))
    }
}
