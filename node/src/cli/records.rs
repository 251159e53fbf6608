//! The commands on records, alike at node and hub.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::{RecordId, UnitCode};
use lienthong_proto::value::days_of;
use serde_json::Value as Json;

use super::export::Export;
use super::import::Import;
use super::{Tongue, author};
use crate::capture::template;
use crate::control::Answer;
use crate::export::whole_file;
use crate::records::Listing;
use crate::service::{RecordsRequest, known_type};

/// What can be done with records.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Nhập tệp XLSX, XLS, ODS, CSV, JSONL · import a file
    Import(Import),
    /// Tạo tệp mẫu XLSX · make a workbook to fill in
    Template {
        /// Loại bản ghi · record type
        #[arg(long = "type")]
        record_type: String,
        /// Tệp bảng tính · the workbook
        #[arg(long)]
        out: PathBuf,
    },
    /// Ghi một hoặc nhiều bản ghi JSON · write one or more JSON records
    Put {
        /// Loại bản ghi · record type
        #[arg(long = "type")]
        record_type: String,
        /// Tệp, hoặc - là đầu vào chuẩn · file, or - for standard input
        file: String,
    },
    /// Bản ghi · records
    Record {
        /// What
        #[command(subcommand)]
        action: RecordAction,
    },
    /// Xuất dữ liệu dùng chung của một loại: JSONL, CSV, XLSX · export the shared dataset of a type
    Export(Export),
}

/// What of records.
#[derive(Debug, Subcommand)]
pub enum RecordAction {
    /// Một bản ghi, theo mã định danh hoặc khóa tự nhiên · one, by id or natural key
    Get {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Đơn vị cấp các số này, khi khóa là của riêng từng đơn vị · the unit whose numbers are meant, where keys are a unit's own
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Một trang danh sách · a page of them
    List {
        /// Loại bản ghi · record type
        record_type: String,
        /// Các từ cần tìm, không kể dấu và chữ hoa · words, marks and case aside
        #[arg(long)]
        search: Option<String>,
        /// Chỉ của đơn vị này · only this unit's
        #[arg(long)]
        unit: Option<UnitCode>,
        /// Theo các đơn vị của ngày này (chỉ ở máy tỉnh) · by the units of this day (at the hub only)
        #[arg(long, value_name = "DATE", value_parser = day, requires = "unit")]
        tree: Option<i32>,
        /// Bao nhiêu · how many
        #[arg(long)]
        limit: Option<usize>,
        /// Sau mã này · after this id
        #[arg(long)]
        after: Option<RecordId>,
        /// Cả bản ghi đã rút · withdrawn ones too
        #[arg(long)]
        all: bool,
    },
    /// Thu hồi: rút khỏi dữ liệu dùng chung, giữ lịch sử · take out of the shared dataset, history kept
    Withdraw {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Lý do, một dòng · why: one line
        #[arg(long)]
        reason: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Vì sao một trường có giá trị đang hiện · why a field shows what it shows
    Why {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Tên trường · the field's name
        field: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Mọi lần ghi của một bản ghi và kết quả · every write of one, with what became of it
    History {
        /// Loại bản ghi · record type
        record_type: String,
        /// Mã định danh hoặc khóa tự nhiên · id or natural key
        id: String,
        /// Đơn vị cấp các số này · the unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
}

impl RecordsCommand {
    /// Its name, for the way it is printed.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Import(_) | Self::Put { .. } => "import",
            Self::Template { .. } => "template",
            Self::Record { .. } => "record",
            Self::Export(_) => "export",
        }
    }

    /// Does it, asking the replica what must be asked.
    ///
    /// # Errors
    /// If a file it names cannot be read or written, or the replica cannot be asked.
    pub async fn run(
        &self,
        catalogue: &Catalogue,
        tongue: Tongue,
        mut ask: impl AsyncFnMut(RecordsRequest, &mut Hear<'_>) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let mut deaf = |_: Json| {};
        match self {
            Self::Import(import) => import.run(catalogue, tongue, ask).await,
            Self::Export(export) => export.run(catalogue, tongue, ask).await,
            Self::Template { record_type, out } => {
                let declared = match known_type(catalogue, record_type) {
                    Ok(declared) => declared,
                    Err(refusal) => return Ok(refusal),
                };
                whole_file(out, |part| Ok::<_, anyhow::Error>(template::write(part, declared, catalogue)?))
                    .with_context(|| out.display().to_string())?;
                Ok(Answer::done(
                    serde_json::json!({ "file": out.display().to_string(), "type": record_type }),
                ))
            }
            Self::Put { file, record_type } => {
                let request = RecordsRequest::Put {
                    values: read_values(file)?,
                    record_type: record_type.clone(),
                    author: author(),
                    english: tongue == Tongue::En,
                };
                ask(request, &mut deaf).await
            }
            Self::Record { action } => ask(action.request(), &mut deaf).await,
        }
    }
}

/// Hears what a replica says of long work.
pub type Hear<'a> = dyn FnMut(Json) + Send + 'a;

impl RecordAction {
    fn request(&self) -> RecordsRequest {
        match self {
            Self::Get { record_type, id, unit } => {
                RecordsRequest::Get { record_type: record_type.clone(), id: id.clone(), unit: unit.clone() }
            }
            Self::Why { record_type, id, field, unit } => RecordsRequest::Why {
                record_type: record_type.clone(),
                id: id.clone(),
                field: field.clone(),
                unit: unit.clone(),
            },
            Self::History { record_type, id, unit } => RecordsRequest::History {
                record_type: record_type.clone(),
                id: id.clone(),
                unit: unit.clone(),
            },
            Self::List { record_type, search, unit, tree, limit, after, all } => RecordsRequest::List {
                record_type: record_type.clone(),
                listing: Listing {
                    search: search.clone(),
                    unit: unit.clone(),
                    limit: *limit,
                    after: *after,
                    all: *all,
                    shared: false,
                    tree: *tree,
                },
            },
            Self::Withdraw { record_type, id, reason, unit } => RecordsRequest::Withdraw {
                record_type: record_type.clone(),
                id: id.clone(),
                unit: unit.clone(),
                reason: reason.clone(),
                author: author(),
            },
        }
    }
}

/// A day as `2026-06-30`, since 1970.
///
/// # Errors
/// What a day looks like.
pub fn day(text: &str) -> Result<i32, String> {
    let day = text.parse::<jiff::civil::Date>();
    day.map(days_of).map_err(|_| "ngày có dạng 2026-06-30 · a day looks like 2026-06-30".to_owned())
}

/// One JSON object, an array of them, or one a line; `-` is standard input.
fn read_values(file: &str) -> anyhow::Result<Vec<Json>> {
    let text = if file == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file).with_context(|| file.to_owned())?
    };
    if let Ok(Json::Array(values)) = serde_json::from_str(&text) {
        return Ok(values);
    }
    if let Ok(value) = serde_json::from_str(&text) {
        return Ok(vec![value]);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(|line| serde_json::from_str(line).unwrap_or(Json::Null)).collect())
}
