//! What is said about the hub itself: its keys, its catalogue, its ledger, its alerts.

use std::path::PathBuf;

use clap::Subcommand;
use lienthong_node::records::Page;

/// What of the hub's own certificate.
#[derive(Debug, Subcommand)]
pub enum CertificateAction {
    /// Các tên và hạn dùng · its names, and until when it is good
    Show,
    /// Cấp mới ngay, không phải khởi động lại · issue it anew now, with a fresh key; no restart
    Renew {
        /// Thêm tên máy hoặc địa chỉ các máy sẽ gọi; ghi được nhiều lần · a further host name or address nodes will dial; may be given again
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
    /// Thêm tên máy hoặc địa chỉ các máy sẽ gọi, ngoài các tên cũ; ghi được nhiều lần · a host name or address nodes will dial, besides those of before; may be given again
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
        /// Số thứ tự · its number
        id: u64,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
}

/// What of the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogueAction {
    /// Danh mục đang dùng · the one in force
    Show,
    /// Thử xem tệp trong thư mục có ban hành được không: codes/*.toml, records/*.toml, units/*.csv, calendar.toml đè lên danh mục đang dùng · whether a folder's files could be published: its codes/*.toml, records/*.toml, units/*.csv, calendar.toml over those in force
    Check {
        /// Thư mục · the folder
        folder: PathBuf,
    },
    /// Ban hành: mọi máy nhận được khi kết nối · signed, numbered, in force here at once and at every node as it connects
    Publish {
        /// Thư mục · the folder
        folder: PathBuf,
        /// Lý do: lưu trong sổ cái · why: kept in the ledger
        #[arg(long)]
        reason: String,
    },
}

/// What of the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerAction {
    /// Điểm chốt có chữ ký · its signed checkpoint
    Checkpoint,
    /// Các mục · its entries
    Show {
        /// Từ mục nào · from which
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Bao nhiêu · how many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Chính sách tin cậy để cơ quan kiểm gói: gửi qua đường khác với gói · whom a verifier should believe: to be handed over by another way than bundles
    Policy,
    /// Kiểm tra có nguyên vẹn không · whether it is whole
    Verify {
        /// Suy lại tất cả từ dữ liệu gốc, nêu đối tượng đầu tiên bị khác · derive everything again from the stored bytes, and name the first object that differs
        #[arg(long)]
        full: bool,
    },
}
