//! What stewards decide.

use clap::Subcommand;
use lienthong_node::records::Page;
use lienthong_proto::ids::UnitCode;

/// What of probable duplicates.
#[derive(Debug, Subcommand)]
pub enum DuplicatesAction {
    /// Tất cả, giống nhất ở đầu · all of them, the likeliest first
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
        /// Bản ghi nào ở lại; bỏ trống thì là bản ghi có mã nhỏ hơn · which of the two stays; otherwise the one with the lower id
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
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên của bản ghi dẫn sang bản ghi kia, hoặc của một trong hai · id or natural key of the record that leads to the other, or of one of the two
        first: String,
        /// Mã định danh hoặc khóa tự nhiên của bản ghi kia · id or natural key of the other
        second: Option<String>,
        /// Lý do: lưu cùng thay đổi và báo cho đơn vị · why: kept with the change, and told
        #[arg(long)]
        reason: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
}

/// Two records of a type.
#[derive(Debug, Clone, clap::Args)]
pub struct Pair {
    /// Loại bản ghi · record type
    pub record_type: String,
    /// Mã định danh hoặc khóa tự nhiên của một bản ghi · id or natural key of one
    pub first: String,
    /// Mã định danh hoặc khóa tự nhiên của bản ghi kia · id or natural key of the other
    pub second: String,
    /// Lý do: lưu cùng thay đổi và báo cho đơn vị · why: kept with the change, and told
    #[arg(long)]
    pub reason: String,
    /// Đơn vị cấp các số này · the unit whose numbers are meant
    #[arg(long)]
    pub unit: Option<UnitCode>,
}

/// What of waivers.
#[derive(Debug, Subcommand)]
pub enum WaiverAction {
    /// Chấp nhận một lỗi đến một ngày: trước ngày đó không tính, sau đó lỗi trở lại · accept a defect until a day; it does not count until then, and comes back after
    Add {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Mã quy tắc, như `record get` ghi · the rule's id, as `record get` shows it
        #[arg(long)]
        rule: String,
        /// Chỉ khi lỗi ở trường này · only where it blames this field
        #[arg(long)]
        field: Option<String>,
        /// Ngày cuối: 2027-06-30 · the last day: 2027-06-30
        #[arg(long)]
        until: String,
        /// Lý do · why
        #[arg(long)]
        reason: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Mọi miễn trừ chưa chấm dứt · all that were not ended
    List {
        /// Chỉ bản ghi của đơn vị này · only of this unit's records
        #[arg(long)]
        unit: Option<UnitCode>,
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Chấm dứt một miễn trừ trước hạn · end one before its day
    End {
        /// Số thứ tự · its number
        number: u64,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
}

/// What of conflicts.
#[derive(Debug, Subcommand)]
pub enum ConflictsAction {
    /// Tất cả · all
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Của một bản ghi: các giá trị cạnh nhau, đánh số, kèm quy tắc chọn · of one record, side by side, numbered, with the rule that picks
    Show {
        /// Mã bản ghi, hoặc khóa của mục như danh sách ghi · record id, or an item's key as the list shows it
        id: String,
    },
    /// Quyết định giá trị đúng, kèm lý do · settle one: an ordinary change by the province, with its reason
    Resolve {
        /// Mã bản ghi, hoặc khóa của mục như danh sách ghi · record id, or an item's key as the list shows it
        id: String,
        /// Trường; bỏ trống được nếu chỉ một trường đang mở · the field; may be left out if only one is open
        #[arg(long)]
        field: Option<String>,
        /// Số của giá trị được chọn, như `show` đánh số · the number of the value to choose, as `show` numbers them
        #[arg(long, conflicts_with = "value", required_unless_present = "value")]
        pick: Option<usize>,
        /// Giá trị khác · another value instead
        #[arg(long)]
        value: Option<String>,
        /// Lý do: lưu cùng thay đổi và báo cho đơn vị · why: kept with the change, and told
        #[arg(long)]
        reason: String,
    },
}

/// What of the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineAction {
    /// Tất cả · all
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
    /// Một mục · one
    Show {
        /// Số thứ tự · its number
        number: String,
    },
    /// Vẫn nhập thay đổi này · merge it after all
    Release {
        /// Số thứ tự · its number
        number: String,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
    /// Hai người cùng một số: tách thành bản ghi riêng của đơn vị · two people with one number: what the unit stated, all of it, gets a record of its own
    Separate {
        /// Số thứ tự · its number
        number: String,
        /// Lý do · why
        #[arg(long)]
        reason: String,
    },
}
