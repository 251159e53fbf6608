//! Fictional members, and sheets of them as a commune would send them: with a title above, a total below
//! and the mistakes people make.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_proto::ids::UnitCode;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rust_xlsxwriter::{Format, Workbook, XlsxError};

const FAMILY: [&str; 14] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Ngô", "Dương", "Đoàn", "Lương",
    "Đào",
];
const MIDDLE_MALE: [&str; 7] = ["Văn", "Hữu", "Đức", "Quang", "Công", "Minh", "Xuân"];
const MIDDLE_FEMALE: [&str; 5] = ["Thị", "Thị Thu", "Thị Ngọc", "Kim", "Thanh"];
const GIVEN_MALE: [&str; 12] =
    ["Dũng", "Hùng", "Sơn", "Tuấn", "Hải", "Thắng", "Long", "Phúc", "Quân", "Toàn", "Vinh", "Khánh"];
const GIVEN_FEMALE: [&str; 12] =
    ["Hòa", "Lan", "Hương", "Thúy", "Yến", "Hạnh", "Oanh", "Nhung", "Phượng", "Loan", "Tuyết", "Mai"];
const CELLS: [&str; 6] = [
    "Chi bộ thôn Đông",
    "Chi bộ thôn Đoài",
    "Chi bộ Trường Tiểu học",
    "Chi bộ Trạm Y tế",
    "Chi bộ Quân sự",
    "Chi bộ khu 2",
];

/// The header, as communes write it: not the catalogue's words to the letter.
const HEADER: [&str; 11] = [
    "STT",
    "HỌ VÀ TÊN",
    "Ngày sinh",
    "GT",
    "Số CCCD",
    "Ngày vào Đảng",
    "Chi bộ sinh hoạt",
    "Mã xã",
    "Tình trạng",
    "Diện quản lý",
    "Ghi chú",
];

/// One row as it will stand in the sheet.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    born: (i16, i8, i8),
    male: bool,
    number: String,
    joined: (i16, i8, i8),
    cell: &'static str,
    unit: UnitCode,
    /// Written instead of a column's true text.
    spoiled: Option<(usize, String)>,
}

/// What a commune's sheet holds, and what must become of it.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    /// Whose.
    pub(super) unit: UnitCode,
    rows: Vec<Row>,
    /// Rejected rows by reason class.
    pub(super) planted: BTreeMap<String, u64>,
    /// Exact copies of other rows.
    pub(super) copies: u64,
}

/// The two communes that claim one person, and how each spells the name.
#[derive(Debug, Clone)]
pub(super) struct Contested {
    /// The person's number.
    pub(super) number: String,
    /// The names stated.
    pub(super) names: [String; 2],
}

impl Row {
    fn person(random: &mut StdRng, unit: &UnitCode, serial: usize) -> Self {
        let male = random.random_bool(0.6);
        let mut pick = |list: &[&'static str]| {
            let place = random.random_range(0..list.len());
            list.get(place).copied().unwrap_or_default()
        };
        let family = pick(&FAMILY);
        let (middle, given) = if male {
            (pick(&MIDDLE_MALE), pick(&GIVEN_MALE))
        } else {
            (pick(&MIDDLE_FEMALE), pick(&GIVEN_FEMALE))
        };
        let cell = pick(&CELLS);
        let year = random.random_range(1950..=2000);
        let century = if year < 2000 { 0 } else { 2 };
        let number = format!("033{}{:02}{serial:06}", century + i16::from(!male), year % 100);
        let mut day = |year| (year, random.random_range(1..=12), random.random_range(1..=28));
        let (born, joined) = (day(year), day(year + 24));
        let name = format!("{family} {middle} {given}");
        Self { name, born, male, number, joined, cell, unit: unit.clone(), spoiled: None }
    }

    /// The fields this row must lead to at the province.
    pub(super) fn expected(&self) -> BTreeMap<&'static str, String> {
        let date = |(year, month, day): (i16, i8, i8)| format!("{year:04}-{month:02}-{day:02}");
        BTreeMap::from([
            ("ho_ten", self.name.clone()),
            ("ngay_sinh", date(self.born)),
            ("gioi_tinh", if self.male { "NAM" } else { "NU" }.to_owned()),
            ("so_cccd", self.number.clone()),
            ("ngay_vao_dang", date(self.joined)),
            ("chi_bo", self.cell.to_owned()),
            ("ma_xa", self.unit.to_string()),
            ("tinh_trang", "CHINH_THUC".to_owned()),
            ("dien_quan_ly", "CHIBO".to_owned()),
        ])
    }

    /// Spoils a row the way `class` is caught.
    fn spoil(&mut self, class: &str, foreign: &UnitCode) {
        let mut other_sex = self.number.clone();
        let sex = if other_sex.as_bytes().get(3).is_some_and(|digit| *digit % 2 == 0) { "1" } else { "0" };
        other_sex.replace_range(3..4, sex);
        self.spoiled = Some(match class {
            "NAME_INVALID" => (1, "Lê".to_owned()),
            "DATE_INVALID" => (2, "31/02/1980".to_owned()),
            "REQ_MISSING" => (3, String::new()),
            "CCCD_IS_CMND" => (4, "145123456".to_owned()),
            "CCCD_CENTURY_SEX" => (4, other_sex),
            "DATE_FUTURE" => (5, "03/02/2035".to_owned()),
            "UNIT_FOREIGN" => (7, foreign.to_string()),
            _ => (8, "Chưa rõ".to_owned()),
        });
    }

    fn cells(&self, place: usize) -> Vec<String> {
        let date = |(year, month, day): (i16, i8, i8)| match place % 3 {
            0 => format!("{day:02}/{month:02}/{year}"),
            1 => format!("{day}-{month}-{year}"),
            _ => format!("ngày {day} tháng {month} năm {year}"),
        };
        // Half the sheets shout.
        let name = if place.is_multiple_of(2) { self.name.to_uppercase() } else { self.name.clone() };
        let mut cells = vec![
            (place + 1).to_string(),
            name,
            date(self.born),
            if self.male { "Nam" } else { "Nữ" }.to_owned(),
            self.number.clone(),
            date(self.joined),
            self.cell.to_owned(),
            self.unit.to_string(),
            "Đảng viên chính thức".to_owned(),
            "CHIBO".to_owned(),
            String::new(),
        ];
        if let Some((column, text)) = &self.spoiled
            && let Some(cell) = cells.get_mut(*column)
        {
            cell.clone_from(text);
        }
        cells
    }
}

/// Ways a row is spoiled, in turn.
const CLASSES: [&str; 8] = [
    "NAME_INVALID",
    "DATE_INVALID",
    "REQ_MISSING",
    "CCCD_IS_CMND",
    "CCCD_CENTURY_SEX",
    "DATE_FUTURE",
    "UNIT_FOREIGN",
    "ENUM_UNKNOWN",
];

/// Sheets of `rows` good rows for each unit, with mistakes and copies among them, and one person who
/// stands in the first two.
pub(super) fn sheets(units: &[UnitCode], rows: usize, seed: u64) -> (Vec<Sheet>, Option<Contested>) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut serial = 0;
    let mut sheets = Vec::new();
    for (place, unit) in units.iter().enumerate() {
        let foreign = units.get((place + 1) % units.len()).unwrap_or(unit);
        let foreign =
            if foreign == unit { "12826".parse().unwrap_or_else(|_| unit.clone()) } else { foreign.clone() };
        let mut sheet = Sheet { unit: unit.clone(), rows: Vec::new(), planted: BTreeMap::new(), copies: 0 };
        for row in 0..rows {
            serial += 1;
            sheet.rows.push(Row::person(&mut random, unit, serial));
            // The communes differ in care: the later ones spoil more rows.
            if row % (60 - place.min(50)) == 7 {
                let class = CLASSES.get(sheet.planted.values().sum::<u64>() as usize % CLASSES.len());
                let class = class.copied().unwrap_or("NAME_INVALID");
                serial += 1;
                let mut spoiled = Row::person(&mut random, unit, serial);
                spoiled.spoil(class, &foreign);
                *sheet.planted.entry(class.to_owned()).or_default() += 1;
                sheet.rows.push(spoiled);
            }
            if row % 199 == 100 {
                let copy = sheet.rows.last().cloned();
                sheet.copies += u64::from(copy.as_ref().is_some_and(|row| row.spoiled.is_none()));
                sheet.rows.extend(copy.filter(|row| row.spoiled.is_none()));
            }
        }
        sheets.push(sheet);
    }
    let contested = contest(&mut sheets);
    (sheets, contested)
}

/// One person in the first two sheets, by two spellings.
fn contest(sheets: &mut [Sheet]) -> Option<Contested> {
    let [first, second, ..] = sheets else { return None };
    let mut row = first.rows.first_mut()?.clone();
    row.name = "Nguyễn Văn An".to_owned();
    row.male = true;
    row.born = (1975, 3, 12);
    row.joined = (2000, 2, 3);
    row.number = "033075999999".to_owned();
    *first.rows.first_mut()? = row.clone();
    let twin = Row { name: "Nguyễn Văn Ân".to_owned(), unit: second.unit.clone(), ..row.clone() };
    *second.rows.first_mut()? = twin.clone();
    Some(Contested { number: row.number, names: [row.name, twin.name] })
}

impl Sheet {
    /// Rows a reader will judge.
    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Rows that must reach the province, each once.
    pub(super) fn good(&self) -> impl Iterator<Item = &Row> {
        let mut seen = std::collections::HashSet::new();
        self.rows.iter().filter(move |row| row.spoiled.is_none() && seen.insert(row.number.clone()))
    }

    /// Someone meddles with the sheet on its way.
    pub(super) fn tampered(&self, how: Break) -> Self {
        let mut sheet = self.clone();
        let Some(place) =
            sheet.rows.iter().position(|row| row.spoiled.is_none() && row.number.ends_with('3'))
        else {
            return sheet;
        };
        match how {
            Break::Drop => {
                let number = sheet.rows.get(place).map(|row| row.number.clone());
                sheet.rows.retain(|row| Some(&row.number) != number.as_ref());
            }
            Break::Alter => {
                if let Some(row) = sheet.rows.get_mut(place) {
                    row.name = "Hoàng Văn Khác".to_owned();
                }
            }
            Break::Duplicate => {
                let twin = sheet.rows.get(place).cloned().map(|mut row| {
                    row.number.replace_range(6..7, "8");
                    row
                });
                sheet.rows.extend(twin);
            }
        }
        sheet
    }

    /// Writes it as a workbook.
    pub(super) fn write(&self, path: &Path, title: &str) -> Result<(), XlsxError> {
        let mut workbook = Workbook::new();
        let bold = Format::new().set_bold();
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name("Danh sách")?;
        sheet.write_string_with_format(0, 0, title.to_uppercase(), &bold)?;
        sheet.write_string_with_format(2, 1, "DANH SÁCH ĐẢNG VIÊN", &bold)?;
        sheet.write_string(3, 1, "(số liệu hư cấu, chỉ để trình diễn)")?;
        for (column, header) in (0u16..).zip(HEADER) {
            sheet.write_string_with_format(5, column, header, &bold)?;
        }
        let mut line = 6;
        for (place, row) in self.rows.iter().enumerate() {
            for (column, text) in (0u16..).zip(row.cells(place)) {
                sheet.write_string(line, column, text)?;
            }
            line += 1;
        }
        sheet.write_string(line, 1, "Tổng cộng")?;
        sheet.write_string(line, 2, self.rows.len().to_string())?;
        sheet.write_string(line + 2, 5, "NGƯỜI LẬP BIỂU")?;
        workbook.save(path)
    }
}

/// How a sheet is meddled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Break {
    /// A row is left out.
    Drop,
    /// A name is changed.
    Alter,
    /// A row is there twice, under another number.
    Duplicate,
}
