//! The thread that reads: a file's sheets and rows, or its lines, in their order.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use lienthong_proto::catalogue::RecordType;

use super::header::Header;
use super::jsonl::{self, Line};
use super::parcel::Parcel;
use super::scout::Scouted;
use super::shape::Shaping;
use super::source::{Book, Row, RowSink};
use super::table::Columns;
use super::{FileRefusal, Finding, Format, Source};

/// Lines handed over at once, each of at most 64 KiB.
const LINES: usize = 32;

/// What is read, on its way to be judged.
pub(super) enum Fed {
    /// The rows of this sheet follow.
    Sheet {
        header: Box<Header>,
        /// Its name, where more than one is read.
        sheet: Option<Arc<str>>,
    },
    Rows(Parcel),
    /// Lines by their numbers.
    Lines(Vec<(u64, Line)>),
}

/// What the layout of a file that was read to its end had to say.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) warnings: Vec<Finding>,
    /// A column was left out.
    pub(super) omitted: bool,
}

/// Reads for whoever receives; ends once nobody does.
pub(super) struct Reading<'a> {
    pub(super) record_type: &'a RecordType,
    pub(super) sender: SyncSender<Fed>,
}

impl Reading<'_> {
    pub(super) fn file(&self, source: &Source) -> Result<Laid, FileRefusal> {
        if source.format == Format::Jsonl {
            return self.lines(source);
        }
        let mut book = Book::open(source)?;
        let layout = Scouted::of(source, &mut book)?.layout(self.record_type)?;
        let omitted = layout.sheets.iter().any(|header| !header.omitted.is_empty());
        let several = layout.sheets.len() > 1;
        for header in layout.sheets {
            let name = header.sheet.clone();
            let columns = Columns::of(&header, self.record_type);
            let mut packer = Packer { reading: self, columns, parcel: Parcel::default() };
            let mut shaping = Shaping::new(&header, &mut packer);
            let sheet = several.then(|| Arc::from(name.as_str()));
            let fed = Fed::Sheet { header: Box::new(header), sheet };
            if self.send(fed).is_break() {
                break;
            }
            book.rows(&name, &mut shaping)?;
            if shaping.hand_over().is_break() || packer.hand_over().is_break() {
                break;
            }
        }
        Ok(Laid { warnings: layout.warnings, omitted })
    }

    fn lines(&self, source: &Source) -> Result<Laid, FileRefusal> {
        let mut lines = Vec::with_capacity(LINES);
        jsonl::lines(BufReader::new(File::open(&source.path)?), &mut |number, line| {
            lines.push((number, line));
            if lines.len() < LINES {
                return ControlFlow::Continue(());
            }
            self.send(Fed::Lines(std::mem::replace(&mut lines, Vec::with_capacity(LINES))))
        })?;
        let _ = self.send(Fed::Lines(lines));
        Ok(Laid::default())
    }

    /// `Break` once nobody receives any more.
    fn send(&self, fed: Fed) -> ControlFlow<()> {
        if self.sender.send(fed).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Packs a sheet's rows.
struct Packer<'a> {
    reading: &'a Reading<'a>,
    columns: Columns,
    parcel: Parcel,
}

impl Packer<'_> {
    fn hand_over(&mut self) -> ControlFlow<()> {
        if self.parcel.is_empty() {
            return ControlFlow::Continue(());
        }
        self.reading.send(Fed::Rows(std::mem::take(&mut self.parcel)))
    }
}

impl RowSink for Packer<'_> {
    fn wants(&self, column: u32) -> bool {
        self.columns.wants(column)
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.parcel.push(row);
        if self.parcel.is_full() { self.hand_over() } else { ControlFlow::Continue(()) }
    }
}
