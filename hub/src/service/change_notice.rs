//! What an agency is told of records it was handed that are no longer as they were.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_node::control::Answer;
use lienthong_proto::disclosure::{Became, ChangeNotice, event};
use lienthong_proto::value::Value;
use serde_json::json;

use super::erasing::refused;
use crate::app::Hub;
use crate::sharing::{Changed, changed_since};

/// Records of one notice: it is read whole.
const RECORDS_MAX: usize = 50_000;

impl Hub {
    /// Says what became, since the last delivery under a grant, of what it handed over; with `out` in a notice there, sealed to
    /// the agency.
    pub(super) async fn grant_notice(
        &self,
        number: u64,
        out: Option<&Path>,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let granted = self.known_grant(number)?;
        self.committer.flush().await;
        let changed =
            tokio::task::block_in_place(|| changed_since(self, &granted)).map_err(Answer::failed)?;
        let Some(Changed { since, until, records }) = changed else {
            let (vi, en) = ("chưa giao gì theo giấy này", "nothing was handed over under this grant");
            return Err(refused("GRANT_STATE", vi, en));
        };
        let count = |became| records.iter().filter(|record| record.became == became).count();
        let (withdrawn, left, changed) =
            (count(Became::Withdrawn), count(Became::Left), count(Became::Changed));
        let mut told = json!({
            "grant": number, "agency": granted.terms.agency, "since": since, "until": until,
            "withdrawn": withdrawn, "left": left, "changed": changed,
        });
        let Some(out) = out else { return Ok(Answer::done(told)) };
        if records.is_empty() {
            let (vi, en) = (
                "không có gì để báo: mọi bản ghi đã giao vẫn như lúc giao",
                "there is nothing to tell: all that was handed over is as it was",
            );
            return Err(refused("GRANT_STATE", vi, en));
        }
        if records.len() > RECORDS_MAX {
            let vi = format!(
                "{} bản ghi đã khác: quá {RECORDS_MAX}; hãy giao gói mới theo giấy mới",
                records.len()
            );
            let en = format!(
                "{} records are otherwise, more than {RECORDS_MAX}: hand a new bundle over under a new grant",
                records.len()
            );
            return Err(refused("GRANT_STATE", &vi, &en));
        }
        let whole = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("grant".to_owned(), whole(number)),
            ("agency".to_owned(), Value::Unit(granted.terms.agency.clone())),
            ("since".to_owned(), whole(since)),
            ("until".to_owned(), whole(until)),
            ("records".to_owned(), whole(records.len() as u64)),
        ]);
        let notice = ChangeNotice {
            ledger: self.secrets.ledger_origin(),
            grant: number,
            agency: granted.terms.agency.clone(),
            since,
            until,
            at: self.now().rfc3339(),
            records,
        };
        let text = notice.sign(self.secrets.ledger_key.as_ref()).map_err(Answer::failed)?;
        let logged = (event::CHANGE_NOTICE, fields, actor);
        let place = self.hand_notice(&text, out, &granted.terms.agency, logged).await?;
        if let Some(told) = told.as_object_mut() {
            told.insert("file".to_owned(), json!(out));
            told.insert("ledger_index".to_owned(), json!(place));
        }
        Ok(Answer::done(told))
    }
}
