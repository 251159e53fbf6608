//! How the letters of a sheet stand for Vietnamese, and its rows in Unicode.
//!
//! One file may hold both: rows copied from a list in `.VnTime` among others. What reads in one way only is read so;
//! what could be either rejects its row, since the wrong reading is good Vietnamese too (`Lê` is `Lờ` in TCVN3).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use lienthong_proto::text::{Clue, Lettering, LetteringCensus, Reading};

use super::cell::finding;
use super::source::Row;
use super::{Finding, RawCell};

/// Where a sheet shows how its letters stand.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The last row with Vietnamese that can be Unicode only.
    unicode: u64,
    /// By column the last row with what is Vietnamese in an older lettering only.
    legacy: BTreeMap<u32, u64>,
}

impl Traces {
    pub(super) fn note(&mut self, row: &Row, census: &mut LetteringCensus) {
        for (column, cell) in &row.cells {
            let RawCell::Text(text) = cell else { continue };
            match census.note(text) {
                Clue::Unicode => self.unicode = row.number,
                Clue::Legacy => drop(self.legacy.insert(*column, row.number)),
                Clue::None => {}
            }
        }
    }

    /// Nothing was seen that can be Unicode only.
    pub(super) fn is_legacy_throughout(&self) -> bool {
        self.unicode == 0
    }
}

/// How the rows of a sheet are read.
#[derive(Debug, Clone, Default)]
pub(super) enum Letters {
    /// As they stand: we wrote them.
    #[default]
    Ours,
    /// As they stand, unless they are Vietnamese in an older lettering only.
    Unicode,
    /// In that lettering.
    Legacy(Lettering),
    /// Unicode and that lettering, which shows in those columns.
    Mixed(Lettering, BTreeSet<u32>),
}

/// Why a cell was not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unread {
    /// It has letters that the file's lettering does not have.
    Unknown(Lettering),
    /// It is Vietnamese in that lettering only, in a file that is not.
    Legacy(Lettering),
    /// In a file of both it may be Unicode or that lettering.
    Doubtful(Lettering),
}

impl Letters {
    /// Of a file of both kinds, the letters of a sheet below its header's last row.
    pub(super) fn of(lettering: Lettering, traces: &Traces, header: u64) -> Self {
        // A header in an old font is that of a list in one; titles above it are anybody's.
        if lettering == Lettering::Unicode || traces.legacy.values().all(|last| *last < header) {
            Self::Unicode
        } else if traces.unicode > header {
            let below = traces.legacy.iter().filter(|(_, last)| **last > header);
            Self::Mixed(lettering, below.map(|(column, _)| *column).collect())
        } else {
            Self::Legacy(lettering)
        }
    }

    /// The row's texts in Unicode; the columns whose text was not read, and why.
    pub(super) fn read(&self, row: &mut Row) -> Vec<(u32, Unread)> {
        let mut unread = Vec::new();
        let cells = row.cells.iter_mut();
        let texts = cells.filter_map(|(column, cell)| match cell {
            RawCell::Text(text) if !text.is_ascii() => Some((*column, text)),
            _ => None,
        });
        match self {
            Self::Ours => {}
            Self::Unicode => {
                unread.extend(texts.filter_map(|(column, text)| Some((column, suspected(text)?))));
            }
            Self::Legacy(lettering) => {
                for (column, text) in texts {
                    match lettering.try_read(text) {
                        Some(Cow::Owned(read)) => *text = read,
                        Some(Cow::Borrowed(_)) => {}
                        None => unread.push((column, Unread::Unknown(*lettering))),
                    }
                }
            }
            Self::Mixed(lettering, columns) => {
                let mut shown = false;
                let mut doubtful = Vec::new();
                for (column, text) in texts {
                    match lettering.reading(text) {
                        Reading::Standing => unread.extend(suspected(text).map(|why| (column, why))),
                        Reading::Legacy(read) => (*text, shown) = (read, true),
                        Reading::Doubtful(_) => doubtful.push((column, text)),
                    }
                }
                for (column, text) in doubtful {
                    let doubtful = || Unread::Doubtful(*lettering);
                    let near = shown || columns.contains(&column);
                    let why = suspected(text).or_else(|| near.then(doubtful));
                    unread.extend(why.map(|why| (column, why)));
                }
            }
        }
        unread
    }

    /// What to say of a file that has such a sheet; `sample` is a title of it.
    pub(super) fn warning(&self, sample: &str) -> Option<Finding> {
        let (vi, en) = match self {
            Self::Ours | Self::Unicode => return None,
            Self::Legacy(lettering) => {
                let name = lettering.name();
                (
                    format!(
                        "Chữ theo bảng mã {name}, đã chuyển sang Unicode (ví dụ: “{sample}”): xem lại vài dòng"
                    ),
                    format!(
                        "the letters are in {name} and were turned into Unicode (e.g. “{sample}”): look at some rows"
                    ),
                )
            }
            Self::Mixed(lettering, _) => {
                let name = lettering.name();
                (
                    format!(
                        "Tệp có cả chữ Unicode và chữ theo bảng mã {name}: ô chắc chắn là {name} đã chuyển sang Unicode, dòng có ô không chắc bị loại; xem lại, tốt nhất chuyển cả tệp sang Unicode rồi nộp lại"
                    ),
                    format!(
                        "the file has letters in Unicode and in {name}: what can be {name} only was turned into Unicode, rows with a cell that could be either were rejected; look at them, or better turn the whole file into Unicode and hand it in again"
                    ),
                )
            }
        };
        Some(finding("ENCODING", None, vi, en))
    }
}

impl Unread {
    pub(super) fn finding(self, column: &str) -> Finding {
        let (vi, en) = match self {
            Self::Unknown(lettering) => {
                let name = lettering.name();
                (
                    format!("Ô có chữ không đọc được theo bảng mã {name}; gõ lại nội dung"),
                    format!("the cell has letters that {name} does not have: type it again"),
                )
            }
            Self::Legacy(lettering) => {
                let name = lettering.name();
                (
                    format!(
                        "Ô có chữ theo bảng mã {name}, không phải Unicode; chuyển sang Unicode hoặc gõ lại nội dung"
                    ),
                    format!(
                        "the cell’s letters are in {name}, not in Unicode: turn them into Unicode or type it again"
                    ),
                )
            }
            Self::Doubtful(lettering) => {
                let name = lettering.name();
                (
                    format!(
                        "Ô có thể là chữ Unicode, cũng có thể là chữ theo bảng mã {name}, mỗi cách đọc ra một nội dung; gõ lại nội dung bằng Unicode"
                    ),
                    format!(
                        "the cell may be in Unicode or in {name} and says something else in each: type it again in Unicode"
                    ),
                )
            }
        };
        finding("ENCODING", Some(column), vi, en)
    }
}

/// What there is to say of a value outside any sheet that is Vietnamese in an older lettering only.
pub(crate) fn unread(column: &str, cell: &RawCell) -> Option<Finding> {
    match cell {
        RawCell::Text(text) => Some(suspected(text)?.finding(column)),
        RawCell::List(cells) => cells.iter().find_map(|cell| unread(column, cell)),
        _ => None,
    }
}

fn suspected(text: &str) -> Option<Unread> {
    Lettering::suspected(text).map(Unread::Legacy)
}
