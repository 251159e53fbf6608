//! The agency's own node: it is granted, enrolled, follows what changes, and is cut off.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use lienthong_node::cli::Tongue;
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use serde_json::{Value as Json, json};

use super::checks::{Check, exported};
use super::{CONVERGE_MAX, Daemon, DemoNode, Stage, TYPE, address, once};
use crate::pki::Role;
use crate::service::SharingRequest;

/// What the commune changes before the agency's eyes: a field it may see.
const SEEN: (&str, &str) = ("chi_bo", "Chi bộ vừa đổi tên");

impl Stage {
    /// The agency follows its part live, from the first record to the end of the grant.
    pub(super) async fn live(&self, agency: &str, grant: u64, policy: &str) -> anyhow::Result<Vec<Check>> {
        let tongue = self.tongue;
        let node = self.subscribed(agency, policy).await?;
        let shared = self.at_province(false).await?.len();
        let mut records = until(tongue, || received(&node), |records| records.len() == shared).await?;
        let masked = |record: &Json| record["fields"].get("so_cccd").is_some();
        let mut checks = vec![
            Check::new(
                tongue.pick("máy của cơ quan nhận phần được cấp", "the agency's node receives its part"),
                shared,
                records.len(),
            ),
            Check::new(
                tongue.pick("số định danh trong phần đó", "citizen numbers in it"),
                0,
                records.iter().filter(|record| masked(record)).count(),
            ),
        ];
        let commune = self.nodes.first().context("no commune")?;
        corrects(commune).await?;
        let follows = |records: &Vec<Json>| records.iter().any(|record| record["fields"][SEEN.0] == SEEN.1);
        records = until(tongue, || received(&node), follows).await?;
        checks.push(Check::new(
            tongue.pick(
                "xã sửa một giá trị, cơ quan thấy ngay",
                "a commune corrects a value, and the agency sees it",
            ),
            true,
            follows(&records),
        ));
        let reason = "xong việc · done".to_owned();
        self.share(SharingRequest::GrantRevoke { number: grant, reason, actor: String::new() }, None).await?;
        let ended = until(tongue, || state(&node), |state| state == "revoked").await?;
        checks.push(Check::new(
            tongue.pick("thu hồi quyền: dòng dữ liệu bị cắt", "the grant is revoked, and the line is cut"),
            "revoked",
            ended,
        ));
        Ok(checks)
    }

    async fn subscribed(&self, agency: &str, policy: &str) -> anyhow::Result<Daemon> {
        let token = self.token(agency.parse()?, Role::Auditor).await?;
        let data = self.folder.join(format!("node-{agency}"));
        let hub = address(&self.hub.status().await?)?.to_string();
        let arguments = ["as-node", "enrol", "--hub", &hub, "--token", &token, "--trust", policy];
        let (enrolled, code) = once(&self.program, &arguments, &data).await?;
        ensure!(code == 0, "{agency}: {enrolled}");
        Daemon::start(&self.program, &["as-node", "run"], &data).await
    }
}

/// The commune's officer corrects one record.
async fn corrects(commune: &DemoNode) -> anyhow::Result<()> {
    let records =
        exported(false, async |request| commune.daemon.ask(&NodeRequest::Records(request)).await).await?;
    let own = records.iter().find(|record| record["fields"]["ma_xa"] == *commune.unit.as_str());
    let mut values = own.context("no record")?["fields"].clone();
    if let Some(field) = values.get_mut(SEEN.0) {
        *field = json!(SEEN.1);
    }
    let put = RecordsRequest::Put {
        values: vec![values],
        record_type: TYPE.to_owned(),
        author: "demo".to_owned(),
        english: true,
    };
    let answer = commune.daemon.ask(&NodeRequest::Records(put)).await?;
    ensure!(answer.body["updated"] == 1, "{}", answer.body);
    Ok(())
}

async fn received(node: &Daemon) -> anyhow::Result<Vec<Json>> {
    exported(true, async |request| node.ask(&NodeRequest::Records(request)).await).await
}

async fn state(node: &Daemon) -> anyhow::Result<String> {
    let grants = node.ask(&NodeRequest::Grants { page: Page::default() }).await?.body;
    Ok(grants["items"][0]["state"].as_str().unwrap_or_default().to_owned())
}

/// Asks until the answer is as wanted, or for as long as anything may take here: then what it is.
async fn until<T>(
    tongue: Tongue,
    ask: impl AsyncFn() -> anyhow::Result<T>,
    wanted: impl Fn(&T) -> bool,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + CONVERGE_MAX;
    loop {
        let answer = ask().await.with_context(|| tongue.pick("máy của cơ quan", "the agency's node"))?;
        if wanted(&answer) || Instant::now() > deadline {
            return Ok(answer);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
