//! Why a file is refused whole.

use lienthong_proto::catalogue::Label;

use super::{Finding, MarkPlace};

/// A file that is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum FileRefusal {
    /// It has no bytes, or no cell with anything in it.
    #[error("the file is empty")]
    Empty,
    /// Its container is broken.
    #[error("the file is damaged: {0}")]
    Corrupt(String),
    /// It is something else than a workbook, CSV or JSON lines.
    #[error("the file is of another type ({0}); save it as .xlsx, .xls, .ods, .csv or .jsonl")]
    Type(String),
    /// Its name says a workbook, its bytes are none.
    #[error(
        "the file is named like a workbook and is none: if it is separated text, name it .csv, else save it as .xlsx"
    )]
    Misnamed,
    /// One JSON array holds all its objects.
    #[error(
        "the file is one JSON array; write JSON lines: one object {{…}} on each line, without brackets and commas around them"
    )]
    JsonArray,
    /// It asks for a password.
    #[error("the file is encrypted: save it without a password")]
    Encrypted,
    /// It is or becomes larger than is read.
    #[error("the file is too large: {0}")]
    TooLarge(String),
    /// A member of the archive would leave its folder.
    #[error("the archive holds an unsafe path: {0}")]
    UnsafePath(String),
    /// Its text cannot be decoded for certain.
    #[error("the text cannot be decoded for certain; save it as UTF-8")]
    Encoding,
    /// Columns that name the record are not there.
    #[error("the file has no column for: {0}")]
    ColumnMissing(String),
    /// One field has two columns.
    #[error("two columns are for the same field: {0}")]
    ColumnTwice(String),
    /// A quote is opened and never closed: all that follows would be one cell.
    #[error("the quote that opens in row {0} is never closed; mend that row")]
    QuoteOpen(u64),
    /// A mark of secrecy stands by itself.
    #[error(
        "a mark of secrecy stands {}: a classified paper may not enter this system; keep it as such papers are kept",
        .0.label().en
    )]
    Classified(MarkPlace),
    /// The disk failed.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl FileRefusal {
    /// The reason class of the import contract.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Empty => "FILE_EMPTY",
            Self::Corrupt(_) | Self::Io(_) => "FILE_CORRUPT",
            Self::Type(_) | Self::Misnamed | Self::JsonArray | Self::Encrypted => "FILE_TYPE",
            Self::TooLarge(_) => "FILE_TOO_LARGE",
            Self::UnsafePath(_) => "FILE_UNSAFE_PATH",
            Self::Encoding => "ENCODING",
            Self::ColumnMissing(_) => "COLUMN_MISSING",
            Self::ColumnTwice(_) | Self::QuoteOpen(_) => "ROW_SHAPE",
            Self::Classified(_) => "CLASSIFIED",
        }
    }

    /// It as what is wrong with a file.
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding { column: None, value: None, rule: self.class().to_owned(), message: self.message() }
    }

    /// What people are told.
    #[must_use]
    pub fn message(&self) -> Label {
        let vi = match self {
            Self::Empty => "Tệp không có dữ liệu".to_owned(),
            Self::Corrupt(_) => "Tệp bị hỏng hoặc tải về chưa trọn vẹn; hãy lưu lại rồi nộp lại".to_owned(),
            Self::Type(_) => {
                "Loại tệp không đọc được; hãy mở bằng Excel rồi lưu thành .xlsx (hoặc .xls, .ods, .csv, .jsonl)".to_owned()
            }
            Self::Misnamed => {
                "Tên tệp là của bảng tính nhưng nội dung không phải: nếu là văn bản có dấu ngăn cách, đổi đuôi thành .csv; nếu không, mở bằng Excel rồi lưu thành .xlsx".to_owned()
            }
            Self::JsonArray => {
                "Tệp là một mảng JSON; cần JSON Lines: mỗi dòng một đối tượng {…}, không có ngoặc vuông và dấu phẩy bao quanh".to_owned()
            }
            Self::Encrypted => "Tệp có mật khẩu; hãy bỏ mật khẩu rồi lưu lại".to_owned(),
            Self::TooLarge(_) => "Tệp quá lớn hoặc có ô quá dài".to_owned(),
            Self::UnsafePath(_) => "Tệp nén chứa đường dẫn không an toàn".to_owned(),
            Self::Encoding => "Không xác định chắc chắn bảng mã; hãy lưu lại dạng UTF-8".to_owned(),
            Self::ColumnMissing(columns) => format!("Tệp thiếu cột khóa: {columns}"),
            Self::ColumnTwice(column) => format!("Hai cột cùng ứng với trường {column}; hãy bỏ một cột"),
            Self::QuoteOpen(row) => {
                format!("Dấu ngoặc kép mở ở dòng {row} không được đóng, các dòng sau đó bị gộp vào một ô; hãy sửa dòng đó")
            }
            Self::Classified(place) => format!(
                "Tệp có dấu chỉ mức độ mật {}: văn bản mật không được đưa vào hệ thống này; hãy lưu theo chế độ văn bản mật",
                place.label().vi
            ),
            Self::Io(_) => "Không đọc được tệp từ ổ đĩa".to_owned(),
        };
        Label { vi, en: self.to_string() }
    }
}
