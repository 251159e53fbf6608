//! `enrol`: a one-time token becomes this folder's keys and certificate.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;

use super::{ProxyArguments, Tongue, print_answer};
use crate::config::Config;
use crate::control::Answer;
use crate::identity::{Token, enrol_through};

/// What to enrol with.
#[derive(Debug, Clone, Args)]
pub struct Enrol {
    /// host:port
    #[arg(long)]
    hub: String,
    /// The token's line
    #[arg(long)]
    token: String,
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
        std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
        let profile = enrol_through(data, (&self.hub, proxy.as_ref()), &token).await?;
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
