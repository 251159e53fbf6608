//! Erasure by orders on the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lienthong_node::cli::author;
use lienthong_node::records::Page;

use crate::service::{ErasingRequest, Request};

/// An order, or what is asked of one.
#[derive(Debug, Args)]
pub struct Erase {
    /// Tệp lệnh (TOML hoặc JSON): order, issuer, date, reason, type, record, unit, fields hoặc whole = true · the order's file
    #[arg(long, value_name = "FILE")]
    pub order: Option<PathBuf>,
    /// Chỉ cho biết sẽ xóa ở bao nhiêu mục, của máy nào · only say how many entries of which replicas it takes
    #[arg(long, requires = "order")]
    pub dry_run: bool,
    /// Duyệt lệnh số này (tài khoản khác người đề nghị): xóa ngay, không lấy lại được · approve this one (another account than the proposer's): it is erased at once, for ever
    #[arg(long, value_name = "NUMBER", conflicts_with = "order")]
    pub approve: Option<u64>,
    /// What else
    #[command(subcommand)]
    pub action: Option<EraseAction>,
}

/// What else of orders.
#[derive(Debug, Subcommand)]
pub enum EraseAction {
    /// Các lệnh: đã xóa ở đây chưa, máy đơn vị nào đã xác nhận · all: whether it is done here, whose nodes have confirmed
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Từ chối, hoặc rút lại, khi chưa duyệt · refuse one, or take it back, before it is approved
    Refuse {
        /// Số thứ tự · its number
        number: u64,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
    /// Thông báo có chữ ký cho cơ quan đã nhận gói, niêm phong bằng khóa của họ · the signed notice to an agency that was handed a bundle, sealed to its key
    Notice {
        /// Số thứ tự · its number
        number: u64,
        /// Số giấy cấp quyền · the grant's number
        #[arg(long)]
        grant: u64,
        /// Tệp sẽ ghi; chưa được có sẵn · the file to write; nothing may be there yet
        #[arg(long)]
        out: PathBuf,
    },
    /// Danh sách xóa có chữ ký: để cạnh bản sao lưu, ghi lại sau mỗi lệnh; `restore` cần nó · the signed list to be kept beside the backups, written anew after each order; `restore` asks for it
    Export {
        /// Tệp sẽ ghi, hoặc ghi lại · the file to write, or to write anew
        #[arg(long)]
        out: PathBuf,
    },
}

impl Erase {
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        let actor = author();
        Ok(Request::Erasing(match (&self.order, self.approve, &self.action) {
            (Some(file), ..) => {
                let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                ErasingRequest::Propose { text, dry_run: self.dry_run, actor }
            }
            (None, Some(number), _) => ErasingRequest::Approve { number, actor },
            (None, None, None) => ErasingRequest::List { page: Page::default() },
            (None, None, Some(EraseAction::List { page })) => ErasingRequest::List { page: page.clone() },
            (None, None, Some(EraseAction::Refuse { number, reason })) => {
                ErasingRequest::Refuse { number: *number, reason: reason.clone(), actor }
            }
            (None, None, Some(EraseAction::Notice { number, grant, out })) => ErasingRequest::Notice {
                number: *number,
                grant: *grant,
                out: std::path::absolute(out)?,
                actor,
            },
            (None, None, Some(EraseAction::Export { out })) => {
                ErasingRequest::Export { out: std::path::absolute(out)? }
            }
        }))
    }
}
