//! The hub's commands and their arguments.

mod deciding;
mod machine;
mod people;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use lienthong_node::cli::{ApiTokenAction, KeyAction, KeyArguments, RecordsCommand};
use lienthong_node::records::Page;
use lienthong_proto::ids::UnitCode;

use super::erasing::Erase;
use super::sharing::{AgencyAction, GrantAction, ReceiptAction};

pub(super) use self::deciding::{ConflictsAction, DuplicatesAction, Pair, QuarantineAction, WaiverAction};
pub(super) use self::machine::{
    AlertsAction, AuthorityAction, CatalogueAction, CertificateAction, KitArguments, LedgerAction,
    ReceiptKeyAction, SuccessorArguments,
};
pub(super) use self::people::{TokenAction, UnitAction, UserAction};

/// The keys of a settings file.
pub const KEYS: [&str; 11] = [
    "data",
    "lang",
    "log_format",
    "log_filter",
    "listen",
    "web",
    "tiles",
    "catalogue",
    "at_rest_key_file",
    "at_rest_key_command",
    "backup_recipient",
];

/// Liên Thông, hub: tiếp nhận, hợp nhất, giải trình · accept, merge, account for
#[derive(Debug, Parser)]
#[command(name = "lienthong-hub", version)]
pub struct Cli {
    /// Thư mục dữ liệu · data folder
    #[arg(long, global = true, env = "LIENTHONG_DATA")]
    pub data: Option<PathBuf>,
    /// Tệp cấu hình: data, lang, log_format, log_filter, listen, web, tiles, catalogue, at_rest_key_file, at_rest_key_command, backup_recipient, alert_… · settings file
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
    /// Làm việc bằng tài khoản này · act as this account
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Tệp chứa mật khẩu của tài khoản đó · file with its password
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Where the keys are
    #[command(flatten)]
    pub keys: KeyArguments,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the hub can be told.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum Command {
    /// Trình diễn: một tỉnh, tám xã, đường truyền kém, hai lần sự cố · a province and eight communes here
    Demo {
        /// In mỗi phép kiểm tra một dòng rồi kết thúc · print one line per check and end
        #[arg(long)]
        once: bool,
        /// Sửa trộm tệp của một xã trên đường, để thấy phép kiểm tra phát hiện · meddle with one commune's sheet on its way, to see the checks notice
        #[arg(long = "break")]
        tamper: Option<crate::demo::Break>,
        /// Bao nhiêu xã · how many communes
        #[arg(long, default_value_t = 8)]
        units: usize,
    },
    /// The demo's nodes are this executable
    #[command(hide = true)]
    AsNode {
        /// A node's command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Khởi tạo máy chủ tỉnh · make a hub
    Init {
        /// Mã tỉnh · the province's code
        #[arg(long, default_value = "33")]
        province: String,
        /// Tên máy hoặc địa chỉ các máy sẽ gọi; ghi được nhiều lần · a host name or address nodes will dial; may be given again
        #[arg(long = "name")]
        names: Vec<String>,
        /// Tên miền của điểm chốt và giấy chứng nhận · domain of origins and certificates
        #[arg(long, default_value = "hungyen.lienthong.vn")]
        domain: String,
    },
    /// Phục vụ các đơn vị · serve the units
    Serve {
        #[arg(
            long,
            env = "LIENTHONG_LISTEN",
            help = "Nơi các máy gọi đến · where nodes dial [default: 127.0.0.1:7443]"
        )]
        listen: Option<String>,
        #[arg(
            long,
            env = "LIENTHONG_WEB",
            help = "Trang web: qua TLS; trên chính máy này thì HTTP thường, trừ khi ghi https:// ở trước · where the pages are: over TLS, but on loopback over plain HTTP unless https:// stands before it [default: 127.0.0.1:8443]"
        )]
        web: Option<String>,
        #[arg(
            long,
            env = "LIENTHONG_TILES",
            help = "Nơi ai cũng đọc được điểm chốt đã làm chứng và mã băm của sổ cái, không có nội dung: ghi như --web · where anybody may read the witnessed checkpoint and hash tiles of the ledger, no contents: as for --web [default: not served]"
        )]
        tiles: Option<String>,
        /// Thư mục tệp danh mục thay cho danh mục có sẵn · folder with catalogue files over the built-in ones
        #[arg(long, env = "LIENTHONG_CATALOGUE")]
        catalogue: Option<PathBuf>,
    },
    /// Tình trạng toàn tỉnh, đơn vị cần gọi trước tiên ở đầu · where everything stands, worst first
    Status {
        /// Số bản ghi, chất lượng theo các đơn vị của ngày này · records and quality by the units of this day
        #[arg(long, value_name = "DATE", value_parser = lienthong_node::cli::day)]
        tree: Option<i32>,
    },
    /// Mã ghi danh · enrolment tokens
    Token {
        /// What
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Mã của chương trình dùng API, mang quyền của tài khoản tạo ra nó · tokens for programs at the API, with the rights of the account that makes them
    ApiToken {
        /// What
        #[command(subcommand)]
        action: ApiTokenAction,
    },
    /// Đơn vị · units
    Unit {
        /// What
        #[command(subcommand)]
        action: UnitAction,
    },
    /// Bản ghi · records
    #[command(flatten)]
    Records(RecordsCommand),
    /// Chuyển sinh hoạt chưa xong, và vì sao · handovers that are not done, and why
    Handovers {
        /// Chỉ những việc có đơn vị này · only those this unit has part in
        #[arg(long)]
        unit: Option<UnitCode>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Chuyển một bản ghi sang đơn vị khác · give a record to another unit
    Transfer {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Đơn vị mới · its new unit
        #[arg(long)]
        to: lienthong_proto::ids::UnitCode,
        /// Lý do: lưu cùng thay đổi · why: kept with the change
        #[arg(long)]
        reason: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Điểm chất lượng theo đơn vị, hoặc của một đơn vị kèm các dòng mất điểm, từng trang · the units' scores, or one unit's with the rows behind it, page by page
    Quality {
        /// Mục nào · which
        #[arg(long)]
        unit: Option<UnitCode>,
        /// Theo các đơn vị của ngày này · by the units of this day
        #[arg(long, value_name = "DATE", value_parser = lienthong_node::cli::day)]
        tree: Option<i32>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Máy của đơn vị có giữ đúng những gì tỉnh giữ không; --repair sửa chỗ khác · whether a unit's node holds what the hub holds; --repair mends what differs
    Reconcile {
        /// Đơn vị nào · which unit
        #[arg(long)]
        unit: UnitCode,
        /// Sửa chỗ khác nhau rồi so lại · mend what differs, then compare again
        #[arg(long)]
        repair: bool,
        /// Mỗi bước được bao lâu: 60s, 5m · how long each step may take: 60s, 5m
        #[arg(long, default_value = "60s")]
        timeout: String,
    },
    /// Danh mục loại bản ghi, bảng mã, quy tắc · the catalogue of record types, code lists and rules
    Catalogue {
        /// What
        #[command(subcommand)]
        action: CatalogueAction,
    },
    /// Bản ghi có thể trùng · records that are probably one
    Duplicates {
        /// What
        #[command(subcommand)]
        action: DuplicatesAction,
    },
    /// Miễn trừ có thời hạn cho một lỗi chất lượng · defects accepted until a day
    Waiver {
        /// What
        #[command(subcommand)]
        action: WaiverAction,
    },
    /// Xung đột đang mở · open conflicts
    Conflicts {
        /// What
        #[command(subcommand)]
        action: ConflictsAction,
    },
    /// Thay đổi đã nhận nhưng chưa nhập · changes received but not merged
    Quarantine {
        /// What
        #[command(subcommand)]
        action: QuarantineAction,
    },
    /// Cảnh báo: điều cần người xử lý · what needs a person
    Alerts {
        /// What
        #[command(subcommand)]
        action: AlertsAction,
    },
    /// Cơ quan nhận dữ liệu · agencies that receive
    Agency {
        /// What
        #[command(subcommand)]
        action: AgencyAction,
    },
    /// Giấy cấp quyền: đề nghị, duyệt, thu hồi · grants: propose, approve, revoke
    Grant {
        /// What
        #[command(subcommand)]
        action: GrantAction,
    },
    /// Giao cho cơ quan một gói tự chứng minh được, niêm phong bằng khóa của họ · hand an agency what a grant gives, with its proofs, sealed to its key
    Bundle {
        /// Số giấy cấp quyền · the grant's number
        #[arg(long)]
        grant: u64,
        /// Tệp sẽ ghi; chưa được có sẵn · the file to write; nothing may be there yet
        #[arg(long)]
        out: PathBuf,
    },
    /// Biên nhận gói cơ quan gửi lại · receipts for bundles, as agencies send them back
    Receipt {
        /// What
        #[command(subcommand)]
        action: ReceiptAction,
    },
    /// Xóa theo lệnh có thẩm quyền: đề nghị, duyệt, theo dõi · lawful erasure: bring an order, approve it, see who has carried it out
    Erase(Erase),
    /// Sổ cái · the ledger
    Ledger {
        /// What
        #[command(subcommand)]
        action: LedgerAction,
    },
    /// Tài khoản · people's accounts
    User {
        /// What
        #[command(subcommand)]
        action: UserAction,
    },
    /// Giấy chứng nhận của chính máy chủ · the hub's own certificate
    Certificate {
        /// What
        #[command(subcommand)]
        action: CertificateAction,
    },
    /// Gốc chứng nhận của tỉnh · the authority of the province's certificates
    Authority {
        /// What
        #[command(subcommand)]
        action: AuthorityAction,
    },
    /// Khóa ký biên nhận · the key receipts are signed with
    ReceiptKey {
        /// What
        #[command(subcommand)]
        action: ReceiptKeyAction,
    },
    /// Kiểm tra toàn bộ sổ cái · judge the whole ledger
    Check,
    /// Khóa mã hóa kho · the key the store is encrypted with
    Key {
        /// What
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Sao lưu, cả khi đang chạy; lần sau chỉ chép phần mới · back up, while it runs too; later only what is new
    Backup {
        /// Thư mục đích, trên đĩa khác · the folder for it, on another disk
        to: PathBuf,
        /// Mã hóa cho người nhận này (`key pair`), hoặc `plain`: không mã hóa · encrypt it to this recipient (`key pair`), or `plain`: in clear
        #[arg(long = "to", env = "LIENTHONG_BACKUP_RECIPIENT", value_name = "RECIPIENT")]
        recipient: Option<String>,
    },
    /// Khôi phục từ bản sao lưu vào thư mục mới (--data) · make a hub again from a backup, in a new folder (--data)
    Restore {
        /// Bản sao lưu · the backup
        backup: PathBuf,
        /// Tệp khóa riêng mở bản sao lưu đã mã hóa · file with the private key of an encrypted backup
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// How
        #[command(flatten)]
        how: SuccessorArguments,
    },
    /// Dựng lại máy chủ khi không còn bản sao lưu: các xã gửi lại nhật ký · make a hub again without a backup: the communes send their logs again
    Rebuild {
        /// How
        #[command(flatten)]
        how: SuccessorArguments,
    },
    /// Xác nhận sau khôi phục: đã xem lại các thu hồi trong khoảng mất; mở lại ghi danh · confirm after a restore that the gap was looked at; enrolment goes on
    ConfirmSuccession,
}

/// `24h`, `30m`, `90s`, `7d` as seconds.
pub(crate) fn seconds(text: &str) -> anyhow::Result<u64> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => anyhow::bail!("{text}: 24h, 30m, 90s, 7d"),
    };
    Ok(number.parse::<u64>()?.saturating_mul(scale))
}
