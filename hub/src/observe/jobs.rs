//! The background jobs of a hub.

use lienthong_node::observe::{Beat, JobSpec};

/// Writes the ledger.
pub const COMMITTER: JobSpec = JobSpec {
    name: "committer",
    rhythm_seconds: 30,
    beat: Beat::Always,
    vi: "ghi sổ cái, đưa vào bảng tra",
    en: "writes the ledger and brings it to the view",
};
/// Judges records.
pub const QUALITY: JobSpec = JobSpec {
    name: "quality",
    rhythm_seconds: 120,
    beat: Beat::Always,
    vi: "đánh giá chất lượng bản ghi",
    en: "judges records",
};
/// Gives over what both units agree on.
pub const HANDING_OVER: JobSpec = JobSpec {
    name: "handing_over",
    rhythm_seconds: 600,
    beat: Beat::WithWork,
    vi: "chuyển hồ sơ khi hai bên đã thống nhất",
    en: "gives records over once both units have said so",
};
/// Moves records of reorganised units.
pub const LINEAGE: JobSpec = JobSpec {
    name: "lineage",
    rhythm_seconds: 600,
    beat: Beat::Always,
    vi: "chuyển bản ghi của đơn vị sáp nhập, chia tách",
    en: "moves the records of reorganised units",
};
/// Keeps the list of erasures as the ledger has it.
pub const ERASING: JobSpec = JobSpec {
    name: "erasing",
    rhythm_seconds: 600,
    beat: Beat::WithWork,
    vi: "giữ danh sách xóa theo lệnh đúng như sổ cái",
    en: "keeps the list of erasures as the ledger has it",
};
/// Keeps the nodes' heartbeats.
pub const HEARTBEATS: JobSpec = JobSpec {
    name: "heartbeats",
    rhythm_seconds: 60,
    beat: Beat::WithWork,
    vi: "ghi lời báo cuối của các máy",
    en: "keeps what the nodes last signed",
};
/// Works out alerts.
pub const ALERTS: JobSpec = JobSpec {
    name: "alerts",
    rhythm_seconds: 60,
    beat: Beat::Always,
    vi: "xem xét các cảnh báo",
    en: "works alerts out",
};
/// Has the ledger witnessed.
pub const WITNESSING: JobSpec = JobSpec {
    name: "witnessing",
    rhythm_seconds: 300,
    beat: Beat::WithWork,
    vi: "xin các máy làm chứng cho sổ cái",
    en: "asks the nodes to witness the ledger",
};
