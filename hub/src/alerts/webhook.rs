//! Alerts as a signed JSON document, posted over https.

use std::sync::Arc;

use http::Uri;
use lienthong_proto::hash::hmac_sha256;
use lienthong_proto::time::UnixMillis;
use rustls::ClientConfig;

use super::{HttpError, Notice, post};

/// Where alerts are posted.
#[derive(Clone)]
pub struct Webhook {
    /// An https address.
    pub uri: Uri,
    /// Whom it trusts.
    pub tls: Arc<ClientConfig>,
    /// What signs; unsigned without.
    pub secret: Option<Vec<u8>>,
}

impl Webhook {
    /// Posts a notice once. With a secret, `lienthong-signature` is `sha256=` and the HMAC-SHA-256, in hex, of
    /// `lienthong-timestamp`, a dot and the body.
    ///
    /// # Errors
    /// [`HttpError`] unless the server answers that it took it.
    pub async fn tell(&self, notice: &Notice, province: &str, now: UnixMillis) -> Result<(), HttpError> {
        let body = notice.to_json(province).to_string().into_bytes();
        let timestamp = now.seconds().to_string();
        let mut headers = Vec::new();
        if let Some(secret) = &self.secret {
            let signature = hmac_sha256(secret, &[timestamp.as_bytes(), b".", &body]);
            headers.push(("lienthong-signature", format!("sha256={}", hex::encode(signature))));
        }
        headers.push(("lienthong-timestamp", timestamp));
        post(&self.uri, &self.tls, &headers, body).await
    }
}
