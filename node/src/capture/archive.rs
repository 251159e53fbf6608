//! Measuring an archive by inflating it through a counter: declared sizes may lie.

use std::io::{Read, Seek};

use super::FileRefusal;

const INFLATED_MAX: u64 = 2 << 30;
const RATIO_MAX: u64 = 1_000;
/// Below this the ratio says nothing: small sheets of blanks compress very well.
const RATIO_FROM: u64 = 16 << 20;
const SHARED_STRINGS_MAX: u64 = 256 << 20;
const CELL_MAX: u64 = 64 << 10;
/// Each shared string costs memory even when it is empty.
const STRINGS_MAX: u32 = 4_000_000;
const MEMBERS_MAX: usize = 10_000;

/// Refuses an archive that is broken, unsafe or inflates beyond the limits.
pub(crate) fn measure<R: Read + Seek>(file: R, packed: u64) -> Result<(), FileRefusal> {
    let mut archive = zip::ZipArchive::new(file).map_err(corrupt)?;
    if archive.len() > MEMBERS_MAX {
        return Err(FileRefusal::TooLarge(format!("{} members", archive.len())));
    }
    let mut total = 0_u64;
    let mut workbook = false;
    let mut buffer = vec![0_u8; 64 << 10];
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(corrupt)?;
        let name = member.name().map_err(corrupt)?.into_owned();
        if member.enclosed_name().is_none() {
            return Err(FileRefusal::UnsafePath(name));
        }
        workbook |= name.eq_ignore_ascii_case("xl/workbook.xml");
        let strings = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let markup = name.to_ascii_lowercase().ends_with(".xml");
        let (mut size, mut cells) = (0_u64, CellGauge::default());
        loop {
            let read = member.read(&mut buffer).map_err(|error| FileRefusal::Corrupt(error.to_string()))?;
            if read == 0 {
                break;
            }
            size += read as u64;
            total += read as u64;
            let too_dense = total > RATIO_FROM && total / RATIO_MAX > packed;
            if total > INFLATED_MAX || too_dense || (strings && size > SHARED_STRINGS_MAX) {
                return Err(FileRefusal::TooLarge(format!("{name} inflates beyond the limit")));
            }
            if markup && buffer.iter().take(read).any(|byte| cells.exceeds(*byte)) {
                return Err(FileRefusal::TooLarge(format!(
                    "{name} has a cell beyond {CELL_MAX} bytes or too many strings"
                )));
            }
        }
    }
    if workbook { Ok(()) } else { Err(FileRefusal::Type("an archive, but not an .xlsx workbook".to_owned())) }
}

fn corrupt(error: zip::result::ZipError) -> FileRefusal {
    FileRefusal::Corrupt(error.to_string())
}

/// Watches how much text stands between the borders of cells, since a reader holds a cell in memory.
#[derive(Default)]
struct CellGauge {
    in_tag: bool,
    tag: u64,
    name: Vec<u8>,
    named: bool,
    text: u64,
    strings: u32,
}

impl CellGauge {
    fn exceeds(&mut self, byte: u8) -> bool {
        if !self.in_tag {
            if byte == b'<' {
                (self.in_tag, self.named, self.tag) = (true, false, 0);
                self.name.clear();
            } else {
                self.text += 1;
            }
            return self.text > CELL_MAX;
        }
        self.tag += 1;
        if !self.named {
            match byte {
                b':' => self.name.retain(|letter| *letter == b'/'),
                b' ' | b'>' | b'\t' | b'\r' | b'\n' => self.named = true,
                _ if self.name.len() < 32 => self.name.push(byte),
                _ => self.named = true,
            }
        }
        if byte == b'>' {
            self.in_tag = false;
            self.strings += u32::from(matches!(self.name.as_slice(), b"si" | b"si/"));
            // CDATA and comments may carry text of a cell.
            if self.name.first() == Some(&b'!') {
                self.text += self.tag;
            }
            if matches!(self.name.as_slice(), b"c" | b"/c" | b"si" | b"/si" | b"/comment" | b"/sp") {
                self.text = 0;
            }
        }
        self.tag > CELL_MAX || self.text > CELL_MAX || self.strings > STRINGS_MAX
    }
}
