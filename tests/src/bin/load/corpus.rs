//! What is written: records of one made-up type, from files or from a seed.

use std::path::Path;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value as Json, json};

/// The record type of the corpus, as a catalogue file: every value of a record is a field.
pub(crate) const TYPE_FILE: &str = r#"name = "rec"
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

/// The type's file in a catalogue folder below `folder`.
pub(crate) fn write_catalogue(folder: &Path) -> anyhow::Result<()> {
    let mut text = TYPE_FILE.to_owned();
    for (name, kind) in FIELDS {
        text.push_str(&format!(
            "\n[[field]]\nname = \"{name}\"\nlabel = {{ vi = \"{name}\", en = \"{name}\" }}\ntype = \"{kind}\"\nclass = \"C1\"\n"
        ));
    }
    std::fs::create_dir_all(folder.join("records"))?;
    std::fs::write(folder.join("records/rec.toml"), text)?;
    Ok(())
}

/// How many of all records are one site's.
pub(crate) fn share(records: usize, sites: usize, site: usize) -> usize {
    records / sites + usize::from(site < records % sites)
}

/// Writes what would be made of a seed as the files of a corpus.
pub(crate) fn write(folder: &Path, sites: usize, total: usize, seed: u64) -> anyhow::Result<()> {
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
pub(crate) fn records(
    corpus: Option<&Path>,
    site: usize,
    count: usize,
    seed: u64,
) -> anyhow::Result<Vec<Json>> {
    let Some(folder) = corpus else {
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(site as u64));
        return Ok((0..count).map(|number| record(&mut random, site, number)).collect());
    };
    let path = folder.join(format!("site-{site}.ndjson"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines().take(count).map(|line| Ok(serde_json::from_str(line)?)).collect()
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
