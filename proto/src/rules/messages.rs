//! What is said of a row's cells, each with its reason class: what is wrong, and what to do.

use std::borrow::Cow;

use crate::catalogue::Label;

/// A reason class and its words.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) rule: &'static str,
    pub(super) vi: Cow<'static, str>,
    pub(super) en: Cow<'static, str>,
}

macro_rules! messages {
    ($($name:ident $rule:literal $vi:literal $en:literal)*) => {
        $(pub(super) const $name: Message =
            Message { rule: $rule, vi: Cow::Borrowed($vi), en: Cow::Borrowed($en) };)*
    };
}

messages! {
    CELL_ERROR "CELL_ERROR"
        "ô có lỗi công thức: sửa công thức hoặc ghi giá trị"
        "the cell holds an error: mend the formula or write the value"
    NOT_FROM_A_SHEET "TYPE_MISMATCH"
        "cột này không nhập được từ bảng"
        "this column cannot be captured from a sheet"
    NOT_SINGLE "TYPE_MISMATCH"
        "ô phải là một giá trị đơn"
        "a single value is due here"
    MADE_TRUE_OR_FALSE "TYPE_MISMATCH"
        "ô chứa giá trị đúng/sai (TRUE/FALSE): để ô dạng văn bản rồi gõ lại nội dung"
        "the cell holds true or false: set it to text and type its content again"
    MADE_A_DATE "TYPE_MISMATCH"
        "bảng tính đã đổi ô này thành ngày tháng: để ô dạng văn bản rồi gõ lại nội dung"
        "the spreadsheet has made a date of this cell: set it to text and type its content again"
    SHA256_FORM "TYPE_MISMATCH"
        "mã SHA-256 phải có 64 chữ số thập lục phân"
        "a SHA-256 has 64 hexadecimal digits"

    ENCODING "ENCODING"
        "ô có chữ không đọc được (\u{FFFD}): gõ lại nội dung"
        "the cell has letters that could not be read (\u{FFFD}): type it again"
    TEXT_CONTROL "TEXT_CONTROL"
        "ô có ký tự điều khiển: gõ lại nội dung"
        "the cell holds a control character: type it again"
    FORMULA_LIKE "FORMULA_LIKE"
        "nội dung giống công thức; giữ nguyên, khi xuất sẽ vô hiệu hóa"
        "the text looks like a formula; kept, defused in exports"
    DOCUMENT_NUMBER "DOCUMENT_NUMBER"
        "số văn bản thường ghi số-loại/cơ quan, ví dụ 12-TB/UBKTTU: kiểm tra lại"
        "a document's number is usually number-kind/body, e.g. 12-TB/UBKTTU: check it"
    SENDER_LIKE "SENDER_LIKE"
        "có vẻ nêu người gửi đơn (họ tên, điện thoại hoặc số CCCD): bỏ đi, chỉ giữ số vào sổ và đơn có ẩn danh hay không"
        "it seems to name the sender (name, phone or citizen number): take that out; the register's number and whether it is anonymous are kept"

    NUM_INVALID "NUM_INVALID"
        "không phải số hợp lệ: ghi số, ví dụ 1.250.000"
        "not a number that can be read: write e.g. 1.250.000"
    NUM_RANGE "NUM_RANGE"
        "số ngoài khoảng cho phép (số âm, hoặc năm không hợp lý): ghi lại số"
        "the number is out of range (negative, or no likely year): write it again"

    NAME_LINES "NAME_INVALID"
        "ô có nhiều dòng: mỗi người ghi một dòng của bảng; nếu là một người, ghi họ tên trên một dòng"
        "the cell has several lines: each person takes a row; of one person, write the name in one line"
    NAME_INVALID "NAME_INVALID"
        "họ tên phải có ít nhất hai từ, chỉ gồm chữ cái: gõ lại họ tên"
        "a name has at least two words of letters only: type it again"
    PHONE_INVALID "PHONE_INVALID"
        "số điện thoại không đúng, không ghi: kiểm tra lại"
        "the phone number is not right and was left out: check it"
    PARTY_CARD "PARTY_CARD"
        "số thẻ thường có 8 hoặc 12 chữ số: kiểm tra lại"
        "a card number usually has 8 or 12 digits: check it"

    CCCD_FORMAT "CCCD_FORMAT"
        "số CCCD phải có 12 chữ số: kiểm tra lại, để ô dạng văn bản"
        "a citizen number has 12 digits: check it, keep the cell as text"
    CCCD_UNSURE "CCCD_FORMAT"
        "số CCCD thiếu chữ số, không có ngày sinh và giới tính để đối chiếu: ghi đủ 12 số, để ô dạng văn bản"
        "digits are missing, and no birth date and sex to check them by: write all 12, keep the cell as text"
    CCCD_IS_CMND "CCCD_IS_CMND"
        "đây là số CMND 9 số: ghi số CCCD 12 số"
        "this is a former 9-digit card: write the 12-digit number"
    CCCD_PROVINCE "CCCD_PROVINCE"
        "3 số đầu không phải mã tỉnh: kiểm tra số CCCD"
        "the first 3 digits are no province's: check the number"
    CCCD_ABROAD "CCCD_ABROAD"
        "mã nơi đăng ký khai sinh ở nước ngoài: kiểm tra lại"
        "registered as born abroad: check it"
    CCCD_BIRTHYEAR "CCCD_BIRTHYEAR"
        "số CCCD không khớp năm sinh: kiểm tra cả hai ô"
        "the number does not fit the birth year: check both cells"
    CCCD_CENTURY_SEX "CCCD_CENTURY_SEX"
        "số CCCD không khớp thế kỷ sinh hoặc giới tính: kiểm tra lại"
        "the number does not fit century of birth or sex: check"

    DATE_INVALID "DATE_INVALID"
        "không phải ngày hợp lệ: ghi ngày/tháng/năm, ví dụ 05/01/1980"
        "not a date that can be read: write day/month/year, e.g. 05/01/1980"
    MONTH_FIRST "DATE_INVALID"
        "tháng không hợp lệ; nếu ghi tháng trước ngày, hãy ghi lại ngày/tháng/năm"
        "no such month; if month stands first, write day/month/year"
    ONLY_A_YEAR "DATE_INVALID"
        "chỉ có năm: ghi đủ ngày/tháng/năm, ví dụ 05/01/1980"
        "only a year: write day/month/year, e.g. 05/01/1980"
    TWO_DIGIT_YEAR "DATE_INVALID"
        "năm phải ghi đủ 4 chữ số"
        "the year needs 4 digits"
    NO_INSTANT "DATE_INVALID"
        "không phải thời điểm: ghi ngày/tháng/năm giờ:phút, ví dụ 05/01/2026 08:30"
        "no instant: write day/month/year hour:minute, e.g. 05/01/2026 08:30"
    DATE_FUTURE "DATE_FUTURE"
        "ngày ở tương lai: kiểm tra năm"
        "the date is in the future: check the year"
    JOINED_BEFORE_BIRTH "DATE_ORDER"
        "ngày vào Đảng trước ngày sinh: kiểm tra cả hai ô"
        "joined before birth: check both cells"
    OFFICIAL_BEFORE_JOINING "DATE_ORDER"
        "ngày chính thức trước ngày vào Đảng: kiểm tra cả hai ô"
        "official before joining: check both cells"
    AGE_UNDER_18 "AGE_UNDER_18"
        "vào Đảng khi chưa đủ 18 tuổi: kiểm tra ngày sinh, ngày vào Đảng"
        "joined before the age of 18: check the dates"
    AGE_UNDER_18_ONCE "AGE_UNDER_18"
        "vào Đảng khi chưa đủ 18 tuổi"
        "joined before the age of 18"
    MENDED_WITHOUT_DATE "STATE_INCONSISTENT"
        "đã khắc phục nhưng thiếu ngày hoàn thành: bổ sung ngày"
        "mended without a date: add it"

    YES_OR_NO "ENUM_UNKNOWN"
        "ghi “có” hoặc “không”"
        "write yes or no"
    ANONYMOUS "ANONYMOUS"
        "đơn không rõ người gửi: không thụ lý như tố cáo, khiếu nại; nếu nội dung có căn cứ rõ thì lập dấu hiệu vi phạm từ đơn này, không thì lưu"
        "nobody signs the letter: it is not taken up as a denunciation or complaint; where it gives clear evidence enter a sign from it, otherwise file it"
    CLASSIFIED "CLASSIFIED"
        "bản ghi có độ mật không được đưa vào hệ thống này: lưu theo chế độ văn bản mật của đơn vị; ở đây chỉ ghi số vào sổ và phần không mật, độ mật “Thường”"
        "a classified record may not enter this system: keep it as classified papers are kept; here only its number in the register and what is not classified are entered, as “Thường”"
}

impl Message {
    fn of(rule: &'static str, vi: String, en: String) -> Self {
        Self { rule, vi: vi.into(), en: en.into() }
    }

    /// The same of a row that is taken because it names a document.
    pub(super) fn but_documented(&self) -> Self {
        let Self { rule, vi, en } = self;
        Self::of(
            rule,
            format!("{vi}; có ghi giấy tờ xác nhận nên dòng được nhận, cấp tỉnh sẽ xem lại"),
            format!("{en}; a document is named, so the row is taken and the province looks at it"),
        )
    }

    /// The same with where a document would be named.
    pub(super) fn or_documented(&self, column: &Label) -> Self {
        let Self { rule, vi, en } = self;
        Self::of(
            rule,
            format!("{vi}; nếu đúng theo giấy tờ cải chính, ghi số giấy tờ vào cột “{}”", column.vi),
            format!("{en}; if corrected papers say so, write their number under “{}”", column.en),
        )
    }
}

pub(super) fn missing(field: &Label) -> Message {
    let Label { vi, en } = field;
    Message::of(
        "REQ_MISSING",
        format!("thiếu “{vi}”: điền vào ô này"),
        format!("{en} is missing: fill the cell in"),
    )
}

pub(super) fn missing_of_item(field: &Label, parent: &Label) -> Message {
    let Label { vi, en } = field;
    Message::of("REQ_MISSING", format!("thiếu “{vi}” của {}", parent.vi), format!("{en} is missing"))
}

pub(super) fn too_long(chars_max: usize) -> Message {
    Message::of(
        "TEXT_TOO_LONG",
        format!("dài quá {chars_max} ký tự: rút gọn"),
        format!("longer than {chars_max} characters: shorten it"),
    )
}

/// Of a citizen number whose lost zeros were put back.
pub(super) fn padded(digits: &str) -> Message {
    Message::of(
        "CCCD_PADDED",
        format!("đã thêm số 0 ở đầu thành {digits}: để ô dạng văn bản"),
        format!("leading zeros were put back, {digits}: keep the cell as text"),
    )
}

/// Of a code that is not in its list, with the labels of some that are.
pub(super) fn not_listed(known: &str) -> Message {
    Message::of(
        "ENUM_UNKNOWN",
        format!("không có trong danh mục: chọn một trong {known}"),
        format!("not in the list: choose one of {known}"),
    )
}

/// Of a row that is another unit's.
pub(super) fn foreign(unit: &str) -> Message {
    Message::of(
        "UNIT_FOREIGN",
        format!("dòng này của {unit}: gửi cho đơn vị đó"),
        format!("this row is {unit}'s: send it there"),
    )
}
