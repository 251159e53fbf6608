//! `export`: the shared dataset of a type, written where the asker may write.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::ids::{RecordId, UnitCode};
use serde_json::Value as Json;

use super::Tongue;
use super::records::{Hear, day};
use crate::control::Answer;
use crate::export::{CsvWriter, Headers, JsonlWriter, WholeFile, XlsxWriter};
use crate::records::Listing;
use crate::service::RecordsRequest;

/// Records asked for at a time.
const PAGE: usize = 500;
/// How often it is said that judging goes on.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportFormat {
    /// One JSON document a line.
    #[default]
    Jsonl,
    /// A table for spreadsheets.
    Csv,
    /// A workbook.
    Xlsx,
}

/// The shared dataset of a type.
#[derive(Debug, Clone, Default, Args)]
pub struct Export {
    /// Loại bản ghi · record type
    #[arg(long = "type")]
    pub record_type: String,
    /// Định dạng · how it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// Ghi ra tệp nào; bỏ trống thì ra đầu ra chuẩn · to which file; standard output otherwise
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Chỉ của đơn vị này · only this unit's
    #[arg(long)]
    pub unit: Option<UnitCode>,
    /// Theo các đơn vị của ngày này (chỉ ở máy tỉnh) · by the units of this day, 2026-06-30 (at the hub only)
    #[arg(long, value_name = "DATE", value_parser = day, requires = "unit")]
    pub tree: Option<i32>,
    /// Cả bản ghi còn lỗi và đã thu hồi · also records kept out by an error, and withdrawn ones
    #[arg(long)]
    pub all: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Written {
    records: u64,
    left_out: u64,
    /// Cells no workbook can hold.
    too_long: u64,
}

impl Export {
    fn page(&self, after: Option<RecordId>) -> RecordsRequest {
        let (unit, all, shared, tree) = (self.unit.clone(), self.all, !self.all, self.tree);
        let listing = Listing { search: None, unit, limit: Some(PAGE), after, all, shared, tree };
        RecordsRequest::List { record_type: self.record_type.clone(), listing }
    }

    /// Writes it, asking page after page. A file appears whole or not at all.
    ///
    /// # Errors
    /// If asking or writing fails; a reader of standard output that left is no fault.
    pub async fn run(
        &self,
        catalogue: &Catalogue,
        tongue: Tongue,
        mut ask: impl AsyncFnMut(RecordsRequest, &mut Hear<'_>) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let mut said = Instant::now();
        let ask = async |request| {
            let mut hear = |heard: Json| judging(&heard, &mut said, tongue);
            ask(request, &mut hear).await
        };
        let Some(out) = &self.out else {
            let stdout = std::io::stdout();
            anyhow::ensure!(
                self.format != ExportFormat::Xlsx || !stdout.is_terminal(),
                "tệp XLSX không hiện được trên màn hình: thêm --out TỆP.xlsx · a workbook cannot be shown on a terminal: add --out FILE.xlsx"
            );
            let written = self.write(stdout, None, catalogue, tongue, ask).await;
            return match written {
                Err(error) if !is_broken_pipe(&error) => Err(error),
                Ok(Err(refusal)) => Ok(refusal),
                Ok(Ok(written)) => {
                    written.say(tongue);
                    // Any other word would stand among the records.
                    Ok(Answer::done(Json::Null))
                }
                Err(_) => Ok(Answer::done(Json::Null)),
            };
        };
        let named = || out.display().to_string();
        let (whole, file) = WholeFile::begin(out).with_context(named)?;
        let written = self.write(file, whole.folder(), catalogue, tongue, ask).await;
        let written = match written.with_context(named)? {
            Ok(written) => written,
            Err(refusal) => return Ok(refusal),
        };
        whole.put().with_context(named)?;
        written.say(tongue);
        let mut body = written.to_json();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("file".to_owned(), named().into());
        }
        Ok(Answer::done(body))
    }

    /// Writes it to `out`, asking page after page.
    ///
    /// # Errors
    /// If asking or writing fails.
    pub async fn write_to(
        &self,
        out: impl Write + Send,
        catalogue: &Catalogue,
        ask: impl AsyncFnMut(RecordsRequest) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let written = self.write(out, None, catalogue, Tongue::Vi, ask).await?;
        Ok(written.map_or_else(|refusal| refusal, |written| Answer::done(written.to_json())))
    }

    /// Writes it; what waits to be written waits in `folder`. The refusal, if the replica refuses.
    async fn write(
        &self,
        out: impl Write + Send,
        folder: Option<&Path>,
        catalogue: &Catalogue,
        tongue: Tongue,
        mut ask: impl AsyncFnMut(RecordsRequest) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Result<Written, Answer>> {
        let mut out = Some(BufWriter::new(out));
        let (mut sheet, mut written, mut after) = (None, Written::default(), None);
        loop {
            let answer = ask(self.page(after)).await?;
            if answer.exit != 0 {
                return Ok(Err(answer));
            }
            // Only now is the type known to be one.
            if let Some(out) = out.take() {
                sheet = Some(Sheet::new((self.format, &self.record_type), out, folder, catalogue, tongue)?);
            }
            let Some(sheet) = &mut sheet else { break };
            let records = answer.body.get("items").and_then(Json::as_array);
            for record in records.into_iter().flatten() {
                sheet.write(record)?;
                written.records += 1;
            }
            written.left_out += answer.body.get("left_out").and_then(Json::as_u64).unwrap_or(0);
            match answer.body.get("next").and_then(Json::as_str) {
                Some(next) => after = Some(next.parse()?),
                None => break,
            }
        }
        if let Some(sheet) = sheet {
            written.too_long = sheet.finish()?;
        }
        Ok(Ok(written))
    }
}

impl Written {
    fn to_json(self) -> Json {
        serde_json::json!({ "records": self.records, "left_out": self.left_out })
    }

    /// Says what is not in the file, and where it is to be seen.
    fn say(self, tongue: Tongue) {
        let Self { left_out, too_long, .. } = self;
        if left_out > 0 {
            let vi = format!(
                "{left_out} bản ghi còn lỗi nên chưa vào dữ liệu dùng chung và không có trong tệp xuất: xem bằng lệnh `defects` ở máy xã, `quality --unit MÃ` ở máy tỉnh; xuất cả chúng với --all"
            );
            let en = format!(
                "{left_out} records have errors, are kept out of the shared dataset and were left out: see them with `defects` at a node, `quality --unit CODE` at the hub; --all exports them too"
            );
            eprintln!("{}", tongue.pick(&vi, &en));
        }
        if too_long > 0 {
            let vi = format!(
                "{too_long} ô dài hơn mức một ô XLSX chứa được nên để trống: xuất JSONL hoặc CSV để có đủ"
            );
            let en = format!(
                "{too_long} cells are longer than a workbook's can be and were left blank: JSONL and CSV have them"
            );
            eprintln!("{}", tongue.pick(&vi, &en));
        }
    }
}

/// Says now and then how much is still to be judged before it is known what is shared.
fn judging(heard: &Json, said: &mut Instant, tongue: Tongue) {
    if let Some(left) = heard.get("left_to_judge").and_then(Json::as_u64)
        && said.elapsed() >= SAID_EVERY
    {
        *said = Instant::now();
        let (vi, en) = (format!("đang đánh giá, còn {left} mục"), format!("judging, {left} entries left"));
        eprintln!("{}", tongue.pick(&vi, &en));
    }
}

pub(super) enum Sheet<W: Write> {
    Jsonl(JsonlWriter<W>),
    Csv(Box<CsvWriter<W>>),
    Xlsx(Box<XlsxWriter>, W),
}

impl<W: Write + Send> Sheet<W> {
    /// A file of a type's records; what waits to be written waits in `folder`.
    pub(super) fn new(
        (format, record_type): (ExportFormat, &str),
        out: W,
        folder: Option<&Path>,
        catalogue: &Catalogue,
        tongue: Tongue,
    ) -> anyhow::Result<Self> {
        if format == ExportFormat::Jsonl {
            return Ok(Self::Jsonl(JsonlWriter::new(out)));
        }
        let declared = catalogue.record_type(record_type).context("loại bản ghi · record type")?;
        if format == ExportFormat::Csv {
            // Programs read it: its titles do not depend on who asks.
            return Ok(Self::Csv(Box::new(CsvWriter::new(out, declared, Headers::LabelsVi)?)));
        }
        let headers = if tongue == Tongue::Vi { Headers::LabelsVi } else { Headers::LabelsEn };
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        Ok(Self::Xlsx(Box::new(XlsxWriter::new(declared, headers, &folder)?), out))
    }

    pub(super) fn write(&mut self, record: &Json) -> anyhow::Result<()> {
        let _: () = match self {
            Self::Jsonl(writer) => writer.write(record)?,
            Self::Csv(writer) => writer.write(record)?,
            Self::Xlsx(writer, _) => writer.write(record)?,
        };
        Ok(())
    }

    /// How many cells could not be written.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        let mut too_long = 0;
        let _: () = match self {
            Self::Jsonl(writer) => drop(writer.finish()?),
            Self::Csv(writer) => writer.finish()?,
            Self::Xlsx(writer, out) => {
                too_long = writer.too_long();
                writer.finish(out)?;
            }
        };
        Ok(too_long)
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        cause.downcast_ref::<std::io::Error>().is_some_and(kind)
    })
}
