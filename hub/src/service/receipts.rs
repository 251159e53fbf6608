//! Receipts for bundles: an agency sends its signed word back, and the ledger keeps it beside the delivery it is for.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_proto::disclosure::{RECEIPT, ReceiptFile, ReceiptSigner, event};
use lienthong_proto::entry::Entry;
use lienthong_proto::event::Event;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::value::Value;
use serde_json::json;

use super::erasing::refused;
use crate::app::Hub;
use crate::erasing::entry_at;

/// Bytes of a receipt's file.
const RECEIPT_FILE_MAX: usize = 16 * 1024;

impl Hub {
    pub(super) async fn agency_signer(
        &self,
        code: &UnitCode,
        signer: ReceiptSigner,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let known = self.committer.books().read().sharing.agencies.get(code).cloned();
        let Some(mut agency) = known else {
            let (vi, en) = (format!("chưa có cơ quan {code}"), format!("there is no agency {code}"));
            return Err(refused("AGENCY_UNKNOWN", &vi, &en));
        };
        agency.signer = Some(signer);
        self.agency_named(&agency, actor).await
    }

    /// Takes in the receipt for a bundle: only for a delivery the ledger has, with the digest it has, by the agency it went
    /// to. The same one again changes nothing.
    pub(super) async fn receipt_add(&self, text: &str, actor: &str) -> Result<Answer, Answer> {
        let malformed =
            || refused("RECEIPT_FILE", "tệp không phải biên nhận gói", "the file is no receipt for a bundle");
        if text.len() > RECEIPT_FILE_MAX {
            return Err(malformed());
        }
        let file: ReceiptFile = serde_json::from_str(text).map_err(|_| malformed())?;
        if file.ledger != self.secrets.ledger_origin() {
            return Err(refused(
                "RECEIPT_LEDGER",
                "biên nhận của sổ cái khác",
                "it is a receipt of another ledger",
            ));
        }
        let grant = self.known_grant(file.grant)?;
        let agency = grant.terms.agency.clone();
        let known =
            self.committer.books().read().sharing.agencies.get(&agency).and_then(|known| known.signer);
        if known != Some(file.signer) {
            let vi = format!(
                "khóa ký chưa được khai cho {agency}: đọc lại qua điện thoại rồi chạy `lienthong-hub agency signer {agency} {}`",
                file.signer
            );
            let en = format!(
                "its signer is not {agency}'s: read it back by telephone, then run `lienthong-hub agency signer {agency} {}`",
                file.signer
            );
            return Err(refused("RECEIPT_SIGNER", &vi, &en));
        }
        let said = file.holds();
        let receipt = said.ok_or_else(|| {
            refused("RECEIPT_SIGNATURE", "chữ ký không đúng", "the signature does not hold")
        })?;
        let logged = self.delivery_at(receipt.access)?;
        if logged != Some((receipt.grant, hex::encode(receipt.digest))) {
            let (vi, en) = (
                "sổ cái không có lần giao này, hoặc nội dung khác",
                "the ledger has no such delivery, or another content",
            );
            return Err(refused("RECEIPT_DELIVERY", vi, en));
        }
        let body = json!({
            "grant": receipt.grant, "agency": agency, "access": receipt.access,
            "digest": hex::encode(receipt.digest), "signer": file.signer,
        });
        if grant.bundle_receipts.contains_key(&receipt.access) {
            return Ok(Answer::done(body));
        }
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let fields = BTreeMap::from([
            ("grant".to_owned(), number(receipt.grant)),
            ("agency".to_owned(), Value::Unit(agency)),
            ("access".to_owned(), number(receipt.access)),
            ("digest".to_owned(), Value::Text(hex::encode(receipt.digest))),
            ("signer".to_owned(), Value::Text(file.signer.to_string())),
            ("signature".to_owned(), Value::Text(file.signature)),
        ]);
        self.event(RECEIPT, actor, fields).await.map_err(Answer::failed)?;
        Ok(Answer::done(body))
    }

    /// The grant and the digest of the delivery that an entry of the ledger logs, if it logs one.
    fn delivery_at(&self, index: u64) -> Result<Option<(u64, String)>, Answer> {
        if index >= self.head().size {
            return Ok(None);
        }
        let bytes = entry_at(&self.reader, index).map_err(Answer::failed)?;
        let event = Entry::decode(&bytes).and_then(|entry| Event::of(&entry));
        let Some(event) = event.ok().filter(|event| event.kind == event::ACCESS) else { return Ok(None) };
        Ok(match (event.fields.get("grant"), event.fields.get("digest")) {
            (Some(Value::Integer(grant)), Some(Value::Text(digest))) => {
                u64::try_from(*grant).ok().map(|grant| (grant, digest.clone()))
            }
            _ => None,
        })
    }
}
