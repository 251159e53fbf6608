//! The proxy's options, for the commands that dial the hub.

use std::path::PathBuf;

use clap::Args;

use crate::config::Config;
use crate::identity::{Proxy, ProxySetting};

/// How the hub is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct ProxyArguments {
    /// Proxy HTTP của cơ quan, ví dụ `http://10.0.0.1:3128` · the office's HTTP proxy
    #[arg(long, env = "LIENTHONG_PROXY", value_name = "URL")]
    pub proxy: Option<String>,
    /// Tệp chứa tên:mật khẩu của proxy (chmod 600) · file with user:password for the proxy
    #[arg(long, env = "LIENTHONG_PROXY_CREDENTIALS_FILE", value_name = "FILE")]
    pub proxy_credentials_file: Option<PathBuf>,
}

impl ProxyArguments {
    /// The proxy of these options, or of the settings file; none if neither names one, or an empty text does.
    ///
    /// # Errors
    /// [`ProxySetting`] if what is named is none.
    pub fn proxy(&self, config: &Config) -> Result<Option<Proxy>, ProxySetting> {
        let address = config.pick(self.proxy.as_deref(), "proxy", "");
        if address.is_empty() {
            return Ok(None);
        }
        let proxy: Proxy = address.parse()?;
        match config.path(self.proxy_credentials_file.as_ref(), "proxy_credentials_file") {
            Some(path) => proxy.with_credentials(&path).map(Some),
            None => Ok(Some(proxy)),
        }
    }
}
