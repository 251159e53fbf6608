//! Verdicts: what the hub decided of a change, once, when it accepted it (DESIGN 6).

use crate::bytes::{Malformed, Reader, Writer};

/// What the hub decided of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Merged.
    Applied,
    /// Kept beside the record until its owner or the province decides.
    Proposal,
    /// Kept apart, with the reason.
    Quarantined(QuarantineReason),
}

/// Why a change is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QuarantineReason {
    /// The catalogue in force does not know its type.
    TypeUnknown = 1,
    /// A content is not understood.
    Undecodable = 2,
    /// It would create a record owned by another unit.
    ForeignOwner = 3,
    /// It would change a record's owner without being a transfer.
    OwnerChange = 4,
    /// Name and birth date both differ from the record it would join.
    IdentityGuard = 5,
    /// It carried content that may not enter the system; only commitments were kept.
    Forbidden = 6,
    /// More replicas than a register holds.
    RegisterFull = 7,
    /// The type's key cannot be read from it.
    KeyMissing = 8,
    /// It claims to have seen writes that do not exist yet: it would win against all of them for ever.
    ContextAhead = 9,
    /// It withdraws a record that its type keeps.
    RecordKept = 10,
}

impl QuarantineReason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::TypeUnknown,
        Self::Undecodable,
        Self::ForeignOwner,
        Self::OwnerChange,
        Self::IdentityGuard,
        Self::Forbidden,
        Self::RegisterFull,
        Self::KeyMissing,
        Self::ContextAhead,
        Self::RecordKept,
    ];

    /// The stable name scripts see.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TypeUnknown => "TYPE_UNKNOWN",
            Self::Undecodable => "UNDECODABLE",
            Self::ForeignOwner => "FOREIGN_OWNER",
            Self::OwnerChange => "OWNER_CHANGE",
            Self::IdentityGuard => "IDENTITY_GUARD",
            Self::Forbidden => "FORBIDDEN",
            Self::RegisterFull => "REGISTER_FULL",
            Self::KeyMissing => "KEY_MISSING",
            Self::ContextAhead => "CONTEXT_AHEAD",
            Self::RecordKept => "RECORD_KEPT",
        }
    }

    /// The reason behind a code byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == byte)
    }

    /// What it means and what to do, in Vietnamese.
    #[must_use]
    pub fn vi(self) -> &'static str {
        match self {
            Self::TypeUnknown => {
                "loại bản ghi chưa có trong danh mục của tỉnh; sẽ tự nhập khi tỉnh cập nhật danh mục"
            }
            Self::Undecodable => "nội dung không đọc được bằng phiên bản hiện tại của tỉnh; hãy báo tỉnh",
            Self::ForeignOwner => "bản ghi thuộc đơn vị khác; hãy gửi cho đơn vị đó hoặc báo tỉnh",
            Self::OwnerChange => "đổi đơn vị chủ quản phải qua chuyển giao; hãy báo tỉnh",
            Self::IdentityGuard => "trùng số nhưng họ tên và ngày sinh đều khác; tỉnh sẽ đối chiếu giấy tờ",
            Self::Forbidden => {
                "có nội dung không được đưa vào hệ thống; nội dung đó đã bị loại bỏ: chỉ ghi số vào sổ đăng ký và đơn có ẩn danh hay không"
            }
            Self::RegisterFull => {
                "quá nhiều máy cùng ghi một trường, hoặc bản ghi quá nhiều mục; hãy báo tỉnh"
            }
            Self::KeyMissing => "thiếu trường khóa của loại bản ghi, hoặc khóa không phải của bản ghi này",
            Self::ContextAhead => "tự nhận đã thấy những lần ghi chưa tồn tại; hãy báo tỉnh",
            Self::RecordKept => {
                "loại bản ghi này không cho thu hồi (ví dụ tài liệu đã ký số); bản ghi vẫn còn"
            }
        }
    }

    /// What it means and what to do, in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::TypeUnknown => {
                "the province's catalogue has no such record type yet; it enters by itself once it has"
            }
            Self::Undecodable => "the province's version cannot read the content; tell the province",
            Self::ForeignOwner => {
                "the record belongs to another unit; send it to that unit or tell the province"
            }
            Self::OwnerChange => "a change of owner needs a transfer; tell the province",
            Self::IdentityGuard => {
                "same number, but name and birth date both differ; the province will check the papers"
            }
            Self::Forbidden => {
                "it carried content that may not enter the system; that content was dropped: keep only the number in the register and whether the letter is anonymous"
            }
            Self::RegisterFull => {
                "too many machines write one field, or the record has too many items; tell the province"
            }
            Self::KeyMissing => "a key field of the record type is missing, or the key is not this record’s",
            Self::ContextAhead => "it claims to have seen writes that do not exist yet; tell the province",
            Self::RecordKept => {
                "its type keeps the record from being withdrawn (a signed document, say); it is still there"
            }
        }
    }
}

impl Verdict {
    /// Appends one or two bytes.
    pub fn encode(&self, out: &mut Writer) {
        match self {
            Self::Applied => out.u8(0),
            Self::Proposal => out.u8(1),
            Self::Quarantined(reason) => {
                out.u8(2);
                out.u8(*reason as u8);
            }
        }
    }

    /// Reads a verdict.
    ///
    /// # Errors
    /// [`Malformed`] for an unknown verdict or reason.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match input.u8()? {
            0 => Ok(Self::Applied),
            1 => Ok(Self::Proposal),
            2 => QuarantineReason::from_byte(input.u8()?)
                .map(Self::Quarantined)
                .ok_or(Malformed("unknown quarantine reason")),
            _ => Err(Malformed("unknown verdict")),
        }
    }
}
