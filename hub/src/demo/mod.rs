//! The demo: eight communes and the province on this machine, with a bad line and two crashes.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::indexing_slicing)]

mod checks;
mod decide;
mod line;
mod live;
mod people;
mod processes;
mod share;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_node::cli::Tongue;
use lienthong_node::records::Page;
use lienthong_proto::catalogue::{Catalogue, Dimension, UnitKind};
use lienthong_proto::ids::UnitCode;
use serde_json::{Value as Json, json};

use self::line::Line;
pub use self::people::Break;
use self::people::{Contested, Sheet, sheets};
pub use self::processes::{Daemon, once};
use crate::pki::{InitOptions, Role, init};
use crate::service::Request;

const TYPE: &str = "dang_vien";
/// Good rows of each commune's sheet.
const ROWS: usize = 900;
const SEED: u64 = 33;
/// Everything must have arrived within this after the line is mended.
const CONVERGE_MAX: Duration = Duration::from_secs(120);

/// What the demo is asked.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Print the checks and end.
    pub once: bool,
    /// Meddle with one sheet.
    pub tamper: Option<Break>,
    /// Keep everything here.
    pub data: Option<PathBuf>,
    /// How many communes.
    pub units: usize,
}

/// One commune's node.
#[derive(Debug)]
struct DemoNode {
    unit: UnitCode,
    name: String,
    replica: String,
    data: PathBuf,
    sheet: PathBuf,
    daemon: Daemon,
}

/// Everything on the stage.
#[derive(Debug)]
struct Stage {
    program: PathBuf,
    folder: PathBuf,
    hub: Daemon,
    line: Line,
    nodes: Vec<DemoNode>,
    sheets: Vec<Sheet>,
    contested: Option<Contested>,
    /// The imports' answers by unit.
    reports: BTreeMap<UnitCode, Json>,
    cut_at_percent: u64,
    /// Open before the steward decided.
    conflicts: u64,
    tongue: Tongue,
}

/// Runs the demo; returns the exit code.
///
/// # Errors
/// If a process or file fails it.
pub async fn run(options: DemoOptions, tongue: Tongue) -> anyhow::Result<u8> {
    let kept = options.data.clone();
    let temporary = if kept.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = match (&kept, &temporary) {
        (Some(folder), _) => std::path::absolute(folder)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => bail!("no folder"),
    };
    std::fs::create_dir_all(&folder)?;
    ensure!(
        std::fs::read_dir(&folder)?.next().is_none(),
        "{}: thư mục phải trống · the folder must be empty",
        folder.display()
    );
    let performed = tokio::select! {
        performed = perform(&options, &folder, tongue) => performed,
        stopped = lienthong_node::cli::stopped() => stopped.map(|()| 130),
    };
    if let Some(temporary) = temporary {
        // The processes are dead by now: nothing writes there any more.
        let _ = temporary.close();
    }
    performed
}

async fn perform(options: &DemoOptions, folder: &Path, tongue: Tongue) -> anyhow::Result<u8> {
    let begun = Instant::now();
    let mut stage = Stage::set(options, folder, tongue).await?;
    stage.play(options).await?;
    let mut checks = stage.checks(tongue).await?;
    stage.conflicts = stage.hub.status().await?["conflicts_open"].as_u64().unwrap_or(0);
    checks.extend(stage.decisions(tongue).await?);
    checks.extend(stage.sharing(tongue).await?);
    let held = checks.iter().all(checks::Check::holds);
    if !options.once {
        stage.summary(begun.elapsed()).await?;
        if held {
            println!(
                "{}",
                tongue.pick(
                    "một cơ quan nhận phần được cấp: trong một tệp niêm phong, tự kiểm không cần mạng, và trên máy riêng, từng thay đổi một, đến khi quyền bị thu hồi",
                    "one agency got its part: in a sealed file, checked offline, and at its own node, change by change, until the grant was revoked"
                )
            );
        }
        stage.table().await?;
    }
    for check in &checks {
        if options.once || !check.holds() {
            let mark = if check.holds() { "✓" } else { "✗" };
            let (expected, found) = (tongue.pick("mong đợi", "expected"), tongue.pick("thấy", "found"));
            println!("{mark} {}: {expected} {}, {found} {}", check.name, check.expected, check.found);
        }
    }
    if options.once {
        stage.quality().await?;
        return Ok(u8::from(!held));
    }
    stage.invite().await?;
    lienthong_node::cli::stopped().await?;
    Ok(u8::from(!held))
}

impl Stage {
    /// Makes the hub, enrols the communes, writes their sheets.
    async fn set(options: &DemoOptions, folder: &Path, tongue: Tongue) -> anyhow::Result<Self> {
        let catalogue = Catalogue::embedded()?;
        let communes =
            catalogue.units().iter().filter(|unit| matches!(unit.kind, UnitKind::Commune | UnitKind::Ward));
        let units: Vec<UnitCode> = communes.map(|unit| unit.code.clone()).take(options.units).collect();
        ensure!((2..=104).contains(&options.units) && units.len() == options.units, "--units: 2…104");
        let progress = |text: &str| eprintln!("· {text}");
        progress(
            tongue.pick(
                "lập máy chủ tỉnh, ghi danh các xã",
                "making the province's hub, enrolling the communes",
            ),
        );
        let data = folder.join("hub");
        std::fs::create_dir(&data)?;
        let domain = "demo.lienthong.vn".to_owned();
        init(&data, &InitOptions { province: "33".parse()?, domain, names: Vec::new() })?;
        let program = std::env::current_exe()?;
        let hub =
            Daemon::start(&program, &["serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"], &data)
                .await?;
        let line = Line::lay().await?;
        line.mend(address(&hub.status().await?)?);
        let (sheets, contested) = sheets(&units, ROWS, SEED);
        let mut stage = Self {
            program,
            folder: folder.to_owned(),
            hub,
            line,
            nodes: Vec::new(),
            sheets,
            contested,
            reports: BTreeMap::new(),
            cut_at_percent: 0,
            conflicts: 0,
            tongue,
        };
        for (place, unit) in units.iter().enumerate() {
            let name = catalogue.units().title(unit);
            let sheet = stage.sheets.get(place).context("no sheet")?;
            let path = folder.join(format!("{unit}.xlsx"));
            match options.tamper.filter(|_| place == 1) {
                Some(how) => sheet.tampered(how).write(&path, &name)?,
                None => sheet.write(&path, &name)?,
            }
            let node = stage.enrol(unit, name, path).await?;
            stage.nodes.push(node);
        }
        Ok(stage)
    }

    /// A token for a unit's machine.
    async fn token(&self, unit: UnitCode, role: Role) -> anyhow::Result<String> {
        let actor = "demo".to_owned();
        let request = Request::TokenCreate { unit, role, ttl_seconds: 600, actor };
        let created = self.hub.ask(&request).await?.body;
        Ok(created["token"].as_str().context("no token")?.to_owned())
    }

    async fn enrol(&self, unit: &UnitCode, name: String, sheet: PathBuf) -> anyhow::Result<DemoNode> {
        let token = self.token(unit.clone(), Role::Commune).await?;
        let data = self.folder.join(format!("node-{unit}"));
        let dialled = self.line.address.to_string();
        let (enrolled, code) =
            once(&self.program, &["as-node", "enrol", "--hub", &dialled, "--token", &token], &data).await?;
        ensure!(code == 0, "{unit}: {enrolled}");
        let replica = enrolled["replica"].as_str().context("no replica")?.to_owned();
        let daemon = Daemon::start(&self.program, &["as-node", "run"], &data).await?;
        Ok(DemoNode { unit: unit.clone(), name, replica, data, sheet, daemon })
    }

    /// Imports, a cut, two kills, and everything arrives all the same.
    async fn play(&mut self, _options: &DemoOptions) -> anyhow::Result<()> {
        let tongue = self.tongue;
        let expected: usize = self.sheets.iter().map(|sheet| sheet.good().count()).sum();
        let say = |text: &str| eprintln!("· {text}");
        say(tongue.pick("các xã nhập bảng tính của mình", "the communes import their spreadsheets"));
        let imports: Vec<_> = self.nodes.iter().map(|node| import(&self.program, node, tongue)).collect();
        let imports = tokio::spawn(futures::future::join_all(imports));
        self.cut_at_percent = self.until_half(expected as u64).await?;
        self.line.cut();
        let victim = self.nodes.len() / 2;
        if let Some(node) = self.nodes.get_mut(victim) {
            node.daemon.kill().await?;
        }
        self.hub.kill().await?;
        say(tongue.pick(
            "đứt đường truyền; máy chủ tỉnh và một xã bị tắt đột ngột (kill -9)",
            "the line is cut; the hub and one commune are killed (-9)",
        ));
        if let Some(node) = self.nodes.get_mut(victim) {
            node.daemon.restart().await?;
        }
        let done = imports.await?;
        for (unit, answer) in done {
            let (report, _) = answer?;
            self.reports.insert(unit, report);
        }
        // The officer of the commune that crashed drops the same sheet again.
        if let Some(node) = self.nodes.get(victim) {
            let (unit, answer) = import(&self.program, node, tongue).await;
            self.reports.insert(unit, answer?.0);
        }
        let took = self.hub.restart().await?;
        self.line.mend(address(&self.hub.status().await?)?);
        say(&match tongue {
            Tongue::Vi => format!("máy chủ tỉnh chạy lại sau {} ms; đường truyền có lại", took.as_millis()),
            Tongue::En => format!("the hub answers again after {} ms; the line is back", took.as_millis()),
        });
        self.converge(expected as u64).await
    }

    /// Waits until half of what the communes have has arrived; returns the true percentage.
    async fn until_half(&self, expected: u64) -> anyhow::Result<u64> {
        let deadline = Instant::now() + CONVERGE_MAX;
        loop {
            let records = self.hub.status().await?["records"].as_u64().unwrap_or(0);
            self.progress(records, expected);
            if records * 2 >= expected || Instant::now() > deadline {
                return Ok(records * 100 / expected.max(1));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn progress(&self, records: u64, expected: u64) {
        if std::io::stderr().is_terminal() {
            let label = self.tongue.pick("bản ghi đã về tỉnh", "records at the province");
            eprint!("\r· {records}/{expected} {label}   \r");
            let _ = std::io::stderr().flush();
        }
    }

    async fn converge(&self, expected: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONVERGE_MAX;
        loop {
            let mut behind = 0;
            for node in &self.nodes {
                let status = node.daemon.status().await?;
                let pending = status["pending"].as_u64().unwrap_or(u64::MAX);
                if pending > 0 {
                    behind += 1;
                    if status["state"] != "online" {
                        // Nobody waits for a back-off here: the officer presses the button.
                        let data = node.data.clone();
                        let press = json!({ "command": "sync" });
                        tokio::spawn(async move {
                            let _ = lienthong_node::control::call(&data, &press).await;
                        });
                    }
                }
            }
            let records = self.hub.status().await?["records"].as_u64().unwrap_or(0);
            self.progress(records, expected);
            if behind == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{behind} communes have not caught up in {CONVERGE_MAX:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn reported(&self, key: &str) -> u64 {
        self.reports.values().map(|report| report[key].as_u64().unwrap_or(0)).sum()
    }

    async fn summary(&self, took: Duration) -> anyhow::Result<()> {
        let tongue = self.tongue;
        let status = self.hub.status().await?;
        let number = |value: &Json| value.as_u64().unwrap_or(0);
        let (communes, rows) = (self.nodes.len(), self.reported("rows"));
        let (records, rejected) = (number(&status["records"]), self.reported("rejected"));
        let (conflicts, cut) = (self.conflicts, self.cut_at_percent);
        let seconds = took.as_secs_f32();
        println!();
        println!("{communes} {}", tongue.pick("xã, phường", "communes"));
        println!("{rows} {}", tongue.pick("dòng đã đọc", "rows read"));
        println!("{records} {}", tongue.pick("bản ghi ở tỉnh, đều có chữ ký", "at the province, all signed"));
        println!("{rejected} {}", tongue.pick("dòng bị loại, xem lý do bên dưới", "rejected, see why below"));
        println!(
            "{conflicts} {}",
            tongue.pick(
                "xung đột, giữ cả hai giá trị, tỉnh đã quyết định một",
                "conflicts, both values kept; the province settled one"
            )
        );
        println!(
            "{}",
            match tongue {
                Tongue::Vi =>
                    format!("đứt đường truyền ở {cut} %, hai lần kill -9, mất 0 · {seconds:.1} giây"),
                Tongue::En => format!("line cut at {cut} %, killed twice, 0 lost · {seconds:.1} s"),
            }
        );
        Ok(())
    }

    /// The communes as the hub sees them, the one that most needs a call first.
    async fn table(&self) -> anyhow::Result<()> {
        let tongue = self.tongue;
        let status = self.hub.status().await?;
        let mut rows = vec![vec![
            tongue.pick("Đơn vị", "Unit").to_owned(),
            tongue.pick("Bản ghi", "Records").to_owned(),
            tongue.pick("Bị loại", "Rejected").to_owned(),
            tongue.pick("Còn thiếu", "Lag").to_owned(),
            tongue.pick("Cần gọi vì", "Call because").to_owned(),
        ]];
        for unit in status["units"].as_array().context("no units")? {
            if !self.nodes.iter().any(|node| unit["unit"] == *node.unit.as_str()) {
                continue;
            }
            let why: Vec<&str> = unit[tongue.pick("attention", "attention_en")]
                .as_array()
                .map(|list| list.iter().filter_map(Json::as_str).collect())
                .unwrap_or_default();
            rows.push(vec![
                unit["name"].as_str().unwrap_or_default().to_owned(),
                unit["records"].to_string(),
                unit["last_import"]["rejected"].to_string(),
                unit["lag"].to_string(),
                why.join("; "),
            ]);
        }
        println!();
        print!("{}", lienthong_node::cli::table(&rows));
        println!();
        for node in self.nodes.iter().take(2) {
            let report = self.reports.get(&node.unit);
            let errors = report.and_then(|report| report["errors"].as_array());
            for error in errors.map_or(&[][..], Vec::as_slice).iter().take(2) {
                let row = tongue.pick("dòng", "row");
                let (at, rule) = (&error["row"], error["rule"].as_str().unwrap_or_default());
                let message = error["message"].as_str().unwrap_or_default();
                println!("✗ {}, {row} {at} [{rule}] {message}", node.name);
            }
        }
        self.quality().await
    }

    /// One commune's score, and the first rows that lose it points.
    async fn quality(&self) -> anyhow::Result<()> {
        let tongue = self.tongue;
        let Some(node) = self.nodes.first() else { return Ok(()) };
        let request = Request::Quality { unit: Some(node.unit.clone()), page: Page::default() };
        let report = self.hub.ask(&request).await?.body;
        let figures = Dimension::ALL.map(|dimension| {
            let (counts, word) = (&report["counts"][dimension.name()], dimension.label());
            let word = tongue.language().pick(word);
            format!("{word} {} ({}/{})", counts["score"], counts["good"], counts["all"])
        });
        println!();
        println!(
            "{} {}: {} = min({})",
            tongue.pick("Chất lượng", "Quality of"),
            node.name,
            report["quality"]["total"],
            figures.join(", ")
        );
        for row in report["rows"].as_array().into_iter().flatten().take(2) {
            let defect = &row["defects"][0];
            let message = defect["message"].as_str().unwrap_or_default();
            let message = message.split_once(" · ").map_or(message, |(vi, en)| tongue.pick(vi, en));
            let (id, rule) =
                (row["id"].as_str().unwrap_or_default(), defect["rule"].as_str().unwrap_or_default());
            println!("! {id} [{rule}] {message}");
        }
        Ok(())
    }

    async fn invite(&self) -> anyhow::Result<()> {
        let tongue = self.tongue;
        let status = self.hub.status().await?;
        let (exe, hub) = (self.program.display(), self.folder.join("hub"));
        let hub = hub.display();
        println!();
        println!("{}", tongue.pick("Thử tiếp (cửa sổ khác):", "Try next, in another window:"));
        println!("  {exe} conflicts list --data {hub}");
        if let Some(contested) = &self.contested {
            println!("  {exe} record why {TYPE} {} ho_ten --data {hub}", contested.number);
        }
        if let Some(node) = self.nodes.first() {
            println!("  {exe} quality --unit {} --data {hub}", node.unit);
        }
        println!("  {exe} status --data {hub}");
        let web = status["addresses"]["web"].as_str().unwrap_or_default();
        println!();
        println!(
            "{}: http://{web}/",
            tongue.pick("Trang tổng quan (Ctrl-C để dừng)", "The page (Ctrl-C stops)")
        );
        let (name, password) = self.visitor().await?;
        println!("  {}: {name} / {password}", tongue.pick("đăng nhập để xem tiếp", "sign in to see more"));
        tracing::debug!(bytes = self.line.carried(), "carried by the line");
        Ok(())
    }
}

type Imported = (UnitCode, anyhow::Result<(Json, i32)>);

fn import(
    program: &Path,
    node: &DemoNode,
    tongue: Tongue,
) -> impl Future<Output = Imported> + Send + 'static {
    let program = program.to_owned();
    let (unit, data, sheet) = (node.unit.clone(), node.data.clone(), node.sheet.display().to_string());
    async move {
        let done = once(
            &program,
            &["as-node", "import", &sheet, "--type", TYPE, "--lang", tongue.pick("vi", "en")],
            &data,
        )
        .await;
        (unit, done)
    }
}

fn address(status: &Json) -> anyhow::Result<SocketAddr> {
    Ok(status["addresses"]["nodes"].as_str().context("no address")?.parse()?)
}
