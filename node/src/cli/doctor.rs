//! `doctor`: what is wrong here, and what to do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{KeyArguments, ProxyArguments, Tongue, print_answer, say};
use crate::app::system_clock;
use crate::config::Config;
use crate::doctor::{Examination, answer};

/// Where to look besides the data folder.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Thử đường tới máy chủ này, cả khi chưa ghi danh · the hub to try, before enrolling too: host:port
    #[arg(long)]
    hub: Option<String>,
    /// Thư mục nhận tệp · the watched folder
    #[arg(long, env = "LIENTHONG_INBOX", value_name = "DIR")]
    inbox: Option<PathBuf>,
    /// Proxy
    #[command(flatten)]
    proxy: ProxyArguments,
}

impl Doctor {
    pub(super) async fn run(
        &self,
        data: &Path,
        config: &Config,
        keys: &KeyArguments,
        json: bool,
        tongue: Tongue,
    ) -> anyhow::Result<u8> {
        let examination = Examination {
            data: data.to_owned(),
            inbox: config.path(self.inbox.as_ref(), "inbox"),
            proxy: self.proxy.proxy(config)?,
            hub: self.hub.clone(),
            clock: system_clock,
            keys: keys.source(config)?,
        };
        let found = examination.examine().await;
        let answer = answer(&found);
        if json {
            print_answer(&answer, "doctor", true, tongue);
        } else {
            found.iter().for_each(|finding| say(&finding.lines(tongue)));
        }
        Ok(answer.exit)
    }
}
