//! T09: what a power cut leaves at the instants at which something was acknowledged.
//!
//! A hub and a node run recorded while one writer writes at both. Just before an answer leaves a program the power is cut,
//! for both machines at that instant: what their disks then hold by [`Image`] must pass `check`, start, and have every
//! value that was acknowledged; now and then both are started and must come into step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::demo::{Daemon, once};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value as Json, json};

use super::{Call, Image, Recorder, Recording, read};
use crate::processes::{HubPlace, done, in_step, person, put};

const UNIT: &str = "11953";
/// The hub's own records begin here.
const PROVINCE: u32 = 500_000;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many acknowledgements.
    pub points: usize,
    /// After every so many of them both are started from their images.
    pub starts_every: usize,
    /// Where the choices come from.
    pub seed: u64,
    /// Files whose name ends so are never synced, as if the program did not.
    pub unsynced: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Images that were judged, of each machine.
    pub images: usize,
    /// Those of them that kept some of what was not synced.
    pub torn: usize,
    /// Values that were acknowledged, as often as they were looked for.
    pub values: usize,
    /// How often both were started from their images and came into step.
    pub starts: usize,
    /// `check` found view or leaf hashes of a torn image damaged before its start, which made them again.
    pub remade: usize,
}

/// Number → name.
pub(super) type Values = BTreeMap<String, String>;

/// Something that was acknowledged: when, and what had been by then.
#[derive(Debug)]
struct Point {
    nanos: u64,
    node: Values,
    hub: Values,
}

/// A recorded province: what was acknowledged, and what its machines did from when on.
struct Run {
    place: HubPlace,
    points: Vec<Point>,
    hub: Machine,
    node: Machine,
}

struct Machine {
    /// What its commands begin with.
    command: &'static [&'static str],
    image: Image,
    calls: std::iter::Peekable<std::vec::IntoIter<Call>>,
}

impl Machine {
    fn of(command: &'static [&'static str], image: Image, recording: &Recording) -> anyhow::Result<Self> {
        Ok(Self { command, image, calls: read(&recording.journal)?.into_iter().peekable() })
    }

    /// Lets it do what it did before an instant.
    fn until(&mut self, nanos: u64) -> anyhow::Result<()> {
        while let Some(call) = self.calls.next_if(|call| call.nanos < nanos) {
            self.image.take(&call)?;
        }
        Ok(())
    }
}

/// Cuts the power at acknowledgements and judges what is left.
///
/// # Errors
/// What was lost, and where; or if nothing can be recorded.
pub async fn power_cuts(program: &Path, options: &Options) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut run = Box::pin(record(program, dir.path(), options, &mut random)).await?;
    let mut report = Report::default();
    let points = std::mem::take(&mut run.points);
    let all = points.len();
    for (number, point) in points.into_iter().enumerate() {
        super::progress(number, all);
        run.hub.until(point.nanos)?;
        run.node.until(point.nanos)?;
        // The strict rule alone every second time.
        let torn = number % 2 == 1;
        let judged = Box::pin(run.judge(&point, torn.then_some(&mut random), number, options, &mut report));
        judged.await.with_context(|| format!("seed {}, acknowledgement {number}", options.seed))?;
    }
    Ok(report)
}

/// Records a hub and a node while they are written at.
async fn record(program: &Path, dir: &Path, options: &Options, random: &mut StdRng) -> anyhow::Result<Run> {
    let recorder = Recorder::build(program, dir)?;
    let (mut at_hub, mut at_node) = (Recording::of(dir, "hub"), Recording::of(dir, "node"));
    for recording in [&mut at_hub, &mut at_node] {
        recording.faults.extend(options.unsynced.as_ref().map(|ends| format!("RECORDER_UNSYNCED={ends}")));
        std::fs::create_dir(&recording.folder)?;
    }
    let (hub_image, node_image) = (Image::of(&at_hub.folder)?, Image::of(&at_node.folder)?);
    let (made, code) = recorder.once(&at_hub, &["init", "--domain", "hungyen.example"]).await?;
    ensure!(code == 0, "{made}");
    let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let kit = at_hub.folder.join("recovery-kit.lienthong");
    let place = HubPlace {
        program: program.to_owned(),
        dir: dir.to_owned(),
        listen,
        kit,
        passphrase: PathBuf::new(),
    };
    let serve = ["serve", "--listen", &place.listen, "--web", "127.0.0.1:0"];
    let hub = recorder.start(&at_hub, &serve).await?;
    let token = place.token(&hub, UNIT).await?;
    let enrol = ["as-node", "enrol", "--hub", &place.listen, "--token", &token];
    let (enrolled, code) = recorder.once(&at_node, &enrol).await?;
    ensure!(code == 0, "{enrolled}");
    let node = recorder.start(&at_node, &["as-node", "run"]).await?;
    let mut points = Vec::new();
    let (mut by_node, mut by_hub) = (Values::new(), Values::new());
    let mut serial = 0;
    while points.len() < options.points {
        let count = random.random_range(1..=5);
        let nanos = match random.random_range(0..10) {
            0 => {
                in_step(&node).await?;
                by_hub.extend(by_node.clone());
                at_node.answered()?
            }
            1 | 2 => {
                write(&hub, &mut by_hub, PROVINCE + serial, count).await?;
                at_hub.answered()?
            }
            3 if serial > 10 => {
                write(&node, &mut by_node, random.random_range(0..serial - 5), count).await?;
                at_node.answered()?
            }
            _ => {
                write(&node, &mut by_node, serial, count).await?;
                at_node.answered()?
            }
        };
        serial += count;
        // What the node writes next the hub need not have.
        points.push(Point { nanos, node: by_node.clone(), hub: by_hub.clone() });
    }
    drop((hub, node));
    let hub = Machine::of(&[], hub_image, &at_hub)?;
    let node = Machine::of(&["as-node"], node_image, &at_node)?;
    Ok(Run { place, points, hub, node })
}

async fn write(daemon: &Daemon, written: &mut Values, first: u32, count: u32) -> anyhow::Result<()> {
    let name = |serial: u32| format!("Nguyễn Văn {}", ["An", "Bình", "Chi"][(serial % 3) as usize]);
    let renamed = written.len();
    let people: Vec<Json> = (first..first + count)
        .map(|serial| person(UNIT, serial, &format!("{} {}", name(serial), letters(renamed))))
        .collect();
    put(daemon, &people).await?;
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    written.extend(people.iter().map(|person| (text(&person["so_cccd"]), text(&person["ho_ten"]))));
    Ok(())
}

/// A number in letters, for names have no digits.
pub(super) fn letters(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(b'A' + (digit - b'0'))).collect()
}

impl Run {
    async fn judge(
        &mut self,
        point: &Point,
        mut torn: Option<&mut StdRng>,
        number: usize,
        options: &Options,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let is_torn = torn.is_some();
        // The hub may have had the node's newer values already.
        let nothing = Values::new();
        let machines = [
            (&self.hub, "cut-hub", &point.hub, &point.node),
            (&self.node, "cut-node", &point.node, &nothing),
        ];
        for (machine, name, wanted, newer) in machines {
            let folder = self.place.path(name);
            machine.image.cut(&folder, torn.as_deref_mut())?;
            report.images += 1;
            report.torn += usize::from(is_torn);
            report.values += wanted.len();
            let judged = judge(&self.place.program, machine.command, &folder, (wanted, newer), is_torn).await;
            report.remade += usize::from(judged.with_context(|| name.to_owned())?);
        }
        if number % options.starts_every == options.starts_every - 1 {
            self.starts(point).await.context("both start again")?;
            report.starts += 1;
        }
        for name in ["cut-hub", "cut-node"] {
            std::fs::remove_dir_all(self.place.path(name))?;
        }
        Ok(())
    }

    /// Both machines come back, and into step, with everything.
    async fn starts(&self, point: &Point) -> anyhow::Result<()> {
        let mut hub = self.place.serve("cut-hub").await?;
        let mut node = self.place.run("cut-node").await?;
        in_step(&node).await?;
        node.stop().await?;
        hub.stop().await?;
        let mut wanted = point.hub.clone();
        wanted.extend(point.node.clone());
        judge(&self.place.program, &[], hub.data(), (&wanted, &wanted), false).await?;
        judge(&self.place.program, &["as-node"], node.data(), (&wanted, &wanted), false).await?;
        Ok(())
    }
}

/// Judges one folder, before and after its start; whether what is made from the log was found damaged.
pub(super) async fn judge(
    program: &Path,
    command: &[&str],
    folder: &Path,
    (wanted, newer): (&Values, &Values),
    torn: bool,
) -> anyhow::Result<bool> {
    let check = [command, &["check"]].concat();
    let (before, code) = once(program, &check, folder).await?;
    // View and leaf hashes are made again from the log.
    let derived = |fault: &str| fault.starts_with("the view") || fault.starts_with("the file of leaf hashes");
    let of_view = |fault: &Json| fault.as_str().is_some_and(derived);
    let faults = before["faults"].as_array().filter(|faults| faults.iter().all(of_view));
    ensure!(code == 0 || (torn && faults.is_some()), "check before the start: {before}");
    let held = held(program, command, folder).await?;
    for (number, name) in wanted {
        match held.get(number) {
            Some(found) if found == name || newer.get(number) == Some(found) => {}
            other => bail!("{number} was acknowledged as {name:?} and is {other:?}"),
        }
    }
    done(program, &check, folder).await.context("check after the start")?;
    Ok(code != 0)
}

/// All records of a folder; its program starts for that.
pub(super) async fn held(program: &Path, command: &[&str], folder: &Path) -> anyhow::Result<Values> {
    let out = folder.with_extension("jsonl");
    let path = out.to_string_lossy().into_owned();
    let export = ["export", "--type", "dang_vien", "--all", "--format", "jsonl", "--out", &path];
    done(program, &[command, &export].concat(), folder).await?;
    let mut held = Values::new();
    for line in std::fs::read_to_string(&out)?.lines() {
        let record: Json = serde_json::from_str(line)?;
        ensure!(record["conflicts"] == json!([]), "nobody disagreed: {record}");
        let text = |name: &str| record["fields"][name].as_str().unwrap_or_default().to_owned();
        ensure!(held.insert(text("so_cccd"), text("ho_ten")).is_none(), "a record stands twice: {record}");
    }
    std::fs::remove_file(out)?;
    Ok(held)
}
