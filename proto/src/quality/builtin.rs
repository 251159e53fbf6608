//! The rules that no catalogue needs to declare: DOMAIN 2.4's reason classes, for what is stored.

use super::{RuleIndex, RuleInfo, RuleKind};
use crate::catalogue::{Dimension, Label, Severity};

macro_rules! builtin {
    ($($variant:ident $id:literal $dimension:ident $severity:ident $vi:literal $en:literal)*) => {
        /// A rule of the engine itself; its place is its index in every rule book.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Builtin { $($variant),* }

        impl Builtin {
            /// All, in order.
            pub(super) fn infos() -> Vec<RuleInfo> {
                vec![$(RuleInfo {
                    id: $id.to_owned(),
                    record_type: None,
                    field: None,
                    severity: Severity::$severity,
                    dimension: Dimension::$dimension,
                    kind: if matches!(Self::$variant, Self::ConflictOpen | Self::Duplicate) { RuleKind::Cross } else { RuleKind::Field },
                    message: Label { vi: $vi.to_owned(), en: $en.to_owned() },
                }),*]
            }

            pub(super) fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            pub(super) fn dimension(self) -> Dimension {
                match self { $(Self::$variant => Dimension::$dimension),* }
            }

            /// The class of that name, for functions that answer with a name.
            pub(super) fn of_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

builtin! {
    ReqMissing "REQ_MISSING" Du Warning
        "thiếu giá trị bắt buộc: bổ sung vào bản ghi" "a required value is missing: add it"
    Placeholder "TEXT_PLACEHOLDER" Sach Warning
        "chỉ ghi cho có (“không”, “-”, “x”): xóa hoặc ghi giá trị thật" "it only says that there is nothing: clear it or write the true value"
    TypeMismatch "TYPE_MISMATCH" Dung Error
        "giá trị không đúng kiểu của trường: ghi lại giá trị" "the value is of another kind than the field: write it again"
    TextTooLong "TEXT_TOO_LONG" Dung Error
        "nội dung dài quá giới hạn của trường: rút gọn" "the text is longer than the field takes: shorten it"
    TextControl "TEXT_CONTROL" Dung Error
        "có ký tự điều khiển: gõ lại nội dung" "it holds a control character: type it again"
    NameInvalid "NAME_INVALID" Dung Error
        "họ tên phải có ít nhất hai từ, chỉ gồm chữ cái: gõ lại họ tên" "a name has at least two words of letters only: type it again"
    CccdFormat "CCCD_FORMAT" Dung Error
        "số CCCD phải có 12 chữ số: kiểm tra trên thẻ và ghi lại" "a citizen number has 12 digits: check the card and write it again"
    CccdIsCmnd "CCCD_IS_CMND" Dung Error
        "đây là số CMND 9 số: ghi số CCCD 12 số" "this is a former 9-digit card: write the 12-digit number"
    CccdProvince "CCCD_PROVINCE" Dung Error
        "3 số đầu của CCCD không phải mã tỉnh: kiểm tra số CCCD" "the first 3 digits are no province's: check the number"
    CccdAbroad "CCCD_ABROAD" Dung Warning
        "mã nơi đăng ký khai sinh ở nước ngoài: kiểm tra lại số CCCD" "registered as born abroad: check the number"
    CccdCenturySex "CCCD_CENTURY_SEX" Dung Error
        "số CCCD không khớp thế kỷ sinh hoặc giới tính: kiểm tra số CCCD, ngày sinh, giới tính" "the number does not fit century of birth or sex: check all three"
    CccdBirthyear "CCCD_BIRTHYEAR" Dung Error
        "số CCCD không khớp năm sinh: kiểm tra số CCCD và ngày sinh" "the number does not fit the birth year: check both"
    DateInvalid "DATE_INVALID" Dung Error
        "ngày ngoài khoảng 1800–2200: kiểm tra năm" "the date is not between 1800 and 2200: check the year"
    DateFuture "DATE_FUTURE" Dung Error
        "ngày ở tương lai: kiểm tra năm" "the date is in the future: check the year"
    DateOrder "DATE_ORDER" Dung Error
        "ngày này trước ngày sinh: kiểm tra cả hai ngày" "the date is before the birth date: check both"
    CodeUnknown "CODE_UNKNOWN" Dung Error
        "không có đơn vị mang mã này: ghi mã 5 số của xã, phường hiện nay" "no unit has this code: write the commune's present 5-digit code"
    CodeOld "CODE_OLD" Dung Error
        "mã trước 1/7/2025: ghi mã mới của xã, phường" "a code of before 1/7/2025: write the commune's present code"
    CodeOutside "CODE_OUTSIDE" Dung Error
        "mã của đơn vị ngoài tỉnh: kiểm tra mã xã" "the code of a unit outside the province: check it"
    EnumUnknown "ENUM_UNKNOWN" DungChung Error
        "mã không có trong danh mục dùng chung: chọn lại một mã trong danh mục" "the code is not in the shared list: choose one of the list"
    Classified "CLASSIFIED" DungChung Error
        "bản ghi có độ mật không được ở trong hệ thống này: báo cấp tỉnh để gỡ bỏ" "a classified record may not be in this system: have the province remove it"
    NumRange "NUM_RANGE" Dung Error
        "số ngoài khoảng cho phép (số âm, hoặc năm không hợp lý): ghi lại số" "the number is out of range (negative, or no likely year): write it again"
    PhoneInvalid "PHONE_INVALID" Dung Warning
        "số điện thoại không đúng: kiểm tra lại" "the phone number is not right: check it"
    PartyCard "PARTY_CARD" Dung Warning
        "số thẻ thường có 8 hoặc 12 chữ số: kiểm tra lại" "a card number usually has 8 or 12 digits: check it"
    SenderLike "SENDER_LIKE" DungChung Warning
        "có vẻ nêu người gửi đơn (họ tên, điện thoại hoặc số CCCD): bỏ đi, chỉ giữ số vào sổ và đơn có ẩn danh hay không" "it seems to name the sender (name, phone or citizen number): take that out; the register's number and whether it is anonymous are kept"
    ConflictOpen "CONFLICT_OPEN" ThongNhat Warning
        "có giá trị mâu thuẫn đang chờ quyết định: xem mục mâu thuẫn và chọn giá trị đúng" "values contradict each other: look at the conflicts and choose the right one"
    Stale "STALE" Song Warning
        "quá hạn cập nhật: rà soát, xác nhận lại hoặc cập nhật bản ghi" "not confirmed within its cycle: review it, confirm or update it"
    Duplicate "DUPLICATE" Sach Warning
        "có thể trùng với bản ghi khác: xem mục bản ghi có thể trùng, là một thì gộp, không phải thì ghi là khác nhau" "probably the same as another record: look at the probable duplicates, merge the two if they are one, or keep them apart"
}

impl Builtin {
    /// Its place in every rule book.
    pub(super) fn index(self) -> RuleIndex {
        RuleIndex(self as u16)
    }
}
