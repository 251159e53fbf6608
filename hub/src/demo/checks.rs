//! What must hold at the end, each with what was expected and what was found.

use std::collections::BTreeMap;
use std::io::BufRead as _;

use anyhow::Context as _;
use lienthong_node::cli::{Export, ExportFormat, Tongue};
use lienthong_node::control::Answer;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::checkpoint::SignedCheckpoint;
use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::verify_inclusion;
use serde_json::{Value as Json, json};

use super::Stage;
use super::people::Contested;
use crate::service::Request as HubRequest;

/// One check.
#[derive(Debug, Clone)]
pub(super) struct Check {
    /// What it is about.
    pub(super) name: String,
    /// What should be.
    pub(super) expected: String,
    /// What is.
    pub(super) found: String,
}

impl Check {
    pub(super) fn new(name: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self { name: name.to_owned(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Whether it holds.
    pub(super) fn holds(&self) -> bool {
        self.expected == self.found
    }
}

impl Stage {
    /// All checks, in order.
    pub(super) async fn checks(&self, tongue: Tongue) -> anyhow::Result<Vec<Check>> {
        let mut checks = self.import_checks(tongue);
        let records = self.hub_records().await?;
        checks.extend(self.record_checks(&records, tongue));
        checks.push(self.digests(tongue).await?);
        if let Some(contested) = &self.contested {
            checks.push(self.conflict(contested, tongue).await?);
        }
        let sample = records.values().nth(records.len() / 2).context("no record at the hub")?;
        checks.push(self.proof(sample, tongue).await?);
        Ok(checks)
    }

    fn import_checks(&self, tongue: Tongue) -> Vec<Check> {
        let planned: u64 = self.sheets.iter().map(super::people::Sheet::rows).sum();
        let mut planted: BTreeMap<String, u64> = BTreeMap::new();
        for (class, count) in self.sheets.iter().flat_map(|sheet| &sheet.planted) {
            *planted.entry(class.clone()).or_default() += count;
        }
        let copies: u64 = self.sheets.iter().map(|sheet| sheet.copies).sum();
        let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
        for error in self.reports.values().filter_map(|report| report["errors"].as_array()).flatten() {
            *rejected.entry(error["rule"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let classes = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ")
        };
        vec![
            Check::new(tongue.pick("dòng đã đọc", "rows read"), planned, self.reported("rows")),
            Check::new(
                tongue.pick("dòng bị loại, theo lý do", "rows rejected, by reason"),
                classes(&planted),
                classes(&rejected),
            ),
            Check::new(tongue.pick("dòng lặp lại", "repeated rows"), copies, self.reported("duplicates")),
        ]
    }

    /// The hub's records by citizen number, as it exports them.
    async fn hub_records(&self) -> anyhow::Result<BTreeMap<String, Json>> {
        let number = |record: &Json| record["fields"]["so_cccd"].as_str().unwrap_or_default().to_owned();
        let records = self.at_province(true).await?;
        Ok(records.into_iter().map(|record| (number(&record), record)).collect())
    }

    /// The hub's records; `all`: also those that a grave defect keeps out of the shared dataset.
    pub(super) async fn at_province(&self, all: bool) -> anyhow::Result<Vec<Json>> {
        exported(all, async |request| self.hub.ask(&HubRequest::Records(request)).await).await
    }

    fn record_checks(&self, records: &BTreeMap<String, Json>, tongue: Tongue) -> Vec<Check> {
        let contested = self.contested.as_ref().map_or("", |contested| contested.number.as_str());
        let mut expected = std::collections::BTreeSet::new();
        let mut same = 0;
        for row in self.sheets.iter().flat_map(super::people::Sheet::good) {
            let fields = row.expected();
            let number = fields.get("so_cccd").cloned().unwrap_or_default();
            let at_hub = records.get(&number).map(|record| &record["fields"]);
            let all = number == contested
                || fields.iter().all(|(name, value)| at_hub.is_some_and(|fields| fields[*name] == **value));
            same += u64::from(expected.insert(number) && all && at_hub.is_some());
        }
        let signed = records.values().filter(|record| {
            let sources = record["sources"].as_array().map_or(&[][..], Vec::as_slice);
            !sources.is_empty() && sources.iter().all(|source| self.knows(&source["replica"]))
        });
        vec![
            Check::new(
                tongue.pick("bản ghi ở tỉnh", "records at the province"),
                expected.len(),
                records.len(),
            ),
            Check::new(
                tongue.pick("bản ghi được nhận, đúng từng giá trị", "accepted records, value by value"),
                expected.len(),
                same,
            ),
            Check::new(
                tongue.pick("bản ghi có nguồn đã ghi danh ký", "records signed by an enrolled source"),
                records.len(),
                signed.count(),
            ),
        ]
    }

    fn knows(&self, replica: &Json) -> bool {
        self.nodes.iter().any(|node| *replica == *node.replica)
    }

    async fn digests(&self, tongue: Tongue) -> anyhow::Result<Check> {
        let mut equal = 0;
        for node in &self.nodes {
            let at_node = node.daemon.ask(&NodeRequest::StateDigest).await?.body;
            let request = json!({ "command": "state_digest", "replica": node.replica });
            let at_hub = self.hub.ask(&request).await?.body;
            equal += usize::from(at_node["digest"].is_string() && at_node["digest"] == at_hub["digest"]);
        }
        let name = tongue.pick("trạng thái xã và tỉnh bằng nhau", "equal states, node and hub");
        Ok(Check::new(name, self.nodes.len(), equal))
    }

    async fn conflict(&self, contested: &Contested, tongue: Tongue) -> anyhow::Result<Check> {
        let request = HubRequest::Records(RecordsRequest::Get {
            record_type: super::TYPE.to_owned(),
            id: contested.number.clone(),
            unit: None,
        });
        let record = self.hub.ask(&request).await?.body;
        let conflicts = record["conflicts"].as_array().map_or(&[][..], Vec::as_slice);
        let siblings = conflicts.iter().find(|conflict| conflict["field"] == "ho_ten");
        let siblings = siblings.and_then(|conflict| conflict["siblings"].as_array()).cloned();
        let mut found: Vec<String> = siblings
            .unwrap_or_default()
            .iter()
            .map(|sibling| sibling["value"].as_str().unwrap_or_default().to_owned())
            .collect();
        found.sort();
        let mut expected = contested.names.clone();
        expected.sort();
        let name = tongue.pick("xung đột giữ cả hai giá trị", "conflict keeps both values");
        Ok(Check::new(name, expected.join(" | "), found.join(" | ")))
    }

    /// A record at the hub, to its leaf, to the checkpoint its commune signed.
    async fn proof(&self, record: &Json, tongue: Tongue) -> anyhow::Result<Check> {
        let id = record["id"].as_str().unwrap_or_default().parse()?;
        let request = HubRequest::RecordSource { record_type: super::TYPE.to_owned(), id };
        let source = self.hub.ask(&request).await?.body;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let sequence = source["sequence"].as_u64().context("no sequence")?;
        let size = source["size"].as_u64().context("no size")?;
        let node = self.nodes.iter().find(|node| source["replica"] == *node.replica).context("whose?")?;
        let proof = node.daemon.ask(&NodeRequest::LogProve { sequence, size }).await?.body;
        let mut key = [0; 32];
        hex::decode_to_slice(text(&source["log_key"]), &mut key)?;
        let held = text(&source["checkpoint"]);
        let signed = SignedCheckpoint::verify(held.as_bytes(), &text(&source["origin"]), key)?;
        let digest = |text: &str| -> anyhow::Result<Digest> {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest)?;
            Ok(digest)
        };
        let steps = proof["path"].as_array().context("no path")?;
        let path: Vec<Digest> =
            steps.iter().map(|step| digest(step.as_str().unwrap_or_default())).collect::<Result<_, _>>()?;
        let root = signed.checkpoint().root;
        let verified = verify_inclusion(&digest(&text(&source["leaf"]))?, sequence, size, &path, &root);
        let name = tongue.pick("bằng chứng của một bản ghi", "one record's proof");
        let found = verified.map_or_else(|error| error.to_string(), |()| "verified".to_owned());
        Ok(Check::new(name, "verified", found))
    }
}

/// The records somebody has, as they are exported.
pub(super) async fn exported(
    all: bool,
    ask: impl AsyncFn(RecordsRequest) -> anyhow::Result<Answer>,
) -> anyhow::Result<Vec<Json>> {
    let export =
        Export { record_type: super::TYPE.to_owned(), format: ExportFormat::Jsonl, all, ..Export::default() };
    let mut lines = Vec::new();
    let answer = export.write_to(&mut lines, Catalogue::embedded()?, ask).await?;
    anyhow::ensure!(answer.exit == 0, "{}", answer.body);
    lines.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
