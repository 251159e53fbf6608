//! What is measured with: records of one made-up type, from files or from a seed, and the units they are of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use lienthong_proto::catalogue::{Catalogue, UnitKind};
use lienthong_proto::ids::UnitCode;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value as Json, json};

/// The name of the record type.
pub const TYPE: &str = "rec";

/// The record type of the corpus, as a catalogue file: every value of a record is a field.
const TYPE_FILE: &str = r#"name = "rec"
label = { vi = "Bản ghi đo tải", en = "Load record" }
key = { fields = ["id"], scope = "province" }

[[field]]
name = "id"
label = { vi = "Mã", en = "Id" }
type = "text"
required = true
class = "C1"
"#;

/// The other fields with their types.
const FIELDS: [(&str, &str); 14] = [
    ("site", "text"),
    ("seq", "integer"),
    ("loai", "text"),
    ("ho_ten", "text"),
    ("xa", "text"),
    ("ngay_sinh", "date"),
    ("so_the", "text"),
    ("chi_bo", "text"),
    ("trang_thai", "text"),
    ("cap_nhat", "text"),
    ("noi_dung", "long_text"),
    ("ket_luan", "long_text"),
    ("v", "integer"),
    ("ghi_chu", "text"),
];

/// Units of the country's list, each with what a unit of a province has: more than any province has.
const COUNTRY: &str = "units/viet_nam.csv";
/// The units of the province.
const PROVINCE: &str = "units/hung_yen.csv";

/// The catalogue files that the corpus adds to those of the program, or has in their place: its type and, where the
/// province has fewer than `units` communes, those of the country as if they were one province's.
///
/// # Errors
/// If the country has fewer.
pub fn files(units: usize) -> anyhow::Result<BTreeMap<String, String>> {
    let mut text = TYPE_FILE.to_owned();
    for (name, kind) in FIELDS {
        text.push_str(&format!(
            "\n[[field]]\nname = \"{name}\"\nlabel = {{ vi = \"{name}\", en = \"{name}\" }}\ntype = \"{kind}\"\nclass = \"C1\"\n"
        ));
    }
    let mut files = BTreeMap::from([("records/rec.toml".to_owned(), text)]);
    if units > communes(Catalogue::embedded()?).len() {
        let embedded = Catalogue::embedded_files();
        let country = embedded.get(COUNTRY).context("no list of the country")?;
        let province = embedded.get(PROVINCE).context("no list of the province")?;
        let own = province.lines().take(2);
        let others = country.lines().skip(1).filter_map(|line| {
            let mut cells = line.split(',');
            let (code, name, kind) = (cells.next()?, cells.next()?, cells.next()?);
            let kind = if kind == "phường" { kind } else { "xã" };
            Some(format!("{code},{kind},{name},,"))
        });
        let lines: Vec<String> = own.map(str::to_owned).chain(others).collect();
        ensure!(lines.len() >= units + 2, "there are {} communes", lines.len().saturating_sub(2));
        files.insert(PROVINCE.to_owned(), lines.join("\n") + "\n");
    }
    Ok(files)
}

/// The program's catalogue with those files.
///
/// # Errors
/// As [`files`].
pub fn catalogue(units: usize) -> anyhow::Result<Arc<Catalogue>> {
    Ok(Arc::new(Catalogue::with_overrides(files(units)?)?))
}

/// The communes and wards of a catalogue, in the order of their codes.
#[must_use]
pub fn communes(catalogue: &Catalogue) -> Vec<UnitCode> {
    let commune = |kind: UnitKind| matches!(kind, UnitKind::Commune | UnitKind::Ward);
    catalogue.units().iter().filter(|unit| commune(unit.kind)).map(|unit| unit.code.clone()).collect()
}

/// Writes those files into a catalogue folder.
///
/// # Errors
/// If they cannot be written.
pub fn write_catalogue(folder: &Path, units: usize) -> anyhow::Result<()> {
    for (name, text) in files(units)? {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// How many of all records are one site's.
#[must_use]
pub fn share(records: usize, sites: usize, site: usize) -> usize {
    records / sites + usize::from(site < records % sites)
}

/// Writes what would be made of a seed as the files of a corpus.
///
/// # Errors
/// If they cannot be written.
pub fn write(folder: &Path, sites: usize, total: usize, seed: u64) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for site in 0..sites {
        let lines: Vec<String> = records(None, site, share(total, sites, site), seed)?
            .iter()
            .map(|record| format!("{record}\n"))
            .collect();
        std::fs::write(folder.join(format!("site-{site}.ndjson")), lines.concat())?;
    }
    Ok(())
}

/// The records of one site: its file of a corpus, or made from the seed.
///
/// # Errors
/// If the file cannot be read.
pub fn records(corpus: Option<&Path>, site: usize, count: usize, seed: u64) -> anyhow::Result<Vec<Json>> {
    let Some(folder) = corpus else {
        return Ok(Made::of(site, seed).take(count).collect());
    };
    let path = folder.join(format!("site-{site}.ndjson"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines().take(count).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The records of one site as they are made from a seed, one after the other and without an end.
#[derive(Debug)]
pub struct Made {
    random: StdRng,
    site: usize,
    number: usize,
}

impl Made {
    /// Those of a site.
    #[must_use]
    pub fn of(site: usize, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(site as u64));
        Self { random, site, number: 0 }
    }
}

impl Iterator for Made {
    type Item = Json;

    fn next(&mut self) -> Option<Json> {
        let made = record(&mut self.random, self.site, self.number);
        self.number += 1;
        Some(made)
    }
}

const WORDS: [&str; 40] = [
    "chi bộ",
    "đảng viên",
    "kiểm tra",
    "giám sát",
    "kết luận",
    "kiến nghị",
    "nghị quyết",
    "quy chế",
    "nội dung",
    "tài chính",
    "đất đai",
    "xây dựng",
    "nông thôn",
    "trách nhiệm",
    "người",
    "đứng đầu",
    "thực hiện",
    "hạn chế",
    "thời hạn",
    "khắc phục",
    "hồ sơ",
    "biên bản",
    "cuộc họp",
    "thẩm tra",
    "xác minh",
    "dân chủ",
    "đoàn kết",
    "báo cáo",
    "xử lý",
    "vi phạm",
    "quản lý",
    "làm việc",
    "thống nhất",
    "chấp hành",
    "kỷ luật",
    "tài liệu",
    "khuyết điểm",
    "ủy ban",
    "mới",
    "và",
];

fn record(random: &mut StdRng, site: usize, number: usize) -> Json {
    let mut text = |from: usize, to: usize| {
        let length = random.random_range(from..to);
        let words: Vec<&str> =
            (0..length).filter_map(|_| WORDS.get(random.random_range(0..WORDS.len())).copied()).collect();
        words.join(" ")
    };
    let (content, conclusion, name) = (text(30, 60), text(20, 40), text(2, 4));
    json!({
        "id": format!("{:032x}", random.random::<u128>()),
        "site": format!("xa-{site:03}"),
        "seq": number,
        "loai": "giám sát chuyên đề",
        "ho_ten": name,
        "xa": "Xã Tân Hưng",
        "ngay_sinh": format!("{}-{:02}-{:02}", random.random_range(1950..2003), random.random_range(1..=12), random.random_range(1..=28)),
        "so_the": format!("{:012}", random.random_range(0..1_000_000_000_000u64)),
        "chi_bo": format!("Chi bộ thôn {}", random.random_range(1..=12)),
        "trang_thai": "đang xử lý",
        "cap_nhat": format!("2026-{:02}-{:02}T08:00:00.000+07:00", random.random_range(1..=11), random.random_range(1..=28)),
        "noi_dung": content,
        "ket_luan": conclusion,
    })
}
