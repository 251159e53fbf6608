//! A person's word that the gap was looked at: from then on there is enrolment again.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};
use tonic::Status;

use crate::app::Hub;
use crate::ledger::CONFIRMED;

impl Hub {
    /// Where the succession stands, for `status`; nothing for a first ledger.
    #[must_use]
    pub fn succession_json(&self) -> Json {
        let standing = self.committer.books().read().succession.clone();
        let Some(begun) = standing.begun else { return Json::Null };
        json!({
            "begun": begun.rfc3339(),
            "backup": standing.backup,
            "former": standing.former,
            "confirmed": standing.confirmed.as_ref().map(|(_, at)| at.rfc3339()),
            "confirmed_by": standing.confirmed.as_ref().map(|(by, _)| by),
            "readmitted": standing.readmitted,
            "statement": standing.note,
        })
    }

    /// Refuses enrolment while nobody has confirmed a succession.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn enrols(&self) -> Result<(), String> {
        if self.readmits() {
            return Err("tỉnh vừa khôi phục máy chủ: chưa ghi danh mới cho tới khi quản trị chạy \
                        `lienthong-hub confirm-succession` · the hub was restored: nobody is enrolled until an \
                        administrator runs `lienthong-hub confirm-succession`"
                .to_owned());
        }
        Ok(())
    }

    /// As [`Hub::enrols`], for a peer.
    pub(crate) fn enrols_peers(&self) -> Result<(), Status> {
        self.enrols().map_err(Status::failed_precondition)
    }

    /// Confirms the succession.
    pub(crate) async fn confirm_succession(&self, actor: &str) -> Result<Answer, Answer> {
        let standing = self.committer.books().read().succession.clone();
        if !standing.is_open() {
            return Err(Answer::failed(match standing.confirmed {
                Some((by, at)) => {
                    let at: UnixMillis = at;
                    format!("{by} đã xác nhận lúc {at} · {by} has confirmed it at {at}")
                }
                None => "sổ cái này không kế tục sổ nào · this ledger follows no other".to_owned(),
            }));
        }
        self.event(CONFIRMED, actor, BTreeMap::new()).await.map_err(Answer::failed)?;
        Ok(Answer::done(self.succession_json()))
    }
}
