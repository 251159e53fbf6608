//! The node's commands and their arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use lienthong_proto::time::UnixMillis;

use crate::records::{Listing, Page};
use crate::service::Request;

/// Liên Thông, node: thu thập, lưu giữ, đồng bộ · capture, store, synchronise
#[derive(Debug, Parser)]
#[command(name = "lienthong-node", version)]
pub struct Cli {
    /// Thư mục dữ liệu · data folder
    #[arg(long, global = true, env = "LIENTHONG_DATA")]
    pub data: Option<PathBuf>,
    /// Tệp cấu hình: data, lang, catalogue · settings file
    #[arg(long, global = true, env = "LIENTHONG_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Một tài liệu JSON ra đầu ra chuẩn · one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// vi | en
    #[arg(long, global = true, env = "LIENTHONG_LANG")]
    pub lang: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the node can be told.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ghi danh với tỉnh bằng mã một lần · enrol at the hub with a one-time token
    Enrol {
        /// host:port
        #[arg(long)]
        hub: String,
        /// The token's line
        #[arg(long)]
        token: String,
    },
    /// Khôi phục: máy mới, nhật ký hỏng hoặc bị tỉnh dừng · recover: a new machine, a damaged or fenced log
    Recover {
        /// host:port, if this folder was never enrolled
        #[arg(long)]
        hub: Option<String>,
        /// A new token's line; without it a damaged log is mended in place
        #[arg(long)]
        token: Option<String>,
    },
    /// Chạy và đồng bộ liên tục · run and keep in step
    Run {
        /// Folder with catalogue files over the built-in ones
        #[arg(long, env = "LIENTHONG_CATALOGUE")]
        catalogue: Option<PathBuf>,
    },
    /// Tình trạng · where it stands
    Status,
    /// Đồng bộ ngay · synchronise now
    Sync {
        /// Ends when everything is acknowledged (always so)
        #[arg(long)]
        once: bool,
    },
    /// Nhập tệp XLSX, CSV, JSONL · import a file
    Import {
        /// The file
        file: PathBuf,
        /// Record type
        #[arg(long = "type")]
        record_type: String,
        /// Writes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Ghi một hoặc nhiều bản ghi JSON · write one or more JSON records
    Put {
        /// Record type
        #[arg(long = "type")]
        record_type: String,
        /// File, or - for standard input
        file: String,
    },
    /// Bản ghi · records
    Record {
        /// What
        #[command(subcommand)]
        action: RecordAction,
    },
    /// Xuất tất cả bản ghi của một loại · export a type
    Export {
        /// Record type
        #[arg(long = "type")]
        record_type: String,
        /// jsonl | csv
        #[arg(long, default_value = "jsonl")]
        format: String,
        /// To which file; standard output otherwise
        #[arg(long)]
        out: Option<PathBuf>,
        /// Only this unit's
        #[arg(long)]
        unit: Option<String>,
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
    /// Kiểm tra toàn bộ nhật ký · judge the whole log
    Check,
}

/// What of a record.
#[derive(Debug, Subcommand)]
pub enum RecordAction {
    /// One, by id or natural key
    Get {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
    },
    /// A page of them
    List {
        /// Record type
        record_type: String,
        /// Words, marks and case aside
        #[arg(long)]
        search: Option<String>,
        /// How many
        #[arg(long)]
        limit: Option<usize>,
        /// After this id
        #[arg(long)]
        after: Option<String>,
    },
    /// Every write
    History {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
    },
}

impl RecordAction {
    pub(super) fn request(&self) -> Request {
        match self.clone_parts() {
            (record_type, Some(id), None, true) => Request::RecordHistory { record_type, id },
            (record_type, Some(id), _, _) => Request::RecordGet { record_type, id },
            (record_type, None, listing, _) => {
                Request::RecordList { record_type, listing: listing.unwrap_or_default() }
            }
        }
    }

    /// Type, id, listing, whether the history is meant.
    #[must_use]
    pub fn clone_parts(&self) -> (String, Option<String>, Option<Listing>, bool) {
        match self {
            Self::Get { record_type, id } => (record_type.clone(), Some(id.clone()), None, false),
            Self::History { record_type, id } => (record_type.clone(), Some(id.clone()), None, true),
            Self::List { record_type, search, limit, after } => {
                let after = after.as_deref().and_then(|id| id.parse().ok());
                let listing = Listing { search: search.clone(), limit: *limit, after, ..Listing::default() };
                (record_type.clone(), None, Some(listing), false)
            }
        }
    }
}

/// What of the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineAction {
    /// All of it
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
}

/// What of the log.
#[derive(Debug, Subcommand)]
pub enum LogAction {
    /// The signed checkpoint of now
    Checkpoint,
    /// Whether it is whole
    Verify,
    /// The province's receipts
    Receipts {
        /// From this day on, yyyy-mm-dd
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
            Self::Enrol { .. } => "enrol",
            Self::Recover { .. } => "recover",
            Self::Run { .. } => "run",
            Self::Status | Self::Sync { .. } => "status",
            Self::Import { .. } | Self::Put { .. } => "import",
            Self::Record { .. } => "record",
            Self::Export { .. } => "export",
            Self::Notices { .. } | Self::Quarantine { .. } => "notices",
            Self::Log { .. } => "log",
            Self::Check => "check",
        }
    }
}
