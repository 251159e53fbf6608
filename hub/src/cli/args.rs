//! The hub's commands and their arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use lienthong_node::cli::{ApiTokenAction, KeyAction, KeyArguments, RecordsCommand};
use lienthong_node::records::Page;

use super::erasing::Erase;
use super::lineage::{AddUnit, DissolveUnit, LineageCommand, MergeUnits, RenameUnit, SplitUnit};
use super::sharing::{AgencyAction, GrantAction, ReceiptAction};
use crate::accounts::AccountRole;
use crate::pki::Role;

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
        /// Print one line per check and end
        #[arg(long)]
        once: bool,
        /// Meddle with one commune's sheet on its way, to see the checks notice
        #[arg(long = "break")]
        tamper: Option<crate::demo::Break>,
        /// How many communes
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
        /// The province's code
        #[arg(long, default_value = "33")]
        province: String,
        /// A host name or address nodes will dial; may be given again
        #[arg(long = "name")]
        names: Vec<String>,
        /// Domain of origins and certificates
        #[arg(long, default_value = "hungyen.lienthong.vn")]
        domain: String,
    },
    /// Phục vụ các đơn vị · serve the units
    Serve {
        #[arg(long, env = "LIENTHONG_LISTEN", help = "Where nodes dial [default: 127.0.0.1:7443]")]
        listen: Option<String>,
        #[arg(
            long,
            env = "LIENTHONG_WEB",
            help = "Where the pages are: over TLS, but on loopback over plain HTTP unless https:// stands before it [default: 127.0.0.1:8443]"
        )]
        web: Option<String>,
        #[arg(
            long,
            env = "LIENTHONG_TILES",
            help = "Where anybody may read the witnessed checkpoint and hash tiles of the ledger, no contents: as for --web [default: not served]"
        )]
        tiles: Option<String>,
        /// Folder with catalogue files over the built-in ones
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
        /// Only those this unit has part in
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Chuyển một bản ghi sang đơn vị khác · give a record to another unit
    Transfer {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
        /// Its new unit
        #[arg(long)]
        to: lienthong_proto::ids::UnitCode,
        /// Why: kept with the change
        #[arg(long)]
        reason: String,
        /// The unit whose numbers are meant
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
    },
    /// Điểm chất lượng theo đơn vị, hoặc của một đơn vị kèm các dòng mất điểm · the units' scores, or one unit's with the rows behind it
    Quality {
        /// Which
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
        /// Theo các đơn vị của ngày này · by the units of this day
        #[arg(long, value_name = "DATE", value_parser = lienthong_node::cli::day)]
        tree: Option<i32>,
    },
    /// Máy của đơn vị có giữ đúng những gì tỉnh giữ không; --repair sửa chỗ khác · whether a unit's node holds what the hub holds; --repair mends what differs
    Reconcile {
        /// Which unit
        #[arg(long)]
        unit: lienthong_proto::ids::UnitCode,
        /// Mend what differs, then compare again
        #[arg(long)]
        repair: bool,
        /// How long each step may take: 60s, 5m
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
        /// The grant's number
        #[arg(long)]
        grant: u64,
        /// The file to write; nothing may be there yet
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
        /// Mã hóa cho người nhận này (`key pair`) · encrypt it to this recipient (`key pair`)
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

/// What of the hub's own certificate.
#[derive(Debug, Subcommand)]
pub enum CertificateAction {
    /// Its names, and until when it is good
    Show,
    /// Cấp mới ngay, không phải khởi động lại · issue it anew now, with a fresh key; no restart
    Renew {
        /// A further host name or address nodes will dial; may be given again
        #[arg(long = "name")]
        names: Vec<String>,
    },
}

/// What of the key of receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptKeyAction {
    /// Các khóa và thời gian hiệu lực · the keys, and the span of each
    Show,
    /// Đổi khóa, không phải dừng: cần bộ khôi phục, ghi ra bộ mới thay bộ cũ · go on with another one, without a stop: takes the recovery kit and writes a new one, which replaces it
    Rotate {
        /// The kit, and the new one
        #[command(flatten)]
        kits: KitArguments,
    },
}

/// A recovery kit, and the one that replaces it.
#[derive(Debug, clap::Args)]
pub struct KitArguments {
    /// Bộ khôi phục · the recovery kit
    #[arg(long)]
    pub kit: PathBuf,
    /// Tệp chứa mật khẩu của bộ khôi phục, chỉ chủ tệp được đọc · file with its passphrase, mode 0600
    #[arg(long)]
    pub passphrase_file: PathBuf,
    /// Tệp mới cho bộ khôi phục mới, cùng mật khẩu · new file for the new kit, of the same passphrase
    #[arg(long)]
    pub new_kit: PathBuf,
}

/// What of the authority of certificates.
#[derive(Debug, Subcommand)]
pub enum AuthorityAction {
    /// Gốc đang dùng, gốc trước, các máy chưa đổi · the one in use, the one before, and which machines have not moved
    Show,
    /// Đổi gốc, không phải dừng: cần bộ khôi phục, ghi ra bộ mới thay bộ cũ · go on with another one, without a stop: takes the recovery kit and writes a new one, which replaces it
    Rotate {
        /// The kit, and the new one
        #[command(flatten)]
        kits: KitArguments,
    },
    /// Cho gốc trước nghỉ; tự làm khi không còn máy nào dưới gốc đó · trust the one before no more; done by itself once nothing hangs on it
    Retire {
        /// Dù còn máy dưới gốc đó · even if machines hang on it
        #[arg(long)]
        now: bool,
    },
}

/// What it takes to make a hub that takes over.
#[derive(Debug, Clone, clap::Args)]
pub struct SuccessorArguments {
    /// Bộ khôi phục · the recovery kit
    #[arg(long, value_name = "FILE")]
    pub kit: PathBuf,
    /// Tệp chứa mật khẩu của bộ khôi phục, chỉ chủ tệp được đọc · file with its passphrase, mode 0600
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: PathBuf,
    /// A host name or address nodes will dial, besides those of before; may be given again
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// succession.note của máy chủ đã khôi phục trước đó mà lại mất · of a hub that was restored and lost again before its first backup
    #[arg(long, value_name = "FILE")]
    pub after: Option<PathBuf>,
    /// Danh sách xóa do `erase export` ghi, để cạnh bản sao lưu; `none` nếu chưa từng xóa theo lệnh · the list `erase export` wrote, kept beside the backups; `none` if nothing was ever erased by an order
    #[arg(long, value_name = "FILE|none")]
    pub erasures: String,
}

/// What of alerts.
#[derive(Debug, Subcommand)]
pub enum AlertsAction {
    /// Đang mở · those that are open
    List {
        /// Cả những cảnh báo đã hết · also those that have ended
        #[arg(long)]
        all: bool,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Nhận xử lý: không báo thêm cho ai nữa · somebody looks after it: nobody is told any more
    Acknowledge {
        /// Its number
        id: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What of the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogueAction {
    /// The one in force
    Show,
    /// Whether a folder's files could be published: its codes/*.toml, records/*.toml, units/*.csv over those in force
    Check {
        /// The folder
        folder: std::path::PathBuf,
    },
    /// Ban hành: mọi máy nhận được khi kết nối · signed, numbered, in force here at once and at every node as it connects
    Publish {
        /// The folder
        folder: std::path::PathBuf,
        /// Why: kept in the ledger
        #[arg(long)]
        reason: String,
    },
}

/// What of probable duplicates.
#[derive(Debug, Subcommand)]
pub enum DuplicatesAction {
    /// All of them, the likeliest first
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Gộp: hai bản ghi là một; mã của cả hai vẫn dùng được · the two are one: one stays, both ids and keys lead to it, and it gets what only the other had
    Merge {
        /// The two
        #[command(flatten)]
        pair: Pair,
        /// Which of the two stays; otherwise the one with the lower id
        #[arg(long)]
        keep: Option<String>,
    },
    /// Hai bản ghi giống nhau nhưng là hai · the two only look alike: they are not listed again
    Separate {
        /// The two
        #[command(flatten)]
        pair: Pair,
    },
    /// Bỏ quyết định gộp hoặc tách · take a merging back, or, with both ids, a separation
    Undo {
        /// Record type
        record_type: String,
        /// Id or natural key of the record that leads to the other, or of one of the two
        first: String,
        /// Id or natural key of the other
        second: Option<String>,
        /// Why: kept with the change, and told
        #[arg(long)]
        reason: String,
        /// The unit whose numbers are meant
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
    },
}

/// Two records of a type.
#[derive(Debug, Clone, clap::Args)]
pub struct Pair {
    /// Record type
    pub record_type: String,
    /// Id or natural key of one
    pub first: String,
    /// Id or natural key of the other
    pub second: String,
    /// Why: kept with the change, and told
    #[arg(long)]
    pub reason: String,
    /// The unit whose numbers are meant
    #[arg(long)]
    pub unit: Option<lienthong_proto::ids::UnitCode>,
}

/// What of waivers.
#[derive(Debug, Subcommand)]
pub enum WaiverAction {
    /// Accept a defect until a day; it does not count until then, and comes back after
    Add {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
        /// The rule's id, as `record get` shows it
        #[arg(long)]
        rule: String,
        /// Only where it blames this field
        #[arg(long)]
        field: Option<String>,
        /// The last day: 2027-06-30
        #[arg(long)]
        until: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// The unit whose numbers are meant
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
    },
    /// All that were not ended
    List {
        /// Only of this unit's records
        #[arg(long)]
        unit: Option<lienthong_proto::ids::UnitCode>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// End one before its day
    End {
        /// Its number
        number: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What of accounts.
#[derive(Debug, Subcommand)]
pub enum UserAction {
    /// A new one
    Add {
        /// Its name
        name: String,
        /// What it is for; may be given again
        #[arg(long = "role", required = true)]
        roles: Vec<AccountRole>,
        /// The operating-system user whose commands act as it, without a password
        #[arg(long)]
        uid: Option<u32>,
        /// File with the new account's password
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// All
    List,
    /// Đặt lại ứng dụng xác thực của một tài khoản · take an account's authenticator away, to be set up anew
    Totp {
        /// Its name
        name: String,
        /// Do it
        #[arg(long, required = true)]
        reset: bool,
    },
    /// End one
    Disable {
        /// Its name
        name: String,
    },
}

/// What of tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// A new one
    Create {
        /// For which unit
        #[arg(long)]
        unit: String,
        /// commune | province | auditor
        #[arg(long, default_value = "commune", value_parser = role)]
        role: Role,
        /// For how long: 24h, 30m
        #[arg(long, default_value = "24h")]
        ttl: String,
    },
    /// All
    List,
    /// Take one back
    Revoke {
        /// Its number
        id: String,
    },
}

/// What of units.
#[derive(Debug, Subcommand)]
pub enum UnitAction {
    /// All enrolled replicas
    List,
    /// One
    Show {
        /// Its code
        unit: String,
    },
    /// Let it go on as a new replica by its old certificate, once, within a day
    ApproveRecovery {
        /// Its code
        unit: String,
    },
    /// Duyệt gia hạn giấy chứng nhận đã hết hạn của đơn vị, một lần, trong một ngày; hãy gọi đơn vị trước · let its machine have a certificate that has ended renewed, once, within a day; call the unit first
    ApproveRenewal {
        /// Its code
        unit: String,
    },
    /// Người cần gọi ở đơn vị; để trống cả hai là xóa · whom to call there; leave both out to forget it
    Contact {
        /// Its code
        unit: lienthong_proto::ids::UnitCode,
        /// Their name
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Their number
        #[arg(long, default_value = "", hide_default_value = true)]
        phone: String,
    },
    /// Take its enrolment back, at once
    Revoke {
        /// Unit code or replica id
        whom: String,
        /// Why
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

/// What of conflicts.
#[derive(Debug, Subcommand)]
pub enum ConflictsAction {
    /// All
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Of one record, side by side, numbered, with the rule that picks
    Show {
        /// Record id, or an item's key as the list shows it
        id: String,
    },
    /// Quyết định giá trị đúng, kèm lý do · settle one: an ordinary change by the province, with its reason
    Resolve {
        /// Record id, or an item's key as the list shows it
        id: String,
        /// The field; may be left out if only one is open
        #[arg(long)]
        field: Option<String>,
        /// The number of the value to choose, as `show` numbers them
        #[arg(long, conflicts_with = "value", required_unless_present = "value")]
        pick: Option<usize>,
        /// Another value instead
        #[arg(long)]
        value: Option<String>,
        /// Why: kept with the change, and told
        #[arg(long)]
        reason: String,
    },
}

/// What of the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineAction {
    /// All
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// One
    Show {
        /// Its number
        number: String,
    },
    /// Merge it after all
    Release {
        /// Its number
        number: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Hai người cùng một số: tách thành bản ghi riêng của đơn vị · two people with one number: what the unit stated, all of it, gets a record of its own
    Separate {
        /// Its number
        number: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// What of the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerAction {
    /// Its signed checkpoint
    Checkpoint,
    /// Its entries
    Show {
        /// From which
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Chính sách tin cậy để cơ quan kiểm gói: gửi qua đường khác với gói · whom a verifier should believe: to be handed over by another way than bundles
    Policy,
    /// Whether it is whole
    Verify {
        /// Suy lại tất cả từ dữ liệu gốc, nêu đối tượng đầu tiên bị khác · derive everything again from the stored bytes, and name the first object that differs
        #[arg(long)]
        full: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "commune" => Ok(Role::Commune),
        "province" => Ok(Role::Province),
        "auditor" => Ok(Role::Auditor),
        _ => Err("commune, province or auditor".to_owned()),
    }
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
