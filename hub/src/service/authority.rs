//! The authorities of certificates: shown, followed by another, retired when nothing hangs on the one before.

use std::collections::BTreeMap;

use lienthong_node::control::Answer;
use lienthong_node::identity::spki_hash;
use lienthong_proto::fingerprint;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::app::Hub;
use crate::pki::{Enrolled, Root};

/// What can be asked of the authorities.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "authority")]
pub enum AuthorityRequest {
    /// Which there are, and who has not moved yet.
    #[serde(rename = "authority_show")]
    Show,
    /// Go on with another one.
    #[serde(rename = "authority_rotate")]
    Rotate {
        /// It, signed for by the recovery key.
        root: Box<Root>,
        /// Who.
        actor: String,
    },
    /// Trust the one before no more.
    #[serde(rename = "authority_retire")]
    Retire {
        /// Even if machines still hang on it.
        now: bool,
        /// Who.
        actor: String,
    },
}

impl AuthorityRequest {
    /// Its name in the table of rights.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Show => "authority_show",
            Self::Rotate { .. } => "authority_rotate",
            Self::Retire { .. } => "authority_retire",
        }
    }

    pub(crate) fn act_as(&mut self, name: &str) {
        match self {
            Self::Rotate { actor, .. } | Self::Retire { actor, .. } => name.clone_into(actor),
            Self::Show => {}
        }
    }
}

impl Hub {
    pub(super) async fn authority(&self, request: AuthorityRequest) -> Result<Answer, Answer> {
        let authorities = &self.secrets.authorities;
        match request {
            AuthorityRequest::Show => {}
            AuthorityRequest::Rotate { root, actor } => {
                authorities.rotate(*root, &self.secrets.profile, self.now()).map_err(Answer::failed)?;
                tracing::warn!(
                    number = authorities.current().number,
                    "there is another authority of certificates"
                );
                self.authority_event("authority", &actor).await?;
            }
            AuthorityRequest::Retire { now, actor } => {
                let waiting = self.waiting_for_authority();
                if !now && (!waiting.is_empty() || self.tokens.any_open(self.now())) {
                    return Err(Answer::failed(format!(
                        "còn {0} máy dưới gốc cũ, hoặc còn mã ghi danh chưa dùng: xem `authority show`; --now bỏ qua, các máy đó phải được duyệt từng máy (approve-renewal) · \
                         {0} machines hang on the one before, or a token is still out: see `authority show`; --now does it all the same, and each of them needs approve-renewal",
                        waiting.len()
                    )));
                }
                self.retire_authority(&actor).await?;
            }
        }
        Ok(Answer::done(self.authority_json()))
    }

    /// Retires the authority before, if nothing hangs on it any more; whether it did.
    pub async fn retire_authority_if_due(&self) -> bool {
        let moving = self.secrets.authorities.former().is_some();
        if !moving || !self.waiting_for_authority().is_empty() || self.tokens.any_open(self.now()) {
            return false;
        }
        self.retire_authority("hub").await.is_ok()
    }

    async fn retire_authority(&self, actor: &str) -> Result<(), Answer> {
        self.secrets.authorities.retire().map_err(Answer::failed)?;
        // From now on the hub shows a certificate of the current one.
        let renewed = self.server_certificate.renew(&self.secrets, &self.issuer, &[], self.now());
        renewed.map_err(Answer::failed)?;
        tracing::warn!("the authority before is retired");
        self.authority_event("authority_retired", actor).await
    }

    async fn authority_event(&self, kind: &str, actor: &str) -> Result<(), Answer> {
        let current = self.secrets.authorities.current();
        let fields = BTreeMap::from([
            ("number".to_owned(), Value::Integer(current.number.into())),
            ("statement".to_owned(), Value::Text(current.note)),
        ]);
        self.event(kind, actor, fields).await.map(drop).map_err(Answer::failed)
    }

    /// Whose certificates hang on the authority before.
    #[must_use]
    pub fn waiting_for_authority(&self) -> Vec<Enrolled> {
        let authorities = &self.secrets.authorities;
        if authorities.former().is_none() {
            return Vec::new();
        }
        let waits = |entry: &Enrolled| entry.is_active() && !authorities.is_current(&entry.issuer);
        self.registry.list().into_iter().filter(waits).collect()
    }

    fn authority_json(&self) -> Json {
        let authorities = &self.secrets.authorities;
        let current = authorities.current();
        let words = |root: &Root| {
            let parsed = x509_parser::pem::parse_x509_pem(root.pem.as_bytes()).ok();
            let hash = parsed.and_then(|(_, pem)| spki_hash(&pem.contents.into()));
            hash.map(|hash| fingerprint::words(&hash))
        };
        let waits = |entry: &Enrolled| json!({ "unit": entry.unit, "replica": entry.replica });
        let waiting: Vec<Json> = self.waiting_for_authority().iter().map(waits).collect();
        let former = authorities.former().map(|(former, since)| {
            json!({ "number": former.number, "fingerprint": words(&former), "since": since.rfc3339(), "waiting": waiting })
        });
        json!({ "number": current.number, "fingerprint": words(&current), "certificate": current.pem, "former": former })
    }
}
