//! Files people hand in become judged rows, in bounded memory.
//!
//! A file is first sniffed by its bytes, measured, and refused whole when it is broken, encrypted or would
//! need too much memory ([`open`]); then the headers of its sheets are found, the letters of legacy fonts are
//! turned into Unicode, and its rows flow through a [`Judge`] to the caller ([`read`]).
//!
//! # Which column is which field
//!
//! A header cell names a field by its Vietnamese or English label, one of its aliases, or its name (`so_cccd`). Case,
//! diacritics, signs and blanks do not count ([`fold`](lienthong_proto::text::fold)): “HỌ TÊN”, “ho ten” and
//! “Họ tên *” are one. The aliases stand with each field in `proto/catalogue/records/*.toml`; of members, the type
//! most sheets are of:
//!
//! | field | also known as |
//! |---|---|
//! | `ho_ten` | Họ và tên, Họ tên, Họ tên khai sinh |
//! | `ngay_sinh` | Ngày sinh, Ngày tháng năm sinh, NTNS, Sinh ngày |
//! | `gioi_tinh` | Giới tính, GT |
//! | `so_cccd` | Số CCCD, CCCD, Số căn cước, Số định danh cá nhân, Số CCCD/CMND |
//! | `so_the_dang` | Số thẻ đảng viên, Số TĐV |
//! | `ngay_vao_dang` | Ngày vào Đảng, Ngày kết nạp |
//! | `ngay_chinh_thuc` | Ngày chính thức, Ngày CT |
//! | `chi_bo` | Chi bộ, Chi bộ sinh hoạt |
//! | `ma_xa` | Mã xã/phường, Mã xã, Mã ĐVHC |
//! | `dien_thoai` | Điện thoại, SĐT, Số điện thoại |
//!
//! A column “Xã/phường”, “Tên xã”, “Tên xã/phường” or “Tên ĐVHC” is no field: it is held against the row's unit code,
//! and a row whose name is another commune's is rejected (`CODE_NAME_MISMATCH`), since 84 of the 104 codes belonged to
//! another commune before. In a type with two units there is no such column.
//!
//! The header may stand below titles, and may have two levels:
//!
//! ```text
//!  Số CCCD │  Ngày tháng năm   │    Nơi sinh hoạt
//!          │  Sinh  │ Vào Đảng │ Mã xã │ Xã/phường
//! ```
//!
//! Then a column's title is both levels joined (“Ngày tháng năm Sinh” is an alias of `ngay_sinh`), or the lower alone
//! (“Mã xã”), or the upper where it stands over the column itself (“Số CCCD”), whichever names a field. What one cell
//! spans, merged or followed by blanks, it says of each column below it.
//!
//! Limits: the header's first row is one of a sheet's first 30; a row holds at most 512 cells. Every column of the key
//! must be there, or the file is refused (`COLUMN_MISSING`); another required column that is missing is said once. Two
//! columns of one field refuse the file. Of all sheets that can be seen, those are read that have the key columns and
//! at least half as many fields as the best one; a hidden sheet is said, and only looked through for a mark of secrecy. A
//! column that names nothing is said with the nearest label (`COLUMN_UNKNOWN`), one of class C4 is never read (`C4_OMITTED`).
//!
//! Below the header, rows that number the columns, the header once more, totals, notes, signatures with the names below
//! them, and groups are no records. They are counted and named ([`ImportReport::skipped_rows`]), so that none is missed. A
//! group is a title alone in its row, or behind a Roman numeral or a letter (“II | Chi bộ thôn 2”). What stands beside merged
//! cells that are a record's key is of that record, however little it is. Names below a signature may stand in a column of
//! the key: such a row has at most three cells and no digit, and lacks what every record has.
//!
//! A column “Độ mật” of a type without such a field is read all the same: a row that is marked, or whose mark cannot be read
//! (`#N/A`), is refused (`CLASSIFIED`), and nothing of it is kept.
//!
//! A mark that stands by itself is of the whole file, which is then refused ([`FileRefusal::Classified`]) before a row is taken:
//! within the words above a table; below it or on another sheet, a hidden one too, alone or among at most three cells, as “MẬT”,
//! “TỐI MẬT”, “TUYỆT MẬT”, “Tài liệu mật”, perhaps behind “Độ mật:”; as a line of a text box or a note, or at the head or foot of the
//! printed page.
//! Beside a count, among other such words (“Thường”, “Mật”, “Tối mật” below each other), or in a row that has its key, it is none.
//!
//! # What is not guessed
//!
//! - “1.250 triệu” is 1,25 tỷ to one and 1,25 triệu to another: refused (`NUM_INVALID`), as is a number with a fraction where
//!   a whole one is due. “1,25 tỷ”, “0,125 tỷ” and “1.250.000 nghìn” can be read in one way only.
//! - A cell of text or a number that the spreadsheet took for a date (“01/2026”) is refused (`TYPE_MISMATCH`): what was typed is
//!   lost.
//! - A name of several lines may be of several people: refused (`NAME_INVALID`).
//! - Text separated by signs: the separator is what makes the most of the first rows equally wide, and them widest. A quote that
//!   is opened and never closed refuses the file and names the row (`ROW_SHAPE`). Bytes that are nearly UTF-8 are no other
//!   lettering: refused (`ENCODING`), as is a row with a letter that the file's lettering does not have, or with the sign
//!   U+FFFD that programs leave where they could not read one.
//! - A cell that is Vietnamese in an older lettering only (“TrÇn ThÞ Hoa”) is turned into Unicode where the file's others are
//!   of that lettering, and rejects its row where they are not (`ENCODING`). In a file of both, a cell that says one thing in
//!   Unicode and another in the lettering (“Lê” is “Lờ”) rejects its row too, if its row or its column has such letters. JSON
//!   lines and `put` take no text in an older lettering at all.
//! - A formula that the program which wrote the file never reckoned is no blank cell: refused (`CELL_ERROR`).
//! - A row with more cells than the header, or fewer than the rows beside it have, blank ones among them, may have its values
//!   in other columns: refused (`ROW_SHAPE`). Some programs leave out the blank cells at a row's end: what may be such a row is
//!   taken with a warning.
//! - A file is what its bytes are: where its name says something else, that is said (`FILE_TYPE`); text that is named like a
//!   workbook is refused.
//! - An apostrophe before a digit or a sign of a formula (`'0123`) is what a spreadsheet was told by it, and no part of the text.
//! - Rows of one key that differ in capitals only are doubles (`DUP`); the first is kept.

mod annotate;
mod archive;
mod cell;
mod csv;
mod doubles;
mod fitting;
mod header;
mod jsonl;
mod judging;
mod letters;
mod marks;
mod ods;
mod parcel;
mod read;
mod reading;
mod refusal;
pub(crate) mod remembered;
mod report;
mod scout;
mod shape;
mod source;
mod stamps;
mod table;
pub mod template;
#[cfg(test)]
mod tests;
mod xls;
mod xlsx;

pub use annotate::{AnnotateError, Annotations, annotate, annotate_file};
pub use cell::{Finding, Judge, RawCell, RowJudgement};
pub use fitting::{fitting, forbidden};
#[cfg(test)]
pub(crate) use header::field_of;
pub(crate) use jsonl::raw as raw_cell;
pub(crate) use letters::unread;
pub use marks::MarkPlace;
pub use read::{CapturedRow, FileSummary, Verdict, read, read_json_values, read_while};
pub use refusal::FileRefusal;
pub use report::{
    FINDINGS_MAX, ImportReport, Language, ReportedFinding, RowOutcome, RowStatus, SKIPPED_LISTED_MAX,
    SkippedRow,
};
pub use source::{FILE_MAX, Format, Source, hash, open};
