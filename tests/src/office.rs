//! A commune's office: its node at work, and the command line its officer has.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::large_futures, reason = "one for each test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lienthong_hub::demo::Daemon;
use lienthong_node::records::{LIMIT_MAX, Listing};
use lienthong_node::service::{RecordsRequest, Request};
use serde_json::Value as Json;

use crate::{Province, make_node, reopened};

/// The office's commune.
pub const UNIT: &str = "11953";

/// A commune's node at work, and the command line beside it.
pub struct Office {
    /// The province it belongs to.
    pub province: Province,
    program: &'static str,
    /// The node's folder.
    pub data: PathBuf,
    /// The node at work.
    pub running: Daemon,
}

impl Office {
    /// Opens one, whose program is `program`.
    pub async fn open(program: &'static str) -> Self {
        let province = Province::set().await.unwrap();
        let data = province.dir.path().join("node");
        let made = make_node(&province.hub, &province.address, &data, UNIT).await.unwrap();
        made.close().await;
        drop(made);
        reopened(|| Ok(lienthong_node::lock::DataLock::take(&data, "test").map(drop)?));
        let running = Daemon::start(Path::new(program), &["as-node", "run"], &data).await.unwrap();
        Self { province, program, data, running }
    }

    /// Runs a command beside it.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.program);
        command.arg("as-node").args(arguments).arg("--data").arg(&self.data).output().unwrap()
    }

    /// What a command prints for programs.
    #[must_use]
    pub fn json(&self, arguments: &[&str]) -> Json {
        let output = self.run(&[arguments, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// A file's place.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.province.dir.path().join(name)
    }

    /// Takes a file of those bytes in; its report.
    #[must_use]
    pub fn import(&self, record_type: &str, name: &str, bytes: &[u8]) -> Json {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        self.json(&["import", path.to_str().unwrap(), "--type", record_type])
    }

    /// Asks the node for an import as the command does, without its process; its report.
    pub async fn take(&self, record_type: &str, name: &str, bytes: &[u8]) -> Json {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        let record_type = record_type.to_owned();
        let (dry_run, rows, author, english) = (false, false, "lan".to_owned(), false);
        let request = RecordsRequest::Import { path, record_type, dry_run, rows, author, english };
        self.running.ask(&Request::Records(request)).await.unwrap().body
    }

    /// A page of a type's records, asked for in the same way.
    pub async fn list(&self, record_type: &str) -> Vec<Json> {
        let listing = Listing { limit: Some(LIMIT_MAX), all: true, ..Listing::default() };
        let request = RecordsRequest::List { record_type: record_type.to_owned(), listing };
        let answer = self.running.ask(&Request::Records(request)).await.unwrap();
        answer.body["items"].as_array().unwrap().clone()
    }

    /// The fields of all records of a type, by the value of one of them.
    #[must_use]
    pub fn fields(&self, record_type: &str, by: &str) -> BTreeMap<String, Json> {
        let output = self.run(&["export", "--type", record_type, "--all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["fields"].clone());
        records.map(|fields| (fields[by].as_str().unwrap().to_owned(), fields)).collect()
    }
}

/// The classes of a report's errors or warnings by row; those of the file are of row 0.
#[must_use]
pub fn classes(list: &Json) -> Vec<(u64, &str)> {
    let found = list.as_array().unwrap().iter();
    let mut found: Vec<_> =
        found.map(|one| (one["row"].as_u64().unwrap(), one["rule"].as_str().unwrap())).collect();
    found.sort_unstable();
    found
}

/// Rows judged, and what became of them: created, updated, unchanged, duplicates, rejected.
#[must_use]
pub fn counts(report: &Json) -> [u64; 6] {
    ["rows", "created", "updated", "unchanged", "duplicates", "rejected"]
        .map(|count| report[count].as_u64().unwrap_or_else(|| panic!("{report:#}")))
}
