//! Whether a unit's node holds what the hub holds.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::control::Answer;
use lienthong_proto::ids::UnitCode;

use crate::app::Hub;
use crate::reconcile::Outcome;

impl Hub {
    /// Compares; mends what differs if that is wanted, and compares again.
    pub(super) async fn reconcile(
        self: &Arc<Self>,
        unit: &UnitCode,
        repair: bool,
        timeout_seconds: u64,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let tree = self.tree();
        if tree.get(unit).is_none() && tree.ending(unit).is_none() {
            return Err(Answer::failed(format!("không có đơn vị {unit} · there is no unit {unit}")));
        }
        let wait = Duration::from_secs(timeout_seconds);
        // One at a time: each holds sums over all records.
        let _one = self.reconciling.lock().await;
        let mut compared = self.compare(unit, wait).await;
        let mut repaired = None;
        if let (true, Outcome::Differing(differing)) = (repair, &compared.outcome) {
            let mended = self.mend(unit, differing, actor, wait).await.map_err(Answer::failed)?;
            let bytes = compared.bytes;
            compared = self.compare(unit, wait).await;
            compared.bytes += bytes;
            repaired = Some(mended);
        }
        let meters = &self.observed.meters;
        match &compared.outcome {
            Outcome::Equal => meters.compared(unit, false, self.now()),
            Outcome::Differing(_) | Outcome::TooMany => meters.compared(unit, true, self.now()),
            // Nothing was compared.
            _ => {}
        }
        let mut body = compared.to_json();
        if let (Some(repaired), Some(fields)) = (repaired, body.as_object_mut()) {
            fields.insert("repair".to_owned(), repaired);
        }
        Ok(Answer { body, exit: u8::from(compared.outcome != Outcome::Equal) })
    }
}
