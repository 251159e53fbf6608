//! Who takes part: accounts, units and their machines.

use std::path::PathBuf;

use clap::Subcommand;
use lienthong_proto::ids::UnitCode;

use crate::accounts::AccountRole;
use crate::cli::lineage::{AddUnit, DissolveUnit, LineageCommand, MergeUnits, RenameUnit, SplitUnit};
use crate::pki::Role;

/// What of accounts.
#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// Tạo mới · a new one
    Add {
        /// Tên · its name
        name: String,
        /// Vai trò; ghi được nhiều lần · what it is for; may be given again
        #[arg(long = "role", required = true)]
        roles: Vec<AccountRole>,
        /// Người dùng hệ điều hành được làm việc bằng tài khoản này mà không cần mật khẩu · the operating-system user whose commands act as it, without a password
        #[arg(long)]
        uid: Option<u32>,
        /// Tệp chứa mật khẩu của tài khoản mới · file with the new account's password
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Tất cả · all
    List,
    /// Đặt lại ứng dụng xác thực của một tài khoản · take an account's authenticator away, to be set up anew
    Totp {
        /// Tên · its name
        name: String,
        /// Thực hiện · do it
        #[arg(long, required = true)]
        reset: bool,
    },
    /// Khóa một tài khoản · end one
    Disable {
        /// Tên · its name
        name: String,
    },
}

/// What of tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// Tạo mới · a new one
    Create {
        /// Cho đơn vị nào · for which unit
        #[arg(long)]
        unit: String,
        /// commune | province | auditor
        #[arg(long, default_value = "commune", value_parser = role)]
        role: Role,
        /// Trong bao lâu: 24h, 30m · for how long: 24h, 30m
        #[arg(long, default_value = "24h")]
        ttl: String,
    },
    /// Tất cả · all
    List,
    /// Thu hồi một mã · take one back
    Revoke {
        /// Số thứ tự · its number
        id: String,
    },
}

/// What of units.
#[derive(Debug, Subcommand)]
pub enum UnitAction {
    /// Mọi máy đã ghi danh · all enrolled replicas
    List,
    /// Một mục · one
    Show {
        /// Mã · its code
        unit: String,
    },
    /// Cho tiếp tục thành máy mới bằng giấy chứng nhận cũ, một lần, trong một ngày · let it go on as a new replica by its old certificate, once, within a day
    ApproveRecovery {
        /// Mã · its code
        unit: String,
    },
    /// Duyệt gia hạn giấy chứng nhận đã hết hạn của đơn vị, một lần, trong một ngày; hãy gọi đơn vị trước · let its machine have a certificate that has ended renewed, once, within a day; call the unit first
    ApproveRenewal {
        /// Mã · its code
        unit: String,
    },
    /// Người cần gọi ở đơn vị; để trống cả hai là xóa · whom to call there; leave both out to forget it
    Contact {
        /// Mã · its code
        unit: UnitCode,
        /// Họ tên · their name
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Số điện thoại · their number
        #[arg(long, default_value = "", hide_default_value = true)]
        phone: String,
    },
    /// Thu hồi ghi danh, ngay lập tức · take its enrolment back, at once
    Revoke {
        /// Mã đơn vị hoặc mã máy · unit code or replica id
        whom: String,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
    /// Lập đơn vị mới · make a unit
    Add(AddUnit),
    /// Sáp nhập: một hay nhiều đơn vị vào một đơn vị · merge units into one
    Merge(MergeUnits),
    /// Chia tách · split a unit
    Split(SplitUnit),
    /// Đổi tên, giữ mã · give a unit another name
    Rename(RenameUnit),
    /// Giải thể; đơn vị khác nhận bản ghi · end a unit; another takes its records
    Dissolve(DissolveUnit),
    /// Các bước tổ chức lại đơn vị, và hủy một bước · the steps of the units, and undoing one
    Lineage(LineageCommand),
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "commune" => Ok(Role::Commune),
        "province" => Ok(Role::Province),
        "auditor" => Ok(Role::Auditor),
        _ => Err("commune, province or auditor".to_owned()),
    }
}
