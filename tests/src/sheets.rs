//! One officer's table, written as every kind of file that communes send.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot write has failed")]

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use crate::made::{self, Biff};

/// A cell as the officer filled it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Blank,
    /// Typed as text.
    Text(String),
    /// Typed as a number.
    Number(f64),
    /// A date: year, month, day. Separated text has it as day/month/year.
    Day(u16, u8, u8),
    /// A formula and what it came to; an .xlsx has both, other kinds only what it came to.
    Formula(&'static str, &'static str),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::Blank } else { Self::Text(text.to_owned()) }
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// A sheet: its rows, and the ranges that are one cell, by first and last row and column from 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
    /// From which row and column to which.
    pub merges: Vec<((u16, u16), (u16, u16))>,
}

impl Sheet {
    /// The cells that hold anything, with their row and column.
    fn cells(&self) -> impl Iterator<Item = (u16, u16, &Cell)> {
        (0..).zip(&self.rows).flat_map(|(row, cells)| (0..).zip(cells).map(move |(at, cell)| (row, at, cell)))
    }

    /// The same with every text as `read` makes it.
    #[must_use]
    pub fn lettered(&self, read: impl Fn(&str) -> String) -> Self {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => Cell::Text(read(text)),
            other => other.clone(),
        };
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        Self { rows, ..self.clone() }
    }

    /// Separated text.
    #[must_use]
    pub fn text(&self, separator: char) -> String {
        let cell = |cell: &Cell| match cell {
            Cell::Blank => String::new(),
            Cell::Text(text) if text.contains([separator, '"', '\n']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Day(year, month, day) => format!("{day:02}/{month:02}/{year}"),
            Cell::Formula(_, result) => (*result).to_owned(),
        };
        let line = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(&separator.to_string());
        self.rows.iter().map(|row| line(row) + "\r\n").collect()
    }
}

/// A workbook of today.
#[must_use]
pub fn xlsx(sheets: &[Sheet]) -> Vec<u8> {
    let (plain, date) = (Format::new(), Format::new().set_num_format("dd/mm/yyyy"));
    let mut book = Workbook::new();
    for sheet in sheets {
        let out = book.add_worksheet().set_name(sheet.name).unwrap();
        for ((row, column), (last_row, last_column)) in &sheet.merges {
            out.merge_range((*row).into(), *column, (*last_row).into(), *last_column, "", &plain).unwrap();
        }
        for (row, column, cell) in sheet.cells() {
            let row = row.into();
            match cell {
                Cell::Blank => continue,
                Cell::Text(text) => out.write(row, column, text.as_str()),
                Cell::Number(number) => out.write(row, column, *number),
                Cell::Day(year, month, day) => {
                    let day = ExcelDateTime::from_ymd(*year, *month, *day).unwrap();
                    out.write_with_format(row, column, day, &date)
                }
                Cell::Formula(formula, result) => {
                    out.write(row, column, Formula::new(*formula).set_result(*result))
                }
            }
            .unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

/// A workbook of before 2007.
#[must_use]
pub fn xls(sheets: &[Sheet]) -> Vec<u8> {
    let written = |sheet: &Sheet| {
        let mut out = Biff::default();
        for (row, column, cell) in sheet.cells() {
            match cell {
                Cell::Blank => {}
                Cell::Text(text) => out.text(row, column, text),
                Cell::Number(number) => out.number(row, column, 0, *number),
                Cell::Day(year, month, day) => {
                    let days = ExcelDateTime::from_ymd(*year, *month, *day).unwrap().to_excel();
                    out.number(row, column, 1, days);
                }
                Cell::Formula(_, result) => out.text(row, column, result),
            }
        }
        sheet.merges.iter().for_each(|(from, to)| out.merge(*from, *to));
        (sheet.name, out)
    };
    made::xls(&sheets.iter().map(written).collect::<Vec<_>>())
}

/// An open document.
#[must_use]
pub fn ods(sheets: &[Sheet]) -> Vec<u8> {
    let rows = |sheet: &Sheet| {
        let covers = |row: u16, column: u16| {
            sheet
                .merges
                .iter()
                .find(|(from, to)| (from.0..=to.0).contains(&row) && (from.1..=to.1).contains(&column))
        };
        let cell = |row: u16, column: u16, cell: &Cell| {
            let spans = match covers(row, column) {
                Some((from, to)) if *from == (row, column) => format!(
                    " table:number-rows-spanned=\"{}\" table:number-columns-spanned=\"{}\"",
                    to.0 - from.0 + 1,
                    to.1 - from.1 + 1
                ),
                Some(_) => return "<table:covered-table-cell/>".to_owned(),
                None => String::new(),
            };
            let (kind, shown) = match cell {
                Cell::Blank => return format!("<table:table-cell{spans}/>"),
                Cell::Text(text) => ("office:value-type=\"string\"".to_owned(), escaped(text)),
                Cell::Number(number) => {
                    (format!("office:value-type=\"float\" office:value=\"{number}\""), number.to_string())
                }
                Cell::Day(year, month, day) => (
                    format!("office:value-type=\"date\" office:date-value=\"{year}-{month:02}-{day:02}\""),
                    format!("{day:02}/{month:02}/{:02}", year % 100),
                ),
                Cell::Formula(_, result) => ("office:value-type=\"string\"".to_owned(), escaped(result)),
            };
            format!("<table:table-cell{spans} {kind}><text:p>{shown}</text:p></table:table-cell>")
        };
        let row = |(row, cells): (u16, &Vec<Cell>)| {
            let cells: String = (0..).zip(cells).map(|(column, found)| cell(row, column, found)).collect();
            format!("<table:table-row>{cells}</table:table-row>")
        };
        (0..).zip(&sheet.rows).map(row).collect::<String>()
    };
    let written: Vec<(&str, String)> = sheets.iter().map(|sheet| (sheet.name, rows(sheet))).collect();
    made::ods(&written.iter().map(|(name, rows)| (*name, rows.as_str())).collect::<Vec<_>>())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// How letters were typed before Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// TCVN 5712 VN3, the fonts `.VnTime` and theirs: one byte a letter, no capitals with tones.
    Tcvn3,
    /// VNI-Windows: marks behind their letter.
    Vni,
    /// Windows-1258: tones behind their letter.
    Windows1258,
}

/// The vowels without a tone, then with each of grave, hook, tilde, acute, dot below.
const VOWELS: [(char, &str); 12] = [
    ('a', "àảãáạ"),
    ('ă', "ằẳẵắặ"),
    ('â', "ầẩẫấậ"),
    ('e', "èẻẽéẹ"),
    ('ê', "ềểễếệ"),
    ('i', "ìỉĩíị"),
    ('o', "òỏõóọ"),
    ('ô', "ồổỗốộ"),
    ('ơ', "ờởỡớợ"),
    ('u', "ùủũúụ"),
    ('ư', "ừửữứự"),
    ('y', "ỳỷỹýỵ"),
];

/// The bytes of those vowels in VN3.
const TCVN3: [[u8; 5]; 12] = [
    [0xB5, 0xB6, 0xB7, 0xB8, 0xB9],
    [0xBB, 0xBC, 0xBD, 0xBE, 0xC6],
    [0xC7, 0xC8, 0xC9, 0xCA, 0xCB],
    [0xCC, 0xCE, 0xCF, 0xD0, 0xD1],
    [0xD2, 0xD3, 0xD4, 0xD5, 0xD6],
    [0xD7, 0xD8, 0xDC, 0xDD, 0xDE],
    [0xDF, 0xE1, 0xE2, 0xE3, 0xE4],
    [0xE5, 0xE6, 0xE7, 0xE8, 0xE9],
    [0xEA, 0xEB, 0xEC, 0xED, 0xEE],
    [0xEF, 0xF1, 0xF2, 0xF3, 0xF4],
    [0xF5, 0xF6, 0xF7, 0xF8, 0xF9],
    [0xFA, 0xFB, 0xFC, 0xFD, 0xFE],
];

/// Letters of VN3 without a tone.
const TCVN3_PLAIN: [(char, u8); 8] =
    [('ă', 0xA8), ('â', 0xA9), ('ê', 0xAA), ('ô', 0xAB), ('ơ', 0xAC), ('ư', 0xAD), ('đ', 0xAE), ('Đ', 0xA7)];

/// Letters of VNI without a tone.
const VNI_PLAIN: [(char, &str); 8] =
    [('ă', "aê"), ('â', "aâ"), ('ê', "eâ"), ('ô', "oâ"), ('ơ', "ô"), ('ư', "ö"), ('đ', "ñ"), ('Đ', "Ñ")];

impl Letters {
    /// The text as the characters Windows-1252 has for its bytes: as a cell of a workbook holds it.
    #[must_use]
    pub fn typed(self, text: &str) -> String {
        if self == Self::Windows1258 {
            return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&self.bytes(text)).0.into_owned();
        }
        text.chars().map(|letter| self.letter(letter)).collect()
    }

    /// The bytes of the text in a file.
    #[must_use]
    pub fn bytes(self, text: &str) -> Vec<u8> {
        let (encoding, typed) = match self {
            Self::Windows1258 => {
                (encoding_rs::WINDOWS_1258, text.chars().map(|letter| self.letter(letter)).collect())
            }
            Self::Tcvn3 | Self::Vni => (encoding_rs::WINDOWS_1252, self.typed(text)),
        };
        let (bytes, _, lost) = encoding.encode(&typed);
        assert!(!lost, "{text:?} has letters that {self:?} has not");
        bytes.into_owned()
    }

    fn letter(self, letter: char) -> String {
        let toned = VOWELS.iter().enumerate().find_map(|(row, (base, tones))| {
            tones.chars().position(|toned| toned == letter).map(|tone| (row, *base, tone))
        });
        match (self, toned) {
            (Self::Windows1258, Some((_, base, tone))) => {
                let tones = ['\u{300}', '\u{309}', '\u{303}', '\u{301}', '\u{323}'];
                tones.get(tone).map(|tone| format!("{base}{tone}")).unwrap_or_default()
            }
            (Self::Tcvn3, Some((row, _, tone))) => {
                let byte = TCVN3.get(row).and_then(|row| row.get(tone)).copied().unwrap_or_default();
                char::from(byte).to_string()
            }
            (Self::Vni, Some((_, base, tone))) => vni(base, tone),
            (Self::Tcvn3, None) => {
                let plain = TCVN3_PLAIN.iter().find(|(plain, _)| *plain == letter);
                plain.map_or(letter, |(_, byte)| char::from(*byte)).to_string()
            }
            (Self::Vni, None) => {
                let plain = VNI_PLAIN.iter().find(|(plain, _)| *plain == letter);
                plain.map_or_else(|| letter.to_string(), |(_, typed)| (*typed).to_owned())
            }
            (Self::Windows1258, None) => letter.to_string(),
        }
    }
}

fn vni(base: char, tone: usize) -> String {
    let (letter, marks) = match base {
        'i' => (String::new(), "ìæóíò"),
        // The dot below has no room beside a y.
        'y' if tone == 4 => (String::new(), "    î"),
        'ă' => ("a".to_owned(), "èúüéë"),
        'â' => ("a".to_owned(), "àåãáä"),
        'ê' => ("e".to_owned(), "àåãáä"),
        'ô' => ("o".to_owned(), "àåãáä"),
        'ơ' => ("ô".to_owned(), "øûõùï"),
        'ư' => ("ö".to_owned(), "øûõùï"),
        plain => (plain.to_string(), "øûõùï"),
    };
    letter + &marks.chars().nth(tone).map(String::from).unwrap_or_default()
}
