//! The node's commands and their arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use lienthong_proto::time::UnixMillis;

use super::doctor::Doctor;
use super::enrol::Enrol;
use super::key::{KeyAction, KeyArguments};
use super::proxy::ProxyArguments;
use super::receipt::Receipt;
use super::records::RecordsCommand;
use super::recover::Recover;
use super::verify::Verify;
use crate::api::ApiTokenRequest;
use crate::records::Page;
use crate::service::Request;
use crate::web::OfficerRequest;

/// The keys of a settings file.
pub const KEYS: [&str; 14] = [
    "data",
    "lang",
    "log_format",
    "log_filter",
    "catalogue",
    "inbox",
    "api",
    "web",
    "metrics",
    "proxy",
    "proxy_credentials_file",
    "at_rest_key_file",
    "at_rest_key_command",
    "backup_recipient",
];

/// Liên Thông, node: thu thập, lưu giữ, đồng bộ · capture, store, synchronise
#[derive(Debug, Parser)]
#[command(name = "lienthong-node", version)]
pub struct Cli {
    /// Thư mục dữ liệu · data folder
    #[arg(long, global = true, env = "LIENTHONG_DATA")]
    pub data: Option<PathBuf>,
    /// Tệp cấu hình: data, lang, `log_format`, `log_filter`, catalogue, inbox, api, web, metrics, proxy, `proxy_credentials_file`, `at_rest_key_file`, `at_rest_key_command`, `backup_recipient` · settings file
    #[arg(long, global = true, env = "LIENTHONG_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Một tài liệu JSON ra đầu ra chuẩn · one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// vi | en
    #[arg(long, global = true, env = "LIENTHONG_LANG")]
    pub lang: Option<String>,
    /// text | json: dạng vết ra đầu ra lỗi · form of the traces on standard error
    #[arg(long, global = true, env = "LIENTHONG_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Vết nào được ghi: warn, info, lienthong_hub=debug · which traces are written
    #[arg(long, global = true, env = "LIENTHONG_LOG", value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Where the keys are
    #[command(flatten)]
    pub keys: KeyArguments,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the node can be told.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ghi danh với tỉnh bằng mã một lần · enrol at the hub with a one-time token
    Enrol(Enrol),
    /// Khôi phục: máy mới, nhật ký hỏng hoặc bị tỉnh dừng · recover: a new machine, a damaged or fenced log
    Recover(Recover),
    /// Chạy và đồng bộ liên tục · run and keep in step
    Run {
        /// Thư mục tệp danh mục thay cho danh mục có sẵn · folder with catalogue files over the built-in ones
        #[arg(long, env = "LIENTHONG_CATALOGUE")]
        catalogue: Option<PathBuf>,
        /// Thư mục nhận tệp, mặc định DATA/inbox · the watched folder, DATA/inbox by default
        #[arg(long, env = "LIENTHONG_INBOX", value_name = "DIR")]
        inbox: Option<PathBuf>,
        /// Địa chỉ của API cho phần mềm trên máy này, ví dụ 127.0.0.1:8081 · where to serve this machine's own software
        #[arg(long, env = "LIENTHONG_API", value_name = "ADDRESS")]
        api: Option<String>,
        /// Địa chỉ của trang cho cán bộ, ví dụ 127.0.0.1:8080; địa chỉ khác máy này thì qua TLS · where to serve the officers' page; beyond this machine over TLS
        #[arg(long, env = "LIENTHONG_WEB", value_name = "ADDRESS")]
        web: Option<String>,
        /// Địa chỉ số đo của riêng máy này, ví dụ 127.0.0.1:9090 · where to serve /metrics, /healthz and /readyz, loopback only
        #[arg(long, env = "LIENTHONG_METRICS", value_name = "ADDRESS")]
        metrics: Option<String>,
        /// Proxy
        #[command(flatten)]
        proxy: ProxyArguments,
    },
    /// Mở trang: in liên kết dùng một lần · print a link that opens the page once
    Open,
    /// Cán bộ được mở trang từ mạng cơ quan · who may open the page from the office network
    Officer {
        /// What
        #[command(subcommand)]
        action: OfficerAction,
    },
    /// Mã truy cập của API · the API's tokens
    ApiToken {
        /// What
        #[command(subcommand)]
        action: ApiTokenAction,
    },
    /// Tình trạng · where it stands
    Status,
    /// Đồng bộ ngay · synchronise now
    Sync {
        /// Kết thúc khi tỉnh đã nhận hết (luôn như vậy) · ends when everything is acknowledged (always so)
        #[arg(long)]
        once: bool,
        /// Proxy
        #[command(flatten)]
        proxy: ProxyArguments,
    },
    /// Bản ghi · records
    #[command(flatten)]
    Records(RecordsCommand),
    /// Lỗi dữ liệu cần sửa và điểm chất lượng · what is wrong with the records, and the score
    Defects {
        /// Chỉ loại này · only of this type
        #[arg(long = "type")]
        record_type: Option<String>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Máy của cơ quan: các giấy cấp quyền và dữ liệu đã nhận · at an agency: the grants, and what came under each
    Grants {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Thông báo từ tỉnh · what the province told
    Notices {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Bản ghi tỉnh chưa nhập · what the province keeps apart
    Quarantine {
        /// list
        #[command(subcommand)]
        action: QuarantineAction,
    },
    /// Nhật ký · the log
    Log {
        /// What
        #[command(subcommand)]
        action: LogAction,
    },
    /// Kiểm tra gói nhận từ tỉnh, không cần mạng · check a bundle from the province, offline
    Verify(Verify),
    /// Ký biên nhận một gói đã nhận và kiểm tra, để gửi lại tỉnh · sign for a bundle that was received and checked, to be sent back
    Receipt(Receipt),
    /// Tìm trục trặc thường gặp và nói cách sửa · find the usual trouble, and say what to do
    Doctor(Doctor),
    /// Kiểm tra toàn bộ nhật ký · judge the whole log
    Check,
    /// Khóa mã hóa kho · the key the store is encrypted with
    Key {
        /// What
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Sao lưu, cả khi đang chạy; không có khóa riêng trong đó · back up, while it runs too; no private key is in it
    Backup {
        /// Thư mục đích, trên đĩa khác · the folder for it, on another disk
        to: PathBuf,
        /// Mã hóa cho người nhận này (`key pair`), hoặc `plain`: không mã hóa · encrypt it to this recipient (`key pair`), or `plain`: in clear
        #[arg(long = "to", env = "LIENTHONG_BACKUP_RECIPIENT", value_name = "RECIPIENT")]
        recipient: Option<String>,
    },
}

/// What of the API's tokens.
#[derive(Debug, Subcommand)]
pub enum ApiTokenAction {
    /// Tạo mới, chỉ hiện một lần · a new one, shown once
    Create {
        /// Chương trình dùng mã này, ghi tên trong bản ghi nó tạo · the program it is for, as the records it writes will name it
        name: String,
    },
    /// Tất cả · all of them
    List,
    /// Thu hồi một mã, ngay lập tức · end one, at once
    Revoke {
        /// Tên · its name
        name: String,
    },
}

impl ApiTokenAction {
    pub(super) fn request(&self) -> ApiTokenRequest {
        match self {
            Self::Create { name } => ApiTokenRequest::Create { name: name.clone() },
            Self::List => ApiTokenRequest::List,
            Self::Revoke { name } => ApiTokenRequest::Revoke { name: name.clone() },
        }
    }
}

/// What of officers.
#[derive(Debug, Subcommand)]
pub enum OfficerAction {
    /// Cho một người vào, có mật khẩu · let one in, with a password
    Add {
        /// Tên ghi trong bản ghi người này tạo · as the records they write will name them
        name: String,
        /// Tệp chứa mật khẩu (chmod 600); không có thì hỏi · file with the password; asked for otherwise
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Tất cả · all of them
    List,
    /// Không cho vào nữa, ngay lập tức · let one in no more, at once
    Remove {
        /// Ai · who
        name: String,
    },
}

impl OfficerAction {
    pub(super) fn request(&self) -> anyhow::Result<OfficerRequest> {
        Ok(match self {
            Self::Add { name, password_file } => {
                let password = super::password::password(password_file.as_deref(), name)?;
                OfficerRequest::Add { name: name.clone(), password }
            }
            Self::List => OfficerRequest::List,
            Self::Remove { name } => OfficerRequest::Remove { name: name.clone() },
        })
    }
}

/// What of the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineAction {
    /// Tất cả · all of it
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
}

/// What of the log.
#[derive(Debug, Subcommand)]
pub enum LogAction {
    /// Điểm chốt có chữ ký lúc này · the signed checkpoint of now
    Checkpoint,
    /// Kiểm tra có nguyên vẹn không · whether it is whole
    Verify,
    /// Ký ngay số lượng thay đổi từng loại (mỗi ngày tự ký một lần) · sign now for how many changes of each type it has (once a day by itself)
    Tally,
    /// Các biên nhận của tỉnh · the province's receipts
    Receipts {
        /// Từ ngày này, yyyy-mm-dd · from this day on, yyyy-mm-dd
        #[arg(long)]
        since: Option<String>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
}

impl LogAction {
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        Ok(match self {
            Self::Checkpoint => Request::LogCheckpoint,
            Self::Verify => Request::LogVerify,
            Self::Tally => Request::LogTally { actor: super::author() },
            Self::Receipts { since, page } => {
                let day = since.as_deref().map(str::parse::<jiff::civil::Date>).transpose()?;
                let seconds = day.map_or(0, |day| i64::from(lienthong_proto::value::days_of(day)) * 86_400);
                let since = UnixMillis(u64::try_from(seconds).unwrap_or(0) * 1_000);
                Request::LogReceipts { since, page: page.clone() }
            }
        })
    }
}

impl Command {
    /// Its name, for the way it is printed.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enrol(_) => "enrol",
            Self::Recover(_) => "recover",
            Self::Run { .. } => "run",
            Self::Status | Self::Sync { .. } => "status",
            Self::Records(command) => command.name(),
            Self::Defects { .. } => "defects",
            Self::Grants { .. } => "grants",
            Self::Notices { .. } | Self::Quarantine { .. } => "notices",
            Self::Log { .. } => "log",
            Self::Verify(_) => "verify",
            Self::Receipt(_) => "receipt",
            Self::ApiToken { .. } => "api-token",
            Self::Doctor(_) => "doctor",
            Self::Open => "open",
            Self::Officer { .. } => "officer",
            Self::Check => "check",
            Self::Key { .. } => "key",
            Self::Backup { .. } => "backup",
        }
    }
}
