//! Agencies, grants and bundles on the command line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use lienthong_node::cli::author;
use lienthong_node::records::Page;
use lienthong_proto::disclosure::ReceiptSigner;
use lienthong_proto::ids::UnitCode;

use crate::service::{Request, SharingRequest};
use crate::sharing::{TEMPLATES, template};

/// What of agencies.
#[derive(Debug, Subcommand)]
pub enum AgencyAction {
    /// Khai một cơ quan, hoặc sửa điều đã khai · name an agency, or say something of it anew
    Add {
        /// Mã, ví dụ TTT · its code, e.g. TTT
        code: UnitCode,
        /// Tên · its name
        #[arg(long)]
        name: Option<String>,
        /// Người cần gọi ở đó · whom to call there
        #[arg(long)]
        contact: Option<String>,
        /// Khóa công khai cơ quan tạo bằng `lienthong-node key pair`; đọc lại qua điện thoại · the public key it made; read it back by telephone
        #[arg(long)]
        key: Option<String>,
    },
    /// Khai khóa ký biên nhận gói của cơ quan (`key pair` in ra); đọc lại qua điện thoại · whom its receipts for bundles are signed by (`key pair` prints it); read it back by telephone
    Signer {
        /// Mã · its code
        code: UnitCode,
        /// Khóa công khai, ed25519:… · ed25519:…
        signer: ReceiptSigner,
    },
    /// Tất cả · all
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
}

/// What of receipts for bundles.
#[derive(Debug, Subcommand)]
pub enum ReceiptAction {
    /// Nhận biên nhận cơ quan gửi lại: đối chiếu với lần giao trong sổ cái rồi ghi sổ · take in what an agency has sent back: checked against the delivery in the ledger, then logged
    Add {
        /// Tệp do `lienthong-node receipt` ghi · the file `lienthong-node receipt` wrote
        file: PathBuf,
    },
}

impl ReceiptAction {
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        let Self::Add { file } = self;
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Ok(Request::Sharing(SharingRequest::ReceiptAdd { text, actor: author() }))
    }
}

/// What of grants.
#[derive(Debug, Subcommand)]
pub enum GrantAction {
    /// Mẫu theo cơ quan nhận; không nêu tên thì liệt kê · a template by receiver; without a name, their names
    Template {
        /// Mục nào · which
        name: Option<String>,
    },
    /// Đề nghị · propose one
    Propose {
        /// Tệp TOML, xem `grant template` · a TOML file, see `grant template`
        file: PathBuf,
    },
    /// Duyệt (tài khoản khác người đề nghị) · approve one (another account than the proposer's)
    Approve {
        /// Số thứ tự · its number
        number: u64,
    },
    /// Thu hồi, hoặc từ chối đề nghị · take one back, or refuse it
    Revoke {
        /// Số thứ tự · its number
        number: u64,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
    /// Tất cả · all
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Một mục, đầy đủ · one, whole
    Show {
        /// Số thứ tự · its number
        number: u64,
    },
    /// Bản ghi đã giao mà nay đã thu hồi, chuyển đi hoặc sửa: đếm, hoặc ghi thông báo niêm phong cho cơ quan · of what was handed over, what is withdrawn, moved or changed since: counted, or a notice sealed to the agency
    Notice {
        /// Số thứ tự · its number
        number: u64,
        /// Ghi thông báo vào tệp mới này · write the notice to this new file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl AgencyAction {
    pub(super) fn request(&self) -> Request {
        Request::Sharing(match self {
            Self::Add { code, name, contact, key } => SharingRequest::AgencyAdd {
                code: code.clone(),
                name: name.clone(),
                contact: contact.clone(),
                key: key.clone(),
                actor: author(),
            },
            Self::Signer { code, signer } => {
                SharingRequest::AgencySigner { code: code.clone(), signer: *signer, actor: author() }
            }
            Self::List { page } => SharingRequest::AgencyList { page: page.clone() },
        })
    }
}

impl GrantAction {
    /// What it prints without asking the hub, if it does.
    pub(super) fn printed(&self) -> anyhow::Result<Option<String>> {
        let Self::Template { name } = self else { return Ok(None) };
        let names = || TEMPLATES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("\n");
        Ok(Some(match name {
            None => format!("{}\n", names()),
            Some(name) => template(name)
                .with_context(|| format!("không có mẫu {name} · there is no template {name}:\n{}", names()))?
                .to_owned(),
        }))
    }

    pub(super) fn request(&self) -> anyhow::Result<Request> {
        Ok(Request::Sharing(match self {
            Self::Template { .. } => SharingRequest::GrantList { page: Page::default() },
            Self::Propose { file } => {
                let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                SharingRequest::GrantPropose { text, actor: author() }
            }
            Self::Approve { number } => SharingRequest::GrantApprove { number: *number, actor: author() },
            Self::Revoke { number, reason } => {
                SharingRequest::GrantRevoke { number: *number, reason: reason.clone(), actor: author() }
            }
            Self::List { page } => SharingRequest::GrantList { page: page.clone() },
            Self::Show { number } => SharingRequest::GrantShow { number: *number },
            Self::Notice { number, out } => SharingRequest::GrantNotice {
                number: *number,
                out: out.as_deref().map(std::path::absolute).transpose()?,
                actor: author(),
            },
        }))
    }
}

pub(super) fn bundle(grant: u64, out: &Path) -> anyhow::Result<Request> {
    let out = std::path::absolute(out)?;
    Ok(Request::Sharing(SharingRequest::Bundle { grant, out, actor: author() }))
}
