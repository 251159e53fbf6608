//! The commands on records, alike at node and hub.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::{RecordId, UnitCode};
use serde_json::Value as Json;

use super::import::Import;
use super::{Tongue, author};
use crate::capture::template;
use crate::control::Answer;
use crate::export::{CsvWriter, Headers, JsonlWriter};
use crate::records::Listing;
use crate::service::{RecordsRequest, known_type};

/// What can be done with records.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Nhập tệp XLSX, XLS, ODS, CSV, JSONL · import a file
    Import(Import),
    /// Tạo tệp mẫu XLSX · make a workbook to fill in
    Template {
        /// Record type
        #[arg(long = "type")]
        record_type: String,
        /// The workbook
        #[arg(long)]
        out: PathBuf,
    },
    /// Ghi một hoặc nhiều bản ghi JSON · write one or more JSON records
    Put {
        /// Record type
        #[arg(long = "type")]
        record_type: String,
        /// File, or - for standard input
        file: String,
    },
    /// Bản ghi · records
    Record {
        /// What
        #[command(subcommand)]
        action: RecordAction,
    },
    /// Xuất tất cả bản ghi của một loại · export a type
    Export(Export),
}

/// What of records.
#[derive(Debug, Subcommand)]
pub enum RecordAction {
    /// One, by id or natural key
    Get {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
        /// The unit whose numbers are meant, where keys are a unit's own
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// A page of them
    List {
        /// Record type
        record_type: String,
        /// Words, marks and case aside
        #[arg(long)]
        search: Option<String>,
        /// Only this unit's
        #[arg(long)]
        unit: Option<UnitCode>,
        /// How many
        #[arg(long)]
        limit: Option<usize>,
        /// After this id
        #[arg(long)]
        after: Option<RecordId>,
        /// Withdrawn ones too
        #[arg(long)]
        all: bool,
    },
    /// Thu hồi: rút khỏi dữ liệu dùng chung, giữ lịch sử · take out of the shared dataset, history kept
    Withdraw {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
        /// Why: one line
        #[arg(long)]
        reason: String,
        /// The unit whose numbers are meant
        #[arg(long)]
        unit: Option<UnitCode>,
    },
    /// Every write written here
    History {
        /// Record type
        record_type: String,
        /// Id or natural key
        id: String,
        /// The unit whose numbers are meant
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
            Self::Export(export) => {
                export.run(catalogue, async |request| ask(request, &mut |_| {}).await).await
            }
            Self::Template { record_type, out } => {
                let declared = match known_type(catalogue, record_type) {
                    Ok(declared) => declared,
                    Err(refusal) => return Ok(refusal),
                };
                whole_file(out, |part| Ok(template::write(part, declared, catalogue)?))?;
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

/// Makes a file through `write`; it appears whole or not at all.
pub(super) fn whole_file(out: &Path, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let part = part_of(out);
    let written = write(&part).and_then(|()| Ok(std::fs::rename(&part, out)?));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(|| out.display().to_string())
}

impl RecordAction {
    fn request(&self) -> RecordsRequest {
        match self {
            Self::Get { record_type, id, unit } => {
                RecordsRequest::Get { record_type: record_type.clone(), id: id.clone(), unit: unit.clone() }
            }
            Self::History { record_type, id, unit } => RecordsRequest::History {
                record_type: record_type.clone(),
                id: id.clone(),
                unit: unit.clone(),
            },
            Self::List { record_type, search, unit, limit, after, all } => RecordsRequest::List {
                record_type: record_type.clone(),
                listing: Listing {
                    search: search.clone(),
                    unit: unit.clone(),
                    limit: *limit,
                    after: *after,
                    all: *all,
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

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON document a line.
    Jsonl,
    /// A table for spreadsheets.
    Csv,
}

/// All records of a type, written where the asker may write.
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// Record type
    #[arg(long = "type")]
    pub record_type: String,
    /// How it is written
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub format: ExportFormat,
    /// To which file; standard output otherwise
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Only this unit's
    #[arg(long)]
    pub unit: Option<UnitCode>,
}

/// Records asked for at a time.
const PAGE: usize = 500;

impl Export {
    fn page(&self, after: Option<RecordId>) -> RecordsRequest {
        let listing = Listing { unit: self.unit.clone(), limit: Some(PAGE), after, ..Listing::default() };
        RecordsRequest::List { record_type: self.record_type.clone(), listing }
    }

    /// Writes it, asking page after page. A file appears whole or not at all.
    ///
    /// # Errors
    /// If asking or writing fails; a reader of standard output that left is no fault.
    pub async fn run(
        &self,
        catalogue: &Catalogue,
        ask: impl AsyncFnMut(RecordsRequest) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let Some(out) = &self.out else {
            let written = self.write_to(std::io::stdout(), catalogue, ask).await;
            return match written {
                Err(error) if !is_broken_pipe(&error) => Err(error),
                Ok(refusal) if refusal.exit != 0 => Ok(refusal),
                // What could be said of it would stand among the records.
                _ => Ok(Answer::done(Json::Null)),
            };
        };
        let part = part_of(out);
        let file = std::fs::File::create(&part).with_context(|| part.display().to_string())?;
        let mut answer = self.write_to(file, catalogue, ask).await;
        if let Ok(Answer { body, exit: 0 }) = &mut answer {
            std::fs::rename(&part, out).with_context(|| out.display().to_string())?;
            if let Some(fields) = body.as_object_mut() {
                fields.insert("file".to_owned(), out.display().to_string().into());
            }
        } else {
            std::fs::remove_file(&part)?;
        }
        answer
    }

    /// Writes it to `out`, asking page after page.
    ///
    /// # Errors
    /// If asking or writing fails.
    pub async fn write_to(
        &self,
        out: impl Write,
        catalogue: &Catalogue,
        mut ask: impl AsyncFnMut(RecordsRequest) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let mut out = Some(std::io::BufWriter::new(out));
        let mut sheet = None;
        let mut count = 0u64;
        let mut after = None;
        loop {
            let answer = ask(self.page(after)).await?;
            if answer.exit != 0 {
                return Ok(answer);
            }
            // Only now is the type known to be one.
            if let Some(out) = out.take() {
                sheet = Some(Sheet::new(self.format, out, catalogue, &self.record_type)?);
            }
            let Some(sheet) = &mut sheet else { break };
            let records = answer.body.get("items").and_then(Json::as_array);
            for record in records.into_iter().flatten() {
                sheet.write(record)?;
                count += 1;
            }
            match answer.body.get("next").and_then(Json::as_str) {
                Some(next) => after = Some(next.parse()?),
                None => break,
            }
        }
        if let Some(sheet) = sheet {
            sheet.finish()?;
        }
        Ok(Answer::done(serde_json::json!({ "records": count })))
    }
}

enum Sheet<W: Write> {
    Jsonl(JsonlWriter<W>),
    Csv(Box<CsvWriter<W>>),
}

impl<W: Write> Sheet<W> {
    fn new(format: ExportFormat, out: W, catalogue: &Catalogue, record_type: &str) -> anyhow::Result<Self> {
        Ok(match format {
            ExportFormat::Jsonl => Self::Jsonl(JsonlWriter::new(out)),
            ExportFormat::Csv => {
                let declared = catalogue.record_type(record_type).context("loại bản ghi · record type")?;
                Self::Csv(Box::new(CsvWriter::new(out, declared, Headers::LabelsVi)?))
            }
        })
    }

    fn write(&mut self, record: &Json) -> anyhow::Result<()> {
        let _: () = match self {
            Self::Jsonl(writer) => writer.write(record)?,
            Self::Csv(writer) => writer.write(record)?,
        };
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        let _: () = match self {
            Self::Jsonl(writer) => drop(writer.finish()?),
            Self::Csv(writer) => writer.finish()?,
        };
        Ok(())
    }
}

fn part_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    name.into()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        cause.downcast_ref::<std::io::Error>().is_some_and(kind)
    })
}
