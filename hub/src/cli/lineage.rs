//! Units made, merged, split, renamed, dissolved: the commands' arguments, and what people see.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use lienthong_node::cli::{Tongue, author, say, table};
use lienthong_node::records::Page;
use lienthong_proto::catalogue::UnitKind;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::lineage::{Share, StepKind};
use serde_json::Value as Json;

use crate::service::{MapLine, Reorganisation, Request};

/// How often it is said that records move.
const SAID_EVERY: Duration = Duration::from_secs(2);
/// Records shown one by one; `--json` has more.
const SHOWN: usize = 10;

/// What every step needs.
#[derive(Debug, Clone, Args)]
pub struct Order {
    /// Từ ngày nào (2026-07-01); ngày sau này thì tỉnh tự làm khi đến ngày · from which day on; one to come is done when it comes
    #[arg(long, value_name = "DATE")]
    pub on: String,
    #[command(flatten)]
    pub doing: Doing,
}

/// By which document, and whether it is done.
#[derive(Debug, Clone, Args)]
pub struct Doing {
    /// Số văn bản · the document that orders it
    #[arg(long)]
    pub reason: String,
    /// Chỉ xem sẽ làm gì, không ghi gì · say what it would do, write nothing
    #[arg(long, conflicts_with = "apply", required_unless_present = "apply")]
    pub dry_run: bool,
    /// Làm · do it
    #[arg(long)]
    pub apply: bool,
}

/// What a new unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Xã.
    Commune,
    /// Phường.
    Ward,
    /// Trực thuộc.
    Affiliated,
}

impl Kind {
    fn unit_kind(self) -> UnitKind {
        match self {
            Self::Commune => UnitKind::Commune,
            Self::Ward => UnitKind::Ward,
            Self::Affiliated => UnitKind::Affiliated,
        }
    }
}

/// `unit add`.
#[derive(Debug, Args)]
pub struct AddUnit {
    /// Mã · its code
    pub unit: UnitCode,
    /// Tên, không kèm loại đơn vị · its name without the kind
    #[arg(long)]
    pub name: String,
    /// Loại đơn vị · what it is
    #[arg(long, value_enum, default_value = "commune")]
    pub kind: Kind,
    #[command(flatten)]
    pub order: Order,
}

/// `unit merge`.
#[derive(Debug, Args)]
pub struct MergeUnits {
    /// Các đơn vị chấm dứt · the units that end
    #[arg(required = true)]
    pub units: Vec<UnitCode>,
    /// Đơn vị kế thừa: CODE, hoặc CODE=TÊN nếu lập mới hay đổi tên · the successor; CODE=NAME makes or renames it
    #[arg(long, value_parser = named)]
    pub to: Named,
    /// Đơn vị kế thừa mới là xã hay phường; bỏ trống thì như đơn vị đầu · what a new successor is; otherwise what the first unit was
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    #[command(flatten)]
    pub order: Order,
}

/// `unit split`.
#[derive(Debug, Args)]
pub struct SplitUnit {
    /// Đơn vị bị chia · the unit that is split
    pub unit: UnitCode,
    /// Đơn vị nhận: CODE hoặc CODE=TÊN; nêu nhiều lần · a unit it goes into, made if named; may be given again
    #[arg(long, value_parser = named, required = true)]
    pub to: Vec<Named>,
    /// Ai giữ phần không được phân; là chính đơn vị bị chia thì đơn vị đó còn · who keeps what nothing assigns; the unit itself goes on if it is that
    #[arg(long = "default", value_name = "UNIT")]
    pub rest: UnitCode,
    /// TRƯỜNG=GIÁ TRỊ:ĐƠN VỊ, ví dụ chi_bo=Chi bộ 2:12001 · records whose field has this value go to this unit
    #[arg(long = "by", value_name = "FIELD=VALUE:UNIT", value_parser = share)]
    pub shares: Vec<Share>,
    /// Tệp CSV: loại,mã hoặc khóa,đơn vị · CSV file: type,id or natural key,unit
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// Đơn vị mới là xã hay phường; bỏ trống thì như đơn vị cũ · what new units are; otherwise what the unit was
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    #[command(flatten)]
    pub order: Order,
}

/// `unit rename`.
#[derive(Debug, Args)]
pub struct RenameUnit {
    /// Đơn vị · the unit
    pub unit: UnitCode,
    /// Tên mới, không kèm loại đơn vị · its new name without the kind
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub order: Order,
}

/// `unit dissolve`.
#[derive(Debug, Args)]
pub struct DissolveUnit {
    /// Đơn vị · the unit
    pub unit: UnitCode,
    /// Đơn vị nhận bản ghi, không nêu thì là tỉnh · who takes its records, the province otherwise
    #[arg(long)]
    pub to: Option<UnitCode>,
    #[command(flatten)]
    pub order: Order,
}

/// `unit lineage`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LineageCommand {
    /// What
    #[command(subcommand)]
    pub action: Option<LineageAction>,
    /// Hủy bước số này: bản ghi trở về đơn vị cũ · undo the step of this number: its records go back
    #[arg(long, value_name = "NUMBER")]
    pub undo: Option<u64>,
    /// Số văn bản · the document that orders it
    #[arg(long, requires = "undo")]
    pub reason: Option<String>,
    /// Chỉ xem sẽ làm gì, không ghi gì · say what it would do, write nothing
    #[arg(long, conflicts_with = "apply")]
    pub dry_run: bool,
    /// Làm · do it
    #[arg(long)]
    pub apply: bool,
}

/// What of the steps.
#[derive(Debug, Subcommand)]
pub enum LineageAction {
    /// Tất cả, cả các bước đã hủy · all of them, undone ones among them
    List {
        /// Which
        #[command(flatten)]
        page: Page,
    },
}

/// A unit, with its name if it is to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its code.
    pub unit: UnitCode,
    /// Its name.
    pub name: Option<String>,
}

fn named(text: &str) -> Result<Named, String> {
    let (unit, name) = text.split_once('=').map_or((text, None), |(unit, name)| (unit, Some(name)));
    let unit = unit.trim().parse().map_err(|error| format!("{unit}: {error}"))?;
    Ok(Named { unit, name: name.map(str::to_owned) })
}

fn share(text: &str) -> Result<Share, String> {
    let form = || format!("{text}: FIELD=VALUE:UNIT");
    let (rule, unit) = text.rsplit_once(':').ok_or_else(form)?;
    let (field, value) = rule.split_once('=').ok_or_else(form)?;
    let unit = unit.trim().parse().map_err(|error| format!("{unit}: {error}"))?;
    Ok(Share { field: field.trim().to_owned(), value: value.trim().to_owned(), unit })
}

impl Order {
    fn of(&self, kind: StepKind, from: Vec<UnitCode>, to: &[Named]) -> Reorganisation {
        let names = to.iter().filter_map(|named| Some((named.unit.clone(), named.name.clone()?)));
        Reorganisation {
            kind,
            from,
            to: to.iter().map(|named| named.unit.clone()).collect(),
            names: names.collect::<BTreeMap<_, _>>(),
            unit_kind: None,
            rest: None,
            shares: Vec::new(),
            map: Vec::new(),
            on: self.on.clone(),
            reason: self.doing.reason.clone(),
            apply: self.doing.apply,
            actor: author(),
        }
    }
}

impl AddUnit {
    pub(super) fn request(&self) -> Request {
        let to = [Named { unit: self.unit.clone(), name: Some(self.name.clone()) }];
        let unit_kind = Some(self.kind.unit_kind());
        Request::Reorganise(Reorganisation { unit_kind, ..self.order.of(StepKind::Add, Vec::new(), &to) })
    }
}

impl MergeUnits {
    pub(super) fn request(&self) -> Request {
        let to = std::slice::from_ref(&self.to);
        let unit_kind = self.kind.map(Kind::unit_kind);
        Request::Reorganise(Reorganisation {
            unit_kind,
            ..self.order.of(StepKind::Merge, self.units.clone(), to)
        })
    }
}

impl SplitUnit {
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        let map = self.map.as_deref().map(read_map).transpose()?.unwrap_or_default();
        Ok(Request::Reorganise(Reorganisation {
            unit_kind: self.kind.map(Kind::unit_kind),
            rest: Some(self.rest.clone()),
            shares: self.shares.clone(),
            map,
            ..self.order.of(StepKind::Split, vec![self.unit.clone()], &self.to)
        }))
    }
}

impl RenameUnit {
    pub(super) fn request(&self) -> Request {
        let to = [Named { unit: self.unit.clone(), name: Some(self.name.clone()) }];
        Request::Reorganise(self.order.of(StepKind::Rename, vec![self.unit.clone()], &to))
    }
}

impl DissolveUnit {
    pub(super) fn request(&self) -> Request {
        let to: Vec<Named> = self.to.iter().map(|unit| Named { unit: unit.clone(), name: None }).collect();
        Request::Reorganise(self.order.of(StepKind::Dissolve, vec![self.unit.clone()], &to))
    }
}

impl LineageCommand {
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        match (&self.action, self.undo) {
            (Some(LineageAction::List { page }), _) => Ok(Request::LineageList { page: page.clone() }),
            (None, None) => Ok(Request::LineageList { page: Page::default() }),
            (None, Some(number)) => {
                let reason = self.reason.clone();
                let reason = reason.context("cần --reason SỐ VĂN BẢN · --reason DOCUMENT is needed")?;
                anyhow::ensure!(
                    self.dry_run || self.apply,
                    "cần --dry-run hoặc --apply · either --dry-run or --apply is needed"
                );
                Ok(Request::LineageUndo { number, reason, apply: self.apply, actor: author() })
            }
        }
    }
}

/// The lines of a list that assigns records; a first line of titles is passed over.
fn read_map(path: &Path) -> anyhow::Result<Vec<MapLine>> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(shown)?;
    let text = text.trim_start_matches('\u{feff}');
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut map = Vec::new();
    for row in rows.records() {
        let row = row.with_context(shown)?;
        let line = row.position().map_or(0, |position| line_of(text, position));
        let cell = |at: usize| row.get(at).unwrap_or_default().trim().to_owned();
        let titles = line == 1 && matches!(cell(0).as_str(), "type" | "loai" | "loại");
        if titles || row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        anyhow::ensure!(
            row.len() == 3,
            "{}: dòng {line}: cần 3 cột loại,mã,đơn vị · line {line}: 3 columns are needed: type,id,unit",
            shown()
        );
        map.push(MapLine { line, record_type: cell(0), id: cell(1), unit: cell(2) });
    }
    Ok(map)
}

/// The line of a row: its position is where the row before ended, blank lines aside.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let begun = usize::try_from(position.byte()).ok().and_then(|at| text.as_bytes().get(at..));
    let blank = begun.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// Says now and then how many records have moved.
pub(super) fn hear(heard: &Json, said: &mut Instant, tongue: Tongue) {
    let number = |name: &str| heard.get(name).and_then(Json::as_u64);
    if let (Some(done), Some(of)) = (number("done"), number("of"))
        && (said.elapsed() >= SAID_EVERY || done == of)
    {
        *said = Instant::now();
        eprintln!("{done}/{of} {}", tongue.pick("bản ghi đã chuyển", "records moved"));
    }
}

/// Prints what a step would do, or did.
pub(super) fn print(body: &Json, tongue: Tongue) {
    if let Some(error) = body["error"].as_str() {
        eprintln!("{}", localised(error, tongue));
    }
    say(&text(body, tongue));
}

/// Prints the steps, or the units of a day: lists with columns of their own.
pub(super) fn print_list(body: &Json, tongue: Tongue) {
    let steps = body.pointer("/items/0/kind").is_some();
    let heads = match (steps, tongue) {
        (true, Tongue::Vi) => {
            ["Bước", "", "Từ ngày", "Đơn vị", "Thành", "Bản ghi", "Tình trạng", "Văn bản"].to_vec()
        }
        (true, Tongue::En) => {
            ["Step", "", "From", "Units", "Become", "Records", "State", "Document"].to_vec()
        }
        (false, Tongue::Vi) => ["Mã", "Đơn vị", "Bản ghi", "Điểm", "Nay là"].to_vec(),
        (false, Tongue::En) => ["Code", "Unit", "Records", "Score", "Now"].to_vec(),
    };
    let line = |item: &Json| -> Vec<String> {
        if steps {
            let word = word(item, tongue).to_owned();
            let document = cell(&item["reason"]);
            let (on, from, to) = (cell(&item["on"]), cell(&item["from"]), becomes(item));
            let (records, state) = (cell(&item["records"]), state(item, tongue).to_owned());
            vec![cell(&item["number"]), word, on, from, to, records, state, document]
        } else {
            let (records, score) =
                (cell(&item["records"]), item.pointer("/quality/total").map(cell).unwrap_or_default());
            vec![cell(&item["unit"]), cell(&item["name"]), records, score, cell(&item["now"])]
        }
    };
    let rows = body["items"].as_array().into_iter().flatten().map(line);
    let heads = heads.into_iter().map(str::to_owned).collect();
    say(&table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>()));
}

/// Says by the units of which day a question was answered, if not by today's.
pub(super) fn say_day(body: &Json, tongue: Tongue) {
    if let Some(day) = body["tree"].as_str() {
        let now = cell(&body["now"]);
        let vi =
            format!("theo các đơn vị của ngày {day}{}{now}", if now.is_empty() { "" } else { "; nay là " });
        let en = format!("by the units of {day}{}{now}", if now.is_empty() { "" } else { "; now " });
        eprintln!("{}", tongue.pick(&vi, &en));
    }
}

fn cell(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Array(items) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The units that come of a step, new names with them.
fn becomes(body: &Json) -> String {
    let unit = |unit: &Json| {
        let code = unit.as_str().unwrap_or_default();
        let name = body.get("names").and_then(|names| names.get(code)).and_then(Json::as_str);
        name.map_or_else(|| code.to_owned(), |name| format!("{code} {name}"))
    };
    body["to"].as_array().into_iter().flatten().map(unit).collect::<Vec<_>>().join(", ")
}

fn word(body: &Json, tongue: Tongue) -> &str {
    match (body["kind"].as_str().unwrap_or_default(), tongue) {
        ("add", Tongue::Vi) => "lập mới",
        ("merge", Tongue::Vi) => "sáp nhập",
        ("split", Tongue::Vi) => "chia tách",
        ("rename", Tongue::Vi) => "đổi tên",
        ("dissolve", Tongue::Vi) => "giải thể",
        (word, _) => word,
    }
}

fn localised(text: &str, tongue: Tongue) -> &str {
    text.split_once(" · ").map_or(text, |(vi, en)| tongue.pick(vi, en))
}

fn text(body: &Json, tongue: Tongue) -> String {
    let mut text = String::new();
    let (word, from, to, on) = (word(body, tongue), cell(&body["from"]), becomes(body), cell(&body["on"]));
    if body.get("back").is_some() {
        let _ = write!(text, "{} {}: ", tongue.pick("hủy bước", "undo step"), body["number"]);
    }
    let since = tongue.pick("từ ngày", "from");
    let _ = writeln!(text, "{word} {from} → {to}, {since} {on} ({})", cell(&body["reason"]));
    let count = |name: &str| body[name].as_u64().unwrap_or(0);
    if body["applied"] == true {
        let _ = match tongue {
            Tongue::Vi => writeln!(
                text,
                "bước số {}, {}: đã chuyển {} bản ghi",
                body["number"],
                state(body, tongue),
                count("moved")
            ),
            Tongue::En => writeln!(
                text,
                "step {}, {}: {} records moved",
                body["number"],
                state(body, tongue),
                count("moved")
            ),
        };
    } else {
        let moving = count(if body.get("back").is_some() { "back" } else { "records" });
        let _ = match tongue {
            Tongue::Vi => writeln!(text, "chưa ghi gì; sẽ chuyển {moving} bản ghi"),
            Tongue::En => writeln!(text, "nothing was written; {moving} records would move"),
        };
    }
    let rows = |items: &Json, columns: &[&str]| -> Vec<Vec<String>> {
        let line = |item: &Json| columns.iter().map(|column| cell(&item[*column])).collect();
        items.as_array().into_iter().flatten().map(line).collect()
    };
    let moves = rows(&body["moves"], &["type", "from", "to", "records"]);
    if !moves.is_empty() {
        let heads = match tongue {
            Tongue::Vi => ["Loại", "Từ", "Đến", "Bản ghi"],
            Tongue::En => ["Type", "From", "To", "Records"],
        };
        text.push_str(&table(&[vec![heads.map(str::to_owned).to_vec()], moves].concat()));
    }
    let kept = [
        ("rest", "không được phân, thuộc", "not assigned, kept by"),
        ("stay", "đã có người chuyển sau đó, để nguyên", "moved by someone since, left"),
    ];
    for (name, vi, en) in kept {
        let part = &body[name];
        let records = part["records"].as_u64().unwrap_or(0);
        if records > 0 {
            let _ = writeln!(text, "{records} {} {}", tongue.pick(vi, en), cell(&part["unit"]));
            let named: Vec<Vec<String>> =
                rows(&part["items"], &["type", "id", "unit"]).into_iter().take(SHOWN).collect();
            text.push_str(&table(&named));
        }
    }
    if count("withdrawn") > 0 {
        let (vi, en) = (
            "bản ghi đã thu hồi: chuyển khi được khôi phục",
            "withdrawn records: they move when they are brought back",
        );
        let _ = writeln!(text, "{} {}", count("withdrawn"), tongue.pick(vi, en));
    }
    for problem in body["problems"].as_array().into_iter().flatten() {
        let mark = if problem["fatal"] == true { "✗" } else { "!" };
        let message = problem["message"].as_str().unwrap_or_default();
        let _ = writeln!(text, "{mark} {}: {}", cell(&problem["rule"]), localised(message, tongue));
    }
    text
}

fn state(body: &Json, tongue: Tongue) -> &'static str {
    match body["state"].as_str().unwrap_or_default() {
        "waiting" => tongue.pick("chờ đến ngày", "waiting for its day"),
        "moving" => tongue.pick("đang chuyển", "moving"),
        "done" => tongue.pick("xong", "done"),
        "undoing" => tongue.pick("đang hủy", "being undone"),
        "undone" => tongue.pick("đã hủy", "undone"),
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_or_without_titles() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map.csv");
        std::fs::write(&path, "\u{feff}type,id,unit\ndang_vien, 033 ,12004\n\ndon_thu,\"5, 6\",12001\n")
            .unwrap();
        let lines = read_map(&path).unwrap();
        let read: Vec<_> = lines.iter().map(|l| (l.line, l.id.as_str(), l.unit.as_str())).collect();
        assert_eq!(read, [(2, "033", "12004"), (4, "5, 6", "12001")]);
        std::fs::write(&path, "dang_vien,033\n").unwrap();
        assert!(read_map(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_share_names_field_value_and_unit() {
        let read = share("chi_bo=Chi bộ 2: A:12001").unwrap();
        assert_eq!((read.field.as_str(), read.value.as_str()), ("chi_bo", "Chi bộ 2: A"));
        assert!(share("chi_bo=Chi bộ 2").is_err() && share("12001").is_err());
    }
}
