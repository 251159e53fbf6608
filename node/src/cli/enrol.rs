//! `enrol`: a one-time token becomes this folder's keys and certificate.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{ProxyArguments, Tongue, print_answer};
use crate::config::Config;
use crate::control::Answer;
use crate::granted::trust_path;
use crate::identity::{Token, enrol_through, write_private};
use crate::verify::policy;

/// What to enrol with.
#[derive(Debug, Clone, Args)]
pub struct Enrol {
    /// Máy:cổng của tỉnh · host:port
    #[arg(long)]
    hub: String,
    /// Dòng mã ghi danh · the token's line
    #[arg(long)]
    token: String,
    /// Máy của cơ quan: chính sách tin cậy, nhận qua đường khác với mã này · at an agency: the trust policy, got by another way than the token
    #[arg(long, value_name = "POLICY")]
    trust: Option<PathBuf>,
    /// Proxy
    #[command(flatten)]
    proxy: ProxyArguments,
}

impl Enrol {
    pub(super) async fn run(
        &self,
        data: &Path,
        config: &Config,
        json: bool,
        tongue: Tongue,
    ) -> anyhow::Result<u8> {
        let token: Token = self.token.parse()?;
        let proxy = self.proxy.proxy(config)?;
        let trust = self.trust.as_deref().map(policy).transpose()?;
        crate::folder::make(data).with_context(|| data.display().to_string())?;
        let profile = enrol_through(data, (&self.hub, proxy.as_ref()), &token).await?;
        if let Some(trust) = trust {
            let path = trust_path(data);
            write_private(&path, trust.to_text().as_bytes()).with_context(|| path.display().to_string())?;
        }
        let body = serde_json::json!({
            "unit": profile.unit,
            "unit_name": profile.unit_name,
            "role": profile.role,
            "replica": profile.replica,
            "fingerprint": lienthong_proto::fingerprint::words(&token.root),
        });
        print_answer(&Answer::done(body), "enrol", json, tongue);
        Ok(0)
    }
}
