//! Why a step is refused.

use super::StepKind;
use crate::ids::UnitCode;

/// Why a step, or its undoing, cannot be: people see the text in both languages, programs the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineageFault {
    /// There is no such unit on that day.
    #[error("không có đơn vị {0} vào ngày đó · there is no unit {0} on that day")]
    Unknown(UnitCode),
    /// The unit had ended before.
    #[error("đơn vị {unit} đã kết thúc (bước {step}) · unit {unit} has ended before (step {step})")]
    Ended {
        /// Which.
        unit: UnitCode,
        /// By which step.
        step: u64,
    },
    /// A unit is named twice.
    #[error("đơn vị {0} được nêu hai lần · unit {0} is named twice")]
    Twice(UnitCode),
    /// The successor neither exists nor is to be made.
    #[error(
        "đơn vị kế thừa {0} chưa có: thêm tên để lập mới ({0}=TÊN) · the successor {0} does not exist: give its name to make it ({0}=NAME)"
    )]
    SuccessorUnknown(UnitCode),
    /// A unit cannot be its own successor.
    #[error("đơn vị {0} không thể kế thừa chính mình · unit {0} cannot be its own successor")]
    Itself(UnitCode),
    /// The code is, or was, another unit's.
    #[error(
        "mã {0} đang dùng hoặc đã dùng: mã cũ không dùng lại · code {0} is or was in use: an old code is never used again"
    )]
    CodeTaken(UnitCode),
    /// The code was a commune's before 1/7/2025.
    #[error(
        "mã {0} là mã xã trước 1/7/2025: bảng cũ sẽ bị hiểu nhầm (X20) · code {0} was a commune’s before 1/7/2025: old sheets would be misread (X20)"
    )]
    CodeOld(UnitCode),
    /// The code is a commune's of another province.
    #[error("mã {0} thuộc tỉnh khác · code {0} belongs to another province")]
    CodeOutside(UnitCode),
    /// Not the form of a unit's code.
    #[error("mã {0} sai dạng: 5 chữ số, hoặc 33-… · {0} is no unit’s code: 5 digits, or 33-…")]
    CodeForm(UnitCode),
    /// The unit can take no part in a step.
    #[error(
        "đơn vị {0} (tỉnh, cơ quan nhận) không sáp nhập, chia tách được · unit {0} (the province, an agency) neither merges nor splits"
    )]
    Fixed(UnitCode),
    /// A step lacks something.
    #[error("bước {} thiếu: {what} · the step lacks: {what}", .kind.name())]
    Lacks {
        /// Which.
        kind: StepKind,
        /// What.
        what: &'static str,
    },
    /// The name is the one it has.
    #[error("đơn vị {0} đang mang đúng tên đó · unit {0} has that name already")]
    SameName(UnitCode),
    /// Another unit has the name.
    #[error("đơn vị {0} đang mang tên đó · unit {0} has that name")]
    NameTaken(UnitCode),
    /// A record goes to a unit that is not one of the step's.
    #[error("{0} không phải đơn vị nhận của bước này · {0} is not one of the step’s successors")]
    NotSuccessor(UnitCode),
    /// No such step.
    #[error("không có bước số {0} · there is no step {0}")]
    StepUnknown(u64),
    /// It was undone before.
    #[error("bước {0} đã được hủy rồi · step {0} is undone already")]
    UndoneBefore(u64),
    /// Later steps stand on it.
    #[error(
        "bước {later} sau đó dựa vào bước {step}: hủy bước {later} trước · step {later} stands on step {step}: undo {later} first"
    )]
    StoodOn {
        /// The step.
        step: u64,
        /// The later one.
        later: u64,
    },
    /// Other steps have moved records of the unit after the day it is to be divided.
    #[error(
        "sau ngày đó bước {later} đã chuyển bản ghi đến hoặc đi khỏi {unit}: chọn ngày sau bước {later}, hoặc hủy bước đó trước · after that day step {later} has moved records to or from {unit}: choose a day behind step {later}, or undo it first"
    )]
    Overlaps {
        /// The unit.
        unit: UnitCode,
        /// By which step.
        later: u64,
    },
    /// A later step cannot be any more.
    #[error(
        "bước {step} về sau không còn hợp lệ: {fault} · the later step {step} cannot be any more: {fault}"
    )]
    Later {
        /// The step.
        step: u64,
        /// Why.
        fault: Box<LineageFault>,
    },
}

impl LineageFault {
    /// The code programs tell it by.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "UNIT_UNKNOWN",
            Self::Ended { .. } => "UNIT_ENDED",
            Self::Twice(_) => "UNIT_TWICE",
            Self::SuccessorUnknown(_) | Self::NotSuccessor(_) => "SUCCESSOR_UNKNOWN",
            Self::Itself(_) => "UNIT_ITSELF",
            Self::CodeTaken(_) => "CODE_TAKEN",
            Self::CodeOld(_) => "CODE_OLD",
            Self::CodeOutside(_) => "CODE_OUTSIDE",
            Self::CodeForm(_) => "CODE_FORM",
            Self::Fixed(_) => "UNIT_FIXED",
            Self::Lacks { .. } => "STEP_LACKS",
            Self::SameName(_) | Self::NameTaken(_) => "NAME_TAKEN",
            Self::StepUnknown(_) => "STEP_UNKNOWN",
            Self::UndoneBefore(_) => "STEP_UNDONE",
            Self::Overlaps { .. } => "STEP_OVERLAPS",
            Self::StoodOn { .. } | Self::Later { .. } => "STEP_STOOD_ON",
        }
    }
}
