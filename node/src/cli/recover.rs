//! `recover`: a new machine, a damaged or fenced log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::key::private_key;
use super::{ProxyArguments, Tongue, print_answer};
use crate::app::system_clock;
use crate::at_rest::KeyRing;
use crate::config::Config;
use crate::control::Answer;
use crate::identity::Token;
use crate::published::in_force;
use crate::recover::{self, RECOVERING, RecoverError};

/// What to recover with.
#[derive(Debug, Clone, Args)]
pub struct Recover {
    /// Máy:cổng, nếu thư mục này chưa từng ghi danh · host:port, if this folder was never enrolled
    #[arg(long)]
    hub: Option<String>,
    /// Dòng mã mới; không có thì sửa nhật ký hỏng tại chỗ, hoặc dùng giấy chứng nhận cũ khi tỉnh đã duyệt · a new token's line; without it a damaged log is mended in place, or, once the province has approved it, the old certificate serves
    #[arg(long)]
    token: Option<String>,
    /// Bản sao lưu của máy cũ, cho thư mục mới · a backup of the old machine, for a new folder
    #[arg(long, value_name = "DIR", requires = "token")]
    from: Option<PathBuf>,
    /// Tệp khóa riêng mở bản sao lưu đã mã hóa · file with the private key of an encrypted backup
    #[arg(long, value_name = "FILE", requires = "from")]
    identity: Option<PathBuf>,
    /// Proxy
    #[command(flatten)]
    proxy: ProxyArguments,
}

impl Recover {
    pub(super) async fn run(
        &self,
        data: &Path,
        config: &Config,
        keys: &KeyRing,
        json: bool,
        tongue: Tongue,
    ) -> anyhow::Result<u8> {
        let token: Option<Token> = self.token.as_deref().map(str::parse).transpose()?;
        let proxy = self.proxy.proxy(config)?;
        crate::folder::make(data).with_context(|| data.display().to_string())?;
        let catalogue = in_force(data, config.path(None, "catalogue").as_deref())?;
        let identity = private_key(self.identity.as_deref())?;
        let from = self.from.as_ref();
        let of_backup = from.map(|from| recover::from_backup(data, from, identity)).transpose()?;
        let hub = self.hub.clone().or(of_backup);
        let reach = (hub.as_deref(), proxy.as_ref());
        let replace =
            |token| recover::replace_through(data, reach, token, catalogue.clone(), system_clock, keys);
        let report = if token.is_some() || data.join(RECOVERING).exists() {
            replace(token.as_ref()).await?
        } else {
            match recover::in_place_through(data, proxy.as_ref(), keys).await {
                // What cannot be mended where it is goes on as a new replica: by the old certificate, if approved.
                Err(RecoverError::NeedsToken | RecoverError::Unsent(_)) => replace(None).await?,
                mended => mended?,
            }
        };
        print_answer(&Answer::done(serde_json::to_value(report)?), "recover", json, tongue);
        Ok(0)
    }
}
