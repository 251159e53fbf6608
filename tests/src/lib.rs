//! What the end-to-end tests share: a hub and nodes in one process, over real TLS and real files.

pub mod asking;
pub mod aviary;
pub mod browser;
pub mod browsing;
pub mod canary;
pub mod corpus;
pub mod fleet;
pub mod frames;
pub mod fuzz;
pub mod listening;
pub mod machine;
#[path = "../../node/src/capture/tests/made.rs"]
pub mod made;
pub mod office;
pub mod peer;
pub mod planted;
pub mod power;
pub mod processes;
pub mod programs;
pub mod province;
pub mod proxy;
pub mod sharing;
pub mod sheets;
pub mod simulation;
pub mod stage;
pub mod tap;
pub mod visitor;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::{InitOptions, Role, init};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::identity::{Token, enrol};
use lienthong_node::replica::{Draft, Intent};
use lienthong_node::sync::Settings;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;

/// The embedded catalogue.
///
/// # Errors
/// Never in a tested build.
pub fn catalogue() -> anyhow::Result<Arc<Catalogue>> {
    Ok(Arc::new(Catalogue::embedded()?.clone()))
}

/// Makes a hub's folder.
///
/// # Errors
/// If it cannot be made.
pub fn make_hub(data: &Path) -> anyhow::Result<()> {
    let options =
        InitOptions { province: "33".parse()?, domain: "hungyen.example".to_owned(), names: Vec::new() };
    init(data, &options)?;
    Ok(())
}

/// Opens a hub.
///
/// # Errors
/// If it does not open.
pub fn open_hub(data: &Path) -> anyhow::Result<Arc<Hub>> {
    Ok(Hub::open(data, catalogue()?, &LedgerOptions::default(), system_clock)?)
}

/// A hub that listens, and a place beside its folder for nodes.
pub struct Province {
    /// Everything's place; gone when dropped.
    pub dir: tempfile::TempDir,
    /// The hub; its folder is `hub`.
    pub hub: Arc<Hub>,
    /// Where nodes dial it.
    pub address: String,
}

impl Province {
    /// Makes one.
    ///
    /// # Errors
    /// If it cannot be made or does not listen.
    pub async fn set() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        make_hub(&dir.path().join("hub"))?;
        let hub = open_hub(&dir.path().join("hub"))?;
        let address = hub.listen("127.0.0.1:0").await?.to_string();
        Ok(Self { dir, hub, address })
    }
}

/// A token for a unit, valid for an hour.
///
/// # Errors
/// If it cannot be kept.
pub fn token(hub: &Hub, unit: &str) -> anyhow::Result<Token> {
    let expires = UnixMillis(hub.now().0 + 3_600_000);
    Ok(hub.tokens.create(&hub.secrets, unit.parse()?, Role::Commune, expires, "test".to_owned())?)
}

/// Enrols and opens a node, making its folder; it does not dial yet.
///
/// # Errors
/// If the hub refuses.
pub async fn make_node(hub: &Hub, address: &str, data: &Path, unit: &str) -> anyhow::Result<Arc<Node>> {
    std::fs::create_dir_all(data)?;
    enrol(data, address, &token(hub, unit)?).await?;
    Ok(Node::open(data, catalogue()?, system_clock)?)
}

/// Quick rhythms for tests.
#[must_use]
pub fn brisk() -> Settings {
    Settings { retry_millis: (5, 100), ..Settings::default() }
}

/// A member's record with the given number and name.
///
/// # Errors
/// If the unit's code is none.
pub fn member(unit: &str, number: &str, name: &str) -> anyhow::Result<Draft> {
    let text = |text: &str| Value::Text(text.to_owned());
    let values = BTreeMap::from([
        ("so_cccd".to_owned(), text(number)),
        ("ho_ten".to_owned(), text(name)),
        ("ngay_sinh".to_owned(), Value::Date(0)),
        ("ma_xa".to_owned(), Value::Unit(unit.parse()?)),
    ]);
    Ok(Draft {
        record_type: "dang_vien".to_owned(),
        owner: unit.parse()?,
        values,
        intent: Intent::Assert,
        author: "test".to_owned(),
    })
}

/// Waits until the hub has acknowledged everything the node has.
///
/// # Errors
/// If that takes longer than a minute.
pub async fn acknowledged(node: &Node) -> anyhow::Result<()> {
    let handle = node.sync().ok_or_else(|| anyhow::anyhow!("not synchronising"))?;
    let mut status = handle.watch();
    let size = node.replica.head().borrow().size;
    let done = status.wait_for(|status| status.acknowledged >= size);
    tokio::time::timeout(std::time::Duration::from_secs(60), done).await??;
    Ok(())
}

/// A folder is free again once the last thread of its former process part has ended: tries for half a
/// minute.
///
/// # Panics
/// If it does not open in that time.
pub fn reopened<T>(mut open: impl FnMut() -> anyhow::Result<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match open() {
            Ok(opened) => return opened,
            Err(error) => {
                assert!(std::time::Instant::now() < deadline, "{error:#}");
                std::thread::yield_now();
            }
        }
    }
}

/// Lets an enrolled node dial another address.
///
/// # Errors
/// If its profile is not there.
pub fn retarget(folder: &Path, hub: &str) -> anyhow::Result<()> {
    let path = folder.join("identity/profile.json");
    let mut profile: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    if let Some(fields) = profile.as_object_mut() {
        fields.insert("hub".to_owned(), hub.into());
    }
    Ok(std::fs::write(&path, serde_json::to_vec(&profile)?)?)
}

/// Copies a folder with everything in it.
///
/// # Errors
/// If a file cannot be copied.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            // A socket that a stopped daemon left is nobody's.
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
