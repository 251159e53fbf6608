//! The kinds of alerts.

use serde::{Deserialize, Serialize};

/// How soon somebody must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Now.
    Critical,
    /// Soon.
    Warning,
}

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The ledger takes no more writes.
    Ledger,
    /// A replica's log contradicts what is held: a fork, a rolled-back log, another root.
    Fence,
    /// A node refuses the ledger.
    Refused,
    /// The ledger was not witnessed for long.
    Unwitnessed,
    /// A unit's node holds other records than the hub.
    Differs,
    /// A background job is stuck.
    Job,
    /// The disk is nearly full.
    Disk,
    /// Wrong enrolment tokens come: somebody guesses.
    Guessing,
    /// A certificate ends soon.
    Certificate,
    /// A node's clock is wrong.
    Clock,
    /// A connected node says nothing.
    Silent,
    /// A node has been away for long.
    Away,
    /// A unit's lag does not fall.
    Lag,
    /// A unit's quarantine grows.
    Quarantine,
    /// Conflicts wait for long.
    Conflicts,
    /// The last backup is old.
    Backup,
    /// A restored hub was not confirmed.
    Succession,
    /// An agency holds what is no longer so, and was not told.
    Untold,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Ledger,
        Self::Fence,
        Self::Refused,
        Self::Unwitnessed,
        Self::Differs,
        Self::Job,
        Self::Disk,
        Self::Guessing,
        Self::Certificate,
        Self::Clock,
        Self::Silent,
        Self::Away,
        Self::Lag,
        Self::Quarantine,
        Self::Conflicts,
        Self::Backup,
        Self::Succession,
        Self::Untold,
    ];

    /// Its name: the first part of a key, and behind `alert-` the place in the runbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Fence => "fence",
            Self::Refused => "refused",
            Self::Unwitnessed => "unwitnessed",
            Self::Differs => "differs",
            Self::Job => "job",
            Self::Disk => "disk",
            Self::Guessing => "guessing",
            Self::Certificate => "certificate",
            Self::Clock => "clock",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Lag => "lag",
            Self::Quarantine => "quarantine",
            Self::Conflicts => "conflicts",
            Self::Backup => "backup",
            Self::Succession => "succession",
            Self::Untold => "untold",
        }
    }

    /// Its name for people, in Vietnamese and English.
    #[must_use]
    pub fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Ledger => ("Sổ cái không ghi được", "The ledger takes no writes"),
            Self::Fence => ("Nhật ký của máy mâu thuẫn", "A machine's log contradicts itself"),
            Self::Refused => ("Máy xã từ chối sổ cái", "A node refuses the ledger"),
            Self::Unwitnessed => ("Sổ cái chưa được làm chứng", "The ledger is not witnessed"),
            Self::Differs => ("Bản ghi hai nơi khác nhau", "Records differ"),
            Self::Job => ("Việc nền bị kẹt", "A background job is stuck"),
            Self::Disk => ("Đĩa sắp đầy", "The disk is nearly full"),
            Self::Guessing => ("Có người dò mã ghi danh", "Somebody guesses at enrolment tokens"),
            Self::Certificate => ("Chứng thư sắp hết hạn", "A certificate ends soon"),
            Self::Clock => ("Đồng hồ sai", "A clock is wrong"),
            Self::Silent => ("Máy im lặng", "A machine is silent"),
            Self::Away => ("Máy vắng lâu", "A machine has been away for long"),
            Self::Lag => ("Dữ liệu không về thêm", "The lag does not fall"),
            Self::Quarantine => ("Thay đổi không nhập được", "Changes in quarantine"),
            Self::Conflicts => ("Xung đột chờ lâu", "Conflicts wait for long"),
            Self::Backup => ("Lâu chưa sao lưu", "The last backup is old"),
            Self::Succession => ("Khôi phục chưa xác nhận", "A restored hub is not confirmed"),
            Self::Untold => ("Cơ quan chưa được báo điều đã đổi", "An agency was not told what changed"),
        }
    }

    /// What to do first, in Vietnamese and English; the runbook says more.
    #[must_use]
    pub fn cure(self) -> (&'static str, &'static str) {
        match self {
            Self::Ledger => (
                "Giải phóng hoặc thay đĩa rồi khởi động lại máy chủ. Những gì đã nhận không mất.",
                "Make room or replace the disk, then start the hub anew. Nothing accepted is lost.",
            ),
            Self::Fence => (
                "Gọi đơn vị: máy có bị chép hay khôi phục từ bản cũ không? Nếu không ai làm, coi như bị can thiệp và giữ nguyên máy.",
                "Call the unit: was the machine copied or put back from an image? If nobody did, treat it as tampering and leave the machine as it is.",
            ),
            Self::Refused => (
                "Không xóa gì. Tìm xem có máy chủ thứ hai chạy cùng dữ liệu, hoặc đĩa đã bị đưa về bản cũ.",
                "Delete nothing. Find whether a second hub runs from this data, or an old image of the disk was put back.",
            ),
            Self::Unwitnessed => (
                "Xem các máy làm chứng có vắng hoặc sai giờ không. Việc trong tỉnh vẫn chạy, chỉ chưa chia sẻ thêm.",
                "See whether the witnesses are away or their clocks wrong. Local work goes on, nothing new is shared.",
            ),
            Self::Differs => (
                "Chạy `lienthong-hub reconcile --unit MÃ --repair`; nếu lặp lại, báo người phát triển.",
                "Run `lienthong-hub reconcile --unit CODE --repair`; if it comes back, report it.",
            ),
            Self::Job => (
                "Xem nhật ký vận hành lúc đó: đĩa đầy, máy khác không trả lời? Nếu không rõ, khởi động lại.",
                "Look at the traces of that time: a full disk, a server that does not answer? If it is not clear, restart.",
            ),
            Self::Disk => (
                "Giải phóng đĩa hoặc chuyển dữ liệu sang đĩa lớn hơn. Không bao giờ xóa trong thư mục log.",
                "Make room, or move the data to a larger disk. Never delete within the folder log.",
            ),
            Self::Guessing => (
                "Gọi đơn vị đang ghi danh: có phải họ chép sai? Nếu không, chặn địa chỉ đó ở tường lửa. Mã bị khóa thì cấp mã mới.",
                "Call the unit that enrols: did it copy the line wrong? If not, block the address at the firewall. For a token that is locked make a new one.",
            ),
            Self::Certificate => (
                "Gọi đơn vị bật máy và nối mạng: máy tự gia hạn. Nếu đã hết hạn, duyệt bằng `lienthong-hub unit approve-renewal MÃ`.",
                "Have the unit switch its machine on and connect it: it renews by itself. If it has ended, approve with `lienthong-hub unit approve-renewal CODE`.",
            ),
            Self::Clock => (
                "Nhờ đơn vị đặt máy tự lấy giờ qua mạng (NTP).",
                "Have the unit let its machine take the time from the network (NTP).",
            ),
            Self::Silent => (
                "Gọi đơn vị: khởi động lại chương trình trên máy xã, xem đường truyền.",
                "Call the unit: start the node's program anew, look at the line.",
            ),
            Self::Away => (
                "Gọi đơn vị: máy có bật, mạng có thông không? Dữ liệu mới chỉ nằm ở đĩa của họ.",
                "Call the unit: is the machine on, is the line up? What is new is on its own disk only.",
            ),
            Self::Lag => (
                "Nhờ đơn vị chạy `lienthong-node status`: mục fault nói lý do; nếu không rõ, khởi động lại.",
                "Have the unit run `lienthong-node status`: `fault` says why; if it is not clear, restart it.",
            ),
            Self::Quarantine => (
                "Mở trang Chờ xử lý, lọc theo đơn vị: mỗi thay đổi có lý do và việc cần làm.",
                "Open the page Quarantine for the unit: each change has its reason and what to do.",
            ),
            Self::Conflicts => (
                "Người quản lý dữ liệu mở trang Xung đột, bắt đầu từ cái cũ nhất.",
                "A steward opens the page Conflicts and begins with the oldest.",
            ),
            Self::Backup => (
                "Chạy `lienthong-hub backup`, rồi xem vì sao bản hằng đêm không chạy.",
                "Run `lienthong-hub backup`, then see why the nightly one did not run.",
            ),
            Self::Succession => (
                "Xem danh sách đơn vị đã về đủ chưa, rồi quản trị chạy `lienthong-hub confirm-succession`.",
                "See whether the units have come back, then an administrator runs `lienthong-hub confirm-succession`.",
            ),
            Self::Untold => (
                "Chạy `lienthong-hub grant notice SỐ --out TỆP` rồi đưa tệp cho cơ quan, hoặc giao gói mới.",
                "Run `lienthong-hub grant notice NUMBER --out FILE` and hand the file over, or hand over a new bundle.",
            ),
        }
    }

    /// Where the runbook says what to do.
    #[must_use]
    pub fn runbook(self) -> String {
        format!("deploy/OPERATIONS.md#alert-{}", self.name())
    }

    /// How soon somebody must act.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Ledger | Self::Fence | Self::Refused | Self::Differs | Self::Job | Self::Disk => {
                Severity::Critical
            }
            _ => Severity::Warning,
        }
    }

    /// Nobody is called for what passes within so long.
    #[must_use]
    pub fn patience_seconds(self) -> u64 {
        match self {
            Self::Silent => 300,
            // A clock set right makes any job look late for a moment.
            Self::Job | Self::Clock | Self::Disk => 30,
            _ => 0,
        }
    }
}
