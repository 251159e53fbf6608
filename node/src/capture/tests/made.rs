//! Workbooks byte by byte, as the programs of officers wrote them. Beside the node's tests those of the whole take
//! their files from here: it needs nothing of the crate around it.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "each crate's tests take what they need")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::missing_panics_doc)]

use std::io::{Cursor, Write as _};

/// The records of an old workbook's sheet: what a program of those days wrote, cut to what matters.
#[derive(Debug, Default)]
pub struct Biff(Vec<u8>);

impl Biff {
    pub fn record(&mut self, kind: u16, data: &[u8]) {
        self.0.extend(kind.to_le_bytes());
        self.0.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        self.0.extend(data);
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn text(&mut self, row: u16, column: u16, text: &str) {
        let length = u16::try_from(text.encode_utf16().count()).unwrap();
        let head = little(&[row, column, 0, length]);
        self.record(0x0204, &[&head[..], &[1], &wide(text)].concat());
    }

    /// Format 1 is a date.
    pub fn number(&mut self, row: u16, column: u16, format: u16, number: f64) {
        self.record(0x0203, &[&little(&[row, column, format])[..], &number.to_le_bytes()].concat());
    }

    /// A text box in the middle of others' records: its text continues in as many pieces as are given.
    pub fn text_box(&mut self, pieces: &[&[u8]], letters: u16) {
        let mut about = [0; 18];
        about[10..12].copy_from_slice(&letters.to_le_bytes());
        self.record(0x01B6, &about);
        pieces.iter().for_each(|piece| self.record(0x003C, piece));
        // How it is written.
        self.record(0x003C, &[0; 16]);
    }

    /// What is printed at the head of each page, or by another kind at its foot.
    pub fn head(&mut self, kind: u16, text: &str) {
        self.record(kind, &string(text));
    }

    /// Makes one cell of those from one row and column to another.
    pub fn merge(&mut self, from: (u16, u16), to: (u16, u16)) {
        self.record(0x00E5, &little(&[1, from.0, to.0, from.1, to.1]));
    }
}

fn little(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A text with its length before it.
pub fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.encode_utf16().count()).unwrap();
    [&little(&[length])[..], &[1], &wide(text)].concat()
}

/// A workbook of before 2007 with those sheets.
pub fn xls(sheets: &[(&str, Biff)]) -> Vec<u8> {
    let mut book = Biff::default();
    book.record(0x0809, &[0, 6, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    book.record(0x0042, &[0xb0, 0x04]);
    book.record(0x00E0, &[0; 20]);
    let mut dates = [0; 20];
    dates[2] = 14;
    book.record(0x00E0, &dates);
    let (start, end) = ([0, 6, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4);
    let bounds: usize = sheets.iter().map(|(name, _)| 4 + 8 + wide(name).len()).sum();
    let mut at = book.0.len() + bounds + end;
    for (name, sheet) in sheets {
        let length = u8::try_from(name.encode_utf16().count()).unwrap();
        let place = u32::try_from(at).unwrap().to_le_bytes();
        book.record(0x0085, &[&place[..], &[0, 0, length, 1], &wide(name)].concat());
        at += 4 + start.len() + sheet.0.len() + end;
    }
    book.record(0x000A, &[]);
    for (_, sheet) in sheets {
        book.record(0x0809, &start);
        book.0.extend(&sheet.0);
        book.record(0x000A, &[]);
    }
    assert_eq!(book.0.len(), at);
    compound("/Workbook", &book.0)
}

/// A compound file of one stream.
pub fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    // Sectors of 512 bytes, as Excel of those days has them.
    let file = Cursor::new(Vec::new());
    let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, file).unwrap();
    file.create_stream(name).unwrap().write_all(stream).unwrap();
    file.into_inner().into_inner()
}

/// An archive of those members.
pub fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // No time of its own: the same bytes each time.
    let plain = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    for (name, bytes) in members {
        archive.start_file(*name, plain).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The same archive with every member marked as needing a password.
pub fn locked(archive: &[u8]) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    // Where the flags stand in the header before a member, and in the one of the directory.
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let found: Vec<usize> =
            bytes.windows(4).enumerate().filter(|(_, at)| at == mark).map(|(at, _)| at).collect();
        found.iter().for_each(|at| bytes[at + flags] |= 1);
    }
    bytes
}

/// An open document with those sheets, each the markup of its rows.
pub fn ods(sheets: &[(&str, &str)]) -> Vec<u8> {
    ods_printed(sheets, "")
}

/// The same with what is printed on each page, the markup of a head and a foot.
pub fn ods_printed(sheets: &[(&str, &str)], page: &str) -> Vec<u8> {
    let table =
        |(name, rows): &(&str, &str)| format!("<table:table table:name=\"{name}\">{rows}</table:table>");
    let tables: String = sheets.iter().map(table).collect();
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content><office:body><office:spreadsheet>{tables}\
         </office:spreadsheet></office:body></office:document-content>"
    );
    let kind = b"application/vnd.oasis.opendocument.spreadsheet";
    let styles = format!(
        "<?xml version=\"1.0\"?><office:document-styles><office:master-styles><style:master-page>{page}\
         </style:master-page></office:master-styles></office:document-styles>"
    );
    let members =
        [("mimetype", &kind[..]), ("content.xml", content.as_bytes()), ("styles.xml", styles.as_bytes())];
    zipped(if page.is_empty() { &members[..2] } else { &members })
}
